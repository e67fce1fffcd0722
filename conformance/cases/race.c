/*
 * Races: two vCPUs, or two domains, on two physical CPUs, interleaved at
 * every crossing by the seed. Method: both sides work on the same grants,
 * ports and pages without any agreement; afterwards what each was told must
 * fit one order of events, and the oracle must be content. A case proves its
 * clause for the seeds it ran with, no more: run many.
 */
#include "conformance/harness.h"

#include <string.h>

#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/memory.h>

#include "pv/os/native.h"
#include "sim/cpu/native.h"

#define ROUNDS 6

static int16_t map_at(struct t *t, domid_t from, grant_ref_t ref,
                      uint64_t at, grant_handle_t *h)
{
    struct gnttab_map_grant_ref op = {
        .host_addr = at, .flags = GNTMAP_host_map, .ref = ref, .dom = from};
    T_EQ(t, t_grant_op(t, GNTTABOP_map_grant_ref, &op, sizeof(op), 1), 0);
    *h = op.handle;
    return op.status;
}

static int16_t unmap_at(struct t *t, uint64_t at, grant_handle_t h)
{
    struct gnttab_unmap_grant_ref op = {.host_addr = at, .handle = h};
    T_EQ(t, t_grant_op(t, GNTTABOP_unmap_grant_ref, &op, sizeof(op), 1), 0);
    return op.status;
}

static int64_t reserve1(struct t *t, unsigned cmd, uint64_t gfn)
{
    uint64_t arg = os_arg(t->os), list = arg + 256;
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};
    memcpy(&r.extent_start, &list, 8);
    os_write(t->os, arg, &r, sizeof(r));
    os_store64(t->os, list, gfn);
    return os_hypercall(t->os, __HYPERVISOR_memory_op, cmd, arg, 0, 0, 0);
}

/* A rendezvous of two parties over two channels. */
static void meet(struct t *t, unsigned mine, unsigned other)
{
    t_send(t, mine, 1);
    (void)t_recv(t, other);
}

/* -- Two vCPUs unmap one handle ------------------------------------------- */

static void unmap_subject(struct t *t)
{
    uint64_t at = os_space_alloc(t->os, 1);
    for (unsigned i = 0; i < ROUNDS; i++) {
        grant_handle_t h;
        uint64_t page = t_page(t, i);
        grant_ref_t ref;
        T_REQUIRE_OK(t, os_grant_access(t->os, os_domid(t->os),
                                        os_gfn(t->os, page), false, &ref));
        T_EQ(t, map_at(t, os_domid(t->os), ref, at, &h), GNTST_okay);
        t_send(t, 2, at);
        t_send(t, 2, h);
        meet(t, 0, 1);
        int16_t mine = unmap_at(t, at, h);
        int16_t other = (int16_t)t_recv(t, 3);
        T_CHECK(t, (mine == GNTST_okay) + (other == GNTST_okay) == 1);
        T_EQ(t, os_grant_end(t->os, ref), 0);
        os_pages_free(t->os, page, 1);
    }
}

static void unmap_vcpu1(struct t *t)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t at = t_recv(t, 2);
        grant_handle_t h = t_recv(t, 2);
        meet(t, 1, 0);
        t_send(t, 3, (uint16_t)unmap_at(t, at, h));
    }
}

/* -- The granter revokes while the grantee maps --------------------------- */

static void revoke_subject(struct t *t)
{
    domid_t peer = t_domid(t, ROLE_PEER);
    uint64_t page = t_page(t, 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        grant_ref_t ref;
        T_REQUIRE_OK(t, os_grant_access(t->os, peer, os_gfn(t->os, page),
                                        false, &ref));
        t_send(t, 2, ref);
        meet(t, 0, 1);
        for (unsigned n = t_random(t, 30); n > 0; n--) {
            native_pause(os_native(t->os));
        }
        int rc;
        while ((rc = os_grant_end(t->os, ref)) != 0) {
            T_EQ(t, rc, -XEN_EBUSY);
        }
        /* Ours alone from here on: nothing of the peer's may arrive. */
        os_store64(t->os, page, 0xabcdef);
        for (unsigned n = 0; n < 20; n++) {
            T_EQ(t, os_load64(t->os, page), 0xabcdef);
        }
        (void)t_recv(t, 3);
    }
}

static void revoke_peer(struct t *t)
{
    uint64_t at = os_space_alloc(t->os, 1);
    domid_t from = t_domid(t, ROLE_SUBJECT);
    for (unsigned i = 0; i < ROUNDS; i++) {
        grant_ref_t ref = t_recv(t, 2);
        grant_handle_t h;
        meet(t, 1, 0);
        if (map_at(t, from, ref, at, &h) == GNTST_okay) {
            for (unsigned n = 0; n < 5; n++) {
                os_store64(t->os, at, 0x1111 * n);
            }
            T_EQ(t, unmap_at(t, at, h), GNTST_okay);
        }
        t_send(t, 3, 1);
    }
}

/* -- The granter gives the page back while the grantee maps it ------------ */

static void release_subject(struct t *t)
{
    domid_t peer = t_domid(t, ROLE_PEER);
    for (unsigned i = 0; i < ROUNDS; i++) {
        grant_ref_t ref;
        uint64_t page = t_page(t, 0x99), gfn = os_gfn(t->os, page);
        T_REQUIRE_OK(t, os_grant_access(t->os, peer, gfn, false, &ref));
        t_send(t, 2, ref);
        meet(t, 0, 1);
        T_EQ(t, reserve1(t, XENMEM_decrease_reservation, gfn), 1);
        T_EQ(t, reserve1(t, XENMEM_populate_physmap, gfn), 1);
        for (unsigned off = 0; off < OS_PAGE_SIZE; off += 512) {
            T_EQ(t, os_load64(t->os, page + off), 0); /* another frame */
        }
        (void)t_recv(t, 3);
        T_EQ(t, os_grant_end(t->os, ref), 0);
        os_pages_free(t->os, page, 1);
    }
}

static void release_peer(struct t *t)
{
    uint64_t at = os_space_alloc(t->os, 1);
    domid_t from = t_domid(t, ROLE_SUBJECT);
    for (unsigned i = 0; i < ROUNDS; i++) {
        grant_ref_t ref = t_recv(t, 2);
        grant_handle_t h;
        meet(t, 1, 0);
        if (map_at(t, from, ref, at, &h) == GNTST_okay) {
            uint8_t seen = os_load8(t->os, at + 8);
            T_CHECK(t, seen == 0x99 || seen == 0); /* old frame or new */
            T_EQ(t, unmap_at(t, at, h), GNTST_okay);
        }
        t_send(t, 3, 1);
    }
}

/* -- Two vCPUs on one guest frame ----------------------------------------- */

static void same_gfn(struct t *t, uint64_t gfn, unsigned mine,
                     unsigned other)
{
    int64_t gained = 0;
    meet(t, mine, other);
    for (unsigned i = 0; i < ROUNDS; i++) {
        gained -= reserve1(t, XENMEM_decrease_reservation, gfn) == 1;
        gained += reserve1(t, XENMEM_populate_physmap, gfn) == 1;
    }
    t_send(t, 4, (uint64_t)gained);
}

static void frame_subject(struct t *t)
{
    domid_t self = DOMID_SELF;
    uint64_t page = t_page(t, 1), gfn = os_gfn(t->os, page);
    int64_t before = t_memory_op(t, XENMEM_current_reservation, &self,
                                 sizeof(self));
    t_send(t, 2, gfn);
    same_gfn(t, gfn, 0, 1);
    int64_t gained = (int64_t)t_recv(t, 4) + (int64_t)t_recv(t, 4);
    T_EQ(t, t_memory_op(t, XENMEM_current_reservation, &self, sizeof(self)),
         before + gained);
}

static void frame_vcpu1(struct t *t)
{
    uint64_t gfn = t_recv(t, 2);
    same_gfn(t, gfn, 1, 0);
}

/* -- A page is given back under a vCPU that writes to it ------------------- */

static void written_subject(struct t *t)
{
    uint64_t page = t_page(t, 1), gfn = os_gfn(t->os, page);
    t_send(t, 2, page);
    (void)t_recv(t, 3);
    (void)reserve1(t, XENMEM_decrease_reservation, gfn);
    t_sleep(t, 10000000);
    T_CHECK(t, !"a vCPU writes on to a page that was given back");
}

static void written_vcpu1(struct t *t)
{
    uint64_t page = t_recv(t, 2);
    os_store8(t->os, page, 2); /* the translation is in the TLB */
    t_send(t, 3, 1);
    for (;;) { /* until the page is gone, which is the domain's end */
        os_store8(t->os, page, 3);
    }
}

/* -- Ports ---------------------------------------------------------------- */

static void alloc_ports(struct t *t, unsigned mine, unsigned other)
{
    meet(t, mine, other);
    for (unsigned i = 0; i < 20; i++) {
        evtchn_port_t p = 0;
        T_EQ(t, os_evtchn_alloc_unbound(t->os, DOMID_SELF, &p), 0);
        t_send(t, 2 + mine, p);
    }
}

static void ports_subject(struct t *t)
{
    uint8_t seen[4096] = {0};
    alloc_ports(t, 0, 1);
    for (unsigned i = 0; i < 40; i++) {
        uint64_t p = t_recv(t, i < 20 ? 2 : 3);
        T_CHECK(t, p < sizeof(seen) && !seen[p]); /* given to one of us */
        seen[p] = 1;
    }
    for (unsigned p = 0; p < sizeof(seen); p++) {
        T_EQ(t, seen[p] ? os_evtchn_close(t->os, p) : 0, 0);
    }
}

static void ports_vcpu1(struct t *t)
{
    alloc_ports(t, 1, 0);
}

static void close_both(struct t *t, unsigned mine, unsigned other,
                       evtchn_port_t port)
{
    meet(t, mine, other);
    (void)os_evtchn_send(t->os, port);
    t_send(t, 2 + mine, (uint64_t)(int64_t)os_evtchn_close(t->os, port));
}

static void close_subject(struct t *t)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        evtchn_port_t a, b;
        T_REQUIRE_OK(t, os_evtchn_alloc_unbound(t->os, DOMID_SELF, &a));
        T_REQUIRE_OK(t, os_evtchn_bind_interdomain(t->os, DOMID_SELF, a,
                                                   &b));
        t_send(t, 4, b);
        close_both(t, 0, 1, b);
        int64_t x = (int64_t)t_recv(t, 2), y = (int64_t)t_recv(t, 3);
        T_CHECK(t, (x == 0) + (y == 0) == 1);
        T_CHECK(t, x == -XEN_EINVAL || y == -XEN_EINVAL);
        T_EQ(t, os_evtchn_close(t->os, a), 0);
    }
}

static void close_vcpu1(struct t *t)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        close_both(t, 1, 0, t_recv(t, 4));
    }
}

/* -- An event is not lost, whoever wins ----------------------------------- */

static void ignore(struct os *os, void *ctx, evtchn_port_t port)
{
    (void)os;
    (void)ctx;
    (void)port;
}

static void wakeup_subject(struct t *t)
{
    evtchn_port_t a;
    T_REQUIRE_OK(t, os_evtchn_alloc_unbound(t->os, t_domid(t, ROLE_PEER),
                                            &a));
    T_REQUIRE_OK(t, os_event_handler(t->os, a, ignore, NULL));
    t_send(t, 0, a);
    for (unsigned i = 0; i < 4 * ROUNDS; i++) {
        uint64_t start = os_now_ns(t->os);
        while (os_wait(t->os, 3000000000ULL) == 0) {
            T_CHECK(t, os_now_ns(t->os) - start < 1000000000ULL);
        }
        T_CHECK(t, os_now_ns(t->os) - start < 1000000000ULL);
        t_send(t, 1, i);
    }
}

static void wakeup_peer(struct t *t)
{
    /* Both may wait: in this order, whatever the compiler's for arguments. */
    domid_t to = t_domid(t, ROLE_SUBJECT);
    evtchn_port_t a = (evtchn_port_t)t_recv(t, 0), b;
    T_REQUIRE_OK(t, os_evtchn_bind_interdomain(t->os, to, a, &b));
    for (unsigned i = 0; i < 4 * ROUNDS; i++) {
        for (unsigned n = t_random(t, 40); n > 0; n--) {
            native_pause(os_native(t->os));
        }
        T_EQ(t, os_evtchn_send(t->os, b), 0);
        (void)t_recv(t, 1);
    }
}

/* -- Destruction in the middle of all that -------------------------------- */

static void victim(struct t *t)
{
    uint64_t at = os_space_alloc(t->os, 1), page = t_page(t, 1);
    for (;;) {
        grant_ref_t ref;
        grant_handle_t h;
        evtchn_port_t p;
        if (os_grant_access(t->os, os_domid(t->os), os_gfn(t->os, page),
                            false, &ref) == 0) {
            if (map_at(t, os_domid(t->os), ref, at, &h) == GNTST_okay) {
                os_store8(t->os, at, 1);
                unmap_at(t, at, h);
            }
            os_grant_end(t->os, ref);
        }
        if (os_evtchn_alloc_unbound(t->os, 0, &p) == 0) {
            os_evtchn_close(t->os, p);
        }
    }
}

static void destroy_control(struct t *t)
{
    uint64_t before = t_free_pages(t);
    for (unsigned i = 0; i < 3; i++) {
        domid_t a = t_start_guest(t, victim, NULL);
        domid_t b = t_start_guest(t, victim, NULL);
        t_sleep(t, 50000 + t_random(t, 200000));
        t_destroy_guest(t, a);
        t_destroy_guest(t, b);
    }
    T_EQ(t, t_free_pages(t), before);
}

#define FLAGS (T_NOSTORE | T_SMP | T_HOSTILE)
static const struct tcase cases[] = {
    {"race_unmap_of_one_handle_succeeds_once",
     "a handle is given back once, whoever is first",
     "grant_table.h: GNTTABOP_unmap_grant_ref", FLAGS, unmap_subject, 0,
     unmap_vcpu1, 0},
    {"race_revoked_grant_is_the_granters_alone",
     "once the entry is ended no write of the grantee arrives",
     "grant_table.h: GTF_reading, GTF_writing", FLAGS, revoke_subject,
     revoke_peer, 0, 0},
    {"race_released_page_is_not_its_successor",
     "a page mapped while it is given back stays what it was",
     "grant_table.h; memory.h: XENMEM_decrease_reservation", FLAGS,
     release_subject, release_peer, 0, 0},
    {"race_two_vcpus_on_one_guest_frame_count_right",
     "reservations add up, whatever the order",
     "memory.h: XENMEM_populate_physmap", FLAGS, frame_subject, 0,
     frame_vcpu1, 0},
    {"race_released_page_is_written_no_more",
     "no vCPU on another CPU reaches a page that was given back",
     "memory.h: XENMEM_decrease_reservation; APM2 15.16", FLAGS | T_CRASHES,
     written_subject, 0, written_vcpu1, 0},
    {"race_ports_are_given_to_one_vcpu", "no port is allocated twice",
     "event_channel.h: EVTCHNOP_alloc_unbound", FLAGS, ports_subject, 0,
     ports_vcpu1, 0},
    {"race_port_is_closed_once", "a port is closed by one of two",
     "event_channel.h: EVTCHNOP_close", FLAGS, close_subject, 0, close_vcpu1,
     0},
    {"race_event_is_not_lost",
     "an event sent before, while or after one goes to sleep wakes",
     "event_channel.h: EVTCHNOP_send; sched.h: SCHEDOP_poll", FLAGS,
     wakeup_subject, wakeup_peer, 0, 0},
    {"race_destroy_gives_everything_back",
     "a domain destroyed in the middle of grants and ports leaves nothing",
     "domctl.h: XEN_DOMCTL_destroydomain", FLAGS | T_CONTROL,
     destroy_control, 0, 0, 0},
};
T_SUITE(race, cases);
