/*
 * The control domain's tools: domctl by structure, a domain's life, and
 * foreign frames mapped into our own space.
 *
 * Invariants:
 *  1. A call's structure is copied into the argument area and back; nothing
 *     else of the caller's memory is visible to the hypervisor.
 *  2. builder_map_foreign() is all or nothing: what it returns maps every
 *     frame, and what it fails with maps none.
 */
#include "pv/guest/builder.h"

#include <xen/memory.h>

#include "pv/lib.h"

/* xen_add_to_physmap_batch, then idxs[], gpfns[], errs[] in the argument
 * area. */
#define MAP_BATCH 256u
#define MAP_IDXS 64u
#define MAP_GPFNS (MAP_IDXS + MAP_BATCH * 8)
#define MAP_ERRS (MAP_GPFNS + MAP_BATCH * 8)
_Static_assert(MAP_ERRS + MAP_BATCH * 4 <= OS_ARG_BYTES, "argument area");
_Static_assert(sizeof(struct xen_add_to_physmap_batch) <= MAP_IDXS, "room");

/* destroydomain is continued by the hypervisor; older ones hand the
 * continuation to us. */
#define DESTROY_TRIES 100000u

int builder_domctl(struct os *os, struct xen_domctl *op)
{
    uint64_t arg = os_arg(os);
    int64_t rc;

    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    os_write(os, arg, op, sizeof(*op));
    rc = os_hypercall(os, __HYPERVISOR_domctl, arg, 0, 0, 0, 0);
    os_read(os, arg, op, sizeof(*op));
    return (int)rc;
}

static int builder_simple(struct os *os, domid_t domid, uint32_t cmd)
{
    struct xen_domctl op = { .cmd = cmd, .domain = domid };

    return builder_domctl(os, &op);
}

int builder_destroy(struct os *os, domid_t domid)
{
    for (unsigned i = 0; i < DESTROY_TRIES; i++) {
        int rc = builder_simple(os, domid, XEN_DOMCTL_destroydomain);

        if (rc != -XEN_EAGAIN) {
            return rc;
        }
    }
    return -XEN_EBUSY;
}

int builder_pause(struct os *os, domid_t domid)
{
    return builder_simple(os, domid, XEN_DOMCTL_pausedomain);
}

int builder_unpause(struct os *os, domid_t domid)
{
    return builder_simple(os, domid, XEN_DOMCTL_unpausedomain);
}

int builder_info(struct os *os, domid_t domid,
                 struct xen_domctl_getdomaininfo *out)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_getdomaininfo,
                             .domain = domid };
    int rc = builder_domctl(os, &op);

    if (rc) {
        return rc;
    }
    /* domctl.h: names the next living domain when `domid` is not there. */
    if (op.u.getdomaininfo.domain != domid) {
        return -XEN_ESRCH;
    }
    *out = op.u.getdomaininfo;
    return 0;
}

/* memory.h: XENMEM_add_to_physmap_batch. Returns how many of the first n
 * frames were mapped before the first failure. */
static unsigned builder_map_batch(struct os *os, domid_t domid, uint64_t gpfn,
                                  const uint64_t *gfns, unsigned n)
{
    uint64_t arg = os_arg(os);
    struct xen_add_to_physmap_batch b = {
        .domid = DOMID_SELF,
        .space = XENMAPSPACE_gmfn_foreign,
        .size = (uint16_t)n,
    };
    unsigned done;

    b.u.foreign_domid = domid;
    set_xen_guest_handle_raw(b.idxs, (xen_ulong_t *)(arg + MAP_IDXS));
    set_xen_guest_handle_raw(b.gpfns, (xen_pfn_t *)(arg + MAP_GPFNS));
    set_xen_guest_handle_raw(b.errs, (int *)(arg + MAP_ERRS));
    os_write(os, arg, &b, sizeof(b));
    for (unsigned i = 0; i < n; i++) {
        os_store64(os, arg + MAP_IDXS + i * 8, gfns[i]);
        os_store64(os, arg + MAP_GPFNS + i * 8, gpfn + i);
        os_store32(os, arg + MAP_ERRS + i * 4, (uint32_t)-XEN_EINVAL);
    }
    if (os_hypercall(os, __HYPERVISOR_memory_op, XENMEM_add_to_physmap_batch,
                     arg, 0, 0, 0) < 0) {
        return 0;
    }
    for (done = 0; done < n; done++) {
        if (os_load32(os, arg + MAP_ERRS + done * 4) != 0) {
            break;
        }
    }
    /* Those behind a failure may be mapped too: taken back by the caller,
     * who removes the whole batch. */
    return done;
}

int builder_remove_gfn(struct os *os, domid_t domid, uint64_t gfn)
{
    struct xen_remove_from_physmap r;

    memset(&r, 0, sizeof(r)); /* padding goes to guest memory, and hashes */
    r.domid = domid;
    r.gpfn = gfn;
    return (int)os_call(os, __HYPERVISOR_memory_op,
                        XENMEM_remove_from_physmap, &r, sizeof(r), 0);
}

static void builder_unmap(struct os *os, uint64_t addr, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        /* Not mapped after a partial failure: nothing to remove. */
        (void)builder_remove_gfn(
            os, DOMID_SELF, os_gfn(os, addr + (uint64_t)i * OS_PAGE_SIZE));
    }
}

uint64_t builder_map_foreign(struct os *os, domid_t domid,
                             const uint64_t *gfns, unsigned n)
{
    uint64_t addr = n ? os_space_alloc(os, n) : 0;

    if (!addr) {
        return 0;
    }
    for (unsigned done = 0; done < n;) {
        unsigned batch = n - done < MAP_BATCH ? n - done : MAP_BATCH;
        uint64_t at = addr + (uint64_t)done * OS_PAGE_SIZE;

        if (builder_map_batch(os, domid, os_gfn(os, at), gfns + done,
                              batch) != batch) {
            builder_unmap_foreign(os, addr, n);
            return 0;
        }
        done += batch;
    }
    return addr;
}

void builder_unmap_foreign(struct os *os, uint64_t addr, unsigned n)
{
    builder_unmap(os, addr, n);
    os_space_free(os, addr, n);
}
