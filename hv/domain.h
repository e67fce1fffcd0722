/*
 * Domains and vCPUs.
 *
 * Life of a domain:
 *
 *   create -> (paused) -> running <-> paused
 *                 |            |
 *                 |         shutdown(reason) / crash: vCPUs stop for good,
 *                 |            |             resources stay, VIRQ_DOM_EXC
 *                 `--> destroy: dying -> relinquished (bounded pieces,
 *                                  continued) -> zombie while others hold
 *                                  its frames -> freed
 *
 * Invariants:
 *  1. A domain in hv->domains[] has a slot, and its domid is unique among
 *     the living and the dying.
 *  2. When relinquish has finished the domain has no port, no maptrack
 *     handle, no p2m entry, no page with PGF_ALLOCATED and no running vCPU.
 *  3. It is freed when d->refs reaches 0: one for being in the list until
 *     relinquished, one while any of its frames still is referenced, one
 *     a lookup (domain_get) in progress.
 */
#ifndef HV_DOMAIN_H
#define HV_DOMAIN_H

#include "hv/abi.h"
#include "hv/evtchn.h"
#include "hv/gnttab.h"
#include "hv/limits.h"
#include "hv/memory.h"
#include "hv/timer.h"
#include "hv/types.h"
#include "hv/x86/vendor.h"

struct hv;

#define SHUTDOWN_CODE_INVALID (~0u)
#define DOMAIN_WATCHDOGS 2

enum dying { DOMDYING_alive, DOMDYING_dying, DOMDYING_dead };

struct vcpu {
    struct domain *domain;
    unsigned id;
    mfn_t self_mfn; /* frame that holds this struct */
    bool online;  /* initialised and up (VCPUOP_up) */
    bool initialised;
    bool blocked; /* SCHEDOP_block / HLT */
    bool polling; /* SCHEDOP_poll; poll_ports say for what */
    int running_on; /* physical CPU while on one, else -1 */
    int last_cpu;   /* FPU and ASID were last there, -1 never */
    unsigned pause_count;

    /* scheduler */
    uint64_t vruntime_ns; /* weighted */
    uint64_t ran_since_ns;
    uint64_t affinity; /* hard, bit n = CPU n */
    bool yielded;
    bool pinned; /* SCHEDOP_pin_override; affinity_saved is what it hid */
    uint64_t affinity_saved;

    /* vCPU-visible time and state areas */
    int runstate; /* RUNSTATE_* */
    uint64_t runstate_entry_ns;
    uint64_t runstate_time[4];
    gva_t runstate_area;      /* 0: none */
    gva_t time_area;          /* secondary vcpu_time_info, 0: none */
    mfn_t vcpu_info_mfn;      /* frame that holds vcpu_info (ref held if */
    unsigned vcpu_info_off;   /*   vcpu_info_registered), and offset */
    bool vcpu_info_registered;
    uint32_t time_version;

    /* timers */
    uint64_t periodic_ns; /* period, 0 off; ticks while running only */
    uint64_t periodic_last_ns;
    struct timer periodic, singleshot, poll_timer;
    uint32_t poll_count; /* ports in poll_ports */
    uint32_t poll_ports[128];

    uint32_t virq_port[24]; /* per-vCPU VIRQs bound: port, 0 none */

    uint8_t upcall_vector; /* HVMOP_set_evtchn_upcall_vector, 0 none */
    bool context_valid;

    /* continuation */
    bool in_multicall;
    bool restart;
    uint64_t restart_nr, restart_args[5];

    /* vendor half (SVM) */
    struct cpu_regs regs; /* all but RAX, RSP */
    mfn_t vmcb;
    uint64_t asid_generation;
    int asid_cpu;
    bool flush_pending;
    bool intr_window;
    bool event_waiting;
    uint64_t msr_tsc_aux, msr_apic_base;
    uint64_t dr[4]; /* DR0..DR3: VMRUN does not switch them, svm_exit.c */
    _Alignas(16) uint8_t fpu[512];
};

struct domain {
    struct hv *hv;
    domid_t domid;
    unsigned slot; /* in hv->domains */
    mfn_t self_mfn; /* frames that hold this struct */
    uint32_t refs;
    bool control; /* domain 0 */
    xen_domain_handle_t handle;
    enum dying dying;
    unsigned relinquish_stage;
    uint32_t createflags; /* XEN_DOMCTL_CDF_* */

    bool shutting_down; /* all vCPUs stopped */
    unsigned shutdown_code; /* SHUTDOWN_CODE_INVALID until one is given */
    unsigned pause_count; /* hypervisor and domctl together */
    bool controller_paused;
    unsigned controller_extra_pauses; /* pausedomain calls beyond the first */
    bool context_held; /* one pause, a get/sethvmcontext's: hvmctx.c */
    uint64_t paging_bytes; /* XEN_DOMCTL_set_paging_mempool_size: accepted */
    uint32_t vm_assist;    /* 1 << VMASST_TYPE_* enabled */

    /* memory */
    uint64_t tot_pages, max_pages, hv_pages; /* hv_pages: PGF_SHARED held */
    uint32_t page_list; /* mfn of first, PAGE_NIL */
    mfn_t p2m_root;
    uint64_t p2m_max_gfn, p2m_tables, p2m_teardown_cursor;
    mfn_t shared_info;
    unsigned nr_e820; /* XENMEM_set_memory_map, 0: none set */
    struct e820_entry e820[HV_MAX_E820];
    mfn_t iopm, msrpm; /* contiguous: IOPM_PAGES, MSRPM_PAGES */
    bool has_maps;     /* those two exist: from first to last vCPU */

    const struct vendor_ops *ops;
    unsigned max_vcpus;
    struct vcpu *vcpus[HV_MAX_VCPUS];

    /* events */
    mfn_t evtchn_pages[EVTCHN_PAGES];
    unsigned nr_evtchns; /* ports in existing pages */
    uint32_t max_evtchn_port;
    uint32_t evtchn_teardown_cursor;
    uint32_t global_virq_port[24];
    uint32_t active_evtchns;    /* ports that are not free, but port 0 */
    uint32_t evtchn_reset_next; /* EVTCHNOP_reset going on: next port, or 0 */
    uint32_t xen_pending_consumers;

    struct gnttab gnttab;

    /* hvm */
    uint64_t hvm_params[HVM_NR_PARAMS];
    uint8_t callback_vector; /* HVM_PARAM_CALLBACK_IRQ, vector form */

    /* scheduler */
    unsigned weight, cap_percent;
    uint64_t cap_used_ns, cap_period_start_ns;
    struct timer cap_timer; /* armed while the cap's budget is spent */
    uint64_t run_ns; /* cpu time, all vCPUs */

    uint64_t wallclock_offset_ns;
    uint32_t shared_version;

    struct timer watchdog[DOMAIN_WATCHDOGS];
    uint32_t watchdog_id_inuse; /* bits */

    char console_line[128];
    unsigned console_len;
};

/* Creates a domain, paused, with no memory and no vCPUs. domid 0xffff: next
 * free. -EEXIST, -ENOMEM, -EINVAL, -ENOSPC (table full). */
int domain_create(struct hv *hv, domid_t domid,
                  const struct xen_domctl_createdomain *cfg,
                  struct domain **out);
int domain_max_vcpus(struct domain *d, unsigned n);

/* By domid; takes a reference. NULL if there is none. Dying ones are found
 * (their callers check). */
struct domain *domain_get(struct hv *hv, domid_t domid);
void domain_put(struct domain *d);
/* VIRQ_DOM_EXC to whom it goes: somebody's state has changed. */
void domain_send_exc(struct hv *hv);
/* DOMID_SELF or a number, as most operations take it. */
struct domain *domain_get_id(struct vcpu *v, domid_t domid);

void domain_pause(struct domain *d);   /* nested count; synchronous */
void domain_unpause(struct domain *d);
void domain_shutdown(struct domain *d, unsigned reason);
/* XEN_DOMCTL_resumedomain: back from shutdown to running. */
void domain_resume(struct domain *d);
/* The domain did what can't go on; `why` goes to the console once. */
void domain_crash(struct domain *d, const char *why);
/* 0, or -ERESTART while there is more to give back. -EINVAL: the caller's own
 * domain. The caller holds a reference of its own. */
int domain_kill(struct domain *d);

struct vcpu *vcpu_create(struct domain *d, unsigned id);
void vcpu_destroy(struct vcpu *v);
void vcpu_stop_timers(struct vcpu *v); /* for good */
/* vcpu_info_mfn/off of v, set for the life of the vCPU; false if the vCPU
 * has none (id >= XEN_LEGACY_MAX_VCPUS and not registered). */
bool vcpu_info_frame(struct vcpu *v, mfn_t *mfn, unsigned *off);
/* VCPUOP_register_vcpu_info. -EINVAL, as Xen's map_vcpu_info(). */
int vcpu_map_info(struct vcpu *v, uint64_t gfn, uint32_t offset);
/* HLT with interrupts off: offline; the domain powers off with its last. */
void vcpu_down(struct vcpu *v);
/* An upcall that its next entry would deliver; what block and poll look at. */
bool vcpu_event_due(struct vcpu *v);
uint8_t vcpu_upcall_vector(const struct vcpu *v); /* 0: none */
/* Its periodic timer's tick, when v gets onto a CPU and when it fires. */
void vcpu_periodic_work(struct vcpu *v);
void vcpu_set_periodic(struct vcpu *v, uint64_t period_ns); /* 0 stops */
/* One byte of console output; complete lines go out behind "(dN) ". */
void domain_console_putc(struct domain *d, char c);

void vcpu_update_time(struct vcpu *v);     /* pvclock fields, xen.h */
void vcpu_update_runstate(struct vcpu *v, int state, uint64_t now_ns);
/* Now, with the time in the current state included. */
void vcpu_get_runstate(struct vcpu *v, struct vcpu_runstate_info *info);
void domain_update_wallclock(struct domain *d);

#endif
