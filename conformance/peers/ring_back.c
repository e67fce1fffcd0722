/*
 * The raw backend. A frontend that sends what the ring can't hold fails the
 * case: it is the frontend that is under test.
 */
#include "conformance/peers/ring_back.h"

#include <string.h>

#define SLOTS 32u
#define FIELD(b, field) ((b)->page + offsetof(struct blkif_sring, field))
#define SLOT(b, idx)                                                          \
    (FIELD(b, ring) +                                                         \
     (uint64_t)((idx) % SLOTS) * sizeof(union blkif_sring_entry))

static void back_event(struct os *os, void *ctx, evtchn_port_t port)
{
    (void)os;
    (void)ctx;
    (void)port; /* it only has to wake os_wait() */
}

static void write_node(struct raw_back *b, const char *node,
                       const char *value)
{
    char path[96];
    snprintf(path, sizeof(path), "%s/%s", b->dir, node);
    T_REQUIRE_OK(b->t, xs_write(b->t->xs, 0, path, value));
}

void raw_back_state(struct raw_back *b, enum xenbus_state s)
{
    char value[8];
    snprintf(value, sizeof(value), "%d", s);
    write_node(b, "state", value);
}

unsigned raw_back_front_state(struct raw_back *b)
{
    uint64_t v = 0;
    return xs_read_uint(b->t->xs, 0, b->front, "state", &v) == 0 && v < 32
               ? (unsigned)v
               : XenbusStateUnknown;
}

bool raw_back_wait(struct raw_back *b, unsigned mask)
{
    uint64_t end = os_now_ns(b->t->os) + RAW_BACK_WAIT_NS;
    while (!(1u << raw_back_front_state(b) & mask)) {
        if (os_now_ns(b->t->os) >= end) {
            return false;
        }
        t_sleep(b->t, 200000);
    }
    return true;
}

void raw_back_init(struct raw_back *b, struct t *t, domid_t frontend,
                   unsigned vdev, const char *sectors,
                   const char *sector_size)
{
    memset(b, 0, sizeof(*b));
    b->t = t;
    b->frontend = frontend;
    snprintf(b->dir, sizeof(b->dir), "backend/vbd/%u/%u", frontend, vdev);
    snprintf(b->front, sizeof(b->front), "/local/domain/%u/device/vbd/%u",
             frontend, vdev);
    if (sectors != NULL) {
        write_node(b, "sectors", sectors);
    }
    write_node(b, "sector-size", sector_size);
    write_node(b, "info", "0");
    write_node(b, "feature-flush-cache", "1");
    raw_back_state(b, XenbusStateInitWait);
}

void raw_back_connect(struct raw_back *b)
{
    struct t *t = b->t;
    uint64_t ref, port;
    T_CHECK(t, raw_back_wait(b, 1u << XenbusStateInitialised));
    /* All of the frontend's nodes are there by now. */
    T_EQ(t, xs_read_uint(t->xs, 0, b->front, "ring-ref", &ref), 0);
    T_EQ(t, xs_read_uint(t->xs, 0, b->front, "event-channel", &port), 0);
    grant_ref_t gref = (grant_ref_t)ref;
    T_EQ(t, os_grant_map(t->os, b->frontend, &gref, 1, false, &b->map), 0);
    b->page = b->map.addr;
    T_EQ(t, os_evtchn_bind_interdomain(t->os, b->frontend,
                                       (evtchn_port_t)port, &b->port), 0);
    T_REQUIRE_OK(t, os_event_handler(t->os, b->port, back_event, b));
    raw_back_state(b, XenbusStateConnected);
    T_CHECK(t, raw_back_wait(b, 1u << XenbusStateConnected));
}

bool raw_back_take(struct raw_back *b, struct blkif_request *req)
{
    struct os *os = b->t->os;
    uint64_t end = os_now_ns(os) + RAW_BACK_WAIT_NS;
    for (;;) {
        uint32_t have = os_load32(os, FIELD(b, req_prod)) - b->req_cons;
        T_CHECK(b->t, have <= SLOTS);
        if (have > 0) {
            break;
        }
        os_store32(os, FIELD(b, req_event), b->req_cons + 1);
        os_mb(os);
        if (os_load32(os, FIELD(b, req_prod)) != b->req_cons) {
            continue;
        }
        if (os_now_ns(os) >= end) {
            return false;
        }
        os_wait(os, 1000000);
    }
    os_read(os, SLOT(b, b->req_cons), req, sizeof(*req));
    b->req_cons++;
    return true;
}

void raw_back_put(struct raw_back *b, uint64_t id, uint8_t op,
                  int16_t status)
{
    struct blkif_response r;
    memset(&r, 0, sizeof(r));
    r.id = id;
    r.operation = op;
    r.status = status;
    os_write(b->t->os, SLOT(b, b->rsp_prod), &r, sizeof(r));
    b->rsp_prod++;
}

void raw_back_push(struct raw_back *b)
{
    os_store32(b->t->os, FIELD(b, rsp_prod), b->rsp_prod);
    os_mb(b->t->os);
    (void)os_evtchn_send(b->t->os, b->port); /* it may have gone */
}

void raw_back_detach(struct raw_back *b)
{
    struct os *os = b->t->os;
    if (b->page != 0) {
        os_event_handler(os, b->port, NULL, NULL);
        os_evtchn_close(os, b->port);
        os_grant_unmap(os, &b->map);
        b->page = 0;
    }
}
