/*
 * The fake machine's grants, hypercalls and disks.
 *
 * Invariants:
 *  1. A mapped grant has GTF_reading (and GTF_writing) set in the granter's
 *     entry until its last unmapping (grant_table.h).
 *  2. What a hostile granter writes into its entries decides only whether a
 *     mapping succeeds.
 */
#include "pv/tests/fake_impl.h"

#include <stdlib.h>
#include <string.h>

#include <xen/domctl.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>

static struct grant_entry_v1 *entry(struct os *os, grant_ref_t ref)
{
    return (void *)fake_host(os, os->grant_base +
                                     (uint64_t)ref * sizeof(grant_entry_v1_t),
                             sizeof(grant_entry_v1_t));
}

int os_grant_access(struct os *os, domid_t to, uint64_t gfn, bool readonly,
                    grant_ref_t *ref)
{
    for (grant_ref_t i = GNTTAB_NR_RESERVED_ENTRIES; i < FAKE_GRANTS; i++) {
        struct grant_entry_v1 *e = entry(os, i);

        if (e->flags == 0) {
            e->domid = to;
            e->frame = (uint32_t)gfn;
            e->flags = (uint16_t)(GTF_permit_access |
                                  (readonly ? GTF_readonly : 0));
            *ref = i;
            return 0;
        }
    }
    return -XEN_ENOSPC;
}

int os_grant_end(struct os *os, grant_ref_t ref)
{
    struct grant_entry_v1 *e = entry(os, ref);

    if (e->flags & (GTF_reading | GTF_writing)) {
        return -XEN_EBUSY;
    }
    e->flags = 0;
    return 0;
}

uint64_t os_grant_table(struct os *os, unsigned idx)
{
    return idx < FAKE_GRANT_PAGES ? os->grant_base + idx * OS_PAGE_SIZE : 0;
}

static int16_t check_grant(struct os *os, struct os *from, grant_ref_t ref,
                           bool readonly, uint32_t *gfn)
{
    struct grant_entry_v1 e;

    if (from == NULL) {
        return GNTST_bad_domain;
    }
    if (ref >= FAKE_GRANTS) {
        return GNTST_bad_gntref;
    }
    e = *entry(from, ref);
    if ((e.flags & GTF_type_mask) != GTF_permit_access ||
        e.domid != os->domid ||
        (!readonly && (e.flags & GTF_readonly))) {
        return GNTST_general_error;
    }
    if (e.frame >= from->nr_pages || from->page[e.frame] == NULL) {
        return GNTST_general_error;
    }
    *gfn = e.frame;
    return GNTST_okay;
}

static int map_one(struct os *os, domid_t domid, grant_ref_t ref,
                   bool readonly, uint64_t addr)
{
    struct os *from =
        fake_find(os->fake, domid == DOMID_SELF ? os->domid : domid);
    uint32_t gfn;
    int h = 0;

    if (check_grant(os, from, ref, readonly, &gfn) != GNTST_okay) {
        return -XEN_EINVAL;
    }
    while (h < FAKE_HANDLES && os->handle[h].used) {
        h++;
    }
    if (h == FAKE_HANDLES) {
        return -XEN_ENOSPC;
    }
    os->handle[h] = (struct fake_handle){ true, from, ref, readonly };
    from->grant_maps[ref]++;
    from->grant_ro_maps[ref] += readonly;
    entry(from, ref)->flags |=
        (uint16_t)(GTF_reading | (readonly ? 0 : GTF_writing));
    os->page[addr / OS_PAGE_SIZE] = from->page[gfn];
    os->mappings++;
    return h;
}

static void unmap_one(struct os *os, grant_handle_t h, uint64_t addr)
{
    struct fake_handle *fh = &os->handle[h];
    struct os *from = fh->owner;

    if (!fh->used) {
        fake_abort("grant unmapped twice");
    }
    fh->used = false;
    os->page[addr / OS_PAGE_SIZE] = NULL;
    os->mappings--;
    from->grant_maps[fh->ref]--;
    from->grant_ro_maps[fh->ref] -= fh->readonly;
    if (from->grant_maps[fh->ref] == from->grant_ro_maps[fh->ref]) {
        entry(from, fh->ref)->flags &= (uint16_t)~GTF_writing;
    }
    if (from->grant_maps[fh->ref] == 0) {
        entry(from, fh->ref)->flags &= (uint16_t)~GTF_reading;
    }
}

int os_grant_map(struct os *os, domid_t from, const grant_ref_t *refs,
                 unsigned n, bool readonly, struct os_grant_map *out)
{
    uint64_t addr = os_space_alloc(os, n);
    grant_handle_t *handles = os_malloc(os, n * sizeof(*handles));
    int h;

    memset(out, 0, sizeof(*out));
    if (addr == 0 || handles == NULL) {
        os_free(os, handles);
        return -XEN_ENOMEM;
    }
    for (unsigned i = 0; i < n; i++) {
        h = map_one(os, from, refs[i], readonly, addr + i * OS_PAGE_SIZE);
        if (h < 0) {
            while (i-- > 0) {
                unmap_one(os, handles[i], addr + i * OS_PAGE_SIZE);
            }
            os_space_free(os, addr, n);
            os_free(os, handles);
            return h;
        }
        handles[i] = (grant_handle_t)h;
    }
    out->addr = addr;
    out->n = n;
    out->handles = handles;
    return 0;
}

void os_grant_unmap(struct os *os, struct os_grant_map *map)
{
    for (unsigned i = 0; i < map->n; i++) {
        unmap_one(os, map->handles[i], map->addr + i * OS_PAGE_SIZE);
    }
    if (map->addr != 0) {
        os_space_free(os, map->addr, map->n);
    }
    os_free(os, map->handles);
    memset(map, 0, sizeof(*map));
}

static int16_t copy_side(struct os *os, const struct gnttab_copy *op,
                         bool source, uint8_t **host)
{
    domid_t domid = source ? op->source.domid : op->dest.domid;
    unsigned off = source ? op->source.offset : op->dest.offset;
    bool gref = op->flags & (source ? GNTCOPY_source_gref : GNTCOPY_dest_gref);
    struct os *d =
        fake_find(os->fake, domid == DOMID_SELF ? os->domid : domid);
    uint32_t gfn;
    int16_t status;

    if (off + op->len > OS_PAGE_SIZE) {
        return GNTST_bad_copy_arg;
    }
    if (gref) {
        status = check_grant(os, d,
                             source ? op->source.u.ref : op->dest.u.ref,
                             source, &gfn);
        if (status != GNTST_okay) {
            return status;
        }
    } else {
        if (d != os) {
            return GNTST_permission_denied;
        }
        gfn = (uint32_t)(source ? op->source.u.gmfn : op->dest.u.gmfn);
    }
    if (d->page[gfn] == NULL) {
        return GNTST_general_error;
    }
    *host = d->page[gfn] + off;
    return GNTST_okay;
}

int os_grant_copy(struct os *os, struct gnttab_copy *op, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint8_t *src = NULL, *dst = NULL;

        op[i].status = copy_side(os, &op[i], true, &src);
        if (op[i].status == GNTST_okay) {
            op[i].status = copy_side(os, &op[i], false, &dst);
        }
        if (op[i].status == GNTST_okay) {
            memmove(dst, src, op[i].len);
        }
    }
    return 0;
}

/* -- Hypercalls: what the drivers under test use --------------------------- */

uint64_t os_arg(struct os *os)
{
    return os->arg;
}

static int64_t hvm_op(struct os *os, uint64_t cmd, uint64_t arg)
{
    struct xen_hvm_param p;
    struct os *d;

    if (cmd != HVMOP_get_param && cmd != HVMOP_set_param) {
        return -XEN_ENOSYS;
    }
    os_read(os, arg, &p, sizeof(p));
    d = fake_find(os->fake, p.domid == DOMID_SELF ? os->domid : p.domid);
    if (d == NULL) {
        return -XEN_ESRCH;
    }
    if (p.index >= FAKE_PARAMS) {
        return -XEN_EINVAL;
    }
    if (cmd == HVMOP_set_param) {
        d->params[p.index] = p.value;
        return 0;
    }
    p.value = d->params[p.index];
    os_write(os, arg, &p, sizeof(p));
    return 0;
}

static int64_t domctl(struct os *os, uint64_t arg)
{
    struct xen_domctl op;
    struct os *d = NULL;

    if (os->domid != 0) {
        return -XEN_EPERM;
    }
    os_read(os, arg, &op, sizeof(op));
    if (op.interface_version != XEN_DOMCTL_INTERFACE_VERSION) {
        return -XEN_EACCES;
    }
    if (op.cmd != XEN_DOMCTL_getdomaininfo) {
        return -XEN_ENOSYS;
    }
    /* domctl.h: the first domain with an id of at least the one given */
    for (unsigned i = 0; i < FAKE_MAX_DOMAINS; i++) {
        struct os *c = os->fake->dom[i];

        if (c != NULL && c->domid >= op.domain &&
            (d == NULL || c->domid < d->domid)) {
            d = c;
        }
    }
    if (d == NULL) {
        return -XEN_ESRCH;
    }
    memset(&op.u, 0, sizeof(op.u));
    op.domain = d->domid;
    op.u.getdomaininfo.domain = d->domid;
    op.u.getdomaininfo.flags =
        d->shutdown ? XEN_DOMINF_shutdown |
                          d->reason << XEN_DOMINF_shutdownshift
                    : XEN_DOMINF_running;
    os_write(os, arg, &op, sizeof(op));
    return 0;
}

static int64_t memory_op(struct os *os, uint64_t cmd, uint64_t arg)
{
    struct xen_add_to_physmap_batch b;
    struct xen_remove_from_physmap r;
    uint64_t from, to;
    struct os *d;

    if (cmd == XENMEM_remove_from_physmap) {
        os_read(os, arg, &r, sizeof(r));
        if (os->page[r.gpfn] != NULL) {
            os->page[r.gpfn] = NULL;
            os->mappings--;
        }
        return 0;
    }
    if (cmd != XENMEM_add_to_physmap_batch) {
        return -XEN_ENOSYS;
    }
    os_read(os, arg, &b, sizeof(b));
    d = fake_find(os->fake, b.u.foreign_domid);
    if (os->domid != 0 || b.space != XENMAPSPACE_gmfn_foreign || d == NULL) {
        return os->domid != 0 ? -XEN_EPERM : -XEN_ESRCH;
    }
    for (unsigned i = 0; i < b.size; i++) {
        int32_t err = 0;

        from = os_load64(os, (uint64_t)(uintptr_t)b.idxs.p + 8 * i);
        to = os_load64(os, (uint64_t)(uintptr_t)b.gpfns.p + 8 * i);
        if (from >= d->nr_pages || d->page[from] == NULL) {
            err = -XEN_EINVAL;
        } else {
            os->page[to] = d->page[from];
            os->mappings++;
        }
        os_store32(os, (uint64_t)(uintptr_t)b.errs.p + 4 * i, (uint32_t)err);
    }
    return 0;
}

int64_t os_hypercall(struct os *os, unsigned nr, uint64_t a1, uint64_t a2,
                     uint64_t a3, uint64_t a4, uint64_t a5)
{
    (void)a3;
    (void)a4;
    (void)a5;
    switch (nr) {
    case __HYPERVISOR_hvm_op:
        return hvm_op(os, a1, a2);
    case __HYPERVISOR_domctl:
        return domctl(os, a1);
    case __HYPERVISOR_memory_op:
        return memory_op(os, a1, a2);
    default:
        return -XEN_ENOSYS;
    }
}

int64_t os_call(struct os *os, unsigned nr, unsigned cmd, void *arg,
                size_t len, unsigned count)
{
    int64_t rc;

    os_write(os, os->arg, arg, len);
    rc = os_hypercall(os, nr, cmd, os->arg, count, 0, 0);
    os_read(os, os->arg, arg, len);
    return rc;
}
