/*
 * Descriptor tables and traps. The hypervisor runs with interrupts off; they
 * are let in at a few points (plat_pc.c), where a handler only takes note.
 * An exception in hypervisor code is a bug: registers, one line, and stop.
 *
 * Invariants:
 *  1. NMI, double fault and machine check run on a stack of their own.
 */
#include "hv/metal/metal.h"

#include "hv/lib.h"

#define IST_BYTES 8192
#define GDT_TSS 3 /* slot; the descriptor takes two */

struct tss {
    uint32_t reserved0;
    uint64_t rsp[3], reserved1, ist[7], reserved2;
    uint16_t reserved3, iopb;
} __attribute__((packed));
_Static_assert(sizeof(struct tss) == 104, "APM2 12.2.5");

struct gate {
    uint16_t offset_low, sel;
    uint8_t ist, type;
    uint16_t offset_mid;
    uint32_t offset_high, reserved;
};
_Static_assert(sizeof(struct gate) == 16, "APM2 4.8.3");

struct table_ptr {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

extern uint64_t metal_gdt[5]; /* boot.S */

static struct tss tss;
static struct gate idt[256];
static uint8_t ist_stack[IST_BYTES] __attribute__((aligned(16)));

static void tss_init(void)
{
    uint64_t base = (uint64_t)(uintptr_t)&tss;
    uint16_t sel = GDT_TSS * 8;

    tss.iopb = sizeof(tss);
    tss.ist[0] = (uint64_t)(uintptr_t)(ist_stack + IST_BYTES);
    metal_gdt[GDT_TSS] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 |
                         0x89ULL << 40 | ((base >> 24) & 0xff) << 56;
    metal_gdt[GDT_TSS + 1] = base >> 32;
    __asm__ volatile("ltr %0" : : "r"(sel) : "memory");
}

void trap_init(void)
{
    struct table_ptr ptr = {.limit = sizeof(idt) - 1,
                            .base = (uint64_t)(uintptr_t)idt};

    tss_init();
    for (unsigned i = 0; i < 256; i++) {
        uint64_t to = trap_stubs[i];

        idt[i] = (struct gate){
            .offset_low = (uint16_t)to,
            .sel = 8,
            .ist = i == VEC_NMI || i == VEC_DF || i == VEC_MC,
            .type = 0x8e, /* interrupt gate, present */
            .offset_mid = (uint16_t)(to >> 16),
            .offset_high = (uint32_t)(to >> 32),
        };
    }
    __asm__ volatile("lidt %0" : : "m"(ptr));
    outb(0x21, 0xff); /* both 8259s: everything masked */
    outb(0xa1, 0xff);
}

static void dump(const char *name, uint64_t value)
{
    console_puts(name);
    console_hex(value);
}

static _Noreturn void trap_fatal(const struct trap_frame *f)
{
    uint64_t cr2;

    __asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
    dump("rax ", f->rax);
    dump(" rbx ", f->rbx);
    dump(" rcx ", f->rcx);
    dump(" rdx ", f->rdx);
    dump("\nrsi ", f->rsi);
    dump(" rdi ", f->rdi);
    dump(" rbp ", f->rbp);
    dump(" rsp ", f->rsp);
    dump("\nr8 ", f->r8);
    dump(" r9 ", f->r9);
    dump(" r10 ", f->r10);
    dump(" r11 ", f->r11);
    dump("\nr12 ", f->r12);
    dump(" r13 ", f->r13);
    dump(" r14 ", f->r14);
    dump(" r15 ", f->r15);
    dump("\n(metal) exception in the hypervisor: vector ", f->vector);
    dump(" error ", f->error);
    dump(" rip ", f->rip);
    dump(" cr2 ", cr2);
    console_puts("\n");
    power_off(POWER_FAILED);
}

void trap_entry(struct trap_frame *f)
{
    switch (f->vector) {
    case VECTOR_TIMER:
    case VECTOR_SELF:
        metal_plat.interrupt = true;
        apic_eoi();
        break;
    case VECTOR_SPURIOUS: /* APM2 16.4.7: no end of interrupt */
    case VEC_NMI:
        break;
    default:
        trap_fatal(f);
    }
}
