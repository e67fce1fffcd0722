/*
 * os.h without a hypervisor: a handful of guests in one process, for unit
 * tests of the drivers. Guest memory is pages of the host heap, event
 * channels are pending bits, grants are real version 1 entries in the
 * granter's memory, disks are buffers. Time is virtual.
 *
 * A guest runs when it, or any other, is in os_wait(): there the handlers of
 * every other guest run too, one round at a time, in domid-table order.
 */
#ifndef PV_TESTS_FAKE_OS_H
#define PV_TESTS_FAKE_OS_H

#include "pv/os.h"

#define FAKE_MAX_DOMAINS 16
#define FAKE_MAX_DISKS 4

struct fake;

struct fake *fake_create(void);
void fake_destroy(struct fake *f);

/* A living domain with `pages` of RAM. */
struct os *fake_domain(struct fake *f, domid_t domid, unsigned pages);
struct os *fake_find(struct fake *f, domid_t domid);
/* Shut down: seen by getdomaininfo, VIRQ_DOM_EXC to domain 0. */
void fake_domain_shutdown(struct fake *f, domid_t domid, unsigned reason);
/* Gone: its ports are closed on the other side, its handlers run no more,
 * domctl says -XEN_ESRCH, VIRQ_DOM_EXC to domain 0. Its memory stays for
 * those who map it. The domid may be made anew. */
void fake_domain_kill(struct fake *f, domid_t domid);

/* Handlers of all guests, until nothing is pending. Returns how many ran. */
unsigned fake_run(struct fake *f);
void fake_advance(struct fake *f, uint64_t ns);
void fake_raise_virq(struct fake *f, domid_t domid, unsigned virq);
/* Called before each access to guest memory: the other side's chance. */
typedef void fake_access_fn(void *ctx, struct os *os, uint64_t addr,
                            size_t len, bool write);
void fake_set_access_hook(struct fake *f, fake_access_fn *fn, void *ctx);
/* HVM params, as a builder sets them. */
void fake_set_param(struct os *os, unsigned index, uint64_t value);
/* The last line any guest logged. */
const char *fake_last_log(struct fake *f);
/* Private allocations of a guest that are not freed; pages likewise. */
unsigned fake_live_allocs(struct os *os);
unsigned fake_free_pages(struct os *os);
/* Ports of a guest that are not closed; foreign frames it has mapped. */
unsigned fake_open_ports(struct os *os);
unsigned fake_mappings(struct os *os);
/* The n-th next os_malloc() fails once (1: the next); 0: none. */
void fake_fail_malloc(struct os *os, unsigned n);

/* Disk `index`, zeroed. Requests complete in order, 20 us each. */
void fake_disk(struct fake *f, unsigned index, uint64_t sectors, bool ro);
uint8_t *fake_disk_data(struct fake *f, unsigned index);
/* The next n requests fail with -XEN_EIO. */
void fake_disk_fail(struct fake *f, unsigned index, unsigned n);

#endif
