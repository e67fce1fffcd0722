/*
 * Machine memory: who owns each frame, how many references hold it, and
 * which type it is used as.
 *
 * Invariants (checked by ASSERT in page.c and from outside by the oracle):
 *  1. A frame with refs == 0 is free, owned by nobody, and holds no type.
 *  2. A frame is given back to the allocator only by the page_put() that
 *     drops its last reference; until then its owner does not change
 *     (but for a steal: memory exchange).
 *  3. Every mapping of a frame in a domain's p2m holds one reference, and,
 *     when writable, one PGT_writable type reference.
 *  4. A frame given to a guest is zero at that moment.
 *
 * A domain's own frame carries one reference for being allocated
 * (PGF_ALLOCATED), dropped by decrease_reservation or teardown.
 *
 * The list from d->page_list holds exactly the frames with PGF_ALLOCATED: a
 * frame leaves it in page_release_allocation(), so a teardown that releases
 * the head until the list is empty ends. Frames are counted in tot_pages (or
 * hv_pages) until their last reference drops. While that sum is not 0 the
 * domain holds one reference to itself, taken with the first frame and put
 * with the last: page_put() may free the owner.
 */
#ifndef HV_PAGE_H
#define HV_PAGE_H

#include "hv/types.h"

struct hv;
struct domain;

#define PAGE_OWNER_NONE 0xffff /* free */
#define PAGE_OWNER_HV 0xfffe   /* hypervisor-private: never in a p2m */

enum page_type { PGT_none, PGT_writable };

#define PGF_ALLOCATED 0x1 /* the owner's allocation reference is held */
#define PGF_SHARED 0x2    /* hypervisor-allocated, guest-writable: shared_info,
                             grant frames; owner is the domain it serves;
                             not counted in tot_pages, no PGF_ALLOCATED game
                             by guests */

struct page_info {
    uint32_t refs;
    uint32_t type_refs;
    uint16_t owner; /* slot in hv->domains, or PAGE_OWNER_* */
    uint8_t type;   /* enum page_type; meaningful when type_refs > 0 */
    uint8_t flags;  /* PGF_* */
    uint8_t order;  /* free list use: order of the free block headed here */
    uint8_t free_head;
    uint16_t pad;
    uint32_t next, prev; /* owner's list, or free list; mfn, ~0 ends */
    uint64_t gfn;        /* last gfn the owner mapped it at, ~0 none (M2P) */
};

#define PAGE_NIL 0xffffffffu
#define PAGE_MAX_ORDER 10

/* Takes over all of plat_mem_range() but the frames of hv itself
 * (hv->self_mfn, hv->self_frames). Called once by hv_create(). */
void page_init(struct hv *hv);

/* Frames [0, page_limit()) have a page_info; the others do not exist. */
uint64_t page_limit(struct hv *hv);

struct page_info *page_of(struct hv *hv, mfn_t mfn); /* mfn must exist */
bool page_exists(struct hv *hv, mfn_t mfn);          /* RAM of the machine */
uint64_t page_free_count(struct hv *hv);
uint64_t page_total_count(struct hv *hv);

/* Hypervisor-private, zeroed, 2^order contiguous frames. INVALID_MFN when
 * memory is out. */
mfn_t page_alloc_hv(struct hv *hv, unsigned order);
void page_free_hv(struct hv *hv, mfn_t mfn, unsigned order);

/* A zeroed frame block for domain d: each frame gets refs 1, PGF_ALLOCATED,
 * joins d's page list and tot_pages. Fails with INVALID_MFN when d has no
 * room below max_pages, is dying, or memory is out. */
mfn_t page_alloc_domain(struct domain *d, unsigned order);

/* A zeroed PGF_SHARED frame serving d: refs 1 (the hypervisor's own). */
mfn_t page_alloc_shared(struct domain *d);

/* Takes a reference if the frame is owned by d. False otherwise, also when
 * the count would overflow. */
bool page_get(struct domain *d, mfn_t mfn);
/* Takes a reference whoever owns it; false when free or hypervisor-private.
 */
bool page_get_any(struct hv *hv, mfn_t mfn);
void page_put(struct hv *hv, mfn_t mfn);

bool page_get_type(struct hv *hv, mfn_t mfn, enum page_type type);
void page_put_type(struct hv *hv, mfn_t mfn);

/* Drops the allocation reference exactly once: true if this call did. */
bool page_release_allocation(struct hv *hv, mfn_t mfn);

#endif
