/*
 * stream/travel.c - finding the phrases, and the lake as of then.
 */
#include "stream/travel.h"

#include <inttypes.h>

#include "base/clock.h"

typedef struct word {
    const char *p; /* NULL: none */
    size_t n;
} word;

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

static const char *skip_space(const char *p)
{
    while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
        p++;
    return p;
}

/* One word, quoted or not, at p; moves *p behind it. */
static word take_word(const char **p)
{
    const char *s = *p;
    if (*s == '"') {
        const char *end = strchr(s + 1, '"');
        if (end == NULL)
            return (word){0};
        *p = end + 1;
        return (word){s + 1, (size_t)(end - s - 1)};
    }
    size_t n = 0;
    while (is_name(s[n]))
        n++;
    *p = s + n;
    return n > 0 ? (word){s, n} : (word){0};
}

static bool word_is(word w, const char *text)
{
    return rdl_str_eq_nocase((rdl_str){w.p, w.n}, rdl_str_of(text));
}

typedef struct phrase {
    rdl_str table;       /* "s.t" */
    bool by_version;
    int64_t version, at_us;
    const char *end;
} phrase;

static rdl_code bad_time(rdl_str text, rdl_err *err)
{
    rdl_err_set(err, RDL_EUSAGE, 0, "cannot read \"%.*s\" as a time", (int)text.n, text.p);
    return rdl_err_hint(err, "Write TIMESTAMP AS OF '2025-08-31 12:00:00'.");
}

/* After a dotted name: VERSION AS OF n | TIMESTAMP AS OF '...'.  *found false: neither. */
static rdl_code take_phrase(const char *p, phrase *out, bool *found, rdl_err *err)
{
    const char *at = skip_space(p);
    word kind = take_word(&at);
    *found = false;
    if (kind.p == NULL || (!word_is(kind, "version") && !word_is(kind, "timestamp")))
        return RDL_OK;
    at = skip_space(at);
    word as = take_word(&at);
    at = skip_space(at);
    word of = take_word(&at);
    if (as.p == NULL || of.p == NULL || !word_is(as, "as") || !word_is(of, "of"))
        return RDL_OK;
    at = skip_space(at);
    out->by_version = word_is(kind, "version");
    if (out->by_version) {
        word number = take_word(&at);
        out->version = 0;
        for (size_t i = 0; i < number.n && number.p[i] >= '0' && number.p[i] <= '9'; i++)
            out->version = out->version * 10 + (number.p[i] - '0');
    } else {
        const char *end = *at == '\'' ? strchr(at + 1, '\'') : NULL;
        rdl_str text = {at, end != NULL ? (size_t)(end - at - 1) : strlen(at)};
        if (end == NULL || !rdl_timestamp_parse(at + 1, text.n, &out->at_us))
            return bad_time(text, err);
        at = end + 1;
    }
    out->end = at;
    *found = true;
    return RDL_OK;
}

static rdl_code make_view(rdl_cut *c, rdl_conn *conn, const phrase *f, rdl_buf *out, rdl_err *err)
{
    const rdl_table *t = rdl_pipeline_find(c->pipeline, f->table);
    if (t == NULL || t->source != NULL)
        return rdl_err_set(err, RDL_EUSAGE, 0, "there is no lake table \"%.*s\"", (int)f->table.n,
                           f->table.p);
    const char *dir = rdl_root_lake_table(c->arena, c->root, t);
    int64_t version = f->version;
    rdl_lake_snapshot s;
    rdl_buf sql = {0}, name = {0};
    if (!f->by_version)
        RDL_TRY(rdl_lake_version_at(dir, f->at_us, &version, err));
    RDL_TRY(rdl_lake_load(c->arena, dir, c->app_id, version, &s, err));
    rdl_buf_put_sql_ident(&name, t->schema);
    rdl_buf_puts(&name, ".");
    rdl_buf_put_sql_ident(
        &name, rdl_str_of(rdl_arena_printf(c->arena, "%.*s@v%" PRId64, (int)t->name.n, t->name.p,
                                           version)));
    rdl_buf_printf(&sql, "CREATE OR REPLACE VIEW %s AS SELECT ", rdl_buf_str(&name));
    rdl_buf_put(out, name.p, name.n);
    rdl_buf_fini(&name);
    rdl_schema visible = {RDL_NEWN(c->arena, rdl_column, s.schema.n + 1), 0};
    for (size_t i = 0; i < s.schema.n; i++) {
        if (s.schema.v[i].name.n == 0 || s.schema.v[i].name.p[0] != '_' ||
            rdl_schema_find(&t->columns, s.schema.v[i].name) >= 0)
            visible.v[visible.n++] = s.schema.v[i];
    }
    rdl_put_columns(&sql, "", &visible);
    rdl_buf_puts(&sql, " FROM (");
    rdl_code rc = rdl_lake_select(c->arena, dir, &s, &sql, err);
    rdl_buf_puts(&sql, ")");
    if (rc == RDL_OK)
        rc = rdl_exec(conn, rdl_buf_str(&sql), err);
    rdl_buf_fini(&sql);
    return rc;
}

/* A name at p, dotted or not: is a phrase behind it?  If so, its replacement goes to out. */
static rdl_code try_name(rdl_cut *c, rdl_conn *conn, const char **p, rdl_buf *out, rdl_err *err)
{
    const char *start = *p, *at = *p;
    rdl_buf full = {0};
    bool found = false;
    phrase f = {0};
    word w = take_word(&at);
    rdl_buf_put(&full, w.p, w.n);
    while (w.p != NULL && *at == '.') {
        at++;
        w = take_word(&at);
        rdl_buf_putc(&full, '.');
        rdl_buf_put(&full, w.p, w.n);
    }
    f.table = (rdl_str){rdl_buf_str(&full), full.n};
    rdl_code rc = take_phrase(at, &f, &found, err);
    if (rc == RDL_OK && found) {
        rc = make_view(c, conn, &f, out, err);
        at = f.end;
    } else {
        rdl_buf_put(out, start, (size_t)(at - start));
    }
    *p = at;
    rdl_buf_fini(&full);
    return rc;
}

rdl_code rdl_travel_rewrite(rdl_cut *c, rdl_conn *conn, const char *sql, rdl_buf *out, rdl_err *err)
{
    const char *p = sql;
    while (*p != '\0') {
        if (*p == '\'') {
            const char *end = strchr(p + 1, '\'');
            size_t n = end != NULL ? (size_t)(end - p) + 1 : strlen(p);
            rdl_buf_put(out, p, n);
            p += n;
        } else if (p[0] == '-' && p[1] == '-') {
            size_t n = strcspn(p, "\n");
            rdl_buf_put(out, p, n);
            p += n;
        } else if (is_name(*p) || (*p == '"' && strchr(p + 1, '"') != NULL)) {
            RDL_TRY(try_name(c, conn, &p, out, err));
        } else {
            rdl_buf_putc(out, *p++);
        }
    }
    return RDL_OK;
}
