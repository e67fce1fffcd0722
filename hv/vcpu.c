/*
 * The run loop: one a physical CPU, on its own stack, for the machine's
 * life.
 *
 *   take interrupts, run timers (CPU 0) -> sched_pick -> nobody: wait
 *        ^                                    |
 *        |                                somebody: switch to it, its upcall,
 *        |                                deadline, enter (lock dropped)
 *        '-- vcpu_exit_handle <---------------'
 *
 * Invariants:
 *  1. The lock is held but while a guest runs and while the CPU waits.
 *  2. Everything that bears on an entry (who runs, its upcall, its deadline)
 *     is decided after the last interrupt was taken and with the lock held
 *     throughout. What changes later, changes under the lock by another CPU,
 *     which interrupts this one: and an interrupt that pends at VMRUN ends
 *     the entry before the guest's first instruction. So no kick is lost.
 *  3. While v is on no CPU its x87 and SSE state is in v->fpu.
 *  4. An exit of a vCPU that may not run any more is not acted upon: exits
 *     are faults, its instruction pointer still is on what exited, and it
 *     will exit again when it may. So pausing a vCPU is synchronous in
 *     effect, though it waits for no more than guest mode to end.
 */
#include "hv/vcpu.h"

#include "hv/evtchn.h"
#include "hv/hv.h"
#include "hv/sched.h"

/* Interrupts a turn of the loop; the rest keep the CPU from entering. */
#define LOOP_IRQS_MAX (2 * HV_MAX_IRQS)

static void loop_take_irqs(struct hv *hv)
{
    for (unsigned n = 0; n < LOOP_IRQS_MAX; n++) {
        int irq = plat_irq_take(hv->plat);

        if (irq < 0) {
            return;
        }
        evtchn_send_pirq(hv, (unsigned)irq);
    }
}

/* sched_pick() has put next in prev's place; the hardware follows. */
static void loop_switch(struct pcpu *pc, unsigned cpu, struct vcpu *prev,
                        struct vcpu *next)
{
    if (prev != NULL) {
        plat_fpu_save(prev->domain->hv->plat, prev->fpu);
        pc->fpu_owner = NULL;
    }
    if (next != NULL) {
        plat_fpu_restore(next->domain->hv->plat, next->fpu);
        pc->fpu_owner = next;
        next->last_cpu = (int)cpu;
        vcpu_update_time(next);
        vcpu_periodic_work(next);
    }
}

/* The upcall, if there is one: at the vector, or as soon as there may be. */
static void loop_deliver(struct vcpu *v)
{
    const struct vendor_ops *ops = v->domain->ops;
    uint8_t vector = vcpu_upcall_vector(v);

    if (vector == 0 || !evtchn_upcall_pending(v)) {
        return;
    }
    if (!ops->can_take_intr(v) || !ops->inject_intr(v, vector)) {
        ops->request_intr_window(v);
    }
}

static void loop_set_deadline(struct hv *hv, unsigned cpu, uint64_t at_ns)
{
    if (cpu == 0) {
        uint64_t timer = timer_next_deadline(hv);

        at_ns = timer < at_ns ? timer : at_ns;
    }
    plat_deadline_set(hv->plat, at_ns);
}

static void loop_enter(struct hv *hv, unsigned cpu, struct vcpu *v)
{
    struct vcpu_exit e;

    loop_deliver(v);
    loop_set_deadline(hv, cpu, hv->cpus[cpu].slice_end_ns);
    v->domain->ops->enter(v, &e);
    ASSERT(hv, hv->cpus[cpu].current == v && v->running_on == (int)cpu);
    /* Invariant 4; the two kinds that leave no instruction to go back to
     * count whenever they happen, unless it is the end anyway. */
    if (sched_runnable(v) ||
        ((e.kind == EXIT_SHUTDOWN || e.kind == EXIT_CRASH) &&
         v->domain->dying == DOMDYING_alive)) {
        vcpu_exit_handle(v, &e);
    }
}

static void loop_idle(struct hv *hv, unsigned cpu)
{
    loop_set_deadline(hv, cpu, ~0ULL);
    plat_unlock(hv->plat);
    plat_wait(hv->plat);
    plat_lock(hv->plat);
}

static void loop_turn(struct hv *hv, unsigned cpu)
{
    struct pcpu *pc = &hv->cpus[cpu];
    struct vcpu *prev = pc->current, *next;
    uint64_t now;

    loop_take_irqs(hv);
    now = plat_now(hv->plat);
    if (cpu == 0) {
        timer_run(hv, now);
    }
    next = pc->online ? sched_pick(hv, cpu, now) : NULL;
    if (next != prev) {
        loop_switch(pc, cpu, prev, next);
    }
    if (next != NULL) {
        loop_enter(hv, cpu, next);
    } else {
        loop_idle(hv, cpu);
    }
}

_Noreturn void hv_cpu_loop(struct hv *hv)
{
    unsigned cpu = plat_cpu_id(hv->plat);

    plat_lock(hv->plat);
    if (hv->vendor != NULL && !hv->cpus[cpu].online) {
        int rc = hv->vendor->cpu_on(hv, cpu);

        if (rc == 0) {
            hv->cpus[cpu].online = true;
        } else {
            hv_log(hv, "CPU %u can't run guests (error %d)", cpu, rc);
        }
    }
    for (;;) {
        loop_turn(hv, cpu);
    }
}
