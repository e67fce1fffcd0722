/*
 * CPUID policy: the host's leaves, cut down to what this core virtualizes,
 * and Xen's own leaves at 0x40000000 (xen/arch-x86/cpuid.h).
 *
 * Invariants:
 *  1. A feature is shown only if the host has it and this core keeps its
 *     state apart for every vCPU. Not shown for want of that: SVM and VMX,
 *     XSAVE and all that needs XCR0, PKU, performance counters, MCE/MCA,
 *     MTRR, MONITOR, the local APIC and x2APIC, TSC_DEADLINE, debug
 *     extensions, and speculation controls (their MSRs are not there).
 *  2. CR4 and EFER bits that contexts may hold follow from the same policy.
 *  3. The answer depends on the host's CPUID, the domain and the vCPU
 *     number alone.
 */
#include "hv/abi.h"
#include "hv/hv.h"
#include "hv/lib.h"
#include "hv/x86/virt.h"

#include <xen/arch-x86/cpuid.h>

#define BIT(n) (1u << (n))

#define MAX_BASIC_LEAF 0xd
#define MAX_EXTENDED_LEAF 0x80000008

/* APM3 E.3.2: Fn0000_0001 */
#define F1_ECX                                                                \
    (BIT(0) /* SSE3 */ | BIT(1) /* PCLMULQDQ */ | BIT(9) /* SSSE3 */ |        \
     BIT(13) /* CX16 */ | BIT(17) /* PCID */ | BIT(19) /* SSE4.1 */ |         \
     BIT(20) /* SSE4.2 */ | BIT(22) /* MOVBE */ | BIT(23) /* POPCNT */ |      \
     BIT(25) /* AES */ | BIT(30) /* RDRAND */)
#define F1_ECX_HYPERVISOR BIT(31)
#define F1_EDX                                                                \
    (BIT(0) /* FPU */ | BIT(1) /* VME */ | BIT(2) /* DE */ |                  \
     BIT(3) /* PSE */ | BIT(4) /* TSC */ | BIT(5) /* MSR */ |                 \
     BIT(6) /* PAE */ | BIT(8) /* CX8 */ | BIT(11) /* SEP */ |                \
     BIT(13) /* PGE */ | BIT(15) /* CMOV */ | BIT(16) /* PAT */ |             \
     BIT(17) /* PSE36 */ | BIT(19) /* CLFSH */ | BIT(23) /* MMX */ |          \
     BIT(24) /* FXSR */ | BIT(25) /* SSE */ | BIT(26) /* SSE2 */)
/* Fn0000_0007, subleaf 0 */
#define F7_EBX                                                                \
    (BIT(0) /* FSGSBASE */ | BIT(3) /* BMI1 */ | BIT(7) /* SMEP */ |          \
     BIT(8) /* BMI2 */ | BIT(9) /* ERMS */ | BIT(10) /* INVPCID */ |          \
     BIT(18) /* RDSEED */ | BIT(19) /* ADX */ | BIT(20) /* SMAP */ |          \
     BIT(23) /* CLFLUSHOPT */ | BIT(24) /* CLWB */ | BIT(29) /* SHA */)
#define F7_ECX (BIT(2) /* UMIP */ | BIT(22) /* RDPID */)
#define F7_EDX BIT(4) /* FSRM */
/* Fn8000_0001 */
#define E1_ECX                                                                \
    (BIT(0) /* LAHF */ | BIT(4) /* CR8 */ | BIT(5) /* ABM */ |                \
     BIT(6) /* SSE4A */ | BIT(7) /* MISALIGNSSE */ | BIT(8) /* PREFETCHW */)
#define E1_EDX_COMMON                                                         \
    (F1_EDX & (BIT(0) | BIT(1) | BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | \
               BIT(8) | BIT(13) | BIT(15) | BIT(16) | BIT(17) | BIT(23) |     \
               BIT(24)))
#define E1_EDX                                                                \
    (E1_EDX_COMMON | BIT(11) /* SYSCALL */ | BIT(20) /* NX */ |               \
     BIT(22) /* MMXEXT */ | BIT(26) /* PAGE1GB */ | BIT(27) /* RDTSCP */ |    \
     BIT(29) /* LM */ | BIT(30) /* 3DNOWEXT */ | BIT(31) /* 3DNOW */)
#define E7_EDX_ITSC BIT(8)
#define E8_EBX_CLZERO BIT(0)

static void host_cpuid(struct vcpu *v, uint32_t leaf, uint32_t subleaf,
                       uint32_t out[4])
{
    plat_cpuid(v->domain->hv->plat, leaf, subleaf, out);
}

/* -- Xen's leaves: cpuid_hypervisor_leaves() of Xen 4.17 ------------------ */

/* ns = (ticks << shift) * mul_frac >> 32, as set_time_scale() finds it */
static void time_scale(uint64_t khz, uint32_t *mul_frac, int *shift)
{
    uint64_t hz = khz * 1000;
    uint32_t hz32;

    *shift = 0;
    while (hz > 2000000000ULL) {
        hz >>= 1;
        (*shift)--;
    }
    hz32 = (uint32_t)hz;
    while (hz32 != 0 && hz32 <= 1000000000U) {
        hz32 <<= 1;
        (*shift)++;
    }
    *mul_frac = hz32 ? (uint32_t)((1000000000ULL << 32) / hz32) : 0;
}

static void xen_time_leaf(struct vcpu *v, uint32_t subleaf, uint32_t out[4])
{
    struct plat *p = v->domain->hv->plat;
    uint32_t host[4];
    int shift;

    switch (subleaf) {
    case 0:
        host_cpuid(v, 0x80000007, 0, host);
        out[0] = (host[3] & E7_EDX_ITSC) ? BIT(1) : 0;
        host_cpuid(v, 0x80000001, 0, host);
        out[0] |= (host[3] & BIT(27)) ? BIT(2) : 0;
        out[2] = (uint32_t)plat_tsc_khz(p);
        break;
    case 1:
        /* EAX, EBX: domain-wide offset, none; ECX, EDX: TSC to ns */
        time_scale(plat_tsc_khz(p), &out[2], &shift);
        out[3] = (uint32_t)shift;
        break;
    case 2:
        out[0] = (uint32_t)plat_tsc_khz(p);
        break;
    default:
        break;
    }
}

static void xen_leaf(struct vcpu *v, uint32_t index, uint32_t subleaf,
                     uint32_t out[4])
{
    switch (index) {
    case 0:
        out[0] = XEN_CPUID_FIRST_LEAF + XEN_CPUID_MAX_NUM_LEAVES;
        out[1] = XEN_CPUID_SIGNATURE_EBX;
        out[2] = XEN_CPUID_SIGNATURE_ECX;
        out[3] = XEN_CPUID_SIGNATURE_EDX;
        break;
    case 1:
        out[0] = 4u << 16 | 17; /* the version this core is like */
        break;
    case 2:
        out[0] = 1; /* hypercall pages */
        out[1] = 0x40000000;
        break;
    case 3:
        xen_time_leaf(v, subleaf, out);
        break;
    case 4:
        if (subleaf == 0) {
            out[0] = XEN_HVM_CPUID_VCPU_ID_PRESENT |
                     XEN_HVM_CPUID_DOMID_PRESENT |
                     XEN_HVM_CPUID_UPCALL_VECTOR;
            out[1] = v->id;
            out[2] = v->domain->domid;
        }
        break;
    default: /* 5 is for PV guests alone */
        break;
    }
}

/* -- The host's leaves ---------------------------------------------------- */

static void basic_leaf(struct vcpu *v, uint32_t leaf, uint32_t subleaf,
                       uint32_t out[4])
{
    switch (leaf) {
    case 0:
        host_cpuid(v, 0, 0, out);
        out[0] = out[0] > MAX_BASIC_LEAF ? MAX_BASIC_LEAF : out[0];
        break;
    case 1:
        host_cpuid(v, 1, 0, out);
        /* EBX: CLFLUSH size is the host's; the APIC ID as Xen numbers it */
        out[1] = (out[1] & 0x0000ff00) | ((v->id * 2) & 0xff) << 24;
        out[2] = (out[2] & F1_ECX) | F1_ECX_HYPERVISOR;
        out[3] &= F1_EDX;
        break;
    case 7:
        if (subleaf == 0) {
            host_cpuid(v, 7, 0, out);
            out[0] = 0; /* no further subleaf */
            out[1] &= F7_EBX;
            out[2] &= F7_ECX;
            out[3] &= F7_EDX;
        }
        break;
    default: /* caches, MONITOR, power, counters, topology, XSAVE */
        break;
    }
}

static void extended_leaf(struct vcpu *v, uint32_t leaf, uint32_t out[4])
{
    host_cpuid(v, leaf, 0, out);
    switch (leaf) {
    case 0x80000000:
        out[0] = out[0] > MAX_EXTENDED_LEAF ? MAX_EXTENDED_LEAF : out[0];
        break;
    case 0x80000001:
        out[2] &= E1_ECX;
        out[3] &= E1_EDX;
        break;
    case 0x80000002: /* name */
    case 0x80000003:
    case 0x80000004:
    case 0x80000005: /* caches and TLBs */
    case 0x80000006:
        break;
    case 0x80000008:
        out[0] &= 0xffff; /* physical and linear address bits */
        out[1] &= E8_EBX_CLZERO;
        out[2] = 0; /* one thread */
        out[3] = 0;
        break;
    default: /* 80000007: an invariant TSC is not promised across hosts */
        memset(out, 0, 4 * sizeof(out[0]));
        break;
    }
}

void cpuid_guest(struct vcpu *v, uint32_t leaf, uint32_t subleaf,
                 uint32_t out[4])
{
    uint32_t max[4];

    memset(out, 0, 4 * sizeof(out[0]));
    if (leaf >= XEN_CPUID_FIRST_LEAF && leaf < XEN_CPUID_LEAF(0x100)) {
        if (leaf <= XEN_CPUID_LEAF(XEN_CPUID_MAX_NUM_LEAVES)) {
            xen_leaf(v, leaf - XEN_CPUID_FIRST_LEAF, subleaf, out);
        }
        return;
    }
    if (leaf <= MAX_BASIC_LEAF) {
        host_cpuid(v, 0, 0, max);
        if (leaf <= max[0]) {
            basic_leaf(v, leaf, subleaf, out);
        }
    } else if (leaf >= 0x80000000 && leaf <= MAX_EXTENDED_LEAF) {
        host_cpuid(v, 0x80000000, 0, max);
        if (leaf <= max[0]) {
            extended_leaf(v, leaf, out);
        }
    }
}

/* APM2 3.1.3 */
uint64_t cpuid_cr4_valid(struct vcpu *v)
{
    uint32_t f1[4], f7[4];
    uint64_t bits = BIT(2) | BIT(8); /* TSD, PCE */

    cpuid_guest(v, 1, 0, f1);
    cpuid_guest(v, 7, 0, f7);
    bits |= (f1[3] & BIT(1)) ? BIT(0) | BIT(1) : 0; /* VME, PVI */
    bits |= (f1[3] & BIT(2)) ? BIT(3) : 0;          /* DE */
    bits |= (f1[3] & BIT(3)) ? CR4_PSE : 0;
    bits |= (f1[3] & BIT(6)) ? CR4_PAE : 0;
    bits |= (f1[3] & BIT(13)) ? CR4_PGE : 0;
    bits |= (f1[3] & BIT(24)) ? CR4_OSFXSR : 0;
    bits |= (f1[3] & BIT(25)) ? CR4_OSXMMEXCPT : 0;
    bits |= (f1[2] & BIT(17)) ? CR4_PCIDE : 0;
    bits |= (f7[1] & BIT(0)) ? CR4_FSGSBASE : 0;
    bits |= (f7[1] & BIT(7)) ? CR4_SMEP : 0;
    bits |= (f7[1] & BIT(20)) ? CR4_SMAP : 0;
    bits |= (f7[2] & BIT(2)) ? BIT(11) : 0; /* UMIP */
    return bits;
}

/* APM2 3.1.7 */
uint64_t cpuid_efer_valid(struct vcpu *v)
{
    uint32_t e1[4];
    uint64_t bits = 0;

    cpuid_guest(v, 0x80000001, 0, e1);
    bits |= (e1[3] & BIT(11)) ? EFER_SCE : 0;
    bits |= (e1[3] & BIT(29)) ? EFER_LME | EFER_LMA : 0;
    bits |= (e1[3] & BIT(20)) ? EFER_NX : 0;
    return bits;
}
