/*
 * Two fake guests with a xenstored between them, for test_block*.c: domain 0
 * carries the daemon, domain 1 the frontend. Directories are written as a
 * toolstack does. A raw end (no driver) is played by the test itself.
 */
#ifndef PV_TESTS_FAKE_BLOCK_H
#define PV_TESTS_FAKE_BLOCK_H

#include "pv/block/blkback.h"
#include "pv/block/blkfront.h"
#include "pv/ring.h"
#include "pv/tests/fake_os.h"
#include "pv/xenstore/xenstored.h"

#include <xen/io/blkif.h>

#define RIG_VDEV 51712u
#define RIG_SECTORS 1024u
#define RIG_FRONT "/local/domain/1/device/vbd/51712"
#define RIG_BACK "/local/domain/0/backend/vbd/1/51712"

struct rig {
    struct fake *f;
    struct os *os0, *os1;
    struct xenstored *xsd;
    struct xs *xs0, *xs1;
    struct os_disk *disk;
    struct blkback *bb;
    /* a raw end */
    struct ring_front front;
    struct ring_back back;
    struct os_grant_map back_map;
    struct xs_watch *watch;
    uint64_t page;
    grant_ref_t ref;
    evtchn_port_t port;
    bool abi32;
};

void rig_make(struct rig *r, bool readonly);
void rig_drop(struct rig *r);
/* One node, by the toolstack. */
void rig_write(struct rig *r, const char *dir, const char *node,
               const char *fmt, ...) __attribute__((format(printf, 4, 5)));
unsigned rig_state(struct rig *r, const char *dir);
bool rig_has(struct rig *r, const char *dir, const char *node);
void rig_run(struct rig *r);

void rig_backend(struct rig *r, enum blkback_mode mode);
/* A frontend without driver, up to Connected; protocol NULL: no node. */
void rig_raw_front(struct rig *r, const char *protocol);
void rig_request(struct rig *r, const struct blkif_request *req);
void rig_push(struct rig *r);
/* Next response; its status. Fails the test when there is none. */
int rig_response(struct rig *r, uint64_t id);
unsigned rig_responses(struct rig *r);
/* A backend without driver: InitWait now; it maps the ring and goes
 * Connected as soon as the frontend is Initialised. */
void rig_raw_back(struct rig *r, unsigned sector_size);
/* It unmaps the ring and goes Closed. */
void rig_raw_close(struct rig *r);
bool rig_raw_take(struct rig *r, struct blkif_request *req);
void rig_raw_respond(struct rig *r, uint64_t id, uint8_t op, int16_t status);

#endif
