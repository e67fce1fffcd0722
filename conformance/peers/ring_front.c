/*
 * The raw frontend. What it asks of a backend, whatever the case does: no
 * response without a request, no index out of range.
 */
#include "conformance/peers/ring_front.h"

#include <string.h>

#include <xen/io/protocols.h>

static void front_event(struct os *os, void *ctx, evtchn_port_t port)
{
    struct raw_front *f = ctx;
    (void)os;
    (void)port;
    f->events++;
}

static void write_node(struct raw_front *f, const char *node,
                       const char *value)
{
    char path[96];
    snprintf(path, sizeof(path), "%s/%s", f->dir, node);
    T_REQUIRE_OK(f->t, xs_write(f->t->xs, 0, path, value));
}

void raw_front_state(struct raw_front *f, enum xenbus_state s)
{
    char value[8];
    snprintf(value, sizeof(value), "%d", s);
    write_node(f, "state", value);
}

unsigned raw_front_backend_state(struct raw_front *f)
{
    uint64_t v = 0;
    return xs_read_uint(f->t->xs, 0, f->back, "state", &v) == 0 && v < 32
               ? (unsigned)v
               : XenbusStateUnknown;
}

bool raw_front_backend_has(struct raw_front *f, const char *node)
{
    char path[128], *value = NULL;
    snprintf(path, sizeof(path), "%s/%s", f->back, node);
    if (xs_read(f->t->xs, 0, path, &value) != 0) {
        return false;
    }
    os_free(f->t->os, value);
    return true;
}

bool raw_front_wait(struct raw_front *f, unsigned mask)
{
    uint64_t end = os_now_ns(f->t->os) + RAW_WAIT_NS;
    while (!(1u << raw_front_backend_state(f) & mask)) {
        if (os_now_ns(f->t->os) >= end) {
            return false;
        }
        t_sleep(f->t, 200000);
    }
    return true;
}

void raw_front_init(struct raw_front *f, struct t *t, unsigned vdev)
{
    char path[96], *value = NULL;
    uint64_t id;
    memset(f, 0, sizeof(*f));
    f->t = t;
    snprintf(f->dir, sizeof(f->dir), "device/vbd/%u", vdev);
    snprintf(path, sizeof(path), "%s/backend", f->dir);
    T_REQUIRE_OK(t, xs_read(t->xs, 0, path, &value));
    T_REQUIRE(t, strlen(value) < sizeof(f->back));
    memcpy(f->back, value, strlen(value) + 1);
    os_free(t->os, value);
    T_REQUIRE_OK(t, xs_read_uint(t->xs, 0, f->dir, "backend-id", &id));
    f->backend = (domid_t)id;
    raw_front_state(f, XenbusStateInitialising);
    T_CHECK(t, raw_front_wait(f, RAW_STATE(InitWait)));
}

void raw_front_share(struct raw_front *f)
{
    struct t *t = f->t;
    f->page = t_page(t, 0);
    os_store32(t->os, RAW_FIELD(f, req_event), 1);
    os_store32(t->os, RAW_FIELD(f, rsp_event), 1);
    f->ring_ref = raw_front_grant(f, f->page, false);
    T_REQUIRE_OK(t, os_evtchn_alloc_unbound(t->os, f->backend, &f->port));
    T_REQUIRE_OK(t, os_event_handler(t->os, f->port, front_event, f));
}

void raw_front_publish(struct raw_front *f, const char *ref,
                       const char *port, const char *protocol)
{
    if (ref != NULL) {
        write_node(f, "ring-ref", ref);
    }
    if (port != NULL) {
        write_node(f, "event-channel", port);
    }
    if (protocol != NULL) {
        write_node(f, "protocol", protocol);
    }
    raw_front_state(f, XenbusStateInitialised);
}

void raw_front_connect(struct raw_front *f, struct t *t, unsigned vdev)
{
    char ref[16], port[16];
    raw_front_init(f, t, vdev);
    raw_front_share(f);
    snprintf(ref, sizeof(ref), "%u", f->ring_ref);
    snprintf(port, sizeof(port), "%u", f->port);
    raw_front_publish(f, ref, port, XEN_IO_PROTO_ABI_X86_64);
    T_CHECK(t, raw_front_wait(f, RAW_STATE(Connected)));
    raw_front_state(f, XenbusStateConnected);
}

void raw_front_close(struct raw_front *f)
{
    struct t *t = f->t;
    raw_front_state(f, XenbusStateClosing);
    T_CHECK(t, raw_front_wait(f, RAW_STATE(Closing) | RAW_STATE(Closed)));
    raw_front_state(f, XenbusStateClosed);
    T_CHECK(t, raw_front_wait(f, RAW_STATE(Closed)));
    if (f->page != 0) {
        T_EQ(t, os_grant_end(t->os, f->ring_ref), 0); /* it let go */
        os_event_handler(t->os, f->port, NULL, NULL);
        os_evtchn_close(t->os, f->port);
        os_pages_free(t->os, f->page, 1);
        f->page = 0;
    }
}

grant_ref_t raw_front_grant(struct raw_front *f, uint64_t page,
                            bool readonly)
{
    grant_ref_t ref;
    T_REQUIRE_OK(f->t, os_grant_access(f->t->os, f->backend,
                                       os_gfn(f->t->os, page), readonly,
                                       &ref));
    return ref;
}

struct blkif_request raw_front_request(uint8_t op, uint64_t id,
                                       uint64_t sector, grant_ref_t gref,
                                       uint8_t first, uint8_t last)
{
    struct blkif_request r;
    memset(&r, 0, sizeof(r));
    r.operation = op;
    r.nr_segments = 1;
    r.id = id;
    r.sector_number = sector;
    r.seg[0].gref = gref;
    r.seg[0].first_sect = first;
    r.seg[0].last_sect = last;
    return r;
}

void raw_front_put(struct raw_front *f, const struct blkif_request *req)
{
    os_write(f->t->os, RAW_SLOT(f, f->req_prod), req, sizeof(*req));
    f->req_prod++;
}

void raw_front_push(struct raw_front *f)
{
    os_store32(f->t->os, RAW_FIELD(f, req_prod), f->req_prod);
    os_mb(f->t->os);
    T_REQUIRE_OK(f->t, os_evtchn_send(f->t->os, f->port));
}

bool raw_front_get(struct raw_front *f, struct blkif_response *rsp,
                   uint64_t ns)
{
    struct os *os = f->t->os;
    uint64_t end = os_now_ns(os) + ns;
    for (;;) {
        uint32_t have = os_load32(os, RAW_FIELD(f, rsp_prod)) - f->rsp_cons;
        T_CHECK(f->t, have <= f->req_prod - f->rsp_cons);
        if (have > 0) {
            break;
        }
        os_store32(os, RAW_FIELD(f, rsp_event), f->rsp_cons + 1);
        os_mb(os);
        if (os_load32(os, RAW_FIELD(f, rsp_prod)) != f->rsp_cons) {
            continue;
        }
        if (os_now_ns(os) >= end) {
            return false;
        }
        os_wait(os, ns);
    }
    os_read(os, RAW_SLOT(f, f->rsp_cons), rsp, sizeof(*rsp));
    f->rsp_cons++;
    return true;
}

int16_t raw_front_do(struct raw_front *f, const struct blkif_request *req)
{
    struct blkif_response rsp;
    raw_front_put(f, req);
    raw_front_push(f);
    T_CHECK(f->t, raw_front_get(f, &rsp, RAW_WAIT_NS));
    T_EQ(f->t, rsp.id, req->id);
    T_EQ(f->t, rsp.operation, req->operation);
    return rsp.status;
}
