/*
 * Traces: what happened in a run, record by record. The format is written
 * down in traces/README.md. One object serves both directions: recording
 * appends each event; checking compares each event with the next record of a
 * file and remembers the first difference.
 *
 * It lies outside the arena: a trace always starts from reset.
 */
#ifndef SIM_TRACE_H
#define SIM_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TRACE_VERSION 1
#define TRACE_PAYLOAD_MAX 64

enum trace_type {
    TRACE_CHOICE,     /* a: kind, b: n, c: value */
    TRACE_ENTER,      /* VMRUN: a: vmcb mfn, b: rip, c: eventinj */
    TRACE_EXIT,       /* a: vmcb mfn, b: exitcode, c: exitinfo1 ^ exitinfo2 */
    TRACE_HYPERCALL,  /* a: nr, b: arg0, c: arg1 */
    TRACE_READ,       /* hv's guest accessor: a: maddr, b: len, c: fnv64 */
    TRACE_WRITE,      /* likewise */
    TRACE_ATOMIC,     /* a: maddr, b: old, c: new */
    TRACE_IRQ,        /* a: cpu, b: line */
    TRACE_PORT,       /* a: port | in<<16 | len<<17, c: value */
    TRACE_DISK,       /* a: disk | op<<8, b: sector, c: count | status<<32 */
    TRACE_CHECKPOINT, /* a: hv hash, b: machine hash, c: ordinal */
    TRACE_TYPES
};

struct trace_record {
    uint8_t type; /* enum trace_type */
    uint8_t cpu;
    uint64_t time_ns; /* virtual */
    uint64_t a, b, c;
};

/* What a file says of itself; strings are at most 255 bytes. */
struct trace_header {
    uint32_t version;
    uint64_t seed;
    char scenario[256]; /* what replays it: "case:NAME" */
    char target[64];    /* "sim" */
    char tool[64];      /* version of ringside that wrote it */
};

struct trace;

/* Recording. The file appears under `path` only when trace_close() has
 * written, synced and renamed it. NULL and *err (one line) on failure. */
struct trace *trace_record_open(const char *path,
                                const struct trace_header *h, char *err,
                                size_t err_len);
/* Checking against a file: reads and verifies it whole. *err: one line with
 * file, offset, what is wrong, what would be right. */
struct trace *trace_check_open(const char *path, char *err, size_t err_len);
const struct trace_header *trace_header(const struct trace *t);
uint64_t trace_count(const struct trace *t);
/* Record i (0-based) of a file opened for checking. */
bool trace_get(const struct trace *t, uint64_t i, struct trace_record *out);

/* One event, in either direction; t may be NULL (nothing happens). */
void trace_event(struct trace *t, const struct trace_record *r);

/* Checking: false once an event differed or was surplus. The run may stop
 * there. At the end, trace_finish() also finds records that never came. */
bool trace_ok(const struct trace *t);
bool trace_finish(struct trace *t);
/* The difference in words: record number, both sides. */
void trace_print_divergence(const struct trace *t, FILE *out);
void trace_print_record(const struct trace_record *r, uint64_t index,
                        FILE *out);

const char *trace_type_name(unsigned type); /* "choice", ...; NULL: none */

/* Recording: 0, or -1 and *err; a failed file leaves nothing behind.
 * Checking: frees. */
int trace_close(struct trace *t, char *err, size_t err_len);
/* Recording: throws it away, leaving no file. */
void trace_abandon(struct trace *t);

/* Writes a copy of trace `in` to `out` with record `index`'s field ('a', 'b',
 * 'c', 't' time_ns, 'p' cpu, 'y' type) set to value: how the tests make a
 * false trace. 0, or -1 and *err. */
int trace_alter(const char *in, const char *out, uint64_t index, char field,
                uint64_t value, char *err, size_t err_len);

#endif
