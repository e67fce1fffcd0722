/*
 * The few instructions that the executor knows: those a native guest's slot
 * holds (native.h), in their register forms.
 */
#ifndef SIM_CPU_INSN_H
#define SIM_CPU_INSN_H

#include <stdbool.h>
#include <stdint.h>

#define INSN_MAX 15

enum insn_op {
    INSN_UNDEFINED, /* #UD */
    INSN_ESCAPE,    /* 0F 04 id id: native guest */
    INSN_MOV,       /* 8B 07: native guest's memory access */
    INSN_NOP,
    INSN_VMMCALL,
    INSN_CPUID,
    INSN_RDMSR,
    INSN_WRMSR,
    INSN_RDTSC,
    INSN_RDTSCP,
    INSN_RDPMC,
    INSN_IN,
    INSN_OUT,
    INSN_INS,
    INSN_OUTS,
    INSN_HLT,
    INSN_PAUSE,
    INSN_STI,
    INSN_CLI,
    INSN_MOV_TO_CR,
    INSN_MOV_FROM_CR,
    INSN_INVLPG,
    INSN_INVD,
    INSN_WBINVD,
    INSN_VMRUN,
    INSN_VMLOAD,
    INSN_VMSAVE,
    INSN_STGI,
    INSN_CLGI,
    INSN_SKINIT,
    INSN_INVLPGA,
};

struct insn {
    enum insn_op op;
    uint8_t len;
    uint8_t size;   /* port I/O: 1, 2, 4 */
    uint8_t reg;    /* MOV CR, INVLPG: general register */
    uint8_t cr;     /* MOV CR */
    bool rep;
    bool imm_port;  /* IN, OUT with the port in the instruction */
    uint16_t imm;   /* that port; ESCAPE: program id */
};

/* Decodes the `avail` bytes at b. False: more bytes are needed. */
bool insn_decode(const uint8_t *b, unsigned avail, bool long_mode,
                 struct insn *out);

#endif
