/*
 * Why a guest came back, and what is done about it.
 *
 * Invariants:
 *  1. An exit either moves the guest past its instruction, gives it an
 *     exception, stops it, or leaves it to be executed again because what
 *     stood in its way is gone.
 *  2. What a guest does can cost itself alone: an exit that can't be
 *     answered is that domain's crash.
 */
#include "hv/vcpu.h"

#include "hv/evtchn.h"
#include "hv/hv.h"
#include "hv/hypercall.h"
#include "hv/ioport.h"
#include "hv/p2m.h"
#include "hv/sched.h"
#include "hv/x86/virt.h"

#define NO_ERROR_CODE (-1)

/* Xen's hvm_hypercall(): privilege before mode. */
static void exit_hypercall(struct vcpu *v)
{
    const struct vendor_ops *ops = v->domain->ops;
    struct vcpu_state s;
    bool restart = false;
    long rc;

    ops->get_state(v, &s);
    if ((s.cr0 & CR0_PE) &&
        ((s.seg[SEG_SS].attrib >> SEG_ATTR_DPL_SHIFT) & 3) != 0) {
        rc = -XEN_EPERM;
    } else if (!(s.efer & EFER_LMA) ||
               !(s.seg[SEG_CS].attrib & SEG_ATTR_L)) {
        rc = -XEN_ENOSYS; /* the 32-bit ABI is not spoken here */
    } else {
        const uint64_t args[5] = {
            ops->get_reg(v, R_RDI), ops->get_reg(v, R_RSI),
            ops->get_reg(v, R_RDX), ops->get_reg(v, R_R10),
            ops->get_reg(v, R_R8),
        };

        rc = hypercall_dispatch(v, s.rax, args, &restart);
    }
    if (!restart) {
        ops->set_reg(v, R_RAX, (uint64_t)rc);
        ops->skip_insn(v);
    }
}

/* Xen's hvm_hlt(). The instruction is over before it halts, and with it the
 * shadow of an STI before it. */
static void exit_hlt(struct vcpu *v)
{
    const struct vendor_ops *ops = v->domain->ops;
    struct vcpu_state s;

    ops->skip_insn(v);
    ops->get_state(v, &s);
    if (s.pending_event != 0) {
        return;
    }
    if (!(s.rflags & RFLAGS_IF)) {
        vcpu_down(v);
    } else if (!vcpu_event_due(v)) {
        sched_block(v);
    }
}

static void exit_cpuid(struct vcpu *v)
{
    const struct vendor_ops *ops = v->domain->ops;
    uint32_t out[4];

    cpuid_guest(v, (uint32_t)ops->get_reg(v, R_RAX),
                (uint32_t)ops->get_reg(v, R_RCX), out);
    ops->set_reg(v, R_RAX, out[0]);
    ops->set_reg(v, R_RBX, out[1]);
    ops->set_reg(v, R_RCX, out[2]);
    ops->set_reg(v, R_RDX, out[3]);
    ops->skip_insn(v);
}

static void exit_msr(struct vcpu *v, bool write)
{
    const struct vendor_ops *ops = v->domain->ops;
    uint32_t msr = (uint32_t)ops->get_reg(v, R_RCX);
    uint64_t value = 0;
    int rc;

    if (write) {
        value = (uint32_t)ops->get_reg(v, R_RAX) |
                ops->get_reg(v, R_RDX) << 32;
        rc = msr_guest_write(v, msr, value);
    } else {
        rc = msr_guest_read(v, msr, &value);
    }
    if (rc != 0) {
        ops->inject(v, VEC_GP, 0);
        return;
    }
    if (!write) {
        ops->set_reg(v, R_RAX, (uint32_t)value);
        ops->set_reg(v, R_RDX, value >> 32);
    }
    ops->skip_insn(v);
}

static void nested_crash(struct vcpu *v, const struct vcpu_exit *e,
                         const char *why)
{
    struct domain *d = v->domain;
    const char *what = e->fetch ? "fetch" : e->write ? "write" : "read";

    if (!d->shutting_down) {
        hv_log(d->hv, "domain %u vcpu %u: %s of gfn 0x%lx", d->domid, v->id,
               what, (unsigned long)(e->gaddr >> PAGE_SHIFT));
    }
    domain_crash(d, why);
}

/* Xen's hvm_hap_nested_page_fault(), without an emulator behind it. */
static void exit_nested_fault(struct vcpu *v, const struct vcpu_exit *e)
{
    enum p2m_type type;
    gfn_t gfn = GFN(e->gaddr >> PAGE_SHIFT);
    mfn_t mfn = p2m_lookup(v->domain, gfn, &type);

    if (!mfn_valid(mfn)) {
        nested_crash(v, e, "access to a guest frame that is not there");
    } else if (e->write && type == P2M_GRANT_RO) {
        v->domain->ops->inject(v, VEC_GP, 0); /* as Xen */
    } else if (e->write && !p2m_type_writable(type)) {
        nested_crash(v, e, "write to a read-only guest frame");
    } else if (e->fetch && e->present && !p2m_type_own(type)) {
        nested_crash(v, e, "execution of somebody else's frame");
    }
    /* Otherwise the entry permits it by now: the guest tries again. */
}

void vcpu_exit_handle(struct vcpu *v, const struct vcpu_exit *e)
{
    struct domain *d = v->domain;

    switch (e->kind) {
    case EXIT_INTERRUPT:
    case EXIT_INTR_WINDOW:
    case EXIT_SKIP:
        break;
    case EXIT_HYPERCALL:
        exit_hypercall(v);
        break;
    case EXIT_HLT:
        exit_hlt(v);
        break;
    case EXIT_PAUSE:
        d->ops->skip_insn(v);
        sched_yield_vcpu(v);
        break;
    case EXIT_CPUID:
        exit_cpuid(v);
        break;
    case EXIT_MSR_READ:
    case EXIT_MSR_WRITE:
        exit_msr(v, e->kind == EXIT_MSR_WRITE);
        break;
    case EXIT_IO:
        ioport_exit(v, e);
        break;
    case EXIT_NESTED_FAULT:
        exit_nested_fault(v, e);
        break;
    case EXIT_SHUTDOWN:
        /* hvm/params.h: HVM_PARAM_TRIPLE_FAULT_REASON */
        hv_log(d->hv, "domain %u vcpu %u: triple fault", d->domid, v->id);
        domain_shutdown(
            d, (uint8_t)d->hvm_params[HVM_PARAM_TRIPLE_FAULT_REASON]);
        break;
    case EXIT_UD:
        d->ops->inject(v, VEC_UD, NO_ERROR_CODE);
        break;
    case EXIT_GP:
        d->ops->inject(v, VEC_GP, 0);
        break;
    case EXIT_CRASH:
        domain_crash(d, e->why);
        break;
    }
}
