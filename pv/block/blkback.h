/*
 * Block backend: io/blkif.h, one ring page, read, write, flush. Serves any
 * number of frontends; a hostile one loses its own device, nothing else.
 */
#ifndef PV_BLOCK_BLKBACK_H
#define PV_BLOCK_BLKBACK_H

#include "pv/xenbus/xenbus.h"

struct blkback; /* one device */

enum blkback_mode { BLKBACK_MAP, BLKBACK_COPY };

struct blkback_stats {
    uint64_t requests, responses, errors, notifications, rejected;
    unsigned max_in_flight;
};

/* Serves backend/vbd/<domid>/<vdev> with disk `index` ("physical-device" in
 * the store names it too; "mode" r or w). Returns at once; the handshake goes
 * on in handlers. Advertises feature-flush-cache, sectors, sector-size,
 * info. */
struct blkback *blkback_create(struct xs *xs, domid_t frontend, unsigned vdev,
                               struct os_disk *disk, enum blkback_mode mode,
                               int *err);
/* Device goes: waits for its requests in flight, unmaps all, Closed. */
void blkback_destroy(struct blkback *bb);
const struct blkback_stats *blkback_stats(const struct blkback *bb);
bool blkback_connected(const struct blkback *bb);
bool blkback_failed(const struct blkback *bb); /* frontend broke the rules */

#endif
