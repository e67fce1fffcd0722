/*
 * ringside bench: chooses benchmarks, prints the median of their rounds.
 */
#include "tools/cmd.h"

#include <fnmatch.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tools/bench.h"

#define ROUNDS_MAX 99
#define ROUND_MS_MAX 600000

struct options {
    const char *filter; /* NULL: all */
    uint64_t rounds, round_ms;
    bool list;
};

static const char help[] =
    "usage: ringside bench [OPTION]...\n\n"
    "Measures the simulator on this host. One JSON line a benchmark on\n"
    "stdout: {\"name\":..., \"unit\":..., \"value\":...}, the median of its\n"
    "rounds; progress on stderr. Units end in /s but for 's': there less is\n"
    "better. Run it on an idle machine.\n\n"
    "  --filter GLOB  only benchmarks whose name matches\n"
    "  --list         print the chosen names, run none\n"
    "  --rounds N     rounds of each (default 3)\n"
    "  --round-ms N   host milliseconds a round at least (default 1000)\n"
    "  --help         this text\n\n"
    "'make bench' prints them beside tools/bench-baseline.jsonl.\n\n"
    "Exit status: 0 all measured, 1 one could not be, 2 wrong input.\n";

static const struct bench_group *const groups[] = {&bench_calls, &bench_block,
                                                   &bench_lives};
#define GROUPS (sizeof(groups) / sizeof(groups[0]))

static bool take_number(const char *text, uint64_t max, uint64_t *out)
{
    return cmd_parse_u64(text, out) && *out >= 1 && *out <= max;
}

/* Returns -1 to go on, else the exit status. */
static int parse(int argc, char **argv, struct options *o)
{
    static const struct option longs[] = {
        {"filter", required_argument, NULL, 'f'},
        {"list", no_argument, NULL, 'l'},
        {"rounds", required_argument, NULL, 'r'},
        {"round-ms", required_argument, NULL, 'm'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0}};
    int c;
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
        switch (c) {
        case 'f':
            o->filter = optarg;
            break;
        case 'l':
            o->list = true;
            break;
        case 'h':
            fputs(help, stdout);
            return 0;
        case 'r':
            if (!take_number(optarg, ROUNDS_MAX, &o->rounds)) {
                return cmd_bad("bench: --rounds '%s' is not a number from 1 "
                               "to %d", optarg, ROUNDS_MAX);
            }
            break;
        case 'm':
            if (!take_number(optarg, ROUND_MS_MAX, &o->round_ms)) {
                return cmd_bad("bench: --round-ms '%s' is not a number from "
                               "1 to %d", optarg, ROUND_MS_MAX);
            }
            break;
        case ':':
            return cmd_bad("bench: %s needs a value; see 'ringside bench "
                           "--help'", argv[optind - 1]);
        default:
            return cmd_bad("bench: '%s' is not an option; see 'ringside "
                           "bench --help'", argv[optind - 1]);
        }
    }
    if (optind < argc) {
        return cmd_bad("bench: '%s' is one argument too many; benchmarks are "
                       "chosen with --filter", argv[optind]);
    }
    return -1;
}

static int compare_values(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

static bool measure(const struct options *o, const struct bench *b)
{
    double values[ROUNDS_MAX];
    for (uint64_t i = 0; i < o->rounds; i++) {
        if (!b->run(b, o->round_ms * 1000000, &values[i])) {
            return false;
        }
        fprintf(stderr, "bench: %s: %.2f %s\n", b->name, values[i], b->unit);
    }
    qsort(values, o->rounds, sizeof(values[0]), compare_values);
    double median = (values[(o->rounds - 1) / 2] + values[o->rounds / 2]) / 2;
    printf("{\"name\":\"%s\",\"unit\":\"%s\",\"value\":%.*f}\n", b->name,
           b->unit, median < 1000 ? 2 : 0, median);
    fflush(stdout);
    return true;
}

int cmd_bench(int argc, char **argv)
{
    struct options o = {.rounds = 3, .round_ms = 1000};
    unsigned chosen = 0, failed = 0;
    int rc = parse(argc, argv, &o);
    if (rc >= 0) {
        return rc;
    }
    for (size_t g = 0; g < GROUPS; g++) {
        for (unsigned i = 0; i < groups[g]->count; i++) {
            const struct bench *b = &groups[g]->benches[i];
            if (o.filter != NULL && fnmatch(o.filter, b->name, 0) != 0) {
                continue;
            }
            chosen++;
            if (o.list) {
                printf("%s\t%s\n", b->name, b->unit);
            } else {
                failed += !measure(&o, b);
            }
        }
    }
    if (chosen == 0) {
        return cmd_bad("bench: --filter '%s' matches no benchmark; --list "
                       "shows their names", o.filter);
    }
    return failed == 0 ? 0 : 1;
}
