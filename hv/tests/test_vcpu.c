/*
 * The run loop and the answers to exits, over a vendor half that plays a
 * script. Clauses: vcpu.c invariants, Xen's hvm_hypercall(), hvm_hlt() and
 * hvm_hap_nested_page_fault(), APM2 15.10 (string I/O).
 */
#include "hv/gmem.h"
#include "hv/hypercall.h"
#include "hv/sched.h"
#include "hv/tests/fake_hv.h"
#include "hv/vcpu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define SCRIPT_MAX 8

struct script {
    struct fake_hv *f;
    struct vendor_ops ops;
    struct vcpu_exit exit[SCRIPT_MAX];
    unsigned nr, at;
    bool can_take, pause_on_exit;
    unsigned skips, windows;
    int injected, intr; /* vectors, -1 none */
};

/* The fake machine's vCPUs all have one state and one script. */
static struct script *script_of(struct vcpu *v)
{
    return (struct script *)((char *)v->domain->ops -
                             offsetof(struct script, ops));
}

static void play(struct vcpu *v, struct vcpu_exit *out)
{
    struct script *s = script_of(v);

    if (s->at == s->nr) {
        plat_poweroff(v->domain->hv->plat, 99); /* the end of the script */
    }
    *out = s->exit[s->at++];
    if (s->pause_on_exit) {
        domain_pause(v->domain);
    }
}

static void skip_one(struct vcpu *v)
{
    script_of(v)->skips++;
}

static bool inject(struct vcpu *v, uint8_t vector, int error_code)
{
    (void)error_code;
    script_of(v)->injected = vector;
    return true;
}

static bool can_take(struct vcpu *v)
{
    return script_of(v)->can_take;
}

static bool inject_intr(struct vcpu *v, uint8_t vector)
{
    script_of(v)->intr = vector;
    return true;
}

static void window(struct vcpu *v)
{
    script_of(v)->windows++;
}

static int cpu_on(struct hv *hv, unsigned cpu)
{
    (void)hv;
    (void)cpu;
    return 0;
}

static int setup(void **state)
{
    struct script *s = test_calloc(1, sizeof(*s));

    s->f = fake_hv_new();
    s->ops = *s->f->d[1]->ops;
    s->ops.enter = play;
    s->ops.skip_insn = skip_one;
    s->ops.inject = inject;
    s->ops.can_take_intr = can_take;
    s->ops.inject_intr = inject_intr;
    s->ops.request_intr_window = window;
    s->ops.cpu_on = cpu_on;
    s->injected = s->intr = -1;
    s->f->hv->vendor = &s->ops;
    for (unsigned n = 0; n < FAKE_DOMAINS; n++) {
        s->f->d[n]->ops = &s->ops;
    }
    sched_block(s->f->v[0]);
    sched_block(s->f->v[2]);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct script *s = *state;

    fake_hv_free(s->f);
    test_free(s);
    return 0;
}

static void loop(void *arg)
{
    hv_cpu_loop(arg);
}

static void add(struct script *s, enum exit_kind kind)
{
    s->exit[s->nr++].kind = kind;
}

static void run(struct script *s)
{
    s->f->p->locked = false; /* the last run ended with the lock held */
    assert_true(fake_plat_ends(s->f->p, loop, s->f->hv));
    assert_null(s->f->p->fatal);
    assert_int_equal(s->f->p->poweroff_reason, 99);
}

static void handle(struct script *s, const struct vcpu_exit *e)
{
    struct vcpu *v = s->f->v[1];

    s->f->hv->cpus[0].current = v;
    v->running_on = 0;
    vcpu_exit_handle(v, e);
}

static void loop_answers_and_enters_again(void **state)
{
    struct script *s = *state;

    add(s, EXIT_INTERRUPT);
    add(s, EXIT_PAUSE);
    add(s, EXIT_GP);
    run(s);
    assert_int_equal(s->skips, 1);
    assert_int_equal(s->injected, VEC_GP);
    assert_true(s->f->p->deadline_ns <= HV_TIMESLICE_NS);
}

static void exit_of_a_paused_vcpu_is_left_for_later(void **state)
{
    struct script *s = *state;

    sched_unblock(s->f->v[0]); /* somebody has to end the script */
    s->f->v[0]->vruntime_ns = 1000;
    s->f->v[1]->vruntime_ns = 0;
    s->pause_on_exit = true;
    add(s, EXIT_GP);
    run(s);
    assert_int_equal(s->injected, -1);
    assert_int_equal(s->f->v[1]->running_on, -1);
}

static void upcall_goes_to_the_vcpus_vector_or_asks_for_a_window(void **state)
{
    struct script *s = *state;
    uint8_t one = 1;

    gmem_frame_write(s->f->hv, s->f->d[1]->shared_info, 0, &one, 1);
    s->f->d[1]->callback_vector = 0x30;
    add(s, EXIT_INTERRUPT);
    run(s);
    assert_int_equal(s->windows, 2);
    assert_int_equal(s->intr, -1);
    s->can_take = true;
    s->f->v[1]->upcall_vector = 0x40;
    s->at = 0;
    run(s);
    assert_int_equal(s->intr, 0x40);
}

static void hypercall_checks_privilege_before_mode(void **state)
{
    struct script *s = *state;
    struct vcpu_exit e = {.kind = EXIT_HYPERCALL};
    struct vcpu *v = s->f->v[1];

    handle(s, &e);
    assert_true(v->regs.r[R_RAX] == (uint64_t)-XEN_ENOSYS);
    s->f->state.cr0 = CR0_PE;
    s->f->state.seg[SEG_SS].attrib = 3 << SEG_ATTR_DPL_SHIFT;
    handle(s, &e);
    assert_true(v->regs.r[R_RAX] == (uint64_t)-XEN_EPERM);
    s->f->state.seg[SEG_SS].attrib = 0;
    s->f->state.efer = EFER_LMA;
    s->f->state.seg[SEG_CS].attrib = SEG_ATTR_L;
    s->f->state.rax = __HYPERVISOR_xen_version;
    v->regs.r[R_RDI] = XENVER_version;
    handle(s, &e);
    assert_true((int64_t)v->regs.r[R_RAX] > 0);
    assert_int_equal(s->skips, 3);
}

static void hlt_with_interrupts_off_is_the_vcpus_end(void **state)
{
    struct script *s = *state;
    struct vcpu_exit e = {.kind = EXIT_HLT};

    s->f->state.rflags = RFLAGS_IF;
    handle(s, &e);
    assert_true(s->f->v[1]->blocked);
    sched_unblock(s->f->v[1]);
    s->f->state.rflags = 0;
    handle(s, &e);
    assert_false(s->f->v[1]->online);
    assert_true(s->f->d[1]->shutting_down);
    assert_int_equal(s->f->d[1]->shutdown_code, SHUTDOWN_poweroff);
}

static void nested_faults(void **state)
{
    struct script *s = *state;
    struct domain *d = s->f->d[1];
    struct vcpu_exit e = {.kind = EXIT_NESTED_FAULT, .gaddr = 5 << 12};

    e.write = true;
    handle(s, &e); /* permitted by now: again */
    assert_int_equal(s->injected, -1);
    assert_false(d->shutting_down);
    e.gaddr = 0x100000000;
    handle(s, &e);
    assert_true(d->shutting_down);
    assert_int_equal(d->shutdown_code, SHUTDOWN_crash);
    assert_non_null(strstr(s->f->p->console, "write of gfn 0x100000"));
}

static void triple_fault_takes_the_param_for_its_reason(void **state)
{
    struct script *s = *state;
    struct vcpu_exit e = {.kind = EXIT_SHUTDOWN};

    s->f->d[1]->hvm_params[HVM_PARAM_TRIPLE_FAULT_REASON] = SHUTDOWN_reboot;
    handle(s, &e);
    assert_int_equal(s->f->d[1]->shutdown_code, SHUTDOWN_reboot);
}

static void ports(void **state)
{
    struct script *s = *state;
    struct vcpu_exit e = {.kind = EXIT_IO, .port = 0x70, .len = 2};
    struct vcpu *v = s->f->v[1];
    static const char text[] = "hi\n";
    uint8_t buf[200];

    e.in = true;
    v->regs.r[R_RAX] = 0x1122334455667788;
    handle(s, &e);
    assert_true(v->regs.r[R_RAX] == 0x112233445566ffff);
    e.len = 4;
    handle(s, &e);
    assert_true(v->regs.r[R_RAX] == 0xffffffff);
    e.in = false;
    e.port = 0xe9;
    e.len = 1;
    for (unsigned i = 0; text[i] != '\0'; i++) {
        v->regs.r[R_RAX] = (uint8_t)text[i];
        handle(s, &e);
    }
    assert_non_null(strstr(s->f->p->console, "(d1) hi\n"));
    /* REP INSB of 150 units: in pieces, the instruction met again. */
    e = (struct vcpu_exit){.kind = EXIT_IO, .port = 0x70, .len = 1,
                           .in = true, .string = true, .rep = true,
                           .addr_len = 8};
    s->skips = 0;
    v->regs.r[R_RDI] = 0x3000;
    v->regs.r[R_RCX] = 150;
    for (unsigned n = 0; s->skips == 0 && n < 10; n++) {
        handle(s, &e);
    }
    assert_int_equal(s->skips, 1);
    assert_int_equal(v->regs.r[R_RDI], 0x3000 + 150);
    assert_int_equal(v->regs.r[R_RCX], 0);
    fake_peek(s->f, 1, 0x3000, buf, sizeof(buf));
    assert_int_equal(buf[149], 0xff);
    assert_int_equal(buf[150], 0);
}

static void control_domains_end_is_the_machines(void **state)
{
    struct script *s = *state;
    struct vcpu *v = s->f->v[0];

    s->f->hv->cpus[0].current = v;
    v->running_on = 0;
    if (!setjmp(s->f->p->end)) {
        s->f->p->end_armed = true;
        domain_shutdown(s->f->d[0], SHUTDOWN_reboot);
        fail();
    }
    assert_int_equal(s->f->p->poweroff_reason, SHUTDOWN_reboot);
}

static void kill_waits_for_a_vcpu_on_its_way_out(void **state)
{
    struct script *s = *state;
    struct domain *d = domain_get(s->f->hv, 1);

    s->f->hv->nr_cpus = 2;
    s->f->hv->cpus[1].current = s->f->v[1];
    s->f->v[1]->running_on = 1;
    assert_int_equal(domain_kill(d), -XEN_ERESTART);
    assert_int_equal(s->f->p->left_guest, 2);
    assert_int_equal(domain_kill(d), -XEN_ERESTART);
    assert_null(sched_pick(s->f->hv, 1, 10)); /* that CPU lets go */
    domain_put(d);
    assert_true(fake_kill(s->f, 1));
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(loop_answers_and_enters_again),
        T(exit_of_a_paused_vcpu_is_left_for_later),
        T(upcall_goes_to_the_vcpus_vector_or_asks_for_a_window),
        T(hypercall_checks_privilege_before_mode),
        T(hlt_with_interrupts_off_is_the_vcpus_end),
        T(nested_faults),
        T(triple_fault_takes_the_param_for_its_reason),
        T(ports),
        T(control_domains_end_is_the_machines),
        T(kill_waits_for_a_vcpu_on_its_way_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
