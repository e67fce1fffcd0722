/*
 * A PC as the hypervisor's platform: what the files of hv/metal/ share.
 * This folder, and no other of the hypervisor, has file-scope state: there
 * is one PC.
 */
#ifndef HV_METAL_METAL_H
#define HV_METAL_METAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hv/plat.h"

#define METAL_RAM_END (4ULL << 30) /* identity map of boot.S: RAM above is
                                      not used */
#define METAL_RAM_START (1ULL << 20)
#define METAL_RANGES_MAX 32

#define VECTOR_TIMER 0xe0
#define VECTOR_SELF 0xe1
#define VECTOR_SPURIOUS 0xff

struct plat {
    struct {
        uint64_t start, end; /* bytes, page-aligned */
    } range[METAL_RANGES_MAX];
    unsigned nr_ranges;

    bool locked;
    volatile bool interrupt; /* taken by a handler, not yet by the core */

    uint64_t tsc_khz, tsc_start;
    uint64_t ns_per_tick_32; /* ns per TSC tick, 32.32 */
    uint64_t apic_khz;       /* of the APIC timer's counter */
    uint64_t wallclock_ns;   /* since 1970, when tsc_start was taken */
};

/* The registers that trap.S pushes, lowest address first. */
struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
    uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

/* -- instructions ---------------------------------------------------------- */

static inline void outb(uint16_t port, uint8_t v)
{
    __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
    uint8_t v;

    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}

static inline uint64_t rdtsc(void)
{
    uint32_t lo, hi;

    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return lo | (uint64_t)hi << 32;
}

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t lo, hi;

    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return lo | (uint64_t)hi << 32;
}

static inline void wrmsr(uint32_t msr, uint64_t v)
{
    __asm__ volatile("wrmsr"
                     :
                     : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32))
                     : "memory");
}

/* -- console.c ------------------------------------------------------------- */
void console_init(void);
void console_write(const char *text, size_t len);
void console_puts(const char *text);
void console_hex(uint64_t n); /* 0x... */
void console_drain(void);

/* -- power.c: never return ------------------------------------------------- */
/* code 0: asked for and clean. Others say what went wrong. */
_Noreturn void power_off(unsigned code);
#define POWER_FAILED 0x6f /* no reason of sched.h */

/* -- trap.S, trap.c -------------------------------------------------------- */
void trap_init(void);
void trap_entry(struct trap_frame *f); /* called by trap.S */
extern const uint64_t trap_stubs[256];

/* -- apic.c, clock.c ------------------------------------------------------- */
bool apic_init(void); /* false: there is none */
void apic_eoi(void);
void apic_timer_start(uint32_t ticks); /* 0 stops it */
uint32_t apic_timer_count(void);
void apic_self_interrupt(void);
bool clock_init(struct plat *p); /* false: the PIT does not count */

/* -- vmrun.S --------------------------------------------------------------- */
void metal_vmrun(uint64_t vmcb_pa, struct cpu_regs *regs,
                 uint64_t host_vmcb_pa);

/* -- main.c ---------------------------------------------------------------- */
extern struct plat metal_plat;
_Noreturn void metal_main(uint32_t magic, uint32_t info_pa);

#endif
