/*
 * Disks of the control domain: requests by port I/O (sim/dev/README.md),
 * completions by the disk's interrupt line.
 *
 *   submitted -> waiting (no tag free) -> on a tag -> completion taken ->
 *   data read -> done() called
 *
 * Invariants:
 *  1. A tag is in use from TAG ... SUBMIT until its data has been read; in
 *     between tags[] names its request.
 *  2. No crossing that could run a handler of this vCPU happens between TAG
 *     and SUBMIT: handlers run in os_wait() alone.
 */
#include "pv/os/native_impl.h"

#include "sim/dev/disk.h"

struct os_disk {
    struct os *os;
    unsigned index;
    uint16_t port;
    uint64_t sectors;
    bool readonly;
    evtchn_port_t irq;
    struct os_disk_req *tags[DISK_MAX_QUEUE];
    struct os_disk_req *wait_head, *wait_tail;
};

static uint32_t reg_in(struct os_disk *d, enum disk_reg reg)
{
    return native_in(d->os->n, (uint16_t)(d->port + reg), 4);
}

static void reg_out(struct os_disk *d, enum disk_reg reg, uint32_t v)
{
    native_out(d->os->n, (uint16_t)(d->port + reg), 4, v);
}

/* False: no tag is free. */
static bool start(struct os_disk *d, struct os_disk_req *req)
{
    static const uint32_t ops[] = { [OS_DISK_READ] = DISK_OP_READ,
                                    [OS_DISK_WRITE] = DISK_OP_WRITE,
                                    [OS_DISK_FLUSH] = DISK_OP_FLUSH };
    unsigned tag = 0;

    while (tag < DISK_MAX_QUEUE && d->tags[tag] != NULL) {
        tag++;
    }
    if (tag == DISK_MAX_QUEUE) {
        return false;
    }
    d->tags[tag] = req;
    req->tag = tag;
    reg_out(d, DISK_REG_TAG, tag);
    reg_out(d, DISK_REG_OP, ops[req->op]);
    reg_out(d, DISK_REG_SECTOR_LO, (uint32_t)req->sector);
    reg_out(d, DISK_REG_SECTOR_HI, (uint32_t)(req->sector >> 32));
    reg_out(d, DISK_REG_COUNT, req->count);
    if (req->op == OS_DISK_WRITE) {
        native_outs(d->os->n, (uint16_t)(d->port + DISK_REG_DATA), 4,
                    req->addr, req->count * DISK_SECTOR_BYTES / 4);
    }
    reg_out(d, DISK_REG_SUBMIT, 1);
    return true;
}

static void complete(struct os_disk *d, uint32_t c)
{
    unsigned tag = c & 0xff, status = c >> 8 & 0xff;
    struct os_disk_req *req;

    if (tag >= DISK_MAX_QUEUE || d->tags[tag] == NULL) {
        os_panic(d->os, "the disk completes what was not submitted");
    }
    req = d->tags[tag];
    if (req->op == OS_DISK_READ && status == DISK_OK) {
        reg_out(d, DISK_REG_TAG, tag);
        native_ins(d->os->n, (uint16_t)(d->port + DISK_REG_DATA), 4,
                   req->addr, req->count * DISK_SECTOR_BYTES / 4);
    }
    d->tags[tag] = NULL;
    while (d->wait_head != NULL && start(d, d->wait_head)) {
        d->wait_head = d->wait_head->next;
    }
    req->done(d->os, req, status == DISK_OK ? 0 : -XEN_EIO);
}

static void disk_irq(struct os *os, void *ctx, evtchn_port_t port)
{
    struct os_disk *d = ctx;
    uint32_t c;

    (void)os;
    (void)port;
    while ((c = reg_in(d, DISK_REG_COMPLETION)) >> 31 != 0) {
        complete(d, c);
    }
}

struct os_disk *os_disk_open(struct os *os, unsigned index)
{
    struct os_disk *d;
    uint32_t id;

    /* Others' ports read as all ones: they have no disk. */
    if (index >= DISK_MAX || os_domid(os) != 0 ||
        (d = os_malloc(os, sizeof(*d))) == NULL) {
        return NULL;
    }
    d->os = os;
    d->index = index;
    d->port = (uint16_t)(DISK_PORT_BASE + 16 * index);
    id = reg_in(d, DISK_REG_ID);
    if (id >> 16 != DISK_ID || !(id & DISK_ST_POWERED) ||
        os_evtchn_bind_pirq(os, DISK_IRQ_BASE + index, &d->irq) != 0) {
        os_free(os, d);
        return NULL;
    }
    if (os_event_handler(os, d->irq, disk_irq, d) != 0) {
        os_evtchn_close(os, d->irq);
        os_free(os, d);
        return NULL;
    }
    while (reg_in(d, DISK_REG_COMPLETION) >> 31 != 0) {
        /* whoever had the disk before is not there to hear of it */
    }
    d->readonly = (id & DISK_ST_READONLY) != 0;
    d->sectors = reg_in(d, DISK_REG_CAPACITY_LO);
    d->sectors |= (uint64_t)reg_in(d, DISK_REG_CAPACITY_HI) << 32;
    return d;
}

void os_disk_close(struct os *os, struct os_disk *d)
{
    os_evtchn_close(os, d->irq);
    os_free(os, d);
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
    (void)os;
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
    if (d->wait_head != NULL || !start(d, req)) {
        if (d->wait_head == NULL) {
            d->wait_head = req;
        } else {
            d->wait_tail->next = req;
        }
        d->wait_tail = req;
    }
    return 0;
}
