/*
 * The SVM half: a vCPU is a VMCB, entered with VMRUN. Rules from AMD64
 * Architecture Programmer's Manual volume 2 ("APM2"), chapter 15.
 *
 * Invariants:
 *  1. A VMCB, the permission maps and the host save area are
 *     hypervisor-private frames: no p2m ever holds them.
 *  2. While a vCPU is out of guest mode its eventinj.V is set exactly when
 *     v->event_waiting is: at most one event waits, and every one that an
 *     exit interrupted (EXITINTINFO) waits again.
 *  3. A vCPU enters with an ASID of its CPU's current generation, and within
 *     a generation no ASID is handed out twice: so no entry meets another
 *     vCPU's translations, nor its own from before a flush.
 *  4. V_INTR_MASKING is set in every VMCB: the guest's IF never masks a
 *     physical interrupt. APM2 15.21.1
 *
 * Interrupt window of a vCPU:
 *
 *   closed --svm_request_intr_window--> requested (V_IRQ, VINTR intercept)
 *     ^                                     |
 *     '--- VMEXIT_VINTR / svm_inject_intr --'
 */
#include "hv/x86/svm.h"

#include "hv/abi.h"
#include "hv/x86/virt.h"

#define IOPM_ORDER 2  /* 12 KiB: three frames of a block of four */
#define MSRPM_ORDER 1 /* 8 KiB */
#define PAUSE_FILTER_COUNT 3000

/* CPUID 8000000a edx, APM3 E.4.9 */
#define SVM_FEATURE_NP (1u << 0)
#define SVM_FEATURE_NRIPS (1u << 3)
#define SVM_FEATURE_FLUSH_BY_ASID (1u << 6)
#define SVM_FEATURE_PAUSE_FILTER (1u << 10)

static const char *svm_probe(struct hv *hv)
{
    uint32_t r[4];

    plat_cpuid(hv->plat, 0x80000000, 0, r);
    if (r[0] < 0x8000000a) {
        return "missing from this processor";
    }
    plat_cpuid(hv->plat, 0x80000001, 0, r);
    if (!(r[2] & (1u << 2))) {
        return "missing from this processor";
    }
    /* APM2 15.4: SVMDIS set and no way to clear it here. */
    if (plat_msr_read(hv->plat, MSR_VM_CR) & VM_CR_SVMDIS) {
        return "disabled by firmware (VM_CR.SVMDIS)";
    }
    plat_cpuid(hv->plat, 0x8000000a, 0, r);
    if (!(r[3] & SVM_FEATURE_NP)) {
        return "missing nested paging";
    }
    if (r[1] < 2) {
        return "missing ASIDs";
    }
    return NULL;
}

static int svm_cpu_on(struct hv *hv, unsigned cpu)
{
    struct pcpu *pc = &hv->cpus[cpu];
    uint32_t r[4];

    if (svm_probe(hv) != NULL) {
        return -XEN_ENODEV;
    }
    if (!pc->svm_on) {
        pc->hsave = page_alloc_hv(hv, 0);
        if (!mfn_valid(pc->hsave)) {
            return -XEN_ENOMEM;
        }
    }
    plat_cpuid(hv->plat, 0x8000000a, 0, r);
    pc->max_asid = r[1] - 1;
    pc->flush_by_asid = r[3] & SVM_FEATURE_FLUSH_BY_ASID;
    pc->has_nrip = r[3] & SVM_FEATURE_NRIPS;
    pc->has_pause_filter = r[3] & SVM_FEATURE_PAUSE_FILTER;
    plat_cpuid(hv->plat, 0x80000001, 0, r);
    pc->has_rdtscp = r[3] & (1u << 27);
    pc->asid_generation++;
    pc->next_asid = 1; /* ASID 0 is the host's, APM2 15.16 */
    pc->asid_fresh = true;

    /* APM2 15.4 and 15.30.4 */
    plat_msr_write(hv->plat, MSR_EFER,
                   plat_msr_read(hv->plat, MSR_EFER) | EFER_SVME);
    plat_msr_write(hv->plat, MSR_VM_HSAVE_PA,
                   mfn_to_maddr(pc->hsave, 0).v);
    if (pc->has_rdtscp) {
        plat_msr_write(hv->plat, MSR_TSC_AUX, 0);
    }
    pc->tsc_aux = 0;
    pc->svm_on = true;
    return 0;
}

/* -- Permission maps ------------------------------------------------------ */

/* MSRs that VMRUN or VMLOAD switch and whose every value is the guest's own
 * affair: neither direction is intercepted. APM2 15.5.1, 15.11 */
static const uint32_t msr_passed[] = {
    MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP,
    MSR_STAR,        MSR_LSTAR,        MSR_CSTAR,
    MSR_SFMASK,      MSR_FS_BASE,      MSR_GS_BASE,
    MSR_KERNEL_GS_BASE,
};

static void msrpm_pass(uint8_t *map, uint32_t msr)
{
    uint32_t bit = (msr & 0x1fff) * 2;
    uint32_t base = msr >= 0xc0000000 ? 0x800 : 0;

    map[base + bit / 8] &= (uint8_t)~(3u << (bit % 8));
}

static bool svm_is_only_vcpu(const struct vcpu *v)
{
    for (unsigned i = 0; i < HV_MAX_VCPUS; i++) {
        if (i != v->id && v->domain->vcpus[i] != NULL) {
            return false;
        }
    }
    return true;
}

static void svm_free_maps(struct domain *d)
{
    if (d->has_maps) {
        page_free_hv(d->hv, d->iopm, IOPM_ORDER);
        page_free_hv(d->hv, d->msrpm, MSRPM_ORDER);
        d->has_maps = false;
    }
}

static int svm_alloc_maps(struct domain *d)
{
    struct plat *p = d->hv->plat;
    uint8_t *msrpm;

    if (d->has_maps) {
        return 0;
    }
    d->iopm = page_alloc_hv(d->hv, IOPM_ORDER);
    if (!mfn_valid(d->iopm)) {
        return -XEN_ENOMEM;
    }
    d->msrpm = page_alloc_hv(d->hv, MSRPM_ORDER);
    if (!mfn_valid(d->msrpm)) {
        page_free_hv(d->hv, d->iopm, IOPM_ORDER);
        return -XEN_ENOMEM;
    }
    memset(plat_frame(p, d->iopm), 0xff, IOPM_PAGES * PAGE_SIZE);
    msrpm = plat_frame(p, d->msrpm);
    memset(msrpm, 0xff, MSRPM_PAGES * PAGE_SIZE);
    for (size_t i = 0; i < sizeof(msr_passed) / sizeof(msr_passed[0]); i++) {
        msrpm_pass(msrpm, msr_passed[i]);
    }
    d->has_maps = true;
    return 0;
}

/* -- vCPU life ------------------------------------------------------------ */

static int svm_vcpu_create(struct vcpu *v)
{
    int rc = svm_alloc_maps(v->domain);

    if (rc != 0) {
        return rc;
    }
    v->vmcb = page_alloc_hv(v->domain->hv, 0);
    if (!mfn_valid(v->vmcb)) {
        if (svm_is_only_vcpu(v)) {
            svm_free_maps(v->domain);
        }
        return -XEN_ENOMEM;
    }
    v->asid_cpu = -1;
    svm_vcpu_reset(v);
    return 0;
}

static void svm_vcpu_destroy(struct vcpu *v)
{
    if (mfn_valid(v->vmcb)) {
        page_free_hv(v->domain->hv, v->vmcb, 0);
        v->vmcb = INVALID_MFN;
    }
    if (svm_is_only_vcpu(v)) {
        svm_free_maps(v->domain);
    }
}

/* -- Entry ---------------------------------------------------------------- */

/* Invariant 3. APM2 15.16 */
static void svm_prepare_asid(struct vcpu *v, struct pcpu *pc, unsigned cpu)
{
    struct vmcb *vmcb = svm_vmcb(v);
    bool current = v->asid_cpu == (int)cpu &&
                   v->asid_generation == pc->asid_generation;

    vmcb->tlb_control = TLB_CTL_NONE;
    if (current && v->flush_pending && pc->flush_by_asid) {
        vmcb->tlb_control = TLB_CTL_FLUSH_ASID;
    } else if (!current || v->flush_pending) {
        if (pc->next_asid > pc->max_asid) {
            pc->asid_generation++;
            pc->next_asid = 1;
            pc->asid_fresh = true;
        }
        v->asid_cpu = (int)cpu;
        v->asid_generation = pc->asid_generation;
        vmcb->asid = pc->next_asid++;
    }
    if (pc->asid_fresh) {
        vmcb->tlb_control = TLB_CTL_FLUSH_ALL; /* APM2 15.16.1 */
    }
    v->flush_pending = false;
}

/* What waits after an exit: nothing but what the exit cut short. A software
 * interrupt is not delivered again: its instruction is executed again, for
 * the saved RIP still points at it. APM2 15.7.2, 15.20 */
static void svm_requeue_event(struct vcpu *v, struct vmcb *vmcb)
{
    uint64_t info = vmcb->exitintinfo;
    uint64_t type = info & EVENTINJ_TYPE_MASK;
    uint8_t vector = info & 0xff;
    bool again;

    again = (info & EVENTINJ_V) &&
            (type == EVENTINJ_TYPE_INTR || type == EVENTINJ_TYPE_NMI ||
             (type == EVENTINJ_TYPE_EXCEPTION && vector != 3 && vector != 4));
    vmcb->eventinj = again ? info : 0;
    v->event_waiting = again;
}

static void svm_enter(struct vcpu *v, struct vcpu_exit *out)
{
    struct hv *hv = v->domain->hv;
    unsigned cpu = plat_cpu_id(hv->plat);
    struct pcpu *pc = &hv->cpus[cpu];
    struct vmcb *vmcb = svm_vmcb(v);

    ASSERT(hv, pc->svm_on);
    svm_prepare_asid(v, pc, cpu);
    vmcb->n_cr3 = mfn_to_maddr(v->domain->p2m_root, 0).v;
    /* APM2 15.14.4 */
    vmcb->pause_filter_count = pc->has_pause_filter ? PAUSE_FILTER_COUNT : 0;
    vmcb->clean = 0; /* everything may have changed, APM2 15.15 */
    if (pc->has_rdtscp && pc->tsc_aux != v->msr_tsc_aux) {
        plat_msr_write(hv->plat, MSR_TSC_AUX, v->msr_tsc_aux);
        pc->tsc_aux = v->msr_tsc_aux;
    }

    plat_unlock(hv->plat);
    plat_vmrun(hv->plat, v->vmcb, &v->regs);
    plat_lock(hv->plat);

    memset(out, 0, sizeof(*out));
    if (vmcb->exitcode != VMEXIT_INVALID) {
        pc->asid_fresh = false; /* the guest was entered: flushed */
        svm_requeue_event(v, vmcb);
    }
    svm_exit_decode(v, out);
}

/* -- Injection ------------------------------------------------------------ */

bool svm_inject(struct vcpu *v, uint8_t vector, int error_code)
{
    struct vmcb *vmcb = svm_vmcb(v);

    if (v->event_waiting) {
        return false;
    }
    vmcb->eventinj = EVENTINJ_V | EVENTINJ_TYPE_EXCEPTION | vector;
    if (error_code >= 0) {
        vmcb->eventinj |= EVENTINJ_EV | (uint64_t)error_code << 32;
    }
    v->event_waiting = true;
    return true;
}

static bool svm_can_take_intr(struct vcpu *v)
{
    const struct vmcb *vmcb = svm_vmcb(v);

    /* APM2 15.21.5: bit 0 is the STI or MOV SS shadow */
    return (vmcb->rflags & RFLAGS_IF) && !(vmcb->interrupt_shadow & 1) &&
           !v->event_waiting;
}

void svm_close_intr_window(struct vcpu *v)
{
    struct vmcb *vmcb = svm_vmcb(v);

    vmcb->vintr &= ~(VINTR_V_IRQ | VINTR_V_IGN_TPR |
                     0xfULL << VINTR_PRIO_SHIFT);
    vmcb->intercept1 &= ~VMCB_I1_VINTR;
    v->intr_window = false;
}

static bool svm_inject_intr(struct vcpu *v, uint8_t vector)
{
    struct vmcb *vmcb = svm_vmcb(v);

    if (!svm_can_take_intr(v)) {
        return false;
    }
    vmcb->eventinj = EVENTINJ_V | EVENTINJ_TYPE_INTR | vector;
    v->event_waiting = true;
    if (v->intr_window) {
        svm_close_intr_window(v);
    }
    return true;
}

/* A virtual interrupt that is never delivered: its intercept fires as soon as
 * the guest could take it. APM2 15.21.4 */
static void svm_request_intr_window(struct vcpu *v)
{
    struct vmcb *vmcb = svm_vmcb(v);

    vmcb->vintr |= VINTR_V_IRQ | VINTR_V_IGN_TPR |
                   0xfULL << VINTR_PRIO_SHIFT;
    vmcb->intercept1 |= VMCB_I1_VINTR;
    v->intr_window = true;
}

static void svm_flush_tlb(struct vcpu *v)
{
    v->flush_pending = true;
    /* For a CPU that is past svm_prepare_asid() and not yet in guest mode:
     * its VMRUN reads this. Any other overwrites it there. */
    svm_vmcb(v)->tlb_control = TLB_CTL_FLUSH_ALL;
}

const struct vendor_ops svm_ops = {
    .name = "SVM",
    .probe = svm_probe,
    .cpu_on = svm_cpu_on,
    .vcpu_create = svm_vcpu_create,
    .vcpu_destroy = svm_vcpu_destroy,
    .vcpu_reset = svm_vcpu_reset,
    .enter = svm_enter,
    .get_reg = svm_get_reg,
    .set_reg = svm_set_reg,
    .skip_insn = svm_skip_insn,
    .inject = svm_inject,
    .can_take_intr = svm_can_take_intr,
    .inject_intr = svm_inject_intr,
    .request_intr_window = svm_request_intr_window,
    .get_state = svm_get_state,
    .set_state = svm_set_state,
    .flush_tlb = svm_flush_tlb,
};
