/*
 * Port I/O of guests. A port that a domain does not own reads as all ones
 * and swallows what is written, as an empty bus does; port 0xe9 takes bytes
 * for the console (Xen's hvm_print_line()).
 *
 * Invariants:
 *  1. Only the control domain's I/O permission map has a clear bit; what it
 *     permits never exits, and so never comes here. APM2 15.10
 *  2. A string instruction does at most IOPORT_UNITS units an exit, with RCX
 *     and the index register as the processor would leave them after those:
 *     the guest meets the instruction again for the rest.
 */
#include "hv/ioport.h"

#include "hv/gmem.h"
#include "hv/hv.h"
#include "hv/lib.h"
#include "hv/x86/virt.h"

#define IOPORT_CONSOLE 0xe9
#define IOPORT_UNITS 64
#define RFLAGS_DF (1ULL << 10) /* APM2 3.1.6 */

struct port_range {
    uint16_t first, last;
};

/* What the hypervisor keeps: Xen's list for its own control domain (both
 * PICs, the PIT and its gate, the edge/level register), the console's UART,
 * and the debug console, which is every domain's own. */
static const struct port_range kept[] = {
    {0x20, 0x21}, {0x40, 0x43},   {0x61, 0x61},   {0xa0, 0xa1},
    {0xe9, 0xe9}, {0x3f8, 0x3ff}, {0x4d0, 0x4d1},
};

void ioport_grant_control(struct domain *d)
{
    uint8_t *map;

    if (!d->has_maps) {
        return; /* a vendor half without I/O permission maps */
    }
    map = plat_frame(d->hv->plat, d->iopm);
    /* The bits behind port 0xffff stay set: for accesses that run over. */
    memset(map, 0, 0x10000 / 8);
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        for (unsigned p = kept[i].first; p <= kept[i].last; p++) {
            map[p / 8] |= (uint8_t)(1u << (p % 8));
        }
    }
}

static void ioport_write(struct vcpu *v, const struct vcpu_exit *e,
                         uint32_t value)
{
    char c = (char)value;

    if (e->port != IOPORT_CONSOLE || e->len != 1) {
        return;
    }
    /* Xen: "Accept only printable characters, newline, and tab." */
    if ((c >= 0x20 && c < 0x7f) || c == '\n' || c == '\t') {
        domain_console_putc(v->domain, c);
    }
}

static uint64_t width_mask(unsigned bytes)
{
    return bytes == 8 ? ~0ULL : (1ULL << bytes * 8) - 1;
}

/* Writes the low addr_len bytes of a register as the processor does. */
static void set_index(struct vcpu *v, unsigned reg, unsigned addr_len,
                      uint64_t value)
{
    uint64_t old = v->domain->ops->get_reg(v, reg);

    if (addr_len == 2) {
        value = (old & ~0xffffULL) | (value & 0xffff);
    } else {
        value &= width_mask(addr_len);
    }
    v->domain->ops->set_reg(v, reg, value);
}

/* One unit at guest-linear address `at`. */
static int string_unit(struct vcpu *v, const struct vcpu_exit *e, uint64_t at)
{
    uint32_t value = ~0u;

    if (e->in) {
        return gmem_copy_to(v, GVA(at), &value, e->len);
    }
    value = 0;
    if (gmem_copy_from(v, &value, GVA(at), e->len)) {
        return -XEN_EFAULT;
    }
    ioport_write(v, e, value);
    return 0;
}

/* INS writes at ES:rDI, OUTS reads at DS:rSI (other segments' bases are not
 * looked at). An address that does not translate raises #GP, not #PF. */
static void string_exit(struct vcpu *v, const struct vcpu_exit *e)
{
    const struct vendor_ops *ops = v->domain->ops;
    unsigned reg = e->in ? R_RDI : R_RSI;
    uint64_t mask = width_mask(e->addr_len), base, index, count;
    struct vcpu_state s;
    int64_t step;

    ops->get_state(v, &s);
    step = (s.rflags & RFLAGS_DF) ? -(int64_t)e->len : (int64_t)e->len;
    base = (s.efer & EFER_LMA) && (s.seg[SEG_CS].attrib & SEG_ATTR_L)
               ? 0
               : s.seg[e->in ? SEG_ES : SEG_DS].base;
    index = ops->get_reg(v, reg) & mask;
    count = e->rep ? ops->get_reg(v, R_RCX) & mask : 1;
    for (unsigned n = 0; count != 0 && n < IOPORT_UNITS; n++) {
        if (string_unit(v, e, base + index)) {
            ops->inject(v, VEC_GP, 0);
            break;
        }
        index = (index + (uint64_t)step) & mask;
        count--;
    }
    set_index(v, reg, e->addr_len, index);
    if (e->rep) {
        set_index(v, R_RCX, e->addr_len, count);
    }
    if (count == 0) {
        ops->skip_insn(v);
    }
}

void ioport_exit(struct vcpu *v, const struct vcpu_exit *e)
{
    const struct vendor_ops *ops = v->domain->ops;
    uint64_t rax;

    if (e->string) {
        string_exit(v, e);
        return;
    }
    rax = ops->get_reg(v, R_RAX);
    if (!e->in) {
        ioport_write(v, e, (uint32_t)rax);
    } else if (e->len == 4) {
        ops->set_reg(v, R_RAX, 0xffffffff); /* 32-bit writes zero-extend */
    } else {
        ops->set_reg(v, R_RAX, rax | width_mask(e->len));
    }
    ops->skip_insn(v);
}
