/*
 * Coroutines, and what is built of them: physical CPUs taking turns, the
 * hypervisor lock, idle time, plat_leave_guest(), stops, the watchdog.
 */
#include "sim/defined.h"
#include "sim/tests/bench.h"

#include <stdlib.h>

/* -- co.h ----------------------------------------------------------------- */

struct pingpong {
    struct co main, co[2];
    unsigned count[2], turn;
};

static unsigned deep(unsigned n)
{
    volatile char room[100];

    room[n % 100] = (char)n;
    return n == 0 ? 0 : 1 + deep(n - 1) + (unsigned)(room[n % 100] - (char)n);
}

static void pingpong_fn(void *arg)
{
    struct pingpong *p = arg;

    for (;;) {
        unsigned me = p->turn, other = !me;

        p->count[me] += deep(10);
        p->turn = other;
        co_switch(&p->co[me], p->count[me] < 1000 ? &p->co[other] : &p->main);
    }
}

static void coroutines_keep_their_stacks(void **state)
{
    struct pingpong p = {.turn = 0};
    char *stacks = malloc(2 * 65536);

    (void)state;
    co_init(&p.co[0], stacks, 65536, pingpong_fn, &p);
    co_init(&p.co[1], stacks + 65536, 65536, pingpong_fn, &p);
    co_switch(&p.main, &p.co[0]);
    assert_int_equal(p.count[0], 1000);
    assert_int_equal(p.count[1], 990);
    assert_true(co_stack_intact(&p.co[0]));
    memset(stacks, 0, 8);
    assert_false(co_stack_intact(&p.co[0]));
    co_release(&p.co[0]);
    co_release(&p.co[1]);
    free(stacks);
}

/* -- Interleaving --------------------------------------------------------- */

#define ROUNDS 200

/* Each CPU adds to a counter that only the lock protects. */
static void counter_main(struct bench *b)
{
    struct plat *p = &b->m->plat;
    uint64_t x;

    for (unsigned i = 0; i < ROUNDS; i++) {
        plat_lock(p);
        plat_guest_read(p, MADDR(0x300000), &x, 8);
        plat_guest_read(p, MADDR(0x300008), &b->note[40], 8);
        x++;
        plat_guest_write(p, MADDR(0x300000), &x, 8);
        plat_unlock(p);
        plat_guest_read(p, MADDR(0x300010), &x, 8); /* and one it doesn't */
        plat_guest_read(p, MADDR(0x300008), &b->note[40], 8);
        x++;
        plat_guest_write(p, MADDR(0x300010), &x, 8);
    }
}

static void count_with_seed(uint64_t seed, uint64_t out[3])
{
    struct bench b;

    bench_open(&b, 4, seed, counter_main);
    assert_int_equal(bench_run(&b, NULL), MACHINE_IDLE);
    memcpy(&out[0], machine_ram(b.m, MADDR(0x300000)), 8);
    memcpy(&out[1], machine_ram(b.m, MADDR(0x300010)), 8);
    out[2] = machine_now(b.m);
    bench_close(&b);
}

static void lock_excludes_and_other_crossings_interleave(void **state)
{
    uint64_t a[3], again[3], other[3];

    (void)state;
    count_with_seed(7, a);
    count_with_seed(7, again);
    count_with_seed(8, other);
    assert_int_equal(a[0], 4 * ROUNDS);
    assert_int_equal(other[0], 4 * ROUNDS);
    assert_in_range(a[1], ROUNDS, 4 * ROUNDS - 1); /* updates were lost */
    assert_memory_equal(a, again, sizeof(a));
    assert_memory_not_equal(a, other, sizeof(a));
}

static void idle_main(struct bench *b)
{
    struct plat *p = &b->m->plat;

    if (plat_cpu_id(p) == 0) {
        plat_deadline_set(p, 5000000000ULL);
        plat_wait(p);
        bench_note(b, plat_now(p) - 5000000000ULL < 1000);
        plat_irq_take(p);
        plat_ipi(p, 1);
        plat_wait(p); /* for ever */
    } else {
        plat_wait(p);
        bench_note(b, (uint64_t)(int64_t)plat_irq_take(p));
    }
}

static void idle_time_jumps_to_the_next_event(void **state)
{
    struct bench b;

    (void)state;
    bench_open(&b, 2, 3, idle_main);
    assert_int_equal(machine_run(b.m, 1000000000ULL), MACHINE_TIME);
    assert_int_equal(machine_now(b.m), 1000000000ULL);
    assert_int_equal(machine_run(b.m, 10000000000ULL), MACHINE_IDLE);
    assert_int_equal(b.nr_notes, 2);
    assert_true(b.note[0]);
    assert_int_equal(b.note[1], ~0ULL);
    assert_int_equal(machine_run(b.m, 10000000000ULL), MACHINE_IDLE);
    bench_close(&b);
}

/* -- Guests on several CPUs ----------------------------------------------- */

static void count_program(struct native *n, void *arg)
{
    uint64_t x = 0;

    (void)arg;
    for (;;) {
        x++;
        native_write(n, 0x6000, &x, 8);
    }
}

/* CPU 1 runs a guest for ever; CPU 0 gets it out, looks that it stays out
 * while the lock is held, and lets it in again. */
static void leave_main(struct bench *b)
{
    struct plat *p = &b->m->plat;
    struct cpu_regs regs = {{0}};
    uint64_t x, y;

    if (plat_cpu_id(p) == 1) {
        for (;;) {
            bench_enter(b, 0, &regs);
            plat_lock(p);
            plat_irq_take(p);
            plat_unlock(p);
        }
    }
    for (unsigned i = 0; i < 20; i++) {
        plat_deadline_set(p, plat_now(p) + 10000);
        plat_wait(p);
        plat_irq_take(p);
        plat_lock(p);
        plat_leave_guest(p, 3);
        bench_note(b, b->m->cpus[1]->in_guest);
        memcpy(&x, bench_guest(b, 0x6000), 8);
        for (unsigned k = 0; k < 200; k++) {
            plat_guest_read(p, MADDR(0x300000), &y, 8);
        }
        memcpy(&y, bench_guest(b, 0x6000), 8);
        bench_note(b, x != y);
        bench_note(b, y <= b->note[60]);
        b->note[60] = y; /* it went on since the last time */
        plat_unlock(p);
    }
    plat_poweroff(p, 3);
}

static void leave_guest_gets_guests_out_and_keeps_them_out(void **state)
{
    struct bench b;

    (void)state;
    bench_open(&b, 2, 5, leave_main);
    assert_int_equal(bench_run(&b, count_program), MACHINE_OFF);
    assert_int_equal(machine_poweroff_reason(b.m), 3);
    assert_int_equal(b.nr_notes, 60);
    for (unsigned i = 0; i < 60; i++) {
        assert_int_equal(b.note[i], 0);
    }
    bench_close(&b);
}

/* A vCPU moves from CPU to CPU at every exit. */
static void migrate_main(struct bench *b)
{
    struct plat *p = &b->m->plat;
    struct cpu_regs *regs = (struct cpu_regs *)(void *)machine_frame(
        b->m, FRAME_VMCB + 8);
    struct vmcb *v = bench_vmcb(b, 0);

    for (;;) {
        plat_lock(p);
        if (b->note[1] != 0) {
            plat_unlock(p);
            return;
        }
        if (b->note[0] != 0) { /* it is on another CPU */
            plat_unlock(p);
            plat_guest_read(p, MADDR(0x300000), &b->note[40], 8);
            continue;
        }
        b->note[0] = 1;
        b->note[2 + plat_cpu_id(p)]++;
        v->tlb_control = TLB_CTL_FLUSH_ASID;
        plat_unlock(p);
        bench_enter(b, 0, regs);
        plat_lock(p);
        b->note[0] = 0;
        b->note[1] = v->exitcode == VMEXIT_HLT;
        v->rip = v->nrip;
        plat_unlock(p);
    }
}

static void migrate_program(struct native *n, void *arg)
{
    struct bench *b = arg;
    uint64_t a[5] = {0}, x;

    for (uint64_t i = 0; i < 500; i++) {
        native_write(n, 0x6000, &i, 8);
        native_hypercall(n, i, a);
        native_read(n, 0x6000, &x, 8);
        b->note[50] += x == i;
    }
    native_hlt(n);
}

static void program_follows_its_vcpu_over_cpus(void **state)
{
    struct bench b;

    (void)state;
    bench_open(&b, 3, 11, migrate_main);
    assert_int_equal(bench_run(&b, migrate_program), MACHINE_IDLE);
    assert_int_equal(b.note[50], 500);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(b.note[2 + i] > 0); /* each CPU has had it */
    }
    bench_close(&b);
}

/* -- Stops ---------------------------------------------------------------- */

static bool under_valgrind(void)
{
#ifdef SIM_MEMCHECK
    return RUNNING_ON_VALGRIND != 0;
#else
    return false;
#endif
}

static void stop_program(struct native *n, void *arg)
{
    struct bench *b = arg;
    uint64_t x = 0;

    for (unsigned i = 0; i < 3; i++) {
        machine_stop(native_machine(n));
        native_read(n, 0x1000, &x, 8);
        bench_note(b, i);
    }
    native_hlt(n);
}

static void enter_once_main(struct bench *b)
{
    struct cpu_regs regs = {{0}};

    bench_note(b, bench_enter(b, 0, &regs));
}

static void stopped_machine_goes_on_where_it_was(void **state)
{
    struct snapshot *s;
    struct bench b;

    (void)state;
    if (under_valgrind()) { /* moves SP before a push faults: pushes twice */
        skip();
    }
    bench_open(&b, 1, 1, enter_once_main);
    assert_int_equal(bench_run(&b, stop_program), MACHINE_STOPPED);
    assert_int_equal(b.nr_notes, 0);
    assert_int_equal(machine_run(b.m, ~0ULL), MACHINE_STOPPED);
    assert_int_equal(b.nr_notes, 1);
    s = machine_snapshot(b.m);
    assert_non_null(s);
    for (unsigned i = 0; i < 3; i++) { /* the same rest of a run each time */
        b.nr_notes = 1;
        assert_int_equal(machine_run(b.m, ~0ULL), MACHINE_STOPPED);
        assert_int_equal(machine_run(b.m, ~0ULL), MACHINE_IDLE);
        assert_int_equal(b.nr_notes, 4);
        assert_int_equal(b.note[3], VMEXIT_HLT);
        machine_restore(b.m, s);
    }
    snapshot_free(s);
    bench_close(&b);
}

static void loop_program(struct native *n, void *arg)
{
    volatile unsigned *stop = (volatile unsigned *)arg;

    (void)n;
    while (*stop == 0) {
    }
}

static void loop_without_crossings_trips_the_watchdog(void **state)
{
    volatile unsigned never = 0;
    struct bench b;
    int id;

    (void)state;
    if (under_valgrind()) { /* no way out of a handler but its return */
        skip();
    }
    bench_open(&b, 1, 1, enter_once_main);
    id = native_register(b.m, "loop", loop_program, (void *)&never);
    bench_build_vmcb(&b, 0, id);
    assert_int_equal(machine_run(b.m, ~0ULL), MACHINE_WATCHDOG);
    assert_int_equal(machine_run(b.m, ~0ULL), MACHINE_WATCHDOG);
    bench_close(&b);
}

static void twice_main(struct bench *b)
{
    plat_lock(&b->m->plat);
    plat_lock(&b->m->plat);
}

static void lock_taken_twice_ends_the_machine(void **state)
{
    struct bench b;

    (void)state;
    bench_open(&b, 2, 1, twice_main);
    assert_int_equal(bench_run(&b, NULL), MACHINE_FATAL);
    assert_non_null(strstr(machine_fatal_text(b.m), "twice"));
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(coroutines_keep_their_stacks),
        cmocka_unit_test(lock_excludes_and_other_crossings_interleave),
        cmocka_unit_test(idle_time_jumps_to_the_next_event),
        cmocka_unit_test(leave_guest_gets_guests_out_and_keeps_them_out),
        cmocka_unit_test(program_follows_its_vcpu_over_cpus),
        cmocka_unit_test(stopped_machine_goes_on_where_it_was),
        cmocka_unit_test(loop_without_crossings_trips_the_watchdog),
        cmocka_unit_test(lock_taken_twice_ends_the_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
