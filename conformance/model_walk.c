/*
 * The oracle's walking half: from scratch over every nested page table, TLB,
 * grant entry and port, with a page-table walk of its own on raw memory.
 *
 * Invariants it looks for:
 *  1. A nested entry leads to RAM that is neither free nor the hypervisor's,
 *     and to none of the tables themselves.
 *  2. A frame reached by a domain is its own, opened to it by a pin, or the
 *     reaching domain is the control domain.
 *  3. A frame has at least as many references as nested entries lead to it,
 *     and as many writable type references as writable ones.
 *  4. A TLB entry that a vCPU of a domain could use now leads to no frame
 *     that is free, the hypervisor's, or another's without a pin.
 *  5. Pins and active grants are the same set; both ends of a channel agree.
 */
#include <string.h>

#include "conformance/model_impl.h"
#include "sim/cpu/cpu.h"
#include "sim/machine_impl.h"

static const uint64_t *table_at(struct model *o, uint64_t mfn)
{
    return machine_ram(o->m, MADDR(mfn << PAGE_SHIFT));
}

/* APM2 15.25.5: the nested walk; 5.3.2: four levels of nine bits. */
int64_t model_translate(struct model *o, const struct domain *d, uint64_t gfn,
                        bool *writable)
{
    uint64_t mfn = d->p2m_root.v;
    bool w = true;
    if (!mfn_valid(d->p2m_root) || gfn >> 36 != 0) {
        return -1;
    }
    for (int level = 3; level >= 0; level--) {
        uint64_t e = table_at(o, mfn)[(gfn >> (9 * level)) & 511];
        if (!(e & PTE_P) || ((e & PTE_ADDR_MASK) >> PAGE_SHIFT) >= o->frames) {
            return -1;
        }
        w = w && (e & PTE_W);
        mfn = (e & PTE_ADDR_MASK) >> PAGE_SHIFT;
    }
    if (writable != NULL) {
        *writable = w;
    }
    return (int64_t)mfn;
}

/* -- Every leaf of a domain ------------------------------------------------ */

typedef bool leaf_fn(struct model *o, const struct domain *d, uint64_t gfn,
                     uint64_t mfn, bool writable, void *ctx);

/* Stops and returns true when fn does. */
static bool each_leaf(struct model *o, const struct domain *d, uint64_t table,
                      int level, uint64_t gfn, bool writable, leaf_fn *fn,
                      void *ctx)
{
    for (unsigned i = 0; i < PTES_PER_PAGE; i++) {
        uint64_t e = table_at(o, table)[i];
        uint64_t to = (e & PTE_ADDR_MASK) >> PAGE_SHIFT;
        uint64_t at = gfn | (uint64_t)i << (9 * level);
        bool w = writable && (e & PTE_W);
        if (!(e & PTE_P)) {
            continue;
        }
        if (to >= o->frames) {
            model_violation(o, "domain %u: gfn 0x%llx leads outside RAM",
                            d->domid, (unsigned long long)at);
        } else if (level == 0 ? fn(o, d, at, to, w, ctx)
                              : each_leaf(o, d, to, level - 1, at, w, fn,
                                          ctx)) {
            return true;
        }
    }
    return false;
}

static bool leads_to(struct model *o, const struct domain *d, uint64_t gfn,
                     uint64_t mfn, bool writable, void *ctx)
{
    (void)o;
    (void)d;
    (void)gfn;
    (void)writable;
    return mfn == *(uint64_t *)ctx;
}

bool model_reaches(struct model *o, const struct domain *d, uint64_t mfn)
{
    return mfn_valid(d->p2m_root) &&
           each_leaf(o, d, d->p2m_root.v, 3, 0, true, leads_to, &mfn);
}

static bool permitted(struct model *o, const struct domain *d, uint64_t mfn,
                      bool writable, const char **why)
{
    struct hv *hv = machine_hv(o->m);
    const struct page_info *pi = page_of(hv, MFN(mfn));
    *why = "";
    if (pi->owner == PAGE_OWNER_NONE) {
        *why = "is free";
        return false;
    }
    if (pi->owner == PAGE_OWNER_HV || hv->domains[pi->owner] == NULL) {
        *why = "is the hypervisor's";
        return false;
    }
    const struct domain *owner = hv->domains[pi->owner];
    if (owner == d || d->control ||
        model_grants(o, owner->domid, d->domid, mfn, writable)) {
        return true;
    }
    *why = "is another domain's and no grant of it is in use";
    return false;
}

static bool check_leaf(struct model *o, const struct domain *d, uint64_t gfn,
                       uint64_t mfn, bool writable, void *ctx)
{
    const char *why;
    (void)ctx;
    o->maps[mfn]++;
    o->writable_maps[mfn] += writable;
    if (!permitted(o, d, mfn, writable, &why)) {
        model_violation(o,
                        "domain %u reaches frame 0x%llx at gfn 0x%llx%s, "
                        "which %s",
                        d->domid, (unsigned long long)mfn,
                        (unsigned long long)gfn,
                        writable ? " for writing" : "", why);
    }
    return false;
}

static void check_counts(struct model *o)
{
    struct hv *hv = machine_hv(o->m);
    for (uint64_t mfn = 0; mfn < o->frames; mfn++) {
        if (o->maps[mfn] == 0) {
            continue;
        }
        const struct page_info *pi = page_of(hv, MFN(mfn));
        if (pi->refs < o->maps[mfn] ||
            (pi->type == PGT_writable ? pi->type_refs : 0) <
                o->writable_maps[mfn]) {
            model_violation(o,
                            "frame 0x%llx: %u references and %u writable for "
                            "%u mappings and %u writable",
                            (unsigned long long)mfn, pi->refs, pi->type_refs,
                            o->maps[mfn], o->writable_maps[mfn]);
        }
        o->maps[mfn] = o->writable_maps[mfn] = 0;
    }
}

/* -- TLBs ------------------------------------------------------------------ */

/* The domain whose vCPU would run with this ASID on this CPU if it entered
 * now without a flush; NULL if none. */
static const struct domain *asid_user(struct model *o, unsigned cpu,
                                      uint32_t asid)
{
    struct hv *hv = machine_hv(o->m);
    for (unsigned i = 0; i < HV_MAX_DOMAINS; i++) {
        const struct domain *d = hv->domains[i];
        for (unsigned n = 0; d != NULL && n < d->max_vcpus; n++) {
            const struct vcpu *v = d->vcpus[n];
            /* A flush to come is none for a guest that runs already. */
            bool inside = v != NULL && v->running_on == (int)cpu &&
                          o->m->cpus[cpu]->in_guest;
            if (v == NULL || (v->flush_pending && !inside) ||
                !mfn_valid(v->vmcb) ||
                v->asid_cpu != (int)cpu ||
                v->asid_generation != hv->cpus[cpu].asid_generation) {
                continue;
            }
            const struct vmcb *c = machine_ram(o->m, mfn_to_maddr(v->vmcb, 0));
            /* Flushed by the VMRUN to come: APM2 15.16.2, TLB_CONTROL. */
            bool flushed_first =
                c->tlb_control != TLB_CTL_NONE && !o->m->cpus[cpu]->in_guest;
            if (c->asid == asid && !flushed_first) {
                return d;
            }
        }
    }
    return NULL;
}

static void check_tlb_entry(void *ctx, unsigned cpu, uint32_t asid,
                            uint64_t gva_page, mfn_t mfn, bool writable)
{
    struct model *o = ctx;
    const char *why;
    const struct domain *d = asid_user(o, cpu, asid);
    if (d != NULL && d->dying == DOMDYING_alive &&
        !permitted(o, d, mfn.v, writable, &why)) {
        model_violation(o,
                        "CPU %u still holds 0x%llx of domain %u for frame "
                        "0x%llx, which %s",
                        cpu, (unsigned long long)gva_page, d->domid,
                        (unsigned long long)mfn.v, why);
    }
}

/* -- Event channels -------------------------------------------------------- */

static void check_ports(struct model *o, struct domain *d)
{
    for (unsigned port = 0; port < HV_MAX_EVTCHNS; port++) {
        const struct evtchn *e = evtchn_of(d, port);
        if (e == NULL || e->state != ECS_INTERDOMAIN) {
            continue;
        }
        struct domain *rd = model_domain(o, e->remote_domid);
        const struct evtchn *r =
            rd == NULL ? NULL : evtchn_of(rd, e->remote_port);
        if (r == NULL || r->state != ECS_INTERDOMAIN ||
            r->remote_domid != d->domid || r->remote_port != port) {
            model_violation(o,
                            "port %u of domain %u is bound to port %u of "
                            "domain %u, which is not bound to it",
                            port, d->domid, e->remote_port, e->remote_domid);
        }
    }
}

/* Pins whose granter has gone for good are nobody's any more. */
static void drop_dead_pins(struct model *o)
{
    for (unsigned i = 0; i < o->nr_pins;) {
        if (model_domain(o, o->pins[i].granter) == NULL) {
            o->pins[i] = o->pins[--o->nr_pins];
        } else {
            i++;
        }
    }
}

unsigned model_check(struct model *o)
{
    struct hv *hv = machine_hv(o->m);
    if (hv == NULL || o->m->lock_owner >= 0) {
        return (unsigned)o->stats.violations;
    }
    o->stats.full_checks++;
    drop_dead_pins(o);
    for (unsigned i = 0; i < HV_MAX_DOMAINS; i++) {
        struct domain *d = hv->domains[i];
        if (d == NULL) {
            continue;
        }
        if (mfn_valid(d->p2m_root)) {
            each_leaf(o, d, d->p2m_root.v, 3, 0, true, check_leaf, NULL);
        }
        if (d->dying == DOMDYING_alive) {
            check_ports(o, d);
            for (uint32_t ref = 0;
                 ref < d->gnttab.nr_frames * GRANTS_PER_FRAME; ref++) {
                model_compare_grant(o, d->domid, ref);
            }
        }
    }
    check_counts(o);
    machine_each_tlb_entry(o->m, check_tlb_entry, o);
    return (unsigned)o->stats.violations;
}
