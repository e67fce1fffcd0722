/*
 * The tree: nodes by absolute path, each naming its children; and the two
 * special nodes whose rights say who hears of domains.
 *
 * Invariants:
 *  1. Every node but "/" and the special ones is a child of an existing node
 *     that names it, and every name in a node's children exists.
 *  2. generation grows with each change; no two changes share one.
 *  3. A change that touches several nodes is prepared in full first, and the
 *     puts and deletes that make it can't fail.
 *  4. A domain's entry count is the number of nodes in the store it owns.
 */
#include "pv/xenstore/xsd.h"

static unsigned hash_of(const char *path)
{
    uint32_t h = 2166136261u; /* FNV-1a */

    while (*path != 0) {
        h = (h ^ (uint8_t)*path++) * 16777619u;
    }
    return h % XSD_HASH;
}

const char *path_base(const char *path)
{
    const char *base = path;

    for (; *path != 0; path++) {
        if (*path == '/') {
            base = path + 1;
        }
    }
    return base;
}

char *path_parent(struct xenstored *xsd, const char *path)
{
    size_t len = (size_t)(path_base(path) - path);

    /* "/a" and "@special": the root */
    return len <= 1 ? lib_strdup(xsd->os, "/")
                    : lib_memdup(xsd->os, path, len - 1);
}

struct xsd_node *store_find(struct xenstored *xsd, const char *path)
{
    struct xsd_node *n = xsd->hash[hash_of(path)];

    while (n != NULL && !lib_streq(n->path, path)) {
        n = n->next;
    }
    return n;
}

static struct xsd_node *unhash(struct xenstored *xsd, const char *path)
{
    struct xsd_node **pp = &xsd->hash[hash_of(path)], *n;

    while (*pp != NULL && !lib_streq((*pp)->path, path)) {
        pp = &(*pp)->next;
    }
    n = *pp;
    if (n != NULL) {
        *pp = n->next;
        n->next = NULL;
        xsd->nr_nodes -= n->path[0] == '/';
        domain_count(xsd, n->perms[0].domid, -1);
    }
    return n;
}

int store_get(struct xsd_conn *c, struct xsd_tx *tx, const char *path,
              struct xsd_node **out)
{
    struct xsd_access *a;
    int rc;

    if (tx == NULL) {
        *out = store_find(c->xsd, path);
    } else {
        rc = tx_look(c, tx, path, &a);
        if (rc != 0) {
            return rc;
        }
        *out = a->node;
    }
    return *out != NULL ? 0 : -XEN_ENOENT;
}

void store_put(struct xenstored *xsd, struct xsd_tx *tx, struct xsd_node *n)
{
    n->generation = ++xsd->generation;
    if (tx != NULL) {
        struct xsd_access *a = tx_access(tx, n->path);

        node_free(xsd, a->node);
        n->next = NULL;
        a->node = n;
        a->modified = true;
        return;
    }
    node_free(xsd, unhash(xsd, n->path));
    domain_count(xsd, n->perms[0].domid, 1);
    xsd->nr_nodes += n->path[0] == '/';
    n->next = xsd->hash[hash_of(n->path)];
    xsd->hash[hash_of(n->path)] = n;
}

void store_delete(struct xenstored *xsd, struct xsd_tx *tx, const char *path)
{
    if (tx != NULL) {
        struct xsd_access *a = tx_access(tx, path);

        node_free(xsd, a->node);
        a->node = NULL;
        a->modified = true;
        return;
    }
    xsd->generation++;
    node_free(xsd, unhash(xsd, path));
}

/* -- Creation -------------------------------------------------------------- */

/* A new node below `parent`: its rights are inherited, but the unprivileged
 * own what they create (docs/misc/xenstore.txt). */
static struct xsd_node *new_child(struct xsd_conn *c, const char *path,
                                  const struct xsd_node *parent)
{
    struct xsd_node *n = node_new(c->xsd, path);

    if (n == NULL) {
        return NULL;
    }
    n->children = lib_strdup(c->xsd->os, "");
    if (n->children == NULL || node_set_data(c->xsd, n, "", 0) != 0 ||
        node_set_perms(c->xsd, n, parent->perms, parent->nr_perms) != 0) {
        node_free(c->xsd, n);
        return NULL;
    }
    if (!c->privileged) {
        n->perms[0].domid = c->domid;
    }
    return n;
}

/* The missing ancestors of path and path itself, topmost first, behind a
 * copy of the deepest existing one. */
static int prepare(struct xsd_conn *c, const char *path,
                   struct xsd_node **list, unsigned *made)
{
    struct xenstored *xsd = c->xsd;
    char *cut = lib_strdup(xsd->os, path);
    size_t full = lib_strlen(path), at;
    struct xsd_node *n, *last;
    int rc = cut == NULL ? -XEN_ENOMEM : -XEN_ENOENT;

    *list = NULL;
    while (rc == -XEN_ENOENT && !lib_streq(cut, "/")) {
        size_t len = (size_t)(path_base(cut) - cut);

        cut[len <= 1 ? 1 : len - 1] = 0;
        rc = store_get(c, c->tx, cut, &n);
    }
    if (rc == 0) {
        *list = last = node_copy(xsd, n);
        rc = last == NULL ? -XEN_ENOMEM : 0;
        at = lib_strlen(cut) == 1 ? 0 : lib_strlen(cut);
        while (rc == 0 && at < full) {
            at += 1 + lib_find(path + at + 1, full - at - 1, '/');
            memcpy(cut, path, at);
            cut[at] = 0;
            rc = node_add_child(xsd, last, path_base(cut));
            if (rc == 0) {
                last->next = new_child(c, cut, last);
                rc = last->next == NULL ? -XEN_ENOMEM : 0;
                last = last->next;
                ++*made;
            }
        }
    }
    os_free(xsd->os, cut);
    return rc;
}

static int check_quota(struct xsd_conn *c, const struct xsd_node *list,
                       unsigned made)
{
    const struct xsd_domain *d = domain_find(c->xsd, c->domid);
    int entries = d != NULL ? (int)d->entries : 0;

    if (c->privileged) {
        return 0;
    }
    entries += c->tx != NULL ? c->tx->entries : 0;
    if (entries + (int)made > (int)c->xsd->quota.nodes) {
        return -XEN_ENOSPC;
    }
    for (; list != NULL; list = list->next) {
        if (node_bytes(list) >= c->xsd->quota.node_bytes) {
            return -XEN_ENOSPC;
        }
    }
    return 0;
}

int store_create(struct xsd_conn *c, const char *path, const char *data,
                 size_t len)
{
    struct xsd_node *list, *n;
    unsigned made = 0;
    int rc = prepare(c, path, &list, &made);

    if (rc == 0) {
        for (n = list; n->next != NULL; n = n->next) {
        }
        rc = node_set_data(c->xsd, n, data, len);
    }
    if (rc == 0) {
        rc = check_quota(c, list, made);
    }
    if (rc != 0) {
        node_free_list(c->xsd, list);
        return rc;
    }
    while (list != NULL) {
        n = list;
        list = n->next;
        store_put(c->xsd, c->tx, n);
    }
    if (c->tx != NULL && !c->privileged) {
        c->tx->entries += (int)made;
    }
    return 0;
}

/* -- Removal --------------------------------------------------------------- */

/* Copies of path's node and all below it, parents before children. A child
 * is put right behind its parent, so no recursion is needed. */
static int collect(struct xsd_conn *c, const char *path,
                   struct xsd_node **list)
{
    struct xenstored *xsd = c->xsd;
    struct xsd_node *n, *at;
    int rc = store_get(c, c->tx, path, &n);

    *list = rc == 0 ? node_copy(xsd, n) : NULL;
    if (rc == 0 && *list == NULL) {
        return -XEN_ENOMEM;
    }
    for (at = *list; at != NULL && rc == 0; at = at->next) {
        size_t off = 0, len = lib_strlen(at->path);
        struct xsd_node *behind = at;

        while (off < at->children_len && rc == 0) {
            size_t name = lib_strlen(at->children + off) + 1;
            char *child = os_malloc(xsd->os, len + 1 + name);
            struct xsd_node *copy = NULL;

            rc = -XEN_ENOMEM;
            if (child != NULL) {
                memcpy(child, at->path, len);
                child[len] = '/';
                memcpy(child + len + 1, at->children + off, name);
                rc = store_get(c, c->tx, child, &n);
            }
            if (rc == 0 && (copy = node_copy(xsd, n)) == NULL) {
                rc = -XEN_ENOMEM;
            }
            os_free(xsd->os, child);
            if (rc == 0) {
                copy->next = behind->next;
                behind->next = copy;
                behind = copy;
            }
            off += name;
        }
    }
    return rc;
}

static void remove_list(struct xsd_conn *c, struct xsd_node *list)
{
    for (struct xsd_node *n = list; n != NULL; n = n->next) {
        /* Watches fire while the node's rights can still be seen; those
         * below the removed one only tell who watches exactly them. */
        watch_fire(c, c->tx, n->path, n != list, n->perms, n->nr_perms);
    }
    for (struct xsd_node *n = list; n != NULL; n = n->next) {
        if (c->tx != NULL && !c->privileged &&
            n->perms[0].domid == c->domid) {
            c->tx->entries--;
        }
        store_delete(c->xsd, c->tx, n->path);
    }
}

int store_remove(struct xsd_conn *c, const char *path)
{
    char *parent_path = path_parent(c->xsd, path);
    struct xsd_node *parent = NULL, *list = NULL, *n;
    int rc = -XEN_ENOMEM;

    if (parent_path != NULL) {
        rc = store_get(c, c->tx, parent_path, &n);
    }
    if (rc == 0 && (parent = node_copy(c->xsd, n)) == NULL) {
        rc = -XEN_ENOMEM;
    }
    if (rc == 0) {
        rc = collect(c, path, &list);
    }
    if (rc == 0) {
        node_remove_child(parent, path_base(path));
        remove_list(c, list);
        store_put(c->xsd, c->tx, parent);
        parent = NULL;
    }
    node_free(c->xsd, parent);
    node_free_list(c->xsd, list);
    os_free(c->xsd->os, parent_path);
    return rc;
}
