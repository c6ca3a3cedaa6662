/*
 * bench/decode/decode_bench.c - a file into a DuckDB table: our decoder and DuckDB's reader,
 * alternately, on the same threads.
 *
 *   decode_bench FILE json|csv THREADS ROUNDS NAME:TYPE...
 *
 * Prints the best and the median of both and the ratio of the medians.  Both read the same
 * declared columns into a new table; ours also carries the system columns (where each row
 * comes from), DuckDB's does not.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fs.h"
#include "source/decode/decode.h"

enum { ROUNDS_MAX = 50, COLUMNS_MAX = 64 };

static void die(const rdl_err *err)
{
    fprintf(stderr, "decode_bench: %s\n", err->msg);
    exit(1);
}

static double ours(rdl_duck *d, rdl_conn *c, const rdl_decode_spec *spec, const char *path,
                   rdl_err *err)
{
    rdl_decode *job;
    rdl_decode_input in = {.path = path, .shown = path};
    if (rdl_exec(c, "DROP TABLE IF EXISTS t", err) != RDL_OK)
        die(err);
    int64_t from = rdl_monotonic_us();
    if (rdl_decode_register(d, "bench", spec, &in, 1, &job, err) != RDL_OK ||
        rdl_exec(c, "CREATE TABLE t AS SELECT * FROM rdl_scan('bench')", err) != RDL_OK)
        die(err);
    double seconds = (double)(rdl_monotonic_us() - from) / 1e6;
    rdl_decode_free(job);
    return seconds;
}

static double theirs(rdl_conn *c, const char *sql, rdl_err *err)
{
    if (rdl_exec(c, "DROP TABLE IF EXISTS t", err) != RDL_OK)
        die(err);
    int64_t from = rdl_monotonic_us();
    if (rdl_exec(c, sql, err) != RDL_OK)
        die(err);
    return (double)(rdl_monotonic_us() - from) / 1e6;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const char *who, double *v, size_t n, double rows, double bytes)
{
    qsort(v, n, sizeof *v, by_value);
    printf("%-10s best %.3f s  median %.3f s  %.2f M rows/s  %.0f MB/s\n", who, v[0], v[n / 2],
           rows / v[n / 2] / 1e6, bytes / v[n / 2] / 1e6);
}

int main(int argc, char **argv)
{
    rdl_err err = {0};
    rdl_arena a;
    rdl_duck *d;
    rdl_conn *c;
    rdl_decode_spec spec;
    rdl_decode_column columns[COLUMNS_MAX];
    double mine[ROUNDS_MAX], other[ROUNDS_MAX];
    if (argc < 6 || argc - 5 > COLUMNS_MAX) {
        fprintf(stderr, "usage: decode_bench FILE json|csv THREADS ROUNDS NAME:TYPE...\n");
        return 2;
    }
    rdl_arena_init(&a, 0);
    rdl_decode_spec_init(&spec);
    bool csv = rdl_str_eq(rdl_str_of(argv[2]), RDL_STR("csv"));
    spec.format = csv ? RDL_DECODE_CSV : RDL_DECODE_JSON;
    rdl_buf sql = {0};
    rdl_buf_printf(&sql, "CREATE TABLE t AS SELECT * FROM read_%s('%s', %s columns={",
                   csv ? "csv" : "json", argv[1],
                   csv ? "header=true, quote='\"', escape='\"', " : "format='newline_delimited', ");
    for (int i = 5; i < argc; i++) {
        rdl_str all = rdl_str_of(argv[i]);
        const char *colon = memchr(all.p, ':', all.n);
        if (colon == NULL)
            return 2;
        rdl_str name = {all.p, (size_t)(colon - all.p)};
        const rdl_type *type;
        if (rdl_type_parse(&a, rdl_str_of(colon + 1), &type, &err) != RDL_OK)
            die(&err);
        columns[i - 5] = (rdl_decode_column){name, name, type};
        rdl_buf_printf(&sql, "%s'%.*s': '%s'", i > 5 ? ", " : "", (int)name.n, name.p, colon + 1);
    }
    rdl_buf_puts(&sql, "})");
    spec.columns = columns;
    spec.column_count = (size_t)argc - 5;
    unsigned threads = (unsigned)strtoul(argv[3], NULL, 10);
    size_t rounds = strtoul(argv[4], NULL, 10);
    rounds = rounds < ROUNDS_MAX ? rounds : ROUNDS_MAX;
    if (rdl_duck_open(&(rdl_duck_config){.threads = threads}, &d, &err) != RDL_OK ||
        rdl_conn_open(d, &c, &err) != RDL_OK)
        die(&err);
    rdl_stat st;
    int64_t rows = 0;
    if (rdl_fs_stat(argv[1], &st, &err) != RDL_OK)
        die(&err);
    for (size_t i = 0; i < rounds; i++) {
        mine[i] = ours(d, c, &spec, argv[1], &err);
        other[i] = theirs(c, rdl_buf_str(&sql), &err);
    }
    if (rdl_query_i64(c, "SELECT count(*) FROM t", &rows, &err) != RDL_OK)
        die(&err);
    report("raudal", mine, rounds, (double)rows, (double)st.size);
    report("duckdb", other, rounds, (double)rows, (double)st.size);
    printf("ratio      %.2f (%u threads, %lld rows)\n", other[rounds / 2] / mine[rounds / 2],
           threads, (long long)rows);
    rdl_conn_close(c);
    rdl_duck_close(d);
    rdl_buf_fini(&sql);
    rdl_arena_fini(&a);
    return 0;
}
