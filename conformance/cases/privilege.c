/*
 * Only the privileged get privileged calls: every domctl and the rest of
 * what only the control domain may do, tried from an unprivileged guest, and
 * the control domain's own limits.
 */
#include "conformance/harness.h"

#include <string.h>

#include <xen/domctl.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/sched.h>

#include "pv/os/native.h"
#include "sim/cpu/native.h"

static int64_t domctl(struct t *t, unsigned cmd, domid_t d)
{
    struct xen_domctl op = {.cmd = cmd, .domain = d};
    return t_domctl(t, &op);
}

static void every_domctl_is_eperm(struct t *t)
{
    for (unsigned cmd = 1; cmd < 90; cmd++) {
        /* A domctl takes numbers: DOMID_SELF names no domain. */
        int64_t rc = domctl(t, cmd, DOMID_SELF);
        if (rc != -XEN_ESRCH) {
            T_EQ(t, rc, -XEN_EPERM);
        }
        T_EQ(t, domctl(t, cmd, os_domid(t->os)), -XEN_EPERM);
    }
}

static void no_life_or_death(struct t *t)
{
    domid_t peer = t_domid(t, ROLE_PEER);
    T_EQ(t, domctl(t, XEN_DOMCTL_destroydomain, peer), -XEN_EPERM);
    T_EQ(t, domctl(t, XEN_DOMCTL_pausedomain, peer), -XEN_EPERM);
    T_EQ(t, domctl(t, XEN_DOMCTL_pausedomain, 0), -XEN_EPERM);
    T_EQ(t, domctl(t, XEN_DOMCTL_destroydomain, 0), -XEN_EPERM);
    struct sched_remote_shutdown r = {.domain_id = peer,
                                      .reason = SHUTDOWN_crash};
    T_CHECK(t, t_sched_op(t, SCHEDOP_remote_shutdown, &r, sizeof(r)) < 0);
    t_send(t, 0, 1);
}

static void wait_for_word(struct t *t)
{
    T_EQ(t, t_recv(t, 0), 1);
}

static void domctl_wrong_version(struct t *t)
{
    struct xen_domctl op = {.cmd = XEN_DOMCTL_getdomaininfo};
    op.interface_version = XEN_DOMCTL_INTERFACE_VERSION - 1;
    uint64_t p = os_arg(t->os);
    os_write(t->os, p, &op, sizeof(op));
    T_EQ(t, os_hypercall(t->os, __HYPERVISOR_domctl, p, 0, 0, 0, 0),
         -XEN_EACCES);
}

static void sysctl_is_eperm(struct t *t)
{
    uint64_t p = os_arg(t->os);
    uint8_t zero[256] = {0};
    os_write(t->os, p, zero, sizeof(zero));
    int64_t rc = os_hypercall(t->os, __HYPERVISOR_sysctl, p, 0, 0, 0, 0);
    T_CHECK(t, rc == -XEN_EPERM || rc == -XEN_EACCES || rc == -XEN_ENOSYS);
}

static void pirq_is_eperm(struct t *t)
{
    struct evtchn_bind_pirq b = {.pirq = 16};
    T_CHECK(t, t_evtchn_op(t, EVTCHNOP_bind_pirq, &b, sizeof(b)) < 0);
}

static void global_virq_owner(struct t *t)
{
    struct evtchn_bind_virq b = {.virq = VIRQ_DOM_EXC};
    int64_t rc = t_evtchn_op(t, EVTCHNOP_bind_virq, &b, sizeof(b));
    /* Binding is allowed or not; being told of others' deaths never is. */
    if (rc == 0) {
        struct evtchn_status st = {.dom = DOMID_SELF, .port = b.port};
        T_EQ(t, t_evtchn_op(t, EVTCHNOP_status, &st, sizeof(st)), 0);
        T_EQ(t, st.status, EVTCHNSTAT_virq);
        T_EQ(t, os_evtchn_close(t->os, b.port), 0);
    } else {
        T_CHECK(t, rc == -XEN_EPERM || rc == -XEN_EINVAL);
    }
}

static void disk_ports_are_not_a_guests(struct t *t)
{
    struct native *n = os_native(t->os);
    for (unsigned reg = 0; reg < 16; reg += 4) {
        T_EQ(t, native_in(n, 0x5000 + reg, 4), 0xffffffffu);
        native_out(n, 0x5000 + reg, 4, 0);
    }
    T_EQ(t, native_in(n, 0x70, 1), 0xff);
    T_EQ(t, native_in(n, 0xcf8, 4), 0xffffffffu);
}

static void msrs_are_not_a_guests(struct t *t)
{
    struct native *n = os_native(t->os);
    uint64_t v = 0;
    T_CHECK(t, !native_wrmsr(n, 0xc0010117, 0x1000)); /* VM_HSAVE_PA */
    T_CHECK(t, !native_rdmsr(n, 0xc0010117, &v));
    T_CHECK(t, !native_rdmsr(n, 0x12345678, &v));
    T_CHECK(t, !native_wrmsr(n, 0x12345678, 1));
    /* EFER.SVME can't be set by a guest that was not offered SVM. */
    T_CHECK(t, native_rdmsr(n, 0xc0000080, &v));
    T_CHECK(t, !(v & (1u << 12)));
    T_CHECK(t, !native_wrmsr(n, 0xc0000080, v | (1u << 12)));
}

static void svm_instructions_are_ud(struct t *t)
{
    static const uint8_t ops[][3] = {
        {0x0f, 0x01, 0xd8}, /* VMRUN */  {0x0f, 0x01, 0xda}, /* VMLOAD */
        {0x0f, 0x01, 0xdb}, /* VMSAVE */ {0x0f, 0x01, 0xdc}, /* STGI */
        {0x0f, 0x01, 0xdd}, /* CLGI */   {0x0f, 0x01, 0xde}, /* SKINIT */
        {0x0f, 0x01, 0xdf}, /* INVLPGA */
    };
    for (unsigned i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        T_CHECK(t, !native_insn(os_native(t->os), ops[i], 3));
    }
}

static void control_domain_pauses_not_itself(struct t *t)
{
    T_EQ(t, domctl(t, XEN_DOMCTL_pausedomain, 0), -XEN_EINVAL);
    T_EQ(t, domctl(t, XEN_DOMCTL_destroydomain, 0), -XEN_EINVAL);
    T_EQ(t, domctl(t, XEN_DOMCTL_unpausedomain, 0x7ef0), -XEN_ESRCH);
}

static void reservation_of_others_is_eperm(struct t *t)
{
    domid_t d = 0;
    T_EQ(t, t_memory_op(t, XENMEM_maximum_reservation, &d, sizeof(d)),
         -XEN_EPERM);
    T_EQ(t, t_memory_op(t, XENMEM_maximum_gpfn, &d, sizeof(d)), -XEN_EPERM);
}

static void evtchn_of_others_is_eperm(struct t *t)
{
    struct evtchn_alloc_unbound a = {.dom = 0, .remote_dom = DOMID_SELF};
    T_EQ(t, t_evtchn_op(t, EVTCHNOP_alloc_unbound, &a, sizeof(a)),
         -XEN_EPERM);
    struct evtchn_status s = {.dom = 0, .port = 1};
    T_EQ(t, t_evtchn_op(t, EVTCHNOP_status, &s, sizeof(s)), -XEN_EPERM);
    struct evtchn_reset r = {.dom = 0};
    T_EQ(t, t_evtchn_op(t, EVTCHNOP_reset, &r, sizeof(r)), -XEN_EPERM);
}

static void grant_setup_of_others_is_eperm(struct t *t)
{
    struct gnttab_query_size q = {.dom = 0};
    T_EQ(t, t_grant_op(t, GNTTABOP_query_size, &q, sizeof(q), 1), 0);
    T_EQ(t, q.status, GNTST_permission_denied);
    struct gnttab_setup_table s = {.dom = 0, .nr_frames = 0};
    T_EQ(t, t_grant_op(t, GNTTABOP_setup_table, &s, sizeof(s), 1), 0);
    T_EQ(t, s.status, GNTST_permission_denied);
}

static const struct tcase cases[] = {
    {"privilege_every_domctl_is_eperm",
     "domctls are the control domain's alone", "domctl.h",
     T_NOSTORE | T_HOSTILE, every_domctl_is_eperm, 0, 0, 0},
    {"privilege_no_power_over_other_domains",
     "a guest can't pause, destroy or shut down another",
     "domctl.h: XEN_DOMCTL_destroydomain; sched.h: remote_shutdown",
     T_NOSTORE | T_HOSTILE, no_life_or_death, wait_for_word, 0, 0},
    {"domctl_wrong_interface_version_is_eacces",
     "another interface version is EACCES",
     "domctl.h: XEN_DOMCTL_INTERFACE_VERSION", T_CONTROL | T_HOSTILE,
     domctl_wrong_version, 0, 0, 0},
    {"privilege_sysctl_is_refused", "sysctls are the control domain's alone",
     "sysctl.h", T_NOSTORE | T_HOSTILE, sysctl_is_eperm, 0, 0, 0},
    {"privilege_physical_irq_is_refused",
     "physical interrupts belong to the hardware's owner",
     "event_channel.h: EVTCHNOP_bind_pirq", T_NOSTORE | T_HOSTILE,
     pirq_is_eperm, 0, 0, 0},
    {"privilege_global_virq_tells_the_guest_nothing",
     "global VIRQs go to their owner", "xen.h: VIRQ_DOM_EXC",
     T_NOSTORE | T_HOSTILE, global_virq_owner, 0, 0, 0},
    {"privilege_ports_of_devices_read_as_ones",
     "a guest reaches no device it was not given",
     "APM2 15.10: I/O intercepts", T_NOSTORE | T_NATIVE | T_HOSTILE,
     disk_ports_are_not_a_guests, 0, 0, 0},
    {"privilege_msrs_of_the_host_are_gp",
     "MSRs outside the guest's policy raise #GP",
     "APM2 15.11: MSR intercepts", T_NOSTORE | T_NATIVE | T_HOSTILE,
     msrs_are_not_a_guests, 0, 0, 0},
    {"privilege_svm_instructions_are_ud",
     "SVM is not offered: its instructions raise #UD",
     "APM3: VMRUN; APM2 15.4", T_NOSTORE | T_NATIVE | T_HOSTILE,
     svm_instructions_are_ud, 0, 0, 0},
    {"domctl_control_domain_can_not_stop_itself",
     "pause and destroy of the caller are EINVAL; no domain is ESRCH",
     "domctl.h: XEN_DOMCTL_pausedomain", T_CONTROL | T_HOSTILE,
     control_domain_pauses_not_itself, 0, 0, 0},
    {"privilege_reservations_of_others_are_eperm",
     "how much memory another has is the toolstack's to ask",
     "memory.h: XENMEM_maximum_reservation", T_NOSTORE | T_HOSTILE,
     reservation_of_others_is_eperm, 0, 0, 0},
    {"privilege_ports_of_others_are_eperm",
     "event channels of another domain are its own and the toolstack's",
     "event_channel.h: DOMID_SELF", T_NOSTORE | T_HOSTILE,
     evtchn_of_others_is_eperm, 0, 0, 0},
    {"privilege_grant_table_of_others_is_denied",
     "GNTST_permission_denied for another domain's table",
     "grant_table.h: GNTTABOP_query_size", T_NOSTORE | T_HOSTILE,
     grant_setup_of_others_is_eperm, 0, 0, 0},
};
T_SUITE(privilege, cases);
