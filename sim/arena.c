/*
 * The arena's allocator: size classes carved from chunks, page runs for all
 * else. Its own records lie in the arena, so that a restore undoes
 * allocations too.
 *
 *   [ heap | chunk or run | run | ... | -> top ... committed ... reserve ]
 *
 * Invariants:
 *  1. [0, top) is handed out or on a free list; [top, reserve) has never been
 *     used since creation (or is zero again after a restore).
 *  2. Free runs are in ascending order, apart (neighbours are merged).
 *  3. A block's head lies directly below it, and at least ARENA_REDZONE bytes
 *     follow it. Under ASan both, and all that is free, are poisoned.
 *  4. What is handed out is zero.
 */
#include "sim/arena.h"
#include "sim/arena_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if ARENA_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#endif

#define ARENA_REDZONE 16UL
#define ARENA_CHUNK (64UL << 10)
/* Classes: 64, 96, 128, 192, ... bytes, two to a doubling. */
#define ARENA_CLASSES 19
#define ARENA_CLASS_MAX (32UL << 10)
#define ARENA_ALIGN (2UL << 20)

#define BLOCK_LIVE 0x4556494c4b4c42ULL
#define BLOCK_FREE 0x454552464b4c42ULL

/* Directly below every block. The links of free slots and runs overlay the
 * first two fields, never the magic. */
struct head {
    size_t unused;
    size_t size; /* as asked for */
    uint64_t magic;
    uint8_t *start; /* of the slot or run that holds head and block */
    size_t span;    /* length of the run; 0: a slot of class `cls` */
    size_t cls;
};
_Static_assert(sizeof(struct head) % 16 == 0, "keeps blocks aligned");

struct slot {
    struct slot *next;
};

struct run {
    struct run *next;
    size_t bytes;
};

/* At the arena's first byte. */
struct heap {
    size_t top;
    uint8_t *chunk; /* rest of the chunk that slots are carved from */
    size_t chunk_len;
    struct slot *slots[ARENA_CLASSES];
    struct run *runs;
};

_Noreturn void arena_die(const char *what, size_t n)
{
    fprintf(stderr, "ringside: arena: %s (%zu)\n", what, n);
    abort();
}

static size_t round_up(size_t n, size_t align)
{
    return (n + align - 1) & ~(align - 1);
}

static struct heap *arena_heap(const struct arena *a)
{
    return (struct heap *)a->base;
}

/* In pieces: for a long range ASan would map its shadow anew, and with it
 * lose the write protection that a snapshot relies on. */
static void arena_poison(void *p, size_t len, bool poison)
{
#if ARENA_ASAN
    const size_t piece = 64UL << 10;

    for (size_t at = 0; at < len; at += piece) {
        size_t n = len - at < piece ? len - at : piece;

        if (poison) {
            __asan_poison_memory_region((char *)p + at, n);
        } else {
            __asan_unpoison_memory_region((char *)p + at, n);
        }
    }
#else
    (void)p;
    (void)len;
    (void)poison;
#endif
}

/* Reading first keeps pages that were never written out of memory, and out
 * of the next restore. */
static void zero_fill(uint8_t *p, size_t len)
{
    while (len > 0) {
        size_t n = ARENA_PAGE - ((uintptr_t)p & (ARENA_PAGE - 1));

        n = n < len ? n : len;
        if (p[0] != 0 || memcmp(p, p + 1, n - 1) != 0) {
            memset(p, 0, n);
        }
        p += n;
        len -= n;
    }
}

/* -- Runs of pages ------------------------------------------------------- */

/* First fit; NULL if no free run is long enough. */
ARENA_UNCHECKED static uint8_t *run_take(struct heap *h, size_t bytes)
{
    for (struct run **link = &h->runs; *link; link = &(*link)->next) {
        struct run *r = *link;

        if (r->bytes < bytes) {
            continue;
        }
        if (r->bytes > bytes) {
            struct run *rest = (struct run *)((uint8_t *)r + bytes);

            rest->next = r->next;
            rest->bytes = r->bytes - bytes;
            *link = rest;
        } else {
            *link = r->next;
        }
        return (uint8_t *)r;
    }
    return NULL;
}

ARENA_UNCHECKED static void run_give(struct heap *h, uint8_t *p, size_t bytes)
{
    struct run **link = &h->runs, *prev = NULL, *r = (struct run *)p;

    while (*link && (uint8_t *)*link < p) {
        prev = *link;
        link = &prev->next;
    }
    r->next = *link;
    r->bytes = bytes;
    *link = r;
    if (r->next == (struct run *)(p + bytes)) {
        r->bytes += r->next->bytes;
        r->next = r->next->next;
    }
    if (prev && (uint8_t *)prev + prev->bytes == p) {
        prev->bytes += r->bytes;
        prev->next = r->next;
    }
}

/* Zero, not poisoned. */
static uint8_t *pages_take(struct arena *a, size_t bytes)
{
    struct heap *h = arena_heap(a);
    uint8_t *p;

    if (bytes == 0 || bytes > a->reserve) {
        arena_die("no room for a block of so many bytes", bytes);
    }
    bytes = round_up(bytes, ARENA_PAGE);
    p = run_take(h, bytes);
    if (p) {
        arena_poison(p, bytes, false);
        zero_fill(p, bytes);
        return p;
    }
    if (bytes > a->reserve - h->top) {
        arena_die("machine outgrew its reserve of so many bytes", a->reserve);
    }
    arena_commit(a, h->top + bytes);
    p = a->base + h->top;
    h->top += bytes;
    return p;
}

static void pages_give(struct arena *a, uint8_t *p, size_t bytes)
{
    bytes = round_up(bytes, ARENA_PAGE);
    if (p < a->base + ARENA_PAGE || ((uintptr_t)p & (ARENA_PAGE - 1)) ||
        bytes > arena_heap(a)->top ||
        p > a->base + arena_heap(a)->top - bytes) {
        arena_die("pages freed that it never gave", bytes);
    }
    run_give(arena_heap(a), p, bytes);
    arena_poison(p, bytes, true);
}

void *arena_pages(struct arena *a, size_t bytes)
{
    return pages_take(a, bytes);
}

void arena_pages_free(struct arena *a, void *pages, size_t bytes)
{
    if (pages) {
        pages_give(a, pages, bytes);
    }
}

/* -- Blocks --------------------------------------------------------------- */

static size_t class_size(size_t cls)
{
    return (cls & 1 ? 96UL : 64UL) << (cls / 2);
}

static size_t class_of(size_t total)
{
    size_t cls = 0;

    while (class_size(cls) < total) {
        cls++;
    }
    return cls;
}

ARENA_UNCHECKED static uint8_t *slot_pop(struct heap *h, size_t cls)
{
    struct slot *s = h->slots[cls];

    if (s) {
        h->slots[cls] = s->next;
    }
    return (uint8_t *)s;
}

ARENA_UNCHECKED static void slot_push(struct heap *h, size_t cls, uint8_t *p)
{
    struct slot *s = (struct slot *)p;

    s->next = h->slots[cls];
    h->slots[cls] = s;
}

static uint8_t *slot_take(struct arena *a, size_t cls)
{
    struct heap *h = arena_heap(a);
    size_t len = class_size(cls);
    uint8_t *p = slot_pop(h, cls);

    if (p) {
        return p;
    }
    if (h->chunk_len < len) {
        /* The rest of the old chunk is too short for this class: it goes to
         * the classes that it still holds. */
        for (size_t c = cls; c-- > 0;) {
            while (h->chunk_len >= class_size(c)) {
                slot_push(h, c, h->chunk);
                h->chunk += class_size(c);
                h->chunk_len -= class_size(c);
            }
        }
        h->chunk = pages_take(a, ARENA_CHUNK);
        h->chunk_len = ARENA_CHUNK;
        arena_poison(h->chunk, ARENA_CHUNK, true);
    }
    p = h->chunk;
    h->chunk += len;
    h->chunk_len -= len;
    return p;
}

void *arena_alloc(struct arena *a, size_t size, size_t align)
{
    struct head head = {.magic = BLOCK_LIVE, .size = size};
    size_t total;
    uint8_t *p;

    align = align < 16 ? 16 : align;
    if ((align & (align - 1)) || size > a->reserve || align > a->reserve) {
        arena_die("no room for a block of so many bytes", size);
    }
    total = sizeof(head) + size + ARENA_REDZONE;
    total += align > 16 ? align - 16 : 0;
    if (total <= ARENA_CLASS_MAX) {
        head.cls = class_of(total);
        total = class_size(head.cls);
        head.start = slot_take(a, head.cls);
    } else {
        head.span = total = round_up(total, ARENA_PAGE);
        head.start = pages_take(a, total);
    }
    p = (uint8_t *)round_up((uintptr_t)head.start + sizeof(head), align);
    arena_poison(head.start, total, true);
    arena_poison(p - sizeof(head), sizeof(head) + size, false);
    *((struct head *)p - 1) = head;
    arena_poison(p - sizeof(head), sizeof(head), true);
    if (head.span == 0) {
        memset(p, 0, size);
    }
    return p;
}

void arena_free(struct arena *a, void *block)
{
    struct head *at = (struct head *)block - 1, head;

    if (!block) {
        return;
    }
    if ((uint8_t *)at < a->base ||
        (uint8_t *)block > a->base + arena_heap(a)->top) {
        arena_die("freed block is not of this arena", 0);
    }
    arena_poison(at, sizeof(*at), false);
    head = *at;
    if (head.magic != BLOCK_LIVE) {
        arena_die(head.magic == BLOCK_FREE ? "block freed twice"
                                           : "block's head overwritten",
                  head.size);
    }
    at->magic = BLOCK_FREE;
    if (head.span) {
        pages_give(a, head.start, head.span);
    } else {
        slot_push(arena_heap(a), head.cls, head.start);
        arena_poison(head.start, class_size(head.cls), true);
    }
}

/* -- Life ------------------------------------------------------------------ */

static void asan_begin(struct arena *a)
{
#if ARENA_ASAN
    size_t scale, offset;

    __asan_get_shadow_mapping(&scale, &offset);
    a->shadow.base = (uint8_t *)(((uintptr_t)a->base >> scale) + offset);
    a->shadow.max_pages = a->mem.max_pages >> scale;
    /* What only a machine points to (a host file's buffers) is no leak. */
    __lsan_register_root_region(a->base, a->reserve);
#else
    (void)a;
#endif
}

static void asan_end(struct arena *a)
{
#if ARENA_ASAN
    __lsan_unregister_root_region(a->base, a->reserve);
    /* Whoever gets these addresses next finds them unpoisoned. */
    madvise(a->shadow.base, a->shadow.max_pages * ARENA_PAGE, MADV_DONTNEED);
#else
    (void)a;
#endif
}

struct arena *arena_create(size_t reserve)
{
    struct arena *a = calloc(1, sizeof(*a));

    if (!a) {
        return NULL;
    }
    a->reserve = round_up(reserve + ARENA_PAGE, ARENA_COMMIT);
    a->mapping_len = a->reserve + ARENA_ALIGN;
    a->mapping = mmap(NULL, a->mapping_len, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (a->mapping == MAP_FAILED) {
        free(a);
        return NULL;
    }
    a->base = (uint8_t *)round_up((uintptr_t)a->mapping, ARENA_ALIGN);
    /* Protection is by 4 KiB page; huge pages would be split each time. */
    madvise(a->mapping, a->mapping_len, MADV_NOHUGEPAGE);
    a->mem.base = a->base;
    a->mem.max_pages = a->reserve / ARENA_PAGE;
    asan_begin(a);
    arena_commit(a, ARENA_PAGE);
    arena_heap(a)->top = ARENA_PAGE;
    return a;
}

void arena_destroy(struct arena *a)
{
    if (!a) {
        return;
    }
    arena_snapshot_retire(a);
    asan_end(a);
    munmap(a->mapping, a->mapping_len);
    free(a);
}

size_t arena_last_restore_pages(const struct arena *a)
{
    return a->last_restore_pages;
}

size_t arena_used(const struct arena *a)
{
    return arena_heap(a)->top;
}
