/*
 * Collecting results, and writing report files whole or not at all.
 */
#include "conformance/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int report_add(struct report *rep, const struct tsuite *suite,
               const struct tcase *tc, uint64_t seed, struct t_result *r)
{
    if (rep->count == rep->cap) {
        size_t cap = rep->cap * 2 + 64;
        struct report_entry *grown =
            realloc(rep->entries, cap * sizeof(*grown));
        if (grown == NULL) {
            return -1;
        }
        rep->entries = grown;
        rep->cap = cap;
    }
    rep->entries[rep->count++] = (struct report_entry){
        .suite = suite, .tc = tc, .seed = seed, .result = *r};
    r->console = NULL;
    rep->verdicts[r->verdict]++;
    /* Order matters: the same cases in another order are another run. */
    rep->state = (rep->state ^ r->state ^ (uint64_t)r->verdict) *
                     0x9e3779b97f4a7c15ULL +
                 1;
    return 0;
}

void report_free(struct report *rep)
{
    for (size_t i = 0; i < rep->count; i++) {
        t_result_free(&rep->entries[i].result);
    }
    free(rep->entries);
    memset(rep, 0, sizeof(*rep));
}

const char *report_verdict_name(enum t_verdict v)
{
    static const char *const names[] = {"ok", "FAIL", "skip", "ERROR"};
    return names[v];
}

void report_replay_line(const struct report_entry *e, char *buf, size_t len)
{
    snprintf(buf, len, "build/ringside conform --filter %s --seed %llu",
             e->tc->name, (unsigned long long)e->seed);
}

int report_file(const struct report *rep,
                void (*writer)(const struct report *, FILE *),
                const char *path, char *err, size_t err_len)
{
    char beside[4096];
    if (snprintf(beside, sizeof(beside), "%s.%ld.tmp", path,
                 (long)getpid()) >= (int)sizeof(beside)) {
        snprintf(err, err_len, "%s: the path is too long", path);
        return -1;
    }
    FILE *f = fopen(beside, "wx");
    if (f == NULL) {
        snprintf(err, err_len, "%s: can't be written: %s", path,
                 strerror(errno));
        return -1;
    }
    writer(rep, f);
    bool good = !ferror(f) && fflush(f) == 0 && fsync(fileno(f)) == 0;
    int saved = errno;
    good = fclose(f) == 0 && good;
    if (!good || rename(beside, path) != 0) {
        snprintf(err, err_len, "%s: can't be written: %s", path,
                 strerror(good ? errno : saved));
        unlink(beside);
        return -1;
    }
    return 0;
}
