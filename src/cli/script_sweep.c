/*
 * cli/script_sweep.c - a crash at every fault point gives what no crash gives.
 *
 * What has been fed so far is read into fresh roots: once undisturbed, then for each point and
 * passing with a SIGKILL there and a second run.  All tables, their ledgers and what verify says
 * must be the same.  With RAUDAL_SWEEP=sample in the environment a sweep takes every fifth point,
 * other ones in other lines, so that many sweeps together still take all that every pipeline has.
 * A GLOB names those that this script is about: they are always taken, and each must be reached.
 *
 * A pipeline that empties its landing folders (after_commit) gets its files again before each run,
 * and what is left of them must be the same too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/script_run.h"

enum { SAMPLE = 5 };

typedef struct sweep {
    rdl_script_runner *runner;
    const rdl_record *at;
    rdl_script_engine engine;
    unsigned nth_max;
    const char *own;   /* a glob over points; NULL: none */
    rdl_buf expected;  /* digest of the undisturbed run */
    const char *input; /* a copy of what was fed; NULL: runs leave it alone */
} sweep;

static bool fail_rc(sweep *s, const char *when, const rdl_err *err)
{
    return rdl_script_fail(s->runner, s->at, "%s: %s%s%s", when, err->path,
                           err->path[0] != '\0' ? ": " : "", err->msg);
}

/* One request; *killed when the child was killed at its fault point. */
static bool ask(sweep *s, const rdl_request *q, const char *when, bool *killed)
{
    rdl_reply reply = {0};
    rdl_err err = {0};
    bool alive = false;
    int sig = 0;
    *killed = false;
    if (rdl_script_ask(&s->engine, q, &reply, &alive, &sig, &err) != RDL_OK)
        return fail_rc(s, when, &err);
    if (!alive && q->armed && sig == 9) {
        *killed = true;
        return true;
    }
    if (!alive)
        return rdl_script_fail(s->runner, s->at, "%s: the engine died of signal %d", when, sig);
    return reply.rc == RDL_OK || fail_rc(s, when, &reply.err);
}

/* All files of a folder, as they are. */
static rdl_code copy_tree(const char *from, const char *to, rdl_err *err)
{
    rdl_arena a;
    rdl_names names = {0};
    rdl_arena_init(&a, 0);
    rdl_code rc = rdl_fs_walk(&a, from, &names, err);
    for (size_t i = 0; rc == RDL_OK && i < names.n; i++) {
        rdl_buf bytes = {0};
        const char *path = rdl_path_join(&a, to, names.v[i]);
        rc = rdl_fs_mkdirs(rdl_path_dir(&a, path), err);
        if (rc == RDL_OK)
            rc = rdl_fs_read(rdl_path_join(&a, from, names.v[i]), 0, &bytes, err);
        if (rc == RDL_OK)
            rc = rdl_fs_write_durable(path, rdl_buf_str(&bytes), bytes.n, err);
        rdl_buf_fini(&bytes);
    }
    rdl_arena_fini(&a);
    return rc;
}

static rdl_code list_input(const sweep *s, rdl_buf *out, rdl_err *err)
{
    rdl_arena a;
    rdl_names names = {0};
    rdl_arena_init(&a, 0);
    rdl_code rc = rdl_fs_walk(&a, s->runner->in_dir, &names, err);
    for (size_t i = 0; rc == RDL_OK && i < names.n; i++)
        rdl_buf_printf(out, "left in landing: %s\n", names.v[i]);
    rdl_arena_fini(&a);
    return rc;
}

static rdl_code digest(sweep *s, rdl_buf *out, rdl_err *err)
{
    rdl_reader *reader;
    rdl_root_status status;
    rdl_arena a;
    RDL_TRY(rdl_script_digest(&s->engine, out, err));
    if (s->input != NULL)
        RDL_TRY(list_input(s, out, err));
    RDL_TRY(rdl_script_reader(&s->engine, &reader, err));
    rdl_arena_init(&a, 0);
    rdl_code rc = rdl_reader_status(reader, &a, &status, err);
    for (size_t i = 0; rc == RDL_OK && i < status.table_count; i++) {
        rdl_buf_printf(out, "ledger of %s\n", status.tables[i].table->full.p);
        rdl_script_put_ledger(out, &status.tables[i].ledger);
    }
    rdl_arena_fini(&a);
    if (rc == RDL_OK)
        rc = rdl_script_verify(&s->engine, true, out, err);
    return rc;
}

static bool fresh_root(sweep *s)
{
    rdl_err err = {0};
    rdl_script_engine_close(&s->engine, false);
    rdl_code rc = rdl_fs_remove_tree(s->engine.root, &err);
    if (rc == RDL_OK && s->input != NULL)
        rc = copy_tree(s->input, s->runner->in_dir, &err);
    return rc == RDL_OK || fail_rc(s, "sweep", &err);
}

static bool check_result(sweep *s, const char *when)
{
    rdl_buf got = {0};
    rdl_err err = {0};
    bool fine = digest(s, &got, &err) == RDL_OK;
    if (!fine)
        fail_rc(s, when, &err);
    else if (strcmp(rdl_buf_str(&got), rdl_buf_str(&s->expected)) != 0)
        fine = rdl_script_fail(s->runner, s->at,
                               "%s: another result\n  undisturbed:\n%s\n  after the crash:\n%s",
                               when, rdl_buf_str(&s->expected), rdl_buf_str(&got));
    rdl_buf_fini(&got);
    return fine;
}

/* Crash at the nth passing of a point, run again, compare. */
static bool crash_once(sweep *s, rdl_fault point, unsigned nth, bool *reached)
{
    char when[100];
    rdl_request q = {.kind = RDL_REQUEST_RUN,
                     .clock_us = s->engine.clock_us,
                     .armed = true,
                     .point = point,
                     .nth = nth};
    bool ignored;
    snprintf(when, sizeof when, "crash at %s, passing %u", rdl_fault_name(point), nth);
    if (!fresh_root(s) || !ask(s, &q, when, reached))
        return false;
    if (!*reached)
        return true;
    q.armed = false;
    return ask(s, &q, when, &ignored) && check_result(s, when);
}

static bool undisturbed(sweep *s)
{
    const rdl_request q = {.kind = RDL_REQUEST_RUN, .clock_us = s->engine.clock_us};
    rdl_err err = {0};
    bool ignored;
    if (!fresh_root(s) || !ask(s, &q, "undisturbed", &ignored))
        return false;
    return digest(s, &s->expected, &err) == RDL_OK || fail_rc(s, "undisturbed", &err);
}

/* At the first to the last passing, as far as they come; *any: how often it was reached. */
static bool crash_at(sweep *s, rdl_fault point, unsigned *any)
{
    bool fine = true, reached = point != RDL_FAULT_ALLOC;
    for (unsigned nth = 1; fine && reached && nth <= s->nth_max; nth++) {
        fine = crash_once(s, point, nth, &reached);
        *any += reached;
    }
    return fine;
}

static bool crash_everywhere(sweep *s)
{
    const char *how = getenv("RAUDAL_SWEEP");
    bool sample = how != NULL && strcmp(how, "sample") == 0;
    unsigned any = 0;
    for (int point = 0; point < RDL_FAULT_COUNT; point++) {
        unsigned here = 0;
        bool own = s->own != NULL && rdl_name_matches(s->own, rdl_fault_name((rdl_fault)point));
        if (sample && !own && (unsigned)point % SAMPLE != s->at->line % SAMPLE)
            continue;
        if (!crash_at(s, (rdl_fault)point, &here))
            return false;
        if (own && here == 0)
            return rdl_script_fail(s->runner, s->at, "%s was not reached",
                                   rdl_fault_name((rdl_fault)point));
        any += here;
    }
    return any > 0 || sample || rdl_script_fail(s->runner, s->at, "no fault point was reached");
}

/* [NTH] [GLOB] */
static void read_words(sweep *s)
{
    s->nth_max = 1;
    for (size_t i = 0; i < s->at->word_count; i++) {
        const char *word = s->at->words[i];
        if (word[0] >= '1' && word[0] <= '9')
            s->nth_max = (unsigned)strtoul(word, NULL, 10);
        else
            s->own = word;
    }
}

bool rdl_script_sweep(rdl_script_runner *r, const rdl_record *at)
{
    sweep s = {.runner = r, .at = at, .engine = r->engine};
    read_words(&s);
    rdl_script_engine_close(&r->engine, false);
    s.engine.child = NULL;
    s.engine.reader = NULL;
    s.engine.root = rdl_path_join(&r->arena, r->temp, "sweep");
    rdl_err err = {0};
    if (strstr(s.engine.text, "after_commit") != NULL) {
        s.input = rdl_path_join(&r->arena, r->temp, "sweep-in");
        if (rdl_fs_mkdirs(s.input, &err) != RDL_OK || copy_tree(r->in_dir, s.input, &err) != RDL_OK)
            return fail_rc(&s, "sweep", &err);
    }
    bool fine = undisturbed(&s) && crash_everywhere(&s);
    if (fine && s.input != NULL && copy_tree(s.input, r->in_dir, &err) != RDL_OK)
        fine = fail_rc(&s, "sweep", &err);
    rdl_script_engine_close(&s.engine, false);
    rdl_buf_fini(&s.expected);
    r->checked = true;
    return fine;
}
