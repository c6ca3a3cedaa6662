/*
 * fs_test.c - publishing all or nothing, locks between processes, globs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fs.h"

typedef struct place {
    rdl_arena arena;
    char *dir;
} place;

static int setup(void **state)
{
    static place p;
    rdl_err err;
    rdl_arena_init(&p.arena, 0);
    p.dir = rdl_fs_temp_dir(&p.arena, "raudal-fs", &err);
    *state = &p;
    return p.dir != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    place *p = *state;
    rdl_err err;
    rdl_fault_disarm();
    rdl_fault_kill_hook = NULL;
    rdl_code rc = rdl_fs_remove_tree(p->dir, &err);
    rdl_arena_fini(&p->arena);
    return rc == RDL_OK ? 0 : -1;
}

static char *at(place *p, const char *name)
{
    return rdl_path_join(&p->arena, p->dir, name);
}

static void write_file(place *p, const char *name, const char *text)
{
    rdl_err err;
    char *path = at(p, name);
    assert_int_equal(rdl_fs_mkdirs(rdl_path_dir(&p->arena, path), &err), RDL_OK);
    assert_int_equal(rdl_fs_write_durable(path, text, strlen(text), &err), RDL_OK);
}

static void assert_content(place *p, const char *name, const char *want)
{
    rdl_err err;
    rdl_buf b = {0};
    assert_int_equal(rdl_fs_read(at(p, name), 0, &b, &err), RDL_OK);
    assert_string_equal(rdl_buf_str(&b), want);
    rdl_buf_fini(&b);
}

static void a_failed_durable_write_leaves_the_old_file_and_no_other(void **state)
{
    place *p = *state;
    static const rdl_fault points[] = {RDL_FAULT_FS_WRITE, RDL_FAULT_FS_SYNC, RDL_FAULT_FS_RENAME};
    write_file(p, "f", "old");
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        rdl_err err;
        rdl_names names;
        rdl_fault_disarm();
        rdl_fault_arm(points[i], 1, ENOSPC);
        assert_int_equal(rdl_fs_write_durable(at(p, "f"), "new", 3, &err), RDL_EIO);
        assert_true((err.flags & RDL_ERR_REPLAY) != 0);
        assert_non_null(strstr(err.msg, "No space left"));
        assert_true(err.hint[0] != '\0');
        assert_true(rdl_fault_fired());
        assert_content(p, "f", "old");
        assert_int_equal(rdl_fs_list(&p->arena, p->dir, &names, &err), RDL_OK);
        assert_int_equal(names.n, 1);
    }
    rdl_fault_disarm();
    write_file(p, "f", "new");
    assert_content(p, "f", "new");
}

static rdl_fault killed;

static void note_kill(rdl_fault point)
{
    killed = point;
}

static void a_torn_append_leaves_half_of_the_record(void **state)
{
    place *p = *state;
    rdl_err err;
    rdl_file *f = NULL;
    assert_int_equal(rdl_file_open_append(at(p, "log"), &f, &err), RDL_OK);
    assert_int_equal(rdl_file_write(f, "whole;", 6, &err), RDL_OK);
    killed = RDL_FAULT_COUNT;
    rdl_fault_kill_hook = note_kill;
    rdl_fault_arm(RDL_FAULT_FS_WRITE, 1, RDL_FAULT_TORN);
    assert_int_equal(rdl_file_write(f, "abcdef", 6, &err), RDL_EIO);
    assert_int_equal(killed, RDL_FAULT_FS_WRITE);
    rdl_file_close(f);
    assert_content(p, "log", "whole;abc");
}

static void an_append_file_grows_is_cut_and_is_read_at_a_place(void **state)
{
    place *p = *state;
    rdl_err err;
    rdl_file *f = NULL;
    char b[8];
    size_t n = 0;
    assert_int_equal(rdl_file_create(at(p, "x"), &f, &err), RDL_OK);
    assert_int_equal(rdl_file_write(f, "0123456789", 10, &err), RDL_OK);
    assert_int_equal(rdl_file_sync(f, &err), RDL_OK);
    rdl_fault_arm(RDL_FAULT_FS_SYNC, 1, EIO);
    assert_int_equal(rdl_file_sync(f, &err), RDL_EIO);
    assert_true((err.flags & RDL_ERR_REPLAY) != 0);
    assert_int_equal(rdl_file_truncate(f, 4, &err), RDL_OK);
    assert_int_equal(rdl_file_write(f, "ab", 2, &err), RDL_OK);
    assert_int_equal(rdl_file_size(f), 6);
    assert_int_equal(rdl_file_pread(f, b, sizeof b, 2, &n, &err), RDL_OK);
    assert_int_equal(n, 4);
    assert_memory_equal(b, "23ab", 4);
    rdl_file_close(f);
    assert_int_equal(rdl_file_open_append(at(p, "x"), &f, &err), RDL_OK);
    assert_int_equal(rdl_file_size(f), 6);
    rdl_file_close(f);
    assert_int_equal(rdl_file_open_read(at(p, "none"), &f, &err), RDL_EIO);
    assert_non_null(strstr(err.msg, "could not open \""));
}

static void of_many_writers_of_one_name_one_wins(void **state)
{
    enum { WRITERS = 8 };
    place *p = *state;
    char *path = at(p, "00000000000000000007.json");
    int start[2], won = 0;
    pid_t pids[WRITERS];
    assert_int_equal(pipe(start), 0);
    for (int i = 0; i < WRITERS; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0) {
            rdl_err err;
            char text[32], go;
            close(start[1]);
            (void)!read(start[0], &go, 1); /* until the parent closes its end */
            int n = snprintf(text, sizeof text, "writer %d", i);
            rdl_code rc = rdl_fs_put_if_absent(path, text, (size_t)n, &err);
            _exit(rc == RDL_OK ? i : rc == RDL_ECONFLICT ? 100 : 101);
        }
    }
    close(start[0]);
    close(start[1]);
    char want[32] = "";
    for (int i = 0; i < WRITERS; i++) {
        int status = 0;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFEXITED(status));
        assert_int_not_equal(WEXITSTATUS(status), 101);
        if (WEXITSTATUS(status) < WRITERS) {
            won++;
            snprintf(want, sizeof want, "writer %d", WEXITSTATUS(status));
        }
    }
    assert_int_equal(won, 1);
    assert_content(p, "00000000000000000007.json", want);
    rdl_names names;
    rdl_err err;
    assert_int_equal(rdl_fs_list(&p->arena, p->dir, &names, &err), RDL_OK);
    assert_int_equal(names.n, 1);
}

static void a_lock_names_its_holder_and_ends_with_the_process(void **state)
{
    place *p = *state;
    rdl_err err;
    rdl_lock *l = NULL;
    int ready[2], done[2];
    char c = 'x';
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(done), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(done[1]);
        rdl_code rc = rdl_lock_take(at(p, "lock"), "raudal run", &l, &err);
        (void)!write(ready[1], rc == RDL_OK ? "y" : "n", 1);
        (void)!read(done[0], &c, 1);
        _exit(0);
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    assert_int_equal(c, 'y');
    assert_int_equal(rdl_lock_take(at(p, "lock"), "second", &l, &err), RDL_ECONFLICT);
    char who[64];
    snprintf(who, sizeof who, "raudal run, pid %ld on ", (long)pid);
    assert_non_null(strstr(err.msg, who));
    close(done[1]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(rdl_lock_take(at(p, "lock"), "second", &l, &err), RDL_OK);
    rdl_lock *again = NULL;
    assert_int_equal(rdl_lock_take(at(p, "lock"), "third", &again, &err), RDL_ECONFLICT);
    rdl_lock_release(l);
    assert_int_equal(rdl_lock_take(at(p, "lock"), "third", &again, &err), RDL_OK);
    rdl_lock_release(again);
    close(ready[0]);
    close(ready[1]);
    close(done[0]);
}

static void assert_glob(place *p, const char *pattern, const char *want)
{
    rdl_err err;
    rdl_names names = {0};
    rdl_buf got = {0};
    assert_int_equal(rdl_fs_glob(&p->arena, at(p, pattern), &names, &err), RDL_OK);
    for (size_t i = 0; i < names.n; i++)
        rdl_buf_printf(&got, "%s%s", i > 0 ? " " : "", names.v[i] + strlen(p->dir) + 1);
    assert_string_equal(rdl_buf_str(&got), want);
    rdl_buf_fini(&got);
}

static void globs_match_parts_and_any_folders(void **state)
{
    place *p = *state;
    write_file(p, "a/1.json", "");
    write_file(p, "a/b/2.json", "");
    write_file(p, "a/b/.hidden.json", "");
    write_file(p, "a/.dot/3.json", "");
    write_file(p, "a/b/c/10.csv", "");
    write_file(p, "d=1/x[1].txt", "");
    assert_glob(p, "a/*.json", "a/1.json");
    assert_glob(p, "a/**/*.json", "a/1.json a/b/2.json");
    assert_glob(p, "**/*.csv", "a/b/c/10.csv");
    assert_glob(p, "**/**/b/**/*.*", "a/b/2.json a/b/c/10.csv");
    assert_glob(p, "a/b/.*.json", "a/b/.hidden.json");
    assert_glob(p, "a/b/c/[0-9][!1-9].cs?", "a/b/c/10.csv");
    assert_glob(p, "d=?/x\\[1\\].txt", "d=1/x[1].txt");
    assert_glob(p, "d=*/x[[]1].txt", "d=1/x[1].txt");
    assert_glob(p, "a/1.json", "a/1.json");
    assert_glob(p, "none/*", "");
    assert_glob(p, "*", "a d=1");
    rdl_names names;
    rdl_err err;
    assert_int_equal(rdl_fs_walk(&p->arena, at(p, "a"), &names, &err), RDL_OK);
    assert_int_equal(names.n, 5);
    assert_string_equal(names.v[0], ".dot/3.json");
    assert_string_equal(names.v[4], "b/c/10.csv");
}

static void many_files_are_synced_and_a_failure_is_told(void **state)
{
    place *p = *state;
    const char *paths[20];
    rdl_err err;
    for (int i = 0; i < 20; i++) {
        char name[32];
        snprintf(name, sizeof name, "s%d/f%d", i % 3, i);
        paths[i] = at(p, name);
        assert_int_equal(rdl_fs_mkdirs(rdl_path_dir(&p->arena, paths[i]), &err), RDL_OK);
        assert_int_equal(rdl_fs_put_if_absent(paths[i], "x", 1, &err), RDL_OK);
    }
    assert_int_equal(rdl_fs_sync_many(paths, 0, &err), RDL_OK);
    assert_int_equal(rdl_fs_sync_many(paths, 5, &err), RDL_OK);
    assert_int_equal(rdl_fs_sync_many(paths, 20, &err), RDL_OK);
    /* five files in three folders are eight syncs; twenty on one file system are one */
    for (unsigned n = 1; n <= 8; n++) {
        rdl_fault_disarm();
        rdl_fault_arm(RDL_FAULT_FS_SYNC, n, EIO);
        assert_int_equal(rdl_fs_sync_many(paths, 5, &err), RDL_EIO);
    }
    rdl_fault_disarm();
    rdl_fault_arm(RDL_FAULT_FS_SYNC, 9, EIO);
    assert_int_equal(rdl_fs_sync_many(paths, 5, &err), RDL_OK);
    rdl_fault_disarm();
    rdl_fault_arm(RDL_FAULT_FS_SYNC, 2, EIO);
    assert_int_equal(rdl_fs_sync_many(paths, 20, &err), RDL_OK);
    rdl_fault_disarm();
    paths[7] = at(p, "gone");
    assert_int_equal(rdl_fs_sync_many(paths, 20, &err), RDL_EIO);
}

static void whole_files_are_read_within_their_bound(void **state)
{
    place *p = *state;
    rdl_err err;
    rdl_buf b = {0};
    rdl_map_file m;
    write_file(p, "ten", "0123456789");
    write_file(p, "empty", "");
    assert_int_equal(rdl_fs_read(at(p, "ten"), 9, &b, &err), RDL_ELIMIT);
    assert_int_equal(rdl_fs_read(at(p, "ten"), 10, &b, &err), RDL_OK);
    assert_int_equal(rdl_fs_read(at(p, "ten"), 0, &b, &err), RDL_OK);
    assert_string_equal(b.p, "01234567890123456789");
    assert_int_equal(rdl_fs_read(p->dir, 0, &b, &err), RDL_EIO);
    rdl_buf_fini(&b);
    assert_int_equal(rdl_fs_map(at(p, "ten"), &m, &err), RDL_OK);
    assert_int_equal(m.n, 10);
    rdl_fs_unmap(&m);
    assert_int_equal(rdl_fs_map(at(p, "empty"), &m, &err), RDL_OK);
    assert_int_equal(m.n, 0);
    rdl_fs_unmap(&m);
    rdl_stat st;
    assert_int_equal(rdl_fs_stat(at(p, "none"), &st, &err), RDL_OK);
    assert_false(st.exists);
    assert_int_equal(rdl_fs_unlink(at(p, "none"), &err), RDL_OK);
    assert_true(rdl_fs_free_bytes(p->dir) > 0);
}

static void paths_are_joined_and_made_absolute_as_text(void **state)
{
    place *p = *state;
    rdl_arena *a = &p->arena;
    assert_string_equal(rdl_path_join(a, "a", "b"), "a/b");
    assert_string_equal(rdl_path_join(a, "a/", "b"), "a/b");
    assert_string_equal(rdl_path_join(a, "a", "/b"), "/b");
    assert_string_equal(rdl_path_base("/x/y.z"), "y.z");
    assert_string_equal(rdl_path_dir(a, "/x"), "/");
    assert_string_equal(rdl_path_dir(a, "x"), ".");
    assert_string_equal(rdl_path_dir(a, "x//y"), "x");
    assert_string_equal(rdl_path_absolute(a, "/a/./b//../c/"), "/a/c");
    assert_string_equal(rdl_path_absolute(a, "/../.."), "/");
}

static void a_watch_sees_a_new_file_and_a_wake_is_no_change(void **state)
{
    place *p = *state;
    rdl_err err;
    rdl_watch *w = NULL;
    assert_int_equal(rdl_watch_new(&w, &err), RDL_OK);
    assert_int_equal(rdl_watch_add(w, p->dir, &err), RDL_OK);
    assert_int_equal(rdl_watch_add(w, at(p, "none"), &err), RDL_EIO);
    assert_false(rdl_watch_wait(w, 0));
    rdl_watch_wake(w);
    assert_false(rdl_watch_wait(w, 60000));
    write_file(p, "new", "x");
    assert_true(rdl_watch_wait(w, 60000));
    rdl_watch_free(w);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_failed_durable_write_leaves_the_old_file_and_no_other),
        CASE(a_torn_append_leaves_half_of_the_record),
        CASE(an_append_file_grows_is_cut_and_is_read_at_a_place),
        CASE(of_many_writers_of_one_name_one_wins),
        CASE(a_lock_names_its_holder_and_ends_with_the_process),
        CASE(globs_match_parts_and_any_folders),
        CASE(many_files_are_synced_and_a_failure_is_told),
        CASE(whole_files_are_read_within_their_bound),
        CASE(paths_are_joined_and_made_absolute_as_text),
        CASE(a_watch_sees_a_new_file_and_a_wake_is_no_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
