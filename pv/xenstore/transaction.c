/*
 * Transactions: each works on its own copies of the nodes it has looked at,
 * and commits only if none of them has changed in the store meanwhile.
 *
 *   start -> open: look, change copies -> end "T": unchanged? apply, tell
 *                                       |         changed?   EAGAIN
 *                                       `> end "F", connection gone: forget
 *
 * Invariants:
 *  1. A path is looked up in the store once a transaction; later looks see
 *     the same, and its own changes.
 *  2. A commit applies all changes or none.
 */
#include "pv/xenstore/xsd.h"

struct xsd_tx *tx_find(struct xsd_conn *c, uint32_t id)
{
    struct xsd_tx *tx = c->txs;

    while (tx != NULL && tx->id != id) {
        tx = tx->next;
    }
    return tx;
}

int tx_start(struct xsd_conn *c, uint32_t *id)
{
    struct xsd_tx *tx;

    /* 4.17 refuses once the count is past the quota. */
    if (!c->privileged && c->nr_txs > c->xsd->quota.transactions) {
        return -XEN_ENOSPC;
    }
    tx = os_malloc(c->xsd->os, sizeof(*tx));
    if (tx == NULL) {
        return -XEN_ENOMEM;
    }
    do {
        tx->id = c->next_tx_id++;
    } while (tx->id == 0 || tx_find(c, tx->id) != NULL);
    tx->next = c->txs;
    c->txs = tx;
    c->nr_txs++;
    *id = tx->id;
    return 0;
}

struct xsd_access *tx_access(struct xsd_tx *tx, const char *path)
{
    struct xsd_access *a = tx->first;

    while (a != NULL && !lib_streq(a->path, path)) {
        a = a->next;
    }
    return a;
}

static void access_free(struct xenstored *xsd, struct xsd_access *a)
{
    node_free(xsd, a->node);
    os_free(xsd->os, a->old_perms);
    os_free(xsd->os, a->path);
    os_free(xsd->os, a);
}

static struct xsd_access *access_new(struct xenstored *xsd, const char *path)
{
    const struct xsd_node *n = store_find(xsd, path);
    struct xsd_access *a = os_malloc(xsd->os, sizeof(*a));
    size_t size;

    if (a == NULL) {
        return NULL;
    }
    a->path = lib_strdup(xsd->os, path);
    a->generation = n != NULL ? n->generation : XSD_NO_GENERATION;
    if (n != NULL) {
        size = n->nr_perms * sizeof(*n->perms);
        a->node = node_copy(xsd, n);
        a->old_perms = os_malloc(xsd->os, size);
        if (a->old_perms != NULL) {
            memcpy(a->old_perms, n->perms, size);
        }
        a->nr_old_perms = n->nr_perms;
    }
    if (a->path == NULL ||
        (n != NULL && (a->node == NULL || a->old_perms == NULL))) {
        access_free(xsd, a);
        return NULL;
    }
    return a;
}

int tx_look(struct xsd_conn *c, struct xsd_tx *tx, const char *path,
            struct xsd_access **out)
{
    struct xsd_access *a = tx_access(tx, path);

    if (a == NULL) {
        if (!c->privileged && tx->nr_accesses >= XSD_TX_NODES) {
            return -XEN_ENOSPC;
        }
        a = access_new(c->xsd, path);
        if (a == NULL) {
            return -XEN_ENOMEM;
        }
        if (tx->first == NULL) {
            tx->first = a;
        } else {
            tx->last->next = a;
        }
        tx->last = a;
        tx->nr_accesses++;
    }
    *out = a;
    return 0;
}

static void tx_free(struct xsd_conn *c, struct xsd_tx *tx)
{
    struct xsd_tx **pp = &c->txs;

    while (*pp != tx) {
        pp = &(*pp)->next;
    }
    *pp = tx->next;
    c->nr_txs--;
    while (tx->first != NULL) {
        struct xsd_access *a = tx->first;

        tx->first = a->next;
        access_free(c->xsd, a);
    }
    os_free(c->xsd->os, tx);
}

static int may_commit(struct xsd_conn *c, const struct xsd_tx *tx)
{
    const struct xsd_domain *d = domain_find(c->xsd, c->domid);
    const struct xsd_access *a;

    for (a = tx->first; a != NULL; a = a->next) {
        const struct xsd_node *n = store_find(c->xsd, a->path);

        if (a->generation !=
            (n != NULL ? n->generation : XSD_NO_GENERATION)) {
            return -XEN_EAGAIN;
        }
    }
    if (!c->privileged && tx->entries > 0 && d != NULL &&
        (int)d->entries + tx->entries > (int)c->xsd->quota.nodes) {
        return -XEN_ENOSPC;
    }
    return 0;
}

static void apply(struct xsd_conn *c, struct xsd_tx *tx)
{
    struct xsd_access *a;

    for (a = tx->first; a != NULL; a = a->next) {
        if (!a->modified) {
            continue;
        }
        if (a->node != NULL) {
            store_put(c->xsd, NULL, a->node);
            a->node = NULL; /* the store's now */
        } else if (a->generation != XSD_NO_GENERATION) {
            store_delete(c->xsd, NULL, a->path);
        }
    }
    for (a = tx->first; a != NULL; a = a->next) {
        if (a->fire) {
            watch_fire(c, NULL, a->path, a->exact, a->old_perms,
                       a->nr_old_perms);
        }
    }
}

int tx_end(struct xsd_conn *c, struct xsd_tx *tx, bool commit)
{
    int rc = 0;

    if (commit) {
        rc = may_commit(c, tx);
        if (rc == 0) {
            apply(c, tx);
        }
    }
    tx_free(c, tx);
    return rc;
}

void tx_abort_all(struct xsd_conn *c)
{
    while (c->txs != NULL) {
        tx_free(c, c->txs);
    }
}
