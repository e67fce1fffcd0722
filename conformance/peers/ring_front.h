/*
 * A raw blkif frontend: it knows io/blkif.h, io/ring.h and io/xenbus.h and
 * nothing of pv/block or pv/xenbus's devices. Well behaved unless a case
 * makes it otherwise: requests, indices and states are the case's to choose.
 *
 *   raw_front_init -> raw_front_share -> raw_front_connect -> put, push, get
 *                  -> raw_front_close
 */
#ifndef CONFORMANCE_PEERS_RING_FRONT_H
#define CONFORMANCE_PEERS_RING_FRONT_H

#include <stdint.h>

#include <xen/io/blkif.h>
#include <xen/io/xenbus.h>

#include "conformance/harness.h"

#define RAW_SLOTS 32u /* of 112 bytes in a page, as io/ring.h rounds */
#define RAW_WAIT_NS 300000000ULL /* a device that does not answer in it won't */
#define RAW_STATE(s) (1u << XenbusState##s)

struct raw_front {
    struct t *t;
    char dir[64], back[96];
    domid_t backend;
    uint64_t page; /* the ring's */
    grant_ref_t ring_ref;
    evtchn_port_t port;
    uint32_t req_prod, rsp_cons;
    uint64_t events; /* notifications that came */
};

#define RAW_FIELD(f, field)                                                   \
    ((f)->page + offsetof(struct blkif_sring, field))
#define RAW_SLOT(f, idx)                                                      \
    (RAW_FIELD(f, ring) +                                                     \
     (uint64_t)((idx) % RAW_SLOTS) * sizeof(union blkif_sring_entry))

/* Finds the backend; our state becomes Initialising, the backend's InitWait
 * is waited for. */
void raw_front_init(struct raw_front *f, struct t *t, unsigned vdev);
/* Allocates and grants the ring, makes the port. */
void raw_front_share(struct raw_front *f);
/* Writes the nodes as text (NULL: leaves it out) and state Initialised. */
void raw_front_publish(struct raw_front *f, const char *ref,
                       const char *port, const char *protocol);
/* All of it, up to Connected on both sides. */
void raw_front_connect(struct raw_front *f, struct t *t, unsigned vdev);
void raw_front_state(struct raw_front *f, enum xenbus_state s);
/* Waits until the backend's state is one of the mask's RAW_STATE()s. */
bool raw_front_wait(struct raw_front *f, unsigned mask);
unsigned raw_front_backend_state(struct raw_front *f);
/* Is there a node of that name in the backend's directory? */
bool raw_front_backend_has(struct raw_front *f, const char *node);
/* Closing, Closed, waiting for the backend; ring and port are given back. */
void raw_front_close(struct raw_front *f);

grant_ref_t raw_front_grant(struct raw_front *f, uint64_t page,
                            bool readonly);
/* One segment, sectors first..last of gref's page. */
struct blkif_request raw_front_request(uint8_t op, uint64_t id,
                                       uint64_t sector, grant_ref_t gref,
                                       uint8_t first, uint8_t last);
/* Into the next slot; published with raw_front_push() only. */
void raw_front_put(struct raw_front *f, const struct blkif_request *req);
void raw_front_push(struct raw_front *f);
/* The next response; false when none came within ns. */
bool raw_front_get(struct raw_front *f, struct blkif_response *rsp,
                   uint64_t ns);
/* put, push, get: the status; id and operation must be the request's. */
int16_t raw_front_do(struct raw_front *f, const struct blkif_request *req);

#endif
