/*
 * tests/unit/journal_test.c - the journal under truncation, flipped bytes and failed
 * writes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fs.h"
#include "stream/journal.h"

typedef struct fixture {
    rdl_arena arena;
    char *dir, *path;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f); /* allow: lives as the test */
    rdl_err err = {0};
    rdl_arena_init(&f->arena, 0);
    f->dir = rdl_fs_temp_dir(&f->arena, "journal-test", &err);
    assert_non_null(f->dir);
    f->path = rdl_path_join(&f->arena, f->dir, "journal");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    rdl_err err = {0};
    rdl_fault_disarm();
    assert_int_equal(rdl_fs_remove_tree(f->dir, &err), RDL_OK);
    rdl_arena_fini(&f->arena);
    free(f); /* allow: see setup */
    return 0;
}

/* What a visit saw, as text: "1:seal-1 2:seal-2 ". */
static rdl_code collect(void *arg, uint32_t type, uint64_t sequence, rdl_str payload, rdl_err *err)
{
    (void)err;
    rdl_buf_printf(arg, "%u/%" PRIu64 ":%.*s ", type, sequence, (int)payload.n, payload.p);
    return RDL_OK;
}

static void append(rdl_journal *j, uint32_t type, const char *text)
{
    rdl_err err = {0};
    if (rdl_journal_append(j, type, rdl_str_of(text), &err) != RDL_OK)
        fail_msg("%s", err.msg);
}

/* Three records of different sizes; ends[i] is where record i ends, ends[0] the header. */
static void write_three(const char *path, uint64_t ends[4])
{
    rdl_err err = {0};
    rdl_journal *j = NULL;
    rdl_root_identity id;
    assert_int_equal(rdl_journal_open(path, &id, NULL, NULL, &j, &err), RDL_OK);
    ends[0] = rdl_journal_bytes(j);
    append(j, RDL_RECORD_SEAL, "one");
    ends[1] = rdl_journal_bytes(j);
    append(j, RDL_RECORD_CHECKPOINT, "");
    ends[2] = rdl_journal_bytes(j);
    append(j, RDL_RECORD_SEAL, "{\"epoch\":3,\"a\":\"a longer record than the others\"}");
    ends[3] = rdl_journal_bytes(j);
    rdl_journal_close(j);
}

static const char *const seen[] = {
    "", "1/1:one ",
    "1/1:one 2/2: ", "1/1:one 2/2: 1/3:{\"epoch\":3,\"a\":\"a longer record than the others\"} "};

static void write_file(const char *path, const char *p, size_t n)
{
    rdl_err err = {0};
    assert_int_equal(rdl_fs_write_durable(path, p, n, &err), RDL_OK);
}

static void records_come_back_in_order_with_the_same_identity(void **state)
{
    fixture *f = *state;
    uint64_t ends[4];
    rdl_err err = {0};
    rdl_root_identity first, second;
    rdl_journal *j = NULL;
    rdl_buf text = {0};
    write_three(f->path, ends);
    assert_int_equal(rdl_journal_read(f->path, &first, collect, &text, &err), RDL_OK);
    assert_string_equal(rdl_buf_str(&text), seen[3]);
    rdl_buf_clear(&text);
    assert_int_equal(rdl_journal_open(f->path, &second, collect, &text, &j, &err), RDL_OK);
    assert_string_equal(rdl_buf_str(&text), seen[3]);
    assert_memory_equal(&first, &second, sizeof first);
    assert_false(rdl_journal_was_torn(j));
    assert_int_equal(rdl_journal_bytes(j), ends[3]);
    append(j, RDL_RECORD_PRUNE, "four");
    rdl_journal_close(j);
    rdl_buf_clear(&text);
    assert_int_equal(rdl_journal_read(f->path, NULL, collect, &text, &err), RDL_OK);
    assert_non_null(strstr(rdl_buf_str(&text), "3/4:four "));
    rdl_buf_fini(&text);
}

static void two_roots_have_two_identities(void **state)
{
    fixture *f = *state;
    uint64_t ends[4];
    rdl_err err = {0};
    rdl_root_identity a, b;
    char printed[37];
    char *other = rdl_path_join(&f->arena, f->dir, "other");
    write_three(f->path, ends);
    write_three(other, ends);
    assert_int_equal(rdl_journal_read(f->path, &a, NULL, NULL, &err), RDL_OK);
    assert_int_equal(rdl_journal_read(other, &b, NULL, NULL, &err), RDL_OK);
    assert_memory_not_equal(a.uuid, b.uuid, 16);
    assert_memory_not_equal(a.seed, b.seed, 16);
    rdl_uuid_print(a.uuid, printed);
    assert_int_equal(strlen(printed), 36);
    assert_int_equal(printed[14], '4');
}

/* J2: any cut inside the records is a torn tail; what was whole stays, the rest is kept
 * aside. */
static void every_cut_of_the_tail_is_a_torn_append(void **state)
{
    fixture *f = *state;
    uint64_t ends[4];
    rdl_err err = {0};
    rdl_buf whole = {0}, text = {0};
    write_three(f->path, ends);
    assert_int_equal(rdl_fs_read(f->path, 0, &whole, &err), RDL_OK);
    for (uint64_t n = ends[0]; n < ends[3]; n++) {
        size_t good = n >= ends[2] ? 2 : n >= ends[1] ? 1 : 0;
        bool torn = n != ends[good];
        rdl_journal *j = NULL;
        write_file(f->path, whole.p, n);
        rdl_buf_clear(&text);
        assert_int_equal(rdl_journal_read(f->path, NULL, collect, &text, &err), RDL_OK);
        assert_string_equal(rdl_buf_str(&text), seen[good]);
        rdl_buf_clear(&text);
        assert_int_equal(rdl_journal_open(f->path, NULL, collect, &text, &j, &err), RDL_OK);
        assert_string_equal(rdl_buf_str(&text), seen[good]);
        assert_int_equal(rdl_journal_was_torn(j), torn);
        assert_int_equal(rdl_journal_bytes(j), ends[good]);
        append(j, RDL_RECORD_SEAL, "again");
        rdl_journal_close(j);
        if (torn) {
            char *aside = rdl_arena_printf(&f->arena, "%s.torn-%zu", f->path, good + 1);
            rdl_buf kept = {0};
            assert_int_equal(rdl_fs_read(aside, 0, &kept, &err), RDL_OK);
            assert_int_equal(kept.n, n - ends[good]);
            assert_memory_equal(kept.p, whole.p + ends[good], kept.n);
            rdl_buf_fini(&kept);
        }
        assert_int_equal(rdl_journal_open(f->path, NULL, NULL, NULL, &j, &err), RDL_OK);
        assert_false(rdl_journal_was_torn(j));
        rdl_journal_close(j);
    }
    rdl_buf_fini(&whole);
    rdl_buf_fini(&text);
}

static void a_cut_inside_the_header_is_damage(void **state)
{
    fixture *f = *state;
    uint64_t ends[4];
    rdl_err err = {0};
    rdl_buf whole = {0};
    write_three(f->path, ends);
    assert_int_equal(rdl_fs_read(f->path, 0, &whole, &err), RDL_OK);
    for (uint64_t n = 0; n < ends[0]; n++) {
        rdl_journal *j = NULL;
        write_file(f->path, whole.p, n);
        assert_int_equal(rdl_journal_open(f->path, NULL, NULL, NULL, &j, &err), RDL_EDATA);
        assert_int_equal(err.area, RDL_AREA_STORE);
        assert_true(err.hint[0] != '\0');
    }
    rdl_buf_fini(&whole);
}

/*
 * Every bit pattern is not needed: one bit and all bits of each byte.  In the last record a
 * flip may look like a torn append (never as a good record); before it, it is damage.
 */
static void every_flipped_byte_is_damage_or_a_torn_tail(void **state)
{
    fixture *f = *state;
    uint64_t ends[4];
    rdl_err err = {0};
    rdl_buf whole = {0}, text = {0};
    write_three(f->path, ends);
    assert_int_equal(rdl_fs_read(f->path, 0, &whole, &err), RDL_OK);
    for (size_t at = 0; at < whole.n; at++) {
        static const uint8_t masks[] = {1, 0x80, 0xff};
        for (size_t k = 0; k < sizeof masks; k++) {
            whole.p[at] = (char)(whole.p[at] ^ masks[k]);
            write_file(f->path, whole.p, whole.n);
            whole.p[at] = (char)(whole.p[at] ^ masks[k]);
            rdl_buf_clear(&text);
            rdl_code rc = rdl_journal_read(f->path, NULL, collect, &text, &err);
            if (at < ends[2])
                assert_int_equal(rc, RDL_EDATA);
            else if (rc == RDL_OK)
                assert_string_equal(rdl_buf_str(&text), seen[2]);
            else
                assert_int_equal(rc, RDL_EDATA);
            if (rc == RDL_EDATA)
                assert_true(strstr(err.msg, " at byte ") != NULL || at == 15); /* the format */
        }
    }
    rdl_buf_fini(&whole);
    rdl_buf_fini(&text);
}

static void damage_changes_nothing_on_disk(void **state)
{
    fixture *f = *state;
    uint64_t ends[4];
    rdl_err err = {0};
    rdl_buf whole = {0}, after = {0};
    rdl_journal *j = NULL;
    write_three(f->path, ends);
    assert_int_equal(rdl_fs_read(f->path, 0, &whole, &err), RDL_OK);
    whole.p[ends[0] + 16] = (char)(whole.p[ends[0] + 16] ^ 0x40); /* the first record's length */
    write_file(f->path, whole.p, whole.n);
    assert_int_equal(rdl_journal_open(f->path, NULL, NULL, NULL, &j, &err), RDL_EDATA);
    assert_int_equal(rdl_fs_read(f->path, 0, &after, &err), RDL_OK);
    assert_int_equal(after.n, whole.n);
    assert_memory_equal(after.p, whole.p, whole.n);
    rdl_buf_fini(&whole);
    rdl_buf_fini(&after);
}

/* A record moved, repeated or taken from another journal breaks the chain. */
static void records_out_of_order_are_damage(void **state)
{
    fixture *f = *state;
    uint64_t ends[4];
    rdl_err err = {0};
    rdl_buf whole = {0}, mixed = {0};
    write_three(f->path, ends);
    assert_int_equal(rdl_fs_read(f->path, 0, &whole, &err), RDL_OK);
    rdl_buf_put(&mixed, whole.p, ends[0]);
    rdl_buf_put(&mixed, whole.p + ends[1], ends[2] - ends[1]);
    rdl_buf_put(&mixed, whole.p + ends[0], ends[1] - ends[0]);
    write_file(f->path, mixed.p, mixed.n);
    assert_int_equal(rdl_journal_read(f->path, NULL, NULL, NULL, &err), RDL_EDATA);
    rdl_buf_clear(&mixed);
    rdl_buf_put(&mixed, whole.p, ends[1]);
    rdl_buf_put(&mixed, whole.p + ends[0], ends[3] - ends[0]);
    write_file(f->path, mixed.p, mixed.n);
    assert_int_equal(rdl_journal_read(f->path, NULL, NULL, NULL, &err), RDL_EDATA);

    /* The same record under another root's header: the chain begins with the header. */
    char *other = rdl_path_join(&f->arena, f->dir, "other");
    rdl_buf theirs = {0};
    write_three(other, ends);
    assert_int_equal(rdl_fs_read(other, 0, &theirs, &err), RDL_OK);
    rdl_buf_clear(&mixed);
    rdl_buf_put(&mixed, theirs.p, ends[0]);
    rdl_buf_put(&mixed, whole.p + ends[0], ends[3] - ends[0]);
    write_file(f->path, mixed.p, mixed.n);
    assert_int_equal(rdl_journal_read(f->path, NULL, NULL, NULL, &err), RDL_EDATA);
    rdl_buf_fini(&whole);
    rdl_buf_fini(&mixed);
    rdl_buf_fini(&theirs);
}

static void zeros_behind_the_last_record_are_a_torn_append(void **state)
{
    fixture *f = *state;
    uint64_t ends[4];
    rdl_err err = {0};
    rdl_buf whole = {0}, text = {0};
    char zeros[100] = {0};
    write_three(f->path, ends);
    assert_int_equal(rdl_fs_read(f->path, 0, &whole, &err), RDL_OK);
    rdl_buf_put(&whole, zeros, sizeof zeros);
    write_file(f->path, whole.p, whole.n);
    assert_int_equal(rdl_journal_read(f->path, NULL, collect, &text, &err), RDL_OK);
    assert_string_equal(rdl_buf_str(&text), seen[3]);
    rdl_buf_fini(&whole);
    rdl_buf_fini(&text);
}

/* J1: after a failed write or sync nothing more is taken, and what was acknowledged is
 * there. */
static void a_failed_append_stops_the_journal(void **state)
{
    fixture *f = *state;
    static const rdl_fault points[] = {RDL_FAULT_FS_WRITE, RDL_FAULT_FS_SYNC, RDL_FAULT_SEAL_WRITE,
                                       RDL_FAULT_SEAL_BEFORE_SYNC};
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        rdl_err err = {0};
        rdl_journal *j = NULL;
        rdl_buf text = {0};
        char *path = rdl_arena_printf(&f->arena, "%s-%zu", f->path, i);
        assert_int_equal(rdl_journal_open(path, NULL, NULL, NULL, &j, &err), RDL_OK);
        append(j, RDL_RECORD_SEAL, "kept");
        rdl_fault_arm(points[i], 1, ENOSPC);
        assert_int_equal(rdl_journal_append(j, 1, RDL_STR("lost"), &err), RDL_EIO);
        assert_true(rdl_fault_fired());
        rdl_fault_disarm();
        assert_int_equal(err.area, RDL_AREA_STORE);
        assert_int_equal(rdl_journal_append(j, 1, RDL_STR("lost"), &err), RDL_EIO);
        rdl_journal_close(j);
        assert_int_equal(rdl_journal_open(path, NULL, collect, &text, &j, &err), RDL_OK);
        assert_true(rdl_str_starts((rdl_str){text.p, text.n}, "1/1:kept "));
        append(j, RDL_RECORD_SEAL, "next");
        rdl_journal_close(j);
        rdl_buf_fini(&text);
    }
}

static void a_kill_during_an_append_leaves_what_was_acknowledged(void **state)
{
    fixture *f = *state;
    static const struct {
        rdl_fault point;
        int action;
    } kills[] = {{RDL_FAULT_SEAL_WRITE, RDL_FAULT_KILL},
                 {RDL_FAULT_SEAL_WRITE, RDL_FAULT_TORN},
                 {RDL_FAULT_SEAL_BEFORE_SYNC, RDL_FAULT_KILL}};
    for (size_t i = 0; i < sizeof kills / sizeof kills[0]; i++) {
        rdl_err err = {0};
        rdl_journal *j = NULL;
        rdl_buf text = {0};
        int status = 0;
        char *path = rdl_arena_printf(&f->arena, "%s-%zu", f->path, i);
        pid_t child = fork();
        if (child == 0) {
            if (rdl_journal_open(path, NULL, NULL, NULL, &j, &err) == RDL_OK) {
                append(j, RDL_RECORD_SEAL, "acknowledged");
                rdl_fault_arm(kills[i].point, 1, kills[i].action);
                (void)!rdl_journal_append(j, 1, RDL_STR("in flight when it died"), &err);
            }
            _exit(1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        assert_int_equal(rdl_journal_open(path, NULL, collect, &text, &j, &err), RDL_OK);
        assert_true(rdl_str_starts((rdl_str){text.p, text.n}, "1/1:acknowledged "));
        assert_int_equal(rdl_journal_was_torn(j), kills[i].action == RDL_FAULT_TORN);
        rdl_journal_close(j);
        rdl_buf_fini(&text);
    }
}

static rdl_code refuse(void *arg, uint32_t type, uint64_t sequence, rdl_str payload, rdl_err *err)
{
    (void)arg;
    (void)type;
    (void)payload;
    return sequence == 2 ? rdl_err_set(err, RDL_ESTOP, 0, "enough") : RDL_OK;
}

static void a_visitor_that_fails_ends_the_reading(void **state)
{
    fixture *f = *state;
    uint64_t ends[4];
    rdl_err err = {0};
    rdl_journal *j = NULL;
    write_three(f->path, ends);
    assert_int_equal(rdl_journal_read(f->path, NULL, refuse, NULL, &err), RDL_ESTOP);
    assert_int_equal(rdl_journal_open(f->path, NULL, refuse, NULL, &j, &err), RDL_ESTOP);
    assert_null(j);
}

static void a_journal_of_a_later_format_is_refused_by_name(void **state)
{
    fixture *f = *state;
    uint64_t ends[4];
    rdl_err err = {0};
    rdl_buf whole = {0};
    write_three(f->path, ends);
    assert_int_equal(rdl_fs_read(f->path, 0, &whole, &err), RDL_OK);
    whole.p[15] = '3';
    write_file(f->path, whole.p, whole.n);
    assert_int_equal(rdl_journal_read(f->path, NULL, NULL, NULL, &err), RDL_EDATA);
    assert_non_null(strstr(err.msg, "its format is 3"));
    rdl_buf_fini(&whole);
}

/* Rotates to one summary and a checkpoint. */
static rdl_code rotate(rdl_journal *j, const char *summary, rdl_err *err)
{
    const rdl_journal_record records[] = {{RDL_RECORD_SUMMARY, rdl_str_of(summary)},
                                          {RDL_RECORD_CHECKPOINT, RDL_STR("runs")}};
    return rdl_journal_rotate(j, records, 2, err);
}

static void read_whole(const char *path, uint64_t expected_first, const char *expected)
{
    rdl_err err = {0};
    rdl_buf text = {0};
    uint64_t first = 0;
    if (rdl_journal_read_all(path, collect, &text, &first, &err) != RDL_OK)
        fail_msg("%s", err.msg);
    assert_string_equal(rdl_buf_str(&text), expected);
    assert_int_equal(first, expected_first);
    rdl_buf_fini(&text);
}

static void a_rotated_journal_begins_with_its_summary_and_the_past_keeps_every_record(void **state)
{
    fixture *f = *state;
    uint64_t ends[4];
    rdl_err err = {0};
    rdl_root_identity first, second;
    rdl_journal *j = NULL;
    rdl_buf text = {0};
    write_three(f->path, ends);
    assert_int_equal(rdl_journal_open(f->path, &first, NULL, NULL, &j, &err), RDL_OK);
    assert_int_equal(rotate(j, "sum-3", &err), RDL_OK);
    append(j, RDL_RECORD_SEAL, "six");
    assert_int_equal(rotate(j, "sum-6", &err), RDL_OK);
    append(j, RDL_RECORD_SEAL, "nine");
    uint64_t bytes = rdl_journal_bytes(j);
    rdl_journal_close(j);

    assert_int_equal(rdl_journal_open(f->path, &second, collect, &text, &j, &err), RDL_OK);
    assert_string_equal(rdl_buf_str(&text), "6/7:sum-6 2/8:runs 1/9:nine ");
    assert_memory_equal(&first, &second, sizeof first);
    assert_int_equal(rdl_journal_bytes(j), bytes);
    append(j, RDL_RECORD_SEAL, "ten");
    rdl_journal_close(j);
    read_whole(f->path, 1,
               "1/1:one 2/2: 1/3:{\"epoch\":3,\"a\":\"a longer record than the others\"} "
               "2/5:runs 1/6:six 2/8:runs 1/9:nine 1/10:ten ");
    rdl_buf_fini(&text);
}

static void a_past_that_was_deleted_begins_with_the_summary_of_what_is_gone(void **state)
{
    fixture *f = *state;
    uint64_t ends[4], from = 0;
    rdl_err err = {0};
    rdl_journal *j = NULL;
    rdl_buf text = {0};
    write_three(f->path, ends);
    assert_int_equal(rdl_journal_open(f->path, NULL, NULL, NULL, &j, &err), RDL_OK);
    assert_int_equal(rotate(j, "sum-3", &err), RDL_OK);
    append(j, RDL_RECORD_SEAL, "six");
    assert_int_equal(rotate(j, "sum-6", &err), RDL_OK);
    rdl_journal_close(j);
    char *oldest = rdl_arena_printf(&f->arena, "%s-past/000000000000.zst", f->path);
    char *newer = rdl_arena_printf(&f->arena, "%s-past/000000000003.zst", f->path);
    assert_int_equal(rdl_fs_unlink(oldest, &err), RDL_OK);
    read_whole(f->path, 4, "6/4:sum-3 2/5:runs 1/6:six 2/8:runs ");

    /* A damaged one is named, and the journal itself needs none of them. */
    write_file(newer, "not a frame", 11);
    assert_int_equal(rdl_journal_read_all(f->path, collect, &text, &from, &err), RDL_EDATA);
    assert_non_null(strstr(err.msg, "000000000003.zst"));
    rdl_buf_clear(&text);
    assert_int_equal(rdl_journal_read(f->path, NULL, collect, &text, &err), RDL_OK);
    assert_string_equal(rdl_buf_str(&text), "6/7:sum-6 2/8:runs ");
    rdl_buf_fini(&text);
}

/* A torn tail is an append that nobody was told of; what a rotation wrote never is one. */
static void any_damage_to_a_summary_is_damage_and_never_a_torn_tail(void **state)
{
    fixture *f = *state;
    uint64_t ends[4];
    rdl_err err = {0};
    rdl_journal *j = NULL;
    rdl_buf whole = {0}, text = {0};
    write_three(f->path, ends);
    assert_int_equal(rdl_journal_open(f->path, NULL, NULL, NULL, &j, &err), RDL_OK);
    assert_int_equal(rotate(j, "sum-3", &err), RDL_OK);
    rdl_journal_close(j);
    assert_int_equal(rdl_fs_read(f->path, 0, &whole, &err), RDL_OK);
    for (size_t at = 0; at < whole.n; at++) {
        whole.p[at] = (char)(whole.p[at] ^ 0x10);
        write_file(f->path, whole.p, whole.n);
        whole.p[at] = (char)(whole.p[at] ^ 0x10);
        assert_int_equal(rdl_journal_read(f->path, NULL, collect, &text, &err), RDL_EDATA);
        write_file(f->path, whole.p, at);
        assert_int_equal(rdl_journal_open(f->path, NULL, collect, &text, &j, &err), RDL_EDATA);
    }
    rdl_buf_fini(&whole);
    rdl_buf_fini(&text);
}

/* The journal says one thing or the same in fewer words, and no record is there twice or
 * missing. */
static void check_after_kill(fixture *f, const char *path, bool rotated)
{
    rdl_err err = {0};
    rdl_journal *j = NULL;
    rdl_buf text = {0};
    assert_int_equal(rdl_journal_open(path, NULL, collect, &text, &j, &err), RDL_OK);
    assert_string_equal(rdl_buf_str(&text), rotated ? "6/4:sum 2/5:runs " : seen[3]);
    append(j, RDL_RECORD_SEAL, "after");
    assert_int_equal(rotate(j, "again", &err), RDL_OK);
    append(j, RDL_RECORD_SEAL, "last");
    rdl_journal_close(j);
    rdl_buf_clear(&text);
    rdl_buf_printf(&text,
                   rotated ? "%s2/5:runs 1/6:after 2/8:runs 1/9:last "
                           : "%s1/4:after 2/6:runs 1/7:last ",
                   seen[3]);
    read_whole(path, 1, rdl_buf_str(&text));
    rdl_buf_fini(&text);
    (void)f;
}

static void a_kill_anywhere_in_a_rotation_leaves_the_old_or_the_new_journal(void **state)
{
    fixture *f = *state;
    static const struct {
        rdl_fault point;
        unsigned nth;
        bool rotated;
    } kills[] = {
        {RDL_FAULT_FS_WRITE, 1, false},        {RDL_FAULT_FS_SYNC, 1, false},
        {RDL_FAULT_FS_RENAME, 1, false},       {RDL_FAULT_JOURNAL_KEPT, 1, false},
        {RDL_FAULT_FS_WRITE, 2, false},        {RDL_FAULT_FS_RENAME, 2, false},
        {RDL_FAULT_JOURNAL_REPLACED, 1, true},
    };
    for (size_t i = 0; i < sizeof kills / sizeof kills[0]; i++) {
        rdl_err err = {0};
        rdl_journal *j = NULL;
        uint64_t ends[4];
        int status = 0;
        char *dir = rdl_arena_printf(&f->arena, "%s-%zu", f->path, i);
        assert_int_equal(rdl_fs_mkdirs(dir, &err), RDL_OK);
        char *path = rdl_path_join(&f->arena, dir, "journal");
        write_three(path, ends);
        pid_t child = fork();
        if (child == 0) {
            if (rdl_journal_open(path, NULL, NULL, NULL, &j, &err) == RDL_OK) {
                rdl_fault_arm(kills[i].point, kills[i].nth, RDL_FAULT_KILL);
                (void)!rotate(j, "sum", &err);
            }
            _exit(1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        check_after_kill(f, path, kills[i].rotated);
    }
}

static void a_rotation_that_finds_no_room_leaves_the_journal_at_work(void **state)
{
    fixture *f = *state;
    uint64_t ends[4];
    rdl_err err = {0};
    rdl_journal *j = NULL;
    write_three(f->path, ends);
    assert_int_equal(rdl_journal_open(f->path, NULL, NULL, NULL, &j, &err), RDL_OK);
    rdl_fault_arm(RDL_FAULT_FS_WRITE, 1, ENOSPC);
    assert_int_equal(rotate(j, "sum", &err), RDL_EIO);
    rdl_fault_disarm();
    assert_false(rdl_journal_is_broken(j));
    append(j, RDL_RECORD_SEAL, "four");

    /* The second write is the new file's: what has the name then is not known. */
    rdl_fault_arm(RDL_FAULT_FS_SYNC, 4, EIO);
    assert_int_equal(rotate(j, "sum", &err), RDL_EIO);
    rdl_fault_disarm();
    assert_true(rdl_journal_is_broken(j));
    assert_int_equal(rdl_journal_append(j, RDL_RECORD_SEAL, RDL_STR("five"), &err), RDL_EIO);
    rdl_journal_close(j);
    rdl_buf text = {0};
    rdl_buf_printf(&text, "%s1/4:four ", seen[3]);
    assert_int_equal(rdl_journal_open(f->path, NULL, NULL, NULL, &j, &err), RDL_OK);
    append(j, RDL_RECORD_SEAL, "five");
    rdl_journal_close(j);
    rdl_buf_puts(&text, "1/5:five ");
    read_whole(f->path, 1, rdl_buf_str(&text));
    rdl_buf_fini(&text);
}

/* What a lock that is not seen lets happen: an NFS mount without one, a lock's file removed. */
static void a_second_writer_is_noticed_before_anything_is_written(void **state)
{
    fixture *f = *state;
    rdl_err err = {0};
    rdl_journal *first = NULL, *second = NULL;
    rdl_buf text = {0};
    assert_int_equal(rdl_journal_open(f->path, NULL, NULL, NULL, &first, &err), RDL_OK);
    append(first, RDL_RECORD_SEAL, "one");
    assert_int_equal(rdl_journal_open(f->path, NULL, NULL, NULL, &second, &err), RDL_OK);
    append(second, RDL_RECORD_SEAL, "two");
    assert_int_equal(rdl_journal_append(first, RDL_RECORD_SEAL, RDL_STR("lost"), &err),
                     RDL_ECONFLICT);
    assert_non_null(strstr(err.msg, "another process has written"));
    assert_true(rdl_journal_is_broken(first));
    append(second, RDL_RECORD_SEAL, "three");
    rdl_journal_close(first);

    /* Also when the other begins a new file. */
    assert_int_equal(rdl_journal_open(f->path, NULL, NULL, NULL, &first, &err), RDL_OK);
    assert_int_equal(rotate(second, "sum", &err), RDL_OK);
    assert_int_equal(rdl_journal_append(first, RDL_RECORD_SEAL, RDL_STR("lost"), &err),
                     RDL_ECONFLICT);
    assert_int_equal(rotate(first, "sum", &err), RDL_OK); /* broken: changes nothing */
    append(second, RDL_RECORD_SEAL, "six");
    rdl_journal_close(first);
    rdl_journal_close(second);
    assert_int_equal(rdl_journal_read(f->path, NULL, collect, &text, &err), RDL_OK);
    assert_string_equal(rdl_buf_str(&text), "6/4:sum 2/5:runs 1/6:six ");
    rdl_buf_fini(&text);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(records_come_back_in_order_with_the_same_identity),
        CASE(two_roots_have_two_identities),
        CASE(every_cut_of_the_tail_is_a_torn_append),
        CASE(a_cut_inside_the_header_is_damage),
        CASE(every_flipped_byte_is_damage_or_a_torn_tail),
        CASE(damage_changes_nothing_on_disk),
        CASE(records_out_of_order_are_damage),
        CASE(zeros_behind_the_last_record_are_a_torn_append),
        CASE(a_failed_append_stops_the_journal),
        CASE(a_kill_during_an_append_leaves_what_was_acknowledged),
        CASE(a_visitor_that_fails_ends_the_reading),
        CASE(a_journal_of_a_later_format_is_refused_by_name),
        CASE(a_rotated_journal_begins_with_its_summary_and_the_past_keeps_every_record),
        CASE(a_past_that_was_deleted_begins_with_the_summary_of_what_is_gone),
        CASE(a_second_writer_is_noticed_before_anything_is_written),
        CASE(any_damage_to_a_summary_is_damage_and_never_a_torn_tail),
        CASE(a_kill_anywhere_in_a_rotation_leaves_the_old_or_the_new_journal),
        CASE(a_rotation_that_finds_no_room_leaves_the_journal_at_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
