/*
 * The scheduler: weighted fair over virtual run time, with hard affinity and
 * per-domain caps. One queue, which is the domain table itself: its bounds
 * (HV_MAX_DOMAINS, HV_MAX_VCPUS) make a pick bounded, and its order (slot,
 * vCPU id) breaks what ties are left, so that a pick is a function of the
 * hypervisor's state alone.
 *
 * Invariants:
 *  1. v->running_on == c exactly while hv->cpus[c].current == v.
 *  2. Only the CPU that runs a vCPU takes it off (sched_pick, sched_leave);
 *     others set resched and interrupt it.
 *  3. A vCPU that is runnable and not running has been offered to every CPU
 *     that idled when it became so (sched_reconsider): no CPU idles over
 *     eligible work.
 *  4. A spent cap has its domain's cap_timer armed for the period's end.
 *
 * vCPU, as RUNSTATE_* of vcpu.h:
 *
 *   offline --sched_unpause, VCPUOP_up--> runnable --sched_pick--> running
 *      ^                                     |  ^                    |
 *      '--sched_pause, VCPUOP_down-----------'  '---sched_leave------|
 *                                            ^                       |
 *                     blocked --sched_unblock'   <---sched_leave-----'
 */
#include "hv/sched.h"

#include "hv/hv.h"

/* A waker must be this much behind to take a CPU from who runs there. */
#define SCHED_WAKE_LEAD_NS 1000000ULL
/* No entry for less than this: a cap's remainder is overdrawn instead, and
 * the overdraft is charged to the next period. */
#define SCHED_MIN_SLICE_NS 100000ULL

static uint64_t cpu_bit(unsigned cpu)
{
    return 1ULL << cpu;
}

/* -- Caps ----------------------------------------------------------------- */

static uint64_t cap_budget_ns(const struct domain *d)
{
    return HV_CAP_PERIOD_NS / 100 * d->cap_percent;
}

/* Starts the periods that have begun since; a debt is paid off by them. */
static void cap_refill(struct domain *d, uint64_t now_ns)
{
    uint64_t periods;

    if (now_ns < d->cap_period_start_ns + HV_CAP_PERIOD_NS) {
        return;
    }
    periods = (now_ns - d->cap_period_start_ns) / HV_CAP_PERIOD_NS;
    d->cap_period_start_ns += periods * HV_CAP_PERIOD_NS;
    if (d->cap_used_ns / periods <= cap_budget_ns(d)) {
        d->cap_used_ns = 0;
    } else {
        d->cap_used_ns -= periods * cap_budget_ns(d);
    }
}

static bool cap_has_budget(const struct domain *d)
{
    return d->cap_percent == 0 || d->cap_used_ns < cap_budget_ns(d);
}

static void cap_timer_fn(struct hv *hv, void *ctx)
{
    struct domain *d = ctx;

    cap_refill(d, plat_now(hv->plat));
    if (!cap_has_budget(d)) {
        timer_arm(hv, &d->cap_timer,
                  d->cap_period_start_ns + HV_CAP_PERIOD_NS);
        return;
    }
    for (unsigned i = 0; i < HV_MAX_VCPUS; i++) {
        if (d->vcpus[i] != NULL) {
            sched_reconsider(d->vcpus[i]);
        }
    }
}

static void cap_charge(struct domain *d, uint64_t delta_ns, uint64_t now_ns)
{
    if (d->cap_percent == 0) {
        return;
    }
    cap_refill(d, now_ns);
    d->cap_used_ns += delta_ns;
    if (!cap_has_budget(d) && !d->cap_timer.queued) {
        timer_arm(d->hv, &d->cap_timer,
                  d->cap_period_start_ns + HV_CAP_PERIOD_NS);
    }
}

/* -- Accounting ----------------------------------------------------------- */

/* Charges v for its time on the CPU since the last charge. */
static void sched_charge(struct vcpu *v, uint64_t now_ns)
{
    struct domain *d = v->domain;
    uint64_t delta;

    if (now_ns <= v->ran_since_ns) {
        return;
    }
    delta = now_ns - v->ran_since_ns;
    v->ran_since_ns = now_ns;
    v->vruntime_ns += delta * SCHED_WEIGHT_DEFAULT / d->weight;
    d->run_ns += delta;
    cap_charge(d, delta, now_ns);
}

static int sched_idle_runstate(const struct vcpu *v)
{
    if (v->blocked && v->online) {
        return RUNSTATE_blocked;
    }
    return sched_runnable(v) ? RUNSTATE_runnable : RUNSTATE_offline;
}

static void sched_update_idle_runstate(struct vcpu *v)
{
    int state = sched_idle_runstate(v);

    if (v->running_on < 0 && v->runstate != state) {
        vcpu_update_runstate(v, state, plat_now(v->domain->hv->plat));
    }
}

/* Sleepers do not save up run time against those who ran meanwhile. */
static void sched_catch_up(struct vcpu *v)
{
    uint64_t floor = v->domain->hv->vruntime_floor_ns;

    if (v->vruntime_ns < floor) {
        v->vruntime_ns = floor;
    }
}

void sched_vcpu_init(struct vcpu *v)
{
    struct hv *hv = v->domain->hv;

    v->running_on = -1;
    v->last_cpu = -1;
    v->affinity = ~0ULL;
    v->vruntime_ns = hv->vruntime_floor_ns;
    v->ran_since_ns = plat_now(hv->plat);
    v->runstate = RUNSTATE_offline;
    v->runstate_entry_ns = v->ran_since_ns;
    if (v->domain->cap_timer.fn == NULL) {
        timer_setup(&v->domain->cap_timer, cap_timer_fn, v->domain);
    }
}

bool sched_runnable(const struct vcpu *v)
{
    const struct domain *d = v->domain;

    return v->initialised && v->online && !v->blocked &&
           v->pause_count == 0 && d->pause_count == 0 && !d->shutting_down &&
           d->dying == DOMDYING_alive;
}

/* -- Picking -------------------------------------------------------------- */

static bool sched_eligible(struct vcpu *v, unsigned cpu, uint64_t now_ns)
{
    if (v->running_on >= 0 && v->running_on != (int)cpu) {
        return false;
    }
    if (!sched_runnable(v) || !(v->affinity & cpu_bit(cpu))) {
        return false;
    }
    cap_refill(v->domain, now_ns);
    return cap_has_budget(v->domain);
}

static bool sched_before(const struct vcpu *a, const struct vcpu *b)
{
    if (b == NULL || a->yielded != b->yielded) {
        return b == NULL || b->yielded;
    }
    if (a->vruntime_ns != b->vruntime_ns) {
        return a->vruntime_ns < b->vruntime_ns;
    }
    return a->ran_since_ns < b->ran_since_ns;
}

static struct vcpu *sched_best(struct hv *hv, unsigned cpu, uint64_t now_ns)
{
    struct vcpu *best = NULL;

    for (unsigned s = 0; s < HV_MAX_DOMAINS; s++) {
        struct domain *d = hv->domains[s];

        if (d == NULL || d->dying != DOMDYING_alive) {
            continue;
        }
        for (unsigned i = 0; i < d->max_vcpus; i++) {
            struct vcpu *v = d->vcpus[i];

            if (v != NULL && sched_eligible(v, cpu, now_ns) &&
                sched_before(v, best)) {
                best = v;
            }
        }
    }
    return best;
}

/* The least virtual run time there is among those who want to run; it never
 * goes back. */
static void sched_raise_floor(struct hv *hv)
{
    uint64_t least = ~0ULL;

    for (unsigned s = 0; s < HV_MAX_DOMAINS; s++) {
        struct domain *d = hv->domains[s];

        for (unsigned i = 0; d != NULL && i < d->max_vcpus; i++) {
            struct vcpu *v = d->vcpus[i];

            if (v != NULL && sched_runnable(v) && v->vruntime_ns < least) {
                least = v->vruntime_ns;
            }
        }
    }
    if (least != ~0ULL && least > hv->vruntime_floor_ns) {
        hv->vruntime_floor_ns = least;
    }
}

static uint64_t sched_slice_end(const struct domain *d, uint64_t now_ns)
{
    uint64_t slice = HV_TIMESLICE_NS;

    if (d->cap_percent != 0) {
        uint64_t left = cap_budget_ns(d) - d->cap_used_ns;

        slice = left < slice ? left : slice;
        slice = slice < SCHED_MIN_SLICE_NS ? SCHED_MIN_SLICE_NS : slice;
    }
    return now_ns + slice;
}

void sched_leave(struct vcpu *v, uint64_t now_ns)
{
    struct hv *hv = v->domain->hv;

    ASSERT(hv, v->running_on >= 0 && hv->cpus[v->running_on].current == v);
    sched_charge(v, now_ns);
    hv->cpus[v->running_on].current = NULL;
    v->running_on = -1;
    timer_cancel(hv, &v->periodic);
    vcpu_update_runstate(v, sched_idle_runstate(v), now_ns);
}

struct vcpu *sched_pick(struct hv *hv, unsigned cpu, uint64_t now_ns)
{
    struct pcpu *pc = &hv->cpus[cpu];
    struct vcpu *prev = pc->current, *next;

    if (prev != NULL) {
        sched_charge(prev, now_ns);
        if (!pc->resched && !prev->yielded && now_ns < pc->slice_end_ns &&
            sched_eligible(prev, cpu, now_ns)) {
            return prev;
        }
    }
    pc->resched = false;
    sched_raise_floor(hv);
    next = sched_best(hv, cpu, now_ns);
    if (prev != NULL) {
        prev->yielded = false;
        if (prev != next) {
            sched_leave(prev, now_ns);
        }
    }
    if (next == NULL) {
        return NULL;
    }
    next->yielded = false;
    pc->slice_end_ns = sched_slice_end(next->domain, now_ns);
    if (next != prev) {
        pc->current = next;
        next->running_on = (int)cpu;
        next->ran_since_ns = now_ns;
        vcpu_update_runstate(next, RUNSTATE_running, now_ns);
        if (prev != NULL) {
            sched_reconsider(prev); /* invariant 3: another CPU may idle */
        }
    }
    return next;
}

/* -- Changes -------------------------------------------------------------- */

static void sched_kick_cpu(struct hv *hv, unsigned cpu)
{
    hv->cpus[cpu].resched = true;
    if (cpu != plat_cpu_id(hv->plat)) {
        plat_ipi(hv->plat, cpu);
    }
}

/* A CPU for v: where it ran last if that idles, else the first that idles,
 * else the one whose vCPU is furthest ahead of v. -1: v has to wait. */
static int sched_find_cpu(const struct vcpu *v)
{
    const struct hv *hv = v->domain->hv;
    uint64_t ahead = v->vruntime_ns + SCHED_WAKE_LEAD_NS;
    int idle = -1, found = -1;

    for (unsigned c = 0; c < hv->nr_cpus; c++) {
        const struct pcpu *pc = &hv->cpus[c];

        if (!pc->online || pc->resched || !(v->affinity & cpu_bit(c))) {
            continue;
        }
        if (pc->current == NULL) {
            if (idle < 0 || v->last_cpu == (int)c) {
                idle = (int)c;
            }
        } else if (pc->current->vruntime_ns > ahead) {
            ahead = pc->current->vruntime_ns;
            found = (int)c;
        }
    }
    return idle >= 0 ? idle : found;
}

void sched_reconsider(struct vcpu *v)
{
    struct hv *hv = v->domain->hv;
    int cpu;

    if (v->running_on >= 0) {
        if (!sched_runnable(v) ||
            !(v->affinity & cpu_bit((unsigned)v->running_on))) {
            sched_kick_cpu(hv, (unsigned)v->running_on);
        }
        return;
    }
    sched_update_idle_runstate(v);
    if (!sched_runnable(v) || !cap_has_budget(v->domain)) {
        return;
    }
    cpu = sched_find_cpu(v);
    if (cpu >= 0) {
        sched_kick_cpu(hv, (unsigned)cpu);
    }
}

void sched_block(struct vcpu *v)
{
    v->blocked = true;
    sched_reconsider(v);
}

void sched_unblock(struct vcpu *v)
{
    struct hv *hv = v->domain->hv;

    if (v->polling) {
        v->polling = false;
        timer_cancel(hv, &v->poll_timer);
    }
    if (v->blocked) {
        v->blocked = false;
        if (v->running_on < 0) {
            sched_catch_up(v);
        }
        sched_reconsider(v);
    } else if (v->running_on >= 0 &&
               v->running_on != (int)plat_cpu_id(hv->plat)) {
        /* In guest mode: out of it, to take its upcall. */
        plat_ipi(hv->plat, (unsigned)v->running_on);
    }
}

void sched_wake_up(struct vcpu *v)
{
    if (v->running_on < 0) {
        sched_catch_up(v);
    }
    sched_reconsider(v);
}

void sched_yield_vcpu(struct vcpu *v)
{
    v->yielded = true;
}

void sched_pause_vcpu(struct vcpu *v)
{
    v->pause_count++;
    sched_reconsider(v);
    if (v->running_on >= 0) {
        plat_leave_guest(v->domain->hv->plat,
                         cpu_bit((unsigned)v->running_on));
    }
}

void sched_unpause_vcpu(struct vcpu *v)
{
    ASSERT(v->domain->hv, v->pause_count > 0);
    v->pause_count--;
    if (v->pause_count == 0) {
        sched_catch_up(v);
        sched_reconsider(v);
    }
}

/* Off every CPU, all at once: what pause, shutdown and kill share. */
static void sched_evict_domain(struct domain *d)
{
    uint64_t mask = 0;

    for (unsigned i = 0; i < HV_MAX_VCPUS; i++) {
        struct vcpu *v = d->vcpus[i];

        if (v != NULL) {
            sched_reconsider(v);
            if (v->running_on >= 0) {
                mask |= cpu_bit((unsigned)v->running_on);
            }
        }
    }
    if (mask != 0) {
        plat_leave_guest(d->hv->plat, mask);
    }
}

void sched_pause_domain(struct domain *d)
{
    d->pause_count++;
    sched_evict_domain(d);
}

void sched_unpause_domain(struct domain *d)
{
    ASSERT(d->hv, d->pause_count > 0);
    d->pause_count--;
    if (d->pause_count == 0) {
        sched_domain_changed(d);
    }
}

void sched_domain_changed(struct domain *d)
{
    if (d->pause_count > 0 || d->shutting_down ||
        d->dying != DOMDYING_alive) {
        sched_evict_domain(d);
        return;
    }
    for (unsigned i = 0; i < HV_MAX_VCPUS; i++) {
        if (d->vcpus[i] != NULL && d->vcpus[i]->running_on < 0) {
            sched_catch_up(d->vcpus[i]);
            sched_reconsider(d->vcpus[i]);
        }
    }
}

/* domctl.h: XEN_DOMCTL_scheduler_op; the order of Xen's sched_adjust(). The
 * credit schedulers' parameters, which have one layout, are ours. */
int sched_domctl(struct domain *d, struct xen_domctl_scheduler_op *op)
{
    if (op->sched_id != XEN_SCHEDULER_CREDIT &&
        op->sched_id != XEN_SCHEDULER_CREDIT2) {
        return -XEN_EINVAL;
    }
    switch (op->cmd) {
    case XEN_DOMCTL_SCHEDOP_putinfo:
        if (op->u.credit.weight != 0) {
            d->weight = op->u.credit.weight;
        }
        if (op->u.credit.cap != (uint16_t)~0u) {
            d->cap_percent = op->u.credit.cap;
            d->cap_used_ns = 0;
            d->cap_period_start_ns = plat_now(d->hv->plat);
            timer_cancel(d->hv, &d->cap_timer);
            sched_domain_changed(d);
        }
        return 0;
    case XEN_DOMCTL_SCHEDOP_getinfo:
        op->u.credit.weight = (uint16_t)d->weight;
        op->u.credit.cap = (uint16_t)d->cap_percent;
        return 0;
    default:
        return -XEN_EINVAL;
    }
}
