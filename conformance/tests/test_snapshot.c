/*
 * Snapshots of a whole machine: taken in the middle of a run, from outside,
 * restored by dirty pages; the run that follows a restore is the run that
 * followed the snapshot, to the last bit of every hash. Two machines in one
 * process don't feel each other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conformance/world.h"
#include "sim/arena.h"
#include "sim/hash.h"

#define CYCLES 50

static void guest_main(struct os *os, void *arg)
{
    (void)arg;
    uint64_t page = os_pages_alloc(os, 1);
    for (unsigned i = 0; i < 200; i++) {
        os_store64(os, page + 8 * i, os_now_ns(os) + i);
        os_wait(os, 1000);
    }
}

static void control(struct world *w, void *arg)
{
    (void)arg;
    int domid = world_start_guest(w, "guest", guest_main, NULL, NULL);
    machine_stop(w->m); /* the harness takes its snapshot here */
    if (domid > 0) {
        (void)world_wait_domain(w, (domid_t)domid, 1000000000, NULL);
        (void)world_destroy_guest(w, (domid_t)domid);
    }
}

static struct world *start(uint64_t seed)
{
    char err[256];
    struct world_config cfg = {.cpus = 2,
                               .ram_bytes = 24u << 20,
                               .control_pages = 512,
                               .seed = seed,
                               .control = control};
    struct world *w = world_create(&cfg, err, sizeof(err));
    assert_non_null(w);
    assert_int_equal(world_run(w, OS_FOREVER), MACHINE_STOPPED);
    return w;
}

struct ends {
    uint64_t machine, hv, now;
};

static struct ends finish(struct world *w)
{
    assert_int_equal(world_run(w, OS_FOREVER), MACHINE_OFF);
    assert_true(w->finished);
    return (struct ends){machine_hash(w->m), machine_hash_hv(w->m),
                         machine_now(w->m)};
}

/* sim.h: machine_restore(): the machine is what it was, at the same address */
static void restored_machine_runs_to_the_same_end(void **state)
{
    (void)state;
    struct world *w = start(3);
    uint64_t here = machine_hash(w->m);
    struct snapshot *s = machine_snapshot(w->m);
    assert_non_null(s);
    struct ends first = finish(w);
    assert_int_not_equal(first.machine, here);
    for (unsigned i = 0; i < CYCLES; i++) {
        machine_restore(w->m, s);
        assert_int_equal(machine_hash(w->m), here);
        struct ends again = finish(w);
        assert_int_equal(again.machine, first.machine);
        assert_int_equal(again.hv, first.hv);
        assert_int_equal(again.now, first.now);
    }
    print_message("%zu pages a restore\n",
                  arena_last_restore_pages(machine_arena(w->m)));
    snapshot_free(s);
    world_destroy(w);
}

/* DESIGN decision 3: a machine is a value; many live in one process */
static void machines_do_not_feel_each_other(void **state)
{
    (void)state;
    struct world *a = start(5);
    struct ends alone = finish(a);
    world_destroy(a);
    struct world *b = start(5), *c = start(6);
    struct ends with_c = finish(b);
    struct ends other = finish(c);
    assert_int_equal(with_c.machine, alone.machine);
    assert_int_equal(with_c.hv, alone.hv);
    assert_int_not_equal(other.machine, alone.machine);
    world_destroy(b);
    world_destroy(c);
}

/* A machine's end gives its memory back: no growth over many lives. */
static void many_machines_leave_no_mapping(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        struct world *w = start(i);
        world_destroy(w); /* in the middle of its run */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restored_machine_runs_to_the_same_end),
        cmocka_unit_test(machines_do_not_feel_each_other),
        cmocka_unit_test(many_machines_leave_no_mapping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
