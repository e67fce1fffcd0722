/*
 * Block frontend: a device's life, in the order of Linux's xen-blkfront.
 *
 *   Initialising -> Initialised (backend InitWait: ring-ref, event-channel,
 *                                protocol are written: front_publish)
 *                -> Connected   (backend Connected: front_read_nodes)
 *   Connected -> Closing -> Closed (blkfront_shutdown: we, the backend, or a
 *                                backend that broke a rule)
 *   Closed -> Initialising      (the next blkfront_open)
 *
 * Invariants:
 *  1. connected implies ring, port and nodes are there.
 *  2. Requests outstanding at shutdown fail only after the backend is Closed
 *     or has had BLKFRONT_CLOSE_NS for it: until then it may use our pages.
 *  3. The ring page is given back only when its grant has ended.
 */
#include "pv/block/blkfront_impl.h"

#include <xen/io/protocols.h>

#include "pv/lib.h"

#define BLKFRONT_OPEN_NS 10000000000ULL
#define BLKFRONT_CLOSE_NS 1000000000ULL
#define BLKFRONT_POLL_NS 1000000ULL
#define BLKFRONT_TX_TRIES 64u
#define BLKFRONT_SECTORS_MAX (1ULL << 54) /* bytes fit 63 bits */

#define STATE(s) (1u << XenbusState##s)

static void front_event(struct os *os, void *ctx, evtchn_port_t port)
{
    (void)os;
    (void)port;
    blkfront_ring_work(ctx);
}

/* Waits until the backend is in one of `states`. It may be called from a
 * watch's handler, where no watch is delivered: it reads for itself. */
static bool front_wait(struct blkfront *bf, unsigned states, uint64_t ns)
{
    uint64_t start = os_now_ns(bf->os);

    for (;;) {
        bf->dev.other_state = xenbus_read_other(&bf->dev);
        if ((unsigned)bf->dev.other_state < 32 &&
            ((1u << bf->dev.other_state) & states)) {
            return true;
        }
        if (os_now_ns(bf->os) - start >= ns) {
            return false;
        }
        os_wait(bf->os, BLKFRONT_POLL_NS);
    }
}

static void front_release(struct blkfront *bf)
{
    if (bf->port) {
        (void)os_event_handler(bf->os, bf->port, NULL, NULL);
        (void)os_evtchn_close(bf->os, bf->port);
        bf->port = 0;
    }
    if (bf->ring_granted && os_grant_end(bf->os, bf->ring_ref) == 0) {
        bf->ring_granted = false;
    }
    if (bf->ring_page && !bf->ring_granted) {
        os_pages_free(bf->os, bf->ring_page, 1);
        bf->ring_page = 0;
    }
}

void blkfront_shutdown(struct blkfront *bf)
{
    const unsigned gone = STATE(Closed) | STATE(Unknown);

    if (bf->going_down) {
        return;
    }
    bf->going_down = true;
    bf->connected = false;
    blkfront_fail_queued(bf);
    (void)xenbus_switch_state(&bf->dev, XenbusStateClosing);
    (void)front_wait(bf, gone | STATE(Closing), BLKFRONT_CLOSE_NS);
    (void)xenbus_switch_state(&bf->dev, XenbusStateClosed);
    (void)front_wait(bf, gone, BLKFRONT_CLOSE_NS);
    blkfront_fail_all(bf);
    front_release(bf);
}

void blkfront_break(struct blkfront *bf, const char *what)
{
    if (bf->going_down) {
        return;
    }
    bf->connected = false;
    os_log(bf->os, "blkfront %u: %s", bf->vdev, what);
    xenbus_fatal(&bf->dev, -XEN_EIO, what);
    blkfront_shutdown(bf);
}

static void front_changed(struct xenbus_device *dev, enum xenbus_state other)
{
    struct blkfront *bf = dev->ctx;

    if (bf->connected &&
        (other == XenbusStateClosing || other == XenbusStateClosed ||
         other == XenbusStateUnknown)) {
        blkfront_shutdown(bf);
    }
}

/* What an earlier life of this device left in the store. */
static int front_reset_state(struct blkfront *bf)
{
    const unsigned fresh = STATE(Initialising) | STATE(InitWait);
    uint64_t own = XenbusStateUnknown;

    (void)xs_read_uint(bf->xs, 0, bf->dev.path, "state", &own);
    if (own == XenbusStateInitialising) {
        return 0;
    }
    if (own != XenbusStateClosed) {
        (void)xenbus_switch_state(&bf->dev, XenbusStateClosing);
        (void)front_wait(bf, fresh | STATE(Closing) | STATE(Closed),
                         BLKFRONT_CLOSE_NS);
        (void)xenbus_switch_state(&bf->dev, XenbusStateClosed);
        (void)front_wait(bf, fresh | STATE(Closed), BLKFRONT_CLOSE_NS);
    }
    return xenbus_switch_state(&bf->dev, XenbusStateInitialising);
}

static int front_make_ring(struct blkfront *bf)
{
    domid_t to = bf->dev.other_domid;
    int rc;

    bf->ring_page = os_pages_alloc(bf->os, 1);
    if (!bf->ring_page) {
        return -XEN_ENOMEM;
    }
    ring_front_init(&bf->ring, bf->os, bf->ring_page,
                    sizeof(struct blkif_request));
    rc = os_grant_access(bf->os, to, os_gfn(bf->os, bf->ring_page), false,
                         &bf->ring_ref);
    if (rc) {
        return rc;
    }
    bf->ring_granted = true;
    rc = os_evtchn_alloc_unbound(bf->os, to, &bf->port);
    if (rc) {
        bf->port = 0;
        return rc;
    }
    return os_event_handler(bf->os, bf->port, front_event, bf);
}

static int front_write_nodes(struct blkfront *bf, xs_tx tx)
{
    const char *dir = bf->dev.path;
    int rc = xs_printf(bf->xs, tx, dir, "ring-ref", "%u", bf->ring_ref);

    if (!rc) {
        rc = xs_printf(bf->xs, tx, dir, "event-channel", "%u", bf->port);
    }
    if (!rc) {
        rc = xs_printf(bf->xs, tx, dir, "protocol", "%s",
                       XEN_IO_PROTO_ABI_X86_64);
    }
    return rc;
}

/* io/blkif.h, "Frontend XenBus Nodes": in one transaction, so that the
 * backend sees all or none. */
static int front_publish(struct blkfront *bf)
{
    int rc = -XEN_EAGAIN;

    for (unsigned i = 0; i < BLKFRONT_TX_TRIES && rc == -XEN_EAGAIN; i++) {
        xs_tx tx;

        rc = xs_transaction_start(bf->xs, &tx);
        if (rc) {
            return rc;
        }
        rc = front_write_nodes(bf, tx);
        if (rc) {
            (void)xs_transaction_end(bf->xs, tx, false);
        } else {
            rc = xs_transaction_end(bf->xs, tx, true);
        }
    }
    return rc ? rc :
                xenbus_switch_state(&bf->dev, XenbusStateInitialised);
}

static uint64_t front_read_node(struct blkfront *bf, const char *node,
                                uint64_t missing)
{
    uint64_t v;

    return xs_read_uint(bf->xs, 0, bf->dev.other_path, node, &v) ? missing :
                                                                   v;
}

/* io/blkif.h, "Backend XenBus Nodes". We don't write
 * feature-large-sector-size, so sector-size is 512 or wrong. */
static int front_read_nodes(struct blkfront *bf)
{
    uint64_t size = front_read_node(bf, "sector-size", BLKFRONT_SECTOR);

    bf->sectors = front_read_node(bf, "sectors", 0);
    if (size != BLKFRONT_SECTOR || bf->sectors == 0 ||
        bf->sectors > BLKFRONT_SECTORS_MAX) {
        return -XEN_EINVAL;
    }
    bf->sector_size = BLKFRONT_SECTOR;
    bf->readonly = front_read_node(bf, "info", 0) & VDISK_READONLY;
    bf->has_flush = front_read_node(bf, "feature-flush-cache", 0) == 1;
    return 0;
}

static int front_connect(struct blkfront *bf)
{
    const unsigned over = STATE(Closing) | STATE(Closed) | STATE(Unknown);
    int rc = front_reset_state(bf);

    if (!rc && !front_wait(bf, STATE(InitWait), BLKFRONT_OPEN_NS)) {
        rc = -XEN_ETIMEDOUT;
    }
    if (!rc) {
        rc = front_make_ring(bf);
    }
    if (!rc) {
        rc = front_publish(bf);
    }
    if (!rc && !front_wait(bf, STATE(Connected) | over, BLKFRONT_OPEN_NS)) {
        rc = -XEN_ETIMEDOUT;
    }
    if (!rc && bf->dev.other_state != XenbusStateConnected) {
        rc = -XEN_ENODEV;
    }
    if (!rc) {
        rc = front_read_nodes(bf);
    }
    if (!rc) {
        bf->connected = true;
        rc = xenbus_switch_state(&bf->dev, XenbusStateConnected);
    }
    if (!rc && front_wait(bf, over, 0)) {
        rc = -XEN_ENODEV; /* it left while we were reading */
    }
    return rc;
}

struct blkfront *blkfront_open(struct xs *xs, unsigned vdev, int *err)
{
    struct os *os = xs_os(xs);
    struct blkfront *bf = os_malloc(os, sizeof(*bf));
    char path[XENBUS_PATH_MAX];

    *err = -XEN_ENOMEM;
    if (!bf) {
        return NULL;
    }
    bf->xs = xs;
    bf->os = os;
    bf->vdev = vdev;
    bf->dev.changed = front_changed;
    bf->dev.ctx = bf;
    lib_format(path, sizeof(path), "device/vbd/%u", vdev);
    *err = xenbus_open_frontend(&bf->dev, xs, path);
    if (*err) {
        os_free(os, bf);
        return NULL;
    }
    *err = front_connect(bf);
    if (*err) {
        blkfront_close(bf);
        return NULL;
    }
    return bf;
}

void blkfront_close(struct blkfront *bf)
{
    blkfront_shutdown(bf);
    front_release(bf); /* the ring's grant may have ended by now */
    xenbus_close(&bf->dev);
    if (bf->ring_page) {
        os_log(bf->os, "blkfront %u: the backend keeps the ring", bf->vdev);
    }
    os_free(bf->os, bf);
}

uint64_t blkfront_sectors(const struct blkfront *bf)
{
    return bf->sectors;
}

unsigned blkfront_sector_size(const struct blkfront *bf)
{
    return bf->sector_size;
}

bool blkfront_readonly(const struct blkfront *bf)
{
    return bf->readonly;
}

bool blkfront_has_flush(const struct blkfront *bf)
{
    return bf->has_flush;
}

bool blkfront_connected(const struct blkfront *bf)
{
    return bf->connected;
}
