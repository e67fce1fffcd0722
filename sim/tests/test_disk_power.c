/*
 * A disk's durability over seeded power cuts, against a model of what may be
 * where, and its errors (sim/dev/disk.h, sim/dev/README.md).
 */
#include "sim/tests/disk_rig.h"

#include <stdlib.h>

#define MODEL_SECTORS 24u
#define MODEL_WRITES 400u

/* What may be where: stamps, in order of completion. */
struct model {
    struct machine m;
    bool torn;
    unsigned nr; /* writes so far; a write's number is its stamp */
    struct {
        uint64_t sector;
        unsigned count, order; /* of completion; ~0 not yet */
        bool failed;
    } w[MODEL_WRITES + 1]; /* 0: the zeroes of the beginning */
    unsigned completed;
    struct {
        unsigned op, write, covers;
        bool busy;
    } tag[DISK_MAX_QUEUE];
    unsigned floor[MODEL_SECTORS]; /* last write made durable */
};

static void model_submit(struct model *md, struct choice *c)
{
    static uint8_t data[8 * SECTOR];
    unsigned tag = choice_draw(c, CHOICE_SCENARIO, 12);
    unsigned op = choice_draw(c, CHOICE_SCENARIO, 8);
    unsigned count = 1 + choice_draw(c, CHOICE_SCENARIO, 8);
    uint64_t sector =
        choice_draw(c, CHOICE_SCENARIO, MODEL_SECTORS - count + 1);

    op = op == 0 ? DISK_OP_FLUSH : op == 1 ? DISK_OP_READ : DISK_OP_WRITE;
    if (md->tag[tag].busy || (op == DISK_OP_WRITE && md->nr == MODEL_WRITES)) {
        return;
    }
    md->tag[tag].op = op;
    md->tag[tag].busy = true;
    md->tag[tag].covers = md->completed;
    if (op == DISK_OP_WRITE) {
        unsigned n = ++md->nr;

        for (size_t i = 0; i < count * SECTOR / 4; i++) {
            memcpy(data + 4 * i, &n, 4);
        }
        md->w[n].sector = sector;
        md->w[n].count = count;
        md->w[n].order = ~0u;
        md->w[n].failed = false;
        md->tag[tag].write = n;
    }
    start(&md->m, tag, op, sector, count, op == DISK_OP_WRITE ? data : NULL);
}

static bool covers(const struct model *md, unsigned n, unsigned sector)
{
    return n == 0 || (sector >= md->w[n].sector &&
                      sector < md->w[n].sector + md->w[n].count);
}

static void model_flushed(struct model *md, unsigned before)
{
    for (unsigned s = 0; s < MODEL_SECTORS; s++) {
        for (unsigned n = 1; n <= md->nr; n++) {
            if (covers(md, n, s) && !md->w[n].failed && md->w[n].order != ~0u &&
                md->w[n].order <= before &&
                md->w[n].order > md->w[md->floor[s]].order) {
                md->floor[s] = n;
            }
        }
    }
}

/* Takes completions as they have come. */
static void model_collect(struct model *md)
{
    uint32_t c;

    while ((c = in(&md->m, DISK_REG_COMPLETION)) != 0) {
        unsigned tag = DISK_COMPLETION_TAG(c);
        bool ok = DISK_COMPLETION_STATUS(c) == DISK_OK;

        assert_true(md->tag[tag].busy);
        assert_int_not_equal(DISK_COMPLETION_STATUS(c), DISK_INVALID);
        md->tag[tag].busy = false;
        if (md->tag[tag].op == DISK_OP_WRITE) {
            md->w[md->tag[tag].write].order = ++md->completed;
            md->w[md->tag[tag].write].failed = !ok;
        } else if (md->tag[tag].op == DISK_OP_FLUSH && ok) {
            model_flushed(md, md->tag[tag].covers);
        }
    }
}

/* Half `h` of sector s may hold stamp n. */
static bool allowed(const struct model *md, unsigned s, unsigned n)
{
    if (n > md->nr || !covers(md, n, s)) {
        return false;
    }
    if (md->w[n].failed && !md->torn) {
        return false;
    }
    return n == md->floor[s] || md->w[n].order > md->w[md->floor[s]].order;
}

static void model_check(struct model *md, uint64_t seed)
{
    for (unsigned s = 0; s < MODEL_SECTORS; s++) {
        uint32_t words[SECTOR / 4];

        disk_read_medium(md->m.disk, s, words);
        for (size_t i = 0; i < SECTOR / 4; i++) {
            bool at_half = i == 0 || (md->torn && i == SECTOR / 8);

            if ((at_half && !allowed(md, s, words[i])) ||
                (!at_half && words[i] != words[i - 1])) {
                print_message("seed %lu sector %u word %zu: write %u, "
                              "durable is %u\n",
                              (unsigned long)seed, s, i, words[i],
                              md->floor[s]);
                fail();
            }
        }
    }
}

static uint64_t model_run(uint64_t seed)
{
    static struct model md;
    struct disk_config cfg = {.sectors = MODEL_SECTORS};
    struct choice c = {0};
    struct hash_stream h = {0};

    choice_from_seed(&c, seed ^ 0xabcdef);
    cfg.faults.reorder = seed & 1;
    cfg.faults.error_one_in = seed & 2 ? 6 : 0;
    cfg.faults.torn_one_in = seed & 4 ? 2 : 0;
    cfg.faults.delay_one_in = seed & 8 ? 4 : 0;
    cfg.faults.power_cut_at =
        seed & 16 ? 1 + choice_draw(&c, CHOICE_SCENARIO, 60) : 0;
    memset(&md, 0, sizeof(md));
    md.torn = cfg.faults.torn_one_in != 0;
    begin(&md.m, &cfg, seed);
    for (unsigned i = choice_draw(&c, CHOICE_SCENARIO, 200); i > 0; i--) {
        model_submit(&md, &c);
        md.m.now_ns += choice_draw(&c, CHOICE_SCENARIO, 40000);
        /* One at a time: the model needs the order of completions. */
        while (disk_next_event(md.m.disk) <= md.m.now_ns) {
            disk_advance(md.m.disk, disk_next_event(md.m.disk));
            model_collect(&md);
        }
        if (disk_powered_off(md.m.disk)) {
            break;
        }
    }
    disk_power_cut(md.m.disk);
    assert_true(disk_powered_off(md.m.disk));
    assert_int_equal(in(&md.m, DISK_REG_ID), 0);
    model_check(&md, seed);
    disk_hash(md.m.disk, &h);
    end(&md.m);
    return h.sum;
}

static void disk_power_cut_keeps_flushed_or_later_content(void **state)
{
    /* RINGSIDE_SHORT: few seeds, for slow tools. */
    uint64_t seeds = getenv("RINGSIDE_SHORT") != NULL ? 100 : 4000;

    (void)state;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        model_run(seed);
    }
}

static void disk_same_seed_gives_the_same_hash(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        assert_int_equal(model_run(seed), model_run(seed));
    }
    assert_int_not_equal(model_run(1), model_run(2));
}

/* Both outcomes of a cut do happen: an old content and a new one. */
static void disk_power_cut_loses_some_writes_and_keeps_some(void **state)
{
    unsigned kept = 0, torn = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 400; seed++) {
        struct disk_config cfg = {.sectors = 1,
                                  .faults = {.torn_one_in = seed & 1}};
        uint8_t data[SECTOR];
        struct machine m;

        memset(data, 9, sizeof(data));
        begin(&m, &cfg, seed);
        start(&m, 0, DISK_OP_WRITE, 0, 1, data);
        disk_power_cut(m.disk);
        disk_read_medium(m.disk, 0, data);
        kept += data[0] == 9 && data[511] == 9;
        torn += data[0] != data[511];
        assert_true((seed & 1) || data[0] == data[511]);
        end(&m);
    }
    assert_in_range(kept, 120, 280);
    assert_in_range(torn, 60, 200);
}

static void disk_errors_come_one_in_n_and_change_nothing(void **state)
{
    struct disk_config cfg = {.sectors = 4, .faults = {.error_one_in = 4}};
    uint8_t data[SECTOR], now[SECTOR], last = 0;
    unsigned errors = 0;
    struct machine m;

    (void)state;
    begin(&m, &cfg, 8);
    for (int i = 0; i < 4000; i++) {
        memset(data, i & 0xff, sizeof(data));
        if (transfer(&m, DISK_OP_WRITE, 1, 1, data) == DISK_ERROR) {
            errors++;
        } else {
            last = data[0];
        }
        disk_read_current(m.disk, 1, now);
        assert_int_equal(now[0], last);
        assert_int_equal(now[511], last);
    }
    assert_in_range(errors, 850, 1150);
    end(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(disk_power_cut_keeps_flushed_or_later_content),
        cmocka_unit_test(disk_same_seed_gives_the_same_hash),
        cmocka_unit_test(disk_power_cut_loses_some_writes_and_keeps_some),
        cmocka_unit_test(disk_errors_come_one_in_n_and_change_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
