/*
 * The oracle: a second opinion on isolation, kept independently of the
 * hypervisor's own tables (DESIGN.md, decision 12).
 *
 * It watches the seam: hypercalls with their arguments as the hypervisor
 * fetched them and the results as it wrote them, and every access of a guest.
 * From these it keeps its own ledger of who owns which frame, which grant is
 * mapped by whom, and which event channels exist. It compares the ledger
 * with the hypervisor's tables over what a step touched, and in full, with a
 * walk of every nested page table and TLB, in model_check().
 */
#ifndef CONFORMANCE_MODEL_H
#define CONFORMANCE_MODEL_H

#include <stdint.h>

struct machine;
struct model;

/* Becomes the machine's observer. `violation` gets one line for the first
 * breach; later ones are counted only. Lies on the host's heap. */
struct model *model_create(struct machine *m,
                           void (*violation)(void *ctx, const char *text),
                           void *ctx);
void model_destroy(struct model *model);
/* Everything, from scratch. Returns the number of violations so far. */
unsigned model_check(struct model *model);
/* How much it looked at: hypercalls followed, accesses judged, full checks. */
struct model_stats {
    uint64_t hypercalls, accesses, full_checks, violations;
};
const struct model_stats *model_stats(const struct model *model);

/* The ledger beside a machine's snapshot: taken when that is, loaded after
 * each restore. NULL when the host has no memory. */
struct model_saved;
struct model_saved *model_save(const struct model *model);
void model_load(struct model *model, const struct model_saved *s);
void model_saved_free(struct model_saved *s);

#endif
