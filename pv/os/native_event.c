/*
 * Event channels of native guests, without interrupts: a port with a handler
 * is unmasked, so that the hypervisor marks it in evtchn_pending_sel as for
 * any guest, but the vCPU never takes the upcall. It looks at the pending
 * words itself, and sleeps in SCHEDOP_poll.
 *
 * No wake-up is lost: SCHEDOP_poll returns at once when a port it is given
 * pends (sched.h), so an event between the last look and the call ends the
 * sleep before it begins.
 *
 * Invariants:
 *  1. os->words has exactly the bits of ports with a handler that isn't
 *     running; a handler is never entered while it runs.
 *  2. A port's pending bit is cleared before its handler is called, never
 *     after: an event in between is seen in the next round.
 *  3. Ports of other vCPUs' handlers are left alone.
 */
#include "pv/os/native_impl.h"

#include <xen/sched.h>

#define OFF(field) offsetof(struct shared_info, field)
#define WORD_BITS 64u

static int64_t evtchn_op(struct os *os, unsigned cmd, void *op, size_t len)
{
    return os_call(os, __HYPERVISOR_event_channel_op, cmd, op, len, 0);
}

int os_evtchn_alloc_unbound(struct os *os, domid_t remote,
                            evtchn_port_t *port)
{
    struct evtchn_alloc_unbound op = { .dom = DOMID_SELF,
                                       .remote_dom = remote };
    int64_t rc = evtchn_op(os, EVTCHNOP_alloc_unbound, &op, sizeof(op));

    *port = op.port;
    return (int)rc;
}

int os_evtchn_bind_interdomain(struct os *os, domid_t remote,
                               evtchn_port_t remote_port,
                               evtchn_port_t *port)
{
    struct evtchn_bind_interdomain op = { .remote_dom = remote,
                                          .remote_port = remote_port };
    int64_t rc = evtchn_op(os, EVTCHNOP_bind_interdomain, &op, sizeof(op));

    *port = op.local_port;
    return (int)rc;
}

int os_evtchn_bind_virq(struct os *os, unsigned virq, evtchn_port_t *port)
{
    struct evtchn_bind_virq op = { .virq = virq, .vcpu = os->vcpu };
    int64_t rc = evtchn_op(os, EVTCHNOP_bind_virq, &op, sizeof(op));

    if (rc == -XEN_EINVAL && os->vcpu != 0) {
        op.vcpu = 0; /* a global one is bound to vCPU 0 (event_channel.h) */
        rc = evtchn_op(os, EVTCHNOP_bind_virq, &op, sizeof(op));
    }
    *port = op.port;
    return (int)rc;
}

int os_evtchn_bind_pirq(struct os *os, unsigned pirq, evtchn_port_t *port)
{
    struct evtchn_bind_pirq op = { .pirq = pirq };
    int64_t rc = evtchn_op(os, EVTCHNOP_bind_pirq, &op, sizeof(op));

    *port = op.port;
    return (int)rc;
}

int os_evtchn_close(struct os *os, evtchn_port_t port)
{
    struct evtchn_close op = { .port = port };

    event_forget(os, port);
    return (int)evtchn_op(os, EVTCHNOP_close, &op, sizeof(op));
}

int os_evtchn_send(struct os *os, evtchn_port_t port)
{
    struct evtchn_send op = { .port = port };

    return (int)evtchn_op(os, EVTCHNOP_send, &op, sizeof(op));
}

/* -- Handlers -------------------------------------------------------------- */

static struct handler *find(struct os *os, evtchn_port_t port)
{
    for (unsigned i = 0; i < OS_HANDLERS; i++) {
        if (os->handlers[i].fn != NULL && os->handlers[i].port == port) {
            return &os->handlers[i];
        }
    }
    return NULL;
}

static void set_ready(struct os *os, evtchn_port_t port, bool ready)
{
    uint64_t bit = 1ULL << port % WORD_BITS;

    if (ready) {
        os->words[port / WORD_BITS] |= bit;
    } else {
        os->words[port / WORD_BITS] &= ~bit;
    }
}

void event_forget(struct os *os, evtchn_port_t port)
{
    struct handler *h = find(os, port);

    if (h != NULL) {
        h->fn = NULL;
        set_ready(os, port, false);
    }
}

int os_event_handler(struct os *os, evtchn_port_t port, os_event_fn *fn,
                     void *ctx)
{
    struct evtchn_bind_vcpu bind = { .port = port, .vcpu = os->vcpu };
    struct evtchn_unmask unmask = { .port = port };
    struct handler *h = find(os, port);

    if (port >= EVTCHN_2L_NR_CHANNELS) {
        return -XEN_ENOSPC;
    }
    if (fn == NULL) {
        event_forget(os, port);
        return 0;
    }
    for (unsigned i = 0; h == NULL && i < OS_HANDLERS; i++) {
        if (os->handlers[i].fn == NULL && !os->handlers[i].running) {
            h = &os->handlers[i];
        }
    }
    if (h == NULL) {
        return -XEN_ENOSPC;
    }
    h->port = port;
    h->fn = fn;
    h->ctx = ctx;
    set_ready(os, port, !h->running);
    if (os->vcpu != 0) {
        /* Marks our pending_sel from now on; per-vCPU ports say EINVAL and
         * are ours already. */
        evtchn_op(os, EVTCHNOP_bind_vcpu, &bind, sizeof(bind));
    }
    evtchn_op(os, EVTCHNOP_unmask, &unmask, sizeof(unmask));
    return 0;
}

int os_poll_register(struct os *os, os_poll_fn *fn, void *ctx)
{
    for (unsigned i = 0; i < OS_POLLS; i++) {
        if (os->polls[i].fn == NULL) {
            os->polls[i].fn = fn;
            os->polls[i].ctx = ctx;
            return 0;
        }
    }
    return -XEN_ENOSPC;
}

void os_poll_unregister(struct os *os, os_poll_fn *fn, void *ctx)
{
    for (unsigned i = 0; i < OS_POLLS; i++) {
        if (os->polls[i].fn == fn && os->polls[i].ctx == ctx) {
            os->polls[i].fn = NULL;
        }
    }
}

/* -- Rounds ---------------------------------------------------------------- */

static unsigned run_port(struct os *os, evtchn_port_t port)
{
    struct handler *h = find(os, port);

    /* A handler that ran before this one may have taken it off. */
    if (h == NULL || h->running ||
        !os_test_and_clear_bit(os,
                               os->g->shared_info + OFF(evtchn_pending) +
                                   port / WORD_BITS * 8,
                               port % WORD_BITS)) {
        return 0;
    }
    h->running = true;
    set_ready(os, port, false);
    h->fn(os, h->ctx, port);
    h->running = false;
    /* Still for this port: a slot is not given away while it runs. */
    if (h->fn != NULL) {
        set_ready(os, port, true);
    }
    return 1;
}

/* As an upcall would: flags first, so that what comes later sets them anew
 * (xen.h: evtchn_upcall_pending). */
static void take_upcall(struct os *os)
{
    uint64_t flag =
        os->vcpu_info + offsetof(struct vcpu_info, evtchn_upcall_pending);

    if (os_load8(os, flag) != 0) {
        os_store8(os, flag, 0);
        os_xchg(os,
                os->vcpu_info +
                    offsetof(struct vcpu_info, evtchn_pending_sel),
                8, 0);
    }
}

static uint64_t masked(struct os *os, unsigned word)
{
    return os_load64(os, os->g->shared_info + OFF(evtchn_mask) + word * 8);
}

static unsigned round_of(struct os *os)
{
    unsigned ran = 0;

    take_upcall(os);
    for (unsigned w = 0; w < WORD_BITS; w++) {
        uint64_t bits = os->words[w];

        if (bits == 0) {
            continue;
        }
        bits &= os_load64(os, os->g->shared_info + OFF(evtchn_pending) +
                                  w * 8);
        if (bits != 0) {
            bits &= ~masked(os, w);
        }
        for (; bits != 0; bits &= bits - 1) {
            ran += run_port(os, w * WORD_BITS +
                                    (unsigned)__builtin_ctzll(bits));
        }
    }
    for (unsigned i = 0; i < OS_POLLS; i++) {
        if (os->polls[i].fn != NULL) {
            os->polls[i].fn(os, os->polls[i].ctx);
        }
    }
    return ran;
}

/* Until an unmasked port of ours pends or the time (absolute, 0: no end) has
 * come. The list is built in the scratch page, behind the call's argument. */
static void sleep_until(struct os *os, uint64_t deadline_ns)
{
    evtchn_port_t ports[OS_HANDLERS];
    uint64_t at = os_scratch(os);
    struct sched_poll op;
    unsigned n = 0;

    for (unsigned w = 0; w < WORD_BITS; w++) {
        uint64_t bits = os->words[w];

        if (bits != 0) {
            bits &= ~masked(os, w);
        }
        for (; bits != 0; bits &= bits - 1) {
            ports[n++] =
                w * WORD_BITS + (unsigned)__builtin_ctzll(bits);
        }
    }
    memset(&op, 0, sizeof(op));
    op.ports.p = (void *)(uintptr_t)(at + sizeof(op));
    op.nr_ports = n;
    op.timeout = deadline_ns;
    os_write(os, at, &op, sizeof(op));
    os_write(os, at + sizeof(op), ports, n * sizeof(ports[0]));
    os_hypercall(os, __HYPERVISOR_sched_op, SCHEDOP_poll, at, 0, 0, 0);
}

unsigned os_wait(struct os *os, uint64_t timeout_ns)
{
    unsigned ran = round_of(os);
    uint64_t deadline = 0;

    if (ran > 0 || timeout_ns == 0) {
        return ran;
    }
    if (timeout_ns != OS_FOREVER) {
        deadline = os_now_ns(os) + timeout_ns;
    }
    do {
        sleep_until(os, deadline);
        ran = round_of(os);
    } while (ran == 0 && (deadline == 0 || os_now_ns(os) < deadline));
    return ran;
}
