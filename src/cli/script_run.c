/*
 * cli/script_run.c - one script, record by record: its text, its input, the engine's steps.
 */
#include "cli/script_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

bool rdl_script_fail_err(rdl_script_runner *r, const rdl_record *at, const rdl_err *err)
{
    const char *sep = err->path[0] != '\0' ? ": " : "";
    if (err->hint[0] != '\0')
        return rdl_script_fail(r, at, "%s%s%s\n  hint: %s", err->path, sep, err->msg, err->hint);
    return rdl_script_fail(r, at, "%s%s%s", err->path, sep, err->msg);
}

bool rdl_script_error_fits(rdl_script_runner *r, const rdl_record *at, const char *text)
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
    return make_folders(r, &err) || rdl_script_fail_err(r, at, &err);
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
        fine = rdl_script_fail_err(r, at, &err);
    else if (ok)
        fine = rdl_script_fail(r, at, "this text was expected to be refused, and is not");
    else
        fine = rdl_script_error_fits(r, at, rdl_buf_str(&found));
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

typedef struct feed_words {
    const char *file; /* behind "file="; NULL: none */
    bool append, raw, bare;
} feed_words;

static bool read_feed_words(rdl_script_runner *r, const rdl_record *at, feed_words *out)
{
    *out = (feed_words){0};
    for (size_t i = 1; i < at->word_count; i++) {
        const char *w = at->words[i];
        if (strncmp(w, "file=", 5) == 0)
            out->file = w + 5;
        else if (strcmp(w, "append") == 0)
            out->append = true;
        else if (strcmp(w, "raw") == 0)
            out->raw = true;
        else if (strcmp(w, "bare") == 0)
            out->bare = true;
        else
            return rdl_script_fail(r, at, "unrecognized word \"%s\" behind the source's name", w);
    }
    return true;
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
    feed_words words;
    rdl_buf bytes = {0};
    rdl_err err = {0};
    if (f == NULL)
        return rdl_script_fail(r, at, "there is no source \"%s\" that can be fed", at->words[0]);
    if (!read_feed_words(r, at, &words))
        return false;
    f->files += !words.append;
    const char *path = fed_path(r, f, words.file);
    rdl_code rc = words.append && rdl_fs_exists(path) ? rdl_fs_read(path, 0, &bytes, &err) : RDL_OK;
    if (words.raw)
        put_raw(&bytes, at->body);
    else
        rdl_buf_put(&bytes, at->body.p, at->body.n);
    if (words.bare && bytes.n > 0 && bytes.p[bytes.n - 1] == '\n')
        bytes.n--;
    if (rc == RDL_OK)
        rc = rdl_fs_write_durable(path, rdl_buf_str(&bytes), bytes.n, &err);
    rdl_buf_fini(&bytes);
    return rc == RDL_OK || rdl_script_fail_err(r, at, &err);
}

static bool do_remove(rdl_script_runner *r, const rdl_record *at)
{
    rdl_fed_source *f = rdl_statements_source(&r->statements, at->words[0]);
    feed_words words;
    rdl_err err = {0};
    if (f == NULL)
        return rdl_script_fail(r, at, "there is no source \"%s\" that can be fed", at->words[0]);
    if (!read_feed_words(r, at, &words))
        return false;
    const char *path = fed_path(r, f, words.file);
    return rdl_fs_unlink(path, &err) == RDL_OK || rdl_script_fail_err(r, at, &err);
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
    if (kind == RDL_REQUEST_STEP && word[0] != '\0' && strcmp(word, "nothing") != 0)
        return rdl_script_fail(r, at, "unrecognized word \"%s\": epoch, or epoch nothing", word);
    if (kind == RDL_REQUEST_REFRESH)
        snprintf(q.table, sizeof q.table, "%s", word);
    if (rdl_script_ask(&r->engine, &q, &reply, &alive, &sig, &err) != RDL_OK)
        return rdl_script_fail_err(r, at, &err);
    if (!alive)
        return rdl_script_fail(r, at, "the engine died of signal %d", sig);
    r->checked = true;
    r->applied = reply.rc == RDL_OK && kind != RDL_REQUEST_STEP;
    if (at->error && reply.rc == RDL_OK)
        return rdl_script_fail(r, at, "this was expected to fail, and did not");
    if (at->error) {
        char text[sizeof reply.err.path + sizeof reply.err.msg + sizeof reply.err.hint + 8];
        snprintf(text, sizeof text, "%s: %s: %s", reply.err.path, reply.err.msg, reply.err.hint);
        return rdl_script_error_fits(r, at, text);
    }
    if (reply.rc != RDL_OK)
        return rdl_script_fail_err(r, at, &reply.err);
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
        return rdl_script_fail_err(r, at, &err);
    if (!alive && sig == 9)
        return true;
    rdl_script_engine_close(&r->engine, true);
    if (alive && reply.rc != RDL_OK)
        return rdl_script_fail_err(r, at, &reply.err);
    if (alive)
        return rdl_script_fail(r, at, "\"%s\" was not reached", at->words[w]);
    return rdl_script_fail(r, at, "the engine died of signal %d", sig);
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
        return rdl_script_do_query(r, at);
    case RDL_VERB_VERIFY:
        return rdl_script_do_verify(r, at);
    case RDL_VERB_REPORT:
        return rdl_script_do_report(r, at);
    case RDL_VERB_LEDGER:
        return rdl_script_do_ledger(r, at);
    case RDL_VERB_MODE:
        return rdl_script_do_mode(r, at);
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
        return rdl_script_fail_err(r, NULL, &err);
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
