/*
 * xenstore client over a ring (io/xs_wire.h). One connection a guest; calls
 * wait in os_wait() for their reply, so handlers run meanwhile.
 *
 * Strings are NUL-terminated private memory. Errors: 0 or -XEN_E* as the
 * daemon names it ("ENOENT" -> -XEN_ENOENT).
 */
#ifndef PV_XENBUS_XS_H
#define PV_XENBUS_XS_H

#include "pv/os.h"

struct xs;

/* ring: guest address of struct xenstore_domain_interface; port: the event
 * channel (HVM_PARAM_STORE_PFN / _EVTCHN). NULL when out of memory. */
struct xs *xs_open(struct os *os, uint64_t ring, evtchn_port_t port);
/* The guest's own connection, by its HVM params. */
struct xs *xs_open_params(struct os *os);
void xs_close(struct xs *xs);
struct os *xs_os(struct xs *xs);

typedef uint32_t xs_tx; /* 0: none */

/* Any request, raw: payload of `len`; the reply's type and payload
 * (NUL-terminated copy, os_malloc'ed, caller frees) come back. -XEN_EIO when
 * the connection is dead. XS_ERROR is returned as its errno. Times out with
 * -XEN_ETIMEDOUT after XS_TIMEOUT_NS virtual nanoseconds. */
#define XS_TIMEOUT_NS 10000000000ULL
int xs_request(struct xs *xs, xs_tx tx, uint32_t type, const void *payload,
               size_t len, char **reply, size_t *reply_len);

int xs_read(struct xs *xs, xs_tx tx, const char *path, char **value);
int xs_write(struct xs *xs, xs_tx tx, const char *path, const char *value);
int xs_printf(struct xs *xs, xs_tx tx, const char *dir, const char *node,
              const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* A decimal number at dir/node; -XEN_EINVAL when it isn't one. */
int xs_read_uint(struct xs *xs, xs_tx tx, const char *dir, const char *node,
                 uint64_t *value);
int xs_mkdir(struct xs *xs, xs_tx tx, const char *path);
int xs_rm(struct xs *xs, xs_tx tx, const char *path);
/* *names: one block, NUL-separated, *count strings. Caller frees. */
int xs_directory(struct xs *xs, xs_tx tx, const char *path, char **names,
                 unsigned *count);
/* perms as on the wire, NUL-separated, e.g. "n0\0r5\0". */
int xs_get_perms(struct xs *xs, xs_tx tx, const char *path, char **perms,
                 unsigned *count);
int xs_set_perms(struct xs *xs, xs_tx tx, const char *path,
                 const char *const *perms, unsigned count);
int xs_transaction_start(struct xs *xs, xs_tx *tx);
/* commit false: abandon. -XEN_EAGAIN: conflict, do it again. */
int xs_transaction_end(struct xs *xs, xs_tx tx, bool commit);
int xs_introduce(struct xs *xs, domid_t domid, uint64_t gfn,
                 evtchn_port_t port);
int xs_release(struct xs *xs, domid_t domid);
int xs_get_domain_path(struct xs *xs, domid_t domid, char **path);

/* fn is called from os_wait() with the path that changed; also once after
 * registration, as the protocol has it. */
struct xs_watch;
typedef void xs_watch_fn(struct os *os, void *ctx, const char *path);
int xs_watch(struct xs *xs, const char *path, xs_watch_fn *fn, void *ctx,
             struct xs_watch **out);
void xs_unwatch(struct xs *xs, struct xs_watch *w);

#endif
