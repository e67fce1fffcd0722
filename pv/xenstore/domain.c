/*
 * Domains as the daemon knows them.
 *
 *   unknown -> known (named in a node's rights) -> introduced -> shut down?
 *                   |                                  |            |
 *                   `----------- gone -----------------+------------'
 *
 * Invariants:
 *  1. d->conn is NULL exactly when the domain is not introduced.
 *  2. A domain that is gone leaves no connection, watch, transaction, node
 *     or right.
 */
#include "pv/xenstore/xsd.h"

#include <xen/domctl.h>

struct xsd_domain *domain_find(struct xenstored *xsd, domid_t domid)
{
    struct xsd_domain *d = xsd->domains;

    while (d != NULL && d->domid != domid) {
        d = d->next;
    }
    return d;
}

/* getdomaininfo of exactly this domain. */
static bool ask_hypervisor(struct xenstored *xsd, domid_t domid,
                           uint32_t *flags)
{
    uint64_t at = os_arg(xsd->os);
    struct xen_domctl op;

    memset(&op, 0, sizeof(op));
    op.cmd = XEN_DOMCTL_getdomaininfo;
    op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op.domain = domid;
    os_write(xsd->os, at, &op, sizeof(op));
    if (os_hypercall(xsd->os, __HYPERVISOR_domctl, at, 0, 0, 0, 0) != 0) {
        return false;
    }
    os_read(xsd->os, at, &op, sizeof(op));
    *flags = op.u.getdomaininfo.flags;
    return op.u.getdomaininfo.domain == domid; /* else: the next one up */
}

static struct xsd_domain *add(struct xenstored *xsd, domid_t domid)
{
    struct xsd_domain *d = os_malloc(xsd->os, sizeof(*d)), **pp;

    if (d != NULL) {
        d->domid = domid;
        for (pp = &xsd->domains; *pp != NULL; pp = &(*pp)->next) {
        }
        *pp = d;
    }
    return d;
}

struct xsd_domain *domain_know(struct xenstored *xsd, domid_t domid)
{
    struct xsd_domain *d = domain_find(xsd, domid);
    uint32_t flags;

    if (d == NULL && (domid == os_domid(xsd->os) ||
                      ask_hypervisor(xsd, domid, &flags))) {
        d = add(xsd, domid);
    }
    return d;
}

void domain_count(struct xenstored *xsd, domid_t owner, int by)
{
    struct xsd_domain *d = domain_find(xsd, owner);

    if (d != NULL) {
        d->entries += (unsigned)by;
    }
}

static int connect(struct xenstored *xsd, struct xsd_domain *d, uint64_t gfn,
                   evtchn_port_t port)
{
    struct xsd_conn *c = conn_create(xsd, d->domid);
    struct os *os = xsd->os;
    int rc;

    if (c == NULL) {
        return -XEN_ENOMEM;
    }
    rc = conn_map_ring(c, gfn);
    if (rc == 0) {
        rc = os_evtchn_bind_interdomain(os, d->domid, port, &c->port);
    }
    if (rc == 0) {
        rc = os_event_handler(os, c->port, conn_port_event, c);
    }
    if (rc != 0) {
        conn_destroy(c);
        return rc;
    }
    d->conn = c;
    d->introduced = true;
    conn_attach(c);
    return 0;
}

static int reconnect(struct xsd_domain *d, evtchn_port_t port)
{
    struct xsd_conn *c = d->conn;
    struct os *os = c->xsd->os;
    int rc;

    /* XS_INTRODUCE again: a new event channel for the same ring. */
    os_event_handler(os, c->port, NULL, NULL);
    os_evtchn_close(os, c->port);
    c->port = 0;
    rc = os_evtchn_bind_interdomain(os, d->domid, port, &c->port);
    if (rc == 0) {
        rc = os_event_handler(os, c->port, conn_port_event, c);
    }
    if (rc == 0) {
        conn_reset(c);
    }
    return rc;
}

int domain_introduce(struct xenstored *xsd, domid_t domid, uint64_t gfn,
                     evtchn_port_t port)
{
    struct xsd_domain *d;
    int rc;

    if (domid == os_domid(xsd->os)) {
        return -XEN_EINVAL; /* its connections are xenstored_local()'s */
    }
    d = domain_know(xsd, domid);
    if (d == NULL) {
        return -XEN_ENOENT;
    }
    if (d->introduced) {
        return reconnect(d, port);
    }
    rc = connect(xsd, d, gfn, port);
    if (rc == 0) {
        d->shutdown = false;
        watch_fire_special(xsd, XSD_SPECIAL_INTRODUCE);
    }
    return rc;
}

/* The domain's traces go; @releaseDomain is the caller's. */
static void forget(struct xenstored *xsd, struct xsd_domain *d)
{
    struct xsd_domain **pp = &xsd->domains;

    if (d->conn != NULL) {
        conn_destroy(d->conn);
        d->conn = NULL;
    }
    store_forget_domain(xsd, d->domid);
    while (*pp != d) {
        pp = &(*pp)->next;
    }
    *pp = d->next;
    os_free(xsd->os, d);
}

int domain_release(struct xenstored *xsd, struct xsd_domain *d)
{
    forget(xsd, d);
    watch_fire_special(xsd, XSD_SPECIAL_RELEASE);
    return 0;
}

/* VIRQ_DOM_EXC: someone has died or shut down. */
void domain_exc_event(struct os *os, void *ctx, evtchn_port_t port)
{
    struct xenstored *xsd = ctx;
    struct xsd_domain *d = xsd->domains, *next;
    bool notify = false;

    (void)port;
    for (; d != NULL; d = next) {
        uint32_t flags = 0;
        bool alive;

        next = d->next;
        if (d->domid == os_domid(os)) {
            continue;
        }
        alive = ask_hypervisor(xsd, d->domid, &flags);
        if (alive && (flags & XEN_DOMINF_shutdown) && d->introduced &&
            !d->shutdown) {
            d->shutdown = true;
            notify = true;
        }
        if (!alive || (flags & XEN_DOMINF_dying)) {
            notify = notify || d->introduced;
            forget(xsd, d);
        }
    }
    if (notify) {
        watch_fire_special(xsd, XSD_SPECIAL_RELEASE);
    }
}

void domain_forget_all(struct xenstored *xsd)
{
    while (xsd->domains != NULL) {
        struct xsd_domain *d = xsd->domains;

        xsd->domains = d->next;
        os_free(xsd->os, d);
    }
}
