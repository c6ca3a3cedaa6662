/*
 * cli/discover_columns.c - columns, types and doubts of files that belong together.
 *
 * DuckDB reads a sample as it would by itself; its types are held against the closed list of ours, and
 * against the texts that stand there: what our strict decoder would not take becomes TEXT, with a doubt.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/fs.h"
#include "cli/discover.h"

enum {
    SAMPLE_FILES = 5,
    SAMPLE_ROWS = 20000,
    DEPTH_MAX = 6, /* of nested JSON; what lies deeper stays JSON */
};

typedef struct guess {
    rdl_str name;
    char *type;        /* in ours */
    rdl_buf doubt;
    bool time;         /* may be the event time */
} guess;

typedef struct study {
    rdl_conn *conn;
    rdl_arena *a;
    const rdl_found_group *g;
    char *files;       /* ['a', 'b'] */
    char *reader;      /* FROM what: typed */
    char delimiter, quote;
    bool header;
    const char *encoding; /* an option of DuckDB's reader, when the bytes are no UTF-8 */
    int64_t rows;      /* of the sample */
    RDL_VEC(guess) columns;
} study;

static void doubt(guess *c, const char *text)
{
    rdl_buf_printf(&c->doubt, "%s%s", c->doubt.n > 0 ? "; " : "", text);
}

/* The first, the last and some between. */
static char *sample_of(rdl_arena *a, const rdl_found_group *g)
{
    rdl_buf b = {0};
    size_t n = g->paths.n < SAMPLE_FILES ? g->paths.n : SAMPLE_FILES;
    rdl_buf_putc(&b, '[');
    for (size_t i = 0; i < n; i++) {
        rdl_buf_puts(&b, i > 0 ? ", " : "");
        rdl_buf_put_sql_text(&b, rdl_str_of(g->paths.v[n > 1 ? i * (g->paths.n - 1) / (n - 1) : 0]));
    }
    rdl_buf_putc(&b, ']');
    char *out = rdl_arena_strdup(a, rdl_buf_str(&b));
    rdl_buf_fini(&b);
    return out;
}

/* Where a field of JSON lies, as SQL text: a pointer takes any name. */
static void put_pointer(rdl_buf *sql, rdl_str name)
{
    rdl_buf path = {0};
    rdl_buf_putc(&path, '/');
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] == '~' || name.p[i] == '/')
            rdl_buf_puts(&path, name.p[i] == '~' ? "~0" : "~1");
        else
            rdl_buf_putc(&path, name.p[i]);
    rdl_buf_put_sql_text(sql, (rdl_str){path.p, path.n});
    rdl_buf_fini(&path);
}

static rdl_code ask_text(study *s, const char *sql, char **out, rdl_err *err)
{
    return rdl_query_text(s->conn, s->a, sql, out, err);
}

static rdl_code study_csv(study *s, rdl_err *err)
{
    char *found = NULL;
    rdl_buf sql = {0};
    rdl_buf_puts(&sql, "SELECT Delimiter || Quote[1:1] || CASE WHEN HasHeader THEN '1' ELSE '0' END FROM "
                       "sniff_csv(");
    rdl_buf_put_sql_text(&sql, rdl_str_of(s->g->paths.v[0]));
    rdl_buf_printf(&sql, "%s)", s->encoding);
    rdl_code rc = ask_text(s, rdl_buf_str(&sql), &found, err);
    rdl_buf_fini(&sql);
    RDL_TRY(rc);
    s->delimiter = found != NULL && found[0] != '\0' ? found[0] : ',';
    s->header = found == NULL || found[strlen(found) - 1] == '1';
    s->reader = rdl_arena_printf(s->a, "read_csv(%s, union_by_name = true, header = %s, delim = '%c', "
                                       "ignore_errors = true, hive_partitioning = false%s)",
                                 s->files, s->header ? "true" : "false", s->delimiter, s->encoding);
    return RDL_OK;
}

static rdl_code study_files(study *s, rdl_err *err)
{
    s->files = sample_of(s->a, s->g);
    if (s->g->format == RDL_FORMAT_CSV)
        return study_csv(s, err);
    s->reader = s->g->format == RDL_FORMAT_JSON
                    ? rdl_arena_printf(s->a, "read_json(%s, union_by_name = true, ignore_errors = true, "
                                             "maximum_depth = %d, sample_size = %d, hive_partitioning = false)",
                                       s->files, DEPTH_MAX, SAMPLE_ROWS)
                    : rdl_arena_printf(s->a, "read_parquet(%s, union_by_name = true, hive_partitioning = false)", s->files);
    return RDL_OK;
}

/* One text a column: what stands in the file. */
static char *texts_of(study *s, const guess *c)
{
    rdl_buf b = {0};
    if (s->g->format == RDL_FORMAT_JSON) {
        rdl_buf_puts(&b, "SELECT json_extract_string(json, ");
        put_pointer(&b, c->name);
        rdl_buf_printf(&b, ") AS t FROM read_json_objects(%s, ignore_errors = true) LIMIT %d", s->files,
                       SAMPLE_ROWS);
    } else {
        rdl_buf_puts(&b, "SELECT ");
        rdl_buf_put_sql_ident(&b, c->name);
        rdl_buf_printf(&b, " AS t FROM read_csv(%s, union_by_name = true, all_varchar = true, header = %s, "
                           "delim = '%c', ignore_errors = true, hive_partitioning = false%s) LIMIT %d",
                       s->files, s->header ? "true" : "false", s->delimiter, s->encoding, SAMPLE_ROWS);
    }
    char *out = rdl_arena_strdup(s->a, rdl_buf_str(&b));
    rdl_buf_fini(&b);
    return out;
}

static rdl_code count_where(study *s, const guess *c, const char *where, int64_t *out, rdl_err *err)
{
    *out = 0;
    return rdl_query_i64(s->conn,
                         rdl_arena_printf(s->a, "SELECT count(*) FROM (%s) WHERE %s", texts_of(s, c), where),
                         out, err);
}

/* ---- types ---- */

static const struct {
    const char *theirs, *ours;
} simple[] = {
    {"VARCHAR", "TEXT"},      {"UUID", "TEXT"},       {"TIME", "TEXT"},       {"INTERVAL", "TEXT"},
    {"BIGINT", "BIGINT"},     {"INTEGER", "INTEGER"}, {"SMALLINT", "INTEGER"}, {"TINYINT", "INTEGER"},
    {"UBIGINT", "DECIMAL(20,0)"}, {"HUGEINT", "DECIMAL(38,0)"}, {"UINTEGER", "BIGINT"}, {"USMALLINT", "INTEGER"},
    {"UTINYINT", "INTEGER"},  {"FLOAT", "DOUBLE"},    {"DOUBLE", "DOUBLE"},   {"BOOLEAN", "BOOLEAN"},
    {"DATE", "DATE"},         {"JSON", "JSON"},       {"BLOB", "BLOB"},
    {"TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ"},
};

static void choose_type(study *s, guess *c, const char *theirs)
{
    const rdl_type *parsed;
    rdl_err ignored;
    rdl_buf print = {0};
    for (size_t i = 0; i < sizeof simple / sizeof simple[0]; i++)
        if (strcmp(simple[i].theirs, theirs) == 0)
            c->type = rdl_arena_strdup(s->a, simple[i].ours);
    if (c->type == NULL && strncmp(theirs, "TIMESTAMP", 9) == 0) {
        c->type = rdl_arena_strdup(s->a, "TIMESTAMPTZ");
    } else if (c->type == NULL && rdl_type_parse(s->a, rdl_str_of(theirs), &parsed, &ignored) == RDL_OK) {
        rdl_type_show(parsed, &print);
        c->type = rdl_arena_strdup(s->a, rdl_buf_str(&print));
    } else if (c->type == NULL) {
        c->type = rdl_arena_strdup(s->a, "JSON");
        doubt(c, "a shape that differs from record to record");
    }
    rdl_buf_fini(&print);
    if (strcmp(theirs, "TIME") == 0 || strcmp(theirs, "INTERVAL") == 0)
        doubt(c, "a time of day or a length of time");
}

static bool named_like(rdl_str name, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t at = 0; at + strlen(words[i]) <= name.n; at++)
            if (rdl_str_eq_nocase((rdl_str){name.p + at, strlen(words[i])}, rdl_str_of(words[i])))
                return true;
    return false;
}

static void become_text(study *s, guess *c, const char *why)
{
    c->type = rdl_arena_strdup(s->a, "TEXT");
    doubt(c, why);
}

/* Texts that our decoder would not take as the type that DuckDB saw. */
static rdl_code check_texts(study *s, guess *c, rdl_err *err)
{
    static const char *const codes[] = {"phone", "zip", "postal", "document", "cpf", "cnpj"};
    int64_t n = 0;
    bool integer = strcmp(c->type, "BIGINT") == 0 || strcmp(c->type, "INTEGER") == 0;
    bool date = strcmp(c->type, "DATE") == 0, stamp = strcmp(c->type, "TIMESTAMPTZ") == 0;
    if (s->g->format == RDL_FORMAT_CSV && strcmp(c->type, "DOUBLE") == 0) {
        RDL_TRY(count_where(s, c, "t IS NOT NULL AND t <> '' AND NOT regexp_matches(t, '^-?[0-9]{1,38}$')", &n, err));
        if (n == 0 && s->rows > 0) {
            c->type = rdl_arena_strdup(s->a, "DECIMAL(38,0)");
            doubt(c, "whole numbers beyond BIGINT: a DOUBLE would round them");
        }
        return RDL_OK;
    }
    if (s->g->format == RDL_FORMAT_PARQUET || (!integer && !date && !stamp))
        return RDL_OK;
    if (integer) {
        RDL_TRY(count_where(s, c, "regexp_matches(t, '^-?0[0-9]')", &n, err));
        if (n > 0)
            become_text(s, c, "digits with leading zeros: a number would lose them");
        else if (named_like(c->name, codes, sizeof codes / sizeof codes[0]))
            become_text(s, c, "digits that are no quantity, by their name");
        return RDL_OK;
    }
    RDL_TRY(count_where(s, c, "t IS NOT NULL AND t <> '' AND NOT regexp_matches(t, '^[0-9]{4}-[0-9]{2}-[0-9]{2}')",
                        &n, err));
    if (n > 0) {
        become_text(s, c, "a date in another form than ISO 8601: see OPTIONS (date_format, timestamp_format)");
        return RDL_OK;
    }
    if (date)
        return RDL_OK;
    RDL_TRY(count_where(s, c, "t IS NOT NULL AND t <> '' AND NOT regexp_matches(t, '([zZ]|[+-][0-9]{2}:?([0-9]{2})?)$')",
                        &n, err));
    if (n > 0)
        doubt(c, "without an offset: taken as UTC");
    return RDL_OK;
}

/* Whole numbers that look like instants. */
static rdl_code check_epoch(study *s, guess *c, rdl_err *err)
{
    static const char *const words[] = {"time", "date", "epoch", "_at", "utc", "ts"};
    int64_t all = 0, seconds = 0, millis = 0;
    if ((strcmp(c->type, "BIGINT") != 0 && strcmp(c->type, "INTEGER") != 0) ||
        s->g->format == RDL_FORMAT_PARQUET || !named_like(c->name, words, sizeof words / sizeof words[0]))
        return RDL_OK;
    RDL_TRY(count_where(s, c, "t IS NOT NULL", &all, err));
    RDL_TRY(count_where(s, c, "TRY_CAST(t AS BIGINT) BETWEEN 500000000 AND 4000000000", &seconds, err));
    RDL_TRY(count_where(s, c, "TRY_CAST(t AS BIGINT) BETWEEN 500000000000 AND 4000000000000", &millis, err));
    if (all > 0 && seconds == all)
        doubt(c, "seconds since 1970? then add: .. TIMESTAMPTZ AS (to_timestamp(..))");
    else if (all > 0 && millis == all)
        doubt(c, "milliseconds since 1970? then add: .. TIMESTAMPTZ AS (to_timestamp(.. / 1000))");
    else if (seconds + millis > 0)
        doubt(c, "some of the numbers could be instants, in different units");
    return RDL_OK;
}

/* JSON: another type in some records; anything: missing. */
static rdl_code check_kinds(study *s, guess *c, rdl_err *err)
{
    char *kinds = NULL;
    int64_t missing = 0;
    if (s->g->format != RDL_FORMAT_PARQUET) {
        RDL_TRY(count_where(s, c, "t IS NULL", &missing, err));
        if (s->rows > 0 && missing == s->rows)
            doubt(c, "never filled: its type is not known");
        else if (missing > 0)
            doubt(c, rdl_arena_printf(s->a, "null or missing in %.3g %% of the records",
                                      100.0 * (double)missing / (double)(s->rows > 0 ? s->rows : 1)));
    }
    if (s->g->format != RDL_FORMAT_JSON)
        return RDL_OK;
    rdl_buf sql = {0};
    rdl_buf_puts(&sql, "SELECT CASE WHEN count(*) > 1 THEN string_agg(n || ' ' || lower(k), ', ' ORDER BY n DESC) END "
                       "FROM (SELECT CASE WHEN k IN ('UBIGINT', 'BIGINT', 'DOUBLE', 'HUGEINT', 'UHUGEINT') THEN 'number' "
                       "WHEN k = 'VARCHAR' THEN 'text' ELSE k END AS k, count(*) AS n FROM (SELECT json_type(json, ");
    put_pointer(&sql, c->name);
    rdl_buf_printf(&sql, ") AS k FROM read_json_objects(%s, ignore_errors = true) LIMIT %d) WHERE k <> 'NULL' "
                         "GROUP BY 1)",
                   s->files, SAMPLE_ROWS);
    rdl_code rc = ask_text(s, rdl_buf_str(&sql), &kinds, err);
    rdl_buf_fini(&sql);
    if (rc == RDL_OK && kinds != NULL && kinds[0] != '\0')
        doubt(c, rdl_arena_printf(s->a, "of several kinds: %s; what does not cast goes to _rescued", kinds));
    return rc;
}

/* An object whose fields differ from record to record: on the average it lacks half of them or more. */
static rdl_code check_map(study *s, guess *c, rdl_err *err)
{
    char *scalars = NULL;
    rdl_buf sql = {0};
    if (s->g->format != RDL_FORMAT_JSON || strncmp(c->type, "STRUCT(", 7) != 0)
        return RDL_OK;
    rdl_buf_puts(&sql, "WITH o AS (SELECT v FROM (SELECT json_extract(json, ");
    put_pointer(&sql, c->name);
    rdl_buf_printf(&sql,
                   ") AS v FROM read_json_objects(%s, ignore_errors = true) LIMIT %d) WHERE json_type(v) = 'OBJECT'), "
                   "k AS (SELECT unnest(json_keys(v)) AS k, v FROM o) "
                   "SELECT CASE WHEN count(*) * 2 <= (SELECT count(*) FROM o) * count(DISTINCT k) THEN CAST(coalesce("
                   "bool_and(json_type(json_extract(v, '/' || replace(replace(k, '~', '~0'), '/', '~1'))) "
                   "NOT IN ('OBJECT', 'ARRAY')), true) AS VARCHAR) END FROM k",
                   s->files, SAMPLE_ROWS);
    rdl_code rc = ask_text(s, rdl_buf_str(&sql), &scalars, err);
    rdl_buf_fini(&sql);
    if (rc != RDL_OK || scalars == NULL)
        return rc;
    c->type = rdl_arena_strdup(s->a, scalars[0] == 't' ? "MAP(TEXT, TEXT)" : "MAP(TEXT, JSON)");
    doubt(c, "its fields differ from record to record; are they fixed? then write STRUCT(..)");
    return RDL_OK;
}

/* Columns are read by the header's names: one that is empty, or there twice, has none. */
static rdl_code check_header(study *s, guess *c, rdl_err *err)
{
    rdl_buf sql = {0};
    int64_t n = 0;
    if (s->g->format != RDL_FORMAT_CSV || !s->header || s->g->paths.n > 1)
        return RDL_OK;
    rdl_buf_puts(&sql, "SELECT count(*) FROM (SELECT unnest([*COLUMNS(*)]) AS h FROM (SELECT CAST(COLUMNS(*) AS VARCHAR) FROM read_csv(");
    rdl_buf_put_sql_text(&sql, rdl_str_of(s->g->paths.v[0]));
    rdl_buf_printf(&sql, ", header = false, all_varchar = true, delim = '%c', ignore_errors = true%s) LIMIT 1)) WHERE h = ",
                   s->delimiter, s->encoding);
    rdl_buf_put_sql_text(&sql, c->name);
    rdl_code rc = rdl_query_i64(s->conn, rdl_buf_str(&sql), &n, err);
    rdl_buf_fini(&sql);
    if (rc == RDL_OK && n == 0)
        doubt(c, "no header has this name: it is empty, or there twice; columns are read by name");
    return rc;
}

static rdl_code study_columns(study *s, rdl_err *err)
{
    rdl_result *r = NULL;
    const rdl_chunk *chunk;
    RDL_TRY(rdl_queryf(s->conn, &r, err, "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM %s)",
                       s->reader));
    while (rdl_result_next(r, &chunk))
        for (size_t i = 0; i < chunk->rows; i++) {
            rdl_str name = rdl_vector_str(&chunk->v[0], i), type = rdl_vector_str(&chunk->v[1], i);
            guess c = {.name = {rdl_arena_strndup(s->a, name.p, name.n), name.n}};
            choose_type(s, &c, rdl_arena_strndup(s->a, type.p, type.n));
            RDL_PUSH(s->a, &s->columns) = c;
        }
    rdl_result_free(r);
    RDL_TRY(rdl_query_i64(s->conn,
                          rdl_arena_printf(s->a, "SELECT count(*) FROM (SELECT 1 FROM %s LIMIT %d)", s->reader,
                                           SAMPLE_ROWS),
                          &s->rows, err));
    for (size_t i = 0; i < s->columns.n; i++) {
        guess *c = &s->columns.v[i];
        RDL_TRY(check_texts(s, c, err));
        RDL_TRY(check_epoch(s, c, err));
        RDL_TRY(check_kinds(s, c, err));
        RDL_TRY(check_map(s, c, err));
        RDL_TRY(check_header(s, c, err));
        c->time = strcmp(c->type, "TIMESTAMPTZ") == 0;
    }
    return RDL_OK;
}

/* ---- printing ---- */

static void print_head(const study *s, rdl_buf *out)
{
    rdl_buf_printf(out, "-- Inferred from %zu file%s, ", s->g->paths.n, s->g->paths.n == 1 ? "" : "s");
    rdl_put_bytes(out, s->g->bytes);
    rdl_buf_printf(out, "; %" PRId64 " records%s were looked at.  Lines with \"doubt\" need a decision.\n",
                   s->rows, s->rows >= SAMPLE_ROWS ? " of some of them" : "");
    if (s->g->paths.n == 1 && s->g->format != RDL_FORMAT_JSON)
        rdl_buf_puts(out, "-- doubt: a single file; when it is replaced whole, write SNAPSHOT behind the statement.\n");
    if (s->g->mixed && s->g->paths.n > 1)
        rdl_buf_puts(out, "-- doubt: files with other columns lie in the folder too; does FROM name these alone?\n");
    if (strchr(s->g->paths.v[0] + strlen(s->g->dir), '=') != NULL)
        rdl_buf_puts(out, "-- doubt: folders such as name=value are no columns; _source_file holds them.\n");
    if (s->rows == 0)
        rdl_buf_puts(out, "-- doubt: there was no record to look at; the types are not known.\n");
    if (s->encoding[0] != '\0')
        rdl_buf_puts(out, "-- doubt: bytes that are no UTF-8: such records go to quarantine; convert the files first.\n");
    if (!s->header && s->g->format == RDL_FORMAT_CSV)
        rdl_buf_puts(out, "-- doubt: no header was seen; columns go by position and need names.\n");
}

static void print_columns(const study *s, rdl_buf *out)
{
    for (size_t i = 0; i < s->columns.n; i++) {
        const guess *c = &s->columns.v[i];
        rdl_buf_puts(out, "  ");
        rdl_buf_put_sql_ident(out, c->name);
        rdl_buf_printf(out, " %s%s", c->type, i + 1 < s->columns.n ? "," : "");
        if (c->doubt.n > 0)
            rdl_buf_printf(out, "  -- doubt: %s", rdl_buf_str(&c->doubt));
        rdl_buf_putc(out, '\n');
    }
}

static bool any_packed(const rdl_found_group *g)
{
    for (size_t i = 0; i < g->paths.n; i++)
        if (!rdl_str_ends(rdl_str_of(g->paths.v[i]), g->suffix))
            return true;
    return false;
}

static void print_from(const study *s, rdl_buf *out)
{
    static const char *const formats[] = {"JSON", "CSV", "PARQUET"};
    const rdl_found_group *g = s->g;
    rdl_buf url = {0};
    if (g->paths.n == 1)
        rdl_buf_puts(&url, g->paths.v[0]);
    else if (g->mixed)
        rdl_buf_printf(&url, "%.*s*%s", (int)rdl_found_prefix(g), g->paths.v[0], g->suffix);
    else
        rdl_buf_printf(&url, "%s/%s%s%s", g->dir, g->several ? "**/*" : "", g->several ? g->suffix : "",
                       g->several && any_packed(g) ? "*" : "");
    rdl_buf_puts(out, ") FROM ");
    rdl_buf_put_sql_text(out, (rdl_str){url.p, url.n});
    rdl_buf_printf(out, " FORMAT %s", formats[g->format]);
    rdl_buf_fini(&url);
    if (g->format == RDL_FORMAT_CSV && (s->delimiter != ',' || !s->header)) {
        rdl_buf_puts(out, "\n  OPTIONS (");
        if (s->delimiter != ',')
            rdl_buf_printf(out, "delimiter = '%s'%s", s->delimiter == '\t' ? "\\t" : (char[]){s->delimiter, 0},
                           s->header ? "" : ", ");
        rdl_buf_printf(out, "%s)", s->header ? "" : "header = 'false'");
    }
    for (size_t i = 0; i < s->columns.n; i++) {
        if (!s->columns.v[i].time)
            continue;
        rdl_buf_puts(out, "\n  WATERMARK ");
        rdl_buf_put_sql_ident(out, s->columns.v[i].name);
        rdl_buf_puts(out, " DELAY OF INTERVAL 1 HOUR  -- doubt: is this the event time, and how late do rows come?");
        break;
    }
    rdl_buf_puts(out, "\n  ON MALFORMED QUARANTINE;\n");
}

static rdl_code look(study *s, rdl_err *err)
{
    RDL_TRY(study_files(s, err));
    return study_columns(s, err);
}

static void forget(study *s)
{
    for (size_t i = 0; i < s->columns.n; i++)
        rdl_buf_fini(&s->columns.v[i].doubt);
    s->columns.n = 0;
}

rdl_code rdl_discover_print(rdl_conn *conn, rdl_arena *a, const rdl_found_group *g, rdl_buf *out,
                            rdl_err *err)
{
    study s = {.conn = conn, .a = a, .g = g, .header = true, .delimiter = ',', .encoding = ""};
    rdl_code rc = look(&s, err);
    if (rc != RDL_OK && g->format == RDL_FORMAT_CSV) {
        /* Any bytes are letters of Latin-1: enough to see columns. */
        rdl_err again = {0};
        forget(&s);
        s.encoding = ", encoding = 'latin-1'";
        if (look(&s, &again) == RDL_OK && s.rows > 0)
            rc = RDL_OK;
    }
    if (rc == RDL_OK) {
        print_head(&s, out);
        rdl_buf_puts(out, "CREATE SOURCE ");
        rdl_buf_put_sql_ident(out, rdl_str_of(g->name));
        rdl_buf_puts(out, " (\n");
        print_columns(&s, out);
        print_from(&s, out);
    }
    forget(&s);
    return rc;
}
