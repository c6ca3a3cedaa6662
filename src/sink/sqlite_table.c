/*
 * sink/sqlite_table.c - what a published table looks like in SQLite, and whether one that is
 * there fits.
 *
 * TYPES, as columns are declared and values are bound
 *
 *   BOOLEAN, INTEGER, BIGINT
 *                 INTEGER (0 and 1)
 *   DOUBLE        REAL; NaN, which SQLite has not, as the text 'nan'
 *   DECIMAL(p,s)  DECIMAL(p,s), which has NUMERIC affinity: a number where 15 digits do
 *                 (sqlite_decimal.c)
 *   DATE          TEXT YYYY-MM-DD
 *   TIMESTAMPTZ   TEXT YYYY-MM-DD HH:MM:SS[.f]+00:00, 1 to 6 decimals, UTC: sorts by time
 *                 ('+' is before '.' and digits), and SQLite's date functions read it
 *   TEXT, JSON    TEXT
 *   BLOB          BLOB
 *   LIST, MAP, STRUCT
 *                 TEXT, as JSON
 *
 * A table has PRIMARY KEY (partition key, clustering key), DESC where the pipeline says
 * so, and is WITHOUT ROWID unless it has wide columns.
 */
#include "sink/sqlite_internal.h"

/* ---- what a table is declared as ---- */

static void put_type(rdl_buf *b, const rdl_type *t)
{
    switch (t->kind) {
    case RDL_TYPE_BOOLEAN:
    case RDL_TYPE_INTEGER:
    case RDL_TYPE_BIGINT:
        rdl_buf_puts(b, "INTEGER");
        break;
    case RDL_TYPE_DOUBLE:
        rdl_buf_puts(b, "REAL");
        break;
    case RDL_TYPE_DECIMAL:
        rdl_buf_printf(b, "DECIMAL(%u,%u)", t->precision, t->scale);
        break;
    case RDL_TYPE_BLOB:
        rdl_buf_puts(b, "BLOB");
        break;
    default:
        rdl_buf_puts(b, "TEXT");
        break;
    }
}

typedef enum affinity {
    AFFINITY_BLOB,
    AFFINITY_TEXT,
    AFFINITY_NUMERIC,
    AFFINITY_INTEGER,
    AFFINITY_REAL,
} affinity;

static const char *const affinity_names[] = {"BLOB", "TEXT", "NUMERIC", "INTEGER", "REAL"};

static bool contains(const char *text, const char *word)
{
    return sqlite3_strlike(word, text, 0) == 0;
}

/* SQLite's own rules, in its order ("Determination Of Column Affinity"). */
static affinity affinity_of(const char *declared)
{
    if (declared == NULL || declared[0] == '\0')
        return AFFINITY_BLOB;
    if (contains(declared, "%INT%"))
        return AFFINITY_INTEGER;
    if (contains(declared, "%CHAR%") || contains(declared, "%CLOB%") ||
        contains(declared, "%TEXT%"))
        return AFFINITY_TEXT;
    if (contains(declared, "%BLOB%"))
        return AFFINITY_BLOB;
    if (contains(declared, "%REAL%") || contains(declared, "%FLOA%") ||
        contains(declared, "%DOUB%"))
        return AFFINITY_REAL;
    return AFFINITY_NUMERIC;
}

/* A column without affinity keeps what it is given; NUMERIC keeps whole numbers and
 * decimals. */
static bool affinity_fits(affinity wanted, affinity found)
{
    if (wanted == found || (found == AFFINITY_BLOB && wanted != AFFINITY_BLOB))
        return true;
    return wanted == AFFINITY_INTEGER && found == AFFINITY_NUMERIC;
}

/* Rows of a WITHOUT ROWID table live in the index's inner pages too: only for narrow rows.
 */
static bool is_narrow(const rdl_sink_table *t)
{
    for (size_t i = 0; i < t->columns.n; i++) {
        rdl_type_kind k = t->columns.v[i].type->kind;
        if (k == RDL_TYPE_BLOB || k == RDL_TYPE_JSON || k >= RDL_TYPE_LIST)
            return false;
    }
    return t->columns.n <= 24;
}

void rdl_sqlite_put_create(rdl_buf *b, const rdl_sink_table *t)
{
    rdl_buf_puts(b, "CREATE TABLE ");
    rdl_buf_put_sql_ident(b, rdl_str_of(t->name));
    rdl_buf_puts(b, " (");
    for (size_t i = 0; i < t->columns.n; i++) {
        rdl_buf_put_sql_ident(b, t->columns.v[i].name);
        rdl_buf_putc(b, ' ');
        put_type(b, t->columns.v[i].type);
        rdl_buf_puts(b, rdl_sink_is_key(t, i) ? " NOT NULL, " : ", ");
    }
    rdl_buf_puts(b, "PRIMARY KEY (");
    for (size_t i = 0; i < t->key_count; i++) {
        rdl_buf_puts(b, i != 0 ? ", " : "");
        rdl_buf_put_sql_ident(b, t->columns.v[t->key[i]].name);
        rdl_buf_puts(b, t->descending != NULL && t->descending[i] ? " DESC" : "");
    }
    rdl_buf_puts(b, is_narrow(t) ? ")) WITHOUT ROWID" : "))");
}

/* ---- does what is there fit ---- */

typedef struct fit {
    const rdl_sink_table *table;
    bool *seen;       /* by column */
    size_t *key;      /* found: column of key part i; key_found of them */
    size_t key_found; /* parts of the store's key */
    bool key_differs;
    bool text_decimals; /* decimals as an earlier version made them */
    rdl_buf wrong; /* what does not fit, separated by "; " */
} fit;

static void fit_column(fit *f, const char *name, const char *declared, bool not_null, int pk)
{
    const rdl_sink_table *t = f->table;
    rdl_buf wanted = {0};
    int at = rdl_schema_find(&t->columns, rdl_str_of(name));
    if (pk > 0) {
        f->key_found++;
        f->key_differs |= (size_t)pk > t->key_count || at < 0 || t->key[pk - 1] != (size_t)at;
    }
    if (at < 0) {
        rdl_sink_misfit(&f->wrong, "column \"%s\" is there but not in the pipeline", name);
        return;
    }
    f->seen[at] = true;
    const rdl_type *type = t->columns.v[at].type;
    put_type(&wanted, type);
    affinity w = affinity_of(rdl_buf_str(&wanted)), is = affinity_of(declared);
    if (type->kind == RDL_TYPE_DECIMAL && type->precision > RDL_SQLITE_DOUBLE_DIGITS &&
        is == AFFINITY_TEXT)
        f->text_decimals = true;
    else if (!affinity_fits(w, is))
        rdl_sink_misfit(&f->wrong, "column \"%s\" is of type \"%s\" (%s affinity), not %s", name,
                        declared, affinity_names[is], rdl_buf_str(&wanted));
    if (not_null && !rdl_sink_is_key(t, (size_t)at))
        rdl_sink_misfit(&f->wrong, "column \"%s\" is NOT NULL there", name);
    rdl_buf_fini(&wanted);
}

static void fit_key(fit *f)
{
    const rdl_sink_table *t = f->table;
    rdl_buf key = {0};
    if (f->key_found == t->key_count && !f->key_differs)
        return;
    for (size_t i = 0; i < t->key_count; i++)
        rdl_buf_printf(&key, "%s%.*s", i != 0 ? ", " : "", (int)t->columns.v[t->key[i]].name.n,
                       t->columns.v[t->key[i]].name.p);
    rdl_sink_misfit(&f->wrong, "its primary key is %s, not (%s)",
                    f->key_found == 0 ? "missing" : "another one", rdl_buf_str(&key));
    rdl_buf_fini(&key);
}

rdl_code rdl_sqlite_check_fit(rdl_sqlite *s, const rdl_sink_table *t, bool *out_text_decimals,
                              rdl_err *err)
{
    rdl_arena a;
    sqlite3_stmt *st = NULL;
    rdl_code rc = RDL_OK;
    int step = SQLITE_DONE;
    rdl_arena_init(&a, 0);
    fit f = {.table = t, .seen = RDL_NEWN(&a, bool, t->columns.n)};
    RDL_TRY_OUT(rdl_sqlite_prepare(s,
                                   "SELECT name, type, \"notnull\", pk FROM pragma_table_xinfo(?1)",
                                   &st, "read the columns", err));
    rdl_sqlite_bind_text(st, 1, t->name);
    while ((step = sqlite3_step(st)) == SQLITE_ROW)
        fit_column(&f, (const char *)sqlite3_column_text(st, 0),
                   (const char *)sqlite3_column_text(st, 1), sqlite3_column_int(st, 2) != 0,
                   sqlite3_column_int(st, 3));
    if (step != SQLITE_DONE) {
        rc = rdl_sqlite_fail(s, s->db, err, "read the columns of table \"%s\"", t->name);
        goto out;
    }
    for (size_t i = 0; i < t->columns.n; i++)
        if (!f.seen[i])
            rdl_sink_misfit(&f.wrong, "column \"%.*s\" is missing", (int)t->columns.v[i].name.n,
                            t->columns.v[i].name.p);
    fit_key(&f);
    if (out_text_decimals != NULL)
        *out_text_decimals = f.text_decimals;
    else if (f.text_decimals)
        rdl_sink_misfit(&f.wrong, "decimals of more than 15 digits are TEXT there");
    if (f.wrong.n != 0) {
        rdl_err_set(err, RDL_ESCHEMA, 0, "cannot publish to table \"%s\" of \"%s\": %s", t->name,
                    s->path, rdl_buf_str(&f.wrong));
        rdl_err_hint(err, "Publish under another name (PUBLISH ... AS name), or drop the table "
                          "there: it is made again and filled from the lake.");
        rc = rdl_err_area(RDL_ESCHEMA, err, RDL_AREA_SINK);
    }
out:
    sqlite3_finalize(st);
    rdl_buf_fini(&f.wrong);
    rdl_arena_fini(&a);
    return rc;
}
