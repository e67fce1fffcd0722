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

#include "conformance/peers/ring_front.h"
#include "conformance/peers/vbd.h"

#define VDEV2 51728u
#define MAX_COUNT 88u

/* -- Data ------------------------------------------------------------------ */

static void read_back(struct t *t)
{
    struct blkfront *bf = vbd_open(t, VDEV);
    uint8_t zero[SECTOR], now[SECTOR];
    memset(zero, 0, sizeof(zero));
    T_EQ(t, blkfront_read(bf, 100, now, 1), 0);
    T_EQ(t, memcmp(now, zero, SECTOR), 0);
    vbd_write(t, bf, 0, 20, 1);
    vbd_write(t, bf, SECTORS - 20, 20, 2);
    vbd_write(t, bf, 5, 3, 3);
    vbd_check(t, bf, 0, 5, 1);
    vbd_check(t, bf, 5, 3, 3);
    vbd_check(t, bf, 8, 12, 1);
    vbd_check(t, bf, SECTORS - 20, 20, 2);
    T_EQ(t, blkfront_read(bf, 20, now, 1), 0);
    T_EQ(t, memcmp(now, zero, SECTOR), 0);
    blkfront_close(bf);
}

static void all_sizes(struct t *t)
{
    struct blkfront *bf = vbd_open(t, VDEV);
    for (unsigned n = 1; n <= MAX_COUNT; n++) {
        uint64_t at = t_random(t, SECTORS - MAX_COUNT);
        vbd_write(t, bf, at, n, n);
        vbd_check(t, bf, at, n, n);
    }
    T_EQ(t, blkfront_outstanding(bf), 0);
    blkfront_close(bf);
}

static void long_transfer(struct t *t)
{
    struct blkfront *bf = vbd_open(t, VDEV);
    vbd_write(t, bf, 7, 500, 9); /* more than a request holds */
    vbd_check(t, bf, 7, 500, 9);
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
    vbd_fill(page, 1000, 8, 1);
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
        vbd_fill(buf, 300 + before, n, 5);
        os_write(t->os, pages[i] + w.seg[i].first_sect * SECTOR, buf,
                 n * SECTOR);
        before += n;
    }
    T_EQ(t, raw_front_do(&f, &w), BLKIF_RSP_OKAY);
    for (unsigned s = 0; s < before; s++) { /* one after another on disk */
        disk_read_current(vbd_disk(t), 300 + s, buf);
        vbd_expect(t, buf, 300 + s, 1, 5);
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
        vbd_expect(t, buf, 300 + s, n, 5);
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
    struct blkfront *bf = vbd_open(t, VDEV);
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
    struct blkfront *bf = vbd_open(t, VDEV);
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
    struct blkfront *rw = vbd_open(t, VDEV);
    vbd_write(t, rw, 10, 1, 1);
    new_device(t, NEW_READONLY);
    struct blkfront *ro = vbd_open(t, VDEV2);
    T_CHECK(t, blkfront_readonly(ro));
    T_EQ(t, blkfront_write(ro, 10, buf, 1), -XEN_EROFS);
    vbd_check(t, ro, 10, 1, 1);
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
    vbd_check(t, rw, 10, 1, 1);
    blkfront_close(rw);
}

static void copy_mode(struct t *t)
{
    new_device(t, NEW_COPY);
    struct blkfront *map = vbd_open(t, VDEV);
    struct blkfront *copy = vbd_open(t, VDEV2);
    static const unsigned sizes[] = {1, 7, 8, 9, 31, 64, 87, 88};
    for (unsigned i = 0; i < 8; i++) {
        uint64_t at = t_random(t, SECTORS - MAX_COUNT);
        vbd_write(t, copy, at, sizes[i], i);
        vbd_check(t, map, at, sizes[i], i);
        vbd_write(t, map, at, sizes[i], i + 100);
        vbd_check(t, copy, at, sizes[i], i + 100);
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
        disk_read_current(vbd_disk(t), 40 + i, buf);
        T_EQ(t, memcmp(buf, want, SECTOR), 0);
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
};
T_SUITE(block, cases);
