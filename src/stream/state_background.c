/*
 * stream/state_background.c - freezing, writing and merging runs beside the epoch thread.
 *
 *   live --settle--> frozen --flush job--> run --merge job (with its neighbours)--> run
 *
 * A job is one thread with everything it reads handed to it: a frozen table or input runs, and
 * a copy of the spaces.  It touches nothing else of the state; the epoch thread takes its
 * result in at the next poll.  At most one flush and one merge are at work, so a long merge
 * holds up no flush.
 *
 * POLICY  Tiered.  Neighbours (by age) of like size, four to eight of them, become one run, so
 * that an entry is rewritten about log4(state / table) times.  When the newer runs together are
 * twice the oldest, all are merged, which bounds what superseded entries take to about twice
 * the live ones.
 *
 * INVARIANTS
 *   B1  A layer is replaced only by a run that is durable and holds all of its visible entries.
 *   B2  Merges take neighbours, so that the order of layers stays the order of ages.
 *   B3  A failed job changes nothing; it is reported once and tried again.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "stream/state_internal.h"

enum {
    FAN_IN_MIN = 4,
    FAN_IN_MAX = 8,
    RUNS_MAX = 16,          /* more are merged whatever their sizes */
    LIVE_EPOCHS_MAX = 1024, /* deltas that a restart has to replay */
};

struct rdl_state_job {
    rdl_thread *thread;
    atomic_bool done, stop;
    rdl_buf path;
    rdl_space_view *spaces;
    const rdl_memtable *table; /* flush */
    rdl_run *inputs[FAN_IN_MAX];
    size_t input_count; /* merge */
    rdl_merge_output output;
    uint64_t filter_room; /* bytes; a larger filter is loaded after the old ones are gone */
    /* results, read after done */
    rdl_code rc;
    rdl_err err;
    rdl_run_info info;
    rdl_run *run; /* NULL: nothing was left */
};

/* ------------------------------------------------------------- budget */

uint64_t rdl_state_filter_bytes(const rdl_state *s)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < s->run_count; i++)
        bytes += rdl_run_memory(s->runs[i]);
    return bytes;
}

/* What is left for tables after filters, cache and the buffers of jobs. */
static uint64_t table_share(const rdl_state *s)
{
    uint64_t fixed = rdl_state_filter_bytes(s) + s->cache_budget + s->budget / 8;
    return s->budget > fixed ? s->budget - fixed : 0;
}

rdl_code rdl_state_check_budget(const rdl_state *s, rdl_err *err)
{
    if (table_share(s) >= s->budget / 16)
        return RDL_OK;
    (void)rdl_err_set(
        err, RDL_ELIMIT, 0,
        "could not keep state within its memory: filters and indexes of %zu runs "
        "take %" PRIu64 " of %" PRIu64 " bytes",
        s->run_count, rdl_state_filter_bytes(s), s->budget);
    err->area = RDL_AREA_STORE;
    return rdl_err_hint(err,
                        "Give more with --memory, or bound deduplication with WITHIN.");
}

/* Live and frozen table and the array that sorts the frozen one. */
static uint64_t live_limit(const rdl_state *s)
{
    uint64_t share = table_share(s), least = s->budget / 16;
    return (share > least ? share : least) * 2 / 5;
}

/* --------------------------------------------------------------- jobs */

static rdl_code merge_layers(rdl_state_job *j)
{
    rdl_merge m = {0};
    rdl_code rc = RDL_OK;
    if (j->table != NULL)
        RDL_TRY_OUT(rdl_merge_add_table(&m, j->table, j->spaces, UINT32_MAX, &j->err));
    for (size_t i = 0; i < j->input_count; i++)
        RDL_TRY_OUT(rdl_merge_add_run(&m, j->inputs[i], &j->err));
    RDL_TRY_OUT(rdl_merge_write(&m, &j->output, &j->info, &j->err));
out:
    rdl_merge_fini(&m);
    return rc;
}

static void *job_main(void *arg)
{
    rdl_state_job *j = arg;
    j->rc = merge_layers(j);
    if (j->rc == RDL_OK && j->info.entries > 0)
        j->rc = rdl_run_open(rdl_buf_str(&j->path), &j->info, &j->run, &j->err);
    if (j->rc == RDL_OK && j->run != NULL && rdl_run_memory(j->run) <= j->filter_room)
        j->rc = rdl_run_load_filter(j->run, &j->err);
    atomic_store(&j->done, true);
    return NULL;
}

static void job_free(rdl_state_job *j)
{
    rdl_run_close(j->run);
    rdl_buf_fini(&j->path);
    free(j->spaces); /* allow: see rdl_state_copy_spaces */
    free(j);         /* allow: see job_new */
}

rdl_code rdl_state_copy_spaces(const rdl_state *s, rdl_space_view **out, rdl_err *err)
{
    rdl_space_view *v = malloc((s->space_count + 1) * sizeof *v); /* allow: keyed state */
    if (v == NULL)
        return rdl_err_nomem(err);
    for (size_t i = 0; i < s->space_count; i++)
        v[i] = (rdl_space_view){s->spaces[i].id, s->spaces[i].cleared_at};
    *out = v;
    return RDL_OK;
}

static rdl_code
job_start(rdl_state *s, rdl_state_job *j, uint64_t epoch_base, bool bottom, rdl_err *err)
{
    uint64_t used = rdl_state_filter_bytes(s) + s->cache_budget + s->live.bytes +
                    (s->frozen != NULL ? s->frozen->bytes : 0);
    RDL_TRY(rdl_state_copy_spaces(s, &j->spaces, err));
    rdl_state_run_path(s, s->next_run, &j->path);
    j->filter_room = s->budget > used ? s->budget - used : 0;
    j->output = (rdl_merge_output){.path = rdl_buf_str(&j->path),
                                   .id = s->next_run++,
                                   .epoch_base = epoch_base,
                                   .bottom = bottom,
                                   .memory_bytes = s->budget / 32,
                                   .spaces = j->spaces,
                                   .space_count = s->space_count,
                                   .stop = &j->stop};
    return rdl_thread_start(j->table != NULL ? "state-flush" : "state-merge", job_main, j,
                            &j->thread, err);
}

static void note_failure(rdl_state *s, const rdl_err *err)
{
    if (s->background_err.code == RDL_OK && err->code != RDL_ESTOP)
        s->background_err = *err;
}

rdl_code rdl_state_take_background_err(rdl_state *s, rdl_err *err)
{
    if (s->background_err.code == RDL_OK)
        return RDL_OK;
    *err = s->background_err;
    s->background_err.code = RDL_OK;
    return rdl_err_area(err->code, err, RDL_AREA_STORE);
}

/* -------------------------------------------------------------- flush */

static rdl_code prepare_folder(const rdl_state *s, rdl_err *err)
{
    rdl_arena a;
    rdl_arena_init(&a, 0);
    char *runs = rdl_path_join(&a, s->dir, "runs");
    rdl_code rc = rdl_fs_exists(runs) ? RDL_OK : rdl_fs_mkdirs(runs, err);
    if (rc == RDL_OK && s->run_count == 0)
        rc = rdl_fs_sync_dir(s->dir, err);
    rdl_arena_fini(&a);
    return rc;
}

static void start_flush(rdl_state *s)
{
    rdl_err err = {0};
    rdl_state_job *j = calloc(1, sizeof *j); /* allow: lives as the job */
    rdl_code rc = j == NULL ? rdl_err_nomem(&err) : prepare_folder(s, &err);
    if (rc == RDL_OK) {
        j->table = s->frozen;
        rc = job_start(s, j, s->frozen->epoch_min, s->run_count == 0, &err);
    }
    if (rc == RDL_OK) {
        s->flush = j;
        return;
    }
    if (j != NULL)
        job_free(j);
    note_failure(s, &err);
}

static void free_frozen(rdl_state *s)
{
    if (s->frozen == NULL)
        return;
    rdl_memtable_fini(s->frozen);
    free(s->frozen); /* allow: see freeze */
    s->frozen = NULL;
}

rdl_code rdl_state_add_run(rdl_state *s, rdl_run *taken, size_t at, rdl_err *err)
{
    if (s->run_count == s->run_cap) {
        size_t cap = s->run_cap == 0 ? 16 : s->run_cap * 2;
        rdl_run **runs =
            realloc(s->runs, cap * sizeof *runs); /* allow: lives as the state */
        if (runs == NULL) {
            rdl_run_close(taken);
            return rdl_err_nomem(err);
        }
        s->runs = runs;
        s->run_cap = cap;
    }
    memmove(s->runs + at + 1, s->runs + at, (s->run_count - at) * sizeof *s->runs);
    s->runs[at] = taken;
    s->run_count++;
    return RDL_OK;
}

static rdl_code take_flush(rdl_state *s, rdl_state_job *j, rdl_err *err)
{
    if (j->rc != RDL_OK) {
        *err = j->err;
        return j->rc;
    }
    rdl_run *run = j->run;
    j->run = NULL;
    if (run != NULL)
        RDL_TRY(rdl_state_add_run(s, run, 0, err));
    s->covered = s->frozen_covers;
    s->runs_changed = true;
    free_frozen(s); /* B1 */
    return RDL_OK;
}

void rdl_state_wait_flush(rdl_state *s)
{
    rdl_err err = {0};
    rdl_state_job *j = s->flush;
    if (j == NULL)
        return;
    (void)rdl_thread_join(j->thread);
    s->flush = NULL;
    if (take_flush(s, j, &err) != RDL_OK)
        note_failure(s, &err);
    job_free(j);
}

/* -------------------------------------------------------------- merge */

/* Neighbours of like size from `first` on: each at most twice the mean of those before. */
static size_t like_sized(const rdl_state *s, size_t first)
{
    uint64_t sum = s->runs[first]->info.bytes;
    size_t n = 1;
    while (first + n < s->run_count && n < FAN_IN_MAX &&
           s->runs[first + n]->info.bytes <= 2 * (sum / n)) {
        sum += s->runs[first + n]->info.bytes;
        n++;
    }
    return n;
}

/* The eight neighbours with the fewest bytes. */
static size_t smallest_group(const rdl_state *s, size_t n)
{
    size_t best = 0;
    uint64_t best_bytes = UINT64_MAX;
    for (size_t i = 0; i + n <= s->run_count; i++) {
        uint64_t bytes = 0;
        for (size_t k = 0; k < n; k++)
            bytes += s->runs[i + k]->info.bytes;
        if (bytes < best_bytes) {
            best_bytes = bytes;
            best = i;
        }
    }
    return best;
}

static bool pick_merge(const rdl_state *s, size_t *first, size_t *n)
{
    uint64_t newer = 0;
    if (s->run_count < FAN_IN_MIN)
        return false;
    for (size_t i = 0; i + 1 < s->run_count; i++)
        newer += s->runs[i]->info.bytes;
    *first = 0;
    *n = s->run_count;
    if (*n <= FAN_IN_MAX && newer >= 2 * s->runs[*n - 1]->info.bytes)
        return true;
    for (*first = 0; *first + FAN_IN_MIN <= s->run_count; ++*first) {
        *n = like_sized(s, *first);
        if (*n >= FAN_IN_MIN)
            return true;
    }
    *n = FAN_IN_MAX;
    *first = s->run_count > RUNS_MAX ? smallest_group(s, *n) : 0;
    return s->run_count > RUNS_MAX;
}

static void start_merge(rdl_state *s)
{
    rdl_err err = {0};
    size_t first = 0, n = 0;
    uint64_t base = UINT64_MAX;
    /* A process that adds nothing may end before a merge does: each such one would begin it anew. */
    if (!s->committed || !pick_merge(s, &first, &n))
        return;
    rdl_state_job *j = calloc(1, sizeof *j); /* allow: lives as the job */
    rdl_code rc = j == NULL ? rdl_err_nomem(&err) : RDL_OK;
    for (size_t i = 0; rc == RDL_OK && i < n; i++) {
        rdl_run *r = s->runs[first + i];
        j->inputs[j->input_count++] = r;
        base = r->info.epoch_min < base ? r->info.epoch_min : base;
    }
    if (rc == RDL_OK)
        rc = job_start(s, j, base, first + n == s->run_count, &err);
    if (rc == RDL_OK) {
        s->merge = j;
        return;
    }
    if (j != NULL)
        job_free(j);
    note_failure(s, &err);
}

static rdl_code reserve_obsolete(rdl_state *s, size_t n, rdl_err *err)
{
    if (s->obsolete_count + n <= s->obsolete_cap)
        return RDL_OK;
    size_t cap = (s->obsolete_cap + n) * 2;
    rdl_obsolete_run *list =
        realloc(s->obsolete, cap * sizeof *list); /* allow: as the state */
    if (list == NULL)
        return rdl_err_nomem(err);
    s->obsolete = list;
    s->obsolete_cap = cap;
    return RDL_OK;
}

/* Inputs leave, the output stands where the newest of them stood (B2). */
static rdl_code take_merge(rdl_state *s, rdl_state_job *j, rdl_err *err)
{
    size_t at = 0;
    if (j->rc != RDL_OK) {
        *err = j->err;
        return j->rc;
    }
    RDL_TRY(reserve_obsolete(s, j->input_count, err));
    while (s->runs[at] != j->inputs[0])
        at++;
    for (size_t i = 0; i < j->input_count; i++) {
        rdl_run *r = s->runs[at + i];
        s->obsolete[s->obsolete_count++] = (rdl_obsolete_run){.path = r->path};
        r->path = NULL;
        rdl_run_close(r);
    }
    size_t behind = at + j->input_count;
    memmove(s->runs + at, s->runs + behind, (s->run_count - behind) * sizeof *s->runs);
    s->run_count -= j->input_count;
    s->runs_changed = true;
    s->merges++;
    rdl_run *run = j->run;
    j->run = NULL;
    return run != NULL ? rdl_state_add_run(s, run, at, err) : RDL_OK;
}

void rdl_state_wait_merge(rdl_state *s)
{
    rdl_err err = {0};
    rdl_state_job *j = s->merge;
    if (j == NULL)
        return;
    (void)rdl_thread_join(j->thread);
    s->merge = NULL;
    if (take_merge(s, j, &err) != RDL_OK)
        note_failure(s, &err);
    job_free(j);
}

/* --------------------------------------------------------------- poll */

/* Filters that a job had no room for. */
static void load_filters(rdl_state *s)
{
    rdl_err err = {0};
    for (size_t i = 0; i < s->run_count; i++)
        if (s->runs[i]->filter == NULL && rdl_run_load_filter(s->runs[i], &err) != RDL_OK)
            note_failure(s, &err);
}

/* A clear that no layer has anything older than has done its work. */
static void forget_clears(rdl_state *s)
{
    uint64_t oldest = s->live.entries > 0 ? s->live.epoch_min : UINT64_MAX;
    if (s->frozen != NULL && s->frozen->epoch_min < oldest)
        oldest = s->frozen->epoch_min;
    for (size_t i = 0; i < s->run_count; i++)
        if (s->runs[i]->info.epoch_min < oldest)
            oldest = s->runs[i]->info.epoch_min;
    for (size_t i = 0; i < s->space_count; i++)
        if (s->spaces[i].cleared_at <= oldest)
            s->spaces[i].cleared_at = 0;
}

void rdl_state_poll(rdl_state *s)
{
    bool changed = false;
    if (s->flush != NULL && atomic_load(&s->flush->done)) {
        rdl_state_wait_flush(s);
        changed = true;
    }
    if (s->merge != NULL && atomic_load(&s->merge->done)) {
        rdl_state_wait_merge(s);
        changed = true;
    }
    if (changed)
        forget_clears(s);
    load_filters(s);
    if (s->background_err.code != RDL_OK)
        return; /* B3: again after it was given out */
    if (s->frozen != NULL && s->flush == NULL)
        start_flush(s);
    if (s->merge == NULL)
        start_merge(s);
}

static void freeze(rdl_state *s)
{
    rdl_memtable *t = malloc(sizeof *t); /* allow: lives until its run is durable */
    if (t == NULL)
        return; /* the live table goes on growing; tried again at the next commit */
    *t = s->live;
    rdl_memtable_init(&s->live);
    s->frozen = t;
    s->frozen_covers = s->epoch;
    s->live_epochs = 0;
}

void rdl_state_settle(rdl_state *s, bool force)
{
    rdl_state_poll(s);
    if (s->live.entries == 0 && s->frozen == NULL) {
        s->live_epochs = 0;
        return;
    }
    if (!force && s->live.bytes <= live_limit(s) && s->live_epochs < LIVE_EPOCHS_MAX)
        return;
    rdl_state_wait_flush(
        s); /* back-pressure: two tables are what the budget has room for */
    if (s->frozen == NULL && s->live.entries > 0)
        freeze(s);
    rdl_state_poll(s);
}

void rdl_state_stop_jobs(rdl_state *s)
{
    if (s->flush != NULL)
        atomic_store(&s->flush->stop, true);
    if (s->merge != NULL)
        atomic_store(&s->merge->stop, true);
    rdl_state_wait_flush(s);
    rdl_state_wait_merge(s);
    free_frozen(s);
}
