/*
 * Block devices that are used as they are meant to be: what is written is
 * read, flushed is durable, an error is an error. Our frontend against our
 * backend, and the raw frontend where the ring itself is looked at.
 *
 * vdev 51712 is disk 0 (2,048 sectors) mapped by the backend; cases that
 * need another device have the control role make it and say so on channel 0.
 */
#include "conformance/harness.h"

#include <string.h>

#include <xen/io/protocols.h>

#include "conformance/peers/ring_front.h"
#include "conformance/world.h"
#include "pv/block/blkfront.h"

#define VDEV 51712u
#define VDEV2 51728u
#define SECTORS 2048u
#define MAX_COUNT 88u
#define SECTOR 512u

static struct blkfront *open_vdev(struct t *t, unsigned vdev)
{
    int err = 0;
    struct blkfront *bf = blkfront_open(t->xs, vdev, &err);
    if (bf == NULL) {
        t_fail(t, __FILE__, __LINE__, "blkfront_open(%u) gave %d", vdev, err);
    }
    return bf;
}

static struct disk *disk_of(struct t *t)
{
    return machine_disk(t_world(t)->m, 0);
}

/* A sector's content as a function of its number and a version. */
static void pattern(uint8_t *buf, uint64_t sector, unsigned version)
{
    uint32_t x = (uint32_t)sector * 2654435761u ^ version * 40503u ^ 1;
    for (unsigned i = 0; i < SECTOR; i += 4) {
        x = x * 1664525u + 1013904223u;
        memcpy(buf + i, &x, 4);
    }
}

static void pattern_run(uint8_t *buf, uint64_t sector, unsigned n,
                        unsigned version)
{
    for (unsigned i = 0; i < n; i++) {
        pattern(buf + i * SECTOR, sector + i, version);
    }
}

static void expect_pattern(struct t *t, const uint8_t *buf, uint64_t sector,
                           unsigned n, unsigned version)
{
    uint8_t want[SECTOR];
    for (unsigned i = 0; i < n; i++) {
        pattern(want, sector + i, version);
        if (memcmp(buf + i * SECTOR, want, SECTOR) != 0) {
            t_fail(t, __FILE__, __LINE__,
                   "sector %llu does not hold version %u",
                   (unsigned long long)(sector + i), version);
        }
    }
}

static void write_run(struct t *t, struct blkfront *bf, uint64_t sector,
                      unsigned n, unsigned version)
{
    uint8_t *buf = os_malloc(t->os, n * SECTOR);
    T_REQUIRE(t, buf != NULL);
    pattern_run(buf, sector, n, version);
    T_EQ(t, blkfront_write(bf, sector, buf, n), 0);
    os_free(t->os, buf);
}

static void check_run(struct t *t, struct blkfront *bf, uint64_t sector,
                      unsigned n, unsigned version)
{
    uint8_t *buf = os_malloc(t->os, n * SECTOR);
    T_REQUIRE(t, buf != NULL);
    T_EQ(t, blkfront_read(bf, sector, buf, n), 0);
    expect_pattern(t, buf, sector, n, version);
    os_free(t->os, buf);
}

/* -- Data ------------------------------------------------------------------ */

static void read_back(struct t *t)
{
    struct blkfront *bf = open_vdev(t, VDEV);
    uint8_t zero[SECTOR], now[SECTOR];
    memset(zero, 0, sizeof(zero));
    T_EQ(t, blkfront_read(bf, 100, now, 1), 0);
    T_EQ(t, memcmp(now, zero, SECTOR), 0);
    write_run(t, bf, 0, 20, 1);
    write_run(t, bf, SECTORS - 20, 20, 2);
    write_run(t, bf, 5, 3, 3);
    check_run(t, bf, 0, 5, 1);
    check_run(t, bf, 5, 3, 3);
    check_run(t, bf, 8, 12, 1);
    check_run(t, bf, SECTORS - 20, 20, 2);
    T_EQ(t, blkfront_read(bf, 20, now, 1), 0);
    T_EQ(t, memcmp(now, zero, SECTOR), 0);
    blkfront_close(bf);
}

static void all_sizes(struct t *t)
{
    struct blkfront *bf = open_vdev(t, VDEV);
    for (unsigned n = 1; n <= MAX_COUNT; n++) {
        uint64_t at = t_random(t, SECTORS - MAX_COUNT);
        write_run(t, bf, at, n, n);
        check_run(t, bf, at, n, n);
    }
    T_EQ(t, blkfront_outstanding(bf), 0);
    blkfront_close(bf);
}

static void long_transfer(struct t *t)
{
    struct blkfront *bf = open_vdev(t, VDEV);
    write_run(t, bf, 7, 500, 9); /* more than a request holds */
    check_run(t, bf, 7, 500, 9);
    blkfront_close(bf);
}

static void partial_segments(struct t *t)
{
    struct raw_front f;
    uint8_t page[OS_PAGE_SIZE], want[OS_PAGE_SIZE];
    raw_front_connect(&f, t, VDEV);
    uint64_t out = t_page(t, 0), in = t_page(t, 0);
    grant_ref_t out_ref = raw_front_grant(&f, out, true);
    grant_ref_t in_ref = raw_front_grant(&f, in, false);
    pattern_run(page, 1000, 8, 1);
    os_write(t->os, out, page, sizeof(page));
    for (uint8_t first = 0; first < 8; first++) {
        for (uint8_t last = first; last < 8; last++) {
            uint64_t at = 64 + t_random(t, 64);
            size_t off = first * SECTOR;
            size_t len = (last - first + 1u) * SECTOR;
            struct blkif_request w = raw_front_request(
                BLKIF_OP_WRITE, first, at, out_ref, first, last);
            struct blkif_request r = raw_front_request(
                BLKIF_OP_READ, last, at, in_ref, first, last);
            memset(want, 0xee, sizeof(want));
            os_write(t->os, in, want, sizeof(want));
            memcpy(want + off, page + off, len);
            T_EQ(t, raw_front_do(&f, &w), BLKIF_RSP_OKAY);
            T_EQ(t, raw_front_do(&f, &r), BLKIF_RSP_OKAY);
            uint8_t got[OS_PAGE_SIZE];
            os_read(t->os, in, got, sizeof(got));
            T_EQ(t, memcmp(got, want, sizeof(got)), 0);
        }
    }
    raw_front_close(&f);
}

static void scattered_segments(struct t *t)
{
    struct raw_front f;
    struct blkif_request w, r;
    uint64_t pages[11];
    uint8_t buf[OS_PAGE_SIZE];
    unsigned before = 0;
    raw_front_connect(&f, t, VDEV);
    memset(&w, 0, sizeof(w));
    w.operation = BLKIF_OP_WRITE;
    w.nr_segments = 11;
    w.id = ~0ULL; /* any number the frontend likes */
    w.sector_number = 300;
    for (unsigned i = 0; i < 11; i++) {
        pages[10 - i] = t_page(t, 0);
    }
    for (unsigned i = 0; i < 11; i++) { /* sectors i%3 .. 7-i%2 */
        w.seg[i].gref = raw_front_grant(&f, pages[i], false);
        w.seg[i].first_sect = (uint8_t)(i % 3);
        w.seg[i].last_sect = (uint8_t)(7 - i % 2);
        unsigned n = w.seg[i].last_sect - w.seg[i].first_sect + 1u;
        pattern_run(buf, 300 + before, n, 5);
        os_write(t->os, pages[i] + w.seg[i].first_sect * SECTOR, buf,
                 n * SECTOR);
        before += n;
    }
    T_EQ(t, raw_front_do(&f, &w), BLKIF_RSP_OKAY);
    for (unsigned s = 0; s < before; s++) { /* one after another on disk */
        disk_read_current(disk_of(t), 300 + s, buf);
        expect_pattern(t, buf, 300 + s, 1, 5);
    }
    r = w;
    r.operation = BLKIF_OP_READ;
    memset(buf, 0, sizeof(buf));
    for (unsigned i = 0; i < 11; i++) {
        os_write(t->os, pages[i], buf, sizeof(buf));
    }
    T_EQ(t, raw_front_do(&f, &r), BLKIF_RSP_OKAY);
    for (unsigned i = 0, s = 0; i < 11; i++) {
        unsigned n = r.seg[i].last_sect - r.seg[i].first_sect + 1u;
        os_read(t->os, pages[i] + r.seg[i].first_sect * SECTOR, buf,
                n * SECTOR);
        expect_pattern(t, buf, 300 + s, n, 5);
        s += n;
    }
    raw_front_close(&f);
}

/* -- What the device says of itself ---------------------------------------- */

static void info_keys(struct t *t)
{
    struct raw_front f;
    uint64_t v;
    raw_front_init(&f, t, VDEV);
    T_EQ(t, xs_read_uint(t->xs, 0, f.back, "sectors", &v), 0);
    T_EQ(t, v, SECTORS);
    T_EQ(t, xs_read_uint(t->xs, 0, f.back, "sector-size", &v), 0);
    T_EQ(t, v, SECTOR);
    T_EQ(t, xs_read_uint(t->xs, 0, f.back, "info", &v), 0);
    T_EQ(t, v, 0);
    T_EQ(t, xs_read_uint(t->xs, 0, f.back, "feature-flush-cache", &v), 0);
    T_EQ(t, v, 1);
    raw_front_close(&f);
    struct blkfront *bf = open_vdev(t, VDEV);
    T_EQ(t, blkfront_sectors(bf), SECTORS);
    T_EQ(t, blkfront_sector_size(bf), SECTOR);
    T_CHECK(t, !blkfront_readonly(bf));
    T_CHECK(t, blkfront_has_flush(bf));
    T_CHECK(t, blkfront_connected(bf));
    blkfront_close(bf);
}

static void out_of_range(struct t *t)
{
    struct raw_front f;
    struct blkfront *bf = open_vdev(t, VDEV);
    uint8_t buf[2 * SECTOR] = {0};
    T_EQ(t, blkfront_read(bf, SECTORS, buf, 1), -XEN_EINVAL);
    T_EQ(t, blkfront_write(bf, SECTORS - 1, buf, 2), -XEN_EINVAL);
    T_EQ(t, blkfront_read(bf, ~0ULL, buf, 1), -XEN_EINVAL);
    T_EQ(t, blkfront_read(bf, SECTORS - 1, buf, 1), 0);
    blkfront_close(bf);
    raw_front_connect(&f, t, VDEV);
    grant_ref_t ref = raw_front_grant(&f, t_page(t, 0), false);
    static const struct {
        uint64_t sector;
        uint8_t last;
        int16_t status;
    } tries[] = {{SECTORS - 1, 0, BLKIF_RSP_OKAY},
                 {SECTORS - 8, 7, BLKIF_RSP_OKAY},
                 {SECTORS - 7, 7, BLKIF_RSP_ERROR},
                 {SECTORS - 1, 1, BLKIF_RSP_ERROR},
                 {SECTORS, 0, BLKIF_RSP_ERROR},
                 {1ULL << 40, 0, BLKIF_RSP_ERROR}};
    for (unsigned i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
        for (uint8_t op = BLKIF_OP_READ; op <= BLKIF_OP_WRITE; op++) {
            struct blkif_request r = raw_front_request(
                op, i, tries[i].sector, ref, 0, tries[i].last);
            T_EQ(t, raw_front_do(&f, &r), tries[i].status);
        }
    }
    raw_front_close(&f);
}

/* Channel 0: what the new device is to be; channel 1: it is there. */
#define NEW_READONLY 1u
#define NEW_COPY 2u

static void device_control(struct t *t)
{
    uint64_t what = t_recv(t, 0);
    struct world_vbd vbd = {.vdev = VDEV2,
                            .readonly = (what & NEW_READONLY) != 0,
                            .mode = what & NEW_COPY ? BLKBACK_COPY
                                                    : BLKBACK_MAP};
    int err = 0;
    T_REQUIRE(t, world_add_disk(t_world(t), t_domid(t, ROLE_SUBJECT), &vbd,
                                &err) != NULL);
    t_send(t, 1, 1);
}

static void new_device(struct t *t, unsigned what)
{
    t_send(t, 0, what);
    T_EQ(t, t_recv(t, 1), 1);
}

static void readonly_device(struct t *t)
{
    struct raw_front f;
    uint8_t buf[SECTOR] = {1};
    struct blkfront *rw = open_vdev(t, VDEV);
    write_run(t, rw, 10, 1, 1);
    new_device(t, NEW_READONLY);
    struct blkfront *ro = open_vdev(t, VDEV2);
    T_CHECK(t, blkfront_readonly(ro));
    T_EQ(t, blkfront_write(ro, 10, buf, 1), -XEN_EROFS);
    check_run(t, ro, 10, 1, 1);
    blkfront_close(ro);
    raw_front_connect(&f, t, VDEV2); /* one that does not ask */
    grant_ref_t ref = raw_front_grant(&f, t_page(t, 0xdd), false);
    struct blkif_request w =
        raw_front_request(BLKIF_OP_WRITE, 1, 10, ref, 0, 0);
    struct blkif_request fl =
        raw_front_request(BLKIF_OP_FLUSH_DISKCACHE, 2, 10, ref, 0, 0);
    struct blkif_request r = raw_front_request(BLKIF_OP_READ, 3, 10, ref, 0,
                                               0);
    T_EQ(t, raw_front_do(&f, &w), BLKIF_RSP_ERROR);
    T_CHECK(t, raw_front_do(&f, &fl) != BLKIF_RSP_OKAY); /* carries data */
    T_EQ(t, raw_front_do(&f, &r), BLKIF_RSP_OKAY);
    raw_front_close(&f);
    check_run(t, rw, 10, 1, 1);
    blkfront_close(rw);
}

static void copy_mode(struct t *t)
{
    new_device(t, NEW_COPY);
    struct blkfront *map = open_vdev(t, VDEV);
    struct blkfront *copy = open_vdev(t, VDEV2);
    static const unsigned sizes[] = {1, 7, 8, 9, 31, 64, 87, 88};
    for (unsigned i = 0; i < 8; i++) {
        uint64_t at = t_random(t, SECTORS - MAX_COUNT);
        write_run(t, copy, at, sizes[i], i);
        check_run(t, map, at, sizes[i], i);
        write_run(t, map, at, sizes[i], i + 100);
        check_run(t, copy, at, sizes[i], i + 100);
    }
    blkfront_close(copy);
    blkfront_close(map);
}

static void copy_mode_partial(struct t *t)
{
    struct raw_front f;
    struct blkif_request r;
    uint8_t buf[SECTOR], want[SECTOR];
    new_device(t, NEW_COPY);
    raw_front_connect(&f, t, VDEV2);
    memset(&r, 0, sizeof(r));
    r.operation = BLKIF_OP_WRITE;
    r.nr_segments = 11;
    r.sector_number = 40;
    for (unsigned i = 0; i < 11; i++) { /* one sector each: 8 to a bounce */
        uint64_t page = t_page(t, (uint8_t)(i + 1));
        r.seg[i].gref = raw_front_grant(&f, page, true);
        r.seg[i].first_sect = r.seg[i].last_sect = (uint8_t)(i % 8);
    }
    T_EQ(t, raw_front_do(&f, &r), BLKIF_RSP_OKAY);
    for (unsigned i = 0; i < 11; i++) {
        memset(want, (int)(i + 1), SECTOR);
        disk_read_current(disk_of(t), 40 + i, buf);
        T_EQ(t, memcmp(buf, want, SECTOR), 0);
    }
    raw_front_close(&f);
}

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
            pattern(buf, i, version);
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
            expect_pattern(t, buf, i, 1, version);
        }
    }
    os_pages_free(t->os, pages, JOBS / 8);
    os_free(t->os, jobs);
}

static void many_in_flight(struct t *t)
{
    struct blkfront *bf = open_vdev(t, VDEV);
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
    struct blkfront *bf = open_vdev(t, VDEV);
    disk_set_faults(disk_of(t), &faults);
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
    struct blkfront *bf = open_vdev(t, VDEV);
    for (unsigned i = 0; i < 6; i++) {
        write_run(t, bf, base + i * 20, 20, base + i);
        check_run(t, bf, base + i * 20, 20, base + i);
    }
    for (unsigned i = 0; i < 6; i++) {
        check_run(t, bf, base + i * 20, 20, base + i);
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
    struct blkfront *bf = open_vdev(t, VDEV);
    uint8_t buf[SECTOR];
    for (unsigned round = 1; round < 4; round++) {
        run_jobs(t, bf, OS_DISK_WRITE, round);
        T_EQ(t, blkfront_flush(bf), 0);
        for (unsigned s = 0; s < JOBS; s++) {
            disk_read_medium(disk_of(t), s, buf);
            expect_pattern(t, buf, s, 1, round);
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
    struct blkfront *bf = open_vdev(t, VDEV);
    uint8_t buf[SECTOR] = {0};
    disk_set_faults(disk_of(t), &bad);
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
    disk_set_faults(disk_of(t), &good);
    T_EQ(t, raw_front_do(&f, &r), BLKIF_RSP_OKAY);
    raw_front_close(&f);
}

/* -- Lives ----------------------------------------------------------------- */

static void restart(struct t *t)
{
    for (unsigned i = 0; i < 5; i++) {
        struct blkfront *bf = open_vdev(t, VDEV);
        if (i > 0) {
            check_run(t, bf, i - 1, 9, i - 1);
        }
        write_run(t, bf, i, 9, i);
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
        disk_read_current(disk_of(t), 10 + i, buf);
        T_EQ(t, buf[0], 0x42);
    }
    raw_front_close(&f);
}

#define OPS "io/blkif.h: REQUEST CODES"
#define SEG "io/blkif.h: struct blkif_request_segment"
#define KEYS "io/blkif.h: Backend XenBus Nodes"
static const struct tcase cases[] = {
    {"block_reads_what_was_written", "BLKIF_OP_READ, BLKIF_OP_WRITE", OPS,
     T_DISK, read_back, 0, 0, 0},
    {"block_requests_of_1_to_88_sectors", "11 segments of 8 sectors", SEG,
     T_DISK, all_sizes, 0, 0, 0},
    {"block_long_transfers_are_cut", "more than a request holds", SEG,
     T_DISK, long_transfer, 0, 0, 0},
    {"block_first_and_last_sector_of_a_segment",
     "first_sect..last_sect are moved, nothing else of the page", SEG,
     T_DISK, partial_segments, 0, 0, 0},
    {"block_segments_follow_each_other_on_disk",
     "segments are one run of sectors, pages in any order", SEG, T_DISK,
     scattered_segments, 0, 0, 0},
    {"block_backend_says_what_the_disk_is",
     "sectors, sector-size, info, feature-flush-cache", KEYS, T_DISK,
     info_keys, 0, 0, 0},
    {"block_out_of_range_is_an_error",
     "both sides refuse what ends past the last sector", KEYS, T_DISK,
     out_of_range, 0, 0, 0},
    {"block_readonly_is_enforced_by_both_sides",
     "info says VDISK_READONLY; a write is BLKIF_RSP_ERROR",
     "io/blkif.h: VDISK_READONLY, mode", T_DISK, readonly_device, 0, 0,
     device_control},
    {"block_copying_backend_serves_the_same",
     "grant copies and mappings move the same data",
     "grant_table.h: GNTTABOP_copy", T_DISK, copy_mode, 0, 0,
     device_control},
    {"block_copying_backend_takes_scattered_sectors",
     "single sectors of many pages", "grant_table.h: GNTTABOP_copy", T_DISK,
     copy_mode_partial, 0, 0, device_control},
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
T_SUITE(block, cases);
