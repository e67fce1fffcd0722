/*
 * Console: the first serial port (8250, 115200 8n1) and port 0xe9, which
 * emulators copy to their own log and a PC ignores.
 *
 * Invariants:
 *  1. No wait is without bound: a machine without that UART is only silent.
 */
#include "hv/metal/metal.h"

#define UART 0x3f8
#define UART_WAIT 200000

void console_init(void)
{
    outb(UART + 1, 0);    /* no interrupts */
    outb(UART + 3, 0x80); /* divisor latch */
    outb(UART + 0, 1);    /* 115200 */
    outb(UART + 1, 0);
    outb(UART + 3, 3); /* 8n1 */
    outb(UART + 2, 7); /* FIFOs on and empty */
    outb(UART + 4, 3); /* DTR, RTS */
}

static void uart_wait(uint8_t bit)
{
    for (unsigned i = 0; i < UART_WAIT && !(inb(UART + 5) & bit); i++) {
        __asm__ volatile("pause");
    }
}

static void put(char c)
{
    uart_wait(0x20); /* transmitter holding register empty */
    outb(UART, (uint8_t)c);
}

void console_write(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        outb(0xe9, (uint8_t)text[i]);
        if (text[i] == '\n') {
            put('\r');
        }
        put(text[i]);
    }
}

void console_puts(const char *text)
{
    size_t len = 0;

    while (text[len] != '\0') {
        len++;
    }
    console_write(text, len);
}

void console_hex(uint64_t n)
{
    char text[18];
    unsigned at = sizeof(text);

    do {
        text[--at] = "0123456789abcdef"[n & 15];
        n >>= 4;
    } while (n != 0);
    text[--at] = 'x';
    text[--at] = '0';
    console_write(text + at, sizeof(text) - at);
}

/* What is in the UART is lost when an emulator ends. */
void console_drain(void)
{
    uart_wait(0x40); /* transmitter empty */
}
