/*
 * lang/plan_cache.c - a pipeline to bytes and back (see plan_cache.h for the file).
 *
 * One walk over the fields serves both ways (plan_archive.h); the sizes of the structs are
 * asserted, so that a new field is not forgotten here.
 */
#include "lang/plan_cache.h"

#include <string.h>

#include "base/build.h"
#include "base/fs.h"
#include "lang/plan_archive.h"

#if UINTPTR_MAX == UINT64_MAX
_Static_assert(sizeof(rdl_table) == 432, "a new field of rdl_table belongs into table()");
_Static_assert(sizeof(rdl_model) == 240, "a new field belongs into model()");
_Static_assert(sizeof(rdl_source_def) == 112, "a new field belongs into source()");
_Static_assert(sizeof(rdl_constraint) == 88, "a new field belongs into constraint()");
_Static_assert(sizeof(rdl_publication) == 128, "a new field belongs into publication()");
_Static_assert(sizeof(rdl_report) == 472, "a new field belongs into report()");
_Static_assert(sizeof(rdl_alert) == 224, "a new field belongs into alert()");
_Static_assert(sizeof(rdl_grant) == 64, "a new field belongs into grant()");
_Static_assert(sizeof(rdl_fan) == 144, "a new field belongs into fan()");
_Static_assert(sizeof(rdl_stream_plan) == 56, "a new field belongs into stream_plan()");
_Static_assert(sizeof(rdl_view_step) == 40, "a new field belongs into view_plan()");
_Static_assert(sizeof(rdl_view_plan) == 368, "a new field belongs into view_plan()");
#endif

static const char magic[] = "rdl-plan 1\n";

enum {
    KEY_AT = sizeof magic - 1,
    HASH_AT = KEY_AT + 16,
    PAYLOAD_AT = HASH_AT + 16,
    CACHE_BYTES_MAX = 64 << 20,
};

/* ---- parts of a table ---- */

static void source(rdl_archive *x, rdl_source_def *d)
{
    int64_t watermark = d->watermark_column;
    rdl_archive_text(x, &d->url);
    RDL_ARCHIVE_SMALL(x, d->format, RDL_FORMAT_COUNT);
    rdl_archive_options(x, &d->options, &d->option_count);
    RDL_ARCHIVE_ARRAY(x, d->columns, d->column_count, rdl_source_column);
    for (size_t i = 0; i < d->column_count; i++) {
        rdl_source_column *c = &d->columns[i];
        rdl_archive_text(x, &c->column.name);
        rdl_archive_type(x, &c->column.type, 0);
        rdl_archive_text(x, &c->field);
        rdl_archive_text(x, &c->computed);
        RDL_ARCHIVE_SMALL(x, c->from, RDL_COLUMN_FROM_COUNT);
        x->bad = x->bad || c->column.type == NULL;
    }
    RDL_ARCHIVE_SMALL(x, d->on_malformed, RDL_MALFORMED_FAIL + 1);
    RDL_ARCHIVE_SMALL(x, d->on_repeat, RDL_REPEAT_READ + 1);
    RDL_ARCHIVE_FLAG(x, d->loss_continues);
    rdl_archive_indexes(x, &d->unique, &d->unique_count, d->column_count);
    RDL_ARCHIVE_SMALL(x, d->on_duplicate, RDL_DUPLICATE_LAST + 1);
    rdl_archive_whole(x, &d->refresh_us);
    rdl_archive_whole(x, &watermark);
    if (watermark < -1 || watermark >= (int64_t)d->column_count) {
        x->bad = true;
        watermark = -1;
    }
    d->watermark_column = (int)watermark;
    rdl_archive_whole(x, &d->watermark_delay_us);
}

static void constraint(rdl_archive *x, rdl_constraint *c, size_t column_count)
{
    rdl_archive_text(x, &c->name);
    rdl_archive_place(x, &c->pos);
    RDL_ARCHIVE_SMALL(x, c->action, RDL_VIOLATION_IMPUTE + 1);
    rdl_archive_text(x, &c->expr);
    RDL_ARCHIVE_ARRAY(x, c->imputes, c->impute_count, rdl_impute);
    for (size_t i = 0; i < c->impute_count; i++) {
        uint64_t column = c->imputes[i].column;
        rdl_archive_bounded(x, &column, column_count);
        c->imputes[i].column = (size_t)column;
        rdl_archive_text(x, &c->imputes[i].expr);
    }
    rdl_archive_indexes(x, &c->unique, &c->unique_count, column_count);
}

static void fan(rdl_archive *x, rdl_fan *f, size_t index)
{
    rdl_archive_reference(x, &f->stream, index);
    rdl_archive_text(x, &f->stream_key);
    rdl_archive_text(x, &f->dimension);
    rdl_archive_text(x, &f->key);
    rdl_archive_text(x, &f->repeats_sql);
    rdl_archive_text(x, &f->copies_sql);
    rdl_archive_text(x, &f->copies_all_sql);
    if (rdl_archive_present(x, f->side != NULL))
        rdl_archive_reference(x, &f->side, index);
    rdl_archive_text(x, &f->repeats_moved_sql);
    rdl_archive_text(x, &f->copies_moved_sql);
}

static void stream_plan(rdl_archive *x, rdl_stream_plan *s, size_t index)
{
    rdl_archive_text(x, &s->body_sql);
    RDL_ARCHIVE_FLAG(x, s->may_fan_out);
    RDL_ARCHIVE_FLAG(x, s->declared_hop);
    RDL_ARCHIVE_FLAG(x, s->once);
    RDL_ARCHIVE_FLAG(x, s->may_filter);
    RDL_ARCHIVE_ARRAY(x, s->fans, s->fan_count, rdl_fan);
    for (size_t i = 0; i < s->fan_count && !x->bad; i++)
        fan(x, &s->fans[i], index);
    rdl_archive_references(x, &s->needs_all, &s->needs_all_count, index);
}

static void view_texts(rdl_archive *x, rdl_view_plan *v)
{
    rdl_str *const texts[] = {
        &v->batch_sql,           &v->unchecked_sql, &v->partial_new_sql, &v->partial_old_sql,
        &v->partial_all_sql,     &v->final_sql,     &v->touched_sql,     &v->groups_sql,
        &v->row_new_sql,         &v->row_old_sql,   &v->checked_sql,     &v->marked_sql,
        &v->partial_touched_sql, &v->rebuild_why,
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        rdl_archive_text(x, texts[i]);
}

static void view_plan(rdl_archive *x, rdl_view_plan *v, const rdl_table *t, size_t index)
{
    RDL_ARCHIVE_SMALL(x, v->mode, RDL_MAINTAIN_FULL + 1);
    rdl_archive_text(x, &v->reason);
    rdl_archive_place(x, &v->reason_pos);
    if (rdl_archive_present(x, v->driving != NULL))
        rdl_archive_reference(x, &v->driving, index);
    RDL_ARCHIVE_ARRAY(x, v->steps, v->step_count, rdl_view_step);
    for (size_t i = 0; i < v->step_count && !x->bad; i++) {
        rdl_archive_reference(x, &v->steps[i].input, index);
        rdl_archive_text(x, &v->steps[i].new_sql);
        rdl_archive_text(x, &v->steps[i].old_sql);
    }
    RDL_ARCHIVE_FLAG(x, v->may_subtract);
    RDL_ARCHIVE_FLAG(x, v->partial_repeats);
    view_texts(x, v);
    /* One count, two lists: either may be missing. */
    size_t n = v->key_types != NULL ? v->key_count : 0;
    size_t m = v->key_columns != NULL ? v->key_count : 0;
    rdl_archive_count(x, &v->key_count);
    if (rdl_archive_present(x, v->key_types != NULL))
        rdl_archive_types(x, &v->key_types, &n);
    if (rdl_archive_present(x, v->key_columns != NULL))
        rdl_archive_indexes(x, &v->key_columns, &m, t->columns.n);
    x->bad = x->bad || (n != 0 && n != v->key_count) || (m != 0 && m != v->key_count);
    RDL_ARCHIVE_ARRAY(x, v->slots, v->slot_count, rdl_slot);
    for (size_t i = 0; i < v->slot_count; i++) {
        RDL_ARCHIVE_SMALL(x, v->slots[i].kind, RDL_SLOT_MAX + 1);
        rdl_archive_type(x, &v->slots[i].type, 0);
    }
    RDL_ARCHIVE_ARRAY(x, v->fans, v->fan_count, rdl_fan);
    for (size_t i = 0; i < v->fan_count && !x->bad; i++)
        fan(x, &v->fans[i], index);
    rdl_archive_references(x, &v->needs_all, &v->needs_all_count, index);
}

/* ---- tables and publications ---- */

static void inputs(rdl_archive *x, rdl_table *t, size_t index)
{
    RDL_ARCHIVE_ARRAY(x, t->inputs, t->input_count, rdl_input);
    for (size_t i = 0; i < t->input_count && !x->bad; i++) {
        rdl_archive_reference(x, &t->inputs[i].table, index);
        RDL_ARCHIVE_FLAG(x, t->inputs[i].stream);
        rdl_archive_place(x, &t->inputs[i].pos);
    }
}

static void table_names(rdl_archive *x, rdl_table *t)
{
    RDL_ARCHIVE_SMALL(x, t->kind, RDL_TABLE_PLAIN + 1);
    rdl_archive_text(x, &t->schema);
    rdl_archive_text(x, &t->name);
    rdl_archive_text(x, &t->full);
    rdl_archive_text(x, &t->comment);
    rdl_archive_place(x, &t->pos);
    RDL_ARCHIVE_FLAG(x, t->internal);
    RDL_ARCHIVE_FLAG(x, t->decision);
    RDL_ARCHIVE_FLAG(x, t->reads_itself);
    RDL_ARCHIVE_FLAG(x, t->reads_clock);
    rdl_archive_columns(x, &t->columns);
    if (rdl_archive_present(x, t->column_comments != NULL)) {
        if (x->reading)
            t->column_comments = RDL_NEWN(x->p->arena, rdl_str, t->columns.n + 1);
        for (size_t i = 0; i < t->columns.n; i++)
            rdl_archive_text(x, &t->column_comments[i]);
    }
}

static void schedule(rdl_archive *x, rdl_schedule *s)
{
    RDL_ARCHIVE_SMALL(x, s->kind, RDL_SCHEDULE_ON_UPDATE + 1);
    rdl_archive_text(x, &s->cron);
    rdl_archive_text(x, &s->zone);
    rdl_archive_whole(x, &s->every_us);
    rdl_archive_whole(x, &s->promise_us);
    rdl_archive_place(x, &s->pos);
}

static void table_keys(rdl_archive *x, rdl_table *t)
{
    size_t n = t->columns.n;
    rdl_archive_indexes(x, &t->partition_by, &t->partition_count, n);
    rdl_archive_indexes(x, &t->dedup, &t->dedup_count, n);
    rdl_archive_whole(x, &t->dedup_within_us);
    RDL_ARCHIVE_SMALL(x, t->on_late, RDL_LATE_DROP + 1);
    RDL_ARCHIVE_FLAG(x, t->allow_fanout);
    rdl_archive_indexes(x, &t->cdc_keys, &t->cdc_key_count, n);
    rdl_archive_text(x, &t->cdc_sequence);
    rdl_archive_indexes(x, &t->primary_key, &t->primary_key_count, n);
    schedule(x, &t->schedule);
    rdl_archive_hash(x, &t->fingerprint);
}

static void table(rdl_archive *x, rdl_table *t, size_t index)
{
    rdl_pipeline *p = x->p;
    t->index = index;
    table_names(x, t);
    if (rdl_archive_present(x, t->source != NULL)) {
        t->source = x->reading ? RDL_NEW(p->arena, rdl_source_def) : t->source;
        source(x, t->source);
    }
    rdl_archive_text(x, &t->body);
    rdl_archive_text(x, &t->body_text);
    rdl_archive_place(x, &t->body_pos);
    inputs(x, t, index);
    RDL_ARCHIVE_ARRAY(x, t->constraints, t->constraint_count, rdl_constraint);
    for (size_t i = 0; i < t->constraint_count; i++)
        constraint(x, &t->constraints[i], t->columns.n);
    table_keys(x, t);
    if (rdl_archive_present(x, t->cdc_snapshot != NULL))
        rdl_archive_reference(x, &t->cdc_snapshot, index);
    if (rdl_archive_present(x, t->stream_plan != NULL)) {
        t->stream_plan = x->reading ? RDL_NEW(p->arena, rdl_stream_plan) : t->stream_plan;
        stream_plan(x, t->stream_plan, index);
    }
    if (rdl_archive_present(x, t->view_plan != NULL)) {
        t->view_plan = x->reading ? RDL_NEW(p->arena, rdl_view_plan) : t->view_plan;
        view_plan(x, t->view_plan, t, index);
    }
}

static void destination(rdl_archive *x, rdl_publication *pub)
{
    if (x->bad)
        return;
    rdl_archive_text(x, &pub->url);
    rdl_archive_text(x, &pub->name);
    rdl_archive_place(x, &pub->pos);
    rdl_archive_indexes(x, &pub->key, &pub->key_count, pub->table->columns.n);
    if (x->reading)
        pub->descending = RDL_NEWN(x->p->arena, bool, pub->key_count + 1);
    for (size_t i = 0; i < pub->key_count; i++)
        RDL_ARCHIVE_FLAG(x, pub->descending[i]);
    uint64_t parts = pub->partition_key_count;
    rdl_archive_bounded(x, &parts, pub->key_count + 1);
    pub->partition_key_count = (size_t)parts;
    rdl_archive_columns(x, &pub->columns);
    x->bad = x->bad || pub->columns.n != pub->table->columns.n;
    rdl_archive_options(x, &pub->options, &pub->option_count);
}

static void publication(rdl_archive *x, rdl_publication *pub, size_t index)
{
    pub->index = index;
    rdl_archive_reference(x, &pub->table, x->p->table_count);
    destination(x, pub);
}

/* Its table is its own. */
static void seed(rdl_archive *x, rdl_publication *pub, size_t index)
{
    pub->index = index;
    if (x->reading)
        pub->table = RDL_NEW(x->p->arena, rdl_table);
    table(x, pub->table, 0);
    destination(x, pub);
}

static void template(rdl_archive *x, rdl_template *t)
{
    RDL_ARCHIVE_FLAG(x, t->given);
    RDL_ARCHIVE_FLAG(x, t->file);
    rdl_archive_text(x, &t->text);
    rdl_archive_place(x, &t->pos);
}

static void report(rdl_archive *x, rdl_report *r)
{
    uint64_t visible = r->visible;
    rdl_archive_text(x, &r->name);
    rdl_archive_text(x, &r->comment);
    rdl_archive_place(x, &r->pos);
    RDL_ARCHIVE_SMALL(x, r->format, RDL_REPORT_HTML + 1);
    rdl_archive_text(x, &r->path);
    rdl_archive_place(x, &r->path_pos);
    rdl_archive_columns(x, &r->columns);
    rdl_archive_bounded(x, &visible, r->columns.n + 1);
    r->visible = (size_t)visible;
    rdl_archive_indexes(x, &r->each, &r->each_count, r->columns.n);
    RDL_ARCHIVE_ARRAY(x, r->parameters, r->parameter_count, rdl_parameter_def);
    for (size_t i = 0; i < r->parameter_count; i++) {
        rdl_archive_text(x, &r->parameters[i].name);
        rdl_archive_type(x, &r->parameters[i].type, 0);
        rdl_archive_text(x, &r->parameters[i].fallback);
        x->bad = x->bad || r->parameters[i].type == NULL;
    }
    schedule(x, &r->schedule);
    rdl_archive_options(x, &r->options, &r->option_count);
    template(x, &r->header);
    template(x, &r->row);
    template(x, &r->footer);
    RDL_ARCHIVE_FLAG(x, r->pivots);
    rdl_archive_text(x, &r->sql);
    rdl_archive_text(x, &r->order);
    rdl_archive_text(x, &r->body_text);
    rdl_archive_place(x, &r->body_pos);
    RDL_ARCHIVE_ARRAY(x, r->inputs, r->input_count, rdl_input);
    for (size_t i = 0; i < r->input_count && !x->bad; i++) {
        rdl_archive_reference(x, &r->inputs[i].table, x->p->table_count);
        RDL_ARCHIVE_FLAG(x, r->inputs[i].stream);
        rdl_archive_place(x, &r->inputs[i].pos);
    }
    RDL_ARCHIVE_ARRAY(x, r->bounds, r->bound_count, rdl_report_bound);
    for (size_t i = 0; i < r->bound_count && !x->bad; i++) {
        uint64_t input = r->bounds[i].input, column = r->bounds[i].column;
        rdl_archive_bounded(x, &input, r->input_count);
        r->bounds[i].input = (size_t)input;
        rdl_archive_bounded(x, &column, x->bad ? 1 : r->inputs[input].table->columns.n);
        r->bounds[i].column = (size_t)column;
        RDL_ARCHIVE_SMALL(x, r->bounds[i].op, RDL_BOUND_MOST + 1);
        rdl_archive_text(x, &r->bounds[i].value);
    }
    rdl_archive_hash(x, &r->fingerprint);
}

static void model(rdl_archive *x, rdl_model *m, size_t index)
{
    rdl_pipeline *p = x->p;
    m->index = index;
    rdl_archive_text(x, &m->name);
    rdl_archive_text(x, &m->comment);
    rdl_archive_place(x, &m->pos);
    if (rdl_archive_present(x, m->table != NULL)) {
        rdl_archive_reference(x, &m->table, p->table_count);
        if (!x->bad)
            m->table->model = m;
    }
    rdl_archive_text(x, &m->select);
    RDL_ARCHIVE_ARRAY(x, m->inputs, m->input_count, rdl_input);
    for (size_t i = 0; i < m->input_count && !x->bad; i++) {
        rdl_archive_reference(x, &m->inputs[i].table, p->table_count);
        RDL_ARCHIVE_FLAG(x, m->inputs[i].stream);
        rdl_archive_place(x, &m->inputs[i].pos);
    }
    rdl_archive_text(x, &m->command);
    rdl_archive_text(x, &m->version);
    rdl_archive_text(x, &m->parameters);
    rdl_archive_whole(x, &m->timeout_us);
    RDL_ARCHIVE_FLAG(x, m->parquet);
    uint64_t artifact = m->artifact != NULL ? m->artifact->index + 1 : 0;
    rdl_archive_bounded(x, &artifact, index + 1);
    m->artifact = artifact > 0 ? p->models[artifact - 1] : NULL;
    schedule(x, &m->schedule);
}

/* The text of a string of the pipeline's files: 'it''s'. */
static rdl_str string_at(const rdl_archive *x, rdl_pos pos)
{
    if (pos.file == NULL || pos.len < 2 || pos.at + pos.len > pos.file->text.n)
        return (rdl_str){"", 0};
    const char *from = pos.file->text.p + pos.at + 1;
    char *out = rdl_arena_strndup(x->p->arena, from, pos.len - 2);
    size_t n = 0;
    for (size_t i = 0; i < pos.len - 2; i++, n++) {
        out[n] = from[i];
        i += from[i] == '\'';
    }
    out[n] = '\0';
    return (rdl_str){out, n};
}

/* Where an alert goes may hold a secret: its place is kept, and the text read there again. */
static void alert(rdl_archive *x, rdl_alert *a)
{
    rdl_archive_text(x, &a->name);
    rdl_archive_text(x, &a->comment);
    rdl_archive_place(x, &a->pos);
    RDL_ARCHIVE_SMALL(x, a->severity, RDL_ALERT_CRITICAL + 1);
    schedule(x, &a->schedule);
    rdl_archive_text(x, &a->sql);
    rdl_archive_text(x, &a->condition);
    rdl_archive_text(x, &a->message);
    RDL_ARCHIVE_FLAG(x, a->truth);
    rdl_archive_columns(x, &a->columns);
    RDL_ARCHIVE_ARRAY(x, a->targets, a->target_count, rdl_alert_target);
    for (size_t i = 0; i < a->target_count; i++) {
        rdl_archive_place(x, &a->targets[i].pos);
        if (x->reading)
            a->targets[i].to = string_at(x, a->targets[i].pos);
    }
    rdl_archive_whole(x, &a->repeat_us);
}

static void grant(rdl_archive *x, rdl_grant *g)
{
    rdl_archive_text(x, &g->schema);
    rdl_archive_text(x, &g->name);
    rdl_archive_text(x, &g->role);
    rdl_archive_place(x, &g->pos);
}

static void pipeline(rdl_archive *x)
{
    rdl_pipeline *p = x->p;
    RDL_ARCHIVE_ARRAY(x, p->tables, p->table_count, rdl_table *);
    for (size_t i = 0; i < p->table_count && !x->bad; i++) {
        if (x->reading)
            p->tables[i] = RDL_NEW(p->arena, rdl_table);
        table(x, p->tables[i], i);
    }
    RDL_ARCHIVE_ARRAY(x, p->views, p->view_count, rdl_table *);
    for (size_t i = 0; i < p->view_count && !x->bad; i++) {
        if (x->reading)
            p->views[i] = RDL_NEW(p->arena, rdl_table);
        table(x, p->views[i], p->table_count);
    }
    RDL_ARCHIVE_ARRAY(x, p->models, p->model_count, rdl_model *);
    for (size_t i = 0; i < p->model_count && !x->bad; i++) {
        if (x->reading)
            p->models[i] = RDL_NEW(p->arena, rdl_model);
        model(x, p->models[i], i);
    }
    RDL_ARCHIVE_ARRAY(x, p->publications, p->publication_count, rdl_publication *);
    for (size_t i = 0; i < p->publication_count && !x->bad; i++) {
        if (x->reading)
            p->publications[i] = RDL_NEW(p->arena, rdl_publication);
        publication(x, p->publications[i], i);
    }
    RDL_ARCHIVE_ARRAY(x, p->seeds, p->seed_count, rdl_publication *);
    for (size_t i = 0; i < p->seed_count && !x->bad; i++) {
        if (x->reading)
            p->seeds[i] = RDL_NEW(p->arena, rdl_publication);
        seed(x, p->seeds[i], i);
    }
    RDL_ARCHIVE_ARRAY(x, p->reports, p->report_count, rdl_report *);
    for (size_t i = 0; i < p->report_count && !x->bad; i++) {
        if (x->reading)
            p->reports[i] = RDL_NEW(p->arena, rdl_report);
        report(x, p->reports[i]);
    }
    RDL_ARCHIVE_ARRAY(x, p->alerts, p->alert_count, rdl_alert *);
    for (size_t i = 0; i < p->alert_count && !x->bad; i++) {
        if (x->reading)
            p->alerts[i] = RDL_NEW(p->arena, rdl_alert);
        alert(x, p->alerts[i]);
    }
    RDL_ARCHIVE_ARRAY(x, p->grants, p->grant_count, rdl_grant);
    for (size_t i = 0; i < p->grant_count && !x->bad; i++)
        grant(x, &p->grants[i]);
    rdl_archive_hash(x, &p->fingerprint);
}

/* ---- the file ---- */

static void put_text(rdl_buf *b, rdl_str s)
{
    rdl_buf_printf(b, "%zu:", s.n);
    rdl_buf_put(b, s.p != NULL ? s.p : "", s.n);
}

bool rdl_plan_cache_key(const rdl_pipeline *p, rdl_hash128 *out)
{
    rdl_hash128 build;
    if (!rdl_build_identity(&build))
        return false;
    rdl_buf all = {0};
    rdl_buf_put(&all, (const char *)&build, sizeof build);
    put_text(&all, rdl_str_of(rdl_duck_version()));
    put_text(&all, p->prelude_sql);
    for (size_t i = 0; i < p->file_count; i++) {
        put_text(&all, rdl_str_of(p->files[i]->path));
        put_text(&all, p->files[i]->text);
    }
    *out = rdl_hash128_of(all.p, all.n);
    rdl_buf_fini(&all);
    return true;
}

void rdl_plan_cache_bytes(const rdl_pipeline *p, rdl_hash128 key, rdl_buf *out)
{
    rdl_archive x = {.p = (rdl_pipeline *)(uintptr_t)p};
    pipeline(&x);
    rdl_buf_clear(out);
    if (!x.bad) {
        rdl_hash128 sum = rdl_hash128_of(x.out.p, x.out.n);
        rdl_buf_put(out, magic, KEY_AT);
        rdl_buf_put(out, (const char *)&key, sizeof key);
        rdl_buf_put(out, (const char *)&sum, sizeof sum);
        rdl_buf_put(out, x.out.p, x.out.n);
    }
    rdl_buf_fini(&x.out);
}

static bool is_whole(rdl_str file, rdl_hash128 key)
{
    if (file.n < PAYLOAD_AT || memcmp(file.p, magic, KEY_AT) != 0 ||
        memcmp(file.p + KEY_AT, &key, sizeof key) != 0)
        return false;
    rdl_hash128 sum = rdl_hash128_of(file.p + PAYLOAD_AT, file.n - PAYLOAD_AT);
    return memcmp(file.p + HASH_AT, &sum, sizeof sum) == 0;
}

bool rdl_plan_cache_read(rdl_pipeline *p, const char *path, rdl_hash128 key)
{
    rdl_buf file = {0};
    rdl_err ignored = {0};
    rdl_stat st = {0};
    bool ok = rdl_fs_stat(path, &st, &ignored) == RDL_OK && st.exists && !st.is_dir &&
              rdl_fs_read(path, CACHE_BYTES_MAX, &file, &ignored) == RDL_OK &&
              is_whole((rdl_str){file.p, file.n}, key);
    if (ok) {
        rdl_pipeline read = *p;
        rdl_archive x = {
            .p = &read, .reading = true, .in = {file.p + PAYLOAD_AT, file.n - PAYLOAD_AT}};
        pipeline(&x);
        ok = !x.bad && x.at == x.in.n;
        if (ok)
            *p = read;
    }
    rdl_buf_fini(&file);
    return ok;
}
