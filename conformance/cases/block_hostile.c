/*
 * Block backends against frontends that mean harm: requests that can't be,
 * memory that is not theirs, rings that lie, guests that go away. A bad
 * request is answered with an error and the device goes on; a broken ring
 * costs that device alone.
 *
 * Method: the subject is the raw frontend on 51712 (mapping) and, where the
 * control role makes it, 51728 (copying). The peer is the bystander with a
 * device of its own on the same disk: served before and after.
 *
 * Channels: 1 devices are made, 2 the peer's is, 3 bystander has begun, 4 it
 * may go on, 5 it has been served again; 6 and 7 are a case's own.
 */
#include "conformance/harness.h"

#include <string.h>

#include "conformance/peers/ring_front.h"
#include "conformance/world.h"
#include "pv/block/blkfront.h"

#define VDEV 51712u
#define VDEV_COPY 51728u
#define SECTORS 2048u
#define SECTOR 512u
#define SLOW_NS 5000000ULL

/* -- The bystander --------------------------------------------------------- */

static void bystander_control(struct t *t)
{
    struct world_vbd copy = {.vdev = VDEV_COPY, .mode = BLKBACK_COPY};
    struct world_vbd map = {.vdev = VDEV};
    int err = 0;
    T_REQUIRE(t, world_add_disk(t_world(t), t_domid(t, ROLE_SUBJECT), &copy,
                                &err) != NULL);
    T_REQUIRE(t, world_add_disk(t_world(t), t_domid(t, ROLE_PEER), &map,
                                &err) != NULL);
    t_send(t, 2, 1);
    t_send(t, 1, 1);
}

static void use_disk(struct t *t, struct blkfront *bf, uint8_t fill)
{
    uint8_t out[3 * SECTOR], in[3 * SECTOR];
    memset(out, fill, sizeof(out));
    T_EQ(t, blkfront_write(bf, 2000, out, 3), 0);
    memset(in, 0, sizeof(in));
    T_EQ(t, blkfront_read(bf, 2000, in, 3), 0);
    T_EQ(t, memcmp(in, out, sizeof(in)), 0);
}

static void bystander(struct t *t)
{
    int err = 0;
    (void)t_recv(t, 2);
    struct blkfront *bf = blkfront_open(t->xs, VDEV, &err);
    T_CHECK(t, bf != NULL);
    use_disk(t, bf, 1);
    t_send(t, 3, 1);
    (void)t_recv(t, 4);
    for (uint8_t i = 2; i < 6; i++) {
        use_disk(t, bf, i);
    }
    t_send(t, 5, 1);
    blkfront_close(bf);
}

static void begin(struct t *t)
{
    (void)t_recv(t, 1);
    (void)t_recv(t, 3);
}

static void bystander_served(struct t *t)
{
    t_send(t, 4, 1);
    T_EQ(t, t_recv(t, 5), 1);
}

static struct blkback *backend_of(struct t *t, unsigned slot)
{
    return world_guest(t_world(t), os_domid(t->os))->vbds[slot].bb;
}

static struct disk *disk_of(struct t *t)
{
    return machine_disk(t_world(t)->m, 0);
}

/* The device that was ill-treated still works. */
static void still_works(struct t *t, struct raw_front *f)
{
    uint64_t page = t_page(t, 0xcc);
    grant_ref_t ref = raw_front_grant(f, page, false);
    struct blkif_request r = raw_front_request(BLKIF_OP_READ, 0x600d, 1990,
                                               ref, 0, 7);
    T_EQ(t, raw_front_do(f, &r), BLKIF_RSP_OKAY);
    T_EQ(t, os_load8(t->os, page), 0);
    T_EQ(t, os_grant_end(t->os, ref), 0);
    os_pages_free(t->os, page, 1);
}

/* fn on the mapping device, then on the copying one. */
static void each_mode(struct t *t, void (*fn)(struct t *t,
                                              struct raw_front *f))
{
    static const unsigned vdevs[] = {VDEV, VDEV_COPY};
    begin(t);
    for (unsigned i = 0; i < 2; i++) {
        struct raw_front f;
        raw_front_connect(&f, t, vdevs[i]);
        fn(t, &f);
        still_works(t, &f);
        T_CHECK(t, !blkback_failed(backend_of(t, i)));
        raw_front_close(&f);
    }
    bystander_served(t);
}

/* -- Requests that can't be ------------------------------------------------ */

static void segment_counts(struct t *t, struct raw_front *f)
{
    static const uint8_t counts[] = {0, 12, 13, 128, 255};
    grant_ref_t ref = raw_front_grant(f, t_page(t, 0), false);
    for (unsigned i = 0; i < sizeof(counts); i++) {
        struct blkif_request r =
            raw_front_request(BLKIF_OP_READ, i, 0, ref, 0, 0);
        for (unsigned s = 1; s < 11; s++) {
            r.seg[s] = r.seg[0];
        }
        r.nr_segments = counts[i];
        T_EQ(t, raw_front_do(f, &r), BLKIF_RSP_ERROR);
        r.operation = BLKIF_OP_WRITE;
        T_EQ(t, raw_front_do(f, &r), BLKIF_RSP_ERROR);
    }
}

static void segment_counts_subject(struct t *t)
{
    each_mode(t, segment_counts);
}

static void segment_bounds(struct t *t, struct raw_front *f)
{
    static const uint8_t bounds[][2] = {{1, 0}, {7, 6}, {0, 8}, {7, 8},
                                        {8, 8}, {0, 255}, {255, 255},
                                        {255, 0}};
    uint64_t page = t_page(t, 0x77);
    grant_ref_t ref = raw_front_grant(f, page, false);
    for (unsigned i = 0; i < sizeof(bounds) / 2; i++) {
        struct blkif_request r = raw_front_request(
            BLKIF_OP_READ, i, 8, ref, bounds[i][0], bounds[i][1]);
        T_EQ(t, raw_front_do(f, &r), BLKIF_RSP_ERROR);
        r.operation = BLKIF_OP_WRITE;
        T_EQ(t, raw_front_do(f, &r), BLKIF_RSP_ERROR);
        /* also when a good segment comes first */
        r.operation = BLKIF_OP_READ;
        r.nr_segments = 2;
        r.seg[1] = r.seg[0];
        r.seg[0].first_sect = r.seg[0].last_sect = 0;
        T_EQ(t, raw_front_do(f, &r), BLKIF_RSP_ERROR);
    }
    for (unsigned off = 0; off < OS_PAGE_SIZE; off += 64) {
        T_EQ(t, os_load8(t->os, page + off), 0x77);
    }
}

static void segment_bounds_subject(struct t *t)
{
    each_mode(t, segment_bounds);
}

static void sector_overflow(struct t *t, struct raw_front *f)
{
    static const uint64_t sectors[] = {~0ULL, ~0ULL - 6, ~0ULL - 7, 1ULL << 63,
                                       (1ULL << 55), (1ULL << 32),
                                       (1ULL << 54) - 1, SECTORS,
                                       ~0ULL - SECTORS};
    grant_ref_t ref = raw_front_grant(f, t_page(t, 0xbb), false);
    uint8_t now[SECTOR];
    for (unsigned i = 0; i < sizeof(sectors) / sizeof(sectors[0]); i++) {
        struct blkif_request r =
            raw_front_request(BLKIF_OP_WRITE, i, sectors[i], ref, 0, 7);
        T_EQ(t, raw_front_do(f, &r), BLKIF_RSP_ERROR);
        r.operation = BLKIF_OP_READ;
        T_EQ(t, raw_front_do(f, &r), BLKIF_RSP_ERROR);
    }
    for (unsigned s = 0; s < 8; s++) { /* where it would have come round to */
        disk_read_current(disk_of(t), s, now);
        T_CHECK(t, now[0] != 0xbb);
    }
}

static void sector_overflow_subject(struct t *t)
{
    each_mode(t, sector_overflow);
}

static void unknown_operations(struct t *t, struct raw_front *f)
{
    static const uint8_t ops[] = {BLKIF_OP_WRITE_BARRIER, BLKIF_OP_RESERVED_1,
                                  BLKIF_OP_DISCARD, BLKIF_OP_INDIRECT, 7,
                                  0x80, 0xff};
    grant_ref_t ref = raw_front_grant(f, t_page(t, 0), false);
    for (unsigned i = 0; i < sizeof(ops); i++) {
        struct blkif_request r = raw_front_request(ops[i], i, 0, ref, 0, 0);
        T_EQ(t, raw_front_do(f, &r), BLKIF_RSP_EOPNOTSUPP);
    }
}

static void unknown_operations_subject(struct t *t)
{
    each_mode(t, unknown_operations);
}

static void same_id(struct t *t, struct raw_front *f)
{
    struct blkif_response rsp;
    grant_ref_t ref = raw_front_grant(f, t_page(t, 0), false);
    struct blkif_request r = raw_front_request(BLKIF_OP_READ, 42, 0, ref, 0,
                                               0);
    for (unsigned i = 0; i < 8; i++) {
        raw_front_put(f, &r);
    }
    raw_front_push(f);
    for (unsigned i = 0; i < 8; i++) {
        T_CHECK(t, raw_front_get(f, &rsp, RAW_WAIT_NS));
        T_EQ(t, rsp.id, 42);
        T_EQ(t, rsp.status, BLKIF_RSP_OKAY);
    }
}

static void same_id_subject(struct t *t)
{
    each_mode(t, same_id);
}

static void random_slots(struct t *t, struct raw_front *f)
{
    struct blkif_response rsp;
    for (unsigned round = 0; round < 6; round++) {
        for (unsigned i = 0; i < RAW_SLOTS; i++) {
            struct blkif_request r;
            for (unsigned b = 0; b < sizeof(r); b++) {
                ((uint8_t *)&r)[b] = (uint8_t)t_random(t, 256);
            }
            r.operation = (uint8_t)t_random(t, 8);
            r.nr_segments = (uint8_t)t_random(t, 14);
            raw_front_put(f, &r);
        }
        raw_front_push(f);
        for (unsigned i = 0; i < RAW_SLOTS; i++) {
            T_CHECK(t, raw_front_get(f, &rsp, RAW_WAIT_NS));
            T_CHECK(t, rsp.status == BLKIF_RSP_ERROR ||
                           rsp.status == BLKIF_RSP_EOPNOTSUPP ||
                           rsp.operation == BLKIF_OP_FLUSH_DISKCACHE);
        }
    }
}

static void random_slots_subject(struct t *t)
{
    each_mode(t, random_slots);
}

/* -- Memory that is not theirs --------------------------------------------- */

static void bad_grefs(struct t *t, struct raw_front *f)
{
    grant_ref_t good = raw_front_grant(f, t_page(t, 0), false);
    grant_ref_t ended = raw_front_grant(f, t_page(t, 0), false);
    T_REQUIRE_OK(t, os_grant_end(t->os, ended));
    const grant_ref_t refs[] = {~0u, 1u << 31, 100000, 511, ended};
    for (unsigned i = 0; i < sizeof(refs) / sizeof(refs[0]); i++) {
        for (uint8_t op = BLKIF_OP_READ; op <= BLKIF_OP_WRITE; op++) {
            struct blkif_request r =
                raw_front_request(op, i, 0, refs[i], 0, 0);
            T_EQ(t, raw_front_do(f, &r), BLKIF_RSP_ERROR);
            /* the good ones around it are let go of again */
            r.nr_segments = 3;
            r.seg[1] = r.seg[0];
            r.seg[0].gref = good;
            r.seg[2] = r.seg[0];
            T_EQ(t, raw_front_do(f, &r), BLKIF_RSP_ERROR);
        }
    }
    T_EQ(t, os_grant_end(t->os, good), 0);
}

static void bad_grefs_subject(struct t *t)
{
    each_mode(t, bad_grefs);
}

static void others_gref(struct t *t, struct raw_front *f)
{
    grant_ref_t ref;
    uint64_t page = t_page(t, 0x31);
    /* Granted, but to the peer: the backend has no right to it. */
    T_REQUIRE_OK(t, os_grant_access(t->os, t_domid(t, ROLE_PEER),
                                    os_gfn(t->os, page), false, &ref));
    struct blkif_request r = raw_front_request(BLKIF_OP_READ, 1, 0, ref, 0,
                                               7);
    T_EQ(t, raw_front_do(f, &r), BLKIF_RSP_ERROR);
    r.operation = BLKIF_OP_WRITE;
    T_EQ(t, raw_front_do(f, &r), BLKIF_RSP_ERROR);
    T_EQ(t, os_load8(t->os, page), 0x31);
    T_EQ(t, os_grant_end(t->os, ref), 0);
}

static void others_gref_subject(struct t *t)
{
    each_mode(t, others_gref);
}

static void third_gref(struct t *t, struct raw_front *f)
{
    /* A number that means something in the peer's table, not in ours. */
    grant_ref_t ref = (grant_ref_t)t_recv(t, 6);
    struct blkif_request r = raw_front_request(BLKIF_OP_READ, 1, 0, ref, 0,
                                               7);
    T_EQ(t, raw_front_do(f, &r), BLKIF_RSP_ERROR);
    r.operation = BLKIF_OP_WRITE;
    r.sector_number = 1200;
    T_EQ(t, raw_front_do(f, &r), BLKIF_RSP_ERROR);
    uint8_t now[SECTOR];
    disk_read_current(disk_of(t), 1200, now);
    T_EQ(t, now[0], 0); /* the peer's secret is not on our disk */
}

static void third_gref_subject(struct t *t)
{
    each_mode(t, third_gref);
    t_send(t, 7, 1);
}

static void third_gref_peer(struct t *t)
{
    uint64_t page = t_page(t, 0x5e);
    grant_ref_t ref = 0;
    for (unsigned i = 0; i < 200; i++) {
        T_REQUIRE_OK(t, os_grant_access(t->os, 0, os_gfn(t->os, page), false,
                                        &ref));
    }
    t_send(t, 6, ref);
    t_send(t, 6, ref);
    bystander(t);
    (void)t_recv(t, 7);
    for (unsigned off = 0; off < OS_PAGE_SIZE; off += 64) {
        T_EQ(t, os_load8(t->os, page + off), 0x5e);
    }
}

static void readonly_gref(struct t *t, struct raw_front *f)
{
    uint64_t page = t_page(t, 0x99);
    grant_ref_t ref = raw_front_grant(f, page, true);
    struct blkif_request r = raw_front_request(BLKIF_OP_READ, 1, 0, ref, 0,
                                               7);
    T_EQ(t, raw_front_do(f, &r), BLKIF_RSP_ERROR);
    for (unsigned off = 0; off < OS_PAGE_SIZE; off += 64) {
        T_EQ(t, os_load8(t->os, page + off), 0x99);
    }
    r.operation = BLKIF_OP_WRITE; /* for which it is enough */
    r.sector_number = 1300;
    T_EQ(t, raw_front_do(f, &r), BLKIF_RSP_OKAY);
}

static void readonly_gref_subject(struct t *t)
{
    each_mode(t, readonly_gref);
}

static void same_gref(struct t *t, struct raw_front *f)
{
    uint64_t page = t_page(t, 0x99);
    grant_ref_t ref = raw_front_grant(f, page, false);
    struct blkif_request r = raw_front_request(BLKIF_OP_READ, 1, 100, ref, 0,
                                               7);
    for (unsigned i = 1; i < 11; i++) {
        r.seg[i] = r.seg[0];
    }
    r.nr_segments = 11;
    T_EQ(t, raw_front_do(f, &r), BLKIF_RSP_OKAY);
    T_EQ(t, os_load8(t->os, page), 0);
    T_EQ(t, os_grant_end(t->os, ref), 0); /* not one mapping is left */
}

static void same_gref_subject(struct t *t)
{
    each_mode(t, same_gref);
}

/* -- Rings that lie -------------------------------------------------------- */

/* The backend gives the device up, says why, and takes it up again later. */
static void expect_given_up(struct t *t, struct raw_front *f, unsigned slot)
{
    T_CHECK(t, raw_front_wait(f, RAW_STATE(Closing) | RAW_STATE(Closed)));
    T_CHECK(t, blkback_failed(backend_of(t, slot)));
    T_CHECK(t, !blkback_connected(backend_of(t, slot)));
    T_CHECK(t, raw_front_backend_has(f, "error"));
    raw_front_close(f);
    raw_front_connect(f, t, slot == 0 ? VDEV : VDEV_COPY);
    still_works(t, f);
    raw_front_close(f);
}

static void producer_ahead(struct t *t)
{
    struct raw_front f;
    begin(t);
    raw_front_connect(&f, t, VDEV);
    still_works(t, &f);
    uint32_t ahead = t_random(t, 2) ? RAW_SLOTS + 1 : 0x40000000u;
    os_store32(t->os, RAW_FIELD(&f, req_prod), f.req_prod + ahead);
    T_REQUIRE_OK(t, os_evtchn_send(t->os, f.port));
    expect_given_up(t, &f, 0);
    bystander_served(t);
}

static void producer_back(struct t *t)
{
    struct raw_front f;
    begin(t);
    raw_front_connect(&f, t, VDEV);
    still_works(t, &f);
    still_works(t, &f);
    os_store32(t->os, RAW_FIELD(&f, req_prod), f.req_prod - 1);
    T_REQUIRE_OK(t, os_evtchn_send(t->os, f.port));
    expect_given_up(t, &f, 0);
    bystander_served(t);
}

static void producer_past_responses(struct t *t)
{
    struct raw_front f;
    struct disk_faults slow = {.latency_ns = SLOW_NS}, good = {0};
    begin(t);
    raw_front_connect(&f, t, VDEV_COPY);
    grant_ref_t ref = raw_front_grant(&f, t_page(t, 0), false);
    struct blkif_request r = raw_front_request(BLKIF_OP_READ, 1, 0, ref, 0,
                                               7);
    disk_set_faults(disk_of(t), &slow);
    for (unsigned i = 0; i < 20; i++) {
        raw_front_put(&f, &r);
    }
    raw_front_push(&f);
    t_sleep(t, SLOW_NS / 10); /* taken, not answered: 12 slots are free */
    for (unsigned i = 0; i < 13; i++) {
        raw_front_put(&f, &r);
    }
    raw_front_push(&f);
    T_CHECK(t, raw_front_wait(&f, RAW_STATE(Closing) | RAW_STATE(Closed)));
    disk_set_faults(disk_of(t), &good);
    expect_given_up(t, &f, 1);
    bystander_served(t);
}

static void scribbled_header(struct t *t)
{
    struct raw_front f;
    struct blkif_response rsp;
    begin(t);
    raw_front_connect(&f, t, VDEV);
    uint64_t page = t_page(t, 0);
    grant_ref_t ref = raw_front_grant(&f, page, false);
    for (unsigned i = 0; i < 40; i++) {
        struct blkif_request r = raw_front_request(BLKIF_OP_READ, i, i, ref,
                                                   0, 7);
        /* the backend's half and the padding are not what it goes by */
        os_store32(t->os, RAW_FIELD(&f, rsp_prod), t_random(t, ~0u));
        os_store32(t->os, RAW_FIELD(&f, req_event), t_random(t, ~0u));
        os_store32(t->os, f.page + 16 + 4 * t_random(t, 12),
                   t_random(t, ~0u));
        raw_front_put(&f, &r);
        raw_front_push(&f);
        t_sleep(t, 400000);
        T_EQ(t, os_load32(t->os, RAW_FIELD(&f, rsp_prod)), i + 1);
        T_CHECK(t, raw_front_get(&f, &rsp, RAW_WAIT_NS));
        T_EQ(t, rsp.id, i);
        T_EQ(t, rsp.status, BLKIF_RSP_OKAY);
    }
    raw_front_close(&f);
    bystander_served(t);
}

static void never_consumes(struct t *t)
{
    struct raw_front f;
    begin(t);
    raw_front_connect(&f, t, VDEV);
    grant_ref_t ref = raw_front_grant(&f, t_page(t, 0), false);
    struct blkif_request r = raw_front_request(BLKIF_OP_READ, 1, 0, ref, 0,
                                               0);
    for (unsigned round = 1; round <= 6; round++) {
        for (unsigned i = 0; i < RAW_SLOTS; i++) {
            raw_front_put(&f, &r);
        }
        raw_front_push(&f);
        t_sleep(t, 20000000); /* no response is looked at */
        T_EQ(t, os_load32(t->os, RAW_FIELD(&f, rsp_prod)),
             round * RAW_SLOTS);
    }
    f.rsp_cons = f.req_prod;
    still_works(t, &f);
    raw_front_close(&f);
    bystander_served(t);
}

static void ring_is_the_buffer(struct t *t)
{
    struct raw_front f;
    begin(t);
    raw_front_connect(&f, t, VDEV);
    /* The disk's zeroes go over the ring, indices and all. */
    still_works(t, &f);
    struct blkif_request r = raw_front_request(BLKIF_OP_READ, 1, 0,
                                               f.ring_ref, 0, 7);
    raw_front_put(&f, &r);
    raw_front_push(&f);
    t_sleep(t, 5000000);
    T_REQUIRE_OK(t, os_evtchn_send(t->os, f.port));
    expect_given_up(t, &f, 0);
    bystander_served(t);
}

static void port_closed(struct t *t)
{
    struct raw_front f;
    struct blkif_response rsp;
    struct disk_faults slow = {.latency_ns = SLOW_NS};
    begin(t);
    raw_front_connect(&f, t, VDEV);
    grant_ref_t ref = raw_front_grant(&f, t_page(t, 0), false);
    struct blkif_request r = raw_front_request(BLKIF_OP_READ, 1, 0, ref, 0,
                                               0);
    disk_set_faults(disk_of(t), &slow);
    raw_front_put(&f, &r);
    raw_front_push(&f);
    t_sleep(t, SLOW_NS / 10);
    os_event_handler(t->os, f.port, NULL, NULL);
    T_EQ(t, os_evtchn_close(t->os, f.port), 0);
    t_sleep(t, 3 * SLOW_NS);
    T_CHECK(t, raw_front_get(&f, &rsp, 0)); /* only nobody is told */
    T_EQ(t, rsp.status, BLKIF_RSP_OKAY);
    slow.latency_ns = 0;
    disk_set_faults(disk_of(t), &slow);
    T_REQUIRE_OK(t, os_evtchn_alloc_unbound(t->os, 0, &f.port));
    raw_front_close(&f);
    bystander_served(t);
}

static void event_flood(struct t *t)
{
    struct raw_front f;
    uint64_t done;
    begin(t);
    raw_front_connect(&f, t, VDEV);
    uint64_t before = blkback_stats(backend_of(t, 0))->requests;
    t_send(t, 4, 1); /* the bystander works meanwhile */
    unsigned sent = 0;
    while (!t_try_recv(t, 5, &done)) {
        for (unsigned i = 0; i < 20; i++) {
            T_REQUIRE_OK(t, os_evtchn_send(t->os, f.port));
        }
        sent += 20;
        T_CHECK(t, sent < 200000);
        os_wait(t->os, 1000);
    }
    T_CHECK(t, sent >= 20);
    T_EQ(t, blkback_stats(backend_of(t, 0))->requests, before);
    still_works(t, &f);
    raw_front_close(&f);
}

/* -- Changing what was sent ------------------------------------------------ */

#define RACE_ROUNDS 150u

static void rewrite_subject(struct t *t)
{
    struct raw_front f;
    struct blkif_response rsp;
    uint8_t now[SECTOR];
    begin(t);
    raw_front_connect(&f, t, VDEV_COPY);
    uint64_t page = t_page(t, 0x66);
    grant_ref_t ref = raw_front_grant(&f, page, true);
    struct blkif_request r = raw_front_request(BLKIF_OP_WRITE, 1, 1500, ref,
                                               0, 0);
    for (unsigned i = 0; i < 8; i++) {
        raw_front_put(&f, &r); /* so that the slots are there to rewrite */
    }
    f.req_prod = 0;
    t_send(t, 6, f.page);
    for (unsigned i = 0; i < RACE_ROUNDS; i++) {
        r.id = i;
        raw_front_put(&f, &r);
        raw_front_push(&f);
        T_CHECK(t, raw_front_get(&f, &rsp, RAW_WAIT_NS));
        /* but for the byte where nr_segments was, vcpu1 leaves it alone */
        T_EQ(t, rsp.id & ~0xff00ULL, i);
        T_CHECK(t, rsp.status == BLKIF_RSP_OKAY ||
                       rsp.status == BLKIF_RSP_ERROR);
    }
    t_send(t, 7, 1);
    (void)t_recv(t, 6 + 2); /* vcpu1 has stopped */
    /* What was never named in any version was never written. */
    for (unsigned s = 1490; s < 1530; s++) {
        disk_read_current(disk_of(t), s, now);
        T_CHECK(t, now[0] == 0 || (s >= 1500 && s < 1508) ||
                       (s >= 1510 && s < 1518));
    }
    T_EQ(t, blkback_failed(backend_of(t, 1)), false);
    raw_front_close(&f);
    bystander_served(t);
}

static void rewrite_vcpu1(struct t *t)
{
    static const uint8_t bounds[][2] = {{0, 0}, {0, 7}, {7, 0}, {9, 9},
                                        {0, 255}};
    uint64_t ring = t_recv(t, 6), stop;
    uint64_t slots = ring + offsetof(struct blkif_sring, ring);
    while (!t_try_recv(t, 7, &stop)) {
        uint64_t at = slots + t_random(t, RAW_SLOTS) *
                                  sizeof(union blkif_sring_entry);
        uint64_t seg = at + offsetof(struct blkif_request, seg);
        const uint8_t *b = bounds[t_random(t, 5)];
        os_store8(t->os, seg + 4, b[0]);
        os_store8(t->os, seg + 5, b[1]);
        os_store8(t->os, at + 1, (uint8_t)(t_random(t, 4) ? 1 : 200));
        os_store64(t->os, at + offsetof(struct blkif_request, sector_number),
                   t_random(t, 2) ? 1510 : ~0ULL);
    }
    t_send(t, 8, 1);
}

/* -- Going away ------------------------------------------------------------ */

static void revoke_subject(struct t *t)
{
    struct raw_front f;
    struct blkif_response rsp;
    struct disk_faults slow = {.latency_ns = SLOW_NS};
    begin(t);
    disk_set_faults(disk_of(t), &slow);
    for (unsigned i = 0; i < 2; i++) {
        raw_front_connect(&f, t, i == 0 ? VDEV : VDEV_COPY);
        uint64_t page = t_page(t, 0x12);
        grant_ref_t ref = raw_front_grant(&f, page, false);
        struct blkif_request r = raw_front_request(BLKIF_OP_READ, i, 0, ref,
                                                   0, 7);
        raw_front_put(&f, &r);
        raw_front_push(&f);
        t_sleep(t, SLOW_NS / 10);
        int rc = os_grant_end(t->os, ref);
        /* mapped: it can't be taken back; to be copied: it can */
        T_EQ(t, rc, i == 0 ? -XEN_EBUSY : 0);
        T_CHECK(t, raw_front_get(&f, &rsp, RAW_WAIT_NS));
        T_EQ(t, rsp.status, i == 0 ? BLKIF_RSP_OKAY : BLKIF_RSP_ERROR);
        T_EQ(t, os_load8(t->os, page), i == 0 ? 0 : 0x12);
        if (i == 0) {
            T_EQ(t, os_grant_end(t->os, ref), 0);
        }
        still_works(t, &f);
        raw_front_close(&f);
    }
    slow.latency_ns = 0;
    disk_set_faults(disk_of(t), &slow);
    bystander_served(t);
}

static void closes_mid_request(struct t *t)
{
    struct raw_front f;
    struct disk_faults slow = {.latency_ns = SLOW_NS};
    begin(t);
    raw_front_connect(&f, t, VDEV);
    uint64_t page = t_page(t, 0x12);
    grant_ref_t ref = raw_front_grant(&f, page, false);
    struct blkif_request r = raw_front_request(BLKIF_OP_READ, 1, 0, ref, 0,
                                               7);
    disk_set_faults(disk_of(t), &slow);
    for (unsigned i = 0; i < RAW_SLOTS; i++) {
        raw_front_put(&f, &r);
    }
    raw_front_push(&f);
    t_sleep(t, SLOW_NS / 10);
    raw_front_close(&f); /* returns when the ring's grant is free */
    T_EQ(t, os_grant_end(t->os, ref), 0);
    slow.latency_ns = 0;
    disk_set_faults(disk_of(t), &slow);
    raw_front_connect(&f, t, VDEV);
    still_works(t, &f);
    raw_front_close(&f);
    bystander_served(t);
}

/* Runs in a guest that will be destroyed in the middle of it. */
static void doomed(struct t *t)
{
    struct raw_front f;
    (void)t_recv(t, 6);
    raw_front_connect(&f, t, VDEV);
    grant_ref_t ref = raw_front_grant(&f, t_page(t, 0x12), false);
    struct blkif_request r = raw_front_request(
        t_random(t, 2) ? BLKIF_OP_READ : BLKIF_OP_WRITE, 1, 8, ref, 0, 7);
    for (unsigned i = 0; i < RAW_SLOTS; i++) {
        raw_front_put(&f, &r);
    }
    raw_front_push(&f);
    t_send(t, 7, 1);
    for (;;) {
        os_wait(t->os, 1000000000ULL);
    }
}

static void survivor(struct t *t)
{
    int err = 0;
    (void)t_recv(t, 6);
    struct blkfront *bf = blkfront_open(t->xs, VDEV, &err);
    T_CHECK(t, bf != NULL);
    for (uint8_t i = 1; i < 5; i++) {
        use_disk(t, bf, i);
    }
    blkfront_close(bf);
    t_send(t, 5, 1);
}

static void dies_mid_request(struct t *t)
{
    struct disk_faults slow = {.latency_ns = SLOW_NS}, good = {0};
    struct world_vbd vbd = {.vdev = VDEV};
    struct disk *d = machine_disk(t_world(t)->m, 0);
    int err = 0;
    for (unsigned i = 0; i < 3; i++) {
        vbd.mode = i % 2 ? BLKBACK_COPY : BLKBACK_MAP;
        domid_t dom = t_start_guest(t, doomed, NULL);
        T_REQUIRE(t, world_add_disk(t_world(t), dom, &vbd, &err) != NULL);
        disk_set_faults(d, &slow);
        t_send(t, 6, 1);
        T_EQ(t, t_recv(t, 7), 1);
        t_sleep(t, t_random(t, 2) * SLOW_NS / 10);
        t_destroy_guest(t, dom);
        disk_set_faults(d, &good);
    }
    domid_t dom = t_start_guest(t, survivor, NULL);
    T_REQUIRE(t, world_add_disk(t_world(t), dom, &vbd, &err) != NULL);
    t_send(t, 6, 1);
    T_EQ(t, t_recv(t, 5), 1);
    (void)t_wait_shutdown(t, dom);
    t_destroy_guest(t, dom);
}

#define H (T_DISK | T_HOSTILE)
#define CASE(name, clause, source, flags, fn)                                 \
    {"block_hostile_" name, clause, source, flags, fn, bystander, 0,          \
     bystander_control}
#define REQ "io/blkif.h: struct blkif_request"
#define SEG "io/blkif.h: struct blkif_request_segment"
#define RING "io/ring.h: RING_REQUEST_PROD_OVERFLOW"
static const struct tcase cases[] = {
    CASE("segment_count_out_of_range_is_an_error", "nr_segments is 1 to 11",
         REQ, H, segment_counts_subject),
    CASE("segment_bounds_out_of_range_are_an_error",
         "first_sect <= last_sect <= 7", SEG, H, segment_bounds_subject),
    CASE("sector_number_does_not_overflow",
         "the end is found without wrapping round", REQ, H,
         sector_overflow_subject),
    CASE("unknown_operations_are_eopnotsupp",
         "what was not advertised is BLKIF_RSP_EOPNOTSUPP",
         "io/blkif.h: STATUS RETURN CODES", H, unknown_operations_subject),
    CASE("same_id_twice_is_answered_twice", "ids are the frontend's affair",
         "io/blkif.h: id: private guest value, echoed in resp", H,
         same_id_subject),
    CASE("random_slots_are_errors", "every request gets one response", REQ,
         H, random_slots_subject),
    CASE("bad_references_are_an_error",
         "one bad segment fails the request and leaves nothing mapped", SEG,
         H, bad_grefs_subject),
    CASE("reference_for_another_domain_is_an_error",
         "only what was granted to the backend is used",
         "grant_table.h: GNTST_permission_denied", H, others_gref_subject),
    {"block_hostile_reference_of_a_third_domain_is_an_error",
     "a reference is looked up in the frontend's own table", SEG, H,
     third_gref_subject, third_gref_peer, 0, bystander_control},
    CASE("readonly_reference_is_not_read_into",
         "a read needs a writable grant",
         "io/blkif.h: gref; grant_table.h: GTF_readonly", H,
         readonly_gref_subject),
    CASE("same_reference_in_all_segments_is_served",
         "eleven times one page is a request like any other", SEG, H,
         same_gref_subject),
    CASE("req_prod_ahead_costs_the_device",
         "more requests than slots: the device is given up", RING, H,
         producer_ahead),
    CASE("req_prod_backwards_costs_the_device",
         "fewer requests than were taken: the device is given up", RING, H,
         producer_back),
    CASE("requests_past_free_slots_cost_the_device",
         "a slot is free when its response has been produced", RING, H,
         producer_past_responses),
    CASE("scribbled_ring_header_changes_nothing",
         "the backend keeps its own indices", "io/ring.h: XSA-155", H,
         scribbled_header),
    CASE("responses_never_consumed_harm_nobody",
         "the backend does not wait for rsp_cons", "io/ring.h", H,
         never_consumes),
    CASE("ring_page_as_buffer_costs_the_device",
         "data over the ring is the frontend's own ring broken", RING, H,
         ring_is_the_buffer),
    CASE("event_channel_closed_by_the_frontend",
         "responses are produced, if to nobody",
         "event_channel.h: EVTCHNOP_close", H, port_closed),
    CASE("events_without_requests_do_not_starve_others",
         "a flood of events costs no other device its service",
         "event_channel.h: EVTCHNOP_send", H, event_flood),
    {"block_hostile_request_rewritten_while_it_is_read",
     "a request is fetched once, checked and used as fetched", "XSA-155",
     H | T_SMP, rewrite_subject, bystander, rewrite_vcpu1,
     bystander_control},
    CASE("grant_revoked_mid_request",
         "a mapped page stays granted, a copy fails",
         "grant_table.h: GTF_reading, GTF_writing", H, revoke_subject),
    CASE("frontend_closes_mid_request",
         "all is unmapped before the backend is Closed",
         "io/blkif.h: STATE DIAGRAMS", H, closes_mid_request),
    {"block_hostile_frontend_dies_mid_request",
     "a destroyed frontend leaves no page, and others are served",
     "domctl.h: XEN_DOMCTL_destroydomain", H | T_CONTROL, dies_mid_request,
     0, 0, 0},
};
T_SUITE(block_hostile, cases);
