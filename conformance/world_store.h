/* The store's side of a world: what a toolstack writes there. */
#ifndef CONFORMANCE_WORLD_STORE_H
#define CONFORMANCE_WORLD_STORE_H

#include "conformance/world.h"

int world_store_init(struct world *w);
int world_store_add_domain(struct world *w, const struct world_guest *g);
void world_store_remove_domain(struct world *w, domid_t domid);
/* The frontend's directory alone goes: its domain is dead. */
void world_store_drop_frontend(struct world *w, domid_t domid,
                               unsigned vdev);

#endif
