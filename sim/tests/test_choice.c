/*
 * Draws: ranges, uniformity, equal seeds give equal draws, and enumeration
 * sees every path once (sim/choice.h).
 */
#include "sim/choice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void choice_draws_stay_in_range(void **state)
{
    static const uint32_t limits[] = {
        1, 2, 3, 7, 64, 100, 0x10000, 0x10001, 1000003, 0x80000001, 0xffffffff};
    struct choice c = {0};

    (void)state;
    choice_from_seed(&c, 3);
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        for (int k = 0; k < 2000; k++) {
            assert_true(choice_draw(&c, CHOICE_FAULT, limits[i]) < limits[i]);
        }
    }
    /* n == 1 draws nothing. */
    assert_int_equal(c.draws, 10 * 2000);
}

static void choice_draws_are_uniform(void **state)
{
    unsigned seen[6] = {0};
    struct choice c = {0};

    (void)state;
    choice_from_seed(&c, 4);
    for (int i = 0; i < 60000; i++) {
        seen[choice_draw(&c, CHOICE_CPU, 6)]++;
    }
    for (int i = 0; i < 6; i++) {
        assert_in_range(seen[i], 9500, 10500);
    }
}

/* The very numbers: no compiler and no host may give others. */
static void choice_same_seed_gives_the_same_draws_everywhere(void **state)
{
    static const uint32_t expected[8] = {700576, 278751, 839627, 981097,
                                         990860, 872773, 60752,  104435};
    struct choice c = {0}, d = {0};

    (void)state;
    choice_from_seed(&c, 7);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(choice_draw(&c, CHOICE_CPU, 1000000), expected[i]);
    }
    choice_from_seed(&c, 1234);
    choice_from_seed(&d, 1234);
    for (uint32_t i = 2; i < 5000; i++) {
        assert_int_equal(choice_draw(&c, CHOICE_CPU, i),
                         choice_draw(&d, CHOICE_TLB, i));
    }
}

static void choice_one_in_n_is_true_one_time_in_n(void **state)
{
    struct choice c = {0};
    unsigned fired = 0;

    (void)state;
    choice_from_seed(&c, 5);
    for (int i = 0; i < 50000; i++) {
        fired += choice_one_in(&c, CHOICE_FAULT, 50);
        assert_true(choice_one_in(&c, CHOICE_FAULT, 1));
        assert_false(choice_one_in(&c, CHOICE_FAULT, 0));
    }
    assert_in_range(fired, 850, 1150);
}

static void choice_bytes_are_used_in_order_and_then_zero(void **state)
{
    static const uint8_t bytes[] = {5, 0x34, 0x12, 0xff};
    struct choice c = {0};

    (void)state;
    choice_from_bytes(&c, bytes, sizeof(bytes));
    assert_int_equal(choice_draw(&c, CHOICE_SCENARIO, 4), 1);
    assert_int_equal(choice_draw(&c, CHOICE_SCENARIO, 0x10000), 0x1234);
    assert_int_equal(choice_draw(&c, CHOICE_SCENARIO, 0x10001), 0xff);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(choice_draw(&c, CHOICE_SCENARIO, 1000), 0);
        assert_false(choice_one_in(&c, CHOICE_FAULT, 2));
    }
}

/* A tree: the first draw's value decides how many more there are. */
static void choice_enumeration_sees_every_path_once(void **state)
{
    uint32_t path[8], path_n[8];
    unsigned seen[3][4][4] = {0}, runs = 0;
    struct choice c = {0};

    (void)state;
    choice_enum_start(&c, path, path_n, 8);
    do {
        uint32_t a = choice_draw(&c, CHOICE_CPU, 3), b = 0, d = 0;

        if (a > 0) {
            b = choice_draw(&c, CHOICE_CPU, 4);
        }
        if (a > 1) {
            d = choice_draw(&c, CHOICE_CPU, b + 1);
        }
        seen[a][b][d]++;
        runs++;
        assert_true(runs < 100);
    } while (choice_enum_next(&c));
    assert_int_equal(runs, 1 + 4 + (1 + 2 + 3 + 4));
    for (unsigned a = 0; a < 3; a++) {
        for (unsigned b = 0; b < 4; b++) {
            for (unsigned d = 0; d < 4; d++) {
                bool there = (a == 0 && b == 0 && d == 0) ||
                             (a == 1 && d == 0) || (a == 2 && d <= b);

                assert_int_equal(seen[a][b][d], there);
            }
        }
    }
    assert_false(c.path_full);
}

static void choice_enumeration_past_its_depth_is_zero_and_told(void **state)
{
    uint32_t path[2], path_n[2];
    struct choice c = {0};
    unsigned runs = 0;

    (void)state;
    choice_enum_start(&c, path, path_n, 2);
    do {
        choice_draw(&c, CHOICE_CPU, 2);
        choice_draw(&c, CHOICE_CPU, 2);
        assert_int_equal(choice_draw(&c, CHOICE_CPU, 2), 0);
        runs++;
    } while (choice_enum_next(&c));
    assert_int_equal(runs, 4);
    assert_true(c.path_full);
}

struct heard {
    unsigned calls;
    enum choice_kind kind;
    uint32_t n, value;
};

static void hear(void *ctx, enum choice_kind kind, uint32_t n, uint32_t value)
{
    struct heard *h = ctx;

    *h = (struct heard){h->calls + 1, kind, n, value};
}

static void choice_listener_hears_every_draw(void **state)
{
    struct heard heard = {0};
    struct choice c = {.on_draw = hear, .on_draw_ctx = &heard};
    uint32_t v;

    (void)state;
    choice_from_seed(&c, 9);
    v = choice_draw(&c, CHOICE_DEVICE, 77);
    assert_int_equal(heard.calls, 1);
    assert_int_equal(heard.kind, CHOICE_DEVICE);
    assert_int_equal(heard.n, 77);
    assert_int_equal(heard.value, v);
    choice_draw(&c, CHOICE_DEVICE, 1);
    assert_int_equal(heard.calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(choice_draws_stay_in_range),
        cmocka_unit_test(choice_draws_are_uniform),
        cmocka_unit_test(choice_same_seed_gives_the_same_draws_everywhere),
        cmocka_unit_test(choice_one_in_n_is_true_one_time_in_n),
        cmocka_unit_test(choice_bytes_are_used_in_order_and_then_zero),
        cmocka_unit_test(choice_enumeration_sees_every_path_once),
        cmocka_unit_test(choice_enumeration_past_its_depth_is_zero_and_told),
        cmocka_unit_test(choice_listener_hears_every_draw),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
