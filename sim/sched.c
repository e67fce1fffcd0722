/*
 * Interleaving: which physical CPU goes on, and how virtual time passes.
 *
 *   running --slice ends, CHOICE_CPU--> eligible --chosen--> running
 *   running --plat_wait, no interrupt--> idle --interrupt--> eligible
 *   running --plat_lock, lock taken--> waiting --lock free--> eligible
 *   running --plat_leave_guest--> leaving --the guests are out--> running
 *
 * Invariants:
 *  1. Exactly one coroutine of a machine is on the host's processor; it is
 *     cpus[current]->running.
 *  2. CPUs change places in sched_switch_to() alone, and it is called at
 *     crossings only.
 *  3. A draw is made only when there is more than one to choose from.
 */
#include "sim/machine_impl.h"

#define SLICE_DEFAULT 16

static bool sched_eligible(const struct machine *m, const struct cpu *c)
{
    if (!c->started || c->leaving) {
        return false;
    }
    if (m->hv == NULL && m->cpu_main == NULL && c->id != 0) {
        return false; /* the boot CPU is still in hv_create() */
    }
    if (c->idle && c->irq == 0) {
        return false;
    }
    return !(c->wants_lock && m->lock_owner >= 0);
}

void sched_update_next_event(struct machine *m)
{
    uint64_t next = m->until_ns;

    for (unsigned i = 0; i < m->nr_cpus; i++) {
        if (m->cpus[i]->deadline_ns < next) {
            next = m->cpus[i]->deadline_ns;
        }
    }
    for (unsigned i = 0; i < DISK_MAX; i++) {
        if (m->disks[i] != NULL && disk_next_event(m->disks[i]) < next) {
            next = disk_next_event(m->disks[i]);
        }
    }
    m->next_event_ns = m->stop_requested ? 0 : next;
}

void sched_raise(struct cpu *c, uint32_t irq)
{
    c->irq |= irq;
}

/* Lets happen what is due, and comes back from machine_run() when asked to. */
static void sched_events(struct machine *m)
{
    for (unsigned i = 0; i < DISK_MAX; i++) {
        if (m->disks[i] != NULL && disk_next_event(m->disks[i]) <= m->now_ns) {
            disk_advance(m->disks[i], m->now_ns);
        }
    }
    for (unsigned i = 0; i < m->nr_cpus; i++) {
        if (m->cpus[i]->deadline_ns <= m->now_ns) {
            m->cpus[i]->deadline_ns = NS_NEVER;
            sched_raise(m->cpus[i], IRQ_DEADLINE);
        }
    }
    while (m->ended || m->stop_requested || m->now_ns >= m->until_ns) {
        if (m->ended) {
            sched_stop(m, m->stop);
        } else if (m->stop_requested) {
            m->stop_requested = false;
            sched_stop(m, MACHINE_STOPPED);
        } else {
            sched_stop(m, MACHINE_TIME);
        }
    }
    sched_update_next_event(m);
}

void sched_stop(struct machine *m, enum machine_stop why)
{
    m->stop = why;
    co_switch(machine_cpu(m)->running, &m->main_co);
}

void sched_switch_to(struct machine *m, struct cpu *target)
{
    struct cpu *from = machine_cpu(m);

    if (target != from) {
        m->current = target->id;
        co_switch(from->running, target->running);
    }
}

/* Every CPU waits: time jumps to what happens next. */
static void sched_jump(struct machine *m)
{
    uint64_t until = m->until_ns, next;

    m->until_ns = NS_NEVER;
    sched_update_next_event(m);
    next = m->next_event_ns;
    m->until_ns = until;
    if (m->stop_requested || m->ended) {
        sched_events(m);
    } else if (next == NS_NEVER) {
        sched_stop(m, MACHINE_IDLE);
    } else {
        if (next > until) {
            next = until;
        }
        if (next > m->now_ns) {
            m->now_ns = next;
        }
        sched_events(m);
    }
}

static void sched_new_slice(struct machine *m, bool alone)
{
    uint32_t mean = m->cfg.mean_slice;

    if (alone || mean <= 1) {
        m->slice = mean;
    } else {
        m->slice = 1 + choice_draw(&m->choice, CHOICE_SLICE, 2 * mean - 1);
    }
}

/* One of those that can go on, by choice. */
static void sched_pick(struct machine *m)
{
    struct cpu *can[HV_MAX_PCPUS];
    unsigned n;

    for (;;) {
        n = 0;
        for (unsigned i = 0; i < m->nr_cpus; i++) {
            if (sched_eligible(m, m->cpus[i])) {
                can[n++] = m->cpus[i];
            }
        }
        if (n > 0) {
            break;
        }
        sched_jump(m);
    }
    sched_new_slice(m, n == 1);
    sched_switch_to(m, n == 1 ? can[0]
                              : can[choice_draw(&m->choice, CHOICE_CPU, n)]);
}

void sched_away(struct machine *m)
{
    sched_pick(m);
}

void sched_crossing_slow(struct machine *m)
{
    if (m->now_ns >= m->next_event_ns) {
        sched_events(m);
    }
    if (m->slice > 0) {
        return;
    }
    if (m->nr_cpus == 1) {
        m->slice = INT64_MAX;
    } else {
        sched_pick(m);
    }
}
