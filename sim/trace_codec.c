/*
 * Records as bytes: traces/README.md, "Records". Deltas wrap around 2^64, so
 * that every value can be written; small ones of either sign are short.
 */
#include "sim/trace_impl.h"

#include "hv/plat.h"

static size_t varint_put(uint8_t *out, uint64_t v)
{
    size_t n = 0;

    for (; v >= 0x80; v >>= 7) {
        out[n++] = (uint8_t)(v | 0x80);
    }
    out[n++] = (uint8_t)v;
    return n;
}

/* 0 if [p, p+len) holds no whole varint of 64 bits at most. */
static size_t varint_get(const uint8_t *p, size_t len, uint64_t *v)
{
    *v = 0;
    for (size_t n = 0; n < len && n < 10; n++) {
        if (n == 9 && p[n] > 1) {
            return 0;
        }
        *v |= (uint64_t)(p[n] & 0x7f) << (7 * n);
        if (!(p[n] & 0x80)) {
            return n + 1;
        }
    }
    return 0;
}

static uint64_t zigzag(uint64_t delta)
{
    return (delta << 1) ^ (0 - (delta >> 63));
}

static uint64_t unzigzag(uint64_t v)
{
    return (v >> 1) ^ (0 - (v & 1));
}

size_t trace_encode(struct trace_codec *c, const struct trace_record *r,
                    uint8_t *out)
{
    uint64_t *last = c->abc[r->type];
    const uint64_t now[3] = {r->a, r->b, r->c};
    size_t n = 0;

    out[n++] = r->type;
    out[n++] = r->cpu;
    n += varint_put(out + n, zigzag(r->time_ns - c->time_ns));
    c->time_ns = r->time_ns;
    for (unsigned i = 0; i < 3; i++) {
        n += varint_put(out + n, zigzag(now[i] - last[i]));
        last[i] = now[i];
    }
    return n;
}

const char *trace_record_wrong(const struct trace_record *r)
{
    if (r->type >= TRACE_TYPES) {
        return "unknown type";
    }
    if (r->cpu >= HV_MAX_PCPUS) {
        return "no such CPU";
    }
    return NULL;
}

size_t trace_decode(struct trace_codec *c, const uint8_t *p, size_t len,
                    struct trace_record *out, const char **why)
{
    struct trace_record r = {0};
    uint64_t v[4];
    size_t n = 2;

    *why = "it runs past its block's end";
    if (len < TRACE_RECORD_MIN) {
        return 0;
    }
    r.type = p[0];
    r.cpu = p[1];
    for (unsigned i = 0; i < 4; i++) {
        size_t used = varint_get(p + n, len - n, &v[i]);

        if (used == 0) {
            *why = "a number longer than 64 bits or its block";
            return 0;
        }
        n += used;
    }
    *why = trace_record_wrong(&r);
    if (*why) {
        return 0;
    }
    r.time_ns = c->time_ns += unzigzag(v[0]);
    r.a = c->abc[r.type][0] += unzigzag(v[1]);
    r.b = c->abc[r.type][1] += unzigzag(v[2]);
    r.c = c->abc[r.type][2] += unzigzag(v[3]);
    *out = r;
    return n;
}
