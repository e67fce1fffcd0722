/*
 * The store against clients that mean harm: malformed messages, impossible
 * indices, privileged requests, more than their share. Each case ends by
 * looking whether the daemon still serves: the client itself, or another.
 */
#include "conformance/harness.h"

#include <stdlib.h>
#include <string.h>

#include "conformance/peers/store_raw.h"
#include "conformance/world.h"

#define BUF_BYTES (XENSTORE_PAYLOAD_MAX + 1)

struct wire {
    struct store_raw r;
    struct xsd_sockmsg hdr;
    char buf[BUF_BYTES];
};

static struct wire *wire_open(struct t *t)
{
    struct wire *w = os_malloc(t->os, sizeof(*w));
    T_REQUIRE(t, w != NULL);
    store_raw_take(&w->r, t);
    return w;
}

static void expect_error(struct t *t, struct wire *w, uint32_t type,
                         uint32_t tx, const void *payload, size_t len,
                         const char *error)
{
    store_raw_call(&w->r, type, tx, payload, len, &w->hdr, w->buf);
    if (w->hdr.type != XS_ERROR || strcmp(w->buf, error) != 0) {
        t_fail(t, __FILE__, __LINE__,
               "type %u: reply type %u \"%s\", expected XS_ERROR \"%s\"",
               type, w->hdr.type, w->buf, error);
    }
}

/* The connection works: a read of our own domid. */
static void expect_served(struct t *t, struct wire *w)
{
    char want[16];
    snprintf(want, sizeof(want), "%u", os_domid(t->os));
    store_raw_call(&w->r, XS_READ, 0, "domid", 6, &w->hdr, w->buf);
    T_EQ(t, w->hdr.type, XS_READ);
    T_EQ(t, strcmp(w->buf, want), 0);
}

/* Another client, served before and after the subject's mischief. */
static void bystander(struct t *t)
{
    T_EQ(t, xs_write(t->xs, 0, "data/before", "1"), 0);
    (void)t_recv(t, 0);
    for (unsigned i = 0; i < 4; i++) {
        T_EQ(t, xs_write(t->xs, 0, "data/after", "1"), 0);
    }
    t_send(t, 1, 1);
}

static void bystander_works(struct t *t)
{
    t_send(t, 0, 1);
    T_EQ(t, t_recv(t, 1), 1);
}

/* -- Headers and payloads -------------------------------------------------- */

static void ids_echoed(struct t *t)
{
    static const uint32_t ids[] = {0, 1, 0x7fffffff, 0xffffffff, 0xdeadbeef};
    struct wire *w = wire_open(t);
    for (unsigned i = 0; i < 5; i++) {
        store_raw_send(&w->r, XS_READ, ids[i], 0, "domid", 6);
        T_CHECK(t, store_raw_get(&w->r, &w->hdr, w->buf));
        T_EQ(t, w->hdr.req_id, ids[i]);
        T_EQ(t, w->hdr.tx_id, 0);
        T_EQ(t, w->hdr.type, XS_READ);
    }
    store_raw_call(&w->r, XS_TRANSACTION_START, 0, "", 1, &w->hdr, w->buf);
    uint32_t tx = (uint32_t)strtoul(w->buf, NULL, 10);
    store_raw_call(&w->r, XS_READ, tx, "domid", 6, &w->hdr, w->buf);
    T_EQ(t, w->hdr.tx_id, tx);
    expect_error(t, w, XS_READ, tx, "absent", 7, "ENOENT");
    T_EQ(t, w->hdr.tx_id, tx);
}

static void pipelined(struct t *t)
{
    struct wire *w = wire_open(t);
    for (uint32_t i = 0; i < 12; i++) {
        store_raw_send(&w->r, XS_READ, 100 + i, 0, "domid", 6);
    }
    for (uint32_t i = 0; i < 12; i++) {
        T_CHECK(t, store_raw_get(&w->r, &w->hdr, w->buf));
        T_EQ(t, w->hdr.req_id, 100 + i);
    }
}

static void split_anywhere(struct t *t)
{
    struct wire *w = wire_open(t);
    struct {
        struct xsd_sockmsg hdr;
        char path[6];
    } __attribute__((packed)) m = {
        {.type = XS_READ, .req_id = 7, .len = 6}, "domid"};
    /* 22 bytes a message: headers and payloads come to lie across the end */
    for (unsigned round = 0; round < 150; round++) {
        unsigned cut = t_random(t, sizeof(m) + 1);
        store_raw_put(&w->r, &m, cut);
        if (round % 16 == 0) {
            t_sleep(t, 50000);
        }
        store_raw_put(&w->r, (const char *)&m + cut, sizeof(m) - cut);
        T_CHECK(t, store_raw_get(&w->r, &w->hdr, w->buf));
        T_EQ(t, w->hdr.type, XS_READ);
        T_EQ(t, w->hdr.req_id, 7);
    }
}

static void byte_by_byte(struct t *t)
{
    struct wire *w = wire_open(t);
    struct xsd_sockmsg hdr = {.type = XS_READ, .req_id = 9, .len = 6};
    for (unsigned i = 0; i < sizeof(hdr); i++) {
        store_raw_put(&w->r, (const char *)&hdr + i, 1);
    }
    for (unsigned i = 0; i < 6; i++) {
        T_EQ(t, os_load32(t->os, STORE_RAW_FIELD(&w->r, rsp_prod)),
             w->r.cons); /* no answer to half a message */
        store_raw_put(&w->r, &"domid"[i], 1);
    }
    T_CHECK(t, store_raw_get(&w->r, &w->hdr, w->buf));
    T_EQ(t, w->hdr.req_id, 9);
}

static void unknown_types(struct t *t)
{
    static const uint32_t types[] = {XS_WATCH_EVENT, XS_ERROR,
                                     XS_SET_TARGET + 1, XS_TYPE_COUNT,
                                     XS_INVALID, 0x80000000u, 0xffffffffu};
    struct wire *w = wire_open(t);
    for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        expect_error(t, w, types[i], 0, "domid", 6, "ENOSYS");
    }
    expect_served(t, w);
}

static void malformed_payloads(struct t *t)
{
    struct wire *w = wire_open(t);
    expect_error(t, w, XS_READ, 0, "domid", 5, "EINVAL");  /* no NUL */
    expect_error(t, w, XS_READ, 0, "", 0, "EINVAL");       /* nothing */
    expect_error(t, w, XS_READ, 0, "domid\0x", 8, "EINVAL"); /* two */
    expect_error(t, w, XS_READ, 0, "\0", 2, "EINVAL");
    expect_error(t, w, XS_WRITE, 0, "data/a", 6, "EINVAL");
    expect_error(t, w, XS_WATCH, 0, "data/a", 7, "EINVAL");
    expect_error(t, w, XS_WATCH, 0, "data/a\0tok", 10, "EINVAL");
    expect_error(t, w, XS_SET_PERMS, 0, "data", 5, "EINVAL");
    expect_error(t, w, XS_SET_PERMS, 0, "data\0r", 6, "EINVAL");
    expect_error(t, w, XS_TRANSACTION_END, 0, "T", 1, "EINVAL");
    expect_error(t, w, XS_GET_DOMAIN_PATH, 0, "x", 2, "EINVAL");
    expect_error(t, w, XS_GET_DOMAIN_PATH, 0, "-1", 3, "EINVAL");
    expect_error(t, w, XS_DIRECTORY_PART, 0, "data\0x", 7, "EINVAL");
    expect_served(t, w);
}

static void largest_payload(struct t *t)
{
    struct wire *w = wire_open(t);
    char *big = os_malloc(t->os, XENSTORE_PAYLOAD_MAX);
    T_REQUIRE(t, big != NULL);
    memset(big, 'v', XENSTORE_PAYLOAD_MAX);
    memcpy(big, "data/v", 7);
    /* well formed, but more than a guest's node may hold */
    expect_error(t, w, XS_WRITE, 0, big, XENSTORE_PAYLOAD_MAX, "ENOSPC");
    store_raw_call(&w->r, XS_WRITE, 0, big, 7 + 1900, &w->hdr, w->buf);
    T_EQ(t, w->hdr.type, XS_WRITE);
    store_raw_call(&w->r, XS_READ, 0, "data/v", 7, &w->hdr, w->buf);
    T_EQ(t, w->hdr.len, 1900);
    os_free(t->os, big);
}

static void oversize(struct t *t)
{
    struct wire *w = wire_open(t);
    struct xsd_sockmsg hdr = {.type = XS_READ,
                              .len = XENSTORE_PAYLOAD_MAX + 1};
    if (t_random(t, 2) == 1) {
        hdr.len = 0xffffffffu;
    }
    store_raw_put(&w->r, &hdr, sizeof(hdr));
    T_EQ(t, store_raw_error(&w->r), XENSTORE_ERROR_PROTO);
    store_raw_send(&w->r, XS_READ, 1, 0, "domid", 6);
    T_CHECK(t, !store_raw_get(&w->r, &w->hdr, w->buf)); /* it is over */
    bystander_works(t);
}

/* -- Indices --------------------------------------------------------------- */

static void req_prod_ahead(struct t *t)
{
    struct wire *w = wire_open(t);
    uint32_t by = XENSTORE_RING_SIZE + 1 + t_random(t, 0x7fffffff);
    os_store32(t->os, STORE_RAW_FIELD(&w->r, req_prod), w->r.prod + by);
    store_raw_notify(&w->r);
    T_EQ(t, store_raw_error(&w->r), XENSTORE_ERROR_RINGIDX);
    bystander_works(t);
}

static void req_prod_back(struct t *t)
{
    struct wire *w = wire_open(t);
    expect_served(t, w);
    os_store32(t->os, STORE_RAW_FIELD(&w->r, req_prod), w->r.prod - 1);
    store_raw_notify(&w->r);
    T_EQ(t, store_raw_error(&w->r), XENSTORE_ERROR_RINGIDX);
    bystander_works(t);
}

static void rsp_cons_ahead(struct t *t)
{
    struct wire *w = wire_open(t);
    os_store32(t->os, STORE_RAW_FIELD(&w->r, rsp_cons), w->r.cons + 5000);
    store_raw_send(&w->r, XS_READ, 1, 0, "domid", 6);
    T_EQ(t, store_raw_error(&w->r), XENSTORE_ERROR_RINGIDX);
    bystander_works(t);
}

static void foreign_halves_ignored(struct t *t)
{
    struct wire *w = wire_open(t);
    uint32_t req_cons = os_load32(t->os, STORE_RAW_FIELD(&w->r, req_cons));
    uint32_t rsp_prod = os_load32(t->os, STORE_RAW_FIELD(&w->r, rsp_prod));
    expect_served(t, w);
    /* What only the daemon writes is not what it goes by. */
    os_store32(t->os, STORE_RAW_FIELD(&w->r, rsp_prod), rsp_prod + 333);
    os_store32(t->os, STORE_RAW_FIELD(&w->r, req_cons), req_cons - 333);
    struct xsd_sockmsg hdr = {.type = XS_READ, .req_id = 5, .len = 6};
    uint32_t before = w->r.cons;
    for (unsigned i = 0; i < sizeof(hdr) + 6; i++) {
        char c = i < sizeof(hdr) ? ((const char *)&hdr)[i]
                                 : "domid"[i - sizeof(hdr)];
        os_store8(t->os, STORE_RAW_FIELD(&w->r, req) +
                             MASK_XENSTORE_IDX(w->r.prod + i), (uint8_t)c);
    }
    w->r.prod += sizeof(hdr) + 6;
    os_store32(t->os, STORE_RAW_FIELD(&w->r, req_prod), w->r.prod);
    store_raw_notify(&w->r);
    t_sleep(t, 1000000);
    T_EQ(t, os_load32(t->os, STORE_RAW_FIELD(&w->r, req_cons)), w->r.prod);
    T_CHECK(t, os_load32(t->os, STORE_RAW_FIELD(&w->r, rsp_prod)) - before <
                   64);
    T_CHECK(t, store_raw_get(&w->r, &w->hdr, w->buf));
    T_EQ(t, w->hdr.req_id, 5);
}

static void reconnect(struct t *t)
{
    struct wire *w = wire_open(t);
    T_CHECK(t, os_load32(t->os, STORE_RAW_FIELD(&w->r, server_features)) &
                   XENSTORE_SERVER_FEATURE_RECONNECTION);
    store_raw_call(&w->r, XS_TRANSACTION_START, 0, "", 1, &w->hdr, w->buf);
    uint32_t tx = (uint32_t)strtoul(w->buf, NULL, 10);
    os_store32(t->os, STORE_RAW_FIELD(&w->r, req_prod), w->r.prod + 9999);
    store_raw_notify(&w->r);
    T_EQ(t, store_raw_error(&w->r), XENSTORE_ERROR_RINGIDX);
    os_store32(t->os, STORE_RAW_FIELD(&w->r, connection),
               XENSTORE_RECONNECT);
    store_raw_notify(&w->r);
    t_sleep(t, 2000000);
    T_EQ(t, os_load32(t->os, STORE_RAW_FIELD(&w->r, connection)),
         XENSTORE_CONNECTED);
    T_EQ(t, os_load32(t->os, STORE_RAW_FIELD(&w->r, error)),
         XENSTORE_ERROR_NONE);
    T_EQ(t, os_load32(t->os, STORE_RAW_FIELD(&w->r, req_prod)), 0);
    w->r.prod = w->r.cons = 0;
    expect_served(t, w);
    expect_error(t, w, XS_READ, tx, "domid", 6, "ENOENT"); /* forgotten */
}

/* -- More than its share --------------------------------------------------- */

static void never_reads(struct t *t)
{
    struct wire *w = wire_open(t);
    struct xsd_sockmsg hdr = {.type = XS_DIRECTORY, .len = 2};
    struct os *os = t->os;
    /* 18 bytes each, no reply is ever taken: the daemon must stop reading */
    for (unsigned i = 0; i < 400; i++) {
        uint32_t cons = os_load32(os, STORE_RAW_FIELD(&w->r, req_cons));
        if (XENSTORE_RING_SIZE - (w->r.prod - cons) < sizeof(hdr) + 2) {
            t_sleep(t, 50000);
            continue;
        }
        store_raw_put(&w->r, &hdr, sizeof(hdr));
        store_raw_put(&w->r, ".", 2);
    }
    t_sleep(t, 1000000);
    T_CHECK(t, w->r.prod - os_load32(os, STORE_RAW_FIELD(&w->r, req_cons)) >
                   XENSTORE_RING_SIZE - 40);
    T_EQ(t, os_load32(os, STORE_RAW_FIELD(&w->r, error)),
         XENSTORE_ERROR_NONE);
    bystander_works(t);
    T_CHECK(t, store_raw_get(&w->r, &w->hdr, w->buf)); /* slow is no crime */
}

static void node_quota(struct t *t)
{
    char *path = os_malloc(t->os, 2100);
    T_REQUIRE(t, path != NULL);
    memcpy(path, "data/q", 7);
    for (unsigned i = 0; i < 1000; i++) {
        memcpy(path + 6 + 2 * i, "/d", 3);
    }
    T_EQ(t, xs_mkdir(t->xs, 0, path), -XEN_ENOSPC); /* 1,001 at once */
    char *value = NULL;
    T_EQ(t, xs_read(t->xs, 0, "data/q", &value), -XEN_ENOENT);
    path[6 + 2 * 900] = '\0';
    T_EQ(t, xs_mkdir(t->xs, 0, path), 0);
    path[5] = 'r';
    path[6 + 2 * 200] = '\0';
    T_EQ(t, xs_mkdir(t->xs, 0, path), -XEN_ENOSPC);
    T_EQ(t, xs_rm(t->xs, 0, "data/q"), 0);
    T_EQ(t, xs_mkdir(t->xs, 0, path), 0); /* given back */
    os_free(t->os, path);
}

static void node_quota_in_transaction(struct t *t)
{
    char *path = os_malloc(t->os, 2100), *value = NULL;
    xs_tx a, b;
    T_REQUIRE(t, path != NULL);
    memcpy(path, "data/q", 7);
    for (unsigned i = 0; i < 600; i++) {
        memcpy(path + 6 + 2 * i, "/d", 3);
    }
    /* Each within the quota, both together not. */
    T_REQUIRE_OK(t, xs_mkdir(t->xs, 0, "data/a"));
    T_REQUIRE_OK(t, xs_mkdir(t->xs, 0, "data/b"));
    T_REQUIRE_OK(t, xs_transaction_start(t->xs, &a));
    T_REQUIRE_OK(t, xs_transaction_start(t->xs, &b));
    memcpy(path, "data/a", 6);
    T_EQ(t, xs_mkdir(t->xs, a, path), 0);
    memcpy(path, "data/b", 6);
    T_EQ(t, xs_mkdir(t->xs, b, path), 0);
    T_EQ(t, xs_transaction_end(t->xs, a, true), 0);
    T_EQ(t, xs_transaction_end(t->xs, b, true), -XEN_ENOSPC);
    T_EQ(t, xs_read(t->xs, 0, "data/b/d", &value), -XEN_ENOENT);
    os_free(t->os, path);
}

static void watch_quota(struct t *t)
{
    struct wire *w = wire_open(t);
    char msg[32];
    unsigned made = 0;
    for (bool ok = true; ok && made < 200; made += ok) {
        int n = snprintf(msg, sizeof(msg), "data/a") + 1;
        n += snprintf(msg + n, sizeof(msg) - (size_t)n, "%u", made) + 1;
        store_raw_call(&w->r, XS_WATCH, 0, msg, (size_t)n, &w->hdr, w->buf);
        ok = w->hdr.type == XS_WATCH;
        if (ok) {
            T_CHECK(t, store_raw_get(&w->r, &w->hdr, w->buf));
            T_EQ(t, w->hdr.type, XS_WATCH_EVENT);
            /* path NUL token NUL: the token as it was given */
            T_EQ(t, w->hdr.len, (uint32_t)n);
            T_EQ(t, memcmp(w->buf, msg, (size_t)n), 0);
        }
    }
    T_EQ(t, strcmp(w->buf, "E2BIG"), 0);
    T_CHECK(t, made >= 128 && made <= 129);
    expect_error(t, w, XS_UNWATCH, 0, "data/a\0x", 9, "ENOENT");
    store_raw_call(&w->r, XS_UNWATCH, 0, "data/a\0" "0", 9, &w->hdr, w->buf);
    T_EQ(t, w->hdr.type, XS_UNWATCH);
    store_raw_call(&w->r, XS_WATCH, 0, "data/a\0x", 9, &w->hdr, w->buf);
    T_EQ(t, w->hdr.type, XS_WATCH);
}

static void watch_twice(struct t *t)
{
    struct wire *w = wire_open(t);
    store_raw_call(&w->r, XS_WATCH, 0, "data/a\0t", 9, &w->hdr, w->buf);
    T_EQ(t, w->hdr.type, XS_WATCH);
    T_CHECK(t, store_raw_get(&w->r, &w->hdr, w->buf));
    expect_error(t, w, XS_WATCH, 0, "data/a\0t", 9, "EEXIST");
    store_raw_call(&w->r, XS_WATCH, 0, "data/a\0u", 9, &w->hdr, w->buf);
    T_EQ(t, w->hdr.type, XS_WATCH); /* another token is another watch */
    T_CHECK(t, store_raw_get(&w->r, &w->hdr, w->buf));
    store_raw_call(&w->r, XS_RESET_WATCHES, 0, "", 1, &w->hdr, w->buf);
    T_EQ(t, w->hdr.type, XS_RESET_WATCHES);
    expect_error(t, w, XS_UNWATCH, 0, "data/a\0u", 9, "ENOENT");
}

/* -- Domains --------------------------------------------------------------- */

static void privileged(struct t *t)
{
    struct wire *w = wire_open(t);
    char peer[16];
    size_t n = (size_t)snprintf(peer, sizeof(peer), "%u",
                                t_domid(t, ROLE_PEER)) + 1;
    expect_error(t, w, XS_INTRODUCE, 0, "1\0" "2\0" "3", 6, "EACCES");
    expect_error(t, w, XS_RELEASE, 0, peer, n, "EACCES");
    expect_error(t, w, XS_RESUME, 0, peer, n, "EACCES");
    expect_error(t, w, XS_SET_TARGET, 0, "1\0" "2", 4, "EACCES");
    expect_error(t, w, XS_IS_DOMAIN_INTRODUCED, 0, peer, n, "EACCES");
    expect_error(t, w, XS_CONTROL, 0, "help", 5, "EACCES");
    expect_error(t, w, XS_WRITE, 0, "/new\0v", 6, "EACCES");
    expect_error(t, w, XS_RM, 0, "/local/domain/0", 16, "EACCES");
    bystander_works(t);
}

static void domain_path(struct t *t)
{
    struct wire *w = wire_open(t);
    store_raw_call(&w->r, XS_GET_DOMAIN_PATH, 0, "4711", 5, &w->hdr, w->buf);
    T_EQ(t, w->hdr.type, XS_GET_DOMAIN_PATH);
    T_EQ(t, w->hdr.len, sizeof("/local/domain/4711")); /* there or not */
    T_EQ(t, strcmp(w->buf, "/local/domain/4711"), 0);
}

static void ignores(struct os *os, void *ctx, const char *path)
{
    (void)os;
    (void)path;
    ++*(unsigned *)ctx;
}

static void leaves_watch(struct t *t)
{
    struct xs_watch *w;
    unsigned n = 0;
    T_REQUIRE_OK(t, xs_watch(t->xs, "data", ignores, &n, &w));
    xs_tx tx;
    T_REQUIRE_OK(t, xs_write(t->xs, 0, "data/a/b/c", "1"));
    T_REQUIRE_OK(t, xs_transaction_start(t->xs, &tx));
    T_REQUIRE_OK(t, xs_write(t->xs, tx, "data/t", "1"));
}

static void death_cleans(struct t *t)
{
    struct xenstored *xsd = t_world(t)->xsd;
    unsigned nodes = xenstored_node_count(xsd);
    unsigned conns = xenstored_connection_count(xsd);
    char path[64], *value = NULL;
    for (unsigned i = 0; i < 3; i++) {
        domid_t d = t_start_guest(t, leaves_watch, NULL);
        T_EQ(t, xenstored_connection_count(xsd), conns + 1);
        (void)t_wait_shutdown(t, d);
        snprintf(path, sizeof(path), "/local/domain/%u/data/a/b/c", d);
        T_EQ(t, xs_read(t->xs, 0, path, &value), 0);
        os_free(t->os, value);
        t_destroy_guest(t, d);
        T_EQ(t, xs_read(t->xs, 0, path, &value), -XEN_ENOENT);
    }
    T_EQ(t, xenstored_connection_count(xsd), conns);
    /* "device", "vm" and the like made on first use may stay, three guests'
     * nodes may not */
    T_CHECK(t, xenstored_node_count(xsd) < nodes + 5);
}

static void introduce_rules(struct t *t)
{
    char *reply = NULL;
    T_EQ(t, xs_introduce(t->xs, 0, 1, 1), -XEN_EINVAL);
    T_EQ(t, xs_introduce(t->xs, 30000, 1, 1), -XEN_ENOENT);
    T_EQ(t, xs_release(t->xs, 30000), -XEN_ENOENT);
    T_EQ(t, xs_request(t->xs, 0, XS_INTRODUCE, "1", 2, NULL, NULL),
         -XEN_EINVAL);
    T_EQ(t, xs_request(t->xs, 0, XS_IS_DOMAIN_INTRODUCED, "30000", 6, &reply,
                       NULL), 0);
    T_EQ(t, strcmp(reply, "F"), 0);
    os_free(t->os, reply);
    T_EQ(t, xs_request(t->xs, 0, XS_IS_DOMAIN_INTRODUCED, "0", 2, &reply,
                       NULL), 0);
    T_EQ(t, strcmp(reply, "T"), 0);
    os_free(t->os, reply);
}

#define WIRE "xs_wire.h: struct xsd_sockmsg"
#define RING "xs_wire.h: struct xenstore_domain_interface"
#define H T_HOSTILE
static const struct tcase cases[] = {
    {"xenstore_wire_ids_are_echoed", "req_id and tx_id come back", WIRE, 0,
     ids_echoed, 0, 0, 0},
    {"xenstore_wire_requests_in_a_row_are_answered_in_order",
     "several requests may lie in the ring", WIRE, 0, pipelined, 0, 0, 0},
    {"xenstore_wire_messages_lie_across_the_rings_end",
     "headers and payloads may be split anywhere", RING, 0, split_anywhere,
     0, 0, 0},
    {"xenstore_wire_half_a_message_is_not_answered",
     "a message is handled when all of it is there", RING, 0, byte_by_byte,
     0, 0, 0},
    {"xenstore_wire_unknown_types_are_enosys",
     "an unknown request gets an error, the connection goes on",
     "xs_wire.h: enum xsd_sockmsg_type", H, unknown_types, 0, 0, 0},
    {"xenstore_wire_malformed_payloads_are_einval",
     "missing NULs, missing and surplus strings", "xenstore.txt", H,
     malformed_payloads, 0, 0, 0},
    {"xenstore_wire_largest_payload_is_read",
     "XENSTORE_PAYLOAD_MAX bytes are a message; a node holds fewer",
     "xs_wire.h: XENSTORE_PAYLOAD_MAX", 0, largest_payload, 0, 0, 0},
    {"xenstore_wire_oversize_length_ends_the_connection",
     "a longer payload is XENSTORE_ERROR_PROTO, for that client alone",
     "xs_wire.h: XENSTORE_ERROR_PROTO", H, oversize, bystander, 0, 0},
    {"xenstore_wire_req_prod_ahead_ends_the_connection",
     "more than a ring ahead is XENSTORE_ERROR_RINGIDX",
     "xs_wire.h: XENSTORE_ERROR_RINGIDX", H, req_prod_ahead, bystander, 0,
     0},
    {"xenstore_wire_req_prod_backwards_ends_the_connection",
     "behind what was consumed is XENSTORE_ERROR_RINGIDX",
     "xs_wire.h: XENSTORE_ERROR_RINGIDX", H, req_prod_back, bystander, 0, 0},
    {"xenstore_wire_rsp_cons_ahead_ends_the_connection",
     "past what was produced is XENSTORE_ERROR_RINGIDX",
     "xs_wire.h: XENSTORE_ERROR_RINGIDX", H, rsp_cons_ahead, bystander, 0,
     0},
    {"xenstore_wire_the_daemons_indices_are_its_own",
     "a client that overwrites them changes nothing", RING, H,
     foreign_halves_ignored, 0, 0, 0},
    {"xenstore_wire_reconnection_starts_afresh",
     "after XENSTORE_RECONNECT: indices 0, no error, no transaction",
     "xs_wire.h: XENSTORE_SERVER_FEATURE_RECONNECTION", H, reconnect, 0, 0,
     0},
    {"xenstore_wire_client_that_never_reads_is_not_read",
     "unsent replies are limited, others are served",
     "XSA-326: quota_req_outstanding", H, never_reads, bystander, 0, 0},
    {"xenstore_wire_nodes_are_limited",
     "ENOSPC past the quota; what is removed counts no more",
     "xenstored_core.c: quota_nb_entry_per_domain", H, node_quota, 0, 0, 0},
    {"xenstore_wire_nodes_of_transactions_are_limited",
     "the quota holds when a transaction commits",
     "xenstored_core.c: quota_nb_entry_per_domain", H,
     node_quota_in_transaction, 0, 0, 0},
    {"xenstore_wire_watches_are_limited",
     "E2BIG past the quota; tokens come back as given",
     "xenstored_watch.c: quota_nb_watch_per_domain", H, watch_quota, 0, 0,
     0},
    {"xenstore_wire_same_watch_twice_is_eexist",
     "path and token name a watch; RESET_WATCHES takes all",
     "xenstore.txt: WATCH, RESET_WATCHES", 0, watch_twice, 0, 0, 0},
    {"xenstore_wire_privileged_requests_are_eacces",
     "what is the toolstack's is refused to guests",
     "xenstore.txt: Domain management; xenstored_core.c: XS_FLAG_PRIV", H,
     privileged, bystander, 0, 0},
    {"xenstore_wire_domain_path_of_any_domain",
     "GET_DOMAIN_PATH answers whether the domain is there or not",
     "xenstore.txt: GET_DOMAIN_PATH", 0, domain_path, 0, 0, 0},
    {"xenstore_wire_domains_death_leaves_nothing",
     "connection, watches, transactions and nodes go with the domain",
     "xenstore.txt: RELEASE; XSA-322", T_CONTROL, death_cleans, 0, 0, 0},
    {"xenstore_wire_introduce_wants_a_domain",
     "the control domain and unknown ones are not introduced",
     "xenstore.txt: INTRODUCE, IS_DOMAIN_INTRODUCED", T_CONTROL,
     introduce_rules, 0, 0, 0},
};
T_SUITE(xenstore_wire, cases);
