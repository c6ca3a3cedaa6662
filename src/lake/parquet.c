/*
 * lake/parquet.c - a Parquet file: its schema, row groups, footer.
 *
 *   file    "PAR1", row groups, footer in Thrift (FileMetaData), u32 bytes of it, "PAR1"
 *   group   a column chunk for each leaf of the schema (parquet_column.c), in their order
 *
 * The types, as DuckDB and Spark write them:
 *   BOOLEAN · INTEGER INT32 · BIGINT INT64 · DOUBLE · DATE INT32 · TIMESTAMPTZ INT64 in
 *   microseconds of UTC · TEXT and JSON BYTE_ARRAY, UTF-8 · BLOB BYTE_ARRAY
 *   DECIMAL INT32 up to 9 digits, INT64 up to 18, else FIXED_LEN_BYTE_ARRAY(16)
 *   LIST   optional group c (LIST) { repeated group list { optional element } }
 *   MAP    optional group c (MAP) { repeated group key_value { required key; optional value } }
 *   STRUCT optional group c { optional fields }
 *
 * LEVELS  An optional field adds one definition level, a repeated group another and a repetition
 * level.  So of a LIST at definition level d: d-1 it is null, d it is empty, d+1 an element is
 * there and null, d+2 an element's value.
 *
 * A row group ends at GROUP_ROWS rows or GROUP_BYTES bytes of values.  What is finished goes to
 * the file when WRITE_BYTES are together: a small file is one write.
 */
#include "lake/parquet.h"

#include <stdlib.h>

#include "base/fs.h"
#include "lake/parquet_column.h"

enum {
    GROUP_ROWS = 122880, /* as DuckDB has it: what one of its threads reads at a time */
    GROUP_BYTES = 32 << 20,
    WRITE_BYTES = 4 << 20,
    STEP_ROWS = 64, /* between looks at the bytes: rows may have 16 MiB */
};

typedef struct node node;
struct node {
    const rdl_type *type;
    unsigned def, rep; /* levels at which a value of it is there */
    rdl_parquet_leaf *leaf; /* scalar */
    node *children;
    size_t child_count;
};

struct rdl_parquet {
    rdl_arena arena;
    const rdl_schema *schema;
    bool json; /* JSON is told apart from text */
    node *columns;
    rdl_parquet_leaf **leaves;
    size_t leaf_count, leaf_cap;
    rdl_buf elements; /* the schema's part of the footer */
    size_t element_count;
    rdl_parquet_scratch scratch;
    /* Of the open file: */
    rdl_file *file;
    rdl_buf out;    /* from `base` on */
    uint64_t base;  /* bytes in the file */
    rdl_buf groups; /* RowGroups */
    size_t group_count, group_rows;
    uint64_t rows;
    rdl_buf text; /* of bounds */
    rdl_parquet_bounds *bounds;
};

static const rdl_str magic = {"PAR1", 4};

/* ---- the schema ---- */

enum {
    REQUIRED = 0,
    OPTIONAL = 1,
    REPEATED = 2,
    CONVERTED_UTF8 = 0,
    CONVERTED_MAP = 1,
    CONVERTED_LIST = 3,
    CONVERTED_DECIMAL = 5,
    CONVERTED_DATE = 6,
    CONVERTED_MICROS = 10,
    CONVERTED_INT32 = 17,
    CONVERTED_INT64 = 18,
    CONVERTED_JSON = 19,
};

static rdl_parquet_physical physical_of(const rdl_type *t)
{
    switch (t->kind) {
    case RDL_TYPE_BOOLEAN:
        return RDL_PARQUET_BOOLEAN;
    case RDL_TYPE_INTEGER:
    case RDL_TYPE_DATE:
        return RDL_PARQUET_INT32;
    case RDL_TYPE_BIGINT:
    case RDL_TYPE_TIMESTAMPTZ:
        return RDL_PARQUET_INT64;
    case RDL_TYPE_DOUBLE:
        return RDL_PARQUET_DOUBLE;
    case RDL_TYPE_DECIMAL:
        return t->precision <= 9    ? RDL_PARQUET_INT32
               : t->precision <= 18 ? RDL_PARQUET_INT64
                                    : RDL_PARQUET_FIXED;
    default:
        return RDL_PARQUET_BYTES;
    }
}

static size_t width_of(rdl_parquet_physical p)
{
    static const size_t widths[] = {
        [RDL_PARQUET_BOOLEAN] = 1, [RDL_PARQUET_INT32] = 4, [RDL_PARQUET_INT64] = 8,
        [RDL_PARQUET_DOUBLE] = 8,  [RDL_PARQUET_BYTES] = 0, [RDL_PARQUET_FIXED] = 16,
    };
    return widths[p];
}

static int converted_of(const rdl_parquet *p, const rdl_type *t)
{
    switch (t->kind) {
    case RDL_TYPE_INTEGER:
        return CONVERTED_INT32;
    case RDL_TYPE_BIGINT:
        return CONVERTED_INT64;
    case RDL_TYPE_DATE:
        return CONVERTED_DATE;
    case RDL_TYPE_TIMESTAMPTZ:
        return CONVERTED_MICROS;
    case RDL_TYPE_DECIMAL:
        return CONVERTED_DECIMAL;
    case RDL_TYPE_TEXT:
        return CONVERTED_UTF8;
    case RDL_TYPE_JSON:
        return p->json ? CONVERTED_JSON : CONVERTED_UTF8;
    case RDL_TYPE_LIST:
        return CONVERTED_LIST;
    case RDL_TYPE_MAP:
        return CONVERTED_MAP;
    default:
        return -1;
    }
}

/* LogicalType, the newer name of the converted type. */
static void put_logical(const rdl_type *t, int converted, rdl_thrift *out)
{
    if (converted < 0)
        return;
    rdl_thrift_begin(out, 10);
    if (converted == CONVERTED_UTF8) {
        rdl_thrift_empty(out, 1);
    } else if (converted == CONVERTED_MAP) {
        rdl_thrift_empty(out, 2);
    } else if (converted == CONVERTED_LIST) {
        rdl_thrift_empty(out, 3);
    } else if (converted == CONVERTED_DECIMAL) {
        rdl_thrift_begin(out, 5);
        rdl_thrift_i32(out, 1, t->scale);
        rdl_thrift_i32(out, 2, t->precision);
        rdl_thrift_end(out);
    } else if (converted == CONVERTED_JSON) {
        rdl_thrift_empty(out, 12);
    } else if (converted == CONVERTED_DATE) {
        rdl_thrift_empty(out, 6);
    } else if (converted == CONVERTED_MICROS) {
        rdl_thrift_begin(out, 8);
        rdl_thrift_bool(out, 1, true); /* adjusted to UTC */
        rdl_thrift_begin(out, 2);
        rdl_thrift_empty(out, 2); /* microseconds */
        rdl_thrift_end(out);
        rdl_thrift_end(out);
    } else {
        rdl_thrift_begin(out, 10);
        rdl_thrift_byte(out, 1, converted == CONVERTED_INT32 ? 32 : 64);
        rdl_thrift_bool(out, 2, true);
        rdl_thrift_end(out);
    }
    rdl_thrift_end(out);
}

/* A SchemaElement; t NULL: the repeated group of a list or map, or the root. */
static void put_element(
    rdl_parquet *p, rdl_str name, const rdl_type *t, int repetition, size_t children)
{
    rdl_thrift out = {.out = &p->elements};
    bool leaf = t != NULL && children == 0;
    int converted = t != NULL ? converted_of(p, t) : -1;
    if (leaf)
        rdl_thrift_i32(&out, 1, (int32_t)physical_of(t));
    if (leaf && physical_of(t) == RDL_PARQUET_FIXED)
        rdl_thrift_i32(&out, 2, 16);
    if (repetition >= 0)
        rdl_thrift_i32(&out, 3, repetition);
    rdl_thrift_text(&out, 4, name);
    if (!leaf)
        rdl_thrift_i32(&out, 5, (int32_t)children);
    if (converted >= 0)
        rdl_thrift_i32(&out, 6, converted);
    if (converted == CONVERTED_DECIMAL) {
        rdl_thrift_i32(&out, 7, t->scale);
        rdl_thrift_i32(&out, 8, t->precision);
    }
    if (t != NULL)
        put_logical(t, converted, &out);
    rdl_thrift_end(&out);
    p->element_count++;
}

typedef struct place {
    const struct place *up;
    rdl_str name;
} place;

static void add_leaf(rdl_parquet *p, node *n, const place *at)
{
    size_t depth = 0;
    rdl_parquet_leaf *leaf = RDL_NEW(&p->arena, rdl_parquet_leaf);
    for (const place *x = at; x != NULL; x = x->up)
        depth++;
    rdl_str *names = RDL_NEWN(&p->arena, rdl_str, depth);
    for (size_t i = depth; at != NULL; at = at->up)
        names[--i] = at->name;
    *leaf = (rdl_parquet_leaf){
        .type = n->type,
        .physical = physical_of(n->type),
        .def = n->def,
        .rep = n->rep,
        .path = names,
        .path_count = depth,
    };
    leaf->width = width_of(leaf->physical);
    n->leaf = leaf;
    if (p->leaf_count == p->leaf_cap) {
        size_t cap = p->leaf_cap == 0 ? 32 : 2 * p->leaf_cap;
        rdl_parquet_leaf **more = RDL_NEWN(&p->arena, rdl_parquet_leaf *, cap);
        if (p->leaf_count > 0)
            memcpy(more, p->leaves, p->leaf_count * sizeof(rdl_parquet_leaf *));
        p->leaves = more;
        p->leaf_cap = cap;
    }
    p->leaves[p->leaf_count++] = leaf;
}

/* def and rep are the levels around the field; a required one adds none. */
static void add_node(rdl_parquet *p, node *n, const rdl_type *t, const place *at, bool required,
                     unsigned def, unsigned rep)
{
    bool repeats = t->kind == RDL_TYPE_LIST || t->kind == RDL_TYPE_MAP;
    *n = (node){.type = t, .def = def + (required ? 0 : 1), .rep = rep};
    n->child_count = t->kind == RDL_TYPE_STRUCT ? t->field_count
                     : t->kind == RDL_TYPE_MAP  ? 2
                                                : t->kind == RDL_TYPE_LIST;
    put_element(p, at->name, t, required ? REQUIRED : OPTIONAL, repeats ? 1 : n->child_count);
    if (n->child_count == 0) {
        add_leaf(p, n, at);
        return;
    }
    n->children = RDL_NEWN(&p->arena, node, n->child_count);
    if (t->kind == RDL_TYPE_STRUCT) {
        for (size_t i = 0; i < n->child_count; i++)
            add_node(p, &n->children[i], t->field_types[i], &(place){at, t->field_names[i]},
                     false, n->def, rep);
        return;
    }
    bool map = t->kind == RDL_TYPE_MAP;
    const place group = {at, map ? RDL_STR("key_value") : RDL_STR("list")};
    put_element(p, group.name, NULL, REPEATED, n->child_count);
    n->rep = rep + 1;
    add_node(p, &n->children[0], t->child,
             &(place){&group, map ? RDL_STR("key") : RDL_STR("element")}, map, n->def + 1,
             n->rep);
    if (map)
        add_node(p, &n->children[1], t->value, &(place){&group, RDL_STR("value")}, false,
                 n->def + 1, n->rep);
}

rdl_code
rdl_parquet_new(const rdl_schema *schema, bool json, rdl_parquet **out, rdl_err *err)
{
    rdl_parquet *p = calloc(1, sizeof *p); /* allow: freed by rdl_parquet_free */
    if (p == NULL)
        return rdl_err_nomem(err);
    rdl_arena_init(&p->arena, 0);
    p->schema = schema;
    p->json = json;
    p->columns = RDL_NEWN(&p->arena, node, schema->n + 1);
    p->bounds = RDL_NEWN(&p->arena, rdl_parquet_bounds, schema->n + 1);
    put_element(p, RDL_STR("raudal"), NULL, -1, schema->n);
    for (size_t i = 0; i < schema->n; i++)
        add_node(p, &p->columns[i], schema->v[i].type, &(place){NULL, schema->v[i].name}, false,
                 0, 0);
    *out = p;
    return RDL_OK;
}

void rdl_parquet_free(rdl_parquet *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->leaf_count; i++)
        rdl_parquet_leaf_fini(p->leaves[i]);
    rdl_parquet_scratch_fini(&p->scratch);
    rdl_file_close(p->file);
    rdl_buf_fini(&p->elements);
    rdl_buf_fini(&p->out);
    rdl_buf_fini(&p->groups);
    rdl_buf_fini(&p->text);
    rdl_arena_fini(&p->arena);
    free(p); /* allow: as its calloc */
}

/* ---- rows ---- */

rdl_code rdl_parquet_open(rdl_parquet *p, const char *path, rdl_err *err)
{
    rdl_file_close(p->file);
    p->file = NULL;
    RDL_TRY(rdl_file_create(path, &p->file, err));
    rdl_buf_clear(&p->out);
    rdl_buf_clear(&p->groups);
    rdl_buf_put(&p->out, magic.p, magic.n);
    p->base = p->rows = 0;
    p->group_count = p->group_rows = 0;
    for (size_t i = 0; i < p->leaf_count; i++)
        rdl_parquet_leaf_new_file(p->leaves[i]);
    return RDL_OK;
}

static rdl_code write_out(rdl_parquet *p, rdl_err *err)
{
    RDL_TRY(rdl_file_write(p->file, p->out.p, p->out.n, err));
    p->base += p->out.n;
    rdl_buf_clear(&p->out);
    return RDL_OK;
}

static rdl_code end_group(rdl_parquet *p, rdl_err *err)
{
    uint64_t plain = 0, began = p->base + p->out.n;
    if (p->group_rows == 0)
        return RDL_OK;
    rdl_thrift meta = {.out = &p->groups};
    rdl_thrift_list(&meta, 1, RDL_THRIFT_STRUCT, p->leaf_count);
    for (size_t i = 0; i < p->leaf_count; i++)
        RDL_TRY(rdl_parquet_leaf_flush(p->leaves[i], &p->scratch, p->base, &p->out, &meta,
                                       &plain, err));
    rdl_thrift_i64(&meta, 2, (int64_t)plain);
    rdl_thrift_i64(&meta, 3, (int64_t)p->group_rows);
    rdl_thrift_i64(&meta, 5, (int64_t)began);
    rdl_thrift_i64(&meta, 6, (int64_t)(p->base + p->out.n - began));
    rdl_thrift_end(&meta);
    p->group_count++;
    p->group_rows = 0;
    return p->out.n >= WRITE_BYTES ? write_out(p, err) : RDL_OK;
}

/* No value below here: every leaf notes so, at the level where it ends. */
static void put_absent(const node *n, unsigned rep, unsigned def)
{
    if (n->leaf != NULL) {
        rdl_parquet_leaf_entry(n->leaf, rep, def);
        return;
    }
    for (size_t i = 0; i < n->child_count; i++)
        put_absent(&n->children[i], rep, def);
}

/* The value of one place of a nested column; rep: where the repetition starts anew. */
static void put_nested(const node *n, const rdl_vector *v, size_t row, unsigned rep)
{
    if (!rdl_vector_valid(v, row)) {
        put_absent(n, rep, n->def - 1);
        return;
    }
    if (n->leaf != NULL) {
        rdl_parquet_leaf_value(n->leaf, v, row, rep);
        return;
    }
    if (n->type->kind == RDL_TYPE_STRUCT) {
        for (size_t i = 0; i < n->child_count; i++)
            put_nested(&n->children[i], &v->children[i], row, rep);
        return;
    }
    const rdl_duck_list l = RDL_VECTOR_AT(v, rdl_duck_list, row);
    if (l.length == 0)
        put_absent(n, rep, n->def);
    for (uint64_t i = 0; i < l.length; i++)
        for (size_t k = 0; k < n->child_count; k++)
            put_nested(&n->children[k], &v->children[k], l.offset + i, i == 0 ? rep : n->rep);
}

static size_t group_bytes(const rdl_parquet *p)
{
    size_t bytes = 0;
    for (size_t i = 0; i < p->leaf_count; i++) {
        const rdl_parquet_leaf *leaf = p->leaves[i];
        bytes += leaf->values.n + leaf->lengths.n + leaf->defs.n + leaf->reps.n;
    }
    return bytes;
}

static void put_rows(rdl_parquet *p, const rdl_chunk *c, size_t from, size_t n)
{
    for (size_t i = 0; i < p->schema->n; i++) {
        const node *column = &p->columns[i];
        if (column->leaf != NULL) {
            rdl_parquet_leaf_rows(column->leaf, &c->v[i], from, n);
            continue;
        }
        for (size_t row = from; row < from + n; row++)
            put_nested(column, &c->v[i], row, 0);
    }
    p->group_rows += n;
    p->rows += n;
}

rdl_code
rdl_parquet_put(rdl_parquet *p, const rdl_chunk *c, size_t from, size_t n, rdl_err *err)
{
    for (size_t done = 0; done < n;) {
        size_t step = n - done < STEP_ROWS ? n - done : STEP_ROWS;
        put_rows(p, c, from + done, step);
        done += step;
        if (p->group_rows >= GROUP_ROWS || group_bytes(p) >= GROUP_BYTES)
            RDL_TRY(end_group(p, err));
    }
    return RDL_OK;
}

/* ---- the end ---- */

static void put_footer(rdl_parquet *p)
{
    size_t at = p->out.n;
    rdl_thrift t = {.out = &p->out};
    rdl_thrift_i32(&t, 1, 1);
    rdl_thrift_list(&t, 2, RDL_THRIFT_STRUCT, p->element_count);
    rdl_buf_put(&p->out, p->elements.p, p->elements.n);
    rdl_thrift_i64(&t, 3, (int64_t)p->rows);
    rdl_thrift_list(&t, 4, RDL_THRIFT_STRUCT, p->group_count);
    rdl_buf_put(&p->out, rdl_buf_str(&p->groups), p->groups.n);
    rdl_thrift_text(&t, 6, RDL_STR("raudal version " RAUDAL_VERSION " (build 1)"));
    rdl_thrift_list(&t, 7, RDL_THRIFT_STRUCT, p->leaf_count);
    for (size_t i = 0; i < p->leaf_count; i++) { /* ordered as their types are */
        rdl_thrift_open(&t);
        rdl_thrift_empty(&t, 1);
        rdl_thrift_end(&t);
    }
    rdl_thrift_end(&t);
    uint32_t bytes = (uint32_t)(p->out.n - at);
    rdl_buf_put(&p->out, &bytes, sizeof bytes);
    rdl_buf_put(&p->out, magic.p, magic.n);
}

/* Texts go into one buffer, and are found in it when it no longer moves. */
static void tell_bounds(rdl_parquet *p)
{
    rdl_buf_clear(&p->text);
    for (int round = 0; round < 2; round++) {
        size_t at = 0;
        for (size_t i = 0; i < p->schema->n; i++) {
            const rdl_parquet_leaf *leaf = p->columns[i].leaf;
            rdl_parquet_bounds *b = &p->bounds[i];
            for (int max = 0; leaf != NULL && max < 2; max++) {
                rdl_str *s = max == 1 ? &b->max : &b->min;
                size_t before = p->text.n;
                if (round == 0) {
                    bool told = rdl_parquet_range_text(leaf, max == 1, &p->text);
                    *s = (rdl_str){told ? "" : NULL, p->text.n - before};
                } else if (s->p != NULL) {
                    s->p = rdl_buf_str(&p->text) + at;
                    at += s->n;
                }
            }
            b->any = leaf != NULL;
            b->nulls = leaf != NULL ? leaf->file.nulls : 0;
        }
    }
}

rdl_code rdl_parquet_close(rdl_parquet *p, rdl_parquet_written *out, rdl_err *err)
{
    rdl_code rc = end_group(p, err);
    if (rc == RDL_OK) {
        put_footer(p);
        rc = write_out(p, err);
    }
    rdl_file_close(p->file);
    p->file = NULL;
    if (rc != RDL_OK)
        return rc;
    tell_bounds(p);
    *out = (rdl_parquet_written){p->rows, p->base, p->bounds};
    return RDL_OK;
}

rdl_code rdl_parquet_write(
    rdl_conn *conn, const char *select, const rdl_schema *schema, const char *path, rdl_err *err)
{
    rdl_parquet *p = NULL;
    rdl_result *result = NULL;
    rdl_parquet_written written;
    const rdl_chunk *chunk;
    rdl_code rc = RDL_OK;
    RDL_TRY_OUT(rdl_parquet_new(schema, true, &p, err));
    RDL_TRY_OUT(rdl_parquet_open(p, path, err));
    RDL_TRY_OUT(rdl_query_stream(conn, select, &result, err));
    while (rdl_result_next(result, &chunk))
        RDL_TRY_OUT(rdl_parquet_put(p, chunk, 0, chunk->rows, err));
    RDL_TRY_OUT(rdl_result_end(result, err));
    rc = rdl_parquet_close(p, &written, err);
out:
    rdl_result_free(result);
    rdl_parquet_free(p);
    return rc;
}
