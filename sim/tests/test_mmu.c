/*
 * Two-dimensional walks, nested page faults, accessed and dirty bits, and
 * translations that stay in the TLB until the architecture drops them.
 * APM2 5.3 to 5.6, 15.16, 15.25.
 */
#include "sim/tests/bench.h"

#define TABLES 0x200000ULL /* the guest's page tables */
#define DATA 0x8000ULL
#define DATA_GFN (DATA >> 12)

/* Enters VMCB 0 until the guest halts; notes code, info1, info2 of each exit;
 * `on_exit` repairs or breaks things. */
static void run_until_hlt(struct bench *b,
                          void (*on_exit)(struct bench *b, unsigned ordinal))
{
    struct vmcb *v = bench_vmcb(b, 0);
    struct cpu_regs regs = {{0}};

    for (unsigned i = 0; i < 20; i++) {
        uint64_t code = bench_enter(b, 0, &regs);

        v->tlb_control = TLB_CTL_NONE;
        if (code == VMEXIT_HLT || code == VMEXIT_SHUTDOWN) {
            bench_note(b, code);
            return;
        }
        if (code == VMEXIT_VMMCALL) {
            v->rip = v->nrip;
        } else {
            bench_note(b, code);
            bench_note(b, v->exitinfo1);
            bench_note(b, v->exitinfo2);
        }
        on_exit(b, i);
    }
}

static void call(struct native *n)
{
    uint64_t a[5] = {0};

    native_hypercall(n, 0, a);
}

static void expect(const struct bench *b, const uint64_t *want, size_t nr)
{
    assert_int_equal(b->nr_notes, nr);
    for (size_t i = 0; i < nr; i++) {
        if (b->note[i] != want[i]) {
            fail_msg("note %zu is %#llx, not %#llx", i,
                     (unsigned long long)b->note[i],
                     (unsigned long long)want[i]);
        }
    }
}
#define EXPECT(b_, w_) expect(b_, w_, sizeof(w_) / sizeof((w_)[0]))

/* -- Nested faults -------------------------------------------------------- */

static void npf_program(struct native *n, void *arg)
{
    uint64_t x = 5;

    (void)arg;
    native_read(n, DATA + 8, &x, 8);   /* not present */
    native_write(n, DATA + 16, &x, 8); /* read-only */
    native_read(n, 0x9000, &x, 8);     /* reserved bit */
    native_write(n, 0xa000, &x, 8);    /* supervisor's */
    native_read(n, 0x70000000, &x, 8); /* nothing there */
    native_hlt(n);
}

static void npf_fix(struct bench *b, unsigned i)
{
    uint64_t *top = (uint64_t *)(void *)machine_frame(b->m, FRAME_NPT + 1);

    switch (i) {
    case 0:
        *bench_npte(b, DATA_GFN) |= PTE_P;
        break;
    case 1:
        *bench_npte(b, DATA_GFN) |= PTE_W; /* more rights need no flush */
        break;
    case 2:
        *bench_npte(b, 9) &= ~(1ULL << 45);
        break;
    case 3:
        *bench_npte(b, 10) |= PTE_U;
        break;
    default: /* map the second gigabyte's end like the first */
        top[1] = top[0];
        ((uint64_t *)(void *)machine_frame(b->m, FRAME_NPT + 2))[384] =
            (uint64_t)(FRAME_NPT + 3) << 12 | PTE_P | PTE_W | PTE_U;
        break;
    }
}

static void npf_main(struct bench *b)
{
    *bench_npte(b, DATA_GFN) &= ~(PTE_P | PTE_W);
    *bench_npte(b, 9) |= 1ULL << 45;
    *bench_npte(b, 10) &= ~PTE_U;
    run_until_hlt(b, npf_fix);
    bench_note(b, *bench_npte(b, DATA_GFN) & (PTE_A | PTE_D));
    bench_note(b, *bench_npte(b, 9) & (PTE_A | PTE_D));
}

static void nested_faults_carry_the_error_code(void **state)
{
    static const uint64_t want[] = {
        VMEXIT_NPF, NPF_FINAL | PFEC_U, DATA + 8, VMEXIT_NPF,
        NPF_FINAL | PFEC_U | PFEC_P | PFEC_W, DATA + 16, VMEXIT_NPF,
        NPF_FINAL | PFEC_U | PFEC_P | PFEC_RSV, 0x9000, VMEXIT_NPF,
        NPF_FINAL | PFEC_U | PFEC_P | PFEC_W, 0xa000, VMEXIT_NPF,
        NPF_FINAL | PFEC_U, 0x70000000, VMEXIT_HLT, PTE_A | PTE_D, PTE_A};
    struct bench b;

    (void)state;
    bench_open(&b, 1, 1, npf_main);
    assert_int_equal(bench_run(&b, npf_program), MACHINE_IDLE);
    EXPECT(&b, want);
    bench_close(&b);
}

/* -- The guest's own tables ----------------------------------------------- */

static void note_fault(struct native *n, void *arg, uint8_t vector,
                       uint32_t error)
{
    uint64_t *pt = (uint64_t *)(void *)bench_guest(arg, TABLES + 0x3000);

    bench_note(arg, (uint64_t)vector << 32 | error);
    bench_note(arg, native_get_cr(n, 2));
    pt[DATA_GFN] = DATA | PTE_P | PTE_W; /* repair */
}

static void long_program(struct native *n, void *arg)
{
    uint64_t *pd = (uint64_t *)(void *)bench_guest(arg, TABLES + 0x2000);
    uint64_t *pt = (uint64_t *)(void *)bench_guest(arg, TABLES + 0x3000);
    uint64_t x = 7, y = 0;

    native_set_handler(n, note_fault, arg);
    native_enter_long_mode(n, TABLES, 4 << 20);
    bench_note(arg, pd[0] & (PTE_A | PTE_D)); /* the text was fetched */
    for (unsigned i = 0; i < PTES_PER_PAGE; i++) {
        pt[i] = (uint64_t)i << 12 | PTE_P | PTE_W;
    }
    pt[DATA_GFN] = 0;
    pd[0] = (TABLES + 0x3000) | PTE_P | PTE_W;
    native_set_cr(n, 3, TABLES);
    native_read(n, DATA, &x, 8); /* not present */
    bench_note(arg, pt[DATA_GFN] & (PTE_A | PTE_D));
    pt[DATA_GFN] = DATA | PTE_P; /* read-only: CR0.WP is clear */
    native_invlpg(n, DATA);
    native_write(n, DATA, &x, 8);
    bench_note(arg, pt[DATA_GFN] & (PTE_A | PTE_D));
    native_set_cr(n, 0, native_get_cr(n, 0) | CR0_WP);
    pt[DATA_GFN] = DATA | PTE_P;
    native_invlpg(n, DATA);
    native_write(n, DATA + 8, &x, 8); /* read-only, WP set */
    pt[DATA_GFN] = DATA | PTE_P | 1ULL << 44;
    native_invlpg(n, DATA);
    native_read(n, DATA, &y, 8); /* reserved bit */
    native_hlt(n);
}

static void nothing(struct bench *b, unsigned i)
{
    (void)b;
    (void)i;
}

static void plain_main(struct bench *b)
{
    run_until_hlt(b, nothing);
}

static void guest_walk_faults_and_sets_accessed_and_dirty(void **state)
{
    static const uint64_t want[] = {PTE_A,
                                    14ULL << 32,
                                    DATA,
                                    PTE_A,
                                    PTE_A | PTE_D,
                                    14ULL << 32 | PFEC_P | PFEC_W,
                                    DATA + 8,
                                    14ULL << 32 | PFEC_P | PFEC_RSV,
                                    DATA,
                                    VMEXIT_HLT};
    struct bench b;

    (void)state;
    bench_open(&b, 1, 1, plain_main);
    assert_int_equal(bench_run(&b, long_program), MACHINE_IDLE);
    EXPECT(&b, want);
    bench_close(&b);
}

static void walk_program(struct native *n, void *arg)
{
    uint64_t x;

    (void)arg;
    native_enter_long_mode(n, TABLES, 4 << 20);
    call(n);
    native_read(n, DATA, &x, 8);
    native_hlt(n);
}

/* 15.25.6: a walk of the guest's tables counts as a user's write */
static void walk_fix(struct bench *b, unsigned i)
{
    if (i == 0) {
        *bench_npte(b, (TABLES + 0x2000) >> 12) &= ~PTE_W;
        bench_vmcb(b, 0)->tlb_control = TLB_CTL_FLUSH_ASID;
    } else {
        *bench_npte(b, (TABLES + 0x2000) >> 12) |= PTE_W;
    }
}

static void walk_main(struct bench *b)
{
    run_until_hlt(b, walk_fix);
}

static void fault_in_the_guests_tables_is_a_write_fault(void **state)
{
    /* The PD entry for the text, fetched first: entry 0. */
    static const uint64_t want[] = {
        VMEXIT_NPF, NPF_WALK | PFEC_U | PFEC_P | PFEC_W, TABLES + 0x2000,
        VMEXIT_HLT};
    struct bench b;

    (void)state;
    bench_open(&b, 1, 1, walk_main);
    assert_int_equal(bench_run(&b, walk_program), MACHINE_IDLE);
    EXPECT(&b, want);
    bench_close(&b);
}

/* -- Stale translations --------------------------------------------------- */

static void stale_program(struct native *n, void *arg)
{
    uint64_t x = 0;

    for (unsigned i = 0; i < 8; i++) {
        native_read(n, DATA, &x, 8);
        bench_note(arg, x);
        call(n);
    }
    native_hlt(n);
}

/* Moves the page to another frame each time; flushes in one way or not. */
static void stale_move(struct bench *b, unsigned i)
{
    struct vmcb *v = bench_vmcb(b, 0);
    uint64_t frame = FRAME_GUEST + 0x40 + i, value = 100 + i;

    memcpy(machine_frame(b->m, frame), &value, 8);
    *bench_npte(b, DATA_GFN) = frame << 12 | PTE_P | PTE_W | PTE_U;
    switch (i) {
    case 1:
        v->tlb_control = TLB_CTL_FLUSH_ASID;
        break;
    case 3:
        plat_invlpga(&b->m->plat, GVA(DATA), v->asid);
        break;
    case 4:
        plat_invlpga(&b->m->plat, GVA(DATA), 2); /* another ASID's */
        break;
    case 5:
        v->tlb_control = TLB_CTL_FLUSH_ALL;
        break;
    case 6:
        v->asid = 3; /* nothing cached under it */
        break;
    default:
        break; /* forgotten: the old translation lives on */
    }
}

static void stale_main(struct bench *b)
{
    uint64_t zero = 42;

    memcpy(bench_guest(b, DATA), &zero, 8);
    run_until_hlt(b, stale_move);
}

static void translations_stay_until_they_are_flushed(void **state)
{
    static const uint64_t want[] = {42,  42,  101, 101, 103,
                                    103, 105, 106, VMEXIT_HLT};
    struct bench b;

    (void)state;
    bench_open(&b, 1, 1, stale_main);
    assert_int_equal(bench_run(&b, stale_program), MACHINE_IDLE);
    EXPECT(&b, want);
    bench_close(&b);
}

static void flush_program(struct native *n, void *arg)
{
    uint64_t *pd = (uint64_t *)(void *)bench_guest(arg, TABLES + 0x2000);
    uint64_t x = 1, page = 2 << 20, value[2] = {11, 22};

    native_enter_long_mode(n, TABLES, 4 << 20);
    memcpy(bench_guest(arg, page + 0x100000), &value[0], 8);
    memcpy(bench_guest(arg, 0x100000 - 4096), &value[1], 8);
    native_read(n, page + 0x100000, &x, 8);
    bench_note(arg, x);
    /* The second 2 MiB become the first: one page, 4 KiB at a time cached. */
    pd[1] = (pd[0] & ~(PTE_A | PTE_D)) | PTE_G;
    native_read(n, page + 0x100000, &x, 8);
    bench_note(arg, x); /* stale */
    native_invlpg(n, page + 0x1000); /* another place of the same page */
    native_read(n, page + 0x100000 - 4096, &x, 8);
    bench_note(arg, x);
    native_read(n, page + 0x100000, &x, 8);
    bench_note(arg, x == 11);
    native_hlt(n);
}

/* APM2 5.5.2: INVLPG drops the page whatever its size */
static void invlpg_drops_a_large_page_as_a_whole(void **state)
{
    static const uint64_t want[] = {11, 11, 22, false, VMEXIT_HLT};
    struct bench b;

    (void)state;
    bench_open(&b, 1, 1, plain_main);
    assert_int_equal(bench_run(&b, flush_program), MACHINE_IDLE);
    EXPECT(&b, want);
    bench_close(&b);
}

static void global_program(struct native *n, void *arg)
{
    uint64_t *pd = (uint64_t *)(void *)bench_guest(arg, TABLES + 0x2000);
    uint64_t x, page = 2 << 20;

    native_enter_long_mode(n, TABLES, 4 << 20);
    native_set_cr(n, 4, native_get_cr(n, 4) | CR4_PGE);
    for (unsigned i = 0; i < 2; i++) {
        pd[1] = page | PTE_P | PTE_W | PTE_PS | (i == 0 ? PTE_G : 0);
        native_invlpg(n, page);
        native_read(n, page + 0x100000, &x, 8);
        pd[1] = PTE_P | PTE_W | PTE_PS; /* the first 2 MiB */
        native_set_cr(n, 3, TABLES);
        native_read(n, page + 0x100000, &x, 8);
        bench_note(arg, x == 11);
    }
    native_hlt(n);
}

static void global_main(struct bench *b)
{
    uint64_t eleven = 11;

    memcpy(bench_guest(b, 0x300000), &eleven, 8);
    run_until_hlt(b, nothing);
}

/* APM2 5.5.2: MOV CR3 keeps global translations, and no others */
static void mov_cr3_keeps_global_translations(void **state)
{
    static const uint64_t want[] = {true, false, VMEXIT_HLT};
    struct bench b;

    (void)state;
    bench_open(&b, 1, 1, global_main);
    assert_int_equal(bench_run(&b, global_program), MACHINE_IDLE);
    EXPECT(&b, want);
    bench_close(&b);
}

/* -- Across pages --------------------------------------------------------- */

static void split_program(struct native *n, void *arg)
{
    uint8_t data[10000], back[10000];

    for (unsigned i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(i * 7);
    }
    native_write(n, DATA + 4000, data, sizeof(data)); /* page 2 faults */
    native_read(n, DATA + 4000, back, sizeof(back));
    bench_note(arg, memcmp(data, back, sizeof(data)) == 0);
    bench_note(arg, native_test_and_set_bit(n, 0x5000, 77));
    bench_note(arg, native_test_and_set_bit(n, 0x5000, 77));
    bench_note(arg, native_test_and_clear_bit(n, 0x5000, 77));
    bench_note(arg, native_cmpxchg(n, 0x5000, 4, 0, 0x1234567890));
    bench_note(arg, native_xchg(n, 0x5000, 8, 1));
    native_hlt(n);
}

static void split_fix(struct bench *b, unsigned i)
{
    (void)i;
    *bench_npte(b, DATA_GFN + 1) |= PTE_P;
}

static void split_main(struct bench *b)
{
    *bench_npte(b, DATA_GFN + 1) &= ~PTE_P;
    run_until_hlt(b, split_fix);
}

static void accesses_over_pages_and_locked_ones_work(void **state)
{
    static const uint64_t want[] = {VMEXIT_NPF,
                                    NPF_FINAL | PFEC_U | PFEC_W,
                                    DATA + 4096,
                                    true,
                                    false,
                                    true,
                                    true,
                                    0,
                                    0x34567890,
                                    VMEXIT_HLT};
    struct bench b;

    (void)state;
    bench_open(&b, 1, 1, split_main);
    assert_int_equal(bench_run(&b, split_program), MACHINE_IDLE);
    EXPECT(&b, want);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nested_faults_carry_the_error_code),
        cmocka_unit_test(guest_walk_faults_and_sets_accessed_and_dirty),
        cmocka_unit_test(fault_in_the_guests_tables_is_a_write_fault),
        cmocka_unit_test(translations_stay_until_they_are_flushed),
        cmocka_unit_test(invlpg_drops_a_large_page_as_a_whole),
        cmocka_unit_test(mov_cr3_keeps_global_translations),
        cmocka_unit_test(accesses_over_pages_and_locked_ones_work),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
