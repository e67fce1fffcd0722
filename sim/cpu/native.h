/*
 * Native guests: a C function on a coroutine as a vCPU's program, through
 * the simulated processor's semantics for everything but its private stack
 * and heap.
 *
 * How it meets the processor: a native image is an ordinary PVH ELF whose
 * text holds one 128-byte slot per registered function. A slot starts with an
 * escape that no processor defines (fetched through the MMU like any
 * instruction), followed by the real instructions a native guest executes
 * (VMMCALL, CPUID, RDMSR, WRMSR, IN, OUT, HLT, PAUSE, MOV ...), each followed
 * by the escape again. An operation loads registers, points RIP at its
 * instruction, and the processor executes it: whatever the hypervisor does
 * with RIP and registers has its architectural effect, hypercall
 * continuation included. The hypervisor can't tell it from machine code.
 *
 * The slot's address is the same in every image: NATIVE_TEXT + 128 * id.
 */
#ifndef SIM_CPU_NATIVE_H
#define SIM_CPU_NATIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct machine;
struct native; /* one vCPU's program */

#define NATIVE_TEXT 0x100000ULL
#define NATIVE_SLOT_BYTES 128
#define NATIVE_MAX 256 /* programs registered at once in a machine */
#define NATIVE_STACK_BYTES (256 * 1024)

typedef void native_fn(struct native *n, void *arg);

/* Returns a program id; released programs' ids are used again. The program
 * starts when a vCPU fetches its slot; when fn returns, the vCPU executes
 * HLT with interrupts off. -1 when NATIVE_MAX are registered. */
int native_register(struct machine *m, const char *name, native_fn *fn,
                    void *arg);
/* Gives the stack and the private memory back; the vCPU that ran it must be
 * gone for good. */
void native_release(struct machine *m, int id);
uint64_t native_entry(int id); /* guest-physical address of its slot */

/* A PVH ELF (XEN_ELFNOTE_PHYS32_ENTRY) that starts program `id`. Returns its
 * length; writes at most cap bytes. */
size_t native_image(struct machine *m, int id, void *buf, size_t cap);

struct machine *native_machine(struct native *n);
int native_id(const struct native *n);

/* Memory by guest-linear address, through the guest's own page tables (when
 * paging is on), the nested ones and the TLB. Any length; pieces within a
 * page are accessed in order; aligned 1, 2, 4, 8 byte accesses are atomic.
 * A #PF the hypervisor injects goes to the handler. */
void native_read(struct native *n, uint64_t gva, void *dst, size_t len);
void native_write(struct native *n, uint64_t gva, const void *src,
                  size_t len);
uint64_t native_cmpxchg(struct native *n, uint64_t gva, unsigned len,
                        uint64_t old, uint64_t new); /* returns old value */
bool native_test_and_set_bit(struct native *n, uint64_t gva, unsigned bit);
bool native_test_and_clear_bit(struct native *n, uint64_t gva, unsigned bit);
/* XCHG of len bytes. */
uint64_t native_xchg(struct native *n, uint64_t gva, unsigned len,
                     uint64_t value);

/* VMMCALL with Xen's 64-bit register convention. */
int64_t native_hypercall(struct native *n, uint64_t nr, const uint64_t a[5]);

void native_cpuid(struct native *n, uint32_t leaf, uint32_t subleaf,
                  uint32_t out[4]);
/* False: the instruction raised #GP. */
bool native_rdmsr(struct native *n, uint32_t msr, uint64_t *value);
bool native_wrmsr(struct native *n, uint32_t msr, uint64_t value);
uint32_t native_in(struct native *n, uint16_t port, unsigned len);
void native_out(struct native *n, uint16_t port, unsigned len, uint32_t v);
/* REP INS / REP OUTS of count units of len bytes at gva. */
void native_ins(struct native *n, uint16_t port, unsigned len, uint64_t gva,
                uint64_t count);
void native_outs(struct native *n, uint16_t port, unsigned len, uint64_t gva,
                 uint64_t count);
void native_hlt(struct native *n);
void native_pause(struct native *n);
void native_sti(struct native *n); /* with its one-instruction shadow */
void native_cli(struct native *n);
uint64_t native_rdtsc(struct native *n);
/* Any single instruction of the SVM set or another privileged one, by its
 * bytes (up to 15): false if it raised #UD or #GP. */
bool native_insn(struct native *n, const uint8_t *bytes, size_t len);

uint64_t native_get_reg(struct native *n, unsigned reg); /* R_* */
uint64_t native_get_cr(struct native *n, unsigned cr);   /* 0, 2, 3, 4 */
void native_set_cr(struct native *n, unsigned cr, uint64_t value);
void native_invlpg(struct native *n, uint64_t gva);

/* Builds identity-mapped long-mode tables over [0, map_bytes) in the three
 * pages at `tables` (guest-physical, 3 pages; 2 MiB entries, up to 1 GiB),
 * then enters 64-bit mode: CR4.PAE, CR3, EFER.LME, CR0.PG, CS.L. */
void native_enter_long_mode(struct native *n, uint64_t tables,
                            uint64_t map_bytes);

/* Interrupts and exceptions: called on the guest's own coroutine, interrupts
 * off, when the processor delivers `vector`; returning is IRET. Without a
 * handler a delivery is a triple fault. */
void native_set_handler(struct native *n,
                        void (*fn)(struct native *n, void *arg,
                                   uint8_t vector, uint32_t error_code),
                        void *arg);

/* Private memory, from the machine's arena; freed at the latest when the
 * program is released. */
void *native_alloc(struct native *n, size_t size);
void native_free(struct native *n, void *p);

#endif
