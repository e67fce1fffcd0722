/*
 * Runs one case: a machine of its own, the control domain, the roles' guests,
 * the oracle; then takes everything down and looks for what was left over.
 *
 *   t_run -> world_run -> [control domain: control_main]
 *     start peer, subject (vcpu1 from within it) -> control role
 *     -> wait until all have returned -> destroy -> leak check -> power off
 *   -> verdict, hashes
 *
 * Invariant: a verdict other than pass is the first one decided; a machine
 * that stops for any other reason than power-off or a verdict is a failure
 * (fatal: the hypervisor's; watchdog, idle: an error of the case).
 */
#include "conformance/harness.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "conformance/model.h"
#include "conformance/run.h"
#include "hv/hv.h"
#include "sim/arena.h"
#include "sim/hash.h"
#include "sim/trace.h"

void run_guest_main(struct os *os, void *arg)
{
    struct run_role *r = arg;
    r->t.os = os;
    r->domid = os_domid(os);
    /* One ring a domain: vcpu1 must not take its events from the subject. */
    if (!(r->t.tc->flags & T_NOSTORE) && r->t.role != ROLE_VCPU1) {
        r->t.xs = xs_open_params(os);
        T_REQUIRE(&r->t, r->t.xs != NULL);
    }
    r->up = true;
    struct run_role *v1 = &r->t.run->roles[ROLE_VCPU1];
    if (r->t.role == ROLE_SUBJECT && v1->fn != NULL) {
        v1->domid = r->domid;
        v1->started = true;
        T_REQUIRE_OK(&r->t, os_native_start_vcpu(os, 1, run_guest_main, v1));
    }
    r->fn(&r->t);
    r->done = true;
    if (r->t.role == ROLE_SUBJECT) { /* its domain lives as long as vcpu1 */
        while (v1->fn != NULL && !v1->done) {
            os_wait(os, 50000);
        }
    } else if (r->t.role == ROLE_VCPU1) {
        for (;;) { /* the subject's return ends the domain */
            os_wait(os, 1000000000ULL);
        }
    }
}

static void start_role(struct t_case_run *run, enum t_role role,
                       const char *name)
{
    struct run_role *r = &run->roles[role];
    struct world_guest_config cfg = {.vcpus = 1};
    if (role == ROLE_SUBJECT) {
        cfg.vcpus = run->tc->vcpu1 != NULL ? 2 : 1;
        if (run->tc->flags & T_DISK) {
            cfg.nr_vbds = 1;
            cfg.vbds[0] = (struct world_vbd){.vdev = 51712};
        }
    }
    int domid = world_start_guest(run->w, name, run_guest_main, r, &cfg);
    if (domid < 0) {
        char text[128];
        snprintf(text, sizeof(text), "starting the %s's guest gave %d", name,
                 domid);
        run_decide(run, V_ERROR, text);
        return;
    }
    r->started = true;
    r->domid = domid;
}

/* A role whose domain has died without returning decides the case. */
static bool role_over(struct t_case_run *run, enum t_role role)
{
    struct run_role *r = &run->roles[role];
    struct xen_domctl_getdomaininfo info;
    if (r->fn == NULL || r->done) {
        return true;
    }
    if (role == ROLE_CONTROL || role == ROLE_VCPU1 || !r->started ||
        (run->tc->flags & T_CONTROL && role == ROLE_SUBJECT)) {
        return false;
    }
    if (builder_info(run->w->os, r->domid, &info) != 0 ||
        info.flags & (XEN_DOMINF_shutdown | XEN_DOMINF_dying)) {
        if (!(run->tc->flags & T_CRASHES) && !r->done) {
            run_decide(run, V_FAIL,
                       "a role's domain died before its function returned");
        }
        r->done = true;
        if (role == ROLE_SUBJECT) {
            run->roles[ROLE_VCPU1].done = true;
        }
        return true;
    }
    return false;
}

static void wait_roles(struct t_case_run *run)
{
    bool over = false;
    while (!over && !run->decided) {
        over = true;
        for (enum t_role role = 0; role < ROLES; role++) {
            over = role_over(run, role) && over;
        }
        if (!over) {
            os_wait(run->w->os, 500000);
        }
    }
}

static void destroy_guests(struct t_case_run *run)
{
    for (unsigned i = 0; i < WORLD_MAX_GUESTS; i++) {
        if (run->w->guests[i].used) {
            int rc = world_destroy_guest(run->w, run->w->guests[i].domid);
            if (rc != 0) {
                char text[96];
                snprintf(text, sizeof(text),
                         "destroying domain %u gave %d at the end",
                         run->w->guests[i].domid, rc);
                run_decide(run, V_FAIL, text);
            }
        }
    }
}

static void run_control_subject(struct t_case_run *run)
{
    struct run_role *s = &run->roles[ROLE_SUBJECT];
    struct run_role *v1 = &run->roles[ROLE_VCPU1];
    s->t.os = run->w->os;
    s->t.xs = run->w->xs;
    s->started = s->up = true;
    s->domid = os_domid(run->w->os);
    if (v1->fn != NULL) {
        v1->domid = s->domid;
        v1->started = true;
        T_REQUIRE_OK(&s->t, os_native_start_vcpu(s->t.os, 1, run_guest_main,
                                                 v1));
    }
    s->fn(&s->t);
    s->done = true;
}

static void control_main(struct world *w, void *arg)
{
    struct t_case_run *run = arg;
    run->w = w;
    for (unsigned i = 0; i < machine_hv(w->m)->nr_cpus; i++) {
        while (!machine_hv(w->m)->cpus[i].online) {
            os_wait(w->os, 10000); /* it takes memory when it comes up */
        }
    }
    uint64_t before = run_free_pages(run);
    if (run->roles[ROLE_PEER].fn != NULL) {
        start_role(run, ROLE_PEER, "peer");
    }
    if (run->tc->flags & T_CONTROL) {
        run_control_subject(run);
    } else {
        start_role(run, ROLE_SUBJECT, "subject");
        struct run_role *c = &run->roles[ROLE_CONTROL];
        if (c->fn != NULL) {
            c->t.os = w->os;
            c->t.xs = w->xs;
            c->started = c->up = true;
            c->fn(&c->t);
            c->done = true;
        }
    }
    wait_roles(run);
    destroy_guests(run);
    uint64_t after = run_free_pages(run);
    if (after != before && !run->decided) {
        char text[160];
        snprintf(text, sizeof(text),
                 "%lld pages are not given back after every guest is gone",
                 (long long)(before - after));
        run_decide(run, V_FAIL, text);
    }
}

/* -- Outside the machine --------------------------------------------------- */

struct console {
    char *text;
    size_t len, cap;
};

static void console_take(void *ctx, const char *text, size_t len)
{
    struct console *c = ctx;
    if (c->len + len + 1 > c->cap) {
        size_t cap = (c->cap + len) * 2 + 256;
        char *grown = realloc(c->text, cap);
        if (grown == NULL) {
            return;
        }
        c->text = grown;
        c->cap = cap;
    }
    memcpy(c->text + c->len, text, len);
    c->len += len;
    c->text[c->len] = '\0';
}

static void oracle_violation(void *ctx, const char *text)
{
    char full[512];
    snprintf(full, sizeof(full), "oracle: %s", text);
    run_decide(ctx, V_FAIL, full);
}

/* Each case its own stream, whatever else runs in the suite. FNV-1a. */
static uint64_t case_seed(uint64_t suite_seed, const char *name)
{
    uint64_t h = 0xcbf29ce484222325ULL ^ suite_seed;
    for (; *name != '\0'; name++) {
        h = (h ^ (uint8_t)*name) * 0x100000001b3ULL;
    }
    return h;
}

static void run_setup(struct t_case_run *run, const struct tcase *tc)
{
    t_fn *const fns[ROLES] = {tc->subject, tc->peer, tc->vcpu1, tc->control};
    run->tc = tc;
    for (enum t_role r = 0; r < ROLES; r++) {
        run->roles[r].fn = fns[r];
        run->roles[r].t = (struct t){.role = r, .tc = tc, .run = run};
    }
}

static void judge_stop(struct t_case_run *run, struct world *w,
                       enum machine_stop stop)
{
    char text[400];
    if (run->decided) {
        return;
    }
    run->decided = true;
    run->verdict = V_PASS;
    if (stop == MACHINE_OFF && w->finished) {
        return;
    }
    if (stop == MACHINE_OFF) {
        snprintf(text, sizeof(text),
                 "the control domain did not come up (%d)", w->boot_err);
    } else if (stop == MACHINE_FATAL) {
        snprintf(text, sizeof(text), "hypervisor: %s",
                 machine_fatal_text(w->m));
    } else {
        snprintf(text, sizeof(text), "the machine stopped: %s at %llu ns",
                 world_stop_name(stop),
                 (unsigned long long)machine_now(w->m));
    }
    run->verdict = stop == MACHINE_FATAL || stop == MACHINE_TIME ||
                           stop == MACHINE_DIVERGED
                       ? V_FAIL
                       : V_ERROR;
    snprintf(run->message, sizeof(run->message), "%s", text);
}

static double host_seconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts); /* reported, never simulated */
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void run_in_world(struct t_case_run *run, struct world *w,
                         const struct t_options *opt, struct t_result *out)
{
    run->w = w;
    struct model *model =
        opt->no_oracle ? NULL : model_create(w->m, oracle_violation, run);
    enum machine_stop stop = world_run(w, RUN_CASE_TIMEOUT_NS);
    judge_stop(run, w, stop);
    if (model != NULL) {
        bool decided_before = run->verdict != V_PASS;
        run->decided = decided_before; /* the last look may still object */
        if (stop != MACHINE_FATAL && stop != MACHINE_WATCHDOG) {
            model_check(model);
        }
        run->decided = true;
        model_destroy(model);
    }
    out->verdict = run->verdict;
    snprintf(out->message, sizeof(out->message), "%s", run->message);
    out->virtual_ns = machine_now(w->m);
    if (stop != MACHINE_WATCHDOG) {
        out->hv_state = machine_hash_hv(w->m);
        out->state = machine_hash(w->m);
    }
    if (opt->trace != NULL && machine_hv(w->m) != NULL) {
        struct trace_record end = {.type = TRACE_CHECKPOINT,
                                   .time_ns = out->virtual_ns,
                                   .a = out->hv_state,
                                   .b = out->state,
                                   .c = ~0ULL};
        trace_event(opt->trace, &end);
    }
}

#define CASE_DISK_SECTORS 2048u

void t_run(const struct tcase *tc, const struct t_options *opt,
           struct t_result *out)
{
    struct console console = {0};
    struct t_case_run *run = calloc(1, sizeof(*run));
    struct disk_config disk = {.sectors = CASE_DISK_SECTORS};
    struct world_config cfg = {
        .cpus = tc->flags & T_SMP ? 2 : 1,
        .control_vcpus = tc->flags & T_CONTROL && tc->vcpu1 ? 2 : 1,
        /* Small machines start fast, and ten thousand seeds are many. */
        .ram_bytes = tc->flags & T_NOSTORE ? 24u << 20 : 0,
        .control_pages = tc->flags & T_NOSTORE ? 512 : 0,
        .seed = case_seed(opt->seed, tc->name),
        .trace = opt->trace,
        .disks = &disk,
        .nr_disks = tc->flags & T_DISK ? 1 : 0,
        .console = console_take,
        .console_ctx = &console,
        .no_xenstore = (tc->flags & T_NOSTORE) != 0,
        .control = control_main,
        .control_arg = run,
    };
    char err[256] = "";
    double start = host_seconds();
    memset(out, 0, sizeof(*out));
    if (run == NULL) {
        out->verdict = V_ERROR;
        snprintf(out->message, sizeof(out->message), "out of memory");
        return;
    }
    run_setup(run, tc);
    struct world *w = world_create(&cfg, err, sizeof(err));
    if (w == NULL) {
        out->verdict = V_ERROR;
        snprintf(out->message, sizeof(out->message), "no machine: %s", err);
    } else {
        run_in_world(run, w, opt, out);
        world_destroy(w);
    }
    free(run);
    out->console = console.text;
    out->host_s = host_seconds() - start;
}

void t_result_free(struct t_result *r)
{
    free(r->console);
    r->console = NULL;
}
