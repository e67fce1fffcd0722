/*
 * The xenstore daemon, in the control domain: io/xs_wire.h in full. Runs from
 * event handlers of its os; never waits.
 */
#ifndef PV_XENSTORE_XENSTORED_H
#define PV_XENSTORE_XENSTORED_H

#include "pv/os.h"

struct xenstored;

/* Limits an unprivileged domain has (a privileged one has none). */
struct xenstore_quota {
    unsigned nodes;        /* owned, default 1000 */
    unsigned watches;      /* default 128; refused once there are more */
    unsigned transactions; /* open at once, default 10; likewise */
    unsigned node_bytes;   /* a node must stay below it, default 2048 */
    unsigned perms;        /* entries a node, default 5 */
    unsigned requests_outstanding; /* replies and events queued, default 20 */
};

struct xenstored *xenstored_start(struct os *os,
                                  const struct xenstore_quota *quota);
void xenstored_stop(struct xenstored *xsd);

/* A connection for this domain itself: *ring and *port are the client's end
 * (for xs_open). */
int xenstored_local(struct xenstored *xsd, uint64_t *ring,
                    evtchn_port_t *port);

/* What XS_INTRODUCE does, for the builder's direct use: maps the domain's
 * ring (grant GNTTAB_RESERVED_XENSTORE, or the frame by foreign mapping) and
 * binds its port. Fires @introduceDomain. */
int xenstored_introduce(struct xenstored *xsd, domid_t domid, uint64_t gfn,
                        evtchn_port_t remote_port);
/* The domain has gone: connection, watches, transactions and owned quota go;
 * fires @releaseDomain. Also done on VIRQ_DOM_EXC by itself. */
int xenstored_release(struct xenstored *xsd, domid_t domid);

/* Statistics for tests. */
unsigned xenstored_node_count(const struct xenstored *xsd);
unsigned xenstored_connection_count(const struct xenstored *xsd);

#endif
