/*
 * Parts of memory_op that other files use: taking frames out of a domain's
 * physmap, and the E820 that XENMEM_memory_map answers with.
 */
#ifndef HV_MEMORY_H
#define HV_MEMORY_H

#include "hv/types.h"

struct domain;

/* One entry as INT 15h, AX=E820h returns it (ACPI 15.1), 20 bytes. */
struct e820_entry {
    uint64_t addr;
    uint64_t size;
    uint32_t type;
} __attribute__((packed));
#define E820_TYPE_RAM 1
#define E820_TYPE_RESERVED 2

/* Unmaps gfn and drops its frame's allocation reference, as for
 * decrease_reservation: -XEN_EINVAL nothing there, -XEN_ENXIO not the
 * domain's own (a grant or foreign mapping). */
int memory_remove_page(struct domain *d, gfn_t gfn);

/* A mapping at gfn that may not be replaced behind its owner's back: grant
 * and foreign mappings. */
bool memory_gfn_special(struct domain *d, gfn_t gfn);

/* The domain's memory map: what XENMEM_set_memory_map does, for the builder
 * of the control domain. -XEN_EINVAL more than HV_MAX_E820 entries. */
int memory_map_set(struct domain *d, const struct e820_entry *e, unsigned n);

/* add_to_physmap.c: XENMEM_add_to_physmap, _batch, remove_from_physmap. The
 * start extent is the continuation's. */
struct vcpu;
long memory_add_to_physmap(struct vcpu *v, gva_t arg, uint64_t start);
long memory_add_to_physmap_batch(struct vcpu *v, gva_t arg, uint64_t start);
long memory_remove_from_physmap(struct vcpu *v, gva_t arg);

/* Bits of memory_op's first argument that are the command; the rest is where
 * to go on (xen.h: __HYPERVISOR_memory_op as Xen continues it). */
#define MEMOP_EXTENT_SHIFT 6
#define MEMOP_CMD_MASK ((1UL << MEMOP_EXTENT_SHIFT) - 1)

#endif
