/*
 * What exec.c and exec_io.c share.
 */
#ifndef SIM_CPU_EXEC_H
#define SIM_CPU_EXEC_H

#include "sim/cpu/cpu.h"
#include "sim/cpu/insn.h"

static inline bool exec_long_mode(const struct cpu *c)
{
    return (c->g.efer & EFER_LMA) && (c->g.cs.attrib & SEG_ATTR_L);
}

static inline bool exec_iopl_allows(const struct cpu *c)
{
    return c->g.cpl <= (c->g.rflags >> 12 & 3);
}

static inline void exec_gp(struct cpu *c)
{
    svm_exception(c, VEC_GP, true, 0);
}

static inline void exec_ud(struct cpu *c)
{
    svm_exception(c, VEC_UD, false, 0);
}

static inline void exec_skip(struct cpu *c, const struct insn *i)
{
    c->g.rip += i->len;
}

/* -- exec_io.c ------------------------------------------------------------ */

void exec_port(struct cpu *c, const struct insn *i, bool in);
void exec_string(struct cpu *c, const struct insn *i, bool in);

#endif
