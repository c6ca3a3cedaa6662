/*
 * stream/state_checkpoint.c - which runs are the state, as JSON for a CHECKPOINT record.
 *
 *   {"version": 1, "covered": 41, "next_run": 7,
 *    "runs": [{"id": 6, "bytes": .., "entries": .., "tombstones": .., "epoch_min": ..,
 *              "epoch_max": .., "checksum": "16 hex digits"}, ...],       newest first
 *    "cleared": [{"space": "16 hex digits", "epoch": 40}, ...]}
 *
 * The order of what happens to files (T1..T3):
 *
 *   run written, synced, renamed, folder synced     nobody names it: an orphan in a crash
 *   CHECKPOINT names it (the caller appends)        the old runs and deltas are still there
 *   rdl_state_checkpointed                          old runs go, then covered deltas
 *
 * A file in runs/ that the newest CHECKPOINT does not name is an orphan and removed at open,
 * after all runs that it does name have been found good.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "base/fault.h"
#include "stream/state_internal.h"

void rdl_state_run_path(const rdl_state *s, uint64_t id, rdl_buf *out)
{
    rdl_buf_printf(out, "%s/runs/run-%08" PRIu64, s->dir, id);
}

/* ------------------------------------------------------------ reading */

static rdl_code bad_checkpoint(rdl_err *err, const char *reason)
{
    (void)rdl_err_set(err, RDL_EDATA, 0,
                      "could not read the journal's checkpoint of state: %s", reason);
    err->area = RDL_AREA_STORE;
    return rdl_err_hint(err,
                        "\"raudal refresh --rebuild-state\" makes state and deduplication indexes from "
                        "the lake.");
}

static bool get_number(const json_t *object, const char *name, uint64_t *out)
{
    const json_t *v = json_object_get(object, name);
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return false;
    *out = (uint64_t)json_integer_value(v);
    return true;
}

static bool get_hex(const json_t *object, const char *name, uint64_t *out)
{
    const char *p = json_string_value(json_object_get(object, name));
    uint64_t v = 0;
    if (p == NULL || strlen(p) != 16)
        return false;
    for (; *p != '\0'; p++) {
        const char *digits = "0123456789abcdef", *d = strchr(digits, *p);
        if (d == NULL)
            return false;
        v = v << 4 | (uint64_t)(d - digits);
    }
    *out = v;
    return true;
}

static rdl_code load_run(rdl_state *s, const json_t *j, rdl_err *err)
{
    rdl_run_info want = {0};
    rdl_buf path = {0};
    rdl_run *run = NULL;
    if (!get_number(j, "id", &want.id) || !get_number(j, "bytes", &want.bytes) ||
        !get_number(j, "entries", &want.entries) ||
        !get_number(j, "tombstones", &want.tombstones) ||
        !get_number(j, "epoch_min", &want.epoch_min) ||
        !get_number(j, "epoch_max", &want.epoch_max) ||
        !get_hex(j, "checksum", &want.checksum))
        return bad_checkpoint(err, "a run is not described whole");
    rdl_state_run_path(s, want.id, &path);
    rdl_code rc = rdl_run_open(rdl_buf_str(&path), &want, &run, err);
    rdl_buf_fini(&path);
    RDL_TRY(rc);
    if (s->next_run <= want.id)
        s->next_run = want.id + 1;
    return rdl_state_add_run(s, run, s->run_count, err);
}

static rdl_code load_cleared(rdl_state *s, const json_t *j, rdl_err *err)
{
    uint64_t space = 0, epoch = 0;
    uint32_t index = 0;
    if (!get_hex(j, "space", &space) || !get_number(j, "epoch", &epoch))
        return bad_checkpoint(err, "a cleared space is not described whole");
    RDL_TRY(rdl_state_space_index(s, space, &index, err));
    s->spaces[index].cleared_at = epoch;
    return RDL_OK;
}

static rdl_code load_json(rdl_state *s, const json_t *root, rdl_err *err)
{
    uint64_t version = 0, next = 0;
    size_t i;
    const json_t *item, *runs = json_object_get(root, "runs");
    const json_t *cleared = json_object_get(root, "cleared");
    if (!get_number(root, "version", &version) ||
        !get_number(root, "covered", &s->covered) || !get_number(root, "next_run", &next) ||
        !json_is_array(runs) || !json_is_array(cleared))
        return bad_checkpoint(err, "\"version\", \"covered\", \"next_run\", \"runs\" and "
                                   "\"cleared\" must be there");
    if (version != 1) {
        (void)bad_checkpoint(err, "its version is not 1");
        return rdl_err_hint(err, "Use the version of raudal that wrote it.");
    }
    json_array_foreach(runs, i, item) RDL_TRY(load_run(s, item, err));
    json_array_foreach(cleared, i, item) RDL_TRY(load_cleared(s, item, err));
    if (s->next_run < next)
        s->next_run = next;
    s->epoch = s->recorded_covered = s->covered;
    return RDL_OK;
}

static bool is_named(const rdl_state *s, const char *name)
{
    for (size_t i = 0; i < s->run_count; i++)
        if (strcmp(rdl_path_base(s->runs[i]->path), name) == 0)
            return true;
    return false;
}

static rdl_code remove_orphans(rdl_state *s, rdl_err *err)
{
    rdl_arena a;
    rdl_names names = {0};
    rdl_code rc = RDL_OK;
    rdl_arena_init(&a, 0);
    char *dir = rdl_path_join(&a, s->dir, "runs");
    if (rdl_fs_exists(dir))
        RDL_TRY_OUT(rdl_fs_list(&a, dir, &names, err));
    for (size_t i = 0; i < names.n; i++)
        if (!is_named(s, names.v[i]))
            RDL_TRY_OUT(rdl_fs_unlink(rdl_path_join(&a, dir, names.v[i]), err));
out:
    rdl_arena_fini(&a);
    return rc;
}

rdl_code rdl_state_load(rdl_state *s, rdl_str checkpoint, rdl_err *err)
{
    s->next_run = 1;
    if (checkpoint.n > 0) {
        json_error_t where;
        json_t *root =
            json_loadb(checkpoint.p, checkpoint.n, JSON_REJECT_DUPLICATES, &where);
        if (root == NULL)
            return bad_checkpoint(err, where.text);
        rdl_code rc = load_json(s, root, err);
        json_decref(root);
        RDL_TRY(rc);
    }
    RDL_TRY(rdl_state_check_budget(s, err));
    for (size_t i = 0; i < s->run_count; i++)
        RDL_TRY(rdl_run_load_filter(s->runs[i], err));
    return remove_orphans(s, err);
}

/* ------------------------------------------------------------ writing */

static void print(const rdl_state *s, uint64_t covered, rdl_buf *out)
{
    const char *comma = "";
    rdl_buf_printf(
        out, "{\"version\":1,\"covered\":%" PRIu64 ",\"next_run\":%" PRIu64 ",\"runs\":[",
        covered, s->next_run);
    for (size_t i = 0; i < s->run_count; i++) {
        const rdl_run_info *r = &s->runs[i]->info;
        rdl_buf_printf(out,
                       "%s{\"id\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"entries\":%" PRIu64
                       ",\"tombstones\":%" PRIu64 ",\"epoch_min\":%" PRIu64
                       ",\"epoch_max\":%" PRIu64 ",\"checksum\":\"%016" PRIx64 "\"}",
                       i > 0 ? "," : "", r->id, r->bytes, r->entries, r->tombstones,
                       r->epoch_min, r->epoch_max, r->checksum);
    }
    rdl_buf_puts(out, "],\"cleared\":[");
    for (size_t i = 0; i < s->space_count; i++) {
        if (s->spaces[i].cleared_at == 0)
            continue;
        rdl_buf_printf(out, "%s{\"space\":\"%016" PRIx64 "\",\"epoch\":%" PRIu64 "}", comma,
                       s->spaces[i].id, s->spaces[i].cleared_at);
        comma = ",";
    }
    rdl_buf_puts(out, "]}");
}

rdl_code rdl_state_checkpoint(rdl_state *s,
                              bool force,
                              bool *wanted,
                              rdl_buf *payload,
                              uint64_t *covered,
                              rdl_err *err)
{
    *wanted = false;
    rdl_state_poll(s);
    if (force) {
        rdl_state_settle(s, true);
        rdl_state_wait_flush(s);
    }
    RDL_TRY(rdl_state_take_background_err(s, err));
    if (s->live.entries == 0 && s->frozen == NULL)
        s->covered = s->epoch;
    *covered = s->covered;
    if (!s->runs_changed && (!force || s->covered == s->recorded_covered))
        return RDL_OK;
    print(s, s->covered, payload);
    for (size_t i = 0; i < s->obsolete_count; i++)
        s->obsolete[i].named = true;
    s->pending_covered = s->covered;
    s->runs_changed = false;
    *wanted = true;
    return RDL_OK;
}

static rdl_code fault(int e, const char *what, rdl_err *err)
{
    if (e == 0)
        return RDL_OK;
    (void)rdl_err_set(err, RDL_EIO, RDL_ERR_RETRY, "could not %s: %s", what, strerror(e));
    return rdl_err_area(RDL_EIO, err, RDL_AREA_STORE);
}

rdl_code rdl_state_checkpointed(rdl_state *s, rdl_err *err)
{
    size_t kept = 0;
    rdl_err
        ignored; /* a file that cannot be removed now is tried again, or an orphan at open */
    RDL_TRY(fault(RDL_FAULT_AT(CHECKPOINT_DONE), "clean up after a checkpoint", err));
    s->recorded_covered = s->pending_covered;
    for (size_t i = 0; i < s->obsolete_count; i++) {
        rdl_obsolete_run o = s->obsolete[i];
        if (o.named && rdl_fs_unlink(o.path, &ignored) == RDL_OK)
            free(o.path); /* allow: taken from the run */
        else
            s->obsolete[kept++] = o;
    }
    s->obsolete_count = kept;
    kept = 0;
    for (size_t i = 0; i < s->delta_count; i++) {
        rdl_state_delta_file d = s->deltas[i];
        if (d.epoch <= s->pending_covered && rdl_fs_unlink(d.path, &ignored) == RDL_OK)
            free(d.path); /* allow: see rdl_state_copy_path */
        else
            s->deltas[kept++] = d;
    }
    s->delta_count = kept;
    return fault(RDL_FAULT_AT(DELTA_PRUNED), "clean up after a checkpoint", err);
}
