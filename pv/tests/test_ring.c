/*
 * Shared rings: io/ring.h's rules, and what a hostile other side can do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pv/lib.h"
#include "pv/ring.h"
#include "pv/tests/fake_os.h"

struct world {
    struct fake *f;
    struct os *front, *back;
    struct ring_front rf;
    struct ring_back rb;
    uint64_t page;
    struct os_grant_map map;
};

static int set_up(void **state)
{
    struct world *w = test_calloc(1, sizeof(*w));
    grant_ref_t ref;

    w->f = fake_create();
    w->back = fake_domain(w->f, 0, 64);
    w->front = fake_domain(w->f, 5, 64);
    w->page = os_pages_alloc(w->front, 1);
    ring_front_init(&w->rf, w->front, w->page, 112);
    assert_int_equal(os_grant_access(w->front, 0, os_gfn(w->front, w->page),
                                     false, &ref),
                     0);
    assert_int_equal(os_grant_map(w->back, 5, &ref, 1, false, &w->map), 0);
    ring_back_attach(&w->rb, w->back, w->map.addr, 112);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    os_grant_unmap(w->back, &w->map);
    assert_int_equal(fake_live_allocs(w->back), 0);
    fake_destroy(w->f);
    test_free(w);
    return 0;
}

/* io/ring.h: __CONST_RING_SIZE rounds down to a power of two */
static void ring_size_is_the_largest_power_of_two(void **state)
{
    (void)state;
    assert_int_equal(ring_size(112), 32); /* blkif, 64-bit */
    assert_int_equal(ring_size(64), 32);
    assert_int_equal(ring_size(8), 256);
    assert_int_equal(ring_size(4032), 1);
}

static void ring_carries_slots_both_ways_past_wrap(void **state)
{
    struct world *w = *state;
    uint8_t slot[112];

    for (unsigned round = 0; round < 100; round++) {
        for (unsigned i = 0; i < 20; i++) {
            memset(slot, (int)(round + i), sizeof(slot));
            assert_false(ring_front_full(&w->rf));
            ring_front_put(&w->rf, slot);
        }
        ring_front_push(&w->rf);
        assert_int_equal(ring_back_pending(&w->rb), 20);
        for (unsigned i = 0; i < 20; i++) {
            ring_back_get(&w->rb, slot);
            assert_int_equal(slot[111], (uint8_t)(round + i));
            ring_back_put(&w->rb, slot);
        }
        ring_back_push(&w->rb);
        assert_int_equal(ring_front_pending(&w->rf), 20);
        for (unsigned i = 0; i < 20; i++) {
            ring_front_get(&w->rf, slot);
            assert_int_equal(slot[0], (uint8_t)(round + i));
        }
    }
}

static void ring_front_is_full_at_its_size(void **state)
{
    struct world *w = *state;
    uint8_t slot[112] = { 0 };

    for (unsigned i = 0; i < 32; i++) {
        assert_false(ring_front_full(&w->rf));
        ring_front_put(&w->rf, slot);
    }
    assert_true(ring_front_full(&w->rf));
}

/* io/ring.h: RING_PUSH_REQUESTS_AND_CHECK_NOTIFY */
static void ring_push_notifies_only_past_req_event(void **state)
{
    struct world *w = *state;
    uint8_t slot[112] = { 0 };

    ring_front_put(&w->rf, slot);
    assert_true(ring_front_push(&w->rf)); /* req_event is 1 at first */
    ring_front_put(&w->rf, slot);
    assert_false(ring_front_push(&w->rf)); /* not asked for again */
    ring_back_get(&w->rb, slot);
    ring_back_get(&w->rb, slot);
    assert_false(ring_back_final_check(&w->rb)); /* asks: req_event 3 */
    ring_front_put(&w->rf, slot);
    assert_true(ring_front_push(&w->rf));
}

static void ring_final_check_sees_a_request_that_came_meanwhile(void **state)
{
    struct world *w = *state;
    uint8_t slot[112] = { 0 };

    ring_front_put(&w->rf, slot);
    ring_front_push(&w->rf);
    assert_true(ring_back_final_check(&w->rb));
}

/* io/ring.h: RING_REQUEST_PROD_OVERFLOW */
static void ring_back_refuses_req_prod_too_far_ahead(void **state)
{
    struct world *w = *state;

    os_store32(w->front, w->page, 33);
    assert_int_equal(ring_back_pending(&w->rb), -XEN_EBADMSG);
    os_store32(w->front, w->page, 0xffffffff);
    assert_int_equal(ring_back_pending(&w->rb), -XEN_EBADMSG);
    os_store32(w->front, w->page, 32);
    assert_int_equal(ring_back_pending(&w->rb), 32);
}

static void ring_back_refuses_req_prod_over_unanswered_requests(void **state)
{
    struct world *w = *state;
    uint8_t slot[112] = { 0 };

    for (unsigned i = 0; i < 32; i++) {
        ring_front_put(&w->rf, slot);
    }
    ring_front_push(&w->rf);
    for (unsigned i = 0; i < 32; i++) {
        ring_back_get(&w->rb, slot);
    }
    os_store32(w->front, w->page, 33); /* no slot was given back */
    assert_int_equal(ring_back_pending(&w->rb), -XEN_EBADMSG);
}

static void ring_front_refuses_more_responses_than_requests(void **state)
{
    struct world *w = *state;
    uint8_t slot[112] = { 0 };

    ring_front_put(&w->rf, slot);
    ring_front_push(&w->rf);
    os_store32(w->back, w->map.addr + 8, 2);
    assert_int_equal(ring_front_pending(&w->rf), -XEN_EBADMSG);
    os_store32(w->back, w->map.addr + 8, 0xfffffff0);
    assert_int_equal(ring_front_pending(&w->rf), -XEN_EBADMSG);
}

/* ring.h, invariant 1: our own index in the page is not believed */
static void ring_ignores_its_own_index_overwritten(void **state)
{
    struct world *w = *state;
    uint8_t slot[112] = { 7 };

    ring_front_put(&w->rf, slot);
    ring_front_push(&w->rf);
    os_store32(w->back, w->map.addr, 12345);
    ring_front_put(&w->rf, slot);
    ring_front_push(&w->rf);
    assert_int_equal(ring_back_pending(&w->rb), 2);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(ring_size_is_the_largest_power_of_two),
        T(ring_carries_slots_both_ways_past_wrap),
        T(ring_front_is_full_at_its_size),
        T(ring_push_notifies_only_past_req_event),
        T(ring_final_check_sees_a_request_that_came_meanwhile),
        T(ring_back_refuses_req_prod_too_far_ahead),
        T(ring_back_refuses_req_prod_over_unanswered_requests),
        T(ring_front_refuses_more_responses_than_requests),
        T(ring_ignores_its_own_index_overwritten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
