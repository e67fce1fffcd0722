/* Every bound of the hypervisor, with its name. */
#ifndef HV_LIMITS_H
#define HV_LIMITS_H

#define HV_MAX_DOMAINS 64      /* alive or dying at once */
#define HV_MAX_VCPUS 32        /* a domain; XEN_LEGACY_MAX_VCPUS */
#define HV_MAX_EVTCHNS 4096    /* 2-level, 64-bit: EVTCHN_2L_NR_CHANNELS */
#define HV_MAX_GRANT_FRAMES 64 /* v1: 512 entries each */
#define HV_MAX_MAPTRACK_FRAMES 256
#define HV_MAX_PHYSMAP_GFN (1ULL << 28) /* 1 TiB of guest-physical space */
#define HV_MAX_E820 128                 /* entries of a domain's map */
#define HV_MAX_EXTENT_ORDER 9           /* memory_op of the unprivileged */
#define HV_TIMESLICE_NS 10000000ULL
#define HV_CAP_PERIOD_NS 100000000ULL
#define HV_BOOT_IMAGE_MAX (64ULL << 20)
/* Work units between two looks at plat_interrupt_pending(). */
#define HV_PREEMPT_STRIDE 16

#endif
