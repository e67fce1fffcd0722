/*
 * Timers: one queue for the machine, served by CPU 0, whose deadline follows
 * its head. A timer is embedded in what it serves and never allocated.
 */
#ifndef HV_TIMER_H
#define HV_TIMER_H

#include "hv/types.h"

struct hv;

struct timer {
    uint64_t deadline_ns; /* plat_now() time; valid while queued */
    void (*fn)(struct hv *hv, void *ctx);
    void *ctx;
    struct timer *next; /* queue, ascending deadlines; FIFO among equals */
    bool queued;
};

void timer_setup(struct timer *t, void (*fn)(struct hv *, void *), void *ctx);
void timer_arm(struct hv *hv, struct timer *t, uint64_t deadline_ns);
void timer_cancel(struct hv *hv, struct timer *t); /* idle timers: no-op */
/* Runs what is due at `now_ns`; a bounded number a call. */
void timer_run(struct hv *hv, uint64_t now_ns);
uint64_t timer_next_deadline(struct hv *hv); /* ~0 when none */

#endif
