/*
 * What the oracle does about a granter that writes GTF_reading or GTF_writing
 * into an entry of its own: what the entry says of use is then the guest's
 * word, no longer the hypervisor's, and the ledger can't be kept from it. For
 * that entry alone the hypervisor's own record is believed.
 *
 * Invariant: an entry is on the list only if its owner wrote to it and left
 * it saying something else than the hypervisor had.
 */
#include <string.h>

#include "conformance/model_impl.h"

#define IN_USE (GTF_reading | GTF_writing)

static const struct model_ref *find(const struct model_ref *list, unsigned n,
                                    uint16_t granter, uint32_t ref)
{
    for (unsigned i = 0; i < n; i++) {
        if (list[i].granter == granter && list[i].ref == ref) {
            return &list[i];
        }
    }
    return NULL;
}

static void add(struct model *o, uint16_t granter, uint32_t ref)
{
    if (find(o->scribbled, o->nr_scribbled, granter, ref) != NULL) {
        return;
    }
    if (o->nr_scribbled == MODEL_SCRIBBLED_MAX) {
        o->scribbled_all = true; /* of any domain: nothing is sure now */
        return;
    }
    o->scribbled[o->nr_scribbled++] = (struct model_ref){granter, ref};
}

bool model_scribbled(const struct model *o, uint16_t granter, uint32_t ref)
{
    return o->scribbled_all ||
           find(o->scribbled, o->nr_scribbled, granter, ref) != NULL;
}

/* A domain wrote to its own memory: to a grant frame? The data is looked at
 * when the guest has been left. */
void model_see_scribble(struct model *o, const struct domain *d, maddr_t ma,
                        size_t len)
{
    uint32_t off = ma.v & (PAGE_SIZE - 1);
    for (unsigned f = 0; f < d->gnttab.nr_frames; f++) {
        if (d->gnttab.shared[f].v != ma.v >> PAGE_SHIFT) {
            continue;
        }
        for (uint32_t at = off / 8; at <= (off + len - 1) / 8; at++) {
            uint32_t ref = f * GRANTS_PER_FRAME + at;
            if (o->nr_suspects == MODEL_SUSPECTS_MAX) {
                add(o, d->domid, ref);
            } else if (find(o->suspects, o->nr_suspects, d->domid, ref) ==
                       NULL) {
                o->suspects[o->nr_suspects++] =
                    (struct model_ref){d->domid, ref};
            }
        }
    }
}

void model_settle_scribbles(struct model *o)
{
    for (unsigned i = 0; i < o->nr_suspects; i++) {
        const struct model_ref *s = &o->suspects[i];
        const struct domain *d = model_domain(o, s->granter);
        const struct model_pin *p = model_pin_of(o, s->granter, s->ref);
        uint16_t flags, expected = 0;
        if (d == NULL || s->ref / GRANTS_PER_FRAME >= d->gnttab.nr_frames) {
            continue;
        }
        memcpy(&flags,
               (const uint8_t *)machine_ram(
                   o->m, mfn_to_maddr(
                             d->gnttab.shared[s->ref / GRANTS_PER_FRAME],
                             s->ref % GRANTS_PER_FRAME * 8)),
               sizeof(flags));
        if (p != NULL) {
            expected = GTF_reading | (p->writing ? GTF_writing : 0);
        }
        if ((flags & IN_USE) != expected) {
            add(o, s->granter, s->ref);
        }
    }
    o->nr_suspects = 0;
}

static bool covers(struct model *o, struct domain *d, uint32_t ref,
                   uint16_t grantee, uint64_t mfn, bool writing)
{
    const struct grant_active *a =
        ref < d->gnttab.nr_frames * GRANTS_PER_FRAME ? gnttab_active(d, ref)
                                                     : NULL;
    (void)o;
    return a != NULL && a->read_pins + a->write_pins > 0 &&
           a->domid == grantee && a->mfn == mfn &&
           (a->write_pins > 0 || !writing);
}

bool model_scribbled_grants(struct model *o, uint16_t granter,
                            uint16_t grantee, uint64_t mfn, bool writing)
{
    struct domain *d = model_domain(o, granter);
    for (unsigned i = 0; d != NULL && i < o->nr_scribbled; i++) {
        if (o->scribbled[i].granter == granter &&
            covers(o, d, o->scribbled[i].ref, grantee, mfn, writing)) {
            return true;
        }
    }
    return d != NULL && o->scribbled_all;
}
