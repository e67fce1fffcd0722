/*
 * libext2fs on top of a block frontend: an io_manager whose "device" is a
 * struct blkfront of the native guest that calls it. libext2fs keeps state
 * on the host's heap, so a machine that holds one is host-bound: its
 * snapshot would not be whole. (Its disk is a file on the host, which makes
 * sim/ refuse the snapshot.)
 */
#ifndef CONFORMANCE_PEERS_EXT2_IO_H
#define CONFORMANCE_PEERS_EXT2_IO_H

#include <ext2fs/ext2fs.h>

#include "pv/block/blkfront.h"

#define EXT2_IO_NAME_MAX 40

io_manager ext2_io_manager(void);
/* The name under which ext2fs_open() finds this frontend. */
void ext2_io_name(struct blkfront *bf, char name[EXT2_IO_NAME_MAX]);

#endif
