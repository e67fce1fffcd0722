/*
 * Address types of the hypervisor: one-field structs, so that a guest frame
 * number can't be passed where a machine frame number is meant.
 *
 *   maddr_t  host-physical ("machine") byte address
 *   mfn_t    machine frame number: maddr >> 12
 *   gfn_t    guest frame number: guest-physical address >> 12
 *   gaddr_t  guest-physical byte address
 *   gva_t    guest-linear byte address (what hypercall pointers hold)
 */
#ifndef HV_TYPES_H
#define HV_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SHIFT 12
#define PAGE_SIZE 4096UL
#define PAGE_MASK (~(PAGE_SIZE - 1))

typedef struct {
    uint64_t v;
} maddr_t;
typedef struct {
    uint64_t v;
} mfn_t;
typedef struct {
    uint64_t v;
} gfn_t;
typedef struct {
    uint64_t v;
} gaddr_t;
typedef struct {
    uint64_t v;
} gva_t;

#define MADDR(x) ((maddr_t){(x)})
#define MFN(x) ((mfn_t){(x)})
#define GFN(x) ((gfn_t){(x)})
#define GADDR(x) ((gaddr_t){(x)})
#define GVA(x) ((gva_t){(x)})

#define INVALID_MFN MFN(~0ULL)
#define INVALID_GFN GFN(~0ULL)

static inline bool mfn_eq(mfn_t a, mfn_t b)
{
    return a.v == b.v;
}

static inline bool mfn_valid(mfn_t m)
{
    return m.v != ~0ULL;
}

static inline maddr_t mfn_to_maddr(mfn_t m, uint64_t offset)
{
    return MADDR((m.v << PAGE_SHIFT) | (offset & (PAGE_SIZE - 1)));
}

static inline gfn_t gaddr_to_gfn(gaddr_t a)
{
    return GFN(a.v >> PAGE_SHIFT);
}

#endif
