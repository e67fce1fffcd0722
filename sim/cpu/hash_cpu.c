/*
 * Processors, TLBs, interrupts, lock and time, for the machine hash: field by
 * field (decision 5). What a native program keeps on its host stack is not
 * part of the machine.
 */
#include "sim/hash.h"
#include "sim/machine_impl.h"

static void hash_seg(struct hash_stream *h, const struct vmcb_seg *s)
{
    hash_u64(h, s->sel);
    hash_u64(h, s->attrib);
    hash_u64(h, s->limit);
    hash_u64(h, s->base);
}

static void hash_guest(struct hash_stream *h, const struct guest_state *g)
{
    const struct vmcb_seg *segs[] = {&g->es, &g->cs, &g->ss,   &g->ds,
                                     &g->fs, &g->gs, &g->gdtr, &g->ldtr,
                                     &g->idtr, &g->tr};
    const uint64_t values[] = {
        g->rip,         g->rflags,       g->cr0,          g->cr2,
        g->cr3,         g->cr4,          g->efer,         g->dr6,
        g->dr7,         g->g_pat,        g->kernel_gs_base, g->star,
        g->lstar,       g->cstar,        g->sfmask,       g->sysenter_cs,
        g->sysenter_esp, g->sysenter_eip, g->cpl,         g->shadow,
        g->gif};

    for (unsigned i = 0; i < 16; i++) {
        hash_u64(h, g->regs.r[i]);
    }
    for (unsigned i = 0; i < sizeof(segs) / sizeof(segs[0]); i++) {
        hash_seg(h, segs[i]);
    }
    for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        hash_u64(h, values[i]);
    }
}

static void hash_ctl(struct hash_stream *h, const struct guest_ctl *k)
{
    const uint64_t values[] = {k->cr_read, k->cr_write, k->exceptions, k->i1,
                               k->i2,      k->iopm,     k->msrpm,
                               k->tsc_offset, k->vintr, k->n_cr3,
                               k->asid,    k->np};

    for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        hash_u64(h, values[i]);
    }
}

static void hash_tlb(struct hash_stream *h, const struct tlb *t)
{
    for (unsigned i = 0; i < TLB_SETS * TLB_WAYS; i++) {
        const struct tlb_entry *e = &t->e[i];

        if (tlb_entry_live(t, e)) {
            hash_u64(h, i);
            hash_u64(h, e->key);
            hash_u64(h, e->mfn);
            hash_u64(h, (uint64_t)e->rights << 8 | e->shift);
        }
    }
    hash_u64(h, t->fills);
}

static void hash_cpu(struct hash_stream *h, const struct cpu *c)
{
    const uint64_t values[] = {
        c->id,           c->idle,          c->wants_lock,
        c->leaving,      c->in_guest,      c->irq,
        c->deadline_ns,  c->efer,          c->vm_cr,
        c->hsave_pa,     c->tsc_aux,       c->apic_base,
        c->pat,          c->host_fs_base,  c->host_gs_base,
        c->host_kernel_gs_base, c->host_star, c->host_lstar,
        c->host_cstar,   c->host_sfmask,   c->vmcb};

    for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        hash_u64(h, values[i]);
    }
    hash_bytes(h, c->fpu, sizeof(c->fpu));
    hash_guest(h, &c->g);
    hash_ctl(h, &c->ctl);
    hash_tlb(h, &c->tlb);
}

void machine_hash_cpus(struct machine *m, struct hash_stream *h)
{
    hash_u64(h, m->now_ns);
    hash_u64(h, m->crossings);
    hash_u64(h, m->current);
    hash_u64(h, m->lines);
    hash_u64(h, (uint64_t)(int64_t)m->lock_owner);
    hash_u64(h, m->exits);
    for (unsigned i = 0; i < m->nr_cpus; i++) {
        hash_cpu(h, m->cpus[i]);
    }
}

void machine_each_tlb_entry(struct machine *m,
                            void (*fn)(void *ctx, unsigned cpu, uint32_t asid,
                                       uint64_t gva_page, mfn_t mfn,
                                       bool writable),
                            void *ctx)
{
    for (unsigned i = 0; i < m->nr_cpus; i++) {
        const struct tlb *t = &m->cpus[i]->tlb;

        for (unsigned n = 0; n < TLB_SETS * TLB_WAYS; n++) {
            const struct tlb_entry *e = &t->e[n];

            if (tlb_entry_live(t, e)) {
                fn(ctx, i, (uint32_t)(e->key & (TLB_ASIDS - 1)), e->key >> 12,
                   MFN(e->mfn), e->rights & (TLB_S_W | TLB_U_W));
            }
        }
    }
}
