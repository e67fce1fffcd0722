/*
 * The hypervisor's public face: what a platform starts, and what the oracle,
 * the hashes and the tests look at. A hypervisor is a value: all of it lives
 * in frames of its machine, reached from this struct.
 */
#ifndef HV_HV_H
#define HV_HV_H

#include "hv/domain.h"
#include "hv/limits.h"
#include "hv/page.h"
#include "hv/plat.h"
#include "hv/timer.h"
#include "hv/types.h"

struct pcpu {
    struct vcpu *current;   /* entered or about to be, NULL idle */
    struct vcpu *fpu_owner; /* whose x87/SSE state the CPU holds */
    uint64_t slice_end_ns;
    bool resched; /* the next sched_pick() chooses afresh */
    uint64_t asid_generation;
    uint32_t next_asid, max_asid;
    bool flush_by_asid;
    bool asid_fresh; /* the next VMRUN must flush this CPU's whole TLB */
    bool has_nrip, has_pause_filter, has_rdtscp;
    uint64_t tsc_aux; /* value that this CPU's MSR holds */
    bool online;
    mfn_t hsave; /* VM_HSAVE_PA, valid when svm_on */
    bool svm_on;
};

struct hv {
    struct plat *plat;
    mfn_t self_mfn;      /* frames that hold this struct: set by hv_create */
    uint64_t self_frames; /*   before page_init, which keeps off them */
    unsigned nr_cpus;
    struct pcpu cpus[HV_MAX_PCPUS];

    /* machine memory (page.c) */
    mfn_t frame_table_mfn;
    uint64_t max_mfn; /* frames in the frame table */
    uint64_t free_pages, total_pages;
    uint32_t free_list[PAGE_MAX_ORDER + 1];

    struct domain *domains[HV_MAX_DOMAINS]; /* by slot */
    domid_t next_domid;
    struct domain *control; /* domain 0 */
    domid_t irq_owner[HV_MAX_IRQS]; /* meaningful while irq_port is not 0 */
    uint32_t irq_port[HV_MAX_IRQS]; /* the owner's event port, 0 unbound */

    struct timer *timers; /* ascending */
    uint64_t vruntime_floor_ns;
    const struct vendor_ops *vendor; /* for pvh and hvm; NULL: none usable */
    const char *vendor_missing;      /* why, when NULL */
    domid_t dom_exc_owner;           /* VIRQ_DOM_EXC goes there */
    char cmdline[256];
};

/* What the platform hands over at start. */
struct hv_boot {
    const void *image; /* control domain: ELF with XEN_ELFNOTE_PHYS32_ENTRY */
    size_t image_len;
    const char *cmdline;    /* control domain's, may be "" */
    uint64_t memory_pages;  /* control domain's; 0: a default */
    unsigned vcpus;         /* control domain's; at least 1 */
};

/* On the boot CPU, the lock not held before or after: takes over the
 * machine's memory and builds the control domain. NULL after one line on the
 * console saying what is wrong with the machine or the image. */
struct hv *hv_create(struct plat *p, const struct hv_boot *boot);

/* Each CPU's loop; entered with the lock not held; never returns. */
_Noreturn void hv_cpu_loop(struct hv *hv);

/* Canonical serialization (decision 5): field by field, little-endian,
 * through emit. Frames are named by mfn. `d` NULL: whole hypervisor;
 * otherwise that domain's vCPUs, ports, grants and p2m (not its RAM). */
typedef void hv_emit_fn(void *ctx, const void *bytes, size_t len);
void hv_serialize(struct hv *hv, struct domain *d, hv_emit_fn *emit,
                  void *ctx);

/* Broken invariants end the machine, on in every build. */
#define ASSERT(hv_, cond)                                                     \
    do {                                                                      \
        if (!(cond)) {                                                        \
            plat_fatal((hv_)->plat, __FILE__, __LINE__, #cond);               \
        }                                                                     \
    } while (0)

/* One line on the machine's console: "(hv) text\n". Formats: %s %u %x %lu
 * %lx %d. At most 200 characters. */
void hv_log(struct hv *hv, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
