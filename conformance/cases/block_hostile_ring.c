/*
 * Block backends against frontends that mean harm: rings that lie, requests
 * that change, guests that go away. A broken ring costs that device alone.
 * Method and channels: peers/bystander.h.
 */
#include "conformance/harness.h"

#include <string.h>

#include "conformance/peers/bystander.h"

/* -- Rings that lie -------------------------------------------------------- */

/* The backend gives the device up, says why, and takes it up again later. */
static void expect_given_up(struct t *t, struct raw_front *f, unsigned slot)
{
    T_CHECK(t, raw_front_wait(f, RAW_STATE(Closing) | RAW_STATE(Closed)));
    T_CHECK(t, blkback_failed(hostile_backend(t, slot)));
    T_CHECK(t, !blkback_connected(hostile_backend(t, slot)));
    T_CHECK(t, raw_front_backend_has(f, "error"));
    raw_front_close(f);
    raw_front_connect(f, t, slot == 0 ? VDEV : VDEV_COPY);
    hostile_still_works(t, f);
    raw_front_close(f);
}

static void producer_ahead(struct t *t)
{
    struct raw_front f;
    hostile_begin(t);
    raw_front_connect(&f, t, VDEV);
    hostile_still_works(t, &f);
    uint32_t ahead = t_random(t, 2) ? RAW_SLOTS + 1 : 0x40000000u;
    os_store32(t->os, RAW_FIELD(&f, req_prod), f.req_prod + ahead);
    T_REQUIRE_OK(t, os_evtchn_send(t->os, f.port));
    expect_given_up(t, &f, 0);
    bystander_served(t);
}

static void producer_back(struct t *t)
{
    struct raw_front f;
    hostile_begin(t);
    raw_front_connect(&f, t, VDEV);
    hostile_still_works(t, &f);
    hostile_still_works(t, &f);
    os_store32(t->os, RAW_FIELD(&f, req_prod), f.req_prod - 1);
    T_REQUIRE_OK(t, os_evtchn_send(t->os, f.port));
    expect_given_up(t, &f, 0);
    bystander_served(t);
}

static void producer_past_responses(struct t *t)
{
    struct raw_front f;
    struct disk_faults slow = {.latency_ns = SLOW_NS}, good = {0};
    hostile_begin(t);
    raw_front_connect(&f, t, VDEV_COPY);
    grant_ref_t ref = raw_front_grant(&f, t_page(t, 0), false);
    struct blkif_request r = raw_front_request(BLKIF_OP_READ, 1, 0, ref, 0,
                                               7);
    disk_set_faults(vbd_disk(t), &slow);
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
    disk_set_faults(vbd_disk(t), &good);
    expect_given_up(t, &f, 1);
    bystander_served(t);
}

static void scribbled_header(struct t *t)
{
    struct raw_front f;
    struct blkif_response rsp;
    hostile_begin(t);
    raw_front_connect(&f, t, VDEV);
    uint64_t page = t_page(t, 0);
    grant_ref_t ref = raw_front_grant(&f, page, false);
    for (unsigned i = 0; i < 40; i++) {
        struct blkif_request r = raw_front_request(BLKIF_OP_READ, i, i, ref,
                                                   0, 7);
        /* the backend's half and the padding are not what it goes by */
        os_store32(t->os, RAW_FIELD(&f, rsp_prod), t_random(t, ~0u));
        os_store32(t->os, RAW_FIELD(&f, req_event), t_random(t, ~0u));
        unsigned word = t_random(t, 12); /* drawn first, on any compiler */
        os_store32(t->os, f.page + 16 + 4 * word, t_random(t, ~0u));
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
    hostile_begin(t);
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
    hostile_still_works(t, &f);
    raw_front_close(&f);
    bystander_served(t);
}

static void ring_is_the_buffer(struct t *t)
{
    struct raw_front f;
    hostile_begin(t);
    raw_front_connect(&f, t, VDEV);
    /* The disk's zeroes go over the ring, indices and all. */
    hostile_still_works(t, &f);
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
    hostile_begin(t);
    raw_front_connect(&f, t, VDEV);
    grant_ref_t ref = raw_front_grant(&f, t_page(t, 0), false);
    struct blkif_request r = raw_front_request(BLKIF_OP_READ, 1, 0, ref, 0,
                                               0);
    disk_set_faults(vbd_disk(t), &slow);
    raw_front_put(&f, &r);
    raw_front_push(&f);
    t_sleep(t, SLOW_NS / 10);
    os_event_handler(t->os, f.port, NULL, NULL);
    T_EQ(t, os_evtchn_close(t->os, f.port), 0);
    t_sleep(t, 3 * SLOW_NS);
    T_CHECK(t, raw_front_get(&f, &rsp, 0)); /* only nobody is told */
    T_EQ(t, rsp.status, BLKIF_RSP_OKAY);
    slow.latency_ns = 0;
    disk_set_faults(vbd_disk(t), &slow);
    T_REQUIRE_OK(t, os_evtchn_alloc_unbound(t->os, 0, &f.port));
    raw_front_close(&f);
    bystander_served(t);
}

static void event_flood(struct t *t)
{
    struct raw_front f;
    uint64_t done;
    hostile_begin(t);
    raw_front_connect(&f, t, VDEV);
    uint64_t before = blkback_stats(hostile_backend(t, 0))->requests;
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
    T_EQ(t, blkback_stats(hostile_backend(t, 0))->requests, before);
    hostile_still_works(t, &f);
    raw_front_close(&f);
}

/* -- Changing what was sent ------------------------------------------------ */

#define RACE_ROUNDS 150u

static void rewrite_subject(struct t *t)
{
    struct raw_front f;
    struct blkif_response rsp;
    uint8_t now[SECTOR];
    hostile_begin(t);
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
        disk_read_current(vbd_disk(t), s, now);
        T_CHECK(t, now[0] == 0 || (s >= 1500 && s < 1508) ||
                       (s >= 1510 && s < 1518));
    }
    T_EQ(t, blkback_failed(hostile_backend(t, 1)), false);
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
    hostile_begin(t);
    disk_set_faults(vbd_disk(t), &slow);
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
        hostile_still_works(t, &f);
        raw_front_close(&f);
    }
    slow.latency_ns = 0;
    disk_set_faults(vbd_disk(t), &slow);
    bystander_served(t);
}

static void closes_mid_request(struct t *t)
{
    struct raw_front f;
    struct disk_faults slow = {.latency_ns = SLOW_NS};
    hostile_begin(t);
    raw_front_connect(&f, t, VDEV);
    uint64_t page = t_page(t, 0x12);
    grant_ref_t ref = raw_front_grant(&f, page, false);
    struct blkif_request r = raw_front_request(BLKIF_OP_READ, 1, 0, ref, 0,
                                               7);
    disk_set_faults(vbd_disk(t), &slow);
    for (unsigned i = 0; i < RAW_SLOTS; i++) {
        raw_front_put(&f, &r);
    }
    raw_front_push(&f);
    t_sleep(t, SLOW_NS / 10);
    raw_front_close(&f); /* returns when the ring's grant is free */
    T_EQ(t, os_grant_end(t->os, ref), 0);
    slow.latency_ns = 0;
    disk_set_faults(vbd_disk(t), &slow);
    raw_front_connect(&f, t, VDEV);
    hostile_still_works(t, &f);
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
        bystander_use_disk(t, bf, i);
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

#define RING "io/ring.h: RING_REQUEST_PROD_OVERFLOW"
static const struct tcase cases[] = {
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
T_SUITE(block_hostile_ring, cases);
