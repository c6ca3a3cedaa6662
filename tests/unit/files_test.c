/*
 * tests/unit/files_test.c - which ranges of which files come next.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "source/files.h"

typedef struct box {
    rdl_arena arena;
    rdl_err err;
    rdl_clock clock;
    rdl_files_config config;
    rdl_files *files;
    rdl_file_range *ranges;
    size_t n;
} box;

static void box_open(box *b, const char *url)
{
    *b = (box){0};
    rdl_arena_init(&b->arena, 0);
    rdl_clock_stepped(&b->clock, INT64_C(4000000000000000));
    char *dir = rdl_fs_temp_dir(&b->arena, "files", &b->err);
    assert_non_null(dir);
    b->config = (rdl_files_config){
        .base_dir = dir, .url = url, .line_format = true, .quiet_ms = 1000, .clock = &b->clock};
    assert_int_equal(rdl_files_new(&b->config, &b->files, &b->err), RDL_OK);
}

static void box_close(box *b)
{
    rdl_files_free(b->files);
    assert_int_equal(rdl_fs_remove_tree(b->config.base_dir, &b->err), RDL_OK);
    rdl_arena_fini(&b->arena);
}

static void box_again(box *b)
{
    rdl_files_free(b->files);
    assert_int_equal(rdl_files_new(&b->config, &b->files, &b->err), RDL_OK);
}

static char *at(box *b, const char *name)
{
    return rdl_path_join(&b->arena, b->config.base_dir, name);
}

static void put(box *b, const char *name, const char *text)
{
    char *path = at(b, name);
    assert_int_equal(rdl_fs_mkdirs(rdl_path_dir(&b->arena, path), &b->err), RDL_OK);
    assert_int_equal(rdl_fs_write_durable(path, text, strlen(text), &b->err), RDL_OK);
}

static void append(box *b, const char *name, const char *text)
{
    rdl_file *f;
    assert_int_equal(rdl_file_open_append(at(b, name), &f, &b->err), RDL_OK);
    assert_int_equal(rdl_file_write(f, text, strlen(text), &b->err), RDL_OK);
    rdl_file_close(f);
}

static rdl_code next(box *b, rdl_files_limits limits)
{
    return rdl_files_next(b->files, &b->arena, &limits, &b->ranges, &b->n, &b->err);
}

/* The next ranges as "name begin-end @first" each, with ! for whole and - for skipped. */
static void expect(box *b, rdl_files_limits limits, const char *want)
{
    rdl_buf have = {0};
    if (next(b, limits) != RDL_OK)
        fail_msg("%s", b->err.msg);
    for (size_t i = 0; i < b->n; i++) {
        const rdl_file_range *r = &b->ranges[i];
        rdl_buf_printf(&have, "%s%s %llu-%llu @%llu%s%s", i > 0 ? ", " : "", r->shown,
                       (unsigned long long)r->begin, (unsigned long long)r->end,
                       (unsigned long long)r->first_record, r->whole ? " !" : "",
                       r->skipped ? " -" : "");
    }
    assert_string_equal(rdl_buf_str(&have), want);
    rdl_buf_fini(&have);
}

static void seal(box *b, uint64_t records)
{
    for (size_t i = 0; i < b->n; i++) {
        rdl_file_range r = b->ranges[i];
        r.records = records;
        r.partition = r.partition < 0 ? (int32_t)i : r.partition;
        rdl_files_restore(b->files, &r);
    }
}

static const rdl_files_limits live = {0}, final = {.final = true};

/* Of lines that are much shorter than most, too, an epoch takes no more rows than it may. */
static void the_first_lines_of_a_large_file_tell_how_many_bytes_are_so_many_rows(void **state)
{
    enum { LINES = 700 * 1000 };
    (void)state;
    box b;
    box_open(&b, "in/");
    char *text = malloc(2 * LINES + 1);
    for (size_t i = 0; i < LINES; i++)
        memcpy(text + 2 * i, "1\n", 3);
    put(&b, "in/a.jsonl", text);
    put(&b, "in/b.jsonl", "1\n");
    const rdl_files_limits sampled = {.rows_sampled = 1000}, either = {.rows_sampled = 1000,
                                                                       .bytes_max = 500};
    expect(&b, sampled, "a.jsonl 0-2000 @0");
    rdl_files_rewind(b.files);
    expect(&b, either, "a.jsonl 0-500 @0");
    rdl_files_rewind(b.files);
    expect(&b, live, "a.jsonl 0-1400000 @0, b.jsonl 0-2 @0");
    free(text);
    box_close(&b);
}

static void complete_lines_are_given_once_in_path_order(void **state)
{
    (void)state;
    box b;
    box_open(&b, "in/");
    put(&b, "in/b.jsonl", "1\n2\n");
    put(&b, "in/a/x.jsonl", "3\n4");
    put(&b, "in/_tmp/y.jsonl", "5\n");
    put(&b, "in/.z", "5\n");
    put(&b, "in/c.tmp", "5\n");
    put(&b, "in/d.csv._COPYING_", "5\n");
    put(&b, "in/empty", "");
    expect(&b, live, "a/x.jsonl 0-2 @0, b.jsonl 0-4 @0");
    expect(&b, live, "");
    rdl_files_rewind(b.files);
    expect(&b, live, "a/x.jsonl 0-2 @0, b.jsonl 0-4 @0");
    assert_int_equal(b.ranges[0].partition, -1);
    seal(&b, 1);
    expect(&b, final, "a/x.jsonl 2-3 @1");
    assert_int_equal(b.ranges[0].partition, 0);
    assert_int_equal(rdl_files_known(b.files), 2);
    box_close(&b);
}

static void a_grown_file_goes_on_where_it_was(void **state)
{
    (void)state;
    box b;
    uint64_t files, bytes;
    box_open(&b, "*.jsonl");
    put(&b, "a.jsonl", "1\n\n2\n");
    expect(&b, live, "a.jsonl 0-5 @0");
    append(&b, "a.jsonl", "3\n4");
    assert_int_equal(rdl_files_lag(b.files, &files, &bytes, &b.err), RDL_OK);
    assert_int_equal(files, 1);
    assert_int_equal(bytes, 3);
    expect(&b, live, "a.jsonl 5-7 @2");
    expect(&b, live, "");
    append(&b, "a.jsonl", "\n");
    expect(&b, live, "a.jsonl 7-9 @3");
    box_close(&b);
}

static void large_files_are_cut_at_lines(void **state)
{
    (void)state;
    box b;
    box_open(&b, "in");
    put(&b, "in/a", "11\n22\n33333333333333\n4\n");
    put(&b, "in/b", "x\n");
    expect(&b, (rdl_files_limits){.bytes_max = 7}, "a 0-6 @0");
    expect(&b, (rdl_files_limits){.bytes_max = 7}, "a 6-23 @2");
    expect(&b, (rdl_files_limits){.bytes_max = 7}, "b 0-2 @0");
    rdl_files_rewind(b.files);
    expect(&b, (rdl_files_limits){.files_max = 1, .final = true}, "a 0-23 @0");
    expect(&b, (rdl_files_limits){.files_max = 1}, "b 0-2 @0");
    box_close(&b);
}

static void a_newline_inside_quotes_ends_no_range(void **state)
{
    (void)state;
    box b;
    box_open(&b, "in");
    b.config.quote = '"';
    box_again(&b);
    put(&b, "in/a.csv", "a,b\n1,\"x\ny");
    expect(&b, live, "a.csv 0-4 @0");
    append(&b, "in/a.csv", "\"\n");
    expect(&b, live, "");
    rdl_file_range r = {.path = at(&b, "in/a.csv"), .end = 4, .partition = 3};
    rdl_hasher *h = rdl_hasher_new();
    rdl_hasher_put(h, "a,b\n", 4);
    r.prefix_hash = rdl_hasher_done(h);
    rdl_files_restore(b.files, &r);
    expect(&b, live, "a.csv 4-12 @0");
    box_close(&b);
}

static void what_was_read_must_stay(void **state)
{
    (void)state;
    box b;
    box_open(&b, "in/");
    put(&b, "in/a", "1\n2\n");
    expect(&b, live, "a 0-4 @0");
    seal(&b, 2);
    put(&b, "in/a", "1\n3\n");
    assert_int_equal(next(&b, live), RDL_EDATA);
    assert_int_equal(b.err.area, RDL_AREA_SOURCE);
    assert_non_null(strstr(b.err.msg, "\"a\": its first 4 bytes are not those that were read"));
    put(&b, "in/a", "1\n");
    assert_int_equal(next(&b, live), RDL_EDATA);
    assert_non_null(strstr(b.err.msg, "shrank to 2 bytes after 4"));
    put(&b, "in/a", "1\n2\n"); /* as good as untouched: another inode and mtime */
    expect(&b, live, "");
    put(&b, "in/a", "1\n2\n5\n");
    expect(&b, live, "a 4-6 @2");
    box_close(&b);
}

static void a_line_that_was_read_unfinished_must_not_go_on(void **state)
{
    (void)state;
    box b;
    box_open(&b, "in/");
    put(&b, "in/a", "1\n2");
    put(&b, "in/b", "1\n3");
    expect(&b, final, "a 0-3 @0, b 0-3 @0");
    append(&b, "in/b", "\n4\n");
    expect(&b, live, "b 3-6 @2");
    append(&b, "in/a", "2\n");
    assert_int_equal(next(&b, live), RDL_EDATA);
    assert_non_null(strstr(b.err.msg, "its last line was read up to byte 3"));
    box_close(&b);
}

static void a_renamed_file_is_the_same_file(void **state)
{
    (void)state;
    box b;
    box_open(&b, "in/");
    put(&b, "in/a", "1\n2\n");
    expect(&b, live, "a 0-4 @0");
    seal(&b, 2);
    rdl_file_range kept = b.ranges[0];
    assert_int_equal(rdl_fs_rename(at(&b, "in/a"), at(&b, "in/z"), &b.err), RDL_OK);
    expect(&b, live, "");
    append(&b, "in/z", "3\n");
    expect(&b, live, "z 4-6 @2");
    box_again(&b); /* after a restart too */
    kept.records = 2;
    rdl_files_restore(b.files, &kept);
    put(&b, "in/z", "1\n2\n");
    expect(&b, live, "");
    box_close(&b);
}

static void known_content_under_a_new_path_is_decided_by_on_repeat(void **state)
{
    (void)state;
    box b;
    box_open(&b, "in/");
    put(&b, "in/a", "1\n2\n");
    put(&b, "in/b", "1\n2\n");
    assert_int_equal(next(&b, live), RDL_EDATA);
    assert_non_null(strstr(b.err.msg, "\"b\": its content was read already as"));
    b.config.repeat = 1;
    box_again(&b);
    expect(&b, live, "a 0-4 @0, b 0-4 @0 -");
    b.config.repeat = 2;
    box_again(&b);
    expect(&b, live, "a 0-4 @0, b 0-4 @0");
    b.config.repeat = 0;
    b.config.may_repeat = true;
    box_again(&b);
    expect(&b, live, "a 0-4 @0, b 0-4 @0");
    box_close(&b);
}

static void whole_files_wait_until_they_are_quiet(void **state)
{
    (void)state;
    box b;
    rdl_stat st;
    box_open(&b, "in/");
    put(&b, "in/a.json", " [1,\n");
    assert_int_equal(rdl_fs_stat(at(&b, "in/a.json"), &st, &b.err), RDL_OK);
    b.clock.value_us = st.mtime_us + 10;
    expect(&b, live, "");
    append(&b, "in/a.json", "2]");
    assert_int_equal(rdl_fs_stat(at(&b, "in/a.json"), &st, &b.err), RDL_OK);
    b.clock.value_us = st.mtime_us + 999999;
    expect(&b, live, "");
    b.clock.value_us = st.mtime_us + 1000000;
    expect(&b, live, "a.json 0-7 @0 !");
    append(&b, "in/a.json", "\n");
    assert_int_equal(next(&b, live), RDL_EDATA);
    assert_non_null(strstr(b.err.msg, "grew from 7 to 8 bytes"));
    box_again(&b);
    b.clock.value_us = 0;
    put(&b, "in/b.gz", "\x1f\x8b\x08zzzzz");
    expect(&b, live, "");
    put(&b, "in/_SUCCESS", "");
    expect(&b, live, "a.json 0-8 @0 !, b.gz 0-8 @0 !");
    box_close(&b);
}

static void a_missing_folder_and_an_unreadable_file_are_named(void **state)
{
    (void)state;
    box b;
    box_open(&b, "in/");
    assert_int_equal(next(&b, live), RDL_EIO);
    assert_int_equal(b.err.area, RDL_AREA_SOURCE);
    assert_non_null(strstr(b.err.msg, "/in"));
    put(&b, "in/a", "1\n");
    if (geteuid() != 0) {
        char command[600];
        snprintf(command, sizeof command, "chmod 000 '%s'", at(&b, "in/a"));
        assert_int_equal(system(command), 0);
        assert_int_equal(next(&b, live), RDL_EIO);
        assert_non_null(strstr(b.err.msg, "in/a"));
    }
    box_close(&b);
    box_open(&b, "nowhere/*.csv");
    assert_int_equal(next(&b, live), RDL_EIO);
    box_close(&b);
    box_open(&b, "later.csv");
    expect(&b, live, "");
    box_close(&b);
}

static void a_snapshot_is_the_hash_of_paths_and_contents(void **state)
{
    (void)state;
    box b;
    rdl_snapshot_version one, two, three, four;
    box_open(&b, "file:in");
    put(&b, "in/a", "1\n");
    put(&b, "in/b", "2\n");
    assert_int_equal(rdl_files_snapshot(b.files, &b.arena, &one, &b.err), RDL_OK);
    assert_int_equal(rdl_files_snapshot(b.files, &b.arena, &two, &b.err), RDL_OK);
    assert_int_equal(one.n, 2);
    assert_int_equal(one.bytes, 4);
    assert_string_equal(one.shown[1], "b");
    assert_true(rdl_hash128_eq(one.hash, two.hash));
    put(&b, "in/b", "3\n");
    assert_int_equal(rdl_files_snapshot(b.files, &b.arena, &three, &b.err), RDL_OK);
    assert_false(rdl_hash128_eq(one.hash, three.hash));
    assert_int_equal(rdl_fs_rename(at(&b, "in/b"), at(&b, "in/c"), &b.err), RDL_OK);
    assert_int_equal(rdl_files_snapshot(b.files, &b.arena, &four, &b.err), RDL_OK);
    assert_false(rdl_hash128_eq(four.hash, three.hash));
    box_close(&b);
}

/* Pages of a file in the system's cache. */
static size_t cached_pages(const char *path)
{
    rdl_err err = {0};
    rdl_map_file map;
    unsigned char in[64] = {0};
    size_t pages = 0;
    assert_int_equal(rdl_fs_map(path, &map, &err), RDL_OK);
    assert_true(map.n <= sizeof in * 4096);
    assert_int_equal(mincore((void *)(uintptr_t)map.p, map.n, in), 0);
    for (size_t i = 0; i < sizeof in; i++)
        pages += in[i] & 1;
    rdl_fs_unmap(&map);
    return pages;
}

static void the_next_epochs_files_are_read_ahead(void **state)
{
    (void)state;
    box b;
    char line[4096];
    box_open(&b, "in/");
    memset(line, '1', sizeof line - 1);
    line[sizeof line - 2] = '\n';
    line[sizeof line - 1] = '\0';
    put(&b, "in/a.jsonl", "1\n");
    put(&b, "in/b.jsonl", line);
    put(&b, "in/c.jsonl", line);
    for (const char *name = "bc"; *name != '\0'; name++) {
        int fd = open(at(&b, *name == 'b' ? "in/b.jsonl" : "in/c.jsonl"), O_RDONLY);
        assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
        close(fd);
    }
    if (cached_pages(at(&b, "in/b.jsonl")) > 0) {
        box_close(&b);
        skip(); /* a file system that lives in memory */
    }
    expect(&b, (rdl_files_limits){.files_max = 1}, "a.jsonl 0-2 @0");
    for (int i = 0; i < 5000 && cached_pages(at(&b, "in/b.jsonl")) == 0; i++)
        usleep(1000);
    assert_int_equal(cached_pages(at(&b, "in/b.jsonl")), 1);
    assert_int_equal(cached_pages(at(&b, "in/c.jsonl")), 0); /* not more than one epoch takes */
    box_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_lines_of_a_large_file_tell_how_many_bytes_are_so_many_rows),
        cmocka_unit_test(complete_lines_are_given_once_in_path_order),
        cmocka_unit_test(a_grown_file_goes_on_where_it_was),
        cmocka_unit_test(large_files_are_cut_at_lines),
        cmocka_unit_test(a_newline_inside_quotes_ends_no_range),
        cmocka_unit_test(what_was_read_must_stay),
        cmocka_unit_test(a_line_that_was_read_unfinished_must_not_go_on),
        cmocka_unit_test(a_renamed_file_is_the_same_file),
        cmocka_unit_test(known_content_under_a_new_path_is_decided_by_on_repeat),
        cmocka_unit_test(whole_files_wait_until_they_are_quiet),
        cmocka_unit_test(a_missing_folder_and_an_unreadable_file_are_named),
        cmocka_unit_test(a_snapshot_is_the_hash_of_paths_and_contents),
        cmocka_unit_test(the_next_epochs_files_are_read_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
