/*
 * What an #VMEXIT means, in the run loop's terms. Exit codes and their
 * information fields: AMD64 Architecture Programmer's Manual volume 2
 * ("APM2"), appendix C and chapter 15.
 *
 * Invariants:
 *  1. RIP moves only in svm_skip_insn(), and past exactly the instruction
 *     that exited.
 *  2. An exit that no intercept of svm.c asks for crashes the domain; it is
 *     never passed over.
 */
#include "hv/x86/svm.h"

#include "hv/abi.h"
#include "hv/gmem.h"

#define INSN_MAX 15 /* APM3 1.1 */

static bool svm_in_long_code(const struct vmcb *vmcb)
{
    return (vmcb->efer & EFER_LMA) && (vmcb->cs.attrib & SEG_ATTR_L);
}

/* Length of the instruction behind an exit, for processors that do not save
 * the next RIP. Intercepted instructions take no operands but MOV DR, which
 * is measured where it is decoded; a superfluous prefix before one of them
 * makes the guest meet its own last bytes again, as it would on Xen. */
static unsigned svm_known_length(uint64_t exitcode)
{
    switch (exitcode) {
    case VMEXIT_HLT:
        return 1;
    case VMEXIT_VMMCALL:
    case VMEXIT_XSETBV:
        return 3;
    default: /* CPUID, RDMSR, WRMSR, RDPMC, INVD, WBINVD, PAUSE */
        return 2;
    }
}

static void svm_advance(struct vcpu *v, uint64_t rip)
{
    struct vmcb *vmcb = svm_vmcb(v);

    if (!svm_in_long_code(vmcb)) {
        rip &= 0xffffffff;
    }
    vmcb->rip = rip;
    vmcb->interrupt_shadow &= ~1ULL;
    /* The trap that the skipped instruction would have ended in. */
    if (vmcb->rflags & RFLAGS_TF) {
        vmcb->dr6 |= 1ULL << 14; /* BS, APM2 13.1.1.3 */
        svm_inject(v, VEC_DB, -1);
    }
}

void svm_skip_insn(struct vcpu *v)
{
    struct vmcb *vmcb = svm_vmcb(v);
    const struct hv *hv = v->domain->hv;
    uint64_t rip = vmcb->rip + svm_known_length(vmcb->exitcode);

    if (vmcb->exitcode == VMEXIT_IOIO) {
        rip = vmcb->exitinfo2; /* APM2 15.10.2 */
    } else if (hv->cpus[plat_cpu_id(hv->plat)].has_nrip) {
        rip = vmcb->nrip; /* APM2 15.7.1 */
    }
    svm_advance(v, rip);
}

/* -- MOV to and from DR0..DR3 --------------------------------------------- */

static bool is_prefix(uint8_t b)
{
    switch (b) {
    case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64: case 0x65:
    case 0x66: case 0x67: case 0xf0: case 0xf2: case 0xf3:
        return true;
    default:
        return false;
    }
}

/* Reads [prefixes] [REX] 0f 21|23 /r at RIP. Returns its length and the
 * general register, or 0 if that is not what is there (any more). */
static unsigned svm_decode_mov_dr(struct vcpu *v, bool write, unsigned dr,
                                  unsigned *gpr)
{
    const struct vmcb *vmcb = svm_vmcb(v);
    bool long_code = svm_in_long_code(vmcb);
    uint64_t base = long_code ? 0 : vmcb->cs.base;
    uint8_t tail[3] = {0, 0, 0}, rex = 0, b;
    unsigned len = 0, have = 0;

    while (have < 3 && len < INSN_MAX) {
        uint64_t at = base + vmcb->rip + len;

        if (gmem_copy_from(v, &b, GVA(long_code ? at : (uint32_t)at), 1)) {
            return 0;
        }
        len++;
        if (have == 0 && long_code && (b & 0xf0) == 0x40) {
            rex = b;
        } else if (have == 0 && is_prefix(b)) {
            rex = 0;
        } else {
            tail[have++] = b;
        }
    }
    if (have < 3 || tail[0] != 0x0f || tail[1] != (write ? 0x23 : 0x21) ||
        ((tail[2] >> 3) & 7) != dr || (rex & 4)) {
        return 0;
    }
    *gpr = (tail[2] & 7) | ((rex & 1) ? 8 : 0);
    return len;
}

/* DR0..DR3 are kept for the guest and never loaded: address breakpoints do
 * not fire. */
static void svm_exit_mov_dr(struct vcpu *v, struct vcpu_exit *out)
{
    const struct vmcb *vmcb = svm_vmcb(v);
    bool write = vmcb->exitcode >= VMEXIT_DR0_WRITE;
    unsigned dr = vmcb->exitcode & 3;
    uint64_t mask = svm_in_long_code(vmcb) ? ~0ULL : 0xffffffff;
    unsigned gpr, len;

    out->kind = EXIT_SKIP;
    len = svm_decode_mov_dr(v, write, dr, &gpr);
    if (len == 0) {
        return; /* code changed under us: the guest executes it afresh */
    }
    if (write) {
        v->dr[dr] = v->domain->ops->get_reg(v, gpr) & mask;
    } else {
        v->domain->ops->set_reg(v, gpr, v->dr[dr] & mask);
    }
    svm_advance(v, vmcb->rip + len);
}

/* -- Decoding ------------------------------------------------------------- */

static void svm_exit_exception(struct vcpu *v, unsigned vector,
                               struct vcpu_exit *out)
{
    if (vector == VEC_MC) {
        out->kind = EXIT_CRASH;
        out->why = "machine check in guest mode";
        return;
    }
    /* #DB and #AC are benign: they take the place of what waits, whose cause
     * comes back (a fault) or is still pending (an upcall). APM2 8.2.9 */
    v->event_waiting = false;
    svm_inject(v, (uint8_t)vector, vector == VEC_AC ? 0 : -1);
    out->kind = EXIT_SKIP;
}

static void svm_exit_io(const struct vmcb *vmcb, struct vcpu_exit *out)
{
    uint64_t info = vmcb->exitinfo1; /* APM2 15.10.2 */

    out->kind = EXIT_IO;
    out->port = (uint16_t)(info >> IOIO_PORT_SHIFT);
    out->in = info & IOIO_IN;
    out->string = info & IOIO_STR;
    out->rep = info & IOIO_REP;
    out->addr_len = (info & IOIO_A64) ? 8 : (info & IOIO_A32) ? 4 : 2;
    out->len = (info & IOIO_SZ8) ? 1 : (info & IOIO_SZ16) ? 2 : 4;
}

static void svm_exit_npf(const struct vmcb *vmcb, struct vcpu_exit *out)
{
    uint64_t info = vmcb->exitinfo1; /* APM2 15.25.6 */

    out->kind = EXIT_NESTED_FAULT;
    out->gaddr = vmcb->exitinfo2;
    out->present = info & PFEC_P;
    out->write = info & PFEC_W;
    out->fetch = info & PFEC_I;
}

static void svm_exit_crash(struct vcpu_exit *out, const char *why)
{
    out->kind = EXIT_CRASH;
    out->why = why;
}

/* Exits that are about an instruction. False: not one of them. */
static bool svm_exit_insn(struct vcpu *v, const struct vmcb *vmcb,
                          struct vcpu_exit *out)
{
    switch (vmcb->exitcode) {
    case VMEXIT_VMMCALL:
        out->kind = EXIT_HYPERCALL;
        return true;
    case VMEXIT_HLT:
        out->kind = EXIT_HLT;
        return true;
    case VMEXIT_PAUSE:
        out->kind = EXIT_PAUSE;
        return true;
    case VMEXIT_CPUID:
        out->kind = EXIT_CPUID;
        return true;
    case VMEXIT_MSR:
        out->kind = (vmcb->exitinfo1 & 1) ? EXIT_MSR_WRITE : EXIT_MSR_READ;
        return true;
    case VMEXIT_IOIO:
        svm_exit_io(vmcb, out);
        return true;
    case VMEXIT_INVD:
    case VMEXIT_WBINVD:
        /* Guest memory is coherent write-back RAM: nothing to do. */
        svm_skip_insn(v);
        out->kind = EXIT_SKIP;
        return true;
    case VMEXIT_RDPMC:
        out->kind = EXIT_GP; /* no counters in the policy */
        return true;
    case VMEXIT_INVLPGA:
    case VMEXIT_VMRUN:
    case VMEXIT_VMLOAD:
    case VMEXIT_VMSAVE:
    case VMEXIT_STGI:
    case VMEXIT_CLGI:
    case VMEXIT_SKINIT:
    case VMEXIT_MONITOR:
    case VMEXIT_MWAIT:
    case VMEXIT_MWAIT_ARMED:
    case VMEXIT_XSETBV:
        out->kind = EXIT_UD; /* not in the CPUID policy: cpuid.c */
        return true;
    default:
        return false;
    }
}

void svm_exit_decode(struct vcpu *v, struct vcpu_exit *out)
{
    struct vmcb *vmcb = svm_vmcb(v);

    out->code = vmcb->exitcode;
    if (svm_exit_insn(v, vmcb, out)) {
        return;
    }
    switch (vmcb->exitcode) {
    case VMEXIT_INTR:
    case VMEXIT_NMI:
    case VMEXIT_SMI:
    case VMEXIT_INIT:
        out->kind = EXIT_INTERRUPT;
        break;
    case VMEXIT_VINTR:
        svm_close_intr_window(v);
        out->kind = EXIT_INTR_WINDOW;
        break;
    case VMEXIT_NPF:
        svm_exit_npf(vmcb, out);
        break;
    case VMEXIT_SHUTDOWN:
        out->kind = EXIT_SHUTDOWN;
        break;
    case VMEXIT_TASK_SWITCH:
        svm_exit_crash(out, "hardware task switch");
        break;
    case VMEXIT_FERR_FREEZE:
        svm_exit_crash(out, "legacy FERR# error reporting");
        break;
    case VMEXIT_INVALID:
        svm_exit_crash(out, "guest state refused by VMRUN");
        break;
    case VMEXIT_EXCP_BASE + VEC_DB:
    case VMEXIT_EXCP_BASE + VEC_AC:
    case VMEXIT_EXCP_BASE + VEC_MC:
        svm_exit_exception(v, (unsigned)vmcb->exitcode - VMEXIT_EXCP_BASE,
                           out);
        break;
    default:
        if (vmcb->exitcode >= VMEXIT_DR0_READ &&
            vmcb->exitcode < VMEXIT_DR0_WRITE + 4) {
            svm_exit_mov_dr(v, out);
        } else {
            svm_exit_crash(out, "unexpected exit code");
        }
        break;
    }
}
