/*
 * hv/plat.h on a PC, but for time (clock.c). One processor: the boot CPU.
 * The others stay in the state that firmware left them in.
 *
 * Invariants:
 *  1. Interrupts are off but in interrupts_in(), in plat_wait() and, behind
 *     GIF, in guest mode (vmrun.S).
 *  2. Machine addresses are pointers: boot.S maps [0, METAL_RAM_END) one to
 *     one, and no frame beyond it is ever handed out.
 */
#include "hv/metal/metal.h"

#include "hv/lib.h"

static uint8_t host_vmcb[PAGE_SIZE] __attribute__((aligned(4096)));

/* -- Memory ---------------------------------------------------------------- */

bool plat_mem_range(struct plat *p, unsigned index, mfn_t *start,
                    uint64_t *nr_frames)
{
    if (index >= p->nr_ranges) {
        return false;
    }
    *start = MFN(p->range[index].start >> PAGE_SHIFT);
    *nr_frames =
        (p->range[index].end - p->range[index].start) >> PAGE_SHIFT;
    return true;
}

void *plat_frame(struct plat *p, mfn_t mfn)
{
    (void)p;
    return (void *)(uintptr_t)(mfn.v << PAGE_SHIFT);
}

void plat_guest_read(struct plat *p, maddr_t ma, void *dst, size_t len)
{
    const volatile void *src = (const volatile void *)(uintptr_t)ma.v;
    uint64_t v;

    (void)p;
    if (ma.v % len != 0 || (len != 1 && len != 2 && len != 4 && len != 8)) {
        memcpy(dst, (const void *)src, len);
        return;
    }
    switch (len) {
    case 1: v = *(const volatile uint8_t *)src; break;
    case 2: v = *(const volatile uint16_t *)src; break;
    case 4: v = *(const volatile uint32_t *)src; break;
    default: v = *(const volatile uint64_t *)src; break;
    }
    memcpy(dst, &v, len);
}

void plat_guest_write(struct plat *p, maddr_t ma, const void *src, size_t len)
{
    volatile void *dst = (volatile void *)(uintptr_t)ma.v;
    uint64_t v = 0;

    (void)p;
    if (ma.v % len != 0 || (len != 1 && len != 2 && len != 4 && len != 8)) {
        memcpy((void *)dst, src, len);
        return;
    }
    memcpy(&v, src, len);
    switch (len) {
    case 1: *(volatile uint8_t *)dst = (uint8_t)v; break;
    case 2: *(volatile uint16_t *)dst = (uint16_t)v; break;
    case 4: *(volatile uint32_t *)dst = (uint32_t)v; break;
    default: *(volatile uint64_t *)dst = v; break;
    }
}

uint64_t plat_guest_cmpxchg(struct plat *p, maddr_t ma, unsigned len,
                            uint64_t old, uint64_t new)
{
    void *at = (void *)(uintptr_t)ma.v;

    (void)p;
    switch (len) {
    case 1:
        return __sync_val_compare_and_swap((uint8_t *)at, (uint8_t)old,
                                           (uint8_t)new);
    case 2:
        return __sync_val_compare_and_swap((uint16_t *)at, (uint16_t)old,
                                           (uint16_t)new);
    case 4:
        return __sync_val_compare_and_swap((uint32_t *)at, (uint32_t)old,
                                           (uint32_t)new);
    default:
        return __sync_val_compare_and_swap((uint64_t *)at, old, new);
    }
}

bool plat_guest_test_and_set_bit(struct plat *p, maddr_t ma, unsigned bit)
{
    uint64_t *at = (uint64_t *)(uintptr_t)ma.v;

    (void)p;
    return __sync_fetch_and_or(at, 1ULL << bit) >> bit & 1;
}

bool plat_guest_test_and_clear_bit(struct plat *p, maddr_t ma, unsigned bit)
{
    uint64_t *at = (uint64_t *)(uintptr_t)ma.v;

    (void)p;
    return __sync_fetch_and_and(at, ~(1ULL << bit)) >> bit & 1;
}

/* -- Processor ------------------------------------------------------------- */

unsigned plat_cpu_count(struct plat *p)
{
    (void)p;
    return 1;
}

unsigned plat_cpu_id(struct plat *p)
{
    (void)p;
    return 0;
}

uint64_t plat_msr_read(struct plat *p, uint32_t msr)
{
    (void)p;
    return rdmsr(msr);
}

void plat_msr_write(struct plat *p, uint32_t msr, uint64_t value)
{
    (void)p;
    wrmsr(msr, value);
}

void plat_cpuid(struct plat *p, uint32_t leaf, uint32_t subleaf,
                uint32_t out[4])
{
    (void)p;
    __asm__ volatile("cpuid"
                     : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
                     : "a"(leaf), "c"(subleaf));
}

uint32_t plat_port_in(struct plat *p, uint16_t port, unsigned len)
{
    uint32_t v = 0;

    (void)p;
    switch (len) {
    case 1:
        v = inb(port);
        break;
    case 2:
        __asm__ volatile("inw %w1, %w0" : "=a"(v) : "Nd"(port));
        v &= 0xffff;
        break;
    default:
        __asm__ volatile("inl %w1, %0" : "=a"(v) : "Nd"(port));
        break;
    }
    return v;
}

void plat_port_out(struct plat *p, uint16_t port, unsigned len, uint32_t value)
{
    (void)p;
    switch (len) {
    case 1:
        outb(port, (uint8_t)value);
        break;
    case 2:
        __asm__ volatile("outw %w0, %w1" : : "a"(value), "Nd"(port));
        break;
    default:
        __asm__ volatile("outl %0, %w1" : : "a"(value), "Nd"(port));
        break;
    }
}

void plat_vmrun(struct plat *p, mfn_t vmcb, struct cpu_regs *regs)
{
    if (p->interrupt) {
        apic_self_interrupt(); /* hv/plat.h P2: out of guest mode at once */
    }
    metal_vmrun(vmcb.v << PAGE_SHIFT, regs, (uintptr_t)host_vmcb);
}

void plat_invlpga(struct plat *p, gva_t va, uint32_t asid)
{
    (void)p;
    __asm__ volatile("invlpga %0, %1" : : "a"(va.v), "c"(asid) : "memory");
}

void plat_fpu_save(struct plat *p, void *area)
{
    (void)p;
    __asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
}

void plat_fpu_restore(struct plat *p, const void *area)
{
    (void)p;
    __asm__ volatile("fxrstor64 (%0)" : : "r"(area) : "memory");
}

/* -- Other CPUs and interrupts --------------------------------------------- */

void plat_lock(struct plat *p)
{
    if (p->locked) {
        plat_fatal(p, __FILE__, __LINE__, "hypervisor lock taken twice");
    }
    p->locked = true;
}

void plat_unlock(struct plat *p)
{
    if (!p->locked) {
        plat_fatal(p, __FILE__, __LINE__, "hypervisor lock not held");
    }
    p->locked = false;
}

void plat_ipi(struct plat *p, unsigned cpu)
{
    (void)cpu; /* the one there is */
    p->interrupt = true;
}

void plat_leave_guest(struct plat *p, uint64_t mask)
{
    (void)p; /* the one CPU is here, so in no guest */
    (void)mask;
}

/* Lets pending interrupts in; their handlers set p->interrupt. */
static void interrupts_in(void)
{
    __asm__ volatile("sti; nop; cli" : : : "memory");
}

void plat_wait(struct plat *p)
{
    interrupts_in();
    if (!p->interrupt) {
        /* STI's shadow covers HLT: nothing gets in between, APM3 STI */
        __asm__ volatile("sti; hlt; cli" : : : "memory");
    }
}

bool plat_interrupt_pending(struct plat *p)
{
    interrupts_in();
    return p->interrupt;
}

/* Device lines are masked on this platform: deadlines and IPIs alone. */
int plat_irq_take(struct plat *p)
{
    interrupts_in();
    p->interrupt = false;
    return -1;
}

/* -- Console and endings --------------------------------------------------- */

void plat_console_write(struct plat *p, const char *text, size_t len)
{
    (void)p;
    console_write(text, len);
}

_Noreturn void plat_poweroff(struct plat *p, unsigned reason)
{
    (void)p;
    power_off(reason);
}

_Noreturn void plat_fatal(struct plat *p, const char *file, unsigned line,
                          const char *what)
{
    char digits[11];
    unsigned at = sizeof(digits) - 1;

    (void)p;
    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + line % 10);
        line /= 10;
    } while (line != 0);
    console_puts("(metal) fatal: ");
    console_puts(file);
    console_puts(":");
    console_puts(digits + at);
    console_puts(": ");
    console_puts(what);
    console_puts("\n");
    power_off(POWER_FAILED);
}
