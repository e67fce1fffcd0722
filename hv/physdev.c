/*
 * PHYSDEVOP_*: physical interrupts, for the owner of the hardware. Source of
 * the rules: physdev.h.
 *
 * The seam acknowledges a device line when the hypervisor takes it
 * (plat_irq_take), so no line waits for its guest: EOI has nothing left to
 * do and no line ever needs one. Lines have one owner: none is shared.
 *
 * Invariants:
 *  1. A domain without hardware gets -ENOSYS for everything, as an HVM domain
 *     without pirqs does in Xen.
 */
#include "hv/hypercall.h"

#include <xen/physdev.h>

#include "hv/access.h"
#include "hv/domain.h"
#include "hv/gmem.h"
#include "hv/hv.h"

static long eoi(struct vcpu *v, gva_t arg)
{
    struct hv *hv = v->domain->hv;
    struct physdev_eoi op;

    if (gmem_copy_from(v, &op, arg, sizeof(op))) {
        return -XEN_EFAULT;
    }
    if (op.irq >= HV_MAX_IRQS || !hv->irq_port[op.irq] ||
        hv->irq_owner[op.irq] != v->domain->domid) {
        return -XEN_EINVAL;
    }
    return 0;
}

static long irq_status_query(struct vcpu *v, gva_t arg)
{
    struct physdev_irq_status_query op;

    if (gmem_copy_from(v, &op, arg, sizeof(op))) {
        return -XEN_EFAULT;
    }
    if (op.irq >= HV_MAX_IRQS) {
        return -XEN_EINVAL;
    }
    op.flags = 0; /* neither XENIRQSTAT_needs_eoi nor _shared, see above */
    return gmem_copy_to(v, arg, &op, sizeof(op));
}

long physdev_op(struct vcpu *v, unsigned cmd, gva_t arg)
{
    if (access_check(v->domain, ACCESS_HARDWARE, NULL)) {
        return -XEN_ENOSYS;
    }
    switch (cmd) {
    case PHYSDEVOP_eoi:
        return eoi(v, arg);
    case PHYSDEVOP_irq_status_query:
        return irq_status_query(v, arg);
    default:
        return -XEN_ENOSYS;
    }
}
