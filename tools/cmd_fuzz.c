/*
 * ringside fuzz: finds the fuzzer that `make fuzz` built beside this program,
 * runs it, and says how to replay what it found.
 */
#include "tools/cmd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define OPTIONS_MAX 256

static const char *const targets[] = {"blkback", "hypercall", "xenstore"};

static const char help[] =
    "usage: ringside fuzz TARGET [LIBFUZZER-OPTION|FOLDER|FILE]...\n\n"
    "Fuzzes a part of the system with libFuzzer under the address and\n"
    "undefined-behaviour sanitizers ('make fuzz' builds the targets):\n\n"
    "  blkback    the block backend, against a connected frontend\n"
    "  hypercall  the hypervisor, against an unprivileged guest\n"
    "  xenstore   the store daemon, against a guest on its ring\n\n"
    "With folders of inputs, these are read first and new ones go to the\n"
    "first; with files, each is run once. -max_total_time=N stops after N\n"
    "seconds; -help=1 lists libFuzzer's options.\n\n"
    "Exit status: libFuzzer's; 2 wrong input.\n";

static bool known(const char *name)
{
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        if (strcmp(targets[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* Beside this program: DIR/fuzz/TARGET. */
static int find(const char *name, char *path, size_t len)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n <= 0) {
        return cmd_bad("fuzz: can't find this program: %s", strerror(errno));
    }
    self[n] = '\0';
    *strrchr(self, '/') = '\0';
    if ((size_t)snprintf(path, len, "%s/fuzz/%s", self, name) >= len) {
        return cmd_bad("fuzz: %s: the path is too long", self);
    }
    if (access(path, X_OK) != 0) {
        return cmd_bad("fuzz: %s is not there: run 'make fuzz' first", path);
    }
    return 0;
}

static int run(const char *path, char **argv)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        execv(path, argv);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        return cmd_bad("fuzz: %s: %s", path, strerror(errno));
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int cmd_fuzz(int argc, char **argv)
{
    char path[4200], artifact[128], option[160];
    char *args[OPTIONS_MAX + 4];
    struct stat st;
    int n = 0, status;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
        return 0;
    }
    if (argc < 2 || !known(argv[1])) {
        return cmd_bad("fuzz: takes a target (blkback, hypercall or "
                       "xenstore); see 'ringside fuzz --help'");
    }
    if (argc > OPTIONS_MAX) {
        return cmd_bad("fuzz: more than %d arguments", OPTIONS_MAX);
    }
    status = find(argv[1], path, sizeof(path));
    if (status != 0) {
        return status;
    }
    snprintf(artifact, sizeof(artifact), "crash-%s-%ld", argv[1],
             (long)getpid());
    snprintf(option, sizeof(option), "-exact_artifact_path=%s", artifact);
    args[n++] = path;
    args[n++] = option;
    /* What a machine holds its arena holds; there is nothing to look for. */
    args[n++] = "-detect_leaks=0";
    for (int i = 2; i < argc; i++) {
        args[n++] = argv[i];
    }
    args[n] = NULL;
    fflush(stdout);
    status = run(path, args);
    if (status != 0 && stat(artifact, &st) == 0) {
        fprintf(stderr, "replay: build/ringside fuzz %s %s\n", argv[1],
                artifact);
    }
    return status;
}
