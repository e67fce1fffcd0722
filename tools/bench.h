/*
 * Benchmarks: what the command (cmd_bench.c) lists, and what times them.
 *
 * A job is a world whose guests do a lap of operations over and over. The
 * machine stops before each lap and after it; the host reads its clock around
 * machine_run() for the lap and leaves the rest untimed:
 *
 *   [start, untimed] bench_begin() --stop--> [lap, timed] bench_end() --stop-->
 *   [between laps, untimed] bench_begin() --stop--> [lap, timed] ...
 *
 * Invariants:
 *  1. Only host code reads the host's clock: a job's guests are as
 *     deterministic as any, but for the number of laps.
 *  2. A job lies on the host's stack, outside of its machine: a restored
 *     snapshot leaves its counts alone.
 */
#ifndef TOOLS_BENCH_H
#define TOOLS_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "conformance/world.h"

#define BENCH_GUESTS 2

struct bench_job {
    /* Set by the benchmark: */
    struct world_config world; /* control and control_arg are the runner's,
                                  unless control is set */
    os_main_fn *guests[BENCH_GUESTS]; /* started in this order; may be NULL */
    struct world_guest_config guest;  /* of the first */
    uint64_t max_batch;               /* 0: no limit */
    unsigned kind, mode;              /* the benchmark's own */
    /* The runner's: */
    uint64_t min_ns; /* of timed laps */
    uint64_t batch;  /* operations in the next lap */
    uint64_t ops;    /* done in laps that have ended */
    bool started;    /* domids[] are there */
    domid_t domids[BENCH_GUESTS];
    const char *failed;
    struct machine *m;
    /* Between two guests: how they find each other. */
    bool met;
    evtchn_port_t port;
    grant_ref_t ref;
};

struct bench {
    const char *name, *unit;
    /* One round of at least min_ns. False after one line on stderr. */
    bool (*run)(const struct bench *b, uint64_t min_ns, double *value);
    unsigned kind, mode; /* which of several that share run() */
};

/* A file of benchmarks ends with one of these; cmd_bench.c lists them. */
struct bench_group {
    const struct bench *benches;
    unsigned count;
};
extern const struct bench_group bench_calls; /* hypercalls, events, grants */
extern const struct bench_group bench_block; /* the block pair */
extern const struct bench_group bench_lives; /* domains, machines, snapshots */

uint64_t bench_now_ns(void);
/* One line on stderr; returns false. */
bool bench_say(const struct bench *b, const char *what);

/* -- From outside ---------------------------------------------------------- */
/* Runs the job's laps on a world of its own: operations a second. */
bool bench_rate(const struct bench *b, struct bench_job *job, double *value);
/* The world, run to its first stop, for those who time something else; NULL
 * after one line on stderr. */
struct world *bench_start(const struct bench *b, struct bench_job *job);
/* Runs to the next stop. False after one line on stderr. */
bool bench_step(const struct bench *b, struct bench_job *job,
                struct world *w);

/* -- From inside a job's guests (job is their arg) ------------------------- */
/* Returns the number of operations to do until bench_end(). */
uint64_t bench_begin(struct os *os, struct bench_job *job);
void bench_end(struct os *os, struct bench_job *job);
/* Waits until the runner has started all guests. */
void bench_meet(struct os *os, struct bench_job *job);
/* The benchmark can't go on: the machine stops for good. */
_Noreturn void bench_fail(struct os *os, struct bench_job *job,
                          const char *what);

#endif
