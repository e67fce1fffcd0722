/*
 * The block pair over the fake machine: io/blkif.h's rules, and hostile
 * frontends against blkback (hostile backends: test_blkfront.c). What it
 * doesn't prove: anything about the hypervisor's grants and events.
 */
#include "pv/tests/fake_block.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <xen/io/protocols.h>
#include <xen/io/xenbus.h>

static int make(void **state)
{
    struct rig *r = calloc(1, sizeof(*r));

    rig_make(r, false);
    *state = r;
    return 0;
}

static int make_readonly(void **state)
{
    struct rig *r = calloc(1, sizeof(*r));

    rig_make(r, true);
    *state = r;
    return 0;
}

static int drop(void **state)
{
    rig_drop(*state);
    free(*state);
    return 0;
}

/* A page of domain 1, granted to domain 0. */
static grant_ref_t granted(struct rig *r, uint64_t *page, bool readonly)
{
    grant_ref_t ref;

    *page = os_pages_alloc(r->os1, 1);
    assert_int_equal(os_grant_access(r->os1, 0, os_gfn(r->os1, *page),
                                     readonly, &ref),
                     0);
    return ref;
}

static struct blkif_request request(uint8_t op, uint64_t id, uint64_t sector,
                                    grant_ref_t ref)
{
    struct blkif_request q;

    memset(&q, 0, sizeof(q));
    q.operation = op;
    q.nr_segments = 1;
    q.id = id;
    q.sector_number = sector;
    q.seg[0].gref = ref;
    q.seg[0].last_sect = 7;
    return q;
}

static int answer(struct rig *r, const struct blkif_request *q)
{
    rig_request(r, q);
    rig_push(r);
    assert_int_equal(rig_responses(r), 1);
    return rig_response(r, q->id);
}

/* -- Both drivers ---------------------------------------------------------- */

static void round_trip(struct rig *r, enum blkback_mode mode)
{
    uint8_t out[200 * 512], in[200 * 512];
    struct blkfront *bf;
    int err;

    rig_backend(r, mode);
    bf = blkfront_open(r->xs1, RIG_VDEV, &err);
    assert_non_null(bf);
    assert_int_equal(blkfront_sectors(bf), RIG_SECTORS);
    assert_true(blkfront_has_flush(bf));
    for (unsigned i = 0; i < sizeof(out); i++) {
        out[i] = (uint8_t)(i * 7 + i / 512);
    }
    assert_int_equal(blkfront_write(bf, 3, out, 200), 0);
    assert_int_equal(blkfront_flush(bf), 0);
    assert_int_equal(blkfront_read(bf, 3, in, 200), 0);
    assert_memory_equal(in, out, sizeof(in));
    assert_memory_equal(fake_disk_data(r->f, 0) + 3 * 512, out, sizeof(out));
    assert_int_equal(blkfront_read(bf, RIG_SECTORS - 1, in, 2), -XEN_EINVAL);
    blkfront_close(bf);
    rig_run(r);
    assert_int_equal(rig_state(r, RIG_FRONT), XenbusStateClosed);
    assert_int_equal(rig_state(r, RIG_BACK), XenbusStateClosed);
}

static void blkif_round_trip_mapped(void **state)
{
    round_trip(*state, BLKBACK_MAP);
}

static void blkif_round_trip_copied(void **state)
{
    round_trip(*state, BLKBACK_COPY);
}

/* io/xenbus.h: Closed -> Initialising; nothing is left of the first time. */
static void xenbus_frontend_reconnects_after_closed(void **state)
{
    struct rig *r = *state;
    unsigned ports, maps, pages;
    struct xen_leak {
        unsigned ports, maps, pages;
    } first = { 0 };

    rig_backend(r, BLKBACK_MAP);
    for (unsigned i = 0; i < 3; i++) {
        uint8_t buf[512];
        int err;
        struct blkfront *bf = blkfront_open(r->xs1, RIG_VDEV, &err);

        assert_non_null(bf);
        assert_int_equal(blkfront_read(bf, 0, buf, 1), 0);
        blkfront_close(bf);
        rig_run(r);
        ports = fake_open_ports(r->os0) + fake_open_ports(r->os1);
        maps = fake_mappings(r->os0);
        pages = fake_free_pages(r->os0) + fake_free_pages(r->os1);
        if (i == 0) {
            first = (struct xen_leak){ ports, maps, pages };
        }
        assert_int_equal(ports, first.ports);
        assert_int_equal(maps, first.maps);
        assert_int_equal(pages, first.pages);
    }
    blkback_destroy(r->bb);
}

static void blkif_info_readonly_refuses_writes(void **state)
{
    struct rig *r = *state;
    uint8_t buf[512] = { 0 };
    struct blkfront *bf;
    int err;

    rig_backend(r, BLKBACK_MAP);
    bf = blkfront_open(r->xs1, RIG_VDEV, &err);
    assert_non_null(bf);
    assert_true(blkfront_readonly(bf));
    assert_int_equal(blkfront_write(bf, 0, buf, 1), -XEN_EROFS);
    assert_int_equal(blkfront_read(bf, 0, buf, 1), 0);
    blkfront_close(bf);
}

/* -- Hostile frontend ------------------------------------------------------ */

static void blkif_write_to_readonly_is_an_error(void **state)
{
    struct rig *r = *state;
    struct blkif_request q;
    uint64_t page;

    rig_backend(r, BLKBACK_MAP);
    rig_raw_front(r, NULL);
    q = request(BLKIF_OP_WRITE, 1, 0, granted(r, &page, false));
    assert_int_equal(answer(r, &q), BLKIF_RSP_ERROR);
}

static void segments(struct rig *r, enum blkback_mode mode)
{
    struct blkif_request q;
    grant_ref_t ref;
    uint64_t page;

    rig_backend(r, mode);
    rig_raw_front(r, XEN_IO_PROTO_ABI_X86_64);
    ref = granted(r, &page, false);
    q = request(BLKIF_OP_READ, 1, 0, ref);
    q.nr_segments = 0;
    assert_int_equal(answer(r, &q), BLKIF_RSP_ERROR);
    q.nr_segments = BLKIF_MAX_SEGMENTS_PER_REQUEST + 1;
    assert_int_equal(answer(r, &q), BLKIF_RSP_ERROR);
    q.nr_segments = 255;
    assert_int_equal(answer(r, &q), BLKIF_RSP_ERROR);
    q = request(BLKIF_OP_READ, 2, 0, ref);
    q.seg[0].last_sect = 8;
    assert_int_equal(answer(r, &q), BLKIF_RSP_ERROR);
    q.seg[0].first_sect = 5;
    q.seg[0].last_sect = 4;
    assert_int_equal(answer(r, &q), BLKIF_RSP_ERROR);
    q = request(BLKIF_OP_READ, 3, RIG_SECTORS - 7, ref);
    assert_int_equal(answer(r, &q), BLKIF_RSP_ERROR);
    q.sector_number = ~0ULL - 3; /* the sum wraps */
    assert_int_equal(answer(r, &q), BLKIF_RSP_ERROR);
    q.sector_number = RIG_SECTORS - 8;
    assert_int_equal(answer(r, &q), BLKIF_RSP_OKAY);
    assert_int_equal(blkback_stats(r->bb)->requests,
                     blkback_stats(r->bb)->responses);
}

static void blkif_bad_segments_are_errors_mapped(void **state)
{
    segments(*state, BLKBACK_MAP);
}

static void blkif_bad_segments_are_errors_copied(void **state)
{
    segments(*state, BLKBACK_COPY);
}

static void blkif_unknown_operations_are_eopnotsupp(void **state)
{
    static const uint8_t ops[] = { BLKIF_OP_WRITE_BARRIER,
                                   BLKIF_OP_RESERVED_1, BLKIF_OP_DISCARD,
                                   BLKIF_OP_INDIRECT, 7, 255 };
    struct rig *r = *state;
    uint64_t page;
    grant_ref_t ref;

    rig_backend(r, BLKBACK_MAP);
    rig_raw_front(r, NULL);
    ref = granted(r, &page, false);
    for (unsigned i = 0; i < sizeof(ops); i++) {
        struct blkif_request q = request(ops[i], 100 + i, 0, ref);

        assert_int_equal(answer(r, &q), BLKIF_RSP_EOPNOTSUPP);
    }
}

static void bad_grants(struct rig *r, enum blkback_mode mode)
{
    struct blkif_request q;
    grant_ref_t good, read;
    uint64_t page;

    rig_backend(r, mode);
    rig_raw_front(r, NULL);
    good = granted(r, &page, false);
    read = granted(r, &page, true);
    q = request(BLKIF_OP_WRITE, 1, 0, 0xfffffff0u);
    assert_int_equal(answer(r, &q), BLKIF_RSP_ERROR);
    q = request(BLKIF_OP_READ, 2, 0, read); /* into a read-only page */
    assert_int_equal(answer(r, &q), BLKIF_RSP_ERROR);
    q = request(BLKIF_OP_WRITE, 3, 0, good); /* the second of two is bad */
    q.nr_segments = 2;
    q.seg[1].gref = 4000;
    q.seg[1].last_sect = 7;
    assert_int_equal(answer(r, &q), BLKIF_RSP_ERROR);
    q = request(BLKIF_OP_WRITE, 4, 0, read);
    assert_int_equal(answer(r, &q), BLKIF_RSP_OKAY);
    assert_int_equal(os_grant_end(r->os1, good), 0);
    assert_int_equal(os_grant_end(r->os1, read), 0);
}

static void blkif_bad_grants_are_errors_mapped(void **state)
{
    bad_grants(*state, BLKBACK_MAP);
}

static void blkif_bad_grants_are_errors_copied(void **state)
{
    bad_grants(*state, BLKBACK_COPY);
}

static void blkif_flush_needs_no_segments(void **state)
{
    struct rig *r = *state;
    struct blkif_request q;
    uint64_t page;

    rig_backend(r, BLKBACK_MAP);
    rig_raw_front(r, NULL);
    q = request(BLKIF_OP_FLUSH_DISKCACHE, 9, 0, 0);
    q.nr_segments = 0;
    assert_int_equal(answer(r, &q), BLKIF_RSP_OKAY);
    q = request(BLKIF_OP_FLUSH_DISKCACHE, 10, 2, granted(r, &page, true));
    os_store32(r->os1, page, 0xfeedbeef);
    assert_int_equal(answer(r, &q), BLKIF_RSP_OKAY);
    assert_memory_equal(fake_disk_data(r->f, 0) + 1024, "\xef\xbe\xed\xfe",
                        4);
}

static void blkif_disk_errors_are_reported(void **state)
{
    struct rig *r = *state;
    struct blkif_request q;
    uint64_t page;

    rig_backend(r, BLKBACK_COPY);
    rig_raw_front(r, NULL);
    q = request(BLKIF_OP_READ, 1, 0, granted(r, &page, false));
    fake_disk_fail(r->f, 0, 1);
    assert_int_equal(answer(r, &q), BLKIF_RSP_ERROR);
    assert_int_equal(answer(r, &q), BLKIF_RSP_OKAY);
}

/* io/ring.h: RING_REQUEST_PROD_OVERFLOW */
static void ring_overflow_fails_the_device(void **state)
{
    struct rig *r = *state;
    unsigned mapped;

    rig_backend(r, BLKBACK_MAP);
    mapped = fake_mappings(r->os0);
    rig_raw_front(r, NULL);
    assert_int_equal(fake_mappings(r->os0), mapped + 1);
    os_store32(r->os1, r->page, r->front.size + 1);
    os_evtchn_send(r->os1, r->port);
    rig_run(r);
    assert_true(blkback_failed(r->bb));
    assert_false(blkback_connected(r->bb));
    assert_int_equal(rig_state(r, RIG_BACK), XenbusStateClosing);
    assert_int_equal(fake_mappings(r->os0), mapped);
    rig_write(r, RIG_FRONT, "state", "%d", XenbusStateClosed);
    rig_run(r);
    assert_int_equal(rig_state(r, RIG_BACK), XenbusStateClosed);
    blkback_destroy(r->bb);
}

/* XSA-155: the request changes after it was read once. */
struct fetch_hook {
    struct rig *r;
    unsigned reads; /* of the request's slot, by the backend */
    bool changed;
};

static void fetch_changed(void *ctx, struct os *os, uint64_t addr, size_t len,
                          bool write)
{
    struct fetch_hook *h = ctx;
    const unsigned slot = sizeof(struct blkif_request);

    /* Slot 0 lies behind the ring's header of 64 bytes. */
    if (os != h->r->os0 || write) {
        return;
    }
    if (len == slot && addr % OS_PAGE_SIZE == 64) {
        h->reads++;
    } else if (h->reads == 1 && !h->changed) {
        h->changed = true;
        /* 255 segments of unknown pages: what a second look would see. */
        for (unsigned i = 1; i < slot; i++) {
            os_store8(h->r->os1, h->r->page + 64 + i, 0xff);
        }
    }
}

static void ring_request_is_fetched_once(void **state)
{
    struct rig *r = *state;
    struct fetch_hook h = { .r = r };
    struct blkif_request q;
    uint64_t page;

    rig_backend(r, BLKBACK_MAP);
    rig_raw_front(r, NULL);
    q = request(BLKIF_OP_READ, 1, 0, granted(r, &page, false));
    rig_request(r, &q);
    fake_set_access_hook(r->f, fetch_changed, &h);
    rig_push(r);
    fake_set_access_hook(r->f, NULL, NULL);
    assert_int_equal(h.reads, 1);
    assert_true(h.changed);
    assert_int_equal(rig_response(r, 1), BLKIF_RSP_OKAY);
}

static void blkif_full_ring_is_served_within_bounds(void **state)
{
    struct rig *r = *state;
    unsigned seen = 0;
    uint64_t page;
    grant_ref_t ref;

    rig_backend(r, BLKBACK_MAP);
    rig_raw_front(r, NULL);
    ref = granted(r, &page, false);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < r->front.size; i++) {
            struct blkif_request q =
                request(i % 3 ? BLKIF_OP_READ : 77, i, 0, ref);

            rig_request(r, &q);
        }
        rig_push(r);
        assert_int_equal(rig_responses(r), r->front.size);
        while (rig_responses(r)) {
            uint8_t slot[sizeof(struct blkif_request)];

            ring_front_get(&r->front, slot);
            seen++;
        }
    }
    assert_int_equal(seen, 3 * r->front.size);
    assert_int_equal(blkback_stats(r->bb)->responses, seen);
    assert_true(blkback_stats(r->bb)->max_in_flight <= r->front.size);
}

static void frontend_dies_mid_request(struct rig *r, enum blkback_mode mode)
{
    unsigned maps = fake_mappings(r->os0), ports = fake_open_ports(r->os0);
    unsigned pages = fake_free_pages(r->os0);
    uint64_t page;
    grant_ref_t ref;

    rig_backend(r, mode);
    rig_raw_front(r, NULL);
    ref = granted(r, &page, false);
    for (unsigned i = 0; i < 8; i++) {
        struct blkif_request q = request(BLKIF_OP_READ, i, 8 * i, ref);

        rig_request(r, &q);
    }
    if (ring_front_push(&r->front)) {
        os_evtchn_send(r->os1, r->port);
    }
    os_wait(r->os0, 0); /* the backend takes them; no disk time passes */
    assert_true(blkback_stats(r->bb)->requests > 0);
    fake_domain_kill(r->f, 1);
    assert_int_equal(xs_rm(r->xs0, 0, "/local/domain/1"), 0);
    rig_run(r);
    assert_int_equal(rig_state(r, RIG_BACK), XenbusStateClosed);
    blkback_destroy(r->bb);
    rig_run(r);
    /* xenstored's mapping of the dead domain's ring may be gone too */
    assert_true(fake_mappings(r->os0) <= maps);
    assert_true(fake_open_ports(r->os0) <= ports);
    assert_int_equal(fake_free_pages(r->os0), pages);
}

static void frontend_death_leaves_nothing_mapped(void **state)
{
    frontend_dies_mid_request(*state, BLKBACK_MAP);
}

static void frontend_death_leaves_nothing_copied(void **state)
{
    frontend_dies_mid_request(*state, BLKBACK_COPY);
}

static void protocol_x86_32_slots_are_understood(void **state)
{
    struct rig *r = *state;
    struct blkif_request q;
    uint64_t page;

    rig_backend(r, BLKBACK_MAP);
    rig_raw_front(r, XEN_IO_PROTO_ABI_X86_32);
    assert_int_equal(rig_state(r, RIG_BACK), XenbusStateConnected);
    q = request(BLKIF_OP_WRITE, 0x1122334455667788ULL, 5,
                granted(r, &page, true));
    os_store32(r->os1, page, 0x01020304);
    assert_int_equal(answer(r, &q), BLKIF_RSP_OKAY);
    assert_memory_equal(fake_disk_data(r->f, 0) + 5 * 512, "\4\3\2\1", 4);
}

static void protocol_unknown_is_refused(void **state)
{
    struct rig *r = *state;

    rig_backend(r, BLKBACK_MAP);
    rig_raw_front(r, "vax-abi");
    assert_int_equal(rig_state(r, RIG_BACK), XenbusStateClosing);
    assert_false(blkback_connected(r->bb));
}

static void ring_ref_that_is_not_granted_is_refused(void **state)
{
    struct rig *r = *state;

    rig_backend(r, BLKBACK_MAP);
    rig_write(r, RIG_FRONT, "ring-ref", "3999");
    rig_write(r, RIG_FRONT, "event-channel", "1");
    rig_write(r, RIG_FRONT, "state", "%d", XenbusStateInitialised);
    rig_run(r);
    assert_int_equal(rig_state(r, RIG_BACK), XenbusStateClosing);
    assert_false(blkback_connected(r->bb));
}

#define T(f) cmocka_unit_test_setup_teardown(f, make, drop)
#define TRO(f) cmocka_unit_test_setup_teardown(f, make_readonly, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(blkif_round_trip_mapped),
        T(blkif_round_trip_copied),
        T(xenbus_frontend_reconnects_after_closed),
        TRO(blkif_info_readonly_refuses_writes),
        TRO(blkif_write_to_readonly_is_an_error),
        T(blkif_bad_segments_are_errors_mapped),
        T(blkif_bad_segments_are_errors_copied),
        T(blkif_unknown_operations_are_eopnotsupp),
        T(blkif_bad_grants_are_errors_mapped),
        T(blkif_bad_grants_are_errors_copied),
        T(blkif_flush_needs_no_segments),
        T(blkif_disk_errors_are_reported),
        T(ring_overflow_fails_the_device),
        T(ring_request_is_fetched_once),
        T(blkif_full_ring_is_served_within_bounds),
        T(frontend_death_leaves_nothing_mapped),
        T(frontend_death_leaves_nothing_copied),
        T(protocol_x86_32_slots_are_understood),
        T(protocol_unknown_is_refused),
        T(ring_ref_that_is_not_granted_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
