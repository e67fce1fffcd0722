/*
 * Writing trace files: block by block, with bounded memory however long the
 * run. The file grows beside its place and is renamed when whole.
 *
 * Invariants:
 *  1. `sum` covers every byte written so far.
 *  2. After the first failed write nothing more is written, and close says so
 *     and removes the file.
 */
#include "sim/trace_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

#define TRACE_ZSTD_LEVEL 3
#define RAW_MAX (TRACE_BLOCK_RECORDS * TRACE_RECORD_MAX)

struct trace_writer {
    char *path, *beside;
    int fd, error; /* errno of the first failure */
    XXH64_state_t *sum;
    ZSTD_CCtx *zstd;
    uint8_t *raw, *out;
    size_t raw_len;
    uint32_t records; /* in raw */
    uint64_t total;
    struct trace_codec codec;
};

static void put32(uint8_t *p, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++) {
        p[i] = (uint8_t)(v >> (8 * i));
    }
}

static void put64(uint8_t *p, uint64_t v)
{
    put32(p, (uint32_t)v);
    put32(p + 4, (uint32_t)(v >> 32));
}

static void writer_put(struct trace_writer *w, const void *data, size_t len)
{
    const uint8_t *p = data;

    XXH64_update(w->sum, data, len);
    while (len > 0 && !w->error) {
        ssize_t n = write(w->fd, p, len);

        if (n < 0 && errno != EINTR) {
            w->error = errno;
        } else if (n > 0) {
            p += n;
            len -= (size_t)n;
        }
    }
}

static void writer_flush(struct trace_writer *w)
{
    uint8_t head[TRACE_BLOCK_HEAD_LEN];
    size_t len;

    if (w->records == 0) {
        return;
    }
    len = ZSTD_compressCCtx(w->zstd, w->out, ZSTD_compressBound(RAW_MAX),
                            w->raw, w->raw_len, TRACE_ZSTD_LEVEL);
    if (ZSTD_isError(len)) {
        w->error = w->error ? w->error : ENOMEM;
        len = 0;
    }
    put32(head, TRACE_TAG_BLOCK);
    put32(head + 4, w->records);
    put32(head + 8, (uint32_t)w->raw_len);
    put32(head + 12, (uint32_t)len);
    writer_put(w, head, sizeof(head));
    writer_put(w, w->out, len);
    w->records = 0;
    w->raw_len = 0;
    memset(&w->codec, 0, sizeof(w->codec));
}

static size_t put_string(uint8_t *p, const char *s, size_t max)
{
    size_t len = strnlen(s, max - 1);

    p[0] = (uint8_t)len;
    memcpy(p + 1, s, len);
    return 1 + len;
}

static void writer_header(struct trace_writer *w, const struct trace_header *h)
{
    uint8_t buf[TRACE_FIXED_LEN + 8 + 3 * 256];
    size_t n = TRACE_FIXED_LEN;

    memcpy(buf, TRACE_MAGIC, TRACE_MAGIC_LEN);
    put32(buf + 8, TRACE_VERSION);
    put64(buf + n, h->seed);
    n += 8;
    n += put_string(buf + n, h->scenario, sizeof(h->scenario));
    n += put_string(buf + n, h->target, sizeof(h->target));
    n += put_string(buf + n, h->tool, sizeof(h->tool));
    put32(buf + 12, (uint32_t)(n - TRACE_FIXED_LEN));
    writer_put(w, buf, n);
}

static void writer_free(struct trace_writer *w)
{
    if (w->fd >= 0) {
        close(w->fd);
    }
    XXH64_freeState(w->sum);
    ZSTD_freeCCtx(w->zstd);
    free(w->raw);
    free(w->out);
    free(w->path);
    free(w->beside);
    free(w);
}

struct trace_writer *trace_writer_open(const char *path,
                                       const struct trace_header *h, char *err,
                                       size_t err_len)
{
    struct trace_writer *w = calloc(1, sizeof(*w));

    if (w) {
        w->fd = -1;
        w->path = strdup(path);
        w->beside = malloc(strlen(path) + sizeof(".XXXXXX"));
        w->sum = XXH64_createState();
        w->zstd = ZSTD_createCCtx();
        w->raw = malloc(RAW_MAX);
        w->out = malloc(ZSTD_compressBound(RAW_MAX));
    }
    if (!w || !w->path || !w->beside || !w->sum || !w->zstd || !w->raw ||
        !w->out) {
        snprintf(err, err_len, "%s: no memory to record a trace", path);
    } else {
        strcpy(w->beside, path);
        strcat(w->beside, ".XXXXXX");
        w->fd = mkstemp(w->beside);
        if (w->fd >= 0) {
            XXH64_reset(w->sum, 0);
            writer_header(w, h);
            return w;
        }
        snprintf(err, err_len, "%s: can't be written: %s", path,
                 strerror(errno));
    }
    if (w) {
        writer_free(w);
    }
    return NULL;
}

void trace_writer_add(struct trace_writer *w, const struct trace_record *r)
{
    w->raw_len += trace_encode(&w->codec, r, w->raw + w->raw_len);
    w->total++;
    if (++w->records == TRACE_BLOCK_RECORDS) {
        writer_flush(w);
    }
}

uint64_t trace_writer_count(const struct trace_writer *w)
{
    return w->total;
}

/* Syncs the file, renames it, syncs its folder. */
static void writer_place(struct trace_writer *w)
{
    mode_t mask = umask(0);
    int folder;

    umask(mask);
    if (fchmod(w->fd, 0666 & ~mask) != 0 || fsync(w->fd) != 0 ||
        rename(w->beside, w->path) != 0) {
        w->error = errno;
        return;
    }
    /* dirname() may write to its argument; the name has served. */
    strcpy(w->beside, w->path);
    folder = open(dirname(w->beside), O_RDONLY | O_DIRECTORY);
    if (folder >= 0) {
        fsync(folder); /* best effort: the file itself is whole */
        close(folder);
    }
}

int trace_writer_close(struct trace_writer *w, bool keep, char *err,
                       size_t err_len)
{
    uint8_t end[TRACE_END_LEN];
    int error;

    if (!keep) {
        unlink(w->beside);
        writer_free(w);
        return 0;
    }
    writer_flush(w);
    put32(end, TRACE_TAG_END);
    put64(end + 4, w->total);
    writer_put(w, end, TRACE_END_LEN - 8);
    put64(end, XXH64_digest(w->sum));
    writer_put(w, end, 8);
    if (!w->error) {
        writer_place(w);
    }
    error = w->error;
    if (error) {
        snprintf(err, err_len, "%s: can't be written: %s", w->path,
                 strerror(error));
        unlink(w->beside);
    }
    writer_free(w);
    return error ? -1 : 0;
}
