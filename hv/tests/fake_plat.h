/*
 * A fake of hv/plat.h on host memory, one CPU, for unit tests of hv modules:
 * no processor, no interleaving, no devices. It is a value: tests make as
 * many as they like.
 */
#ifndef HV_TESTS_FAKE_PLAT_H
#define HV_TESTS_FAKE_PLAT_H

#include <setjmp.h>

#include "hv/plat.h"
#include "hv/types.h"

#define FAKE_MSRS 32
#define FAKE_CONSOLE 4096

struct fake_range {
    uint64_t start, nr;
};

struct plat {
    /* memory: frames [0, nr_frames) exist on the host; ranges are RAM */
    uint8_t *ram;
    uint64_t nr_frames;
    struct fake_range ranges[4];
    unsigned nr_ranges;

    /* what the test sets */
    unsigned cpus;
    uint64_t now_ns, tsc, tsc_khz, wallclock_ns;
    bool interrupt_pending;
    int irq; /* next plat_irq_take(), then -1 */
    uint32_t port_value;
    void (*vmrun)(struct plat *p, mfn_t vmcb, struct cpu_regs *regs);
    /* Before each plat_guest_*(): the place where other CPUs run. */
    void (*crossing)(struct plat *p, maddr_t ma, size_t len);
    void *ctx; /* the test's own */

    /* what the test looks at */
    struct {
        uint32_t index;
        uint64_t value;
    } msr[FAKE_MSRS];
    unsigned nr_msrs;
    uint64_t deadline_ns;
    unsigned ipis, invlpgas, waits, crossings;
    uint64_t left_guest; /* CPUs asked out, or-ed */
    unsigned leave_calls;
    bool locked;
    char console[FAKE_CONSOLE];
    size_t console_len;

    /* plat_fatal() and plat_poweroff() come back here when armed (through
     * fake_plat_ends()); unarmed they abort the test program. */
    jmp_buf end;
    bool end_armed;
    const char *fatal; /* the broken invariant's text */
    int poweroff_reason;
};

/* nr_frames of host memory, filled with 0xa5; RAM is [1, nr_frames) but a
 * hole of two frames in the middle. */
struct plat *fake_plat_new(uint64_t nr_frames);
void fake_plat_free(struct plat *p);

/* True when `fn(arg)` ended the machine (fatal or power-off). */
bool fake_plat_ends(struct plat *p, void (*fn)(void *), void *arg);

#endif
