/*
 * vcpu_op: bringing vCPUs up and down, their info and runstate areas, their
 * timers.
 */
#include "conformance/harness.h"

#include <string.h>

#include <xen/event_channel.h>
#include <xen/hvm/hvm_vcpu.h>
#include <xen/vcpu.h>

static void is_up(struct t *t)
{
    T_EQ(t, t_vcpu_op(t, VCPUOP_is_up, 0, NULL, 0), 1);
    T_EQ(t, t_vcpu_op(t, VCPUOP_is_up, 1, NULL, 0), -XEN_ENOENT);
    T_EQ(t, t_vcpu_op(t, VCPUOP_is_up, ~0u, NULL, 0), -XEN_ENOENT);
}

static void up_uninitialised(struct t *t)
{
    T_EQ(t, t_vcpu_op(t, VCPUOP_up, 1, NULL, 0), 0);
    (void)t_recv(t, 0);
    T_EQ(t, t_vcpu_op(t, VCPUOP_is_up, 1, NULL, 0), 1);
    struct vcpu_hvm_context c = {.mode = VCPU_HVM_MODE_64B};
    T_EQ(t, t_vcpu_op(t, VCPUOP_initialise, 1, &c, sizeof(c)), -XEN_EEXIST);
    t_send(t, 1, 0);
}

static void says_word(struct t *t)
{
    t_send(t, 0, 1);
    (void)t_recv(t, 1);
}

static void second_runs(struct t *t)
{
    T_EQ(t, t_recv(t, 0), 1);
    T_EQ(t, t_vcpu_op(t, VCPUOP_is_up, 1, NULL, 0), 1);
    t_send(t, 1, 0);
}

static void initialise_checks(struct t *t)
{
    struct vcpu_hvm_context c = {.mode = VCPU_HVM_MODE_32B};
    /* Flat 32-bit, but CS is not code. */
    c.cpu_regs.x86_32.cr0 = 1;
    c.cpu_regs.x86_32.cs_ar = 0xc92;
    c.cpu_regs.x86_32.cs_limit = ~0u;
    T_EQ(t, t_vcpu_op(t, VCPUOP_initialise, 0, &c, sizeof(c)), -XEN_EEXIST);
    c.mode = 7;
    T_EQ(t, t_vcpu_op(t, VCPUOP_initialise, 0, &c, sizeof(c)), -XEN_EEXIST);
    T_EQ(t, t_vcpu_op(t, VCPUOP_initialise, 5, &c, sizeof(c)), -XEN_ENOENT);
}

static void wants_more_vcpus(struct t *t)
{
    struct vcpu_hvm_context c = {.mode = 7};
    T_EQ(t, t_vcpu_op(t, VCPUOP_up, 1, NULL, 0), -XEN_EINVAL);
    T_EQ(t, t_vcpu_op(t, VCPUOP_initialise, 1, &c, sizeof(c)), -XEN_EINVAL);
    c = (struct vcpu_hvm_context){.mode = VCPU_HVM_MODE_64B};
    c.cpu_regs.x86_64.cr0 = 1; /* long mode without paging */
    c.cpu_regs.x86_64.efer = 1u << 8;
    T_EQ(t, t_vcpu_op(t, VCPUOP_initialise, 1, &c, sizeof(c)), -XEN_EINVAL);
    T_EQ(t, os_hypercall(t->os, __HYPERVISOR_vcpu_op, VCPUOP_initialise, 1,
                         0x7f0000000000ULL, 0, 0), -XEN_EFAULT);
    T_EQ(t, t_vcpu_op(t, VCPUOP_is_up, 1, NULL, 0), 0);
    T_EQ(t, t_vcpu_op(t, VCPUOP_down, 1, NULL, 0), 0);
}

static void second_vcpu_context_is_checked(struct t *t)
{
    struct builder_config cfg = {.vcpus = 2};
    T_EQ(t, t_wait_shutdown(t, t_start_guest(t, wants_more_vcpus, &cfg)), 0);
}

static int64_t register_info(struct t *t, uint64_t gfn, unsigned offset)
{
    struct vcpu_register_vcpu_info r = {.mfn = gfn, .offset = offset};
    return t_vcpu_op(t, VCPUOP_register_vcpu_info, 0, &r, sizeof(r));
}

static void vcpu_info_moves(struct t *t)
{
    uint64_t page = t_page(t, 0);
    int64_t rc = register_info(t, os_gfn(t->os, page), 64);
    if (rc == -XEN_EINVAL) {
        t_skip(t, "the guest runtime has registered its vcpu_info already");
    }
    T_EQ(t, rc, 0);
    /* Moved: pvclock lives there now, and time goes on. */
    uint64_t at = page + 64 + offsetof(struct vcpu_info, time);
    t_sleep(t, 1000000);
    T_CHECK(t, os_load32(t->os, at) != 0);
    T_CHECK(t, os_load64(t->os, at + 16) != 0);
    /* Once only. */
    T_EQ(t, register_info(t, os_gfn(t->os, page), 128), -XEN_EINVAL);
}

static void vcpu_info_offset(struct t *t)
{
    uint64_t gfn = os_gfn(t->os, t_page(t, 0));
    uint64_t hole = os_gfn(t->os, os_space_alloc(t->os, 1));
    T_EQ(t, register_info(t, gfn, 4096 - 63), -XEN_EINVAL);
    T_EQ(t, register_info(t, gfn, 4096), -XEN_EINVAL);
    T_EQ(t, register_info(t, gfn, ~0u), -XEN_EINVAL);
    T_CHECK(t, register_info(t, hole, 0) < 0);
    T_CHECK(t, register_info(t, ~0ULL, 0) < 0);
}

static void runstate_area(struct t *t)
{
    struct vcpu_runstate_info r;
    uint64_t page = t_page(t, 0xff);
    struct vcpu_register_runstate_memory_area a;
    memset(&a, 0, sizeof(a));
    a.addr.p = page + 128;
    T_EQ(t, t_vcpu_op(t, VCPUOP_register_runstate_memory_area, 0, &a,
                      sizeof(a)), 0);
    t_sleep(t, 5000000);
    os_read(t->os, page + 128, &r, sizeof(r));
    T_EQ(t, r.state, RUNSTATE_running);
    T_CHECK(t, r.time[RUNSTATE_blocked] > 1000000);
    T_EQ(t, os_load8(t->os, page + 127), 0xff);
    T_EQ(t, os_load8(t->os, page + 128 + sizeof(r)), 0xff);
}

static void runstate_info(struct t *t)
{
    struct vcpu_runstate_info r, s;
    memset(&r, 0, sizeof(r));
    memset(&s, 0, sizeof(s));
    T_EQ(t, t_vcpu_op(t, VCPUOP_get_runstate_info, 0, &r, sizeof(r)), 0);
    T_EQ(t, r.state, RUNSTATE_running);
    t_sleep(t, 3000000);
    T_EQ(t, t_vcpu_op(t, VCPUOP_get_runstate_info, 0, &s, sizeof(s)), 0);
    uint64_t a = 0, b = 0;
    for (unsigned i = 0; i < 4; i++) {
        T_CHECK(t, s.time[i] >= r.time[i]);
        a += r.time[i];
        b += s.time[i];
    }
    T_CHECK(t, b - a >= 3000000);
}

struct counter {
    unsigned n;
};

static void count(struct os *os, void *ctx, evtchn_port_t port)
{
    (void)os;
    (void)port;
    ((struct counter *)ctx)->n++;
}

static void periodic_timer(struct t *t)
{
    evtchn_port_t p;
    struct counter *c = os_malloc(t->os, sizeof(*c));
    T_REQUIRE_OK(t, os_evtchn_bind_virq(t->os, VIRQ_TIMER, &p));
    T_REQUIRE_OK(t, os_event_handler(t->os, p, count, c));
    struct vcpu_set_periodic_timer s = {.period_ns = 2000000};
    T_EQ(t, t_vcpu_op(t, VCPUOP_set_periodic_timer, 0, &s, sizeof(s)), 0);
    /* Busy: the timer is the running vCPU's, as Xen's is. The first tick
     * comes at once. */
    uint64_t end = os_now_ns(t->os) + 21000000;
    while (os_now_ns(t->os) < end) {
        os_wait(t->os, 0);
    }
    T_CHECK(t, c->n >= 10 && c->n <= 12);
    T_EQ(t, t_vcpu_op(t, VCPUOP_stop_periodic_timer, 0, NULL, 0), 0);
    t_sleep(t, 4000000);
    unsigned n = c->n;
    t_sleep(t, 20000000);
    T_EQ(t, c->n, n);
    s.period_ns = 1000;
    T_EQ(t, t_vcpu_op(t, VCPUOP_set_periodic_timer, 0, &s, sizeof(s)),
         -XEN_EINVAL);
}

static void singleshot_timer(struct t *t)
{
    struct vcpu_set_singleshot_timer s;
    evtchn_port_t p;
    memset(&s, 0, sizeof(s)); /* its padding too */
    s.timeout_abs_ns = 1;
    s.flags = VCPU_SSHOTTMR_future;
    struct counter *c = os_malloc(t->os, sizeof(*c));
    T_REQUIRE_OK(t, os_evtchn_bind_virq(t->os, VIRQ_TIMER, &p));
    T_REQUIRE_OK(t, os_event_handler(t->os, p, count, c));
    /* "but can be ignored by the hypervisor": then it fires at once */
    int64_t rc =
        t_vcpu_op(t, VCPUOP_set_singleshot_timer, 0, &s, sizeof(s));
    T_CHECK(t, rc == 0 || rc == -XEN_ETIME);
    t_sleep(t, 1000000);
    T_EQ(t, c->n, rc == 0 ? 1 : 0);
    c->n = 0;
    s.timeout_abs_ns = os_now_ns(t->os) + 1000000;
    T_EQ(t, t_vcpu_op(t, VCPUOP_set_singleshot_timer, 0, &s, sizeof(s)), 0);
    T_EQ(t, t_vcpu_op(t, VCPUOP_stop_singleshot_timer, 0, NULL, 0), 0);
    t_sleep(t, 3000000);
    T_EQ(t, c->n, 0); /* stopped in time */
}

static void timers_of_another_vcpu(struct t *t)
{
    struct vcpu_set_singleshot_timer s = {.timeout_abs_ns = 1};
    T_CHECK(t, t_vcpu_op(t, VCPUOP_set_singleshot_timer, 1, &s, sizeof(s)) <
                   0);
    struct vcpu_set_periodic_timer p = {.period_ns = 2000000};
    T_CHECK(t, t_vcpu_op(t, VCPUOP_set_periodic_timer, 3, &p, sizeof(p)) <
                   0);
}

static void unknown_op(struct t *t)
{
    T_EQ(t, t_vcpu_op(t, 50, 0, NULL, 0), -XEN_ENOSYS);
}

static void clock_advances(struct t *t)
{
    uint64_t last = os_now_ns(t->os);
    for (unsigned i = 0; i < 200; i++) {
        uint64_t now = os_now_ns(t->os);
        T_CHECK(t, now >= last);
        last = now;
    }
    uint64_t start = os_now_ns(t->os);
    t_sleep(t, 7000000);
    T_CHECK(t, os_now_ns(t->os) - start >= 7000000);
    T_CHECK(t, os_now_ns(t->os) - start < 30000000);
}

static const struct tcase cases[] = {
    {"vcpu_is_up_knows_its_vcpus",
     "is_up of a vCPU that doesn't exist is ENOENT", "vcpu.h: VCPUOP_is_up",
     T_NOSTORE, is_up, 0, 0, 0},
    {"vcpu_second_is_initialised_and_runs",
     "initialise and up start a vCPU at its context",
     "vcpu.h: VCPUOP_initialise, VCPUOP_up", T_NOSTORE, second_runs, 0,
     says_word, 0},
    {"vcpu_initialise_twice_is_eexist",
     "a vCPU is initialised once; up of one that is up is 0",
     "vcpu.h: VCPUOP_initialise", T_NOSTORE | T_HOSTILE, up_uninitialised, 0,
     says_word, 0},
    {"vcpu_initialise_of_a_running_vcpu_is_refused",
     "the running vCPU and missing ones can't be initialised",
     "vcpu.h: VCPUOP_initialise", T_NOSTORE | T_HOSTILE, initialise_checks, 0,
     0, 0},
    {"vcpu_bad_context_is_refused",
     "a context the processor can't enter is EINVAL and starts nothing",
     "hvm/hvm_vcpu.h: struct vcpu_hvm_context", T_NOSTORE | T_CONTROL |
     T_HOSTILE, second_vcpu_context_is_checked, 0, 0, 0},
    {"vcpu_info_registers_once",
     "vcpu_info moves to the given frame, once",
     "vcpu.h: VCPUOP_register_vcpu_info", T_NOSTORE, vcpu_info_moves, 0, 0,
     0},
    {"vcpu_info_offset_and_frame_are_checked",
     "vcpu_info must not cross a page, nor lie in a hole",
     "vcpu.h: VCPUOP_register_vcpu_info", T_NOSTORE | T_HOSTILE,
     vcpu_info_offset, 0, 0, 0},
    {"vcpu_runstate_area_is_kept",
     "the area shows the vCPU's state and times, nothing beside it changes",
     "vcpu.h: VCPUOP_register_runstate_memory_area", T_NOSTORE, runstate_area,
     0, 0, 0},
    {"vcpu_runstate_times_add_up", "the four times sum to elapsed time",
     "vcpu.h: VCPUOP_get_runstate_info", T_NOSTORE, runstate_info, 0, 0, 0},
    {"vcpu_periodic_timer_ticks_and_stops",
     "ticks come once a period; below 1 ms is EINVAL",
     "vcpu.h: VCPUOP_set_periodic_timer", T_NOSTORE, periodic_timer, 0, 0,
     0},
    {"vcpu_singleshot_in_the_past_fires_or_is_etime",
     "a time that has passed is ETIME with VCPU_SSHOTTMR_future, or fires",
     "vcpu.h: VCPU_SSHOTTMR_future", T_NOSTORE, singleshot_timer, 0, 0, 0},
    {"vcpu_timers_of_another_vcpu_are_refused",
     "a vCPU sets its own timers", "vcpu.h: VCPUOP_set_singleshot_timer",
     T_NOSTORE | T_HOSTILE, timers_of_another_vcpu, 0, 0, 0},
    {"vcpu_unknown_op_is_enosys", "an unknown vcpu_op is ENOSYS", "vcpu.h",
     T_NOSTORE | T_HOSTILE, unknown_op, 0, 0, 0},
    {"vcpu_clock_is_monotonic",
     "system_time from vcpu_time_info never goes back",
     "xen.h: struct vcpu_time_info", T_NOSTORE, clock_advances, 0, 0, 0},
};
T_SUITE(vcpu, cases);
