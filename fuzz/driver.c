/*
 * Runs scenarios over one snapshot, and judges them.
 *
 * Invariants:
 *  1. A scenario is a function of its bytes: machine, fuzz state and oracle
 *     are brought back before each.
 *  2. What the subject suffers is its own affair. A verdict falls when the
 *     hypervisor, the control domain, the peer or the oracle has a complaint,
 *     a page is missing after teardown, or nothing comes to an end.
 */
#include "fuzz/driver.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/model.h"
#include "conformance/model_impl.h"
#include "sim/arena.h"
#include "sim/hash.h"

#define START_NS 10000000000ULL     /* for the handshakes */
#define SUBJECT_NS 12000000ULL      /* a subject that takes longer is left */
#define SCENARIO_NS 5000000000ULL   /* all of it, teardown included */
#define CONTROL_POLL_NS 4000000ULL
#define PEER_POLL_NS 20000000ULL
#define TEARDOWN_ONE_IN 4u

/* One machine a process, as libFuzzer has it. */
static struct {
    struct world *w;
    struct fuzz *f;
    struct model *model;
    struct model_saved *ledger;
    struct snapshot *snapshot;
} host;

/* -- Inside the machine -------------------------------------------------- */

struct fuzz *fuzz_of(struct t *t)
{
    return (struct fuzz *)t->run;
}

static bool peer_is_ready(struct t *t, void *ctx)
{
    (void)ctx;
    return fuzz_of(t)->peer_ready;
}

/* Stops the machine here: a guest access is a crossing. */
static void stop_here(struct t *t)
{
    machine_stop(t->run->w->m);
    (void)os_load8(t->os, os_arg(t->os));
}

void fuzz_begin(struct t *t)
{
    struct fuzz *f = fuzz_of(t);
    T_REQUIRE(t, t_wait_until(t, peer_is_ready, NULL, START_NS));
    f->begun = true;
    f->begin_ns = os_now_ns(t->os);
    stop_here(t); /* the snapshot is taken here */
}

bool fuzz_more(struct t *t)
{
    struct fuzz *f = fuzz_of(t);
    const struct choice *c = machine_choice(f->run.w->m);
    return c->pos < c->len && ++f->steps <= FUZZ_STEPS_MAX;
}

void fuzz_peer_wait(struct t *t)
{
    struct fuzz *f = fuzz_of(t);
    f->peer_ready = true;
    while (!f->check) {
        os_wait(t->os, PEER_POLL_NS);
    }
}

/* A statement a draw, here and in the targets: C leaves the order within an
 * expression to the compiler. */
uint64_t fuzz_word(struct t *t)
{
    uint64_t word;
    switch (t_random(t, 8)) {
    case 0:
    case 1:
    case 2:
        return t_random(t, 64);
    case 3:
        return t_random(t, 0x10000);
    case 4:
        return ~0ULL - t_random(t, 64);
    case 5:
        word = 1ULL << t_random(t, 64);
        return word - t_random(t, 3);
    case 6:
        word = t_random(t, ~0u);
        return word << t_random(t, 33);
    default:
        return 0x7fffffffULL + t_random(t, 3);
    }
}

uint32_t fuzz_pick(struct t *t, const uint32_t *table, uint32_t n)
{
    return table[t_random(t, n)];
}

/* Most scenarios end where the subject does; some go on to the bitter end. */
static void subject_main(struct t *t)
{
    struct fuzz *f = fuzz_of(t);
    fuzz_target.subject(t);
    if (!choice_one_in(machine_choice(f->run.w->m), CHOICE_SCENARIO,
                       TEARDOWN_ONE_IN)) {
        f->over = true;
        stop_here(t);
    }
}

static void start_guest(struct fuzz *f, enum t_role role, const char *name)
{
    struct run_role *r = &f->run.roles[role];
    struct world_guest_config cfg = {.vcpus = 1};
    if (fuzz_target.flags & T_DISK && role == ROLE_PEER) {
        cfg.nr_vbds = 1;
        cfg.vbds[0] = (struct world_vbd){.vdev = FUZZ_VDEV, .disk = 1};
    } else if (fuzz_target.flags & T_DISK) {
        cfg.nr_vbds = 2;
        cfg.vbds[0] = (struct world_vbd){.vdev = FUZZ_VDEV};
        cfg.vbds[1] = (struct world_vbd){.vdev = FUZZ_VDEV_COPY,
                                         .mode = BLKBACK_COPY};
    }
    int domid = world_start_guest(f->run.w, name, run_guest_main, r, &cfg);
    if (domid < 0) {
        run_decide(&f->run, V_ERROR, "a guest did not start");
        return;
    }
    r->started = true;
    r->domid = (domid_t)domid;
}

static bool guest_over(struct fuzz *f, enum t_role role)
{
    struct xen_domctl_getdomaininfo info;
    struct run_role *r = &f->run.roles[role];
    return r->done || builder_info(f->run.w->os, r->domid, &info) != 0 ||
           info.flags & (XEN_DOMINF_shutdown | XEN_DOMINF_dying);
}

/* Until the subject is over; one that sits and waits is left to it. */
static void await_subject(struct fuzz *f)
{
    struct os *os = f->run.w->os;
    while (!f->begun || (!guest_over(f, ROLE_SUBJECT) &&
                         os_now_ns(os) - f->begin_ns < SUBJECT_NS)) {
        os_wait(os, CONTROL_POLL_NS);
    }
}

static void control_main(struct world *w, void *arg)
{
    struct fuzz *f = arg;
    while (!machine_hv(w->m)->cpus[0].online) {
        os_wait(w->os, 10000);
    }
    uint64_t before = run_free_pages(&f->run), after;
    start_guest(f, ROLE_PEER, "peer");
    start_guest(f, ROLE_SUBJECT, "subject");
    await_subject(f);
    f->check = true;
    while (!guest_over(f, ROLE_PEER)) {
        os_wait(w->os, CONTROL_POLL_NS);
    }
    if (!f->run.roles[ROLE_PEER].done) {
        run_decide(&f->run, V_FAIL, "the peer's domain died");
    }
    for (enum t_role r = ROLE_SUBJECT; r <= ROLE_PEER; r++) {
        if (world_destroy_guest(w, f->run.roles[r].domid) != 0) {
            run_decide(&f->run, V_FAIL, "a domain could not be destroyed");
        }
    }
    after = run_free_pages(&f->run);
    if (after != before) {
        char text[96];
        snprintf(text, sizeof(text), "%lld pages are not given back",
                 (long long)(before - after));
        run_decide(&f->run, V_FAIL, text);
    }
}

/* -- Outside -------------------------------------------------- */

static void on_violation(void *ctx, const char *text)
{
    struct fuzz *f = ctx;
    char full[512];
    snprintf(full, sizeof(full), "oracle: %s", text);
    run_decide(&f->run, V_FAIL, full);
}

_Noreturn static void start_failed(const char *why, const char *more)
{
    fprintf(stderr, "fuzz %s: no machine to start from: %s%s\n",
            fuzz_target.name, why, more);
    exit(2);
}

static void start_roles(struct fuzz *f, struct world *w)
{
    t_fn *const fns[] = {subject_main, fuzz_target.peer};
    f->tc.name = fuzz_target.name;
    f->tc.flags = fuzz_target.flags;
    f->run.tc = &f->tc;
    f->run.w = w;
    for (enum t_role r = ROLE_SUBJECT; r <= ROLE_PEER; r++) {
        f->run.roles[r].fn = fns[r];
        f->run.roles[r].t =
            (struct t){.role = r, .tc = &f->tc, .run = &f->run};
    }
}

void fuzz_start(void)
{
    static const struct disk_config disks[2] = {{.sectors = 2048},
                                                {.sectors = 2048}};
    bool small = fuzz_target.flags & T_NOSTORE;
    struct world_config cfg = {.cpus = 1,
                               .ram_bytes = small ? 24u << 20 : 32u << 20,
                               .control_pages = small ? 512 : 1024,
                               .seed = 1,
                               .disks = disks,
                               .nr_disks =
                                   fuzz_target.flags & T_DISK ? 2 : 0,
                               .no_xenstore = small,
                               .control = control_main};
    char err[256] = "";
    if (host.snapshot != NULL) {
        return;
    }
    host.w = world_create(&cfg, err, sizeof(err));
    if (host.w == NULL) {
        start_failed(err, "");
    }
    host.f = arena_alloc(machine_arena(host.w->m), sizeof(*host.f), 16);
    host.w->cfg.control_arg = host.f;
    start_roles(host.f, host.w);
    host.model = model_create(host.w->m, on_violation, host.f);
    enum machine_stop stop = world_run(host.w, START_NS);
    if (stop != MACHINE_STOPPED || !host.f->begun || host.f->run.decided) {
        start_failed(world_stop_name(stop), host.f->run.message);
    }
    host.snapshot = machine_snapshot(host.w->m);
    host.ledger = host.model == NULL ? NULL : model_save(host.model);
    if (host.snapshot == NULL || host.ledger == NULL) {
        start_failed("no memory for the snapshot", "");
    }
}

/* The peer's secrets, where it still has them. */
static void judge_secrets(struct fuzz *f)
{
    struct domain *d = model_domain(host.model,
                                    f->run.roles[ROLE_PEER].domid);
    for (unsigned i = 0; i < FUZZ_PAGES_MAX && d != NULL; i++) {
        uint64_t gfn = f->secrets[i] / OS_PAGE_SIZE;
        int64_t mfn = gfn == 0 ? -1 : model_translate(host.model, d, gfn,
                                                      NULL);
        const uint64_t *page =
            mfn < 0 ? NULL
                    : machine_ram(host.w->m,
                                  MADDR((uint64_t)mfn << PAGE_SHIFT));
        if (gfn != 0 && page == NULL) {
            run_decide(&f->run, V_FAIL, "the peer lost a page");
        }
        for (unsigned j = 0; page != NULL && j < OS_PAGE_SIZE / 8; j++) {
            if (page[j] != FUZZ_SECRET + j) {
                run_decide(&f->run, V_FAIL, "the peer's page has changed");
            }
        }
    }
}

static void judge(struct fuzz *f, enum machine_stop stop)
{
    char text[400];
    if (stop == MACHINE_FATAL) {
        snprintf(text, sizeof(text), "hypervisor: %s",
                 machine_fatal_text(host.w->m));
        run_decide(&f->run, V_FAIL, text);
    } else if (stop == MACHINE_OFF ? !host.w->finished
                                   : stop != MACHINE_STOPPED) {
        snprintf(text, sizeof(text), "the machine stopped: %s at %llu ns",
                 world_stop_name(stop),
                 (unsigned long long)machine_now(host.w->m));
        run_decide(&f->run, V_FAIL, text);
    }
    if (stop == MACHINE_FATAL || stop == MACHINE_WATCHDOG) {
        return;
    }
    model_check(host.model);
    if (f->over) {
        judge_secrets(f);
    }
}

bool fuzz_run(const uint8_t *bytes, size_t len, char *msg, size_t msg_len,
              uint64_t *hash)
{
    fuzz_start();
    struct fuzz *f = host.f;
    machine_restore(host.w->m, host.snapshot);
    model_load(host.model, host.ledger);
    choice_from_bytes(machine_choice(host.w->m), bytes, len);
    enum machine_stop stop = world_run(host.w, f->begin_ns + SCENARIO_NS);
    judge(f, stop);
    if (hash != NULL) {
        *hash = stop == MACHINE_WATCHDOG ? 0 : machine_hash(host.w->m);
    }
    snprintf(msg, msg_len, "%s", f->run.message);
    /* An error is a helper's complaint about what the subject itself broke. */
    return !f->run.decided || f->run.verdict != V_FAIL;
}

/* -- libFuzzer's side -------------------------------------------------- */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Its handlers may come while a coroutine's stack is write-protected:
 * sim/arena.h, arena_touch(). */
static void handlers_on_their_stack(void)
{
    static const int signals[] = {SIGALRM, SIGINT, SIGTERM, SIGUSR1,
                                  SIGUSR2, SIGXFSZ};
    for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        struct sigaction sa;
        if (sigaction(signals[i], NULL, &sa) == 0 &&
            (sa.sa_flags & SA_SIGINFO)) {
            sa.sa_flags |= SA_ONSTACK;
            sigaction(signals[i], &sa, NULL);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char msg[512];
    if (host.snapshot == NULL) {
        handlers_on_their_stack();
    }
    if (!fuzz_run(data, size, msg, sizeof(msg), NULL)) {
        fprintf(stderr, "fuzz %s: %s\n", fuzz_target.name, msg);
        abort();
    }
    return 0;
}
