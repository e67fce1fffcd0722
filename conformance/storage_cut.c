/*
 * Power cuts. A native guest keeps up to CUT_DEPTH random reads, writes and
 * flushes in flight on its frontend; the disk has faults; at a random moment
 * the power goes. Then the medium is compared with what the guest knows.
 *
 * The rule (sim/dev/disk.h, io/blkif.h: BLKIF_OP_FLUSH_DISKCACHE): a write Y
 * is durable once it had completed before a flush was submitted that
 * completed. Of a sector's writes, X may be found on the medium unless X had
 * completed before a durable Y was submitted. So per sector it is enough to
 * keep the latest submission of a durable write: `floor`.
 *
 * What it doesn't prove: torn sectors (the disk's knob for those breaks the
 * rule by definition), and reads after the cut.
 *
 * Invariant: the guest's knowledge is in its own time: `clock` ticks at each
 * submission and each completion that it sees.
 */
#include "conformance/storage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/world.h"
#include "pv/block/blkfront.h"

#define CUT_VDEV 51712u
#define CUT_SECTORS 128u
#define CUT_DEPTH 16u
#define CUT_OP_SECTORS 16u /* at most, a request */
#define CUT_OPS_MIN 20u
#define CUT_OPS_SPAN 180u
#define CUT_LIMIT_NS 2000000000ULL
#define CUT_STEP_NS 20000ULL
#define CUT_SETTLE_NS 5000000ULL

struct cut_version {
    uint32_t id;
    uint64_t submitted, completed; /* completed 0: not */
    bool failed;
};

struct cut_sector {
    struct cut_version *v;
    unsigned n, cap;
    uint64_t floor; /* latest submission of a durable write */
};

struct cut_op {
    struct cut *c;
    struct blkfront_req req;
    bool busy;
    uint64_t submitted;
    uint32_t id; /* writes */
    uint64_t buffer;
};

struct cut {
    uint64_t seed, clock;
    uint32_t next_id;
    struct cut_sector sector[CUT_SECTORS];
    struct cut_op op[CUT_DEPTH];
    struct os *os;
    struct storage_cut_stats *stats;
    bool guest_done, cut;
    uint64_t cut_at_ns; /* 0: the disk's own knob, or the end */
    struct disk_faults faults;
    char why[STORAGE_WHY];
};

static void cut_fill(uint64_t seed, uint64_t sector, uint32_t id,
                     uint8_t out[512])
{
    uint64_t x = seed ^ (sector << 32) ^ id;

    for (unsigned i = 0; i < 64; i++) {
        x = x * 6364136223846793005ULL + 1442695040888963407ULL;
        memcpy(out + i * 8, &x, 8);
    }
}

static void cut_add_version(struct cut *c, uint64_t sector, uint32_t id,
                            uint64_t submitted, uint64_t completed)
{
    struct cut_sector *s = &c->sector[sector];

    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 8;
        s->v = realloc(s->v, s->cap * sizeof(*s->v));
        if (!s->v) {
            abort(); /* the host has no memory */
        }
    }
    s->v[s->n++] = (struct cut_version){ .id = id,
                                         .submitted = submitted,
                                         .completed = completed };
}

/* Is this one of the contents that the sector may have, when a write
 * submitted at `floor` is known to be there or overwritten? */
static bool cut_allowed(struct cut *c, uint64_t sector, uint64_t floor,
                        const uint8_t *data)
{
    const struct cut_sector *s = &c->sector[sector];
    uint8_t want[512];

    for (unsigned i = 0; i < s->n; i++) {
        const struct cut_version *v = &s->v[i];

        if (v->completed && v->completed < floor) {
            continue;
        }
        cut_fill(c->seed, sector, v->id, want);
        if (memcmp(data, want, 512) == 0) {
            return true;
        }
    }
    return false;
}

/* Latest submission of a write that had succeeded before `when`. */
static uint64_t cut_floor(const struct cut_sector *s, uint64_t when)
{
    uint64_t floor = 0;

    for (unsigned i = 0; i < s->n; i++) {
        const struct cut_version *v = &s->v[i];

        if (v->completed && !v->failed && v->completed < when &&
            v->submitted > floor) {
            floor = v->submitted;
        }
    }
    return floor;
}

static void cut_write_done(struct cut *c, struct cut_op *op, int status)
{
    for (unsigned i = 0; i < op->req.count; i++) {
        struct cut_sector *s = &c->sector[op->req.sector + i];

        for (unsigned k = 0; k < s->n; k++) {
            if (s->v[k].id == op->id) {
                s->v[k].completed = c->clock;
                s->v[k].failed = status != 0;
            }
        }
    }
}

static void cut_read_done(struct cut *c, struct cut_op *op)
{
    uint8_t data[512];

    for (unsigned i = 0; i < op->req.count; i++) {
        uint64_t sector = op->req.sector + i;

        os_read(c->os, op->buffer + i * 512u, data, 512);
        if (!c->why[0] &&
            !cut_allowed(c, sector,
                         cut_floor(&c->sector[sector], op->submitted),
                         data)) {
            snprintf(c->why, sizeof(c->why),
                     "seed %llu: a read of sector %llu gave what it never "
                     "held then",
                     (unsigned long long)c->seed,
                     (unsigned long long)sector);
        }
    }
}

static void cut_done(struct os *os, struct blkfront_req *req, int status)
{
    struct cut_op *op = req->ctx;
    struct cut *c = op->c;

    (void)os;
    c->clock++;
    op->busy = false;
    if (req->op == OS_DISK_WRITE) {
        cut_write_done(c, op, status);
    } else if (status == 0 && req->op == OS_DISK_FLUSH) {
        for (unsigned i = 0; i < CUT_SECTORS; i++) {
            uint64_t floor = cut_floor(&c->sector[i], op->submitted);

            if (floor > c->sector[i].floor) {
                c->sector[i].floor = floor;
            }
        }
    } else if (status == 0) {
        cut_read_done(c, op);
    }
    if (status != 0) {
        c->stats->errors++;
    }
}

static uint32_t cut_draw(struct cut *c, uint32_t n)
{
    return choice_draw(machine_choice(os_machine(c->os)), CHOICE_SCENARIO, n);
}

static void cut_prepare_write(struct cut *c, struct cut_op *op)
{
    uint8_t data[512];

    op->id = ++c->next_id;
    for (unsigned i = 0; i < op->req.count; i++) {
        uint64_t sector = op->req.sector + i;

        cut_fill(c->seed, sector, op->id, data);
        os_write(c->os, op->buffer + i * 512u, data, 512);
        cut_add_version(c, sector, op->id, op->submitted, 0);
    }
}

static bool cut_submit(struct cut *c, struct blkfront *bf, struct cut_op *op)
{
    uint32_t kind = cut_draw(c, 8);

    memset(&op->req, 0, sizeof(op->req));
    op->req.done = cut_done;
    op->req.ctx = op;
    op->submitted = ++c->clock;
    op->busy = true;
    if (kind == 0) {
        op->req.op = OS_DISK_FLUSH;
        c->stats->flushes++;
        return blkfront_submit(bf, &op->req) == 0;
    }
    op->req.sector = cut_draw(c, CUT_SECTORS);
    op->req.count = 1 + cut_draw(c, CUT_OP_SECTORS);
    if (op->req.count > CUT_SECTORS - op->req.sector) {
        op->req.count = (unsigned)(CUT_SECTORS - op->req.sector);
    }
    op->req.addr = op->buffer;
    if (kind == 1) {
        op->req.op = OS_DISK_READ;
        c->stats->reads++;
    } else {
        op->req.op = OS_DISK_WRITE;
        c->stats->writes++;
        cut_prepare_write(c, op);
    }
    return blkfront_submit(bf, &op->req) == 0;
}

static struct cut_op *cut_idle_op(struct cut *c)
{
    for (unsigned i = 0; i < CUT_DEPTH; i++) {
        if (!c->op[i].busy) {
            return &c->op[i];
        }
    }
    return NULL;
}

static void cut_work(struct cut *c, struct blkfront *bf)
{
    unsigned left = CUT_OPS_MIN + cut_draw(c, CUT_OPS_SPAN);

    while (left && !c->cut) {
        struct cut_op *op = cut_draw(c, 3) ? cut_idle_op(c) : NULL;

        if (!op) {
            os_wait(c->os, CUT_STEP_NS);
        } else if (cut_submit(c, bf, op)) {
            left--;
        } else {
            return; /* the device went down: the power is off */
        }
    }
    for (uint64_t t = os_now_ns(c->os);
         blkfront_outstanding(bf) && !c->cut &&
         os_now_ns(c->os) - t < CUT_SETTLE_NS;) {
        os_wait(c->os, CUT_STEP_NS);
    }
}

static void cut_guest(struct os *os, void *arg)
{
    struct cut *c = arg;
    struct xs *xs = xs_open_params(os);
    struct blkfront *bf;
    int err = -XEN_ENOMEM;

    c->os = os;
    bf = xs ? blkfront_open(xs, CUT_VDEV, &err) : NULL;
    if (!bf) {
        snprintf(c->why, sizeof(c->why), "the frontend did not connect (%d)",
                 err);
        c->guest_done = true;
        return;
    }
    for (unsigned i = 0; i < CUT_DEPTH; i++) {
        c->op[i].c = c;
        c->op[i].buffer =
            os_pages_alloc(os, CUT_OP_SECTORS * 512 / OS_PAGE_SIZE);
    }
    cut_work(c, bf);
    c->guest_done = true;
    for (;;) {
        os_wait(os, OS_FOREVER); /* the power goes, and we with it */
    }
}

static void cut_control(struct world *w, void *arg)
{
    struct cut *c = arg;
    struct disk *d = machine_disk(w->m, 0);
    const struct world_guest_config cfg = {
        .nr_vbds = 1,
        .vbds = { { .vdev = CUT_VDEV,
                    .mode = c->seed & 1 ? BLKBACK_COPY : BLKBACK_MAP } },
    };
    int domid = world_start_guest(w, "cut", cut_guest, c, &cfg);
    uint64_t start = os_now_ns(w->os);

    if (domid < 0) {
        snprintf(c->why, sizeof(c->why), "no guest: %d", domid);
        return;
    }
    disk_set_faults(d, &c->faults); /* not before it has connected */
    while (!disk_powered_off(d) && !c->guest_done) {
        uint64_t t = os_now_ns(w->os) - start;

        if ((c->cut_at_ns && t >= c->cut_at_ns) || t >= CUT_LIMIT_NS) {
            break;
        }
        os_wait(w->os, CUT_STEP_NS);
    }
    if (!disk_powered_off(d)) {
        disk_power_cut(d);
    }
    c->cut = true;
}

static void cut_choose(struct cut *c, struct choice *ch)
{
    c->faults.reorder = choice_draw(ch, CHOICE_SCENARIO, 2);
    c->faults.error_one_in = choice_draw(ch, CHOICE_SCENARIO, 3) ? 0 : 30;
    c->faults.delay_one_in = choice_draw(ch, CHOICE_SCENARIO, 2) ? 0 : 10;
    switch (choice_draw(ch, CHOICE_SCENARIO, 3)) {
    case 0:
        c->faults.power_cut_at = 1 + choice_draw(ch, CHOICE_SCENARIO, 100);
        break;
    case 1:
        c->cut_at_ns = 1000000ULL *
                       (1 + choice_draw(ch, CHOICE_SCENARIO, 20));
        break;
    default:
        break; /* when the guest has done its work, with writes cached */
    }
}

static void cut_judge(struct cut *c, struct disk *d)
{
    uint8_t data[512];

    for (uint64_t s = 0; s < CUT_SECTORS && !c->why[0]; s++) {
        disk_read_medium(d, s, data);
        c->stats->sectors_checked++;
        if (!cut_allowed(c, s, c->sector[s].floor, data)) {
            snprintf(c->why, sizeof(c->why),
                     "seed %llu: sector %llu holds neither its last flushed "
                     "content nor one submitted later",
                     (unsigned long long)c->seed, (unsigned long long)s);
        }
    }
}

static void cut_run(struct cut *c, const uint8_t *content)
{
    const struct disk_config disk = { .sectors = CUT_SECTORS,
                                      .content = content,
                                      .content_len = CUT_SECTORS * 512u };
    const struct world_config cfg = {
        .seed = c->seed,
        .ram_bytes = 24u << 20,
        .heap_bytes = 16u << 20,
        .control_pages = 1536,
        .mean_slice = 64,
        .disks = &disk,
        .nr_disks = 1,
        .control = cut_control,
        .control_arg = c,
    };
    struct world *w = world_create(&cfg, c->why, sizeof(c->why));
    enum machine_stop stop;

    if (!w) {
        return;
    }
    cut_choose(c, machine_choice(w->m));
    stop = world_run(w, OS_FOREVER);
    if (stop != MACHINE_OFF || !w->finished) {
        snprintf(c->why, sizeof(c->why), "seed %llu: the machine stopped: %s",
                 (unsigned long long)c->seed, world_stop_name(stop));
    }
    cut_judge(c, machine_disk(w->m, 0));
    world_destroy(w);
}

int storage_power_cut(uint64_t seed, struct storage_cut_stats *stats,
                      char why[STORAGE_WHY])
{
    struct cut *c = calloc(1, sizeof(*c));
    uint8_t *content = malloc(CUT_SECTORS * 512u);
    int rc = -1;

    if (c && content) {
        c->seed = seed;
        c->stats = stats;
        c->clock = 1;
        for (uint64_t s = 0; s < CUT_SECTORS; s++) {
            cut_fill(seed, s, 0, content + s * 512);
            cut_add_version(c, s, 0, 0, 1);
        }
        cut_run(c, content);
        stats->cuts++;
        snprintf(why, STORAGE_WHY, "%s", c->why);
        rc = c->why[0] ? -1 : 0;
        for (unsigned s = 0; s < CUT_SECTORS; s++) {
            free(c->sector[s].v);
        }
    }
    free(content);
    free(c);
    return rc;
}
