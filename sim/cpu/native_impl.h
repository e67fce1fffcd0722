/*
 * Native guests, inside: what native.c, native_ops.c and native_image.c share.
 *
 *   FREE --register--> READY --slot's first escape fetched--> RUNNING
 *   RUNNING <--native_continue / native_trap--> WAITING
 *   WAITING --first escape fetched again--> RUNNING, from the start
 *   READY, WAITING --release--> FREE
 *
 * Invariants:
 *  1. RUNNING: its coroutine is cpu->running of exactly one CPU, n->cpu.
 *  2. WAITING: its vCPU's RIP, whenever that vCPU runs, decides whether and
 *     where it goes on: at op_end the operation is done; at op_rip of a MOV
 *     it is tried again; at the slot's handler escape the handler of the
 *     topmost frame starts. Any other place is #UD.
 *  3. It goes on only on the vCPU (VMCB) that started it.
 */
#ifndef SIM_CPU_NATIVE_IMPL_H
#define SIM_CPU_NATIVE_IMPL_H

#include "sim/co.h"
#include "sim/cpu/cpu.h"
#include "sim/cpu/native.h"

#define NATIVE_NEST_MAX 16 /* interrupts and exceptions in each other */
#define NATIVE_ESCAPE_BYTES 4
#define NATIVE_NAME_BYTES 48

/* Offsets within a slot: an instruction, then an escape. */
enum native_slot {
    SLOT_START = 0,
    SLOT_HANDLER = 4,
    SLOT_MOV = 8,
    SLOT_VMMCALL = 14,
    SLOT_CPUID = 21,
    SLOT_RDMSR = 27,
    SLOT_WRMSR = 33,
    SLOT_IN8 = 39,
    SLOT_IN16 = 44,
    SLOT_IN32 = 50,
    SLOT_OUT8 = 55,
    SLOT_OUT16 = 60,
    SLOT_OUT32 = 66,
    SLOT_HLT = 71,
    SLOT_PAUSE = 76,
    SLOT_STI = 82,
    SLOT_CLI = 87,
    SLOT_RDTSC = 92,
    SLOT_INSN = 104 /* up to 15 bytes written when needed */
};

/* An interrupted operation: what IRET goes back to. */
struct native_frame {
    uint64_t rip, rflags, op_rip, op_end;
    struct cpu_regs regs;
    uint32_t error;
    uint8_t vector;
    bool op_mov, catching, started;
};

enum native_state {
    NATIVE_FREE,
    NATIVE_READY,
    NATIVE_RUNNING,
    NATIVE_WAITING
};

struct native {
    struct machine *m;
    int id;
    enum native_state state;
    char name[NATIVE_NAME_BYTES];
    native_fn *fn;
    void *arg;

    struct co co;
    void *stack; /* NATIVE_STACK_BYTES, from its first start on */
    struct cpu *cpu; /* RUNNING: where */
    uint64_t vmcb;   /* of the vCPU that started it */
    uint64_t slot;   /* linear address */

    uint64_t op_rip, op_end;
    bool op_mov;
    bool catching; /* #UD and #GP end the operation */
    uint8_t caught;
    bool faulted; /* the MMU's fault, for the executor to raise */
    struct mmu_fault fault;

    struct native_block *blocks; /* its private memory */

    void (*handler)(struct native *n, void *arg, uint8_t vector,
                    uint32_t error_code);
    void *handler_arg;
    unsigned depth;
    struct native_frame frames[NATIVE_NEST_MAX];
};

/* The text of all slots: NATIVE_MAX * NATIVE_SLOT_BYTES. */
void native_text(uint8_t *text);
/* Gives the processor up at (op_rip, op_end); returns when the vCPU is back:
 * true at op_end, false at op_rip (a MOV to try again). Handlers run in it. */
bool native_wait(struct native *n);
/* All that native_alloc() gave the program and was not freed. */
void native_free_all(struct native *n);
/* For machine_destroy(). */
void native_release_all(struct machine *m);

#endif
