/*
 * What the grant table's files share: gnttab.c (the tables themselves and the
 * simple operations), gnttab_map.c, gnttab_copy.c.
 */
#ifndef HV_GNTTAB_CORE_H
#define HV_GNTTAB_CORE_H

#include "hv/gnttab.h"
#include "hv/p2m.h"
#include "hv/types.h"

/* Pins of one kind on one entry: Xen counts them in 8 bits and stops at the
 * first that would set the top one (grant_table.c: overflow check). */
#define GRANT_PINS_MAX 128

#define MAPTRACK_PER_FRAME 128
#define MAPTRACK_NIL 0xffffffffu

struct grant_active *gnttab_active_rw(struct domain *d, uint32_t ref);
struct maptrack *gnttab_maptrack_rw(struct domain *d, uint32_t handle);
uint32_t gnttab_nr_entries(const struct domain *d);
/* At least nr_frames shared frames; nr_frames <= max_frames. -XEN_EINVAL
 * dying, -XEN_ENOMEM. */
int gnttab_grow(struct domain *d, unsigned nr_frames);

/* Pins entry `ref` of rd for domain `grantee`: GNTST_okay, and the frame is
 * act->mfn, referenced once for this pin; or a GNTST_* error, nothing changed.
 * `map`: for a mapping, which needs the whole page. */
int16_t gnttab_pin(struct domain *rd, uint32_t ref, uint16_t grantee,
                   bool readonly, bool map);
/* Undoes one pin: counters, the guest's GTF_reading/GTF_writing when they
 * drop to 0, and the reference on mfn. rd's table may be gone already. */
void gnttab_unpin(struct domain *rd, uint32_t ref, mfn_t mfn, bool readonly);

/* A frame of d's own at gfn, with a reference: GNTST_okay or _bad_page. */
int16_t gnttab_own_frame(struct domain *d, uint64_t gfn, bool readonly,
                         mfn_t *mfn);

/* Batches: each returns -XEN_E*, 0 when all `count` are done, or how many are
 * done so far when the caller has to continue. */
long gnttab_map_batch(struct vcpu *v, gva_t arg, unsigned count);
long gnttab_unmap_batch(struct vcpu *v, gva_t arg, unsigned count);
long gnttab_copy_batch(struct vcpu *v, gva_t arg, unsigned count);

/* Takes down the mapping behind a live handle of d. */
void gnttab_drop_handle(struct domain *d, uint32_t handle);

/* Address of element i of an array of `size`-byte structures. */
static inline gva_t gnttab_elem(gva_t arg, unsigned i, size_t size)
{
    return GVA(arg.v + (uint64_t)i * size);
}

#endif
