/*
 * A drive's volatile cache: for each sector the versions written since its
 * medium content, oldest first.
 *
 * Invariants:
 *  1. A sector is in its bucket and in the arrival list, or in neither.
 *  2. It has at least one version; their seqs ascend.
 *  3. `digest` is the sum of every version's sector_digest().
 */
#include "sim/arena.h"
#include "sim/dev/disk_impl.h"

#include <string.h>
#include <xxhash.h>

uint64_t sector_digest(uint64_t sector, uint64_t seq, const void *data)
{
    return XXH64(data, DISK_SECTOR_BYTES,
                 (sector + 1) * 0x9e3779b97f4a7c15ULL ^ seq);
}

static unsigned bucket_of(uint64_t sector)
{
    return (unsigned)((sector * 0x9e3779b97f4a7c15ULL) >> 54) % CACHE_BUCKETS;
}

void cache_init(struct disk_cache *c, struct arena *a)
{
    memset(c, 0, sizeof(*c));
    c->arena = a;
}

void cache_clear(struct disk_cache *c)
{
    while (c->first) {
        cache_drop(c, c->first, ~0ULL);
    }
}

struct cache_sector *cache_find(const struct disk_cache *c, uint64_t sector)
{
    struct cache_sector *s = c->buckets[bucket_of(sector)];

    while (s && s->sector != sector) {
        s = s->bucket_next;
    }
    return s;
}

static struct cache_sector *sector_new(struct disk_cache *c, uint64_t sector)
{
    struct cache_sector *s = arena_alloc(c->arena, sizeof(*s), 16);

    s->sector = sector;
    s->bucket_next = c->buckets[bucket_of(sector)];
    c->buckets[bucket_of(sector)] = s;
    s->prev = c->last;
    if (c->last) {
        c->last->next = s;
    } else {
        c->first = s;
    }
    c->last = s;
    return s;
}

static void sector_free(struct disk_cache *c, struct cache_sector *s)
{
    struct cache_sector **link = &c->buckets[bucket_of(s->sector)];

    while (*link != s) {
        link = &(*link)->bucket_next;
    }
    *link = s->bucket_next;
    if (s->prev) {
        s->prev->next = s->next;
    } else {
        c->first = s->next;
    }
    if (s->next) {
        s->next->prev = s->prev;
    } else {
        c->last = s->prev;
    }
    arena_free(c->arena, s);
}

void cache_add(struct disk_cache *c, uint64_t sector, uint64_t seq,
               const void *data)
{
    struct cache_version *v = arena_alloc(c->arena, sizeof(*v), 16);
    struct cache_sector *s = cache_find(c, sector);

    if (!s) {
        s = sector_new(c, sector);
    }
    v->seq = seq;
    memcpy(v->data, data, sizeof(v->data));
    if (s->newest) {
        s->newest->next = v;
    } else {
        s->oldest = v;
    }
    s->newest = v;
    s->versions++;
    c->versions++;
    c->digest += sector_digest(sector, seq, data);
}

void cache_drop(struct disk_cache *c, struct cache_sector *s, uint64_t seq)
{
    while (s->oldest && s->oldest->seq <= seq) {
        struct cache_version *v = s->oldest;

        s->oldest = v->next;
        s->versions--;
        c->versions--;
        c->digest -= sector_digest(s->sector, v->seq, v->data);
        arena_free(c->arena, v);
    }
    if (!s->oldest) {
        sector_free(c, s);
    }
}
