/*
 * Watches: who hears of what, when, and in which words.
 *
 * "data" of a guest's home is its own, with rights for nobody else. Channel
 * 0 carries what the subject tells the peer, channel 1 the answers.
 */
#include "conformance/harness.h"

#include <stdint.h> /* xs_wire.h takes it for granted */
#include <string.h>

#include <xen/io/xs_wire.h>

#define EVENTS_MAX 16
#define EVENT_PATH_MAX 96
#define WATCH_WAIT_NS 5000000ULL

static int read_err(struct t *t, xs_tx tx, const char *path)
{
    char *value = NULL;
    int rc = xs_read(t->xs, tx, path, &value);
    os_free(t->os, value);
    return rc;
}

/* The subject's data node `name`, as others have to call it. It goes with the
 * guest. */
static const char *foreign(struct t *t, const char *name)
{
    char *path = os_malloc(t->os, 128);
    T_REQUIRE(t, path != NULL);
    snprintf(path, 128, "/local/domain/%u/data/%s", t_domid(t, ROLE_SUBJECT),
             name);
    return path;
}

static int set_perms1(struct t *t, const char *path, const char *first,
                      char letter, domid_t whom)
{
    char own[16], other[16];
    const char *perms[2] = {own, other};
    snprintf(own, sizeof(own), "%s%u", first, os_domid(t->os));
    snprintf(other, sizeof(other), "%c%u", letter, whom);
    return xs_set_perms(t->xs, 0, path, perms, letter != 0 ? 2 : 1);
}

struct seen {
    unsigned n;
    char path[EVENTS_MAX][EVENT_PATH_MAX];
};

static void saw(struct os *os, void *ctx, const char *path)
{
    struct seen *s = ctx;
    (void)os;
    if (s->n < EVENTS_MAX) {
        snprintf(s->path[s->n], EVENT_PATH_MAX, "%s", path);
    }
    s->n++;
}

/* Lets what is on its way arrive; how many events there are then. */
static unsigned settle(struct t *t, const struct seen *s)
{
    (void)read_err(t, 0, "data"); /* events before it have been sent */
    t_sleep(t, WATCH_WAIT_NS);
    return s->n;
}

static void watch_fires(struct t *t)
{
    struct seen s = {0};
    struct xs_watch *w;
    T_REQUIRE_OK(t, xs_write(t->xs, 0, "data/w", "1"));
    T_EQ(t, xs_watch(t->xs, "data/w", saw, &s, &w), 0);
    T_EQ(t, settle(t, &s), 1); /* once up front */
    T_EQ(t, strcmp(s.path[0], "data/w"), 0);
    T_REQUIRE_OK(t, xs_write(t->xs, 0, "data/w", "2"));
    T_EQ(t, settle(t, &s), 2);
    T_EQ(t, strcmp(s.path[1], "data/w"), 0);
    T_REQUIRE_OK(t, xs_write(t->xs, 0, "data/w/x/y", "3"));
    T_EQ(t, settle(t, &s), 3);
    T_EQ(t, strcmp(s.path[2], "data/w/x/y"), 0);
    T_REQUIRE_OK(t, set_perms1(t, "data/w", "r", 0, 0));
    T_EQ(t, settle(t, &s), 4);
    T_REQUIRE_OK(t, xs_write(t->xs, 0, "data/ww", "no"));
    T_REQUIRE_OK(t, xs_mkdir(t->xs, 0, "data/w"));
    T_REQUIRE_OK(t, xs_rm(t->xs, 0, "data/never"));
    T_EQ(t, settle(t, &s), 4);
    xs_unwatch(t->xs, w);
}

static void watch_absolute(struct t *t)
{
    struct seen s = {0};
    struct xs_watch *w;
    char path[96];
    snprintf(path, sizeof(path), "/local/domain/%u/data/w", os_domid(t->os));
    T_EQ(t, xs_watch(t->xs, path, saw, &s, &w), 0);
    T_REQUIRE_OK(t, xs_write(t->xs, 0, "data/w", "2"));
    T_EQ(t, settle(t, &s), 2);
    T_EQ(t, strcmp(s.path[0], path), 0);
    T_EQ(t, strcmp(s.path[1], path), 0);
    xs_unwatch(t->xs, w);
}

static void watch_removal(struct t *t)
{
    struct seen s = {0};
    struct xs_watch *w;
    T_REQUIRE_OK(t, xs_write(t->xs, 0, "data/top/w", "1"));
    T_REQUIRE_OK(t, xs_watch(t->xs, "data/top/w", saw, &s, &w));
    T_EQ(t, settle(t, &s), 1);
    T_REQUIRE_OK(t, xs_rm(t->xs, 0, "data/top"));
    T_EQ(t, settle(t, &s), 2);
    T_EQ(t, strcmp(s.path[1], "data/top/w"), 0);
    T_REQUIRE_OK(t, xs_write(t->xs, 0, "data/top/w", "again"));
    T_EQ(t, settle(t, &s), 3);
    xs_unwatch(t->xs, w);
}

static void watch_transaction(struct t *t)
{
    struct seen s = {0};
    struct xs_watch *w;
    xs_tx tx;
    T_REQUIRE_OK(t, xs_watch(t->xs, "data/w", saw, &s, &w));
    T_EQ(t, settle(t, &s), 1);
    T_REQUIRE_OK(t, xs_transaction_start(t->xs, &tx));
    T_REQUIRE_OK(t, xs_write(t->xs, tx, "data/w", "1"));
    T_EQ(t, settle(t, &s), 1);
    T_REQUIRE_OK(t, xs_transaction_end(t->xs, tx, false));
    T_EQ(t, settle(t, &s), 1);
    T_REQUIRE_OK(t, xs_transaction_start(t->xs, &tx));
    T_REQUIRE_OK(t, xs_write(t->xs, tx, "data/w", "1"));
    T_REQUIRE_OK(t, xs_transaction_end(t->xs, tx, true));
    T_EQ(t, settle(t, &s), 2);
    xs_unwatch(t->xs, w);
}

static void watch_ends(struct t *t)
{
    struct seen s = {0};
    struct xs_watch *w;
    T_REQUIRE_OK(t, xs_watch(t->xs, "data/w", saw, &s, &w));
    T_EQ(t, settle(t, &s), 1);
    xs_unwatch(t->xs, w);
    T_REQUIRE_OK(t, xs_write(t->xs, 0, "data/w", "2"));
    T_EQ(t, settle(t, &s), 1);
    T_EQ(t, xs_request(t->xs, 0, XS_UNWATCH, "data/w\0tok", 11, NULL, NULL),
         -XEN_ENOENT);
    T_EQ(t, xs_request(t->xs, 0, XS_UNWATCH, "data/w", 7, NULL, NULL),
         -XEN_EINVAL);
}

static void watch_foreign_subject(struct t *t)
{
    T_REQUIRE_OK(t, xs_write(t->xs, 0, "data/closed", "1"));
    T_REQUIRE_OK(t, xs_write(t->xs, 0, "data/open", "1"));
    T_REQUIRE_OK(t, set_perms1(t, "data/open", "n", 'r',
                               t_domid(t, ROLE_PEER)));
    t_send(t, 0, 1);
    T_EQ(t, t_recv(t, 1), 1);
    T_REQUIRE_OK(t, xs_write(t->xs, 0, "data/closed", "2"));
    T_REQUIRE_OK(t, xs_write(t->xs, 0, "data/open", "2"));
    T_REQUIRE_OK(t, xs_rm(t->xs, 0, "data/closed"));
    t_send(t, 0, 1);
    T_EQ(t, t_recv(t, 1), 1);
}

static void watch_foreign_peer(struct t *t)
{
    struct seen closed = {0}, open = {0};
    struct xs_watch *a, *b;
    T_EQ(t, t_recv(t, 0), 1);
    T_EQ(t, xs_watch(t->xs, foreign(t, "closed"), saw, &closed, &a), 0);
    T_EQ(t, xs_watch(t->xs, foreign(t, "open"), saw, &open, &b), 0);
    T_EQ(t, settle(t, &open), 1);
    T_EQ(t, closed.n, 1); /* the first one tells nothing */
    t_send(t, 1, 1);
    (void)t_recv(t, 0);
    T_EQ(t, settle(t, &open), 2);
    T_EQ(t, closed.n, 1);
    t_send(t, 1, 1);
}

static void watch_special_guest(struct t *t)
{
    struct seen s = {0};
    struct xs_watch *w;
    char *perms = NULL;
    unsigned n;
    T_EQ(t, xs_write(t->xs, 0, "@releaseDomain", "v"), -XEN_EINVAL);
    T_EQ(t, read_err(t, 0, "@releaseDomain"), -XEN_EINVAL);
    T_EQ(t, xs_get_perms(t->xs, 0, "@releaseDomain", &perms, &n),
         -XEN_EACCES);
    T_EQ(t, xs_watch(t->xs, "@introduceDomain", saw, &s, &w), 0);
    T_EQ(t, settle(t, &s), 1);
    t_send(t, 0, 1);
    (void)t_recv(t, 1);
    T_EQ(t, settle(t, &s), 1); /* another's coming is not told */
    xs_unwatch(t->xs, w);
}

static void nothing(struct t *t)
{
    (void)t;
}

static void watch_special_control(struct t *t)
{
    (void)t_recv(t, 0);
    domid_t d = t_start_guest(t, nothing, NULL);
    (void)t_wait_shutdown(t, d);
    t_send(t, 1, 1);
}

static void watch_special(struct t *t)
{
    struct seen in = {0}, out = {0};
    struct xs_watch *a, *b;
    T_EQ(t, xs_watch(t->xs, "@introduceDomain", saw, &in, &a), 0);
    T_EQ(t, xs_watch(t->xs, "@releaseDomain", saw, &out, &b), 0);
    t_sleep(t, WATCH_WAIT_NS);
    T_EQ(t, in.n, 1);
    T_EQ(t, out.n, 1);
    domid_t d = t_start_guest(t, nothing, NULL);
    t_sleep(t, WATCH_WAIT_NS);
    T_EQ(t, in.n, 2);
    T_EQ(t, strcmp(in.path[1], "@introduceDomain"), 0);
    (void)t_wait_shutdown(t, d);
    t_destroy_guest(t, d);
    t_sleep(t, WATCH_WAIT_NS);
    T_CHECK(t, out.n >= 2);
    T_EQ(t, strcmp(out.path[1], "@releaseDomain"), 0);
    T_EQ(t, in.n, 2);
    xs_unwatch(t->xs, a);
    xs_unwatch(t->xs, b);
}

static const struct tcase cases[] = {
    {"xenstore_watch_fires_at_once_and_for_all_below",
     "first event, changes of the node and its descendants",
     "xenstore.txt: WATCH", 0, watch_fires, 0, 0, 0},
    {"xenstore_watch_answers_in_the_form_it_was_asked",
     "an absolute watch has absolute events", "xenstore.txt: WATCH", 0,
     watch_absolute, 0, 0, 0},
    {"xenstore_watch_hears_of_a_parents_removal",
     "a node goes with its parent, and its watch survives it",
     "xenstore.txt: RM, WATCH", 0, watch_removal, 0, 0, 0},
    {"xenstore_watch_fires_when_a_transaction_commits",
     "not before, and not when it is abandoned", "xenstore.txt: WATCH", 0,
     watch_transaction, 0, 0, 0},
    {"xenstore_unwatch_ends_events", "UNWATCH; an unknown one is ENOENT",
     "xenstore.txt: UNWATCH", 0, watch_ends, 0, 0, 0},
    {"xenstore_watch_tells_only_what_may_be_read",
     "no event of a node the watcher may not read", "XSA-115", T_HOSTILE,
     watch_foreign_subject, watch_foreign_peer, 0, 0},
    {"xenstore_special_events_are_not_a_guests",
     "@introduceDomain tells a guest nothing, special nodes hold no value",
     "xenstore.txt: @<wspecial>; XSA-115", T_HOSTILE, watch_special_guest, 0,
     0, watch_special_control},
    {"xenstore_special_events_tell_of_domains",
     "@introduceDomain and @releaseDomain for the control domain",
     "xenstore.txt: @<wspecial>", T_CONTROL, watch_special, 0, 0, 0},
};
T_SUITE(xenstore_watch, cases);
