/*
 * The metal smoke test: a freestanding PVH guest that says one line through
 * the hypervisor's console, checks what it finds (signature, start_info,
 * version, memory, TSC), says what came of it, and switches off.
 *
 * What it does not prove: anything beyond one vCPU, and any driver.
 *
 *   hello_main: first line -> checks -> second line -> SHUTDOWN_poweroff, or
 *   SHUTDOWN_crash when a check failed (a line says which)
 */
#include <stddef.h>
#include <stdint.h>

#include <xen/xen.h>

#include <xen/arch-x86/cpuid.h>
#include <xen/arch-x86/hvm/start_info.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/version.h>

extern char hello_hypercall_page[4096];
void hello_main(const struct hvm_start_info *info);

static long hypercall3(unsigned nr, uint64_t a, uint64_t b, uint64_t c)
{
    long ret;

    /* xen-x86_64.h: arguments in rdi, rsi, rdx; clobbered on return */
    __asm__ volatile("call *%4"
                     : "=a"(ret), "+D"(a), "+S"(b), "+d"(c)
                     : "r"(hello_hypercall_page + nr * 32)
                     : "memory");
    return ret;
}

static void cpuid(uint32_t leaf, uint32_t out[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
                     : "a"(leaf), "c"(0));
}

struct line {
    char text[160];
    size_t len;
};

static void line_add(struct line *l, const char *s)
{
    while (*s != '\0' && l->len < sizeof(l->text)) {
        l->text[l->len++] = *s++;
    }
}

static void line_add_number(struct line *l, uint64_t n)
{
    char digits[21];
    unsigned at = sizeof(digits) - 1;

    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n != 0);
    line_add(l, digits + at);
}

static void line_print(struct line *l)
{
    line_add(l, "\n");
    hypercall3(__HYPERVISOR_console_io, CONSOLEIO_write, l->len,
               (uintptr_t)l->text);
    l->len = 0;
}

static void shut_down(unsigned reason)
{
    struct sched_shutdown arg = {.reason = reason};

    hypercall3(__HYPERVISOR_sched_op, SCHEDOP_shutdown, (uintptr_t)&arg, 0);
}

static void check(int ok, const char *what)
{
    struct line l;

    l.len = 0;
    if (!ok) {
        line_add(&l, "hello: failed: ");
        line_add(&l, what);
        line_print(&l);
        shut_down(SHUTDOWN_crash);
    }
}

static void install_hypercall_page(void)
{
    uint32_t r[4];
    uint64_t pa = (uintptr_t)hello_hypercall_page;

    cpuid(XEN_CPUID_LEAF(2), r);
    __asm__ volatile("wrmsr"
                     :
                     : "c"(r[1]), "a"((uint32_t)pa),
                       "d"((uint32_t)(pa >> 32))
                     : "memory");
}

static void check_machine(const struct hvm_start_info *info)
{
    const struct hvm_memmap_table_entry *map;
    uint32_t r[4];

    cpuid(XEN_CPUID_LEAF(0), r);
    check(r[1] == XEN_CPUID_SIGNATURE_EBX && r[2] == XEN_CPUID_SIGNATURE_ECX &&
              r[3] == XEN_CPUID_SIGNATURE_EDX,
          "CPUID signature");
    cpuid(1, r);
    check(r[2] >> 31, "CPUID hypervisor bit");
    cpuid(0x80000001, r);
    check(!(r[2] & 4), "CPUID shows SVM");
    check(info->magic == XEN_HVM_START_MAGIC_VALUE && info->version == 1,
          "start_info");
    map = (const void *)(uintptr_t)info->memmap_paddr;
    check(info->memmap_entries >= 1 && map->type == XEN_HVM_MEMMAP_TYPE_RAM &&
              map->size > (uintptr_t)info,
          "memory map");
    check(hypercall3(__HYPERVISOR_xen_version, 99, 0, 0) < 0,
          "an unknown xen_version command is refused");
    check(hypercall3(__HYPERVISOR_memory_op, XENMEM_maximum_ram_page, 0, 0) >
              0,
          "XENMEM_maximum_ram_page");
}

void hello_main(const struct hvm_start_info *info)
{
    struct line l;
    long version;

    l.len = 0;
    install_hypercall_page();
    line_add(&l, "hello: a PVH guest on Ringside");
    line_print(&l);
    check_machine(info);

    version = hypercall3(__HYPERVISOR_xen_version, XENVER_version, 0, 0);
    check(version > 0, "XENVER_version");
    line_add(&l, "hello: Xen ABI ");
    line_add_number(&l, (uint64_t)version >> 16);
    line_add(&l, ".");
    line_add_number(&l, (uint64_t)version & 0xffff);
    line_add(&l, ", all checks passed");
    line_print(&l);
    shut_down(SHUTDOWN_poweroff);
    for (;;) {
        __asm__ volatile("hlt");
    }
}
