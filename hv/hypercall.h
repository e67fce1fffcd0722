/*
 * Hypercall dispatch, continuation and multicall.
 *
 * A handler returns 0.. or -XEN_E*; or HYPERCALL_RESTART after having called
 * hypercall_continue(): the guest's instruction pointer then stays on the
 * call, its registers carry the arguments to go on with, and the vCPU enters
 * the call again when it next runs. Within a multicall the entry is
 * rewritten instead and the multicall is what continues.
 */
#ifndef HV_HYPERCALL_H
#define HV_HYPERCALL_H

#include "hv/abi.h"
#include "hv/types.h"

struct vcpu;

#define HYPERCALL_RESTART (-XEN_ERESTART)

/* Called on VMMCALL with the ABI's registers taken out: number and up to
 * five arguments (rdi, rsi, rdx, r10, r8). Returns what goes into rax;
 * *restart: leave rip on the instruction, registers are already set. */
long hypercall_dispatch(struct vcpu *v, uint64_t nr, const uint64_t args[5],
                        bool *restart);

/* Arranges for `nr` to be entered again with these arguments. Returns
 * HYPERCALL_RESTART for the handler to return. */
long hypercall_continue(struct vcpu *v, uint64_t nr, const uint64_t args[5]);

/* A long handler asks every HV_PREEMPT_STRIDE units of work. */
bool hypercall_preempt(struct vcpu *v);

/* One per file: */
long xen_version_op(struct vcpu *v, unsigned cmd, gva_t arg);
long console_io_op(struct vcpu *v, unsigned cmd, unsigned count, gva_t buf);
long memory_op(struct vcpu *v, uint64_t cmd, gva_t arg);
long vcpu_op(struct vcpu *v, unsigned cmd, uint32_t vcpuid, gva_t arg);
long hvm_op(struct vcpu *v, unsigned cmd, gva_t arg);
long domctl_op(struct vcpu *v, gva_t arg);
long sysctl_op(struct vcpu *v, gva_t arg);
long physdev_op(struct vcpu *v, unsigned cmd, gva_t arg);

#endif
