/*
 * Decoder for the executor's few instructions. APM3 appendix A.
 *
 * Invariants:
 *  1. It never reads past `avail`.
 *  2. What it doesn't know is INSN_UNDEFINED with length 1.
 */
#include "sim/cpu/insn.h"

#include <stddef.h>
#include <string.h>

struct cursor {
    const uint8_t *b;
    unsigned avail, at;
    bool short_of; /* ran out */
    bool opsize, rep, repne, rex_b;
};

static uint8_t take(struct cursor *k)
{
    if (k->at >= k->avail) {
        k->short_of = true;
        return 0;
    }
    return k->b[k->at++];
}

/* 0F 01: group 7 */
static enum insn_op decode_0f01(struct cursor *k, struct insn *i)
{
    static const uint8_t svm[8] = {INSN_VMRUN,  INSN_VMMCALL, INSN_VMLOAD,
                                   INSN_VMSAVE, INSN_STGI,    INSN_CLGI,
                                   INSN_SKINIT, INSN_INVLPGA};
    uint8_t modrm = take(k);

    if (modrm >= 0xd8 && modrm <= 0xdf) {
        return svm[modrm & 7];
    }
    if (modrm == 0xf9) {
        return INSN_RDTSCP;
    }
    /* INVLPG [reg] */
    if ((modrm & 0xf8) == 0x38 && (modrm & 7) != 4 && (modrm & 7) != 5) {
        i->reg = (uint8_t)((modrm & 7) | (k->rex_b ? 8 : 0));
        return INSN_INVLPG;
    }
    return INSN_UNDEFINED;
}

static enum insn_op decode_0f(struct cursor *k, struct insn *i)
{
    uint8_t op = take(k), modrm;

    switch (op) {
    case 0x01:
        return decode_0f01(k, i);
    case 0x04:
        i->imm = take(k);
        i->imm |= (uint16_t)(take(k) << 8);
        return INSN_ESCAPE;
    case 0x08:
        return INSN_INVD;
    case 0x09:
        return INSN_WBINVD;
    case 0x20:
    case 0x22:
        modrm = take(k);
        i->reg = (uint8_t)((modrm & 7) | (k->rex_b ? 8 : 0));
        i->cr = modrm >> 3 & 7;
        if ((modrm & 0xc0) != 0xc0 ||
            (i->cr != 0 && i->cr != 2 && i->cr != 3 && i->cr != 4)) {
            return INSN_UNDEFINED;
        }
        return op == 0x20 ? INSN_MOV_FROM_CR : INSN_MOV_TO_CR;
    case 0x30:
        return INSN_WRMSR;
    case 0x31:
        return INSN_RDTSC;
    case 0x32:
        return INSN_RDMSR;
    case 0x33:
        return INSN_RDPMC;
    case 0xa2:
        return INSN_CPUID;
    default:
        return INSN_UNDEFINED; /* 0F 0B, UD2, among them */
    }
}

static enum insn_op decode_one(struct cursor *k, struct insn *i, uint8_t op)
{
    i->size = !(op & 1) ? 1 : k->opsize ? 2 : 4;
    i->rep = k->rep || k->repne;
    switch (op) {
    case 0x0f:
        return decode_0f(k, i);
    case 0x6c:
    case 0x6d:
        return INSN_INS;
    case 0x6e:
    case 0x6f:
        return INSN_OUTS;
    case 0x8b:
        return take(k) == 0x07 ? INSN_MOV : INSN_UNDEFINED;
    case 0x90:
        return k->rep ? INSN_PAUSE : INSN_NOP;
    case 0xe4:
    case 0xe5:
    case 0xe6:
    case 0xe7:
        i->imm_port = true;
        i->imm = take(k);
        return op < 0xe6 ? INSN_IN : INSN_OUT;
    case 0xec:
    case 0xed:
        return INSN_IN;
    case 0xee:
    case 0xef:
        return INSN_OUT;
    case 0xf4:
        return INSN_HLT;
    case 0xfa:
        return INSN_CLI;
    case 0xfb:
        return INSN_STI;
    default:
        return INSN_UNDEFINED;
    }
}

bool insn_decode(const uint8_t *b, unsigned avail, bool long_mode,
                 struct insn *out)
{
    struct cursor k = {.b = b, .avail = avail};
    uint8_t op = take(&k);

    memset(out, 0, sizeof(*out));
    while (op == 0x66 || op == 0xf2 || op == 0xf3) {
        k.opsize = k.opsize || op == 0x66;
        k.rep = k.rep || op == 0xf3;
        k.repne = k.repne || op == 0xf2;
        op = take(&k);
        if (k.at >= INSN_MAX) {
            break;
        }
    }
    if (long_mode && (op & 0xf0) == 0x40) {
        k.rex_b = op & 1;
        op = take(&k);
    }
    if (!k.short_of) {
        out->op = decode_one(&k, out, op);
    }
    out->len = out->op == INSN_UNDEFINED ? 1 : (uint8_t)k.at;
    return !k.short_of;
}
