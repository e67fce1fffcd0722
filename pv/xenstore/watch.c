/*
 * Watches: who is told of which change.
 *
 * Invariants:
 *  1. A connection has no two watches with the same path and token.
 *  2. Nobody hears of a node that it may read neither itself nor the parent
 *     of.
 *  3. What a transaction does is told when it commits, not before.
 */
#include "pv/xenstore/xsd.h"

static bool is_below(const char *path, const char *top)
{
    size_t len = lib_strlen(top);

    if (lib_streq(top, "/")) {
        return true;
    }
    return lib_starts(path, top) && (path[len] == 0 || path[len] == '/');
}

static void send_event(struct xsd_conn *c, const struct xsd_watch *w,
                       const char *path)
{
    size_t path_len, token_len = lib_strlen(w->token) + 1;
    char *buf;

    if (w->strip > 0) { /* relative: told as it was asked */
        path += w->strip;
        path += *path == '/';
    }
    path_len = lib_strlen(path) + 1;
    if (path_len + token_len > XENSTORE_PAYLOAD_MAX) {
        return; /* a client that can't be told without breaking the wire */
    }
    buf = os_malloc(c->xsd->os, path_len + token_len);
    if (buf == NULL) {
        return;
    }
    memcpy(buf, path, path_len);
    memcpy(buf + path_len, w->token, token_len);
    conn_event(c, buf, path_len + token_len);
    os_free(c->xsd->os, buf);
}

static bool can_see(struct xsd_conn *c, const char *path,
                    const struct xsd_perm *old, unsigned nr_old)
{
    struct xsd_node *n = store_find(c->xsd, path), *parent;
    char *parent_path;
    bool seen;

    if (old != NULL && (perms_for(c, old, nr_old) & XSD_READ)) {
        return true;
    }
    if (n == NULL) {
        return false;
    }
    if (perms_for(c, n->perms, n->nr_perms) & XSD_READ) {
        return true;
    }
    parent_path = path_parent(c->xsd, path);
    if (parent_path == NULL) {
        return false;
    }
    parent = store_find(c->xsd, parent_path);
    seen = parent != NULL &&
           (perms_for(c, parent->perms, parent->nr_perms) & XSD_READ);
    os_free(c->xsd->os, parent_path);
    return seen;
}

void watch_fire(struct xsd_conn *c, struct xsd_tx *tx, const char *path,
                bool exact, const struct xsd_perm *old, unsigned nr_old)
{
    if (tx != NULL) {
        struct xsd_access *a = tx_access(tx, path);

        /* Told once; a whole change outweighs a removal from above. */
        a->exact = a->fire ? a->exact && exact : exact;
        a->fire = true;
        return;
    }
    for (struct xsd_conn *to = c->xsd->conns; to != NULL; to = to->next) {
        if (to->watches == NULL || !can_see(to, path, old, nr_old)) {
            continue;
        }
        for (struct xsd_watch *w = to->watches; w != NULL; w = w->next) {
            if (exact ? lib_streq(path, w->path) : is_below(path, w->path)) {
                send_event(to, w, path);
            }
        }
    }
}

void watch_fire_special(struct xenstored *xsd, const char *name)
{
    const struct xsd_node *n = store_find(xsd, name);

    for (struct xsd_conn *to = xsd->conns; to != NULL; to = to->next) {
        if (!(perms_for(to, n->perms, n->nr_perms) & XSD_READ)) {
            continue;
        }
        for (struct xsd_watch *w = to->watches; w != NULL; w = w->next) {
            if (lib_streq(name, w->path)) {
                send_event(to, w, name);
            }
        }
    }
}

static void free_watch(struct xsd_conn *c, struct xsd_watch *w)
{
    os_free(c->xsd->os, w->path);
    os_free(c->xsd->os, w->token);
    os_free(c->xsd->os, w);
}

int watch_add(struct xsd_conn *c, const char *path, const char *token,
              size_t strip)
{
    struct xsd_watch **pp = &c->watches, *w;

    for (; *pp != NULL; pp = &(*pp)->next) {
        if (lib_streq((*pp)->path, path) && lib_streq((*pp)->token, token)) {
            return -XEN_EEXIST;
        }
    }
    /* 4.17 refuses once the count is past the quota. */
    if (!c->privileged && c->nr_watches > c->xsd->quota.watches) {
        return -XEN_E2BIG;
    }
    w = os_malloc(c->xsd->os, sizeof(*w));
    if (w == NULL) {
        return -XEN_ENOMEM;
    }
    w->path = lib_strdup(c->xsd->os, path);
    w->token = lib_strdup(c->xsd->os, token);
    w->strip = strip;
    if (w->path == NULL || w->token == NULL) {
        free_watch(c, w);
        return -XEN_ENOMEM;
    }
    *pp = w;
    c->nr_watches++;
    conn_reply(c, XS_WATCH, "OK", sizeof("OK"));
    send_event(c, w, w->path); /* once up front */
    return 0;
}

int watch_remove(struct xsd_conn *c, const char *path, const char *token)
{
    for (struct xsd_watch **pp = &c->watches; *pp != NULL;
         pp = &(*pp)->next) {
        struct xsd_watch *w = *pp;

        if (lib_streq(w->path, path) && lib_streq(w->token, token)) {
            *pp = w->next;
            c->nr_watches--;
            free_watch(c, w);
            return 0;
        }
    }
    return -XEN_ENOENT;
}

void watch_remove_all(struct xsd_conn *c)
{
    while (c->watches != NULL) {
        struct xsd_watch *w = c->watches;

        c->watches = w->next;
        free_watch(c, w);
    }
    c->nr_watches = 0;
}
