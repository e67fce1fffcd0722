/*
 * Our frontend against backends that mean harm: responses that nobody asked
 * for, indices that can't be, a backend that says nonsense of its disk, goes
 * silent, closes or dies. The frontend fails what is outstanding, once each,
 * says why, and closes; it trusts no response with anything but its status.
 *
 * Method: the control role is the raw backend of the subject's 51744; it
 * takes the requests and then does what the case is about. Channels: 2 the
 * device is there, 3 the backend's turn, 4 the subject's.
 */
#include "conformance/harness.h"

#include <string.h>

#include "conformance/peers/ring_back.h"
#include "conformance/world.h"
#include "pv/block/blkfront.h"

#define VDEV 51744u
#define OUTSTANDING 4u
#define STATE(s) (1u << XenbusState##s)

/* -- The subject ----------------------------------------------------------- */

struct job {
    struct blkfront_req r;
    unsigned calls;
    int status;
};

static void job_done(struct os *os, struct blkfront_req *req, int status)
{
    struct job *j = req->ctx;
    (void)os;
    j->calls++;
    j->status = status;
}

static bool all_done(struct t *t, void *ctx)
{
    (void)t;
    return blkfront_outstanding(ctx) == 0;
}

static struct blkfront *victim_open(struct t *t)
{
    int err = 0;
    (void)t_recv(t, 2);
    struct blkfront *bf = blkfront_open(t->xs, VDEV, &err);
    if (bf == NULL) {
        t_fail(t, __FILE__, __LINE__, "blkfront_open gave %d", err);
    }
    return bf;
}

static void victim_submit(struct t *t, struct blkfront *bf, struct job *jobs,
                          unsigned n)
{
    uint64_t page = t_page(t, 0x44);
    for (unsigned i = 0; i < n; i++) {
        jobs[i] = (struct job){0};
        jobs[i].r = (struct blkfront_req){.op = OS_DISK_READ, .sector = i,
                                          .count = 1,
                                          .addr = page + i * 512,
                                          .done = job_done,
                                          .ctx = &jobs[i]};
        T_EQ(t, blkfront_submit(bf, &jobs[i].r), 0);
    }
}

static bool own_node_exists(struct t *t, const char *node)
{
    char path[64], *value = NULL;
    snprintf(path, sizeof(path), "device/vbd/%u/%s", VDEV, node);
    if (xs_read(t->xs, 0, path, &value) != 0) {
        return false;
    }
    os_free(t->os, value);
    return true;
}

/* OUTSTANDING requests; `good` of them were answered well before the breach. */
static void victim(struct t *t, unsigned good, bool says_why)
{
    struct job jobs[OUTSTANDING];
    unsigned ok = 0;
    struct blkfront *bf = victim_open(t);
    victim_submit(t, bf, jobs, OUTSTANDING);
    T_CHECK(t, t_wait_until(t, all_done, bf, 5000000000ULL));
    for (unsigned i = 0; i < OUTSTANDING; i++) {
        T_EQ(t, jobs[i].calls, 1);
        ok += jobs[i].status == BLKIF_RSP_OKAY;
        T_EQ(t, jobs[i].r.nr_refs, 0); /* the pages are ours again */
    }
    T_EQ(t, ok, good);
    T_CHECK(t, !blkfront_connected(bf));
    T_EQ(t, own_node_exists(t, "error"), says_why);
    T_EQ(t, blkfront_submit(bf, &jobs[0].r), -XEN_EIO);
    blkfront_close(bf);
}

static void victim_broken(struct t *t)
{
    victim(t, 0, true);
}

static void victim_broken_after_one(struct t *t)
{
    victim(t, 1, true);
}

/* The same device again and again; the control role waits on channel 4. */
static void victim_broken_times(struct t *t, unsigned times)
{
    char path[64];
    snprintf(path, sizeof(path), "device/vbd/%u/error", VDEV);
    for (unsigned i = 0; i < times; i++) {
        victim(t, 0, true);
        T_REQUIRE_OK(t, xs_rm(t->xs, 0, path));
        t_send(t, 4, 1);
    }
}

static void victim_broken_3(struct t *t)
{
    victim_broken_times(t, 3);
}

static void victim_broken_6(struct t *t)
{
    victim_broken_times(t, 6);
}

static void victim_left(struct t *t)
{
    victim(t, 0, false);
}

/* -- The backend ----------------------------------------------------------- */

static void back_make(struct t *t, domid_t backend)
{
    struct world_vbd vbd = {.vdev = VDEV};
    T_REQUIRE_OK(t, world_write_vbd(t_world(t), t_domid(t, ROLE_SUBJECT),
                                    backend, &vbd));
}

static void back_begin(struct t *t, struct raw_back *b,
                       struct blkif_request *reqs, unsigned n)
{
    back_make(t, 0);
    raw_back_init(b, t, t_domid(t, ROLE_SUBJECT), VDEV, "2048", "512");
    t_send(t, 2, 1);
    raw_back_connect(b);
    for (unsigned i = 0; i < n; i++) {
        T_CHECK(t, raw_back_take(b, &reqs[i]));
    }
}

/* The frontend has had enough: the handshake's end. */
static void back_end(struct t *t, struct raw_back *b)
{
    T_CHECK(t, raw_back_wait(b, STATE(Closing) | STATE(Closed)));
    raw_back_detach(b);
    raw_back_state(b, XenbusStateClosing);
    T_CHECK(t, raw_back_wait(b, STATE(Closed)));
    raw_back_state(b, XenbusStateClosed);
    (void)t;
}

static void rsp_ahead(struct t *t)
{
    static const uint32_t ahead[] = {OUTSTANDING + 1, 33, 0x40000000u};
    for (unsigned i = 0; i < 3; i++) {
        struct raw_back b;
        struct blkif_request r[OUTSTANDING];
        back_begin(t, &b, r, OUTSTANDING);
        b.rsp_prod = ahead[i];
        raw_back_push(&b);
        back_end(t, &b);
        (void)t_recv(t, 4);
    }
}

static void rsp_back(struct t *t)
{
    struct raw_back b;
    struct blkif_request r[OUTSTANDING];
    back_begin(t, &b, r, OUTSTANDING);
    raw_back_put(&b, r[0].id, r[0].operation, BLKIF_RSP_OKAY);
    raw_back_push(&b);
    t_sleep(t, 3000000);
    b.rsp_prod = ~0u;
    raw_back_push(&b);
    back_end(t, &b);
}

static void unknown_id(struct t *t)
{
    static const uint64_t ids[] = {~0ULL, 31, 32, 99, 1ULL << 32, 1ULL << 63};
    for (unsigned i = 0; i < 6; i++) {
        struct raw_back b;
        struct blkif_request r[OUTSTANDING];
        back_begin(t, &b, r, OUTSTANDING);
        raw_back_put(&b, ids[i], BLKIF_OP_READ, BLKIF_RSP_OKAY);
        raw_back_push(&b);
        back_end(t, &b);
        (void)t_recv(t, 4);
    }
}

static void id_twice(struct t *t)
{
    struct raw_back b;
    struct blkif_request r[OUTSTANDING];
    back_begin(t, &b, r, OUTSTANDING);
    raw_back_put(&b, r[1].id, r[1].operation, BLKIF_RSP_OKAY);
    raw_back_put(&b, r[1].id, r[1].operation, BLKIF_RSP_OKAY);
    raw_back_push(&b);
    back_end(t, &b);
}

static void wrong_operation(struct t *t)
{
    struct raw_back b;
    struct blkif_request r[OUTSTANDING];
    back_begin(t, &b, r, OUTSTANDING);
    raw_back_put(&b, r[0].id, BLKIF_OP_WRITE, BLKIF_RSP_OKAY);
    raw_back_push(&b);
    back_end(t, &b);
}

static void closes(struct t *t)
{
    struct raw_back b;
    struct blkif_request r[OUTSTANDING];
    back_begin(t, &b, r, OUTSTANDING);
    raw_back_state(&b, XenbusStateClosing);
    back_end(t, &b);
}

static void vanishes(struct t *t)
{
    struct raw_back b;
    struct blkif_request r[OUTSTANDING];
    back_begin(t, &b, r, OUTSTANDING);
    raw_back_detach(&b);
    T_REQUIRE_OK(t, xs_rm(t->xs, 0, b.dir)); /* no Closing, no Closed */
    T_CHECK(t, raw_back_wait(&b, STATE(Closed)));
}

/* -- Backends that go on --------------------------------------------------- */

static void unasked_subject(struct t *t)
{
    struct job job;
    struct blkfront *bf = victim_open(t);
    T_EQ(t, blkfront_outstanding(bf), 0);
    t_send(t, 3, 1);
    (void)t_recv(t, 4);
    t_sleep(t, 5000000);
    T_CHECK(t, !blkfront_connected(bf));
    T_CHECK(t, own_node_exists(t, "error"));
    memset(&job, 0, sizeof(job));
    T_EQ(t, blkfront_submit(bf, &job.r), -XEN_EIO);
    blkfront_close(bf);
}

static void unasked_control(struct t *t)
{
    struct raw_back b;
    back_begin(t, &b, NULL, 0);
    (void)t_recv(t, 3);
    raw_back_put(&b, 0, BLKIF_OP_READ, BLKIF_RSP_OKAY);
    raw_back_push(&b);
    t_send(t, 4, 1);
    back_end(t, &b);
}

static void status_subject(struct t *t)
{
    static const int16_t statuses[] = {1, -1, -2, 0x7fff, -0x8000, 0};
    struct job job;
    struct blkfront *bf = victim_open(t);
    for (unsigned i = 0; i < 6; i++) {
        victim_submit(t, bf, &job, 1);
        t_send(t, 3, (uint16_t)statuses[i]);
        T_CHECK(t, t_wait_until(t, all_done, bf, 1000000000ULL));
        T_EQ(t, job.calls, 1);
        /* whatever is not OKAY is no success */
        T_EQ(t, job.status == BLKIF_RSP_OKAY, statuses[i] == 0);
        T_CHECK(t, blkfront_connected(bf));
    }
    t_send(t, 3, 0xffffff);
    blkfront_close(bf);
}

static void status_control(struct t *t)
{
    struct raw_back b;
    struct blkif_request r;
    uint64_t status;
    back_begin(t, &b, NULL, 0);
    while ((status = t_recv(t, 3)) != 0xffffff) {
        T_CHECK(t, raw_back_take(&b, &r));
        raw_back_put(&b, r.id, r.operation, (int16_t)(uint16_t)status);
        raw_back_push(&b);
    }
    back_end(t, &b);
}

static void scribble_subject(struct t *t)
{
    struct job job;
    struct blkfront *bf = victim_open(t);
    for (unsigned i = 0; i < 50; i++) {
        victim_submit(t, bf, &job, 1);
        T_CHECK(t, t_wait_until(t, all_done, bf, 1000000000ULL));
        T_EQ(t, job.calls, 1);
        T_EQ(t, job.status, BLKIF_RSP_OKAY);
    }
    t_send(t, 3, 1);
    blkfront_close(bf);
}

static void scribble_control(struct t *t)
{
    struct raw_back b;
    struct blkif_request r;
    uint64_t v;
    back_begin(t, &b, NULL, 0);
    while (!t_try_recv(t, 3, &v)) {
        if (!raw_back_take(&b, &r)) {
            break;
        }
        T_EQ(t, r.operation, BLKIF_OP_READ);
        T_EQ(t, r.nr_segments, 1);
        /* the frontend's half is not what the frontend goes by */
        os_store32(t->os, b.page + offsetof(struct blkif_sring, req_prod),
                   t_random(t, ~0u));
        os_store32(t->os, b.page + offsetof(struct blkif_sring, rsp_event),
                   t_random(t, ~0u));
        raw_back_put(&b, r.id, r.operation, BLKIF_RSP_OKAY);
        raw_back_push(&b);
        os_store32(t->os, b.page + offsetof(struct blkif_sring, req_prod),
                   b.req_cons);
        os_store32(t->os, b.page + offsetof(struct blkif_sring, req_event),
                   b.req_cons + 1);
    }
    back_end(t, &b);
}

static void silent_subject(struct t *t)
{
    struct job jobs[OUTSTANDING];
    struct blkfront *bf = victim_open(t);
    victim_submit(t, bf, jobs, OUTSTANDING);
    t_sleep(t, 50000000);
    T_EQ(t, blkfront_outstanding(bf), OUTSTANDING);
    T_EQ(t, jobs[0].calls, 0); /* not before the backend has let go */
    t_send(t, 3, 1);
    blkfront_close(bf);
    for (unsigned i = 0; i < OUTSTANDING; i++) {
        T_EQ(t, jobs[i].calls, 1);
        T_CHECK(t, jobs[i].status != BLKIF_RSP_OKAY);
    }
}

static void silent_control(struct t *t)
{
    struct raw_back b;
    struct blkif_request r[OUTSTANDING];
    back_begin(t, &b, r, OUTSTANDING);
    (void)t_recv(t, 3);
    back_end(t, &b);
}

/* The backend is the peer's domain, which ends with requests outstanding. */
static void dying_peer(struct t *t)
{
    struct raw_back b;
    struct blkif_request r;
    (void)t_recv(t, 6);
    raw_back_init(&b, t, t_domid(t, ROLE_SUBJECT), VDEV, "2048", "512");
    t_send(t, 2, 1);
    raw_back_connect(&b);
    for (unsigned i = 0; i < OUTSTANDING; i++) {
        T_CHECK(t, raw_back_take(&b, &r));
    }
}

static void dying_control(struct t *t)
{
    domid_t peer = t_domid(t, ROLE_PEER);
    back_make(t, peer);
    t_send(t, 6, 1);
    (void)t_wait_shutdown(t, peer);
    t_destroy_guest(t, peer); /* its half of the store goes with it */
}

/* -- Nonsense about the disk ----------------------------------------------- */

static const struct {
    const char *sectors, *size;
} nonsense[] = {{"0", "512"},   {NULL, "512"}, {"2048", "0"},
                {"2048", "4096"}, {"2048", "x"}, {"-1", "512"},
                {"18446744073709551615", "512"}, {"99999999999999999999",
                                                  "512"}};
#define NONSENSE (sizeof(nonsense) / sizeof(nonsense[0]))

static void nonsense_subject(struct t *t)
{
    for (unsigned i = 0; i < NONSENSE; i++) {
        int err = 0;
        (void)t_recv(t, 2);
        struct blkfront *bf = blkfront_open(t->xs, VDEV, &err);
        bool taken = bf != NULL;
        if (taken) {
            T_EQ(t, blkfront_sector_size(bf), 512);
            blkfront_close(bf);
        }
        /* "x" is no number: the default is as good as refusing */
        T_CHECK(t, !taken || i == 4);
        T_CHECK(t, taken || err < 0);
        t_send(t, 4, 1);
    }
}

static void nonsense_control(struct t *t)
{
    back_make(t, 0);
    for (unsigned i = 0; i < NONSENSE; i++) {
        struct raw_back b;
        char path[96];
        raw_back_init(&b, t, t_domid(t, ROLE_SUBJECT), VDEV,
                      nonsense[i].sectors, nonsense[i].size);
        if (nonsense[i].sectors == NULL) {
            snprintf(path, sizeof(path), "%s/sectors", b.dir);
            T_REQUIRE_OK(t, xs_rm(t->xs, 0, path));
        }
        t_send(t, 2, 1);
        T_CHECK(t, raw_back_wait(&b, STATE(Initialised)));
        raw_back_state(&b, XenbusStateConnected);
        T_CHECK(t, raw_back_wait(&b, STATE(Closing) | STATE(Closed)));
        raw_back_state(&b, XenbusStateClosing);
        T_CHECK(t, raw_back_wait(&b, STATE(Closed)));
        raw_back_state(&b, XenbusStateClosed);
        (void)t_recv(t, 4);
    }
}

#define H T_HOSTILE
#define CASE(name, clause, source, subject, control)                          \
    {"block_hostile_backend_" name, clause, source, H, subject, 0, 0, control}
#define RSP "io/blkif.h: struct blkif_response"
#define RING "io/ring.h: RING_HAS_UNCONSUMED_RESPONSES; XSA-423"
#define FLOW "io/blkif.h: STATE DIAGRAMS"
static const struct tcase cases[] = {
    CASE("rsp_prod_ahead_is_not_followed",
         "more responses than requests break the connection", RING,
         victim_broken_3, rsp_ahead),
    CASE("rsp_prod_backwards_is_not_followed",
         "fewer responses than were taken break the connection", RING,
         victim_broken_after_one, rsp_back),
    CASE("unknown_id_breaks_the_connection",
         "an id that is not outstanding is nobody's response", RSP,
         victim_broken_6, unknown_id),
    CASE("id_twice_breaks_the_connection",
         "a request is completed once", RSP, victim_broken_after_one,
         id_twice),
    CASE("wrong_operation_breaks_the_connection",
         "operation is copied from the request", RSP, victim_broken,
         wrong_operation),
    CASE("response_without_request_breaks_the_connection",
         "nothing is outstanding, nothing can be answered", RING,
         unasked_subject, unasked_control),
    CASE("any_other_status_is_an_error", "only BLKIF_RSP_OKAY is success",
         "io/blkif.h: STATUS RETURN CODES", status_subject, status_control),
    CASE("scribbled_header_changes_nothing",
         "the frontend keeps its own indices", "io/ring.h", scribble_subject,
         scribble_control),
    CASE("closes_mid_request",
         "what is outstanding fails when the backend closes", FLOW,
         victim_left, closes),
    CASE("directory_vanishes_mid_request",
         "a backend without a state is gone", FLOW, victim_left, vanishes),
    CASE("never_answers", "requests wait, and fail with the close", FLOW,
         silent_subject, silent_control),
    {"block_hostile_backend_domain_dies_mid_request",
     "the backend's domain is destroyed: all fails, no page is lost", FLOW,
     H, victim_left, dying_peer, 0, dying_control},
    CASE("nonsense_about_the_disk_is_refused",
         "no sectors, sizes that are none",
         "io/blkif.h: sectors, sector-size", nonsense_subject,
         nonsense_control),
};
T_SUITE(block_hostile_backend, cases);
