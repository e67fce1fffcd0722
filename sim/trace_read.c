/*
 * Reading trace files. The file is held as it is; one block at a time is
 * unpacked, so that memory is bounded by the file's length and not by what it
 * claims to unpack to.
 *
 * A file is hostile until trace_reader_open() has returned it:
 *
 *   magic, version -> fits together (walk) -> checksum -> every record
 *
 * Invariants, once open:
 *  1. blocks[] cover records 0 .. total-1 without a gap.
 *  2. Every block unpacks to exactly its records, all possible ones.
 */
#include "sim/trace_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

#define RAW_MAX (TRACE_BLOCK_RECORDS * TRACE_RECORD_MAX)
#define FILE_MAX (8ULL << 30)

struct block {
    size_t offset; /* of its head in the file */
    uint64_t first;
    uint32_t records, raw_len, len;
};

struct trace_reader {
    const char *path; /* the caller's, while opening */
    uint8_t *file;
    size_t len;
    struct block *blocks;
    size_t nr_blocks, cap_blocks;
    uint64_t total;
    ZSTD_DCtx *zstd;
    uint8_t *raw;
    size_t unpacked; /* the block in records[]; ~0 none */
    struct trace_record *records;
    char *err;
    size_t err_len;
};

__attribute__((format(printf, 3, 4))) static bool
reader_fail(struct trace_reader *r, size_t offset, const char *fmt, ...)
{
    int n = snprintf(r->err, r->err_len, "%s: offset %zu: ", r->path, offset);
    va_list ap;

    va_start(ap, fmt);
    if (n >= 0 && (size_t)n < r->err_len) {
        vsnprintf(r->err + n, r->err_len - (size_t)n, fmt, ap);
    }
    va_end(ap);
    return false;
}

static uint32_t get32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

static uint64_t get64(const uint8_t *p)
{
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static bool reader_load(struct trace_reader *r)
{
    int fd = open(r->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0) {
        snprintf(r->err, r->err_len, "%s: %s", r->path, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        snprintf(r->err, r->err_len, "%s: not a regular file", r->path);
    } else if ((uint64_t)st.st_size > FILE_MAX) {
        snprintf(r->err, r->err_len, "%s: longer than 8 GiB", r->path);
    } else {
        size_t cap = (size_t)st.st_size;
        ssize_t n = 1;

        r->file = malloc(cap + 1);
        while (r->file && r->len < cap && n > 0) {
            n = read(fd, r->file + r->len, cap - r->len);
            r->len += n > 0 ? (size_t)n : 0;
        }
        close(fd);
        if (r->file && n >= 0) {
            return true;
        }
        snprintf(r->err, r->err_len, "%s: can't be read: %s", r->path,
                 r->file ? strerror(errno) : "no memory");
        return false;
    }
    if (fd >= 0) {
        close(fd);
    }
    return false;
}

/* Whole up to an end marker: then what does not fit is damage, not loss. */
static bool reader_has_end(const struct trace_reader *r)
{
    return r->len >= TRACE_FIXED_LEN + TRACE_END_LEN &&
           get32(r->file + r->len - TRACE_END_LEN) == TRACE_TAG_END;
}

static bool reader_check_sum(struct trace_reader *r)
{
    uint64_t stored = get64(r->file + r->len - 8);
    uint64_t sum = XXH64(r->file, r->len - 8, 0);

    if (stored != sum) {
        return reader_fail(r, r->len - 8,
                           "checksum mismatch: the file was changed "
                           "(it says %016" PRIx64 ", its bytes %016" PRIx64 ")",
                           stored, sum);
    }
    return true;
}

static bool reader_check_start(struct trace_reader *r)
{
    size_t n = r->len < TRACE_MAGIC_LEN ? r->len : TRACE_MAGIC_LEN;
    uint32_t version;

    if (n == 0 || memcmp(r->file, TRACE_MAGIC, n) != 0) {
        return reader_fail(r, 0, "not a trace: it does not begin with '%s'",
                           TRACE_MAGIC);
    }
    if (r->len < TRACE_FIXED_LEN) {
        return reader_fail(r, r->len,
                           "truncated: the file ends within its "
                           "header");
    }
    version = get32(r->file + 8);
    if (version > TRACE_VERSION) {
        return reader_fail(r, 8,
                           "version %" PRIu32 ", this ringside reads up to %d",
                           version, TRACE_VERSION);
    }
    if (version == 0) {
        return reader_fail(r, 8,
                           "version 0 does not exist, this ringside "
                           "reads up to %d",
                           TRACE_VERSION);
    }
    if (!reader_has_end(r)) {
        return reader_fail(r, r->len,
                           "truncated: the file ends without an "
                           "end marker");
    }
    return reader_check_sum(r);
}

static bool get_string(struct trace_reader *r, size_t *at, size_t end,
                       char *out, size_t cap)
{
    size_t len;

    if (*at >= end) {
        return reader_fail(r, *at, "impossible header: it is too short");
    }
    len = r->file[*at];
    if (len >= cap || len > end - *at - 1) {
        return reader_fail(r, *at,
                           "impossible header: a string of %zu bytes "
                           "where there is room for %zu",
                           len, cap - 1);
    }
    for (size_t i = 0; i < len; i++) {
        uint8_t c = r->file[*at + 1 + i];

        if (c < 0x20 || c == 0x7f) {
            return reader_fail(r, *at + 1 + i,
                               "impossible header: control "
                               "character in a string");
        }
        out[i] = (char)c;
    }
    out[len] = 0;
    *at += 1 + len;
    return true;
}

/* Returns the offset of the first block in *at. */
static bool reader_header(struct trace_reader *r, struct trace_header *h,
                          size_t *at)
{
    size_t room = r->len - TRACE_FIXED_LEN - TRACE_END_LEN;
    size_t len = get32(r->file + 12), end = TRACE_FIXED_LEN + len;

    if (len < 8 || len > room) {
        return reader_fail(r, 12, "impossible header: length %zu", len);
    }
    h->version = get32(r->file + 8);
    h->seed = get64(r->file + TRACE_FIXED_LEN);
    *at = TRACE_FIXED_LEN + 8;
    if (!get_string(r, at, end, h->scenario, sizeof(h->scenario)) ||
        !get_string(r, at, end, h->target, sizeof(h->target)) ||
        !get_string(r, at, end, h->tool, sizeof(h->tool))) {
        return false;
    }
    if (*at != end) {
        return reader_fail(r, *at, "impossible header: %zu bytes too many",
                           end - *at);
    }
    return true;
}

static bool reader_add_block(struct trace_reader *r, const struct block *b)
{
    if (r->nr_blocks == r->cap_blocks) {
        size_t cap = r->cap_blocks ? r->cap_blocks * 2 : 16;
        struct block *more = realloc(r->blocks, cap * sizeof(*more));

        if (!more) {
            return reader_fail(r, b->offset, "no memory");
        }
        r->blocks = more;
        r->cap_blocks = cap;
    }
    r->blocks[r->nr_blocks++] = *b;
    r->total += b->records;
    return true;
}

static bool reader_walk(struct trace_reader *r, size_t at)
{
    size_t end = r->len - TRACE_END_LEN;

    while (at < end) {
        const uint8_t *p = r->file + at;
        struct block b = {.offset = at, .first = r->total};

        if (end - at < TRACE_BLOCK_HEAD_LEN || get32(p) != TRACE_TAG_BLOCK) {
            return reader_fail(r, at,
                               "impossible block: no block begins "
                               "here");
        }
        b.records = get32(p + 4);
        b.raw_len = get32(p + 8);
        b.len = get32(p + 12);
        if (b.records == 0 || b.records > TRACE_BLOCK_RECORDS ||
            b.raw_len < b.records * TRACE_RECORD_MIN ||
            b.raw_len > b.records * TRACE_RECORD_MAX) {
            return reader_fail(r, at + 4,
                               "impossible block: %" PRIu32 " records in "
                               "%" PRIu32 " bytes",
                               b.records, b.raw_len);
        }
        if (b.len > end - at - TRACE_BLOCK_HEAD_LEN) {
            return reader_fail(r, at + 12,
                               "impossible block: it is longer "
                               "than the file");
        }
        if (!reader_add_block(r, &b)) {
            return false;
        }
        at += TRACE_BLOCK_HEAD_LEN + b.len;
    }
    if (get64(r->file + end + 4) != r->total || r->total > TRACE_RECORDS_MAX) {
        return reader_fail(r, end + 4,
                           "impossible count: the end marker says %" PRIu64
                           " records, the blocks hold %" PRIu64,
                           get64(r->file + end + 4), r->total);
    }
    return true;
}

static bool reader_unpack(struct trace_reader *r, size_t index)
{
    const struct block *b = &r->blocks[index];
    struct trace_codec codec = {0};
    const char *why = NULL;
    size_t at = 0, n;

    r->unpacked = ~(size_t)0;
    n = ZSTD_decompressDCtx(r->zstd, r->raw, b->raw_len,
                            r->file + b->offset + TRACE_BLOCK_HEAD_LEN, b->len);
    if (ZSTD_isError(n) || n != b->raw_len) {
        return reader_fail(r, b->offset + TRACE_BLOCK_HEAD_LEN,
                           "impossible block: it does not unpack to %" PRIu32
                           " bytes",
                           b->raw_len);
    }
    for (uint32_t i = 0; i < b->records; i++) {
        n = trace_decode(&codec, r->raw + at, b->raw_len - at, &r->records[i],
                         &why);
        if (n == 0) {
            return reader_fail(r, b->offset,
                               "impossible record %" PRIu64 ": %s",
                               b->first + i, why);
        }
        at += n;
    }
    if (at != b->raw_len) {
        return reader_fail(r, b->offset,
                           "impossible block: %zu bytes after its records",
                           b->raw_len - at);
    }
    r->unpacked = index;
    return true;
}

static bool reader_begin(struct trace_reader *r, struct trace_header *h)
{
    size_t at = 0;

    r->zstd = ZSTD_createDCtx();
    r->raw = malloc(RAW_MAX);
    r->records = calloc(TRACE_BLOCK_RECORDS, sizeof(*r->records));
    if (!r->zstd || !r->raw || !r->records) {
        snprintf(r->err, r->err_len, "%s: no memory", r->path);
        return false;
    }
    if (!reader_load(r) || !reader_check_start(r) ||
        !reader_header(r, h, &at) || !reader_walk(r, at)) {
        return false;
    }
    for (size_t i = 0; i < r->nr_blocks; i++) {
        if (!reader_unpack(r, i)) {
            return false;
        }
    }
    return true;
}

struct trace_reader *trace_reader_open(const char *path, struct trace_header *h,
                                       char *err, size_t err_len)
{
    struct trace_reader *r = calloc(1, sizeof(*r));

    if (!r) {
        snprintf(err, err_len, "%s: no memory", path);
        return NULL;
    }
    r->path = path;
    r->err = err;
    r->err_len = err_len;
    r->unpacked = ~(size_t)0;
    if (!reader_begin(r, h)) {
        trace_reader_close(r);
        return NULL;
    }
    r->path = "";
    r->err = NULL;
    r->err_len = 0;
    return r;
}

uint64_t trace_reader_count(const struct trace_reader *r)
{
    return r->total;
}

bool trace_reader_get(struct trace_reader *r, uint64_t index,
                      struct trace_record *out)
{
    size_t low = 0, high = r->nr_blocks;

    if (index >= r->total) {
        return false;
    }
    if (r->unpacked != ~(size_t)0 &&
        index - r->blocks[r->unpacked].first < r->blocks[r->unpacked].records) {
        *out = r->records[index - r->blocks[r->unpacked].first];
        return true;
    }
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;

        if (r->blocks[mid].first <= index) {
            low = mid;
        } else {
            high = mid;
        }
    }
    /* Verified when the file was opened: only memory can fail here. */
    if (!reader_unpack(r, low)) {
        return false;
    }
    *out = r->records[index - r->blocks[low].first];
    return true;
}

void trace_reader_close(struct trace_reader *r)
{
    if (r) {
        ZSTD_freeDCtx(r->zstd);
        free(r->file);
        free(r->blocks);
        free(r->raw);
        free(r->records);
        free(r);
    }
}
