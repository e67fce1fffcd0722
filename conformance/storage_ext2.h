/* What a guest does with libext2fs on its block frontend. */
#ifndef CONFORMANCE_STORAGE_EXT2_H
#define CONFORMANCE_STORAGE_EXT2_H

#include <stdint.h>

struct blkfront;

/* The work of storage_ext2_work(); 0 or libext2fs's error, and at what. */
long storage_ext2_session(struct blkfront *bf, uint64_t seed,
                          const char *victim, const char **what);

#endif
