/* Two fake guests with a xenstored between them. See fake_block.h. */
#include "pv/tests/fake_block.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <xen/hvm/params.h>
#include <xen/io/protocols.h>
#include <xen/io/xenbus.h>

#include "pv/xenbus/xs.h"

#define RIG_SLOT32 108u

void rig_write(struct rig *r, const char *dir, const char *node,
               const char *fmt, ...)
{
    char path[160], value[160];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(value, sizeof(value), fmt, ap);
    va_end(ap);
    snprintf(path, sizeof(path), "%s/%s", dir, node);
    assert_int_equal(xs_write(r->xs0, 0, path, value), 0);
}

static void rig_perms(struct rig *r, const char *dir, const char *a,
                      const char *b)
{
    const char *perms[2] = { a, b };

    assert_int_equal(xs_set_perms(r->xs0, 0, dir, perms, 2), 0);
}

static void rig_directories(struct rig *r, bool readonly)
{
    static const char *const front[] = { "state", "backend", "backend-id" };
    char path[160];

    assert_int_equal(xs_mkdir(r->xs0, 0, RIG_FRONT), 0);
    rig_perms(r, RIG_FRONT, "n1", "r0");
    rig_write(r, RIG_FRONT, "backend", "%s", RIG_BACK);
    rig_write(r, RIG_FRONT, "backend-id", "0");
    rig_write(r, RIG_FRONT, "state", "1");
    for (unsigned i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/%s", RIG_FRONT, front[i]);
        rig_perms(r, path, "n1", "r0");
    }
    assert_int_equal(xs_mkdir(r->xs0, 0, RIG_BACK), 0);
    rig_perms(r, RIG_BACK, "n0", "r1");
    rig_write(r, RIG_BACK, "frontend", "%s", RIG_FRONT);
    rig_write(r, RIG_BACK, "frontend-id", "1");
    rig_write(r, RIG_BACK, "mode", "%s", readonly ? "r" : "w");
    rig_write(r, RIG_BACK, "state", "1");
}

void rig_make(struct rig *r, bool readonly)
{
    uint64_t ring, page;
    evtchn_port_t port;

    memset(r, 0, sizeof(*r));
    r->f = fake_create();
    r->os0 = fake_domain(r->f, 0, 2048);
    r->os1 = fake_domain(r->f, 1, 1024);
    fake_disk(r->f, 0, RIG_SECTORS, false);
    r->disk = os_disk_open(r->os0, 0);
    r->xsd = xenstored_start(r->os0, NULL);
    assert_non_null(r->xsd);
    assert_int_equal(xenstored_local(r->xsd, &ring, &port), 0);
    r->xs0 = xs_open(r->os0, ring, port);
    assert_non_null(r->xs0);
    page = os_pages_alloc(r->os1, 1);
    assert_int_equal(os_evtchn_alloc_unbound(r->os1, 0, &port), 0);
    assert_int_equal(xenstored_introduce(r->xsd, 1, os_gfn(r->os1, page),
                                         port),
                     0);
    r->xs1 = xs_open(r->os1, page, port);
    assert_non_null(r->xs1);
    rig_directories(r, readonly);
}

void rig_drop(struct rig *r)
{
    fake_destroy(r->f);
}

static uint64_t rig_read(struct rig *r, const char *dir, const char *node)
{
    uint64_t v = ~0ULL;

    (void)xs_read_uint(r->xs0, 0, dir, node, &v);
    return v;
}

unsigned rig_state(struct rig *r, const char *dir)
{
    return (unsigned)rig_read(r, dir, "state");
}

bool rig_has(struct rig *r, const char *dir, const char *node)
{
    char path[160], *value;
    int rc;

    snprintf(path, sizeof(path), "%s/%s", dir, node);
    rc = xs_read(r->xs0, 0, path, &value);
    if (rc == 0) {
        os_free(r->os0, value);
    }
    return rc == 0;
}

void rig_run(struct rig *r)
{
    fake_run(r->f);
}

void rig_backend(struct rig *r, enum blkback_mode mode)
{
    int err;

    r->bb = blkback_create(r->xs0, 1, RIG_VDEV, r->disk, mode, &err);
    assert_non_null(r->bb);
    assert_int_equal(rig_state(r, RIG_BACK), XenbusStateInitWait);
}

void rig_raw_front(struct rig *r, const char *protocol)
{
    r->abi32 = protocol && !strcmp(protocol, XEN_IO_PROTO_ABI_X86_32);
    r->page = os_pages_alloc(r->os1, 1);
    ring_front_init(&r->front, r->os1, r->page,
                    r->abi32 ? RIG_SLOT32 : sizeof(struct blkif_request));
    assert_int_equal(os_grant_access(r->os1, 0, os_gfn(r->os1, r->page),
                                     false, &r->ref),
                     0);
    assert_int_equal(os_evtchn_alloc_unbound(r->os1, 0, &r->port), 0);
    rig_write(r, RIG_FRONT, "ring-ref", "%u", r->ref);
    rig_write(r, RIG_FRONT, "event-channel", "%u", r->port);
    if (protocol) {
        rig_write(r, RIG_FRONT, "protocol", "%s", protocol);
    }
    rig_write(r, RIG_FRONT, "state", "%d", XenbusStateInitialised);
    rig_run(r);
}

void rig_request(struct rig *r, const struct blkif_request *req)
{
    uint8_t slot[RIG_SLOT32];

    if (!r->abi32) {
        ring_front_put(&r->front, req);
        return;
    }
    memset(slot, 0, sizeof(slot)); /* i386: 64-bit fields at 4 and 12 */
    slot[0] = req->operation;
    slot[1] = req->nr_segments;
    memcpy(slot + 4, &req->id, 8);
    memcpy(slot + 12, &req->sector_number, 8);
    memcpy(slot + 20, req->seg, sizeof(req->seg));
    ring_front_put(&r->front, slot);
}

void rig_push(struct rig *r)
{
    if (ring_front_push(&r->front)) {
        os_evtchn_send(r->os1, r->port);
    }
    rig_run(r);
}

int rig_response(struct rig *r, uint64_t id)
{
    uint8_t slot[sizeof(struct blkif_request)];
    uint64_t got;
    int16_t status;

    assert_true(ring_front_pending(&r->front) > 0);
    ring_front_get(&r->front, slot);
    memcpy(&got, slot, 8);
    memcpy(&status, slot + 10, 2); /* both layouts */
    assert_int_equal(got, id);
    return status;
}

unsigned rig_responses(struct rig *r)
{
    int n = ring_front_pending(&r->front);

    assert_true(n >= 0);
    return (unsigned)n;
}

static void rig_raw_connect(struct rig *r)
{
    grant_ref_t ref = (grant_ref_t)rig_read(r, RIG_FRONT, "ring-ref");
    uint64_t port = rig_read(r, RIG_FRONT, "event-channel");

    assert_int_equal(os_grant_map(r->os0, 1, &ref, 1, false, &r->back_map),
                     0);
    ring_back_attach(&r->back, r->os0, r->back_map.addr,
                     sizeof(struct blkif_request));
    assert_int_equal(os_evtchn_bind_interdomain(r->os0, 1,
                                                (evtchn_port_t)port,
                                                &r->port),
                     0);
    rig_write(r, RIG_BACK, "state", "%d", XenbusStateConnected);
}

void rig_raw_close(struct rig *r)
{
    if (r->back_map.addr) {
        os_grant_unmap(r->os0, &r->back_map);
    }
    rig_write(r, RIG_BACK, "state", "%d", XenbusStateClosed);
}

static void rig_front_changed(struct os *os, void *ctx, const char *path)
{
    struct rig *r = ctx;
    unsigned state = rig_state(r, RIG_FRONT);

    (void)os;
    (void)path;
    if (state == XenbusStateInitialised && !r->back_map.addr) {
        rig_raw_connect(r);
    } else if (state == XenbusStateClosed && r->back_map.addr) {
        rig_raw_close(r);
    }
}

void rig_raw_back(struct rig *r, unsigned sector_size)
{
    rig_write(r, RIG_BACK, "sectors", "%u", RIG_SECTORS);
    rig_write(r, RIG_BACK, "sector-size", "%u", sector_size);
    rig_write(r, RIG_BACK, "info", "0");
    rig_write(r, RIG_BACK, "feature-flush-cache", "1");
    rig_write(r, RIG_BACK, "state", "%d", XenbusStateInitWait);
    assert_int_equal(xs_watch(r->xs0, RIG_FRONT "/state", rig_front_changed,
                              r, &r->watch),
                     0);
}

bool rig_raw_take(struct rig *r, struct blkif_request *req)
{
    if (ring_back_pending(&r->back) <= 0) {
        return false;
    }
    ring_back_get(&r->back, req);
    return true;
}

void rig_raw_respond(struct rig *r, uint64_t id, uint8_t op, int16_t status)
{
    struct blkif_request slot;
    struct blkif_response rsp = { .id = id,
                                  .operation = op,
                                  .status = status };

    memset(&slot, 0, sizeof(slot));
    memcpy(&slot, &rsp, sizeof(rsp));
    ring_back_put(&r->back, &slot);
    (void)ring_back_push(&r->back);
    os_evtchn_send(r->os0, r->port);
}
