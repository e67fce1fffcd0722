/*
 * The hypervisor on a PC: takes what the multiboot loader hands over
 * (Multiboot 0.6.96, 3.3), starts hv/ and runs its loop. The first module is
 * the control domain's image, its string the command line (the part behind
 * the first blank).
 *
 * Invariants:
 *  1. All of the loader's information is read before hv_create() gives
 *     memory out; the module alone stays where it is, and its frames are in
 *     no range.
 */
#include "hv/hv.h"
#include "hv/lib.h"
#include "hv/metal/metal.h"

#define MB_MAGIC 0x2badb002
#define MB_HAS_MODULES (1u << 3)
#define MB_HAS_MMAP (1u << 6)
#define MB_MEMORY_RAM 1
#define CMDLINE_MAX 1024

struct mb_info {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline;
    uint32_t mods_count, mods_addr, syms[4], mmap_length, mmap_addr;
};

struct mb_module {
    uint32_t start, end, string, reserved;
};

struct mb_mmap {
    uint32_t size; /* of what follows */
    uint64_t addr, len;
    uint32_t type;
} __attribute__((packed));

extern const char __image_start[], __image_end[]; /* ringside.lds */

struct plat metal_plat;
static char cmdline[CMDLINE_MAX];

static _Noreturn void die(const char *why)
{
    console_puts("(metal) ");
    console_puts(why);
    console_puts("\n");
    power_off(POWER_FAILED);
}

static void add_range(struct plat *p, uint64_t start, uint64_t end)
{
    start = (start + PAGE_SIZE - 1) & PAGE_MASK;
    end &= PAGE_MASK;
    if (start < METAL_RAM_START) {
        start = METAL_RAM_START;
    }
    if (end > METAL_RAM_END) {
        end = METAL_RAM_END;
    }
    if (start >= end || p->nr_ranges == METAL_RANGES_MAX) {
        return;
    }
    p->range[p->nr_ranges].start = start;
    p->range[p->nr_ranges].end = end;
    p->nr_ranges++;
}

/* Takes [start, end) out of every range; may split one in two. */
static void cut_range(struct plat *p, uint64_t start, uint64_t end)
{
    struct plat old = *p;

    start &= PAGE_MASK;
    end = (end + PAGE_SIZE - 1) & PAGE_MASK;
    p->nr_ranges = 0;
    for (unsigned i = 0; i < old.nr_ranges; i++) {
        uint64_t s = old.range[i].start, e = old.range[i].end;

        if (end <= s || start >= e) {
            add_range(p, s, e);
        } else {
            add_range(p, s, start > s ? start : s);
            add_range(p, end < e ? end : e, e);
        }
    }
}

/* plat_mem_range() promises ascending ranges; loaders mostly do. */
static void sort_ranges(struct plat *p)
{
    for (unsigned i = 1; i < p->nr_ranges; i++) {
        for (unsigned j = i; j > 0; j--) {
            uint64_t s = p->range[j].start, e = p->range[j].end;

            if (p->range[j - 1].start <= s) {
                break;
            }
            p->range[j] = p->range[j - 1];
            p->range[j - 1].start = s;
            p->range[j - 1].end = e;
        }
    }
}

static void find_memory(struct plat *p, const struct mb_info *mb)
{
    uint32_t at = mb->mmap_addr, end = mb->mmap_addr + mb->mmap_length;

    if (!(mb->flags & MB_HAS_MMAP)) {
        die("the loader gave no memory map");
    }
    while (at < end) {
        const struct mb_mmap *m = (const void *)(uintptr_t)at;

        if (m->type == MB_MEMORY_RAM && m->addr < METAL_RAM_END) {
            add_range(p, m->addr,
                      m->len < METAL_RAM_END - m->addr ? m->addr + m->len
                                                       : METAL_RAM_END);
        }
        at += m->size + 4;
    }
    sort_ranges(p);
    cut_range(p, (uintptr_t)__image_start, (uintptr_t)__image_end);
}

/* "file arguments": the arguments. */
static void take_cmdline(const char *string)
{
    size_t len = 0;

    while (*string != '\0' && *string != ' ') {
        string++;
    }
    while (*string == ' ') {
        string++;
    }
    while (string[len] != '\0' && len < CMDLINE_MAX - 1) {
        cmdline[len] = string[len];
        len++;
    }
    cmdline[len] = '\0';
}

static void find_image(struct plat *p, const struct mb_info *mb,
                       struct hv_boot *boot)
{
    const struct mb_module *mod = (const void *)(uintptr_t)mb->mods_addr;

    if (!(mb->flags & MB_HAS_MODULES) || mb->mods_count == 0) {
        die("no module: the control domain's image is missing");
    }
    if (mod->end < mod->start) {
        die("the module ends before it begins");
    }
    if (mod->string != 0) {
        take_cmdline((const char *)(uintptr_t)mod->string);
    }
    boot->image = (const void *)(uintptr_t)mod->start;
    boot->image_len = mod->end - mod->start;
    boot->cmdline = cmdline;
    boot->vcpus = 1;
    cut_range(p, mod->start, mod->end);
}

_Noreturn void metal_main(uint32_t magic, uint32_t info_pa)
{
    struct plat *p = &metal_plat;
    struct mb_info mb;
    struct hv_boot boot;
    struct hv *hv;

    console_init();
    trap_init();
    if (magic != MB_MAGIC) {
        die("not started by a multiboot loader");
    }
    memcpy(&mb, (const void *)(uintptr_t)info_pa, sizeof(mb));
    memset(&boot, 0, sizeof(boot));
    find_memory(p, &mb);
    find_image(p, &mb, &boot);
    if (!apic_init()) {
        die("no local APIC in xAPIC mode");
    }
    if (!clock_init(p)) {
        die("the PIT does not count: no clock");
    }
    hv = hv_create(p, &boot);
    if (hv == NULL) {
        power_off(POWER_FAILED);
    }
    hv_cpu_loop(hv);
}
