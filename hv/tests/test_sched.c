/*
 * The scheduler and sched_op over a fake machine whose CPUs the test plays
 * by hand. Clauses: sched.h (ours: fairness, caps, affinity) and Xen's
 * sched.h, domctl.h (credit parameters), vcpu.h (runstates, up and down).
 */
#include "hv/sched.h"

#include "hv/evtchn.h"
#include "hv/gmem.h"
#include "hv/hypercall.h"
#include "hv/tests/fake_hv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define MS 1000000ULL
#define ARG 0x1000

static int setup(void **state)
{
    struct fake_hv *f = fake_hv_new();

    f->hv->cpus[0].online = true;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fake_hv_free(*state);
    return 0;
}

static void two_cpus(struct fake_hv *f)
{
    f->p->cpus = 2;
    f->hv->nr_cpus = 2;
    f->hv->cpus[1].online = true;
}

/* Runs CPU 0 for total_ns in steps; ran[n] is what guest n got. */
static void run(struct fake_hv *f, uint64_t total_ns, uint64_t ran[3])
{
    uint64_t end = f->p->now_ns + total_ns;

    for (unsigned n = 0; n < FAKE_DOMAINS; n++) {
        ran[n] = f->d[n]->run_ns;
    }
    while (f->p->now_ns < end) {
        timer_run(f->hv, f->p->now_ns);
        sched_pick(f->hv, 0, f->p->now_ns);
        f->p->now_ns += MS / 2;
    }
    sched_pick(f->hv, 0, f->p->now_ns);
    for (unsigned n = 0; n < FAKE_DOMAINS; n++) {
        ran[n] = f->d[n]->run_ns - ran[n];
    }
}

static long op_on(struct fake_hv *f, unsigned n, unsigned cmd,
                  const void *arg, size_t len)
{
    fake_poke(f, n, ARG, arg, len);
    return sched_op(f->v[n], cmd, GVA(ARG));
}

static void sched_shares_by_weight(void **state)
{
    struct fake_hv *f = *state;
    struct xen_domctl_scheduler_op op = {
        .sched_id = XEN_SCHEDULER_CREDIT,
        .cmd = XEN_DOMCTL_SCHEDOP_putinfo,
        .u.credit = {.weight = 512, .cap = 0xffff},
    };
    uint64_t ran[3];

    assert_int_equal(sched_domctl(f->d[1], &op), 0);
    run(f, 4000 * MS, ran);
    assert_in_range(ran[0], 950 * MS, 1050 * MS);
    assert_in_range(ran[1], 1950 * MS, 2050 * MS);
    assert_in_range(ran[2], 950 * MS, 1050 * MS);
    op.sched_id = XEN_SCHEDULER_RTDS;
    assert_int_equal(sched_domctl(f->d[1], &op), -XEN_EINVAL);
    op.sched_id = XEN_SCHEDULER_CREDIT;
    op.cmd = XEN_DOMCTL_SCHEDOP_getinfo;
    assert_int_equal(sched_domctl(f->d[1], &op), 0);
    assert_int_equal(op.u.credit.weight, 512);
    assert_int_equal(op.u.credit.cap, 0);
    op.cmd = XEN_DOMCTL_SCHEDOP_putvcpuinfo;
    assert_int_equal(sched_domctl(f->d[1], &op), -XEN_EINVAL);
}

static void sched_holds_a_cap_on_an_idle_machine(void **state)
{
    struct fake_hv *f = *state;
    struct xen_domctl_scheduler_op op = {
        .sched_id = XEN_SCHEDULER_CREDIT,
        .cmd = XEN_DOMCTL_SCHEDOP_putinfo,
        .u.credit = {.weight = 0, .cap = 30},
    };
    uint64_t ran[3];

    sched_block(f->v[0]);
    sched_block(f->v[2]);
    assert_int_equal(sched_domctl(f->d[1], &op), 0);
    run(f, 2000 * MS, ran);
    assert_in_range(ran[1], 580 * MS, 620 * MS);
    assert_int_equal(ran[0] + ran[2], 0);
    assert_true(f->d[1]->cap_timer.queued || f->hv->cpus[0].current);
}

static void sched_gives_a_sleeper_no_arrears(void **state)
{
    struct fake_hv *f = *state;
    uint64_t ran[3];

    sched_block(f->v[1]);
    sched_block(f->v[2]);
    run(f, 1000 * MS, ran);
    sched_unblock(f->v[1]);
    run(f, 200 * MS, ran);
    assert_in_range(ran[0], 85 * MS, 115 * MS);
    assert_in_range(ran[1], 85 * MS, 115 * MS);
}

static void sched_keeps_affinity_and_no_cpu_idles_over_work(void **state)
{
    struct fake_hv *f = *state;
    struct vcpu *a, *b;

    two_cpus(f);
    sched_block(f->v[0]);
    f->v[1]->affinity = f->v[2]->affinity = 1;
    a = sched_pick(f->hv, 0, 0);
    assert_non_null(a);
    assert_null(sched_pick(f->hv, 1, 0));
    /* Who waits may go elsewhere now: the idle CPU is called. */
    b = a == f->v[1] ? f->v[2] : f->v[1];
    b->affinity = 2;
    f->p->ipis = 0;
    sched_reconsider(b);
    assert_int_equal(f->p->ipis, 1);
    assert_ptr_equal(sched_pick(f->hv, 1, 0), b);
    assert_int_equal(b->running_on, 1);
    /* And one that runs where it may not any more is called off. */
    b->affinity = 1;
    sched_reconsider(b);
    assert_int_equal(f->p->ipis, 2);
    assert_null(sched_pick(f->hv, 1, 0));
    assert_int_equal(b->running_on, -1);
}

static void sched_pause_asks_the_other_cpu_out_of_guest_mode(void **state)
{
    struct fake_hv *f = *state;

    two_cpus(f);
    sched_block(f->v[0]);
    sched_block(f->v[2]);
    f->v[1]->affinity = 2;
    assert_ptr_equal(sched_pick(f->hv, 1, 0), f->v[1]);
    domain_pause(f->d[1]);
    assert_int_equal(f->p->left_guest, 2);
    assert_false(sched_runnable(f->v[1]));
    domain_pause(f->d[1]);
    domain_unpause(f->d[1]);
    assert_false(sched_runnable(f->v[1]));
    assert_null(sched_pick(f->hv, 1, 5));
    assert_int_equal(f->v[1]->runstate, RUNSTATE_offline);
    domain_unpause(f->d[1]);
    assert_int_equal(f->v[1]->runstate, RUNSTATE_runnable);
    assert_ptr_equal(sched_pick(f->hv, 1, 6), f->v[1]);
}

static void sched_yield_lets_the_others_go_first(void **state)
{
    struct fake_hv *f = *state;
    struct vcpu *first = sched_pick(f->hv, 0, 0), *next;

    assert_int_equal(sched_op(first, SCHEDOP_yield, GVA(0)), 0);
    next = sched_pick(f->hv, 0, 0);
    assert_ptr_not_equal(next, first);
    /* Alone, it goes on. */
    sched_block(f->v[0] == next ? f->v[1] : f->v[0]);
    sched_block(f->v[2] == next ? f->v[1] : f->v[2]);
    assert_int_equal(sched_op(next, SCHEDOP_yield, GVA(0)), 0);
    assert_ptr_equal(sched_pick(f->hv, 0, 1), next);
    assert_false(next->yielded);
}

/* vcpu.h: "The sum of these times is guaranteed not to drift" */
static void runstate_times_add_up(void **state)
{
    struct fake_hv *f = *state;
    struct vcpu_runstate_info info;
    uint64_t ran[3], sum = 0;

    run(f, 100 * MS, ran);
    sched_block(f->v[1]);
    run(f, 100 * MS, ran);
    sched_unblock(f->v[1]);
    run(f, 100 * MS, ran);
    vcpu_get_runstate(f->v[1], &info);
    for (unsigned i = 0; i < 4; i++) {
        sum += info.time[i];
    }
    assert_int_equal(sum, f->p->now_ns);
    assert_in_range(info.time[RUNSTATE_blocked], 90 * MS, 100 * MS);
    assert_int_equal(info.time[RUNSTATE_running], f->d[1]->run_ns);
}

/* sched.h: SCHEDOP_poll */
static void poll_checks_as_xen_does(void **state)
{
    struct fake_hv *f = *state;
    struct sched_poll op;
    evtchn_port_t ports[2] = {1, HV_MAX_EVTCHNS};

    memset(&op, 0, sizeof(op));
    op.ports.p = (evtchn_port_t *)0x2000;
    fake_poke(f, 1, 0x2000, ports, sizeof(ports));
    op.nr_ports = 129;
    assert_int_equal(op_on(f, 1, SCHEDOP_poll, &op, sizeof(op)),
                     -XEN_EINVAL);
    op.nr_ports = 2;
    assert_int_equal(op_on(f, 1, SCHEDOP_poll, &op, sizeof(op)),
                     -XEN_EINVAL);
    assert_int_equal(sched_op(f->v[1], SCHEDOP_poll, GVA(1ULL << 40)),
                     -XEN_EFAULT);
    assert_false(f->v[1]->blocked);
    /* A timeout that has passed: returns at once. */
    f->p->now_ns = 100;
    op.nr_ports = 1;
    op.timeout = 100;
    assert_int_equal(op_on(f, 1, SCHEDOP_poll, &op, sizeof(op)), 0);
    assert_false(f->v[1]->blocked);
    /* No ports and a timeout: sleeps until then. */
    op.nr_ports = 0;
    op.timeout = 500;
    assert_int_equal(op_on(f, 1, SCHEDOP_poll, &op, sizeof(op)), 0);
    assert_true(f->v[1]->blocked && f->v[1]->polling);
    timer_run(f->hv, 499);
    assert_true(f->v[1]->blocked);
    timer_run(f->hv, 500);
    assert_false(f->v[1]->blocked || f->v[1]->polling);
}

static void poll_wakes_for_its_port_though_masked(void **state)
{
    struct fake_hv *f = *state;
    struct evtchn_alloc_unbound un = {.dom = DOMID_SELF, .remote_dom = 1};
    struct evtchn_bind_interdomain bind = {.remote_dom = 1};
    struct sched_poll op;
    evtchn_port_t port;

    fake_poke(f, 1, ARG, &un, sizeof(un));
    assert_int_equal(evtchn_op(f->v[1], EVTCHNOP_alloc_unbound, GVA(ARG)), 0);
    fake_peek(f, 1, ARG, &un, sizeof(un));
    bind.remote_port = un.port;
    fake_poke(f, 1, ARG, &bind, sizeof(bind));
    assert_int_equal(evtchn_op(f->v[1], EVTCHNOP_bind_interdomain, GVA(ARG)),
                     0);
    fake_peek(f, 1, ARG, &bind, sizeof(bind));
    /* Binding raises the local port once: take that away. */
    gmem_frame_write(f->hv, f->d[1]->shared_info, 0,
                     (uint8_t[sizeof(struct vcpu_info)]){0},
                     sizeof(struct vcpu_info));
    port = un.port;
    memset(&op, 0, sizeof(op));
    op.ports.p = (evtchn_port_t *)0x2000;
    op.nr_ports = 1;
    fake_poke(f, 1, 0x2000, &port, sizeof(port));
    assert_int_equal(op_on(f, 1, SCHEDOP_poll, &op, sizeof(op)), 0);
    assert_true(f->v[1]->polling);
    gmem_frame_test_and_set_bit(f->hv, f->d[1]->shared_info,
                                offsetof(struct shared_info, evtchn_mask),
                                port);
    assert_int_equal(evtchn_send(f->d[1], bind.local_port), 0);
    assert_false(f->v[1]->polling || f->v[1]->blocked);
    /* Pending already: does not sleep. */
    assert_int_equal(op_on(f, 1, SCHEDOP_poll, &op, sizeof(op)), 0);
    assert_false(f->v[1]->polling);
}

/* sched.h: SCHEDOP_block; a wakeup before the call must not be lost */
static void block_does_not_sleep_over_a_pending_upcall(void **state)
{
    struct fake_hv *f = *state;
    uint8_t one = 1;

    gmem_frame_write(f->hv, f->d[1]->shared_info, 0, &one, 1);
    assert_int_equal(sched_op(f->v[1], SCHEDOP_block, GVA(0)), 0);
    assert_false(f->v[1]->blocked);
    one = 0;
    gmem_frame_write(f->hv, f->d[1]->shared_info, 0, &one, 1);
    assert_int_equal(sched_op(f->v[1], SCHEDOP_block, GVA(0)), 0);
    assert_true(f->v[1]->blocked);
}

/* sched.h: SCHEDOP_watchdog */
static void watchdog_ids_and_expiry(void **state)
{
    struct fake_hv *f = *state;
    struct sched_watchdog op = {.id = 0, .timeout = 10};

    assert_int_equal(op_on(f, 1, SCHEDOP_watchdog, &op, sizeof(op)), 1);
    assert_int_equal(op_on(f, 1, SCHEDOP_watchdog, &op, sizeof(op)), 2);
    assert_int_equal(op_on(f, 1, SCHEDOP_watchdog, &op, sizeof(op)),
                     -XEN_ENOSPC);
    op.id = 3;
    assert_int_equal(op_on(f, 1, SCHEDOP_watchdog, &op, sizeof(op)),
                     -XEN_EINVAL);
    op.id = 2;
    op.timeout = 0;
    assert_int_equal(op_on(f, 1, SCHEDOP_watchdog, &op, sizeof(op)), 0);
    assert_int_equal(op_on(f, 1, SCHEDOP_watchdog, &op, sizeof(op)),
                     -XEN_EINVAL);
    f->p->now_ns = 10000 * MS;
    timer_run(f->hv, f->p->now_ns);
    assert_true(f->d[1]->shutting_down);
    assert_int_equal(f->d[1]->shutdown_code, SHUTDOWN_watchdog);
}

static void shutdown_code_is_given_once(void **state)
{
    struct fake_hv *f = *state;
    struct sched_shutdown op = {.reason = SHUTDOWN_suspend};

    assert_int_equal(op_on(f, 1, SCHEDOP_shutdown_code, &op, sizeof(op)), 0);
    assert_false(f->d[1]->shutting_down);
    op.reason = SHUTDOWN_crash;
    assert_int_equal(op_on(f, 1, SCHEDOP_shutdown, &op, sizeof(op)), 0);
    assert_true(f->d[1]->shutting_down);
    assert_int_equal(f->d[1]->shutdown_code, SHUTDOWN_suspend);
    assert_false(sched_runnable(f->v[1]));
    domain_resume(f->d[1]);
    assert_true(sched_runnable(f->v[1]));
}

static void remote_shutdown_is_for_the_privileged(void **state)
{
    struct fake_hv *f = *state;
    struct sched_remote_shutdown op = {.domain_id = 77, .reason = 0};

    assert_int_equal(op_on(f, 1, SCHEDOP_remote_shutdown, &op, sizeof(op)),
                     -XEN_ESRCH);
    op.domain_id = 2;
    assert_int_equal(op_on(f, 1, SCHEDOP_remote_shutdown, &op, sizeof(op)),
                     -XEN_EPERM);
    assert_int_equal(op_on(f, 0, SCHEDOP_remote_shutdown, &op, sizeof(op)),
                     0);
    assert_true(f->d[2]->shutting_down);
    assert_int_equal(sched_op(f->v[1], SCHEDOP_pin_override, GVA(0)),
                     -XEN_EPERM);
    assert_int_equal(sched_op(f->v[1], 99, GVA(0)), -XEN_ENOSYS);
}

static void last_vcpu_down_powers_the_domain_off(void **state)
{
    struct fake_hv *f = *state;

    assert_int_equal(vcpu_op(f->v[1], VCPUOP_is_up, 0, GVA(0)), 1);
    assert_int_equal(vcpu_op(f->v[1], VCPUOP_down, 0, GVA(0)), 0);
    assert_true(f->d[1]->shutting_down);
    assert_int_equal(f->d[1]->shutdown_code, SHUTDOWN_poweroff);
}

/* vcpu.h: VCPUOP_register_vcpu_info */
static void vcpu_info_registers_once_and_within_a_page(void **state)
{
    struct fake_hv *f = *state;
    struct vcpu_register_vcpu_info op = {.mfn = 5, .offset = 4096 - 63};
    struct vcpu_info info;
    mfn_t mfn;

    f->hv->cpus[0].current = f->v[1];
    f->v[1]->running_on = 0;
    fake_poke(f, 1, ARG, &op, sizeof(op));
    assert_int_equal(
        vcpu_op(f->v[1], VCPUOP_register_vcpu_info, 0, GVA(ARG)),
        -XEN_EINVAL);
    op.offset = 4096 - 64;
    fake_poke(f, 1, ARG, &op, sizeof(op));
    assert_int_equal(
        vcpu_op(f->v[1], VCPUOP_register_vcpu_info, 0, GVA(ARG)), 0);
    fake_peek(f, 1, 5 * 4096 + op.offset, &info, sizeof(info));
    assert_int_equal(info.evtchn_upcall_pending, 1);
    assert_true(info.evtchn_pending_sel == ~0UL);
    assert_true(info.time.version != 0 && info.time.version % 2 == 0);
    assert_int_equal(
        vcpu_op(f->v[1], VCPUOP_register_vcpu_info, 0, GVA(ARG)),
        -XEN_EINVAL);
    mfn = f->v[1]->vcpu_info_mfn;
    assert_int_equal(page_of(f->hv, mfn)->type_refs, 2);
    sched_leave(f->v[1], 1);
    assert_true(fake_kill(f, 1));
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(sched_shares_by_weight),
        T(sched_holds_a_cap_on_an_idle_machine),
        T(sched_gives_a_sleeper_no_arrears),
        T(sched_keeps_affinity_and_no_cpu_idles_over_work),
        T(sched_pause_asks_the_other_cpu_out_of_guest_mode),
        T(sched_yield_lets_the_others_go_first),
        T(runstate_times_add_up),
        T(poll_checks_as_xen_does),
        T(poll_wakes_for_its_port_though_masked),
        T(block_does_not_sleep_over_a_pending_upcall),
        T(watchdog_ids_and_expiry),
        T(shutdown_code_is_given_once),
        T(remote_shutdown_is_for_the_privileged),
        T(last_vcpu_down_powers_the_domain_off),
        T(vcpu_info_registers_once_and_within_a_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
