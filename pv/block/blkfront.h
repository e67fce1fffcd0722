/*
 * Block frontend: io/blkif.h, one ring page, read, write, flush.
 */
#ifndef PV_BLOCK_BLKFRONT_H
#define PV_BLOCK_BLKFRONT_H

#include "pv/xenbus/xenbus.h"

struct blkfront;

struct blkfront_req {
    enum os_disk_op op;
    uint64_t sector; /* 512-byte units */
    unsigned count;  /* sectors, 0 for a bare flush; at most 88 */
    uint64_t addr;   /* guest memory, 512-aligned */
    /* BLKIF_RSP_*, or BLKIF_RSP_ERROR when the backend went away. */
    void (*done)(struct os *os, struct blkfront_req *req, int status);
    void *ctx;
    struct blkfront_req *next;
    grant_ref_t refs[11];
    unsigned nr_refs;
    uint64_t id;
    bool live;
};

/* Connects device/vbd/<id>: waits (in os_wait) until Connected. NULL and
 * *err on failure. */
struct blkfront *blkfront_open(struct xs *xs, unsigned vdev, int *err);
/* Closing handshake; outstanding requests complete with an error. */
void blkfront_close(struct blkfront *bf);
uint64_t blkfront_sectors(const struct blkfront *bf);
unsigned blkfront_sector_size(const struct blkfront *bf);
bool blkfront_readonly(const struct blkfront *bf);
bool blkfront_has_flush(const struct blkfront *bf);
bool blkfront_connected(const struct blkfront *bf);
/* Queued when the ring is full. -XEN_EINVAL out of range or unaligned,
 * -XEN_EROFS, -XEN_EIO when not connected. */
int blkfront_submit(struct blkfront *bf, struct blkfront_req *req);
/* Synchronous: submits, waits; any length; private buffers (bounced). 0 or
 * -XEN_EIO ... */
int blkfront_read(struct blkfront *bf, uint64_t sector, void *buf,
                  unsigned count);
int blkfront_write(struct blkfront *bf, uint64_t sector, const void *buf,
                   unsigned count);
int blkfront_flush(struct blkfront *bf);
unsigned blkfront_outstanding(const struct blkfront *bf);

#endif
