/*
 * The raw xenstore client. It checks what the daemon sends as any careful
 * client would: an index that can't be is the daemon's failure.
 *
 * Invariant: prod and cons are what the page was last told, so a case may
 * scribble over the page and still go on.
 */
#include "conformance/peers/store_raw.h"

#include <string.h>

#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>

#define STORE_RAW_REQ_ID 0x51a7e000u

static void raw_event(struct os *os, void *ctx, evtchn_port_t port)
{
    (void)os;
    (void)ctx;
    (void)port; /* it only has to wake os_wait() */
}

static uint64_t raw_param(struct t *t, uint32_t index)
{
    struct xen_hvm_param p = {.domid = DOMID_SELF, .index = index};
    T_REQUIRE_OK(t, t_hvm_op(t, HVMOP_get_param, &p, sizeof(p)));
    return p.value;
}

void store_raw_take(struct store_raw *r, struct t *t)
{
    xs_close(t->xs);
    t->xs = NULL;
    r->t = t;
    r->ring = raw_param(t, HVM_PARAM_STORE_PFN) * OS_PAGE_SIZE;
    r->port = (evtchn_port_t)raw_param(t, HVM_PARAM_STORE_EVTCHN);
    r->prod = os_load32(t->os, STORE_RAW_FIELD(r, req_prod));
    r->cons = os_load32(t->os, STORE_RAW_FIELD(r, rsp_cons));
    T_REQUIRE_OK(t, os_event_handler(t->os, r->port, raw_event, r));
}

void store_raw_notify(struct store_raw *r)
{
    T_REQUIRE_OK(r->t, os_evtchn_send(r->t->os, r->port));
}

void store_raw_put(struct store_raw *r, const void *bytes, size_t len)
{
    const uint8_t *src = bytes;
    struct os *os = r->t->os;
    uint64_t end = os_now_ns(os) + STORE_RAW_WAIT_NS;
    while (len > 0) {
        uint32_t cons = os_load32(os, STORE_RAW_FIELD(r, req_cons));
        uint32_t room = XENSTORE_RING_SIZE - (r->prod - cons);
        T_CHECK(r->t, r->prod - cons <= XENSTORE_RING_SIZE);
        if (room == 0) {
            T_CHECK(r->t, os_now_ns(os) < end);
            os_wait(os, 100000);
            continue;
        }
        uint32_t at = MASK_XENSTORE_IDX(r->prod);
        uint32_t n = XENSTORE_RING_SIZE - at;
        n = n < room ? n : room;
        n = n < len ? n : (uint32_t)len;
        os_write(os, STORE_RAW_FIELD(r, req) + at, src, n);
        src += n;
        len -= n;
        r->prod += n;
        os_store32(os, STORE_RAW_FIELD(r, req_prod), r->prod);
        store_raw_notify(r);
    }
}

void store_raw_send(struct store_raw *r, uint32_t type, uint32_t req_id,
                    uint32_t tx_id, const void *payload, size_t len)
{
    struct xsd_sockmsg hdr = {.type = type, .req_id = req_id, .tx_id = tx_id,
                              .len = (uint32_t)len};
    store_raw_put(r, &hdr, sizeof(hdr));
    store_raw_put(r, payload, len);
}

static bool raw_take_bytes(struct store_raw *r, void *bytes, size_t len)
{
    uint8_t *dst = bytes;
    struct os *os = r->t->os;
    uint64_t end = os_now_ns(os) + STORE_RAW_WAIT_NS;
    while (len > 0) {
        uint32_t prod = os_load32(os, STORE_RAW_FIELD(r, rsp_prod));
        uint32_t have = prod - r->cons;
        T_CHECK(r->t, have <= XENSTORE_RING_SIZE);
        if (have == 0) {
            if (os_now_ns(os) >= end) {
                return false;
            }
            os_wait(os, 100000);
            continue;
        }
        uint32_t at = MASK_XENSTORE_IDX(r->cons);
        uint32_t n = XENSTORE_RING_SIZE - at;
        n = n < have ? n : have;
        n = n < len ? n : (uint32_t)len;
        os_read(os, STORE_RAW_FIELD(r, rsp) + at, dst, n);
        dst += n;
        len -= n;
        r->cons += n;
        os_store32(os, STORE_RAW_FIELD(r, rsp_cons), r->cons);
        store_raw_notify(r);
    }
    return true;
}

bool store_raw_get(struct store_raw *r, struct xsd_sockmsg *hdr, char *buf)
{
    if (!raw_take_bytes(r, hdr, sizeof(*hdr))) {
        return false;
    }
    T_CHECK(r->t, hdr->len <= XENSTORE_PAYLOAD_MAX);
    T_CHECK(r->t, raw_take_bytes(r, buf, hdr->len));
    buf[hdr->len] = '\0';
    return true;
}

void store_raw_call(struct store_raw *r, uint32_t type, uint32_t tx_id,
                    const void *payload, size_t len, struct xsd_sockmsg *hdr,
                    char *buf)
{
    uint32_t id = STORE_RAW_REQ_ID + (r->prod & 0xfff);
    store_raw_send(r, type, id, tx_id, payload, len);
    T_CHECK(r->t, store_raw_get(r, hdr, buf));
    T_EQ(r->t, hdr->req_id, id);
}

uint32_t store_raw_error(struct store_raw *r)
{
    struct os *os = r->t->os;
    uint64_t end = os_now_ns(os) + STORE_RAW_WAIT_NS;
    uint32_t error;
    while ((error = os_load32(os, STORE_RAW_FIELD(r, error))) ==
               XENSTORE_ERROR_NONE &&
           os_now_ns(os) < end) {
        os_wait(os, 100000);
    }
    return error;
}
