/*
 * Translation lookaside buffer of one physical CPU, tagged by ASID. An entry
 * lives until the architecture drops it: TLB_CONTROL, INVLPGA, a guest's MOV
 * CR3 and INVLPG, or its way being needed for another.
 *
 * Invariants:
 *  1. An entry is valid when key is not 0 and gen equals its ASID's current
 *     generation: global entries' or the others'. A flush counts that up.
 *  2. An entry holds no right that its walk did not give, and TLB_*_W only if
 *     both dirty bits have been set.
 */
#ifndef SIM_CPU_TLB_H
#define SIM_CPU_TLB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLB_ASIDS 16 /* CPUID 8000000a ebx */
#define TLB_SETS 256
#define TLB_WAYS 4
#define TLB_KEY_VALID 0x800ULL

/* What an entry allows: supervisor's and user's read, write, execute. */
#define TLB_S_R 0x01
#define TLB_S_W 0x02
#define TLB_S_X 0x04
#define TLB_U_R 0x08
#define TLB_U_W 0x10
#define TLB_U_X 0x20
#define TLB_GLOBAL 0x40

struct tlb_entry {
    uint64_t key; /* page address | TLB_KEY_VALID | ASID */
    uint64_t mfn;
    uint32_t gen;
    uint8_t rights; /* TLB_* */
    uint8_t shift;  /* of the guest's page: 12, 21, 30 */
    uint16_t pad;
};

struct tlb {
    uint32_t gen[TLB_ASIDS];        /* of entries that are not global */
    uint32_t gen_global[TLB_ASIDS]; /* of those that are */
    uint64_t fills;
    struct tlb_entry e[TLB_SETS * TLB_WAYS];
};

static inline uint64_t tlb_key(uint32_t asid, uint64_t va)
{
    return (va & ~0xfffULL) | TLB_KEY_VALID | asid;
}

static inline bool tlb_entry_live(const struct tlb *t,
                                  const struct tlb_entry *e)
{
    uint32_t asid = e->key & (TLB_ASIDS - 1);

    return e->key != 0 &&
           e->gen == (e->rights & TLB_GLOBAL ? t->gen_global[asid]
                                             : t->gen[asid]);
}

static inline unsigned tlb_set(uint32_t asid, uint64_t va)
{
    uint64_t vpn = va >> 12;

    return (unsigned)((vpn ^ (vpn >> 8) ^ ((uint64_t)asid << 4)) &
                      (TLB_SETS - 1));
}

static inline struct tlb_entry *tlb_lookup(struct tlb *t, uint32_t asid,
                                           uint64_t va)
{
    uint64_t key = tlb_key(asid, va);
    struct tlb_entry *e = &t->e[tlb_set(asid, va) * TLB_WAYS];

    for (unsigned i = 0; i < TLB_WAYS; i++, e++) {
        if (e->key == key && tlb_entry_live(t, e)) {
            return e;
        }
    }
    return NULL;
}

/* Enters a translation; the way it takes is a free one, or the next in turn. */
struct tlb_entry *tlb_fill(struct tlb *t, uint32_t asid, uint64_t va,
                           uint64_t mfn, uint8_t rights, uint8_t shift);
void tlb_flush_all(struct tlb *t);
void tlb_flush_asid(struct tlb *t, uint32_t asid);
void tlb_flush_asid_nonglobal(struct tlb *t, uint32_t asid);
/* The whole page, whatever its size, that holds va: APM2 5.5.2 */
void tlb_flush_page(struct tlb *t, uint32_t asid, uint64_t va);
/* Drops entry `index` (of TLB_SETS * TLB_WAYS). */
void tlb_drop(struct tlb *t, unsigned index);

#endif
