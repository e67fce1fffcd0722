/*
 * 256 interrupt stubs of one form: an error code where the processor pushes
 * none, the vector, all registers, then trap_entry(frame) in trap.c.
 */
        .text
        .code64
trap_common:
        cld
        pushq %rax
        pushq %rbx
        pushq %rcx
        pushq %rdx
        pushq %rsi
        pushq %rdi
        pushq %rbp
        pushq %r8
        pushq %r9
        pushq %r10
        pushq %r11
        pushq %r12
        pushq %r13
        pushq %r14
        pushq %r15
        movq %rsp, %rdi
        movq %rsp, %rbx
        andq $-16, %rsp
        call trap_entry
        movq %rbx, %rsp
        popq %r15
        popq %r14
        popq %r13
        popq %r12
        popq %r11
        popq %r10
        popq %r9
        popq %r8
        popq %rbp
        popq %rdi
        popq %rsi
        popq %rdx
        popq %rcx
        popq %rbx
        popq %rax
        addq $16, %rsp
        iretq

        .macro STUB n
stub_\n:
        /* APM2 table 8-1: 8, 10..14, 17, 21, 29, 30 push an error code */
        .set has_error, (\n == 8) || (\n == 17) || (\n == 21)
        .set has_error, has_error || (\n >= 10 && \n <= 14)
        .set has_error, has_error || (\n == 29) || (\n == 30)
        .if !has_error
        pushq $0
        .endif
        pushq $\n
        jmp trap_common
        .endm

        .altmacro
        .set i, 0
        .rept 256
        STUB %i
        .set i, i + 1
        .endr

        .section .rodata
        .balign 8
        .globl trap_stubs
        .macro STUB_REF n
        .quad stub_\n
        .endm
trap_stubs:
        .set i, 0
        .rept 256
        STUB_REF %i
        .set i, i + 1
        .endr
        .section .note.GNU-stack, "", @progbits
