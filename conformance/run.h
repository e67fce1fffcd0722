/*
 * A case while it runs: shared by the runner (harness.c) and the roles' API
 * (roles.c). Lies on the host's heap: nothing of the machine hangs on it but
 * the verdict and the mailboxes.
 */
#ifndef CONFORMANCE_RUN_H
#define CONFORMANCE_RUN_H

#include "conformance/harness.h"
#include "conformance/world.h"

#define RUN_CHANNELS 16
#define RUN_CHANNEL_DEPTH 256
#define RUN_MAX_GUESTS 12
#define RUN_RECV_TIMEOUT_NS 10000000000ULL
#define RUN_CASE_TIMEOUT_NS 120000000000ULL

struct run_role {
    struct t t;
    t_fn *fn;
    bool started, up, done;
    domid_t domid;
};

struct t_case_run {
    const struct tcase *tc;
    struct world *w;
    bool decided;
    enum t_verdict verdict;
    char message[512];
    struct run_role roles[ROLES];
    struct run_role extra[RUN_MAX_GUESTS]; /* t_start_guest() */
    unsigned nr_extra;
    struct {
        uint64_t value[RUN_CHANNEL_DEPTH];
        unsigned head, tail;
    } channel[RUN_CHANNELS];
};

/* The first verdict counts; also stops the machine. */
void run_decide(struct t_case_run *run, enum t_verdict v, const char *text);
/* Free pages, with what the control domain's own bookkeeping has taken since
 * (nested tables of its map space, grant, maptrack and port frames, which grow
 * on demand and stay): equal before a guest is made and after it is gone. */
uint64_t run_free_pages(const struct t_case_run *run);
/* Entry of a role's guest. arg: struct run_role. */
void run_guest_main(struct os *os, void *arg);

#endif
