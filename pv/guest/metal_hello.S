/*
 * Entry of the metal smoke-test guest: a PVH image (XEN_ELFNOTE_PHYS32_ENTRY,
 * xen/elfnote.h), entered in 32-bit flat mode with EBX the start_info. Enters
 * 64-bit mode over an identity map of its first GiB and calls hello_main.
 */
        .section .note.Xen, "a", @note
        .balign 4
        .long 4, 4, 18          /* namesz, descsz, XEN_ELFNOTE_PHYS32_ENTRY */
        .asciz "Xen"
        .long hello_start

        .text
        .code32
        .globl hello_start
hello_start:
        cli
        cld
        movl $hello_pdpt + 3, hello_pml4
        movl $hello_pd + 3, hello_pdpt
        movl $hello_pd, %edi
        movl $0x83, %eax        /* P, W, PS */
        movl $512, %ecx
1:      movl %eax, (%edi)
        movl $0, 4(%edi)
        addl $8, %edi
        addl $0x200000, %eax
        loop 1b
        movl $0x20, %eax        /* CR4.PAE */
        movl %eax, %cr4
        movl $hello_pml4, %eax
        movl %eax, %cr3
        movl $0xc0000080, %ecx  /* EFER.LME */
        rdmsr
        orl $0x100, %eax
        wrmsr
        movl $0x80000011, %eax  /* CR0: PG, ET, PE */
        movl %eax, %cr0
        lgdt gdt_ptr
        ljmp $8, $2f

        .code64
2:      movl $16, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        movq $hello_stack_end, %rsp
        movl %ebx, %edi
        call hello_main
3:      hlt
        jmp 3b

        .section .rodata
        .balign 8
gdt:    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdt_ptr: .word 23
        .quad gdt

        .bss
        .balign 4096
        .globl hello_hypercall_page
hello_hypercall_page: .skip 4096
hello_pml4: .skip 4096
hello_pdpt: .skip 4096
hello_pd:   .skip 4096
        .skip 8192
hello_stack_end:
        .section .note.GNU-stack, "", @progbits
