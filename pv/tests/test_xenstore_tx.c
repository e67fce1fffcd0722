/*
 * The xenstore daemon's transactions and what it makes of domains that come,
 * shut down and go: docs/misc/xenstore.txt (Xen 4.17), each test named after
 * what it says there.
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
    rig_expect(r->xs0, tx, "/x/y", "1");
    assert_int_equal(rig_try_read(r->xs0, 0, "/x/y"), -XEN_ENOENT);
    fake_run(r->f);
    assert_int_equal(h.count, 1);
    assert_int_equal(xs_transaction_end(r->xs0, tx, true), 0);
    rig_expect(r->xs0, 0, "/x/y", "1");
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
    assert_int_equal(rig_try_read(r->xs0, 0, "/tool"), 0);
    assert_int_equal(xs_transaction_end(r->xs0, tx, true), -XEN_ENOENT);
}

static void transaction_conflict_is_eagain(void **state)
{
    struct rig *r = *state;
    xs_tx tx;

    xs_write(r->xs0, 0, "/c", "0");
    xs_transaction_start(r->xs0, &tx);
    rig_expect(r->xs0, tx, "/c", "0");
    xs_write(r->xs0, 0, "/c", "1");
    rig_expect(r->xs0, tx, "/c", "0"); /* sees what it saw */
    xs_write(r->xs0, tx, "/d", "from it");
    assert_int_equal(xs_transaction_end(r->xs0, tx, true), -XEN_EAGAIN);
    assert_int_equal(rig_try_read(r->xs0, 0, "/d"), -XEN_ENOENT);
    rig_expect(r->xs0, 0, "/c", "1");
}

static void transaction_conflict_over_absence_is_eagain(void **state)
{
    struct rig *r = *state;
    xs_tx tx;

    xs_write(r->xs0, 0, "/dir", "");
    xs_transaction_start(r->xs0, &tx);
    assert_int_equal(rig_try_read(r->xs0, tx, "/dir/n"), -XEN_ENOENT);
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
    rig_expect(r->xs0, 0, "/a", "1");
    rig_expect(r->xs0, 0, "/b", "2");
}

static void transaction_ids_are_a_connections_own(void **state)
{
    struct rig *r = *state;
    xs_tx tx;

    xs_transaction_start(r->xs0, &tx);
    assert_int_equal(rig_try_read(r->g5.xs, tx, "/"), -XEN_ENOENT);
    assert_int_equal(rig_try_read(r->xs0, tx + 1, "/"), -XEN_ENOENT);
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

    rig_make_home(r);
    xs_write(r->xs0, 0, "/pub", "v");
    xs_set_perms(r->xs0, 0, "/pub", shared, 2);
    xs_write(r->g5.xs, 0, "data/x/y", "1");
    assert_int_equal(xenstored_connection_count(r->xsd), 3);
    fake_domain_kill(r->f, 5);
    fake_run(r->f);
    assert_int_equal(xenstored_connection_count(r->xsd), 2);
    assert_int_equal(rig_try_read(r->xs0, 0, "/local/domain/5/data"),
                     -XEN_ENOENT);
    assert_int_equal(rig_try_read(r->xs0, 0, "/local/domain/5"), 0);
    again = r->g5.os;
    rig_guest(r, &r->g5, 5); /* another with the same id */
    assert_ptr_not_equal(again, r->g5.os);
    assert_int_equal(rig_try_read(r->g5.xs, 0, "/pub"), -XEN_EACCES);
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
