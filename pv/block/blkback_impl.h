/*
 * What blkback's files share: blkback.c (life and handshake), blkback_io.c
 * (requests), blkback_wire.c (slot layouts).
 */
#ifndef PV_BLOCK_BLKBACK_IMPL_H
#define PV_BLOCK_BLKBACK_IMPL_H

#include "pv/block/blkback.h"

#include <xen/io/blkif.h>

#include "pv/ring.h"

#define BLKBACK_SLOTS 32u /* requests in flight: what one ring page holds */
#define BLKBACK_SEGS BLKIF_MAX_SEGMENTS_PER_REQUEST
#define BLKBACK_SECTOR 512u
#define BLKBACK_PAGE_SECTORS 8u
#define BLKBACK_SLOT_MAX 128u

_Static_assert(sizeof(struct blkif_request) <= BLKBACK_SLOT_MAX, "blkif.h");

/* A request as we keep it, whatever the frontend's layout. */
struct blkback_request {
    uint8_t op, nr_segs;
    uint64_t id, sector;
    unsigned sectors; /* of all segments, once checked */
    struct {
        grant_ref_t gref;
        uint8_t first, last;
    } seg[BLKBACK_SEGS];
};

struct blkback_io {
    struct blkback *bb;
    bool used, failed, flushing;
    unsigned pending; /* disk requests not yet done, and the starter's one */
    struct blkback_request req;
    struct os_grant_map map; /* map mode */
    uint64_t bounce;         /* copy mode: BLKBACK_SEGS pages, kept */
    struct os_disk_req disk[BLKBACK_SEGS];
};

struct blkback {
    struct xs *xs;
    struct os *os;
    struct xenbus_device dev;
    domid_t frontend;
    unsigned vdev;
    struct os_disk *disk;
    enum blkback_mode mode;
    bool readonly;

    bool connected, failed, orphan;
    bool fatal_wanted; /* xenbus_fatal() is still to be called */
    const char *fatal_what;
    bool stepping, step_again;

    bool attached; /* ring mapped, ports bound */
    bool abi32;
    struct os_grant_map ring_map;
    struct ring_back ring;
    evtchn_port_t port;
    evtchn_port_t kick_port, kick_peer; /* loopback: more work for later */

    unsigned in_flight;
    struct blkback_io io[BLKBACK_SLOTS];
    struct blkback_stats stats;
};

/* blkback.c */
/* The frontend broke a rule: the device goes down, with an error node. */
void blkback_fail(struct blkback *bb, const char *what);
/* Moves the handshake on; called whenever something it waits for came. */
void blkback_step(struct blkback *bb);
void blkback_free_orphan(struct blkback *bb);

/* blkback_io.c */
void blkback_ring_work(struct blkback *bb);
void blkback_io_free_all(struct blkback *bb);

/* blkback_wire.c */
unsigned blkback_slot_bytes(bool abi32);
void blkback_decode(bool abi32, const uint8_t *slot,
                    struct blkback_request *out);
/* slot: BLKBACK_SLOT_MAX bytes */
void blkback_encode(bool abi32, uint64_t id, uint8_t op, int16_t status,
                    uint8_t *slot);

#endif
