/*
 * Guest-physical to machine: one tree of nested page tables a domain, in
 * AMD's format (APM2 15.25), which the processor walks. The p2m type is kept
 * in the entry's bits 58:52, which the processor ignores.
 *
 * p2m_set() and p2m_clear() own the references of page.h invariant 3: they
 * take those of the new entry and drop those of the old one, after every CPU
 * that may hold the old translation has been flushed (p2m_flush_sync).
 */
#ifndef HV_P2M_H
#define HV_P2M_H

#include "hv/types.h"

struct domain;

/* Tables a domain may have: room for its max_pages, sparsely placed. Beyond
 * it p2m_set() says -ENOMEM, so that a guest can't spread a page over its
 * whole address space and use up the machine's memory with tables. */
#define P2M_TABLES_BASE 2048

enum p2m_type {
    P2M_NONE,       /* not present */
    P2M_RAM_RW,     /* the domain's own, or PGF_SHARED of its own */
    P2M_RAM_RO,
    P2M_GRANT_RW,   /* grant mapping: the granter's frame */
    P2M_GRANT_RO,
    P2M_FOREIGN_RW, /* XENMAPSPACE_gmfn_foreign */
    P2M_TYPES
};

static inline bool p2m_type_writable(enum p2m_type t)
{
    return t == P2M_RAM_RW || t == P2M_GRANT_RW || t == P2M_FOREIGN_RW;
}
static inline bool p2m_type_own(enum p2m_type t)
{
    return t == P2M_RAM_RW || t == P2M_RAM_RO;
}
static inline bool p2m_type_grant(enum p2m_type t)
{
    return t == P2M_GRANT_RW || t == P2M_GRANT_RO;
}

int p2m_create(struct domain *d); /* -ENOMEM */

/* Maps gfn to mfn. Takes a reference on mfn (whoever owns it) and a writable
 * type reference when the type says so. An entry that was there is replaced
 * and its references dropped. -EINVAL gfn out of range, -ENOMEM no memory
 * for a table, -EBUSY the references can't be had. */
int p2m_set(struct domain *d, gfn_t gfn, mfn_t mfn, enum p2m_type type);

/* Unmaps; -ENOENT when nothing was there. */
int p2m_clear(struct domain *d, gfn_t gfn);

/* Looks up without taking a reference: INVALID_MFN and P2M_NONE if absent. */
mfn_t p2m_lookup(struct domain *d, gfn_t gfn, enum p2m_type *type);

/* Looks up and takes a reference that the caller puts. `write`: only if the
 * entry is writable. INVALID_MFN if absent or not permitted. */
mfn_t p2m_get_page(struct domain *d, gfn_t gfn, bool write,
                   enum p2m_type *type);

/* Highest gfn ever mapped; XENMEM_maximum_gpfn. */
gfn_t p2m_max_gfn(struct domain *d);

/* Visits present entries in ascending order from `from`; stops when fn
 * returns true; returns the gfn it stopped at, INVALID_GFN at the end. */
gfn_t p2m_walk(struct domain *d, gfn_t from,
               bool (*fn)(void *ctx, gfn_t gfn, mfn_t mfn,
                          enum p2m_type type),
               void *ctx);

/* Teardown: unmaps everything, a bounded piece a call. -ERESTART while there
 * is more. Then p2m_free() gives the tables back. */
int p2m_teardown(struct domain *d);
void p2m_free(struct domain *d);

/* All CPUs: no stale translation of d survives this call. */
void p2m_flush_sync(struct domain *d);

#endif
