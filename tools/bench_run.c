/*
 * The runner of benchmarks: a job's world, its laps, the clock around them.
 * See bench.h for a job's life and its invariants.
 */
#include "tools/bench.h"

#include <stdio.h>
#include <time.h>

/* A lap this long makes the two stops around it too small to see. */
#define LAP_NS 20000000ULL
#define FIRST_BATCH 64u
#define MEET_NS 10000u
#define IDLE_NS 1000000000ULL

uint64_t bench_now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

bool bench_say(const struct bench *b, const char *what)
{
    fprintf(stderr, "ringside: bench: %s: %s\n", b->name, what);
    return false;
}

/* -- Inside ---------------------------------------------------------------- */

/* machine_stop() takes effect at the next crossing. */
static void stop_here(struct os *os, struct bench_job *job)
{
    machine_stop(job->m);
    (void)os_now_ns(os);
}

uint64_t bench_begin(struct os *os, struct bench_job *job)
{
    stop_here(os, job);
    return job->batch;
}

void bench_end(struct os *os, struct bench_job *job)
{
    job->ops += job->batch;
    stop_here(os, job);
}

void bench_meet(struct os *os, struct bench_job *job)
{
    while (!job->started) {
        os_wait(os, MEET_NS);
    }
}

_Noreturn void bench_fail(struct os *os, struct bench_job *job,
                          const char *what)
{
    job->failed = what;
    for (;;) {
        stop_here(os, job);
    }
}

static void control(struct world *w, void *arg)
{
    struct bench_job *job = arg;
    for (unsigned i = 0; i < BENCH_GUESTS && job->guests[i] != NULL; i++) {
        int domid = world_start_guest(w, i == 0 ? "first" : "second",
                                      job->guests[i], job,
                                      i == 0 ? &job->guest : NULL);
        if (domid < 0) {
            bench_fail(w->os, job, "a guest can't be started");
        }
        job->domids[i] = (domid_t)domid;
    }
    job->started = true;
    for (;;) { /* backends run in here */
        os_wait(w->os, IDLE_NS);
    }
}

/* -- Outside --------------------------------------------------------------- */

bool bench_step(const struct bench *b, struct bench_job *job,
                struct world *w)
{
    enum machine_stop stop = world_run(w, OS_FOREVER);
    char text[512];
    if (job->failed != NULL) {
        return bench_say(b, job->failed);
    }
    if (stop != MACHINE_STOPPED) {
        snprintf(text, sizeof(text), "the machine stopped: %s %s",
                 world_stop_name(stop),
                 stop == MACHINE_FATAL ? machine_fatal_text(w->m) : "");
        return bench_say(b, text);
    }
    return true;
}

struct world *bench_start(const struct bench *b, struct bench_job *job)
{
    char err[256] = "";
    job->world.seed = 1;
    if (job->world.control == NULL) {
        job->world.control = control;
    }
    job->world.control_arg = job;
    struct world *w = world_create(&job->world, err, sizeof(err));
    if (w == NULL) {
        bench_say(b, err);
        return NULL;
    }
    job->m = w->m;
    job->batch = FIRST_BATCH;
    if (!bench_step(b, job, w)) {
        world_destroy(w);
        return NULL;
    }
    return w;
}

static bool run_laps(const struct bench *b, struct bench_job *job,
                     struct world *w, double *value)
{
    uint64_t timed = 0, ops = 0;
    while (timed < job->min_ns) {
        uint64_t before = job->ops, start = bench_now_ns();
        if (!bench_step(b, job, w)) {
            return false;
        }
        uint64_t lap = bench_now_ns() - start;
        if (lap >= LAP_NS || job->batch == job->max_batch) {
            timed += lap;
            ops += job->ops - before;
        } else { /* it warms up, and does not count */
            job->batch *= 2;
            if (job->max_batch != 0 && job->batch > job->max_batch) {
                job->batch = job->max_batch;
            }
        }
        if (!bench_step(b, job, w)) {
            return false;
        }
    }
    *value = (double)ops * 1e9 / (double)timed;
    return true;
}

bool bench_rate(const struct bench *b, struct bench_job *job, double *value)
{
    struct world *w = bench_start(b, job);
    if (w == NULL) {
        return false;
    }
    bool good = run_laps(b, job, w, value);
    world_destroy(w);
    return good;
}
