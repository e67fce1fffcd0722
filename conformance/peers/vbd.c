/* See vbd.h. */
#include "conformance/peers/vbd.h"

#include <string.h>

struct blkfront *vbd_open(struct t *t, unsigned vdev)
{
    int err = 0;
    struct blkfront *bf = blkfront_open(t->xs, vdev, &err);
    if (bf == NULL) {
        t_fail(t, __FILE__, __LINE__, "blkfront_open(%u) gave %d", vdev, err);
    }
    return bf;
}

struct disk *vbd_disk(struct t *t)
{
    return machine_disk(t_world(t)->m, 0);
}

void vbd_pattern(uint8_t *buf, uint64_t sector, unsigned version)
{
    uint32_t x = (uint32_t)sector * 2654435761u ^ version * 40503u ^ 1;
    for (unsigned i = 0; i < SECTOR; i += 4) {
        x = x * 1664525u + 1013904223u;
        memcpy(buf + i, &x, 4);
    }
}

void vbd_fill(uint8_t *buf, uint64_t sector, unsigned n, unsigned version)
{
    for (unsigned i = 0; i < n; i++) {
        vbd_pattern(buf + i * SECTOR, sector + i, version);
    }
}

void vbd_expect(struct t *t, const uint8_t *buf, uint64_t sector, unsigned n,
                unsigned version)
{
    uint8_t want[SECTOR];
    for (unsigned i = 0; i < n; i++) {
        vbd_pattern(want, sector + i, version);
        if (memcmp(buf + i * SECTOR, want, SECTOR) != 0) {
            t_fail(t, __FILE__, __LINE__,
                   "sector %llu does not hold version %u",
                   (unsigned long long)(sector + i), version);
        }
    }
}

void vbd_write(struct t *t, struct blkfront *bf, uint64_t sector, unsigned n,
               unsigned version)
{
    uint8_t *buf = os_malloc(t->os, n * SECTOR);
    T_REQUIRE(t, buf != NULL);
    vbd_fill(buf, sector, n, version);
    T_EQ(t, blkfront_write(bf, sector, buf, n), 0);
    os_free(t->os, buf);
}

void vbd_check(struct t *t, struct blkfront *bf, uint64_t sector, unsigned n,
               unsigned version)
{
    uint8_t *buf = os_malloc(t->os, n * SECTOR);
    T_REQUIRE(t, buf != NULL);
    T_EQ(t, blkfront_read(bf, sector, buf, n), 0);
    vbd_expect(t, buf, sector, n, version);
    os_free(t->os, buf);
}
