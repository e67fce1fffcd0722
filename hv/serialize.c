/*
 * The canonical serialization of the hypervisor's state, the input of its
 * hashes: field by field, every number as 8 bytes little-endian, never a raw
 * structure or a pointer. Frames are named by their mfn, timers by what they
 * are embedded in.
 *
 * Order, whole hypervisor (hv_serialize with d NULL):
 *   1. machine: CPUs, memory totals, domain id counter, interrupt owners
 *   2. each physical CPU: running vCPU, slice, ASID state
 *   3. each frame that is not free, ascending: mfn, owner's domid, counts
 *   4. the timer queue's deadlines, in queue order
 *   5. each domain, by slot: slot, then as below
 * One domain:
 *   1. identity, life, memory and event and scheduling totals
 *   2. each vCPU, ascending: flags, scheduling, timers, registers, state
 *   3. event channels 0 .. nr_evtchns-1 that are not free
 *   4. grants in use, then live maptrack entries
 *   5. p2m, ascending: gfn, mfn, type
 * Each numbered part begins with its tag, so that no two states share bytes.
 *
 * Left out on purpose: contents of guest-writable frames (the machine's RAM
 * has its own hash) and the free lists (they show in what is allocated next).
 */
#include "hv/abi.h"
#include "hv/hv.h"
#include "hv/lib.h"
#include "hv/p2m.h"
#include "hv/x86/svm.h"
#include "hv/x86/virt.h"

struct sink {
    hv_emit_fn *emit;
    void *ctx;
};

static void put(struct sink *s, uint64_t n)
{
    uint8_t b[8];

    for (unsigned i = 0; i < 8; i++) {
        b[i] = (uint8_t)(n >> (8 * i));
    }
    s->emit(s->ctx, b, sizeof(b));
}

static void put_tag(struct sink *s, const char tag[4])
{
    s->emit(s->ctx, tag, 4);
}

static void put_array(struct sink *s, const uint64_t *n, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        put(s, n[i]);
    }
}

static void put_timer(struct sink *s, const struct timer *t)
{
    put(s, t->queued);
    put(s, t->queued ? t->deadline_ns : 0);
}

/* domid and number of a vCPU; ~0 twice for none. */
static void put_vcpu_name(struct sink *s, const struct vcpu *v)
{
    put(s, v ? v->domain->domid : ~0ULL);
    put(s, v ? v->id : ~0ULL);
}

/* -- A domain -------------------------------------------------------------- */

static void put_domain_memory(struct sink *s, const struct domain *d)
{
    put(s, d->tot_pages);
    put(s, d->max_pages);
    put(s, d->hv_pages);
    put(s, d->p2m_max_gfn);
    put(s, d->p2m_tables);
    put(s, d->p2m_teardown_cursor);
    put(s, d->shared_info.v);
    put(s, d->nr_e820);
    for (unsigned i = 0; i < d->nr_e820; i++) {
        put(s, d->e820[i].addr);
        put(s, d->e820[i].size);
        put(s, d->e820[i].type);
    }
}

static void put_domain_head(struct sink *s, const struct domain *d)
{
    put_tag(s, "DOM ");
    put(s, d->domid);
    put(s, d->control);
    s->emit(s->ctx, d->handle, sizeof(d->handle));
    put(s, d->refs);
    put(s, d->dying);
    put(s, d->relinquish_stage);
    put(s, d->createflags);
    put(s, d->shutting_down);
    put(s, d->shutdown_code);
    put(s, d->pause_count);
    put(s, d->controller_paused);
    put(s, d->controller_extra_pauses);
    put(s, d->context_held);
    put(s, d->paging_bytes);
    put(s, d->vm_assist);
    put(s, d->max_vcpus);
    put_domain_memory(s, d);

    put(s, d->nr_evtchns);
    put(s, d->max_evtchn_port);
    put(s, d->evtchn_teardown_cursor);
    put(s, d->active_evtchns);
    put(s, d->evtchn_reset_next);
    put(s, d->xen_pending_consumers);
    for (unsigned i = 0; i < 24; i++) {
        put(s, d->global_virq_port[i]);
    }
    put_array(s, d->hvm_params, HVM_NR_PARAMS);
    put(s, d->callback_vector);

    put(s, d->weight);
    put(s, d->cap_percent);
    put(s, d->cap_used_ns);
    put(s, d->cap_period_start_ns);
    put_timer(s, &d->cap_timer);
    put(s, d->run_ns);
    put(s, d->wallclock_offset_ns);
    put(s, d->shared_version);
    put(s, d->watchdog_id_inuse);
    for (unsigned i = 0; i < DOMAIN_WATCHDOGS; i++) {
        put_timer(s, &d->watchdog[i]);
    }
    put(s, d->console_len);
    s->emit(s->ctx, d->console_line, d->console_len);
}

static void put_segment(struct sink *s, const struct vmcb_seg *seg)
{
    put(s, seg->sel);
    put(s, seg->attrib);
    put(s, seg->limit);
    put(s, seg->base);
}

static void put_vcpu_state(struct sink *s, struct vcpu *v)
{
    struct vcpu_state st;

    v->domain->ops->get_state(v, &st);
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        put_segment(s, &st.seg[i]);
    }
    put(s, st.rax);
    put(s, st.rsp);
    put(s, st.rip);
    put(s, st.rflags);
    put(s, st.cr0);
    put(s, st.cr2);
    put(s, st.cr3);
    put(s, st.cr4);
    put(s, st.dr6);
    put(s, st.dr7);
    put(s, st.efer);
    put(s, st.star);
    put(s, st.lstar);
    put(s, st.cstar);
    put(s, st.sfmask);
    put(s, st.kernel_gs_base);
    put(s, st.sysenter_cs);
    put(s, st.sysenter_esp);
    put(s, st.sysenter_eip);
    put(s, st.pat);
    put(s, st.tsc_offset);
    put(s, st.pending_event);
}

/* What the VMCB has beyond struct vcpu_state. */
static void put_vcpu_svm(struct sink *s, struct vcpu *v)
{
    const struct vmcb *m = svm_vmcb(v);

    put(s, v->vmcb.v);
    put(s, m->asid);
    put(s, m->tlb_control);
    put(s, m->vintr);
    put(s, m->interrupt_shadow);
    put(s, m->cpl);
    put(s, m->intercept1);
    put(s, m->intercept2);
    put(s, m->exitcode);
    put(s, m->exitinfo1);
    put(s, m->exitinfo2);
    put(s, m->exitintinfo);
    put(s, v->asid_generation);
    put(s, (uint64_t)v->asid_cpu);
    put(s, v->flush_pending);
    put(s, v->intr_window);
}

static void put_vcpu_sched(struct sink *s, const struct vcpu *v)
{
    put(s, v->online);
    put(s, v->initialised);
    put(s, v->context_valid);
    put(s, v->blocked);
    put(s, v->polling);
    put(s, (uint64_t)v->running_on);
    put(s, (uint64_t)v->last_cpu);
    put(s, v->pause_count);
    put(s, v->vruntime_ns);
    put(s, v->ran_since_ns);
    put(s, v->affinity);
    put(s, v->yielded);
    put(s, v->pinned);
    put(s, v->pinned ? v->affinity_saved : 0);
    put(s, (uint64_t)v->runstate);
    put(s, v->runstate_entry_ns);
    put_array(s, v->runstate_time, 4);
    put(s, v->runstate_area.v);
    put(s, v->time_area.v);
    put(s, v->vcpu_info_mfn.v);
    put(s, v->vcpu_info_off);
    put(s, v->vcpu_info_registered);
    put(s, v->time_version);
    put(s, v->periodic_ns);
    put(s, v->periodic_last_ns);
    put_timer(s, &v->periodic);
    put_timer(s, &v->singleshot);
    put_timer(s, &v->poll_timer);
    put(s, v->poll_count);
    for (unsigned i = 0; i < v->poll_count && i < 128; i++) {
        put(s, v->poll_ports[i]);
    }
    for (unsigned i = 0; i < 24; i++) {
        put(s, v->virq_port[i]);
    }
    put(s, v->upcall_vector);
}

static void put_vcpu(struct sink *s, struct vcpu *v)
{
    put_tag(s, "VCPU");
    put(s, v->id);
    put_vcpu_sched(s, v);
    put(s, v->in_multicall);
    put(s, v->restart);
    put(s, v->restart ? v->restart_nr : 0);
    for (unsigned i = 0; i < 5; i++) {
        put(s, v->restart ? v->restart_args[i] : 0);
    }
    for (unsigned i = 0; i < 16; i++) {
        if (i != R_RAX && i != R_RSP) { /* those slots hold nothing */
            put(s, v->regs.r[i]);
        }
    }
    put(s, v->msr_tsc_aux);
    put(s, v->msr_apic_base);
    put_array(s, v->dr, 4);
    s->emit(s->ctx, v->fpu, sizeof(v->fpu));
    put_vcpu_state(s, v);
    if (v->domain->ops == &svm_ops) {
        put_vcpu_svm(s, v);
    }
}

static void put_evtchns(struct sink *s, struct domain *d)
{
    put_tag(s, "EVTC");
    for (uint32_t port = 0; port < d->nr_evtchns; port++) {
        const struct evtchn *e = evtchn_of(d, port);

        if (e == NULL || e->state == ECS_FREE) {
            continue;
        }
        put(s, port);
        put(s, e->state);
        put(s, e->notify_vcpu);
        put(s, e->remote_domid);
        put(s, e->virq);
        put(s, e->remote_port);
    }
}

static void put_grants(struct sink *s, struct domain *d)
{
    uint32_t refs = d->gnttab.nr_frames * GRANTS_PER_FRAME;

    put_tag(s, "GRNT");
    put(s, d->gnttab.nr_frames);
    put(s, d->gnttab.nr_maptrack);
    for (uint32_t ref = 0; ref < refs; ref++) {
        const struct grant_active *a = gnttab_active(d, ref);

        if (a == NULL || (a->read_pins == 0 && a->write_pins == 0)) {
            continue;
        }
        put(s, ref);
        put(s, a->domid);
        put(s, a->read_pins);
        put(s, a->write_pins);
        put(s, a->mfn);
        put(s, a->gfn);
    }
    put_tag(s, "MAPT");
    for (uint32_t h = 0; h < d->gnttab.nr_maptrack; h++) {
        const struct maptrack *t = gnttab_maptrack(d, h);

        if (t == NULL || t->flags == 0) {
            continue;
        }
        put(s, h);
        put(s, t->ref);
        put(s, t->domid);
        put(s, t->flags);
        put(s, t->gfn);
        put(s, t->mfn);
    }
}

static bool put_p2m_entry(void *ctx, gfn_t gfn, mfn_t mfn, enum p2m_type type)
{
    struct sink *s = ctx;

    put(s, gfn.v);
    put(s, mfn.v);
    put(s, type);
    return false;
}

static void put_domain(struct sink *s, struct domain *d)
{
    put_domain_head(s, d);
    for (unsigned i = 0; i < HV_MAX_VCPUS; i++) {
        if (d->vcpus[i] != NULL) {
            put_vcpu(s, d->vcpus[i]);
        }
    }
    put_evtchns(s, d);
    put_grants(s, d);
    put_tag(s, "P2M ");
    if (d->p2m_tables != 0) {
        p2m_walk(d, GFN(0), put_p2m_entry, s);
    }
}

/* -- The whole ------------------------------------------------------------- */

static void put_machine(struct sink *s, const struct hv *hv)
{
    put_tag(s, "HV  ");
    put(s, hv->nr_cpus);
    put(s, hv->max_mfn);
    put(s, hv->free_pages);
    put(s, hv->total_pages);
    put(s, hv->next_domid);
    put(s, hv->control ? hv->control->domid : ~0ULL);
    put(s, hv->vruntime_floor_ns);
    put(s, hv->dom_exc_owner);
    put(s, hv->vendor != NULL);
    for (unsigned i = 0; i < HV_MAX_IRQS; i++) {
        put(s, hv->irq_port[i]);
        put(s, hv->irq_port[i] ? hv->irq_owner[i] : 0);
    }
    for (unsigned i = 0; i < hv->nr_cpus; i++) {
        const struct pcpu *pc = &hv->cpus[i];

        put_tag(s, "PCPU");
        put(s, pc->online);
        put_vcpu_name(s, pc->current);
        put_vcpu_name(s, pc->fpu_owner);
        put(s, pc->slice_end_ns);
        put(s, pc->resched);
        put(s, pc->asid_generation);
        put(s, pc->next_asid);
        put(s, pc->max_asid);
        put(s, pc->flush_by_asid);
        put(s, pc->asid_fresh);
        put(s, pc->tsc_aux);
        put(s, pc->svm_on);
        put(s, pc->svm_on ? pc->hsave.v : ~0ULL);
    }
}

static uint64_t owner_name(const struct hv *hv, uint16_t owner)
{
    if (owner >= HV_MAX_DOMAINS || hv->domains[owner] == NULL) {
        return 0x10000ULL | owner; /* PAGE_OWNER_* */
    }
    return hv->domains[owner]->domid;
}

static void put_frames(struct sink *s, struct hv *hv)
{
    put_tag(s, "PAGE");
    for (uint64_t m = 0; m < hv->max_mfn; m++) {
        const struct page_info *pg;

        if (!page_exists(hv, MFN(m))) {
            continue;
        }
        pg = page_of(hv, MFN(m));
        if (pg->refs == 0) {
            continue;
        }
        put(s, m);
        put(s, owner_name(hv, pg->owner));
        put(s, pg->refs);
        put(s, pg->type_refs);
        put(s, pg->type_refs ? pg->type : 0);
        put(s, pg->flags);
        put(s, pg->gfn);
    }
}

void hv_serialize(struct hv *hv, struct domain *d, hv_emit_fn *emit,
                  void *ctx)
{
    struct sink s = {.emit = emit, .ctx = ctx};

    if (d != NULL) {
        put_domain(&s, d);
        return;
    }
    put_machine(&s, hv);
    put_frames(&s, hv);
    put_tag(&s, "TIME");
    for (const struct timer *t = hv->timers; t != NULL; t = t->next) {
        put(&s, t->deadline_ns);
    }
    for (unsigned slot = 0; slot < HV_MAX_DOMAINS; slot++) {
        if (hv->domains[slot] != NULL) {
            put_tag(&s, "SLOT");
            put(&s, slot);
            put_domain(&s, hv->domains[slot]);
        }
    }
}
