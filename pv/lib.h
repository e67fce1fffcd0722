/*
 * The few string helpers that freestanding driver code needs. memcpy and its
 * kin are the compiler's own: every environment supplies them.
 */
#ifndef PV_LIB_H
#define PV_LIB_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct os;

void *memcpy(void *dst, const void *src, size_t len);
void *memmove(void *dst, const void *src, size_t len);
void *memset(void *dst, int c, size_t len);
int memcmp(const void *a, const void *b, size_t len);

size_t lib_strlen(const char *s);
bool lib_streq(const char *a, const char *b);
bool lib_starts(const char *s, const char *prefix);
/* First occurrence of c in the len bytes at s; len when there is none. */
size_t lib_find(const char *s, size_t len, char c);
/* Copies at most cap - 1 bytes and ends with NUL; false when cut. */
bool lib_copy(char *dst, size_t cap, const char *src);

/* NUL-terminated copies in private memory; NULL when out. */
char *lib_strdup(struct os *os, const char *s);
char *lib_memdup(struct os *os, const char *s, size_t len);

/* All of s is a decimal number of at most `max`, at least one digit. */
bool lib_parse_uint(const char *s, uint64_t max, uint64_t *out);

/* printf subset: %s %d %i %u %x %c %% with l, ll, z; width and 0 flag.
 * Writes at most cap bytes, NUL included; returns what was written without
 * the NUL. */
size_t lib_vformat(char *dst, size_t cap, const char *fmt, va_list ap);
size_t lib_format(char *dst, size_t cap, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
