/*
 * Snapshots of an arena, restored by dirty pages. Pages are write-protected;
 * the first store to one faults, and the handler marks it and makes it
 * writable, so that plain C stores count. Under ASan the arena's shadow is
 * tracked the same way: poison is state too.
 *
 * States of a page while a snapshot lives:
 *
 *            store (track_fault)            restore: copied, protected
 *   CLEAN ------------------------> DIRTY ------------------------> CLEAN
 *     ^                               |
 *     |                               | restore: dirty twice in a row
 *     |  HOT_IDLE restores            v
 *     `--- without a change -------- HOT  writable for good, compared and
 *                                         copied at each restore
 *
 * Invariants:
 *  1. A CLEAN page equals its copy and is read-only, unless `all_dirty`.
 *  2. A DIRTY page is writable and listed once in dirty[]; HOT likewise.
 *  3. `all_dirty`: everything is writable, and a restore compares it all.
 *  4. The handler runs on a stack outside every arena: the fault may well be
 *     a push onto a protected coroutine stack.
 */
#include "sim/arena.h"
#include "sim/arena_impl.h"
#include "sim/defined.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum page_state { CLEAN, DIRTY, HOT };

#define HOT_IDLE 16 /* restores */
/* Clean pages between two dirty ones that one mprotect() may bridge. */
#define BRIDGE_MAX 16
#define SIGNAL_STACK_BYTES (128UL << 10)
#define REGISTRY_MAX 1024

struct snapshot {
    struct arena *arena; /* NULL once retired */
};

/*
 * The one piece of process-wide mutable state in sim/: a signal handler is
 * process-wide and gets no argument but the address. It decides nothing: it
 * maps a faulting address to the track that it lies in.
 *
 * Slots are written under `lock` and read by handlers without it: a thread
 * only ever faults in arenas that it runs, whose slots don't change then.
 */
static struct arena_registry {
    pthread_mutex_t lock;
    bool installed;
    struct sigaction former;
    atomic_int chaining;
    struct {
        atomic_size_t len; /* 0: free */
        _Atomic(uintptr_t) base;
        _Atomic(struct track *) track;
    } slots[REGISTRY_MAX];
    atomic_uint used; /* slots at and past it were never used */
} arena_registry = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* -- Pages --------------------------------------------------------------- */

static void page_copy(uint8_t *dst, const uint8_t *src)
{
    size_t n = ARENA_PAGE;

    /* Not memcpy(): ASan's looks at the poison. */
    __asm__ volatile("rep movsb" : "+D"(dst), "+S"(src), "+c"(n) : : "memory");
}

ARENA_UNCHECKED static bool page_equal(const uint8_t *a, const uint8_t *b)
{
    const uint64_t *x = (const uint64_t *)a, *y = (const uint64_t *)b;

    for (size_t i = 0; i < ARENA_PAGE / 8; i += 4) {
        if (((x[i] ^ y[i]) | (x[i + 1] ^ y[i + 1]) | (x[i + 2] ^ y[i + 2]) |
             (x[i + 3] ^ y[i + 3])) != 0) {
            return false;
        }
    }
    return true;
}

/* Memcheck takes the dead part of every coroutine's stack for inaccessible,
 * and so parts that a restore brings back to life. */
static void track_expose(struct track *t)
{
#ifdef SIM_MEMCHECK
    if (RUNNING_ON_VALGRIND) {
        (void)VALGRIND_MAKE_MEM_DEFINED(t->base, t->pages * ARENA_PAGE);
    }
#else
    (void)t;
#endif
}

static bool track_protect(struct track *t, size_t first, size_t n, int prot)
{
    return mprotect(t->base + first * ARENA_PAGE, n * ARENA_PAGE, prot) == 0;
}

/* Out of mappings, or too much written to follow: invariant 3. One mapping
 * again, which can't fail for want of mappings. */
static void track_give_up(struct track *t)
{
    if (!track_protect(t, 0, t->pages, PROT_READ | PROT_WRITE)) {
        arena_die("mprotect failed", t->pages);
    }
    t->all_dirty = true;
}

/* From the handler. False: not ours. */
static bool track_fault(struct track *t, uintptr_t addr)
{
    size_t page = (addr - (uintptr_t)t->base) / ARENA_PAGE;

    if (!t->copy || t->all_dirty || page >= t->pages ||
        t->state[page] != CLEAN) {
        return false;
    }
    if (t->nr_dirty == TRACK_DIRTY_MAX ||
        !track_protect(t, page, 1, PROT_READ | PROT_WRITE)) {
        track_give_up(t);
        return true;
    }
    t->state[page] = DIRTY;
    t->dirty[t->nr_dirty++] = (uint32_t)page;
    return true;
}

/* -- The handler --------------------------------------------------------- */

static struct track *registry_find(uintptr_t addr)
{
    unsigned used = atomic_load(&arena_registry.used);

    for (unsigned i = 0; i < used; i++) {
        size_t len = atomic_load(&arena_registry.slots[i].len);
        uintptr_t base = atomic_load(&arena_registry.slots[i].base);

        if (addr - base < len) {
            return atomic_load(&arena_registry.slots[i].track);
        }
    }
    return NULL;
}

/* What would have happened without us. */
static void fault_chain(int sig, siginfo_t *info, void *context)
{
    const struct sigaction *former = &arena_registry.former;
    bool again = atomic_exchange(&arena_registry.chaining, 1) != 0;

    if (!again && (former->sa_flags & SA_SIGINFO)) {
        former->sa_sigaction(sig, info, context);
    } else if (!again && former->sa_handler != SIG_DFL &&
               former->sa_handler != SIG_IGN) {
        former->sa_handler(sig);
    } else {
        /* Blocked until we return, and then deadly at the culprit. */
        signal(sig, SIG_DFL);
        raise(sig);
    }
    atomic_store(&arena_registry.chaining, 0);
}

ARENA_UNCHECKED static void fault_handler(int sig, siginfo_t *info,
                                          void *context)
{
    int saved_errno = errno;
    uintptr_t addr = (uintptr_t)info->si_addr;
    struct track *t = info->si_code > 0 ? registry_find(addr) : NULL;

    if (!t || !track_fault(t, addr)) {
        fault_chain(sig, info, context);
    }
    errno = saved_errno;
}

/* Each time, for others install handlers too: ours goes in front. */
static bool handler_install(void)
{
    struct sigaction now, ours = {.sa_sigaction = fault_handler,
                                  .sa_flags = SA_SIGINFO | SA_ONSTACK};

    sigfillset(&ours.sa_mask);
    if (sigaction(SIGSEGV, NULL, &now) != 0) {
        return false;
    }
    if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == fault_handler) {
        return true;
    }
    arena_registry.former = now;
    return sigaction(SIGSEGV, &ours, NULL) == 0;
}

static bool registry_add(struct track *t)
{
    bool ok;

    pthread_mutex_lock(&arena_registry.lock);
    ok = handler_install();
    for (unsigned i = 0; ok && i < REGISTRY_MAX; i++) {
        if (atomic_load(&arena_registry.slots[i].len) != 0) {
            continue;
        }
        atomic_store(&arena_registry.slots[i].base, (uintptr_t)t->base);
        atomic_store(&arena_registry.slots[i].track, t);
        atomic_store(&arena_registry.slots[i].len, t->max_pages * ARENA_PAGE);
        if (i >= atomic_load(&arena_registry.used)) {
            atomic_store(&arena_registry.used, i + 1);
        }
        pthread_mutex_unlock(&arena_registry.lock);
        return true;
    }
    pthread_mutex_unlock(&arena_registry.lock);
    return false;
}

static void registry_remove(struct track *t)
{
    pthread_mutex_lock(&arena_registry.lock);
    for (unsigned i = 0; i < REGISTRY_MAX; i++) {
        if (atomic_load(&arena_registry.slots[i].len) != 0 &&
            atomic_load(&arena_registry.slots[i].track) == t) {
            atomic_store(&arena_registry.slots[i].len, 0);
        }
    }
    pthread_mutex_unlock(&arena_registry.lock);
}

static bool within(const struct arena *a, const void *p)
{
    return (uintptr_t)p - (uintptr_t)a->base < a->reserve;
}

bool arena_thread_prepare(struct arena *a)
{
    stack_t now, own = {.ss_size = SIGNAL_STACK_BYTES};
    uint8_t *p;

    if (sigaltstack(NULL, &now) != 0) {
        return false;
    }
    if (!(now.ss_flags & SS_DISABLE) && now.ss_size >= SIGNAL_STACK_BYTES / 8 &&
        !within(a, now.ss_sp)) {
        return true;
    }
    /* One a thread, kept until the process ends: a handler may be on it. */
    p = mmap(NULL, SIGNAL_STACK_BYTES + ARENA_PAGE, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || mprotect(p, ARENA_PAGE, PROT_NONE) != 0) {
        return false;
    }
    own.ss_sp = p + ARENA_PAGE;
    return sigaltstack(&own, NULL) == 0;
}

/* -- Tracking ------------------------------------------------------------ */

static void track_end(struct track *t)
{
    if (t->copy) {
        registry_remove(t);
        track_give_up(t);
        munmap(t->copy, t->max_pages * ARENA_PAGE);
    }
    free(t->state);
    free(t->idle);
    free(t->last);
    t->copy = t->state = t->idle = NULL;
    t->last = NULL;
    t->nr_dirty = t->nr_hot = 0;
    t->all_dirty = false;
    t->restores = 0;
}

static bool track_begin(struct track *t)
{
    uint8_t *copy =
        mmap(NULL, t->max_pages * ARENA_PAGE, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    t->state = calloc(t->max_pages, sizeof(*t->state));
    t->idle = calloc(t->max_pages, sizeof(*t->idle));
    t->last = calloc(t->max_pages, sizeof(*t->last));
    if (copy == MAP_FAILED || !t->state || !t->idle || !t->last ||
        !registry_add(t)) {
        if (copy != MAP_FAILED) {
            munmap(copy, t->max_pages * ARENA_PAGE);
        }
        track_end(t);
        return false;
    }
    track_expose(t);
    for (size_t i = 0; i < t->pages; i++) {
        /* The copy's untouched pages are zero, and stay uncommitted. */
        if (!page_equal(t->base + i * ARENA_PAGE, copy + i * ARENA_PAGE)) {
            page_copy(copy + i * ARENA_PAGE, t->base + i * ARENA_PAGE);
        }
    }
    t->copy = copy;
    t->restores = 1;
    if (!track_protect(t, 0, t->pages, PROT_READ)) {
        track_give_up(t);
    }
    return true;
}

static size_t track_restore_all(struct track *t)
{
    size_t copied = 0;

    for (size_t i = 0; i < t->pages; i++) {
        uint8_t *page = t->base + i * ARENA_PAGE;

        t->state[i] = CLEAN;
        if (!page_equal(page, t->copy + i * ARENA_PAGE)) {
            page_copy(page, t->copy + i * ARENA_PAGE);
            copied++;
        }
    }
    t->nr_hot = t->nr_dirty = 0;
    t->all_dirty = !track_protect(t, 0, t->pages, PROT_READ);
    if (t->all_dirty) {
        track_give_up(t);
    }
    return copied;
}

/* Copies hot pages that changed; those long unchanged turn DIRTY, for the
 * caller to protect with the rest. */
static size_t track_restore_hot(struct track *t)
{
    size_t kept = 0, copied = 0;

    for (size_t i = 0; i < t->nr_hot; i++) {
        uint32_t page = t->hot[i];
        uint8_t *at = t->base + page * ARENA_PAGE;
        uint8_t *from = t->copy + page * ARENA_PAGE;

        if (!page_equal(at, from)) {
            page_copy(at, from);
            copied++;
            t->idle[page] = 0;
        } else if (++t->idle[page] >= HOT_IDLE &&
                   t->nr_dirty < TRACK_DIRTY_MAX) {
            t->state[page] = DIRTY;
            t->last[page] = 0;
            t->dirty[t->nr_dirty++] = page;
            continue;
        }
        t->hot[kept++] = page;
    }
    t->nr_hot = kept;
    return copied;
}

static int compare_pages(const void *x, const void *y)
{
    uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;

    return (a > b) - (a < b);
}

static bool clean_between(const struct track *t, size_t first, size_t end)
{
    if (end - first > BRIDGE_MAX) {
        return false;
    }
    while (first < end && t->state[first] == CLEAN) {
        first++;
    }
    return first == end;
}

/* dirty[0 .. n) are CLEAN again: read-only, in as few calls as may be. */
static bool track_protect_list(struct track *t, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t first = t->dirty[i], end = first + 1;

        for (i++; i < n && clean_between(t, end, t->dirty[i]); i++) {
            end = t->dirty[i] + 1;
        }
        if (!track_protect(t, first, end - first, PROT_READ)) {
            return false;
        }
    }
    return true;
}

static size_t track_restore(struct track *t)
{
    size_t copied, cold = 0;

    t->restores++;
    if (t->all_dirty) {
        return track_restore_all(t);
    }
    copied = t->nr_dirty;
    for (size_t i = 0; i < t->nr_dirty; i++) {
        page_copy(t->base + t->dirty[i] * ARENA_PAGE,
                  t->copy + t->dirty[i] * ARENA_PAGE);
    }
    copied += track_restore_hot(t);
    if (t->nr_dirty > 1) {
        qsort(t->dirty, t->nr_dirty, sizeof(t->dirty[0]), compare_pages);
    }
    for (size_t i = 0; i < t->nr_dirty; i++) {
        uint32_t page = t->dirty[i];

        if (t->last[page] + 1 == t->restores && t->nr_hot < TRACK_HOT_MAX) {
            t->state[page] = HOT;
            t->idle[page] = 0;
            t->hot[t->nr_hot++] = page;
        } else {
            t->state[page] = CLEAN;
            t->last[page] = t->restores;
            t->dirty[cold++] = page;
        }
    }
    t->nr_dirty = 0;
    if (!track_protect_list(t, cold)) {
        track_give_up(t);
    }
    return copied;
}

static void track_grow(struct track *t, size_t pages, bool accessible)
{
    int prot = t->copy && !t->all_dirty ? PROT_READ : PROT_READ | PROT_WRITE;

    if ((!accessible || prot == PROT_READ) &&
        !track_protect(t, t->pages, pages - t->pages, prot)) {
        arena_die("mprotect failed", pages);
    }
    t->pages = pages;
}

void arena_commit(struct arena *a, size_t bytes)
{
    size_t pieces = (bytes + ARENA_COMMIT - 1) / ARENA_COMMIT;
    size_t pages = pieces * (ARENA_COMMIT / ARENA_PAGE);

    if (pages <= a->mem.pages) {
        return;
    }
    track_grow(&a->mem, pages, false);
    if (a->shadow.base) {
        track_grow(&a->shadow, pages * a->shadow.max_pages / a->mem.max_pages,
                   true);
    }
}

void arena_touch(void *p, size_t len)
{
    volatile uint8_t *at = p;

    for (size_t i = 0; i < len; i += ARENA_PAGE) {
        at[i] = at[i];
    }
    if (len > 0) {
        at[len - 1] = at[len - 1];
    }
}

/* -- Snapshots ----------------------------------------------------------- */

void arena_snapshot_retire(struct arena *a)
{
    if (a->snapshot) {
        track_end(&a->mem);
        track_end(&a->shadow);
        a->snapshot->arena = NULL;
        a->snapshot = NULL;
    }
}

struct snapshot *arena_snapshot(struct arena *a)
{
    struct snapshot *s = calloc(1, sizeof(*s));

    if (!s || within(a, __builtin_frame_address(0)) ||
        !arena_thread_prepare(a)) {
        fprintf(stderr, "ringside: arena: can't take a snapshot: %s\n",
                !s ? "no memory" : "called from inside the machine");
        free(s);
        return NULL;
    }
    arena_snapshot_retire(a);
    if (!track_begin(&a->mem) || (a->shadow.base && !track_begin(&a->shadow))) {
        track_end(&a->mem);
        fprintf(stderr, "ringside: arena: can't take a snapshot: "
                        "no memory for a copy\n");
        free(s);
        return NULL;
    }
    s->arena = a;
    a->snapshot = s;
    return s;
}

void arena_restore(struct arena *a, struct snapshot *s)
{
    if (!s || s->arena != a || !arena_thread_prepare(a)) {
        arena_die("restore of a snapshot that was replaced", 0);
    }
    track_expose(&a->mem);
    a->last_restore_pages = track_restore(&a->mem);
    if (a->shadow.base) {
        track_restore(&a->shadow);
    }
}

void snapshot_free(struct snapshot *s)
{
    if (s) {
        if (s->arena) {
            arena_snapshot_retire(s->arena);
        }
        free(s);
    }
}
