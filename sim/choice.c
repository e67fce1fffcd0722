/*
 * Draws: from a seed (xoshiro256**, seeded by splitmix64), from a fuzzer's
 * bytes, or along the paths of an exhaustive enumeration.
 *
 * Invariants:
 *  1. A draw's value is in [0, n), whatever the source.
 *  2. Equal sources and equal sequences of n give equal values, on every
 *     compiler and host.
 *  3. Seeded draws are uniform: values that would favour some results are
 *     drawn again.
 *  4. Enumeration: pos <= path_len <= path_cap, and path[i] < path_n[i].
 *
 * Enumeration is a depth-first walk:
 *
 *   choice_enum_start -> run (draws past the path append 0)
 *        ^                 |
 *        |                 v
 *        `-- true -- choice_enum_next -- false: every leaf has been run
 */
#include "sim/choice.h"

/* The sources are public domain: Blackman and Vigna, prng.di.unimi.it. */
static uint64_t splitmix64(uint64_t *x)
{
    uint64_t z = (*x += 0x9e3779b97f4a7c15ULL);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static uint64_t rotl(uint64_t x, unsigned k)
{
    return (x << k) | (x >> (64 - k));
}

static uint64_t xoshiro256ss(uint64_t s[4])
{
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

/* Everything but the listener. */
static void choice_reset(struct choice *c, enum choice_mode mode)
{
    struct choice fresh = {
        .mode = mode, .on_draw = c->on_draw, .on_draw_ctx = c->on_draw_ctx};

    *c = fresh;
}

void choice_from_seed(struct choice *c, uint64_t seed)
{
    choice_reset(c, CHOICE_SEED);
    for (unsigned i = 0; i < 4; i++) {
        c->s[i] = splitmix64(&seed);
    }
}

void choice_from_bytes(struct choice *c, const uint8_t *bytes, size_t len)
{
    choice_reset(c, CHOICE_BYTES);
    c->bytes = bytes;
    c->len = len;
}

void choice_enum_start(struct choice *c, uint32_t *path, uint32_t *path_n,
                       size_t cap)
{
    choice_reset(c, CHOICE_ENUM);
    c->path = path;
    c->path_n = path_n;
    c->path_cap = cap;
}

bool choice_enum_next(struct choice *c)
{
    c->pos = 0;
    c->draws = 0;
    while (c->path_len > 0) {
        size_t last = c->path_len - 1;

        if (c->path[last] + 1 < c->path_n[last]) {
            c->path[last]++;
            return true;
        }
        c->path_len--;
    }
    return false;
}

/* Lemire, "Fast Random Integer Generation in an Interval" (2019). */
static uint32_t draw_seed(struct choice *c, uint32_t n)
{
    uint32_t floor = (0u - n) % n;

    for (;;) {
        uint64_t m = (xoshiro256ss(c->s) >> 32) * n;

        if ((uint32_t)m >= floor) {
            return (uint32_t)(m >> 32);
        }
    }
}

/* As many bytes as n needs, so that a fuzzer's change stays local. */
static uint32_t draw_bytes(struct choice *c, uint32_t n)
{
    unsigned width = n <= 0x100 ? 1 : n <= 0x10000 ? 2 : 4;
    uint32_t raw = 0;

    for (unsigned i = 0; i < width && c->pos < c->len; i++) {
        raw |= (uint32_t)c->bytes[c->pos++] << (8 * i);
    }
    return raw % n;
}

static uint32_t draw_enum(struct choice *c, uint32_t n)
{
    if (c->pos == c->path_len) {
        if (c->path_len == c->path_cap) {
            c->path_full = true;
            return 0;
        }
        c->path[c->path_len] = 0;
        c->path_n[c->path_len] = n;
        c->path_len++;
    } else if (c->path_n[c->pos] != n) {
        /* Same path, other question: the run depends on something that is
         * no choice. Keep invariant 1; the walk below here starts anew. */
        c->path_n[c->pos] = n;
        c->path[c->pos] = c->path[c->pos] < n ? c->path[c->pos] : n - 1;
        c->path_len = c->pos + 1;
    }
    return c->path[c->pos++];
}

uint32_t choice_draw(struct choice *c, enum choice_kind kind, uint32_t n)
{
    uint32_t value = 0;

    if (n <= 1) {
        return 0;
    }
    switch (c->mode) {
    case CHOICE_SEED:
        value = draw_seed(c, n);
        break;
    case CHOICE_BYTES:
        value = draw_bytes(c, n);
        break;
    case CHOICE_ENUM:
        value = draw_enum(c, n);
        break;
    }
    c->draws++;
    if (c->on_draw) {
        c->on_draw(c->on_draw_ctx, kind, n, value);
    }
    return value;
}

/* The last value fires, so that zeroes past a fuzzer's bytes mean "no" (and
 * enumeration tries the quiet path first). */
bool choice_one_in(struct choice *c, enum choice_kind kind, uint32_t n)
{
    return choice_draw(c, kind, n) == n - 1;
}
