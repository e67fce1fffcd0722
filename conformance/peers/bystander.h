/*
 * What the hostile block cases share. The subject is the raw frontend on
 * VDEV (mapping) and, where the control role makes it, VDEV_COPY (copying).
 * The peer is the bystander with a device of its own on the same disk:
 * served before and after.
 *
 * Channels: 1 devices are made, 2 the peer's is, 3 bystander has begun, 4 it
 * may go on, 5 it has been served again; 6 and 7 are a case's own.
 */
#ifndef CONFORMANCE_PEERS_BYSTANDER_H
#define CONFORMANCE_PEERS_BYSTANDER_H

#include "conformance/peers/ring_front.h"
#include "conformance/peers/vbd.h"

#define VDEV_COPY 51728u
#define SLOW_NS 5000000ULL

/* The roles. */
void bystander_control(struct t *t);
void bystander(struct t *t);
/* Writes and reads a few sectors at the disk's end. */
void bystander_use_disk(struct t *t, struct blkfront *bf, uint8_t fill);

/* For the subject: all is there; the bystander is served; a backend of its. */
void hostile_begin(struct t *t);
void bystander_served(struct t *t);
struct blkback *hostile_backend(struct t *t, unsigned slot);
/* The device that was ill-treated still works. */
void hostile_still_works(struct t *t, struct raw_front *f);
/* fn on the mapping device, then on the copying one. */
void hostile_each_mode(struct t *t,
                       void (*fn)(struct t *t, struct raw_front *f));

#define H (T_DISK | T_HOSTILE)
#define CASE(name, clause, source, flags, fn)                           \
    {                                                                   \
        "block_hostile_" name, clause, source, flags, fn, bystander, 0, \
            bystander_control                                           \
    }

#endif
