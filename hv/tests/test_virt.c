/*
 * hv/x86/context.c, cpuid.c and msr.c: the virtual CPU's surface. The rules
 * are Xen 4.17's arch_set_info_hvm_guest(), hvm_load_cpu_ctxt(),
 * cpuid_hypervisor_leaves() and guest_wrmsr_xen().
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

#include <xen/arch-x86/cpuid.h>
#include <xen/arch-x86/hvm/save.h>

static struct vcpu *vcpu; /* of the test that runs */

static int setup(void **state)
{
    struct plat *p = fake_plat_new(PVH_FRAMES);
    struct hv *hv = pvh_machine(p, "");

    assert_non_null(hv);
    vcpu = hv->control->vcpus[1];
    plat_lock(p);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    fake_plat_free(*state);
    return 0;
}

static struct vcpu_hvm_context context32(void)
{
    struct vcpu_hvm_context c;
    struct vcpu_hvm_x86_32 *r = &c.cpu_regs.x86_32;

    memset(&c, 0, sizeof(c));
    c.mode = VCPU_HVM_MODE_32B;
    r->cr0 = CR0_PE;
    r->eip = 0x1000;
    r->cs_limit = r->ds_limit = r->ss_limit = r->es_limit = 0xffffffff;
    r->tr_limit = 0x67;
    r->cs_ar = 0xc9b;
    r->ds_ar = r->ss_ar = r->es_ar = 0xc93;
    r->tr_ar = 0x8b;
    return c;
}

static struct vcpu_hvm_context context64(void)
{
    struct vcpu_hvm_context c;
    struct vcpu_hvm_x86_64 *r = &c.cpu_regs.x86_64;

    memset(&c, 0, sizeof(c));
    c.mode = VCPU_HVM_MODE_64B;
    r->cr0 = CR0_PE | CR0_PG;
    r->cr3 = 0x5000;
    r->cr4 = CR4_PAE;
    r->efer = EFER_LME;
    r->rip = 0xffff800000001000;
    r->rsi = 7;
    return c;
}

static void context_32_and_64_bit_are_taken(void **state)
{
    struct vcpu_hvm_context c = context32();
    struct vmcb *m = svm_vmcb(vcpu);

    (void)state;
    assert_int_equal(vcpu_set_hvm_context(vcpu, &c), 0);
    assert_int_equal(m->rip, 0x1000);
    assert_int_equal(m->cr0, CR0_PE | CR0_ET);
    c = context64();
    assert_int_equal(vcpu_set_hvm_context(vcpu, &c), 0);
    assert_int_equal(m->efer, EFER_SVME | EFER_LME | EFER_LMA);
    assert_int_equal(m->cs.attrib, 0xa9b);
    assert_int_equal(m->rip, 0xffff800000001000);
    assert_int_equal(vcpu->regs.r[R_RSI], 7);
    assert_true(vcpu->initialised);
}

#define REFUSED(field, value)                                                 \
    do {                                                                      \
        struct vcpu_hvm_context c_ = base;                                    \
        c_.field = (value);                                                   \
        assert_int_equal(vcpu_set_hvm_context(vcpu, &c_), -XEN_EINVAL);       \
        assert_memory_equal(&before, svm_vmcb(vcpu), sizeof(before));         \
    } while (0)

static void context_32_bit_bad_fields_are_refused(void **state)
{
    struct vcpu_hvm_context base = context32();
    struct vmcb before = *svm_vmcb(vcpu);

    (void)state;
    REFUSED(pad, 1);
    REFUSED(mode, 2);
    REFUSED(cpu_regs.x86_32.pad1, 1);
    REFUSED(cpu_regs.x86_32.pad2[0], 1);
    REFUSED(cpu_regs.x86_32.pad2[2], 1);
    REFUSED(cpu_regs.x86_32.cs_ar, 0);
    REFUSED(cpu_regs.x86_32.cs_ar, 0x1c9b); /* bits 15:12 */
    REFUSED(cpu_regs.x86_32.cs_ar, 0xc93);  /* data */
    REFUSED(cpu_regs.x86_32.cs_ar, 0xc1b);  /* not present */
    REFUSED(cpu_regs.x86_32.cs_ar, 0xc8b);  /* system */
    REFUSED(cpu_regs.x86_32.ss_ar, 0xc91);  /* read-only */
    REFUSED(cpu_regs.x86_32.ss_ar, 0xc9b);
    REFUSED(cpu_regs.x86_32.ss_ar, 0xcf3); /* DPL differs from CS's */
    REFUSED(cpu_regs.x86_32.ds_ar, 0xc99); /* execute-only */
    REFUSED(cpu_regs.x86_32.tr_ar, 0);
    REFUSED(cpu_regs.x86_32.tr_ar, 0x89); /* available TSS */
    REFUSED(cpu_regs.x86_32.tr_ar, 0x9b);
    REFUSED(cpu_regs.x86_32.cr4, CR4_OSXSAVE);
    REFUSED(cpu_regs.x86_32.efer, EFER_LMA);
    REFUSED(cpu_regs.x86_32.efer, EFER_SVME);
    base.cpu_regs.x86_32.cs_limit = 0xfff;
    base.cpu_regs.x86_32.cs_ar = 0x49b;
    before = *svm_vmcb(vcpu);
    REFUSED(cpu_regs.x86_32.eip, 0x1000); /* outside the limit */
}

static void context_32_bit_null_data_segments_are_taken(void **state)
{
    struct vcpu_hvm_context c = context32();

    (void)state;
    c.cpu_regs.x86_32.ds_ar = 0;
    c.cpu_regs.x86_32.es_ar = 0;
    assert_int_equal(vcpu_set_hvm_context(vcpu, &c), 0);
}

static void context_64_bit_bad_fields_are_refused(void **state)
{
    struct vcpu_hvm_context base = context64();
    struct vmcb before = *svm_vmcb(vcpu);

    (void)state;
    REFUSED(cpu_regs.x86_64.rip, 0x800000000000);
    REFUSED(cpu_regs.x86_64.cr0, CR0_PE);
    REFUSED(cpu_regs.x86_64.cr4, 0);
    REFUSED(cpu_regs.x86_64.efer, 0);
    REFUSED(cpu_regs.x86_64.efer, EFER_LME | EFER_SVME);
}

static void hvm_cpu_record_round_trip_and_checks(void **state)
{
    struct vcpu_hvm_context base = context64();
    struct hvm_hw_cpu c, d;

    (void)state;
    vcpu_set_hvm_context(vcpu, &base);
    vcpu_save_hvm_cpu(vcpu, &c);
    c.rax = 1;
    c.r15 = 15;
    c.dr2 = 22;
    c.tsc = 1000000;
    c.pending_event = 0x80000000 | 0x0e | 3 << 8 | 1 << 11;
    c.error_code = 2;
    assert_int_equal(vcpu_load_hvm_cpu(vcpu, &c), 0);
    assert_int_equal(svm_vmcb(vcpu)->eventinj,
                     EVENTINJ_V | EVENTINJ_TYPE_EXCEPTION | EVENTINJ_EV |
                         0x0e | 2ULL << 32);
    vcpu_save_hvm_cpu(vcpu, &d);
    assert_memory_equal(&c, &d, sizeof(c));

    d = c;
    d.pad0 = 1;
    assert_int_equal(vcpu_load_hvm_cpu(vcpu, &d), -XEN_EINVAL);
    d = c;
    d.cr0 |= 1ULL << 32;
    assert_int_equal(vcpu_load_hvm_cpu(vcpu, &d), -XEN_EINVAL);
    d = c;
    d.cr0 &= ~CR0_PE; /* PG without PE */
    assert_int_equal(vcpu_load_hvm_cpu(vcpu, &d), -XEN_EINVAL);
    d = c;
    d.msr_efer |= EFER_SVME;
    assert_int_equal(vcpu_load_hvm_cpu(vcpu, &d), -XEN_EINVAL);
    d = c;
    d.flags = 2;
    assert_int_equal(vcpu_load_hvm_cpu(vcpu, &d), -XEN_EINVAL);
}

/* arch-x86/cpuid.h */
static void cpuid_shows_xen_and_hides_what_is_not_virtualized(void **state)
{
    uint32_t r[4];

    (void)state;
    cpuid_guest(vcpu, XEN_CPUID_LEAF(0), 0, r);
    assert_int_equal(r[0], XEN_CPUID_LEAF(XEN_CPUID_MAX_NUM_LEAVES));
    assert_int_equal(r[1], XEN_CPUID_SIGNATURE_EBX);
    cpuid_guest(vcpu, XEN_CPUID_LEAF(1), 0, r);
    assert_int_equal(r[0], 4 << 16 | 17);
    cpuid_guest(vcpu, XEN_CPUID_LEAF(2), 0, r);
    assert_int_equal(r[0], 1);
    assert_int_equal(r[1], 0x40000000);
    cpuid_guest(vcpu, XEN_CPUID_LEAF(3), 0, r);
    assert_int_equal(r[2], 1000000); /* kHz */
    cpuid_guest(vcpu, XEN_CPUID_LEAF(3), 1, r);
    assert_int_equal((int32_t)r[3], 1); /* 1 GHz: shift 1, 2^31 */
    assert_int_equal(r[2], 0x80000000);
    cpuid_guest(vcpu, XEN_CPUID_LEAF(4), 0, r);
    assert_true(r[0] & XEN_HVM_CPUID_VCPU_ID_PRESENT);
    assert_int_equal(r[1], 1);
    assert_int_equal(r[2], 0);
    cpuid_guest(vcpu, XEN_CPUID_LEAF(0x50), 0, r);
    assert_int_equal(r[0] | r[1] | r[2] | r[3], 0);
    cpuid_guest(vcpu, 1, 0, r);
    assert_true(r[2] >> 31);
    assert_int_equal(r[1] >> 24, 2);
    cpuid_guest(vcpu, 0x80000001, 0, r);
    assert_false(r[2] & 4); /* SVM */
    cpuid_guest(vcpu, 0x8000000a, 0, r);
    assert_int_equal(r[0] | r[1] | r[2] | r[3], 0);
}

static void msr_values_are_checked(void **state)
{
    struct vcpu_hvm_context base = context64();
    uint64_t value;

    (void)state;
    vcpu_set_hvm_context(vcpu, &base);
    assert_int_equal(msr_guest_read(vcpu, MSR_EFER, &value), 0);
    assert_int_equal(value, EFER_LME | EFER_LMA);
    assert_int_equal(
        msr_guest_write(vcpu, MSR_EFER, EFER_LME | EFER_SVME), -XEN_EINVAL);
    /* LME can't change while paging is on; LMA is not writable */
    assert_int_equal(msr_guest_write(vcpu, MSR_EFER, 0), -XEN_EINVAL);
    assert_int_equal(msr_guest_write(vcpu, MSR_EFER, EFER_LME | EFER_NX), 0);
    assert_int_equal(svm_vmcb(vcpu)->efer,
                     EFER_SVME | EFER_LME | EFER_LMA | EFER_NX);
    assert_int_equal(msr_guest_write(vcpu, MSR_PAT, 2), -XEN_EINVAL);
    assert_int_equal(msr_guest_write(vcpu, MSR_PAT, 0x0106), 0);
    assert_int_equal(msr_guest_write(vcpu, MSR_FS_BASE, 1ULL << 47),
                     -XEN_EINVAL);
    assert_int_equal(msr_guest_write(vcpu, MSR_APIC_BASE, 0xfee00800),
                     -XEN_EINVAL);
    assert_int_equal(msr_guest_read(vcpu, 0x12345, &value), -XEN_EINVAL);
    assert_int_equal(msr_guest_write(vcpu, MSR_VM_HSAVE_PA, 0), -XEN_EINVAL);
    assert_int_equal(msr_guest_write(vcpu, MSR_TSC, 5), 0);
    assert_int_equal(vcpu_guest_tsc(vcpu), 5);
}

/* guest_wrmsr_xen(): the hypercall page */
static void msr_hypercall_page_is_written(void **state)
{
    uint8_t page[4096];
    static const uint8_t stub2[] = {0xb8, 2, 0, 0, 0, 0x0f, 0x01, 0xd9, 0xc3};

    (void)state;
    assert_int_equal(msr_guest_write(vcpu, 0x40000000, 0x5001), -XEN_EINVAL);
    assert_int_equal(msr_guest_write(vcpu, 0x40000000,
                                     (uint64_t)PVH_GUEST_PAGES << PAGE_SHIFT),
                     -XEN_EINVAL);
    assert_int_equal(msr_guest_write(vcpu, 0x40000000, 0x5000), 0);
    gmem_read_phys(vcpu->domain, GADDR(0x5000), page, sizeof(page));
    assert_memory_equal(page + 2 * 32, stub2, sizeof(stub2));
    assert_int_equal(page[__HYPERVISOR_iret * 32], 0x0f);
    assert_int_equal(page[__HYPERVISOR_iret * 32 + 1], 0x0b);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(context_32_and_64_bit_are_taken),
        T(context_32_bit_bad_fields_are_refused),
        T(context_32_bit_null_data_segments_are_taken),
        T(context_64_bit_bad_fields_are_refused),
        T(hvm_cpu_record_round_trip_and_checks),
        T(cpuid_shows_xen_and_hides_what_is_not_virtualized),
        T(msr_values_are_checked),
        T(msr_hypercall_page_is_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
