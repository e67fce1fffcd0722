/*
 * The operations on nodes.
 *
 * Invariants:
 *  1. A node is changed by putting a changed copy: a failure leaves the store
 *     as it was.
 */
#include "pv/xenstore/xsd.h"

static void ack(struct xsd_conn *c)
{
    conn_reply(c, c->hdr.type, "OK", sizeof("OK"));
}

/* The node that the payload's first string names, with the rights needed.
 * *path is the caller's to free when it was set, whatever the result. */
static int get(struct xsd_conn *c, const char *arg, unsigned need,
               bool special, char **path, struct xsd_node **n)
{
    int rc = proto_path(c, arg, special, path);

    return rc != 0 ? rc : perms_get_node(c, *path, need, n);
}

int request_directory(struct xsd_conn *c)
{
    struct xsd_node *n;
    char *path;
    int rc = get(c, proto_one(c), XSD_READ, false, &path, &n);

    if (rc == 0) {
        conn_reply(c, XS_DIRECTORY, n->children, n->children_len);
    }
    os_free(c->xsd->os, path);
    return rc;
}

int request_directory_part(struct xsd_conn *c)
{
    char *buf, *path = NULL;
    struct xsd_node *n;
    const char *vec[2];
    uint64_t off;
    size_t gen, len = 0;
    int rc;

    if (proto_strings(c, vec, 2) != 2 ||
        !lib_parse_uint(vec[1], UINT32_MAX, &off)) {
        return -XEN_EINVAL;
    }
    rc = get(c, vec[0], XSD_READ, false, &path, &n);
    os_free(c->xsd->os, path);
    if (rc != 0) {
        return rc;
    }
    buf = os_malloc(c->xsd->os, XENSTORE_PAYLOAD_MAX);
    if (buf == NULL) {
        return -XEN_ENOMEM;
    }
    gen = lib_format(buf, XENSTORE_PAYLOAD_MAX, "%lu",
                     (unsigned long)n->generation) +
          1;
    /* Whole names only; one empty name tells that the list has ended. */
    while (off + len < n->children_len) {
        size_t name = lib_strlen(n->children + off + len) + 1;

        if (gen + len + name + 1 > XENSTORE_PAYLOAD_MAX) {
            break;
        }
        memcpy(buf + gen + len, n->children + off + len, name);
        len += name;
    }
    if (off + len >= n->children_len) {
        buf[gen + len++] = 0;
    }
    conn_reply(c, XS_DIRECTORY_PART, buf, gen + len);
    os_free(c->xsd->os, buf);
    return 0;
}

int request_read(struct xsd_conn *c)
{
    struct xsd_node *n;
    char *path;
    int rc = get(c, proto_one(c), XSD_READ, false, &path, &n);

    if (rc == 0) {
        conn_reply(c, XS_READ, n->data, n->len);
    }
    os_free(c->xsd->os, path);
    return rc;
}

static int change_data(struct xsd_conn *c, const struct xsd_node *n,
                       const char *data, size_t len)
{
    struct xsd_node *copy = node_copy(c->xsd, n);
    int rc = copy == NULL ? -XEN_ENOMEM
                          : node_set_data(c->xsd, copy, data, len);

    if (rc == 0 && !c->privileged &&
        node_bytes(copy) >= c->xsd->quota.node_bytes) {
        rc = -XEN_ENOSPC;
    }
    if (rc != 0) {
        node_free(c->xsd, copy);
        return rc;
    }
    store_put(c->xsd, c->tx, copy);
    return 0;
}

int request_write(struct xsd_conn *c)
{
    struct xsd_node *n;
    const char *arg, *data;
    char *path = NULL;
    size_t len;
    int rc;

    if (proto_strings(c, &arg, 1) != 1) {
        return -XEN_EINVAL;
    }
    data = arg + lib_strlen(arg) + 1;
    len = c->hdr.len - (size_t)(data - arg);
    rc = get(c, arg, XSD_WRITE, false, &path, &n);
    if (rc == 0) {
        rc = change_data(c, n, data, len);
    } else if (rc == -XEN_ENOENT) {
        rc = store_create(c, path, data, len);
    }
    if (rc == 0) {
        watch_fire(c, c->tx, path, false, NULL, 0);
        ack(c);
    }
    os_free(c->xsd->os, path);
    return rc;
}

int request_mkdir(struct xsd_conn *c)
{
    struct xsd_node *n;
    char *path = NULL;
    int rc = get(c, proto_one(c), XSD_WRITE, false, &path, &n);

    if (rc == -XEN_ENOENT) {
        rc = store_create(c, path, "", 0);
        if (rc == 0) {
            watch_fire(c, c->tx, path, false, NULL, 0);
        }
    }
    if (rc == 0) {
        ack(c);
    }
    os_free(c->xsd->os, path);
    return rc;
}

int request_rm(struct xsd_conn *c)
{
    struct xsd_node *n;
    char *path = NULL, *parent;
    int rc = get(c, proto_one(c), XSD_WRITE, false, &path, &n);

    if (rc == -XEN_ENOENT) {
        /* Gone already is fine, if there is a parent. */
        parent = path_parent(c->xsd, path);
        rc = parent == NULL ? -XEN_ENOMEM
                            : store_get(c, c->tx, parent, &n);
        os_free(c->xsd->os, parent);
    } else if (rc == 0) {
        rc = lib_streq(path, "/") ? -XEN_EINVAL : store_remove(c, path);
    }
    if (rc == 0) {
        ack(c);
    }
    os_free(c->xsd->os, path);
    return rc;
}

int request_get_perms(struct xsd_conn *c)
{
    struct xsd_node *n;
    char *path = NULL, *buf;
    size_t len = 0;
    int rc = get(c, proto_one(c), XSD_READ, true, &path, &n);

    os_free(c->xsd->os, path);
    if (rc != 0) {
        return rc;
    }
    buf = os_malloc(c->xsd->os, XENSTORE_PAYLOAD_MAX);
    if (buf == NULL) {
        return -XEN_ENOMEM;
    }
    for (unsigned i = 0; i < n->nr_perms && rc == 0; i++) {
        if (n->perms[i].bits & XSD_IGNORE) {
            continue;
        }
        if (XENSTORE_PAYLOAD_MAX - len < 8) {
            rc = -XEN_E2BIG;
            break;
        }
        len += perms_print(&n->perms[i], buf + len,
                           XENSTORE_PAYLOAD_MAX - len);
    }
    if (rc == 0) {
        conn_reply(c, XS_GET_PERMS, buf, len);
    }
    os_free(c->xsd->os, buf);
    return rc;
}

/* The entries behind the path; a domain that does not exist gets nothing. */
static int parse_perms(struct xsd_conn *c, struct xsd_perm *perms,
                       unsigned nr)
{
    const char *s = c->payload + lib_strlen(c->payload) + 1;
    int rc;

    for (unsigned i = 0; i < nr; i++) {
        rc = perms_parse(s, &perms[i]);
        if (rc != 0) {
            return rc;
        }
        if (domain_know(c->xsd, perms[i].domid) == NULL) {
            perms[i].bits |= XSD_IGNORE;
        }
        s += lib_strlen(s) + 1;
    }
    return (perms[0].bits & XSD_IGNORE) ? -XEN_ENOENT : 0;
}

static int change_perms(struct xsd_conn *c, const struct xsd_perm *perms,
                        unsigned nr)
{
    bool special = c->payload[0] == '@';
    struct xsd_node *n, *copy = NULL, *before = NULL;
    char *path = NULL;
    int rc = get(c, c->payload, XSD_WRITE | XSD_OWNER, special, &path, &n);

    /* The unprivileged can't give a node away. */
    if (rc == 0 && !c->privileged &&
        perms[0].domid != n->perms[0].domid) {
        rc = -XEN_EPERM;
    }
    if (rc == 0) {
        before = node_copy(c->xsd, n); /* its rights outlive the change */
        copy = node_copy(c->xsd, n);
        rc = before == NULL || copy == NULL
                 ? -XEN_ENOMEM
                 : node_set_perms(c->xsd, copy, perms, nr);
    }
    if (rc == 0 && !c->privileged &&
        node_bytes(copy) >= c->xsd->quota.node_bytes) {
        rc = -XEN_ENOSPC;
    }
    if (rc == 0) {
        store_put(c->xsd, c->tx, copy);
        copy = NULL;
        if (!special) {
            watch_fire(c, c->tx, path, false, before->perms,
                       before->nr_perms);
        }
    }
    node_free(c->xsd, copy);
    node_free(c->xsd, before);
    os_free(c->xsd->os, path);
    return rc;
}

int request_set_perms(struct xsd_conn *c)
{
    unsigned nr = proto_count(c);
    struct xsd_perm *perms;
    int rc;

    if (nr < 2) {
        return -XEN_EINVAL;
    }
    nr--;
    if (!c->privileged && nr > c->xsd->quota.perms) {
        return -XEN_ENOSPC;
    }
    perms = os_malloc(c->xsd->os, nr * sizeof(*perms));
    if (perms == NULL) {
        return -XEN_ENOMEM;
    }
    rc = parse_perms(c, perms, nr);
    if (rc == 0) {
        rc = change_perms(c, perms, nr);
    }
    os_free(c->xsd->os, perms);
    if (rc == 0) {
        ack(c);
    }
    return rc;
}
