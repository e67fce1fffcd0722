/*
 * Ring slots of a block device in the two layouts there are on x86: what a
 * 64-bit compiler and what a 32-bit one makes of io/blkif.h's structures
 * (protocols.h: x86_64-abi, x86_32-abi). The latter aligns 64-bit fields to
 * 4 bytes.
 */
#include "pv/block/blkback_impl.h"

#include "pv/lib.h"

struct wire_request32 {
    uint8_t operation, nr_segments;
    uint16_t handle;
    uint64_t id;
    uint64_t sector_number;
    struct blkif_request_segment seg[BLKBACK_SEGS];
} __attribute__((packed));

struct wire_response32 {
    uint64_t id;
    uint8_t operation, pad;
    int16_t status;
} __attribute__((packed));

_Static_assert(sizeof(struct wire_request32) == 108, "i386 blkif_request");
_Static_assert(sizeof(struct wire_response32) == 12, "i386 blkif_response");
_Static_assert(sizeof(struct blkif_request) == 112, "amd64 blkif_request");
_Static_assert(sizeof(struct blkif_response) == 16, "amd64 blkif_response");

unsigned blkback_slot_bytes(bool abi32)
{
    return abi32 ? sizeof(struct wire_request32) :
                   sizeof(struct blkif_request);
}

static void wire_copy_segs(struct blkback_request *out,
                           const struct blkif_request_segment *seg)
{
    for (unsigned i = 0; i < BLKBACK_SEGS; i++) {
        out->seg[i].gref = seg[i].gref;
        out->seg[i].first = seg[i].first_sect;
        out->seg[i].last = seg[i].last_sect;
    }
}

void blkback_decode(bool abi32, const uint8_t *slot,
                    struct blkback_request *out)
{
    *out = (struct blkback_request){ 0 };
    if (abi32) {
        struct wire_request32 r;
        struct blkif_request_segment seg[BLKBACK_SEGS];

        memcpy(&r, slot, sizeof(r));
        memcpy(seg, (const uint8_t *)&r +
                                  offsetof(struct wire_request32, seg),
                         sizeof(seg));
        out->op = r.operation;
        out->nr_segs = r.nr_segments;
        out->id = r.id;
        out->sector = r.sector_number;
        wire_copy_segs(out, seg);
    } else {
        struct blkif_request r;

        memcpy(&r, slot, sizeof(r));
        out->op = r.operation;
        out->nr_segs = r.nr_segments;
        out->id = r.id;
        out->sector = r.sector_number;
        wire_copy_segs(out, r.seg);
    }
}

void blkback_encode(bool abi32, uint64_t id, uint8_t op, int16_t status,
                    uint8_t *slot)
{
    memset(slot, 0, BLKBACK_SLOT_MAX);
    if (abi32) {
        struct wire_response32 r = { .id = id,
                                     .operation = op,
                                     .status = status };

        memcpy(slot, &r, sizeof(r));
    } else {
        struct blkif_response r;

        memset(&r, 0, sizeof(r)); /* padding goes to the guest */
        r.id = id;
        r.operation = op;
        r.status = status;
        memcpy(slot, &r, sizeof(r));
    }
}
