/*
 * What a native program does to the machine: memory accesses, and
 * instructions of its slot.
 *
 * Invariants:
 *  1. A memory access is one crossing per page it touches, and is made with
 *     the rights that the TLB or a walk has just given.
 *  2. After anything that may trap, n->cpu is read again: the vCPU may have
 *     moved.
 */
#include "sim/cpu/native_impl.h"
#include "sim/defined.h"
#include "sim/machine_impl.h"

#include <string.h>

/* -- Memory --------------------------------------------------------------- */

/* Host pointer for an access to [va, va+len), which lies in one page. NULL: the
 * hypervisor has moved RIP past the access, which is to have no effect. */
static inline uint8_t *native_reach(struct native *n, uint64_t va, size_t len,
                                    enum mmu_access how)
{
    struct machine *m = n->m;

    n->op_rip = n->cpu->g.rip = n->slot + SLOT_MOV;
    n->op_end = n->op_rip + 2;
    n->op_mov = true;
    machine_crossing(m, CROSSING_NS);
    for (;;) {
        struct cpu *c = n->cpu;
        uint8_t *p;

        if (!svm_attention(c) || !svm_interrupt_due(c)) {
            p = mmu_translate(c, va, how, &n->fault);
            if (p != NULL) {
                c->g.shadow = false;
                if (m->observer.guest_access != NULL) {
                    m->observer.guest_access(
                        m->observer.ctx, c->id, MFN(c->vmcb >> PAGE_SHIFT),
                        MADDR((uint64_t)(p - m->ram)), len, how == MMU_WRITE);
                }
                return p;
            }
            n->faulted = true;
        }
        if (native_wait(n)) {
            return NULL;
        }
    }
}

static size_t native_piece(uint64_t va, size_t len)
{
    size_t room = PAGE_SIZE - (va & (PAGE_SIZE - 1));

    return len < room ? len : room;
}

void native_read(struct native *n, uint64_t gva, void *dst, size_t len)
{
    uint8_t *to = dst;

    while (len > 0) {
        size_t piece = native_piece(gva, len);
        const uint8_t *p = native_reach(n, gva, piece, MMU_READ);

        if (p != NULL) {
            memcpy(to, p, piece);
        } else {
            memset(to, 0, piece);
        }
        gva += piece;
        to += piece;
        len -= piece;
    }
}

void native_write(struct native *n, uint64_t gva, const void *src,
                  size_t len)
{
    const uint8_t *from = src;

    sim_defined(src, len);
    while (len > 0) {
        size_t piece = native_piece(gva, len);
        uint8_t *p = native_reach(n, gva, piece, MMU_WRITE);

        if (p != NULL) {
            memcpy(p, from, piece);
        }
        gva += piece;
        from += piece;
        len -= piece;
    }
}

static uint8_t *native_reach_atomic(struct native *n, uint64_t gva,
                                    unsigned len)
{
    if ((len != 1 && len != 2 && len != 4 && len != 8) ||
        native_piece(gva, len) != len) {
        machine_fatal(n->m, "native program %s: locked access of %u bytes at "
                            "%#llx", n->name, len, (unsigned long long)gva);
    }
    return native_reach(n, gva, len, MMU_WRITE);
}

uint64_t native_cmpxchg(struct native *n, uint64_t gva, unsigned len,
                        uint64_t old, uint64_t new)
{
    uint64_t mask = len >= 8 ? ~0ULL : (1ULL << 8 * len) - 1, was = 0;
    uint8_t *p = native_reach_atomic(n, gva, len);

    sim_defined(&new, len);
    if (p != NULL) {
        memcpy(&was, p, len);
        if (was == (old & mask)) {
            memcpy(p, &new, len);
        }
    }
    return was;
}

uint64_t native_xchg(struct native *n, uint64_t gva, unsigned len,
                     uint64_t value)
{
    uint8_t *p = native_reach_atomic(n, gva, len);
    uint64_t was = 0;

    sim_defined(&value, len);
    if (p != NULL) {
        memcpy(&was, p, len);
        memcpy(p, &value, len);
    }
    return was;
}

/* Like BTS and BTR with a register: `bit` may be past the first word. */
static bool native_bit(struct native *n, uint64_t gva, unsigned bit, bool set)
{
    uint8_t *p = native_reach_atomic(n, gva + bit / 8, 1), mask;
    bool was;

    if (p == NULL) {
        return false;
    }
    mask = (uint8_t)(1u << bit % 8);
    was = *p & mask;
    *p = (uint8_t)(set ? *p | mask : *p & ~mask);
    return was;
}

bool native_test_and_set_bit(struct native *n, uint64_t gva, unsigned bit)
{
    return native_bit(n, gva, bit, true);
}

bool native_test_and_clear_bit(struct native *n, uint64_t gva, unsigned bit)
{
    return native_bit(n, gva, bit, false);
}

/* -- Instructions --------------------------------------------------------- */

static uint64_t *native_reg(struct native *n, unsigned reg)
{
    return &n->cpu->g.regs.r[reg];
}

/* Executes the `len` bytes at `offset` of the slot. Returns the vector if it
 * raised #UD or #GP and `catching`, else 0. */
static uint8_t native_execute(struct native *n, unsigned offset, unsigned len,
                              bool catching)
{
    n->op_rip = n->cpu->g.rip = n->slot + offset;
    n->op_end = n->op_rip + len;
    n->op_mov = false;
    n->catching = catching;
    n->caught = 0;
    while (!native_wait(n)) {
    }
    n->catching = false;
    return n->caught;
}

/* Puts an instruction that the slot does not have into its last part, as
 * self-modifying code does. */
static void native_assemble(struct native *n, const uint8_t *bytes,
                            size_t len)
{
    uint8_t code[15 + NATIVE_ESCAPE_BYTES];

    memcpy(code, bytes, len);
    code[len] = 0x0f;
    code[len + 1] = 0x04;
    code[len + 2] = (uint8_t)n->id;
    code[len + 3] = (uint8_t)(n->id >> 8);
    native_write(n, n->slot + SLOT_INSN, code, len + NATIVE_ESCAPE_BYTES);
}

bool native_insn(struct native *n, const uint8_t *bytes, size_t len)
{
    struct cpu_regs regs = n->cpu->g.regs;

    if (len == 0 || len > 15) {
        machine_fatal(n->m, "native program %s: instruction of %zu bytes",
                      n->name, len);
    }
    native_assemble(n, bytes, len);
    n->cpu->g.regs = regs;
    return native_execute(n, SLOT_INSN, (unsigned)len, true) == 0;
}

int64_t native_hypercall(struct native *n, uint64_t nr, const uint64_t a[5])
{
    uint64_t *r = n->cpu->g.regs.r;

    r[R_RAX] = nr;
    r[R_RDI] = a[0];
    r[R_RSI] = a[1];
    r[R_RDX] = a[2];
    r[R_R10] = a[3];
    r[R_R8] = a[4];
    native_execute(n, SLOT_VMMCALL, 3, false);
    return (int64_t)*native_reg(n, R_RAX);
}

void native_cpuid(struct native *n, uint32_t leaf, uint32_t subleaf,
                  uint32_t out[4])
{
    uint64_t *r = n->cpu->g.regs.r;

    r[R_RAX] = leaf;
    r[R_RCX] = subleaf;
    native_execute(n, SLOT_CPUID, 2, false);
    r = n->cpu->g.regs.r;
    out[0] = (uint32_t)r[R_RAX];
    out[1] = (uint32_t)r[R_RBX];
    out[2] = (uint32_t)r[R_RCX];
    out[3] = (uint32_t)r[R_RDX];
}

bool native_rdmsr(struct native *n, uint32_t msr, uint64_t *value)
{
    *native_reg(n, R_RCX) = msr;
    if (native_execute(n, SLOT_RDMSR, 2, true) != 0) {
        return false;
    }
    *value = (uint32_t)*native_reg(n, R_RAX) | *native_reg(n, R_RDX) << 32;
    return true;
}

bool native_wrmsr(struct native *n, uint32_t msr, uint64_t value)
{
    *native_reg(n, R_RCX) = msr;
    *native_reg(n, R_RAX) = (uint32_t)value;
    *native_reg(n, R_RDX) = value >> 32;
    return native_execute(n, SLOT_WRMSR, 2, true) == 0;
}

uint32_t native_in(struct native *n, uint16_t port, unsigned len)
{
    *native_reg(n, R_RDX) = port;
    *native_reg(n, R_RAX) = 0;
    native_execute(n, len == 1   ? SLOT_IN8
                      : len == 2 ? SLOT_IN16
                                 : SLOT_IN32,
                   len == 2 ? 2 : 1, false);
    return (uint32_t)*native_reg(n, R_RAX);
}

void native_out(struct native *n, uint16_t port, unsigned len, uint32_t v)
{
    *native_reg(n, R_RDX) = port;
    *native_reg(n, R_RAX) = v;
    native_execute(n, len == 1   ? SLOT_OUT8
                      : len == 2 ? SLOT_OUT16
                                 : SLOT_OUT32,
                   len == 2 ? 2 : 1, false);
}

static void native_string(struct native *n, uint8_t opcode, uint16_t port,
                          unsigned len, uint64_t gva, uint64_t count)
{
    uint8_t code[3] = {0x66, 0xf3, 0};
    const uint8_t *start = len == 2 ? code : code + 1;
    unsigned bytes = len == 2 ? 3 : 2;

    code[2] = (uint8_t)(opcode | (len == 1 ? 0 : 1));
    native_assemble(n, start, bytes);
    *native_reg(n, R_RDX) = port;
    *native_reg(n, R_RCX) = count;
    *native_reg(n, opcode == 0x6c ? R_RDI : R_RSI) = gva;
    native_execute(n, SLOT_INSN, bytes, false);
}

void native_ins(struct native *n, uint16_t port, unsigned len, uint64_t gva,
                uint64_t count)
{
    native_string(n, 0x6c, port, len, gva, count);
}

void native_outs(struct native *n, uint16_t port, unsigned len, uint64_t gva,
                 uint64_t count)
{
    native_string(n, 0x6e, port, len, gva, count);
}

void native_hlt(struct native *n)
{
    native_execute(n, SLOT_HLT, 1, false);
}

void native_pause(struct native *n)
{
    native_execute(n, SLOT_PAUSE, 2, false);
}

void native_sti(struct native *n)
{
    native_execute(n, SLOT_STI, 1, false);
}

void native_cli(struct native *n)
{
    native_execute(n, SLOT_CLI, 1, false);
}

uint64_t native_rdtsc(struct native *n)
{
    native_execute(n, SLOT_RDTSC, 2, false);
    return (uint32_t)*native_reg(n, R_RAX) | *native_reg(n, R_RDX) << 32;
}

uint64_t native_get_reg(struct native *n, unsigned reg)
{
    return *native_reg(n, reg);
}

uint64_t native_get_cr(struct native *n, unsigned cr)
{
    const struct guest_state *g = &n->cpu->g;

    return cr == 0 ? g->cr0 : cr == 2 ? g->cr2 : cr == 3 ? g->cr3 : g->cr4;
}

void native_set_cr(struct native *n, unsigned cr, uint64_t value)
{
    const uint8_t code[3] = {0x0f, 0x22, (uint8_t)(0xc0 | cr << 3)};

    native_assemble(n, code, sizeof(code)); /* MOV CRn, RAX */
    *native_reg(n, R_RAX) = value;
    native_execute(n, SLOT_INSN, sizeof(code), false);
}

void native_invlpg(struct native *n, uint64_t gva)
{
    static const uint8_t code[3] = {0x0f, 0x01, 0x38}; /* INVLPG [RAX] */

    native_assemble(n, code, sizeof(code));
    *native_reg(n, R_RAX) = gva;
    native_execute(n, SLOT_INSN, sizeof(code), false);
}

void native_enter_long_mode(struct native *n, uint64_t tables,
                            uint64_t map_bytes)
{
    uint64_t page[PTES_PER_PAGE], efer = 0;
    unsigned nr = (unsigned)((map_bytes + (2ULL << 20) - 1) >> 21);

    memset(page, 0, sizeof(page));
    page[0] = (tables + PAGE_SIZE) | PTE_P | PTE_W | PTE_U;
    native_write(n, tables, page, sizeof(page));
    page[0] = (tables + 2 * PAGE_SIZE) | PTE_P | PTE_W | PTE_U;
    native_write(n, tables + PAGE_SIZE, page, sizeof(page));
    page[0] = 0;
    for (unsigned i = 0; i < nr && i < PTES_PER_PAGE; i++) {
        page[i] = (uint64_t)i << 21 | PTE_P | PTE_W | PTE_U | PTE_PS;
    }
    native_write(n, tables + 2 * PAGE_SIZE, page, sizeof(page));
    native_set_cr(n, 4, native_get_cr(n, 4) | CR4_PAE);
    native_set_cr(n, 3, tables);
    native_rdmsr(n, MSR_EFER, &efer);
    native_wrmsr(n, MSR_EFER, efer | EFER_LME);
    native_set_cr(n, 0, native_get_cr(n, 0) | CR0_PG);
    /* The far jump into a 64-bit code segment. */
    n->cpu->g.cs.attrib =
        (uint16_t)((n->cpu->g.cs.attrib & ~SEG_ATTR_DB) | SEG_ATTR_L);
}

void native_set_handler(struct native *n,
                        void (*fn)(struct native *n, void *arg,
                                   uint8_t vector, uint32_t error_code),
                        void *arg)
{
    n->handler = fn;
    n->handler_arg = arg;
}

/* -- Private memory ------------------------------------------------------- */

/* In a list of its program's, whichever program frees it. */
struct native_block {
    _Alignas(16) size_t size;
    struct native_block *next, **link; /* what points here */
};

void *native_alloc(struct native *n, size_t size)
{
    struct machine *m = n->m;
    struct native_block *b;

    if (size > m->cfg.heap_bytes - m->heap_used) {
        return NULL;
    }
    b = arena_alloc(m->arena, sizeof(*b) + size, 16);
    b->size = size;
    b->next = n->blocks;
    b->link = &n->blocks;
    if (b->next != NULL) {
        b->next->link = &b->next;
    }
    n->blocks = b;
    m->heap_used += size;
    return b + 1;
}

void native_free(struct native *n, void *p)
{
    struct native_block *b = p;

    if (p != NULL) {
        b--;
        *b->link = b->next;
        if (b->next != NULL) {
            b->next->link = b->link;
        }
        n->m->heap_used -= b->size;
        arena_free(n->m->arena, b);
    }
}

void native_free_all(struct native *n)
{
    while (n->blocks != NULL) {
        native_free(n, n->blocks + 1);
    }
}
