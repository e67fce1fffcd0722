/*
 * ringside trace: looks at traces, and makes false ones for the tests.
 */
#include "tools/cmd.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sim/trace.h"

#define ERR_LEN 4400 /* a path and a sentence */

static const char help[] =
    "usage: ringside trace show [OPTION]... TRACE\n"
    "       ringside trace stat TRACE\n"
    "       ringside trace diff TRACE TRACE\n"
    "       ringside trace alter TRACE OUT RECORD FIELD VALUE\n\n"
    "  show    prints records, one a line: number, virtual time, CPU, what\n"
    "  stat    prints what the trace says of itself and counts its records\n"
    "  diff    prints the first record that differs, both sides\n"
    "  alter   writes a copy with one field (a, b, c, time, cpu, type) of one\n"
    "          record changed: a false trace, which replay must find out\n\n"
    "Options of show:\n"
    "  --from=N    begin with record N (the first is 0)\n"
    "  --count=N   print at most N records\n"
    "  --type=T    only this type: choice, enter, exit, hypercall, read,\n"
    "              write, atomic, irq, port, disk, checkpoint\n"
    "  --help      this text\n\n"
    "Exit status: 0 good, 1 differ, 2 wrong input.\n";

static struct trace *trace_open(const char *path)
{
    char err[ERR_LEN];
    struct trace *t = trace_check_open(path, err, sizeof(err));

    if (!t) {
        cmd_bad("trace: %s", err);
    }
    return t;
}

/* Output that did not arrive is no success. */
static int finish(int status)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        return cmd_bad("trace: the output can't be written");
    }
    return status;
}

/* TRACE_TYPES: none of that name. */
static unsigned type_of(const char *name)
{
    unsigned type = 0;

    while (type < TRACE_TYPES && strcmp(name, trace_type_name(type)) != 0) {
        type++;
    }
    return type;
}

struct show {
    uint64_t from, count;
    unsigned type; /* TRACE_TYPES: all */
};

static int show_options(int argc, char **argv, struct show *s)
{
    static const struct option options[] = {
        {"from", required_argument, NULL, 'f'},
        {"count", required_argument, NULL, 'c'},
        {"type", required_argument, NULL, 't'},
        {NULL, 0, NULL, 0}};
    int o;

    *s = (struct show){.count = ~0ULL, .type = TRACE_TYPES};
    opterr = 0;
    optind = 1;
    while ((o = getopt_long(argc, argv, "+:", options, NULL)) != -1) {
        uint64_t *number = o == 'f' ? &s->from : &s->count;

        if (o == ':') {
            return cmd_bad("trace show: %s needs a value", argv[optind - 1]);
        }
        if (o == '?') {
            return cmd_bad("trace show: '%s' is not an option; see 'ringside "
                           "trace --help'",
                           argv[optind - 1]);
        }
        if (o == 't') {
            s->type = type_of(optarg);
            if (s->type == TRACE_TYPES) {
                return cmd_bad("trace show: '%s' is not a type; see "
                               "'ringside trace --help'",
                               optarg);
            }
        } else if (!cmd_parse_u64(optarg, number)) {
            return cmd_bad("trace show: '%s' is not a number", optarg);
        }
    }
    if (argc - optind != 1) {
        return cmd_bad("trace show: takes one trace");
    }
    return 0;
}

static int trace_show(int argc, char **argv)
{
    struct trace_record r;
    struct trace *t;
    struct show s;

    if (show_options(argc, argv, &s) != 0) {
        return 2;
    }
    t = trace_open(argv[optind]);
    if (!t) {
        return 2;
    }
    for (uint64_t i = s.from; s.count > 0 && trace_get(t, i, &r); i++) {
        if (s.type == TRACE_TYPES || s.type == r.type) {
            trace_print_record(&r, i, stdout);
            s.count--;
        }
    }
    trace_close(t, NULL, 0);
    return finish(0);
}

static int trace_stat(int argc, char **argv)
{
    uint64_t counts[TRACE_TYPES] = {0}, end_ns = 0;
    const struct trace_header *h;
    struct trace_record r;
    struct trace *t;

    if (argc != 2) {
        return cmd_bad("trace stat: takes one trace");
    }
    t = trace_open(argv[1]);
    if (!t) {
        return 2;
    }
    for (uint64_t i = 0; trace_get(t, i, &r); i++) {
        counts[r.type]++;
        end_ns = r.time_ns > end_ns ? r.time_ns : end_ns;
    }
    h = trace_header(t);
    printf("version %" PRIu32 "\nscenario %s\nseed %" PRIu64
           "\ntarget %s\ntool %s\ntime_ns %" PRIu64 "\nrecords %" PRIu64 "\n",
           h->version, h->scenario, h->seed, h->target, h->tool, end_ns,
           trace_count(t));
    for (unsigned i = 0; i < TRACE_TYPES; i++) {
        printf("%s %" PRIu64 "\n", trace_type_name(i), counts[i]);
    }
    trace_close(t, NULL, 0);
    return finish(0);
}

static bool diff_headers(const struct trace *a, const struct trace *b)
{
    const struct trace_header *x = trace_header(a), *y = trace_header(b);

    if (strcmp(x->scenario, y->scenario) == 0 && x->seed == y->seed) {
        return false;
    }
    printf("of different runs: %s, seed %" PRIu64 " and %s, seed %" PRIu64 "\n",
           x->scenario, x->seed, y->scenario, y->seed);
    return true;
}

static int diff(const char *path_a, const char *path_b)
{
    struct trace *a = trace_open(path_a), *b = NULL;
    struct trace_record r;
    int status = 2;

    if (a) {
        b = trace_open(path_b);
    }
    if (b) {
        bool other = diff_headers(a, b);

        for (uint64_t i = 0; trace_ok(a) && trace_get(b, i, &r); i++) {
            trace_event(a, &r);
        }
        status = trace_finish(a) && !other ? 0 : 1;
        /* Its words are replay's: `trace` is the first, `run` the second. */
        trace_print_divergence(a, stdout);
        trace_close(b, NULL, 0);
    }
    if (a) {
        trace_close(a, NULL, 0);
    }
    return status == 2 ? 2 : finish(status);
}

static int trace_diff(int argc, char **argv)
{
    if (argc != 3) {
        return cmd_bad("trace diff: takes two traces");
    }
    return diff(argv[1], argv[2]);
}

static int trace_change(int argc, char **argv)
{
    static const struct {
        const char *name;
        char field;
    } fields[] = {{"a", 'a'},    {"b", 'b'},   {"c", 'c'},
                  {"time", 't'}, {"cpu", 'p'}, {"type", 'y'}};
    char err[ERR_LEN], field = 0;
    uint64_t record, value;

    if (argc != 6) {
        return cmd_bad("trace alter: takes TRACE OUT RECORD FIELD VALUE");
    }
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (strcmp(argv[4], fields[i].name) == 0) {
            field = fields[i].field;
        }
    }
    if (!field) {
        return cmd_bad("trace alter: '%s' is not a field; a, b, c, time, cpu "
                       "and type are",
                       argv[4]);
    }
    if (!cmd_parse_u64(argv[3], &record) || !cmd_parse_u64(argv[5], &value)) {
        return cmd_bad("trace alter: '%s' is not a number",
                       cmd_parse_u64(argv[3], &record) ? argv[5] : argv[3]);
    }
    if (trace_alter(argv[1], argv[2], record, field, value, err, sizeof(err)) !=
        0) {
        return cmd_bad("trace: %s", err);
    }
    return 0;
}

int cmd_trace(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {{"show", trace_show},
                    {"stat", trace_stat},
                    {"diff", trace_diff},
                    {"alter", trace_change}};

    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(help, stdout);
            return finish(0);
        }
    }
    for (size_t i = 0; argc > 1 && i < 4; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    return cmd_bad("trace: takes show, stat, diff or alter; see 'ringside "
                   "trace --help'");
}
