/*
 * xen_version: what the hypervisor says of itself. Source of the rules:
 * version.h and features.h.
 *
 * Invariants:
 *  1. A feature or capability is reported only if it exists here.
 *  2. Strings are the same in every build: no compiler, user, host or date
 *     leaks into a guest's view, which would end up in state hashes.
 *  3. What a caller may not know is answered with "<denied>" or -EPERM.
 */
#include "hv/hypercall.h"

#include "hv/access.h"
#include "hv/domain.h"
#include "hv/gmem.h"
#include "hv/hv.h"
#include "hv/lib.h"

#define VERSION_MAJOR 4
#define VERSION_MINOR 17

static const char extraversion[] = ".ringside";
static const char changeset[] = "unavailable";
static const char denied[] = "<denied>";

/* NUL-padded, cut if it has to be, always terminated. */
static void put_string(char *dst, size_t size, const char *src)
{
    size_t i;

    memset(dst, 0, size);
    for (i = 0; i + 1 < size && src[i]; i++) {
        dst[i] = src[i];
    }
}

static long copy_string(struct vcpu *v, gva_t arg, size_t size,
                        const char *src)
{
    char buf[sizeof(xen_capabilities_info_t)];

    _Static_assert(sizeof(buf) >= sizeof(xen_commandline_t), "version.h");
    put_string(buf, size, src);
    return gmem_copy_to(v, arg, buf, size);
}

static long compile_info(struct vcpu *v, gva_t arg)
{
    struct xen_compile_info info;

    put_string(info.compiler, sizeof(info.compiler), "C11");
    put_string(info.compile_by, sizeof(info.compile_by), "ringside");
    put_string(info.compile_domain, sizeof(info.compile_domain), "");
    put_string(info.compile_date, sizeof(info.compile_date), "");
    return gmem_copy_to(v, arg, &info, sizeof(info));
}

static uint32_t features_of(const struct domain *d)
{
    /* features.h: what a translated HVM or PVH domain has */
    uint32_t map = (1u << XENFEAT_writable_page_tables) |
                   (1u << XENFEAT_auto_translated_physmap) |
                   (1u << XENFEAT_hvm_callback_vector) |
                   (1u << XENFEAT_hvm_safe_pvclock) |
                   (1u << XENFEAT_not_direct_mapped);

    if (d->control) {
        map |= 1u << XENFEAT_dom0;
    }
    return map;
}

static long get_features(struct vcpu *v, gva_t arg)
{
    struct xen_feature_info info;

    if (gmem_copy_from(v, &info, arg, sizeof(info))) {
        return -XEN_EFAULT;
    }
    if (info.submap_idx >= XENFEAT_NR_SUBMAPS) {
        return -XEN_EINVAL;
    }
    info.submap = features_of(v->domain);
    return gmem_copy_to(v, arg, &info, sizeof(info));
}

static long capabilities(struct vcpu *v, gva_t arg)
{
    /* Guest types that can be built here: 64-bit HVM and PVH, if the
     * processor has what they need. */
    const char *caps = v->domain->hv->vendor ? "hvm-3.0-x86_64 " : "";

    return copy_string(v, arg, XEN_CAPABILITIES_INFO_LEN, caps);
}

static long platform_parameters(struct vcpu *v, gva_t arg)
{
    /* xen.h: where a PV guest's address space has the hypervisor; an ABI
     * constant that Xen tells everybody. */
    struct xen_platform_parameters params = {
        .virt_start = HYPERVISOR_VIRT_START,
    };

    return gmem_copy_to(v, arg, &params, sizeof(params));
}

long xen_version_op(struct vcpu *v, unsigned cmd, gva_t arg)
{
    struct domain *d = v->domain;
    int secret = access_check(d, ACCESS_VERSION_SECRETS, NULL);

    switch (cmd) {
    case XENVER_version:
        return (VERSION_MAJOR << 16) | VERSION_MINOR;
    case XENVER_extraversion:
        return copy_string(v, arg, XEN_EXTRAVERSION_LEN, extraversion);
    case XENVER_compile_info:
        return compile_info(v, arg);
    case XENVER_capabilities:
        return capabilities(v, arg);
    case XENVER_changeset:
        return copy_string(v, arg, XEN_CHANGESET_INFO_LEN, changeset);
    case XENVER_platform_parameters:
        return platform_parameters(v, arg);
    case XENVER_get_features:
        return get_features(v, arg);
    case XENVER_pagesize:
        return PAGE_SIZE;
    case XENVER_guest_handle:
        return gmem_copy_to(v, arg, d->handle, sizeof(d->handle));
    case XENVER_commandline:
        return copy_string(v, arg, sizeof(xen_commandline_t),
                           secret ? denied : d->hv->cmdline);
    case XENVER_build_id:
        /* No build id is kept: same image, same bytes (invariant 2). */
        return secret ? secret : -XEN_ENODATA;
    default:
        return -XEN_ENOSYS;
    }
}
