/*
 * The disk by its registers, over a fake machine: protocol, drivers that
 * drive it wrongly, faults, media, and durability over seeded power cuts
 * (sim/dev/disk.h, sim/dev/README.md).
 */
#include "sim/arena.h"
#include "sim/dev/disk.h"
#include "sim/hash.h"
#include "sim/sim.h"
#include "sim/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECTOR DISK_SECTOR_BYTES

/* -- All that a disk asks of its machine --------------------------------- */

struct machine {
    struct arena *arena;
    struct choice choice;
    uint64_t now_ns;
    unsigned irqs; /* raised on the disk's line */
    struct disk *disk;
};

struct arena *machine_arena(struct machine *m)
{
    return m->arena;
}
struct choice *machine_choice(struct machine *m)
{
    return &m->choice;
}
struct trace *machine_trace(struct machine *m)
{
    (void)m;
    return NULL;
}
uint64_t machine_now(const struct machine *m)
{
    return m->now_ns;
}
void machine_raise_irq(struct machine *m, unsigned irq)
{
    assert_int_equal(irq, DISK_IRQ_BASE + 2);
    m->irqs++;
}
struct disk *machine_disk(struct machine *m, unsigned index)
{
    return index == 2 ? m->disk : NULL;
}
void machine_set_disk(struct machine *m, unsigned index, struct disk *d)
{
    assert_int_equal(index, 2);
    m->disk = d;
}
/* An order-dependent sum is enough of a hash here. */
struct hash_stream {
    uint64_t sum;
};
void hash_bytes(struct hash_stream *h, const void *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        h->sum = (h->sum ^ ((const uint8_t *)p)[i]) * 1099511628211ULL;
    }
}
void hash_u64(struct hash_stream *h, uint64_t v)
{
    hash_bytes(h, &v, sizeof(v));
}
void trace_event(struct trace *t, const struct trace_record *r)
{
    assert_null(t);
    assert_int_equal(r->type, TRACE_DISK);
}

/* -- A driver ------------------------------------------------------------ */

static char err[256];

static void begin(struct machine *m, const struct disk_config *cfg,
                  uint64_t seed)
{
    *m = (struct machine){.arena = arena_create(64UL << 20)};
    choice_from_seed(&m->choice, seed);
    assert_non_null(disk_attach(m, 2, cfg, err, sizeof(err)));
}

static void end(struct machine *m)
{
    if (m->disk) {
        disk_detach(m->disk);
    }
    arena_destroy(m->arena);
}

static uint32_t in(struct machine *m, unsigned reg)
{
    return disk_port_in(m->disk, reg, 4);
}

static void out(struct machine *m, unsigned reg, uint32_t v)
{
    disk_port_out(m->disk, reg, 4, v);
}

static void start(struct machine *m, unsigned tag, unsigned op, uint64_t sector,
                  unsigned count, const void *data)
{
    out(m, DISK_REG_TAG, tag);
    out(m, DISK_REG_OP, op);
    out(m, DISK_REG_SECTOR_LO, (uint32_t)sector);
    out(m, DISK_REG_SECTOR_HI, (uint32_t)(sector >> 32));
    out(m, DISK_REG_COUNT, count);
    for (size_t i = 0; data && i < count * SECTOR; i += 4) {
        uint32_t v;

        memcpy(&v, (const uint8_t *)data + i, 4);
        out(m, DISK_REG_DATA, v);
    }
    out(m, DISK_REG_SUBMIT, 1);
}

/* Lets time pass to the next completion; returns COMPLETION's value. */
static uint32_t wait_one(struct machine *m)
{
    uint32_t c = in(m, DISK_REG_COMPLETION);

    if (!c && disk_next_event(m->disk) != ~0ULL) {
        m->now_ns = disk_next_event(m->disk);
        disk_advance(m->disk, m->now_ns);
        c = in(m, DISK_REG_COMPLETION);
    }
    return c;
}

static unsigned transfer(struct machine *m, unsigned op, uint64_t sector,
                         unsigned count, void *data)
{
    uint32_t c;

    start(m, 5, op, sector, count, op == DISK_OP_WRITE ? data : NULL);
    c = wait_one(m);
    assert_true(c & DISK_COMPLETION_VALID);
    assert_int_equal(DISK_COMPLETION_TAG(c), 5);
    out(m, DISK_REG_TAG, 5);
    for (size_t i = 0; op == DISK_OP_READ && i < count * SECTOR; i += 4) {
        uint32_t v = in(m, DISK_REG_DATA);

        memcpy((uint8_t *)data + i, &v, 4);
    }
    return DISK_COMPLETION_STATUS(c);
}

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

/* -- Durability ---------------------------------------------------------- */

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
    (void)state;
    for (uint64_t seed = 0; seed < 4000; seed++) {
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
        cmocka_unit_test(disk_power_cut_keeps_flushed_or_later_content),
        cmocka_unit_test(disk_same_seed_gives_the_same_hash),
        cmocka_unit_test(disk_power_cut_loses_some_writes_and_keeps_some),
        cmocka_unit_test(disk_errors_come_one_in_n_and_change_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
