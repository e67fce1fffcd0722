/*
 * Fuzz target: hypercalls of an unprivileged guest, each typed: numbers that
 * exist, handles, ports, references and frames that may. The peer is another
 * guest that has granted it a little (one page for writing, one for reading,
 * one to the control domain alone) and keeps secrets. Sub-operations and
 * structures: fuzz/hypercall_ops.c.
 */
#include "fuzz/hypercall.h"

#include <string.h>

#include "pv/os/native.h"
#include "sim/cpu/native.h"

/* Whatever is delivered to it, it goes on. */
static void swallow(struct native *n, void *arg, uint8_t vector,
                    uint32_t code)
{
    (void)n;
    (void)arg;
    (void)vector;
    (void)code;
}

static void prepare(struct caller *c, struct t *t)
{
    memset(c, 0, sizeof(*c));
    c->t = t;
    c->victim = t_domid(t, ROLE_PEER);
    c->space = os_space_alloc(t->os, CALLER_SPACE);
    for (unsigned i = 0; i < CALLER_PAGES; i++) {
        c->pages[i] = t_page(t, 0x77);
    }
    T_REQUIRE_OK(t, os_grant_access(t->os, c->victim,
                                    os_gfn(t->os, c->pages[0]), false,
                                    &c->own_ref));
    native_set_handler(os_native(t->os), swallow, NULL);
}

/* Its own grant entries are a guest's to write, whole or in part. */
static void write_grant(struct caller *c)
{
    struct t *t = c->t;
    uint64_t at = os_grant_table(t->os, 0) + 8ULL * (8 + t_random(t, 8));
    struct grant_entry_v1 e = {.flags = GTF_permit_access};
    if (t_random(t, 4) == 0) {
        e.flags = (uint16_t)t_random(t, 0x10000);
    } else if (t_random(t, 2)) {
        e.flags |= GTF_readonly;
    }
    e.domid = caller_domid(c);
    e.frame = (uint32_t)caller_gfn(c);
    os_write(t->os, at, &e, sizeof(e));
}

/* What it can reach it uses: the oracle judges each access. */
static void touch(struct caller *c)
{
    struct t *t = c->t;
    uint64_t at = c->space + OS_PAGE_SIZE * t_random(t, CALLER_SPACE);
    at = t_random(t, 4) ? at : c->pages[t_random(t, CALLER_PAGES)];
    if (t_random(t, 2)) {
        (void)os_load64(t->os, at + 8 * t_random(t, 512));
    } else {
        os_store64(t->os, at + 8 * t_random(t, 512), 0xbad);
    }
}

static void subject(struct t *t)
{
    static const uint32_t ns[] = {0, 1000, 100000, 1000000};
    struct caller *c = os_malloc(t->os, sizeof(*c));
    T_REQUIRE(t, c != NULL);
    prepare(c, t);
    fuzz_begin(t);
    while (fuzz_more(t)) {
        switch (t_random(t, 12)) {
        case 9:
            write_grant(c);
            break;
        case 10:
            touch(c);
            break;
        case 11:
            os_wait(t->os, fuzz_pick(t, ns, 4));
            break;
        default:
            caller_call(c);
            break;
        }
    }
}

static void peer(struct t *t)
{
    struct fuzz *f = fuzz_of(t);
    domid_t subject = 0;
    for (unsigned i = 0; i < FUZZ_PAGES_MAX; i++) {
        f->secrets[i] = os_pages_alloc(t->os, 1);
        T_REQUIRE(t, f->secrets[i] != 0);
        for (unsigned j = 0; j < OS_PAGE_SIZE / 8; j++) {
            os_store64(t->os, f->secrets[i] + 8 * j, FUZZ_SECRET + j);
        }
    }
    /* Not t_domid(): the subject waits for us to be up. */
    while ((subject = f->run.roles[ROLE_SUBJECT].domid) == 0) {
        os_wait(t->os, 10000);
    }
    T_REQUIRE_OK(t, os_grant_access(t->os, subject,
                                    os_gfn(t->os, t_page(t, 0x33)), false,
                                    &f->refs[0]));
    for (unsigned i = 1; i < FUZZ_PAGES_MAX; i++) {
        T_REQUIRE_OK(t, os_grant_access(t->os, i == 1 ? subject : 0,
                                        os_gfn(t->os, f->secrets[i]), true,
                                        &f->refs[i]));
    }
    for (unsigned i = 0; i < FUZZ_PAGES_MAX; i++) {
        T_REQUIRE_OK(t, os_evtchn_alloc_unbound(t->os, i < 2 ? subject : 0,
                                                &f->ports[i]));
    }
    fuzz_peer_wait(t);
    for (unsigned i = 0; i < FUZZ_PAGES_MAX; i++) {
        for (unsigned j = 0; j < OS_PAGE_SIZE / 8; j++) {
            T_EQ(t, os_load64(t->os, f->secrets[i] + 8 * j),
                 FUZZ_SECRET + j);
        }
    }
}

const struct fuzz_target fuzz_target = {"hypercall", T_NOSTORE, subject,
                                        peer};
