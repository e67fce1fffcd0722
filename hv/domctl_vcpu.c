/*
 * domctl on single vCPUs: information and affinity. Source of the rules:
 * domctl.h of Xen's public headers.
 *
 * Invariants:
 *  1. A vCPU's hard affinity always has at least one CPU of the machine.
 *  2. A bitmap of the caller's is read and written byte by byte within its
 *     own length; a longer one is padded with zeros on the way out.
 */
#include "hv/domctl.h"

#include "hv/domain.h"
#include "hv/gmem.h"
#include "hv/hv.h"
#include "hv/sched.h"

#define BITMAP_MAX_BITS 65536u /* longest the caller may ask us to fill */
#define AFFINITY_FLAGS                                                        \
    (XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT | XEN_VCPUAFFINITY_FORCE)

_Static_assert(HV_MAX_PCPUS <= 64, "one word holds an affinity");

static uint64_t online_cpus(struct hv *hv)
{
    return hv->nr_cpus == 64 ? ~0ULL : (1ULL << hv->nr_cpus) - 1;
}

static gva_t bitmap_gva(const struct xenctl_bitmap *map)
{
    return GVA((uintptr_t)map->bitmap.p);
}

static int bitmap_read(struct vcpu *v, const struct xenctl_bitmap *map,
                       uint64_t *out)
{
    uint32_t bits = map->nr_bits < 64 ? map->nr_bits : 64;

    *out = 0;
    if (gmem_copy_from(v, out, bitmap_gva(map), (bits + 7) / 8)) {
        return -XEN_EFAULT;
    }
    if (bits < 64) {
        *out &= (1ULL << bits) - 1;
    }
    return 0;
}

static int bitmap_write(struct vcpu *v, const struct xenctl_bitmap *map,
                        uint64_t bits)
{
    gva_t at = bitmap_gva(map);
    uint32_t left = (map->nr_bits + 7) / 8;

    if (map->nr_bits > BITMAP_MAX_BITS) {
        return -XEN_EINVAL;
    }
    if (map->nr_bits < 64) {
        bits &= (1ULL << map->nr_bits) - 1;
    }
    while (left) {
        uint32_t n = left < sizeof(bits) ? left : sizeof(bits);

        if (gmem_copy_to(v, at, &bits, n)) {
            return -XEN_EFAULT;
        }
        at.v += n;
        left -= n;
        bits = 0;
    }
    return 0;
}

int domctl_vcpu_info(struct domain *d, struct xen_domctl_getvcpuinfo *op)
{
    struct vcpu_runstate_info rs;
    struct vcpu *v;

    if (op->vcpu >= d->max_vcpus) {
        return -XEN_EINVAL;
    }
    v = d->vcpus[op->vcpu];
    if (!v) {
        return -XEN_ESRCH;
    }
    vcpu_get_runstate(v, &rs);
    op->online = v->online;
    op->blocked = v->blocked;
    op->running = v->running_on >= 0;
    op->cpu_time = rs.time[RUNSTATE_running];
    if (v->running_on >= 0) {
        op->cpu = (uint32_t)v->running_on;
    } else {
        op->cpu = v->last_cpu >= 0 ? (uint32_t)v->last_cpu : 0;
    }
    return 0;
}

static int affinity_target(struct domain *d,
                           const struct xen_domctl_vcpuaffinity *op,
                           struct vcpu **v)
{
    if (op->vcpu >= d->max_vcpus) {
        return -XEN_EINVAL;
    }
    *v = d->vcpus[op->vcpu];
    if (!*v) {
        return -XEN_ESRCH;
    }
    if (op->flags == 0 || (op->flags & ~AFFINITY_FLAGS) ||
        ((op->flags & XEN_VCPUAFFINITY_HARD) && !op->cpumap_hard.bitmap.p) ||
        ((op->flags & XEN_VCPUAFFINITY_SOFT) && !op->cpumap_soft.bitmap.p)) {
        return -XEN_EINVAL;
    }
    return 0;
}

int domctl_set_affinity(struct vcpu *v, struct domain *d,
                        const struct xen_domctl_vcpuaffinity *op)
{
    uint64_t online = online_cpus(d->hv), map;
    struct vcpu *target;
    int rc = affinity_target(d, op, &target);

    if (rc) {
        return rc;
    }
    /* The scheduler has hard affinity only; FORCE undoes a pinning that no
     * guest here can have asked for. */
    if (op->flags & XEN_VCPUAFFINITY_SOFT) {
        return -XEN_EOPNOTSUPP;
    }
    if (!(op->flags & XEN_VCPUAFFINITY_HARD)) {
        return 0;
    }
    rc = bitmap_read(v, &op->cpumap_hard, &map);
    if (rc) {
        return rc;
    }
    if (!(map & online)) {
        return -XEN_EINVAL;
    }
    target->affinity = map;
    sched_reconsider(target);
    /* domctl.h: what comes back is the effective affinity */
    return bitmap_write(v, &op->cpumap_hard, map & online);
}

int domctl_get_affinity(struct vcpu *v, struct domain *d,
                        const struct xen_domctl_vcpuaffinity *op)
{
    struct vcpu *target;
    int rc = affinity_target(d, op, &target);

    if (!rc && (op->flags & XEN_VCPUAFFINITY_HARD)) {
        rc = bitmap_write(v, &op->cpumap_hard, target->affinity);
    }
    if (!rc && (op->flags & XEN_VCPUAFFINITY_SOFT)) {
        rc = bitmap_write(v, &op->cpumap_soft, ~0ULL); /* no preference */
    }
    return rc;
}
