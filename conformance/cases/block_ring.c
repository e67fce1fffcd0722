/*
 * Block devices over time: many requests at once, ring indices that wrap,
 * flushes and the medium's errors, drivers that start again and such as
 * speak the 32-bit layout.
 */
#include "conformance/harness.h"

#include <string.h>

#include <xen/io/protocols.h>

#include "conformance/peers/ring_front.h"
#include "conformance/peers/vbd.h"


/* -- Many at once ---------------------------------------------------------- */

#define JOBS 96u

struct job {
    struct blkfront_req r;
    unsigned calls;
    int status;
};

static void job_done(struct os *os, struct blkfront_req *req, int status)
{
    struct job *j = req->ctx;
    (void)os;
    j->calls++;
    j->status = status;
}

static bool all_done(struct t *t, void *ctx)
{
    (void)t;
    return blkfront_outstanding(ctx) == 0;
}

/* JOBS requests of one sector each at once: writes or reads of 0..JOBS-1. */
static void run_jobs(struct t *t, struct blkfront *bf, enum os_disk_op op,
                     unsigned version)
{
    struct job *jobs = os_malloc(t->os, JOBS * sizeof(*jobs));
    uint64_t pages = os_pages_alloc(t->os, JOBS / 8);
    uint8_t buf[SECTOR];
    T_REQUIRE(t, jobs != NULL && pages != 0);
    for (unsigned i = 0; i < JOBS; i++) {
        jobs[i].r = (struct blkfront_req){.op = op, .sector = i, .count = 1,
                                          .addr = pages + i * SECTOR,
                                          .done = job_done, .ctx = &jobs[i]};
        if (op == OS_DISK_WRITE) {
            vbd_pattern(buf, i, version);
            os_write(t->os, jobs[i].r.addr, buf, SECTOR);
        }
        T_EQ(t, blkfront_submit(bf, &jobs[i].r), 0);
    }
    T_CHECK(t, t_wait_until(t, all_done, bf, 5000000000ULL));
    for (unsigned i = 0; i < JOBS; i++) {
        T_EQ(t, jobs[i].calls, 1);
        T_EQ(t, jobs[i].status, BLKIF_RSP_OKAY);
        if (op == OS_DISK_READ) {
            os_read(t->os, jobs[i].r.addr, buf, SECTOR);
            vbd_expect(t, buf, i, 1, version);
        }
    }
    os_pages_free(t->os, pages, JOBS / 8);
    os_free(t->os, jobs);
}

static void many_in_flight(struct t *t)
{
    struct blkfront *bf = vbd_open(t, VDEV);
    struct world_guest *g = world_guest(t_world(t), os_domid(t->os));
    run_jobs(t, bf, OS_DISK_WRITE, 1);
    run_jobs(t, bf, OS_DISK_READ, 1);
    T_CHECK(t, blkback_stats(g->vbds[0].bb)->max_in_flight > 8);
    T_EQ(t, blkback_stats(g->vbds[0].bb)->errors, 0);
    blkfront_close(bf);
}

static void out_of_order(struct t *t)
{
    struct disk_faults faults = {.reorder = true, .delay_one_in = 5};
    struct blkfront *bf = vbd_open(t, VDEV);
    disk_set_faults(vbd_disk(t), &faults);
    run_jobs(t, bf, OS_DISK_WRITE, 2);
    run_jobs(t, bf, OS_DISK_READ, 2);
    blkfront_close(bf);
}

static void ring_wraps(struct t *t)
{
    struct raw_front f;
    struct blkif_response rsp;
    raw_front_connect(&f, t, VDEV);
    grant_ref_t ref = raw_front_grant(&f, t_page(t, 0), false);
    for (unsigned done = 0; done < 2500;) {
        unsigned n = 1 + t_random(t, RAW_SLOTS);
        uint32_t seen = 0;
        for (unsigned i = 0; i < n; i++) {
            struct blkif_request r = raw_front_request(
                BLKIF_OP_READ, i, t_random(t, SECTORS), ref, 0, 0);
            raw_front_put(&f, &r);
        }
        raw_front_push(&f);
        for (unsigned i = 0; i < n; i++) {
            T_CHECK(t, raw_front_get(&f, &rsp, RAW_WAIT_NS));
            T_EQ(t, rsp.status, BLKIF_RSP_OKAY);
            T_CHECK(t, rsp.id < n && !(seen & 1u << rsp.id));
            seen |= 1u << rsp.id;
        }
        done += n;
    }
    T_EQ(t, os_load32(t->os, RAW_FIELD(&f, rsp_prod)), f.req_prod);
    raw_front_close(&f);
}

static void events_when_asked(struct t *t)
{
    struct raw_front f;
    raw_front_connect(&f, t, VDEV);
    grant_ref_t ref = raw_front_grant(&f, t_page(t, 0), false);
    struct blkif_request r = raw_front_request(BLKIF_OP_READ, 1, 0, ref, 0,
                                               0);
    t_sleep(t, 1000000);
    T_EQ(t, os_load32(t->os, RAW_FIELD(&f, req_event)), 1);
    uint64_t events = f.events;
    os_store32(t->os, RAW_FIELD(&f, rsp_event), 3); /* the third, please */
    for (unsigned i = 0; i < 3; i++) {
        raw_front_put(&f, &r);
        raw_front_push(&f);
        t_sleep(t, 2000000);
        T_EQ(t, os_load32(t->os, RAW_FIELD(&f, rsp_prod)), i + 1);
        T_EQ(t, f.events - events, i == 2);
        T_EQ(t, os_load32(t->os, RAW_FIELD(&f, req_event)), i + 2);
    }
    f.rsp_cons = 3;
    raw_front_close(&f);
}

static void rw_one(struct t *t, unsigned base)
{
    struct blkfront *bf = vbd_open(t, VDEV);
    for (unsigned i = 0; i < 6; i++) {
        vbd_write(t, bf, base + i * 20, 20, base + i);
        vbd_check(t, bf, base + i * 20, 20, base + i);
    }
    for (unsigned i = 0; i < 6; i++) {
        vbd_check(t, bf, base + i * 20, 20, base + i);
    }
    blkfront_close(bf);
}

static void two_subject(struct t *t)
{
    rw_one(t, 0);
}

static void two_peer(struct t *t)
{
    (void)t_recv(t, 2);
    rw_one(t, 1000);
}

static void two_control(struct t *t)
{
    struct world_vbd vbd = {.vdev = VDEV, .mode = BLKBACK_COPY};
    int err = 0;
    T_REQUIRE(t, world_add_disk(t_world(t), t_domid(t, ROLE_PEER), &vbd,
                                &err) != NULL);
    t_send(t, 2, 1);
}

/* -- Durability and errors ------------------------------------------------- */

static void flush_is_durable(struct t *t)
{
    struct blkfront *bf = vbd_open(t, VDEV);
    uint8_t buf[SECTOR];
    for (unsigned round = 1; round < 4; round++) {
        run_jobs(t, bf, OS_DISK_WRITE, round);
        T_EQ(t, blkfront_flush(bf), 0);
        for (unsigned s = 0; s < JOBS; s++) {
            disk_read_medium(vbd_disk(t), s, buf);
            vbd_expect(t, buf, s, 1, round);
        }
    }
    blkfront_close(bf);
}

static void bare_flush(struct t *t)
{
    struct raw_front f;
    raw_front_connect(&f, t, VDEV);
    struct blkif_request r = {.operation = BLKIF_OP_FLUSH_DISKCACHE,
                              .id = 77};
    T_EQ(t, raw_front_do(&f, &r), BLKIF_RSP_OKAY);
    raw_front_close(&f);
}

static void disk_errors(struct t *t)
{
    struct disk_faults bad = {.error_one_in = 1}, good = {0};
    struct raw_front f;
    struct blkfront *bf = vbd_open(t, VDEV);
    uint8_t buf[SECTOR] = {0};
    disk_set_faults(vbd_disk(t), &bad);
    T_EQ(t, blkfront_read(bf, 1, buf, 1), -XEN_EIO);
    T_EQ(t, blkfront_write(bf, 1, buf, 1), -XEN_EIO);
    T_CHECK(t, blkfront_connected(bf));
    blkfront_close(bf);
    raw_front_connect(&f, t, VDEV);
    grant_ref_t ref = raw_front_grant(&f, t_page(t, 0), false);
    struct blkif_request r = raw_front_request(BLKIF_OP_READ, 1, 3, ref, 0,
                                               7);
    struct blkif_request fl = {.operation = BLKIF_OP_FLUSH_DISKCACHE};
    T_EQ(t, raw_front_do(&f, &r), BLKIF_RSP_ERROR);
    T_EQ(t, raw_front_do(&f, &fl), BLKIF_RSP_ERROR);
    disk_set_faults(vbd_disk(t), &good);
    T_EQ(t, raw_front_do(&f, &r), BLKIF_RSP_OKAY);
    raw_front_close(&f);
}

/* -- Lives ----------------------------------------------------------------- */

static void restart(struct t *t)
{
    for (unsigned i = 0; i < 5; i++) {
        struct blkfront *bf = vbd_open(t, VDEV);
        if (i > 0) {
            vbd_check(t, bf, i - 1, 9, i - 1);
        }
        vbd_write(t, bf, i, 9, i);
        blkfront_close(bf);
    }
}

/* What a 32-bit compiler makes of io/blkif.h: 8-byte fields on 4. */
struct request32 {
    uint8_t operation, nr_segments;
    uint16_t handle;
    uint64_t id, sector_number;
    struct blkif_request_segment seg[11];
} __attribute__((packed));

static void abi_32(struct t *t)
{
    struct raw_front f;
    char ref[16], port[16];
    uint8_t buf[SECTOR];
    raw_front_init(&f, t, VDEV);
    raw_front_share(&f);
    snprintf(ref, sizeof(ref), "%u", f.ring_ref);
    snprintf(port, sizeof(port), "%u", f.port);
    raw_front_publish(&f, ref, port, XEN_IO_PROTO_ABI_X86_32);
    T_CHECK(t, raw_front_wait(&f, RAW_STATE(Connected)));
    uint64_t page = t_page(t, 0x42);
    for (uint32_t i = 0; i < 40; i++) {
        uint64_t slot = f.page + 64 + i % 32 * sizeof(struct request32);
        struct request32 r;
        memset(&r, 0, sizeof(r));
        r.operation = BLKIF_OP_WRITE;
        r.nr_segments = 1;
        r.id = 0x1122334455667700ULL + i;
        r.sector_number = 10 + i;
        r.seg[0].gref = raw_front_grant(&f, page, true);
        os_write(t->os, slot, &r, sizeof(r));
        f.req_prod++;
        raw_front_push(&f);
        t_sleep(t, 1000000);
        T_EQ(t, os_load32(t->os, RAW_FIELD(&f, rsp_prod)), i + 1);
        T_EQ(t, os_load64(t->os, slot), r.id);
        T_EQ(t, os_load8(t->os, slot + 8), BLKIF_OP_WRITE);
        T_EQ(t, (int16_t)os_load16(t->os, slot + 10), BLKIF_RSP_OKAY);
        disk_read_current(vbd_disk(t), 10 + i, buf);
        T_EQ(t, buf[0], 0x42);
    }
    raw_front_close(&f);
}

#define OPS "io/blkif.h: REQUEST CODES"
static const struct tcase cases[] = {
    {"block_more_requests_than_the_ring_holds",
     "each is completed once, with its data", "io/ring.h", T_DISK,
     many_in_flight, 0, 0, 0},
    {"block_responses_may_come_in_any_order",
     "ids tell which request a response is for",
     "io/blkif.h: struct blkif_response", T_DISK, out_of_order, 0, 0, 0},
    {"block_ring_wraps_for_thousands_of_requests",
     "indices run on, slots are used again", "io/ring.h", T_DISK, ring_wraps,
     0, 0, 0},
    {"block_events_come_when_they_are_asked_for",
     "rsp_event and req_event are honoured",
     "io/ring.h: RING_PUSH_RESPONSES_AND_CHECK_NOTIFY", T_DISK,
     events_when_asked, 0, 0, 0},
    {"block_two_frontends_at_once", "devices are served independently", OPS,
     T_DISK, two_subject, two_peer, 0, two_control},
    {"block_two_frontends_on_two_cpus", "the same, in parallel", OPS,
     T_DISK | T_SMP, two_subject, two_peer, 0, two_control},
    {"block_flushed_is_on_the_medium",
     "what completed before the flush was sent is durable after it",
     "io/blkif.h: BLKIF_OP_FLUSH_DISKCACHE", T_DISK, flush_is_durable, 0, 0,
     0},
    {"block_flush_needs_no_segments", "a bare flush is a flush",
     "io/blkif.h: BLKIF_OP_FLUSH_DISKCACHE", T_DISK, bare_flush, 0, 0, 0},
    {"block_disk_errors_are_reported",
     "the medium's error is BLKIF_RSP_ERROR, the device goes on",
     "io/blkif.h: STATUS RETURN CODES", T_DISK, disk_errors, 0, 0, 0},
    {"block_driver_may_start_again", "Closed, then Initialising",
     "io/blkif.h: STATE DIAGRAMS", T_DISK, restart, 0, 0, 0},
    {"block_32_bit_layout_is_served", "protocol x86_32-abi",
     "io/protocols.h: XEN_IO_PROTO_ABI_X86_32", T_DISK, abi_32, 0, 0, 0},
};
T_SUITE(block_ring, cases);
