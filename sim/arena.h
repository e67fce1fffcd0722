/*
 * The arena: one mapping that holds all of a machine — RAM, the simulated
 * processor's state, devices, coroutine stacks, native guests' private heap.
 * A snapshot is a copy of it; a restore copies back the pages that were
 * written since (found by write protection and faults, so that plain C
 * stores count).
 *
 * Invariants:
 *  1. Nothing of a machine lies outside its arena, but for what marks it
 *     host-bound (a disk on a host file): then snapshots are refused.
 *  2. A restore leaves every byte of the arena, poison included, as the
 *     snapshot found it, at the same address.
 */
#ifndef SIM_ARENA_H
#define SIM_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct snapshot;

/* `reserve` bytes of address space, zero, committed as touched. NULL when
 * the host has no memory. */
struct arena *arena_create(size_t reserve);
void arena_destroy(struct arena *a);

/* Zeroed, `align` a power of two (at least 16 is used). Never returns NULL:
 * a machine that outgrows its arena ends the process with one line, for the
 * reserve is sized by the configuration. Blocks carry redzones that are
 * poisoned under ASan. */
void *arena_alloc(struct arena *a, size_t size, size_t align);
void arena_free(struct arena *a, void *block); /* NULL allowed */

/* Whole pages without redzones, first use zero: RAM and stacks. */
void *arena_pages(struct arena *a, size_t bytes);
void arena_pages_free(struct arena *a, void *pages, size_t bytes);

/* Before the kernel writes to arena memory (read(), clock_gettime() by
 * system call ...): a page that a snapshot has write-protected gives EFAULT
 * there, where a plain store would fault and be tracked. For the same reason
 * nobody else calls mprotect() on the arena, and signal handlers that can
 * interrupt a coroutine need SA_ONSTACK. */
void arena_touch(void *p, size_t len);

/* Only from outside the machine (no coroutine of it on the CPU). A second
 * take replaces the first. NULL after one line on stderr if it can't. */
struct snapshot *arena_snapshot(struct arena *a);
void arena_restore(struct arena *a, struct snapshot *s);
void snapshot_free(struct snapshot *s);
/* Pages copied by the last restore; bytes in the arena now. */
size_t arena_last_restore_pages(const struct arena *a);
size_t arena_used(const struct arena *a);

#endif
