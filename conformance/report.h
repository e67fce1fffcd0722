/*
 * Reports of a conformance run: plain text, TAP 13, JUnit XML and one
 * self-contained HTML page. Files appear whole or not at all.
 */
#ifndef CONFORMANCE_REPORT_H
#define CONFORMANCE_REPORT_H

#include <stdio.h>

#include "conformance/harness.h"

struct report_entry {
    const struct tsuite *suite;
    const struct tcase *tc;
    uint64_t seed; /* the suite's, which replays it */
    struct t_result result; /* console taken over: freed by report_free() */
};

struct report {
    struct report_entry *entries;
    size_t count, cap;
    unsigned verdicts[4]; /* by enum t_verdict */
    uint64_t seed, seeds;
    uint64_t state; /* chained over the results */
    double host_s;
};

/* Takes over r's console. Returns 0, -1 when out of memory. */
int report_add(struct report *rep, const struct tsuite *suite,
               const struct tcase *tc, uint64_t seed, struct t_result *r);
void report_free(struct report *rep);
const char *report_verdict_name(enum t_verdict v);
/* The line that replays an entry, without newline. */
void report_replay_line(const struct report_entry *e, char *buf, size_t len);

/* TAP 13 to out: plan first. */
void report_tap(const struct report *rep, FILE *out);
void report_junit(const struct report *rep, FILE *out);
void report_html(const struct report *rep, FILE *out);
/* Writes beside path, syncs, renames. 0, or -1 with one line in err. */
int report_file(const struct report *rep,
                void (*writer)(const struct report *, FILE *),
                const char *path, char *err, size_t err_len);

#endif
