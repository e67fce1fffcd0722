/*
 * Block backends against frontends that mean harm: requests that can't be
 * and memory that is not theirs. A bad request is answered with an error and
 * the device goes on. Method and channels: peers/bystander.h.
 */
#include "conformance/harness.h"

#include <string.h>

#include "conformance/peers/bystander.h"

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
    hostile_each_mode(t, segment_counts);
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
    hostile_each_mode(t, segment_bounds);
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
        disk_read_current(vbd_disk(t), s, now);
        T_CHECK(t, now[0] != 0xbb);
    }
}

static void sector_overflow_subject(struct t *t)
{
    hostile_each_mode(t, sector_overflow);
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
    hostile_each_mode(t, unknown_operations);
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
    hostile_each_mode(t, same_id);
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
    hostile_each_mode(t, random_slots);
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
    hostile_each_mode(t, bad_grefs);
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
    hostile_each_mode(t, others_gref);
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
    disk_read_current(vbd_disk(t), 1200, now);
    T_EQ(t, now[0], 0); /* the peer's secret is not on our disk */
}

static void third_gref_subject(struct t *t)
{
    hostile_each_mode(t, third_gref);
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
    hostile_each_mode(t, readonly_gref);
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
    hostile_each_mode(t, same_gref);
}

#define REQ "io/blkif.h: struct blkif_request"
#define SEG "io/blkif.h: struct blkif_request_segment"
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
};
T_SUITE(block_hostile, cases);
