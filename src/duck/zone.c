/*
 * duck/zone.c - a time zone's changes, found by looking at its clock once a week, then at
 * each hour of a week in which it changed, then at each minute.
 */
#include "duck/zone.h"

rdl_code rdl_zone_known(rdl_conn *conn, rdl_str name, bool *known, rdl_err *err)
{
    rdl_buf sql = {0};
    int64_t n = 0;
    rdl_buf_puts(&sql, "SELECT count(*) FROM pg_timezone_names() WHERE lower(name) = lower(");
    rdl_buf_put_sql_text(&sql, name);
    rdl_buf_puts(&sql, ")");
    rdl_code rc = rdl_query_i64(conn, rdl_buf_str(&sql), &n, err);
    rdl_buf_fini(&sql);
    *known = n > 0;
    return rc;
}

/* The offset in seconds that a zone has at the column t, a TIMESTAMPTZ. */
static void put_offset(rdl_buf *sql, rdl_str name)
{
    rdl_buf_puts(sql, "(epoch_us(timezone(");
    rdl_buf_put_sql_text(sql, name);
    rdl_buf_puts(sql, ", t)) - epoch_us(t)) // 1000000");
}

/* The ends of those stretches of `level` in which the offset changed, each looked at in steps. */
static void put_level(rdl_buf *sql, rdl_str name, int level, const char *length, const char *step)
{
    rdl_buf_printf(sql,
                   ", l%d AS (SELECT t, o FROM (SELECT *, lag(o) OVER w AS was, lag(t) OVER w AS "
                   "before FROM (SELECT t, ",
                   level);
    put_offset(sql, name);
    rdl_buf_printf(sql,
                   " AS o FROM (SELECT DISTINCT unnest(range(t - INTERVAL %s, t + INTERVAL %s, "
                   "INTERVAL %s)) AS t FROM l%d)) WINDOW w AS (ORDER BY t)) "
                   "WHERE was <> o AND t - before = INTERVAL %s)",
                   length, step, step, level - 1, step);
}

static void put_changes(rdl_buf *sql, rdl_str name)
{
    rdl_buf_puts(sql, "WITH week AS (SELECT t, ");
    put_offset(sql, name);
    rdl_buf_puts(sql,
                 " AS o FROM (SELECT range AS t FROM range(TIMESTAMPTZ '2015-01-01 00:00:00+00', "
                 "TIMESTAMPTZ '2070-01-01 00:00:00+00', INTERVAL 7 DAY))), "
                 "l0 AS (SELECT t FROM (SELECT t, o, lag(o) OVER (ORDER BY t) AS was FROM week) "
                 "WHERE was <> o)");
    put_level(sql, name, 1, "7 DAY", "1 HOUR");
    put_level(sql, name, 2, "1 HOUR", "1 MINUTE");
    rdl_buf_puts(sql,
                 " SELECT epoch_us(t)::BIGINT, o::BIGINT FROM (SELECT t, o FROM week ORDER BY t "
                 "LIMIT 1) UNION ALL (SELECT epoch_us(t)::BIGINT, o::BIGINT FROM l2) ORDER BY 1");
}

rdl_code rdl_zone_read(rdl_conn *conn, rdl_arena *a, rdl_str name, rdl_zone *out, rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_result *r = NULL;
    const rdl_chunk *chunk;
    size_t n = 0;
    *out = (rdl_zone){0};
    if (name.n == 0 || rdl_str_eq_nocase(name, RDL_STR("UTC")))
        return RDL_OK;
    put_changes(&sql, name);
    rdl_code rc = rdl_query(conn, rdl_buf_str(&sql), &r, err);
    rdl_buf_fini(&sql);
    RDL_TRY(rc);
    size_t rows = (size_t)rdl_result_rows(r);
    int64_t *from = RDL_NEWN(a, int64_t, rows + 1);
    int32_t *offsets = RDL_NEWN(a, int32_t, rows + 1);
    while (rdl_result_next(r, &chunk)) {
        for (size_t i = 0; i < chunk->rows; i++, n++) {
            from[n] = RDL_VECTOR_AT(&chunk->v[0], int64_t, i);
            offsets[n] = (int32_t)RDL_VECTOR_AT(&chunk->v[1], int64_t, i);
        }
    }
    rdl_result_free(r);
    *out = (rdl_zone){from, offsets, n};
    return RDL_OK;
}
