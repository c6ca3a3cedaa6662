/*
 * stream/state.c - keyed state: spaces, the open epoch, gets, puts and claims.
 *
 * The open epoch is a table of its own over the committed layers (state_internal.h), so that
 * abort throws one table away and a delta is that table written down.  Commit moves its
 * entries into the live table.
 *
 * Claims are the hot path: a batch is hashed, the slots and entries it will touch are
 * prefetched, then it is decided in order.
 *
 * INVARIANTS (T1..T4 in state.h)
 *   T5  An entry of an epoch before its space's clear is never seen: every layer's answer
 *       passes rdl_state_visible.
 *   T6  commit changes nothing that write_delta did not write.
 *
 * Tests: tests/unit/state_test.c.
 */
#include "stream/state.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "stream/state_internal.h"

enum {
    CLAIM_BATCH = 64,
    BUDGET_MIN = 256 * 1024, /* bytes; a smaller one is taken as this */
};

/* ------------------------------------------------------------------ life */

char *rdl_state_copy_path(const char *path)
{
    size_t n = strlen(path) + 1;
    char *p = malloc(n); /* allow: lives as long as the state */
    return p == NULL ? NULL : memcpy(p, path, n);
}

rdl_code rdl_state_open(const rdl_state_config *config,
                        rdl_str checkpoint,
                        rdl_state **out,
                        rdl_err *err)
{
    rdl_state *s = calloc(1, sizeof *s); /* allow: lives as long as the engine */
    if (s == NULL)
        return rdl_err_nomem(err);
    rdl_memtable_init(&s->open);
    rdl_memtable_init(&s->live);
    s->budget = config->budget_bytes > BUDGET_MIN ? config->budget_bytes : BUDGET_MIN;
    s->cache_budget = s->budget / 16;
    s->dir = rdl_state_copy_path(config->dir);
    rdl_code rc = s->dir == NULL ? rdl_err_nomem(err) : RDL_OK;
    if (rc == RDL_OK)
        rc = rdl_block_cache_new(s->cache_budget, &s->cache, err);
    if (rc == RDL_OK)
        rc = rdl_state_load(s, checkpoint, err);
    if (rc != RDL_OK) {
        rdl_state_close(s);
        return rdl_err_area(rc, err, RDL_AREA_STORE);
    }
    *out = s;
    return RDL_OK;
}

void rdl_state_close(rdl_state *s)
{
    if (s == NULL)
        return;
    rdl_state_stop_jobs(s);
    rdl_memtable_fini(&s->open);
    rdl_memtable_fini(&s->live);
    for (size_t i = 0; i < s->run_count; i++)
        rdl_run_close(s->runs[i]);
    for (size_t i = 0; i < s->obsolete_count; i++)
        free(s->obsolete[i].path); /* allow: taken from the run */
    free(s->obsolete);             /* allow: as the state */
    free(s->runs);                 /* allow: as the state */
    rdl_block_cache_free(s->cache);
    for (size_t i = 0; i < s->delta_count; i++)
        free(s->deltas[i].path); /* allow: see rdl_state_copy_path */
    free(s->open_delta.path);    /* allow: as above */
    free(s->deltas);             /* allow: as the state */
    free(s->spaces);             /* allow: as the state */
    free(s->dir);                /* allow: as the state */
    free(s);                     /* allow: see open */
}

uint64_t rdl_state_epoch(const rdl_state *s)
{
    return s->epoch;
}

/* ---------------------------------------------------------------- spaces */

uint64_t rdl_state_space(rdl_hash128 fingerprint)
{
    return fingerprint.hi ^ rdl_state_fold(fingerprint.lo, UINT64_C(0x9e3779b97f4a7c15));
}

rdl_code rdl_state_space_index(rdl_state *s, uint64_t space, uint32_t *out, rdl_err *err)
{
    if (s->space_last < s->space_count && s->spaces[s->space_last].id == space) {
        *out = (uint32_t)s->space_last;
        return RDL_OK;
    }
    for (size_t i = 0; i < s->space_count; i++) {
        if (s->spaces[i].id == space) {
            s->space_last = i;
            *out = (uint32_t)i;
            return RDL_OK;
        }
    }
    if (s->space_count == s->space_cap) {
        size_t cap = s->space_cap == 0 ? 16 : s->space_cap * 2;
        rdl_space *spaces =
            realloc(s->spaces, cap * sizeof *spaces); /* allow: keyed state */
        if (spaces == NULL)
            return rdl_err_nomem(err);
        s->spaces = spaces;
        s->space_cap = cap;
    }
    s->spaces[s->space_count] = (rdl_space){.id = space};
    s->space_last = s->space_count;
    *out = (uint32_t)s->space_count++;
    return RDL_OK;
}

/* ------------------------------------------------------------------ gets */

static bool hit_entry(const rdl_memtable *t, const rdl_entry *e, rdl_state_hit *hit)
{
    if (e == NULL)
        return false;
    *hit = (rdl_state_hit){.found = true,
                           .tombstone = rdl_entry_is_tombstone(e),
                           .epoch = t->epoch_base + e->epoch,
                           .value = rdl_entry_value(e)};
    return true;
}

/* Runs, newest first, until one holds the key or older ones cannot matter. */
static rdl_code find_in_runs(rdl_state *s,
                             uint64_t hash,
                             uint32_t space,
                             rdl_str key,
                             rdl_state_hit *hit,
                             rdl_err *err)
{
    const rdl_space *sp = &s->spaces[space];
    bool counted = false;
    for (size_t i = 0; i < s->run_count; i++) {
        const rdl_run *r = s->runs[i];
        rdl_run_entry e = {0};
        bool found = false;
        if (r->info.epoch_max < sp->cleared_at || !rdl_run_may_hold(r, hash))
            continue;
        s->filter_passes++;
        s->gets_from_runs += !counted;
        counted = true;
        RDL_TRY(rdl_run_get(r, s->cache, sp->id, key, &found, &e, err));
        if (!found)
            continue;
        *hit = (rdl_state_hit){
            .found = true, .tombstone = e.tombstone, .epoch = e.epoch, .value = e.value};
        return RDL_OK;
    }
    return RDL_OK;
}

static rdl_code find_committed(rdl_state *s,
                               uint64_t hash,
                               uint32_t space,
                               rdl_str key,
                               rdl_state_hit *hit,
                               rdl_err *err)
{
    *hit = (rdl_state_hit){0};
    if (s->spaces[space].clear_open ||
        hit_entry(&s->live, rdl_memtable_find(&s->live, hash, space, key), hit))
        return RDL_OK;
    if (s->frozen != NULL &&
        hit_entry(s->frozen, rdl_memtable_find(s->frozen, hash, space, key), hit))
        return RDL_OK;
    return s->run_count == 0 ? RDL_OK : find_in_runs(s, hash, space, key, hit, err);
}

rdl_code rdl_state_get(
    rdl_state *s, uint64_t space, rdl_str key, bool *found, rdl_str *value, rdl_err *err)
{
    uint32_t index = 0;
    rdl_state_hit hit = {0};
    RDL_TRY(rdl_state_space_index(s, space, &index, err));
    uint64_t hash = rdl_state_hash(space, key);
    s->gets++;
    if (hit_entry(&s->open, rdl_memtable_find(&s->open, hash, index, key), &hit)) {
        *found = !hit.tombstone;
    } else {
        RDL_TRY(find_committed(s, hash, index, key, &hit, err));
        *found = rdl_state_visible(s, index, &hit);
    }
    if (*found)
        *value = hit.value;
    return RDL_OK;
}

static void prefetch_slots(const rdl_state *s, uint64_t hash)
{
    rdl_memtable_prefetch_slot(&s->open, hash);
    rdl_memtable_prefetch_slot(&s->live, hash);
    if (s->frozen != NULL)
        rdl_memtable_prefetch_slot(s->frozen, hash);
    for (size_t r = 0; r < s->run_count; r++)
        rdl_run_prefetch(s->runs[r], hash);
}

static void prefetch_entries(const rdl_state *s, uint64_t hash)
{
    rdl_memtable_prefetch_entry(&s->open, hash);
    rdl_memtable_prefetch_entry(&s->live, hash);
    if (s->frozen != NULL)
        rdl_memtable_prefetch_entry(s->frozen, hash);
}

rdl_code
rdl_state_prefetch(rdl_state *s, uint64_t space, const rdl_str *keys, size_t n, rdl_err *err)
{
    uint64_t hashes[CLAIM_BATCH];
    RDL_TRY(rdl_memtable_reserve(&s->open, n, err));
    for (size_t at = 0; at < n; at += CLAIM_BATCH) {
        size_t m = n - at < CLAIM_BATCH ? n - at : CLAIM_BATCH;
        for (size_t i = 0; i < m; i++) {
            hashes[i] = rdl_state_hash(space, keys[at + i]);
            prefetch_slots(s, hashes[i]);
        }
        for (size_t i = 0; i < m; i++)
            prefetch_entries(s, hashes[i]);
    }
    return RDL_OK;
}

/* --------------------------------------------------------------- changes */

rdl_code rdl_state_begin(rdl_state *s, uint64_t epoch, rdl_err *err)
{
    if (s->broken || s->open_epoch != 0 || epoch <= s->epoch)
        return rdl_err_set(err, RDL_EBUG, 0,
                           "cannot begin epoch %" PRIu64 " of state at epoch %" PRIu64
                           ": %s",
                           epoch, s->epoch,
                           s->broken            ? "it must be opened again after a failure"
                           : s->open_epoch != 0 ? "another one is open"
                                                : "it is not a later one");
    rdl_state_poll(s);
    RDL_TRY(rdl_state_take_background_err(s, err));
    RDL_TRY(rdl_state_check_budget(s, err));
    s->open_epoch = epoch;
    return RDL_OK;
}

static rdl_code
put(rdl_state *s, uint64_t space, rdl_str key, rdl_str value, uint32_t flags, rdl_err *err)
{
    uint32_t index = 0;
    assert(s->open_epoch != 0);
    if (key.n > RDL_STATE_KEY_MAX || value.n > RDL_STATE_VALUE_MAX) {
        (void)rdl_err_set(
            err, RDL_ELIMIT, 0,
            "cannot keep an entry of state: its key has %zu bytes and its value "
            "%zu, the bounds are %d and %d",
            key.n, value.n, RDL_STATE_KEY_MAX, RDL_STATE_VALUE_MAX);
        err->area = RDL_AREA_STORE;
        return rdl_err_hint(err, "Group by shorter values, for instance by their hash.");
    }
    RDL_TRY(rdl_state_space_index(s, space, &index, err));
    return rdl_memtable_put(&s->open, rdl_state_hash(space, key), index, s->open_epoch, key,
                            value, flags, err);
}

rdl_code
rdl_state_put(rdl_state *s, uint64_t space, rdl_str key, rdl_str value, rdl_err *err)
{
    return put(s, space, key, value, 0, err);
}

rdl_code rdl_state_delete(rdl_state *s, uint64_t space, rdl_str key, rdl_err *err)
{
    return put(s, space, key, (rdl_str){0}, RDL_ENTRY_TOMBSTONE, err);
}

rdl_code rdl_state_clear(rdl_state *s, uint64_t space, rdl_err *err)
{
    uint32_t index = 0;
    assert(s->open_epoch != 0);
    RDL_TRY(rdl_state_space_index(s, space, &index, err));
    s->spaces[index].clear_open = true;
    if (s->open.entries > 0)
        rdl_memtable_kill_space(&s->open, index);
    return RDL_OK;
}

/* ---------------------------------------------------------------- claims */

typedef struct claim_batch {
    uint64_t space;
    uint32_t index;
    size_t n;
    char keys[CLAIM_BATCH][16];
    uint64_t hashes[CLAIM_BATCH];
} claim_batch;

static void prepare(rdl_state *s, claim_batch *b, const rdl_hash128 *keys, size_t n)
{
    b->n = n;
    for (size_t i = 0; i < n; i++) {
        /* Big-endian, so that the order of keys on disk is that of the numbers. */
        rdl_put64_be(b->keys[i], keys[i].hi);
        rdl_put64_be(b->keys[i] + 8, keys[i].lo);
        b->hashes[i] =
            rdl_state_hash16(b->space, rdl_get64(b->keys[i]), rdl_get64(b->keys[i] + 8));
        prefetch_slots(s, b->hashes[i]);
    }
    for (size_t i = 0; i < n; i++)
        prefetch_entries(s, b->hashes[i]);
}

/* A kept time too far back does not count; without times nothing is forgotten. */
static bool counts(const rdl_state_hit *hit, const int64_t *when_us, int64_t within_us)
{
    int64_t age;
    if (when_us == NULL || within_us <= 0 || hit->value.n != 8)
        return true;
    int64_t kept = (int64_t)rdl_get64(hit->value.p);
    return __builtin_sub_overflow(*when_us, kept, &age) ? *when_us < kept
                                                        : age <= within_us;
}

static rdl_code claim_one(rdl_state *s,
                          const claim_batch *b,
                          size_t i,
                          const int64_t *when_us,
                          int64_t within_us,
                          bool *claimed,
                          rdl_err *err)
{
    rdl_state_hit hit = {0};
    char time[8];
    bool held;
    rdl_str key = {b->keys[i], 16};
    if (hit_entry(&s->open,
                  rdl_memtable_find16(&s->open, b->hashes[i], b->index, b->keys[i]),
                  &hit)) {
        held = !hit.tombstone;
    } else {
        RDL_TRY(find_committed(s, b->hashes[i], b->index, key, &hit, err));
        held = rdl_state_visible(s, b->index, &hit);
    }
    *claimed = !held || !counts(&hit, when_us, within_us);
    if (!*claimed)
        return RDL_OK;
    if (when_us != NULL)
        rdl_put64(time, (uint64_t)*when_us);
    return rdl_memtable_put(&s->open, b->hashes[i], b->index, s->open_epoch, key,
                            (rdl_str){time, when_us != NULL ? sizeof time : 0}, 0, err);
}

rdl_code rdl_state_claim(rdl_state *s,
                         uint64_t space,
                         const rdl_hash128 *keys,
                         const int64_t *when_us,
                         int64_t within_us,
                         size_t n,
                         bool *claimed,
                         rdl_err *err)
{
    claim_batch b = {.space = space};
    assert(s->open_epoch != 0);
    RDL_TRY(rdl_state_space_index(s, space, &b.index, err));
    s->gets += n;
    for (size_t at = 0; at < n; at += CLAIM_BATCH) {
        size_t m = n - at < CLAIM_BATCH ? n - at : CLAIM_BATCH;
        RDL_TRY(rdl_memtable_reserve(&s->open, m, err));
        prepare(s, &b, keys + at, m);
        for (size_t i = 0; i < m; i++)
            RDL_TRY(claim_one(s, &b, i, when_us != NULL ? &when_us[at + i] : NULL,
                              within_us, &claimed[at + i], err));
    }
    return RDL_OK;
}

/* ---------------------------------------------------------- end of epoch */

rdl_code rdl_state_write_delta(rdl_state *s, const char *path, rdl_err *err)
{
    assert(s->open_epoch != 0);
    char *copy = rdl_state_copy_path(path);
    if (copy == NULL)
        return rdl_err_nomem(err);
    free(s->open_delta.path); /* allow: see rdl_state_copy_path */
    s->open_delta = (rdl_state_delta_file){.epoch = s->open_epoch, .path = copy};
    return rdl_err_area(rdl_state_delta_write(s, path, err), err, RDL_AREA_STORE);
}

rdl_code rdl_state_note_delta(rdl_state *s, rdl_state_delta_file *taken, rdl_err *err)
{
    if (s->delta_count == s->delta_cap) {
        size_t cap = s->delta_cap == 0 ? 16 : s->delta_cap * 2;
        rdl_state_delta_file *deltas =
            realloc(s->deltas, cap * sizeof *deltas); /* allow: state */
        if (deltas == NULL)
            return rdl_err_nomem(err);
        s->deltas = deltas;
        s->delta_cap = cap;
    }
    s->deltas[s->delta_count++] = *taken;
    *taken = (rdl_state_delta_file){0};
    return RDL_OK;
}

static void end_epoch(rdl_state *s)
{
    for (size_t i = 0; i < s->space_count; i++)
        s->spaces[i].clear_open = false;
    rdl_memtable_reset(&s->open, s->budget / 16);
    free(s->open_delta.path); /* allow: see rdl_state_copy_path */
    s->open_delta = (rdl_state_delta_file){0};
    s->open_epoch = 0;
}

void rdl_state_abort(rdl_state *s)
{
    if (s->open_epoch != 0)
        end_epoch(s);
}

rdl_code rdl_state_apply(rdl_state *s,
                         uint64_t epoch,
                         uint64_t space,
                         rdl_str key,
                         rdl_str value,
                         uint32_t flags,
                         rdl_err *err)
{
    uint32_t index = 0;
    RDL_TRY(rdl_state_space_index(s, space, &index, err));
    return rdl_memtable_put(&s->live, rdl_state_hash(space, key), index, epoch, key, value,
                            flags, err);
}

rdl_code rdl_state_apply_clear(rdl_state *s, uint64_t epoch, uint64_t space, rdl_err *err)
{
    uint32_t index = 0;
    RDL_TRY(rdl_state_space_index(s, space, &index, err));
    s->spaces[index].cleared_at = epoch;
    return RDL_OK;
}

/* Entries of the open table into the live one, in batches whose slots are prefetched. */
static rdl_code move_entries(rdl_state *s, rdl_err *err)
{
    rdl_memtable_walk w = {.table = &s->open};
    const rdl_entry *batch[CLAIM_BATCH];
    uint64_t hashes[CLAIM_BATCH];
    size_t n;
    do {
        for (n = 0; n < CLAIM_BATCH; n++) {
            const rdl_entry *e = rdl_memtable_next(&w);
            if (e == NULL)
                break;
            batch[n] = e;
            hashes[n] = rdl_state_hash(s->spaces[e->space].id, rdl_entry_key(e));
            rdl_memtable_prefetch_slot(&s->live, hashes[n]);
        }
        RDL_TRY(rdl_memtable_reserve(&s->live, n, err));
        for (size_t i = 0; i < n; i++)
            RDL_TRY(rdl_memtable_put(&s->live, hashes[i], batch[i]->space, s->open_epoch,
                                     rdl_entry_key(batch[i]), rdl_entry_value(batch[i]),
                                     batch[i]->key & RDL_ENTRY_TOMBSTONE, err));
    } while (n == CLAIM_BATCH);
    return RDL_OK;
}

static rdl_code commit(rdl_state *s, rdl_err *err)
{
    if (s->open_delta.path != NULL)
        RDL_TRY(rdl_state_note_delta(s, &s->open_delta, err));
    for (size_t i = 0; i < s->space_count; i++)
        if (s->spaces[i].clear_open)
            s->spaces[i].cleared_at = s->open_epoch;
    if (s->live.slots_used == 0 && s->open.entries > 0) {
        rdl_memtable empty = s->live;
        s->live = s->open;
        s->open = empty;
        return RDL_OK;
    }
    return move_entries(s, err);
}

/* The live table holds all up to this epoch; it may be time to write it out. */
static void advance(rdl_state *s, uint64_t epoch)
{
    s->epoch = epoch;
    s->live_epochs++;
    rdl_state_settle(s, false);
}

rdl_code rdl_state_commit(rdl_state *s, rdl_err *err)
{
    assert(s->open_epoch != 0);
    uint64_t epoch = s->open_epoch;
    s->committed = true;
    rdl_code rc = commit(s, err);
    end_epoch(s);
    if (rc != RDL_OK)
        s->broken = true;
    else
        advance(s, epoch);
    return rdl_err_area(rc, err, RDL_AREA_STORE);
}

rdl_code
rdl_state_replay(rdl_state *s, uint64_t epoch, const char *delta_path, rdl_err *err)
{
    assert(s->open_epoch == 0);
    if (epoch <= s->epoch)
        return RDL_OK;
    rdl_state_delta_file file = {.epoch = epoch, .path = rdl_state_copy_path(delta_path)};
    rdl_code rc = file.path == NULL ? rdl_err_nomem(err) : RDL_OK;
    if (rc == RDL_OK)
        rc = rdl_state_delta_apply(s, epoch, delta_path, err);
    if (rc == RDL_OK)
        rc = rdl_state_note_delta(s, &file, err);
    free(file.path); /* allow: see rdl_state_copy_path */
    if (rc != RDL_OK)
        s->broken = true;
    else
        advance(s, epoch);
    return rdl_err_area(rc, err, RDL_AREA_STORE);
}

void rdl_state_get_stats(const rdl_state *s, rdl_state_stats *out)
{
    *out = (rdl_state_stats){.entries_in_memory = s->live.entries + s->open.entries,
                             .bytes_in_memory = s->live.bytes + s->open.bytes +
                                                rdl_block_cache_bytes(s->cache),
                             .runs = s->run_count,
                             .filter_bytes = rdl_state_filter_bytes(s),
                             .gets = s->gets,
                             .gets_from_runs = s->gets_from_runs,
                             .filter_passes = s->filter_passes,
                             .merges = s->merges};
    if (s->frozen != NULL) {
        out->entries_in_memory += s->frozen->entries;
        out->bytes_in_memory += s->frozen->bytes;
    }
    for (size_t i = 0; i < s->run_count; i++) {
        out->run_bytes += s->runs[i]->info.bytes;
        out->run_entries += s->runs[i]->info.entries;
    }
}
