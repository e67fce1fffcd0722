/*
 * Grant tables: life of the tables, pinning of entries, dispatch. The
 * operations proper are in gnttab_op.c, _map.c and _copy.c. Source of the
 * rules: grant_table.h; order of checks and error codes as Xen 4.17 with
 * version 1 tables.
 *
 *   entry:  unpinned --gnttab_pin--> pinned (GTF_reading, perhaps GTF_writing)
 *           pinned   --gnttab_unpin, last--> unpinned (flags cleared)
 *   handle: free --gnttab_map_batch--> live --unmap, teardown--> free
 *
 * Invariants (those of gnttab.h, and):
 *  4. What pinning decides on is the guest's entry head as one compare-
 *     exchange saw it, and, once pinned, the active entry alone.
 *  5. active[] and maptrack[] frames are hypervisor-private and stay until
 *     gnttab_free().
 */
#include "hv/gnttab.h"

#include "hv/domain.h"
#include "hv/gmem.h"
#include "hv/gnttab_core.h"
#include "hv/hv.h"
#include "hv/p2m.h"
#include "hv/page.h"

#define ACTIVE_PER_FRAME 128
#define ACTIVE_FRAMES (GRANTS_PER_FRAME / ACTIVE_PER_FRAME)
#define INITIAL_GRANT_FRAMES 1
/* Handles that one call of gnttab_teardown() takes down. */
#define TEARDOWN_HANDLES 32
/* Attempts on an entry that its guest keeps changing. */
#define PIN_ATTEMPTS 5

_Static_assert(sizeof(struct grant_active) * ACTIVE_PER_FRAME == PAGE_SIZE,
               "one page");
_Static_assert(sizeof(struct maptrack) * MAPTRACK_PER_FRAME == PAGE_SIZE,
               "one page");
_Static_assert(sizeof(struct grant_entry_v1) * GRANTS_PER_FRAME == PAGE_SIZE,
               "one page");

/* -- Tables --------------------------------------------------------------- */

uint32_t gnttab_nr_entries(const struct domain *d)
{
    return d->gnttab.nr_frames * GRANTS_PER_FRAME;
}

struct grant_active *gnttab_active_rw(struct domain *d, uint32_t ref)
{
    struct grant_active *page;

    if (ref >= gnttab_nr_entries(d)) {
        return NULL;
    }
    page = plat_frame(d->hv->plat, d->gnttab.active[ref / ACTIVE_PER_FRAME]);
    return &page[ref % ACTIVE_PER_FRAME];
}

const struct grant_active *gnttab_active(struct domain *d, uint32_t ref)
{
    return gnttab_active_rw(d, ref);
}

struct maptrack *gnttab_maptrack_rw(struct domain *d, uint32_t handle)
{
    struct maptrack *page;

    if (handle >= d->gnttab.nr_maptrack) {
        return NULL;
    }
    page = plat_frame(d->hv->plat,
                      d->gnttab.maptrack[handle / MAPTRACK_PER_FRAME]);
    return &page[handle % MAPTRACK_PER_FRAME];
}

const struct maptrack *gnttab_maptrack(struct domain *d, uint32_t handle)
{
    return gnttab_maptrack_rw(d, handle);
}

static void frames_free(struct hv *hv, mfn_t *frames, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (mfn_valid(frames[i])) {
            page_free_hv(hv, frames[i], 0);
        }
        frames[i] = INVALID_MFN;
    }
}

static int add_frame(struct domain *d)
{
    struct gnttab *gt = &d->gnttab;
    mfn_t *active = &gt->active[gt->nr_frames * ACTIVE_FRAMES];
    mfn_t shared;

    for (unsigned i = 0; i < ACTIVE_FRAMES; i++) {
        active[i] = page_alloc_hv(d->hv, 0);
        if (!mfn_valid(active[i])) {
            frames_free(d->hv, active, i);
            return -XEN_ENOMEM;
        }
    }
    shared = page_alloc_shared(d);
    if (!mfn_valid(shared)) {
        frames_free(d->hv, active, ACTIVE_FRAMES);
        return -XEN_ENOMEM;
    }
    gt->shared[gt->nr_frames] = shared;
    gt->nr_frames++;
    return 0;
}

int gnttab_grow(struct domain *d, unsigned nr_frames)
{
    ASSERT(d->hv, nr_frames <= d->gnttab.max_frames);
    if (d->dying != DOMDYING_alive) {
        return -XEN_EINVAL;
    }
    while (d->gnttab.nr_frames < nr_frames) {
        int rc = add_frame(d);

        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

mfn_t gnttab_shared_frame(struct domain *d, unsigned idx)
{
    struct gnttab *gt = &d->gnttab;

    if (idx >= gt->nr_frames &&
        (idx >= gt->max_frames || gnttab_grow(d, idx + 1) != 0)) {
        return INVALID_MFN;
    }
    return gt->shared[idx];
}

int gnttab_create(struct domain *d)
{
    struct gnttab *gt = &d->gnttab;
    int rc;

    gt->nr_frames = gt->nr_maptrack = 0;
    gt->maptrack_free = MAPTRACK_NIL;
    gt->maptrack_live = gt->teardown_cursor = 0;
    for (unsigned i = 0; i < HV_MAX_GRANT_FRAMES; i++) {
        gt->shared[i] = INVALID_MFN;
    }
    for (unsigned i = 0; i < HV_MAX_GRANT_FRAMES * ACTIVE_FRAMES; i++) {
        gt->active[i] = INVALID_MFN;
    }
    for (unsigned i = 0; i < HV_MAX_MAPTRACK_FRAMES; i++) {
        gt->maptrack[i] = INVALID_MFN;
    }
    if (gt->max_frames < INITIAL_GRANT_FRAMES) {
        return -XEN_EINVAL;
    }
    if (gt->max_frames > HV_MAX_GRANT_FRAMES) {
        gt->max_frames = HV_MAX_GRANT_FRAMES;
    }
    if (gt->max_maptrack_frames > HV_MAX_MAPTRACK_FRAMES) {
        gt->max_maptrack_frames = HV_MAX_MAPTRACK_FRAMES;
    }
    rc = gnttab_grow(d, INITIAL_GRANT_FRAMES);
    if (rc != 0) {
        gnttab_free(d);
    }
    return rc;
}

static void shared_release(struct domain *d)
{
    struct gnttab *gt = &d->gnttab;

    for (unsigned i = 0; i < gt->nr_frames; i++) {
        mfn_t mfn = gt->shared[i];

        gt->shared[i] = INVALID_MFN;
        if (mfn_valid(mfn)) {
            page_put(d->hv, mfn);
        }
    }
}

int gnttab_teardown(struct domain *d)
{
    struct gnttab *gt = &d->gnttab;
    unsigned done = 0;

    for (; gt->teardown_cursor < gt->nr_maptrack; gt->teardown_cursor++) {
        if (gnttab_maptrack(d, gt->teardown_cursor)->flags == 0) {
            continue;
        }
        if (done == TEARDOWN_HANDLES) {
            return -XEN_ERESTART;
        }
        gnttab_drop_handle(d, gt->teardown_cursor);
        done++;
    }
    ASSERT(d->hv, gt->maptrack_live == 0);
    shared_release(d);
    return 0;
}

void gnttab_free(struct domain *d)
{
    struct gnttab *gt = &d->gnttab;

    shared_release(d);
    gt->nr_frames = gt->nr_maptrack = 0;
    gt->maptrack_free = MAPTRACK_NIL;
    frames_free(d->hv, gt->active, HV_MAX_GRANT_FRAMES * ACTIVE_FRAMES);
    frames_free(d->hv, gt->maptrack, HV_MAX_MAPTRACK_FRAMES);
}

/* -- Pinning -------------------------------------------------------------- */

/* Where the guest's entry is: frame and offset. */
static mfn_t entry_frame(struct domain *d, uint32_t ref, unsigned *off)
{
    *off = ref % GRANTS_PER_FRAME * sizeof(struct grant_entry_v1);
    return d->gnttab.shared[ref / GRANTS_PER_FRAME];
}

int16_t gnttab_own_frame(struct domain *d, uint64_t gfn, bool readonly,
                         mfn_t *mfn)
{
    enum p2m_type type;

    *mfn = p2m_get_page(d, GFN(gfn), !readonly, &type);
    if (mfn_valid(*mfn) && !p2m_type_own(type)) {
        /* What is itself a grant or foreign mapping can't be granted on. */
        page_put(d->hv, *mfn);
        *mfn = INVALID_MFN;
    }
    return mfn_valid(*mfn) ? GNTST_okay : GNTST_bad_page;
}

/* Marks the guest's entry as in use, if it permits that to grantee.
 * grant_table.h: "Introducing a valid entry into the grant table". */
static int16_t entry_mark(struct domain *d, uint32_t ref, uint16_t grantee,
                          bool pinned, bool readonly, bool map)
{
    uint32_t mask = GTF_type_mask | (map ? GTF_sub_page : 0);
    unsigned off;
    mfn_t frame = entry_frame(d, ref, &off);
    uint32_t head = gmem_frame_read32(d->hv, frame, off);

    for (unsigned i = 0; i < PIN_ATTEMPTS; i++) {
        uint32_t new = head | GTF_reading | (readonly ? 0 : GTF_writing);
        uint32_t was;

        /* flags in bits 15:0, domid in bits 31:16 */
        if (!pinned && ((head & mask) != GTF_permit_access ||
                        head >> 16 != grantee)) {
            return GNTST_general_error;
        }
        if (!readonly && (head & GTF_readonly)) {
            return GNTST_general_error;
        }
        was = (uint32_t)gmem_frame_cmpxchg(d->hv, frame, off, 4, head, new);
        if (was == head) {
            return GNTST_okay;
        }
        head = was;
    }
    return GNTST_general_error; /* the entry is unstable */
}

/* Clears the use flags that no pin stands for any more. */
static void entry_unmark(struct domain *d, uint32_t ref,
                         const struct grant_active *act)
{
    unsigned off;
    mfn_t frame = entry_frame(d, ref, &off);

    if (!mfn_valid(frame)) {
        return; /* the granter's teardown gave it back */
    }
    if (act->write_pins == 0) {
        gmem_frame_test_and_clear_bit(d->hv, frame, off, _GTF_writing);
        if (act->read_pins == 0) {
            gmem_frame_test_and_clear_bit(d->hv, frame, off, _GTF_reading);
        }
    }
}

/* The first pin: which frame the entry means. */
static int16_t first_pin(struct domain *rd, uint32_t ref, uint16_t grantee,
                         bool readonly, struct grant_active *act)
{
    unsigned off;
    mfn_t frame = entry_frame(rd, ref, &off), mfn;
    uint32_t gfn = gmem_frame_read32(
        rd->hv, frame, off + offsetof(struct grant_entry_v1, frame));
    int16_t rc = gnttab_own_frame(rd, gfn, readonly, &mfn);

    if (rc == GNTST_okay) {
        act->domid = grantee;
        act->gfn = gfn;
        act->mfn = mfn.v;
    }
    return rc;
}

int16_t gnttab_pin(struct domain *rd, uint32_t ref, uint16_t grantee,
                   bool readonly, bool map)
{
    struct grant_active *act = gnttab_active_rw(rd, ref);
    bool pinned;
    int16_t rc = GNTST_okay;

    if (act == NULL) {
        return GNTST_bad_gntref;
    }
    pinned = act->read_pins + act->write_pins > 0;
    if (pinned && (act->domid != grantee ||
                   (readonly ? act->read_pins : act->write_pins) >=
                       GRANT_PINS_MAX)) {
        return GNTST_general_error;
    }
    if (!mfn_valid(rd->gnttab.shared[ref / GRANTS_PER_FRAME])) {
        return GNTST_bad_gntref; /* torn down */
    }
    if (!pinned || (!readonly && act->write_pins == 0)) {
        rc = entry_mark(rd, ref, grantee, pinned, readonly, map);
        if (rc != GNTST_okay) {
            return rc;
        }
    }
    if (!pinned) {
        rc = first_pin(rd, ref, grantee, readonly, act);
    } else if (!page_get_any(rd->hv, MFN(act->mfn))) {
        rc = GNTST_general_error;
    }
    if (rc != GNTST_okay) {
        entry_unmark(rd, ref, act);
        return rc;
    }
    if (readonly) {
        act->read_pins++;
    } else {
        act->write_pins++;
    }
    return GNTST_okay;
}

void gnttab_unpin(struct domain *rd, uint32_t ref, mfn_t mfn, bool readonly)
{
    struct grant_active *act = gnttab_active_rw(rd, ref);

    if (act != NULL) {
        ASSERT(rd->hv, act->mfn == mfn.v);
        ASSERT(rd->hv, (readonly ? act->read_pins : act->write_pins) > 0);
        if (readonly) {
            act->read_pins--;
        } else {
            act->write_pins--;
        }
        entry_unmark(rd, ref, act);
    }
    page_put(rd->hv, mfn);
}
