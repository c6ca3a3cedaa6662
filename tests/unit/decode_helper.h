/*
 * tests/unit/decode_helper.h - decode a text and look at the rows as text.
 */
#ifndef RDL_TESTS_DECODE_HELPER_H
#define RDL_TESTS_DECODE_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/fs.h"
#include "source/decode/internal.h"

typedef struct decode_run {
    rdl_arena arena;
    rdl_duck *duck;
    rdl_conn *conn;
    rdl_decode_spec spec;
    uint64_t window, piece; /* 0: as in production */
    rdl_decode *job;
    rdl_err err;
    rdl_buf rows;
} decode_run;

static inline void run_open_threads(decode_run *r, unsigned threads)
{
    rdl_duck_config config = {.threads = threads};
    *r = (decode_run){0};
    rdl_arena_init(&r->arena, 0);
    rdl_decode_spec_init(&r->spec);
    assert_int_equal(rdl_duck_open(&config, &r->duck, &r->err), RDL_OK);
    assert_int_equal(rdl_conn_open(r->duck, &r->conn, &r->err), RDL_OK);
}

static inline void run_open(decode_run *r)
{
    run_open_threads(r, 4);
}

static inline void run_close(decode_run *r)
{
    rdl_decode_free(r->job);
    rdl_buf_fini(&r->rows);
    rdl_conn_close(r->conn);
    rdl_duck_close(r->duck);
    rdl_arena_fini(&r->arena);
}

/* "a INTEGER; b TEXT": the declared columns. */
static inline void run_columns(decode_run *r, const char *text)
{
    rdl_decode_column *columns = RDL_NEWN(&r->arena, rdl_decode_column, 64);
    size_t n = 0;
    while (*text != '\0') {
        size_t name = strcspn(text, " "), type = strcspn(text + name, ";");
        rdl_str s = {rdl_arena_strndup(&r->arena, text, name), name};
        columns[n] = (rdl_decode_column){.name = s, .field = s};
        rdl_str t = {text + name + 1, type - 1};
        assert_int_equal(rdl_type_parse(&r->arena, t, &columns[n].type, &r->err), RDL_OK);
        n++;
        text += name + type;
        text += strspn(text, "; ");
    }
    r->spec.columns = columns;
    r->spec.column_count = n;
}

static inline rdl_code run_inputs(decode_run *r, const char *select, const rdl_decode_input *inputs,
                                  size_t n)
{
    rdl_result *result;
    const rdl_chunk *c;
    rdl_decode_free(r->job);
    r->job = NULL;
    rdl_buf_clear(&r->rows);
    rdl_code rc = rdl_decode_register(r->duck, "t", &r->spec, inputs, n, &r->job, &r->err);
    if (rc != RDL_OK)
        return rc;
    if (r->window != 0)
        rdl_decode_set_sizes(r->job, r->window, r->piece);
    rc = rdl_queryf(r->conn, &result, &r->err,
                    "SELECT %s FROM rdl_scan('t') ORDER BY _source_partition, _source_offset",
                    select);
    if (rc != RDL_OK)
        return rc;
    while (rdl_result_next(result, &c)) {
        for (size_t row = 0; row < c->rows; row++) {
            for (size_t i = 0; i < c->n; i++) {
                rdl_buf_puts(&r->rows, i > 0 ? "|" : "");
                if (rdl_vector_valid(&c->v[i], row))
                    rdl_vector_print(&c->v[i], row, &r->rows);
                else
                    rdl_buf_puts(&r->rows, "NULL");
            }
            rdl_buf_putc(&r->rows, '\n');
        }
    }
    rdl_result_free(result);
    return RDL_OK;
}

static inline rdl_code run_text(decode_run *r, const char *select, const char *text, size_t n)
{
    rdl_decode_input in = {.bytes = {text, n}, .shown = "mem"};
    return run_inputs(r, select, &in, 1);
}

/* The rows of the text must be these. */
static inline void expect_rows(decode_run *r, const char *select, const char *text,
                               const char *rows)
{
    if (run_text(r, select, text, strlen(text)) != RDL_OK)
        fail_msg("%s", r->err.msg);
    assert_string_equal(rdl_buf_str(&r->rows), rows);
}

/* The malformed records, one a line: "offset @ at+total: reason [bytes]". */
static inline void expect_malformed(decode_run *r, const char *want)
{
    rdl_buf have = {0};
    size_t n;
    const rdl_malformed *m = rdl_decode_malformed(r->job, &n);
    for (size_t i = 0; i < n; i++) {
        rdl_buf_printf(&have, "%llu @ %llu+%llu: %s [", (unsigned long long)m[i].offset,
                       (unsigned long long)m[i].record_at, (unsigned long long)m[i].bytes_total,
                       m[i].reason);
        rdl_buf_put(&have, m[i].bytes.p, m[i].bytes.n < 40 ? m[i].bytes.n : 40);
        rdl_buf_puts(&have, "]\n");
    }
    assert_string_equal(rdl_buf_str(&have), want);
    rdl_buf_fini(&have);
}

#endif
