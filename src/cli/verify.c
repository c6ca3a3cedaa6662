/*
 * cli/verify.c - `raudal verify`: do stream, batch and stores agree?  With --repair: make them.
 */
#include "batch/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/url.h"
#include "cli/errand.h"
#include "cli/output.h"
#include "ops/catalog.h"

enum {
    SAMPLES_DEFAULT = 10,
    RUNS_READ = 1000,
};

static const char *kind_word(rdl_difference_kind kind)
{
    static const char *const words[] = {"missing", "extra", "differs"};
    return words[kind];
}

static bool agrees(const rdl_verify_item *i)
{
    return i->differences == 0 && i->problem[0] == '\0';
}

static size_t passed_over(const rdl_verify_item *items, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += items[i].not_compared != NULL ? 1 : 0;
    return count;
}

/* "gold.x" or "gold.x in sqlite:serving.db". */
static void put_name(rdl_buf *b, const rdl_verify_item *i)
{
    rdl_buf_put(b, i->table->full.p, i->table->full.n);
    if (i->publication == NULL)
        return;
    rdl_buf_puts(b, " in ");
    rdl_url_put_shown(b, i->publication->url);
}

/* ---- JSON ---- */

static void put_text_json(rdl_buf *b, const char *text)
{
    if (text != NULL)
        rdl_buf_put_json_text(b, rdl_str_of(text));
    else
        rdl_buf_puts(b, "null");
}

static void put_sample_json(rdl_buf *b, const rdl_difference *d)
{
    const char *const texts[] = {d->key, d->expected, d->got};
    static const char *const names[] = {"key", "expected", "got"};
    rdl_buf_printf(b, "{\"kind\": \"%s\"", kind_word(d->kind));
    for (size_t i = 0; i < 3; i++) {
        rdl_buf_printf(b, ", \"%s\": ", names[i]);
        put_text_json(b, texts[i]);
    }
    rdl_buf_putc(b, '}');
}

static void put_item_json(rdl_buf *b, const rdl_verify_item *i)
{
    rdl_buf_puts(b, "{\"table\": ");
    rdl_buf_put_json_text(b, i->table->full);
    rdl_buf_puts(b, ", \"store\": ");
    if (i->publication != NULL)
        rdl_url_put_json(b, i->publication->url);
    else
        rdl_buf_puts(b, "null");
    rdl_buf_printf(b,
                   ", \"against\": \"%s\", \"rows\": %" PRIu64 ", \"differences\": %" PRIu64
                   ", \"hash\": \"%s\", \"seconds\": %.3f, \"not_compared\": ",
                   i->against, i->rows, i->differences, i->hash, i->seconds);
    put_text_json(b, i->not_compared);
    rdl_buf_puts(b, ", \"problem\": ");
    put_text_json(b, i->problem[0] != '\0' ? i->problem : NULL);
    rdl_buf_puts(b, ", \"samples\": [");
    for (size_t k = 0; k < i->sample_count; k++) {
        rdl_buf_puts(b, k != 0 ? ", " : "");
        put_sample_json(b, &i->samples[k]);
    }
    rdl_buf_puts(b, "]}");
}

static void put_json(rdl_buf *b, const rdl_verify_item *items, size_t n, size_t bad)
{
    rdl_buf_printf(b,
                   "{\"checks\": %zu, \"differing\": %zu, \"not_compared\": %zu, \"items\": [", n,
                   bad, passed_over(items, n));
    for (size_t i = 0; i < n; i++) {
        rdl_buf_puts(b, i != 0 ? ",\n  " : "\n  ");
        put_item_json(b, &items[i]);
    }
    rdl_buf_puts(b, "]}\n");
}

/* ---- for people ---- */

static void put_sample(rdl_buf *b, const rdl_difference *d)
{
    rdl_buf_printf(b, "         %s %s\n", kind_word(d->kind), d->key);
    if (d->expected != NULL)
        rdl_buf_printf(b, "           expected %s\n", d->expected);
    if (d->got != NULL)
        rdl_buf_printf(b, "           got      %s\n", d->got);
}

static void put_item(rdl_buf *b, const rdl_verify_item *i, size_t name_width, bool color)
{
    rdl_buf name = {0}, count = {0}, took = {0};
    bool ok = agrees(i), over = i->not_compared != NULL;
    put_name(&name, i);
    rdl_put_seconds(&took, i->seconds);
    rdl_buf_printf(b, " %s%s%s  ",
                   !color ? ""
                   : !ok  ? "\033[1;31m"
                   : over ? "\033[33m"
                          : "\033[32m",
                   !ok    ? "DIFFERS"
                   : over ? "--     "
                          : "ok     ",
                   color ? "\033[0m" : "");
    rdl_put_padded(b, (rdl_str){name.p, name.n}, name_width, false);
    rdl_buf_puts(b, "  ");
    rdl_buf_printf(&count, "%" PRIu64, i->rows);
    rdl_put_padded(b, (rdl_str){count.p, count.n}, 9, true);
    if (over)
        rdl_buf_printf(b, " rows, not compared: %s\n", i->not_compared);
    else
        rdl_buf_printf(b, " rows against the %s, %" PRIu64 " difference%s, %s\n", i->against,
                       i->differences, i->differences == 1 ? "" : "s", rdl_buf_str(&took));
    if (i->problem[0] != '\0')
        rdl_buf_printf(b, "         %s\n", i->problem);
    for (size_t k = 0; k < i->sample_count; k++)
        put_sample(b, &i->samples[k]);
    if (i->differences > i->sample_count && i->sample_count != 0)
        rdl_buf_printf(b, "         and %" PRIu64 " more\n", i->differences - i->sample_count);
    rdl_buf_fini(&name);
    rdl_buf_fini(&count);
    rdl_buf_fini(&took);
}

static void put_text(rdl_buf *b, const rdl_verify_item *items, size_t n, size_t bad)
{
    size_t width = 0;
    uint64_t differences = 0;
    for (size_t i = 0; i < n; i++) {
        rdl_buf name = {0};
        put_name(&name, &items[i]);
        size_t is = rdl_text_width((rdl_str){name.p, name.n});
        width = is > width ? is : width;
        rdl_buf_fini(&name);
        differences += items[i].differences;
    }
    for (size_t i = 0; i < n; i++)
        put_item(b, &items[i], width, rdl_cli_color(STDOUT_FILENO));
    size_t over = passed_over(items, n);
    if (bad == 0)
        rdl_buf_printf(b, " %zu check%s, 0 differences: stream, batch and stores agree", n - over,
                       n - over == 1 ? "" : "s");
    else
        rdl_buf_printf(b, " %zu of %zu check%s failed, %" PRIu64 " difference%s", bad, n - over,
                       n - over == 1 ? "" : "s", differences, differences == 1 ? "" : "s");
    if (over > 0)
        rdl_buf_printf(b, "; %zu table%s not compared", over, over == 1 ? " was" : "s were");
    rdl_buf_putc(b, '\n');
}

/* ---- repair ---- */

/* Names of what differs; the tables themselves go with the reader. */
typedef struct broken {
    RDL_VEC(rdl_str) views, published;
    rdl_str stream; /* a streaming table: nothing here can make it again */
} broken;

static void note_broken(rdl_arena *a, broken *b, const rdl_verify_item *i)
{
    rdl_str name = {rdl_arena_strndup(a, i->table->full.p, i->table->full.n), i->table->full.n};
    if (i->publication != NULL)
        RDL_PUSH(a, &b->published) = name;
    else if (i->table->kind == RDL_TABLE_VIEW)
        RDL_PUSH(a, &b->views) = name;
    else
        b->stream = name;
}

static rdl_code repair(rdl_cli *cli, const broken *b, rdl_err *err)
{
    if (b->stream.n > 0) {
        rdl_err_set(err, RDL_EDATA, 0,
                    "cannot repair \"%.*s\": a streaming table is not computed "
                    "from the lake",
                    (int)b->stream.n, b->stream.p);
        (void)rdl_err_hint(err,
                           "Restore its folder from a backup, or read the sources again with "
                           "raudal backfill; then verify --repair mends what lies downstream.");
        return rdl_err_area(RDL_EDATA, err, RDL_AREA_STORE);
    }
    rdl_errand_step steps[2];
    size_t n = 0;
    if (b->views.n > 0)
        steps[n++] = (rdl_errand_step){"refresh", b->views.v, b->views.n};
    if (b->published.n > 0)
        steps[n++] = (rdl_errand_step){"publish", b->published.v, b->published.n};
    rdl_code rc = rdl_errand_over(cli, steps, n, err);
    if (rc == RDL_OK)
        rdl_cli_note("repaired: %zu view%s computed again, %zu published table%s filled again",
                     b->views.n, b->views.n == 1 ? "" : "s", b->published.n,
                     b->published.n == 1 ? "" : "s");
    return rc;
}

/* ---- what was put aside ---- */

/* The newest run of "table <name>", if it failed: why; else NULL. */
static const char *aside(const rdl_catalog_run *runs, size_t n, const char *table)
{
    for (size_t i = 0; i < n; i++)
        if (strncmp(runs[i].kind, "table ", 6) == 0 && strcmp(runs[i].kind + 6, table) == 0)
            return strcmp(runs[i].outcome, "failed") == 0 ? runs[i].message : NULL;
    return NULL;
}

/* A view that waits may do so because it failed.  The catalog is for people: without one it waits. */
static void tell_aside(rdl_cli *cli, rdl_verify_item *items, size_t n)
{
    rdl_catalog *c = NULL;
    rdl_catalog_run *runs = NULL;
    size_t run_count = 0;
    rdl_err ignored;
    if (passed_over(items, n) == 0)
        return;
    if (rdl_catalog_open(rdl_cli_root(cli), true, &c, &ignored) != RDL_OK ||
        rdl_catalog_runs(c, &cli->arena, RUNS_READ, &runs, &run_count, &ignored) != RDL_OK)
        run_count = 0;
    for (size_t i = 0; i < n; i++) {
        const char *why = aside(runs, run_count, items[i].table->full.p);
        if (items[i].not_compared != NULL && why != NULL)
            items[i].not_compared = rdl_arena_printf(&cli->arena, "%s; it was put aside: %s",
                                                     items[i].not_compared, why);
    }
    rdl_catalog_close(c);
}

/* ---- the command ---- */

static rdl_code reopen(void *cli, rdl_reader **out, rdl_err *err)
{
    return rdl_cli_open_reader(cli, out, err);
}

static rdl_code verify(rdl_cli *cli, rdl_reader *r, broken *out, rdl_err *err)
{
    rdl_verify_item *items;
    rdl_output_format format;
    rdl_buf b = {0};
    size_t n, bad = 0;
    *out = (broken){0};
    uint64_t samples = SAMPLES_DEFAULT;
    RDL_TRY(rdl_output_choose(cli, RDL_OUTPUT_TABLE, &format, err));
    RDL_TRY(rdl_cli_count(cli, RDL_CLI_SAMPLES, 1000000, &samples, err));
    rdl_verify_options options = {.only = cli->values[RDL_CLI_ONLY],
                                  .samples_max = samples,
                                  .stores = !rdl_cli_has(cli, RDL_CLI_NO_STORES),
                                  .reopen = reopen,
                                  .reopen_arg = cli};
    RDL_TRY(rdl_verify(r, &cli->arena, &options, &items, &n, err));
    if (n == 0 && options.only != NULL) {
        rdl_err_set(err, RDL_EUSAGE, 0, "no table matches --only \"%s\"", options.only);
        return rdl_err_hint(err, "`raudal explain` lists the tables.");
    }
    for (size_t i = 0; i < n; i++) {
        bad += agrees(&items[i]) ? 0 : 1;
        if (!agrees(&items[i]))
            note_broken(&cli->arena, out, &items[i]);
    }
    tell_aside(cli, items, n);
    if (format == RDL_OUTPUT_TABLE)
        put_text(&b, items, n, bad);
    else
        put_json(&b, items, n, bad);
    cli->exit_code = bad != 0 ? 1 : 0;
    rdl_code rc = rdl_cli_print(&b, err);
    rdl_buf_fini(&b);
    return rc;
}

static rdl_code open_and_verify(rdl_cli *cli, broken *out, rdl_err *err)
{
    rdl_reader *r;
    RDL_TRY(rdl_cli_open_reader(cli, &r, err));
    rdl_code rc = verify(cli, r, out, err);
    rdl_reader_close(r);
    return rc;
}

rdl_code rdl_cmd_verify(rdl_cli *cli, rdl_err *err)
{
    broken found;
    RDL_TRY(open_and_verify(cli, &found, err));
    if (cli->exit_code == 0 || !rdl_cli_has(cli, RDL_CLI_REPAIR))
        return RDL_OK;
    RDL_TRY(repair(cli, &found, err));
    return open_and_verify(cli, &found, err);
}
