/*
 * hv/x86/svm*.c and hv/boot.c over the fake platform: the VMCB that a vCPU
 * is entered with, and what is made of exits. Method: plat_vmrun() is a
 * function of the test that looks at the VMCB as the processor would, and
 * writes what the processor would.
 *
 * Does not prove: that a processor accepts the VMCB; tools/metal-run.sh does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hv/gmem.h"
#include "hv/tests/pvh_image.h"
#include "hv/x86/svm.h"
#include "hv/x86/virt.h"

#include <xen/arch-x86/hvm/start_info.h>

struct env {
    struct plat *p;
    struct hv *hv;
    struct vcpu *v;
    struct vcpu_exit e;
    /* what the processor writes at the next exit */
    uint64_t code, info1, info2, intinfo;
    /* what it was entered with */
    struct vmcb seen;
};

static void processor(struct plat *p, mfn_t vmcb, struct cpu_regs *regs)
{
    struct env *e = p->ctx;
    struct vmcb *m = plat_frame(p, vmcb);

    (void)regs;
    assert_false(p->locked);
    e->seen = *m;
    m->exitcode = e->code;
    m->exitinfo1 = e->info1;
    m->exitinfo2 = e->info2;
    m->exitintinfo = e->intinfo;
    m->nrip = m->rip + 2;
}

static int setup(void **state)
{
    static struct env env;

    memset(&env, 0, sizeof(env));
    env.p = fake_plat_new(PVH_FRAMES);
    env.p->ctx = &env;
    env.p->vmrun = processor;
    env.hv = pvh_machine(env.p, "console=hvc0");
    assert_non_null(env.hv);
    env.v = env.hv->control->vcpus[0];
    plat_lock(env.p);
    assert_int_equal(svm_ops.cpu_on(env.hv, 0), 0);
    *state = &env;
    return 0;
}

static int teardown(void **state)
{
    fake_plat_free(((struct env *)*state)->p);
    return 0;
}

static void enter(struct env *e, uint64_t code)
{
    e->code = code;
    svm_ops.enter(e->v, &e->e);
}

/* start_info.h; docs: 32-bit flat mode, EBX the start_info */
static void pvh_entry_state_and_start_info(void **state)
{
    struct env *e = *state;
    struct hvm_start_info info;
    struct hvm_memmap_table_entry map;
    char text[16];
    const struct vmcb *m = &e->seen;

    enter(e, VMEXIT_INTR);
    assert_int_equal(e->e.kind, EXIT_INTERRUPT);
    assert_int_equal(m->rip, PVH_ENTRY);
    assert_int_equal(m->cr0, CR0_PE | CR0_ET);
    assert_int_equal(m->cr4, 0);
    assert_int_equal(m->efer, EFER_SVME);
    assert_int_equal(m->rflags, RFLAGS_FIXED);
    assert_int_equal(m->cs.attrib, 0xc9b);
    assert_int_equal(m->ds.limit, 0xffffffff);
    assert_int_equal(m->cpl, 0);
    assert_int_equal(gmem_read_phys(e->hv->control,
                                    GADDR(e->v->regs.r[R_RBX]), &info,
                                    sizeof(info)),
                     0);
    assert_int_equal(info.magic, XEN_HVM_START_MAGIC_VALUE);
    assert_int_equal(info.version, 1);
    assert_int_equal(info.flags, SIF_PRIVILEGED | SIF_INITDOMAIN);
    gmem_read_phys(e->hv->control, GADDR(info.memmap_paddr), &map,
                   sizeof(map));
    assert_int_equal(map.size, PVH_GUEST_PAGES << PAGE_SHIFT);
    gmem_read_phys(e->hv->control, GADDR(info.cmdline_paddr), text,
                   sizeof(text));
    assert_string_equal(text, "console=hvc0");
}

/* APM2 15.4: the two reasons are told apart */
static void boot_says_why_there_is_no_svm(void **state)
{
    struct plat *p = fake_plat_new(PVH_FRAMES);

    (void)state;
    plat_msr_write(p, MSR_VM_CR, VM_CR_SVMDIS);
    assert_null(pvh_machine(p, ""));
    assert_non_null(strstr(p->console, "disabled by firmware"));
    fake_plat_free(p);
}

static void boot_refuses_a_bad_image_with_one_line(void **state)
{
    struct plat *p = fake_plat_new(PVH_FRAMES);
    uint8_t image[PVH_IMAGE_BYTES];
    struct hv_boot boot = {.image = image, .image_len = sizeof(image)};

    (void)state;
    pvh_image(image);
    image[1] = 'X';
    assert_null(hv_create(p, &boot));
    assert_non_null(strstr(p->console, "not an ELF file\n"));
    fake_plat_free(p);
}

/* APM2 15.9, 15.10, 15.11, 15.21 */
static void vmcb_intercepts_all_that_is_not_the_guests(void **state)
{
    struct env *e = *state;
    const uint8_t *msr;
    uint32_t svm = VMCB_I2_VMRUN | VMCB_I2_VMMCALL | VMCB_I2_VMLOAD |
                   VMCB_I2_VMSAVE | VMCB_I2_STGI | VMCB_I2_CLGI |
                   VMCB_I2_SKINIT;

    enter(e, VMEXIT_INTR);
    assert_int_equal(e->seen.intercept2 & svm, svm);
    assert_true(e->seen.intercept1 & VMCB_I1_INTR);
    assert_true(e->seen.intercept1 & VMCB_I1_NMI);
    assert_true(e->seen.intercept1 & VMCB_I1_SHUTDOWN);
    assert_true(e->seen.vintr & VINTR_V_INTR_MASKING);
    assert_int_equal(e->seen.np_control, 1);
    assert_int_equal(e->seen.n_cr3,
                     e->hv->control->p2m_root.v << PAGE_SHIFT);
    msr = plat_frame(e->p, MFN(e->seen.msrpm_base_pa >> PAGE_SHIFT));
    /* EFER (c0000080) both ways, LSTAR (c0000082) neither */
    assert_int_equal(msr[0x800 + 0x20] & 0x03, 0x03);
    assert_int_equal(msr[0x800 + 0x20] & 0x30, 0x00);
    assert_int_equal(msr[0x1b * 2 / 8] >> (0x1b * 2 % 8) & 3, 3);
}

/* APM2 15.10: the map has three pages; the control domain's has holes, no
 * other's has any */
static void iopm_of_the_unprivileged_intercepts_every_port(void **state)
{
    struct env *e = *state;
    struct xen_domctl_createdomain cfg = {
        .flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap,
        .max_vcpus = 1,
        .max_grant_frames = 4,
        .max_maptrack_frames = 4,
        .grant_opts = XEN_DOMCTL_GRANT_version(1),
    };
    struct domain *d;
    const uint8_t *io;

    assert_int_equal(domain_create(e->hv, 5, &cfg, &d), 0);
    assert_int_equal(domain_max_vcpus(d, 1), 0);
    io = plat_frame(e->p, d->iopm);
    for (unsigned i = 0; i < IOPM_PAGES * PAGE_SIZE; i++) {
        assert_int_equal(io[i], 0xff);
    }
    assert_int_equal(svm_vmcb(d->vcpus[0])->iopm_base_pa,
                     d->iopm.v << PAGE_SHIFT);
    io = plat_frame(e->p, e->hv->control->iopm);
    assert_int_equal(io[0x3f8 / 8], 0xff);
    assert_int_equal(io[0x10000 / 8], 0xff);
}

/* APM2 15.16: ASIDs never reused within a generation; flushes */
static void asid_flush_and_generations(void **state)
{
    struct env *e = *state;
    struct pcpu *pc = &e->hv->cpus[0];
    uint32_t first;

    enter(e, VMEXIT_INTR);
    first = e->seen.asid;
    assert_int_not_equal(first, 0);
    assert_int_equal(e->seen.tlb_control, TLB_CTL_FLUSH_ALL);
    enter(e, VMEXIT_INTR);
    assert_int_equal(e->seen.asid, first);
    assert_int_equal(e->seen.tlb_control, TLB_CTL_NONE);

    svm_ops.flush_tlb(e->v);
    enter(e, VMEXIT_INTR);
    assert_int_equal(e->seen.asid, first);
    assert_int_equal(e->seen.tlb_control, TLB_CTL_FLUSH_ASID);

    pc->flush_by_asid = false;
    for (unsigned i = 0; i < 100; i++) {
        uint64_t generation = pc->asid_generation;
        uint32_t before = e->seen.asid;

        svm_ops.flush_tlb(e->v);
        enter(e, VMEXIT_INTR);
        assert_true(e->seen.asid >= 1 && e->seen.asid <= pc->max_asid);
        if (pc->asid_generation == generation) {
            assert_true(e->seen.asid > before);
            assert_int_equal(e->seen.tlb_control, TLB_CTL_NONE);
        } else {
            assert_int_equal(e->seen.tlb_control, TLB_CTL_FLUSH_ALL);
        }
    }
}

/* A flush asked for between the decision and VMRUN still flushes. */
static void asid_late_flush_is_seen_by_vmrun(void **state)
{
    struct env *e = *state;

    enter(e, VMEXIT_INTR);
    svm_ops.flush_tlb(e->v);
    assert_int_equal(svm_vmcb(e->v)->tlb_control, TLB_CTL_FLUSH_ALL);
    assert_true(e->v->flush_pending);
}

/* APM2 15.7.2, 15.20 */
static void event_that_an_exit_cut_short_is_injected_again(void **state)
{
    struct env *e = *state;

    e->intinfo = EVENTINJ_V | EVENTINJ_TYPE_INTR | 0xf3;
    enter(e, VMEXIT_NPF);
    assert_int_equal(e->e.kind, EXIT_NESTED_FAULT);
    assert_true(e->v->event_waiting);
    assert_false(svm_ops.inject(e->v, VEC_GP, 0));
    assert_false(svm_ops.can_take_intr(e->v));
    e->intinfo = 0;
    enter(e, VMEXIT_INTR);
    assert_int_equal(e->seen.eventinj,
                     EVENTINJ_V | EVENTINJ_TYPE_INTR | 0xf3);
    assert_false(e->v->event_waiting);

    /* a software interrupt's instruction is executed again instead */
    e->intinfo = EVENTINJ_V | EVENTINJ_TYPE_SOFT | 0x80;
    enter(e, VMEXIT_NPF);
    assert_false(e->v->event_waiting);
    e->intinfo = EVENTINJ_V | EVENTINJ_TYPE_EXCEPTION | 3;
    enter(e, VMEXIT_NPF);
    assert_false(e->v->event_waiting);
}

/* APM2 15.21.4 */
static void interrupt_window_opens_and_closes(void **state)
{
    struct env *e = *state;

    assert_false(svm_ops.can_take_intr(e->v)); /* IF is clear */
    assert_false(svm_ops.inject_intr(e->v, 0xf3));
    svm_ops.request_intr_window(e->v);
    enter(e, VMEXIT_VINTR);
    assert_true(e->seen.vintr & VINTR_V_IRQ);
    assert_true(e->seen.intercept1 & VMCB_I1_VINTR);
    assert_int_equal(e->e.kind, EXIT_INTR_WINDOW);
    svm_vmcb(e->v)->rflags |= RFLAGS_IF;
    svm_vmcb(e->v)->interrupt_shadow = 1;
    assert_false(svm_ops.inject_intr(e->v, 0xf3));
    svm_vmcb(e->v)->interrupt_shadow = 0;
    assert_true(svm_ops.inject_intr(e->v, 0xf3));
    enter(e, VMEXIT_INTR);
    assert_false(e->seen.vintr & VINTR_V_IRQ);
    assert_false(e->seen.intercept1 & VMCB_I1_VINTR);
    assert_int_equal(e->seen.eventinj,
                     EVENTINJ_V | EVENTINJ_TYPE_INTR | 0xf3);
}

static void skipping_moves_rip_and_traps_with_tf(void **state)
{
    struct env *e = *state;
    struct vmcb *m = svm_vmcb(e->v);
    uint64_t rip = m->rip;

    enter(e, VMEXIT_CPUID);
    assert_int_equal(e->e.kind, EXIT_CPUID);
    svm_ops.skip_insn(e->v);
    assert_int_equal(m->rip, rip + 2); /* nRIP */
    e->hv->cpus[0].has_nrip = false;
    enter(e, VMEXIT_VMMCALL);
    svm_ops.skip_insn(e->v);
    assert_int_equal(m->rip, rip + 5);
    m->rip = 0xffffffff; /* 32-bit code wraps */
    enter(e, VMEXIT_HLT);
    m->rflags |= RFLAGS_TF;
    svm_ops.skip_insn(e->v);
    assert_int_equal(m->rip, 0);
    assert_int_equal(m->eventinj,
                     EVENTINJ_V | EVENTINJ_TYPE_EXCEPTION | VEC_DB);
    assert_true(m->dr6 & (1u << 14));
}

static void exit_kinds_by_code(void **state)
{
    static const struct {
        uint64_t code;
        enum exit_kind kind;
    } expect[] = {
        {VMEXIT_VMMCALL, EXIT_HYPERCALL}, {VMEXIT_HLT, EXIT_HLT},
        {VMEXIT_PAUSE, EXIT_PAUSE},       {VMEXIT_NMI, EXIT_INTERRUPT},
        {VMEXIT_VMRUN, EXIT_UD},          {VMEXIT_VMLOAD, EXIT_UD},
        {VMEXIT_VMSAVE, EXIT_UD},         {VMEXIT_STGI, EXIT_UD},
        {VMEXIT_CLGI, EXIT_UD},           {VMEXIT_SKINIT, EXIT_UD},
        {VMEXIT_INVLPGA, EXIT_UD},        {VMEXIT_MONITOR, EXIT_UD},
        {VMEXIT_MWAIT, EXIT_UD},          {VMEXIT_XSETBV, EXIT_UD},
        {VMEXIT_RDPMC, EXIT_GP},          {VMEXIT_WBINVD, EXIT_SKIP},
        {VMEXIT_INVD, EXIT_SKIP},         {VMEXIT_SHUTDOWN, EXIT_SHUTDOWN},
        {VMEXIT_TASK_SWITCH, EXIT_CRASH}, {VMEXIT_INVALID, EXIT_CRASH},
        {0x3ff, EXIT_CRASH},
    };
    struct env *e = *state;

    for (size_t i = 0; i < sizeof(expect) / sizeof(expect[0]); i++) {
        enter(e, expect[i].code);
        assert_int_equal(e->e.kind, expect[i].kind);
        assert_int_equal(e->e.code, expect[i].code);
    }
}

/* DR0..DR3 are each vCPU's own, whatever VMRUN leaves in the hardware. */
static void mov_dr_is_done_for_the_guest(void **state)
{
    static const uint8_t to_dr2[] = {0x0f, 0x23, 0xd3};   /* mov %ebx,%dr2 */
    static const uint8_t from_dr2[] = {0x0f, 0x21, 0xd6}; /* mov %dr2,%esi */
    struct env *e = *state;
    struct vmcb *m = svm_vmcb(e->v);

    gmem_write_phys(e->hv->control, GADDR(PVH_ENTRY), to_dr2, 3);
    gmem_write_phys(e->hv->control, GADDR(PVH_ENTRY + 3), from_dr2, 3);
    e->v->regs.r[R_RBX] = 0x12345678;
    enter(e, VMEXIT_DR0_WRITE + 2);
    assert_int_equal(e->e.kind, EXIT_SKIP);
    assert_int_equal(m->rip, PVH_ENTRY + 3);
    enter(e, VMEXIT_DR0_READ + 2);
    assert_int_equal(m->rip, PVH_ENTRY + 6);
    assert_int_equal(e->v->regs.r[R_RSI], 0x12345678);
    enter(e, VMEXIT_DR0_READ + 2); /* not what is there: no effect */
    assert_int_equal(m->rip, PVH_ENTRY + 6);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(pvh_entry_state_and_start_info),
        cmocka_unit_test(boot_says_why_there_is_no_svm),
        cmocka_unit_test(boot_refuses_a_bad_image_with_one_line),
        T(vmcb_intercepts_all_that_is_not_the_guests),
        T(iopm_of_the_unprivileged_intercepts_every_port),
        T(asid_flush_and_generations),
        T(asid_late_flush_is_seen_by_vmrun),
        T(event_that_an_exit_cut_short_is_injected_again),
        T(interrupt_window_opens_and_closes),
        T(skipping_moves_rip_and_traps_with_tf),
        T(exit_kinds_by_code),
        T(mov_dr_is_done_for_the_guest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
