/*
 * hvm_op: HVM parameters and the small operations on HVM and PVH domains.
 * Source of the rules: hvm/hvm_op.h, hvm/params.h, and Xen 4.17's list of who
 * may set and read which parameter.
 *
 * A parameter is, by index:
 *   PARAM_OPEN   set by the domain itself and by the toolstack
 *   PARAM_TOOLS  set by the toolstack only
 *   PARAM_NONE   a hole, obsolete, or written by nobody: -EINVAL
 * and readable by both unless it is TOOLS and not in the list of those a
 * guest has to read to find its xenstore and console.
 *
 * Invariants:
 *  1. d->hvm_params[i] is what get_param(i) answers; state derived from it
 *     (d->callback_vector) is set in the same step.
 *  2. PARAM_ONCE parameters never change once they are not 0.
 */
#include "hv/hypercall.h"

#include "hv/access.h"
#include "hv/domain.h"
#include "hv/evtchn.h"
#include "hv/gmem.h"
#include "hv/hv.h"
#include "hv/p2m.h"

enum {
    PARAM_NONE = 0,
    PARAM_OPEN = 1,  /* the domain may set it */
    PARAM_TOOLS = 2, /* the toolstack may */
    PARAM_READ = 4,  /* the domain may read it */
    PARAM_ONCE = 8,
};
#define OPEN (PARAM_OPEN | PARAM_TOOLS | PARAM_READ)

static const uint8_t params[HVM_NR_PARAMS] = {
    [HVM_PARAM_CALLBACK_IRQ] = OPEN,
    [HVM_PARAM_VM86_TSS] = OPEN,
    [HVM_PARAM_VM86_TSS_SIZED] = OPEN,
    [HVM_PARAM_ACPI_IOPORTS_LOCATION] = OPEN,
    [HVM_PARAM_VM_GENERATION_ID_ADDR] = OPEN,
    [HVM_PARAM_STORE_EVTCHN] = OPEN,
    [HVM_PARAM_CONSOLE_EVTCHN] = OPEN,
    [HVM_PARAM_X87_FIP_WIDTH] = OPEN,
    [HVM_PARAM_STORE_PFN] = PARAM_TOOLS | PARAM_READ,
    [HVM_PARAM_CONSOLE_PFN] = PARAM_TOOLS | PARAM_READ,
    [HVM_PARAM_VIRIDIAN] = PARAM_TOOLS | PARAM_ONCE,
    [HVM_PARAM_TIMER_MODE] = PARAM_TOOLS,
    [HVM_PARAM_HPET_ENABLED] = PARAM_TOOLS,
    [HVM_PARAM_IDENT_PT] = PARAM_TOOLS,
    [HVM_PARAM_ACPI_S_STATE] = PARAM_TOOLS,
    [HVM_PARAM_VPT_ALIGN] = PARAM_TOOLS,
    [HVM_PARAM_PAGING_RING_PFN] = PARAM_TOOLS,
    [HVM_PARAM_MONITOR_RING_PFN] = PARAM_TOOLS,
    [HVM_PARAM_SHARING_RING_PFN] = PARAM_TOOLS,
    [HVM_PARAM_TRIPLE_FAULT_REASON] = PARAM_TOOLS,
    [HVM_PARAM_IOREQ_SERVER_PFN] = PARAM_TOOLS | PARAM_ONCE,
    [HVM_PARAM_NR_IOREQ_SERVER_PAGES] = PARAM_TOOLS | PARAM_ONCE,
    [HVM_PARAM_ALTP2M] = PARAM_TOOLS | PARAM_ONCE,
    [HVM_PARAM_MCA_CAP] = PARAM_TOOLS | PARAM_ONCE,
};

#define CALLBACK_TYPE_SHIFT 56 /* params.h: val[63:56] */
#define IOREQ_PAGES_MAX 64     /* bits in Xen's mask of free pages */
#define TSS32_BYTES 104        /* APM2 12.2.2: the 32-bit TSS */
#define VM86_TSS_OLD (128ULL << 32) /* size that old firmware means */
#define VECTOR_MIN 0x10        /* the local APIC's lowest */

/* params.h: HVM_PARAM_CALLBACK_IRQ */
static int set_callback(struct domain *d, uint64_t value)
{
    unsigned i;

    /* The other ways go through interrupt controllers that a domain here
     * does not have, "off" included. */
    if (value >> CALLBACK_TYPE_SHIFT != HVM_PARAM_CALLBACK_TYPE_VECTOR) {
        return -XEN_EINVAL;
    }
    d->callback_vector = (uint8_t)value;
    for (i = 0; i < d->max_vcpus; i++) {
        if (d->vcpus[i]) {
            evtchn_upcall_recheck(d->vcpus[i]);
        }
    }
    return 0;
}

/* Hardware takes 32 bits; the size is in the upper half (params.h). */
static int set_vm86_tss(struct vcpu *v, struct domain *d, uint64_t value,
                        bool sized)
{
    bool bad = sized ? (value >> 32) < TSS32_BYTES
                     : value != (uint32_t)value;

    if (bad) {
        if (d == v->domain) {
            domain_crash(d, "bad HVM_PARAM_VM86_TSS");
        }
        return -XEN_EINVAL;
    }
    if (!sized && value) {
        value |= VM86_TSS_OLD;
    }
    d->hvm_params[HVM_PARAM_VM86_TSS_SIZED] = value;
    return 0;
}

static int check_value(uint32_t index, uint64_t value)
{
    switch (index) {
    case HVM_PARAM_TIMER_MODE:
        return value > HVMPTM_one_missed_tick_pending ? -XEN_EINVAL : 0;
    case HVM_PARAM_VIRIDIAN:
        return (value & ~(uint64_t)HVMPV_feature_mask) ||
                       !(value & HVMPV_base_freq)
                   ? -XEN_EINVAL
                   : -XEN_EOPNOTSUPP;
    case HVM_PARAM_ACPI_S_STATE: /* awake is the only state there is */
        return value ? -XEN_EINVAL : 0;
    case HVM_PARAM_ACPI_IOPORTS_LOCATION: /* no power management block */
        return -XEN_ENODEV;
    case HVM_PARAM_TRIPLE_FAULT_REASON:
        return value > SHUTDOWN_MAX ? -XEN_EINVAL : 0;
    case HVM_PARAM_NR_IOREQ_SERVER_PAGES:
        return value == 0 || value > IOREQ_PAGES_MAX ? -XEN_EINVAL : 0;
    case HVM_PARAM_ALTP2M:
        if (value > XEN_ALTP2M_limited) {
            return -XEN_EINVAL;
        }
        return value ? -XEN_EOPNOTSUPP : 0;
    case HVM_PARAM_MCA_CAP:
        return value ? -XEN_EINVAL : 0; /* no LMCE here */
    case HVM_PARAM_X87_FIP_WIDTH:
        return value == 0 || value == 4 || value == 8 ? 0 : -XEN_EINVAL;
    default:
        return 0;
    }
}

static int set_param(struct vcpu *v, struct domain *d, uint32_t index,
                     uint64_t value)
{
    int rc = access_check(v->domain, ACCESS_MANAGE, d);

    if (rc) {
        return rc;
    }
    if (!(params[index] & PARAM_TOOLS)) {
        return -XEN_EINVAL;
    }
    if (d == v->domain && !(params[index] & PARAM_OPEN)) {
        return -XEN_EPERM;
    }
    if ((params[index] & PARAM_ONCE) && d->hvm_params[index] &&
        d->hvm_params[index] != value) {
        return -XEN_EEXIST;
    }
    if (index == HVM_PARAM_VM86_TSS || index == HVM_PARAM_VM86_TSS_SIZED) {
        return set_vm86_tss(v, d, value, index == HVM_PARAM_VM86_TSS_SIZED);
    }
    rc = index == HVM_PARAM_CALLBACK_IRQ ? set_callback(d, value)
                                         : check_value(index, value);
    if (!rc) {
        d->hvm_params[index] = value;
    }
    return rc;
}

static int get_param(struct vcpu *v, struct domain *d, uint32_t index,
                     uint64_t *value)
{
    int rc = access_check(v->domain, ACCESS_MANAGE, d);

    if (rc) {
        return rc;
    }
    if (params[index] == PARAM_NONE) {
        return -XEN_EINVAL;
    }
    if (d == v->domain && !(params[index] & PARAM_READ)) {
        return -XEN_EPERM;
    }
    if (index == HVM_PARAM_VM86_TSS) {
        *value = (uint32_t)d->hvm_params[HVM_PARAM_VM86_TSS_SIZED];
    } else {
        *value = d->hvm_params[index];
    }
    return 0;
}

static long param_op(struct vcpu *v, gva_t arg, bool set)
{
    struct xen_hvm_param op;
    struct domain *d;
    long rc;

    if (gmem_copy_from(v, &op, arg, sizeof(op))) {
        return -XEN_EFAULT;
    }
    if (op.index >= HVM_NR_PARAMS) {
        return -XEN_EINVAL;
    }
    d = domain_get_id(v, op.domid);
    if (!d) {
        return -XEN_ESRCH;
    }
    if (set) {
        rc = set_param(v, d, op.index, op.value);
    } else {
        rc = get_param(v, d, op.index, &op.value);
        if (!rc) {
            rc = gmem_copy_to(v, arg, &op, sizeof(op));
        }
    }
    domain_put(d);
    return rc;
}

/* hvm_op.h: HVMOP_set_evtchn_upcall_vector */
static long set_upcall_vector(struct vcpu *v, gva_t arg)
{
    struct xen_hvm_evtchn_upcall_vector op;
    struct vcpu *target;

    if (gmem_copy_from(v, &op, arg, sizeof(op))) {
        return -XEN_EFAULT;
    }
    if (op.vector < VECTOR_MIN) {
        return -XEN_EINVAL;
    }
    if (op.vcpu >= v->domain->max_vcpus || !v->domain->vcpus[op.vcpu]) {
        return -XEN_ENOENT;
    }
    target = v->domain->vcpus[op.vcpu];
    target->upcall_vector = op.vector;
    evtchn_upcall_recheck(target);
    return 0;
}

static uint16_t mem_type_of(struct domain *d, uint64_t gfn)
{
    enum p2m_type type;

    p2m_lookup(d, GFN(gfn), &type);
    switch (type) {
    case P2M_RAM_RW:
    case P2M_GRANT_RW:
        return HVMMEM_ram_rw;
    case P2M_RAM_RO:
    case P2M_GRANT_RO:
        return HVMMEM_ram_ro;
    default:
        return HVMMEM_mmio_dm;
    }
}

static long get_mem_type(struct vcpu *v, gva_t arg)
{
    struct xen_hvm_get_mem_type op;
    struct domain *d;
    long rc;

    if (gmem_copy_from(v, &op, arg, sizeof(op))) {
        return -XEN_EFAULT;
    }
    d = domain_get_id(v, op.domid);
    if (!d) {
        return -XEN_ESRCH;
    }
    rc = access_check(v->domain, ACCESS_MANAGE, d);
    if (!rc) {
        op.mem_type = mem_type_of(d, op.pfn);
        rc = gmem_copy_to(v, arg, &op, sizeof(op));
    }
    domain_put(d);
    return rc;
}

static long get_time(struct vcpu *v, gva_t arg)
{
    struct xen_hvm_get_time op = {.now = plat_now(v->domain->hv->plat)};

    return gmem_copy_to(v, arg, &op, sizeof(op));
}

/* hvm_op.h: a hint for shadow paging, which is not what runs here. */
static long pagetable_dying(struct vcpu *v, gva_t arg)
{
    struct xen_hvm_pagetable_dying op;
    struct domain *d;
    long rc;

    if (gmem_copy_from(v, &op, arg, sizeof(op))) {
        return -XEN_EFAULT;
    }
    d = domain_get_id(v, op.domid);
    if (!d) {
        return -XEN_ESRCH;
    }
    rc = d == v->domain ? -XEN_EINVAL : -XEN_EOPNOTSUPP;
    domain_put(d);
    return rc;
}

long hvm_op(struct vcpu *v, unsigned cmd, gva_t arg)
{
    switch (cmd) {
    case HVMOP_set_param:
        return param_op(v, arg, true);
    case HVMOP_get_param:
        return param_op(v, arg, false);
    case HVMOP_flush_tlbs:
        if (arg.v) {
            return -XEN_EINVAL;
        }
        p2m_flush_sync(v->domain);
        return 0;
    case HVMOP_pagetable_dying:
        return pagetable_dying(v, arg);
    case HVMOP_get_time:
        return get_time(v, arg);
    case HVMOP_get_mem_type:
        return get_mem_type(v, arg);
    case HVMOP_set_evtchn_upcall_vector:
        return set_upcall_vector(v, arg);
    case HVMOP_guest_request_vm_event:
        return arg.v ? -XEN_EINVAL : 0; /* nobody monitors */
    case HVMOP_altp2m:
        return -XEN_EOPNOTSUPP;
    default:
        return -XEN_ENOSYS;
    }
}
