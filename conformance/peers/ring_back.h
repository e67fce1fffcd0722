/*
 * A raw blkif backend, the counterpart of ring_front.h: it connects as
 * io/blkif.h has it and then answers requests, or what was never asked, as a
 * case wants. It touches no request's data: a case maps what it needs.
 *
 *   raw_back_init -> raw_back_connect -> take, respond -> raw_back_close
 */
#ifndef CONFORMANCE_PEERS_RING_BACK_H
#define CONFORMANCE_PEERS_RING_BACK_H

#include <stdint.h>

#include <xen/io/blkif.h>
#include <xen/io/xenbus.h>

#include "conformance/harness.h"

#define RAW_BACK_WAIT_NS 300000000ULL

struct raw_back {
    struct t *t;
    char dir[64], front[96];
    domid_t frontend;
    struct os_grant_map map; /* the ring */
    uint64_t page;
    evtchn_port_t port;
    uint32_t rsp_prod, req_cons;
};

/* Advertises `sectors` (text, as is; NULL: no such node), a cache flush, a
 * sector size, and InitWait. The toolstack's nodes are there already. */
void raw_back_init(struct raw_back *b, struct t *t, domid_t frontend,
                   unsigned vdev, const char *sectors,
                   const char *sector_size);
/* Waits for Initialised, maps ring and port, Connected, waits for that. */
void raw_back_connect(struct raw_back *b);
void raw_back_state(struct raw_back *b, enum xenbus_state s);
unsigned raw_back_front_state(struct raw_back *b);
/* Waits until the frontend's state is one of the mask's. */
bool raw_back_wait(struct raw_back *b, unsigned mask);
/* The next request; false when none came in time. */
bool raw_back_take(struct raw_back *b, struct blkif_request *req);
/* Into the next slot; published with raw_back_push(). */
void raw_back_put(struct raw_back *b, uint64_t id, uint8_t op,
                  int16_t status);
void raw_back_push(struct raw_back *b);
/* Unmaps the ring, closes the port; the state is the case's. */
void raw_back_detach(struct raw_back *b);

#endif
