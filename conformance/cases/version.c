/*
 * xen_version, console_io, CPUID leaves and multicall: what every guest asks
 * first. Proves the answers' form and limits; not their agreement with any
 * particular Xen build (extraversion and compile_info are free text).
 */
#include "conformance/harness.h"

#include <string.h>

#include <xen/features.h>
#include <xen/version.h>

#include "pv/os/native.h"
#include "sim/cpu/native.h"

static int64_t version_op(struct t *t, unsigned cmd, void *arg, size_t len)
{
    return os_call(t->os, __HYPERVISOR_xen_version, cmd, arg, len, 0);
}

static void version_is_4_17(struct t *t)
{
    T_EQ(t, version_op(t, XENVER_version, NULL, 0), (4 << 16) | 17);
}

static void extraversion_is_terminated(struct t *t)
{
    xen_extraversion_t extra;
    memset(extra, 0xff, sizeof(extra));
    T_EQ(t, version_op(t, XENVER_extraversion, extra, sizeof(extra)), 0);
    T_CHECK(t, memchr(extra, 0, sizeof(extra)) != NULL);
}

static void capabilities_name_64bit_hvm(struct t *t)
{
    xen_capabilities_info_t info;
    memset(info, 0xff, sizeof(info));
    T_EQ(t, version_op(t, XENVER_capabilities, info, sizeof(info)), 0);
    T_CHECK(t, memchr(info, 0, sizeof(info)) != NULL);
    T_CHECK(t, strstr(info, "hvm-3.0-x86_64") != NULL);
}

static void features_describe_translated_guest(struct t *t)
{
    struct xen_feature_info fi = {.submap_idx = 0, .submap = 0};
    T_EQ(t, version_op(t, XENVER_get_features, &fi, sizeof(fi)), 0);
    T_CHECK(t, fi.submap & (1u << XENFEAT_auto_translated_physmap));
    T_CHECK(t, fi.submap & (1u << XENFEAT_hvm_callback_vector));
    T_CHECK(t, !(fi.submap & (1u << XENFEAT_dom0)));
}

static void features_submap_out_of_range(struct t *t)
{
    struct xen_feature_info fi = {.submap_idx = XENFEAT_NR_SUBMAPS};
    T_EQ(t, version_op(t, XENVER_get_features, &fi, sizeof(fi)), -XEN_EINVAL);
    fi.submap_idx = ~0u;
    T_EQ(t, version_op(t, XENVER_get_features, &fi, sizeof(fi)), -XEN_EINVAL);
}

static void pagesize_is_4096(struct t *t)
{
    T_EQ(t, version_op(t, XENVER_pagesize, NULL, 0), 4096);
}

static void commandline_is_denied(struct t *t)
{
    xen_commandline_t line;
    memset(line, 0x55, sizeof(line));
    T_EQ(t, version_op(t, XENVER_commandline, line, sizeof(line)), 0);
    T_CHECK(t, strcmp(line, "<denied>") == 0);
}

static void unknown_subop_is_enosys(struct t *t)
{
    T_EQ(t, version_op(t, 11, NULL, 0), -XEN_ENOSYS);
    T_EQ(t, version_op(t, ~0u, NULL, 0), -XEN_ENOSYS);
}

/* An address no page table of the guest maps (identity map: first GiB). */
#define UNMAPPED_GVA 0x7f0000000000ULL
#define NONCANONICAL_GVA 0x0000900000000000ULL

static void bad_pointer_is_efault(struct t *t)
{
    T_EQ(t, os_hypercall(t->os, __HYPERVISOR_xen_version, XENVER_extraversion,
                         UNMAPPED_GVA, 0, 0, 0), -XEN_EFAULT);
    T_EQ(t, os_hypercall(t->os, __HYPERVISOR_xen_version,
                         XENVER_get_features, NONCANONICAL_GVA, 0, 0, 0),
         -XEN_EFAULT);
    T_EQ(t, os_hypercall(t->os, __HYPERVISOR_xen_version,
                         XENVER_get_features, ~0ULL - 3, 0, 0, 0),
         -XEN_EFAULT);
}

static void unknown_hypercall_is_enosys(struct t *t)
{
    T_EQ(t, os_hypercall(t->os, 63, 1, 2, 3, 4, 5), -XEN_ENOSYS);
    T_EQ(t, os_hypercall(t->os, 64, 1, 2, 3, 4, 5), -XEN_ENOSYS);
    T_EQ(t, os_hypercall(t->os, ~0u, 1, 2, 3, 4, 5), -XEN_ENOSYS);
}

static void pv_only_calls_are_enosys(struct t *t)
{
    static const unsigned pv[] = {__HYPERVISOR_set_trap_table,
                                  __HYPERVISOR_set_gdt,
                                  __HYPERVISOR_stack_switch,
                                  __HYPERVISOR_fpu_taskswitch,
                                  __HYPERVISOR_set_debugreg,
                                  __HYPERVISOR_update_va_mapping,
                                  __HYPERVISOR_set_segment_base,
                                  __HYPERVISOR_iret};
    for (unsigned i = 0; i < sizeof(pv) / sizeof(pv[0]); i++) {
        T_EQ(t, os_hypercall(t->os, pv[i], 0, 0, 0, 0, 0), -XEN_ENOSYS);
    }
}

static void console_write_counts(struct t *t)
{
    static const char line[] = "a line for the console\n";
    uint64_t p = os_arg(t->os);
    os_write(t->os, p, line, sizeof(line) - 1);
    T_EQ(t, os_hypercall(t->os, __HYPERVISOR_console_io, CONSOLEIO_write,
                         sizeof(line) - 1, p, 0, 0), 0);
    T_EQ(t, os_hypercall(t->os, __HYPERVISOR_console_io, CONSOLEIO_write, 0,
                         p, 0, 0), 0);
}

static void console_write_bad_buffer(struct t *t)
{
    T_EQ(t, os_hypercall(t->os, __HYPERVISOR_console_io, CONSOLEIO_write, 64,
                         UNMAPPED_GVA, 0, 0), -XEN_EFAULT);
}

static void console_read_is_privileged(struct t *t)
{
    T_EQ(t, os_hypercall(t->os, __HYPERVISOR_console_io, CONSOLEIO_read, 16,
                         os_arg(t->os), 0, 0), -XEN_EPERM);
}

static void cpuid_signature(struct t *t)
{
    uint32_t r[4];
    native_cpuid(os_native(t->os), 0x40000000, 0, r);
    T_CHECK(t, r[0] >= 0x40000002 && r[0] <= 0x400000ff);
    T_EQ(t, r[1], 0x566e6558); /* "XenV" */
    T_EQ(t, r[2], 0x65584d4d); /* "MMXe" */
    T_EQ(t, r[3], 0x4d4d566e); /* "nVMM" */
    native_cpuid(os_native(t->os), 0x40000001, 0, r);
    T_EQ(t, r[0], (4 << 16) | 17);
    native_cpuid(os_native(t->os), 1, 0, r);
    T_CHECK(t, r[2] & (1u << 31)); /* hypervisor present */
}

static void cpuid_hides_svm(struct t *t)
{
    uint32_t r[4];
    native_cpuid(os_native(t->os), 0x80000001, 0, r);
    T_CHECK(t, !(r[2] & (1u << 2))); /* APM3 E.4.2: SVM */
    native_cpuid(os_native(t->os), 0x8000000a, 0, r);
    T_EQ(t, r[0] | r[1] | r[2] | r[3], 0);
}

static void cpuid_hvm_leaf_names_domain(struct t *t)
{
    uint32_t r[4];
    native_cpuid(os_native(t->os), 0x40000004, 0, r);
    T_CHECK(t, r[0] & (1u << 3)); /* XEN_HVM_CPUID_VCPU_ID_PRESENT */
    T_EQ(t, r[1], 0);
    T_CHECK(t, r[0] & (1u << 4)); /* XEN_HVM_CPUID_DOMID_PRESENT */
    T_EQ(t, r[2], os_domid(t->os));
}

static uint64_t put_calls(struct t *t, const struct multicall_entry *e,
                          unsigned n)
{
    uint64_t p = os_arg(t->os);
    os_write(t->os, p, e, n * sizeof(*e));
    return p;
}

static void multicall_results_in_entries(struct t *t)
{
    struct multicall_entry e[3] = {
        {.op = __HYPERVISOR_xen_version, .args = {XENVER_version}},
        {.op = __HYPERVISOR_xen_version, .args = {XENVER_pagesize}},
        {.op = __HYPERVISOR_xen_version, .args = {99}}};
    uint64_t p = put_calls(t, e, 3);
    T_EQ(t, os_hypercall(t->os, __HYPERVISOR_multicall, p, 3, 0, 0, 0), 0);
    os_read(t->os, p, e, sizeof(e));
    T_EQ(t, e[0].result, (4 << 16) | 17);
    T_EQ(t, e[1].result, 4096);
    T_EQ(t, (int64_t)e[2].result, -XEN_ENOSYS);
}

static void multicall_many_goes_on(struct t *t)
{
    struct multicall_entry e[100];
    for (unsigned i = 0; i < 100; i++) {
        e[i] = (struct multicall_entry){.op = __HYPERVISOR_xen_version,
                                        .args = {XENVER_pagesize}};
    }
    for (unsigned round = 0; round < 20; round++) {
        uint64_t p = put_calls(t, e, 100);
        T_EQ(t, os_hypercall(t->os, __HYPERVISOR_multicall, p, 100, 0, 0, 0),
             0);
        for (unsigned i = 0; i < 100; i++) {
            T_EQ(t, os_load64(t->os, p + i * sizeof(e[0]) +
                              offsetof(struct multicall_entry, result)),
                 4096);
        }
    }
}

static void multicall_nested_is_refused(struct t *t)
{
    struct multicall_entry e = {.op = __HYPERVISOR_multicall,
                                .args = {os_arg(t->os), 1}};
    uint64_t p = put_calls(t, &e, 1);
    T_EQ(t, os_hypercall(t->os, __HYPERVISOR_multicall, p, 1, 0, 0, 0), 0);
    os_read(t->os, p, &e, sizeof(e));
    T_EQ(t, (int64_t)e.result, -XEN_EINVAL);
}

static void multicall_bad_list_is_efault(struct t *t)
{
    T_EQ(t, os_hypercall(t->os, __HYPERVISOR_multicall, UNMAPPED_GVA, 1, 0, 0,
                         0), -XEN_EFAULT);
    T_EQ(t, os_hypercall(t->os, __HYPERVISOR_multicall, os_arg(t->os), 0, 0,
                         0, 0), 0);
}

static void hypercall_page_msr(struct t *t)
{
    uint32_t r[4];
    uint8_t code[8];
    native_cpuid(os_native(t->os), 0x40000002, 0, r);
    T_EQ(t, r[0], 1);
    uint64_t page = t_page(t, 0);
    T_CHECK(t, native_wrmsr(os_native(t->os), r[1], page));
    os_read(t->os, page + 32 * __HYPERVISOR_xen_version, code, sizeof(code));
    T_EQ(t, code[0], 0xb8); /* mov $nr, %eax */
    T_EQ(t, code[1], __HYPERVISOR_xen_version);
    T_CHECK(t, code[5] == 0x0f && code[6] == 0x01 && code[7] == 0xd9);
}

static void hypercall_page_beyond_memory(struct t *t)
{
    uint32_t r[4];
    native_cpuid(os_native(t->os), 0x40000002, 0, r);
    T_CHECK(t, !native_wrmsr(os_native(t->os), r[1], 0xfffff000000ULL));
    T_EQ(t, version_op(t, XENVER_pagesize, NULL, 0), 4096);
}

static const struct tcase cases[] = {
    {"version_is_major_and_minor",
     "XENVER_version gives major<<16 | minor", "version.h: XENVER_version",
     T_NOSTORE, version_is_4_17, 0, 0, 0},
    {"extraversion_is_a_terminated_string",
     "xen_extraversion_t is a char[16] string",
     "version.h: XENVER_extraversion", T_NOSTORE, extraversion_is_terminated,
     0, 0, 0},
    {"capabilities_name_64bit_hvm",
     "capabilities list the guest types the hypervisor runs",
     "version.h: XENVER_capabilities", T_NOSTORE, capabilities_name_64bit_hvm,
     0, 0, 0},
    {"features_describe_a_translated_guest",
     "a PVH guest has auto_translated_physmap, not dom0",
     "features.h: XENFEAT_auto_translated_physmap", T_NOSTORE,
     features_describe_translated_guest, 0, 0, 0},
    {"features_submap_out_of_range_is_refused",
     "submap_idx is below XENFEAT_NR_SUBMAPS",
     "version.h: XENVER_get_features", T_NOSTORE | T_HOSTILE,
     features_submap_out_of_range, 0, 0, 0},
    {"pagesize_is_4096", "XENVER_pagesize gives the page size",
     "version.h: XENVER_pagesize", T_NOSTORE, pagesize_is_4096, 0, 0, 0},
    {"commandline_is_denied_to_the_unprivileged",
     "secrets of the host read <denied> without privilege",
     "version.h: XENVER_commandline", T_NOSTORE | T_HOSTILE,
     commandline_is_denied, 0, 0, 0},
    {"version_unknown_subop_is_enosys", "an unknown sub-operation is ENOSYS",
     "version.h: XENVER_*", T_NOSTORE | T_HOSTILE, unknown_subop_is_enosys, 0,
     0, 0},
    {"hypercall_bad_pointer_is_efault",
     "an argument that can't be reached is EFAULT", "xen.h: hypercalls",
     T_NOSTORE | T_HOSTILE, bad_pointer_is_efault, 0, 0, 0},
    {"hypercall_unknown_number_is_enosys",
     "a number that is no hypercall is ENOSYS", "xen.h: __HYPERVISOR_*",
     T_NOSTORE | T_HOSTILE, unknown_hypercall_is_enosys, 0, 0, 0},
    {"hypercall_pv_only_is_enosys_for_pvh",
     "hypercalls of PV memory and traps don't exist for translated guests",
     "xen.h: __HYPERVISOR_*", T_NOSTORE | T_HOSTILE, pv_only_calls_are_enosys,
     0, 0, 0},
    {"console_write_takes_any_guest",
     "CONSOLEIO_write prints the caller's text", "xen.h: CONSOLEIO_write",
     T_NOSTORE, console_write_counts, 0, 0, 0},
    {"console_write_bad_buffer_is_efault",
     "an unreadable buffer is EFAULT", "xen.h: CONSOLEIO_write",
     T_NOSTORE | T_HOSTILE, console_write_bad_buffer, 0, 0, 0},
    {"console_read_is_privileged",
     "the hypervisor's input is the control domain's",
     "xen.h: CONSOLEIO_read", T_NOSTORE | T_HOSTILE,
     console_read_is_privileged, 0, 0, 0},
    {"cpuid_signature_is_xen",
     "leaf 0x40000000 holds XenVMMXenVMM and the last leaf",
     "arch-x86/cpuid.h: leaf 1", T_NOSTORE | T_NATIVE, cpuid_signature, 0, 0,
     0},
    {"cpuid_hides_svm", "a guest is not offered what it can't use",
     "APM3 E.4.2: Fn8000_0001_ECX[SVM]", T_NOSTORE | T_NATIVE,
     cpuid_hides_svm, 0, 0, 0},
    {"cpuid_hvm_leaf_names_vcpu_and_domain",
     "leaf 0x40000004 holds vCPU id and domid when their bits say so",
     "arch-x86/cpuid.h: XEN_HVM_CPUID_*", T_NOSTORE | T_NATIVE,
     cpuid_hvm_leaf_names_domain, 0, 0, 0},
    {"multicall_puts_results_in_entries",
     "each entry's result is its call's; the multicall itself is 0",
     "xen.h: struct multicall_entry", T_NOSTORE, multicall_results_in_entries,
     0, 0, 0},
    {"multicall_long_list_is_continued",
     "a list that is preempted goes on where it stopped",
     "xen.h: struct multicall_entry", T_NOSTORE, multicall_many_goes_on, 0, 0,
     0},
    {"multicall_nested_is_refused", "a multicall may hold no multicall",
     "xen.h: struct multicall_entry", T_NOSTORE | T_HOSTILE,
     multicall_nested_is_refused, 0, 0, 0},
    {"multicall_bad_list_is_efault", "an unreadable list is EFAULT",
     "xen.h: struct multicall_entry", T_NOSTORE | T_HOSTILE,
     multicall_bad_list_is_efault, 0, 0, 0},
    {"hypercall_page_holds_vmmcall_stubs",
     "the MSR of leaf 0x40000002 fills a page of 32-byte stubs",
     "arch-x86/cpuid.h: leaf 3", T_NOSTORE | T_NATIVE, hypercall_page_msr, 0,
     0, 0},
    {"hypercall_page_beyond_memory_is_refused",
     "a hypercall page needs guest memory behind it: #GP otherwise",
     "arch-x86/cpuid.h: leaf 3", T_NOSTORE | T_NATIVE | T_HOSTILE,
     hypercall_page_beyond_memory, 0, 0, 0},
};
T_SUITE(version, cases);
