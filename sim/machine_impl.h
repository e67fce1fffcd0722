/*
 * Inside of a simulated machine, for sim/ alone.
 *
 * Who runs when: each physical CPU has a coroutine for hypervisor code, each
 * native guest another; `cpus[i]->running` is the one that CPU i is on. They
 * leave each other at crossings only (sched.c).
 *
 * Invariants:
 *  1. The struct and all it owns lie in `arena`; pointers out of it are those
 *     of the configuration (console, trace) and the arena itself.
 *  2. next_event_ns <= every deadline, disk event and until_ns: a crossing
 *     compares with it alone.
 *  3. lock_owner is the CPU that holds the hypervisor lock, -1 if none; no CPU
 *     is in guest mode or idle while it owns it.
 */
#ifndef SIM_MACHINE_IMPL_H
#define SIM_MACHINE_IMPL_H

#include "sim/arena.h"
#include "sim/choice.h"
#include "sim/cpu/cpu.h"
#include "sim/sim.h"
#include "sim/trace.h"

#include <time.h>

#define CROSSING_NS 25  /* a seam call, a guest access, an instruction */
#define VMRUN_NS 500    /* a round trip through VMRUN */
#define HV_STACK_BYTES (256 * 1024)
#define CHECKPOINT_EXITS 4096
#define NS_NEVER (~0ULL)

struct hash_stream;
struct native;

/* The seam's handle is the machine's first member. */
struct plat {
    uint32_t nr_cpus;
};

struct machine {
    struct plat plat;
    struct arena *arena;
    struct machine_config cfg;
    struct choice choice;
    struct trace *trace; /* NULL: none */
    struct observer observer;

    uint8_t *ram;
    uint64_t ram_bytes;
    uint64_t heap_used; /* by native_alloc */

    /* time and interleaving (sched.c) */
    uint64_t now_ns, next_event_ns, until_ns;
    uint64_t crossings;
    int64_t slice; /* crossings left before another CPU may go on */
    unsigned nr_cpus;
    unsigned current; /* the CPU whose coroutine is on the host's CPU */
    struct cpu *cpus[HV_MAX_PCPUS];
    int lock_owner;
    int leave_waiter; /* CPU in plat_leave_guest(), -1 none */
    uint32_t lines;   /* pending device lines, all routed to CPU 0 */

    /* ends */
    bool stop_requested, ended, running;
    enum machine_stop stop; /* why machine_run() comes back */
    unsigned poweroff_reason;
    char fatal_text[256];
    struct co main_co; /* who called machine_run() */

    /* what runs */
    struct hv *hv; /* once hv_create() has returned */
    struct hv_boot boot;
    bool booted;
    /* Instead of hv_create() and hv_cpu_loop(): tests drive the seam with a
     * function of their own, on every CPU. */
    void (*cpu_main)(struct plat *p);

    struct disk *disks[DISK_MAX];
    struct native *natives; /* NATIVE_MAX, native.c */

    uint64_t exits, next_checkpoint, checkpoints;

    /* watchdog.c */
    bool watchdog_on;
    timer_t watchdog_timer;
    int watchdog_tid;
    uint64_t watchdog_seen;
    unsigned watchdog_stale;
};

static inline struct machine *machine_of(struct plat *p)
{
    return (struct machine *)p;
}

static inline struct cpu *machine_cpu(struct machine *m)
{
    return m->cpus[m->current];
}

/* -- sched.c -------------------------------------------------------------- */

/* Everything of a crossing but its common case: events that are due, stops,
 * the end of a slice. May come back much later. */
void sched_crossing_slow(struct machine *m);

/* Time passes; other CPUs may run. */
static inline void machine_crossing(struct machine *m, uint64_t cost_ns)
{
    m->now_ns += cost_ns;
    m->crossings++;
    if (--m->slice <= 0 || m->now_ns >= m->next_event_ns) {
        sched_crossing_slow(m);
    }
}

void sched_update_next_event(struct machine *m);
/* This CPU can't go on: others do, or time jumps, until it can. */
void sched_away(struct machine *m);
/* This CPU gives way to `target` at once. */
void sched_switch_to(struct machine *m, struct cpu *target);
/* Back to machine_run()'s caller with `why`; comes back if that runs again. */
void sched_stop(struct machine *m, enum machine_stop why);
/* Sets pending interrupts of c. */
void sched_raise(struct cpu *c, uint32_t irq);

/* -- machine.c ------------------------------------------------------------ */

/* The machine complains and ends: of its hypervisor's misuse of the processor
 * or of what a simulation can't do. */
_Noreturn void machine_fatal(struct machine *m, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* A trace record stamped with CPU and time; nothing without a trace. */
void machine_trace_slow(struct machine *m, enum trace_type type, uint64_t a,
                        uint64_t b, uint64_t c);
static inline void machine_event(struct machine *m, enum trace_type type,
                                 uint64_t a, uint64_t b, uint64_t c)
{
    if (m->trace != NULL) {
        machine_trace_slow(m, type, a, b, c);
    }
}

/* Frame `mfn` of RAM, or NULL. */
static inline uint8_t *machine_frame(struct machine *m, uint64_t mfn)
{
    if (mfn >= m->ram_bytes >> PAGE_SHIFT) {
        return NULL;
    }
    return m->ram + (mfn << PAGE_SHIFT);
}

/* Port I/O of the board, for host and guest alike. After one or several, the
 * caller calls sched_update_next_event(). */
uint32_t machine_port_in(struct machine *m, uint16_t port, unsigned len);
void machine_port_out(struct machine *m, uint16_t port, unsigned len,
                      uint32_t value);
/* As many accesses of `len` bytes to one port, at once. False: nothing was
 * moved, make them one by one. */
bool machine_port_run(struct machine *m, uint16_t port, unsigned len,
                      void *buf, size_t units, bool in);

/* -- watchdog.c ----------------------------------------------------------- */

void watchdog_start(struct machine *m);
void watchdog_release(struct machine *m);

/* -- cpu/hash_cpu.c ------------------------------------------------------- */

/* Processors, TLBs, pending lines, lock and time into a machine hash. */
void machine_hash_cpus(struct machine *m, struct hash_stream *h);

#endif
