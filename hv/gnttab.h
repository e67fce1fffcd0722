/*
 * Grant tables, version 1. Source of the rules: grant_table.h.
 *
 * Invariants:
 *  1. An active entry's pin count is the number of live maptrack handles and
 *     running copies that use it; it is 0 exactly when the guest-visible
 *     GTF_reading/GTF_writing bits are clear.
 *  2. A pinned entry's frame holds one page reference a pin.
 *  3. The guest's entry is read once per attempt and changed by cmpxchg on
 *     its 32-bit head (flags, domid) alone.
 */
#ifndef HV_GNTTAB_H
#define HV_GNTTAB_H

#include "hv/abi.h"
#include "hv/limits.h"
#include "hv/types.h"

struct domain;
struct vcpu;

#define GRANTS_PER_FRAME 512 /* struct grant_entry_v1 is 8 bytes */

/* What the hypervisor knows of a granted frame in use. */
struct grant_active {
    uint16_t domid;      /* grantee */
    uint16_t pad;
    uint32_t read_pins;  /* mappings and copies, read-only */
    uint32_t write_pins; /* mappings and copies, writable */
    uint32_t pad2;
    uint64_t mfn; /* frame, fixed while pinned */
    uint64_t gfn; /* granter's */
};

/* A mapping that the *mapping* domain holds; its index is the handle. */
struct maptrack {
    uint32_t ref;
    uint16_t domid; /* granter */
    uint16_t flags; /* GNTMAP_*; 0 = free */
    uint64_t gfn;   /* where it is mapped in the mapper (host_addr >> 12) */
    uint64_t mfn;
    uint32_t next_free;
    uint32_t pad;
};

struct gnttab {
    unsigned nr_frames;  /* shared frames that exist */
    unsigned max_frames; /* from createdomain */
    unsigned max_maptrack_frames;
    unsigned nr_maptrack; /* handles in existing maptrack frames */
    uint32_t maptrack_free;
    uint32_t maptrack_live;
    mfn_t shared[HV_MAX_GRANT_FRAMES];     /* PGF_SHARED */
    mfn_t active[HV_MAX_GRANT_FRAMES * 4]; /* hv-private, per 1/4 frame */
    mfn_t maptrack[HV_MAX_MAPTRACK_FRAMES];
    uint32_t teardown_cursor;
};

/* After max_frames and max_maptrack_frames have been set. -XEN_EINVAL,
 * -XEN_ENOMEM. */
int gnttab_create(struct domain *d);
/* Unmaps all that d has mapped; bounded piece a call, -ERESTART for more. In
 * its last piece it drops the hypervisor's references to the shared frames. */
int gnttab_teardown(struct domain *d);
/* The rest. Best when d is freed; but others that still have d's grants mapped
 * can unmap them at any time, also after this. Needs no teardown first when
 * the domain never ran. Idempotent. */
void gnttab_free(struct domain *d);

long gnttab_op(struct vcpu *v, unsigned cmd, gva_t arg, unsigned count);

/* XENMAPSPACE_grant_table: shared frame `idx`, growing the table if it has to
 * and may. INVALID_MFN when it may not. */
mfn_t gnttab_shared_frame(struct domain *d, unsigned idx);

/* Inspection for the oracle and hashes; NULL out of range. */
const struct grant_active *gnttab_active(struct domain *d, uint32_t ref);
const struct maptrack *gnttab_maptrack(struct domain *d, uint32_t handle);

#endif
