/*
 * examples/notifications/producer.c - messages that were sent for customers, into files or Kafka.
 *
 *   producer --to DIR | kafka://BROKERS/TOPIC [--count N] [--customers N] [--day YYYY-MM-DD]
 *            [--days N] [--minutes N] [--repeat SHARE] [--late SHARE] [--broken SHARE] [--files N]
 *            [--skew N] [--seed N] [--start N] [--partitions N]
 *
 * Messages are spread over the days, or over the first --minutes of the day.
 *
 *   DIR/messages/part-<n>.jsonl   JSON lines, in time order but for the late ones
 *   DIR/customers.csv             customer_id,zone: one in three in a zone of its own
 *   DIR/truth.csv                 customer_id,day (UTC),messages: distinct message ids
 *   DIR/fates.csv                 fate,lines: read, written, duplicate, and the rejected by their reason
 *
 * Customer k of n gets messages in proportion to 1 / (k + 1)^(skew / 2): the first have most.  A
 * repeated message has the bytes of an earlier one; a late one carries a time up to two days
 * before; a broken one is half a line, no UTF-8, or lacks customer, id, channel or a time that can
 * be read, in turn.  Texts have accents, quotes, emoji.  The same arguments give the same bytes;
 * --start numbers messages on, for a second delivery.
 */
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { RECENT = 4096, LINE_BYTES = 1024, DAYS_MAX = 400 };

typedef struct settings {
    const char *to, *day;
    uint64_t count, customers, days, minutes, files, seed, start, partitions;
    double repeat, late, broken, skew;
} settings;

/* What a broken line is, by turns, and the reason that it is rejected with. */
static const struct {
    const char *reason, *format;
} broken[] = {
    {"malformed", "{\"customer_id\": \"%s\", \"message_id\": \"X%" PRIu64 "\", \"chan"},
    {"malformed",
     "{\"customer_id\": \"%s\", \"message_id\": \"X%" PRIu64 "\", \"channel\": \"whatsapp\", "
     "\"payload\": \"Ol\xe1\", \"event_datetime\": \"2020-02-03T10:00:00Z\"}"},
    {"customer_present",
     "{\"customer\": \"%s\", \"message_id\": \"X%" PRIu64 "\", \"channel\": \"sms\", "
     "\"event_datetime\": \"2020-02-03T10:00:00Z\"}"},
    {"message_present", "{\"customer_id\": \"%s\", \"number\": %" PRIu64 ", \"channel\": \"sms\", "
                        "\"event_datetime\": \"2020-02-03T10:00:00Z\"}"},
    {"channel_present",
     "{\"customer_id\": \"%s\", \"message_id\": \"X%" PRIu64 "\", \"channel\": null, "
     "\"event_datetime\": \"2020-02-03T10:00:00Z\"}"},
    {"time_present",
     "{\"customer_id\": \"%s\", \"message_id\": \"X%" PRIu64 "\", \"channel\": \"sms\", "
     "\"event_datetime\": \"yesterday\"}"},
};
enum { BROKEN_KINDS = sizeof broken / sizeof broken[0] };

typedef struct output {
    const settings *s;
    FILE *file;
    uint64_t at; /* lines so far */
    rd_kafka_t *kafka;
    char topic[200];
    uint64_t failed;
    uint64_t repeated, rejected[BROKEN_KINDS];
} output;

static void die(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("producer: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(1);
}

static uint64_t next(uint64_t *s)
{
    uint64_t z = (*s += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static double unit(uint64_t *s)
{
    return (double)(next(s) >> 11) / 9007199254740992.0;
}

/* Days since 1970 of a date, and back (civil calendar). */
static int64_t days_of(const char *date)
{
    int y, m, d;
    if (sscanf(date, "%d-%d-%d", &y, &m, &d) != 3)
        die("--day %s is no date", date);
    y -= m <= 2;
    int64_t era = y / 400, yoe = y - era * 400;
    int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void put_day(int64_t z, char out[16])
{
    z += 719468;
    int64_t era = z / 146097, doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    int64_t m = mp + (mp < 10 ? 3 : -9);
    snprintf(out, 16, "%04d-%02d-%02d", (int)(yoe + era * 400 + (m <= 2)), (int)m,
             (int)(doy - (153 * mp + 2) / 5 + 1));
}

/* ---- where lines go ---- */

static void open_file(output *o)
{
    char path[1000];
    uint64_t per = o->s->count / o->s->files + 1;
    if (o->file != NULL && fclose(o->file) != 0)
        die("could not write below %s", o->s->to);
    snprintf(path, sizeof path, "%s/messages/part-%06" PRIu64 ".jsonl", o->s->to,
             (o->s->start + o->at) / per);
    o->file = fopen(path, "w");
    if (o->file == NULL)
        die("could not create %s", path);
}

static void delivered(rd_kafka_t *kafka, const rd_kafka_message_t *m, void *opaque)
{
    (void)kafka;
    ((output *)opaque)->failed += m->err != RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void create_topic(output *o)
{
    char why[500];
    rd_kafka_NewTopic_t *topic =
        rd_kafka_NewTopic_new(o->topic, (int)o->s->partitions, 1, why, sizeof why);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(o->kafka);
    rd_kafka_CreateTopics(o->kafka, &topic, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 60000);
    if (event == NULL || rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
        die("could not create topic %s", o->topic); /* one that is there is no error here */
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(topic);
}

static void open_kafka(output *o, const char *url)
{
    char brokers[500], why[500];
    if (sscanf(url, "kafka://%499[^/]/%199s", brokers, o->topic) != 2)
        die("%s is no kafka://BROKERS/TOPIC", url);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    const char *const properties[][2] = {{"bootstrap.servers", brokers},
                                         {"enable.idempotence", "true"},
                                         {"linger.ms", "20"},
                                         {"compression.codec", "lz4"},
                                         {"queue.buffering.max.messages", "1000000"}};
    for (size_t i = 0; i < sizeof properties / sizeof properties[0]; i++)
        if (rd_kafka_conf_set(conf, properties[i][0], properties[i][1], why, sizeof why) !=
            RD_KAFKA_CONF_OK)
            die("%s", why);
    rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    rd_kafka_conf_set_opaque(conf, o);
    o->kafka = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (o->kafka == NULL)
        die("%s", why);
    create_topic(o);
}

static void send_line(output *o, const char *key, const char *line, size_t n)
{
    o->at++;
    if (o->kafka == NULL) {
        if (o->file == NULL || (o->s->start + o->at) % (o->s->count / o->s->files + 1) == 0)
            open_file(o);
        if (fwrite(line, 1, n, o->file) != n || fputc('\n', o->file) == EOF)
            die("could not write below %s", o->s->to);
        return;
    }
    rd_kafka_resp_err_t err;
    do {
        err = rd_kafka_producev(o->kafka, RD_KAFKA_V_TOPIC(o->topic),
                                RD_KAFKA_V_KEY((void *)(uintptr_t)key, strlen(key)),
                                RD_KAFKA_V_VALUE((void *)(uintptr_t)line, n),
                                RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
        rd_kafka_poll(o->kafka, err == RD_KAFKA_RESP_ERR__QUEUE_FULL ? 100 : 0);
    } while (err == RD_KAFKA_RESP_ERR__QUEUE_FULL);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
        die("could not send: %s", rd_kafka_err2str(err));
}

static void close_output(output *o)
{
    if (o->file != NULL && fclose(o->file) != 0)
        die("could not write below %s", o->s->to);
    if (o->kafka == NULL)
        return;
    if (rd_kafka_flush(o->kafka, 120000) != RD_KAFKA_RESP_ERR_NO_ERROR || o->failed > 0)
        die("%" PRIu64 " messages were not delivered", o->failed);
    rd_kafka_destroy(o->kafka);
}

/* ---- messages ---- */

static const char *const names[] = {"Acme",       "Padaria São João", "Ótica Visão",
                                    "Loja do Zé", "Café & Prosa",     "Construções Lima",
                                    "Ação Já",    "Clínica Bem-Estar"};
static const char *const texts[] = {
    "Olá %s, seja muito bem-vindo! 👋",
    "Seu código é %s. Não compartilhe com ninguém 🔒",
    "%s, sua encomenda saiu para entrega 🚚 — acompanhe aqui",
    "Promoção: 20%% de desconto só hoje, %s! 🎉",
    "Lembrete: consulta amanhã às 14h, %s. Responda \\\"sim\\\" para confirmar ✅",
};

static void put_customer(uint64_t k, char out[24])
{
    snprintf(out, 24, "C%06" PRIu64, k);
}

/* Which customer: the inverse of the running share by binary search. */
static uint64_t choose(const double *shares, uint64_t n, double x)
{
    uint64_t low = 0, high = n - 1;
    while (low < high) {
        uint64_t mid = (low + high) / 2;
        if (shares[mid] < x)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

typedef struct made {
    char line[LINE_BYTES];
    size_t n;
    uint64_t customer;
} made;

static void make(const settings *s, uint64_t i, uint64_t *r, const double *shares,
                 int64_t first_day, uint32_t *truth, made *m)
{
    char customer[24], day[16], text[400];
    uint64_t k = choose(shares, s->customers, unit(r));
    double share = ((double)(i - s->start) + 0.5) / (double)s->count;
    double span = s->minutes > 0 ? (double)s->minutes * 60e3 : (double)s->days * 86400e3;
    int64_t us = (int64_t)(share * span); /* milliseconds */
    if (unit(r) < s->late)
        us -= (int64_t)(unit(r) * 2 * 86400e3);
    us = us < 0 ? 0 : us;
    put_customer(k, customer);
    put_day(first_day + us / 86400000, day);
    uint64_t ms = (uint64_t)us % 86400000;
    snprintf(text, sizeof text, texts[next(r) % 5], names[(k * 7 + 3) % 8]);
    int n =
        snprintf(m->line, sizeof m->line,
                 "{\"customer_id\": \"%s\", \"message_id\": \"%010" PRIX64
                 "\", \"customer_name\": \"%s %" PRIu64 "\", \"channel\": \"%s\", "
                 "\"payload\": \"%s\", \"event_datetime\": \"%sT%02u:%02u:%02u.%03u+00:00\"}",
                 customer, i + UINT64_C(0x5B81FF24A1), names[k % 8], k / 8 + 1,
                 next(r) % 50 == 0 ? "sms" : "whatsapp", text, day, (unsigned)(ms / 3600000),
                 (unsigned)(ms / 60000 % 60), (unsigned)(ms / 1000 % 60), (unsigned)(ms % 1000));
    m->n = (size_t)n;
    m->customer = k;
    truth[k * s->days + (uint64_t)us / 86400000]++;
}

static void send_broken(output *o, const char *key)
{
    char line[LINE_BYTES];
    uint64_t n = 0;
    for (size_t i = 0; i < BROKEN_KINDS; i++)
        n += o->rejected[i];
    size_t kind = n % BROKEN_KINDS;
    int bytes = snprintf(line, sizeof line, broken[kind].format, key, n);
    o->rejected[kind]++;
    send_line(o, key, line, (size_t)bytes);
}

static void write_all(const settings *s, output *o, uint32_t *truth)
{
    uint64_t r = s->seed * 1000003 + s->start, written = 0;
    int64_t first_day = days_of(s->day);
    made *recent = calloc(RECENT, sizeof *recent);
    double *shares = calloc(s->customers, sizeof *shares), sum = 0;
    if (recent == NULL || shares == NULL)
        die("no memory");
    for (uint64_t k = 0; k < s->customers; k++)
        shares[k] = sum += pow((double)k + 1, -s->skew / 2);
    for (uint64_t k = 0; k < s->customers; k++)
        shares[k] /= sum;
    for (uint64_t i = s->start; i < s->start + s->count; i++) {
        char key[24];
        made *m = &recent[i % RECENT];
        make(s, i, &r, shares, first_day, truth, m);
        put_customer(m->customer, key);
        send_line(o, key, m->line, m->n);
        written++;
        if (unit(&r) < s->repeat) {
            uint64_t back = next(&r) % RECENT;
            const made *old = &recent[(i - (back < i - s->start ? back : 0)) % RECENT];
            put_customer(old->customer, key);
            send_line(o, key, old->line, old->n);
            o->repeated++;
            written++;
        }
        if (unit(&r) < s->broken) {
            send_broken(o, key);
            written++;
        }
    }
    fprintf(stderr, "%" PRIu64 " messages written, %" PRIu64 " of them distinct and whole\n",
            written, s->count);
    free(recent);
    free(shares);
}

static void write_truth(const settings *s, const char *dir, const uint32_t *truth)
{
    char path[1000], day[16], customer[24];
    int64_t first_day = days_of(s->day);
    snprintf(path, sizeof path, "%s/truth.csv", dir);
    FILE *f = fopen(path, "w");
    if (f == NULL)
        die("could not create %s", path);
    fputs("customer_id,day,messages\n", f);
    for (uint64_t k = 0; k < s->customers; k++) {
        for (uint64_t d = 0; d < s->days; d++) {
            put_customer(k, customer);
            put_day(first_day + (int64_t)d, day);
            if (truth[k * s->days + d] > 0)
                fprintf(f, "%s,%s,%u\n", customer, day, truth[k * s->days + d]);
        }
    }
    if (fclose(f) != 0)
        die("could not write %s", path);
}

static void write_fates(const output *o, const char *dir)
{
    char path[1000];
    uint64_t bad = 0;
    snprintf(path, sizeof path, "%s/fates.csv", dir);
    FILE *f = fopen(path, "w");
    if (f == NULL)
        die("could not create %s", path);
    for (size_t i = 0; i < BROKEN_KINDS; i++)
        bad += o->rejected[i];
    fprintf(f, "fate,lines\nread,%" PRIu64 "\nwritten,%" PRIu64 "\nduplicate,%" PRIu64 "\n", o->at,
            o->s->count, o->repeated);
    for (size_t i = 0; i < BROKEN_KINDS; i++) {
        bool first = i == 0 || strcmp(broken[i].reason, broken[i - 1].reason) != 0;
        bool more = i + 1 < BROKEN_KINDS && strcmp(broken[i].reason, broken[i + 1].reason) == 0;
        if (first)
            fprintf(f, "%s,%" PRIu64 "\n", broken[i].reason,
                    o->rejected[i] + (more ? o->rejected[i + 1] : 0));
    }
    if (bad + o->s->count + o->repeated != o->at || fclose(f) != 0)
        die("could not write %s", path);
}

static void write_customers(const settings *s, const char *dir)
{
    static const char *const zones[] = {"America/Sao_Paulo", "America/Manaus", "UTC"};
    char path[1000], customer[24];
    snprintf(path, sizeof path, "%s/customers.csv", dir);
    FILE *f = fopen(path, "w");
    if (f == NULL)
        die("could not create %s", path);
    fputs("customer_id,zone\n", f);
    for (uint64_t k = 0; k < s->customers; k++) {
        put_customer(k, customer);
        fprintf(f, "%s,%s\n", customer, zones[k % 3]);
    }
    if (fclose(f) != 0)
        die("could not write %s", path);
}

static void read_arguments(int argc, char **argv, settings *s)
{
    const struct {
        const char *name;
        uint64_t *whole;
        double *real;
        const char **text;
    } all[] = {{"--count", &s->count, NULL, NULL},   {"--customers", &s->customers, NULL, NULL},
               {"--days", &s->days, NULL, NULL},     {"--minutes", &s->minutes, NULL, NULL},
               {"--files", &s->files, NULL, NULL},   {"--seed", &s->seed, NULL, NULL},
               {"--start", &s->start, NULL, NULL},   {"--partitions", &s->partitions, NULL, NULL},
               {"--repeat", NULL, &s->repeat, NULL}, {"--late", NULL, &s->late, NULL},
               {"--broken", NULL, &s->broken, NULL}, {"--skew", NULL, &s->skew, NULL},
               {"--to", NULL, NULL, &s->to},         {"--day", NULL, NULL, &s->day}};
    for (int i = 1; i + 1 < argc + 1; i += 2) {
        bool known = false;
        for (size_t k = 0; k < sizeof all / sizeof all[0] && i + 1 < argc; k++) {
            if (strcmp(argv[i], all[k].name) != 0)
                continue;
            known = true;
            if (all[k].whole != NULL)
                *all[k].whole = strtoull(argv[i + 1], NULL, 10);
            else if (all[k].real != NULL)
                *all[k].real = strtod(argv[i + 1], NULL);
            else
                *all[k].text = argv[i + 1];
        }
        if (!known)
            die("unrecognized argument %s", argv[i]);
    }
    if (s->to == NULL || s->customers == 0 || s->days == 0 || s->days > DAYS_MAX || s->files == 0)
        die("needs --to DIR or kafka://BROKERS/TOPIC");
}

int main(int argc, char **argv)
{
    settings s = {.day = "2020-02-03",
                  .count = 50000,
                  .customers = 200,
                  .days = 1,
                  .files = 4,
                  .seed = 1,
                  .partitions = 4,
                  .repeat = 0.01,
                  .late = 0.02,
                  .broken = 0.0005,
                  .skew = 2};
    char path[1000];
    read_arguments(argc, argv, &s);
    output o = {.s = &s};
    uint32_t *truth = calloc(s.customers * s.days, sizeof *truth);
    if (truth == NULL)
        die("no memory");
    const char *dir = s.to;
    if (strncmp(s.to, "kafka://", 8) == 0) {
        open_kafka(&o, s.to);
        dir = getenv("TRUTH"); /* where customers and truth go beside Kafka; may be missing */
    } else {
        (void)mkdir(s.to, 0777);
        snprintf(path, sizeof path, "%s/messages", s.to);
        (void)mkdir(path, 0777);
    }
    write_all(&s, &o, truth);
    close_output(&o);
    if (dir != NULL) {
        write_truth(&s, dir, truth);
        write_fates(&o, dir);
        write_customers(&s, dir);
    }
    free(truth);
    return 0;
}
