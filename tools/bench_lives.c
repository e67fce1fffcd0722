/*
 * Benchmarks of whole lives: a domain's, a machine's, a snapshot's, the
 * suite's.
 */
#include "tools/bench.h"

#include <stdio.h>

#include <xen/version.h>

#include "conformance/harness.h"
#include "sim/arena.h"

#define SCENARIO_CALLS 100u
#define LIFE_NS 1000000000ULL

static struct world_config small_world(world_main_fn *control)
{
    return (struct world_config){.ram_bytes = 24u << 20,
                                 .control_pages = 512,
                                 .seed = 1,
                                 .no_xenstore = true,
                                 .control = control};
}

/* -- A domain: built, started, its own power-off, destroyed ---------------- */

static void ends_at_once(struct os *os, void *arg)
{
    (void)os;
    (void)arg;
}

static void domain_control(struct world *w, void *arg)
{
    struct bench_job *job = arg;
    for (;;) {
        uint64_t n = bench_begin(w->os, job);
        for (uint64_t i = 0; i < n; i++) {
            if (world_run_guest(w, "guest", ends_at_once, NULL, NULL,
                                LIFE_NS) != 0) {
                bench_fail(w->os, job, "a domain did not live and die");
            }
        }
        bench_end(w->os, job);
    }
}

static bool domain_run(const struct bench *b, uint64_t min_ns, double *value)
{
    struct bench_job job = {.world = small_world(domain_control),
                            .min_ns = min_ns};
    return bench_rate(b, &job, value);
}

/* -- A machine: created, booted to a control domain that returns at once --- */

static void empty_control(struct world *w, void *arg)
{
    (void)w;
    (void)arg;
}

static bool machine_life(const struct bench *b, uint64_t min_ns,
                         double *value)
{
    struct world_config cfg = small_world(empty_control);
    uint64_t n = 0, start = bench_now_ns(), spent = 0;
    char err[256] = "";
    while (spent < min_ns) {
        struct world *w = world_create(&cfg, err, sizeof(err));
        if (w == NULL) {
            return bench_say(b, err);
        }
        bool good = world_run(w, OS_FOREVER) == MACHINE_OFF && w->finished;
        world_destroy(w);
        if (!good) {
            return bench_say(b, "the machine did not power off");
        }
        n++;
        spent = bench_now_ns() - start;
    }
    *value = (double)n * 1e9 / (double)spent;
    return true;
}

/* -- A snapshot: taken before a scenario of 100 hypercalls, restored after - */

static void scenario_main(struct os *os, void *arg)
{
    struct bench_job *job = arg;
    (void)bench_begin(os, job); /* the snapshot is taken here */
    for (unsigned i = 0; i < SCENARIO_CALLS; i++) {
        if (os_hypercall(os, __HYPERVISOR_xen_version, XENVER_version, 0, 0,
                         0, 0) <= 0) {
            bench_fail(os, job, "xen_version gave no version");
        }
    }
    bench_end(os, job);
    bench_fail(os, job, "the scenario went on past its snapshot");
}

enum { RESTORE_ALONE, RESTORE_AND_RUN };

static bool snapshot_laps(const struct bench *b, struct bench_job *job,
                          struct world *w, struct snapshot *s, double *value)
{
    uint64_t n = 0, start = bench_now_ns(), restoring = 0, spent = 0;
    while ((b->kind == RESTORE_ALONE ? restoring : spent) < job->min_ns) {
        if (!bench_step(b, job, w)) {
            return false;
        }
        uint64_t before = bench_now_ns();
        machine_restore(w->m, s);
        uint64_t now = bench_now_ns();
        restoring += now - before;
        spent = now - start;
        n++;
    }
    *value = (double)n * 1e9 /
             (double)(b->kind == RESTORE_ALONE ? restoring : spent);
    return true;
}

static bool snapshot_run(const struct bench *b, uint64_t min_ns,
                         double *value)
{
    struct bench_job job = {.world = small_world(NULL),
                            .guests = {scenario_main},
                            .min_ns = min_ns};
    struct world *w = bench_start(b, &job);
    if (w == NULL) {
        return false;
    }
    struct snapshot *s = machine_snapshot(w->m);
    bool good = s != NULL ? snapshot_laps(b, &job, w, s, value)
                          : bench_say(b, "no snapshot");
    snapshot_free(s);
    world_destroy(w);
    return good;
}

/* -- The conformance suite: each case once, the oracle watching ------------ */

static bool suite_run(const struct bench *b, uint64_t min_ns, double *value)
{
    const struct t_options opt = {.seed = 1};
    unsigned n, bad = 0;
    const struct tsuite *const *suites = registry_suites(&n);
    uint64_t start = bench_now_ns();
    (void)min_ns; /* it is as long as it is */
    for (unsigned i = 0; i < n; i++) {
        for (unsigned k = 0; k < suites[i]->count; k++) {
            struct t_result r;
            t_run(&suites[i]->cases[k], &opt, &r);
            bad += r.verdict == V_FAIL || r.verdict == V_ERROR;
            t_result_free(&r);
        }
    }
    *value = (double)(bench_now_ns() - start) / 1e9;
    return bad == 0 || bench_say(b, "a case failed: run ringside conform");
}

static const struct bench benches[] = {
    {.name = "domain_lifecycle", .unit = "domains/s", .run = domain_run},
    {.name = "machine_lifecycle", .unit = "machines/s", .run = machine_life},
    {.name = "snapshot_restore_100", .unit = "restores/s",
     .run = snapshot_run, .kind = RESTORE_ALONE},
    {.name = "snapshot_cycle_100", .unit = "scenarios/s",
     .run = snapshot_run, .kind = RESTORE_AND_RUN},
    {.name = "conform_suite", .unit = "s", .run = suite_run},
};
const struct bench_group bench_lives = {benches,
                                        sizeof(benches) / sizeof(benches[0])};
