/*
 * The two directions of a trace file, as trace.c drives them. The format is
 * traces/README.md's.
 */
#ifndef SIM_TRACE_IMPL_H
#define SIM_TRACE_IMPL_H

#include "sim/trace.h"

#define TRACE_MAGIC "RSTRACE1"
#define TRACE_MAGIC_LEN 8
#define TRACE_TAG_BLOCK 0x314b4c42u /* "BLK1" */
#define TRACE_TAG_END 0x31444e45u   /* "END1" */
#define TRACE_FIXED_LEN 16          /* magic, version, header length */
#define TRACE_BLOCK_HEAD_LEN 16     /* tag, records, raw bytes, bytes */
#define TRACE_END_LEN 20            /* tag, records, checksum */
#define TRACE_BLOCK_RECORDS 16384
#define TRACE_RECORD_MIN 6  /* encoded: type, cpu, four varints */
#define TRACE_RECORD_MAX 42 /* of 1 to 10 bytes each */
#define TRACE_RECORDS_MAX (1ULL << 32)

/* Deltas are against the record before (time) and the last of the same type
 * (a, b, c), both within the block. */
struct trace_codec {
    uint64_t time_ns;
    uint64_t abc[TRACE_TYPES][3];
};

/* Writes at most TRACE_RECORD_MAX bytes; returns how many. */
size_t trace_encode(struct trace_codec *c, const struct trace_record *r,
                    uint8_t *out);
/* Bytes read from [p, p+len), or 0 and *why for an impossible record. */
size_t trace_decode(struct trace_codec *c, const uint8_t *p, size_t len,
                    struct trace_record *out, const char **why);
/* NULL, or why the record can't be. */
const char *trace_record_wrong(const struct trace_record *r);

struct trace_writer;
struct trace_writer *trace_writer_open(const char *path,
                                       const struct trace_header *h, char *err,
                                       size_t err_len);
void trace_writer_add(struct trace_writer *w, const struct trace_record *r);
/* Frees. keep: ends the file and puts it in place; -1 and *err if any of its
 * writes failed. Otherwise nothing remains. */
int trace_writer_close(struct trace_writer *w, bool keep, char *err,
                       size_t err_len);
uint64_t trace_writer_count(const struct trace_writer *w);

struct trace_reader;
struct trace_reader *trace_reader_open(const char *path, struct trace_header *h,
                                       char *err, size_t err_len);
uint64_t trace_reader_count(const struct trace_reader *r);
bool trace_reader_get(struct trace_reader *r, uint64_t index,
                      struct trace_record *out);
void trace_reader_close(struct trace_reader *r);

#endif
