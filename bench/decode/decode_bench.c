/*
 * bench/decode/decode_bench.c - a file into a DuckDB table: our decoder and DuckDB's
 * reader, alternately, on the same threads.
 *
 *   decode_bench FILE json|csv THREADS ROUNDS NAME:TYPE...
 *
 * All read the same declared columns: "table" into a new in-memory table, "all columns" the same
 * with our system columns (where each row comes from; DuckDB's reader has none), "values" into a
 * count of values per column, where writing the table does not weigh in: what a query that reads
 * the source gets, as large epochs do.  Prints lines of case, reader, threads, wall seconds,
 * processor seconds, rows.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fs.h"
#include "source/decode/decode.h"

#include <sys/resource.h>

static void die(const rdl_err *err)
{
    fprintf(stderr, "decode_bench: %s\n", err->msg);
    exit(1);
}

typedef struct bench {
    rdl_duck *duck;
    rdl_conn *conn;
    rdl_decode_spec spec;
    const char *path;
    unsigned threads;
    rdl_buf reader, names, counts; /* SQL */
    rdl_err err;
} bench;

/* Processor seconds of the whole process, all threads: what a busy machine does not stretch. */
static double cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* One statement over our scan (ours) or DuckDB's reader. */
static void timed(bench *b, bool ours, const char *name, const char *before, const char *what,
                  int64_t rows)
{
    rdl_decode *job = NULL;
    rdl_decode_input in = {.path = b->path, .shown = b->path};
    if (rdl_exec(b->conn, "DROP TABLE IF EXISTS t", &b->err) != RDL_OK)
        die(&b->err);
    int64_t from = rdl_monotonic_us();
    double cpu = cpu_seconds();
    if (ours && rdl_decode_register(b->duck, "bench", &b->spec, &in, 1, &job, &b->err) != RDL_OK)
        die(&b->err);
    if (rdl_execf(b->conn, &b->err, "%s SELECT %s FROM %s", before, what,
                  ours ? "rdl_scan('bench')" : rdl_buf_str(&b->reader)) != RDL_OK)
        die(&b->err);
    cpu = cpu_seconds() - cpu;
    printf("%s\t%s%s\t%u\t%.4f\t%.4f\t%lld\n", name, ours ? "Raudal" : "DuckDB ",
           ours ? "" : rdl_duck_version() + 1, b->threads,
           (double)(rdl_monotonic_us() - from) / 1e6, cpu, (long long)rows);
    rdl_decode_free(job);
}

static void compare(bench *b, const char *name, const char *before, const char *mine,
                    const char *theirs, int64_t rows)
{
    timed(b, true, name, before, mine, rows);
    if (theirs != NULL)
        timed(b, false, name, before, theirs, rows);
}

/* NAME:TYPE arguments as our columns and as DuckDB's reader. */
static void columns_of(bench *b, rdl_arena *a, bool csv, char **args, size_t n)
{
    rdl_decode_column *columns = RDL_NEWN(a, rdl_decode_column, n);
    rdl_buf_printf(&b->reader, "read_%s('%s', %s columns={", csv ? "csv" : "json", b->path,
                   csv ? "header=true, delim=',', quote='\"', escape='\"', "
                       : "format='newline_delimited', ");
    for (size_t i = 0; i < n; i++) {
        rdl_str all = rdl_str_of(args[i]);
        const char *colon = memchr(all.p, ':', all.n);
        size_t at = colon != NULL ? (size_t)(colon - all.p) : 0;
        rdl_str name = {all.p, at};
        if (colon == NULL)
            exit(2);
        if (rdl_type_parse(a, rdl_str_of(colon + 1), &columns[i].type, &b->err) != RDL_OK)
            die(&b->err);
        columns[i].name = columns[i].field = name;
        const char *comma = i > 0 ? ", " : "";
        rdl_buf_printf(&b->reader, "%s'%.*s': '%s'", comma, (int)at, name.p, colon + 1);
        rdl_buf_printf(&b->names, "%s\"%.*s\"", comma, (int)at, name.p);
        rdl_buf_printf(&b->counts, "%scount(\"%.*s\")", comma, (int)at, name.p);
    }
    rdl_buf_puts(&b->reader, "})");
    b->spec.columns = columns;
    b->spec.column_count = n;
}

int main(int argc, char **argv)
{
    bench b = {0};
    rdl_arena a;
    int64_t rows = 0;
    if (argc < 6) {
        fprintf(stderr, "usage: decode_bench FILE json|csv THREADS ROUNDS NAME:TYPE...\n");
        return 2;
    }
    rdl_arena_init(&a, 0);
    rdl_decode_spec_init(&b.spec);
    b.path = argv[1];
    bool csv = rdl_str_eq(rdl_str_of(argv[2]), RDL_STR("csv"));
    b.spec.format = csv ? RDL_DECODE_CSV : RDL_DECODE_JSON;
    columns_of(&b, &a, csv, argv + 5, (size_t)argc - 5);
    b.threads = (unsigned)strtoul(argv[3], NULL, 10);
    size_t rounds = strtoul(argv[4], NULL, 10);
    if (rdl_duck_open(&(rdl_duck_config){.threads = b.threads}, &b.duck, &b.err) != RDL_OK ||
        rdl_conn_open(b.duck, &b.conn, &b.err) != RDL_OK)
        die(&b.err);
    rdl_buf sql = {0};
    rdl_buf_printf(&sql, "SELECT count(*) FROM %s", rdl_buf_str(&b.reader));
    if (rdl_query_i64(b.conn, rdl_buf_str(&sql), &rows, &b.err) != RDL_OK)
        die(&b.err);
    const char *names = rdl_buf_str(&b.names), *counts = rdl_buf_str(&b.counts);
    for (size_t i = 0; i < rounds; i++) {
        compare(&b, "table", "CREATE TABLE t AS", names, "*", rows);
        compare(&b, "all columns", "CREATE TABLE t AS", "*", NULL, rows);
        compare(&b, "values", "", counts, counts, rows);
    }
    rdl_conn_close(b.conn);
    rdl_duck_close(b.duck);
    rdl_buf_fini(&sql);
    rdl_buf_fini(&b.reader);
    rdl_buf_fini(&b.names);
    rdl_buf_fini(&b.counts);
    rdl_arena_fini(&a);
    return 0;
}
