/*
 * The sub-commands of ringside. Each takes its own name as argv[0] and
 * returns the exit status: 0 good, 1 the thing looked at is not good, 2 the
 * input is wrong (one line on stderr).
 */
#ifndef TOOLS_CMD_H
#define TOOLS_CMD_H

#include <stdbool.h>
#include <stdint.h>

#define RINGSIDE_VERSION "0.1.0"

int cmd_conform(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_fuzz(int argc, char **argv);
int cmd_bench(int argc, char **argv);

/* A whole decimal or 0x number; false otherwise. */
bool cmd_parse_u64(const char *text, uint64_t *out);
/* One line on stderr: "ringside: ..."; returns 2. */
int cmd_bad(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
