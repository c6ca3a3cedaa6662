/*
 * tests/unit/kafka_url_test.c - what URL and options of a topic mean, and what a source does before
 * any broker is asked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "source/kafka.h"

typedef struct fixture {
    rdl_arena arena;
    rdl_err err;
    rdl_kafka_where where;
} fixture;

static int setup(void **state)
{
    static fixture f;
    f = (fixture){0};
    rdl_arena_init(&f.arena, 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    rdl_arena_fini(&((fixture *)*state)->arena);
    return 0;
}

static rdl_code read(fixture *f, const char *url, const char *name, const char *value)
{
    const rdl_source_option option = {rdl_str_of(name), rdl_str_of(value)};
    const rdl_source_config config = {
        .name = "s", .url = url, .options = &option, .option_count = name != NULL};
    memset(&f->err, 0, sizeof f->err);
    return rdl_kafka_where_read(&f->arena, &config, &f->where, &f->err);
}

static void brokers_and_topics_are_lists(void **state)
{
    fixture *f = *state;
    assert_int_equal(read(f, "kafka://a:9092,b/x,y.z_1-2", NULL, NULL), RDL_OK);
    assert_string_equal(f->where.brokers, "a:9092,b");
    assert_int_equal(f->where.topic_count, 2);
    assert_string_equal(f->where.topics[1], "y.z_1-2");
    assert_null(f->where.pattern);
    assert_int_equal(f->where.start, RDL_KAFKA_EARLIEST);
    assert_int_equal(read(f, "kafka://a/^ev-(a|b),.*", NULL, NULL), RDL_OK);
    assert_string_equal(f->where.pattern, "^ev-(a|b),.*");
}

static void urls_that_name_nothing_are_refused(void **state)
{
    fixture *f = *state;
    static const char *const bad[] = {"kafka://",      "kafka:///t",     "kafka://h",
                                      "kafka://h/",    "kafka://h/a,",   "kafka://h/a b",
                                      "kafka://h/a/b", "kafka://u:p@h/t"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(read(f, bad[i], NULL, NULL), RDL_EUSAGE);
        assert_int_equal(rdl_err_exit_code(&f->err), 3);
        assert_null(strstr(f->err.msg, "u:p@"));
    }
}

static void start_is_a_word_a_time_or_offsets(void **state)
{
    fixture *f = *state;
    const char *url = "kafka://h/t";
    assert_int_equal(read(f, url, "start", "LATEST"), RDL_OK);
    assert_int_equal(f->where.start, RDL_KAFKA_LATEST);
    assert_int_equal(read(f, url, "start", "2026-01-01T00:00:00Z"), RDL_OK);
    assert_int_equal(f->where.start, RDL_KAFKA_TIMESTAMP);
    assert_int_equal(f->where.start_us, INT64_C(1767225600000000));
    assert_int_equal(read(f, url, "start", "{\"t\": {\"0\": 17, \"3\": -2}}"), RDL_OK);
    assert_int_equal(f->where.offset_count, 2);
    assert_int_equal(f->where.offsets[0].offset, 17);
    assert_int_equal(f->where.offsets[1].partition, 3);
    assert_int_equal(f->where.offsets[1].offset, RD_KAFKA_OFFSET_BEGINNING);
    static const char *const bad[] = {"yesterday",
                                      "{\"t\": 3}",
                                      "{\"t\": {\"x\": 3}}",
                                      "{\"t\": {\"0\": -3}}",
                                      "{\"t\": {\"0\": 1.5}}",
                                      "[]"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(read(f, url, "start", bad[i]), RDL_EUSAGE);
}

static void bounds_and_intervals_are_checked(void **state)
{
    fixture *f = *state;
    assert_int_equal(read(f, "kafka://h/t", "fetch_bytes", "1048576"), RDL_OK);
    assert_int_equal(f->where.fetch_bytes, 1048576);
    assert_int_equal(read(f, "kafka://h/t", "fetch_bytes", "12"), RDL_EUSAGE);
    assert_int_equal(read(f, "kafka://h/t", "fetch_bytes", "1e9"), RDL_EUSAGE);
    assert_int_equal(read(f, "kafka://h/t", "discover_interval", "200 ms"), RDL_OK);
    assert_int_equal(f->where.discover_us, 200000);
    assert_int_equal(read(f, "kafka://h/t", "connect_timeout", "soon"), RDL_EUSAGE);
}

static rdl_code open_with(fixture *f, const char *name, const char *value, rdl_source **out)
{
    static rdl_decode_spec spec;
    const rdl_source_option option = {rdl_str_of(name), rdl_str_of(value)};
    rdl_decode_spec_init(&spec);
    const rdl_source_config config = {.name = "s",
                                      .url = "kafka://127.0.0.1:1/t",
                                      .options = &option,
                                      .option_count = 1,
                                      .spec = &spec};
    memset(&f->err, 0, sizeof f->err);
    return rdl_source_open(&config, out, &f->err);
}

static void properties_are_librdkafkas_and_secrets_stay_secret(void **state)
{
    fixture *f = *state;
    rdl_source *s = NULL;
    assert_int_equal(open_with(f, "fetch.min.byte", "1", &s), RDL_EUSAGE);
    assert_non_null(strstr(f->err.msg, "fetch.min.byte"));
    assert_int_equal(open_with(f, "enable.auto.commit", "true", &s), RDL_EUSAGE);
    assert_int_equal(open_with(f, "sasl.passwords", "hush", &s), RDL_EUSAGE);
    assert_null(strstr(f->err.msg, "hush"));
    assert_int_equal(open_with(f, "fetch.min.bytes", "1", &s), RDL_OK);
    s->ops->close(s);
}

static void ranges_go_on_where_the_seal_ended_without_a_broker(void **state)
{
    fixture *f = *state;
    rdl_source *s = NULL;
    assert_int_equal(open_with(f, "client.id", "x", &s), RDL_OK);
    const rdl_range sealed = {
        .kind = RDL_RANGE_KAFKA,
        .number = 7,
        .name = "t/3",
        .u.kafka = {.cluster = "c", .topic = "t", .partition = 3, .begin = 5, .end = 9}};
    s->ops->restore(s, &sealed);
    rdl_kafka *k = (rdl_kafka *)(void *)s;
    assert_int_equal(k->parts.n, 1);
    assert_int_equal(k->parts.v[0]->sealed, 9);
    assert_int_equal(k->parts.v[0]->planned, 9);
    assert_int_equal(k->parts.v[0]->number, 7);
    assert_string_equal(k->sealed_cluster, "c");
    assert_true(k->any_sealed);
    s->ops->rewind(s);
    assert_int_equal(k->parts.v[0]->planned, 9);
    s->ops->close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(brokers_and_topics_are_lists, setup, teardown),
        cmocka_unit_test_setup_teardown(urls_that_name_nothing_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(start_is_a_word_a_time_or_offsets, setup, teardown),
        cmocka_unit_test_setup_teardown(bounds_and_intervals_are_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(properties_are_librdkafkas_and_secrets_stay_secret, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(ranges_go_on_where_the_seal_ended_without_a_broker, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
