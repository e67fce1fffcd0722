/*
 * Connections: a ring each (io/xs_wire.h), requests in, replies and events
 * out.
 *
 *   header -> payload -> handled -> header ...
 *      |         |
 *      `----+----'--> dead: error field set, nothing is read or sent until
 *           |         the client asks for a reconnection
 *      bad index or length
 *
 * Invariants:
 *  1. req_cons and rsp_prod live here; the page only shows them.
 *  2. A client's index is used only when at most XENSTORE_RING_SIZE apart
 *     from ours; its bytes are copied once, then looked at.
 *  3. One event handles at most XSD_BATCH messages of a connection, and no
 *     more than quota.requests_outstanding unsent messages let an
 *     unprivileged client have another request read: what is left is the
 *     client's to take first.
 *  4. Unsent bytes for the unprivileged stay below XSD_QUEUE_BYTES plus one
 *     reply.
 */
#include "pv/xenstore/xsd.h"

#define OFF(field) offsetof(struct xenstore_domain_interface, field)

struct xsd_conn *conn_create(struct xenstored *xsd, domid_t domid)
{
    struct xsd_conn *c = os_malloc(xsd->os, sizeof(*c)), **pp;

    if (c == NULL) {
        return NULL;
    }
    c->xsd = xsd;
    c->domid = domid;
    c->privileged = domid == os_domid(xsd->os);
    c->next_tx_id = 1;
    for (pp = &xsd->conns; *pp != NULL; pp = &(*pp)->next) {
    }
    *pp = c;
    return c;
}

static void drop_queues(struct xsd_conn *c)
{
    while (c->out_head != NULL) {
        struct xsd_out *o = c->out_head;

        c->out_head = o->next;
        os_free(c->xsd->os, o);
    }
    c->nr_out = 0;
    c->out_bytes = 0;
    os_free(c->xsd->os, c->payload);
    c->payload = NULL;
    c->hdr_got = 0;
    c->got = 0;
}

static void forget_state(struct xsd_conn *c)
{
    watch_remove_all(c);
    tx_abort_all(c);
    drop_queues(c);
}

void conn_reset(struct xsd_conn *c)
{
    struct os *os = c->xsd->os;

    forget_state(c);
    c->dead = false;
    c->failing = false;
    c->req_cons = 0;
    c->rsp_prod = 0;
    os_store32(os, c->ring + OFF(req_cons), 0);
    os_store32(os, c->ring + OFF(req_prod), 0);
    os_store32(os, c->ring + OFF(rsp_cons), 0);
    os_store32(os, c->ring + OFF(rsp_prod), 0);
    os_store32(os, c->ring + OFF(error), XENSTORE_ERROR_NONE);
    os_store32(os, c->ring + OFF(connection), XENSTORE_CONNECTED);
    os_evtchn_send(os, c->port);
}

void conn_attach(struct xsd_conn *c)
{
    struct os *os = c->xsd->os;

    /* A ring that was in use (a client that came before us) goes on. */
    c->req_cons = os_load32(os, c->ring + OFF(req_cons));
    c->rsp_prod = os_load32(os, c->ring + OFF(rsp_prod));
    os_store32(os, c->ring + OFF(server_features),
               XENSTORE_SERVER_FEATURE_RECONNECTION |
                   XENSTORE_SERVER_FEATURE_ERROR);
    os_store32(os, c->ring + OFF(connection), XENSTORE_CONNECTED);
    c->more = true; /* what is in the ring by now */
    os_evtchn_send(os, c->xsd->kick_remote);
    os_evtchn_send(os, c->port);
}

void conn_kill(struct xsd_conn *c, uint32_t error)
{
    forget_state(c);
    c->dead = true;
    os_log(c->xsd->os, "xenstored: domain %u breaks the protocol (%u)",
           c->domid, error);
    os_store32(c->xsd->os, c->ring + OFF(error), error);
    os_evtchn_send(c->xsd->os, c->port);
}

void conn_destroy(struct xsd_conn *c)
{
    struct xenstored *xsd = c->xsd;
    struct xsd_conn **pp = &xsd->conns;

    while (*pp != c) {
        pp = &(*pp)->next;
    }
    *pp = c->next;
    for (struct xsd_conn *o = xsd->conns; o != NULL; o = o->next) {
        if (o->has_target && o->target == c->domid) {
            o->has_target = false;
        }
    }
    forget_state(c);
    if (c->port != 0) {
        os_event_handler(xsd->os, c->port, NULL, NULL);
        os_evtchn_close(xsd->os, c->port);
    }
    if (c->local_port != 0) {
        os_evtchn_close(xsd->os, c->local_port);
    }
    conn_unmap_ring(c);
    os_free(xsd->os, c);
}

/* -- The ring -------------------------------------------------------------- */

static size_t ring_get(struct xsd_conn *c, char *dst, size_t len)
{
    struct os *os = c->xsd->os;
    uint32_t prod = os_load32(os, c->ring + OFF(req_prod));
    size_t done = 0;

    if (prod - c->req_cons > XENSTORE_RING_SIZE) {
        conn_kill(c, XENSTORE_ERROR_RINGIDX);
        return 0;
    }
    while (done < len && prod != c->req_cons) {
        uint32_t at = MASK_XENSTORE_IDX(c->req_cons);
        size_t n = XENSTORE_RING_SIZE - at;

        n = n < prod - c->req_cons ? n : prod - c->req_cons;
        n = n < len - done ? n : len - done;
        os_read(os, c->ring + OFF(req) + at, dst + done, n);
        done += n;
        c->req_cons += (uint32_t)n;
    }
    if (done > 0) {
        os_store32(os, c->ring + OFF(req_cons), c->req_cons);
    }
    return done;
}

static size_t ring_put(struct xsd_conn *c, const char *src, size_t len)
{
    struct os *os = c->xsd->os;
    uint32_t cons = os_load32(os, c->ring + OFF(rsp_cons));
    size_t done = 0;

    if (c->rsp_prod - cons > XENSTORE_RING_SIZE) {
        conn_kill(c, XENSTORE_ERROR_RINGIDX);
        return 0;
    }
    while (done < len && c->rsp_prod - cons < XENSTORE_RING_SIZE) {
        uint32_t at = MASK_XENSTORE_IDX(c->rsp_prod);
        size_t room = XENSTORE_RING_SIZE - (c->rsp_prod - cons);
        size_t n = XENSTORE_RING_SIZE - at;

        n = n < room ? n : room;
        n = n < len - done ? n : len - done;
        os_write(os, c->ring + OFF(rsp) + at, src + done, n);
        done += n;
        c->rsp_prod += (uint32_t)n;
    }
    if (done > 0) {
        os_store32(os, c->ring + OFF(rsp_prod), c->rsp_prod);
    }
    return done;
}

static bool flush(struct xsd_conn *c)
{
    bool moved = false;

    while (c->out_head != NULL && !c->dead) {
        struct xsd_out *o = c->out_head;
        size_t n = ring_put(c, o->bytes + o->sent, o->len - o->sent);

        if (n == 0) {
            break; /* full, or just killed: then o is gone */
        }
        moved = true;
        o->sent += n;
        if (o->sent == o->len) {
            c->out_head = o->next;
            c->nr_out--;
            c->out_bytes -= o->len;
            os_free(c->xsd->os, o);
        }
    }
    return moved;
}

/* Reads on in the message; true when it is whole. */
static bool receive(struct xsd_conn *c, bool *moved)
{
    size_t n;

    if (c->hdr_got < sizeof(c->hdr)) {
        n = ring_get(c, (char *)&c->hdr + c->hdr_got,
                     sizeof(c->hdr) - c->hdr_got);
        c->hdr_got += c->dead ? 0 : n;
        *moved = *moved || n > 0;
        if (c->hdr_got < sizeof(c->hdr)) {
            return false;
        }
        if (c->hdr.len > XENSTORE_PAYLOAD_MAX) {
            conn_kill(c, XENSTORE_ERROR_PROTO);
            return false;
        }
    }
    if (c->payload == NULL) {
        c->payload = os_malloc(c->xsd->os, c->hdr.len + 1);
        if (c->payload == NULL) {
            conn_kill(c, XENSTORE_ERROR_COMM);
            return false;
        }
    }
    if (c->got < c->hdr.len) {
        n = ring_get(c, c->payload + c->got, c->hdr.len - c->got);
        c->got += c->dead ? 0 : n;
        *moved = *moved || n > 0;
    }
    return !c->dead && c->got == c->hdr.len;
}

void conn_run(struct xsd_conn *c)
{
    struct os *os = c->xsd->os;
    unsigned done = 0;
    bool moved = false;

    /* xs_wire.h: XENSTORE_SERVER_FEATURE_RECONNECTION */
    if (os_load32(os, c->ring + OFF(connection)) == XENSTORE_RECONNECT) {
        conn_reset(c);
    }
    while (done < XSD_BATCH && !c->dead) {
        moved = flush(c) || moved;
        if (!c->privileged &&
            c->nr_out >= c->xsd->quota.requests_outstanding) {
            break;
        }
        if (c->dead || !receive(c, &moved)) {
            break;
        }
        request_handle(c);
        os_free(os, c->payload);
        c->payload = NULL;
        c->hdr_got = 0;
        c->got = 0;
        done++;
        if (c->failing) {
            conn_kill(c, XENSTORE_ERROR_COMM);
        }
    }
    if (!c->dead) {
        moved = flush(c) || moved;
    }
    if (moved) {
        os_evtchn_send(os, c->port);
    }
    c->more = done == XSD_BATCH;
    if (c->more) {
        os_evtchn_send(os, c->xsd->kick_remote);
    }
}

void conn_port_event(struct os *os, void *ctx, evtchn_port_t port)
{
    (void)os;
    (void)port;
    conn_run(ctx);
}

/* -- Messages out ---------------------------------------------------------- */

static struct xsd_out *enqueue(struct xsd_conn *c,
                               const struct xsd_sockmsg *hdr,
                               const void *data)
{
    struct xsd_out *o =
        os_malloc(c->xsd->os, sizeof(*o) + sizeof(*hdr) + hdr->len);

    if (o == NULL) {
        return NULL;
    }
    o->len = sizeof(*hdr) + hdr->len;
    memcpy(o->bytes, hdr, sizeof(*hdr));
    memcpy(o->bytes + sizeof(*hdr), data, hdr->len);
    if (c->out_head == NULL) {
        c->out_head = o;
    } else {
        c->out_tail->next = o;
    }
    c->out_tail = o;
    c->nr_out++;
    c->out_bytes += o->len;
    return o;
}

void conn_reply(struct xsd_conn *c, uint32_t type, const void *data,
                size_t len)
{
    struct xsd_sockmsg hdr = c->hdr; /* req_id and tx_id are echoed */

    if (len > XENSTORE_PAYLOAD_MAX) {
        conn_error(c, -XEN_E2BIG);
        return;
    }
    hdr.type = type;
    hdr.len = (uint32_t)len;
    if (enqueue(c, &hdr, data) == NULL) {
        c->failing = true; /* a reply can't be left out */
    }
}

void conn_error(struct xsd_conn *c, int err)
{
    const char *name = proto_error_name(err);

    conn_reply(c, XS_ERROR, name, lib_strlen(name) + 1);
}

void conn_event(struct xsd_conn *c, const char *payload, size_t len)
{
    struct xsd_sockmsg hdr = { .type = XS_WATCH_EVENT };
    struct xsd_out *o;

    if (c->dead) {
        return;
    }
    /* The same event waiting already says it all. */
    for (o = c->out_head; o != NULL; o = o->next) {
        if (o->event && o->sent == 0 && o->len == sizeof(hdr) + len &&
            memcmp(o->bytes + sizeof(hdr), payload, len) == 0) {
            return;
        }
    }
    if (!c->privileged && c->out_bytes + len > XSD_QUEUE_BYTES) {
        return; /* it does not read: its events are lost, as over the
                   memory quota of 4.17 */
    }
    hdr.len = (uint32_t)len;
    o = enqueue(c, &hdr, payload);
    if (o != NULL) {
        o->event = true;
        c->more = true; /* sent by the kick: never from within another's
                           request, which may be using this connection */
        os_evtchn_send(c->xsd->os, c->xsd->kick_remote);
    }
}
