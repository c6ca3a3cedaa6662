/*
 * tests/unit/state_test.c - keyed state against a plain table, through aborts, restarts,
 * crashes, failed writes and damaged bytes.
 *
 * A world is a folder with a journal, deltas and state, driven as the epoch loop drives
 * them. What an epoch does is a function of a seed and its number, so that after a crash
 * the expected content is computed from the last sealed epoch alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fs.h"
#include "stream/journal.h"
#include "stream/state.h"

enum {
    SPACES = 3,
    KEYS = 500,
    VALUE_MAX = 70000,
    EPOCHS_MAX = 400,
};

/* The content that is expected: which version of its value each key has; 0: none. */
typedef struct model {
    uint64_t version[SPACES][KEYS];
} model;

typedef struct world {
    char dir[300];
    uint64_t budget, seed, epoch; /* last sealed */
    rdl_journal *journal;
    rdl_state *state;
    rdl_buf checkpoint;
    uint64_t sealed[EPOCHS_MAX];
    size_t sealed_count;
    unsigned ops; /* an epoch's */
    bool big_values;
} world;

static const uint64_t spaces[SPACES] = {UINT64_C(7), UINT64_C(0xffffffffffffff01),
                                        UINT64_C(0x0123456789abcdef)};

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t x = a * UINT64_C(0x9e3779b97f4a7c15) ^ (b + 1) * UINT64_C(0xc2b2ae3d27d4eb4f);
    return rdl_rng_next(&x);
}

/* Keys of many lengths, some of 16 bytes, many with long common beginnings. */
static rdl_str key_of(unsigned n, char buf[120])
{
    static const char *const heads[] = {"", "org-", "a-rather-long-common-beginning-of-keys-", "k"};
    int len = snprintf(buf, 120, "%s%u", heads[n % 4], n);
    if (n % 5 == 0)
        len = snprintf(buf, 120, "%016u", n * 7919);
    return (rdl_str){buf, n == 3 ? 0 : (size_t)len};
}

static rdl_str value_of(const world *w, uint64_t version, char *buf)
{
    uint64_t x = version | 1;
    size_t n = (size_t)(mix(version, 1) % 200);
    if (w->big_values && version % 97 == 0)
        n = VALUE_MAX;
    for (size_t i = 0; i < n; i++)
        buf[i] = (char)(i % 8 == 0 ? rdl_rng_next(&x) : x >> (i % 8 * 8));
    return (rdl_str){buf, n};
}

static char *delta_path(const world *w, uint64_t epoch, char buf[400])
{
    snprintf(buf, 400, "%s/state/epoch-%" PRIu64 ".delta", w->dir, epoch);
    return buf;
}

#define OK(call)                                                                                   \
    do {                                                                                           \
        rdl_err ok_err = {0};                                                                      \
        rdl_err *err = &ok_err;                                                                    \
        if ((call) != RDL_OK)                                                                      \
            fail_msg("%s:%d: %s", __func__, __LINE__, err->msg);                                   \
    } while (0)

/* ----------------------------------------------------------- the world */

static rdl_code on_record(void *arg, uint32_t type, uint64_t sequence, rdl_str payload,
                          rdl_err *err)
{
    world *w = arg;
    (void)sequence;
    (void)err;
    if (type == RDL_RECORD_CHECKPOINT) {
        rdl_buf_clear(&w->checkpoint);
        rdl_buf_put(&w->checkpoint, payload.p, payload.n);
        return RDL_OK;
    }
    w->epoch = 0;
    for (size_t i = 0; i < payload.n; i++)
        w->epoch = w->epoch * 10 + (uint64_t)(payload.p[i] - '0');
    w->sealed[w->sealed_count++] = w->epoch;
    return RDL_OK;
}

static rdl_code world_open(world *w, rdl_err *err)
{
    char path[400];
    w->sealed_count = 0;
    w->epoch = 0;
    rdl_buf_clear(&w->checkpoint);
    snprintf(path, sizeof path, "%s/state", w->dir);
    RDL_TRY(rdl_fs_mkdirs(path, err));
    rdl_state_config config = {.dir = path, .budget_bytes = w->budget};
    char journal[400];
    snprintf(journal, sizeof journal, "%s/journal", w->dir);
    RDL_TRY(rdl_journal_open(journal, NULL, on_record, w, &w->journal, err));
    RDL_TRY(rdl_state_open(&config, (rdl_str){w->checkpoint.p, w->checkpoint.n}, &w->state, err));
    for (size_t i = 0; i < w->sealed_count; i++)
        RDL_TRY(rdl_state_replay(w->state, w->sealed[i], delta_path(w, w->sealed[i], path), err));
    return RDL_OK;
}

static void world_close(world *w)
{
    rdl_state_close(w->state);
    rdl_journal_close(w->journal);
    w->state = NULL;
    w->journal = NULL;
}

static rdl_code seal(world *w, uint64_t epoch, rdl_err *err)
{
    char text[32], path[400];
    RDL_TRY(rdl_state_write_delta(w->state, delta_path(w, epoch, path), err));
    RDL_TRY(rdl_fs_sync_file(path, err));
    snprintf(text, sizeof text, "%" PRIu64, epoch);
    RDL_TRY(rdl_journal_append(w->journal, RDL_RECORD_SEAL, rdl_str_of(text), err));
    w->epoch = epoch;
    w->sealed[w->sealed_count++] = epoch;
    return rdl_state_commit(w->state, err);
}

static rdl_code checkpoint(world *w, bool force, rdl_err *err)
{
    rdl_buf payload = {0};
    bool wanted = false;
    uint64_t covered = 0;
    rdl_code rc = rdl_state_checkpoint(w->state, force, &wanted, &payload, &covered, err);
    if (rc == RDL_OK && wanted)
        rc = rdl_journal_append(w->journal, RDL_RECORD_CHECKPOINT, (rdl_str){payload.p, payload.n},
                                err);
    if (rc == RDL_OK && wanted)
        rc = rdl_state_checkpointed(w->state, err);
    rdl_buf_fini(&payload);
    return rc;
}

/* One epoch's changes to the model and, unless it is NULL, to the state. */
static rdl_code apply_epoch(world *w, model *m, rdl_state *s, uint64_t epoch, rdl_err *err)
{
    static char value[VALUE_MAX];
    char kb[120];
    uint64_t x = mix(w->seed, epoch);
    for (unsigned i = 0; i < w->ops; i++) {
        uint64_t r = rdl_rng_next(&x);
        unsigned space = (unsigned)(r % SPACES), k = (unsigned)((r >> 8) % KEYS);
        unsigned what = (unsigned)((r >> 32) % 1000);
        uint64_t version = epoch * 100000 + i + 1;
        rdl_str key = key_of(k, kb);
        if (what < 4) {
            memset(m->version[space], 0, sizeof m->version[space]);
            if (s != NULL)
                RDL_TRY(rdl_state_clear(s, spaces[space], err));
        } else if (what < 200) {
            m->version[space][k] = 0;
            if (s != NULL)
                RDL_TRY(rdl_state_delete(s, spaces[space], key, err));
        } else if (what < 700) {
            m->version[space][k] = version;
            if (s != NULL)
                RDL_TRY(rdl_state_put(s, spaces[space], key, value_of(w, version, value), err));
        } else if (s != NULL) {
            bool found = false;
            rdl_str got = {0};
            RDL_TRY(rdl_state_get(s, spaces[space], key, &found, &got, err));
            assert_int_equal(found, m->version[space][k] != 0);
            if (found) {
                rdl_str want = value_of(w, m->version[space][k], value);
                assert_true(rdl_str_eq(got, want));
            }
        }
    }
    return RDL_OK;
}

static rdl_code run_epoch(world *w, model *m, uint64_t epoch, rdl_err *err)
{
    model tried = *m;
    bool aborted = mix(w->seed, epoch + 1000000) % 5 == 0;
    RDL_TRY(rdl_state_begin(w->state, epoch, err));
    if (aborted) {
        model other = *m;
        world strange = *w;
        strange.seed++;
        RDL_TRY(apply_epoch(&strange, &other, w->state, epoch, err));
        rdl_state_abort(w->state);
        RDL_TRY(rdl_state_begin(w->state, epoch, err));
    }
    RDL_TRY(apply_epoch(w, &tried, w->state, epoch, err));
    RDL_TRY(seal(w, epoch, err));
    *m = tried;
    return checkpoint(w, mix(w->seed, epoch + 2000000) % 7 == 0, err);
}

static void model_at(world *w, uint64_t epoch, model *m)
{
    memset(m, 0, sizeof *m);
    for (uint64_t e = 1; e <= epoch; e++)
        OK(apply_epoch(w, m, NULL, e, err));
}

typedef struct scan_check {
    world *w;
    const model *m;
    unsigned space;
    size_t seen;
    bool wrong;
    char last[120];
    size_t last_n;
} scan_check;

static rdl_code on_entry(void *arg, rdl_str key, rdl_str value, rdl_err *err)
{
    scan_check *c = arg;
    static char buf[VALUE_MAX];
    char kb[120];
    (void)err;
    if (c->seen > 0 && rdl_str_cmp((rdl_str){c->last, c->last_n}, key) >= 0)
        c->wrong = true;
    memcpy(c->last, key.p, key.n);
    c->last_n = key.n;
    c->seen++;
    for (unsigned k = 0; k < KEYS; k++) {
        uint64_t version = c->m->version[c->space][k];
        if (rdl_str_eq(key_of(k, kb), key)) {
            c->wrong |= version == 0 || !rdl_str_eq(value, value_of(c->w, version, buf));
            return RDL_OK;
        }
    }
    c->wrong = true;
    return RDL_OK;
}

/* Whether state and model agree, by scan and by gets. */
static rdl_code compare(world *w, const model *m, bool *same, rdl_err *err)
{
    *same = true;
    for (unsigned space = 0; space < SPACES; space++) {
        scan_check c = {.w = w, .m = m, .space = space};
        size_t want = 0;
        char kb[120];
        RDL_TRY(rdl_state_scan(w->state, spaces[space], on_entry, &c, err));
        for (unsigned k = 0; k < KEYS; k++) {
            bool found = false;
            rdl_str value = {0};
            want += m->version[space][k] != 0;
            RDL_TRY(rdl_state_get(w->state, spaces[space], key_of(k, kb), &found, &value, err));
            *same &= found == (m->version[space][k] != 0);
        }
        *same &= !c.wrong && c.seen == want;
    }
    return RDL_OK;
}

static void assert_is_model(world *w, const model *m)
{
    bool same = false;
    OK(compare(w, m, &same, err));
    assert_true(same);
}

/* ------------------------------------------------------------- fixture */

static int setup(void **state)
{
    world *w = calloc(1, sizeof *w); /* allow: lives as the test */
    rdl_arena a;
    rdl_err err = {0};
    rdl_arena_init(&a, 0);
    snprintf(w->dir, sizeof w->dir, "%s", rdl_fs_temp_dir(&a, "state-test", &err));
    rdl_arena_fini(&a);
    w->budget = 1; /* the least there is */
    w->seed = 42;
    w->ops = 300;
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    world *w = *state;
    rdl_err err = {0};
    world_close(w); /* first: jobs in the background pass fault points */
    rdl_fault_disarm();
    rdl_buf_fini(&w->checkpoint);
    assert_int_equal(rdl_fs_remove_tree(w->dir, &err), RDL_OK);
    free(w); /* allow: see setup */
    return 0;
}

/* --------------------------------------------------------------- cases */

static void random_epochs_agree_with_the_model_through_restarts(void **state)
{
    world *w = *state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        model m = {0};
        rdl_err failure = {0};
        char path[340];
        snprintf(path, sizeof path, "%s/state", w->dir);
        assert_int_equal(rdl_fs_remove_tree(path, &failure), RDL_OK);
        snprintf(path, sizeof path, "%s/journal", w->dir);
        assert_int_equal(rdl_fs_unlink(path, &failure), RDL_OK);
        w->seed = seed;
        w->big_values = seed == 3;
        OK(world_open(w, err));
        for (uint64_t e = 1; e <= 120; e++) {
            OK(run_epoch(w, &m, e, err));
            if (e % 10 == 0)
                assert_is_model(w, &m);
            if (mix(seed, e) % 9 == 0) {
                world_close(w);
                OK(world_open(w, err));
                assert_int_equal(rdl_state_epoch(w->state), e);
                assert_is_model(w, &m);
            }
        }
        rdl_state_stats stats = {0};
        rdl_state_get_stats(w->state, &stats);
        assert_true(stats.runs > 0 && stats.gets_from_runs > 0);
        world_close(w);
    }
}

static void merges_bound_the_number_of_runs_and_drop_what_is_gone(void **state)
{
    world *w = *state;
    model m = {0};
    rdl_state_stats stats = {0};
    OK(world_open(w, err));
    for (uint64_t e = 1; e <= 100; e++) {
        OK(run_epoch(w, &m, e, err));
        OK(checkpoint(w, true, err));
    }
    rdl_state_get_stats(w->state, &stats);
    assert_true(stats.merges > 5);
    assert_true(stats.runs <= 17);
    assert_is_model(w, &m);

    /* What no layer names any more is gone from the folder after the checkpoint. */
    rdl_arena a;
    rdl_names names = {0};
    char path[340];
    snprintf(path, sizeof path, "%s/state/runs", w->dir);
    world_close(w);
    OK(world_open(w, err));
    rdl_state_get_stats(w->state, &stats);
    rdl_arena_init(&a, 0);
    OK(rdl_fs_list(&a, path, &names, err));
    assert_int_equal(names.n, stats.runs);
    rdl_arena_fini(&a);
}

static void a_cleared_space_is_empty_and_its_bytes_go(void **state)
{
    world *w = *state;
    char value[100] = {0};
    bool found = true;
    rdl_str got = {0};
    rdl_state_stats stats = {0};
    OK(world_open(w, err));
    for (uint64_t e = 1; e <= 20; e++) {
        OK(rdl_state_begin(w->state, e, err));
        for (unsigned k = 0; k < 500; k++) {
            char kb[32];
            int n = snprintf(kb, sizeof kb, "%u-%u", (unsigned)e, k);
            OK(rdl_state_put(w->state, 5, (rdl_str){kb, (size_t)n}, (rdl_str){value, sizeof value},
                             err));
        }
        OK(seal(w, e, err));
        OK(checkpoint(w, false, err));
    }
    OK(rdl_state_begin(w->state, 21, err));
    OK(rdl_state_put(w->state, 5, RDL_STR("before"), RDL_STR("x"), err));
    OK(rdl_state_clear(w->state, 5, err));
    OK(rdl_state_get(w->state, 5, RDL_STR("before"), &found, &got, err));
    assert_false(found);
    OK(rdl_state_get(w->state, 5, RDL_STR("1-1"), &found, &got, err));
    assert_false(found);
    OK(rdl_state_put(w->state, 5, RDL_STR("after"), RDL_STR("y"), err));
    OK(seal(w, 21, err));
    for (int i = 0; i < 2; i++) {
        OK(rdl_state_get(w->state, 5, RDL_STR("2-2"), &found, &got, err));
        assert_false(found);
        OK(rdl_state_get(w->state, 5, RDL_STR("after"), &found, &got, err));
        assert_true(found && rdl_str_eq(got, RDL_STR("y")));
        OK(checkpoint(w, true, err));
        world_close(w);
        OK(world_open(w, err));
    }
    for (uint64_t e = 22; e <= 40; e++) {
        OK(rdl_state_begin(w->state, e, err));
        OK(rdl_state_put(w->state, 6, RDL_STR("other"), RDL_STR("z"), err));
        OK(seal(w, e, err));
        OK(checkpoint(w, true, err));
    }
    rdl_state_get_stats(w->state, &stats);
    OK(rdl_state_get(w->state, 5, RDL_STR("2-2"), &found, &got, err));
    assert_false(found);
}

static void an_aborted_epoch_leaves_nothing(void **state)
{
    world *w = *state;
    bool found = true;
    rdl_str got = {0};
    rdl_err failure = {0};
    OK(world_open(w, err));
    OK(rdl_state_begin(w->state, 1, err));
    OK(rdl_state_put(w->state, 1, RDL_STR("a"), RDL_STR("1"), err));
    OK(seal(w, 1, err));
    OK(rdl_state_begin(w->state, 2, err));
    assert_int_equal(rdl_state_begin(w->state, 3, &failure), RDL_EBUG);
    OK(rdl_state_put(w->state, 1, RDL_STR("a"), RDL_STR("2"), err));
    OK(rdl_state_put(w->state, 1, RDL_STR("b"), RDL_STR("2"), err));
    OK(rdl_state_clear(w->state, 1, err));
    rdl_state_abort(w->state);
    OK(rdl_state_get(w->state, 1, RDL_STR("a"), &found, &got, err));
    assert_true(found && rdl_str_eq(got, RDL_STR("1")));
    OK(rdl_state_get(w->state, 1, RDL_STR("b"), &found, &got, err));
    assert_false(found);
    assert_int_equal(rdl_state_begin(w->state, 1, &failure), RDL_EBUG);
    assert_int_equal(rdl_state_epoch(w->state), 1);
}

static void a_key_or_value_beyond_its_bound_is_refused(void **state)
{
    world *w = *state;
    rdl_err failure = {0};
    char *big = calloc(1, (1 << 20) + 1); /* allow: large buffer */
    bool found = false;
    rdl_str got = {0};
    OK(world_open(w, err));
    OK(rdl_state_begin(w->state, 1, err));
    rdl_code rc = rdl_state_put(w->state, 1, (rdl_str){big, (1 << 20) + 1}, RDL_STR(""), &failure);
    assert_int_equal(rc, RDL_ELIMIT);
    assert_int_equal(failure.area, RDL_AREA_STORE);
    OK(rdl_state_put(w->state, 1, (rdl_str){big, 1 << 20}, (rdl_str){big, 1 << 20}, err));
    OK(seal(w, 1, err));
    OK(checkpoint(w, true, err));
    OK(rdl_state_get(w->state, 1, (rdl_str){big, 1 << 20}, &found, &got, err));
    assert_true(found && got.n == 1 << 20);
    free(big); /* allow: above */
}

static void the_first_claim_of_a_key_wins(void **state)
{
    world *w = *state;
    rdl_hash128 keys[] = {{1, 1}, {1, 2}, {1, 1}, {2, 1}};
    bool claimed[4];
    OK(world_open(w, err));
    OK(rdl_state_begin(w->state, 1, err));
    OK(rdl_state_claim(w->state, 9, keys, NULL, 0, 4, claimed, err));
    assert_true(claimed[0] && claimed[1] && !claimed[2] && claimed[3]);
    rdl_state_abort(w->state);
    OK(rdl_state_begin(w->state, 1, err));
    OK(rdl_state_claim(w->state, 9, keys, NULL, 0, 2, claimed, err));
    assert_true(claimed[0] && claimed[1]);
    OK(seal(w, 1, err));
    OK(checkpoint(w, true, err));
    OK(rdl_state_begin(w->state, 2, err));
    OK(rdl_state_claim(w->state, 9, keys, NULL, 0, 4, claimed, err));
    assert_true(!claimed[0] && !claimed[1] && !claimed[2] && claimed[3]);
    OK(rdl_state_claim(w->state, 10, keys, NULL, 0, 1, claimed, err));
    assert_true(claimed[0]);
    rdl_state_abort(w->state);
}

static void a_claim_within_an_interval_forgets_older_ones(void **state)
{
    world *w = *state;
    rdl_hash128 keys[] = {{1, 1}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};
    /* Kept: 100.  200 is within 100 of it, 201 is not and is kept; 150 is before the kept.
     */
    int64_t when[] = {100, 200, 201, 150, 301};
    bool claimed[5];
    OK(world_open(w, err));
    for (uint64_t e = 1; e <= 5; e++) {
        OK(rdl_state_begin(w->state, e, err));
        OK(rdl_state_claim(w->state, 9, &keys[e - 1], &when[e - 1], 100, 1, &claimed[e - 1], err));
        OK(seal(w, e, err));
        OK(checkpoint(w, e % 2 == 0, err));
    }
    assert_true(claimed[0] && !claimed[1] && claimed[2] && !claimed[3] && !claimed[4]);
    int64_t extremes[] = {INT64_MAX, INT64_MIN};
    OK(rdl_state_begin(w->state, 6, err));
    OK(rdl_state_claim(w->state, 9, keys, extremes, 100, 2, claimed, err));
    assert_true(claimed[0] && !claimed[1]);
    rdl_state_abort(w->state);
}

static void random_claims_agree_with_the_model(void **state)
{
    world *w = *state;
    enum { CLAIMS = 3000, N = 700, ROUNDS = 40 };
    static bool held[CLAIMS];
    uint64_t x = 99;
    memset(held, 0, sizeof held);
    OK(world_open(w, err));
    for (uint64_t e = 1; e <= ROUNDS; e++) {
        rdl_hash128 keys[N];
        bool claimed[N];
        unsigned which[N];
        OK(rdl_state_begin(w->state, e, err));
        for (unsigned i = 0; i < N; i++) {
            which[i] = (unsigned)(rdl_rng_next(&x) % CLAIMS);
            keys[i] = rdl_hash128_of(&which[i], sizeof which[i]);
        }
        OK(rdl_state_claim(w->state, 3, keys, NULL, 0, N, claimed, err));
        for (unsigned i = 0; i < N; i++) {
            assert_int_equal(claimed[i], !held[which[i]]);
            held[which[i]] = true;
        }
        OK(seal(w, e, err));
        OK(checkpoint(w, e % 4 == 0, err));
        if (e % 13 == 0) {
            world_close(w);
            OK(world_open(w, err));
        }
    }
}

/* Runs 1..EPOCHS from wherever the journal stands; the child of a crash test. */
static rdl_code run_to(world *w, model *m, uint64_t last, rdl_err *err)
{
    for (uint64_t e = w->epoch + 1; e <= last; e++)
        RDL_TRY(run_epoch(w, m, e, err));
    return RDL_OK;
}

static bool die_at(world *w, rdl_fault point, unsigned nth, int action)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        rdl_err err = {0};
        model m;
        rdl_fault_arm(point, nth, action); /* before any thread is there */
        if (world_open(w, &err) == RDL_OK) {
            model_at(w, w->epoch, &m);
            (void)!run_to(w, &m, 25, &err);
            world_close(w);
        }
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status);
}

static void a_kill_at_any_fault_point_loses_nothing_sealed(void **state)
{
    world *w = *state;
    static const struct {
        rdl_fault point;
        int action;
    } kills[] = {
        {RDL_FAULT_RUN_BEFORE_RENAME, RDL_FAULT_KILL}, {RDL_FAULT_RUN_WRITTEN, RDL_FAULT_KILL},
        {RDL_FAULT_CHECKPOINT_DONE, RDL_FAULT_KILL},   {RDL_FAULT_DELTA_PRUNED, RDL_FAULT_KILL},
        {RDL_FAULT_SEAL_WRITE, RDL_FAULT_TORN},        {RDL_FAULT_SEAL_BEFORE_SYNC, RDL_FAULT_KILL},
        {RDL_FAULT_FS_WRITE, RDL_FAULT_TORN},          {RDL_FAULT_FS_SYNC, RDL_FAULT_KILL},
        {RDL_FAULT_FS_RENAME, RDL_FAULT_KILL},
    };
    w->ops = 250;
    for (size_t i = 0; i < sizeof kills / sizeof kills[0]; i++) {
        char journal[340], dir[340];
        snprintf(journal, sizeof journal, "%s/journal", w->dir);
        snprintf(dir, sizeof dir, "%s/state", w->dir);
        unsigned died = 0;
        for (unsigned nth = 1; nth <= 4; nth++) {
            model m;
            died += die_at(w, kills[i].point, nth * nth, kills[i].action);
            OK(world_open(w, err));
            model_at(w, w->epoch, &m);
            assert_is_model(w, &m);
            OK(run_to(w, &m, w->epoch + 2, err));
            world_close(w);
        }
        assert_true(died > 0);
        OK(rdl_fs_remove_tree(dir, err));
        OK(rdl_fs_unlink(journal, err));
    }
}

/* One pass with a fault armed: whatever fails, reopening and going on ends at the model. */
static bool pass_with_fault(world *w, rdl_fault point, unsigned nth)
{
    enum { LAST = 10 };
    rdl_err failure = {0};
    char path[340];
    model m;
    OK(world_open(w, err));
    model_at(w, w->epoch, &m);
    rdl_fault_arm(point, nth, EIO);
    for (int tries = 0; w->epoch < LAST; tries++) {
        assert_true(tries < 5);
        if (w->state != NULL && run_to(w, &m, LAST, &failure) == RDL_OK)
            break;
        assert_true(rdl_fault_fired());
        world_close(w);
        failure = (rdl_err){0};
        if (world_open(w, &failure) != RDL_OK)
            fail_msg("%s", failure.msg);
        model_at(w, w->epoch, &m);
        assert_is_model(w, &m);
    }
    assert_is_model(w, &m);
    world_close(w);
    bool fired = rdl_fault_fired();
    rdl_fault_disarm();
    OK(world_open(w, err));
    assert_is_model(w, &m);
    world_close(w);
    snprintf(path, sizeof path, "%s/state", w->dir);
    OK(rdl_fs_remove_tree(path, err));
    snprintf(path, sizeof path, "%s/journal", w->dir);
    OK(rdl_fs_unlink(path, err));
    return fired;
}

static void any_write_sync_or_rename_may_fail(void **state)
{
    world *w = *state;
    static const rdl_fault points[] = {RDL_FAULT_FS_WRITE,    RDL_FAULT_FS_SYNC,
                                       RDL_FAULT_FS_RENAME,   RDL_FAULT_RUN_BEFORE_RENAME,
                                       RDL_FAULT_RUN_WRITTEN, RDL_FAULT_CHECKPOINT_DONE,
                                       RDL_FAULT_DELTA_PRUNED};
    w->ops = 200;
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        unsigned nth = 1;
        while (pass_with_fault(w, points[i], nth))
            nth += 1 + nth / 3;
        assert_true(nth > 1);
    }
}

/* Open and read everything: an error that names damage, or the right content. */
static void assert_damage_is_seen_or_harmless(world *w, const model *m, size_t *seen)
{
    rdl_err err = {0};
    bool same = false;
    rdl_code rc = world_open(w, &err);
    if (rc == RDL_OK)
        rc = compare(w, m, &same, &err);
    world_close(w);
    if (rc == RDL_OK) {
        assert_true(same);
        return;
    }
    ++*seen;
    assert_int_equal(rc, RDL_EDATA);
    assert_int_equal(err.area, RDL_AREA_STORE);
    assert_non_null(strstr(err.msg, "byte"));
    assert_non_null(strstr(err.hint, "raudal refresh"));
}

static void flip_each_7th(world *w, const model *m, const char *path)
{
    rdl_buf whole = {0};
    size_t seen = 0, tried = 0;
    OK(rdl_fs_read(path, 0, &whole, err));
    for (size_t at = 0; at < whole.n; at += 7, tried++) {
        whole.p[at] = (char)(whole.p[at] ^ (1 << at % 8));
        rdl_file *file = NULL;
        OK(rdl_file_create(path, &file, err));
        OK(rdl_file_write(file, whole.p, whole.n, err));
        rdl_file_close(file);
        assert_damage_is_seen_or_harmless(w, m, &seen);
        whole.p[at] = (char)(whole.p[at] ^ (1 << at % 8));
    }
    assert_int_equal(seen, tried); /* each byte is under a checksum */
    for (size_t n = 0; n < whole.n; n += 1 + whole.n / 20) {
        rdl_file *file = NULL;
        OK(rdl_file_create(path, &file, err));
        OK(rdl_file_write(file, whole.p, n, err));
        rdl_file_close(file);
        assert_damage_is_seen_or_harmless(w, m, &seen);
        tried++;
    }
    assert_int_equal(seen, tried);
    rdl_file *file = NULL;
    OK(rdl_file_create(path, &file, err));
    OK(rdl_file_write(file, whole.p, whole.n, err));
    rdl_file_close(file);
    rdl_buf_fini(&whole);
}

static void every_7th_byte_of_a_run_and_a_delta_is_under_a_checksum(void **state)
{
    world *w = *state;
    model m = {0};
    rdl_arena a;
    rdl_names names = {0};
    char path[400];
    rdl_err failure = {0};
    w->ops = 60;
    OK(world_open(w, err));
    OK(rdl_state_begin(w->state, 1, err));
    OK(apply_epoch(w, &m, w->state, 1, err));
    OK(seal(w, 1, err));
    OK(checkpoint(w, true, err));
    OK(rdl_state_begin(w->state, 2, err));
    OK(apply_epoch(w, &m, w->state, 2, err));
    OK(seal(w, 2, err));
    world_close(w);
    rdl_arena_init(&a, 0);
    snprintf(path, sizeof path, "%s/state/runs", w->dir);
    OK(rdl_fs_list(&a, path, &names, err));
    assert_int_equal(names.n, 1);
    snprintf(path, sizeof path, "%s/state/runs/%s", w->dir, names.v[0]);
    flip_each_7th(w, &m, path);
    flip_each_7th(w, &m, delta_path(w, 2, path));
    rdl_arena_fini(&a);
    OK(world_open(w, err));
    assert_is_model(w, &m);

    /* A run that is missing is named; nothing is made up. */
    world_close(w);
    snprintf(path, sizeof path, "%s/state/runs/run-00000001", w->dir);
    assert_true(rdl_fs_exists(path));
    OK(rdl_fs_unlink(path, err));
    assert_int_not_equal(world_open(w, &failure), RDL_OK);
    assert_int_equal(failure.area, RDL_AREA_STORE);
    assert_non_null(strstr(failure.msg, "run-00000001"));
}

static void filters_beyond_the_budget_are_refused(void **state)
{
    world *w = *state;
    rdl_err failure = {0};
    enum { N = 20000 };
    rdl_hash128 *keys = malloc(N * sizeof *keys); /* allow: large buffer */
    bool *claimed = malloc(N);                    /* allow: large buffer */
    uint64_t at = 0;
    rdl_code rc = RDL_OK;
    OK(world_open(w, err));
    for (uint64_t e = 1; e <= 20; e++) {
        rc = rdl_state_begin(w->state, e, &failure);
        if (rc != RDL_OK)
            break;
        for (size_t i = 0; i < N; i++, at++)
            keys[i] = rdl_hash128_of(&at, sizeof at);
        OK(rdl_state_claim(w->state, 1, keys, NULL, 0, N, claimed, err));
        OK(seal(w, e, err));
        OK(checkpoint(w, true, err));
    }
    assert_int_equal(rc, RDL_ELIMIT);
    assert_non_null(strstr(failure.hint, "--memory"));
    uint64_t sealed = w->epoch;
    world_close(w);
    assert_int_equal(world_open(w, &failure), RDL_ELIMIT);
    world_close(w);
    w->budget = 8 << 20; /* with more, all is there */
    OK(world_open(w, err));
    OK(rdl_state_begin(w->state, sealed + 1, err));
    for (size_t i = 0; i < N; i++) {
        uint64_t n = i;
        keys[i] = rdl_hash128_of(&n, sizeof n);
    }
    OK(rdl_state_claim(w->state, 1, keys, NULL, 0, N, claimed, err));
    for (size_t i = 0; i < N; i++)
        assert_false(claimed[i]);
    free(keys);    /* allow: above */
    free(claimed); /* allow: above */
}

static void a_space_is_a_function_of_the_fingerprint_for_ever(void **state)
{
    (void)state;
    rdl_hash128 a = {UINT64_C(0x0123456789abcdef), UINT64_C(0xfedcba9876543210)};
    assert_int_equal(rdl_state_space(a), UINT64_C(0xc994ee2c5c5be440));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(random_epochs_agree_with_the_model_through_restarts),
        CASE(merges_bound_the_number_of_runs_and_drop_what_is_gone),
        CASE(a_cleared_space_is_empty_and_its_bytes_go),
        CASE(an_aborted_epoch_leaves_nothing),
        CASE(a_key_or_value_beyond_its_bound_is_refused),
        CASE(the_first_claim_of_a_key_wins),
        CASE(a_claim_within_an_interval_forgets_older_ones),
        CASE(random_claims_agree_with_the_model),
        CASE(a_kill_at_any_fault_point_loses_nothing_sealed),
        CASE(any_write_sync_or_rename_may_fail),
        CASE(every_7th_byte_of_a_run_and_a_delta_is_under_a_checksum),
        CASE(filters_beyond_the_budget_are_refused),
        cmocka_unit_test(a_space_is_a_function_of_the_fingerprint_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
