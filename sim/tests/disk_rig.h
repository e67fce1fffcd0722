/*
 * A disk without its machine: fakes of all that a disk asks of one, and a
 * driver of its registers. For the one file of a test program: it defines
 * the machine's functions, which then stand in for the real ones.
 */
#ifndef SIM_TESTS_DISK_RIG_H
#define SIM_TESTS_DISK_RIG_H

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
#include <string.h>

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

static inline void begin(struct machine *m, const struct disk_config *cfg,
                         uint64_t seed)
{
    *m = (struct machine){.arena = arena_create(64UL << 20)};
    choice_from_seed(&m->choice, seed);
    assert_non_null(disk_attach(m, 2, cfg, err, sizeof(err)));
}

static inline void end(struct machine *m)
{
    if (m->disk) {
        disk_detach(m->disk);
    }
    arena_destroy(m->arena);
}

static inline uint32_t in(struct machine *m, unsigned reg)
{
    return disk_port_in(m->disk, reg, 4);
}

static inline void out(struct machine *m, unsigned reg, uint32_t v)
{
    disk_port_out(m->disk, reg, 4, v);
}

static inline void start(struct machine *m, unsigned tag, unsigned op,
                         uint64_t sector, unsigned count, const void *data)
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
static inline uint32_t wait_one(struct machine *m)
{
    uint32_t c = in(m, DISK_REG_COMPLETION);

    if (!c && disk_next_event(m->disk) != ~0ULL) {
        m->now_ns = disk_next_event(m->disk);
        disk_advance(m->disk, m->now_ns);
        c = in(m, DISK_REG_COMPLETION);
    }
    return c;
}

static inline unsigned transfer(struct machine *m, unsigned op, uint64_t sector,
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

#endif
