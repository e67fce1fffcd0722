/*
 * The disk: what its driver sees.
 *
 * A tag:
 *
 *          SUBMIT                  due (disk_advance)
 *   FREE ----------> IN_FLIGHT -------------------------> WAITING
 *    ^    (an invalid one goes to WAITING at once)           |
 *    `------------------ COMPLETION read <-------------------'
 *
 * Invariants:
 *  1. Data of a tag moves by DISK_REG_DATA only while it is FREE.
 *  2. A WAITING tag is in completions[] once; there are at most
 *     DISK_MAX_QUEUE of them.
 *  3. Powered off, registers read 0 and take nothing.
 */
#include "sim/dev/disk.h"
#include "sim/arena.h"
#include "sim/dev/disk_impl.h"
#include "sim/hash.h"
#include "sim/sim.h"

#include <stdio.h>
#include <string.h>

/* -- Registers ------------------------------------------------------------- */

static uint32_t data_in(struct disk *d, unsigned len)
{
    struct tag *t = &d->tags[d->tag % DISK_MAX_QUEUE];
    uint32_t v = 0;

    if (d->tag >= DISK_MAX_QUEUE || t->state != FREE) {
        return 0;
    }
    for (unsigned i = 0; i < len && t->at < t->len; i++) {
        v |= (uint32_t)t->data[t->at++] << (8 * i);
    }
    return v;
}

static void data_out(struct disk *d, unsigned len, uint32_t v)
{
    struct tag *t = &d->tags[d->tag % DISK_MAX_QUEUE];
    uint8_t *data;

    if (d->tag >= DISK_MAX_QUEUE || t->state != FREE) {
        return;
    }
    data = disk_tag_data(d, t);
    t->len = 0;
    for (unsigned i = 0; i < len && t->at < DISK_BUFFER_BYTES; i++) {
        data[t->at++] = (uint8_t)(v >> (8 * i));
    }
}

/* What as many data_in() or data_out() calls would do. */
bool disk_data_run(struct disk *d, unsigned len, void *buf, size_t units,
                   bool in)
{
    struct tag *t = &d->tags[d->tag % DISK_MAX_QUEUE];
    size_t bytes = units * len, end = in ? t->len : DISK_BUFFER_BYTES;
    size_t n = t->at < end ? end - t->at : 0;

    if (d->powered_off || d->tag >= DISK_MAX_QUEUE || t->state != FREE) {
        return false;
    }
    n = n < bytes ? n : bytes;
    if (!in) {
        memcpy(disk_tag_data(d, t) + t->at, buf, n);
        t->len = 0;
    } else {
        if (n > 0) {
            memcpy(buf, t->data + t->at, n);
        }
        memset((uint8_t *)buf + n, 0, bytes - n);
    }
    t->at += (uint32_t)n;
    return true;
}

static uint32_t completion_pop(struct disk *d)
{
    struct tag *t;
    unsigned tag;

    if (d->nr_completions == 0) {
        return 0;
    }
    tag = d->completions[d->first_completion];
    d->first_completion = (d->first_completion + 1) % DISK_MAX_QUEUE;
    d->nr_completions--;
    t = &d->tags[tag];
    t->state = FREE;
    t->at = 0;
    return tag | (uint32_t)t->status << 8 | DISK_COMPLETION_VALID;
}

static uint32_t id_register(const struct disk *d)
{
    return DISK_ID << 16 | DISK_ST_POWERED |
           (d->refused ? DISK_ST_REFUSED : 0) |
           (d->medium.read_only ? DISK_ST_READONLY : 0) |
           (d->nr_completions ? DISK_ST_WAITING : 0);
}

static uint32_t register_in(struct disk *d, unsigned reg, unsigned len)
{
    switch (reg) {
    case DISK_REG_ID:
        return id_register(d);
    case DISK_REG_TAG:
        return d->tag;
    case DISK_REG_OP:
        return d->op;
    case DISK_REG_SECTOR_LO:
        return d->sector_lo;
    case DISK_REG_SECTOR_HI:
        return d->sector_hi;
    case DISK_REG_COUNT:
        return d->count;
    case DISK_REG_DATA:
        return data_in(d, len);
    case DISK_REG_COMPLETION:
        return completion_pop(d);
    case DISK_REG_CAPACITY_LO:
        return (uint32_t)d->medium.sectors;
    case DISK_REG_CAPACITY_HI:
        return (uint32_t)(d->medium.sectors >> 32);
    default:
        return 0;
    }
}

static uint32_t low_bytes(uint32_t v, unsigned len)
{
    return len >= 4 ? v : v & ((1u << (8 * len)) - 1);
}

uint32_t disk_port_in(struct disk *d, unsigned reg, unsigned len)
{
    len = len < 4 ? len : 4;
    return d->powered_off ? 0 : low_bytes(register_in(d, reg, len), len);
}

void disk_port_out(struct disk *d, unsigned reg, unsigned len, uint32_t v)
{
    len = len < 4 ? len : 4;
    v = low_bytes(v, len);
    if (d->powered_off) {
        return;
    }
    switch (reg) {
    case DISK_REG_TAG:
        d->tag = v;
        if (v < DISK_MAX_QUEUE && d->tags[v].state == FREE) {
            d->tags[v].at = 0;
        }
        break;
    case DISK_REG_OP:
        d->op = v;
        break;
    case DISK_REG_SECTOR_LO:
        d->sector_lo = v;
        break;
    case DISK_REG_SECTOR_HI:
        d->sector_hi = v;
        break;
    case DISK_REG_COUNT:
        d->count = v;
        break;
    case DISK_REG_SUBMIT:
        disk_submit(d);
        break;
    case DISK_REG_DATA:
        data_out(d, len, v);
        break;
    default:
        break;
    }
}

/* -- Life ------------------------------------------------------------------ */

struct disk *disk_attach(struct machine *m, unsigned index,
                         const struct disk_config *cfg, char *err,
                         size_t err_len)
{
    struct disk *d;

    if (index >= DISK_MAX || machine_disk(m, index)) {
        snprintf(err, err_len, "disk %u: %s", index,
                 index >= DISK_MAX ? "there is no such place, 0 to 7 are"
                                   : "is already there");
        return NULL;
    }
    d = arena_alloc(machine_arena(m), sizeof(*d), 16);
    d->machine = m;
    d->index = index;
    d->faults = cfg->faults;
    cache_init(&d->cache, machine_arena(m));
    if (medium_open(&d->medium, machine_arena(m), cfg, err, err_len) != 0) {
        arena_free(machine_arena(m), d);
        return NULL;
    }
    machine_set_disk(m, index, d);
    return d;
}

void disk_detach(struct disk *d)
{
    struct machine *m = d->machine;

    machine_set_disk(m, d->index, NULL);
    cache_clear(&d->cache);
    medium_close(&d->medium);
    for (unsigned i = 0; i < DISK_MAX_QUEUE; i++) {
        arena_pages_free(machine_arena(m), d->tags[i].data, DISK_BUFFER_BYTES);
    }
    arena_free(machine_arena(m), d);
}

bool disk_host_bound(const struct disk *d)
{
    return d->medium.fd >= 0 && !d->medium.copy_on_write &&
           !d->medium.read_only;
}

void disk_set_faults(struct disk *d, const struct disk_faults *f)
{
    d->faults = *f;
}

uint64_t disk_sectors(const struct disk *d)
{
    return d->medium.sectors;
}

void disk_read_medium(struct disk *d, uint64_t sector, void *buf)
{
    medium_read(&d->medium, sector, 1, buf);
}

void disk_read_current(struct disk *d, uint64_t sector, void *buf)
{
    disk_current(d, sector, 1, buf);
}

static void tag_hash(const struct tag *t, struct hash_stream *h)
{
    hash_u64(h, t->state);
    hash_u64(h, t->at);
    hash_u64(h, t->len);
    if (t->state != FREE) {
        hash_u64(h, t->op);
        hash_u64(h, t->sector);
        hash_u64(h, t->count);
        hash_u64(h, t->due_ns);
        hash_u64(h, t->order);
        hash_u64(h, t->covers);
        hash_u64(h, t->status);
    }
    if (t->state == IN_FLIGHT && t->op == DISK_OP_WRITE) {
        hash_bytes(h, t->data, (size_t)t->count * DISK_SECTOR_BYTES);
    } else if (t->state != IN_FLIGHT && t->data) {
        hash_bytes(h, t->data, t->at > t->len ? t->at : t->len);
    }
}

void disk_hash(const struct disk *d, struct hash_stream *h)
{
    const uint64_t fields[] = {
        d->index,     d->medium.sectors, d->medium.digest, d->powered_off,
        d->refused,   d->cache.versions, d->cache.digest,  d->tag,
        d->op,        d->sector_lo,      d->sector_hi,     d->count,
        d->submitted, d->last_due_ns,    d->writes,        d->nr_completions,
    };

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        hash_u64(h, fields[i]);
    }
    for (unsigned i = 0; i < d->nr_completions; i++) {
        unsigned at = (d->first_completion + i) % DISK_MAX_QUEUE;

        hash_u64(h, d->completions[at]);
    }
    for (unsigned i = 0; i < DISK_MAX_QUEUE; i++) {
        tag_hash(&d->tags[i], h);
    }
}
