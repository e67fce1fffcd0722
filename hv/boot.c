/*
 * Start of the hypervisor: takes over the machine's memory, finds out which
 * way to run guests the processor has, and builds the control domain from
 * its PVH image (xen/arch-x86/hvm/start_info.h).
 *
 * The control domain's guest-physical space: RAM from 0 to memory_pages, the
 * image where its segments say, and in the page behind it the start_info
 * with its memory map and command line.
 *
 * Invariants:
 *  1. hv_create() returns a hypervisor whose control domain can be entered,
 *     or NULL after one line on the console.
 *  2. struct hv lives in machine memory that page_init() keeps off.
 *
 *   frames for hv -> page_init -> probe -> control domain (paused) -> memory
 *   -> image -> start_info -> vCPU 0 in context -> unpaused
 */
#include "hv/abi.h"
#include "hv/elf.h"
#include "hv/gmem.h"
#include "hv/hv.h"
#include "hv/lib.h"
#include "hv/memory.h"
#include "hv/p2m.h"
#include "hv/sched.h"
#include "hv/x86/virt.h"

#include <xen/arch-x86/hvm/start_info.h>

#define CONTROL_PAGES_DEFAULT 16384 /* 64 MiB, or half of what is free */
#define CONTROL_PAGES_MAX (0xf0000000ULL >> PAGE_SHIFT)
#define CONTROL_CMDLINE_MAX 2048

/* What goes into the start page; all addresses are guest-physical. */
struct start_page {
    struct hvm_start_info info;
    struct hvm_memmap_table_entry memmap[1];
    char cmdline[CONTROL_CMDLINE_MAX];
};
_Static_assert(sizeof(struct start_page) <= PAGE_SIZE, "one page");
_Static_assert(sizeof(struct hvm_start_info) == 56, "start_info.h");

static void boot_line(struct plat *p, const char *text)
{
    size_t len = 0;

    while (text[len] != '\0') {
        len++;
    }
    plat_console_write(p, text, len);
}

/* Invariant 2: the first range that is large enough, at its start. */
static struct hv *boot_place_hv(struct plat *p)
{
    uint64_t frames = (sizeof(struct hv) + PAGE_SIZE - 1) / PAGE_SIZE;
    uint64_t nr;
    mfn_t start;
    struct hv *hv;

    for (unsigned i = 0; plat_mem_range(p, i, &start, &nr); i++) {
        if (nr > frames) {
            hv = plat_frame(p, start);
            memset(hv, 0, sizeof(*hv));
            hv->plat = p;
            hv->self_mfn = start;
            hv->self_frames = frames;
            return hv;
        }
    }
    return NULL;
}

static struct domain *boot_create_domain(struct hv *hv, unsigned vcpus)
{
    struct xen_domctl_createdomain cfg;
    struct domain *d = NULL;

    memset(&cfg, 0, sizeof(cfg));
    cfg.flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap;
    cfg.max_vcpus = vcpus;
    cfg.max_evtchn_port = HV_MAX_EVTCHNS - 1;
    cfg.max_grant_frames = HV_MAX_GRANT_FRAMES;
    cfg.max_maptrack_frames = HV_MAX_MAPTRACK_FRAMES;
    cfg.grant_opts = XEN_DOMCTL_GRANT_version(1);
    if (domain_create(hv, 0, &cfg, &d) != 0) {
        return NULL;
    }
    d->control = true;
    hv->control = d;
    for (unsigned i = 0; i < vcpus; i++) {
        if (d->vcpus[i] == NULL && vcpu_create(d, i) == NULL) {
            return NULL;
        }
    }
    return d;
}

/* RAM at [0, pages), one reference of each frame held by its p2m entry. */
static const char *boot_populate(struct domain *d, uint64_t pages)
{
    const struct e820_entry ram = {.size = pages << PAGE_SHIFT,
                                   .type = E820_TYPE_RAM};

    d->max_pages = pages;
    if (memory_map_set(d, &ram, 1) != 0) { /* as in start_info */
        return "its memory map can't be set";
    }
    for (uint64_t gfn = 0; gfn < pages; gfn++) {
        mfn_t mfn = page_alloc_domain(d, 0);

        if (!mfn_valid(mfn) ||
            p2m_set(d, GFN(gfn), mfn, P2M_RAM_RW) != 0) {
            return "not enough memory for the control domain";
        }
    }
    return NULL;
}

static const char *boot_load(struct domain *d, const struct hv_boot *boot,
                             const struct elf_image *img)
{
    for (unsigned i = 0; i < img->nr_segs; i++) {
        const struct elf_segment *s = &img->seg[i];
        const uint8_t *from = (const uint8_t *)boot->image + s->file_off;

        if (gmem_write_phys(d, GADDR(s->paddr), from, s->file_len) != 0) {
            return "image can't be written to the control domain";
        }
        /* Fresh frames are zero: page.h invariant 4. */
    }
    return NULL;
}

static const char *boot_start_info(struct domain *d, gaddr_t at,
                                   uint64_t pages, const char *cmdline)
{
    struct start_page page;
    size_t len = 0;

    memset(&page, 0, sizeof(page));
    while (cmdline[len] != '\0') {
        if (len >= CONTROL_CMDLINE_MAX - 1) {
            return "the control domain's command line is too long";
        }
        page.cmdline[len] = cmdline[len];
        len++;
    }
    page.info.magic = XEN_HVM_START_MAGIC_VALUE;
    page.info.version = 1;
    page.info.flags = SIF_PRIVILEGED | SIF_INITDOMAIN;
    page.info.cmdline_paddr = at.v + offsetof(struct start_page, cmdline);
    page.info.memmap_paddr = at.v + offsetof(struct start_page, memmap);
    page.info.memmap_entries = 1;
    page.memmap[0].addr = 0;
    page.memmap[0].size = pages << PAGE_SHIFT;
    page.memmap[0].type = XEN_HVM_MEMMAP_TYPE_RAM;
    return gmem_write_phys(d, at, &page, sizeof(page)) == 0
               ? NULL
               : "start_info can't be written to the control domain";
}

/* The PVH entry state: docs/misc/pvh.pandoc of Xen. 32-bit, flat segments,
 * paging off, EBX the start_info. */
static int boot_enter_context(struct vcpu *v, uint32_t entry, gaddr_t info)
{
    struct vcpu_hvm_context ctx;
    struct vcpu_hvm_x86_32 *r = &ctx.cpu_regs.x86_32;

    memset(&ctx, 0, sizeof(ctx));
    ctx.mode = VCPU_HVM_MODE_32B;
    r->ebx = (uint32_t)info.v;
    r->eip = entry;
    r->cr0 = CR0_PE | CR0_ET;
    r->cs_limit = r->ds_limit = r->ss_limit = r->es_limit = 0xffffffff;
    r->tr_limit = 0x67;
    r->cs_ar = 0xc9b;
    r->ds_ar = r->ss_ar = r->es_ar = 0xc93;
    r->tr_ar = 0x8b;
    return vcpu_set_hvm_context(v, &ctx);
}

static const char *boot_control(struct hv *hv, const struct hv_boot *boot)
{
    uint64_t pages = boot->memory_pages;
    unsigned vcpus = boot->vcpus ? boot->vcpus : 1;
    struct elf_image img;
    struct domain *d;
    const char *why;
    gaddr_t info;

    why = boot->image_len <= HV_BOOT_IMAGE_MAX
              ? elf_parse(boot->image, boot->image_len, &img)
              : "larger than this hypervisor takes";
    if (why != NULL) {
        return why;
    }
    if (pages == 0) {
        pages = page_free_count(hv) / 2;
        pages = pages < CONTROL_PAGES_DEFAULT ? pages
                                              : CONTROL_PAGES_DEFAULT;
    }
    info.v = (img.paddr_high + PAGE_SIZE - 1) & PAGE_MASK;
    if (pages > CONTROL_PAGES_MAX ||
        info.v + PAGE_SIZE > pages << PAGE_SHIFT) {
        return "its memory is too small for it, or beyond 3840 MiB";
    }
    if (vcpus > HV_MAX_VCPUS) {
        return "more vCPUs than a domain can have";
    }
    d = boot_create_domain(hv, vcpus);
    if (d == NULL) {
        return "not enough memory to create the domain";
    }
    why = boot_populate(d, pages);
    why = why ? why : boot_load(d, boot, &img);
    why = why ? why
              : boot_start_info(d, info, pages,
                                boot->cmdline ? boot->cmdline : "");
    if (why == NULL &&
        boot_enter_context(d->vcpus[0], img.entry, info) != 0) {
        why = "its first vCPU can't be set up";
    }
    if (why == NULL) {
        d->vcpus[0]->online = true;
        domain_unpause(d);
    }
    return why;
}

static struct hv *boot_create(struct plat *p, const struct hv_boot *boot)
{
    struct hv *hv = boot_place_hv(p);
    const char *why;

    if (hv == NULL) {
        boot_line(p, "(hv) the machine has no usable memory\n");
        return NULL;
    }
    hv->nr_cpus = plat_cpu_count(p);
    page_init(hv);
    hv->vendor_missing = svm_ops.probe(hv);
    hv->vendor = hv->vendor_missing ? NULL : &svm_ops;
    if (hv->vendor == NULL) {
        hv_log(hv, "no way to run guests: SVM is %s", hv->vendor_missing);
        return NULL;
    }
    why = boot_control(hv, boot);
    if (why != NULL) {
        hv_log(hv, "control domain: %s", why);
        return NULL;
    }
    hv_log(hv, "%s, %u CPU(s), %lu pages of memory, %lu free",
           hv->vendor->name, hv->nr_cpus,
           (unsigned long)page_total_count(hv),
           (unsigned long)page_free_count(hv));
    return hv;
}

struct hv *hv_create(struct plat *p, const struct hv_boot *boot)
{
    struct hv *hv;

    plat_lock(p);
    hv = boot_create(p, boot);
    plat_unlock(p);
    return hv;
}
