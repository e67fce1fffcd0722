/*
 * One node of the store: data, rights, names of children.
 *
 * Invariants:
 *  1. A node owns all it points to; copies are deep.
 *  2. children is a run of NUL-ended names without a repeated one.
 */
#include "pv/xenstore/xsd.h"

/* The header xenstored 4.17 keeps in front of each record, and a right. */
#define RECORD_BYTES 24u
#define PERM_BYTES 8u

struct xsd_node *node_new(struct xenstored *xsd, const char *path)
{
    struct xsd_node *n = os_malloc(xsd->os, sizeof(*n));

    if (n != NULL) {
        n->path = lib_strdup(xsd->os, path);
        if (n->path == NULL) {
            os_free(xsd->os, n);
            return NULL;
        }
    }
    return n;
}

void node_free(struct xenstored *xsd, struct xsd_node *n)
{
    if (n == NULL) {
        return;
    }
    os_free(xsd->os, n->path);
    os_free(xsd->os, n->perms);
    os_free(xsd->os, n->data);
    os_free(xsd->os, n->children);
    os_free(xsd->os, n);
}

void node_free_list(struct xenstored *xsd, struct xsd_node *n)
{
    while (n != NULL) {
        struct xsd_node *next = n->next;

        node_free(xsd, n);
        n = next;
    }
}

int node_set_data(struct xenstored *xsd, struct xsd_node *n, const char *data,
                  size_t len)
{
    char *copy = lib_memdup(xsd->os, data, len);

    if (copy == NULL) {
        return -XEN_ENOMEM;
    }
    os_free(xsd->os, n->data);
    n->data = copy;
    n->len = len;
    return 0;
}

int node_set_perms(struct xenstored *xsd, struct xsd_node *n,
                   const struct xsd_perm *perms, unsigned nr)
{
    struct xsd_perm *copy = os_malloc(xsd->os, nr * sizeof(*copy));

    if (copy == NULL) {
        return -XEN_ENOMEM;
    }
    memcpy(copy, perms, nr * sizeof(*copy));
    os_free(xsd->os, n->perms);
    n->perms = copy;
    n->nr_perms = nr;
    return 0;
}

struct xsd_node *node_copy(struct xenstored *xsd, const struct xsd_node *n)
{
    struct xsd_node *c = node_new(xsd, n->path);

    if (c == NULL) {
        return NULL;
    }
    c->generation = n->generation;
    c->children = lib_memdup(xsd->os, n->children, n->children_len);
    c->children_len = n->children_len;
    if (c->children == NULL ||
        node_set_data(xsd, c, n->data, n->len) != 0 ||
        node_set_perms(xsd, c, n->perms, n->nr_perms) != 0) {
        node_free(xsd, c);
        return NULL;
    }
    return c;
}

int node_add_child(struct xenstored *xsd, struct xsd_node *n,
                   const char *name)
{
    size_t len = lib_strlen(name) + 1;
    char *list = os_malloc(xsd->os, n->children_len + len);

    if (list == NULL) {
        return -XEN_ENOMEM;
    }
    memcpy(list, n->children, n->children_len);
    memcpy(list + n->children_len, name, len);
    os_free(xsd->os, n->children);
    n->children = list;
    n->children_len += len;
    return 0;
}

void node_remove_child(struct xsd_node *n, const char *name)
{
    size_t off = 0;

    while (off < n->children_len) {
        size_t len = lib_strlen(n->children + off) + 1;

        if (lib_streq(n->children + off, name)) {
            n->children_len -= len;
            memmove(n->children + off, n->children + off + len,
                    n->children_len - off);
            return;
        }
        off += len;
    }
}

size_t node_bytes(const struct xsd_node *n)
{
    return RECORD_BYTES + PERM_BYTES * (size_t)n->nr_perms + n->len +
           n->children_len;
}
