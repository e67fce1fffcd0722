/*
 * From a message to its operation (io/xs_wire.h: enum xsd_sockmsg_type).
 *
 * Invariants:
 *  1. Each request gets exactly one reply: the operation's own, or XS_ERROR.
 *  2. A privileged operation is never reached by the unprivileged.
 */
#include "pv/xenstore/xsd.h"

#define FLAG_NO_TX 1u /* tx_id is ignored */
#define FLAG_PRIV 2u

static void ack(struct xsd_conn *c)
{
    conn_reply(c, c->hdr.type, "OK", sizeof("OK"));
}

static int split_watch(struct xsd_conn *c, char **path, const char **token,
                       size_t *strip)
{
    const char *vec[2];
    char prefix[40];
    int rc;

    if (proto_strings(c, vec, 2) != 2) {
        return -XEN_EINVAL;
    }
    if (vec[0][0] == '@' && lib_strlen(vec[0]) > XENSTORE_REL_PATH_MAX) {
        return -XEN_EINVAL;
    }
    rc = proto_path(c, vec[0], true, path);
    *token = vec[1];
    *strip = 0;
    if (rc == 0 && vec[0][0] != '/' && vec[0][0] != '@') {
        *strip = lib_format(prefix, sizeof(prefix), "/local/domain/%u",
                            c->domid);
    }
    return rc;
}

static int request_watch(struct xsd_conn *c)
{
    const char *token;
    char *path;
    size_t strip;
    int rc = split_watch(c, &path, &token, &strip);

    if (rc == 0) {
        rc = watch_add(c, path, token, strip);
        os_free(c->xsd->os, path);
    }
    return rc;
}

static int request_unwatch(struct xsd_conn *c)
{
    const char *token;
    char *path;
    size_t strip;
    int rc = split_watch(c, &path, &token, &strip);

    if (rc == 0) {
        rc = watch_remove(c, path, token);
        os_free(c->xsd->os, path);
    }
    if (rc == 0) {
        ack(c);
    }
    return rc;
}

static int request_reset_watches(struct xsd_conn *c)
{
    watch_remove_all(c);
    tx_abort_all(c);
    c->tx = NULL;
    ack(c);
    return 0;
}

static int request_transaction_start(struct xsd_conn *c)
{
    char text[16];
    uint32_t id;
    int rc;

    if (c->tx != NULL) {
        return -XEN_EBUSY; /* they don't nest */
    }
    rc = tx_start(c, &id);
    if (rc == 0) {
        conn_reply(c, XS_TRANSACTION_START, text,
                   lib_format(text, sizeof(text), "%u", id) + 1);
    }
    return rc;
}

static int request_transaction_end(struct xsd_conn *c)
{
    const char *arg = proto_one(c);
    struct xsd_tx *tx = c->tx;
    int rc;

    if (arg == NULL || (!lib_streq(arg, "T") && !lib_streq(arg, "F"))) {
        return -XEN_EINVAL;
    }
    if (tx == NULL) {
        return -XEN_ENOENT;
    }
    c->tx = NULL;
    rc = tx_end(c, tx, lib_streq(arg, "T"));
    if (rc == 0) {
        ack(c);
    }
    return rc;
}

struct operation {
    request_fn *fn;
    unsigned flags;
};

static const struct operation operations[XS_TYPE_COUNT] = {
    [XS_CONTROL] = { request_control, FLAG_PRIV },
    [XS_DIRECTORY] = { request_directory, 0 },
    [XS_READ] = { request_read, 0 },
    [XS_GET_PERMS] = { request_get_perms, 0 },
    [XS_WATCH] = { request_watch, FLAG_NO_TX },
    [XS_UNWATCH] = { request_unwatch, FLAG_NO_TX },
    [XS_TRANSACTION_START] = { request_transaction_start, 0 },
    [XS_TRANSACTION_END] = { request_transaction_end, 0 },
    [XS_INTRODUCE] = { request_introduce, FLAG_PRIV },
    [XS_RELEASE] = { request_release, FLAG_PRIV },
    [XS_GET_DOMAIN_PATH] = { request_get_domain_path, 0 },
    [XS_WRITE] = { request_write, 0 },
    [XS_MKDIR] = { request_mkdir, 0 },
    [XS_RM] = { request_rm, 0 },
    [XS_SET_PERMS] = { request_set_perms, 0 },
    [XS_IS_DOMAIN_INTRODUCED] = { request_is_introduced, FLAG_PRIV },
    [XS_RESUME] = { request_resume, FLAG_PRIV },
    [XS_SET_TARGET] = { request_set_target, FLAG_PRIV },
    [XS_RESET_WATCHES] = { request_reset_watches, 0 },
    [XS_DIRECTORY_PART] = { request_directory_part, 0 },
};

void request_handle(struct xsd_conn *c)
{
    const struct operation *op;
    int rc;

    c->payload[c->hdr.len] = 0;
    if (c->hdr.type >= XS_TYPE_COUNT ||
        operations[c->hdr.type].fn == NULL) {
        conn_error(c, -XEN_ENOSYS);
        return;
    }
    op = &operations[c->hdr.type];
    if ((op->flags & FLAG_PRIV) && !c->privileged) {
        conn_error(c, -XEN_EACCES);
        return;
    }
    c->tx = NULL;
    if (!(op->flags & FLAG_NO_TX) && c->hdr.tx_id != 0) {
        c->tx = tx_find(c, c->hdr.tx_id);
        if (c->tx == NULL) {
            conn_error(c, -XEN_ENOENT);
            return;
        }
    }
    rc = op->fn(c);
    c->tx = NULL;
    if (rc != 0) {
        conn_error(c, rc);
    }
}
