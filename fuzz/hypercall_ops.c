/*
 * One drawn hypercall each. Arguments lie in the argument area: the operation
 * at its beginning, lists at ARG_LIST.
 */
#include "fuzz/hypercall.h"

#include <string.h>

#include <xen/domctl.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/sched.h>
#include <xen/sysctl.h>
#include <xen/vcpu.h>
#include <xen/version.h>

#define ARG_LIST 2048u
#define LIST_MAX 8u

static uint32_t draw(struct caller *c, uint32_t n)
{
    return t_random(c->t, n);
}

domid_t caller_domid(struct caller *c)
{
    switch (draw(c, 6)) {
    case 0:
        return 0;
    case 1:
        return os_domid(c->t->os);
    case 2:
        return DOMID_SELF;
    case 3:
        return (domid_t)fuzz_word(c->t);
    default:
        return c->victim;
    }
}

uint64_t caller_gfn(struct caller *c)
{
    struct fuzz *f = fuzz_of(c->t);
    switch (draw(c, 6)) {
    case 0:
    case 1:
        return c->pages[draw(c, CALLER_PAGES)] / OS_PAGE_SIZE;
    case 2:
    case 3:
        return c->space / OS_PAGE_SIZE + draw(c, CALLER_SPACE);
    case 4:
        return f->secrets[draw(c, FUZZ_PAGES_MAX)] / OS_PAGE_SIZE;
    default:
        return fuzz_word(c->t);
    }
}

static grant_ref_t draw_ref(struct caller *c)
{
    unsigned i = draw(c, 8);
    return i < 4   ? fuzz_of(c->t)->refs[i]
           : i < 6 ? c->own_ref + draw(c, 4)
                   : (grant_ref_t)fuzz_word(c->t);
}

static evtchn_port_t draw_port(struct caller *c)
{
    unsigned i = draw(c, 8);
    return i < 4   ? fuzz_of(c->t)->ports[i]
           : i < 6 ? c->last_port - draw(c, 4)
                   : (evtchn_port_t)fuzz_word(c->t);
}

static uint64_t put(struct caller *c, const void *op, size_t len)
{
    uint64_t arg = os_arg(c->t->os);
    os_write(c->t->os, arg, op, len);
    return arg;
}

static int64_t call(struct caller *c, unsigned nr, uint64_t a, uint64_t b,
                    uint64_t d)
{
    return os_hypercall(c->t->os, nr, a, b, d, 0, 0);
}

/* A list of drawn frames; its address. */
static uint64_t put_frames(struct caller *c, unsigned n)
{
    uint64_t at = os_arg(c->t->os) + ARG_LIST;
    for (unsigned i = 0; i < n; i++) {
        os_store64(c->t->os, at + 8 * i, caller_gfn(c));
    }
    return draw(c, 16) ? at : fuzz_word(c->t);
}

/* -- Grants -------------------------------------------------- */

static uint64_t map_address(struct caller *c)
{
    if (draw(c, 8)) {
        return c->space + OS_PAGE_SIZE * draw(c, CALLER_SPACE);
    }
    uint64_t addr = caller_gfn(c) * OS_PAGE_SIZE;
    return addr + draw(c, 2);
}

static grant_handle_t draw_handle(struct caller *c)
{
    return draw(c, 4) ? c->last_handle - draw(c, 3)
                      : (grant_handle_t)fuzz_word(c->t);
}

static void grant_map(struct caller *c)
{
    struct gnttab_map_grant_ref m[2];
    unsigned n = 1 + draw(c, 2);
    memset(m, 0, sizeof(m));
    for (unsigned i = 0; i < n; i++) {
        m[i].host_addr = map_address(c);
        m[i].flags = draw(c, 8) ? GNTMAP_host_map |
                                      (draw(c, 2) ? GNTMAP_readonly : 0)
                                : (uint32_t)fuzz_word(c->t);
        m[i].ref = draw_ref(c);
        m[i].dom = caller_domid(c);
    }
    uint64_t arg = put(c, m, sizeof(m[0]) * n);
    call(c, __HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, arg, n);
    for (unsigned i = 0; i < n; i++) {
        os_read(c->t->os, arg + sizeof(m[0]) * i, &m[i], sizeof(m[i]));
        if (m[i].status == GNTST_okay) {
            c->last_handle = m[i].handle;
        }
    }
}

static void grant_unmap(struct caller *c)
{
    struct gnttab_unmap_grant_ref u[2];
    unsigned n = 1 + draw(c, 2);
    memset(u, 0, sizeof(u));
    for (unsigned i = 0; i < n; i++) {
        u[i].host_addr = draw(c, 8) ? map_address(c) : 0;
        u[i].dev_bus_addr = draw(c, 8) ? 0 : fuzz_word(c->t);
        u[i].handle = draw_handle(c);
    }
    call(c, __HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref,
         put(c, u, sizeof(u[0]) * n), n);
}

static void copy_end(struct caller *c, bool by_ref, domid_t *dom,
                     grant_ref_t *ref, xen_pfn_t *gmfn, uint16_t *offset)
{
    *dom = caller_domid(c);
    *offset = (uint16_t)(draw(c, 4) ? 0 : fuzz_word(c->t));
    if (by_ref) {
        *ref = draw_ref(c);
    } else {
        *gmfn = caller_gfn(c);
        *dom = draw(c, 4) ? DOMID_SELF : *dom;
    }
}

static void grant_copy(struct caller *c)
{
    struct gnttab_copy g[2];
    unsigned n = 1 + draw(c, 2);
    memset(g, 0, sizeof(g));
    for (unsigned i = 0; i < n; i++) {
        g[i].flags = (uint16_t)(draw(c, 16) ? draw(c, 4) : fuzz_word(c->t));
        g[i].len = (uint16_t)(draw(c, 4) ? OS_PAGE_SIZE : fuzz_word(c->t));
        copy_end(c, g[i].flags & GNTCOPY_source_gref, &g[i].source.domid,
                 &g[i].source.u.ref, &g[i].source.u.gmfn,
                 &g[i].source.offset);
        copy_end(c, g[i].flags & GNTCOPY_dest_gref, &g[i].dest.domid,
                 &g[i].dest.u.ref, &g[i].dest.u.gmfn, &g[i].dest.offset);
    }
    call(c, __HYPERVISOR_grant_table_op, GNTTABOP_copy,
         put(c, g, sizeof(g[0]) * n), n);
}

/* The rest, whose structures are words: domid, number, number, pointer. */
static void grant_other(struct caller *c)
{
    uint64_t words[6], list = put_frames(c, LIST_MAX);
    static const uint32_t cmds[] = {
        GNTTABOP_setup_table,       GNTTABOP_query_size,
        GNTTABOP_set_version,       GNTTABOP_get_status_frames,
        GNTTABOP_get_version,       GNTTABOP_swap_grant_ref,
        GNTTABOP_cache_flush,       GNTTABOP_transfer,
        GNTTABOP_unmap_and_replace, 63};
    uint32_t cmd = fuzz_pick(c->t, cmds, 10);
    words[0] = caller_domid(c);
    words[0] |= (uint64_t)draw(c, 64) << 32;
    words[1] = list;
    words[2] = list;
    words[3] = words[4] = words[5] = draw_ref(c);
    if (cmd == GNTTABOP_swap_grant_ref) {
        words[0] = draw_ref(c);
        words[0] |= (uint64_t)draw_ref(c) << 32;
    } else if (cmd == GNTTABOP_transfer) {
        words[0] = caller_gfn(c);
        words[1] = caller_domid(c);
        words[1] |= (uint64_t)draw_ref(c) << 32;
    }
    uint64_t count = draw(c, 8) ? 1 : fuzz_word(c->t);
    call(c, __HYPERVISOR_grant_table_op, cmd, put(c, words, sizeof(words)),
         count);
}

/* -- Event channels -------------------------------------------------- */

static void evtchn(struct caller *c)
{
    uint32_t cmd = draw(c, 16);
    uint32_t w[6] = {0};
    w[0] = draw_port(c);
    w[1] = draw_port(c);
    w[2] = draw(c, 8);
    switch (cmd) {
    case EVTCHNOP_alloc_unbound:
        w[0] = (uint32_t)caller_domid(c) << 16 | DOMID_SELF;
        w[0] = draw(c, 8) ? w[0] : (uint32_t)fuzz_word(c->t);
        break;
    case EVTCHNOP_bind_interdomain:
        w[0] = caller_domid(c);
        break;
    case EVTCHNOP_bind_virq:
        w[0] = draw(c, 26);
        w[1] = draw(c, 3);
        break;
    case EVTCHNOP_bind_ipi:
        w[0] = draw(c, 3);
        break;
    case EVTCHNOP_status:
    case EVTCHNOP_reset:
        w[0] = caller_domid(c);
        break;
    case EVTCHNOP_bind_vcpu:
        w[1] = draw(c, 3);
        break;
    default:
        break;
    }
    uint64_t arg = put(c, w, sizeof(w));
    int64_t rc = call(c, __HYPERVISOR_event_channel_op, cmd, arg, 0);
    if (rc == 0 &&
        (cmd == EVTCHNOP_alloc_unbound || cmd == EVTCHNOP_bind_ipi)) {
        c->last_port = os_load32(c->t->os, arg + 4);
    } else if (rc == 0 && (cmd == EVTCHNOP_bind_interdomain ||
                           cmd == EVTCHNOP_bind_virq)) {
        c->last_port = os_load32(c->t->os, arg + 8);
    }
}

/* -- Memory -------------------------------------------------- */

static void reservation(struct caller *c)
{
    static const uint32_t cmds[] = {
        XENMEM_populate_physmap, XENMEM_decrease_reservation,
        XENMEM_populate_physmap, XENMEM_decrease_reservation,
        XENMEM_increase_reservation, XENMEM_claim_pages};
    unsigned n = draw(c, LIST_MAX + 1);
    uint64_t list = put_frames(c, n);
    struct xen_memory_reservation r;
    memset(&r, 0, sizeof(r)); /* the padding reaches guest memory too */
    r.domid = DOMID_SELF;
    r.nr_extents = draw(c, 16) ? n : fuzz_word(c->t);
    r.extent_order = draw(c, 4) ? 0 : (unsigned)draw(c, 20);
    r.mem_flags = draw(c, 8) ? 0 : (unsigned)fuzz_word(c->t);
    if (draw(c, 4) == 0) {
        r.domid = caller_domid(c);
    }
    memcpy(&r.extent_start, &list, sizeof(list));
    uint64_t cmd = fuzz_pick(c->t, cmds, 6);
    cmd |= (uint64_t)(draw(c, 8) ? 0 : draw(c, 64)) << 6;
    call(c, __HYPERVISOR_memory_op, cmd, put(c, &r, sizeof(r)), 0);
}

static void exchange(struct caller *c)
{
    struct xen_memory_exchange e;
    unsigned n = draw(c, 4);
    uint64_t list = put_frames(c, LIST_MAX), out = list + 8 * n;
    memset(&e, 0, sizeof(e));
    e.in.nr_extents = n;
    e.in.domid = DOMID_SELF;
    e.out = e.in;
    memcpy(&e.in.extent_start, &list, 8);
    memcpy(&e.out.extent_start, &out, 8);
    if (draw(c, 4) == 3) {
        e.in.extent_order = draw(c, 12);
        e.out.domid = caller_domid(c);
        e.nr_exchanged = fuzz_word(c->t);
    }
    call(c, __HYPERVISOR_memory_op, XENMEM_exchange, put(c, &e, sizeof(e)),
         0);
}

static void physmap(struct caller *c)
{
    static const uint32_t spaces[] = {
        XENMAPSPACE_shared_info, XENMAPSPACE_grant_table, XENMAPSPACE_gmfn,
        XENMAPSPACE_gmfn_range,  XENMAPSPACE_gmfn_foreign,
        XENMAPSPACE_dev_mmio,    9};
    domid_t dom = draw(c, 4) ? DOMID_SELF : caller_domid(c);
    if (draw(c, 3) == 2) {
        struct xen_remove_from_physmap r;
        memset(&r, 0, sizeof(r));
        r.domid = dom;
        r.gpfn = caller_gfn(c);
        call(c, __HYPERVISOR_memory_op, XENMEM_remove_from_physmap,
             put(c, &r, sizeof(r)), 0);
        return;
    }
    struct xen_add_to_physmap x = {.domid = dom};
    x.size = (uint16_t)(draw(c, 8) ? 1 : fuzz_word(c->t));
    x.space = fuzz_pick(c->t, spaces, 7);
    x.gpfn = caller_gfn(c);
    x.idx = x.space >= XENMAPSPACE_gmfn ? caller_gfn(c)
            : draw(c, 4)                ? draw(c, 4)
                                        : fuzz_word(c->t);
    call(c, __HYPERVISOR_memory_op, XENMEM_add_to_physmap,
         put(c, &x, sizeof(x)), 0);
}

static void physmap_batch(struct caller *c)
{
    struct xen_add_to_physmap_batch b;
    unsigned n = 1 + draw(c, 4);
    uint64_t list = put_frames(c, 2 * n), gpfns = list + 8 * n;
    uint64_t errs = os_arg(c->t->os) + 1024;
    memset(&b, 0, sizeof(b));
    b.domid = DOMID_SELF;
    b.space = draw(c, 2) ? XENMAPSPACE_gmfn : XENMAPSPACE_gmfn_foreign;
    b.size = (uint16_t)(draw(c, 16) ? n : fuzz_word(c->t));
    b.u.foreign_domid = b.space == XENMAPSPACE_gmfn_foreign ? caller_domid(c)
                                                            : 0;
    memcpy(&b.idxs, &list, 8);
    memcpy(&b.gpfns, &gpfns, 8);
    memcpy(&b.errs, &errs, 8);
    call(c, __HYPERVISOR_memory_op, XENMEM_add_to_physmap_batch,
         put(c, &b, sizeof(b)), 0);
}

static void memory(struct caller *c)
{
    switch (draw(c, 5)) {
    case 0:
        physmap(c);
        break;
    case 1:
        physmap_batch(c);
        break;
    case 2:
        exchange(c);
        break;
    case 3: { /* whatever else: four words */
        uint64_t w[4];
        w[0] = caller_domid(c);
        w[1] = caller_gfn(c);
        w[2] = put_frames(c, 2);
        w[3] = fuzz_word(c->t);
        uint32_t cmd = draw(c, 32);
        call(c, __HYPERVISOR_memory_op, cmd, put(c, w, sizeof(w)), 0);
        break;
    }
    default:
        reservation(c);
        break;
    }
}

/* -- The rest -------------------------------------------------- */

static void sched(struct caller *c)
{
    uint64_t ports = os_arg(c->t->os) + ARG_LIST;
    struct sched_poll p;
    memset(&p, 0, sizeof(p));
    p.nr_ports = draw(c, 4);
    os_store32(c->t->os, ports, draw_port(c));
    os_store32(c->t->os, ports + 4, draw_port(c));
    os_store32(c->t->os, ports + 8, draw_port(c));
    memcpy(&p.ports, &ports, 8);
    p.timeout = draw(c, 0x10000);
    p.timeout += os_now_ns(c->t->os);
    uint32_t cmd = draw(c, 8);
    if (cmd != SCHEDOP_poll) {
        p.nr_ports = caller_domid(c);
        p.timeout = fuzz_word(c->t);
    }
    /* It ends itself seldom, and never sleeps without an alarm. */
    if ((cmd == SCHEDOP_shutdown || cmd == SCHEDOP_block) && draw(c, 16)) {
        cmd = SCHEDOP_yield;
    }
    call(c, __HYPERVISOR_sched_op, cmd, put(c, &p, sizeof(p)), 0);
}

static void vcpu(struct caller *c)
{
    uint64_t w[5] = {0};
    w[0] = caller_gfn(c);
    w[0] *= draw(c, 2) ? 1 : OS_PAGE_SIZE;
    w[1] = draw(c, OS_PAGE_SIZE + 8);
    w[2] = fuzz_word(c->t);
    w[3] = fuzz_word(c->t);
    uint32_t cmd = draw(c, 15);
    if (cmd == VCPUOP_down && draw(c, 8)) {
        cmd = VCPUOP_is_up;
    }
    unsigned id = draw(c, 4) ? 0 : draw(c, 4);
    call(c, __HYPERVISOR_vcpu_op, cmd, id, put(c, w, sizeof(w)));
}

static void hvm(struct caller *c)
{
    struct xen_hvm_param p = {.domid = caller_domid(c)};
    p.index = draw(c, HVM_NR_PARAMS + 2);
    p.value = fuzz_word(c->t);
    uint32_t cmd = draw(c, 2) ? draw(c, 2) : draw(c, 27);
    p.domid = draw(c, 4) ? DOMID_SELF : p.domid;
    call(c, __HYPERVISOR_hvm_op, cmd, put(c, &p, sizeof(p)), 0);
}

/* What it has no right to. */
static void forbidden(struct caller *c)
{
    union {
        struct xen_domctl d;
        struct xen_sysctl s;
        uint8_t bytes[256];
    } u;
    bool domctl = draw(c, 2);
    memset(&u, 0, sizeof(u));
    u.d.cmd = draw(c, 90);
    u.d.interface_version = domctl ? XEN_DOMCTL_INTERFACE_VERSION
                                   : XEN_SYSCTL_INTERFACE_VERSION;
    if (domctl) {
        u.d.domain = caller_domid(c);
        memset(&u.d.u, (int)draw(c, 256), 16);
    }
    call(c, domctl ? __HYPERVISOR_domctl : __HYPERVISOR_sysctl,
         put(c, &u, sizeof(u)), 0, 0);
}

static void small_ones(struct caller *c)
{
    uint64_t w[4] = {draw(c, 64)};
    w[1] = fuzz_word(c->t);
    w[2] = fuzz_word(c->t);
    uint64_t arg = put(c, w, sizeof(w));
    uint64_t small = draw(c, 64), at = draw(c, 4) ? arg : w[2];
    switch (draw(c, 6)) {
    case 0:
        call(c, __HYPERVISOR_physdev_op, small % 32, arg, 0);
        break;
    case 1:
        call(c, __HYPERVISOR_console_io, small % 3,
             draw(c, 8) ? small : w[1], at);
        break;
    case 2:
        call(c, __HYPERVISOR_set_timer_op, w[1], 0, 0);
        break;
    case 3:
        call(c, __HYPERVISOR_vm_assist, small % 3, small / 3 % 8, 0);
        break;
    case 4:
        call(c, (unsigned)small, arg, w[1], w[2]);
        break;
    default:
        call(c, __HYPERVISOR_xen_version, small % 12, at, 0);
        break;
    }
}

/* Entries over the argument area: each call's own argument is what an earlier
 * call left there, or an entry of this very list. */
static void multicall(struct caller *c)
{
    static const uint32_t nrs[] = {
        __HYPERVISOR_grant_table_op, __HYPERVISOR_event_channel_op,
        __HYPERVISOR_memory_op,      __HYPERVISOR_multicall,
        __HYPERVISOR_xen_version,    __HYPERVISOR_hvm_op};
    uint64_t arg = os_arg(c->t->os);
    unsigned n = 1 + draw(c, 4);
    for (unsigned i = 0; i < n; i++) {
        multicall_entry_t e = {.op = fuzz_pick(c->t, nrs, 6)};
        e.args[0] = draw(c, 16);
        e.args[1] = arg + 8 * draw(c, 512);
        e.args[2] = draw(c, 3);
        os_write(c->t->os, arg + sizeof(e) * i, &e, sizeof(e));
    }
    uint64_t list = draw(c, 16) ? arg : fuzz_word(c->t);
    call(c, __HYPERVISOR_multicall, list,
         draw(c, 16) ? n : fuzz_word(c->t), 0);
}

void caller_call(struct caller *c)
{
    static void (*const calls[])(struct caller *) = {
        grant_map, grant_map, grant_unmap, grant_unmap, grant_copy,
        grant_copy, grant_other, evtchn, evtchn, evtchn, memory, memory,
        sched, vcpu, hvm, forbidden, small_ones, multicall};
    calls[draw(c, sizeof(calls) / sizeof(calls[0]))](c);
}
