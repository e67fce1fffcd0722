/*
 * Isolation seen from inside: two guests that must not feel each other. The
 * oracle watches every case; these go looking for trouble.
 */
#include "conformance/harness.h"

#include <string.h>

#include <xen/event_channel.h>
#include <xen/memory.h>

#include "hv/hv.h"
#include "pv/os/native.h"
#include "sim/cpu/native.h"
#include "sim/hash.h"

#include "conformance/world.h"

/* A number of any size. Two draws, two statements: the order of operands is
 * the compiler's, and the run must not be. */
static uint64_t wild(struct t *t)
{
    uint64_t bits = t_random(t, ~0u);
    unsigned shift = t_random(t, 33);
    return bits << shift;
}

/* Random hypercalls: numbers, sub-operations and arguments of all sorts, but
 * those that end or starve the caller itself. */
static void random_hypercall(struct t *t)
{
    static const unsigned nrs[] = {
        __HYPERVISOR_memory_op,     __HYPERVISOR_xen_version,
        __HYPERVISOR_grant_table_op, __HYPERVISOR_event_channel_op,
        __HYPERVISOR_hvm_op,        __HYPERVISOR_vcpu_op,
        __HYPERVISOR_domctl,        __HYPERVISOR_sysctl,
        __HYPERVISOR_physdev_op,    __HYPERVISOR_multicall};
    uint64_t a[5], arg = os_arg(t->os);
    for (unsigned i = 0; i < 8; i++) {
        uint64_t v = t_random(t, 4) == 0
                         ? ~0ULL - t_random(t, 16)
                         : t_random(t, 1u << t_random(t, 31));
        os_store64(t->os, arg + 8 * i, v);
    }
    for (unsigned i = 0; i < 5; i++) {
        switch (t_random(t, 4)) {
        case 0:
            a[i] = arg;
            break;
        case 1:
            a[i] = t_random(t, 16);
            break;
        case 2:
            a[i] = ~0ULL - t_random(t, 4096);
            break;
        default:
            a[i] = wild(t);
        }
    }
    unsigned nr = nrs[t_random(t, sizeof(nrs) / sizeof(nrs[0]))];
    bool by_pointer = nr == __HYPERVISOR_domctl ||
                      nr == __HYPERVISOR_sysctl ||
                      nr == __HYPERVISOR_multicall;
    if (!by_pointer) {
        a[0] = t_random(t, 32);
        a[1] = t_random(t, 8) != 0 ? arg : a[1];
    }
    if (nr == __HYPERVISOR_multicall) { /* of one call, with small numbers */
        a[0] = arg;
        a[1] = 1;
        os_store64(t->os, arg, __HYPERVISOR_event_channel_op);
    }
    /* Its own memory is a guest's to give away; not the ground it stands on */
    if (nr == __HYPERVISOR_memory_op) {
        static const unsigned kind[] = {
            XENMEM_populate_physmap, XENMEM_current_reservation,
            XENMEM_maximum_reservation, XENMEM_maximum_gpfn,
            XENMEM_memory_map, XENMEM_exchange};
        a[0] = kind[t_random(t, 6)];
    }
    os_hypercall(t->os, nr, a[0], a[1], a[2], a[3], a[4]);
}

static void swallow(struct native *n, void *arg, uint8_t vector,
                    uint32_t code)
{
    (void)n;
    (void)arg;
    (void)vector;
    (void)code;
}

/* It may well end itself, or overwrite its own code and go round for ever:
 * its own affair, and no verdict. */
static void noise(struct t *t)
{
    native_set_handler(os_native(t->os), swallow, NULL);
    for (unsigned i = 0; i < 400; i++) {
        random_hypercall(t);
    }
}

static void let_noise(struct t *t)
{
    struct xen_domctl_getdomaininfo info;
    domid_t d = t_start_guest(t, noise, NULL);
    for (unsigned i = 0; i < 100; i++) {
        t_sleep(t, 1000000);
        T_REQUIRE_OK(t, builder_info(t->os, d, &info));
        if (info.flags & XEN_DOMINF_shutdown) {
            break;
        }
    }
    t_destroy_guest(t, d);
}

static void noise_subject(struct t *t)
{
    (void)t_recv(t, 0);
    let_noise(t);
    t_send(t, 1, 0);
}

static void noise_peer(struct t *t)
{
    uint64_t pages = os_pages_alloc(t->os, 8);
    for (unsigned i = 0; i < 8 * 512; i++) {
        os_store64(t->os, pages + 8 * i, 0x1234567800000000ULL + i);
    }
    t_send(t, 0, 0);
    (void)t_recv(t, 1);
    for (unsigned i = 0; i < 8 * 512; i++) {
        T_EQ(t, os_load64(t->os, pages + 8 * i), 0x1234567800000000ULL + i);
    }
}

/* The peer is paused while another makes noise: not one bit of its domain
 * hash may change. */
static void hash_subject(struct t *t)
{
    domid_t peer = t_domid(t, ROLE_PEER);
    (void)t_recv(t, 2);
    t_sleep(t, 1000000);
    T_REQUIRE_OK(t, builder_pause(t->os, peer));
    uint64_t before = machine_hash_domain(t_world(t)->m, peer);
    let_noise(t);
    T_CHECK(t, machine_hash_domain(t_world(t)->m, peer) == before);
    T_REQUIRE_OK(t, builder_unpause(t->os, peer));
    t_send(t, 3, 0);
}

static void hash_peer(struct t *t)
{
    t_page(t, 0x42);
    t_send(t, 2, 0);
    /* No timer, no event: whatever changes while it is paused is not its. */
    uint64_t word;
    while (!t_try_recv(t, 3, &word)) {
        native_pause(os_native(t->os));
    }
}

/* A frame that one guest gave back and another got holds nothing of the
 * first. */
static void leaves_secrets(struct t *t)
{
    for (unsigned i = 0; i < 40; i++) {
        t_page(t, 0xee);
    }
}

static void looks_for_secrets(struct t *t)
{
    unsigned found = 0;
    for (unsigned i = 0; i < 100; i++) {
        uint64_t page = os_space_alloc(t->os, 1), gfn, arg = os_arg(t->os);
        struct xen_memory_reservation r = {.nr_extents = 1,
                                           .domid = DOMID_SELF};
        uint64_t list = arg + 256;
        gfn = os_gfn(t->os, page);
        memcpy(&r.extent_start, &list, 8);
        os_write(t->os, arg, &r, sizeof(r));
        os_store64(t->os, list, gfn);
        if (os_hypercall(t->os, __HYPERVISOR_memory_op,
                         XENMEM_populate_physmap, arg, 0, 0, 0) != 1) {
            break;
        }
        for (unsigned off = 0; off < OS_PAGE_SIZE; off += 64) {
            found += os_load64(t->os, page + off) == 0xeeeeeeeeeeeeeeeeULL;
        }
    }
    T_EQ(t, found, 0);
}

static void secrets_are_wiped(struct t *t)
{
    domid_t a = t_start_guest(t, leaves_secrets, NULL);
    (void)t_wait_shutdown(t, a);
    t_destroy_guest(t, a);
    domid_t b = t_start_guest(t, looks_for_secrets, NULL);
    (void)t_wait_shutdown(t, b);
}

static void crash_subject(struct t *t)
{
    (void)t_recv(t, 0);
    os_store8(t->os, os_space_alloc(t->os, 1), 1);
}

static void crash_control(struct t *t)
{
    domid_t peer = t_domid(t, ROLE_PEER), me = t_domid(t, ROLE_SUBJECT);
    (void)t_recv(t, 2);
    t_sleep(t, 1000000);
    T_REQUIRE_OK(t, builder_pause(t->os, peer));
    uint64_t before = machine_hash_domain(t_world(t)->m, peer);
    t_send(t, 0, 0);
    (void)t_wait_shutdown(t, me);
    t_destroy_guest(t, me);
    T_CHECK(t, machine_hash_domain(t_world(t)->m, peer) == before);
    T_REQUIRE_OK(t, builder_unpause(t->os, peer));
    t_send(t, 3, 0);
}

/* Physical addresses far outside anything, every power of two. */
static void touches(struct t *t)
{
    uint64_t addr = 1ULL << (30 + t_random(t, 9));
    t_send(t, 5, 0);
    os_store64(t->os, addr, 0x666);
}

static void wild_addresses(struct t *t)
{
    uint64_t page = t_page(t, 0x5c);
    for (unsigned i = 0; i < 4; i++) {
        domid_t d = t_start_guest(t, touches, NULL);
        (void)t_recv(t, 5);
        T_EQ(t, t_wait_shutdown(t, d), SHUTDOWN_crash);
        t_destroy_guest(t, d);
    }
    for (unsigned off = 0; off < OS_PAGE_SIZE; off += 8) {
        T_EQ(t, os_load64(t->os, page + off), 0x5c5c5c5c5c5c5c5cULL);
    }
}

static void hostile_shared_info(struct t *t)
{
    (void)t_recv(t, 0);
    /* Its own shared_info is a guest's to scribble on, at nobody's cost. */
    uint64_t at = os_space_alloc(t->os, 1);
    struct xen_add_to_physmap x = {.domid = DOMID_SELF,
                                   .space = XENMAPSPACE_shared_info,
                                   .gpfn = os_gfn(t->os, at)};
    T_REQUIRE_OK(t, t_memory_op(t, XENMEM_add_to_physmap, &x, sizeof(x)));
    /* but for vcpu_info, on which the guest's own clock hangs */
    unsigned from = offsetof(struct shared_info, evtchn_pending);
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned off = from; off < OS_PAGE_SIZE; off += 8) {
            os_store64(t->os, at + off,
                       wild(t));
        }
        evtchn_port_t a, b;
        if (os_evtchn_alloc_unbound(t->os, DOMID_SELF, &a) == 0 &&
            os_evtchn_bind_interdomain(t->os, DOMID_SELF, a, &b) == 0) {
            os_evtchn_send(t->os, b);
            os_evtchn_close(t->os, b);
            os_evtchn_close(t->os, a);
        }
    }
    t_send(t, 1, 0);
}

static void hostile_grant_table(struct t *t)
{
    uint64_t table = os_grant_table(t->os, 0);
    for (unsigned round = 0; round < 10; round++) {
        for (unsigned off = 64; off < OS_PAGE_SIZE; off += 8) {
            os_store64(t->os, table + off,
                       wild(t) | 1); /* permits access, to somebody */
        }
        t_send(t, 0, round);
        (void)t_recv(t, 1);
    }
}

static void maps_anything(struct t *t)
{
    uint64_t at = os_space_alloc(t->os, 1);
    for (unsigned round = 0; round < 10; round++) {
        (void)t_recv(t, 0);
        for (unsigned i = 0; i < 40; i++) {
            bool ro = t_random(t, 2) != 0;
            grant_ref_t ref = t_random(t, 520);
            struct gnttab_map_grant_ref op = {
                .host_addr = at,
                .flags = GNTMAP_host_map | (ro ? GNTMAP_readonly : 0),
                .ref = ref,
                .dom = t_domid(t, ROLE_SUBJECT)};
            T_EQ(t, t_grant_op(t, GNTTABOP_map_grant_ref, &op, sizeof(op),
                               1), 0);
            if (op.status == GNTST_okay) {
                struct gnttab_unmap_grant_ref u = {.host_addr = at,
                                                   .handle = op.handle};
                (void)os_load8(t->os, at);
                T_EQ(t, t_grant_op(t, GNTTABOP_unmap_grant_ref, &u,
                                   sizeof(u), 1), 0);
                T_EQ(t, u.status, GNTST_okay);
            }
        }
        t_send(t, 1, 0);
    }
}

#define RULE "a domain can't read or change another's memory"
static const struct tcase cases[] = {
    {"isolation_random_hypercalls_change_no_other_domain",
     "whatever a guest calls, another's memory keeps its content", RULE,
     T_NOSTORE | T_HOSTILE | T_CONTROL, noise_subject, noise_peer, 0, 0},
    {"isolation_random_hypercalls_keep_the_domain_hash",
     "a paused domain's hash is the same before and after another's noise",
     RULE, T_NOSTORE | T_HOSTILE | T_CONTROL, hash_subject, hash_peer, 0, 0},
    {"isolation_random_hypercalls_on_two_cpus",
     "the same with both running at once", RULE,
     T_NOSTORE | T_HOSTILE | T_SMP | T_CONTROL, noise_subject, noise_peer, 0,
     0},
    {"isolation_freed_pages_are_wiped",
     "a frame given to a guest holds nothing of its last owner", RULE,
     T_NOSTORE | T_CONTROL | T_HOSTILE, secrets_are_wiped, 0, 0, 0},
    {"isolation_crash_and_teardown_keep_the_other_domain_hash",
     "a domain's crash and destruction change no bit of another", RULE,
     T_NOSTORE | T_HOSTILE | T_CRASHES, crash_subject, hash_peer, 0,
     crash_control},
    {"isolation_wild_addresses_reach_nothing",
     "addresses outside a guest's memory end the guest alone",
     "APM2 15.25: nested paging", T_NOSTORE | T_CONTROL | T_HOSTILE,
     wild_addresses, 0, 0, 0},
    {"isolation_scribbled_shared_info_hurts_its_owner_alone",
     "the hypervisor trusts nothing a guest can write",
     "xen.h: struct shared_info", T_NOSTORE | T_HOSTILE, hostile_shared_info,
     noise_peer, 0, 0},
    {"isolation_scribbled_grant_table_grants_only_own_frames",
     "whatever the entries say, only the granter's frames are mapped",
     "grant_table.h: grant_entry_v1", T_NOSTORE | T_HOSTILE,
     hostile_grant_table, maps_anything, 0, 0},
};
T_SUITE(isolation, cases);
