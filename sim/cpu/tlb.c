/*
 * TLB: filling and flushing. Lookup is in the header, on the hot path.
 */
#include "sim/cpu/tlb.h"

#include <string.h>

struct tlb_entry *tlb_fill(struct tlb *t, uint32_t asid, uint64_t va,
                           uint64_t mfn, uint8_t rights, uint8_t shift)
{
    struct tlb_entry *set = &t->e[tlb_set(asid, va) * TLB_WAYS];
    struct tlb_entry *e = NULL;
    uint64_t key = tlb_key(asid, va);

    for (unsigned i = 0; i < TLB_WAYS; i++) {
        if (set[i].key == key) {
            e = &set[i]; /* never two of one page */
            break;
        }
        if (e == NULL && !tlb_entry_live(t, &set[i])) {
            e = &set[i];
        }
    }
    if (e == NULL) {
        e = &set[t->fills % TLB_WAYS];
    }
    t->fills++;
    e->key = key;
    e->mfn = mfn;
    e->rights = rights;
    e->shift = shift;
    e->gen = rights & TLB_GLOBAL ? t->gen_global[asid] : t->gen[asid];
    return e;
}

void tlb_flush_asid_nonglobal(struct tlb *t, uint32_t asid)
{
    if (++t->gen[asid] == 0) {
        /* The count has gone round: an entry of old could look new. */
        for (unsigned i = 0; i < TLB_SETS * TLB_WAYS; i++) {
            if ((t->e[i].key & (TLB_ASIDS - 1)) == asid &&
                !(t->e[i].rights & TLB_GLOBAL)) {
                t->e[i].key = 0;
            }
        }
    }
}

void tlb_flush_asid(struct tlb *t, uint32_t asid)
{
    tlb_flush_asid_nonglobal(t, asid);
    if (++t->gen_global[asid] == 0) {
        for (unsigned i = 0; i < TLB_SETS * TLB_WAYS; i++) {
            if ((t->e[i].key & (TLB_ASIDS - 1)) == asid) {
                t->e[i].key = 0;
            }
        }
    }
}

void tlb_flush_all(struct tlb *t)
{
    for (uint32_t asid = 0; asid < TLB_ASIDS; asid++) {
        tlb_flush_asid(t, asid);
    }
}

void tlb_flush_page(struct tlb *t, uint32_t asid, uint64_t va)
{
    for (unsigned i = 0; i < TLB_SETS * TLB_WAYS; i++) {
        struct tlb_entry *e = &t->e[i];

        if (e->key != 0 && (e->key & (TLB_ASIDS - 1)) == asid &&
            e->key >> e->shift == va >> e->shift) {
            e->key = 0;
        }
    }
}

void tlb_drop(struct tlb *t, unsigned index)
{
    memset(&t->e[index], 0, sizeof(t->e[index]));
}
