/*
 * Grant mapping, version 1: who may map what, for how long, with which
 * rights, and what the shared entry shows meanwhile.
 *
 * Channel 0 carries what the subject tells the peer, channel 1 the answers.
 * The subject grants; the peer maps, unless a case says otherwise.
 */
#include "conformance/harness.h"

#include <string.h>

#include <xen/grant_table.h>
#include <xen/memory.h>

static int16_t map_raw(struct t *t, domid_t from, grant_ref_t ref,
                       uint32_t flags, uint64_t addr, grant_handle_t *handle)
{
    struct gnttab_map_grant_ref op = {
        .host_addr = addr, .flags = flags, .ref = ref, .dom = from};
    T_EQ(t, t_grant_op(t, GNTTABOP_map_grant_ref, &op, sizeof(op), 1), 0);
    *handle = op.handle;
    return op.status;
}

/* Maps the subject's grant whose reference comes over channel 0. (A wait a
 * statement: the order of a call's arguments is the compiler's.) */
static int16_t map_next(struct t *t, uint32_t flags, uint64_t addr,
                        grant_handle_t *handle)
{
    grant_ref_t ref = t_recv(t, 0);
    domid_t from = t_domid(t, ROLE_SUBJECT);
    return map_raw(t, from, ref, flags, addr, handle);
}

static int16_t unmap_raw(struct t *t, uint64_t addr, grant_handle_t handle)
{
    struct gnttab_unmap_grant_ref op = {.host_addr = addr, .handle = handle};
    T_EQ(t, t_grant_op(t, GNTTABOP_unmap_grant_ref, &op, sizeof(op), 1), 0);
    return op.status;
}

static uint16_t entry_flags(struct t *t, grant_ref_t ref)
{
    return os_load16(t->os, os_grant_table(t->os, ref / 512) +
                                (ref % 512) * 8);
}

/* Subject's usual beginning: a page with 0xa5, granted to the peer. */
static uint64_t grant_page(struct t *t, bool readonly, grant_ref_t *ref)
{
    uint64_t page = t_page(t, 0xa5);
    T_REQUIRE_OK(t, os_grant_access(t->os, t_domid(t, ROLE_PEER),
                                    os_gfn(t->os, page), readonly, ref));
    return page;
}

/* -- Mapping shows the frame both ways ------------------------------------ */

static void rw_subject(struct t *t)
{
    grant_ref_t ref;
    uint64_t page = grant_page(t, false, &ref);
    T_EQ(t, entry_flags(t, ref) & (GTF_reading | GTF_writing), 0);
    t_send(t, 0, ref);
    T_EQ(t, t_recv(t, 1), 0x5a);
    T_EQ(t, os_load8(t->os, page + 100), 0x5a);
    T_EQ(t, entry_flags(t, ref) & (GTF_reading | GTF_writing),
         GTF_reading | GTF_writing);
    T_EQ(t, os_grant_end(t->os, ref), -XEN_EBUSY);
    t_send(t, 0, 0);
    T_EQ(t, t_recv(t, 1), 1);
    T_EQ(t, entry_flags(t, ref) & (GTF_reading | GTF_writing), 0);
    T_EQ(t, os_grant_end(t->os, ref), 0);
}

static void rw_peer(struct t *t)
{
    grant_handle_t h;
    uint64_t at = os_space_alloc(t->os, 1);
    grant_ref_t ref = t_recv(t, 0);
    T_EQ(t, map_raw(t, t_domid(t, ROLE_SUBJECT), ref, GNTMAP_host_map, at,
                    &h), GNTST_okay);
    T_EQ(t, os_load8(t->os, at + 99), 0xa5);
    os_store8(t->os, at + 100, 0x5a);
    t_send(t, 1, 0x5a);
    (void)t_recv(t, 0);
    T_EQ(t, unmap_raw(t, at, h), GNTST_okay);
    t_send(t, 1, 1);
}

static void ro_subject(struct t *t)
{
    grant_ref_t ref;
    grant_page(t, true, &ref);
    t_send(t, 0, ref);
    T_EQ(t, t_recv(t, 1), 1);
    T_EQ(t, entry_flags(t, ref) & (GTF_reading | GTF_writing), GTF_reading);
    t_send(t, 0, 0);
    T_EQ(t, t_recv(t, 1), 2);
    T_EQ(t, os_grant_end(t->os, ref), 0);
}

static void ro_peer(struct t *t)
{
    grant_handle_t h;
    uint64_t at = os_space_alloc(t->os, 1);
    grant_ref_t ref = t_recv(t, 0);
    domid_t from = t_domid(t, ROLE_SUBJECT);
    T_CHECK(t, map_raw(t, from, ref, GNTMAP_host_map, at, &h) < 0);
    T_EQ(t, map_raw(t, from, ref, GNTMAP_host_map | GNTMAP_readonly, at, &h),
         GNTST_okay);
    T_EQ(t, os_load8(t->os, at), 0xa5);
    t_send(t, 1, 1);
    (void)t_recv(t, 0);
    T_EQ(t, unmap_raw(t, at, h), GNTST_okay);
    t_send(t, 1, 2);
}

static void ro_write_peer(struct t *t)
{
    grant_handle_t h;
    uint64_t at = os_space_alloc(t->os, 1);
    grant_ref_t ref = t_recv(t, 0);
    T_EQ(t, map_raw(t, t_domid(t, ROLE_SUBJECT), ref,
                    GNTMAP_host_map | GNTMAP_readonly, at, &h), GNTST_okay);
    t_send(t, 1, 1);
    os_store8(t->os, at, 1);
    t_fail(t, __FILE__, __LINE__, "a read-only mapping could be written");
}

static void ro_write_subject(struct t *t)
{
    grant_ref_t ref;
    uint64_t page = grant_page(t, true, &ref);
    t_send(t, 0, ref);
    T_EQ(t, t_recv(t, 1), 1);
    t_sleep(t, 1000000);
    T_EQ(t, os_load8(t->os, page), 0xa5);
}

/* -- References that are not good ----------------------------------------- */

static void bad_refs_subject(struct t *t)
{
    grant_ref_t ref;
    grant_page(t, false, &ref);
    t_send(t, 0, ref);
    (void)t_recv(t, 1);
}

static void bad_refs_peer(struct t *t)
{
    grant_handle_t h;
    uint64_t at = os_space_alloc(t->os, 1);
    domid_t from = t_domid(t, ROLE_SUBJECT);
    grant_ref_t ref = t_recv(t, 0);
    T_CHECK(t, map_raw(t, from, ref + 1, GNTMAP_host_map, at, &h) < 0);
    T_EQ(t, map_raw(t, from, 1u << 30, GNTMAP_host_map, at, &h),
         GNTST_bad_gntref);
    T_EQ(t, map_raw(t, from, ~0u, GNTMAP_host_map, at, &h),
         GNTST_bad_gntref);
    T_EQ(t, map_raw(t, 0x7ef0, ref, GNTMAP_host_map, at, &h),
         GNTST_bad_domain);
    t_send(t, 1, 0);
}

static void bad_flags_peer(struct t *t)
{
    grant_handle_t h;
    uint64_t at = os_space_alloc(t->os, 1);
    domid_t from = t_domid(t, ROLE_SUBJECT);
    grant_ref_t ref = t_recv(t, 0);
    T_CHECK(t, map_raw(t, from, ref, 0, at, &h) < 0);
    T_CHECK(t, map_raw(t, from, ref, GNTMAP_readonly, at, &h) < 0);
    T_CHECK(t, map_raw(t, from, ref, GNTMAP_host_map | GNTMAP_contains_pte,
                       at, &h) < 0);
    T_CHECK(t, map_raw(t, from, ref, GNTMAP_host_map, at + 8, &h) < 0 ||
                   unmap_raw(t, at + 8, h) == GNTST_okay);
    t_send(t, 1, 0);
}

static void not_for_third_subject(struct t *t)
{
    grant_ref_t ref;
    uint64_t page = t_page(t, 1);
    T_REQUIRE_OK(t, os_grant_access(t->os, 0x7ef0, os_gfn(t->os, page), false,
                                    &ref));
    t_send(t, 0, ref);
    (void)t_recv(t, 1);
    T_EQ(t, entry_flags(t, ref) & (GTF_reading | GTF_writing), 0);
}

static void not_for_third_peer(struct t *t)
{
    grant_handle_t h;
    uint64_t at = os_space_alloc(t->os, 1);
    T_CHECK(t, map_next(t, GNTMAP_host_map, at, &h) < 0);
    t_send(t, 1, 0);
}

/* That the grantee has it mapped makes it no one else's. */
static void in_use_subject(struct t *t)
{
    grant_ref_t ref;
    grant_handle_t h;
    uint64_t page = t_page(t, 1), at = os_space_alloc(t->os, 1);
    T_REQUIRE_OK(t, os_grant_access(t->os, t_domid(t, ROLE_PEER),
                                    os_gfn(t->os, page), false, &ref));
    t_send(t, 0, ref);
    (void)t_recv(t, 1);
    T_EQ(t, map_raw(t, os_domid(t->os), ref, GNTMAP_host_map, at, &h),
         GNTST_general_error);
    T_EQ(t, map_raw(t, os_domid(t->os), ref,
                    GNTMAP_host_map | GNTMAP_readonly, at, &h),
         GNTST_general_error);
    t_send(t, 0, 0);
    (void)t_recv(t, 1);
}

static void in_use_peer(struct t *t)
{
    grant_handle_t h;
    uint64_t at = os_space_alloc(t->os, 1);
    T_EQ(t, map_next(t, GNTMAP_host_map, at, &h), GNTST_okay);
    t_send(t, 1, 0);
    (void)t_recv(t, 0);
    T_EQ(t, unmap_raw(t, at, h), GNTST_okay);
    t_send(t, 1, 0);
}

/* A grant names a guest frame the granter does not have. */
static void foreign_frame_subject(struct t *t)
{
    grant_ref_t ref;
    uint64_t hole = os_gfn(t->os, os_space_alloc(t->os, 1));
    T_REQUIRE_OK(t, os_grant_access(t->os, t_domid(t, ROLE_PEER), hole, false,
                                    &ref));
    t_send(t, 0, ref);
    (void)t_recv(t, 1);
    T_EQ(t, entry_flags(t, ref) & (GTF_reading | GTF_writing), 0);
    T_REQUIRE_OK(t, os_grant_access(t->os, t_domid(t, ROLE_PEER), ~0u, false,
                                    &ref));
    t_send(t, 0, ref);
    (void)t_recv(t, 1);
    T_EQ(t, entry_flags(t, ref) & (GTF_reading | GTF_writing), 0);
}

static void foreign_frame_peer(struct t *t)
{
    grant_handle_t h;
    uint64_t at = os_space_alloc(t->os, 1);
    for (unsigned i = 0; i < 2; i++) {
        T_CHECK(t, map_next(t, GNTMAP_host_map, at, &h) < 0);
        t_send(t, 1, 0);
    }
}

/* A grant can't be passed on: the mapped frame is not the mapper's. */
static void pass_on_subject(struct t *t)
{
    grant_ref_t ref;
    grant_page(t, false, &ref);
    t_send(t, 0, ref);
    grant_handle_t h;
    uint64_t at = os_space_alloc(t->os, 1);
    grant_ref_t back = t_recv(t, 1);
    T_CHECK(t, map_raw(t, t_domid(t, ROLE_PEER), back, GNTMAP_host_map, at,
                       &h) < 0);
    t_send(t, 0, 0);
    (void)t_recv(t, 1);
}

static void pass_on_peer(struct t *t)
{
    grant_handle_t h;
    grant_ref_t mine;
    uint64_t at = os_space_alloc(t->os, 1);
    T_EQ(t, map_next(t, GNTMAP_host_map, at, &h), GNTST_okay);
    T_REQUIRE_OK(t, os_grant_access(t->os, t_domid(t, ROLE_SUBJECT),
                                    os_gfn(t->os, at), false, &mine));
    t_send(t, 1, mine);
    (void)t_recv(t, 0);
    T_EQ(t, unmap_raw(t, at, h), GNTST_okay);
    t_send(t, 1, 0);
}

/* -- Unmapping ------------------------------------------------------------ */

static void unmap_errors_peer(struct t *t)
{
    grant_handle_t h;
    uint64_t at = os_space_alloc(t->os, 2);
    T_EQ(t, map_next(t, GNTMAP_host_map, at, &h), GNTST_okay);
    T_EQ(t, unmap_raw(t, at, h + 1000), GNTST_bad_handle);
    T_EQ(t, unmap_raw(t, at, ~0u), GNTST_bad_handle);
    T_CHECK(t, unmap_raw(t, at + OS_PAGE_SIZE, h) < 0);
    T_EQ(t, os_load8(t->os, at), 0xa5); /* still there */
    T_EQ(t, unmap_raw(t, at, h), GNTST_okay);
    T_EQ(t, unmap_raw(t, at, h), GNTST_bad_handle); /* twice */
    t_send(t, 1, 0);
}

static void use_after_unmap_peer(struct t *t)
{
    grant_handle_t h;
    uint64_t at = os_space_alloc(t->os, 1);
    T_EQ(t, map_next(t, GNTMAP_host_map, at, &h), GNTST_okay);
    os_store8(t->os, at, 1); /* the translation is cached */
    T_EQ(t, unmap_raw(t, at, h), GNTST_okay);
    t_send(t, 1, 1);
    os_store8(t->os, at, 2);
    t_fail(t, __FILE__, __LINE__, "an unmapped grant could be written");
}

static void use_after_unmap_subject(struct t *t)
{
    grant_ref_t ref;
    uint64_t page = grant_page(t, false, &ref);
    t_send(t, 0, ref);
    T_EQ(t, t_recv(t, 1), 1);
    T_EQ(t, os_grant_end(t->os, ref), 0);
    t_sleep(t, 1000000);
    T_EQ(t, os_load8(t->os, page), 1);
}

/* The same grant mapped twice stays in use until both are gone. */
static void twice_subject(struct t *t)
{
    grant_ref_t ref;
    grant_page(t, false, &ref);
    t_send(t, 0, ref);
    T_EQ(t, t_recv(t, 1), 1);
    T_EQ(t, entry_flags(t, ref) & GTF_writing, GTF_writing);
    T_EQ(t, os_grant_end(t->os, ref), -XEN_EBUSY);
    t_send(t, 0, 0);
    T_EQ(t, t_recv(t, 1), 2);
    T_EQ(t, os_grant_end(t->os, ref), 0);
}

static void twice_peer(struct t *t)
{
    grant_handle_t a, b;
    domid_t from = t_domid(t, ROLE_SUBJECT);
    uint64_t at = os_space_alloc(t->os, 2);
    grant_ref_t ref = t_recv(t, 0);
    T_EQ(t, map_raw(t, from, ref, GNTMAP_host_map, at, &a), GNTST_okay);
    T_EQ(t, map_raw(t, from, ref, GNTMAP_host_map, at + OS_PAGE_SIZE, &b),
         GNTST_okay);
    os_store8(t->os, at + 7, 9);
    T_EQ(t, os_load8(t->os, at + OS_PAGE_SIZE + 7), 9);
    T_EQ(t, unmap_raw(t, at, a), GNTST_okay);
    t_send(t, 1, 1);
    (void)t_recv(t, 0);
    T_EQ(t, os_load8(t->os, at + OS_PAGE_SIZE + 7), 9);
    T_EQ(t, unmap_raw(t, at + OS_PAGE_SIZE, b), GNTST_okay);
    t_send(t, 1, 2);
}

static void batch_peer(struct t *t)
{
    struct gnttab_map_grant_ref m[8];
    struct gnttab_unmap_grant_ref u[8];
    grant_ref_t ref = t_recv(t, 0);
    uint64_t at = os_space_alloc(t->os, 8);
    for (unsigned i = 0; i < 8; i++) {
        m[i] = (struct gnttab_map_grant_ref){
            .host_addr = at + i * OS_PAGE_SIZE,
            .flags = GNTMAP_host_map,
            .ref = i == 3 ? 1u << 29 : ref, /* one bad among good */
            .dom = t_domid(t, ROLE_SUBJECT)};
    }
    T_EQ(t, t_grant_op(t, GNTTABOP_map_grant_ref, m, sizeof(m), 8), 0);
    for (unsigned i = 0; i < 8; i++) {
        T_EQ(t, m[i].status, i == 3 ? GNTST_bad_gntref : GNTST_okay);
        u[i] = (struct gnttab_unmap_grant_ref){
            .host_addr = at + i * OS_PAGE_SIZE,
            .handle = i == 3 ? ~0u : m[i].handle};
    }
    T_EQ(t, t_grant_op(t, GNTTABOP_unmap_grant_ref, u, sizeof(u), 8), 0);
    for (unsigned i = 0; i < 8; i++) {
        T_EQ(t, u[i].status, i == 3 ? GNTST_bad_handle : GNTST_okay);
    }
    t_send(t, 1, 0);
}

static void simple_subject(struct t *t)
{
    grant_ref_t ref;
    grant_page(t, false, &ref);
    t_send(t, 0, ref);
    (void)t_recv(t, 1);
    T_EQ(t, os_grant_end(t->os, ref), 0);
}

/* -- Dying peers ---------------------------------------------------------- */

static void mapper_dies_subject(struct t *t)
{
    grant_ref_t ref;
    grant_page(t, false, &ref);
    t_send(t, 0, ref);
    T_EQ(t, t_recv(t, 1), 1);
    for (unsigned i = 0; i < 2000 && os_grant_end(t->os, ref) != 0; i++) {
        T_CHECK(t, i < 1999);
        t_sleep(t, 1000000);
    }
}

static void mapper_dies_peer(struct t *t)
{
    grant_handle_t h;
    T_EQ(t, map_next(t, GNTMAP_host_map, os_space_alloc(t->os, 1), &h),
         GNTST_okay);
    t_send(t, 1, 1);
} /* returns: powers off with the grant mapped */

static void mapper_dies_control(struct t *t)
{
    domid_t peer = t_domid(t, ROLE_PEER);
    (void)t_wait_shutdown(t, peer);
    t_destroy_guest(t, peer);
}

static void granter_dies_control(struct t *t)
{
    domid_t peer = t_domid(t, ROLE_PEER);
    grant_ref_t ref = t_recv(t, 0);
    grant_handle_t h;
    uint64_t free_before = t_free_pages(t), at = os_space_alloc(t->os, 1);
    T_EQ(t, map_raw(t, peer, ref, GNTMAP_host_map, at, &h), GNTST_okay);
    t_send(t, 1, 0);
    (void)t_wait_shutdown(t, peer);
    t_destroy_guest(t, peer);
    T_EQ(t, os_load8(t->os, at + 5), 0x77); /* the frame outlives its owner */
    T_CHECK(t, t_free_pages(t) > free_before);
    T_EQ(t, unmap_raw(t, at, h), GNTST_okay);
}

static void granter_dies_peer(struct t *t)
{
    grant_ref_t ref;
    uint64_t page = t_page(t, 0x77);
    T_REQUIRE_OK(t, os_grant_access(t->os, 0, os_gfn(t->os, page), false,
                                    &ref));
    t_send(t, 0, ref);
    (void)t_recv(t, 1);
}

static void granted_page_released(struct t *t)
{
    /* Released while mapped by the peer: the frame stays, the peer's. */
    grant_ref_t ref;
    uint64_t page = grant_page(t, false, &ref), arg = os_arg(t->os);
    uint64_t gfn = os_gfn(t->os, page), list = arg + 64;
    t_send(t, 0, ref);
    T_EQ(t, t_recv(t, 1), 1);
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};
    memcpy(&r.extent_start, &list, 8);
    arg = os_arg(t->os);
    os_write(t->os, arg, &r, sizeof(r));
    os_store64(t->os, list, gfn);
    T_EQ(t, os_hypercall(t->os, __HYPERVISOR_memory_op,
                         XENMEM_decrease_reservation, arg, 0, 0, 0), 1);
    t_send(t, 0, 0);
    T_EQ(t, t_recv(t, 1), 2);
    T_EQ(t, os_grant_end(t->os, ref), 0);
}

static void granted_page_released_peer(struct t *t)
{
    grant_handle_t h;
    uint64_t at = os_space_alloc(t->os, 1);
    T_EQ(t, map_next(t, GNTMAP_host_map, at, &h), GNTST_okay);
    t_send(t, 1, 1);
    (void)t_recv(t, 0);
    T_EQ(t, os_load8(t->os, at), 0xa5);
    os_store8(t->os, at, 1);
    T_EQ(t, unmap_raw(t, at, h), GNTST_okay);
    t_send(t, 1, 2);
}

/* -- Swapping ------------------------------------------------------------- */

static void swap_subject(struct t *t)
{
    grant_ref_t a, b;
    domid_t peer = t_domid(t, ROLE_PEER);
    uint64_t pa = t_page(t, 1), pb = t_page(t, 2);
    T_REQUIRE_OK(t, os_grant_access(t->os, peer, os_gfn(t->os, pa), false,
                                    &a));
    T_REQUIRE_OK(t, os_grant_access(t->os, peer, os_gfn(t->os, pb), false,
                                    &b));
    struct gnttab_swap_grant_ref s = {.ref_a = a, .ref_b = b};
    T_EQ(t, t_grant_op(t, GNTTABOP_swap_grant_ref, &s, sizeof(s), 1), 0);
    T_EQ(t, s.status, GNTST_okay);
    t_send(t, 0, a);
    T_EQ(t, t_recv(t, 1), 2);
    T_EQ(t, t_grant_op(t, GNTTABOP_swap_grant_ref, &s, sizeof(s), 1), 0);
    T_EQ(t, s.status, GNTST_eagain); /* one is in use */
    s.ref_b = 1u << 30;
    T_EQ(t, t_grant_op(t, GNTTABOP_swap_grant_ref, &s, sizeof(s), 1), 0);
    T_EQ(t, s.status, GNTST_bad_gntref);
    t_send(t, 0, 0);
    (void)t_recv(t, 1);
}

static void swap_peer(struct t *t)
{
    grant_handle_t h;
    uint64_t at = os_space_alloc(t->os, 1);
    T_EQ(t, map_next(t, GNTMAP_host_map, at, &h), GNTST_okay);
    t_send(t, 1, os_load8(t->os, at));
    (void)t_recv(t, 0);
    T_EQ(t, unmap_raw(t, at, h), GNTST_okay);
    t_send(t, 1, 0);
}

#define GT "grant_table.h: "
static const struct tcase cases[] = {
    {"grant_map_shows_the_frame_both_ways",
     "a writable mapping shows the frame; the entry shows reading, writing",
     GT "GTF_reading, GTF_writing", T_NOSTORE, rw_subject, rw_peer, 0, 0},
    {"grant_map_readonly_is_enforced_on_the_entry",
     "a read-only grant maps read-only alone", GT "GTF_readonly",
     T_NOSTORE | T_HOSTILE, ro_subject, ro_peer, 0, 0},
    {"grant_map_readonly_write_crashes_the_writer",
     "a write through a read-only mapping never reaches the frame",
     GT "GNTMAP_readonly", T_NOSTORE | T_HOSTILE | T_CRASHES,
     ro_write_subject, ro_write_peer, 0, 0},
    {"grant_map_bad_reference_is_refused",
     "references not granted or out of range give GNTST errors",
     GT "GNTST_bad_gntref", T_NOSTORE | T_HOSTILE, bad_refs_subject,
     bad_refs_peer, 0, 0},
    {"grant_map_bad_flags_are_refused",
     "a map needs host_map or device_map, and no PTE of a translated guest",
     GT "GNTMAP_*", T_NOSTORE | T_HOSTILE, simple_subject, bad_flags_peer, 0,
     0},
    {"grant_map_by_a_third_domain_is_refused",
     "the entry's domid is who may map", GT "grant_entry_v1.domid",
     T_NOSTORE | T_HOSTILE, not_for_third_subject, not_for_third_peer, 0, 0},
    {"grant_map_of_another_domains_grant_in_use_is_refused",
     "a use by the entry's domid opens it to no other",
     GT "grant_entry_v1.domid", T_NOSTORE | T_HOSTILE, in_use_subject,
     in_use_peer, 0, 0},
    {"grant_map_of_a_frame_not_owned_is_refused",
     "a grant of a hole gives nothing and leaves the entry unused",
     GT "grant_entry_v1.frame", T_NOSTORE | T_HOSTILE, foreign_frame_subject,
     foreign_frame_peer, 0, 0},
    {"grant_map_can_not_be_passed_on",
     "a mapped frame can't be granted by the mapper",
     GT "grant_entry_v1.frame", T_NOSTORE | T_HOSTILE, pass_on_subject,
     pass_on_peer, 0, 0},
    {"grant_unmap_wrong_handle_or_address_is_refused",
     "handle and address must be the mapping's, and once",
     GT "GNTTABOP_unmap_grant_ref", T_NOSTORE | T_HOSTILE, simple_subject,
     unmap_errors_peer, 0, 0},
    {"grant_unmap_leaves_no_stale_translation",
     "after unmap no access reaches the frame; XSA-inspired",
     GT "GNTTABOP_unmap_grant_ref; APM2 15.16",
     T_NOSTORE | T_HOSTILE | T_CRASHES, use_after_unmap_subject,
     use_after_unmap_peer, 0, 0},
    {"grant_map_twice_stays_until_both_are_unmapped",
     "the entry is in use while any mapping lives",
     GT "GNTTABOP_unmap_grant_ref", T_NOSTORE, twice_subject, twice_peer, 0,
     0},
    {"grant_map_batch_statuses_are_each_their_own",
     "one bad operation in a batch spoils no other", GT "status",
     T_NOSTORE | T_HOSTILE, simple_subject, batch_peer, 0, 0},
    {"grant_mapper_death_frees_the_entry",
     "a domain's mappings go with it", GT "GNTTABOP_end_access",
     T_NOSTORE | T_HOSTILE | T_CRASHES, mapper_dies_subject,
     mapper_dies_peer, 0, mapper_dies_control},
    {"grant_frame_outlives_its_dead_granter",
     "a mapped frame stays until the last mapping goes; then all is freed",
     GT "grant mappings hold a reference", T_NOSTORE | T_HOSTILE | T_CONTROL,
     granter_dies_control, granter_dies_peer, 0, 0},
    {"grant_page_released_by_granter_stays_with_mapper",
     "giving back a granted page does not pull it from the mapper",
     GT "XSA: memory and grants", T_NOSTORE | T_HOSTILE,
     granted_page_released, granted_page_released_peer, 0, 0},
    {"grant_swap_exchanges_entries",
     "swap exchanges two unused entries, refuses used ones",
     GT "GNTTABOP_swap_grant_ref", T_NOSTORE, swap_subject, swap_peer, 0, 0},
};
T_SUITE(grants, cases);
