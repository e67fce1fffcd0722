/*
 * The store as its clients see it: nodes, rights, transactions. Watches are
 * xenstore_watch.c's, the wire below is xenstore_wire.c's.
 *
 * "data" of a guest's home is its own, with rights for nobody else. Channel
 * 0 carries what the subject tells the peer, channel 1 the answers.
 */
#include "conformance/harness.h"

#include <stdlib.h>
#include <string.h>

#include <xen/io/xs_wire.h>

/* Is the node there, readable, with exactly this value? */
static bool node_is(struct t *t, xs_tx tx, const char *path,
                    const char *expected)
{
    char *value = NULL;
    bool same;
    if (xs_read(t->xs, tx, path, &value) != 0) {
        return false;
    }
    same = strcmp(value, expected) == 0;
    os_free(t->os, value);
    return same;
}

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

/* -- Nodes ----------------------------------------------------------------- */

static void write_read(struct t *t)
{
    T_EQ(t, read_err(t, 0, "data/a"), -XEN_ENOENT);
    T_EQ(t, xs_write(t->xs, 0, "data/a", "one"), 0);
    T_CHECK(t, node_is(t, 0, "data/a", "one"));
    T_EQ(t, xs_write(t->xs, 0, "data/a", "twenty-two"), 0);
    T_CHECK(t, node_is(t, 0, "data/a", "twenty-two"));
    T_EQ(t, xs_write(t->xs, 0, "data/a", ""), 0);
    T_CHECK(t, node_is(t, 0, "data/a", ""));
    T_CHECK(t, node_is(t, 0, foreign(t, "a"), ""));
}

static void binary_values(struct t *t)
{
    static const char write[] = "data/bin\0a\0b\xff";
    char *value = NULL;
    size_t len = 0;
    T_EQ(t, xs_request(t->xs, 0, XS_WRITE, write, 9 + 4, NULL, NULL), 0);
    T_EQ(t, xs_request(t->xs, 0, XS_READ, "data/bin", 9, &value, &len), 0);
    T_EQ(t, len, 4);
    T_EQ(t, memcmp(value, "a\0b\xff", 4), 0);
    os_free(t->os, value);
}

static void write_makes_parents(struct t *t)
{
    T_EQ(t, xs_write(t->xs, 0, "data/p/q/r", "leaf"), 0);
    T_CHECK(t, node_is(t, 0, "data/p", ""));
    T_CHECK(t, node_is(t, 0, "data/p/q", ""));
    T_CHECK(t, node_is(t, 0, "data/p/q/r", "leaf"));
}

static void mkdir_keeps(struct t *t)
{
    T_EQ(t, xs_mkdir(t->xs, 0, "data/d"), 0);
    T_CHECK(t, node_is(t, 0, "data/d", ""));
    T_EQ(t, xs_write(t->xs, 0, "data/d", "v"), 0);
    T_EQ(t, xs_mkdir(t->xs, 0, "data/d"), 0);
    T_CHECK(t, node_is(t, 0, "data/d", "v"));
    T_EQ(t, xs_mkdir(t->xs, 0, "data/e/f"), 0);
    T_CHECK(t, node_is(t, 0, "data/e", ""));
}

static void rm_takes_all_below(struct t *t)
{
    T_REQUIRE_OK(t, xs_write(t->xs, 0, "data/t/u/v", "x"));
    T_REQUIRE_OK(t, xs_write(t->xs, 0, "data/tt", "stays"));
    T_EQ(t, xs_rm(t->xs, 0, "data/t"), 0);
    T_EQ(t, read_err(t, 0, "data/t"), -XEN_ENOENT);
    T_EQ(t, read_err(t, 0, "data/t/u/v"), -XEN_ENOENT);
    T_CHECK(t, node_is(t, 0, "data/tt", "stays"));
    T_REQUIRE_OK(t, xs_mkdir(t->xs, 0, "data/t"));
    T_EQ(t, read_err(t, 0, "data/t/u"), -XEN_ENOENT);
}

static void rm_missing(struct t *t)
{
    T_EQ(t, xs_rm(t->xs, 0, "data/none"), 0);
    T_EQ(t, xs_rm(t->xs, 0, "data/none/below"), -XEN_ENOENT);
}

static void root_stays(struct t *t)
{
    T_EQ(t, xs_rm(t->xs, 0, "/"), -XEN_EINVAL);
    T_CHECK(t, node_is(t, 0, "/local/domain/0/domid", "0"));
}

static void directory_lists(struct t *t)
{
    char *names = NULL;
    unsigned n = 99;
    T_EQ(t, xs_directory(t->xs, 0, "data", &names, &n), 0);
    T_EQ(t, n, 0);
    os_free(t->os, names);
    T_REQUIRE_OK(t, xs_write(t->xs, 0, "data/bb/deep", "1"));
    T_REQUIRE_OK(t, xs_write(t->xs, 0, "data/aaa", "1"));
    T_REQUIRE_OK(t, xs_write(t->xs, 0, "data/c", "1"));
    T_REQUIRE_OK(t, xs_rm(t->xs, 0, "data/c"));
    T_EQ(t, xs_directory(t->xs, 0, "data", &names, &n), 0);
    T_EQ(t, n, 2);
    const char *second = names + strlen(names) + 1;
    T_CHECK(t, (strcmp(names, "aaa") == 0 && strcmp(second, "bb") == 0) ||
                   (strcmp(names, "bb") == 0 && strcmp(second, "aaa") == 0));
    os_free(t->os, names);
    T_EQ(t, xs_directory(t->xs, 0, "data/x", &names, &n), -XEN_ENOENT);
}

static void directory_part(struct t *t)
{
    char name[64], want[16], *part = NULL;
    unsigned found = 0, rounds = 0;
    size_t len = 0, off = 0;
    for (unsigned i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "data/part/%040u", i);
        T_REQUIRE_OK(t, xs_write(t->xs, 0, name, ""));
    }
    for (bool end = false; !end; rounds++) {
        snprintf(name, sizeof(name), "data/part");
        int used = snprintf(want, sizeof(want), "%zu", off);
        memcpy(name + 10, want, (size_t)used + 1);
        T_EQ(t, xs_request(t->xs, 0, XS_DIRECTORY_PART, name,
                           10 + (size_t)used + 1, &part, &len), 0);
        size_t at = strlen(part) + 1; /* the generation */
        T_CHECK(t, at > 1);
        while (at < len && part[at] != '\0') {
            T_EQ(t, strlen(part + at), 40);
            found++;
            off += 41;
            at += 41;
        }
        end = at < len; /* an empty name ends the list */
        os_free(t->os, part);
        T_CHECK(t, rounds < 4);
    }
    T_EQ(t, found, 40);
}

static void bad_paths(struct t *t)
{
    static const char *const bad[] = {"data//a", "data/", "/", "data/a b",
                                      "data/a.b", "data/\xe4", "/data/",
                                      "data/a:b"};
    char *deep = malloc(3200);
    T_REQUIRE(t, deep != NULL);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int rc = xs_write(t->xs, 0, bad[i], "v");
        if (strcmp(bad[i], "/") == 0) { /* a good path, but not its own */
            T_EQ(t, rc, -XEN_EACCES);
        } else {
            T_EQ(t, rc, -XEN_EINVAL);
        }
    }
    memset(deep, 'x', 3200);
    memcpy(deep, "data/", 5);
    deep[XENSTORE_REL_PATH_MAX + 1] = '\0';
    T_EQ(t, xs_write(t->xs, 0, deep, ""), -XEN_EINVAL);
    deep[0] = '/';
    deep[3100] = 'x';
    deep[XENSTORE_REL_PATH_MAX + 1] = 'x';
    deep[XENSTORE_ABS_PATH_MAX + 1] = '\0';
    T_EQ(t, read_err(t, 0, deep), -XEN_EINVAL);
    free(deep);
}

/* -- Rights ---------------------------------------------------------------- */

static void expect_access(struct t *t, const char *path, bool read,
                          bool write)
{
    T_EQ(t, read_err(t, 0, path), read ? 0 : -XEN_EACCES);
    T_EQ(t, xs_write(t->xs, 0, path, "peer"), write ? 0 : -XEN_EACCES);
}

static void foreign_peer(struct t *t)
{
    T_EQ(t, t_recv(t, 0), 1); /* nobody else */
    expect_access(t, foreign(t, "n"), false, false);
    T_EQ(t, xs_rm(t->xs, 0, foreign(t, "n")), -XEN_EACCES);
    T_EQ(t, xs_mkdir(t->xs, 0, foreign(t, "new")), -XEN_EACCES);
    T_EQ(t, set_perms1(t, foreign(t, "n"), "b", 0, 0), -XEN_EACCES);
    char *list = NULL;
    unsigned n;
    T_EQ(t, xs_directory(t->xs, 0, foreign(t, "n"), &list, &n), -XEN_EACCES);
    T_EQ(t, xs_get_perms(t->xs, 0, foreign(t, "n"), &list, &n), -XEN_EACCES);
    t_send(t, 1, 1);
}

static void foreign_subject(struct t *t)
{
    T_REQUIRE_OK(t, xs_write(t->xs, 0, "data/n", "mine"));
    t_send(t, 0, 1);
    T_EQ(t, t_recv(t, 1), 1);
    T_CHECK(t, node_is(t, 0, "data/n", "mine"));
    T_EQ(t, read_err(t, 0, "data/new"), -XEN_ENOENT);
}

static void letters_subject(struct t *t)
{
    static const char letters[] = "rwbn";
    T_REQUIRE_OK(t, xs_write(t->xs, 0, "data/l", "mine"));
    for (unsigned i = 0; i < 4; i++) {
        T_EQ(t, set_perms1(t, "data/l", "n", letters[i],
                           t_domid(t, ROLE_PEER)), 0);
        t_send(t, 0, (uint64_t)letters[i]);
        T_EQ(t, t_recv(t, 1), 1);
    }
}

static void letters_peer(struct t *t)
{
    for (unsigned i = 0; i < 4; i++) {
        char l = (char)t_recv(t, 0);
        expect_access(t, foreign(t, "l"), l == 'r' || l == 'b',
                      l == 'w' || l == 'b');
        t_send(t, 1, 1);
    }
}

static void default_subject(struct t *t)
{
    T_REQUIRE_OK(t, xs_write(t->xs, 0, "data/open", "mine"));
    T_EQ(t, set_perms1(t, "data/open", "b", 0, 0), 0);
    T_REQUIRE_OK(t, xs_write(t->xs, 0, "data/but", "mine"));
    /* all may, but the one that is named may not */
    T_EQ(t, set_perms1(t, "data/but", "b", 'n', t_domid(t, ROLE_PEER)), 0);
    t_send(t, 0, 1);
    T_EQ(t, t_recv(t, 1), 1);
    T_CHECK(t, node_is(t, 0, "data/open", "peer"));
    T_CHECK(t, node_is(t, 0, "data/but", "mine"));
}

static void default_peer(struct t *t)
{
    T_EQ(t, t_recv(t, 0), 1);
    expect_access(t, foreign(t, "open"), true, true);
    expect_access(t, foreign(t, "but"), false, false);
    /* rights to write are not rights to give rights */
    T_EQ(t, set_perms1(t, foreign(t, "open"), "b", 0, 0), -XEN_EACCES);
    t_send(t, 1, 1);
}

static void inherit_subject(struct t *t)
{
    char *perms = NULL, want[32];
    unsigned n;
    T_REQUIRE_OK(t, xs_mkdir(t->xs, 0, "data/top"));
    T_REQUIRE_OK(t, set_perms1(t, "data/top", "n", 'b',
                               t_domid(t, ROLE_PEER)));
    T_REQUIRE_OK(t, xs_write(t->xs, 0, "data/top/mine", "v"));
    T_EQ(t, xs_get_perms(t->xs, 0, "data/top/mine", &perms, &n), 0);
    T_EQ(t, n, 2);
    snprintf(want, sizeof(want), "n%u", os_domid(t->os));
    T_EQ(t, strcmp(perms, want), 0);
    snprintf(want, sizeof(want), "b%u", t_domid(t, ROLE_PEER));
    T_EQ(t, strcmp(perms + strlen(perms) + 1, want), 0);
    os_free(t->os, perms);
    t_send(t, 0, 1);
    T_EQ(t, t_recv(t, 1), 1);
    /* what the peer made here is the peer's */
    T_EQ(t, read_err(t, 0, "data/top/theirs"), -XEN_EACCES);
}

static void inherit_peer(struct t *t)
{
    char *perms = NULL, want[32];
    unsigned n;
    T_EQ(t, t_recv(t, 0), 1);
    T_CHECK(t, node_is(t, 0, foreign(t, "top/mine"), "v"));
    T_EQ(t, xs_write(t->xs, 0, foreign(t, "top/theirs"), "v"), 0);
    T_EQ(t, xs_get_perms(t->xs, 0, foreign(t, "top/theirs"), &perms, &n), 0);
    snprintf(want, sizeof(want), "n%u", os_domid(t->os));
    T_EQ(t, strcmp(perms, want), 0);
    os_free(t->os, perms);
    t_send(t, 1, 1);
}

static void set_perms_rules(struct t *t)
{
    const char *other[] = {"n0"}, *letter[] = {"x1"}, *number[] = {"r"};
    char own[16], *perms = NULL;
    const char *many[6] = {own, "r0", "r0", "r0", "r0", "r0"};
    const char *absent[2] = {own, "r30000"};
    unsigned n;
    snprintf(own, sizeof(own), "r%u", os_domid(t->os));
    T_REQUIRE_OK(t, xs_write(t->xs, 0, "data/s", "v"));
    T_EQ(t, xs_set_perms(t->xs, 0, "data/s", other, 1), -XEN_EPERM);
    T_EQ(t, xs_set_perms(t->xs, 0, "data/s", letter, 1), -XEN_EINVAL);
    T_EQ(t, xs_set_perms(t->xs, 0, "data/s", number, 1), -XEN_EINVAL);
    T_EQ(t, xs_set_perms(t->xs, 0, "data/s", many, 0), -XEN_EINVAL);
    T_EQ(t, xs_set_perms(t->xs, 0, "data/s", many, 6), -XEN_ENOSPC);
    T_EQ(t, xs_set_perms(t->xs, 0, "data/none", many, 1), -XEN_ENOENT);
    T_EQ(t, xs_set_perms(t->xs, 0, "data/s", many, 5), 0);
    T_EQ(t, xs_get_perms(t->xs, 0, "data/s", &perms, &n), 0);
    T_EQ(t, n, 5);
    os_free(t->os, perms);
    /* XSA-322: a right of nobody must not wait for a domain to come */
    T_EQ(t, xs_set_perms(t->xs, 0, "data/s", absent, 2), 0);
    T_EQ(t, xs_get_perms(t->xs, 0, "data/s", &perms, &n), 0);
    T_EQ(t, n, 1);
    os_free(t->os, perms);
}

static void hidden_existence_peer(struct t *t)
{
    T_EQ(t, t_recv(t, 0), 1);
    int there = read_err(t, 0, foreign(t, "secret/there"));
    T_EQ(t, there, -XEN_EACCES);
    T_EQ(t, read_err(t, 0, foreign(t, "secret/not")), there);
    T_EQ(t, xs_rm(t->xs, 0, foreign(t, "secret/not")), there);
    t_send(t, 1, 1);
}

static void hidden_existence_subject(struct t *t)
{
    T_REQUIRE_OK(t, xs_write(t->xs, 0, "data/secret/there", "v"));
    t_send(t, 0, 1);
    T_EQ(t, t_recv(t, 1), 1);
}

/* -- Transactions ---------------------------------------------------------- */

static void tx_isolation(struct t *t)
{
    xs_tx tx;
    T_REQUIRE_OK(t, xs_write(t->xs, 0, "data/k", "old"));
    T_EQ(t, xs_transaction_start(t->xs, &tx), 0);
    T_CHECK(t, tx != 0);
    T_EQ(t, xs_write(t->xs, tx, "data/k", "new"), 0);
    T_EQ(t, xs_write(t->xs, tx, "data/fresh", "new"), 0);
    T_CHECK(t, node_is(t, tx, "data/k", "new"));
    T_CHECK(t, node_is(t, tx, "data/fresh", "new"));
    T_CHECK(t, node_is(t, 0, "data/k", "old"));
    T_EQ(t, read_err(t, 0, "data/fresh"), -XEN_ENOENT);
    T_EQ(t, xs_transaction_end(t->xs, tx, true), 0);
    T_CHECK(t, node_is(t, 0, "data/k", "new"));
    T_CHECK(t, node_is(t, 0, "data/fresh", "new"));
    T_EQ(t, xs_transaction_end(t->xs, tx, true), -XEN_ENOENT);
}

static void tx_abandon(struct t *t)
{
    xs_tx tx;
    T_REQUIRE_OK(t, xs_write(t->xs, 0, "data/k", "old"));
    T_REQUIRE_OK(t, xs_transaction_start(t->xs, &tx));
    T_REQUIRE_OK(t, xs_write(t->xs, tx, "data/k", "new"));
    T_REQUIRE_OK(t, xs_rm(t->xs, tx, "data/k"));
    T_EQ(t, read_err(t, tx, "data/k"), -XEN_ENOENT);
    T_EQ(t, xs_transaction_end(t->xs, tx, false), 0);
    T_CHECK(t, node_is(t, 0, "data/k", "old"));
}

static void tx_conflict(struct t *t)
{
    xs_tx tx;
    T_REQUIRE_OK(t, xs_write(t->xs, 0, "data/k", "1"));
    T_REQUIRE_OK(t, xs_transaction_start(t->xs, &tx));
    T_CHECK(t, node_is(t, tx, "data/k", "1"));
    T_REQUIRE_OK(t, xs_write(t->xs, tx, "data/other", "tx"));
    T_REQUIRE_OK(t, xs_write(t->xs, 0, "data/k", "2"));
    T_CHECK(t, node_is(t, tx, "data/k", "1")); /* still its own view */
    T_EQ(t, xs_transaction_end(t->xs, tx, true), -XEN_EAGAIN);
    T_EQ(t, read_err(t, 0, "data/other"), -XEN_ENOENT);
    T_CHECK(t, node_is(t, 0, "data/k", "2"));
    T_EQ(t, read_err(t, tx, "data/k"), -XEN_ENOENT); /* the id is gone */
}

static void tx_no_conflict(struct t *t)
{
    xs_tx a, b;
    T_REQUIRE_OK(t, xs_write(t->xs, 0, "data/a", "0"));
    T_REQUIRE_OK(t, xs_write(t->xs, 0, "data/b", "0"));
    T_REQUIRE_OK(t, xs_transaction_start(t->xs, &a));
    T_REQUIRE_OK(t, xs_transaction_start(t->xs, &b));
    T_CHECK(t, a != b);
    T_REQUIRE_OK(t, xs_write(t->xs, a, "data/a", "1"));
    T_REQUIRE_OK(t, xs_write(t->xs, b, "data/b", "2"));
    T_EQ(t, xs_transaction_end(t->xs, a, true), 0);
    T_EQ(t, xs_transaction_end(t->xs, b, true), 0);
    T_CHECK(t, node_is(t, 0, "data/a", "1"));
    T_CHECK(t, node_is(t, 0, "data/b", "2"));
}

static void tx_bad_ids(struct t *t)
{
    xs_tx tx;
    char *id = NULL;
    T_EQ(t, read_err(t, 4711, "data"), -XEN_ENOENT);
    T_EQ(t, xs_write(t->xs, ~0u, "data/a", "v"), -XEN_ENOENT);
    T_EQ(t, xs_transaction_end(t->xs, 4711, true), -XEN_ENOENT);
    T_EQ(t, xs_transaction_end(t->xs, 0, true), -XEN_ENOENT);
    T_EQ(t, read_err(t, 0, "data/a"), -XEN_ENOENT);
    T_REQUIRE_OK(t, xs_transaction_start(t->xs, &tx));
    T_EQ(t, xs_request(t->xs, tx, XS_TRANSACTION_START, "", 1, &id, NULL),
         -XEN_EBUSY);
    T_EQ(t, xs_request(t->xs, tx, XS_TRANSACTION_END, "X", 2, NULL, NULL),
         -XEN_EINVAL);
    t_send(t, 0, tx);
    T_EQ(t, t_recv(t, 1), 1);
    T_EQ(t, xs_transaction_end(t->xs, tx, true), 0);
}

static void tx_bad_ids_peer(struct t *t)
{
    xs_tx theirs = (xs_tx)t_recv(t, 0), mine;
    /* ids are a connection's own: another's number names nothing here */
    T_EQ(t, xs_transaction_end(t->xs, theirs, true), -XEN_ENOENT);
    T_EQ(t, read_err(t, theirs, "data"), -XEN_ENOENT);
    T_EQ(t, xs_transaction_start(t->xs, &mine), 0);
    T_EQ(t, xs_transaction_end(t->xs, mine, false), 0);
    t_send(t, 1, 1);
}

static void tx_limit(struct t *t)
{
    xs_tx tx[32];
    unsigned n = 0;
    int rc = 0;
    while (n < 32 && (rc = xs_transaction_start(t->xs, &tx[n])) == 0) {
        n++;
    }
    T_EQ(t, rc, -XEN_ENOSPC);
    T_CHECK(t, n >= 10 && n <= 11);
    T_EQ(t, xs_transaction_end(t->xs, tx[0], false), 0);
    T_EQ(t, xs_transaction_start(t->xs, &tx[0]), 0);
    while (n > 0) {
        T_EQ(t, xs_transaction_end(t->xs, tx[--n], false), 0);
    }
}

static const struct tcase cases[] = {
    {"xenstore_read_gives_what_was_written", "WRITE <path>|<value>, READ",
     "xenstore.txt: READ, WRITE", 0, write_read, 0, 0, 0},
    {"xenstore_values_are_bytes", "a value may hold NUL and any other byte",
     "xenstore.txt: WRITE", 0, binary_values, 0, 0, 0},
    {"xenstore_write_makes_missing_parents",
     "parents are created with empty values", "xenstore.txt: WRITE", 0,
     write_makes_parents, 0, 0, 0},
    {"xenstore_mkdir_leaves_an_existing_node_alone",
     "MKDIR succeeds on what is there and changes nothing",
     "xenstore.txt: MKDIR", 0, mkdir_keeps, 0, 0, 0},
    {"xenstore_rm_takes_all_below", "RM removes a node and its descendants",
     "xenstore.txt: RM", 0, rm_takes_all_below, 0, 0, 0},
    {"xenstore_rm_of_a_missing_node_needs_its_parent",
     "RM of a missing node succeeds iff its parent exists",
     "xenstore.txt: RM", 0, rm_missing, 0, 0, 0},
    {"xenstore_root_is_not_removed", "RM / is EINVAL", "xenstore.txt: RM",
     T_CONTROL, root_stays, 0, 0, 0},
    {"xenstore_directory_lists_children_alone",
     "DIRECTORY names the immediate children", "xenstore.txt: DIRECTORY", 0,
     directory_lists, 0, 0, 0},
    {"xenstore_directory_part_reads_a_list_in_pieces",
     "parts by offset, an empty name at the end",
     "xenstore.txt: DIRECTORY_PART", 0, directory_part, 0, 0, 0},
    {"xenstore_malformed_paths_are_einval",
     "characters, slashes and lengths of paths",
     "xenstore.txt: permitted characters; xs_wire.h: XENSTORE_*_PATH_MAX",
     T_HOSTILE, bad_paths, 0, 0, 0},
    {"xenstore_foreign_nodes_are_eacces",
     "without a right every operation on a node is EACCES",
     "xenstore.txt: SET_PERMS", T_HOSTILE, foreign_subject, foreign_peer, 0,
     0},
    {"xenstore_each_letter_gives_its_right", "r, w, b, n for a named domain",
     "xenstore.txt: <perm-as-string>", 0, letters_subject, letters_peer, 0,
     0},
    {"xenstore_first_entry_is_everyone_elses_right",
     "the owner's letter holds for all that are not named",
     "xenstore.txt: <perm-as-string>", 0, default_subject, default_peer, 0,
     0},
    {"xenstore_new_nodes_inherit_rights_not_the_owner",
     "the parent's entries, owned by who made it", "xenstore.txt: WRITE", 0,
     inherit_subject, inherit_peer, 0, 0},
    {"xenstore_set_perms_rules",
     "no giving away, known letters, few entries, no right for the absent",
     "xenstore.txt: SET_PERMS; XSA-322", 0, set_perms_rules, 0, 0, 0},
    {"xenstore_existence_is_hidden_with_the_parent",
     "ENOENT is for those who may read the parent",
     "xenstored_core.c: errno_from_parents", T_HOSTILE,
     hidden_existence_subject, hidden_existence_peer, 0, 0},
    {"xenstore_transaction_is_seen_by_itself_until_it_ends",
     "changes appear together at the end", "xenstore.txt: TRANSACTION_END",
     0, tx_isolation, 0, 0, 0},
    {"xenstore_transaction_abandoned_changes_nothing", "TRANSACTION_END F|",
     "xenstore.txt: TRANSACTION_END", 0, tx_abandon, 0, 0, 0},
    {"xenstore_transaction_conflict_is_eagain",
     "what it read has changed: nothing of it is done",
     "xenstore.txt: TRANSACTION_END", 0, tx_conflict, 0, 0, 0},
    {"xenstore_transactions_on_other_nodes_both_commit",
     "no conflict without a common node",
     "xenstored_transaction.c: check_transactions", 0, tx_no_conflict, 0, 0,
     0},
    {"xenstore_transaction_ids_are_checked",
     "unknown ids are ENOENT, transactions do not nest, ids are private",
     "xenstore.txt: Transactions", T_HOSTILE, tx_bad_ids, tx_bad_ids_peer, 0,
     0},
    {"xenstore_transactions_open_at_once_are_limited",
     "one too many is ENOSPC, an ended one makes room",
     "xenstored_transaction.c: quota_max_transaction", T_HOSTILE, tx_limit,
     0, 0, 0},
};
T_SUITE(xenstore, cases);
