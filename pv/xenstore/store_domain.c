/*
 * The tree's beginning and end, and what a domain leaves in it.
 *
 * Invariants:
 *  1. After store_forget_domain() no node is owned by that domain, and no
 *     entry of a node's rights gives anything to a later domain that gets
 *     the same id.
 */
#include "pv/xenstore/xsd.h"

/* A first node of the given domain, rights "nobody else" but for its owner. */
static int add_first(struct xenstored *xsd, const char *path,
                     const char *children, size_t children_len)
{
    struct xsd_perm perm = { os_domid(xsd->os), 0 };
    struct xsd_node *n = node_new(xsd, path);

    if (n == NULL) {
        return -XEN_ENOMEM;
    }
    n->children = lib_memdup(xsd->os, children, children_len);
    n->children_len = children_len;
    if (n->children == NULL || node_set_data(xsd, n, "", 0) != 0 ||
        node_set_perms(xsd, n, &perm, 1) != 0) {
        node_free(xsd, n);
        return -XEN_ENOMEM;
    }
    store_put(xsd, NULL, n);
    return 0;
}

int store_init(struct xenstored *xsd)
{
    int rc = add_first(xsd, "/", "tool", sizeof("tool"));

    if (rc == 0) {
        rc = add_first(xsd, "/tool", "xenstored", sizeof("xenstored"));
    }
    if (rc == 0) {
        rc = add_first(xsd, "/tool/xenstored", "", 0);
    }
    if (rc == 0) {
        rc = add_first(xsd, XSD_SPECIAL_INTRODUCE, "", 0);
    }
    if (rc == 0) {
        rc = add_first(xsd, XSD_SPECIAL_RELEASE, "", 0);
    }
    return rc;
}

void store_destroy(struct xenstored *xsd)
{
    for (unsigned i = 0; i < XSD_HASH; i++) {
        node_free_list(xsd, xsd->hash[i]);
        xsd->hash[i] = NULL;
    }
    xsd->nr_nodes = 0;
}

/* A node that the domain owns, shallowest and smallest path first, so that
 * the order does not depend on the hash. */
static const char *first_owned(struct xenstored *xsd, domid_t domid)
{
    const struct xsd_node *n;
    const char *best = NULL;

    for (unsigned i = 0; i < XSD_HASH; i++) {
        for (n = xsd->hash[i]; n != NULL; n = n->next) {
            size_t len = lib_strlen(n->path);
            size_t old = best != NULL ? lib_strlen(best) : 0;

            if (n->perms[0].domid != domid || n->path[0] != '/' ||
                lib_streq(n->path, "/")) {
                continue;
            }
            if (best == NULL || len < old ||
                (len == old && memcmp(n->path, best, len) < 0)) {
                best = n->path;
            }
        }
    }
    return best;
}

/* The root and the special nodes can't go: the control domain gets them. */
static void disown(struct xenstored *xsd, domid_t domid)
{
    for (unsigned i = 0; i < XSD_HASH; i++) {
        for (struct xsd_node *n = xsd->hash[i]; n != NULL; n = n->next) {
            if (n->perms[0].domid == domid) {
                domain_count(xsd, domid, -1);
                n->perms[0].domid = os_domid(xsd->os);
                domain_count(xsd, n->perms[0].domid, 1);
            }
            for (unsigned p = 1; p < n->nr_perms; p++) {
                if (n->perms[p].domid == domid) {
                    n->perms[p].bits |= XSD_IGNORE;
                }
            }
        }
    }
}

void store_forget_domain(struct xenstored *xsd, domid_t domid)
{
    /* Acts as the daemon itself. */
    struct xsd_conn self = { .xsd = xsd,
                             .domid = os_domid(xsd->os),
                             .privileged = true };
    const char *found;

    while ((found = first_owned(xsd, domid)) != NULL) {
        char *path = lib_strdup(xsd->os, found);
        int rc = path == NULL ? -XEN_ENOMEM : store_remove(&self, path);

        os_free(xsd->os, path);
        if (rc != 0) {
            break; /* out of memory: the rest changes hands below */
        }
    }
    disown(xsd, domid);
}
