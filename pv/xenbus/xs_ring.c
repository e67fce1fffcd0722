/*
 * The xenstore client's half of the ring (io/xs_wire.h): messages out of a
 * queue, replies to those who wait, watch events to the event queue.
 *
 *   header (16 bytes) -> payload (hdr.len bytes) -> delivered -> header ...
 *
 * Invariants:
 *  1. Messages leave in the order of xs_enqueue(), each as a whole, however
 *     many callers wait at once.
 *  2. An index, a type or a length that the daemon can't have written kills
 *     the connection: every request fails with -XEN_EIO.
 */
#include "pv/lib.h"
#include "pv/xenbus/xs_impl.h"

#define OFF(field) offsetof(struct xenstore_domain_interface, field)

/* Copies up to `len` bytes into the request ring; 0 when it is full. */
static size_t ring_put(struct xs *xs, const char *src, size_t len)
{
    uint32_t cons = os_load32(xs->os, xs->ring + OFF(req_cons));
    uint32_t prod = os_load32(xs->os, xs->ring + OFF(req_prod));
    size_t done = 0;

    if (prod - cons > XENSTORE_RING_SIZE) {
        xs->dead = true;
        return 0;
    }
    while (done < len && prod - cons < XENSTORE_RING_SIZE) {
        uint32_t at = MASK_XENSTORE_IDX(prod);
        size_t room = XENSTORE_RING_SIZE - (prod - cons);
        size_t n = XENSTORE_RING_SIZE - at;

        n = n < room ? n : room;
        n = n < len - done ? n : len - done;
        os_write(xs->os, xs->ring + OFF(req) + at, src + done, n);
        done += n;
        prod += (uint32_t)n;
    }
    if (done > 0) {
        os_store32(xs->os, xs->ring + OFF(req_prod), prod);
    }
    return done;
}

/* Takes up to `len` bytes from the response ring. */
static size_t ring_get(struct xs *xs, char *dst, size_t len)
{
    uint32_t cons = os_load32(xs->os, xs->ring + OFF(rsp_cons));
    uint32_t prod = os_load32(xs->os, xs->ring + OFF(rsp_prod));
    size_t done = 0;

    if (prod - cons > XENSTORE_RING_SIZE) {
        xs->dead = true;
        return 0;
    }
    while (done < len && prod != cons) {
        uint32_t at = MASK_XENSTORE_IDX(cons);
        size_t n = XENSTORE_RING_SIZE - at;

        n = n < prod - cons ? n : prod - cons;
        n = n < len - done ? n : len - done;
        os_read(xs->os, xs->ring + OFF(rsp) + at, dst + done, n);
        done += n;
        cons += (uint32_t)n;
    }
    if (done > 0) {
        os_store32(xs->os, xs->ring + OFF(rsp_cons), cons);
    }
    return done;
}

static bool pump_out(struct xs *xs)
{
    bool moved = false;

    while (xs->out_head != NULL && !xs->dead) {
        struct xs_out *o = xs->out_head;
        size_t n = ring_put(xs, o->bytes + o->sent, o->len - o->sent);

        if (n == 0) {
            break;
        }
        moved = true;
        o->sent += n;
        if (o->sent == o->len) {
            xs->out_head = o->next;
            os_free(xs->os, o);
        }
    }
    return moved;
}

static void deliver(struct xs *xs)
{
    char *payload = xs->payload;
    size_t len = xs->hdr.len;
    struct xs_pending *p = xs->pending;

    xs->payload = NULL;
    xs->hdr_got = 0;
    xs->got = 0;
    if (xs->hdr.type == XS_WATCH_EVENT) {
        xs_event_arrived(xs, payload, len);
        return;
    }
    while (p != NULL && (p->done || p->req_id != xs->hdr.req_id)) {
        p = p->next;
    }
    if (p == NULL) { /* whoever asked has given up */
        os_free(xs->os, payload);
        return;
    }
    p->done = true;
    p->type = xs->hdr.type;
    p->payload = payload;
    p->len = len;
}

static bool pump_in(struct xs *xs)
{
    bool moved = false;
    size_t n;

    while (!xs->dead) {
        if (xs->hdr_got < sizeof(xs->hdr)) {
            n = ring_get(xs, (char *)&xs->hdr + xs->hdr_got,
                         sizeof(xs->hdr) - xs->hdr_got);
            xs->hdr_got += n;
            moved = moved || n > 0;
            if (xs->hdr_got < sizeof(xs->hdr)) {
                break;
            }
            if (xs->hdr.len > XENSTORE_PAYLOAD_MAX) {
                xs->dead = true;
                break;
            }
        }
        if (xs->payload == NULL) {
            xs->payload = os_malloc(xs->os, xs->hdr.len + 1);
            if (xs->payload == NULL) {
                xs->dead = true; /* the stream can't be kept in step */
                break;
            }
        }
        if (xs->got < xs->hdr.len) {
            n = ring_get(xs, xs->payload + xs->got, xs->hdr.len - xs->got);
            xs->got += n;
            moved = moved || n > 0;
            if (xs->got < xs->hdr.len) {
                break;
            }
        }
        deliver(xs);
    }
    return moved;
}

bool xs_pump(struct xs *xs)
{
    bool moved = pump_out(xs);

    moved = pump_in(xs) || moved;
    if (moved) {
        /* xs_wire.h has no event index: each move is announced. */
        os_evtchn_send(xs->os, xs->port);
    }
    return moved;
}

int xs_enqueue(struct xs *xs, const struct xsd_sockmsg *hdr,
               const void *payload)
{
    struct xs_out *o =
        os_malloc(xs->os, sizeof(*o) + sizeof(*hdr) + hdr->len);

    if (o == NULL) {
        return -XEN_ENOMEM;
    }
    o->next = NULL;
    o->sent = 0;
    o->len = sizeof(*hdr) + hdr->len;
    memcpy(o->bytes, hdr, sizeof(*hdr));
    if (hdr->len > 0) {
        memcpy(o->bytes + sizeof(*hdr), payload, hdr->len);
    }
    if (xs->out_head == NULL) {
        xs->out_head = o;
    } else {
        xs->out_tail->next = o;
    }
    xs->out_tail = o;
    return 0;
}

void xs_ring_drop(struct xs *xs)
{
    while (xs->out_head != NULL) {
        struct xs_out *o = xs->out_head;

        xs->out_head = o->next;
        os_free(xs->os, o);
    }
    os_free(xs->os, xs->payload);
    xs->payload = NULL;
}
