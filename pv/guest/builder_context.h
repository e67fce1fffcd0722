/* The state a PVH domain's first vCPU starts in. */
#ifndef PV_GUEST_BUILDER_CONTEXT_H
#define PV_GUEST_BUILDER_CONTEXT_H

#include "pv/os.h"

/* Loads vCPU 0 of a new domain: 32-bit flat protected mode at `entry`, EBX
 * the address of hvm_start_info (misc/pvh: "the boot ABI"). */
int builder_set_entry(struct os *os, domid_t domid, uint32_t entry,
                      uint64_t start_info);

#endif
