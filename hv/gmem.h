/*
 * The only way to guest memory (DESIGN.md, decision 6). Everything is copied
 * once into a local, then validated, then used; nothing here returns a
 * pointer to memory that a guest can write.
 */
#ifndef HV_GMEM_H
#define HV_GMEM_H

#include "hv/types.h"

struct hv;
struct domain;
struct vcpu;

/* Hypercall arguments: guest-linear addresses of the calling vCPU, walked
 * through its own page tables with supervisor rights and CR0.WP honoured.
 * 0 or -EFAULT; a copy that fails may have been done in part. len 0 is 0. */
int gmem_copy_from(struct vcpu *v, void *dst, gva_t src, size_t len);
int gmem_copy_to(struct vcpu *v, gva_t dst, const void *src, size_t len);

/* Guest-physical access through the p2m of d, own RAM and grants alike.
 * 0 or -EFAULT. */
int gmem_read_phys(struct domain *d, gaddr_t src, void *dst, size_t len);
int gmem_write_phys(struct domain *d, gaddr_t dst, const void *src,
                    size_t len);

/* A frame the caller holds a reference to: [off, off+len) within the page. */
void gmem_frame_read(struct hv *hv, mfn_t mfn, unsigned off, void *dst,
                     size_t len);
void gmem_frame_write(struct hv *hv, mfn_t mfn, unsigned off, const void *src,
                      size_t len);
uint8_t gmem_frame_read8(struct hv *hv, mfn_t mfn, unsigned off);
uint16_t gmem_frame_read16(struct hv *hv, mfn_t mfn, unsigned off);
uint32_t gmem_frame_read32(struct hv *hv, mfn_t mfn, unsigned off);
uint64_t gmem_frame_read64(struct hv *hv, mfn_t mfn, unsigned off);
uint64_t gmem_frame_cmpxchg(struct hv *hv, mfn_t mfn, unsigned off,
                            unsigned len, uint64_t old, uint64_t new);
/* Bit n of the bitmap that starts at byte `off` (8-aligned) of the frame;
 * returns the former value. */
bool gmem_frame_test_and_set_bit(struct hv *hv, mfn_t mfn, unsigned off,
                                 unsigned n);
bool gmem_frame_test_and_clear_bit(struct hv *hv, mfn_t mfn, unsigned off,
                                   unsigned n);

#endif
