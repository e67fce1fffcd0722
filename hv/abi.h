/*
 * The guest ABI: Xen's public headers as Debian's libxen-dev ships them,
 * never retyped. Compiled with __XEN_TOOLS__ so that the domctl structures
 * and the 64-bit handle types are visible.
 */
#ifndef HV_ABI_H
#define HV_ABI_H

#include <stdint.h>
#ifndef __XEN_TOOLS__
#define __XEN_TOOLS__ 1
#endif
#include <xen/xen.h>

#include <xen/callback.h>
#include <xen/domctl.h>
#include <xen/errno.h>
#include <xen/event_channel.h>
#include <xen/features.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/hvm_vcpu.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

#ifndef XEN_ERESTART
#define XEN_ERESTART 85 /* errno.h has it for the hypervisor's build only */
#endif

/* Guests of this core are 64-bit; these offsets are what they compile in. */
_Static_assert(sizeof(struct vcpu_info) == 64, "xen.h: vcpu_info");
_Static_assert(sizeof(struct vcpu_time_info) == 32, "xen.h: time info");
_Static_assert(sizeof(struct shared_info) == 3136, "xen.h: shared_info");
_Static_assert(sizeof(struct grant_entry_v1) == 8, "grant_table.h: v1");
_Static_assert(sizeof(struct gnttab_map_grant_ref) == 32, "grant_table.h");
_Static_assert(sizeof(struct multicall_entry) == 64, "xen.h: multicall");

#endif
