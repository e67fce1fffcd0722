/*
 * An image read whole and a file system worked on, through the block pair.
 * What they don't prove: nothing here breaks a rule; that is the hostile
 * cases' part.
 */
#include "conformance/storage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/storage_ext2.h"
#include "conformance/world.h"
#include "pv/block/blkfront.h"

#define STORAGE_VDEV 51712u /* xvda */
#define STORAGE_CHUNK 704u  /* sectors: eight full requests */
#define STORAGE_GUEST_PAGES 1024u
#define STORAGE_LIMIT_NS 600000000000ULL

struct storage_run {
    const char *image, *victim;
    uint64_t seed;
    enum blkback_mode mode;
    os_main_fn *main;
    uint64_t bytes;
    int rc; /* of the guest's run, as the control domain saw it */
    bool ok;
    char why[STORAGE_WHY];
};

static void storage_say(struct storage_run *r, const char *what, long n)
{
    if (!r->why[0]) {
        snprintf(r->why, sizeof(r->why), "%s (%ld)", what, n);
    }
}

static struct blkfront *storage_open(struct os *os, struct storage_run *r,
                                     struct xs **xs)
{
    struct blkfront *bf = NULL;
    int err = 0;

    *xs = xs_open_params(os);
    if (*xs) {
        bf = blkfront_open(*xs, STORAGE_VDEV, &err);
    }
    if (!bf) {
        storage_say(r, "the frontend did not connect", err);
    }
    return bf;
}

/* Guest: all of the disk against the host's file. */
static bool storage_compare(struct storage_run *r, struct blkfront *bf,
                            FILE *f)
{
    uint8_t *ours = malloc(STORAGE_CHUNK * 512u);
    uint8_t *theirs = malloc(STORAGE_CHUNK * 512u);
    uint64_t sectors = blkfront_sectors(bf), at = 0;
    bool same = ours && theirs;

    while (same && at < sectors) {
        unsigned n = sectors - at < STORAGE_CHUNK ? (unsigned)(sectors - at) :
                                                    STORAGE_CHUNK;
        int rc = blkfront_read(bf, at, ours, n);

        if (rc) {
            storage_say(r, "a read failed", rc);
            same = false;
        } else if (fread(theirs, 512, n, f) != n ||
                   memcmp(ours, theirs, n * 512u) != 0) {
            storage_say(r, "content differs at or behind sector", (long)at);
            same = false;
        }
        at += n;
        r->bytes += n * 512u;
    }
    free(ours);
    free(theirs);
    return same;
}

static void storage_read_main(struct os *os, void *arg)
{
    struct storage_run *r = arg;
    struct xs *xs;
    struct blkfront *bf = storage_open(os, r, &xs);
    FILE *f = fopen(r->image, "rb");

    if (bf && f) {
        r->ok = storage_compare(r, bf, f) && fgetc(f) == EOF;
    }
    if (f) {
        fclose(f);
    }
    if (bf) {
        blkfront_close(bf);
    }
}

static void storage_ext2_main(struct os *os, void *arg)
{
    struct storage_run *r = arg;
    struct xs *xs;
    struct blkfront *bf = storage_open(os, r, &xs);
    const char *what = "";
    long err;

    if (!bf) {
        return;
    }
    err = storage_ext2_session(bf, r->seed, r->victim, &what);
    if (err) {
        storage_say(r, what, err);
    }
    r->ok = err == 0;
    blkfront_close(bf);
}

static void storage_control(struct world *w, void *arg)
{
    struct storage_run *r = arg;
    const struct world_guest_config cfg = {
        .pages = STORAGE_GUEST_PAGES,
        .nr_vbds = 1,
        .vbds = { { .vdev = STORAGE_VDEV, .mode = r->mode } },
    };

    r->rc = world_run_guest(w, "storage", r->main, r, &cfg,
                            STORAGE_LIMIT_NS);
}

static int storage_run(struct storage_run *r, bool keep_out)
{
    const struct disk_config disk = { .path = r->image,
                                      .copy_on_write = keep_out };
    const struct world_config cfg = {
        .seed = r->seed,
        .disks = &disk,
        .nr_disks = 1,
        .mean_slice = 1000, /* one peer, no race: progress over interleaving */
        .control = storage_control,
        .control_arg = r,
    };
    struct world *w = world_create(&cfg, r->why, sizeof(r->why));
    enum machine_stop stop;

    if (!w) {
        return -1;
    }
    r->rc = -1;
    stop = world_run(w, OS_FOREVER);
    if (stop != MACHINE_OFF || !w->finished) {
        storage_say(r, world_stop_name(stop), w->boot_err);
        r->ok = false;
    } else if (r->rc) {
        storage_say(r, "the guest did not end well", r->rc);
        r->ok = false;
    }
    world_destroy(w);
    return r->ok ? 0 : -1;
}

int storage_read_image(const char *image, uint64_t seed,
                       enum blkback_mode mode, uint64_t *bytes,
                       char why[STORAGE_WHY])
{
    struct storage_run r = { .image = image,
                             .seed = seed,
                             .mode = mode,
                             .main = storage_read_main };
    int rc = storage_run(&r, true);

    *bytes = r.bytes;
    snprintf(why, STORAGE_WHY, "%s", r.why);
    return rc;
}

int storage_ext2_work(const char *image, const char *victim, uint64_t seed,
                      enum blkback_mode mode, char why[STORAGE_WHY])
{
    struct storage_run r = { .image = image,
                             .victim = victim,
                             .seed = seed,
                             .mode = mode,
                             .main = storage_ext2_main };
    int rc = storage_run(&r, false);

    snprintf(why, STORAGE_WHY, "%s", r.why);
    return rc;
}
