/*
 * os.h for native guests of the simulator. Life of one:
 *
 *   native program starts (PVH entry, 32-bit) -> long mode -> start_info read
 *   -> shared_info mapped, grant table set up, vcpu_info -> main(os, arg)
 *   -> returns: SCHEDOP_shutdown(poweroff)
 */
#ifndef PV_OS_NATIVE_H
#define PV_OS_NATIVE_H

#include "pv/os.h"

struct machine;
struct native;

typedef void os_main_fn(struct os *os, void *arg);

/* Registers a guest whose vCPU 0 runs main(os, arg). Returns the program id
 * (sim/cpu/native.h) for native_image(), or -1. */
int os_native_guest(struct machine *m, const char *name, os_main_fn *main,
                    void *arg);

/* From inside a guest: brings up vCPU `vcpu` of this domain, running
 * main(os', arg) with an os of its own that shares memory, grants and
 * (nothing else) with this one; event channels are per os (bind to the vCPU
 * with EVTCHNOP_bind_vcpu if wanted). Returns 0 or -XEN_E*. */
int os_native_start_vcpu(struct os *os, unsigned vcpu, os_main_fn *main,
                         void *arg);

/* The processor under this os, for cases that test it. */
struct native *os_native(struct os *os);
struct machine *os_machine(struct os *os);

/* The id of the program that runs in this os (for native_release after the
 * domain is gone). */
int os_native_id(struct os *os);

#endif
