/*
 * The hypercall target's guest: what it knows of itself and of its victim.
 */
#ifndef FUZZ_HYPERCALL_H
#define FUZZ_HYPERCALL_H

#include "fuzz/driver.h"

#define CALLER_PAGES 6u
#define CALLER_SPACE 6u /* pages of address space without memory */

struct caller {
    struct t *t;
    domid_t victim;
    uint64_t pages[CALLER_PAGES], space;
    grant_ref_t own_ref;
    evtchn_port_t last_port;
    grant_handle_t last_handle;
};

/* One hypercall, drawn. */
void caller_call(struct caller *c);
/* Of those a guest could think of. */
uint64_t caller_gfn(struct caller *c);
domid_t caller_domid(struct caller *c);

#endif
