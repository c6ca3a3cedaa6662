/*
 * lang/system_tables.h - the tables raudal.*: what the platform says of itself, as SQL.
 *
 * `raudal sql` and the conditions of alerts read them beside the pipeline's own tables.  Their
 * columns stand here once: the binder checks alerts against them, ops/system.c fills them, and the
 * reference (`raudal help tables`) prints them.
 *
 * Thread: any; the lists are constant.
 */
#ifndef RDL_LANG_SYSTEM_TABLES_H
#define RDL_LANG_SYSTEM_TABLES_H

#include "duck/duck.h"

typedef enum rdl_system_table_id {
    RDL_SYSTEM_EPOCHS,
    RDL_SYSTEM_LEDGER,
    RDL_SYSTEM_TABLES,
    RDL_SYSTEM_COLUMNS,
    RDL_SYSTEM_LINEAGE,
    RDL_SYSTEM_SCHEDULES,
    RDL_SYSTEM_PUBLICATIONS,
    RDL_SYSTEM_QUARANTINE,
    RDL_SYSTEM_RUNS,
    RDL_SYSTEM_REPORTS,
    RDL_SYSTEM_ALERTS,
    RDL_SYSTEM_GRANTS,
    RDL_SYSTEM_TABLE_COUNT,
} rdl_system_table_id;

typedef struct rdl_system_column {
    const char *name, *type, *meaning;
} rdl_system_column;

typedef struct rdl_system_table {
    const char *name, *meaning; /* name without its schema */
    const rdl_system_column *columns;
    size_t column_count;
} rdl_system_table;

extern const rdl_system_table rdl_system_tables[RDL_SYSTEM_TABLE_COUNT];

/* CREATE the empty table raudal.<name>, its schema too, in the connection's database. */
RDL_MUST rdl_code rdl_system_table_create(rdl_conn *conn, rdl_system_table_id id, rdl_err *err);
/* Does the text name raudal.<name>?  Quotes and case do not matter; too often is fine. */
bool rdl_system_table_named(rdl_str sql, rdl_system_table_id id);
/* As Markdown. */
void rdl_system_tables_print_reference(rdl_buf *out);

#endif
