/*
 * The local APIC, in xAPIC mode: the deadline timer and interrupts to
 * oneself. APM2 chapter 16.
 */
#include "hv/metal/metal.h"

#define APIC_EOI 0xb0
#define APIC_SVR 0xf0
#define APIC_ICR_LOW 0x300
#define APIC_LVT_TIMER 0x320
#define APIC_LVT_LINT0 0x350
#define APIC_LVT_LINT1 0x360
#define APIC_LVT_ERROR 0x370
#define APIC_TIMER_INITIAL 0x380
#define APIC_TIMER_CURRENT 0x390
#define APIC_TIMER_DIVIDE 0x3e0
#define APIC_MASKED (1u << 16)
#define APIC_BASE_ENABLE (1u << 11)
#define APIC_BASE_X2 (1u << 10)
#define ICR_SELF_ASSERT (1u << 18 | 1u << 14)

static volatile uint32_t *apic;

static void apic_write(unsigned reg, uint32_t v)
{
    apic[reg / 4] = v;
}

static uint32_t apic_read(unsigned reg)
{
    return apic[reg / 4];
}

bool apic_init(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE);
    uint64_t pa = base & 0xffffff000ULL;
    uint32_t out[4];

    plat_cpuid(&metal_plat, 1, 0, out);
    if (!(out[3] & (1u << 9)) || (base & APIC_BASE_X2) ||
        pa >= METAL_RAM_END) {
        return false;
    }
    wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE);
    apic = (volatile uint32_t *)(uintptr_t)pa;
    apic_write(APIC_SVR, 0x100 | VECTOR_SPURIOUS); /* 16.4.7: enable */
    apic_write(APIC_LVT_LINT0, APIC_MASKED);
    apic_write(APIC_LVT_LINT1, APIC_MASKED);
    apic_write(APIC_LVT_ERROR, APIC_MASKED);
    apic_write(APIC_TIMER_DIVIDE, 0x3); /* by 16 */
    apic_write(APIC_LVT_TIMER, VECTOR_TIMER); /* one-shot */
    apic_write(APIC_TIMER_INITIAL, 0);
    return true;
}

void apic_eoi(void)
{
    apic_write(APIC_EOI, 0);
}

void apic_timer_start(uint32_t ticks)
{
    apic_write(APIC_TIMER_INITIAL, ticks);
}

uint32_t apic_timer_count(void)
{
    return apic_read(APIC_TIMER_CURRENT);
}

void apic_self_interrupt(void)
{
    apic_write(APIC_ICR_LOW, ICR_SELF_ASSERT | VECTOR_SELF);
}
