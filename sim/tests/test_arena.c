/*
 * The arena: allocation, poison, and invariant 2 of sim/arena.h (a restore
 * leaves every byte as the snapshot found it), for plain stores, on a
 * coroutine's stack, over many cycles.
 */
#include "sim/arena.h"
#include "sim/arena_impl.h"
#include "sim/choice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define MIB (1UL << 20)

static void arena_blocks_are_zero_aligned_and_apart(void **state)
{
    struct arena *a = arena_create(64 * MIB);
    struct choice c = {0};
    uint8_t *block[300] = {0};
    size_t size[300] = {0};

    (void)state;
    choice_from_seed(&c, 1);
    for (int i = 0; i < 20000; i++) {
        unsigned k = choice_draw(&c, CHOICE_SCENARIO, 300);
        size_t align = 16UL << choice_draw(&c, CHOICE_SCENARIO, 4);

        if (block[k]) {
            for (size_t j = 0; j < size[k]; j++) {
                assert_int_equal(block[k][j], k & 0xff);
            }
            arena_free(a, block[k]);
            block[k] = NULL;
            continue;
        }
        size[k] = choice_draw(&c, CHOICE_SCENARIO, i % 50 ? 700 : 90000);
        block[k] = arena_alloc(a, size[k], align);
        assert_int_equal((uintptr_t)block[k] % align, 0);
        for (size_t j = 0; j < size[k]; j++) {
            assert_int_equal(block[k][j], 0);
        }
        memset(block[k], (int)(k & 0xff), size[k]);
    }
    assert_true(arena_used(a) < 32 * MIB);
    arena_destroy(a);
}

static void arena_freed_pages_merge_and_come_back_zero(void **state)
{
    struct arena *a = arena_create(16 * MIB);
    uint8_t *p[64];
    size_t used;

    (void)state;
    for (int i = 0; i < 64; i++) {
        p[i] = arena_pages(a, 8192);
        memset(p[i], 0xaa, 8192);
    }
    used = arena_used(a);
    for (int i = 0; i < 64; i += 2) {
        arena_pages_free(a, p[i], 8192);
    }
    for (int i = 63; i > 0; i -= 2) {
        arena_pages_free(a, p[i], 8192);
    }
    p[0] = arena_pages(a, 64 * 8192);
    assert_int_equal(arena_used(a), used);
    for (size_t i = 0; i < 64 * 8192; i++) {
        assert_int_equal(p[0][i], 0);
    }
    arena_destroy(a);
}

/* Everything there is, poison included, in one number. */
ARENA_UNCHECKED static uint64_t arena_sum(struct arena *a)
{
    uint64_t sum = 14695981039346656037ULL;
    const uint64_t *p = (const uint64_t *)a->mem.base;
    const uint64_t *s = (const uint64_t *)a->shadow.base;

    for (size_t i = 0; i < a->mem.pages * ARENA_PAGE / 8; i++) {
        if (p[i] != 0) {
            sum = (sum ^ p[i] ^ (uint64_t)i << 32) * 1099511628211ULL;
        }
    }
    for (size_t i = 0; s && i < a->shadow.pages * ARENA_PAGE / 8; i++) {
        if (s[i] != 0) {
            sum = (sum ^ s[i] ^ (uint64_t)i << 32) * 1099511628211ULL;
        }
    }
    return sum;
}

static void scribble(struct arena *a, struct choice *c, uint8_t *ram,
                     size_t ram_len)
{
    for (unsigned i = choice_draw(c, CHOICE_SCENARIO, 40); i > 0; i--) {
        ram[choice_draw(c, CHOICE_SCENARIO, (uint32_t)ram_len)] ^= 0x5a;
    }
    for (unsigned i = choice_draw(c, CHOICE_SCENARIO, 20); i > 0; i--) {
        uint32_t max = i == 1 ? 900000 : 99;
        size_t size = 1 + choice_draw(c, CHOICE_SCENARIO, max);
        uint8_t *p = arena_alloc(a, size, 16);

        p[size - 1] = 1;
        if (choice_one_in(c, CHOICE_SCENARIO, 2)) {
            arena_free(a, p);
        }
    }
}

static void arena_restore_brings_back_every_byte_and_its_poison(void **state)
{
    struct arena *a = arena_create(256 * MIB);
    uint8_t *ram = arena_pages(a, 8 * MIB), *kept[50];
    struct choice c = {0};
    struct snapshot *s;
    uint64_t sum;
    size_t used;

    (void)state;
    choice_from_seed(&c, 2);
    for (int i = 0; i < 50; i++) {
        kept[i] = arena_alloc(a, 100, 16);
        memset(kept[i], i, 100);
    }
    scribble(a, &c, ram, 8 * MIB);
    s = arena_snapshot(a);
    assert_non_null(s);
    sum = arena_sum(a);
    used = arena_used(a);
    for (int cycle = 0; cycle < 300; cycle++) {
        scribble(a, &c, ram, 8 * MIB);
        kept[cycle % 50][3]++;
        if (cycle % 100 == 50) {
            memset(ram, cycle, 8 * MIB); /* some 2048 pages */
        }
        if (cycle % 3 == 0) {
            arena_free(a, kept[cycle % 50]);
        }
        arena_restore(a, s);
        if (cycle % 20 == 0) {
            assert_int_equal(arena_sum(a), sum);
        }
        assert_int_equal(arena_used(a), used);
    }
    assert_int_equal(arena_sum(a), sum);
    snapshot_free(s);
    memset(ram, 1, 8 * MIB);
    arena_destroy(a);
}

static void arena_restore_after_more_pages_than_are_tracked(void **state)
{
    size_t len = (TRACK_DIRTY_MAX + 2000) * ARENA_PAGE;
    struct arena *a = arena_create(len + MIB);
    uint8_t *ram = arena_pages(a, len);
    struct snapshot *s;

    (void)state;
    ram[5 * ARENA_PAGE] = 77;
    s = arena_snapshot(a);
    for (int cycle = 0; cycle < 2; cycle++) {
        for (size_t i = 0; i < len; i += ARENA_PAGE) {
            ram[i] = 0xee;
        }
        assert_true(a->mem.all_dirty);
        arena_restore(a, s);
        assert_false(a->mem.all_dirty);
        for (size_t i = 0; i < len; i += ARENA_PAGE) {
            assert_int_equal(ram[i], i == 5 * ARENA_PAGE ? 77 : 0);
        }
        ram[0] = 1;
        arena_restore(a, s);
        assert_int_equal(ram[0], 0);
        assert_int_equal(arena_last_restore_pages(a), 1);
    }
    snapshot_free(s);
    arena_destroy(a);
}

static void arena_second_snapshot_replaces_the_first(void **state)
{
    struct arena *a = arena_create(4 * MIB), *b = arena_create(4 * MIB);
    uint8_t *p = arena_pages(a, 4096), *q = arena_pages(b, 4096);
    struct snapshot *s1, *s2, *sb;

    (void)state;
    p[0] = q[0] = 1;
    s1 = arena_snapshot(a);
    sb = arena_snapshot(b);
    p[0] = 2;
    s2 = arena_snapshot(a);
    p[0] = q[0] = 3;
    arena_restore(a, s2);
    assert_int_equal(p[0], 2);
    assert_int_equal(q[0], 3);
    arena_restore(b, sb);
    assert_int_equal(q[0], 1);
    snapshot_free(s1);
    p[0] = 4;
    arena_restore(a, s2);
    assert_int_equal(p[0], 2);
    arena_destroy(a); /* before its snapshot's handle */
    snapshot_free(s2);
    snapshot_free(sb);
    arena_destroy(b);
}

/* -- On a stack that is itself write-protected ---------------------------- */

static ucontext_t outside, inside;

static void on_stack(void)
{
    for (;;) {
        volatile uint8_t deep[20000];

        for (size_t i = 0; i < sizeof(deep); i += 512) {
            deep[i] = (uint8_t)i;
        }
        swapcontext(&inside, &outside);
    }
}

static void arena_faults_of_a_protected_stack_are_handled(void **state)
{
    struct arena *a;
    uint8_t *stack;
    struct snapshot *s;
    ucontext_t start;

    (void)state;
    if (ARENA_ASAN) {
        skip(); /* swapcontext() without the fiber annotations */
    }
    a = arena_create(4 * MIB);
    stack = arena_pages(a, 256 * 1024);
    getcontext(&inside);
    inside.uc_stack.ss_sp = stack;
    inside.uc_stack.ss_size = 256 * 1024;
    inside.uc_link = NULL;
    makecontext(&inside, on_stack, 0);
    swapcontext(&outside, &inside);
    s = arena_snapshot(a);
    start = inside;
    for (int i = 0; i < 200; i++) {
        inside = start;
        inside.uc_mcontext.fpregs = &inside.__fpregs_mem;
        swapcontext(&outside, &inside);
        arena_restore(a, s);
    }
    snapshot_free(s);
    arena_destroy(a);
}

static void arena_touch_lets_the_kernel_write(void **state)
{
    struct arena *a = arena_create(4 * MIB);
    uint8_t *p = arena_pages(a, 3 * 4096);
    struct snapshot *s = arena_snapshot(a);
    int fd = open("/dev/zero", O_RDONLY);

    (void)state;
    assert_int_equal(read(fd, p, 3 * 4096), -1);
    arena_touch(p + 100, 2 * 4096);
    assert_int_equal(read(fd, p + 100, 2 * 4096), 2 * 4096);
    close(fd);
    snapshot_free(s);
    arena_destroy(a);
}

/* -- Endings --------------------------------------------------------------- */

static int ending_of(void (*fn)(struct arena *a))
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);

        dup2(null, STDERR_FILENO);
        signal(SIGSEGV, SIG_DFL); /* CMocka's would go on with the tests */
        fn(arena_create(4 * MIB));
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return status;
}

static void outgrow(struct arena *a)
{
    for (;;) {
        arena_alloc(a, 5000, 16);
    }
}

static void free_twice(struct arena *a)
{
    void *p = arena_alloc(a, 50, 16);

    arena_free(a, p);
    arena_free(a, p);
}

static void fault_elsewhere(struct arena *a)
{
    volatile uint8_t *volatile nowhere = (uint8_t *)8;

    arena_snapshot(a);
    *nowhere = 1;
}

static void overrun(struct arena *a)
{
    volatile uint8_t *p = arena_alloc(a, 50, 16);

    p[50] = 1;
}

static void use_after_free(struct arena *a)
{
    volatile uint8_t *p = arena_alloc(a, 50, 16);

    arena_free(a, (void *)p);
    p[0] = 1;
}

static void arena_misuse_ends_the_process(void **state)
{
    (void)state;
    assert_true(WIFSIGNALED(ending_of(outgrow)));
    assert_true(WIFSIGNALED(ending_of(free_twice)));
    /* A fault that is not ours has its former effect. */
    assert_int_not_equal(ending_of(fault_elsewhere), 0);
    if (ARENA_ASAN) {
        assert_int_not_equal(ending_of(overrun), 0);
        assert_int_not_equal(ending_of(use_after_free), 0);
    }
}

static void arena_restore_of_twenty_pages_is_quick(void **state)
{
    struct arena *a = arena_create(128 * MIB);
    uint8_t *ram = arena_pages(a, 64 * MIB);
    struct snapshot *s = arena_snapshot(a);
    struct timespec t0, t1;
    double us = 0;

    (void)state;
    for (int cycle = 0; cycle < 1000; cycle++) {
        for (int i = 0; i < 20; i++) {
            ram[i * 3 * MIB + 4096 * (cycle % 8 == 0 ? cycle % 50 : 0)]++;
        }
        clock_gettime(CLOCK_MONOTONIC, &t0);
        arena_restore(a, s);
        clock_gettime(CLOCK_MONOTONIC, &t1);
        us += (double)(t1.tv_sec - t0.tv_sec) * 1e6 +
              (double)(t1.tv_nsec - t0.tv_nsec) / 1e3;
        assert_int_equal(arena_last_restore_pages(a), 20);
    }
    print_message("restore of 20 pages: %.1f us on average\n", us / 1000);
    snapshot_free(s);
    arena_destroy(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_blocks_are_zero_aligned_and_apart),
        cmocka_unit_test(arena_freed_pages_merge_and_come_back_zero),
        cmocka_unit_test(arena_restore_brings_back_every_byte_and_its_poison),
        cmocka_unit_test(arena_restore_after_more_pages_than_are_tracked),
        cmocka_unit_test(arena_second_snapshot_replaces_the_first),
        cmocka_unit_test(arena_faults_of_a_protected_stack_are_handled),
        cmocka_unit_test(arena_touch_lets_the_kernel_write),
        cmocka_unit_test(arena_misuse_ends_the_process),
        cmocka_unit_test(arena_restore_of_twenty_pages_is_quick),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
