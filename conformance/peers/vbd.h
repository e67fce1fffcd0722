/*
 * A block device as a case uses it: opened, written with sectors whose
 * content tells their number and version, read and compared.
 */
#ifndef CONFORMANCE_PEERS_VBD_H
#define CONFORMANCE_PEERS_VBD_H

#include "conformance/harness.h"
#include "conformance/world.h"
#include "pv/block/blkfront.h"

#define VDEV 51712u /* disk 0, 2,048 sectors, mapped by the backend */
#define SECTORS 2048u
#define SECTOR 512u

/* The device's frontend; a failure of the case if there is none. */
struct blkfront *vbd_open(struct t *t, unsigned vdev);
/* The disk behind VDEV: its medium and its faults. */
struct disk *vbd_disk(struct t *t);

/* A sector's content as a function of its number and a version. */
void vbd_pattern(uint8_t *buf, uint64_t sector, unsigned version);
void vbd_fill(uint8_t *buf, uint64_t sector, unsigned n, unsigned version);
void vbd_expect(struct t *t, const uint8_t *buf, uint64_t sector, unsigned n,
                unsigned version);

/* n sectors through the frontend, checked. */
void vbd_write(struct t *t, struct blkfront *bf, uint64_t sector, unsigned n,
               unsigned version);
void vbd_check(struct t *t, struct blkfront *bf, uint64_t sector, unsigned n,
               unsigned version);

#endif
