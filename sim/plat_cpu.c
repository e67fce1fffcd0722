/*
 * hv/plat.h on the simulated machine: the lock, waiting, interrupts.
 *
 * Invariants:
 *  1. The lock passes to one of those waiting for it when one of them is
 *     chosen to go on while it is free; there is no queue.
 *  2. plat_leave_guest() returns with none of its CPUs in guest mode; one
 *     that has dropped the lock and is about to enter will find an
 *     interrupt pending and execute no instruction of its guest.
 */
#include "sim/hash.h"
#include "sim/machine_impl.h"

/* One look in so many finds an interrupt pending that is not there, so that
 * long hypercalls are continued often. */
#define PREEMPT_ONE_IN 64

void plat_deadline_set(struct plat *p, uint64_t deadline_ns)
{
    struct machine *m = machine_of(p);
    struct cpu *c = machine_cpu(m);

    c->irq &= ~IRQ_DEADLINE;
    c->deadline_ns = deadline_ns;
    sched_update_next_event(m);
}

void plat_lock(struct plat *p)
{
    struct machine *m = machine_of(p);
    struct cpu *c = machine_cpu(m);

    if (m->lock_owner == (int)c->id) {
        machine_fatal(m, "the hypervisor lock is taken twice");
    }
    machine_crossing(m, CROSSING_NS);
    while (m->lock_owner >= 0) {
        c->wants_lock = true;
        sched_away(m);
    }
    c->wants_lock = false;
    m->lock_owner = (int)c->id;
}

/* The hypervisor's tables are consistent now: what a replay compares. */
static void plat_checkpoint(struct machine *m)
{
    m->next_checkpoint = m->exits + CHECKPOINT_EXITS;
    if (m->trace != NULL && m->hv != NULL) {
        machine_event(m, TRACE_CHECKPOINT, machine_hash_hv(m),
                      machine_hash(m), m->checkpoints++);
    }
}

void plat_unlock(struct plat *p)
{
    struct machine *m = machine_of(p);

    if (m->lock_owner != (int)m->current) {
        machine_fatal(m, "the hypervisor lock is dropped by CPU %u, held by "
                         "CPU %d", m->current, m->lock_owner);
    }
    if (m->exits >= m->next_checkpoint) {
        plat_checkpoint(m);
    }
    m->lock_owner = -1;
    for (unsigned i = 0; i < m->nr_cpus; i++) {
        if (m->cpus[i]->wants_lock) {
            m->slice = 1; /* those that spin for it are quick */
        }
    }
    machine_crossing(m, CROSSING_NS);
}

void plat_ipi(struct plat *p, unsigned cpu)
{
    struct machine *m = machine_of(p);

    if (cpu < m->nr_cpus) {
        sched_raise(m->cpus[cpu], IRQ_IPI);
    }
}

void plat_leave_guest(struct plat *p, uint64_t mask)
{
    struct machine *m = machine_of(p);
    struct cpu *self = machine_cpu(m);
    int outer = m->leave_waiter;

    if (outer >= 0) {
        machine_fatal(m, "two CPUs in plat_leave_guest() at once");
    }
    for (unsigned i = 0; i < m->nr_cpus; i++) {
        struct cpu *c = m->cpus[i];
        bool hv_waits = (c->idle && !c->in_guest) || c->wants_lock;

        if (c != self && (mask >> i & 1) && !hv_waits) {
            sched_raise(c, IRQ_IPI);
        }
    }
    m->leave_waiter = (int)self->id;
    self->leaving = true;
    for (unsigned i = 0; i < m->nr_cpus; i++) {
        while (m->cpus[i] != self && (mask >> i & 1) && m->cpus[i]->in_guest) {
            sched_switch_to(m, m->cpus[i]);
        }
    }
    self->leaving = false;
    m->leave_waiter = -1;
}

void plat_wait(struct plat *p)
{
    struct machine *m = machine_of(p);
    struct cpu *c = machine_cpu(m);

    if (m->lock_owner == (int)c->id) {
        machine_fatal(m, "plat_wait() with the hypervisor lock held");
    }
    machine_crossing(m, CROSSING_NS);
    c->idle = true;
    while (c->irq == 0) {
        sched_away(m);
    }
    c->idle = false;
}

bool plat_interrupt_pending(struct plat *p)
{
    struct machine *m = machine_of(p);

    machine_crossing(m, CROSSING_NS);
    return machine_cpu(m)->irq != 0 ||
           choice_one_in(&m->choice, CHOICE_PREEMPT, PREEMPT_ONE_IN);
}

int plat_irq_take(struct plat *p)
{
    struct machine *m = machine_of(p);
    struct cpu *c = machine_cpu(m);
    int line = -1;

    c->irq = 0;
    if (c->id == 0 && m->lines != 0) {
        line = __builtin_ctz(m->lines);
        m->lines &= m->lines - 1;
        if (m->lines != 0) {
            c->irq = IRQ_LINE;
        }
    }
    machine_event(m, TRACE_IRQ, c->id, (uint64_t)(int64_t)line, 0);
    return line;
}
