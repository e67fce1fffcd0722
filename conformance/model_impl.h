/*
 * The oracle's ledger: shared by its watching half (model.c) and its walking
 * half (model_walk.c). Nothing here is copied from the hypervisor's tables;
 * they are what it is compared with.
 */
#ifndef CONFORMANCE_MODEL_IMPL_H
#define CONFORMANCE_MODEL_IMPL_H

#include "conformance/model.h"
#include "hv/hv.h"
#include "sim/sim.h"

#define MODEL_NOBODY 0xffff /* no domid is that high: DOMID_FIRST_RESERVED */
#define MODEL_TOUCHED_MAX 64
#define MODEL_SCRIBBLED_MAX 256
#define MODEL_SUSPECTS_MAX 64

struct model_ref {
    uint16_t granter;
    uint32_t ref;
};

/* A grant in use, as the guest-visible entry shows it: the hypervisor set
 * GTF_reading (and GTF_writing) there, and has not cleared it again. */
struct model_pin {
    uint16_t granter, grantee; /* domids */
    uint32_t ref;
    uint64_t gfn, mfn;
    bool writing, have_frame;
};

/* What the hypervisor is doing on a CPU since it left guest mode. */
struct model_step {
    bool in_hypercall;
    uint16_t caller; /* domid */
    uint64_t nr, arg0;
};

struct model {
    struct machine *m;
    void (*violation)(void *ctx, const char *text);
    void *ctx;
    struct model_stats stats;
    uint64_t frames;
    uint16_t *owner; /* by mfn: the domid that was seen to use it as its own */
    struct model_pin *pins;
    unsigned nr_pins, cap_pins;
    struct model_step step[HV_MAX_PCPUS];
    struct {
        uint16_t granter;
        uint32_t ref;
    } touched[MODEL_TOUCHED_MAX];
    unsigned nr_touched;
    bool touched_overflow;
    /* Entries whose owner wrote what is the hypervisor's to write, and those
     * to be looked at for it: model_scribble.c. */
    struct model_ref scribbled[MODEL_SCRIBBLED_MAX];
    struct model_ref suspects[MODEL_SUSPECTS_MAX];
    unsigned nr_scribbled, nr_suspects;
    bool scribbled_all;
    uint32_t *maps, *writable_maps; /* full walk's counts, by mfn */
};

void model_violation(struct model *o, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Our own walk of a domain's nested tables, raw: the machine frame that gfn
 * leads to, -1 if none. */
int64_t model_translate(struct model *o, const struct domain *d, uint64_t gfn,
                        bool *writable);
/* Does any gfn of d lead to mfn? */
bool model_reaches(struct model *o, const struct domain *d, uint64_t mfn);
/* Is mfn opened to the grantee (for writing) by a grant in use? */
bool model_grants(struct model *o, uint16_t granter, uint16_t grantee,
                  uint64_t mfn, bool writing);
struct model_pin *model_pin_of(struct model *o, uint16_t granter,
                               uint32_t ref);
bool model_scribbled(const struct model *o, uint16_t granter, uint32_t ref);
bool model_scribbled_grants(struct model *o, uint16_t granter,
                            uint16_t grantee, uint64_t mfn, bool writing);
void model_see_scribble(struct model *o, const struct domain *d, maddr_t ma,
                        size_t len);
void model_settle_scribbles(struct model *o);
struct domain *model_domain(struct model *o, uint16_t domid);
/* One look at grant (granter, ref) on both sides. */
void model_compare_grant(struct model *o, uint16_t granter, uint32_t ref);

#endif
