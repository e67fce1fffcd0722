/*
 * The xenstore client: requests of io/xs_wire.h and the calls made of them.
 *
 *   xs_open -> idle <-> n requests in flight -> dead (bad ring) -> xs_close
 *
 * Invariants:
 *  1. A caller waits in os_wait() alone; any number may wait, each for its
 *     own req_id.
 *  2. What a reply says is copied before it is looked at.
 */
#include "pv/xenbus/xs.h"

#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>

#include "pv/lib.h"
#include "pv/xenbus/xs_impl.h"

static void ring_event(struct os *os, void *ctx, evtchn_port_t port)
{
    struct xs *xs = ctx;

    (void)port;
    xs_pump(xs);
    /* xs_wire.h: the daemon has given this connection up */
    if (os_load32(os, xs->ring + offsetof(struct xenstore_domain_interface,
                                          error)) != XENSTORE_ERROR_NONE) {
        xs->dead = true;
    }
}

struct xs *xs_open(struct os *os, uint64_t ring, evtchn_port_t port)
{
    struct xs *xs = os_malloc(os, sizeof(*xs));

    if (xs == NULL) {
        return NULL;
    }
    xs->os = os;
    xs->ring = ring;
    xs->port = port;
    xs->next_req_id = 1;
    if (os_poll_register(os, xs_dispatch_events, xs) != 0) {
        os_free(os, xs);
        return NULL;
    }
    if (os_event_handler(os, port, ring_event, xs) != 0) {
        os_poll_unregister(os, xs_dispatch_events, xs);
        os_free(os, xs);
        return NULL;
    }
    return xs;
}

struct xs *xs_open_params(struct os *os)
{
    struct xen_hvm_param p = { .domid = DOMID_SELF };
    uint64_t gfn;

    p.index = HVM_PARAM_STORE_PFN;
    if (os_call(os, __HYPERVISOR_hvm_op, HVMOP_get_param, &p, sizeof(p),
                0) != 0 ||
        p.value == 0) {
        return NULL;
    }
    gfn = p.value;
    p.index = HVM_PARAM_STORE_EVTCHN;
    if (os_call(os, __HYPERVISOR_hvm_op, HVMOP_get_param, &p, sizeof(p),
                0) != 0 ||
        p.value == 0) {
        return NULL;
    }
    return xs_open(os, gfn * OS_PAGE_SIZE, (evtchn_port_t)p.value);
}

void xs_close(struct xs *xs)
{
    struct os *os = xs->os;

    os_event_handler(os, xs->port, NULL, NULL);
    os_poll_unregister(os, xs_dispatch_events, xs);
    xs_watches_drop(xs);
    xs_ring_drop(xs);
    os_free(os, xs);
}

struct os *xs_os(struct xs *xs)
{
    return xs->os;
}

/* Names as xs_wire.h's xsd_errors has them, to <xen/errno.h>. */
static int error_of(const char *name)
{
    static const struct {
        const char *name;
        int err;
    } errors[] = {
        { "EINVAL", XEN_EINVAL },       { "EACCES", XEN_EACCES },
        { "EEXIST", XEN_EEXIST },       { "EISDIR", XEN_EISDIR },
        { "ENOENT", XEN_ENOENT },       { "ENOMEM", XEN_ENOMEM },
        { "ENOSPC", XEN_ENOSPC },       { "EIO", XEN_EIO },
        { "ENOTEMPTY", XEN_ENOTEMPTY }, { "ENOSYS", XEN_ENOSYS },
        { "EROFS", XEN_EROFS },         { "EBUSY", XEN_EBUSY },
        { "EAGAIN", XEN_EAGAIN },       { "EISCONN", XEN_EISCONN },
        { "E2BIG", XEN_E2BIG },         { "EPERM", XEN_EPERM },
    };

    for (unsigned i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (lib_streq(name, errors[i].name)) {
            return -errors[i].err;
        }
    }
    return -XEN_EINVAL;
}

static void unlink_pending(struct xs *xs, struct xs_pending *p)
{
    struct xs_pending **pp = &xs->pending;

    while (*pp != p) {
        pp = &(*pp)->next;
    }
    *pp = p->next;
}

static int wait_reply(struct xs *xs, struct xs_pending *p)
{
    uint64_t start = os_now_ns(xs->os), passed = 0;

    xs_pump(xs);
    while (!p->done && !xs->dead) {
        if (passed >= XS_TIMEOUT_NS) {
            return -XEN_ETIMEDOUT;
        }
        os_wait(xs->os, XS_TIMEOUT_NS - passed);
        passed = os_now_ns(xs->os) - start;
    }
    return p->done ? 0 : -XEN_EIO;
}

int xs_request(struct xs *xs, xs_tx tx, uint32_t type, const void *payload,
               size_t len, char **reply, size_t *reply_len)
{
    struct xs_pending p = { .done = false };
    struct xsd_sockmsg hdr;
    int rc;

    if (len > XENSTORE_PAYLOAD_MAX) {
        return -XEN_E2BIG;
    }
    if (xs->dead) {
        return -XEN_EIO;
    }
    hdr.type = type;
    hdr.tx_id = tx;
    hdr.len = (uint32_t)len;
    hdr.req_id = p.req_id = xs->next_req_id++;
    rc = xs_enqueue(xs, &hdr, payload);
    if (rc != 0) {
        return rc;
    }
    p.next = xs->pending;
    xs->pending = &p;
    rc = wait_reply(xs, &p);
    unlink_pending(xs, &p);
    if (rc == 0 && p.type == XS_ERROR) {
        rc = error_of(p.payload);
    } else if (rc == 0 && p.type != type) {
        rc = -XEN_EIO;
    }
    if (rc == 0 && reply != NULL) {
        *reply = p.payload;
        if (reply_len != NULL) {
            *reply_len = p.len;
        }
    } else {
        os_free(xs->os, p.payload);
    }
    return rc;
}
