/*
 * lake/stats.c - a data file's statistics as Delta's JSON, from COPY ... RETURN_STATS or from our
 * own writer.
 *
 *   {"numRecords":3,"minValues":{"n":1,"t":"a"},"maxValues":{"n":9},"nullCount":{"n":0,"t":1}}
 *
 * column_statistics is MAP(column, MAP(key, value)): '"a"' -> {min, max, null_count, ...};
 * a nested column's leaves are '"a"."b"' and are skipped.  A bound that cannot be told
 * exactly is left out, which readers take as "may be anything": DOUBLE with NaN or
 * infinities · BOOLEAN, BLOB, JSON · a maximum text longer than 32 characters (a minimum is
 * cut there, which is still below) · all values null
 */
#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "lake/delta.h"

typedef struct column_stats {
    bool present, nan, max_inexact, min_inexact;
    rdl_str min, max, nulls; /* p NULL: not told */
} column_stats;

/* '"we""ird"' is the column we"ird; a nested path is none. */
static bool is_column(rdl_str quoted, rdl_str name)
{
    if (quoted.n < 2 || quoted.p[0] != '"' || quoted.p[quoted.n - 1] != '"')
        return rdl_str_eq(quoted, name);
    size_t at = 0;
    for (size_t i = 1; i < quoted.n - 1; i++) {
        if (quoted.p[i] == '"' && quoted.p[++i] != '"')
            return false;
        if (at == name.n || quoted.p[i] != name.p[at++])
            return false;
    }
    return at == name.n;
}

static void read_pair(rdl_str key, rdl_str value, column_stats *s)
{
    if (rdl_str_eq(key, RDL_STR("min")))
        s->min = value;
    else if (rdl_str_eq(key, RDL_STR("max")))
        s->max = value;
    else if (rdl_str_eq(key, RDL_STR("null_count")))
        s->nulls = value;
    else if (rdl_str_eq(key, RDL_STR("has_nan")))
        s->nan = rdl_str_eq(value, RDL_STR("true"));
    else if (rdl_str_eq(key, RDL_STR("max_is_exact")))
        s->max_inexact = rdl_str_eq(value, RDL_STR("false"));
    else if (rdl_str_eq(key, RDL_STR("min_is_exact")))
        s->min_inexact = rdl_str_eq(value, RDL_STR("false"));
}

static column_stats find_column(const rdl_vector *statistics, size_t row, rdl_str name)
{
    column_stats s = {0};
    if (!rdl_vector_valid(statistics, row))
        return s;
    const rdl_duck_list outer = RDL_VECTOR_AT(statistics, rdl_duck_list, row);
    const rdl_vector *keys = &statistics->children[0], *maps = &statistics->children[1];
    for (uint64_t i = outer.offset; i < outer.offset + outer.length; i++) {
        if (!is_column(rdl_vector_str(keys, i), name) || !rdl_vector_valid(maps, i))
            continue;
        s.present = true;
        const rdl_duck_list inner = RDL_VECTOR_AT(maps, rdl_duck_list, i);
        for (uint64_t k = inner.offset; k < inner.offset + inner.length; k++)
            if (rdl_vector_valid(&maps->children[1], k))
                read_pair(rdl_vector_str(&maps->children[0], k),
                          rdl_vector_str(&maps->children[1], k), &s);
        break;
    }
    return s;
}

/* Where the 33rd character begins, or the end. */
static size_t cut_at(rdl_str s)
{
    size_t chars = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (((unsigned char)s.p[i] & 0xC0) == 0x80)
            continue;
        if (chars++ == RDL_DELTA_STAT_CHARS)
            return i;
    }
    return s.n;
}

/* A JSON number as it stands, if it is one. */
static bool put_number(rdl_str value, rdl_buf *out)
{
    char text[64], *end;
    if (value.n == 0 || value.n >= sizeof text)
        return false;
    memcpy(text, value.p, value.n);
    text[value.n] = '\0';
    const double d = strtod(text, &end);
    if (*end != '\0' || !isfinite(d) || strpbrk(text, "xXpPnN") != NULL)
        return false;
    if (text[0] == '.' || (text[0] == '-' && text[1] == '.')) {
        rdl_buf_puts(out, text[0] == '-' ? "-0" : "0");
        rdl_buf_puts(out, text + (text[0] == '-'));
        return true;
    }
    rdl_buf_puts(out, text);
    return true;
}

static bool put_bound(const rdl_type *t, const column_stats *s, bool max, rdl_buf *out)
{
    const rdl_str value = max ? s->max : s->min;
    int64_t us;
    int32_t days;
    if (value.p == NULL || s->nan)
        return false;
    switch (t->kind) {
    case RDL_TYPE_INTEGER:
    case RDL_TYPE_BIGINT:
    case RDL_TYPE_DECIMAL:
    case RDL_TYPE_DOUBLE:
        return put_number(value, out);
    case RDL_TYPE_DATE:
        /* Years of four digits: others do not read more, and DuckDB writes (BC). */
        if (value.n != 10 || !rdl_date_parse(value.p, value.n, &days))
            return false;
        rdl_buf_put_json_text(out, value);
        return true;
    case RDL_TYPE_TIMESTAMPTZ:
        if (value.n < 10 || value.p[4] != '-' ||
            !rdl_timestamp_parse(value.p, value.n, &us))
            return false;
        rdl_buf_putc(out, '"');
        rdl_timestamp_print_iso(us, out);
        rdl_buf_putc(out, '"');
        return true;
    case RDL_TYPE_TEXT:
        if (max && (s->max_inexact || cut_at(value) < value.n))
            return false;
        rdl_buf_put_json_text(out, (rdl_str){value.p, cut_at(value)});
        return true;
    default:
        return false;
    }
}

static void
put_bounds(const rdl_schema *schema, const column_stats *all, bool max, rdl_buf *out)
{
    rdl_buf one = {0};
    bool first = true;
    for (size_t i = 0; i < schema->n; i++) {
        rdl_buf_clear(&one);
        if (!all[i].present || !put_bound(schema->v[i].type, &all[i], max, &one))
            continue;
        rdl_buf_puts(out, first ? "" : ",");
        first = false;
        rdl_buf_put_json_text(out, schema->v[i].name);
        rdl_buf_putc(out, ':');
        rdl_buf_put(out, one.p, one.n);
    }
    rdl_buf_fini(&one);
}

static void put_all(const rdl_schema *schema, const column_stats *all, uint64_t rows, rdl_buf *out)
{
    rdl_buf_printf(out, "{\"numRecords\":%llu,\"minValues\":{", (unsigned long long)rows);
    put_bounds(schema, all, false, out);
    rdl_buf_puts(out, "},\"maxValues\":{");
    put_bounds(schema, all, true, out);
    rdl_buf_puts(out, "},\"nullCount\":{");
    bool first = true;
    for (size_t i = 0; i < schema->n; i++) {
        if (!all[i].present || all[i].nulls.p == NULL)
            continue;
        rdl_buf_puts(out, first ? "" : ",");
        first = false;
        rdl_buf_put_json_text(out, schema->v[i].name);
        rdl_buf_putc(out, ':');
        rdl_buf_put(out, all[i].nulls.p, all[i].nulls.n);
    }
    rdl_buf_puts(out, "}}");
}

void rdl_stats_put(const rdl_schema *schema,
                   const rdl_vector *statistics,
                   size_t row,
                   uint64_t rows,
                   rdl_buf *out)
{
    rdl_arena call;
    rdl_arena_init(&call, 0);
    column_stats *all = RDL_NEWN(&call, column_stats, schema->n + 1);
    for (size_t i = 0; i < schema->n; i++)
        if (rdl_type_is_scalar(schema->v[i].type))
            all[i] = find_column(statistics, row, schema->v[i].name);

    put_all(schema, all, rows, out);
    rdl_arena_fini(&call);
}

void rdl_stats_put_bounds(const rdl_schema *schema,
                          const rdl_parquet_bounds *bounds,
                          uint64_t rows,
                          rdl_buf *out)
{
    rdl_arena call;
    rdl_arena_init(&call, 0);
    column_stats *all = RDL_NEWN(&call, column_stats, schema->n + 1);
    for (size_t i = 0; i < schema->n; i++) {
        const rdl_parquet_bounds *b = &bounds[i];
        char *nulls = rdl_arena_printf(&call, "%llu", (unsigned long long)b->nulls);
        if (b->any)
            all[i] = (column_stats){
                .present = true, .min = b->min, .max = b->max, .nulls = rdl_str_of(nulls)};
    }
    put_all(schema, all, rows, out);
    rdl_arena_fini(&call);
}
