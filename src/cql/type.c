/*
 * cql/type.c - types: from metadata, from Java class names, from the schema's text, and
 * back.
 */
#include "cql/type.h"

#include <stdio.h>

typedef struct name_of_kind {
    rdl_cql_kind kind;
    uint32_t bytes; /* of a value inside a vector; 0: each its own */
    const char *cql, *java;
} name_of_kind;

static const name_of_kind scalars[] = {
    {RDL_CQL_ASCII, 0, "ascii", "AsciiType"},
    {RDL_CQL_BIGINT, 8, "bigint", "LongType"},
    {RDL_CQL_BLOB, 0, "blob", "BytesType"},
    {RDL_CQL_BOOLEAN, 1, "boolean", "BooleanType"},
    {RDL_CQL_COUNTER, 0, "counter", "CounterColumnType"},
    {RDL_CQL_DECIMAL, 0, "decimal", "DecimalType"},
    {RDL_CQL_DOUBLE, 8, "double", "DoubleType"},
    {RDL_CQL_FLOAT, 4, "float", "FloatType"},
    {RDL_CQL_INT, 4, "int", "Int32Type"},
    {RDL_CQL_TIMESTAMP, 8, "timestamp", "TimestampType"},
    {RDL_CQL_UUID, 16, "uuid", "UUIDType"},
    {RDL_CQL_TEXT, 0, "text", "UTF8Type"},
    {RDL_CQL_TEXT, 0, "varchar", "UTF8Type"},
    {RDL_CQL_VARINT, 0, "varint", "IntegerType"},
    {RDL_CQL_TIMEUUID, 16, "timeuuid", "TimeUUIDType"},
    {RDL_CQL_INET, 0, "inet", "InetAddressType"},
    {RDL_CQL_DATE, 0, "date", "SimpleDateType"},
    {RDL_CQL_TIME, 0, "time", "TimeType"},
    {RDL_CQL_SMALLINT, 0, "smallint", "ShortType"},
    {RDL_CQL_TINYINT, 0, "tinyint", "ByteType"},
    {RDL_CQL_DURATION, 0, "duration", "DurationType"},
};

enum { SCALARS = sizeof scalars / sizeof *scalars };

/* One shared object for each scalar; the tables above are in no order of kinds. */
static const rdl_cql_type scalar_types[] = {
    {.kind = RDL_CQL_CUSTOM},   {.kind = RDL_CQL_ASCII},    {.kind = RDL_CQL_BIGINT},
    {.kind = RDL_CQL_BLOB},     {.kind = RDL_CQL_BOOLEAN},  {.kind = RDL_CQL_COUNTER},
    {.kind = RDL_CQL_DECIMAL},  {.kind = RDL_CQL_DOUBLE},   {.kind = RDL_CQL_FLOAT},
    {.kind = RDL_CQL_INT},      {.kind = RDL_CQL_CUSTOM},   {.kind = RDL_CQL_TIMESTAMP},
    {.kind = RDL_CQL_UUID},     {.kind = RDL_CQL_TEXT},     {.kind = RDL_CQL_VARINT},
    {.kind = RDL_CQL_TIMEUUID}, {.kind = RDL_CQL_INET},     {.kind = RDL_CQL_DATE},
    {.kind = RDL_CQL_TIME},     {.kind = RDL_CQL_SMALLINT}, {.kind = RDL_CQL_TINYINT},
    {.kind = RDL_CQL_DURATION},
};

const rdl_cql_type *rdl_cql_type_scalar(rdl_cql_kind k)
{
    return &scalar_types[k];
}

const char *rdl_cql_kind_name(rdl_cql_kind k)
{
    for (unsigned i = 0; i < SCALARS; i++)
        if (scalars[i].kind == k)
            return scalars[i].cql;
    return NULL;
}

uint32_t rdl_cql_fixed_bytes(const rdl_cql_type *t)
{
    if (t->kind == RDL_CQL_VECTOR) { /* of vectors, perhaps: more than a value can have */
        uint64_t n = (uint64_t)t->dimension * rdl_cql_fixed_bytes(t->args[0]);
        return n > INT32_MAX ? UINT32_MAX : (uint32_t)n;
    }
    for (unsigned i = 0; i < SCALARS; i++)
        if (scalars[i].kind == t->kind)
            return scalars[i].bytes;
    return 0;
}

static rdl_str copy(rdl_arena *a, rdl_str s)
{
    return (rdl_str){rdl_arena_strndup(a, s.p != NULL ? s.p : "", s.n), s.n};
}

static rdl_cql_type *type_new(rdl_arena *a, rdl_cql_kind kind, uint32_t n)
{
    rdl_cql_type *t = RDL_NEW(a, rdl_cql_type);
    t->kind = kind;
    t->n = n;
    t->args = RDL_NEWN(a, const rdl_cql_type *, n > 0 ? n : 1);
    return t;
}

static void set_arg(rdl_cql_type *t, uint32_t i, const rdl_cql_type *arg)
{
    ((const rdl_cql_type **)(uintptr_t)t->args)[i] = arg;
}

/* ---- Metadata ---- */

static const rdl_cql_type *fields_read(rdl_cql_type_reader *r, rdl_cql_kind kind, unsigned depth)
{
    rdl_str keyspace = {NULL, 0}, name = {NULL, 0};
    if (kind == RDL_CQL_UDT) {
        keyspace = rdl_wire_string(r->wire);
        name = rdl_wire_string(r->wire);
    }
    uint32_t n = rdl_wire_short(r->wire);
    if (r->wire->bad || n > r->wire->n / 2) { /* an option has 2 bytes at least */
        r->wire->bad = true;
        return NULL;
    }
    rdl_cql_type *t = type_new(r->arena, kind, n);
    rdl_str *names = kind == RDL_CQL_UDT ? RDL_NEWN(r->arena, rdl_str, n > 0 ? n : 1) : NULL;
    t->keyspace = copy(r->arena, keyspace);
    t->name = copy(r->arena, name);
    t->names = names;
    for (uint32_t i = 0; i < n; i++) {
        if (names != NULL)
            names[i] = copy(r->arena, rdl_wire_string(r->wire));
        const rdl_cql_type *field = rdl_cql_type_read(r, depth + 1);
        if (field == NULL)
            return NULL;
        set_arg(t, i, field);
    }
    return t;
}

const rdl_cql_type *rdl_cql_type_read(rdl_cql_type_reader *r, unsigned depth)
{
    uint16_t id = rdl_wire_short(r->wire);
    if (r->wire->bad || depth >= RDL_CQL_DEPTH_MAX || r->left == 0) {
        r->wire->bad = true;
        return NULL;
    }
    r->left--;
    switch (id) {
    case RDL_CQL_CUSTOM:
        return rdl_cql_type_of_class(r->arena, rdl_wire_string(r->wire));
    case RDL_CQL_LIST:
    case RDL_CQL_SET:
    case RDL_CQL_MAP: {
        rdl_cql_type *t = type_new(r->arena, id, id == RDL_CQL_MAP ? 2 : 1);
        for (uint32_t i = 0; i < t->n; i++) {
            const rdl_cql_type *arg = rdl_cql_type_read(r, depth + 1);
            if (arg == NULL)
                return NULL;
            set_arg(t, i, arg);
        }
        return t;
    }
    case RDL_CQL_UDT:
    case RDL_CQL_TUPLE:
        return fields_read(r, id, depth);
    default:
        if (rdl_cql_kind_name(id) != NULL)
            return rdl_cql_type_scalar(id);
        r->wire->bad = true;
        return NULL;
    }
}

/* ---- Text: shared by class names and the schema's text ---- */

typedef struct text {
    rdl_arena *a;
    const char *p, *end;
    rdl_cql_find_udt *udt;
    void *arg;
    uint32_t left;
} text;

static void blank(text *t)
{
    while (t->p < t->end && *t->p == ' ')
        t->p++;
}

static bool eat(text *t, char c)
{
    blank(t);
    if (t->p == t->end || *t->p != c)
        return false;
    t->p++;
    return true;
}

static rdl_str word(text *t)
{
    blank(t);
    const char *from = t->p;
    while (t->p < t->end && strchr("<>(),: '\"", *t->p) == NULL)
        t->p++;
    return (rdl_str){from, (size_t)(t->p - from)};
}

static bool number(text *t, uint32_t *out)
{
    rdl_str w = word(t);
    uint32_t v = 0;
    for (size_t i = 0; i < w.n; i++) {
        if (w.p[i] < '0' || w.p[i] > '9' || v > RDL_CQL_DIMENSION_MAX)
            return false;
        v = v * 10 + (uint32_t)(w.p[i] - '0');
    }
    *out = v;
    return w.n > 0 && v > 0 && v <= RDL_CQL_DIMENSION_MAX;
}

typedef const rdl_cql_type *parse_one(text *t, unsigned depth);

/* After the opening bracket: n parameters (0: one or more) up to the closing one. */
static rdl_cql_type *parameters(text *t, rdl_cql_kind kind, uint32_t n, char close, parse_one *one,
                                unsigned depth)
{
    RDL_VEC(const rdl_cql_type *) args = {0};
    rdl_cql_type *made = type_new(t->a, kind, 0);
    do {
        const rdl_cql_type *arg = one(t, depth + 1);
        if (arg == NULL)
            return NULL;
        RDL_PUSH(t->a, &args) = arg;
        if (kind == RDL_CQL_VECTOR && (!eat(t, ',') || !number(t, &made->dimension)))
            return NULL;
    } while (eat(t, ','));
    if (!eat(t, close) || (n != 0 && args.n != n))
        return NULL;
    made->args = args.v;
    made->n = (uint32_t)args.n;
    return made;
}

static const rdl_cql_type *frozen(rdl_arena *a, const rdl_cql_type *of)
{
    if (of == NULL || of->n == 0)
        return of;
    rdl_cql_type *t = RDL_NEW(a, rdl_cql_type);
    *t = *of;
    t->frozen = true;
    return t;
}

typedef struct generic {
    const char *cql, *java;
    rdl_cql_kind kind;
    uint32_t n;
} generic;

static const generic generics[] = {
    {"list", "ListType", RDL_CQL_LIST, 1},       {"set", "SetType", RDL_CQL_SET, 1},
    {"map", "MapType", RDL_CQL_MAP, 2},          {"tuple", "TupleType", RDL_CQL_TUPLE, 0},
    {"vector", "VectorType", RDL_CQL_VECTOR, 1},
};

enum { GENERICS = sizeof generics / sizeof *generics };

/* ---- Java classes ---- */

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool unhex(rdl_arena *a, rdl_str s, rdl_str *out)
{
    char *to = rdl_arena_strndup(a, s.p, s.n);
    if (s.n % 2 != 0)
        return false;
    for (size_t i = 0; i < s.n / 2; i++) {
        int hi = hex(s.p[2 * i]), lo = hex(s.p[2 * i + 1]);
        if (hi < 0 || lo < 0)
            return false;
        to[i] = (char)(hi * 16 + lo);
    }
    *out = (rdl_str){to, s.n / 2};
    return true;
}

static const rdl_cql_type *class_parse(text *t, unsigned depth);

/* UserType(keyspace,<hex of the name>,<hex of a field>:<class>,…) */
static const rdl_cql_type *user_type(text *t, unsigned depth)
{
    RDL_VEC(const rdl_cql_type *) args = {0};
    RDL_VEC(rdl_str) names = {0};
    rdl_cql_type *made = type_new(t->a, RDL_CQL_UDT, 0);
    made->keyspace = copy(t->a, word(t));
    if (!eat(t, ',') || !unhex(t->a, word(t), &made->name))
        return NULL;
    while (eat(t, ',')) {
        rdl_str name;
        if (!unhex(t->a, word(t), &name) || !eat(t, ':'))
            return NULL;
        const rdl_cql_type *arg = class_parse(t, depth + 1);
        if (arg == NULL)
            return NULL;
        RDL_PUSH(t->a, &names) = name;
        RDL_PUSH(t->a, &args) = arg;
    }
    made->args = args.v;
    made->names = names.v;
    made->n = (uint32_t)args.n;
    return eat(t, ')') ? made : NULL;
}

static const rdl_cql_type *class_parse(text *t, unsigned depth)
{
    static const char package[] = "org.apache.cassandra.db.marshal.";
    rdl_str w = word(t);
    if (depth >= RDL_CQL_DEPTH_MAX || t->left-- == 0)
        return NULL;
    if (rdl_str_starts(w, package))
        w = (rdl_str){w.p + sizeof package - 1, w.n - (sizeof package - 1)};
    for (unsigned i = 0; i < SCALARS; i++)
        if (rdl_str_eq(w, rdl_str_of(scalars[i].java)))
            return rdl_cql_type_scalar(scalars[i].kind);
    if (!eat(t, '('))
        return NULL;
    if (rdl_str_eq(w, RDL_STR("UserType")))
        return user_type(t, depth);
    if (rdl_str_eq(w, RDL_STR("FrozenType")) || rdl_str_eq(w, RDL_STR("ReversedType"))) {
        const rdl_cql_type *of = class_parse(t, depth + 1);
        if (of == NULL || !eat(t, ')'))
            return NULL;
        return w.p[0] == 'F' ? frozen(t->a, of) : of;
    }
    for (unsigned i = 0; i < GENERICS; i++)
        if (rdl_str_eq(w, rdl_str_of(generics[i].java)))
            return parameters(t, generics[i].kind, generics[i].n, ')', class_parse, depth);
    return NULL;
}

const rdl_cql_type *rdl_cql_type_of_class(rdl_arena *a, rdl_str name)
{
    text t = {.a = a, .p = name.p, .end = name.p + name.n, .left = RDL_CQL_TYPES_MAX};
    const rdl_cql_type *known = name.n > 0 ? class_parse(&t, 0) : NULL;
    if (known != NULL && t.p == t.end)
        return known;
    rdl_cql_type *custom = type_new(a, RDL_CQL_CUSTOM, 0);
    custom->name = copy(a, name);
    return custom;
}

/* ---- The schema's text ---- */

/* A name between quotes, a doubled quote standing for one. */
static bool quoted(text *t, char q, rdl_str *out)
{
    if (!eat(t, q))
        return false;
    char *to = rdl_arena_strndup(t->a, t->p, (size_t)(t->end - t->p));
    size_t n = 0;
    while (t->p < t->end) {
        char c = *t->p++;
        if (c == q && (t->p == t->end || *t->p != q)) {
            *out = (rdl_str){to, n};
            return true;
        }
        if (c == q)
            t->p++;
        to[n++] = c;
    }
    return false;
}

static const rdl_cql_type *cql_parse(text *t, unsigned depth)
{
    rdl_str w = {NULL, 0};
    if (depth >= RDL_CQL_DEPTH_MAX || t->left-- == 0)
        return NULL;
    blank(t);
    if (t->p < t->end && *t->p == '\'')
        return quoted(t, '\'', &w) ? rdl_cql_type_of_class(t->a, w) : NULL;
    if (t->p < t->end && *t->p == '"')
        return quoted(t, '"', &w) && t->udt != NULL ? t->udt(t->arg, w) : NULL;
    w = word(t);
    if (eat(t, '<')) {
        if (rdl_str_eq_nocase(w, RDL_STR("frozen"))) {
            const rdl_cql_type *of = cql_parse(t, depth + 1);
            return eat(t, '>') ? frozen(t->a, of) : NULL;
        }
        for (unsigned i = 0; i < GENERICS; i++)
            if (rdl_str_eq_nocase(w, rdl_str_of(generics[i].cql)))
                return parameters(t, generics[i].kind, generics[i].n, '>', cql_parse, depth);
        return NULL;
    }
    for (unsigned i = 0; i < SCALARS; i++)
        if (rdl_str_eq_nocase(w, rdl_str_of(scalars[i].cql)))
            return rdl_cql_type_scalar(scalars[i].kind);
    return t->udt != NULL && w.n > 0 ? t->udt(t->arg, w) : NULL;
}

rdl_code rdl_cql_type_parse(rdl_arena *a, rdl_str from, rdl_cql_find_udt *udt, void *arg,
                            const rdl_cql_type **out, rdl_err *err)
{
    text t = {.a = a,
              .p = from.p,
              .end = from.p + from.n,
              .udt = udt,
              .arg = arg,
              .left = RDL_CQL_TYPES_MAX};
    *out = from.n > 0 ? cql_parse(&t, 0) : NULL;
    blank(&t);
    if (*out == NULL || t.p != t.end)
        return rdl_err_set(err, RDL_ESCHEMA, 0, "could not understand CQL type \"%.*s\"",
                           (int)(from.n > 300 ? 300 : from.n), from.n > 0 ? from.p : "");
    return RDL_OK;
}

static void print_type(const rdl_cql_type *t, rdl_buf *out)
{
    const char *name = rdl_cql_kind_name(t->kind);
    if (t->kind == RDL_CQL_CUSTOM) {
        rdl_cql_put_string(out, t->name);
    } else if (t->kind == RDL_CQL_UDT) {
        rdl_cql_put_ident(out, t->name);
    } else if (name != NULL) {
        rdl_buf_puts(out, name);
    } else {
        for (unsigned i = 0; i < GENERICS; i++)
            if (generics[i].kind == t->kind)
                rdl_buf_puts(out, generics[i].cql);
        rdl_buf_putc(out, '<');
        for (uint32_t i = 0; i < t->n; i++) {
            if (i > 0)
                rdl_buf_puts(out, ", ");
            rdl_cql_type_print(t->args[i], out);
        }
        if (t->kind == RDL_CQL_VECTOR)
            rdl_buf_printf(out, ", %u", t->dimension);
        rdl_buf_putc(out, '>');
    }
}

void rdl_cql_type_print(const rdl_cql_type *t, rdl_buf *out)
{
    if (t->frozen)
        rdl_buf_puts(out, "frozen<");
    print_type(t, out);
    if (t->frozen)
        rdl_buf_putc(out, '>');
}

bool rdl_cql_type_eq(const rdl_cql_type *a, const rdl_cql_type *b)
{
    if (a == b)
        return true;
    if (a->kind != b->kind || a->n != b->n || a->dimension != b->dimension)
        return false;
    if (a->kind == RDL_CQL_CUSTOM && !rdl_str_eq(a->name, b->name))
        return false;
    for (uint32_t i = 0; i < a->n; i++) {
        if (a->kind == RDL_CQL_UDT && !rdl_str_eq(a->names[i], b->names[i]))
            return false;
        if (!rdl_cql_type_eq(a->args[i], b->args[i]))
            return false;
    }
    return true;
}
