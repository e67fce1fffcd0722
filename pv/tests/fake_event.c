/*
 * The fake machine's event channels and its scheduler: os_wait().
 *
 * Invariants:
 *  1. A handler is not entered while it runs; a port that becomes pending
 *     meanwhile stays so.
 *  2. An interdomain port's peer names it back.
 */
#include "pv/tests/fake_impl.h"

#include <string.h>

static int port_take(struct os *os, struct fake_port **p)
{
    for (unsigned i = 1; i < FAKE_PORTS; i++) {
        if (os->port[i].state == FAKE_FREE) {
            memset(&os->port[i], 0, sizeof(os->port[i]));
            *p = &os->port[i];
            return (int)i;
        }
    }
    return -XEN_ENOSPC;
}

int os_evtchn_alloc_unbound(struct os *os, domid_t remote,
                            evtchn_port_t *port)
{
    struct fake_port *p;
    int n = port_take(os, &p);

    if (n < 0) {
        return n;
    }
    p->state = FAKE_UNBOUND;
    p->peer_domid = remote == DOMID_SELF ? os->domid : remote;
    *port = (evtchn_port_t)n;
    return 0;
}

int os_evtchn_bind_interdomain(struct os *os, domid_t remote,
                               evtchn_port_t remote_port,
                               evtchn_port_t *port)
{
    struct os *peer =
        remote == DOMID_SELF ? os : fake_find(os->fake, remote);
    struct fake_port *p, *rp;
    int n;

    if (peer == NULL) {
        return -XEN_ESRCH;
    }
    if (remote_port == 0 || remote_port >= FAKE_PORTS ||
        peer->port[remote_port].state != FAKE_UNBOUND ||
        peer->port[remote_port].peer_domid != os->domid) {
        return -XEN_EINVAL;
    }
    n = port_take(os, &p);
    if (n < 0) {
        return n;
    }
    rp = &peer->port[remote_port];
    rp->state = FAKE_INTERDOMAIN;
    rp->peer = os;
    rp->peer_port = (evtchn_port_t)n;
    p->state = FAKE_INTERDOMAIN;
    p->peer = peer;
    p->peer_port = remote_port;
    p->pending = true; /* event_channel.h: a new binding pends once */
    *port = (evtchn_port_t)n;
    return 0;
}

int os_evtchn_bind_virq(struct os *os, unsigned virq, evtchn_port_t *port)
{
    struct fake_port *p;
    int n = port_take(os, &p);

    if (n < 0) {
        return n;
    }
    p->state = FAKE_VIRQ;
    p->virq = virq;
    *port = (evtchn_port_t)n;
    return 0;
}

int os_evtchn_bind_pirq(struct os *os, unsigned pirq, evtchn_port_t *port)
{
    (void)os;
    (void)pirq;
    (void)port;
    return -XEN_ENOSYS;
}

void fake_port_close(struct os *os, evtchn_port_t port)
{
    struct fake_port *p = &os->port[port];

    if (p->state == FAKE_INTERDOMAIN) {
        struct fake_port *rp = &p->peer->port[p->peer_port];

        rp->state = FAKE_UNBOUND;
        rp->peer_domid = os->domid;
    }
    p->state = FAKE_FREE;
    p->pending = false;
    p->fn = NULL;
}

int os_evtchn_close(struct os *os, evtchn_port_t port)
{
    if (port >= FAKE_PORTS || os->port[port].state == FAKE_FREE) {
        return -XEN_EINVAL;
    }
    fake_port_close(os, port);
    return 0;
}

int os_evtchn_send(struct os *os, evtchn_port_t port)
{
    struct fake_port *p = &os->port[port];

    if (port >= FAKE_PORTS || p->state == FAKE_FREE ||
        p->state == FAKE_VIRQ) {
        return -XEN_EINVAL;
    }
    if (p->state == FAKE_INTERDOMAIN) {
        p->peer->port[p->peer_port].pending = true;
    }
    return 0; /* an unbound port: dropped without a word */
}

int os_event_handler(struct os *os, evtchn_port_t port, os_event_fn *fn,
                     void *ctx)
{
    if (port >= FAKE_PORTS) {
        return -XEN_ENOSPC;
    }
    os->port[port].fn = fn;
    os->port[port].ctx = ctx;
    return 0;
}

int os_poll_register(struct os *os, os_poll_fn *fn, void *ctx)
{
    for (unsigned i = 0; i < FAKE_POLLS; i++) {
        if (os->poll[i].fn == NULL) {
            os->poll[i].fn = fn;
            os->poll[i].ctx = ctx;
            return 0;
        }
    }
    return -XEN_ENOSPC;
}

void os_poll_unregister(struct os *os, os_poll_fn *fn, void *ctx)
{
    for (unsigned i = 0; i < FAKE_POLLS; i++) {
        if (os->poll[i].fn == fn && os->poll[i].ctx == ctx) {
            os->poll[i].fn = NULL;
        }
    }
}

void fake_raise_virq(struct fake *f, domid_t domid, unsigned virq)
{
    struct os *os = fake_find(f, domid);

    for (unsigned i = 0; os != NULL && i < FAKE_PORTS; i++) {
        if (os->port[i].state == FAKE_VIRQ && os->port[i].virq == virq) {
            os->port[i].pending = true;
        }
    }
}

unsigned fake_round(struct os *os)
{
    unsigned ran = fake_disks_run(os->fake, os);

    for (unsigned i = 1; i < FAKE_PORTS; i++) {
        struct fake_port *p = &os->port[i];

        if (p->pending && p->fn != NULL && !p->running) {
            p->pending = false;
            p->running = true;
            p->fn(os, p->ctx, i);
            p->running = false;
            ran++;
        }
    }
    for (unsigned i = 0; i < FAKE_POLLS; i++) {
        if (os->poll[i].fn != NULL) {
            os->poll[i].fn(os, os->poll[i].ctx);
        }
    }
    return ran;
}

static unsigned run_others(struct fake *f, struct os *os)
{
    unsigned ran = 0;

    for (unsigned i = 0; i < FAKE_MAX_DOMAINS; i++) {
        if (f->dom[i] != NULL && f->dom[i] != os) {
            ran += fake_round(f->dom[i]);
        }
    }
    return ran;
}

unsigned fake_run(struct fake *f)
{
    unsigned ran, total = 0;

    do {
        uint64_t due = fake_disks_next(f);

        ran = run_others(f, NULL);
        total += ran;
        if (ran == 0 && due != ~0ULL) {
            f->now_ns = due > f->now_ns ? due : f->now_ns;
            ran = 1;
        }
    } while (ran > 0);
    return total;
}

unsigned os_wait(struct os *os, uint64_t timeout_ns)
{
    struct fake *f = os->fake;
    uint64_t deadline = timeout_ns > OS_FOREVER - f->now_ns
                            ? OS_FOREVER
                            : f->now_ns + timeout_ns;

    f->now_ns += 1000; /* a waiting loop makes time pass */
    for (;;) {
        unsigned ran = fake_round(os);
        uint64_t due;

        if (ran > 0) {
            return ran;
        }
        if (run_others(f, os) > 0 && timeout_ns != 0) {
            continue;
        }
        if (timeout_ns == 0 || f->now_ns >= deadline) {
            return fake_round(os);
        }
        due = fake_disks_next(f);
        if (due == OS_FOREVER && deadline == OS_FOREVER) {
            fake_abort("every guest waits for ever");
        }
        due = due < deadline ? due : deadline;
        f->now_ns = due > f->now_ns ? due : f->now_ns;
    }
}
