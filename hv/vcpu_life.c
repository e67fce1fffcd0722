/*
 * vCPUs: creation and end, where their vcpu_info is, their timers, and going
 * down. How one gets to run is vcpu.c and sched.c.
 *
 *   created (down, not initialised)
 *      | VCPUOP_initialise, sethvmcontext
 *      v
 *   down --VCPUOP_up--> up --VCPUOP_down, HLT with interrupts off--> down
 *
 * Invariants:
 *  1. vcpu_info_mfn is a frame with a reference: the shared_info's own, or,
 *     once registered, one reference and one writable type reference that
 *     vcpu_destroy() drops. It changes at most once (vcpu.h).
 *  2. The periodic timer is queued only while its vCPU is on a CPU.
 */
#include "hv/domain.h"

#include "hv/gmem.h"
#include "hv/hv.h"
#include "hv/ioport.h"
#include "hv/lib.h"
#include "hv/p2m.h"
#include "hv/sched.h"

_Static_assert(sizeof(struct vcpu) <= PAGE_SIZE, "one frame");
_Static_assert(HV_MAX_VCPUS <= XEN_LEGACY_MAX_VCPUS, "shared_info has them");

/* -- Timers --------------------------------------------------------------- */

static void singleshot_fn(struct hv *hv, void *ctx)
{
    (void)hv;
    evtchn_send_virq_vcpu(ctx, VIRQ_TIMER);
}

static void periodic_fn(struct hv *hv, void *ctx)
{
    (void)hv;
    vcpu_periodic_work(ctx);
}

/* Xen's vcpu_periodic_timer_work(). */
void vcpu_periodic_work(struct vcpu *v)
{
    struct hv *hv = v->domain->hv;
    uint64_t now = plat_now(hv->plat);

    if (v->periodic_ns == 0 || v->running_on < 0) {
        return;
    }
    if (now >= v->periodic_last_ns + v->periodic_ns) {
        v->periodic_last_ns = now;
        evtchn_send_virq_vcpu(v, VIRQ_TIMER);
    }
    timer_arm(hv, &v->periodic, v->periodic_last_ns + v->periodic_ns);
}

void vcpu_set_periodic(struct vcpu *v, uint64_t period_ns)
{
    timer_cancel(v->domain->hv, &v->periodic);
    v->periodic_ns = period_ns;
    vcpu_periodic_work(v);
}

void vcpu_stop_timers(struct vcpu *v)
{
    struct hv *hv = v->domain->hv;

    v->periodic_ns = 0;
    timer_cancel(hv, &v->periodic);
    timer_cancel(hv, &v->singleshot);
    timer_cancel(hv, &v->poll_timer);
}

/* -- Creation and end ----------------------------------------------------- */

struct vcpu *vcpu_create(struct domain *d, unsigned id)
{
    struct hv *hv = d->hv;
    struct vcpu *v;
    mfn_t mfn;

    ASSERT(hv, id < HV_MAX_VCPUS && d->vcpus[id] == NULL);
    if (id >= d->max_vcpus || d->dying != DOMDYING_alive) {
        return NULL;
    }
    mfn = page_alloc_hv(hv, 0);
    if (!mfn_valid(mfn)) {
        return NULL;
    }
    v = plat_frame(hv->plat, mfn);
    memset(v, 0, sizeof(*v));
    v->domain = d;
    v->id = id;
    v->self_mfn = mfn;
    v->vmcb = INVALID_MFN;
    v->vcpu_info_mfn = d->shared_info;
    v->vcpu_info_off = id * (unsigned)sizeof(struct vcpu_info);
    timer_setup(&v->periodic, periodic_fn, v);
    timer_setup(&v->singleshot, singleshot_fn, v);
    schedop_vcpu_init(v);
    sched_vcpu_init(v);
    if (d->ops->vcpu_create(v) != 0) {
        page_free_hv(hv, mfn, 0);
        return NULL;
    }
    d->vcpus[id] = v;
    if (d->control) {
        ioport_grant_control(d);
    }
    return v;
}

void vcpu_destroy(struct vcpu *v)
{
    struct domain *d = v->domain;
    struct hv *hv = d->hv;

    ASSERT(hv, v->running_on < 0);
    vcpu_stop_timers(v);
    for (unsigned c = 0; c < hv->nr_cpus; c++) {
        if (hv->cpus[c].fpu_owner == v) {
            hv->cpus[c].fpu_owner = NULL;
        }
    }
    if (v->vcpu_info_registered) {
        page_put_type(hv, v->vcpu_info_mfn);
        page_put(hv, v->vcpu_info_mfn);
    }
    d->ops->vcpu_destroy(v);
    d->vcpus[v->id] = NULL;
    page_free_hv(hv, v->self_mfn, 0);
}

/* -- vcpu_info ------------------------------------------------------------ */

bool vcpu_info_frame(struct vcpu *v, mfn_t *mfn, unsigned *off)
{
    *mfn = v->vcpu_info_mfn;
    *off = v->vcpu_info_off;
    return mfn_valid(*mfn);
}

/* vcpu.h: VCPUOP_register_vcpu_info; Xen's map_vcpu_info(). Refused beyond
 * what 4.17 refuses: an offset that is not 8-aligned, as newer ones do. */
int vcpu_map_info(struct vcpu *v, uint64_t gfn, uint32_t offset)
{
    struct hv *hv = v->domain->hv;
    struct vcpu *cur = hv->cpus[plat_cpu_id(hv->plat)].current;
    struct vcpu_info info;
    enum p2m_type type;
    mfn_t mfn;

    if (offset > PAGE_SIZE - sizeof(info) || offset % 8 != 0) {
        return -XEN_EINVAL;
    }
    if (v->vcpu_info_registered || (v != cur && v->online)) {
        return -XEN_EINVAL;
    }
    mfn = gfn < HV_MAX_PHYSMAP_GFN
              ? p2m_get_page(v->domain, GFN(gfn), true, &type)
              : INVALID_MFN;
    if (!mfn_valid(mfn)) {
        return -XEN_EINVAL;
    }
    if (!p2m_type_own(type) || !page_get_type(hv, mfn, PGT_writable)) {
        page_put(hv, mfn);
        return -XEN_EINVAL;
    }
    gmem_frame_read(hv, v->vcpu_info_mfn, v->vcpu_info_off, &info,
                    sizeof(info));
    gmem_frame_write(hv, mfn, offset, &info, sizeof(info));
    v->vcpu_info_mfn = mfn;
    v->vcpu_info_off = offset;
    v->vcpu_info_registered = true;
    evtchn_vcpu_info_moved(v);
    return 0;
}

/* -- Events and going down ------------------------------------------------ */

/* Xen's local_events_need_delivery() for an HVM vCPU: the mask in vcpu_info
 * is a PV vCPU's and not looked at (hvm_vcpu_has_pending_irq()). A vCPU that
 * has no vector to be interrupted at has only the pending flag to go by: for
 * it, pending is due, so that looking and then blocking loses no event. */
bool vcpu_event_due(struct vcpu *v)
{
    if (!evtchn_upcall_pending(v)) {
        return false;
    }
    if (vcpu_upcall_vector(v) == 0) {
        return true;
    }
    return v->domain->ops->can_take_intr(v);
}

uint8_t vcpu_upcall_vector(const struct vcpu *v)
{
    /* hvm/hvm_op.h: HVMOP_set_evtchn_upcall_vector goes before the domain's
     * HVM_PARAM_CALLBACK_IRQ. */
    return v->upcall_vector ? v->upcall_vector : v->domain->callback_vector;
}

/* Xen's hvm_vcpu_down(). */
void vcpu_down(struct vcpu *v)
{
    struct domain *d = v->domain;

    v->online = false;
    sched_reconsider(v);
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        if (d->vcpus[i] != NULL && d->vcpus[i]->online) {
            return;
        }
    }
    hv_log(d->hv, "domain %u: all vCPUs offline, powering off", d->domid);
    domain_shutdown(d, SHUTDOWN_poweroff);
}
