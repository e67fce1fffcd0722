/*
 * Walks the calling vCPU's own page tables, as its processor would for a
 * supervisor access: hypercall arguments are linear addresses.
 */
#ifndef HV_GWALK_H
#define HV_GWALK_H

#include "hv/types.h"

struct vcpu;

/* The registers that decide, read once a copy. */
struct gwalk {
    struct vcpu *v;
    uint64_t cr0, cr3, cr4, efer, rflags;
};

void gwalk_begin(struct vcpu *v, struct gwalk *w);

/* va -> guest-physical address; sets accessed and dirty bits as the processor
 * does. 0 or -XEN_EFAULT. */
int gwalk(const struct gwalk *w, gva_t va, bool write, gaddr_t *out);

#endif
