/*
 * The xenstore daemon against what comes over the wire (io/xs_wire.h): ring
 * indices, headers, payloads, paths, quotas. Hostile clients lose their own
 * connection, nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <xen/io/xs_wire.h>

#include "pv/tests/store_rig.h"

#define OFF(field) offsetof(struct xenstore_domain_interface, field)

static int set_up(void **state)
{
    struct rig *r = rig_create(NULL);
    static const char *const own[] = { "n5" };

    xs_mkdir(r->xs0, 0, "/local/domain/5");
    xs_set_perms(r->xs0, 0, "/local/domain/5", own, 1);
    fake_run(r->f);
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    rig_destroy(*state);
    return 0;
}

static int request(struct xs *xs, uint32_t type, const void *payload,
                   size_t len)
{
    char reply[XENSTORE_PAYLOAD_MAX];
    size_t n;

    return rig_raw(xs, type, 0, payload, len, reply, sizeof(reply), &n);
}

static int text(struct xs *xs, uint32_t type, const char *s)
{
    return request(xs, type, s, strlen(s) + 1);
}

/* The store still serves everyone else. */
static void others_are_served(struct rig *r)
{
    assert_int_equal(xs_write(r->xs0, 0, "/alive", "1"), 0);
    assert_int_equal(text(r->g7.xs, XS_GET_DOMAIN_PATH, "7"), 0);
}

static uint32_t ring_error(struct rig *r)
{
    return os_load32(r->g5.os, r->g5.ring + OFF(error));
}

/* Puts bytes into domain 5's request ring by hand. */
static void push(struct rig *r, const void *bytes, size_t len)
{
    uint32_t prod = os_load32(r->g5.os, r->g5.ring + OFF(req_prod));

    for (size_t i = 0; i < len; i++) {
        os_store8(r->g5.os,
                  r->g5.ring + OFF(req) + MASK_XENSTORE_IDX(prod + i),
                  ((const uint8_t *)bytes)[i]);
    }
    os_store32(r->g5.os, r->g5.ring + OFF(req_prod), prod + (uint32_t)len);
    os_evtchn_send(r->g5.os, r->g5.port);
}

/* -- Ring ------------------------------------------------------------------ */

/* xs_wire.h: server_features */
static void ring_offers_reconnection_and_errors(void **state)
{
    struct rig *r = *state;

    assert_int_equal(os_load32(r->g5.os, r->g5.ring + OFF(server_features)),
                     XENSTORE_SERVER_FEATURE_RECONNECTION |
                         XENSTORE_SERVER_FEATURE_ERROR);
}

/* xs_wire.h: XENSTORE_ERROR_RINGIDX */
static void req_prod_over_ring_size_kills_the_connection(void **state)
{
    struct rig *r = *state;
    uint32_t cons = os_load32(r->g5.os, r->g5.ring + OFF(req_cons));

    os_store32(r->g5.os, r->g5.ring + OFF(req_prod), cons + 1025);
    os_evtchn_send(r->g5.os, r->g5.port);
    fake_run(r->f);
    assert_int_equal(ring_error(r), XENSTORE_ERROR_RINGIDX);
    assert_int_equal(text(r->g5.xs, XS_READ, "x"), -XEN_EIO);
    others_are_served(r);
}

static void rsp_cons_ahead_of_rsp_prod_kills_the_connection(void **state)
{
    struct rig *r = *state;
    uint32_t prod = os_load32(r->g5.os, r->g5.ring + OFF(rsp_prod));

    os_store32(r->g5.os, r->g5.ring + OFF(rsp_cons), prod + 1);
    text(r->g5.xs, XS_READ, "x");
    fake_run(r->f);
    assert_int_equal(ring_error(r), XENSTORE_ERROR_RINGIDX);
    others_are_served(r);
}

/* The daemon's own indices in the page are shown, not believed. */
static void server_indices_overwritten_change_nothing(void **state)
{
    struct rig *r = *state;
    struct xsd_sockmsg hdr = { XS_GET_DOMAIN_PATH, 9, 0, 2 };

    os_store32(r->g5.os, r->g5.ring + OFF(req_cons), 77777);
    push(r, &hdr, sizeof(hdr));
    push(r, "5", 2);
    fake_run(r->f);
    assert_int_equal(ring_error(r), XENSTORE_ERROR_NONE);
    assert_int_equal(os_load32(r->g5.os, r->g5.ring + OFF(req_cons)),
                     os_load32(r->g5.os, r->g5.ring + OFF(req_prod)));
}

/* xs_wire.h: XENSTORE_PAYLOAD_MAX, XENSTORE_ERROR_PROTO */
static void payload_too_long_kills_the_connection(void **state)
{
    struct rig *r = *state;
    struct xsd_sockmsg hdr = { XS_READ, 1, 0, XENSTORE_PAYLOAD_MAX + 1 };

    push(r, &hdr, sizeof(hdr));
    fake_run(r->f);
    assert_int_equal(ring_error(r), XENSTORE_ERROR_PROTO);
    others_are_served(r);
}

static void payload_of_the_longest_is_read(void **state)
{
    struct rig *r = *state;
    char big[XENSTORE_PAYLOAD_MAX];

    memset(big, 'x', sizeof(big));
    memcpy(big, "/v", 3);
    assert_int_equal(request(r->xs0, XS_WRITE, big, sizeof(big)), 0);
    assert_int_equal(text(r->xs0, XS_READ, "/v"), 0);
}

static void message_in_single_bytes_is_understood(void **state)
{
    struct rig *r = *state;
    struct xsd_sockmsg hdr = { XS_MKDIR, 7, 0, 2 };
    const uint8_t *p = (const uint8_t *)&hdr;

    for (unsigned i = 0; i < sizeof(hdr); i++) {
        push(r, p + i, 1);
        fake_run(r->f);
    }
    push(r, "q", 1);
    fake_run(r->f);
    push(r, "", 1);
    fake_run(r->f);
    assert_int_equal(text(r->xs0, XS_READ, "/local/domain/5/q"), 0);
}

/* The header changes after it was read: the copy counts. */
static void rewrite_header(void *ctx, struct os *os, uint64_t addr,
                           size_t len, bool write)
{
    struct rig *r = ctx;

    (void)addr;
    if (os == r->os0 && !write && len > 16) {
        for (unsigned i = 0; i < 64; i++) {
            os_store8(r->g5.os, r->g5.ring + OFF(req) + i, 0xff);
        }
    }
}

static void header_is_fetched_once(void **state)
{
    struct rig *r = *state;

    fake_set_access_hook(r->f, rewrite_header, r);
    for (unsigned i = 0; i < 50; i++) {
        text(r->g5.xs, XS_READ, "a-path-of-some-length-that-wraps-around");
    }
    fake_set_access_hook(r->f, NULL, NULL);
    assert_int_equal(ring_error(r), XENSTORE_ERROR_NONE);
    others_are_served(r);
}

/* docs/misc/xenstore-ring.txt: connection = XENSTORE_RECONNECT */
static void reconnection_revives_a_dead_connection(void **state)
{
    struct rig *r = *state;
    struct xsd_sockmsg hdr = { XS_READ, 1, 0, 99999 };

    text(r->g5.xs, XS_WATCH, "unused");
    push(r, &hdr, sizeof(hdr));
    fake_run(r->f);
    assert_int_equal(ring_error(r), XENSTORE_ERROR_PROTO);
    xs_close(r->g5.xs);
    os_store32(r->g5.os, r->g5.ring + OFF(connection), XENSTORE_RECONNECT);
    os_evtchn_send(r->g5.os, r->g5.port);
    fake_run(r->f);
    assert_int_equal(os_load32(r->g5.os, r->g5.ring + OFF(connection)),
                     XENSTORE_CONNECTED);
    assert_int_equal(ring_error(r), XENSTORE_ERROR_NONE);
    assert_int_equal(os_load32(r->g5.os, r->g5.ring + OFF(req_prod)), 0);
    r->g5.xs = xs_open(r->g5.os, r->g5.ring, r->g5.port);
    assert_int_equal(xs_write(r->g5.xs, 0, "back", "1"), 0);
}

static void client_that_never_reads_is_bounded(void **state)
{
    struct rig *r = *state;
    struct xsd_sockmsg hdr = { XS_WATCH, 1, 0, 4 };
    char path[64];
    unsigned before;

    xs_close(r->g5.xs); /* nobody takes replies from now on */
    r->g5.xs = NULL;
    push(r, &hdr, sizeof(hdr));
    push(r, "/\0t", 4);
    hdr.len = 5;
    push(r, &hdr, sizeof(hdr));
    push(r, "a/\0t", 5); /* refused, answered all the same */
    fake_run(r->f);
    for (unsigned i = 0; i < 4000; i++) {
        snprintf(path, sizeof(path), "/local/domain/5/%0*u", 40, i);
        xs_write(r->xs0, 0, path, "");
        xs_rm(r->xs0, 0, path);
    }
    before = fake_live_allocs(r->os0);
    assert_true(before < 6000);
    others_are_served(r);
}

static void outstanding_requests_stop_reading(void **state)
{
    struct rig *r = *state;
    struct xsd_sockmsg hdr = { XS_GET_DOMAIN_PATH, 1, 0, 2 };
    uint32_t cons;

    xs_close(r->g5.xs);
    r->g5.xs = NULL;
    for (unsigned i = 0; i < 400; i++) {
        push(r, &hdr, sizeof(hdr));
        push(r, "5", 2);
        fake_run(r->f);
        if (ring_error(r) != 0) {
            break; /* the ring is full: we wrote over the end */
        }
    }
    cons = os_load32(r->g5.os, r->g5.ring + OFF(req_cons));
    /* The response ring's 1024 bytes and 20 replies more. */
    assert_true(cons <= 18 * (1024 / 33 + 1 + 20));
    others_are_served(r);
}

/* -- Messages -------------------------------------------------------------- */

static void unknown_types_are_enosys(void **state)
{
    struct rig *r = *state;
    static const uint32_t types[] = { XS_WATCH_EVENT, XS_ERROR,
                                      XS_SET_TARGET + 1 /* was RESTRICT */,
                                      XS_TYPE_COUNT, XS_INVALID,
                                      0xffffffff };

    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(text(r->g5.xs, types[i], "/"), -XEN_ENOSYS);
        assert_int_equal(text(r->xs0, types[i], "/"), -XEN_ENOSYS);
    }
}

static void replies_echo_req_id_and_tx_id(void **state)
{
    struct rig *r = *state;
    struct xsd_sockmsg hdr = { XS_READ, 0xdeadbeef, 0x1234, 2 }, got;
    uint32_t at = os_load32(r->g5.os, r->g5.ring + OFF(rsp_prod));

    xs_close(r->g5.xs);
    r->g5.xs = NULL;
    push(r, &hdr, sizeof(hdr));
    push(r, "x", 2);
    fake_run(r->f);
    for (unsigned i = 0; i < sizeof(got); i++) {
        ((uint8_t *)&got)[i] =
            os_load8(r->g5.os,
                     r->g5.ring + OFF(rsp) + MASK_XENSTORE_IDX(at + i));
    }
    assert_int_equal(got.type, XS_ERROR);
    assert_int_equal(got.req_id, 0xdeadbeef);
    assert_int_equal(got.tx_id, 0x1234);
    assert_int_equal(got.len, sizeof("ENOENT"));
}

static void missing_nul_is_einval(void **state)
{
    struct rig *r = *state;
    static const uint32_t one[] = { XS_READ, XS_DIRECTORY, XS_GET_PERMS,
                                    XS_MKDIR, XS_RM, XS_GET_DOMAIN_PATH };

    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(request(r->xs0, one[i], "/a", 2), -XEN_EINVAL);
        assert_int_equal(request(r->xs0, one[i], "", 0), -XEN_EINVAL);
        assert_int_equal(request(r->xs0, one[i], "/a\0b", 5), -XEN_EINVAL);
    }
    assert_int_equal(request(r->xs0, XS_WRITE, "/abc", 4), -XEN_EINVAL);
    assert_int_equal(request(r->xs0, XS_WATCH, "/a\0t", 4), -XEN_EINVAL);
    assert_int_equal(request(r->xs0, XS_WATCH, "/a", 3), -XEN_EINVAL);
    assert_int_equal(request(r->xs0, XS_SET_PERMS, "/", 2), -XEN_EINVAL);
    assert_int_equal(request(r->xs0, XS_INTRODUCE, "5\0001", 4),
                     -XEN_EINVAL);
}

static void values_may_hold_any_byte(void **state)
{
    struct rig *r = *state;
    char reply[64];
    size_t len;

    assert_int_equal(request(r->xs0, XS_WRITE, "/bin\0\0\1\xff", 8), 0);
    assert_int_equal(rig_raw(r->xs0, XS_READ, 0, "/bin", 5, reply, 64, &len),
                     0);
    assert_int_equal(len, 3);
    assert_memory_equal(reply, "\0\1\xff", 3);
}

/* docs/misc/xenstore.txt: paths */
static void bad_paths_are_einval(void **state)
{
    struct rig *r = *state;
    static const char *const bad[] = { "",      "/a/",   "//",     "/a//b",
                                       "a/",    "/a b",  "/a.b",   "/a\n",
                                       "/\xc3", "/a+b",  "/a:b",   "a//b",
                                       "@foo",  "/a*",   "/a\\b" };

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(text(r->xs0, XS_READ, bad[i]), -XEN_EINVAL);
        assert_int_equal(text(r->xs0, XS_WRITE, bad[i]), -XEN_EINVAL);
        assert_int_equal(text(r->xs0, XS_MKDIR, bad[i]), -XEN_EINVAL);
    }
    assert_int_equal(text(r->xs0, XS_MKDIR, "/A-z_0@9"), 0);
}

static void path_lengths_are_bounded(void **state)
{
    struct rig *r = *state;
    char path[XENSTORE_PAYLOAD_MAX];

    memset(path, 'a', sizeof(path));
    path[0] = '/';
    path[XENSTORE_ABS_PATH_MAX] = 0;
    assert_int_equal(text(r->xs0, XS_MKDIR, path), 0);
    path[XENSTORE_ABS_PATH_MAX] = 'a';
    path[XENSTORE_ABS_PATH_MAX + 1] = 0;
    assert_int_equal(text(r->xs0, XS_MKDIR, path), -XEN_EINVAL);
    path[0] = 'a';
    path[XENSTORE_REL_PATH_MAX + 1] = 0;
    assert_int_equal(text(r->xs0, XS_MKDIR, path), -XEN_EINVAL);
    path[XENSTORE_REL_PATH_MAX] = 0;
    assert_int_equal(text(r->xs0, XS_MKDIR, path), 0);
}

static void deep_trees_need_no_recursion(void **state)
{
    struct rig *r = *state;
    unsigned before = xenstored_node_count(r->xsd);
    char path[XENSTORE_ABS_PATH_MAX + 1];

    for (unsigned i = 0; i < XENSTORE_ABS_PATH_MAX; i += 2) {
        path[i] = '/';
        path[i + 1] = 'd';
    }
    path[XENSTORE_ABS_PATH_MAX] = 0;
    assert_int_equal(text(r->xs0, XS_MKDIR, path), 0);
    assert_int_equal(text(r->xs0, XS_RM, "/d"), 0);
    assert_int_equal(xenstored_node_count(r->xsd), before);
}

/* -- Quotas: xenstored 4.17's defaults ------------------------------------- */

static void quota_nodes_is_enospc(void **state)
{
    struct rig *r = *state;
    char path[32];
    int rc = 0;
    unsigned n = 0;

    text(r->g5.xs, XS_MKDIR, "d"); /* a home and this: 2 */
    while (rc == 0 && n < 2000) {
        snprintf(path, sizeof(path), "d/%x/x", n++);
        rc = text(r->g5.xs, XS_MKDIR, path);
    }
    assert_int_equal(rc, -XEN_ENOSPC);
    /* two for each; a failed pair leaves no half */
    assert_int_equal(n, 500);
    snprintf(path, sizeof(path), "d/%x", n - 1);
    assert_int_equal(text(r->g5.xs, XS_READ, path), -XEN_ENOENT);
    assert_int_equal(text(r->g5.xs, XS_RM, "d/0"), 0);
    assert_int_equal(text(r->g5.xs, XS_MKDIR, path), 0);
    assert_int_equal(xs_write(r->xs0, 0, "/local/domain/5/by0", ""), 0);
}

static void quota_nodes_holds_in_transactions(void **state)
{
    struct rig *r = *state;
    char path[32];
    xs_tx tx;
    int rc = 0;
    unsigned n = 0;

    xs_transaction_start(r->g5.xs, &tx);
    while (rc == 0 && n < 2000) {
        snprintf(path, sizeof(path), "n%u", n++);
        rc = xs_mkdir(r->g5.xs, tx, path);
    }
    assert_int_equal(rc, -XEN_ENOSPC);
    assert_true(n <= 1000);
    assert_int_equal(xs_transaction_end(r->g5.xs, tx, false), 0);
    assert_int_equal(text(r->g5.xs, XS_MKDIR, "again"), 0);
}

static void quota_node_size_is_enospc(void **state)
{
    struct rig *r = *state;
    char big[2100];

    memset(big, 'v', sizeof(big));
    memcpy(big, "v", 2);
    assert_int_equal(request(r->g5.xs, XS_WRITE, big, 2 + 2048 - 24 - 8),
                     -XEN_ENOSPC);
    assert_int_equal(request(r->g5.xs, XS_WRITE, big, 2 + 2048 - 24 - 8 - 1),
                     0);
    assert_int_equal(request(r->g5.xs, XS_WRITE, big, sizeof(big)),
                     -XEN_ENOSPC);
}

static void quota_watches_is_e2big(void **state)
{
    struct rig *r = *state;
    char buf[32];
    int rc = 0, n = 0;

    while (rc == 0 && n < 500) {
        int len = snprintf(buf, sizeof(buf), "w%ct%d", 0, n++);

        rc = request(r->g5.xs, XS_WATCH, buf, (size_t)len + 1);
    }
    assert_int_equal(rc, -XEN_E2BIG);
    assert_int_equal(n, 130); /* refused once past 128 */
}

static void quota_transactions_is_enospc(void **state)
{
    struct rig *r = *state;
    xs_tx tx;
    int rc = 0, n = 0;

    while (rc == 0 && n < 100) {
        rc = xs_transaction_start(r->g5.xs, &tx);
        n++;
    }
    assert_int_equal(rc, -XEN_ENOSPC);
    assert_int_equal(n, 12); /* refused once past 10 */
    assert_int_equal(text(r->g5.xs, XS_RESET_WATCHES, ""), 0);
    assert_int_equal(xs_transaction_start(r->g5.xs, &tx), 0);
}

static void quota_perms_is_enospc(void **state)
{
    struct rig *r = *state;
    static const char *const six[] = { "n5", "r0", "r0", "r0", "r0", "r0" };

    text(r->g5.xs, XS_MKDIR, "p");
    assert_int_equal(xs_set_perms(r->g5.xs, 0, "p", six, 6), -XEN_ENOSPC);
    assert_int_equal(xs_set_perms(r->g5.xs, 0, "p", six, 5), 0);
}

/* Memory that runs out anywhere is ENOMEM or a lost connection, and the
 * store stays whole. */
static void out_of_memory_changes_nothing(void **state)
{
    struct rig *r = *state;
    unsigned before = xenstored_node_count(r->xsd);
    xs_tx tx;

    xs_write(r->xs0, 0, "/o/a", "1");
    for (unsigned n = 1; n < 60; n++) {
        fake_fail_malloc(r->os0, n);
        text(r->g5.xs, XS_MKDIR, "deep/er/and/deeper");
        fake_fail_malloc(r->os0, 0);
        if (ring_error(r) != 0) { /* no memory for its message */
            xs_close(r->g5.xs);
            os_store32(r->g5.os, r->g5.ring + OFF(connection),
                       XENSTORE_RECONNECT);
            os_evtchn_send(r->g5.os, r->g5.port);
            fake_run(r->f);
            r->g5.xs = xs_open(r->g5.os, r->g5.ring, r->g5.port);
        }
        assert_int_equal(text(r->g5.xs, XS_RM, "deep"), 0);
        if (xs_transaction_start(r->g5.xs, &tx) == 0) {
            fake_fail_malloc(r->os0, n);
            xs_write(r->g5.xs, tx, "one/two", "x");
            fake_fail_malloc(r->os0, 0);
            xs_transaction_end(r->g5.xs, tx, false);
        }
        if (ring_error(r) != 0) {
            xs_close(r->g5.xs);
            os_store32(r->g5.os, r->g5.ring + OFF(connection),
                       XENSTORE_RECONNECT);
            os_evtchn_send(r->g5.os, r->g5.port);
            fake_run(r->f);
            r->g5.xs = xs_open(r->g5.os, r->g5.ring, r->g5.port);
        }
    }
    assert_int_equal(xenstored_node_count(r->xsd), before + 2);
    others_are_served(r);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(ring_offers_reconnection_and_errors),
        T(req_prod_over_ring_size_kills_the_connection),
        T(rsp_cons_ahead_of_rsp_prod_kills_the_connection),
        T(server_indices_overwritten_change_nothing),
        T(payload_too_long_kills_the_connection),
        T(payload_of_the_longest_is_read),
        T(message_in_single_bytes_is_understood),
        T(header_is_fetched_once),
        T(reconnection_revives_a_dead_connection),
        T(client_that_never_reads_is_bounded),
        T(outstanding_requests_stop_reading),
        T(unknown_types_are_enosys),
        T(replies_echo_req_id_and_tx_id),
        T(missing_nul_is_einval),
        T(values_may_hold_any_byte),
        T(bad_paths_are_einval),
        T(path_lengths_are_bounded),
        T(deep_trees_need_no_recursion),
        T(quota_nodes_is_enospc),
        T(quota_nodes_holds_in_transactions),
        T(quota_node_size_is_enospc),
        T(quota_watches_is_e2big),
        T(quota_transactions_is_enospc),
        T(quota_perms_is_enospc),
        T(out_of_memory_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
