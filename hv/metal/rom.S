/*
 * A firmware of 64 KiB for Bochs: from the reset vector to the hypervisor at
 * 1 MiB, which `optramimage1` has put there, with the multiboot information
 * that a loader would give; the control domain's image is `optramimage2` at
 * MODULE_START, of unknown length: the module is said to be MODULE_BYTES, and
 * an ELF file knows what it needs of that. RAM size from CMOS 0x34/0x35:
 * 64 KiB blocks above 16 MiB.
 */
#define ROM_BASE 0xffff0000
#define IMAGE_START 0x100000
#define MODULE_START 0x800000
#define MODULE_BYTES 0x400000
#define INFO 0x1000             /* in low memory: multiboot information */
#define MODS 0x1100
#define MMAP 0x1200

        .text
        .code16
rom_start:
        .org 0xfc00             /* near enough for the jump at the vector */
rom_code:
        cli
        lgdtl %cs:gdt_ptr - rom_start
        movl %cr0, %eax
        orl $1, %eax
        movl %eax, %cr0
        ljmpl $8, $ROM_BASE + (flat - rom_start)

        .code32
flat:   movl $16, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        movl $0x1000, %esp
        inb $0x92, %al          /* A20 */
        orb $2, %al
        andb $0xfe, %al
        outb %al, $0x92

        movl $INFO, %edi        /* clear what is filled in below */
        movl $0x400 / 4, %ecx
        xorl %eax, %eax
        cld
        rep stosl

        movb $0x35, %al
        outb %al, $0x70
        inb $0x71, %al
        movb %al, %ah
        movb $0x34, %al
        outb %al, $0x70
        inb $0x71, %al
        movzwl %ax, %eax
        shll $16, %eax
        addl $0xf00000, %eax    /* bytes from 1 MiB on */

        movl $0x48, INFO        /* modules, memory map */
        movl $1, INFO + 20
        movl $MODS, INFO + 24
        movl $2 * 24, INFO + 44
        movl $MMAP, INFO + 48
        movl $MODULE_START, MODS
        movl $MODULE_START + MODULE_BYTES, MODS + 4
        movl $20, MMAP          /* [0, 636 KiB) */
        movl $0x9f000, MMAP + 12
        movl $1, MMAP + 20
        movl $20, MMAP + 24     /* [1 MiB, end) */
        movl $0x100000, MMAP + 28
        movl %eax, MMAP + 36
        movl $1, MMAP + 44

        movl $0x2badb002, %eax
        movl $INFO, %ebx
        movl $IMAGE_START, %ecx
        jmp *%ecx

        .balign 8
gdt:    .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_ptr: .word 23
        .long ROM_BASE + (gdt - rom_start)

        .org 0xfff0             /* reset vector */
        .code16
        jmp rom_code
        .org 0x10000
        .section .note.GNU-stack, "", @progbits
