/*
 * xenbus: device directories and the connection state machine of
 * io/xenbus.h, for both ends.
 *
 *   Unknown -> Initialising -> InitWait -> Initialised -> Connected
 *      any -> Closing -> Closed;  Connected <-> Reconfiguring/Reconfigured
 */
#ifndef PV_XENBUS_XENBUS_H
#define PV_XENBUS_XENBUS_H

#include <xen/io/xenbus.h>

#include "pv/xenbus/xs.h"

#define XENBUS_PATH_MAX 128

struct xenbus_device {
    struct xs *xs;
    char path[XENBUS_PATH_MAX];       /* our directory */
    char other_path[XENBUS_PATH_MAX]; /* the other end's */
    domid_t other_domid;
    enum xenbus_state state; /* ours, as last written */
    enum xenbus_state other_state;
    struct xs_watch *watch;
    /* The other end's state has changed (also on first sight). */
    void (*changed)(struct xenbus_device *dev, enum xenbus_state other);
    void *ctx;
};

/* Frontend: path e.g. "device/vbd/51712" (relative), reads "backend" and
 * "backend-id". Backend: path e.g. "backend/vbd/5/51712", reads "frontend"
 * and "frontend-id". Watches the other end's "state". */
int xenbus_open_frontend(struct xenbus_device *dev, struct xs *xs,
                         const char *path);
int xenbus_open_backend(struct xenbus_device *dev, struct xs *xs,
                        const char *path);
void xenbus_close(struct xenbus_device *dev); /* unwatches; no state change */
int xenbus_switch_state(struct xenbus_device *dev, enum xenbus_state s);
/* Reads the other end's state afresh. */
enum xenbus_state xenbus_read_other(struct xenbus_device *dev);
/* Waits until the other end is in `s`: 0 (Closed counts as Closing, too).
 * -XEN_ENOTCONN when it closes instead, -XEN_ETIMEDOUT. */
int xenbus_wait_other(struct xenbus_device *dev, enum xenbus_state s,
                      uint64_t timeout_ns);
/* "error" node plus Closing: the protocol's way to fail a device. */
void xenbus_fatal(struct xenbus_device *dev, int err, const char *what);
const char *xenbus_state_name(enum xenbus_state s);

#endif
