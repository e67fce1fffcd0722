/*
 * Requests: from SUBMIT to the completion that waits for the driver.
 *
 * Invariants:
 *  1. What is IN_FLIGHT is valid: its range lies on the disk, a write has all
 *     of its data.
 *  2. in_flight counts the tags that are.
 *  3. Without faults.reorder, requests complete in order of submission.
 */
#include "sim/arena.h"
#include "sim/dev/disk_impl.h"
#include "sim/sim.h"
#include "sim/trace.h"

#define DISK_LATENCY_NS 20000ULL
#define DISK_STRETCH_MAX 100u /* disk.h: delay_one_in */
#define DISK_JITTER 16u       /* half latencies, when reordering */

/* A write that fails: nothing of it, or (torn) its first sectors and half of
 * the next. */
static void write_fail(struct disk *d, struct tag *t)
{
    struct choice *c = machine_choice(d->machine);
    uint8_t content[DISK_SECTOR_BYTES];
    uint32_t whole;

    if (!choice_one_in(c, CHOICE_FAULT, d->faults.torn_one_in)) {
        return;
    }
    whole = choice_draw(c, CHOICE_FAULT, t->count);
    for (uint32_t i = 0; i < whole; i++) {
        disk_cache_write(d, t->sector + i,
                         t->data + (size_t)i * DISK_SECTOR_BYTES);
    }
    if (disk_current(d, t->sector + whole, 1, content)) {
        disk_tear(d, content, t->data + (size_t)whole * DISK_SECTOR_BYTES);
        disk_cache_write(d, t->sector + whole, content);
    }
}

static enum disk_status execute(struct disk *d, struct tag *t)
{
    bool fails = choice_one_in(machine_choice(d->machine), CHOICE_FAULT,
                               d->faults.error_one_in);

    switch ((enum disk_op)t->op) {
    case DISK_OP_READ:
        if (fails || !disk_current(d, t->sector, t->count, t->data)) {
            return DISK_ERROR;
        }
        t->len = t->count * DISK_SECTOR_BYTES;
        return DISK_OK;
    case DISK_OP_WRITE:
        d->writes++;
        if (fails) {
            write_fail(d, t);
            return DISK_ERROR;
        }
        for (uint32_t i = 0; i < t->count; i++) {
            disk_cache_write(d, t->sector + i,
                             t->data + (size_t)i * DISK_SECTOR_BYTES);
        }
        return DISK_OK;
    case DISK_OP_FLUSH:
        return !fails && disk_write_back(d, t->covers) ? DISK_OK : DISK_ERROR;
    case DISK_OPS:
        break;
    }
    return DISK_INVALID;
}

static void complete(struct disk *d, struct tag *t, enum disk_status status)
{
    unsigned last = d->first_completion + d->nr_completions++;
    struct trace_record r = {.type = TRACE_DISK,
                             .time_ns = machine_now(d->machine),
                             .a = d->index | (uint64_t)t->op << 8,
                             .b = t->sector,
                             .c = t->count | (uint64_t)status << 32};

    t->state = WAITING;
    t->status = (uint8_t)status;
    d->completions[last % DISK_MAX_QUEUE] = (uint8_t)(t - d->tags);
    trace_event(machine_trace(d->machine), &r);
    machine_raise_irq(d->machine, DISK_IRQ_BASE + d->index);
}

static bool request_valid(const struct disk *d, const struct tag *t)
{
    if (t->op == DISK_OP_FLUSH) {
        return true;
    }
    if (t->op >= DISK_OPS || t->count == 0 ||
        t->count > DISK_MAX_SECTORS_PER_REQ || t->sector >= d->medium.sectors ||
        t->count > d->medium.sectors - t->sector) {
        return false;
    }
    return t->op == DISK_OP_READ ||
           (!d->medium.read_only && t->at == t->count * DISK_SECTOR_BYTES);
}

static uint64_t due_at(struct disk *d)
{
    struct choice *c = machine_choice(d->machine);
    uint64_t latency =
        d->faults.latency_ns ? d->faults.latency_ns : DISK_LATENCY_NS;
    uint64_t due = latency;

    if (choice_one_in(c, CHOICE_FAULT, d->faults.delay_one_in)) {
        due *= 2 + choice_draw(c, CHOICE_DEVICE, DISK_STRETCH_MAX - 1);
    }
    if (d->faults.reorder) {
        due += latency / 2 * choice_draw(c, CHOICE_DEVICE, DISK_JITTER);
    }
    due += machine_now(d->machine);
    if (!d->faults.reorder && due < d->last_due_ns) {
        due = d->last_due_ns;
    }
    d->last_due_ns = due;
    return due;
}

uint8_t *disk_tag_data(struct disk *d, struct tag *t)
{
    if (!t->data) {
        t->data = arena_pages(machine_arena(d->machine), DISK_BUFFER_BYTES);
    }
    return t->data;
}

void disk_submit(struct disk *d)
{
    struct tag *t = &d->tags[d->tag % DISK_MAX_QUEUE];

    d->refused = d->tag >= DISK_MAX_QUEUE || t->state != FREE;
    if (d->refused) {
        return;
    }
    t->op = d->op;
    t->sector = (uint64_t)d->sector_hi << 32 | d->sector_lo;
    t->count = d->count;
    t->order = d->submitted++;
    t->covers = d->writes;
    t->len = 0;
    if (!request_valid(d, t)) {
        complete(d, t, DISK_INVALID);
        return;
    }
    disk_tag_data(d, t);
    t->due_ns = due_at(d);
    t->state = IN_FLIGHT;
    d->in_flight++;
}

/* The next one that is due, NULL if none is. */
static struct tag *next_due(struct disk *d, uint64_t now_ns)
{
    struct tag *due[DISK_MAX_QUEUE], *first = NULL;
    unsigned nr = 0;

    for (unsigned i = 0; i < DISK_MAX_QUEUE; i++) {
        struct tag *t = &d->tags[i];

        if (t->state != IN_FLIGHT || t->due_ns > now_ns) {
            continue;
        }
        due[nr++] = t;
        if (!first || t->due_ns < first->due_ns ||
            (t->due_ns == first->due_ns && t->order < first->order)) {
            first = t;
        }
    }
    if (nr > 1 && d->faults.reorder) {
        return due[choice_draw(machine_choice(d->machine), CHOICE_DEVICE, nr)];
    }
    return first;
}

void disk_advance(struct disk *d, uint64_t now_ns)
{
    struct tag *t;

    while (!d->powered_off && d->in_flight > 0 &&
           (t = next_due(d, now_ns)) != NULL) {
        d->in_flight--;
        complete(d, t, execute(d, t));
        if (t->op == DISK_OP_WRITE && d->faults.power_cut_at != 0 &&
            d->writes >= d->faults.power_cut_at) {
            disk_power_cut(d);
        }
    }
}

uint64_t disk_next_event(const struct disk *d)
{
    uint64_t next = DISK_NEVER;

    for (unsigned i = 0; d->in_flight > 0 && i < DISK_MAX_QUEUE; i++) {
        if (d->tags[i].state == IN_FLIGHT && d->tags[i].due_ns < next) {
            next = d->tags[i].due_ns;
        }
    }
    return next;
}
