/*
 * lang/plan_cache.c - a pipeline to bytes and back (see plan_cache.h for the file).
 *
 * One walk over the fields serves both ways, so that they cannot drift apart; the sizes of the
 * structs are asserted, so that a new field is not forgotten here.  Numbers are 8 bytes,
 * little-endian; a text is its length + 1 and its bytes (0: no text); a table is its index; a
 * place is its file's index + 1, offset and length.
 */
#include "lang/plan_cache.h"

#include <string.h>

#include "base/build.h"
#include "base/fs.h"

#if UINTPTR_MAX == UINT64_MAX
_Static_assert(sizeof(rdl_table) == 432, "a new field of rdl_table belongs into table()");
_Static_assert(sizeof(rdl_model) == 240, "a new field belongs into model()");
_Static_assert(sizeof(rdl_source_def) == 112, "a new field belongs into source()");
_Static_assert(sizeof(rdl_constraint) == 88, "a new field belongs into constraint()");
_Static_assert(sizeof(rdl_publication) == 128, "a new field belongs into publication()");
_Static_assert(sizeof(rdl_report) == 472, "a new field belongs into report()");
_Static_assert(sizeof(rdl_alert) == 224, "a new field belongs into alert()");
_Static_assert(sizeof(rdl_grant) == 64, "a new field belongs into grant()");
_Static_assert(sizeof(rdl_fan) == 104, "a new field belongs into fan()");
_Static_assert(sizeof(rdl_stream_plan) == 56, "a new field belongs into stream_plan()");
_Static_assert(sizeof(rdl_view_plan) == 320, "a new field belongs into view_plan()");
#endif

static const char magic[] = "rdl-plan 1\n";

enum {
    KEY_AT = sizeof magic - 1,
    HASH_AT = KEY_AT + 16,
    PAYLOAD_AT = HASH_AT + 16,
    CACHE_BYTES_MAX = 64 << 20,
    TYPE_DEPTH_MAX = 64,
};

typedef struct archive {
    rdl_pipeline *p;
    bool reading, bad;
    rdl_buf out;
    rdl_str in;
    size_t at;
} archive;

/* ---- numbers, texts, places ---- */

static void number(archive *x, uint64_t *v)
{
    unsigned char b[8] = {0};
    if (!x->reading) {
        for (size_t i = 0; i < 8; i++)
            b[i] = (unsigned char)(*v >> (8 * i));
        rdl_buf_put(&x->out, (const char *)b, 8);
        return;
    }
    *v = 0;
    if (x->bad || x->in.n - x->at < 8) {
        x->bad = true;
        return;
    }
    memcpy(b, x->in.p + x->at, 8);
    x->at += 8;
    for (size_t i = 0; i < 8; i++)
        *v |= (uint64_t)b[i] << (8 * i);
}

/* A number below a bound; 0 when it is not. */
static void bounded(archive *x, uint64_t *v, uint64_t below)
{
    number(x, v);
    if (*v < below)
        return;
    x->bad = true;
    *v = 0;
}

static void whole(archive *x, int64_t *v)
{
    uint64_t n = (uint64_t)*v;
    number(x, &n);
    *v = (int64_t)n;
}

/* An enum, a bool, a small number. */
#define SMALL(x, field, below)                                                             \
    do {                                                                                   \
        uint64_t small_ = (uint64_t)(field);                                               \
        bounded((x), &small_, (below));                                                    \
        (field) = (unsigned char)small_;                                                   \
    } while (0)
#define FLAG(x, field)                                                                     \
    do {                                                                                   \
        uint64_t flag_ = (field);                                                          \
        bounded((x), &flag_, 2);                                                           \
        (field) = flag_ != 0;                                                              \
    } while (0)

/* How many follow; each takes 8 bytes at least, so a wild count is seen here. */
static void count(archive *x, size_t *n)
{
    uint64_t v = *n;
    number(x, &v);
    if (x->reading && v > (x->in.n - x->at) / 8) {
        x->bad = true;
        v = 0;
    }
    *n = (size_t)v;
}

/* Whether a thing is there; for reading it is made. */
static bool present(archive *x, bool there)
{
    FLAG(x, there);
    return there;
}

#define ARRAY(x, v, n, type)                                                               \
    do {                                                                                   \
        count((x), &(n));                                                                  \
        if ((x)->reading)                                                                  \
            (v) = RDL_NEWN((x)->p->arena, type, (n) + 1);                                  \
    } while (0)

static void text(archive *x, rdl_str *s)
{
    uint64_t n = s->p != NULL ? s->n + 1 : 0;
    number(x, &n);
    if (!x->reading) {
        if (n > 1)
            rdl_buf_put(&x->out, s->p, s->n);
        return;
    }
    *s = (rdl_str){NULL, 0};
    if (n == 0)
        return;
    if (n - 1 > x->in.n - x->at) {
        x->bad = true;
        return;
    }
    *s = (rdl_str){rdl_arena_strndup(x->p->arena, x->in.p + x->at, (size_t)n - 1),
                   (size_t)n - 1};
    x->at += (size_t)n - 1;
}

static void place(archive *x, rdl_pos *pos)
{
    uint64_t file = 0, at = pos->at, len = pos->len;
    for (size_t i = 0; !x->reading && i < x->p->file_count; i++)
        if (x->p->files[i] == pos->file)
            file = i + 1;
    x->bad = x->bad || (!x->reading && file == 0 && pos->file != NULL);
    bounded(x, &file, x->p->file_count + 1);
    bounded(x, &at, UINT32_MAX);
    bounded(x, &len, UINT32_MAX);
    if (!x->reading)
        return;
    *pos = (rdl_pos){file > 0 ? x->p->files[file - 1] : NULL, (uint32_t)at, (uint32_t)len};
    if (file > 0 && at + len > pos->file->text.n)
        x->bad = true;
}

static void indexes(archive *x, size_t **v, size_t *n, size_t below)
{
    ARRAY(x, *v, *n, size_t);
    for (size_t i = 0; i < *n; i++) {
        uint64_t k = (*v)[i];
        bounded(x, &k, below);
        (*v)[i] = (size_t)k;
    }
}

/* A table that comes before number `below` of the pipeline. */
static void reference(archive *x, rdl_table **t, size_t below)
{
    uint64_t i = !x->reading ? (*t)->index : 0;
    if (below == 0) {
        x->bad = true;
        return;
    }
    bounded(x, &i, below);
    *t = x->p->tables[i];
}

static void references(archive *x, rdl_table ***v, size_t *n, size_t below)
{
    ARRAY(x, *v, *n, rdl_table *);
    for (size_t i = 0; i < *n && !x->bad; i++)
        reference(x, &(*v)[i], below);
}

static void hash(archive *x, rdl_hash128 *h)
{
    number(x, &h->hi);
    number(x, &h->lo);
}

/* ---- types and columns ---- */

static void type(archive *x, const rdl_type **t, size_t depth);

static void fields(archive *x, rdl_type *t, size_t depth)
{
    rdl_str *names = (rdl_str *)(uintptr_t)t->field_names;
    ARRAY(x, names, t->field_count, rdl_str);
    if (x->reading) {
        t->field_names = names;
        t->field_types = RDL_NEWN(x->p->arena, const rdl_type *, t->field_count + 1);
    }
    for (size_t i = 0; i < t->field_count; i++) {
        text(x, &names[i]);
        type(x, &t->field_types[i], depth + 1);
    }
}

static bool has_parameters(rdl_type_kind kind)
{
    return kind == RDL_TYPE_DECIMAL || kind == RDL_TYPE_LIST || kind == RDL_TYPE_MAP ||
           kind == RDL_TYPE_STRUCT;
}

/* 0: no type. */
static void type(archive *x, const rdl_type **t, size_t depth)
{
    rdl_type own = {0};
    if (!x->reading && *t != NULL)
        own = **t;
    x->bad = x->bad || depth > TYPE_DEPTH_MAX;
    SMALL(x, own.kind, RDL_TYPE_STRUCT + 1);
    if (x->bad || (unsigned)own.kind == 0) {
        *t = x->reading ? NULL : *t;
        return;
    }
    SMALL(x, own.precision, 39);
    SMALL(x, own.scale, 39);
    if (own.kind == RDL_TYPE_LIST || own.kind == RDL_TYPE_MAP)
        type(x, &own.child, depth + 1);
    if (own.kind == RDL_TYPE_MAP)
        type(x, &own.value, depth + 1);
    if (own.kind == RDL_TYPE_STRUCT)
        fields(x, &own, depth);
    if (!x->reading)
        return;
    if (!has_parameters(own.kind)) {
        *t = rdl_type_of(own.kind);
        return;
    }
    rdl_type *made = RDL_NEW(x->p->arena, rdl_type);
    *made = own;
    *t = made;
}

static void types(archive *x, const rdl_type ***v, size_t *n)
{
    ARRAY(x, *v, *n, const rdl_type *);
    for (size_t i = 0; i < *n; i++)
        type(x, &(*v)[i], 0);
}

static void columns(archive *x, rdl_schema *s)
{
    ARRAY(x, s->v, s->n, rdl_column);
    for (size_t i = 0; i < s->n; i++) {
        text(x, &s->v[i].name);
        type(x, &s->v[i].type, 0);
        x->bad = x->bad || s->v[i].type == NULL;
    }
}

/* ---- parts of a table ---- */

static void options(archive *x, rdl_option **v, size_t *n)
{
    ARRAY(x, *v, *n, rdl_option);
    for (size_t i = 0; i < *n; i++) {
        text(x, &(*v)[i].name);
        text(x, &(*v)[i].value);
        place(x, &(*v)[i].pos);
    }
}

static void source(archive *x, rdl_source_def *d)
{
    int64_t watermark = d->watermark_column;
    text(x, &d->url);
    SMALL(x, d->format, RDL_FORMAT_COUNT);
    options(x, &d->options, &d->option_count);
    ARRAY(x, d->columns, d->column_count, rdl_source_column);
    for (size_t i = 0; i < d->column_count; i++) {
        rdl_source_column *c = &d->columns[i];
        text(x, &c->column.name);
        type(x, &c->column.type, 0);
        text(x, &c->field);
        text(x, &c->computed);
        SMALL(x, c->from, RDL_COLUMN_FROM_COUNT);
        x->bad = x->bad || c->column.type == NULL;
    }
    SMALL(x, d->on_malformed, RDL_MALFORMED_FAIL + 1);
    SMALL(x, d->on_repeat, RDL_REPEAT_READ + 1);
    FLAG(x, d->loss_continues);
    indexes(x, &d->unique, &d->unique_count, d->column_count);
    SMALL(x, d->on_duplicate, RDL_DUPLICATE_LAST + 1);
    whole(x, &d->refresh_us);
    whole(x, &watermark);
    if (watermark < -1 || watermark >= (int64_t)d->column_count) {
        x->bad = true;
        watermark = -1;
    }
    d->watermark_column = (int)watermark;
    whole(x, &d->watermark_delay_us);
}

static void constraint(archive *x, rdl_constraint *c, size_t column_count)
{
    text(x, &c->name);
    place(x, &c->pos);
    SMALL(x, c->action, RDL_VIOLATION_IMPUTE + 1);
    text(x, &c->expr);
    ARRAY(x, c->imputes, c->impute_count, rdl_impute);
    for (size_t i = 0; i < c->impute_count; i++) {
        uint64_t column = c->imputes[i].column;
        bounded(x, &column, column_count);
        c->imputes[i].column = (size_t)column;
        text(x, &c->imputes[i].expr);
    }
    indexes(x, &c->unique, &c->unique_count, column_count);
}

static void fan(archive *x, rdl_fan *f, size_t index)
{
    reference(x, &f->stream, index);
    text(x, &f->stream_key);
    text(x, &f->dimension);
    text(x, &f->key);
    text(x, &f->repeats_sql);
    text(x, &f->copies_sql);
    text(x, &f->copies_all_sql);
}

static void stream_plan(archive *x, rdl_stream_plan *s, size_t index)
{
    text(x, &s->body_sql);
    FLAG(x, s->may_fan_out);
    FLAG(x, s->declared_hop);
    FLAG(x, s->once);
    FLAG(x, s->may_filter);
    ARRAY(x, s->fans, s->fan_count, rdl_fan);
    for (size_t i = 0; i < s->fan_count && !x->bad; i++)
        fan(x, &s->fans[i], index);
    references(x, &s->needs_all, &s->needs_all_count, index);
}

static void view_texts(archive *x, rdl_view_plan *v)
{
    rdl_str *const texts[] = {
        &v->batch_sql,       &v->unchecked_sql, &v->partial_new_sql, &v->partial_old_sql,
        &v->partial_all_sql, &v->final_sql,     &v->touched_sql,     &v->groups_sql,
        &v->row_new_sql,     &v->row_old_sql,   &v->checked_sql,     &v->marked_sql,
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        text(x, texts[i]);
}

static void view_plan(archive *x, rdl_view_plan *v, const rdl_table *t, size_t index)
{
    SMALL(x, v->mode, RDL_MAINTAIN_FULL + 1);
    text(x, &v->reason);
    place(x, &v->reason_pos);
    if (present(x, v->driving != NULL))
        reference(x, &v->driving, index);
    FLAG(x, v->may_subtract);
    FLAG(x, v->partial_repeats);
    view_texts(x, v);
    /* One count, two lists: either may be missing. */
    size_t n = v->key_types != NULL ? v->key_count : 0;
    size_t m = v->key_columns != NULL ? v->key_count : 0;
    count(x, &v->key_count);
    if (present(x, v->key_types != NULL))
        types(x, &v->key_types, &n);
    if (present(x, v->key_columns != NULL))
        indexes(x, &v->key_columns, &m, t->columns.n);
    x->bad = x->bad || (n != 0 && n != v->key_count) || (m != 0 && m != v->key_count);
    ARRAY(x, v->slots, v->slot_count, rdl_slot);
    for (size_t i = 0; i < v->slot_count; i++) {
        SMALL(x, v->slots[i].kind, RDL_SLOT_MAX + 1);
        type(x, &v->slots[i].type, 0);
    }
    ARRAY(x, v->fans, v->fan_count, rdl_fan);
    for (size_t i = 0; i < v->fan_count && !x->bad; i++)
        fan(x, &v->fans[i], index);
    references(x, &v->needs_all, &v->needs_all_count, index);
}

/* ---- tables and publications ---- */

static void inputs(archive *x, rdl_table *t, size_t index)
{
    ARRAY(x, t->inputs, t->input_count, rdl_input);
    for (size_t i = 0; i < t->input_count && !x->bad; i++) {
        reference(x, &t->inputs[i].table, index);
        FLAG(x, t->inputs[i].stream);
        place(x, &t->inputs[i].pos);
    }
}

static void table_names(archive *x, rdl_table *t)
{
    SMALL(x, t->kind, RDL_TABLE_VIEW + 1);
    text(x, &t->schema);
    text(x, &t->name);
    text(x, &t->full);
    text(x, &t->comment);
    place(x, &t->pos);
    FLAG(x, t->internal);
    FLAG(x, t->decision);
    FLAG(x, t->reads_itself);
    FLAG(x, t->reads_clock);
    columns(x, &t->columns);
    if (present(x, t->column_comments != NULL)) {
        if (x->reading)
            t->column_comments = RDL_NEWN(x->p->arena, rdl_str, t->columns.n + 1);
        for (size_t i = 0; i < t->columns.n; i++)
            text(x, &t->column_comments[i]);
    }
}

static void schedule(archive *x, rdl_schedule *s)
{
    SMALL(x, s->kind, RDL_SCHEDULE_ON_UPDATE + 1);
    text(x, &s->cron);
    text(x, &s->zone);
    whole(x, &s->every_us);
    whole(x, &s->promise_us);
    place(x, &s->pos);
}

static void table_keys(archive *x, rdl_table *t)
{
    size_t n = t->columns.n;
    indexes(x, &t->partition_by, &t->partition_count, n);
    indexes(x, &t->dedup, &t->dedup_count, n);
    whole(x, &t->dedup_within_us);
    SMALL(x, t->on_late, RDL_LATE_DROP + 1);
    FLAG(x, t->allow_fanout);
    indexes(x, &t->cdc_keys, &t->cdc_key_count, n);
    text(x, &t->cdc_sequence);
    indexes(x, &t->primary_key, &t->primary_key_count, n);
    schedule(x, &t->schedule);
    hash(x, &t->fingerprint);
}

static void table(archive *x, rdl_table *t, size_t index)
{
    rdl_pipeline *p = x->p;
    t->index = index;
    table_names(x, t);
    if (present(x, t->source != NULL)) {
        t->source = x->reading ? RDL_NEW(p->arena, rdl_source_def) : t->source;
        source(x, t->source);
    }
    text(x, &t->body);
    text(x, &t->body_text);
    place(x, &t->body_pos);
    inputs(x, t, index);
    ARRAY(x, t->constraints, t->constraint_count, rdl_constraint);
    for (size_t i = 0; i < t->constraint_count; i++)
        constraint(x, &t->constraints[i], t->columns.n);
    table_keys(x, t);
    if (present(x, t->cdc_snapshot != NULL))
        reference(x, &t->cdc_snapshot, index);
    if (present(x, t->stream_plan != NULL)) {
        t->stream_plan = x->reading ? RDL_NEW(p->arena, rdl_stream_plan) : t->stream_plan;
        stream_plan(x, t->stream_plan, index);
    }
    if (present(x, t->view_plan != NULL)) {
        t->view_plan = x->reading ? RDL_NEW(p->arena, rdl_view_plan) : t->view_plan;
        view_plan(x, t->view_plan, t, index);
    }
}

static void destination(archive *x, rdl_publication *pub)
{
    if (x->bad)
        return;
    text(x, &pub->url);
    text(x, &pub->name);
    place(x, &pub->pos);
    indexes(x, &pub->key, &pub->key_count, pub->table->columns.n);
    if (x->reading)
        pub->descending = RDL_NEWN(x->p->arena, bool, pub->key_count + 1);
    for (size_t i = 0; i < pub->key_count; i++)
        FLAG(x, pub->descending[i]);
    uint64_t parts = pub->partition_key_count;
    bounded(x, &parts, pub->key_count + 1);
    pub->partition_key_count = (size_t)parts;
    columns(x, &pub->columns);
    x->bad = x->bad || pub->columns.n != pub->table->columns.n;
    options(x, &pub->options, &pub->option_count);
}

static void publication(archive *x, rdl_publication *pub, size_t index)
{
    pub->index = index;
    reference(x, &pub->table, x->p->table_count);
    destination(x, pub);
}

/* Its table is its own. */
static void seed(archive *x, rdl_publication *pub, size_t index)
{
    pub->index = index;
    if (x->reading)
        pub->table = RDL_NEW(x->p->arena, rdl_table);
    table(x, pub->table, 0);
    destination(x, pub);
}

static void template(archive *x, rdl_template *t)
{
    FLAG(x, t->given);
    FLAG(x, t->file);
    text(x, &t->text);
    place(x, &t->pos);
}

static void report(archive *x, rdl_report *r)
{
    uint64_t visible = r->visible;
    text(x, &r->name);
    text(x, &r->comment);
    place(x, &r->pos);
    SMALL(x, r->format, RDL_REPORT_HTML + 1);
    text(x, &r->path);
    place(x, &r->path_pos);
    columns(x, &r->columns);
    bounded(x, &visible, r->columns.n + 1);
    r->visible = (size_t)visible;
    indexes(x, &r->each, &r->each_count, r->columns.n);
    ARRAY(x, r->parameters, r->parameter_count, rdl_parameter_def);
    for (size_t i = 0; i < r->parameter_count; i++) {
        text(x, &r->parameters[i].name);
        type(x, &r->parameters[i].type, 0);
        text(x, &r->parameters[i].fallback);
        x->bad = x->bad || r->parameters[i].type == NULL;
    }
    schedule(x, &r->schedule);
    options(x, &r->options, &r->option_count);
    template(x, &r->header);
    template(x, &r->row);
    template(x, &r->footer);
    FLAG(x, r->pivots);
    text(x, &r->sql);
    text(x, &r->order);
    text(x, &r->body_text);
    place(x, &r->body_pos);
    ARRAY(x, r->inputs, r->input_count, rdl_input);
    for (size_t i = 0; i < r->input_count && !x->bad; i++) {
        reference(x, &r->inputs[i].table, x->p->table_count);
        FLAG(x, r->inputs[i].stream);
        place(x, &r->inputs[i].pos);
    }
    ARRAY(x, r->bounds, r->bound_count, rdl_report_bound);
    for (size_t i = 0; i < r->bound_count && !x->bad; i++) {
        uint64_t input = r->bounds[i].input, column = r->bounds[i].column;
        bounded(x, &input, r->input_count);
        r->bounds[i].input = (size_t)input;
        bounded(x, &column, x->bad ? 1 : r->inputs[input].table->columns.n);
        r->bounds[i].column = (size_t)column;
        SMALL(x, r->bounds[i].op, RDL_BOUND_MOST + 1);
        text(x, &r->bounds[i].value);
    }
    hash(x, &r->fingerprint);
}

static void model(archive *x, rdl_model *m, size_t index)
{
    rdl_pipeline *p = x->p;
    m->index = index;
    text(x, &m->name);
    text(x, &m->comment);
    place(x, &m->pos);
    if (present(x, m->table != NULL)) {
        reference(x, &m->table, p->table_count);
        if (!x->bad)
            m->table->model = m;
    }
    text(x, &m->select);
    ARRAY(x, m->inputs, m->input_count, rdl_input);
    for (size_t i = 0; i < m->input_count && !x->bad; i++) {
        reference(x, &m->inputs[i].table, p->table_count);
        FLAG(x, m->inputs[i].stream);
        place(x, &m->inputs[i].pos);
    }
    text(x, &m->command);
    text(x, &m->version);
    text(x, &m->parameters);
    whole(x, &m->timeout_us);
    FLAG(x, m->parquet);
    uint64_t artifact = m->artifact != NULL ? m->artifact->index + 1 : 0;
    bounded(x, &artifact, index + 1);
    m->artifact = artifact > 0 ? p->models[artifact - 1] : NULL;
    schedule(x, &m->schedule);
}

/* The text of a string of the pipeline's files: 'it''s'. */
static rdl_str string_at(const archive *x, rdl_pos pos)
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
static void alert(archive *x, rdl_alert *a)
{
    text(x, &a->name);
    text(x, &a->comment);
    place(x, &a->pos);
    SMALL(x, a->severity, RDL_ALERT_CRITICAL + 1);
    schedule(x, &a->schedule);
    text(x, &a->sql);
    text(x, &a->condition);
    text(x, &a->message);
    FLAG(x, a->truth);
    columns(x, &a->columns);
    ARRAY(x, a->targets, a->target_count, rdl_alert_target);
    for (size_t i = 0; i < a->target_count; i++) {
        place(x, &a->targets[i].pos);
        if (x->reading)
            a->targets[i].to = string_at(x, a->targets[i].pos);
    }
    whole(x, &a->repeat_us);
}

static void grant(archive *x, rdl_grant *g)
{
    text(x, &g->schema);
    text(x, &g->name);
    text(x, &g->role);
    place(x, &g->pos);
}

static void pipeline(archive *x)
{
    rdl_pipeline *p = x->p;
    ARRAY(x, p->tables, p->table_count, rdl_table *);
    for (size_t i = 0; i < p->table_count && !x->bad; i++) {
        if (x->reading)
            p->tables[i] = RDL_NEW(p->arena, rdl_table);
        table(x, p->tables[i], i);
    }
    ARRAY(x, p->models, p->model_count, rdl_model *);
    for (size_t i = 0; i < p->model_count && !x->bad; i++) {
        if (x->reading)
            p->models[i] = RDL_NEW(p->arena, rdl_model);
        model(x, p->models[i], i);
    }
    ARRAY(x, p->publications, p->publication_count, rdl_publication *);
    for (size_t i = 0; i < p->publication_count && !x->bad; i++) {
        if (x->reading)
            p->publications[i] = RDL_NEW(p->arena, rdl_publication);
        publication(x, p->publications[i], i);
    }
    ARRAY(x, p->seeds, p->seed_count, rdl_publication *);
    for (size_t i = 0; i < p->seed_count && !x->bad; i++) {
        if (x->reading)
            p->seeds[i] = RDL_NEW(p->arena, rdl_publication);
        seed(x, p->seeds[i], i);
    }
    ARRAY(x, p->reports, p->report_count, rdl_report *);
    for (size_t i = 0; i < p->report_count && !x->bad; i++) {
        if (x->reading)
            p->reports[i] = RDL_NEW(p->arena, rdl_report);
        report(x, p->reports[i]);
    }
    ARRAY(x, p->alerts, p->alert_count, rdl_alert *);
    for (size_t i = 0; i < p->alert_count && !x->bad; i++) {
        if (x->reading)
            p->alerts[i] = RDL_NEW(p->arena, rdl_alert);
        alert(x, p->alerts[i]);
    }
    ARRAY(x, p->grants, p->grant_count, rdl_grant);
    for (size_t i = 0; i < p->grant_count && !x->bad; i++)
        grant(x, &p->grants[i]);
    hash(x, &p->fingerprint);
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
    archive x = {.p = (rdl_pipeline *)(uintptr_t)p};
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
        archive x = {.p = &read,
                     .reading = true,
                     .in = {file.p + PAYLOAD_AT, file.n - PAYLOAD_AT}};
        pipeline(&x);
        ok = !x.bad && x.at == x.in.n;
        if (ok)
            *p = read;
    }
    rdl_buf_fini(&file);
    return ok;
}
