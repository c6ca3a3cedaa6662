/*
 * source/kafka_reader.c - the reader thread: from librdkafka's queue into blocks.
 *
 * CONNECTING  topics are asked for until a broker answers (with backoff), then every partition's
 *             start is found and checked, then all are assigned at once: `running`.
 * RUNNING     one message is waited for, then all that are there are taken, up to a batch; they are
 *             copied under the lock, and the epoch thread is woken when it has nothing yet, and
 *             once more when an epoch's worth is there.
 *             Every discover_interval the topics are asked for again: partitions and topics that
 *             are new are read from their first message.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "source/kafka.h"

enum {
    BLOCK_BYTES = 512 << 10,
    BLOCK_FIRST_BYTES = 16 << 10,
    BLOCK_RECORDS = 8192,
    SPARE_MAX = 256,
    WAIT_MS = 1000,
    MISSING_MS = 5000, /* a topic that was made just now may not be known everywhere */
};

/* ---- parts and blocks ---- */

rdl_kafka_part *rdl_kafka_part_of(rdl_kafka *k, const char *topic, int32_t id)
{
    for (size_t i = 0; i < k->parts.n; i++) {
        if (k->parts.v[i]->id == id && strcmp(k->parts.v[i]->topic, topic) == 0)
            return k->parts.v[i];
    }
    rdl_kafka_part *p = RDL_NEW(&k->arena, rdl_kafka_part);
    *p = (rdl_kafka_part){
        .topic = rdl_arena_strdup(&k->arena, topic),
        .id = id,
        .name = rdl_arena_printf(&k->arena, "%s/%" PRId32, topic, id),
        .number = -1,
        .position = -1,
        .stop_at = -1,
    };
    RDL_PUSH(&k->arena, &k->parts) = p;
    return p;
}

void rdl_kafka_block_free(rdl_kafka *k, rdl_kafka_block *b)
{
    if (b->cap == BLOCK_BYTES && k->spare_count < SPARE_MAX && !k->closing) {
        b->next = k->spare;
        k->spare = b;
        k->spare_count++;
        return;
    }
    free(b->bytes); /* allow: a block lives from fetch to seal */
    free(b->v);     /* allow: a block lives from fetch to seal */
    free(b);        /* allow: a block lives from fetch to seal */
}

static rdl_kafka_block *block_new(rdl_kafka *k)
{
    rdl_kafka_block *b = k->spare;
    if (b != NULL) {
        k->spare = b->next;
        k->spare_count--;
        b->next = NULL;
        b->used = b->n = 0;
        b->closed = false;
        return b;
    }
    return calloc(1, sizeof *b); /* allow: a block lives from fetch to seal */
}

/* Room for a message of `need` bytes; the block is open, nobody else reads it (Q2). */
static bool block_room(rdl_kafka_block *b, size_t need)
{
    size_t want = b->used + need + RDL_RECORDS_PAD;
    if (want > b->cap) {
        size_t cap = b->cap == 0 ? BLOCK_FIRST_BYTES : b->cap;
        while (cap < want)
            cap *= 2;
        char *bytes = realloc(b->bytes, cap); /* allow: a block lives from fetch to seal */
        if (bytes == NULL)
            return false;
        b->bytes = bytes;
        b->cap = cap;
    }
    if (b->n == b->n_cap) {
        size_t cap = b->n_cap == 0 ? 128 : b->n_cap * 2;
        rdl_record *v = realloc(b->v, cap * sizeof *v); /* allow: as its bytes */
        if (v == NULL)
            return false;
        b->v = v;
        b->n_cap = cap;
    }
    return true;
}

static rdl_kafka_block *open_block(rdl_kafka *k, rdl_kafka_part *p, size_t need)
{
    rdl_kafka_block *b = p->last;
    bool full = b == NULL || b->closed || b->n == BLOCK_RECORDS ||
                (b->n > 0 && b->used + need + RDL_RECORDS_PAD > BLOCK_BYTES);
    if (full) {
        b = block_new(k);
        if (b == NULL)
            return NULL;
        if (p->last == NULL)
            p->first = b;
        else
            p->last->next = b;
        p->last = b;
    }
    return block_room(b, need) ? b : NULL;
}

/* ---- one message ---- */

static void put_header_text(rdl_buf *out, const char *p, size_t n)
{
    rdl_buf_put_json_text(out, (rdl_str){p, n});
}

/* [{"key":..,"value":..}], or {"key":"value"} for a map; a later one of the same key wins there. */
static void headers_text(const rdl_kafka *k, const rd_kafka_message_t *m, rdl_buf *out)
{
    rd_kafka_headers_t *headers;
    if (rd_kafka_message_headers(m, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    const char *name;
    const void *value;
    size_t n, put = 0;
    rdl_buf_putc(out, k->headers_as_map ? '{' : '[');
    for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &n) == 0; i++) {
        const void *later;
        size_t later_n;
        if (k->headers_as_map &&
            (rd_kafka_header_get_last(headers, name, &later, &later_n) != 0 || later != value))
            continue;
        rdl_buf_puts(out, put++ > 0 ? "," : "");
        rdl_buf_puts(out, k->headers_as_map ? "" : "{\"key\":");
        put_header_text(out, name, strlen(name));
        rdl_buf_puts(out, k->headers_as_map ? ":" : ",\"value\":");
        if (value == NULL)
            rdl_buf_puts(out, "null");
        else
            put_header_text(out, value, n);
        rdl_buf_puts(out, k->headers_as_map ? "" : "}");
    }
    rdl_buf_putc(out, k->headers_as_map ? '}' : ']');
}

static bool store(rdl_kafka *k, rdl_kafka_part *p, const rd_kafka_message_t *m)
{
    rdl_buf headers = {0};
    rd_kafka_timestamp_type_t type;
    int64_t ms = rd_kafka_message_timestamp(m, &type);
    if (k->wants_headers)
        headers_text(k, m, &headers);
    size_t key = k->wants_key && m->key != NULL ? m->key_len : 0;
    size_t need = key + m->len + 1 + headers.n;
    rdl_kafka_block *b = need < UINT32_MAX / 2 ? open_block(k, p, need) : NULL;
    if (b != NULL) {
        char *to = b->bytes + b->used;
        if (key > 0)
            memcpy(to, m->key, key);
        to += key;
        if (m->len > 0)
            memcpy(to, m->payload, m->len);
        to[m->len] = '\0';
        if (headers.n > 0)
            memcpy(to + m->len + 1, headers.p, headers.n);
        b->v[b->n++] = (rdl_record){
            .offset = m->offset,
            .timestamp_us = type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? INT64_MIN : ms * 1000,
            .at = (uint32_t)(b->used + key),
            .bytes = m->payload != NULL ? (int32_t)m->len : -1,
            .key_bytes = k->wants_key && m->key != NULL ? (int32_t)key : -1,
            .header_bytes = (uint32_t)headers.n,
        };
        b->used += need;
        memset(b->bytes + b->used, 0, RDL_RECORDS_PAD);
        k->waiting_bytes += need;
        k->waiting_rows++;
    }
    rdl_buf_fini(&headers);
    return b != NULL;
}

static rdl_kafka_part *part_of_message(rdl_kafka *k, const rd_kafka_message_t *m)
{
    if (k->last_part == NULL || k->last_topic != m->rkt || k->last_part->id != m->partition) {
        k->last_part = rdl_kafka_part_of(k, rd_kafka_topic_name(m->rkt), m->partition);
        k->last_topic = m->rkt;
    }
    return k->last_part;
}

/* Retention overtook a position, or the partition lost its end; outside of the lock. */
static rdl_code out_of_range(rdl_kafka *k, rdl_kafka_part *p, rdl_err *err)
{
    int64_t low = 0, high = 0, at = p->position;
    RDL_TRY(rdl_kafka_bounds(k, p, &low, &high, err));
    if (at < low) {
        RDL_TRY(rdl_kafka_lost(k, p, at, low, err));
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
        rd_kafka_topic_partition_list_add(list, p->topic, p->id)->offset = low;
        rd_kafka_error_t *e = rd_kafka_seek_partitions(k->rk, list, WAIT_MS);
        rd_kafka_topic_partition_list_destroy(list);
        if (e == NULL)
            return RDL_OK;
        rdl_err_set(err, RDL_EREMOTE, 0, "could not go on with %s at offset %" PRId64 ": %s",
                    p->name, low, rd_kafka_error_string(e));
        rd_kafka_error_destroy(e);
        return rdl_err_area(RDL_EREMOTE, err, RDL_AREA_SOURCE);
    }
    rdl_err_set(err, RDL_EDATA, 0,
                "cannot go on with %s at offset %" PRId64 ": the partition holds %" PRId64
                " to %" PRId64,
                p->name, at, low, high);
    rdl_err_hint(err, "The topic was deleted and made anew, or lost its newest messages.");
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_SOURCE);
}

/* An error that came instead of a message; outside of the lock. */
static rdl_code take_error(rdl_kafka *k, const rd_kafka_message_t *m, rdl_err *err)
{
    if (m->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
        m->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE) {
        rdl_mutex_lock(&k->lock);
        rdl_kafka_part *p = m->rkt != NULL ? part_of_message(k, m) : NULL;
        rdl_mutex_unlock(&k->lock);
        return p != NULL ? out_of_range(k, p, err) : RDL_OK;
    }
    if (m->err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
        rdl_err_set(err, RDL_EREMOTE, 0, "could not read topic \"%s\": %s",
                    m->rkt != NULL ? rd_kafka_topic_name(m->rkt) : "?", rd_kafka_err2str(m->err));
        rdl_err_hint(err, "The user of the source needs READ and DESCRIBE on the topic.");
        return rdl_err_area(RDL_EREMOTE, err, RDL_AREA_SOURCE);
    }
    rdl_log(RDL_LOG_WARN, "kafka", "fetch", "source=%s why=%s", k->config.name,
            rd_kafka_message_errstr(m));
    return RDL_OK;
}

/* Under the lock. */
static rdl_code take_message(rdl_kafka *k, const rd_kafka_message_t *m, rdl_err *err)
{
    rdl_kafka_part *p = part_of_message(k, m);
    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        p->position = m->offset > p->position ? m->offset : p->position;
        return RDL_OK;
    }
    if (m->offset < p->position)
        return RDL_OK; /* it lies in a block already */
    bool wanted = p->stop_at < 0 || m->offset < p->stop_at;
    if (wanted && !store(k, p, m))
        return rdl_err_nomem(err);
    p->position = m->offset + 1;
    return RDL_OK;
}

/* ---- batches ---- */

static bool must_wait(const rdl_kafka *k)
{
    return !k->closing && !k->failed && k->waiting_bytes >= k->where.fetch_bytes;
}

/* Under the lock: what the epoch thread waits for has come. */
static void tell(rdl_kafka *k)
{
    bool full = k->waiting_bytes >= k->where.fetch_bytes ||
                (k->wanted_rows > 0 && k->waiting_rows >= k->wanted_rows);
    rdl_cond_broadcast(&k->changed);
    if (k->config.watch != NULL &&
        ((k->waiting_rows > 0 && !k->woken) || (full && !k->told_ready))) {
        k->woken = true;
        k->told_ready = full;
        rdl_watch_wake(k->config.watch);
    }
}

/* A broker has answered. */
static void note_up(rdl_kafka *k)
{
    rdl_mutex_lock(&k->lock);
    bool was_down = k->down;
    k->down = false;
    rdl_mutex_unlock(&k->lock);
    if (was_down)
        rdl_log(RDL_LOG_WARN, "kafka", "brokers_up", "source=%s", k->config.name);
}

static rdl_code take_batch(rdl_kafka *k, size_t n, rdl_err *err)
{
    rdl_code rc = RDL_OK;
    rdl_mutex_lock(&k->lock);
    for (size_t i = 0; i < n && rc == RDL_OK; i++) {
        const rd_kafka_message_t *m = k->batch[i];
        if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR || m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            rc = take_message(k, m, err);
            continue;
        }
        rdl_mutex_unlock(&k->lock);
        rc = take_error(k, m, err);
        rdl_mutex_lock(&k->lock);
    }
    tell(k);
    rdl_mutex_unlock(&k->lock);
    if (rc == RDL_OK)
        note_up(k);
    for (size_t i = 0; i < n; i++)
        rd_kafka_message_destroy(k->batch[i]);
    return rc;
}

/* One is waited for; a batch would wait until it is full. */
static rdl_code fetch(rdl_kafka *k, int64_t wait_ms, rdl_err *err)
{
    enum { BATCH = sizeof k->batch / sizeof k->batch[0] };
    rd_kafka_message_t *first = rd_kafka_consume_queue(k->queue, (int)wait_ms);
    if (first == NULL)
        return RDL_OK;
    k->batch[0] = first;
    ssize_t more = rd_kafka_consume_batch_queue(k->queue, 0, k->batch + 1, BATCH - 1);
    return take_batch(k, 1 + (more > 0 ? (size_t)more : 0), err);
}

/* ---- the thread ---- */

static bool is_closing(rdl_kafka *k)
{
    rdl_mutex_lock(&k->lock);
    bool closing = k->closing || k->failed;
    rdl_mutex_unlock(&k->lock);
    return closing;
}

static void pause_ms(rdl_kafka *k, int64_t ms)
{
    rdl_mutex_lock(&k->lock);
    int64_t until = rdl_monotonic_us() + ms * 1000;
    for (int64_t left = ms; left > 0 && !k->closing && !k->failed;
         left = (until - rdl_monotonic_us()) / 1000)
        (void)rdl_cond_wait_ms(&k->room, &k->lock, left);
    rdl_mutex_unlock(&k->lock);
}

/* Parts without a position get one, and are assigned. */
static rdl_code begin_parts(rdl_kafka *k, bool grown, rdl_err *err)
{
    for (size_t i = 0; i < k->parts.n; i++) {
        rdl_kafka_part *p = k->parts.v[i];
        if (!p->positioned)
            RDL_TRY(rdl_kafka_position(k, p, grown, err));
        if (grown)
            rdl_log(RDL_LOG_INFO, "kafka", "partition_read", "source=%s partition=%s",
                    k->config.name, p->name);
    }
    return rdl_kafka_assign(k, err);
}

/* Errors that wait for us before anything is assigned. */
static void hear(rdl_kafka *k)
{
    rd_kafka_message_t *m = rd_kafka_consume_queue(k->queue, 0);
    if (m != NULL)
        rd_kafka_message_destroy(m);
}

static rdl_code connect_once(rdl_kafka *k, rdl_err *err)
{
    bool any;
    RDL_TRY(rdl_kafka_discover(k, &any, err));
    return begin_parts(k, false, err);
}

/* Until it works or cannot; what it says is said when it changes. */
static rdl_code connect_all(rdl_kafka *k, rdl_err *err)
{
    const int64_t began = rdl_monotonic_us();
    bool said = false;
    for (int64_t rest_ms = 100; !is_closing(k); rest_ms = rest_ms * 2 < 5000 ? rest_ms * 2 : 5000) {
        memset(err, 0, sizeof *err);
        rdl_code rc = connect_once(k, err);
        if (rc == RDL_OK)
            return RDL_OK;
        bool again = (err->flags & RDL_ERR_RETRY) != 0;
        if (rc == RDL_EREMOTE && rdl_monotonic_us() - began > MISSING_MS * 1000)
            again = false;
        if (!again)
            return rc;
        rdl_mutex_lock(&k->lock);
        snprintf(k->last_error, sizeof k->last_error, "%.280s", err->msg);
        rdl_mutex_unlock(&k->lock);
        if (!said && rc == RDL_ENET)
            rdl_log_err(RDL_LOG_WARN, "kafka", "waiting_for_brokers", err);
        said |= rc == RDL_ENET;
        hear(k);
        pause_ms(k, rest_ms);
    }
    return RDL_ESTOP;
}

static rdl_code grow(rdl_kafka *k, rdl_err *err)
{
    bool any = false;
    int64_t now = rdl_monotonic_us();
    if (now - k->discovered_us < k->where.discover_us)
        return RDL_OK;
    k->discovered_us = now;
    rdl_code rc = rdl_kafka_discover(k, &any, err);
    if (rc == RDL_OK)
        note_up(k);
    if (rc == RDL_OK && any)
        rc = begin_parts(k, true, err);
    if (rc == RDL_OK || (err->flags & RDL_ERR_RETRY) == 0)
        return rc;
    memset(err, 0, sizeof *err);
    return RDL_OK; /* brokers are away; asked again */
}

static rdl_code serve(rdl_kafka *k, rdl_err *err)
{
    RDL_TRY(connect_all(k, err));
    k->discovered_us = rdl_monotonic_us();
    rdl_mutex_lock(&k->lock);
    k->running = true;
    rdl_cond_broadcast(&k->changed);
    rdl_mutex_unlock(&k->lock);
    while (!is_closing(k)) {
        rdl_mutex_lock(&k->lock);
        while (must_wait(k))
            rdl_cond_wait(&k->room, &k->lock);
        rdl_mutex_unlock(&k->lock);
        int64_t due = k->discovered_us + k->where.discover_us - rdl_monotonic_us();
        int64_t wait_ms = due / 1000 + 1 < WAIT_MS ? due / 1000 + 1 : WAIT_MS;
        RDL_TRY(fetch(k, wait_ms > 0 ? wait_ms : 0, err));
        RDL_TRY(grow(k, err));
    }
    return RDL_OK;
}

static void *reader(void *arg)
{
    rdl_kafka *k = arg;
    rdl_err err = {0};
    rdl_code rc = serve(k, &err);
    if (rc != RDL_OK && rc != RDL_ESTOP)
        rdl_kafka_fail(k, &err);
    return NULL;
}

void rdl_kafka_fail(rdl_kafka *k, const rdl_err *why)
{
    rdl_mutex_lock(&k->lock);
    if (!k->failed)
        k->failure = *why;
    k->failed = true;
    rdl_cond_broadcast(&k->changed);
    rdl_cond_broadcast(&k->room);
    rdl_mutex_unlock(&k->lock);
    if (k->config.watch != NULL)
        rdl_watch_wake(k->config.watch);
}

rdl_code rdl_kafka_reader_start(rdl_kafka *k, rdl_err *err)
{
    if (k->thread != NULL)
        return RDL_OK;
    return rdl_thread_start("kafka-reader", reader, k, &k->thread, err);
}

void rdl_kafka_reader_stop(rdl_kafka *k)
{
    if (k->thread == NULL)
        return;
    rdl_mutex_lock(&k->lock);
    k->closing = true;
    rdl_cond_broadcast(&k->room);
    rdl_mutex_unlock(&k->lock);
    if (k->queue != NULL)
        rd_kafka_queue_yield(k->queue);
    (void)rdl_thread_join(k->thread);
    k->thread = NULL;
}
