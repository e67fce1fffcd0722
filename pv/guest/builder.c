/*
 * The domain builder: the sequence in which Xen 4.17's libxl and libxc make
 * a PVH domain.
 *
 *   created -> limits -> ports -> populated -> loaded -> params -> grants
 *           -> context -> scheduler -> (unpaused)
 *     any step fails -> destroyed
 *
 * Guest-physical layout: RAM from 0; the image where it says; start_info
 * with command line and memory map on the page behind it; special pages
 * below 4 GiB (xc_dom_x86.c: special_pfn()).
 *
 * Invariants:
 *  1. A failure destroys the domain; our own pages and space were given back
 *     by the step that took them.
 *  2. The domain never runs before the last step.
 */
#include "pv/guest/builder.h"

#include <xen/arch-x86/hvm/start_info.h>
#include <xen/hvm/e820.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>

#include "pv/guest/builder_context.h"
#include "pv/guest/builder_elf.h"
#include "pv/lib.h"

/* libxc's xc_dom.h and xc_dom_x86.c: special pages, not in public headers */
#define SPECIAL_GFN_DEFAULT 0xfeff8ULL
#define SPECIAL_PAGES 8u
#define SPECIAL_XENSTORE 4u
#define SPECIAL_CONSOLE 7u

#define LOW_MEM_LIMIT_PAGES (0xf0000000ULL >> 12) /* below the MMIO hole */
#define MAX_MEM_SLACK_KB 1024u /* libxl: LIBXL_MAXMEM_CONSTANT */
#define GRANT_FRAMES_DEFAULT 32
#define EVTCHN_PORT_DEFAULT 1023u /* libxl: event_channels */
#define WEIGHT_DEFAULT 256u
#define COPY_BATCH 64u
#define CMDLINE_MAX 2048u
#define MEMMAP_ENTRIES 2u

/* xen_memory_reservation, then extents, in the argument area */
#define POPULATE_OFFSET 64u
#define POPULATE_BATCH 512u
_Static_assert(POPULATE_OFFSET + POPULATE_BATCH * 8 <= OS_ARG_BYTES, "room");

struct build {
    struct os *os;
    const struct builder_config *cfg;
    struct builder_result *out;
    struct builder_image elf;
    domid_t domid;
    uint64_t special, start_info;
};

static int build_create(struct build *b)
{
    const struct builder_config *cfg = b->cfg;
    struct xen_domctl op = { .cmd = XEN_DOMCTL_createdomain,
                             .domain = cfg->domid };
    struct xen_domctl_createdomain *c = &op.u.createdomain;
    int rc;

    c->flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap;
    c->arch.emulation_flags = XEN_X86_EMU_LAPIC;
    c->max_vcpus = cfg->vcpus;
    c->max_evtchn_port =
        cfg->max_evtchn_port ? cfg->max_evtchn_port : EVTCHN_PORT_DEFAULT;
    c->max_grant_frames = cfg->max_grant_frames ?
                              (int32_t)cfg->max_grant_frames :
                              GRANT_FRAMES_DEFAULT;
    c->max_maptrack_frames = -1; /* the hypervisor's default */
    c->grant_opts = XEN_DOMCTL_GRANT_version(1);
    rc = builder_domctl(b->os, &op);
    b->domid = op.domain;
    return rc;
}

/* libxl: libxl_get_required_shadow_memory() */
static uint32_t build_shadow_mb(const struct builder_config *cfg)
{
    uint64_t mem_mb = (cfg->pages * 4 + 1023) / 1024;
    uint64_t kb = 4 * (256 * (uint64_t)cfg->vcpus + 2 * mem_mb);

    return (uint32_t)((kb + 1023) / 1024);
}

static int build_affinity(struct build *b)
{
    uint64_t map = os_pages_alloc(b->os, 1);
    int rc = 0;

    if (!map) {
        return -XEN_ENOMEM;
    }
    for (unsigned i = 0; i < b->cfg->vcpus && !rc; i++) {
        struct xen_domctl op = { .cmd = XEN_DOMCTL_setvcpuaffinity,
                                 .domain = b->domid };
        struct xen_domctl_vcpuaffinity *a = &op.u.vcpuaffinity;

        os_store64(b->os, map, b->cfg->affinity);
        a->vcpu = i;
        a->flags = XEN_VCPUAFFINITY_HARD;
        a->cpumap_hard.nr_bits = 64;
        set_xen_guest_handle_raw(a->cpumap_hard.bitmap, (uint8_t *)map);
        rc = builder_domctl(b->os, &op);
    }
    os_pages_free(b->os, map, 1);
    return rc;
}

/* libxl__build_pre(), libxl__arch_domain_create() */
static int build_limits(struct build *b)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_max_vcpus,
                             .domain = b->domid };
    int rc;

    op.u.max_vcpus.max = b->cfg->vcpus;
    rc = builder_domctl(b->os, &op);
    if (!rc && b->cfg->affinity) {
        rc = build_affinity(b);
    }
    if (!rc) {
        op = (struct xen_domctl){ .cmd = XEN_DOMCTL_max_mem,
                                  .domain = b->domid };
        op.u.max_mem.max_memkb = b->cfg->pages * 4 + MAX_MEM_SLACK_KB;
        rc = builder_domctl(b->os, &op);
    }
    if (!rc) {
        op = (struct xen_domctl){ .cmd = XEN_DOMCTL_shadow_op,
                                  .domain = b->domid };
        op.u.shadow_op.op = XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION;
        op.u.shadow_op.mb = build_shadow_mb(b->cfg);
        rc = builder_domctl(b->os, &op);
    }
    return rc;
}

/* event_channel.h: EVTCHNOP_alloc_unbound on behalf of the domain */
static int build_port(struct build *b, evtchn_port_t *port)
{
    struct evtchn_alloc_unbound a = { .dom = b->domid,
                                      .remote_dom = os_domid(b->os) };
    int rc = (int)os_call(b->os, __HYPERVISOR_event_channel_op,
                          EVTCHNOP_alloc_unbound, &a, sizeof(a), 0);

    *port = a.port;
    return rc;
}

static int build_populate_batch(struct build *b, const uint64_t *gfns,
                                unsigned n)
{
    uint64_t arg = os_arg(b->os);
    struct xen_memory_reservation r;
    int64_t rc;

    /* padding too: the bytes go into guest memory, and hashes */
    memset(&r, 0, sizeof(r));
    r.nr_extents = n;
    r.domid = b->domid;
    set_xen_guest_handle_raw(r.extent_start,
                             (xen_pfn_t *)(arg + POPULATE_OFFSET));
    os_write(b->os, arg, &r, sizeof(r));
    os_write(b->os, arg + POPULATE_OFFSET, gfns, n * sizeof(*gfns));
    rc = os_hypercall(b->os, __HYPERVISOR_memory_op,
                      XENMEM_populate_physmap, arg, 0, 0, 0);
    if (rc < 0) {
        return (int)rc;
    }
    return rc == n ? 0 : -XEN_ENOMEM;
}

static int build_populate(struct build *b)
{
    uint64_t gfns[COPY_BATCH];
    uint64_t specials[2] = { b->special + SPECIAL_XENSTORE,
                             b->special + SPECIAL_CONSOLE };

    for (uint64_t done = 0; done < b->cfg->pages;) {
        uint64_t left = b->cfg->pages - done;
        unsigned n = left < COPY_BATCH ? (unsigned)left : COPY_BATCH;
        int rc;

        for (unsigned i = 0; i < n; i++) {
            gfns[i] = done + i;
        }
        rc = build_populate_batch(b, gfns, n);
        if (rc) {
            return rc;
        }
        done += n;
    }
    return build_populate_batch(b, specials, 2);
}

static void build_zero(struct os *os, uint64_t addr, uint64_t len)
{
    static const uint8_t zero[512];

    while (len) {
        size_t n = len < sizeof(zero) ? (size_t)len : sizeof(zero);

        os_write(os, addr, zero, n);
        addr += n;
        len -= n;
    }
}

/* Copies len bytes to guest-physical pa, then zeroes up to memsz. */
static int build_copy(struct build *b, uint64_t pa, const void *src,
                      uint64_t len, uint64_t memsz)
{
    const uint8_t *from = src;

    while (memsz) {
        uint64_t gfns[COPY_BATCH], off = pa & (OS_PAGE_SIZE - 1);
        uint64_t room = COPY_BATCH * (uint64_t)OS_PAGE_SIZE - off;
        uint64_t n = memsz < room ? memsz : room;
        uint64_t filled = len < n ? len : n;
        unsigned pages = (unsigned)((off + n + OS_PAGE_SIZE - 1) /
                                    OS_PAGE_SIZE);
        uint64_t addr;

        for (unsigned i = 0; i < pages; i++) {
            gfns[i] = pa / OS_PAGE_SIZE + i;
        }
        addr = builder_map_foreign(b->os, b->domid, gfns, pages);
        if (!addr) {
            return -XEN_ENOMEM;
        }
        if (filled) { /* bss has no source to move on */
            os_write(b->os, addr + off, from, filled);
            from += filled;
        }
        build_zero(b->os, addr + off + filled, n - filled);
        builder_unmap_foreign(b->os, addr, pages);
        len -= filled;
        memsz -= n;
        pa += n;
    }
    return 0;
}

static int build_load(struct build *b)
{
    const uint8_t *file = b->cfg->image;

    for (unsigned i = 0; i < b->elf.nr_segments; i++) {
        const struct builder_segment *s = &b->elf.segments[i];
        int rc = build_copy(b, s->paddr, file + s->offset, s->filesz,
                            s->memsz);

        if (rc) {
            return rc;
        }
    }
    return 0;
}

/* One page: hvm_start_info, memory map, command line (start_info.h). */
struct start_page {
    struct hvm_start_info info;
    struct hvm_memmap_table_entry map[MEMMAP_ENTRIES];
    char cmdline[CMDLINE_MAX];
};
_Static_assert(sizeof(struct start_page) <= OS_PAGE_SIZE, "one page");

static int build_cmdline(const char *from, char *to)
{
    size_t n = 0;

    for (; from && from[n] != '\0'; n++) {
        if (n + 1 == CMDLINE_MAX) {
            return -XEN_E2BIG;
        }
        to[n] = from[n];
    }
    to[n] = '\0';
    return 0;
}

static int build_start_info(struct build *b)
{
    uint64_t pa = b->start_info;
    struct start_page *p = os_malloc(b->os, sizeof(*p));
    int rc;

    if (!p) {
        return -XEN_ENOMEM;
    }
    p->info.magic = XEN_HVM_START_MAGIC_VALUE;
    p->info.version = 1;
    p->info.cmdline_paddr = pa + offsetof(struct start_page, cmdline);
    p->info.memmap_paddr = pa + offsetof(struct start_page, map);
    p->info.memmap_entries = MEMMAP_ENTRIES;
    /* libxl__arch_domain_construct_memmap(): RAM, special pages reserved */
    p->map[0].size = b->cfg->pages * OS_PAGE_SIZE;
    p->map[0].type = XEN_HVM_MEMMAP_TYPE_RAM;
    p->map[1].addr = b->special * OS_PAGE_SIZE;
    p->map[1].size = SPECIAL_PAGES * OS_PAGE_SIZE;
    p->map[1].type = XEN_HVM_MEMMAP_TYPE_RESERVED;
    rc = build_cmdline(b->cfg->cmdline, p->cmdline);
    if (!rc) {
        rc = build_copy(b, pa, p, sizeof(*p), OS_PAGE_SIZE);
    }
    os_free(b->os, p);
    return rc;
}

/* memory.h: XENMEM_memory_map: "as returned by BIOS INT 15h, E820" */
struct e820 {
    uint64_t addr, size;
    uint32_t type;
} __attribute__((packed));

static int build_memory_map(struct build *b)
{
    struct xen_foreign_memory_map m;
    struct e820 map[MEMMAP_ENTRIES];
    uint64_t arg = os_arg(b->os), list = arg + sizeof(m);

    memset(&m, 0, sizeof(m)); /* padding goes to guest memory, and hashes */
    memset(map, 0, sizeof(map));
    map[0].size = b->cfg->pages * OS_PAGE_SIZE;
    map[0].type = XEN_HVM_MEMMAP_TYPE_RAM;
    map[1].addr = b->special * OS_PAGE_SIZE;
    map[1].size = SPECIAL_PAGES * OS_PAGE_SIZE;
    map[1].type = XEN_HVM_MEMMAP_TYPE_RESERVED;
    m.domid = b->domid;
    m.map.nr_entries = MEMMAP_ENTRIES;
    memcpy(&m.map.buffer, &list, sizeof(list));
    os_write(b->os, arg, &m, sizeof(m));
    os_write(b->os, list, map, sizeof(map));
    return (int)os_hypercall(b->os, __HYPERVISOR_memory_op,
                             XENMEM_set_memory_map, arg, 0, 0, 0);
}

static int build_param(struct build *b, uint32_t index, uint64_t value)
{
    struct xen_hvm_param p = { .domid = b->domid,
                               .index = index,
                               .value = value };

    return (int)os_call(b->os, __HYPERVISOR_hvm_op, HVMOP_set_param, &p,
                        sizeof(p), 0);
}

/* xc_dom_x86.c: alloc_magic_pages_hvm(); libxl: hvm_build_set_params() */
static int build_params(struct build *b)
{
    struct builder_result *r = b->out;
    int rc = build_copy(b, r->store_gfn * OS_PAGE_SIZE, NULL, 0,
                        OS_PAGE_SIZE);

    if (!rc) {
        rc = build_copy(b, r->console_gfn * OS_PAGE_SIZE, NULL, 0,
                        OS_PAGE_SIZE);
    }
    if (!rc) {
        rc = build_param(b, HVM_PARAM_STORE_PFN, r->store_gfn);
    }
    if (!rc) {
        rc = build_param(b, HVM_PARAM_CONSOLE_PFN, r->console_gfn);
    }
    if (!rc) {
        rc = build_param(b, HVM_PARAM_STORE_EVTCHN, r->store_port);
    }
    if (!rc) {
        rc = build_param(b, HVM_PARAM_CONSOLE_EVTCHN, r->console_port);
    }
    return rc;
}

static void build_seed(struct build *b, uint64_t table, grant_ref_t ref,
                       uint64_t gfn)
{
    uint64_t at = table + ref * sizeof(struct grant_entry_v1);

    os_store16(b->os, at + offsetof(struct grant_entry_v1, domid),
               os_domid(b->os));
    os_store32(b->os, at + offsetof(struct grant_entry_v1, frame),
               (uint32_t)gfn);
    os_store16(b->os, at + offsetof(struct grant_entry_v1, flags),
               GTF_permit_access);
}

/* xc_dom_boot.c: compat_gnttab_hvm_seed(): the table's first frame is put
 * at a scratch gfn of the domain for as long as we write it. */
static int build_grants(struct build *b)
{
    uint64_t scratch = b->special - 1, table;
    struct xen_add_to_physmap add = { .domid = b->domid,
                                      .space = XENMAPSPACE_grant_table,
                                      .idx = 0,
                                      .gpfn = scratch };
    int rc = (int)os_call(b->os, __HYPERVISOR_memory_op,
                          XENMEM_add_to_physmap, &add, sizeof(add), 0);

    if (rc) {
        return rc;
    }
    table = builder_map_foreign(b->os, b->domid, &scratch, 1);
    if (table) {
        build_seed(b, table, GNTTAB_RESERVED_CONSOLE, b->out->console_gfn);
        build_seed(b, table, GNTTAB_RESERVED_XENSTORE, b->out->store_gfn);
        builder_unmap_foreign(b->os, table, 1);
    }
    rc = builder_remove_gfn(b->os, b->domid, scratch);
    return table ? rc : -XEN_ENOMEM;
}

static int build_sched(struct build *b)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_scheduler_op,
                             .domain = b->domid };

    if (!b->cfg->weight && !b->cfg->cap_percent) {
        return 0;
    }
    op.u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT2;
    op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_putinfo;
    op.u.scheduler_op.u.credit2.weight =
        (uint16_t)(b->cfg->weight ? b->cfg->weight : WEIGHT_DEFAULT);
    op.u.scheduler_op.u.credit2.cap = (uint16_t)b->cfg->cap_percent;
    return builder_domctl(b->os, &op);
}

static int build_plan(struct build *b)
{
    const struct builder_config *cfg = b->cfg;
    int rc = builder_elf_parse(cfg->image, cfg->image_len, &b->elf);

    if (rc) {
        return rc;
    }
    b->special = cfg->special_gfn ? cfg->special_gfn : SPECIAL_GFN_DEFAULT;
    b->start_info = (b->elf.high + OS_PAGE_SIZE - 1) &
                    ~(uint64_t)(OS_PAGE_SIZE - 1);
    if (cfg->vcpus == 0 || cfg->pages > LOW_MEM_LIMIT_PAGES ||
        cfg->pages >= b->special) { /* one below is the scratch gfn */
        return -XEN_EINVAL;
    }
    if (b->start_info / OS_PAGE_SIZE + 1 > cfg->pages) {
        return -XEN_ENOMEM; /* the image doesn't fit its RAM */
    }
    b->out->store_gfn = b->special + SPECIAL_XENSTORE;
    b->out->console_gfn = b->special + SPECIAL_CONSOLE;
    return 0;
}

static int build_steps(struct build *b)
{
    int (*const steps[])(struct build *) = {
        build_populate, build_load,   build_start_info, build_memory_map,
        build_params,   build_grants,
    };
    int rc = build_limits(b);

    if (!rc) {
        rc = build_port(b, &b->out->store_port);
    }
    if (!rc) {
        rc = build_port(b, &b->out->console_port);
    }
    for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]) && !rc; i++) {
        rc = steps[i](b);
    }
    if (!rc) {
        rc = builder_set_entry(b->os, b->domid, b->elf.entry, b->start_info);
    }
    if (!rc) {
        rc = build_sched(b);
    }
    if (!rc && !b->cfg->start_paused) {
        rc = builder_unpause(b->os, b->domid);
    }
    return rc;
}

int builder_create(struct os *os, const struct builder_config *cfg,
                   struct builder_result *out)
{
    struct build b = { .os = os, .cfg = cfg, .out = out };
    int rc;

    *out = (struct builder_result){ 0 };
    rc = build_plan(&b);
    if (rc) {
        return rc;
    }
    rc = build_create(&b);
    if (rc) {
        return rc;
    }
    out->domid = b.domid;
    rc = build_steps(&b);
    if (rc) {
        (void)builder_destroy(os, b.domid);
        *out = (struct builder_result){ 0 };
    }
    return rc;
}
