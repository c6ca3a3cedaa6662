/*
 * examples/reports/generate.c - invoices and chat answers of the real shape.
 *
 *   generate --to DIR [--flows N] [--answers N] [--accounts N] [--hours N] [--broken N]
 *            [--seed N]
 *
 *   DIR/invoices.csv                         customer,account,month,invoice
 *   DIR/conversations/date=D/hour=HH.json    JSON arrays
 *   DIR/fates.csv                            fate,rows: what becomes of them
 *
 * A flow has 3 to 12 questions of its own names; a session answers most of them, some twice, some
 * with an empty text first (which is no answer); one in a hundred sessions spans the hour.
 * About one account in three lacks a month.  --broken (2): so many messages of each kind that is
 * refused, messages sent twice, and invoices that cannot be counted.  The same arguments give the
 * same bytes.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct settings {
    const char *to;
    uint64_t flows, answers, accounts, hours, broken, seed;
} settings;

/* Elements that are refused, and the reason. */
static const struct {
    const char *reason, *element;
} refused[] = {
    {"content_present",
     "{\"customer\": \"C1\", \"flow\": \"F1\", \"session\": \"S1\", \"timestamp\": "
     "\"2019-12-16T00:00:00+00:00\", \"content\": \"sim\"}"},
    {"customer_present",
     "{\"flow\": \"F1\", \"session\": \"S1\", \"timestamp\": \"2019-12-16T00:00:00+00:00\", "
     "\"content\": {\"nota\": \"9\"}}"},
    {"flow_present", "{\"customer\": \"C1\", \"flow\": null, \"session\": \"S1\", \"timestamp\": "
                     "\"2019-12-16T00:00:00+00:00\", \"content\": {\"nota\": \"9\"}}"},
    {"malformed", "{\"customer\": C1, \"flow\": \"F1\"}"},
    {"session_present",
     "{\"customer\": \"C1\", \"flow\": \"F1\", \"timestamp\": \"2019-12-16T00:00:00+00:00\", "
     "\"content\": {\"nota\": \"9\"}}"},
    {"time_present",
     "{\"customer\": \"C1\", \"flow\": \"F1\", \"session\": \"S1\", \"timestamp\": \"ontem\", "
     "\"content\": {\"nota\": \"9\"}}"},
};
enum { REFUSED = sizeof refused / sizeof refused[0] };

typedef struct fates {
    uint64_t answers, empty, twice;
} fates;

static uint64_t next(uint64_t *s)
{
    uint64_t z = (*s += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void fail(const char *what, const char *path)
{
    fprintf(stderr, "generate: could not %s \"%s\"\n", what, path);
    exit(1);
}

static FILE *create(const char *path)
{
    FILE *f = fopen(path, "w");
    if (f == NULL)
        fail("create", path);
    return f;
}

static void done(FILE *f, const char *path)
{
    if (fclose(f) != 0)
        fail("write", path);
}

static void invoices(const settings *s)
{
    char path[1000];
    uint64_t r = s->seed;
    snprintf(path, sizeof path, "%s/invoices.csv", s->to);
    FILE *f = create(path);
    fputs("customer,account,month,invoice\n", f);
    for (uint64_t a = 0; a < s->accounts; a++) {
        uint64_t missing = next(&r) % 18; /* above 5: none */
        for (uint64_t m = 0; m < 6; m++) {
            uint64_t cents = 10000 + next(&r) % 9000000;
            if (m != missing)
                fprintf(f,
                        "C%05" PRIu64 ",A%06" PRIu64 ",2019-%02" PRIu64 "-01,%" PRIu64 ".%02" PRIu64
                        "\n",
                        1000 + a / 3, 1000 + a, 7 + m, cents / 100, cents % 100);
        }
    }
    for (uint64_t i = 0; i < s->broken; i++)
        fprintf(f, "C%05d,A%06" PRIu64 ",2019-12-01,\nC%05d,A%06" PRIu64 ",December,10.00\n", 99, i,
                99, i);
    done(f, path);
}

static const char *const words[] = {
    "name",   "cpf",  "delivery_confirmed", "recomenda", "nota", "email", "cidade", "motivo",
    "pedido", "data", "comentário",         "telefone"};

static void question(uint64_t flow, uint64_t q, char *out, size_t n)
{
    if (flow % 3 == 0)
        snprintf(out, n, "%s", words[q % 12]);
    else
        snprintf(out, n, "%s_%" PRIu64, words[(q + flow) % 12], flow % 97);
}

static void answer(FILE *f, uint64_t flow, uint64_t session, uint64_t q, uint64_t second,
                   const char *text, bool *first)
{
    char name[64];
    question(flow, q, name, sizeof name);
    fprintf(f,
            "%s  {\"customer\": \"C%05" PRIu64 "\", \"flow\": \"F%05" PRIu64
            "\", \"session\": \"S%08" PRIu64 "\", \"timestamp\": \"2019-12-16T%02" PRIu64
            ":%02" PRIu64 ":%02" PRIu64 "+00:00\", \"content\": {\"%s\": \"%s\"}}",
            *first ? "" : ",\n", 1000 + flow / 4, 1000 + flow, session, second / 3600,
            second / 60 % 60, second % 60, name, text);
    *first = false;
}

/* What is refused, once for each time that --broken says. */
static void broken(FILE *f, const settings *s)
{
    for (uint64_t i = 0; i < s->broken * REFUSED; i++)
        fprintf(f, ",\n  %s", refused[i % REFUSED].element);
}

/* Sessions of one hour; counts what was written. */
static void hour(const settings *s, uint64_t h, uint64_t wanted, uint64_t *session, uint64_t *r,
                 fates *out)
{
    char path[1000], text[64];
    uint64_t n = 0;
    bool first = true;
    snprintf(path, sizeof path, "%s/conversations/date=2019-12-16/hour=%02" PRIu64 ".json", s->to,
             h);
    FILE *f = create(path);
    fputs("[\n", f);
    while (n < wanted) {
        uint64_t flow = next(r) % s->flows, questions = 3 + flow % 10;
        uint64_t at = h * 3600 + next(r) % 3000;
        (*session)++;
        for (uint64_t q = 0; q < questions && n < wanted; q++) {
            uint64_t chance = next(r) % 100;
            if (chance < 3)
                continue;
            if (chance < 8) {
                answer(f, flow, *session, q, at++, "", &first);
                out->empty++;
                n++;
            }
            snprintf(text, sizeof text, "resposta %" PRIu64 " ção", next(r) % 100000);
            answer(f, flow, *session, q, at, text, &first);
            if (out->twice < s->broken) { /* delivered again */
                answer(f, flow, *session, q, at, text, &first);
                out->twice++;
            }
            at++;
            n++;
        }
    }
    out->answers += n;
    if (h == 0)
        broken(f, s);
    fputs("\n]\n", f);
    done(f, path);
}

static void write_fates(const settings *s, const fates *n)
{
    char path[1000];
    snprintf(path, sizeof path, "%s/fates.csv", s->to);
    FILE *f = create(path);
    fprintf(f,
            "fate,rows\nread,%" PRIu64 "\nwritten,%" PRIu64 "\nempty,%" PRIu64
            "\nduplicate,%" PRIu64 "\n",
            n->answers + n->twice + s->broken * REFUSED, n->answers, n->empty, n->twice);
    for (size_t i = 0; i < REFUSED; i++)
        fprintf(f, "%s,%" PRIu64 "\n", refused[i].reason, s->broken);
    fprintf(f, "no amount,%" PRIu64 "\nno month,%" PRIu64 "\n", s->broken, s->broken);
    done(f, path);
}

static void conversations(const settings *s)
{
    char path[1000];
    uint64_t r = s->seed ^ 77, session = 0;
    fates n = {0};
    snprintf(path, sizeof path, "%s/conversations", s->to);
    (void)mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/conversations/date=2019-12-16", s->to);
    (void)mkdir(path, 0777);
    for (uint64_t h = 0; h < s->hours; h++)
        hour(s, h, s->answers / s->hours, &session, &r, &n);
    write_fates(s, &n);
    fprintf(stderr, "%" PRIu64 " answers of %" PRIu64 " sessions\n", n.answers, session);
}

int main(int argc, char **argv)
{
    settings s = {.flows = 5, .answers = 400, .accounts = 12, .hours = 4, .broken = 2, .seed = 1};
    const struct {
        const char *name;
        uint64_t *value;
    } numbers[] = {{"--flows", &s.flows}, {"--answers", &s.answers}, {"--accounts", &s.accounts},
                   {"--hours", &s.hours}, {"--broken", &s.broken},   {"--seed", &s.seed}};
    for (int i = 1; i + 1 < argc; i += 2) {
        bool known = strcmp(argv[i], "--to") == 0;
        if (known)
            s.to = argv[i + 1];
        for (size_t k = 0; k < sizeof numbers / sizeof numbers[0]; k++)
            if (strcmp(argv[i], numbers[k].name) == 0) {
                *numbers[k].value = strtoull(argv[i + 1], NULL, 10);
                known = true;
            }
        if (!known)
            fail("understand", argv[i]);
    }
    if (s.to == NULL || s.flows == 0 || s.hours == 0 || s.hours > 24)
        fail("start without", "--to DIR, --flows, --hours from 1 to 24");
    (void)mkdir(s.to, 0777);
    invoices(&s);
    conversations(&s);
    return 0;
}
