/*
 * Guest page-table walks for hypercall arguments. Two modes have a form here:
 * paging off (a linear address is a physical one) and 64-bit paging of four
 * levels with 4 KiB, 2 MiB and 1 GiB pages. Guests of this core make 64-bit
 * hypercalls; 32-bit and PAE paging are -EFAULT.
 *
 * Invariants:
 *  1. An entry is read once a level and attempt, then judged and used.
 *  2. Accessed and dirty bits are set by compare-exchange against the value
 *     that was judged; when the guest changed it, the walk starts again, a
 *     bounded number of times.
 */
#include "hv/gwalk.h"

#include "hv/domain.h"
#include "hv/gmem.h"
#include "hv/hv.h"
#include "hv/p2m.h"
#include "hv/page.h"
#include "hv/x86/virt.h"

#define GWALK_ATTEMPTS 8
#define GWALK_RACED 1
#define RFLAGS_AC (1ULL << 18)

void gwalk_begin(struct vcpu *v, struct gwalk *w)
{
    struct vcpu_state s;

    v->domain->ops->get_state(v, &s);
    *w = (struct gwalk){ .v = v,
                         .cr0 = s.cr0,
                         .cr3 = s.cr3,
                         .cr4 = s.cr4,
                         .efer = s.efer,
                         .rflags = s.rflags };
}

static bool canonical(gva_t va)
{
    return (uint64_t)((int64_t)(va.v << 16) >> 16) == va.v;
}

/* Bits that must be zero, APM2 5.3.3 and figures 5-20 to 5-27. Level 0 is the
 * last. */
static bool entry_reserved(const struct gwalk *w, uint64_t e, unsigned level)
{
    if ((e & PTE_NX) && !(w->efer & EFER_NX)) {
        return true;
    }
    if (!(e & PTE_PS) || level == 0) {
        return false;
    }
    if (level == 3) {
        return true;
    }
    /* A large page's address is aligned; bit 12 is its PAT bit. */
    return e & PTE_ADDR_MASK & ((1ULL << (12 + 9 * level)) - 1) & ~0x1000ULL;
}

/* Supervisor rights on the whole path, APM2 5.6. */
static bool permitted(const struct gwalk *w, uint64_t rights, bool write)
{
    if (write && !(rights & PTE_W) && (w->cr0 & CR0_WP)) {
        return false;
    }
    if ((rights & PTE_U) && (w->cr4 & CR4_SMAP) && !(w->rflags & RFLAGS_AC)) {
        return false;
    }
    return true;
}

static int set_bits(const struct gwalk *w, gaddr_t at, uint64_t entry,
                    uint64_t bits)
{
    struct domain *d = w->v->domain;
    uint64_t was;
    mfn_t mfn;

    if ((entry & bits) == bits) {
        return 0;
    }
    mfn = p2m_get_page(d, gaddr_to_gfn(at), true, NULL);
    if (!mfn_valid(mfn)) {
        /* Read-only tables: the processor would fault (APM2 15.25.6). */
        return -XEN_EFAULT;
    }
    was = gmem_frame_cmpxchg(d->hv, mfn, at.v & (PAGE_SIZE - 1), 8, entry,
                             entry | bits);
    page_put(d->hv, mfn);
    return was == entry ? 0 : GWALK_RACED;
}

static int walk_once(const struct gwalk *w, gva_t va, bool write,
                     gaddr_t *out)
{
    gaddr_t at[4] = { { 0 } };
    uint64_t entry[4] = { 0 };
    uint64_t table = w->cr3 & PTE_ADDR_MASK, rights = PTE_W | PTE_U, size;
    unsigned level = 3;
    int rc = 0;

    for (;; level--) {
        uint64_t index = (va.v >> (12 + 9 * level)) & (PTES_PER_PAGE - 1);
        uint64_t *e = &entry[level];

        at[level] = GADDR(table + index * 8);
        if (gmem_read_phys(w->v->domain, at[level], e, 8) != 0) {
            return -XEN_EFAULT;
        }
        if (!(*e & PTE_P) || entry_reserved(w, *e, level)) {
            return -XEN_EFAULT;
        }
        rights &= *e;
        table = *e & PTE_ADDR_MASK;
        if (level == 0 || (*e & PTE_PS)) {
            break;
        }
    }
    if (!permitted(w, rights, write)) {
        return -XEN_EFAULT;
    }
    for (unsigned l = 4; l-- > level && rc == 0;) { /* top first */
        uint64_t bits = PTE_A | (l == level && write ? PTE_D : 0);

        rc = set_bits(w, at[l], entry[l], bits);
    }
    size = 1ULL << (12 + 9 * level);
    *out = GADDR((table & ~(size - 1)) | (va.v & (size - 1)));
    return rc;
}

int gwalk(const struct gwalk *w, gva_t va, bool write, gaddr_t *out)
{
    if (!(w->cr0 & CR0_PG)) {
        *out = GADDR(va.v);
        return 0;
    }
    if (!(w->efer & EFER_LMA) || !canonical(va)) {
        return -XEN_EFAULT;
    }
    for (unsigned i = 0; i < GWALK_ATTEMPTS; i++) {
        int rc = walk_once(w, va, write, out);

        if (rc != GWALK_RACED) {
            return rc;
        }
    }
    return -XEN_EFAULT;
}
