/*
 * What the parts of the SVM code share: svm.c (setup, entry, injection),
 * svm_state.c (the VMCB's contents) and svm_exit.c (what an exit means).
 */
#ifndef HV_X86_SVM_H
#define HV_X86_SVM_H

#include "hv/hv.h"
#include "hv/lib.h"
#include "hv/x86/arch.h"
#include "hv/x86/vendor.h"

static inline struct vmcb *svm_vmcb(const struct vcpu *v)
{
    return plat_frame(v->domain->hv->plat, v->vmcb);
}

static inline unsigned svm_cpl(const struct vmcb *vmcb)
{
    return vmcb->cpl & 3;
}

/* svm_state.c, for svm_ops */
struct vcpu_state;
void svm_vcpu_reset(struct vcpu *v);
void svm_get_state(struct vcpu *v, struct vcpu_state *s);
void svm_set_state(struct vcpu *v, const struct vcpu_state *s);
uint64_t svm_get_reg(struct vcpu *v, unsigned reg);
void svm_set_reg(struct vcpu *v, unsigned reg, uint64_t value);

/* Reads the exit that the processor has left in the VMCB. */
void svm_exit_decode(struct vcpu *v, struct vcpu_exit *out);
void svm_skip_insn(struct vcpu *v);
void svm_close_intr_window(struct vcpu *v);
bool svm_inject(struct vcpu *v, uint8_t vector, int error_code);

#endif
