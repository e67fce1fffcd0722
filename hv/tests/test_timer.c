/*
 * The timer queue over a fake machine. Clauses: timer.h (order, FIFO among
 * equals, cancelling) and vcpu.h (single-shot and periodic timers).
 */
#include "hv/hypercall.h"
#include "hv/sched.h"
#include "hv/tests/fake_hv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define NTIMERS 100

struct log {
    unsigned order[4 * NTIMERS];
    unsigned n;
};

struct probe {
    struct timer t;
    struct log *log;
    unsigned id;
    uint64_t again_ns; /* not 0: arms itself again */
};

static int setup(void **state)
{
    *state = fake_hv_new();
    return 0;
}

static int teardown(void **state)
{
    fake_hv_free(*state);
    return 0;
}

static void fired(struct hv *hv, void *ctx)
{
    struct probe *p = ctx;

    p->log->order[p->log->n++] = p->id;
    if (p->again_ns != 0) {
        timer_arm(hv, &p->t, p->again_ns);
        p->again_ns = 0;
    }
}

static void probes(struct probe *p, unsigned n, struct log *log)
{
    memset(log, 0, sizeof(*log));
    memset(p, 0, n * sizeof(*p));
    for (unsigned i = 0; i < n; i++) {
        timer_setup(&p[i].t, fired, &p[i]);
        p[i].log = log;
        p[i].id = i;
    }
}

static void timers_run_in_order_of_deadline_and_fifo_among_equals(void **state)
{
    struct fake_hv *f = *state;
    struct probe p[4];
    struct log log;

    probes(p, 4, &log);
    timer_arm(f->hv, &p[0].t, 300);
    timer_arm(f->hv, &p[1].t, 100);
    timer_arm(f->hv, &p[2].t, 200);
    timer_arm(f->hv, &p[3].t, 100);
    assert_int_equal(timer_next_deadline(f->hv), 100);
    timer_run(f->hv, 99);
    assert_int_equal(log.n, 0);
    timer_run(f->hv, 200);
    assert_int_equal(log.n, 3);
    assert_int_equal(log.order[0], 1);
    assert_int_equal(log.order[1], 3);
    assert_int_equal(log.order[2], 2);
    assert_int_equal(timer_next_deadline(f->hv), 300);
    timer_run(f->hv, 1000);
    assert_int_equal(log.order[3], 0);
    assert_true(timer_next_deadline(f->hv) == ~0ULL);
}

static void timers_cancel_and_arm_again(void **state)
{
    struct fake_hv *f = *state;
    struct probe p[2];
    struct log log;

    probes(p, 2, &log);
    timer_cancel(f->hv, &p[0].t); /* idle: nothing */
    timer_arm(f->hv, &p[0].t, 100);
    timer_arm(f->hv, &p[1].t, 150);
    timer_arm(f->hv, &p[0].t, 200); /* moves */
    timer_cancel(f->hv, &p[1].t);
    assert_false(p[1].t.queued);
    p[0].again_ns = 400;
    timer_run(f->hv, 300);
    assert_int_equal(log.n, 1);
    assert_true(p[0].t.queued);
    timer_run(f->hv, 400);
    assert_int_equal(log.n, 2);
    assert_false(p[0].t.queued);
}

static void timer_run_is_bounded_and_loses_nothing(void **state)
{
    struct fake_hv *f = *state;
    struct probe p[NTIMERS];
    struct log log;

    probes(p, NTIMERS, &log);
    for (unsigned i = 0; i < NTIMERS; i++) {
        timer_arm(f->hv, &p[i].t, 10);
    }
    timer_run(f->hv, 10);
    assert_true(log.n < NTIMERS);
    assert_int_equal(timer_next_deadline(f->hv), 10);
    timer_run(f->hv, 10);
    assert_int_equal(log.n, NTIMERS);
}

/* vcpu.h: VCPUOP_set_singleshot_timer; 4.17 fires what has passed at once */
static void vcpuop_singleshot_is_ones_own_and_fires_when_passed(void **state)
{
    struct fake_hv *f = *state;
    struct vcpu_set_singleshot_timer op = {.timeout_abs_ns = 5000};
    struct vcpu *v = f->v[1];

    f->p->now_ns = 1000;
    fake_poke(f, 1, 0x1000, &op, sizeof(op));
    assert_int_equal(vcpu_op(v, VCPUOP_set_singleshot_timer, 0, GVA(0x1000)),
                     0);
    assert_true(v->singleshot.queued);
    assert_int_equal(v->singleshot.deadline_ns, 5000);
    f->p->now_ns = 6000;
    op.flags = VCPU_SSHOTTMR_future;
    fake_poke(f, 1, 0x1000, &op, sizeof(op));
    assert_int_equal(vcpu_op(v, VCPUOP_set_singleshot_timer, 0, GVA(0x1000)),
                     0);
    assert_false(v->singleshot.queued);
    assert_int_equal(
        vcpu_op(v, VCPUOP_set_singleshot_timer, 1, GVA(0x1000)),
        -XEN_ENOENT);
    assert_int_equal(
        vcpu_op(v, VCPUOP_set_singleshot_timer, 0, GVA(1ULL << 40)),
        -XEN_EFAULT);
}

/* vcpu.h: VCPUOP_set_periodic_timer: "smaller than one millisecond may not
 * be supported" */
static void vcpuop_periodic_has_a_least_period_and_ticks_while_running(
    void **state)
{
    struct fake_hv *f = *state;
    struct vcpu_set_periodic_timer op = {.period_ns = 999999};
    struct vcpu *v = f->v[1];

    f->p->now_ns = 10000000;
    fake_poke(f, 1, 0x1000, &op, sizeof(op));
    assert_int_equal(vcpu_op(v, VCPUOP_set_periodic_timer, 0, GVA(0x1000)),
                     -XEN_EINVAL);
    op.period_ns = 2000000;
    fake_poke(f, 1, 0x1000, &op, sizeof(op));
    assert_int_equal(vcpu_op(v, VCPUOP_set_periodic_timer, 0, GVA(0x1000)),
                     0);
    assert_false(v->periodic.queued); /* not on a CPU */
    v->running_on = 0;
    f->hv->cpus[0].current = v;
    vcpu_periodic_work(v);
    assert_true(v->periodic.queued);
    assert_int_equal(v->periodic.deadline_ns, 12000000);
    f->p->now_ns = 12000000;
    timer_run(f->hv, f->p->now_ns);
    assert_int_equal(v->periodic.deadline_ns, 14000000);
    sched_leave(v, f->p->now_ns);
    assert_false(v->periodic.queued);
    assert_int_equal(vcpu_op(v, VCPUOP_stop_periodic_timer, 0, GVA(0)), 0);
    assert_int_equal(v->periodic_ns, 0);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(timers_run_in_order_of_deadline_and_fifo_among_equals),
        T(timers_cancel_and_arm_again),
        T(timer_run_is_bounded_and_loses_nothing),
        T(vcpuop_singleshot_is_ones_own_and_fires_when_passed),
        T(vcpuop_periodic_has_a_least_period_and_ticks_while_running),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
