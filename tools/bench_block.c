/*
 * Benchmarks of the block pair: 4 KiB requests, a full ring of them in
 * flight, from our frontend in a guest through our backend in the control
 * domain to a disk that answers after one virtual nanosecond.
 */
#include "tools/bench.h"

#include "pv/block/blkfront.h"

#define VDEV 51712u
#define SECTORS 4096u /* 2 MiB */
#define COUNT 8u      /* sectors a request */
#define DEPTH 32u     /* io/blkif.h: requests in a ring of one page */
/* Written since the last flush, kept by the disk's cache: bounded. */
#define MAX_BATCH 8192u

struct load {
    struct bench_job *job;
    struct blkfront *bf;
    uint64_t to_submit, to_complete, next_sector;
    struct blkfront_req reqs[DEPTH];
    bool failed;
};

static void load_submit(struct load *l, struct blkfront_req *req)
{
    l->to_submit--;
    req->sector = l->next_sector;
    l->next_sector = (l->next_sector + COUNT) % SECTORS;
    if (blkfront_submit(l->bf, req) != 0) {
        l->failed = true;
    }
}

static void load_done(struct os *os, struct blkfront_req *req, int status)
{
    struct load *l = req->ctx;
    (void)os;
    if (status != 0) { /* io/blkif.h: BLKIF_RSP_OKAY */
        l->failed = true;
    }
    l->to_complete--;
    if (l->to_submit > 0) {
        load_submit(l, req);
    }
}

static void load_lap(struct os *os, struct load *l)
{
    uint64_t n = bench_begin(os, l->job);
    l->to_submit = l->to_complete = n;
    for (unsigned i = 0; i < DEPTH && l->to_submit > 0; i++) {
        load_submit(l, &l->reqs[i]);
    }
    while (l->to_complete > 0 && !l->failed) {
        os_wait(os, OS_FOREVER);
    }
    if (l->failed) {
        bench_fail(os, l->job, "a block request failed");
    }
    bench_end(os, l->job);
    if (blkfront_flush(l->bf) != 0) {
        bench_fail(os, l->job, "a flush failed");
    }
}

static void block_main(struct os *os, void *arg)
{
    struct load *l = os_malloc(os, sizeof(*l));
    struct xs *xs = xs_open_params(os);
    uint64_t pages = os_pages_alloc(os, DEPTH);
    int err = 0;
    if (l == NULL || xs == NULL || pages == 0) {
        bench_fail(os, arg, "no memory");
    }
    l->job = arg;
    l->bf = blkfront_open(xs, VDEV, &err);
    if (l->bf == NULL) {
        bench_fail(os, arg, "the frontend can't connect");
    }
    for (unsigned i = 0; i < DEPTH; i++) {
        l->reqs[i] = (struct blkfront_req){
            .op = (enum os_disk_op)l->job->kind,
            .count = COUNT,
            .addr = pages + (uint64_t)i * OS_PAGE_SIZE,
            .done = load_done,
            .ctx = l,
        };
    }
    for (;;) {
        load_lap(os, l);
    }
}

static bool block_run(const struct bench *b, uint64_t min_ns, double *value)
{
    struct disk_config disk = {.sectors = SECTORS,
                               .faults = {.latency_ns = 1}};
    struct bench_job job = {
        .world = {.disks = &disk, .nr_disks = 1},
        .guests = {block_main},
        .guest = {.nr_vbds = 1,
                  .vbds = {{.vdev = VDEV,
                            .mode = (enum blkback_mode)b->mode}}},
        .max_batch = MAX_BATCH,
        .kind = b->kind,
        .min_ns = min_ns,
    };
    return bench_rate(b, &job, value);
}

#define BLOCK(what, op, how)                                                  \
    {                                                                         \
        .name = what, .unit = "requests/s", .run = block_run, .kind = op,     \
        .mode = how                                                           \
    }
static const struct bench benches[] = {
    BLOCK("block_read_4k_copy", OS_DISK_READ, BLKBACK_COPY),
    BLOCK("block_read_4k_map", OS_DISK_READ, BLKBACK_MAP),
    BLOCK("block_write_4k_copy", OS_DISK_WRITE, BLKBACK_COPY),
    BLOCK("block_write_4k_map", OS_DISK_WRITE, BLKBACK_MAP),
};
const struct bench_group bench_block = {benches,
                                        sizeof(benches) / sizeof(benches[0])};
