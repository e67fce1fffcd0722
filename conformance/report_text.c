/*
 * TAP 13 and JUnit XML.
 */
#include "conformance/report.h"

#include <string.h>

void report_tap(const struct report *rep, FILE *out)
{
    char line[256];
    fprintf(out, "TAP version 13\n1..%zu\n", rep->count);
    for (size_t i = 0; i < rep->count; i++) {
        const struct report_entry *e = &rep->entries[i];
        enum t_verdict v = e->result.verdict;
        bool good = v == V_PASS || v == V_SKIP;
        fprintf(out, "%s %zu - %s%s%s\n", good ? "ok" : "not ok", i + 1,
                e->tc->name, v == V_SKIP ? " # SKIP " : "",
                v == V_SKIP ? e->result.message : "");
        if (!good) {
            report_replay_line(e, line, sizeof(line));
            fprintf(out,
                    "  ---\n  severity: %s\n  message: \"",
                    v == V_FAIL ? "fail" : "error");
            for (const char *p = e->result.message; *p != '\0'; p++) {
                if (*p == '"' || *p == '\\') {
                    fputc('\\', out);
                }
                fputc((unsigned char)*p < 0x20 ? ' ' : *p, out);
            }
            fprintf(out, "\"\n  replay: %s\n  ...\n", line);
        }
    }
}

static void xml_text(FILE *out, const char *s)
{
    for (; s != NULL && *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;
        switch (c) {
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '&':
            fputs("&amp;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        default:
            /* XML 1.0 2.2: no other control characters, no stray bytes */
            fputc(c == '\n' || c == '\t' || (c >= 0x20 && c < 0x7f) ? c : '?',
                  out);
        }
    }
}

static void junit_entry(const struct report_entry *e, FILE *out)
{
    char line[256];
    enum t_verdict v = e->result.verdict;
    fprintf(out, "  <testcase classname=\"%s\" name=\"%s\" time=\"%.6f\">",
            e->suite->name, e->tc->name, e->result.host_s);
    if (v == V_SKIP) {
        fputs("<skipped message=\"", out);
        xml_text(out, e->result.message);
        fputs("\"/>", out);
    } else if (v != V_PASS) {
        const char *tag = v == V_FAIL ? "failure" : "error";
        fprintf(out, "<%s message=\"", tag);
        xml_text(out, e->result.message);
        report_replay_line(e, line, sizeof(line));
        fputs("\">", out);
        xml_text(out, line);
        fprintf(out, "</%s><system-out>", tag);
        xml_text(out, e->result.console);
        fputs("</system-out>", out);
    }
    fputs("</testcase>\n", out);
}

void report_junit(const struct report *rep, FILE *out)
{
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", out);
    fprintf(out,
            "<testsuite name=\"ringside\" tests=\"%zu\" failures=\"%u\" "
            "errors=\"%u\" skipped=\"%u\" time=\"%.3f\">\n",
            rep->count, rep->verdicts[V_FAIL], rep->verdicts[V_ERROR],
            rep->verdicts[V_SKIP], rep->host_s);
    fprintf(out,
            "  <properties><property name=\"seed\" value=\"%llu\"/>"
            "<property name=\"state\" value=\"0x%016llx\"/></properties>\n",
            (unsigned long long)rep->seed, (unsigned long long)rep->state);
    for (size_t i = 0; i < rep->count; i++) {
        junit_entry(&rep->entries[i], out);
    }
    fputs("</testsuite>\n", out);
}
