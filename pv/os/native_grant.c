/*
 * Grants of native guests: version 1 entries in frames that are added to the
 * table one by one, up to GUEST_GRANT_FRAMES.
 *
 * Invariants:
 *  1. A reference is in use, in grant_free, or at or above grant_next:
 *     exactly one of them. 0 .. GNTTAB_NR_RESERVED_ENTRIES - 1 are in none.
 *  2. Frames [0, grant_frames) of the table are mapped.
 *  3. An entry's frame and domid are written before its flags make it valid,
 *     and stay as they are while it is (grant_table.h).
 */
#include "pv/os/native_impl.h"

#include <xen/memory.h>

#define PER_FRAME (OS_PAGE_SIZE / sizeof(struct grant_entry_v1))
#define MAP_BATCH 16u /* operations on the stack at once */
#define COPY_BATCH (OS_ARG_BYTES / sizeof(struct gnttab_copy))

static uint64_t entry(struct os *os, grant_ref_t ref)
{
    return os->g->grant_space + (uint64_t)ref * sizeof(struct grant_entry_v1);
}

/* Maps table frames up to and with `idx`. */
static int grow_to(struct os *os, unsigned idx)
{
    struct guest *g = os->g;

    while (g->grant_frames <= idx) {
        unsigned next = g->grant_frames;
        int rc;

        if (next >= g->grant_max) {
            return -XEN_ENOSPC;
        }
        rc = guest_map_frame(os, XENMAPSPACE_grant_table, next,
                             g->grant_space +
                                 (uint64_t)next * OS_PAGE_SIZE);
        if (rc != 0) {
            return rc;
        }
        /* Another vCPU may have done the same meanwhile: it is the same. */
        if (g->grant_frames == next) {
            g->grant_frames = next + 1;
        }
    }
    return 0;
}

int grant_setup(struct os *os)
{
    struct gnttab_query_size q = { .dom = DOMID_SELF };
    struct guest *g = os->g;
    int64_t rc = os_call(os, __HYPERVISOR_grant_table_op,
                         GNTTABOP_query_size, &q, sizeof(q), 1);

    if (rc != 0) {
        return (int)rc;
    }
    g->grant_max = q.status == GNTST_okay &&
                           q.max_nr_frames < GUEST_GRANT_FRAMES
                       ? q.max_nr_frames
                       : GUEST_GRANT_FRAMES;
    g->grant_space = os_space_alloc(os, GUEST_GRANT_FRAMES);
    g->grant_next = GNTTAB_NR_RESERVED_ENTRIES;
    return g->grant_space != 0 ? 0 : -XEN_ENOMEM;
}

uint64_t os_grant_table(struct os *os, unsigned idx)
{
    return grow_to(os, idx) == 0
               ? os->g->grant_space + (uint64_t)idx * OS_PAGE_SIZE
               : 0;
}

int os_grant_access(struct os *os, domid_t to, uint64_t gfn, bool readonly,
                    grant_ref_t *ref)
{
    struct guest *g = os->g;
    grant_ref_t r;
    int rc;

    /* Taken without a crossing: see native_impl.h. */
    if (g->nr_grant_free > 0) {
        r = g->grant_free[--g->nr_grant_free];
    } else if (g->grant_next < g->grant_max * PER_FRAME) {
        r = g->grant_next++;
    } else {
        return -XEN_ENOSPC;
    }
    rc = grow_to(os, r / PER_FRAME);
    if (rc != 0) {
        g->grant_free[g->nr_grant_free++] = r;
        return rc;
    }
    os_store16(os, entry(os, r) + offsetof(struct grant_entry_v1, domid),
               to);
    os_store32(os, entry(os, r) + offsetof(struct grant_entry_v1, frame),
               (uint32_t)gfn);
    os_mb(os);
    os_store16(os, entry(os, r) + offsetof(struct grant_entry_v1, flags),
               (uint16_t)(GTF_permit_access |
                          (readonly ? GTF_readonly : 0)));
    *ref = r;
    return 0;
}

int os_grant_end(struct os *os, grant_ref_t ref)
{
    uint64_t at = entry(os, ref) + offsetof(struct grant_entry_v1, flags);
    uint16_t flags = os_load16(os, at);

    /* grant_table.h: "Invalidating an in-use grant entry" is refused; an idle
     * one is cleared by compare-exchange, for its use may begin just now. */
    for (;;) {
        uint16_t now;

        if (flags & (GTF_reading | GTF_writing)) {
            return -XEN_EBUSY;
        }
        now = (uint16_t)os_cmpxchg(os, at, sizeof(flags), flags, 0);
        if (now == flags) {
            break;
        }
        flags = now;
    }
    if (ref >= GNTTAB_NR_RESERVED_ENTRIES) {
        os->g->grant_free[os->g->nr_grant_free++] = ref;
    }
    return 0;
}

/* -- Grants of others ------------------------------------------------------ */

static int status_errno(int16_t status)
{
    switch (status) {
    case GNTST_okay:
        return 0;
    case GNTST_bad_domain:
        return -XEN_ESRCH;
    case GNTST_permission_denied:
        return -XEN_EPERM;
    case GNTST_no_device_space:
        return -XEN_ENOSPC;
    case GNTST_eagain:
        return -XEN_EAGAIN;
    default:
        return -XEN_EINVAL;
    }
}

static void unmap_range(struct os *os, const grant_handle_t *handles,
                        uint64_t addr, unsigned n)
{
    struct gnttab_unmap_grant_ref ops[MAP_BATCH];

    for (unsigned done = 0; done < n;) {
        unsigned batch = n - done < MAP_BATCH ? n - done : MAP_BATCH;

        memset(ops, 0, sizeof(ops));
        for (unsigned i = 0; i < batch; i++) {
            ops[i].host_addr = addr + (uint64_t)(done + i) * OS_PAGE_SIZE;
            ops[i].handle = handles[done + i];
        }
        if (os_call(os, __HYPERVISOR_grant_table_op,
                    GNTTABOP_unmap_grant_ref, ops, batch * sizeof(ops[0]),
                    batch) != 0) {
            os_panic(os, "grant unmap refused");
        }
        for (unsigned i = 0; i < batch; i++) {
            if (ops[i].status != GNTST_okay) {
                os_panic(os, "grant handle lost");
            }
        }
        done += batch;
    }
}

/* Maps up to 16; *done of them are mapped also when an error is returned. */
static int map_batch(struct os *os, domid_t from, const grant_ref_t *refs,
                     unsigned n, bool readonly, uint64_t addr,
                     grant_handle_t *handles, unsigned *done)
{
    struct gnttab_map_grant_ref ops[MAP_BATCH];
    unsigned good = 0;
    int rc = 0;

    memset(ops, 0, sizeof(ops));
    for (unsigned i = 0; i < n; i++) {
        ops[i].host_addr = addr + (uint64_t)i * OS_PAGE_SIZE;
        ops[i].flags = GNTMAP_host_map | (readonly ? GNTMAP_readonly : 0);
        ops[i].ref = refs[i];
        ops[i].dom = from;
        ops[i].status = GNTST_general_error;
    }
    rc = (int)os_call(os, __HYPERVISOR_grant_table_op,
                      GNTTABOP_map_grant_ref, ops, n * sizeof(ops[0]), n);
    for (unsigned i = 0; i < n; i++) {
        if (ops[i].status == GNTST_okay) {
            handles[i] = ops[i].handle;
            good++;
        } else if (rc == 0) {
            rc = status_errno(ops[i].status);
        }
    }
    *done = rc == 0 ? n : 0;
    for (unsigned i = 0; rc != 0 && i < n && good > 0; i++) {
        if (ops[i].status == GNTST_okay) {
            unmap_range(os, &handles[i], ops[i].host_addr, 1);
        }
    }
    return rc;
}

int os_grant_map(struct os *os, domid_t from, const grant_ref_t *refs,
                 unsigned n, bool readonly, struct os_grant_map *out)
{
    grant_handle_t *handles = os_malloc(os, n * sizeof(*handles));
    uint64_t addr = os_space_alloc(os, n);
    unsigned done = 0;
    int rc = handles == NULL || addr == 0 ? -XEN_ENOMEM : 0;

    memset(out, 0, sizeof(*out));
    while (rc == 0 && done < n) {
        unsigned batch = n - done < MAP_BATCH ? n - done : MAP_BATCH, mapped;

        rc = map_batch(os, from, refs + done, batch, readonly,
                       addr + (uint64_t)done * OS_PAGE_SIZE, handles + done,
                       &mapped);
        done += mapped;
    }
    if (rc != 0) {
        unmap_range(os, handles, addr, done);
        if (addr != 0) {
            os_space_free(os, addr, n);
        }
        os_free(os, handles);
        return rc;
    }
    out->addr = addr;
    out->n = n;
    out->handles = handles;
    return 0;
}

void os_grant_unmap(struct os *os, struct os_grant_map *map)
{
    if (map->addr != 0) {
        unmap_range(os, map->handles, map->addr, map->n);
        os_space_free(os, map->addr, map->n);
        os_free(os, map->handles);
    }
    memset(map, 0, sizeof(*map));
}

int os_grant_copy(struct os *os, struct gnttab_copy *op, unsigned n)
{
    for (unsigned done = 0; done < n;) {
        unsigned batch = n - done < COPY_BATCH ? n - done : COPY_BATCH;
        int64_t rc = os_call(os, __HYPERVISOR_grant_table_op, GNTTABOP_copy,
                             op + done, batch * sizeof(*op), batch);

        if (rc != 0) {
            return (int)rc;
        }
        done += batch;
    }
    return 0;
}
