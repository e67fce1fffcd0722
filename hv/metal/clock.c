/*
 * Time: the TSC and the APIC timer, both measured against the PIT's channel
 * 2, and the date from the CMOS clock.
 *
 * Invariants:
 *  1. plat_now() is (TSC - TSC at clock_init) scaled once and for all: it
 *     never goes back.
 */
#include "hv/metal/metal.h"

#define PIT_HZ 1193182
#define PIT_COUNT 23864 /* 20 ms */
#define PIT_WAIT 100000000 /* looks at the gate before giving up */

/* Starts channel 2 (mode 0) and returns when it has counted down. */
static bool pit_wait(void)
{
    outb(0x61, (uint8_t)((inb(0x61) & ~2) | 1)); /* gate on, speaker off */
    outb(0x43, 0xb0); /* channel 2, low then high byte, mode 0 */
    outb(0x42, PIT_COUNT & 0xff);
    outb(0x42, PIT_COUNT >> 8);
    for (unsigned i = 0; i < PIT_WAIT; i++) {
        if (inb(0x61) & 0x20) {
            return true;
        }
    }
    return false;
}

static uint8_t cmos(uint8_t reg)
{
    outb(0x70, reg);
    return inb(0x71);
}

static unsigned cmos_number(uint8_t reg, bool binary)
{
    uint8_t v = cmos(reg);

    return binary ? v : (v >> 4) * 10u + (v & 15);
}

static uint64_t days_since_1970(unsigned year, unsigned month, unsigned day)
{
    static const uint16_t before[] = {0,   31,  59,  90,  120, 151,
                                      181, 212, 243, 273, 304, 334};
    uint64_t y = year - 1970;
    /* 2000 to 2099: every fourth year is a leap year */
    uint64_t days = y * 365 + (y + 1) / 4;

    days += before[(month - 1) % 12] + day - 1;
    return days + (month > 2 && year % 4 == 0);
}

static uint64_t cmos_seconds(void)
{
    bool binary = cmos(0x0b) & 4;
    unsigned sec, min, hour, day, month, year;

    for (unsigned i = 0; i < 1000000 && (cmos(0x0a) & 0x80); i++) {
        /* an update is in progress */
    }
    sec = cmos_number(0, binary);
    min = cmos_number(2, binary);
    hour = cmos_number(4, binary);
    day = cmos_number(7, binary);
    month = cmos_number(8, binary);
    year = 2000 + cmos_number(9, binary);
    return days_since_1970(year, month, day) * 86400 + hour * 3600ULL +
           min * 60 + sec;
}

bool clock_init(struct plat *p)
{
    uint64_t tsc;
    uint32_t count;

    apic_timer_start(0xffffffff);
    tsc = rdtsc();
    count = apic_timer_count();
    if (!pit_wait()) {
        return false;
    }
    tsc = rdtsc() - tsc;
    count -= apic_timer_count();
    apic_timer_start(0);
    p->tsc_khz = tsc * PIT_HZ / PIT_COUNT / 1000;
    p->apic_khz = (uint64_t)count * PIT_HZ / PIT_COUNT / 1000;
    if (p->tsc_khz == 0 || p->apic_khz == 0) {
        return false;
    }
    p->ns_per_tick_32 = (1000000ULL << 32) / p->tsc_khz;
    p->tsc_start = rdtsc();
    p->wallclock_ns = cmos_seconds() * 1000000000ULL;
    return true;
}

uint64_t plat_tsc(struct plat *p)
{
    (void)p;
    return rdtsc();
}

uint64_t plat_tsc_khz(struct plat *p)
{
    return p->tsc_khz;
}

uint64_t plat_now(struct plat *p)
{
    unsigned __int128 ticks = rdtsc() - p->tsc_start;

    return (uint64_t)(ticks * p->ns_per_tick_32 >> 32);
}

uint64_t plat_wallclock_ns(struct plat *p)
{
    return p->wallclock_ns;
}

/* A count that does not fit fires early; the core then asks again. */
void plat_deadline_set(struct plat *p, uint64_t deadline_ns)
{
    uint64_t now = plat_now(p), ns, ticks;

    apic_timer_start(0);
    if (deadline_ns == ~0ULL) {
        return;
    }
    if (deadline_ns <= now) {
        p->interrupt = true;
        return;
    }
    ns = deadline_ns - now;
    ns = ns < 1000000000ULL ? ns : 1000000000ULL;
    ticks = ns * p->apic_khz / 1000000 + 1;
    apic_timer_start(ticks < 0xffffffff ? (uint32_t)ticks : 0xffffffff);
}
