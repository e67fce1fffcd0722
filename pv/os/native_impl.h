/*
 * Inside os.h for native guests: what its files share.
 *
 * A struct os is one vCPU's; struct guest is the domain's. Both are private
 * memory. A coroutine is switched away from only at crossings (native_*()
 * calls that touch the machine), so an update of private memory with no such
 * call in it is atomic towards the other vCPUs of the guest: the bitmaps and
 * the grant free list need no lock, as long as what they say is true again
 * before each crossing.
 */
#ifndef PV_OS_NATIVE_IMPL_H
#define PV_OS_NATIVE_IMPL_H

#include "pv/os/native.h"

#include "pv/lib.h"
#include "sim/cpu/native.h"

#define GUEST_MAP_BYTES (1ULL << 30) /* identity-mapped */
#define GUEST_GRANT_FRAMES 32u
#define GUEST_GRANTS (GUEST_GRANT_FRAMES * (OS_PAGE_SIZE / 8))
#define OS_HANDLERS 128u /* sched.h: SCHEDOP_poll takes so many ports */
#define OS_POLLS 16u
#define OS_LOG_BYTES 256u

struct guest {
    domid_t domid;
    /* RAM: [0, ram_pages); a byte a page, 1: not to be given out */
    uint8_t *ram_used;
    unsigned ram_pages;
    /* Space without memory: [space_first, GUEST_MAP_BYTES / page) */
    uint8_t *space_used;
    unsigned space_first, space_pages;
    uint64_t shared_info; /* address */
    uint64_t tables;      /* page tables, 4 pages */
    /* Grant table: frame i is mapped at grant_space + i pages. */
    uint64_t grant_space;
    unsigned grant_frames, grant_max;
    grant_ref_t grant_next;            /* never given out from here on */
    grant_ref_t grant_free[GUEST_GRANTS]; /* given back */
    unsigned nr_grant_free;
};

struct handler {
    evtchn_port_t port;
    os_event_fn *fn;
    void *ctx;
    bool running;
};

struct os {
    struct native *n;
    struct machine *m;
    struct guest *g;
    unsigned vcpu;
    int id; /* program */
    uint64_t vcpu_info;
    uint64_t arg; /* OS_ARG_BYTES, and a page for the log and the poll list */
    struct handler handlers[OS_HANDLERS]; /* fn NULL: free */
    uint64_t words[64]; /* ports with a handler that isn't running */
    struct {
        os_poll_fn *fn;
        void *ctx;
    } polls[OS_POLLS];
};

/* What a program starts with. */
struct os_start {
    struct machine *m;
    os_main_fn *main;
    void *arg;
    int id;
    struct guest *g; /* NULL on vCPU 0 */
    unsigned vcpu;
};

static inline uint64_t os_scratch(const struct os *os)
{
    return os->arg + OS_ARG_BYTES;
}

/* native_mem.c */
struct guest *guest_create(struct native *n, uint64_t start_info);
void guest_reserve(struct guest *g, uint64_t addr, uint64_t bytes);
/* native_grant.c */
int grant_setup(struct os *os);
/* native_event.c */
void event_forget(struct os *os, evtchn_port_t port);
/* native.c */
int guest_map_frame(struct os *os, unsigned space, uint64_t idx,
                    uint64_t addr);

#endif
