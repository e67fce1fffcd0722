/*
 * Block backend: a device's life. The handshake is io/xenbus.h's, in the
 * order Linux's xen-blkfront and xen-blkback keep:
 *
 *   Initialising -> InitWait  (our nodes are written: blkback_advertise)
 *   InitWait -> Connected     (frontend Initialised: blkback_connect)
 *   Connected -> Closing      (frontend Closing, or it broke a rule)
 *   any -> Closed             (frontend Closed, or its directory is gone)
 *   Closed -> InitWait        (frontend Initialising: it connects again)
 *
 * Invariants:
 *  1. blkback_step() alone changes the state; whoever learns something that
 *     may matter (watch, ring, disk) calls it, and it never runs twice at
 *     once.
 *  2. The ring stays mapped until no request is in flight.
 *  3. connected implies attached: only then are requests taken.
 *  4. The struct outlives its requests in flight.
 */
#include "pv/block/blkback_impl.h"

#include <xen/io/protocols.h>

#include "pv/lib.h"

#define BLKBACK_DRAIN_NS 60000000000ULL /* a disk that lost power */
#define BLKBACK_CLOSE_NS 200000000ULL   /* the frontend's chance to close */
#define BLKBACK_POLL_NS 1000000ULL
#define BLKBACK_TX_TRIES 64u

static void blkback_event(struct os *os, void *ctx, evtchn_port_t port)
{
    (void)os;
    (void)port;
    blkback_ring_work(ctx);
}

/* No more requests are taken; those in flight go on. */
static void blkback_quiesce(struct blkback *bb)
{
    if (!bb->connected) {
        return;
    }
    bb->connected = false;
    (void)os_event_handler(bb->os, bb->port, NULL, NULL);
    (void)os_event_handler(bb->os, bb->kick_port, NULL, NULL);
}

/* Gives back what blkback_attach() got, as far as it got. */
static void blkback_release(struct blkback *bb)
{
    if (bb->port) {
        (void)os_evtchn_close(bb->os, bb->port);
    }
    if (bb->kick_peer) {
        (void)os_evtchn_close(bb->os, bb->kick_peer);
    }
    if (bb->kick_port) {
        (void)os_evtchn_close(bb->os, bb->kick_port);
    }
    bb->port = bb->kick_peer = bb->kick_port = 0;
    if (bb->ring_map.addr) {
        os_grant_unmap(bb->os, &bb->ring_map);
        bb->ring_map = (struct os_grant_map){ 0 };
    }
    bb->attached = false;
}

void blkback_fail(struct blkback *bb, const char *what)
{
    blkback_quiesce(bb);
    bb->failed = true;
    bb->fatal_wanted = true;
    bb->fatal_what = what;
    blkback_step(bb);
}

static int blkback_attach(struct blkback *bb, grant_ref_t ref,
                          evtchn_port_t remote)
{
    domid_t self = os_domid(bb->os);
    int rc = os_grant_map(bb->os, bb->frontend, &ref, 1, false,
                          &bb->ring_map);

    if (!rc) {
        rc = os_evtchn_bind_interdomain(bb->os, bb->frontend, remote,
                                        &bb->port);
    }
    if (!rc) {
        rc = os_evtchn_alloc_unbound(bb->os, self, &bb->kick_port);
    }
    if (!rc) {
        rc = os_evtchn_bind_interdomain(bb->os, self, bb->kick_port,
                                        &bb->kick_peer);
    }
    if (!rc) {
        rc = os_event_handler(bb->os, bb->port, blkback_event, bb);
    }
    if (!rc) {
        rc = os_event_handler(bb->os, bb->kick_port, blkback_event, bb);
    }
    if (rc) {
        blkback_release(bb);
        return rc;
    }
    ring_back_attach(&bb->ring, bb->os, bb->ring_map.addr,
                     blkback_slot_bytes(bb->abi32));
    bb->attached = true;
    return 0;
}

/* io/blkif.h: "protocol"; a frontend without one speaks its own layout,
 * which is ours. */
static int blkback_read_protocol(struct blkback *bb)
{
    char path[XENBUS_PATH_MAX + 16];
    char *value;
    int rc;

    lib_format(path, sizeof(path), "%s/protocol", bb->dev.other_path);
    rc = xs_read(bb->xs, 0, path, &value);
    bb->abi32 = false;
    if (rc == -XEN_ENOENT) {
        return 0;
    }
    if (rc) {
        return rc;
    }
    bb->abi32 = lib_streq(value, XEN_IO_PROTO_ABI_X86_32);
    if (!bb->abi32 && !lib_streq(value, XEN_IO_PROTO_ABI_X86_64)) {
        rc = -XEN_EINVAL;
    }
    os_free(bb->os, value);
    return rc;
}

/* The frontend is Initialised: its ring and port are in its directory. */
static void blkback_connect(struct blkback *bb)
{
    uint64_t ref, port;
    const char *what = "reading ring-ref and event-channel";
    int rc = xs_read_uint(bb->xs, 0, bb->dev.other_path, "ring-ref", &ref);

    if (!rc) {
        rc = xs_read_uint(bb->xs, 0, bb->dev.other_path, "event-channel",
                          &port);
    }
    if (!rc && (ref > UINT32_MAX || port > UINT32_MAX)) {
        rc = -XEN_EINVAL;
    }
    if (!rc) {
        what = "unknown protocol";
        rc = blkback_read_protocol(bb);
    }
    if (!rc) {
        what = "mapping ring-ref, binding event-channel";
        rc = blkback_attach(bb, (grant_ref_t)ref, (evtchn_port_t)port);
    }
    if (rc) {
        bb->failed = true;
        xenbus_fatal(&bb->dev, rc, what);
        return;
    }
    bb->failed = false;
    bb->connected = true;
    (void)xenbus_switch_state(&bb->dev, XenbusStateConnected);
    blkback_ring_work(bb); /* what came before we listened */
}

static int blkback_write_nodes(struct blkback *bb, xs_tx tx)
{
    const char *dir = bb->dev.path;
    int rc = xs_printf(bb->xs, tx, dir, "feature-flush-cache", "%u", 1u);

    if (!rc) {
        rc = xs_printf(bb->xs, tx, dir, "sectors", "%llu",
                       (unsigned long long)os_disk_sectors(bb->disk));
    }
    if (!rc) {
        rc = xs_printf(bb->xs, tx, dir, "sector-size", "%u", BLKBACK_SECTOR);
    }
    if (!rc) {
        rc = xs_printf(bb->xs, tx, dir, "info", "%u",
                       bb->readonly ? VDISK_READONLY : 0u);
    }
    return rc;
}

/* io/blkif.h, "Backend XenBus Nodes": written before InitWait. */
static int blkback_advertise(struct blkback *bb)
{
    int rc = -XEN_EAGAIN;

    for (unsigned i = 0; i < BLKBACK_TX_TRIES && rc == -XEN_EAGAIN; i++) {
        xs_tx tx;

        rc = xs_transaction_start(bb->xs, &tx);
        if (rc) {
            return rc;
        }
        rc = blkback_write_nodes(bb, tx);
        if (rc) {
            (void)xs_transaction_end(bb->xs, tx, false);
        } else {
            rc = xs_transaction_end(bb->xs, tx, true);
        }
    }
    return rc ? rc : xenbus_switch_state(&bb->dev, XenbusStateInitWait);
}

/* The state that the frontend's asks of us. */
static enum xenbus_state blkback_goal(const struct blkback *bb)
{
    enum xenbus_state own = bb->dev.state;

    switch (bb->dev.other_state) {
    case XenbusStateClosing:
        return own == XenbusStateClosed ? own : XenbusStateClosing;
    case XenbusStateClosed:
    case XenbusStateUnknown:
        return XenbusStateClosed;
    case XenbusStateInitialising:
        return own == XenbusStateClosing || own == XenbusStateClosed ?
                   XenbusStateInitWait :
                   own;
    case XenbusStateInitialised:
    case XenbusStateConnected:
        return own == XenbusStateInitWait ? XenbusStateConnected : own;
    default:
        return own;
    }
}

static void blkback_step_once(struct blkback *bb)
{
    enum xenbus_state goal;

    if (bb->fatal_wanted) {
        bb->fatal_wanted = false;
        xenbus_fatal(&bb->dev, -XEN_EIO, bb->fatal_what);
    }
    goal = blkback_goal(bb);
    if (goal != XenbusStateConnected) {
        blkback_quiesce(bb);
        if (bb->in_flight) {
            return; /* the last one calls again */
        }
        if (bb->attached) {
            blkback_release(bb);
        }
    }
    if (goal == bb->dev.state) {
        return;
    }
    if (goal == XenbusStateConnected) {
        blkback_connect(bb);
    } else if (goal == XenbusStateInitWait) {
        int rc = blkback_advertise(bb);

        if (rc) {
            xenbus_fatal(&bb->dev, rc, "writing the backend's nodes");
        }
    } else {
        (void)xenbus_switch_state(&bb->dev, goal);
    }
}

void blkback_step(struct blkback *bb)
{
    bb->step_again = true;
    if (bb->stepping) {
        return;
    }
    bb->stepping = true;
    while (bb->step_again) {
        bb->step_again = false;
        blkback_step_once(bb);
    }
    bb->stepping = false;
}

static void blkback_changed(struct xenbus_device *dev,
                            enum xenbus_state other)
{
    (void)other; /* blkback_step() looks at the newest */
    blkback_step(dev->ctx);
}

/* "mode" is the toolstack's word; a disk that can't be written wins. */
static bool blkback_read_mode(struct blkback *bb)
{
    char path[XENBUS_PATH_MAX + 8];
    char *value;
    bool readonly = os_disk_readonly(bb->disk);

    lib_format(path, sizeof(path), "%s/mode", bb->dev.path);
    if (xs_read(bb->xs, 0, path, &value) == 0) {
        readonly = readonly || value[0] == 'r';
        os_free(bb->os, value);
    }
    return readonly;
}

static void blkback_free(struct blkback *bb)
{
    blkback_io_free_all(bb);
    os_free(bb->os, bb);
}

void blkback_free_orphan(struct blkback *bb)
{
    blkback_release(bb);
    blkback_free(bb);
}

struct blkback *blkback_create(struct xs *xs, domid_t frontend, unsigned vdev,
                               struct os_disk *disk, enum blkback_mode mode,
                               int *err)
{
    struct os *os = xs_os(xs);
    struct blkback *bb = os_malloc(os, sizeof(*bb));
    char path[XENBUS_PATH_MAX];

    *err = -XEN_ENOMEM;
    if (!bb) {
        return NULL;
    }
    bb->xs = xs;
    bb->os = os;
    bb->frontend = frontend;
    bb->vdev = vdev;
    bb->disk = disk;
    bb->mode = mode;
    bb->stepping = true; /* not before we are complete */
    bb->dev.changed = blkback_changed;
    bb->dev.ctx = bb;
    lib_format(path, sizeof(path), "backend/vbd/%u/%u", frontend, vdev);
    *err = xenbus_open_backend(&bb->dev, xs, path);
    if (*err) {
        os_free(os, bb);
        return NULL;
    }
    bb->readonly = blkback_read_mode(bb);
    *err = blkback_advertise(bb);
    if (*err) {
        xenbus_close(&bb->dev);
        os_free(os, bb);
        return NULL;
    }
    bb->stepping = false;
    blkback_step(bb);
    return bb;
}

static bool blkback_frontend_open(const struct blkback *bb)
{
    return bb->dev.other_state == XenbusStateInitialised ||
           bb->dev.other_state == XenbusStateConnected ||
           bb->dev.other_state == XenbusStateClosing;
}

void blkback_destroy(struct blkback *bb)
{
    struct os *os = bb->os;
    uint64_t t;

    if (bb->dev.state != XenbusStateClosed && blkback_frontend_open(bb)) {
        /* Device goes: it may finish its I/O and close (io/xenbus.h). */
        (void)xenbus_switch_state(&bb->dev, XenbusStateClosing);
        for (t = os_now_ns(os); blkback_frontend_open(bb) &&
                                os_now_ns(os) - t < BLKBACK_CLOSE_NS;) {
            os_wait(os, BLKBACK_POLL_NS);
        }
    }
    blkback_quiesce(bb);
    for (t = os_now_ns(os);
         bb->in_flight && os_now_ns(os) - t < BLKBACK_DRAIN_NS;) {
        os_wait(os, BLKBACK_POLL_NS);
    }
    bb->stepping = true; /* the watch may still be delivered */
    if (bb->dev.state != XenbusStateClosed) {
        (void)xenbus_switch_state(&bb->dev, XenbusStateClosed);
    }
    xenbus_close(&bb->dev);
    if (bb->in_flight) {
        os_log(os, "blkback %u/%u: %u requests never completed",
               bb->frontend, bb->vdev, bb->in_flight);
        bb->orphan = true;
        return;
    }
    blkback_release(bb);
    blkback_free(bb);
}

const struct blkback_stats *blkback_stats(const struct blkback *bb)
{
    return &bb->stats;
}

bool blkback_connected(const struct blkback *bb)
{
    return bb->connected;
}

bool blkback_failed(const struct blkback *bb)
{
    return bb->failed;
}
