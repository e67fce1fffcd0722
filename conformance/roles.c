/*
 * What the roles of a case call: verdicts, mailboxes, waiting, hypercalls as
 * one line each. Runs inside native guests.
 */
#include "conformance/run.h"

#include <stdarg.h>
#include <string.h>

#include <xen/hvm/hvm_op.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

#include "hv/hv.h"

void run_decide(struct t_case_run *run, enum t_verdict v, const char *text)
{
    if (run->decided) {
        return;
    }
    run->decided = true;
    run->verdict = v;
    snprintf(run->message, sizeof(run->message), "%s", text);
    machine_stop(run->w->m);
}

/* A role that has ended the case must not run on. */
static _Noreturn void role_park(struct t *t)
{
    for (;;) {
        os_wait(t->os, 1000000000ULL);
    }
}

static const char *role_name(enum t_role r)
{
    static const char *const names[ROLES] = {"subject", "peer", "vcpu1",
                                             "control"};
    return names[r];
}

static _Noreturn void role_verdict(struct t *t, enum t_verdict v,
                                   const char *file, int line,
                                   const char *fmt, va_list ap)
{
    char text[384], full[512];
    vsnprintf(text, sizeof(text), fmt, ap);
    snprintf(full, sizeof(full), "%s:%d: %s: %s", file, line,
             role_name(t->role), text);
    run_decide(t->run, v, full);
    role_park(t);
}

void t_fail(struct t *t, const char *file, int line, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    role_verdict(t, V_FAIL, file, line, fmt, ap);
}

void t_error(struct t *t, const char *file, int line, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    role_verdict(t, V_ERROR, file, line, fmt, ap);
}

void t_skip(struct t *t, const char *why)
{
    run_decide(t->run, V_SKIP, why);
    role_park(t);
}

bool t_wait_until(struct t *t, bool (*cond)(struct t *t, void *ctx),
                  void *ctx, uint64_t timeout_ns)
{
    uint64_t end = os_now_ns(t->os) + timeout_ns;
    while (!cond(t, ctx)) {
        if (os_now_ns(t->os) >= end) {
            return false;
        }
        os_wait(t->os, 20000);
    }
    return true;
}

void t_sleep(struct t *t, uint64_t ns)
{
    uint64_t end = os_now_ns(t->os) + ns;
    uint64_t now;
    while ((now = os_now_ns(t->os)) < end) {
        os_wait(t->os, end - now);
    }
}

uint32_t t_random(struct t *t, uint32_t n)
{
    return choice_draw(machine_choice(t->run->w->m), CHOICE_SCENARIO, n);
}

static bool role_is_up(struct t *t, void *ctx)
{
    return t->run->roles[*(enum t_role *)ctx].up;
}

domid_t t_domid(struct t *t, enum t_role role)
{
    T_REQUIRE(t, t_wait_until(t, role_is_up, &role, RUN_RECV_TIMEOUT_NS));
    return t->run->roles[role].domid;
}

void t_send(struct t *t, unsigned channel, uint64_t value)
{
    T_REQUIRE(t, channel < RUN_CHANNELS);
    unsigned tail = t->run->channel[channel].tail;
    T_REQUIRE(t, tail - t->run->channel[channel].head < RUN_CHANNEL_DEPTH);
    t->run->channel[channel].value[tail % RUN_CHANNEL_DEPTH] = value;
    t->run->channel[channel].tail = tail + 1;
}

bool t_try_recv(struct t *t, unsigned channel, uint64_t *value)
{
    T_REQUIRE(t, channel < RUN_CHANNELS);
    unsigned head = t->run->channel[channel].head;
    if (head == t->run->channel[channel].tail) {
        return false;
    }
    *value = t->run->channel[channel].value[head % RUN_CHANNEL_DEPTH];
    t->run->channel[channel].head = head + 1;
    return true;
}

struct recv_wait {
    unsigned channel;
    uint64_t value;
};

static bool recv_ready(struct t *t, void *ctx)
{
    struct recv_wait *w = ctx;
    return t_try_recv(t, w->channel, &w->value);
}

uint64_t t_recv(struct t *t, unsigned channel)
{
    struct recv_wait w = {.channel = channel};
    T_REQUIRE(t, t_wait_until(t, recv_ready, &w, RUN_RECV_TIMEOUT_NS));
    return w.value;
}

int64_t t_evtchn_op(struct t *t, unsigned cmd, void *arg, size_t len)
{
    return os_call(t->os, __HYPERVISOR_event_channel_op, cmd, arg, len, 0);
}

int64_t t_grant_op(struct t *t, unsigned cmd, void *ops, size_t len,
                   unsigned count)
{
    return os_call(t->os, __HYPERVISOR_grant_table_op, cmd, ops, len, count);
}

int64_t t_memory_op(struct t *t, unsigned cmd, void *arg, size_t len)
{
    return os_call(t->os, __HYPERVISOR_memory_op, cmd, arg, len, 0);
}

int64_t t_sched_op(struct t *t, unsigned cmd, void *arg, size_t len)
{
    return os_call(t->os, __HYPERVISOR_sched_op, cmd, arg, len, 0);
}

int64_t t_vcpu_op(struct t *t, unsigned cmd, unsigned vcpu, void *arg,
                  size_t len)
{
    uint64_t p = arg != NULL ? os_arg(t->os) : 0;
    if (arg != NULL) {
        os_write(t->os, p, arg, len);
    }
    int64_t rc = os_hypercall(t->os, __HYPERVISOR_vcpu_op, cmd, vcpu, p, 0, 0);
    if (arg != NULL) {
        os_read(t->os, p, arg, len);
    }
    return rc;
}

int64_t t_hvm_op(struct t *t, unsigned cmd, void *arg, size_t len)
{
    return os_call(t->os, __HYPERVISOR_hvm_op, cmd, arg, len, 0);
}

int64_t t_domctl(struct t *t, struct xen_domctl *op)
{
    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    uint64_t p = os_arg(t->os);
    os_write(t->os, p, op, sizeof(*op));
    int64_t rc = os_hypercall(t->os, __HYPERVISOR_domctl, p, 0, 0, 0, 0);
    os_read(t->os, p, op, sizeof(*op));
    return rc;
}

uint64_t t_page(struct t *t, uint8_t fill)
{
    uint8_t block[256];
    uint64_t page = os_pages_alloc(t->os, 1);
    T_REQUIRE(t, page != 0);
    memset(block, fill, sizeof(block));
    for (unsigned off = 0; off < OS_PAGE_SIZE; off += sizeof(block)) {
        os_write(t->os, page + off, block, sizeof(block));
    }
    return page;
}

domid_t t_start_guest(struct t *t, t_fn *fn, const struct builder_config *cfg)
{
    struct t_case_run *run = t->run;
    struct world_guest_config g = {0};
    T_REQUIRE(t, run->nr_extra < RUN_MAX_GUESTS);
    if (cfg != NULL) {
        g.pages = cfg->pages;
        g.vcpus = cfg->vcpus;
        g.cmdline = cfg->cmdline;
        g.weight = cfg->weight;
        g.cap_percent = cfg->cap_percent;
        g.affinity = cfg->affinity;
        g.max_grant_frames = cfg->max_grant_frames;
        g.max_evtchn_port = cfg->max_evtchn_port;
        g.paused = cfg->start_paused;
    }
    struct run_role *r = &run->extra[run->nr_extra++];
    r->fn = fn;
    r->t = (struct t){.role = ROLE_PEER, .tc = run->tc, .run = run};
    int domid = world_start_guest(run->w, "extra", run_guest_main, r, &g);
    if (domid < 0) {
        t_error(t, __FILE__, __LINE__, "world_start_guest gave %d", domid);
    }
    r->started = true;
    r->domid = domid;
    return domid;
}

unsigned t_wait_shutdown(struct t *t, domid_t domid)
{
    unsigned reason = 0;
    T_REQUIRE_OK(t, world_wait_domain(t->run->w, domid, RUN_RECV_TIMEOUT_NS,
                                      &reason));
    return reason;
}

void t_destroy_guest(struct t *t, domid_t domid)
{
    T_REQUIRE_OK(t, world_destroy_guest(t->run->w, domid));
}

uint64_t run_free_pages(const struct t_case_run *run)
{
    const struct hv *hv = machine_hv(run->w->m);
    const struct domain *c = hv->control;
    uint64_t pages = hv->free_pages + c->p2m_tables;
    for (unsigned i = 0; i < HV_MAX_MAPTRACK_FRAMES; i++) {
        pages += mfn_valid(c->gnttab.maptrack[i]);
    }
    for (unsigned i = 0; i < HV_MAX_GRANT_FRAMES; i++) {
        pages += mfn_valid(c->gnttab.shared[i]);
    }
    for (unsigned i = 0; i < HV_MAX_GRANT_FRAMES * 4; i++) {
        pages += mfn_valid(c->gnttab.active[i]);
    }
    for (unsigned i = 0; i < EVTCHN_PAGES; i++) {
        pages += mfn_valid(c->evtchn_pages[i]);
    }
    return pages;
}

uint64_t t_free_pages(struct t *t)
{
    return run_free_pages(t->run);
}

struct world *t_world(struct t *t)
{
    return t->run->w;
}
