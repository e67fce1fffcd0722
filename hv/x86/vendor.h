/*
 * What differs between the ways to run a guest: SVM here, VMX and PV later.
 * A vCPU's domain holds one of these tables; all of them are const.
 */
#ifndef HV_X86_VENDOR_H
#define HV_X86_VENDOR_H

#include "hv/types.h"
#include "hv/x86/arch.h"

struct hv;
struct vcpu;
struct vcpu_state; /* hv/x86/virt.h */

/* Why the guest came back, in the run loop's terms (vcpu.c). */
enum exit_kind {
    EXIT_INTERRUPT, /* physical interrupt: nothing to do for the guest */
    EXIT_HYPERCALL,
    EXIT_HLT,
    EXIT_PAUSE,
    EXIT_CPUID,
    EXIT_MSR_READ,
    EXIT_MSR_WRITE,
    EXIT_IO,
    EXIT_NESTED_FAULT,
    EXIT_INTR_WINDOW, /* the guest can take an interrupt now */
    EXIT_SHUTDOWN,    /* triple fault */
    EXIT_UD,          /* an instruction this domain may not use: inject #UD */
    EXIT_GP,          /* likewise: #GP(0) */
    EXIT_SKIP,        /* done by the vendor half; enter again */
    EXIT_CRASH,       /* the guest's state is such that it can't go on */
};

struct vcpu_exit {
    enum exit_kind kind;
    uint64_t code;       /* vendor's exit code, for messages */
    uint64_t gaddr;      /* NESTED_FAULT */
    bool write, fetch, present;
    uint16_t port;       /* IO */
    uint8_t len;         /* IO: 1, 2, 4 */
    bool in, string;     /* string: INS or OUTS */
    bool rep;            /* string: with a REP prefix */
    uint8_t addr_len;    /* string: address size, 2, 4, 8 */
    const char *why;     /* CRASH */
};

struct vendor_ops {
    const char *name;
    /* NULL if usable on this CPU, else the reason in words ("missing" and
     * "disabled by firmware" are told apart). */
    const char *(*probe)(struct hv *hv);
    int (*cpu_on)(struct hv *hv, unsigned cpu); /* on each CPU at start */
    int (*vcpu_create)(struct vcpu *v);
    void (*vcpu_destroy)(struct vcpu *v);
    /* Architectural reset into a context: 32-bit flat PVH entry or what
     * VCPUOP_initialise / sethvmcontext say. */
    void (*vcpu_reset)(struct vcpu *v);
    /* Called with the lock held; it is dropped around the guest's run alone.
     * On return others may have paused v or begun to kill its domain. */
    void (*enter)(struct vcpu *v, struct vcpu_exit *out);
    uint64_t (*get_reg)(struct vcpu *v, unsigned reg);    /* R_* */
    void (*set_reg)(struct vcpu *v, unsigned reg, uint64_t value);
    void (*skip_insn)(struct vcpu *v); /* past what exited */
    /* Injects at the next entry; false if one is already waiting there. */
    bool (*inject)(struct vcpu *v, uint8_t vector, int error_code);
    bool (*can_take_intr)(struct vcpu *v); /* IF set, no shadow */
    bool (*inject_intr)(struct vcpu *v, uint8_t vector);
    void (*request_intr_window)(struct vcpu *v);
    /* All of the state that the vendor half keeps. set_state trusts it. */
    void (*get_state)(struct vcpu *v, struct vcpu_state *s);
    void (*set_state)(struct vcpu *v, const struct vcpu_state *s);
    /* This domain's translations go stale-proof: flush before next entry. */
    void (*flush_tlb)(struct vcpu *v);
};

extern const struct vendor_ops svm_ops;

#endif
