/*
 * The domain builder: makes a PVH domain by domctl and memory hypercalls,
 * from inside a privileged guest. Freestanding: the same builder runs in the
 * simulator, on metal and on a real Xen.
 */
#ifndef PV_GUEST_BUILDER_H
#define PV_GUEST_BUILDER_H

#include "pv/os.h"

#include <xen/domctl.h>

struct builder_config {
    const void *image; /* private memory: ELF with PHYS32_ENTRY note */
    size_t image_len;
    const char *cmdline;
    uint64_t pages;  /* RAM */
    unsigned vcpus;  /* at least 1 */
    domid_t domid;   /* 0: next free */
    unsigned weight; /* 0: default */
    unsigned cap_percent;
    uint64_t affinity; /* 0: all */
    unsigned max_grant_frames; /* 0: default 32 */
    unsigned max_evtchn_port;  /* 0: default */
    bool start_paused;
    /* First of the 8 special pages (store is +4, console +7, as libxc has
     * them); 0: 0xfeff8, libxc's place, outside of what a guest with only
     * its first GiB mapped can reach. */
    uint64_t special_gfn;
};

struct builder_result {
    domid_t domid;
    uint64_t store_gfn, console_gfn;
    evtchn_port_t store_port, console_port; /* in the new domain, unbound */
};

/* Creates, loads, sets params and reserved grants (console, xenstore), leaves
 * it running unless start_paused. On failure nothing is left over. */
int builder_create(struct os *os, const struct builder_config *cfg,
                   struct builder_result *out);
int builder_destroy(struct os *os, domid_t domid);
int builder_pause(struct os *os, domid_t domid);
int builder_unpause(struct os *os, domid_t domid);
/* getdomaininfo of exactly this domid; -XEN_ESRCH. */
int builder_info(struct os *os, domid_t domid,
                 struct xen_domctl_getdomaininfo *out);
/* Any domctl: fills interface_version; arg in and out. */
int builder_domctl(struct os *os, struct xen_domctl *op);
/* Maps n frames of a foreign domain into fresh space; 0 on failure. */
uint64_t builder_map_foreign(struct os *os, domid_t domid,
                             const uint64_t *gfns, unsigned n);
/* XENMEM_remove_from_physmap. */
int builder_remove_gfn(struct os *os, domid_t domid, uint64_t gfn);
void builder_unmap_foreign(struct os *os, uint64_t addr, unsigned n);

#endif
