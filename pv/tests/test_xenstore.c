/*
 * The xenstore daemon: semantics of docs/misc/xenstore.txt (Xen 4.17), each
 * test named after what it says there. Wire-level trouble is
 * test_xenstore_wire.c's.
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

static int set_up(void **state)
{
    *state = rig_create(NULL);
    return 0;
}

static int tear_down(void **state)
{
    rig_destroy(*state);
    return 0;
}

static void expect_read(struct xs *xs, xs_tx tx, const char *path,
                        const char *want)
{
    char *v = NULL;

    assert_int_equal(xs_read(xs, tx, path, &v), 0);
    assert_string_equal(v, want);
    os_free(xs_os(xs), v);
}

static int try_read(struct xs *xs, xs_tx tx, const char *path)
{
    char *v = NULL;
    int rc = xs_read(xs, tx, path, &v);

    os_free(xs_os(xs), v);
    return rc;
}

/* A home of domain 5 as a toolstack makes it. */
static void make_home(struct rig *r)
{
    static const char *const top[] = { "n0", "r5" };
    static const char *const own[] = { "n5" };

    assert_int_equal(xs_mkdir(r->xs0, 0, "/local/domain/5"), 0);
    assert_int_equal(xs_set_perms(r->xs0, 0, "/local/domain/5", top, 2), 0);
    assert_int_equal(xs_mkdir(r->xs0, 0, "/local/domain/5/data"), 0);
    assert_int_equal(xs_set_perms(r->xs0, 0, "/local/domain/5/data", own, 1),
                     0);
}

static void write_then_read(void **state)
{
    struct rig *r = *state;

    assert_int_equal(xs_write(r->xs0, 0, "/a/b/c", "hello"), 0);
    expect_read(r->xs0, 0, "/a/b/c", "hello");
    expect_read(r->xs0, 0, "/a/b", ""); /* parents are made, empty */
    assert_int_equal(xs_write(r->xs0, 0, "/a/b/c", ""), 0);
    expect_read(r->xs0, 0, "/a/b/c", "");
}

static void relative_paths_are_below_the_domain(void **state)
{
    struct rig *r = *state;

    make_home(r);
    assert_int_equal(xs_write(r->g5.xs, 0, "data/x", "1"), 0);
    expect_read(r->xs0, 0, "/local/domain/5/data/x", "1");
    assert_int_equal(xs_write(r->xs0, 0, "y", "2"), 0);
    expect_read(r->xs0, 0, "/local/domain/0/y", "2");
}

static void directory_lists_children(void **state)
{
    struct rig *r = *state;
    unsigned n;
    char *names;

    xs_write(r->xs0, 0, "/d/one", "");
    xs_write(r->xs0, 0, "/d/two", "");
    xs_write(r->xs0, 0, "/d/two/deeper", "");
    assert_int_equal(xs_directory(r->xs0, 0, "/d", &names, &n), 0);
    assert_int_equal(n, 2);
    assert_memory_equal(names, "one\0two", 8);
    os_free(r->os0, names);
    assert_int_equal(xs_rm(r->xs0, 0, "/d/one"), 0);
    assert_int_equal(xs_directory(r->xs0, 0, "/d", &names, &n), 0);
    assert_int_equal(n, 1);
    assert_string_equal(names, "two");
    os_free(r->os0, names);
}

static void directory_too_big_is_e2big_and_comes_in_parts(void **state)
{
    struct rig *r = *state;
    char path[64], reply[XENSTORE_PAYLOAD_MAX], gen[32];
    unsigned found = 0, n;
    char *names;
    size_t off = 0, len, at;
    bool last = false;

    for (unsigned i = 0; i < 300; i++) {
        snprintf(path, sizeof(path), "/big/a-rather-long-name-%u", i);
        assert_int_equal(xs_write(r->xs0, 0, path, ""), 0);
    }
    assert_int_equal(xs_directory(r->xs0, 0, "/big", &names, &n),
                     -XEN_E2BIG);
    while (!last) {
        int used = snprintf(path, sizeof(path), "/big%c%zu", 0, off);

        assert_int_equal(rig_raw(r->xs0, XS_DIRECTORY_PART, 0, path,
                                 (size_t)used + 1, reply, sizeof(reply),
                                 &len),
                         0);
        at = strlen(reply) + 1;
        if (off == 0) {
            strcpy(gen, reply);
        }
        assert_string_equal(gen, reply);
        while (at < len) {
            if (reply[at] == 0) {
                last = true;
                break;
            }
            found++;
            off += strlen(reply + at) + 1;
            at += strlen(reply + at) + 1;
        }
    }
    assert_int_equal(found, 300);
}

static void mkdir_of_existing_is_fine(void **state)
{
    struct rig *r = *state;

    assert_int_equal(xs_write(r->xs0, 0, "/m", "kept"), 0);
    assert_int_equal(xs_mkdir(r->xs0, 0, "/m"), 0);
    expect_read(r->xs0, 0, "/m", "kept");
}

static void rm_takes_all_below(void **state)
{
    struct rig *r = *state;
    unsigned before = xenstored_node_count(r->xsd);

    xs_write(r->xs0, 0, "/t/a/b/c", "1");
    xs_write(r->xs0, 0, "/t/a/d", "1");
    assert_int_equal(xs_rm(r->xs0, 0, "/t"), 0);
    assert_int_equal(xenstored_node_count(r->xsd), before);
    assert_int_equal(try_read(r->xs0, 0, "/t/a/b/c"), -XEN_ENOENT);
}

static void rm_of_missing_needs_a_parent(void **state)
{
    struct rig *r = *state;

    xs_write(r->xs0, 0, "/p", "");
    assert_int_equal(xs_rm(r->xs0, 0, "/p/nothing"), 0);
    assert_int_equal(xs_rm(r->xs0, 0, "/q/r/s"), -XEN_ENOENT);
    assert_int_equal(xs_rm(r->xs0, 0, "/"), -XEN_EINVAL);
}

/* -- Permissions ----------------------------------------------------------- */

static void new_nodes_inherit_but_the_unprivileged_own(void **state)
{
    struct rig *r = *state;
    unsigned n;
    char *perms;

    make_home(r);
    xs_write(r->xs0, 0, "/local/domain/5/ro", "");
    assert_int_equal(
        xs_get_perms(r->xs0, 0, "/local/domain/5/ro", &perms, &n), 0);
    assert_int_equal(n, 2);
    assert_memory_equal(perms, "n0\0r5", 6);
    os_free(r->os0, perms);
    assert_int_equal(xs_write(r->g5.xs, 0, "data/mine", ""), 0);
    assert_int_equal(
        xs_get_perms(r->g5.xs, 0, "data/mine", &perms, &n), 0);
    assert_string_equal(perms, "n5");
    os_free(r->g5.os, perms);
}

static void reading_needs_the_right(void **state)
{
    struct rig *r = *state;
    static const char *const perms[] = { "n0", "r5", "w7" };
    static const char *const all[] = { "r0", "n5" };

    xs_write(r->xs0, 0, "/s", "secret");
    assert_int_equal(try_read(r->g5.xs, 0, "/s"), -XEN_EACCES);
    assert_int_equal(xs_set_perms(r->xs0, 0, "/s", perms, 3), 0);
    assert_int_equal(try_read(r->g5.xs, 0, "/s"), 0);
    assert_int_equal(try_read(r->g7.xs, 0, "/s"), -XEN_EACCES);
    assert_int_equal(xs_write(r->g5.xs, 0, "/s", "x"), -XEN_EACCES);
    assert_int_equal(xs_write(r->g7.xs, 0, "/s", "x"), 0);
    /* The default is for those who are not listed. */
    assert_int_equal(xs_set_perms(r->xs0, 0, "/s", all, 2), 0);
    assert_int_equal(try_read(r->g7.xs, 0, "/s"), 0);
    assert_int_equal(try_read(r->g5.xs, 0, "/s"), -XEN_EACCES);
}

static void missing_nodes_are_hidden_by_their_parents(void **state)
{
    struct rig *r = *state;

    make_home(r);
    assert_int_equal(try_read(r->g5.xs, 0, "nothing"), -XEN_ENOENT);
    assert_int_equal(try_read(r->g7.xs, 0, "/local/domain/5/nothing"),
                     -XEN_EACCES);
    assert_int_equal(try_read(r->g5.xs, 0, "/nothing"), -XEN_EACCES);
    assert_int_equal(xs_write(r->g5.xs, 0, "top", "x"), -XEN_EACCES);
}

static void set_perms_is_the_owners_who_cant_give_away(void **state)
{
    struct rig *r = *state;
    static const char *const mine[] = { "n5", "r7" };
    static const char *const yours[] = { "n7" };

    make_home(r);
    xs_write(r->g5.xs, 0, "data/x", "1");
    assert_int_equal(xs_set_perms(r->g5.xs, 0, "data/x", mine, 2), 0);
    assert_int_equal(try_read(r->g7.xs, 0, "/local/domain/5/data/x"), 0);
    assert_int_equal(xs_set_perms(r->g5.xs, 0, "data/x", yours, 1),
                     -XEN_EPERM);
    assert_int_equal(
        xs_set_perms(r->g7.xs, 0, "/local/domain/5/data/x", yours, 1),
        -XEN_EACCES);
    assert_int_equal(xs_set_perms(r->xs0, 0, "/local/domain/5/data/x", yours,
                                  1),
                     0);
    assert_int_equal(xs_write(r->g7.xs, 0, "/local/domain/5/data/x", "2"),
                     0);
}

static void set_perms_refuses_bad_entries(void **state)
{
    struct rig *r = *state;
    static const char *const bad[][1] = { { "x0" }, { "r" }, { "r0x" },
                                          { "" },   { "r99999" } };
    static const char *const nobody[] = { "n0", "r9" };
    static const char *const owner[] = { "n9" };
    unsigned n;
    char *perms;

    xs_write(r->xs0, 0, "/x", "");
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(xs_set_perms(r->xs0, 0, "/x", bad[i], 1),
                         -XEN_EINVAL);
    }
    /* There is no domain 9: it gets nothing, and can't be the owner. */
    assert_int_equal(xs_set_perms(r->xs0, 0, "/x", nobody, 2), 0);
    assert_int_equal(xs_get_perms(r->xs0, 0, "/x", &perms, &n), 0);
    assert_int_equal(n, 1);
    os_free(r->os0, perms);
    assert_int_equal(xs_set_perms(r->xs0, 0, "/x", owner, 1), -XEN_ENOENT);
}

static void set_target_lends_rights(void **state)
{
    struct rig *r = *state;
    char reply[16];
    size_t len;

    make_home(r);
    xs_write(r->g5.xs, 0, "data/x", "1");
    assert_int_equal(try_read(r->g7.xs, 0, "/local/domain/5/data/x"),
                     -XEN_EACCES);
    assert_int_equal(rig_raw(r->xs0, XS_SET_TARGET, 0, "7\0005", 4, reply,
                             sizeof(reply), &len),
                     0);
    assert_int_equal(try_read(r->g7.xs, 0, "/local/domain/5/data/x"), 0);
}

/* -- Watches --------------------------------------------------------------- */

static void watch_fires_at_once_and_on_changes_below(void **state)
{
    struct rig *r = *state;
    struct heard h = { 0 };
    struct xs_watch *w;

    assert_int_equal(xs_watch(r->xs0, "/w", rig_hear, &h, &w), 0);
    fake_run(r->f);
    assert_int_equal(h.count, 1);
    assert_string_equal(h.path[0], "/w");
    xs_write(r->xs0, 0, "/w", "");
    xs_write(r->xs0, 0, "/w/below/it", "");
    xs_write(r->xs0, 0, "/wide", "");
    fake_run(r->f);
    assert_int_equal(h.count, 3);
    assert_string_equal(h.path[2], "/w/below/it");
    xs_unwatch(r->xs0, w);
    xs_write(r->xs0, 0, "/w", "again");
    fake_run(r->f);
    assert_int_equal(h.count, 3);
}

static void watch_below_a_removed_node_fires(void **state)
{
    struct rig *r = *state;
    struct heard h = { 0 }, top = { 0 };
    struct xs_watch *w, *wt;

    xs_write(r->xs0, 0, "/w/a/b", "");
    xs_watch(r->xs0, "/w/a/b", rig_hear, &h, &w);
    xs_watch(r->xs0, "/w", rig_hear, &top, &wt);
    fake_run(r->f);
    xs_rm(r->xs0, 0, "/w/a");
    fake_run(r->f);
    assert_int_equal(h.count, 2);
    assert_string_equal(h.path[1], "/w/a/b");
    assert_int_equal(top.count, 2); /* of the removed node alone */
    assert_string_equal(top.path[1], "/w/a");
}

static void watch_relative_is_told_relative(void **state)
{
    struct rig *r = *state;
    struct heard h = { 0 };
    struct xs_watch *w;

    make_home(r);
    xs_watch(r->g5.xs, "data", rig_hear, &h, &w);
    xs_write(r->xs0, 0, "/local/domain/5/data/z", "");
    fake_run(r->f);
    assert_int_equal(h.count, 2);
    assert_string_equal(h.path[0], "data");
    assert_string_equal(h.path[1], "data/z");
}

static void watch_tells_nothing_unreadable(void **state)
{
    struct rig *r = *state;
    struct heard h = { 0 };
    struct xs_watch *w;

    make_home(r);
    xs_write(r->g5.xs, 0, "data/x", "");
    xs_watch(r->g7.xs, "/local/domain/5", rig_hear, &h, &w);
    fake_run(r->f);
    assert_int_equal(h.count, 1); /* the first one says nothing new */
    xs_write(r->g5.xs, 0, "data/x", "1");
    fake_run(r->f);
    assert_int_equal(h.count, 1);
}

static void watch_twice_is_eexist_unwatch_unknown_enoent(void **state)
{
    struct rig *r = *state;
    char reply[16];
    size_t len;

    assert_int_equal(rig_raw(r->xs0, XS_WATCH, 0, "/a\0t", 5, reply, 16,
                             &len),
                     0);
    assert_int_equal(rig_raw(r->xs0, XS_WATCH, 0, "/a\0t", 5, reply, 16,
                             &len),
                     -XEN_EEXIST);
    assert_int_equal(rig_raw(r->xs0, XS_WATCH, 0, "/a\0u", 5, reply, 16,
                             &len),
                     0);
    assert_int_equal(rig_raw(r->xs0, XS_UNWATCH, 0, "/a\0v", 5, reply, 16,
                             &len),
                     -XEN_ENOENT);
    assert_int_equal(rig_raw(r->xs0, XS_RESET_WATCHES, 0, "", 1, reply, 16,
                             &len),
                     0);
    assert_int_equal(rig_raw(r->xs0, XS_UNWATCH, 0, "/a\0t", 5, reply, 16,
                             &len),
                     -XEN_ENOENT);
}

static void special_watches_are_the_control_domains(void **state)
{
    struct rig *r = *state;
    struct heard in = { 0 }, out = { 0 }, other = { 0 };
    struct xs_watch *w;
    struct guest_end g9;

    xs_watch(r->xs0, "@introduceDomain", rig_hear, &in, &w);
    xs_watch(r->xs0, "@releaseDomain", rig_hear, &out, &w);
    xs_watch(r->g5.xs, "@introduceDomain", rig_hear, &other, &w);
    fake_run(r->f);
    rig_guest(r, &g9, 9);
    fake_run(r->f);
    assert_int_equal(in.count, 2);
    assert_int_equal(other.count, 1); /* its first, and no more */
    fake_domain_kill(r->f, 9);
    fake_run(r->f);
    assert_int_equal(out.count, 2);
    assert_int_equal(in.count, 2);
}

/* -- Transactions ---------------------------------------------------------- */

static void transaction_is_seen_at_its_end_only(void **state)
{
    struct rig *r = *state;
    struct heard h = { 0 };
    struct xs_watch *w;
    xs_tx tx;

    xs_watch(r->xs0, "/x", rig_hear, &h, &w);
    assert_int_equal(xs_transaction_start(r->xs0, &tx), 0);
    assert_int_equal(xs_write(r->xs0, tx, "/x/y", "1"), 0);
    expect_read(r->xs0, tx, "/x/y", "1");
    assert_int_equal(try_read(r->xs0, 0, "/x/y"), -XEN_ENOENT);
    fake_run(r->f);
    assert_int_equal(h.count, 1);
    assert_int_equal(xs_transaction_end(r->xs0, tx, true), 0);
    expect_read(r->xs0, 0, "/x/y", "1");
    fake_run(r->f);
    assert_int_equal(h.count, 2);
}

static void transaction_abandoned_leaves_nothing(void **state)
{
    struct rig *r = *state;
    unsigned before = xenstored_node_count(r->xsd);
    xs_tx tx;

    xs_transaction_start(r->xs0, &tx);
    xs_write(r->xs0, tx, "/x/y/z", "1");
    xs_rm(r->xs0, tx, "/tool");
    assert_int_equal(xs_transaction_end(r->xs0, tx, false), 0);
    assert_int_equal(xenstored_node_count(r->xsd), before);
    assert_int_equal(try_read(r->xs0, 0, "/tool"), 0);
    assert_int_equal(xs_transaction_end(r->xs0, tx, true), -XEN_ENOENT);
}

static void transaction_conflict_is_eagain(void **state)
{
    struct rig *r = *state;
    xs_tx tx;

    xs_write(r->xs0, 0, "/c", "0");
    xs_transaction_start(r->xs0, &tx);
    expect_read(r->xs0, tx, "/c", "0");
    xs_write(r->xs0, 0, "/c", "1");
    expect_read(r->xs0, tx, "/c", "0"); /* sees what it saw */
    xs_write(r->xs0, tx, "/d", "from it");
    assert_int_equal(xs_transaction_end(r->xs0, tx, true), -XEN_EAGAIN);
    assert_int_equal(try_read(r->xs0, 0, "/d"), -XEN_ENOENT);
    expect_read(r->xs0, 0, "/c", "1");
}

static void transaction_conflict_over_absence_is_eagain(void **state)
{
    struct rig *r = *state;
    xs_tx tx;

    xs_write(r->xs0, 0, "/dir", "");
    xs_transaction_start(r->xs0, &tx);
    assert_int_equal(try_read(r->xs0, tx, "/dir/n"), -XEN_ENOENT);
    xs_write(r->xs0, 0, "/dir/n", "1");
    assert_int_equal(xs_transaction_end(r->xs0, tx, true), -XEN_EAGAIN);
}

static void transactions_apart_both_commit(void **state)
{
    struct rig *r = *state;
    xs_tx a, b;

    xs_write(r->xs0, 0, "/a", "");
    xs_write(r->xs0, 0, "/b", "");
    xs_transaction_start(r->xs0, &a);
    xs_transaction_start(r->xs0, &b);
    xs_write(r->xs0, a, "/a", "1");
    xs_write(r->xs0, b, "/b", "2");
    assert_int_equal(xs_transaction_end(r->xs0, a, true), 0);
    assert_int_equal(xs_transaction_end(r->xs0, b, true), 0);
    expect_read(r->xs0, 0, "/a", "1");
    expect_read(r->xs0, 0, "/b", "2");
}

static void transaction_ids_are_a_connections_own(void **state)
{
    struct rig *r = *state;
    xs_tx tx;

    xs_transaction_start(r->xs0, &tx);
    assert_int_equal(try_read(r->g5.xs, tx, "/"), -XEN_ENOENT);
    assert_int_equal(try_read(r->xs0, tx + 1, "/"), -XEN_ENOENT);
    assert_int_equal(xs_transaction_end(r->xs0, tx, false), 0);
}

static void transaction_in_transaction_is_ebusy(void **state)
{
    struct rig *r = *state;
    char reply[16];
    size_t len;
    xs_tx tx;

    xs_transaction_start(r->xs0, &tx);
    assert_int_equal(rig_raw(r->xs0, XS_TRANSACTION_START, tx, "", 1, reply,
                             16, &len),
                     -XEN_EBUSY);
    assert_int_equal(rig_raw(r->xs0, XS_TRANSACTION_END, tx, "X", 2, reply,
                             16, &len),
                     -XEN_EINVAL);
    assert_int_equal(xs_transaction_end(r->xs0, tx, false), 0);
}

/* -- Domains --------------------------------------------------------------- */

static void death_takes_nodes_rights_and_connection(void **state)
{
    struct rig *r = *state;
    static const char *const shared[] = { "n0", "r5" };
    struct os *again;

    make_home(r);
    xs_write(r->xs0, 0, "/pub", "v");
    xs_set_perms(r->xs0, 0, "/pub", shared, 2);
    xs_write(r->g5.xs, 0, "data/x/y", "1");
    assert_int_equal(xenstored_connection_count(r->xsd), 3);
    fake_domain_kill(r->f, 5);
    fake_run(r->f);
    assert_int_equal(xenstored_connection_count(r->xsd), 2);
    assert_int_equal(try_read(r->xs0, 0, "/local/domain/5/data"),
                     -XEN_ENOENT);
    assert_int_equal(try_read(r->xs0, 0, "/local/domain/5"), 0);
    again = r->g5.os;
    rig_guest(r, &r->g5, 5); /* another with the same id */
    assert_ptr_not_equal(again, r->g5.os);
    assert_int_equal(try_read(r->g5.xs, 0, "/pub"), -XEN_EACCES);
}

static void shutdown_is_told_once_until_resume(void **state)
{
    struct rig *r = *state;
    struct heard h = { 0 };
    struct xs_watch *w;
    char reply[16];
    size_t len;

    xs_watch(r->xs0, "@releaseDomain", rig_hear, &h, &w);
    fake_domain_shutdown(r->f, 5, 0);
    fake_run(r->f);
    assert_int_equal(h.count, 2);
    fake_raise_virq(r->f, 0, VIRQ_DOM_EXC);
    fake_run(r->f);
    assert_int_equal(h.count, 2);
    assert_int_equal(rig_raw(r->xs0, XS_RESUME, 0, "5", 2, reply, 16, &len),
                     0);
    fake_raise_virq(r->f, 0, VIRQ_DOM_EXC);
    fake_run(r->f);
    assert_int_equal(h.count, 3);
}

static void introduced_and_released(void **state)
{
    struct rig *r = *state;
    char reply[32];
    size_t len;

    rig_raw(r->xs0, XS_IS_DOMAIN_INTRODUCED, 0, "5", 2, reply, 32, &len);
    assert_string_equal(reply, "T");
    rig_raw(r->xs0, XS_IS_DOMAIN_INTRODUCED, 0, "6", 2, reply, 32, &len);
    assert_string_equal(reply, "F");
    assert_int_equal(xs_release(r->xs0, 5), 0);
    rig_raw(r->xs0, XS_IS_DOMAIN_INTRODUCED, 0, "5", 2, reply, 32, &len);
    assert_string_equal(reply, "F");
    assert_int_equal(xs_release(r->xs0, 5), -XEN_ENOENT);
    assert_int_equal(xs_release(r->xs0, 0), -XEN_EINVAL);
    assert_int_equal(xs_introduce(r->xs0, 99, 1, 1), -XEN_ENOENT);
    assert_int_equal(xs_introduce(r->xs0, 5, 1, 0), -XEN_EINVAL);
    assert_int_equal(
        xs_introduce(r->xs0, 5, os_gfn(r->g5.os, r->g5.ring), r->g5.port),
        0);
}

static void privileged_requests_are_eacces_for_others(void **state)
{
    struct rig *r = *state;
    static const uint32_t types[] = { XS_INTRODUCE,
                                      XS_RELEASE,
                                      XS_IS_DOMAIN_INTRODUCED,
                                      XS_RESUME,
                                      XS_SET_TARGET,
                                      XS_CONTROL };
    char reply[64];
    size_t len;

    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(rig_raw(r->g5.xs, types[i], 0, "7\0007", 4, reply,
                                 64, &len),
                         -XEN_EACCES);
    }
    assert_int_equal(rig_raw(r->g5.xs, XS_GET_DOMAIN_PATH, 0, "7", 2, reply,
                             64, &len),
                     0);
    assert_string_equal(reply, "/local/domain/7");
}

static void control_prints(void **state)
{
    struct rig *r = *state;
    char reply[64];
    size_t len;

    assert_int_equal(rig_raw(r->xs0, XS_CONTROL, 0, "print\0hi", 9, reply,
                             64, &len),
                     0);
    assert_string_equal(fake_last_log(r->f), "xenstored: control: hi");
    assert_int_equal(rig_raw(r->xs0, XS_CONTROL, 0, "help", 5, reply, 64,
                             &len),
                     0);
    assert_int_equal(rig_raw(r->xs0, XS_CONTROL, 0, "nonsense", 9, reply, 64,
                             &len),
                     -XEN_EINVAL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(write_then_read),
        T(relative_paths_are_below_the_domain),
        T(directory_lists_children),
        T(directory_too_big_is_e2big_and_comes_in_parts),
        T(mkdir_of_existing_is_fine),
        T(rm_takes_all_below),
        T(rm_of_missing_needs_a_parent),
        T(new_nodes_inherit_but_the_unprivileged_own),
        T(reading_needs_the_right),
        T(missing_nodes_are_hidden_by_their_parents),
        T(set_perms_is_the_owners_who_cant_give_away),
        T(set_perms_refuses_bad_entries),
        T(set_target_lends_rights),
        T(watch_fires_at_once_and_on_changes_below),
        T(watch_below_a_removed_node_fires),
        T(watch_relative_is_told_relative),
        T(watch_tells_nothing_unreadable),
        T(watch_twice_is_eexist_unwatch_unknown_enoent),
        T(special_watches_are_the_control_domains),
        T(transaction_is_seen_at_its_end_only),
        T(transaction_abandoned_leaves_nothing),
        T(transaction_conflict_is_eagain),
        T(transaction_conflict_over_absence_is_eagain),
        T(transactions_apart_both_commit),
        T(transaction_ids_are_a_connections_own),
        T(transaction_in_transaction_is_ebusy),
        T(death_takes_nodes_rights_and_connection),
        T(shutdown_is_told_once_until_resume),
        T(introduced_and_released),
        T(privileged_requests_are_eacces_for_others),
        T(control_prints),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
