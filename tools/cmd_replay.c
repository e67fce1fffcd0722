/*
 * ringside replay: runs what a trace says it recorded, from reset and with
 * the trace's seed, and compares every event with the next record.
 */
#include "tools/cmd.h"

#include <stdio.h>
#include <string.h>

#include "conformance/harness.h"
#include "sim/trace.h"

static const char help[] =
    "usage: ringside replay TRACE\n\n"
    "Runs the recorded case again and checks every record and checkpoint.\n\n"
    "Exit status: 0 identical; 1 diverged: the first record that differs,\n"
    "with both sides; 2 not a trace this version can replay.\n";

static int replay(const char *path)
{
    char err[4400];
    struct t_result r;
    struct t_options opt = {0};
    struct trace *t = trace_check_open(path, err, sizeof(err));
    if (t == NULL) {
        return cmd_bad("replay: %s", err);
    }
    const struct trace_header *h = trace_header(t);
    const struct tcase *tc = NULL;
    if (strncmp(h->scenario, "case:", 5) == 0) {
        tc = registry_find(h->scenario + 5);
    }
    if (tc == NULL) {
        cmd_bad("replay: %s: scenario '%s' is not one this version has; "
                "'ringside conform --list' shows the cases", path,
                h->scenario);
        trace_close(t, err, sizeof(err));
        return 2;
    }
    opt.seed = h->seed;
    opt.trace = t;
    uint64_t count = trace_count(t);
    t_run(tc, &opt, &r);
    bool same = trace_finish(t);
    if (same) {
        printf("%s: %llu records identical (%s, seed %llu)\n", path,
               (unsigned long long)count, tc->name,
               (unsigned long long)h->seed);
    } else {
        printf("%s: diverged\n", path);
        trace_print_divergence(t, stdout);
    }
    fflush(stdout);
    fprintf(stderr, "state 0x%016llx\n", (unsigned long long)r.state);
    t_result_free(&r);
    trace_close(t, err, sizeof(err));
    return same ? 0 : 1;
}

int cmd_replay(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
        return 0;
    }
    if (argc != 2 || argv[1][0] == '-') {
        return cmd_bad("replay: takes one trace file; see 'ringside replay "
                       "--help'");
    }
    return replay(argv[1]);
}
