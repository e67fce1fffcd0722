/*
 * Event channels, 2-level ABI. Source of the rules: event_channel.h.
 *
 *   FREE -> UNBOUND -> INTERDOMAIN -> (close) FREE; the peer's end of a closed
 *   INTERDOMAIN goes back to UNBOUND for the domain that closed.
 *   FREE -> VIRQ | IPI | PIRQ -> (close) FREE
 *   Port 0 is RESERVED for good.
 */
#ifndef HV_EVTCHN_H
#define HV_EVTCHN_H

#include "hv/abi.h"
#include "hv/types.h"

struct hv;
struct domain;
struct vcpu;

enum evtchn_state {
    ECS_FREE,
    ECS_RESERVED,
    ECS_UNBOUND,
    ECS_INTERDOMAIN,
    ECS_PIRQ,
    ECS_VIRQ,
    ECS_IPI
};

struct evtchn {
    uint8_t state;       /* enum evtchn_state */
    uint8_t pad;
    uint16_t notify_vcpu;
    uint16_t remote_domid; /* UNBOUND: who may bind; INTERDOMAIN: who has */
    uint16_t virq;         /* VIRQ: number; PIRQ: number */
    uint32_t remote_port;  /* INTERDOMAIN */
};

#define EVTCHNS_PER_PAGE 256
#define EVTCHN_PAGES (4096 / EVTCHNS_PER_PAGE)
_Static_assert(sizeof(struct evtchn) * EVTCHNS_PER_PAGE <= 4096, "one page");

int evtchn_create(struct domain *d); /* -ENOMEM */
/* Closes every port; bounded piece a call, -ERESTART while there is more. */
int evtchn_teardown(struct domain *d);
void evtchn_free(struct domain *d);

struct evtchn *evtchn_of(struct domain *d, uint32_t port); /* NULL: none */

long evtchn_op(struct vcpu *v, unsigned cmd, gva_t arg);

/* The sending side, for the hypervisor's own use. */
int evtchn_send(struct domain *d, uint32_t port);
void evtchn_send_virq_vcpu(struct vcpu *v, unsigned virq);
void evtchn_send_virq_global(struct domain *d, unsigned virq);
void evtchn_send_pirq(struct hv *hv, unsigned irq);

/* 2-level delivery: mark `port` of d pending and wake its vCPU. */
void evtchn_set_pending(struct domain *d, uint32_t port);
bool evtchn_is_pending(struct domain *d, uint32_t port); /* pending bit */

/* vCPU v has an upcall to take: evtchn_upcall_pending && !..._mask. */
bool evtchn_upcall_due(struct vcpu *v);
/* evtchn_upcall_pending alone: what SCHEDOP_block looks at for a guest that
 * has no callback. */
bool evtchn_upcall_pending(struct vcpu *v);

/* The way upcalls are delivered to v has changed: one that was pending gets
 * another chance. */
void evtchn_upcall_recheck(struct vcpu *v);

/* What evtchn_op.c asks of evtchn.c. Ports are 1.. or an error. */
int evtchn_alloc_port(struct domain *d); /* lowest free; -EINVAL dying */
int evtchn_close_port(struct domain *d, uint32_t port);
void evtchn_use(struct domain *d, uint32_t port, enum evtchn_state state,
                unsigned vcpu);
int evtchn_unmask(struct domain *d, uint32_t port);
bool evtchn_virq_is_global(unsigned virq);
/* XEN_DOMCTL_set_virq_handler */
int evtchn_set_virq_handler(struct domain *d, unsigned virq);

/* A vCPU's vcpu_info has moved: mark everything pending again. */
void evtchn_vcpu_info_moved(struct vcpu *v);

#endif
