/*
 * When a driver under test takes the process with it: one line that replays
 * the case, before the host's own end (core dump, debugger) takes its course.
 * Sanitizers report better by themselves: with them this file does nothing.
 */
#include "tools/crash.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define CRASH_SANITIZED 1
#else
#define CRASH_SANITIZED 0
#endif

/* A signal handler has no argument to find it by. */
static char line[512];
static volatile sig_atomic_t line_len;
static char handler_stack[65536];

static void crashed(int sig)
{
    static const char said[] = "ringside: the process crashed; replay: ";
    if (line_len > 0) {
        ssize_t n = write(2, said, sizeof(said) - 1);
        n = write(2, line, (size_t)line_len);
        (void)n;
    }
    signal(sig, SIG_DFL);
    raise(sig);
}

void crash_install(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    struct sigaction sa = {.sa_handler = crashed, .sa_flags = SA_ONSTACK};
    stack_t stack = {.ss_size = sizeof(handler_stack),
                     .ss_sp = handler_stack};
    if (CRASH_SANITIZED || sigaltstack(&stack, NULL) != 0) {
        return;
    }
    for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        sigaction(signals[i], &sa, NULL);
    }
}

void crash_line(const char *replay)
{
    line_len = 0;
    snprintf(line, sizeof(line), "%s\n", replay);
    line_len = (sig_atomic_t)strlen(line);
}
