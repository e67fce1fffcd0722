/*
 * grant_table_op: dispatch with continuation, and the operations on the table
 * itself (setup, sizes, versions, swap). Source of the rules: grant_table.h.
 *
 * Invariants:
 *  1. A batch is continued with what is left of it: pointer advanced past the
 *     elements done, count reduced by them.
 *  2. Another domain's table is looked at or grown only with
 *     access_check(ACCESS_MANAGE).
 */
#include "hv/gnttab.h"

#include "hv/access.h"
#include "hv/domain.h"
#include "hv/gmem.h"
#include "hv/gnttab_core.h"
#include "hv/hv.h"
#include "hv/hypercall.h"
#include "hv/page.h"

#define GNTTABOP_CMD_MASK 0xfffu /* Xen keeps the rest to itself */
#define GNTTAB_VERSION 1

/* The domain an operation names, referenced; or NULL and why. */
static struct domain *target(struct vcpu *v, domid_t domid, int16_t *status)
{
    struct domain *d = domain_get_id(v, domid);

    *status = GNTST_okay;
    if (d == NULL) {
        *status = GNTST_bad_domain;
    } else if (access_check(v->domain, ACCESS_MANAGE, d) != 0) {
        *status = GNTST_permission_denied;
        domain_put(d);
        d = NULL;
    }
    return d;
}

/* -- setup_table, get_status_frames, query_size --------------------------- */

static int16_t setup_fill(struct vcpu *v, struct domain *d,
                          const struct gnttab_setup_table *op)
{
    int16_t status = GNTST_okay;

    if (op->nr_frames > d->gnttab.max_frames ||
        gnttab_grow(d, op->nr_frames) != 0) {
        return GNTST_general_error;
    }
    for (unsigned i = 0; i < op->nr_frames; i++) {
        /* Translated: where the frame is mapped, ~0 nowhere. */
        xen_pfn_t gfn = page_of(d->hv, d->gnttab.shared[i])->gfn;
        gva_t at = GVA((uintptr_t)op->frame_list.p + i * sizeof(gfn));

        if (gmem_copy_to(v, at, &gfn, sizeof(gfn)) != 0) {
            status = GNTST_bad_virt_addr;
        }
    }
    return status;
}

static long setup_table(struct vcpu *v, gva_t arg, unsigned count)
{
    struct gnttab_setup_table op;
    struct domain *d;

    if (count != 1) {
        return -XEN_EINVAL;
    }
    if (gmem_copy_from(v, &op, arg, sizeof(op)) != 0) {
        return -XEN_EFAULT;
    }
    d = target(v, op.dom, &op.status);
    if (d != NULL) {
        op.status = setup_fill(v, d, &op);
        domain_put(d);
    }
    arg.v += offsetof(struct gnttab_setup_table, status);
    return gmem_copy_to(v, arg, &op.status, sizeof(op.status));
}

static long get_status_frames(struct vcpu *v, gva_t arg, unsigned count)
{
    struct gnttab_get_status_frames op;
    struct domain *d;

    if (count != 1) {
        return -XEN_EINVAL;
    }
    if (gmem_copy_from(v, &op, arg, sizeof(op)) != 0) {
        return -XEN_EFAULT;
    }
    d = target(v, op.dom, &op.status);
    if (d != NULL) {
        /* Version 1 has no status frames. */
        op.status = op.nr_frames > 0 ? GNTST_general_error : GNTST_okay;
        domain_put(d);
    }
    arg.v += offsetof(struct gnttab_get_status_frames, status);
    return gmem_copy_to(v, arg, &op.status, sizeof(op.status));
}

static long query_size(struct vcpu *v, gva_t arg, unsigned count)
{
    struct gnttab_query_size op;
    struct domain *d;

    if (count != 1) {
        return -XEN_EINVAL;
    }
    if (gmem_copy_from(v, &op, arg, sizeof(op)) != 0) {
        return -XEN_EFAULT;
    }
    d = target(v, op.dom, &op.status);
    if (d != NULL) {
        op.nr_frames = d->gnttab.nr_frames;
        op.max_nr_frames = d->gnttab.max_frames;
        domain_put(d);
    }
    return gmem_copy_to(v, arg, &op, sizeof(op));
}

/* -- Versions ------------------------------------------------------------- */

static long set_version(struct vcpu *v, gva_t arg)
{
    struct gnttab_set_version op;
    long rc = 0;

    if (gmem_copy_from(v, &op, arg, sizeof(op)) != 0) {
        return -XEN_EFAULT;
    }
    if (op.version != 1 && op.version != 2) {
        rc = -XEN_EINVAL;
    } else if (op.version != GNTTAB_VERSION) {
        rc = -XEN_ENOSYS; /* as Xen with a maximum version of 1 */
    }
    op.version = GNTTAB_VERSION;
    return gmem_copy_to(v, arg, &op, sizeof(op)) != 0 ? -XEN_EFAULT : rc;
}

static long get_version(struct vcpu *v, gva_t arg)
{
    struct gnttab_get_version op;
    struct domain *d;
    long rc;

    if (gmem_copy_from(v, &op, arg, sizeof(op)) != 0) {
        return -XEN_EFAULT;
    }
    d = domain_get_id(v, op.dom);
    if (d == NULL) {
        return -XEN_ESRCH;
    }
    rc = access_check(v->domain, ACCESS_MANAGE, d);
    domain_put(d);
    if (rc != 0) {
        return rc;
    }
    op.version = GNTTAB_VERSION;
    arg.v += offsetof(struct gnttab_get_version, version);
    return gmem_copy_to(v, arg, &op.version, sizeof(op.version));
}

/* -- swap_grant_ref ------------------------------------------------------- */

static bool entry_pinned(struct domain *d, uint32_t ref)
{
    const struct grant_active *act = gnttab_active(d, ref);

    return act->read_pins + act->write_pins > 0;
}

static int16_t swap_one(struct domain *d,
                        const struct gnttab_swap_grant_ref *op)
{
    const unsigned size = sizeof(struct grant_entry_v1);
    uint32_t nr = gnttab_nr_entries(d), a = op->ref_a, b = op->ref_b;
    mfn_t *shared = d->gnttab.shared;
    struct grant_entry_v1 ea, eb;

    if (a >= nr || b >= nr) {
        return GNTST_bad_gntref;
    }
    if (a == b) {
        return GNTST_okay;
    }
    if (entry_pinned(d, a) || entry_pinned(d, b)) {
        return GNTST_eagain;
    }
    gmem_frame_read(d->hv, shared[a / GRANTS_PER_FRAME],
                    a % GRANTS_PER_FRAME * size, &ea, size);
    gmem_frame_read(d->hv, shared[b / GRANTS_PER_FRAME],
                    b % GRANTS_PER_FRAME * size, &eb, size);
    gmem_frame_write(d->hv, shared[a / GRANTS_PER_FRAME],
                     a % GRANTS_PER_FRAME * size, &eb, size);
    gmem_frame_write(d->hv, shared[b / GRANTS_PER_FRAME],
                     b % GRANTS_PER_FRAME * size, &ea, size);
    return GNTST_okay;
}

static long swap_batch(struct vcpu *v, gva_t arg, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct gnttab_swap_grant_ref op;
        gva_t at = gnttab_elem(arg, i, sizeof(op));

        if (i != 0 && hypercall_preempt(v)) {
            return i;
        }
        if (gmem_copy_from(v, &op, at, sizeof(op)) != 0) {
            return -XEN_EFAULT;
        }
        op.status = swap_one(v->domain, &op);
        at.v += offsetof(struct gnttab_swap_grant_ref, status);
        if (gmem_copy_to(v, at, &op.status, sizeof(op.status)) != 0) {
            return -XEN_EFAULT;
        }
    }
    return 0;
}

/* -- Refused ones --------------------------------------------------------- */

/* grant_table.h: "only PV guests can use this operation". The page can't be
 * stolen from a translated domain and stays the caller's. */
static int16_t transfer_one(struct domain *d,
                            const struct gnttab_transfer *op)
{
    return mfn_valid(p2m_lookup(d, GFN(op->mfn), NULL)) ? GNTST_general_error
                                                        : GNTST_bad_page;
}

static long transfer_batch(struct vcpu *v, gva_t arg, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct gnttab_transfer op;
        gva_t at = gnttab_elem(arg, i, sizeof(op));

        if (i != 0 && hypercall_preempt(v)) {
            return i;
        }
        if (gmem_copy_from(v, &op, at, sizeof(op)) != 0) {
            return -XEN_EFAULT;
        }
        op.status = transfer_one(v->domain, &op);
        at.v += offsetof(struct gnttab_transfer, status);
        if (gmem_copy_to(v, at, &op.status, sizeof(op.status)) != 0) {
            return -XEN_EFAULT;
        }
    }
    return 0;
}

/* No cache maintenance is offered: x86 guests have coherent caches. */
static long cache_flush(struct vcpu *v, gva_t arg, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct gnttab_cache_flush op;

        if (i != 0 && hypercall_preempt(v)) {
            return i;
        }
        if (gmem_copy_from(v, &op, gnttab_elem(arg, i, sizeof(op)),
                           sizeof(op)) != 0) {
            return -XEN_EFAULT;
        }
        if (op.offset >= PAGE_SIZE || op.length > PAGE_SIZE ||
            (uint32_t)op.offset + op.length > PAGE_SIZE ||
            (op.op & ~(GNTTAB_CACHE_INVAL | GNTTAB_CACHE_CLEAN |
                       GNTTAB_CACHE_SOURCE_GREF))) {
            return -XEN_EINVAL;
        }
        if (op.length != 0 && op.op != 0) {
            return -XEN_EOPNOTSUPP;
        }
    }
    return 0;
}

/* -- Dispatch ------------------------------------------------------------- */

static size_t element_size(unsigned cmd)
{
    switch (cmd) {
    case GNTTABOP_map_grant_ref:
        return sizeof(struct gnttab_map_grant_ref);
    case GNTTABOP_unmap_grant_ref:
        return sizeof(struct gnttab_unmap_grant_ref);
    case GNTTABOP_transfer:
        return sizeof(struct gnttab_transfer);
    case GNTTABOP_copy:
        return sizeof(struct gnttab_copy);
    case GNTTABOP_swap_grant_ref:
        return sizeof(struct gnttab_swap_grant_ref);
    default:
        return sizeof(struct gnttab_cache_flush);
    }
}

static long dispatch(struct vcpu *v, unsigned cmd, gva_t arg, unsigned count)
{
    switch (cmd) {
    case GNTTABOP_map_grant_ref:
        return gnttab_map_batch(v, arg, count);
    case GNTTABOP_unmap_grant_ref:
        return gnttab_unmap_batch(v, arg, count);
    case GNTTABOP_setup_table:
        return setup_table(v, arg, count);
    case GNTTABOP_transfer:
        return transfer_batch(v, arg, count);
    case GNTTABOP_copy:
        return gnttab_copy_batch(v, arg, count);
    case GNTTABOP_query_size:
        return query_size(v, arg, count);
    case GNTTABOP_set_version:
        return set_version(v, arg);
    case GNTTABOP_get_status_frames:
        return get_status_frames(v, arg, count);
    case GNTTABOP_get_version:
        return get_version(v, arg);
    case GNTTABOP_swap_grant_ref:
        return swap_batch(v, arg, count);
    case GNTTABOP_cache_flush:
        return cache_flush(v, arg, count);
    /* unmap_and_replace moves page-table entries: for PV guests, and Xen says
     * the same to the others; dump_table is gone. */
    case GNTTABOP_unmap_and_replace:
    default:
        return -XEN_ENOSYS;
    }
}

long gnttab_op(struct vcpu *v, unsigned cmd, gva_t arg, unsigned count)
{
    long rc;

    if ((int)count < 0) {
        return -XEN_EINVAL;
    }
    if (cmd & ~GNTTABOP_CMD_MASK) { /* cache_flush's continuations only */
        return (cmd & GNTTABOP_CMD_MASK) == GNTTABOP_cache_flush
                   ? -XEN_ENOSYS
                   : -XEN_EINVAL;
    }
    rc = dispatch(v, cmd, arg, count);
    if (rc > 0) {
        uint64_t done = (uint64_t)rc;
        uint64_t args[5] = { cmd, arg.v + done * element_size(cmd),
                             count - done };

        ASSERT(v->domain->hv, done < count);
        rc = hypercall_continue(v, __HYPERVISOR_grant_table_op, args);
    }
    return rc;
}
