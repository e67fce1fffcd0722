/*
 * A machine's life: create, boot, run, look, end.
 *
 *   created --machine_run--> running --TIME, STOPPED, IDLE--> stopped
 *   stopped --machine_run--> running
 *   running --OFF, FATAL, WATCHDOG, DIVERGED--> ended (destroy only, or
 *   restore a snapshot from before)
 *
 * Invariants:
 *  1. Everything that a run changes lies in the arena (machine_impl.h).
 *  2. Nothing here draws, reads a clock, or depends on an address.
 */
#include "sim/machine_impl.h"

#include "sim/cpu/native_impl.h"
#include "sim/hash.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define RAM_DEFAULT (32ULL << 20)
#define RAM_MIN (2ULL << 20)
#define RAM_MAX (64ULL << 30)
#define HEAP_DEFAULT (64ULL << 20)
#define SPARE_BYTES (1ULL << 30) /* disks, tables, redzones */

static void machine_on_draw(void *ctx, enum choice_kind kind, uint32_t n,
                            uint32_t value)
{
    machine_event(ctx, TRACE_CHOICE, (uint64_t)kind, n, value);
}

static const char *machine_check_config(const struct machine_config *c)
{
    if (c->cpus > HV_MAX_PCPUS) {
        return "a machine has at most 16 CPUs";
    }
    if (c->ram_bytes != 0 &&
        (c->ram_bytes < RAM_MIN || c->ram_bytes > RAM_MAX ||
         c->ram_bytes % PAGE_SIZE != 0)) {
        return "RAM is 2 MiB to 64 GiB, in whole pages";
    }
    if (c->heap_bytes > RAM_MAX) {
        return "the heap is at most 64 GiB";
    }
    return NULL;
}

/* A processor's coroutine. */
static void machine_cpu_entry(void *arg)
{
    struct cpu *c = arg;
    struct machine *m = c->m;

    if (m->cpu_main != NULL) {
        m->cpu_main(&m->plat);
        for (;;) { /* it has nothing more to do */
            c->idle = true;
            c->deadline_ns = NS_NEVER;
            c->irq = 0;
            sched_update_next_event(m);
            sched_away(m);
        }
    }
    if (c->id == 0) {
        struct hv *hv = hv_create(&m->plat, &m->boot);

        if (hv == NULL) {
            machine_fatal(m, "the hypervisor refused to start");
        }
        m->hv = hv;
    }
    hv_cpu_loop(m->hv);
}

static void machine_add_cpu(struct machine *m, unsigned id)
{
    struct cpu *c = arena_alloc(m->arena, sizeof(*c), 64);
    void *stack = arena_pages(m->arena, HV_STACK_BYTES);

    c->m = m;
    c->id = id;
    c->running = &c->hv_co;
    c->started = true;
    c->deadline_ns = NS_NEVER;
    cpu_reset(c);
    co_init(&c->hv_co, stack, HV_STACK_BYTES, machine_cpu_entry, c);
    m->cpus[id] = c;
}

struct machine *machine_create(const struct machine_config *cfg, char *err,
                               size_t err_len)
{
    const char *wrong = machine_check_config(cfg);
    struct machine_config full = *cfg;
    struct machine *m;
    struct arena *a;

    if (wrong != NULL) {
        snprintf(err, err_len, "machine: %s", wrong);
        return NULL;
    }
    full.cpus = cfg->cpus != 0 ? cfg->cpus : 1;
    full.ram_bytes = cfg->ram_bytes != 0 ? cfg->ram_bytes : RAM_DEFAULT;
    full.heap_bytes = cfg->heap_bytes != 0 ? cfg->heap_bytes : HEAP_DEFAULT;
    full.mean_slice = cfg->mean_slice != 0 ? cfg->mean_slice : 16;
    a = arena_create(full.ram_bytes + 2 * full.heap_bytes + SPARE_BYTES +
                     NATIVE_MAX * (uint64_t)NATIVE_STACK_BYTES);
    if (a == NULL) {
        snprintf(err, err_len, "machine: no memory for %llu MiB of RAM",
                 (unsigned long long)(full.ram_bytes >> 20));
        return NULL;
    }
    m = arena_alloc(a, sizeof(*m), 64);
    m->arena = a;
    m->cfg = full;
    m->trace = full.trace;
    m->plat.nr_cpus = m->nr_cpus = full.cpus;
    m->ram_bytes = full.ram_bytes;
    m->ram = arena_pages(a, full.ram_bytes);
    m->lock_owner = m->leave_waiter = -1;
    m->slice = 1;
    m->next_checkpoint = CHECKPOINT_EXITS;
    choice_from_seed(&m->choice, full.seed);
    m->choice.on_draw = machine_on_draw;
    m->choice.on_draw_ctx = m;
    m->natives = arena_alloc(a, NATIVE_MAX * sizeof(*m->natives), 64);
    for (unsigned i = 0; i < m->nr_cpus; i++) {
        machine_add_cpu(m, i);
    }
    return m;
}

void machine_destroy(struct machine *m)
{
    if (m == NULL) {
        return;
    }
    watchdog_release(m);
    for (unsigned i = 0; i < DISK_MAX; i++) {
        if (m->disks[i] != NULL) {
            disk_detach(m->disks[i]);
        }
    }
    native_release_all(m);
    for (unsigned i = 0; i < m->nr_cpus; i++) {
        co_release(&m->cpus[i]->hv_co);
    }
    arena_destroy(m->arena);
}

void machine_boot(struct machine *m, const struct hv_boot *boot)
{
    size_t len = boot->cmdline != NULL ? strlen(boot->cmdline) + 1 : 1;
    char *cmdline = arena_alloc(m->arena, len, 16);
    void *image = arena_alloc(m->arena, boot->image_len + 1, 16);

    if (boot->image_len > 0) {
        memcpy(image, boot->image, boot->image_len);
    }
    if (boot->cmdline != NULL) {
        memcpy(cmdline, boot->cmdline, len);
    }
    m->boot = *boot;
    m->boot.image = image;
    m->boot.cmdline = cmdline;
    m->booted = true;
}

enum machine_stop machine_run(struct machine *m, uint64_t until_ns)
{
    if (m->ended) {
        return m->stop;
    }
    if (!m->booted && m->cpu_main == NULL) {
        snprintf(m->fatal_text, sizeof(m->fatal_text),
                 "machine_run() before machine_boot()");
        return MACHINE_FATAL;
    }
    m->until_ns = until_ns;
    sched_update_next_event(m);
    watchdog_start(m);
    m->running = true;
    co_switch(&m->main_co, machine_cpu(m)->running);
    m->running = false;
    return m->stop;
}

void machine_stop(struct machine *m)
{
    m->stop_requested = true;
    m->next_event_ns = 0;
}

/* The machine is over; whoever called never goes on. */
static _Noreturn void machine_end(struct machine *m, enum machine_stop why)
{
    m->ended = true;
    for (;;) {
        sched_stop(m, why);
    }
}

void machine_fatal(struct machine *m, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(m->fatal_text, sizeof(m->fatal_text), fmt, ap);
    va_end(ap);
    machine_end(m, MACHINE_FATAL);
}

void plat_poweroff(struct plat *p, unsigned reason)
{
    struct machine *m = machine_of(p);

    m->poweroff_reason = reason;
    machine_end(m, MACHINE_OFF);
}

void plat_fatal(struct plat *p, const char *file, unsigned line,
                const char *what)
{
    machine_fatal(machine_of(p), "%s:%u: %s", file, line, what);
}

void machine_trace_slow(struct machine *m, enum trace_type type, uint64_t a,
                        uint64_t b, uint64_t c)
{
    struct trace_record r = {.type = (uint8_t)type,
                             .cpu = (uint8_t)m->current,
                             .time_ns = m->now_ns,
                             .a = a,
                             .b = b,
                             .c = c};

    trace_event(m->trace, &r);
    if (!trace_ok(m->trace) && !m->ended) {
        m->ended = true; /* at the next crossing */
        m->stop = MACHINE_DIVERGED;
        m->next_event_ns = 0;
    }
}

struct arena *machine_arena(struct machine *m)
{
    return m->arena;
}

struct choice *machine_choice(struct machine *m)
{
    return &m->choice;
}

struct trace *machine_trace(struct machine *m)
{
    return m->trace;
}

struct hv *machine_hv(struct machine *m)
{
    return m->hv;
}

uint64_t machine_now(const struct machine *m)
{
    return m->now_ns;
}

unsigned machine_poweroff_reason(const struct machine *m)
{
    return m->poweroff_reason;
}

const char *machine_fatal_text(const struct machine *m)
{
    return m->fatal_text;
}

void machine_set_observer(struct machine *m, const struct observer *o)
{
    m->observer = o != NULL ? *o : (struct observer){0};
}

struct disk *machine_disk(struct machine *m, unsigned index)
{
    return index < DISK_MAX ? m->disks[index] : NULL;
}

void machine_set_disk(struct machine *m, unsigned index, struct disk *d)
{
    m->disks[index] = d;
}

void machine_raise_irq(struct machine *m, unsigned irq)
{
    if (irq < HV_MAX_IRQS) {
        m->lines |= 1u << irq;
        sched_raise(m->cpus[0], IRQ_LINE);
    }
}

void *machine_ram(struct machine *m, maddr_t ma)
{
    return ma.v < m->ram_bytes ? m->ram + ma.v : NULL;
}

uint64_t machine_ram_bytes(const struct machine *m)
{
    return m->ram_bytes;
}

struct snapshot *machine_snapshot(struct machine *m)
{
    for (unsigned i = 0; i < DISK_MAX; i++) {
        if (m->disks[i] != NULL && disk_host_bound(m->disks[i])) {
            fprintf(stderr, "machine: disk %u is a host file: no snapshot\n",
                    i);
            return NULL;
        }
    }
    return arena_snapshot(m->arena);
}

void machine_restore(struct machine *m, struct snapshot *s)
{
    /* The host's timer is not the snapshot's to bring back. */
    bool on = m->watchdog_on;
    timer_t timer = m->watchdog_timer;
    int tid = m->watchdog_tid;

    arena_restore(m->arena, s);
    m->watchdog_on = on;
    m->watchdog_timer = timer;
    m->watchdog_tid = tid;
}
