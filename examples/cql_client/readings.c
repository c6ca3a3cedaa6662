/*
 * readings.c - Cassandra from a C program, by libraudal-cql: connect, make a table, write many
 * rows at once, read them back page by page.
 *
 *     cc readings.c $(pkg-config --cflags --libs raudal-cql) -o readings
 *     ./readings 127.0.0.1:9042 [ROWS [USER PASSWORD]]
 *
 * Prints each sensor with its number of readings, their sum and the tags of its last one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cql/cql.h"

enum { SENSORS = 8 };

static int failed(const rdl_err *err)
{
    fprintf(stderr, "%s\n", err->msg);
    if (err->hint[0] != '\0')
        fprintf(stderr, "%s\n", err->hint);
    return 1;
}

static rdl_code make_table(rdl_cql *s, rdl_err *err)
{
    static const char *const statements[] = {
        "CREATE KEYSPACE IF NOT EXISTS cql_client_example WITH replication = "
        "{'class': 'SimpleStrategy', 'replication_factor': 1}",
        "CREATE TABLE IF NOT EXISTS cql_client_example.readings (sensor text, at timestamp, "
        "celsius double, tags frozen<list<text>>, PRIMARY KEY (sensor, at)) "
        "WITH CLUSTERING ORDER BY (at DESC)",
        "TRUNCATE cql_client_example.readings",
    };
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
        RDL_TRY(rdl_cql_query(s, statements[i], NULL, NULL, err));
    return rdl_cql_schema_agreement(s, 10000, err);
}

/* ---- writing: requests are sent without waiting for the answers of those before ---- */

typedef struct answers {
    uint64_t good, bad;
    rdl_err first;
} answers;

/* Runs inside begin, send, poll and drain; what it is given is gone when it returns. */
static void one_is_answered(void *arg, const rdl_cql_answer *a)
{
    answers *all = arg;
    if (a->code == RDL_OK) {
        all->good++;
        return;
    }
    if (all->bad++ == 0)
        all->first = *a->err;
}

static rdl_code write_one(rdl_cql *s, const rdl_cql_statement *insert, int64_t i, answers *all,
                          rdl_err *err)
{
    /* Sent twice it changes nothing, so it may be sent again when a node is lost. */
    const rdl_cql_options options = {.idempotent = true, .timestamp_us = 1700000000000000 + i};
    rdl_cql_request *request;
    char sensor[24];
    int n = snprintf(sensor, sizeof sensor, "sensor-%" PRId64, i % SENSORS);
    RDL_TRY(rdl_cql_begin(s, insert, &options, &request, err)); /* waits for room */
    rdl_cql_writer *w = rdl_cql_values(request);
    rdl_cql_put_text(w, (rdl_str){sensor, (size_t)n});
    rdl_cql_put_timestamp(w, 1700000000000 + 1000 * i);
    rdl_cql_put_double(w, (double)(i % 100) / 4);
    rdl_cql_put_begin(w); /* a list */
    rdl_cql_put_text(w, RDL_STR("indoor"));
    if (i % 3 == 0)
        rdl_cql_put_text(w, RDL_STR("checked"));
    rdl_cql_put_end(w);
    return rdl_cql_send(request, one_is_answered, all, err);
}

static rdl_code write_all(rdl_cql *s, int64_t rows, rdl_err *err)
{
    static const char text[] = "INSERT INTO cql_client_example.readings (sensor, at, celsius, "
                               "tags) VALUES (?, ?, ?, ?)";
    rdl_cql_statement *insert;
    answers all = {0};
    RDL_TRY(rdl_cql_prepare(s, text, &insert, err));
    for (int64_t i = 0; i < rows; i++)
        RDL_TRY(write_one(s, insert, i, &all, err));
    RDL_TRY(rdl_cql_drain(s, err)); /* until each is answered */
    if (all.bad > 0) {
        *err = all.first;
        return err->code;
    }
    printf("%" PRIu64 " rows are written\n", all.good);
    return RDL_OK;
}

/* ---- reading: pages are asked for as they are needed ---- */

static rdl_code read_sensor(rdl_cql *s, const rdl_cql_statement *select, const char *sensor,
                            rdl_err *err)
{
    const rdl_cql_options options = {.idempotent = true, .page_rows = 500};
    rdl_cql_request *request;
    rdl_cql_result *rows = NULL;
    rdl_buf tags = {0};
    uint64_t count = 0;
    double sum = 0, celsius = 0;
    bool row = false;
    RDL_TRY(rdl_cql_begin(s, select, &options, &request, err));
    rdl_cql_put_text(rdl_cql_values(request), rdl_str_of(sensor));
    RDL_TRY(rdl_cql_execute(request, &rows, err));
    rdl_code rc = rdl_cql_fetch(rows, &row, err);
    if (rc == RDL_OK && row) /* the newest comes first */
        rc = rdl_cql_print_json(rdl_cql_cell(rows, 1), &tags, err);
    while (rc == RDL_OK && row) {
        rc = rdl_cql_get_double(rdl_cql_cell(rows, 0), &celsius, err);
        sum += celsius;
        count++;
        if (rc == RDL_OK)
            rc = rdl_cql_fetch(rows, &row, err);
    }
    if (rc == RDL_OK)
        printf("%s %" PRIu64 " %.2f %s\n", sensor, count, sum, rdl_buf_str(&tags));
    rdl_buf_fini(&tags);
    rdl_cql_result_free(rows);
    return rc;
}

static rdl_code read_all(rdl_cql *s, rdl_err *err)
{
    rdl_cql_statement *select;
    RDL_TRY(rdl_cql_prepare(
        s, "SELECT celsius, tags FROM cql_client_example.readings WHERE sensor = ?", &select, err));
    for (int i = 0; i < SENSORS; i++) {
        char sensor[24];
        snprintf(sensor, sizeof sensor, "sensor-%d", i);
        RDL_TRY(read_sensor(s, select, sensor, err));
    }
    return RDL_OK;
}

int main(int argc, char **argv)
{
    rdl_err err = {0};
    rdl_cql_config config;
    rdl_cql *session = NULL;
    rdl_cql_config_init(&config);
    config.contact_points = argc > 1 ? argv[1] : "127.0.0.1:9042";
    config.user = argc > 4 ? argv[3] : NULL;
    config.password = argc > 4 ? argv[4] : NULL;
    int64_t rows = argc > 2 ? strtoll(argv[2], NULL, 10) : 10000;
    if (rdl_cql_open(&config, &session, &err) != RDL_OK)
        return failed(&err);
    printf("cluster \"%s\", Cassandra %s\n", rdl_cql_cluster_name(session),
           rdl_cql_server_version(session));
    rdl_code rc = make_table(session, &err);
    if (rc == RDL_OK)
        rc = write_all(session, rows, &err);
    if (rc == RDL_OK)
        rc = read_all(session, &err);
    rdl_cql_close(session);
    return rc == RDL_OK ? 0 : failed(&err);
}
