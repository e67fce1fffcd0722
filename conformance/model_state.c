/*
 * The oracle's memory put aside and brought back, beside a machine's snapshot:
 * the ledger lies on the host's heap, where no arena brings it back.
 *
 * Invariant: the arrays stay the oracle's own; only what they hold is copied,
 * so a saved ledger serves any number of loads.
 */
#include <stdlib.h>
#include <string.h>

#include "conformance/model.h"
#include "conformance/model_impl.h"

struct model_saved {
    struct model state;
    uint16_t *owner;
    struct model_pin *pins;
};

struct model_saved *model_save(const struct model *o)
{
    struct model_saved *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return NULL;
    }
    s->state = *o;
    s->owner = malloc(o->frames * sizeof(*o->owner));
    s->pins = malloc((o->nr_pins + 1) * sizeof(*o->pins));
    if (s->owner == NULL || s->pins == NULL) {
        model_saved_free(s);
        return NULL;
    }
    memcpy(s->owner, o->owner, o->frames * sizeof(*o->owner));
    if (o->nr_pins > 0) {
        memcpy(s->pins, o->pins, o->nr_pins * sizeof(*o->pins));
    }
    return s;
}

/* A ledger only grows, so what was saved has room in it. */
void model_load(struct model *o, const struct model_saved *s)
{
    struct model now = *o;
    *o = s->state;
    o->owner = now.owner;
    o->maps = now.maps;
    o->writable_maps = now.writable_maps;
    o->pins = now.pins;
    o->cap_pins = now.cap_pins;
    memcpy(o->owner, s->owner, o->frames * sizeof(*o->owner));
    if (o->nr_pins > 0) {
        memcpy(o->pins, s->pins, o->nr_pins * sizeof(*o->pins));
    }
}

void model_saved_free(struct model_saved *s)
{
    if (s != NULL) {
        free(s->owner);
        free(s->pins);
        free(s);
    }
}
