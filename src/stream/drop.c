/*
 * stream/drop.c - a table that left the text is removed from the root.
 *
 * ORDER  DROP record (the history forgets the table; the commit) · its folder in the lake · its quarantine.
 *
 * A crash after the record leaves folders that nothing names: the next opening removes them before
 * it looks at any lake table, so that a new table of the same name never finds the old one's rows.
 * Segments go with the next prune.  What keyed state holds of it is cleared when a table of that
 * name comes again (reindex.c; views build theirs anew).  A store where it was published, or is
 * again, is filled whole (rdl_table_history.dropped_before).
 *
 * Thread: epoch.
 */
#include "base/fs.h"
#include "lang/diag.h"
#include "stream/internal.h"
#include "stream/seal_json.h"

static rdl_code remove_folder(const char *dir, char **out, rdl_arena *a, bool dry_run, rdl_err *err)
{
    if (!rdl_fs_exists(dir))
        return RDL_OK;
    if (out != NULL)
        *out = rdl_arena_strdup(a, dir);
    return dry_run ? RDL_OK : rdl_fs_remove_tree(dir, err);
}

static rdl_code remove_folders(rdl_engine *e, rdl_str table, rdl_arena *a, bool dry_run,
                               rdl_dropped *out, rdl_err *err)
{
    rdl_table t;
    rdl_root_table_named(a, &e->root, table, &t);
    RDL_TRY(remove_folder(rdl_root_lake_table(a, &e->root, &t), &out->lake, a, dry_run, err));
    return remove_folder(rdl_root_quarantine(a, &e->root, &t), &out->quarantine, a, dry_run, err);
}

rdl_code rdl_drop_finish(rdl_engine *e, rdl_err *err)
{
    rdl_arena a;
    rdl_code rc = RDL_OK;
    rdl_arena_init(&a, 0);
    for (size_t i = 0; i < e->history.tables.n && rc == RDL_OK; i++) {
        const rdl_table_history *h = e->history.tables.entries[i].value;
        rdl_dropped ignored;
        if (h->dropped_before > 0 && !h->exists)
            rc = remove_folders(e, h->table, &a, false, &ignored, err);
    }
    rdl_arena_fini(&a);
    return rc;
}

static rdl_code refuse(rdl_engine *e, const char *table, rdl_arena *a, rdl_err *err)
{
    const rdl_table_history **left;
    size_t n;
    if (rdl_pipeline_find(e->pipeline, rdl_str_of(table)) != NULL) {
        rdl_err_set(err, RDL_EUSAGE, 0, "cannot drop \"%s\": it is in the pipeline's text", table);
        return rdl_err_hint(err, "Take it out of the text first.");
    }
    rdl_history_left(&e->history, e->pipeline, a, &left, &n);
    const char **names = RDL_NEWN(a, const char *, n + 1);
    for (size_t i = 0; i < n; i++)
        names[i] = left[i]->table.p;
    const char *nearest = rdl_nearest(rdl_str_of(table), names, n);
    rdl_err_set(err, RDL_EUSAGE, 0, "cannot drop \"%s\": no table of that name left the text", table);
    return nearest != NULL ? rdl_err_hint(err, "Did you mean \"%s\"?", nearest)
                           : rdl_err_hint(err, "`raudal lake tables` lists those that did.");
}

rdl_code rdl_engine_drop(rdl_engine *e, const char *table, bool dry_run, rdl_arena *a,
                         rdl_dropped *out, rdl_err *err)
{
    rdl_buf record = {0};
    rdl_str name = rdl_str_of(table);
    *out = (rdl_dropped){0};
    if (rdl_pipeline_find(e->pipeline, name) != NULL || memchr(name.p, '.', name.n) == NULL ||
        !rdl_history_table(&e->history, name)->exists)
        return refuse(e, table, a, err);
    if (dry_run)
        return remove_folders(e, name, a, true, out, err);
    json_t *o = json_object();
    json_object_set_new(o, "table", rdl_json_text(name));
    rdl_json_dump(o, &record);
    rdl_code rc = rdl_journal_append(e->journal, RDL_RECORD_DROP, (rdl_str){record.p, record.n}, err);
    rdl_buf_fini(&record);
    if (rc != RDL_OK)
        return rc;
    rdl_history_drop(&e->history, name);
    (void)RDL_FAULT_AT(LAKE_DROPPED);
    return remove_folders(e, name, a, false, out, err);
}
