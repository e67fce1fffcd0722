/*
 * State hashes: XXH3-64 over canonical serializations, never over structs,
 * pointers or host stacks.
 *
 * Invariants:
 *  1. Equal states give equal hashes on every host, compiler and address.
 *  2. Whatever is fed has a fixed width or its length before it.
 */
#include "sim/defined.h"
#include "sim/hash.h"
#include "sim/machine_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* The state itself: hash_stream is a name for it. */
static XXH3_state_t *state_of(struct hash_stream *h)
{
    return (XXH3_state_t *)(void *)h;
}

struct hash_stream *hash_begin(void)
{
    XXH3_state_t *s = XXH3_createState();

    if (!s || XXH3_64bits_reset(s) != XXH_OK) {
        fprintf(stderr, "ringside: no memory for a hash\n");
        abort();
    }
    return (struct hash_stream *)(void *)s;
}

void hash_bytes(struct hash_stream *h, const void *p, size_t len)
{
    if (len > 0) {
        sim_defined(p, len);
        XXH3_64bits_update(state_of(h), p, len);
    }
}

void hash_u64(struct hash_stream *h, uint64_t v)
{
    uint8_t bytes[8];

    for (unsigned i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(v >> (8 * i));
    }
    hash_bytes(h, bytes, sizeof(bytes));
}

uint64_t hash_end(struct hash_stream *h)
{
    uint64_t value = XXH3_64bits_digest(state_of(h));

    XXH3_freeState(state_of(h));
    return value;
}

static void emit(void *ctx, const void *bytes, size_t len)
{
    hash_bytes(ctx, bytes, len);
}

/* A frame of zeroes, as most are, is told by its mark alone. */
static void hash_frame(struct hash_stream *h, struct machine *m, mfn_t mfn)
{
    const uint8_t *p = machine_ram(m, mfn_to_maddr(mfn, 0));

    if (p && (p[0] != 0 || memcmp(p, p + 1, PAGE_SIZE - 1) != 0)) {
        hash_u64(h, 1);
        hash_bytes(h, p, PAGE_SIZE);
    } else {
        hash_u64(h, 0);
    }
}

/* Frames of the domain in `slot`, or of every domain (-1), ascending. */
static void hash_ram(struct hash_stream *h, struct machine *m, int slot)
{
    struct hv *hv = m->hv;

    for (uint64_t i = 0; i < hv->max_mfn; i++) {
        const struct page_info *pg;

        if (!page_exists(hv, MFN(i))) {
            continue;
        }
        pg = page_of(hv, MFN(i));
        if (slot >= 0 ? pg->owner != slot : pg->owner >= HV_MAX_DOMAINS) {
            continue;
        }
        hash_u64(h, i);
        hash_u64(h, pg->gfn);
        hash_frame(h, m, MFN(i));
    }
}

uint64_t machine_hash_hv(struct machine *m)
{
    struct hash_stream *h = hash_begin();

    if (m->hv) {
        hv_serialize(m->hv, NULL, emit, h);
    }
    return hash_end(h);
}

uint64_t machine_hash_domain(struct machine *m, uint16_t domid)
{
    for (unsigned slot = 0; m->hv && slot < HV_MAX_DOMAINS; slot++) {
        struct domain *d = m->hv->domains[slot];

        if (d && d->domid == domid) {
            struct hash_stream *h = hash_begin();

            hv_serialize(m->hv, d, emit, h);
            hash_ram(h, m, (int)slot);
            return hash_end(h);
        }
    }
    return 0;
}

uint64_t machine_hash(struct machine *m)
{
    struct hash_stream *h = hash_begin();

    if (m->hv) {
        hv_serialize(m->hv, NULL, emit, h);
        hash_ram(h, m, -1);
    }
    machine_hash_cpus(m, h);
    for (unsigned i = 0; i < DISK_MAX; i++) {
        hash_u64(h, m->disks[i] != NULL);
        if (m->disks[i]) {
            disk_hash(m->disks[i], h);
        }
    }
    hash_u64(h, m->now_ns);
    return hash_end(h);
}
