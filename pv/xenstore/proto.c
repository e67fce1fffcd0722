/*
 * What messages may look like: strings, paths, error names. All of it reads
 * the private copy of a payload, which ends in a NUL of ours.
 *
 * Invariants:
 *  1. A string handed out ends within the payload the client sent.
 *  2. A path handed out is absolute (or an allowed @name), no longer than
 *     XENSTORE_ABS_PATH_MAX, of allowed characters, without "//" and without
 *     a '/' at its end.
 */
#include "pv/xenstore/xsd.h"

const char *proto_error_name(int err)
{
    /* xs_wire.h: xsd_errors; what is not in it is EINVAL */
    switch (err) {
    case -XEN_EACCES:
        return "EACCES";
    case -XEN_EEXIST:
        return "EEXIST";
    case -XEN_EISDIR:
        return "EISDIR";
    case -XEN_ENOENT:
        return "ENOENT";
    case -XEN_ENOMEM:
        return "ENOMEM";
    case -XEN_ENOSPC:
        return "ENOSPC";
    case -XEN_EIO:
        return "EIO";
    case -XEN_ENOTEMPTY:
        return "ENOTEMPTY";
    case -XEN_ENOSYS:
        return "ENOSYS";
    case -XEN_EROFS:
        return "EROFS";
    case -XEN_EBUSY:
        return "EBUSY";
    case -XEN_EAGAIN:
        return "EAGAIN";
    case -XEN_EISCONN:
        return "EISCONN";
    case -XEN_E2BIG:
        return "E2BIG";
    case -XEN_EPERM:
        return "EPERM";
    default:
        return "EINVAL";
    }
}

unsigned proto_strings(const struct xsd_conn *c, const char **vec,
                       unsigned n)
{
    size_t off = 0;
    unsigned i = 0;

    while (i < n) {
        size_t left = c->hdr.len - off;
        size_t len = lib_find(c->payload + off, left, 0);

        if (len == left) {
            break; /* no NUL of the client's */
        }
        vec[i++] = c->payload + off;
        off += len + 1;
    }
    return i;
}

const char *proto_one(const struct xsd_conn *c)
{
    size_t len = c->hdr.len;

    return len > 0 && lib_find(c->payload, len, 0) == len - 1 ? c->payload
                                                              : NULL;
}

unsigned proto_count(const struct xsd_conn *c)
{
    unsigned n = 0;

    for (size_t i = 0; i < c->hdr.len; i++) {
        n += c->payload[i] == 0;
    }
    return n;
}

static bool valid_char(char c)
{
    /* docs/misc/xenstore.txt: permitted characters */
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '-' || c == '/' || c == '_' ||
           c == '@';
}

/* Length of a leading "/local/domain/<domid>/"; 0 without one. */
static size_t domain_prefix(const char *path)
{
    static const char top[] = "/local/domain/";
    size_t at = sizeof(top) - 1, digits = 0;

    if (!lib_starts(path, top)) {
        return 0;
    }
    while (digits < 5 && path[at] >= '0' && path[at] <= '9') {
        at++;
        digits++;
    }
    return digits > 0 && path[at] == '/' ? at + 1 : 0;
}

static bool valid_path(const struct xsd_conn *c, const char *path,
                       bool special)
{
    size_t len = lib_strlen(path);

    if (path[0] != '/' && !(special && path[0] == '@')) {
        return false;
    }
    if (len > XENSTORE_ABS_PATH_MAX || (len > 1 && path[len - 1] == '/')) {
        return false;
    }
    /* 4.17: quota_max_path_len */
    if (!c->privileged &&
        len > domain_prefix(path) + XENSTORE_REL_PATH_MAX) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (!valid_char(path[i]) || (path[i] == '/' && path[i + 1] == '/')) {
            return false;
        }
    }
    return true;
}

int proto_path(const struct xsd_conn *c, const char *path, bool special,
               char **out)
{
    char prefix[40];
    size_t prefix_len = 0, len;
    char *full;

    *out = NULL;
    if (path == NULL) {
        return -XEN_EINVAL;
    }
    len = lib_strlen(path);
    if (path[0] != '/' && path[0] != '@') {
        if (len > XENSTORE_REL_PATH_MAX) {
            return -XEN_EINVAL;
        }
        prefix_len = lib_format(prefix, sizeof(prefix), "/local/domain/%u/",
                                c->domid);
    }
    full = os_malloc(c->xsd->os, prefix_len + len + 1);
    if (full == NULL) {
        return -XEN_ENOMEM;
    }
    memcpy(full, prefix, prefix_len);
    memcpy(full + prefix_len, path, len + 1);
    if (!valid_path(c, full, special)) {
        os_free(c->xsd->os, full);
        return -XEN_EINVAL;
    }
    *out = full;
    return 0;
}
