/*
 * HYPERVISOR_vcpu_op. Source of the rules: vcpu.h, and Xen 4.17's
 * do_vcpu_op() for the order of checks and the error codes. All operations
 * are on vCPUs of the caller's own domain.
 *
 * Invariants:
 *  1. The single-shot timer and the registrations that need a vCPU's own
 *     address space are refused for another vCPU, as Xen does.
 */
#include "hv/evtchn.h"
#include "hv/gmem.h"
#include "hv/hv.h"
#include "hv/hypercall.h"
#include "hv/sched.h"
#include "hv/x86/virt.h"

#define PERIOD_MIN_NS 1000000ULL
#define PERIOD_MAX_NS (~0ULL >> 2) /* Xen's STIME_DELTA_MAX */

static long vcpuop_initialise(struct vcpu *v, struct vcpu *target, gva_t arg)
{
    struct vcpu_hvm_context ctx;

    if (gmem_copy_from(v, &ctx, arg, sizeof(ctx))) {
        return -XEN_EFAULT;
    }
    if (target->initialised) {
        return -XEN_EEXIST;
    }
    return vcpu_set_hvm_context(target, &ctx);
}

static long vcpuop_up(struct vcpu *target)
{
    if (!target->initialised) {
        return -XEN_EINVAL;
    }
    if (!target->online) {
        target->online = true;
        sched_wake_up(target);
    }
    return 0;
}

static long vcpuop_down(struct vcpu *target)
{
    struct domain *d = target->domain;

    for (unsigned i = 0; i < d->max_vcpus; i++) {
        if (i != target->id && d->vcpus[i] != NULL && d->vcpus[i]->online) {
            target->online = false;
            sched_reconsider(target);
            return 0;
        }
    }
    domain_shutdown(d, SHUTDOWN_poweroff); /* the last one going down */
    return 0;
}

static long vcpuop_set_periodic(struct vcpu *v, struct vcpu *target,
                                gva_t arg)
{
    struct vcpu_set_periodic_timer op;

    if (gmem_copy_from(v, &op, arg, sizeof(op))) {
        return -XEN_EFAULT;
    }
    if (op.period_ns < PERIOD_MIN_NS || op.period_ns > PERIOD_MAX_NS) {
        return -XEN_EINVAL;
    }
    vcpu_set_periodic(target, op.period_ns);
    return 0;
}

/* Xen 4.17 does not heed VCPU_SSHOTTMR_future ("can be ignored by the
 * hypervisor"): what has passed fires at once. */
static long vcpuop_set_singleshot(struct vcpu *v, struct vcpu *target,
                                  gva_t arg)
{
    struct hv *hv = v->domain->hv;
    struct vcpu_set_singleshot_timer op;

    if (target != v) {
        return -XEN_EINVAL;
    }
    if (gmem_copy_from(v, &op, arg, sizeof(op))) {
        return -XEN_EFAULT;
    }
    if (op.timeout_abs_ns < plat_now(hv->plat)) {
        timer_cancel(hv, &v->singleshot);
        evtchn_send_virq_vcpu(v, VIRQ_TIMER);
    } else {
        timer_arm(hv, &v->singleshot, op.timeout_abs_ns);
    }
    return 0;
}

static long vcpuop_register_info(struct vcpu *v, struct vcpu *target,
                                 gva_t arg)
{
    struct vcpu_register_vcpu_info op;
    int rc;

    if (gmem_copy_from(v, &op, arg, sizeof(op))) {
        return -XEN_EFAULT;
    }
    rc = vcpu_map_info(target, op.mfn, op.offset);
    if (rc == 0) {
        vcpu_update_time(target);
    }
    return rc;
}

/* The first copy is made in the caller's address space, later ones in the
 * target's; one that can't be written is passed over. */
static long vcpuop_register_runstate(struct vcpu *v, struct vcpu *target,
                                     gva_t arg)
{
    struct vcpu_register_runstate_memory_area op;
    struct vcpu_runstate_info info;

    if (gmem_copy_from(v, &op, arg, sizeof(op))) {
        return -XEN_EFAULT;
    }
    target->runstate_area = GVA(op.addr.p);
    if (op.addr.p != 0) {
        vcpu_get_runstate(target, &info);
        (void)gmem_copy_to(v, target->runstate_area, &info, sizeof(info));
    }
    return 0;
}

static long vcpuop_register_time(struct vcpu *v, struct vcpu *target,
                                 gva_t arg)
{
    struct vcpu_register_time_memory_area op;

    if (gmem_copy_from(v, &op, arg, sizeof(op))) {
        return -XEN_EFAULT;
    }
    target->time_area = GVA(op.addr.p);
    vcpu_update_time(target);
    return 0;
}

static long vcpuop_get_runstate(struct vcpu *v, struct vcpu *target,
                                gva_t arg)
{
    struct vcpu_runstate_info info;

    vcpu_get_runstate(target, &info);
    return gmem_copy_to(v, arg, &info, sizeof(info)) ? -XEN_EFAULT : 0;
}

static long vcpuop_dispatch(struct vcpu *v, unsigned cmd, struct vcpu *target,
                            gva_t arg)
{
    switch (cmd) {
    case VCPUOP_initialise:
        return vcpuop_initialise(v, target, arg);
    case VCPUOP_up:
        return vcpuop_up(target);
    case VCPUOP_down:
        return vcpuop_down(target);
    case VCPUOP_is_up:
        return target->online;
    case VCPUOP_get_runstate_info:
        return vcpuop_get_runstate(v, target, arg);
    case VCPUOP_register_runstate_memory_area:
        return vcpuop_register_runstate(v, target, arg);
    case VCPUOP_set_periodic_timer:
        return vcpuop_set_periodic(v, target, arg);
    case VCPUOP_stop_periodic_timer:
        vcpu_set_periodic(target, 0);
        return 0;
    case VCPUOP_set_singleshot_timer:
        return vcpuop_set_singleshot(v, target, arg);
    case VCPUOP_stop_singleshot_timer:
        if (target != v) {
            return -XEN_EINVAL;
        }
        timer_cancel(v->domain->hv, &v->singleshot);
        return 0;
    case VCPUOP_register_vcpu_info:
        return vcpuop_register_info(v, target, arg);
    case VCPUOP_register_vcpu_time_memory_area:
        return vcpuop_register_time(v, target, arg);
    case VCPUOP_get_physid:
        return -XEN_EINVAL; /* no vCPU here is pinned for good */
    case VCPUOP_send_nmi:
        /* vcpu.h wants a null argument; there is no NMI to be had yet. */
        return arg.v != 0 ? -XEN_EINVAL : -XEN_ENOSYS;
    default:
        return -XEN_ENOSYS;
    }
}

long vcpu_op(struct vcpu *v, unsigned cmd, uint32_t vcpuid, gva_t arg)
{
    struct domain *d = v->domain;

    if (vcpuid >= d->max_vcpus || d->vcpus[vcpuid] == NULL) {
        return -XEN_ENOENT;
    }
    return vcpuop_dispatch(v, cmd, d->vcpus[vcpuid], arg);
}
