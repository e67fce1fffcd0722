/*
 * The only way to guest memory. Linear addresses go through gwalk.c,
 * guest-physical ones through the p2m, frames straight to the seam.
 *
 * Invariants:
 *  1. A frame is touched only while a reference to it is held.
 *  2. No access at the seam crosses a page.
 */
#include "hv/gmem.h"

#include "hv/domain.h"
#include "hv/gwalk.h"
#include "hv/hv.h"
#include "hv/p2m.h"
#include "hv/page.h"

static size_t in_page(uint64_t addr, size_t len)
{
    size_t room = PAGE_SIZE - (addr & (PAGE_SIZE - 1));

    return len < room ? len : room;
}

/* -- Frames --------------------------------------------------------------- */

void gmem_frame_read(struct hv *hv, mfn_t mfn, unsigned off, void *dst,
                     size_t len)
{
    ASSERT(hv, off <= PAGE_SIZE && len <= PAGE_SIZE - off);
    if (len > 0) {
        plat_guest_read(hv->plat, mfn_to_maddr(mfn, off), dst, len);
    }
}

void gmem_frame_write(struct hv *hv, mfn_t mfn, unsigned off, const void *src,
                      size_t len)
{
    ASSERT(hv, off <= PAGE_SIZE && len <= PAGE_SIZE - off);
    if (len > 0) {
        plat_guest_write(hv->plat, mfn_to_maddr(mfn, off), src, len);
    }
}

uint8_t gmem_frame_read8(struct hv *hv, mfn_t mfn, unsigned off)
{
    uint8_t value;

    gmem_frame_read(hv, mfn, off, &value, sizeof(value));
    return value;
}

uint16_t gmem_frame_read16(struct hv *hv, mfn_t mfn, unsigned off)
{
    uint16_t value;

    gmem_frame_read(hv, mfn, off, &value, sizeof(value));
    return value;
}

uint32_t gmem_frame_read32(struct hv *hv, mfn_t mfn, unsigned off)
{
    uint32_t value;

    gmem_frame_read(hv, mfn, off, &value, sizeof(value));
    return value;
}

uint64_t gmem_frame_read64(struct hv *hv, mfn_t mfn, unsigned off)
{
    uint64_t value;

    gmem_frame_read(hv, mfn, off, &value, sizeof(value));
    return value;
}

uint64_t gmem_frame_cmpxchg(struct hv *hv, mfn_t mfn, unsigned off,
                            unsigned len, uint64_t old, uint64_t new)
{
    ASSERT(hv, off % len == 0 && off <= PAGE_SIZE - len);
    return plat_guest_cmpxchg(hv->plat, mfn_to_maddr(mfn, off), len, old,
                              new);
}

/* The 8-byte word of the frame that holds bit n of the bitmap at off. */
static maddr_t bit_word(struct hv *hv, mfn_t mfn, unsigned off, unsigned n)
{
    uint64_t word = off + (uint64_t)(n / 64) * 8;

    ASSERT(hv, off % 8 == 0 && word <= PAGE_SIZE - 8);
    return mfn_to_maddr(mfn, word);
}

bool gmem_frame_test_and_set_bit(struct hv *hv, mfn_t mfn, unsigned off,
                                 unsigned n)
{
    return plat_guest_test_and_set_bit(hv->plat, bit_word(hv, mfn, off, n),
                                       n % 64);
}

bool gmem_frame_test_and_clear_bit(struct hv *hv, mfn_t mfn, unsigned off,
                                   unsigned n)
{
    return plat_guest_test_and_clear_bit(hv->plat, bit_word(hv, mfn, off, n),
                                         n % 64);
}

/* -- Guest-physical ------------------------------------------------------- */

int gmem_read_phys(struct domain *d, gaddr_t src, void *dst, size_t len)
{
    uint8_t *to = dst;

    while (len > 0) {
        size_t part = in_page(src.v, len);
        mfn_t mfn = p2m_get_page(d, gaddr_to_gfn(src), false, NULL);

        if (!mfn_valid(mfn)) {
            return -XEN_EFAULT;
        }
        gmem_frame_read(d->hv, mfn, src.v & (PAGE_SIZE - 1), to, part);
        page_put(d->hv, mfn);
        to += part;
        src.v += part;
        len -= part;
    }
    return 0;
}

int gmem_write_phys(struct domain *d, gaddr_t dst, const void *src,
                    size_t len)
{
    const uint8_t *from = src;

    while (len > 0) {
        size_t part = in_page(dst.v, len);
        mfn_t mfn = p2m_get_page(d, gaddr_to_gfn(dst), true, NULL);

        if (!mfn_valid(mfn)) {
            return -XEN_EFAULT;
        }
        gmem_frame_write(d->hv, mfn, dst.v & (PAGE_SIZE - 1), from, part);
        page_put(d->hv, mfn);
        from += part;
        dst.v += part;
        len -= part;
    }
    return 0;
}

/* -- Guest-linear --------------------------------------------------------- */

/* An address range that wraps is no range. */
static bool range_ok(gva_t va, size_t len)
{
    return va.v + (len - 1) >= va.v;
}

int gmem_copy_from(struct vcpu *v, void *dst, gva_t src, size_t len)
{
    struct gwalk walk;
    uint8_t *to = dst;

    if (len > 0 && !range_ok(src, len)) {
        return -XEN_EFAULT;
    }
    gwalk_begin(v, &walk);
    while (len > 0) {
        size_t part = in_page(src.v, len);
        gaddr_t ga;

        if (gwalk(&walk, src, false, &ga) != 0 ||
            gmem_read_phys(v->domain, ga, to, part) != 0) {
            return -XEN_EFAULT;
        }
        to += part;
        src.v += part;
        len -= part;
    }
    return 0;
}

int gmem_copy_to(struct vcpu *v, gva_t dst, const void *src, size_t len)
{
    struct gwalk walk;
    const uint8_t *from = src;

    if (len > 0 && !range_ok(dst, len)) {
        return -XEN_EFAULT;
    }
    gwalk_begin(v, &walk);
    while (len > 0) {
        size_t part = in_page(dst.v, len);
        gaddr_t ga;

        if (gwalk(&walk, dst, true, &ga) != 0 ||
            gmem_write_phys(v->domain, ga, from, part) != 0) {
            return -XEN_EFAULT;
        }
        from += part;
        dst.v += part;
        len -= part;
    }
    return 0;
}
