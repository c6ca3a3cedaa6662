/*
 * cli/script_results.c - what a script asks for, and whether it is what the script expects.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "batch/report.h"
#include "cli/script_run.h"
#include "lang/explain.h"
#include "ops/system.h"

enum { SHOWN_ROWS_MAX = 30 };

/* Cells of a line are the same when they differ in nothing but what lies between them. */
static bool same_line(rdl_str a, rdl_str b)
{
    size_t i = 0, j = 0;
    while (a.n > 0 && (a.p[a.n - 1] == ' ' || a.p[a.n - 1] == '\t'))
        a.n--;
    while (b.n > 0 && (b.p[b.n - 1] == ' ' || b.p[b.n - 1] == '\t'))
        b.n--;
    while (i < a.n && j < b.n) {
        size_t gap_a = 0, gap_b = 0;
        while (i + gap_a < a.n && (a.p[i + gap_a] == ' ' || a.p[i + gap_a] == '\t'))
            gap_a++;
        while (j + gap_b < b.n && (b.p[j + gap_b] == ' ' || b.p[j + gap_b] == '\t'))
            gap_b++;
        bool wide_a = gap_a > 1 || (gap_a == 1 && a.p[i] == '\t');
        bool wide_b = gap_b > 1 || (gap_b == 1 && b.p[j] == '\t');
        if ((gap_a > 0) != (gap_b > 0) || wide_a != wide_b)
            return false;
        i += gap_a;
        j += gap_b;
        if (i < a.n && j < b.n && a.p[i++] != b.p[j++])
            return false;
    }
    return i == a.n && j == b.n;
}

static bool take_line(rdl_str *text, rdl_str *out)
{
    if (text->n == 0)
        return false;
    const char *nl = memchr(text->p, '\n', text->n);
    size_t n = nl != NULL ? (size_t)(nl - text->p) : text->n;
    *out = (rdl_str){text->p, n};
    text->p += n + (nl != NULL);
    text->n -= n + (nl != NULL);
    return true;
}

static void put_indented(rdl_buf *out, rdl_str text)
{
    rdl_str line;
    for (int i = 0; i < SHOWN_ROWS_MAX && take_line(&text, &line); i++)
        rdl_buf_printf(out, "    %.*s\n", (int)line.n, line.p);
    if (text.n > 0)
        rdl_buf_puts(out, "    ...\n");
}

/* Compare lines; with --accept, remember what came instead. */
static bool compare(rdl_script_runner *r, const rdl_record *at, const rdl_buf *got)
{
    rdl_str a = at->expected, b = {rdl_buf_str(got), got->n}, line_a = {0}, line_b = {0};
    for (unsigned row = 1;; row++) {
        bool more_a = take_line(&a, &line_a), more_b = take_line(&b, &line_b);
        if (!more_a && !more_b && at->has_expected)
            return true;
        if (more_a && more_b && same_line(line_a, line_b))
            continue;
        if (r->accept) {
            RDL_PUSH(&r->arena, &r->edits) = (rdl_script_edit){
                .at = at->has_expected ? at->expected_at : at->body_end,
                .len = at->expected.n,
                .text = rdl_arena_printf(&r->arena, "%s%s", at->has_expected ? "" : "----\n",
                                         rdl_buf_str(got))};
            return true;
        }
        if (!more_a)
            line_a = RDL_STR("nothing more");
        if (!more_b)
            line_b = RDL_STR("nothing more");
        rdl_script_fail(r, at,
                        "row %u differs (raudal test --accept takes what came)\n"
                        "  expected  %.*s\n  got       %.*s\n  all that came:",
                        row, (int)line_a.n, line_a.p, (int)line_b.n, line_b.p);
        put_indented(r->report, (rdl_str){rdl_buf_str(got), got->n});
        return false;
    }
}

static void put_cell(rdl_buf *out, const rdl_vector *v, size_t row, char type)
{
    size_t begin = out->n;
    if (!rdl_vector_valid(v, row)) {
        rdl_buf_puts(out, "NULL");
        return;
    }
    rdl_vector_print(v, row, out);
    if (out->n == begin)
        rdl_buf_puts(out, "(empty)");
    if (type == 'R') {
        double x = strtod(out->p + begin, NULL);
        out->n = begin;
        rdl_buf_printf(out, "%.3f", x);
    }
    for (size_t i = begin; i < out->n; i++) {
        if (out->p[i] == '\n')
            out->p[i] = ' ';
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The result's cells as lines, in the order that was asked for. */
static void put_rows(rdl_script_runner *r, rdl_result *result, const char *types, bool sort,
                     bool by_value, rdl_buf *out)
{
    RDL_VEC(char *) lines = {0};
    const rdl_chunk *chunk;
    rdl_buf line = {0};
    while (rdl_result_next(result, &chunk)) {
        for (size_t row = 0; row < chunk->rows; row++) {
            rdl_buf_clear(&line);
            for (size_t c = 0; c < chunk->n; c++) {
                if (by_value)
                    rdl_buf_clear(&line);
                else if (c > 0)
                    rdl_buf_puts(&line, "  ");
                put_cell(&line, &chunk->v[c], row, types[c]);
                if (by_value)
                    RDL_PUSH(&r->arena, &lines) = rdl_arena_strdup(&r->arena, rdl_buf_str(&line));
            }
            if (!by_value)
                RDL_PUSH(&r->arena, &lines) = rdl_arena_strdup(&r->arena, rdl_buf_str(&line));
        }
    }
    rdl_buf_fini(&line);
    if (sort && lines.n > 1)
        qsort(lines.v, lines.n, sizeof *lines.v, by_text);
    for (size_t i = 0; i < lines.n; i++)
        rdl_buf_printf(out, "%s\n", lines.v[i]);
}

bool rdl_script_do_query(rdl_script_runner *r, const rdl_record *at)
{
    rdl_reader *reader;
    rdl_result *result = NULL;
    rdl_err err = {0};
    rdl_buf got = {0};
    const char *sort = at->word_count > 1 && !at->error ? at->words[1] : "nosort";
    bool by_value = strcmp(sort, "valuesort") == 0, by_row = strcmp(sort, "rowsort") == 0;
    const char *sql = rdl_arena_strndup(&r->arena, at->body.p, at->body.n);
    if (!by_value && !by_row && strcmp(sort, "nosort") != 0)
        return rdl_script_fail(r, at, "unrecognized order \"%s\": rowsort or valuesort", sort);
    if (rdl_script_reader(&r->engine, &reader, &err) != RDL_OK)
        return rdl_script_fail_err(r, at, &err);
    rdl_code rc = rdl_system_query(reader, sql, r->engine.clock_us, &result, &err);
    if (at->error) {
        rdl_result_free(result);
        if (rc == RDL_OK)
            return rdl_script_fail(r, at, "this query was expected to fail, and did not");
        return rdl_script_error_fits(r, at, err.msg);
    }
    if (rc != RDL_OK)
        return rdl_script_fail_err(r, at, &err);
    bool fine = rdl_result_schema(result)->n == strlen(at->words[0]);
    if (!fine) {
        rdl_script_fail(r, at, "the result has %zu columns, the line says %zu",
                        rdl_result_schema(result)->n, strlen(at->words[0]));
    } else {
        put_rows(r, result, at->words[0], by_value || by_row, by_value, &got);
        fine = compare(r, at, &got);
    }
    rdl_result_free(result);
    rdl_buf_fini(&got);
    return fine;
}

bool rdl_script_do_verify(rdl_script_runner *r, const rdl_record *at)
{
    rdl_buf found = {0};
    rdl_err err = {0};
    if (rdl_script_verify(&r->engine, r->applied, &found, &err) != RDL_OK)
        return rdl_script_fail_err(r, at, &err);
    bool fine =
        found.n == 0 || rdl_script_fail(r, at, "stream and batch differ\n%s", rdl_buf_str(&found));
    rdl_buf_fini(&found);
    return fine;
}

void rdl_script_put_ledger(rdl_buf *out, const rdl_ledger *l)
{
    const struct {
        const char *name;
        uint64_t n;
    } all[] = {{"read", l->read},
               {"replayed", l->replayed},
               {"fanout", l->fanout},
               {"written", l->written},
               {"duplicate", l->duplicate},
               {"late_diverted", l->late_diverted},
               {"late_dropped", l->late_dropped},
               {"quarantined", l->quarantined},
               {"dropped", l->dropped},
               {"filtered", l->filtered},
               {"amended", l->amended},
               {"imputed", l->imputed},
               {"kept", l->kept},
               {"rescued", l->rescued},
               {"malformed", l->malformed},
               {"hop_copies", l->hop_copies}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (all[i].n > 0)
            rdl_buf_printf(out, "%s %" PRIu64 "\n", all[i].name, all[i].n);
    }
}

bool rdl_script_do_ledger(rdl_script_runner *r, const rdl_record *at)
{
    rdl_reader *reader;
    rdl_root_status status;
    rdl_err err = {0};
    rdl_buf got = {0};
    if (rdl_script_reader(&r->engine, &reader, &err) != RDL_OK ||
        rdl_reader_status(reader, &r->arena, &status, &err) != RDL_OK)
        return rdl_script_fail_err(r, at, &err);
    const rdl_table *t = rdl_pipeline_find(rdl_reader_pipeline(reader), rdl_str_of(at->words[0]));
    if (t == NULL)
        return rdl_script_fail(r, at, "there is no table \"%s\"", at->words[0]);
    const rdl_ledger *l = &status.tables[t->index].ledger;
    rdl_script_put_ledger(&got, l);
    bool fine = compare(r, at, &got);
    rdl_buf_fini(&got);
    return fine &&
           (rdl_ledger_balances(l) || rdl_script_fail(r, at, "the ledger does not balance"));
}

bool rdl_script_do_mode(rdl_script_runner *r, const rdl_record *at)
{
    rdl_reader *reader;
    rdl_err err = {0};
    rdl_buf got = {0};
    if (rdl_script_reader(&r->engine, &reader, &err) != RDL_OK)
        return rdl_script_fail_err(r, at, &err);
    const rdl_table *t = rdl_pipeline_find(rdl_reader_pipeline(reader), rdl_str_of(at->words[0]));
    if (t == NULL || t->kind != RDL_TABLE_VIEW)
        return rdl_script_fail(r, at, "there is no view \"%s\"", at->words[0]);
    rdl_buf_printf(&got, "%s\n", rdl_maintenance_name(t->view_plan->mode));
    bool fine = compare(r, at, &got);
    rdl_buf_fini(&got);
    return fine;
}

static rdl_code begin_file(void *arg, const char *path, rdl_err *err)
{
    (void)err;
    rdl_buf_printf(arg, "==> %s <==\n", path != NULL ? rdl_path_base(path) : "");
    return RDL_OK;
}

static rdl_code put_text(void *arg, const char *p, size_t n, rdl_err *err)
{
    rdl_buf *out = arg;
    (void)err;
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\n' && (out->n == 0 || out->p[out->n - 1] == '\n'))
            rdl_buf_puts(out, "(empty)");
        rdl_buf_putc(out, p[i]);
    }
    return RDL_OK;
}

bool rdl_script_do_report(rdl_script_runner *r, const rdl_record *at)
{
    rdl_reader *reader;
    rdl_report_result result;
    rdl_err err = {0};
    rdl_buf got = {0};
    const char **names = RDL_NEWN(&r->arena, const char *, at->word_count + 1);
    const char **values = RDL_NEWN(&r->arena, const char *, at->word_count + 1);
    rdl_report_sink sink = {NULL, put_text, &got};
    rdl_report_request q = {.names = names, .values = values, .sink = &sink};
    if (rdl_script_reader(&r->engine, &reader, &err) != RDL_OK)
        return rdl_script_fail_err(r, at, &err);
    const rdl_report *report =
        rdl_pipeline_report(rdl_reader_pipeline(reader), rdl_str_of(at->words[0]));
    if (report == NULL)
        return rdl_script_fail(r, at, "there is no report \"%s\"", at->words[0]);
    for (size_t i = 1; i < at->word_count; i++) {
        const char *equals = strchr(at->words[i], '=');
        if (equals == NULL)
            return rdl_script_fail(r, at, "\"%s\" is no PARAMETER=VALUE", at->words[i]);
        names[q.value_count] =
            rdl_arena_strndup(&r->arena, at->words[i], (size_t)(equals - at->words[i]));
        values[q.value_count++] = equals + 1;
    }
    sink.begin = report->each_count > 0 ? begin_file : NULL;
    bool fine = rdl_report_run(reader, report, &q, &result, &err) == RDL_OK;
    if (fine && got.n > 0 && got.p[got.n - 1] != '\n')
        rdl_buf_putc(&got, '\n');
    fine = fine ? compare(r, at, &got) : rdl_script_fail_err(r, at, &err);
    rdl_buf_fini(&got);
    return fine;
}
