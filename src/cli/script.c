/*
 * cli/script.c - the scripts of a folder: found, run one by one, and rewritten when asked.
 */
#include "cli/script.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "cli/script_run.h"

enum {
    SCRIPT_BYTES_MAX = 16 << 20,
    MEMORY_ROOM_MIN = 256 << 20, /* of a file system in memory, to run scripts there */
};

/* 2026-01-01T00:00:00Z, unless the script sets its clock. */
static const int64_t first_instant_us = INT64_C(1767225600) * 1000000;

typedef struct folder {
    rdl_arena arena;
    const char *dir;     /* absolute */
    const char *scripts; /* where they lie */
    rdl_names names;     /* below scripts */
    bool pipeline;       /* there is *.sql: the scripts are about it */
    rdl_buf text;        /* of *.sql */
} folder;

static rdl_code read_folder(folder *f, const char *dir, rdl_err *err)
{
    rdl_names names;
    rdl_stat st;
    f->dir = rdl_path_absolute(&f->arena, dir);
    RDL_TRY(rdl_fs_stat(f->dir, &st, err));
    if (!st.exists || !st.is_dir) {
        rdl_err_set(err, RDL_EIO, 0, "could not open \"%s\": there is no such folder", dir);
        return rdl_err_area(RDL_EIO, err, RDL_AREA_TEXT);
    }
    RDL_TRY(rdl_fs_list(&f->arena, f->dir, &names, err));
    for (size_t i = 0; i < names.n; i++) {
        if (names.v[i][0] == '.' || !rdl_str_ends(rdl_str_of(names.v[i]), ".sql"))
            continue;
        f->pipeline = true;
        RDL_TRY(rdl_fs_read(rdl_path_join(&f->arena, f->dir, names.v[i]), SCRIPT_BYTES_MAX,
                            &f->text, err));
        rdl_buf_puts(&f->text, "\n;\n"); /* a file's last semicolon may be left out */
    }
    f->scripts = rdl_path_join(&f->arena, f->dir, "tests");
    if (!f->pipeline && !rdl_fs_exists(f->scripts))
        f->scripts = f->dir;
    if (!rdl_fs_exists(f->scripts))
        return RDL_OK;
    return rdl_fs_walk(&f->arena, f->scripts, &f->names, err);
}

static rdl_code write_edits(rdl_script_runner *r, const char *path, rdl_err *err)
{
    rdl_buf out = {0};
    size_t at = 0;
    for (size_t i = 0; i < r->edits.n; i++) {
        const rdl_script_edit *e = &r->edits.v[i];
        rdl_buf_put(&out, r->script.text.p + at, e->at - at);
        rdl_buf_puts(&out, e->text);
        at = e->at + e->len;
    }
    rdl_buf_put(&out, r->script.text.p + at, r->script.text.n - at);
    rdl_code rc = rdl_fs_write_durable(path, rdl_buf_str(&out), out.n, err);
    rdl_buf_fini(&out);
    return rc;
}

static rdl_code prepare(rdl_script_runner *r, const folder *f, rdl_err *err)
{
    r->temp = rdl_fs_temp_dir(&r->arena, "raudal-test", err);
    if (r->temp == NULL)
        return err->code;
    r->in_dir = rdl_path_join(&r->arena, r->temp, "in");
    RDL_TRY(rdl_fs_mkdirs(r->in_dir, err));
    r->engine.root = rdl_path_join(&r->arena, r->temp, "root");
    r->engine.dir = f->pipeline ? f->dir : r->temp;
    r->engine.clock_us = first_instant_us;
    if (!f->pipeline)
        return RDL_OK;
    rdl_statements_add(&r->arena, &r->statements, (rdl_str){rdl_buf_str(&f->text), f->text.n}, 0,
                       r->in_dir, true);
    for (size_t i = 0; i < r->statements.sources.n; i++)
        RDL_TRY(rdl_fs_mkdirs(rdl_path_join(&r->arena, r->in_dir, r->statements.sources.v[i].name),
                              err));
    r->engine.text = rdl_statements_join(&r->arena, &r->statements);
    return RDL_OK;
}

/* One script; what is wrong with it goes into the report. */
static bool run_one(const folder *f, const char *name, bool accept, rdl_buf *report)
{
    rdl_script_runner r = {.shown = name, .accept = accept, .report = report};
    rdl_buf text = {0};
    rdl_err err = {0};
    bool fine = false;
    rdl_arena_init(&r.arena, 0);
    const char *path = rdl_path_join(&r.arena, f->scripts, name);
    r.shown = path + (strncmp(path, f->dir, strlen(f->dir)) == 0 ? strlen(f->dir) + 1 : 0);
    rdl_code rc = rdl_fs_read(path, SCRIPT_BYTES_MAX, &text, &err);
    if (rc == RDL_OK)
        rc = rdl_script_parse(&r.arena, (rdl_str){rdl_buf_str(&text), text.n}, &r.script, &err);
    if (rc == RDL_OK)
        rc = prepare(&r, f, &err);
    if (rc == RDL_OK)
        fine = rdl_script_run(&r);
    if (rc == RDL_OK && r.edits.n > 0)
        rc = write_edits(&r, path, &err);
    if (rc != RDL_OK) {
        const rdl_record at = {.line = err.line > 0 ? err.line : 1};
        fine = rdl_script_fail(&r, &at, "%s%s%s", err.msg, err.hint[0] != '\0' ? "\n  hint: " : "",
                               err.hint);
    }
    if (r.temp != NULL && getenv("RAUDAL_TEST_KEEP") == NULL)
        (void)!rdl_fs_remove_tree(r.temp, &err);
    else if (r.temp != NULL)
        rdl_buf_printf(report, "%s: kept %s\n", r.shown, r.temp);
    rdl_buf_fini(&text);
    rdl_arena_fini(&r.arena);
    return fine;
}

static bool wanted(const char *name, const char *only)
{
    return name[0] != '.' && rdl_str_ends(rdl_str_of(name), ".slt") &&
           (only == NULL || fnmatch(only, name, 0) == 0 ||
            fnmatch(only, rdl_path_base(name), 0) == 0);
}

rdl_code rdl_script_run_dir(const char *dir, const char *only, bool accept, rdl_buf *report,
                            unsigned *passed, unsigned *failed, rdl_err *err)
{
    folder f = {0};
    *passed = *failed = 0;
    rdl_arena_init(&f.arena, 0);
    /* Scripts sync often; a file system in memory makes that free. */
    if (rdl_fs_free_bytes("/dev/shm") >= MEMORY_ROOM_MIN)
        setenv("TMPDIR", "/dev/shm", 0);
    rdl_code rc = read_folder(&f, dir, err);
    for (size_t i = 0; rc == RDL_OK && i < f.names.n; i++) {
        if (!wanted(f.names.v[i], only))
            continue;
        bool fine = run_one(&f, f.names.v[i], accept, report);
        *passed += fine;
        *failed += !fine;
    }
    rdl_buf_fini(&f.text);
    rdl_arena_fini(&f.arena);
    return rc;
}
