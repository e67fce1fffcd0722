/*
 * Hypercall dispatch, continuation and multicall, for an HVM/PVH caller.
 *
 * A call's way:
 *   VMMCALL -> hypercall_dispatch() -> handler -> result in rax, next insn
 *                     |                   |
 *                     |                   `-> hypercall_continue(): registers
 *                     |                       rewritten, rip left alone; the
 *                     |                       vCPU enters the call again
 *                     `-> multicall: each entry the same way, but what is
 *                         rewritten is the entry, in the guest's memory
 *
 * Numbers and argument widths are those of Xen's own table: what Xen declares
 * as unsigned int is cut to 32 bits, hvm_op's command is not.
 *
 * Invariants:
 *  1. v->restart is set exactly from hypercall_continue() to the end of the
 *     dispatch (or of the multicall entry) that it belongs to.
 *  2. v->in_multicall is true exactly while do_multicall() of v is running.
 *  3. A handler returns HYPERCALL_RESTART only after hypercall_continue().
 */
#include "hv/hypercall.h"

#include "hv/domain.h"
#include "hv/evtchn.h"
#include "hv/gmem.h"
#include "hv/gnttab.h"
#include "hv/hv.h"
#include "hv/lib.h"
#include "hv/sched.h"

/* set_timer_op: timeouts that can't be meant. Xen's own figures. */
#define TIMER_FAR_SHIFT 50 /* 2^50 ns, about 13 days */
#define TIMER_ODD_NS 100000000ULL

static const uint8_t arg_reg[5] = {R_RDI, R_RSI, R_RDX, R_R10, R_R8};

static long do_multicall(struct vcpu *v, gva_t list, uint32_t nr);

long hypercall_continue(struct vcpu *v, uint64_t nr, const uint64_t args[5])
{
    ASSERT(v->domain->hv, !v->restart);
    v->restart = true;
    v->restart_nr = nr;
    memcpy(v->restart_args, args, sizeof(v->restart_args));
    return HYPERCALL_RESTART;
}

/* A vCPU that may not go on (blocked, paused, its domain gone) is not kept
 * from leaving by the rest of a long call. */
bool hypercall_preempt(struct vcpu *v)
{
    return plat_interrupt_pending(v->domain->hv->plat) || !sched_runnable(v);
}

/* xen.h: HYPERVISOR_set_timer_op */
static long set_timer_op(struct vcpu *v, uint64_t timeout)
{
    struct hv *hv = v->domain->hv;
    uint64_t now = plat_now(hv->plat);
    int64_t ahead = (int64_t)(timeout - now);

    if (timeout == 0) {
        timer_cancel(hv, &v->singleshot);
        return 0;
    }
    /* Older Linux wraps its jiffies, or means "none" by a far future: a
     * middle way serves both. */
    if ((int64_t)timeout < 0 ||
        (ahead > 0 && (uint32_t)(ahead >> TIMER_FAR_SHIFT) != 0)) {
        timeout = now + TIMER_ODD_NS;
    }
    timer_arm(hv, &v->singleshot, timeout);
    return 0;
}

/* xen.h: VMASST_*; runstate_update_flag is the one an HVM domain has. */
static long vm_assist(struct vcpu *v, unsigned cmd, unsigned type)
{
    if (type != VMASST_TYPE_runstate_update_flag) {
        return -XEN_EINVAL;
    }
    switch (cmd) {
    case VMASST_CMD_enable:
        v->domain->vm_assist |= 1u << type;
        return 0;
    case VMASST_CMD_disable:
        v->domain->vm_assist &= ~(1u << type);
        return 0;
    default:
        return -XEN_ENOSYS;
    }
}

/* xen.h: __HYPERVISOR_*; what is not here an HVM domain does not have. */
static long call(struct vcpu *v, uint64_t nr, const uint64_t a[5])
{
    const unsigned cmd = (unsigned)a[0];
    const gva_t arg = GVA(a[1]);

    switch (nr) {
    case __HYPERVISOR_memory_op:
        return memory_op(v, a[0], arg);
    case __HYPERVISOR_multicall:
        return do_multicall(v, GVA(a[0]), (uint32_t)a[1]);
    case __HYPERVISOR_set_timer_op:
        return set_timer_op(v, a[0]);
    case __HYPERVISOR_xen_version:
        return xen_version_op(v, cmd, arg);
    case __HYPERVISOR_console_io:
        return console_io_op(v, cmd, (unsigned)a[1], GVA(a[2]));
    case __HYPERVISOR_grant_table_op:
        return gnttab_op(v, cmd, arg, (unsigned)a[2]);
    case __HYPERVISOR_vm_assist:
        return vm_assist(v, cmd, (unsigned)a[1]);
    case __HYPERVISOR_vcpu_op:
        return vcpu_op(v, cmd, (uint32_t)a[1], GVA(a[2]));
    case __HYPERVISOR_sched_op:
        return sched_op(v, cmd, arg);
    case __HYPERVISOR_event_channel_op:
        return evtchn_op(v, cmd, arg);
    case __HYPERVISOR_physdev_op:
        return physdev_op(v, cmd, arg);
    case __HYPERVISOR_hvm_op:
        return a[0] >> 32 ? -XEN_ENOSYS : hvm_op(v, cmd, arg);
    case __HYPERVISOR_sysctl:
        return sysctl_op(v, GVA(a[0]));
    case __HYPERVISOR_domctl:
        return domctl_op(v, GVA(a[0]));
    default:
        return -XEN_ENOSYS;
    }
}

/* -- Multicall ------------------------------------------------------------- */

static gva_t entry_at(gva_t list, uint32_t i)
{
    return GVA(list.v + (uint64_t)i * sizeof(struct multicall_entry));
}

/* Runs one entry. *again: it wants to be continued, and the guest's copy now
 * says with what. 0 or -EFAULT. */
static int run_entry(struct vcpu *v, gva_t at, bool *again)
{
    struct multicall_entry e;
    uint64_t args[5];
    unsigned i;

    *again = false;
    if (gmem_copy_from(v, &e, at, sizeof(e))) {
        return -XEN_EFAULT;
    }
    for (i = 0; i < 5; i++) {
        args[i] = e.args[i];
    }
    e.result = (xen_ulong_t)call(v, e.op, args);
    if (!v->restart) {
        gva_t result = GVA(at.v + offsetof(struct multicall_entry, result));

        return gmem_copy_to(v, result, &e.result, sizeof(e.result));
    }
    v->restart = false;
    e.op = v->restart_nr;
    for (i = 0; i < 5; i++) {
        e.args[i] = v->restart_args[i];
    }
    *again = true;
    return gmem_copy_to(v, at, &e, sizeof(e));
}

/* xen.h: HYPERVISOR_multicall */
static long do_multicall(struct vcpu *v, gva_t list, uint32_t nr)
{
    bool again = false;
    uint32_t i;
    int rc = 0;

    if (v->in_multicall) {
        return -XEN_EINVAL; /* no multicall within a multicall */
    }
    v->in_multicall = true;
    for (i = 0; i < nr; i++) {
        if (i && hypercall_preempt(v)) {
            break;
        }
        rc = run_entry(v, entry_at(list, i), &again);
        if (rc || again) {
            break;
        }
    }
    v->in_multicall = false;
    if (rc || i == nr) {
        return rc;
    }
    const uint64_t args[5] = {entry_at(list, i).v, nr - i};

    return hypercall_continue(v, __HYPERVISOR_multicall, args);
}

/* -- Entry ----------------------------------------------------------------- */

long hypercall_dispatch(struct vcpu *v, uint64_t nr, const uint64_t args[5],
                        bool *restart)
{
    long rc = call(v, nr, args);
    unsigned i;

    *restart = v->restart;
    if (!v->restart) {
        ASSERT(v->domain->hv, rc != HYPERCALL_RESTART);
        return rc;
    }
    v->restart = false;
    for (i = 0; i < 5; i++) {
        v->domain->ops->set_reg(v, arg_reg[i], v->restart_args[i]);
    }
    v->domain->ops->set_reg(v, R_RAX, v->restart_nr);
    return (long)v->restart_nr;
}
