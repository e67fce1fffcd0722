/*
 * Machine memory, the p2m and guest memory access over a fake machine.
 * Clauses: page.h and p2m.h (invariants), APM2 5.3 to 5.6 (long-mode walks),
 * APM2 15.25.5 (nested tables).
 */
#include "hv/gmem.h"
#include "hv/p2m.h"
#include "hv/page.h"
#include "hv/tests/fake_hv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

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

/* -- page.c --------------------------------------------------------------- */

static void page_init_counts_ram_and_keeps_off_holes(void **state)
{
    struct fake_hv *f = *state;
    struct plat *p = f->p;

    assert_int_equal(page_total_count(f->hv),
                     p->ranges[0].nr + p->ranges[1].nr);
    assert_false(page_exists(f->hv, MFN(0)));
    assert_false(page_exists(f->hv, MFN(p->ranges[1].start - 1)));
    assert_true(page_exists(f->hv, MFN(p->ranges[1].start)));
    assert_false(page_exists(f->hv, MFN(FAKE_FRAMES)));
    assert_false(page_exists(f->hv, INVALID_MFN));
    assert_int_equal(page_of(f->hv, f->hv->self_mfn)->owner, PAGE_OWNER_HV);
    assert_false(page_get_any(f->hv, f->hv->frame_table_mfn));
}

static void page_alloc_hv_is_zeroed_aligned_and_merges_back(void **state)
{
    struct fake_hv *f = *state;
    uint64_t before = page_free_count(f->hv);
    mfn_t m[PAGE_MAX_ORDER + 1];

    for (unsigned o = 0; o <= PAGE_MAX_ORDER; o++) {
        const uint8_t *b;

        m[o] = page_alloc_hv(f->hv, o);
        assert_true(mfn_valid(m[o]));
        assert_int_equal(m[o].v & ((1u << o) - 1), 0);
        b = plat_frame(f->p, m[o]);
        for (size_t i = 0; i < PAGE_SIZE << o; i++) {
            assert_int_equal(b[i], 0);
        }
        memset(plat_frame(f->p, m[o]), 0xee, PAGE_SIZE << o);
    }
    for (unsigned o = 0; o <= PAGE_MAX_ORDER; o++) {
        page_free_hv(f->hv, m[o], o);
    }
    assert_int_equal(page_free_count(f->hv), before);
    assert_int_equal(page_alloc_hv(f->hv, PAGE_MAX_ORDER).v,
                     m[PAGE_MAX_ORDER].v);
}

static void page_alloc_runs_out_cleanly(void **state)
{
    struct fake_hv *f = *state;

    while (mfn_valid(page_alloc_hv(f->hv, 0))) {
    }
    assert_int_equal(page_free_count(f->hv), 0);
    assert_false(mfn_valid(page_alloc_hv(f->hv, 3)));
    assert_false(mfn_valid(page_alloc_domain(f->d[1], 0)));
}

static void page_alloc_domain_stops_at_max_pages(void **state)
{
    struct fake_hv *f = *state;
    struct domain *d = f->d[1];

    d->max_pages = d->tot_pages + 3;
    assert_false(mfn_valid(page_alloc_domain(d, 2)));
    assert_true(mfn_valid(page_alloc_domain(d, 1)));
    assert_true(mfn_valid(page_alloc_domain(d, 0)));
    assert_false(mfn_valid(page_alloc_domain(d, 0)));
    d->max_pages = 0;
    assert_false(mfn_valid(page_alloc_domain(d, 0)));
}

static void page_is_freed_by_its_last_put_and_zeroed_for_the_next(
    void **state)
{
    struct fake_hv *f = *state;
    struct domain *d = f->d[1];
    uint64_t tot = d->tot_pages;
    mfn_t m = page_alloc_domain(d, 0), again;
    uint8_t byte = 0x5a;

    assert_true(page_get(d, m));
    assert_false(page_get(f->d[2], m));
    gmem_frame_write(f->hv, m, 7, &byte, 1);
    assert_true(page_release_allocation(f->hv, m));
    assert_false(page_release_allocation(f->hv, m));
    assert_int_equal(page_of(f->hv, m)->owner, d->slot);
    assert_int_equal(d->tot_pages, tot + 1);
    page_put(f->hv, m);
    assert_int_equal(page_of(f->hv, m)->owner, PAGE_OWNER_NONE);
    assert_int_equal(d->tot_pages, tot);
    assert_false(page_get_any(f->hv, m));
    again = page_alloc_domain(f->d[2], 0);
    assert_int_equal(again.v, m.v);
    assert_int_equal(gmem_frame_read8(f->hv, again, 7), 0);
}

static void page_reference_overflow_is_refused(void **state)
{
    struct fake_hv *f = *state;
    mfn_t m = page_alloc_domain(f->d[1], 0);

    page_of(f->hv, m)->refs = 0x7fffffff;
    assert_false(page_get(f->d[1], m));
    assert_false(page_get_any(f->hv, m));
    page_of(f->hv, m)->refs = 1;
    assert_true(page_get_type(f->hv, m, PGT_writable));
    page_of(f->hv, m)->type_refs = 0x7fffffff;
    assert_false(page_get_type(f->hv, m, PGT_writable));
}

static void put_once_too_often(void *arg)
{
    struct fake_hv *f = arg;
    mfn_t m = page_alloc_domain(f->d[1], 0);

    page_put(f->hv, m); /* still PGF_ALLOCATED */
}

static void page_put_of_the_allocation_reference_is_an_assertion(
    void **state)
{
    struct fake_hv *f = *state;

    assert_true(fake_plat_ends(f->p, put_once_too_often, f));
    assert_non_null(f->p->fatal);
}

static void domain_with_frames_outlives_its_destruction(void **state)
{
    struct fake_hv *f = *state;
    uint64_t before = page_free_count(f->hv);
    mfn_t m = p2m_lookup(f->d[2], GFN(5), NULL);

    assert_true(page_get_any(f->hv, m));
    assert_false(fake_kill(f, 2));
    assert_int_equal(f->d[2]->tot_pages, 1);
    page_put(f->hv, m);
    assert_null(domain_get(f->hv, 2));
    assert_true(page_free_count(f->hv) > before + FAKE_GUEST_PAGES);
}

static void destroyed_domains_give_back_every_frame(void **state)
{
    struct fake_hv *f = *state;
    struct fake_hv *g = fake_hv_new();
    uint64_t with_two;

    assert_true(fake_kill(f, 2));
    with_two = page_free_count(f->hv);
    assert_true(fake_kill(f, 1));
    /* what a guest takes, it gives back: both took the same */
    assert_int_equal(page_free_count(f->hv) - with_two,
                     with_two - page_free_count(g->hv));
    fake_hv_free(g);
}

/* -- p2m ------------------------------------------------------------------ */

static void p2m_set_takes_and_clear_drops_references(void **state)
{
    struct fake_hv *f = *state;
    struct domain *d = f->d[1];
    mfn_t m = page_alloc_domain(d, 0);
    struct page_info *pg = page_of(f->hv, m);
    enum p2m_type type;

    assert_int_equal(p2m_set(d, GFN(1000), m, P2M_RAM_RW), 0);
    assert_int_equal(pg->refs, 2);
    assert_int_equal(pg->type_refs, 1);
    assert_int_equal(pg->gfn, 1000);
    assert_int_equal(p2m_lookup(d, GFN(1000), &type).v, m.v);
    assert_int_equal(type, P2M_RAM_RW);
    assert_int_equal(p2m_max_gfn(d).v, 1000);
    f->flushes = 0;
    assert_int_equal(p2m_clear(d, GFN(1000)), 0);
    assert_int_equal(f->flushes, 1);
    assert_int_equal(pg->refs, 1);
    assert_int_equal(pg->type_refs, 0);
    assert_int_equal(pg->gfn, ~0ULL);
    assert_int_equal(p2m_clear(d, GFN(1000)), -XEN_ENOENT);
    assert_int_equal(p2m_clear(d, INVALID_GFN), -XEN_ENOENT);
    assert_false(mfn_valid(p2m_lookup(d, GFN(1000), &type)));
    assert_int_equal(type, P2M_NONE);
}

static void p2m_set_refuses_what_is_not_the_domains(void **state)
{
    struct fake_hv *f = *state;
    mfn_t m = page_alloc_domain(f->d[2], 0);

    assert_int_equal(p2m_set(f->d[1], GFN(99), m, P2M_RAM_RW), -XEN_EBUSY);
    assert_int_equal(p2m_set(f->d[1], GFN(99), f->hv->self_mfn,
                             P2M_FOREIGN_RW),
                     -XEN_EBUSY);
    assert_int_equal(p2m_set(f->d[1], GFN(HV_MAX_PHYSMAP_GFN), m,
                             P2M_FOREIGN_RW),
                     -XEN_EINVAL);
    assert_int_equal(page_of(f->hv, m)->refs, 1);
    assert_int_equal(p2m_set(f->d[1], GFN(99), m, P2M_GRANT_RO), 0);
    assert_false(mfn_valid(p2m_get_page(f->d[1], GFN(99), true, NULL)));
    assert_int_equal(page_of(f->hv, m)->type_refs, 0);
}

static void p2m_entries_are_what_the_processor_walks(void **state)
{
    struct fake_hv *f = *state;
    struct domain *d = f->d[1];
    mfn_t t = d->p2m_root;
    uint64_t e = 0, gfn = 0x7654321;
    mfn_t m = page_alloc_domain(d, 0);

    assert_int_equal(p2m_set(d, GFN(gfn), m, P2M_RAM_RO), 0);
    for (int l = 3; l >= 0; l--) {
        uint64_t *table = plat_frame(f->p, t);

        e = table[(gfn >> (9 * l)) & 511];
        assert_int_equal(e & (PTE_P | PTE_U | PTE_NX | PTE_PS),
                         PTE_P | PTE_U);
        t.v = (e & PTE_ADDR_MASK) >> PAGE_SHIFT;
    }
    assert_int_equal(t.v, m.v);
    assert_int_equal(e & PTE_W, 0);
    assert_int_equal((e >> 52) & 0x7f, P2M_RAM_RO);
}

static void p2m_set_survives_accessed_and_dirty_bits(void **state)
{
    struct fake_hv *f = *state;
    struct domain *d = f->d[1];
    mfn_t t = d->p2m_root, m = p2m_lookup(d, GFN(3), NULL);

    for (int l = 3; l >= 0; l--) { /* as the processor would */
        uint64_t *table = plat_frame(f->p, t);
        uint64_t *e = &table[l == 0 ? 3 : 0];

        *e |= PTE_A | (l == 0 ? PTE_D : 0);
        t.v = (*e & PTE_ADDR_MASK) >> PAGE_SHIFT;
    }
    assert_int_equal(p2m_lookup(d, GFN(3), NULL).v, m.v);
    assert_int_equal(p2m_clear(d, GFN(3)), 0);
    assert_int_equal(page_of(f->hv, m)->refs, 1);
}

static bool count(void *ctx, gfn_t gfn, mfn_t mfn, enum p2m_type type)
{
    uint64_t *c = ctx;

    (void)mfn;
    (void)type;
    assert_true(c[0] == 0 || gfn.v > c[1]);
    c[0]++;
    c[1] = gfn.v;
    return gfn.v == 1ULL << 27;
}

static void p2m_walk_ascends_and_stops(void **state)
{
    struct fake_hv *f = *state;
    struct domain *d = f->d[1];
    uint64_t c[2] = { 0 };

    for (unsigned i = 9; i < 28; i += 2) {
        assert_int_equal(p2m_set(d, GFN(1ULL << i), page_alloc_domain(d, 0),
                                 P2M_RAM_RW),
                         0);
    }
    assert_int_equal(p2m_walk(d, GFN(0), count, c).v, 1ULL << 27);
    assert_int_equal(c[0], FAKE_GUEST_PAGES + 10);
    c[0] = 0;
    assert_int_equal(p2m_walk(d, GFN((1ULL << 27) + 1), count, c).v, ~0ULL);
    assert_int_equal(c[0], 0);
}

static void p2m_tables_are_bounded(void **state)
{
    struct fake_hv *f = *state;
    struct domain *d = f->d[1];
    mfn_t m = page_alloc_domain(d, 0);
    uint64_t g = 0;
    int rc = 0;

    while (rc == 0 && g < HV_MAX_PHYSMAP_GFN) {
        g += PTES_PER_PAGE;
        rc = p2m_set(d, GFN(g), m, P2M_RAM_RW);
    }
    assert_int_equal(rc, -XEN_ENOMEM);
    assert_true(d->p2m_tables <= P2M_TABLES_BASE + 1);
    assert_true(page_free_count(f->hv) > 1000);
}

static void p2m_flush_asks_running_cpus_out_before_the_last_put(void **state)
{
    struct fake_hv *f = *state;

    f->v[1]->running_on = 3;
    f->p->left_guest = 0;
    assert_int_equal(p2m_clear(f->d[1], GFN(1)), 0);
    assert_int_equal(f->p->left_guest, 1u << 3);
    f->v[1]->running_on = -1;
}

/* -- gmem and walks ------------------------------------------------------- */

static void gmem_phys_crosses_pages_and_faults_on_holes(void **state)
{
    struct fake_hv *f = *state;
    uint8_t out[6000], in[6000];

    for (size_t i = 0; i < sizeof(out); i++) {
        out[i] = (uint8_t)(i * 7);
    }
    assert_int_equal(gmem_write_phys(f->d[1], GADDR(0xff0), out, 6000), 0);
    assert_int_equal(gmem_read_phys(f->d[1], GADDR(0xff0), in, 6000), 0);
    assert_memory_equal(in, out, 6000);
    assert_int_equal(gmem_read_phys(f->d[1],
                                    GADDR(FAKE_GUEST_PAGES * PAGE_SIZE - 4),
                                    in, 8),
                     -XEN_EFAULT);
    assert_int_equal(gmem_read_phys(f->d[1], GADDR(~0ULL - 3), in, 8),
                     -XEN_EFAULT);
}

static void gmem_frame_bits_are_numbered_as_bitmaps(void **state)
{
    struct fake_hv *f = *state;
    mfn_t m = p2m_lookup(f->d[1], GFN(2), NULL);

    assert_false(gmem_frame_test_and_set_bit(f->hv, m, 512, 77));
    assert_true(gmem_frame_test_and_set_bit(f->hv, m, 512, 77));
    assert_int_equal(gmem_frame_read64(f->hv, m, 520), 1ULL << 13);
    assert_true(gmem_frame_test_and_clear_bit(f->hv, m, 512, 77));
    assert_int_equal(gmem_frame_read64(f->hv, m, 520), 0);
}

#define T4 0x10000ULL
#define T3 0x11000ULL
#define T2 0x12000ULL
#define T1 0x13000ULL
#define VA 0xffff800000200000ULL /* indices 256, 0, 1, 0 */

static void put_entry(struct fake_hv *f, uint64_t table, unsigned i,
                      uint64_t e)
{
    fake_poke(f, 1, table + i * 8, &e, 8);
}

static uint64_t get_entry(struct fake_hv *f, uint64_t table, unsigned i)
{
    uint64_t e;

    fake_peek(f, 1, table + i * 8, &e, 8);
    return e;
}

/* VA -> 4 KiB page 0x20000 through four levels. */
static void paging_on(struct fake_hv *f)
{
    f->state.cr0 = CR0_PE | CR0_PG | CR0_WP;
    f->state.cr4 = CR4_PAE;
    f->state.efer = EFER_LME | EFER_LMA | EFER_NX;
    f->state.cr3 = T4;
    put_entry(f, T4, 256, T3 | PTE_P | PTE_W);
    put_entry(f, T3, 0, T2 | PTE_P | PTE_W);
    put_entry(f, T2, 1, T1 | PTE_P | PTE_W);
    put_entry(f, T1, 0, 0x20000 | PTE_P | PTE_W);
}

static int touch(struct fake_hv *f, uint64_t va, bool write)
{
    uint64_t x = 0x1122334455667788;

    return write ? gmem_copy_to(f->v[1], GVA(va), &x, 8)
                 : gmem_copy_from(f->v[1], &x, GVA(va), 8);
}

static void walk_sets_accessed_and_dirty(void **state)
{
    struct fake_hv *f = *state;
    uint64_t x;

    paging_on(f);
    assert_int_equal(touch(f, VA + 8, false), 0);
    assert_int_equal(get_entry(f, T1, 0) & (PTE_A | PTE_D), PTE_A);
    assert_int_equal(get_entry(f, T4, 256) & (PTE_A | PTE_D), PTE_A);
    assert_int_equal(touch(f, VA + 8, true), 0);
    assert_int_equal(get_entry(f, T1, 0) & (PTE_A | PTE_D), PTE_A | PTE_D);
    fake_peek(f, 1, 0x20008, &x, 8);
    assert_int_equal(x, 0x1122334455667788);
    assert_int_equal(touch(f, VA + 0xffc, false), -XEN_EFAULT); /* crosses */
}

static void walk_refuses_what_the_processor_refuses(void **state)
{
    struct fake_hv *f = *state;

    paging_on(f);
    assert_int_equal(touch(f, 0x0000800000200000, false), -XEN_EFAULT);
    assert_int_equal(touch(f, ~0ULL - 3, false), -XEN_EFAULT);
    put_entry(f, T1, 0, 0x20000 | PTE_P);
    assert_int_equal(touch(f, VA, false), 0);
    assert_int_equal(touch(f, VA, true), -XEN_EFAULT);
    f->state.cr0 &= ~CR0_WP;
    assert_int_equal(touch(f, VA, true), 0);
    put_entry(f, T1, 0, 0x20000 | PTE_P | PTE_W | PTE_NX);
    assert_int_equal(touch(f, VA, false), 0);
    f->state.efer &= ~EFER_NX;
    assert_int_equal(touch(f, VA, false), -XEN_EFAULT);
    put_entry(f, T1, 0, 0x20000 | PTE_W);
    assert_int_equal(touch(f, VA, false), -XEN_EFAULT);
    f->state.efer = 0; /* legacy paging: not served */
    assert_int_equal(touch(f, VA, false), -XEN_EFAULT);
}

static void walk_honours_smap(void **state)
{
    struct fake_hv *f = *state;

    paging_on(f);
    put_entry(f, T4, 256, T3 | PTE_P | PTE_W | PTE_U);
    put_entry(f, T3, 0, T2 | PTE_P | PTE_W | PTE_U);
    put_entry(f, T2, 1, T1 | PTE_P | PTE_W | PTE_U);
    put_entry(f, T1, 0, 0x20000 | PTE_P | PTE_W | PTE_U);
    assert_int_equal(touch(f, VA, true), 0);
    f->state.cr4 |= CR4_SMAP;
    assert_int_equal(touch(f, VA, true), -XEN_EFAULT);
    f->state.rflags = 1u << 18; /* AC: stac */
    assert_int_equal(touch(f, VA, true), 0);
}

static void walk_takes_large_pages(void **state)
{
    struct fake_hv *f = *state;
    uint64_t x;

    paging_on(f);
    put_entry(f, T2, 1, 0 | PTE_P | PTE_W | PTE_PS);
    assert_int_equal(touch(f, VA + 0x20010, true), 0);
    fake_peek(f, 1, 0x20010, &x, 8);
    assert_int_equal(x, 0x1122334455667788);
    put_entry(f, T2, 1, 0x2000 | PTE_P | PTE_W | PTE_PS);
    assert_int_equal(touch(f, VA + 0x20010, true), -XEN_EFAULT);
    put_entry(f, T3, 0, 0 | PTE_P | PTE_W | PTE_PS);
    assert_int_equal(touch(f, VA - 0x200000 + 0x20018, true), 0);
    put_entry(f, T4, 256, 0 | PTE_P | PTE_W | PTE_PS);
    assert_int_equal(touch(f, VA, true), -XEN_EFAULT);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(page_init_counts_ram_and_keeps_off_holes),
        T(page_alloc_hv_is_zeroed_aligned_and_merges_back),
        T(page_alloc_runs_out_cleanly),
        T(page_alloc_domain_stops_at_max_pages),
        T(page_is_freed_by_its_last_put_and_zeroed_for_the_next),
        T(page_reference_overflow_is_refused),
        T(page_put_of_the_allocation_reference_is_an_assertion),
        T(domain_with_frames_outlives_its_destruction),
        T(destroyed_domains_give_back_every_frame),
        T(p2m_set_takes_and_clear_drops_references),
        T(p2m_set_refuses_what_is_not_the_domains),
        T(p2m_entries_are_what_the_processor_walks),
        T(p2m_set_survives_accessed_and_dirty_bits),
        T(p2m_walk_ascends_and_stops),
        T(p2m_tables_are_bounded),
        T(p2m_flush_asks_running_cpus_out_before_the_last_put),
        T(gmem_phys_crosses_pages_and_faults_on_holes),
        T(gmem_frame_bits_are_numbered_as_bitmaps),
        T(walk_sets_accessed_and_dirty),
        T(walk_refuses_what_the_processor_refuses),
        T(walk_honours_smap),
        T(walk_takes_large_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
