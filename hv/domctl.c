/*
 * domctl: the control domain builds, looks at, pauses and ends domains.
 * Source of the rules: domctl.h of Xen's public headers, with Xen 4.17's
 * order of checks: interface version, target, permission, operation.
 *
 * Controller pauses (pausedomain, unpausedomain):
 *   0 pauses <-> 1 (d->controller_paused) <-> 2.. (+ controller_extra_pauses)
 * each holds one domain_pause(); a new domain starts with one.
 *
 * Invariants:
 *  1. The structure is fetched once; what is written back is the hypervisor's
 *     copy, and only for operations that have results.
 *  2. The target is referenced from its lookup to the end of the operation.
 *  3. No operation here acts on the caller's own life: -EINVAL.
 *  4. What answers -ERESTART is entered again with the caller's structure as
 *     it was: it is not written back before the end.
 */
#include "hv/domctl.h"

#include "hv/access.h"
#include "hv/domain.h"
#include "hv/evtchn.h"
#include "hv/gmem.h"
#include "hv/hv.h"
#include "hv/hypercall.h"
#include "hv/lib.h"
#include "hv/page.h"
#include "hv/sched.h"
#include "hv/x86/virt.h"

#define CONTROLLER_PAUSES_MAX 255 /* Xen's own */
#define GPADDR_BITS 48            /* four levels of nested tables */
#define MSR_HYPERCALL_PAGE 0x40000000 /* arch-x86/cpuid.h, leaf base + 2 */
#define NS_PER_S 1000000000ULL

static void count_vcpus(struct domain *d,
                        struct xen_domctl_getdomaininfo *info)
{
    uint32_t flags = XEN_DOMINF_blocked;
    unsigned i;

    info->max_vcpu_id = XEN_INVALID_MAX_VCPU_ID;
    for (i = 0; i < d->max_vcpus; i++) {
        struct vcpu_runstate_info rs;
        struct vcpu *v = d->vcpus[i];

        if (!v) {
            continue;
        }
        vcpu_get_runstate(v, &rs);
        info->cpu_time += rs.time[RUNSTATE_running];
        info->max_vcpu_id = i;
        if (v->online) {
            if (!v->blocked) {
                flags &= ~XEN_DOMINF_blocked;
            }
            if (v->running_on >= 0) {
                flags |= XEN_DOMINF_running;
            }
            info->nr_online_vcpus++;
        }
    }
    info->flags = info->nr_online_vcpus ? flags : 0;
}

void domctl_domain_info(struct domain *d,
                        struct xen_domctl_getdomaininfo *info)
{
    memset(info, 0, sizeof(*info));
    info->domain = d->domid;
    count_vcpus(d, info);
    info->flags |= XEN_DOMINF_hvm_guest | XEN_DOMINF_hap;
    if (d->dying == DOMDYING_dead) {
        info->flags |= XEN_DOMINF_dying;
    }
    if (d->shutting_down) {
        info->flags |= XEN_DOMINF_shutdown;
    }
    if (d->controller_paused) {
        info->flags |= XEN_DOMINF_paused;
    }
    if (d->createflags & XEN_DOMCTL_CDF_xs_domain) {
        info->flags |= XEN_DOMINF_xs_domain;
    }
    info->flags |= d->shutdown_code << XEN_DOMINF_shutdownshift;
    info->tot_pages = d->tot_pages;
    info->max_pages = d->max_pages;
    info->shared_info_frame = mfn_valid(d->shared_info)
                                  ? page_of(d->hv, d->shared_info)->gfn
                                  : ~0ULL;
    memcpy(info->handle, d->handle, sizeof(info->handle));
    info->gpaddr_bits = GPADDR_BITS;
}

static int create(struct vcpu *v, struct xen_domctl *op)
{
    struct domain *d;
    domid_t domid = op->domain;
    int rc;

    /* 0 and reserved ids ask for any that is free. */
    if (domid == 0 || domid >= DOMID_FIRST_RESERVED) {
        domid = 0xffff;
    }
    rc = domain_create(v->domain->hv, domid, &op->u.createdomain, &d);
    if (!rc) {
        op->domain = d->domid;
    }
    return rc;
}

static int controller_pause(struct vcpu *v, struct domain *d)
{
    if (d == v->domain) {
        return -XEN_EINVAL;
    }
    if (d->controller_paused) {
        if (d->controller_extra_pauses == CONTROLLER_PAUSES_MAX - 1) {
            return -XEN_EOVERFLOW;
        }
        d->controller_extra_pauses++;
    }
    d->controller_paused = true;
    domain_pause(d);
    return 0;
}

static int controller_unpause(struct domain *d)
{
    if (!d->controller_paused) {
        return -XEN_EINVAL;
    }
    if (d->controller_extra_pauses) {
        d->controller_extra_pauses--;
    } else {
        d->controller_paused = false;
    }
    domain_unpause(d);
    return 0;
}

static int max_vcpus(struct vcpu *v, struct domain *d, uint32_t max)
{
    /* domctl.h: must match what createdomain was given */
    if (d == v->domain || max != d->max_vcpus) {
        return -XEN_EINVAL;
    }
    return domain_max_vcpus(d, max);
}

static int destroy(struct vcpu *v, struct domain *d)
{
    return d == v->domain ? -XEN_EINVAL : domain_kill(d);
}

/* Memory for nested tables comes from the machine's heap as it is needed:
 * the pool's size is remembered and answered, and limits nothing. */
static int shadow_op(struct vcpu *v, struct domain *d,
                     struct xen_domctl_shadow_op *op)
{
    if (d == v->domain) {
        return -XEN_EINVAL;
    }
    if (d->dying != DOMDYING_alive) {
        return 0;
    }
    if (!d->vcpus[0]) {
        return -XEN_EINVAL;
    }
    switch (op->op) {
    case XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION:
        d->paging_bytes = (uint64_t)op->mb << 20;
        return 0;
    case XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION:
        op->mb = (uint32_t)((d->paging_bytes + (1u << 20) - 1) >> 20);
        return 0;
    default:
        return -XEN_EINVAL;
    }
}

static int set_mempool(struct domain *d, uint64_t bytes)
{
    if ((bytes & (PAGE_SIZE - 1)) || bytes >> PAGE_SHIFT >> 32) {
        return -XEN_EINVAL;
    }
    d->paging_bytes = bytes;
    return 0;
}

static int hypercall_init(struct domain *d, uint64_t gmfn)
{
    if (!d->vcpus[0] || gmfn >= HV_MAX_PHYSMAP_GFN) {
        return -XEN_EINVAL;
    }
    return msr_guest_write(d->vcpus[0], MSR_HYPERCALL_PAGE,
                           gmfn << PAGE_SHIFT)
               ? -XEN_EACCES
               : 0;
}

static int set_time_offset(struct domain *d, int64_t seconds)
{
    d->wallclock_offset_ns = (uint64_t)seconds * NS_PER_S;
    domain_update_wallclock(d);
    return 0;
}

static int max_mem(struct domain *d, uint64_t kb)
{
    uint64_t pages = kb >> (PAGE_SHIFT - 10);

    /* Below what the domain has: it has to balloon down by itself. */
    d->max_pages = pages < 0xffffffffu ? pages : 0xffffffffu - 1;
    return 0;
}

static int resume(struct vcpu *v, struct domain *d)
{
    if (d == v->domain) {
        return -XEN_EINVAL;
    }
    domain_resume(d);
    return 0;
}

static int address_size(uint32_t bits)
{
    return bits == 64 ? 0 : -XEN_EINVAL;
}

/* What changes d. *copyback: there are results. */
static long set_op(struct vcpu *v, struct domain *d, struct xen_domctl *op,
                   bool *copyback)
{
    if (op->cmd != XEN_DOMCTL_sethvmcontext) {
        domctl_context_release(d); /* its caller may never come back */
    }
    switch (op->cmd) {
    case XEN_DOMCTL_destroydomain:
        return destroy(v, d);
    case XEN_DOMCTL_pausedomain:
        return controller_pause(v, d);
    case XEN_DOMCTL_unpausedomain:
        return controller_unpause(d);
    case XEN_DOMCTL_resumedomain:
        return resume(v, d);
    case XEN_DOMCTL_max_vcpus:
        return max_vcpus(v, d, op->u.max_vcpus.max);
    case XEN_DOMCTL_max_mem:
        return max_mem(d, op->u.max_mem.max_memkb);
    case XEN_DOMCTL_setvcpuaffinity:
        return domctl_set_affinity(v, d, &op->u.vcpuaffinity);
    case XEN_DOMCTL_scheduler_op:
        *copyback = true;
        return sched_domctl(d, &op->u.scheduler_op);
    case XEN_DOMCTL_setdomainhandle:
        memcpy(d->handle, op->u.setdomainhandle.handle, sizeof(d->handle));
        return 0;
    case XEN_DOMCTL_sethvmcontext:
        return domctl_set_hvm_context(v, d, &op->u.hvmcontext);
    case XEN_DOMCTL_shadow_op:
        *copyback = true;
        return shadow_op(v, d, &op->u.shadow_op);
    case XEN_DOMCTL_set_paging_mempool_size:
        return set_mempool(d, op->u.paging_mempool.size);
    case XEN_DOMCTL_set_virq_handler:
        return evtchn_set_virq_handler(d, op->u.set_virq_handler.virq);
    case XEN_DOMCTL_hypercall_init:
        return hypercall_init(d, op->u.hypercall_init.gmfn);
    case XEN_DOMCTL_settimeoffset:
        return set_time_offset(d,
                               op->u.settimeoffset.time_offset_seconds);
    case XEN_DOMCTL_set_address_size:
        return address_size(op->u.address_size.size);
    default:
        return -XEN_ENOSYS;
    }
}

/* What looks at d; every one of these has results. */
static long get_op(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
    switch (op->cmd) {
    case XEN_DOMCTL_getdomaininfo:
        domctl_domain_info(d, &op->u.getdomaininfo);
        op->domain = d->domid;
        return 0;
    case XEN_DOMCTL_getvcpuinfo:
        return domctl_vcpu_info(d, &op->u.getvcpuinfo);
    case XEN_DOMCTL_getvcpuaffinity:
        return domctl_get_affinity(v, d, &op->u.vcpuaffinity);
    case XEN_DOMCTL_gethvmcontext:
        return domctl_get_hvm_context(v, d, &op->u.hvmcontext);
    case XEN_DOMCTL_get_paging_mempool_size:
        op->u.paging_mempool.size = d->paging_bytes;
        return 0;
    case XEN_DOMCTL_get_address_size:
        op->u.address_size.size = 64;
        return 0;
    default:
        return -XEN_ENOSYS;
    }
}

static bool is_get(uint32_t cmd)
{
    switch (cmd) {
    case XEN_DOMCTL_getdomaininfo:
    case XEN_DOMCTL_getvcpuinfo:
    case XEN_DOMCTL_getvcpuaffinity:
    case XEN_DOMCTL_gethvmcontext:
    case XEN_DOMCTL_get_paging_mempool_size:
    case XEN_DOMCTL_get_address_size:
        return true;
    default:
        return false;
    }
}

/* domctl.h: getdomaininfo answers for the lowest domid >= the given one. */
static struct domain *next_domain(struct hv *hv, domid_t from)
{
    struct domain *best = NULL;
    unsigned i;

    for (i = 0; i < HV_MAX_DOMAINS; i++) {
        struct domain *d = hv->domains[i];

        if (d && d->domid >= from && (!best || d->domid < best->domid)) {
            best = d;
        }
    }
    return best ? domain_get(hv, best->domid) : NULL;
}

/* The target, referenced; NULL with 0 for createdomain. */
static int find_target(struct hv *hv, const struct xen_domctl *op,
                       struct domain **d)
{
    *d = NULL;
    if (op->cmd == XEN_DOMCTL_createdomain) {
        return 0;
    }
    *d = domain_get(hv, op->domain);
    if (!*d && op->cmd == XEN_DOMCTL_getdomaininfo) {
        if (op->domain >= DOMID_FIRST_RESERVED) {
            return -XEN_EINVAL;
        }
        *d = next_domain(hv, op->domain);
    }
    return *d ? 0 : -XEN_ESRCH;
}

static long run(struct vcpu *v, struct domain *d, struct xen_domctl *op,
                bool *copyback)
{
    *copyback = true;
    if (!d) {
        return create(v, op);
    }
    if (is_get(op->cmd)) {
        return get_op(v, d, op);
    }
    *copyback = false;
    return set_op(v, d, op, copyback);
}

long domctl_op(struct vcpu *v, gva_t arg)
{
    struct xen_domctl op;
    struct domain *d;
    bool copyback = false;
    long rc;

    if (gmem_copy_from(v, &op, arg, sizeof(op))) {
        return -XEN_EFAULT;
    }
    if (op.interface_version != XEN_DOMCTL_INTERFACE_VERSION) {
        return -XEN_EACCES;
    }
    rc = find_target(v->domain->hv, &op, &d);
    if (rc && op.cmd == XEN_DOMCTL_getdomaininfo) {
        /* Xen looks for a domain to name only after the permission. */
        int denied = access_check(v->domain, ACCESS_DOMAIN_INFO, NULL);
        return denied ? denied : rc;
    }
    if (rc) {
        return rc;
    }
    rc = access_check(v->domain,
                      op.cmd == XEN_DOMCTL_getdomaininfo ? ACCESS_DOMAIN_INFO
                                                         : ACCESS_DOMCTL,
                      d);
    if (!rc) {
        rc = run(v, d, &op, &copyback);
    }
    if (d) {
        domain_put(d);
    }
    if (!rc && copyback && gmem_copy_to(v, arg, &op, sizeof(op))) {
        rc = -XEN_EFAULT;
    }
    if (rc == -XEN_ERESTART) {
        const uint64_t args[5] = {arg.v};

        return hypercall_continue(v, __HYPERVISOR_domctl, args);
    }
    return rc;
}
