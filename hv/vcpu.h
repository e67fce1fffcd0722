/* The run loop's inner face: what vcpu.c enters and vcpu_exit.c answers. */
#ifndef HV_VCPU_H
#define HV_VCPU_H

#include "hv/x86/vendor.h"

struct vcpu;

/* Why v came back. With the lock held, v still this CPU's current. */
void vcpu_exit_handle(struct vcpu *v, const struct vcpu_exit *e);

#endif
