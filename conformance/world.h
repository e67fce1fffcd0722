/*
 * A whole machine in one value: simulated machine, hypervisor, a native
 * control domain with xenstored, a xenstore connection and opened disks, and
 * native guests built with the domain builder. What cases, tests and fuzzers
 * start from.
 *
 *   world_create -> world_run -> [control domain: world_boot ->
 *       cfg.control(w, arg) -> returns -> power off] -> world_destroy
 *
 * The functions marked (control) are called from inside cfg.control, on the
 * control domain's vCPU 0; they wait in os_wait(), so handlers (xenstored,
 * backends) run meanwhile. Errors are 0 or -XEN_E*.
 *
 * Invariants:
 *  1. A world lies in its machine's arena, so a snapshot covers it.
 *  2. A domid in guests[] was built here and not yet destroyed.
 *  3. What world_start_guest() made world_destroy_guest() takes back: vbds,
 *     store directories, domain, program.
 */
#ifndef CONFORMANCE_WORLD_H
#define CONFORMANCE_WORLD_H

#include "pv/block/blkback.h"
#include "pv/guest/builder.h"
#include "pv/os/native.h"
#include "pv/xenbus/xs.h"
#include "pv/xenstore/xenstored.h"
#include "sim/dev/disk.h"
#include "sim/sim.h"

#define WORLD_MAX_GUESTS 16
#define WORLD_MAX_VBDS 4 /* a guest */
#define WORLD_IMAGE_MAX (256u * 1024)

struct world;

typedef void world_main_fn(struct world *w, void *arg);

struct world_config {
    unsigned cpus;           /* 0: 1 */
    uint64_t ram_bytes;      /* 0: 48 MiB */
    uint64_t heap_bytes;     /* 0: the machine's default */
    uint64_t control_pages;  /* control domain's RAM; 0: 2048 (8 MiB) */
    unsigned control_vcpus;  /* 0: 1 */
    uint32_t mean_slice;     /* 0: the machine's default */
    unsigned watchdog_s;     /* 0: the machine's default */
    uint64_t seed;
    struct trace *trace;     /* NULL: none */
    const struct disk_config *disks; /* attached as 0 .. nr_disks-1 */
    unsigned nr_disks;               /* at most DISK_MAX */
    void (*console)(void *ctx, const char *text, size_t len);
    void *console_ctx;
    const struct xenstore_quota *quota; /* NULL: defaults */
    bool no_xenstore; /* bare control domain: no daemon, no xs */
    world_main_fn *control; /* the control domain's work */
    void *control_arg;
};

struct world_vbd {
    unsigned vdev; /* e.g. 51712 (xvda) */
    unsigned disk; /* index in world_config.disks */
    bool readonly;
    enum blkback_mode mode;
};

struct world_guest_config {
    uint64_t pages;  /* RAM; 0: 512 (2 MiB) */
    unsigned vcpus;  /* 0: 1; only vCPU 0 is started */
    const char *cmdline;
    unsigned weight, cap_percent; /* 0: default, none */
    uint64_t affinity;            /* 0: all */
    unsigned max_grant_frames, max_evtchn_port; /* 0: default */
    unsigned nr_vbds;
    struct world_vbd vbds[WORLD_MAX_VBDS]; /* made before it runs */
    bool paused; /* leave it paused: world_unpause_guest() */
};

struct world_guest {
    bool used;
    domid_t domid;
    int program; /* sim/cpu/native.h */
    char name[32];
    struct builder_result built;
    struct {
        struct blkback *bb; /* NULL: slot free */
        unsigned vdev;
    } vbds[WORLD_MAX_VBDS];
};

struct world {
    struct machine *m;
    struct world_config cfg;
    bool booted; /* control domain came up as far as cfg.control */
    int boot_err; /* why it didn't */
    bool finished; /* cfg.control returned */
    /* Set in the control domain before cfg.control: */
    struct os *os;
    struct xenstored *xsd;
    struct xs *xs; /* the control domain's own connection */
    struct os_disk *disks[DISK_MAX];
    struct world_guest guests[WORLD_MAX_GUESTS];
};

/* -- From outside ---------------------------------------------------------- */
/* NULL with one line in err. cfg is copied (what its pointers name, not). */
struct world *world_create(const struct world_config *cfg, char *err,
                           size_t err_len);
/* Runs until the control domain powers off (MACHINE_OFF with w->finished)
 * or something else stops the machine; until_ns absolute, OS_FOREVER. */
enum machine_stop world_run(struct world *w, uint64_t until_ns);
void world_destroy(struct world *w);
const char *world_stop_name(enum machine_stop s);

/* -- (control) guests ------------------------------------------------------ */
/* Builds a native domain that runs main(os, arg), introduces it to xenstored
 * (/local/domain/<id> as xl writes it, owned by the guest), adds its vbds,
 * lets it run. In the guest, xs_open_params(os) is its connection. cfg NULL:
 * all defaults. Returns its domid, or -XEN_E* with nothing left over. */
int world_start_guest(struct world *w, const char *name, os_main_fn *main,
                      void *arg, const struct world_guest_config *cfg);
int world_unpause_guest(struct world *w, domid_t domid);
struct world_guest *world_guest(struct world *w, domid_t domid); /* or NULL */

/* Writes device/vbd/<vdev> and backend/vbd/<domid>/<vdev> as xl does, for a
 * backend in `backend` (0: the control domain); no driver is started. */
int world_write_vbd(struct world *w, domid_t domid, domid_t backend,
                    const struct world_vbd *vbd);
/* Both directories go. */
int world_remove_vbd(struct world *w, domid_t domid, domid_t backend,
                     unsigned vdev);
/* world_write_vbd() and a blkback here. It belongs to the guest. */
struct blkback *world_add_disk(struct world *w, domid_t domid,
                               const struct world_vbd *vbd, int *err);
/* The backend and both directories go. */
int world_del_disk(struct world *w, domid_t domid, unsigned vdev);

/* Waits until the domain has shut down (or is gone: -XEN_ESRCH). *reason:
 * SHUTDOWN_* (may be NULL). -XEN_ETIMEDOUT after timeout_ns. */
int world_wait_domain(struct world *w, domid_t domid, uint64_t timeout_ns,
                      unsigned *reason);
/* Its backends, store entries, domain and program go, in whatever state it
 * is. */
int world_destroy_guest(struct world *w, domid_t domid);
/* start, wait, destroy: 0 when it powered off by itself (SHUTDOWN_poweroff),
 * -XEN_EIO when it crashed or gave another reason. */
int world_run_guest(struct world *w, const char *name, os_main_fn *main,
                    void *arg, const struct world_guest_config *cfg,
                    uint64_t timeout_ns);
/* Runs handlers for so long (virtual). */
void world_sleep(struct world *w, uint64_t ns);

#endif
