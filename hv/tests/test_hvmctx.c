/*
 * gethvmcontext and sethvmcontext against a vCPU that is still on a CPU.
 * Clause: domctl.h, XEN_DOMCTL_gethvmcontext: the domain is paused while its
 * state is read, and with Xen's domain_pause() none of its vCPUs is running.
 */
#include "hv/tests/fake_hv.h"

#include "hv/hypercall.h"
#include "hv/sched.h"

#include <xen/hvm/save.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define OP_GA 0x1000u
#define BUFFER_GA 0x2000u
#define BUFFER_BYTES 0x3000u

static int setup(void **state)
{
    struct fake_hv *f = fake_hv_new();

    /* Domain 1's vCPU on CPU 1, which waits for the lock. */
    f->hv->nr_cpus = 2;
    f->hv->cpus[1].online = true;
    f->hv->cpus[1].current = f->v[1];
    f->v[1]->running_on = 1;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fake_hv_free(*state);
    return 0;
}

static long domctl(struct fake_hv *f, struct xen_domctl *op, bool *restart)
{
    const uint64_t args[5] = {OP_GA};
    long rc;

    op->domain = 1;
    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    fake_poke(f, 0, OP_GA, op, sizeof(*op));
    rc = hypercall_dispatch(f->v[0], __HYPERVISOR_domctl, args, restart);
    fake_peek(f, 0, OP_GA, op, sizeof(*op));
    return rc;
}

static struct xen_domctl context_op(uint32_t cmd)
{
    struct xen_domctl op;

    memset(&op, 0, sizeof(op));
    op.cmd = cmd;
    op.u.hvmcontext.size = BUFFER_BYTES;
    op.u.hvmcontext.buffer.p = (void *)(uintptr_t)BUFFER_GA;
    return op;
}

static void hvmcontext_waits_until_vcpu_is_off_its_cpu(void **state)
{
    struct fake_hv *f = *state;
    struct xen_domctl op = context_op(XEN_DOMCTL_gethvmcontext);
    struct hvm_save_descriptor first = {0};
    bool restart = false;

    for (unsigned i = 0; i < 3; i++) {
        domctl(f, &op, &restart);
        assert_true(restart);
        assert_int_equal(f->v[0]->regs.r[R_RDI], OP_GA);
        assert_int_equal(f->d[1]->pause_count, 1);
        assert_int_equal(op.u.hvmcontext.size, BUFFER_BYTES);
    }
    fake_peek(f, 0, BUFFER_GA, &first, sizeof(first));
    assert_int_equal(first.length, 0); /* nothing was read yet */
    sched_leave(f->v[1], plat_now(f->p));
    assert_int_equal(domctl(f, &op, &restart), 0);
    assert_false(restart);
    assert_int_equal(f->d[1]->pause_count, 0);
    fake_peek(f, 0, BUFFER_GA, &first, sizeof(first));
    assert_int_equal(first.typecode, HVM_SAVE_CODE(HEADER));
}

static void hvmcontext_given_up_does_not_keep_the_domain_paused(void **state)
{
    struct fake_hv *f = *state;
    struct xen_domctl op = context_op(XEN_DOMCTL_sethvmcontext);
    bool restart = false;

    domctl(f, &op, &restart);
    assert_true(restart);
    assert_int_equal(f->d[1]->pause_count, 1);
    op.cmd = XEN_DOMCTL_pausedomain;
    assert_int_equal(domctl(f, &op, &restart), 0);
    assert_int_equal(f->d[1]->pause_count, 1);
    op.cmd = XEN_DOMCTL_unpausedomain;
    assert_int_equal(domctl(f, &op, &restart), 0);
    assert_int_equal(f->d[1]->pause_count, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(hvmcontext_waits_until_vcpu_is_off_its_cpu),
        T(hvmcontext_given_up_does_not_keep_the_domain_paused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
