/*
 * hvm_op: parameters and who may set them, upcall vectors and the delivery of
 * events by interrupt.
 */
#include "conformance/harness.h"

#include <string.h>

#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>

#include "pv/os/native.h"
#include "sim/cpu/native.h"

static int64_t get_param(struct t *t, domid_t d, uint32_t index,
                         uint64_t *value)
{
    struct xen_hvm_param p = {.domid = d, .index = index};
    int64_t rc = t_hvm_op(t, HVMOP_get_param, &p, sizeof(p));
    *value = p.value;
    return rc;
}

static int64_t set_param(struct t *t, domid_t d, uint32_t index,
                         uint64_t value)
{
    struct xen_hvm_param p = {.domid = d, .index = index, .value = value};
    return t_hvm_op(t, HVMOP_set_param, &p, sizeof(p));
}

static void store_params_are_readable(struct t *t)
{
    uint64_t gfn = 0, port = 0;
    T_EQ(t, get_param(t, DOMID_SELF, HVM_PARAM_STORE_PFN, &gfn), 0);
    T_EQ(t, get_param(t, DOMID_SELF, HVM_PARAM_STORE_EVTCHN, &port), 0);
    T_CHECK(t, gfn != 0 && port != 0);
    T_EQ(t, get_param(t, os_domid(t->os), HVM_PARAM_CONSOLE_PFN, &gfn), 0);
    T_CHECK(t, gfn != 0);
}

static void index_out_of_range(struct t *t)
{
    uint64_t v;
    T_EQ(t, get_param(t, DOMID_SELF, HVM_NR_PARAMS, &v), -XEN_EINVAL);
    T_EQ(t, get_param(t, DOMID_SELF, ~0u, &v), -XEN_EINVAL);
    T_EQ(t, set_param(t, DOMID_SELF, HVM_NR_PARAMS, 0), -XEN_EINVAL);
}

static void other_domain_is_refused(struct t *t)
{
    uint64_t v;
    T_EQ(t, get_param(t, 0, HVM_PARAM_STORE_PFN, &v), -XEN_EPERM);
    T_EQ(t, set_param(t, 0, HVM_PARAM_CALLBACK_IRQ, 0), -XEN_EPERM);
    T_EQ(t, get_param(t, 0x7ef0, HVM_PARAM_STORE_PFN, &v), -XEN_ESRCH);
}

static void guest_sets_own_callback(struct t *t)
{
    uint64_t v = 0;
    uint64_t via = (2ULL << 56) | 0x31; /* params.h: type 2, a vector */
    T_EQ(t, set_param(t, DOMID_SELF, HVM_PARAM_CALLBACK_IRQ, via), 0);
    T_EQ(t, get_param(t, DOMID_SELF, HVM_PARAM_CALLBACK_IRQ, &v), 0);
    T_EQ(t, v, via);
}

static void toolstack_params_refuse_the_guest(struct t *t)
{
    T_EQ(t, set_param(t, DOMID_SELF, HVM_PARAM_STORE_PFN, 5), -XEN_EPERM);
    T_EQ(t, set_param(t, DOMID_SELF, HVM_PARAM_CONSOLE_PFN, 5), -XEN_EPERM);
}

static void toolstack_sets_params(struct t *t)
{
    domid_t peer = t_domid(t, ROLE_PEER);
    uint64_t v, old;
    T_EQ(t, get_param(t, peer, HVM_PARAM_CONSOLE_PFN, &old), 0);
    T_EQ(t, set_param(t, peer, HVM_PARAM_CONSOLE_PFN, 77), 0);
    T_EQ(t, get_param(t, peer, HVM_PARAM_CONSOLE_PFN, &v), 0);
    T_EQ(t, v, 77);
    T_EQ(t, set_param(t, peer, HVM_PARAM_CONSOLE_PFN, old), 0);
    t_send(t, 0, 1);
}

static void wait_for_word(struct t *t)
{
    (void)t_recv(t, 0);
}

/* -- Events by interrupt -------------------------------------------------- */

struct taken {
    unsigned count, wrong;
    uint8_t vector;
};

static void take(struct native *n, void *arg, uint8_t vector, uint32_t code)
{
    struct taken *k = arg;
    (void)n;
    (void)code;
    k->count++;
    if (vector != k->vector) {
        k->wrong++;
    }
}

static evtchn_port_t loopback(struct t *t)
{
    evtchn_port_t a, b;
    T_REQUIRE_OK(t, os_evtchn_alloc_unbound(t->os, DOMID_SELF, &a));
    T_REQUIRE_OK(t, os_evtchn_bind_interdomain(t->os, DOMID_SELF, a, &b));
    struct evtchn_unmask u = {.port = a};
    T_REQUIRE_OK(t, t_evtchn_op(t, EVTCHNOP_unmask, &u, sizeof(u)));
    return b; /* sending on b pends a */
}

static void spin(struct t *t, const struct taken *k, unsigned want)
{
    for (unsigned i = 0; i < 20000 && k->count < want; i++) {
        native_pause(os_native(t->os));
    }
}

static int64_t set_vector(struct t *t, uint32_t vcpu, uint8_t vector)
{
    struct xen_hvm_evtchn_upcall_vector v;
    memset(&v, 0, sizeof(v)); /* its padding too */
    v.vcpu = vcpu;
    v.vector = vector;
    return t_hvm_op(t, HVMOP_set_evtchn_upcall_vector, &v, sizeof(v));
}

/* Counts what is delivered from here on, and what is at another vector. */
static struct taken *watch_vector(struct t *t, uint8_t vector)
{
    struct taken *k = native_alloc(os_native(t->os), sizeof(*k));
    k->vector = vector;
    native_set_handler(os_native(t->os), take, k);
    return k;
}

/* Interrupts off again: some came, all at the vector. */
static void check_taken(struct t *t, const struct taken *k)
{
    native_cli(os_native(t->os));
    T_CHECK(t, k->count >= 1);
    T_EQ(t, k->wrong, 0);
    native_set_handler(os_native(t->os), NULL, NULL);
}

static void upcall_vector_interrupts(struct t *t)
{
    struct taken *k = watch_vector(t, 0x53);
    T_EQ(t, set_vector(t, 0, 0x53), 0);
    evtchn_port_t port = loopback(t);
    native_cli(os_native(t->os));
    T_EQ(t, os_evtchn_send(t->os, port), 0);
    spin(t, k, 1);
    T_EQ(t, k->count, 0); /* RFLAGS.IF is clear */
    native_sti(os_native(t->os));
    spin(t, k, 1);
    check_taken(t, k);
}

static void callback_irq_vector_interrupts(struct t *t)
{
    struct taken *k = watch_vector(t, 0x61);
    T_EQ(t, set_param(t, DOMID_SELF, HVM_PARAM_CALLBACK_IRQ,
                      (2ULL << 56) | 0x61), 0);
    evtchn_port_t port = loopback(t);
    native_cli(os_native(t->os));
    T_EQ(t, os_evtchn_send(t->os, port), 0);
    native_sti(os_native(t->os));
    spin(t, k, 1);
    check_taken(t, k);
}

static void upcall_wakes_hlt(struct t *t)
{
    struct taken *k = watch_vector(t, 0x40);
    T_EQ(t, set_vector(t, 0, 0x40), 0);
    evtchn_port_t port = loopback(t);
    native_cli(os_native(t->os));
    T_EQ(t, os_evtchn_send(t->os, port), 0);
    native_sti(os_native(t->os)); /* its shadow covers the HLT */
    native_hlt(os_native(t->os));
    check_taken(t, k);
}

static void low_vector_is_refused(struct t *t)
{
    T_EQ(t, set_vector(t, 0, 0x0f), -XEN_EINVAL);
    T_EQ(t, set_vector(t, 77, 0x40), -XEN_ENOENT);
}

static void unknown_hvm_op(struct t *t)
{
    uint64_t junk[8] = {0};
    T_EQ(t, t_hvm_op(t, 200, junk, sizeof(junk)), -XEN_ENOSYS);
}

static const struct tcase cases[] = {
    {"hvm_store_params_are_readable",
     "a guest finds its store ring and port in its params",
     "hvm/params.h: HVM_PARAM_STORE_PFN", 0, store_params_are_readable, 0, 0,
     0},
    {"hvm_param_index_out_of_range_is_einval",
     "an index at or above HVM_NR_PARAMS is EINVAL",
     "hvm/hvm_op.h: HVMOP_get_param", T_NOSTORE | T_HOSTILE,
     index_out_of_range, 0, 0, 0},
    {"hvm_param_of_another_domain_is_refused",
     "params of others are the toolstack's", "hvm/hvm_op.h: HVMOP_get_param",
     T_NOSTORE | T_HOSTILE, other_domain_is_refused, 0, 0, 0},
    {"hvm_callback_irq_is_the_guests_own",
     "a guest sets how events reach it",
     "hvm/params.h: HVM_PARAM_CALLBACK_IRQ", T_NOSTORE,
     guest_sets_own_callback, 0, 0, 0},
    {"hvm_toolstack_params_refuse_the_guest",
     "a guest can't set what the toolstack decides",
     "hvm/params.h: HVM_PARAM_STORE_PFN", T_NOSTORE | T_HOSTILE,
     toolstack_params_refuse_the_guest, 0, 0, 0},
    {"hvm_toolstack_sets_params", "the toolstack sets a guest's params",
     "hvm/hvm_op.h: HVMOP_set_param", T_CONTROL, toolstack_sets_params,
     wait_for_word, 0, 0},
    {"hvm_upcall_vector_interrupts_when_enabled",
     "a pending event raises the vector once interrupts are on",
     "hvm/hvm_op.h: HVMOP_set_evtchn_upcall_vector", T_NOSTORE | T_NATIVE,
     upcall_vector_interrupts, 0, 0, 0},
    {"hvm_callback_irq_vector_interrupts",
     "HVM_PARAM_CALLBACK_IRQ type 2 names a vector",
     "hvm/params.h: HVM_PARAM_CALLBACK_TYPE_VECTOR", T_NOSTORE | T_NATIVE,
     callback_irq_vector_interrupts, 0, 0, 0},
    {"hvm_pending_upcall_wakes_hlt",
     "HLT with a deliverable event pending does not sleep",
     "APM2 15.21.5: interrupt shadow; hvm_op.h", T_NOSTORE | T_NATIVE,
     upcall_wakes_hlt, 0, 0, 0},
    {"hvm_upcall_vector_below_16_is_refused",
     "vectors below 0x10 are exceptions; the vCPU must exist",
     "hvm/hvm_op.h: HVMOP_set_evtchn_upcall_vector", T_NOSTORE | T_HOSTILE,
     low_vector_is_refused, 0, 0, 0},
    {"hvm_unknown_op_is_enosys", "an unknown hvm_op is ENOSYS",
     "hvm/hvm_op.h", T_NOSTORE | T_HOSTILE, unknown_hvm_op, 0, 0, 0},
};
T_SUITE(hvm, cases);
