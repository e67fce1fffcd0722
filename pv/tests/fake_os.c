/*
 * The fake machine: domains, private and guest memory, time, logs.
 *
 * Invariants:
 *  1. page[gfn] is NULL exactly where an access must end the test.
 *  2. A dead domain's tables live until the machine goes, for others may map
 *     its frames.
 */
#include "pv/tests/fake_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pv/lib.h"

void fake_abort(const char *what)
{
    fprintf(stderr, "fake_os: %s\n", what);
    abort();
}

struct fake *fake_create(void)
{
    struct fake *f = calloc(1, sizeof(*f));

    if (f == NULL) {
        fake_abort("out of memory");
    }
    f->now_ns = 1000000;
    return f;
}

static void free_domain(struct os *os)
{
    while (os->allocs.next != &os->allocs) {
        struct fake_block *b = os->allocs.next;

        os->allocs.next = b->next;
        free(b);
    }
    free(os->ram);
    free(os->page);
    free(os->used);
    free(os);
}

void fake_destroy(struct fake *f)
{
    for (unsigned i = 0; i < FAKE_MAX_DOMAINS; i++) {
        if (f->dom[i] != NULL) {
            free_domain(f->dom[i]);
        }
    }
    for (unsigned i = 0; i < f->nr_dead; i++) {
        free_domain(f->dead[i]);
    }
    for (unsigned i = 0; i < FAKE_MAX_DISKS; i++) {
        free(f->disk[i].data);
    }
    free(f);
}

struct os *fake_domain(struct fake *f, domid_t domid, unsigned pages)
{
    struct os *os = calloc(1, sizeof(*os));
    unsigned slot = 0;

    while (slot < FAKE_MAX_DOMAINS && f->dom[slot] != NULL) {
        slot++;
    }
    if (os == NULL || slot == FAKE_MAX_DOMAINS || fake_find(f, domid)) {
        fake_abort("no room for this domain");
    }
    f->dom[slot] = os;
    os->fake = f;
    os->domid = domid;
    os->alive = true;
    os->nr_pages = pages;
    os->ram = calloc(pages, OS_PAGE_SIZE);
    os->page = calloc(pages + FAKE_SPACE, sizeof(*os->page));
    os->used = calloc(pages + FAKE_SPACE, 1);
    os->allocs.next = os->allocs.prev = &os->allocs;
    if (os->ram == NULL || os->page == NULL || os->used == NULL) {
        fake_abort("out of memory");
    }
    for (unsigned i = 1; i < pages; i++) {
        os->page[i] = os->ram + (size_t)i * OS_PAGE_SIZE;
    }
    os->used[0] = 1; /* address 0 is nobody's */
    os->arg = os_pages_alloc(os, OS_ARG_BYTES / OS_PAGE_SIZE);
    os->grant_base = os_pages_alloc(os, FAKE_GRANT_PAGES);
    return os;
}

struct os *fake_find(struct fake *f, domid_t domid)
{
    for (unsigned i = 0; i < FAKE_MAX_DOMAINS; i++) {
        if (f->dom[i] != NULL && f->dom[i]->domid == domid) {
            return f->dom[i];
        }
    }
    return NULL;
}

void fake_domain_shutdown(struct fake *f, domid_t domid, unsigned reason)
{
    struct os *os = fake_find(f, domid);

    os->shutdown = true;
    os->reason = reason;
    fake_raise_virq(f, 0, VIRQ_DOM_EXC);
}

void fake_domain_kill(struct fake *f, domid_t domid)
{
    for (unsigned i = 0; i < FAKE_MAX_DOMAINS; i++) {
        struct os *os = f->dom[i];

        if (os == NULL || os->domid != domid) {
            continue;
        }
        for (unsigned p = 1; p < FAKE_PORTS; p++) {
            fake_port_close(os, p);
        }
        os->alive = false;
        f->dom[i] = NULL;
        f->dead[f->nr_dead++] = os;
        fake_raise_virq(f, 0, VIRQ_DOM_EXC);
    }
}

void fake_advance(struct fake *f, uint64_t ns)
{
    f->now_ns += ns;
}

void fake_set_access_hook(struct fake *f, fake_access_fn *fn, void *ctx)
{
    f->hook = fn;
    f->hook_ctx = ctx;
}

void fake_set_param(struct os *os, unsigned index, uint64_t value)
{
    os->params[index] = value;
}

const char *fake_last_log(struct fake *f)
{
    return f->log;
}

unsigned fake_live_allocs(struct os *os)
{
    return os->live_allocs;
}

unsigned fake_free_pages(struct os *os)
{
    unsigned n = 0;

    for (unsigned i = 0; i < os->nr_pages; i++) {
        n += !os->used[i];
    }
    return n;
}

unsigned fake_open_ports(struct os *os)
{
    unsigned n = 0;

    for (unsigned i = 0; i < FAKE_PORTS; i++) {
        n += os->port[i].state != FAKE_FREE;
    }
    return n;
}

unsigned fake_mappings(struct os *os)
{
    return os->mappings;
}

void fake_fail_malloc(struct os *os, unsigned n)
{
    os->fail_malloc = n;
}

/* -- os.h: identity, time, console, private memory ------------------------- */

domid_t os_domid(struct os *os)
{
    return os->domid;
}

unsigned os_vcpu_id(struct os *os)
{
    (void)os;
    return 0;
}

uint64_t os_now_ns(struct os *os)
{
    return os->fake->now_ns;
}

void os_log(struct os *os, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    lib_vformat(os->fake->log, sizeof(os->fake->log), fmt, ap);
    va_end(ap);
    if (getenv("FAKE_OS_LOG") != NULL) {
        fprintf(stderr, "d%u: %s\n", os->domid, os->fake->log);
    }
}

void os_panic(struct os *os, const char *what)
{
    (void)os;
    fake_abort(what);
}

void *os_malloc(struct os *os, size_t size)
{
    struct fake_block *b;

    if (os->fail_malloc > 0 && --os->fail_malloc == 0) {
        return NULL;
    }
    b = calloc(1, sizeof(*b) + size);
    if (b == NULL) {
        return NULL;
    }
    b->size = size;
    b->next = os->allocs.next;
    b->prev = &os->allocs;
    b->next->prev = b;
    b->prev->next = b;
    os->live_allocs++;
    return b + 1;
}

void os_free(struct os *os, void *p)
{
    struct fake_block *b;

    if (p == NULL) {
        return;
    }
    b = (struct fake_block *)p - 1;
    b->next->prev = b->prev;
    b->prev->next = b->next;
    os->live_allocs--;
    memset(p, 0xa5, b->size); /* uses after this show */
    free(b);
}

/* -- Guest memory ---------------------------------------------------------- */

static uint64_t take_run(struct os *os, unsigned from, unsigned to,
                         unsigned n)
{
    unsigned run = 0;

    for (unsigned i = from; i < to && n > 0; i++) {
        run = os->used[i] ? 0 : run + 1;
        if (run == n) {
            memset(os->used + i - n + 1, 1, n);
            return (uint64_t)(i - n + 1) * OS_PAGE_SIZE;
        }
    }
    return 0;
}

uint64_t os_pages_alloc(struct os *os, unsigned n)
{
    uint64_t addr = take_run(os, 1, os->nr_pages, n);

    if (addr != 0) {
        memset(os->ram + addr, 0, (size_t)n * OS_PAGE_SIZE);
    }
    return addr;
}

static void give_run(struct os *os, uint64_t addr, unsigned n)
{
    uint64_t first = addr / OS_PAGE_SIZE;

    for (unsigned i = 0; i < n; i++) {
        if (!os->used[first + i]) {
            fake_abort("pages freed twice");
        }
        os->used[first + i] = 0;
    }
}

void os_pages_free(struct os *os, uint64_t addr, unsigned n)
{
    give_run(os, addr, n);
}

uint64_t os_space_alloc(struct os *os, unsigned n)
{
    return take_run(os, os->nr_pages, os->nr_pages + FAKE_SPACE, n);
}

void os_space_free(struct os *os, uint64_t addr, unsigned n)
{
    give_run(os, addr, n);
}

uint64_t os_gfn(struct os *os, uint64_t addr)
{
    (void)os;
    return addr / OS_PAGE_SIZE;
}

uint8_t *fake_host(struct os *os, uint64_t addr, size_t len)
{
    uint64_t gfn = addr / OS_PAGE_SIZE, off = addr % OS_PAGE_SIZE;

    if (gfn >= os->nr_pages + FAKE_SPACE || os->page[gfn] == NULL ||
        off + len > OS_PAGE_SIZE) {
        fprintf(stderr, "fake_os: d%u touches 0x%lx\n", os->domid,
                (unsigned long)addr);
        fake_abort("nothing is mapped there");
    }
    return os->page[gfn] + off;
}

static void access(struct os *os, uint64_t addr, void *buf, size_t len,
                   bool write)
{
    struct fake *f = os->fake;

    if (f->hook != NULL && !f->in_hook) {
        f->in_hook = true;
        f->hook(f->hook_ctx, os, addr, len, write);
        f->in_hook = false;
    }
    while (len > 0) {
        size_t piece = OS_PAGE_SIZE - addr % OS_PAGE_SIZE;
        uint8_t *host;

        piece = piece < len ? piece : len;
        host = fake_host(os, addr, piece);
        if (write) {
            memcpy(host, buf, piece);
        } else {
            memcpy(buf, host, piece);
        }
        addr += piece;
        buf = (uint8_t *)buf + piece;
        len -= piece;
    }
}

void os_read(struct os *os, uint64_t addr, void *dst, size_t len)
{
    access(os, addr, dst, len, false);
}

void os_write(struct os *os, uint64_t addr, const void *src, size_t len)
{
    access(os, addr, (void *)(uintptr_t)src, len, true);
}

#define ACCESSORS(bits)                                                       \
    uint##bits##_t os_load##bits(struct os *os, uint64_t addr)                \
    {                                                                         \
        uint##bits##_t v;                                                     \
                                                                              \
        access(os, addr, &v, sizeof(v), false);                               \
        return v;                                                             \
    }                                                                         \
    void os_store##bits(struct os *os, uint64_t addr, uint##bits##_t v)       \
    {                                                                         \
        access(os, addr, &v, sizeof(v), true);                                \
    }
ACCESSORS(8)
ACCESSORS(16)
ACCESSORS(32)
ACCESSORS(64)

uint64_t os_cmpxchg(struct os *os, uint64_t addr, unsigned len, uint64_t old,
                    uint64_t new)
{
    uint64_t now = 0;

    access(os, addr, &now, len, false);
    if (memcmp(&now, &old, len) == 0) {
        memcpy(fake_host(os, addr, len), &new, len);
    }
    return now;
}

uint64_t os_xchg(struct os *os, uint64_t addr, unsigned len, uint64_t v)
{
    uint64_t now = 0;

    access(os, addr, &now, len, false);
    memcpy(fake_host(os, addr, len), &v, len);
    return now;
}

static bool change_bit(struct os *os, uint64_t addr, unsigned bit, bool set)
{
    uint8_t byte, mask = (uint8_t)(1u << bit % 8);

    addr += bit / 8;
    access(os, addr, &byte, 1, false);
    *fake_host(os, addr, 1) =
        (uint8_t)(set ? byte | mask : byte & (uint8_t)~mask);
    return (byte & mask) != 0;
}

bool os_test_and_set_bit(struct os *os, uint64_t addr, unsigned bit)
{
    return change_bit(os, addr, bit, true);
}

bool os_test_and_clear_bit(struct os *os, uint64_t addr, unsigned bit)
{
    return change_bit(os, addr, bit, false);
}

void os_mb(struct os *os)
{
    (void)os;
}
