/*
 * console_io: the emergency console. Source of the rules: xen.h,
 * CONSOLEIO_*, and Xen's own treatment of the two kinds of writers:
 *
 *  - the control domain writes to the machine's console as it is, at once;
 *  - any other domain's output is kept to lines, stripped of what is not
 *    printable, and each line goes out behind "(d<domid>) ".
 *
 * Invariants:
 *  1. Output of a domain other than the control domain can't be taken for
 *     another's or the hypervisor's: every line of it has the prefix.
 *  2. Between two looks at preemption at most CHUNK bytes are written.
 */
#include "hv/hypercall.h"

#include "hv/access.h"
#include "hv/domain.h"
#include "hv/gmem.h"
#include "hv/hv.h"

#define CHUNK 127u /* bytes fetched at a time, Xen's own */

static void write_lines(struct domain *d, const char *text, unsigned len)
{
    unsigned i;

    for (i = 0; i < len; i++) {
        char c = text[i];

        if ((c >= 0x20 && c < 0x7f) || c == '\t' || c == '\n') {
            domain_console_putc(d, c);
        }
    }
}

static long console_write(struct vcpu *v, gva_t buf, unsigned count)
{
    struct domain *d = v->domain;
    bool first = true;
    char chunk[CHUNK];

    while (count > 0) {
        unsigned n = count < CHUNK ? count : CHUNK;

        if (!first && hypercall_preempt(v)) {
            const uint64_t args[5] = {CONSOLEIO_write, count, buf.v};

            return hypercall_continue(v, __HYPERVISOR_console_io, args);
        }
        first = false;
        if (gmem_copy_from(v, chunk, buf, n)) {
            return -XEN_EFAULT;
        }
        if (d->control) {
            plat_console_write(d->hv->plat, chunk, n);
        } else {
            write_lines(d, chunk, n);
        }
        buf.v += n;
        count -= n;
    }
    return 0;
}

long console_io_op(struct vcpu *v, unsigned cmd, unsigned count, gva_t buf)
{
    int rc;

    if (cmd == CONSOLEIO_write) {
        return console_write(v, buf, count);
    }
    rc = access_check(v->domain, ACCESS_CONSOLE, NULL);
    if (rc) {
        return rc;
    }
    if (cmd != CONSOLEIO_read) {
        return -XEN_ENOSYS;
    }
    /* The result is a count or an error: they must not overlap. The seam's
     * console has no input, so there never is anything to read. */
    return count > 0x7fffffffu ? -XEN_E2BIG : 0;
}
