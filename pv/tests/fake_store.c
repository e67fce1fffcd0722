/*
 * The store rig of the xenstore tests.
 *
 * Invariants:
 *  1. rig_destroy() finds every allocation, port and mapping of domain 0
 *     given back.
 */
#include "pv/tests/store_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pv/tests/fake_impl.h"

void rig_guest(struct rig *r, struct guest_end *g, domid_t domid)
{
    struct grant_entry_v1 e = { .flags = GTF_permit_access, .domid = 0 };

    g->os = fake_domain(r->f, domid, 64);
    g->ring = os_pages_alloc(g->os, 1);
    e.frame = (uint32_t)os_gfn(g->os, g->ring);
    os_write(g->os,
             os_grant_table(g->os, 0) + GNTTAB_RESERVED_XENSTORE * sizeof(e),
             &e, sizeof(e));
    if (os_evtchn_alloc_unbound(g->os, 0, &g->port) != 0 ||
        xenstored_introduce(r->xsd, domid, e.frame, g->port) != 0) {
        fake_abort("introduction failed");
    }
    g->xs = xs_open(g->os, g->ring, g->port);
}

struct rig *rig_create(const struct xenstore_quota *quota)
{
    struct rig *r = calloc(1, sizeof(*r));
    evtchn_port_t port;
    uint64_t ring;

    r->f = fake_create();
    r->os0 = fake_domain(r->f, 0, 256);
    r->xsd = xenstored_start(r->os0, quota);
    if (xenstored_local(r->xsd, &ring, &port) != 0) {
        fake_abort("no local connection");
    }
    r->xs0 = xs_open(r->os0, ring, port);
    rig_guest(r, &r->g5, 5);
    rig_guest(r, &r->g7, 7);
    return r;
}

void rig_destroy(struct rig *r)
{
    fake_set_access_hook(r->f, NULL, NULL);
    xs_close(r->xs0);
    xenstored_stop(r->xsd);
    if (fake_live_allocs(r->os0) != 0 || fake_open_ports(r->os0) != 0 ||
        fake_mappings(r->os0) != 0) {
        fake_abort("the daemon left something behind");
    }
    fake_destroy(r->f);
    free(r);
}

int rig_raw(struct xs *xs, uint32_t type, uint32_t tx, const void *payload,
            size_t len, char *reply, size_t cap, size_t *reply_len)
{
    size_t n = 0;
    char *p = NULL;
    int rc = xs_request(xs, tx, type, payload, len, &p, &n);

    if (rc == 0) {
        memcpy(reply, p, n < cap ? n : cap);
        *reply_len = n;
        os_free(xs_os(xs), p);
    }
    return rc;
}

void rig_hear(struct os *os, void *ctx, const char *path)
{
    struct heard *h = ctx;

    (void)os;
    if (h->count < 32) {
        strncpy(h->path[h->count], path, 63);
    }
    h->count++;
}

bool heard_has(const struct heard *h, const char *path)
{
    for (unsigned i = 0; i < h->count && i < 32; i++) {
        if (strcmp(h->path[i], path) == 0) {
            return true;
        }
    }
    return false;
}

void rig_expect(struct xs *xs, xs_tx tx, const char *path,
                        const char *want)
{
    char *v = NULL;

    assert_int_equal(xs_read(xs, tx, path, &v), 0);
    assert_string_equal(v, want);
    os_free(xs_os(xs), v);
}

int rig_try_read(struct xs *xs, xs_tx tx, const char *path)
{
    char *v = NULL;
    int rc = xs_read(xs, tx, path, &v);

    os_free(xs_os(xs), v);
    return rc;
}

/* A home of domain 5 as a toolstack makes it. */
void rig_make_home(struct rig *r)
{
    static const char *const top[] = { "n0", "r5" };
    static const char *const own[] = { "n5" };

    assert_int_equal(xs_mkdir(r->xs0, 0, "/local/domain/5"), 0);
    assert_int_equal(xs_set_perms(r->xs0, 0, "/local/domain/5", top, 2), 0);
    assert_int_equal(xs_mkdir(r->xs0, 0, "/local/domain/5/data"), 0);
    assert_int_equal(xs_set_perms(r->xs0, 0, "/local/domain/5/data", own, 1),
                     0);
}
