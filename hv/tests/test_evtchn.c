/*
 * Event channels over the fake machine: the operations as hypercalls of
 * unpaged vCPUs (guest-linear is guest-physical), and what they leave in
 * shared_info. Two domains, 1 and 2, and the control domain 0, of two vCPUs
 * each. Source of the rules: event_channel.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hv/domain.h"
#include "hv/hv.h"
#include "hv/hypercall.h"
#include "hv/p2m.h"
#include "hv/page.h"
#include "hv/tests/fake_plat.h"

#define DOMAINS 3
#define FRAMES 4096
#define MAX_PORT 200
#define RESET_CONT 14 /* EVTCHNOP_reset_cont */
#define ARG_GFN 1     /* where a domain keeps its arguments */
#define ARG_MAX 64

struct world {
    struct plat *plat;
    struct hv *hv;
    struct domain *d[DOMAINS];
    uint8_t *arg[DOMAINS]; /* host's view of the argument page */
};

/* -- Fixture --------------------------------------------------------------- */

static void *host(struct plat *p, mfn_t mfn)
{
    return p->ram + (mfn.v << PAGE_SHIFT);
}

static void make_domain(struct world *w, domid_t domid)
{
    const struct xen_domctl_createdomain cfg = {
        .flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap,
        .max_vcpus = 2,
        .max_evtchn_port = MAX_PORT,
        .max_grant_frames = 1,
        .max_maptrack_frames = 1,
        .grant_opts = XEN_DOMCTL_GRANT_version(1),
    };
    struct domain *d;
    mfn_t page;

    assert_int_equal(domain_create(w->hv, domid, &cfg, &d), 0);
    d->max_pages = 16;
    assert_int_equal(domain_max_vcpus(d, 2), 0);
    page = page_alloc_domain(d, 0);
    assert_true(mfn_valid(page));
    assert_int_equal(p2m_set(d, GFN(ARG_GFN), page, P2M_RAM_RW), 0);
    for (unsigned i = 0; i < 2; i++) {
        d->vcpus[i]->initialised = true;
        d->vcpus[i]->online = true;
    }
    d->controller_paused = false;
    domain_unpause(d);
    w->d[domid] = d;
    w->arg[domid] = host(w->plat, page);
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));

    w->plat = fake_plat_new(FRAMES);
    w->hv = calloc(1, sizeof(*w->hv));
    w->hv->plat = w->plat;
    w->hv->nr_cpus = 1;
    w->hv->vendor = &svm_ops;
    plat_lock(w->plat);
    page_init(w->hv);
    for (domid_t i = 0; i < DOMAINS; i++) {
        make_domain(w, i);
    }
    w->hv->control = w->d[0];
    *state = w;
    return 0;
}

/* Every test ends with all ports torn down: nothing may be left over. */
static int teardown(void **state)
{
    struct world *w = *state;

    for (unsigned i = 0; i < DOMAINS; i++) {
        w->d[i]->dying = DOMDYING_dying;
        while (evtchn_teardown(w->d[i]) == -XEN_ERESTART) {
        }
        assert_int_equal(w->d[i]->active_evtchns, 0);
    }
    fake_plat_free(w->plat);
    free(w->hv);
    free(w);
    return 0;
}

static struct shared_info *shared(struct domain *d)
{
    return host(d->hv->plat, d->shared_info);
}

/* A hypercall of vCPU 0 of d; restarts are left to the caller. */
static long op_at(struct domain *d, unsigned cmd, uint64_t arg, bool *restart)
{
    const uint64_t args[5] = {cmd, arg};

    return hypercall_dispatch(d->vcpus[0], __HYPERVISOR_event_channel_op,
                              args, restart);
}

/* The same with the argument at `arg`, of `len` bytes, carried there and
 * back; -ERESTART when it wants to be continued. */
static long op_len(struct world *w, struct domain *d, unsigned cmd, void *arg,
                   size_t len)
{
    bool restart;
    long rc;

    memcpy(w->arg[d->domid], arg, len);
    rc = op_at(d, cmd, ARG_GFN << PAGE_SHIFT, &restart);
    memcpy(arg, w->arg[d->domid], len);
    return restart ? -XEN_ERESTART : rc;
}
#define op(d, cmd, arg) op_len(w, d, cmd, arg, sizeof(*(arg)))

static long alloc(struct world *w, struct domain *d, domid_t dom,
                  domid_t remote, uint32_t *port)
{
    struct evtchn_alloc_unbound a = {.dom = dom, .remote_dom = remote};
    long rc = op(d, EVTCHNOP_alloc_unbound, &a);

    *port = a.port;
    return rc;
}

static long bind(struct world *w, struct domain *d, domid_t remote,
                 uint32_t rport, uint32_t *port)
{
    struct evtchn_bind_interdomain a = {.remote_dom = remote,
                                        .remote_port = rport};
    long rc = op(d, EVTCHNOP_bind_interdomain, &a);

    *port = a.local_port;
    return rc;
}

static long virq(struct world *w, struct domain *d, uint32_t number,
                 uint32_t vcpu, uint32_t *port)
{
    struct evtchn_bind_virq a = {.virq = number, .vcpu = vcpu};
    long rc = op(d, EVTCHNOP_bind_virq, &a);

    *port = a.port;
    return rc;
}

/* Port *p1 of domain 1 and *p2 of domain 2 joined; events cleared. */
static void join(struct world *w, uint32_t *p1, uint32_t *p2)
{
    assert_int_equal(alloc(w, w->d[1], DOMID_SELF, 2, p1), 0);
    assert_int_equal(bind(w, w->d[2], 1, *p1, p2), 0);
    memset(shared(w->d[1]), 0, sizeof(struct shared_info));
    memset(shared(w->d[2]), 0, sizeof(struct shared_info));
}

/* -- Tests ----------------------------------------------------------------- */

static void alloc_unbound_gives_the_lowest_free_port(void **state)
{
    struct world *w = *state;
    struct evtchn_close c = {2};
    uint32_t port;

    for (uint32_t i = 1; i <= 3; i++) {
        assert_int_equal(alloc(w, w->d[1], DOMID_SELF, 2, &port), 0);
        assert_int_equal(port, i);
    }
    assert_int_equal(op(w->d[1], EVTCHNOP_close, &c), 0);
    assert_int_equal(alloc(w, w->d[1], DOMID_SELF, 2, &port), 0);
    assert_int_equal(port, 2);
}

static void alloc_unbound_for_another_domain_needs_privilege(void **state)
{
    struct world *w = *state;
    uint32_t port;

    assert_int_equal(alloc(w, w->d[1], 2, 1, &port), -XEN_EPERM);
    assert_int_equal(alloc(w, w->d[1], 77, 1, &port), -XEN_ESRCH);
    assert_int_equal(alloc(w, w->d[0], 2, 1, &port), 0);
    assert_int_equal(evtchn_of(w->d[2], port)->remote_domid, 1);
}

static void alloc_past_max_evtchn_port_is_enospc(void **state)
{
    struct world *w = *state;
    uint32_t port;

    for (unsigned i = 1; i <= MAX_PORT; i++) {
        assert_int_equal(alloc(w, w->d[1], DOMID_SELF, 2, &port), 0);
    }
    assert_int_equal(alloc(w, w->d[1], DOMID_SELF, 2, &port), -XEN_ENOSPC);
}

static void bind_interdomain_only_for_whom_the_port_waits(void **state)
{
    struct world *w = *state;
    uint32_t p1, p2;

    assert_int_equal(alloc(w, w->d[1], DOMID_SELF, 2, &p1), 0);
    assert_int_equal(bind(w, w->d[0], 1, p1, &p2), -XEN_EINVAL);
    assert_int_equal(bind(w, w->d[2], 1, 0, &p2), -XEN_EINVAL);
    assert_int_equal(bind(w, w->d[2], 1, 0xffffffff, &p2), -XEN_EINVAL);
    assert_int_equal(bind(w, w->d[2], 9, p1, &p2), -XEN_ESRCH);
    assert_int_equal(bind(w, w->d[2], 1, p1, &p2), 0);
    assert_int_equal(bind(w, w->d[2], 1, p1, &p2), -XEN_EINVAL);
}

static void bind_interdomain_sets_the_local_port_pending(void **state)
{
    struct world *w = *state;
    struct shared_info *s = shared(w->d[2]);
    uint32_t p1, p2;

    assert_int_equal(alloc(w, w->d[1], DOMID_SELF, 2, &p1), 0);
    assert_int_equal(bind(w, w->d[2], 1, p1, &p2), 0);
    assert_int_equal(s->evtchn_pending[0], 1u << p2);
    assert_int_equal(s->vcpu_info[0].evtchn_pending_sel, 1);
    assert_int_equal(s->vcpu_info[0].evtchn_upcall_pending, 1);
}

static void send_reaches_the_peer_and_wakes_it(void **state)
{
    struct world *w = *state;
    struct vcpu *v = w->d[1]->vcpus[0];
    struct evtchn_send s;
    uint32_t p1, p2;

    join(w, &p1, &p2);
    v->blocked = true;
    s.port = p2;
    assert_int_equal(op(w->d[2], EVTCHNOP_send, &s), 0);
    assert_true(evtchn_is_pending(w->d[1], p1));
    assert_true(evtchn_upcall_due(v));
    assert_false(v->blocked);
    s.port = 0;
    assert_int_equal(op(w->d[2], EVTCHNOP_send, &s), -XEN_EINVAL);
}

static void masked_event_stays_pending_until_unmask(void **state)
{
    struct world *w = *state;
    struct shared_info *s = shared(w->d[1]);
    struct vcpu *v = w->d[1]->vcpus[0];
    struct evtchn_unmask u;
    uint32_t p1, p2;

    join(w, &p1, &p2);
    s->evtchn_mask[0] = 1u << p1;
    v->blocked = true;
    assert_int_equal(evtchn_send(w->d[2], p2), 0);
    assert_true(evtchn_is_pending(w->d[1], p1));
    assert_false(evtchn_upcall_pending(v));
    assert_true(v->blocked);
    u.port = p1;
    assert_int_equal(op(w->d[1], EVTCHNOP_unmask, &u), 0);
    assert_int_equal(s->evtchn_mask[0], 0);
    assert_true(evtchn_upcall_due(v));
    assert_false(v->blocked);
}

static void poller_is_woken_by_a_masked_port(void **state)
{
    struct world *w = *state;
    struct vcpu *v = w->d[1]->vcpus[1];
    uint32_t p1, p2;

    join(w, &p1, &p2);
    shared(w->d[1])->evtchn_mask[0] = 1u << p1;
    v->blocked = v->polling = true;
    v->poll_count = 1;
    v->poll_ports[0] = p1 + 1;
    assert_int_equal(evtchn_send(w->d[2], p2), 0);
    assert_true(v->blocked);
    v->poll_ports[0] = p1;
    shared(w->d[1])->evtchn_pending[0] = 0;
    assert_int_equal(evtchn_send(w->d[2], p2), 0);
    assert_false(v->blocked);
}

static void upcall_pending_already_set_does_not_kick_again(void **state)
{
    struct world *w = *state;
    struct vcpu *v = w->d[1]->vcpus[0];
    uint32_t p1, p2;

    join(w, &p1, &p2);
    shared(w->d[1])->vcpu_info[0].evtchn_upcall_pending = 1;
    v->blocked = true;
    assert_int_equal(evtchn_send(w->d[2], p2), 0);
    assert_true(v->blocked);
    assert_int_equal(shared(w->d[1])->vcpu_info[0].evtchn_pending_sel, 1);
}

static void close_turns_the_peer_unbound_and_clears_pending(void **state)
{
    struct world *w = *state;
    struct evtchn_status st = {.dom = DOMID_SELF};
    struct evtchn_close c;
    uint32_t p1, p2;

    join(w, &p1, &p2);
    assert_int_equal(evtchn_send(w->d[1], p1), 0);
    c.port = p2;
    assert_int_equal(op(w->d[2], EVTCHNOP_close, &c), 0);
    assert_false(evtchn_is_pending(w->d[2], p2));
    assert_int_equal(op(w->d[2], EVTCHNOP_close, &c), -XEN_EINVAL);
    st.port = p1;
    assert_int_equal(op(w->d[1], EVTCHNOP_status, &st), 0);
    assert_int_equal(st.status, EVTCHNSTAT_unbound);
    assert_int_equal(st.u.unbound.dom, 2);
    assert_int_equal(evtchn_send(w->d[1], p1), 0); /* dropped */
    assert_int_equal(bind(w, w->d[2], 1, p1, &p2), 0);
}

static void virq_rules_of_vcpu_and_global(void **state)
{
    struct world *w = *state;
    struct evtchn_bind_vcpu b = {.vcpu = 1};
    uint32_t port;

    assert_int_equal(virq(w, w->d[1], NR_VIRQS, 0, &port), -XEN_EINVAL);
    assert_int_equal(virq(w, w->d[1], VIRQ_TIMER, 2, &port), -XEN_ENOENT);
    assert_int_equal(virq(w, w->d[1], VIRQ_DOM_EXC, 1, &port), -XEN_EINVAL);
    assert_int_equal(virq(w, w->d[1], VIRQ_TIMER, 1, &port), 0);
    assert_int_equal(virq(w, w->d[1], VIRQ_TIMER, 1, &port), -XEN_EEXIST);
    b.port = 1;
    assert_int_equal(op(w->d[1], EVTCHNOP_bind_vcpu, &b), -XEN_EINVAL);
    assert_int_equal(virq(w, w->d[1], VIRQ_DOM_EXC, 0, &b.port), 0);
    assert_int_equal(virq(w, w->d[1], VIRQ_DOM_EXC, 0, &port), -XEN_EEXIST);
    assert_int_equal(op(w->d[1], EVTCHNOP_bind_vcpu, &b), 0);
    evtchn_send_virq_global(w->d[1], VIRQ_DOM_EXC);
    assert_false(evtchn_upcall_due(w->d[1]->vcpus[0]));
    assert_true(evtchn_upcall_due(w->d[1]->vcpus[1]));
    assert_int_equal(evtchn_send(w->d[1], b.port), -XEN_EINVAL);
}

static void ipi_notifies_its_vcpu(void **state)
{
    struct world *w = *state;
    struct evtchn_bind_ipi a = {.vcpu = 1};

    assert_int_equal(op(w->d[1], EVTCHNOP_bind_ipi, &a), 0);
    assert_int_equal(evtchn_send(w->d[1], a.port), 0);
    assert_true(evtchn_upcall_due(w->d[1]->vcpus[1]));
    a.vcpu = 2;
    assert_int_equal(op(w->d[1], EVTCHNOP_bind_ipi, &a), -XEN_ENOENT);
}

static void pirq_is_for_the_owner_of_hardware_and_exclusive(void **state)
{
    struct world *w = *state;
    struct evtchn_bind_pirq a = {.pirq = 4};

    assert_int_equal(op(w->d[1], EVTCHNOP_bind_pirq, &a), -XEN_EPERM);
    assert_int_equal(op(w->d[0], EVTCHNOP_bind_pirq, &a), 0);
    evtchn_send_pirq(w->hv, 4);
    assert_true(evtchn_is_pending(w->d[0], a.port));
    assert_int_equal(op(w->d[0], EVTCHNOP_bind_pirq, &a), -XEN_EEXIST);
    a.pirq = HV_MAX_IRQS;
    assert_int_equal(op(w->d[0], EVTCHNOP_bind_pirq, &a), -XEN_EINVAL);
}

static void reset_is_continued_and_exclusive(void **state)
{
    struct world *w = *state;
    struct evtchn_reset r = {DOMID_SELF};
    uint32_t port;

    for (unsigned i = 0; i < 150; i++) {
        assert_int_equal(alloc(w, w->d[1], DOMID_SELF, 2, &port), 0);
    }
    w->plat->interrupt_pending = true;
    assert_int_equal(op(w->d[1], EVTCHNOP_reset, &r), -XEN_ERESTART);
    assert_int_equal(w->d[1]->vcpus[0]->regs.r[R_RDI], RESET_CONT);
    assert_true(w->d[1]->active_evtchns > 0);
    w->plat->interrupt_pending = false;
    assert_int_equal(op(w->d[1], EVTCHNOP_reset, &r), -XEN_EBUSY);
    assert_int_equal(op(w->d[1], RESET_CONT, &r), 0);
    assert_int_equal(w->d[1]->active_evtchns, 0);
    assert_int_equal(op(w->d[1], RESET_CONT, &r), -XEN_EBUSY);
}

static void reset_of_another_needs_privilege_and_a_pause(void **state)
{
    struct world *w = *state;
    struct evtchn_reset r = {2};

    assert_int_equal(op(w->d[1], EVTCHNOP_reset, &r), -XEN_EPERM);
    assert_int_equal(op(w->d[0], EVTCHNOP_reset, &r), -XEN_EINVAL);
    w->d[2]->controller_paused = true;
    assert_int_equal(op(w->d[0], EVTCHNOP_reset, &r), 0);
}

static void fifo_is_not_offered(void **state)
{
    struct world *w = *state;
    struct evtchn_set_priority p = {.port = 0};
    struct evtchn_init_control c = {.vcpu = 0};
    bool restart;

    assert_int_equal(op(w->d[1], EVTCHNOP_init_control, &c), -XEN_ENOSYS);
    assert_int_equal(op(w->d[1], EVTCHNOP_expand_array, &c), -XEN_ENOSYS);
    assert_int_equal(op(w->d[1], EVTCHNOP_set_priority, &p), -XEN_ENOSYS);
    p.port = 0xffffffff;
    assert_int_equal(op(w->d[1], EVTCHNOP_set_priority, &p), -XEN_EINVAL);
    assert_int_equal(op(w->d[1], 15, &c), -XEN_ENOSYS);
    assert_int_equal(op_at(w->d[1], EVTCHNOP_status, 0x123456000, &restart),
                     -XEN_EFAULT);
}

static void dying_domain_gets_no_port(void **state)
{
    struct world *w = *state;
    uint32_t port;

    w->d[2]->dying = DOMDYING_dying;
    assert_int_equal(alloc(w, w->d[0], 2, 1, &port), -XEN_EINVAL);
}

static void moved_vcpu_info_has_everything_pending(void **state)
{
    struct world *w = *state;
    struct vcpu_info *i = &shared(w->d[1])->vcpu_info[1];

    evtchn_vcpu_info_moved(w->d[1]->vcpus[1]);
    assert_int_equal(i->evtchn_pending_sel, ~0ULL);
    assert_int_equal(i->evtchn_upcall_pending, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(alloc_unbound_gives_the_lowest_free_port),
        T(alloc_unbound_for_another_domain_needs_privilege),
        T(alloc_past_max_evtchn_port_is_enospc),
        T(bind_interdomain_only_for_whom_the_port_waits),
        T(bind_interdomain_sets_the_local_port_pending),
        T(send_reaches_the_peer_and_wakes_it),
        T(masked_event_stays_pending_until_unmask),
        T(poller_is_woken_by_a_masked_port),
        T(upcall_pending_already_set_does_not_kick_again),
        T(close_turns_the_peer_unbound_and_clears_pending),
        T(virq_rules_of_vcpu_and_global),
        T(ipi_notifies_its_vcpu),
        T(pirq_is_for_the_owner_of_hardware_and_exclusive),
        T(reset_is_continued_and_exclusive),
        T(reset_of_another_needs_privilege_and_a_pause),
        T(fifo_is_not_offered),
        T(dying_domain_gets_no_port),
        T(moved_vcpu_info_has_everything_pending),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
