/*
 * Block frontend: the ring.
 *
 *   submit -> queued -> on the ring (id = slot, pages granted)
 *          -> response -> grants ended -> done()
 *
 * Invariants:
 *  1. slot[id] is set exactly while request id is on the ring; a response
 *     that names another id, or another operation, is the backend's error.
 *  2. done() is called once for each request that submit accepted, with the
 *     request already off every list; it may submit again.
 *  3. nr_refs in a finished request counts grants the backend still holds:
 *     0 but for a backend that went away with pages mapped. Such a page must
 *     not be used for anything else.
 */
#include "pv/block/blkfront_impl.h"

#include "pv/lib.h"

union blkfront_slot {
    struct blkif_request req;
    struct blkif_response rsp;
};
_Static_assert(sizeof(union blkfront_slot) == sizeof(struct blkif_request),
               "io/ring.h: a slot is the larger of the two");

static void front_end_grants(struct blkfront *bf, struct blkfront_req *req)
{
    unsigned left = 0;

    for (unsigned i = 0; i < req->nr_refs; i++) {
        if (os_grant_end(bf->os, req->refs[i]) != 0) {
            req->refs[left++] = req->refs[i];
        }
    }
    req->nr_refs = left;
}

static void front_complete(struct blkfront *bf, struct blkfront_req *req,
                           int status)
{
    front_end_grants(bf, req);
    req->live = false;
    req->next = NULL;
    req->done(bf->os, req, status);
}

static void front_enqueue(struct blkfront *bf, struct blkfront_req *req)
{
    req->next = NULL;
    if (bf->tail) {
        bf->tail->next = req;
    } else {
        bf->head = req;
    }
    bf->tail = req;
    bf->queued++;
}

static struct blkfront_req *front_dequeue(struct blkfront *bf)
{
    struct blkfront_req *req = bf->head;

    bf->head = req->next;
    if (!bf->head) {
        bf->tail = NULL;
    }
    bf->queued--;
    return req;
}

static unsigned front_nr_segs(const struct blkfront_req *req)
{
    unsigned first = (unsigned)(req->addr & (OS_PAGE_SIZE - 1)) /
                     BLKFRONT_SECTOR;

    return (first + req->count + BLKFRONT_PAGE_SECTORS - 1) /
           BLKFRONT_PAGE_SECTORS;
}

/* Grants the pages and describes them. */
static int front_fill(struct blkfront *bf, struct blkfront_req *req,
                      struct blkif_request *out)
{
    unsigned left = req->op == OS_DISK_FLUSH ? 0 : req->count;
    uint64_t addr = req->addr;

    req->nr_refs = 0;
    while (left) {
        unsigned first = (unsigned)(addr & (OS_PAGE_SIZE - 1)) /
                         BLKFRONT_SECTOR;
        unsigned n = BLKFRONT_PAGE_SECTORS - first;
        struct blkif_request_segment *s = &out->seg[req->nr_refs];
        int rc;

        n = n < left ? n : left;
        rc = os_grant_access(bf->os, bf->dev.other_domid,
                             os_gfn(bf->os, addr & ~(OS_PAGE_SIZE - 1ULL)),
                             req->op == OS_DISK_WRITE,
                             &req->refs[req->nr_refs]);
        if (rc) {
            front_end_grants(bf, req);
            return rc;
        }
        s->gref = req->refs[req->nr_refs++];
        s->first_sect = (uint8_t)first;
        s->last_sect = (uint8_t)(first + n - 1);
        addr += (uint64_t)n * BLKFRONT_SECTOR;
        left -= n;
    }
    return 0;
}

static uint8_t front_wire_op(enum os_disk_op op)
{
    switch (op) {
    case OS_DISK_READ:
        return BLKIF_OP_READ;
    case OS_DISK_WRITE:
        return BLKIF_OP_WRITE;
    default:
        return BLKIF_OP_FLUSH_DISKCACHE;
    }
}

static unsigned front_free_slot(const struct blkfront *bf)
{
    unsigned id = 0;

    while (id < bf->ring.size && bf->slot[id]) {
        id++;
    }
    return id;
}

static int front_put(struct blkfront *bf, struct blkfront_req *req)
{
    union blkfront_slot slot;
    unsigned id = front_free_slot(bf);
    int rc;

    memset(&slot, 0, sizeof(slot)); /* padding goes to the backend */
    rc = front_fill(bf, req, &slot.req);
    if (rc) {
        return rc;
    }
    req->id = id;
    slot.req.operation = front_wire_op(req->op);
    slot.req.nr_segments = (uint8_t)req->nr_refs;
    slot.req.handle = (blkif_vdev_t)bf->vdev;
    slot.req.id = id;
    slot.req.sector_number = req->op == OS_DISK_FLUSH ? 0 : req->sector;
    bf->slot[id] = req;
    bf->on_ring++;
    ring_front_put(&bf->ring, &slot);
    return 0;
}

/* Moves what waits onto the ring, as far as there is room. */
static void front_pump(struct blkfront *bf)
{
    bool put = false;

    while (bf->connected && bf->head && !ring_front_full(&bf->ring) &&
           bf->on_ring < bf->ring.size) {
        struct blkfront_req *req = bf->head;
        int rc = front_put(bf, req);

        if (rc == -XEN_ENOSPC && bf->on_ring) {
            break; /* grants come back with the next response */
        }
        (void)front_dequeue(bf);
        if (rc) {
            front_complete(bf, req, BLKIF_RSP_ERROR);
        } else {
            put = true;
        }
    }
    if (put && bf->connected && ring_front_push(&bf->ring)) {
        (void)os_evtchn_send(bf->os, bf->port);
    }
}

int blkfront_submit(struct blkfront *bf, struct blkfront_req *req)
{
    if (!bf->connected) {
        return -XEN_EIO;
    }
    if (req->op == OS_DISK_FLUSH) {
        if (!bf->has_flush) {
            return -XEN_EOPNOTSUPP;
        }
    } else {
        if (req->count == 0 || req->count > BLKFRONT_MAX_SECTORS ||
            req->addr % BLKFRONT_SECTOR != 0 ||
            front_nr_segs(req) > BLKFRONT_SEGS ||
            req->sector >= bf->sectors ||
            req->count > bf->sectors - req->sector) {
            return -XEN_EINVAL;
        }
        if (req->op == OS_DISK_WRITE && bf->readonly) {
            return -XEN_EROFS;
        }
    }
    req->live = true;
    req->nr_refs = 0;
    front_enqueue(bf, req);
    front_pump(bf);
    return 0;
}

/* One response; false: the backend made it up. */
static bool front_take(struct blkfront *bf)
{
    union blkfront_slot slot;
    struct blkfront_req *req;

    ring_front_get(&bf->ring, &slot);
    if (slot.rsp.id >= bf->ring.size || !bf->slot[slot.rsp.id]) {
        return false;
    }
    req = bf->slot[slot.rsp.id];
    if (slot.rsp.operation != front_wire_op(req->op)) {
        return false;
    }
    bf->slot[slot.rsp.id] = NULL;
    bf->on_ring--;
    front_complete(bf, req, slot.rsp.status);
    return true;
}

void blkfront_ring_work(struct blkfront *bf)
{
    const char *broken = NULL;

    while (bf->connected && !broken) {
        int n = ring_front_pending(&bf->ring);

        if (n < 0) {
            broken = "response producer index is impossible";
        } else if (n > 0) {
            if (!front_take(bf)) {
                broken = "response to a request that is not there";
            }
        } else if (!ring_front_final_check(&bf->ring)) {
            break;
        }
    }
    if (broken) {
        blkfront_break(bf, broken);
        return;
    }
    front_pump(bf);
}

void blkfront_fail_queued(struct blkfront *bf)
{
    while (bf->head) {
        front_complete(bf, front_dequeue(bf), BLKIF_RSP_ERROR);
    }
}

void blkfront_fail_all(struct blkfront *bf)
{
    blkfront_fail_queued(bf);
    for (unsigned id = 0; id < BLKFRONT_SLOTS; id++) {
        struct blkfront_req *req = bf->slot[id];

        if (req) {
            bf->slot[id] = NULL;
            bf->on_ring--;
            front_complete(bf, req, BLKIF_RSP_ERROR);
        }
    }
}

unsigned blkfront_outstanding(const struct blkfront *bf)
{
    return bf->on_ring + bf->queued;
}
