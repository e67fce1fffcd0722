/*
 * Real data through the block pair, on a whole machine: simulated processor,
 * hypervisor, native control domain with xenstored and blkback, a domU with
 * blkfront. RINGSIDE_POWER_CUTS: how many cuts (default 100).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "conformance/storage.h"

#define IMAGE_MIB 64

struct scratch {
    char dir[64], image[96], files[96];
};

static int shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int shell(const char *fmt, ...)
{
    char cmd[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(cmd, sizeof(cmd), fmt, ap);
    va_end(ap);
    return system(cmd);
}

/* A 64 MiB ext4 image made by mke2fs -d from a real directory. */
static int make_image(void **state)
{
    struct scratch *s = calloc(1, sizeof(*s));

    assert_non_null(s);
    snprintf(s->dir, sizeof(s->dir), "/tmp/ringside-storage-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    snprintf(s->image, sizeof(s->image), "%s/disk.img", s->dir);
    snprintf(s->files, sizeof(s->files), "%s/files", s->dir);
    assert_int_equal(shell("mkdir %s && cp -r /usr/include/xen %s/xen && "
                           "head -c 3000000 /dev/zero | tr '\\0' v "
                           ">%s/victim",
                           s->files, s->files, s->files),
                     0);
    assert_int_equal(shell("PATH=$PATH:/sbin:/usr/sbin mke2fs -q -F -t ext4 "
                           "-d %s %s %dM",
                           s->files, s->image, IMAGE_MIB),
                     0);
    *state = s;
    return 0;
}

static int drop_image(void **state)
{
    struct scratch *s = *state;

    shell("rm -rf %s", s->dir);
    free(s);
    return 0;
}

static void read_image(struct scratch *s, enum blkback_mode mode)
{
    char why[STORAGE_WHY];
    uint64_t bytes;
    int rc = storage_read_image(s->image, 1, mode, &bytes, why);

    if (rc) {
        print_error("%s\n", why);
    }
    assert_int_equal(rc, 0);
    assert_int_equal(bytes, (uint64_t)IMAGE_MIB << 20);
}

static void ext4_image_read_through_pair_is_identical_mapped(void **state)
{
    read_image(*state, BLKBACK_MAP);
}

static void ext4_image_read_through_pair_is_identical_copied(void **state)
{
    read_image(*state, BLKBACK_COPY);
}

static void check_kept_file(const struct scratch *s, uint64_t seed,
                            unsigned i)
{
    char out[128];
    FILE *f;

    snprintf(out, sizeof(out), "%s/out", s->dir);
    assert_int_equal(shell("PATH=$PATH:/sbin:/usr/sbin debugfs -R "
                           "'dump /%s/f%02u %s' %s 2>/dev/null",
                           STORAGE_DIR, i, out, s->image),
                     0);
    f = fopen(out, "rb");
    assert_non_null(f);
    for (uint64_t at = 0; at < storage_file_size(seed, i); at++) {
        int c = fgetc(f);

        if (c != storage_file_byte(seed, i, at)) {
            fail_msg("f%02u differs at %llu", i, (unsigned long long)at);
        }
    }
    assert_int_equal(fgetc(f), EOF);
    fclose(f);
    unlink(out);
}

static void check_removed(const struct scratch *s, const char *path)
{
    /* debugfs says so on stderr, and exits 0 */
    assert_int_equal(shell("PATH=$PATH:/sbin:/usr/sbin debugfs -R "
                           "'stat %s' %s 2>&1 | grep -q 'File not found'",
                           path, s->image),
                     0);
}

static void ext2fs_work_is_clean_and_readable_on_the_host(void **state)
{
    const struct scratch *s = *state;
    const uint64_t seed = 5;
    char why[STORAGE_WHY], path[64];
    int rc = storage_ext2_work(s->image, "victim", seed, BLKBACK_MAP, why);

    if (rc) {
        print_error("%s\n", why);
    }
    assert_int_equal(rc, 0);
    assert_int_equal(shell("PATH=$PATH:/sbin:/usr/sbin e2fsck -fn %s "
                           ">%s/fsck 2>&1 || { cat %s/fsck; false; }",
                           s->image, s->dir, s->dir),
                     0);
    for (unsigned i = 0; i < STORAGE_FILES; i++) {
        if (i % 2 == 0) {
            check_kept_file(s, seed, i);
        } else {
            snprintf(path, sizeof(path), "/%s/f%02u", STORAGE_DIR, i);
            check_removed(s, path);
        }
    }
    check_removed(s, "/victim");
}

static void power_cut_leaves_flushed_or_later_content(void **state)
{
    const char *env = getenv("RINGSIDE_POWER_CUTS");
    unsigned long n = env ? strtoul(env, NULL, 10) : 100;
    struct storage_cut_stats stats = { 0 };
    char why[STORAGE_WHY];

    (void)state;
    for (unsigned long seed = 1; seed <= n; seed++) {
        if (storage_power_cut(seed, &stats, why)) {
            fail_msg("%s", why);
        }
        if (seed % 50 == 0 && isatty(2)) {
            fprintf(stderr, "\r%lu of %lu power cuts", seed, n);
        }
    }
    print_message("%llu cuts: %llu writes, %llu flushes, %llu reads, "
                  "%llu errors, %llu sectors checked\n",
                  (unsigned long long)stats.cuts,
                  (unsigned long long)stats.writes,
                  (unsigned long long)stats.flushes,
                  (unsigned long long)stats.reads,
                  (unsigned long long)stats.errors,
                  (unsigned long long)stats.sectors_checked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ext4_image_read_through_pair_is_identical_mapped),
        cmocka_unit_test(ext4_image_read_through_pair_is_identical_copied),
        cmocka_unit_test(ext2fs_work_is_clean_and_readable_on_the_host),
        cmocka_unit_test(power_cut_leaves_flushed_or_later_content),
    };

    return cmocka_run_group_tests(tests, make_image, drop_image);
}
