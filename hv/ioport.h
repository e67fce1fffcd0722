/*
 * Port I/O of guests: which ports the control domain reaches directly, and
 * what everybody else's port accesses do.
 */
#ifndef HV_IOPORT_H
#define HV_IOPORT_H

#include "hv/types.h"

struct domain;
struct vcpu;
struct vcpu_exit;

/* Opens the machine's ports to the control domain, but for those that the
 * hypervisor keeps, once its I/O permission map exists. */
void ioport_grant_control(struct domain *d);

/* An intercepted IN, OUT, INS or OUTS of v: does it, and moves v past it or,
 * for a long string, part of the way. */
void ioport_exit(struct vcpu *v, const struct vcpu_exit *e);

#endif
