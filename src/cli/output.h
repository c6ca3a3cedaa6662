/*
 * cli/output.h - rows to stdout as table, csv, json or jsonl.
 *
 *   csv    a header line, then RFC 4180 quoting; lines end in LF; NULL is empty, an empty
 *          text ""
 *   json   an array of objects, one object a line; jsonl: the objects alone.  Numbers and
 *          nested values as JSON, times as ISO 8601 text
 *   table  columns aligned by display width, numbers to the right, NULL shown; cut to the
 *          terminal's width on a terminal.  Widths are those of the first rows (TABLE_ROWS)
 *
 * Thread: main.
 */
#ifndef RDL_CLI_OUTPUT_H
#define RDL_CLI_OUTPUT_H

#include "cli/cli.h"
#include "duck/duck.h"

typedef enum rdl_output_format {
    RDL_OUTPUT_TABLE,
    RDL_OUTPUT_CSV,
    RDL_OUTPUT_JSON,
    RDL_OUTPUT_JSONL,
} rdl_output_format;

typedef enum rdl_cell_kind {
    RDL_CELL_NULL,
    RDL_CELL_TEXT,
    RDL_CELL_NUMBER, /* the text is one: as it is in JSON, to the right in a table */
    RDL_CELL_JSON,   /* the text is JSON: as it is in JSON, as text elsewhere */
} rdl_cell_kind;

typedef struct rdl_cell {
    rdl_cell_kind kind;
    rdl_str text;
} rdl_cell;

typedef struct rdl_output rdl_output;

/* --format and --json; fallback when neither is given. */
RDL_MUST rdl_code rdl_output_choose(const rdl_cli *cli, rdl_output_format fallback,
                                    rdl_output_format *out, rdl_err *err);
/* names are copied. */
rdl_output *rdl_output_new(rdl_output_format format, const char *const *names, size_t n);
void rdl_output_null(rdl_output *o, const char *text); /* how a table shows null; else NULL */
void rdl_output_row(rdl_output *o, const rdl_cell *cells);
/* Writes what is left and frees o; fails when stdout could not be written. */
RDL_MUST rdl_code rdl_output_finish(rdl_output *o, rdl_err *err);
void rdl_output_drop(rdl_output *o); /* after an error: frees, writes nothing more */

/* All rows of a result. */
RDL_MUST rdl_code rdl_output_result(rdl_output_format format, rdl_result *r, uint64_t *out_rows,
                                    rdl_err *err);

/* Building a row: texts are kept until the row is given. */
typedef struct rdl_row {
    rdl_arena *arena;
    rdl_cell cells[24];
    size_t n;
} rdl_row;
void rdl_row_begin(rdl_row *r, rdl_arena *a);
void rdl_row_text(rdl_row *r, const char *text); /* NULL is null */
void rdl_row_str(rdl_row *r, rdl_str text);
void rdl_row_u64(rdl_row *r, uint64_t x);
void rdl_row_i64(rdl_row *r, int64_t x);
void rdl_row_seconds(rdl_row *r, double x); /* 3 decimals */
void rdl_row_time(rdl_row *r, int64_t us);  /* ISO; INT64_MIN is null */
void rdl_row_null(rdl_row *r);

#endif
