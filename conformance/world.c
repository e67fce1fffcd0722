/*
 * A whole machine in one value: its making, its control domain's start, and
 * the life of native guests in it. The store's side is world_store.c.
 *
 * Invariants:
 *  1. A slot of guests[] is `used` from the moment its program is registered
 *     until the program is released.
 *  2. world_start_guest() leaves the slot free on every failure.
 */
#include "conformance/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/sched.h>

#include "conformance/world_store.h"
#include "sim/arena.h"
#include "sim/cpu/native.h"

#define WORLD_RAM_DEFAULT (48ULL << 20)
#define WORLD_CONTROL_PAGES 2048u
#define WORLD_GUEST_PAGES 512u
#define WORLD_POLL_NS 200000ULL
/* Special pages of native guests: within the first GiB, which is what their
 * page tables map. */
#define WORLD_SPECIAL_GFN 0x3f000ULL

/* -- Control domain's start ------------------------------------------------ */

static int world_boot_store(struct world *w)
{
    uint64_t ring;
    evtchn_port_t port;
    int rc;

    w->xsd = xenstored_start(w->os, w->cfg.quota);
    if (!w->xsd) {
        return -XEN_ENOMEM;
    }
    rc = xenstored_local(w->xsd, &ring, &port);
    if (rc) {
        return rc;
    }
    w->xs = xs_open(w->os, ring, port);
    return w->xs ? world_store_init(w) : -XEN_ENOMEM;
}

static void world_boot(struct os *os, void *arg)
{
    struct world *w = arg;

    w->os = os;
    if (!w->cfg.no_xenstore) {
        w->boot_err = world_boot_store(w);
    }
    for (unsigned i = 0; i < w->cfg.nr_disks && !w->boot_err; i++) {
        w->disks[i] = os_disk_open(os, i);
        if (!w->disks[i]) {
            w->boot_err = -XEN_ENODEV;
        }
    }
    if (w->boot_err) {
        os_log(os, "control domain: %d", w->boot_err);
        return;
    }
    w->booted = true;
    if (w->cfg.control) {
        w->cfg.control(w, w->cfg.control_arg);
    }
    w->finished = true;
}

/* -- From outside ---------------------------------------------------------- */

static struct machine *world_machine(const struct world_config *cfg,
                                     char *err, size_t err_len)
{
    struct machine_config mc = {
        .cpus = cfg->cpus ? cfg->cpus : 1,
        .ram_bytes = cfg->ram_bytes ? cfg->ram_bytes : WORLD_RAM_DEFAULT,
        .heap_bytes = cfg->heap_bytes,
        .seed = cfg->seed,
        .trace = cfg->trace,
        .mean_slice = cfg->mean_slice,
        .watchdog_s = cfg->watchdog_s,
        .console = cfg->console,
        .console_ctx = cfg->console_ctx,
    };

    return machine_create(&mc, err, err_len);
}

static bool world_attach_disks(struct world *w, char *err, size_t err_len)
{
    if (w->cfg.nr_disks > DISK_MAX) {
        snprintf(err, err_len, "%u disks: at most %u", w->cfg.nr_disks,
                 DISK_MAX);
        return false;
    }
    for (unsigned i = 0; i < w->cfg.nr_disks; i++) {
        if (!disk_attach(w->m, i, &w->cfg.disks[i], err, err_len)) {
            return false;
        }
    }
    return true;
}

static bool world_load_control(struct world *w, char *err, size_t err_len)
{
    int id = os_native_guest(w->m, "control", world_boot, w);
    void *image = malloc(WORLD_IMAGE_MAX);
    struct hv_boot boot = {
        .image = image,
        .cmdline = "",
        .memory_pages = w->cfg.control_pages ? w->cfg.control_pages :
                                               WORLD_CONTROL_PAGES,
        .vcpus = w->cfg.control_vcpus ? w->cfg.control_vcpus : 1,
    };

    if (id < 0 || !image) {
        snprintf(err, err_len, "no memory for the control domain");
        free(image);
        return false;
    }
    boot.image_len = native_image(w->m, id, image, WORLD_IMAGE_MAX);
    machine_boot(w->m, &boot);
    free(image);
    return true;
}

struct world *world_create(const struct world_config *cfg, char *err,
                           size_t err_len)
{
    struct machine *m = world_machine(cfg, err, err_len);
    struct world *w;

    if (!m) {
        return NULL;
    }
    w = arena_alloc(machine_arena(m), sizeof(*w), 16);
    w->m = m;
    w->cfg = *cfg;
    if (!world_attach_disks(w, err, err_len) ||
        !world_load_control(w, err, err_len)) {
        machine_destroy(m);
        return NULL;
    }
    return w;
}

enum machine_stop world_run(struct world *w, uint64_t until_ns)
{
    return machine_run(w->m, until_ns);
}

void world_destroy(struct world *w)
{
    if (w) {
        machine_destroy(w->m);
    }
}

const char *world_stop_name(enum machine_stop s)
{
    switch (s) {
    case MACHINE_OFF:
        return "off";
    case MACHINE_IDLE:
        return "idle";
    case MACHINE_TIME:
        return "time";
    case MACHINE_STOPPED:
        return "stopped";
    case MACHINE_FATAL:
        return "fatal";
    case MACHINE_WATCHDOG:
        return "watchdog";
    case MACHINE_DIVERGED:
        return "diverged";
    }
    return "?";
}

/* -- (control) guests ------------------------------------------------------ */

struct world_guest *world_guest(struct world *w, domid_t domid)
{
    for (unsigned i = 0; i < WORLD_MAX_GUESTS; i++) {
        if (w->guests[i].used && w->guests[i].domid == domid) {
            return &w->guests[i];
        }
    }
    return NULL;
}

static struct world_guest *world_take_slot(struct world *w, const char *name,
                                           os_main_fn *main, void *arg)
{
    for (unsigned i = 0; i < WORLD_MAX_GUESTS; i++) {
        struct world_guest *g = &w->guests[i];

        if (g->used) {
            continue;
        }
        memset(g, 0, sizeof(*g));
        g->domid = DOMID_INVALID;
        g->program = os_native_guest(w->m, name, main, arg);
        if (g->program < 0) {
            return NULL;
        }
        g->used = true;
        snprintf(g->name, sizeof(g->name), "%s", name);
        return g;
    }
    return NULL;
}

static void world_give_slot(struct world *w, struct world_guest *g)
{
    native_release(w->m, g->program);
    g->used = false;
}

static int world_build(struct world *w, struct world_guest *g,
                       const struct world_guest_config *cfg)
{
    void *image = os_malloc(w->os, WORLD_IMAGE_MAX);
    struct builder_config bc = {
        .image = image,
        .cmdline = cfg->cmdline,
        .pages = cfg->pages ? cfg->pages : WORLD_GUEST_PAGES,
        .vcpus = cfg->vcpus ? cfg->vcpus : 1,
        .weight = cfg->weight,
        .cap_percent = cfg->cap_percent,
        .affinity = cfg->affinity,
        .max_grant_frames = cfg->max_grant_frames,
        .max_evtchn_port = cfg->max_evtchn_port,
        .start_paused = true,
        .special_gfn = WORLD_SPECIAL_GFN,
    };
    int rc;

    if (!image) {
        return -XEN_ENOMEM;
    }
    bc.image_len = native_image(w->m, g->program, image, WORLD_IMAGE_MAX);
    rc = builder_create(w->os, &bc, &g->built);
    os_free(w->os, image);
    if (!rc) {
        g->domid = g->built.domid;
    }
    return rc;
}

static int world_furnish(struct world *w, struct world_guest *g,
                         const struct world_guest_config *cfg)
{
    int rc = 0;

    if (w->cfg.no_xenstore) {
        return cfg->nr_vbds ? -XEN_EINVAL : 0;
    }
    rc = world_store_add_domain(w, g);
    if (!rc) {
        rc = xenstored_introduce(w->xsd, g->domid, g->built.store_gfn,
                                 g->built.store_port);
    }
    for (unsigned i = 0; i < cfg->nr_vbds && !rc; i++) {
        (void)world_add_disk(w, g->domid, &cfg->vbds[i], &rc);
    }
    return rc;
}

int world_start_guest(struct world *w, const char *name, os_main_fn *main,
                      void *arg, const struct world_guest_config *cfg)
{
    static const struct world_guest_config defaults;
    struct world_guest *g;
    int rc;

    cfg = cfg ? cfg : &defaults;
    if (cfg->nr_vbds > WORLD_MAX_VBDS) {
        return -XEN_EINVAL;
    }
    g = world_take_slot(w, name, main, arg);
    if (!g) {
        return -XEN_ENOSPC;
    }
    rc = world_build(w, g, cfg);
    if (rc) {
        world_give_slot(w, g);
        return rc;
    }
    rc = world_furnish(w, g, cfg);
    if (!rc && !cfg->paused) {
        rc = builder_unpause(w->os, g->domid);
    }
    if (rc) {
        (void)world_destroy_guest(w, g->domid);
        return rc;
    }
    return g->domid;
}

int world_unpause_guest(struct world *w, domid_t domid)
{
    return builder_unpause(w->os, domid);
}

struct blkback *world_add_disk(struct world *w, domid_t domid,
                               const struct world_vbd *vbd, int *err)
{
    struct world_guest *g = world_guest(w, domid);

    *err = -XEN_EINVAL;
    if (!g || vbd->disk >= w->cfg.nr_disks) {
        return NULL;
    }
    for (unsigned i = 0; i < WORLD_MAX_VBDS; i++) {
        struct blkback *bb;

        if (g->vbds[i].bb) {
            continue;
        }
        *err = world_write_vbd(w, domid, 0, vbd);
        if (*err) {
            return NULL;
        }
        bb = blkback_create(w->xs, domid, vbd->vdev, w->disks[vbd->disk],
                            vbd->mode, err);
        if (!bb) {
            (void)world_remove_vbd(w, domid, 0, vbd->vdev);
            return NULL;
        }
        g->vbds[i].bb = bb;
        g->vbds[i].vdev = vbd->vdev;
        *err = 0;
        return bb;
    }
    *err = -XEN_ENOSPC;
    return NULL;
}

int world_del_disk(struct world *w, domid_t domid, unsigned vdev)
{
    struct world_guest *g = world_guest(w, domid);

    for (unsigned i = 0; g && i < WORLD_MAX_VBDS; i++) {
        if (g->vbds[i].bb && g->vbds[i].vdev == vdev) {
            blkback_destroy(g->vbds[i].bb);
            g->vbds[i].bb = NULL;
            return world_remove_vbd(w, domid, 0, vdev);
        }
    }
    return -XEN_ENOENT;
}

void world_sleep(struct world *w, uint64_t ns)
{
    uint64_t end = os_now_ns(w->os) + ns, now;

    while ((now = os_now_ns(w->os)) < end) {
        os_wait(w->os, end - now);
    }
}

int world_wait_domain(struct world *w, domid_t domid, uint64_t timeout_ns,
                      unsigned *reason)
{
    uint64_t start = os_now_ns(w->os);

    for (;;) {
        struct xen_domctl_getdomaininfo info;
        int rc = builder_info(w->os, domid, &info);

        if (rc) {
            return rc;
        }
        if (info.flags & XEN_DOMINF_shutdown) {
            if (reason) {
                *reason = (info.flags >> XEN_DOMINF_shutdownshift) &
                          XEN_DOMINF_shutdownmask;
            }
            return 0;
        }
        if (os_now_ns(w->os) - start >= timeout_ns) {
            return -XEN_ETIMEDOUT;
        }
        os_wait(w->os, WORLD_POLL_NS);
    }
}

int world_destroy_guest(struct world *w, domid_t domid)
{
    struct world_guest *g = world_guest(w, domid);
    int rc;

    if (!g) {
        return -XEN_ESRCH;
    }
    (void)builder_pause(w->os, domid); /* gone already: as good */
    for (unsigned i = 0; i < WORLD_MAX_VBDS; i++) {
        if (g->vbds[i].bb) {
            /* Nobody is left to close it: the backend needn't wait. */
            world_store_drop_frontend(w, domid, g->vbds[i].vdev);
            (void)world_del_disk(w, domid, g->vbds[i].vdev);
        }
    }
    rc = builder_destroy(w->os, domid);
    if (!w->cfg.no_xenstore) {
        (void)xenstored_release(w->xsd, domid);
        world_store_remove_domain(w, domid);
    }
    world_give_slot(w, g);
    return rc == -XEN_ESRCH ? 0 : rc;
}

int world_run_guest(struct world *w, const char *name, os_main_fn *main,
                    void *arg, const struct world_guest_config *cfg,
                    uint64_t timeout_ns)
{
    int domid = world_start_guest(w, name, main, arg, cfg);
    unsigned reason = SHUTDOWN_crash;
    int rc, rc2;

    if (domid < 0) {
        return domid;
    }
    rc = world_wait_domain(w, (domid_t)domid, timeout_ns, &reason);
    rc2 = world_destroy_guest(w, (domid_t)domid);
    if (rc) {
        return rc;
    }
    return reason == SHUTDOWN_poweroff ? rc2 : -XEN_EIO;
}
