/*
 * Executor: fetches and executes the guest's instructions, as far as native
 * guests need any (insn.h); all others raise #UD.
 *
 * Invariants:
 *  1. Each instruction is one crossing, after its effect (a string
 *     instruction: exec_io.c).
 *  2. Exceptions that come before intercepts (CPL, EFER.SVME) are checked
 *     first. APM2 15.7
 *  3. An instruction that exits or faults has left RIP where it was.
 */
#include "sim/cpu/exec.h"
#include "sim/machine_impl.h"

#include <string.h>

static uint64_t exec_linear(const struct cpu *c, uint64_t rip)
{
    return exec_long_mode(c) ? rip : (uint32_t)(c->g.cs.base + rip);
}

static void exec_set32(struct cpu *c, unsigned reg, uint64_t value)
{
    c->g.regs.r[reg] = (uint32_t)value;
}

/* -- CPUID, MSRs, TSC ----------------------------------------------------- */

static void exec_cpuid(struct cpu *c, const struct insn *i)
{
    uint32_t out[4];

    if (c->ctl.i1 & VMCB_I1_CPUID) {
        svm_exit_insn(c, VMEXIT_CPUID, 0, 0, i->len);
        return;
    }
    cpu_cpuid(c, (uint32_t)c->g.regs.r[R_RAX], (uint32_t)c->g.regs.r[R_RCX],
              out);
    exec_set32(c, R_RAX, out[0]);
    exec_set32(c, R_RBX, out[1]);
    exec_set32(c, R_RCX, out[2]);
    exec_set32(c, R_RDX, out[3]);
    exec_skip(c, i);
}

static void exec_msr(struct cpu *c, const struct insn *i, bool write)
{
    uint32_t msr = (uint32_t)c->g.regs.r[R_RCX];
    uint64_t value = (uint32_t)c->g.regs.r[R_RAX] |
                     c->g.regs.r[R_RDX] << 32;

    if (c->g.cpl != 0) {
        exec_gp(c);
    } else if (svm_msr_intercepted(c, msr, write)) {
        svm_exit_insn(c, VMEXIT_MSR, write, 0, i->len);
    } else if (!(write ? cpu_guest_wrmsr(c, msr, value)
                       : cpu_guest_rdmsr(c, msr, &value))) {
        exec_gp(c);
    } else {
        if (!write) {
            exec_set32(c, R_RAX, value);
            exec_set32(c, R_RDX, value >> 32);
        }
        exec_skip(c, i);
    }
}

static void exec_rdtsc(struct cpu *c, const struct insn *i)
{
    uint64_t tsc = c->m->now_ns + c->ctl.tsc_offset;

    if (i->op == INSN_RDTSC && (c->ctl.i1 & VMCB_I1_RDTSC)) {
        svm_exit_insn(c, VMEXIT_RDTSC, 0, 0, i->len);
        return;
    }
    if (i->op == INSN_RDTSCP) {
        if (c->ctl.i2 & VMCB_I2_RDTSCP) {
            svm_exit_insn(c, VMEXIT_RDTSCP, 0, 0, i->len);
            return;
        }
        exec_set32(c, R_RCX, c->tsc_aux);
    }
    exec_set32(c, R_RAX, tsc);
    exec_set32(c, R_RDX, tsc >> 32);
    exec_skip(c, i);
}

/* -- HLT, PAUSE, IF ------------------------------------------------------- */

static void exec_hlt(struct cpu *c, const struct insn *i)
{
    uint64_t next;

    if (c->g.cpl != 0) {
        exec_gp(c);
        return;
    }
    if (c->ctl.i1 & VMCB_I1_HLT) {
        svm_exit_insn(c, VMEXIT_HLT, 0, 0, i->len);
        return;
    }
    exec_skip(c, i);
    c->g.shadow = false;
    next = c->g.rip;
    c->idle = true; /* the processor waits in guest mode */
    while (!svm_poll_interrupts(c) && c->g.rip == next) {
        sched_away(c->m);
        machine_crossing(c->m, CROSSING_NS); /* what pends may be masked */
    }
    c->idle = false;
}

static void exec_if(struct cpu *c, const struct insn *i, bool set)
{
    if (!exec_iopl_allows(c)) {
        exec_gp(c);
        return;
    }
    if (!set) {
        c->g.rflags &= ~RFLAGS_IF;
    } else if (!(c->g.rflags & RFLAGS_IF)) {
        c->g.rflags |= RFLAGS_IF;
        c->g.shadow = true;
    }
    exec_skip(c, i);
}

/* -- Control registers, TLB ----------------------------------------------- */

static void exec_cr(struct cpu *c, const struct insn *i, bool write)
{
    uint16_t map = write ? c->ctl.cr_write : c->ctl.cr_read;
    uint64_t *reg = &c->g.regs.r[i->reg], value = *reg;
    uint64_t *cr = i->cr == 0   ? &c->g.cr0
                   : i->cr == 2 ? &c->g.cr2
                   : i->cr == 3 ? &c->g.cr3
                                : &c->g.cr4;

    if (!exec_long_mode(c)) {
        value = (uint32_t)value;
    }
    if (c->g.cpl != 0) {
        exec_gp(c);
    } else if (map & (1u << i->cr)) {
        svm_exit_insn(c, (write ? VMEXIT_CR0_WRITE : VMEXIT_CR0_READ) + i->cr,
                      0, 0, i->len);
    } else if (write && i->cr == 0 && (c->ctl.i1 & VMCB_I1_CR0_SEL) &&
               ((value ^ c->g.cr0) & ~(CR0_TS | CR0_MP | CR0_ET))) {
        svm_exit_insn(c, VMEXIT_CR0_SEL_WRITE, 0, 0, i->len);
    } else if (!write) {
        *reg = *cr;
        exec_skip(c, i);
    } else if (!cpu_guest_set_cr(c, i->cr, value)) {
        exec_gp(c);
    } else {
        exec_skip(c, i);
    }
}

static void exec_invlpg(struct cpu *c, const struct insn *i)
{
    if (c->g.cpl != 0) {
        exec_gp(c);
    } else if (c->ctl.i1 & VMCB_I1_INVLPG) {
        svm_exit_insn(c, VMEXIT_INVLPG, 0, 0, i->len);
    } else {
        tlb_flush_page(&c->tlb, c->ctl.asid, c->g.regs.r[i->reg]);
        exec_skip(c, i);
    }
}

/* Privileged, with an intercept bit in intercept1, and without effect here. */
static void exec_cache(struct cpu *c, const struct insn *i)
{
    bool inv = i->op == INSN_INVD;

    if (c->g.cpl != 0) {
        exec_gp(c);
    } else if (inv ? c->ctl.i1 & VMCB_I1_INVD : c->ctl.i2 & VMCB_I2_WBINVD) {
        svm_exit_insn(c, inv ? VMEXIT_INVD : VMEXIT_WBINVD, 0, 0, i->len);
    } else {
        exec_skip(c, i);
    }
}

/* -- SVM in the guest ----------------------------------------------------- */

/* Not intercepted: the instruction acts on the real machine. */
static void exec_svm_act(struct cpu *c, const struct insn *i)
{
    uint64_t pa = c->g.regs.r[R_RAX];
    struct vmcb *v = (struct vmcb *)(void *)machine_frame(c->m,
                                                          pa >> PAGE_SHIFT);

    switch (i->op) {
    case INSN_VMLOAD:
    case INSN_VMSAVE:
        if (v == NULL || pa % PAGE_SIZE != 0) {
            exec_gp(c);
            return;
        }
        if (i->op == INSN_VMLOAD) {
            svm_vmload(c, v);
        } else {
            svm_vmsave(c, v);
        }
        break;
    case INSN_STGI:
    case INSN_CLGI:
        c->g.gif = i->op == INSN_STGI;
        break;
    case INSN_INVLPGA:
        if ((uint32_t)c->g.regs.r[R_RCX] < TLB_ASIDS) {
            tlb_flush_page(&c->tlb, (uint32_t)c->g.regs.r[R_RCX], pa);
        }
        break;
    default: /* SKINIT: no TPM here; VMRUN's intercept bit is always set */
        exec_ud(c);
        return;
    }
    exec_skip(c, i);
}

static void exec_svm(struct cpu *c, const struct insn *i)
{
    static const struct {
        uint32_t bit;
        uint64_t code;
    } table[] = {
        {VMCB_I2_VMRUN, VMEXIT_VMRUN},   {VMCB_I2_VMLOAD, VMEXIT_VMLOAD},
        {VMCB_I2_VMSAVE, VMEXIT_VMSAVE}, {VMCB_I2_STGI, VMEXIT_STGI},
        {VMCB_I2_CLGI, VMEXIT_CLGI},     {VMCB_I2_SKINIT, VMEXIT_SKINIT},
    };
    unsigned n = i->op - INSN_VMRUN;

    /* APM3: #UD unless SVME and protected mode, then #GP unless CPL 0 */
    if (!(c->g.efer & EFER_SVME) || !(c->g.cr0 & CR0_PE)) {
        exec_ud(c);
    } else if (c->g.cpl != 0) {
        exec_gp(c);
    } else if (i->op == INSN_INVLPGA) {
        if (c->ctl.i1 & VMCB_I1_INVLPGA) {
            svm_exit_insn(c, VMEXIT_INVLPGA, 0, 0, i->len);
        } else {
            exec_svm_act(c, i);
        }
    } else if (c->ctl.i2 & table[n].bit) {
        svm_exit_insn(c, table[n].code, 0, 0, i->len);
    } else {
        exec_svm_act(c, i);
    }
}

static void exec_vmmcall(struct cpu *c, const struct insn *i)
{
    const uint64_t *r = c->g.regs.r;

    if (!(c->ctl.i2 & VMCB_I2_VMMCALL)) {
        exec_ud(c); /* APM3 VMMCALL */
        return;
    }
    machine_event(c->m, TRACE_HYPERCALL, r[R_RAX], r[R_RDI], r[R_RSI]);
    svm_exit_insn(c, VMEXIT_VMMCALL, 0, 0, i->len);
}

/* -- Dispatch ------------------------------------------------------------- */

static void exec_pause(struct cpu *c, const struct insn *i)
{
    if (c->ctl.i1 & VMCB_I1_PAUSE) {
        svm_exit_insn(c, VMEXIT_PAUSE, 0, 0, i->len);
    } else {
        exec_skip(c, i);
    }
}

static void exec_rdpmc(struct cpu *c, const struct insn *i)
{
    if (c->ctl.i1 & VMCB_I1_RDPMC) {
        svm_exit_insn(c, VMEXIT_RDPMC, 0, 0, i->len);
    } else {
        exec_gp(c); /* no counters */
    }
}

/* Control registers, TLB and caches. */
static void exec_system(struct cpu *c, const struct insn *i)
{
    switch (i->op) {
    case INSN_MOV_TO_CR:
    case INSN_MOV_FROM_CR:
        exec_cr(c, i, i->op == INSN_MOV_TO_CR);
        break;
    case INSN_INVLPG:
        exec_invlpg(c, i);
        break;
    case INSN_INVD:
    case INSN_WBINVD:
        exec_cache(c, i);
        break;
    default:
        exec_ud(c);
        break;
    }
}

static void exec_insn(struct cpu *c, const struct insn *i)
{
    switch (i->op) {
    case INSN_VMMCALL:
        exec_vmmcall(c, i);
        break;
    case INSN_CPUID:
        exec_cpuid(c, i);
        break;
    case INSN_RDMSR:
    case INSN_WRMSR:
        exec_msr(c, i, i->op == INSN_WRMSR);
        break;
    case INSN_RDTSC:
    case INSN_RDTSCP:
        exec_rdtsc(c, i);
        break;
    case INSN_RDPMC:
        exec_rdpmc(c, i);
        break;
    case INSN_IN:
    case INSN_OUT:
        exec_port(c, i, i->op == INSN_IN);
        break;
    case INSN_INS:
    case INSN_OUTS:
        exec_string(c, i, i->op == INSN_INS);
        break;
    case INSN_HLT:
        exec_hlt(c, i);
        break;
    case INSN_PAUSE:
        exec_pause(c, i);
        break;
    case INSN_STI:
    case INSN_CLI:
        exec_if(c, i, i->op == INSN_STI);
        break;
    case INSN_VMRUN:
    case INSN_VMLOAD:
    case INSN_VMSAVE:
    case INSN_STGI:
    case INSN_CLGI:
    case INSN_SKINIT:
    case INSN_INVLPGA:
        exec_svm(c, i);
        break;
    case INSN_NOP:
        exec_skip(c, i);
        break;
    default: /* what it does not know is #UD */
        exec_system(c, i);
        break;
    }
}

/* False: the fetch has faulted, exit or exception arranged. */
static bool exec_fetch(struct cpu *c, struct insn *i)
{
    uint64_t va = exec_linear(c, c->g.rip);
    unsigned n = (unsigned)(PAGE_SIZE - (va & (PAGE_SIZE - 1)));
    struct mmu_fault fault;
    const uint8_t *code = mmu_translate(c, va, MMU_EXEC, &fault);
    uint8_t both[INSN_MAX];

    if (code == NULL) {
        mmu_raise(c, &fault);
        return false;
    }
    if (insn_decode(code, n < INSN_MAX ? n : INSN_MAX, exec_long_mode(c), i)) {
        return true;
    }
    /* It goes on in the next page. */
    if (n < INSN_MAX) {
        memcpy(both, code, n);
        code = mmu_translate(c, va + n, MMU_EXEC, &fault);
        if (code == NULL) {
            mmu_raise(c, &fault);
            return false;
        }
        memcpy(both + n, code, INSN_MAX - n);
        if (insn_decode(both, INSN_MAX, exec_long_mode(c), i)) {
            return true;
        }
    }
    exec_gp(c); /* over 15 bytes */
    return false;
}

static void exec_one(struct cpu *c)
{
    struct insn i;
    bool shadow;

    if (!exec_fetch(c, &i)) {
        return;
    }
    if (i.op == INSN_ESCAPE || i.op == INSN_MOV) {
        if (!native_continue(c, i.op == INSN_MOV ? ~0u : i.imm, c->g.rip)) {
            exec_ud(c);
            if (!c->exited) { /* a handler that returns here takes time */
                machine_crossing(c->m, CROSSING_NS);
            }
        }
        return;
    }
    shadow = c->g.shadow;
    exec_insn(c, &i);
    if (shadow && !c->exited) {
        c->g.shadow = false; /* it lasts for one instruction */
    }
    if (!c->exited) {
        machine_crossing(c->m, CROSSING_NS);
    }
}

void exec_run(struct cpu *c)
{
    while (!c->exited) {
        if (svm_attention(c) && svm_poll_interrupts(c)) {
            break;
        }
        exec_one(c);
    }
}
