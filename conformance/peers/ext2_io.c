/*
 * libext2fs on top of a block frontend. Calls wait in os_wait(), on the
 * guest's coroutine.
 *
 * Invariants:
 *  1. Every byte goes through the frontend: nothing is cached here, so a
 *     flush is exactly the frontend's flush.
 *  2. Ranges that are not whole sectors are read, changed and written.
 */
#include "conformance/peers/ext2_io.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IO_SECTOR 512u
#define IO_PREFIX "blkfront:"

struct ext2_io {
    struct blkfront *bf;
    struct struct_io_stats stats;
};

void ext2_io_name(struct blkfront *bf, char name[EXT2_IO_NAME_MAX])
{
    snprintf(name, EXT2_IO_NAME_MAX, IO_PREFIX "%" PRIxPTR, (uintptr_t)bf);
}

static errcode_t io_open(const char *name, int flags, io_channel *channel)
{
    struct struct_io_channel *ch = calloc(1, sizeof(*ch));
    struct ext2_io *io = calloc(1, sizeof(*io));
    uintptr_t bf;

    (void)flags;
    if (!ch || !io || sscanf(name, IO_PREFIX "%" SCNxPTR, &bf) != 1) {
        free(ch);
        free(io);
        return EXT2_ET_NO_MEMORY;
    }
    io->bf = (struct blkfront *)bf;
    io->stats.num_fields = 2;
    ch->magic = EXT2_ET_MAGIC_IO_CHANNEL;
    ch->manager = ext2_io_manager();
    ch->name = strdup(name);
    ch->block_size = 1024;
    ch->refcount = 1;
    ch->private_data = io;
    *channel = ch;
    return 0;
}

static errcode_t io_close(io_channel channel)
{
    errcode_t err = 0;

    if (--channel->refcount > 0) {
        return 0;
    }
    free(channel->private_data);
    free(channel->name);
    free(channel);
    return err;
}

static errcode_t io_set_blksize(io_channel channel, int blksize)
{
    channel->block_size = blksize;
    return 0;
}

static errcode_t io_read_bytes(struct ext2_io *io, uint64_t at, size_t len,
                               uint8_t *data)
{
    uint64_t first = at / IO_SECTOR;
    unsigned n = (unsigned)((at + len + IO_SECTOR - 1) / IO_SECTOR - first);
    uint8_t *buf;
    int rc;

    if (at % IO_SECTOR == 0 && len % IO_SECTOR == 0) {
        return blkfront_read(io->bf, first, data, n) ? EXT2_ET_SHORT_READ : 0;
    }
    buf = malloc((size_t)n * IO_SECTOR);
    if (!buf) {
        return EXT2_ET_NO_MEMORY;
    }
    rc = blkfront_read(io->bf, first, buf, n);
    if (!rc) {
        memcpy(data, buf + at % IO_SECTOR, len);
    }
    free(buf);
    return rc ? EXT2_ET_SHORT_READ : 0;
}

static errcode_t io_write_bytes(struct ext2_io *io, uint64_t at, size_t len,
                                const uint8_t *data)
{
    uint64_t first = at / IO_SECTOR;
    unsigned n = (unsigned)((at + len + IO_SECTOR - 1) / IO_SECTOR - first);
    uint8_t *buf;
    int rc;

    if (at % IO_SECTOR == 0 && len % IO_SECTOR == 0) {
        return blkfront_write(io->bf, first, data, n) ? EXT2_ET_SHORT_WRITE :
                                                        0;
    }
    buf = malloc((size_t)n * IO_SECTOR);
    if (!buf) {
        return EXT2_ET_NO_MEMORY;
    }
    rc = blkfront_read(io->bf, first, buf, n);
    if (!rc) {
        memcpy(buf + at % IO_SECTOR, data, len);
        rc = blkfront_write(io->bf, first, buf, n);
    }
    free(buf);
    return rc ? EXT2_ET_SHORT_WRITE : 0;
}

/* ext2_io.h: a negative count is in bytes, another in blocks. */
static size_t io_length(io_channel channel, int count)
{
    return count < 0 ? (size_t)-count :
                       (size_t)count * (size_t)channel->block_size;
}

static errcode_t io_read_blk64(io_channel channel, unsigned long long block,
                               int count, void *data)
{
    struct ext2_io *io = channel->private_data;
    size_t len = io_length(channel, count);

    io->stats.bytes_read += len;
    return io_read_bytes(io, block * (unsigned)channel->block_size, len,
                         data);
}

static errcode_t io_write_blk64(io_channel channel, unsigned long long block,
                                int count, const void *data)
{
    struct ext2_io *io = channel->private_data;
    size_t len = io_length(channel, count);

    io->stats.bytes_written += len;
    return io_write_bytes(io, block * (unsigned)channel->block_size, len,
                          data);
}

static errcode_t io_read_blk(io_channel channel, unsigned long block,
                             int count, void *data)
{
    return io_read_blk64(channel, block, count, data);
}

static errcode_t io_write_blk(io_channel channel, unsigned long block,
                              int count, const void *data)
{
    return io_write_blk64(channel, block, count, data);
}

static errcode_t io_flush(io_channel channel)
{
    struct ext2_io *io = channel->private_data;

    return blkfront_flush(io->bf) ? EXT2_ET_SHORT_WRITE : 0;
}

static errcode_t io_write_byte(io_channel channel, unsigned long offset,
                               int count, const void *data)
{
    return io_write_bytes(channel->private_data, offset, (size_t)count, data);
}

static errcode_t io_get_stats(io_channel channel, io_stats *stats)
{
    struct ext2_io *io = channel->private_data;

    *stats = &io->stats;
    return 0;
}

static const struct struct_io_manager io_manager_blkfront = {
    .magic = EXT2_ET_MAGIC_IO_MANAGER,
    .name = "ringside block frontend",
    .open = io_open,
    .close = io_close,
    .set_blksize = io_set_blksize,
    .read_blk = io_read_blk,
    .write_blk = io_write_blk,
    .flush = io_flush,
    .write_byte = io_write_byte,
    .get_stats = io_get_stats,
    .read_blk64 = io_read_blk64,
    .write_blk64 = io_write_blk64,
};

io_manager ext2_io_manager(void)
{
    /* libext2fs only reads it. */
    return (io_manager)(uintptr_t)&io_manager_blkfront;
}
