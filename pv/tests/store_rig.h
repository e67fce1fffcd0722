/*
 * A store to test: xenstored in domain 0 of the fake machine, with clients
 * there and in domains 5 and 7.
 */
#ifndef PV_TESTS_STORE_RIG_H
#define PV_TESTS_STORE_RIG_H

#include "pv/tests/fake_os.h"
#include "pv/xenbus/xs.h"
#include "pv/xenstore/xenstored.h"

struct guest_end {
    struct os *os;
    uint64_t ring;
    evtchn_port_t port;
    struct xs *xs;
};

struct rig {
    struct fake *f;
    struct os *os0;
    struct xenstored *xsd;
    struct xs *xs0;
    struct guest_end g5, g7;
};

/* Quota NULL: the defaults. */
struct rig *rig_create(const struct xenstore_quota *quota);
void rig_destroy(struct rig *r); /* checks that nothing is left over */
void rig_guest(struct rig *r, struct guest_end *g, domid_t domid);
/* Sends `len` bytes of payload; 0 or -XEN_E*; a reply as text in *reply. */
int rig_raw(struct xs *xs, uint32_t type, uint32_t tx, const void *payload,
            size_t len, char *reply, size_t cap, size_t *reply_len);
/* Reads and compares; reads and says how that went, 0 or -XEN_E*. */
void rig_expect(struct xs *xs, xs_tx tx, const char *path, const char *want);
int rig_try_read(struct xs *xs, xs_tx tx, const char *path);
void rig_make_home(struct rig *r); /* domain 5's, as a toolstack makes it */

/* Watch events as they come: path by path. */
struct heard {
    unsigned count;
    char path[32][64];
};
void rig_hear(struct os *os, void *ctx, const char *path);
bool heard_has(const struct heard *h, const char *path);

#endif
