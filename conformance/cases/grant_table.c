/*
 * Grant tables as such: their size, their version, and operations that do
 * not exist.
 */
#include "conformance/harness.h"

#include <string.h>

#include <xen/grant_table.h>

static void query_size_tells_frames(struct t *t)
{
    struct gnttab_query_size q = {.dom = DOMID_SELF};
    T_EQ(t, t_grant_op(t, GNTTABOP_query_size, &q, sizeof(q), 1), 0);
    T_EQ(t, q.status, GNTST_okay);
    T_CHECK(t, q.nr_frames >= 1 && q.nr_frames <= q.max_nr_frames);
    q.dom = 0x7ef0;
    T_EQ(t, t_grant_op(t, GNTTABOP_query_size, &q, sizeof(q), 1), 0);
    T_EQ(t, q.status, GNTST_bad_domain);
}

static void table_grows_to_its_maximum(struct t *t)
{
    struct gnttab_query_size q = {.dom = DOMID_SELF};
    T_EQ(t, t_grant_op(t, GNTTABOP_query_size, &q, sizeof(q), 1), 0);
    struct gnttab_setup_table s = {.dom = DOMID_SELF,
                                   .nr_frames = q.max_nr_frames + 1};
    uint64_t list = os_arg(t->os) + 4096;
    memcpy(&s.frame_list, &list, 8);
    T_EQ(t, t_grant_op(t, GNTTABOP_setup_table, &s, sizeof(s), 1), 0);
    T_CHECK(t, s.status < 0);
    s.nr_frames = 2;
    T_EQ(t, t_grant_op(t, GNTTABOP_setup_table, &s, sizeof(s), 1), 0);
    T_EQ(t, s.status, GNTST_okay);
    T_EQ(t, t_grant_op(t, GNTTABOP_query_size, &q, sizeof(q), 1), 0);
    T_CHECK(t, q.nr_frames >= 2);
}

static void version_is_one(struct t *t)
{
    struct gnttab_get_version g = {.dom = DOMID_SELF};
    T_EQ(t, t_grant_op(t, GNTTABOP_get_version, &g, sizeof(g), 1), 0);
    T_EQ(t, g.version, 1);
    struct gnttab_set_version s = {.version = 1};
    T_EQ(t, t_grant_op(t, GNTTABOP_set_version, &s, sizeof(s), 1), 0);
    T_EQ(t, s.version, 1);
    s.version = 3;
    T_EQ(t, t_grant_op(t, GNTTABOP_set_version, &s, sizeof(s), 1),
         -XEN_EINVAL);
    s.version = 0;
    T_EQ(t, t_grant_op(t, GNTTABOP_set_version, &s, sizeof(s), 1),
         -XEN_EINVAL);
}

static void cache_flush_of_nothing(struct t *t)
{
    struct gnttab_cache_flush f = {.a.ref = 0, .length = 0, .op = ~0u};
    T_CHECK(t, t_grant_op(t, GNTTABOP_cache_flush, &f, sizeof(f), 1) < 0);
}

static void unknown_grant_op(struct t *t)
{
    uint64_t junk[8] = {0};
    T_EQ(t, t_grant_op(t, 40, junk, sizeof(junk), 1), -XEN_ENOSYS);
    T_EQ(t, os_hypercall(t->os, __HYPERVISOR_grant_table_op,
                         GNTTABOP_map_grant_ref, 0x7f0000000000ULL, 1, 0, 0),
         -XEN_EFAULT);
    T_CHECK(t, os_hypercall(t->os, __HYPERVISOR_grant_table_op,
                            GNTTABOP_map_grant_ref, os_arg(t->os), ~0u, 0,
                            0) < 0);
}

#define GT "grant_table.h: "
static const struct tcase cases[] = {
    {"grant_query_size_tells_frames", "nr_frames is at most max_nr_frames",
     GT "GNTTABOP_query_size", T_NOSTORE, query_size_tells_frames, 0, 0, 0},
    {"grant_setup_table_grows_to_its_maximum",
     "setup_table gives frames up to the domain's limit",
     GT "GNTTABOP_setup_table", T_NOSTORE | T_HOSTILE,
     table_grows_to_its_maximum, 0, 0, 0},
    {"grant_version_is_one", "version 1 is set and the only one",
     GT "GNTTABOP_set_version", T_NOSTORE, version_is_one, 0, 0, 0},
    {"grant_cache_flush_bad_op_is_refused",
     "cache_flush needs a known operation", GT "GNTTABOP_cache_flush",
     T_NOSTORE | T_HOSTILE, cache_flush_of_nothing, 0, 0, 0},
    {"grant_unknown_op_is_enosys",
     "unknown operations, counts and pointers are errors", GT "GNTTABOP_*",
     T_NOSTORE | T_HOSTILE, unknown_grant_op, 0, 0, 0},
};
T_SUITE(grant_table, cases);
