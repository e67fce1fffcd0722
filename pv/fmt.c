/*
 * A small printf for os_log() and store paths: no floating point, no locale.
 *
 * Invariants:
 *  1. At most cap bytes are written, the NUL included; cap 0 writes nothing.
 *  2. An unknown conversion is printed as it stands, consuming no argument.
 */
#include "pv/lib.h"

struct sink {
    char *dst;
    size_t cap, len;
};

struct spec {
    unsigned width;
    unsigned longs; /* l: 1, ll: 2, z: 1 */
    char pad;
};

static void put(struct sink *s, char c)
{
    if (s->len + 1 < s->cap) {
        s->dst[s->len++] = c;
    }
}

static void put_number(struct sink *s, const struct spec *spec, uint64_t v,
                       unsigned base, bool negative)
{
    char digits[24];
    unsigned n = 0;

    do {
        digits[n++] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v != 0);
    if (negative && spec->pad == '0') {
        put(s, '-');
    }
    for (unsigned w = n + negative; w < spec->width; w++) {
        put(s, spec->pad);
    }
    if (negative && spec->pad != '0') {
        put(s, '-');
    }
    while (n > 0) {
        put(s, digits[--n]);
    }
}

static void put_string(struct sink *s, const struct spec *spec,
                       const char *text)
{
    size_t n;

    if (text == NULL) {
        text = "(null)";
    }
    n = lib_strlen(text);
    for (size_t w = n; w < spec->width; w++) {
        put(s, ' ');
    }
    while (*text != 0) {
        put(s, *text++);
    }
}

static const char *parse_spec(const char *fmt, struct spec *spec)
{
    spec->pad = ' ';
    spec->width = 0;
    spec->longs = 0;
    if (*fmt == '0') {
        spec->pad = '0';
        fmt++;
    }
    while (*fmt >= '0' && *fmt <= '9' && spec->width < 100) {
        spec->width = spec->width * 10 + (unsigned)(*fmt++ - '0');
    }
    while (*fmt == 'l' || *fmt == 'z') {
        spec->longs++;
        fmt++;
    }
    return fmt;
}

/* A va_list travels by pointer in a struct: arrays decay as parameters. */
struct args {
    va_list ap;
};

static uint64_t arg_unsigned(struct args *a, unsigned longs)
{
    if (longs > 1) {
        return va_arg(a->ap, unsigned long long);
    }
    return longs == 1 ? va_arg(a->ap, unsigned long)
                      : va_arg(a->ap, unsigned);
}

static int64_t arg_signed(struct args *a, unsigned longs)
{
    if (longs > 1) {
        return va_arg(a->ap, long long);
    }
    return longs == 1 ? va_arg(a->ap, long) : va_arg(a->ap, int);
}

static void convert(struct sink *s, const struct spec *spec, char c,
                    struct args *a)
{
    int64_t v;

    switch (c) {
    case 's':
        put_string(s, spec, va_arg(a->ap, const char *));
        break;
    case 'c':
        put(s, (char)va_arg(a->ap, int));
        break;
    case 'd':
    case 'i':
        v = arg_signed(a, spec->longs);
        put_number(s, spec, v < 0 ? -(uint64_t)v : (uint64_t)v, 10, v < 0);
        break;
    case 'u':
        put_number(s, spec, arg_unsigned(a, spec->longs), 10, false);
        break;
    case 'x':
        put_number(s, spec, arg_unsigned(a, spec->longs), 16, false);
        break;
    default:
        if (c != '%') {
            put(s, '%');
        }
        put(s, c);
        break;
    }
}

size_t lib_vformat(char *dst, size_t cap, const char *fmt, va_list ap)
{
    struct sink s = { dst, cap, 0 };
    struct spec spec;
    struct args a;

    va_copy(a.ap, ap);
    for (; *fmt != 0; fmt++) {
        if (*fmt != '%') {
            put(&s, *fmt);
            continue;
        }
        fmt = parse_spec(fmt + 1, &spec);
        if (*fmt == 0) {
            break;
        }
        convert(&s, &spec, *fmt, &a);
    }
    va_end(a.ap);
    if (cap > 0) {
        dst[s.len] = 0;
    }
    return s.len;
}

size_t lib_format(char *dst, size_t cap, const char *fmt, ...)
{
    va_list ap;
    size_t n;

    va_start(ap, fmt);
    n = lib_vformat(dst, cap, fmt, ap);
    va_end(ap);
    return n;
}
