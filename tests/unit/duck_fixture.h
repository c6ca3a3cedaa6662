/*
 * unit/duck_fixture.h - a DuckDB in memory, a connection, an arena and a folder for each test.
 */
#ifndef RDL_TESTS_DUCK_FIXTURE_H
#define RDL_TESTS_DUCK_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/fs.h"
#include "duck/duck.h"

typedef struct fixture {
    rdl_duck *duck;
    rdl_conn *conn;
    rdl_arena arena;
    const char *dir;
} fixture;

static rdl_err err;

#define OK(expr)                                                                                   \
    do {                                                                                           \
        if ((expr) != RDL_OK) {                                                                    \
            print_error("%s\n", err.msg);                                                          \
            fail();                                                                                \
        }                                                                                          \
    } while (0)

static int setup(void **state)
{
    static fixture f;
    const rdl_duck_config config = {.threads = 4, .memory_bytes = 512u << 20};
    rdl_arena_init(&f.arena, 0);
    f.dir = rdl_fs_temp_dir(&f.arena, "duck", &err);
    if (f.dir == NULL || rdl_duck_open(&config, &f.duck, &err) != RDL_OK ||
        rdl_conn_open(f.duck, &f.conn, &err) != RDL_OK) {
        print_error("%s\n", err.msg);
        return -1;
    }
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    rdl_conn_close(f->conn);
    rdl_duck_close(f->duck);
    (void)!rdl_fs_remove_tree(f->dir, &err);
    rdl_arena_fini(&f->arena);
    return 0;
}

#endif
