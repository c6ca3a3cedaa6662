/*
 * tests/fuzz/decode_fuzz.h - decode bytes without a query, twice, and compare.
 */
#ifndef RDL_TESTS_DECODE_FUZZ_H
#define RDL_TESTS_DECODE_FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "source/decode/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void fuzz_check(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "does not hold: %s\n", what);
    abort();
}

/* All rows and malformed records of the bytes as text. */
static inline bool fuzz_rows(const rdl_decode_spec *spec, rdl_str bytes, uint64_t window,
                             rdl_buf *out)
{
    rdl_err err = {0};
    rdl_decode *job;
    rdl_chunk *chunk;
    void *local;
    uint64_t records = 0;
    rdl_decode_input in = {.bytes = bytes, .shown = "fuzz", .compression = RDL_COMPRESSION_NONE};
    fuzz_check(rdl_decode_new(spec, &in, 1, &job, &err) == RDL_OK, "a job can be made");
    rdl_decode_set_sizes(job, window, window * 3);
    fuzz_check(rdl_chunk_new(&job->schema, &chunk, &err) == RDL_OK, "a chunk can be made");
    fuzz_check(rdl_worker_open(job, &local, &err) == RDL_OK, "a worker can be made");
    rdl_code rc;
    do {
        rdl_chunk_reset(chunk);
        rc = rdl_worker_next(job, local, NULL, chunk, &err);
        for (size_t row = 0; rc == RDL_OK && row < chunk->rows; row++) {
            for (size_t i = 0; i < chunk->n; i++) {
                rdl_vector_print(&chunk->v[i], row, out);
                rdl_buf_putc(out, '|');
            }
            rdl_buf_putc(out, '\n');
            records++;
        }
    } while (rc == RDL_OK && chunk->rows > 0);
    rdl_worker_close(local);
    size_t n;
    const rdl_malformed *m = rdl_decode_malformed(job, &n);
    for (size_t i = 0; i < n; i++)
        rdl_buf_printf(out, "%llu %llu %llu %s\n", (unsigned long long)m[i].offset,
                       (unsigned long long)m[i].record_at, (unsigned long long)m[i].bytes_total,
                       m[i].reason);
    if (rc == RDL_OK)
        fuzz_check(records + n == rdl_decode_input_records(job, 0), "every record has one fate");
    rdl_chunk_free(chunk);
    rdl_decode_free(job);
    return rc == RDL_OK;
}

static inline int decode_fuzz(rdl_decode_format format, const uint8_t *data, size_t size)
{
    static const char *const columns[][2] = {
        {"a", "INTEGER"},
        {"t", "TEXT"},
        {"d", "DOUBLE"},
        {"m", "DECIMAL(12,3)"},
        {"s", "DATE"},
        {"z", "TIMESTAMPTZ"},
        {"b", "BOOLEAN"},
        {"j", "JSON"},
        {"l", "BIGINT[]"},
        {"p", "MAP(TEXT, TEXT)"},
        {"u", "STRUCT(x TEXT, y INTEGER[])"},
    };
    enum { COLUMNS = sizeof columns / sizeof *columns };
    rdl_decode_column c[COLUMNS] = {0};
    rdl_decode_spec spec;
    rdl_arena a;
    rdl_err err = {0};
    rdl_buf one = {0}, two = {0};
    rdl_arena_init(&a, 0);
    rdl_decode_spec_init(&spec);
    spec.format = format;
    spec.header = size % 2 == 0 && format == RDL_DECODE_CSV;
    spec.columns = c;
    spec.column_count = COLUMNS;
    for (size_t i = 0; i < COLUMNS; i++) {
        c[i].name = c[i].field = rdl_str_of(columns[i][0]);
        fuzz_check(rdl_type_parse(&a, rdl_str_of(columns[i][1]), &c[i].type, &err) == RDL_OK,
                   "the types are sound");
    }
    rdl_str bytes = {(const char *)data, size};
    bool large = fuzz_rows(&spec, bytes, 1 << 16, &one);
    bool small = fuzz_rows(&spec, bytes, 16 + size % 7, &two);
    fuzz_check(large == small, "windows do not decide about success");
    if (large)
        if (getenv("SHOW") != NULL)
            fprintf(stderr, "%s---\n%s", rdl_buf_str(&one), rdl_buf_str(&two));
    fuzz_check(rdl_str_eq((rdl_str){one.p, one.n}, (rdl_str){two.p, two.n}),
               "windows do not decide about rows");
    rdl_buf_fini(&one);
    rdl_buf_fini(&two);
    rdl_arena_fini(&a);
    return 0;
}

#endif
