/*
 * What a conformance case is written against. A case is C against a small
 * guest API (pv/os.h, pv/xenbus, pv/guest/builder.h and this file): one
 * source, every target.
 *
 * A case has up to four roles, each a function that runs in a guest:
 *
 *   subject  the guest whose view is tested: an unprivileged domain, or the
 *            control domain itself with T_CONTROL
 *   peer     a second unprivileged domain
 *   vcpu1    a second vCPU of the subject's domain (T_SMP: on another CPU)
 *   control  runs in the control domain beside the others (not T_CONTROL)
 *
 * Verdicts: a failed T_CHECK is a FAILURE, the system under test is wrong; a
 * failed T_REQUIRE is an ERROR, the test could not do what it needed; T_SKIP
 * says that the target lacks something. The first verdict counts and ends
 * the case. Without one, the case has passed when every role has returned,
 * the oracle is content, and destroying the guests gives back every page.
 */
#ifndef CONFORMANCE_HARNESS_H
#define CONFORMANCE_HARNESS_H

#include <stdio.h>

#include "pv/guest/builder.h"
#include "pv/os.h"
#include "pv/xenbus/xs.h"

struct t;
struct world;
typedef void t_fn(struct t *t);

#define T_CONTROL (1u << 0) /* the subject is the control domain */
#define T_HOSTILE (1u << 1) /* the case means harm: counted in the report */
#define T_SMP (1u << 2)     /* two physical CPUs or more */
#define T_DISK (1u << 3)    /* a vbd 51712 on disk 0 for the subject */
#define T_NATIVE (1u << 4)  /* uses the simulated processor directly */
#define T_CRASHES (1u << 5) /* a guest of it is expected to crash */
#define T_NOSTORE (1u << 6) /* needs no xenstore: guests start faster */

struct tcase {
    const char *name;   /* clause and behaviour, lower_case_words */
    const char *clause; /* the rule, in one sentence */
    const char *source; /* where its words stand: "grant_table.h: ..." */
    unsigned flags;
    t_fn *subject, *peer, *vcpu1, *control;
};

/* A file of cases ends with one of these; registry.c lists them. */
struct tsuite {
    const char *name; /* area: grants, evtchn, ... */
    const struct tcase *cases;
    unsigned count;
};
#define T_SUITE(area, array)                                                  \
    const struct tsuite suite_##area = {                                      \
        #area, array, sizeof(array) / sizeof((array)[0])}

enum t_role { ROLE_SUBJECT, ROLE_PEER, ROLE_VCPU1, ROLE_CONTROL, ROLES };

struct t {
    struct os *os;
    struct xs *xs; /* this guest's store connection; NULL with T_NOSTORE and
                      for vcpu1: it is the subject's */
    enum t_role role;
    const struct tcase *tc;
    struct t_case_run *run; /* the harness's */
};

/* -- Verdicts. Each T_* that ends the case does not return. ---------------- */
_Noreturn void t_fail(struct t *t, const char *file, int line,
                      const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
_Noreturn void t_error(struct t *t, const char *file, int line,
                       const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
_Noreturn void t_skip(struct t *t, const char *why);

#define T_CHECK(t, cond)                                                      \
    do {                                                                      \
        if (!(cond)) {                                                        \
            t_fail(t, __FILE__, __LINE__, "%s is false", #cond);              \
        }                                                                     \
    } while (0)
/* Two integers; both are printed. */
#define T_EQ(t, actual, expected)                                             \
    do {                                                                      \
        long long t_a = (long long)(actual), t_e = (long long)(expected);     \
        if (t_a != t_e) {                                                     \
            t_fail(t, __FILE__, __LINE__, "%s is %lld (0x%llx), expected "    \
                   "%s = %lld", #actual, t_a, t_a, #expected, t_e);           \
        }                                                                     \
    } while (0)
#define T_REQUIRE(t, cond)                                                    \
    do {                                                                      \
        if (!(cond)) {                                                        \
            t_error(t, __FILE__, __LINE__, "%s does not hold", #cond);        \
        }                                                                     \
    } while (0)
#define T_REQUIRE_OK(t, call)                                                 \
    do {                                                                      \
        long long t_r = (long long)(call);                                    \
        if (t_r != 0) {                                                       \
            t_error(t, __FILE__, __LINE__, "%s gave %lld", #call, t_r);       \
        }                                                                     \
    } while (0)

/* -- The other roles ------------------------------------------------------- */
/* Waits until the role's guest is up. Domid of a role's domain. */
domid_t t_domid(struct t *t, enum t_role role);
/* A mailbox between roles, beside the system under test: FIFO per channel
 * (0..15), shared by all roles. Receiving waits (in os_wait) at most ten
 * virtual seconds, then the case is an error. */
void t_send(struct t *t, unsigned channel, uint64_t value);
uint64_t t_recv(struct t *t, unsigned channel);
bool t_try_recv(struct t *t, unsigned channel, uint64_t *value);
/* Waits until cond(ctx) or the timeout; false on timeout. */
bool t_wait_until(struct t *t, bool (*cond)(struct t *t, void *ctx),
                  void *ctx, uint64_t timeout_ns);
/* Lets virtual time pass. */
void t_sleep(struct t *t, uint64_t ns);
/* The scenario's own choice: [0, n), a function of the seed. */
uint32_t t_random(struct t *t, uint32_t n);

/* -- Hypercalls, as one line each ------------------------------------------ */
int64_t t_evtchn_op(struct t *t, unsigned cmd, void *arg, size_t len);
int64_t t_grant_op(struct t *t, unsigned cmd, void *ops, size_t len,
                   unsigned count);
int64_t t_memory_op(struct t *t, unsigned cmd, void *arg, size_t len);
int64_t t_sched_op(struct t *t, unsigned cmd, void *arg, size_t len);
int64_t t_vcpu_op(struct t *t, unsigned cmd, unsigned vcpu, void *arg,
                  size_t len);
int64_t t_hvm_op(struct t *t, unsigned cmd, void *arg, size_t len);
/* Fills interface_version; from any domain (the unprivileged get -EPERM). */
int64_t t_domctl(struct t *t, struct xen_domctl *op);
/* A page of the guest's RAM, filled with `fill`; os_gfn gives its frame. */
uint64_t t_page(struct t *t, uint8_t fill);

/* -- For T_CONTROL cases and control roles --------------------------------- */
/* Starts a further unprivileged native guest running fn as `role` PEER's
 * kin: it gets a struct t of its own whose role is ROLE_PEER. Destroyed at
 * the end of the case at the latest. cfg may be NULL. */
domid_t t_start_guest(struct t *t, t_fn *fn,
                      const struct builder_config *cfg);
/* Waits until the domain has shut down; its SHUTDOWN_* code. */
unsigned t_wait_shutdown(struct t *t, domid_t domid);
/* Destroys and waits until it is gone or a zombie. */
void t_destroy_guest(struct t *t, domid_t domid);
/* The hypervisor's free pages, as the oracle counts them (not a hypercall). */
uint64_t t_free_pages(struct t *t);
struct world *t_world(struct t *t);

/* -- Running --------------------------------------------------------------- */
enum t_verdict { V_PASS, V_FAIL, V_SKIP, V_ERROR };

struct t_result {
    enum t_verdict verdict;
    char message[512]; /* one line, "" for a pass */
    char *console;     /* malloc'ed; what the machine printed */
    uint64_t state;    /* machine hash at the end */
    uint64_t hv_state;
    uint64_t virtual_ns;
    double host_s;
};

struct trace;
struct t_options {
    uint64_t seed; /* the suite's; each case derives its own from its name */
    struct trace *trace;
    bool no_oracle;
};

const struct tsuite *const *registry_suites(unsigned *count);
const struct tcase *registry_find(const char *name);
/* Runs one case on a machine of its own; the result's console is freed by
 * t_result_free(). */
void t_run(const struct tcase *tc, const struct t_options *opt,
           struct t_result *out);
void t_result_free(struct t_result *r);

#endif
