/*
 * What a fuzz target is written against: a subject that means harm, a peer
 * that must not feel it, and a machine that is snapshotted when both stand
 * ready. One input is one scenario: all that is chosen from there on, by the
 * subject, the scheduler and the devices, comes from its bytes.
 *
 *   world_create -> handshakes -> fuzz_begin(): snapshot
 *   restore -> subject's steps, steered by the input -> [teardown: the peer
 *   proves that it is served, every domain goes, no page is missing] -> judge
 *        ^                                                              |
 *        `--------------------------- next input -----------------------'
 */
#ifndef FUZZ_DRIVER_H
#define FUZZ_DRIVER_H

#include "conformance/run.h"

#define FUZZ_VDEV 51712u      /* mapping backend */
#define FUZZ_VDEV_COPY 51728u /* copying backend; subject's alone */
#define FUZZ_STEPS_MAX 200u
#define FUZZ_PAGES_MAX 4u

/* Lies in the machine's arena, so that a restore brings it back. */
struct fuzz {
    struct t_case_run run; /* first: a struct t leads here */
    struct tcase tc;
    bool peer_ready, begun, over, check;
    unsigned steps;
    uint64_t begin_ns;
    /* The peer's, for the subject to guess at and the judge to look at. */
    grant_ref_t refs[FUZZ_PAGES_MAX];
    evtchn_port_t ports[FUZZ_PAGES_MAX];
    uint64_t secrets[FUZZ_PAGES_MAX]; /* pages, filled with FUZZ_SECRET */
};
#define FUZZ_SECRET 0x5ec2e75ec2e75e00ULL

struct fuzz_target {
    const char *name;
    unsigned flags; /* T_DISK, T_NOSTORE: as a case's */
    t_fn *subject;  /* prepares, fuzz_begin(), steps while fuzz_more() */
    t_fn *peer;     /* prepares, fuzz_peer_wait(), proves it is unharmed */
};

/* One a program: each target's file defines it. */
extern const struct fuzz_target fuzz_target;

/* -- For subject and peer -------------------------------------------------- */
struct fuzz *fuzz_of(struct t *t);
void fuzz_begin(struct t *t);
/* Is there input left, and a step allowed? */
bool fuzz_more(struct t *t);
void fuzz_peer_wait(struct t *t);
/* Draws: a number of any size, small ones and edges more often; and one of
 * the table's. */
uint64_t fuzz_word(struct t *t);
uint32_t fuzz_pick(struct t *t, const uint32_t *table, uint32_t n);

/* -- Running --------------------------------------------------------------- */
/* Makes the machine and its snapshot, once a process; exits with one line
 * when it can't. */
void fuzz_start(void);
/* One scenario. False: msg says in one line what broke. *hash, when not NULL:
 * the machine's at the end. */
bool fuzz_run(const uint8_t *bytes, size_t len, char *msg, size_t msg_len,
              uint64_t *hash);

#endif
