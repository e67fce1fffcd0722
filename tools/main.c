/*
 * ringside: the command. Dispatch and what all sub-commands share.
 */
#include "tools/cmd.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *does;
} commands[] = {
    {"conform", cmd_conform, "run the conformance suite"},
    {"replay", cmd_replay, "run a trace again and check every record"},
    {"trace", cmd_trace, "look at traces: show, stat, diff, alter"},
    {"fuzz", cmd_fuzz, "fuzz a part of the system"},
    {"bench", cmd_bench, "measure the simulator: JSON lines"},
};

bool cmd_parse_u64(const char *text, uint64_t *out)
{
    char *end;
    if (*text < '0' || *text > '9') {
        return false;
    }
    errno = 0;
    *out = strtoull(text, &end, 0);
    return errno == 0 && *end == '\0';
}

int cmd_bad(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("ringside: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    return 2;
}

static void usage(FILE *out)
{
    fputs("usage: ringside COMMAND [OPTION]...\n\n"
          "A deterministic Xen-compatible hypervisor simulator and protocol\n"
          "conformance harness.\n\nCommands:\n",
          out);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].does);
    }
    fputs("\n  --help     this text; 'ringside COMMAND --help' for more\n"
          "  --version  print the version\n\n"
          "Exit status: 0 good, 1 failed or differs, 2 wrong input.\n",
          out);
}

/* A verdict that could not be written is no verdict. */
static int flushed(int status)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        return cmd_bad("standard output: %s",
                       strerror(errno != 0 ? errno : EIO));
    }
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        usage(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        usage(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("ringside " RINGSIDE_VERSION);
        return 0;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            return flushed(commands[i].run(argc - 1, argv + 1));
        }
    }
    return cmd_bad("'%s' is not a command; 'ringside --help' lists them",
                   argv[1]);
}
