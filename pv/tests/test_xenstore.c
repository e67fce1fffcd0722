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

static void write_then_read(void **state)
{
    struct rig *r = *state;

    assert_int_equal(xs_write(r->xs0, 0, "/a/b/c", "hello"), 0);
    rig_expect(r->xs0, 0, "/a/b/c", "hello");
    rig_expect(r->xs0, 0, "/a/b", ""); /* parents are made, empty */
    assert_int_equal(xs_write(r->xs0, 0, "/a/b/c", ""), 0);
    rig_expect(r->xs0, 0, "/a/b/c", "");
}

static void relative_paths_are_below_the_domain(void **state)
{
    struct rig *r = *state;

    rig_make_home(r);
    assert_int_equal(xs_write(r->g5.xs, 0, "data/x", "1"), 0);
    rig_expect(r->xs0, 0, "/local/domain/5/data/x", "1");
    assert_int_equal(xs_write(r->xs0, 0, "y", "2"), 0);
    rig_expect(r->xs0, 0, "/local/domain/0/y", "2");
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
    rig_expect(r->xs0, 0, "/m", "kept");
}

static void rm_takes_all_below(void **state)
{
    struct rig *r = *state;
    unsigned before = xenstored_node_count(r->xsd);

    xs_write(r->xs0, 0, "/t/a/b/c", "1");
    xs_write(r->xs0, 0, "/t/a/d", "1");
    assert_int_equal(xs_rm(r->xs0, 0, "/t"), 0);
    assert_int_equal(xenstored_node_count(r->xsd), before);
    assert_int_equal(rig_try_read(r->xs0, 0, "/t/a/b/c"), -XEN_ENOENT);
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

    rig_make_home(r);
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
    assert_int_equal(rig_try_read(r->g5.xs, 0, "/s"), -XEN_EACCES);
    assert_int_equal(xs_set_perms(r->xs0, 0, "/s", perms, 3), 0);
    assert_int_equal(rig_try_read(r->g5.xs, 0, "/s"), 0);
    assert_int_equal(rig_try_read(r->g7.xs, 0, "/s"), -XEN_EACCES);
    assert_int_equal(xs_write(r->g5.xs, 0, "/s", "x"), -XEN_EACCES);
    assert_int_equal(xs_write(r->g7.xs, 0, "/s", "x"), 0);
    /* The default is for those who are not listed. */
    assert_int_equal(xs_set_perms(r->xs0, 0, "/s", all, 2), 0);
    assert_int_equal(rig_try_read(r->g7.xs, 0, "/s"), 0);
    assert_int_equal(rig_try_read(r->g5.xs, 0, "/s"), -XEN_EACCES);
}

static void missing_nodes_are_hidden_by_their_parents(void **state)
{
    struct rig *r = *state;

    rig_make_home(r);
    assert_int_equal(rig_try_read(r->g5.xs, 0, "nothing"), -XEN_ENOENT);
    assert_int_equal(rig_try_read(r->g7.xs, 0, "/local/domain/5/nothing"),
                     -XEN_EACCES);
    assert_int_equal(rig_try_read(r->g5.xs, 0, "/nothing"), -XEN_EACCES);
    assert_int_equal(xs_write(r->g5.xs, 0, "top", "x"), -XEN_EACCES);
}

static void set_perms_is_the_owners_who_cant_give_away(void **state)
{
    struct rig *r = *state;
    static const char *const mine[] = { "n5", "r7" };
    static const char *const yours[] = { "n7" };

    rig_make_home(r);
    xs_write(r->g5.xs, 0, "data/x", "1");
    assert_int_equal(xs_set_perms(r->g5.xs, 0, "data/x", mine, 2), 0);
    assert_int_equal(rig_try_read(r->g7.xs, 0, "/local/domain/5/data/x"), 0);
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

    rig_make_home(r);
    xs_write(r->g5.xs, 0, "data/x", "1");
    assert_int_equal(rig_try_read(r->g7.xs, 0, "/local/domain/5/data/x"),
                     -XEN_EACCES);
    assert_int_equal(rig_raw(r->xs0, XS_SET_TARGET, 0, "7\0005", 4, reply,
                             sizeof(reply), &len),
                     0);
    assert_int_equal(rig_try_read(r->g7.xs, 0, "/local/domain/5/data/x"), 0);
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

    rig_make_home(r);
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

    rig_make_home(r);
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
