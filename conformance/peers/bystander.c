/* See bystander.h. */
#include "conformance/peers/bystander.h"

#include <string.h>

void bystander_control(struct t *t)
{
    struct world_vbd copy = {.vdev = VDEV_COPY, .mode = BLKBACK_COPY};
    struct world_vbd map = {.vdev = VDEV};
    int err = 0;
    T_REQUIRE(t, world_add_disk(t_world(t), t_domid(t, ROLE_SUBJECT), &copy,
                                &err) != NULL);
    T_REQUIRE(t, world_add_disk(t_world(t), t_domid(t, ROLE_PEER), &map,
                                &err) != NULL);
    t_send(t, 2, 1);
    t_send(t, 1, 1);
}

void bystander_use_disk(struct t *t, struct blkfront *bf, uint8_t fill)
{
    uint8_t out[3 * SECTOR], in[3 * SECTOR];
    memset(out, fill, sizeof(out));
    T_EQ(t, blkfront_write(bf, 2000, out, 3), 0);
    memset(in, 0, sizeof(in));
    T_EQ(t, blkfront_read(bf, 2000, in, 3), 0);
    T_EQ(t, memcmp(in, out, sizeof(in)), 0);
}

void bystander(struct t *t)
{
    int err = 0;
    (void)t_recv(t, 2);
    struct blkfront *bf = blkfront_open(t->xs, VDEV, &err);
    T_CHECK(t, bf != NULL);
    bystander_use_disk(t, bf, 1);
    t_send(t, 3, 1);
    (void)t_recv(t, 4);
    for (uint8_t i = 2; i < 6; i++) {
        bystander_use_disk(t, bf, i);
    }
    t_send(t, 5, 1);
    blkfront_close(bf);
}

void hostile_begin(struct t *t)
{
    (void)t_recv(t, 1);
    (void)t_recv(t, 3);
}

void bystander_served(struct t *t)
{
    t_send(t, 4, 1);
    T_EQ(t, t_recv(t, 5), 1);
}

struct blkback *hostile_backend(struct t *t, unsigned slot)
{
    return world_guest(t_world(t), os_domid(t->os))->vbds[slot].bb;
}

void hostile_still_works(struct t *t, struct raw_front *f)
{
    uint64_t page = t_page(t, 0xcc);
    grant_ref_t ref = raw_front_grant(f, page, false);
    struct blkif_request r =
        raw_front_request(BLKIF_OP_READ, 0x600d, 1990, ref, 0, 7);
    T_EQ(t, raw_front_do(f, &r), BLKIF_RSP_OKAY);
    T_EQ(t, os_load8(t->os, page), 0);
    T_EQ(t, os_grant_end(t->os, ref), 0);
    os_pages_free(t->os, page, 1);
}

void hostile_each_mode(struct t *t,
                       void (*fn)(struct t *t, struct raw_front *f))
{
    static const unsigned vdevs[] = {VDEV, VDEV_COPY};
    hostile_begin(t);
    for (unsigned i = 0; i < 2; i++) {
        struct raw_front f;
        raw_front_connect(&f, t, vdevs[i]);
        fn(t, &f);
        hostile_still_works(t, &f);
        T_CHECK(t, !blkback_failed(hostile_backend(t, i)));
        raw_front_close(&f);
    }
    bystander_served(t);
}
