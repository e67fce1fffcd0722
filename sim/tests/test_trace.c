/*
 * Trace files: what goes in comes out; every damage is one clear line and
 * never a crash (traces/README.md); checking finds the first difference.
 */
#include "sim/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

static char folder[] = "/tmp/test_trace.XXXXXX";
static char path_a[64], path_b[64];
static char err[512];

static const struct trace_header header = {.seed = 0x1122334455667788ULL,
                                           .scenario = "case:some_case",
                                           .target = "sim",
                                           .tool = "test"};

/* RINGSIDE_SHORT: a sample of the exhaustive loops, for slow tools. A prime
 * step, so that it meets every bit and every change. */
static size_t step(void)
{
    return getenv("RINGSIDE_SHORT") != NULL ? 61 : 1;
}

static int folder_make(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) {
        return -1;
    }
    snprintf(path_a, sizeof(path_a), "%s/a", folder);
    snprintf(path_b, sizeof(path_b), "%s/b", folder);
    return 0;
}

static int folder_remove(void **state)
{
    (void)state;
    unlink(path_a);
    unlink(path_b);
    return rmdir(folder); /* fails if anything was left beside */
}

/* A stream of records with every type and awkward numbers. */
static struct trace_record record_of(uint64_t i)
{
    uint64_t x = (i + 1) * 0x9e3779b97f4a7c15ULL;
    struct trace_record r = {.type = (uint8_t)(i % TRACE_TYPES),
                             .cpu = (uint8_t)(i % 16),
                             .time_ns = i * 25,
                             .a = i,
                             .b = x,
                             .c = i % 3 ? x >> 60 : ~0ULL};

    return r;
}

static void record_to(const char *path, uint64_t n)
{
    struct trace *t = trace_record_open(path, &header, err, sizeof(err));

    assert_non_null(t);
    for (uint64_t i = 0; i < n; i++) {
        struct trace_record r = record_of(i);

        trace_event(t, &r);
    }
    assert_int_equal(trace_count(t), n);
    assert_int_equal(trace_close(t, err, sizeof(err)), 0);
}

static bool equal(const struct trace_record *x, const struct trace_record *y)
{
    return x->type == y->type && x->cpu == y->cpu && x->time_ns == y->time_ns &&
           x->a == y->a && x->b == y->b && x->c == y->c;
}

static void trace_round_trip(void **state)
{
    static const uint64_t lengths[] = {0, 1, 100, 16384, 16385, 100000};

    (void)state;
    for (size_t k = 0; k < sizeof(lengths) / sizeof(lengths[0]); k++) {
        uint64_t n = lengths[k];
        struct trace_record r, e;
        struct trace *t;

        record_to(path_a, n);
        t = trace_check_open(path_a, err, sizeof(err));
        assert_non_null(t);
        assert_int_equal(trace_header(t)->seed, header.seed);
        assert_int_equal(trace_header(t)->version, TRACE_VERSION);
        assert_string_equal(trace_header(t)->scenario, header.scenario);
        assert_string_equal(trace_header(t)->target, header.target);
        assert_string_equal(trace_header(t)->tool, header.tool);
        assert_int_equal(trace_count(t), n);
        assert_false(trace_get(t, n, &r));
        for (uint64_t i = 0; i < n; i++) {
            e = record_of(n - 1 - i);
            assert_true(trace_get(t, n - 1 - i, &r));
            assert_true(equal(&r, &e));
            i += n > 1000 ? 700 : 0;
        }
        for (uint64_t i = 0; i < n; i++) {
            e = record_of(i);
            trace_event(t, &e);
            assert_true(trace_ok(t));
        }
        assert_true(trace_finish(t));
        trace_close(t, NULL, 0);
    }
}

static void trace_same_run_gives_the_same_file(void **state)
{
    char command[160];

    (void)state;
    record_to(path_a, 20000);
    record_to(path_b, 20000);
    snprintf(command, sizeof(command), "cmp -s %s %s", path_a, path_b);
    assert_int_equal(system(command), 0);
}

static void trace_abandoned_leaves_nothing(void **state)
{
    struct trace *t;

    (void)state;
    unlink(path_a);
    t = trace_record_open(path_a, &header, err, sizeof(err));
    assert_non_null(t);
    assert_int_not_equal(access(path_a, F_OK), 0);
    trace_abandon(t);
    assert_int_not_equal(access(path_a, F_OK), 0);
    assert_null(
        trace_record_open("/nowhere/at/all", &header, err, sizeof(err)));
    assert_non_null(strstr(err, "/nowhere/at/all: can't be written"));
}

/* -- Differences ----------------------------------------------------------- */

static void expect_divergence(struct trace *t, const char *a, const char *b)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    trace_print_divergence(t, out);
    fclose(out);
    assert_non_null(strstr(text, a));
    assert_non_null(strstr(text, b));
    free(text);
    trace_close(t, NULL, 0);
}

static void trace_check_finds_the_first_difference(void **state)
{
    struct trace *t;
    struct trace_record r;

    (void)state;
    record_to(path_a, 10);
    t = trace_check_open(path_a, err, sizeof(err));
    for (uint64_t i = 0; i < 10; i++) {
        r = record_of(i);
        r.b += i >= 7;
        trace_event(t, &r);
        assert_int_equal(trace_ok(t), i < 7);
    }
    assert_false(trace_finish(t));
    expect_divergence(t, "diverged at record 7\n", "irq");

    t = trace_check_open(path_a, err, sizeof(err));
    for (uint64_t i = 0; i < 11; i++) {
        r = record_of(i);
        trace_event(t, &r);
    }
    assert_false(trace_finish(t));
    expect_divergence(t, "diverged at record 10\n", "trace: (ends before it)");

    t = trace_check_open(path_a, err, sizeof(err));
    r = record_of(0);
    trace_event(t, &r);
    assert_true(trace_ok(t));
    assert_false(trace_finish(t));
    expect_divergence(t, "diverged at record 1\n", "run:   (ends before it)");
}

static void trace_alter_changes_one_field_of_one_record(void **state)
{
    static const char fields[] = "abctpy";
    struct trace *t;

    (void)state;
    record_to(path_a, 50);
    for (size_t f = 0; f < 6; f++) {
        struct trace_record r, e;

        assert_int_equal(
            trace_alter(path_a, path_b, 20, fields[f], 3, err, sizeof(err)), 0);
        t = trace_check_open(path_b, err, sizeof(err));
        assert_non_null(t);
        assert_int_equal(trace_count(t), 50);
        for (uint64_t i = 0; i < 50; i++) {
            e = record_of(i);
            assert_true(trace_get(t, i, &r));
            assert_int_equal(equal(&r, &e), i != 20);
        }
        trace_close(t, NULL, 0);
    }
    unlink(path_b);
    assert_int_equal(trace_alter(path_a, path_b, 50, 'a', 3, err, sizeof(err)),
                     -1);
    assert_int_equal(trace_alter(path_a, path_b, 5, 'p', 16, err, sizeof(err)),
                     -1);
    assert_int_equal(trace_alter(path_a, path_b, 5, 'x', 16, err, sizeof(err)),
                     -1);
    assert_int_not_equal(access(path_b, F_OK), 0);
}

/* -- Damage ---------------------------------------------------------------- */

static uint8_t *bytes;
static size_t nr_bytes;

static void load(const char *path)
{
    FILE *f = fopen(path, "rb");

    bytes = calloc(1, 1 << 20);
    nr_bytes = fread(bytes, 1, 1 << 20, f);
    fclose(f);
}

static void store(const char *path, const void *data, size_t len)
{
    FILE *f = fopen(path, "wb");

    fwrite(data, 1, len, f);
    fclose(f);
}

/* Refused with one line that names the file and has `word` in it. */
static void expect_refused(const char *word)
{
    struct trace *t;

    memset(err, 0, sizeof(err));
    t = trace_check_open(path_b, err, sizeof(err));
    assert_null(t);
    assert_int_equal(strncmp(err, path_b, strlen(path_b)), 0);
    assert_null(strchr(err, '\n'));
    if (!strstr(err, word)) {
        print_message("%s\n", err);
        fail();
    }
}

static void trace_truncated_anywhere_is_refused(void **state)
{
    (void)state;
    record_to(path_a, 40);
    load(path_a);
    for (size_t len = 0; len < nr_bytes; len += step()) {
        store(path_b, bytes, len);
        expect_refused(len == 0 ? "not a trace" : "truncated");
    }
    store(path_b, bytes, nr_bytes);
    store(path_b, bytes, nr_bytes + 1);
    expect_refused("truncated");
    free(bytes);
}

static void trace_any_flipped_bit_is_refused(void **state)
{
    (void)state;
    record_to(path_a, 40);
    load(path_a);
    for (size_t bit = 0; bit < nr_bytes * 8; bit += step()) {
        size_t at = bit / 8;

        bytes[at] ^= (uint8_t)(1 << bit % 8);
        store(path_b, bytes, nr_bytes);
        if (at < 8) {
            expect_refused("not a trace");
        } else if (at < 12) {
            expect_refused("version");
        } else if (at >= nr_bytes - 20 && at < nr_bytes - 16) {
            expect_refused("end marker");
        } else {
            expect_refused("checksum mismatch");
        }
        bytes[at] ^= (uint8_t)(1 << bit % 8);
    }
    free(bytes);
}

static void trace_of_a_newer_version_is_refused(void **state)
{
    (void)state;
    record_to(path_a, 4);
    load(path_a);
    bytes[8] = 2;
    store(path_b, bytes, nr_bytes);
    expect_refused("version 2, this ringside reads up to 1");
    free(bytes);
}

static void seal(uint8_t *file, size_t len)
{
    uint64_t sum = XXH64(file, len - 8, 0);

    for (unsigned i = 0; i < 8; i++) {
        file[len - 8 + i] = (uint8_t)(sum >> (8 * i));
    }
    store(path_b, file, len);
}

/* Someone who knows the format makes a checksum that fits: every byte is
 * changed so. Some changes make another good trace (the seed, say). */
static void trace_forged_bytes_are_refused_or_harmless(void **state)
{
    (void)state;
    record_to(path_a, 40);
    load(path_a);
    for (size_t i = 0; i < (nr_bytes - 8) * 4; i += step()) {
        static const uint8_t changes[4] = {0x01, 0x80, 0xff, 0x10};
        struct trace_record r;
        struct trace *t;

        bytes[i / 4] ^= changes[i % 4];
        seal(bytes, nr_bytes);
        memset(err, 0, sizeof(err));
        t = trace_check_open(path_b, err, sizeof(err));
        if (t) {
            for (uint64_t k = 0; trace_get(t, k, &r); k++) {
                assert_true(r.type < TRACE_TYPES);
            }
            trace_close(t, NULL, 0);
        } else {
            assert_true(err[0] && !strchr(err, '\n'));
        }
        bytes[i / 4] ^= changes[i % 4];
    }
    free(bytes);
}

/* A file of one block with these records, made by hand. */
static void forge(const uint8_t *raw, size_t raw_len, uint32_t records)
{
    static const char start[] = "RSTRACE1\1\0\0\0\13\0\0\0"
                                "\0\0\0\0\0\0\0\0\0\0\0";
    uint8_t file[4096] = {0};
    size_t n = sizeof(start) - 1, len;

    memcpy(file, start, n);
    memcpy(file + n, "BLK1", 4);
    memcpy(file + n + 4, &records, 4);
    file[n + 8] = (uint8_t)raw_len;
    len = ZSTD_compress(file + n + 16, 3000, raw, raw_len, 1);
    file[n + 12] = (uint8_t)len;
    n += 16 + len;
    memcpy(file + n, "END1", 4);
    memcpy(file + n + 4, &records, 4);
    seal(file, n + 20);
}

static void trace_impossible_records_are_refused(void **state)
{
    uint8_t raw[42] = {TRACE_ENTER, 1, 2, 2, 2, 2};
    struct trace *t;

    (void)state;
    forge(raw, 6, 1);
    t = trace_check_open(path_b, err, sizeof(err));
    assert_non_null(t);
    trace_close(t, NULL, 0);
    raw[0] = TRACE_TYPES;
    forge(raw, 6, 1);
    expect_refused("impossible record 0: unknown type");
    raw[0] = TRACE_ENTER;
    raw[1] = 16;
    forge(raw, 6, 1);
    expect_refused("impossible record 0: no such CPU");
    raw[1] = 0;
    raw[5] = 0x80;
    forge(raw, 6, 1);
    expect_refused("impossible record 0: a number longer");
    memset(raw + 2, 0xff, 40);
    forge(raw, 42, 1);
    expect_refused("impossible record 0: a number longer");
    memset(raw, 0, sizeof(raw));
    forge(raw, 7, 1);
    expect_refused("impossible block: 1 bytes after its records");
    forge(raw, 13, 0);
    expect_refused("impossible block: 0 records");
    forge(raw, 6, 2);
    expect_refused("impossible block: 2 records in 6 bytes");
}

static void trace_other_files_are_refused(void **state)
{
    (void)state;
    assert_null(trace_check_open("/nowhere", err, sizeof(err)));
    assert_string_equal(err, "/nowhere: No such file or directory");
    assert_null(trace_check_open("/tmp", err, sizeof(err)));
    assert_string_equal(err, "/tmp: not a regular file");
    store(path_b, "#!/bin/sh\nexit 0\n", 17);
    expect_refused("not a trace");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trace_round_trip),
        cmocka_unit_test(trace_same_run_gives_the_same_file),
        cmocka_unit_test(trace_abandoned_leaves_nothing),
        cmocka_unit_test(trace_check_finds_the_first_difference),
        cmocka_unit_test(trace_alter_changes_one_field_of_one_record),
        cmocka_unit_test(trace_truncated_anywhere_is_refused),
        cmocka_unit_test(trace_any_flipped_bit_is_refused),
        cmocka_unit_test(trace_of_a_newer_version_is_refused),
        cmocka_unit_test(trace_forged_bytes_are_refused_or_harmless),
        cmocka_unit_test(trace_impossible_records_are_refused),
        cmocka_unit_test(trace_other_files_are_refused),
    };

    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
