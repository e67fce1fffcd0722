/*
 * Block frontend: calls that wait, with private buffers. Data goes through
 * guest pages, for only those can be granted.
 *
 * Invariants:
 *  1. A bounce page is given back only when no grant of it is left.
 *  2. The request lies on our stack until its done() was called: nothing but
 *     that ends the wait.
 */
#include "pv/block/blkfront_impl.h"

#include "pv/lib.h"

#define SYNC_WAIT_NS 10000000ULL
#define SYNC_RECLAIM_TRIES 100u

struct sync_wait {
    bool done;
    int status;
};

static void sync_done(struct os *os, struct blkfront_req *req, int status)
{
    struct sync_wait *w = req->ctx;

    (void)os;
    w->done = true;
    w->status = status;
}

static int sync_run(struct blkfront *bf, struct blkfront_req *req)
{
    struct sync_wait w = { 0 };
    int rc;

    req->done = sync_done;
    req->ctx = &w;
    rc = blkfront_submit(bf, req);
    if (rc) {
        return rc;
    }
    while (!w.done) {
        os_wait(bf->os, SYNC_WAIT_NS);
    }
    if (w.status == BLKIF_RSP_EOPNOTSUPP) {
        return -XEN_EOPNOTSUPP;
    }
    return w.status == BLKIF_RSP_OKAY ? 0 : -XEN_EIO;
}

/* The backend went away with our pages mapped: when it lets go (or its
 * domain ends), they are ours again. */
static bool sync_reclaim(struct blkfront *bf, struct blkfront_req *req)
{
    for (unsigned t = 0; req->nr_refs && t < SYNC_RECLAIM_TRIES; t++) {
        unsigned left = 0;

        for (unsigned i = 0; i < req->nr_refs; i++) {
            if (os_grant_end(bf->os, req->refs[i]) != 0) {
                req->refs[left++] = req->refs[i];
            }
        }
        req->nr_refs = left;
        if (left) {
            os_wait(bf->os, SYNC_WAIT_NS);
        }
    }
    return req->nr_refs == 0;
}

static int sync_transfer(struct blkfront *bf, enum os_disk_op op,
                         uint64_t sector, uint8_t *in, const uint8_t *out,
                         unsigned count)
{
    unsigned pages = (count < BLKFRONT_MAX_SECTORS ? count :
                                                     BLKFRONT_MAX_SECTORS) +
                     BLKFRONT_PAGE_SECTORS - 1;
    uint64_t bounce;
    bool ours = true;
    int rc = 0;

    pages /= BLKFRONT_PAGE_SECTORS;
    if (count == 0) {
        return 0;
    }
    bounce = os_pages_alloc(bf->os, pages);
    if (!bounce) {
        return -XEN_ENOMEM;
    }
    while (count && !rc) {
        struct blkfront_req req = { .op = op,
                                    .sector = sector,
                                    .addr = bounce };
        size_t bytes;

        req.count =
            count < BLKFRONT_MAX_SECTORS ? count : BLKFRONT_MAX_SECTORS;
        bytes = (size_t)req.count * BLKFRONT_SECTOR;
        if (out) {
            os_write(bf->os, bounce, out, bytes);
            out += bytes;
        }
        rc = sync_run(bf, &req);
        ours = sync_reclaim(bf, &req);
        if (!rc && in) {
            os_read(bf->os, bounce, in, bytes);
            in += bytes;
        }
        sector += req.count;
        count -= req.count;
    }
    if (ours) {
        os_pages_free(bf->os, bounce, pages);
    } else {
        os_log(bf->os, "blkfront %u: the backend keeps %u pages", bf->vdev,
               pages);
    }
    return rc;
}

int blkfront_read(struct blkfront *bf, uint64_t sector, void *buf,
                  unsigned count)
{
    return sync_transfer(bf, OS_DISK_READ, sector, buf, NULL, count);
}

int blkfront_write(struct blkfront *bf, uint64_t sector, const void *buf,
                   unsigned count)
{
    return sync_transfer(bf, OS_DISK_WRITE, sector, NULL, buf, count);
}

int blkfront_flush(struct blkfront *bf)
{
    struct blkfront_req req = { .op = OS_DISK_FLUSH };

    return sync_run(bf, &req);
}
