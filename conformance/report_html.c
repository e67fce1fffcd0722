/*
 * One self-contained HTML page: the totals, then a table of clauses, area by
 * area, each with the case that proves it and its verdict.
 */
#include "conformance/report.h"

#include <string.h>

static void html_text(FILE *out, const char *s)
{
    for (; s != NULL && *s != '\0'; s++) {
        switch (*s) {
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
            fputc(*s, out);
        }
    }
}

static void html_head(const struct report *rep, FILE *out)
{
    fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
          "<meta name=\"viewport\" content=\"width=device-width\">"
          "<title>Ringside conformance report</title>\n<style>"
          "body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;"
          "max-width:76em;padding:0 1em;color:#1a1a1a;background:#fff}"
          "table{border-collapse:collapse;width:100%;margin:.5em 0 2em}"
          "th,td{text-align:left;vertical-align:top;padding:.35em .6em;"
          "border-bottom:1px solid #ddd}th{background:#f4f4f4}"
          "code{font-size:.9em}.ok{color:#0a6b2d}.FAIL,.ERROR{color:#b00020;"
          "font-weight:bold}.skip{color:#6b5900}small{color:#555}"
          "pre{white-space:pre-wrap;background:#f7f7f7;padding:.6em}"
          "</style></head><body>\n<h1>Ringside conformance report</h1>\n",
          out);
    fprintf(out,
            "<p><b class=\"%s\">%u passed, %u failed, %u errors, "
            "%u skipped</b>; seed %llu",
            rep->verdicts[V_FAIL] + rep->verdicts[V_ERROR] ? "FAIL" : "ok",
            rep->verdicts[V_PASS], rep->verdicts[V_FAIL],
            rep->verdicts[V_ERROR], rep->verdicts[V_SKIP],
            (unsigned long long)rep->seed);
    if (rep->seeds > 1) {
        fprintf(out, " and the %llu after it",
                (unsigned long long)(rep->seeds - 1));
    }
    fprintf(out, "; state <code>0x%016llx</code>.</p>\n",
            (unsigned long long)rep->state);
    fputs("<p>A failure is the system under test breaking the clause; an "
          "error is a case that could not do what it needed to.</p>\n",
          out);
}

static void html_row(const struct report_entry *e, FILE *out)
{
    char line[256];
    enum t_verdict v = e->result.verdict;
    fputs("<tr><td>", out);
    html_text(out, e->tc->clause);
    fputs("<br><small>", out);
    html_text(out, e->tc->source);
    fprintf(out, "</small></td><td><code>%s</code>%s</td><td class=\"%s\">%s",
            e->tc->name,
            e->tc->flags & T_HOSTILE ? " <small>hostile</small>" : "",
            report_verdict_name(v), report_verdict_name(v));
    if (v != V_PASS) {
        fputs("<br><small>", out);
        html_text(out, e->result.message);
        fputs("</small>", out);
    }
    if (v == V_FAIL || v == V_ERROR) {
        report_replay_line(e, line, sizeof(line));
        fprintf(out, "<pre>%s</pre><details><summary>console</summary><pre>",
                line);
        html_text(out, e->result.console);
        fputs("</pre></details>", out);
    }
    fputs("</td></tr>\n", out);
}

void report_html(const struct report *rep, FILE *out)
{
    unsigned n;
    const struct tsuite *const *suites = registry_suites(&n);
    html_head(rep, out);
    for (unsigned s = 0; s < n; s++) {
        bool open = false;
        for (size_t i = 0; i < rep->count; i++) {
            if (rep->entries[i].suite != suites[s]) {
                continue;
            }
            if (!open) {
                fprintf(out,
                        "<h2>%s</h2>\n<table><tr><th>Clause</th>"
                        "<th>Case</th><th>Verdict</th></tr>\n",
                        suites[s]->name);
                open = true;
            }
            html_row(&rep->entries[i], out);
        }
        if (open) {
            fputs("</table>\n", out);
        }
    }
    fputs("</body></html>\n", out);
}
