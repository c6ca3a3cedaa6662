/*
 * base/type.c - reading, printing and comparing the closed list of types.
 *
 *   type   = scalar { "[" "]" }
 *   scalar = word [ "(" number [ "," number ] ")" ]
 *          | ("LIST" | "ARRAY") open type close | "MAP" open type "," type close
 *          | "STRUCT" open field { "," field } close
 *   field  = name [":"] type          open, close: ( ) or < >
 */
#include "base/type.h"

#include <stdio.h>

enum {
    DEPTH_MAX = 32,
    FIELDS_MAX = 4096,
    DECIMAL_PRECISION_MAX = 38,
};

typedef struct reader {
    rdl_arena *arena;
    rdl_str text;
    size_t at;
    unsigned depth;
    const char *wrong; /* what to say; NULL: not a type at all */
} reader;

static const rdl_type scalars[] = {
    [RDL_TYPE_BOOLEAN] = {.kind = RDL_TYPE_BOOLEAN},
    [RDL_TYPE_INTEGER] = {.kind = RDL_TYPE_INTEGER},
    [RDL_TYPE_BIGINT] = {.kind = RDL_TYPE_BIGINT},
    [RDL_TYPE_DOUBLE] = {.kind = RDL_TYPE_DOUBLE},
    [RDL_TYPE_TEXT] = {.kind = RDL_TYPE_TEXT},
    [RDL_TYPE_BLOB] = {.kind = RDL_TYPE_BLOB},
    [RDL_TYPE_DATE] = {.kind = RDL_TYPE_DATE},
    [RDL_TYPE_TIMESTAMPTZ] = {.kind = RDL_TYPE_TIMESTAMPTZ},
    [RDL_TYPE_JSON] = {.kind = RDL_TYPE_JSON},
};

static const struct {
    const char *word;
    rdl_type_kind kind;
} words[] = {
    {"BOOLEAN", RDL_TYPE_BOOLEAN},
    {"BOOL", RDL_TYPE_BOOLEAN},
    {"LOGICAL", RDL_TYPE_BOOLEAN},
    {"INTEGER", RDL_TYPE_INTEGER},
    {"INT", RDL_TYPE_INTEGER},
    {"INT4", RDL_TYPE_INTEGER},
    {"INT2", RDL_TYPE_INTEGER},
    {"INT1", RDL_TYPE_INTEGER},
    {"SIGNED", RDL_TYPE_INTEGER},
    {"SMALLINT", RDL_TYPE_INTEGER},
    {"TINYINT", RDL_TYPE_INTEGER},
    {"BIGINT", RDL_TYPE_BIGINT},
    {"INT8", RDL_TYPE_BIGINT},
    {"LONG", RDL_TYPE_BIGINT},
    {"DOUBLE", RDL_TYPE_DOUBLE},
    {"FLOAT", RDL_TYPE_DOUBLE},
    {"REAL", RDL_TYPE_DOUBLE},
    {"FLOAT4", RDL_TYPE_DOUBLE},
    {"FLOAT8", RDL_TYPE_DOUBLE},
    {"DECIMAL", RDL_TYPE_DECIMAL},
    {"NUMERIC", RDL_TYPE_DECIMAL},
    {"DEC", RDL_TYPE_DECIMAL},
    {"HUGEINT", RDL_TYPE_DECIMAL},
    {"TEXT", RDL_TYPE_TEXT},
    {"VARCHAR", RDL_TYPE_TEXT},
    {"STRING", RDL_TYPE_TEXT},
    {"CHAR", RDL_TYPE_TEXT},
    {"BPCHAR", RDL_TYPE_TEXT},
    {"BLOB", RDL_TYPE_BLOB},
    {"BYTEA", RDL_TYPE_BLOB},
    {"BINARY", RDL_TYPE_BLOB},
    {"VARBINARY", RDL_TYPE_BLOB},
    {"DATE", RDL_TYPE_DATE},
    {"TIMESTAMP", RDL_TYPE_TIMESTAMPTZ},
    {"DATETIME", RDL_TYPE_TIMESTAMPTZ},
    {"TIMESTAMPTZ", RDL_TYPE_TIMESTAMPTZ},
    {"JSON", RDL_TYPE_JSON},
    {"LIST", RDL_TYPE_LIST},
    {"ARRAY", RDL_TYPE_LIST},
    {"MAP", RDL_TYPE_MAP},
    {"STRUCT", RDL_TYPE_STRUCT},
    {"ROW", RDL_TYPE_STRUCT},
};

/* Words that DuckDB's grammar does not take as a plain field name. */
static const char *const reserved[] = {
    "all",          "analyse",    "analyze",     "and",
    "anti",         "any",        "array",       "as",
    "asc",          "asof",       "asymmetric",  "authorization",
    "between",      "bigint",     "binary",      "bit",
    "boolean",      "both",       "case",        "cast",
    "char",         "character",  "check",       "coalesce",
    "collate",      "collation",  "column",      "columns",
    "concurrently", "constraint", "create",      "cross",
    "dec",          "decimal",    "default",     "deferrable",
    "desc",         "describe",   "distinct",    "do",
    "else",         "end",        "except",      "exists",
    "extract",      "false",      "fetch",       "float",
    "for",          "foreign",    "freeze",      "from",
    "full",         "generated",  "glob",        "grant",
    "group",        "grouping",   "grouping_id", "having",
    "ilike",        "in",         "initially",   "inner",
    "inout",        "int",        "integer",     "intersect",
    "interval",     "into",       "is",          "isnull",
    "join",         "lambda",     "lateral",     "leading",
    "left",         "like",       "limit",       "map",
    "national",     "natural",    "nchar",       "none",
    "not",          "notnull",    "null",        "nullif",
    "numeric",      "offset",     "on",          "only",
    "or",           "order",      "out",         "outer",
    "overlaps",     "overlay",    "pivot",       "pivot_longer",
    "pivot_wider",  "placing",    "position",    "positional",
    "precision",    "primary",    "qualify",     "real",
    "references",   "returning",  "right",       "row",
    "select",       "semi",       "setof",       "show",
    "similar",      "smallint",   "some",        "struct",
    "substring",    "summarize",  "symmetric",   "table",
    "tablesample",  "then",       "time",        "timestamp",
    "to",           "trailing",   "treat",       "trim",
    "true",         "try_cast",   "union",       "unique",
    "unpack",       "unpivot",    "using",       "values",
    "varchar",      "variadic",   "verbose",     "when",
    "where",        "window",     "with",        "xmlattributes",
};

const rdl_type *rdl_type_of(rdl_type_kind kind)
{
    return &scalars[kind];
}

const rdl_type *rdl_type_decimal(rdl_arena *a, unsigned precision, unsigned scale)
{
    rdl_type *t = RDL_NEW(a, rdl_type);
    *t = (rdl_type){
        .kind = RDL_TYPE_DECIMAL, .precision = (uint8_t)precision, .scale = (uint8_t)scale};
    return t;
}

const rdl_type *rdl_type_list(rdl_arena *a, const rdl_type *element)
{
    rdl_type *t = RDL_NEW(a, rdl_type);
    *t = (rdl_type){.kind = RDL_TYPE_LIST, .child = element};
    return t;
}

const rdl_type *rdl_type_map(rdl_arena *a, const rdl_type *key, const rdl_type *value)
{
    rdl_type *t = RDL_NEW(a, rdl_type);
    *t = (rdl_type){.kind = RDL_TYPE_MAP, .child = key, .value = value};
    return t;
}

/* Reading. */

static const rdl_type *read_type(reader *r);

static void skip_space(reader *r)
{
    while (r->at < r->text.n && strchr(" \t\r\n", r->text.p[r->at]) != NULL &&
           r->text.p[r->at] != '\0')
        r->at++;
}

static bool take(reader *r, char c)
{
    skip_space(r);
    if (r->at >= r->text.n || r->text.p[r->at] != c)
        return false;
    r->at++;
    return true;
}

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (unsigned char)c >= 0x80;
}

static rdl_str take_word(reader *r)
{
    skip_space(r);
    size_t from = r->at;
    while (r->at < r->text.n && is_word_char(r->text.p[r->at]))
        r->at++;
    return (rdl_str){r->text.p + from, r->at - from};
}

/* Take the word if it is this one, else leave it. */
static bool take_this(reader *r, const char *word)
{
    size_t before = r->at;
    if (rdl_str_eq_nocase(take_word(r), rdl_str_of(word)))
        return true;
    r->at = before;
    return false;
}

static char take_open(reader *r)
{
    if (take(r, '('))
        return ')';
    return take(r, '<') ? '>' : '\0';
}

static bool take_number(reader *r, unsigned *out)
{
    rdl_str w = take_word(r);
    unsigned v = 0;
    if (w.n == 0 || w.n > 9)
        return false;
    for (size_t i = 0; i < w.n; i++) {
        if (w.p[i] < '0' || w.p[i] > '9')
            return false;
        v = v * 10 + (unsigned)(w.p[i] - '0');
    }
    *out = v;
    return true;
}

static bool take_name(reader *r, rdl_str *out)
{
    if (!take(r, '"')) {
        *out = take_word(r);
        return out->n > 0;
    }
    char *p = RDL_NEWN(r->arena, char, r->text.n - r->at + 1);
    size_t n = 0;
    for (; r->at < r->text.n; r->at++) {
        if (r->text.p[r->at] == '"') {
            if (r->at + 1 >= r->text.n || r->text.p[r->at + 1] != '"')
                break;
            r->at++;
        }
        p[n++] = r->text.p[r->at];
    }
    if (r->at >= r->text.n || n == 0)
        return false;
    r->at++;
    *out = (rdl_str){p, n};
    return true;
}

static const rdl_type *read_decimal(reader *r)
{
    unsigned precision = 18, scale = 3; /* DuckDB's default */
    if (take(r, '(')) {
        scale = 0;
        if (!take_number(r, &precision) || (take(r, ',') && !take_number(r, &scale)) ||
            !take(r, ')'))
            return NULL;
    }
    if (precision < 1 || precision > DECIMAL_PRECISION_MAX || scale > precision) {
        r->wrong = "a DECIMAL has 1 to 38 digits, and no more after the point than in all";
        return NULL;
    }
    return rdl_type_decimal(r->arena, precision, scale);
}

static const rdl_type *read_map(reader *r)
{
    char close = take_open(r);
    const rdl_type *key, *value;
    if (close == '\0' || (key = read_type(r)) == NULL || !take(r, ',') ||
        (value = read_type(r)) == NULL || !take(r, close))
        return NULL;
    return rdl_type_map(r->arena, key, value);
}

static const rdl_type *read_list(reader *r)
{
    char close = take_open(r);
    const rdl_type *child;
    if (close == '\0' || (child = read_type(r)) == NULL || !take(r, close))
        return NULL;
    return rdl_type_list(r->arena, child);
}

static const rdl_type *read_struct(reader *r)
{
    RDL_VEC(rdl_str) names = {0};
    RDL_VEC(const rdl_type *) types = {0};
    char close = take_open(r);
    if (close == '\0')
        return NULL;
    do {
        rdl_str name;
        if (names.n == FIELDS_MAX || !take_name(r, &name))
            return NULL;
        for (size_t i = 0; i < names.n; i++) {
            if (rdl_str_eq_nocase(names.v[i], name)) {
                r->wrong = "a STRUCT has two fields of one name";
                return NULL;
            }
        }
        (void)take(r, ':');
        const rdl_type *t = read_type(r);
        if (t == NULL)
            return NULL;
        RDL_PUSH(r->arena, &names) = (rdl_str){rdl_arena_strndup(r->arena, name.p, name.n), name.n};
        RDL_PUSH(r->arena, &types) = t;
    } while (take(r, ','));
    if (!take(r, close))
        return NULL;
    rdl_type *t = RDL_NEW(r->arena, rdl_type);
    *t = (rdl_type){.kind = RDL_TYPE_STRUCT,
                    .field_count = names.n,
                    .field_names = names.v,
                    .field_types = types.v};
    return t;
}

static const rdl_type *read_scalar(reader *r, rdl_str word, rdl_type_kind kind)
{
    unsigned ignored;
    if (kind == RDL_TYPE_TEXT && take(r, '(') && (!take_number(r, &ignored) || !take(r, ')')))
        return NULL;
    if (rdl_str_eq_nocase(word, RDL_STR("DOUBLE")))
        (void)take_this(r, "PRECISION");
    if (rdl_str_eq_nocase(word, RDL_STR("TIMESTAMP"))) {
        bool with = take_this(r, "WITH");
        if ((with || take_this(r, "WITHOUT")) && (!take_this(r, "TIME") || !take_this(r, "ZONE")))
            return NULL;
    }
    return rdl_type_of(kind);
}

static const rdl_type *read_base(reader *r)
{
    rdl_str word = take_word(r);
    size_t i = 0, n = sizeof words / sizeof words[0];
    while (i < n && !rdl_str_eq_nocase(word, rdl_str_of(words[i].word)))
        i++;
    if (i == n)
        return NULL;
    switch (words[i].kind) {
    case RDL_TYPE_DECIMAL:
        return rdl_str_eq_nocase(word, RDL_STR("HUGEINT")) ? rdl_type_decimal(r->arena, 38, 0)
                                                           : read_decimal(r);
    case RDL_TYPE_LIST:
        return read_list(r);
    case RDL_TYPE_MAP:
        return read_map(r);
    case RDL_TYPE_STRUCT:
        return read_struct(r);
    default:
        return read_scalar(r, word, words[i].kind);
    }
}

static const rdl_type *read_type(reader *r)
{
    if (++r->depth > DEPTH_MAX) {
        r->wrong = "it is nested too deeply";
        return NULL;
    }
    const rdl_type *t = read_base(r);
    unsigned lists = 0;
    while (t != NULL && take(r, '[')) {
        if (!take(r, ']')) {
            r->wrong = "a list has no fixed length";
            return NULL;
        }
        if (r->depth + ++lists > DEPTH_MAX) {
            r->wrong = "it is nested too deeply";
            return NULL;
        }
        t = rdl_type_list(r->arena, t);
    }
    r->depth--;
    return t;
}

rdl_code rdl_type_parse(rdl_arena *a, rdl_str text, const rdl_type **out, rdl_err *err)
{
    reader r = {.arena = a, .text = text};
    const rdl_type *t = read_type(&r);
    skip_space(&r);
    if (t != NULL && r.at == text.n) {
        *out = t;
        return RDL_OK;
    }
    (void)rdl_err_set(err, RDL_ESCHEMA, 0, "could not understand type \"%.*s\": %s",
                      text.n > 200 ? 200 : (int)text.n, text.n > 0 ? text.p : "",
                      r.wrong != NULL ? r.wrong : "there is no such type");
    return rdl_err_hint(err,
                        "Use BOOLEAN, INTEGER, BIGINT, DOUBLE, DECIMAL(p,s), TEXT, BLOB, DATE, "
                        "TIMESTAMPTZ, JSON, T[], MAP(K, V) or STRUCT(a T, b U).");
}

/* Printing. */

static bool is_plain_name(rdl_str s)
{
    if (s.n == 0 || (s.p[0] >= '0' && s.p[0] <= '9'))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'))
            return false;
    }
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        if (rdl_str_eq(s, rdl_str_of(reserved[i])))
            return false;
    }
    return true;
}

static void print_type(const rdl_type *t, bool ours, rdl_buf *out);

static void print_struct(const rdl_type *t, bool ours, rdl_buf *out)
{
    rdl_buf_puts(out, "STRUCT(");
    for (size_t i = 0; i < t->field_count; i++) {
        rdl_str name = t->field_names[i];
        if (i > 0)
            rdl_buf_puts(out, ", ");
        if (is_plain_name(name))
            rdl_buf_put(out, name.p, name.n);
        else
            rdl_buf_put_sql_ident(out, name);
        rdl_buf_putc(out, ' ');
        print_type(t->field_types[i], ours, out);
    }
    rdl_buf_putc(out, ')');
}

static void print_type(const rdl_type *t, bool ours, rdl_buf *out)
{
    const char *const spelling[] = {
        [RDL_TYPE_BOOLEAN] = "BOOLEAN", [RDL_TYPE_INTEGER] = "INTEGER",
        [RDL_TYPE_BIGINT] = "BIGINT",   [RDL_TYPE_DOUBLE] = "DOUBLE",
        [RDL_TYPE_TEXT] = ours ? "TEXT" : "VARCHAR", [RDL_TYPE_BLOB] = "BLOB",
        [RDL_TYPE_DATE] = "DATE",
        [RDL_TYPE_TIMESTAMPTZ] = ours ? "TIMESTAMPTZ" : "TIMESTAMP WITH TIME ZONE",
        [RDL_TYPE_JSON] = "JSON",
    };
    switch (t->kind) {
    case RDL_TYPE_DECIMAL:
        rdl_buf_printf(out, "DECIMAL(%u,%u)", t->precision, t->scale);
        break;
    case RDL_TYPE_LIST:
        print_type(t->child, ours, out);
        rdl_buf_puts(out, "[]");
        break;
    case RDL_TYPE_MAP:
        rdl_buf_puts(out, "MAP(");
        print_type(t->child, ours, out);
        rdl_buf_puts(out, ", ");
        print_type(t->value, ours, out);
        rdl_buf_putc(out, ')');
        break;
    case RDL_TYPE_STRUCT:
        print_struct(t, ours, out);
        break;
    default:
        rdl_buf_puts(out, spelling[t->kind]);
    }
}

void rdl_type_print(const rdl_type *t, rdl_buf *out)
{
    print_type(t, false, out);
}

void rdl_type_show(const rdl_type *t, rdl_buf *out)
{
    print_type(t, true, out);
}

/* Comparing. */

bool rdl_type_eq(const rdl_type *a, const rdl_type *b)
{
    if (a == b)
        return true;
    if (a->kind != b->kind || a->precision != b->precision || a->scale != b->scale ||
        a->field_count != b->field_count)
        return false;
    if (a->child != NULL && !rdl_type_eq(a->child, b->child))
        return false;
    if (a->value != NULL && !rdl_type_eq(a->value, b->value))
        return false;
    for (size_t i = 0; i < a->field_count; i++) {
        if (!rdl_str_eq_nocase(a->field_names[i], b->field_names[i]) ||
            !rdl_type_eq(a->field_types[i], b->field_types[i]))
            return false;
    }
    return true;
}

bool rdl_type_is_scalar(const rdl_type *t)
{
    return t->kind != RDL_TYPE_LIST && t->kind != RDL_TYPE_MAP && t->kind != RDL_TYPE_STRUCT;
}

size_t rdl_type_child_count(const rdl_type *t)
{
    switch (t->kind) {
    case RDL_TYPE_LIST:
        return 1;
    case RDL_TYPE_MAP:
        return 2;
    case RDL_TYPE_STRUCT:
        return t->field_count;
    default:
        return 0;
    }
}

const rdl_type *rdl_type_child(const rdl_type *t, size_t i)
{
    if (t->kind == RDL_TYPE_STRUCT)
        return t->field_types[i];
    return i == 0 ? t->child : t->value;
}

int rdl_schema_find(const rdl_schema *s, rdl_str name)
{
    for (size_t i = 0; i < s->n; i++) {
        if (rdl_str_eq_nocase(s->v[i].name, name))
            return (int)i;
    }
    return -1;
}
