/*
 * The daemon's beginning and end, and the connections of its own domain.
 *
 * Invariants:
 *  1. Whatever xenstored_start() and the connections took from the os is
 *     given back by xenstored_stop().
 *  2. The daemon never waits: all it does is done in event handlers.
 */
#include "pv/xenstore/xenstored.h"

#include "pv/xenstore/xsd.h"

static const struct xenstore_quota default_quota = {
    .nodes = 1000,
    .watches = 128,
    .transactions = 10,
    .node_bytes = 2048,
    .perms = 5,
    .requests_outstanding = 20,
};

/* Connections whose turn ended early, or that were sent something. */
static void kick_event(struct os *os, void *ctx, evtchn_port_t port)
{
    struct xenstored *xsd = ctx;

    (void)os;
    (void)port;
    for (struct xsd_conn *c = xsd->conns; c != NULL; c = c->next) {
        if (c->more) {
            conn_run(c);
        }
    }
}

/* Two ports of ours, bound to each other. */
static int loopback(struct os *os, evtchn_port_t *a, evtchn_port_t *b)
{
    int rc = os_evtchn_alloc_unbound(os, os_domid(os), a);

    if (rc == 0) {
        rc = os_evtchn_bind_interdomain(os, os_domid(os), *a, b);
        if (rc != 0) {
            os_evtchn_close(os, *a);
            *a = 0;
        }
    }
    return rc;
}

static int set_up(struct xenstored *xsd)
{
    struct os *os = xsd->os;
    int rc;

    if (domain_know(xsd, os_domid(os)) == NULL) {
        return -XEN_ENOMEM;
    }
    rc = store_init(xsd);
    if (rc == 0) {
        rc = loopback(os, &xsd->kick, &xsd->kick_remote);
    }
    if (rc == 0) {
        rc = os_event_handler(os, xsd->kick, kick_event, xsd);
    }
    if (rc == 0) {
        rc = os_evtchn_bind_virq(os, VIRQ_DOM_EXC, &xsd->dom_exc);
    }
    if (rc == 0) {
        rc = os_event_handler(os, xsd->dom_exc, domain_exc_event, xsd);
    }
    return rc;
}

struct xenstored *xenstored_start(struct os *os,
                                  const struct xenstore_quota *quota)
{
    struct xenstored *xsd = os_malloc(os, sizeof(*xsd));

    if (xsd == NULL) {
        return NULL;
    }
    xsd->os = os;
    xsd->quota = quota != NULL ? *quota : default_quota;
    if (set_up(xsd) != 0) {
        xenstored_stop(xsd);
        return NULL;
    }
    return xsd;
}

static void close_port(struct os *os, evtchn_port_t port)
{
    if (port != 0) {
        os_event_handler(os, port, NULL, NULL);
        os_evtchn_close(os, port);
    }
}

void xenstored_stop(struct xenstored *xsd)
{
    struct os *os = xsd->os;

    while (xsd->conns != NULL) {
        conn_destroy(xsd->conns);
    }
    close_port(os, xsd->dom_exc);
    close_port(os, xsd->kick_remote);
    close_port(os, xsd->kick);
    store_destroy(xsd);
    domain_forget_all(xsd);
    os_free(os, xsd);
}

int xenstored_local(struct xenstored *xsd, uint64_t *ring,
                    evtchn_port_t *port)
{
    struct os *os = xsd->os;
    struct xsd_conn *c = conn_create(xsd, os_domid(os));
    int rc = -XEN_ENOMEM;

    if (c == NULL) {
        return rc;
    }
    c->local = true;
    c->ring = os_pages_alloc(os, 1);
    if (c->ring != 0) {
        rc = loopback(os, &c->port, &c->local_port);
    }
    if (rc == 0) {
        rc = os_event_handler(os, c->port, conn_port_event, c);
    }
    if (rc != 0) {
        conn_destroy(c);
        return rc;
    }
    conn_attach(c);
    *ring = c->ring;
    *port = c->local_port;
    return 0;
}

int xenstored_introduce(struct xenstored *xsd, domid_t domid, uint64_t gfn,
                        evtchn_port_t remote_port)
{
    return domain_introduce(xsd, domid, gfn, remote_port);
}

int xenstored_release(struct xenstored *xsd, domid_t domid)
{
    struct xsd_domain *d = domain_find(xsd, domid);

    if (d == NULL || domid == os_domid(xsd->os)) {
        return -XEN_ENOENT;
    }
    return domain_release(xsd, d);
}

unsigned xenstored_node_count(const struct xenstored *xsd)
{
    return xsd->nr_nodes;
}

unsigned xenstored_connection_count(const struct xenstored *xsd)
{
    unsigned n = 0;

    for (const struct xsd_conn *c = xsd->conns; c != NULL; c = c->next) {
        n++;
    }
    return n;
}
