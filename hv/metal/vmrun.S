/*
 * metal_vmrun(rdi: VMCB, rsi: struct cpu_regs, rdx: host's VMSAVE area), all
 * but rsi physical addresses. The sequence of APM2 15.5: with GIF clear and
 * the host's IF set, so that with V_INTR_MASKING a physical interrupt ends
 * the guest's run (15.21.1) and is then still pending.
 */
        .text
        .code64
        .globl metal_vmrun
metal_vmrun:
        pushq %rbx
        pushq %rbp
        pushq %r12
        pushq %r13
        pushq %r14
        pushq %r15
        pushq %rsi
        pushq %rdx
        clgi
        sti
        movq %rdx, %rax
        vmsave %rax
        movq %rdi, %rax
        vmload %rax
        movq 8(%rsi), %rcx
        movq 16(%rsi), %rdx
        movq 24(%rsi), %rbx
        movq 40(%rsi), %rbp
        movq 56(%rsi), %rdi
        movq 64(%rsi), %r8
        movq 72(%rsi), %r9
        movq 80(%rsi), %r10
        movq 88(%rsi), %r11
        movq 96(%rsi), %r12
        movq 104(%rsi), %r13
        movq 112(%rsi), %r14
        movq 120(%rsi), %r15
        movq 48(%rsi), %rsi
        vmrun %rax
        vmsave %rax             /* RAX and RSP are the host's again */
        movq 8(%rsp), %rax
        movq %rcx, 8(%rax)
        movq %rdx, 16(%rax)
        movq %rbx, 24(%rax)
        movq %rbp, 40(%rax)
        movq %rsi, 48(%rax)
        movq %rdi, 56(%rax)
        movq %r8, 64(%rax)
        movq %r9, 72(%rax)
        movq %r10, 80(%rax)
        movq %r11, 88(%rax)
        movq %r12, 96(%rax)
        movq %r13, 104(%rax)
        movq %r14, 112(%rax)
        movq %r15, 120(%rax)
        popq %rax
        vmload %rax
        popq %rsi
        cli
        stgi
        popq %r15
        popq %r14
        popq %r13
        popq %r12
        popq %rbp
        popq %rbx
        ret
        .section .note.GNU-stack, "", @progbits
