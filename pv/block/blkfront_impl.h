/*
 * What blkfront's files share: blkfront.c (life and handshake), blkfront_io.c
 * (the ring), blkfront_sync.c (calls that wait).
 */
#ifndef PV_BLOCK_BLKFRONT_IMPL_H
#define PV_BLOCK_BLKFRONT_IMPL_H

#include "pv/block/blkfront.h"

#include <xen/io/blkif.h>

#include "pv/ring.h"

#define BLKFRONT_SLOTS 32u
#define BLKFRONT_SEGS BLKIF_MAX_SEGMENTS_PER_REQUEST
#define BLKFRONT_SECTOR 512u
#define BLKFRONT_PAGE_SECTORS 8u
#define BLKFRONT_MAX_SECTORS (BLKFRONT_SEGS * BLKFRONT_PAGE_SECTORS)

_Static_assert(sizeof(((struct blkfront_req *)0)->refs) ==
                   BLKFRONT_SEGS * sizeof(grant_ref_t),
               "one reference a segment");

struct blkfront {
    struct xs *xs;
    struct os *os;
    struct xenbus_device dev;
    unsigned vdev;

    uint64_t ring_page;
    grant_ref_t ring_ref;
    bool ring_granted;
    evtchn_port_t port;
    struct ring_front ring;

    bool connected;
    bool going_down; /* blkfront_shutdown() runs or has run */
    uint64_t sectors;
    unsigned sector_size;
    bool readonly, has_flush;

    struct blkfront_req *slot[BLKFRONT_SLOTS]; /* by id: on the ring */
    unsigned on_ring;
    struct blkfront_req *head, *tail; /* waiting for room */
    unsigned queued;
};

/* blkfront.c */
/* Closing, Closed; what is outstanding fails. */
void blkfront_shutdown(struct blkfront *bf);
/* The backend broke a rule: error node, then the same. */
void blkfront_break(struct blkfront *bf, const char *what);

/* blkfront_io.c */
void blkfront_ring_work(struct blkfront *bf);
void blkfront_fail_queued(struct blkfront *bf);
void blkfront_fail_all(struct blkfront *bf);

#endif
