/*
 * The access decision. There is one privileged domain, the control domain;
 * a xenstore domain may look at others but not change them; everybody may
 * act on himself. The table below is the whole policy.
 *
 *   access            on oneself   control   xenstore   anybody else
 *   SELF              yes          -         -          -
 *   MANAGE            yes          yes       -          -
 *   DOMCTL            -            yes       -          -
 *   DOMAIN_INFO       -            yes       yes        -
 *   SYSCTL            -            yes       -          -
 *   CONSOLE           -            yes       -          -
 *   HARDWARE          -            yes       -          -
 *   VERSION_SECRETS   -            yes       -          -
 *
 * "On oneself" needs a target; a privileged domain reaches its own column
 * and the control column alike.
 *
 * Invariants:
 *  1. The answer depends on the caller, the kind and the target alone; it
 *     is never cached.
 *  2. A kind that the table does not have is refused.
 */
#include "hv/access.h"

#include "hv/domain.h"

enum {
    MAY_SELF = 1,
    MAY_CONTROL = 2,
    MAY_XENSTORE = 4,
};

static const uint8_t policy[] = {
    [ACCESS_SELF] = MAY_SELF,
    [ACCESS_MANAGE] = MAY_SELF | MAY_CONTROL,
    [ACCESS_DOMCTL] = MAY_CONTROL,
    [ACCESS_CONSOLE] = MAY_CONTROL,
    [ACCESS_HARDWARE] = MAY_CONTROL,
    [ACCESS_VERSION_SECRETS] = MAY_CONTROL,
    [ACCESS_SYSCTL] = MAY_CONTROL,
    [ACCESS_DOMAIN_INFO] = MAY_CONTROL | MAY_XENSTORE,
};

int access_check(const struct domain *caller, enum access what,
                 const struct domain *target)
{
    uint8_t may;

    if ((size_t)what >= sizeof(policy)) {
        return -XEN_EPERM;
    }
    may = policy[what];
    if ((may & MAY_SELF) && target == caller) {
        return 0;
    }
    if ((may & MAY_CONTROL) && caller->control) {
        return 0;
    }
    /* domctl.h: XEN_DOMCTL_CDF_xs_domain */
    if ((may & MAY_XENSTORE) &&
        (caller->createflags & XEN_DOMCTL_CDF_xs_domain)) {
        return 0;
    }
    return -XEN_EPERM;
}
