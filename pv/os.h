/*
 * What a driver knows of the guest it runs in. One source of a driver serves
 * every guest that implements this: native guests of the simulator
 * (pv/os/native.c) and freestanding ones.
 *
 * Two kinds of memory:
 *  - private: plain C pointers, from os_malloc() or the stack; no other
 *    domain and no device can see it;
 *  - guest memory: a guest-linear address (uint64_t), 0 for none. Everything
 *    that is shared with others (rings, grant frames, hypercall arguments)
 *    lies there and is reached with the accessors below, each of which is a
 *    place where the other side may run. Fetch once into a private copy,
 *    validate, then use.
 *
 * A guest is single-threaded a vCPU: handlers run inside os_wait(), never
 * in between. A handler may itself call os_wait(); no handler is entered
 * again while it runs.
 *
 * Errors are 0 or -XEN_E*.
 */
#ifndef PV_OS_H
#define PV_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef __XEN_TOOLS__
#define __XEN_TOOLS__ 1
#endif
#include <xen/xen.h>

#include <xen/errno.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>

#define OS_VERSION 1
#define OS_PAGE_SIZE 4096u
#define OS_FOREVER (~0ULL)

struct os;

domid_t os_domid(struct os *os);
unsigned os_vcpu_id(struct os *os);
/* Virtual nanoseconds since the machine's reset. */
uint64_t os_now_ns(struct os *os);
/* printf subset: %s %d %u %x %c %% with l/ll; one line to the console. */
void os_log(struct os *os, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The driver's own invariant is broken: one line, the domain crashes. */
_Noreturn void os_panic(struct os *os, const char *what);

/* -- Private memory: zeroed, NULL when out ------------------------------- */
void *os_malloc(struct os *os, size_t size);
void os_free(struct os *os, void *p);

/* -- Guest memory ---------------------------------------------------------- */
/* n contiguous zeroed pages of the guest's RAM; 0 when out. */
uint64_t os_pages_alloc(struct os *os, unsigned n);
void os_pages_free(struct os *os, uint64_t addr, unsigned n);
/* n pages of guest-physical space with no memory behind: where grants and
 * foreign frames are mapped. 0 when out. */
uint64_t os_space_alloc(struct os *os, unsigned n);
void os_space_free(struct os *os, uint64_t addr, unsigned n);
/* Guest frame number behind a page address (identity in our runtimes). */
uint64_t os_gfn(struct os *os, uint64_t addr);

void os_read(struct os *os, uint64_t addr, void *dst, size_t len);
void os_write(struct os *os, uint64_t addr, const void *src, size_t len);
uint8_t os_load8(struct os *os, uint64_t addr);
uint16_t os_load16(struct os *os, uint64_t addr);
uint32_t os_load32(struct os *os, uint64_t addr);
uint64_t os_load64(struct os *os, uint64_t addr);
void os_store8(struct os *os, uint64_t addr, uint8_t v);
void os_store16(struct os *os, uint64_t addr, uint16_t v);
void os_store32(struct os *os, uint64_t addr, uint32_t v);
void os_store64(struct os *os, uint64_t addr, uint64_t v);
/* Returns the old value; full barrier; len 2, 4 or 8, aligned. */
uint64_t os_cmpxchg(struct os *os, uint64_t addr, unsigned len, uint64_t old,
                    uint64_t new);
uint64_t os_xchg(struct os *os, uint64_t addr, unsigned len, uint64_t v);
bool os_test_and_set_bit(struct os *os, uint64_t addr, unsigned bit);
bool os_test_and_clear_bit(struct os *os, uint64_t addr, unsigned bit);
void os_mb(struct os *os); /* full barrier; loads and stores above are TSO */

/* -- Hypercalls ------------------------------------------------------------ */
/* Raw: pointers are guest-linear addresses of guest memory. */
int64_t os_hypercall(struct os *os, unsigned nr, uint64_t a1, uint64_t a2,
                     uint64_t a3, uint64_t a4, uint64_t a5);
/* nr(cmd, &arg[, count]) with a private structure: copied into this vCPU's
 * argument page, and back afterwards. len at most OS_ARG_BYTES. Calls with
 * the argument first (domctl, multicall) use os_hypercall with os_arg(). */
#define OS_ARG_BYTES 8192u
int64_t os_call(struct os *os, unsigned nr, unsigned cmd, void *arg,
                size_t len, unsigned count);
/* Address of this vCPU's argument area, OS_ARG_BYTES long, for arguments
 * with pointers inside; valid until the next os_call(). */
uint64_t os_arg(struct os *os);

/* -- Event channels -------------------------------------------------------- */
typedef void os_event_fn(struct os *os, void *ctx, evtchn_port_t port);

int os_evtchn_alloc_unbound(struct os *os, domid_t remote,
                            evtchn_port_t *port);
int os_evtchn_bind_interdomain(struct os *os, domid_t remote,
                               evtchn_port_t remote_port,
                               evtchn_port_t *port);
int os_evtchn_bind_virq(struct os *os, unsigned virq, evtchn_port_t *port);
int os_evtchn_bind_pirq(struct os *os, unsigned pirq, evtchn_port_t *port);
int os_evtchn_close(struct os *os, evtchn_port_t port);
int os_evtchn_send(struct os *os, evtchn_port_t port);
/* fn is called from os_wait() after the port was pending (bit cleared before
 * the call). One handler a port; NULL takes it off. 0 or -XEN_ENOSPC. */
int os_event_handler(struct os *os, evtchn_port_t port, os_event_fn *fn,
                     void *ctx);

/* Dispatches pending handlers; when there was none, sleeps until an event or
 * `timeout_ns` (relative; OS_FOREVER, 0: don't sleep) and dispatches then.
 * Returns the number of handlers run. */
unsigned os_wait(struct os *os, uint64_t timeout_ns);
/* A function called at the end of each os_wait() round (poll-style work). */
typedef void os_poll_fn(struct os *os, void *ctx);
int os_poll_register(struct os *os, os_poll_fn *fn, void *ctx);
void os_poll_unregister(struct os *os, os_poll_fn *fn, void *ctx);

/* -- Grants ---------------------------------------------------------------- */
/* Lets `to` access the frame; *ref out. -XEN_ENOSPC when the table is full.
 * References 0..7 are reserved (grant_table.h). */
int os_grant_access(struct os *os, domid_t to, uint64_t gfn, bool readonly,
                    grant_ref_t *ref);
/* Takes the access back. -XEN_EBUSY while the grantee still uses it: the
 * entry stays. */
int os_grant_end(struct os *os, grant_ref_t ref);
/* Maps n grants of `from` at consecutive pages of fresh space. Each status
 * is a GNTST_*; all or nothing: on any failure the others are unmapped, -1
 * errno is returned and *addr is 0. */
struct os_grant_map {
    uint64_t addr;
    unsigned n;
    grant_handle_t *handles; /* private, os_malloc'ed */
};
int os_grant_map(struct os *os, domid_t from, const grant_ref_t *refs,
                 unsigned n, bool readonly, struct os_grant_map *out);
void os_grant_unmap(struct os *os, struct os_grant_map *map);
/* Grant copies: op[i].status GNTST_* after it. 0 if the call went through. */
int os_grant_copy(struct os *os, struct gnttab_copy *op, unsigned n);
/* Address of grant-table frame `idx` of this guest (hostile tests). */
uint64_t os_grant_table(struct os *os, unsigned idx);

/* -- Storage for backends -------------------------------------------------- */
struct os_disk;
enum os_disk_op { OS_DISK_READ, OS_DISK_WRITE, OS_DISK_FLUSH };
struct os_disk_req {
    enum os_disk_op op;
    uint64_t sector; /* 512-byte units */
    unsigned count;  /* sectors, at most OS_DISK_MAX_SECTORS */
    uint64_t addr;   /* guest memory: count * 512 bytes */
    void (*done)(struct os *os, struct os_disk_req *req, int err);
    void *ctx;
    struct os_disk_req *next; /* the implementation's */
    unsigned tag;
};
#define OS_DISK_MAX_SECTORS 256u
/* Disk `index` of the machine; NULL if there is none or this domain may not
 * touch it. */
struct os_disk *os_disk_open(struct os *os, unsigned index);
void os_disk_close(struct os *os, struct os_disk *d);
uint64_t os_disk_sectors(struct os_disk *d);
bool os_disk_readonly(struct os_disk *d);
/* Queues; done is called from os_wait(), err 0 or -XEN_EIO. Requests of one
 * disk may complete in any order. -XEN_EINVAL out of range. */
int os_disk_submit(struct os *os, struct os_disk *d, struct os_disk_req *req);

#endif
