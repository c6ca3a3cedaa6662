/*
 * source/decode/job.c - a decode job from its registration to its counts.
 */
#include "source/decode/internal.h"

#include <stdlib.h>

#include "base/machine.h"

void rdl_decode_spec_init(rdl_decode_spec *spec)
{
    *spec = (rdl_decode_spec){.format = RDL_DECODE_JSON,
                              .delimiter = ',',
                              .quote = '"',
                              .escape = '"',
                              .header = true,
                              .record_bytes_max = RDL_DECODE_RECORD_MAX};
}

enum { SYSTEM_COLUMNS = 6 };

void rdl_decode_schema(rdl_arena *a, const rdl_decode_spec *spec, rdl_schema *out)
{
    const rdl_column system[SYSTEM_COLUMNS] = {
        {RDL_STR("_rescued"), rdl_type_of(RDL_TYPE_JSON)},
        {RDL_STR("_source_partition"), rdl_type_of(RDL_TYPE_INTEGER)},
        {RDL_STR("_source_offset"), rdl_type_of(RDL_TYPE_BIGINT)},
        {RDL_STR("_source_file"), rdl_type_of(RDL_TYPE_TEXT)},
        {RDL_STR("_record_at"), rdl_type_of(RDL_TYPE_BIGINT)},
        {RDL_STR("_record_bytes"), rdl_type_of(RDL_TYPE_INTEGER)},
    };
    out->n = spec->column_count + SYSTEM_COLUMNS;
    out->v = RDL_NEWN(a, rdl_column, out->n);
    for (size_t i = 0; i < spec->column_count; i++)
        out->v[i] = (rdl_column){spec->columns[i].name, spec->columns[i].type};
    memcpy(out->v + spec->column_count, system, sizeof system);
}

/* ---- setting up ---- */

static rdl_str copy_str(rdl_arena *a, rdl_str s)
{
    return (rdl_str){rdl_arena_strndup(a, s.n > 0 ? s.p : "", s.n), s.n};
}

/* The caller's types may live shorter than the job: they are made ours by their text. */
static rdl_code copy_type(rdl_decode *j, const rdl_type *from, const rdl_type **out, rdl_err *err)
{
    rdl_buf text = {0};
    rdl_type_print(from, &text);
    rdl_code rc = rdl_type_parse(&j->arena, (rdl_str){rdl_buf_str(&text), text.n}, out, err);
    rdl_buf_fini(&text);
    return rc;
}

static rdl_code copy_fields(rdl_decode *j, const rdl_decode_spec *spec, rdl_err *err)
{
    size_t n = spec->column_count;
    rdl_decode_column *columns = RDL_NEWN(&j->arena, rdl_decode_column, n + 1);
    j->fields = RDL_NEWN(&j->arena, rdl_field, n + 1); /* the last: nothing is expected */
    j->field_count = n;
    for (size_t i = 0; i < n; i++) {
        const rdl_decode_column *c = &spec->columns[i];
        rdl_str name = copy_str(&j->arena, c->field.n > 0 ? c->field : c->name);
        rdl_field *f = &j->fields[i];
        *f = (rdl_field){.name = name, .same = -1, .from = c->from};
        j->value_count += c->from == RDL_FROM_FIELD;
        j->tombstones |= c->from == RDL_FROM_KEY || c->from == RDL_FROM_TOMBSTONE;
        RDL_TRY(copy_type(j, c->type, &f->type, err));
        columns[i] = (rdl_decode_column){copy_str(&j->arena, c->name), name, f->type, c->from};
        j->nested |= !rdl_type_is_scalar(c->type);
        bool plain = name.n + 2 <= sizeof f->key && c->from == RDL_FROM_FIELD;
        for (size_t k = 0; k < name.n; k++)
            plain &= name.p[k] != '"' && name.p[k] != '\\' && (unsigned char)name.p[k] >= 0x20;
        if (!plain)
            continue;
        f->key_bytes = (uint32_t)name.n + 2;
        f->key[0] = f->key[name.n + 1] = '"';
        memcpy(f->key + 1, name.p, name.n);
    }
    j->spec = *spec;
    j->spec.columns = columns;
    j->spec.null_text = copy_str(&j->arena, spec->null_text);
    j->spec.date_format = copy_str(&j->arena, spec->date_format);
    j->spec.timestamp_format = copy_str(&j->arena, spec->timestamp_format);
    if (j->spec.record_bytes_max == 0)
        j->spec.record_bytes_max = RDL_DECODE_RECORD_MAX;
    if (j->spec.record_bytes_max > UINT32_C(1) << 30)
        j->spec.record_bytes_max = UINT32_C(1) << 30; /* lengths in vectors have 32 bits */
    return RDL_OK;
}

static rdl_code copy_inputs(rdl_decode *j, const rdl_decode_input *inputs, size_t n, rdl_err *err)
{
    j->inputs = calloc(n + 1, sizeof *j->inputs); /* allow: lives with the job */
    if (j->inputs == NULL)
        return rdl_err_nomem(err);
    j->input_count = n;
    for (size_t i = 0; i < n; i++) {
        rdl_decode_input *in = &j->inputs[i].in;
        *in = inputs[i];
        in->path = rdl_arena_strdup(&j->arena, in->path);
        in->shown = rdl_arena_strdup(&j->arena, in->shown != NULL ? in->shown : in->path);
        j->of_messages |= in->records != NULL;
        if (in->path == NULL && in->records == NULL)
            in->bytes = copy_str(&j->arena, in->bytes);
        if (in->shown == NULL)
            in->shown = "(memory)";
    }
    return RDL_OK;
}

void rdl_decode_set_sizes(rdl_decode *j, uint64_t window_bytes, uint64_t piece_bytes)
{
    j->window_bytes = window_bytes;
    j->piece_bytes = piece_bytes;
}

rdl_code rdl_decode_new(const rdl_decode_spec *spec, const rdl_decode_input *inputs,
                        size_t input_count, rdl_decode **out, rdl_err *err)
{
    rdl_decode *j = calloc(1, sizeof *j); /* allow: the job's own lifetime */
    if (j == NULL)
        return rdl_err_nomem(err);
    j->first = j;
    rdl_arena_init(&j->arena, 0);
    rdl_arena_init(&j->malformed_arena, 0);
    rdl_mutex_init(&j->lock);
    rdl_cond_init(&j->changed);
    rdl_decode_set_sizes(j, RDL_DECODE_WINDOW, RDL_DECODE_WINDOW);
    j->c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    rdl_code rc = copy_fields(j, spec, err);
    if (rc == RDL_OK) {
        rdl_fields_index(j);
        rdl_decode_schema(&j->arena, &j->spec, &j->schema);
        rc = copy_inputs(j, inputs, input_count, err);
    }
    if (rc == RDL_OK && j->c_locale == (locale_t)0)
        rc = rdl_err_nomem(err);
    if (rc != RDL_OK) {
        rdl_decode_free(j);
        return rc;
    }
    *out = j;
    return RDL_OK;
}

/* The first reading is the job itself; later ones start from its inputs again. */
static rdl_code open_pass(void *scan, void **out_pass, rdl_err *err)
{
    rdl_decode *j = scan, *again = NULL;
    rdl_mutex_lock(&j->lock);
    bool mine = !j->taken;
    j->taken = true;
    rdl_mutex_unlock(&j->lock);
    if (mine) {
        *out_pass = j;
        return RDL_OK;
    }
    rdl_arena a;
    rdl_arena_init(&a, 0);
    rdl_decode_input *inputs = RDL_NEWN(&a, rdl_decode_input, j->input_count + 1);
    for (size_t i = 0; i < j->input_count; i++)
        inputs[i] = j->inputs[i].in;
    rdl_code rc = rdl_decode_new(&j->spec, inputs, j->input_count, &again, err);
    rdl_arena_fini(&a);
    if (rc != RDL_OK)
        return rc;
    again->first = j;
    again->taken = true;
    rdl_decode_set_sizes(again, j->window_bytes, j->piece_bytes);
    *out_pass = again;
    return RDL_OK;
}

static void close_pass(void *scan, void *pass)
{
    if (pass != scan)
        rdl_decode_free(pass);
}

static uint64_t rows_estimate(const rdl_decode *j)
{
    uint64_t bytes = 0, messages = 0;
    for (size_t i = 0; i < j->input_count; i++) {
        const rdl_decode_input *in = &j->inputs[i].in;
        messages += in->count;
        bytes += in->path == NULL ? in->bytes.n : in->end > in->begin ? in->end - in->begin : 0;
    }
    return messages + bytes / 200;
}

rdl_code rdl_decode_register(rdl_duck *d, const char *name, const rdl_decode_spec *spec,
                             const rdl_decode_input *inputs, size_t input_count, rdl_decode **out,
                             rdl_err *err)
{
    rdl_decode *j;
    RDL_TRY(rdl_decode_new(spec, inputs, input_count, &j, err));
    j->name = rdl_arena_strdup(&j->arena, name);
    j->ops = (rdl_scan_ops){.open_pass = open_pass,
                            .close_pass = close_pass,
                            .open_local = rdl_worker_open,
                            .next = rdl_worker_next,
                            .close_local = rdl_worker_close,
                            .threads_max = rdl_cpu_count(),
                            .rows_estimate = rows_estimate(j)};
    rdl_code rc = rdl_scan_register(d, name, &j->schema, &j->ops, j, err);
    if (rc != RDL_OK) {
        rdl_decode_free(j);
        return rc;
    }
    j->duck = d;
    *out = j;
    return RDL_OK;
}

void rdl_decode_free(rdl_decode *j)
{
    if (j == NULL)
        return;
    if (j->duck != NULL)
        rdl_scan_drop(j->duck, j->name);
    for (size_t i = 0; i < j->input_count; i++) {
        rdl_split *s = j->inputs[i].split;
        rdl_input_close(&j->inputs[i]);
        if (s == NULL)
            continue;
        free(s->records);   /* allow: lives with the job */
        free(s->lines);     /* allow: lives with the job */
        free(s->published); /* allow: lives with the job */
        free(s);            /* allow: lives with the job */
    }
    rdl_raw_close(j);
    free(j->inputs); /* allow: lives with the job */
    if (j->c_locale != (locale_t)0)
        freelocale(j->c_locale);
    rdl_arena_fini(&j->arena);
    rdl_arena_fini(&j->malformed_arena);
    rdl_cond_fini(&j->changed);
    rdl_mutex_fini(&j->lock);
    free(j); /* allow: the job's own lifetime */
}

/* ---- results ---- */

bool rdl_decode_is_read(rdl_decode *j)
{
    rdl_mutex_lock(&j->lock);
    bool all = j->taken && !j->failed && !j->left && j->next_input == j->input_count &&
               j->splits == NULL && j->opening == 0;
    rdl_mutex_unlock(&j->lock);
    return all;
}

uint64_t rdl_decode_busy_us(const rdl_decode *j)
{
    return atomic_load(&j->busy_us);
}

void rdl_decode_result(const rdl_decode *j, rdl_decode_counts *out)
{
    *out = (rdl_decode_counts){.rows = atomic_load(&j->rows),
                               .malformed = atomic_load(&j->bad),
                               .rescued = atomic_load(&j->rescued),
                               .bytes = atomic_load(&j->bytes)};
}

static int compare_malformed(const void *a, const void *b)
{
    const rdl_malformed *x = a, *y = b;
    if (x->partition != y->partition)
        return x->partition < y->partition ? -1 : 1;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

const rdl_malformed *rdl_decode_malformed(rdl_decode *j, size_t *out_n)
{
    rdl_mutex_lock(&j->lock);
    if (!j->sorted && j->malformed.n > 1)
        qsort(j->malformed.v, j->malformed.n, sizeof *j->malformed.v, compare_malformed);
    j->sorted = true;
    *out_n = j->malformed.n;
    const rdl_malformed *v = j->malformed.v;
    rdl_mutex_unlock(&j->lock);
    return v;
}

uint64_t rdl_decode_input_records(const rdl_decode *j, size_t i)
{
    const rdl_dinput *in = &j->inputs[i];
    if (in->split != NULL)
        return in->split->records[in->split->known] - in->in.first_record;
    return atomic_load(&in->records);
}
