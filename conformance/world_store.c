/*
 * The store's side of a world: the nodes xl writes, with its permissions
 * (libxl_create.c: libxl__domain_make, libxl_device.c:
 * libxl__device_generic_add), but that a guest owns its home directory too,
 * so that cases have a place to write.
 */
#include "conformance/world_store.h"

#include <stdio.h>

#include <xen/io/xenbus.h>

#define STORE_TX_TRIES 64u
#define STORE_PATH 128
#define STORE_VALUE 160

struct store_node {
    const char *name;
    char value[STORE_VALUE];
};

/* Writes dir and its nodes, all with the same permissions: owner first,
 * reader second (DOMID_INVALID: none). */
static int store_write_dir(struct world *w, xs_tx tx, const char *dir,
                           domid_t owner, domid_t reader,
                           const struct store_node *nodes, unsigned n)
{
    char own[16], read[16], path[STORE_PATH];
    const char *perms[2] = { own, read };
    unsigned nr = reader == DOMID_INVALID ? 1 : 2;
    int rc = xs_mkdir(w->xs, tx, dir);

    snprintf(own, sizeof(own), "n%u", owner);
    snprintf(read, sizeof(read), "r%u", reader);
    if (!rc) {
        rc = xs_set_perms(w->xs, tx, dir, perms, nr);
    }
    for (unsigned i = 0; i < n && !rc; i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, nodes[i].name);
        rc = xs_write(w->xs, tx, path, nodes[i].value);
        if (!rc) {
            rc = xs_set_perms(w->xs, tx, path, perms, nr);
        }
    }
    return rc;
}

typedef int store_fn(struct world *w, xs_tx tx, const void *arg);

static int store_transaction(struct world *w, store_fn *fn, const void *arg)
{
    int rc = -XEN_EAGAIN;

    for (unsigned i = 0; i < STORE_TX_TRIES && rc == -XEN_EAGAIN; i++) {
        xs_tx tx;

        rc = xs_transaction_start(w->xs, &tx);
        if (rc) {
            return rc;
        }
        rc = fn(w, tx, arg);
        if (rc) {
            (void)xs_transaction_end(w->xs, tx, false);
        } else {
            rc = xs_transaction_end(w->xs, tx, true);
        }
    }
    return rc;
}

int world_store_init(struct world *w)
{
    const struct store_node nodes[] = { { "name", "Domain-0" },
                                        { "domid", "0" } };

    return store_write_dir(w, 0, "/local/domain/0", 0, DOMID_INVALID, nodes,
                           2);
}

static int store_domain(struct world *w, xs_tx tx, const void *arg)
{
    static const char *const dirs[] = { "device", "control", "data",
                                        "drivers", "feature", "error" };
    const struct world_guest *g = arg;
    struct store_node nodes[] = { { "name", "" },
                                  { "domid", "" },
                                  { "vm", "" } };
    char home[STORE_PATH], dir[STORE_PATH + 16];
    int rc;

    snprintf(nodes[0].value, STORE_VALUE, "%s", g->name);
    snprintf(nodes[1].value, STORE_VALUE, "%u", g->domid);
    snprintf(nodes[2].value, STORE_VALUE, "/vm/%u", g->domid);
    snprintf(home, sizeof(home), "/local/domain/%u", g->domid);
    rc = store_write_dir(w, tx, home, g->domid, DOMID_INVALID, nodes, 3);
    for (unsigned i = 0; i < sizeof(dirs) / sizeof(dirs[0]) && !rc; i++) {
        snprintf(dir, sizeof(dir), "%s/%s", home, dirs[i]);
        rc = store_write_dir(w, tx, dir, g->domid, DOMID_INVALID, NULL, 0);
    }
    return rc;
}

int world_store_add_domain(struct world *w, const struct world_guest *g)
{
    return store_transaction(w, store_domain, g);
}

void world_store_remove_domain(struct world *w, domid_t domid)
{
    char path[STORE_PATH];

    snprintf(path, sizeof(path), "/local/domain/%u", domid);
    (void)xs_rm(w->xs, 0, path);
    snprintf(path, sizeof(path), "/local/domain/0/backend/vbd/%u", domid);
    (void)xs_rm(w->xs, 0, path);
}

struct store_vbd {
    domid_t domid, backend;
    const struct world_vbd *vbd;
};

static void store_vbd_paths(domid_t domid, domid_t backend, unsigned vdev,
                            char *front, char *back)
{
    snprintf(front, STORE_PATH, "/local/domain/%u/device/vbd/%u", domid,
             vdev);
    snprintf(back, STORE_PATH, "/local/domain/%u/backend/vbd/%u/%u", backend,
             domid, vdev);
}

static int store_vbd(struct world *w, xs_tx tx, const void *arg)
{
    const struct store_vbd *s = arg;
    char front[STORE_PATH], back[STORE_PATH];
    struct store_node f[] = { { "backend", "" },
                              { "backend-id", "" },
                              { "state", "" },
                              { "virtual-device", "" },
                              { "device-type", "disk" } };
    struct store_node b[] = { { "frontend", "" },  { "frontend-id", "" },
                              { "state", "" },     { "mode", "" },
                              { "params", "" },    { "physical-device", "" },
                              { "dev", "" },       { "type", "phy" },
                              { "online", "1" },   { "removable", "0" },
                              { "bootable", "1" }, { "device-type", "disk" } };
    int rc;

    store_vbd_paths(s->domid, s->backend, s->vbd->vdev, front, back);
    snprintf(f[0].value, STORE_VALUE, "%s", back);
    snprintf(f[1].value, STORE_VALUE, "%u", s->backend);
    snprintf(f[2].value, STORE_VALUE, "%d", XenbusStateInitialising);
    snprintf(f[3].value, STORE_VALUE, "%u", s->vbd->vdev);
    snprintf(b[0].value, STORE_VALUE, "%s", front);
    snprintf(b[1].value, STORE_VALUE, "%u", s->domid);
    snprintf(b[2].value, STORE_VALUE, "%d", XenbusStateInitialising);
    snprintf(b[3].value, STORE_VALUE, "%s", s->vbd->readonly ? "r" : "w");
    snprintf(b[4].value, STORE_VALUE, "disk%u", s->vbd->disk);
    snprintf(b[5].value, STORE_VALUE, "7:%x", s->vbd->disk);
    /* xen-vbd-interface(7): xvd, 16 partitions a disk, major 202 */
    snprintf(b[6].value, STORE_VALUE, "xvd%c",
             'a' + (int)((s->vbd->vdev & 0xff) >> 4));
    rc = store_write_dir(w, tx, front, s->domid, s->backend, f,
                         sizeof(f) / sizeof(f[0]));
    return rc ? rc :
                store_write_dir(w, tx, back, s->backend, s->domid, b,
                                sizeof(b) / sizeof(b[0]));
}

int world_write_vbd(struct world *w, domid_t domid, domid_t backend,
                    const struct world_vbd *vbd)
{
    const struct store_vbd s = { domid, backend, vbd };

    return store_transaction(w, store_vbd, &s);
}

int world_remove_vbd(struct world *w, domid_t domid, domid_t backend,
                     unsigned vdev)
{
    char front[STORE_PATH], back[STORE_PATH];
    int rc;

    store_vbd_paths(domid, backend, vdev, front, back);
    rc = xs_rm(w->xs, 0, front);
    if (rc && rc != -XEN_ENOENT) {
        return rc;
    }
    rc = xs_rm(w->xs, 0, back);
    return rc == -XEN_ENOENT ? 0 : rc;
}

void world_store_drop_frontend(struct world *w, domid_t domid, unsigned vdev)
{
    char front[STORE_PATH], back[STORE_PATH];

    store_vbd_paths(domid, 0, vdev, front, back);
    (void)xs_rm(w->xs, 0, front);
}
