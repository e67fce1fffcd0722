/*
 * Time as guests see it: each vCPU's vcpu_time_info, the domain's wallclock,
 * and the runstate record. Source of the formats: xen.h and vcpu.h.
 *
 * Invariants:
 *  1. A version is odd in the guest's memory exactly while the fields behind
 *     it are being written, and never the same twice for two contents
 *     (xen.h: vcpu_time_info).
 *  2. System time is plat_now(): ns since the machine's reset, and so the
 *     same for all domains and CPUs.
 *  3. The sum of a vCPU's runstate times is the time since its creation.
 */
#include "hv/domain.h"
#include "hv/gmem.h"
#include "hv/hv.h"
#include "hv/lib.h"
#include "hv/x86/virt.h"

#define NS_PER_S 1000000000ULL

/* xen.h: ns = ((tsc << shift) * mul) >> 32. mul is kept in [2^31, 2^32). */
static void time_scale(uint64_t khz, uint32_t *mul, int8_t *shift)
{
    uint64_t hz = khz * 1000;
    int s = 0;

    /* mul / 2^32 = 10^9 / (hz << s) has to be in [1/2, 1). */
    while (hz > NS_PER_S * 2) {
        hz >>= 1;
        s--;
    }
    while (hz <= NS_PER_S) {
        hz <<= 1;
        s++;
    }
    *mul = (uint32_t)((NS_PER_S << 32) / hz);
    *shift = (int8_t)s;
}

/* The secondary copy, by the same protocol. A guest that has unmapped it
 * gets none, as on Xen. */
static void time_update_area(struct vcpu *v, struct vcpu_time_info *info)
{
    const uint32_t final = info->version;
    uint64_t at = v->time_area.v;
    uint32_t odd = final - 1;

    if (at == 0 || gmem_copy_to(v, GVA(at), &odd, sizeof(odd))) {
        return;
    }
    info->version = odd;
    if (gmem_copy_to(v, GVA(at), info, sizeof(*info))) {
        return;
    }
    info->version = final;
    (void)gmem_copy_to(v, GVA(at), &info->version, sizeof(info->version));
}

void vcpu_update_time(struct vcpu *v)
{
    struct hv *hv = v->domain->hv;
    struct vcpu_time_info info;
    uint32_t odd;
    mfn_t mfn;
    unsigned off;

    ASSERT(hv, plat_tsc_khz(hv->plat) != 0);
    if (!vcpu_info_frame(v, &mfn, &off)) {
        return;
    }
    off += offsetof(struct vcpu_info, time);
    odd = v->time_version | 1;
    memset(&info, 0, sizeof(info));
    info.version = odd;
    info.tsc_timestamp = vcpu_guest_tsc(v);
    info.system_time = plat_now(hv->plat);
    time_scale(plat_tsc_khz(hv->plat), &info.tsc_to_system_mul,
               &info.tsc_shift);

    gmem_frame_write(hv, mfn, off, &odd, sizeof(odd));
    gmem_frame_write(hv, mfn, off + sizeof(odd), (uint8_t *)&info + sizeof(odd),
                     sizeof(info) - sizeof(odd));
    v->time_version = odd + 1;
    info.version = v->time_version;
    gmem_frame_write(hv, mfn, off, &info.version, sizeof(info.version));
    time_update_area(v, &info);
}

/* xen.h: shared_info wc_*: the Unix time at system time 0. */
void domain_update_wallclock(struct domain *d)
{
    struct hv *hv = d->hv;
    uint64_t ns = plat_wallclock_ns(hv->plat) + d->wallclock_offset_ns;
    uint64_t s = ns / NS_PER_S;
    uint32_t odd = d->shared_version | 1;
    uint32_t wc[2] = {(uint32_t)s, (uint32_t)(ns % NS_PER_S)};
    uint32_t hi = (uint32_t)(s >> 32);

    if (!mfn_valid(d->shared_info)) {
        return;
    }
    gmem_frame_write(hv, d->shared_info,
                     offsetof(struct shared_info, wc_version), &odd,
                     sizeof(odd));
    gmem_frame_write(hv, d->shared_info, offsetof(struct shared_info, wc_sec),
                     wc, sizeof(wc));
    gmem_frame_write(hv, d->shared_info,
                     offsetof(struct shared_info, wc_sec_hi), &hi,
                     sizeof(hi));
    d->shared_version = odd + 1;
    gmem_frame_write(hv, d->shared_info,
                     offsetof(struct shared_info, wc_version),
                     &d->shared_version, sizeof(d->shared_version));
}

/* -- Runstate -------------------------------------------------------------- */

static void runstate_fill(const struct vcpu *v, uint64_t now_ns,
                          struct vcpu_runstate_info *info)
{
    memset(info, 0, sizeof(*info));
    info->state = v->runstate;
    info->state_entry_time = v->runstate_entry_ns;
    memcpy(info->time, v->runstate_time, sizeof(info->time));
    if (now_ns > v->runstate_entry_ns) {
        info->time[v->runstate] += now_ns - v->runstate_entry_ns;
    }
}

void vcpu_get_runstate(struct vcpu *v, struct vcpu_runstate_info *info)
{
    runstate_fill(v, plat_now(v->domain->hv->plat), info);
}

/* vcpu.h: XEN_RUNSTATE_UPDATE, if the guest has asked for it by vm_assist. */
static void runstate_write_area(struct vcpu *v, uint64_t now_ns)
{
    const size_t entry = offsetof(struct vcpu_runstate_info,
                                  state_entry_time);
    bool flagged = v->domain->vm_assist &
                   (1u << VMASST_TYPE_runstate_update_flag);
    uint64_t at = v->runstate_area.v;
    struct vcpu_runstate_info info;

    runstate_fill(v, now_ns, &info);
    if (flagged) {
        info.state_entry_time |= XEN_RUNSTATE_UPDATE;
        if (gmem_copy_to(v, GVA(at + entry), &info.state_entry_time,
                         sizeof(info.state_entry_time))) {
            return;
        }
    }
    if (gmem_copy_to(v, GVA(at), &info, sizeof(info))) {
        return;
    }
    if (flagged) {
        info.state_entry_time &= ~XEN_RUNSTATE_UPDATE;
        (void)gmem_copy_to(v, GVA(at + entry), &info.state_entry_time,
                           sizeof(info.state_entry_time));
    }
}

void vcpu_update_runstate(struct vcpu *v, int state, uint64_t now_ns)
{
    bool crosses = (v->runstate == RUNSTATE_running) !=
                   (state == RUNSTATE_running);

    if (now_ns > v->runstate_entry_ns) {
        v->runstate_time[v->runstate] += now_ns - v->runstate_entry_ns;
        v->runstate_entry_ns = now_ns;
    }
    v->runstate = state;
    /* As Xen: the guest's copy follows at context switches, while the vCPU's
     * own page tables say where it is. */
    if (crosses && v->runstate_area.v != 0 &&
        v->domain->dying == DOMDYING_alive) {
        runstate_write_area(v, now_ns);
    }
}
