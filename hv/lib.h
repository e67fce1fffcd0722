/*
 * The four functions that the compiler itself may call, and the only ones of
 * the C library's names that hv/ uses. On metal hv/metal/lib.c has them.
 */
#ifndef HV_LIB_H
#define HV_LIB_H

#include <stddef.h>

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);

#endif
