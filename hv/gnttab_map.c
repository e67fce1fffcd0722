/*
 * GNTTABOP_map_grant_ref and GNTTABOP_unmap_grant_ref for translated domains:
 * host_addr is a guest-physical address, and the mapping a p2m entry.
 *
 * Invariants:
 *  1. A live handle has one p2m entry of a grant type at its gfn, on its mfn,
 *     and one pin on (domid, ref), of the kind its flags say. Nothing else
 *     removes that entry: memory_op refuses to.
 *  2. What kind of mapping an unmap takes down is read from the handle, never
 *     from the guest's request.
 *  3. The p2m entry is gone from every TLB before the pin is.
 */
#include "hv/gnttab_core.h"

#include "hv/domain.h"
#include "hv/gmem.h"
#include "hv/hv.h"
#include "hv/hypercall.h"
#include "hv/memory.h"
#include "hv/p2m.h"
#include "hv/page.h"

/* -- Handles -------------------------------------------------------------- */

static bool maptrack_grow(struct domain *d)
{
    struct gnttab *gt = &d->gnttab;
    unsigned frame = gt->nr_maptrack / MAPTRACK_PER_FRAME;
    uint32_t first = gt->nr_maptrack;

    if (frame >= gt->max_maptrack_frames) {
        return false;
    }
    gt->maptrack[frame] = page_alloc_hv(d->hv, 0);
    if (!mfn_valid(gt->maptrack[frame])) {
        return false;
    }
    gt->nr_maptrack += MAPTRACK_PER_FRAME;
    for (uint32_t h = gt->nr_maptrack; h-- > first;) {
        gnttab_maptrack_rw(d, h)->next_free = gt->maptrack_free;
        gt->maptrack_free = h;
    }
    return true;
}

static uint32_t handle_get(struct domain *d)
{
    struct gnttab *gt = &d->gnttab;
    uint32_t handle;

    if (gt->maptrack_free == MAPTRACK_NIL && !maptrack_grow(d)) {
        return MAPTRACK_NIL;
    }
    handle = gt->maptrack_free;
    gt->maptrack_free = gnttab_maptrack_rw(d, handle)->next_free;
    gt->maptrack_live++;
    return handle;
}

static void handle_put(struct domain *d, uint32_t handle)
{
    struct maptrack *m = gnttab_maptrack_rw(d, handle);

    *m = (struct maptrack){ .next_free = d->gnttab.maptrack_free };
    d->gnttab.maptrack_free = handle;
    ASSERT(d->hv, d->gnttab.maptrack_live > 0);
    d->gnttab.maptrack_live--;
}

/* -- Map ------------------------------------------------------------------ */

/* The p2m side of a mapping whose entry is pinned. */
static int16_t host_map(struct domain *ld, struct domain *rd,
                        const struct gnttab_map_grant_ref *op, mfn_t mfn)
{
    gfn_t gfn = gaddr_to_gfn(GADDR(op->host_addr));
    unsigned off = op->ref % GRANTS_PER_FRAME * sizeof(struct grant_entry_v1);
    uint16_t flags = gmem_frame_read16(
        rd->hv, rd->gnttab.shared[op->ref / GRANTS_PER_FRAME], off);

    if (flags & (GTF_PWT | GTF_PCD | GTF_PAT)) {
        return GNTST_general_error; /* no cache attributes in a p2m */
    }
    if (memory_gfn_special(ld, gfn)) {
        /* As Xen: such an entry has an owner that would not hear of it. */
        domain_crash(ld, "grant mapped over a grant or foreign mapping");
        return GNTST_general_error;
    }
    return p2m_set(ld, gfn, mfn,
                   op->flags & GNTMAP_readonly ? P2M_GRANT_RO
                                               : P2M_GRANT_RW) == 0
               ? GNTST_okay
               : GNTST_general_error;
}

static int16_t map_from(struct domain *ld, struct domain *rd,
                        struct gnttab_map_grant_ref *op)
{
    bool readonly = op->flags & GNTMAP_readonly;
    uint32_t handle;
    mfn_t mfn;
    int16_t rc;

    handle = handle_get(ld);
    if (handle == MAPTRACK_NIL) {
        return GNTST_no_space;
    }
    rc = gnttab_pin(rd, op->ref, ld->domid, readonly, true);
    if (rc != GNTST_okay) {
        handle_put(ld, handle);
        return rc;
    }
    mfn = MFN(gnttab_active(rd, op->ref)->mfn);
    rc = host_map(ld, rd, op, mfn);
    if (rc != GNTST_okay) {
        gnttab_unpin(rd, op->ref, mfn, readonly);
        handle_put(ld, handle);
        return rc;
    }
    *gnttab_maptrack_rw(ld, handle) =
        (struct maptrack){ .ref = op->ref,
                           .domid = rd->domid,
                           .flags = (uint16_t)(op->flags &
                                               (GNTMAP_host_map |
                                                GNTMAP_readonly)),
                           .gfn = op->host_addr >> PAGE_SHIFT,
                           .mfn = mfn.v };
    op->handle = handle;
    op->dev_bus_addr = mfn_to_maddr(mfn, 0).v;
    return GNTST_okay;
}

static int16_t map_one(struct vcpu *v, struct gnttab_map_grant_ref *op)
{
    struct domain *rd;
    int16_t rc;

    if (!(op->flags & (GNTMAP_device_map | GNTMAP_host_map))) {
        return GNTST_bad_gntref;
    }
    if (op->flags & (GNTMAP_device_map | GNTMAP_application_map |
                     GNTMAP_contains_pte)) {
        return GNTST_general_error; /* of no use to a translated domain */
    }
    rd = domain_get(v->domain->hv, op->dom);
    if (rd == NULL) {
        return GNTST_bad_domain;
    }
    rc = rd->dying != DOMDYING_alive ? GNTST_bad_domain
                                     : map_from(v->domain, rd, op);
    domain_put(rd);
    return rc;
}

long gnttab_map_batch(struct vcpu *v, gva_t arg, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct gnttab_map_grant_ref op;
        gva_t at = gnttab_elem(arg, i, sizeof(op));

        if (i != 0 && hypercall_preempt(v)) {
            return i;
        }
        if (gmem_copy_from(v, &op, at, sizeof(op)) != 0) {
            return -XEN_EFAULT;
        }
        op.status = map_one(v, &op);
        if (gmem_copy_to(v, at, &op, sizeof(op)) != 0) {
            return -XEN_EFAULT;
        }
    }
    return 0;
}

/* -- Unmap ---------------------------------------------------------------- */

void gnttab_drop_handle(struct domain *d, uint32_t handle)
{
    struct maptrack m = *gnttab_maptrack_rw(d, handle);
    struct domain *rd = domain_get(d->hv, m.domid);
    enum p2m_type type;

    /* The pin's page reference keeps the granter listed. */
    ASSERT(d->hv, m.flags != 0 && rd != NULL);
    if (p2m_lookup(d, GFN(m.gfn), &type).v == m.mfn && p2m_type_grant(type)) {
        p2m_clear(d, GFN(m.gfn));
    }
    handle_put(d, handle);
    gnttab_unpin(rd, m.ref, MFN(m.mfn), m.flags & GNTMAP_readonly);
    domain_put(rd);
}

static int16_t unmap_one(struct domain *ld,
                         const struct gnttab_unmap_grant_ref *op)
{
    const struct maptrack *m = gnttab_maptrack(ld, op->handle);
    enum p2m_type type;

    if (m == NULL || m->flags == 0) {
        return GNTST_bad_handle;
    }
    if (op->host_addr == 0) {
        return GNTST_okay; /* grant_table.h: a zero field is ignored */
    }
    /* dev_bus_addr matters to device mappings, which don't exist here. */
    if (op->host_addr >> PAGE_SHIFT != m->gfn ||
        p2m_lookup(ld, GFN(m->gfn), &type).v != m->mfn ||
        !p2m_type_grant(type)) {
        return GNTST_general_error;
    }
    gnttab_drop_handle(ld, op->handle);
    return GNTST_okay;
}

long gnttab_unmap_batch(struct vcpu *v, gva_t arg, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct gnttab_unmap_grant_ref op;
        gva_t at = gnttab_elem(arg, i, sizeof(op));

        if (i != 0 && hypercall_preempt(v)) {
            return i;
        }
        if (gmem_copy_from(v, &op, at, sizeof(op)) != 0) {
            return -XEN_EFAULT;
        }
        op.status = unmap_one(v->domain, &op);
        at.v += offsetof(struct gnttab_unmap_grant_ref, status);
        if (gmem_copy_to(v, at, &op.status, sizeof(op.status)) != 0) {
            return -XEN_EFAULT;
        }
    }
    return 0;
}
