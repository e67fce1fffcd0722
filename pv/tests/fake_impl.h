/* Inside the fake machine of the unit tests: its tables. */
#ifndef PV_TESTS_FAKE_IMPL_H
#define PV_TESTS_FAKE_IMPL_H

#include "pv/tests/fake_os.h"

#define FAKE_PORTS 512
#define FAKE_SPACE 2048   /* pages of guest-physical space without RAM */
#define FAKE_GRANT_PAGES 8
#define FAKE_GRANTS (FAKE_GRANT_PAGES * 512)
#define FAKE_POLLS 16
#define FAKE_VIRQS 24
#define FAKE_PARAMS 64
#define FAKE_HANDLES 4096

enum fake_port_state {
    FAKE_FREE,
    FAKE_UNBOUND,
    FAKE_INTERDOMAIN,
    FAKE_VIRQ,
    FAKE_PIRQ,
};

struct fake_port {
    enum fake_port_state state;
    struct os *peer;
    evtchn_port_t peer_port;
    domid_t peer_domid;
    unsigned virq;
    bool pending, running;
    os_event_fn *fn;
    void *ctx;
};

struct fake_handle {
    bool used;
    struct os *owner;
    grant_ref_t ref;
    bool readonly;
};

struct fake_block {
    struct fake_block *next, *prev;
    size_t size;
    uint64_t pad;
};

struct os_disk {
    struct fake *fake;
    struct os *user;
    uint64_t sectors;
    uint8_t *data;
    bool readonly;
    unsigned fail;
    struct os_disk_req *head, *tail;
    uint64_t next_ns;
};

struct os {
    struct fake *fake;
    domid_t domid;
    bool alive, shutdown;
    unsigned reason;
    unsigned nr_pages;
    uint8_t **page;       /* by gfn: host memory, NULL none */
    uint8_t *used;        /* by gfn: allocated */
    uint8_t *ram;         /* what page[0 .. nr_pages) points into */
    unsigned mappings;
    struct fake_port port[FAKE_PORTS];
    uint64_t grant_base;  /* address of FAKE_GRANT_PAGES pages */
    unsigned grant_maps[FAKE_GRANTS], grant_ro_maps[FAKE_GRANTS];
    struct fake_handle handle[FAKE_HANDLES];
    uint64_t arg;
    uint64_t params[FAKE_PARAMS];
    struct {
        os_poll_fn *fn;
        void *ctx;
    } poll[FAKE_POLLS];
    struct fake_block allocs; /* list head */
    unsigned live_allocs, fail_malloc;
};

struct fake {
    struct os *dom[FAKE_MAX_DOMAINS];
    struct os *dead[64];
    unsigned nr_dead;
    uint64_t now_ns;
    fake_access_fn *hook;
    void *hook_ctx;
    bool in_hook;
    char log[256];
    struct os_disk disk[FAKE_MAX_DISKS];
};

/* Host memory behind a guest address, without the hook; len within one
 * page. Aborts the test when nothing is mapped there. */
uint8_t *fake_host(struct os *os, uint64_t addr, size_t len);
unsigned fake_round(struct os *os);
/* Completes what is due; the next due time, ~0 none. */
unsigned fake_disks_run(struct fake *f, struct os *os);
uint64_t fake_disks_next(struct fake *f);
void fake_port_close(struct os *os, evtchn_port_t port);
_Noreturn void fake_abort(const char *what);

#endif
