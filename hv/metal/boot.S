/*
 * From a multiboot loader (or Bochs's reset ROM, rom.S) to metal_main in
 * 64-bit mode: identity map of the first 4 GiB in 2 MiB pages, flat segments,
 * SSE state enabled for FXSAVE, one stack.
 *
 * In: EAX 0x2badb002, EBX multiboot information, 32-bit flat protected mode,
 * paging off (Multiboot 0.6.96, 3.2).
 */
#define MB_MAGIC 0x1badb002
#define MB_FLAGS 0x00000003 /* modules page-aligned, memory map wanted */
#define STACK_BYTES 65536

        .section .head, "ax"
        .code32
        .globl metal_start
        jmp metal_start         /* rom.S enters the image at its first byte */
        .balign 8
        .long MB_MAGIC
        .long MB_FLAGS
        .long -(MB_MAGIC + MB_FLAGS)

        .text
        .code32
metal_start:
        cli
        cld
        movl %eax, %ebp         /* kept: magic */
        movl $__bss_start, %edi
        movl $__bss_end, %ecx
        subl %edi, %ecx
        xorl %eax, %eax
        rep stosb

        /* PML4[0] -> PDPT; PDPT[0..3] -> PDs; 2048 entries of 2 MiB */
        movl $boot_pdpt + 3, boot_pml4
        movl $boot_pd + 3, boot_pdpt
        movl $boot_pd + 0x1003, boot_pdpt + 8
        movl $boot_pd + 0x2003, boot_pdpt + 16
        movl $boot_pd + 0x3003, boot_pdpt + 24
        movl $boot_pd, %edi
        movl $0x83, %eax        /* P, W, PS */
        movl $2048, %ecx
1:      movl %eax, (%edi)
        addl $8, %edi
        addl $0x200000, %eax
        loop 1b
        /* I/O APIC and local APIC: uncached (PWT, PCD) */
        orl $0x18, boot_pd + 8 * (0xfec00000 >> 21)
        orl $0x18, boot_pd + 8 * (0xfee00000 >> 21)

        movl $0x620, %eax       /* PAE, OSFXSR, OSXMMEXCPT */
        movl %eax, %cr4
        movl $boot_pml4, %eax
        movl %eax, %cr3
        movl $0xc0000080, %ecx  /* EFER: LME, NXE */
        rdmsr
        orl $0x900, %eax
        wrmsr
        movl $0x80010033, %eax  /* PG, WP, NE, ET, MP, PE */
        movl %eax, %cr0
        lgdt boot_gdt_ptr
        ljmp $8, $2f

        .code64
2:      movl $16, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        xorl %eax, %eax
        movl %eax, %fs
        movl %eax, %gs
        movq $boot_stack + STACK_BYTES, %rsp
        movl %ebp, %edi
        movl %ebx, %esi
        xorl %ebp, %ebp
        call metal_main
3:      hlt
        jmp 3b

        .section .rodata
        .balign 8
boot_gdt_ptr:
        .word 8 * 5 - 1
        .quad metal_gdt

        .data
        .balign 16
        .globl metal_gdt
metal_gdt:                      /* slots 3 and 4: TSS, trap.c */
        .quad 0
        .quad 0x00af9b000000ffff
        .quad 0x00cf93000000ffff
        .quad 0, 0

        .bss
        .balign 4096
boot_pml4: .skip 4096
boot_pdpt: .skip 4096
boot_pd:   .skip 4 * 4096
boot_stack: .skip STACK_BYTES
        .section .note.GNU-stack, "", @progbits
