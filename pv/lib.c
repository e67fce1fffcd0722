/*
 * String helpers of the drivers.
 *
 * Invariants:
 *  1. No function reads past a NUL, or past the length it was given.
 *  2. What is written is NUL-terminated.
 */
#include "pv/lib.h"

#include "pv/os.h"

size_t lib_strlen(const char *s)
{
    size_t n = 0;

    while (s[n] != 0) {
        n++;
    }
    return n;
}

bool lib_streq(const char *a, const char *b)
{
    while (*a != 0 && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

bool lib_starts(const char *s, const char *prefix)
{
    while (*prefix != 0) {
        if (*s++ != *prefix++) {
            return false;
        }
    }
    return true;
}

size_t lib_find(const char *s, size_t len, char c)
{
    size_t n = 0;

    while (n < len && s[n] != c) {
        n++;
    }
    return n;
}

bool lib_copy(char *dst, size_t cap, const char *src)
{
    size_t n = lib_strlen(src);
    bool fits = n < cap;

    if (!fits) {
        n = cap - 1;
    }
    memcpy(dst, src, n);
    dst[n] = 0;
    return fits;
}

char *lib_memdup(struct os *os, const char *s, size_t len)
{
    char *p = os_malloc(os, len + 1);

    if (p != NULL) {
        memcpy(p, s, len);
        p[len] = 0;
    }
    return p;
}

char *lib_strdup(struct os *os, const char *s)
{
    return lib_memdup(os, s, lib_strlen(s));
}

bool lib_parse_uint(const char *s, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;

    if (*s == 0) {
        return false;
    }
    for (; *s != 0; s++) {
        unsigned digit = (unsigned)(*s - '0');

        if (*s < '0' || *s > '9' || v > max / 10 ||
            digit > max - v * 10) {
            return false;
        }
        v = v * 10 + digit;
    }
    *out = v;
    return true;
}
