/*
 * Event channels: the ports' state, and 2-level delivery into the guest's
 * shared_info and vcpu_info. The operations are in evtchn_op.c. Source of
 * the rules: event_channel.h, and xen.h for the shared structures.
 *
 *   FREE --evtchn_use()--> UNBOUND | INTERDOMAIN | PIRQ | VIRQ | IPI
 *   any of these --evtchn_close_port()--> FREE
 *   INTERDOMAIN --the peer closes--> UNBOUND (for the peer)
 *   port 0: RESERVED from evtchn_create() to evtchn_free()
 *
 * Delivery of port p (set_pending): pending[p] 0->1, then, unless mask[p],
 * pending_sel[p / 64] 0->1, then upcall_pending 0->1, then the vCPU is
 * kicked; each step only if the one before changed something. Pollers are
 * woken whatever the mask says.
 *
 * Invariants:
 *  1. A port in state INTERDOMAIN has a peer in state INTERDOMAIN whose
 *     remote is this port; both domains are in hv->domains.
 *  2. A VIRQ port is in exactly one of vcpu->virq_port / global_virq_port,
 *     at its VIRQ number; a PIRQ port is in hv->irq_port with its owner.
 *  3. d->active_evtchns counts the ports that are neither FREE nor RESERVED.
 *  4. A FREE port's pending bit was cleared when it became free.
 */
#include "hv/evtchn.h"

#include "hv/domain.h"
#include "hv/gmem.h"
#include "hv/hv.h"
#include "hv/lib.h"
#include "hv/page.h"
#include "hv/sched.h"

#define PORTS_PER_WORD 64u
#define TEARDOWN_PORTS 64u /* a call; Xen's own stride in evtchn_reset */

#define SHARED_PENDING offsetof(struct shared_info, evtchn_pending)
#define SHARED_MASK offsetof(struct shared_info, evtchn_mask)
#define INFO_UPCALL offsetof(struct vcpu_info, evtchn_upcall_pending)
#define INFO_MASK offsetof(struct vcpu_info, evtchn_upcall_mask)
#define INFO_SEL offsetof(struct vcpu_info, evtchn_pending_sel)

_Static_assert(EVTCHN_2L_NR_CHANNELS == HV_MAX_EVTCHNS, "event_channel.h");
_Static_assert(INFO_UPCALL % 8 == 0, "bit 0 of an aligned word");
_Static_assert(INFO_SEL % 8 == 0, "an aligned word");

struct evtchn *evtchn_of(struct domain *d, uint32_t port)
{
    struct evtchn *page;

    if (port >= d->nr_evtchns) {
        return NULL;
    }
    page = plat_frame(d->hv->plat, d->evtchn_pages[port / EVTCHNS_PER_PAGE]);
    return page + port % EVTCHNS_PER_PAGE;
}

static int add_page(struct domain *d)
{
    mfn_t mfn = page_alloc_hv(d->hv, 0);

    if (!mfn_valid(mfn)) {
        return -XEN_ENOMEM;
    }
    ASSERT(d->hv, d->nr_evtchns < HV_MAX_EVTCHNS);
    d->evtchn_pages[d->nr_evtchns / EVTCHNS_PER_PAGE] = mfn;
    d->nr_evtchns += EVTCHNS_PER_PAGE;
    return 0;
}

int evtchn_create(struct domain *d)
{
    int rc = add_page(d);

    if (rc) {
        return rc;
    }
    evtchn_of(d, 0)->state = ECS_RESERVED;
    return 0;
}

void evtchn_free(struct domain *d)
{
    unsigned i;

    for (i = 0; i < d->nr_evtchns / EVTCHNS_PER_PAGE; i++) {
        page_free_hv(d->hv, d->evtchn_pages[i], 0);
    }
    d->nr_evtchns = 0;
}

int evtchn_alloc_port(struct domain *d)
{
    uint32_t port;
    int rc;

    if (d->dying != DOMDYING_alive) {
        return -XEN_EINVAL;
    }
    for (port = 0; port < HV_MAX_EVTCHNS; port++) {
        if (port > d->max_evtchn_port) {
            return -XEN_ENOSPC;
        }
        if (port == d->nr_evtchns) {
            rc = add_page(d);
            if (rc) {
                return rc;
            }
        }
        if (evtchn_of(d, port)->state == ECS_FREE) {
            return (int)port;
        }
    }
    return -XEN_ENOSPC;
}

void evtchn_use(struct domain *d, uint32_t port, enum evtchn_state state,
                unsigned vcpu)
{
    struct evtchn *c = evtchn_of(d, port);

    ASSERT(d->hv, c && c->state == ECS_FREE && state > ECS_RESERVED);
    c->state = (uint8_t)state;
    c->notify_vcpu = (uint16_t)vcpu;
    d->active_evtchns++;
}

/* event_channel.h lists VIRQs as V. (per vCPU) or G. (global) in xen.h */
bool evtchn_virq_is_global(unsigned virq)
{
    switch (virq) {
    case VIRQ_TIMER:
    case VIRQ_DEBUG:
    case VIRQ_XENOPROF:
    case VIRQ_XENPMU:
        return false;
    default:
        return true;
    }
}

int evtchn_set_virq_handler(struct domain *d, unsigned virq)
{
    if (virq >= NR_VIRQS || !evtchn_virq_is_global(virq)) {
        return -XEN_EINVAL;
    }
    /* The only global VIRQ that this hypervisor raises. */
    if (virq != VIRQ_DOM_EXC) {
        return -XEN_EOPNOTSUPP;
    }
    d->hv->dom_exc_owner = d->domid;
    return 0;
}

/* -- Closing -------------------------------------------------------------- */

static void unbind_virq(struct domain *d, uint32_t port, unsigned virq)
{
    unsigned i;

    if (d->global_virq_port[virq] == port) {
        d->global_virq_port[virq] = 0;
    }
    for (i = 0; i < d->max_vcpus; i++) {
        if (d->vcpus[i] && d->vcpus[i]->virq_port[virq] == port) {
            d->vcpus[i]->virq_port[virq] = 0;
        }
    }
}

static void disconnect_peer(struct domain *d, uint32_t port,
                            const struct evtchn *c)
{
    struct domain *rd = domain_get(d->hv, c->remote_domid);
    struct evtchn *rc;

    ASSERT(d->hv, rd != NULL);
    rc = evtchn_of(rd, c->remote_port);
    ASSERT(d->hv, rc && rc->state == ECS_INTERDOMAIN);
    ASSERT(d->hv, rc->remote_domid == d->domid && rc->remote_port == port);
    /* event_channel.h: EVTCHNOP_close */
    rc->state = ECS_UNBOUND;
    rc->remote_domid = d->domid;
    rc->remote_port = 0;
    domain_put(rd);
}

int evtchn_close_port(struct domain *d, uint32_t port)
{
    struct evtchn *c = evtchn_of(d, port);

    if (!c) {
        return -XEN_EINVAL;
    }
    switch (c->state) {
    case ECS_FREE:
    case ECS_RESERVED:
        return -XEN_EINVAL;
    case ECS_PIRQ:
        ASSERT(d->hv, d->hv->irq_port[c->virq] == port);
        d->hv->irq_port[c->virq] = 0;
        break;
    case ECS_VIRQ:
        unbind_virq(d, port, c->virq);
        break;
    case ECS_INTERDOMAIN:
        disconnect_peer(d, port, c);
        break;
    default:
        break;
    }
    /* A stale event must not greet the next user of the port. */
    if (mfn_valid(d->shared_info)) {
        gmem_frame_test_and_clear_bit(d->hv, d->shared_info, SHARED_PENDING,
                                      port);
    }
    memset(c, 0, sizeof(*c));
    ASSERT(d->hv, d->active_evtchns > 0);
    d->active_evtchns--;
    return 0;
}

int evtchn_teardown(struct domain *d)
{
    unsigned done = 0;

    ASSERT(d->hv, d->dying != DOMDYING_alive);
    while (d->evtchn_teardown_cursor < d->nr_evtchns) {
        if (done++ == TEARDOWN_PORTS) {
            return -XEN_ERESTART;
        }
        (void)evtchn_close_port(d, d->evtchn_teardown_cursor++);
    }
    ASSERT(d->hv, d->active_evtchns == 0);
    if (d->hv->dom_exc_owner == d->domid) {
        d->hv->dom_exc_owner = 0; /* back to the control domain */
    }
    return 0;
}

/* -- Delivery ------------------------------------------------------------- */

static bool shared_bit(struct domain *d, size_t bitmap, uint32_t port)
{
    uint64_t word = gmem_frame_read64(d->hv, d->shared_info,
                                      (unsigned)bitmap + port / 64 * 8);

    return (word >> (port % 64)) & 1;
}

static void mark_upcall(struct vcpu *v, mfn_t mfn, unsigned off)
{
    if (!gmem_frame_test_and_set_bit(v->domain->hv, mfn, off + INFO_UPCALL,
                                     0)) {
        sched_unblock(v); /* or out of guest mode, to take the upcall */
    }
}

/* The second level for `port`, from which the caller found it unmasked. */
static void select_port(struct vcpu *v, uint32_t port)
{
    mfn_t mfn;
    unsigned off;

    if (!vcpu_info_frame(v, &mfn, &off)) {
        return;
    }
    if (!gmem_frame_test_and_set_bit(v->domain->hv, mfn, off + INFO_SEL,
                                     port / PORTS_PER_WORD)) {
        mark_upcall(v, mfn, off);
    }
}

/* A poller of one port waits for that one; of none or several, for any
 * event of its domain, and looks again. sched.h: SCHEDOP_poll */
static void wake_pollers(struct domain *d, uint32_t port)
{
    unsigned i;

    for (i = 0; i < d->max_vcpus; i++) {
        struct vcpu *v = d->vcpus[i];

        if (!v || !v->polling) {
            continue;
        }
        if (v->poll_count != 1 || v->poll_ports[0] == port) {
            sched_unblock(v);
        }
    }
}

void evtchn_set_pending(struct domain *d, uint32_t port)
{
    struct evtchn *c = evtchn_of(d, port);
    struct vcpu *v;

    if (!c || c->state <= ECS_RESERVED) {
        return;
    }
    v = d->vcpus[c->notify_vcpu];
    /* xen.h: evtchn_pending is set first, then looked at behind the mask */
    if (!v || gmem_frame_test_and_set_bit(d->hv, d->shared_info,
                                          SHARED_PENDING, port)) {
        return;
    }
    if (!shared_bit(d, SHARED_MASK, port)) {
        select_port(v, port);
    }
    wake_pollers(d, port);
}

bool evtchn_is_pending(struct domain *d, uint32_t port)
{
    return port < HV_MAX_EVTCHNS && shared_bit(d, SHARED_PENDING, port);
}

/* event_channel.h: EVTCHNOP_unmask */
int evtchn_unmask(struct domain *d, uint32_t port)
{
    struct evtchn *c = evtchn_of(d, port);

    if (!c) {
        return -XEN_EINVAL;
    }
    if (c->state <= ECS_RESERVED || !d->vcpus[c->notify_vcpu]) {
        return 0;
    }
    if (gmem_frame_test_and_clear_bit(d->hv, d->shared_info, SHARED_MASK,
                                      port) &&
        shared_bit(d, SHARED_PENDING, port)) {
        select_port(d->vcpus[c->notify_vcpu], port);
    }
    return 0;
}

bool evtchn_upcall_pending(struct vcpu *v)
{
    mfn_t mfn;
    unsigned off;

    return vcpu_info_frame(v, &mfn, &off) &&
           gmem_frame_read8(v->domain->hv, mfn, off + INFO_UPCALL) != 0;
}

bool evtchn_upcall_due(struct vcpu *v)
{
    mfn_t mfn;
    unsigned off;

    return vcpu_info_frame(v, &mfn, &off) &&
           gmem_frame_read8(v->domain->hv, mfn, off + INFO_UPCALL) != 0 &&
           gmem_frame_read8(v->domain->hv, mfn, off + INFO_MASK) == 0;
}

void evtchn_upcall_recheck(struct vcpu *v)
{
    if (evtchn_upcall_pending(v)) {
        sched_unblock(v);
    }
}

void evtchn_vcpu_info_moved(struct vcpu *v)
{
    const uint8_t pending = 1;
    const uint64_t all = ~0ULL;
    struct hv *hv = v->domain->hv;
    mfn_t mfn;
    unsigned off;

    if (!vcpu_info_frame(v, &mfn, &off)) {
        return;
    }
    /* vcpu.h: VCPUOP_register_vcpu_info; nothing that went to the old place
     * may get lost, so the guest is sent to look everywhere. */
    gmem_frame_write(hv, mfn, off + INFO_UPCALL, &pending, sizeof(pending));
    gmem_frame_write(hv, mfn, off + INFO_SEL, &all, sizeof(all));
    sched_unblock(v);
}

/* -- The hypervisor's own sending ----------------------------------------- */

int evtchn_send(struct domain *d, uint32_t port)
{
    struct evtchn *c = evtchn_of(d, port);
    struct domain *rd;

    if (!c) {
        return -XEN_EINVAL;
    }
    switch (c->state) {
    case ECS_INTERDOMAIN:
        rd = domain_get(d->hv, c->remote_domid);
        ASSERT(d->hv, rd != NULL);
        evtchn_set_pending(rd, c->remote_port);
        domain_put(rd);
        return 0;
    case ECS_IPI:
        evtchn_set_pending(d, port);
        return 0;
    case ECS_UNBOUND:
        return 0; /* dropped: binding will set the event anyway */
    default:
        return -XEN_EINVAL;
    }
}

void evtchn_send_virq_vcpu(struct vcpu *v, unsigned virq)
{
    ASSERT(v->domain->hv, virq < NR_VIRQS && !evtchn_virq_is_global(virq));
    if (v->virq_port[virq]) {
        evtchn_set_pending(v->domain, v->virq_port[virq]);
    }
}

void evtchn_send_virq_global(struct domain *d, unsigned virq)
{
    ASSERT(d->hv, virq < NR_VIRQS && evtchn_virq_is_global(virq));
    if (d->global_virq_port[virq]) {
        evtchn_set_pending(d, d->global_virq_port[virq]);
    }
}

void evtchn_send_pirq(struct hv *hv, unsigned irq)
{
    struct domain *d;

    if (irq >= HV_MAX_IRQS || !hv->irq_port[irq]) {
        return;
    }
    d = domain_get(hv, hv->irq_owner[irq]);
    ASSERT(hv, d != NULL);
    evtchn_set_pending(d, hv->irq_port[irq]);
    domain_put(d);
}
