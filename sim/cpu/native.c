/*
 * Native guests: programs, their coroutines, and how the executor and the
 * delivery of events meet them. (Operations: native_ops.c.)
 */
#include "sim/cpu/native_impl.h"
#include "sim/machine_impl.h"

#include <stdio.h>
#include <string.h>

/* -- Programs ------------------------------------------------------------- */

int native_register(struct machine *m, const char *name, native_fn *fn,
                    void *arg)
{
    for (int id = 0; id < NATIVE_MAX; id++) {
        struct native *n = &m->natives[id];

        if (n->state == NATIVE_FREE) {
            memset(n, 0, sizeof(*n));
            n->m = m;
            n->id = id;
            n->state = NATIVE_READY;
            n->fn = fn;
            n->arg = arg;
            n->slot = native_entry(id);
            snprintf(n->name, sizeof(n->name), "%s", name);
            return id;
        }
    }
    return -1;
}

void native_release(struct machine *m, int id)
{
    struct native *n = &m->natives[id];

    if (id < 0 || id >= NATIVE_MAX || n->state == NATIVE_FREE) {
        return;
    }
    if (n->state == NATIVE_RUNNING && n->cpu->running == &n->co) {
        return; /* not gone for good: its stack stays, till the machine ends */
    }
    co_release(&n->co);
    if (n->stack != NULL) {
        arena_pages_free(m->arena, n->stack, NATIVE_STACK_BYTES);
    }
    n->stack = NULL;
    native_free_all(n);
    n->state = NATIVE_FREE;
}

void native_release_all(struct machine *m)
{
    for (int id = 0; id < NATIVE_MAX; id++) {
        co_release(&m->natives[id].co);
    }
}

uint64_t native_entry(int id)
{
    return NATIVE_TEXT + (uint64_t)id * NATIVE_SLOT_BYTES;
}

struct machine *native_machine(struct native *n)
{
    return n->m;
}

int native_id(const struct native *n)
{
    return n->id;
}

/* -- Coroutine ------------------------------------------------------------ */

static void native_main(void *arg)
{
    struct native *n = arg;

    n->fn(n, n->arg);
    for (;;) { /* native.h: HLT with interrupts off */
        native_cli(n);
        native_hlt(n);
    }
}

static void native_start(struct native *n)
{
    if (n->stack == NULL) {
        n->stack = arena_pages(n->m->arena, NATIVE_STACK_BYTES);
    }
    co_init(&n->co, n->stack, NATIVE_STACK_BYTES, native_main, n);
    n->depth = 0;
    n->catching = n->faulted = n->op_mov = false;
    n->handler = NULL;
}

/* The program whose slot holds `rip`, NULL if that is no slot in use. */
static struct native *native_at(struct machine *m, uint64_t rip)
{
    uint64_t id = (rip - NATIVE_TEXT) / NATIVE_SLOT_BYTES;

    if (rip < NATIVE_TEXT || id >= NATIVE_MAX ||
        m->natives[id].state == NATIVE_FREE) {
        return NULL;
    }
    return &m->natives[id];
}

/* native_impl.h, invariant 2 */
static bool native_may_go_on(const struct native *n, uint64_t rip, bool mov)
{
    if (mov) {
        return n->op_mov && rip == n->op_rip;
    }
    if (rip == n->slot + SLOT_HANDLER) {
        return n->depth > 0 && !n->frames[n->depth - 1].started;
    }
    return rip == n->op_end;
}

bool native_continue(struct cpu *c, unsigned id, uint64_t rip)
{
    struct native *n = native_at(c->m, rip);
    bool mov = id == ~0u;

    if (n == NULL || n->state == NATIVE_RUNNING ||
        (!mov && id != (unsigned)n->id)) {
        return false;
    }
    if (rip == n->slot + SLOT_START && !mov) {
        native_start(n);
        n->vmcb = c->vmcb;
    } else if (n->state != NATIVE_WAITING || n->vmcb != c->vmcb ||
               !native_may_go_on(n, rip, mov)) {
        return false;
    }
    n->state = NATIVE_RUNNING;
    n->cpu = c;
    c->running = &n->co;
    co_switch(&c->hv_co, &n->co);
    if (!co_stack_intact(&n->co)) {
        machine_fatal(c->m, "native program %s has overrun its stack",
                      n->name);
    }
    if (n->faulted) {
        n->faulted = false;
        mmu_raise(c, &n->fault);
    }
    return true;
}

static void native_trap(struct native *n)
{
    struct cpu *c = n->cpu;

    n->state = NATIVE_WAITING;
    c->running = &c->hv_co;
    co_switch(&n->co, &c->hv_co);
}

/* -- Events --------------------------------------------------------------- */

bool native_deliver(struct cpu *c, uint8_t vector, bool exception,
                    uint32_t error)
{
    struct native *n = native_at(c->m, c->g.rip);
    struct native_frame *f;

    if (n == NULL || n->state != NATIVE_WAITING || n->vmcb != c->vmcb) {
        return false;
    }
    if (exception && n->catching && (vector == VEC_UD || vector == VEC_GP)) {
        n->caught = vector;
        n->catching = false;
        c->g.rip = n->op_end;
        return true;
    }
    if (n->handler == NULL || n->depth == NATIVE_NEST_MAX) {
        return false;
    }
    f = &n->frames[n->depth++];
    f->rip = c->g.rip;
    f->rflags = c->g.rflags;
    f->regs = c->g.regs;
    f->op_rip = n->op_rip;
    f->op_end = n->op_end;
    f->op_mov = n->op_mov;
    f->catching = n->catching;
    f->vector = vector;
    f->error = error;
    f->started = false;
    n->catching = false;
    c->g.rip = n->slot + SLOT_HANDLER;
    c->g.rflags &= ~(RFLAGS_IF | RFLAGS_TF);
    return true;
}

/* The topmost frame's handler, then IRET. */
static void native_handle(struct native *n)
{
    struct native_frame *f = &n->frames[n->depth - 1];
    struct cpu *c;

    f->started = true;
    n->handler(n, n->handler_arg, f->vector, f->error);
    c = n->cpu; /* it may be another by now */
    c->g.rip = f->rip;
    c->g.rflags = f->rflags;
    c->g.regs = f->regs;
    n->op_rip = f->op_rip;
    n->op_end = f->op_end;
    n->op_mov = f->op_mov;
    n->catching = f->catching;
    n->depth--;
}

bool native_wait(struct native *n)
{
    for (;;) {
        native_trap(n);
        if (n->cpu->g.rip != n->slot + SLOT_HANDLER) {
            return n->cpu->g.rip == n->op_end;
        }
        native_handle(n);
    }
}
