/*
 * Model-specific registers as a guest sees them: the answers, and the values
 * refused with #GP(0), are those of Xen 4.17's guest_rdmsr/guest_wrmsr and
 * hvm_msr_read_intercept/hvm_msr_write_intercept for a PVH domain with the
 * policy of cpuid.c.
 *
 * Invariants:
 *  1. An MSR that is not listed here gives #GP(0), both ways.
 *  2. No value goes to the hardware's own MSRs: what VMRUN switches is in the
 *     vendor's state, TSC_AUX is loaded at entry, the rest has no effect.
 */
#include "hv/abi.h"
#include "hv/gmem.h"
#include "hv/hv.h"
#include "hv/lib.h"
#include "hv/x86/virt.h"

#define MSR_XEN_HYPERCALL_PAGE 0x40000000 /* what CPUID 40000002 says */
#define MSR_PATCH_LEVEL 0x8b
#define MSR_DEBUGCTL 0x1d9
#define MSR_SYSCFG 0xc0010010
#define MSR_HWCR 0xc0010015

#define HYPERCALL_STUB_BYTES 32
#define HYPERCALL_STUBS (PAGE_SIZE / HYPERCALL_STUB_BYTES)

uint64_t vcpu_guest_tsc(struct vcpu *v)
{
    struct vcpu_state s;

    v->domain->ops->get_state(v, &s);
    return plat_tsc(v->domain->hv->plat) + s.tsc_offset;
}

static bool has_rdtscp(struct vcpu *v)
{
    uint32_t r[4], r7[4];

    cpuid_guest(v, 0x80000001, 0, r);
    cpuid_guest(v, 7, 0, r7);
    return (r[3] & (1u << 27)) || (r7[2] & (1u << 22));
}

static bool is_canonical(uint64_t va)
{
    return (uint64_t)((int64_t)(va << 16) >> 16) == va;
}

/* The field of the vendor's state that an MSR is, NULL if none. */
static uint64_t *state_field(struct vcpu_state *s, uint32_t msr)
{
    switch (msr) {
    case MSR_STAR: return &s->star;
    case MSR_LSTAR: return &s->lstar;
    case MSR_CSTAR: return &s->cstar;
    case MSR_SFMASK: return &s->sfmask;
    case MSR_FS_BASE: return &s->seg[SEG_FS].base;
    case MSR_GS_BASE: return &s->seg[SEG_GS].base;
    case MSR_KERNEL_GS_BASE: return &s->kernel_gs_base;
    case MSR_SYSENTER_CS: return &s->sysenter_cs;
    case MSR_SYSENTER_ESP: return &s->sysenter_esp;
    case MSR_SYSENTER_EIP: return &s->sysenter_eip;
    case MSR_PAT: return &s->pat;
    case MSR_EFER: return &s->efer;
    default: return NULL;
    }
}

int msr_guest_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
    struct vcpu_state s;
    const uint64_t *field;

    v->domain->ops->get_state(v, &s);
    field = state_field(&s, msr);
    if (field != NULL) {
        *value = *field;
        return 0;
    }
    switch (msr) {
    case MSR_TSC:
        *value = vcpu_guest_tsc(v);
        return 0;
    case MSR_APIC_BASE:
        *value = v->msr_apic_base;
        return 0;
    case MSR_TSC_AUX:
        if (!has_rdtscp(v)) {
            return -XEN_EINVAL;
        }
        *value = v->msr_tsc_aux;
        return 0;
    case MSR_XEN_HYPERCALL_PAGE: /* guest_rdmsr_xen(): reads as zero */
    case MSR_PATCH_LEVEL:
    case MSR_DEBUGCTL:
    case MSR_SYSCFG:
    case MSR_HWCR:
        *value = 0;
        return 0;
    default:
        return -XEN_EINVAL;
    }
}

/* guest_wrmsr_xen(): the page is filled as svm_init_hypercall_page() does. */
static int write_hypercall_page(struct vcpu *v, uint64_t value)
{
    uint8_t stub[HYPERCALL_STUB_BYTES];

    if (value & (PAGE_SIZE - 1)) {
        return -XEN_EINVAL; /* the one page that there is has index 0 */
    }
    for (uint32_t nr = 0; nr < HYPERCALL_STUBS; nr++) {
        memset(stub, 0xcc, sizeof(stub));
        if (nr == __HYPERVISOR_iret) {
            stub[0] = 0x0f; /* ud2: not for these guests */
            stub[1] = 0x0b;
        } else {
            stub[0] = 0xb8; /* mov $nr, %eax */
            memcpy(&stub[1], &nr, sizeof(nr));
            stub[5] = 0x0f; /* vmmcall */
            stub[6] = 0x01;
            stub[7] = 0xd9;
            stub[8] = 0xc3; /* ret */
        }
        if (gmem_write_phys(v->domain,
                            GADDR(value + nr * HYPERCALL_STUB_BYTES), stub,
                            sizeof(stub)) != 0) {
            return -XEN_EINVAL;
        }
    }
    return 0;
}

/* hvm_set_efer() */
static int write_efer(struct vcpu *v, struct vcpu_state *s, uint64_t value)
{
    bool paging = s->cr0 & CR0_PG;

    value = (value & ~EFER_LMA) | (s->efer & EFER_LMA);
    if ((value & ~cpuid_efer_valid(v)) ||
        ((value & EFER_LMA) && !(value & EFER_LME)) ||
        (((value ^ s->efer) & EFER_LME) && paging)) {
        return -XEN_EINVAL;
    }
    s->efer = value;
    return 0;
}

/* APM2 7.8.2: every byte one of the defined memory types */
static bool pat_is_valid(uint64_t value)
{
    for (unsigned i = 0; i < 64; i += 8) {
        uint8_t type = (value >> i) & 0xff;

        if (type > 7 || type == 2 || type == 3) {
            return false;
        }
    }
    return true;
}

/* An MSR that is kept in the vendor's state. */
static int write_state(struct vcpu *v, uint32_t msr, uint64_t value)
{
    struct vcpu_state s;
    uint64_t *field;
    int rc = 0;

    v->domain->ops->get_state(v, &s);
    field = state_field(&s, msr);
    switch (msr) {
    case MSR_EFER:
        rc = write_efer(v, &s, value);
        break;
    case MSR_PAT:
        rc = pat_is_valid(value) ? 0 : -XEN_EINVAL;
        *field = value;
        break;
    case MSR_LSTAR:
    case MSR_CSTAR:
    case MSR_FS_BASE:
    case MSR_GS_BASE:
    case MSR_KERNEL_GS_BASE:
    case MSR_SYSENTER_ESP:
    case MSR_SYSENTER_EIP:
        rc = is_canonical(value) ? 0 : -XEN_EINVAL;
        *field = value;
        break;
    default:
        *field = value;
        break;
    }
    if (rc == 0) {
        v->domain->ops->set_state(v, &s);
    }
    return rc;
}

int msr_guest_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
    struct vcpu_state s;

    memset(&s, 0, sizeof(s));
    if (state_field(&s, msr) != NULL) {
        return write_state(v, msr, value);
    }
    switch (msr) {
    case MSR_TSC:
        v->domain->ops->get_state(v, &s);
        s.tsc_offset = value - plat_tsc(v->domain->hv->plat);
        v->domain->ops->set_state(v, &s);
        vcpu_update_time(v); /* its tsc_timestamp is in the guest's TSC */
        return 0;
    case MSR_APIC_BASE: /* guest_wrmsr_apic_base(): without an APIC */
        return -XEN_EINVAL;
    case MSR_TSC_AUX:
        if (!has_rdtscp(v) || value >> 32) {
            return -XEN_EINVAL;
        }
        v->msr_tsc_aux = value;
        return 0;
    case MSR_XEN_HYPERCALL_PAGE:
        return write_hypercall_page(v, value);
    case MSR_PATCH_LEVEL:
    case MSR_HWCR: /* discarded */
        return 0;
    case MSR_DEBUGCTL: /* neither branch records nor single-step modes */
        return value == 0 ? 0 : -XEN_EINVAL;
    default:
        return -XEN_EINVAL;
    }
}
