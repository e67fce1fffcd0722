/*
 * The simulated machine: a value. Create, run, look, snapshot, destroy; many
 * live in one process.
 *
 * A machine is single-threaded: its physical CPUs are coroutines, each with
 * a hypervisor stack, switched at crossings (seam calls, guest memory
 * accesses) as sim/choice decides. Virtual time is one clock, advanced by a
 * fixed cost per crossing, and to the next event when every CPU waits.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hv/hv.h"
#include "hv/plat.h"
#include "sim/choice.h"
#include "sim/dev/disk.h"

struct arena;
struct machine;
struct trace;

/* Watches the seam: the oracle, coverage, statistics. Any may be NULL. */
struct observer {
    void *ctx;
    void (*enter)(void *ctx, unsigned cpu, mfn_t vmcb,
                  const struct cpu_regs *regs);
    void (*exit)(void *ctx, unsigned cpu, mfn_t vmcb,
                 const struct cpu_regs *regs);
    /* The hypervisor's own accesses to guest-writable frames. */
    void (*read)(void *ctx, unsigned cpu, maddr_t ma, const void *data,
                 size_t len);
    void (*write)(void *ctx, unsigned cpu, maddr_t ma, const void *data,
                  size_t len);
    void (*atomic)(void *ctx, unsigned cpu, maddr_t ma, unsigned len,
                   uint64_t old, uint64_t now);
    /* A native guest's access, after translation. */
    void (*guest_access)(void *ctx, unsigned cpu, mfn_t vmcb, maddr_t ma,
                         size_t len, bool write);
};

struct machine_config {
    unsigned cpus;       /* 1 .. HV_MAX_PCPUS; 0 means 1 */
    uint64_t ram_bytes;  /* 0 means 32 MiB */
    uint64_t heap_bytes; /* native guests' private memory, 0: 64 MiB */
    bool svm_missing, svm_disabled; /* as firmware leaves VM_CR */
    uint64_t seed;
    struct trace *trace; /* NULL: none */
    /* Crossings between two looks at the other CPUs, mean; 0 means 16. */
    uint32_t mean_slice;
    /* Hypervisor's console; NULL: dropped. */
    void (*console)(void *ctx, const char *text, size_t len);
    void *console_ctx;
    unsigned watchdog_s; /* host seconds without a crossing; 0 means 10 */
};

enum machine_stop {
    MACHINE_OFF,      /* plat_poweroff: m->poweroff_reason */
    MACHINE_IDLE,     /* every CPU waits and nothing will happen */
    MACHINE_TIME,     /* the time given has passed */
    MACHINE_STOPPED,  /* machine_stop() */
    MACHINE_FATAL,    /* plat_fatal(), or the platform's own complaint */
    MACHINE_WATCHDOG, /* a native loop without crossings */
    MACHINE_DIVERGED, /* the trace it is checked against says otherwise */
};

/* NULL with one line in err. */
struct machine *machine_create(const struct machine_config *cfg, char *err,
                               size_t err_len);
void machine_destroy(struct machine *m);

/* Sets what hv_create() gets. The image is copied. Once, before the run. */
void machine_boot(struct machine *m, const struct hv_boot *boot);

/* Runs until virtual time reaches `until_ns` (absolute) or something stops
 * it. May be called again after TIME and STOPPED. */
enum machine_stop machine_run(struct machine *m, uint64_t until_ns);
/* From inside (native guest, observer): come back from machine_run() at the
 * next crossing. */
void machine_stop(struct machine *m);

struct arena *machine_arena(struct machine *m);
struct choice *machine_choice(struct machine *m);
struct trace *machine_trace(struct machine *m);
struct hv *machine_hv(struct machine *m); /* NULL before the first run */
uint64_t machine_now(const struct machine *m);
unsigned machine_poweroff_reason(const struct machine *m);
const char *machine_fatal_text(const struct machine *m);
void machine_set_observer(struct machine *m, const struct observer *o);
struct disk *machine_disk(struct machine *m, unsigned index);
/* disk_attach() and disk_detach() (NULL) tell the machine. */
void machine_set_disk(struct machine *m, unsigned index, struct disk *d);
/* Devices: raise line `irq` towards CPU 0. */
void machine_raise_irq(struct machine *m, unsigned irq);

/* RAM as a debugger sees it: no crossing, no translation. */
void *machine_ram(struct machine *m, maddr_t ma);
uint64_t machine_ram_bytes(const struct machine *m);

/* Every translation that some CPU's TLB holds now (oracle): calls fn with
 * asid, guest-virtual page, machine frame, writable. */
void machine_each_tlb_entry(struct machine *m,
                            void (*fn)(void *ctx, unsigned cpu, uint32_t asid,
                                       uint64_t gva_page, mfn_t mfn,
                                       bool writable),
                            void *ctx);

/* In-process, same address; from outside machine_run() only. Refused (NULL,
 * one line on stderr) for a machine bound to host state. */
struct snapshot *machine_snapshot(struct machine *m);
void machine_restore(struct machine *m, struct snapshot *s);

#endif
