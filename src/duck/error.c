/*
 * duck/error.c - DuckDB's errors as ours.
 *
 * With errors_as_json a failure's text is one JSON object, sometimes behind "Parser Error:
 * ":
 *   {"exception_type":"Binder","exception_message":"...","position":"7","candidates":"a,b",
 *    "error_subtype":"COLUMN_NOT_FOUND","name":"idd"}
 * Every value is a string and all but the first two may be missing.  Wording as of 1.5.6;
 * tests/unit/duck_test.c fails when another version says it otherwise.
 */
#include "duck/handles.h"

#include <ctype.h>
#include <jansson.h>

static const struct {
    const char *type;
    duckdb_error_type id;
    rdl_code code;
} kinds[] = {
    {"Parser", DUCKDB_ERROR_PARSER, RDL_EUSAGE},
    {"Binder", DUCKDB_ERROR_BINDER, RDL_EUSAGE},
    {"Catalog", DUCKDB_ERROR_CATALOG, RDL_EUSAGE},
    {"Syntax", DUCKDB_ERROR_SYNTAX, RDL_EUSAGE},
    {"Planner", DUCKDB_ERROR_PLANNER, RDL_EUSAGE},
    {"Not implemented", DUCKDB_ERROR_NOT_IMPLEMENTED, RDL_EUSAGE},
    {"Expression", DUCKDB_ERROR_EXPRESSION, RDL_EUSAGE},
    {"Settings", DUCKDB_ERROR_SETTINGS, RDL_EUSAGE},
    {"Dependency", DUCKDB_ERROR_DEPENDENCY, RDL_EUSAGE},
    {"Permission", DUCKDB_ERROR_PERMISSION, RDL_EUSAGE},
    {"Missing Extension", DUCKDB_ERROR_MISSING_EXTENSION, RDL_EUSAGE},
    {"Extension Autoloading", DUCKDB_ERROR_AUTOLOAD, RDL_EUSAGE},
    {"Parameter Not Resolved", DUCKDB_ERROR_PARAMETER_NOT_RESOLVED, RDL_EUSAGE},
    {"Parameter Not Allowed", DUCKDB_ERROR_PARAMETER_NOT_ALLOWED, RDL_EUSAGE},
    {"Invalid Configuration", DUCKDB_INVALID_CONFIGURATION, RDL_EUSAGE},
    {"Conversion", DUCKDB_ERROR_CONVERSION, RDL_EDATA},
    {"Out of Range", DUCKDB_ERROR_OUT_OF_RANGE, RDL_EDATA},
    {"Invalid Input", DUCKDB_ERROR_INVALID_INPUT, RDL_EDATA},
    {"Invalid", DUCKDB_ERROR_INVALID, RDL_EDATA},
    {"Invalid type", DUCKDB_ERROR_INVALID_TYPE, RDL_EDATA},
    {"Mismatch Type", DUCKDB_ERROR_MISMATCH_TYPE, RDL_EDATA},
    {"Unknown Type", DUCKDB_ERROR_UNKNOWN_TYPE, RDL_EDATA},
    {"Decimal", DUCKDB_ERROR_DECIMAL, RDL_EDATA},
    {"Divide by Zero", DUCKDB_ERROR_DIVIDE_BY_ZERO, RDL_EDATA},
    {"Constraint", DUCKDB_ERROR_CONSTRAINT, RDL_EDATA},
    {"Sequence", DUCKDB_ERROR_SEQUENCE, RDL_EDATA},
    {"Serialization", DUCKDB_ERROR_SERIALIZATION, RDL_EDATA},
    {"Object Size", DUCKDB_ERROR_OBJECT_SIZE, RDL_ELIMIT},
    {"Out of Memory", DUCKDB_ERROR_OUT_OF_MEMORY, RDL_ELIMIT},
    {"TransactionContext", DUCKDB_ERROR_TRANSACTION, RDL_ECONFLICT},
    {"IO", DUCKDB_ERROR_IO, RDL_EIO},
    {"HTTP", DUCKDB_ERROR_HTTP, RDL_ENET},
    {"INTERRUPT", DUCKDB_ERROR_INTERRUPT, RDL_ESTOP},
    {"INTERNAL", DUCKDB_ERROR_INTERNAL, RDL_EBUG},
    {"FATAL", DUCKDB_ERROR_FATAL, RDL_EBUG},
};

static rdl_code code_of(const char *type, duckdb_error_type fallback)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (type != NULL ? strcmp(kinds[i].type, type) == 0 : kinds[i].id == fallback)
            return kinds[i].code;
    return RDL_EDATA;
}

/* Parts that we say ourselves (caret, candidates) or that help nobody. */
static size_t message_end(const char *m)
{
    static const char *const tails[] = {
        "\n\nLINE ",
        "\nLINE ",
        "LINE 1:",
        "\nDid you mean",
        "\nCandidate",
        "\n\tCandidate",
        "\n\nStack Trace",
        "\nCandidate bindings",
        "\n\nInstall it first",
    };
    size_t end = strlen(m);
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        const char *at = strstr(m, tails[i]);
        if (at != NULL && (size_t)(at - m) < end)
            end = (size_t)(at - m);
    }
    while (end > 0 && strchr(" \t\n.!;", m[end - 1]) != NULL)
        end--;
    return end;
}

/* Our form of a message: lower case at the start unless it is a name in capitals, one line.
 */
static void put_message(rdl_buf *out, const char *m)
{
    size_t end = message_end(m);
    bool space = false;
    for (size_t i = 0; i < end; i++) {
        char c = m[i];
        if (c == '\n' || c == '\t' || c == ' ') {
            space = true;
            continue;
        }
        if (space && out->n != 0)
            rdl_buf_putc(out, ' ');
        space = false;
        bool word = i == 0 && end > 1 && islower((unsigned char)m[1]);
        rdl_buf_putc(out, word ? (char)tolower((unsigned char)c) : c);
    }
}

static rdl_str next_candidate(const char **at)
{
    const char *from = *at, *comma = strchr(from, ',');
    rdl_str s = {from, comma != NULL ? (size_t)(comma - from) : strlen(from)};
    *at = comma != NULL ? comma + 1 : from + s.n;
    return s;
}

/* A column candidate may be qualified; people misspell the last part. */
static rdl_str last_part(rdl_str s)
{
    for (size_t i = s.n; i > 0; i--)
        if (s.p[i - 1] == '.')
            return (rdl_str){s.p + i, s.n - i};
    return s;
}

/* DuckDB names a few that are near, not all; its own catalog is no help. */
static void hint_names(rdl_err *err, const char *candidates)
{
    rdl_buf list = {0};
    for (const char *at = candidates; *at != '\0';) {
        rdl_str c = next_candidate(&at);
        if (c.n > 3 && memcmp(c.p, "pg_", 3) == 0)
            continue;
        rdl_buf_puts(&list, list.n > 0 ? ", " : "");
        rdl_buf_put(&list, c.p, c.n);
    }
    if (list.n > 0)
        rdl_err_hint(err, "The nearest names there: %s.", rdl_buf_str(&list));
    rdl_buf_fini(&list);
}

static void hint_candidates(rdl_err *err, const char *candidates, const char *name, bool overloads)
{
    if (overloads) {
        rdl_buf list = {0};
        for (const char *p = candidates; *p != '\0'; p++) {
            bool next = *p == ',' && p > candidates && p[1] != ' ';
            rdl_buf_puts(&list, next ? "; " : (char[]){*p, '\0'});
        }
        rdl_err_hint(err, "It takes %s.", rdl_buf_str(&list));
        rdl_buf_fini(&list);
        return;
    }
    rdl_str wanted = rdl_str_of(name), best = {NULL, 0};
    unsigned limit = wanted.n / 3 > 2 ? (unsigned)(wanted.n / 3) : 2, least = limit + 1;
    for (const char *at = candidates; *at != '\0';) {
        rdl_str c = next_candidate(&at);
        unsigned d = rdl_edit_distance(last_part(wanted), last_part(c), limit);
        if (d < least || best.p == NULL) {
            best = c;
            least = d < least ? d : least;
        }
    }
    if (least <= limit)
        rdl_err_hint(err, "Did you mean \"%.*s\"?", (int)best.n, best.p);
    else
        hint_names(err, candidates);
}

static uint32_t column_of(const char *position)
{
    uint64_t at = 0;
    if (position == NULL || *position == '\0')
        return 0;
    for (const char *p = position; isdigit((unsigned char)*p) && at < UINT32_MAX; p++)
        at = at * 10 + (uint64_t)(*p - '0');
    return at >= UINT32_MAX ? 0 : (uint32_t)at + 1;
}

static const char *field(const json_t *doc, const char *name)
{
    return json_string_value(json_object_get(doc, name));
}

static json_t *parse_error(const char *text)
{
    const char *at = strchr(text, '{');
    json_t *doc = at != NULL ? json_loads(at, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
    if (doc != NULL && field(doc, "exception_message") == NULL) {
        json_decref(doc);
        doc = NULL;
    }
    return doc;
}

/* What the system said through DuckDB: a full disk is the store's affair, whoever was writing. */
static void hint_system(rdl_err *err)
{
    if (strstr(err->msg, "No space left on device") != NULL ||
        strstr(err->msg, "Disk quota exceeded") != NULL) {
        err->area = RDL_AREA_STORE;
        rdl_err_hint(err, "Free space on that file system, then start again.");
    } else if (strstr(err->msg, "Permission denied") != NULL) {
        rdl_err_hint(err, "Check who may read and write it.");
    } else if (strstr(err->msg, "Read-only file system") != NULL) {
        rdl_err_hint(err, "The file system is mounted read-only.");
    }
}

rdl_code rdl_duck_error(rdl_err *err, const char *text, duckdb_error_type fallback)
{
    rdl_buf message = {0};
    if (text == NULL)
        text = "no reason was given";
    json_t *doc = parse_error(text);
    const char *said = doc != NULL ? field(doc, "exception_message") : text;
    rdl_code code = code_of(doc != NULL ? field(doc, "exception_type") : NULL, fallback);

    put_message(&message, said);
    if (code == RDL_ESTOP)
        rdl_err_set(err, code, 0, "the query was interrupted");
    else
        rdl_err_set(err, code, 0, "%s", rdl_buf_str(&message));
    rdl_buf_fini(&message);
    hint_system(err);
    err->line = 0;
    err->col = 0;
    if (doc != NULL) {
        const char *candidates = field(doc, "candidates"), *name = field(doc, "name");
        const char *subtype = field(doc, "error_subtype");
        bool overloads = subtype != NULL && strcmp(subtype, "NO_MATCHING_FUNCTION") == 0;
        err->col = column_of(field(doc, "position"));
        if (candidates != NULL && *candidates != '\0')
            hint_candidates(err, candidates, name != NULL ? name : "", overloads);
    }
    json_decref(doc);
    return code;
}
