/*
 * Fuzz target: our block backend against a frontend that has shaken hands
 * and then does anything it can: requests good and bad, ring indices,
 * scribbled rings, grants changed under way, ports closed, states written.
 * Two devices, one whose backend maps, one whose backend copies. The peer has
 * a device of its own, which must go on working.
 *
 * While the subject has only told the truth (`clean`), it checks what it gets:
 * no response without its request, no status that is none.
 */
#include "fuzz/driver.h"

#include <string.h>

#include "conformance/peers/bystander.h"

#define DATA_PAGES 3u
#define DEVICES 2u

struct dev {
    struct raw_front f;
    bool clean;
    uint32_t pushed; /* req_prod as the backend may know it */
};

struct front {
    struct t *t;
    struct dev dev[DEVICES], *d;
    uint64_t pages[DATA_PAGES];
    grant_ref_t refs[DATA_PAGES]; /* the second read-only */
    uint64_t next_id;
};

static void prepare(struct front *b, struct t *t)
{
    static const unsigned vdevs[DEVICES] = {FUZZ_VDEV, FUZZ_VDEV_COPY};
    memset(b, 0, sizeof(*b));
    b->t = t;
    b->d = &b->dev[0];
    for (unsigned i = 0; i < DEVICES; i++) {
        raw_front_connect(&b->dev[i].f, t, vdevs[i]);
        b->dev[i].clean = true;
    }
    for (unsigned i = 0; i < DATA_PAGES; i++) {
        b->pages[i] = t_page(t, 0x11);
        b->refs[i] = raw_front_grant(&b->d->f, b->pages[i], i == 1);
    }
}

static grant_ref_t draw_ref(struct front *b)
{
    unsigned i = t_random(b->t, 8);
    if (i < 6) {
        return b->refs[i % DATA_PAGES];
    }
    if (i == 6) { /* the ring as buffer: all bets are off */
        b->d->clean = false;
        return b->d->f.ring_ref;
    }
    return (grant_ref_t)fuzz_word(b->t);
}

static uint8_t draw_sector(struct t *t)
{
    return (uint8_t)(t_random(t, 8) < 7 ? t_random(t, 8)
                                        : t_random(t, 256));
}

static void put_request(struct front *b)
{
    static const uint32_t ops[] = {BLKIF_OP_READ, BLKIF_OP_WRITE,
                                   BLKIF_OP_FLUSH_DISKCACHE,
                                   BLKIF_OP_WRITE_BARRIER, BLKIF_OP_DISCARD,
                                   BLKIF_OP_INDIRECT, 7, 255};
    struct t *t = b->t;
    struct blkif_request r;
    memset(&r, 0, sizeof(r));
    r.operation = (uint8_t)ops[t_random(t, 4) ? t_random(t, 2)
                                              : t_random(t, 8)];
    r.nr_segments = (uint8_t)(t_random(t, 8) < 7 ? t_random(t, 4)
                                                 : t_random(t, 256));
    r.handle = (blkif_vdev_t)(t_random(t, 8) < 7 ? 0 : t_random(t, 0x10000));
    r.id = b->next_id++;
    r.sector_number = t_random(t, 4) ? t_random(t, 2048) : fuzz_word(t);
    for (unsigned i = 0;
         i < r.nr_segments && i < BLKIF_MAX_SEGMENTS_PER_REQUEST; i++) {
        r.seg[i].gref = draw_ref(b);
        r.seg[i].first_sect = draw_sector(t);
        r.seg[i].last_sect = draw_sector(t);
    }
    raw_front_put(&b->d->f, &r);
}

static void notify(struct front *b)
{
    (void)os_evtchn_send(b->t->os, b->d->f.port);
}

static void push(struct front *b, bool tell)
{
    struct dev *d = b->d;
    if (d->f.req_prod - d->f.rsp_cons > RAW_SLOTS) {
        d->clean = false; /* more than the ring has room for */
    }
    os_store32(b->t->os, RAW_FIELD(&d->f, req_prod), d->f.req_prod);
    d->pushed = d->f.req_prod;
    if (tell) {
        notify(b);
    }
}

static void consume(struct front *b)
{
    struct raw_front *f = &b->d->f;
    struct os *os = b->t->os;
    struct blkif_response rsp;
    uint32_t prod = os_load32(os, RAW_FIELD(f, rsp_prod));
    if (!b->d->clean) {
        f->rsp_cons = prod;
        os_store32(os, RAW_FIELD(f, rsp_event),
                   prod + t_random(b->t, 4));
        return;
    }
    T_CHECK(b->t, prod - f->rsp_cons <= b->d->pushed - f->rsp_cons);
    for (; f->rsp_cons != prod; f->rsp_cons++) {
        os_read(os, RAW_SLOT(f, f->rsp_cons), &rsp, sizeof(rsp));
        T_CHECK(b->t, rsp.id < b->next_id);
        T_CHECK(b->t, rsp.status == BLKIF_RSP_OKAY ||
                          rsp.status == BLKIF_RSP_ERROR ||
                          rsp.status == BLKIF_RSP_EOPNOTSUPP);
    }
    os_store32(os, RAW_FIELD(f, rsp_event), f->rsp_cons + 1);
}

static void lie_about_index(struct front *b)
{
    b->d->clean = false;
    b->d->f.req_prod += (uint32_t)fuzz_word(b->t);
    os_store32(b->t->os, RAW_FIELD(&b->d->f, req_prod), b->d->f.req_prod);
    notify(b);
}

static void scribble(struct front *b)
{
    uint64_t at = b->d->f.page;
    b->d->clean = false;
    at += t_random(b->t, 2) ? 4 * t_random(b->t, 64)
                            : 4 * t_random(b->t, OS_PAGE_SIZE / 4);
    os_store32(b->t->os, at, (uint32_t)fuzz_word(b->t));
}

static void change_grant(struct front *b)
{
    struct t *t = b->t;
    unsigned i = t_random(t, DATA_PAGES);
    uint64_t entry = os_grant_table(t->os, 0) + 8ULL * b->refs[i];
    switch (t_random(t, 4)) {
    case 0:
        if (os_grant_end(t->os, b->refs[i]) == 0) {
            b->refs[i] = raw_front_grant(&b->d->f, b->pages[i], i == 1);
        }
        break;
    case 1: /* whatever the frame, in use or not */
        os_store32(t->os, entry + 4, (uint32_t)fuzz_word(t));
        break;
    case 2:
        os_store16(t->os, entry, (uint16_t)t_random(t, 64));
        break;
    default: /* readonly on and off */
        os_store16(t->os, entry,
                   os_load16(t->os, entry) ^ GTF_readonly);
        break;
    }
}

static void change_state(struct front *b)
{
    char path[96], value[24];
    static const char *const nodes[] = {"state", "state", "ring-ref",
                                        "event-channel", "protocol"};
    unsigned i = t_random(b->t, 5);
    snprintf(path, sizeof(path), "%s/%s", b->d->f.dir, nodes[i]);
    snprintf(value, sizeof(value), "%lld",
             i < 2 ? (long long)t_random(b->t, 10)
                   : (long long)fuzz_word(b->t));
    b->d->clean = false;
    (void)xs_write(b->t->xs, 0, path, value);
}

static void close_port(struct front *b)
{
    b->d->clean = false;
    os_event_handler(b->t->os, b->d->f.port, NULL, NULL);
    os_evtchn_close(b->t->os, b->d->f.port);
}

static void wait_some(struct front *b)
{
    static const uint32_t ns[] = {1000, 10000, 30000, 100000, 1000000};
    t_sleep(b->t, fuzz_pick(b->t, ns, 5));
}

static void change_disk(struct front *b)
{
    static const uint32_t latency[] = {0, 0, 1000, 200000};
    struct disk_faults faults = {0};
    faults.error_one_in = t_random(b->t, 4) ? 0 : 3;
    faults.delay_one_in = t_random(b->t, 4) ? 0 : 2;
    faults.reorder = t_random(b->t, 2);
    faults.latency_ns = fuzz_pick(b->t, latency, 4);
    disk_set_faults(machine_disk(t_world(b->t)->m, 0), &faults);
}

static void step(struct front *b)
{
    switch (t_random(b->t, 20)) {
    case 6:
        push(b, false);
        break;
    case 7:
        notify(b);
        break;
    case 8:
        lie_about_index(b);
        break;
    case 9:
    case 10:
        wait_some(b);
        break;
    case 11:
        consume(b);
        break;
    case 12:
        scribble(b);
        break;
    case 13:
        change_grant(b);
        break;
    case 14:
        b->d = &b->dev[t_random(b->t, DEVICES)];
        break;
    case 15:
        change_disk(b);
        break;
    case 16:
        change_state(b);
        break;
    case 17:
        close_port(b);
        break;
    case 18:
    case 19:
    case 5:
        push(b, true);
        break;
    default:
        put_request(b);
        break;
    }
}

static void subject(struct t *t)
{
    struct front *b = os_malloc(t->os, sizeof(*b));
    T_REQUIRE(t, b != NULL);
    prepare(b, t);
    fuzz_begin(t);
    while (fuzz_more(t)) {
        step(b);
    }
    for (unsigned i = 0; i < DEVICES; i++) {
        b->d = &b->dev[i];
        push(b, true);
    }
    t_sleep(t, 50000);
    for (unsigned i = 0; i < DEVICES; i++) {
        b->d = &b->dev[i];
        consume(b);
    }
}

static void peer(struct t *t)
{
    int err = 0;
    struct blkfront *bf = blkfront_open(t->xs, FUZZ_VDEV, &err);
    T_REQUIRE(t, bf != NULL);
    bystander_use_disk(t, bf, 1);
    fuzz_peer_wait(t);
    bystander_use_disk(t, bf, 2);
    blkfront_close(bf);
}

const struct fuzz_target fuzz_target = {"blkback", T_DISK, subject, peer};
