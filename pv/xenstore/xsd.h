/*
 * Inside the xenstore daemon.
 *
 *   conn.c      rings: bytes in, messages out        (hostile indices)
 *   proto.c     what a message may look like         (hostile payloads)
 *   request*.c  the operations of io/xs_wire.h
 *   perms.c     who may do what
 *   store.c     the tree: nodes by path; node.c: one node
 *   transaction.c  what a transaction has seen and changed
 *   watch.c     who is told
 *   domain.c    who comes and goes
 *
 * Functions return 0 or -XEN_E*.
 */
#ifndef PV_XENSTORE_XSD_H
#define PV_XENSTORE_XSD_H

#include <stdint.h> /* xs_wire.h takes it for granted */

#include <xen/io/xs_wire.h>

#include "pv/lib.h"
#include "pv/xenstore/xenstored.h"

#define XSD_HASH 1024u
/* Messages handled before another connection gets its turn. */
#define XSD_BATCH 32u
/* Unsent bytes an unprivileged connection may make us keep. */
#define XSD_QUEUE_BYTES (256u * 1024)
/* Nodes an unprivileged transaction may look at: quota_trans_nodes. */
#define XSD_TX_NODES 1024u
#define XSD_SPECIAL_INTRODUCE "@introduceDomain"
#define XSD_SPECIAL_RELEASE "@releaseDomain"

enum {
    XSD_READ = 1,
    XSD_WRITE = 2,
    XSD_OWNER = 4,
    XSD_IGNORE = 8, /* its domain is gone: the entry means nobody */
};

struct xsd_perm {
    domid_t domid;
    uint8_t bits;
};

struct xsd_node {
    struct xsd_node *next; /* hash chain, or a list being prepared */
    char *path;
    uint64_t generation;
    struct xsd_perm *perms; /* [0]: the owner, and everyone else's rights */
    unsigned nr_perms;
    char *data;
    size_t len;
    char *children; /* names, each ended by NUL, in order of creation */
    size_t children_len;
};

#define XSD_NO_GENERATION (~0ULL)

/* What a transaction knows of one path. */
struct xsd_access {
    struct xsd_access *next;
    char *path;
    struct xsd_node *node; /* as the transaction sees it; NULL: not there */
    uint64_t generation;   /* in the store, when first looked at */
    struct xsd_perm *old_perms; /* then; NULL: it was not there */
    unsigned nr_old_perms;
    bool modified, fire, exact;
};

struct xsd_tx {
    struct xsd_tx *next;
    uint32_t id;
    struct xsd_access *first, *last;
    unsigned nr_accesses;
    int entries; /* nodes owned by its domain: made less removed */
};

struct xsd_watch {
    struct xsd_watch *next;
    char *path; /* absolute */
    char *token;
    size_t strip; /* bytes to leave out of event paths: relative watch */
};

struct xsd_out {
    struct xsd_out *next;
    bool event;
    size_t len, sent;
    char bytes[];
};

struct xsd_conn {
    struct xenstored *xsd;
    struct xsd_conn *next;
    domid_t domid;
    bool privileged;
    bool dead; /* protocol broken: silent until reconnected */
    bool failing; /* no memory for a reply: dies after the request */
    bool more; /* its batch ended early: the kick goes on with it */
    bool has_target;
    domid_t target; /* XS_SET_TARGET: acts for this domain too */

    uint64_t ring;
    uint32_t req_cons, rsp_prod; /* ours: the page only shows them */
    bool local, foreign;
    struct os_grant_map map;
    evtchn_port_t port, local_port;

    struct xsd_sockmsg hdr;
    size_t hdr_got, got;
    char *payload; /* hdr.len bytes and a NUL of ours */

    struct xsd_out *out_head, *out_tail;
    unsigned nr_out;
    size_t out_bytes;

    struct xsd_watch *watches;
    unsigned nr_watches;
    struct xsd_tx *txs;
    unsigned nr_txs;
    uint32_t next_tx_id;
    struct xsd_tx *tx; /* of the request in hand */
};

struct xsd_domain {
    struct xsd_domain *next;
    domid_t domid;
    bool introduced, shutdown;
    struct xsd_conn *conn;
    unsigned entries; /* nodes owned */
};

struct xenstored {
    struct os *os;
    struct xenstore_quota quota;
    struct xsd_node *hash[XSD_HASH];
    unsigned nr_nodes;
    uint64_t generation;
    struct xsd_conn *conns; /* in order of creation */
    struct xsd_domain *domains;
    evtchn_port_t dom_exc, kick, kick_remote;
};

/* node.c */
struct xsd_node *node_new(struct xenstored *xsd, const char *path);
struct xsd_node *node_copy(struct xenstored *xsd, const struct xsd_node *n);
void node_free(struct xenstored *xsd, struct xsd_node *n);
void node_free_list(struct xenstored *xsd, struct xsd_node *n);
int node_set_data(struct xenstored *xsd, struct xsd_node *n, const char *data,
                  size_t len);
int node_set_perms(struct xenstored *xsd, struct xsd_node *n,
                   const struct xsd_perm *perms, unsigned nr);
int node_add_child(struct xenstored *xsd, struct xsd_node *n,
                   const char *name);
void node_remove_child(struct xsd_node *n, const char *name);
size_t node_bytes(const struct xsd_node *n); /* as the quota counts it */

/* store.c. `tx` may be NULL: the store itself. */
char *path_parent(struct xenstored *xsd, const char *path);
const char *path_base(const char *path);
struct xsd_node *store_find(struct xenstored *xsd, const char *path);
/* The node as tx sees it; valid until the next put or delete of it.
 * -XEN_ENOENT, -XEN_ENOMEM, -XEN_ENOSPC (XSD_TX_NODES). */
int store_get(struct xsd_conn *c, struct xsd_tx *tx, const char *path,
              struct xsd_node **out);
/* Takes n over. Never fails: in a transaction the path was got before. */
void store_put(struct xenstored *xsd, struct xsd_tx *tx, struct xsd_node *n);
void store_delete(struct xenstored *xsd, struct xsd_tx *tx, const char *path);
/* Creates path and its missing parents. */
int store_create(struct xsd_conn *c, const char *path, const char *data,
                 size_t len);
/* Removes path and all below, telling watchers. Not "/". */
int store_remove(struct xsd_conn *c, const char *path);
/* The domain's nodes go, its rights elsewhere mean nobody from now on. */
void store_forget_domain(struct xenstored *xsd, domid_t domid);
int store_init(struct xenstored *xsd);
void store_destroy(struct xenstored *xsd);

/* perms.c */
unsigned perms_for(const struct xsd_conn *c, const struct xsd_perm *perms,
                   unsigned nr);
/* The node if c has all of `need`, else the errno that tells it no more than
 * it may know. */
int perms_get_node(struct xsd_conn *c, const char *path, unsigned need,
                   struct xsd_node **out);
int perms_parse(const char *s, struct xsd_perm *out);
size_t perms_print(const struct xsd_perm *p, char *dst, size_t cap);

/* watch.c. old: rights before the change, or NULL. */
void watch_fire(struct xsd_conn *c, struct xsd_tx *tx, const char *path,
                bool exact, const struct xsd_perm *old, unsigned nr_old);
void watch_fire_special(struct xenstored *xsd, const char *name);
int watch_add(struct xsd_conn *c, const char *path, const char *token,
              size_t strip);
int watch_remove(struct xsd_conn *c, const char *path, const char *token);
void watch_remove_all(struct xsd_conn *c);

/* transaction.c */
int tx_start(struct xsd_conn *c, uint32_t *id);
int tx_end(struct xsd_conn *c, struct xsd_tx *tx, bool commit);
struct xsd_tx *tx_find(struct xsd_conn *c, uint32_t id);
void tx_abort_all(struct xsd_conn *c);
struct xsd_access *tx_access(struct xsd_tx *tx, const char *path);
int tx_look(struct xsd_conn *c, struct xsd_tx *tx, const char *path,
            struct xsd_access **out);

/* proto.c */
const char *proto_error_name(int err);
/* Up to n NUL-ended strings from the payload; returns how many. */
unsigned proto_strings(const struct xsd_conn *c, const char **vec,
                       unsigned n);
/* The payload as exactly one string, or NULL. */
const char *proto_one(const struct xsd_conn *c);
unsigned proto_count(const struct xsd_conn *c);
/* Absolute form of a path from a client, checked; caller frees *out.
 * `special`: @names are allowed. */
int proto_path(const struct xsd_conn *c, const char *path, bool special,
               char **out);

/* conn.c */
struct xsd_conn *conn_create(struct xenstored *xsd, domid_t domid);
/* The ring is mapped, the port bound: begin. */
void conn_attach(struct xsd_conn *c);
void conn_destroy(struct xsd_conn *c);
void conn_reset(struct xsd_conn *c); /* watches, transactions, queues go */
void conn_run(struct xsd_conn *c);
void conn_kill(struct xsd_conn *c, uint32_t error); /* XENSTORE_ERROR_* */
void conn_reply(struct xsd_conn *c, uint32_t type, const void *data,
                size_t len);
void conn_error(struct xsd_conn *c, int err);
void conn_event(struct xsd_conn *c, const char *payload, size_t len);
os_event_fn conn_port_event;

/* conn_map.c */
int conn_map_ring(struct xsd_conn *c, uint64_t gfn);
void conn_unmap_ring(struct xsd_conn *c);

/* request.c */
void request_handle(struct xsd_conn *c);
typedef int request_fn(struct xsd_conn *c);
/* request_node.c */
request_fn request_directory, request_directory_part, request_read,
    request_write, request_mkdir, request_rm, request_get_perms,
    request_set_perms;
/* request_domain.c */
request_fn request_introduce, request_release, request_get_domain_path,
    request_is_introduced, request_resume, request_set_target,
    request_control;

/* domain.c */
struct xsd_domain *domain_find(struct xenstored *xsd, domid_t domid);
/* Known, or made known because the hypervisor has it; NULL: no such one. */
struct xsd_domain *domain_know(struct xenstored *xsd, domid_t domid);
int domain_introduce(struct xenstored *xsd, domid_t domid, uint64_t gfn,
                     evtchn_port_t port);
int domain_release(struct xenstored *xsd, struct xsd_domain *d);
void domain_count(struct xenstored *xsd, domid_t owner, int by);
void domain_forget_all(struct xenstored *xsd);
os_event_fn domain_exc_event;

#endif
