/*
 * Real data through the block pair: an image read whole, a file system
 * worked on with libext2fs, and power cuts. Each function builds a machine,
 * runs it and judges; 0, or -1 with one line in why.
 */
#ifndef CONFORMANCE_STORAGE_H
#define CONFORMANCE_STORAGE_H

#include <stddef.h>
#include <stdint.h>

#include "pv/block/blkback.h"

#define STORAGE_WHY 200
#define STORAGE_FILES 24 /* made by storage_ext2_work() */
#define STORAGE_DIR "ringside"

/* Reads every sector of the host file through the pair and compares it with
 * the file; *bytes: how many were compared. */
int storage_read_image(const char *image, uint64_t seed,
                       enum blkback_mode mode, uint64_t *bytes,
                       char why[STORAGE_WHY]);

/* In the ext4 image: makes directory STORAGE_DIR, writes STORAGE_FILES files
 * f00, f01 ..., then removes the odd ones, and `victim` (a file in the root
 * directory) when it isn't NULL. The image is changed on the host. */
int storage_ext2_work(const char *image, const char *victim, uint64_t seed,
                      enum blkback_mode mode, char why[STORAGE_WHY]);
/* What file i of that seed holds. */
uint64_t storage_file_size(uint64_t seed, unsigned i);
uint8_t storage_file_byte(uint64_t seed, unsigned i, uint64_t offset);

struct storage_cut_stats {
    uint64_t cuts, writes, flushes, reads, errors, sectors_checked;
};

/* One power cut in the middle of random reads, writes and flushes, with
 * disk faults; then every sector of the medium must hold its last flushed
 * content or one submitted later. Adds to *stats. */
int storage_power_cut(uint64_t seed, struct storage_cut_stats *stats,
                      char why[STORAGE_WHY]);

#endif
