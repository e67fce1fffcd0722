/*
 * State hashes (decision 5): XXH3-64 over canonical serializations.
 */
#ifndef SIM_HASH_H
#define SIM_HASH_H

#include <stddef.h>
#include <stdint.h>

struct machine;

/* Streaming; integers are fed little-endian at fixed width. */
struct hash_stream;
struct hash_stream *hash_begin(void);
void hash_bytes(struct hash_stream *h, const void *p, size_t len);
void hash_u64(struct hash_stream *h, uint64_t v);
uint64_t hash_end(struct hash_stream *h); /* frees h */

/* hv: every table of the hypervisor. */
uint64_t machine_hash_hv(struct machine *m);
/* domain: its RAM (by gfn), vCPUs, ports, grants. 0 if there is none. */
uint64_t machine_hash_domain(struct machine *m, uint16_t domid);
/* machine: hv, all RAM in use, processors, TLBs, devices, time. */
uint64_t machine_hash(struct machine *m);

#endif
