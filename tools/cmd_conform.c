/*
 * ringside conform: chooses cases, runs them, writes the reports.
 */
#include "tools/cmd.h"

#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "conformance/harness.h"
#include "conformance/report.h"
#include "sim/trace.h"
#include "tools/crash.h"

#define FILTERS_MAX 64

struct options {
    const char *filters[FILTERS_MAX];
    unsigned nr_filters;
    const char *junit, *html, *record;
    uint64_t seed, seeds;
    bool list, tap, verbose;
};

static const char help[] =
    "usage: ringside conform [OPTION]...\n\n"
    "Runs the conformance cases, each on a simulated machine of its own.\n"
    "Closes with 'N passed, N failed, N skipped' on stdout and, last on\n"
    "stderr, 'state 0x...': the hash of every machine's final state.\n\n"
    "  --list         print the chosen cases, run none: name, hostile or -,\n"
    "                 source, clause, separated by tabs\n"
    "  --filter GLOB  only cases whose name, or area/name, matches; may be\n"
    "                 given more than once\n"
    "  --target T     where to run: sim (the only one so far)\n"
    "  --seed N       seed of all that is nondeterministic (default 1)\n"
    "  --seeds K      run with seeds N .. N+K-1 (default 1); prints failures\n"
    "                 and totals\n"
    "  --record DIR   one trace a case: DIR/NAME.trace\n"
    "  --tap          TAP 13 on stdout instead of plain lines\n"
    "  --junit FILE   JUnit XML\n"
    "  --html FILE    a self-contained page with the clause table\n"
    "  --verbose      print each case's hashes, virtual time and console\n"
    "  --help         this text\n\n"
    "Exit status: 0 none failed, 1 some did, 2 wrong input.\n";

/* One option that takes a value. Returns -1 to go on, else the exit status. */
static int take_value(struct options *o, int c, const char *value)
{
    switch (c) {
    case 'f':
        if (o->nr_filters == FILTERS_MAX) {
            return cmd_bad("conform: more than %d filters", FILTERS_MAX);
        }
        o->filters[o->nr_filters++] = value;
        return -1;
    case 't':
        if (strcmp(value, "sim") != 0) {
            return cmd_bad("conform: target '%s' is not known; known: sim",
                           value);
        }
        return -1;
    case 's':
        if (!cmd_parse_u64(value, &o->seed)) {
            return cmd_bad("conform: --seed '%s' is not a number from 0 to "
                           "2^64-1", value);
        }
        return -1;
    case 'k':
        if (!cmd_parse_u64(value, &o->seeds) || o->seeds == 0 ||
            o->seeds > 100000000) {
            return cmd_bad("conform: --seeds '%s' is not a number from 1 to "
                           "100000000", value);
        }
        return -1;
    case 'r':
        o->record = value;
        return -1;
    case 'j':
        o->junit = value;
        return -1;
    default:
        o->html = value;
        return -1;
    }
}

/* Returns -1 to go on, else the exit status. */
static int parse(int argc, char **argv, struct options *o)
{
    static const struct option longs[] = {
        {"list", no_argument, NULL, 'l'},
        {"filter", required_argument, NULL, 'f'},
        {"target", required_argument, NULL, 't'},
        {"seed", required_argument, NULL, 's'},
        {"seeds", required_argument, NULL, 'k'},
        {"record", required_argument, NULL, 'r'},
        {"tap", no_argument, NULL, 'T'},
        {"junit", required_argument, NULL, 'j'},
        {"html", required_argument, NULL, 'H'},
        {"verbose", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0}};
    int c, status;
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
        switch (c) {
        case 'l':
            o->list = true;
            break;
        case 'T':
            o->tap = true;
            break;
        case 'v':
            o->verbose = true;
            break;
        case 'h':
            fputs(help, stdout);
            return 0;
        case ':':
            return cmd_bad("conform: %s needs a value; see 'ringside "
                           "conform --help'", argv[optind - 1]);
        case '?':
            return cmd_bad("conform: '%s' is not an option; see 'ringside "
                           "conform --help'", argv[optind - 1]);
        default:
            status = take_value(o, c, optarg);
            if (status >= 0) {
                return status;
            }
        }
    }
    if (optind < argc) {
        return cmd_bad("conform: '%s' is one argument too many; cases are "
                       "chosen with --filter", argv[optind]);
    }
    return -1;
}

static bool chosen(const struct options *o, const struct tsuite *s,
                   const struct tcase *tc)
{
    char full[256];
    snprintf(full, sizeof(full), "%s/%s", s->name, tc->name);
    for (unsigned i = 0; i < o->nr_filters; i++) {
        if (fnmatch(o->filters[i], tc->name, 0) == 0 ||
            fnmatch(o->filters[i], full, 0) == 0) {
            return true;
        }
    }
    return o->nr_filters == 0;
}

static bool any_chosen(const struct options *o)
{
    unsigned n;
    const struct tsuite *const *suites = registry_suites(&n);
    for (unsigned i = 0; i < n; i++) {
        for (unsigned k = 0; k < suites[i]->count; k++) {
            if (chosen(o, suites[i], &suites[i]->cases[k])) {
                return true;
            }
        }
    }
    return false;
}

static void list_cases(const struct options *o)
{
    unsigned n;
    const struct tsuite *const *suites = registry_suites(&n);
    for (unsigned i = 0; i < n; i++) {
        for (unsigned k = 0; k < suites[i]->count; k++) {
            const struct tcase *tc = &suites[i]->cases[k];
            if (chosen(o, suites[i], tc)) {
                printf("%s/%s\t%s\t%s\t%s\n", suites[i]->name, tc->name,
                       tc->flags & T_HOSTILE ? "hostile" : "-", tc->source,
                       tc->clause);
            }
        }
    }
}

static void print_result(const struct options *o,
                         const struct report_entry *e)
{
    char line[256];
    const struct t_result *r = &e->result;
    bool bad = r->verdict == V_FAIL || r->verdict == V_ERROR;
    if (!o->tap && (bad || o->seeds == 1)) {
        printf("%-5s %s/%s%s%s\n", report_verdict_name(r->verdict),
               e->suite->name, e->tc->name, r->message[0] ? ": " : "",
               r->message);
        if (bad) {
            report_replay_line(e, line, sizeof(line));
            printf("      replay: %s\n", line);
        }
        if (o->verbose) {
            printf("      state 0x%016llx hv 0x%016llx, %llu ns\n",
                   (unsigned long long)r->state,
                   (unsigned long long)r->hv_state,
                   (unsigned long long)r->virtual_ns);
            fputs(r->console != NULL ? r->console : "", stdout);
        }
        fflush(stdout);
    }
}

/* Opens the case's trace when recording; false after one line. */
static bool open_trace(const struct options *o, const struct tcase *tc,
                       uint64_t seed, struct trace **trace)
{
    char path[4096], err[512];
    struct trace_header h = {.version = TRACE_VERSION, .seed = seed};
    *trace = NULL;
    if (o->record == NULL) {
        return true;
    }
    snprintf(h.scenario, sizeof(h.scenario), "case:%s", tc->name);
    snprintf(h.target, sizeof(h.target), "sim");
    snprintf(h.tool, sizeof(h.tool), "ringside " RINGSIDE_VERSION);
    if (o->seeds == 1) {
        snprintf(path, sizeof(path), "%s/%s.trace", o->record, tc->name);
    } else {
        snprintf(path, sizeof(path), "%s/%s.%llu.trace", o->record, tc->name,
                 (unsigned long long)seed);
    }
    *trace = trace_record_open(path, &h, err, sizeof(err));
    if (*trace == NULL) {
        cmd_bad("conform: %s", err);
        return false;
    }
    return true;
}

static double now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Returns false after one line when the run itself can't go on. */
static bool run_one(const struct options *o, struct report *rep,
                    const struct tsuite *s, const struct tcase *tc,
                    uint64_t seed)
{
    struct t_options opt = {.seed = seed};
    struct t_result r;
    char err[512];
    if (!open_trace(o, tc, seed, &opt.trace)) {
        return false;
    }
    report_replay_line(&(struct report_entry){.tc = tc, .seed = seed}, err,
                       sizeof(err));
    crash_line(err);
    t_run(tc, &opt, &r);
    if (opt.trace != NULL && trace_close(opt.trace, err, sizeof(err)) != 0) {
        t_result_free(&r);
        cmd_bad("conform: %s", err);
        return false;
    }
    bool keep = o->seeds == 1 || r.verdict != V_PASS;
    struct report_entry e = {.suite = s, .tc = tc, .seed = seed, .result = r};
    print_result(o, &e);
    if (report_add(rep, s, tc, seed, &r) != 0) {
        cmd_bad("conform: out of memory after %zu results", rep->count);
        return false;
    }
    if (!keep) { /* ten thousand seeds: totals, not a table of passes */
        t_result_free(&rep->entries[--rep->count].result);
    }
    return true;
}

static bool run_all(const struct options *o, struct report *rep)
{
    unsigned n;
    const struct tsuite *const *suites = registry_suites(&n);
    double start = now_s(), said = start;
    bool tty = isatty(2);
    for (uint64_t seed = o->seed; seed - o->seed < o->seeds; seed++) {
        for (unsigned i = 0; i < n; i++) {
            for (unsigned k = 0; k < suites[i]->count; k++) {
                const struct tcase *tc = &suites[i]->cases[k];
                if (!chosen(o, suites[i], tc)) {
                    continue;
                }
                if (!run_one(o, rep, suites[i], tc, seed)) {
                    return false;
                }
                double now = now_s();
                if (now - said > 2 && (tty || o->seeds > 1) &&
                    (tty || now - said > 20)) {
                    fprintf(stderr, "conform: seed %llu, %u done, %.0f s\n",
                            (unsigned long long)seed,
                            rep->verdicts[0] + rep->verdicts[1] +
                                rep->verdicts[2] + rep->verdicts[3],
                            now - start);
                    said = now;
                }
            }
        }
    }
    rep->host_s = now_s() - start;
    return true;
}

static int finish(const struct options *o, struct report *rep)
{
    char err[4400];
    unsigned bad = rep->verdicts[V_FAIL] + rep->verdicts[V_ERROR];
    if (o->tap) {
        report_tap(rep, stdout);
    } else {
        if (rep->verdicts[V_ERROR] != 0) {
            printf("%u of the failed are errors of the case\n",
                   rep->verdicts[V_ERROR]);
        }
        printf("%u passed, %u failed, %u skipped\n", rep->verdicts[V_PASS],
               bad, rep->verdicts[V_SKIP]);
    }
    fflush(stdout);
    if (o->junit != NULL &&
        report_file(rep, report_junit, o->junit, err, sizeof(err)) != 0) {
        return cmd_bad("conform: %s", err);
    }
    if (o->html != NULL &&
        report_file(rep, report_html, o->html, err, sizeof(err)) != 0) {
        return cmd_bad("conform: %s", err);
    }
    fprintf(stderr, "state 0x%016llx\n", (unsigned long long)rep->state);
    return bad == 0 ? 0 : 1;
}

int cmd_conform(int argc, char **argv)
{
    struct options o = {.seed = 1, .seeds = 1};
    struct report rep = {0};
    int rc = parse(argc, argv, &o);
    if (rc >= 0) {
        return rc;
    }
    if (o.list) {
        list_cases(&o);
        return 0;
    }
    if (!any_chosen(&o)) {
        return cmd_bad("conform: --filter '%s' matches no case; --list shows "
                       "their names", o.filters[0]);
    }
    crash_install();
    rep.seed = o.seed;
    rep.seeds = o.seeds;
    if (o.record != NULL && mkdir(o.record, 0777) != 0 && errno != EEXIST) {
        return cmd_bad("conform: --record %s: %s", o.record,
                       strerror(errno));
    }
    rc = run_all(&o, &rep) ? finish(&o, &rep) : 2;
    report_free(&rep);
    return rc;
}
