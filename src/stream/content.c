/*
 * stream/content.c - summing row hashes.
 */
#include "stream/content.h"

#include <inttypes.h>

#include "stream/cut.h"

/* Names and types: a table that gained a column hashes differently. */
static uint64_t columns_hash(const rdl_schema *s)
{
    rdl_buf b = {0};
    for (size_t i = 0; i < s->n; i++) {
        rdl_buf_put(&b, s->v[i].name.p, s->v[i].name.n);
        rdl_buf_putc(&b, ' ');
        rdl_type_print(s->v[i].type, &b);
        rdl_buf_putc(&b, '\n');
    }
    uint64_t h = rdl_hash64(b.p, b.n);
    rdl_buf_fini(&b);
    return h;
}

void rdl_content_put_sum(rdl_buf *sql, rdl_arena *a, const rdl_table *t)
{
    rdl_schema schema;
    rdl_table_lake_schema(a, t, &schema);
    rdl_buf_puts(sql, "SELECT coalesce(sum(hash(");
    rdl_put_columns(sql, "", &schema);
    rdl_buf_puts(sql, ")::HUGEINT), 0)::VARCHAR FROM ");
}

static rdl_str text_of(rdl_arena *a, const rdl_schema *columns, const char *sum)
{
    return rdl_str_of(rdl_arena_printf(a, "%s/%016" PRIx64 ":%s", rdl_duck_version(),
                                       columns_hash(columns), sum != NULL ? sum : "0"));
}

rdl_str rdl_content_text(rdl_arena *a, const rdl_table *t, const char *sum)
{
    rdl_schema schema;
    rdl_table_lake_schema(a, t, &schema);
    return text_of(a, &schema, sum);
}

rdl_code rdl_content_sum_of(rdl_conn *conn, rdl_arena *a, const rdl_schema *columns,
                            const char *from, rdl_str *out, rdl_err *err)
{
    rdl_buf sql = {0};
    char *sum = NULL;
    rdl_buf_puts(&sql, "SELECT coalesce(sum(hash(");
    for (size_t i = 0; i < columns->n; i++) {
        rdl_buf_puts(&sql, i > 0 ? ", CAST(" : "CAST(");
        rdl_buf_put_sql_ident(&sql, columns->v[i].name);
        rdl_buf_puts(&sql, " AS ");
        rdl_type_print(columns->v[i].type, &sql);
        rdl_buf_putc(&sql, ')');
    }
    rdl_buf_puts(&sql, ")::HUGEINT), 0)::VARCHAR FROM ");
    rdl_buf_puts(&sql, from);
    rdl_code rc = rdl_query_text(conn, a, rdl_buf_str(&sql), &sum, err);
    rdl_buf_fini(&sql);
    if (rc == RDL_OK)
        *out = text_of(a, columns, sum);
    return rc;
}

rdl_code rdl_content_sum(rdl_conn *conn, rdl_arena *a, const rdl_table *t, const char *from,
                         rdl_str *out, rdl_err *err)
{
    rdl_buf sql = {0};
    char *sum = NULL;
    rdl_content_put_sum(&sql, a, t);
    rdl_buf_puts(&sql, from);
    rdl_code rc = rdl_query_text(conn, a, rdl_buf_str(&sql), &sum, err);
    rdl_buf_fini(&sql);
    if (rc == RDL_OK)
        *out = rdl_content_text(a, t, sum);
    return rc;
}

static bool split(rdl_str text, rdl_str *form, rdl_u128 *sum)
{
    size_t at = text.n;
    while (at > 0 && text.p[at - 1] != ':')
        at--;
    if (at == 0)
        return false;
    *form = (rdl_str){text.p, at - 1};
    *sum = 0;
    for (size_t i = at; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        *sum = *sum * 10u + (unsigned)(text.p[i] - '0');
    }
    return true;
}

void rdl_content_add(rdl_arena *a, rdl_content *to, rdl_str sealed, uint64_t rows)
{
    rdl_str form;
    rdl_u128 sum;
    if (rows == 0 || to->mixed)
        return;
    if (!split(sealed, &form, &sum) || (to->form.n > 0 && !rdl_str_eq(form, to->form))) {
        to->mixed = true;
        return;
    }
    if (to->form.n == 0)
        to->form = (rdl_str){rdl_arena_strndup(a, form.p, form.n), form.n};
    to->sum += sum;
}

bool rdl_content_matches(const rdl_content *sealed, rdl_str now, uint64_t rows)
{
    rdl_str form;
    rdl_u128 sum;
    if (sealed->mixed || (sealed->form.n == 0 && rows == 0))
        return true;
    if (!split(now, &form, &sum))
        return false;
    return !rdl_str_eq(form, sealed->form) || sum == sealed->sum;
}
