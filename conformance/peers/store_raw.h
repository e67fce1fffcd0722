/*
 * A xenstore client with nothing between it and the ring: it writes bytes
 * and moves indices as io/xs_wire.h has them, well or badly formed as a case
 * wants. It takes the guest's only connection over from pv/xenbus.
 */
#ifndef CONFORMANCE_PEERS_STORE_RAW_H
#define CONFORMANCE_PEERS_STORE_RAW_H

#include <stdint.h> /* xs_wire.h takes it for granted */

#include <xen/io/xs_wire.h>

#include "conformance/harness.h"

struct store_raw {
    struct t *t;
    uint64_t ring;
    evtchn_port_t port;
    uint32_t prod, cons; /* ours: req_prod, rsp_cons */
};

#define STORE_RAW_WAIT_NS 20000000ULL
#define STORE_RAW_FIELD(r, field)                                             \
    ((r)->ring + offsetof(struct xenstore_domain_interface, field))

/* Closes t->xs and goes on where it stood. */
void store_raw_take(struct store_raw *r, struct t *t);
void store_raw_notify(struct store_raw *r);
/* Writes len bytes and tells the daemon, waiting for room as needed. */
void store_raw_put(struct store_raw *r, const void *bytes, size_t len);
void store_raw_send(struct store_raw *r, uint32_t type, uint32_t req_id,
                    uint32_t tx_id, const void *payload, size_t len);
/* The next message, payload with a NUL added; false when none came. buf
 * holds XENSTORE_PAYLOAD_MAX + 1 bytes. */
bool store_raw_get(struct store_raw *r, struct xsd_sockmsg *hdr, char *buf);
/* store_raw_send() and the reply to it: its errno's name with XS_ERROR. */
void store_raw_call(struct store_raw *r, uint32_t type, uint32_t tx_id,
                    const void *payload, size_t len, struct xsd_sockmsg *hdr,
                    char *buf);
/* The connection's error field, once it is set or the wait is over. */
uint32_t store_raw_error(struct store_raw *r);

#endif
