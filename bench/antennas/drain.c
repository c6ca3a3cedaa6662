/*
 * bench/antennas/drain.c - a topic read to its end, as fast as librdkafka goes; with --decode, each
 * message is decoded to columns by our decoder, and that is all that is done with it.
 *
 *   drain BROKERS TOPIC [--decode]
 *
 * The bound of any engine that reads this topic on this machine: prints messages and seconds.
 * Payloads are copied into blocks of BLOCK_BYTES, as the engine does; a full block is decoded by
 * two threads into values per column.
 */
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "source/decode/decode.h"

enum { BLOCK_BYTES = 64 << 20, BLOCK_RECORDS = 1 << 19, PARTITIONS_MAX = 64, BATCH = 2000 };

typedef struct drain {
    rd_kafka_t *kafka;
    const char *topic;
    int32_t partitions, ended;
    uint64_t messages, bytes;
    rdl_duck *duck; /* NULL: nothing is decoded */
    rdl_conn *conn;
    rdl_decode_spec spec;
    char *block;
    rdl_record *records;
    size_t used, count;
    int64_t rows;
} drain;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "drain: %s: %s\n", what, why);
    exit(1);
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[256];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) != RD_KAFKA_CONF_OK)
        die(name, why);
}

static void connect_to(drain *d, const char *brokers)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", brokers);
    set(conf, "group.id", "drain");
    set(conf, "enable.auto.commit", "false");
    set(conf, "enable.partition.eof", "true");
    set(conf, "check.crcs", "false");
    set(conf, "fetch.message.max.bytes", "4194304");
    set(conf, "queued.min.messages", "1000000");
    set(conf, "queued.max.messages.kbytes", "262144");
    d->kafka = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    if (d->kafka == NULL)
        die("could not make a consumer", why);
    rd_kafka_poll_set_consumer(d->kafka);
    const struct rd_kafka_metadata *m;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(d->kafka, d->topic, NULL);
    rd_kafka_resp_err_t err = rd_kafka_metadata(d->kafka, 0, topic, &m, 30000);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
        die("could not ask for metadata", rd_kafka_err2str(err));
    d->partitions = m->topics[0].partition_cnt;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(d->partitions);
    for (int32_t p = 0; p < d->partitions; p++)
        rd_kafka_topic_partition_list_add(list, d->topic, p)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(d->kafka, list);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_metadata_destroy(m);
    rd_kafka_topic_destroy(topic);
}

static void open_decoder(drain *d)
{
    static const char *const names[] = {"bytes", "timestamp", "timestmap",
                                        "app",   "id",        "antenna_id"};
    static rdl_decode_column columns[6];
    rdl_err err;
    rdl_decode_spec_init(&d->spec);
    for (size_t i = 0; i < 6; i++)
        columns[i] =
            (rdl_decode_column){.name = rdl_str_of(names[i]),
                                .field = rdl_str_of(names[i]),
                                .type = rdl_type_of(i < 3 ? RDL_TYPE_BIGINT : RDL_TYPE_TEXT)};
    d->spec.columns = columns;
    d->spec.column_count = 6;
    if (rdl_duck_open(&(rdl_duck_config){.threads = 2}, &d->duck, &err) != RDL_OK ||
        rdl_conn_open(d->duck, &d->conn, &err) != RDL_OK)
        die("could not open DuckDB", err.msg);
    d->block = malloc(BLOCK_BYTES + RDL_RECORDS_PAD);
    d->records = malloc(BLOCK_RECORDS * sizeof *d->records);
    if (d->block == NULL || d->records == NULL)
        die("could not allocate", "a block");
}

static void decode_block(drain *d)
{
    rdl_err err;
    rdl_decode *job;
    int64_t rows = 0;
    if (d->count == 0)
        return;
    memset(d->block + d->used, 0, RDL_RECORDS_PAD);
    const rdl_records records = {.bytes = d->block, .v = d->records, .topic = d->topic};
    const rdl_decode_input in[2] = {{.records = &records, .shown = "a", .count = d->count / 2},
                                    {.records = &records,
                                     .shown = "b",
                                     .first = d->count / 2,
                                     .count = d->count - d->count / 2}};
    if (rdl_decode_register(d->duck, "drain", &d->spec, in, 2, &job, &err) != RDL_OK ||
        rdl_query_i64(
            d->conn,
            "SELECT count(bytes) + 0 * (count(\"timestamp\") + count(timestmap) + count(app) "
            "+ count(id) + count(antenna_id)) FROM rdl_scan('drain')",
            &rows, &err) != RDL_OK)
        die("could not decode", err.msg);
    rdl_decode_free(job);
    d->rows += rows;
    d->used = d->count = 0;
}

static void keep(drain *d, const rd_kafka_message_t *m)
{
    if (d->count == BLOCK_RECORDS || d->used + m->len + 1 > BLOCK_BYTES)
        decode_block(d);
    d->records[d->count++] = (rdl_record){.offset = m->offset,
                                          .timestamp_us = INT64_MIN,
                                          .at = (uint32_t)d->used,
                                          .bytes = (int32_t)m->len,
                                          .key_bytes = -1};
    memcpy(d->block + d->used, m->payload, m->len);
    d->used += m->len;
    d->block[d->used++] = '\0';
}

int main(int argc, char **argv)
{
    drain d = {0};
    static rd_kafka_message_t *batch[BATCH];
    if (argc < 3) {
        fprintf(stderr, "usage: drain BROKERS TOPIC [--decode]\n");
        return 2;
    }
    int64_t from = rdl_monotonic_us();
    d.topic = argv[2];
    connect_to(&d, argv[1]);
    if (argc > 3)
        open_decoder(&d);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(d.kafka);
    while (d.ended < d.partitions) {
        ssize_t n = rd_kafka_consume_batch_queue(queue, 1000, batch, BATCH);
        for (ssize_t i = 0; i < n; i++) {
            if (batch[i]->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
                d.ended++;
            } else if (batch[i]->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
                die("could not read", rd_kafka_message_errstr(batch[i]));
            } else {
                d.messages++;
                d.bytes += batch[i]->len;
                if (d.duck != NULL)
                    keep(&d, batch[i]);
            }
            rd_kafka_message_destroy(batch[i]);
        }
    }
    if (d.duck != NULL)
        decode_block(&d);
    double seconds = (double)(rdl_monotonic_us() - from) / 1e6;
    printf("%" PRIu64 " messages, %" PRIu64 " bytes, %.2f s", d.messages, d.bytes, seconds);
    printf(d.duck != NULL ? ", %" PRId64 " rows\n" : "\n", d.rows);
    fflush(stdout);
    _Exit(0); /* what closing takes is not what is measured */
}
