/*
 * Domains: creation, lookup, pause, shutdown, crash, and the freeing of what
 * is left at the end. The giving back of a dying domain's resources is in
 * relinquish.c. The life of a domain is drawn in domain.h.
 *
 * Invariants:
 *  1. d->refs counts: 1 while not relinquished, 1 while any frame is owned
 *     (page.c), 1 a lookup in progress. At 0 nothing of d is left but its
 *     tables, which go then.
 *  2. hv->domains[d->slot] == d from creation to that moment, so that a
 *     frame's owner slot can always be resolved.
 *  3. shutdown_code is given once, by the first to say so; only
 *     domain_resume() takes it back.
 */
#include "hv/domain.h"

#include "hv/hv.h"
#include "hv/lib.h"
#include "hv/p2m.h"
#include "hv/sched.h"
#include "hv/x86/virt.h"

#define DOMAIN_ORDER 2
_Static_assert(sizeof(struct domain) <= PAGE_SIZE << DOMAIN_ORDER, "order");

#define CDF_KNOWN                                                             \
    (XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap | XEN_DOMCTL_CDF_s3_integrity |  \
     XEN_DOMCTL_CDF_oos_off | XEN_DOMCTL_CDF_xs_domain)

/* -- Creation ------------------------------------------------------------- */

/* domctl.h: XEN_DOMCTL_createdomain; Xen's sanitise_domain_config(). No
 * IOMMU, no nested virtualization, no vPMU: whoever asks for them is told as
 * on a machine without. Paging is nested paging: hap is a must. */
static int domain_check_config(struct hv *hv,
                               const struct xen_domctl_createdomain *cfg)
{
    uint32_t version = cfg->grant_opts & XEN_DOMCTL_GRANT_version_mask;

    if (cfg->flags & ~CDF_KNOWN) {
        return -XEN_EINVAL;
    }
    if ((cfg->grant_opts & ~XEN_DOMCTL_GRANT_version_mask) ||
        cfg->max_vcpus < 1) {
        return -XEN_EINVAL;
    }
    if (!(cfg->flags & XEN_DOMCTL_CDF_hvm) ||
        !(cfg->flags & XEN_DOMCTL_CDF_hap)) {
        return -XEN_EINVAL;
    }
    if (cfg->iommu_opts || cfg->vmtrace_size ||
        cfg->max_vcpus > HV_MAX_VCPUS) {
        return -XEN_EINVAL;
    }
    if (hv->vendor == NULL) {
        hv_log(hv, "pvh and hvm domains can't be created: SVM is %s",
               hv->vendor_missing);
        return -XEN_EINVAL;
    }
    if ((cfg->arch.misc_flags & ~XEN_X86_MSR_RELAXED) ||
        (cfg->arch.emulation_flags & ~XEN_X86_EMU_ALL)) {
        return -XEN_EINVAL;
    }
    if (cfg->cpupool_id != 0) {
        return -XEN_ENOENT;
    }
    /* Xen's grant_table_init(); version 1 is the highest here. */
    if (version != 1 || cfg->max_grant_frames == 0 ||
        cfg->max_grant_frames > HV_MAX_GRANT_FRAMES ||
        cfg->max_maptrack_frames > HV_MAX_MAPTRACK_FRAMES) {
        return -XEN_EINVAL;
    }
    /* Xen's emulation_flags_ok(), and a domain without any device. */
    if (cfg->arch.emulation_flags != 0 &&
        cfg->arch.emulation_flags != XEN_X86_EMU_LAPIC) {
        return -XEN_EOPNOTSUPP;
    }
    return 0;
}

static struct domain *domain_find(struct hv *hv, domid_t domid)
{
    for (unsigned s = 0; s < HV_MAX_DOMAINS; s++) {
        if (hv->domains[s] != NULL && hv->domains[s]->domid == domid) {
            return hv->domains[s];
        }
    }
    return NULL;
}

/* As Xen: the next one after the last that was given out. */
static domid_t domain_next_id(struct hv *hv)
{
    domid_t id = hv->next_domid;

    /* Ends: there are more ids than slots. */
    do {
        id++;
        if (id >= DOMID_FIRST_RESERVED) {
            id = 1;
        }
    } while (domain_find(hv, id) != NULL);
    hv->next_domid = id;
    return id;
}

static int domain_slot(struct hv *hv)
{
    for (unsigned s = 0; s < HV_MAX_DOMAINS; s++) {
        if (hv->domains[s] == NULL) {
            return (int)s;
        }
    }
    return -XEN_ENOSPC;
}

static void domain_init(struct domain *d, struct hv *hv, domid_t domid,
                        const struct xen_domctl_createdomain *cfg)
{
    d->hv = hv;
    d->domid = domid;
    d->refs = 1;
    d->control = domid == 0;
    memcpy(d->handle, cfg->handle, sizeof(d->handle));
    d->createflags = cfg->flags;
    d->shutdown_code = SHUTDOWN_CODE_INVALID;
    d->pause_count = 1;
    d->controller_paused = true;
    d->page_list = PAGE_NIL;
    d->p2m_root = d->shared_info = d->iopm = d->msrpm = INVALID_MFN;
    d->ops = hv->vendor;
    d->max_vcpus = cfg->max_vcpus;
    d->max_evtchn_port = cfg->max_evtchn_port <= 0x7fffffffu
                             ? cfg->max_evtchn_port
                             : 0x7fffffffu;
    d->gnttab.max_frames = cfg->max_grant_frames < 0
                               ? HV_MAX_GRANT_FRAMES
                               : (unsigned)cfg->max_grant_frames;
    d->gnttab.max_maptrack_frames = cfg->max_maptrack_frames < 0
                                        ? HV_MAX_MAPTRACK_FRAMES
                                        : (unsigned)cfg->max_maptrack_frames;
    /* Xen's default, hvm_domain_initialise(), is SHUTDOWN_reboot. */
    d->hvm_params[HVM_PARAM_TRIPLE_FAULT_REASON] = SHUTDOWN_crash;
    d->weight = SCHED_WEIGHT_DEFAULT;
    d->cap_period_start_ns = plat_now(hv->plat);
    schedop_domain_init(d);
}

/* What domain_init() leaves out: all that can fail. */
static int domain_allocate(struct domain *d)
{
    int rc = p2m_create(d);

    if (rc != 0) {
        return rc;
    }
    rc = evtchn_create(d);
    if (rc != 0) {
        goto free_p2m;
    }
    rc = gnttab_create(d);
    if (rc != 0) {
        goto free_evtchn;
    }
    d->shared_info = page_alloc_shared(d);
    if (mfn_valid(d->shared_info)) {
        return 0;
    }
    rc = -XEN_ENOMEM;
    gnttab_free(d);
free_evtchn:
    evtchn_free(d);
free_p2m:
    p2m_free(d);
    return rc;
}

int domain_create(struct hv *hv, domid_t domid,
                  const struct xen_domctl_createdomain *cfg,
                  struct domain **out)
{
    struct domain *d;
    mfn_t mfn;
    int rc, slot;

    if (domid != 0xffff) {
        if (domid >= DOMID_FIRST_RESERVED) {
            return -XEN_EINVAL;
        }
        if (domain_find(hv, domid) != NULL) {
            return -XEN_EEXIST;
        }
    }
    rc = domain_check_config(hv, cfg);
    if (rc != 0) {
        return rc;
    }
    slot = domain_slot(hv);
    if (slot < 0) {
        return slot;
    }
    mfn = page_alloc_hv(hv, DOMAIN_ORDER);
    if (!mfn_valid(mfn)) {
        return -XEN_ENOMEM;
    }
    d = plat_frame(hv->plat, mfn);
    memset(d, 0, sizeof(*d));
    domain_init(d, hv, domid == 0xffff ? domain_next_id(hv) : domid, cfg);
    d->self_mfn = mfn;
    d->slot = (unsigned)slot;
    hv->domains[slot] = d;
    rc = domain_allocate(d);
    if (rc != 0) {
        hv->domains[slot] = NULL;
        page_free_hv(hv, mfn, DOMAIN_ORDER);
        return rc;
    }
    domain_update_wallclock(d);
    *out = d;
    return 0;
}

/* domctl.h: XEN_DOMCTL_max_vcpus. The number was fixed at creation; those
 * that exist already are left alone, as in Xen. */
int domain_max_vcpus(struct domain *d, unsigned n)
{
    if (n != d->max_vcpus) {
        return -XEN_EINVAL;
    }
    for (unsigned i = 0; i < n; i++) {
        if (d->vcpus[i] == NULL && vcpu_create(d, i) == NULL) {
            return -XEN_ENOMEM;
        }
    }
    return 0;
}

/* -- Lookup ----------------------------------------------------------------*/

struct domain *domain_get(struct hv *hv, domid_t domid)
{
    struct domain *d = domain_find(hv, domid);

    if (d != NULL) {
        d->refs++;
    }
    return d;
}

struct domain *domain_get_id(struct vcpu *v, domid_t domid)
{
    return domain_get(v->domain->hv,
                      domid == DOMID_SELF ? v->domain->domid : domid);
}

static void domain_free(struct domain *d)
{
    struct hv *hv = d->hv;

    ASSERT(hv, d->dying == DOMDYING_dead);
    ASSERT(hv, d->tot_pages == 0 && d->hv_pages == 0);
    gnttab_free(d);
    evtchn_free(d);
    p2m_free(d);
    hv->domains[d->slot] = NULL;
    page_free_hv(hv, d->self_mfn, DOMAIN_ORDER);
}

void domain_put(struct domain *d)
{
    ASSERT(d->hv, d->refs > 0);
    d->refs--;
    if (d->refs == 0) {
        domain_free(d);
    }
}

/* -- Pause, shutdown, crash ----------------------------------------------- */

void domain_pause(struct domain *d)
{
    sched_pause_domain(d);
}

void domain_unpause(struct domain *d)
{
    sched_unpause_domain(d);
}

void domain_send_exc(struct hv *hv)
{
    struct domain *owner = domain_get(hv, hv->dom_exc_owner);

    if (owner != NULL) {
        evtchn_send_virq_global(owner, VIRQ_DOM_EXC);
        domain_put(owner);
    }
}

/* Xen's domain_shutdown(). */
void domain_shutdown(struct domain *d, unsigned reason)
{
    struct hv *hv = d->hv;

    if (d->shutdown_code == SHUTDOWN_CODE_INVALID) {
        d->shutdown_code = reason;
    }
    if (d->control) {
        plat_poweroff(hv->plat, d->shutdown_code);
    }
    if (d->shutting_down) {
        return;
    }
    d->shutting_down = true;
    sched_domain_changed(d);
    domain_send_exc(hv);
}

/* Xen's domain_resume(). */
void domain_resume(struct domain *d)
{
    if (!d->shutting_down) {
        d->shutdown_code = SHUTDOWN_CODE_INVALID;
        return;
    }
    d->shutting_down = false;
    d->shutdown_code = SHUTDOWN_CODE_INVALID;
    sched_domain_changed(d);
}

void domain_crash(struct domain *d, const char *why)
{
    struct hv *hv = d->hv;
    struct vcpu *cur = hv->cpus[plat_cpu_id(hv->plat)].current;
    struct vcpu_state s;

    if (d->shutting_down) {
        return; /* once; and not what a domain does while it goes down */
    }
    if (cur != NULL && cur->domain == d) {
        d->ops->get_state(cur, &s);
        hv_log(hv, "domain %u vcpu %u crashed at rip 0x%lx: %s", d->domid,
               cur->id, (unsigned long)s.rip, why);
    } else {
        hv_log(hv, "domain %u crashed: %s", d->domid, why);
    }
    domain_shutdown(d, SHUTDOWN_crash);
}

/* -- Console ---------------------------------------------------------------*/

static unsigned console_prefix(char *to, domid_t domid)
{
    char digits[5];
    unsigned n = 0, len = 0;

    to[len++] = '(';
    to[len++] = 'd';
    do {
        digits[n++] = (char)('0' + domid % 10);
        domid /= 10;
    } while (domid != 0);
    while (n > 0) {
        to[len++] = digits[--n];
    }
    to[len++] = ')';
    to[len++] = ' ';
    return len;
}

void domain_console_putc(struct domain *d, char c)
{
    char line[sizeof(d->console_line) + 16];
    unsigned len;

    if (c != '\n') {
        d->console_line[d->console_len++] = c;
        if (d->console_len < sizeof(d->console_line)) {
            return;
        }
    }
    len = console_prefix(line, d->domid);
    memcpy(line + len, d->console_line, d->console_len);
    len += d->console_len;
    line[len++] = '\n';
    d->console_len = 0;
    plat_console_write(d->hv->plat, line, len);
}
