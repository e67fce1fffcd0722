/*
 * EVTCHNOP_*: the hypercall side of event channels; the ports' state and
 * delivery are evtchn.c's. Source of the rules: event_channel.h.
 *
 * Every operation: the argument is fetched once, checked in Xen's order
 * (domain, then free port, then permission, then peer), done, and written
 * back whole when it has results.
 *
 * Reset of a domain's ports:
 *   idle --EVTCHNOP_reset--> going on (evtchn_reset_next != 0)
 *        --preempted: continued as EVTCHNOP_reset_cont--> going on
 *        --last port--> idle
 *
 * Invariants:
 *  1. A port is taken into use (evtchn_use) only when nothing can fail any
 *     more but the write-back of results, which leaves the port in use, as
 *     in Xen: the guest has asked for it with a bad pointer.
 *  2. evtchn_reset_next != 0 exactly while a reset has been begun and not
 *     finished; a second one is refused meanwhile.
 */
#include "hv/evtchn.h"

#include "hv/access.h"
#include "hv/domain.h"
#include "hv/gmem.h"
#include "hv/hv.h"
#include "hv/hypercall.h"
#include "hv/lib.h"

/* event_channel.h defines it for the hypervisor's own build only. */
#define OP_RESET_CONT 14
#define RESET_STRIDE 0x3fu /* ports between two looks at preemption, less 1 */

static bool vcpu_exists(struct domain *d, uint32_t id)
{
    return id < d->max_vcpus && d->vcpus[id] != NULL;
}

static int alloc_unbound(struct vcpu *v, struct evtchn_alloc_unbound *op)
{
    struct domain *d = domain_get_id(v, op->dom);
    int port, rc;

    if (!d) {
        return -XEN_ESRCH;
    }
    port = evtchn_alloc_port(d);
    rc = port < 0 ? port : access_check(v->domain, ACCESS_MANAGE, d);
    if (!rc) {
        evtchn_use(d, (uint32_t)port, ECS_UNBOUND, 0);
        evtchn_of(d, (uint32_t)port)->remote_domid =
            op->remote_dom == DOMID_SELF ? v->domain->domid : op->remote_dom;
        op->port = (evtchn_port_t)port;
    }
    domain_put(d);
    return rc;
}

static int connect(struct domain *ld, struct domain *rd,
                   struct evtchn_bind_interdomain *op)
{
    int lport = evtchn_alloc_port(ld);
    struct evtchn *lc, *rc;

    if (lport < 0) {
        return lport;
    }
    rc = evtchn_of(rd, op->remote_port);
    if (!rc || rc->state != ECS_UNBOUND || rc->remote_domid != ld->domid) {
        return -XEN_EINVAL;
    }
    evtchn_use(ld, (uint32_t)lport, ECS_INTERDOMAIN, 0);
    lc = evtchn_of(ld, (uint32_t)lport);
    lc->remote_domid = rd->domid;
    lc->remote_port = op->remote_port;
    rc->state = ECS_INTERDOMAIN;
    rc->remote_domid = ld->domid;
    rc->remote_port = (uint32_t)lport;
    /* Notifications on the unbound port were dropped: make up for them. */
    evtchn_set_pending(ld, (uint32_t)lport);
    op->local_port = (evtchn_port_t)lport;
    return 0;
}

static int bind_interdomain(struct vcpu *v,
                            struct evtchn_bind_interdomain *op)
{
    struct domain *rd = domain_get_id(v, op->remote_dom);
    int rc;

    if (!rd) {
        return -XEN_ESRCH;
    }
    rc = connect(v->domain, rd, op);
    domain_put(rd);
    return rc;
}

static int bind_virq(struct vcpu *v, struct evtchn_bind_virq *op)
{
    struct domain *d = v->domain;
    bool global;
    uint32_t *slot;
    int port;

    if (op->virq >= NR_VIRQS) {
        return -XEN_EINVAL;
    }
    global = evtchn_virq_is_global(op->virq);
    /* event_channel.h: a global VIRQ is bound on vCPU 0, and moved later */
    if (global && op->vcpu != 0) {
        return -XEN_EINVAL;
    }
    if (!vcpu_exists(d, op->vcpu)) {
        return -XEN_ENOENT;
    }
    slot = global ? &d->global_virq_port[op->virq]
                  : &d->vcpus[op->vcpu]->virq_port[op->virq];
    if (*slot) {
        return -XEN_EEXIST;
    }
    port = evtchn_alloc_port(d);
    if (port < 0) {
        return port;
    }
    evtchn_use(d, (uint32_t)port, ECS_VIRQ, op->vcpu);
    evtchn_of(d, (uint32_t)port)->virq = (uint16_t)op->virq;
    *slot = (uint32_t)port;
    op->port = (evtchn_port_t)port;
    return 0;
}

static int bind_ipi(struct vcpu *v, struct evtchn_bind_ipi *op)
{
    int port;

    if (!vcpu_exists(v->domain, op->vcpu)) {
        return -XEN_ENOENT;
    }
    port = evtchn_alloc_port(v->domain);
    if (port < 0) {
        return port;
    }
    evtchn_use(v->domain, (uint32_t)port, ECS_IPI, op->vcpu);
    op->port = (evtchn_port_t)port;
    return 0;
}

static int bind_pirq(struct vcpu *v, struct evtchn_bind_pirq *op)
{
    struct hv *hv = v->domain->hv;
    int port, rc;

    if (op->pirq >= HV_MAX_IRQS) {
        return -XEN_EINVAL;
    }
    rc = access_check(v->domain, ACCESS_HARDWARE, NULL);
    if (rc) {
        return rc;
    }
    /* One owner a line: BIND_PIRQ__WILL_SHARE finds nobody to share with. */
    if (hv->irq_port[op->pirq]) {
        return hv->irq_owner[op->pirq] == v->domain->domid ? -XEN_EEXIST
                                                           : -XEN_EBUSY;
    }
    port = evtchn_alloc_port(v->domain);
    if (port < 0) {
        return port;
    }
    evtchn_use(v->domain, (uint32_t)port, ECS_PIRQ, 0);
    evtchn_of(v->domain, (uint32_t)port)->virq = (uint16_t)op->pirq;
    hv->irq_port[op->pirq] = (uint32_t)port;
    hv->irq_owner[op->pirq] = v->domain->domid;
    op->port = (evtchn_port_t)port;
    return 0;
}

static void fill_status(const struct evtchn *c, struct evtchn_status *op)
{
    switch (c->state) {
    case ECS_UNBOUND:
        op->status = EVTCHNSTAT_unbound;
        op->u.unbound.dom = c->remote_domid;
        break;
    case ECS_INTERDOMAIN:
        op->status = EVTCHNSTAT_interdomain;
        op->u.interdomain.dom = c->remote_domid;
        op->u.interdomain.port = c->remote_port;
        break;
    case ECS_PIRQ:
        op->status = EVTCHNSTAT_pirq;
        op->u.pirq = c->virq;
        break;
    case ECS_VIRQ:
        op->status = EVTCHNSTAT_virq;
        op->u.virq = c->virq;
        break;
    case ECS_IPI:
        op->status = EVTCHNSTAT_ipi;
        break;
    default:
        op->status = EVTCHNSTAT_closed;
        break;
    }
    op->vcpu = c->notify_vcpu;
}

static int status(struct vcpu *v, struct evtchn_status *op)
{
    struct domain *d = domain_get_id(v, op->dom);
    struct evtchn *c;
    int rc;

    if (!d) {
        return -XEN_ESRCH;
    }
    c = evtchn_of(d, op->port);
    rc = c ? access_check(v->domain, ACCESS_MANAGE, d) : -XEN_EINVAL;
    if (!rc) {
        fill_status(c, op);
    }
    domain_put(d);
    return rc;
}

static int bind_vcpu(struct vcpu *v, const struct evtchn_bind_vcpu *op)
{
    struct evtchn *c;

    if (!vcpu_exists(v->domain, op->vcpu)) {
        return -XEN_ENOENT;
    }
    c = evtchn_of(v->domain, op->port);
    if (!c) {
        return -XEN_EINVAL;
    }
    switch (c->state) {
    case ECS_VIRQ:
        /* event_channel.h: per-vCPU VIRQs and IPIs stay where they are */
        if (!evtchn_virq_is_global(c->virq)) {
            return -XEN_EINVAL;
        }
        break;
    case ECS_UNBOUND:
    case ECS_INTERDOMAIN:
    case ECS_PIRQ:
        break;
    default:
        return -XEN_EINVAL;
    }
    c->notify_vcpu = (uint16_t)op->vcpu;
    return 0;
}

static int reset_ports(struct vcpu *v, struct domain *d, bool resuming)
{
    uint32_t port;

    /* Another domain must stand still while its ports go away. */
    if (d != v->domain && !d->controller_paused) {
        return -XEN_EINVAL;
    }
    if (resuming != (d->evtchn_reset_next != 0)) {
        return -XEN_EBUSY;
    }
    port = resuming ? d->evtchn_reset_next : 1;
    for (; port < d->nr_evtchns; port++) {
        (void)evtchn_close_port(d, port);
        if (!(port & RESET_STRIDE) && hypercall_preempt(v)) {
            d->evtchn_reset_next = port;
            return -XEN_ERESTART;
        }
    }
    d->evtchn_reset_next = 0;
    /* Somebody has bound ports while the reset was being continued. */
    return d->active_evtchns ? -XEN_EAGAIN : 0;
}

static long reset(struct vcpu *v, gva_t arg, bool resuming)
{
    struct evtchn_reset op;
    struct domain *d;
    long rc;

    if (gmem_copy_from(v, &op, arg, sizeof(op))) {
        return -XEN_EFAULT;
    }
    d = domain_get_id(v, op.dom);
    if (!d) {
        return -XEN_ESRCH;
    }
    rc = access_check(v->domain, ACCESS_MANAGE, d);
    if (!rc) {
        rc = reset_ports(v, d, resuming);
    }
    domain_put(d);
    if (rc == -XEN_ERESTART) {
        const uint64_t args[5] = {OP_RESET_CONT, arg.v};

        return hypercall_continue(v, __HYPERVISOR_event_channel_op, args);
    }
    return rc;
}

static int set_priority(struct vcpu *v, const struct evtchn_set_priority *op)
{
    /* event_channel.h: the 2-level ABI has no priorities */
    return evtchn_of(v->domain, op->port) ? -XEN_ENOSYS : -XEN_EINVAL;
}

/* All fixed-size arguments, fetched by the length of the command's own. */
union evtchn_arg {
    struct evtchn_alloc_unbound alloc_unbound;
    struct evtchn_bind_interdomain bind_interdomain;
    struct evtchn_bind_virq bind_virq;
    struct evtchn_bind_pirq bind_pirq;
    struct evtchn_bind_ipi bind_ipi;
    struct evtchn_close close;
    struct evtchn_send send;
    struct evtchn_status status;
    struct evtchn_bind_vcpu bind_vcpu;
    struct evtchn_unmask unmask;
    struct evtchn_set_priority set_priority;
};

static const struct {
    uint8_t len;
    bool out; /* has results to write back */
} ops[] = {
    [EVTCHNOP_bind_interdomain] = {sizeof(struct evtchn_bind_interdomain), 1},
    [EVTCHNOP_bind_virq] = {sizeof(struct evtchn_bind_virq), 1},
    [EVTCHNOP_bind_pirq] = {sizeof(struct evtchn_bind_pirq), 1},
    [EVTCHNOP_close] = {sizeof(struct evtchn_close), 0},
    [EVTCHNOP_send] = {sizeof(struct evtchn_send), 0},
    [EVTCHNOP_status] = {sizeof(struct evtchn_status), 1},
    [EVTCHNOP_alloc_unbound] = {sizeof(struct evtchn_alloc_unbound), 1},
    [EVTCHNOP_bind_ipi] = {sizeof(struct evtchn_bind_ipi), 1},
    [EVTCHNOP_bind_vcpu] = {sizeof(struct evtchn_bind_vcpu), 0},
    [EVTCHNOP_unmask] = {sizeof(struct evtchn_unmask), 0},
    [EVTCHNOP_set_priority] = {sizeof(struct evtchn_set_priority), 0},
};

static int dispatch(struct vcpu *v, unsigned cmd, union evtchn_arg *a)
{
    switch (cmd) {
    case EVTCHNOP_alloc_unbound:
        return alloc_unbound(v, &a->alloc_unbound);
    case EVTCHNOP_bind_interdomain:
        return bind_interdomain(v, &a->bind_interdomain);
    case EVTCHNOP_bind_virq:
        return bind_virq(v, &a->bind_virq);
    case EVTCHNOP_bind_ipi:
        return bind_ipi(v, &a->bind_ipi);
    case EVTCHNOP_bind_pirq:
        return bind_pirq(v, &a->bind_pirq);
    case EVTCHNOP_close:
        return evtchn_close_port(v->domain, a->close.port);
    case EVTCHNOP_send:
        return evtchn_send(v->domain, a->send.port);
    case EVTCHNOP_status:
        return status(v, &a->status);
    case EVTCHNOP_bind_vcpu:
        return bind_vcpu(v, &a->bind_vcpu);
    case EVTCHNOP_unmask:
        return evtchn_unmask(v->domain, a->unmask.port);
    case EVTCHNOP_set_priority:
        return set_priority(v, &a->set_priority);
    default:
        return -XEN_ENOSYS;
    }
}

long evtchn_op(struct vcpu *v, unsigned cmd, gva_t arg)
{
    union evtchn_arg a;
    int rc;

    if (cmd == EVTCHNOP_reset || cmd == OP_RESET_CONT) {
        return reset(v, arg, cmd == OP_RESET_CONT);
    }
    /* The FIFO ABI (init_control, expand_array) is not offered; a guest then
     * stays with the 2-level one. */
    if (cmd >= sizeof(ops) / sizeof(ops[0]) || !ops[cmd].len) {
        return -XEN_ENOSYS;
    }
    memset(&a, 0, sizeof(a));
    if (gmem_copy_from(v, &a, arg, ops[cmd].len)) {
        return -XEN_EFAULT;
    }
    rc = dispatch(v, cmd, &a);
    if (!rc && ops[cmd].out && gmem_copy_to(v, arg, &a, ops[cmd].len)) {
        rc = -XEN_EFAULT;
    }
    return rc;
}
