/*
 * Coroutine switch for x86-64.
 *
 * Invariants:
 *  1. A suspended coroutine's stack holds, from sp up: the six registers that
 *     a call preserves, then the address to go on at.
 *  2. The address sanitizer hears of each switch before the stack pointer
 *     moves, and again after.
 *
 * The x87 and SSE control words are not switched: nothing in a machine
 * changes them.
 */
#include "sim/co.h"

#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define CO_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CO_ASAN 1
#endif
#endif

#ifdef CO_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(__has_include)
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#define CO_VALGRIND 1
#endif
#endif

#define CO_CANARY 0x52696e6773696465ULL
#define CO_CANARY_WORDS 8

/* void co_swap(void **save_sp, void *load_sp): System V AMD64 ABI 3.2.1 */
__asm__(".text\n"
        ".p2align 4\n"
        ".type co_swap, @function\n"
        "co_swap:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size co_swap, . - co_swap\n"
        ".p2align 4\n"
        ".type co_start, @function\n"
        "co_start:\n" /* first switch in: r12 holds the struct co */
        "    movq %r12, %rdi\n"
        "    xorl %ebp, %ebp\n"
        "    call co_enter\n"
        "    ud2\n"
        ".size co_start, . - co_start\n");

void co_swap(void **save_sp, void *load_sp);
void co_start(void);
void co_enter(struct co *co);

/* After a switch, on the stack that was switched to: learn the bounds of the
 * one left, which for the host's own stack nobody else knows. */
static void co_arrived(struct co *co)
{
#ifdef CO_ASAN
    const void *bottom = NULL;
    size_t bytes = 0;

    __sanitizer_finish_switch_fiber(co->fake_stack, &bottom, &bytes);
    if (co->from != NULL) {
        co->from->stack = (void *)(uintptr_t)bottom;
        co->from->stack_bytes = bytes;
    }
#else
    (void)co;
#endif
}

__attribute__((used, noinline)) void co_enter(struct co *co)
{
    co_arrived(co);
    co->fn(co->arg);
    abort(); /* a coroutine's function never returns */
}

void co_init(struct co *co, void *stack, size_t bytes, void (*fn)(void *arg),
             void *arg)
{
    uint64_t *low = stack, *top = (uint64_t *)((char *)stack + bytes);

#ifdef CO_ASAN
    /* A coroutine that was here before may have left its frames poisoned. */
    __asan_unpoison_memory_region(stack, bytes);
#endif
    for (unsigned i = 0; i < CO_CANARY_WORDS; i++) {
        low[i] = CO_CANARY;
    }
    *--top = 0;                              /* keeps the ABI's alignment */
    *--top = 0;
    *--top = (uint64_t)(uintptr_t)&co_start; /* ret of co_swap */
    *--top = 0;                              /* rbp */
    *--top = 0;                              /* rbx */
    *--top = (uint64_t)(uintptr_t)co;        /* r12 */
    *--top = 0;                              /* r13 */
    *--top = 0;                              /* r14 */
    *--top = 0;                              /* r15 */
    co->sp = top;
    co->stack = stack;
    co->stack_bytes = bytes;
    co->fn = fn;
    co->arg = arg;
    co->from = NULL;
    co->fake_stack = NULL;
#ifdef CO_VALGRIND
    if (co->valgrind_id != 0) {
        VALGRIND_STACK_DEREGISTER(co->valgrind_id - 1);
        (void)VALGRIND_MAKE_MEM_DEFINED(stack, bytes);
    }
    co->valgrind_id =
        1 + (unsigned)VALGRIND_STACK_REGISTER(stack, (char *)stack + bytes);
#endif
}

void co_release(struct co *co)
{
#ifdef CO_ASAN
    if (co->stack != NULL) {
        __asan_unpoison_memory_region(co->stack, co->stack_bytes);
    }
#endif
#ifdef CO_VALGRIND
    if (co->valgrind_id != 0) {
        VALGRIND_STACK_DEREGISTER(co->valgrind_id - 1);
        /* What lay below the stack pointer is inaccessible until told. */
        (void)VALGRIND_MAKE_MEM_DEFINED(co->stack, co->stack_bytes);
    }
#endif
    memset(co, 0, sizeof(*co));
}

void co_switch(struct co *from, struct co *to)
{
    to->from = from;
#ifdef CO_ASAN
    __sanitizer_start_switch_fiber(&from->fake_stack, to->stack,
                                   to->stack_bytes);
#endif
    co_swap(&from->sp, to->sp);
    co_arrived(from);
}

bool co_stack_intact(const struct co *co)
{
    const uint64_t *low = co->stack;

    for (unsigned i = 0; i < CO_CANARY_WORDS; i++) {
        if (low[i] != CO_CANARY) {
            return false;
        }
    }
    return true;
}
