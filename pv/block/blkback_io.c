/*
 * Block backend: requests.
 *
 *   ring -> decoded copy -> checked -> memory got -> disk -> memory given
 *     \______________________\____________\___________\-> one response
 *
 * Invariants:
 *  1. A request is copied out of the ring once; nothing is decided on what
 *     the frontend can still change (the double fetch of XSA-155).
 *  2. Each request taken gets exactly one response, or none when the device
 *     went down meanwhile; so responses never exceed requests.
 *  3. An io in use has `pending` >= 1; the last one to leave finishes it.
 *  4. Memory of the frontend is mapped, or copied from and to, only between
 *     start and finish of its io; finish leaves no mapping.
 *  5. An event handles at most a ring's worth of requests, then sends itself
 *     another event.
 */
#include "pv/block/blkback_impl.h"
#include "pv/lib.h"

static struct blkback_io *io_find_free(struct blkback *bb)
{
    for (unsigned i = 0; i < BLKBACK_SLOTS; i++) {
        if (!bb->io[i].used) {
            return &bb->io[i];
        }
    }
    return NULL;
}

static void io_respond(struct blkback *bb, const struct blkback_request *req,
                       int16_t status)
{
    uint8_t slot[BLKBACK_SLOT_MAX];

    if (!bb->connected) {
        return;
    }
    blkback_encode(bb->abi32, req->id, req->op, status, slot);
    ring_back_put(&bb->ring, slot);
    bb->stats.responses++;
    if (status != BLKIF_RSP_OKAY) {
        bb->stats.errors++;
    }
}

static void io_push(struct blkback *bb)
{
    if (bb->connected && ring_back_push(&bb->ring)) {
        bb->stats.notifications++;
        /* Fails when the frontend's domain has gone: its end is told by
         * the store. */
        (void)os_evtchn_send(bb->os, bb->port);
    }
}

/* io/blkif.h: BLKIF_OP_*, nr_segments, first_sect, last_sect; BLKIF_RSP_* */
static int16_t io_check(struct blkback *bb, struct blkback_request *req)
{
    uint64_t capacity = os_disk_sectors(bb->disk);

    if (req->op != BLKIF_OP_READ && req->op != BLKIF_OP_WRITE &&
        req->op != BLKIF_OP_FLUSH_DISKCACHE) {
        return BLKIF_RSP_EOPNOTSUPP; /* not advertised, or unknown */
    }
    if (req->nr_segs > BLKBACK_SEGS ||
        (req->nr_segs == 0 && req->op != BLKIF_OP_FLUSH_DISKCACHE)) {
        return BLKIF_RSP_ERROR;
    }
    if (bb->readonly && req->op != BLKIF_OP_READ && req->nr_segs) {
        return BLKIF_RSP_ERROR;
    }
    req->sectors = 0;
    for (unsigned i = 0; i < req->nr_segs; i++) {
        if (req->seg[i].first > req->seg[i].last ||
            req->seg[i].last >= BLKBACK_PAGE_SECTORS) {
            return BLKIF_RSP_ERROR;
        }
        req->sectors += req->seg[i].last - req->seg[i].first + 1u;
    }
    if (req->sectors && (req->sector > capacity ||
                         req->sectors > capacity - req->sector)) {
        return BLKIF_RSP_ERROR;
    }
    return BLKIF_RSP_OKAY;
}

/* Copy mode. grant_table.h: GNTTABOP_copy, between the frontend's pages and
 * the bounce buffer, where the segments lie back to back. */
static bool io_copy(struct blkback_io *io, bool to_frontend)
{
    struct blkback *bb = io->bb;
    struct gnttab_copy ops[2 * BLKBACK_SEGS];
    unsigned n = 0;
    uint64_t at = io->bounce;

    for (unsigned i = 0; i < io->req.nr_segs; i++) {
        unsigned off = io->req.seg[i].first * BLKBACK_SECTOR;
        unsigned left = (io->req.seg[i].last + 1u) * BLKBACK_SECTOR - off;

        while (left) { /* a piece lies in one page of the bounce buffer */
            unsigned boff = at & (OS_PAGE_SIZE - 1);
            unsigned room = OS_PAGE_SIZE - boff;
            unsigned len = left < room ? left : room;
            struct gnttab_copy_ptr *ours, *theirs;

            /* padding too: the bytes go into guest memory, and hashes */
            memset(&ops[n], 0, sizeof(ops[n]));
            ours = to_frontend ? &ops[n].source : &ops[n].dest;
            theirs = to_frontend ? &ops[n].dest : &ops[n].source;
            theirs->u.ref = io->req.seg[i].gref;
            theirs->domid = bb->frontend;
            theirs->offset = (uint16_t)off;
            ours->u.gmfn = os_gfn(bb->os, at - boff);
            ours->domid = DOMID_SELF;
            ours->offset = (uint16_t)boff;
            ops[n].len = (uint16_t)len;
            ops[n].flags = to_frontend ? GNTCOPY_dest_gref :
                                         GNTCOPY_source_gref;
            n++;
            at += len;
            off += len;
            left -= len;
        }
    }
    if (n == 0) {
        return true;
    }
    if (os_grant_copy(bb->os, ops, n) != 0) {
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        if (ops[i].status != GNTST_okay) {
            return false;
        }
    }
    return true;
}

static bool io_get_memory(struct blkback_io *io)
{
    struct blkback *bb = io->bb;
    grant_ref_t refs[BLKBACK_SEGS];

    if (io->req.nr_segs == 0) {
        return true;
    }
    if (bb->mode == BLKBACK_COPY) {
        if (!io->bounce) {
            io->bounce = os_pages_alloc(bb->os, BLKBACK_SEGS);
        }
        return io->bounce &&
               (io->req.op == BLKIF_OP_READ || io_copy(io, false));
    }
    for (unsigned i = 0; i < io->req.nr_segs; i++) {
        refs[i] = io->req.seg[i].gref;
    }
    /* A read of the disk writes the frontend's page. */
    return os_grant_map(bb->os, bb->frontend, refs, io->req.nr_segs,
                        io->req.op != BLKIF_OP_READ, &io->map) == 0;
}

static void io_put_memory(struct blkback_io *io)
{
    if (io->map.addr) {
        os_grant_unmap(io->bb->os, &io->map);
        io->map = (struct os_grant_map){ 0 };
    }
}

static void io_leave(struct blkback_io *io);

static void io_disk_done(struct os *os, struct os_disk_req *dr, int err)
{
    struct blkback_io *io = dr->ctx;

    (void)os;
    if (err) {
        io->failed = true;
    }
    io_leave(io);
}

static void io_submit(struct blkback_io *io, struct os_disk_req *dr,
                      enum os_disk_op op, uint64_t sector, unsigned count,
                      uint64_t addr)
{
    *dr = (struct os_disk_req){ .op = op,
                                .sector = sector,
                                .count = count,
                                .addr = addr,
                                .done = io_disk_done,
                                .ctx = io };
    io->pending++;
    if (os_disk_submit(io->bb->os, io->bb->disk, dr) != 0) {
        io->failed = true;
        io->pending--;
    }
}

/* Where segment i's data lies in our memory. */
static uint64_t io_seg_addr(const struct blkback_io *io, unsigned i,
                            unsigned sectors_before)
{
    if (io->bb->mode == BLKBACK_COPY) {
        return io->bounce + (uint64_t)sectors_before * BLKBACK_SECTOR;
    }
    return io->map.addr + (uint64_t)i * OS_PAGE_SIZE +
           io->req.seg[i].first * BLKBACK_SECTOR;
}

/* Segments that follow each other in memory make one disk request. */
static void io_submit_data(struct blkback_io *io)
{
    enum os_disk_op op =
        io->req.op == BLKIF_OP_READ ? OS_DISK_READ : OS_DISK_WRITE;
    unsigned before = 0, nr = 0;
    uint64_t start = 0, end = 0;
    unsigned start_sectors = 0;

    for (unsigned i = 0; i < io->req.nr_segs; i++) {
        unsigned n = io->req.seg[i].last - io->req.seg[i].first + 1u;
        uint64_t addr = io_seg_addr(io, i, before);

        if (i == 0) {
            start = addr;
        } else if (addr != end) {
            io_submit(io, &io->disk[nr++], op,
                      io->req.sector + start_sectors, before - start_sectors,
                      start);
            start = addr;
            start_sectors = before;
        }
        before += n;
        end = addr + (uint64_t)n * BLKBACK_SECTOR;
    }
    if (before > start_sectors) {
        io_submit(io, &io->disk[nr], op, io->req.sector + start_sectors,
                  before - start_sectors, start);
    }
}

static void io_finish(struct blkback_io *io)
{
    struct blkback *bb = io->bb;

    if (bb->connected && bb->mode == BLKBACK_COPY && !io->failed &&
        io->req.op == BLKIF_OP_READ && !io_copy(io, true)) {
        io->failed = true;
    }
    io_put_memory(io);
    io_respond(bb, &io->req,
               io->failed ? BLKIF_RSP_ERROR : BLKIF_RSP_OKAY);
    io->used = false;
    bb->in_flight--;
    if (bb->orphan) {
        if (bb->in_flight == 0) {
            blkback_free_orphan(bb);
        }
        return;
    }
    io_push(bb);
    if (bb->connected) {
        blkback_ring_work(bb); /* it may have waited for a free slot */
    } else if (bb->in_flight == 0) {
        blkback_step(bb); /* it waits for us */
    }
}

static void io_leave(struct blkback_io *io)
{
    if (--io->pending > 0) {
        return;
    }
    if (io->flushing && !io->failed && io->req.nr_segs) {
        /* A flush that carries data: written once the earlier is safe. */
        io->flushing = false;
        io->pending = 1;
        io_submit_data(io);
        io_leave(io);
        return;
    }
    io_finish(io);
}

/* io/blkif.h: "Commit any uncommitted contents of the backing device's
 * volatile cache": the disk's own flush covers each write that completed
 * before it was submitted, and only those had their response. */
static void io_start(struct blkback_io *io)
{
    struct blkback *bb = io->bb;

    io->pending = 1;
    io->flushing = io->req.op == BLKIF_OP_FLUSH_DISKCACHE;
    io->failed = !io_get_memory(io);
    if (io->failed) {
        bb->stats.rejected++;
    } else if (io->flushing) {
        io_submit(io, &io->disk[0], OS_DISK_FLUSH, 0, 0, 0);
    } else {
        io_submit_data(io);
    }
    /* Not io_leave(): the ring loop that called us goes on by itself. */
    if (--io->pending == 0) {
        io_put_memory(io);
        io_respond(bb, &io->req, BLKIF_RSP_ERROR);
        io->used = false;
        bb->in_flight--;
    }
}

static void io_take(struct blkback *bb, struct blkback_io *io)
{
    uint8_t slot[BLKBACK_SLOT_MAX];
    int16_t status;

    ring_back_get(&bb->ring, slot);
    blkback_decode(bb->abi32, slot, &io->req);
    bb->stats.requests++;
    status = io_check(bb, &io->req);
    if (status != BLKIF_RSP_OKAY) {
        bb->stats.rejected++;
        io_respond(bb, &io->req, status);
        return;
    }
    io->bb = bb;
    io->used = true;
    if (++bb->in_flight > bb->stats.max_in_flight) {
        bb->stats.max_in_flight = bb->in_flight;
    }
    io_start(io);
}

void blkback_ring_work(struct blkback *bb)
{
    unsigned budget = bb->ring.size;
    bool broken = false;

    while (bb->connected) {
        int n = ring_back_pending(&bb->ring);
        struct blkback_io *io;

        if (n < 0) {
            broken = true;
            break;
        }
        if (n == 0 && !ring_back_final_check(&bb->ring)) {
            break;
        }
        if (budget == 0) {
            (void)os_evtchn_send(bb->os, bb->kick_peer);
            break;
        }
        budget--;
        if (n == 0) {
            continue; /* some came while we asked to be told */
        }
        io = io_find_free(bb);
        if (!io) {
            break; /* the next io that finishes comes back here */
        }
        io_take(bb, io);
    }
    io_push(bb);
    if (broken) {
        blkback_fail(bb, "request producer index is impossible");
    }
}

void blkback_io_free_all(struct blkback *bb)
{
    for (unsigned i = 0; i < BLKBACK_SLOTS; i++) {
        if (bb->io[i].bounce) {
            os_pages_free(bb->os, bb->io[i].bounce, BLKBACK_SEGS);
            bb->io[i].bounce = 0;
        }
    }
}
