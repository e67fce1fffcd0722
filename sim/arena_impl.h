/*
 * What arena.c and snapshot.c share: an arena's handle and the tracking of
 * written pages. Both lie outside the arena, for a restore must not undo
 * them.
 */
#ifndef SIM_ARENA_IMPL_H
#define SIM_ARENA_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#ifndef ARENA_ASAN
#define ARENA_ASAN 0
#endif

/* Reads and writes poisoned memory on purpose. */
#define ARENA_UNCHECKED __attribute__((no_sanitize("address"), noinline))

#define ARENA_PAGE 4096UL
/* The arena becomes accessible in such pieces: a multiple of what one page
 * of ASan's shadow stands for (32 KiB). */
#define ARENA_COMMIT (1UL << 20)
/* Written pages followed one by one; more unprotect the whole arena, so that
 * it never runs into vm.max_map_count. */
#define TRACK_DIRTY_MAX 16384
#define TRACK_HOT_MAX 4096

struct arena;

/*
 * Pages of one range (the arena's, or under ASan its shadow's) and their
 * content at the snapshot. Inactive (no snapshot): copy is NULL.
 */
struct track {
    uint8_t *base;
    size_t pages;     /* accessible now */
    size_t max_pages; /* reserved */

    uint8_t *copy;  /* max_pages, zero where the arena was */
    uint8_t *state; /* of each page: enum page_state */
    uint8_t *idle;  /* of each hot page: restores without a change */
    uint32_t *last; /* of each page: restore that last found it dirty */
    uint32_t dirty[TRACK_DIRTY_MAX];
    size_t nr_dirty;
    uint32_t hot[TRACK_HOT_MAX];
    size_t nr_hot;
    bool all_dirty; /* nothing is protected any more */
    uint32_t restores;
};

struct arena {
    uint8_t *base;
    size_t reserve;
    uint8_t *mapping; /* what mmap() gave: base rounded down */
    size_t mapping_len;
    struct track mem, shadow;  /* shadow.base NULL without ASan */
    struct snapshot *snapshot; /* the live one */
    size_t last_restore_pages;
};

/* Makes [0, bytes) of the arena accessible; ends the process if it can't. */
void arena_commit(struct arena *a, size_t bytes);
/* Drops the live snapshot, if any: its handle stays, dead. */
void arena_snapshot_retire(struct arena *a);
/* The calling thread takes faults on a stack of its own, outside arenas. */
bool arena_thread_prepare(struct arena *a);

/* One line on stderr, then abort(). */
_Noreturn void arena_die(const char *what, size_t n);

#endif
