/*
 * When writes become durable, and what a power cut leaves.
 *
 * Invariants:
 *  1. A version's seq is the number of the write that completed with it: a
 *     flush that was submitted when d->writes was n covers seqs up to n.
 *  2. After a power cut a sector holds its medium content or a version of it
 *     written since; another mixture only where faults.torn_one_in let it.
 *  3. Powered off, nothing is in flight, waiting or cached.
 */
#include "sim/arena.h"
#include "sim/dev/disk_impl.h"
#include "sim/sim.h"

#include <string.h>

bool disk_write_back(struct disk *d, uint64_t seq)
{
    struct cache_sector *next;
    bool ok = true;

    for (struct cache_sector *s = d->cache.first; s; s = next) {
        const struct cache_version *last = NULL;

        next = s->next;
        for (struct cache_version *v = s->oldest; v && v->seq <= seq;
             v = v->next) {
            last = v;
        }
        if (last && medium_write(&d->medium, s->sector, last->data)) {
            cache_drop(&d->cache, s, seq);
        } else if (last) {
            ok = false;
        }
    }
    return medium_sync(&d->medium) && ok;
}

/* A drive writes back by itself when its cache is full. */
static void cache_bound(struct disk *d, uint64_t sector)
{
    struct cache_sector *s = cache_find(&d->cache, sector);

    if (d->cache.versions >= CACHE_MAX_VERSIONS) {
        disk_write_back(d, ~0ULL);
    } else if (s && s->versions >= CACHE_MAX_PER_SECTOR &&
               medium_write(&d->medium, sector, s->oldest->data)) {
        cache_drop(&d->cache, s, s->oldest->seq);
    }
}

void disk_cache_write(struct disk *d, uint64_t sector, const void *data)
{
    cache_bound(d, sector);
    cache_add(&d->cache, sector, d->writes, data);
}

void disk_tear(struct disk *d, uint8_t *sector, const uint8_t *data)
{
    const size_t half = DISK_SECTOR_BYTES / 2;
    size_t at = half * choice_draw(machine_choice(d->machine), CHOICE_FAULT, 2);

    memcpy(sector + at, data + at, half);
}

/* One version of each sector stays, or none. */
static void collapse(struct disk *d)
{
    struct choice *c = machine_choice(d->machine);

    for (struct cache_sector *s = d->cache.first; s; s = s->next) {
        uint32_t pick = choice_draw(c, CHOICE_FAULT, s->versions + 1);
        const struct cache_version *v = s->oldest;

        if (pick > 0) {
            while (--pick > 0) {
                v = v->next;
            }
            medium_write(&d->medium, s->sector, v->data);
        }
    }
    cache_clear(&d->cache);
}

/* The sector that the head was over, of a write in flight. */
static void cut_in_flight(struct disk *d, struct tag *t)
{
    struct choice *c = machine_choice(d->machine);
    uint8_t content[DISK_SECTOR_BYTES];
    uint32_t i;

    if (!choice_one_in(c, CHOICE_FAULT, d->faults.torn_one_in)) {
        return;
    }
    i = choice_draw(c, CHOICE_FAULT, t->count);
    if (medium_read(&d->medium, t->sector + i, 1, content)) {
        disk_tear(d, content, t->data + (size_t)i * DISK_SECTOR_BYTES);
        medium_write(&d->medium, t->sector + i, content);
    }
}

/* In order of submission, whatever the tags' numbers. */
static struct tag *oldest_in_flight(struct disk *d)
{
    struct tag *oldest = NULL;

    for (unsigned i = 0; i < DISK_MAX_QUEUE; i++) {
        struct tag *t = &d->tags[i];

        if (t->state == IN_FLIGHT && (!oldest || t->order < oldest->order)) {
            oldest = t;
        }
    }
    return oldest;
}

void disk_power_cut(struct disk *d)
{
    struct tag *writes[DISK_MAX_QUEUE], *t;
    unsigned nr = 0;

    if (d->powered_off) {
        return;
    }
    while ((t = oldest_in_flight(d)) != NULL) {
        t->state = FREE;
        if (t->op != DISK_OP_WRITE) {
            continue;
        }
        writes[nr++] = t;
        for (uint32_t i = 0; i < t->count; i++) {
            d->writes++;
            disk_cache_write(d, t->sector + i,
                             t->data + (size_t)i * DISK_SECTOR_BYTES);
        }
    }
    collapse(d);
    for (unsigned i = 0; i < nr; i++) {
        cut_in_flight(d, writes[i]);
    }
    medium_sync(&d->medium);
    for (unsigned i = 0; i < DISK_MAX_QUEUE; i++) {
        d->tags[i].state = FREE;
        d->tags[i].at = d->tags[i].len = 0;
    }
    d->in_flight = d->nr_completions = 0;
    d->refused = false;
    d->powered_off = true;
}

bool disk_powered_off(const struct disk *d)
{
    return d->powered_off;
}

bool disk_current(struct disk *d, uint64_t sector, unsigned count, uint8_t *buf)
{
    if (!medium_read(&d->medium, sector, count, buf)) {
        return false;
    }
    for (unsigned i = 0; i < count && d->cache.first; i++) {
        const struct cache_sector *s = cache_find(&d->cache, sector + i);

        if (s) {
            memcpy(buf + (size_t)i * DISK_SECTOR_BYTES, s->newest->data,
                   DISK_SECTOR_BYTES);
        }
    }
    return true;
}
