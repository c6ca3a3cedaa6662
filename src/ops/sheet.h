/*
 * ops/sheet.h - rows put into a raudal.* table, one value after the other.
 *
 * Thread: the reader's.
 */
#ifndef RDL_OPS_SHEET_H
#define RDL_OPS_SHEET_H

#include "lang/system_tables.h"

typedef struct rdl_sheet {
    rdl_appender *appender;
    const rdl_system_table *table;
    size_t at; /* column that comes next */
    rdl_code rc;
    rdl_err *err;
} rdl_sheet;

/* Makes the empty table. */
RDL_MUST rdl_code rdl_sheet_open(rdl_conn *conn, rdl_system_table_id id, rdl_sheet *out,
                                 rdl_err *err);
/* After the last value of a row the next row begins.  A failure is kept for close. */
void rdl_sheet_null(rdl_sheet *s);
void rdl_sheet_str(rdl_sheet *s, rdl_str v);      /* p NULL: null */
void rdl_sheet_text(rdl_sheet *s, const char *v); /* NULL: null */
void rdl_sheet_i64(rdl_sheet *s, int64_t v);
void rdl_sheet_u64(rdl_sheet *s, uint64_t v);
void rdl_sheet_bool(rdl_sheet *s, bool v);
void rdl_sheet_time(rdl_sheet *s, int64_t us);    /* INT64_MIN, INT64_MAX: null */
void rdl_sheet_seconds(rdl_sheet *s, int64_t us); /* INT64_MIN: null */
RDL_MUST rdl_code rdl_sheet_close(rdl_sheet *s);

#endif
