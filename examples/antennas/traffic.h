/*
 * traffic.h - the messages that devices send, made up, and the truth about their sums.
 *
 * Message number n is a function of (options, n): the same options give the same bytes, in files
 * and in Kafka.  The truth is the sum of bytes by minute, kind and id, over all messages that a
 * correct pipeline accepts; larger windows are sums of minutes.  Included once, by producer.c.
 */
#ifndef TRAFFIC_H
#define TRAFFIC_H

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MESSAGE_MAX = 256,
    BYTES_MAX = 10000,    /* of traffic in one message */
    LATE_SECONDS = 300,   /* how far a late message lies back, at most */
    PROBE_PARTITIONS = 64 /* probes have an app for each partition */
};

typedef enum kind { BY_ANTENNA, BY_USER, BY_APP, KINDS } kind;

typedef struct options {
    uint64_t count, seed, antennas, users, apps, first;
    int64_t start, span; /* event time, seconds since 1970 */
    int64_t disorder;    /* seconds; a message lies at most so far back */
    double skew;         /* 1: all users alike; 3: some are much busier */
    double malformed, duplicates, late, misspelt, known; /* shares, 0 to 1 */
    uint64_t partitions, files, rate; /* rate: messages a second; 0: as fast as it goes */
    uint64_t probe_ms;                /* a probe so often; 0: none */
    bool live;                        /* event time is now */
    char key;                         /* partition by: n number, i id, a antenna */
    const char *to, *truth;
    const char *properties[32];
    size_t property_count;
} options;

typedef struct message {
    uint64_t ids[KINDS]; /* numbers of antenna, user, app */
    int64_t time, bytes;
    uint64_t partition;
    bool good;
    size_t length;
    char text[MESSAGE_MAX];
} message;

static _Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void die(const char *fmt, ...)
{
    va_list ap;
    fputs("producer: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(1);
}

/* ---- random numbers: splitmix64, a stream for each message --------------------------------- */

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint64_t draw(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return mix(*state);
}

static uint64_t draw_below(uint64_t *state, uint64_t n)
{
    return n == 0 ? 0 : draw(state) % n;
}

static double draw_share(uint64_t *state)
{
    return (double)(draw(state) >> 11) / (double)(UINT64_C(1) << 53);
}

/* ---- names ------------------------------------------------------------------------------- */

static const char *const app_names[] = {"SKYPE",   "TELEGRAM", "FACEBOOK", "FACETIME", "INSTAGRAM",
                                        "YOUTUBE", "WHATSAPP", "TIKTOK",   "NETFLIX",  "SPOTIFY"};

enum { APP_NAMES = sizeof app_names / sizeof *app_names };

/* The name of antenna, user or app number id; numbers from the option's count on are probes. */
static void name_of(const options *o, kind k, uint64_t id, char out[48])
{
    if (k == BY_APP && id >= o->apps)
        snprintf(out, 48, "probe-%" PRIu64, id - o->apps);
    else if (k == BY_APP && id < APP_NAMES)
        snprintf(out, 48, "%s", app_names[id]);
    else if (k == BY_APP)
        snprintf(out, 48, "APP-%" PRIu64, id);
    else if (id >= (k == BY_USER ? o->users : o->antennas))
        snprintf(out, 48, "probe");
    else
        snprintf(out, 48, "00000000-0000-0000-0000-%012" PRIu64, k == BY_USER ? id + 1 : id);
}

static const char *kind_name(kind k)
{
    static const char *const names[] = {"antenna_bytes_total", "id_bytes_total", "app_bytes_total"};
    return names[k];
}

/* ---- messages ---------------------------------------------------------------------------- */

static void message_write(const options *o, message *m, bool misspelt)
{
    char antenna[48], user[48], app[48];
    name_of(o, BY_ANTENNA, m->ids[BY_ANTENNA], antenna);
    name_of(o, BY_USER, m->ids[BY_USER], user);
    name_of(o, BY_APP, m->ids[BY_APP], app);
    m->length = (size_t)snprintf(m->text, sizeof m->text,
                                 "{\"bytes\":%" PRId64 ",\"%s\":%" PRId64
                                 ",\"app\":\"%s\",\"id\":\"%s\",\"antenna_id\":\"%s\"}",
                                 m->bytes, misspelt ? "timestmap" : "timestamp", m->time, app, user,
                                 antenna);
}

/* What goes wrong with real producers, in turn: cut in the middle, no JSON, no device, no time. */
static void message_spoil(message *m, uint64_t which)
{
    m->good = false;
    switch (which % 4) {
    case 0:
        m->length = m->length / 2;
        break;
    case 1:
        m->length = (size_t)snprintf(m->text, sizeof m->text, "device restarted");
        break;
    case 2:
        m->length =
            (size_t)snprintf(m->text, sizeof m->text,
                             "{\"bytes\":%" PRId64 ",\"timestamp\":%" PRId64 ",\"app\":\"SKYPE\"}",
                             m->bytes, m->time);
        break;
    default:
        m->length = (size_t)snprintf(m->text, sizeof m->text,
                                     "{\"bytes\":%" PRId64 ",\"app\":\"SKYPE\",\"id\":\"x\","
                                     "\"antenna_id\":\"y\"}",
                                     m->bytes);
    }
}

static uint64_t partition_of(const options *o, const message *m, uint64_t number)
{
    if (o->key == 'i')
        return mix(m->ids[BY_USER] + 1) % o->partitions;
    if (o->key == 'a')
        return mix(m->ids[BY_ANTENNA] + 1) % o->partitions;
    return number % o->partitions;
}

/* Message `number`.  now: its event time if the producer is live. */
static void message_make(const options *o, uint64_t number, int64_t now, message *m)
{
    uint64_t r = mix(o->seed * UINT64_C(0x632be59bd9b4e019) + number + 1);
    m->ids[BY_ANTENNA] = draw_below(&r, o->antennas);
    m->ids[BY_USER] = (uint64_t)((double)o->users * pow(draw_share(&r), o->skew));
    m->ids[BY_APP] = draw_below(&r, o->apps);
    m->bytes = (int64_t)draw_below(&r, BYTES_MAX);
    int64_t back = (int64_t)draw_below(&r, (uint64_t)o->disorder + 1);
    if (draw_share(&r) < o->late)
        back += (int64_t)draw_below(&r, LATE_SECONDS);
    m->time =
        o->live ? now - back
                : o->start - back + (int64_t)((double)o->span * (double)number / (double)o->count);
    m->good = true;
    message_write(o, m, draw_share(&r) < o->misspelt);
    if (draw_share(&r) < o->malformed)
        message_spoil(m, draw(&r));
    m->partition = partition_of(o, m, number);
}

static void message_probe(const options *o, uint64_t partition, int64_t now, message *m)
{
    *m = (message){.ids = {o->antennas, o->users, o->apps + partition},
                   .time = now,
                   .bytes = 1,
                   .partition = partition,
                   .good = true};
    message_write(o, m, false);
}

/* How often message `number` is sent: a duplicate is a message like any other, sent again. */
static int message_times(const options *o, uint64_t number)
{
    uint64_t r = mix(o->seed * UINT64_C(0x9e3779b97f4a7c15) + number + 7);
    return draw_share(&r) < o->duplicates ? 2 : 1;
}

/* ---- the truth: an open-addressed table, at most half full ---------------------------------- */

typedef struct sum {
    int64_t minute, value;
    uint64_t id;
    kind by;
    bool used;
} sum;

typedef struct truth {
    sum *slots;
    size_t mask, count;
    uint64_t sent, good, malformed, duplicates;
    int64_t bytes;
} truth;

static sum *truth_slot(sum *slots, size_t mask, int64_t minute, kind by, uint64_t id)
{
    size_t at = mix((uint64_t)minute * 1000003u + id * 3u + (uint64_t)by) & mask;
    while (slots[at].used &&
           (slots[at].minute != minute || slots[at].id != id || slots[at].by != by))
        at = (at + 1) & mask;
    return &slots[at];
}

static void truth_grow(truth *t)
{
    size_t mask = t->slots == NULL ? 65535 : t->mask * 2 + 1;
    sum *slots = calloc(mask + 1, sizeof *slots);
    if (slots == NULL)
        die("could not allocate the table of sums");
    for (size_t i = 0; t->slots != NULL && i <= t->mask; i++)
        if (t->slots[i].used)
            *truth_slot(slots, mask, t->slots[i].minute, t->slots[i].by, t->slots[i].id) =
                t->slots[i];
    free(t->slots);
    t->slots = slots;
    t->mask = mask;
}

static void truth_add(truth *t, const message *m)
{
    t->sent++;
    if (!m->good) {
        t->malformed++;
        return;
    }
    t->good++;
    t->bytes += m->bytes;
    int64_t minute = m->time - m->time % 60;
    for (kind by = BY_ANTENNA; by < KINDS; by++) {
        if (t->slots == NULL || t->count * 2 > t->mask)
            truth_grow(t);
        sum *s = truth_slot(t->slots, t->mask, minute, by, m->ids[by]);
        if (!s->used) {
            *s = (sum){.minute = minute, .by = by, .id = m->ids[by], .used = true};
            t->count++;
        }
        s->value += m->bytes;
    }
}

static int sum_order(const void *a, const void *b)
{
    const sum *x = a, *y = b;
    if (x->used != y->used)
        return x->used ? -1 : 1;
    if (x->minute != y->minute)
        return x->minute < y->minute ? -1 : 1;
    if (x->by != y->by)
        return x->by < y->by ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* DIR/truth.csv: timestamp (the minute, seconds since 1970), type, id, value.  DIR/truth.json. */
static void truth_write(const options *o, truth *t, const char *dir)
{
    char path[4400], id[48];
    snprintf(path, sizeof path, "%s/truth.csv", dir);
    FILE *f = fopen(path, "w");
    if (f == NULL)
        die("could not create \"%s\"", path);
    fputs("timestamp,type,id,value\n", f);
    if (t->slots != NULL)
        qsort(t->slots, t->mask + 1, sizeof *t->slots, sum_order);
    for (size_t i = 0; i < t->count; i++) {
        name_of(o, t->slots[i].by, t->slots[i].id, id);
        fprintf(f, "%" PRId64 ",%s,%s,%" PRId64 "\n", t->slots[i].minute, kind_name(t->slots[i].by),
                id, t->slots[i].value);
    }
    bool bad = ferror(f) != 0;
    if (fclose(f) != 0 || bad)
        die("could not write \"%s\"", path);
    snprintf(path, sizeof path, "%s/truth.json", dir);
    f = fopen(path, "w");
    if (f == NULL)
        die("could not create \"%s\"", path);
    fprintf(f,
            "{\n \"messages\": %" PRIu64 ",\n \"good\": %" PRIu64 ",\n \"malformed\": %" PRIu64
            ",\n \"duplicates\": %" PRIu64 ",\n \"bytes\": %" PRId64 ",\n \"sums\": %zu\n}\n",
            t->sent, t->good, t->malformed, t->duplicates, t->bytes, t->count);
    if (fclose(f) != 0)
        die("could not write \"%s\"", path);
}

/* ---- who the users are --------------------------------------------------------------------- */

/* User number id: known or not, his e-mail's number, his quota.  Every tenth shares the e-mail of
 * the one before him. */
static bool user_of(const options *o, uint64_t id, uint64_t *out_mail, int64_t *out_quota)
{
    uint64_t r = mix(o->seed + id * UINT64_C(0xd6e8feb86659fd93));
    double hours = (double)(o->span < 3600 ? 3600 : o->span) / 3600;
    double usual = (double)o->count * BYTES_MAX / 2 / (double)o->users / hours;
    *out_mail = id % 10 == 9 ? id - 1 : id;
    *out_quota = (int64_t)(usual * (0.8 + 3 * draw_share(&r)) / 100 + 1) * 100;
    return draw_share(&r) < o->known;
}

static void users_write(const options *o, const char *dir)
{
    char path[4400], name[48];
    snprintf(path, sizeof path, "%s/users.csv", dir);
    FILE *f = fopen(path, "w");
    if (f == NULL)
        die("could not create \"%s\"", path);
    fputs("id,name,email,quota\n", f);
    for (uint64_t id = 0; id < o->users; id++) {
        uint64_t mail;
        int64_t quota;
        if (!user_of(o, id, &mail, &quota))
            continue;
        name_of(o, BY_USER, id, name);
        fprintf(f, "%s,user %" PRIu64 ",user%" PRIu64 "@example.com,%" PRId64 "\n", name, id + 1,
                mail + 1, quota);
    }
    if (fclose(f) != 0)
        die("could not write \"%s\"", path);
}

#endif
