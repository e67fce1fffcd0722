/*
 * A hypervisor over fake_plat with a control domain and two guests, for unit
 * tests that call handlers as a vCPU would: hypercall arguments live in guest
 * memory, which paging-off vCPUs name by guest-physical address.
 */
#ifndef HV_TESTS_FAKE_HV_H
#define HV_TESTS_FAKE_HV_H

#include "hv/domain.h"
#include "hv/hv.h"
#include "hv/tests/fake_plat.h"
#include "hv/x86/virt.h"

#define FAKE_DOMAINS 3
#define FAKE_GUEST_PAGES 64 /* gfns [0, 64) of each, of max_pages 128 */
#define FAKE_FRAMES 8192

struct fake_hv {
    struct plat *p;
    struct hv *hv;
    struct vcpu_state state; /* every vCPU's; all zero: paging off */
    unsigned flushes;        /* of vCPUs' TLBs */
    struct domain *d[FAKE_DOMAINS];
    struct vcpu *v[FAKE_DOMAINS];
};

struct fake_hv *fake_hv_new(void);
void fake_hv_free(struct fake_hv *f);

/* Guest n's memory. */
void fake_poke(struct fake_hv *f, unsigned n, uint64_t ga, const void *src,
               size_t len);
void fake_peek(struct fake_hv *f, unsigned n, uint64_t ga, void *dst,
               size_t len);

/* Destroys guest n; true when its struct domain has been freed too. */
bool fake_kill(struct fake_hv *f, unsigned n);

#endif
