/*
 * blkfront against backends that break io/blkif.h's and io/ring.h's rules,
 * played by the test over the fake machine.
 */
#include "pv/tests/fake_block.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <xen/io/xenbus.h>

static int make(void **state)
{
    struct rig *r = calloc(1, sizeof(*r));

    rig_make(r, false);
    *state = r;
    return 0;
}

static int drop(void **state)
{
    rig_drop(*state);
    free(*state);
    return 0;
}

struct watched {
    struct blkfront_req req;
    int status;
    unsigned done;
};

static void watched_done(struct os *os, struct blkfront_req *req, int status)
{
    struct watched *w = req->ctx;

    (void)os;
    w->status = status;
    w->done++;
}

static struct blkfront *open_raw(struct rig *r, struct watched *w)
{
    struct blkfront *bf;
    int err;

    rig_raw_back(r, 512);
    bf = blkfront_open(r->xs1, RIG_VDEV, &err);
    assert_non_null(bf);
    memset(w, 0, sizeof(*w));
    w->req.op = OS_DISK_READ;
    w->req.count = 8;
    w->req.addr = os_pages_alloc(r->os1, 1);
    w->req.done = watched_done;
    w->req.ctx = w;
    assert_int_equal(blkfront_submit(bf, &w->req), 0);
    return bf;
}

static void broken(struct rig *r, struct blkfront *bf, struct watched *w)
{
    os_wait(r->os1, 1000000);
    assert_false(blkfront_connected(bf));
    assert_int_equal(w->done, 1);
    assert_int_equal(w->status, BLKIF_RSP_ERROR);
    assert_int_equal(rig_state(r, RIG_FRONT), XenbusStateClosed);
    assert_int_equal(blkfront_submit(bf, &w->req), -XEN_EIO);
    blkfront_close(bf);
    assert_int_equal(w->done, 1);
}

static void frontend_refuses_response_to_nothing(void **state)
{
    struct rig *r = *state;
    struct watched w;
    struct blkfront *bf = open_raw(r, &w);
    struct blkif_request q;

    assert_true(rig_raw_take(r, &q));
    rig_raw_respond(r, q.id + 1, q.operation, BLKIF_RSP_OKAY);
    broken(r, bf, &w);
}

static void frontend_refuses_response_id_out_of_range(void **state)
{
    struct rig *r = *state;
    struct watched w;
    struct blkfront *bf = open_raw(r, &w);
    struct blkif_request q;

    assert_true(rig_raw_take(r, &q));
    rig_raw_respond(r, ~0ULL, q.operation, BLKIF_RSP_OKAY);
    broken(r, bf, &w);
}

static void frontend_refuses_response_with_other_operation(void **state)
{
    struct rig *r = *state;
    struct watched w;
    struct blkfront *bf = open_raw(r, &w);
    struct blkif_request q;

    assert_true(rig_raw_take(r, &q));
    rig_raw_respond(r, q.id, BLKIF_OP_WRITE, BLKIF_RSP_OKAY);
    broken(r, bf, &w);
}

static void frontend_refuses_more_responses_than_requests(void **state)
{
    struct rig *r = *state;
    struct watched w;
    struct blkfront *bf = open_raw(r, &w);

    os_store32(r->os0, r->back_map.addr + 8, 2); /* io/ring.h: rsp_prod */
    os_evtchn_send(r->os0, r->port);
    broken(r, bf, &w);
}

static void frontend_fails_requests_when_backend_closes(void **state)
{
    struct rig *r = *state;
    struct watched w;
    struct blkfront *bf = open_raw(r, &w);

    rig_write(r, RIG_BACK, "state", "%d", XenbusStateClosing);
    broken(r, bf, &w);
}

static void frontend_keeps_good_data_and_grants(void **state)
{
    struct rig *r = *state;
    struct watched w;
    struct blkfront *bf = open_raw(r, &w);
    struct blkif_request q;

    assert_true(rig_raw_take(r, &q));
    assert_int_equal(q.nr_segments, 1);
    rig_raw_respond(r, q.id, q.operation, BLKIF_RSP_OKAY);
    os_wait(r->os1, 1000000);
    assert_int_equal(w.done, 1);
    assert_int_equal(w.status, BLKIF_RSP_OKAY);
    assert_int_equal(w.req.nr_refs, 0);
    assert_int_equal(blkfront_outstanding(bf), 0);
    blkfront_close(bf);
}

static void frontend_refuses_large_sector_size(void **state)
{
    struct rig *r = *state;
    int err = 0;

    rig_raw_back(r, 4096);
    assert_null(blkfront_open(r->xs1, RIG_VDEV, &err));
    assert_int_equal(err, -XEN_EINVAL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, make, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(frontend_refuses_response_to_nothing),
        T(frontend_refuses_response_id_out_of_range),
        T(frontend_refuses_response_with_other_operation),
        T(frontend_refuses_more_responses_than_requests),
        T(frontend_fails_requests_when_backend_closes),
        T(frontend_keeps_good_data_and_grants),
        T(frontend_refuses_large_sector_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
