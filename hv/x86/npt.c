/*
 * The p2m as AMD nested page tables: four levels of legacy long-mode entries
 * (APM2 15.25.5), 4 KiB leaves, the p2m type in bits 58:52, which the
 * processor ignores in a four-level walk (APM2 5.4.1: available). Nested
 * walks are user accesses (APM2 15.25.5), so every entry has U.
 *
 *   leaf:  absent --p2m_set--> present --p2m_set--> present (other)
 *          present --p2m_clear, p2m_teardown--> absent
 *
 * Invariants:
 *  1. Tables are hypervisor-private frames. The processor sets accessed and
 *     dirty bits in them at any time, so entries are read and exchanged
 *     atomically, and the old value of an exchange is the one that counts.
 *  2. A present leaf holds one reference on its frame and, when writable, one
 *     writable type reference (page.h, invariant 3).
 *  3. The references of a former leaf are dropped only after p2m_flush_sync():
 *     until then a processor may still use it.
 *  4. The M2P (page_info.gfn) of an own frame names its last gfn, or none
 *     when that mapping is gone.
 *  5. A table is freed only in teardown, when no vCPU runs any more.
 */
#include "hv/p2m.h"

#include "hv/domain.h"
#include "hv/hv.h"
#include "hv/page.h"

#define NPT_LEVELS 4
#define NPT_TYPE_SHIFT 52
#define NPT_TYPE_MASK (0x7fULL << NPT_TYPE_SHIFT)
#define NPT_TABLE (PTE_P | PTE_W | PTE_U)
/* Leaf tables (512 gfns each) that one call of p2m_teardown() takes down. */
#define NPT_TEARDOWN_TABLES 2

_Static_assert(P2M_TYPES <= 128, "7 bits");

/* -- Entries -------------------------------------------------------------- */

static uint64_t *table(struct domain *d, mfn_t mfn)
{
    return plat_frame(d->hv->plat, mfn);
}

static uint64_t entry_read(const uint64_t *e)
{
    return __atomic_load_n(e, __ATOMIC_ACQUIRE);
}

static uint64_t entry_swap(uint64_t *e, uint64_t value)
{
    return __atomic_exchange_n(e, value, __ATOMIC_SEQ_CST);
}

static mfn_t entry_mfn(uint64_t e)
{
    return MFN((e & PTE_ADDR_MASK) >> PAGE_SHIFT);
}

static enum p2m_type entry_type(uint64_t e)
{
    return e & PTE_P ? (enum p2m_type)((e & NPT_TYPE_MASK) >> NPT_TYPE_SHIFT)
                     : P2M_NONE;
}

static uint64_t leaf(mfn_t mfn, enum p2m_type type)
{
    return PTE_P | PTE_U | (p2m_type_writable(type) ? PTE_W : 0) |
           (uint64_t)type << NPT_TYPE_SHIFT | mfn.v << PAGE_SHIFT;
}

static unsigned index_of(uint64_t gfn, unsigned level)
{
    return (gfn >> (9 * level)) & (PTES_PER_PAGE - 1);
}

/* -- Tables --------------------------------------------------------------- */

int p2m_create(struct domain *d)
{
    d->p2m_root = page_alloc_hv(d->hv, 0);
    if (!mfn_valid(d->p2m_root)) {
        return -XEN_ENOMEM;
    }
    d->p2m_tables = 1;
    d->p2m_max_gfn = 0;
    d->p2m_teardown_cursor = 0;
    return 0;
}

static bool table_may_grow(const struct domain *d)
{
    return d->p2m_tables <
           P2M_TABLES_BASE + d->max_pages / (PTES_PER_PAGE / 4);
}

/* The table of `level` (0: leaves) that gfn's entry is in, NULL if there is
 * none; `grow` makes what is missing, then NULL is out of memory. */
static uint64_t *table_for(struct domain *d, uint64_t gfn, unsigned level,
                           bool grow)
{
    mfn_t mfn = d->p2m_root;

    if (!mfn_valid(mfn)) {
        return NULL;
    }
    for (unsigned l = NPT_LEVELS - 1; l > level; l--) {
        uint64_t *e = &table(d, mfn)[index_of(gfn, l)];
        uint64_t value = entry_read(e);

        if (!(value & PTE_P)) {
            if (!grow || !table_may_grow(d)) {
                return NULL;
            }
            mfn = page_alloc_hv(d->hv, 0);
            if (!mfn_valid(mfn)) {
                return NULL;
            }
            d->p2m_tables++;
            entry_swap(e, mfn.v << PAGE_SHIFT | NPT_TABLE);
        } else {
            mfn = entry_mfn(value);
        }
    }
    return table(d, mfn);
}

static uint64_t *leaf_for(struct domain *d, uint64_t gfn, bool grow)
{
    uint64_t *t = table_for(d, gfn, 0, grow);

    return t == NULL ? NULL : &t[index_of(gfn, 0)];
}

/* -- References ----------------------------------------------------------- */

static bool refs_take(struct domain *d, mfn_t mfn, enum p2m_type type)
{
    struct hv *hv = d->hv;

    if (p2m_type_own(type) ? !page_get(d, mfn) : !page_get_any(hv, mfn)) {
        return false;
    }
    if (p2m_type_writable(type) && !page_get_type(hv, mfn, PGT_writable)) {
        page_put(hv, mfn);
        return false;
    }
    return true;
}

static void refs_drop(struct domain *d, uint64_t old)
{
    if (p2m_type_writable(entry_type(old))) {
        page_put_type(d->hv, entry_mfn(old));
    }
    page_put(d->hv, entry_mfn(old));
}

/* The mapping of gfn by leaf `old` is no more. */
static void m2p_forget(struct domain *d, uint64_t gfn, uint64_t old)
{
    struct page_info *pg = page_of(d->hv, entry_mfn(old));

    if (p2m_type_own(entry_type(old)) && pg->gfn == gfn) {
        pg->gfn = ~0ULL;
    }
}

void p2m_flush_sync(struct domain *d)
{
    uint64_t mask = 0;

    for (unsigned i = 0; i < HV_MAX_VCPUS; i++) {
        struct vcpu *v = d->vcpus[i];

        if (v == NULL) {
            continue;
        }
        d->ops->flush_tlb(v);
        if (v->running_on >= 0) {
            mask |= 1ULL << v->running_on;
        }
    }
    if (mask != 0) {
        plat_leave_guest(d->hv->plat, mask);
    }
}

/* -- Changing ------------------------------------------------------------- */

int p2m_set(struct domain *d, gfn_t gfn, mfn_t mfn, enum p2m_type type)
{
    uint64_t *e, old;

    ASSERT(d->hv, type > P2M_NONE && type < P2M_TYPES);
    if (gfn.v >= HV_MAX_PHYSMAP_GFN) {
        return -XEN_EINVAL;
    }
    if (!refs_take(d, mfn, type)) {
        return -XEN_EBUSY;
    }
    e = leaf_for(d, gfn.v, true);
    if (e == NULL) {
        refs_drop(d, leaf(mfn, type));
        return -XEN_ENOMEM;
    }
    old = entry_swap(e, leaf(mfn, type));
    if (old & PTE_P) {
        p2m_flush_sync(d);
        m2p_forget(d, gfn.v, old);
    }
    if (p2m_type_own(type)) {
        page_of(d->hv, mfn)->gfn = gfn.v;
    }
    if (gfn.v > d->p2m_max_gfn) {
        d->p2m_max_gfn = gfn.v;
    }
    if (old & PTE_P) {
        refs_drop(d, old);
    }
    return 0;
}

int p2m_clear(struct domain *d, gfn_t gfn)
{
    uint64_t *e, old;

    if (gfn.v >= HV_MAX_PHYSMAP_GFN) {
        return -XEN_ENOENT;
    }
    e = leaf_for(d, gfn.v, false);
    if (e == NULL || !(entry_read(e) & PTE_P)) {
        return -XEN_ENOENT;
    }
    old = entry_swap(e, 0);
    p2m_flush_sync(d);
    m2p_forget(d, gfn.v, old);
    refs_drop(d, old);
    return 0;
}

/* -- Looking -------------------------------------------------------------- */

mfn_t p2m_lookup(struct domain *d, gfn_t gfn, enum p2m_type *type)
{
    uint64_t *e, value = 0;

    if (gfn.v < HV_MAX_PHYSMAP_GFN) {
        e = leaf_for(d, gfn.v, false);
        value = e == NULL ? 0 : entry_read(e);
    }
    if (type != NULL) {
        *type = entry_type(value);
    }
    return value & PTE_P ? entry_mfn(value) : INVALID_MFN;
}

mfn_t p2m_get_page(struct domain *d, gfn_t gfn, bool write,
                   enum p2m_type *type)
{
    enum p2m_type t;
    mfn_t mfn = p2m_lookup(d, gfn, &t);

    if (type != NULL) {
        *type = t;
    }
    if (!mfn_valid(mfn) || (write && !p2m_type_writable(t)) ||
        !page_get_any(d->hv, mfn)) {
        return INVALID_MFN;
    }
    return mfn;
}

gfn_t p2m_max_gfn(struct domain *d)
{
    return GFN(d->p2m_max_gfn);
}

/* The first gfn at or after `gfn` whose leaf table exists; that table in
 * *leaves, NULL at the end. */
static uint64_t next_leaves(struct domain *d, uint64_t gfn, uint64_t **leaves)
{
    *leaves = NULL;
    while (gfn <= d->p2m_max_gfn && *leaves == NULL) {
        unsigned l = NPT_LEVELS - 1;
        uint64_t span;

        while (l > 0 && table_for(d, gfn, l - 1, false) != NULL) {
            l--;
        }
        if (l == 0) {
            *leaves = table_for(d, gfn, 0, false);
        } else {
            span = 1ULL << (9 * l);
            gfn = (gfn & ~(span - 1)) + span;
        }
    }
    return gfn;
}

gfn_t p2m_walk(struct domain *d, gfn_t from,
               bool (*fn)(void *ctx, gfn_t gfn, mfn_t mfn,
                          enum p2m_type type),
               void *ctx)
{
    uint64_t gfn = from.v, *leaves;

    if (!mfn_valid(d->p2m_root)) {
        return INVALID_GFN;
    }
    for (;;) {
        gfn = next_leaves(d, gfn, &leaves);
        if (leaves == NULL) {
            return INVALID_GFN;
        }
        do {
            uint64_t e = entry_read(&leaves[index_of(gfn, 0)]);

            if ((e & PTE_P) &&
                fn(ctx, GFN(gfn), entry_mfn(e), entry_type(e))) {
                return GFN(gfn);
            }
            gfn++;
        } while (index_of(gfn, 0) != 0);
    }
}

/* -- Teardown ------------------------------------------------------------- */

/* Unmaps what a leaf table maps and gives the table back. */
static void leaves_drop(struct domain *d, uint64_t first, uint64_t *leaves)
{
    uint64_t old, *up = table_for(d, first, 1, false);

    for (unsigned i = 0; i < PTES_PER_PAGE; i++) {
        uint64_t e = entry_read(&leaves[i]);

        if (e & PTE_P) {
            /* Not present for the processor, still there for the next loop:
             * nobody runs this domain any more, but stay in order. */
            entry_swap(&leaves[i], e & ~PTE_P);
        }
    }
    old = entry_swap(&up[index_of(first, 1)], 0);
    p2m_flush_sync(d);
    for (unsigned i = 0; i < PTES_PER_PAGE; i++) {
        if (leaves[i] != 0) {
            m2p_forget(d, first + i, leaves[i] | PTE_P);
            refs_drop(d, leaves[i] | PTE_P);
        }
    }
    page_free_hv(d->hv, entry_mfn(old), 0);
    d->p2m_tables--;
}

int p2m_teardown(struct domain *d)
{
    uint64_t gfn = d->p2m_teardown_cursor, *leaves;

    if (!mfn_valid(d->p2m_root)) {
        return 0;
    }
    for (unsigned n = 0; n < NPT_TEARDOWN_TABLES; n++) {
        gfn = next_leaves(d, gfn, &leaves);
        if (leaves == NULL) {
            d->p2m_teardown_cursor = gfn;
            return 0;
        }
        gfn &= ~(uint64_t)(PTES_PER_PAGE - 1);
        leaves_drop(d, gfn, leaves);
        gfn += PTES_PER_PAGE;
    }
    d->p2m_teardown_cursor = gfn;
    return -XEN_ERESTART;
}

/* At most 1 + 2 + 1024 tables are left (HV_MAX_PHYSMAP_GFN). */
void p2m_free(struct domain *d)
{
    uint64_t *l4, *l3;

    if (!mfn_valid(d->p2m_root)) {
        return;
    }
    while (p2m_teardown(d) != 0) {
        /* a domain that never ran: its few tables go here */
    }
    l4 = table(d, d->p2m_root);
    for (unsigned i = 0; i < PTES_PER_PAGE; i++) {
        if (!(l4[i] & PTE_P)) {
            continue;
        }
        l3 = table(d, entry_mfn(l4[i]));
        for (unsigned j = 0; j < PTES_PER_PAGE; j++) {
            if (l3[j] & PTE_P) {
                page_free_hv(d->hv, entry_mfn(l3[j]), 0);
            }
        }
        page_free_hv(d->hv, entry_mfn(l4[i]), 0);
    }
    page_free_hv(d->hv, d->p2m_root, 0);
    d->p2m_root = INVALID_MFN;
    d->p2m_tables = 0;
}
