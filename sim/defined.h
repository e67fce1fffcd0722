/*
 * Under memcheck, bytes that enter a machine must have been written by
 * somebody: what was on a stack by accident would differ from one build to
 * the next, and memcheck alone tells only where it is decided upon, which may
 * be another domain, much later. Checked at the writer. Elsewhere: nothing.
 */
#ifndef SIM_DEFINED_H
#define SIM_DEFINED_H

#include <stddef.h>

#if defined(__has_include)
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#define SIM_MEMCHECK 1
#endif
#endif

static inline void sim_defined(const void *p, size_t len)
{
#ifdef SIM_MEMCHECK
    (void)VALGRIND_CHECK_MEM_IS_DEFINED(p, len);
#else
    (void)p;
    (void)len;
#endif
}

#endif
