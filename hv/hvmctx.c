/*
 * sethvmcontext and gethvmcontext: a domain's vCPUs as the HVM save record
 * stream. Source of the format: hvm/save.h and arch-x86/hvm/save.h.
 *
 *   HEADER, { CPU, MTRR } of each vCPU that is up, END
 *
 * A load takes HEADER first, then CPU and MTRR records in any order up to
 * END. It downs all vCPUs and ups those that have a CPU record. Errors in a
 * stream are -EPERM: Xen 4.17's hvm_load() returns a plain -1 for them.
 *
 * Invariants:
 *  1. The domain is paused, and all its vCPUs are off their CPUs, while its
 *     state is read or written.
 *  2. A record is fetched once, descriptor and body, within op->size.
 *  3. A vCPU is upped only after its whole CPU record has been accepted.
 *  4. d->context_held counts for one domain_pause(). It outlives a call only
 *     if that one is to be continued.
 *
 *   free --hold, all off--> held --done--> free
 *             |              ^
 *       -ERESTART: the CPUs  |
 *       get the lock --------'     another operation on d: release --> free
 */
#include "hv/domctl.h"

#include <xen/hvm/save.h>

#include "hv/domain.h"
#include "hv/gmem.h"
#include "hv/hv.h"
#include "hv/lib.h"
#include "hv/sched.h"
#include "hv/x86/virt.h"

#define BAD_STREAM (-XEN_EPERM)
#define MAX_RECORDS (4 * HV_MAX_VCPUS) /* a load looks at no more */

/* Intel SDM 3A 11.11.2.1; the same in APM2 7.7.2 */
#define MTRR_DEF_WB 6u
#define MTRR_DEF_ENABLE (1u << 11)
#define MTRR_MASK_VALID (1ULL << 11)

struct stream {
    struct vcpu *v; /* whose memory */
    gva_t at;
    uint32_t left;
};

static gva_t buffer_gva(const struct xen_domctl_hvmcontext *op)
{
    return GVA((uintptr_t)op->buffer.p);
}

/* -- Hold ------------------------------------------------------------------ */

/* A paused vCPU may still be on a CPU that has left guest mode and waits for
 * the lock, with its x87 and SSE state in there. 0 or -ERESTART. The pause is
 * kept meanwhile: given up, it could be lost to the vCPU's next entry for
 * ever. */
static int context_hold(struct domain *d)
{
    unsigned i;

    if (!d->context_held) {
        d->context_held = true;
        domain_pause(d);
    }
    for (i = 0; i < d->max_vcpus; i++) {
        if (d->vcpus[i] && d->vcpus[i]->running_on >= 0) {
            return -XEN_ERESTART;
        }
    }
    return 0;
}

void domctl_context_release(struct domain *d)
{
    if (d->context_held) {
        d->context_held = false;
        domain_unpause(d);
    }
}

/* -- Load ------------------------------------------------------------------ */

static int take(struct stream *s, void *dst, uint32_t len)
{
    if (len > s->left) {
        return BAD_STREAM;
    }
    if (gmem_copy_from(s->v, dst, s->at, len)) {
        return -XEN_EFAULT;
    }
    s->at.v += len;
    s->left -= len;
    return 0;
}

static int load_header(struct stream *s, struct hv *hv)
{
    struct hvm_save_descriptor desc;
    struct hvm_save_header h;
    int rc = take(s, &desc, sizeof(desc));

    if (rc) {
        return rc;
    }
    if (desc.typecode != HVM_SAVE_CODE(HEADER) || desc.length != sizeof(h)) {
        return BAD_STREAM;
    }
    rc = take(s, &h, sizeof(h));
    if (rc) {
        return rc;
    }
    if (h.magic != HVM_FILE_MAGIC || h.version != HVM_FILE_VERSION) {
        return BAD_STREAM;
    }
    /* The guest's TSC runs at the machine's rate; another can't be had. */
    if (h.gtsc_khz && h.gtsc_khz != (uint32_t)plat_tsc_khz(hv->plat)) {
        return BAD_STREAM;
    }
    return 0;
}

static int load_cpu(struct stream *s, struct vcpu *target, uint32_t len)
{
    struct hvm_hw_cpu c;
    int rc;

    memset(&c, 0, sizeof(c));
    /* A shorter record is an older one: the rest is zero. */
    if (len > sizeof(c)) {
        return BAD_STREAM;
    }
    rc = take(s, &c, len);
    if (rc) {
        return rc;
    }
    if (c.pad0 != 0 || vcpu_load_hvm_cpu(target, &c)) {
        return BAD_STREAM;
    }
    target->initialised = true;
    target->context_valid = true;
    target->online = true;
    return 0;
}

/* Memory is write-back for every guest here, and CPUID shows no MTRRs: a
 * record that says the same is fine, one that says otherwise can't be had. */
static int load_mtrr(struct stream *s, struct vcpu *target, uint32_t len)
{
    struct hvm_hw_mtrr m;
    unsigned i;
    int rc;

    if (len != sizeof(m)) {
        return BAD_STREAM;
    }
    rc = take(s, &m, sizeof(m));
    if (rc) {
        return rc;
    }
    if (m.msr_mtrr_def_type != (MTRR_DEF_WB | MTRR_DEF_ENABLE)) {
        return BAD_STREAM;
    }
    for (i = 0; i < MTRR_VCNT; i++) {
        if (m.msr_mtrr_var[2 * i + 1] & MTRR_MASK_VALID) {
            return BAD_STREAM;
        }
    }
    return msr_guest_write(target, MSR_PAT, m.msr_pat_cr) ? BAD_STREAM : 0;
}

static int load_record(struct stream *s, struct domain *d,
                       const struct hvm_save_descriptor *desc)
{
    struct vcpu *target;

    if (desc->typecode != HVM_SAVE_CODE(CPU) &&
        desc->typecode != HVM_SAVE_CODE(MTRR)) {
        return BAD_STREAM;
    }
    if (desc->instance >= d->max_vcpus || !d->vcpus[desc->instance]) {
        return BAD_STREAM;
    }
    target = d->vcpus[desc->instance];
    return desc->typecode == HVM_SAVE_CODE(CPU)
               ? load_cpu(s, target, desc->length)
               : load_mtrr(s, target, desc->length);
}

static int load(struct stream *s, struct domain *d)
{
    struct hvm_save_descriptor desc;
    unsigned i;
    int rc = load_header(s, d->hv);

    if (rc) {
        return rc;
    }
    for (i = 0; i < d->max_vcpus; i++) {
        if (d->vcpus[i]) {
            d->vcpus[i]->online = false;
        }
    }
    for (i = 0; i < MAX_RECORDS; i++) {
        rc = take(s, &desc, sizeof(desc));
        if (rc) {
            return rc;
        }
        if (desc.typecode == HVM_SAVE_CODE(END)) {
            return 0;
        }
        rc = load_record(s, d, &desc);
        if (rc) {
            return rc;
        }
    }
    return BAD_STREAM;
}

int domctl_set_hvm_context(struct vcpu *v, struct domain *d,
                           const struct xen_domctl_hvmcontext *op)
{
    struct stream s = {v, buffer_gva(op), op->size};
    int rc;

    if (d == v->domain || d->dying != DOMDYING_alive) {
        return -XEN_EINVAL;
    }
    rc = context_hold(d);
    if (rc) {
        return rc;
    }
    rc = load(&s, d);
    domctl_context_release(d); /* reconsiders every vCPU, those upped too */
    return rc;
}

/* -- Save ------------------------------------------------------------------ */

static int put(struct stream *s, unsigned typecode, unsigned instance,
               const void *body, uint32_t len)
{
    const struct hvm_save_descriptor desc = {
        .typecode = (uint16_t)typecode,
        .instance = (uint16_t)instance,
        .length = len,
    };

    ASSERT(s->v->domain->hv, s->left >= sizeof(desc) + len);
    if (gmem_copy_to(s->v, s->at, &desc, sizeof(desc))) {
        return -XEN_EFAULT;
    }
    s->at.v += sizeof(desc);
    if (gmem_copy_to(s->v, s->at, body, len)) {
        return -XEN_EFAULT;
    }
    s->at.v += len;
    s->left -= (uint32_t)sizeof(desc) + len;
    return 0;
}

/* Its own function: two records are too much for one stack frame. */
static int save_mtrr(struct stream *s, struct vcpu *target)
{
    struct hvm_hw_mtrr m;

    memset(&m, 0, sizeof(m));
    m.msr_mtrr_def_type = MTRR_DEF_WB | MTRR_DEF_ENABLE;
    m.msr_mtrr_cap = MTRR_VCNT;
    if (msr_guest_read(target, MSR_PAT, &m.msr_pat_cr)) {
        return -XEN_EINVAL;
    }
    return put(s, HVM_SAVE_CODE(MTRR), target->id, &m, sizeof(m));
}

static int save_cpu(struct stream *s, struct vcpu *target)
{
    struct hvm_hw_cpu c;

    memset(&c, 0, sizeof(c));
    vcpu_save_hvm_cpu(target, &c);
    return put(s, HVM_SAVE_CODE(CPU), target->id, &c, sizeof(c));
}

static int save(struct stream *s, struct domain *d)
{
    struct hvm_save_header h;
    uint32_t id[4];
    unsigned i;
    int rc;

    memset(&h, 0, sizeof(h));
    h.magic = HVM_FILE_MAGIC;
    h.version = HVM_FILE_VERSION;
    h.gtsc_khz = (uint32_t)plat_tsc_khz(d->hv->plat);
    plat_cpuid(d->hv->plat, 1, 0, id);
    h.cpuid = id[0];
    rc = put(s, HVM_SAVE_CODE(HEADER), 0, &h, sizeof(h));
    for (i = 0; !rc && i < d->max_vcpus; i++) {
        struct vcpu *target = d->vcpus[i];

        /* A vCPU that is down has nothing worth saving. */
        if (target && target->online) {
            rc = save_cpu(s, target);
            rc = rc ? rc : save_mtrr(s, target);
        }
    }
    return rc ? rc : put(s, HVM_SAVE_CODE(END), 0, &h, 0);
}

/* Room for all vCPUs, as if all were up. */
static uint32_t save_size(const struct domain *d)
{
    const uint32_t desc = sizeof(struct hvm_save_descriptor);
    uint32_t each = desc + sizeof(struct hvm_hw_cpu) + desc +
                    sizeof(struct hvm_hw_mtrr);
    uint32_t size = desc + sizeof(struct hvm_save_header) + desc;
    unsigned i;

    for (i = 0; i < d->max_vcpus; i++) {
        size += d->vcpus[i] ? each : 0;
    }
    return size;
}

int domctl_get_hvm_context(struct vcpu *v, struct domain *d,
                           struct xen_domctl_hvmcontext *op)
{
    struct stream s = {v, buffer_gva(op), save_size(d)};
    int rc;

    if (d == v->domain) {
        return -XEN_EINVAL;
    }
    if (!s.at.v) {
        op->size = s.left; /* domctl.h: a NULL buffer asks for the size */
        return 0;
    }
    if (op->size < s.left) {
        return -XEN_ENOSPC;
    }
    rc = context_hold(d);
    if (rc) {
        return rc;
    }
    rc = save(&s, d);
    domctl_context_release(d);
    op->size = (uint32_t)(s.at.v - buffer_gva(op).v);
    return rc;
}
