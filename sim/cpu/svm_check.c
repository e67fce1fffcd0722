/*
 * What VMRUN refuses: the illegal state combinations of APM2 15.5.1, the
 * illegal injections of 15.20 and what nested paging adds, 15.25.3.
 */
#include "sim/cpu/cpu.h"
#include "sim/machine_impl.h"

static bool check_pat(uint64_t pat)
{
    for (unsigned i = 0; i < 8; i++) {
        uint8_t type = (uint8_t)(pat >> (8 * i));

        if (type > 7 || type == 2 || type == 3) {
            return false;
        }
    }
    return true;
}

static const char *check_control_regs(const struct cpu *c,
                                      const struct vmcb *v)
{
    bool lme_pg = (v->efer & EFER_LME) && (v->cr0 & CR0_PG);

    if (!(v->efer & EFER_SVME)) {
        return "15.5.1: EFER.SVME is zero";
    }
    if (!(v->cr0 & CR0_CD) && (v->cr0 & CR0_NW)) {
        return "15.5.1: CR0.CD is zero and CR0.NW is set";
    }
    if (v->cr0 >> 32) {
        return "15.5.1: CR0[63:32] are not zero";
    }
    if (v->cr3 >= PHYS_LIMIT) {
        return "15.5.1: any MBZ bit of CR3 is set";
    }
    if (v->cr4 & ~CPU_CR4_MASK) {
        return "15.5.1: any MBZ bit of CR4 is set";
    }
    if (v->dr6 >> 32) {
        return "15.5.1: DR6[63:32] are not zero";
    }
    if (v->dr7 >> 32) {
        return "15.5.1: DR7[63:32] are not zero";
    }
    if (v->efer & ~cpu_efer_mask(c)) {
        return "15.5.1: any MBZ bit of EFER is set";
    }
    if (lme_pg && !(v->cr4 & CR4_PAE)) {
        return "15.5.1: EFER.LME and CR0.PG are set and CR4.PAE is zero";
    }
    if (lme_pg && !(v->cr0 & CR0_PE)) {
        return "15.5.1: EFER.LME and CR0.PG are set and CR0.PE is zero";
    }
    if (lme_pg && (v->cs.attrib & SEG_ATTR_L) &&
        (v->cs.attrib & SEG_ATTR_DB)) {
        return "15.5.1: EFER.LME, CR0.PG, CR4.PAE, CS.L and CS.D are set";
    }
    return NULL;
}

/* APM2 15.20 */
static const char *check_injection(uint64_t inj)
{
    unsigned vector = inj & 0xff;

    if (!(inj & EVENTINJ_V)) {
        return NULL;
    }
    switch (inj & EVENTINJ_TYPE_MASK) {
    case EVENTINJ_TYPE_INTR:
    case EVENTINJ_TYPE_NMI:
    case EVENTINJ_TYPE_SOFT:
        return NULL;
    case EVENTINJ_TYPE_EXCEPTION:
        if (vector == VEC_NMI || vector > 31) {
            return "15.20: TYPE is 3 and the vector is not an exception's";
        }
        return NULL;
    default:
        return "15.20: reserved value of TYPE";
    }
}

const char *svm_illegal_state(const struct cpu *c, const struct vmcb *v)
{
    const char *why = check_control_regs(c, v);

    if (why != NULL) {
        return why;
    }
    if (!(v->intercept2 & VMCB_I2_VMRUN)) {
        return "15.5.1: the VMRUN intercept bit is clear";
    }
    if ((v->intercept1 & VMCB_I1_MSR) &&
        (v->msrpm_base_pa & PAGE_MASK) + MSRPM_PAGES * PAGE_SIZE >
            PHYS_LIMIT) {
        return "15.5.1: the MSR intercept table extends past the limit";
    }
    if ((v->intercept1 & VMCB_I1_IOIO) &&
        (v->iopm_base_pa & PAGE_MASK) + IOPM_PAGES * PAGE_SIZE > PHYS_LIMIT) {
        return "15.5.1: the IOIO intercept table extends past the limit";
    }
    if (v->asid == 0) {
        return "15.5.1: ASID is zero";
    }
    if (v->asid >= TLB_ASIDS) {
        return "15.16: ASID is not below the number CPUID gives";
    }
    why = check_injection(v->eventinj);
    if (why != NULL) {
        return why;
    }
    if (v->np_control & 1) {
        if (v->n_cr3 >= PHYS_LIMIT) {
            return "15.25.3: any MBZ bit of nCR3 is set";
        }
        if (!check_pat(v->g_pat)) {
            return "15.25.3: G_PAT has a reserved type";
        }
    }
    return NULL;
}
