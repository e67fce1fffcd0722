/*
 * A connection's ring page: our own RAM, a grant of the domain
 * (GNTTAB_RESERVED_XENSTORE), or its frame mapped as foreign.
 *
 * Invariants:
 *  1. What was mapped is unmapped once, the same way.
 */
#include "pv/xenstore/xsd.h"

#include <xen/memory.h>

/* Arguments of XENMEM_add_to_physmap_batch for one frame, and its arrays. */
struct batch_of_one {
    struct xen_add_to_physmap_batch op;
    uint64_t idx, gpfn;
    int32_t err;
};

static int map_foreign(struct xsd_conn *c, uint64_t gfn)
{
    struct os *os = c->xsd->os;
    uint64_t at = os_arg(os), addr = os_space_alloc(os, 1);
    struct batch_of_one b;
    int64_t rc;

    if (addr == 0) {
        return -XEN_ENOMEM;
    }
    memset(&b, 0, sizeof(b));
    b.op.domid = DOMID_SELF;
    b.op.space = XENMAPSPACE_gmfn_foreign;
    b.op.size = 1;
    b.op.u.foreign_domid = c->domid;
    b.op.idxs.p = (void *)(uintptr_t)(at + offsetof(struct batch_of_one, idx));
    b.op.gpfns.p =
        (void *)(uintptr_t)(at + offsetof(struct batch_of_one, gpfn));
    b.op.errs.p = (void *)(uintptr_t)(at + offsetof(struct batch_of_one, err));
    b.idx = gfn;
    b.gpfn = os_gfn(os, addr);
    os_write(os, at, &b, sizeof(b));
    rc = os_hypercall(os, __HYPERVISOR_memory_op, XENMEM_add_to_physmap_batch,
                      at, 0, 0, 0);
    if (rc == 0) {
        os_read(os, at, &b, sizeof(b));
        rc = b.err;
    }
    if (rc != 0) {
        os_space_free(os, addr, 1);
        return (int)rc;
    }
    c->ring = addr;
    c->foreign = true;
    return 0;
}

int conn_map_ring(struct xsd_conn *c, uint64_t gfn)
{
    grant_ref_t ref = GNTTAB_RESERVED_XENSTORE;
    int rc = os_grant_map(c->xsd->os, c->domid, &ref, 1, false, &c->map);

    if (rc == 0) {
        c->ring = c->map.addr;
        return 0;
    }
    return map_foreign(c, gfn);
}

void conn_unmap_ring(struct xsd_conn *c)
{
    struct os *os = c->xsd->os;
    struct xen_remove_from_physmap r;

    if (c->ring == 0) {
        return;
    }
    if (c->local) {
        os_pages_free(os, c->ring, 1);
    } else if (c->foreign) {
        memset(&r, 0, sizeof(r));
        r.domid = DOMID_SELF;
        r.gpfn = os_gfn(os, c->ring);
        os_call(os, __HYPERVISOR_memory_op, XENMEM_remove_from_physmap, &r,
                sizeof(r), 0);
        os_space_free(os, c->ring, 1);
    } else {
        os_grant_unmap(os, &c->map);
    }
    c->ring = 0;
}
