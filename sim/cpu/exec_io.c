/*
 * IN, OUT, INS and OUTS of a guest. The I/O permission bitmap of a TSS is not
 * looked at: with CPL above IOPL all ports fault.
 *
 * Invariants:
 *  1. A string instruction is one crossing per STRING_CHUNK bytes; in between
 *     RIP stays on it and RCX, RSI, RDI say how far it is.
 *  2. A unit whose memory faults has not touched the device.
 */
#include "sim/cpu/exec.h"
#include "sim/machine_impl.h"

#include <string.h>

#define STRING_CHUNK 4096
#define IOIO_A32 (1ULL << 8)
#define IOIO_A64 (1ULL << 9)
#define IOIO_SEG_SHIFT 10 /* APM2 15.10.2; ES 0, DS 3 */

/* CPL and intercept, in this order. True: go on. */
static bool exec_io_may(struct cpu *c, const struct insn *i, uint16_t port,
                        bool in, bool string)
{
    uint64_t info = (uint64_t)port << IOIO_PORT_SHIFT | (in ? IOIO_IN : 0) |
                    (i->size == 1   ? IOIO_SZ8
                     : i->size == 2 ? IOIO_SZ16
                                    : IOIO_SZ32) |
                    (exec_long_mode(c) ? IOIO_A64 : IOIO_A32);

    if (!exec_iopl_allows(c)) {
        exec_gp(c);
        return false;
    }
    if (!svm_io_intercepted(c, port, i->size)) {
        return true;
    }
    if (string) {
        info |= IOIO_STR | (i->rep ? IOIO_REP : 0) |
                (in ? 0ULL : 3ULL << IOIO_SEG_SHIFT);
    }
    svm_exit_insn(c, VMEXIT_IOIO, info, c->g.rip + i->len, i->len);
    return false;
}

void exec_port(struct cpu *c, const struct insn *i, bool in)
{
    uint16_t port = i->imm_port ? i->imm : (uint16_t)c->g.regs.r[R_RDX];
    uint64_t mask = i->size == 4 ? 0xffffffffULL : (1ULL << 8 * i->size) - 1;
    uint64_t *rax = &c->g.regs.r[R_RAX];

    if (!exec_io_may(c, i, port, in, false)) {
        return;
    }
    if (in) {
        uint64_t value = machine_port_in(c->m, port, i->size) & mask;

        *rax = i->size == 4 ? value : (*rax & ~mask) | value;
    } else {
        machine_port_out(c->m, port, i->size, (uint32_t)(*rax & mask));
    }
    sched_update_next_event(c->m);
    exec_skip(c, i);
}

/* One unit between port and memory; false: exit or exception. A unit may lie
 * across two pages: both must be there before the device is touched. */
static bool exec_string_unit(struct cpu *c, const struct insn *i,
                             uint16_t port, uint64_t va, bool in)
{
    unsigned first = (unsigned)(PAGE_SIZE - (va & (PAGE_SIZE - 1)));
    enum mmu_access how = in ? MMU_WRITE : MMU_READ;
    struct mmu_fault fault;
    uint8_t *lo = mmu_translate(c, va, how, &fault), *hi = lo;
    uint32_t value = 0;

    if (lo != NULL && first < i->size) {
        hi = mmu_translate(c, va + first, how, &fault);
    }
    if (lo == NULL || hi == NULL) {
        mmu_raise(c, &fault);
        return false;
    }
    first = first < i->size ? first : i->size;
    if (in) {
        value = machine_port_in(c->m, port, i->size);
        memcpy(lo, &value, first);
        memcpy(hi, (uint8_t *)&value + first, i->size - first);
    } else {
        memcpy(&value, lo, first);
        memcpy((uint8_t *)&value + first, hi, i->size - first);
        machine_port_out(c->m, port, i->size, value);
    }
    if (c->m->observer.guest_access != NULL) {
        c->m->observer.guest_access(
            c->m->observer.ctx, c->id, MFN(c->vmcb >> PAGE_SHIFT),
            MADDR((uint64_t)(lo - c->m->ram)), first, in);
    }
    return true;
}

/* Units from va on that lie in its page, all at once; 0: they must go one by
 * one. Nothing runs between the units of a chunk, so nobody can tell. */
static size_t exec_string_run(struct cpu *c, const struct insn *i,
                              uint16_t port, uint64_t va, size_t units,
                              bool in)
{
    size_t room = (PAGE_SIZE - (va & (PAGE_SIZE - 1))) / i->size;
    struct mmu_fault fault;
    uint8_t *p;

    units = units < room ? units : room;
    if (units < 2 ||
        (p = mmu_translate(c, va, in ? MMU_WRITE : MMU_READ, &fault)) ==
            NULL ||
        !machine_port_run(c->m, port, i->size, p, units, in)) {
        return 0;
    }
    if (c->m->observer.guest_access != NULL) {
        c->m->observer.guest_access(
            c->m->observer.ctx, c->id, MFN(c->vmcb >> PAGE_SHIFT),
            MADDR((uint64_t)(p - c->m->ram)), units * i->size, in);
    }
    return units;
}

void exec_string(struct cpu *c, const struct insn *i, bool in)
{
    uint16_t port = (uint16_t)c->g.regs.r[R_RDX];
    uint64_t *rcx = &c->g.regs.r[R_RCX];
    uint64_t *ptr = &c->g.regs.r[in ? R_RDI : R_RSI];
    uint64_t base = exec_long_mode(c) ? 0 : in ? c->g.es.base : c->g.ds.base;
    int step = c->g.rflags & (1ULL << 10) ? -i->size : i->size; /* DF */

    if (!(i->rep && *rcx == 0) && !exec_io_may(c, i, port, in, true)) {
        return;
    }
    for (size_t done = 0, n; !i->rep || *rcx != 0; done += n * i->size) {
        size_t left = (STRING_CHUNK - done) / i->size;

        if (left == 0) {
            sched_update_next_event(c->m);
            return; /* RIP stays: interrupts come between units */
        }
        if (i->rep && step > 0) {
            n = exec_string_run(c, i, port, base + *ptr,
                                *rcx < left ? *rcx : left, in);
            *ptr += n * i->size;
            *rcx -= n;
            if (n > 0) {
                continue;
            }
        }
        n = 1;
        if (!exec_string_unit(c, i, port, base + *ptr, in)) {
            sched_update_next_event(c->m);
            return;
        }
        *ptr += (uint64_t)(int64_t)step;
        if (!i->rep) {
            break;
        }
        --*rcx;
    }
    sched_update_next_event(c->m);
    exec_skip(c, i);
}
