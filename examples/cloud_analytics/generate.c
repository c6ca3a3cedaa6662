/*
 * generate.c - a landing zone of the shape of a real one, and the truth about it.
 *
 *     generate --out DIR [--scale 1] [--seed 1] [--spikes N] [--duplicates N] ...
 *
 * FILES
 *
 *   DIR/customers_orgs.csv users.csv resources.csv support_tickets.csv
 *       marketing_touches.csv nps_surveys.csv billing_monthly.csv
 *   DIR/usage_events_stream/events_part_0000.jsonl ...   one event a line
 *   DIR/truth/truth.json             what was injected, and what a correct pipeline must
 * count DIR/truth/truth_spikes.csv kind,event_id,org_id,usage_date,service,cost_before,cost
 *   DIR/truth/next_delivery/customers_orgs.csv   a second delivery of one master, for SCD 2
 *
 * SHAPE.  At scale 1: 80 organizations, 800 users, 400 resources, 43,200 events over 60
 * days in 120 files.  Events grow with the scale, everything else with its square root: a
 * provider a thousand times as busy has both more customers and busier ones.  Each day 60 %
 * of the resources are in use; use, price per unit, nulls, numbers in quotes, negative
 * costs, missing units and the change to schema 2 on day 15 follow what the real landing
 * holds.
 *
 * INVARIANTS
 *
 *   G1  An event is a function of (seed, scale, number): nothing is kept of those written,
 * so memory does not grow with the number of events. G2  The same options give the same
 * bytes. G3  Every line is counted in truth.json under exactly one of accepted,
 * negative_cost, violations, duplicates, malformed; they add up to the lines written.
 *
 * Checked by tests/check_generator.sh.
 */
#include "generate_kit.h"

enum {
    DAYS = 60,
    FIRST_DAY = 20272,   /* 2025-07-03, days since 1970 */
    SCHEMA_2_DAY = 15,   /* 2025-07-18 */
    MASTERS_DAY = 20212, /* 2025-05-04: the first day in any master */
    LAST_DAY = 20331,    /* 2025-08-31 */
    MINUTES_PER_DAY = 1440,
    UNIT = 10000,      /* costs and amounts are counted in 1/10,000 */
    COST_FLOOR = -100, /* -0.01 USD: cheaper is an error */
    SPIKE_MIN = 100,   /* a spike multiplies something: at least one cent */
    RESERVOIR = 1024,  /* written events that a duplicate may repeat */
    LINE_BYTES = 512,
    FILE_ROWS_MAX = 36000,
};

/* Independent streams of random numbers, one per purpose. */
enum {
    RNG_ORDER = 1,
    RNG_DAY,
    RNG_EVENT,
    RNG_ID,
    RNG_ORG,
    RNG_USER,
    RNG_RESOURCE,
    RNG_TICKET,
    RNG_TOUCH,
    RNG_NPS,
    RNG_BILL,
    RNG_SPIKE,
    RNG_DUPLICATE,
    RNG_LATE,
    RNG_DELIVERY,
};

static const char *const services[] = {"compute",    "storage",   "database",
                                       "networking", "analytics", "genai"};
static const double service_share[] = {0.290, 0.178, 0.170, 0.160, 0.105, 0.097};
static const double service_price[] = {0.08, 0.02, 0.05, 0.01, 0.07, 0.12};
static const char *const regions[] = {"us-east",  "us-west",      "eu-west", "eu-central",
                                      "ap-south", "ap-northeast", "sa-east"};
static const char *const tags[] = {"env:prod", "env:dev",          "team:core",
                                   "team:ml",  "costcenter:alpha", "costcenter:beta",
                                   "pii:true", "backup:daily"};

typedef struct options {
    const char *out;
    double scale, factor, event_factor;
    uint64_t seed;
    int64_t spikes, event_spikes, duplicates, malformed, violations, late;
    int64_t files, orgs;
    bool in_time_order, spike_use;
} options;

typedef struct resource {
    char id[20];
    uint32_t org;
    uint8_t service, region;
} resource;

typedef struct event {
    int64_t number;
    char id[20];
    const resource *resource;
    int day, minute;
    int metric;        /* 0 requests, 1 cpu_hours, 2 storage_gb_hours */
    int64_t value;     /* 1/10,000 */
    int64_t cost;      /* 1/10,000 USD */
    int64_t base_cost; /* before a spike */
    int64_t carbon;    /* 1/1,000,000 kg */
    int64_t tokens;    /* -1: none */
    bool value_null, value_quoted, unit_null;
} event;

typedef struct late_event {
    int64_t number;
    int64_t due; /* minutes since the first day */
} late_event;

typedef struct truth {
    int64_t lines, accepted, negative_cost, violations, duplicates, malformed, late;
    int64_t altered_duplicates, value_null, value_quoted, unit_imputed, schema_1, tokens_rows;
    int64_t cost, negative_sum, tokens, carbon;
    int64_t service_rows[6], service_cost[6];
    int64_t spike_days, spike_events;
    int64_t csat_invalid, nps_invalid, org_nps_invalid, credit_notes, credits_null, open_tickets;
    int64_t tickets, touches, surveys, invoices, users;
} truth;

typedef struct generator {
    options opt;
    int64_t orgs, users, resources, active, per_day, events;
    char (*org_ids)[20];
    resource *res;
    key_set spike_days, spike_events;
    FILE *stream;
    int64_t lines_per_file, lines_in_file, file_number;
    int64_t reservoir[RESERVOIR], reservoir_seen;
    rng reservoir_rng;
    late_event *late;
    size_t late_count, late_next;
    truth truth;
    FILE *spikes_csv;
} generator;

/* ---- events -------------------------------------------------------------------------- */

static uint64_t spike_key(const event *e)
{
    uint64_t cell = (uint64_t)e->resource->org * DAYS + (uint64_t)e->day;
    return cell * COUNT(services) + e->resource->service + 1;
}

static void draw_use(event *e, rng *r)
{
    static const double metric_share[] = {0.4517, 0.2475, 0.3008};
    e->metric = rng_pick(r, metric_share, 3);
    double use = 0;
    if (e->metric == 0)
        use = round(rng_normal(r, 120, 11));
    else if (e->metric == 1)
        use = rng_normal(r, 1.8, 1.5);
    else
        use = rng_normal(r, 10, 8);
    if (use < 0)
        use = 0;
    e->value = (int64_t)llround(use * UNIT);
    double price = service_price[e->resource->service] * rng_normal(r, 1.0, 0.15);
    e->cost = (int64_t)llround((double)e->value * price);
    if (rng_chance(r, 0.005))
        e->cost = -e->cost;
    e->base_cost = e->cost;
    double fate = rng_unit(r);
    e->value_null = fate < 0.0203;
    e->value_quoted = !e->value_null && fate < 0.0203 + 0.0303;
    e->unit_null = rng_chance(r, 0.048);
}

/* Event `number` without spikes.  Numbers run day by day; within a day they go round the
 * resources in use. */
static void event_draw(const generator *g, int64_t number, event *e)
{
    rng r = rng_of(g->opt.seed, RNG_EVENT, (uint64_t)number);
    *e = (event){.number = number, .day = (int)(number / g->per_day), .tokens = -1};
    uint64_t turn = (uint64_t)(number % g->per_day % g->active);
    uint64_t key = rng_of(g->opt.seed, RNG_DAY, (uint64_t)e->day).state;
    e->resource = &g->res[permute(key, (uint64_t)g->resources, turn)];
    e->minute = (int)rng_below(&r, MINUTES_PER_DAY);
    draw_use(e, &r);
    if (e->day < SCHEMA_2_DAY)
        return;
    e->carbon = e->value_null ? 0 : llround((double)e->value * 0.02); /* 0.0002 kg a unit */
    if (strcmp(services[e->resource->service], "genai") == 0)
        e->tokens = llround(fabs(rng_normal(&r, 800, 480)));
}

/* Event `number` as it is written. */
static void event_make(const generator *g, int64_t number, event *e)
{
    event_draw(g, number, e);
    make_id(e->id, "evt_", EVENT_ID_CHARS, g->opt.seed, RNG_ID, (uint64_t)number);
    if (e->cost < COST_FLOOR)
        return; /* an error of the meter, not a spike */
    double factor = 1;
    if (set_has(&g->spike_days, spike_key(e)))
        factor = g->opt.factor;
    else if (set_has(&g->spike_events, (uint64_t)number + 1))
        factor = g->opt.event_factor;
    e->cost = llround((double)e->base_cost * factor);
    if (g->opt.spike_use)
        e->value = llround((double)e->value * factor);
}

static char *put_value(char *p, const event *e)
{
    if (e->value_null)
        return put(p, "null");
    if (e->value_quoted)
        *p++ = '"';
    p = put_fixed(p, e->value, 4);
    if (e->value_quoted)
        *p++ = '"';
    return p;
}

/* What is wrong with an event that is a JSON object and yet breaks a rule. */
enum { RIGHT, NO_ID, NO_TIME, ODD_SCHEMA, KINDS_OF_WRONG };

static char *put_event(char *p, const generator *g, const event *e, int wrong)
{
    static const char *const metrics[] = {"requests", "cpu_hours", "storage_gb_hours"};
    static const char *const units[] = {"\"count\"", "\"hours\"", "\"gb_hours\""};
    p = put(p, "{\"event_id\": ");
    p = wrong == NO_ID ? put(p, "null") : put(put(put(p, "\""), e->id), "\"");
    p = put(p, ", \"timestamp\": ");
    if (wrong == NO_TIME) {
        p = put(p, "null");
    } else {
        *p++ = '"';
        p = put_date(p, FIRST_DAY + e->day);
        *p++ = 'T';
        p = put_digits(p, e->minute / 60, 2);
        *p++ = ':';
        p = put(put_digits(p, e->minute % 60, 2), ":00Z\"");
    }
    p = put(put(p, ", \"org_id\": \""), g->org_ids[e->resource->org]);
    p = put(put(p, "\", \"resource_id\": \""), e->resource->id);
    p = put(put(p, "\", \"service\": \""), services[e->resource->service]);
    p = put(put(p, "\", \"region\": \""), regions[e->resource->region]);
    p = put(put(p, "\", \"metric\": \""), metrics[e->metric]);
    p = put_value(put(p, "\", \"value\": "), e);
    p = put(put(p, ", \"unit\": "), e->unit_null ? "null" : units[e->metric]);
    p = put_fixed(put(p, ", \"cost_usd_increment\": "), e->cost, 4);
    p = put(p, ", \"schema_version\": ");
    *p++ = wrong == ODD_SCHEMA ? '9' : e->day < SCHEMA_2_DAY ? '1' : '2';
    if (e->day >= SCHEMA_2_DAY)
        p = put_micro(put(p, ", \"carbon_kg\": "), e->carbon);
    if (e->tokens >= 0)
        p = put_int(put(p, ", \"genai_tokens\": "), e->tokens);
    return put(p, "}\n");
}

/* ---- the stream ---------------------------------------------------------------------- */

static void write_line(generator *g, const char *line, size_t n)
{
    if (g->stream != NULL && g->lines_in_file == g->lines_per_file) {
        finish(g->stream, "an events file");
        g->stream = NULL;
    }
    if (g->stream == NULL) {
        char name[64];
        snprintf(name, sizeof name, "usage_events_stream/events_part_%0*" PRId64 ".jsonl",
                 g->opt.files > 10000 ? 6 : 4, g->file_number++);
        g->stream = create_in(g->opt.out, name);
        g->lines_in_file = 0;
    }
    fwrite(line, 1, n, g->stream);
    g->lines_in_file++;
    g->truth.lines++;
}

static void count_spike(generator *g, const event *e)
{
    bool day = set_has(&g->spike_days, spike_key(e));
    char date[16], before[32], after[32];
    if (e->cost == e->base_cost)
        return;
    g->truth.spike_days += day ? 1 : 0;
    g->truth.spike_events += day ? 0 : 1;
    fprintf(g->spikes_csv, "%s,%s,%s,%s,%s,%s,%s\n", day ? "day" : "event", e->id,
            g->org_ids[e->resource->org], date_text(date, FIRST_DAY + e->day),
            services[e->resource->service], fixed_text(before, e->base_cost, 4),
            fixed_text(after, e->cost, 4));
}

/* Count an event that must be accepted, and make it one that a duplicate may repeat. */
static void count_accepted(generator *g, const event *e)
{
    truth *t = &g->truth;
    t->accepted++;
    t->cost += e->cost;
    t->service_rows[e->resource->service]++;
    t->service_cost[e->resource->service] += e->cost;
    t->value_null += e->value_null ? 1 : 0;
    t->value_quoted += e->value_quoted ? 1 : 0;
    t->unit_imputed += e->unit_null && !e->value_null ? 1 : 0;
    t->schema_1 += e->day < SCHEMA_2_DAY ? 1 : 0;
    t->carbon += e->carbon;
    if (e->tokens >= 0) {
        t->tokens_rows++;
        t->tokens += e->tokens;
    }
    int64_t at = g->reservoir_seen++;
    if (at >= RESERVOIR)
        at = rng_below(&g->reservoir_rng, at + 1);
    if (at < RESERVOIR)
        g->reservoir[at] = e->number;
    count_spike(g, e);
}

static void emit_event(generator *g, int64_t number)
{
    char line[LINE_BYTES];
    event e;
    event_make(g, number, &e);
    write_line(g, line, (size_t)(put_event(line, g, &e, RIGHT) - line));
    if (e.cost >= COST_FLOOR) {
        count_accepted(g, &e);
    } else {
        g->truth.negative_cost++;
        g->truth.negative_sum += e.cost;
    }
}

/* An event that was accepted, once more.  Every second one has another cost, so that a
 * pipeline which keeps the last instead of the first is found out. */
static void emit_duplicate(generator *g, int64_t nth)
{
    char line[LINE_BYTES];
    event e;
    int64_t n = g->reservoir_seen < RESERVOIR ? g->reservoir_seen : RESERVOIR;
    if (n == 0)
        return;
    event_make(g, g->reservoir[rng_below(&g->reservoir_rng, n)], &e);
    if (nth % 2 == 1) {
        e.cost += 1000 * UNIT;
        g->truth.altered_duplicates++;
    }
    write_line(g, line, (size_t)(put_event(line, g, &e, RIGHT) - line));
    g->truth.duplicates++;
}

/* A line that is no JSON object: cut off, another language, bytes that are no UTF-8, a
 * brace too many, an array that never ends. */
static void emit_malformed(generator *g, int64_t nth)
{
    static const char *const junk[] = {
        "ERROR 503 Service Unavailable\n",
        "{\"event_id\": \"evt_\xff\xfe\x80\", \"timestamp\": \"2025-08-01T00:00:00Z\"}\n",
        "{\"event_id\": \"evt_x\", \"value\": 1.0}}\n",
        "{\"event_id\": \"evt_y\", \"value\": [[[[[[[[[[[[[[[[\n",
    };
    char line[LINE_BYTES];
    event e;
    if (nth % 5 != 0) {
        write_line(g, junk[nth % 5 - 1], strlen(junk[nth % 5 - 1]));
    } else {
        event_make(g, nth % g->events, &e);
        size_t n = (size_t)(put_event(line, g, &e, RIGHT) - line);
        n = n / 2 + (size_t)(nth % 40);
        line[n++] = '\n';
        write_line(g, line, n);
    }
    g->truth.malformed++;
}

/* An event of its own (its number lies behind all others) that breaks one rule. */
static void emit_violation(generator *g, int64_t nth)
{
    char line[LINE_BYTES];
    event e;
    event_draw(g, nth % g->events, &e);
    make_id(e.id, "evt_", EVENT_ID_CHARS, g->opt.seed, RNG_ID, (uint64_t)(g->events + nth));
    e.cost = llabs(e.cost);
    int wrong = 1 + (int)(nth % (KINDS_OF_WRONG - 1));
    write_line(g, line, (size_t)(put_event(line, g, &e, wrong) - line));
    g->truth.violations++;
}

/* Extras are spread evenly: the i-th of n comes behind (i + 1) / (n + 1) of all events. */
static bool extra_due(int64_t done, int64_t of, int64_t position, int64_t events)
{
    return done < of && (double)(done + 1) * (double)events / (double)(of + 1) <= (double)position;
}

static void emit_extras(generator *g, int64_t position)
{
    const options *o = &g->opt;
    while (extra_due(g->truth.duplicates, o->duplicates, position, g->events))
        emit_duplicate(g, g->truth.duplicates);
    while (extra_due(g->truth.malformed, o->malformed, position, g->events))
        emit_malformed(g, g->truth.malformed);
    while (extra_due(g->truth.violations, o->violations, position, g->events))
        emit_violation(g, g->truth.violations);
}

static void write_shuffled(generator *g)
{
    uint64_t key = rng_of(g->opt.seed, RNG_ORDER, 0).state;
    for (int64_t i = 0; i < g->events; i++) {
        emit_event(g, (int64_t)permute(key, (uint64_t)g->events, (uint64_t)i));
        emit_extras(g, i + 1);
    }
}

static int by_due(const void *a, const void *b)
{
    const late_event *x = a, *y = b;
    if (x->due != y->due)
        return x->due < y->due ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* Which events come late, and when: an hour to three days behind their time. */
static void choose_late(generator *g, key_set *chosen)
{
    set_init(chosen, g->opt.late);
    g->late = need((size_t)g->opt.late, sizeof *g->late);
    rng r = rng_of(g->opt.seed, RNG_LATE, 0);
    while ((int64_t)g->late_count < g->opt.late) {
        int64_t number = rng_below(&r, g->events);
        event e;
        if (!set_add(chosen, (uint64_t)number + 1))
            continue;
        event_draw(g, number, &e);
        int64_t at = (int64_t)e.day * MINUTES_PER_DAY + e.minute;
        g->late[g->late_count++] = (late_event){number, at + 60 + rng_below(&r, 71 * 60)};
    }
    qsort(g->late, g->late_count, sizeof *g->late, by_due);
}

static void emit_late(generator *g, int64_t now, int64_t *position)
{
    while (g->late_next < g->late_count && g->late[g->late_next].due <= now) {
        emit_event(g, g->late[g->late_next++].number);
        g->truth.late++;
        emit_extras(g, ++*position);
    }
}

/* A day's events by the minute (a counting sort), the late ones when they are due. */
static void write_day(generator *g, int day, const key_set *late, int64_t *numbers,
                      int64_t *position)
{
    int64_t start[MINUTES_PER_DAY + 1] = {0};
    int64_t first = (int64_t)day * g->per_day;
    event e;
    for (int64_t i = 0; i < g->per_day; i++) {
        event_draw(g, first + i, &e);
        start[e.minute + 1]++;
    }
    for (int m = 0; m < MINUTES_PER_DAY; m++)
        start[m + 1] += start[m];
    for (int64_t i = 0; i < g->per_day; i++) {
        event_draw(g, first + i, &e);
        numbers[start[e.minute]++] = first + i;
    }
    int64_t next = 0;
    for (int m = 0; m < MINUTES_PER_DAY; m++) {
        for (; next < start[m]; next++) {
            if (set_has(late, (uint64_t)numbers[next] + 1))
                continue;
            emit_event(g, numbers[next]);
            emit_extras(g, ++*position);
        }
        emit_late(g, (int64_t)day * MINUTES_PER_DAY + m, position);
    }
}

static void write_in_time_order(generator *g)
{
    key_set late;
    choose_late(g, &late);
    int64_t *numbers = need((size_t)g->per_day, sizeof *numbers);
    int64_t position = 0;
    for (int day = 0; day < DAYS; day++)
        write_day(g, day, &late, numbers, &position);
    emit_late(g, INT64_MAX, &position);
    free(numbers);   /* allow: stand-alone program */
    free(late.keys); /* allow: stand-alone program */
}

/* ---- what is injected ---------------------------------------------------------------- */

/* The days (of one customer and service) whose costs are multiplied: such as cost
 * something. */
static void choose_spike_days(generator *g)
{
    rng r = rng_of(g->opt.seed, RNG_SPIKE, 0);
    set_init(&g->spike_days, g->opt.spikes);
    int64_t tries = 1000 * (g->opt.spikes + 1);
    while ((int64_t)g->spike_days.count < g->opt.spikes) {
        int64_t day = rng_below(&r, DAYS), turn = rng_below(&r, g->active), cost = 0;
        event e;
        if (tries-- == 0)
            die("could not place %" PRId64 " spikes in %" PRId64 " events: too many", g->opt.spikes,
                g->events);
        for (int64_t i = turn; i < g->per_day; i += g->active) {
            event_draw(g, day * g->per_day + i, &e);
            cost += e.cost > 0 ? e.cost : 0;
        }
        if (cost >= SPIKE_MIN)
            set_add(&g->spike_days, spike_key(&e));
    }
}

/* Single events whose costs are multiplied, on other days. */
static void choose_spike_events(generator *g)
{
    rng r = rng_of(g->opt.seed, RNG_SPIKE, 1);
    set_init(&g->spike_events, g->opt.event_spikes);
    int64_t tries = 1000 * (g->opt.event_spikes + 1);
    while ((int64_t)g->spike_events.count < g->opt.event_spikes) {
        int64_t number = rng_below(&r, g->events);
        event e;
        if (tries-- == 0)
            die("could not place %" PRId64 " event spikes in %" PRId64 " events: too many",
                g->opt.event_spikes, g->events);
        event_draw(g, number, &e);
        if (e.cost >= SPIKE_MIN && !set_has(&g->spike_days, spike_key(&e)))
            set_add(&g->spike_events, (uint64_t)number + 1);
    }
}

#include "generate_masters.h" /* here, since it writes what is declared above */

/* ---- truth --------------------------------------------------------------------------- */

static void put_count(FILE *f, const char *name, int64_t v)
{
    fprintf(f, "    \"%s\": %" PRId64 ",\n", name, v);
}

static void write_truth(const generator *g)
{
    const truth *t = &g->truth;
    char text[32];
    FILE *f = create_in(g->opt.out, "truth/truth.json");
    fprintf(f, "{\n  \"seed\": %" PRIu64 ",\n  \"scale\": %g,\n  \"order\": \"%s\",\n", g->opt.seed,
            g->opt.scale, g->opt.in_time_order ? "time" : "shuffled");
    fprintf(f, "  \"spike_of\": \"%s\",\n", g->opt.spike_use ? "use" : "price");
    fprintf(f, "  \"spike_factor\": %g,\n  \"event_spike_factor\": %g,\n", g->opt.factor,
            g->opt.event_factor);
    fputs("  \"lines\": {\n", f);
    put_count(f, "accepted", t->accepted);
    put_count(f, "negative_cost", t->negative_cost);
    put_count(f, "violations", t->violations);
    put_count(f, "duplicates", t->duplicates);
    put_count(f, "malformed", t->malformed);
    fprintf(f, "    \"all\": %" PRId64 "\n  },\n  \"accepted\": {\n", t->lines);
    put_count(f, "late", t->late);
    put_count(f, "schema_1", t->schema_1);
    put_count(f, "value_null", t->value_null);
    put_count(f, "value_quoted", t->value_quoted);
    put_count(f, "unit_imputed", t->unit_imputed);
    put_count(f, "with_tokens", t->tokens_rows);
    put_count(f, "genai_tokens", t->tokens);
    put_count(f, "carbon_micro_kg", t->carbon);
    put_count(f, "altered_duplicates", t->altered_duplicates);
    fprintf(f, "    \"cost_usd\": %s\n  },\n  \"services\": {\n", fixed_text(text, t->cost, 4));
    for (size_t i = 0; i < COUNT(services); i++)
        fprintf(f, "    \"%s\": {\"rows\": %" PRId64 ", \"cost_usd\": %s}%s\n", services[i],
                t->service_rows[i], fixed_text(text, t->service_cost[i], 4),
                i + 1 < COUNT(services) ? "," : "");
    fputs("  },\n  \"spikes\": {\n", f);
    put_count(f, "days", (int64_t)g->spike_days.count);
    put_count(f, "events_of_those_days", t->spike_days);
    fprintf(f, "    \"single_events\": %" PRId64 "\n  },\n  \"masters\": {\n", t->spike_events);
    put_count(f, "organizations", g->orgs);
    put_count(f, "organization_nps_invalid", t->org_nps_invalid);
    put_count(f, "users", t->users);
    put_count(f, "resources", g->resources);
    put_count(f, "tickets", t->tickets);
    put_count(f, "open_tickets", t->open_tickets);
    put_count(f, "csat_invalid", t->csat_invalid);
    put_count(f, "touches", t->touches);
    put_count(f, "surveys", t->surveys);
    put_count(f, "survey_nps_invalid", t->nps_invalid);
    put_count(f, "credit_notes", t->credit_notes);
    put_count(f, "credits_null", t->credits_null);
    fprintf(f, "    \"invoices\": %" PRId64 "\n  }\n}\n", t->invoices);
    finish(f, "truth.json");
}

/* ---- options and main ---------------------------------------------------------------- */

static const char usage[] =
    "usage: generate --out DIR [option VALUE] ...\n"
    "\n"
    "Writes a cloud provider's landing zone: seven CSV files and a folder of JSON lines, "
    "and\n"
    "under DIR/truth what was injected into them.\n"
    "\n"
    "  --out DIR              where to; created if its parent exists\n"
    "  --scale X              43,200 times X events                                  (1)\n"
    "  --seed N               the same seed gives the same bytes                     (1)\n"
    "  --orgs N               customers                             (80 x sqrt(scale))\n"
    "  --files N              event files                 (120, or 36,000 rows a file)\n"
    "  --order shuffled|time  every file a shuffle of all days, or by time    (shuffled)\n"
    "  --late N               events that come 1 to 72 hours late; with --order time (0)\n"
    "  --spikes N             days of a customer and service that cost 10 times  (60 x "
    "scale)\n"
    "  --spike-factor X       times what                                            (10)\n"
    "  --event-spikes N       single events that cost 20 times              (150 x scale)\n"
    "  --event-factor X       times what                                            (20)\n"
    "  --spike-of price|use   dearer for the same use, or more use at the same price "
    "(price)\n"
    "  --duplicates N         events delivered twice                        (216 x scale)\n"
    "  --malformed N          lines that are no JSON object                  (24 x scale)\n"
    "  --violations N         events without id, without time, of schema 9   (12 x "
    "scale)\n";

static double number_of(const char *name, const char *text, double low, double high)
{
    char *end = NULL;
    errno = 0;
    double v = strtod(text, &end);
    if (errno != 0 || end == text || *end != '\0' || !(v >= low && v <= high))
        die("%s wants a number from %g to %g, not \"%s\"", name, low, high, text);
    return v;
}

static bool set_option(options *o, const char *name, const char *value)
{
    const struct {
        const char *name;
        int64_t *to;
        double low, high;
    } counts[] = {
        {"--orgs", &o->orgs, 1, 1e7},
        {"--files", &o->files, 1, 1e6},
        {"--late", &o->late, 0, 1e8},
        {"--spikes", &o->spikes, 0, 1e8},
        {"--malformed", &o->malformed, 0, 1e8},
        {"--event-spikes", &o->event_spikes, 0, 1e8},
        {"--duplicates", &o->duplicates, 0, 1e9},
        {"--violations", &o->violations, 0, 1e8},
    };
    for (size_t i = 0; i < COUNT(counts); i++)
        if (strcmp(name, counts[i].name) == 0) {
            *counts[i].to = (int64_t)number_of(name, value, counts[i].low, counts[i].high);
            return true;
        }
    if (strcmp(name, "--out") == 0)
        o->out = value;
    else if (strcmp(name, "--scale") == 0)
        o->scale = number_of(name, value, 0.001, 100000);
    else if (strcmp(name, "--seed") == 0)
        o->seed = (uint64_t)number_of(name, value, 0, 9e15);
    else if (strcmp(name, "--spike-factor") == 0)
        o->factor = number_of(name, value, 0, 1e6);
    else if (strcmp(name, "--event-factor") == 0)
        o->event_factor = number_of(name, value, 0, 1e6);
    else if (strcmp(name, "--order") == 0 && strcmp(value, "time") == 0)
        o->in_time_order = true;
    else if (strcmp(name, "--order") == 0 && strcmp(value, "shuffled") == 0)
        o->in_time_order = false;
    else if (strcmp(name, "--spike-of") == 0 && strcmp(value, "price") == 0)
        o->spike_use = false;
    else if (strcmp(name, "--spike-of") == 0 && strcmp(value, "use") == 0)
        o->spike_use = true;
    else
        return false;
    return true;
}

static options options_of(int argc, char **argv)
{
    options o = {.scale = 1, .seed = 1, .factor = 10, .event_factor = 20};
    o.orgs = o.files = o.spikes = o.event_spikes = o.duplicates = o.malformed = o.violations = -1;
    for (int i = 1; i < argc; i += 2) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(usage, stdout);
            exit(0);
        }
        if (i + 1 == argc || !set_option(&o, argv[i], argv[i + 1])) {
            fprintf(stderr, "generate: unrecognized option or value \"%s\"\n\n%s", argv[i], usage);
            exit(2);
        }
    }
    if (o.out == NULL) {
        fputs(usage, stderr);
        exit(2);
    }
    if (o.late > 0 && !o.in_time_order)
        die("--late needs --order time: in a shuffle every event is late");
    return o;
}

static int64_t or_else(int64_t v, double otherwise)
{
    return v >= 0 ? v : (int64_t)llround(otherwise);
}

static void generator_init(generator *g, const options *o)
{
    *g = (generator){.opt = *o};
    options *s = &g->opt;
    g->per_day = llround(720 * s->scale);
    if (g->per_day < 1)
        g->per_day = 1;
    g->events = g->per_day * DAYS;
    g->orgs = or_else(s->orgs, fmax(2, 80 * sqrt(s->scale)));
    g->users = g->orgs * 10;
    g->resources = g->orgs * 5;
    g->active = g->resources * 3 / 5;
    if (g->active > g->per_day)
        g->active = g->per_day;
    s->spikes = or_else(s->spikes, 60 * s->scale);
    s->event_spikes = or_else(s->event_spikes, 150 * s->scale);
    s->duplicates = or_else(s->duplicates, 216 * s->scale);
    s->malformed = or_else(s->malformed, 24 * s->scale);
    s->violations = or_else(s->violations, 12 * s->scale);
    if (s->late > g->events / 2)
        die("--late %" PRId64 " is more than half of %" PRId64 " events", s->late, g->events);
    s->files = or_else(s->files, fmax(120, (double)g->events / FILE_ROWS_MAX));
    int64_t lines = g->events + s->duplicates + s->malformed + s->violations;
    g->lines_per_file = (lines + s->files - 1) / s->files;
    g->reservoir_rng = rng_of(s->seed, RNG_DUPLICATE, 0);
    g->org_ids = need((size_t)g->orgs, sizeof *g->org_ids);
    g->res = need((size_t)g->resources, sizeof *g->res);
    for (int64_t i = 0; i < g->orgs; i++)
        make_id(g->org_ids[i], "org_", MASTER_ID_CHARS, s->seed, RNG_ORG, (uint64_t)i);
}

static void make_folders(const char *out)
{
    static const char *const inner[] = {"", "/usage_events_stream", "/truth",
                                        "/truth/next_delivery"};
    for (size_t i = 0; i < COUNT(inner); i++) {
        char path[4096];
        if ((size_t)snprintf(path, sizeof path, "%s%s", out, inner[i]) >= sizeof path)
            die("path \"%s\" is too long", out);
        make_folder(path);
    }
}

int main(int argc, char **argv)
{
    generator g;
    options o = options_of(argc, argv);
    generator_init(&g, &o);
    make_folders(g.opt.out);
    write_orgs(&g);
    write_users(&g);
    write_resources(&g);
    write_tickets(&g);
    write_touches(&g);
    write_surveys(&g);
    write_invoices(&g);
    choose_spike_days(&g);
    choose_spike_events(&g);
    g.spikes_csv = create_in(g.opt.out, "truth/truth_spikes.csv");
    fputs("kind,event_id,org_id,usage_date,service,cost_before,cost\n", g.spikes_csv);
    if (g.opt.in_time_order)
        write_in_time_order(&g);
    else
        write_shuffled(&g);
    finish(g.stream, "an events file");
    finish(g.spikes_csv, "truth_spikes.csv");
    write_truth(&g);
    char cost[32];
    fprintf(stdout,
            "%s: %" PRId64 " lines = %" PRId64 " accepted + %" PRId64 " negative cost + %" PRId64
            " violations + %" PRId64 " duplicates + %" PRId64 " malformed; %s USD\n",
            g.opt.out, g.truth.lines, g.truth.accepted, g.truth.negative_cost, g.truth.violations,
            g.truth.duplicates, g.truth.malformed, fixed_text(cost, g.truth.cost, 4));
    free(g.org_ids);           /* allow: stand-alone program */
    free(g.res);               /* allow: stand-alone program */
    free(g.late);              /* allow: stand-alone program */
    free(g.spike_days.keys);   /* allow: stand-alone program */
    free(g.spike_events.keys); /* allow: stand-alone program */
    return 0;
}
