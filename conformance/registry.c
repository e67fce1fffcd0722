/*
 * The list of suites: a new file of cases adds its suite here and nowhere
 * else.
 */
#include "conformance/harness.h"

#include <string.h>

#define SUITES(X)                                                             \
    X(version)                                                                \
    X(memory)                                                                 \
    X(grants)                                                                 \
    X(grant_table)                                                            \
    X(grant_copy)                                                             \
    X(evtchn)                                                                 \
    X(sched)                                                                  \
    X(vcpu)                                                                   \
    X(hvm)                                                                    \
    X(domctl)                                                                 \
    X(privilege)                                                              \
    X(isolation)                                                              \
    X(xenstore)                                                               \
    X(xenstore_watch)                                                         \
    X(xenstore_wire)                                                          \
    X(xenbus)                                                                 \
    X(block)                                                                  \
    X(block_ring)                                                             \
    X(block_hostile)                                                          \
    X(block_hostile_ring)                                                     \
    X(block_hostile_backend)                                                  \
    X(race)

#define DECLARE(name) extern const struct tsuite suite_##name;
SUITES(DECLARE)

const struct tsuite *const *registry_suites(unsigned *count)
{
#define ENTRY(name) &suite_##name,
    static const struct tsuite *const suites[] = {SUITES(ENTRY)};
    *count = sizeof(suites) / sizeof(suites[0]);
    return suites;
}

const struct tcase *registry_find(const char *name)
{
    unsigned n;
    const struct tsuite *const *suites = registry_suites(&n);
    for (unsigned i = 0; i < n; i++) {
        for (unsigned k = 0; k < suites[i]->count; k++) {
            if (strcmp(suites[i]->cases[k].name, name) == 0) {
                return &suites[i]->cases[k];
            }
        }
    }
    return NULL;
}
