/*
 * lang/bind_alert.c - alerts: every condition becomes one SELECT over tables and raudal.*; grants.
 *
 * The short forms (FRESHNESS, VOLUME, ..) are written out as SQL here, so that one evaluator serves
 * all, and so that `raudal explain` can show what a short form asks.
 */
#include "base/url.h"
#include "lang/bind.h"
#include "lang/system_tables.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- what is watched ---- */

typedef struct watched {
    rdl_str full;
    const rdl_table *table; /* or */
    bool training, report;
} watched;

static bool find_other(const rdl_binder *b, rdl_str full, watched *out)
{
    const rdl_report *r = rdl_pipeline_report(b->pipeline, full);
    *out = (watched){.full = full};
    if (r != NULL) {
        out->full = r->name;
        return out->report = true;
    }
    for (size_t i = 0; i < b->pipeline->model_count; i++) {
        const rdl_model *m = b->pipeline->models[i];
        if (m->table != NULL || !rdl_str_eq_nocase(m->name, full))
            continue;
        out->full = m->name;
        return out->training = true;
    }
    return false;
}

static bool find_watched(rdl_binder *b, const rdl_ast_alert *ast, watched *out)
{
    const rdl_ref *ref = &ast->of;
    bool tables_alone = ast->kind <= RDL_ALERT_QUALITY;
    const char *full = ref->schema.n > 0
                           ? rdl_arena_printf(b->arena, "%.*s.%.*s", (int)ref->schema.n,
                                              ref->schema.p, (int)ref->name.n, ref->name.p)
                           : rdl_arena_strndup(b->arena, ref->name.p, ref->name.n);
    if (!tables_alone && find_other(b, rdl_str_of(full), out))
        return true;
    const rdl_symbol *s = rdl_bind_find(b, ref->schema, ref->name, ref->pos, true);
    if (s == NULL)
        return false;
    if (s->table != NULL && s->table->source == NULL) {
        *out = (watched){.full = s->table->full, .table = s->table};
        return true;
    }
    if (s->state == RDL_SYMBOL_DONE)
        rdl_bind_error(b, ref->pos, "Name a table that it feeds.",
                       "\"%.*s\" is no table that an alert can watch", (int)s->full.n, s->full.p);
    return false;
}

/* ---- the short forms as SQL ---- */

static void put_name(rdl_buf *sql, rdl_str name)
{
    rdl_buf_put_sql_text(sql, name);
}

static void put_freshness(rdl_buf *sql, const rdl_ast_alert *a, const watched *w)
{
    rdl_buf_puts(
        sql, "SELECT table_name, changed_at, age_seconds FROM raudal.tables WHERE table_name = ");
    put_name(sql, w->full);
    rdl_buf_printf(sql, " AND coalesce(age_seconds, 1e300) > %.6f", (double)a->length_us / 1e6);
}

/* Whole periods before now against those before them; periods without rows count since the
 * first. */
static void put_volume_by_time(rdl_buf *sql, const rdl_ast_alert *a, const watched *w)
{
    const char *unit = a->period == RDL_PER_DAY ? "day" : "hour";
    rdl_buf_printf(
        sql,
        "WITH l AS (SELECT date_trunc('%s', sealed_at) AS due, rows_new FROM raudal.ledger "
        "WHERE table_name = ",
        unit);
    put_name(sql, w->full);
    rdl_buf_printf(
        sql,
        " AND sealed_at < date_trunc('%s', now())), "
        "p AS (SELECT unnest(generate_series(date_trunc('%s', now()) - INTERVAL %u %s, "
        "date_trunc('%s', now()) - INTERVAL 1 %s, INTERVAL 1 %s)) AS due), "
        "v AS (SELECT p.due, coalesce(sum(CAST(l.rows_new AS DOUBLE)), 0) AS n FROM p LEFT JOIN l "
        "ON l.due = p.due WHERE p.due >= (SELECT min(l.due) FROM l) GROUP BY p.due), ",
        unit, unit, a->last + 1, unit, unit, unit, unit);
}

static void put_volume_by_epoch(rdl_buf *sql, const rdl_ast_alert *a, const watched *w)
{
    rdl_buf_puts(sql,
                 "WITH v AS (SELECT epoch AS due, CAST(rows_new AS DOUBLE) AS n FROM raudal.ledger "
                 "WHERE rows_new > 0 AND table_name = ");
    put_name(sql, w->full);
    rdl_buf_printf(sql, " ORDER BY epoch DESC LIMIT %u), ", a->last + 1);
}

/* A deviation is a hundredth of the average at least: what never varies is not held to the row. */
static void put_volume(rdl_buf *sql, const rdl_ast_alert *a, const watched *w)
{
    if (a->period == RDL_PER_EPOCH)
        put_volume_by_epoch(sql, a, w);
    else
        put_volume_by_time(sql, a, w);
    rdl_buf_printf(
        sql,
        "u AS (SELECT avg(n) AS mean, greatest(stddev_samp(n), avg(n) / 100) AS deviation, "
        "count(*) AS periods FROM v WHERE due < (SELECT max(due) FROM v)) "
        "SELECT CAST(v.due AS VARCHAR) AS period, CAST(v.n AS BIGINT) AS rows, "
        "CAST(greatest(0, round(u.mean - %.6f * u.deviation)) AS BIGINT) AS usual_from, "
        "CAST(round(u.mean + %.6f * u.deviation) AS BIGINT) AS usual_to FROM v, u "
        "WHERE v.due = (SELECT max(due) FROM v) AND u.periods >= 5 "
        "AND abs(v.n - u.mean) > %.6f * u.deviation",
        a->threshold, a->threshold, a->threshold);
}

static void put_quality(rdl_buf *sql, const rdl_ast_alert *a, const watched *w)
{
    rdl_buf_puts(sql,
                 "WITH q AS (SELECT CAST(sum(written) AS DOUBLE) AS good, "
                 "CAST(greatest(0, sum(quarantined + late_diverted + late_dropped + dropped - replayed)) "
                 "AS DOUBLE) AS bad "
                 "FROM raudal.ledger WHERE table_name = ");
    put_name(sql, w->full);
    rdl_buf_printf(sql,
                   " AND sealed_at > now() - INTERVAL '%.6f seconds') "
                   "SELECT good / (good + bad) AS quality, CAST(bad AS BIGINT) AS rejected FROM q "
                   "WHERE good + bad > 0 AND good / (good + bad) < %.9f",
                   (double)a->length_us / 1e6, a->threshold);
}

/* The names under which runs of it stand in raudal.runs, as a list for IN. */
static void put_kinds(rdl_buf *sql, const rdl_binder *b, const watched *w)
{
    static const char *const prefixes[] = {"table", "model"};
    rdl_buf kind = {0};
    for (size_t i = 0; i < 2; i++) {
        rdl_buf_clear(&kind);
        rdl_buf_printf(&kind, "%s %.*s", w->training ? "train" : prefixes[i], (int)w->full.n,
                       w->full.p);
        rdl_buf_puts(sql, i > 0 ? ", " : "");
        put_name(sql, (rdl_str){rdl_buf_str(&kind), kind.n});
    }
    for (size_t i = 0; w->table != NULL && i < b->pipeline->publication_count; i++) {
        const rdl_publication *p = b->pipeline->publications[i];
        if (p->table != w->table)
            continue;
        rdl_buf_clear(&kind);
        rdl_buf_puts(&kind, "store ");
        rdl_url_put_shown(&kind, p->url);
        rdl_buf_puts(sql, ", ");
        put_name(sql, (rdl_str){rdl_buf_str(&kind), kind.n});
    }
    rdl_buf_fini(&kind);
}

static void put_duration(rdl_buf *sql, const rdl_binder *b, const rdl_ast_alert *a,
                         const watched *w)
{
    if (a->run) {
        rdl_buf_puts(
            sql, "SELECT kind AS what, started, seconds FROM raudal.runs WHERE id = (SELECT "
                 "max(id) FROM raudal.runs WHERE kind NOT LIKE '% %' AND kind <> 'continuous')");
    } else if (w->report) {
        rdl_buf_puts(
            sql, "SELECT report AS what, started, seconds FROM (SELECT report, started, seconds "
                 "FROM raudal.reports WHERE report = ");
        put_name(sql, w->full);
        rdl_buf_puts(sql, " ORDER BY started DESC LIMIT 1) WHERE true");
    } else if (w->training || w->table->model != NULL) {
        rdl_buf_puts(
            sql, "SELECT kind AS what, started, seconds FROM (SELECT kind, started, seconds FROM "
                 "raudal.runs WHERE kind IN (");
        put_kinds(sql, b, w);
        rdl_buf_puts(sql, ") ORDER BY id DESC LIMIT 1) WHERE true");
    } else {
        rdl_buf_puts(sql,
                     "SELECT table_name AS what, changed_at AS started, seconds FROM raudal.tables "
                     "WHERE table_name = ");
        put_name(sql, w->full);
    }
    rdl_buf_printf(sql, " AND seconds > %.6f", (double)a->length_us / 1e6);
}

static void put_overdue(rdl_buf *sql, const rdl_ast_alert *a, const watched *w)
{
    rdl_buf_puts(
        sql, "SELECT name, state, seconds, promised_seconds, waiting_seconds FROM raudal.schedules "
             "WHERE state IN ('overdue', 'slow')");
    if (a->of.name.n == 0)
        return;
    rdl_buf_puts(sql, w->report     ? " AND name IN ('report ' || "
                      : w->training ? " AND name IN ('train ' || "
                                    : " AND name IN (");
    put_name(sql, w->full);
    if (w->table != NULL && w->table->model != NULL) {
        rdl_buf_puts(sql, ", 'model ' || ");
        put_name(sql, w->full);
    }
    rdl_buf_puts(sql, ")");
}

/* The newest run of each name; runs of the program itself share one. */
static void put_failure(rdl_buf *sql, const rdl_binder *b, const rdl_ast_alert *a, const watched *w)
{
    bool one = a->of.name.n > 0;
    rdl_buf_puts(
        sql, "SELECT what, started, outcome, message FROM (SELECT kind AS what, started, outcome, "
             "message, row_number() OVER (PARTITION BY CASE WHEN kind LIKE '% %' THEN kind ELSE "
             "'run' END ORDER BY id DESC) AS k FROM raudal.runs");
    if (one) {
        rdl_buf_puts(sql, " WHERE kind IN (");
        put_kinds(sql, b, w);
        rdl_buf_puts(sql, ")");
    }
    rdl_buf_puts(
        sql, " UNION ALL SELECT 'report ' || report, started, outcome, message, row_number() OVER "
             "(PARTITION BY report ORDER BY started DESC) FROM raudal.reports");
    if (one) {
        rdl_buf_puts(sql, " WHERE report = ");
        put_name(sql, w->full);
    }
    rdl_buf_puts(sql, ") WHERE k = 1 AND outcome IN ('failed', 'lost')");
}

static void put_condition(rdl_buf *sql, const rdl_binder *b, const rdl_ast_alert *a,
                          const watched *w)
{
    switch (a->kind) {
    case RDL_ALERT_FRESHNESS:
        put_freshness(sql, a, w);
        break;
    case RDL_ALERT_VOLUME:
        put_volume(sql, a, w);
        break;
    case RDL_ALERT_QUALITY:
        put_quality(sql, a, w);
        break;
    case RDL_ALERT_DURATION:
        put_duration(sql, b, a, w);
        break;
    case RDL_ALERT_OVERDUE:
        put_overdue(sql, a, w);
        break;
    case RDL_ALERT_FAILURE:
        put_failure(sql, b, a, w);
        break;
    default:
        rdl_buf_put(sql, a->select.text.p, a->select.text.n);
        break;
    }
}

/* ---- binding ---- */

static bool make_system_tables(rdl_binder *b, rdl_str sql, rdl_pos pos)
{
    for (size_t i = 0; i < RDL_SYSTEM_TABLE_COUNT; i++) {
        rdl_err err = {0};
        if (!rdl_system_table_named(sql, (rdl_system_table_id)i) ||
            rdl_system_table_create(b->conn, (rdl_system_table_id)i, &err) == RDL_OK)
            continue;
        rdl_bind_error(b, pos, NULL, "%s", err.msg);
        return false;
    }
    return true;
}

static bool bind_condition(rdl_binder *b, const rdl_ast_alert *ast, rdl_alert *a)
{
    watched w = {.full = {"", 0}};
    rdl_buf sql = {0};
    json_t *query = NULL;
    bool written = ast->kind == RDL_ALERT_SELECT;
    if (ast->of.name.n > 0 && !find_watched(b, ast, &w))
        return false;
    put_condition(&sql, b, ast, &w);
    const char *text = rdl_arena_strndup(b->arena, rdl_buf_str(&sql), sql.n);
    rdl_buf_fini(&sql);
    rdl_body body = {.b = b,
                     .kind = RDL_BODY_ALERT,
                     .pos = written ? ast->select.pos : ast->when_pos,
                     .synthetic = !written};
    if (!make_system_tables(b, rdl_str_of(text), body.pos) ||
        !rdl_body_parse(&body, text, &query) || !rdl_body_resolve(&body, query) ||
        !rdl_body_describe(&body, &query, &a->columns))
        return false;
    a->sql = body.text;
    a->condition = rdl_str_of(text);
    a->truth = a->columns.n == 1 && a->columns.v[0].type->kind == RDL_TYPE_BOOLEAN;
    return true;
}

/* {column} in the message must be a column of the condition. */
static bool check_message(rdl_binder *b, const rdl_ast_alert *ast, const rdl_alert *a)
{
    rdl_str m = a->message;
    for (size_t i = 0; i < m.n; i++) {
        const char *close = m.p[i] == '{' ? memchr(m.p + i, '}', m.n - i) : NULL;
        if (close == NULL)
            continue;
        rdl_str name = {m.p + i + 1, (size_t)(close - m.p) - i - 1};
        if (rdl_schema_find(&a->columns, name) < 0) {
            rdl_bind_error(b, ast->message_pos, "Name a column that the condition gives.",
                           "unrecognized column \"%.*s\" in a message", (int)name.n, name.p);
            return false;
        }
        i += name.n + 1;
    }
    return true;
}

static bool check_targets(rdl_binder *b, const rdl_alert *a)
{
    for (size_t i = 0; i < a->target_count; i++) {
        const rdl_alert_target *t = &a->targets[i];
        bool mail = rdl_str_starts(t->to, "mailto:");
        bool empty = t->to.n == 0 || (mail && memchr(t->to.p, '@', t->to.n) == NULL);
        const char *slashes =
            t->to.n > 0 ? strstr(rdl_arena_strndup(b->arena, t->to.p, t->to.n), "://") : NULL;
        bool known = slashes == NULL || rdl_str_starts(t->to, "http://") ||
                     rdl_str_starts(t->to, "https://") ||
                     memchr(t->to.p, ' ', t->to.n) != NULL; /* a command's argument */
        if (!empty && known)
            continue;
        rdl_bind_error(
            b, t->pos,
            "Write 'mailto:you@example.org', 'https://..' (called with the alert as JSON), or a "
            "command.",
            mail    ? "this is no mail address"
            : empty ? "nobody is told"
                    : "alerts cannot be sent to such a URL");
        return false;
    }
    return true;
}

static bool is_there(rdl_binder *b, rdl_str name, rdl_pos pos)
{
    for (size_t i = 0; i < b->pipeline->alert_count; i++)
        if (rdl_str_eq_nocase(b->pipeline->alerts[i]->name, name)) {
            rdl_bind_error(b, pos, NULL, "alert \"%.*s\" is there already", (int)name.n, name.p);
            return true;
        }
    return false;
}

void rdl_bind_alert(rdl_binder *b, const rdl_stmt *stmt)
{
    const rdl_ast_alert *ast = &stmt->u.alert;
    if (stmt->name.schema.n > 0) {
        rdl_bind_error(b, stmt->name.pos, "Write the name alone.",
                       "the name of an alert has no schema");
        return;
    }
    if (is_there(b, stmt->name.name, stmt->name.pos))
        return;
    rdl_alert *a = RDL_NEW(b->arena, rdl_alert);
    *a = (rdl_alert){
        .name = {rdl_arena_strndup(b->arena, stmt->name.name.p, stmt->name.name.n),
                 stmt->name.name.n},
        .comment = ast->comment.n > 0 ? ast->comment : stmt->comment,
        .pos = stmt->name.pos,
        .severity = ast->has_severity ? ast->severity : RDL_ALERT_WARNING,
        .schedule = ast->schedule,
        .message = ast->message,
        .targets = ast->targets,
        .target_count = ast->target_count,
        .repeat_us = ast->repeat_us,
    };
    if (bind_condition(b, ast, a) && check_message(b, ast, a) && check_targets(b, a) &&
        rdl_bind_schedule(b, &a->schedule, a->name))
        b->pipeline->alerts[b->pipeline->alert_count++] = a;
}

/* ---- grants ---- */

void rdl_bind_grant(rdl_binder *b, const rdl_stmt *stmt)
{
    const rdl_ast_grant *ast = &stmt->u.grant;
    rdl_pipeline *p = b->pipeline;
    bool any = false;
    rdl_grant g = {.schema = ast->object.schema, .name = ast->object.name, .pos = ast->object.pos};
    for (size_t i = 0; i < p->table_count && !any; i++)
        any = rdl_grant_covers(&g, p->tables[i]);
    if (!any && b->diags->errors == 0)
        rdl_bind_error(b, ast->object.pos, "Name a table of the pipeline, or schema.*.",
                       "this grant covers no table");
    if (!any)
        return;
    rdl_grant *all = RDL_NEWN(b->arena, rdl_grant, p->grant_count + ast->roles.n);
    if (p->grant_count > 0)
        memcpy(all, p->grants, p->grant_count * sizeof *all);
    for (size_t i = 0; i < ast->roles.n; i++) {
        g.role = ast->roles.v[i].text;
        all[p->grant_count + i] = g;
    }
    p->grants = all;
    p->grant_count += ast->roles.n;
}
