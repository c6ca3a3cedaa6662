/*
 * source/kafka.c - topics of Kafka behind the contract of source.h.
 *
 * A range is what lies between two offsets of one partition: its records are in the partition's
 * blocks (kafka.h), the rest is absent.  A partition that nothing is sealed of gets an empty range
 * beside the first others, so that where it began is remembered: at once, when that was not its
 * earliest message.
 */
#include "source/kafka.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/fault.h"

enum {
    LOOK_MS = 50, /* how often a waiting call looks whether it should stop */
};

static rdl_kafka *self(rdl_source *s)
{
    return (rdl_kafka *)(void *)s;
}

/* ---- life ---- */

static void kafka_close(rdl_source *s)
{
    if (s == NULL)
        return;
    rdl_kafka *k = self(s);
    if (k->thread != NULL && k->running && !k->down && !k->failed)
        rdl_kafka_commit(k, true);
    rdl_kafka_reader_stop(k);
    rdl_kafka_client_free(k);
    k->closing = true;
    for (size_t i = 0; i < k->parts.n; i++) {
        for (rdl_kafka_block *b = k->parts.v[i]->first, *next; b != NULL; b = next) {
            next = b->next;
            rdl_kafka_block_free(k, b);
        }
    }
    for (rdl_kafka_block *b = k->spare, *next; b != NULL; b = next) {
        next = b->next;
        rdl_kafka_block_free(k, b);
    }
    if (k->has_regex)
        regfree(&k->regex);
    rdl_cond_fini(&k->changed);
    rdl_cond_fini(&k->room);
    rdl_mutex_fini(&k->lock);
    rdl_arena_fini(&k->arena);
    free(k); /* allow: the source itself */
}

/* The caller's options live longer than the source; their array is ours. */
static void keep_config(rdl_kafka *k, const rdl_source_config *config)
{
    rdl_source_option *options = RDL_NEWN(&k->arena, rdl_source_option, config->option_count + 1);
    for (size_t i = 0; i < config->option_count; i++)
        options[i] = config->options[i];
    k->config = *config;
    k->config.options = options;
    k->config.url = rdl_arena_strdup(&k->arena, config->url);
    k->config.name = rdl_arena_strdup(&k->arena, config->name);
    k->group =
        rdl_arena_printf(&k->arena, "raudal.%s.%s",
                         config->pipeline != NULL ? config->pipeline : "pipeline", config->name);
    for (size_t i = 0; i < config->option_count; i++) {
        if (rdl_str_eq(options[i].name, RDL_STR("group.id")))
            k->group = rdl_arena_strndup(&k->arena, options[i].value.p, options[i].value.n);
    }
    for (size_t i = 0; i < config->spec->column_count; i++) {
        const rdl_decode_column *c = &config->spec->columns[i];
        k->wants_key |= c->from == RDL_FROM_KEY;
        k->wants_headers |= c->from == RDL_FROM_HEADERS;
        k->headers_as_map |= c->from == RDL_FROM_HEADERS && c->type->kind == RDL_TYPE_MAP;
    }
}

static rdl_code compile_pattern(rdl_kafka *k, rdl_err *err)
{
    char why[200];
    int bad = regcomp(&k->regex, k->where.pattern, REG_EXTENDED | REG_NOSUB);
    k->has_regex = bad == 0;
    if (bad == 0)
        return RDL_OK;
    regerror(bad, &k->regex, why, sizeof why);
    rdl_err_set(err, RDL_EUSAGE, 0, "could not read the pattern \"%s\": %s", k->where.pattern, why);
    return rdl_err_area(RDL_EUSAGE, err, RDL_AREA_CONFIG);
}

static rdl_code kafka_open(const rdl_source_config *config, rdl_source **out, rdl_err *err)
{
    rdl_kafka *k = calloc(1, sizeof *k); /* allow: the source itself */
    if (k == NULL)
        return rdl_err_nomem(err);
    rdl_arena_init(&k->arena, 0);
    rdl_mutex_init(&k->lock);
    rdl_cond_init(&k->changed);
    rdl_cond_init(&k->room);
    k->head.ops = &rdl_source_kafka;
    keep_config(k, config);
    rdl_code rc = rdl_kafka_where_read(&k->arena, &k->config, &k->where, err);
    if (rc == RDL_OK && k->where.pattern != NULL)
        rc = compile_pattern(k, err);
    if (rc == RDL_OK)
        rc = rdl_kafka_client_new(k, err);
    if (rc != RDL_OK) {
        kafka_close(&k->head);
        return rc;
    }
    *out = &k->head;
    return RDL_OK;
}

/* ---- waiting ---- */

static rdl_code give_failure(rdl_kafka *k, rdl_err *err)
{
    *err = k->failure;
    return err->code;
}

/* Under the lock.  Nobody answers for longer than --once should wait. */
static rdl_code give_up(const rdl_kafka *k, int64_t since_us, rdl_err *err)
{
    if (rdl_monotonic_us() - since_us < k->where.connect_us)
        return RDL_OK;
    rdl_err_set(err, RDL_ENET, RDL_ERR_RETRY, "could not read from kafka at \"%s\": %s",
                k->where.brokers, k->last_error[0] != '\0' ? k->last_error : "no broker answers");
    rdl_err_hint(err,
                 "Start the broker; nothing is lost.  The option connect_timeout says how long "
                 "to wait.");
    return rdl_err_area(RDL_ENET, err, RDL_AREA_SOURCE);
}

static bool is_stopped(const rdl_kafka *k)
{
    return k->config.stop != NULL && *k->config.stop != 0;
}

/* Under the lock: until the reader runs; RDL_ESTOP when asked to stop. */
static rdl_code wait_running(rdl_kafka *k, rdl_err *err)
{
    const int64_t began = rdl_monotonic_us();
    while (!k->running) {
        if (k->failed)
            return give_failure(k, err);
        if (is_stopped(k))
            return rdl_err_set(err, RDL_ESTOP, 0, "stopped while waiting for kafka");
        RDL_TRY(give_up(k, began, err));
        (void)rdl_cond_wait_ms(&k->changed, &k->lock, LOOK_MS);
    }
    return RDL_OK;
}

static rdl_code kafka_freeze(rdl_source *s, rdl_err *err)
{
    rdl_kafka *k = self(s);
    RDL_TRY(rdl_kafka_reader_start(k, err));
    rdl_mutex_lock(&k->lock);
    rdl_code rc = wait_running(k, err);
    size_t n = k->parts.n;
    rdl_mutex_unlock(&k->lock);
    if (rc == RDL_ESTOP)
        return RDL_OK; /* the run ends before its first epoch */
    for (size_t i = 0; rc == RDL_OK && i < n; i++) {
        int64_t low, high;
        rdl_mutex_lock(&k->lock);
        rdl_kafka_part *p = k->parts.v[i];
        rdl_mutex_unlock(&k->lock);
        rc = rdl_kafka_bounds(k, p, &low, &high, err);
        rdl_mutex_lock(&k->lock);
        p->stop_at = rc == RDL_OK ? high : p->stop_at;
        rdl_mutex_unlock(&k->lock);
    }
    rdl_mutex_lock(&k->lock);
    k->frozen = rc == RDL_OK;
    rdl_mutex_unlock(&k->lock);
    return rc;
}

/* Under the lock: is everything up to the freeze fetched? */
static bool reached_end(const rdl_kafka *k)
{
    for (size_t i = 0; i < k->parts.n; i++) {
        const rdl_kafka_part *p = k->parts.v[i];
        if (p->stop_at >= 0 && p->position < p->stop_at)
            return false;
    }
    return true;
}

static bool holds_enough(const rdl_kafka *k, const rdl_source_limits *l)
{
    return k->waiting_bytes >= k->where.fetch_bytes ||
           (l->rows_max > 0 && k->waiting_rows >= l->rows_max) ||
           (l->bytes_max > 0 && k->waiting_bytes >= l->bytes_max);
}

/* Under the lock: --once wants full epochs, and an end. */
static rdl_code wait_enough(rdl_kafka *k, const rdl_source_limits *l, rdl_err *err)
{
    while (!reached_end(k) && !holds_enough(k, l) && !is_stopped(k)) {
        if (k->failed)
            return give_failure(k, err);
        if (k->down)
            RDL_TRY(give_up(k, k->down_us, err));
        (void)rdl_cond_wait_ms(&k->changed, &k->lock, LOOK_MS);
    }
    return RDL_OK;
}

/* ---- ranges ---- */

typedef struct allowance {
    uint64_t rows, bytes;
} allowance;

/* What is left of the limits, shared by the partitions that still want some. */
static allowance share(const allowance *left, size_t parts)
{
    return (allowance){left->rows / parts + (left->rows % parts != 0),
                       left->bytes / parts + (left->bytes % parts != 0)};
}

static uint64_t bytes_of(const rdl_record *r)
{
    return (uint64_t)(r->bytes > 0 ? r->bytes : 0) + 1 + r->header_bytes +
           (uint64_t)(r->key_bytes > 0 ? r->key_bytes : 0);
}

static void close_block(rdl_kafka_part *p, rdl_kafka_block *b)
{
    b->closed = true;
    b->records = (rdl_records){b->bytes, b->v, p->topic, p->id};
}

/* The first record at or after the offset. */
static size_t find(const rdl_kafka_block *b, int64_t offset)
{
    size_t low = 0, high = b->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (b->v[middle].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Take records from `planned` on; the range ends behind the last, or at the position when all are
 * taken. */
static void take(rdl_kafka *k, rdl_kafka_part *p, allowance may, rdl_range *r)
{
    int64_t stop = p->stop_at >= 0 && p->stop_at < p->position ? p->stop_at : p->position;
    int64_t end = stop;
    bool full = false;
    for (rdl_kafka_block *b = p->first; b != NULL && !full; b = b->next) {
        if (b->n == 0 || b->v[b->n - 1].offset < p->planned)
            continue;
        close_block(p, b);
        for (size_t i = find(b, p->planned); i < b->n && b->v[i].offset < stop; i++) {
            full = r->records > 0 && (r->records >= may.rows || r->bytes >= may.bytes);
            if (full) {
                end = b->v[i].offset;
                break;
            }
            r->records++;
            r->bytes += bytes_of(&b->v[i]);
        }
    }
    r->u.kafka.begin = (uint64_t)p->planned;
    r->u.kafka.end = (uint64_t)end;
    r->u.kafka.absent = (uint64_t)(end - p->planned) - r->records;
    int64_t from = p->lost_from > p->planned ? p->lost_from : p->planned;
    int64_t to = p->lost_to < end ? p->lost_to : end;
    r->u.kafka.lost = to > from ? (uint64_t)(to - from) : 0;
    p->planned = end;
    k->waiting_bytes -= r->bytes < k->waiting_bytes ? r->bytes : k->waiting_bytes;
    k->waiting_rows -= r->records < k->waiting_rows ? r->records : k->waiting_rows;
}

/* Has it records that were not given? */
static bool has_records(const rdl_kafka_part *p)
{
    const rdl_kafka_block *b = p->last;
    return b != NULL && b->n > 0 && b->v[b->n - 1].offset >= p->planned;
}

/* Absent offsets alone are worth a range at the end of --once, and where some were lost. */
static bool wants_range(const rdl_kafka_part *p, bool final)
{
    int64_t stop = p->stop_at >= 0 && p->stop_at < p->position ? p->stop_at : p->position;
    return p->positioned && (has_records(p) || (final && stop > p->planned) ||
                             (p->lost_to > p->planned && p->position > p->planned));
}

/* Nothing of it is sealed: the place where it began must be, before anything else can be lost. */
static bool wants_mark(const rdl_kafka *k, const rdl_kafka_part *p, bool others)
{
    return p->positioned && !p->is_sealed &&
           (others || (k->where.start != RDL_KAFKA_EARLIEST && !k->any_sealed));
}

static void give(rdl_kafka *k, rdl_arena *a, const rdl_source_limits *l, rdl_range **out,
                 size_t *out_n)
{
    size_t n = k->parts.n, wanting = 0;
    RDL_VEC(rdl_range) list = {0};
    allowance left = {l->rows_max > 0 ? l->rows_max : UINT64_MAX,
                      l->bytes_max > 0 ? l->bytes_max : UINT64_MAX};
    for (size_t i = 0; i < n; i++)
        wanting += wants_range(k->parts.v[i], l->final);
    bool others = wanting > 0;
    for (size_t i = 0; i < n; i++) {
        rdl_kafka_part *p = k->parts.v[(i + k->turn) % n];
        bool wants = wants_range(p, l->final);
        if (!wants && !wants_mark(k, p, others))
            continue;
        rdl_range *r = &RDL_PUSH(a, &list);
        *r = (rdl_range){.kind = RDL_RANGE_KAFKA,
                         .number = p->number,
                         .name = p->name,
                         .u.kafka = {.cluster = k->cluster, .topic = p->topic, .partition = p->id}};
        r->u.kafka.begin = r->u.kafka.end = (uint64_t)p->planned;
        if (!wants)
            continue;
        take(k, p, share(&left, wanting--), r);
        left.rows -= r->records < left.rows ? r->records : left.rows;
        left.bytes -= r->bytes < left.bytes ? r->bytes : left.bytes;
    }
    k->turn++;
    *out = list.v;
    *out_n = list.n;
}

static rdl_code kafka_next(rdl_source *s, rdl_arena *a, const rdl_source_limits *limits,
                           rdl_range **out, size_t *out_n, rdl_err *err)
{
    rdl_kafka *k = self(s);
    rdl_code rc = RDL_OK;
    *out = NULL;
    *out_n = 0;
    if (limits->final && !k->frozen && !is_stopped(k))
        RDL_TRY(kafka_freeze(s, err));
    RDL_TRY(rdl_kafka_reader_start(k, err));
    rdl_mutex_lock(&k->lock);
    if (limits->final && k->frozen)
        rc = wait_enough(k, limits, err);
    if (rc == RDL_OK && k->failed)
        rc = give_failure(k, err);
    if (rc == RDL_OK && k->running)
        give(k, a, limits, out, out_n);
    k->woken = k->told_ready = false;
    k->wanted_rows = limits->rows_max;
    rdl_cond_broadcast(&k->room);
    rdl_mutex_unlock(&k->lock);
    (void)RDL_FAULT_AT(KAFKA_GIVEN);
    return rc;
}

static rdl_code kafka_inputs(rdl_source *s, rdl_arena *a, const rdl_range *ranges, size_t n,
                             rdl_source_inputs *out, rdl_err *err)
{
    rdl_kafka *k = self(s);
    (void)err;
    rdl_mutex_lock(&k->lock);
    for (size_t i = 0; i < n; i++) {
        const rdl_kafka_range *r = &ranges[i].u.kafka;
        if (ranges[i].records == 0)
            continue;
        const rdl_kafka_part *p = rdl_kafka_part_of(k, r->topic, r->partition);
        for (const rdl_kafka_block *b = p->first; b != NULL && b->closed; b = b->next) {
            size_t from = find(b, (int64_t)r->begin), to = find(b, (int64_t)r->end);
            if (from == to)
                continue;
            RDL_PUSH(a, &out->range) = i;
            RDL_PUSH(a, &out->list) = (rdl_decode_input){.shown = p->name,
                                                         .partition = ranges[i].number,
                                                         .records = &b->records,
                                                         .first = from,
                                                         .count = to - from};
        }
    }
    rdl_mutex_unlock(&k->lock);
    return RDL_OK;
}

/* Blocks whose last record is sealed are free; an open one is still filled. */
static void free_sealed(rdl_kafka *k, rdl_kafka_part *p)
{
    while (p->first != NULL && p->first->closed &&
           (p->first->n == 0 || p->first->v[p->first->n - 1].offset < p->sealed)) {
        rdl_kafka_block *b = p->first;
        p->first = b->next;
        if (p->first == NULL)
            p->last = NULL;
        rdl_kafka_block_free(k, b);
    }
}

static void kafka_restore(rdl_source *s, const rdl_range *sealed)
{
    rdl_kafka *k = self(s);
    const rdl_kafka_range *r = &sealed->u.kafka;
    if (sealed->kind != RDL_RANGE_KAFKA)
        return;
    rdl_mutex_lock(&k->lock);
    rdl_kafka_part *p = rdl_kafka_part_of(k, r->topic, r->partition);
    p->number = sealed->number;
    p->sealed = (int64_t)r->end;
    p->is_sealed = true;
    if (p->planned < p->sealed)
        p->planned = p->sealed;
    if (k->thread == NULL) {
        k->any_sealed = true;
        k->sealed_cluster = rdl_arena_strdup(&k->arena, r->cluster);
    }
    free_sealed(k, p);
    rdl_mutex_unlock(&k->lock);
}

static void kafka_rewind(rdl_source *s)
{
    rdl_kafka *k = self(s);
    rdl_mutex_lock(&k->lock);
    k->waiting_bytes = k->waiting_rows = 0;
    for (size_t i = 0; i < k->parts.n; i++) {
        rdl_kafka_part *p = k->parts.v[i];
        p->planned = p->sealed;
        for (const rdl_kafka_block *b = p->first; b != NULL; b = b->next) {
            for (size_t j = find(b, p->sealed); j < b->n; j++) {
                k->waiting_bytes += bytes_of(&b->v[j]);
                k->waiting_rows++;
            }
        }
    }
    rdl_mutex_unlock(&k->lock);
}

static void kafka_settle(rdl_source *s)
{
    rdl_kafka *k = self(s);
    if (!k->running)
        return;
    (void)RDL_FAULT_AT(KAFKA_BEFORE_COMMIT);
    rdl_kafka_commit(k, false);
}

/* ---- lag ---- */

static rdl_code kafka_lag(rdl_source *s, const rdl_source_limits *limits, rdl_source_lag *out,
                          rdl_err *err)
{
    rdl_kafka *k = self(s);
    (void)err;
    *out = (rdl_source_lag){0};
    RDL_TRY(rdl_kafka_reader_start(k, err));
    rdl_mutex_lock(&k->lock);
    out->rows = k->waiting_rows;
    out->bytes = k->waiting_bytes;
    out->ready = holds_enough(k, limits);
    for (size_t i = 0; k->running && i < k->parts.n; i++) {
        const rdl_kafka_part *p = k->parts.v[i];
        int64_t low = 0, high = 0;
        if (p->assigned &&
            rd_kafka_get_watermark_offsets(k->rk, p->topic, p->id, &low, &high) ==
                RD_KAFKA_RESP_ERR_NO_ERROR &&
            high > p->position)
            out->rows += (uint64_t)(high - p->position);
    }
    rdl_mutex_unlock(&k->lock);
    return RDL_OK;
}

static bool kafka_ready(rdl_source *s, const rdl_source_limits *limits)
{
    rdl_kafka *k = self(s);
    rdl_mutex_lock(&k->lock);
    bool ready = holds_enough(k, limits);
    rdl_mutex_unlock(&k->lock);
    return ready;
}

const rdl_source_ops rdl_source_kafka = {
    .kind = "kafka",
    .open = kafka_open,
    .restore = kafka_restore,
    .next = kafka_next,
    .freeze = kafka_freeze,
    .inputs = kafka_inputs,
    .rewind = kafka_rewind,
    .settle = kafka_settle,
    .lag = kafka_lag,
    .ready = kafka_ready,
    .close = kafka_close,
};
