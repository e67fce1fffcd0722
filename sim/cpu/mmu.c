/*
 * Memory management unit: guest-linear address to machine memory, through the
 * guest's tables (4-level long mode, or none while paging is off) and the
 * nested ones (4 levels, APM2 15.25), behind the TLB.
 *
 * Invariants:
 *  1. Accessed and dirty bits, the guest's and the nested ones, are set
 *     before an entry that relies on them goes into the TLB.
 *  2. A nested table that points past RAM is the hypervisor's bug and ends
 *     the machine; whatever the guest writes into its own tables ends in a
 *     fault of its own.
 *  3. On a fault that the TLB would give, the tables are walked again: rights
 *     that have been added need no flush (APM2 5.5.2).
 *
 * Left out: PAE and 32-bit paging (a guest that turns them on is shut down),
 * protection keys, 5 levels.
 */
#include "sim/machine_impl.h"

#include <string.h>

#define PTE_RESERVED ((PTE_ADDR_MASK & ~(PHYS_LIMIT - 1)))
#define RFLAGS_AC (1ULL << 18)
#define CANONICAL_HIGH 0xffff800000000000ULL
/* One fill in so many may push out some other entry, one time in so many. */
#define EVICT_LOOK_EVERY 64
#define EVICT_ONE_IN 4

/* What a walk has found so far. */
struct walk {
    struct cpu *c;
    struct mmu_fault *fault;
    uint64_t va;
    enum mmu_access how;
    bool w, u, x, global;
    unsigned shift;
};

static uint64_t *mmu_host_pte(struct cpu *c, uint64_t pa)
{
    if (pa >= c->m->ram_bytes) {
        machine_fatal(c->m, "page-table entry at %#llx: past RAM",
                      (unsigned long long)pa);
    }
    return (uint64_t *)(void *)(c->m->ram + pa);
}

/* Reserved bits of an entry at `level` (0: 4K .. 3: PML4E), APM2 5.4 */
static bool mmu_reserved(uint64_t pte, unsigned level, bool nx_on)
{
    if ((pte & PTE_RESERVED) || (!nx_on && (pte & PTE_NX))) {
        return true;
    }
    if (level == 3) {
        return pte & PTE_PS;
    }
    if (level > 0 && (pte & PTE_PS)) {
        /* address bits below the page's size, but for PAT (bit 12) */
        return pte & ((1ULL << (12 + 9 * level)) - 1) & PTE_ADDR_MASK &
               ~0x1000ULL;
    }
    return false;
}

static bool mmu_npf(struct mmu_fault *f, uint64_t gpa, uint64_t code)
{
    f->kind = MMU_NPF;
    f->addr = gpa;
    f->code = code | PFEC_U; /* nested accesses are user's: APM2 15.25.6 */
    return false;
}

/* Guest-physical to machine address. `stage` is NPF_FINAL or NPF_WALK; *w and
 * *x say what the nested tables allow further (*w only once dirty). */
static bool mmu_nested(struct cpu *c, uint64_t gpa, bool write, bool fetch,
                       uint64_t stage, struct mmu_fault *f, uint64_t *ma,
                       bool *w, bool *x)
{
    uint64_t table = c->ctl.n_cr3 & PTE_ADDR_MASK;
    bool nx_on = c->efer & EFER_NX, may_write = true, may_exec = true;
    uint64_t code = stage | (write ? PFEC_W : 0) |
                    (fetch && nx_on ? PFEC_I : 0);

    if (!c->ctl.np) {
        *ma = gpa;
        *w = *x = true;
        return true;
    }
    if (gpa >> 48) {
        return mmu_npf(f, gpa, code);
    }
    for (unsigned level = 3;; level--) {
        unsigned shift = 12 + 9 * level;
        uint64_t *pte = mmu_host_pte(c, table + (gpa >> shift & 511) * 8);

        if (!(*pte & PTE_P)) {
            return mmu_npf(f, gpa, code);
        }
        if (mmu_reserved(*pte, level, nx_on)) {
            return mmu_npf(f, gpa, code | PFEC_P | PFEC_RSV);
        }
        may_write = may_write && (*pte & PTE_W);
        may_exec = may_exec && !(*pte & PTE_NX);
        if (!(*pte & PTE_U)) {
            return mmu_npf(f, gpa, code | PFEC_P);
        }
        if (level == 0 || (*pte & PTE_PS)) {
            if ((write && !may_write) || (fetch && !may_exec)) {
                return mmu_npf(f, gpa, code | PFEC_P);
            }
            *pte |= PTE_A | (write ? PTE_D : 0);
            *w = may_write && (*pte & PTE_D);
            *x = may_exec;
            *ma = (*pte & PTE_ADDR_MASK & ~((1ULL << shift) - 1)) |
                  (gpa & ((1ULL << shift) - 1));
            return true;
        }
        *pte |= PTE_A;
        table = *pte & PTE_ADDR_MASK;
    }
}

static bool mmu_pf(struct walk *k, bool present, bool reserved)
{
    struct cpu *c = k->c;

    k->fault->kind = MMU_PF;
    k->fault->addr = k->va;
    k->fault->code = (present ? PFEC_P : 0) | (reserved ? PFEC_RSV : 0) |
                     (k->how == MMU_WRITE ? PFEC_W : 0) |
                     (c->g.cpl == 3 ? PFEC_U : 0) |
                     (k->how == MMU_EXEC &&
                              ((c->g.efer & EFER_NX) ||
                               (c->g.cr4 & CR4_SMEP))
                          ? PFEC_I
                          : 0); /* APM2 8.4.2 */
    return false;
}

/* APM2 5.6: is the access allowed by what the guest's tables say? `ac`:
 * RFLAGS.AC lets SMAP be. */
static bool mmu_allowed(const struct cpu *c, const struct walk *k,
                        enum mmu_access how, bool user, bool ac)
{
    bool wp = c->g.cr0 & CR0_WP;

    if (!(c->g.cr0 & CR0_PG)) {
        return true;
    }
    if (user) {
        return k->u && (how != MMU_WRITE || k->w) &&
               (how != MMU_EXEC || k->x);
    }
    if (k->u && how == MMU_EXEC && (c->g.cr4 & CR4_SMEP)) {
        return false;
    }
    if (k->u && how != MMU_EXEC && (c->g.cr4 & CR4_SMAP) && !ac) {
        return false;
    }
    return (how != MMU_WRITE || k->w || !wp) && (how != MMU_EXEC || k->x);
}

/* The guest's own tables: linear to guest-physical. APM2 5.3 */
static bool mmu_guest_walk(struct walk *k, uint64_t *gpa, bool *dirty)
{
    struct cpu *c = k->c;
    uint64_t table = c->g.cr3 & PTE_ADDR_MASK & (PHYS_LIMIT - 1), ma, *pte;
    bool nx_on = c->g.efer & EFER_NX, w, x;

    k->w = k->u = k->x = true;
    for (unsigned level = 3;; level--) {
        unsigned shift = 12 + 9 * level;
        uint64_t pte_gpa = table + (k->va >> shift & 511) * 8;

        /* Walks of the guest's tables count as writes: APM2 15.25.5 */
        if (!mmu_nested(c, pte_gpa, true, false, NPF_WALK, k->fault, &ma, &w,
                        &x)) {
            return false;
        }
        pte = mmu_host_pte(c, ma);
        if (!(*pte & PTE_P)) {
            return mmu_pf(k, false, false);
        }
        if (mmu_reserved(*pte, level, nx_on)) {
            return mmu_pf(k, true, true);
        }
        k->w = k->w && (*pte & PTE_W);
        k->u = k->u && (*pte & PTE_U);
        k->x = k->x && !(*pte & PTE_NX);
        if (level == 0 || (*pte & PTE_PS)) {
            if (!mmu_allowed(c, k, k->how, c->g.cpl == 3,
                             c->g.rflags & RFLAGS_AC)) {
                return mmu_pf(k, true, false);
            }
            *pte |= PTE_A | (k->how == MMU_WRITE ? PTE_D : 0);
            *dirty = *pte & PTE_D;
            k->global = (*pte & PTE_G) && (c->g.cr4 & CR4_PGE);
            k->shift = shift;
            *gpa = (*pte & PTE_ADDR_MASK & ~((1ULL << shift) - 1)) |
                   (k->va & ((1ULL << shift) - 1));
            return true;
        }
        *pte |= PTE_A;
        table = *pte & PTE_ADDR_MASK;
    }
}

/* What the TLB may answer alone; AC is looked at afresh in each walk. */
static uint8_t mmu_rights(const struct cpu *c, const struct walk *k, bool w,
                          bool x)
{
    uint8_t r = k->global ? TLB_GLOBAL : 0;

    for (unsigned user = 0; user < 2; user++) {
        unsigned up = user ? 3 : 0; /* TLB_U_* are TLB_S_* << 3 */

        if (mmu_allowed(c, k, MMU_READ, user, false)) {
            r |= (uint8_t)(TLB_S_R << up);
        }
        if (w && mmu_allowed(c, k, MMU_WRITE, user, false)) {
            r |= (uint8_t)(TLB_S_W << up);
        }
        if (x && mmu_allowed(c, k, MMU_EXEC, user, false)) {
            r |= (uint8_t)(TLB_S_X << up);
        }
    }
    return r;
}

/* A processor drops translations when it likes; rarely, and by choice. */
static void mmu_maybe_evict(struct cpu *c)
{
    if (c->tlb.fills % EVICT_LOOK_EVERY == EVICT_LOOK_EVERY - 1 &&
        choice_one_in(&c->m->choice, CHOICE_TLB, EVICT_ONE_IN)) {
        tlb_drop(&c->tlb, choice_draw(&c->m->choice, CHOICE_TLB,
                                      TLB_SETS * TLB_WAYS));
    }
}

uint8_t *mmu_translate_slow(struct cpu *c, uint64_t va, enum mmu_access how,
                            struct mmu_fault *fault)
{
    struct walk k = {.c = c, .fault = fault, .va = va, .how = how};
    bool write = how == MMU_WRITE, dirty = true, w, x;
    uint64_t gpa = va, ma;

    k.w = k.u = k.x = true;
    k.shift = 12;
    if (c->g.cr0 & CR0_PG) {
        if (!(c->g.efer & EFER_LMA)) {
            fault->kind = MMU_SHUTDOWN; /* legacy paging: left out */
            return NULL;
        }
        if ((va & CANONICAL_HIGH) != 0 &&
            (va & CANONICAL_HIGH) != CANONICAL_HIGH) {
            fault->kind = MMU_GP;
            return NULL;
        }
        if (!mmu_guest_walk(&k, &gpa, &dirty)) {
            return NULL;
        }
    }
    if (!mmu_nested(c, gpa, write, how == MMU_EXEC, NPF_FINAL, fault, &ma, &w,
                    &x)) {
        return NULL;
    }
    if (ma >= c->m->ram_bytes) {
        machine_fatal(c->m, "nested tables map %#llx to %#llx: past RAM",
                      (unsigned long long)gpa, (unsigned long long)ma);
    }
    mmu_maybe_evict(c);
    tlb_fill(&c->tlb, c->ctl.asid, va, ma >> PAGE_SHIFT,
             mmu_rights(c, &k, w && dirty, x), (uint8_t)k.shift);
    return c->m->ram + ma;
}

uint8_t *mmu_translate(struct cpu *c, uint64_t va, enum mmu_access how,
                       struct mmu_fault *fault)
{
    struct tlb_entry *e;
    uint8_t need = c->g.cpl == 3 ? (uint8_t)(how << 3) : (uint8_t)how;

    if (!(c->g.efer & EFER_LMA)) {
        va &= 0xffffffff; /* no more than 32 address bits outside long mode */
    }
    e = tlb_lookup(&c->tlb, c->ctl.asid, va);
    if (e != NULL && (e->rights & need)) {
        return c->m->ram + (e->mfn << PAGE_SHIFT) + (va & (PAGE_SIZE - 1));
    }
    return mmu_translate_slow(c, va, how, fault);
}

void mmu_raise(struct cpu *c, const struct mmu_fault *f)
{
    switch (f->kind) {
    case MMU_OK:
        break;
    case MMU_NPF: /* APM2 15.25.6 */
        svm_exit(c, VMEXIT_NPF, f->code, f->addr);
        break;
    case MMU_PF:
        if (c->ctl.exceptions & (1u << VEC_PF)) { /* CR2 stays: 15.12.15 */
            svm_exit(c, VMEXIT_EXCP_BASE + VEC_PF, f->code, f->addr);
            break;
        }
        c->g.cr2 = f->addr;
        svm_exception(c, VEC_PF, true, (uint32_t)f->code);
        break;
    case MMU_GP:
        svm_exception(c, VEC_GP, true, 0);
        break;
    case MMU_SHUTDOWN:
        svm_exit(c, VMEXIT_SHUTDOWN, 0, 0);
        break;
    }
}
