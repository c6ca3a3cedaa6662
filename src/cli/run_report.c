/*
 * cli/run_report.c - see the header.
 */
#include "cli/run_report.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/cli.h"

typedef struct fate {
    const char *word; /* in the balance */
    const char *name; /* in JSON */
    size_t at;        /* in rdl_ledger */
} fate;

#define FATE(word, field)                                                                          \
    {                                                                                              \
        word, #field, offsetof(rdl_ledger, field)                                                  \
    }

static const fate came_in[] = {FATE("read", read), FATE("replayed", replayed),
                               FATE("fanned out", fanout)};
static const fate went_out[] = {
    FATE("written", written),
    FATE("duplicate", duplicate),
    FATE("late (diverted)", late_diverted),
    FATE("late (dropped)", late_dropped),
    FATE("quarantined", quarantined),
    FATE("dropped", dropped),
    FATE("filtered", filtered),
};
static const fate tags[] = {FATE("amended", amended),     FATE("imputed", imputed),
                            FATE("kept", kept),           FATE("rescued", rescued),
                            FATE("malformed", malformed), FATE("copies of hops", hop_copies)};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static uint64_t count_of(const rdl_ledger *l, const fate *f)
{
    uint64_t n;
    memcpy(&n, (const char *)l + f->at, sizeof n);
    return n;
}

static void put_side(rdl_buf *b, const rdl_ledger *l, const fate *fates, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t x = count_of(l, &fates[i]);
        if (i == 0 || x != 0)
            rdl_buf_printf(b, "%s%" PRIu64 " %s", i != 0 ? " + " : "", x, fates[i].word);
    }
}

void rdl_put_balance(rdl_buf *b, const rdl_ledger *l)
{
    put_side(b, l, came_in, COUNT(came_in));
    rdl_buf_puts(b, rdl_ledger_balances(l) ? " = " : " DOES NOT EQUAL ");
    put_side(b, l, went_out, COUNT(went_out));
}

static void put_fields(rdl_buf *b, const rdl_ledger *l, const fate *fates, size_t n)
{
    for (size_t i = 0; i < n; i++)
        rdl_buf_printf(b, "%s\"%s\": %" PRIu64, b->p[b->n - 1] == '{' ? "" : ", ", fates[i].name,
                       count_of(l, &fates[i]));
}

void rdl_put_ledger_json(rdl_buf *b, const rdl_ledger *l)
{
    rdl_buf_putc(b, '{');
    put_fields(b, l, came_in, COUNT(came_in));
    put_fields(b, l, went_out, COUNT(went_out));
    put_fields(b, l, tags, COUNT(tags));
    rdl_buf_printf(b, ", \"balances\": %s}", rdl_ledger_balances(l) ? "true" : "false");
}

/* ---- the table of steps ---- */

enum { STEP_COLUMNS = 6 };
static const char *const heads[STEP_COLUMNS] = {"step", "times", "rows", "bytes", "time", "share"};
static const size_t widths[STEP_COLUMNS] = {19, 7, 10, 9, 9, 6};

static void put_cell(rdl_buf *b, size_t column, const char *text)
{
    rdl_buf_puts(b, column == 0 ? " " : "  ");
    rdl_put_padded(b, rdl_str_of(text), widths[column], column != 0);
}

static void put_rule(rdl_buf *b)
{
    for (size_t i = 0; i < STEP_COLUMNS; i++) {
        char dashes[32] = {0};
        memset(dashes, '-', widths[i]);
        put_cell(b, i, dashes);
    }
    rdl_buf_putc(b, '\n');
}

static void put_count(rdl_buf *b, size_t column, uint64_t n)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, n);
    put_cell(b, column, n != 0 ? text : "-");
}

static void put_step(rdl_buf *b, const rdl_step_time *s, double total)
{
    rdl_buf cell = {0};
    put_cell(b, 0, s->name);
    put_count(b, 1, s->count);
    put_count(b, 2, s->rows);
    if (s->bytes != 0)
        rdl_put_bytes(&cell, s->bytes);
    else
        rdl_buf_putc(&cell, '-');
    put_cell(b, 3, rdl_buf_str(&cell));
    rdl_buf_clear(&cell);
    rdl_put_seconds(&cell, s->seconds);
    put_cell(b, 4, rdl_buf_str(&cell));
    rdl_buf_clear(&cell);
    rdl_buf_printf(&cell, "%.0f %%", total > 0 ? 100 * s->seconds / total : 0);
    put_cell(b, 5, rdl_buf_str(&cell));
    rdl_buf_fini(&cell);
    rdl_buf_putc(b, '\n');
}

static void put_last(rdl_buf *b, const rdl_run_report *r, uint64_t files_behind)
{
    rdl_buf_printf(b, "last epoch %" PRIu64 ", ", r->last_epoch);
    if (files_behind == 0)
        rdl_buf_puts(b, "lag 0");
    else
        rdl_buf_printf(b, "lag %" PRIu64 " file%s", files_behind, files_behind == 1 ? "" : "s");
}

static bool reads_source(const rdl_table *t)
{
    for (size_t i = 0; i < t->input_count; i++)
        if (t->inputs[i].table->kind == RDL_TABLE_SOURCE)
            return true;
    return false;
}

/* What the balance above does not count: tables that read tables, where rows did not go on. */
static void put_further(rdl_buf *b, const rdl_pipeline *p, const rdl_run_report *r)
{
    for (size_t i = 0; r->tables != NULL && i < p->table_count; i++) {
        const rdl_table *t = r->tables[i].table;
        const rdl_ledger *l = &r->tables[i].ledger;
        if (t == NULL || t->kind != RDL_TABLE_STREAMING || t->internal || reads_source(t) ||
            l->quarantined + l->late_diverted + l->late_dropped + l->dropped == 0)
            continue;
        rdl_buf_printf(b, " %.*s: ", (int)t->full.n, t->full.p);
        rdl_put_balance(b, l);
        rdl_buf_putc(b, '\n');
    }
}

void rdl_put_run_report(rdl_buf *b, const rdl_pipeline *p, const rdl_run_report *r,
                        uint64_t files_behind)
{
    rdl_buf line = {0}, last = {0};
    for (size_t i = 0; i < STEP_COLUMNS; i++)
        put_cell(b, i, heads[i]);
    rdl_buf_putc(b, '\n');
    put_rule(b);
    for (size_t i = 0; i < r->step_count; i++)
        if (r->steps[i].count != 0)
            put_step(b, &r->steps[i], r->seconds);
    put_rule(b);
    rdl_put_balance(&line, &r->total);
    put_last(&last, r, files_behind);
    rdl_buf_printf(&line, "   %s", rdl_buf_str(&last));
    rdl_buf_printf(b, " %s\n", rdl_buf_str(&line));
    put_further(b, p, r);
    rdl_buf_clear(&line);
    rdl_put_seconds(&line, r->seconds);
    rdl_buf_printf(b, " %" PRIu64 " epoch%s in %s%s\n", r->epochs, r->epochs == 1 ? "" : "s",
                   rdl_buf_str(&line), r->stopped ? ", stopped when asked" : "");
    rdl_buf_fini(&line);
    rdl_buf_fini(&last);
}

/* ---- JSON ---- */

static void put_table_json(rdl_buf *b, const rdl_table_report *t)
{
    rdl_buf_puts(b, "{\"table\": ");
    rdl_buf_put_json_text(b, t->table->full);
    if (t->table->kind == RDL_TABLE_STREAMING) {
        rdl_buf_puts(b, ", \"ledger\": ");
        rdl_put_ledger_json(b, &t->ledger);
    } else {
        rdl_buf_printf(b, ", \"rows_new\": %" PRIu64 ", \"rows_old\": %" PRIu64, t->rows_new,
                       t->rows_old);
    }
    for (size_t i = 0; t->violations != NULL && i < t->table->constraint_count; i++) {
        rdl_buf_puts(b, i == 0 ? ", \"violations\": {" : ", ");
        rdl_buf_put_json_text(b, t->table->constraints[i].name);
        rdl_buf_printf(b, ": %" PRIu64 "%s", t->violations[i],
                       i + 1 == t->table->constraint_count ? "}" : "");
    }
    rdl_buf_putc(b, '}');
}

void rdl_put_run_report_json(rdl_buf *b, const rdl_pipeline *p, const rdl_run_report *r,
                             uint64_t files_behind)
{
    bool first = true;
    rdl_buf_printf(b,
                   "{\"epochs\": %" PRIu64 ", \"last_epoch\": %" PRIu64 ", \"stopped\": %s, "
                   "\"seconds\": %.6f, \"bytes_read\": %" PRIu64 ", \"files_behind\": %" PRIu64
                   ",\n \"ledger\": ",
                   r->epochs, r->last_epoch, r->stopped ? "true" : "false", r->seconds,
                   r->bytes_read, files_behind);
    rdl_put_ledger_json(b, &r->total);
    rdl_buf_puts(b, ",\n \"steps\": [");
    bool first_step = true;
    for (size_t i = 0; i < r->step_count; i++) {
        if (r->steps[i].count == 0)
            continue;
        rdl_buf_printf(b,
                       "%s{\"step\": \"%s\", \"times\": %" PRIu64 ", \"rows\": %" PRIu64
                       ", \"bytes\": %" PRIu64 ", \"seconds\": %.6f}",
                       first_step ? "\n  " : ",\n  ", r->steps[i].name, r->steps[i].count,
                       r->steps[i].rows, r->steps[i].bytes, r->steps[i].seconds);
        first_step = false;
    }
    rdl_buf_puts(b, "],\n \"tables\": [");
    for (size_t i = 0; r->tables != NULL && i < p->table_count; i++) {
        if (r->tables[i].table == NULL || r->tables[i].table->kind < RDL_TABLE_STREAMING)
            continue;
        rdl_buf_puts(b, first ? "\n  " : ",\n  ");
        put_table_json(b, &r->tables[i]);
        first = false;
    }
    rdl_buf_puts(b, "],\n \"warnings\": [");
    for (size_t i = 0; i < r->warning_count; i++) {
        rdl_buf_puts(b, i != 0 ? ", " : "");
        rdl_buf_put_json_text(b, rdl_str_of(r->warnings[i]));
    }
    rdl_buf_puts(b, "]}\n");
}
