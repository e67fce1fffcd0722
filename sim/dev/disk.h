/*
 * A disk of the simulated machine: sectors behind eight ports, with a
 * volatile write cache and faults on demand. The control domain drives it by
 * port I/O (string instructions carry the data), it raises one interrupt
 * line when a completion waits. Register map: sim/dev/README.md.
 *
 * Durability: a write is in the cache once completed, on the medium once a
 * flush submitted after its completion has completed. A power cut keeps, for
 * each cached sector, its medium content or any one of the writes submitted
 * since, and may tear the sector that was being written, only if the knob
 * says so (512-byte sectors are otherwise atomic).
 */
#ifndef SIM_DEV_DISK_H
#define SIM_DEV_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct machine;
struct disk;

#define DISK_SECTOR_BYTES 512
#define DISK_MAX_QUEUE 64 /* requests in flight */
#define DISK_MAX_SECTORS_PER_REQ 256
#define DISK_PORT_BASE 0x5000 /* disk n: base + 16 n */
#define DISK_IRQ_BASE 16      /* disk n: line 16 + n */
#define DISK_MAX 8

/* Registers: port DISK_PORT_BASE + 16 n + this. sim/dev/README.md */
enum disk_reg {
    DISK_REG_ID = 0,         /* in: DISK_ID << 16 | DISK_ST_* */
    DISK_REG_TAG = 1,        /* select a tag, rewind its data */
    DISK_REG_OP = 2,         /* enum disk_op */
    DISK_REG_SECTOR_LO = 3,
    DISK_REG_SECTOR_HI = 4,
    DISK_REG_COUNT = 5,      /* sectors, 1 .. DISK_MAX_SECTORS_PER_REQ */
    DISK_REG_SUBMIT = 6,     /* out: start the selected tag */
    DISK_REG_DATA = 7,       /* 1, 2 or 4 bytes at a time, INS and OUTS */
    DISK_REG_COMPLETION = 8, /* in: pops one; 0 when there is none */
    DISK_REG_CAPACITY_LO = 9,
    DISK_REG_CAPACITY_HI = 10,
};
enum disk_op { DISK_OP_READ, DISK_OP_WRITE, DISK_OP_FLUSH, DISK_OPS };
enum disk_status {
    DISK_OK,
    DISK_ERROR,   /* the medium's fault */
    DISK_INVALID, /* the driver's: range, count, data, read-only */
};
#define DISK_ID 0x5244u
#define DISK_ST_POWERED 0x1u
#define DISK_ST_REFUSED 0x2u  /* the last SUBMIT: bad tag, or in use */
#define DISK_ST_READONLY 0x4u
#define DISK_ST_WAITING 0x8u  /* a completion waits */
#define DISK_COMPLETION_VALID 0x80000000u
#define DISK_COMPLETION_TAG(c) ((c) & 0xffu)
#define DISK_COMPLETION_STATUS(c) (((c) >> 8) & 0xffu) /* disk_status */

struct disk_faults {
    /* One in n requests (0: never): */
    uint32_t error_one_in;
    uint32_t delay_one_in; /* stretched up to 100 times */
    uint32_t torn_one_in;  /* an erroring write may leave half a sector */
    bool reorder;          /* completions in any order */
    uint64_t power_cut_at; /* after this many completed writes, 0 never */
    uint64_t latency_ns;   /* base, 0: 20 us */
};

struct disk_config {
    /* NULL: `sectors` zero sectors in the arena. Otherwise a raw image or a
     * block device on the host. */
    const char *path;
    /* With path: keep writes in memory (the file is never changed, the
     * machine is not host-bound) or write through at flush. */
    bool copy_on_write;
    bool read_only;
    uint64_t sectors;
    /* Without path: initial content, copied; may be NULL. */
    const void *content;
    size_t content_len;
    struct disk_faults faults;
};

/* NULL and one line in *err. Attaches as disk `index`. */
struct disk *disk_attach(struct machine *m, unsigned index,
                         const struct disk_config *cfg, char *err,
                         size_t err_len);
void disk_detach(struct disk *d); /* closes the host file */
bool disk_host_bound(const struct disk *d);

/* From the processor's port I/O. */
uint32_t disk_port_in(struct disk *d, unsigned reg, unsigned len);
void disk_port_out(struct disk *d, unsigned reg, unsigned len, uint32_t v);
/* As many DISK_REG_DATA accesses of `len` bytes, at once, from or to buf.
 * False: nothing was moved, make them one by one. */
bool disk_data_run(struct disk *d, unsigned len, void *buf, size_t units,
                   bool in);
/* Virtual time of the next completion, ~0 none; and let time pass. */
uint64_t disk_next_event(const struct disk *d);
void disk_advance(struct disk *d, uint64_t now_ns);

void disk_set_faults(struct disk *d, const struct disk_faults *f);
/* Cut the power now: in-flight requests are lost, the cache collapses by
 * choice; the medium is what a fresh machine would find. */
void disk_power_cut(struct disk *d);
bool disk_powered_off(const struct disk *d);
uint64_t disk_sectors(const struct disk *d);
/* The durable medium and the current (cache over medium) view; tests and
 * oracles. */
void disk_read_medium(struct disk *d, uint64_t sector, void *buf);
void disk_read_current(struct disk *d, uint64_t sector, void *buf);
/* Hash contribution. */
struct hash_stream;
void disk_hash(const struct disk *d, struct hash_stream *h);

#endif
