/*
 * memory_op for translated guests: reservations, the physical map, limits.
 * Guests here have 512 pages of RAM at guest frames 0..; frames from
 * os_space_alloc() have nothing behind them.
 */
#include "conformance/harness.h"

#include <string.h>

#include <xen/memory.h>

/* A reservation call with its extent list in the argument page. */
static int64_t reserve(struct t *t, unsigned cmd, domid_t d, uint64_t *gfns,
                       unsigned n, unsigned order)
{
    uint64_t arg = os_arg(t->os);
    struct xen_memory_reservation r = {
        .nr_extents = n, .extent_order = order, .domid = d};
    uint64_t list = arg + sizeof(r);
    memcpy(&r.extent_start, &list, sizeof(list));
    os_write(t->os, arg, &r, sizeof(r));
    os_write(t->os, list, gfns, n * sizeof(*gfns));
    int64_t rc = os_hypercall(t->os, __HYPERVISOR_memory_op, cmd, arg, 0, 0,
                              0);
    os_read(t->os, list, gfns, n * sizeof(*gfns));
    return rc;
}

static int64_t reservation_of(struct t *t, unsigned cmd, domid_t d)
{
    return t_memory_op(t, cmd, &d, sizeof(d));
}

static int64_t map_space(struct t *t, unsigned space, uint64_t idx,
                         uint64_t gfn)
{
    struct xen_add_to_physmap x = {
        .domid = DOMID_SELF, .space = space, .idx = idx, .gpfn = gfn};
    return t_memory_op(t, XENMEM_add_to_physmap, &x, sizeof(x));
}

static int64_t unmap(struct t *t, domid_t d, uint64_t gfn)
{
    return builder_remove_gfn(t->os, d, gfn);
}

static void current_reservation_counts(struct t *t)
{
    int64_t before = reservation_of(t, XENMEM_current_reservation,
                                    DOMID_SELF);
    uint64_t page = t_page(t, 0), gfn = os_gfn(t->os, page);
    T_CHECK(t, before > 0);
    T_EQ(t, reserve(t, XENMEM_decrease_reservation, DOMID_SELF, &gfn, 1, 0),
         1);
    T_EQ(t, reservation_of(t, XENMEM_current_reservation, DOMID_SELF),
         before - 1);
    T_EQ(t, reserve(t, XENMEM_populate_physmap, DOMID_SELF, &gfn, 1, 0), 1);
    T_EQ(t, reservation_of(t, XENMEM_current_reservation, DOMID_SELF),
         before);
}

static void populated_page_is_zero(struct t *t)
{
    uint64_t page = t_page(t, 0xa5), gfn = os_gfn(t->os, page);
    T_EQ(t, reserve(t, XENMEM_decrease_reservation, DOMID_SELF, &gfn, 1, 0),
         1);
    T_EQ(t, reserve(t, XENMEM_populate_physmap, DOMID_SELF, &gfn, 1, 0), 1);
    for (unsigned off = 0; off < OS_PAGE_SIZE; off += 8) {
        T_EQ(t, os_load64(t->os, page + off), 0);
    }
    os_store64(t->os, page + 8, 42);
    T_EQ(t, os_load64(t->os, page + 8), 42);
}

static void many_extents_are_continued(struct t *t)
{
    enum { N = 64 };
    uint64_t gfns[N], pages = os_pages_alloc(t->os, N);
    T_REQUIRE(t, pages != 0);
    for (unsigned i = 0; i < N; i++) {
        gfns[i] = os_gfn(t->os, pages + i * OS_PAGE_SIZE);
    }
    for (unsigned round = 0; round < 4; round++) {
        T_EQ(t, reserve(t, XENMEM_decrease_reservation, DOMID_SELF, gfns, N,
                        0), N);
        T_EQ(t, reserve(t, XENMEM_populate_physmap, DOMID_SELF, gfns, N, 0),
             N);
    }
    os_store64(t->os, pages + (N - 1) * OS_PAGE_SIZE, 7);
    T_EQ(t, os_load64(t->os, pages + (N - 1) * OS_PAGE_SIZE), 7);
}

static void decrease_stops_at_bad_extent(struct t *t)
{
    uint64_t pages = os_pages_alloc(t->os, 2);
    uint64_t hole = os_gfn(t->os, os_space_alloc(t->os, 1));
    uint64_t gfns[3] = {os_gfn(t->os, pages), hole,
                        os_gfn(t->os, pages + OS_PAGE_SIZE)};
    T_REQUIRE(t, pages != 0);
    T_EQ(t, reserve(t, XENMEM_decrease_reservation, DOMID_SELF, gfns, 3, 0),
         1);
    os_store64(t->os, pages + OS_PAGE_SIZE, 1); /* the third is untouched */
    T_EQ(t, os_load64(t->os, pages + OS_PAGE_SIZE), 1);
}

static void populate_above_maximum_stops(struct t *t)
{
    enum { N = 512 };
    int64_t max = reservation_of(t, XENMEM_maximum_reservation, DOMID_SELF);
    int64_t now = reservation_of(t, XENMEM_current_reservation, DOMID_SELF);
    T_CHECK(t, max >= now);
    uint64_t space = os_space_alloc(t->os, N), gfns[N];
    T_REQUIRE(t, space != 0 && max - now < N);
    for (unsigned i = 0; i < N; i++) {
        gfns[i] = os_gfn(t->os, space + i * OS_PAGE_SIZE);
    }
    T_EQ(t, reserve(t, XENMEM_populate_physmap, DOMID_SELF, gfns, N, 0),
         max - now);
    T_EQ(t, reservation_of(t, XENMEM_current_reservation, DOMID_SELF), max);
}

static void order_too_large_is_refused(struct t *t)
{
    uint64_t gfn = os_gfn(t->os, os_space_alloc(t->os, 1));
    int64_t before = reservation_of(t, XENMEM_current_reservation,
                                    DOMID_SELF);
    T_CHECK(t, reserve(t, XENMEM_populate_physmap, DOMID_SELF, &gfn, 1, 30) <=
                   0);
    T_CHECK(t, reserve(t, XENMEM_decrease_reservation, DOMID_SELF, &gfn, 1,
                       63) <= 0);
    T_EQ(t, reservation_of(t, XENMEM_current_reservation, DOMID_SELF),
         before);
}

static void extent_list_unreadable(struct t *t)
{
    struct xen_memory_reservation r = {.nr_extents = 4, .domid = DOMID_SELF};
    uint64_t bad = 0x7f0000000000ULL;
    memcpy(&r.extent_start, &bad, sizeof(bad));
    T_EQ(t, t_memory_op(t, XENMEM_populate_physmap, &r, sizeof(r)), 0);
    T_EQ(t, t_memory_op(t, XENMEM_decrease_reservation, &r, sizeof(r)), 0);
    T_EQ(t, os_hypercall(t->os, __HYPERVISOR_memory_op,
                         XENMEM_populate_physmap, bad, 0, 0, 0), 0);
}

static void huge_extent_count(struct t *t)
{
    struct xen_memory_reservation r = {.nr_extents = ~0ULL,
                                       .domid = DOMID_SELF};
    uint64_t list = os_arg(t->os) + 512;
    memcpy(&r.extent_start, &list, sizeof(list));
    int64_t rc = t_memory_op(t, XENMEM_populate_physmap, &r, sizeof(r));
    T_CHECK(t, rc <= 0);
}

static void other_domain_reservation(struct t *t)
{
    uint64_t gfn = os_gfn(t->os, t_page(t, 0));
    T_EQ(t, reservation_of(t, XENMEM_current_reservation, 0), -XEN_EPERM);
    T_EQ(t, reservation_of(t, XENMEM_current_reservation, 0x7ef0),
         -XEN_ESRCH);
    T_CHECK(t, reserve(t, XENMEM_decrease_reservation, 0, &gfn, 1, 0) <= 0);
    T_EQ(t, unmap(t, 0, gfn), -XEN_EPERM);
}

static void maximum_gpfn_is_the_highest(struct t *t)
{
    uint64_t gfn = os_gfn(t->os, os_space_alloc(t->os, 1));
    T_EQ(t, map_space(t, XENMAPSPACE_shared_info, 0, gfn), 0);
    T_CHECK(t, reservation_of(t, XENMEM_maximum_gpfn, DOMID_SELF) >=
                   (int64_t)gfn);
}

static void shared_info_moves(struct t *t)
{
    uint64_t space = os_space_alloc(t->os, 2);
    uint64_t a = os_gfn(t->os, space), b = a + 1;
    T_EQ(t, map_space(t, XENMAPSPACE_shared_info, 0, a), 0);
    uint32_t version = os_load32(
        t->os, space + offsetof(struct shared_info, wc_version));
    T_EQ(t, map_space(t, XENMAPSPACE_shared_info, 0, b), 0);
    T_EQ(t, os_load32(t->os, space + OS_PAGE_SIZE +
                      offsetof(struct shared_info, wc_version)), version);
    T_EQ(t, unmap(t, DOMID_SELF, b), 0);
}

static void shared_info_index(struct t *t)
{
    uint64_t gfn = os_gfn(t->os, os_space_alloc(t->os, 1));
    T_EQ(t, map_space(t, XENMAPSPACE_shared_info, 1, gfn), -XEN_EINVAL);
    T_EQ(t, map_space(t, XENMAPSPACE_shared_info, ~0ULL, gfn), -XEN_EINVAL);
}

static void grant_frames_map(struct t *t)
{
    uint64_t space = os_space_alloc(t->os, 1);
    T_EQ(t, map_space(t, XENMAPSPACE_grant_table, 0, os_gfn(t->os, space)),
         0);
    os_store32(t->os, space + 8 * 100, 0);
    T_EQ(t, os_load32(t->os, os_grant_table(t->os, 0) + 8 * 100), 0);
    T_EQ(t, map_space(t, XENMAPSPACE_grant_table, 0x3fffffff,
                      os_gfn(t->os, space)), -XEN_EINVAL);
}

static void unknown_space(struct t *t)
{
    uint64_t gfn = os_gfn(t->os, os_space_alloc(t->os, 1));
    T_CHECK(t, map_space(t, 77, 0, gfn) < 0);
    T_CHECK(t, map_space(t, ~0u, 0, gfn) < 0);
}

static void gmfn_moves_a_page(struct t *t)
{
    uint64_t page = t_page(t, 0x3c);
    uint64_t space = os_space_alloc(t->os, 1);
    T_EQ(t, map_space(t, XENMAPSPACE_gmfn, os_gfn(t->os, page),
                      os_gfn(t->os, space)), 0);
    T_EQ(t, os_load8(t->os, space + 17), 0x3c);
    /* The frame has one place: the old one is gone. */
    T_EQ(t, unmap(t, DOMID_SELF, os_gfn(t->os, page)), -XEN_ENOENT);
}

static void remove_hole_is_enoent(struct t *t)
{
    uint64_t gfn = os_gfn(t->os, os_space_alloc(t->os, 1));
    T_EQ(t, unmap(t, DOMID_SELF, gfn), -XEN_ENOENT);
    T_CHECK(t, unmap(t, DOMID_SELF, ~0ULL >> 12) < 0);
    T_CHECK(t, unmap(t, DOMID_SELF, ~0ULL) < 0);
}

static void foreign_map_is_refused(struct t *t)
{
    struct xen_add_to_physmap_batch x = {.domid = DOMID_SELF,
                                         .space = XENMAPSPACE_gmfn_foreign,
                                         .size = 1};
    uint64_t arg = os_arg(t->os), lists = arg + sizeof(x);
    uint64_t idx = 0, gfn = os_gfn(t->os, os_space_alloc(t->os, 1));
    uint64_t p_idx = lists, p_gfn = lists + 8, p_err = lists + 16;
    int32_t err = 0;
    x.u.foreign_domid = t_domid(t, ROLE_PEER);
    memcpy(&x.idxs, &p_idx, 8);
    memcpy(&x.gpfns, &p_gfn, 8);
    memcpy(&x.errs, &p_err, 8);
    os_write(t->os, arg, &x, sizeof(x));
    os_write(t->os, p_idx, &idx, 8);
    os_write(t->os, p_gfn, &gfn, 8);
    os_write(t->os, p_err, &err, 4);
    int64_t rc = os_hypercall(t->os, __HYPERVISOR_memory_op,
                              XENMEM_add_to_physmap_batch, arg, 0, 0, 0);
    os_read(t->os, p_err, &err, 4);
    T_CHECK(t, rc == -XEN_EPERM || err == -XEN_EPERM);
    T_EQ(t, unmap(t, DOMID_SELF, gfn), -XEN_ENOENT);
    t_send(t, 0, 1);
}

static void wait_for_word(struct t *t)
{
    (void)t_recv(t, 0);
}

static void memory_map_is_an_e820(struct t *t)
{
    struct {
        uint64_t addr, size;
        uint32_t type;
    } __attribute__((packed)) e[16];
    struct xen_memory_map m = {.nr_entries = 16};
    uint64_t arg = os_arg(t->os), buf = arg + 64, ram = 0;
    memcpy(&m.buffer, &buf, 8);
    os_write(t->os, arg, &m, sizeof(m));
    int64_t rc = os_hypercall(t->os, __HYPERVISOR_memory_op,
                              XENMEM_memory_map, arg, 0, 0, 0);
    T_EQ(t, rc, 0);
    os_read(t->os, arg, &m, sizeof(m));
    os_read(t->os, buf, e, sizeof(e));
    T_CHECK(t, m.nr_entries >= 1 && m.nr_entries <= 16);
    for (unsigned i = 0; i < m.nr_entries; i++) {
        ram += e[i].type == 1 ? e[i].size : 0;
    }
    T_CHECK(t, ram >= 64 * OS_PAGE_SIZE);
}

static void machine_map_is_privileged(struct t *t)
{
    struct xen_memory_map m = {.nr_entries = 0};
    T_EQ(t, t_memory_op(t, XENMEM_machine_memory_map, &m, sizeof(m)),
         -XEN_EPERM);
}

static void unknown_memory_op(struct t *t)
{
    uint64_t junk[8] = {0};
    T_EQ(t, t_memory_op(t, 60, junk, sizeof(junk)), -XEN_ENOSYS);
}

static void released_page_is_gone(struct t *t)
{
    uint64_t page = t_page(t, 1), gfn = os_gfn(t->os, page);
    T_EQ(t, os_load8(t->os, page), 1); /* the translation is cached */
    T_EQ(t, reserve(t, XENMEM_decrease_reservation, DOMID_SELF, &gfn, 1, 0),
         1);
    os_store8(t->os, page, 2);
    t_fail(t, __FILE__, __LINE__, "a released page could be written");
}

static const struct tcase cases[] = {
    {"memory_reservation_follows_decrease_and_populate",
     "current_reservation counts the pages a domain has",
     "memory.h: XENMEM_current_reservation", T_NOSTORE,
     current_reservation_counts, 0, 0, 0},
    {"memory_populated_page_is_zero",
     "a page given to a guest holds nobody's data",
     "memory.h: XENMEM_populate_physmap", T_NOSTORE, populated_page_is_zero,
     0, 0, 0},
    {"memory_many_extents_are_continued",
     "a long list is preempted and goes on; the result counts all",
     "memory.h: XENMEM_*: continuation", T_NOSTORE,
     many_extents_are_continued, 0, 0, 0},
    {"memory_decrease_stops_at_a_bad_extent",
     "the result is the number of extents done before the bad one",
     "memory.h: XENMEM_decrease_reservation", T_NOSTORE | T_HOSTILE,
     decrease_stops_at_bad_extent, 0, 0, 0},
    {"memory_populate_stops_at_the_maximum",
     "a domain gets no page above its maximum reservation",
     "memory.h: XENMEM_maximum_reservation", T_NOSTORE | T_HOSTILE,
     populate_above_maximum_stops, 0, 0, 0},
    {"memory_extent_order_too_large_is_refused",
     "an order above what the caller may use does nothing",
     "memory.h: extent_order", T_NOSTORE | T_HOSTILE,
     order_too_large_is_refused, 0, 0, 0},
    {"memory_unreadable_extent_list_does_nothing",
     "no extent is done when the list can't be read",
     "memory.h: extent_start", T_NOSTORE | T_HOSTILE, extent_list_unreadable,
     0, 0, 0},
    {"memory_huge_extent_count_is_refused",
     "a count beyond the continuation's range does nothing",
     "memory.h: nr_extents", T_NOSTORE | T_HOSTILE, huge_extent_count, 0, 0,
     0},
    {"memory_of_another_domain_is_refused",
     "reservations of others are the toolstack's", "memory.h: domid",
     T_NOSTORE | T_HOSTILE, other_domain_reservation, 0, 0, 0},
    {"memory_maximum_gpfn_is_the_highest_mapped",
     "maximum_gpfn is the highest guest frame in use",
     "memory.h: XENMEM_maximum_gpfn", T_NOSTORE, maximum_gpfn_is_the_highest,
     0, 0, 0},
    {"memory_shared_info_can_move",
     "shared_info appears where add_to_physmap puts it",
     "memory.h: XENMAPSPACE_shared_info", T_NOSTORE, shared_info_moves, 0, 0,
     0},
    {"memory_shared_info_index_is_checked", "there is one shared_info frame",
     "memory.h: XENMAPSPACE_shared_info", T_NOSTORE | T_HOSTILE,
     shared_info_index, 0, 0, 0},
    {"memory_grant_frames_map", "idx is the grant frame's number",
     "memory.h: XENMAPSPACE_grant_table", T_NOSTORE, grant_frames_map, 0, 0,
     0},
    {"memory_unknown_space_is_refused", "an unknown map space is an error",
     "memory.h: XENMAPSPACE_*", T_NOSTORE | T_HOSTILE, unknown_space, 0, 0,
     0},
    {"memory_gmfn_moves_a_page", "a frame moves to its new guest frame",
     "memory.h: XENMAPSPACE_gmfn", T_NOSTORE, gmfn_moves_a_page, 0, 0, 0},
    {"memory_remove_of_a_hole_is_enoent",
     "only what is mapped can be removed",
     "memory.h: XENMEM_remove_from_physmap", T_NOSTORE | T_HOSTILE,
     remove_hole_is_enoent, 0, 0, 0},
    {"memory_foreign_map_is_refused_to_the_unprivileged",
     "frames of another domain can be mapped by its controller alone",
     "memory.h: XENMAPSPACE_gmfn_foreign", T_NOSTORE | T_HOSTILE,
     foreign_map_is_refused, wait_for_word, 0, 0},
    {"memory_map_is_an_e820", "memory_map describes the guest's RAM",
     "memory.h: XENMEM_memory_map", T_NOSTORE, memory_map_is_an_e820, 0, 0,
     0},
    {"memory_machine_map_is_privileged",
     "the machine's map is the control domain's",
     "memory.h: XENMEM_machine_memory_map", T_NOSTORE | T_HOSTILE,
     machine_map_is_privileged, 0, 0, 0},
    {"memory_unknown_op_is_enosys", "an unknown memory_op is ENOSYS",
     "memory.h", T_NOSTORE | T_HOSTILE, unknown_memory_op, 0, 0, 0},
    {"memory_released_page_faults",
     "no stale translation reaches a page that was given back",
     "memory.h: XENMEM_decrease_reservation; APM2 15.16",
     T_NOSTORE | T_HOSTILE | T_CRASHES, released_page_is_gone, 0, 0, 0},
};
T_SUITE(memory, cases);
