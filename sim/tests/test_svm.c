/*
 * VMRUN, #VMEXIT, intercepts and events of the simulated processor against
 * APM2 chapter 15. Not proved here: paging (test_mmu.c), several CPUs
 * (test_co.c).
 */
#include "sim/tests/bench.h"

/* -- 15.5.1: illegal states, one by one ----------------------------------- */

static void make_nothing(struct vmcb *v)
{
    (void)v;
}
static void make_svme_zero(struct vmcb *v)
{
    v->efer &= ~EFER_SVME;
}
static void make_cd_zero_nw_one(struct vmcb *v)
{
    v->cr0 |= CR0_NW;
}
static void make_cr0_high(struct vmcb *v)
{
    v->cr0 |= 1ULL << 32;
}
static void make_cr3_mbz(struct vmcb *v)
{
    v->cr3 = PHYS_LIMIT;
}
static void make_cr4_mbz(struct vmcb *v)
{
    v->cr4 = CR4_OSXSAVE; /* XSAVE is not offered */
}
static void make_dr6_high(struct vmcb *v)
{
    v->dr6 = 1ULL << 40;
}
static void make_dr7_high(struct vmcb *v)
{
    v->dr7 = 1ULL << 63;
}
static void make_efer_mbz(struct vmcb *v)
{
    v->efer |= 1ULL << 20;
}
static void make_long_without_pae(struct vmcb *v)
{
    v->efer |= EFER_LME;
    v->cr0 |= CR0_PG;
}
static void make_long_without_pe(struct vmcb *v)
{
    v->efer |= EFER_LME;
    v->cr4 = CR4_PAE;
    v->cr0 = CR0_PG;
}
static void make_cs_l_and_d(struct vmcb *v)
{
    v->efer |= EFER_LME;
    v->cr4 = CR4_PAE;
    v->cr0 |= CR0_PG;
    v->cs.attrib |= SEG_ATTR_L | SEG_ATTR_DB;
}
static void make_no_vmrun_intercept(struct vmcb *v)
{
    v->intercept2 &= ~VMCB_I2_VMRUN;
}
static void make_msrpm_past_limit(struct vmcb *v)
{
    v->intercept1 |= VMCB_I1_MSR;
    v->msrpm_base_pa = PHYS_LIMIT - PAGE_SIZE;
}
static void make_iopm_past_limit(struct vmcb *v)
{
    v->intercept1 |= VMCB_I1_IOIO;
    v->iopm_base_pa = PHYS_LIMIT - 2 * PAGE_SIZE;
}
static void make_asid_zero(struct vmcb *v)
{
    v->asid = 0;
}
static void make_asid_past_last(struct vmcb *v)
{
    v->asid = 16;
}
static void make_inject_reserved_type(struct vmcb *v)
{
    v->eventinj = EVENTINJ_V | 1ULL << 8 | 6;
}
static void make_inject_nmi_as_exception(struct vmcb *v)
{
    v->eventinj = EVENTINJ_V | EVENTINJ_TYPE_EXCEPTION | 2;
}
static void make_inject_vector_past_31(struct vmcb *v)
{
    v->eventinj = EVENTINJ_V | EVENTINJ_TYPE_EXCEPTION | 32;
}
static void make_ncr3_mbz(struct vmcb *v)
{
    v->n_cr3 = PHYS_LIMIT;
}
static void make_gpat_reserved(struct vmcb *v)
{
    v->g_pat = 0x0007040600070402ULL;
}

static const struct {
    const char *clause;
    void (*make)(struct vmcb *v);
} illegal[] = {
    {"15.5.1 EFER.SVME is zero", make_svme_zero},
    {"15.5.1 CR0.CD is zero and CR0.NW is set", make_cd_zero_nw_one},
    {"15.5.1 CR0[63:32] are not zero", make_cr0_high},
    {"15.5.1 any MBZ bit of CR3 is set", make_cr3_mbz},
    {"15.5.1 any MBZ bit of CR4 is set", make_cr4_mbz},
    {"15.5.1 DR6[63:32] are not zero", make_dr6_high},
    {"15.5.1 DR7[63:32] are not zero", make_dr7_high},
    {"15.5.1 any MBZ bit of EFER is set", make_efer_mbz},
    {"15.5.1 LME and PG, CR4.PAE zero", make_long_without_pae},
    {"15.5.1 LME and PG, CR0.PE zero", make_long_without_pe},
    {"15.5.1 LME, PG, PAE, CS.L and CS.D", make_cs_l_and_d},
    {"15.5.1 the VMRUN intercept bit is clear", make_no_vmrun_intercept},
    {"15.5.1 MSR table past the limit", make_msrpm_past_limit},
    {"15.5.1 IOIO table past the limit", make_iopm_past_limit},
    {"15.5.1 ASID is zero", make_asid_zero},
    {"15.16 ASID past the last", make_asid_past_last},
    {"15.20 reserved TYPE", make_inject_reserved_type},
    {"15.20 vector 2 as exception", make_inject_nmi_as_exception},
    {"15.20 vector over 31 as exception", make_inject_vector_past_31},
    {"15.25.3 MBZ bit of nCR3", make_ncr3_mbz},
    {"15.25.3 reserved G_PAT type", make_gpat_reserved},
};
#define NR_ILLEGAL (sizeof(illegal) / sizeof(illegal[0]))

static void illegal_main(struct bench *b)
{
    struct cpu_regs regs = {{0}};

    for (unsigned i = 0; i <= NR_ILLEGAL; i++) {
        bench_build_vmcb(b, 0, b->program);
        (i < NR_ILLEGAL ? illegal[i].make : make_nothing)(bench_vmcb(b, 0));
        bench_note(b, bench_enter(b, 0, &regs));
    }
}

static void hlt_program(struct native *n, void *arg)
{
    (void)arg;
    native_hlt(n);
}

static void vmrun_refuses_each_illegal_state(void **state)
{
    struct bench b;

    (void)state;
    bench_open(&b, 1, 1, illegal_main);
    assert_int_equal(bench_run(&b, hlt_program), MACHINE_IDLE);
    for (unsigned i = 0; i < NR_ILLEGAL; i++) {
        if (b.note[i] != VMEXIT_INVALID) {
            fail_msg("%s: exit %#llx", illegal[i].clause,
                     (unsigned long long)b.note[i]);
        }
    }
    assert_int_equal(b.note[NR_ILLEGAL], VMEXIT_HLT); /* the legal one */
    bench_close(&b);
}

/* -- Intercepted instructions --------------------------------------------- */

static void insns_program(struct native *n, void *arg)
{
    static const uint8_t svm[][3] = {
        {0x0f, 0x01, 0xd8}, {0x0f, 0x01, 0xda}, {0x0f, 0x01, 0xdb},
        {0x0f, 0x01, 0xdc}, {0x0f, 0x01, 0xdd}, {0x0f, 0x01, 0xde},
        {0x0f, 0x01, 0xdf}};
    uint64_t value, a[5] = {1, 2, 3, 4, 5};
    uint32_t out[4];

    (void)arg;
    native_hypercall(n, 7, a);
    native_cpuid(n, 0, 0, out);
    native_rdmsr(n, MSR_EFER, &value);
    native_wrmsr(n, MSR_EFER, 0);
    native_in(n, 0x71, 1);
    native_out(n, 0x70, 2, 0);
    native_outs(n, 0x80, 4, 0x2000, 3);
    native_rdtsc(n);
    native_pause(n);
    native_set_cr(n, 4, 0);
    native_invlpg(n, 0);
    for (unsigned i = 0; i < sizeof(svm) / sizeof(svm[0]); i++) {
        native_insn(n, svm[i], 3);
    }
    native_hlt(n);
}

/* Every exit is noted: code, exitinfo1, nRIP - RIP; RIP goes on at nRIP. */
static void insns_main(struct bench *b)
{
    struct vmcb *v = bench_vmcb(b, 0);
    struct cpu_regs regs = {{0}};

    v->intercept1 |= VMCB_I1_CPUID | VMCB_I1_MSR | VMCB_I1_IOIO |
                     VMCB_I1_RDTSC | VMCB_I1_PAUSE | VMCB_I1_INVLPG |
                     VMCB_I1_INVLPGA;
    v->intercept2 = ~0u;
    v->intercept_cr_write = 1 << 4;
    memset(machine_frame(b->m, FRAME_IOPM), 0xff, 3 * PAGE_SIZE);
    memset(machine_frame(b->m, FRAME_MSRPM), 0xff, 2 * PAGE_SIZE);
    for (;;) {
        uint64_t code = bench_enter(b, 0, &regs);

        bench_note(b, code);
        bench_note(b, v->exitinfo1);
        bench_note(b, v->nrip - v->rip);
        if (code == VMEXIT_HLT || code == VMEXIT_SHUTDOWN) {
            return;
        }
        v->rip = v->nrip;
    }
}

static void intercepted_instructions_exit_with_info_and_nrip(void **state)
{
    static const uint64_t want[][3] = {
        {VMEXIT_VMMCALL, 0, 3},
        {VMEXIT_CPUID, 0, 2},
        {VMEXIT_MSR, 0, 2},
        {VMEXIT_MSR, 1, 2},
        {VMEXIT_IOIO, 0x71ULL << 16 | IOIO_SZ8 | IOIO_IN | 1 << 8, 1},
        {VMEXIT_IOIO, 0x70ULL << 16 | IOIO_SZ16 | 1 << 8, 2},
        {VMEXIT_IOIO,
         0x80ULL << 16 | IOIO_SZ32 | IOIO_STR | IOIO_REP | 1 << 8 | 3 << 10,
         2},
        {VMEXIT_RDTSC, 0, 2},
        {VMEXIT_PAUSE, 0, 2},
        {VMEXIT_CR0_WRITE + 4, 0, 3},
        {VMEXIT_INVLPG, 0, 3},
        {VMEXIT_VMRUN, 0, 3},
        {VMEXIT_VMLOAD, 0, 3},
        {VMEXIT_VMSAVE, 0, 3},
        {VMEXIT_STGI, 0, 3},
        {VMEXIT_CLGI, 0, 3},
        {VMEXIT_SKINIT, 0, 3},
        {VMEXIT_INVLPGA, 0, 3},
        {VMEXIT_HLT, 0, 1},
    };
    struct bench b;

    (void)state;
    bench_open(&b, 1, 1, insns_main);
    assert_int_equal(bench_run(&b, insns_program), MACHINE_IDLE);
    for (unsigned i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        assert_int_equal(b.note[3 * i], want[i][0]);
        assert_int_equal(b.note[3 * i + 1], want[i][1]);
        assert_int_equal(b.note[3 * i + 2], want[i][2]);
    }
    bench_close(&b);
}

/* -- What is not intercepted happens in the guest ------------------------- */

static void plain_program(struct native *n, void *arg)
{
    static const uint8_t ud2[2] = {0x0f, 0x0b}, vmmcall[3] = {0x0f, 1, 0xd9};
    struct bench *b = arg;
    uint64_t value = 0;
    uint32_t out[4];

    native_cpuid(n, 0x8000000a, 0, out);
    bench_note(b, out[1]);
    bench_note(b, native_rdmsr(n, MSR_EFER, &value));
    bench_note(b, value);
    bench_note(b, native_rdmsr(n, 0x12345, &value)); /* no such MSR: #GP */
    bench_note(b, native_wrmsr(n, MSR_PAT, 2));      /* reserved type: #GP */
    bench_note(b, native_insn(n, ud2, 2));
    bench_note(b, native_insn(n, vmmcall, 3)); /* #UD: not intercepted */
    bench_note(b, native_in(n, 0x71, 1));      /* nobody there */
    native_hlt(n);
}

static void plain_main(struct bench *b)
{
    struct cpu_regs regs = {{0}};

    bench_vmcb(b, 0)->intercept2 &= ~VMCB_I2_VMMCALL;
    bench_note(b, bench_enter(b, 0, &regs));
}

static void unintercepted_instructions_execute_in_the_guest(void **state)
{
    static const uint64_t want[] = {16,    true,  EFER_SVME, false, false,
                                    false, false, 0xff,      VMEXIT_HLT};
    struct bench b;

    (void)state;
    bench_open(&b, 1, 1, plain_main);
    assert_int_equal(bench_run(&b, plain_program), MACHINE_IDLE);
    for (unsigned i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        assert_int_equal(b.note[i], want[i]);
    }
    bench_close(&b);
}

/* -- Events --------------------------------------------------------------- */

static void note_vector(struct native *n, void *arg, uint8_t vector,
                        uint32_t error)
{
    (void)n;
    bench_note(arg, (uint64_t)vector << 32 | error);
}

static void events_program(struct native *n, void *arg)
{
    uint64_t a[5] = {0};

    native_set_handler(n, note_vector, arg);
    native_hypercall(n, 1, a); /* an exception is injected after this */
    native_hypercall(n, 2, a); /* V_IRQ is set after this, IF is 0 */
    bench_note(arg, 1000);
    native_sti(n);
    bench_note(arg, 1001); /* still in the shadow */
    native_pause(n);
    native_pause(n); /* taken before this */
    bench_note(arg, 1002);
    native_hlt(n);
}

static void events_main(struct bench *b)
{
    struct vmcb *v = bench_vmcb(b, 0);
    struct cpu_regs regs = {{0}};
    uint64_t code;

    while ((code = bench_enter(b, 0, &regs)) == VMEXIT_VMMCALL) {
        v->rip = v->nrip;
        if (v->rax == 1) {
            v->eventinj = EVENTINJ_V | EVENTINJ_EV | EVENTINJ_TYPE_EXCEPTION |
                          VEC_GP | 0x18ULL << 32;
        } else {
            v->vintr |= VINTR_V_IRQ | VINTR_V_IGN_TPR |
                        0x30ULL << VINTR_VECTOR_SHIFT;
        }
    }
    bench_note(b, code);
    bench_note(b, v->eventinj & EVENTINJ_V);
    bench_note(b, v->vintr & VINTR_V_IRQ);
}

/* 15.20, 15.21.4, 15.21.5 */
static void injected_and_virtual_interrupts_reach_the_handler(void **state)
{
    static const uint64_t want[] = {
        13ULL << 32 | 0x18, 1000, 1001, 0x30ULL << 32, 1002, VMEXIT_HLT, 0, 0};
    struct bench b;

    (void)state;
    bench_open(&b, 1, 1, events_main);
    assert_int_equal(bench_run(&b, events_program), MACHINE_IDLE);
    assert_int_equal(b.nr_notes, sizeof(want) / sizeof(want[0]));
    for (unsigned i = 0; i < b.nr_notes; i++) {
        assert_int_equal(b.note[i], want[i]);
    }
    bench_close(&b);
}

static void window_main(struct bench *b)
{
    struct vmcb *v = bench_vmcb(b, 0);
    struct cpu_regs regs = {{0}};

    v->intercept1 |= VMCB_I1_VINTR;
    v->vintr |= VINTR_V_IRQ | VINTR_V_IGN_TPR;
    bench_note(b, bench_enter(b, 0, &regs));
    bench_note(b, v->rflags & RFLAGS_IF);
    bench_note(b, v->interrupt_shadow & 1);
    bench_note(b, v->vintr & VINTR_V_IRQ);
    v->vintr &= ~VINTR_V_IRQ;
    bench_note(b, bench_enter(b, 0, &regs));
}

static void window_program(struct native *n, void *arg)
{
    (void)arg;
    native_pause(n);
    native_sti(n);
    native_pause(n);
    native_hlt(n);
}

/* 15.21.4: the VINTR intercept comes before the interrupt is taken */
static void vintr_intercept_opens_the_interrupt_window(void **state)
{
    struct bench b;

    (void)state;
    bench_open(&b, 1, 1, window_main);
    assert_int_equal(bench_run(&b, window_program), MACHINE_IDLE);
    assert_int_equal(b.note[0], VMEXIT_VINTR);
    assert_int_equal(b.note[1], RFLAGS_IF);
    assert_int_equal(b.note[2], 0);
    assert_int_equal(b.note[3], VINTR_V_IRQ); /* not taken */
    assert_int_equal(b.note[4], VMEXIT_HLT);
    bench_close(&b);
}

static void vectoring_main(struct bench *b)
{
    struct vmcb *v = bench_vmcb(b, 0);
    struct cpu_regs regs = {{0}};
    uint64_t text = native_entry(b->program) >> 12;

    bench_enter(b, 0, &regs); /* VMMCALL */
    v->rip = v->nrip;
    *bench_npte(b, text) &= ~PTE_P;
    v->tlb_control = TLB_CTL_FLUSH_ALL;
    v->eventinj = EVENTINJ_V | EVENTINJ_TYPE_INTR | 0x44;
    bench_note(b, bench_enter(b, 0, &regs));
    bench_note(b, v->exitintinfo);
    bench_note(b, v->exitinfo2 >> 12);
    *bench_npte(b, text) |= PTE_P;
    v->eventinj = v->exitintinfo;
    bench_note(b, bench_enter(b, 0, &regs));
}

static void vectoring_program(struct native *n, void *arg)
{
    uint64_t a[5] = {0};

    native_set_handler(n, note_vector, arg);
    native_hypercall(n, 1, a);
    native_hlt(n);
}

/* 15.7.2: an exit during delivery leaves the event in EXITINTINFO */
static void exit_during_delivery_reports_the_event(void **state)
{
    struct bench b;

    (void)state;
    bench_open(&b, 1, 1, vectoring_main);
    assert_int_equal(bench_run(&b, vectoring_program), MACHINE_IDLE);
    assert_int_equal(b.note[0], VMEXIT_NPF);
    assert_int_equal(b.note[1], EVENTINJ_V | EVENTINJ_TYPE_INTR | 0x44);
    assert_int_equal(b.note[2], NATIVE_TEXT >> 12);
    assert_int_equal(b.note[3], 0x44ULL << 32);
    assert_int_equal(b.note[4], VMEXIT_HLT);
    bench_close(&b);
}

static void shutdown_program(struct native *n, void *arg)
{
    (void)arg;
    native_set_cr(n, 4, CR4_OSXSAVE); /* #GP, and no handler */
    native_hlt(n);
}

static void one_entry_main(struct bench *b)
{
    struct cpu_regs regs = {{0}};

    bench_note(b, bench_enter(b, 0, &regs));
}

static void fault_without_handler_is_a_shutdown(void **state)
{
    struct bench b;

    (void)state;
    bench_open(&b, 1, 1, one_entry_main);
    assert_int_equal(bench_run(&b, shutdown_program), MACHINE_IDLE);
    assert_int_equal(b.note[0], VMEXIT_SHUTDOWN);
    bench_close(&b);
}

/* -- Physical interrupts -------------------------------------------------- */

static void spin_program(struct native *n, void *arg)
{
    uint64_t x = 0;

    (void)arg;
    for (;;) {
        native_read(n, 0x1000, &x, 8);
    }
}

static void deadline_main(struct bench *b)
{
    struct plat *p = &b->m->plat;
    struct cpu_regs regs = {{0}};
    uint64_t at = plat_now(p) + 50000;

    plat_deadline_set(p, at);
    bench_note(b, bench_enter(b, 0, &regs));
    bench_note(b, plat_now(p) >= at && plat_now(p) < at + 1000);
    bench_note(b, bench_enter(b, 0, &regs)); /* not acknowledged: at VMRUN */
    bench_note(b, (uint64_t)(int64_t)plat_irq_take(p));
    plat_ipi(p, 0);
    bench_note(b, bench_enter(b, 0, &regs));
    plat_irq_take(p);
    machine_raise_irq(b->m, 5);
    bench_note(b, bench_enter(b, 0, &regs));
    bench_note(b, (uint64_t)plat_irq_take(p));
}

static void pending_interrupts_end_guest_mode(void **state)
{
    static const uint64_t want[] = {VMEXIT_INTR, true, VMEXIT_INTR, ~0ULL,
                                    VMEXIT_INTR, VMEXIT_INTR, 5};
    struct bench b;

    (void)state;
    bench_open(&b, 1, 1, deadline_main);
    assert_int_equal(bench_run(&b, spin_program), MACHINE_IDLE);
    for (unsigned i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        assert_int_equal(b.note[i], want[i]);
    }
    bench_close(&b);
}

/* -- Rules for the host --------------------------------------------------- */

static void svme_off_main(struct bench *b)
{
    struct cpu_regs regs = {{0}};
    struct plat *p = &b->m->plat;

    plat_msr_write(p, MSR_EFER, plat_msr_read(p, MSR_EFER) & ~EFER_SVME);
    bench_enter(b, 0, &regs);
}

static void vmrun_without_svme_ends_the_machine(void **state)
{
    struct bench b;

    (void)state;
    bench_open(&b, 1, 1, svme_off_main);
    assert_int_equal(bench_run(&b, hlt_program), MACHINE_FATAL);
    assert_non_null(strstr(machine_fatal_text(b.m), "#UD"));
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vmrun_refuses_each_illegal_state),
        cmocka_unit_test(intercepted_instructions_exit_with_info_and_nrip),
        cmocka_unit_test(unintercepted_instructions_execute_in_the_guest),
        cmocka_unit_test(injected_and_virtual_interrupts_reach_the_handler),
        cmocka_unit_test(vintr_intercept_opens_the_interrupt_window),
        cmocka_unit_test(exit_during_delivery_reports_the_event),
        cmocka_unit_test(fault_without_handler_is_a_shutdown),
        cmocka_unit_test(pending_interrupts_end_guest_mode),
        cmocka_unit_test(vmrun_without_svme_ends_the_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
