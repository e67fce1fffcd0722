/*
 * sched_op and the scheduler: blocking, polling, shutdown, watchdogs,
 * weights, caps, affinity. Times are virtual.
 */
#include "conformance/harness.h"

#include <string.h>

#include <xen/domctl.h>
#include <xen/event_channel.h>
#include <xen/sched.h>

#include "conformance/world.h"
#include "pv/os/native.h"
#include "sim/cpu/native.h"

static int64_t poll_ports(struct t *t, const evtchn_port_t *ports,
                          unsigned n, uint64_t timeout)
{
    struct sched_poll p = {.nr_ports = n, .timeout = timeout};
    uint64_t arg = os_arg(t->os), list = arg + 256;
    memcpy(&p.ports, &list, 8);
    os_write(t->os, arg, &p, sizeof(p));
    if (n > 0 && n <= 128) {
        os_write(t->os, list, ports, n * sizeof(*ports));
    }
    return os_hypercall(t->os, __HYPERVISOR_sched_op, SCHEDOP_poll, arg, 0, 0,
                        0);
}

static evtchn_port_t masked_port(struct t *t, evtchn_port_t *sender)
{
    evtchn_port_t a;
    T_REQUIRE_OK(t, os_evtchn_alloc_unbound(t->os, DOMID_SELF, &a));
    T_REQUIRE_OK(t, os_evtchn_bind_interdomain(t->os, DOMID_SELF, a, sender));
    return a;
}

static void yield_returns(struct t *t)
{
    for (unsigned i = 0; i < 20; i++) {
        T_EQ(t, t_sched_op(t, SCHEDOP_yield, NULL, 0), 0);
    }
}

static void poll_times_out(struct t *t)
{
    evtchn_port_t b, a = masked_port(t, &b);
    uint64_t until = os_now_ns(t->os) + 3000000;
    T_EQ(t, poll_ports(t, &a, 1, until), 0);
    T_CHECK(t, os_now_ns(t->os) >= until);
    T_CHECK(t, os_now_ns(t->os) < until + 20000000);
}

static void poll_pending_returns_at_once(struct t *t)
{
    evtchn_port_t b, a = masked_port(t, &b);
    T_EQ(t, os_evtchn_send(t->os, b), 0);
    uint64_t start = os_now_ns(t->os);
    T_EQ(t, poll_ports(t, &a, 1, start + 1000000000), 0);
    T_CHECK(t, os_now_ns(t->os) < start + 1000000);
}

static void poll_past_timeout(struct t *t)
{
    evtchn_port_t b, a = masked_port(t, &b);
    uint64_t start = os_now_ns(t->os);
    T_EQ(t, poll_ports(t, &a, 1, 1), 0);
    T_CHECK(t, os_now_ns(t->os) < start + 1000000);
}

static void poll_bad_arguments(struct t *t)
{
    evtchn_port_t bad = 100000;
    T_EQ(t, poll_ports(t, &bad, 1, 1), -XEN_EINVAL);
    T_EQ(t, poll_ports(t, &bad, 129, 1), -XEN_EINVAL);
    T_EQ(t, poll_ports(t, &bad, ~0u, 1), -XEN_EINVAL);
    T_EQ(t, os_hypercall(t->os, __HYPERVISOR_sched_op, SCHEDOP_poll,
                         0x7f0000000000ULL, 0, 0, 0), -XEN_EFAULT);
}

static void poll_woken_subject(struct t *t)
{
    evtchn_port_t a;
    T_REQUIRE_OK(t, os_evtchn_alloc_unbound(t->os, t_domid(t, ROLE_PEER),
                                            &a));
    t_send(t, 0, a);
    uint64_t start = os_now_ns(t->os);
    T_EQ(t, poll_ports(t, &a, 1, start + 9000000000ULL), 0);
    T_CHECK(t, os_now_ns(t->os) < start + 5000000000ULL);
}

static void poll_woken_peer(struct t *t)
{
    evtchn_port_t b;
    evtchn_port_t remote = t_recv(t, 0);
    T_REQUIRE_OK(t, os_evtchn_bind_interdomain(
                        t->os, t_domid(t, ROLE_SUBJECT), remote, &b));
    t_sleep(t, 5000000);
    T_EQ(t, os_evtchn_send(t->os, b), 0);
}

static void unknown_op(struct t *t)
{
    uint64_t junk[4] = {0};
    T_EQ(t, t_sched_op(t, 40, junk, sizeof(junk)), -XEN_ENOSYS);
}

/* -- Shutdown ------------------------------------------------------------- */

static _Noreturn void shut_down(struct t *t, unsigned reason)
{
    struct sched_shutdown s = {.reason = reason};
    t_sched_op(t, SCHEDOP_shutdown, &s, sizeof(s));
    t_fail(t, __FILE__, __LINE__, "SCHEDOP_shutdown returned");
}

static void reboots(struct t *t)
{
    shut_down(t, SHUTDOWN_reboot);
}
static void crashes(struct t *t)
{
    shut_down(t, SHUTDOWN_crash);
}
static void suspends(struct t *t)
{
    struct sched_shutdown s = {.reason = SHUTDOWN_suspend};
    t_sched_op(t, SCHEDOP_shutdown, &s, sizeof(s));
}
static void powers_off(struct t *t)
{
    shut_down(t, SHUTDOWN_poweroff);
}

static void shutdown_reason_is_seen(struct t *t)
{
    domid_t a = t_start_guest(t, reboots, NULL);
    domid_t b = t_start_guest(t, crashes, NULL);
    domid_t c = t_start_guest(t, powers_off, NULL);
    domid_t d = t_start_guest(t, suspends, NULL);
    T_EQ(t, t_wait_shutdown(t, a), SHUTDOWN_reboot);
    T_EQ(t, t_wait_shutdown(t, b), SHUTDOWN_crash);
    T_EQ(t, t_wait_shutdown(t, c), SHUTDOWN_poweroff);
    T_EQ(t, t_wait_shutdown(t, d), SHUTDOWN_suspend);
}

static void marks_code(struct t *t)
{
    struct sched_shutdown s = {.reason = SHUTDOWN_crash};
    T_EQ(t, t_sched_op(t, SCHEDOP_shutdown_code, &s, sizeof(s)), 0);
    shut_down(t, SHUTDOWN_poweroff);
}

static void shutdown_code_sticks(struct t *t)
{
    T_EQ(t, t_wait_shutdown(t, t_start_guest(t, marks_code, NULL)),
         SHUTDOWN_crash);
}

static void sleeps_long(struct t *t)
{
    t_sleep(t, 100000000000ULL);
}

static void remote_shutdown(struct t *t)
{
    domid_t d = t_start_guest(t, sleeps_long, NULL);
    t_sleep(t, 2000000);
    struct sched_remote_shutdown r;
    memset(&r, 0, sizeof(r)); /* the padding goes to the hypervisor too */
    r.domain_id = d;
    r.reason = SHUTDOWN_reboot;
    T_EQ(t, t_sched_op(t, SCHEDOP_remote_shutdown, &r, sizeof(r)), 0);
    T_EQ(t, t_wait_shutdown(t, d), SHUTDOWN_reboot);
    r.domain_id = 0x7ef0;
    T_EQ(t, t_sched_op(t, SCHEDOP_remote_shutdown, &r, sizeof(r)),
         -XEN_ESRCH);
}

static void dog_bites(struct t *t)
{
    struct sched_watchdog w = {.id = 0, .timeout = 1};
    T_CHECK(t, t_sched_op(t, SCHEDOP_watchdog, &w, sizeof(w)) > 0);
    t_sleep(t, 100000000000ULL);
}

static void watchdog_fires(struct t *t)
{
    T_EQ(t, t_wait_shutdown(t, t_start_guest(t, dog_bites, NULL)),
         SHUTDOWN_watchdog);
}

static void watchdog_rules(struct t *t)
{
    struct sched_watchdog w = {.id = 0, .timeout = 50};
    int64_t a = t_sched_op(t, SCHEDOP_watchdog, &w, sizeof(w));
    int64_t b = t_sched_op(t, SCHEDOP_watchdog, &w, sizeof(w));
    T_CHECK(t, a > 0 && b > 0 && a != b);
    T_EQ(t, t_sched_op(t, SCHEDOP_watchdog, &w, sizeof(w)), -XEN_ENOSPC);
    w.id = 77;
    T_EQ(t, t_sched_op(t, SCHEDOP_watchdog, &w, sizeof(w)), -XEN_EINVAL);
    w = (struct sched_watchdog){.id = a, .timeout = 0};
    T_EQ(t, t_sched_op(t, SCHEDOP_watchdog, &w, sizeof(w)), 0);
    T_EQ(t, t_sched_op(t, SCHEDOP_watchdog, &w, sizeof(w)), -XEN_EINVAL);
    w.id = b;
    T_EQ(t, t_sched_op(t, SCHEDOP_watchdog, &w, sizeof(w)), 0);
}

/* -- Sharing the CPU ------------------------------------------------------ */

static void spins(struct t *t)
{
    for (;;) {
        native_rdtsc(os_native(t->os));
    }
}

static uint64_t cpu_time(struct t *t, domid_t d)
{
    struct xen_domctl_getdomaininfo info;
    T_REQUIRE_OK(t, builder_info(t->os, d, &info));
    return info.cpu_time;
}

static void spinner_stops_nobody(struct t *t)
{
    domid_t a = t_start_guest(t, spins, NULL);
    domid_t b = t_start_guest(t, powers_off, NULL);
    T_EQ(t, t_wait_shutdown(t, b), SHUTDOWN_poweroff);
    t_destroy_guest(t, a);
}

static void spins_interrupts_off(struct t *t)
{
    native_cli(os_native(t->os));
    spins(t);
}

static void cli_spinner_stops_nobody(struct t *t)
{
    domid_t a = t_start_guest(t, spins_interrupts_off, NULL);
    domid_t b = t_start_guest(t, powers_off, NULL);
    T_EQ(t, t_wait_shutdown(t, b), SHUTDOWN_poweroff);
    t_destroy_guest(t, a);
}

static void weights_share(struct t *t)
{
    struct builder_config one = {.weight = 256}, three = {.weight = 768};
    domid_t a = t_start_guest(t, spins, &one);
    domid_t b = t_start_guest(t, spins, &three);
    uint64_t a0 = cpu_time(t, a), b0 = cpu_time(t, b);
    t_sleep(t, 400000000);
    uint64_t da = cpu_time(t, a) - a0, db = cpu_time(t, b) - b0;
    T_CHECK(t, da > 0);
    /* 1 to 3, give or take a time slice or two */
    T_CHECK(t, db > 2 * da && db < 4 * da);
    t_destroy_guest(t, a);
    t_destroy_guest(t, b);
}

static void cap_limits(struct t *t)
{
    struct builder_config cfg = {.cap_percent = 20};
    domid_t a = t_start_guest(t, spins, &cfg);
    t_sleep(t, 100000000);
    uint64_t a0 = cpu_time(t, a);
    t_sleep(t, 500000000);
    uint64_t used = cpu_time(t, a) - a0;
    T_CHECK(t, used > 50000000 && used < 160000000);
    t_destroy_guest(t, a);
}

static void paused_gets_nothing(struct t *t)
{
    domid_t a = t_start_guest(t, spins, NULL);
    t_sleep(t, 20000000);
    T_REQUIRE_OK(t, builder_pause(t->os, a));
    uint64_t before = cpu_time(t, a);
    t_sleep(t, 50000000);
    T_EQ(t, cpu_time(t, a), before);
    T_REQUIRE_OK(t, builder_unpause(t->os, a));
    t_sleep(t, 50000000);
    T_CHECK(t, cpu_time(t, a) > before);
    t_destroy_guest(t, a);
}

static void affinity_is_obeyed(struct t *t)
{
    struct builder_config cfg = {.affinity = 2};
    domid_t a = t_start_guest(t, spins, &cfg);
    for (unsigned i = 0; i < 10; i++) {
        struct xen_domctl op = {.cmd = XEN_DOMCTL_getvcpuinfo, .domain = a};
        t_sleep(t, 3000000);
        T_EQ(t, t_domctl(t, &op), 0);
        T_CHECK(t, op.u.getvcpuinfo.cpu == 1);
    }
    t_destroy_guest(t, a);
}

static const struct tcase cases[] = {
    {"sched_yield_returns", "yield gives the CPU away and comes back",
     "sched.h: SCHEDOP_yield", T_NOSTORE, yield_returns, 0, 0, 0},
    {"sched_poll_times_out", "poll returns when its time has come",
     "sched.h: SCHEDOP_poll", T_NOSTORE, poll_times_out, 0, 0, 0},
    {"sched_poll_of_a_pending_port_returns_at_once",
     "poll does not sleep while a port is pending", "sched.h: SCHEDOP_poll",
     T_NOSTORE, poll_pending_returns_at_once, 0, 0, 0},
    {"sched_poll_timeout_in_the_past_returns",
     "a timeout that has passed is no sleep", "sched.h: SCHEDOP_poll",
     T_NOSTORE, poll_past_timeout, 0, 0, 0},
    {"sched_poll_bad_arguments_are_refused",
     "ports must exist, at most 128 of them", "sched.h: SCHEDOP_poll",
     T_NOSTORE | T_HOSTILE, poll_bad_arguments, 0, 0, 0},
    {"sched_poll_is_woken_by_an_event",
     "an event on a polled port wakes the poller", "sched.h: SCHEDOP_poll",
     T_NOSTORE, poll_woken_subject, poll_woken_peer, 0, 0},
    {"sched_unknown_op_is_enosys", "an unknown sched_op is ENOSYS",
     "sched.h", T_NOSTORE | T_HOSTILE, unknown_op, 0, 0, 0},
    {"sched_shutdown_reason_is_seen",
     "the toolstack sees each guest's shutdown reason",
     "sched.h: SHUTDOWN_*", T_NOSTORE | T_CONTROL, shutdown_reason_is_seen, 0,
     0, 0},
    {"sched_shutdown_code_sticks",
     "a code once given is not replaced by a later shutdown",
     "sched.h: SCHEDOP_shutdown_code", T_NOSTORE | T_CONTROL,
     shutdown_code_sticks, 0, 0, 0},
    {"sched_remote_shutdown_ends_a_guest",
     "the privileged shut a guest down with a reason",
     "sched.h: SCHEDOP_remote_shutdown", T_NOSTORE | T_CONTROL,
     remote_shutdown, 0, 0, 0},
    {"sched_watchdog_fires", "a watchdog not fed shuts its domain down",
     "sched.h: SCHEDOP_watchdog", T_NOSTORE | T_CONTROL, watchdog_fires, 0, 0,
     0},
    {"sched_watchdog_rules", "two watchdogs a domain; ids are checked",
     "sched.h: SCHEDOP_watchdog", T_NOSTORE | T_HOSTILE, watchdog_rules, 0, 0,
     0},
    {"sched_spinner_stops_nobody", "a guest that never yields is preempted",
     "the CPUs a domain uses are not its own", T_NOSTORE | T_CONTROL |
     T_HOSTILE, spinner_stops_nobody, 0, 0, 0},
    {"sched_spinner_with_interrupts_off_stops_nobody",
     "RFLAGS.IF of a guest does not mask the host's interrupts",
     "APM2 15.21.1: V_INTR_MASKING", T_NOSTORE | T_CONTROL | T_HOSTILE,
     cli_spinner_stops_nobody, 0, 0, 0},
    {"sched_weights_share_the_cpu",
     "CPU time goes by weight among those who want it",
     "domctl.h: xen_domctl_sched_credit.weight", T_NOSTORE | T_CONTROL,
     weights_share, 0, 0, 0},
    {"sched_cap_limits_a_domain", "a cap is the most a domain gets",
     "domctl.h: xen_domctl_sched_credit.cap", T_NOSTORE | T_CONTROL,
     cap_limits, 0, 0, 0},
    {"sched_paused_domain_gets_nothing",
     "a paused domain does not run, an unpaused one does",
     "domctl.h: XEN_DOMCTL_pausedomain", T_NOSTORE | T_CONTROL,
     paused_gets_nothing, 0, 0, 0},
    {"sched_affinity_is_obeyed", "a vCPU runs on CPUs of its mask alone",
     "domctl.h: XEN_DOMCTL_setvcpuaffinity", T_NOSTORE | T_CONTROL | T_SMP,
     affinity_is_obeyed, 0, 0, 0},
};
T_SUITE(sched, cases);
