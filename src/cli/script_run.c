/*
 * cli/script_run.c - one script, record by record.
 */
#include "cli/script_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "batch/report.h"
#include "lang/explain.h"
#include "ops/system.h"

enum { SHOWN_ROWS_MAX = 30 };

bool rdl_script_fail(rdl_script_runner *r, const rdl_record *at, const char *fmt, ...)
{
    va_list ap;
    char text[2000];
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    rdl_buf_printf(r->report, "%s:%u: %s\n", r->shown, at != NULL ? at->line : 1, text);
    return false;
}

static bool fail_err(rdl_script_runner *r, const rdl_record *at, const rdl_err *err)
{
    const char *sep = err->path[0] != '\0' ? ": " : "";
    if (err->hint[0] != '\0')
        return rdl_script_fail(r, at, "%s%s%s\n  hint: %s", err->path, sep, err->msg, err->hint);
    return rdl_script_fail(r, at, "%s%s%s", err->path, sep, err->msg);
}

/* An error that was expected: does its text fit? */
static bool error_fits(rdl_script_runner *r, const rdl_record *at, const char *text)
{
    regex_t regex;
    if (at->regex == NULL)
        return true;
    if (regcomp(&regex, at->regex, REG_EXTENDED | REG_NOSUB) != 0)
        return rdl_script_fail(r, at, "\"%s\" is no regular expression", at->regex);
    bool fits = regexec(&regex, text, 0, NULL, 0) == 0;
    regfree(&regex);
    return fits ||
           rdl_script_fail(r, at, "another error than expected\n  expected  %s\n  got       %s",
                           at->regex, text);
}

/* ---- text and input ---- */

static bool make_folders(rdl_script_runner *r, rdl_err *err)
{
    for (size_t i = 0; i < r->statements.sources.n; i++) {
        const char *dir = rdl_path_join(&r->arena, r->in_dir, r->statements.sources.v[i].name);
        if (rdl_fs_mkdirs(dir, err) != RDL_OK)
            return false;
    }
    return true;
}

static bool text_changed(rdl_script_runner *r, const rdl_record *at)
{
    rdl_err err = {0};
    rdl_script_engine_close(&r->engine, false);
    r->engine.text = rdl_statements_join(&r->arena, &r->statements);
    return make_folders(r, &err) || fail_err(r, at, &err);
}

static bool do_statement(rdl_script_runner *r, const rdl_record *at)
{
    if (!at->error) {
        rdl_statements_add(&r->arena, &r->statements, at->body, at->line, r->in_dir, false);
        r->checked = false;
        return text_changed(r, at);
    }
    rdl_buf found = {0};
    rdl_err err = {0};
    bool ok = true;
    const char *text =
        rdl_arena_printf(&r->arena, "%s%.*s", r->engine.text != NULL ? r->engine.text : "",
                         (int)at->body.n, at->body.p);
    rdl_script_engine_close(&r->engine, false);
    bool fine = rdl_script_check(&r->engine, text, &ok, &found, &err) == RDL_OK;
    if (!fine)
        fine = fail_err(r, at, &err);
    else if (ok)
        fine = rdl_script_fail(r, at, "this text was expected to be refused, and is not");
    else
        fine = error_fits(r, at, rdl_buf_str(&found));
    rdl_buf_fini(&found);
    return fine;
}

static bool do_drop(rdl_script_runner *r, const rdl_record *at)
{
    if (!rdl_statements_drop(&r->statements, at->words[0]))
        return rdl_script_fail(r, at, "no statement makes \"%s\"", at->words[0]);
    return text_changed(r, at);
}

static bool do_set(rdl_script_runner *r, const rdl_record *at)
{
    size_t n = r->engine.set_count;
    const char **set = RDL_NEWN(&r->arena, const char *, n + 1);
    rdl_buf value = {0};
    for (size_t i = 0; i < at->word_count; i++)
        rdl_buf_printf(&value, "%s%s", i > 0 ? " " : "", at->words[i]);
    if (n > 0)
        memcpy(set, r->engine.set, n * sizeof *set);
    set[n] = rdl_arena_strdup(&r->arena, rdl_buf_str(&value));
    rdl_buf_fini(&value);
    rdl_script_engine_close(&r->engine, false);
    r->engine.set = set;
    r->engine.set_count = n + 1;
    return true;
}

/* "\xNN" is a byte, "\\" a backslash. */
static void put_raw(rdl_buf *out, rdl_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char hex[3] = {0};
        if (s.p[i] == '\\' && i + 3 < s.n && s.p[i + 1] == 'x') {
            memcpy(hex, s.p + i + 2, 2);
            rdl_buf_putc(out, (char)strtoul(hex, NULL, 16));
            i += 3;
        } else {
            i += s.p[i] == '\\' && i + 1 < s.n && s.p[i + 1] == '\\';
            rdl_buf_putc(out, s.p[i]);
        }
    }
}

/* The word behind "file=", or NULL; flags of the other words. */
static const char *feed_words(const rdl_record *at, bool *append, bool *raw, bool *bare)
{
    const char *file = NULL;
    for (size_t i = 1; i < at->word_count; i++) {
        const char *w = at->words[i];
        if (strncmp(w, "file=", 5) == 0)
            file = w + 5;
        *append |= strcmp(w, "append") == 0;
        *raw |= strcmp(w, "raw") == 0;
        *bare |= strcmp(w, "bare") == 0;
    }
    return file;
}

static const char *fed_path(rdl_script_runner *r, const rdl_fed_source *f, const char *file)
{
    if (file == NULL && f->snapshot)
        file = rdl_arena_printf(&r->arena, "current.%s", f->extension);
    else if (file == NULL)
        file = rdl_arena_printf(&r->arena, "part-%05u.%s", f->files, f->extension);
    return rdl_path_join(&r->arena, rdl_path_join(&r->arena, r->in_dir, f->name), file);
}

static bool do_feed(rdl_script_runner *r, const rdl_record *at)
{
    rdl_fed_source *f = rdl_statements_source(&r->statements, at->words[0]);
    bool append = false, raw = false, bare = false;
    const char *file = feed_words(at, &append, &raw, &bare);
    rdl_buf bytes = {0};
    rdl_err err = {0};
    if (f == NULL)
        return rdl_script_fail(r, at, "there is no source \"%s\" that can be fed", at->words[0]);
    f->files += !append;
    const char *path = fed_path(r, f, file);
    rdl_code rc = append && rdl_fs_exists(path) ? rdl_fs_read(path, 0, &bytes, &err) : RDL_OK;
    if (raw)
        put_raw(&bytes, at->body);
    else
        rdl_buf_put(&bytes, at->body.p, at->body.n);
    if (bare && bytes.n > 0 && bytes.p[bytes.n - 1] == '\n')
        bytes.n--;
    if (rc == RDL_OK)
        rc = rdl_fs_write_durable(path, rdl_buf_str(&bytes), bytes.n, &err);
    rdl_buf_fini(&bytes);
    return rc == RDL_OK || fail_err(r, at, &err);
}

static bool do_remove(rdl_script_runner *r, const rdl_record *at)
{
    rdl_fed_source *f = rdl_statements_source(&r->statements, at->words[0]);
    bool ignored = false;
    rdl_err err = {0};
    if (f == NULL)
        return rdl_script_fail(r, at, "there is no source \"%s\" that can be fed", at->words[0]);
    const char *path = fed_path(r, f, feed_words(at, &ignored, &ignored, &ignored));
    return rdl_fs_unlink(path, &err) == RDL_OK || fail_err(r, at, &err);
}

static bool do_clock(rdl_script_runner *r, const rdl_record *at)
{
    rdl_buf text = {0};
    int64_t us = 0;
    for (size_t i = 0; i < at->word_count; i++)
        rdl_buf_printf(&text, "%s%s", i > 0 ? " " : "", at->words[i]);
    rdl_str s = {rdl_buf_str(&text), text.n};
    bool ok;
    if (text.n > 0 && s.p[0] == '+') {
        ok = rdl_interval_parse((rdl_str){s.p + 1, s.n - 1}, &us);
        r->engine.clock_us += ok ? us : 0;
    } else {
        ok = rdl_timestamp_parse(s.p, s.n, &us);
        r->engine.clock_us = ok ? us : r->engine.clock_us;
    }
    if (!ok)
        rdl_script_fail(r, at, "could not read the time \"%s\"", rdl_buf_str(&text));
    rdl_buf_fini(&text);
    return ok;
}

/* ---- the engine ---- */

bool rdl_script_find_fault(const char *name, rdl_fault *out)
{
    for (int i = 0; i < RDL_FAULT_COUNT; i++) {
        if (strcmp(rdl_fault_name((rdl_fault)i), name) == 0) {
            *out = (rdl_fault)i;
            return true;
        }
    }
    return false;
}

static bool do_ask(rdl_script_runner *r, const rdl_record *at, rdl_request_kind kind)
{
    rdl_request q = {.kind = kind, .clock_us = r->engine.clock_us};
    rdl_reply reply = {0};
    rdl_err err = {0};
    bool alive = false;
    int sig = 0;
    const char *word = at->word_count > 0 && !at->error ? at->words[0] : "";
    if (kind == RDL_REQUEST_REFRESH)
        snprintf(q.table, sizeof q.table, "%s", word);
    if (rdl_script_ask(&r->engine, &q, &reply, &alive, &sig, &err) != RDL_OK)
        return fail_err(r, at, &err);
    if (!alive)
        return rdl_script_fail(r, at, "the engine died of signal %d", sig);
    r->checked = true;
    r->applied = reply.rc == RDL_OK && kind != RDL_REQUEST_STEP;
    if (at->error && reply.rc == RDL_OK)
        return rdl_script_fail(r, at, "this was expected to fail, and did not");
    if (at->error) {
        char text[sizeof reply.err.path + sizeof reply.err.msg + sizeof reply.err.hint + 8];
        snprintf(text, sizeof text, "%s: %s: %s", reply.err.path, reply.err.msg, reply.err.hint);
        return error_fits(r, at, text);
    }
    if (reply.rc != RDL_OK)
        return fail_err(r, at, &reply.err);
    if (kind == RDL_REQUEST_STEP && strcmp(word, "nothing") == 0 && reply.did)
        return rdl_script_fail(r, at, "there was expected to be nothing to do, and there was");
    if (kind == RDL_REQUEST_STEP && word[0] == '\0' && !reply.did)
        return rdl_script_fail(r, at, "there was nothing to do");
    return true;
}

static bool do_crash(rdl_script_runner *r, const rdl_record *at)
{
    size_t w = at->word_count > 0 && strcmp(at->words[0], "at") == 0;
    rdl_request q = {
        .kind = RDL_REQUEST_RUN, .clock_us = r->engine.clock_us, .armed = true, .nth = 1};
    rdl_reply reply = {0};
    rdl_err err = {0};
    bool alive = false;
    int sig = 0;
    r->applied = false;
    if (w == at->word_count) {
        rdl_script_engine_close(&r->engine, true);
        return true;
    }
    if (!rdl_script_find_fault(at->words[w], &q.point))
        return rdl_script_fail(r, at,
                               "there is no fault point \"%s\" (raudal doctor --faults lists them)",
                               at->words[w]);
    if (w + 1 < at->word_count)
        q.nth = (unsigned)strtoul(at->words[w + 1], NULL, 10);
    if (rdl_script_ask(&r->engine, &q, &reply, &alive, &sig, &err) != RDL_OK)
        return fail_err(r, at, &err);
    if (!alive && sig == 9)
        return true;
    rdl_script_engine_close(&r->engine, true);
    if (alive && reply.rc != RDL_OK)
        return fail_err(r, at, &reply.err);
    if (alive)
        return rdl_script_fail(r, at, "\"%s\" was not reached", at->words[w]);
    return rdl_script_fail(r, at, "the engine died of signal %d", sig);
}

/* ---- results ---- */

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

static bool do_query(rdl_script_runner *r, const rdl_record *at)
{
    rdl_reader *reader;
    rdl_result *result = NULL;
    rdl_err err = {0};
    rdl_buf got = {0};
    const char *sort = at->word_count > 1 && !at->error ? at->words[1] : "nosort";
    bool by_value = strcmp(sort, "valuesort") == 0;
    const char *sql = rdl_arena_strndup(&r->arena, at->body.p, at->body.n);
    if (rdl_script_reader(&r->engine, &reader, &err) != RDL_OK)
        return fail_err(r, at, &err);
    rdl_code rc = rdl_system_query(reader, sql, r->engine.clock_us, &result, &err);
    if (at->error) {
        rdl_result_free(result);
        if (rc == RDL_OK)
            return rdl_script_fail(r, at, "this query was expected to fail, and did not");
        return error_fits(r, at, err.msg);
    }
    if (rc != RDL_OK)
        return fail_err(r, at, &err);
    bool fine = rdl_result_schema(result)->n == strlen(at->words[0]);
    if (!fine) {
        rdl_script_fail(r, at, "the result has %zu columns, the line says %zu",
                        rdl_result_schema(result)->n, strlen(at->words[0]));
    } else {
        put_rows(r, result, at->words[0], by_value || strcmp(sort, "rowsort") == 0, by_value, &got);
        fine = compare(r, at, &got);
    }
    rdl_result_free(result);
    rdl_buf_fini(&got);
    return fine;
}

static bool do_verify(rdl_script_runner *r, const rdl_record *at)
{
    rdl_buf found = {0};
    rdl_err err = {0};
    if (rdl_script_verify(&r->engine, r->applied, &found, &err) != RDL_OK)
        return fail_err(r, at, &err);
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

static bool do_ledger(rdl_script_runner *r, const rdl_record *at)
{
    rdl_reader *reader;
    rdl_root_status status;
    rdl_err err = {0};
    rdl_buf got = {0};
    if (rdl_script_reader(&r->engine, &reader, &err) != RDL_OK ||
        rdl_reader_status(reader, &r->arena, &status, &err) != RDL_OK)
        return fail_err(r, at, &err);
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

static bool do_mode(rdl_script_runner *r, const rdl_record *at)
{
    rdl_reader *reader;
    rdl_err err = {0};
    rdl_buf got = {0};
    if (rdl_script_reader(&r->engine, &reader, &err) != RDL_OK)
        return fail_err(r, at, &err);
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

static bool do_report(rdl_script_runner *r, const rdl_record *at)
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
        return fail_err(r, at, &err);
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
    fine = fine ? compare(r, at, &got) : fail_err(r, at, &err);
    rdl_buf_fini(&got);
    return fine;
}

/* ---- all records ---- */

static bool run_record(rdl_script_runner *r, const rdl_record *at)
{
    switch (at->verb) {
    case RDL_VERB_STATEMENT:
        return do_statement(r, at);
    case RDL_VERB_DROP:
        return do_drop(r, at);
    case RDL_VERB_SET:
        return do_set(r, at);
    case RDL_VERB_FEED:
        return do_feed(r, at);
    case RDL_VERB_REMOVE:
        return do_remove(r, at);
    case RDL_VERB_CLOCK:
        return do_clock(r, at);
    case RDL_VERB_EPOCH:
        return do_ask(r, at, RDL_REQUEST_STEP);
    case RDL_VERB_RUN:
        return do_ask(r, at, RDL_REQUEST_RUN);
    case RDL_VERB_FLUSH:
        return do_ask(r, at, RDL_REQUEST_FLUSH);
    case RDL_VERB_REFRESH:
        return do_ask(r, at, RDL_REQUEST_REFRESH);
    case RDL_VERB_CRASH:
        return do_crash(r, at);
    case RDL_VERB_RESTART:
        rdl_script_engine_close(&r->engine, false);
        return true;
    case RDL_VERB_SWEEP:
        return rdl_script_sweep(r, at);
    case RDL_VERB_QUERY:
        return do_query(r, at);
    case RDL_VERB_VERIFY:
        return do_verify(r, at);
    case RDL_VERB_REPORT:
        return do_report(r, at);
    case RDL_VERB_LEDGER:
        return do_ledger(r, at);
    case RDL_VERB_MODE:
        return do_mode(r, at);
    case RDL_VERB_COUNT:
        break;
    }
    return false;
}

/* A script that runs nothing still says that its text is right. */
static bool check_text(rdl_script_runner *r)
{
    rdl_buf found = {0};
    rdl_err err = {0};
    bool ok = true;
    if (r->checked || r->engine.text == NULL)
        return true;
    rdl_script_engine_close(&r->engine, false);
    if (rdl_script_check(&r->engine, r->engine.text, &ok, &found, &err) != RDL_OK)
        return fail_err(r, NULL, &err);
    if (!ok)
        rdl_script_fail(r, NULL, "the pipeline's text is refused\n%s", rdl_buf_str(&found));
    rdl_buf_fini(&found);
    return ok;
}

bool rdl_script_run(rdl_script_runner *r)
{
    bool fine = true;
    for (size_t i = 0; i < r->script.records.n && fine; i++)
        fine = run_record(r, &r->script.records.v[i]);
    fine = fine && check_text(r);
    rdl_script_engine_close(&r->engine, !fine);
    return fine;
}
