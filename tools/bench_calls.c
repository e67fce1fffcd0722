/*
 * Benchmarks of the hypervisor's calls: the null hypercall, event channels
 * and grants between two unprivileged domains on one CPU.
 */
#include "tools/bench.h"

#include <string.h>

#include <xen/version.h>

#define WAIT_NS 1000000000ULL

/* Small machines without a store: nothing but the call is in the way. */
static struct bench_job calls_job(uint64_t min_ns)
{
    return (struct bench_job){.world = {.ram_bytes = 24u << 20,
                                        .control_pages = 512,
                                        .no_xenstore = true},
                              .min_ns = min_ns};
}

/* -- Null hypercall -------------------------------------------------------- */

static void null_main(struct os *os, void *arg)
{
    struct bench_job *job = arg;
    for (;;) {
        uint64_t n = bench_begin(os, job);
        for (uint64_t i = 0; i < n; i++) {
            if (os_hypercall(os, __HYPERVISOR_xen_version, XENVER_version, 0,
                             0, 0, 0) <= 0) {
                bench_fail(os, job, "xen_version gave no version");
            }
        }
        bench_end(os, job);
    }
}

static bool null_run(const struct bench *b, uint64_t min_ns, double *value)
{
    struct bench_job job = calls_job(min_ns);
    job.guests[0] = null_main;
    return bench_rate(b, &job, value);
}

/* -- Event channels: there and back, both sides asleep in between ---------- */

static void event_count(struct os *os, void *ctx, evtchn_port_t port)
{
    (void)os;
    (void)port;
    ++*(uint64_t *)ctx;
}

static void event_reply(struct os *os, void *ctx, evtchn_port_t port)
{
    if (os_evtchn_send(os, port) != 0) {
        bench_fail(os, ctx, "the second domain can't send");
    }
}

static void event_first(struct os *os, void *arg)
{
    struct bench_job *job = arg;
    uint64_t replies = 0;
    bench_meet(os, job);
    if (os_evtchn_alloc_unbound(os, job->domids[1], &job->port) != 0 ||
        os_event_handler(os, job->port, event_count, &replies) != 0) {
        bench_fail(os, job, "no event channel");
    }
    job->met = true;
    while (replies == 0) { /* binding says so, too */
        os_wait(os, WAIT_NS);
    }
    for (;;) {
        uint64_t n = bench_begin(os, job);
        for (uint64_t i = 0; i < n; i++) {
            uint64_t seen = replies;
            (void)os_evtchn_send(os, job->port);
            while (replies == seen) {
                os_wait(os, WAIT_NS);
            }
        }
        bench_end(os, job);
    }
}

static void event_second(struct os *os, void *arg)
{
    struct bench_job *job = arg;
    evtchn_port_t port;
    while (!job->met) {
        os_wait(os, 10000);
    }
    if (os_evtchn_bind_interdomain(os, job->domids[0], job->port, &port) !=
            0 ||
        os_event_handler(os, port, event_reply, job) != 0 ||
        os_evtchn_send(os, port) != 0) {
        bench_fail(os, job, "the second domain can't bind");
    }
    for (;;) {
        os_wait(os, WAIT_NS);
    }
}

static bool event_run(const struct bench *b, uint64_t min_ns, double *value)
{
    struct bench_job job = calls_job(min_ns);
    job.guests[0] = event_first;
    job.guests[1] = event_second;
    return bench_rate(b, &job, value);
}

/* -- Grants: the first domain's page, the second at work ------------------- */

static void grant_first(struct os *os, void *arg)
{
    struct bench_job *job = arg;
    uint64_t page = os_pages_alloc(os, 1);
    bench_meet(os, job);
    if (page == 0 || os_grant_access(os, job->domids[1], os_gfn(os, page),
                                     false, &job->ref) != 0) {
        bench_fail(os, job, "no grant");
    }
    job->met = true;
    for (;;) {
        os_wait(os, WAIT_NS);
    }
}

static void map_once(struct os *os, struct bench_job *job, uint64_t at)
{
    struct gnttab_map_grant_ref map;
    struct gnttab_unmap_grant_ref unmap;
    memset(&map, 0, sizeof(map));
    memset(&unmap, 0, sizeof(unmap));
    map.host_addr = at;
    map.flags = GNTMAP_host_map;
    map.ref = job->ref;
    map.dom = job->domids[0];
    if (os_call(os, __HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, &map,
                sizeof(map), 1) != 0 ||
        map.status != GNTST_okay) {
        bench_fail(os, job, "the grant is not mapped");
    }
    unmap.host_addr = at;
    unmap.handle = map.handle;
    if (os_call(os, __HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref,
                &unmap, sizeof(unmap), 1) != 0 ||
        unmap.status != GNTST_okay) {
        bench_fail(os, job, "the grant is not unmapped");
    }
}

static void copy_once(struct os *os, struct bench_job *job, uint64_t to)
{
    struct gnttab_copy op;
    memset(&op, 0, sizeof(op));
    op.source.u.ref = job->ref;
    op.source.domid = job->domids[0];
    op.dest.u.gmfn = os_gfn(os, to);
    op.dest.domid = DOMID_SELF;
    op.len = OS_PAGE_SIZE;
    op.flags = GNTCOPY_source_gref;
    if (os_grant_copy(os, &op, 1) != 0 || op.status != GNTST_okay) {
        bench_fail(os, job, "the grant is not copied");
    }
}

enum { GRANT_MAP, GRANT_COPY };

static void grant_second(struct os *os, void *arg)
{
    struct bench_job *job = arg;
    uint64_t page = os_pages_alloc(os, 1), space = os_space_alloc(os, 1);
    while (!job->met) {
        os_wait(os, 10000);
    }
    if (page == 0 || space == 0) {
        bench_fail(os, job, "no memory");
    }
    for (;;) {
        uint64_t n = bench_begin(os, job);
        for (uint64_t i = 0; i < n; i++) {
            if (job->kind == GRANT_MAP) {
                map_once(os, job, space);
            } else {
                copy_once(os, job, page);
            }
        }
        bench_end(os, job);
    }
}

static bool grant_run(const struct bench *b, uint64_t min_ns, double *value)
{
    struct bench_job job = calls_job(min_ns);
    job.kind = b->kind;
    job.guests[0] = grant_first;
    job.guests[1] = grant_second;
    return bench_rate(b, &job, value);
}

static const struct bench benches[] = {
    {.name = "hypercall_null", .unit = "calls/s", .run = null_run},
    {.name = "evtchn_round_trip", .unit = "round trips/s", .run = event_run},
    {.name = "grant_map_unmap", .unit = "pairs/s", .run = grant_run,
     .kind = GRANT_MAP},
    {.name = "grant_copy_4k", .unit = "copies/s", .run = grant_run,
     .kind = GRANT_COPY},
};
const struct bench_group bench_calls = {benches,
                                        sizeof(benches) / sizeof(benches[0])};
