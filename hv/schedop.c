/*
 * HYPERVISOR_sched_op. Source of the rules: sched.h, and Xen's do_sched_op()
 * for the order of checks.
 *
 * Invariants:
 *  1. A vCPU that polls is blocked; v->polling, its timer and its ports are
 *     taken back by whoever unblocks it (sched_unblock).
 *  2. The ports of a poll are those that were read and checked in the call;
 *     the guest's array is not looked at again.
 */
#include "hv/access.h"
#include "hv/evtchn.h"
#include "hv/gmem.h"
#include "hv/hv.h"
#include "hv/sched.h"

#define POLL_PORTS_MAX 128 /* sched.h gives no number; Xen's is this */
#define NS_PER_S 1000000000ULL

_Static_assert(sizeof(((struct vcpu *)0)->poll_ports) ==
                   POLL_PORTS_MAX * sizeof(evtchn_port_t),
               "v->poll_ports");

static void poll_timer_fn(struct hv *hv, void *ctx)
{
    struct vcpu *v = ctx;

    (void)hv;
    if (v->polling) {
        sched_unblock(v);
    }
}

void schedop_vcpu_init(struct vcpu *v)
{
    timer_setup(&v->poll_timer, poll_timer_fn, v);
}

/* sched.h: SCHEDOP_block; Xen's vcpu_block_enable_events(). */
static long schedop_block(struct vcpu *v)
{
    struct hv *hv = v->domain->hv;
    mfn_t mfn;
    unsigned off;
    uint8_t unmasked = 0;

    if (vcpu_info_frame(v, &mfn, &off)) {
        off += offsetof(struct vcpu_info, evtchn_upcall_mask);
        gmem_frame_write(hv, mfn, off, &unmasked, sizeof(unmasked));
    }
    if (!vcpu_event_due(v)) {
        sched_block(v);
    }
    return 0;
}

/* Reads and checks the ports of a poll. 1: one is pending. */
static int schedop_poll_ports(struct vcpu *v, uint64_t ports, unsigned nr)
{
    for (unsigned i = 0; i < nr; i++) {
        evtchn_port_t port;

        if (gmem_copy_from(v, &port, GVA(ports + i * sizeof(port)),
                           sizeof(port))) {
            return -XEN_EFAULT;
        }
        if (port >= HV_MAX_EVTCHNS) {
            return -XEN_EINVAL;
        }
        if (evtchn_is_pending(v->domain, port)) {
            return 1;
        }
        v->poll_ports[i] = port;
    }
    return 0;
}

/* sched.h: SCHEDOP_poll; Xen's do_poll(). The timeout is absolute system
 * time in ns, 0 for none. */
static long schedop_poll(struct vcpu *v, gva_t arg)
{
    struct hv *hv = v->domain->hv;
    struct sched_poll op;
    int rc;

    if (gmem_copy_from(v, &op, arg, sizeof(op))) {
        return -XEN_EFAULT;
    }
    if (op.nr_ports > POLL_PORTS_MAX) {
        return -XEN_EINVAL;
    }
    /* Only what would interrupt it: without a vector, its ports alone. */
    if (vcpu_upcall_vector(v) != 0 && vcpu_event_due(v)) {
        return 0;
    }
    rc = schedop_poll_ports(v, (uintptr_t)op.ports.p, op.nr_ports);
    if (rc != 0) {
        return rc < 0 ? rc : 0;
    }
    if (op.timeout != 0 && op.timeout <= plat_now(hv->plat)) {
        return 0; /* over before it began */
    }
    v->poll_count = op.nr_ports;
    v->polling = true;
    if (op.timeout != 0) {
        timer_arm(hv, &v->poll_timer, op.timeout);
    }
    sched_block(v);
    return 0;
}

static long schedop_shutdown(struct vcpu *v, gva_t arg, bool code_only)
{
    struct domain *d = v->domain;
    struct sched_shutdown op;

    if (gmem_copy_from(v, &op, arg, sizeof(op))) {
        return -XEN_EFAULT;
    }
    /* Xen takes the low byte, whatever it says. */
    if (!code_only) {
        domain_shutdown(d, (uint8_t)op.reason);
    } else if (d->shutdown_code == SHUTDOWN_CODE_INVALID) {
        d->shutdown_code = (uint8_t)op.reason;
    }
    return 0;
}

static long schedop_remote_shutdown(struct vcpu *v, gva_t arg)
{
    struct sched_remote_shutdown op;
    struct domain *d;
    int rc;

    if (gmem_copy_from(v, &op, arg, sizeof(op))) {
        return -XEN_EFAULT;
    }
    d = domain_get(v->domain->hv, op.domain_id);
    if (d == NULL) {
        return -XEN_ESRCH;
    }
    rc = access_check(v->domain, ACCESS_MANAGE, d);
    if (rc == 0) {
        domain_shutdown(d, (uint8_t)op.reason);
    }
    domain_put(d);
    return rc;
}

/* -- Watchdogs ------------------------------------------------------------ */

static void watchdog_fn(struct hv *hv, void *ctx)
{
    struct domain *d = ctx;

    if (d->shutting_down || d->dying != DOMDYING_alive) {
        return;
    }
    hv_log(hv, "domain %u: watchdog timer fired", d->domid);
    domain_shutdown(d, SHUTDOWN_watchdog);
}

void schedop_domain_init(struct domain *d)
{
    for (unsigned i = 0; i < DOMAIN_WATCHDOGS; i++) {
        timer_setup(&d->watchdog[i], watchdog_fn, d);
    }
}

/* sched.h: SCHEDOP_watchdog; Xen's domain_watchdog(). */
static long schedop_watchdog(struct vcpu *v, gva_t arg)
{
    struct domain *d = v->domain;
    struct hv *hv = d->hv;
    struct sched_watchdog op;
    uint64_t deadline;
    unsigned i;

    if (gmem_copy_from(v, &op, arg, sizeof(op))) {
        return -XEN_EFAULT;
    }
    if (op.id > DOMAIN_WATCHDOGS) {
        return -XEN_EINVAL;
    }
    deadline = plat_now(hv->plat) + op.timeout * NS_PER_S;
    if (op.id == 0) {
        for (i = 0; i < DOMAIN_WATCHDOGS; i++) {
            if (!(d->watchdog_id_inuse & (1u << i))) {
                d->watchdog_id_inuse |= 1u << i;
                timer_arm(hv, &d->watchdog[i], deadline);
                return i + 1;
            }
        }
        return -XEN_ENOSPC;
    }
    i = op.id - 1;
    if (!(d->watchdog_id_inuse & (1u << i))) {
        return -XEN_EINVAL;
    }
    if (op.timeout == 0) {
        timer_cancel(hv, &d->watchdog[i]);
        d->watchdog_id_inuse &= ~(1u << i);
    } else {
        timer_arm(hv, &d->watchdog[i], deadline);
    }
    return 0;
}

/* sched.h: SCHEDOP_pin_override; Xen's vcpu_temporary_affinity(). */
static long schedop_pin_override(struct vcpu *v, gva_t arg)
{
    struct hv *hv = v->domain->hv;
    struct sched_pin_override op;

    if (access_check(v->domain, ACCESS_HARDWARE, NULL) != 0) {
        return -XEN_EPERM;
    }
    if (gmem_copy_from(v, &op, arg, sizeof(op))) {
        return -XEN_EFAULT;
    }
    if (op.pcpu < 0) {
        if (!v->pinned) {
            return -XEN_EINVAL;
        }
        v->affinity = v->affinity_saved;
        v->pinned = false;
        sched_reconsider(v);
        return 0;
    }
    if ((unsigned)op.pcpu >= hv->nr_cpus) {
        return -XEN_EINVAL;
    }
    if (v->pinned) {
        return -XEN_EBUSY;
    }
    if (!hv->cpus[op.pcpu].online) {
        return -XEN_EINVAL;
    }
    v->affinity_saved = v->affinity;
    v->affinity = 1ULL << op.pcpu;
    v->pinned = true;
    sched_reconsider(v);
    return 0;
}

long sched_op(struct vcpu *v, unsigned cmd, gva_t arg)
{
    switch (cmd) {
    case SCHEDOP_yield:
        sched_yield_vcpu(v);
        return 0;
    case SCHEDOP_block:
        return schedop_block(v);
    case SCHEDOP_shutdown:
        return schedop_shutdown(v, arg, false);
    case SCHEDOP_shutdown_code:
        return schedop_shutdown(v, arg, true);
    case SCHEDOP_poll:
        return schedop_poll(v, arg);
    case SCHEDOP_remote_shutdown:
        return schedop_remote_shutdown(v, arg);
    case SCHEDOP_watchdog:
        return schedop_watchdog(v, arg);
    case SCHEDOP_pin_override:
        return schedop_pin_override(v, arg);
    default:
        return -XEN_ENOSYS;
    }
}
