/*
 * hv_log(): the hypervisor's own lines on the machine's console.
 *
 * Invariants:
 *  1. A call writes one line, "(hv) text\n", of at most LOG_LINE_MAX
 *     characters: control characters in arguments come out as '?', so what a
 *     guest can put into an argument can't start a line of its own.
 */
#include "hv/hv.h"

#include <stdarg.h>

#define LOG_LINE_MAX 200

struct line {
    char text[LOG_LINE_MAX];
    size_t len;
};

static void put_char(struct line *l, char c)
{
    if (l->len < sizeof(l->text) - 1) { /* one is kept for the newline */
        l->text[l->len++] = (c >= 0x20 && c < 0x7f) ? c : '?';
    }
}

static void put_string(struct line *l, const char *s)
{
    for (; *s != '\0'; s++) {
        put_char(l, *s);
    }
}

static void put_number(struct line *l, uint64_t n, unsigned base)
{
    char digits[24];
    unsigned count = 0;

    do {
        digits[count++] = "0123456789abcdef"[n % base];
        n /= base;
    } while (n != 0);
    while (count > 0) {
        put_char(l, digits[--count]);
    }
}

static void put_signed(struct line *l, int64_t n)
{
    if (n < 0) {
        put_char(l, '-');
        put_number(l, 0 - (uint64_t)n, 10);
    } else {
        put_number(l, (uint64_t)n, 10);
    }
}

/* One conversion; returns the format's rest. */
static const char *put_conversion(struct line *l, const char *f, va_list *ap)
{
    bool is_long = false;

    while (*f == 'l') {
        is_long = true;
        f++;
    }
    switch (*f) {
    case 's':
        put_string(l, va_arg(*ap, const char *));
        break;
    case 'u':
    case 'x':
        put_number(l,
                   is_long ? va_arg(*ap, unsigned long)
                           : va_arg(*ap, unsigned),
                   *f == 'x' ? 16 : 10);
        break;
    case 'd':
        put_signed(l, is_long ? va_arg(*ap, long) : va_arg(*ap, int));
        break;
    case '\0':
        return f;
    default: /* %% and what there is no conversion for */
        put_char(l, *f);
        break;
    }
    return f + 1;
}

void hv_log(struct hv *hv, const char *fmt, ...)
{
    struct line l;
    va_list ap;

    l.len = 0;
    put_string(&l, "(hv) ");
    va_start(ap, fmt);
    while (*fmt != '\0') {
        if (*fmt == '%') {
            fmt = put_conversion(&l, fmt + 1, &ap);
        } else {
            put_char(&l, *fmt++);
        }
    }
    va_end(ap);
    l.text[l.len++] = '\n';
    plat_console_write(hv->plat, l.text, l.len);
}
