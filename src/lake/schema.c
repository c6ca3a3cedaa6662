/*
 * lake/schema.c - Delta's schemaString and our schema, each from the other.
 *
 *   BOOLEAN boolean · INTEGER integer · BIGINT long · DOUBLE double · DECIMAL decimal(p,s)
 *   TEXT string · BLOB binary · DATE date · TIMESTAMPTZ timestamp · LIST array · MAP map
 *   STRUCT struct · JSON string, with "raudal.type" in the field's metadata
 *
 * Read only: byte and short become INTEGER, float DOUBLE.  timestamp_ntz, variant and the
 * like are features of newer protocols and refused by name.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "base/hash.h"
#include "lake/delta.h"

enum {
    NESTING_MAX = 32,
};

static void put_type(const rdl_type *t, rdl_buf *out);

/* JSON reached through lists and maps; struct fields have metadata of their own. */
static bool has_json(const rdl_type *t)
{
    switch (t->kind) {
    case RDL_TYPE_JSON:
        return true;
    case RDL_TYPE_LIST:
        return has_json(t->child);
    case RDL_TYPE_MAP:
        return has_json(t->child) || has_json(t->value);
    default:
        return false;
    }
}

static void put_field(rdl_str name, const rdl_type *t, rdl_buf *out)
{
    rdl_buf_puts(out, "{\"name\":");
    rdl_buf_put_json_text(out, name);
    rdl_buf_puts(out, ",\"type\":");
    put_type(t, out);
    rdl_buf_puts(out, ",\"nullable\":true,\"metadata\":{");
    if (has_json(t)) {
        rdl_buf text = {0};
        rdl_type_print(t, &text);
        rdl_buf_puts(out, "\"raudal.type\":");
        rdl_buf_put_json_text(out, (rdl_str){rdl_buf_str(&text), text.n});
        rdl_buf_fini(&text);
    }
    rdl_buf_puts(out, "}}");
}

static void put_struct(const rdl_type *t, rdl_buf *out)
{
    rdl_buf_puts(out, "{\"type\":\"struct\",\"fields\":[");
    for (size_t i = 0; i < t->field_count; i++) {
        if (i > 0)
            rdl_buf_putc(out, ',');
        put_field(t->field_names[i], t->field_types[i], out);
    }
    rdl_buf_puts(out, "]}");
}

static const char *scalar_name(rdl_type_kind kind)
{
    switch (kind) {
    case RDL_TYPE_BOOLEAN:
        return "\"boolean\"";
    case RDL_TYPE_INTEGER:
        return "\"integer\"";
    case RDL_TYPE_BIGINT:
        return "\"long\"";
    case RDL_TYPE_DOUBLE:
        return "\"double\"";
    case RDL_TYPE_BLOB:
        return "\"binary\"";
    case RDL_TYPE_DATE:
        return "\"date\"";
    case RDL_TYPE_TIMESTAMPTZ:
        return "\"timestamp\"";
    default:
        return "\"string\"";
    }
}

static void put_type(const rdl_type *t, rdl_buf *out)
{
    switch (t->kind) {
    case RDL_TYPE_DECIMAL:
        rdl_buf_printf(out, "\"decimal(%u,%u)\"", t->precision, t->scale);
        break;
    case RDL_TYPE_LIST:
        rdl_buf_puts(out, "{\"type\":\"array\",\"elementType\":");
        put_type(t->child, out);
        rdl_buf_puts(out, ",\"containsNull\":true}");
        break;
    case RDL_TYPE_MAP:
        rdl_buf_puts(out, "{\"type\":\"map\",\"keyType\":");
        put_type(t->child, out);
        rdl_buf_puts(out, ",\"valueType\":");
        put_type(t->value, out);
        rdl_buf_puts(out, ",\"valueContainsNull\":true}");
        break;
    case RDL_TYPE_STRUCT:
        put_struct(t, out);
        break;
    default:
        rdl_buf_puts(out, scalar_name(t->kind));
        break;
    }
}

void rdl_delta_schema_print(const rdl_schema *s, rdl_buf *out)
{
    rdl_buf_puts(out, "{\"type\":\"struct\",\"fields\":[");
    for (size_t i = 0; i < s->n; i++) {
        if (i > 0)
            rdl_buf_putc(out, ',');
        put_field(s->v[i].name, s->v[i].type, out);
    }
    rdl_buf_puts(out, "]}");
}

void rdl_delta_columns_tag(const rdl_schema *s, char out[17])
{
    rdl_buf text = {0};
    rdl_delta_schema_print(s, &text);
    snprintf(out, 17, "%016" PRIx64, rdl_hash64(text.p, text.n));
    rdl_buf_fini(&text);
}

void rdl_delta_physical_type(const rdl_type *t, rdl_buf *out)
{
    switch (t->kind) {
    case RDL_TYPE_JSON:
        rdl_buf_puts(out, "VARCHAR");
        break;
    case RDL_TYPE_LIST:
        rdl_delta_physical_type(t->child, out);
        rdl_buf_puts(out, "[]");
        break;
    case RDL_TYPE_MAP:
        rdl_buf_puts(out, "MAP(");
        rdl_delta_physical_type(t->child, out);
        rdl_buf_puts(out, ", ");
        rdl_delta_physical_type(t->value, out);
        rdl_buf_putc(out, ')');
        break;
    case RDL_TYPE_STRUCT:
        rdl_buf_puts(out, "STRUCT(");
        for (size_t i = 0; i < t->field_count; i++) {
            rdl_buf_puts(out, i > 0 ? ", " : "");
            rdl_buf_put_sql_ident(out, t->field_names[i]);
            rdl_buf_putc(out, ' ');
            rdl_delta_physical_type(t->field_types[i], out);
        }
        rdl_buf_putc(out, ')');
        break;
    default:
        rdl_type_print(t, out);
        break;
    }
}

/* Parsing. */

typedef struct reader {
    rdl_arena *arena;
    const char *column; /* the top-level one, for messages */
    rdl_err *err;
} reader;

static rdl_code
parse_type(const reader *r, const json_t *j, unsigned depth, const rdl_type **out);

static rdl_code not_understood(const reader *r, const char *type)
{
    rdl_err_set(r->err, RDL_ESCHEMA, 0,
                "could not read column \"%.100s\": its type is \"%.100s\"", r->column,
                type);
    return rdl_err_hint(r->err,
                        "Raudal reads boolean, byte, short, integer, long, float, double, "
                        "decimal, string, binary, date, timestamp, array, map and struct.");
}

static rdl_code parse_scalar(const reader *r, const char *name, const rdl_type **out)
{
    static const struct {
        const char *name;
        rdl_type_kind kind;
    } scalars[] = {
        {"boolean", RDL_TYPE_BOOLEAN},       {"byte", RDL_TYPE_INTEGER},
        {"short", RDL_TYPE_INTEGER},         {"integer", RDL_TYPE_INTEGER},
        {"long", RDL_TYPE_BIGINT},           {"float", RDL_TYPE_DOUBLE},
        {"double", RDL_TYPE_DOUBLE},         {"string", RDL_TYPE_TEXT},
        {"binary", RDL_TYPE_BLOB},           {"date", RDL_TYPE_DATE},
        {"timestamp", RDL_TYPE_TIMESTAMPTZ},
    };
    for (size_t i = 0; i < sizeof scalars / sizeof scalars[0]; i++) {
        if (strcmp(name, scalars[i].name) == 0) {
            *out = rdl_type_of(scalars[i].kind);
            return RDL_OK;
        }
    }
    unsigned precision = 10, scale = 0;
    int used = 0;
    const bool plain = strcmp(name, "decimal") == 0;
    if (!plain && (sscanf(name, "decimal(%2u,%2u)%n", &precision, &scale, &used) != 2 ||
                   used == 0 || name[used] != '\0'))
        return not_understood(r, name);
    if (precision < 1 || precision > 38 || scale > precision)
        return not_understood(r, name);
    *out = rdl_type_decimal(r->arena, precision, scale);
    return RDL_OK;
}

static rdl_code parse_field(const reader *r,
                            const json_t *field,
                            unsigned depth,
                            rdl_str *name,
                            const rdl_type **type)
{
    const json_t *jname = json_object_get(field, "name");
    const json_t *jtype = json_object_get(field, "type");
    if (!json_is_string(jname) || json_string_length(jname) == 0 || jtype == NULL)
        return rdl_err_set(
            r->err, RDL_EDATA, 0,
            "could not read the table's schema: a field has no name or type");
    const json_t *metadata = json_object_get(field, "metadata");
    if (json_object_get(metadata, "delta.columnMapping.physicalName") != NULL)
        return rdl_err_set(r->err, RDL_ESCHEMA, 0,
                           "cannot read the table: it uses the feature \"columnMapping\"");
    reader inner = *r;
    const size_t n = json_string_length(jname);
    const char *copy = rdl_arena_strndup(r->arena, json_string_value(jname), n);
    *name = (rdl_str){copy, n};
    if (r->column == NULL)
        inner.column = copy;
    RDL_TRY(parse_type(&inner, jtype, depth + 1, type));
    const char *ours = json_string_value(json_object_get(metadata, "raudal.type"));
    if (ours == NULL)
        return RDL_OK;

    /* Our spelling counts only where it is stored as the log says. */
    const rdl_type *exact = NULL;
    rdl_buf told = {0}, logged = {0};
    rdl_code rc = rdl_type_parse(r->arena, rdl_str_of(ours), &exact, r->err);
    if (rc == RDL_OK) {
        put_type(exact, &told);
        put_type(*type, &logged);
        if (strcmp(rdl_buf_str(&told), rdl_buf_str(&logged)) == 0)
            *type = exact;
    }
    rdl_buf_fini(&told);
    rdl_buf_fini(&logged);
    return rc;
}

static rdl_code
parse_struct(const reader *r, const json_t *fields, unsigned depth, const rdl_type **out)
{
    if (!json_is_array(fields))
        return not_understood(r, "struct without fields");
    const size_t n = json_array_size(fields);
    rdl_type *t = RDL_NEW(r->arena, rdl_type);
    rdl_str *names = RDL_NEWN(r->arena, rdl_str, n + 1);
    const rdl_type **types = RDL_NEWN(r->arena, const rdl_type *, n + 1);
    for (size_t i = 0; i < n; i++)
        RDL_TRY(parse_field(r, json_array_get(fields, i), depth, &names[i], &types[i]));
    *t = (rdl_type){.kind = RDL_TYPE_STRUCT,
                    .field_count = n,
                    .field_names = names,
                    .field_types = types};
    *out = t;
    return RDL_OK;
}

static rdl_code
parse_type(const reader *r, const json_t *j, unsigned depth, const rdl_type **out)
{
    if (depth > NESTING_MAX)
        return rdl_err_set(
            r->err, RDL_ELIMIT, 0,
            "could not read the table's schema: nested deeper than %d levels", NESTING_MAX);
    if (json_is_string(j))
        return parse_scalar(r, json_string_value(j), out);
    const char *kind = json_string_value(json_object_get(j, "type"));
    if (kind == NULL)
        return not_understood(r, "not given");
    if (strcmp(kind, "struct") == 0)
        return parse_struct(r, json_object_get(j, "fields"), depth, out);
    const rdl_type *a = NULL, *b = NULL;
    if (strcmp(kind, "array") == 0) {
        RDL_TRY(parse_type(r, json_object_get(j, "elementType"), depth + 1, &a));
        *out = rdl_type_list(r->arena, a);
        return RDL_OK;
    }
    if (strcmp(kind, "map") == 0) {
        RDL_TRY(parse_type(r, json_object_get(j, "keyType"), depth + 1, &a));
        RDL_TRY(parse_type(r, json_object_get(j, "valueType"), depth + 1, &b));
        *out = rdl_type_map(r->arena, a, b);
        return RDL_OK;
    }
    return not_understood(r, kind);
}

rdl_code
rdl_delta_schema_parse(rdl_arena *a, const char *text, rdl_schema *out, rdl_err *err)
{
    json_error_t why;
    json_t *root = json_loads(text, 0, &why);
    if (root == NULL)
        return rdl_err_set(err, RDL_EDATA, 0, "could not read the table's schema: %s",
                           why.text);
    const reader r = {a, NULL, err};
    const rdl_type *t = NULL;
    rdl_code rc = RDL_OK;
    const json_t *fields = json_object_get(root, "fields");
    if (!json_is_array(fields))
        rc = rdl_err_set(
            err, RDL_EDATA, 0,
            "could not read the table's schema: it is not a struct with fields");
    else
        rc = parse_struct(&r, fields, 0, &t);
    if (rc == RDL_OK) {
        out->n = t->field_count;
        out->v = RDL_NEWN(a, rdl_column, out->n + 1);
        for (size_t i = 0; i < out->n; i++)
            out->v[i] = (rdl_column){t->field_names[i], t->field_types[i]};
    }
    json_decref(root);
    return rc;
}

/* Evolution. */

static rdl_code
same_column(const rdl_column *was, const rdl_column *now, const char *table, rdl_err *err)
{
    if (rdl_type_eq(was->type, now->type))
        return RDL_OK;
    rdl_buf a = {0}, b = {0};
    rdl_type_print(was->type, &a);
    rdl_type_print(now->type, &b);
    rdl_err_set(
        err, RDL_ESCHEMA, 0,
        "could not change column \"%.*s\" of table \"%s\": it is %s and would be %s",
        (int)was->name.n, was->name.p, table, rdl_buf_str(&a), rdl_buf_str(&b));
    rdl_err_hint(err, "Select CAST(%.*s AS %s), give the other type a new name, or read all again into a "
                      "fresh root: raudal backfill DIR --root NEW_ROOT.",
                 (int)(was->name.n < 40 ? was->name.n : 40), was->name.p, rdl_buf_str(&a));
    rdl_buf_fini(&a);
    rdl_buf_fini(&b);
    return RDL_ESCHEMA;
}

/* Is this what we would have written?  Without strict, metadata that we do not use may
 * differ. */
static bool same_schema(const json_t *theirs, const json_t *ours, bool strict)
{
    const char *key;
    const json_t *value;
    if (!json_is_object(theirs) && !json_is_array(theirs))
        return json_equal(theirs, ours);
    if (json_is_array(theirs)) {
        bool same = json_array_size(theirs) == json_array_size(ours);
        for (size_t i = 0; same && i < json_array_size(theirs); i++)
            same = same_schema(json_array_get(theirs, i), json_array_get(ours, i), strict);
        return same;
    }
    void *at = json_object_iter((json_t *)(uintptr_t)theirs);
    for (; at != NULL; at = json_object_iter_next((json_t *)(uintptr_t)theirs, at)) {
        key = json_object_iter_key(at);
        value = json_object_iter_value(at);
        const json_t *other = json_object_get(ours, key);
        if (strcmp(key, "metadata") == 0) {
            if (json_object_get(value, "delta.invariants") != NULL ||
                (strict && !json_equal(value, other)))
                return false;
        } else if (!same_schema(value, other, strict)) {
            return false;
        }
    }
    return true;
}

static rdl_code
check_writable(const rdl_delta_state *s, const char *table, bool strict, rdl_err *err)
{
    rdl_buf text = {0};
    rdl_delta_schema_print(&s->schema, &text);
    json_t *theirs = json_loads(s->schema_text, 0, NULL);
    json_t *ours = json_loads(rdl_buf_str(&text), 0, NULL);
    const bool same = same_schema(theirs, ours, strict);
    json_decref(theirs);
    json_decref(ours);
    rdl_buf_fini(&text);
    if (same)
        return RDL_OK;
    rdl_err_set(err, RDL_ESCHEMA, 0,
                "could not write table \"%s\": another program gave its columns %s", table,
                strict ? "metadata that adding a column would lose"
                       : "a narrower type, NOT NULL or an invariant");
    return rdl_err_hint(err,
                        "Read the table as a source, and let Raudal write one of its own.");
}

rdl_code rdl_delta_check_removable(const rdl_delta_state *s, const char *dir, rdl_err *err)
{
    json_t *j = s->configuration != NULL ? json_loads(s->configuration, 0, NULL) : NULL;
    const char *only = json_string_value(json_object_get(j, "delta.appendOnly"));
    const bool refused = only != NULL && strcmp(only, "true") == 0;
    json_decref(j);
    if (!refused)
        return RDL_OK;
    rdl_err_set(err, RDL_ESCHEMA, 0,
                "could not replace rows of table \"%s\": it is append-only", dir);
    return rdl_err_hint(err, "Unset the table property delta.appendOnly.");
}

static bool same_metadata(const rdl_delta_state *s, const rdl_lake_table *t)
{
    if (s->partition_count != t->partition_count || s->schema.n != t->schema.n)
        return false;
    for (size_t i = 0; i < t->partition_count; i++)
        if (!rdl_str_eq_nocase(s->partition_columns[i], t->partition_columns[i]))
            return false;
    for (size_t i = 0; i < t->schema.n; i++)
        if (!rdl_str_eq(s->schema.v[i].name, t->schema.v[i].name) ||
            !rdl_type_eq(s->schema.v[i].type, t->schema.v[i].type))
            return false;
    return true;
}

rdl_code rdl_delta_schema_evolve(const rdl_delta_state *s,
                                 const rdl_lake_table *t,
                                 bool *out_changed,
                                 rdl_err *err)
{
    const char *name = t->name != NULL ? t->name : t->dir;
    *out_changed = false;
    if (t->overwrite_schema) {
        *out_changed = !same_metadata(s, t);
        return check_writable(s, name, *out_changed, err);
    }
    bool same = s->partition_count == t->partition_count;
    for (size_t i = 0; same && i < t->partition_count; i++)
        same = rdl_str_eq_nocase(s->partition_columns[i], t->partition_columns[i]);
    if (!same) {
        rdl_err_set(
            err, RDL_ESCHEMA, 0,
            "could not write table \"%s\": its partition columns are not the declared ones",
            name);
        return rdl_err_hint(
            err, "Partitioning is fixed when a table is made; read everything again into a fresh root with raudal backfill.");
    }
    for (size_t i = 0; i < s->schema.n; i++) {
        const int at = rdl_schema_find(&t->schema, s->schema.v[i].name);
        if (at < 0) {
            rdl_err_set(err, RDL_ESCHEMA, 0,
                        "could not write table \"%s\": column \"%.*s\" is no longer there",
                        name, (int)s->schema.v[i].name.n, s->schema.v[i].name.p);
            return rdl_err_hint(err,
                                "Keep the column (it may be NULL), or read everything again into a fresh root with raudal backfill.");
        }
        RDL_TRY(same_column(&s->schema.v[i], &t->schema.v[at], name, err));
    }
    *out_changed = t->schema.n > s->schema.n;
    return check_writable(s, name, *out_changed, err);
}
