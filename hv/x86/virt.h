/*
 * The virtual CPU's surface, whichever vendor half runs it: CPUID policy,
 * model-specific registers, and whole-state contexts (what VCPUOP_initialise,
 * sethvmcontext and the PVH entry give a vCPU).
 *
 * struct vcpu_state is the vendor-neutral form of the state that the vendor
 * half keeps; general registers but RAX and RSP stay in vcpu->regs.
 */
#ifndef HV_X86_VIRT_H
#define HV_X86_VIRT_H

#include "hv/abi.h"
#include "hv/types.h"
#include "hv/x86/arch.h"

struct domain;
struct vcpu;
struct hvm_hw_cpu; /* xen/arch-x86/hvm/save.h */

/* Segment registers by index; attrib as in struct vmcb_seg. */
enum { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS };
enum { SEG_GDTR = 6, SEG_LDTR, SEG_IDTR, SEG_TR, SEG_COUNT };

struct vcpu_state {
    struct vmcb_seg seg[SEG_COUNT];
    uint64_t rax, rsp, rip, rflags;
    uint64_t cr0, cr2, cr3, cr4, dr6, dr7;
    uint64_t efer; /* as the guest sees it: no SVME */
    uint64_t star, lstar, cstar, sfmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t pat, tsc_offset;
    uint64_t pending_event; /* EVENTINJ_* format, 0 none */
};

/* -- CPUID (cpuid.c): out[] = eax, ebx, ecx, edx ------------------------- */
void cpuid_guest(struct vcpu *v, uint32_t leaf, uint32_t subleaf,
                 uint32_t out[4]);
/* Bits of CR4 that a guest of this policy may set. */
uint64_t cpuid_cr4_valid(struct vcpu *v);
/* Bits of EFER that a guest of this policy may set, LMA included. */
uint64_t cpuid_efer_valid(struct vcpu *v);

/* -- MSRs (msr.c): 0, or -XEN_EINVAL for what the guest gets #GP(0) ------- */
int msr_guest_read(struct vcpu *v, uint32_t msr, uint64_t *value);
int msr_guest_write(struct vcpu *v, uint32_t msr, uint64_t value);

/* -- Contexts (context.c) ------------------------------------------------ */

/* VCPUOP_initialise and the PVH entry: resets v, checks as Xen 4.17's
 * arch_set_info_hvm_guest() does, and loads. On error nothing has changed.
 * Sets v->initialised and v->context_valid; the vCPU stays down.
 * -XEN_EINVAL. */
int vcpu_set_hvm_context(struct vcpu *v, const struct vcpu_hvm_context *ctx);

/* sethvmcontext / gethvmcontext, the CPU record. Load: -XEN_EINVAL for a
 * state that Xen's hvm_load_cpu_ctxt() refuses, nothing changed then. */
int vcpu_load_hvm_cpu(struct vcpu *v, const struct hvm_hw_cpu *c);
void vcpu_save_hvm_cpu(struct vcpu *v, struct hvm_hw_cpu *c);

/* The TSC that the guest reads now. */
uint64_t vcpu_guest_tsc(struct vcpu *v);

#endif
