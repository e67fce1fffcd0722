/*
 * Shared rings over guest memory accessors: io/ring.h's macros as functions,
 * with the shared page never trusted for our own half.
 *
 * Invariants: as numbered in ring.h; and
 *  4. req_prod_pub and rsp_prod_pub are the last values we stored in the
 *     page, so that a peer that overwrites them can't change whom we notify.
 */
#include "pv/ring.h"

#include <xen/io/ring.h>

#include "pv/lib.h"

/* Only the header's layout is wanted; the slots are the caller's. */
DEFINE_RING_TYPES(pv_ring, uint64_t, uint64_t);

#define OFF_REQ_PROD offsetof(struct pv_ring_sring, req_prod)
#define OFF_REQ_EVENT offsetof(struct pv_ring_sring, req_event)
#define OFF_RSP_PROD offsetof(struct pv_ring_sring, rsp_prod)
#define OFF_RSP_EVENT offsetof(struct pv_ring_sring, rsp_event)
#define OFF_SLOTS offsetof(struct pv_ring_sring, ring)

_Static_assert(OFF_SLOTS == 64, "io/ring.h: header of 64 bytes");

unsigned ring_size(unsigned slot_bytes)
{
    unsigned n = (OS_PAGE_SIZE - OFF_SLOTS) / slot_bytes;

    while ((n & (n - 1)) != 0) {
        n &= n - 1; /* io/ring.h: __CONST_RING_SIZE rounds down */
    }
    return n;
}

static uint64_t slot(uint64_t page, unsigned size, unsigned slot_bytes,
                     uint32_t idx)
{
    return page + OFF_SLOTS + (uint64_t)(idx & (size - 1)) * slot_bytes;
}

/* -- Frontend -------------------------------------------------------------- */

void ring_front_init(struct ring_front *r, struct os *os, uint64_t page,
                     unsigned slot_bytes)
{
    char zero[OFF_SLOTS];

    memset(r, 0, sizeof(*r));
    r->os = os;
    r->page = page;
    r->slot_bytes = slot_bytes;
    r->size = ring_size(slot_bytes);
    /* io/ring.h: SHARED_RING_INIT */
    memset(zero, 0, sizeof(zero));
    os_write(os, page, zero, sizeof(zero));
    os_store32(os, page + OFF_REQ_EVENT, 1);
    os_store32(os, page + OFF_RSP_EVENT, 1);
}

bool ring_front_full(const struct ring_front *r)
{
    return r->req_prod_pvt - r->rsp_cons == r->size;
}

void ring_front_put(struct ring_front *r, const void *req)
{
    os_write(r->os, slot(r->page, r->size, r->slot_bytes, r->req_prod_pvt),
             req, r->slot_bytes);
    r->req_prod_pvt++;
}

bool ring_front_push(struct ring_front *r)
{
    uint32_t old = r->req_prod_pub, new = r->req_prod_pvt, event;

    os_store32(r->os, r->page + OFF_REQ_PROD, new);
    r->req_prod_pub = new;
    os_mb(r->os); /* the index before the look at the event */
    event = os_load32(r->os, r->page + OFF_REQ_EVENT);
    /* io/ring.h: RING_PUSH_REQUESTS_AND_CHECK_NOTIFY */
    return new - event < new - old;
}

int ring_front_pending(struct ring_front *r)
{
    uint32_t n = os_load32(r->os, r->page + OFF_RSP_PROD) - r->rsp_cons;

    /* No more responses than requests published (ring_overflow). */
    if (n > r->req_prod_pub - r->rsp_cons) {
        return -XEN_EBADMSG;
    }
    return (int)n;
}

void ring_front_get(struct ring_front *r, void *rsp)
{
    os_read(r->os, slot(r->page, r->size, r->slot_bytes, r->rsp_cons), rsp,
            r->slot_bytes);
    r->rsp_cons++;
}

bool ring_front_final_check(struct ring_front *r)
{
    /* io/ring.h: RING_FINAL_CHECK_FOR_RESPONSES; an impossible index counts
     * as work, for the caller meets it in ring_front_pending(). */
    if (ring_front_pending(r) != 0) {
        return true;
    }
    os_store32(r->os, r->page + OFF_RSP_EVENT, r->rsp_cons + 1);
    os_mb(r->os);
    return ring_front_pending(r) != 0;
}

/* -- Backend --------------------------------------------------------------- */

void ring_back_attach(struct ring_back *r, struct os *os, uint64_t page,
                      unsigned slot_bytes)
{
    memset(r, 0, sizeof(*r));
    r->os = os;
    r->page = page;
    r->slot_bytes = slot_bytes;
    r->size = ring_size(slot_bytes);
}

int ring_back_pending(struct ring_back *r)
{
    uint32_t prod = os_load32(r->os, r->page + OFF_REQ_PROD);

    /* io/ring.h: RING_REQUEST_PROD_OVERFLOW */
    if (prod - r->rsp_prod_pvt > r->size ||
        prod - r->req_cons > r->size - (r->req_cons - r->rsp_prod_pvt)) {
        return -XEN_EBADMSG;
    }
    return (int)(prod - r->req_cons);
}

void ring_back_get(struct ring_back *r, void *req)
{
    os_read(r->os, slot(r->page, r->size, r->slot_bytes, r->req_cons), req,
            r->slot_bytes);
    r->req_cons++;
}

void ring_back_put(struct ring_back *r, const void *rsp)
{
    os_write(r->os, slot(r->page, r->size, r->slot_bytes, r->rsp_prod_pvt),
             rsp, r->slot_bytes);
    r->rsp_prod_pvt++;
}

bool ring_back_push(struct ring_back *r)
{
    uint32_t old = r->rsp_prod_pub, new = r->rsp_prod_pvt, event;

    os_store32(r->os, r->page + OFF_RSP_PROD, new);
    r->rsp_prod_pub = new;
    os_mb(r->os);
    event = os_load32(r->os, r->page + OFF_RSP_EVENT);
    /* io/ring.h: RING_PUSH_RESPONSES_AND_CHECK_NOTIFY */
    return new - event < new - old;
}

bool ring_back_final_check(struct ring_back *r)
{
    if (ring_back_pending(r) != 0) {
        return true;
    }
    os_store32(r->os, r->page + OFF_REQ_EVENT, r->req_cons + 1);
    os_mb(r->os);
    return ring_back_pending(r) != 0;
}
