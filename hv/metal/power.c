/*
 * Switching the machine off, in the ways that emulators offer:
 *
 *   QEMU   isa-debug-exit at 0xf4: exit status ((0x10 + code) << 1) | 1, so
 *          33 for code 0; nothing of QEMU's own ends with that
 *   Bochs  magic break (xchg bx,bx) for code 0: exit status 0; the word
 *          Shutdown to port 0x8900 for others: exit status 1
 *
 * A PC knows none of these and halts for good: ACPI's S5 is not here yet.
 */
#include "hv/metal/metal.h"

_Noreturn void power_off(unsigned code)
{
    static const char word[] = "Shutdown";

    console_drain();
    outb(0xf4, (uint8_t)(0x10 + code));
    if (code == 0) {
        __asm__ volatile("xchgw %%bx, %%bx" : : : "memory");
    }
    for (unsigned i = 0; word[i] != '\0'; i++) {
        outb(0x8900, (uint8_t)word[i]);
    }
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}
