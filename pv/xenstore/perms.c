/*
 * Permissions (docs/misc/xenstore.txt): the first entry names the owner, and
 * its letter is what all unlisted domains may do; each further entry is one
 * domain's.
 *
 * Invariants:
 *  1. The owner, who it is the target's proxy for, and the control domain
 *     may do everything.
 *  2. An error tells a client no more than its rights on the nearest
 *     existing ancestor allow: EACCES hides whether a node exists.
 */
#include "pv/xenstore/xsd.h"

static bool is_self(const struct xsd_conn *c, domid_t domid)
{
    return c->domid == domid || (c->has_target && c->target == domid);
}

unsigned perms_for(const struct xsd_conn *c, const struct xsd_perm *perms,
                   unsigned nr)
{
    if (c->privileged || is_self(c, perms[0].domid)) {
        return XSD_READ | XSD_WRITE | XSD_OWNER;
    }
    for (unsigned i = 1; i < nr; i++) {
        if (!(perms[i].bits & XSD_IGNORE) && is_self(c, perms[i].domid)) {
            return perms[i].bits & (XSD_READ | XSD_WRITE);
        }
    }
    return perms[0].bits & (XSD_READ | XSD_WRITE);
}

/* What c may know of a node it can't have. */
static int hide_errno(struct xsd_conn *c, const char *path, unsigned need,
                      int err)
{
    char *at = lib_strdup(c->xsd->os, path);
    struct xsd_node *n;
    int rc = at == NULL ? -XEN_ENOMEM : -XEN_ENOENT;

    /* The root is its own parent: somebody's rights always decide. */
    while (rc == -XEN_ENOENT) {
        size_t len = (size_t)(path_base(at) - at);

        at[0] = '/'; /* "@name" has the root above it */
        at[len <= 1 ? 1 : len - 1] = 0;
        rc = store_get(c, c->tx, at, &n);
    }
    os_free(c->xsd->os, at);
    if (rc == 0) {
        return (perms_for(c, n->perms, n->nr_perms) & need) != 0 ? err
                                                       : -XEN_EACCES;
    }
    return rc;
}

int perms_get_node(struct xsd_conn *c, const char *path, unsigned need,
                   struct xsd_node **out)
{
    int rc = store_get(c, c->tx, path, out);

    if (rc == 0) {
        if ((perms_for(c, (*out)->perms, (*out)->nr_perms) & need) == need) {
            return 0;
        }
        rc = -XEN_EACCES;
    }
    *out = NULL;
    if (rc == -XEN_ENOMEM || rc == -XEN_ENOSPC) {
        return rc;
    }
    return hide_errno(c, path, need, rc);
}

int perms_parse(const char *s, struct xsd_perm *out)
{
    uint64_t domid;

    switch (s[0]) {
    case 'n':
        out->bits = 0;
        break;
    case 'r':
        out->bits = XSD_READ;
        break;
    case 'w':
        out->bits = XSD_WRITE;
        break;
    case 'b':
        out->bits = XSD_READ | XSD_WRITE;
        break;
    default:
        return -XEN_EINVAL;
    }
    if (!lib_parse_uint(s + 1, DOMID_FIRST_RESERVED - 1, &domid)) {
        return -XEN_EINVAL;
    }
    out->domid = (domid_t)domid;
    return 0;
}

size_t perms_print(const struct xsd_perm *p, char *dst, size_t cap)
{
    return lib_format(dst, cap, "%c%u",
                      "nrwb"[p->bits & (XSD_READ | XSD_WRITE)], p->domid) +
           1;
}
