/*
 * Processor state that CPUID, RDMSR, WRMSR and MOV CR show and change, in
 * host and guest mode: an AMD family 17h processor with the features that the
 * simulator has, and no others.
 *
 * Invariants:
 *  1. A feature that CPUID does not offer has its bits MBZ in CR4 and EFER.
 *  2. EFER.LMA is LME and CR0.PG, always.
 */
#include "sim/machine_impl.h"

#include <string.h>

#define VM_CR_LOCK (1ULL << 3)
#define VM_CR_VALID 0x1fULL
#define PAT_AT_RESET 0x0007040600070406ULL
#define APIC_BASE_AT_RESET 0xfee00900ULL /* enabled; bit 8: boot CPU */

static const char cpu_brand[48] = "Ringside simulated processor (SVM)";

void cpu_reset(struct cpu *c)
{
    uint16_t fcw = 0x37f;
    uint32_t mxcsr = 0x1f80;

    /* The host runs in long mode with paging, NX and interrupts off. */
    c->efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NX;
    c->vm_cr = c->m->cfg.svm_disabled ? VM_CR_SVMDIS | VM_CR_LOCK : 0;
    c->apic_base = APIC_BASE_AT_RESET & ~(c->id == 0 ? 0 : 0x100ULL);
    c->pat = PAT_AT_RESET;
    c->g.gif = true;
    memcpy(c->fpu, &fcw, sizeof(fcw)); /* FNINIT; MXCSR at reset */
    memcpy(c->fpu + 24, &mxcsr, sizeof(mxcsr));
}

/* -- CPUID ---------------------------------------------------------------- */

/* FPU VME DE PSE TSC MSR PAE MCE CX8 APIC SEP PGE CMOV PAT PSE36 CLFSH MMX
 * FXSR SSE SSE2; no MTRR, no MCA */
#define EDX1 0x078babffu
#define ECX1 (1u << 0 | 1u << 13 | 1u << 23) /* SSE3, CX16, POPCNT */
#define EBX7 (1u << 0 | 1u << 7 | 1u << 20)  /* FSGSBASE, SMEP, SMAP */
/* SYSCALL, NX, MMXEXT, 1 GiB pages, RDTSCP, LM */
#define EDX81 (1u << 11 | 1u << 20 | 1u << 22 | 1u << 26 | 1u << 27 | 1u << 29)
#define SVM_EDX (1u << 0 | 1u << 3 | 1u << 6) /* NP, nRIPS, FlushByAsid */

static void cpuid_basic(struct cpu *c, uint32_t leaf, uint32_t out[4])
{
    unsigned nr = c->m->nr_cpus;

    switch (leaf) {
    case 0:
        out[0] = 7;
        memcpy(&out[1], "Auth", 4);
        memcpy(&out[3], "enti", 4);
        memcpy(&out[2], "cAMD", 4);
        break;
    case 1:
        out[0] = 0x00800f12; /* family 17h, model 1 */
        out[1] = c->id << 24 | nr << 16 | 8 << 8;
        out[2] = ECX1;
        out[3] = EDX1 | (nr > 1 ? 1u << 28 : 0);
        break;
    case 7:
        out[1] = EBX7;
        break;
    default:
        break;
    }
}

static void cpuid_extended(struct cpu *c, uint32_t leaf, uint32_t out[4])
{
    bool svm = !c->m->cfg.svm_missing;
    unsigned nr = c->m->nr_cpus;

    switch (leaf) {
    case 0x80000000:
        cpuid_basic(c, 0, out);
        out[0] = 0x8000000a;
        break;
    case 0x80000001:
        out[0] = 0x00800f12;
        out[2] = 1u << 0 | (nr > 1 ? 1u << 1 : 0) | (svm ? 1u << 2 : 0);
        out[3] = EDX81 | (EDX1 & 0x0183f3ff);
        break;
    case 0x80000002:
    case 0x80000003:
    case 0x80000004:
        memcpy(out, cpu_brand + 16 * (leaf - 0x80000002), 16);
        break;
    case 0x80000007:
        out[3] = 1u << 8; /* the TSC does not vary */
        break;
    case 0x80000008:
        out[0] = 48u << 8 | PHYS_BITS;
        out[2] = nr - 1;
        break;
    case 0x8000000a:
        if (svm) { /* APM3 E.4.9: revision, number of ASIDs, features */
            out[0] = 1;
            out[1] = TLB_ASIDS;
            out[3] = SVM_EDX;
        }
        break;
    default:
        break;
    }
}

void cpu_cpuid(struct cpu *c, uint32_t leaf, uint32_t subleaf,
               uint32_t out[4])
{
    memset(out, 0, 4 * sizeof(out[0]));
    if (leaf >= 0x80000000) {
        cpuid_extended(c, leaf, out);
    } else if (leaf != 7 || subleaf == 0) {
        cpuid_basic(c, leaf, out);
    }
}

/* -- MSRs ----------------------------------------------------------------- */

uint64_t cpu_efer_mask(const struct cpu *c)
{
    uint64_t mask = EFER_SCE | EFER_LME | EFER_LMA | EFER_NX;

    return c->m->cfg.svm_missing ? mask : mask | EFER_SVME;
}

static bool cpu_canonical(uint64_t va)
{
    return (uint64_t)((int64_t)(va << 16) >> 16) == va;
}

/* APM2 7.8.2: each byte a memory type that exists */
static bool cpu_pat_valid(uint64_t pat)
{
    for (unsigned i = 0; i < 8; i++) {
        uint8_t type = (uint8_t)(pat >> (8 * i));

        if (type > 7 || type == 2 || type == 3) {
            return false;
        }
    }
    return true;
}

/* Where host MSR lies, for those that are mere storage. */
static uint64_t *cpu_host_msr(struct cpu *c, uint32_t msr)
{
    switch (msr) {
    case MSR_APIC_BASE:
        return &c->apic_base;
    case MSR_PAT:
        return &c->pat;
    case MSR_TSC_AUX:
        return &c->tsc_aux;
    case MSR_STAR:
        return &c->host_star;
    case MSR_LSTAR:
        return &c->host_lstar;
    case MSR_CSTAR:
        return &c->host_cstar;
    case MSR_SFMASK:
        return &c->host_sfmask;
    case MSR_FS_BASE:
        return &c->host_fs_base;
    case MSR_GS_BASE:
        return &c->host_gs_base;
    case MSR_KERNEL_GS_BASE:
        return &c->host_kernel_gs_base;
    default:
        return NULL;
    }
}

bool cpu_rdmsr(struct cpu *c, uint32_t msr, uint64_t *value)
{
    uint64_t *slot = cpu_host_msr(c, msr);
    bool svm = !c->m->cfg.svm_missing;

    if (slot != NULL) {
        *value = *slot;
        return true;
    }
    switch (msr) {
    case MSR_TSC:
        *value = c->m->now_ns;
        return true;
    case MSR_EFER:
        *value = c->efer;
        return true;
    case MSR_VM_CR:
        *value = c->vm_cr;
        return svm;
    case MSR_VM_HSAVE_PA:
        *value = c->hsave_pa;
        return svm;
    default:
        return false;
    }
}

/* APM2 15.30.1: once locked, LOCK and SVMDIS keep; SVMDIS can't be set while
 * SVM is on */
static bool cpu_write_vm_cr(struct cpu *c, uint64_t value)
{
    uint64_t keep = VM_CR_LOCK | VM_CR_SVMDIS;

    if ((value & ~VM_CR_VALID) ||
        ((value & VM_CR_SVMDIS) && (c->efer & EFER_SVME))) {
        return false;
    }
    if (c->vm_cr & VM_CR_LOCK) {
        value = (value & ~keep) | (c->vm_cr & keep);
    }
    c->vm_cr = value;
    return true;
}

bool cpu_wrmsr(struct cpu *c, uint32_t msr, uint64_t value)
{
    uint64_t *slot = cpu_host_msr(c, msr);
    bool svm = !c->m->cfg.svm_missing;

    switch (msr) {
    case MSR_EFER:
        if ((value & ~cpu_efer_mask(c)) || !(value & EFER_LME) ||
            ((value & EFER_SVME) && (c->vm_cr & VM_CR_SVMDIS))) {
            return false; /* APM2 15.4 */
        }
        c->efer = value | EFER_LMA;
        return true;
    case MSR_VM_CR:
        return svm && cpu_write_vm_cr(c, value);
    case MSR_VM_HSAVE_PA: /* APM2 15.30.4: page-aligned, below the limit */
        if (!svm || value % PAGE_SIZE != 0 || value >= PHYS_LIMIT) {
            return false;
        }
        c->hsave_pa = value;
        return true;
    case MSR_PAT:
        if (!cpu_pat_valid(value)) {
            return false;
        }
        break;
    case MSR_FS_BASE:
    case MSR_GS_BASE:
    case MSR_KERNEL_GS_BASE:
    case MSR_LSTAR:
    case MSR_CSTAR:
        if (!cpu_canonical(value)) {
            return false;
        }
        break;
    default:
        break;
    }
    if (slot == NULL) {
        return false;
    }
    *slot = value;
    return true;
}

/* MSRs that VMRUN and VMLOAD switch. */
static uint64_t *cpu_guest_msr(struct cpu *c, uint32_t msr)
{
    switch (msr) {
    case MSR_PAT:
        return c->ctl.np ? &c->g.g_pat : &c->pat; /* APM2 15.25.2 */
    case MSR_STAR:
        return &c->g.star;
    case MSR_LSTAR:
        return &c->g.lstar;
    case MSR_CSTAR:
        return &c->g.cstar;
    case MSR_SFMASK:
        return &c->g.sfmask;
    case MSR_FS_BASE:
        return &c->g.fs.base;
    case MSR_GS_BASE:
        return &c->g.gs.base;
    case MSR_KERNEL_GS_BASE:
        return &c->g.kernel_gs_base;
    case MSR_SYSENTER_CS:
        return &c->g.sysenter_cs;
    case MSR_SYSENTER_ESP:
        return &c->g.sysenter_esp;
    case MSR_SYSENTER_EIP:
        return &c->g.sysenter_eip;
    default:
        return NULL;
    }
}

bool cpu_guest_rdmsr(struct cpu *c, uint32_t msr, uint64_t *value)
{
    uint64_t *slot = cpu_guest_msr(c, msr);

    if (slot != NULL) {
        *value = *slot;
        return true;
    }
    if (msr == MSR_EFER) {
        *value = c->g.efer;
        return true;
    }
    if (!cpu_rdmsr(c, msr, value)) {
        return false;
    }
    if (msr == MSR_TSC) {
        *value += c->ctl.tsc_offset;
    }
    return true;
}

bool cpu_guest_wrmsr(struct cpu *c, uint32_t msr, uint64_t value)
{
    uint64_t *slot = cpu_guest_msr(c, msr);

    if (msr == MSR_EFER) {
        bool flips = (value ^ c->g.efer) & EFER_LME;

        if ((value & ~cpu_efer_mask(c)) || (flips && (c->g.cr0 & CR0_PG))) {
            return false; /* APM2 3.1.7 */
        }
        c->g.efer = (value & ~EFER_LMA) | (c->g.efer & EFER_LMA);
        tlb_flush_asid(&c->tlb, c->ctl.asid); /* NX may have changed */
        return true;
    }
    if (slot == NULL) {
        return msr != MSR_TSC && cpu_wrmsr(c, msr, value);
    }
    if ((msr == MSR_PAT && !cpu_pat_valid(value)) ||
        (msr != MSR_PAT && msr != MSR_STAR && msr != MSR_SFMASK &&
         msr != MSR_SYSENTER_CS && !cpu_canonical(value))) {
        return false;
    }
    *slot = value;
    return true;
}

/* -- Control registers ---------------------------------------------------- */

static bool cpu_set_cr0(struct cpu *c, uint64_t value)
{
    bool pg = value & CR0_PG, was_pg = c->g.cr0 & CR0_PG;

    if ((value >> 32) || (pg && !(value & CR0_PE)) ||
        ((value & CR0_NW) && !(value & CR0_CD))) {
        return false; /* APM2 3.1.1 */
    }
    if (pg && !was_pg && (c->g.efer & EFER_LME)) {
        if (!(c->g.cr4 & CR4_PAE) || (c->g.cs.attrib & SEG_ATTR_L)) {
            return false; /* APM2 14.6.2 */
        }
        c->g.efer |= EFER_LMA;
    }
    if (!pg && was_pg && (c->g.efer & EFER_LMA)) {
        if (c->g.cs.attrib & SEG_ATTR_L) {
            return false; /* not from 64-bit mode */
        }
        c->g.efer &= ~EFER_LMA;
    }
    if ((value ^ c->g.cr0) & (CR0_PG | CR0_WP | CR0_PE)) {
        tlb_flush_asid(&c->tlb, c->ctl.asid);
    }
    c->g.cr0 = value | CR0_ET;
    return true;
}

bool cpu_guest_set_cr(struct cpu *c, unsigned cr, uint64_t value)
{
    switch (cr) {
    case 0:
        return cpu_set_cr0(c, value);
    case 2:
        c->g.cr2 = value;
        return true;
    case 3:
        if (value >= PHYS_LIMIT) {
            return false;
        }
        c->g.cr3 = value;
        tlb_flush_asid_nonglobal(&c->tlb, c->ctl.asid); /* APM2 5.5.2 */
        return true;
    case 4:
        if ((value & ~CPU_CR4_MASK) ||
            ((c->g.efer & EFER_LMA) && !(value & CR4_PAE))) {
            return false;
        }
        if (value != c->g.cr4) {
            tlb_flush_asid(&c->tlb, c->ctl.asid);
        }
        c->g.cr4 = value;
        return true;
    default:
        return false;
    }
}
