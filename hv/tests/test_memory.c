/*
 * memory_op, called as a guest's vCPU would. Clauses: memory.h; order of
 * checks and error codes as Xen 4.17.
 */
#include "hv/gmem.h"
#include "hv/gnttab.h"
#include "hv/hypercall.h"
#include "hv/memory.h"
#include "hv/p2m.h"
#include "hv/page.h"
#include "hv/tests/fake_hv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define ARG 0x8000ULL
#define LIST 0x9000ULL

static int setup(void **state)
{
    *state = fake_hv_new();
    return 0;
}

static int teardown(void **state)
{
    fake_hv_free(*state);
    return 0;
}

static long op(struct fake_hv *f, unsigned n, uint64_t cmd, void *arg,
               size_t size)
{
    long rc;

    fake_poke(f, n, ARG, arg, size);
    f->hv->cpus[0].current = f->v[n];
    rc = memory_op(f->v[n], cmd, GVA(ARG));
    fake_peek(f, n, ARG, arg, size);
    return rc;
}

static long reserve(struct fake_hv *f, unsigned n, uint64_t cmd,
                    const xen_pfn_t *list, unsigned nr, unsigned order)
{
    struct xen_memory_reservation r = { .nr_extents = nr,
                                        .extent_order = order,
                                        .domid = DOMID_SELF };

    set_xen_guest_handle(r.extent_start, (xen_pfn_t *)LIST);
    fake_poke(f, n, LIST, list, nr * sizeof(*list));
    return op(f, n, cmd, &r, sizeof(r));
}

static long add(struct fake_hv *f, unsigned n, domid_t domid, unsigned space,
                uint64_t idx, uint64_t gfn)
{
    struct xen_add_to_physmap x = {
        .domid = domid, .space = space, .idx = idx, .gpfn = gfn
    };

    return op(f, n, XENMEM_add_to_physmap, &x, sizeof(x));
}

static long take(struct fake_hv *f, unsigned n, domid_t domid, uint64_t gfn)
{
    struct xen_remove_from_physmap x = { .domid = domid, .gpfn = gfn };

    return op(f, n, XENMEM_remove_from_physmap, &x, sizeof(x));
}

static mfn_t at(struct fake_hv *f, unsigned n, uint64_t gfn)
{
    return p2m_lookup(f->d[n], GFN(gfn), NULL);
}

/* -- Reservations --------------------------------------------------------- */

static void balloon_down_and_up_gets_zeroed_pages(void **state)
{
    struct fake_hv *f = *state;
    xen_pfn_t list[3] = { 40, 41, 42 };
    uint64_t tot = f->d[1]->tot_pages, x = 0x1234;

    fake_poke(f, 1, 41 * PAGE_SIZE, &x, 8);
    assert_int_equal(
        reserve(f, 1, XENMEM_decrease_reservation, list, 3, 0), 3);
    assert_int_equal(f->d[1]->tot_pages, tot - 3);
    assert_false(mfn_valid(at(f, 1, 41)));
    assert_int_equal(reserve(f, 1, XENMEM_populate_physmap, list, 3, 0), 3);
    assert_int_equal(f->d[1]->tot_pages, tot);
    for (unsigned i = 0; i < 3; i++) {
        fake_peek(f, 1, list[i] * PAGE_SIZE, &x, 8);
        assert_int_equal(x, 0);
    }
}

static void decrease_stops_at_the_first_bad_extent(void **state)
{
    struct fake_hv *f = *state;
    xen_pfn_t list[4] = { 40, 41, 5000, 42 };

    assert_int_equal(
        reserve(f, 1, XENMEM_decrease_reservation, list, 4, 0), 2);
    assert_true(mfn_valid(at(f, 1, 42)));
    list[0] = ~0ULL;
    assert_int_equal(
        reserve(f, 1, XENMEM_decrease_reservation, list, 1, 0), 0);
}

static void reservations_are_limited_and_whole(void **state)
{
    struct fake_hv *f = *state;
    uint64_t tot = f->d[1]->tot_pages;
    xen_pfn_t list[2] = { 0x400, 0x600 };

    /* 2 MiB is more than max_pages leaves */
    assert_int_equal(reserve(f, 1, XENMEM_populate_physmap, list, 2, 9), 0);
    assert_int_equal(reserve(f, 1, XENMEM_populate_physmap, list, 1, 10), 0);
    assert_int_equal(reserve(f, 1, XENMEM_populate_physmap, list, 2, 5), 2);
    assert_int_equal(f->d[1]->tot_pages, tot + 64);
    assert_true(mfn_valid(at(f, 1, 0x61f)));
    assert_int_equal(reserve(f, 1, XENMEM_increase_reservation, list, 1, 0),
                     0);
    list[0] = HV_MAX_PHYSMAP_GFN - 1;
    f->d[1]->max_pages += 8;
    assert_int_equal(reserve(f, 1, XENMEM_populate_physmap, list, 1, 1), 0);
    assert_int_equal(f->d[1]->tot_pages, tot + 64);
    assert_int_equal(reserve(f, 1, XENMEM_increase_reservation, list, 2, 0),
                     2);
}

static void reservation_bad_arguments_return_the_start(void **state)
{
    struct fake_hv *f = *state;
    struct xen_memory_reservation r = { .nr_extents = 1, .domid = 2 };

    set_xen_guest_handle(r.extent_start, (xen_pfn_t *)LIST);
    assert_int_equal(
        op(f, 1, XENMEM_decrease_reservation, &r, sizeof(r)), 0);
    assert_int_equal(memory_op(f->v[1],
                               XENMEM_populate_physmap | 5 << 6,
                               GVA(0x5000000)),
                     5);
    r.domid = 99;
    assert_int_equal(op(f, 0, XENMEM_populate_physmap | 3 << 6, &r,
                        sizeof(r)),
                     3);
    r.domid = DOMID_SELF;
    r.nr_extents = 1UL << 40;
    assert_int_equal(op(f, 1, XENMEM_populate_physmap, &r, sizeof(r)), 0);
    r.nr_extents = 1;
    r.mem_flags = XENMEMF_address_bits(12);
    assert_int_equal(op(f, 1, XENMEM_increase_reservation, &r, sizeof(r)),
                     -XEN_EINVAL);
    r.mem_flags = XENMEMF_exact_node(1);
    assert_int_equal(op(f, 1, XENMEM_increase_reservation, &r, sizeof(r)),
                     -XEN_EINVAL);
    r.mem_flags = XENMEMF_address_bits(13); /* no such low frame is free */
    assert_int_equal(op(f, 1, XENMEM_increase_reservation, &r, sizeof(r)),
                     0);
}

static void reservation_is_continued_in_the_command(void **state)
{
    struct fake_hv *f = *state;
    xen_pfn_t list[3] = { 100, 101, 102 };
    struct vcpu *v = f->v[1];

    f->p->interrupt_pending = true;
    assert_int_equal(reserve(f, 1, XENMEM_populate_physmap, list, 3, 0),
                     HYPERCALL_RESTART);
    assert_int_equal(v->restart_args[0], XENMEM_populate_physmap | 1 << 6);
    assert_int_equal(v->restart_args[1], ARG);
    f->p->interrupt_pending = false;
    assert_int_equal(memory_op(v, v->restart_args[0], GVA(ARG)), 3);
    assert_true(mfn_valid(at(f, 1, 102)));
}

static void control_domain_populates_a_guest(void **state)
{
    struct fake_hv *f = *state;
    struct xen_memory_reservation r = { .nr_extents = 1, .domid = 1 };
    xen_pfn_t gfn = 200;

    set_xen_guest_handle(r.extent_start, (xen_pfn_t *)LIST);
    fake_poke(f, 0, LIST, &gfn, sizeof(gfn));
    assert_int_equal(op(f, 0, XENMEM_populate_physmap, &r, sizeof(r)), 1);
    assert_true(mfn_valid(at(f, 1, 200)));
    assert_int_equal(page_of(f->hv, at(f, 1, 200))->owner, f->d[1]->slot);
}

/* -- Physmap -------------------------------------------------------------- */

static void shared_info_and_grant_frames_move(void **state)
{
    struct fake_hv *f = *state;
    struct domain *d = f->d[1];
    enum p2m_type type;

    assert_int_equal(
        add(f, 1, DOMID_SELF, XENMAPSPACE_shared_info, 0, 300), 0);
    assert_int_equal(p2m_lookup(d, GFN(300), &type).v, d->shared_info.v);
    assert_int_equal(type, P2M_RAM_RW);
    assert_int_equal(
        add(f, 1, DOMID_SELF, XENMAPSPACE_shared_info, 0, 301), 0);
    assert_false(mfn_valid(at(f, 1, 300)));
    assert_int_equal(
        add(f, 1, DOMID_SELF, XENMAPSPACE_shared_info, 1, 301), -XEN_EINVAL);
    assert_int_equal(
        add(f, 1, DOMID_SELF, XENMAPSPACE_grant_table, 3, 301), 0);
    assert_int_equal(d->gnttab.nr_frames, 4);
    assert_int_equal(at(f, 1, 301).v, d->gnttab.shared[3].v);
    assert_int_equal(
        add(f, 1, DOMID_SELF, XENMAPSPACE_grant_table, 4, 302), -XEN_EINVAL);
    assert_int_equal(add(f, 1, DOMID_SELF, XENMAPSPACE_grant_table,
                         XENMAPIDX_grant_table_status, 302),
                     -XEN_EINVAL);
    assert_int_equal(page_of(f->hv, d->shared_info)->refs, 1);
    assert_true(fake_kill(f, 1));
}

static void shared_info_over_ram_frees_the_ram(void **state)
{
    struct fake_hv *f = *state;
    uint64_t tot = f->d[1]->tot_pages;

    assert_int_equal(
        add(f, 1, DOMID_SELF, XENMAPSPACE_shared_info, 0, 50), 0);
    assert_int_equal(f->d[1]->tot_pages, tot - 1);
    /* and ballooning it out only unhooks it */
    assert_int_equal(reserve(f, 1, XENMEM_decrease_reservation,
                             (xen_pfn_t[]){ 50 }, 1, 0),
                     1);
    assert_int_equal(page_of(f->hv, f->d[1]->shared_info)->refs, 1);
    assert_int_equal(f->d[1]->tot_pages, tot - 1);
}

static void gmfn_moves_and_same_place_is_a_no_op(void **state)
{
    struct fake_hv *f = *state;
    mfn_t m = at(f, 1, 10);

    assert_int_equal(add(f, 1, DOMID_SELF, XENMAPSPACE_gmfn, 10, 400), 0);
    assert_int_equal(at(f, 1, 400).v, m.v);
    assert_false(mfn_valid(at(f, 1, 10)));
    assert_int_equal(add(f, 1, DOMID_SELF, XENMAPSPACE_gmfn, 10, 401),
                     -XEN_EINVAL);
    assert_int_equal(add(f, 1, DOMID_SELF, XENMAPSPACE_gmfn, 400, 400), 0);
    assert_int_equal(page_of(f->hv, m)->refs, 2);
    assert_int_equal(page_of(f->hv, m)->type_refs, 1);
    assert_int_equal(add(f, 1, DOMID_SELF, XENMAPSPACE_gmfn, 400, ~0UL),
                     -XEN_EINVAL);
    assert_int_equal(at(f, 1, 400).v, m.v);
}

static void physmap_operations_are_refused_as_in_xen(void **state)
{
    struct fake_hv *f = *state;
    struct xen_add_to_physmap x = { .domid = DOMID_SELF };

    assert_int_equal(add(f, 1, 2, XENMAPSPACE_gmfn, 10, 400), -XEN_EPERM);
    assert_int_equal(add(f, 1, 99, XENMAPSPACE_gmfn, 10, 400), -XEN_ESRCH);
    assert_int_equal(
        add(f, 1, DOMID_SELF, XENMAPSPACE_gmfn_foreign, 10, 400),
        -XEN_ENOSYS);
    assert_int_equal(add(f, 1, DOMID_SELF, XENMAPSPACE_dev_mmio, 10, 400),
                     -XEN_EINVAL);
    assert_int_equal(
        op(f, 1, XENMEM_add_to_physmap | 0x10000UL << 6, &x, sizeof(x)),
        -XEN_EDOM);
    x.space = XENMAPSPACE_gmfn_range;
    assert_int_equal(
        op(f, 1, XENMEM_add_to_physmap | 1UL << 6, &x, sizeof(x)),
        -XEN_EILSEQ);
    assert_int_equal(take(f, 1, DOMID_SELF, 5000), -XEN_ENOENT);
    assert_int_equal(take(f, 1, 2, 5), -XEN_EPERM);
    assert_int_equal(take(f, 1, DOMID_SELF, 5), 0);
    assert_false(mfn_valid(at(f, 1, 5)));
}

static void gmfn_range_moves_all_and_continues(void **state)
{
    struct fake_hv *f = *state;
    struct xen_add_to_physmap x = { .domid = DOMID_SELF,
                                    .space = XENMAPSPACE_gmfn_range,
                                    .size = 4,
                                    .idx = 10,
                                    .gpfn = 400 };
    struct vcpu *v = f->v[1];

    f->p->interrupt_pending = true;
    assert_int_equal(op(f, 1, XENMEM_add_to_physmap, &x, sizeof(x)),
                     HYPERCALL_RESTART);
    assert_int_equal(v->restart_args[0], XENMEM_add_to_physmap | 1 << 6);
    f->p->interrupt_pending = false;
    assert_int_equal(memory_op(v, v->restart_args[0], GVA(ARG)), 0);
    assert_true(mfn_valid(at(f, 1, 403)));
    assert_false(mfn_valid(at(f, 1, 13)));
}

struct batch {
    struct xen_add_to_physmap_batch b;
    xen_ulong_t idx[2];
    xen_pfn_t gfn[2];
    int err[2];
};

static long foreign(struct fake_hv *f, unsigned n, domid_t from,
                    struct batch *b)
{
    b->b.domid = DOMID_SELF;
    b->b.space = XENMAPSPACE_gmfn_foreign;
    b->b.size = 2;
    b->b.u.foreign_domid = from;
    set_xen_guest_handle(b->b.idxs,
                         (void *)(ARG + offsetof(struct batch, idx)));
    set_xen_guest_handle(b->b.gpfns,
                         (void *)(ARG + offsetof(struct batch, gfn)));
    set_xen_guest_handle(b->b.errs,
                         (void *)(ARG + offsetof(struct batch, err)));
    return op(f, n, XENMEM_add_to_physmap_batch, b, sizeof(*b));
}

static void foreign_frames_are_the_control_domains_to_map(void **state)
{
    struct fake_hv *f = *state;
    struct batch b = { .idx = { 10, 5000 }, .gfn = { 500, 501 } };
    uint64_t x = 0xabcdef, y = 0;
    mfn_t m = at(f, 1, 10);

    assert_int_equal(foreign(f, 2, 1, &b), 0);
    assert_int_equal(b.err[0], -XEN_EPERM);
    assert_int_equal(foreign(f, 0, 99, &b), 0);
    assert_int_equal(b.err[0], -XEN_ESRCH);
    assert_int_equal(foreign(f, 0, 0, &b), 0);
    assert_int_equal(b.err[0], -XEN_EPERM);
    assert_int_equal(foreign(f, 0, 1, &b), 0);
    assert_int_equal(b.err[0], 0);
    assert_int_equal(b.err[1], -XEN_EINVAL);
    fake_poke(f, 0, 500 * PAGE_SIZE, &x, 8);
    fake_peek(f, 1, 10 * PAGE_SIZE, &y, 8);
    assert_int_equal(x, y);
    assert_int_equal(page_of(f->hv, m)->gfn, 10);
    assert_int_equal(foreign(f, 0, 1, &b), 0); /* the slot is in use */
    assert_int_equal(b.err[0], -XEN_ENXIO);
    assert_int_equal(reserve(f, 0, XENMEM_decrease_reservation,
                             (xen_pfn_t[]){ 500 }, 1, 0),
                     0);
    assert_false(fake_kill(f, 1));
    assert_int_equal(take(f, 0, DOMID_SELF, 500), 0);
    assert_null(domain_get(f->hv, 1));
}

static void populate_over_a_foreign_mapping_crashes_the_domain(void **state)
{
    struct fake_hv *f = *state;

    assert_int_equal(p2m_set(f->d[2], GFN(90), at(f, 1, 10), P2M_GRANT_RW),
                     0);
    assert_int_equal(take(f, 2, DOMID_SELF, 90), -XEN_ENOENT);
    assert_int_equal(reserve(f, 2, XENMEM_populate_physmap,
                             (xen_pfn_t[]){ 90 }, 1, 0),
                     0);
    assert_true(f->d[2]->shutting_down);
}

/* -- Queries and maps ----------------------------------------------------- */

static void queries_answer_for_oneself_and_the_privileged(void **state)
{
    struct fake_hv *f = *state;
    domid_t self = DOMID_SELF, one = 1, none = 99;

    assert_int_equal(op(f, 1, XENMEM_current_reservation, &self, 2),
                     FAKE_GUEST_PAGES);
    assert_int_equal(op(f, 1, XENMEM_maximum_reservation, &self, 2),
                     2 * FAKE_GUEST_PAGES);
    assert_int_equal(op(f, 0, XENMEM_maximum_gpfn, &one, 2),
                     FAKE_GUEST_PAGES - 1);
    assert_int_equal(op(f, 2, XENMEM_maximum_gpfn, &one, 2), -XEN_EPERM);
    assert_int_equal(op(f, 2, XENMEM_maximum_gpfn, &none, 2), -XEN_ESRCH);
    assert_int_equal(op(f, 2, XENMEM_maximum_ram_page, &none, 2),
                     FAKE_FRAMES);
    assert_int_equal(op(f, 2, XENMEM_current_reservation | 1 << 6, &self, 2),
                     -XEN_EINVAL);
    assert_int_equal(op(f, 2, 63, &self, 2), -XEN_ENOSYS);
}

static void memory_map_is_what_was_set(void **state)
{
    struct fake_hv *f = *state;
    struct e820_entry e[2] = { { 0, 0x40000, E820_TYPE_RAM },
                               { 0x40000, 0x1000, E820_TYPE_RESERVED } };
    struct xen_foreign_memory_map s = { .domid = 1, .map = { 2, { 0 } } };
    struct xen_memory_map m = { .nr_entries = 8 };
    struct e820_entry got[2];

    assert_int_equal(sizeof(e[0]), 20);
    set_xen_guest_handle(m.buffer, (void *)LIST);
    assert_int_equal(op(f, 1, XENMEM_memory_map, &m, sizeof(m)),
                     -XEN_ENOSYS);
    set_xen_guest_handle(s.map.buffer, (void *)LIST);
    fake_poke(f, 0, LIST, e, sizeof(e));
    assert_int_equal(op(f, 2, XENMEM_set_memory_map, &s, sizeof(s)),
                     -XEN_EPERM);
    assert_int_equal(op(f, 0, XENMEM_set_memory_map, &s, sizeof(s)), 0);
    assert_int_equal(op(f, 1, XENMEM_memory_map, &m, sizeof(m)), 0);
    assert_int_equal(m.nr_entries, 2);
    fake_peek(f, 1, LIST, got, sizeof(got));
    assert_memory_equal(got, e, sizeof(e));
    s.map.nr_entries = HV_MAX_E820 + 1;
    assert_int_equal(op(f, 0, XENMEM_set_memory_map, &s, sizeof(s)),
                     -XEN_EINVAL);
    m.nr_entries = 8;
    assert_int_equal(op(f, 1, XENMEM_machine_memory_map, &m, sizeof(m)),
                     -XEN_EPERM);
    assert_int_equal(op(f, 0, XENMEM_machine_memory_map, &m, sizeof(m)), 0);
    assert_int_equal(m.nr_entries, 2);
    assert_int_equal(op(f, 0, XENMEM_machine_memory_map, &m, sizeof(m)),
                     -XEN_EINVAL); /* needs one more than it fills */
}

static void exchange_is_not_for_translated_domains(void **state)
{
    struct fake_hv *f = *state;
    struct xen_memory_exchange x = {
        .in = { .nr_extents = 1, .domid = DOMID_SELF },
        .out = { .nr_extents = 1, .domid = DOMID_SELF },
    };

    assert_int_equal(op(f, 1, XENMEM_exchange, &x, sizeof(x)),
                     -XEN_EOPNOTSUPP);
    x.out.nr_extents = 2;
    assert_int_equal(op(f, 1, XENMEM_exchange, &x, sizeof(x)), -XEN_EINVAL);
    x.in.extent_order = 12;
    assert_int_equal(op(f, 1, XENMEM_exchange, &x, sizeof(x)), -XEN_EPERM);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(balloon_down_and_up_gets_zeroed_pages),
        T(decrease_stops_at_the_first_bad_extent),
        T(reservations_are_limited_and_whole),
        T(reservation_bad_arguments_return_the_start),
        T(reservation_is_continued_in_the_command),
        T(control_domain_populates_a_guest),
        T(shared_info_and_grant_frames_move),
        T(shared_info_over_ram_frees_the_ram),
        T(gmfn_moves_and_same_place_is_a_no_op),
        T(physmap_operations_are_refused_as_in_xen),
        T(gmfn_range_moves_all_and_continues),
        T(foreign_frames_are_the_control_domains_to_map),
        T(populate_over_a_foreign_mapping_crashes_the_domain),
        T(queries_answer_for_oneself_and_the_privileged),
        T(memory_map_is_what_was_set),
        T(exchange_is_not_for_translated_domains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
