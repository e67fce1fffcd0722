/*
 * memory_op: reservations, queries and memory maps. The physmap operations
 * are in add_to_physmap.c. Source of the rules: memory.h; order of checks and
 * error codes as Xen 4.17 has them.
 *
 * Invariants:
 *  1. A reservation operation returns how many extents it did, never an error
 *     once it has begun; the count so far travels in the command's upper bits
 *     over a continuation.
 *  2. An extent is populated whole or not at all.
 *  3. A frame that leaves the physmap is flushed from every TLB before its
 *     last reference drops (p2m_clear).
 */
#include "hv/memory.h"

#include "hv/access.h"
#include "hv/domain.h"
#include "hv/gmem.h"
#include "hv/hv.h"
#include "hv/hypercall.h"
#include "hv/lib.h"
#include "hv/p2m.h"
#include "hv/page.h"

#define MEMOP_MAX_NODES 64 /* nodes that a privileged caller may name */

/* One reservation hypercall in progress. */
struct memop {
    struct vcpu *v;
    struct domain *d;
    gva_t extents; /* 0: none */
    uint64_t nr, done;
    unsigned order, address_bits;
    bool preempted;
};

/* -- Pieces --------------------------------------------------------------- */

bool memory_gfn_special(struct domain *d, gfn_t gfn)
{
    enum p2m_type type;

    p2m_lookup(d, gfn, &type);
    return type != P2M_NONE && !p2m_type_own(type);
}

int memory_remove_page(struct domain *d, gfn_t gfn)
{
    enum p2m_type type;
    mfn_t mfn = p2m_lookup(d, gfn, &type);

    if (!mfn_valid(mfn)) {
        return -XEN_EINVAL;
    }
    if (!p2m_type_own(type) || !page_get(d, mfn)) {
        return -XEN_ENXIO;
    }
    p2m_clear(d, gfn);
    page_release_allocation(d->hv, mfn);
    page_put(d->hv, mfn);
    return 0;
}

static unsigned max_order(const struct domain *d)
{
    return d->control ? PAGE_MAX_ORDER : HV_MAX_EXTENT_ORDER;
}

static gva_t extent_at(const struct memop *m, uint64_t i)
{
    return GVA(m->extents.v + i * sizeof(xen_pfn_t));
}

static void block_release(struct domain *d, mfn_t mfn, unsigned order)
{
    for (uint64_t i = 0; i < 1UL << order; i++) {
        page_release_allocation(d->hv, MFN(mfn.v + i));
    }
}

/* memory.h: XENMEMF_address_bits */
static mfn_t block_for(const struct memop *m)
{
    mfn_t mfn = page_alloc_domain(m->d, m->order);
    uint64_t last = mfn.v + (1UL << m->order) - 1;

    if (mfn_valid(mfn) && m->address_bits != 0 &&
        m->address_bits < 64 && last >> (m->address_bits - PAGE_SHIFT)) {
        block_release(m->d, mfn, m->order);
        return INVALID_MFN;
    }
    return mfn;
}

/* -- One extent each: false stops ----------------------------------------- */

static bool increase_one(struct memop *m, uint64_t i)
{
    (void)i; /* translated: the machine frame is not told */
    return mfn_valid(block_for(m));
}

static bool populate_one(struct memop *m, uint64_t i)
{
    struct domain *d = m->d;
    uint64_t n, nr = 1UL << m->order;
    xen_pfn_t gpfn;
    mfn_t mfn;

    if (gmem_copy_from(m->v, &gpfn, extent_at(m, i), sizeof(gpfn)) != 0 ||
        gpfn >= HV_MAX_PHYSMAP_GFN || HV_MAX_PHYSMAP_GFN - gpfn < nr) {
        return false;
    }
    for (n = 0; n < nr; n++) {
        if (memory_gfn_special(d, GFN(gpfn + n))) {
            /* As Xen: mappings with a life of their own aren't overwritten */
            domain_crash(d, "populate_physmap over a grant or foreign frame");
            return false;
        }
    }
    mfn = block_for(m);
    if (!mfn_valid(mfn)) {
        return false;
    }
    for (n = 0; n < nr; n++) {
        if (p2m_set(d, GFN(gpfn + n), MFN(mfn.v + n), P2M_RAM_RW) != 0) {
            break;
        }
    }
    if (n == nr) {
        return true;
    }
    while (n-- > 0) {
        p2m_clear(d, GFN(gpfn + n));
    }
    block_release(d, mfn, m->order);
    return false;
}

static bool decrease_one(struct memop *m, uint64_t i)
{
    xen_pfn_t gpfn;

    if (gmem_copy_from(m->v, &gpfn, extent_at(m, i), sizeof(gpfn)) != 0) {
        return false;
    }
    for (uint64_t n = 0; n < 1UL << m->order; n++) {
        if (memory_remove_page(m->d, GFN(gpfn + n)) != 0) {
            return false;
        }
    }
    return true;
}

static void run_extents(struct memop *m,
                        bool (*one)(struct memop *, uint64_t))
{
    uint64_t first = m->done;

    if (m->order > max_order(m->v->domain)) {
        return;
    }
    for (; m->done < m->nr; m->done++) {
        if (m->done != first && hypercall_preempt(m->v)) {
            m->preempted = true;
            return;
        }
        if (!one(m, m->done)) {
            return;
        }
    }
}

/* memory.h: mem_flags. 0 or -XEN_EINVAL. */
static int mem_flags_check(struct memop *m, unsigned flags)
{
    unsigned node = XENMEMF_get_node(flags);

    m->address_bits = XENMEMF_get_address_bits(flags);
    if (m->address_bits != 0 && m->address_bits <= PAGE_SHIFT) {
        return -XEN_EINVAL;
    }
    if (node == XENMEMF_get_node(0)) {
        return 0;
    }
    if (m->v->domain->control) {
        return node >= MEMOP_MAX_NODES ? -XEN_EINVAL : 0;
    }
    return flags & XENMEMF_exact_node_request ? -XEN_EINVAL : 0;
}

static bool (*reservation_step(uint64_t op, unsigned flags))(struct memop *,
                                                             uint64_t)
{
    if (op == XENMEM_increase_reservation) {
        return increase_one;
    }
    if (op == XENMEM_decrease_reservation) {
        return decrease_one;
    }
    /* Populate-on-demand entries do not exist here: none is made. */
    return flags & XENMEMF_populate_on_demand ? NULL : populate_one;
}

static long reservation_op(struct vcpu *v, uint64_t op, gva_t arg,
                           uint64_t start)
{
    struct xen_memory_reservation r;
    bool (*one)(struct memop *, uint64_t);
    struct memop m;
    int rc;

    if (gmem_copy_from(v, &r, arg, sizeof(r)) != 0 ||
        r.nr_extents > (~0u >> MEMOP_EXTENT_SHIFT) ||
        start >= r.nr_extents) {
        return (long)start;
    }
    m = (struct memop){ .v = v,
                        .extents = GVA((uintptr_t)r.extent_start.p),
                        .nr = r.nr_extents,
                        .done = start,
                        .order = r.extent_order };
    m.d = domain_get_id(v, r.domid);
    if (m.d == NULL) {
        return (long)start;
    }
    rc = mem_flags_check(&m, r.mem_flags);
    one = reservation_step(op, r.mem_flags);
    if (rc == 0 && one != NULL &&
        access_check(v->domain, ACCESS_MANAGE, m.d) == 0) {
        run_extents(&m, one);
    }
    domain_put(m.d);
    if (rc != 0) {
        return rc;
    }
    if (m.preempted) {
        uint64_t args[5] = { op | m.done << MEMOP_EXTENT_SHIFT, arg.v };

        return hypercall_continue(v, __HYPERVISOR_memory_op, args);
    }
    return (long)m.done;
}

/* -- XENMEM_exchange ------------------------------------------------------ */

/* All that a translated domain can get to hear, in Xen's order. */
static int exchange_check(struct vcpu *v,
                          const struct xen_memory_exchange *x)
{
    unsigned in = x->in.extent_order, out = x->out.extent_order;
    struct domain *d;
    int rc;

    if ((in > out ? in : out) > max_order(v->domain)) {
        return -XEN_EPERM;
    }
    if (x->nr_exchanged > x->in.nr_extents || x->in.domid != x->out.domid ||
        (~0UL >> in) < x->in.nr_extents ||
        (~0UL >> out) < x->out.nr_extents ||
        x->in.nr_extents << in != x->out.nr_extents << out) {
        return -XEN_EINVAL;
    }
    d = domain_get_id(v, x->in.domid);
    if (d == NULL) {
        return -XEN_ESRCH;
    }
    rc = access_check(v->domain, ACCESS_MANAGE, d);
    domain_put(d);
    return rc != 0 ? rc : -XEN_EOPNOTSUPP;
}

static long exchange(struct vcpu *v, gva_t arg)
{
    struct xen_memory_exchange x;
    int rc;

    if (gmem_copy_from(v, &x, arg, sizeof(x)) != 0) {
        return -XEN_EFAULT;
    }
    rc = exchange_check(v, &x);
    if (gmem_copy_to(v,
                     GVA(arg.v + offsetof(struct xen_memory_exchange,
                                          nr_exchanged)),
                     &x.nr_exchanged, sizeof(x.nr_exchanged)) != 0) {
        return -XEN_EFAULT;
    }
    return rc;
}

/* -- Queries -------------------------------------------------------------- */

static long query(struct vcpu *v, uint64_t op, gva_t arg)
{
    struct domain *d;
    domid_t domid;
    long rc;

    if (gmem_copy_from(v, &domid, arg, sizeof(domid)) != 0) {
        return -XEN_EFAULT;
    }
    d = domain_get_id(v, domid);
    if (d == NULL) {
        return -XEN_ESRCH;
    }
    rc = access_check(v->domain, ACCESS_MANAGE, d);
    if (rc == 0) {
        switch (op) {
        case XENMEM_current_reservation:
            rc = (long)d->tot_pages;
            break;
        case XENMEM_maximum_reservation:
            rc = (long)d->max_pages;
            break;
        default: /* XENMEM_maximum_gpfn */
            rc = (long)p2m_max_gfn(d).v;
            break;
        }
    }
    domain_put(d);
    return rc;
}

/* -- Memory maps ---------------------------------------------------------- */

int memory_map_set(struct domain *d, const struct e820_entry *e, unsigned n)
{
    if (n > HV_MAX_E820) {
        return -XEN_EINVAL;
    }
    memcpy(d->e820, e, n * sizeof(*e));
    d->nr_e820 = n;
    return 0;
}

static long memory_map(struct vcpu *v, gva_t arg)
{
    struct domain *d = v->domain;
    struct xen_memory_map map;

    if (gmem_copy_from(v, &map, arg, sizeof(map)) != 0) {
        return -XEN_EFAULT;
    }
    if (d->nr_e820 == 0) {
        return -XEN_ENOSYS; /* as before there was such a map */
    }
    if (map.buffer.p == NULL) {
        map.nr_entries = d->nr_e820;
    } else {
        if (map.nr_entries > d->nr_e820) {
            map.nr_entries = d->nr_e820;
        }
        if (gmem_copy_to(v, GVA((uintptr_t)map.buffer.p), d->e820,
                         map.nr_entries * sizeof(d->e820[0])) != 0) {
            return -XEN_EFAULT;
        }
    }
    return gmem_copy_to(v, arg, &map, sizeof(map));
}

static long set_memory_map(struct vcpu *v, gva_t arg)
{
    struct xen_foreign_memory_map f;
    struct domain *d;
    long rc;

    if (gmem_copy_from(v, &f, arg, sizeof(f)) != 0) {
        return -XEN_EFAULT;
    }
    if (f.map.nr_entries > HV_MAX_E820) {
        return -XEN_EINVAL;
    }
    d = domain_get_id(v, f.domid);
    if (d == NULL) {
        return -XEN_ESRCH;
    }
    rc = access_check(v->domain, ACCESS_MANAGE, d);
    if (rc == 0) {
        struct e820_entry e[HV_MAX_E820];

        rc = gmem_copy_from(v, e, GVA((uintptr_t)f.map.buffer.p),
                            f.map.nr_entries * sizeof(e[0]));
        if (rc == 0) {
            rc = memory_map_set(d, e, f.map.nr_entries);
        }
    }
    domain_put(d);
    return rc;
}

/* The machine's RAM as the platform tells it. */
static long machine_memory_map(struct vcpu *v, gva_t arg)
{
    struct plat *p = v->domain->hv->plat;
    struct xen_memory_map map;
    unsigned n = 0;
    uint64_t nr;
    mfn_t start;
    int rc = access_check(v->domain, ACCESS_HARDWARE, NULL);

    if (rc != 0) {
        return rc;
    }
    if (gmem_copy_from(v, &map, arg, sizeof(map)) != 0) {
        return -XEN_EFAULT;
    }
    while (plat_mem_range(p, n, &start, &nr)) {
        n++;
    }
    if (map.nr_entries < n + 1) {
        return -XEN_EINVAL;
    }
    for (unsigned i = 0; i < n; i++) {
        struct e820_entry e = { .type = E820_TYPE_RAM };
        uint64_t to = (uintptr_t)map.buffer.p + i * sizeof(e);

        plat_mem_range(p, i, &start, &nr);
        e.addr = start.v << PAGE_SHIFT;
        e.size = nr << PAGE_SHIFT;
        if (gmem_copy_to(v, GVA(to), &e, sizeof(e)) != 0) {
            return -XEN_EFAULT;
        }
    }
    map.nr_entries = n;
    return gmem_copy_to(v, arg, &map, sizeof(map));
}

/* -- Dispatch ------------------------------------------------------------- */

long memory_op(struct vcpu *v, uint64_t cmd, gva_t arg)
{
    uint64_t start = cmd >> MEMOP_EXTENT_SHIFT;
    uint64_t op = cmd & MEMOP_CMD_MASK;

    switch (op) {
    case XENMEM_increase_reservation:
    case XENMEM_decrease_reservation:
    case XENMEM_populate_physmap:
        return reservation_op(v, op, arg, start);
    case XENMEM_add_to_physmap:
        return memory_add_to_physmap(v, arg, start);
    case XENMEM_add_to_physmap_batch:
        return memory_add_to_physmap_batch(v, arg, start);
    default:
        break;
    }
    if (start != 0) {
        return -XEN_EINVAL; /* nothing below is ever continued */
    }
    switch (op) {
    case XENMEM_exchange:
        return exchange(v, arg);
    case XENMEM_maximum_ram_page:
        return (long)page_limit(v->domain->hv);
    case XENMEM_current_reservation:
    case XENMEM_maximum_reservation:
    case XENMEM_maximum_gpfn:
        return query(v, op, arg);
    case XENMEM_remove_from_physmap:
        return memory_remove_from_physmap(v, arg);
    case XENMEM_memory_map:
        return memory_map(v, arg);
    case XENMEM_machine_memory_map:
        return machine_memory_map(v, arg);
    case XENMEM_set_memory_map:
        return set_memory_map(v, arg);
    default:
        return -XEN_ENOSYS;
    }
}
