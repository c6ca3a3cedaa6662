/*
 * source/kafka_url.c - kafka://host:port[,host:port]/topic[,topic] or /^pattern, and its options.
 *
 * start is earliest, latest, a time, or offsets as Spark writes them: {"topic": {"0": 17, "1":
 * -2}}, where -2 is the earliest and -1 the latest.  A partition that is not named starts at its
 * earliest.
 */
#include <jansson.h>

#include "source/kafka.h"

static rdl_code bad_url(const char *url, const char *why, rdl_err *err)
{
    rdl_err_set(err, RDL_EUSAGE, 0, "could not read the URL \"%s\": %s", url, why);
    rdl_err_hint(err,
                 "Write kafka://host:port/topic, several hosts and topics with commas between, "
                 "or a pattern: kafka://host:port/^events-.*");
    return rdl_err_area(RDL_EUSAGE, err, RDL_AREA_CONFIG);
}

static rdl_code read_topics(rdl_arena *a, const char *url, const char *path, rdl_kafka_where *out,
                            rdl_err *err)
{
    RDL_VEC(const char *) list = {0};
    for (const char *p = path;;) {
        size_t n = strcspn(p, ",");
        if (n == 0)
            return bad_url(url, "a topic's name is empty", err);
        if (n > 249)
            return bad_url(url, "a topic's name has more than 249 characters", err);
        for (size_t i = 0; i < n; i++) {
            bool good = (p[i] >= 'a' && p[i] <= 'z') || (p[i] >= 'A' && p[i] <= 'Z') ||
                        (p[i] >= '0' && p[i] <= '9') || strchr("._-", p[i]) != NULL;
            if (!good)
                return bad_url(url, "topics' names hold letters, digits, '.', '_' and '-' alone",
                               err);
        }
        RDL_PUSH(a, &list) = rdl_arena_strndup(a, p, n);
        if (p[n] == '\0')
            break;
        p += n + 1;
    }
    out->topics = list.v;
    out->topic_count = list.n;
    return RDL_OK;
}

static rdl_code read_url(rdl_arena *a, const char *url, rdl_kafka_where *out, rdl_err *err)
{
    const char *hosts = strncmp(url, "kafka://", 8) == 0 ? url + 8 : url;
    size_t n = strcspn(hosts, "/");
    if (n == 0)
        return bad_url(url, "no broker is named", err);
    if (memchr(hosts, '@', n) != NULL)
        return bad_url("kafka://…",
                       "a user's name does not belong there; say OPTIONS (sasl.username = …)", err);
    if (hosts[n] == '\0' || hosts[n + 1] == '\0')
        return bad_url(url, "no topic is named", err);
    out->brokers = rdl_arena_strndup(a, hosts, n);
    const char *path = hosts + n + 1;
    if (path[0] == '^') {
        out->pattern = rdl_arena_strdup(a, path);
        return RDL_OK;
    }
    return read_topics(a, url, path, out, err);
}

/* ---- start ---- */

static rdl_code bad_start(const rdl_source_config *c, rdl_str text, const char *why, rdl_err *err)
{
    rdl_err_set(err, RDL_EUSAGE, 0, "option start of source \"%s\" is \"%.*s\"%s%s", c->name,
                (int)text.n, text.p, why[0] != '\0' ? ": " : "", why);
    rdl_err_hint(err, "Write earliest, latest, a time as 2026-01-31T12:00:00Z, or offsets as "
                      "{\"topic\": {\"0\": 17, \"1\": -2}}, where -2 is earliest and -1 latest.");
    return rdl_err_area(RDL_EUSAGE, err, RDL_AREA_CONFIG);
}

static bool read_partition(const char *text, int32_t *out)
{
    int64_t n = 0;
    for (const char *p = text; *p != '\0'; p++) {
        if (*p < '0' || *p > '9' || n > INT32_MAX / 10)
            return false;
        n = n * 10 + (*p - '0');
    }
    *out = (int32_t)n;
    return text[0] != '\0';
}

static const char *read_offsets(rdl_arena *a, const json_t *all, rdl_kafka_where *out)
{
    RDL_VEC(rdl_kafka_offset) list = {0};
    const char *topic, *partition;
    json_t *of, *value;
    json_object_foreach((json_t *)(uintptr_t)all, topic, of)
    {
        if (!json_is_object(of))
            return "partitions and offsets are expected behind a topic";
        json_object_foreach(of, partition, value)
        {
            rdl_kafka_offset one = {.topic = rdl_arena_strdup(a, topic)};
            if (!read_partition(partition, &one.partition))
                return "a partition is no number";
            if (!json_is_integer(value) || json_integer_value(value) < -2)
                return "an offset is no whole number, -1 or -2";
            one.offset = json_integer_value(value); /* -1 and -2 as librdkafka has them */
            RDL_PUSH(a, &list) = one;
        }
    }
    out->offsets = list.v;
    out->offset_count = list.n;
    return NULL;
}

static rdl_code read_start(rdl_arena *a, const rdl_source_config *c, rdl_kafka_where *out,
                           rdl_err *err)
{
    rdl_str s = rdl_source_option_text(c, "start", "earliest");
    out->start = RDL_KAFKA_EARLIEST;
    if (rdl_str_eq_nocase(s, RDL_STR("earliest")))
        return RDL_OK;
    out->start = RDL_KAFKA_LATEST;
    if (rdl_str_eq_nocase(s, RDL_STR("latest")))
        return RDL_OK;
    out->start = RDL_KAFKA_TIMESTAMP;
    if (rdl_timestamp_parse(s.p, s.n, &out->start_us))
        return RDL_OK;
    out->start = RDL_KAFKA_OFFSETS;
    json_error_t why;
    json_t *all = json_loadb(s.p, s.n, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(all)) {
        json_decref(all);
        return bad_start(c, s, "", err);
    }
    const char *wrong = read_offsets(a, all, out);
    json_decref(all);
    return wrong == NULL ? RDL_OK : bad_start(c, s, wrong, err);
}

static rdl_code read_bytes(const rdl_source_config *c, uint64_t *out, rdl_err *err)
{
    rdl_str s = rdl_source_option_text(c, "fetch_bytes", "67108864");
    *out = 0;
    bool good = s.n > 0 && s.n <= 15;
    for (size_t i = 0; good && i < s.n; i++) {
        good = s.p[i] >= '0' && s.p[i] <= '9';
        *out = *out * 10 + (uint64_t)(s.p[i] - '0');
    }
    if (good && *out >= 65536)
        return RDL_OK;
    rdl_err_set(err, RDL_EUSAGE, 0, "option fetch_bytes of source \"%s\" is \"%.*s\"", c->name,
                (int)s.n, s.p);
    rdl_err_hint(err, "Write a number of bytes, 65536 or more.");
    return rdl_err_area(RDL_EUSAGE, err, RDL_AREA_CONFIG);
}

rdl_code rdl_kafka_where_read(rdl_arena *a, const rdl_source_config *c, rdl_kafka_where *out,
                              rdl_err *err)
{
    *out = (rdl_kafka_where){0};
    RDL_TRY(read_url(a, c->url, out, err));
    RDL_TRY(read_start(a, c, out, err));
    RDL_TRY(read_bytes(c, &out->fetch_bytes, err));
    RDL_TRY(
        rdl_source_option_interval(c, "discover_interval", "10 seconds", &out->discover_us, err));
    return rdl_source_option_interval(c, "connect_timeout", "30 seconds", &out->connect_us, err);
}
