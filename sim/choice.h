/*
 * The one source of everything nondeterministic in a simulated run. A draw
 * comes from a seed, a fuzzer's bytes, or an exhaustive enumeration; each is
 * also a trace record.
 */
#ifndef SIM_CHOICE_H
#define SIM_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum choice_kind {
    CHOICE_SLICE,    /* crossings until the next look at other CPUs */
    CHOICE_CPU,      /* which CPU goes on */
    CHOICE_PREEMPT,  /* does an interrupt look pending to a long hypercall */
    CHOICE_TLB,      /* does the processor drop a cached translation */
    CHOICE_DEVICE,   /* latency and order of device completions */
    CHOICE_FAULT,    /* fault injection: fire, and where it tears */
    CHOICE_SCENARIO, /* what a case, a peer or a fuzzer does next */
    CHOICE_KINDS
};

struct trace;

enum choice_mode { CHOICE_SEED, CHOICE_BYTES, CHOICE_ENUM };

/* A value that lies in its machine's arena. */
struct choice {
    enum choice_mode mode;
    uint64_t s[4]; /* CHOICE_SEED: xoshiro256** */
    const uint8_t *bytes;
    size_t len, pos; /* CHOICE_BYTES: past the end every draw is 0 */
    uint64_t draws;
    /* CHOICE_ENUM: the path so far; see choice_enum_next(). */
    uint32_t *path, *path_n;
    size_t path_len, path_cap;
    bool path_full; /* a run drew more often than path_cap: 0 past it */
    /* Told of every draw (NULL: nobody). choice_from_*() and
     * choice_enum_start() leave it alone, so a struct choice starts zeroed. */
    void (*on_draw)(void *ctx, enum choice_kind kind, uint32_t n,
                    uint32_t value);
    void *on_draw_ctx;
};

void choice_from_seed(struct choice *c, uint64_t seed);
void choice_from_bytes(struct choice *c, const uint8_t *bytes, size_t len);

/* Uniform in [0, n), n >= 1 (n == 1 draws nothing). */
uint32_t choice_draw(struct choice *c, enum choice_kind kind, uint32_t n);
/* True one time in n. */
bool choice_one_in(struct choice *c, enum choice_kind kind, uint32_t n);

/* Exhaustive: start with an empty path held by the caller (path, path_n:
 * arrays of cap entries); after a run, advances to the next unexplored path.
 * False when all have been seen. */
void choice_enum_start(struct choice *c, uint32_t *path, uint32_t *path_n,
                       size_t cap);
bool choice_enum_next(struct choice *c);

#endif
