/*
 * stream/prune.c - what lake, stores and keyed state all have is removed; the journal is kept short.
 *
 * ORDER  CHECKPOINT of keyed state if a run was written · PRUNE · folders of epochs · versions of
 * snapshots · rotation of the journal (and, after journal_retention, of what it set aside), once what was appended since the last one is more than
 * journal_max_bytes and more than that summary (so that its cost stays a part of the appends').
 *
 * INVARIANTS  A3 of apply.c; J7 of journal.h.
 */
#include <inttypes.h>

#include "base/log.h"
#include "stream/internal.h"
#include "stream/lease.h"
#include "stream/summary.h"

/* A streaming table that was left out of epochs will read its inputs' segments. */
static void hold_for_readers(rdl_engine *e, uint64_t *epoch)
{
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        const rdl_table *t = e->pipeline->tables[i];
        const rdl_table_history *h = rdl_history_table(&e->history, t->full);
        /* One that never ran reads everything from the lake. */
        if (rdl_lags(e, t) && h->exists && h->last_evaluated < *epoch)
            *epoch = h->last_evaluated;
    }
}

static rdl_code remove_epochs(rdl_engine *e, uint64_t upto, rdl_err *err)
{
    rdl_arena a;
    rdl_names names;
    rdl_arena_init(&a, 0);
    rdl_code rc = rdl_fs_list(&a, e->root.epochs, &names, err);
    for (size_t i = 0; rc == RDL_OK && i < names.n; i++) {
        uint64_t epoch = 0;
        for (const char *p = names.v[i]; *p >= '0' && *p <= '9'; p++)
            epoch = epoch * 10 + (uint64_t)(*p - '0');
        if (epoch <= upto || epoch > e->history.epoch)
            rc = rdl_fs_remove_tree(rdl_path_join(&a, e->root.epochs, names.v[i]), err);
    }
    (void)RDL_FAULT_AT(EPOCH_PRUNED);
    rdl_arena_fini(&a);
    return rc;
}

/* Is it an input of a decision, directly or through views?  verify goes back to its versions. */
static bool decides(const rdl_table *t, rdl_str snapshot)
{
    bool found = t->kind == RDL_TABLE_SNAPSHOT && rdl_str_eq(t->full, snapshot);
    for (size_t i = 0; t->kind == RDL_TABLE_VIEW && i < t->input_count && !found; i++)
        found = decides(t->inputs[i].table, snapshot);
    return found;
}

static bool keeps_versions(const rdl_engine *e, rdl_str snapshot)
{
    for (size_t i = 0; i < e->pipeline->table_count; i++)
        if (e->pipeline->tables[i]->decision && decides(e->pipeline->tables[i], snapshot))
            return true;
    return false;
}

/* Versions of snapshots but the newest, and but those that decisions were made from. */
static rdl_code remove_snapshots(rdl_engine *e, rdl_err *err)
{
    rdl_arena a;
    rdl_code rc = RDL_OK;
    rdl_arena_init(&a, 0);
    for (size_t i = 0; i < e->history.snapshots.n && rc == RDL_OK; i++) {
        const rdl_snapshot_history *s = e->history.snapshots.entries[i].value;
        const char *keep = rdl_root_snapshot(&a, &e->root, s->source, s->epoch);
        const char *dir = rdl_path_dir(&a, keep);
        bool all = keeps_versions(e, s->source);
        rdl_names names;
        rc = rdl_fs_list(&a, dir, &names, err);
        for (size_t j = 0; rc == RDL_OK && j < names.n; j++) {
            int order = strcmp(names.v[j], rdl_path_base(keep));
            if (all ? order > 0 : order != 0)
                rc = rdl_fs_unlink(rdl_path_join(&a, dir, names.v[j]), err);
        }
    }
    rdl_arena_fini(&a);
    return rc;
}

rdl_code rdl_prune_state(rdl_engine *e, bool force, rdl_err *err)
{
    bool wanted = false;
    uint64_t covered = e->covered;
    rdl_buf payload = {0};
    rdl_code rc = rdl_state_checkpoint(e->state, force, &wanted, &payload, &covered, err);
    if (rc == RDL_OK && wanted) {
        rc = rdl_journal_append(e->journal, RDL_RECORD_CHECKPOINT,
                                (rdl_str){payload.p, payload.n}, err);
        if (rc == RDL_OK) {
            rdl_buf_clear(&e->checkpoint);
            rdl_buf_put(&e->checkpoint, payload.p, payload.n);
            rc = rdl_state_checkpointed(e->state, err);
        }
        if (rc == RDL_OK)
            e->covered = covered;
    }
    rdl_buf_fini(&payload);
    return rc;
}

/* What rotations set aside longer ago than journal_retention.  A file that stays harms nobody. */
static rdl_code forget_past(rdl_engine *e, rdl_err *err)
{
    rdl_arena a;
    rdl_names names;
    int64_t before = rdl_now_us(e->clock) - e->journal_retention_us;
    size_t gone = 0;
    rdl_arena_init(&a, 0);
    const char *dir = rdl_path_join(&a, e->root.state, "journal-past");
    rdl_code rc = rdl_fs_list(&a, dir, &names, err);
    for (size_t i = 0; rc == RDL_OK && i < names.n; i++) {
        rdl_stat st = {0};
        const char *path = rdl_path_join(&a, dir, names.v[i]);
        rc = rdl_fs_stat(path, &st, err);
        if (rc == RDL_OK && st.exists && st.mtime_us < before) {
            rc = rdl_fs_unlink(path, err);
            gone++;
        }
    }
    if (gone > 0)
        rdl_log(RDL_LOG_INFO, "journal", "past_forgotten", "files=%zu", gone);
    rdl_arena_fini(&a);
    return rc;
}

/*
 * All that the journal says, as its first records.  One that cannot be rotated for now (a full disk)
 * is as good as before.
 */
static rdl_code rotate_journal(rdl_engine *e, rdl_err *err)
{
    rdl_arena a;
    rdl_err why = {0};
    rdl_summary summary = {0};
    int64_t began = rdl_monotonic_us();
    uint64_t before = rdl_journal_bytes(e->journal), first = rdl_journal_bytes_first(e->journal);
    if (before - first <= e->journal_max || before - first <= first)
        return RDL_OK;
    rdl_arena_init(&a, 0);
    rdl_summary_print(&e->history, &a, &summary);
    rdl_journal_record *records = RDL_NEWN(&a, rdl_journal_record, summary.n + 1);
    size_t n = 0;
    for (; n < summary.n; n++)
        records[n] = (rdl_journal_record){RDL_RECORD_SUMMARY, summary.v[n]};
    if (e->checkpoint.n > 0)
        records[n++] = (rdl_journal_record){RDL_RECORD_CHECKPOINT,
                                            {e->checkpoint.p, e->checkpoint.n}};
    rdl_code rc = rdl_journal_rotate(e->journal, records, n, &why);
    if (rc == RDL_OK)
        rdl_log(RDL_LOG_INFO, "journal", "rotated",
                "epoch=%" PRIu64 " bytes_before=%" PRIu64 " bytes=%" PRIu64 " ms=%" PRId64,
                e->history.epoch, before, rdl_journal_bytes(e->journal),
                (rdl_monotonic_us() - began) / 1000);
    if (rc == RDL_OK && e->journal_retention_us > 0)
        rc = forget_past(e, &why);
    if (rc != RDL_OK && !rdl_journal_is_broken(e->journal))
        rdl_log_err(RDL_LOG_WARN, "journal", "not_rotated", &why);
    rdl_arena_fini(&a);
    if (!rdl_journal_is_broken(e->journal))
        return RDL_OK;
    *err = why;
    return rc;
}

rdl_code rdl_prune_to(rdl_engine *e, uint64_t settled, bool force, rdl_err *err)
{
    RDL_TRY(rdl_prune_state(e, force, err));
    uint64_t upto = settled < e->covered ? settled : e->covered;
    e->needless = upto > e->needless ? upto : e->needless;
    hold_for_readers(e, &upto);
    rdl_view_missed_hold(e, &upto);
    if (upto > e->history.pruned) {
        char record[64];
        snprintf(record, sizeof record, "{\"epoch\":%" PRIu64 "}", upto);
        RDL_TRY(rdl_journal_append(e->journal, RDL_RECORD_PRUNE, rdl_str_of(record), err));
        rdl_history_prune(&e->history, upto);
    }
    if (!rdl_leases_held(&e->root)) {
        RDL_TRY(remove_epochs(e, e->history.pruned, err));
        RDL_TRY(remove_snapshots(e, err));
    }
    return rotate_journal(e, err);
}

rdl_code rdl_prune(rdl_engine *e, bool force, rdl_err *err)
{
    const rdl_apply p = {e, e->conn, &e->history};
    uint64_t settled = 0;
    RDL_TRY(rdl_apply_settled(&p, &settled, err));
    return rdl_prune_to(e, settled, force, err);
}
