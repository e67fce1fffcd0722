/*
 * hv/plat.h on host memory; see fake_plat.h.
 *
 * Invariants:
 *  1. No file-scope state.
 *  2. Every guest access is counted, announced through `crossing`, and must
 *     lie in one page of existing memory, else the test aborts.
 */
#include "hv/tests/fake_plat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct plat *fake_plat_new(uint64_t nr_frames)
{
    struct plat *p = calloc(1, sizeof(*p));
    size_t len = nr_frames * PAGE_SIZE;
    uint64_t half = nr_frames / 2;

    if (p == NULL || nr_frames < 8) {
        abort();
    }
    p->ram = aligned_alloc(PAGE_SIZE, len);
    if (p->ram == NULL) {
        abort();
    }
    memset(p->ram, 0xa5, len);
    p->nr_frames = nr_frames;
    p->ranges[0] = (struct fake_range){ 1, half - 1 };
    p->ranges[1] = (struct fake_range){ half + 2, nr_frames - half - 2 };
    p->nr_ranges = 2;
    p->cpus = 1;
    p->tsc_khz = 1000000;
    p->irq = -1;
    p->deadline_ns = ~0ULL;
    p->poweroff_reason = -1;
    return p;
}

void fake_plat_free(struct plat *p)
{
    free(p->ram);
    free(p);
}

bool fake_plat_ends(struct plat *p, void (*fn)(void *), void *arg)
{
    bool ended = true;

    p->end_armed = true;
    if (setjmp(p->end) == 0) {
        fn(arg);
        ended = false;
    }
    p->end_armed = false;
    return ended;
}

/* -- Memory --------------------------------------------------------------- */

bool plat_mem_range(struct plat *p, unsigned index, mfn_t *start,
                    uint64_t *nr_frames)
{
    if (index >= p->nr_ranges) {
        return false;
    }
    start->v = p->ranges[index].start;
    *nr_frames = p->ranges[index].nr;
    return true;
}

void *plat_frame(struct plat *p, mfn_t mfn)
{
    if (mfn.v >= p->nr_frames) {
        fprintf(stderr, "fake_plat: frame %#lx\n", (unsigned long)mfn.v);
        abort();
    }
    return p->ram + mfn.v * PAGE_SIZE;
}

static uint8_t *guest(struct plat *p, maddr_t ma, size_t len)
{
    uint64_t off = ma.v & (PAGE_SIZE - 1);

    if (len == 0 || len > PAGE_SIZE - off) {
        fprintf(stderr, "fake_plat: access %#lx+%zu\n", (unsigned long)ma.v,
                len);
        abort();
    }
    p->crossings++;
    if (p->crossing != NULL) {
        p->crossing(p, ma, len);
    }
    return (uint8_t *)plat_frame(p, MFN(ma.v >> PAGE_SHIFT)) + off;
}

void plat_guest_read(struct plat *p, maddr_t ma, void *dst, size_t len)
{
    memcpy(dst, guest(p, ma, len), len);
}

void plat_guest_write(struct plat *p, maddr_t ma, const void *src, size_t len)
{
    memcpy(guest(p, ma, len), src, len);
}

uint64_t plat_guest_cmpxchg(struct plat *p, maddr_t ma, unsigned len,
                            uint64_t old, uint64_t new)
{
    uint8_t *at = guest(p, ma, len);
    uint64_t was = 0;

    memcpy(&was, at, len);
    if (was == old) {
        memcpy(at, &new, len);
    }
    return was;
}

static bool bit_put(struct plat *p, maddr_t ma, unsigned bit, bool value)
{
    uint8_t *at = guest(p, ma, 8);
    uint64_t word, mask = 1ULL << bit;
    bool was;

    memcpy(&word, at, 8);
    was = word & mask;
    word = value ? word | mask : word & ~mask;
    memcpy(at, &word, 8);
    return was;
}

bool plat_guest_test_and_set_bit(struct plat *p, maddr_t ma, unsigned bit)
{
    return bit_put(p, ma, bit, true);
}

bool plat_guest_test_and_clear_bit(struct plat *p, maddr_t ma, unsigned bit)
{
    return bit_put(p, ma, bit, false);
}

/* -- Processor ------------------------------------------------------------ */

unsigned plat_cpu_count(struct plat *p)
{
    return p->cpus;
}

unsigned plat_cpu_id(struct plat *p)
{
    (void)p;
    return 0;
}

uint64_t plat_msr_read(struct plat *p, uint32_t msr)
{
    for (unsigned i = 0; i < p->nr_msrs; i++) {
        if (p->msr[i].index == msr) {
            return p->msr[i].value;
        }
    }
    return 0;
}

void plat_msr_write(struct plat *p, uint32_t msr, uint64_t value)
{
    unsigned i = 0;

    while (i < p->nr_msrs && p->msr[i].index != msr) {
        i++;
    }
    if (i == FAKE_MSRS) {
        abort();
    }
    if (i == p->nr_msrs) {
        p->nr_msrs++;
    }
    p->msr[i].index = msr;
    p->msr[i].value = value;
}

/* A long-mode processor with SVM, nested paging and next-RIP. */
void plat_cpuid(struct plat *p, uint32_t leaf, uint32_t subleaf,
                uint32_t out[4])
{
    (void)p;
    (void)subleaf;
    memset(out, 0, 4 * sizeof(out[0]));
    switch (leaf) {
    case 0:
        out[0] = 1;
        break;
    case 1:
        out[2] = 1u << 0;                                 /* SSE3 */
        out[3] = 1u << 4 | 1u << 6 | 1u << 24 | 1u << 26; /* TSC PAE SSE2 */
        break;
    case 0x80000000:
        out[0] = 0x8000000a;
        break;
    case 0x80000001:
        out[2] = 1u << 2;               /* SVM */
        out[3] = 1u << 20 | 1u << 29;   /* NX, LM */
        break;
    case 0x80000008:
        out[0] = 48 << 8 | 40;
        break;
    case 0x8000000a:
        out[1] = 16;
        out[3] = 1u << 0 | 1u << 3 | 1u << 6; /* NP, NRIPS, FlushByAsid */
        break;
    default:
        break;
    }
}

uint32_t plat_port_in(struct plat *p, uint16_t port, unsigned len)
{
    (void)port;
    (void)len;
    return p->port_value;
}

void plat_port_out(struct plat *p, uint16_t port, unsigned len,
                   uint32_t value)
{
    (void)port;
    (void)len;
    p->port_value = value;
}

void plat_vmrun(struct plat *p, mfn_t vmcb, struct cpu_regs *regs)
{
    if (p->vmrun == NULL) {
        abort();
    }
    p->vmrun(p, vmcb, regs);
}

void plat_invlpga(struct plat *p, gva_t va, uint32_t asid)
{
    (void)va;
    (void)asid;
    p->invlpgas++;
}

void plat_fpu_save(struct plat *p, void *area)
{
    (void)p;
    memset(area, 0, 512);
}

void plat_fpu_restore(struct plat *p, const void *area)
{
    (void)p;
    (void)area;
}

/* -- Time ----------------------------------------------------------------- */

uint64_t plat_tsc(struct plat *p)
{
    return p->tsc;
}

uint64_t plat_tsc_khz(struct plat *p)
{
    return p->tsc_khz;
}

uint64_t plat_now(struct plat *p)
{
    return p->now_ns;
}

uint64_t plat_wallclock_ns(struct plat *p)
{
    return p->wallclock_ns;
}

void plat_deadline_set(struct plat *p, uint64_t deadline_ns)
{
    p->deadline_ns = deadline_ns;
}

/* -- Other CPUs and interrupts -------------------------------------------- */

void plat_lock(struct plat *p)
{
    if (p->locked) {
        abort();
    }
    p->locked = true;
}

void plat_unlock(struct plat *p)
{
    if (!p->locked) {
        abort();
    }
    p->locked = false;
}

void plat_ipi(struct plat *p, unsigned cpu)
{
    (void)cpu;
    p->ipis++;
}

void plat_leave_guest(struct plat *p, uint64_t mask)
{
    p->left_guest |= mask;
    p->leave_calls++;
}

void plat_wait(struct plat *p)
{
    p->waits++;
}

bool plat_interrupt_pending(struct plat *p)
{
    return p->interrupt_pending;
}

int plat_irq_take(struct plat *p)
{
    int irq = p->irq;

    p->irq = -1;
    p->interrupt_pending = false;
    return irq;
}

/* -- Console and endings -------------------------------------------------- */

void plat_console_write(struct plat *p, const char *text, size_t len)
{
    for (size_t i = 0; i < len && p->console_len + 1 < FAKE_CONSOLE; i++) {
        p->console[p->console_len++] = text[i];
    }
}

void plat_poweroff(struct plat *p, unsigned reason)
{
    p->poweroff_reason = (int)reason;
    if (p->end_armed) {
        longjmp(p->end, 1);
    }
    fprintf(stderr, "fake_plat: power off, reason %u\n", reason);
    abort();
}

void plat_fatal(struct plat *p, const char *file, unsigned line,
                const char *what)
{
    p->fatal = what;
    if (p->end_armed) {
        longjmp(p->end, 1);
    }
    fprintf(stderr, "%s:%u: %s\n", file, line, what);
    abort();
}
