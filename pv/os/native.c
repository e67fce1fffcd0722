/*
 * os.h for native guests: start, identity, time, hypercalls, console, end.
 *
 *   native_image slot -> start(): long mode, guest_create -> arguments page
 *   -> shared_info, domid, grant table -> main(os, arg) -> poweroff
 *   second vCPU: started by VCPUOP_initialise in 64-bit mode -> start()
 *   -> main(os, arg) -> VCPUOP_down
 *
 * Invariants:
 *  1. Hypercall arguments lie in this vCPU's own pages: no other vCPU of the
 *     guest writes them.
 *  2. The vCPU runs with interrupts off: events are looked for, never
 *     delivered (see native_event.c).
 */
#include "pv/os/native_impl.h"

#include <xen/arch-x86/cpuid.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/hvm_vcpu.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

#include "hv/x86/arch.h"
#include "sim/arena.h"
#include "sim/sim.h"

#define ARG_PAGES (OS_ARG_BYTES / OS_PAGE_SIZE + 1)

domid_t os_domid(struct os *os)
{
    return os->g->domid;
}

unsigned os_vcpu_id(struct os *os)
{
    return os->vcpu;
}

struct native *os_native(struct os *os)
{
    return os->n;
}

struct machine *os_machine(struct os *os)
{
    return os->m;
}

int os_native_id(struct os *os)
{
    return os->id;
}

uint64_t os_now_ns(struct os *os)
{
    uint64_t at = os->vcpu_info + offsetof(struct vcpu_info, time);
    struct vcpu_time_info t;
    uint32_t version;
    uint64_t delta;

    /* xen.h: struct vcpu_time_info: odd while it is being written */
    do {
        version = os_load32(os, at);
        os_read(os, at, &t, sizeof(t));
        delta = native_rdtsc(os->n) - t.tsc_timestamp;
    } while ((version & 1) != 0 || os_load32(os, at) != version);
    if (t.tsc_shift < 0) {
        delta >>= -t.tsc_shift;
    } else {
        delta <<= t.tsc_shift;
    }
    return t.system_time +
           (uint64_t)((unsigned __int128)delta * t.tsc_to_system_mul >> 32);
}

/* -- Hypercalls ------------------------------------------------------------ */

int64_t os_hypercall(struct os *os, unsigned nr, uint64_t a1, uint64_t a2,
                     uint64_t a3, uint64_t a4, uint64_t a5)
{
    uint64_t a[5] = { a1, a2, a3, a4, a5 };

    return native_hypercall(os->n, nr, a);
}

int64_t os_call(struct os *os, unsigned nr, unsigned cmd, void *arg,
                size_t len, unsigned count)
{
    int64_t rc;

    if (len > OS_ARG_BYTES) {
        return -XEN_E2BIG;
    }
    if (len > 0) {
        os_write(os, os->arg, arg, len);
    }
    rc = os_hypercall(os, nr, cmd, len > 0 ? os->arg : 0, count, 0, 0);
    if (len > 0) {
        os_read(os, os->arg, arg, len);
    }
    return rc;
}

uint64_t os_arg(struct os *os)
{
    return os->arg;
}

void os_log(struct os *os, const char *fmt, ...)
{
    char line[OS_LOG_BYTES];
    va_list ap;
    size_t n;

    va_start(ap, fmt);
    n = lib_vformat(line, sizeof(line) - 1, fmt, ap);
    va_end(ap);
    line[n++] = '\n';
    /* Not in the argument area: a caller may have filled that. */
    os_write(os, os_scratch(os), line, n);
    os_hypercall(os, __HYPERVISOR_console_io, CONSOLEIO_write, n,
                 os_scratch(os), 0, 0);
}

static _Noreturn void shut_down(struct os *os, unsigned reason)
{
    struct sched_shutdown op = { .reason = reason };

    os_call(os, __HYPERVISOR_sched_op, SCHEDOP_shutdown, &op, sizeof(op), 0);
    for (;;) {
        native_hlt(os->n);
    }
}

void os_panic(struct os *os, const char *what)
{
    os_log(os, "panic: %s", what);
    shut_down(os, SHUTDOWN_crash);
}

/* -- Start ----------------------------------------------------------------- */

int guest_map_frame(struct os *os, unsigned space, uint64_t idx,
                    uint64_t addr)
{
    struct xen_add_to_physmap op;

    memset(&op, 0, sizeof(op));
    op.domid = DOMID_SELF;
    op.space = space;
    op.idx = idx;
    op.gpfn = addr / OS_PAGE_SIZE;
    return (int)os_call(os, __HYPERVISOR_memory_op, XENMEM_add_to_physmap,
                        &op, sizeof(op), 0);
}

static uint64_t get_param(struct os *os, unsigned index)
{
    struct xen_hvm_param p = { .domid = DOMID_SELF, .index = index };

    if (os_call(os, __HYPERVISOR_hvm_op, HVMOP_get_param, &p, sizeof(p),
                0) != 0) {
        return 0;
    }
    return p.value;
}

static int find_domid(struct os *os)
{
    struct evtchn_status status;
    evtchn_port_t port;
    uint32_t out[4];
    int rc;

    native_cpuid(os->n, XEN_CPUID_LEAF(4), 0, out);
    if (out[0] & XEN_HVM_CPUID_DOMID_PRESENT) {
        os->g->domid = (domid_t)out[2];
        return 0;
    }
    /* A port open to ourselves names us. */
    rc = os_evtchn_alloc_unbound(os, DOMID_SELF, &port);
    if (rc != 0) {
        return rc;
    }
    memset(&status, 0, sizeof(status));
    status.dom = DOMID_SELF;
    status.port = port;
    rc = (int)os_call(os, __HYPERVISOR_event_channel_op, EVTCHNOP_status,
                      &status, sizeof(status), 0);
    os->g->domid = status.u.unbound.dom;
    os_evtchn_close(os, port);
    return rc;
}

static int bring_up_guest(struct os *os)
{
    struct guest *g = os->g;
    int rc;

    g->shared_info = os_space_alloc(os, 1);
    rc = guest_map_frame(os, XENMAPSPACE_shared_info, 0, g->shared_info);
    if (rc != 0) {
        return rc;
    }
    guest_reserve(g, get_param(os, HVM_PARAM_STORE_PFN) * OS_PAGE_SIZE, 1);
    guest_reserve(g, get_param(os, HVM_PARAM_CONSOLE_PFN) * OS_PAGE_SIZE, 1);
    rc = find_domid(os);
    return rc != 0 ? rc : grant_setup(os);
}

static void run(struct native *n, struct os_start *s)
{
    struct os *os = native_alloc(n, sizeof(*os));
    int rc;

    if (os == NULL) {
        return;
    }
    os->n = n;
    os->m = s->m;
    os->g = s->g;
    os->vcpu = s->vcpu;
    os->id = s->id;
    os->arg = os_pages_alloc(os, ARG_PAGES);
    if (os->arg == 0) {
        return;
    }
    rc = s->vcpu == 0 ? bring_up_guest(os) : 0;
    if (rc != 0) {
        os_log(os, "native guest: start failed (%d)", rc);
        shut_down(os, SHUTDOWN_crash);
    }
    /* xen.h: a vCPU's vcpu_info is in shared_info for the first 32 */
    os->vcpu_info = os->g->shared_info +
                    offsetof(struct shared_info, vcpu_info) +
                    s->vcpu * sizeof(struct vcpu_info);
    s->main(os, s->arg);
    if (s->vcpu == 0) {
        shut_down(os, SHUTDOWN_poweroff);
    }
    os_hypercall(os, __HYPERVISOR_vcpu_op, VCPUOP_down, s->vcpu, 0, 0, 0);
}

/* The fourth GiB, identity-mapped too: builders put the special pages just
 * below its end (libxc: special_pfn()). `directory` is a page of ours. */
static void map_specials(struct native *n, uint64_t tables,
                         uint64_t directory)
{
    uint64_t entry = directory | PTE_P | PTE_W | PTE_U;
    uint64_t page[OS_PAGE_SIZE / 8];

    for (unsigned i = 0; i < OS_PAGE_SIZE / 8; i++) {
        page[i] = 3ULL << 30 | (uint64_t)i << 21 | PTE_P | PTE_W | PTE_U |
                  PTE_PS;
    }
    native_write(n, directory, page, sizeof(page));
    native_write(n, tables + OS_PAGE_SIZE + 3 * sizeof(entry), &entry,
                 sizeof(entry)); /* the second page is the PDPT */
}

/* vCPU 0, from 32-bit PVH entry: EBX is the start_info (start_info.h). */
static void start_guest(struct native *n, void *arg)
{
    struct os_start s = *(struct os_start *)arg;
    struct os early = { .n = n, .m = s.m };

    s.g = guest_create(n, native_get_reg(n, R_RBX));
    if (s.g == NULL) {
        return; /* HLT with interrupts off: the domain ends */
    }
    early.g = s.g;
    s.g->tables = os_pages_alloc(&early, 4);
    if (s.g->tables == 0) {
        return;
    }
    native_enter_long_mode(n, s.g->tables, GUEST_MAP_BYTES);
    map_specials(n, s.g->tables, s.g->tables + 3 * OS_PAGE_SIZE);
    run(n, &s);
}

static void start_vcpu(struct native *n, void *arg)
{
    run(n, arg);
}

int os_native_guest(struct machine *m, const char *name, os_main_fn *main,
                    void *arg)
{
    /* Lives as long as the machine: released programs are few, and a
     * snapshot's coroutine may still read it. */
    struct os_start *s = arena_alloc(machine_arena(m), sizeof(*s), 16);

    s->m = m;
    s->main = main;
    s->arg = arg;
    s->id = native_register(m, name, start_guest, s);
    return s->id;
}

int os_native_start_vcpu(struct os *os, unsigned vcpu, os_main_fn *main,
                         void *arg)
{
    struct os_start *s = os_malloc(os, sizeof(*s));
    struct vcpu_hvm_context ctx;
    uint64_t efer = 0;
    int64_t rc;

    if (s == NULL) {
        return -XEN_ENOMEM;
    }
    s->m = os->m;
    s->main = main;
    s->arg = arg;
    s->g = os->g;
    s->vcpu = vcpu;
    s->id = native_register(os->m, "vcpu", start_vcpu, s);
    if (s->id < 0) {
        os_free(os, s);
        return -XEN_ENOSPC;
    }
    memset(&ctx, 0, sizeof(ctx));
    native_rdmsr(os->n, MSR_EFER, &efer);
    ctx.mode = VCPU_HVM_MODE_64B;
    ctx.cpu_regs.x86_64.rip = native_entry(s->id);
    ctx.cpu_regs.x86_64.rflags = 2; /* APM2 3.1.6: always one */
    ctx.cpu_regs.x86_64.cr0 = native_get_cr(os->n, 0);
    ctx.cpu_regs.x86_64.cr3 = native_get_cr(os->n, 3);
    ctx.cpu_regs.x86_64.cr4 = native_get_cr(os->n, 4);
    ctx.cpu_regs.x86_64.efer = efer;
    os_write(os, os->arg, &ctx, sizeof(ctx));
    rc = os_hypercall(os, __HYPERVISOR_vcpu_op, VCPUOP_initialise, vcpu,
                      os->arg, 0, 0);
    if (rc == 0) {
        rc = os_hypercall(os, __HYPERVISOR_vcpu_op, VCPUOP_up, vcpu, 0, 0,
                          0);
    }
    if (rc != 0) {
        native_release(os->m, s->id);
        os_free(os, s);
    }
    return (int)rc;
}
