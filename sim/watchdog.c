/*
 * Watchdog: finds a native loop that makes no crossing. The host's timer
 * counts processor time of the thread that runs the machine; at each tick the
 * handler looks whether the machine has crossed since the last one.
 *
 *   off --watchdog_start--> counting --TICKS ticks without a crossing-->
 *   machine_run() returns MACHINE_WATCHDOG (the machine can be destroyed only)
 *
 * Invariants:
 *  1. No system call is made per crossing; one timer lives from a machine's
 *     first run to its end.
 *  2. The handler leaves the coroutine for good, so whatever that held (a
 *     lock of the C library's, say) it holds for ever; only a coroutine
 *     that has computed for seconds without a crossing is left so.
 */
#include "sim/machine_impl.h"

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WATCHDOG_TICKS 4
#define WATCHDOG_SIGNAL (SIGRTMIN + 5)

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static void watchdog_tick(int sig, siginfo_t *info, void *context)
{
    struct machine *m = info->si_value.sival_ptr;
    struct co lost;

    (void)sig;
    (void)context;
    if (info->si_code != SI_TIMER || m == NULL || !m->running) {
        return;
    }
    if (m->crossings != m->watchdog_seen) {
        m->watchdog_seen = m->crossings;
        m->watchdog_stale = 0;
        return;
    }
    if (++m->watchdog_stale < WATCHDOG_TICKS) {
        return;
    }
    m->stop = MACHINE_WATCHDOG;
    m->ended = true;
    memset(&lost, 0, sizeof(lost));
    co_switch(&lost, &m->main_co); /* never comes back */
}

static bool watchdog_install(void)
{
    struct sigaction sa;

    memset(&sa, 0, sizeof(sa));
    sa.sa_sigaction = watchdog_tick;
    /* NODEFER: the handler may be left for good with no mask to put back.
     * ONSTACK: the stack that was interrupted may be write-protected. */
    sa.sa_flags = SA_SIGINFO | SA_RESTART | SA_NODEFER | SA_ONSTACK;
    sigemptyset(&sa.sa_mask);
    return sigaction(WATCHDOG_SIGNAL, &sa, NULL) == 0;
}

void watchdog_start(struct machine *m)
{
    unsigned seconds = m->cfg.watchdog_s != 0 ? m->cfg.watchdog_s : 10;
    uint64_t tick_ns = seconds * (1000000000ULL / WATCHDOG_TICKS);
    int tid = (int)syscall(SYS_gettid);
    struct itimerspec it;
    struct sigevent ev;

    m->watchdog_stale = 0;
    if (m->watchdog_on && m->watchdog_tid == tid) {
        return;
    }
    watchdog_release(m);
    memset(&ev, 0, sizeof(ev));
    ev.sigev_notify = SIGEV_THREAD_ID;
    ev.sigev_signo = WATCHDOG_SIGNAL;
    ev.sigev_value.sival_ptr = m;
    ev.sigev_notify_thread_id = tid;
    if (!watchdog_install() ||
        timer_create(CLOCK_THREAD_CPUTIME_ID, &ev, &m->watchdog_timer) != 0) {
        return; /* a host without timers: no watchdog */
    }
    memset(&it, 0, sizeof(it));
    it.it_interval.tv_sec = (time_t)(tick_ns / 1000000000ULL);
    it.it_interval.tv_nsec = (long)(tick_ns % 1000000000ULL);
    it.it_value = it.it_interval;
    timer_settime(m->watchdog_timer, 0, &it, NULL);
    m->watchdog_on = true;
    m->watchdog_tid = tid;
}

void watchdog_release(struct machine *m)
{
    if (m->watchdog_on) {
        timer_delete(m->watchdog_timer);
        m->watchdog_on = false;
    }
}
