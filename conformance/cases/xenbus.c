/*
 * The handshake of a device (io/xenbus.h), as its directories in the store
 * show it. Both our ends are looked at: the backend from the raw frontend,
 * the frontend from the raw backend.
 *
 * vdev 51712 has our backend; 51744 is written by the control role, which
 * plays the backend. Channels: 2 the device is there, 3 the subject's turn
 * is over, 4 the control role's is.
 */
#include "conformance/harness.h"

#include <string.h>

#include <xen/io/protocols.h>

#include "conformance/peers/ring_back.h"
#include "conformance/peers/ring_front.h"
#include "conformance/world.h"
#include "pv/block/blkfront.h"

#define VDEV 51712u
#define VDEV_RAW 51744u
#define QUIET_NS 3000000ULL

static void set_text(struct t *t, struct raw_front *f, const char *node,
                     const char *text)
{
    char path[96];
    snprintf(path, sizeof(path), "%s/%s", f->dir, node);
    T_REQUIRE_OK(t, xs_write(t->xs, 0, path, text));
}

/* The backend's state, once it has had time to change it. */
static unsigned settled(struct t *t, struct raw_front *f)
{
    t_sleep(t, QUIET_NS);
    return raw_front_backend_state(f);
}

static void device_works(struct t *t)
{
    uint8_t out[512], in[512];
    int err = 0;
    struct blkfront *bf = blkfront_open(t->xs, VDEV, &err);
    T_CHECK(t, bf != NULL);
    memset(out, (int)t_random(t, 255) + 1, sizeof(out));
    memset(in, 0, sizeof(in));
    T_EQ(t, blkfront_write(bf, 9, out, 1), 0);
    T_EQ(t, blkfront_read(bf, 9, in, 1), 0);
    T_EQ(t, memcmp(in, out, sizeof(in)), 0);
    blkfront_close(bf);
}

/* -- Our backend ----------------------------------------------------------- */

static void backend_sequence(struct t *t)
{
    struct raw_front f;
    char ref[16], port[16];
    raw_front_init(&f, t, VDEV);
    T_CHECK(t, raw_front_backend_has(&f, "sectors")); /* before InitWait */
    T_EQ(t, settled(t, &f), XenbusStateInitWait);     /* it waits for us */
    raw_front_share(&f);
    snprintf(ref, sizeof(ref), "%u", f.ring_ref);
    snprintf(port, sizeof(port), "%u", f.port);
    set_text(t, &f, "ring-ref", ref);
    set_text(t, &f, "event-channel", port);
    T_EQ(t, settled(t, &f), XenbusStateInitWait); /* nodes alone are none */
    raw_front_publish(&f, ref, port, XEN_IO_PROTO_ABI_X86_64);
    T_EQ(t, settled(t, &f), XenbusStateConnected);
    raw_front_state(&f, XenbusStateConnected);
    T_EQ(t, settled(t, &f), XenbusStateConnected);
    T_EQ(t, os_grant_end(t->os, f.ring_ref), -XEN_EBUSY);
    raw_front_state(&f, XenbusStateClosing);
    T_EQ(t, settled(t, &f), XenbusStateClosing);
    raw_front_state(&f, XenbusStateClosed);
    T_EQ(t, settled(t, &f), XenbusStateClosed);
    T_EQ(t, os_grant_end(t->os, f.ring_ref), 0);
    raw_front_state(&f, XenbusStateInitialising);
    T_EQ(t, settled(t, &f), XenbusStateInitWait);
}

static void reconnects(struct t *t)
{
    for (unsigned i = 0; i < 4; i++) {
        struct raw_front f;
        raw_front_connect(&f, t, VDEV);
        T_EQ(t, settled(t, &f), XenbusStateConnected);
        raw_front_close(&f);
        T_EQ(t, settled(t, &f), XenbusStateClosed);
    }
    device_works(t);
}

static void other_states(struct t *t)
{
    struct raw_front f;
    raw_front_connect(&f, t, VDEV);
    raw_front_state(&f, XenbusStateReconfiguring);
    T_EQ(t, settled(t, &f), XenbusStateConnected);
    raw_front_state(&f, XenbusStateReconfigured);
    T_EQ(t, settled(t, &f), XenbusStateConnected);
    raw_front_state(&f, XenbusStateInitWait);
    T_EQ(t, settled(t, &f), XenbusStateConnected);
    raw_front_state(&f, XenbusStateConnected);
    uint64_t page = t_page(t, 0xaa);
    struct blkif_request r = raw_front_request(
        BLKIF_OP_READ, 5, 0, raw_front_grant(&f, page, false), 0, 0);
    T_EQ(t, raw_front_do(&f, &r), BLKIF_RSP_OKAY); /* not even disturbed */
    raw_front_close(&f);
}

static void senseless_states(struct t *t)
{
    static const char *const texts[] = {"9", "99", "-1", "", "abc", "4x",
                                        "18446744073709551620", "0"};
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct raw_front f;
        raw_front_connect(&f, t, VDEV);
        set_text(t, &f, "state", texts[i]);
        unsigned s = settled(t, &f);
        T_CHECK(t, s == XenbusStateConnected || s == XenbusStateClosing ||
                       s == XenbusStateClosed);
        raw_front_close(&f);
    }
    device_works(t);
}

static void flapping(struct t *t)
{
    struct raw_front f;
    raw_front_connect(&f, t, VDEV);
    for (unsigned i = 0; i < 60; i++) {
        raw_front_state(&f, (enum xenbus_state)t_random(t, 9));
        if (i % 8 == 0) {
            t_sleep(t, t_random(t, 1000000));
        }
    }
    raw_front_close(&f);
    device_works(t);
}

static void backend_dir_is_closed(struct t *t)
{
    static const char *const nodes[] = {"state", "sectors", "mode", "error",
                                        "new", "frontend"};
    struct raw_front f;
    char path[128];
    raw_front_init(&f, t, VDEV);
    for (unsigned i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", f.back, nodes[i]);
        T_EQ(t, xs_write(t->xs, 0, path, "6"), -XEN_EACCES);
        T_EQ(t, xs_rm(t->xs, 0, path), -XEN_EACCES);
    }
    T_EQ(t, xs_rm(t->xs, 0, f.back), -XEN_EACCES);
    T_EQ(t, xs_mkdir(t->xs, 0, "/local/domain/0/backend/vbd/x"),
         -XEN_EACCES);
    T_EQ(t, raw_front_backend_state(&f), XenbusStateInitWait);
    T_CHECK(t, raw_front_backend_has(&f, "mode"));
}

/* NULL: the right one. "": no such node. */
static const struct {
    const char *ref, *port, *protocol;
} bogus[] = {
    {"4294967295", NULL, NULL}, {"400", NULL, NULL},  {"abc", NULL, NULL},
    {"", NULL, NULL},           {"-1", NULL, NULL},
    {"18446744073709551615", NULL, NULL},
    {"4294967296", NULL, NULL},
    {NULL, "4294967295", NULL}, {NULL, "0", NULL},    {NULL, "x", NULL},
    {NULL, "", NULL},           {NULL, "1000", NULL},
    {NULL, "4294967297", NULL},
    {NULL, NULL, "ia64-abi"},   {NULL, NULL, "x"},    {"ro", NULL, NULL},
};

static void bogus_one(struct t *t, unsigned i)
{
    struct raw_front f;
    char ref[16], port[16], path[96];
    grant_ref_t readonly = 0;
    const char *r = bogus[i].ref, *p = bogus[i].port;
    raw_front_init(&f, t, VDEV);
    raw_front_share(&f);
    if (r != NULL && strcmp(r, "ro") == 0) { /* a ring it can't write to */
        readonly = raw_front_grant(&f, f.page, true);
        snprintf(ref, sizeof(ref), "%u", readonly);
        r = ref;
    }
    snprintf(port, sizeof(port), "%u", f.port);
    if (r == NULL) {
        snprintf(ref, sizeof(ref), "%u", f.ring_ref);
        r = ref;
    }
    p = p != NULL ? p : port;
    raw_front_publish(&f, r[0] ? r : NULL, p[0] ? p : NULL,
                      bogus[i].protocol);
    if (!raw_front_wait(&f, RAW_STATE(Closing) | RAW_STATE(Closed))) {
        t_fail(t, __FILE__, __LINE__, "bogus[%u] left the backend in %u", i,
               raw_front_backend_state(&f));
    }
    T_CHECK(t, raw_front_backend_has(&f, "error"));
    raw_front_close(&f); /* also: the good one is not held */
    if (readonly != 0) {
        T_EQ(t, os_grant_end(t->os, readonly), 0);
    }
    static const char *const nodes[] = {"ring-ref", "event-channel",
                                        "protocol"};
    for (unsigned n = 0; n < 3; n++) {
        snprintf(path, sizeof(path), "%s/%s", f.dir, nodes[n]);
        T_REQUIRE_OK(t, xs_rm(t->xs, 0, path));
    }
}

static void bogus_values(struct t *t)
{
    for (unsigned i = 0; i < sizeof(bogus) / sizeof(bogus[0]); i++) {
        bogus_one(t, i);
    }
    device_works(t);
}

static void others_port(struct t *t)
{
    struct raw_front f;
    char ref[16], port[16];
    evtchn_port_t foreign;
    raw_front_init(&f, t, VDEV);
    raw_front_share(&f);
    /* Unbound, but kept for another domain than the backend's. */
    T_REQUIRE_OK(t, os_evtchn_alloc_unbound(t->os, t_domid(t, ROLE_PEER),
                                            &foreign));
    snprintf(ref, sizeof(ref), "%u", f.ring_ref);
    snprintf(port, sizeof(port), "%u", foreign);
    raw_front_publish(&f, ref, port, NULL);
    T_CHECK(t, raw_front_wait(&f, RAW_STATE(Closing) | RAW_STATE(Closed)));
    T_CHECK(t, raw_front_backend_has(&f, "error"));
    raw_front_close(&f);
    device_works(t);
}

static void idle_peer(struct t *t)
{
    (void)t;
}

static void directory_removed(struct t *t)
{
    struct raw_front f;
    char path[64];
    raw_front_connect(&f, t, VDEV);
    snprintf(path, sizeof(path), "device/vbd/%u", VDEV);
    T_REQUIRE_OK(t, xs_rm(t->xs, 0, path));
    T_CHECK(t, raw_front_wait(&f, RAW_STATE(Closed)));
    T_EQ(t, os_grant_end(t->os, f.ring_ref), 0);
}

static void unplug_subject(struct t *t)
{
    int err = 0;
    uint8_t buf[512];
    struct blkfront *bf = blkfront_open(t->xs, VDEV, &err);
    T_CHECK(t, bf != NULL);
    T_EQ(t, blkfront_read(bf, 0, buf, 1), 0);
    t_send(t, 3, 1);
    T_EQ(t, t_recv(t, 4), 0); /* the backend is gone, and its directory */
    T_CHECK(t, !blkfront_connected(bf));
    T_EQ(t, blkfront_read(bf, 0, buf, 1), -XEN_EIO);
    blkfront_close(bf);
    T_CHECK(t, blkfront_open(t->xs, VDEV, &err) == NULL);
    T_CHECK(t, err < 0);
}

static void unplug_control(struct t *t)
{
    (void)t_recv(t, 3);
    uint64_t start = os_now_ns(t->os);
    int rc = world_del_disk(t_world(t), t_domid(t, ROLE_SUBJECT), VDEV);
    /* the frontend closed when it was asked to: nobody had to wait */
    T_CHECK(t, os_now_ns(t->os) - start < 150000000ULL);
    t_send(t, 4, (uint64_t)rc);
}

/* -- Our frontend ---------------------------------------------------------- */

static void make_raw(struct t *t)
{
    struct world_vbd vbd = {.vdev = VDEV_RAW};
    T_REQUIRE_OK(t, world_write_vbd(t_world(t), t_domid(t, ROLE_SUBJECT), 0,
                                    &vbd));
}

static void open_subject(struct t *t)
{
    int err = 0;
    (void)t_recv(t, 2);
    struct blkfront *bf = blkfront_open(t->xs, VDEV_RAW, &err);
    T_CHECK(t, bf != NULL);
    T_EQ(t, blkfront_sectors(bf), 77);
    t_send(t, 3, 1);
    (void)t_recv(t, 4);
    blkfront_close(bf);
}

static void frontend_sequence(struct t *t)
{
    struct raw_back b;
    uint64_t v;
    char path[128], *text = NULL;
    make_raw(t);
    t_send(t, 2, 1);
    memset(&b, 0, sizeof(b));
    b.t = t;
    snprintf(b.front, sizeof(b.front), "/local/domain/%u/device/vbd/%u",
             t_domid(t, ROLE_SUBJECT), VDEV_RAW);
    t_sleep(t, 2 * QUIET_NS); /* the backend is Initialising: no ring yet */
    T_EQ(t, raw_back_front_state(&b), XenbusStateInitialising);
    T_EQ(t, xs_read_uint(t->xs, 0, b.front, "ring-ref", &v), -XEN_ENOENT);
    raw_back_init(&b, t, t_domid(t, ROLE_SUBJECT), VDEV_RAW, "77", "512");
    T_CHECK(t, raw_back_wait(&b, RAW_STATE(Initialised)));
    T_EQ(t, xs_read_uint(t->xs, 0, b.front, "ring-ref", &v), 0);
    T_EQ(t, xs_read_uint(t->xs, 0, b.front, "event-channel", &v), 0);
    snprintf(path, sizeof(path), "%s/protocol", b.front);
    T_EQ(t, xs_read(t->xs, 0, path, &text), 0);
    T_EQ(t, strcmp(text, XEN_IO_PROTO_ABI_X86_64), 0);
    os_free(t->os, text);
    t_sleep(t, QUIET_NS);
    T_EQ(t, raw_back_front_state(&b), XenbusStateInitialised);
    raw_back_connect(&b);
    (void)t_recv(t, 3);
    t_send(t, 4, 1);
    T_CHECK(t, raw_back_wait(&b, RAW_STATE(Closing)));
    t_sleep(t, QUIET_NS); /* it gives the backend time to finish */
    T_EQ(t, raw_back_front_state(&b), XenbusStateClosing);
    raw_back_detach(&b);
    raw_back_state(&b, XenbusStateClosing);
    T_CHECK(t, raw_back_wait(&b, RAW_STATE(Closed)));
    raw_back_state(&b, XenbusStateClosed);
}

static void absent_subject(struct t *t)
{
    int err = 0;
    T_CHECK(t, blkfront_open(t->xs, 51999, &err) == NULL);
    T_EQ(t, err, -XEN_ENOENT);
    (void)t_recv(t, 2);
    uint64_t start = os_now_ns(t->os);
    T_CHECK(t, blkfront_open(t->xs, VDEV_RAW, &err) == NULL);
    T_CHECK(t, err < 0);
    T_CHECK(t, os_now_ns(t->os) - start < 30000000000ULL);
}

static void absent_control(struct t *t)
{
    make_raw(t); /* directories, and no driver ever */
    t_send(t, 2, 1);
}

static void refused_subject(struct t *t)
{
    int err = 0;
    (void)t_recv(t, 2);
    T_CHECK(t, blkfront_open(t->xs, VDEV_RAW, &err) == NULL);
    T_CHECK(t, err < 0);
    t_send(t, 3, 1);
}

static void refused_control(struct t *t)
{
    struct raw_back b;
    make_raw(t);
    raw_back_init(&b, t, t_domid(t, ROLE_SUBJECT), VDEV_RAW, "77", "512");
    t_send(t, 2, 1);
    T_CHECK(t, raw_back_wait(&b, RAW_STATE(Initialised)));
    raw_back_state(&b, XenbusStateClosing);
    T_CHECK(t, raw_back_wait(&b, RAW_STATE(Closing) | RAW_STATE(Closed)));
    raw_back_state(&b, XenbusStateClosed);
    T_CHECK(t, raw_back_wait(&b, RAW_STATE(Closed)));
    (void)t_recv(t, 3);
}

#define FLOW "io/blkif.h: STATE DIAGRAMS"
#define STATES "io/xenbus.h: enum xenbus_state"
#define H (T_DISK | T_HOSTILE)
static const struct tcase cases[] = {
    {"xenbus_backend_follows_the_state_diagram",
     "InitWait, Connected, Closing, Closed, each when the frontend's is",
     FLOW, T_DISK, backend_sequence, 0, 0, 0},
    {"xenbus_frontend_follows_the_state_diagram",
     "nodes before Initialised, Closing before Closed", FLOW, 0,
     open_subject, 0, 0, frontend_sequence},
    {"xenbus_closed_device_connects_again", "Closed, Initialising, InitWait",
     FLOW, T_DISK, reconnects, 0, 0, 0},
    {"xenbus_states_without_a_meaning_here_change_nothing",
     "Reconfiguring, Reconfigured and InitWait of a connected frontend",
     STATES, T_DISK, other_states, 0, 0, 0},
    {"xenbus_senseless_states_do_no_harm",
     "what is no state is no more than a frontend that went away", STATES, H,
     senseless_states, 0, 0, 0},
    {"xenbus_flapping_frontend_recovers",
     "any sequence of states leads back to a working device", FLOW, H,
     flapping, 0, 0, 0},
    {"xenbus_backend_directory_is_not_the_frontends",
     "the frontend reads it and can't write it", "io/blkif.h: XenBus Nodes",
     H, backend_dir_is_closed, 0, 0, 0},
    {"xenbus_bogus_nodes_are_fatal_for_the_device",
     "ring-ref, event-channel or protocol wrong: error node and Closing",
     "io/blkif.h: Frontend XenBus Nodes", H, bogus_values, 0, 0, 0},
    {"xenbus_port_for_another_domain_is_fatal",
     "the backend can only bind what was meant for it",
     "event_channel.h: EVTCHNOP_bind_interdomain", H, others_port, idle_peer,
     0, 0},
    {"xenbus_frontend_directory_removed_closes_the_backend",
     "no directory is as good as Closed", FLOW, H, directory_removed, 0, 0,
     0},
    {"xenbus_unplugged_device_closes_both_ends",
     "backend Closing, frontend Closed, backend Closed", FLOW, T_DISK,
     unplug_subject, 0, 0, unplug_control},
    {"xenbus_absent_backend_is_an_error",
     "a frontend without a backend gives up in time", FLOW, 0,
     absent_subject, 0, 0, absent_control},
    {"xenbus_refusing_backend_is_an_error",
     "a backend that closes instead of connecting", FLOW, 0, refused_subject,
     0, 0, refused_control},
};
T_SUITE(xenbus, cases);
