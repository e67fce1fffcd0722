/*
 * Whole-state contexts of a vCPU: VCPUOP_initialise and the PVH entry
 * (xen/hvm/hvm_vcpu.h), sethvmcontext and gethvmcontext
 * (xen/arch-x86/hvm/save.h). The checks and their order are Xen 4.17's
 * arch_set_info_hvm_guest() and hvm_load_cpu_ctxt().
 *
 * Invariants:
 *  1. A context is checked in full before any state changes.
 *  2. What these checks let through may still be refused by VMRUN's own
 *     (APM2 15.5.1): then the domain crashes at its first entry, as on Xen.
 */
#include "hv/abi.h"
#include "hv/hv.h"
#include "hv/lib.h"
#include "hv/x86/virt.h"

#include <xen/arch-x86/hvm/save.h>

#define AR_TYPE(ar) ((ar) & 0xf)
#define AR_DPL(ar) (((ar) >> SEG_ATTR_DPL_SHIFT) & 3)
#define AR_TYPE_CODE 0x8
#define AR_TYPE_RW 0x2 /* data: writable; code: readable */
#define AR_TSS_BUSY 0xb

/* The reserved bits of CR0: all but PE MP EM TS ET NE WP AM NW CD PG */
#define CR0_VALID                                                             \
    (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM |  \
     CR0_NW | CR0_CD | CR0_PG)

static int check_segment(const struct vmcb_seg *s, unsigned seg)
{
    unsigned type = AR_TYPE(s->attrib);

    if (s->attrib & 0xf000) {
        return -XEN_EINVAL;
    }
    if (s->attrib == 0) {
        return seg == SEG_DS || seg == SEG_ES ? 0 : -XEN_EINVAL;
    }
    if (seg == SEG_TR) {
        if ((s->attrib & SEG_ATTR_S) || type != AR_TSS_BUSY) {
            return -XEN_EINVAL;
        }
    } else if (!(s->attrib & SEG_ATTR_S)) {
        return -XEN_EINVAL;
    }
    if (!(s->attrib & SEG_ATTR_P)) {
        return -XEN_EINVAL;
    }
    switch (seg) {
    case SEG_CS:
        return (type & AR_TYPE_CODE) ? 0 : -XEN_EINVAL;
    case SEG_SS:
        return !(type & AR_TYPE_CODE) && (type & AR_TYPE_RW) ? 0
                                                             : -XEN_EINVAL;
    case SEG_DS:
    case SEG_ES:
        return (type & AR_TYPE_CODE) && !(type & AR_TYPE_RW) ? -XEN_EINVAL
                                                             : 0;
    default:
        return 0;
    }
}

static struct vmcb_seg flat_seg(uint32_t base, uint32_t limit, uint16_t ar)
{
    return (struct vmcb_seg){.attrib = ar, .limit = limit, .base = base};
}

static void set_gprs32(struct vcpu_state *s, struct cpu_regs *regs,
                       const struct vcpu_hvm_x86_32 *c)
{
    s->rax = c->eax;
    s->rsp = c->esp;
    s->rip = c->eip;
    s->rflags = c->eflags;
    s->cr0 = c->cr0;
    s->cr3 = c->cr3;
    s->cr4 = c->cr4;
    s->efer = c->efer;
    memset(regs, 0, sizeof(*regs));
    regs->r[R_RCX] = c->ecx;
    regs->r[R_RDX] = c->edx;
    regs->r[R_RBX] = c->ebx;
    regs->r[R_RBP] = c->ebp;
    regs->r[R_RSI] = c->esi;
    regs->r[R_RDI] = c->edi;
}

static int set_context32(struct vcpu_state *s, struct cpu_regs *regs,
                         const struct vcpu_hvm_x86_32 *c)
{
    static const uint8_t order[] = {SEG_CS, SEG_DS, SEG_SS, SEG_ES, SEG_TR};
    uint64_t limit;

    if (c->pad1 != 0 || c->pad2[0] != 0 || c->pad2[1] != 0 ||
        c->pad2[2] != 0) {
        return -XEN_EINVAL;
    }
    s->seg[SEG_CS] = flat_seg(c->cs_base, c->cs_limit, c->cs_ar);
    s->seg[SEG_DS] = flat_seg(c->ds_base, c->ds_limit, c->ds_ar);
    s->seg[SEG_SS] = flat_seg(c->ss_base, c->ss_limit, c->ss_ar);
    s->seg[SEG_ES] = flat_seg(c->es_base, c->es_limit, c->es_ar);
    s->seg[SEG_TR] = flat_seg(c->tr_base, c->tr_limit, c->tr_ar);
    for (unsigned i = 0; i < sizeof(order); i++) {
        int rc = check_segment(&s->seg[order[i]], order[i]);

        if (rc != 0) {
            return rc;
        }
    }
    limit = c->cs_limit;
    if (c->cs_ar & SEG_ATTR_G) {
        limit = (uint32_t)(limit << 12 | 0xfff);
    }
    if (c->eip > limit || AR_DPL(c->ss_ar) != AR_DPL(c->cs_ar) ||
        ((c->ds_ar & SEG_ATTR_P) && AR_DPL(c->ds_ar) < AR_DPL(c->cs_ar)) ||
        ((c->es_ar & SEG_ATTR_P) && AR_DPL(c->es_ar) < AR_DPL(c->cs_ar)) ||
        ((c->efer & EFER_LMA) && !(c->efer & EFER_LME))) {
        return -XEN_EINVAL;
    }
    set_gprs32(s, regs, c);
    return 0;
}

static bool is_canonical(uint64_t va)
{
    return (uint64_t)((int64_t)(va << 16) >> 16) == va;
}

static int set_context64(struct vcpu_state *s, struct cpu_regs *regs,
                         const struct vcpu_hvm_x86_64 *c)
{
    if (!is_canonical(c->rip) || !(c->cr0 & CR0_PG) ||
        !(c->cr4 & CR4_PAE) || !(c->efer & EFER_LME)) {
        return -XEN_EINVAL;
    }
    s->seg[SEG_CS] = flat_seg(0, 0xffffffff, 0xa9b);
    s->seg[SEG_DS] = flat_seg(0, 0xffffffff, 0xc93);
    s->seg[SEG_SS] = s->seg[SEG_ES] = s->seg[SEG_DS];
    s->seg[SEG_TR] = flat_seg(0, 0x67, 0x08b);
    s->rax = c->rax;
    s->rsp = c->rsp;
    s->rip = c->rip;
    s->rflags = c->rflags;
    s->cr0 = c->cr0;
    s->cr3 = c->cr3;
    s->cr4 = c->cr4;
    s->efer = c->efer;
    memset(regs, 0, sizeof(*regs));
    regs->r[R_RCX] = c->rcx;
    regs->r[R_RDX] = c->rdx;
    regs->r[R_RBX] = c->rbx;
    regs->r[R_RBP] = c->rbp;
    regs->r[R_RSI] = c->rsi;
    regs->r[R_RDI] = c->rdi;
    return 0;
}

/* hvm_efer_valid(); paging < 0: not looked at. */
static bool efer_is_valid(struct vcpu *v, uint64_t efer, int paging)
{
    if (efer & ~cpuid_efer_valid(v)) {
        return false;
    }
    return !(efer & EFER_LMA) || ((efer & EFER_LME) && paging != 0);
}

int vcpu_set_hvm_context(struct vcpu *v, const struct vcpu_hvm_context *ctx)
{
    const struct vendor_ops *ops = v->domain->ops;
    struct vcpu_state s, fresh;
    struct cpu_regs regs;
    int rc;

    memset(&s, 0, sizeof(s));
    if (ctx->pad != 0) {
        return -XEN_EINVAL;
    }
    switch (ctx->mode) {
    case VCPU_HVM_MODE_32B:
        rc = set_context32(&s, &regs, &ctx->cpu_regs.x86_32);
        break;
    case VCPU_HVM_MODE_64B:
        rc = set_context64(&s, &regs, &ctx->cpu_regs.x86_64);
        break;
    default:
        rc = -XEN_EINVAL;
        break;
    }
    if (rc != 0) {
        return rc;
    }
    if (s.efer & EFER_LME) {
        s.efer |= EFER_LMA;
    }
    if ((s.cr4 & ~cpuid_cr4_valid(v)) || !efer_is_valid(v, s.efer, -1)) {
        return -XEN_EINVAL;
    }
    if (!(s.cr0 & CR0_PG)) {
        s.efer &= ~EFER_LMA; /* the processor's view: active means paging */
    }

    ops->vcpu_reset(v);
    ops->get_state(v, &fresh);
    fresh.seg[SEG_CS] = s.seg[SEG_CS];
    fresh.seg[SEG_DS] = s.seg[SEG_DS];
    fresh.seg[SEG_SS] = s.seg[SEG_SS];
    fresh.seg[SEG_ES] = s.seg[SEG_ES];
    fresh.seg[SEG_TR] = s.seg[SEG_TR];
    fresh.rax = s.rax;
    fresh.rsp = s.rsp;
    fresh.rip = s.rip;
    fresh.rflags = s.rflags;
    fresh.cr0 = s.cr0 | CR0_ET;
    fresh.cr3 = s.cr3;
    fresh.cr4 = s.cr4;
    fresh.efer = s.efer;
    ops->set_state(v, &fresh);
    v->regs = regs;
    v->context_valid = true;
    v->initialised = true;
    return 0;
}

/* -- The CPU record of a saved context ------------------------------------- */

/* Where in struct hvm_hw_cpu each segment's parts are: one list for load and
 * save. X(index, name) */
#define HW_SEGS(X)                                                            \
    X(SEG_CS, cs)                                                             \
    X(SEG_DS, ds)                                                             \
    X(SEG_ES, es)                                                             \
    X(SEG_FS, fs)                                                             \
    X(SEG_GS, gs)                                                             \
    X(SEG_SS, ss)                                                             \
    X(SEG_TR, tr)                                                             \
    X(SEG_LDTR, ldtr)

#define HW_GPRS(X)                                                            \
    X(R_RCX, rcx)                                                             \
    X(R_RDX, rdx)                                                             \
    X(R_RBX, rbx)                                                             \
    X(R_RBP, rbp)                                                             \
    X(R_RSI, rsi)                                                             \
    X(R_RDI, rdi)                                                             \
    X(R_R8, r8)                                                               \
    X(R_R9, r9)                                                               \
    X(R_R10, r10)                                                             \
    X(R_R11, r11)                                                             \
    X(R_R12, r12)                                                             \
    X(R_R13, r13)                                                             \
    X(R_R14, r14)                                                             \
    X(R_R15, r15)

#define HW_STATE(X)                                                           \
    X(rax, rax)                                                               \
    X(rsp, rsp)                                                               \
    X(rip, rip)                                                               \
    X(rflags, rflags)                                                         \
    X(cr0, cr0)                                                               \
    X(cr2, cr2)                                                               \
    X(cr3, cr3)                                                               \
    X(cr4, cr4)                                                               \
    X(dr6, dr6)                                                               \
    X(dr7, dr7)                                                               \
    X(sysenter_cs, sysenter_cs)                                               \
    X(sysenter_esp, sysenter_esp)                                             \
    X(sysenter_eip, sysenter_eip)                                             \
    X(kernel_gs_base, shadow_gs)                                              \
    X(star, msr_star)                                                         \
    X(lstar, msr_lstar)                                                       \
    X(cstar, msr_cstar)                                                       \
    X(sfmask, msr_syscall_mask)                                               \
    X(efer, msr_efer)

/* Attributes as in a descriptor (bits 15:12 used) become packed ones. */
static uint16_t unfold_ar(uint32_t ar)
{
    return (ar & 0xf000) ? (ar & 0xff) | ((ar >> 4) & 0xf00) : ar & 0xfff;
}

static int check_hvm_cpu(struct vcpu *v, const struct hvm_hw_cpu *c)
{
    if (c->pad0 != 0) {
        return -XEN_EINVAL;
    }
    if ((c->cr0 & ~CR0_VALID) || !(c->cr0 & CR0_ET) ||
        (c->cr0 & (CR0_PE | CR0_PG)) == CR0_PG) {
        return -XEN_EINVAL;
    }
    if (c->cr4 & ~cpuid_cr4_valid(v)) {
        return -XEN_EINVAL;
    }
    if (!efer_is_valid(v, c->msr_efer, (c->cr0 & CR0_PG) ? 1 : 0)) {
        return -XEN_EINVAL;
    }
    if (c->flags & ~XEN_X86_FPU_INITIALISED) {
        return -XEN_EINVAL;
    }
    return 0;
}

static void load_fpu(struct vcpu *v, const struct hvm_hw_cpu *c)
{
    if (c->flags & XEN_X86_FPU_INITIALISED) {
        memcpy(v->fpu, c->fpu_regs, sizeof(v->fpu));
        /* FXRSTOR faults on MXCSR bits 31:16: APM2 11.5.10 */
        v->fpu[26] = 0;
        v->fpu[27] = 0;
    }
}

int vcpu_load_hvm_cpu(struct vcpu *v, const struct hvm_hw_cpu *c)
{
    const struct vendor_ops *ops = v->domain->ops;
    struct vcpu_state s;
    int rc = check_hvm_cpu(v, c);

    if (rc != 0) {
        return rc;
    }
    ops->vcpu_reset(v);
    ops->get_state(v, &s);
#define LOAD_SEG(i, n)                                                        \
    s.seg[i] = (struct vmcb_seg){.sel = (uint16_t)c->n##_sel,                 \
                                 .attrib = unfold_ar(c->n##_arbytes),         \
                                 .limit = c->n##_limit,                       \
                                 .base = c->n##_base};
    HW_SEGS(LOAD_SEG)
#define LOAD_STATE(to, from) s.to = c->from;
    HW_STATE(LOAD_STATE)
#define LOAD_GPR(i, n) v->regs.r[i] = c->n;
    HW_GPRS(LOAD_GPR)
    s.seg[SEG_IDTR].base = c->idtr_base;
    s.seg[SEG_IDTR].limit = c->idtr_limit;
    s.seg[SEG_GDTR].base = c->gdtr_base;
    s.seg[SEG_GDTR].limit = c->gdtr_limit;
    if (c->pending_valid) {
        /* Bits 31, 11, 10:8 and 7:0 are those of EVENTINJ, APM2 15.20 */
        s.pending_event = (c->pending_event & (EVENTINJ_V | EVENTINJ_EV |
                                               EVENTINJ_TYPE_MASK | 0xff)) |
                          (uint64_t)c->error_code << 32;
    }
    s.tsc_offset = c->tsc - plat_tsc(v->domain->hv->plat);
    ops->set_state(v, &s);
    v->dr[0] = c->dr0;
    v->dr[1] = c->dr1;
    v->dr[2] = c->dr2;
    v->dr[3] = c->dr3;
    v->msr_tsc_aux = c->msr_tsc_aux & 0xffffffff;
    load_fpu(v, c);
    v->context_valid = true;
    v->initialised = true;
    return 0;
}

void vcpu_save_hvm_cpu(struct vcpu *v, struct hvm_hw_cpu *c)
{
    struct vcpu_state s;

    memset(c, 0, sizeof(*c));
    v->domain->ops->get_state(v, &s);
#define SAVE_SEG(i, n)                                                        \
    c->n##_sel = s.seg[i].sel;                                                \
    c->n##_arbytes = s.seg[i].attrib;                                         \
    c->n##_limit = s.seg[i].limit;                                            \
    c->n##_base = s.seg[i].base;
    HW_SEGS(SAVE_SEG)
#define SAVE_STATE(from, to) c->to = s.from;
    HW_STATE(SAVE_STATE)
#define SAVE_GPR(i, n) c->n = v->regs.r[i];
    HW_GPRS(SAVE_GPR)
    c->idtr_base = s.seg[SEG_IDTR].base;
    c->idtr_limit = s.seg[SEG_IDTR].limit;
    c->gdtr_base = s.seg[SEG_GDTR].base;
    c->gdtr_limit = s.seg[SEG_GDTR].limit;
    c->dr0 = v->dr[0];
    c->dr1 = v->dr[1];
    c->dr2 = v->dr[2];
    c->dr3 = v->dr[3];
    c->msr_tsc_aux = v->msr_tsc_aux;
    c->tsc = vcpu_guest_tsc(v);
    c->pending_event = (uint32_t)s.pending_event;
    c->error_code = (uint32_t)(s.pending_event >> 32);
    memcpy(c->fpu_regs, v->fpu, sizeof(c->fpu_regs));
    c->flags = XEN_X86_FPU_INITIALISED;
}
