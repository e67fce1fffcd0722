/*
 * GNTTABOP_copy: up to a page from a frame or grant to a frame or grant.
 *
 * Invariants:
 *  1. Both ends are claimed (a reference each, a pin for a grant, a writable
 *     type for the destination) before a byte moves, and released after.
 *  2. Offsets and length are judged in the width they can't overflow in.
 */
#include "hv/gnttab_core.h"

#include "hv/domain.h"
#include "hv/gmem.h"
#include "hv/hv.h"
#include "hv/hypercall.h"
#include "hv/page.h"

#define COPY_CHUNK 256 /* bytes that pass over the stack at once */

/* One end of a copy. */
struct copy_end {
    struct domain *d;
    bool grant, readonly;
    uint32_t ref;
    mfn_t mfn;
};

/* The domain: only one's own frames may be named without a grant. */
static int16_t end_domain(struct vcpu *v, const struct gnttab_copy_ptr *p,
                          bool grant, struct copy_end *end)
{
    if (p->domid != DOMID_SELF && !grant) {
        return GNTST_permission_denied;
    }
    end->grant = grant;
    end->d = p->domid == DOMID_SELF ? domain_get_id(v, DOMID_SELF)
                                    : domain_get(v->domain->hv, p->domid);
    return end->d == NULL ? GNTST_bad_domain : GNTST_okay;
}

static int16_t end_claim(struct vcpu *v, const struct gnttab_copy_ptr *p,
                         bool readonly, struct copy_end *end)
{
    struct hv *hv = v->domain->hv;
    int16_t rc;

    end->readonly = readonly;
    end->ref = p->u.ref;
    if (!end->grant) {
        rc = gnttab_own_frame(end->d, p->u.gmfn, readonly, &end->mfn);
    } else if (end->d->dying != DOMDYING_alive) {
        rc = GNTST_bad_domain;
    } else {
        rc = gnttab_pin(end->d, end->ref, v->domain->domid, readonly, false);
    }
    if (rc != GNTST_okay) {
        return rc;
    }
    if (end->grant) {
        end->mfn = MFN(gnttab_active(end->d, end->ref)->mfn);
    }
    if (!readonly && !page_get_type(hv, end->mfn, PGT_writable)) {
        if (end->grant) {
            gnttab_unpin(end->d, end->ref, end->mfn, readonly);
        } else {
            page_put(hv, end->mfn);
        }
        return GNTST_general_error;
    }
    return GNTST_okay;
}

static void end_release(struct hv *hv, struct copy_end *end)
{
    if (!end->readonly) {
        page_put_type(hv, end->mfn);
    }
    if (end->grant) {
        gnttab_unpin(end->d, end->ref, end->mfn, end->readonly);
    } else {
        page_put(hv, end->mfn);
    }
}

static void copy_bytes(struct hv *hv, mfn_t dst, unsigned dst_off, mfn_t src,
                       unsigned src_off, unsigned len)
{
    uint8_t chunk[COPY_CHUNK];

    while (len > 0) {
        unsigned part = len < sizeof(chunk) ? len : sizeof(chunk);

        gmem_frame_read(hv, src, src_off, chunk, part);
        gmem_frame_write(hv, dst, dst_off, chunk, part);
        src_off += part;
        dst_off += part;
        len -= part;
    }
}

static int16_t copy_claimed(struct vcpu *v, const struct gnttab_copy *op,
                            struct copy_end *src, struct copy_end *dst)
{
    struct hv *hv = v->domain->hv;
    int16_t rc = end_claim(v, &op->source, true, src);

    if (rc != GNTST_okay) {
        return rc;
    }
    rc = end_claim(v, &op->dest, false, dst);
    if (rc == GNTST_okay) {
        if ((uint32_t)op->source.offset + op->len > PAGE_SIZE ||
            (uint32_t)op->dest.offset + op->len > PAGE_SIZE) {
            rc = GNTST_bad_copy_arg;
        } else {
            copy_bytes(hv, dst->mfn, op->dest.offset, src->mfn,
                       op->source.offset, op->len);
        }
        end_release(hv, dst);
    }
    end_release(hv, src);
    return rc;
}

static int16_t copy_one(struct vcpu *v, const struct gnttab_copy *op)
{
    struct copy_end src, dst;
    int16_t rc;

    rc = end_domain(v, &op->source, op->flags & GNTCOPY_source_gref, &src);
    if (rc != GNTST_okay) {
        return rc;
    }
    rc = end_domain(v, &op->dest, op->flags & GNTCOPY_dest_gref, &dst);
    if (rc == GNTST_okay) {
        rc = copy_claimed(v, op, &src, &dst);
        domain_put(dst.d);
    }
    domain_put(src.d);
    return rc;
}

long gnttab_copy_batch(struct vcpu *v, gva_t arg, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct gnttab_copy op;
        gva_t at = gnttab_elem(arg, i, sizeof(op));

        if (i != 0 && hypercall_preempt(v)) {
            return i;
        }
        if (gmem_copy_from(v, &op, at, sizeof(op)) != 0) {
            return -XEN_EFAULT;
        }
        op.status = copy_one(v, &op);
        at.v += offsetof(struct gnttab_copy, status);
        if (gmem_copy_to(v, at, &op.status, sizeof(op.status)) != 0) {
            return -XEN_EFAULT;
        }
    }
    return 0;
}
