/* What to say when the process crashes under a case. */
#ifndef TOOLS_CRASH_H
#define TOOLS_CRASH_H

/* Once, before the first machine. */
void crash_install(void);
/* The command that replays what runs next; at most 510 characters. */
void crash_line(const char *replay);

#endif
