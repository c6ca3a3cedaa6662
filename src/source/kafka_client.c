/*
 * source/kafka_client.c - the connection: properties, topics, where partitions begin and end.
 *
 * No group is joined: partitions are assigned by hand and read from the offsets that the journal
 * names.  The group is told what is sealed, for people who watch its lag, and never asked.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "source/kafka.h"

enum {
    ASK_MS = 5000, /* one request */
    COMMIT_MS = 3000,
};

/* ---- properties ---- */

/* Properties that decide what is read, or when it counts as read, are ours. */
static const char *const ours[][2] = {
    {"bootstrap.servers", "Name the brokers in the URL: kafka://host:port/topic."},
    {"metadata.broker.list", "Name the brokers in the URL: kafka://host:port/topic."},
    {"auto.offset.reset", "Say where to start with OPTIONS (start = 'latest')."},
    {"topic.auto.offset.reset", "Say where to start with OPTIONS (start = 'latest')."},
    {"enable.auto.commit", "What is read is in the journal; the group is told after each seal."},
    {"enable.auto.offset.store", "What is read is in the journal."},
    {"enable.partition.eof", "It is always on."},
};

static rdl_code refuse_ours(const rdl_source_config *c, rdl_str name, rdl_err *err)
{
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        if (!rdl_str_eq(name, rdl_str_of(ours[i][0])))
            continue;
        rdl_err_set(err, RDL_EUSAGE, 0, "property %s of source \"%s\" cannot be set", ours[i][0],
                    c->name);
        rdl_err_hint(err, "%s", ours[i][1]);
        return rdl_err_area(RDL_EUSAGE, err, RDL_AREA_CONFIG);
    }
    return RDL_OK;
}

static rdl_code set(const rdl_kafka *k, rd_kafka_conf_t *conf, const char *name, const char *value,
                    rdl_err *err)
{
    char why[300] = "";
    rd_kafka_conf_res_t did = rd_kafka_conf_set(conf, name, value, why, sizeof why);
    if (did == RD_KAFKA_CONF_OK)
        return RDL_OK;
    if (rdl_name_is_secret(rdl_str_of(name)))
        why[0] = '\0'; /* it may quote the value */
    rdl_err_set(err, RDL_EUSAGE, 0, "could not set property %s of source \"%s\"%s%s", name,
                k->config.name, why[0] != '\0' ? ": " : "", why);
    rdl_err_hint(err, "Properties are librdkafka's: see its CONFIGURATION.md.");
    return rdl_err_area(RDL_EUSAGE, err, RDL_AREA_CONFIG);
}

static rdl_code set_all(rdl_kafka *k, rd_kafka_conf_t *conf, rdl_err *err)
{
    const char *const defaults[][2] = {
        {"bootstrap.servers", k->where.brokers},
        {"group.id", k->group},
        {"client.id", "raudal"},
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"auto.offset.reset", "error"},
        {"enable.partition.eof", "true"},
        {"isolation.level", "read_committed"},
        {"queued.min.messages", "10000000"}, /* the bound is by bytes: */
        {"queued.max.messages.kbytes", "32768"},
        {"socket.keepalive.enable", "true"},
        {"reconnect.backoff.max.ms", "5000"},
    };
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++)
        RDL_TRY(set(k, conf, defaults[i][0], defaults[i][1], err));
    for (size_t i = 0; i < k->config.option_count; i++) {
        const rdl_source_option *o = &k->config.options[i];
        if (o->name.n == 0 || memchr(o->name.p, '.', o->name.n) == NULL)
            continue;
        RDL_TRY(refuse_ours(&k->config, o->name, err));
        RDL_TRY(set(k, conf, rdl_arena_strndup(&k->arena, o->name.p, o->name.n),
                    rdl_arena_strndup(&k->arena, o->value.p, o->value.n), err));
    }
    return RDL_OK;
}

/* ---- what librdkafka tells ---- */

/* A refusal that no retry mends. */
static bool is_final(int code)
{
    return code == RD_KAFKA_RESP_ERR__AUTHENTICATION ||
           code == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED ||
           code == RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM || code == RD_KAFKA_RESP_ERR__SSL ||
           code == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *arg)
{
    rdl_kafka *k = arg;
    (void)rk;
    rdl_mutex_lock(&k->lock);
    snprintf(k->last_error, sizeof k->last_error, "%s", reason);
    bool all_down = code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
    bool news = all_down && !k->down;
    if (news) {
        k->down = true;
        k->down_us = rdl_monotonic_us();
    }
    rdl_mutex_unlock(&k->lock);
    if (news)
        rdl_log(RDL_LOG_WARN, "kafka", "brokers_down", "source=%s brokers=%s", k->config.name,
                k->where.brokers);
    if (!is_final(code))
        return;
    rdl_err why = {0};
    rdl_err_set(&why, RDL_EREMOTE, 0, "could not connect to kafka at \"%s\": %s", k->where.brokers,
                reason);
    rdl_err_hint(&why,
                 "Check security.protocol, sasl.mechanism, sasl.username and sasl.password in "
                 "the source's OPTIONS.");
    rdl_err_area(why.code, &why, RDL_AREA_SOURCE);
    rdl_kafka_fail(k, &why);
}

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk;
    (void)level; /* what matters comes as an error too */
    rdl_log(RDL_LOG_DEBUG, "kafka", facility, "%s", text);
}

static void on_commit(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                      rd_kafka_topic_partition_list_t *list, void *arg)
{
    rdl_kafka *k = arg;
    (void)rk;
    (void)list;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR__NO_OFFSET ||
        k->commit_failed)
        return;
    k->commit_failed = true;
    rdl_log(RDL_LOG_WARN, "kafka", "group_not_told", "source=%s group=%s why=%s", k->config.name,
            k->group, rd_kafka_err2str(code));
}

rdl_code rdl_kafka_client_new(rdl_kafka *k, rdl_err *err)
{
    char why[300] = "";
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rdl_code rc = set_all(k, conf, err);
    if (rc != RDL_OK) {
        rd_kafka_conf_destroy(conf);
        return rc;
    }
    rd_kafka_conf_set_opaque(conf, k);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_offset_commit_cb(conf, on_commit);
    k->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    if (k->rk == NULL) {
        rd_kafka_conf_destroy(conf);
        rdl_err_set(err, RDL_EUSAGE, 0, "could not open source \"%s\": %s", k->config.name, why);
        return rdl_err_area(RDL_EUSAGE, err, RDL_AREA_CONFIG);
    }
    (void)rd_kafka_poll_set_consumer(k->rk);
    k->queue = rd_kafka_queue_get_consumer(k->rk);
    k->handles = RDL_NEWN(&k->arena, rd_kafka_topic_t *, k->where.topic_count + 1);
    for (size_t i = 0; i < k->where.topic_count; i++)
        k->handles[i] = rd_kafka_topic_new(k->rk, k->where.topics[i], NULL);
    return RDL_OK;
}

void rdl_kafka_client_free(rdl_kafka *k)
{
    if (k->rk == NULL)
        return;
    for (size_t i = 0; i < k->where.topic_count; i++) {
        if (k->handles[i] != NULL)
            rd_kafka_topic_destroy(k->handles[i]);
    }
    if (k->queue != NULL)
        rd_kafka_queue_destroy(k->queue);
    rd_kafka_destroy_flags(k->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    k->rk = NULL;
}

/* ---- topics ---- */

static rdl_code unreachable(rdl_kafka *k, rd_kafka_resp_err_t code, rdl_err *err)
{
    char last[300];
    rdl_mutex_lock(&k->lock);
    snprintf(last, sizeof last, "%s", k->last_error);
    rdl_mutex_unlock(&k->lock);
    rdl_err_set(err, RDL_ENET, RDL_ERR_RETRY, "could not reach kafka at \"%s\": %s",
                k->where.brokers, last[0] != '\0' ? last : rd_kafka_err2str(code));
    rdl_err_hint(err,
                 "Is a broker listening there, and do its advertised listeners name an address "
                 "that this machine reaches?");
    return rdl_err_area(RDL_ENET, err, RDL_AREA_SOURCE);
}

static rdl_code topic_refused(const char *topic, rd_kafka_resp_err_t code, rdl_err *err)
{
    bool missing =
        code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
    bool later = missing || code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
    rdl_err_set(err, RDL_EREMOTE, later ? RDL_ERR_RETRY : 0, "could not read topic \"%s\": %s",
                topic, missing ? "it does not exist" : rd_kafka_err2str(code));
    rdl_err_hint(err, missing ? "Create the topic, or correct the URL after FROM."
                              : "The user of the source needs READ and DESCRIBE on the topic.");
    return rdl_err_area(RDL_EREMOTE, err, RDL_AREA_SOURCE);
}

/* A part for each partition of the topic. */
static void take_topic(rdl_kafka *k, const rd_kafka_metadata_topic_t *t, bool *out_new)
{
    rdl_mutex_lock(&k->lock);
    for (int i = 0; i < t->partition_cnt; i++) {
        rdl_kafka_part *p = rdl_kafka_part_of(k, t->topic, t->partitions[i].id);
        *out_new |= !p->assigned;
    }
    rdl_mutex_unlock(&k->lock);
}

static rdl_code take_metadata(rdl_kafka *k, const rd_kafka_metadata_t *m, bool *out_new,
                              rdl_err *err)
{
    size_t found = 0;
    for (int i = 0; i < m->topic_cnt; i++) {
        const rd_kafka_metadata_topic_t *t = &m->topics[i];
        bool wanted = k->has_regex && regexec(&k->regex, t->topic, 0, NULL, 0) == 0 &&
                      strcmp(t->topic, "__consumer_offsets") != 0 &&
                      strcmp(t->topic, "__transaction_state") != 0;
        for (size_t j = 0; j < k->where.topic_count; j++)
            wanted |= strcmp(t->topic, k->where.topics[j]) == 0;
        if (!wanted)
            continue;
        if (t->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            return topic_refused(t->topic, t->err, err);
        take_topic(k, t, out_new);
        found++;
    }
    if (found < k->where.topic_count)
        return topic_refused(k->where.topics[0], RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, err);
    return RDL_OK;
}

static rdl_code check_cluster(rdl_kafka *k, rdl_err *err)
{
    char *id = rd_kafka_clusterid(k->rk, ASK_MS);
    if (id == NULL)
        return unreachable(k, RD_KAFKA_RESP_ERR__TIMED_OUT, err);
    rdl_mutex_lock(&k->lock);
    snprintf(k->cluster, sizeof k->cluster, "%s", id);
    rdl_mutex_unlock(&k->lock);
    rd_kafka_mem_free(k->rk, id);
    if (k->sealed_cluster == NULL || strcmp(k->sealed_cluster, k->cluster) == 0)
        return RDL_OK;
    rdl_err_set(err, RDL_EDATA, 0,
                "cannot go on with \"%s\": it is the cluster %s, and what was read came from the "
                "cluster %s",
                k->where.brokers, k->cluster, k->sealed_cluster);
    rdl_err_hint(err, "Offsets of one cluster mean nothing in another.  Correct the URL, or start "
                      "with a fresh root.");
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_SOURCE);
}

rdl_code rdl_kafka_discover(rdl_kafka *k, bool *out_new, rdl_err *err)
{
    const struct rd_kafka_metadata *m = NULL;
    *out_new = false;
    rd_kafka_resp_err_t code = rd_kafka_metadata(k->rk, k->has_regex, NULL, &m, ASK_MS);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return unreachable(k, code, err);
    rdl_code rc = k->cluster[0] == '\0' ? check_cluster(k, err) : RDL_OK;
    if (rc == RDL_OK)
        rc = take_metadata(k, m, out_new, err);
    rd_kafka_metadata_destroy(m);
    return rc;
}

/* ---- positions ---- */

rdl_code rdl_kafka_bounds(rdl_kafka *k, const rdl_kafka_part *p, int64_t *out_low,
                          int64_t *out_high, rdl_err *err)
{
    rd_kafka_resp_err_t code =
        rd_kafka_query_watermark_offsets(k->rk, p->topic, p->id, out_low, out_high, ASK_MS);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return RDL_OK;
    if (code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        return topic_refused(p->topic, code, err);
    return unreachable(k, code, err);
}

static rdl_code offset_at_time(rdl_kafka *k, const rdl_kafka_part *p, int64_t high, int64_t *out,
                               rdl_err *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *one = rd_kafka_topic_partition_list_add(list, p->topic, p->id);
    one->offset = (k->where.start_us + 999) / 1000; /* the first message not before it */
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(k->rk, list, ASK_MS);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = one->err;
    *out = one->offset >= 0 ? one->offset : high;
    rd_kafka_topic_partition_list_destroy(list);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? RDL_OK : unreachable(k, code, err);
}

static rdl_code explicit_offset(rdl_kafka *k, const rdl_kafka_part *p, int64_t low, int64_t high,
                                int64_t *out, rdl_err *err)
{
    *out = low;
    for (size_t i = 0; i < k->where.offset_count; i++) {
        const rdl_kafka_offset *o = &k->where.offsets[i];
        if (o->partition != p->id || strcmp(o->topic, p->topic) != 0)
            continue;
        *out = o->offset == RD_KAFKA_OFFSET_BEGINNING ? low
               : o->offset == RD_KAFKA_OFFSET_END     ? high
                                                      : o->offset;
    }
    if (*out >= low && *out <= high)
        return RDL_OK;
    rdl_err_set(err, RDL_EDATA, 0,
                "could not start %s at offset %" PRId64 ": the partition holds %" PRId64
                " to %" PRId64,
                p->name, *out, low, high);
    rdl_err_hint(err, "Correct the option start of the source.");
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_SOURCE);
}

static rdl_code first_start(rdl_kafka *k, const rdl_kafka_part *p, bool grown, int64_t low,
                            int64_t high, int64_t *out, rdl_err *err)
{
    *out = low;
    if (grown || k->any_sealed || k->where.start == RDL_KAFKA_EARLIEST)
        return RDL_OK; /* a partition that came later is read whole */
    if (k->where.start == RDL_KAFKA_OFFSETS)
        return explicit_offset(k, p, low, high, out, err);
    *out = high;
    return k->where.start == RDL_KAFKA_LATEST ? RDL_OK : offset_at_time(k, p, high, out, err);
}

rdl_code rdl_kafka_lost(rdl_kafka *k, rdl_kafka_part *p, int64_t from, int64_t low, rdl_err *err)
{
    if (!k->config.loss_continues) {
        rdl_err_set(err, RDL_EDATA, 0,
                    "cannot go on with %s at offset %" PRId64 ": retention removed offsets %" PRId64
                    " to %" PRId64 " before they were read",
                    p->name, from, from, low - 1);
        rdl_err_hint(err, "Say ON DATA LOSS CONTINUE at the source to go on without them; they are "
                          "then counted as lost.");
        return rdl_err_area(RDL_EDATA, err, RDL_AREA_SOURCE);
    }
    rdl_mutex_lock(&k->lock);
    if (p->lost_to <= p->sealed)
        p->lost_from = from;
    p->lost_to = low;
    p->position = low;
    rdl_mutex_unlock(&k->lock);
    rdl_log(RDL_LOG_WARN, "kafka", "data_lost",
            "source=%s partition=%s from=%" PRId64 " to=%" PRId64, k->config.name, p->name, from,
            low);
    return RDL_OK;
}

rdl_code rdl_kafka_position(rdl_kafka *k, rdl_kafka_part *p, bool grown, rdl_err *err)
{
    int64_t low = 0, high = 0, at = p->sealed;
    RDL_TRY(rdl_kafka_bounds(k, p, &low, &high, err));
    if (!p->is_sealed)
        RDL_TRY(first_start(k, p, grown, low, high, &at, err));
    if (at > high) {
        rdl_err_set(err, RDL_EDATA, 0,
                    "cannot go on with %s at offset %" PRId64 ": the partition ends at %" PRId64,
                    p->name, at, high);
        rdl_err_hint(err,
                     "The topic was deleted and made anew, or lost its newest messages.  Start "
                     "with a fresh root, or give the topic another name.");
        return rdl_err_area(RDL_EDATA, err, RDL_AREA_SOURCE);
    }
    rdl_mutex_lock(&k->lock);
    p->position = at;
    if (!p->is_sealed)
        p->sealed = p->planned = at;
    rdl_mutex_unlock(&k->lock);
    if (at < low)
        RDL_TRY(rdl_kafka_lost(k, p, at, low, err));
    rdl_mutex_lock(&k->lock);
    p->positioned = true;
    rdl_mutex_unlock(&k->lock);
    return RDL_OK;
}

static rdl_code assign_failed(rdl_kafka *k, const char *why, rdl_err *err)
{
    rdl_err_set(err, RDL_EREMOTE, 0, "could not read from kafka at \"%s\": %s", k->where.brokers,
                why);
    return rdl_err_area(RDL_EREMOTE, err, RDL_AREA_SOURCE);
}

rdl_code rdl_kafka_assign(rdl_kafka *k, rdl_err *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)k->parts.n + 1);
    bool first = true;
    rdl_mutex_lock(&k->lock);
    for (size_t i = 0; i < k->parts.n; i++) {
        rdl_kafka_part *p = k->parts.v[i];
        first &= !p->assigned;
        if (p->assigned || !p->positioned)
            continue;
        rd_kafka_topic_partition_list_add(list, p->topic, p->id)->offset = p->position;
        p->assigned = true;
    }
    rdl_mutex_unlock(&k->lock);
    rdl_code rc = RDL_OK;
    if (first) {
        rd_kafka_resp_err_t code = rd_kafka_assign(k->rk, list);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
            rc = assign_failed(k, rd_kafka_err2str(code), err);
    } else if (list->cnt > 0) {
        rd_kafka_error_t *e = rd_kafka_incremental_assign(k->rk, list);
        if (e != NULL)
            rc = assign_failed(k, rd_kafka_error_string(e), err);
        rd_kafka_error_destroy(e);
    }
    rd_kafka_topic_partition_list_destroy(list);
    return rc;
}

/* ---- the group ---- */

void rdl_kafka_commit(rdl_kafka *k, bool wait)
{
    rdl_mutex_lock(&k->lock);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)k->parts.n + 1);
    for (size_t i = 0; i < k->parts.n; i++) {
        const rdl_kafka_part *p = k->parts.v[i];
        /* What lies between the last record and the end is nothing to wait for. */
        bool all = p->first == NULL && p->positioned && p->planned == p->sealed;
        if (p->is_sealed && p->assigned)
            rd_kafka_topic_partition_list_add(list, p->topic, p->id)->offset =
                all ? p->position : p->sealed;
    }
    rdl_mutex_unlock(&k->lock);
    if (list->cnt > 0 && !wait) {
        (void)rd_kafka_commit(k->rk, list, 1);
    } else if (list->cnt > 0) {
        rd_kafka_queue_t *answer = rd_kafka_queue_new(k->rk);
        if (rd_kafka_commit_queue(k->rk, list, answer, NULL, NULL) == RD_KAFKA_RESP_ERR_NO_ERROR) {
            rd_kafka_event_t *e = rd_kafka_queue_poll(answer, COMMIT_MS);
            if (e != NULL)
                rd_kafka_event_destroy(e);
        }
        rd_kafka_queue_destroy(answer);
    }
    rd_kafka_topic_partition_list_destroy(list);
}
