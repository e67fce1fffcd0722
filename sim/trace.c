/*
 * The trace object: appends a run's events, or compares them with a file's.
 *
 *   checking:  ok --event differs, or one too many--> diverged (for good)
 *              ok --trace_finish, records left over--> diverged
 *
 * Invariants:
 *  1. Exactly one of writer and reader is there.
 *  2. Once diverged, `next` is the record that differed, and stays.
 */
#include "sim/trace.h"
#include "sim/trace_impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum divergence { NONE, DIFFERS, SURPLUS, MISSING };

struct trace {
    struct trace_header header;
    struct trace_writer *writer;
    struct trace_reader *reader;
    uint64_t next;
    enum divergence divergence;
    struct trace_record expected, got;
};

static struct trace *trace_new(const char *path, char *err, size_t err_len)
{
    struct trace *t = calloc(1, sizeof(*t));

    if (!t) {
        snprintf(err, err_len, "%s: no memory", path);
    }
    return t;
}

struct trace *trace_record_open(const char *path, const struct trace_header *h,
                                char *err, size_t err_len)
{
    struct trace *t = trace_new(path, err, err_len);

    if (!t) {
        return NULL;
    }
    t->header = *h;
    t->header.version = TRACE_VERSION;
    t->writer = trace_writer_open(path, h, err, err_len);
    if (!t->writer) {
        free(t);
        return NULL;
    }
    return t;
}

struct trace *trace_check_open(const char *path, char *err, size_t err_len)
{
    struct trace *t = trace_new(path, err, err_len);

    if (!t) {
        return NULL;
    }
    t->reader = trace_reader_open(path, &t->header, err, err_len);
    if (!t->reader) {
        free(t);
        return NULL;
    }
    return t;
}

const struct trace_header *trace_header(const struct trace *t)
{
    return &t->header;
}

uint64_t trace_count(const struct trace *t)
{
    return t->writer ? trace_writer_count(t->writer)
                     : trace_reader_count(t->reader);
}

bool trace_get(const struct trace *t, uint64_t i, struct trace_record *out)
{
    return t->reader && trace_reader_get(t->reader, i, out);
}

static bool same(const struct trace_record *x, const struct trace_record *y)
{
    return x->type == y->type && x->cpu == y->cpu && x->time_ns == y->time_ns &&
           x->a == y->a && x->b == y->b && x->c == y->c;
}

void trace_event(struct trace *t, const struct trace_record *r)
{
    if (!t) {
        return;
    }
    if (t->writer) {
        trace_writer_add(t->writer, r);
        return;
    }
    if (t->divergence != NONE) {
        return;
    }
    if (!trace_reader_get(t->reader, t->next, &t->expected)) {
        t->divergence = SURPLUS;
        t->got = *r;
    } else if (!same(&t->expected, r)) {
        t->divergence = DIFFERS;
        t->got = *r;
    } else {
        t->next++;
    }
}

bool trace_ok(const struct trace *t)
{
    return t->divergence == NONE;
}

bool trace_finish(struct trace *t)
{
    if (t->reader && t->divergence == NONE &&
        trace_reader_get(t->reader, t->next, &t->expected)) {
        t->divergence = MISSING;
    }
    return trace_ok(t);
}

void trace_print_divergence(const struct trace *t, FILE *out)
{
    if (t->divergence == NONE) {
        return;
    }
    fprintf(out, "diverged at record %" PRIu64 "\n  trace: ", t->next);
    if (t->divergence == SURPLUS) {
        fprintf(out, "(ends before it)\n");
    } else {
        trace_print_record(&t->expected, t->next, out);
    }
    fprintf(out, "  run:   ");
    if (t->divergence == MISSING) {
        fprintf(out, "(ends before it)\n");
    } else {
        trace_print_record(&t->got, t->next, out);
    }
}

int trace_close(struct trace *t, char *err, size_t err_len)
{
    int result = 0;

    if (t && t->writer) {
        result = trace_writer_close(t->writer, true, err, err_len);
    } else if (t) {
        trace_reader_close(t->reader);
    }
    free(t);
    return result;
}

void trace_abandon(struct trace *t)
{
    if (t && t->writer) {
        trace_writer_close(t->writer, false, NULL, 0);
    } else if (t) {
        trace_reader_close(t->reader);
    }
    free(t);
}

/* NULL, or what is wrong with it. */
static const char *alter(struct trace_record *r, char field, uint64_t value)
{
    switch (field) {
    case 'a':
        r->a = value;
        break;
    case 'b':
        r->b = value;
        break;
    case 'c':
        r->c = value;
        break;
    case 't':
        r->time_ns = value;
        break;
    case 'p':
        r->cpu = value > UINT8_MAX ? UINT8_MAX : (uint8_t)value;
        break;
    case 'y':
        r->type = value > UINT8_MAX ? UINT8_MAX : (uint8_t)value;
        break;
    default:
        return "no such field (a, b, c, time, cpu, type)";
    }
    return trace_record_wrong(r);
}

int trace_alter(const char *in, const char *out, uint64_t index, char field,
                uint64_t value, char *err, size_t err_len)
{
    struct trace *from = trace_check_open(in, err, err_len), *to;
    struct trace_record r;
    const char *wrong;

    if (!from) {
        return -1;
    }
    if (!trace_get(from, index, &r)) {
        snprintf(err, err_len,
                 "%s: record %" PRIu64 " is not there: it has %" PRIu64, in,
                 index, trace_count(from));
        trace_close(from, NULL, 0);
        return -1;
    }
    wrong = alter(&r, field, value);
    if (wrong) {
        snprintf(err, err_len, "%s: record %" PRIu64 " can't be so: %s", in,
                 index, wrong);
        trace_close(from, NULL, 0);
        return -1;
    }
    to = trace_record_open(out, &from->header, err, err_len);
    for (uint64_t i = 0; to && i < trace_count(from); i++) {
        struct trace_record each;

        trace_get(from, i, &each);
        trace_event(to, i == index ? &r : &each);
    }
    trace_close(from, NULL, 0);
    return to ? trace_close(to, err, err_len) : -1;
}
