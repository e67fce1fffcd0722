/*
 * The calls of the xenstore client: one request each.
 *
 * Invariants:
 *  1. On an error nothing is handed out: *value and its like are untouched.
 */
#include "pv/lib.h"
#include "pv/xenbus/xs_impl.h"

#define XS_LINE_MAX 1024 /* path and value of xs_printf(), each */

static int one_string(struct xs *xs, xs_tx tx, uint32_t type, const char *s,
                      char **reply, size_t *len)
{
    return xs_request(xs, tx, type, s, lib_strlen(s) + 1, reply, len);
}

/* path NUL then `len` bytes, as they are. */
static int path_and_bytes(struct xs *xs, xs_tx tx, uint32_t type,
                          const char *path, const char *bytes, size_t len)
{
    size_t path_len = lib_strlen(path) + 1;
    char *buf = os_malloc(xs->os, path_len + len);
    int rc;

    if (buf == NULL) {
        return -XEN_ENOMEM;
    }
    memcpy(buf, path, path_len);
    memcpy(buf + path_len, bytes, len);
    rc = xs_request(xs, tx, type, buf, path_len + len, NULL, NULL);
    os_free(xs->os, buf);
    return rc;
}

int xs_read(struct xs *xs, xs_tx tx, const char *path, char **value)
{
    return one_string(xs, tx, XS_READ, path, value, NULL);
}

int xs_write(struct xs *xs, xs_tx tx, const char *path, const char *value)
{
    return path_and_bytes(xs, tx, XS_WRITE, path, value, lib_strlen(value));
}

static char *join(struct xs *xs, const char *dir, const char *node)
{
    size_t d = lib_strlen(dir), n = lib_strlen(node);
    char *p = os_malloc(xs->os, d + n + 2);

    if (p != NULL) {
        memcpy(p, dir, d);
        p[d] = '/';
        memcpy(p + d + 1, node, n + 1);
    }
    return p;
}

int xs_printf(struct xs *xs, xs_tx tx, const char *dir, const char *node,
              const char *fmt, ...)
{
    char value[XS_LINE_MAX];
    char *path = join(xs, dir, node);
    va_list ap;
    int rc;

    if (path == NULL) {
        return -XEN_ENOMEM;
    }
    va_start(ap, fmt);
    lib_vformat(value, sizeof(value), fmt, ap);
    va_end(ap);
    rc = xs_write(xs, tx, path, value);
    os_free(xs->os, path);
    return rc;
}

int xs_read_uint(struct xs *xs, xs_tx tx, const char *dir, const char *node,
                 uint64_t *value)
{
    char *path = join(xs, dir, node), *text = NULL;
    int rc;

    if (path == NULL) {
        return -XEN_ENOMEM;
    }
    rc = xs_read(xs, tx, path, &text);
    os_free(xs->os, path);
    if (rc != 0) {
        return rc;
    }
    if (!lib_parse_uint(text, UINT64_MAX, value)) {
        rc = -XEN_EINVAL;
    }
    os_free(xs->os, text);
    return rc;
}

int xs_mkdir(struct xs *xs, xs_tx tx, const char *path)
{
    return one_string(xs, tx, XS_MKDIR, path, NULL, NULL);
}

int xs_rm(struct xs *xs, xs_tx tx, const char *path)
{
    return one_string(xs, tx, XS_RM, path, NULL, NULL);
}

static int string_list(struct xs *xs, xs_tx tx, uint32_t type,
                       const char *path, char **strings, unsigned *count)
{
    size_t len;
    int rc = one_string(xs, tx, type, path, strings, &len);

    if (rc == 0) {
        *count = 0;
        for (size_t i = 0; i < len; i++) {
            *count += (*strings)[i] == 0;
        }
    }
    return rc;
}

int xs_directory(struct xs *xs, xs_tx tx, const char *path, char **names,
                 unsigned *count)
{
    return string_list(xs, tx, XS_DIRECTORY, path, names, count);
}

int xs_get_perms(struct xs *xs, xs_tx tx, const char *path, char **perms,
                 unsigned *count)
{
    return string_list(xs, tx, XS_GET_PERMS, path, perms, count);
}

int xs_set_perms(struct xs *xs, xs_tx tx, const char *path,
                 const char *const *perms, unsigned count)
{
    char *buf = os_malloc(xs->os, XENSTORE_PAYLOAD_MAX);
    size_t len = 0;
    int rc = 0;

    if (buf == NULL) {
        return -XEN_ENOMEM;
    }
    for (unsigned i = 0; i < count && rc == 0; i++) {
        size_t n = lib_strlen(perms[i]) + 1;

        if (n > XENSTORE_PAYLOAD_MAX - len) {
            rc = -XEN_E2BIG;
            break;
        }
        memcpy(buf + len, perms[i], n);
        len += n;
    }
    if (rc == 0) {
        rc = path_and_bytes(xs, tx, XS_SET_PERMS, path, buf, len);
    }
    os_free(xs->os, buf);
    return rc;
}

int xs_transaction_start(struct xs *xs, xs_tx *tx)
{
    char *id = NULL;
    uint64_t v;
    int rc = one_string(xs, 0, XS_TRANSACTION_START, "", &id, NULL);

    if (rc != 0) {
        return rc;
    }
    if (lib_parse_uint(id, UINT32_MAX, &v) && v != 0) {
        *tx = (xs_tx)v;
    } else {
        rc = -XEN_EIO;
    }
    os_free(xs->os, id);
    return rc;
}

int xs_transaction_end(struct xs *xs, xs_tx tx, bool commit)
{
    return one_string(xs, tx, XS_TRANSACTION_END, commit ? "T" : "F", NULL,
                      NULL);
}

int xs_introduce(struct xs *xs, domid_t domid, uint64_t gfn,
                 evtchn_port_t port)
{
    char buf[64];
    size_t len;

    len = lib_format(buf, sizeof(buf), "%u", domid) + 1;
    len += lib_format(buf + len, sizeof(buf) - len, "%lu",
                      (unsigned long)gfn) +
           1;
    len += lib_format(buf + len, sizeof(buf) - len, "%u", port) + 1;
    return xs_request(xs, 0, XS_INTRODUCE, buf, len, NULL, NULL);
}

int xs_release(struct xs *xs, domid_t domid)
{
    char buf[16];

    lib_format(buf, sizeof(buf), "%u", domid);
    return one_string(xs, 0, XS_RELEASE, buf, NULL, NULL);
}

int xs_get_domain_path(struct xs *xs, domid_t domid, char **path)
{
    char buf[16];

    lib_format(buf, sizeof(buf), "%u", domid);
    return one_string(xs, 0, XS_GET_DOMAIN_PATH, buf, path, NULL);
}
