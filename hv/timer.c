/*
 * The machine's one timer queue: a list in the order of deadlines, served by
 * CPU 0, whose interrupt deadline the run loop (vcpu.c) sets to its head.
 *
 * Invariants:
 *  1. The list is ascending in deadline_ns; equal deadlines run in the order
 *     in which they were armed.
 *  2. t->queued is set exactly while t is on the list.
 *  3. Whoever arms a timer that becomes the head on another CPU interrupts
 *     CPU 0, so that it looks at its deadline again.
 *
 *   idle --timer_arm()--> queued --timer_run()--> idle (then fn is called,
 *     ^                     |                          and may arm it again)
 *     '---timer_cancel()----'
 */
#include "hv/timer.h"

#include "hv/hv.h"

/* Callbacks a call of timer_run(): what is left keeps the deadline in the
 * past, and so brings CPU 0 back at once. */
#define TIMER_RUN_MAX 64

void timer_setup(struct timer *t, void (*fn)(struct hv *, void *), void *ctx)
{
    t->deadline_ns = 0;
    t->fn = fn;
    t->ctx = ctx;
    t->next = NULL;
    t->queued = false;
}

void timer_arm(struct hv *hv, struct timer *t, uint64_t deadline_ns)
{
    struct timer **at = &hv->timers;

    timer_cancel(hv, t);
    while (*at != NULL && (*at)->deadline_ns <= deadline_ns) {
        at = &(*at)->next;
    }
    t->deadline_ns = deadline_ns;
    t->next = *at;
    t->queued = true;
    *at = t;
    if (hv->timers == t && plat_cpu_id(hv->plat) != 0) {
        plat_ipi(hv->plat, 0);
    }
}

void timer_cancel(struct hv *hv, struct timer *t)
{
    struct timer **at = &hv->timers;

    if (!t->queued) {
        return;
    }
    while (*at != t) {
        ASSERT(hv, *at != NULL);
        at = &(*at)->next;
    }
    *at = t->next;
    t->next = NULL;
    t->queued = false;
}

void timer_run(struct hv *hv, uint64_t now_ns)
{
    for (unsigned n = 0; n < TIMER_RUN_MAX; n++) {
        struct timer *t = hv->timers;

        if (t == NULL || t->deadline_ns > now_ns) {
            break;
        }
        hv->timers = t->next;
        t->next = NULL;
        t->queued = false;
        t->fn(hv, t->ctx);
    }
}

uint64_t timer_next_deadline(struct hv *hv)
{
    return hv->timers != NULL ? hv->timers->deadline_ns : ~0ULL;
}
