/*
 * Shared rings (io/ring.h) over os.h's accessors: free-running 32-bit
 * indices, one page: a 64-byte header, then 2^n slots.
 *
 * Invariants:
 *  1. Our own producer and consumer indices are kept privately; what lies in
 *     the shared page is only ever the other side's word for its own.
 *  2. An index read from the page is checked before use: more than `size`
 *     ahead of ours is the other side's error (ring_overflow).
 *  3. A slot is copied out once, before anything in it is looked at.
 */
#ifndef PV_RING_H
#define PV_RING_H

#include "pv/os.h"

struct ring_front {
    struct os *os;
    uint64_t page;
    unsigned size, slot_bytes;
    uint32_t req_prod_pvt, rsp_cons;
    uint32_t req_prod_pub; /* what was published last */
};

struct ring_back {
    struct os *os;
    uint64_t page;
    unsigned size, slot_bytes;
    uint32_t rsp_prod_pvt, req_cons;
    uint32_t rsp_prod_pub; /* what was published last */
};

/* Slots that fit one page: the largest power of two, as __CONST_RING_SIZE. */
unsigned ring_size(unsigned slot_bytes);

/* Frontend: initialises the page (indices 0, events 1). */
void ring_front_init(struct ring_front *r, struct os *os, uint64_t page,
                     unsigned slot_bytes);
bool ring_front_full(const struct ring_front *r);
void ring_front_put(struct ring_front *r, const void *req); /* not full */
/* Publishes; true: notify the other side. */
bool ring_front_push(struct ring_front *r);
/* >0: responses waiting; 0: none; -XEN_EBADMSG: rsp_prod is impossible. */
int ring_front_pending(struct ring_front *r);
void ring_front_get(struct ring_front *r, void *rsp);
/* Asks for an event at the next response; true: some came meanwhile. */
bool ring_front_final_check(struct ring_front *r);

/* Backend: attaches to what the frontend made. */
void ring_back_attach(struct ring_back *r, struct os *os, uint64_t page,
                      unsigned slot_bytes);
int ring_back_pending(struct ring_back *r); /* as above, for req_prod */
void ring_back_get(struct ring_back *r, void *req);
void ring_back_put(struct ring_back *r, const void *rsp);
bool ring_back_push(struct ring_back *r);
bool ring_back_final_check(struct ring_back *r);

#endif
