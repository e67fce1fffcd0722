/*
 * The fake machine's disks: a buffer behind a queue.
 *
 * Invariants:
 *  1. Requests complete in the order of submission, from os_wait().
 *  2. A request out of range never gets into the queue.
 */
#include "pv/tests/fake_impl.h"

#include <stdlib.h>

#define FAKE_LATENCY_NS 20000u

void fake_disk(struct fake *f, unsigned index, uint64_t sectors, bool ro)
{
    struct os_disk *d = &f->disk[index];

    d->fake = f;
    d->sectors = sectors;
    d->readonly = ro;
    d->data = calloc(sectors, 512);
    if (d->data == NULL) {
        fake_abort("out of memory");
    }
}

uint8_t *fake_disk_data(struct fake *f, unsigned index)
{
    return f->disk[index].data;
}

void fake_disk_fail(struct fake *f, unsigned index, unsigned n)
{
    f->disk[index].fail = n;
}

struct os_disk *os_disk_open(struct os *os, unsigned index)
{
    struct os_disk *d;

    if (index >= FAKE_MAX_DISKS || os->domid != 0) {
        return NULL;
    }
    d = &os->fake->disk[index];
    if (d->data == NULL) {
        return NULL;
    }
    d->user = os;
    return d;
}

void os_disk_close(struct os *os, struct os_disk *d)
{
    (void)os;
    d->user = NULL;
}

uint64_t os_disk_sectors(struct os_disk *d)
{
    return d->sectors;
}

bool os_disk_readonly(struct os_disk *d)
{
    return d->readonly;
}

int os_disk_submit(struct os *os, struct os_disk *d, struct os_disk_req *req)
{
    if (req->op != OS_DISK_FLUSH &&
        (req->count == 0 || req->count > OS_DISK_MAX_SECTORS ||
         req->sector >= d->sectors ||
         req->count > d->sectors - req->sector)) {
        return -XEN_EINVAL;
    }
    if (req->op == OS_DISK_WRITE && d->readonly) {
        return -XEN_EROFS;
    }
    req->next = NULL;
    if (d->head == NULL) {
        d->head = req;
        d->next_ns = os->fake->now_ns + FAKE_LATENCY_NS;
    } else {
        d->tail->next = req;
    }
    d->tail = req;
    return 0;
}

static void complete(struct os_disk *d, struct os_disk_req *req)
{
    uint8_t *at = d->data + req->sector * 512;
    int err = 0;

    if (d->fail > 0) {
        d->fail--;
        err = -XEN_EIO;
    } else if (req->op == OS_DISK_READ) {
        os_write(d->user, req->addr, at, req->count * 512u);
    } else if (req->op == OS_DISK_WRITE) {
        os_read(d->user, req->addr, at, req->count * 512u);
    }
    req->done(d->user, req, err);
}

unsigned fake_disks_run(struct fake *f, struct os *os)
{
    unsigned ran = 0;

    for (unsigned i = 0; i < FAKE_MAX_DISKS; i++) {
        struct os_disk *d = &f->disk[i];

        while (d->user == os && d->head != NULL && d->next_ns <= f->now_ns) {
            struct os_disk_req *req = d->head;

            d->head = req->next;
            d->next_ns = f->now_ns + FAKE_LATENCY_NS;
            complete(d, req);
            ran++;
        }
    }
    return ran;
}

uint64_t fake_disks_next(struct fake *f)
{
    uint64_t next = ~0ULL;

    for (unsigned i = 0; i < FAKE_MAX_DISKS; i++) {
        struct os_disk *d = &f->disk[i];

        if (d->head != NULL && d->next_ns < next) {
            next = d->next_ns;
        }
    }
    return next;
}
