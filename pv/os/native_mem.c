/*
 * Memory of native guests: private (the machine's heap), RAM and space.
 *
 * Invariants:
 *  1. RAM is what the memory map of start_info says, without page 0, the
 *     program text, start_info and what it points to, and the frames that
 *     the builder keeps for xenstore and console.
 *  2. Space lies above everything the memory map names below 1 GiB, and
 *     below 1 GiB.
 */
#include "pv/os/native_impl.h"

#include <xen/arch-x86/hvm/start_info.h>

#define MEMMAP_MAX 64u

void *os_malloc(struct os *os, size_t size)
{
    return native_alloc(os->n, size);
}

void os_free(struct os *os, void *p)
{
    native_free(os->n, p);
}

void guest_reserve(struct guest *g, uint64_t addr, uint64_t bytes)
{
    uint64_t last = (addr + bytes + OS_PAGE_SIZE - 1) / OS_PAGE_SIZE;

    for (uint64_t p = addr / OS_PAGE_SIZE; p < last && p < g->ram_pages;
         p++) {
        g->ram_used[p] = 1;
    }
}

static void add_ram(struct guest *g, const struct hvm_memmap_table_entry *e)
{
    uint64_t p = (e->addr + OS_PAGE_SIZE - 1) / OS_PAGE_SIZE;

    for (; p < (e->addr + e->size) / OS_PAGE_SIZE && p < g->ram_pages; p++) {
        g->ram_used[p] = 0;
    }
}

static void reserve_info(struct native *n, struct guest *g, uint64_t at,
                         const struct hvm_start_info *info)
{
    guest_reserve(g, 0, OS_PAGE_SIZE);
    guest_reserve(g, NATIVE_TEXT,
                  (uint64_t)NATIVE_MAX * NATIVE_SLOT_BYTES);
    guest_reserve(g, at, sizeof(*info));
    guest_reserve(g, info->memmap_paddr,
                  info->memmap_entries *
                      sizeof(struct hvm_memmap_table_entry));
    if (info->cmdline_paddr != 0) {
        guest_reserve(g, info->cmdline_paddr, 1);
    }
    for (uint32_t i = 0; i < info->nr_modules && i < MEMMAP_MAX; i++) {
        struct hvm_modlist_entry mod;

        native_read(n, info->modlist_paddr + i * sizeof(mod), &mod,
                    sizeof(mod));
        guest_reserve(g, info->modlist_paddr + i * sizeof(mod), sizeof(mod));
        guest_reserve(g, mod.paddr, mod.size);
    }
}

struct guest *guest_create(struct native *n, uint64_t start_info)
{
    struct hvm_memmap_table_entry map[MEMMAP_MAX];
    struct guest *g = native_alloc(n, sizeof(*g));
    struct hvm_start_info info;
    uint64_t ram_end = 0, end = 0;
    uint32_t entries;

    native_read(n, start_info, &info, sizeof(info));
    if (g == NULL || info.magic != XEN_HVM_START_MAGIC_VALUE ||
        info.version < 1) {
        return NULL;
    }
    entries =
        info.memmap_entries < MEMMAP_MAX ? info.memmap_entries : MEMMAP_MAX;
    native_read(n, info.memmap_paddr, map, entries * sizeof(map[0]));
    for (uint32_t i = 0; i < entries; i++) {
        uint64_t to = map[i].addr + map[i].size;

        if (map[i].addr >= GUEST_MAP_BYTES) {
            continue; /* special pages, far above: see map_specials() */
        }
        if (to > GUEST_MAP_BYTES) {
            to = GUEST_MAP_BYTES; /* beyond what is mapped */
        }
        end = to > end ? to : end;
        if (map[i].type == XEN_HVM_MEMMAP_TYPE_RAM && to > ram_end) {
            ram_end = to;
        }
    }
    g->ram_pages = (unsigned)(ram_end / OS_PAGE_SIZE);
    g->ram_used = native_alloc(n, g->ram_pages);
    g->space_first = (unsigned)((end + OS_PAGE_SIZE - 1) / OS_PAGE_SIZE);
    g->space_pages =
        (unsigned)(GUEST_MAP_BYTES / OS_PAGE_SIZE) - g->space_first;
    g->space_used = native_alloc(n, g->space_pages);
    if (g->ram_used == NULL || g->space_used == NULL) {
        return NULL;
    }
    memset(g->ram_used, 1, g->ram_pages);
    memset(g->space_used, 0, g->space_pages);
    for (uint32_t i = 0; i < entries; i++) {
        if (map[i].type == XEN_HVM_MEMMAP_TYPE_RAM) {
            add_ram(g, &map[i]);
        }
    }
    reserve_info(n, g, start_info, &info);
    return g;
}

/* The first run of n free pages, taken; `total` when there is none. */
static unsigned take_run(uint8_t *used, unsigned total, unsigned n)
{
    unsigned run = 0;

    for (unsigned i = 0; i < total && n > 0; i++) {
        run = used[i] ? 0 : run + 1;
        if (run == n) {
            memset(used + i - n + 1, 1, n);
            return i - n + 1;
        }
    }
    return total;
}

uint64_t os_pages_alloc(struct os *os, unsigned n)
{
    static const char zero[OS_PAGE_SIZE];
    struct guest *g = os->g;
    unsigned first = take_run(g->ram_used, g->ram_pages, n);

    if (first == g->ram_pages) {
        return 0;
    }
    for (unsigned i = 0; i < n; i++) {
        os_write(os, (uint64_t)(first + i) * OS_PAGE_SIZE, zero,
                 sizeof(zero));
    }
    return (uint64_t)first * OS_PAGE_SIZE;
}

void os_pages_free(struct os *os, uint64_t addr, unsigned n)
{
    uint64_t first = addr / OS_PAGE_SIZE;

    for (unsigned i = 0; i < n; i++) {
        if (first + i >= os->g->ram_pages || !os->g->ram_used[first + i]) {
            os_panic(os, "os_pages_free: not allocated");
        }
        os->g->ram_used[first + i] = 0;
    }
}

uint64_t os_space_alloc(struct os *os, unsigned n)
{
    struct guest *g = os->g;
    unsigned first = take_run(g->space_used, g->space_pages, n);

    return first == g->space_pages
               ? 0
               : (uint64_t)(g->space_first + first) * OS_PAGE_SIZE;
}

void os_space_free(struct os *os, uint64_t addr, unsigned n)
{
    uint64_t first = addr / OS_PAGE_SIZE - os->g->space_first;

    for (unsigned i = 0; i < n; i++) {
        if (first + i >= os->g->space_pages ||
            !os->g->space_used[first + i]) {
            os_panic(os, "os_space_free: not allocated");
        }
        os->g->space_used[first + i] = 0;
    }
}

uint64_t os_gfn(struct os *os, uint64_t addr)
{
    (void)os;
    return addr / OS_PAGE_SIZE;
}

/* -- Accessors: the processor's ------------------------------------------- */

void os_read(struct os *os, uint64_t addr, void *dst, size_t len)
{
    native_read(os->n, addr, dst, len);
}

void os_write(struct os *os, uint64_t addr, const void *src, size_t len)
{
    native_write(os->n, addr, src, len);
}

#define ACCESSORS(bits)                                                       \
    uint##bits##_t os_load##bits(struct os *os, uint64_t addr)                \
    {                                                                         \
        uint##bits##_t v;                                                     \
                                                                              \
        native_read(os->n, addr, &v, sizeof(v));                              \
        return v;                                                             \
    }                                                                         \
    void os_store##bits(struct os *os, uint64_t addr, uint##bits##_t v)       \
    {                                                                         \
        native_write(os->n, addr, &v, sizeof(v));                             \
    }
ACCESSORS(8)
ACCESSORS(16)
ACCESSORS(32)
ACCESSORS(64)

uint64_t os_cmpxchg(struct os *os, uint64_t addr, unsigned len, uint64_t old,
                    uint64_t new)
{
    return native_cmpxchg(os->n, addr, len, old, new);
}

uint64_t os_xchg(struct os *os, uint64_t addr, unsigned len, uint64_t v)
{
    return native_xchg(os->n, addr, len, v);
}

bool os_test_and_set_bit(struct os *os, uint64_t addr, unsigned bit)
{
    return native_test_and_set_bit(os->n, addr, bit);
}

bool os_test_and_clear_bit(struct os *os, uint64_t addr, unsigned bit)
{
    return native_test_and_clear_bit(os->n, addr, bit);
}

void os_mb(struct os *os)
{
    /* The simulated processor runs accesses in program order, each seen by
     * all at once: there is nothing to order. */
    (void)os;
}
