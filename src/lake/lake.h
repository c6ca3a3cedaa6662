/*
 * lake/lake.h - every table is a Delta table: Parquet in Hive-style folders and `_delta_log`.
 *
 * Protocol reader 1, writer 2.  A commit is a JSON file published by put-if-absent, so two
 * writers cannot both own a version; `txn {appId = root UUID, version = epoch}` in it makes a
 * commit happen once.
 *
 * INVARIANTS
 *   L1  Data files and new folders are synced before the log entry that names them is linked.
 *   L2  _delta_log/<version>.json appears by link(2) of a synced temporary: whole or not at all.
 *   L3  A data file's name holds the root, the epoch and a number (part-<root8>-<epoch>-<n>.parquet),
 *       so that orphans of a crash are known by name and removed by rdl_lake_sweep.
 *   L4  A table that needs a protocol or feature we lack is refused by the feature's name.
 *   L5  A log entry that cannot be read, a gap in versions, a file that is named and absent:
 *       RDL_EDATA (area STORE) with path and remedy; never skipped.
 *
 * Partition values are written as Delta wants them (dates YYYY-MM-DD, null as null), folder names
 * percent-encoded as Spark does (__HIVE_DEFAULT_PARTITION__ for null).  Partition columns are not
 * in the data files.  Statistics (numRecords, minValues, maxValues, nullCount) come from COPY ...
 * RETURN_STATS; strings are cut at 32 characters as Delta allows.
 *
 * Thread: any; one commit at a time per table.
 */
#ifndef RDL_LAKE_LAKE_H
#define RDL_LAKE_LAKE_H

#include "duck/duck.h"

typedef struct rdl_lake_file {
    const char *path;            /* relative to the table, decoded */
    uint64_t bytes, rows;        /* rows: UINT64_MAX when not known */
    int64_t mtime_ms;
    const char **partition;      /* by partition column; NULL is null */
    const char *stats;           /* JSON text or NULL */
    const char *columns;         /* hash of the columns it was written with; NULL: another's */
    bool data_change;
} rdl_lake_file;

typedef struct rdl_lake_snapshot {
    int64_t version;             /* -1: no such table yet */
    int64_t timestamp_us;        /* of the newest commit */
    rdl_schema schema;           /* all columns, hidden identity ones included */
    rdl_str *partition_columns;
    size_t partition_count;
    rdl_lake_file *files;        /* sorted by path */
    size_t file_count;
    uint64_t rows, bytes;        /* rows of files whose count is known */
    int64_t txn_version;         /* of our appId; -1: none */
    const char *txn_app_id;      /* of the newest txn of whatever root; NULL: none */
    const char *table_id;        /* Delta's metaData.id */
} rdl_lake_snapshot;

/* version -1: newest; else as of that version (RDL_EUSAGE when it never was or is cleaned). */
RDL_MUST rdl_code rdl_lake_load(rdl_arena *a, const char *dir, const char *app_id, int64_t version,
                                rdl_lake_snapshot *out, rdl_err *err);
/* The newest version and our txn's version in it, -1 where there is none: as rdl_lake_load says, at
 * the price of the newest commit. */
RDL_MUST rdl_code rdl_lake_shown(const char *dir, const char *app_id, int64_t *out_version,
                                 int64_t *out_txn, rdl_err *err);
/* The newest version committed at or before the time. */
RDL_MUST rdl_code rdl_lake_version_at(const char *dir, int64_t at_us, int64_t *out_version,
                                      rdl_err *err);
/*
 * A SELECT that reads the snapshot: all schema columns with their types, partition columns
 * typed from the log's values, columns that older files lack as NULL.  An empty table gives
 * no rows but has the columns.  A file that is absent or of another size is RDL_EDATA.
 */
RDL_MUST rdl_code rdl_lake_select(rdl_arena *a, const char *dir, const rdl_lake_snapshot *s,
                                  rdl_buf *out_sql, rdl_err *err);
/* Keep only the files whose partition values satisfy where, a SQL predicate over the
 * partition columns, evaluated on conn.  An unpartitioned table keeps all. */
RDL_MUST rdl_code rdl_lake_prune(rdl_arena *a, rdl_conn *conn, rdl_lake_snapshot *s,
                                 const char *where, rdl_err *err);

typedef struct rdl_lake_table {
    const char *dir;
    const char *app_id;           /* root UUID as text */
    const char *name;             /* Delta's metaData.name */
    const char *description;
    rdl_schema schema;            /* to be; new columns at the end evolve the table */
    const rdl_str *partition_columns;
    size_t partition_count;
    /* A replacement of the whole table may change its columns and partitioning as it likes; what
     * was before stays readable at its own versions. */
    bool overwrite_schema;
} rdl_lake_table;

/* May rows of the declared columns be written to what is there?  Changes nothing. */
RDL_MUST rdl_code rdl_lake_check(const rdl_lake_table *t, rdl_err *err);

typedef struct rdl_lake_commit_info {
    const char *operation;        /* "STREAMING UPDATE", "MERGE", "OPTIMIZE", ... */
    uint64_t epoch;               /* txn version */
    int64_t timestamp_us;         /* the plan's */
} rdl_lake_commit_info;

typedef struct rdl_lake_result {
    int64_t version;              /* committed, or the one that has the txn already */
    bool already;                 /* the epoch was there: nothing was changed */
    uint64_t files_added, files_removed, rows_added, bytes_added;
} rdl_lake_result;

/*
 * A data file that was made before its commit: one partition's rows without the partition columns,
 * under a name of its maker's.  A commit adopts it: it gives the file a name in the table too (a
 * link), instead of reading its rows and writing them again.
 */
typedef struct rdl_lake_part {
    const char *path;             /* absolute: where it lies */
    const char **values;          /* by partition column, as the log has them; NULL is null */
    uint64_t rows, bytes;
    const char *stats, *columns;  /* as rdl_lake_file has them */
} rdl_lake_part;

/* Whether parts can be made of the table: partitions by what a text gives back exactly, and no JSON. */
bool rdl_lake_parts_fit(const rdl_lake_table *t);
/* The partitions that have at least rows_min of the rows of `from` (a FROM item with the schema's
 * columns): the greatest first, parts_max at most.  Their values and rows are filled. */
RDL_MUST rdl_code rdl_lake_parts_choose(rdl_conn *conn, rdl_arena *a, const rdl_lake_table *t,
                                        const char *from, uint64_t rows_min, size_t parts_max,
                                        rdl_lake_part **out, size_t *out_n, rdl_err *err);
/* A predicate for the rows of the part's partition. */
void rdl_lake_part_put_where(const rdl_lake_table *t, const rdl_lake_part *p, rdl_buf *out);
/* The part's rows of `from` into a file at p->path; all else of it is filled.  Not synced. */
RDL_MUST rdl_code rdl_lake_part_write(rdl_conn *conn, rdl_arena *a, const rdl_lake_table *t,
                                      const char *from, rdl_lake_part *p, rdl_err *err);
/* Whether its columns are those that the table's files get now. */
bool rdl_lake_part_is_current(const rdl_lake_table *t, const rdl_lake_part *p);

/*
 * Append the rows of `select` (on conn; columns = schema).  Sorted per partition by order_by
 * (SQL, may be NULL).  An epoch at or below the table's txn version changes nothing.
 * Creates the table at version 0 (protocol, metaData) if it is not there; select NULL only creates.
 */
RDL_MUST rdl_code rdl_lake_append(rdl_conn *conn, const rdl_lake_table *t, const char *select,
                                  const char *order_by, const rdl_lake_commit_info *info,
                                  rdl_lake_result *out, rdl_err *err);
/* The same with parts beside the rows, in one commit; their bytes were synced before.  select NULL: the
 * parts alone. */
RDL_MUST rdl_code rdl_lake_append_parts(rdl_conn *conn, const rdl_lake_table *t,
                                        const char *select, const char *order_by,
                                        const rdl_lake_part *parts, size_t part_count,
                                        const rdl_lake_commit_info *info, rdl_lake_result *out,
                                        rdl_err *err);
/*
 * Replace: in every partition that `touched` names (a SELECT of the partition columns; NULL: the
 * whole table) remove all files and add the rows of `select`, which must be the partitions' whole new
 * content.  One commit.  For an unpartitioned table touched is ignored.
 */
RDL_MUST rdl_code rdl_lake_replace(rdl_conn *conn, const rdl_lake_table *t, const char *select,
                                   const char *touched, const char *order_by,
                                   const rdl_lake_commit_info *info, rdl_lake_result *out,
                                   rdl_err *err);

/* Rows that no SELECT gives: chunks of the schema's columns, each valid until the next call; rows 0 at
 * the end. */
typedef struct rdl_lake_rows {
    rdl_code (*next)(void *arg, const rdl_chunk **out, rdl_err *err);
    void *arg;
} rdl_lake_rows;
/* Whether rows lie in the table's files as they come: no partitions, and no JSON. */
bool rdl_lake_rows_fit(const rdl_lake_table *t);
/* Replace the whole table, of which that is true, by these rows. */
RDL_MUST rdl_code rdl_lake_replace_all(const rdl_lake_table *t, const rdl_lake_rows *rows,
                                       const rdl_lake_commit_info *info, rdl_lake_result *out,
                                       rdl_err *err);

typedef struct rdl_lake_compact_options {
    uint64_t small_bytes;  /* files below this are merged; default 32 MiB */
    uint64_t target_bytes; /* default 128 MiB */
    size_t files_min;      /* per partition; default 4 */
    const char *order_by;  /* SQL, may be NULL */
    /* Merge files of like size alone (within a factor of 8): a row is then written again about
     * log8(small_bytes / commit) times, however many commits there are. */
    bool by_size;
    uint64_t bytes_max;    /* merged in one call; 0: no bound */
} rdl_lake_compact_options;
RDL_MUST rdl_code rdl_lake_compact(rdl_conn *conn, const rdl_lake_table *t,
                                   const rdl_lake_compact_options *options,
                                   const rdl_lake_commit_info *info, rdl_lake_result *out,
                                   rdl_err *err);
/* Parquet checkpoint of the newest version and _last_checkpoint, if due (every 10 versions). */
RDL_MUST rdl_code rdl_lake_checkpoint(rdl_conn *conn, const rdl_lake_table *t, bool force,
                                      bool *out_made, rdl_err *err);
/* Delete unreferenced data files older than retention, and log files older than a checkpoint
 * and log_retention.  dry_run only lists.  Paths in the arena. */
RDL_MUST rdl_code rdl_lake_vacuum(rdl_arena *a, const char *dir, int64_t now_us,
                                  int64_t retention_us, int64_t log_retention_us, bool dry_run,
                                  char ***out_paths, size_t *out_n, rdl_err *err);
/* Remove our own orphans (L3): files of epochs above the table's txn that no version names,
 * and temporaries.  At start, under the root's lock. */
RDL_MUST rdl_code rdl_lake_sweep(const char *dir, const char *app_id, size_t *out_removed,
                                 rdl_err *err);

typedef struct rdl_lake_version {
    int64_t version, timestamp_us;
    const char *operation;
    int64_t txn_version; /* -1: none */
    uint64_t files_added, files_removed, rows_added;
} rdl_lake_version;
RDL_MUST rdl_code rdl_lake_history(rdl_arena *a, const char *dir, rdl_lake_version **out,
                                   size_t *out_n, rdl_err *err); /* newest first */

#endif
