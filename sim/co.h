/*
 * Coroutines: a stack and the registers that a C call preserves. Switching is
 * a dozen instructions of our own; the sanitizers and Valgrind are told.
 *
 *   co_init -> suspended --co_switch to--> running --co_switch from--> ...
 *   A coroutine's function never returns.
 */
#ifndef SIM_CO_H
#define SIM_CO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct co {
    void *sp; /* valid while suspended */
    void *stack;
    size_t stack_bytes;
    void (*fn)(void *arg);
    void *arg;
    struct co *from; /* who switched here last */
    void *fake_stack; /* the address sanitizer's */
    unsigned valgrind_id;
};

/* Makes `co` start fn(arg) on the stack when first switched to. Over a former
 * coroutine on the same stack: that one is forgotten. */
void co_init(struct co *co, void *stack, size_t bytes, void (*fn)(void *arg),
             void *arg);
/* The stack is about to be given back. */
void co_release(struct co *co);
/* Suspends `from`, which is the one running, and goes on with `to`. */
void co_switch(struct co *from, struct co *to);
/* False once the coroutine has run over the end of its stack. */
bool co_stack_intact(const struct co *co);

#endif
