/*
 * SVM: VMRUN, #VMEXIT, intercepts of events, injection and virtual
 * interrupts. APM2 chapter 15.
 *
 *   host --VMRUN--> checks --illegal--> VMEXIT_INVALID, back to host
 *                     |
 *                     `--> state loaded, TLB_CONTROL --> event injected -->
 *   guest (exec.c) --svm_exit()--> state stored --> host
 *
 * Invariants:
 *  1. The VMCB is read at VMRUN and written at #VMEXIT, never in between.
 *  2. A pending physical interrupt takes the CPU out of the guest before its
 *     next instruction, unless it is masked (15.21.1).
 *  3. An event whose delivery exits is in EXITINTINFO, and nowhere else.
 */
#include "sim/machine_impl.h"

#include <string.h>

/* -- State ---------------------------------------------------------------- */

static uint64_t svm_canonical(uint64_t base)
{
    return (uint64_t)((int64_t)(base << 16) >> 16); /* APM2 15.5.1 */
}

static void svm_load_seg(struct vmcb_seg *to, const struct vmcb_seg *from)
{
    *to = *from;
    to->base = svm_canonical(to->base);
}

void svm_vmload(struct cpu *c, const struct vmcb *v)
{
    svm_load_seg(&c->g.fs, &v->fs);
    svm_load_seg(&c->g.gs, &v->gs);
    svm_load_seg(&c->g.ldtr, &v->ldtr);
    svm_load_seg(&c->g.tr, &v->tr);
    c->g.kernel_gs_base = v->kernel_gs_base;
    c->g.star = v->star;
    c->g.lstar = v->lstar;
    c->g.cstar = v->cstar;
    c->g.sfmask = v->sfmask;
    c->g.sysenter_cs = v->sysenter_cs;
    c->g.sysenter_esp = v->sysenter_esp;
    c->g.sysenter_eip = v->sysenter_eip;
}

void svm_vmsave(const struct cpu *c, struct vmcb *v)
{
    v->fs = c->g.fs;
    v->gs = c->g.gs;
    v->ldtr = c->g.ldtr;
    v->tr = c->g.tr;
    v->kernel_gs_base = c->g.kernel_gs_base;
    v->star = c->g.star;
    v->lstar = c->g.lstar;
    v->cstar = c->g.cstar;
    v->sfmask = c->g.sfmask;
    v->sysenter_cs = c->g.sysenter_cs;
    v->sysenter_esp = c->g.sysenter_esp;
    v->sysenter_eip = c->g.sysenter_eip;
}

static void svm_load_control(struct cpu *c, const struct vmcb *v)
{
    struct guest_ctl *k = &c->ctl;

    k->cr_read = v->intercept_cr_read;
    k->cr_write = v->intercept_cr_write;
    k->exceptions = v->intercept_exceptions;
    k->i1 = v->intercept1;
    k->i2 = v->intercept2;
    k->iopm = v->iopm_base_pa & PAGE_MASK;
    k->msrpm = v->msrpm_base_pa & PAGE_MASK;
    k->tsc_offset = v->tsc_offset;
    k->vintr = v->vintr;
    k->n_cr3 = v->n_cr3;
    k->asid = v->asid;
    k->np = v->np_control & 1;
}

static void svm_load_state(struct cpu *c, const struct vmcb *v)
{
    struct guest_state *g = &c->g;

    svm_load_seg(&g->es, &v->es);
    svm_load_seg(&g->cs, &v->cs);
    svm_load_seg(&g->ss, &v->ss);
    svm_load_seg(&g->ds, &v->ds);
    svm_load_seg(&g->gdtr, &v->gdtr);
    svm_load_seg(&g->idtr, &v->idtr);
    g->cpl = v->cpl & 3;
    g->efer = v->efer & ~EFER_LMA;
    if ((v->efer & EFER_LME) && (v->cr0 & CR0_PG)) {
        g->efer |= EFER_LMA;
    }
    g->cr0 = v->cr0 | CR0_ET;
    g->cr2 = v->cr2;
    g->cr3 = v->cr3;
    g->cr4 = v->cr4;
    g->dr6 = v->dr6;
    g->dr7 = v->dr7;
    g->rflags = v->rflags | RFLAGS_FIXED;
    g->rip = v->rip;
    g->regs.r[R_RSP] = v->rsp;
    g->regs.r[R_RAX] = v->rax;
    g->shadow = v->interrupt_shadow & 1;
    g->gif = true; /* 15.17: STGI after VMRUN's own */
    if (c->ctl.np) {
        g->g_pat = v->g_pat;
    }
}

static void svm_store_state(const struct cpu *c, struct vmcb *v)
{
    const struct guest_state *g = &c->g;

    v->es = g->es;
    v->cs = g->cs;
    v->ss = g->ss;
    v->ds = g->ds;
    v->gdtr = g->gdtr;
    v->idtr = g->idtr;
    v->cpl = g->cpl;
    v->efer = g->efer;
    v->cr0 = g->cr0;
    v->cr2 = g->cr2;
    v->cr3 = g->cr3;
    v->cr4 = g->cr4;
    v->dr6 = g->dr6;
    v->dr7 = g->dr7;
    v->rflags = g->rflags;
    v->rip = g->rip;
    v->rsp = g->regs.r[R_RSP];
    v->rax = g->regs.r[R_RAX];
    v->interrupt_shadow = g->shadow ? 1 : 0;
    v->vintr = c->ctl.vintr;
    if (c->ctl.np) {
        v->g_pat = g->g_pat;
    }
    v->exitcode = c->exit_code;
    v->exitinfo1 = c->exit_info1;
    v->exitinfo2 = c->exit_info2;
    v->exitintinfo = c->exit_intinfo;
    v->nrip = c->exit_nrip;
    v->insn_len = 0; /* no decode assists */
    v->eventinj &= ~EVENTINJ_V; /* 15.20 */
}

/* -- Exits ---------------------------------------------------------------- */

void svm_exit(struct cpu *c, uint64_t code, uint64_t info1, uint64_t info2)
{
    c->exited = true;
    c->exit_code = code;
    c->exit_info1 = info1;
    c->exit_info2 = info2;
    c->exit_nrip = 0;
    c->exit_intinfo = c->injecting; /* 15.7.2 */
    c->injecting = 0;
}

void svm_exit_insn(struct cpu *c, uint64_t code, uint64_t info1,
                   uint64_t info2, unsigned len)
{
    svm_exit(c, code, info1, info2);
    c->exit_nrip = c->g.rip + len; /* 15.7.1 */
}

static void svm_shutdown(struct cpu *c)
{
    if (!(c->ctl.i1 & VMCB_I1_SHUTDOWN)) {
        machine_fatal(c->m, "CPU %u: a guest has shut the processor down, "
                            "and SHUTDOWN is not intercepted", c->id);
    }
    c->injecting = 0;
    svm_exit(c, VMEXIT_SHUTDOWN, 0, 0);
}

/* -- Events --------------------------------------------------------------- */

static void svm_deliver(struct cpu *c, uint64_t event)
{
    bool exception = (event & EVENTINJ_TYPE_MASK) == EVENTINJ_TYPE_EXCEPTION;
    uint32_t error = event & EVENTINJ_EV ? (uint32_t)(event >> 32) : 0;
    struct mmu_fault fault = {.kind = MMU_OK};
    const uint64_t slot = c->g.rip - c->g.rip % 128;

    /* Delivery reads the program's slot, as an IDT would be read. */
    c->injecting = event;
    c->g.shadow = false;
    if (mmu_translate(c, c->g.cs.base + slot, MMU_READ, &fault) == NULL &&
        fault.kind == MMU_NPF) {
        mmu_raise(c, &fault);
        return;
    }
    if (fault.kind != MMU_OK ||
        !native_deliver(c, (uint8_t)event, exception, error)) {
        svm_shutdown(c);
    }
    c->injecting = 0;
}

void svm_exception(struct cpu *c, uint8_t vector, bool has_error,
                   uint32_t error)
{
    if (c->ctl.exceptions & (1u << vector)) {
        svm_exit(c, VMEXIT_EXCP_BASE + vector, has_error ? error : 0, 0);
        return;
    }
    svm_deliver(c, vector | EVENTINJ_TYPE_EXCEPTION | EVENTINJ_V |
                       (has_error ? EVENTINJ_EV : 0) |
                       (uint64_t)error << 32);
}

/* APM2 15.21.1: V_INTR_MASKING makes physical interrupts obey the host's IF,
 * which plat_vmrun() runs with set. */
static bool svm_physical_due(const struct cpu *c)
{
    return c->irq != 0 && c->g.gif &&
           ((c->ctl.vintr & VINTR_V_INTR_MASKING) ||
            ((c->g.rflags & RFLAGS_IF) && !c->g.shadow));
}

/* APM2 15.21.4 */
static bool svm_virtual_due(const struct cpu *c)
{
    uint64_t k = c->ctl.vintr;
    unsigned prio = k >> 16 & 15, tpr = k & 15;

    return (k & VINTR_V_IRQ) && c->g.gif && (c->g.rflags & RFLAGS_IF) &&
           !c->g.shadow && ((k & VINTR_V_IGN_TPR) || prio > tpr);
}

bool svm_interrupt_due(const struct cpu *c)
{
    return svm_physical_due(c) || svm_virtual_due(c);
}

bool svm_poll_interrupts(struct cpu *c)
{
    if (svm_physical_due(c)) {
        if (!(c->ctl.i1 & VMCB_I1_INTR)) {
            machine_fatal(c->m, "CPU %u: a physical interrupt goes to the "
                                "guest: INTR is not intercepted", c->id);
        }
        svm_exit(c, VMEXIT_INTR, 0, 0);
        return true;
    }
    if (svm_virtual_due(c)) {
        if (c->ctl.i1 & VMCB_I1_VINTR) {
            svm_exit(c, VMEXIT_VINTR, 0, 0);
            return true;
        }
        c->ctl.vintr &= ~VINTR_V_IRQ;
        svm_deliver(c, (c->ctl.vintr >> VINTR_VECTOR_SHIFT & 0xff) |
                           EVENTINJ_TYPE_INTR | EVENTINJ_V);
    }
    return c->exited;
}

/* -- Permission maps ------------------------------------------------------ */

static bool svm_map_bit(struct cpu *c, uint64_t map, uint64_t bit)
{
    uint64_t pa = map + bit / 8;

    if (pa >= c->m->ram_bytes) {
        machine_fatal(c->m, "permission map at %#llx: past RAM",
                      (unsigned long long)map);
    }
    return c->m->ram[pa] >> bit % 8 & 1;
}

/* APM2 15.11 */
bool svm_msr_intercepted(struct cpu *c, uint32_t msr, bool write)
{
    uint64_t index;

    if (!(c->ctl.i1 & VMCB_I1_MSR)) {
        return false;
    }
    if (msr < 0x2000) {
        index = msr;
    } else if (msr - 0xc0000000u < 0x2000) {
        index = 0x2000 + (msr - 0xc0000000u);
    } else if (msr - 0xc0010000u < 0x2000) {
        index = 0x4000 + (msr - 0xc0010000u);
    } else {
        return true;
    }
    return svm_map_bit(c, c->ctl.msrpm, 2 * index + (write ? 1 : 0));
}

/* APM2 15.10.1: the access is intercepted if any of its ports is */
bool svm_io_intercepted(struct cpu *c, uint16_t port, unsigned len)
{
    if (!(c->ctl.i1 & VMCB_I1_IOIO)) {
        return false;
    }
    for (unsigned i = 0; i < len; i++) {
        if (svm_map_bit(c, c->ctl.iopm, (uint64_t)port + i)) {
            return true;
        }
    }
    return false;
}

/* -- VMRUN ---------------------------------------------------------------- */

static void svm_tlb_control(struct cpu *c, const struct vmcb *v)
{
    switch (v->tlb_control) {
    case TLB_CTL_NONE:
        break;
    case TLB_CTL_FLUSH_ALL:
        tlb_flush_all(&c->tlb);
        break;
    case TLB_CTL_FLUSH_ASID:
        tlb_flush_asid(&c->tlb, v->asid);
        break;
    case TLB_CTL_FLUSH_ASID_NONGLOBAL:
        tlb_flush_asid_nonglobal(&c->tlb, v->asid);
        break;
    default:
        machine_fatal(c->m, "VMRUN with TLB_CONTROL %u (15.16.2: reserved)",
                      v->tlb_control);
    }
}

/* The host state-save area gets the host's state: whatever else the
 * hypervisor keeps in that frame is lost. APM2 15.30.4 */
static void svm_save_host(struct cpu *c)
{
    uint64_t *area = (uint64_t *)(void *)machine_frame(
        c->m, c->hsave_pa >> PAGE_SHIFT);

    if (c->hsave_pa == 0 || area == NULL) {
        machine_fatal(c->m, "VMRUN with VM_HSAVE_PA %#llx",
                      (unsigned long long)c->hsave_pa);
    }
    area[0] = c->efer;
    area[1] = CR0_PG | CR0_PE | CR0_WP | CR0_ET;
    area[2] = CR4_PAE;
    area[3] = c->vmcb;
}

void svm_vmrun(struct cpu *c, uint64_t vmcb_pa, struct cpu_regs *regs)
{
    struct vmcb *v = (struct vmcb *)(void *)(c->m->ram + vmcb_pa);

    if (!(c->efer & EFER_SVME)) {
        machine_fatal(c->m, "#UD in the hypervisor: VMRUN with EFER.SVME 0");
    }
    c->vmcb = vmcb_pa;
    svm_save_host(c);
    if (svm_illegal_state(c, v) != NULL) {
        v->exitcode = VMEXIT_INVALID;
        v->exitinfo1 = v->exitinfo2 = v->exitintinfo = v->nrip = 0;
        return;
    }
    svm_load_control(c, v);
    c->g.regs = *regs;
    svm_load_state(c, v);
    svm_vmload(c, v);
    svm_tlb_control(c, v);
    c->exited = false;
    c->injecting = 0;
    c->in_guest = true;
    if (v->eventinj & EVENTINJ_V) {
        svm_deliver(c, v->eventinj & (EVENTINJ_V | EVENTINJ_EV |
                                      EVENTINJ_TYPE_MASK | 0xff |
                                      0xffffffff00000000ULL));
    }
    if (!c->exited) {
        exec_run(c);
    }
    c->in_guest = false;
    svm_store_state(c, v);
    svm_vmsave(c, v);
    *regs = c->g.regs;
}
