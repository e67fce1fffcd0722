/*
 * The domctls a domain builder needs, from the control domain: creation and
 * its limits, life, information, teardown of guests in every state.
 */
#include "conformance/harness.h"

#include <string.h>

#include <xen/domctl.h>
#include <xen/event_channel.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/save.h>
#include <xen/memory.h>
#include <xen/sched.h>

#include "pv/os/native.h"
#include "sim/cpu/native.h"

static int64_t create(struct t *t, domid_t id, struct xen_domctl *op)
{
    memset(op, 0, sizeof(*op));
    op->cmd = XEN_DOMCTL_createdomain;
    op->domain = id;
    op->u.createdomain.flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap;
    op->u.createdomain.max_vcpus = 1;
    op->u.createdomain.max_evtchn_port = 1023;
    op->u.createdomain.max_grant_frames = 4;
    op->u.createdomain.max_maptrack_frames = 4;
    op->u.createdomain.grant_opts = XEN_DOMCTL_GRANT_version(1);
    op->u.createdomain.arch.emulation_flags = XEN_X86_EMU_LAPIC;
    return t_domctl(t, op);
}

static int64_t simple(struct t *t, unsigned cmd, domid_t id)
{
    struct xen_domctl op = {.cmd = cmd, .domain = id};
    return t_domctl(t, &op);
}

static void create_and_destroy(struct t *t)
{
    struct xen_domctl op;
    struct xen_domctl_getdomaininfo info;
    uint64_t before = t_free_pages(t);
    for (unsigned i = 0; i < 20; i++) {
        T_EQ(t, create(t, 0, &op), 0);
        domid_t id = op.domain;
        T_CHECK(t, id != 0 && id < 0x7ff0);
        T_EQ(t, builder_info(t->os, id, &info), 0);
        T_CHECK(t, info.flags & XEN_DOMINF_paused);
        T_CHECK(t, info.flags & XEN_DOMINF_hvm_guest);
        T_EQ(t, info.tot_pages, 0);
        T_EQ(t, builder_destroy(t->os, id), 0);
        T_EQ(t, builder_info(t->os, id, &info), -XEN_ESRCH);
    }
    T_EQ(t, t_free_pages(t), before);
}

static void domid_given(struct t *t)
{
    struct xen_domctl op;
    T_EQ(t, create(t, 77, &op), 0);
    T_EQ(t, op.domain, 77);
    T_EQ(t, create(t, 77, &op), -XEN_EEXIST);
    T_EQ(t, builder_destroy(t->os, 77), 0);
    T_EQ(t, create(t, 77, &op), 0);
    T_EQ(t, builder_destroy(t->os, 77), 0);
}

static void create_checks(struct t *t)
{
    struct xen_domctl op;
    uint64_t before = t_free_pages(t);
    memset(&op, 0, sizeof(op));
    op.cmd = XEN_DOMCTL_createdomain;
    op.u.createdomain.flags = ~0u;
    op.u.createdomain.max_vcpus = 1;
    T_CHECK(t, t_domctl(t, &op) < 0);
    memset(&op, 0, sizeof(op));
    op.cmd = XEN_DOMCTL_createdomain;
    op.u.createdomain.flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap;
    op.u.createdomain.max_vcpus = 0;
    T_CHECK(t, t_domctl(t, &op) < 0);
    op.u.createdomain.max_vcpus = 100000;
    T_CHECK(t, t_domctl(t, &op) < 0);
    T_EQ(t, t_free_pages(t), before);
}

static void max_vcpus_rules(struct t *t)
{
    struct xen_domctl op;
    T_EQ(t, create(t, 0, &op), 0);
    domid_t id = op.domain;
    memset(&op, 0, sizeof(op));
    op.cmd = XEN_DOMCTL_max_vcpus;
    op.domain = id;
    op.u.max_vcpus.max = 2; /* createdomain said 1 */
    T_EQ(t, t_domctl(t, &op), -XEN_EINVAL);
    op.u.max_vcpus.max = 1;
    T_EQ(t, t_domctl(t, &op), 0);
    T_EQ(t, builder_destroy(t->os, id), 0);
}

static void info_finds_next(struct t *t)
{
    struct xen_domctl op, get;
    T_EQ(t, create(t, 200, &op), 0);
    memset(&get, 0, sizeof(get));
    get.cmd = XEN_DOMCTL_getdomaininfo;
    get.domain = 150; /* the lowest at or above */
    T_EQ(t, t_domctl(t, &get), 0);
    T_EQ(t, get.u.getdomaininfo.domain, 200);
    get.domain = 201;
    T_EQ(t, t_domctl(t, &get), -XEN_ESRCH);
    T_EQ(t, builder_destroy(t->os, 200), 0);
}

static void pause_count_nests_not(struct t *t)
{
    struct xen_domctl op;
    T_EQ(t, create(t, 0, &op), 0);
    domid_t id = op.domain;
    /* Created paused by the controller: one unpause is due. */
    T_EQ(t, simple(t, XEN_DOMCTL_unpausedomain, id), 0);
    T_EQ(t, simple(t, XEN_DOMCTL_unpausedomain, id), -XEN_EINVAL);
    T_EQ(t, simple(t, XEN_DOMCTL_pausedomain, id), 0);
    T_EQ(t, simple(t, XEN_DOMCTL_unpausedomain, id), 0);
    T_EQ(t, builder_destroy(t->os, id), 0);
}

static void unknown_domctl(struct t *t)
{
    T_EQ(t, simple(t, 200, 0), -XEN_ENOSYS);
    T_EQ(t, simple(t, ~0u, 0), -XEN_ENOSYS);
    T_EQ(t, simple(t, XEN_DOMCTL_getvcpuinfo, 0x7ef0), -XEN_ESRCH);
}

static void max_mem_limits(struct t *t)
{
    struct xen_domctl op;
    T_EQ(t, create(t, 0, &op), 0);
    domid_t id = op.domain;
    memset(&op, 0, sizeof(op));
    op.cmd = XEN_DOMCTL_max_mem;
    op.domain = id;
    op.u.max_mem.max_memkb = 32; /* eight pages */
    T_EQ(t, t_domctl(t, &op), 0);
    struct xen_memory_reservation r = {.nr_extents = 16, .domid = id};
    uint64_t arg = os_arg(t->os), list = arg + 256;
    memcpy(&r.extent_start, &list, 8);
    os_write(t->os, arg, &r, sizeof(r));
    for (unsigned i = 0; i < 16; i++) {
        os_store64(t->os, list + 8 * i, i);
    }
    T_EQ(t, os_hypercall(t->os, __HYPERVISOR_memory_op,
                         XENMEM_populate_physmap, arg, 0, 0, 0), 8);
    T_EQ(t, builder_destroy(t->os, id), 0);
}

static void huge_populate_fails_whole(struct t *t)
{
    struct builder_config cfg = {.pages = 1u << 20};
    struct builder_result res;
    uint64_t before = t_free_pages(t);
    static const char image[] = "not an ELF at all, and much too short";
    cfg.image = image;
    cfg.image_len = sizeof(image);
    cfg.vcpus = 1;
    T_CHECK(t, builder_create(t->os, &cfg, &res) < 0);
    T_EQ(t, t_free_pages(t), before);
}

/* -- Teardown of guests in every state ------------------------------------ */

static void spins(struct t *t)
{
    for (;;) {
        native_pause(os_native(t->os));
    }
}
static void sleeps(struct t *t)
{
    t_sleep(t, 100000000000ULL);
}
static void returns(struct t *t)
{
    (void)t;
}
static void hypercalls(struct t *t)
{
    for (;;) {
        evtchn_port_t p;
        grant_ref_t r;
        (void)os_evtchn_alloc_unbound(t->os, 0, &p);
        if (os_grant_access(t->os, 0, 5, false, &r) == 0) {
            (void)os_grant_end(t->os, r);
        }
        os_evtchn_close(t->os, p);
    }
}

static void destroyed_after(struct t *t, t_fn *fn, uint64_t ns)
{
    uint64_t before = t_free_pages(t);
    domid_t d = t_start_guest(t, fn, NULL);
    t_sleep(t, ns);
    t_destroy_guest(t, d);
    T_EQ(t, t_free_pages(t), before);
}

static void destroy_running(struct t *t)
{
    destroyed_after(t, spins, 3000000);
}
static void destroy_sleeping(struct t *t)
{
    destroyed_after(t, sleeps, 3000000);
}
static void destroy_shut_down(struct t *t)
{
    destroyed_after(t, returns, 3000000);
}
static void destroy_in_hypercalls(struct t *t)
{
    for (unsigned i = 0; i < 8; i++) {
        destroyed_after(t, hypercalls, 100000 + t_random(t, 300000));
    }
}
static void destroy_never_run(struct t *t)
{
    uint64_t before = t_free_pages(t);
    struct builder_config cfg = {.start_paused = true};
    domid_t d = t_start_guest(t, spins, &cfg);
    t_destroy_guest(t, d);
    T_EQ(t, t_free_pages(t), before);
}

static void many_lives(struct t *t)
{
    uint64_t before = t_free_pages(t);
    for (unsigned i = 0; i < 6; i++) {
        domid_t d = t_start_guest(t, i % 2 ? returns : spins, NULL);
        t_sleep(t, t_random(t, 2000000));
        t_destroy_guest(t, d);
    }
    T_EQ(t, t_free_pages(t), before);
}

static void triple_faults(struct t *t)
{
    /* An interrupt with no handler: #DF, then shutdown. */
    evtchn_port_t a, b;
    struct xen_hvm_evtchn_upcall_vector v;
    memset(&v, 0, sizeof(v)); /* its padding too */
    v.vector = 0x40;
    native_set_handler(os_native(t->os), NULL, NULL);
    T_REQUIRE_OK(t, t_hvm_op(t, HVMOP_set_evtchn_upcall_vector, &v,
                             sizeof(v)));
    T_REQUIRE_OK(t, os_evtchn_alloc_unbound(t->os, DOMID_SELF, &a));
    T_REQUIRE_OK(t, os_evtchn_bind_interdomain(t->os, DOMID_SELF, a, &b));
    struct evtchn_unmask u = {.port = a};
    T_REQUIRE_OK(t, t_evtchn_op(t, EVTCHNOP_unmask, &u, sizeof(u)));
    T_REQUIRE_OK(t, os_evtchn_send(t->os, b));
    native_sti(os_native(t->os));
    for (unsigned i = 0; i < 1000; i++) {
        native_pause(os_native(t->os));
    }
    t_fail(t, __FILE__, __LINE__, "a triple fault went by");
}

static void triple_fault_crashes_the_domain(struct t *t)
{
    domid_t d = t_start_guest(t, triple_faults, NULL);
    T_EQ(t, t_wait_shutdown(t, d), SHUTDOWN_crash);
}

static void touches_nothing(struct t *t)
{
    os_store8(t->os, os_space_alloc(t->os, 1), 1);
    t_fail(t, __FILE__, __LINE__, "a write to a hole went by");
}

static void hole_crashes_the_domain(struct t *t)
{
    domid_t d = t_start_guest(t, touches_nothing, NULL);
    T_EQ(t, t_wait_shutdown(t, d), SHUTDOWN_crash);
    T_EQ(t, simple(t, XEN_DOMCTL_pausedomain, d), 0); /* still there */
}

static void handle_is_kept(struct t *t)
{
    struct xen_domctl op;
    struct xen_domctl_getdomaininfo info;
    T_EQ(t, create(t, 0, &op), 0);
    domid_t id = op.domain;
    memset(&op, 0, sizeof(op));
    op.cmd = XEN_DOMCTL_setdomainhandle;
    op.domain = id;
    memset(op.u.setdomainhandle.handle, 0xab, sizeof(xen_domain_handle_t));
    T_EQ(t, t_domctl(t, &op), 0);
    T_EQ(t, builder_info(t->os, id, &info), 0);
    T_EQ(t, info.handle[0], 0xab);
    T_EQ(t, info.handle[15], 0xab);
    T_EQ(t, builder_destroy(t->os, id), 0);
}

static uint64_t cpu_time(struct t *t, domid_t d)
{
    struct xen_domctl_getdomaininfo info;
    T_REQUIRE_OK(t, builder_info(t->os, d, &info));
    T_CHECK(t, !(info.flags & XEN_DOMINF_paused));
    return info.cpu_time;
}

static void context_of_running(struct t *t)
{
    struct hvm_save_descriptor first, last;
    domid_t d = t_start_guest(t, spins, NULL);
    uint64_t page = t_page(t, 0), ran;
    for (unsigned i = 0; i < 12; i++) {
        struct xen_domctl op = {.cmd = XEN_DOMCTL_gethvmcontext, .domain = d};
        ran = cpu_time(t, d);
        t_sleep(t, 1 + t_random(t, 300000));
        op.u.hvmcontext.size = 4096;
        set_xen_guest_handle_raw(op.u.hvmcontext.buffer, (uint8_t *)page);
        T_REQUIRE_OK(t, t_domctl(t, &op));
        T_REQUIRE(t, op.u.hvmcontext.size <= 4096);
        os_read(t->os, page, &first, sizeof(first));
        T_EQ(t, first.typecode, HVM_SAVE_CODE(HEADER));
        os_read(t->os, page + op.u.hvmcontext.size - sizeof(last), &last,
                sizeof(last));
        T_EQ(t, last.typecode, HVM_SAVE_CODE(END));
        t_sleep(t, 1000000);
        T_CHECK(t, cpu_time(t, d) > ran);
    }
    t_destroy_guest(t, d);
}

#define DC "domctl.h: "
#define FLAGS (T_CONTROL | T_NOSTORE)
static const struct tcase cases[] = {
    {"domctl_create_and_destroy_leave_nothing",
     "a domain is created paused and empty, and destroyed whole",
     DC "XEN_DOMCTL_createdomain", FLAGS, create_and_destroy, 0, 0, 0},
    {"domctl_domid_can_be_chosen_once",
     "a given domid is used, or EEXIST", DC "XEN_DOMCTL_createdomain", FLAGS,
     domid_given, 0, 0, 0},
    {"domctl_create_arguments_are_checked",
     "unknown flags and impossible vCPU counts make nothing",
     DC "struct xen_domctl_createdomain", FLAGS | T_HOSTILE, create_checks, 0,
     0, 0},
    {"domctl_max_vcpus_follows_createdomain",
     "max_vcpus is what createdomain said", DC "XEN_DOMCTL_max_vcpus", FLAGS,
     max_vcpus_rules, 0, 0, 0},
    {"domctl_info_gives_the_lowest_at_or_above",
     "getdomaininfo iterates: the lowest domid not below the one given",
     DC "XEN_DOMCTL_getdomaininfo", FLAGS, info_finds_next, 0, 0, 0},
    {"domctl_unpause_needs_a_pause", "unpause of a running domain is EINVAL",
     DC "XEN_DOMCTL_unpausedomain", FLAGS, pause_count_nests_not, 0, 0, 0},
    {"domctl_unknown_is_enosys", "an unknown domctl is ENOSYS", DC "cmd",
     FLAGS | T_HOSTILE, unknown_domctl, 0, 0, 0},
    {"domctl_max_mem_limits_population",
     "no page above max_mem, also for the builder", DC "XEN_DOMCTL_max_mem",
     FLAGS, max_mem_limits, 0, 0, 0},
    {"domctl_failed_build_leaves_nothing",
     "a build that fails gives everything back",
     DC "XEN_DOMCTL_destroydomain", FLAGS | T_HOSTILE,
     huge_populate_fails_whole, 0, 0, 0},
    {"domctl_destroy_of_a_running_guest",
     "a guest is taken from the CPU it spins on",
     DC "XEN_DOMCTL_destroydomain", FLAGS, destroy_running, 0, 0, 0},
    {"domctl_destroy_of_a_spinning_guest_on_another_cpu",
     "a guest is taken from another CPU, which is seen to have left it",
     DC "XEN_DOMCTL_destroydomain", FLAGS | T_SMP, destroy_running, 0, 0, 0},
    {"domctl_destroy_of_a_sleeping_guest",
     "a blocked guest's timers and ports go with it",
     DC "XEN_DOMCTL_destroydomain", FLAGS, destroy_sleeping, 0, 0, 0},
    {"domctl_destroy_of_a_guest_that_shut_down",
     "a guest that has ended is given back",
     DC "XEN_DOMCTL_destroydomain", FLAGS, destroy_shut_down, 0, 0, 0},
    {"domctl_destroy_in_the_middle_of_hypercalls",
     "whatever the guest was doing, everything is given back",
     DC "XEN_DOMCTL_destroydomain", FLAGS | T_SMP | T_HOSTILE,
     destroy_in_hypercalls, 0, 0, 0},
    {"domctl_destroy_of_a_guest_never_run",
     "a guest that never ran is given back", DC "XEN_DOMCTL_destroydomain",
     FLAGS, destroy_never_run, 0, 0, 0},
    {"domctl_many_lives_leave_nothing",
     "domains come and go without growth", DC "XEN_DOMCTL_destroydomain",
     FLAGS | T_SMP, many_lives, 0, 0, 0},
    {"domctl_triple_fault_crashes_its_domain_alone",
     "shutdown interception ends the domain with SHUTDOWN_crash",
     "APM2 15.14.3: shutdown", FLAGS | T_HOSTILE,
     triple_fault_crashes_the_domain, 0, 0, 0},
    {"domctl_write_to_a_hole_crashes_its_domain_alone",
     "a nested page fault on nothing ends the domain, which stays to be "
     "looked at",
     "APM2 15.25.6: nested page faults", FLAGS | T_HOSTILE,
     hole_crashes_the_domain, 0, 0, 0},
    {"domctl_context_of_a_running_domain_is_whole",
     "the domain is paused for as long as its context is read",
     DC "XEN_DOMCTL_gethvmcontext", FLAGS | T_SMP, context_of_running, 0, 0,
     0},
    {"domctl_handle_is_kept", "setdomainhandle is seen by getdomaininfo",
     DC "XEN_DOMCTL_setdomainhandle", FLAGS, handle_is_kept, 0, 0, 0},
};
T_SUITE(domctl, cases);
