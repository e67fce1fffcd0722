/*
 * One physical CPU of the simulated machine: the state that software sees,
 * and the parts that work on it.
 *
 *   host mode --svm_vmrun()--> guest mode --svm_exit()--> host mode
 *
 * Invariants:
 *  1. g and ctl mean something only in guest mode, and in between are what
 *     the last guest left; VMRUN loads all of them.
 *  2. rax and rsp of the guest are g.regs.r[R_RAX] and [R_RSP].
 *  3. exit_code is set at most once between VMRUN and the exit.
 */
#ifndef SIM_CPU_CPU_H
#define SIM_CPU_CPU_H

#include "hv/types.h"
#include "hv/x86/arch.h"
#include "sim/co.h"
#include "sim/cpu/tlb.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hash_stream;
struct machine;
struct native;

/* Pending interrupts of a CPU. */
#define IRQ_DEADLINE 0x1u
#define IRQ_IPI 0x2u
#define IRQ_LINE 0x4u /* some device line (CPU 0) */

#define PHYS_BITS 40 /* CPUID 80000008 */
#define PHYS_LIMIT (1ULL << PHYS_BITS)

/* Guest registers that VMRUN and VMLOAD switch. */
struct guest_state {
    struct cpu_regs regs;
    uint64_t rip, rflags;
    uint64_t cr0, cr2, cr3, cr4, efer, dr6, dr7, g_pat;
    struct vmcb_seg es, cs, ss, ds, gdtr, idtr;
    struct vmcb_seg fs, gs, ldtr, tr;
    uint64_t kernel_gs_base, star, lstar, cstar, sfmask;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint8_t cpl;
    bool shadow; /* interrupt shadow, APM2 15.21.5 */
    bool gif;
};

/* The VMCB's control area as VMRUN has read it: what software changes there
 * while the guest runs has no effect. */
struct guest_ctl {
    uint16_t cr_read, cr_write;
    uint32_t exceptions, i1, i2;
    uint64_t iopm, msrpm, tsc_offset;
    uint64_t vintr; /* VINTR_*; V_IRQ falls when it is taken */
    uint64_t n_cr3;
    uint32_t asid;
    bool np;
};

struct cpu {
    struct machine *m;
    unsigned id;

    /* scheduling */
    struct co hv_co;
    struct co *running;  /* &hv_co, or the native guest's */
    bool started;        /* has a coroutine */
    bool idle;           /* in plat_wait(), or HLT in guest mode */
    bool wants_lock;     /* in plat_lock() */
    bool leaving;        /* in plat_leave_guest() */
    bool in_guest;
    uint32_t irq;        /* IRQ_* */
    uint64_t deadline_ns;

    /* host state that software reaches */
    uint64_t efer, vm_cr, hsave_pa, tsc_aux, apic_base, pat;
    uint64_t host_fs_base, host_gs_base, host_kernel_gs_base;
    uint64_t host_star, host_lstar, host_cstar, host_sfmask;
    _Alignas(16) uint8_t fpu[512];

    /* guest mode */
    struct guest_state g;
    struct guest_ctl ctl;
    uint64_t vmcb; /* machine address */
    bool exited;
    uint64_t exit_code, exit_info1, exit_info2, exit_intinfo, exit_nrip;
    uint64_t injecting; /* EVENTINJ form of the event in delivery, 0 none */

    struct tlb tlb;
};

/* -- state.c: what RDMSR, WRMSR and CPUID do ------------------------------ */

void cpu_reset(struct cpu *c);
void cpu_cpuid(struct cpu *c, uint32_t leaf, uint32_t subleaf,
               uint32_t out[4]);
/* Host mode. False: #GP. */
bool cpu_rdmsr(struct cpu *c, uint32_t msr, uint64_t *value);
bool cpu_wrmsr(struct cpu *c, uint32_t msr, uint64_t value);
/* Guest mode, not intercepted. False: #GP. */
bool cpu_guest_rdmsr(struct cpu *c, uint32_t msr, uint64_t *value);
bool cpu_guest_wrmsr(struct cpu *c, uint32_t msr, uint64_t value);
uint64_t cpu_efer_mask(const struct cpu *c); /* bits that are not MBZ */
#define CPU_CR4_MASK                                                          \
    (0x7ffULL | CR4_FSGSBASE | CR4_SMEP | CR4_SMAP) /* bits not MBZ */
/* MOV to CR0, CR3, CR4 in guest mode. False: #GP. */
bool cpu_guest_set_cr(struct cpu *c, unsigned cr, uint64_t value);

/* -- svm_check.c ---------------------------------------------------------- */

/* Why VMRUN would end in VMEXIT_INVALID, by its place in the manual; NULL if
 * the state is legal. APM2 15.5.1, 15.20, 15.25.3 */
const char *svm_illegal_state(const struct cpu *c, const struct vmcb *v);

/* -- svm.c ---------------------------------------------------------------- */

/* VMLOAD, VMRUN, VMSAVE. Returns after #VMEXIT. */
void svm_vmrun(struct cpu *c, uint64_t vmcb_pa, struct cpu_regs *regs);
void svm_vmload(struct cpu *c, const struct vmcb *v);
void svm_vmsave(const struct cpu *c, struct vmcb *v);
/* Arranges #VMEXIT; the caller gets out of the guest. */
void svm_exit(struct cpu *c, uint64_t code, uint64_t info1, uint64_t info2);
/* For an instruction of `len` bytes: with nRIP. */
void svm_exit_insn(struct cpu *c, uint64_t code, uint64_t info1,
                   uint64_t info2, unsigned len);
/* Delivers or exits: between two instructions. True: #VMEXIT arranged. */
bool svm_poll_interrupts(struct cpu *c);
/* Would it do anything? svm_attention(): it might. */
bool svm_interrupt_due(const struct cpu *c);
static inline bool svm_attention(const struct cpu *c)
{
    return (c->irq | (uint32_t)(c->ctl.vintr & VINTR_V_IRQ)) != 0;
}
/* An exception that the guest's instruction raised. */
void svm_exception(struct cpu *c, uint8_t vector, bool has_error,
                   uint32_t error);
bool svm_msr_intercepted(struct cpu *c, uint32_t msr, bool write);
bool svm_io_intercepted(struct cpu *c, uint16_t port, unsigned len);

/* -- mmu.c ---------------------------------------------------------------- */

enum mmu_kind { MMU_OK, MMU_PF, MMU_NPF, MMU_GP, MMU_SHUTDOWN };
struct mmu_fault {
    enum mmu_kind kind;
    uint64_t addr; /* PF: linear; NPF: guest-physical */
    uint64_t code; /* PF: error code; NPF: exitinfo1 */
};
enum mmu_access { MMU_READ = TLB_S_R, MMU_WRITE = TLB_S_W, MMU_EXEC = TLB_S_X };

/* Host pointer to the byte at linear address `va`, good to the end of its
 * page, or NULL and *fault. */
uint8_t *mmu_translate_slow(struct cpu *c, uint64_t va, enum mmu_access how,
                            struct mmu_fault *fault);
uint8_t *mmu_translate(struct cpu *c, uint64_t va, enum mmu_access how,
                       struct mmu_fault *fault);
/* What a fault does to the guest: exit or exception. */
void mmu_raise(struct cpu *c, const struct mmu_fault *fault);

/* -- exec.c --------------------------------------------------------------- */

/* Executes from g.rip until #VMEXIT. */
void exec_run(struct cpu *c);

/* -- native.c ------------------------------------------------------------- */

/* RIP is at an escape or at the MOV of a slot: gives the CPU to the program.
 * False: there is none to go on here; the caller raises #UD. */
bool native_continue(struct cpu *c, unsigned id, uint64_t rip);
/* Delivers vector to the program whose slot RIP is in. False: it can't take
 * it (shutdown). */
bool native_deliver(struct cpu *c, uint8_t vector, bool exception,
                    uint32_t error);

#endif
