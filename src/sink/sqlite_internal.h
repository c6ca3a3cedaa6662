/*
 * sink/sqlite_internal.h - what the files of the SQLite sink share: sqlite.c (opening,
 * ownership, progress, transactions), sqlite_table.c (types, and whether a table fits),
 * sqlite_rows.c (values in and out), sqlite_decimal.c (decimals among them), sqlite_query.c
 * (users' queries).
 *
 * Thread: one at a time for a sink.
 */
#ifndef RDL_SINK_SQLITE_INTERNAL_H
#define RDL_SINK_SQLITE_INTERNAL_H

#include <sqlite3.h>

#include "sink/sink.h"
#include "sink/text_value.h"

enum { RDL_SQLITE_DOUBLE_DIGITS = 15 }; /* a decimal of so many digits fits in a double */

typedef struct rdl_sqlite {
    rdl_sink sink; /* first */
    sqlite3 *db;   /* NULL: read-only and there is no file */
    rdl_arena arena;
    char *path, *root_uuid;
    bool adopt, read_only;
    int busy_timeout_ms;

    bool in_transaction;
    const rdl_sink_table *table;   /* of the open begin */
    sqlite3_stmt *upsert, *remove; /* made when first needed */
    rdl_buf text;                  /* a value being printed */
} rdl_sqlite;

static inline rdl_sqlite *rdl_sqlite_of(rdl_sink *s)
{
    return (rdl_sqlite *)(void *)s;
}

/* could not <what> in SQLite database "<path>": <SQLite's reason>; code and hint by its
 * code. */
rdl_code rdl_sqlite_fail(const rdl_sqlite *s, sqlite3 *db, rdl_err *err, const char *fmt, ...)
    RDL_PRINTF(4, 5);
RDL_MUST rdl_code rdl_sqlite_prepare(rdl_sqlite *s, const char *sql, sqlite3_stmt **out,
                                     const char *what, rdl_err *err);
RDL_MUST rdl_code rdl_sqlite_has_table(rdl_sqlite *s, const char *name, bool *out, rdl_err *err);

static inline void rdl_sqlite_bind_text(sqlite3_stmt *st, int at, const char *text)
{
    sqlite3_bind_text(st, at, text, -1, SQLITE_TRANSIENT);
}

/* CREATE TABLE with the types, key and order that the pipeline says. */
void rdl_sqlite_put_create(rdl_buf *b, const rdl_sink_table *t);
/*
 * RDL_ESCHEMA with all that does not fit: a column, its type, NOT NULL, the key.
 * out_text_decimals, unless NULL: it fits but for decimals that an earlier version made TEXT,
 * which can be read and not written.
 */
RDL_MUST rdl_code rdl_sqlite_check_fit(rdl_sqlite *s, const rdl_sink_table *t,
                                       bool *out_text_decimals, rdl_err *err);

/* SQLite's code of the binding. */
int rdl_sqlite_bind_decimal(rdl_sqlite *s, sqlite3_stmt *st, int at, const rdl_vector *v, size_t row);
/* False when the cell does not hold what we write. */
bool rdl_sqlite_read_decimal(sqlite3_stmt *st, int at, rdl_vector *v, size_t row,
                             rdl_text_slot *slot);
/* The digits of a cell that is text or bytes; until the next step. */
rdl_str rdl_sqlite_decimal_digits(sqlite3_stmt *st, int at);

RDL_MUST rdl_code rdl_sqlite_upsert(rdl_sink *sink, const rdl_chunk *rows, rdl_err *err);
RDL_MUST rdl_code rdl_sqlite_remove(rdl_sink *sink, const rdl_chunk *keys, rdl_err *err);
RDL_MUST rdl_code rdl_sqlite_scan(rdl_sink *sink, const rdl_sink_table *t,
                                  rdl_code (*visit)(void *arg, const rdl_chunk *rows, rdl_err *err),
                                  void *arg, rdl_err *err);
RDL_MUST rdl_code rdl_sqlite_query(rdl_sink *sink, const char *text, const char *const *names,
                                   const char *const *values, size_t parameter_count,
                                   rdl_code (*columns)(void *arg, size_t n,
                                                       const char *const *names, rdl_err *err),
                                   rdl_code (*row)(void *arg, size_t n, const rdl_str *values,
                                                   const bool *numeric, rdl_err *err),
                                   void *arg, rdl_err *err);

#endif
