/*
 * producer.c - device traffic, as many messages as asked for, into Kafka or into files.
 *
 *     producer --to kafka://127.0.0.1:9092/devices --count 1000000 --rate 20000
 *     producer --to landing --count 100000
 *
 * FILES (--to DIR)
 *
 *   DIR/devices/part-0000.jsonl …   a message a line, in the order in which Kafka would get them
 *   DIR/users.csv                   who the devices belong to, and their quota an hour
 *   DIR/truth/truth.csv             what the sums of each minute must be; truth.json: counts
 *
 * With --to kafka://…, users.csv and truth/ go to the folder that --truth names, if any; a topic
 * that is missing is created with --partitions.  With --probe MS a message of one byte is sent to
 * each partition in turn so often, its app "probe-<partition>", and the truth's probes.csv says
 * when the broker appended it: partition, number in that partition from 1, milliseconds since 1970.
 *
 * INVARIANTS
 *
 *   P1  Message n is a function of (seed and shape, n): files and topics of the same options hold
 *       the same messages.  (Not with --live or --probe: there the clock speaks.)
 *   P2  The truth counts what the broker acknowledged: if one message is given up, exit status 1.
 *   P3  The producer is idempotent: a broker that restarts gets nothing twice.
 *
 * Checked by tests/check_producer.sh and tests/services.
 */
#include "traffic.h"

#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <stddef.h>
#include <sys/stat.h>
#include <time.h>

/* ---- options ------------------------------------------------------------------------------- */

typedef struct option_row {
    const char *name, *what;
    char type; /* u number, s seconds, f share, t text, b flag */
    size_t at;
} option_row;

#define AT(field) offsetof(options, field)

static const option_row option_rows[] = {
    {"to", "where: kafka://BROKERS/TOPIC, or a folder (landing)", 't', AT(to)},
    {"count", "messages (100000)", 'u', AT(count)},
    {"first", "number of the first message, to go on from an earlier run (0)", 'u', AT(first)},
    {"seed", "other messages of the same shape (1)", 'u', AT(seed)},
    {"antennas", "antennas (50)", 'u', AT(antennas)},
    {"users", "users (200)", 'u', AT(users)},
    {"apps", "apps (10)", 'u', AT(apps)},
    {"skew", "1: users are alike; 3: some are much busier (1)", 'f', AT(skew)},
    {"start", "event time of the first message, seconds since 1970 (1600545240)", 's', AT(start)},
    {"span", "seconds of event time that the messages cover (600)", 's', AT(span)},
    {"live", "event time is now", 'b', AT(live)},
    {"disorder", "a message lies up to so many seconds back (10)", 's', AT(disorder)},
    {"late", "share of messages that lie up to 300 seconds back (0)", 'f', AT(late)},
    {"malformed", "share that is cut, no JSON, or lacks a field (0)", 'f', AT(malformed)},
    {"duplicates", "share that is sent twice, and counts twice (0)", 'f', AT(duplicates)},
    {"misspelt", "share that says timestmap (0.1)", 'f', AT(misspelt)},
    {"known", "share of users in users.csv (0.9)", 'f', AT(known)},
    {"partitions", "partitions of the topic (4)", 'u', AT(partitions)},
    {"files", "files (10)", 'u', AT(files)},
    {"rate", "messages a second; 0: as fast as it goes (0)", 'u', AT(rate)},
    {"probe", "a probe every so many milliseconds; 0: none (0)", 'u', AT(probe_ms)},
    {"truth", "folder for users.csv and truth/ of a topic", 't', AT(truth)},
};

enum { OPTION_ROWS = sizeof option_rows / sizeof *option_rows };

static void usage(void)
{
    puts("usage: producer --to kafka://BROKERS/TOPIC|FOLDER [options]");
    for (size_t i = 0; i < OPTION_ROWS; i++)
        printf("  --%-12s %s\n", option_rows[i].name, option_rows[i].what);
    puts(
        "  --key          partition by: number, id or antenna (number); with a key, records carry it");
    puts("  --property     name=value for librdkafka; may be repeated");
}

static void option_set(options *o, const option_row *row, const char *text)
{
    char *field = (char *)o + row->at, *end = NULL;
    errno = 0;
    if (row->type == 't')
        *(const char **)field = text;
    else if (row->type == 'u')
        *(uint64_t *)field = strtoull(text, &end, 10);
    else if (row->type == 's')
        *(int64_t *)field = strtoll(text, &end, 10);
    else
        *(double *)field = strtod(text, &end);
    if (end != NULL && (end == text || *end != '\0' || errno != 0 || *text == '-'))
        die("--%s wants a number, not \"%s\"", row->name, text);
}

/* Takes --name value at argv[0]; how many words it took. */
static int option_take(options *o, int argc, char **argv)
{
    const char *name = argv[0] + 2, *value = argc > 1 ? argv[1] : NULL;
    for (size_t i = 0; strncmp(argv[0], "--", 2) == 0 && i < OPTION_ROWS; i++) {
        if (strcmp(name, option_rows[i].name) != 0)
            continue;
        if (option_rows[i].type == 'b') {
            o->live = true;
            return 1;
        }
        if (value == NULL)
            die("%s wants a value", argv[0]);
        option_set(o, &option_rows[i], value);
        return 2;
    }
    if (strcmp(argv[0], "--key") == 0 && value != NULL && strchr("nia", *value) != NULL) {
        o->key = *value;
        return 2;
    }
    if (strcmp(argv[0], "--property") == 0 && value != NULL && o->property_count < 32) {
        o->properties[o->property_count++] = value;
        return 2;
    }
    die("unrecognized option \"%s\"; --help lists them", argv[0]);
}

static options options_read(int argc, char **argv)
{
    options o = {.to = "landing",
                 .count = 100000,
                 .seed = 1,
                 .antennas = 50,
                 .users = 200,
                 .apps = 10,
                 .skew = 1,
                 .start = 1600545240,
                 .span = 600,
                 .disorder = 10,
                 .misspelt = 0.1,
                 .known = 0.9,
                 .partitions = 4,
                 .files = 10,
                 .key = 'n'};
    for (int i = 1; i < argc;) {
        if (strcmp(argv[i], "--help") == 0) {
            usage();
            exit(0);
        }
        i += option_take(&o, argc - i, argv + i);
    }
    if (o.count == 0 || o.users == 0 || o.antennas == 0 || o.apps == 0 || o.partitions == 0 ||
        o.files == 0 || o.partitions > PROBE_PARTITIONS)
        die("counts are at least 1, partitions at most %d", PROBE_PARTITIONS);
    return o;
}

static void folder_make(const char *path)
{
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        die("could not create folder \"%s\": %s", path, strerror(errno));
}

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void sleep_us(int64_t us)
{
    struct timespec t = {us / 1000000, us % 1000000 * 1000};
    nanosleep(&t, NULL);
}

/* ---- into files ------------------------------------------------------------------------------ */

static void to_files(const options *o, truth *t)
{
    char path[4096];
    message m;
    folder_make(o->to);
    snprintf(path, sizeof path, "%s/devices", o->to);
    folder_make(path);
    for (uint64_t file = 0; file < o->files; file++) {
        snprintf(path, sizeof path, "%s/devices/part-%04" PRIu64 ".jsonl", o->to, file);
        FILE *f = fopen(path, "w");
        if (f == NULL)
            die("could not create \"%s\": %s", path, strerror(errno));
        for (uint64_t n = o->count * file / o->files; n < o->count * (file + 1) / o->files; n++) {
            message_make(o, o->first + n, now_us() / 1000000, &m);
            int times = message_times(o, o->first + n);
            t->duplicates += (uint64_t)(times - 1);
            for (int i = 0; i < times; i++) {
                fwrite(m.text, 1, m.length, f);
                fputc('\n', f);
                truth_add(t, &m);
            }
        }
        bool bad = ferror(f) != 0;
        if (fclose(f) != 0 || bad)
            die("could not write \"%s\"", path);
    }
}

/* ---- into Kafka -------------------------------------------------------------------------------- */

typedef struct link {
    rd_kafka_t *kafka;
    char brokers[512], topic[256];
    uint64_t failed;
    FILE *probes;
    uint64_t probe_number[PROBE_PARTITIONS];
} link_to_kafka;

/* Called by rd_kafka_poll for each message when its fate is known; opaque: it is a probe. */
static void delivered(rd_kafka_t *kafka, const rd_kafka_message_t *m, void *arg)
{
    link_to_kafka *link = arg;
    (void)kafka;
    if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (link->failed++ == 0)
            fprintf(stderr, "producer: could not deliver: %s\n", rd_kafka_err2str(m->err));
    } else if (m->_private != NULL) {
        rd_kafka_timestamp_type_t type;
        int64_t at = rd_kafka_message_timestamp(m, &type);
        fprintf(link->probes, "%d,%" PRIu64 ",%" PRId64 "\n", m->partition,
                ++link->probe_number[m->partition], at);
    }
}

static void property_set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[256];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) != RD_KAFKA_CONF_OK)
        die("property \"%s\": %s", name, why);
}

static void link_open(const options *o, link_to_kafka *link)
{
    static const char *const defaults[][2] = {
        {"enable.idempotence", "true"},
        {"linger.ms", "5"},
        {"batch.num.messages", "20000"},
        {"queue.buffering.max.messages", "500000"},
        {"queue.buffering.max.kbytes", "262144"},
        {"message.timeout.ms", "300000"},
        {"compression.type", "none"},
    };
    char why[256], name[128];
    const char *address = o->to + strlen("kafka://"), *slash = strchr(address, '/');
    if (slash == NULL || slash[1] == '\0')
        die("\"%s\" names no topic; write kafka://BROKERS/TOPIC", o->to);
    snprintf(link->brokers, sizeof link->brokers, "%.*s", (int)(slash - address), address);
    snprintf(link->topic, sizeof link->topic, "%s", slash + 1);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    property_set(conf, "bootstrap.servers", link->brokers);
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        property_set(conf, defaults[i][0], defaults[i][1]);
    for (size_t i = 0; i < o->property_count; i++) {
        const char *equals = strchr(o->properties[i], '=');
        if (equals == NULL)
            die("--property wants name=value, not \"%s\"", o->properties[i]);
        snprintf(name, sizeof name, "%.*s", (int)(equals - o->properties[i]), o->properties[i]);
        property_set(conf, name, equals + 1);
    }
    rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    rd_kafka_conf_set_opaque(conf, link);
    link->kafka = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (link->kafka == NULL)
        die("could not make a producer: %s", why);
}

/* The topic, unless it is there.  With probes the broker's clock stamps the records. */
static void topic_create(const options *o, link_to_kafka *link)
{
    char why[256];
    rd_kafka_NewTopic_t *topic =
        rd_kafka_NewTopic_new(link->topic, (int)o->partitions, 1, why, sizeof why);
    if (topic == NULL)
        die("could not create topic \"%s\": %s", link->topic, why);
    if (o->probe_ms > 0)
        rd_kafka_NewTopic_set_config(topic, "message.timestamp.type", "LogAppendTime");
    rd_kafka_queue_t *queue = rd_kafka_queue_new(link->kafka);
    rd_kafka_CreateTopics(link->kafka, &topic, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 60000);
    if (event == NULL || rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
        die("could not create topic \"%s\" at %s: %s", link->topic, link->brokers,
            event == NULL ? "no answer within 60 s" : rd_kafka_event_error_string(event));
    size_t n;
    const rd_kafka_topic_result_t **results =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &n);
    rd_kafka_resp_err_t err = rd_kafka_topic_result_error(results[0]);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR && err != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        die("could not create topic \"%s\": %s", link->topic, rd_kafka_err2str(err));
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(topic);
}

static void send_one(const options *o, link_to_kafka *link, const message *m, bool probe)
{
    char key[48];
    const void *key_at = NULL;
    size_t key_length = 0;
    if (o->key != 'n' && !probe) {
        kind by = o->key == 'i' ? BY_USER : BY_ANTENNA;
        name_of(o, by, m->ids[by], key);
        key_at = key;
        key_length = strlen(key);
    }
    for (;;) {
        rd_kafka_resp_err_t err = rd_kafka_producev(
            link->kafka, RD_KAFKA_V_TOPIC(link->topic), RD_KAFKA_V_PARTITION((int32_t)m->partition),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_VALUE((void *)m->text, m->length),
            RD_KAFKA_V_KEY(key_at, key_length), RD_KAFKA_V_OPAQUE(probe ? link : NULL),
            RD_KAFKA_V_END);
        if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
            return;
        if (err != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            die("could not send: %s", rd_kafka_err2str(err));
        rd_kafka_poll(link->kafka, 100);
    }
}

enum { STEP_US = 2000 }; /* what is due is sent so often: a sleep for each message would be most of the work */

/* Keeps to the rate: waits until message `number` is due, and serves delivery reports. */
static void pace(const options *o, link_to_kafka *link, uint64_t number, int64_t began)
{
    if (o->rate == 0) {
        if (number % 1000 == 0)
            rd_kafka_poll(link->kafka, 0);
        return;
    }
    for (;;) {
        int64_t due = began + (int64_t)((double)number * 1e6 / (double)o->rate), now = now_us();
        if (number % 50 == 0)
            rd_kafka_poll(link->kafka, 0);
        if (due <= now)
            return;
        sleep_us(STEP_US);
    }
}

static void probe_if_due(const options *o, link_to_kafka *link, truth *t, int64_t *due,
                         uint64_t *number)
{
    int64_t now = now_us();
    if (o->probe_ms == 0 || now < *due)
        return;
    message m;
    message_probe(o, (*number)++ % o->partitions, now / 1000000, &m);
    send_one(o, link, &m, true);
    truth_add(t, &m);
    *due += (int64_t)o->probe_ms * 1000;
}

static void to_kafka(const options *o, truth *t, FILE *probes)
{
    link_to_kafka link = {.probes = probes};
    message m;
    link_open(o, &link);
    topic_create(o, &link);
    int64_t began = now_us(), probe_due = began;
    uint64_t probe_number = 0;
    for (uint64_t n = 0; n < o->count; n++) {
        pace(o, &link, n, began);
        message_make(o, o->first + n, o->live ? now_us() / 1000000 : 0, &m);
        int times = message_times(o, o->first + n);
        t->duplicates += (uint64_t)(times - 1);
        for (int i = 0; i < times; i++) {
            send_one(o, &link, &m, false);
            truth_add(t, &m);
        }
        if (n % 16 == 0)
            probe_if_due(o, &link, t, &probe_due, &probe_number);
    }
    while (rd_kafka_outq_len(link.kafka) > 0)
        rd_kafka_poll(link.kafka, 100);
    rd_kafka_flush(link.kafka, 300000);
    double seconds = (double)(now_us() - began) / 1e6;
    fprintf(stderr, "producer: %" PRIu64 " messages in %.1f s, %.0f a second\n", t->sent, seconds,
            (double)t->sent / seconds);
    rd_kafka_destroy(link.kafka);
    if (link.failed > 0)
        die("%" PRIu64 " messages were given up", link.failed);
}

/* ---- main ---------------------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
    options o = options_read(argc, argv);
    truth t = {0};
    char dir[4096], path[4400];
    FILE *probes = NULL;
    bool kafka = strncmp(o.to, "kafka://", strlen("kafka://")) == 0;
    const char *room = kafka ? o.truth : o.to;
    if (room != NULL) {
        folder_make(room);
        snprintf(dir, sizeof dir, "%s/truth", room);
        folder_make(dir);
        users_write(&o, room);
    }
    if (o.probe_ms > 0) {
        if (!kafka || room == NULL)
            die("--probe wants --to kafka://… and --truth");
        snprintf(path, sizeof path, "%s/probes.csv", dir);
        probes = fopen(path, "w");
        if (probes == NULL)
            die("could not create \"%s\": %s", path, strerror(errno));
    }
    if (kafka)
        to_kafka(&o, &t, probes);
    else
        to_files(&o, &t);
    if (probes != NULL && fclose(probes) != 0)
        die("could not write \"%s\"", path);
    if (room != NULL)
        truth_write(&o, &t, dir);
    free(t.slots);
    return 0;
}
