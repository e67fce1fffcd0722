/*
 * Formats that the processor defines and both sides of the seam speak: the
 * VMCB, MSR numbers, control-register bits and page-table entries.
 * Sources: AMD64 Architecture Programmer's Manual volume 2 ("APM2"),
 * appendix B (VMCB layout), appendix C (exit codes), chapter 5 (paging).
 * Nothing here is Ringside's own invention, and nothing here has code.
 */
#ifndef HV_X86_ARCH_H
#define HV_X86_ARCH_H

#include <stddef.h>
#include <stdint.h>

/* Control registers, APM2 3.1 */
#define CR0_PE (1ULL << 0)
#define CR0_MP (1ULL << 1)
#define CR0_EM (1ULL << 2)
#define CR0_TS (1ULL << 3)
#define CR0_ET (1ULL << 4)
#define CR0_NE (1ULL << 5)
#define CR0_WP (1ULL << 16)
#define CR0_AM (1ULL << 18)
#define CR0_NW (1ULL << 29)
#define CR0_CD (1ULL << 30)
#define CR0_PG (1ULL << 31)
#define CR4_PAE (1ULL << 5)
#define CR4_PSE (1ULL << 4)
#define CR4_PGE (1ULL << 7)
#define CR4_OSFXSR (1ULL << 9)
#define CR4_OSXMMEXCPT (1ULL << 10)
#define CR4_FSGSBASE (1ULL << 16)
#define CR4_PCIDE (1ULL << 17)
#define CR4_OSXSAVE (1ULL << 18)
#define CR4_SMEP (1ULL << 20)
#define CR4_SMAP (1ULL << 21)

#define RFLAGS_FIXED (1ULL << 1)
#define RFLAGS_TF (1ULL << 8)
#define RFLAGS_IF (1ULL << 9)

/* MSRs, APM2 appendix A */
#define MSR_TSC 0x10
#define MSR_APIC_BASE 0x1b
#define MSR_FEATURE_CONTROL 0x3a /* Intel SDM 3C 24.7 */
#define MSR_SYSENTER_CS 0x174
#define MSR_SYSENTER_ESP 0x175
#define MSR_SYSENTER_EIP 0x176
#define MSR_PAT 0x277
#define MSR_EFER 0xc0000080
#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_CSTAR 0xc0000083
#define MSR_SFMASK 0xc0000084
#define MSR_FS_BASE 0xc0000100
#define MSR_GS_BASE 0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102
#define MSR_TSC_AUX 0xc0000103
#define MSR_VM_CR 0xc0010114
#define MSR_VM_HSAVE_PA 0xc0010117

#define EFER_SCE (1ULL << 0)
#define EFER_LME (1ULL << 8)
#define EFER_LMA (1ULL << 10)
#define EFER_NX (1ULL << 11)
#define EFER_SVME (1ULL << 12)
#define VM_CR_SVMDIS (1ULL << 4)

/* Exception vectors, APM2 8.2 */
#define VEC_DE 0
#define VEC_DB 1
#define VEC_NMI 2
#define VEC_UD 6
#define VEC_DF 8
#define VEC_TS 10
#define VEC_NP 11
#define VEC_SS 12
#define VEC_GP 13
#define VEC_PF 14
#define VEC_AC 17
#define VEC_MC 18

/* Page-table entries (legacy, long mode and nested alike), APM2 5.4 */
#define PTE_P (1ULL << 0)
#define PTE_W (1ULL << 1)
#define PTE_U (1ULL << 2)
#define PTE_A (1ULL << 5)
#define PTE_D (1ULL << 6)
#define PTE_PS (1ULL << 7)
#define PTE_G (1ULL << 8)
#define PTE_NX (1ULL << 63)
#define PTE_ADDR_MASK 0x000ffffffffff000ULL
#define PTES_PER_PAGE 512

/* #PF error code, APM2 8.4.2; nested faults add bits 32 and 33, 15.25.6 */
#define PFEC_P (1ULL << 0)
#define PFEC_W (1ULL << 1)
#define PFEC_U (1ULL << 2)
#define PFEC_RSV (1ULL << 3)
#define PFEC_I (1ULL << 4)
#define NPF_FINAL (1ULL << 32) /* fault on the guest's final address */
#define NPF_WALK (1ULL << 33)  /* fault while walking the guest's tables */

/* General registers that VMRUN does not switch (RAX and RSP are in the
 * VMCB). Index order is the encoding's: 0 rax .. 15 r15. */
struct cpu_regs {
    uint64_t r[16];
};
enum { R_RAX, R_RCX, R_RDX, R_RBX, R_RSP, R_RBP, R_RSI, R_RDI };
enum { R_R8 = 8, R_R9, R_R10, R_R11, R_R12, R_R13, R_R14, R_R15 };

/* Segment registers in the state save area, APM2 table B-2 */
struct vmcb_seg {
    uint16_t sel;
    uint16_t attrib; /* descriptor bits 47:40 and 55:52, packed to 12 bits */
    uint32_t limit;
    uint64_t base;
};
#define SEG_ATTR_TYPE 0x00f
#define SEG_ATTR_S (1u << 4)
#define SEG_ATTR_DPL_SHIFT 5
#define SEG_ATTR_P (1u << 7)
#define SEG_ATTR_AVL (1u << 8)
#define SEG_ATTR_L (1u << 9)
#define SEG_ATTR_DB (1u << 10)
#define SEG_ATTR_G (1u << 11)

/* Virtual machine control block, APM2 appendix B */
struct vmcb {
    uint16_t intercept_cr_read, intercept_cr_write; /* 000 */
    uint16_t intercept_dr_read, intercept_dr_write; /* 004 */
    uint32_t intercept_exceptions;                  /* 008 */
    uint32_t intercept1;                            /* 00c: VMCB_I1_* */
    uint32_t intercept2;                            /* 010: VMCB_I2_* */
    uint8_t reserved_014[0x3c - 0x14];
    uint16_t pause_filter_threshold; /* 03c */
    uint16_t pause_filter_count;     /* 03e */
    uint64_t iopm_base_pa;           /* 040 */
    uint64_t msrpm_base_pa;          /* 048 */
    uint64_t tsc_offset;             /* 050 */
    uint32_t asid;                   /* 058 */
    uint8_t tlb_control;             /* 05c: TLB_CTL_* */
    uint8_t reserved_05d[3];
    uint64_t vintr;            /* 060: VINTR_* */
    uint64_t interrupt_shadow; /* 068: bit 0 shadow, bit 1 guest IF */
    uint64_t exitcode;         /* 070 */
    uint64_t exitinfo1;        /* 078 */
    uint64_t exitinfo2;        /* 080 */
    uint64_t exitintinfo;      /* 088 */
    uint64_t np_control;       /* 090: bit 0 NP_ENABLE */
    uint8_t reserved_098[0xa8 - 0x98];
    uint64_t eventinj;   /* 0a8: EVENTINJ_* */
    uint64_t n_cr3;      /* 0b0 */
    uint64_t lbr_control; /* 0b8 */
    uint64_t clean;      /* 0c0 */
    uint64_t nrip;       /* 0c8 */
    uint8_t insn_len;    /* 0d0 */
    uint8_t insn[15];    /* 0d1 */
    uint8_t reserved_0e0[0x400 - 0xe0];
    struct vmcb_seg es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr; /* 400 */
    uint8_t reserved_4a0[0x4cb - 0x4a0];
    uint8_t cpl; /* 4cb */
    uint8_t reserved_4cc[4];
    uint64_t efer; /* 4d0 */
    uint8_t reserved_4d8[0x548 - 0x4d8];
    uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip; /* 548 */
    uint8_t reserved_580[0x5d8 - 0x580];
    uint64_t rsp; /* 5d8 */
    uint8_t reserved_5e0[0x5f8 - 0x5e0];
    uint64_t rax, star, lstar, cstar, sfmask, kernel_gs_base; /* 5f8 */
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip, cr2;    /* 628 */
    uint8_t reserved_648[0x668 - 0x648];
    uint64_t g_pat, dbgctl, br_from, br_to, lastexcpfrom, lastexcpto;
    uint8_t reserved_698[0x1000 - 0x698];
};
_Static_assert(sizeof(struct vmcb) == 0x1000, "APM2 B: one page");
_Static_assert(offsetof(struct vmcb, iopm_base_pa) == 0x40, "APM2 B-1");
_Static_assert(offsetof(struct vmcb, exitcode) == 0x70, "APM2 B-1");
_Static_assert(offsetof(struct vmcb, nrip) == 0xc8, "APM2 B-1");
_Static_assert(offsetof(struct vmcb, cpl) == 0x4cb, "APM2 B-2");
_Static_assert(offsetof(struct vmcb, efer) == 0x4d0, "APM2 B-2");
_Static_assert(offsetof(struct vmcb, cr4) == 0x548, "APM2 B-2");
_Static_assert(offsetof(struct vmcb, rsp) == 0x5d8, "APM2 B-2");
_Static_assert(offsetof(struct vmcb, rax) == 0x5f8, "APM2 B-2");
_Static_assert(offsetof(struct vmcb, cr2) == 0x640, "APM2 B-2");
_Static_assert(offsetof(struct vmcb, g_pat) == 0x668, "APM2 B-2");

/* intercept1, offset 00c */
#define VMCB_I1_INTR (1u << 0)
#define VMCB_I1_NMI (1u << 1)
#define VMCB_I1_SMI (1u << 2)
#define VMCB_I1_INIT (1u << 3)
#define VMCB_I1_VINTR (1u << 4)
#define VMCB_I1_CR0_SEL (1u << 5)
#define VMCB_I1_RDTSC (1u << 14)
#define VMCB_I1_RDPMC (1u << 15)
#define VMCB_I1_CPUID (1u << 18)
#define VMCB_I1_IRET (1u << 20)
#define VMCB_I1_INVD (1u << 22)
#define VMCB_I1_PAUSE (1u << 23)
#define VMCB_I1_HLT (1u << 24)
#define VMCB_I1_INVLPG (1u << 25)
#define VMCB_I1_INVLPGA (1u << 26)
#define VMCB_I1_IOIO (1u << 27)
#define VMCB_I1_MSR (1u << 28)
#define VMCB_I1_TASK_SWITCH (1u << 29)
#define VMCB_I1_FERR (1u << 30)
#define VMCB_I1_SHUTDOWN (1u << 31)
/* intercept2, offset 010 */
#define VMCB_I2_VMRUN (1u << 0)
#define VMCB_I2_VMMCALL (1u << 1)
#define VMCB_I2_VMLOAD (1u << 2)
#define VMCB_I2_VMSAVE (1u << 3)
#define VMCB_I2_STGI (1u << 4)
#define VMCB_I2_CLGI (1u << 5)
#define VMCB_I2_SKINIT (1u << 6)
#define VMCB_I2_RDTSCP (1u << 7)
#define VMCB_I2_ICEBP (1u << 8)
#define VMCB_I2_WBINVD (1u << 9)
#define VMCB_I2_MONITOR (1u << 10)
#define VMCB_I2_MWAIT (1u << 11)
#define VMCB_I2_MWAIT_ARMED (1u << 12)
#define VMCB_I2_XSETBV (1u << 13)

/* tlb_control, APM2 15.16.2 */
#define TLB_CTL_NONE 0
#define TLB_CTL_FLUSH_ALL 1
#define TLB_CTL_FLUSH_ASID 3 /* CPUID 8000000a edx bit 6 */
#define TLB_CTL_FLUSH_ASID_NONGLOBAL 7

/* vintr, offset 060 */
#define VINTR_V_IRQ (1ULL << 8)
#define VINTR_PRIO_SHIFT 16
#define VINTR_V_IGN_TPR (1ULL << 20)
#define VINTR_V_INTR_MASKING (1ULL << 24)
#define VINTR_VECTOR_SHIFT 32

/* eventinj and exitintinfo, APM2 15.20 */
#define EVENTINJ_TYPE_INTR (0ULL << 8)
#define EVENTINJ_TYPE_NMI (2ULL << 8)
#define EVENTINJ_TYPE_EXCEPTION (3ULL << 8)
#define EVENTINJ_TYPE_SOFT (4ULL << 8)
#define EVENTINJ_TYPE_MASK (7ULL << 8)
#define EVENTINJ_EV (1ULL << 11)
#define EVENTINJ_V (1ULL << 31)

/* Exit codes, APM2 appendix C */
#define VMEXIT_CR0_READ 0x00
#define VMEXIT_CR0_WRITE 0x10
#define VMEXIT_DR0_READ 0x20
#define VMEXIT_DR0_WRITE 0x30
#define VMEXIT_EXCP_BASE 0x40
#define VMEXIT_INTR 0x60
#define VMEXIT_NMI 0x61
#define VMEXIT_SMI 0x62
#define VMEXIT_INIT 0x63
#define VMEXIT_VINTR 0x64
#define VMEXIT_CR0_SEL_WRITE 0x65
#define VMEXIT_RDTSC 0x6e
#define VMEXIT_RDPMC 0x6f
#define VMEXIT_CPUID 0x72
#define VMEXIT_INVD 0x76
#define VMEXIT_PAUSE 0x77
#define VMEXIT_HLT 0x78
#define VMEXIT_INVLPG 0x79
#define VMEXIT_INVLPGA 0x7a
#define VMEXIT_IOIO 0x7b
#define VMEXIT_MSR 0x7c
#define VMEXIT_TASK_SWITCH 0x7d
#define VMEXIT_FERR_FREEZE 0x7e
#define VMEXIT_SHUTDOWN 0x7f
#define VMEXIT_VMRUN 0x80
#define VMEXIT_VMMCALL 0x81
#define VMEXIT_VMLOAD 0x82
#define VMEXIT_VMSAVE 0x83
#define VMEXIT_STGI 0x84
#define VMEXIT_CLGI 0x85
#define VMEXIT_SKINIT 0x86
#define VMEXIT_RDTSCP 0x87
#define VMEXIT_ICEBP 0x88
#define VMEXIT_WBINVD 0x89
#define VMEXIT_MONITOR 0x8a
#define VMEXIT_MWAIT 0x8b
#define VMEXIT_MWAIT_ARMED 0x8c
#define VMEXIT_XSETBV 0x8d
#define VMEXIT_NPF 0x400
#define VMEXIT_INVALID (~0ULL)

/* IOIO exitinfo1, APM2 15.10.2 */
#define IOIO_IN (1ULL << 0)
#define IOIO_STR (1ULL << 2)
#define IOIO_REP (1ULL << 3)
#define IOIO_SZ8 (1ULL << 4)
#define IOIO_SZ16 (1ULL << 5)
#define IOIO_SZ32 (1ULL << 6)
#define IOIO_A16 (1ULL << 7)
#define IOIO_A32 (1ULL << 8)
#define IOIO_A64 (1ULL << 9)
#define IOIO_PORT_SHIFT 16

/* I/O permission map: 12 KiB, one bit a port, set = intercept, 15.10.1.
 * MSR permission map: 8 KiB, two bits an MSR (read, write), 15.11. */
#define IOPM_PAGES 3
#define MSRPM_PAGES 2

#endif
