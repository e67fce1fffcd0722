/*
 * GNTTABOP_copy: between own frames, granted frames, and both; bounds,
 * rights, and nothing written when it is refused.
 */
#include "conformance/harness.h"

#include <string.h>

#include <xen/grant_table.h>

static int16_t copy1(struct t *t, struct gnttab_copy *op)
{
    T_EQ(t, t_grant_op(t, GNTTABOP_copy, op, sizeof(*op), 1), 0);
    return op->status;
}

static struct gnttab_copy local_copy(struct t *t, uint64_t from, uint64_t to,
                                     unsigned len)
{
    struct gnttab_copy op = {.len = len};
    op.source.domid = op.dest.domid = DOMID_SELF;
    op.source.u.gmfn = os_gfn(t->os, from & ~0xfffULL);
    op.source.offset = from & 0xfff;
    op.dest.u.gmfn = os_gfn(t->os, to & ~0xfffULL);
    op.dest.offset = to & 0xfff;
    return op;
}

static void between_own_pages(struct t *t)
{
    uint64_t a = t_page(t, 0x11), b = t_page(t, 0x22);
    struct gnttab_copy op = local_copy(t, a + 100, b + 200, 300);
    T_EQ(t, copy1(t, &op), GNTST_okay);
    T_EQ(t, os_load8(t->os, b + 199), 0x22);
    T_EQ(t, os_load8(t->os, b + 200), 0x11);
    T_EQ(t, os_load8(t->os, b + 499), 0x11);
    T_EQ(t, os_load8(t->os, b + 500), 0x22);
}

static void whole_page_and_nothing(struct t *t)
{
    uint64_t a = t_page(t, 0x11), b = t_page(t, 0x22);
    struct gnttab_copy op = local_copy(t, a, b, 0);
    T_EQ(t, copy1(t, &op), GNTST_okay);
    T_EQ(t, os_load8(t->os, b), 0x22);
    op = local_copy(t, a, b, OS_PAGE_SIZE);
    T_EQ(t, copy1(t, &op), GNTST_okay);
    T_EQ(t, os_load8(t->os, b), 0x11);
    T_EQ(t, os_load8(t->os, b + 4095), 0x11);
}

static void crossing_page_is_refused(struct t *t)
{
    uint64_t a = t_page(t, 0x11), b = t_page(t, 0x22);
    static const struct {
        uint16_t src, dst, len;
    } bad[] = {{1, 0, 4096}, {0, 1, 4096},      {4095, 0, 2},
               {0, 4095, 2}, {65535, 0, 1},     {0, 65535, 1},
               {0, 0, 4097}, {4096, 4096, 65535}, {65535, 65535, 65535}};
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct gnttab_copy op = local_copy(t, a, b, bad[i].len);
        op.source.offset = bad[i].src;
        op.dest.offset = bad[i].dst;
        T_EQ(t, copy1(t, &op), GNTST_bad_copy_arg);
    }
    for (unsigned off = 0; off < 4096; off += 511) {
        T_EQ(t, os_load8(t->os, b + off), 0x22);
    }
}

static void hole_is_refused(struct t *t)
{
    uint64_t a = t_page(t, 0x11), hole = os_space_alloc(t->os, 1);
    struct gnttab_copy op = local_copy(t, a, hole, 16);
    T_CHECK(t, copy1(t, &op) < 0);
    op = local_copy(t, hole, a, 16);
    T_CHECK(t, copy1(t, &op) < 0);
    op = local_copy(t, a, a, 16);
    op.dest.u.gmfn = ~0ULL;
    T_CHECK(t, copy1(t, &op) < 0);
    T_EQ(t, os_load8(t->os, a), 0x11);
}

static void foreign_gfn_needs_grant(struct t *t)
{
    uint64_t a = t_page(t, 0x11);
    struct gnttab_copy op = local_copy(t, a, a, 16);
    op.source.domid = t_domid(t, ROLE_PEER); /* a plain frame of another */
    op.source.u.gmfn = 16;
    T_CHECK(t, copy1(t, &op) < 0);
    op.source.domid = 0x7ef0;
    T_CHECK(t, copy1(t, &op) < 0);
    op = local_copy(t, a, a, 16);
    op.dest.domid = 0;
    op.dest.u.gmfn = 16;
    T_CHECK(t, copy1(t, &op) < 0);
    t_send(t, 0, 1);
}

static void wait_for_word(struct t *t)
{
    (void)t_recv(t, 0);
}

/* Subject copies out of and into the peer's granted pages. */
static void granted_subject(struct t *t)
{
    domid_t peer = t_domid(t, ROLE_PEER);
    grant_ref_t rw = t_recv(t, 0), ro = t_recv(t, 0);
    uint64_t mine = t_page(t, 0x33);
    struct gnttab_copy op = local_copy(t, mine, mine, 64);
    op.flags = GNTCOPY_source_gref;
    op.source.domid = peer;
    op.source.u.ref = ro;
    T_EQ(t, copy1(t, &op), GNTST_okay);
    T_EQ(t, os_load8(t->os, mine), 0x55);
    op = local_copy(t, mine + 64, mine, 64);
    op.flags = GNTCOPY_dest_gref;
    op.dest.domid = peer;
    op.dest.u.ref = ro; /* read-only: refused */
    T_CHECK(t, copy1(t, &op) < 0);
    op.dest.u.ref = rw;
    T_EQ(t, copy1(t, &op), GNTST_okay);
    op.flags = GNTCOPY_source_gref | GNTCOPY_dest_gref; /* both granted */
    op.source.domid = peer;
    op.source.u.ref = ro;
    op.source.offset = 0;
    op.dest.offset = 128;
    T_EQ(t, copy1(t, &op), GNTST_okay);
    op.source.u.ref = 1u << 29;
    T_CHECK(t, copy1(t, &op) < 0);
    t_send(t, 1, 0);
}

static void granted_peer(struct t *t)
{
    domid_t subject = t_domid(t, ROLE_SUBJECT);
    uint64_t rw = t_page(t, 0x44), ro = t_page(t, 0x55);
    grant_ref_t ref[2];
    T_REQUIRE_OK(t, os_grant_access(t->os, subject, os_gfn(t->os, rw), false,
                                    &ref[0]));
    T_REQUIRE_OK(t, os_grant_access(t->os, subject, os_gfn(t->os, ro), true,
                                    &ref[1]));
    t_send(t, 0, ref[0]);
    t_send(t, 0, ref[1]);
    (void)t_recv(t, 1);
    T_EQ(t, os_load8(t->os, rw), 0x33);
    T_EQ(t, os_load8(t->os, rw + 64), 0x44);
    T_EQ(t, os_load8(t->os, rw + 128), 0x55);
    T_EQ(t, os_load8(t->os, ro), 0x55);
    /* No copy left a trace in the entries. */
    T_EQ(t, os_grant_end(t->os, ref[0]), 0);
    T_EQ(t, os_grant_end(t->os, ref[1]), 0);
}

static void own_grant_subject(struct t *t)
{
    /* A grant to oneself: source and destination of one domain. */
    uint64_t a = t_page(t, 0x66), b = t_page(t, 0x77);
    grant_ref_t ref;
    T_REQUIRE_OK(t, os_grant_access(t->os, os_domid(t->os),
                                    os_gfn(t->os, b), false, &ref));
    struct gnttab_copy op = local_copy(t, a, b, 8);
    op.flags = GNTCOPY_dest_gref;
    op.dest.u.ref = ref;
    T_EQ(t, copy1(t, &op), GNTST_okay);
    T_EQ(t, os_load8(t->os, b), 0x66);
    op.flags = GNTCOPY_source_gref | GNTCOPY_dest_gref;
    op.source.u.ref = ref;
    op.dest.offset = 8;
    T_EQ(t, copy1(t, &op), GNTST_okay);
    T_EQ(t, os_load8(t->os, b + 15), 0x66);
    T_EQ(t, os_grant_end(t->os, ref), 0);
}

static void batch_is_continued(struct t *t)
{
    enum { N = 100 };
    struct gnttab_copy op[N];
    uint64_t a = t_page(t, 0x10), b = t_page(t, 0x20);
    for (unsigned i = 0; i < N; i++) {
        op[i] = local_copy(t, a, b + i * 16, 16);
        op[i].len = i == 50 ? 5000 : 16;
    }
    T_EQ(t, t_grant_op(t, GNTTABOP_copy, op, sizeof(op), N), 0);
    for (unsigned i = 0; i < N; i++) {
        T_EQ(t, op[i].status, i == 50 ? GNTST_bad_copy_arg : GNTST_okay);
        T_EQ(t, os_load8(t->os, b + i * 16), i == 50 ? 0x20 : 0x10);
    }
}

static void overlap_within_page(struct t *t)
{
    uint64_t a = t_page(t, 0);
    for (unsigned i = 0; i < 64; i++) {
        os_store8(t->os, a + i, i);
    }
    struct gnttab_copy op = local_copy(t, a, a + 1000, 64);
    T_EQ(t, copy1(t, &op), GNTST_okay);
    for (unsigned i = 0; i < 64; i++) {
        T_EQ(t, os_load8(t->os, a + 1000 + i), i);
    }
}

#define GT "grant_table.h: "
static const struct tcase cases[] = {
    {"copy_between_own_pages_moves_the_bytes",
     "len bytes go from offset to offset, no more", GT "GNTTABOP_copy",
     T_NOSTORE, between_own_pages, 0, 0, 0},
    {"copy_of_a_page_and_of_nothing", "len 0 and len 4096 are both good",
     GT "GNTTABOP_copy", T_NOSTORE, whole_page_and_nothing, 0, 0, 0},
    {"copy_crossing_a_page_is_bad_copy_arg",
     "offset plus len stays within a page, however large either is",
     GT "GNTST_bad_copy_arg", T_NOSTORE | T_HOSTILE,
     crossing_page_is_refused, 0, 0, 0},
    {"copy_of_a_hole_is_refused", "both frames must be the caller's memory",
     GT "gnttab_copy.u.gmfn", T_NOSTORE | T_HOSTILE, hole_is_refused, 0, 0,
     0},
    {"copy_of_a_foreign_frame_needs_a_grant",
     "frames of others are named by grant references alone",
     GT "gnttab_copy.u.gmfn", T_NOSTORE | T_HOSTILE, foreign_gfn_needs_grant,
     wait_for_word, 0, 0},
    {"copy_through_grants_obeys_their_rights",
     "read-only grants are sources alone; nothing stays pinned",
     GT "GNTCOPY_source_gref, GNTCOPY_dest_gref", T_NOSTORE | T_HOSTILE,
     granted_subject, granted_peer, 0, 0},
    {"copy_through_a_grant_to_oneself",
     "granter and grantee may be one domain", GT "GNTTABOP_copy", T_NOSTORE,
     own_grant_subject, 0, 0, 0},
    {"copy_batch_is_continued_with_each_its_status",
     "a long batch is preempted; one bad copy spoils no other",
     GT "GNTTABOP_copy", T_NOSTORE | T_HOSTILE, batch_is_continued, 0, 0, 0},
    {"copy_within_one_page", "source and destination may be one frame",
     GT "GNTTABOP_copy", T_NOSTORE, overlap_within_page, 0, 0, 0},
};
T_SUITE(grant_copy, cases);
