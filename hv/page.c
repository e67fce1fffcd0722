/*
 * Machine memory: the frame table, a buddy allocator over it, and the
 * owner, reference and type accounting of page.h.
 *
 *   not RAM   (order PAGE_NOT_RAM: holes and what the platform keeps)
 *   FREE      --page_alloc_hv-->     HV       --page_free_hv--> FREE
 *   FREE      --page_alloc_domain--> OWNED, PGF_ALLOCATED, on the list
 *   FREE      --page_alloc_shared--> OWNED, PGF_SHARED
 *   OWNED     --last page_put-->     FREE
 *
 * Invariants (those of page.h, and):
 *  5. A free block of order n starts at a multiple of 2^n, is headed by a
 *     frame with free_head set, and no two buddies are both free heads of one
 *     order.
 *  6. hv->free_pages is the sum of the free blocks.
 *  7. Lists are ordered by operations alone, never by addresses of the host:
 *     the same calls give the same frames.
 */
#include "hv/page.h"

#include "hv/domain.h"
#include "hv/hv.h"
#include "hv/lib.h"

#define PAGE_NOT_RAM 0xff
/* One below overflow is far enough from it: nobody holds 2^31 of anything. */
#define PAGE_REFS_MAX 0x7fffffffu

static struct page_info *frame_table(struct hv *hv)
{
    return plat_frame(hv->plat, hv->frame_table_mfn);
}

static struct page_info *info(struct hv *hv, uint64_t mfn)
{
    return &frame_table(hv)[mfn];
}

/* -- Buddy allocator ------------------------------------------------------ */

static void free_list_push(struct hv *hv, uint64_t mfn, unsigned order)
{
    struct page_info *pg = info(hv, mfn);

    pg->free_head = 1;
    pg->order = (uint8_t)order;
    pg->prev = PAGE_NIL;
    pg->next = hv->free_list[order];
    if (pg->next != PAGE_NIL) {
        info(hv, pg->next)->prev = (uint32_t)mfn;
    }
    hv->free_list[order] = (uint32_t)mfn;
}

static void free_list_remove(struct hv *hv, uint64_t mfn)
{
    struct page_info *pg = info(hv, mfn);

    if (pg->prev != PAGE_NIL) {
        info(hv, pg->prev)->next = pg->next;
    } else {
        hv->free_list[pg->order] = pg->next;
    }
    if (pg->next != PAGE_NIL) {
        info(hv, pg->next)->prev = pg->prev;
    }
    pg->free_head = 0;
    pg->order = 0;
    pg->next = pg->prev = PAGE_NIL;
}

static void block_free(struct hv *hv, uint64_t mfn, unsigned order)
{
    hv->free_pages += 1UL << order;
    while (order < PAGE_MAX_ORDER) {
        uint64_t buddy = mfn ^ (1UL << order);
        struct page_info *pg;

        if (buddy >= hv->max_mfn) {
            break;
        }
        pg = info(hv, buddy);
        if (!pg->free_head || pg->order != order) {
            break;
        }
        free_list_remove(hv, buddy);
        mfn &= ~(1UL << order);
        order++;
    }
    free_list_push(hv, mfn, order);
}

static mfn_t block_alloc(struct hv *hv, unsigned order)
{
    unsigned o = order;
    uint64_t mfn;

    while (o <= PAGE_MAX_ORDER && hv->free_list[o] == PAGE_NIL) {
        o++;
    }
    if (o > PAGE_MAX_ORDER) {
        return INVALID_MFN;
    }
    mfn = hv->free_list[o];
    free_list_remove(hv, mfn);
    while (o > order) {
        o--;
        free_list_push(hv, mfn + (1UL << o), o);
    }
    hv->free_pages -= 1UL << order;
    for (uint64_t i = 0; i < 1UL << order; i++) {
        ASSERT(hv, info(hv, mfn + i)->refs == 0);
    }
    /* page.h, invariant 4; nobody else can reach the block yet */
    memset(plat_frame(hv->plat, MFN(mfn)), 0, PAGE_SIZE << order);
    return MFN(mfn);
}

static void info_reset(struct page_info *pg)
{
    *pg = (struct page_info){ .owner = PAGE_OWNER_NONE,
                              .next = PAGE_NIL,
                              .prev = PAGE_NIL,
                              .gfn = ~0ULL };
}

/* -- Start ---------------------------------------------------------------- */

/* First frame of [start, end) where nr frames fit beside hv's own. */
static uint64_t place_beside(struct hv *hv, uint64_t start, uint64_t end,
                             uint64_t nr)
{
    uint64_t self = hv->self_mfn.v;
    uint64_t self_end = self + hv->self_frames;

    if (hv->self_frames > 0 && start < self_end && self < start + nr) {
        start = self_end;
    }
    return start < end && end - start >= nr ? start : ~0ULL;
}

static void place_frame_table(struct hv *hv, uint64_t nr)
{
    mfn_t start;
    uint64_t len;

    hv->frame_table_mfn = INVALID_MFN;
    for (unsigned i = 0; plat_mem_range(hv->plat, i, &start, &len); i++) {
        hv->frame_table_mfn.v =
            place_beside(hv, start.v, start.v + len, nr);
        if (mfn_valid(hv->frame_table_mfn)) {
            return;
        }
    }
    ASSERT(hv, !"memory for the frame table");
}

static bool reserved(struct hv *hv, uint64_t mfn, uint64_t table_frames)
{
    return mfn - hv->self_mfn.v < hv->self_frames ||
           mfn - hv->frame_table_mfn.v < table_frames;
}

static void add_range(struct hv *hv, uint64_t start, uint64_t nr,
                      uint64_t table_frames)
{
    for (uint64_t i = nr; i-- > 0;) { /* descending: low frames go first */
        struct page_info *pg = info(hv, start + i);

        ASSERT(hv, pg->order == PAGE_NOT_RAM); /* ranges are disjoint */
        info_reset(pg);
        hv->total_pages++;
        if (reserved(hv, start + i, table_frames)) {
            pg->owner = PAGE_OWNER_HV;
            pg->refs = 1;
        } else {
            block_free(hv, start + i, 0);
        }
    }
}

void page_init(struct hv *hv)
{
    uint64_t table_frames, nr;
    mfn_t start;
    unsigned ranges = 0;

    hv->max_mfn = 0;
    while (plat_mem_range(hv->plat, ranges, &start, &nr)) {
        hv->max_mfn = start.v + nr;
        ranges++;
    }
    ASSERT(hv, hv->max_mfn < PAGE_NIL);
    table_frames =
        (hv->max_mfn * sizeof(struct page_info) + PAGE_SIZE - 1) / PAGE_SIZE;
    place_frame_table(hv, table_frames);
    for (uint64_t m = 0; m < hv->max_mfn; m++) {
        info_reset(info(hv, m));
        info(hv, m)->order = PAGE_NOT_RAM;
    }
    for (unsigned o = 0; o <= PAGE_MAX_ORDER; o++) {
        hv->free_list[o] = PAGE_NIL;
    }
    hv->free_pages = hv->total_pages = 0;
    while (ranges-- > 0) {
        plat_mem_range(hv->plat, ranges, &start, &nr);
        add_range(hv, start.v, nr, table_frames);
    }
}

/* -- Looking -------------------------------------------------------------- */

uint64_t page_limit(struct hv *hv)
{
    return hv->max_mfn;
}

bool page_exists(struct hv *hv, mfn_t mfn)
{
    return mfn.v < hv->max_mfn && info(hv, mfn.v)->order != PAGE_NOT_RAM;
}

struct page_info *page_of(struct hv *hv, mfn_t mfn)
{
    ASSERT(hv, page_exists(hv, mfn));
    return info(hv, mfn.v);
}

uint64_t page_free_count(struct hv *hv)
{
    return hv->free_pages;
}

uint64_t page_total_count(struct hv *hv)
{
    return hv->total_pages;
}

/* -- Hypervisor-private frames -------------------------------------------- */

mfn_t page_alloc_hv(struct hv *hv, unsigned order)
{
    mfn_t mfn;

    ASSERT(hv, order <= PAGE_MAX_ORDER);
    mfn = block_alloc(hv, order);
    if (mfn_valid(mfn)) {
        for (uint64_t i = 0; i < 1UL << order; i++) {
            info(hv, mfn.v + i)->owner = PAGE_OWNER_HV;
            info(hv, mfn.v + i)->refs = 1;
        }
    }
    return mfn;
}

void page_free_hv(struct hv *hv, mfn_t mfn, unsigned order)
{
    for (uint64_t i = 0; i < 1UL << order; i++) {
        struct page_info *pg = page_of(hv, MFN(mfn.v + i));

        ASSERT(hv, pg->owner == PAGE_OWNER_HV && pg->refs == 1);
        info_reset(pg);
    }
    block_free(hv, mfn.v, order);
}

/* -- A domain's frames ---------------------------------------------------- */

/* domain.h, invariant 3: one reference while the domain has frames. */
static void account(struct domain *d, uint64_t tot, uint64_t shared)
{
    if (d->tot_pages + d->hv_pages == 0) {
        d->refs++;
    }
    d->tot_pages += tot;
    d->hv_pages += shared;
}

static void list_add(struct domain *d, uint64_t mfn)
{
    struct page_info *pg = info(d->hv, mfn);

    pg->prev = PAGE_NIL;
    pg->next = d->page_list;
    if (pg->next != PAGE_NIL) {
        info(d->hv, pg->next)->prev = (uint32_t)mfn;
    }
    d->page_list = (uint32_t)mfn;
}

static void list_remove(struct domain *d, uint64_t mfn)
{
    struct page_info *pg = info(d->hv, mfn);

    if (pg->prev != PAGE_NIL) {
        info(d->hv, pg->prev)->next = pg->next;
    } else {
        ASSERT(d->hv, d->page_list == mfn);
        d->page_list = pg->next;
    }
    if (pg->next != PAGE_NIL) {
        info(d->hv, pg->next)->prev = pg->prev;
    }
    pg->next = pg->prev = PAGE_NIL;
}

mfn_t page_alloc_domain(struct domain *d, unsigned order)
{
    struct hv *hv = d->hv;
    uint64_t nr = 1UL << order;
    mfn_t mfn;

    if (order > PAGE_MAX_ORDER || d->dying != DOMDYING_alive ||
        d->tot_pages > d->max_pages || d->max_pages - d->tot_pages < nr) {
        return INVALID_MFN;
    }
    mfn = block_alloc(hv, order);
    if (!mfn_valid(mfn)) {
        return mfn;
    }
    account(d, nr, 0);
    for (uint64_t i = nr; i-- > 0;) { /* the list then ascends */
        struct page_info *pg = info(hv, mfn.v + i);

        pg->owner = (uint16_t)d->slot;
        pg->refs = 1;
        pg->flags = PGF_ALLOCATED;
        list_add(d, mfn.v + i);
    }
    return mfn;
}

mfn_t page_alloc_shared(struct domain *d)
{
    mfn_t mfn = block_alloc(d->hv, 0);

    if (mfn_valid(mfn)) {
        struct page_info *pg = info(d->hv, mfn.v);

        account(d, 0, 1);
        pg->owner = (uint16_t)d->slot;
        pg->refs = 1;
        pg->flags = PGF_SHARED;
    }
    return mfn;
}

bool page_release_allocation(struct hv *hv, mfn_t mfn)
{
    struct page_info *pg = page_of(hv, mfn);

    if (!(pg->flags & PGF_ALLOCATED)) {
        return false;
    }
    ASSERT(hv, pg->refs > 0);
    pg->flags &= (uint8_t)~PGF_ALLOCATED;
    list_remove(hv->domains[pg->owner], mfn.v);
    page_put(hv, mfn);
    return true;
}

/* -- References ----------------------------------------------------------- */

bool page_get(struct domain *d, mfn_t mfn)
{
    return page_exists(d->hv, mfn) &&
           info(d->hv, mfn.v)->owner == d->slot && page_get_any(d->hv, mfn);
}

bool page_get_any(struct hv *hv, mfn_t mfn)
{
    struct page_info *pg;

    if (!page_exists(hv, mfn)) {
        return false;
    }
    pg = info(hv, mfn.v);
    if (pg->owner == PAGE_OWNER_NONE || pg->owner == PAGE_OWNER_HV ||
        pg->refs >= PAGE_REFS_MAX) {
        return false;
    }
    ASSERT(hv, pg->refs > 0);
    pg->refs++;
    return true;
}

static void domain_frame_free(struct hv *hv, mfn_t mfn)
{
    struct page_info *pg = info(hv, mfn.v);
    struct domain *d = hv->domains[pg->owner];

    /* Each mapping and the allocation hold references: none is left. */
    ASSERT(hv, !(pg->flags & PGF_ALLOCATED) && pg->type_refs == 0);
    ASSERT(hv, d != NULL && d->slot == pg->owner);
    if (pg->flags & PGF_SHARED) {
        ASSERT(hv, d->hv_pages > 0);
        d->hv_pages--;
    } else {
        ASSERT(hv, d->tot_pages > 0);
        d->tot_pages--;
    }
    info_reset(pg);
    block_free(hv, mfn.v, 0);
    if (d->tot_pages + d->hv_pages == 0) {
        domain_put(d);
    }
}

void page_put(struct hv *hv, mfn_t mfn)
{
    struct page_info *pg = page_of(hv, mfn);

    ASSERT(hv, pg->refs > 0 && pg->owner < HV_MAX_DOMAINS);
    pg->refs--;
    if (pg->refs == 0) {
        domain_frame_free(hv, mfn);
    }
}

bool page_get_type(struct hv *hv, mfn_t mfn, enum page_type type)
{
    struct page_info *pg = page_of(hv, mfn);

    ASSERT(hv, type != PGT_none && pg->refs > 0);
    if (pg->type_refs > 0 && pg->type != type) {
        return false;
    }
    if (pg->type_refs >= PAGE_REFS_MAX) {
        return false;
    }
    pg->type = (uint8_t)type;
    pg->type_refs++;
    return true;
}

void page_put_type(struct hv *hv, mfn_t mfn)
{
    struct page_info *pg = page_of(hv, mfn);

    ASSERT(hv, pg->type_refs > 0 && pg->refs > 0);
    pg->type_refs--;
    if (pg->type_refs == 0) {
        pg->type = PGT_none;
    }
}
