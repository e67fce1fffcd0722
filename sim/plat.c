/*
 * hv/plat.h on the simulated machine: memory, processor, console. (Lock,
 * waiting and interrupts: plat_cpu.c.)
 *
 * Invariants:
 *  1. Every function that another CPU could notice is one crossing, before
 *     its effect; the effect itself is not interrupted.
 *  2. What the hypervisor may not do (an address past RAM, an MSR that does
 *     not exist) ends the machine with a line that says what it was.
 */
#include "hv/plat.h"

#include "sim/defined.h"
#include "sim/hash.h"
#include "sim/machine_impl.h"

#include <string.h>

#define LOW_RAM_END 0xa0ULL   /* frames below 640 KiB */
#define HIGH_RAM_START 0x100ULL
#define WALLCLOCK_AT_RESET 1700000000000000000ULL
#define TSC_KHZ 1000000 /* 1 GHz: the counter is virtual nanoseconds */

/* -- Memory ------------------------------------------------------------- */

/* RAM as on a PC: frame 0 and 640 KiB to 1 MiB are the platform's. */
bool plat_mem_range(struct plat *p, unsigned index, mfn_t *start,
                    uint64_t *nr_frames)
{
    struct machine *m = machine_of(p);

    if (index == 0) {
        *start = MFN(1);
        *nr_frames = LOW_RAM_END - 1;
        return true;
    }
    if (index == 1) {
        *start = MFN(HIGH_RAM_START);
        *nr_frames = (m->ram_bytes >> PAGE_SHIFT) - HIGH_RAM_START;
        return true;
    }
    return false;
}

void *plat_frame(struct plat *p, mfn_t mfn)
{
    struct machine *m = machine_of(p);
    uint8_t *frame = machine_frame(m, mfn.v);

    if (frame == NULL) {
        machine_fatal(m, "plat_frame(%#llx): no such frame",
                      (unsigned long long)mfn.v);
    }
    return frame;
}

/* FNV-1a: how a trace names data. */
static uint64_t plat_fnv(const void *data, size_t len)
{
    const uint8_t *b = data;
    uint64_t h = 0xcbf29ce484222325ULL;

    for (size_t i = 0; i < len; i++) {
        h = (h ^ b[i]) * 0x100000001b3ULL;
    }
    return h;
}

/* hv/plat.h: [ma, ma+len) lies in one page of RAM, len > 0 */
static uint8_t *plat_guest(struct machine *m, maddr_t ma, size_t len)
{
    if (len == 0 || len > PAGE_SIZE - (ma.v & (PAGE_SIZE - 1)) ||
        ma.v >= m->ram_bytes) {
        machine_fatal(m, "guest access at %#llx, %zu bytes: not in one page",
                      (unsigned long long)ma.v, len);
    }
    machine_crossing(m, CROSSING_NS);
    return m->ram + ma.v;
}

/* One load or store when the size allows: a racing native thread does not
 * exist, but a sanitizer and a reader should see what is meant. */
static void plat_copy(void *dst, const void *src, size_t len)
{
    switch (len) {
    case 1:
        memcpy(dst, src, 1);
        break;
    case 4:
        memcpy(dst, src, 4);
        break;
    case 8:
        memcpy(dst, src, 8);
        break;
    default:
        memcpy(dst, src, len);
        break;
    }
}

void plat_guest_read(struct plat *p, maddr_t ma, void *dst, size_t len)
{
    struct machine *m = machine_of(p);
    uint8_t *ram = plat_guest(m, ma, len);

    plat_copy(dst, ram, len);
    if (m->trace != NULL) {
        machine_event(m, TRACE_READ, ma.v, len, plat_fnv(dst, len));
    }
    if (m->observer.read != NULL) {
        m->observer.read(m->observer.ctx, m->current, ma, dst, len);
    }
}

void plat_guest_write(struct plat *p, maddr_t ma, const void *src, size_t len)
{
    struct machine *m = machine_of(p);
    uint8_t *ram = plat_guest(m, ma, len);

    sim_defined(src, len);
    plat_copy(ram, src, len);
    if (m->trace != NULL) {
        machine_event(m, TRACE_WRITE, ma.v, len, plat_fnv(src, len));
    }
    if (m->observer.write != NULL) {
        m->observer.write(m->observer.ctx, m->current, ma, src, len);
    }
}

static void plat_atomic_done(struct machine *m, maddr_t ma, unsigned len,
                             uint64_t old, uint64_t now)
{
    machine_event(m, TRACE_ATOMIC, ma.v, old, now);
    if (m->observer.atomic != NULL) {
        m->observer.atomic(m->observer.ctx, m->current, ma, len, old, now);
    }
}

uint64_t plat_guest_cmpxchg(struct plat *p, maddr_t ma, unsigned len,
                            uint64_t old, uint64_t new)
{
    struct machine *m = machine_of(p);
    uint64_t was = 0, mask = len >= 8 ? ~0ULL : (1ULL << (8 * len)) - 1;
    uint8_t *ram;

    if ((len != 1 && len != 2 && len != 4 && len != 8) || ma.v % len != 0) {
        machine_fatal(m, "compare-exchange of %u bytes at %#llx", len,
                      (unsigned long long)ma.v);
    }
    ram = plat_guest(m, ma, len);
    sim_defined(&new, len);
    memcpy(&was, ram, len);
    if (was == (old & mask)) {
        memcpy(ram, &new, len);
    }
    plat_atomic_done(m, ma, len, was, was == (old & mask) ? new & mask : was);
    return was;
}

static bool plat_guest_bit(struct plat *p, maddr_t ma, unsigned bit, bool set)
{
    struct machine *m = machine_of(p);
    uint64_t was, now;
    uint8_t *ram;

    if (bit > 63 || ma.v % 8 != 0) {
        machine_fatal(m, "bit %u of the word at %#llx", bit,
                      (unsigned long long)ma.v);
    }
    ram = plat_guest(m, ma, 8);
    memcpy(&was, ram, 8);
    now = set ? was | 1ULL << bit : was & ~(1ULL << bit);
    memcpy(ram, &now, 8);
    plat_atomic_done(m, ma, 8, was, now);
    return was >> bit & 1;
}

bool plat_guest_test_and_set_bit(struct plat *p, maddr_t ma, unsigned bit)
{
    return plat_guest_bit(p, ma, bit, true);
}

bool plat_guest_test_and_clear_bit(struct plat *p, maddr_t ma, unsigned bit)
{
    return plat_guest_bit(p, ma, bit, false);
}

/* -- Processor ---------------------------------------------------------- */

unsigned plat_cpu_count(struct plat *p)
{
    return machine_of(p)->nr_cpus;
}

unsigned plat_cpu_id(struct plat *p)
{
    return machine_of(p)->current;
}

uint64_t plat_msr_read(struct plat *p, uint32_t msr)
{
    struct machine *m = machine_of(p);
    uint64_t value = 0;

    if (!cpu_rdmsr(machine_cpu(m), msr, &value)) {
        machine_fatal(m, "#GP in the hypervisor: RDMSR %#x", msr);
    }
    return value;
}

void plat_msr_write(struct plat *p, uint32_t msr, uint64_t value)
{
    struct machine *m = machine_of(p);

    if (!cpu_wrmsr(machine_cpu(m), msr, value)) {
        machine_fatal(m, "#GP in the hypervisor: WRMSR %#x <- %#llx", msr,
                      (unsigned long long)value);
    }
}

void plat_cpuid(struct plat *p, uint32_t leaf, uint32_t subleaf,
                uint32_t out[4])
{
    cpu_cpuid(machine_cpu(machine_of(p)), leaf, subleaf, out);
}

uint32_t machine_port_in(struct machine *m, uint16_t port, unsigned len)
{
    unsigned disk = ((unsigned)port - DISK_PORT_BASE) / 16;
    uint32_t value = len >= 4 ? ~0u : (1u << (8 * len)) - 1; /* no device */

    if (port >= DISK_PORT_BASE && disk < DISK_MAX && m->disks[disk] != NULL) {
        value = disk_port_in(m->disks[disk], port % 16, len);
    }
    machine_event(m, TRACE_PORT, port | 1u << 16 | len << 17, 0, value);
    return value;
}

void machine_port_out(struct machine *m, uint16_t port, unsigned len,
                      uint32_t value)
{
    unsigned disk = ((unsigned)port - DISK_PORT_BASE) / 16;

    machine_event(m, TRACE_PORT, port | len << 17, 0, value);
    if (port >= DISK_PORT_BASE && disk < DISK_MAX && m->disks[disk] != NULL) {
        disk_port_out(m->disks[disk], port % 16, len, value);
    }
}

bool machine_port_run(struct machine *m, uint16_t port, unsigned len,
                      void *buf, size_t units, bool in)
{
    unsigned disk = ((unsigned)port - DISK_PORT_BASE) / 16;

    /* A trace holds each access. */
    return m->trace == NULL && port >= DISK_PORT_BASE && disk < DISK_MAX &&
           m->disks[disk] != NULL && port % 16 == DISK_REG_DATA &&
           disk_data_run(m->disks[disk], len, buf, units, in);
}

uint32_t plat_port_in(struct plat *p, uint16_t port, unsigned len)
{
    struct machine *m = machine_of(p);

    uint32_t value;

    machine_crossing(m, CROSSING_NS);
    value = machine_port_in(m, port, len);
    sched_update_next_event(m);
    return value;
}

void plat_port_out(struct plat *p, uint16_t port, unsigned len,
                   uint32_t value)
{
    struct machine *m = machine_of(p);

    machine_crossing(m, CROSSING_NS);
    machine_port_out(m, port, len, value);
    sched_update_next_event(m);
}

void plat_vmrun(struct plat *p, mfn_t vmcb, struct cpu_regs *regs)
{
    struct machine *m = machine_of(p);
    const struct vmcb *v = (const struct vmcb *)machine_frame(m, vmcb.v);
    struct cpu *c = machine_cpu(m);

    if (v == NULL) {
        machine_fatal(m, "#GP in the hypervisor: VMRUN of frame %#llx",
                      (unsigned long long)vmcb.v);
    }
    if (m->lock_owner == (int)c->id) {
        machine_fatal(m, "VMRUN with the hypervisor lock held");
    }
    machine_crossing(m, VMRUN_NS);
    machine_event(m, TRACE_ENTER, vmcb.v, v->rip, v->eventinj);
    if (m->observer.enter != NULL) {
        m->observer.enter(m->observer.ctx, c->id, vmcb, regs);
    }
    svm_vmrun(c, vmcb.v << PAGE_SHIFT, regs);
    m->exits++;
    machine_event(m, TRACE_EXIT, vmcb.v, v->exitcode,
                  v->exitinfo1 ^ v->exitinfo2);
    if (m->observer.exit != NULL) {
        m->observer.exit(m->observer.ctx, c->id, vmcb, regs);
    }
    if (m->leave_waiter >= 0) { /* it waits for this CPU, or for others yet */
        sched_switch_to(m, m->cpus[m->leave_waiter]);
    }
}

void plat_invlpga(struct plat *p, gva_t va, uint32_t asid)
{
    struct cpu *c = machine_cpu(machine_of(p));

    if (asid < TLB_ASIDS) {
        tlb_flush_page(&c->tlb, asid, va.v);
    }
}

void plat_fpu_save(struct plat *p, void *area)
{
    memcpy(area, machine_cpu(machine_of(p))->fpu, 512);
}

void plat_fpu_restore(struct plat *p, const void *area)
{
    memcpy(machine_cpu(machine_of(p))->fpu, area, 512);
}

/* -- Time, console ------------------------------------------------------- */

uint64_t plat_tsc(struct plat *p)
{
    return plat_now(p); /* TSC_KHZ */
}

uint64_t plat_tsc_khz(struct plat *p)
{
    (void)p;
    return TSC_KHZ;
}

uint64_t plat_now(struct plat *p)
{
    return machine_of(p)->now_ns;
}

uint64_t plat_wallclock_ns(struct plat *p)
{
    (void)p;
    return WALLCLOCK_AT_RESET;
}

void plat_console_write(struct plat *p, const char *text, size_t len)
{
    struct machine *m = machine_of(p);

    if (m->cfg.console != NULL) {
        m->cfg.console(m->cfg.console_ctx, text, len);
    }
}
