/*
 * bench/cql/cql_insert.c - prepared inserts of small rows, as fast as one node takes them.
 *
 *     cql_insert HOST:PORT ROWS [IN_FLIGHT [CONNECTIONS [VERSION]]]
 *     one line: client rows seconds rows/s cpu_seconds
 *
 * The row is that of insert.py: text key, int, double, timestamp, text of 40 bytes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/machine.h"
#include "cql/cql.h"

static uint64_t failures;

static void must(rdl_code rc, const rdl_err *err)
{
    if (rc == RDL_OK)
        return;
    fprintf(stderr, "%s\n", err->msg);
    exit(1);
}

static void done(void *arg, const rdl_cql_answer *a)
{
    (void)arg;
    failures += a->code != RDL_OK;
}

static void insert(rdl_cql *s, const rdl_cql_statement *st, int64_t i, rdl_err *err)
{
    static const rdl_cql_options options = {.idempotent = true, .timestamp_us = 1};
    static const char text[] = "forty bytes of text that say not a thing";
    rdl_cql_request *r;
    char key[24];
    int n = snprintf(key, sizeof key, "key-%" PRId64, i / 10);
    must(rdl_cql_begin(s, st, &options, &r, err), err);
    rdl_cql_writer *w = rdl_cql_values(r);
    rdl_cql_put_text(w, (rdl_str){key, (size_t)n});
    rdl_cql_put_int(w, i % 10);
    rdl_cql_put_double(w, (double)i * 0.5);
    rdl_cql_put_timestamp(w, 1700000000000 + i);
    rdl_cql_put_text(w, RDL_STR(text));
    must(rdl_cql_send(r, done, NULL, err), err);
}

int main(int argc, char **argv)
{
    rdl_err err = {0};
    rdl_cql_config c;
    rdl_cql *s;
    rdl_cql_statement *st;
    int64_t rows = argc > 2 ? strtoll(argv[2], NULL, 10) : 100000;
    rdl_cql_config_init(&c);
    c.contact_points = argc > 1 ? argv[1] : "127.0.0.1:19042";
    c.in_flight_max = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 512;
    c.connections_per_host = argc > 4 ? (uint32_t)strtoul(argv[4], NULL, 10) : 1;
    c.protocol_version = argc > 5 ? (uint32_t)strtoul(argv[5], NULL, 10) : 0;
    must(rdl_cql_open(&c, &s, &err), &err);
    must(rdl_cql_query(s,
                       "CREATE KEYSPACE IF NOT EXISTS cql_bench WITH replication = "
                       "{'class': 'SimpleStrategy', 'replication_factor': 1}",
                       NULL, NULL, &err),
         &err);
    must(rdl_cql_query(s,
                       "CREATE TABLE IF NOT EXISTS cql_bench.t (k text, c int, d double, "
                       "at timestamp, v text, PRIMARY KEY (k, c))",
                       NULL, NULL, &err),
         &err);
    must(rdl_cql_prepare(s, "INSERT INTO cql_bench.t (k, c, d, at, v) VALUES (?, ?, ?, ?, ?)", &st,
                         &err),
         &err);
    double cpu = rdl_cpu_seconds();
    int64_t from = rdl_monotonic_us();
    for (int64_t i = 0; i < rows; i++)
        insert(s, st, i, &err);
    must(rdl_cql_drain(s, &err), &err);
    double seconds = (double)(rdl_monotonic_us() - from) / 1e6;
    printf("raudal %" PRId64 " %.2f %.0f %.2f\n", rows, seconds, (double)rows / seconds,
           rdl_cpu_seconds() - cpu);
    rdl_cql_close(s);
    return failures > 0;
}
