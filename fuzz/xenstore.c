/*
 * Fuzz target: the store daemon against a guest that owns its ring page:
 * messages typed and torn, transactions, watches, permissions, lengths that
 * lie, indices that jump, replies that nobody reads. The peer's store
 * directory must stay what it was, and the peer served.
 */
#include "fuzz/driver.h"

#include <string.h>

#include "conformance/peers/store_raw.h"

#define TX_MAX 4u

struct client {
    struct t *t;
    struct store_raw r;
    uint32_t tx[TX_MAX];
    unsigned nr_tx;
};

static char draw_char(struct t *t)
{
    static const char some[] = "a/b0.\0-@_\\n w~";
    return t_random(t, 8) < 7 ? some[t_random(t, sizeof(some))]
                              : (char)t_random(t, 256);
}

static size_t put_path(struct client *s, char *out)
{
    static const char *const paths[] = {
        "data", "data/a", "data/a/b", "data/a/b/c", "/", "",
        "/local/domain/0", "/local/domain/0/name", "device", "data/",
        "@releaseDomain", "@introduceDomain", "@other", "//", "data//a",
        "/tool", "/local", "control/shutdown", "domid", "."};
    struct t *t = s->t;
    unsigned i = t_random(t, 24);
    if (i < 20) {
        strcpy(out, paths[i]);
    } else if (i < 22) {
        sprintf(out, "/local/domain/%u%s", t_domid(t, ROLE_PEER),
                i == 20 ? "/data" : "/data/secret");
    } else if (i == 22) { /* as long as it gets */
        size_t n = 2000 + t_random(t, 1200);
        memset(out, 'x', n);
        out[n] = '\0';
    } else {
        size_t n = t_random(t, 24);
        for (size_t j = 0; j < n; j++) {
            out[j] = draw_char(t);
        }
        out[n] = '\0';
        return n;
    }
    return strlen(out);
}

static size_t put_value(struct client *s, char *out)
{
    static const char *const values[] = {
        "", "1", "token", "n0", "b0", "r1", "w65535", "n99999999999", "nx",
        "T", "F", "0", "4294967295", "-1", "data"};
    struct t *t = s->t;
    unsigned i = t_random(t, 18);
    if (i < 15) {
        strcpy(out, values[i]);
        return strlen(out);
    }
    if (i == 15) {
        sprintf(out, "n%u", os_domid(t->os));
        return strlen(out);
    }
    size_t n = i == 16 ? t_random(t, 16) : t_random(t, 900);
    for (size_t j = 0; j < n; j++) {
        out[j] = i == 16 ? draw_char(t) : 'v';
    }
    return n;
}

/* path NUL value [NUL value ...], in any shape. */
static size_t put_payload(struct client *s, char *buf)
{
    struct t *t = s->t;
    size_t len = 0;
    if (t_random(t, 8) < 7) {
        len = put_path(s, buf);
        buf[len] = '\0';
        len += t_random(t, 8) < 7;
    }
    unsigned n = t_random(t, 4);
    n = n == 3 ? 1 + t_random(t, 7) : n & 1;
    for (unsigned i = 0; i < n && len < XENSTORE_PAYLOAD_MAX - 1000; i++) {
        len += put_value(s, buf + len);
        buf[len] = '\0';
        len += t_random(t, 4) < 3;
    }
    return len;
}

static uint32_t draw_type(struct t *t)
{
    static const uint32_t likely[] = {
        XS_READ, XS_WRITE, XS_MKDIR, XS_RM, XS_DIRECTORY, XS_SET_PERMS,
        XS_GET_PERMS, XS_WATCH, XS_UNWATCH, XS_DIRECTORY_PART,
        XS_RESET_WATCHES, XS_TRANSACTION_END};
    return t_random(t, 4) ? fuzz_pick(t, likely, 12)
           : t_random(t, 8) ? t_random(t, 30)
                            : (uint32_t)fuzz_word(t);
}

/* Bytes into the ring as far as there is room; none is waited for. */
static bool put_bytes(struct client *s, const void *bytes, size_t len)
{
    struct os *os = s->t->os;
    const uint8_t *src = bytes;
    uint32_t cons = os_load32(os, STORE_RAW_FIELD(&s->r, req_cons));
    if (s->r.prod - cons > XENSTORE_RING_SIZE ||
        len > XENSTORE_RING_SIZE - (s->r.prod - cons)) {
        return false;
    }
    while (len > 0) {
        uint32_t at = MASK_XENSTORE_IDX(s->r.prod);
        size_t n = XENSTORE_RING_SIZE - at;
        n = n < len ? n : len;
        os_write(os, STORE_RAW_FIELD(&s->r, req) + at, src, n);
        src += n;
        len -= n;
        s->r.prod += (uint32_t)n;
    }
    os_store32(os, STORE_RAW_FIELD(&s->r, req_prod), s->r.prod);
    return true;
}

static void notify(struct client *s)
{
    (void)os_evtchn_send(s->t->os, s->r.port);
}

/* In pieces when it is longer than the ring's room. */
static void put_all(struct client *s, const char *bytes, size_t len)
{
    while (len > 0) {
        size_t n = len < 512 ? len : 512;
        if (!put_bytes(s, bytes, n)) {
            notify(s);
            os_wait(s->t->os, 20000);
            if (!put_bytes(s, bytes, n)) {
                return;
            }
        }
        bytes += n;
        len -= n;
    }
    notify(s);
}

static void message(struct client *s)
{
    char buf[sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX + 1024];
    struct t *t = s->t;
    struct xsd_sockmsg h = {.type = draw_type(t)};
    h.req_id = t_random(t, 4);
    size_t len = put_payload(s, buf + sizeof(h));
    switch (t_random(t, 8)) {
    case 7:
        h.tx_id = (uint32_t)fuzz_word(t);
        break;
    case 6:
    case 5:
        h.tx_id = s->tx[t_random(t, TX_MAX)];
        break;
    default:
        break;
    }
    h.len = (uint32_t)(t_random(t, 16) < 15 ? len : fuzz_word(t));
    if (h.type == XS_TRANSACTION_END && t_random(t, 4)) {
        strcpy(buf + sizeof(h), t_random(t, 2) ? "T" : "F");
        len = h.len = 2;
        h.tx_id = s->tx[t_random(t, TX_MAX)];
    }
    memcpy(buf, &h, sizeof(h));
    put_all(s, buf, sizeof(h) + len);
}

static void begin_transaction(struct client *s)
{
    struct xsd_sockmsg h = {.type = XS_TRANSACTION_START, .len = 1};
    char buf[sizeof(h) + 1] = {0};
    memcpy(buf, &h, sizeof(h));
    put_all(s, buf, sizeof(buf));
}

/* Reads what has come, as anybody who believes the indices. */
static void drain(struct client *s)
{
    struct os *os = s->t->os;
    struct xsd_sockmsg h;
    char ring[XENSTORE_RING_SIZE];
    uint32_t prod = os_load32(os, STORE_RAW_FIELD(&s->r, rsp_prod));
    uint32_t cons = os_load32(os, STORE_RAW_FIELD(&s->r, rsp_cons));
    uint32_t have = prod - cons;
    os_read(os, STORE_RAW_FIELD(&s->r, rsp), ring, sizeof(ring));
    for (uint32_t at = 0; have <= XENSTORE_RING_SIZE &&
                          at + sizeof(h) + 2 <= have;) {
        uint8_t *to = (uint8_t *)&h;
        for (unsigned i = 0; i < sizeof(h); i++) {
            to[i] = (uint8_t)ring[MASK_XENSTORE_IDX(cons + at + i)];
        }
        if (h.type == XS_TRANSACTION_START) {
            uint32_t id = 0;
            for (uint32_t i = 0; i < h.len && i < 9; i++) {
                char d = ring[MASK_XENSTORE_IDX(cons + at + sizeof(h) + i)];
                id = d >= '0' && d <= '9' ? id * 10 + (uint32_t)(d - '0')
                                          : id;
            }
            s->tx[s->nr_tx++ % TX_MAX] = id;
        }
        if (h.len > XENSTORE_PAYLOAD_MAX) {
            break;
        }
        at += (uint32_t)sizeof(h) + h.len;
    }
    os_store32(os, STORE_RAW_FIELD(&s->r, rsp_cons), prod);
    notify(s);
}

static void scribble(struct client *s)
{
    struct t *t = s->t;
    struct os *os = t->os;
    static const uint32_t fields[] = {
        offsetof(struct xenstore_domain_interface, req_cons),
        offsetof(struct xenstore_domain_interface, req_prod),
        offsetof(struct xenstore_domain_interface, rsp_cons),
        offsetof(struct xenstore_domain_interface, rsp_prod),
        offsetof(struct xenstore_domain_interface, server_features),
        offsetof(struct xenstore_domain_interface, connection),
        offsetof(struct xenstore_domain_interface, error)};
    uint64_t at = s->r.ring + fuzz_pick(t, fields, 7);
    os_store32(os, at, t_random(t, 2)
                           ? os_load32(os, at) + t_random(t, 2048)
                           : (uint32_t)fuzz_word(t));
    notify(s);
}

/* io/xs_wire.h: a guest asks for its connection anew. */
static void reconnect(struct client *s)
{
    struct os *os = s->t->os;
    os_store32(os, STORE_RAW_FIELD(&s->r, connection), XENSTORE_RECONNECT);
    notify(s);
    os_wait(os, 100000);
    s->r.prod = os_load32(os, STORE_RAW_FIELD(&s->r, req_prod));
}

static void raw_bytes(struct client *s)
{
    uint8_t bytes[32];
    unsigned n = t_random(s->t, sizeof(bytes));
    for (unsigned i = 0; i < n; i++) {
        bytes[i] = (uint8_t)t_random(s->t, 256);
    }
    put_all(s, (const char *)bytes, n);
}

static void step(struct client *s)
{
    static const uint32_t ns[] = {0, 5000, 30000, 200000, 1000000};
    switch (t_random(s->t, 16)) {
    case 8:
    case 9:
        begin_transaction(s);
        break;
    case 10:
    case 11:
        drain(s);
        break;
    case 12:
        scribble(s);
        break;
    case 13:
        reconnect(s);
        break;
    case 14:
        raw_bytes(s);
        break;
    case 15:
        os_wait(s->t->os, fuzz_pick(s->t, ns, 5));
        break;
    default:
        message(s);
        break;
    }
}

static void subject(struct t *t)
{
    struct client *s = os_malloc(t->os, sizeof(*s));
    T_REQUIRE(t, s != NULL);
    memset(s, 0, sizeof(*s));
    s->t = t;
    store_raw_take(&s->r, t);
    fuzz_begin(t);
    while (fuzz_more(t)) {
        step(s);
    }
    t_sleep(t, 50000);
}

static void peer(struct t *t)
{
    char *value = NULL;
    uint64_t back = 0;
    T_REQUIRE_OK(t, xs_write(t->xs, 0, "data/secret", "kept"));
    fuzz_peer_wait(t);
    T_EQ(t, xs_read(t->xs, 0, "data/secret", &value), 0);
    T_EQ(t, strcmp(value, "kept"), 0);
    os_free(t->os, value);
    T_EQ(t, xs_write(t->xs, 0, "data/number", "17"), 0);
    T_EQ(t, xs_read_uint(t->xs, 0, "data", "number", &back), 0);
    T_EQ(t, back, 17);
}

const struct fuzz_target fuzz_target = {"xenstore", 0, subject, peer};
