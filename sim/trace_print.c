/*
 * Records in words, one line each.
 */
#include "sim/choice.h"
#include "sim/trace.h"

#include <inttypes.h>

const char *trace_type_name(unsigned type)
{
    static const char *const names[TRACE_TYPES] = {
        [TRACE_CHOICE] = "choice",
        [TRACE_ENTER] = "enter",
        [TRACE_EXIT] = "exit",
        [TRACE_HYPERCALL] = "hypercall",
        [TRACE_READ] = "read",
        [TRACE_WRITE] = "write",
        [TRACE_ATOMIC] = "atomic",
        [TRACE_IRQ] = "irq",
        [TRACE_PORT] = "port",
        [TRACE_DISK] = "disk",
        [TRACE_CHECKPOINT] = "checkpoint",
    };

    return type < TRACE_TYPES ? names[type] : NULL;
}

static const char *kind_name(uint64_t kind)
{
    static const char *const names[CHOICE_KINDS] = {
        [CHOICE_SLICE] = "slice",       [CHOICE_CPU] = "cpu",
        [CHOICE_PREEMPT] = "preempt",   [CHOICE_TLB] = "tlb",
        [CHOICE_DEVICE] = "device",     [CHOICE_FAULT] = "fault",
        [CHOICE_SCENARIO] = "scenario",
    };

    return kind < CHOICE_KINDS ? names[kind] : "?";
}

static void print_disk(const struct trace_record *r, FILE *out)
{
    static const char *const ops[] = {"read", "write", "flush"};
    unsigned op = (unsigned)(r->a >> 8) & 0xff;

    fprintf(out,
            "disk %u %s sector %" PRIu64 " count %" PRIu32 " status %" PRIu32,
            (unsigned)(r->a & 0xff), op < 3 ? ops[op] : "?", r->b,
            (uint32_t)r->c, (uint32_t)(r->c >> 32));
}

static void print_body(const struct trace_record *r, FILE *out)
{
    switch ((enum trace_type)r->type) {
    case TRACE_CHOICE:
        fprintf(out, "%s %" PRIu64 " of %" PRIu64, kind_name(r->a), r->c, r->b);
        break;
    case TRACE_ENTER:
        fprintf(out, "vmcb %" PRIx64 " rip %" PRIx64 " event %" PRIx64, r->a,
                r->b, r->c);
        break;
    case TRACE_EXIT:
        fprintf(out, "vmcb %" PRIx64 " code %" PRIx64 " info %" PRIx64, r->a,
                r->b, r->c);
        break;
    case TRACE_HYPERCALL:
        fprintf(out, "nr %" PRIu64 " (%" PRIx64 ", %" PRIx64 ")", r->a, r->b,
                r->c);
        break;
    case TRACE_READ:
    case TRACE_WRITE:
        fprintf(out, "maddr %" PRIx64 " len %" PRIu64 " data %016" PRIx64, r->a,
                r->b, r->c);
        break;
    case TRACE_ATOMIC:
        fprintf(out, "maddr %" PRIx64 " %" PRIx64 " -> %" PRIx64, r->a, r->b,
                r->c);
        break;
    case TRACE_IRQ:
        fprintf(out, "to cpu %" PRIu64 " line %" PRIu64, r->a, r->b);
        break;
    case TRACE_PORT:
        fprintf(out, "%s %04" PRIx64 " len %" PRIu64 " value %" PRIx64,
                r->a >> 16 & 1 ? "in" : "out", r->a & 0xffff, r->a >> 17, r->c);
        break;
    case TRACE_DISK:
        print_disk(r, out);
        break;
    case TRACE_CHECKPOINT:
        fprintf(out, "%" PRIu64 " hv %016" PRIx64 " machine %016" PRIx64, r->c,
                r->a, r->b);
        break;
    default:
        fprintf(out, "%" PRIx64 " %" PRIx64 " %" PRIx64, r->a, r->b, r->c);
        break;
    }
}

void trace_print_record(const struct trace_record *r, uint64_t index, FILE *out)
{
    const char *name = trace_type_name(r->type);

    fprintf(out, "%" PRIu64 " %" PRIu64 ".%06" PRIu64 "ms cpu%u %s ", index,
            r->time_ns / 1000000, r->time_ns % 1000000, r->cpu,
            name ? name : "?");
    print_body(r, out);
    fputc('\n', out);
}
