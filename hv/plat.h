/*
 * The seam: all that the hypervisor asks of the machine it runs on. What it
 * hides is the processor, never a piece of the hypervisor. sim/ implements it
 * on simulated processors, hv/metal/ on a PC; hv/ itself links against these
 * functions and nothing else.
 *
 * Rules that both implementations keep:
 *  P1. A `struct plat *` is one machine; "this CPU" is the one that calls.
 *  P2. The hypervisor runs with interrupts off. A pending interrupt (deadline,
 *      IPI or device line) takes a CPU out of guest mode (VMEXIT_INTR) or out
 *      of plat_wait(); it is never delivered into hypervisor code.
 *  P3. Frames the guest can write are touched by plat_guest_*() alone; each
 *      call is one crossing: a place where, in the simulator, other CPUs may
 *      run, and where recordings note the result.
 *  P4. Nothing nondeterministic reaches the hypervisor but through here.
 *
 * The VMX half (vmxon .. vmlaunch) and entry of PV guests join this list with
 * the code that uses them.
 */
#ifndef HV_PLAT_H
#define HV_PLAT_H

#include "hv/types.h"
#include "hv/x86/arch.h"

struct plat;

/* -- Memory ------------------------------------------------------------- */

/* Usable machine memory: range `index` (0, 1, ...) as [*start, *start+*nr).
 * Returns false past the last. Ranges are ascending, disjoint, zeroed by
 * nobody. They leave out what the platform keeps for itself. */
bool plat_mem_range(struct plat *p, unsigned index, mfn_t *start,
                    uint64_t *nr_frames);

/* Host pointer of a hypervisor-owned frame; frames that are contiguous in
 * machine memory are contiguous here. Never call it to reach a frame that a
 * guest can write: that is plat_guest_*()'s. Valid for the machine's life. */
void *plat_frame(struct plat *p, mfn_t mfn);

/* Guest-writable frames. [ma, ma+len) must lie in one page of RAM, len > 0.
 * Naturally aligned accesses of 1, 2, 4 and 8 bytes are single-copy atomic;
 * others are bytewise in no particular order. */
void plat_guest_read(struct plat *p, maddr_t ma, void *dst, size_t len);
void plat_guest_write(struct plat *p, maddr_t ma, const void *src, size_t len);

/* Compare-exchange of `len` (1, 2, 4, 8) bytes, aligned; full barrier.
 * Returns what was there. */
uint64_t plat_guest_cmpxchg(struct plat *p, maddr_t ma, unsigned len,
                            uint64_t old, uint64_t new);

/* Atomically set or clear bit `bit` (0..63) of the aligned 8-byte word at ma;
 * returns the bit's former value. Full barrier. */
bool plat_guest_test_and_set_bit(struct plat *p, maddr_t ma, unsigned bit);
bool plat_guest_test_and_clear_bit(struct plat *p, maddr_t ma, unsigned bit);

/* -- Processor ---------------------------------------------------------- */

unsigned plat_cpu_count(struct plat *p); /* 1 .. HV_MAX_PCPUS */
unsigned plat_cpu_id(struct plat *p);    /* this CPU, 0 .. count-1 */

uint64_t plat_msr_read(struct plat *p, uint32_t msr);
void plat_msr_write(struct plat *p, uint32_t msr, uint64_t value);
/* out[] = eax, ebx, ecx, edx */
void plat_cpuid(struct plat *p, uint32_t leaf, uint32_t subleaf,
                uint32_t out[4]);

/* Port I/O of `len` 1, 2 or 4 bytes. */
uint32_t plat_port_in(struct plat *p, uint16_t port, unsigned len);
void plat_port_out(struct plat *p, uint16_t port, unsigned len,
                   uint32_t value);

/* CLGI; VMLOAD; VMRUN; VMSAVE; STGI on the VMCB in frame `vmcb`. `regs` holds
 * the general registers but RAX and RSP (those slots are ignored; they live
 * in the VMCB). Returns after #VMEXIT with the processor's fields written.
 * The caller has dropped the hypervisor lock (plat_unlock). APM2 15.5. */
void plat_vmrun(struct plat *p, mfn_t vmcb, struct cpu_regs *regs);

/* INVLPGA on this CPU. APM2 15.16.3 */
void plat_invlpga(struct plat *p, gva_t va, uint32_t asid);

/* FXSAVE / FXRSTOR of this CPU's x87 and SSE state; `area` is 512 bytes,
 * 16-aligned, hypervisor-owned. */
void plat_fpu_save(struct plat *p, void *area);
void plat_fpu_restore(struct plat *p, const void *area);

/* -- Time ---------------------------------------------------------------- */

uint64_t plat_tsc(struct plat *p);
uint64_t plat_tsc_khz(struct plat *p);
uint64_t plat_now(struct plat *p);          /* ns since reset, monotonic */
uint64_t plat_wallclock_ns(struct plat *p); /* ns since 1970 at reset */
/* One-shot interrupt for this CPU when plat_now() >= deadline_ns; replaces
 * the last one; ~0 for none. A deadline in the past fires at once. */
void plat_deadline_set(struct plat *p, uint64_t deadline_ns);

/* -- Other CPUs and interrupts ------------------------------------------- */

/* The hypervisor lock. Held whenever hypervisor code runs, but for the
 * instants around plat_vmrun() and plat_wait(). */
void plat_lock(struct plat *p);
void plat_unlock(struct plat *p);

/* Interrupt another CPU: it leaves guest mode or plat_wait() soon. */
void plat_ipi(struct plat *p, unsigned cpu);

/* Returns once none of the CPUs in `mask` (bit n = CPU n; this CPU's bit is
 * ignored) is in guest mode. They can't re-enter while the caller holds the
 * lock. The way to make a TLB shootdown synchronous. */
void plat_leave_guest(struct plat *p, uint64_t mask);

/* Waits for an interrupt, lock not held. Returns at once when one pends. */
void plat_wait(struct plat *p);

/* True when this CPU has an interrupt pending: long hypercalls stop for it
 * and are continued. */
bool plat_interrupt_pending(struct plat *p);

/* Takes the next pending device line (0 .. HV_MAX_IRQS-1) routed to this CPU,
 * or -1. IPIs and deadlines are acknowledged by the same call. */
int plat_irq_take(struct plat *p);

/* -- Console and endings -------------------------------------------------- */

void plat_console_write(struct plat *p, const char *text, size_t len);

/* Asks for the machine to be switched off or restarted: the control domain
 * has shut down with `reason` (SHUTDOWN_*, sched.h). Does not return. */
_Noreturn void plat_poweroff(struct plat *p, unsigned reason);

/* A hypervisor invariant is broken: one line, then the machine stops. */
_Noreturn void plat_fatal(struct plat *p, const char *file, unsigned line,
                          const char *what);

#define HV_MAX_PCPUS 16
#define HV_MAX_IRQS 32

#endif
