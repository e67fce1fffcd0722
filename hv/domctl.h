/*
 * Domain control: what domctl.c dispatches to, and what sysctl.c shares.
 * Source of the rules: domctl.h of Xen's public headers.
 */
#ifndef HV_DOMCTL_H
#define HV_DOMCTL_H

#include "hv/abi.h"
#include "hv/types.h"

struct domain;
struct vcpu;

/* Fills `info` from d: xen_domctl_getdomaininfo. */
void domctl_domain_info(struct domain *d,
                        struct xen_domctl_getdomaininfo *info);

/* domctl_vcpu.c; v is the caller. -EINVAL, -ESRCH no such vCPU, -EFAULT. */
int domctl_vcpu_info(struct domain *d, struct xen_domctl_getvcpuinfo *op);
int domctl_set_affinity(struct vcpu *v, struct domain *d,
                        const struct xen_domctl_vcpuaffinity *op);
int domctl_get_affinity(struct vcpu *v, struct domain *d,
                        const struct xen_domctl_vcpuaffinity *op);

/* hvmctx.c: the HVM save record stream of <xen/hvm/save.h>. -ERESTART: a vCPU
 * of d is not off its CPU yet; d is held until the operation is entered again,
 * or released by another one. */
int domctl_set_hvm_context(struct vcpu *v, struct domain *d,
                           const struct xen_domctl_hvmcontext *op);
int domctl_get_hvm_context(struct vcpu *v, struct domain *d,
                           struct xen_domctl_hvmcontext *op);
void domctl_context_release(struct domain *d);

#endif
