/*
 * The one access decision: may `caller` do `what` to `target`?
 * Everything that depends on privilege asks here and nowhere else.
 */
#ifndef HV_ACCESS_H
#define HV_ACCESS_H

#include "hv/types.h"

struct domain;

enum access {
    ACCESS_SELF,     /* an operation on the caller's own state */
    ACCESS_MANAGE,   /* memory, params, ports, life of another domain */
    ACCESS_DOMCTL,   /* any domctl */
    ACCESS_CONSOLE,  /* read the hypervisor's console */
    ACCESS_HARDWARE, /* physical interrupts and I/O ports */
    ACCESS_VERSION_SECRETS, /* commandline, build id and the like */
    ACCESS_SYSCTL,          /* any sysctl */
    ACCESS_DOMAIN_INFO,     /* XEN_DOMCTL_getdomaininfo */
};

/* 0 or -EPERM. target NULL: no domain in particular. */
int access_check(const struct domain *caller, enum access what,
                 const struct domain *target);

#endif
