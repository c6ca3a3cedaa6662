/*
 * lake/partition.c - partition values as text, as folder names and as SQL.
 *
 * Three encodings, one inside the other:
 *   value   what the log says: dates YYYY-MM-DD, times ISO in UTC, booleans true/false
 *   folder  name=value with the characters that Hive escapes as %XX
 *   path    the relative path with everything a URI cannot hold as %XX, once more
 *
 *   value "a/b"  ->  folder "p=a%2Fb"  ->  path "p=a%252Fb/part-....parquet"
 *
 * Readers take values from the log; folders are for people.  So two values that share a
 * folder (null and '__HIVE_DEFAULT_PARTITION__') are still told apart.
 */
#include "base/clock.h"
#include "lake/delta.h"

#define HIVE_NULL "__HIVE_DEFAULT_PARTITION__"

static const char hex_digits[] = "0123456789ABCDEF";

static void put_escaped(rdl_buf *out, unsigned char c)
{
    rdl_buf_putc(out, '%');
    rdl_buf_putc(out, hex_digits[c >> 4]);
    rdl_buf_putc(out, hex_digits[c & 15]);
}

void rdl_hive_escape(rdl_str s, rdl_buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        const unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c == 0x7F || strchr("\"#%'*/:=?\\{[]^", c) != NULL)
            put_escaped(out, c);
        else
            rdl_buf_putc(out, (char)c);
    }
}

void rdl_uri_escape(rdl_str path, rdl_buf *out)
{
    for (size_t i = 0; i < path.n; i++) {
        const unsigned char c = (unsigned char)path.p[i];
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') ||
                           (c != 0 && strchr("/=-_.~", c) != NULL);
        if (plain)
            rdl_buf_putc(out, (char)c);
        else
            put_escaped(out, c);
    }
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool rdl_uri_unescape(rdl_str s, rdl_buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '%') {
            rdl_buf_putc(out, s.p[i]);
            continue;
        }
        const int high = i + 2 < s.n ? hex_value(s.p[i + 1]) : -1;
        const int low = high >= 0 ? hex_value(s.p[i + 2]) : -1;
        if (low < 0 || (high == 0 && low == 0))
            return false;
        rdl_buf_putc(out, (char)(high << 4 | low));
        i += 2;
    }
    return true;
}

void rdl_partition_sql(const rdl_column *c, rdl_buf *out)
{
    if (c->type->kind == RDL_TYPE_TIMESTAMPTZ) {
        rdl_buf_puts(out, "strftime(CAST(");
        rdl_buf_put_sql_ident(out, c->name);
        rdl_buf_puts(out, " AS TIMESTAMPTZ) AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')");
        return;
    }
    rdl_buf_puts(out, "CAST(CAST(");
    rdl_buf_put_sql_ident(out, c->name);
    rdl_buf_puts(out, " AS ");
    rdl_type_print(c->type, out);
    rdl_buf_puts(out, ") AS VARCHAR)");
}

void rdl_partition_literal(const rdl_type *t, const char *value, rdl_buf *out)
{
    /* Delta writes null as null or, for what is not text, as "". */
    const bool null = value == NULL || (value[0] == '\0' && t->kind != RDL_TYPE_TEXT);
    rdl_buf_puts(out, "CAST(");
    if (null)
        rdl_buf_puts(out, "NULL");
    else
        rdl_buf_put_sql_text(out, rdl_str_of(value));
    rdl_buf_puts(out, " AS ");
    rdl_type_print(t, out);
    rdl_buf_putc(out, ')');
}

rdl_code
rdl_partition_check(const rdl_schema *s, const rdl_str *columns, size_t n, rdl_err *err)
{
    for (size_t i = 0; i < n; i++) {
        const int at = rdl_schema_find(s, columns[i]);
        if (at < 0)
            return rdl_err_set(
                err, RDL_ESCHEMA, 0,
                "could not partition by \"%.*s\": the table has no such column",
                (int)columns[i].n, columns[i].p);
        const rdl_type_kind kind = s->v[at].type->kind;
        if (kind == RDL_TYPE_BLOB || kind == RDL_TYPE_JSON ||
            !rdl_type_is_scalar(s->v[at].type)) {
            rdl_buf type = {0};
            rdl_type_print(s->v[at].type, &type);
            rdl_err_set(err, RDL_ESCHEMA, 0,
                        "could not partition by \"%.*s\": its type is %s",
                        (int)columns[i].n, columns[i].p, rdl_buf_str(&type));
            rdl_buf_fini(&type);
            return rdl_err_hint(err,
                                "Partition by text, numbers, booleans, dates or times.");
        }
    }
    if (n >= s->n && n > 0)
        return rdl_err_set(
            err, RDL_ESCHEMA, 0,
            "could not partition by every column: a data file would be empty");
    return RDL_OK;
}

const char *rdl_partition_value(const rdl_delta_file *f, rdl_str column)
{
    for (size_t i = 0; i < f->partition_count; i++)
        if (rdl_str_eq_nocase(rdl_str_of(f->partition[i].key), column))
            return f->partition[i].value;
    return NULL;
}

void rdl_partition_key(const rdl_delta_file *f,
                       const rdl_schema *schema,
                       const rdl_str *columns,
                       size_t n,
                       rdl_buf *out)
{
    for (size_t i = 0; i < n; i++) {
        const char *value = rdl_partition_value(f, columns[i]);
        const int at = rdl_schema_find(schema, columns[i]);
        const bool text = at < 0 || schema->v[at].type->kind == RDL_TYPE_TEXT;
        int64_t us;
        if (value == NULL || (value[0] == '\0' && !text)) {
            rdl_buf_putc(out, 'n');
        } else if (!text && schema->v[at].type->kind == RDL_TYPE_TIMESTAMPTZ &&
                   rdl_timestamp_parse(value, strlen(value), &us)) {
            rdl_buf_putc(out, 't');
            rdl_timestamp_print_iso(us, out);
        } else {
            rdl_buf_printf(out, "v%zu:%s", strlen(value), value);
        }
    }
}
