/*
 * sysctl: what the control domain may ask of the machine: its size and the
 * list of its domains. Source of the rules: sysctl.h of Xen's public headers.
 *
 * Invariants:
 *  1. Domains are listed in ascending order of their ids.
 *  2. The structure is fetched once and written back from the fetched copy.
 */
#include "hv/hypercall.h"

#include <xen/sysctl.h>

#include "hv/access.h"
#include "hv/domain.h"
#include "hv/domctl.h"
#include "hv/gmem.h"
#include "hv/hv.h"
#include "hv/lib.h"
#include "hv/page.h"

static struct domain *lowest_from(struct hv *hv, uint32_t from)
{
    struct domain *best = NULL;
    unsigned i;

    for (i = 0; i < HV_MAX_DOMAINS; i++) {
        struct domain *d = hv->domains[i];

        if (d && d->domid >= from && (!best || d->domid < best->domid)) {
            best = d;
        }
    }
    return best;
}

static int domain_list(struct vcpu *v,
                       struct xen_sysctl_getdomaininfolist *op)
{
    struct xen_domctl_getdomaininfo info;
    gva_t at = GVA((uintptr_t)op->buffer.p);
    struct domain *d = lowest_from(v->domain->hv, op->first_domain);
    uint32_t n = 0;

    while (d && n < op->max_domains) {
        domctl_domain_info(d, &info);
        if (gmem_copy_to(v, at, &info, sizeof(info))) {
            return -XEN_EFAULT;
        }
        at.v += sizeof(info);
        n++;
        d = lowest_from(v->domain->hv, d->domid + 1u);
    }
    op->num_domains = n;
    return 0;
}

static int physinfo(struct hv *hv, struct xen_sysctl_physinfo *op)
{
    memset(op, 0, sizeof(*op));
    op->threads_per_core = 1;
    op->cores_per_socket = hv->nr_cpus;
    op->nr_cpus = hv->nr_cpus;
    op->max_cpu_id = hv->nr_cpus - 1;
    op->nr_nodes = 1;
    op->cpu_khz = (uint32_t)plat_tsc_khz(hv->plat);
    op->capabilities = XEN_SYSCTL_PHYSCAP_gnttab_v1;
    if (hv->vendor) {
        op->capabilities |= XEN_SYSCTL_PHYSCAP_hvm | XEN_SYSCTL_PHYSCAP_hap;
    }
    op->total_pages = page_total_count(hv);
    op->free_pages = page_free_count(hv);
    op->max_mfn = hv->max_mfn;
    return 0;
}

long sysctl_op(struct vcpu *v, gva_t arg)
{
    struct xen_sysctl op;
    long rc;

    if (gmem_copy_from(v, &op, arg, sizeof(op))) {
        return -XEN_EFAULT;
    }
    if (op.interface_version != XEN_SYSCTL_INTERFACE_VERSION) {
        return -XEN_EACCES;
    }
    rc = access_check(v->domain, ACCESS_SYSCTL, NULL);
    if (rc) {
        return rc;
    }
    switch (op.cmd) {
    case XEN_SYSCTL_getdomaininfolist:
        rc = domain_list(v, &op.u.getdomaininfolist);
        break;
    case XEN_SYSCTL_physinfo:
        rc = physinfo(v->domain->hv, &op.u.physinfo);
        break;
    default:
        return -XEN_ENOSYS;
    }
    if (!rc && gmem_copy_to(v, arg, &op, sizeof(op))) {
        rc = -XEN_EFAULT;
    }
    return rc;
}
