/*
 * vCPU 0's first state, as libxc's xc_dom_x86.c vcpu_hvm() writes it: the
 * save records HEADER (the domain's own, read back first, because Xen checks
 * it against the machine), CPU and END through sethvmcontext.
 *
 * Invariants:
 *  1. The records handed over are well formed whatever gethvmcontext said:
 *     lengths are ours, only the header's body is taken over.
 */
#include "pv/guest/builder_context.h"

#include "pv/guest/builder.h"

#include <xen/hvm/save.h>

#define CONTEXT_PAGES_MAX 64u
#define CONTEXT_CR0 0x11u /* PE | ET */
#define CONTEXT_DR6 0xffff0ff0u
#define CONTEXT_DR7 0x00000400u
/* Segment attributes: type, S, DPL, P; then AVL, L, D/B, G */
#define CONTEXT_CS_AR 0xc9bu /* code, 32-bit, 4 KiB granules, accessed */
#define CONTEXT_DS_AR 0xc93u /* data, likewise */
#define CONTEXT_TR_AR 0x8bu  /* busy 32-bit TSS */

struct context_records { /* all sizes are multiples of 8: no padding */
    struct hvm_save_descriptor header_d;
    HVM_SAVE_TYPE(HEADER) header;
    struct hvm_save_descriptor cpu_d;
    HVM_SAVE_TYPE(CPU) cpu;
    struct hvm_save_descriptor end_d;
};
_Static_assert(sizeof(struct context_records) ==
                   3 * sizeof(struct hvm_save_descriptor) +
                       sizeof(struct hvm_save_header) +
                       sizeof(struct hvm_hw_cpu),
               "hvm/save.h: records lie back to back");

static int context_domctl(struct os *os, domid_t domid, uint32_t cmd,
                          uint64_t buffer, uint32_t *size)
{
    struct xen_domctl op = { .cmd = cmd, .domain = domid };
    int rc;

    op.u.hvmcontext.size = *size;
    set_xen_guest_handle_raw(op.u.hvmcontext.buffer, (uint8_t *)buffer);
    rc = builder_domctl(os, &op);
    *size = op.u.hvmcontext.size;
    return rc;
}

static void context_fill_cpu(struct hvm_hw_cpu *c, uint32_t entry,
                             uint64_t start_info)
{
    c->cs_limit = c->ds_limit = c->es_limit = c->ss_limit = ~0u;
    c->fs_limit = c->gs_limit = ~0u;
    c->tr_limit = 0x67;
    c->cs_arbytes = CONTEXT_CS_AR;
    c->ds_arbytes = c->es_arbytes = c->ss_arbytes = CONTEXT_DS_AR;
    c->fs_arbytes = c->gs_arbytes = CONTEXT_DS_AR;
    c->tr_arbytes = CONTEXT_TR_AR;
    c->cr0 = CONTEXT_CR0;
    c->rip = entry;
    c->rbx = start_info;
    c->rflags = 2; /* bit 1 is always set */
    c->dr6 = CONTEXT_DR6;
    c->dr7 = CONTEXT_DR7;
}

static void context_describe(struct hvm_save_descriptor *d, uint16_t type,
                             uint32_t length)
{
    d->typecode = type;
    d->instance = 0;
    d->length = length;
}

/* The header of the domain as it is now: first record of its context. */
static int context_get_header(struct os *os, domid_t domid, uint64_t buffer,
                              uint32_t bytes, struct hvm_save_header *out)
{
    struct hvm_save_descriptor d;
    uint32_t size = bytes;
    int rc = context_domctl(os, domid, XEN_DOMCTL_gethvmcontext, buffer,
                            &size);

    if (rc) {
        return rc;
    }
    os_read(os, buffer, &d, sizeof(d));
    if (d.typecode != HVM_SAVE_CODE(HEADER) ||
        d.length != HVM_SAVE_LENGTH(HEADER)) {
        return -XEN_EIO;
    }
    os_read(os, buffer + sizeof(d), out, sizeof(*out));
    return 0;
}

static int context_load(struct os *os, domid_t domid, uint64_t buffer,
                        uint32_t bytes, uint32_t entry, uint64_t start_info)
{
    struct context_records *r = os_malloc(os, sizeof(*r));
    uint32_t size = sizeof(*r);
    int rc;

    if (!r) {
        return -XEN_ENOMEM;
    }
    rc = context_get_header(os, domid, buffer, bytes, &r->header);
    if (!rc) {
        context_describe(&r->header_d, HVM_SAVE_CODE(HEADER),
                         HVM_SAVE_LENGTH(HEADER));
        context_describe(&r->cpu_d, HVM_SAVE_CODE(CPU),
                         HVM_SAVE_LENGTH(CPU));
        context_describe(&r->end_d, HVM_SAVE_CODE(END), 0);
        context_fill_cpu(&r->cpu, entry, start_info);
        os_write(os, buffer, r, sizeof(*r));
        rc = context_domctl(os, domid, XEN_DOMCTL_sethvmcontext, buffer,
                            &size);
    }
    os_free(os, r);
    return rc;
}

int builder_set_entry(struct os *os, domid_t domid, uint32_t entry,
                      uint64_t start_info)
{
    uint32_t size = 0;
    uint64_t buffer;
    unsigned pages;
    int rc = context_domctl(os, domid, XEN_DOMCTL_gethvmcontext, 0, &size);

    if (rc) {
        return rc;
    }
    if (size < sizeof(struct context_records)) {
        size = sizeof(struct context_records);
    }
    pages = (size + OS_PAGE_SIZE - 1) / OS_PAGE_SIZE;
    if (pages > CONTEXT_PAGES_MAX) {
        return -XEN_E2BIG;
    }
    buffer = os_pages_alloc(os, pages);
    if (!buffer) {
        return -XEN_ENOMEM;
    }
    rc = context_load(os, domid, buffer, pages * OS_PAGE_SIZE, entry,
                      start_info);
    os_pages_free(os, buffer, pages);
    return rc;
}
