/*
 * The three layers of a disk: requests (disk.c) over the volatile cache
 * (disk_cache.c) over the medium (disk_medium.c).
 */
#ifndef SIM_DEV_DISK_IMPL_H
#define SIM_DEV_DISK_IMPL_H

#include "sim/dev/disk.h"

#define DISK_BUFFER_BYTES (DISK_MAX_SECTORS_PER_REQ * DISK_SECTOR_BYTES)
#define DISK_NEVER (~0ULL)

struct arena;

/* -- Cache: versions of sectors, oldest first ------------------------------ */

#define CACHE_BUCKETS 1024
/* A drive's cache is no larger than 32 MiB, nor keeps more of a sector. */
#define CACHE_MAX_VERSIONS 65536
#define CACHE_MAX_PER_SECTOR 16

struct cache_version {
    struct cache_version *next;
    uint64_t seq; /* ascending within a sector */
    uint8_t data[DISK_SECTOR_BYTES];
};

struct cache_sector {
    uint64_t sector;
    struct cache_sector *bucket_next;
    struct cache_sector *prev, *next; /* in order of arrival */
    struct cache_version *oldest, *newest;
    unsigned versions; /* at least 1 */
};

struct disk_cache {
    struct arena *arena;
    struct cache_sector *buckets[CACHE_BUCKETS];
    struct cache_sector *first, *last;
    size_t versions;
    uint64_t digest; /* of all of it, kept as it changes */
};

void cache_init(struct disk_cache *c, struct arena *a);
void cache_clear(struct disk_cache *c);
void cache_add(struct disk_cache *c, uint64_t sector, uint64_t seq,
               const void *data);
struct cache_sector *cache_find(const struct disk_cache *c, uint64_t sector);
/* Drops s's versions up to seq, and s itself with its last one (then s is no
 * more; go on with the `next` read before). */
void cache_drop(struct disk_cache *c, struct cache_sector *s, uint64_t seq);

/* -- Medium --------------------------------------------------------------- */

struct disk_medium {
    struct arena *arena;
    uint64_t sectors;
    uint8_t *ram; /* NULL: on a host file */
    int fd;       /* -1: none */
    bool copy_on_write, read_only;
    struct disk_cache overlay; /* copy_on_write: what differs from the file */
    uint64_t digest; /* sum over sectors written; all of them when in ram */
};

/* 0, or -1 and one line in *err. */
int medium_open(struct disk_medium *m, struct arena *a,
                const struct disk_config *cfg, char *err, size_t err_len);
void medium_close(struct disk_medium *m);
/* False: the host failed us. Ranges are the caller's to check. */
bool medium_read(struct disk_medium *m, uint64_t sector, unsigned count,
                 void *buf);
bool medium_write(struct disk_medium *m, uint64_t sector, const void *buf);
bool medium_sync(struct disk_medium *m);

/* -- The whole ------------------------------------------------------------- */

enum tag_state { FREE, IN_FLIGHT, WAITING };

struct tag {
    enum tag_state state;
    uint32_t op, count;
    uint64_t sector;
    uint64_t due_ns, order; /* order of submission */
    uint64_t covers;        /* a flush: last write it makes durable */
    uint8_t status;
    uint8_t *data;    /* DISK_BUFFER_BYTES, from the tag's first use on */
    uint32_t at, len; /* DATA's place; bytes that can be read */
};

struct disk {
    struct machine *machine;
    unsigned index;
    struct disk_faults faults;
    struct disk_medium medium;
    struct disk_cache cache;
    bool powered_off, refused;

    /* as the driver set them, unchecked */
    uint32_t tag, op, sector_lo, sector_hi, count;

    struct tag tags[DISK_MAX_QUEUE];
    uint8_t completions[DISK_MAX_QUEUE];
    unsigned first_completion, nr_completions, in_flight;
    uint64_t submitted, last_due_ns;
    uint64_t writes; /* completed */
};

/* disk_durable.c: */
/* The newest version up to `seq` of each sector goes to the medium, and that
 * to the host. False: the host failed us. */
bool disk_write_back(struct disk *d, uint64_t seq);
/* A version of write number d->writes. */
void disk_cache_write(struct disk *d, uint64_t sector, const void *data);
/* One half of `sector` becomes that of `data`. */
void disk_tear(struct disk *d, uint8_t *sector, const uint8_t *data);
/* Cache over medium. */
bool disk_current(struct disk *d, uint64_t sector, unsigned count,
                  uint8_t *buf);

/* disk_request.c: */
uint8_t *disk_tag_data(struct disk *d, struct tag *t);
void disk_submit(struct disk *d);

uint64_t sector_digest(uint64_t sector, uint64_t seq, const void *data);

#endif
