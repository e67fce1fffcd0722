/*
 * A vCPU's state in its VMCB: what it is reset to, taken out as and put in
 * from struct vcpu_state, and its intercepts. AMD64 Architecture Programmer's
 * Manual volume 2 ("APM2"), appendix B and chapters 14 and 15.
 *
 * Invariants:
 *  1. EFER.SVME is set in every VMCB and in no struct vcpu_state.
 *  2. A change that would have flushed the TLB had the guest made it itself
 *     flushes before the next entry.
 */
#include "hv/x86/svm.h"

#include "hv/abi.h"
#include "hv/x86/virt.h"

#define PAT_RESET 0x0007040600070406ULL /* APM2 7.8.2 */

static struct vmcb_seg *svm_seg(struct vmcb *vmcb, unsigned seg)
{
    switch (seg) {
    case SEG_ES: return &vmcb->es;
    case SEG_CS: return &vmcb->cs;
    case SEG_SS: return &vmcb->ss;
    case SEG_DS: return &vmcb->ds;
    case SEG_FS: return &vmcb->fs;
    case SEG_GS: return &vmcb->gs;
    case SEG_GDTR: return &vmcb->gdtr;
    case SEG_LDTR: return &vmcb->ldtr;
    case SEG_IDTR: return &vmcb->idtr;
    default: return &vmcb->tr;
    }
}

void svm_get_state(struct vcpu *v, struct vcpu_state *s)
{
    struct vmcb *m = svm_vmcb(v);

    memset(s, 0, sizeof(*s));
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        s->seg[i] = *svm_seg(m, i);
    }
    s->rax = m->rax;
    s->rsp = m->rsp;
    s->rip = m->rip;
    s->rflags = m->rflags;
    s->cr0 = m->cr0;
    s->cr2 = m->cr2;
    s->cr3 = m->cr3;
    s->cr4 = m->cr4;
    s->dr6 = m->dr6;
    s->dr7 = m->dr7;
    s->efer = m->efer & ~EFER_SVME;
    s->star = m->star;
    s->lstar = m->lstar;
    s->cstar = m->cstar;
    s->sfmask = m->sfmask;
    s->kernel_gs_base = m->kernel_gs_base;
    s->sysenter_cs = m->sysenter_cs;
    s->sysenter_esp = m->sysenter_esp;
    s->sysenter_eip = m->sysenter_eip;
    s->pat = m->g_pat;
    s->tsc_offset = m->tsc_offset;
    s->pending_event = v->event_waiting ? m->eventinj : 0;
}

void svm_set_state(struct vcpu *v, const struct vcpu_state *s)
{
    struct vmcb *m = svm_vmcb(v);
    uint64_t efer = s->efer | EFER_SVME; /* APM2 15.5.1: VMRUN demands it */

    /* What a MOV to CR or a WRMSR would have flushed, APM2 5.5.2 */
    if (m->cr0 != s->cr0 || m->cr3 != s->cr3 || m->cr4 != s->cr4 ||
        m->efer != efer || m->g_pat != s->pat) {
        v->flush_pending = true;
    }
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        *svm_seg(m, i) = s->seg[i];
    }
    m->cpl = (s->cr0 & CR0_PE) ? (m->ss.attrib >> SEG_ATTR_DPL_SHIFT) & 3 : 0;
    m->rax = s->rax;
    m->rsp = s->rsp;
    m->rip = s->rip;
    m->rflags = s->rflags | RFLAGS_FIXED;
    m->cr0 = s->cr0;
    m->cr2 = s->cr2;
    m->cr3 = s->cr3;
    m->cr4 = s->cr4;
    m->dr6 = s->dr6;
    m->dr7 = s->dr7;
    m->efer = efer;
    m->star = s->star;
    m->lstar = s->lstar;
    m->cstar = s->cstar;
    m->sfmask = s->sfmask;
    m->kernel_gs_base = s->kernel_gs_base;
    m->sysenter_cs = s->sysenter_cs;
    m->sysenter_esp = s->sysenter_esp;
    m->sysenter_eip = s->sysenter_eip;
    m->g_pat = s->pat;
    m->tsc_offset = s->tsc_offset;
    m->eventinj = s->pending_event;
    v->event_waiting = s->pending_event & EVENTINJ_V;
}

static void svm_set_controls(struct vcpu *v)
{
    struct vmcb *vmcb = svm_vmcb(v);

    /* DR0..DR3 are not switched by VMRUN: never the hardware's. */
    vmcb->intercept_dr_read = 0x000f;
    vmcb->intercept_dr_write = 0x000f;
    /* #AC and #DB can recur without end inside their own delivery. */
    vmcb->intercept_exceptions =
        1u << VEC_DB | 1u << VEC_AC | 1u << VEC_MC;
    vmcb->intercept1 = VMCB_I1_INTR | VMCB_I1_NMI | VMCB_I1_INIT |
                       VMCB_I1_RDPMC | VMCB_I1_CPUID | VMCB_I1_INVD |
                       VMCB_I1_PAUSE | VMCB_I1_HLT | VMCB_I1_INVLPGA |
                       VMCB_I1_IOIO | VMCB_I1_MSR | VMCB_I1_TASK_SWITCH |
                       VMCB_I1_FERR | VMCB_I1_SHUTDOWN;
    vmcb->intercept2 = VMCB_I2_VMRUN | VMCB_I2_VMMCALL | VMCB_I2_VMLOAD |
                       VMCB_I2_VMSAVE | VMCB_I2_STGI | VMCB_I2_CLGI |
                       VMCB_I2_SKINIT | VMCB_I2_WBINVD | VMCB_I2_MONITOR |
                       VMCB_I2_MWAIT | VMCB_I2_MWAIT_ARMED | VMCB_I2_XSETBV;
    vmcb->iopm_base_pa = mfn_to_maddr(v->domain->iopm, 0).v;
    vmcb->msrpm_base_pa = mfn_to_maddr(v->domain->msrpm, 0).v;
    vmcb->vintr = VINTR_V_INTR_MASKING;
    vmcb->np_control = 1; /* APM2 15.25.3 */
}

/* INIT state, APM2 table 14-1 */
void svm_vcpu_reset(struct vcpu *v)
{
    struct vmcb *vmcb = svm_vmcb(v);
    struct vcpu_state s;
    uint32_t r[4];

    memset(vmcb, 0, sizeof(*vmcb));
    memset(&s, 0, sizeof(s));
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        s.seg[i].limit = 0xffff;
        s.seg[i].attrib = SEG_ATTR_P | SEG_ATTR_S | 0x3;
    }
    s.seg[SEG_CS].sel = 0xf000;
    s.seg[SEG_CS].base = 0xffff0000;
    s.seg[SEG_CS].attrib = SEG_ATTR_P | SEG_ATTR_S | 0xb;
    s.seg[SEG_LDTR].attrib = SEG_ATTR_P | 0x2;
    s.seg[SEG_TR].attrib = SEG_ATTR_P | 0xb;
    s.seg[SEG_GDTR].attrib = 0;
    s.seg[SEG_IDTR].attrib = 0;
    s.rip = 0xfff0;
    s.rflags = RFLAGS_FIXED;
    s.cr0 = CR0_CD | CR0_NW | CR0_ET;
    s.dr6 = 0xffff0ff0;
    s.dr7 = 0x400;
    s.pat = PAT_RESET;
    svm_set_controls(v);
    svm_set_state(v, &s);

    memset(&v->regs, 0, sizeof(v->regs));
    plat_cpuid(v->domain->hv->plat, 1, 0, r);
    v->regs.r[R_RDX] = r[0];
    memset(v->dr, 0, sizeof(v->dr));
    memset(v->fpu, 0, sizeof(v->fpu));
    v->fpu[0] = 0x7f; /* FCW 0x37f: as FNINIT leaves it */
    v->fpu[1] = 0x03;
    v->fpu[24] = 0x80; /* MXCSR 0x1f80 */
    v->fpu[25] = 0x1f;
    v->msr_tsc_aux = 0;
    v->msr_apic_base = 0xfee00000 | (v->id == 0 ? 0x100 : 0);
    v->intr_window = false;
    v->flush_pending = true;
}

uint64_t svm_get_reg(struct vcpu *v, unsigned reg)
{
    switch (reg) {
    case R_RAX:
        return svm_vmcb(v)->rax;
    case R_RSP:
        return svm_vmcb(v)->rsp;
    default:
        return v->regs.r[reg & 15];
    }
}

void svm_set_reg(struct vcpu *v, unsigned reg, uint64_t value)
{
    switch (reg) {
    case R_RAX:
        svm_vmcb(v)->rax = value;
        break;
    case R_RSP:
        svm_vmcb(v)->rsp = value;
        break;
    default:
        v->regs.r[reg & 15] = value;
        break;
    }
}
