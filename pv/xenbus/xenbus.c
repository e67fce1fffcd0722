/*
 * Device directories and the handshake of io/xenbus.h, for both ends.
 *
 *   closed -> open: names read, other end's "state" watched
 *          -> switch_state(...) as the driver's protocol has it
 *          -> close: unwatched
 *
 * Invariants:
 *  1. dev->state is what our "state" node was last written to, or 0.
 *  2. changed() is called once for each value of the other end's state that
 *     differs from the one seen before, the first one included.
 */
#include "pv/xenbus/xenbus.h"

#include "pv/lib.h"

static void join(char *dst, size_t cap, const char *dir, const char *node)
{
    lib_format(dst, cap, "%s/%s", dir, node);
}

enum xenbus_state xenbus_read_other(struct xenbus_device *dev)
{
    uint64_t v;

    /* A missing or senseless node is XenbusStateUnknown, never trusted. */
    if (xs_read_uint(dev->xs, 0, dev->other_path, "state", &v) != 0 ||
        v > XenbusStateReconfigured) {
        return XenbusStateUnknown;
    }
    return (enum xenbus_state)v;
}

static void look(struct xenbus_device *dev)
{
    enum xenbus_state s = xenbus_read_other(dev);

    if (dev->watch == NULL || s == dev->other_state) {
        return; /* closed while the read was under way, or nothing new */
    }
    dev->other_state = s;
    if (dev->changed != NULL) {
        dev->changed(dev, s);
    }
}

static void state_watch(struct os *os, void *ctx, const char *path)
{
    struct xenbus_device *dev = ctx;

    (void)os;
    (void)path;
    if (dev->watch == NULL) {
        return; /* the event came before xs_watch() returned: see open() */
    }
    look(dev);
}

static int open_device(struct xenbus_device *dev, struct xs *xs,
                       const char *path, const char *other,
                       const char *other_id)
{
    char node[XENBUS_PATH_MAX + 16], *text;
    struct xs_watch *watch;
    uint64_t domid;
    int rc;

    dev->xs = xs;
    dev->watch = NULL;
    dev->state = XenbusStateUnknown;
    dev->other_state = XenbusStateUnknown;
    if (!lib_copy(dev->path, sizeof(dev->path), path)) {
        return -XEN_EINVAL;
    }
    join(node, sizeof(node), path, other);
    rc = xs_read(xs, 0, node, &text);
    if (rc != 0) {
        return rc;
    }
    rc = lib_copy(dev->other_path, sizeof(dev->other_path), text)
             ? 0
             : -XEN_EINVAL;
    os_free(xs_os(xs), text);
    if (rc == 0) {
        rc = xs_read_uint(xs, 0, path, other_id, &domid);
    }
    if (rc == 0 && domid >= DOMID_FIRST_RESERVED) {
        rc = -XEN_EINVAL;
    }
    if (rc != 0) {
        return rc;
    }
    dev->other_domid = (domid_t)domid;
    join(node, sizeof(node), dev->other_path, "state");
    rc = xs_watch(xs, node, state_watch, dev, &watch);
    if (rc == 0) {
        dev->watch = watch;
        look(dev); /* what the first event may have told too early */
    }
    return rc;
}

int xenbus_open_frontend(struct xenbus_device *dev, struct xs *xs,
                         const char *path)
{
    return open_device(dev, xs, path, "backend", "backend-id");
}

int xenbus_open_backend(struct xenbus_device *dev, struct xs *xs,
                        const char *path)
{
    return open_device(dev, xs, path, "frontend", "frontend-id");
}

void xenbus_close(struct xenbus_device *dev)
{
    struct xs_watch *watch = dev->watch;

    dev->watch = NULL;
    if (watch != NULL) {
        xs_unwatch(dev->xs, watch);
    }
}

int xenbus_switch_state(struct xenbus_device *dev, enum xenbus_state s)
{
    int rc;

    if (dev->state == s) {
        return 0;
    }
    rc = xs_printf(dev->xs, 0, dev->path, "state", "%u", (unsigned)s);
    if (rc == 0) {
        dev->state = s;
    }
    return rc;
}

int xenbus_wait_other(struct xenbus_device *dev, enum xenbus_state s,
                      uint64_t timeout_ns)
{
    struct os *os = xs_os(dev->xs);
    uint64_t start = os_now_ns(os), passed = 0;

    for (;;) {
        enum xenbus_state other;

        look(dev);
        other = dev->other_state;
        if (other == s ||
            (s == XenbusStateClosing && other == XenbusStateClosed)) {
            return 0;
        }
        /* Closing leads to Closed alone: it won't come to where we wait. */
        if (s != XenbusStateClosed && (other == XenbusStateClosing ||
                                       other == XenbusStateClosed)) {
            return -XEN_ENOTCONN;
        }
        passed = os_now_ns(os) - start;
        if (passed >= timeout_ns) {
            return -XEN_ETIMEDOUT;
        }
        os_wait(os, timeout_ns - passed);
    }
}

void xenbus_fatal(struct xenbus_device *dev, int err, const char *what)
{
    os_log(xs_os(dev->xs), "%s: %s (%d)", dev->path, what, err);
    xs_printf(dev->xs, 0, dev->path, "error", "%d %s", err, what);
    xenbus_switch_state(dev, XenbusStateClosing);
}

const char *xenbus_state_name(enum xenbus_state s)
{
    static const char *const names[] = {
        [XenbusStateUnknown] = "Unknown",
        [XenbusStateInitialising] = "Initialising",
        [XenbusStateInitWait] = "InitWait",
        [XenbusStateInitialised] = "Initialised",
        [XenbusStateConnected] = "Connected",
        [XenbusStateClosing] = "Closing",
        [XenbusStateClosed] = "Closed",
        [XenbusStateReconfiguring] = "Reconfiguring",
        [XenbusStateReconfigured] = "Reconfigured",
    };

    return (unsigned)s < sizeof(names) / sizeof(names[0]) ? names[s]
                                                          : "senseless";
}
