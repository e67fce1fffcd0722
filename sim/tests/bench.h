/*
 * A bench for the simulated processor: a machine without a hypervisor, whose
 * CPUs run a function of the test's that enters guests by plat_vmrun().
 *
 * Memory: frame FRAME_VMCB + n: VMCB n; FRAME_GUEST on: 4 MiB of guest RAM,
 * guest-physical 0 first, mapped 4 KiB by 4 KiB by the nested tables.
 * Assertions belong outside machine_run(): the functions only take notes.
 */
#ifndef SIM_TESTS_BENCH_H
#define SIM_TESTS_BENCH_H

#include "sim/cpu/native_impl.h"
#include "sim/machine_impl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define FRAME_HSAVE 0x110 /* one per CPU */
#define FRAME_VMCB 0x120
#define FRAME_NPT 0x130  /* PML4, PDPT, PD, two PTs */
#define FRAME_IOPM 0x140 /* 3 */
#define FRAME_MSRPM 0x144 /* 2 */
#define FRAME_GUEST 0x400
#define GUEST_PAGES 1024
#define BENCH_NOTES 64

struct bench {
    struct machine *m;
    void (*main)(struct bench *b);
    unsigned nr_notes;
    uint64_t note[BENCH_NOTES]; /* what the functions saw */
    int program;
};

static inline void bench_note(struct bench *b, uint64_t value)
{
    if (b->nr_notes < BENCH_NOTES) {
        b->note[b->nr_notes++] = value;
    }
}

static inline struct vmcb *bench_vmcb(struct bench *b, unsigned n)
{
    return (struct vmcb *)(void *)machine_frame(b->m, FRAME_VMCB + n);
}

static inline uint8_t *bench_guest(struct bench *b, uint64_t gpa)
{
    return b->m->ram + (uint64_t)FRAME_GUEST * PAGE_SIZE + gpa;
}

/* The nested entry of guest frame `gfn`. */
static inline uint64_t *bench_npte(struct bench *b, uint64_t gfn)
{
    return (uint64_t *)(void *)machine_frame(b->m, FRAME_NPT + 3) + gfn;
}

static inline void bench_build_npt(struct bench *b)
{
    uint64_t *t[5], all = PTE_P | PTE_W | PTE_U;

    for (unsigned i = 0; i < 5; i++) {
        t[i] = (uint64_t *)(void *)machine_frame(b->m, FRAME_NPT + i);
        memset(t[i], 0, PAGE_SIZE);
    }
    t[0][0] = (uint64_t)(FRAME_NPT + 1) << 12 | all;
    t[1][0] = (uint64_t)(FRAME_NPT + 2) << 12 | all;
    t[2][0] = (uint64_t)(FRAME_NPT + 3) << 12 | all;
    t[2][1] = (uint64_t)(FRAME_NPT + 4) << 12 | all;
    for (uint64_t gfn = 0; gfn < GUEST_PAGES; gfn++) {
        *bench_npte(b, gfn) = (FRAME_GUEST + gfn) << 12 | all;
    }
}

/* A guest about to enter program `id` as a PVH kernel is entered. */
static inline void bench_build_vmcb(struct bench *b, unsigned n, int id)
{
    struct vmcb *v = bench_vmcb(b, n);

    memset(v, 0, sizeof(*v));
    v->intercept1 = VMCB_I1_INTR | VMCB_I1_HLT | VMCB_I1_SHUTDOWN;
    v->intercept2 = VMCB_I2_VMRUN | VMCB_I2_VMMCALL;
    v->iopm_base_pa = (uint64_t)FRAME_IOPM << 12;
    v->msrpm_base_pa = (uint64_t)FRAME_MSRPM << 12;
    v->asid = 1;
    v->vintr = VINTR_V_INTR_MASKING;
    v->np_control = 1;
    v->n_cr3 = (uint64_t)FRAME_NPT << 12;
    v->cs.sel = 8;
    v->cs.attrib = 0xc9b;
    v->cs.limit = ~0u;
    v->ds = v->es = v->ss = v->cs;
    v->ds.attrib = v->es.attrib = v->ss.attrib = 0xc93;
    v->efer = EFER_SVME;
    v->cr0 = CR0_PE | CR0_ET;
    v->rflags = RFLAGS_FIXED;
    v->rip = native_entry(id);
    v->g_pat = 0x0007040600070406ULL;
}

static void bench_cpu_main(struct plat *p)
{
    struct bench *b = machine_of(p)->cfg.console_ctx;

    plat_msr_write(p, MSR_EFER, plat_msr_read(p, MSR_EFER) | EFER_SVME);
    plat_msr_write(p, MSR_VM_HSAVE_PA,
                   (uint64_t)(FRAME_HSAVE + plat_cpu_id(p)) << 12);
    b->main(b);
}

static inline void bench_open(struct bench *b, unsigned cpus, uint64_t seed,
                              void (*main_fn)(struct bench *b))
{
    struct machine_config cfg = {.cpus = cpus,
                                 .ram_bytes = 16 << 20,
                                 .heap_bytes = 1 << 20,
                                 .seed = seed,
                                 .console_ctx = b,
                                 .watchdog_s = 2};
    char err[200];

    memset(b, 0, sizeof(*b));
    b->m = machine_create(&cfg, err, sizeof(err));
    assert_non_null(b->m);
    b->m->cpu_main = bench_cpu_main;
    b->main = main_fn;
    bench_build_npt(b);
    native_text(bench_guest(b, NATIVE_TEXT));
}

/* Registers `fn`, makes VMCB 0 enter it, and runs. */
static inline enum machine_stop bench_run(struct bench *b, native_fn *fn)
{
    if (fn != NULL) {
        b->program = native_register(b->m, "bench", fn, b);
        assert_true(b->program >= 0);
        bench_build_vmcb(b, 0, b->program);
    }
    return machine_run(b->m, 1000000000000ULL);
}

static inline void bench_close(struct bench *b)
{
    machine_destroy(b->m);
}

/* Enters VMCB n on the calling CPU; returns the exit code. */
static inline uint64_t bench_enter(struct bench *b, unsigned n,
                                   struct cpu_regs *regs)
{
    plat_vmrun(&b->m->plat, MFN(FRAME_VMCB + n), regs);
    return bench_vmcb(b, n)->exitcode;
}

#endif
