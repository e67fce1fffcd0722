/*
 * What a dying domain gives back, in the order in which nothing is needed
 * any more that has gone before, and in bounded pieces: domain_kill()
 * returns -ERESTART between them and is called again.
 *
 *   STOP ----> EVENTS ----> GRANTS ----> P2M ----> PAGES ----> VCPUS -> dead
 *   off the    ports        what it      every     the allo-   VMCBs,
 *   CPUs,      closed       has mapped,  mapping   cation's    info pages,
 *   timers                  its frames   it has    references  shared_info
 *
 * Invariants:
 *  1. A stage is left only when it has nothing to give back any more, and
 *     nothing that comes after it makes new work for it: a dying domain
 *     gets no pages, ports or mappings.
 *  2. From the end of STOP on no CPU has a vCPU of the domain in its hands:
 *     not in guest mode, and not on the way out of it, waiting for the lock.
 */
#include "hv/domain.h"

#include "hv/hv.h"
#include "hv/p2m.h"
#include "hv/sched.h"

#define RELINQUISH_PAGES 256 /* allocation references a call */

enum { STOP, EVENTS, GRANTS, P2M, PAGES, VCPUS, DONE };

static void relinquish_begin(struct domain *d)
{
    struct hv *hv = d->hv;

    d->dying = DOMDYING_dying;
    d->relinquish_stage = STOP;
    for (unsigned i = 0; i < DOMAIN_WATCHDOGS; i++) {
        timer_cancel(hv, &d->watchdog[i]);
    }
    d->watchdog_id_inuse = 0;
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        if (d->vcpus[i] != NULL) {
            vcpu_stop_timers(d->vcpus[i]);
        }
    }
    timer_cancel(hv, &d->cap_timer);
    sched_pause_domain(d);
}

/* Invariant 2: those that have left guest mode still have to get the lock to
 * let go of their vCPU; they get it while our caller's vCPU runs. */
static int relinquish_stop(struct domain *d)
{
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        if (d->vcpus[i] != NULL && d->vcpus[i]->running_on >= 0) {
            return -XEN_ERESTART;
        }
    }
    /* The last charge on leaving may have armed it. */
    timer_cancel(d->hv, &d->cap_timer);
    return 0;
}

static int relinquish_pages(struct domain *d)
{
    for (unsigned n = 0; d->page_list != PAGE_NIL; n++) {
        if (n == RELINQUISH_PAGES) {
            return -XEN_ERESTART;
        }
        page_release_allocation(d->hv, MFN(d->page_list));
    }
    return 0;
}

static int relinquish_vcpus(struct domain *d)
{
    mfn_t shared = d->shared_info;

    for (unsigned i = 0; i < d->max_vcpus; i++) {
        if (d->vcpus[i] != NULL) {
            vcpu_destroy(d->vcpus[i]);
        }
    }
    d->max_vcpus = 0;
    d->shared_info = INVALID_MFN;
    page_put(d->hv, shared);
    return 0;
}

static int relinquish_stage(struct domain *d)
{
    switch (d->relinquish_stage) {
    case STOP:
        return relinquish_stop(d);
    case EVENTS:
        return evtchn_teardown(d);
    case GRANTS:
        return gnttab_teardown(d);
    case P2M:
        return p2m_teardown(d);
    case PAGES:
        return relinquish_pages(d);
    default:
        return relinquish_vcpus(d);
    }
}

/* Xen's domain_kill(). */
int domain_kill(struct domain *d)
{
    struct hv *hv = d->hv;
    struct vcpu *cur = hv->cpus[plat_cpu_id(hv->plat)].current;

    if (cur != NULL && cur->domain == d) {
        return -XEN_EINVAL;
    }
    if (d->dying == DOMDYING_dead) {
        return 0;
    }
    if (d->dying == DOMDYING_alive) {
        relinquish_begin(d);
    }
    while (d->relinquish_stage < DONE) {
        int rc = relinquish_stage(d);

        if (rc != 0) {
            return rc;
        }
        d->relinquish_stage++;
    }
    d->dying = DOMDYING_dead;
    domain_put(d); /* the list's; our caller has one of his own */
    domain_send_exc(hv);
    return 0;
}
