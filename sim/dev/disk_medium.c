/*
 * What stays when the power goes: sectors in the arena, a host file or block
 * device, or a host file under an overlay in the arena.
 *
 * Invariants:
 *  1. With copy_on_write or read_only the host file is never written, and
 *     all that can change lies in the arena.
 *  2. `digest` grew by every change: sum of the new sectors' digests less
 *     the old ones', a sector of zeroes counting 0.
 */
#include "sim/arena.h"
#include "sim/dev/disk_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEDIUM_RAM_MAX (16ULL << 30)

static uint64_t digest_of(uint64_t sector, const uint8_t *data)
{
    if (data[0] == 0 && memcmp(data, data + 1, DISK_SECTOR_BYTES - 1) == 0) {
        return 0;
    }
    return sector_digest(sector, 0, data);
}

static int medium_open_ram(struct disk_medium *m, const struct disk_config *cfg,
                           char *err, size_t err_len)
{
    uint64_t bytes = cfg->sectors * DISK_SECTOR_BYTES;

    if (cfg->sectors == 0 ||
        cfg->sectors > MEDIUM_RAM_MAX / DISK_SECTOR_BYTES ||
        cfg->content_len > bytes) {
        snprintf(err, err_len,
                 "disk: %" PRIu64 " sectors for %zu bytes of content; would "
                 "be right: enough for it, 1 to %llu",
                 cfg->sectors, cfg->content_len,
                 MEDIUM_RAM_MAX / DISK_SECTOR_BYTES);
        return -1;
    }
    m->sectors = cfg->sectors;
    m->ram = arena_pages(m->arena, bytes);
    if (cfg->content) {
        memcpy(m->ram, cfg->content, cfg->content_len);
        for (uint64_t s = 0; s * DISK_SECTOR_BYTES < cfg->content_len; s++) {
            m->digest += digest_of(s, m->ram + s * DISK_SECTOR_BYTES);
        }
    }
    return 0;
}

/* Bytes of a file or block device; -1 and errno. */
static int64_t size_of(int fd)
{
    struct stat st;
    uint64_t bytes;

    if (fstat(fd, &st) != 0) {
        return -1;
    }
    if (S_ISREG(st.st_mode)) {
        return st.st_size;
    }
    if (S_ISBLK(st.st_mode)) {
        return ioctl(fd, BLKGETSIZE64, &bytes) == 0 ? (int64_t)bytes : -1;
    }
    errno = S_ISDIR(st.st_mode) ? EISDIR : ENOTBLK;
    return -1;
}

static int medium_check_file(struct disk_medium *m,
                             const struct disk_config *cfg, char *err,
                             size_t err_len)
{
    bool writes = !m->copy_on_write && !m->read_only;
    int64_t bytes;

    if (m->fd < 0 || (bytes = size_of(m->fd)) < 0) {
        snprintf(err, err_len, "%s: %s", cfg->path, strerror(errno));
    } else if (bytes == 0 || bytes % DISK_SECTOR_BYTES != 0) {
        snprintf(err, err_len,
                 "%s: %" PRId64 " bytes is no disk; a whole number of "
                 "512-byte sectors would be",
                 cfg->path, bytes);
    } else if (cfg->sectors > (uint64_t)bytes / DISK_SECTOR_BYTES) {
        snprintf(err, err_len,
                 "%s: %" PRIu64 " sectors asked for, it has %" PRId64,
                 cfg->path, cfg->sectors, bytes / DISK_SECTOR_BYTES);
    } else if (writes && flock(m->fd, LOCK_EX | LOCK_NB) != 0) {
        snprintf(err, err_len, "%s: another disk writes to it", cfg->path);
    } else {
        m->sectors =
            cfg->sectors ? cfg->sectors : (uint64_t)bytes / DISK_SECTOR_BYTES;
        return 0;
    }
    return -1;
}

int medium_open(struct disk_medium *m, struct arena *a,
                const struct disk_config *cfg, char *err, size_t err_len)
{
    memset(m, 0, sizeof(*m));
    m->arena = a;
    m->fd = -1;
    m->copy_on_write = cfg->copy_on_write;
    m->read_only = cfg->read_only;
    cache_init(&m->overlay, a);
    if (!cfg->path) {
        return medium_open_ram(m, cfg, err, err_len);
    }
    m->fd = open(cfg->path,
                 O_CLOEXEC | O_NONBLOCK |
                     (m->copy_on_write || m->read_only ? O_RDONLY : O_RDWR));
    if (medium_check_file(m, cfg, err, err_len) != 0) {
        medium_close(m);
        return -1;
    }
    return 0;
}

void medium_close(struct disk_medium *m)
{
    if (m->fd >= 0) {
        close(m->fd);
    }
    cache_clear(&m->overlay);
    if (m->ram) {
        arena_pages_free(m->arena, m->ram, m->sectors * DISK_SECTOR_BYTES);
    }
    m->fd = -1;
    m->ram = NULL;
}

static bool file_read(int fd, uint64_t offset, uint8_t *buf, size_t len)
{
    arena_touch(buf, len);
    while (len > 0) {
        ssize_t n = pread(fd, buf, len, (off_t)offset);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        buf += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return true;
}

static bool file_write(int fd, uint64_t offset, const uint8_t *buf, size_t len)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, buf, len, (off_t)offset);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        buf += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return true;
}

bool medium_read(struct disk_medium *m, uint64_t sector, unsigned count,
                 void *buf)
{
    size_t len = (size_t)count * DISK_SECTOR_BYTES;
    uint64_t offset = sector * DISK_SECTOR_BYTES;

    if (m->ram) {
        memcpy(buf, m->ram + offset, len);
        return true;
    }
    if (!file_read(m->fd, offset, buf, len)) {
        memset(buf, 0, len);
        return false;
    }
    for (unsigned i = 0; i < count && m->overlay.first; i++) {
        const struct cache_sector *s = cache_find(&m->overlay, sector + i);

        if (s) {
            memcpy((uint8_t *)buf + (size_t)i * DISK_SECTOR_BYTES,
                   s->newest->data, DISK_SECTOR_BYTES);
        }
    }
    return true;
}

bool medium_write(struct disk_medium *m, uint64_t sector, const void *buf)
{
    uint64_t offset = sector * DISK_SECTOR_BYTES;
    uint8_t old[DISK_SECTOR_BYTES];

    if (m->read_only || !medium_read(m, sector, 1, old)) {
        return false;
    }
    if (m->ram) {
        memcpy(m->ram + offset, buf, DISK_SECTOR_BYTES);
    } else if (m->copy_on_write) {
        struct cache_sector *s = cache_find(&m->overlay, sector);

        if (s) {
            cache_drop(&m->overlay, s, ~0ULL);
        }
        cache_add(&m->overlay, sector, 0, buf);
    } else if (!file_write(m->fd, offset, buf, DISK_SECTOR_BYTES)) {
        return false;
    }
    m->digest += digest_of(sector, buf) - digest_of(sector, old);
    return true;
}

bool medium_sync(struct disk_medium *m)
{
    return m->fd < 0 || m->copy_on_write || m->read_only ||
           fdatasync(m->fd) == 0;
}
