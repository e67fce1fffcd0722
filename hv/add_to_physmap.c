/*
 * XENMEM_add_to_physmap, its batched form, and XENMEM_remove_from_physmap.
 * Source of the rules: memory.h; order of checks and error codes as Xen 4.17.
 *
 * Invariants:
 *  1. An own frame, or a shared one that serves the domain, is mapped at one
 *     gfn at most through here: adding it elsewhere moves it.
 *  2. Grant mappings are not removed or replaced here; the grant table does
 *     that.
 *  3. A foreign mapping is made only by who may manage the foreign domain,
 *     and holds a reference on the foreign frame.
 */
#include "hv/memory.h"

#include "hv/access.h"
#include "hv/domain.h"
#include "hv/gmem.h"
#include "hv/gnttab.h"
#include "hv/hv.h"
#include "hv/hypercall.h"
#include "hv/p2m.h"
#include "hv/page.h"

/* The slot is wanted for the own frame mfn (INVALID_MFN: a foreign one):
 * takes away what is there. Shared frames are unhooked; RAM is freed, not
 * leaked; the same frame is left alone; grant and foreign mappings stay. */
static int slot_make_free(struct domain *d, gfn_t gfn, mfn_t mfn)
{
    enum p2m_type type;
    mfn_t prev = p2m_lookup(d, gfn, &type);

    if (!mfn_valid(prev)) {
        return 0;
    }
    if (p2m_type_own(type) && (page_of(d->hv, prev)->flags & PGF_SHARED)) {
        return p2m_clear(d, gfn);
    }
    return p2m_type_own(type) && mfn_eq(prev, mfn)
               ? 0
               : memory_remove_page(d, gfn);
}

/* Takes a reference on the frame that space/idx names, for the caller to put:
 * INVALID_MFN when there is none. */
static mfn_t source_get(struct domain *d, unsigned space, uint64_t idx)
{
    enum p2m_type type;
    mfn_t mfn = INVALID_MFN;

    switch (space) {
    case XENMAPSPACE_shared_info:
        mfn = idx == 0 ? d->shared_info : INVALID_MFN;
        break;
    case XENMAPSPACE_grant_table:
        /* Status frames are version 2's: out of range, like any such. */
        mfn = idx < HV_MAX_GRANT_FRAMES
                  ? gnttab_shared_frame(d, (unsigned)idx)
                  : INVALID_MFN;
        break;
    case XENMAPSPACE_gmfn:
        mfn = p2m_lookup(d, GFN(idx), &type);
        if (!p2m_type_own(type)) {
            mfn = INVALID_MFN;
        }
        break;
    default:
        break;
    }
    return mfn_valid(mfn) && page_get(d, mfn) ? mfn : INVALID_MFN;
}

static int add_own(struct domain *d, unsigned space, uint64_t idx, gfn_t gfn)
{
    mfn_t mfn = source_get(d, space, idx);
    uint64_t old;
    int rc;

    if (!mfn_valid(mfn)) {
        return -XEN_EINVAL;
    }
    rc = gfn.v < HV_MAX_PHYSMAP_GFN ? slot_make_free(d, gfn, mfn)
                                    : -XEN_EINVAL;
    old = page_of(d->hv, mfn)->gfn;
    if (rc == 0 && space == XENMAPSPACE_gmfn && old != idx) {
        rc = -XEN_EXDEV;
    }
    if (rc == 0 && old != ~0ULL && old != gfn.v) {
        rc = p2m_clear(d, GFN(old));
    }
    if (rc == 0) {
        rc = p2m_set(d, gfn, mfn, P2M_RAM_RW);
    }
    page_put(d->hv, mfn);
    return rc;
}

/* XENMAPSPACE_gmfn_foreign: a frame of fdom into d. */
static int foreign_map(struct domain *d, struct domain *fdom, uint64_t idx,
                       gfn_t gfn)
{
    enum p2m_type type;
    mfn_t mfn;
    int rc;

    if (d == fdom) {
        return -XEN_EINVAL;
    }
    rc = access_check(d, ACCESS_MANAGE, fdom);
    if (rc != 0) {
        return rc;
    }
    if (gfn.v >= HV_MAX_PHYSMAP_GFN || fdom->dying != DOMDYING_alive) {
        return -XEN_EINVAL;
    }
    mfn = p2m_get_page(fdom, GFN(idx), true, &type);
    if (!mfn_valid(mfn)) {
        return -XEN_EINVAL;
    }
    rc = p2m_type_own(type) ? slot_make_free(d, gfn, INVALID_MFN)
                            : -XEN_EINVAL;
    if (rc == 0) {
        rc = p2m_set(d, gfn, mfn, P2M_FOREIGN_RW);
    }
    page_put(d->hv, mfn);
    return rc;
}

static int add_foreign(struct vcpu *v, struct domain *d, domid_t domid,
                       uint64_t idx, gfn_t gfn)
{
    struct domain *fdom = domain_get(d->hv, domid);
    int rc;

    if (fdom == NULL) {
        return -XEN_ESRCH;
    }
    rc = fdom == v->domain ? -XEN_EPERM : foreign_map(d, fdom, idx, gfn);
    domain_put(fdom);
    return rc;
}

/* -- XENMEM_add_to_physmap ------------------------------------------------ */

/* XENMAPSPACE_gmfn_range: 0, an error, or how many are done so far. */
static long add_range(struct vcpu *v, struct domain *d,
                      const struct xen_add_to_physmap *x, uint64_t start)
{
    if (x->size < start) {
        return -XEN_EILSEQ;
    }
    for (uint64_t i = start; i < x->size; i++) {
        int rc = add_own(d, XENMAPSPACE_gmfn, x->idx + i, GFN(x->gpfn + i));

        if (rc != 0) {
            return rc;
        }
        if (i + 1 < x->size && hypercall_preempt(v)) {
            return (long)(i + 1);
        }
    }
    return 0;
}

static long continue_at(struct vcpu *v, uint64_t op, gva_t arg, long done)
{
    uint64_t args[5] = { op | (uint64_t)done << MEMOP_EXTENT_SHIFT, arg.v };

    return hypercall_continue(v, __HYPERVISOR_memory_op, args);
}

long memory_add_to_physmap(struct vcpu *v, gva_t arg, uint64_t start)
{
    struct xen_add_to_physmap x;
    struct domain *d;
    long rc;

    if (start != (uint16_t)start) { /* more than x.size can say */
        return -XEN_EDOM;
    }
    if (gmem_copy_from(v, &x, arg, sizeof(x)) != 0) {
        return -XEN_EFAULT;
    }
    if (x.space == XENMAPSPACE_gmfn_foreign) { /* batch only */
        return -XEN_ENOSYS;
    }
    d = domain_get_id(v, x.domid);
    if (d == NULL) {
        return -XEN_ESRCH;
    }
    rc = access_check(v->domain, ACCESS_MANAGE, d);
    if (rc == 0 && d->dying != DOMDYING_alive) {
        rc = -XEN_EINVAL; /* its physmap only shrinks */
    }
    if (rc == 0) {
        rc = x.space == XENMAPSPACE_gmfn_range
                 ? add_range(v, d, &x, start)
                 : add_own(d, x.space, x.idx, GFN(x.gpfn));
    }
    domain_put(d);
    return rc > 0 ? continue_at(v, XENMEM_add_to_physmap, arg, rc) : rc;
}

/* -- XENMEM_add_to_physmap_batch ------------------------------------------ */

static int batch_one(struct vcpu *v, struct domain *d,
                     const struct xen_add_to_physmap_batch *b, uint64_t i)
{
    uint64_t idxs = (uintptr_t)b->idxs.p, gpfns = (uintptr_t)b->gpfns.p;
    uint64_t errs = (uintptr_t)b->errs.p;
    xen_ulong_t idx;
    xen_pfn_t gpfn;
    int rc;

    if (gmem_copy_from(v, &idx, GVA(idxs + i * sizeof(idx)), sizeof(idx)) ||
        gmem_copy_from(v, &gpfn, GVA(gpfns + i * sizeof(gpfn)),
                       sizeof(gpfn))) {
        return -XEN_EFAULT;
    }
    rc = b->space == XENMAPSPACE_gmfn_foreign
             ? add_foreign(v, d, b->u.foreign_domid, idx, GFN(gpfn))
             : add_own(d, b->space, idx, GFN(gpfn));
    return gmem_copy_to(v, GVA(errs + i * sizeof(rc)), &rc, sizeof(rc));
}

static long batch(struct vcpu *v, struct domain *d,
                  const struct xen_add_to_physmap_batch *b, uint64_t start)
{
    if (b->size < start) {
        return -XEN_EILSEQ;
    }
    for (uint64_t i = start; i < b->size; i++) {
        int rc = batch_one(v, d, b, i);

        if (rc != 0) {
            return rc;
        }
        if (i + 1 < b->size && hypercall_preempt(v)) {
            return (long)(i + 1);
        }
    }
    return 0;
}

long memory_add_to_physmap_batch(struct vcpu *v, gva_t arg, uint64_t start)
{
    struct xen_add_to_physmap_batch b;
    struct domain *d;
    long rc;

    if (start != (uint16_t)start) {
        return -XEN_EDOM;
    }
    if (gmem_copy_from(v, &b, arg, sizeof(b)) != 0) {
        return -XEN_EFAULT;
    }
    if (b.space == XENMAPSPACE_gmfn_range) {
        return -XEN_EOPNOTSUPP;
    }
    d = domain_get_id(v, b.domid);
    if (d == NULL) {
        return -XEN_ESRCH;
    }
    rc = access_check(v->domain, ACCESS_MANAGE, d);
    if (rc == 0 && d->dying != DOMDYING_alive) {
        rc = -XEN_EINVAL;
    }
    if (rc == 0) {
        rc = batch(v, d, &b, start);
    }
    domain_put(d);
    return rc > 0 ? continue_at(v, XENMEM_add_to_physmap_batch, arg, rc)
                  : rc;
}

/* -- XENMEM_remove_from_physmap ------------------------------------------- */

long memory_remove_from_physmap(struct vcpu *v, gva_t arg)
{
    struct xen_remove_from_physmap x;
    enum p2m_type type;
    struct domain *d;
    long rc;

    if (gmem_copy_from(v, &x, arg, sizeof(x)) != 0) {
        return -XEN_EFAULT;
    }
    d = domain_get_id(v, x.domid);
    if (d == NULL) {
        return -XEN_ESRCH;
    }
    rc = access_check(v->domain, ACCESS_MANAGE, d);
    if (rc == 0) {
        p2m_lookup(d, GFN(x.gpfn), &type);
        rc = type == P2M_NONE || p2m_type_grant(type)
                 ? -XEN_ENOENT
                 : p2m_clear(d, GFN(x.gpfn));
    }
    domain_put(d);
    return rc;
}
