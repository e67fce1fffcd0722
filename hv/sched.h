/*
 * Scheduler: weighted fair over virtual run time, with hard affinity and
 * caps; one run queue, any number of physical CPUs.
 *
 * A vCPU is runnable when it is up, not blocked, and neither it nor its
 * domain is paused (pause_count, shut down, dying). Among the runnable whose
 * affinity has the CPU, and whose domain's cap has budget left in this
 * HV_CAP_PERIOD_NS, the one with the least virtual run time (run time *
 * 256 / weight) runs, for HV_TIMESLICE_NS at most.
 */
#ifndef HV_SCHED_H
#define HV_SCHED_H

#include "hv/abi.h"
#include "hv/types.h"

struct hv;
struct domain;
struct vcpu;

#define SCHED_WEIGHT_DEFAULT 256
#define SCHED_WEIGHT_MAX 65535

void sched_vcpu_init(struct vcpu *v);
/* The next vCPU for this CPU, NULL to idle; sets running state and the CPU's
 * slice end. */
struct vcpu *sched_pick(struct hv *hv, unsigned cpu, uint64_t now_ns);
/* The vCPU has left this CPU (accounted run time, runstate). */
void sched_leave(struct vcpu *v, uint64_t now_ns);

void sched_block(struct vcpu *v);   /* caller checks the wake condition */
void sched_unblock(struct vcpu *v); /* wake: event, timer, unpause */
void sched_wake_up(struct vcpu *v); /* v->online has been set: VCPUOP_up */
void sched_yield_vcpu(struct vcpu *v);
/* Nestable; sync: does not return while v is in guest mode elsewhere. */
void sched_pause_vcpu(struct vcpu *v);
void sched_unpause_vcpu(struct vcpu *v);
void sched_pause_domain(struct domain *d);
void sched_unpause_domain(struct domain *d);
/* d was paused, resumed, shut down or marked dying by other means: all of
 * its vCPUs are looked at again, and none that may not run is in guest mode
 * on return. */
void sched_domain_changed(struct domain *d);
bool sched_runnable(const struct vcpu *v);
/* Re-evaluates v after any change of its conditions: kicks a CPU for it, or
 * off the one it is on. */
void sched_reconsider(struct vcpu *v);

/* The timers that schedop.c embeds in a new vCPU and a new domain. */
void schedop_vcpu_init(struct vcpu *v);
void schedop_domain_init(struct domain *d);
long sched_op(struct vcpu *v, unsigned cmd, gva_t arg);
/* XEN_DOMCTL_scheduler_op */
int sched_domctl(struct domain *d, struct xen_domctl_scheduler_op *op);

#endif
