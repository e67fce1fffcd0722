/* A small hypervisor for unit tests; see fake_hv.h. */
#include "hv/tests/fake_hv.h"

#include "hv/gmem.h"
#include "hv/p2m.h"

#include <stdlib.h>
#include <string.h>

#define MAP_ORDER 2

static int vcpu_made(struct vcpu *v)
{
    struct domain *d = v->domain;

    if (!mfn_valid(d->iopm)) {
        d->iopm = page_alloc_hv(d->hv, MAP_ORDER);
    }
    return mfn_valid(d->iopm) ? 0 : -XEN_ENOMEM;
}

static void vcpu_gone(struct vcpu *v)
{
    struct domain *d = v->domain;

    if (mfn_valid(d->iopm)) {
        page_free_hv(d->hv, d->iopm, MAP_ORDER);
        d->iopm = INVALID_MFN;
    }
}

static void state_get(struct vcpu *v, struct vcpu_state *s)
{
    *s = ((struct fake_hv *)v->domain->hv->plat->ctx)->state;
}

static uint64_t reg_get(struct vcpu *v, unsigned reg)
{
    return v->regs.r[reg];
}

static void reg_set(struct vcpu *v, unsigned reg, uint64_t value)
{
    v->regs.r[reg] = value;
}

static void tlb_flush(struct vcpu *v)
{
    ((struct fake_hv *)v->domain->hv->plat->ctx)->flushes++;
}

static const struct vendor_ops fake_ops = {
    .name = "fake",
    .vcpu_create = vcpu_made,
    .vcpu_destroy = vcpu_gone,
    .get_state = state_get,
    .get_reg = reg_get,
    .set_reg = reg_set,
    .flush_tlb = tlb_flush,
};

static void make_domain(struct fake_hv *f, unsigned n)
{
    struct xen_domctl_createdomain cfg = {
        .flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap,
        .max_vcpus = 1,
        .max_evtchn_port = 1023,
        .max_grant_frames = 4,
        .max_maptrack_frames = 4,
        .grant_opts = XEN_DOMCTL_GRANT_version(1),
    };
    struct domain *d;

    if (domain_create(f->hv, (domid_t)n, &cfg, &d) != 0 ||
        (d->vcpus[0] == NULL && vcpu_create(d, 0) == NULL)) {
        abort();
    }
    d->max_pages = 2 * FAKE_GUEST_PAGES;
    for (uint64_t g = 0; g < FAKE_GUEST_PAGES; g++) {
        if (p2m_set(d, GFN(g), page_alloc_domain(d, 0), P2M_RAM_RW) != 0) {
            abort();
        }
    }
    d->control = n == 0;
    d->vcpus[0]->initialised = d->vcpus[0]->online = true;
    domain_unpause(d);
    f->d[n] = d;
    f->v[n] = d->vcpus[0];
}

struct fake_hv *fake_hv_new(void)
{
    struct fake_hv *f = calloc(1, sizeof(*f));

    if (f == NULL) {
        abort();
    }
    f->p = fake_plat_new(FAKE_FRAMES);
    f->p->ctx = f;
    f->hv = plat_frame(f->p, MFN(f->p->ranges[0].start));
    memset(f->hv, 0, sizeof(*f->hv));
    f->hv->plat = f->p;
    f->hv->self_mfn.v = f->p->ranges[0].start;
    f->hv->self_frames = (sizeof(*f->hv) + PAGE_SIZE - 1) / PAGE_SIZE;
    f->hv->nr_cpus = 1;
    page_init(f->hv);
    f->hv->vendor = &fake_ops;
    for (unsigned n = 0; n < FAKE_DOMAINS; n++) {
        make_domain(f, n);
    }
    f->hv->control = f->d[0];
    f->p->interrupt_pending = false;
    return f;
}

void fake_hv_free(struct fake_hv *f)
{
    fake_plat_free(f->p);
    free(f);
}

void fake_poke(struct fake_hv *f, unsigned n, uint64_t ga, const void *src,
               size_t len)
{
    if (gmem_write_phys(f->d[n], GADDR(ga), src, len) != 0) {
        abort();
    }
}

void fake_peek(struct fake_hv *f, unsigned n, uint64_t ga, void *dst,
               size_t len)
{
    if (gmem_read_phys(f->d[n], GADDR(ga), dst, len) != 0) {
        abort();
    }
}

bool fake_kill(struct fake_hv *f, unsigned n)
{
    struct domain *d = domain_get(f->hv, (domid_t)n);
    unsigned slot = d->slot;
    int rc;

    f->hv->cpus[0].current = f->v[0]; /* nobody destroys his own domain */
    do {
        rc = domain_kill(d);
    } while (rc == -XEN_ERESTART);
    if (rc != 0) {
        abort();
    }
    domain_put(d);
    return f->hv->domains[slot] == NULL;
}
