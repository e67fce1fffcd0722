/*
 * Event channels, 2-level ABI: states, rights, delivery, masking, VIRQs,
 * IPIs, reset. Ports are observed through os.h's handlers where delivery is
 * the subject, and through EVTCHNOP_status where the state is.
 */
#include "conformance/harness.h"

#include <string.h>

#include <xen/event_channel.h>
#include <xen/vcpu.h>

static int64_t status(struct t *t, evtchn_port_t port,
                      struct evtchn_status *s)
{
    *s = (struct evtchn_status){.dom = DOMID_SELF, .port = port};
    return t_evtchn_op(t, EVTCHNOP_status, s, sizeof(*s));
}

static uint32_t state_of(struct t *t, evtchn_port_t port)
{
    struct evtchn_status s;
    T_EQ(t, status(t, port, &s), 0);
    return s.status;
}

struct counter {
    unsigned n;
    evtchn_port_t last;
};

static void count(struct os *os, void *ctx, evtchn_port_t port)
{
    struct counter *c = ctx;
    (void)os;
    c->n++;
    c->last = port;
}

static bool counted(struct t *t, void *ctx)
{
    (void)t;
    return ((struct counter *)ctx)->n > 0;
}

/* -- One domain ----------------------------------------------------------- */

static void unbound_then_interdomain(struct t *t)
{
    evtchn_port_t a, b;
    struct evtchn_status s;
    T_EQ(t, os_evtchn_alloc_unbound(t->os, DOMID_SELF, &a), 0);
    T_CHECK(t, a != 0);
    T_EQ(t, status(t, a, &s), 0);
    T_EQ(t, s.status, EVTCHNSTAT_unbound);
    T_EQ(t, s.u.unbound.dom, os_domid(t->os));
    T_EQ(t, os_evtchn_bind_interdomain(t->os, DOMID_SELF, a, &b), 0);
    T_EQ(t, status(t, b, &s), 0);
    T_EQ(t, s.status, EVTCHNSTAT_interdomain);
    T_EQ(t, s.u.interdomain.dom, os_domid(t->os));
    T_EQ(t, s.u.interdomain.port, a);
    T_EQ(t, os_evtchn_close(t->os, b), 0);
    T_EQ(t, state_of(t, a), EVTCHNSTAT_unbound);
    T_EQ(t, os_evtchn_close(t->os, a), 0);
    T_EQ(t, state_of(t, a), EVTCHNSTAT_closed);
}

static void port_zero_is_reserved(struct t *t)
{
    struct evtchn_status s;
    T_EQ(t, os_evtchn_close(t->os, 0), -XEN_EINVAL);
    T_EQ(t, os_evtchn_send(t->os, 0), -XEN_EINVAL);
    T_EQ(t, status(t, 0, &s), 0);
    T_EQ(t, s.status, EVTCHNSTAT_closed);
}

static void ports_out_of_range(struct t *t)
{
    struct evtchn_status s;
    static const evtchn_port_t bad[] = {4096, 4097, 1u << 20, ~0u};
    for (unsigned i = 0; i < 4; i++) {
        T_EQ(t, os_evtchn_send(t->os, bad[i]), -XEN_EINVAL);
        T_EQ(t, os_evtchn_close(t->os, bad[i]), -XEN_EINVAL);
        T_EQ(t, status(t, bad[i], &s), -XEN_EINVAL);
        struct evtchn_unmask u = {.port = bad[i]};
        T_EQ(t, t_evtchn_op(t, EVTCHNOP_unmask, &u, sizeof(u)), -XEN_EINVAL);
        struct evtchn_bind_vcpu v = {.port = bad[i]};
        T_EQ(t, t_evtchn_op(t, EVTCHNOP_bind_vcpu, &v, sizeof(v)),
             -XEN_EINVAL);
    }
}

static void close_of_closed(struct t *t)
{
    evtchn_port_t a;
    T_EQ(t, os_evtchn_alloc_unbound(t->os, DOMID_SELF, &a), 0);
    T_EQ(t, os_evtchn_close(t->os, a), 0);
    T_EQ(t, os_evtchn_close(t->os, a), -XEN_EINVAL);
    T_EQ(t, os_evtchn_send(t->os, a), -XEN_EINVAL);
}

static void unbound_send_is_quiet(struct t *t)
{
    evtchn_port_t a;
    T_EQ(t, os_evtchn_alloc_unbound(t->os, DOMID_SELF, &a), 0);
    T_EQ(t, os_evtchn_send(t->os, a), 0); /* silently dropped */
}

static void lowest_free_port(struct t *t)
{
    evtchn_port_t a, b, c;
    T_EQ(t, os_evtchn_alloc_unbound(t->os, DOMID_SELF, &a), 0);
    T_EQ(t, os_evtchn_alloc_unbound(t->os, DOMID_SELF, &b), 0);
    T_CHECK(t, b > a);
    T_EQ(t, os_evtchn_close(t->os, a), 0);
    T_EQ(t, os_evtchn_alloc_unbound(t->os, DOMID_SELF, &c), 0);
    T_EQ(t, c, a);
}

static void table_full(struct t *t)
{
    evtchn_port_t p, last = 0;
    int rc = 0;
    unsigned n = 0;
    while ((rc = os_evtchn_alloc_unbound(t->os, DOMID_SELF, &p)) == 0) {
        T_CHECK(t, ++n < 5000);
        last = p;
    }
    T_EQ(t, rc, -XEN_ENOSPC);
    T_CHECK(t, n > 100 && last < 4096);
    T_EQ(t, os_evtchn_close(t->os, last), 0);
    T_EQ(t, os_evtchn_alloc_unbound(t->os, DOMID_SELF, &p), 0);
}

static void loopback_is_delivered(struct t *t)
{
    evtchn_port_t a, b;
    struct counter *c = os_malloc(t->os, sizeof(*c));
    T_EQ(t, os_evtchn_alloc_unbound(t->os, DOMID_SELF, &a), 0);
    T_EQ(t, os_evtchn_bind_interdomain(t->os, DOMID_SELF, a, &b), 0);
    T_EQ(t, os_event_handler(t->os, a, count, c), 0);
    T_EQ(t, os_evtchn_send(t->os, b), 0);
    T_CHECK(t, t_wait_until(t, counted, c, 1000000000));
    T_EQ(t, c->last, a);
    t_sleep(t, 1000000);
    T_EQ(t, c->n, 1); /* delivered once */
}

static void events_merge(struct t *t)
{
    evtchn_port_t a, b;
    struct counter *c = os_malloc(t->os, sizeof(*c));
    T_EQ(t, os_evtchn_alloc_unbound(t->os, DOMID_SELF, &a), 0);
    T_EQ(t, os_evtchn_bind_interdomain(t->os, DOMID_SELF, a, &b), 0);
    T_EQ(t, os_event_handler(t->os, a, count, c), 0);
    for (unsigned i = 0; i < 10; i++) {
        T_EQ(t, os_evtchn_send(t->os, b), 0);
    }
    T_CHECK(t, t_wait_until(t, counted, c, 1000000000));
    T_EQ(t, c->n, 1);
}

static void bind_makes_up_for_the_past(struct t *t)
{
    evtchn_port_t a, b;
    struct counter *c = os_malloc(t->os, sizeof(*c));
    T_EQ(t, os_evtchn_alloc_unbound(t->os, DOMID_SELF, &a), 0);
    T_EQ(t, os_evtchn_send(t->os, a), 0); /* dropped */
    T_EQ(t, os_evtchn_bind_interdomain(t->os, DOMID_SELF, a, &b), 0);
    T_EQ(t, os_event_handler(t->os, b, count, c), 0);
    T_CHECK(t, t_wait_until(t, counted, c, 1000000000));
    T_EQ(t, c->last, b);
    t_sleep(t, 1000000);
    T_EQ(t, c->n, 1);
}

static void close_takes_the_event(struct t *t)
{
    evtchn_port_t a, b, again;
    struct counter *c = os_malloc(t->os, sizeof(*c));
    T_EQ(t, os_evtchn_alloc_unbound(t->os, DOMID_SELF, &a), 0);
    T_EQ(t, os_evtchn_bind_interdomain(t->os, DOMID_SELF, a, &b), 0);
    T_EQ(t, os_evtchn_send(t->os, b), 0); /* a is masked: stays pending */
    struct evtchn_close op = {.port = a};
    T_EQ(t, t_evtchn_op(t, EVTCHNOP_close, &op, sizeof(op)), 0);
    T_EQ(t, os_evtchn_alloc_unbound(t->os, DOMID_SELF, &again), 0);
    T_EQ(t, again, a);
    T_EQ(t, os_event_handler(t->os, a, count, c), 0);
    t_sleep(t, 1000000);
    T_EQ(t, c->n, 0);
}

static void bind_twice_is_refused(struct t *t)
{
    evtchn_port_t a, b, c;
    T_EQ(t, os_evtchn_alloc_unbound(t->os, DOMID_SELF, &a), 0);
    T_EQ(t, os_evtchn_bind_interdomain(t->os, DOMID_SELF, a, &b), 0);
    T_EQ(t, os_evtchn_bind_interdomain(t->os, DOMID_SELF, a, &c),
         -XEN_EINVAL);
    T_EQ(t, os_evtchn_bind_interdomain(t->os, DOMID_SELF, 4000, &c),
         -XEN_EINVAL);
    T_EQ(t, os_evtchn_bind_interdomain(t->os, 0x7ef0, 1, &c), -XEN_ESRCH);
}

static void virq_binds_once(struct t *t)
{
    struct evtchn_bind_virq v = {.virq = VIRQ_DEBUG, .vcpu = 0};
    struct evtchn_status s;
    T_EQ(t, t_evtchn_op(t, EVTCHNOP_bind_virq, &v, sizeof(v)), 0);
    T_EQ(t, status(t, v.port, &s), 0);
    T_EQ(t, s.status, EVTCHNSTAT_virq);
    T_EQ(t, s.u.virq, VIRQ_DEBUG);
    struct evtchn_bind_virq w = {.virq = VIRQ_DEBUG, .vcpu = 0};
    T_EQ(t, t_evtchn_op(t, EVTCHNOP_bind_virq, &w, sizeof(w)), -XEN_EEXIST);
    T_EQ(t, os_evtchn_send(t->os, v.port), -XEN_EINVAL);
    T_EQ(t, os_evtchn_close(t->os, v.port), 0);
    T_EQ(t, t_evtchn_op(t, EVTCHNOP_bind_virq, &w, sizeof(w)), 0);
}

static void virq_arguments(struct t *t)
{
    struct evtchn_bind_virq v = {.virq = NR_VIRQS, .vcpu = 0};
    T_EQ(t, t_evtchn_op(t, EVTCHNOP_bind_virq, &v, sizeof(v)), -XEN_EINVAL);
    v.virq = ~0u;
    T_EQ(t, t_evtchn_op(t, EVTCHNOP_bind_virq, &v, sizeof(v)), -XEN_EINVAL);
    v = (struct evtchn_bind_virq){.virq = VIRQ_TIMER, .vcpu = 99};
    T_EQ(t, t_evtchn_op(t, EVTCHNOP_bind_virq, &v, sizeof(v)), -XEN_ENOENT);
}

static void virq_timer_fires(struct t *t)
{
    evtchn_port_t p;
    struct counter *c = os_malloc(t->os, sizeof(*c));
    T_EQ(t, os_evtchn_bind_virq(t->os, VIRQ_TIMER, &p), 0);
    T_EQ(t, os_event_handler(t->os, p, count, c), 0);
    struct vcpu_set_singleshot_timer s = {
        .timeout_abs_ns = os_now_ns(t->os) + 2000000};
    T_EQ(t, t_vcpu_op(t, VCPUOP_set_singleshot_timer, 0, &s, sizeof(s)), 0);
    T_CHECK(t, t_wait_until(t, counted, c, 1000000000));
    T_CHECK(t, os_now_ns(t->os) >= s.timeout_abs_ns);
}

static void ipi_arguments(struct t *t)
{
    struct evtchn_bind_ipi i = {.vcpu = 0};
    struct counter *c = os_malloc(t->os, sizeof(*c));
    T_EQ(t, t_evtchn_op(t, EVTCHNOP_bind_ipi, &i, sizeof(i)), 0);
    T_EQ(t, state_of(t, i.port), EVTCHNSTAT_ipi);
    T_EQ(t, os_event_handler(t->os, i.port, count, c), 0);
    T_EQ(t, os_evtchn_send(t->os, i.port), 0);
    T_CHECK(t, t_wait_until(t, counted, c, 1000000000));
    struct evtchn_bind_vcpu v = {.port = i.port, .vcpu = 0};
    T_EQ(t, t_evtchn_op(t, EVTCHNOP_bind_vcpu, &v, sizeof(v)), -XEN_EINVAL);
    i.vcpu = 99;
    T_EQ(t, t_evtchn_op(t, EVTCHNOP_bind_ipi, &i, sizeof(i)), -XEN_ENOENT);
}

static void bind_vcpu_arguments(struct t *t)
{
    evtchn_port_t a;
    T_EQ(t, os_evtchn_alloc_unbound(t->os, DOMID_SELF, &a), 0);
    struct evtchn_bind_vcpu v = {.port = a, .vcpu = 99};
    T_EQ(t, t_evtchn_op(t, EVTCHNOP_bind_vcpu, &v, sizeof(v)), -XEN_ENOENT);
    v.vcpu = 0;
    T_EQ(t, t_evtchn_op(t, EVTCHNOP_bind_vcpu, &v, sizeof(v)), 0);
    v.port = 3999;
    T_EQ(t, t_evtchn_op(t, EVTCHNOP_bind_vcpu, &v, sizeof(v)), -XEN_EINVAL);
}

static void fifo_is_not_offered(struct t *t)
{
    struct evtchn_init_control i = {.control_gfn = 1, .vcpu = 0};
    T_EQ(t, t_evtchn_op(t, EVTCHNOP_init_control, &i, sizeof(i)),
         -XEN_ENOSYS);
    struct evtchn_expand_array e = {.array_gfn = 1};
    T_EQ(t, t_evtchn_op(t, EVTCHNOP_expand_array, &e, sizeof(e)),
         -XEN_ENOSYS);
    T_EQ(t, t_evtchn_op(t, 50, &e, sizeof(e)), -XEN_ENOSYS);
}

static void reset_closes_all(struct t *t)
{
    evtchn_port_t p[20];
    for (unsigned i = 0; i < 20; i++) {
        T_EQ(t, os_evtchn_alloc_unbound(t->os, DOMID_SELF, &p[i]), 0);
    }
    struct evtchn_reset r = {.dom = DOMID_SELF};
    T_EQ(t, t_evtchn_op(t, EVTCHNOP_reset, &r, sizeof(r)), 0);
    for (unsigned i = 0; i < 20; i++) {
        T_EQ(t, state_of(t, p[i]), EVTCHNSTAT_closed);
    }
}

static void bad_argument_pointer(struct t *t)
{
    for (unsigned cmd = 0; cmd <= 10; cmd++) {
        int64_t rc = os_hypercall(t->os, __HYPERVISOR_event_channel_op, cmd,
                                  0x7f0000000000ULL, 0, 0, 0);
        T_EQ(t, rc, -XEN_EFAULT);
    }
}

/* -- Two domains ---------------------------------------------------------- */

static void pair_subject(struct t *t)
{
    evtchn_port_t a;
    struct counter *c = os_malloc(t->os, sizeof(*c));
    T_EQ(t, os_evtchn_alloc_unbound(t->os, t_domid(t, ROLE_PEER), &a), 0);
    T_EQ(t, os_event_handler(t->os, a, count, c), 0);
    t_send(t, 0, a);
    T_CHECK(t, t_wait_until(t, counted, c, 5000000000));
    T_EQ(t, os_evtchn_send(t->os, a), 0);
    (void)t_recv(t, 1);
    /* The peer closed its end: ours is unbound, for it alone, again. */
    struct evtchn_status s;
    T_EQ(t, status(t, a, &s), 0);
    T_EQ(t, s.status, EVTCHNSTAT_unbound);
    T_EQ(t, s.u.unbound.dom, t_domid(t, ROLE_PEER));
}

static void pair_peer(struct t *t)
{
    evtchn_port_t b;
    struct counter *c = os_malloc(t->os, sizeof(*c));
    evtchn_port_t remote = t_recv(t, 0);
    T_EQ(t, os_evtchn_bind_interdomain(t->os, t_domid(t, ROLE_SUBJECT),
                                       remote, &b), 0);
    T_EQ(t, os_event_handler(t->os, b, count, c), 0);
    T_EQ(t, os_evtchn_send(t->os, b), 0);
    T_CHECK(t, t_wait_until(t, counted, c, 5000000000));
    T_EQ(t, os_evtchn_close(t->os, b), 0);
    t_send(t, 1, 0);
}

static void not_for_us_subject(struct t *t)
{
    evtchn_port_t a;
    T_EQ(t, os_evtchn_alloc_unbound(t->os, 0, &a), 0);
    t_send(t, 0, a);
    (void)t_recv(t, 1);
    T_EQ(t, state_of(t, a), EVTCHNSTAT_unbound);
}

static void not_for_us_peer(struct t *t)
{
    evtchn_port_t b, remote = t_recv(t, 0);
    T_EQ(t, os_evtchn_bind_interdomain(t->os, t_domid(t, ROLE_SUBJECT),
                                       remote, &b), -XEN_EINVAL);
    t_send(t, 1, 0);
}

static void peer_dies_subject(struct t *t)
{
    evtchn_port_t a;
    T_EQ(t, os_evtchn_alloc_unbound(t->os, t_domid(t, ROLE_PEER), &a), 0);
    t_send(t, 0, a);
    (void)t_recv(t, 1);
    T_EQ(t, state_of(t, a), EVTCHNSTAT_interdomain);
    t_send(t, 2, 0);
    for (unsigned i = 0; state_of(t, a) == EVTCHNSTAT_interdomain; i++) {
        T_CHECK(t, i < 2000);
        T_EQ(t, os_evtchn_send(t->os, a), 0); /* harmless */
        t_sleep(t, 1000000);
    }
    T_EQ(t, state_of(t, a), EVTCHNSTAT_unbound);
    T_EQ(t, os_evtchn_close(t->os, a), 0);
}

static void peer_dies_peer(struct t *t)
{
    evtchn_port_t b, remote = t_recv(t, 0);
    T_EQ(t, os_evtchn_bind_interdomain(t->os, t_domid(t, ROLE_SUBJECT),
                                       remote, &b), 0);
    t_send(t, 1, 0);
    (void)t_recv(t, 2);
} /* powers off with the channel bound */

static void peer_dies_control(struct t *t)
{
    domid_t peer = t_domid(t, ROLE_PEER);
    (void)t_wait_shutdown(t, peer);
    t_destroy_guest(t, peer);
}

static void privileged_alloc_for_other(struct t *t)
{
    domid_t peer = t_domid(t, ROLE_PEER);
    evtchn_port_t mine;
    struct evtchn_alloc_unbound a = {.dom = peer, .remote_dom = DOMID_SELF};
    T_EQ(t, t_evtchn_op(t, EVTCHNOP_alloc_unbound, &a, sizeof(a)), 0);
    T_EQ(t, os_evtchn_bind_interdomain(t->os, peer, a.port, &mine), 0);
    T_EQ(t, os_evtchn_send(t->os, mine), 0);
    a = (struct evtchn_alloc_unbound){.dom = 0x7ef0};
    T_EQ(t, t_evtchn_op(t, EVTCHNOP_alloc_unbound, &a, sizeof(a)),
         -XEN_ESRCH);
    t_send(t, 0, 0);
}

static void wait_for_word(struct t *t)
{
    (void)t_recv(t, 0);
}

#define EC "event_channel.h: "
static const struct tcase cases[] = {
    {"evtchn_unbound_becomes_interdomain_and_back",
     "closing one end leaves the other unbound", EC "EVTCHNOP_close",
     T_NOSTORE, unbound_then_interdomain, 0, 0, 0},
    {"evtchn_port_zero_is_reserved", "port 0 is never valid",
     EC "evtchn_port_t", T_NOSTORE | T_HOSTILE, port_zero_is_reserved, 0, 0,
     0},
    {"evtchn_ports_out_of_range_are_einval",
     "a port beyond the table is EINVAL everywhere", EC "evtchn_port_t",
     T_NOSTORE | T_HOSTILE, ports_out_of_range, 0, 0, 0},
    {"evtchn_close_twice_is_einval", "a closed port is not open",
     EC "EVTCHNOP_close", T_NOSTORE | T_HOSTILE, close_of_closed, 0, 0, 0},
    {"evtchn_send_on_unbound_is_dropped",
     "an event to nobody is silently dropped", EC "EVTCHNOP_send", T_NOSTORE,
     unbound_send_is_quiet, 0, 0, 0},
    {"evtchn_lowest_free_port_is_given", "ports are allocated lowest first",
     EC "EVTCHNOP_alloc_unbound", T_NOSTORE, lowest_free_port, 0, 0, 0},
    {"evtchn_full_table_is_enospc", "a domain's ports are limited",
     EC "EVTCHNOP_alloc_unbound", T_NOSTORE | T_HOSTILE, table_full, 0, 0,
     0},
    {"evtchn_event_is_delivered_once", "one send, one upcall",
     EC "EVTCHNOP_send", T_NOSTORE, loopback_is_delivered, 0, 0, 0},
    {"evtchn_events_merge_while_pending",
     "a pending port is pending, however often it was sent",
     EC "EVTCHNOP_send", T_NOSTORE, events_merge, 0, 0, 0},
    {"evtchn_bind_raises_an_event",
     "binding to a port makes up for events lost before",
     EC "EVTCHNOP_bind_interdomain", T_NOSTORE, bind_makes_up_for_the_past,
     0, 0, 0},
    {"evtchn_close_takes_the_pending_event",
     "the next user of a port starts without an event",
     EC "EVTCHNOP_close", T_NOSTORE, close_takes_the_event, 0, 0, 0},
    {"evtchn_bind_of_a_bound_port_is_einval",
     "an unbound port is bound once; unknown domains are ESRCH",
     EC "EVTCHNOP_bind_interdomain", T_NOSTORE | T_HOSTILE,
     bind_twice_is_refused, 0, 0, 0},
    {"evtchn_virq_binds_once_a_vcpu", "a VIRQ has one port a vCPU",
     EC "EVTCHNOP_bind_virq", T_NOSTORE, virq_binds_once, 0, 0, 0},
    {"evtchn_virq_arguments_are_checked",
     "an unknown VIRQ is EINVAL, an unknown vCPU ENOENT",
     EC "EVTCHNOP_bind_virq", T_NOSTORE | T_HOSTILE, virq_arguments, 0, 0,
     0},
    {"evtchn_virq_timer_fires_at_its_time",
     "VIRQ_TIMER follows the singleshot timer", "xen.h: VIRQ_TIMER",
     T_NOSTORE, virq_timer_fires, 0, 0, 0},
    {"evtchn_ipi_is_bound_to_its_vcpu",
     "an IPI port can be sent on and not rebound", EC "EVTCHNOP_bind_ipi",
     T_NOSTORE, ipi_arguments, 0, 0, 0},
    {"evtchn_bind_vcpu_arguments_are_checked",
     "an unknown vCPU is ENOENT, a closed port EINVAL",
     EC "EVTCHNOP_bind_vcpu", T_NOSTORE | T_HOSTILE, bind_vcpu_arguments, 0,
     0, 0},
    {"evtchn_fifo_is_not_offered", "FIFO operations are ENOSYS",
     EC "EVTCHNOP_init_control", T_NOSTORE, fifo_is_not_offered, 0, 0, 0},
    {"evtchn_reset_closes_all_ports", "reset closes every port",
     EC "EVTCHNOP_reset", T_NOSTORE, reset_closes_all, 0, 0, 0},
    {"evtchn_bad_argument_pointer_is_efault",
     "every operation's argument is checked", EC "EVTCHNOP_*",
     T_NOSTORE | T_HOSTILE, bad_argument_pointer, 0, 0, 0},
    {"evtchn_pair_talks_both_ways",
     "events cross between domains; a close unbinds the other end",
     EC "EVTCHNOP_bind_interdomain", T_NOSTORE, pair_subject, pair_peer, 0,
     0},
    {"evtchn_bind_by_another_domain_is_einval",
     "an unbound port is for the domain it names",
     EC "EVTCHNOP_bind_interdomain", T_NOSTORE | T_HOSTILE,
     not_for_us_subject, not_for_us_peer, 0, 0},
    {"evtchn_peer_death_unbinds_the_port",
     "a dead domain's ends are closed", EC "EVTCHNOP_close",
     T_NOSTORE | T_HOSTILE | T_CRASHES, peer_dies_subject, peer_dies_peer, 0,
     peer_dies_control},
    {"evtchn_toolstack_allocates_for_a_guest",
     "the privileged allocate ports in other domains",
     EC "EVTCHNOP_alloc_unbound", T_NOSTORE | T_CONTROL,
     privileged_alloc_for_other, wait_for_word, 0, 0},
};
T_SUITE(evtchn, cases);
