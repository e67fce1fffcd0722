/*
 * grant_table_op, version 1, called as a guest's vCPU would. Clauses:
 * grant_table.h, and Xen's published advisories on it (pin overflow, handle
 * reuse, unmap flags, teardown while mapped).
 *
 * Guest 1 grants, guest 2 maps; guest 0 is the control domain.
 */
#include "hv/gmem.h"
#include "hv/gnttab_core.h"
#include "hv/hypercall.h"
#include "hv/p2m.h"
#include "hv/page.h"
#include "hv/tests/fake_hv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define ARG 0x8000ULL /* where arguments are put in guest memory */
#define HOST_GFN 100  /* an empty slot of every guest */
#define HOST (HOST_GFN * PAGE_SIZE)

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

/* -- Callers -------------------------------------------------------------- */

static long op(struct fake_hv *f, unsigned n, unsigned cmd, void *arg,
               size_t size, unsigned count)
{
    long rc;

    fake_poke(f, n, ARG, arg, size);
    f->hv->cpus[0].current = f->v[n];
    rc = gnttab_op(f->v[n], cmd, GVA(ARG), count);
    fake_peek(f, n, ARG, arg, size);
    return rc;
}

static void grant(struct fake_hv *f, unsigned n, uint32_t ref, uint16_t to,
                  uint32_t gfn, uint16_t flags)
{
    struct grant_entry_v1 e = { flags, to, gfn };

    gmem_frame_write(f->hv, f->d[n]->gnttab.shared[0], ref * sizeof(e), &e,
                     sizeof(e));
}

static uint16_t flags_of(struct fake_hv *f, unsigned n, uint32_t ref)
{
    return gmem_frame_read16(f->hv, f->d[n]->gnttab.shared[0], ref * 8);
}

static struct gnttab_map_grant_ref map(struct fake_hv *f, uint32_t ref,
                                       uint64_t host, uint32_t flags)
{
    struct gnttab_map_grant_ref m = {
        .host_addr = host, .flags = flags, .ref = ref, .dom = 1
    };

    assert_int_equal(
        op(f, 2, GNTTABOP_map_grant_ref, &m, sizeof(m), 1), 0);
    return m;
}

static int16_t unmap(struct fake_hv *f, uint32_t handle, uint64_t host)
{
    struct gnttab_unmap_grant_ref u = { .host_addr = host,
                                        .handle = handle };

    assert_int_equal(
        op(f, 2, GNTTABOP_unmap_grant_ref, &u, sizeof(u), 1), 0);
    return u.status;
}

static int16_t copy(struct fake_hv *f, struct gnttab_copy c)
{
    assert_int_equal(op(f, 2, GNTTABOP_copy, &c, sizeof(c), 1), 0);
    return c.status;
}

#define RW GNTMAP_host_map
#define RO (GNTMAP_host_map | GNTMAP_readonly)

/* -- Map and unmap -------------------------------------------------------- */

static void map_then_unmap_restores_everything(void **state)
{
    struct fake_hv *f = *state;
    mfn_t m = p2m_lookup(f->d[1], GFN(9), NULL);
    struct page_info *pg = page_of(f->hv, m);
    struct gnttab_map_grant_ref r;
    uint32_t x = 0xfeedface, y = 0;
    enum p2m_type type;

    grant(f, 1, 7, 2, 9, GTF_permit_access);
    r = map(f, 7, HOST, RW);
    assert_int_equal(r.status, GNTST_okay);
    assert_int_equal(r.dev_bus_addr, m.v << PAGE_SHIFT);
    assert_int_equal(p2m_lookup(f->d[2], GFN(HOST_GFN), &type).v, m.v);
    assert_int_equal(type, P2M_GRANT_RW);
    assert_int_equal(flags_of(f, 1, 7),
                     GTF_permit_access | GTF_reading | GTF_writing);
    assert_int_equal(pg->refs, 4); /* own, own p2m, pin, grant p2m */
    assert_int_equal(pg->type_refs, 2);
    fake_poke(f, 2, HOST, &x, 4);
    fake_peek(f, 1, 9 * PAGE_SIZE, &y, 4);
    assert_int_equal(x, y);
    assert_int_equal(unmap(f, r.handle, HOST), GNTST_okay);
    assert_int_equal(flags_of(f, 1, 7), GTF_permit_access);
    assert_int_equal(pg->refs, 2);
    assert_int_equal(pg->type_refs, 1);
    assert_false(mfn_valid(p2m_lookup(f->d[2], GFN(HOST_GFN), NULL)));
    assert_int_equal(unmap(f, r.handle, HOST), GNTST_bad_handle);
}

static void map_refuses_in_xens_order(void **state)
{
    struct fake_hv *f = *state;
    struct gnttab_map_grant_ref m = { .flags = RW, .dom = 77 };

    grant(f, 1, 7, 2, 9, GTF_permit_access);
    assert_int_equal(map(f, 7, HOST, 0).status, GNTST_bad_gntref);
    assert_int_equal(map(f, 7, HOST, RW | GNTMAP_contains_pte).status,
                     GNTST_general_error);
    assert_int_equal(map(f, 7, HOST, GNTMAP_device_map).status,
                     GNTST_general_error);
    op(f, 2, GNTTABOP_map_grant_ref, &m, sizeof(m), 1);
    assert_int_equal(m.status, GNTST_bad_domain);
    m.dom = DOMID_SELF; /* as Xen: by number only */
    op(f, 2, GNTTABOP_map_grant_ref, &m, sizeof(m), 1);
    assert_int_equal(m.status, GNTST_bad_domain);
    assert_int_equal(map(f, 512, HOST, RW).status, GNTST_bad_gntref);
    assert_int_equal(map(f, ~0u, HOST, RW).status, GNTST_bad_gntref);
    assert_int_equal(map(f, 8, HOST, RW).status, GNTST_general_error);
    grant(f, 1, 8, 0, 9, GTF_permit_access); /* to another */
    assert_int_equal(map(f, 8, HOST, RW).status, GNTST_general_error);
    grant(f, 1, 8, 2, 9, GTF_permit_access | GTF_readonly);
    assert_int_equal(map(f, 8, HOST, RW).status, GNTST_general_error);
    assert_int_equal(flags_of(f, 1, 8), GTF_permit_access | GTF_readonly);
    grant(f, 1, 8, 2, 9, GTF_permit_access | GTF_sub_page);
    assert_int_equal(map(f, 8, HOST, RW).status, GNTST_general_error);
    grant(f, 1, 8, 2, 9, GTF_permit_access | GTF_PCD);
    assert_int_equal(map(f, 8, HOST, RW).status, GNTST_general_error);
    grant(f, 1, 8, 2, 5000, GTF_permit_access);
    assert_int_equal(map(f, 8, HOST, RW).status, GNTST_bad_page);
    assert_int_equal(flags_of(f, 1, 8), GTF_permit_access);
    assert_int_equal(map(f, 7, ~0ULL, RW).status, GNTST_general_error);
    assert_int_equal(flags_of(f, 1, 7), GTF_permit_access);
    assert_int_equal(f->d[2]->gnttab.maptrack_live, 0);
}

static void readonly_then_writable_upgrade_the_entry(void **state)
{
    struct fake_hv *f = *state;
    struct gnttab_map_grant_ref a, b;

    grant(f, 1, 7, 2, 9, GTF_permit_access);
    a = map(f, 7, HOST, RO);
    assert_int_equal(flags_of(f, 1, 7), GTF_permit_access | GTF_reading);
    /* pinned: what the guest writes into the frame field is of no account */
    grant(f, 1, 7, 0, 33, GTF_permit_access | GTF_reading | GTF_readonly);
    assert_int_equal(map(f, 7, HOST + PAGE_SIZE, RW).status,
                     GNTST_general_error);
    grant(f, 1, 7, 2, 33, GTF_permit_access | GTF_reading);
    b = map(f, 7, HOST + PAGE_SIZE, RW);
    assert_int_equal(b.status, GNTST_okay);
    assert_int_equal(p2m_lookup(f->d[2], GFN(HOST_GFN + 1), NULL).v,
                     p2m_lookup(f->d[1], GFN(9), NULL).v);
    assert_int_equal(unmap(f, b.handle, HOST + PAGE_SIZE), GNTST_okay);
    assert_int_equal(flags_of(f, 1, 7), GTF_permit_access | GTF_reading);
    assert_int_equal(unmap(f, a.handle, HOST), GNTST_okay);
    assert_int_equal(flags_of(f, 1, 7), GTF_permit_access);
}

static void unmap_needs_the_handles_own_address(void **state)
{
    struct fake_hv *f = *state;
    struct gnttab_map_grant_ref r;

    grant(f, 1, 7, 2, 9, GTF_permit_access);
    r = map(f, 7, HOST, RW);
    assert_int_equal(unmap(f, r.handle, 9 * PAGE_SIZE), GNTST_general_error);
    assert_int_equal(unmap(f, r.handle, 0), GNTST_okay); /* ignored */
    assert_int_equal(f->d[2]->gnttab.maptrack_live, 1);
    assert_int_equal(unmap(f, r.handle + 1, HOST), GNTST_bad_handle);
    assert_int_equal(unmap(f, ~0u, HOST), GNTST_bad_handle);
    assert_int_equal(unmap(f, r.handle, HOST), GNTST_okay);
}

static void pin_count_stops_before_xens_eighth_bit(void **state)
{
    struct fake_hv *f = *state;

    grant(f, 1, 7, 2, 9, GTF_permit_access);
    for (unsigned i = 0; i < 128; i++) {
        assert_int_equal(map(f, 7, HOST + i * PAGE_SIZE, RO).status,
                         GNTST_okay);
    }
    assert_int_equal(map(f, 7, HOST + 128 * PAGE_SIZE, RO).status,
                     GNTST_general_error);
    assert_int_equal(map(f, 7, HOST + 128 * PAGE_SIZE, RW).status,
                     GNTST_okay);
    assert_int_equal(f->d[2]->gnttab.maptrack_live, 129);
}

static void handles_run_out_cleanly(void **state)
{
    struct fake_hv *f = *state;
    unsigned n = 0;

    f->d[2]->gnttab.max_maptrack_frames = 1;
    for (uint32_t ref = 8; ref < 8 + 128; ref++, n++) {
        grant(f, 1, ref, 2, 9, GTF_permit_access);
        assert_int_equal(map(f, ref, HOST + n * PAGE_SIZE, RW).status,
                         GNTST_okay);
    }
    grant(f, 1, 7, 2, 9, GTF_permit_access);
    assert_int_equal(map(f, 7, HOST + n * PAGE_SIZE, RW).status,
                     GNTST_no_space);
    assert_int_equal(unmap(f, 5, HOST + 5 * PAGE_SIZE), GNTST_okay);
    assert_int_equal(map(f, 7, HOST + n * PAGE_SIZE, RW).handle, 5);
}

static void a_grant_mapping_cannot_be_granted_on(void **state)
{
    struct fake_hv *f = *state;
    struct gnttab_map_grant_ref m = {
        .host_addr = HOST, .flags = RW, .ref = 3, .dom = 2
    };

    grant(f, 1, 7, 2, 9, GTF_permit_access);
    assert_int_equal(map(f, 7, HOST, RW).status, GNTST_okay);
    grant(f, 2, 3, 0, HOST_GFN, GTF_permit_access);
    op(f, 0, GNTTABOP_map_grant_ref, &m, sizeof(m), 1);
    assert_int_equal(m.status, GNTST_bad_page);
}

static void mapping_over_a_grant_mapping_crashes_its_own_domain(void **state)
{
    struct fake_hv *f = *state;

    grant(f, 1, 7, 2, 9, GTF_permit_access);
    map(f, 7, HOST, RW);
    assert_int_equal(map(f, 7, HOST, RW).status, GNTST_general_error);
    assert_true(f->d[2]->shutting_down);
    assert_int_equal(f->d[2]->gnttab.maptrack_live, 1);
}

static void memory_op_leaves_grant_mappings_alone(void **state)
{
    struct fake_hv *f = *state;
    struct gnttab_map_grant_ref m = {
        .host_addr = HOST, .flags = RW, .ref = 7, .dom = 2
    };
    struct xen_add_to_physmap x = { .domid = DOMID_SELF,
                                    .space = XENMAPSPACE_gmfn,
                                    .idx = 9,
                                    .gpfn = HOST_GFN };

    grant(f, 2, 7, 2, 9, GTF_permit_access); /* one's own frame, even */
    op(f, 2, GNTTABOP_map_grant_ref, &m, sizeof(m), 1);
    assert_int_equal(m.status, GNTST_okay);
    fake_poke(f, 2, ARG, &x, sizeof(x));
    assert_int_equal(memory_op(f->v[2], XENMEM_add_to_physmap, GVA(ARG)),
                     -XEN_ENXIO);
    assert_int_equal(unmap(f, m.handle, HOST), GNTST_okay);
}

/* A guest that changes its entry at every look. */
static void meddle(struct plat *p, maddr_t ma, size_t len)
{
    struct fake_hv *f = p->ctx;
    mfn_t shared = f->d[1]->gnttab.shared[0];

    if (len == 4 && ma.v == (shared.v << PAGE_SHIFT) + 7 * 8) {
        uint8_t *e = p->ram + ma.v;

        e[1] ^= 0x80; /* a bit of flags that means nothing */
    }
}

static void an_entry_that_keeps_changing_is_given_up(void **state)
{
    struct fake_hv *f = *state;

    grant(f, 1, 7, 2, 9, GTF_permit_access);
    f->p->crossing = meddle;
    assert_int_equal(map(f, 7, HOST, RW).status, GNTST_general_error);
    f->p->crossing = NULL;
    assert_int_equal(f->d[2]->gnttab.maptrack_live, 0);
}

/* -- Death ---------------------------------------------------------------- */

static void granter_dies_while_mapped(void **state)
{
    struct fake_hv *f = *state;
    struct gnttab_map_grant_ref r;
    uint64_t x = 1;

    grant(f, 1, 7, 2, 9, GTF_permit_access);
    r = map(f, 7, HOST, RW);
    assert_false(fake_kill(f, 1));
    fake_poke(f, 2, HOST, &x, 8); /* still there for the mapper */
    assert_int_equal(map(f, 7, HOST + PAGE_SIZE, RW).status,
                     GNTST_bad_domain);
    assert_int_equal(unmap(f, r.handle, HOST), GNTST_okay);
    assert_null(domain_get(f->hv, 1));
}

static void mapper_dies_while_it_maps(void **state)
{
    struct fake_hv *f = *state;
    mfn_t m = p2m_lookup(f->d[1], GFN(9), NULL);

    grant(f, 1, 7, 2, 9, GTF_permit_access);
    for (unsigned i = 0; i < 100; i++) {
        map(f, 7, HOST + i * PAGE_SIZE, i & 1 ? RW : RO);
    }
    assert_true(fake_kill(f, 2));
    assert_int_equal(flags_of(f, 1, 7), GTF_permit_access);
    assert_int_equal(page_of(f->hv, m)->refs, 2);
    assert_int_equal(page_of(f->hv, m)->type_refs, 1);
    assert_true(fake_kill(f, 1));
}

static void both_die_mapped_to_each_other_and_themselves(void **state)
{
    struct fake_hv *f = *state;
    struct gnttab_map_grant_ref m = { .flags = RW, .ref = 4 };

    grant(f, 1, 7, 2, 9, GTF_permit_access);
    assert_int_equal(map(f, 7, HOST, RW).status, GNTST_okay);
    grant(f, 2, 4, 2, 11, GTF_permit_access);
    m.dom = 2;
    m.host_addr = HOST + PAGE_SIZE;
    op(f, 2, GNTTABOP_map_grant_ref, &m, sizeof(m), 1);
    assert_int_equal(m.status, GNTST_okay);
    grant(f, 2, 5, 1, 12, GTF_permit_access);
    m.ref = 5;
    op(f, 1, GNTTABOP_map_grant_ref, &m, sizeof(m), 1);
    assert_int_equal(m.status, GNTST_okay);
    assert_false(fake_kill(f, 1));
    assert_true(fake_kill(f, 2));
    assert_null(domain_get(f->hv, 1));
}

/* -- Copy ----------------------------------------------------------------- */

static struct gnttab_copy from_grant(uint32_t ref, uint64_t gfn)
{
    struct gnttab_copy c = { .flags = GNTCOPY_source_gref, .len = 64 };

    c.source.u.ref = ref;
    c.source.domid = 1;
    c.dest.u.gmfn = gfn;
    c.dest.domid = DOMID_SELF;
    return c;
}

static void copy_moves_bytes_and_leaves_no_pin(void **state)
{
    struct fake_hv *f = *state;
    struct gnttab_copy c = from_grant(7, 20);
    uint8_t text[600], got[600];

    memset(text, 0x42, sizeof(text));
    fake_poke(f, 1, 9 * PAGE_SIZE + 3000, text, sizeof(text));
    grant(f, 1, 7, 2, 9, GTF_permit_access | GTF_readonly);
    c.source.offset = 3000;
    c.dest.offset = PAGE_SIZE - 600;
    c.len = 600;
    assert_int_equal(copy(f, c), GNTST_okay);
    fake_peek(f, 2, 21 * PAGE_SIZE - 600, got, 600);
    assert_memory_equal(got, text, 600);
    assert_int_equal(flags_of(f, 1, 7), GTF_permit_access | GTF_readonly);
    assert_int_equal(gnttab_active(f->d[1], 7)->read_pins, 0);
}

static void copy_refuses_in_xens_order(void **state)
{
    struct fake_hv *f = *state;
    struct gnttab_copy c = from_grant(7, 20);

    grant(f, 1, 7, 2, 9, GTF_permit_access | GTF_readonly);
    c.source.offset = 0xffff;
    c.len = 0xffff;
    assert_int_equal(copy(f, c), GNTST_bad_copy_arg);
    c = from_grant(7, 20);
    c.dest.offset = PAGE_SIZE - 63;
    assert_int_equal(copy(f, c), GNTST_bad_copy_arg);
    c = from_grant(7, 5000);
    assert_int_equal(copy(f, c), GNTST_bad_page);
    c = from_grant(7, 20);
    c.flags = 0; /* another's frame by number */
    assert_int_equal(copy(f, c), GNTST_permission_denied);
    c = from_grant(7, 20);
    c.dest.domid = 2; /* even one's own number, without a grant */
    assert_int_equal(copy(f, c), GNTST_permission_denied);
    c = from_grant(7, 20);
    c.source.domid = 55;
    assert_int_equal(copy(f, c), GNTST_bad_domain);
    c = from_grant(600, 20);
    assert_int_equal(copy(f, c), GNTST_bad_gntref);
    c = from_grant(7, 20);
    c.dest = c.source;
    c.flags |= GNTCOPY_dest_gref; /* write through a read-only grant */
    assert_int_equal(copy(f, c), GNTST_general_error);
    assert_int_equal(flags_of(f, 1, 7), GTF_permit_access | GTF_readonly);
    assert_int_equal(page_of(f->hv, p2m_lookup(f->d[1], GFN(9), NULL))->refs,
                     2);
    c = from_grant(7, 20);
    c.len = 0;
    assert_int_equal(copy(f, c), GNTST_okay);
}

/* -- The table itself ----------------------------------------------------- */

static void setup_table_grows_to_the_limit_and_no_further(void **state)
{
    struct fake_hv *f = *state;
    struct gnttab_setup_table s = { .dom = DOMID_SELF, .nr_frames = 3 };
    struct gnttab_query_size q = { .dom = DOMID_SELF };
    xen_pfn_t list[3];

    set_xen_guest_handle(s.frame_list, (xen_pfn_t *)0x9000);
    assert_int_equal(op(f, 2, GNTTABOP_setup_table, &s, sizeof(s), 2),
                     -XEN_EINVAL);
    assert_int_equal(op(f, 2, GNTTABOP_setup_table, &s, sizeof(s), 1), 0);
    assert_int_equal(s.status, GNTST_okay);
    fake_peek(f, 2, 0x9000, list, sizeof(list));
    assert_int_equal(list[2], ~0ULL); /* mapped nowhere yet */
    assert_int_equal(op(f, 2, GNTTABOP_query_size, &q, sizeof(q), 1), 0);
    assert_int_equal(q.nr_frames, 3);
    assert_int_equal(q.max_nr_frames, 4);
    s.nr_frames = 5;
    assert_int_equal(op(f, 2, GNTTABOP_setup_table, &s, sizeof(s), 1), 0);
    assert_int_equal(s.status, GNTST_general_error);
    s.dom = 1;
    s.nr_frames = 1;
    assert_int_equal(op(f, 2, GNTTABOP_setup_table, &s, sizeof(s), 1), 0);
    assert_int_equal(s.status, GNTST_permission_denied);
    assert_int_equal(op(f, 0, GNTTABOP_setup_table, &s, sizeof(s), 1), 0);
    assert_int_equal(s.status, GNTST_okay);
    s.dom = 99;
    assert_int_equal(op(f, 0, GNTTABOP_setup_table, &s, sizeof(s), 1), 0);
    assert_int_equal(s.status, GNTST_bad_domain);
}

static void versions_are_one(void **state)
{
    struct fake_hv *f = *state;
    struct gnttab_set_version s = { .version = 2 };
    struct gnttab_get_version g = { .dom = DOMID_SELF };

    assert_int_equal(op(f, 2, GNTTABOP_set_version, &s, sizeof(s), 1),
                     -XEN_ENOSYS);
    assert_int_equal(s.version, 1);
    s.version = 3;
    assert_int_equal(op(f, 2, GNTTABOP_set_version, &s, sizeof(s), 1),
                     -XEN_EINVAL);
    s.version = 1;
    assert_int_equal(op(f, 2, GNTTABOP_set_version, &s, sizeof(s), 1), 0);
    assert_int_equal(op(f, 2, GNTTABOP_get_version, &g, sizeof(g), 1), 0);
    assert_int_equal(g.version, 1);
    g.dom = 1;
    assert_int_equal(op(f, 2, GNTTABOP_get_version, &g, sizeof(g), 1),
                     -XEN_EPERM);
    g.dom = 99;
    assert_int_equal(op(f, 2, GNTTABOP_get_version, &g, sizeof(g), 1),
                     -XEN_ESRCH);
}

static void swap_refuses_entries_in_use(void **state)
{
    struct fake_hv *f = *state;
    struct gnttab_swap_grant_ref s = { .ref_a = 7, .ref_b = 8 };
    struct gnttab_map_grant_ref r;

    grant(f, 1, 7, 2, 9, GTF_permit_access);
    grant(f, 1, 8, 0, 10, GTF_permit_access | GTF_readonly);
    r = map(f, 7, HOST, RW);
    assert_int_equal(
        op(f, 1, GNTTABOP_swap_grant_ref, &s, sizeof(s), 1), 0);
    assert_int_equal(s.status, GNTST_eagain);
    unmap(f, r.handle, HOST);
    op(f, 1, GNTTABOP_swap_grant_ref, &s, sizeof(s), 1);
    assert_int_equal(s.status, GNTST_okay);
    assert_int_equal(flags_of(f, 1, 7), GTF_permit_access | GTF_readonly);
    s.ref_b = 512;
    op(f, 1, GNTTABOP_swap_grant_ref, &s, sizeof(s), 1);
    assert_int_equal(s.status, GNTST_bad_gntref);
}

static void refused_operations_say_why(void **state)
{
    struct fake_hv *f = *state;
    struct gnttab_transfer t = { .mfn = 3, .domid = 1 };
    struct gnttab_cache_flush c = { .length = 64,
                                    .op = GNTTAB_CACHE_CLEAN };
    struct gnttab_unmap_and_replace u = { 0 };
    struct gnttab_get_status_frames g = { .nr_frames = 1,
                                          .dom = DOMID_SELF };

    assert_int_equal(op(f, 2, GNTTABOP_transfer, &t, sizeof(t), 1), 0);
    assert_int_equal(t.status, GNTST_general_error);
    t.mfn = 5000;
    assert_int_equal(op(f, 2, GNTTABOP_transfer, &t, sizeof(t), 1), 0);
    assert_int_equal(t.status, GNTST_bad_page);
    assert_int_equal(op(f, 2, GNTTABOP_cache_flush, &c, sizeof(c), 1),
                     -XEN_EOPNOTSUPP);
    c.offset = 4090;
    assert_int_equal(op(f, 2, GNTTABOP_cache_flush, &c, sizeof(c), 1),
                     -XEN_EINVAL);
    assert_int_equal(op(f, 2, GNTTABOP_unmap_and_replace, &u, sizeof(u), 1),
                     -XEN_ENOSYS);
    assert_int_equal(op(f, 2, GNTTABOP_dump_table, &u, sizeof(u), 1),
                     -XEN_ENOSYS);
    assert_int_equal(op(f, 2, GNTTABOP_get_status_frames, &g, sizeof(g), 1),
                     0);
    assert_int_equal(g.status, GNTST_general_error);
    assert_int_equal(op(f, 2, GNTTABOP_copy, &u, sizeof(u), 0x80000000u),
                     -XEN_EINVAL);
    assert_int_equal(op(f, 2, 99, &u, sizeof(u), 1), -XEN_ENOSYS);
    assert_int_equal(gnttab_op(f->v[2], GNTTABOP_map_grant_ref,
                               GVA(HOST), 1),
                     -XEN_EFAULT);
}

static void batches_continue_where_they_stopped(void **state)
{
    struct fake_hv *f = *state;
    struct gnttab_map_grant_ref m[3];
    struct vcpu *v = f->v[2];

    memset(m, 0, sizeof(m));
    for (unsigned i = 0; i < 3; i++) {
        grant(f, 1, 8 + i, 2, 9, GTF_permit_access);
        m[i].host_addr = HOST + i * PAGE_SIZE;
        m[i].flags = RW;
        m[i].ref = 8 + i;
        m[i].dom = 1;
    }
    f->p->interrupt_pending = true;
    assert_int_equal(op(f, 2, GNTTABOP_map_grant_ref, m, sizeof(m), 3),
                     HYPERCALL_RESTART);
    assert_int_equal(f->d[2]->gnttab.maptrack_live, 1);
    assert_int_equal(v->restart_args[0], GNTTABOP_map_grant_ref);
    assert_int_equal(v->restart_args[1], ARG + sizeof(m[0]));
    assert_int_equal(v->restart_args[2], 2);
    f->p->interrupt_pending = false;
    assert_int_equal(gnttab_op(v, GNTTABOP_map_grant_ref,
                               GVA(v->restart_args[1]), 2),
                     0);
    assert_int_equal(f->d[2]->gnttab.maptrack_live, 3);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(map_then_unmap_restores_everything),
        T(map_refuses_in_xens_order),
        T(readonly_then_writable_upgrade_the_entry),
        T(unmap_needs_the_handles_own_address),
        T(pin_count_stops_before_xens_eighth_bit),
        T(handles_run_out_cleanly),
        T(a_grant_mapping_cannot_be_granted_on),
        T(mapping_over_a_grant_mapping_crashes_its_own_domain),
        T(memory_op_leaves_grant_mappings_alone),
        T(an_entry_that_keeps_changing_is_given_up),
        T(granter_dies_while_mapped),
        T(mapper_dies_while_it_maps),
        T(both_die_mapped_to_each_other_and_themselves),
        T(copy_moves_bytes_and_leaves_no_pin),
        T(copy_refuses_in_xens_order),
        T(setup_table_grows_to_the_limit_and_no_further),
        T(versions_are_one),
        T(swap_refuses_entries_in_use),
        T(refused_operations_say_why),
        T(batches_continue_where_they_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
