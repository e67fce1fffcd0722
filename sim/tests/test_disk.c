/*
 * The disk by its registers, over a fake machine: protocol, drivers that
 * drive it wrongly, media (sim/dev/disk.h, sim/dev/README.md). Faults and
 * power cuts are test_disk_power.c's.
 */
#include "sim/tests/disk_rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct disk_config small = {.sectors = 1000};

/* -- Protocol ------------------------------------------------------------ */

static void disk_reads_what_was_written(void **state)
{
    static uint8_t w[256 * SECTOR], r[256 * SECTOR];
    struct machine m;

    (void)state;
    begin(&m, &small, 1);
    assert_int_equal(in(&m, DISK_REG_ID), DISK_ID << 16 | DISK_ST_POWERED);
    assert_int_equal(in(&m, DISK_REG_CAPACITY_LO), 1000);
    assert_int_equal(in(&m, DISK_REG_CAPACITY_HI), 0);
    for (size_t i = 0; i < sizeof(w); i++) {
        w[i] = (uint8_t)(i * 7 + i / SECTOR);
    }
    assert_int_equal(transfer(&m, DISK_OP_WRITE, 744, 256, w), DISK_OK);
    assert_int_equal(m.irqs, 1);
    assert_int_equal(transfer(&m, DISK_OP_READ, 744, 256, r), DISK_OK);
    assert_memory_equal(r, w, sizeof(w));
    /* Only cached yet. */
    disk_read_medium(m.disk, 744, r);
    assert_int_equal(r[1], 0);
    disk_read_current(m.disk, 744, r);
    assert_memory_equal(r, w, SECTOR);
    assert_int_equal(transfer(&m, DISK_OP_FLUSH, 0, 0, NULL), DISK_OK);
    disk_read_medium(m.disk, 744, r);
    assert_memory_equal(r, w, SECTOR);
    assert_int_equal(transfer(&m, DISK_OP_READ, 743, 1, r), DISK_OK);
    assert_int_equal(r[0] | r[511], 0);
    assert_int_equal(disk_next_event(m.disk), ~0ULL);
    end(&m);
}

static void disk_completes_in_order_without_reorder(void **state)
{
    struct machine m;
    uint32_t c;

    (void)state;
    begin(&m, &small, 1);
    for (unsigned i = 0; i < 64; i++) {
        m.now_ns += 10;
        start(&m, 63 - i, DISK_OP_READ, i, 1, NULL);
    }
    assert_int_equal(disk_next_event(m.disk), 20000 + 10);
    disk_advance(m.disk, 20000);
    assert_int_equal(m.irqs, 0);
    m.now_ns = 1000000;
    disk_advance(m.disk, m.now_ns);
    assert_true(in(&m, DISK_REG_ID) & DISK_ST_WAITING);
    for (unsigned i = 0; i < 64; i++) {
        c = in(&m, DISK_REG_COMPLETION);
        assert_int_equal(c, (63 - i) | DISK_COMPLETION_VALID);
    }
    assert_int_equal(in(&m, DISK_REG_COMPLETION), 0);
    assert_int_equal(m.irqs, 64);
    end(&m);
}

static void disk_reorders_when_told_to(void **state)
{
    struct disk_config cfg = {.sectors = 10, .faults = {.reorder = true}};
    bool moved = false;
    struct machine m;

    (void)state;
    begin(&m, &cfg, 3);
    for (unsigned i = 0; i < 20; i++) {
        start(&m, i, DISK_OP_READ, 0, 1, NULL);
    }
    for (unsigned i = 0; i < 20; i++) {
        uint32_t c = wait_one(&m);

        assert_true(c & DISK_COMPLETION_VALID);
        moved |= DISK_COMPLETION_TAG(c) != i;
    }
    assert_true(moved);
    end(&m);
}

static void disk_delays_up_to_a_hundred_times(void **state)
{
    struct disk_config cfg = {.sectors = 10, .faults = {.delay_one_in = 1}};
    uint64_t longest = 0, shortest = ~0ULL;
    uint8_t sector[SECTOR];
    struct machine m;

    (void)state;
    begin(&m, &cfg, 3);
    for (int i = 0; i < 500; i++) {
        uint64_t from = m.now_ns, took;

        transfer(&m, DISK_OP_READ, 0, 1, sector);
        took = m.now_ns - from;
        longest = took > longest ? took : longest;
        shortest = took < shortest ? took : shortest;
    }
    assert_in_range(shortest, 2 * 20000, 10 * 20000);
    assert_in_range(longest, 90 * 20000, 100 * 20000);
    end(&m);
}

/* -- Drivers that are wrong ---------------------------------------------- */

static unsigned status_of(struct machine *m, unsigned op, uint64_t sector,
                          unsigned count)
{
    uint32_t c;

    start(m, 9, op, sector, count, NULL);
    c = wait_one(m);
    assert_true(c & DISK_COMPLETION_VALID);
    assert_int_equal(DISK_COMPLETION_TAG(c), 9);
    return DISK_COMPLETION_STATUS(c);
}

static void disk_invalid_requests_complete_as_invalid(void **state)
{
    struct machine m;

    (void)state;
    begin(&m, &small, 1);
    assert_int_equal(status_of(&m, 3, 0, 1), DISK_INVALID);
    assert_int_equal(status_of(&m, ~0u, 0, 1), DISK_INVALID);
    assert_int_equal(status_of(&m, DISK_OP_READ, 0, 0), DISK_INVALID);
    assert_int_equal(status_of(&m, DISK_OP_READ, 0, 257), DISK_INVALID);
    assert_int_equal(status_of(&m, DISK_OP_READ, 1000, 1), DISK_INVALID);
    assert_int_equal(status_of(&m, DISK_OP_READ, 999, 2), DISK_INVALID);
    assert_int_equal(status_of(&m, DISK_OP_READ, ~0ULL, 2), DISK_INVALID);
    /* Underrun: no data pushed. */
    assert_int_equal(status_of(&m, DISK_OP_WRITE, 0, 1), DISK_INVALID);
    assert_int_equal(status_of(&m, DISK_OP_READ, 999, 1), DISK_OK);
    end(&m);
}

static void disk_refuses_bad_tags_and_double_submits(void **state)
{
    struct machine m;

    (void)state;
    begin(&m, &small, 1);
    start(&m, 64, DISK_OP_READ, 0, 1, NULL);
    assert_true(in(&m, DISK_REG_ID) & DISK_ST_REFUSED);
    start(&m, ~0u, DISK_OP_READ, 0, 1, NULL);
    assert_true(in(&m, DISK_REG_ID) & DISK_ST_REFUSED);
    assert_int_equal(disk_next_event(m.disk), ~0ULL);
    start(&m, 1, DISK_OP_READ, 0, 1, NULL);
    assert_false(in(&m, DISK_REG_ID) & DISK_ST_REFUSED);
    start(&m, 1, DISK_OP_WRITE, 0, 1, NULL);
    assert_true(in(&m, DISK_REG_ID) & DISK_ST_REFUSED);
    assert_int_equal(wait_one(&m), 1 | DISK_COMPLETION_VALID);
    assert_int_equal(wait_one(&m), 0);
    end(&m);
}

static void disk_survives_any_register_traffic(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct disk_config cfg = {
            .sectors = 16,
            .faults = {.error_one_in = 5, .torn_one_in = 2, .reorder = true}};
        struct choice c = {0};
        struct machine m;

        begin(&m, &cfg, seed);
        choice_from_seed(&c, seed + 1000);
        for (int i = 0; i < 2000; i++) {
            unsigned reg = choice_draw(&c, CHOICE_SCENARIO, 16);
            unsigned len = 1u << choice_draw(&c, CHOICE_SCENARIO, 3);
            uint32_t v = choice_draw(&c, CHOICE_SCENARIO, 20);

            if (choice_one_in(&c, CHOICE_SCENARIO, 20)) {
                v = choice_draw(&c, CHOICE_SCENARIO, ~0u);
            }
            if (reg == DISK_REG_SECTOR_HI) {
                v &= 1;
            }
            if (choice_one_in(&c, CHOICE_SCENARIO, 3)) {
                disk_port_in(m.disk, reg, len);
            } else {
                disk_port_out(m.disk, reg, len, v);
            }
            m.now_ns += choice_draw(&c, CHOICE_SCENARIO, 20000);
            disk_advance(m.disk, m.now_ns);
        }
        end(&m);
    }
}

/* -- Media --------------------------------------------------------------- */

static char image[] = "/tmp/test_disk.XXXXXX";

static void image_make(size_t len)
{
    int fd;

    strcpy(image, "/tmp/test_disk.XXXXXX");
    fd = mkstemp(image);
    assert_true(fd >= 0);
    for (size_t i = 0; i < len; i++) {
        uint8_t b = (uint8_t)(i / SECTOR + 1);

        assert_int_equal(write(fd, &b, 1), 1);
    }
    close(fd);
}

static int image_byte(size_t at)
{
    int fd = open(image, O_RDONLY);
    uint8_t b = 0;

    assert_int_equal(pread(fd, &b, 1, (off_t)at), 1);
    close(fd);
    return b;
}

static void disk_on_a_file_writes_through_at_flush(void **state)
{
    struct disk_config cfg = {.path = image};
    uint8_t data[SECTOR];
    struct machine m, other;

    (void)state;
    image_make(4 * SECTOR);
    begin(&m, &cfg, 1);
    assert_true(disk_host_bound(m.disk));
    assert_int_equal(disk_sectors(m.disk), 4);
    assert_int_equal(transfer(&m, DISK_OP_READ, 2, 1, data), DISK_OK);
    assert_int_equal(data[0], 3);
    memset(data, 0xcc, sizeof(data));
    assert_int_equal(transfer(&m, DISK_OP_WRITE, 2, 1, data), DISK_OK);
    assert_int_equal(image_byte(2 * SECTOR), 3);
    assert_int_equal(transfer(&m, DISK_OP_FLUSH, 0, 0, NULL), DISK_OK);
    assert_int_equal(image_byte(2 * SECTOR), 0xcc);
    /* One writer at a time. */
    other = (struct machine){.arena = m.arena};
    assert_null(disk_attach(&other, 2, &cfg, err, sizeof(err)));
    assert_non_null(strstr(err, "another disk writes to it"));
    end(&m);
    unlink(image);
}

static void disk_copy_on_write_leaves_the_file_and_restores(void **state)
{
    struct disk_config cfg = {.path = image, .copy_on_write = true};
    uint8_t data[SECTOR];
    struct snapshot *s;
    struct machine m;

    (void)state;
    image_make(4 * SECTOR);
    begin(&m, &cfg, 1);
    assert_false(disk_host_bound(m.disk));
    s = arena_snapshot(m.arena);
    for (int i = 0; i < 20; i++) {
        memset(data, 0xcc, sizeof(data));
        assert_int_equal(transfer(&m, DISK_OP_WRITE, 2, 1, data), DISK_OK);
        assert_int_equal(transfer(&m, DISK_OP_FLUSH, 0, 0, NULL), DISK_OK);
        disk_read_medium(m.disk, 2, data);
        assert_int_equal(data[9], 0xcc);
        assert_int_equal(image_byte(2 * SECTOR), 3);
        arena_restore(m.arena, s);
        assert_int_equal(transfer(&m, DISK_OP_READ, 2, 1, data), DISK_OK);
        assert_int_equal(data[9], 3);
        arena_restore(m.arena, s);
    }
    snapshot_free(s);
    end(&m);
    unlink(image);
}

static void disk_read_only_refuses_writes(void **state)
{
    struct disk_config cfg = {.path = image, .read_only = true};
    uint8_t data[SECTOR] = {0};
    struct machine m;

    (void)state;
    image_make(4 * SECTOR);
    begin(&m, &cfg, 1);
    assert_true(in(&m, DISK_REG_ID) & DISK_ST_READONLY);
    assert_int_equal(transfer(&m, DISK_OP_WRITE, 2, 1, data), DISK_INVALID);
    assert_int_equal(transfer(&m, DISK_OP_FLUSH, 0, 0, NULL), DISK_OK);
    end(&m);
    unlink(image);
}

static void disk_bad_images_are_one_line(void **state)
{
    struct disk_config cfg = {.path = "/nowhere/image"};
    struct machine m = {.arena = arena_create(64UL << 20)};

    (void)state;
    assert_null(disk_attach(&m, 2, &cfg, err, sizeof(err)));
    assert_string_equal(err, "/nowhere/image: No such file or directory");
    cfg.path = "/tmp";
    cfg.copy_on_write = true;
    assert_null(disk_attach(&m, 2, &cfg, err, sizeof(err)));
    assert_string_equal(err, "/tmp: Is a directory");
    image_make(SECTOR + 1);
    cfg.path = image;
    assert_null(disk_attach(&m, 2, &cfg, err, sizeof(err)));
    assert_non_null(strstr(err, "513 bytes is no disk"));
    unlink(image);
    cfg = (struct disk_config){.sectors = 0};
    assert_null(disk_attach(&m, 2, &cfg, err, sizeof(err)));
    cfg = small;
    assert_null(disk_attach(&m, DISK_MAX, &cfg, err, sizeof(err)));
    assert_non_null(disk_attach(&m, 2, &cfg, err, sizeof(err)));
    assert_null(disk_attach(&m, 2, &cfg, err, sizeof(err)));
    end(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(disk_reads_what_was_written),
        cmocka_unit_test(disk_completes_in_order_without_reorder),
        cmocka_unit_test(disk_reorders_when_told_to),
        cmocka_unit_test(disk_delays_up_to_a_hundred_times),
        cmocka_unit_test(disk_invalid_requests_complete_as_invalid),
        cmocka_unit_test(disk_refuses_bad_tags_and_double_submits),
        cmocka_unit_test(disk_survives_any_register_traffic),
        cmocka_unit_test(disk_on_a_file_writes_through_at_flush),
        cmocka_unit_test(disk_copy_on_write_leaves_the_file_and_restores),
        cmocka_unit_test(disk_read_only_refuses_writes),
        cmocka_unit_test(disk_bad_images_are_one_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
