/*
 * The oracle's watching half: follows the seam and keeps the ledger.
 *
 * What it believes, and on what grounds:
 *  - a frame is a domain's because that domain uses it as its own, and
 *    because nobody else reached it when that began;
 *  - a grant is in use because the hypervisor said so where the granter can
 *    see it: GTF_reading and GTF_writing in the shared entry (grant_table.h),
 *    set and cleared by atomic operations that cross the seam;
 *  - an event may be raised on an interdomain port by the other end's domain
 *    alone.
 *
 * Invariants:
 *  1. A guest's access goes to a frame of its own, to one that a live pin
 *     opens to it (for writing, if it writes), or, from the control domain,
 *     to a frame of a guest it manages. Never to a free or a hypervisor frame.
 *  2. A frame changes hands only when its old owner can't reach it any more.
 *  3. Outside the hypervisor's lock, pins and active grant entries are the
 *     same set.
 */
#include "conformance/model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/model_impl.h"
#include "sim/machine_impl.h"

/* Hypercalls between two full checks. */
#define FULL_CHECK_STRIDE 128

void model_violation(struct model *o, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    if (o->stats.violations++ != 0) {
        return;
    }
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    o->violation(o->ctx, text);
}

struct domain *model_domain(struct model *o, uint16_t domid)
{
    struct hv *hv = machine_hv(o->m);
    for (unsigned i = 0; i < HV_MAX_DOMAINS; i++) {
        if (hv->domains[i] != NULL && hv->domains[i]->domid == domid) {
            return hv->domains[i];
        }
    }
    return NULL;
}

static struct domain *domain_of_vmcb(struct model *o, mfn_t vmcb)
{
    struct hv *hv = machine_hv(o->m);
    for (unsigned i = 0; hv != NULL && i < HV_MAX_DOMAINS; i++) {
        struct domain *d = hv->domains[i];
        for (unsigned v = 0; d != NULL && v < d->max_vcpus; v++) {
            if (d->vcpus[v] != NULL && mfn_eq(d->vcpus[v]->vmcb, vmcb)) {
                return d;
            }
        }
    }
    return NULL;
}

/* -- Pins ----------------------------------------------------------------- */

bool model_grants(struct model *o, uint16_t granter, uint16_t grantee,
                  uint64_t mfn, bool writing)
{
    for (unsigned i = 0; i < o->nr_pins; i++) {
        const struct model_pin *p = &o->pins[i];
        if (p->granter == granter && p->grantee == grantee && p->have_frame &&
            p->mfn == mfn && (p->writing || !writing)) {
            return true;
        }
    }
    return model_scribbled_grants(o, granter, grantee, mfn, writing);
}

struct model_pin *model_pin_of(struct model *o, uint16_t granter,
                               uint32_t ref)
{
    for (unsigned i = 0; i < o->nr_pins; i++) {
        if (o->pins[i].granter == granter && o->pins[i].ref == ref) {
            return &o->pins[i];
        }
    }
    return NULL;
}

static struct model_pin *pin_add(struct model *o)
{
    if (o->nr_pins == o->cap_pins) {
        o->cap_pins = o->cap_pins * 2 + 64;
        o->pins = realloc(o->pins, o->cap_pins * sizeof(*o->pins));
        if (o->pins == NULL) {
            abort(); /* the host is out of memory: no verdict is possible */
        }
    }
    o->pins[o->nr_pins] = (struct model_pin){0};
    return &o->pins[o->nr_pins++];
}

static void touch(struct model *o, uint16_t granter, uint32_t ref)
{
    if (o->nr_touched == MODEL_TOUCHED_MAX) {
        o->touched_overflow = true;
        return;
    }
    o->touched[o->nr_touched].granter = granter;
    o->touched[o->nr_touched++].ref = ref;
}

/* Is the frame at ma somebody's shared grant frame? */
static struct domain *grant_frame_owner(struct model *o, maddr_t ma,
                                        uint32_t *first_ref)
{
    struct hv *hv = machine_hv(o->m);
    for (unsigned i = 0; hv != NULL && i < HV_MAX_DOMAINS; i++) {
        struct domain *d = hv->domains[i];
        for (unsigned f = 0; d != NULL && f < d->gnttab.nr_frames; f++) {
            if (d->gnttab.shared[f].v == ma.v >> PAGE_SHIFT) {
                *first_ref = f * GRANTS_PER_FRAME;
                return d;
            }
        }
    }
    return NULL;
}

static void follow_entry(struct model *o, const struct domain *d,
                         uint32_t ref, uint32_t head)
{
    struct model_pin *p = model_pin_of(o, d->domid, ref);
    bool used = head & GTF_reading;
    touch(o, d->domid, ref);
    if (used && p == NULL) {
        p = pin_add(o);
        p->granter = d->domid;
        p->ref = ref;
        p->grantee = head >> 16;
    }
    if (used) {
        p->writing = head & GTF_writing;
    } else if (p != NULL) {
        *p = o->pins[--o->nr_pins];
    }
}

static void raised_event(struct model *o, unsigned cpu,
                         const struct domain *d, unsigned port)
{
    const struct evtchn *e = evtchn_of((struct domain *)d, port);
    const struct model_step *s = &o->step[cpu];
    if (e == NULL || e->state == ECS_FREE || e->state == ECS_RESERVED ||
        e->state == ECS_UNBOUND) {
        model_violation(o, "port %u of domain %u was raised and is not bound",
                        port, d->domid);
    } else if (e->state == ECS_INTERDOMAIN && s->in_hypercall &&
               s->nr == __HYPERVISOR_event_channel_op &&
               (uint32_t)s->arg0 == EVTCHNOP_send &&
               s->caller != e->remote_domid) {
        model_violation(o,
                        "domain %u raised port %u of domain %u, whose other "
                        "end is domain %u's",
                        s->caller, port, d->domid, e->remote_domid);
    }
}

static void see_atomic(void *ctx, unsigned cpu, maddr_t ma, unsigned len,
                       uint64_t old, uint64_t now)
{
    struct model *o = ctx;
    struct hv *hv = machine_hv(o->m);
    unsigned off = ma.v & (PAGE_SIZE - 1), bit;
    uint32_t first;
    if (old == now || hv == NULL) {
        return;
    }
    struct domain *d = grant_frame_owner(o, ma, &first);
    if (d != NULL && off % 8 == 0 && len >= 4) {
        follow_entry(o, d, first + off / 8, (uint32_t)now);
        return;
    }
    bit = __builtin_ctzll(old ^ now);
    for (unsigned i = 0; len == 8 && i < HV_MAX_DOMAINS; i++) {
        d = hv->domains[i];
        if (d != NULL && d->shared_info.v == ma.v >> PAGE_SHIFT &&
            off >= offsetof(struct shared_info, evtchn_pending) &&
            off < offsetof(struct shared_info, evtchn_mask) && (now & ~old)) {
            unsigned from = offsetof(struct shared_info, evtchn_pending);
            raised_event(o, cpu, d, (off - from) * 8 + bit);
        }
    }
}

/* The frame field, fetched after the entry was marked: what is granted. */
static void see_read(void *ctx, unsigned cpu, maddr_t ma, const void *data,
                     size_t len)
{
    struct model *o = ctx;
    uint32_t first, gfn;
    (void)cpu;
    if (len != 4 || ma.v % 8 != 4 || o->nr_pins == 0) {
        return;
    }
    struct domain *d = grant_frame_owner(o, ma, &first);
    struct model_pin *p =
        d == NULL ? NULL
                  : model_pin_of(o, d->domid,
                           first + (ma.v & (PAGE_SIZE - 1)) / 8);
    if (p != NULL && !p->have_frame) {
        int64_t mfn;
        memcpy(&gfn, data, 4);
        mfn = model_translate(o, d, gfn, NULL);
        p->gfn = gfn;
        p->mfn = (uint64_t)mfn;
        p->have_frame = mfn >= 0;
    }
}

/* -- Guests' accesses ------------------------------------------------------ */

static void judge_claim(struct model *o, const struct domain *d, uint64_t mfn)
{
    uint16_t before = o->owner[mfn];
    struct domain *old = before == MODEL_NOBODY || before == d->domid
                             ? NULL
                             : model_domain(o, before);
    if (old != NULL && model_reaches(o, old, mfn) &&
        !model_grants(o, d->domid, before, mfn, false) &&
        !old->control) {
        model_violation(o,
                        "frame 0x%llx went from domain %u to domain %u while "
                        "the first still reaches it",
                        (unsigned long long)mfn, before, d->domid);
    }
    o->owner[mfn] = d->domid;
}

static void judge_access(struct model *o, const struct domain *d,
                         uint64_t mfn, bool write)
{
    struct hv *hv = machine_hv(o->m);
    const struct page_info *pi = page_of(hv, MFN(mfn));
    if (pi->owner == PAGE_OWNER_NONE || pi->owner == PAGE_OWNER_HV) {
        model_violation(o, "domain %u %s frame 0x%llx, which is %s", d->domid,
                        write ? "wrote" : "read", (unsigned long long)mfn,
                        pi->owner == PAGE_OWNER_HV ? "the hypervisor's"
                                                   : "free");
    } else if (hv->domains[pi->owner] == d) {
        judge_claim(o, d, mfn);
    } else if (!d->control) {
        const struct domain *granter = hv->domains[pi->owner];
        if (granter == NULL ||
            !model_grants(o, granter->domid, d->domid, mfn, write)) {
            model_violation(o,
                            "domain %u %s frame 0x%llx of domain %u without "
                            "a grant in use",
                            d->domid, write ? "wrote" : "read",
                            (unsigned long long)mfn,
                            granter == NULL ? MODEL_NOBODY : granter->domid);
        }
    }
}

static void see_access(void *ctx, unsigned cpu, mfn_t vmcb, maddr_t ma,
                       size_t len, bool write)
{
    struct model *o = ctx;
    struct hv *hv = machine_hv(o->m);
    uint64_t mfn = ma.v >> PAGE_SHIFT;
    o->stats.accesses++;
    const struct vcpu *v = hv->cpus[cpu].current;
    const struct domain *d = v != NULL && mfn_eq(v->vmcb, vmcb)
                                 ? v->domain
                                 : domain_of_vmcb(o, vmcb);
    if (d == NULL) {
        model_violation(o, "a vCPU ran that no domain has (VMCB 0x%llx)",
                        (unsigned long long)vmcb.v);
        return;
    }
    const struct page_info *pi = page_of(hv, MFN(mfn));
    if (write) {
        model_see_scribble(o, d, ma, len);
    }
    if (o->owner[mfn] != d->domid || pi->owner >= HV_MAX_DOMAINS ||
        hv->domains[pi->owner] != d) {
        judge_access(o, d, mfn, write);
    }
}

/* -- Steps ----------------------------------------------------------------- */

void model_compare_grant(struct model *o, uint16_t granter, uint32_t ref)
{
    struct domain *d = model_domain(o, granter);
    const struct model_pin *p = model_pin_of(o, granter, ref);
    const struct grant_active *a =
        d == NULL || d->dying != DOMDYING_alive ? NULL
                                                : gnttab_active(d, ref);
    if (a == NULL) {
        return; /* the granter is going: its entries go with it */
    }
    if (model_scribbled(o, granter, ref)) {
        return; /* the ledger has the guest's word alone */
    }
    bool active = a->read_pins + a->write_pins > 0;
    if (active != (p != NULL)) {
        model_violation(o, "grant %u of domain %u: in use %s, entry says %s",
                        ref, granter, active ? "yes" : "no",
                        p != NULL ? "yes" : "no");
    } else if (active && (a->domid != p->grantee ||
                          (a->write_pins > 0) != p->writing ||
                          (p->have_frame && a->mfn != p->mfn))) {
        model_violation(o,
                        "grant %u of domain %u: domain %u uses frame 0x%llx%s"
                        ", the entry gave domain %u frame 0x%llx%s",
                        ref, granter, a->domid, (unsigned long long)a->mfn,
                        a->write_pins ? " for writing" : "", p->grantee,
                        (unsigned long long)p->mfn,
                        p->writing ? " for writing" : "");
    }
}

static void end_step(struct model *o, unsigned cpu)
{
    model_settle_scribbles(o);
    if (o->step[cpu].in_hypercall) {
        o->stats.hypercalls++;
        o->step[cpu].in_hypercall = false;
    }
    if (o->m->lock_owner >= 0) {
        return; /* another CPU is in the middle of something */
    }
    for (unsigned i = 0; i < o->nr_touched; i++) {
        model_compare_grant(o, o->touched[i].granter, o->touched[i].ref);
    }
    if (o->touched_overflow ||
        (o->stats.hypercalls % FULL_CHECK_STRIDE == 0 &&
         o->stats.hypercalls / FULL_CHECK_STRIDE > o->stats.full_checks)) {
        o->touched_overflow = false;
        model_check(o);
    }
    o->nr_touched = 0;
}

static void see_enter(void *ctx, unsigned cpu, mfn_t vmcb,
                      const struct cpu_regs *regs)
{
    (void)vmcb;
    (void)regs;
    end_step(ctx, cpu);
}

static void see_exit(void *ctx, unsigned cpu, mfn_t vmcb,
                     const struct cpu_regs *regs)
{
    struct model *o = ctx;
    struct model_step *s = &o->step[cpu];
    const struct vmcb *c = machine_ram(o->m, mfn_to_maddr(vmcb, 0));
    const struct domain *d = domain_of_vmcb(o, vmcb);
    end_step(o, cpu);
    s->in_hypercall = c->exitcode == VMEXIT_VMMCALL && d != NULL;
    s->caller = d != NULL ? d->domid : MODEL_NOBODY;
    s->nr = c->rax;
    s->arg0 = regs->r[R_RDI];
}

/* -- Life ------------------------------------------------------------------ */

struct model *model_create(struct machine *m,
                           void (*violation)(void *ctx, const char *text),
                           void *ctx)
{
    struct model *o = calloc(1, sizeof(*o));
    if (o == NULL) {
        return NULL;
    }
    o->m = m;
    o->violation = violation;
    o->ctx = ctx;
    o->frames = machine_ram_bytes(m) >> PAGE_SHIFT;
    o->owner = malloc(o->frames * sizeof(*o->owner));
    o->maps = calloc(o->frames, sizeof(*o->maps));
    o->writable_maps = calloc(o->frames, sizeof(*o->writable_maps));
    if (o->owner == NULL || o->maps == NULL || o->writable_maps == NULL) {
        model_destroy(o);
        return NULL;
    }
    memset(o->owner, 0xff, o->frames * sizeof(*o->owner));
    const struct observer seen = {.ctx = o,
                                  .enter = see_enter,
                                  .exit = see_exit,
                                  .read = see_read,
                                  .atomic = see_atomic,
                                  .guest_access = see_access};
    machine_set_observer(m, &seen);
    return o;
}

void model_destroy(struct model *o)
{
    machine_set_observer(o->m, NULL);
    free(o->owner);
    free(o->maps);
    free(o->writable_maps);
    free(o->pins);
    free(o);
}

const struct model_stats *model_stats(const struct model *o)
{
    return &o->stats;
}
