/*
 * The operations on domains, and XS_CONTROL.
 *
 * Invariants:
 *  1. All but XS_GET_DOMAIN_PATH were found privileged before they get here.
 */
#include "pv/xenstore/xsd.h"

static void ack(struct xsd_conn *c)
{
    conn_reply(c, c->hdr.type, "OK", sizeof("OK"));
}

static int parse_domid(const char *s, domid_t *domid)
{
    uint64_t v;

    if (s == NULL || !lib_parse_uint(s, 0xffff, &v)) {
        return -XEN_EINVAL;
    }
    *domid = (domid_t)v;
    return 0;
}

/* One argument: a domain with a connection, not the control domain. */
static int one_connected(struct xsd_conn *c, const char *s,
                         struct xsd_domain **d)
{
    domid_t domid;
    int rc = parse_domid(s, &domid);

    if (rc != 0 || domid == os_domid(c->xsd->os)) {
        return -XEN_EINVAL;
    }
    *d = domain_find(c->xsd, domid);
    if (*d == NULL) {
        return -XEN_ENOENT;
    }
    return (*d)->conn != NULL ? 0 : -XEN_EINVAL;
}

int request_introduce(struct xsd_conn *c)
{
    const char *vec[3];
    uint64_t gfn, port;
    domid_t domid;
    int rc;

    if (proto_strings(c, vec, 3) != 3 || parse_domid(vec[0], &domid) != 0 ||
        !lib_parse_uint(vec[1], UINT64_MAX, &gfn) ||
        !lib_parse_uint(vec[2], UINT32_MAX, &port) || port == 0) {
        return -XEN_EINVAL;
    }
    rc = domain_introduce(c->xsd, domid, gfn, (evtchn_port_t)port);
    if (rc == 0) {
        ack(c);
    }
    return rc;
}

int request_release(struct xsd_conn *c)
{
    struct xsd_domain *d;
    int rc = one_connected(c, proto_one(c), &d);

    if (rc == 0) {
        rc = domain_release(c->xsd, d);
    }
    if (rc == 0) {
        ack(c);
    }
    return rc;
}

int request_get_domain_path(struct xsd_conn *c)
{
    char path[40];
    domid_t domid;
    int rc = parse_domid(proto_one(c), &domid);

    if (rc == 0) {
        conn_reply(c, XS_GET_DOMAIN_PATH, path,
                   lib_format(path, sizeof(path), "/local/domain/%u",
                              domid) +
                       1);
    }
    return rc;
}

int request_is_introduced(struct xsd_conn *c)
{
    const struct xsd_domain *d;
    domid_t domid;
    bool yes;
    int rc = parse_domid(proto_one(c), &domid);

    if (rc == 0) {
        d = domain_find(c->xsd, domid);
        yes = domid == DOMID_SELF || domid == os_domid(c->xsd->os) ||
              (d != NULL && d->introduced);
        conn_reply(c, XS_IS_DOMAIN_INTRODUCED, yes ? "T" : "F", 2);
    }
    return rc;
}

int request_resume(struct xsd_conn *c)
{
    struct xsd_domain *d;
    int rc = one_connected(c, proto_one(c), &d);

    if (rc == 0) {
        d->shutdown = false; /* its next shutdown is news again */
        ack(c);
    }
    return rc;
}

int request_set_target(struct xsd_conn *c)
{
    struct xsd_domain *d, *target;
    const char *vec[2];
    int rc;

    if (proto_strings(c, vec, 2) != 2) {
        return -XEN_EINVAL;
    }
    rc = one_connected(c, vec[0], &d);
    if (rc == 0) {
        rc = one_connected(c, vec[1], &target);
    }
    if (rc == 0) {
        d->conn->has_target = true;
        d->conn->target = target->domid;
        ack(c);
    }
    return rc;
}

int request_control(struct xsd_conn *c)
{
    static const char help[] = "help\nprint <string>\n";
    const char *vec[3];
    unsigned n = proto_strings(c, vec, 3);

    if (n == 1 && lib_streq(vec[0], "help")) {
        conn_reply(c, XS_CONTROL, help, sizeof(help));
        return 0;
    }
    if (n == 2 && lib_streq(vec[0], "print")) {
        os_log(c->xsd->os, "xenstored: control: %s", vec[1]);
        ack(c);
        return 0;
    }
    return -XEN_EINVAL;
}
