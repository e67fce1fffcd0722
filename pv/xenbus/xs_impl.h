/* Inside the xenstore client: the connection and what waits on it. */
#ifndef PV_XENBUS_XS_IMPL_H
#define PV_XENBUS_XS_IMPL_H

#include <stdint.h> /* xs_wire.h takes it for granted */

#include <xen/io/xs_wire.h>

#include "pv/xenbus/xs.h"

/* A message on its way out. */
struct xs_out {
    struct xs_out *next;
    size_t len, sent;
    char bytes[]; /* header and payload */
};

/* A request that waits for its reply. */
struct xs_pending {
    struct xs_pending *next;
    uint32_t req_id;
    bool done;
    uint32_t type;
    char *payload; /* NUL added */
    size_t len;
};

struct xs_event {
    struct xs_event *next;
    char *payload; /* path NUL token NUL */
    size_t len;
};

struct xs_watch {
    struct xs_watch *next;
    char *path;
    char token[24];
    xs_watch_fn *fn;
    void *ctx;
    bool running; /* its function is on the stack */
    bool gone;    /* unwatched meanwhile: freed when it returns */
};

struct xs {
    struct os *os;
    uint64_t ring;
    evtchn_port_t port;
    bool dead;
    uint32_t next_req_id;
    uint64_t next_token;
    struct xs_out *out_head, *out_tail;
    struct xs_pending *pending;
    struct xs_event *ev_head, *ev_tail;
    unsigned events; /* queued, at most XS_EVENTS_MAX */
    struct xs_watch *watches;
    /* the message coming in */
    struct xsd_sockmsg hdr;
    size_t hdr_got, got;
    char *payload;
};

#define XS_EVENTS_MAX 4096

/* xs_ring.c: moves bytes both ways; true if it notified or took any. */
bool xs_pump(struct xs *xs);
int xs_enqueue(struct xs *xs, const struct xsd_sockmsg *hdr,
               const void *payload);
void xs_ring_drop(struct xs *xs); /* all that is queued in either direction */
/* xs_watch.c */
void xs_dispatch_events(struct os *os, void *ctx);
void xs_event_arrived(struct xs *xs, char *payload, size_t len);
void xs_watches_drop(struct xs *xs);

#endif
