/*
 * A native guest's work on an ext4 file system with libext2fs: files made,
 * written and removed in the order debugfs does it (create_inode.c:
 * do_write_internal; debugfs.c: kill_file_by_inode).
 */
#include "conformance/storage_ext2.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/peers/ext2_io.h"
#include "conformance/storage.h"

#define EXT2_FIXED_TIME 1700000000 /* no clock: same seed, same image */
#define EXT2_NAME 16

static uint64_t storage_mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15ULL; /* splitmix64 */
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

uint64_t storage_file_size(uint64_t seed, unsigned i)
{
    uint64_t r = storage_mix(seed * 1000003 + i);

    /* empty, less than a block, and up to some hundred blocks */
    return i % 8 == 0 ? 0 : i % 3 == 0 ? r % 1000 : r % 300000;
}

uint8_t storage_file_byte(uint64_t seed, unsigned i, uint64_t offset)
{
    return (uint8_t)(storage_mix(seed ^ ((uint64_t)i << 40) ^ (offset / 8)) >>
                     (8 * (offset % 8)));
}

static errcode_t ext2_link(ext2_filsys fs, ext2_ino_t dir, const char *name,
                           ext2_ino_t ino)
{
    errcode_t err = ext2fs_link(fs, dir, name, ino, EXT2_FT_REG_FILE);

    if (err == EXT2_ET_DIR_NO_SPACE) {
        err = ext2fs_expand_dir(fs, dir);
        if (!err) {
            err = ext2fs_link(fs, dir, name, ino, EXT2_FT_REG_FILE);
        }
    }
    return err;
}

static errcode_t ext2_new_inode(ext2_filsys fs, ext2_ino_t dir,
                                ext2_ino_t *ino)
{
    struct ext2_inode inode;
    errcode_t err =
        ext2fs_new_inode(fs, dir, LINUX_S_IFREG | 0644, 0, ino);

    if (err) {
        return err;
    }
    ext2fs_inode_alloc_stats2(fs, *ino, +1, 0);
    memset(&inode, 0, sizeof(inode));
    inode.i_mode = LINUX_S_IFREG | 0644;
    inode.i_atime = inode.i_ctime = inode.i_mtime = EXT2_FIXED_TIME;
    inode.i_links_count = 1;
    if (ext2fs_has_feature_extents(fs->super)) {
        ext2_extent_handle_t handle;

        err = ext2fs_extent_open2(fs, *ino, &inode, &handle);
        if (err) {
            return err;
        }
        ext2fs_extent_free(handle);
    }
    return ext2fs_write_new_inode(fs, *ino, &inode);
}

static errcode_t ext2_write_file(ext2_filsys fs, ext2_ino_t ino,
                                 uint64_t seed, unsigned i)
{
    uint64_t size = storage_file_size(seed, i);
    uint8_t *data = malloc(size + 1);
    unsigned written = 0;
    ext2_file_t file;
    errcode_t err;

    if (!data) {
        return EXT2_ET_NO_MEMORY;
    }
    for (uint64_t at = 0; at < size; at++) {
        data[at] = storage_file_byte(seed, i, at);
    }
    err = ext2fs_file_open(fs, ino, EXT2_FILE_WRITE, &file);
    if (!err) {
        errcode_t err2;

        if (size) {
            err = ext2fs_file_write(file, data, (unsigned)size, &written);
        }
        err2 = ext2fs_file_close(file);
        err = err ? err : err2;
    }
    free(data);
    return err ? err : written == size ? 0 : EXT2_ET_SHORT_WRITE;
}

static errcode_t ext2_create(ext2_filsys fs, ext2_ino_t dir, uint64_t seed,
                             unsigned i)
{
    char name[EXT2_NAME];
    ext2_ino_t ino;
    errcode_t err = ext2_new_inode(fs, dir, &ino);

    snprintf(name, sizeof(name), "f%02u", i);
    if (!err) {
        err = ext2_link(fs, dir, name, ino);
    }
    return err ? err : ext2_write_file(fs, ino, seed, i);
}

static errcode_t ext2_remove(ext2_filsys fs, ext2_ino_t dir,
                             const char *name)
{
    struct ext2_inode inode;
    ext2_ino_t ino;
    errcode_t err =
        ext2fs_lookup(fs, dir, name, (int)strlen(name), NULL, &ino);

    if (!err) {
        err = ext2fs_unlink(fs, dir, name, ino, 0);
    }
    if (!err) {
        err = ext2fs_read_inode(fs, ino, &inode);
    }
    if (err) {
        return err;
    }
    if (ext2fs_inode_has_valid_blocks2(fs, &inode)) {
        err = ext2fs_punch(fs, ino, &inode, NULL, 0, ~0ULL);
    }
    inode.i_links_count = 0;
    inode.i_dtime = EXT2_FIXED_TIME;
    if (!err) {
        err = ext2fs_write_inode(fs, ino, &inode);
    }
    if (!err) {
        ext2fs_inode_alloc_stats2(fs, ino, -1, 0);
    }
    return err;
}

static errcode_t ext2_files(ext2_filsys fs, ext2_ino_t dir, uint64_t seed,
                            const char **what)
{
    errcode_t err = 0;
    char name[EXT2_NAME];

    *what = "creating files";
    for (unsigned i = 0; i < STORAGE_FILES && !err; i++) {
        err = ext2_create(fs, dir, seed, i);
    }
    if (!err) {
        *what = "removing files";
    }
    for (unsigned i = 1; i < STORAGE_FILES && !err; i += 2) {
        snprintf(name, sizeof(name), "f%02u", i);
        err = ext2_remove(fs, dir, name);
    }
    return err;
}

long storage_ext2_session(struct blkfront *bf, uint64_t seed,
                          const char *victim, const char **what)
{
    char name[EXT2_IO_NAME_MAX];
    ext2_filsys fs;
    ext2_ino_t dir;
    errcode_t err;

    ext2_io_name(bf, name);
    *what = "ext2fs_open";
    err = ext2fs_open(name, EXT2_FLAG_RW | EXT2_FLAG_64BITS, 0, 0,
                      ext2_io_manager(), &fs);
    if (err) {
        return err;
    }
    fs->now = EXT2_FIXED_TIME;
    *what = "ext2fs_read_bitmaps";
    err = ext2fs_read_bitmaps(fs);
    if (!err) {
        *what = "ext2fs_mkdir";
        err = ext2fs_mkdir(fs, EXT2_ROOT_INO, 0, STORAGE_DIR);
    }
    if (!err) {
        err = ext2fs_lookup(fs, EXT2_ROOT_INO, STORAGE_DIR,
                            (int)strlen(STORAGE_DIR), NULL, &dir);
    }
    if (!err) {
        err = ext2_files(fs, dir, seed, what);
    }
    if (!err && victim) {
        *what = "removing the victim";
        err = ext2_remove(fs, EXT2_ROOT_INO, victim);
    }
    if (err) {
        ext2fs_free(fs);
        return err;
    }
    *what = "ext2fs_close";
    err = ext2fs_close_free(&fs);
    if (err && fs) {
        ext2fs_free(fs);
    }
    return err;
}
