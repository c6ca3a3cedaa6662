/*
 * lake/delta.h - the Delta log inside src/lake: actions, replay, text forms.
 *
 * Nobody outside src/lake includes this; lake.h is the contract.
 *
 * FILES below <table>/_delta_log
 *   <20 digits>.json                       a commit: one action per line
 *   <20 digits>.checkpoint.parquet         the state as of that version, in Parquet
 *   <20 digits>.checkpoint.<i>.<n>.parquet the same in parts (read, never written)
 *   _last_checkpoint                       {"version":...}: a hint, never needed
 *   _raudal.<20 digits>.jsonl              the same state as action lines, ended by a line
 *                                          {"raudalEnd":{"xxh64":...}}: what the Parquet
 *                                          checkpoint was made from.  Read in its place,
 *                                          since that needs no engine; one that does not
 *                                          check out is passed over.  Other readers ignore
 *                                          it.
 *
 * Our commits carry in commitInfo, as its last member raudalXxh64, a hash of every other
 * byte of the file, so that a bit that flipped on disk is found when the log is read (L5).
 */
#ifndef RDL_LAKE_DELTA_H
#define RDL_LAKE_DELTA_H

#include "base/fs.h"
#include "base/map.h"
#include "lake/lake.h"
#include "lake/parquet.h"

enum {
    RDL_DELTA_READER = 1,
    RDL_DELTA_WRITER = 2,
    RDL_DELTA_CHECKPOINT_EVERY = 10,
    RDL_DELTA_RETRY_MAX = 20,
    RDL_DELTA_STAT_CHARS = 32,
    RDL_DELTA_TOMBSTONE_MS = 7 * 24 * 3600 * 1000, /* Delta's default of one week */
};

typedef struct rdl_delta_pair {
    const char *key, *value; /* value NULL is null */
} rdl_delta_pair;

typedef struct rdl_delta_file {
    const char *path; /* relative, decoded */
    uint64_t size;
    uint64_t rows;   /* UINT64_MAX when not known */
    int64_t time_ms; /* modificationTime, or a remove's deletionTimestamp */
    rdl_delta_pair *partition;
    size_t partition_count;
    const char *stats;
    const char *columns; /* the tag "raudal.columns"; NULL: none */
    bool data_change;
    bool extended; /* of a remove: partition and size are there */
} rdl_delta_file;

typedef struct rdl_delta_txn {
    const char *app_id;
    int64_t version, last_updated_ms; /* last_updated -1: none */
} rdl_delta_txn;

typedef struct rdl_delta_info {
    int64_t timestamp_ms; /* -1: none */
    const char *operation;
    int64_t txn_version; /* of the commit; -1: none */
    uint64_t files_added, files_removed, rows_added;
} rdl_delta_info;

typedef struct rdl_delta_state {
    rdl_arena *arena;
    int64_t version; /* -1: no table */
    int64_t timestamp_ms;
    int reader, writer; /* 0: no protocol seen */
    const char *id, *name, *description, *schema_text, *configuration; /* JSON text */
    int64_t created_ms;
    rdl_schema schema;
    rdl_str *partition_columns;
    size_t partition_count;
    rdl_map files;   /* path -> rdl_delta_file *, NULL once removed */
    rdl_map removed; /* path -> rdl_delta_file *, NULL once added again */
    rdl_map txns;    /* appId -> rdl_delta_txn * */
    const char *txn_newest;
    rdl_delta_info last; /* of the newest commit that was replayed */
} rdl_delta_state;

/* delta_log.c */
void rdl_delta_state_init(rdl_delta_state *s, rdl_arena *a);
/* One line of a log: the action changes the state.  where names it in errors. */
RDL_MUST rdl_code rdl_delta_apply(rdl_delta_state *s,
                                  rdl_str line,
                                  const char *where,
                                  rdl_err *err);
RDL_MUST rdl_code rdl_delta_load(
    rdl_arena *a, const char *dir, int64_t version, rdl_delta_state *out, rdl_err *err);
RDL_MUST rdl_code rdl_delta_read_commit(rdl_delta_state *s,
                                        const char *dir,
                                        int64_t version,
                                        rdl_err *err);
typedef struct rdl_delta_listing {
    int64_t *commits; /* rising, no promise of no gaps */
    size_t commit_count;
    int64_t *checkpoints; /* complete ones, rising */
    size_t checkpoint_count;
    int64_t *copies; /* _raudal.<v>.jsonl, rising */
    size_t copy_count;
    rdl_names names;
} rdl_delta_listing;
RDL_MUST rdl_code rdl_delta_list(rdl_arena *a,
                                 const char *dir,
                                 rdl_delta_listing *out,
                                 rdl_err *err);
char *rdl_delta_commit_path(rdl_arena *a, const char *dir, int64_t version);
const rdl_delta_txn *rdl_delta_txn_of(const rdl_delta_state *s, const char *app_id);

/* The hash that a commit carries: head is its first line up to the hash's name. */
void rdl_delta_commit_hash(rdl_str head, rdl_str body, char out[17]);

/* A commit's bytes: of ours, whole, and as they were written? */
bool rdl_delta_is_ours(rdl_str all);

/* delta_write.c */
typedef struct rdl_delta_change {
    const rdl_lake_table *table;
    const rdl_lake_commit_info *info;
    bool txn;   /* write our txn */
    bool blind; /* reads nothing: retried past any commit that keeps the schema */
    bool data_change;
    rdl_delta_file *adds;
    size_t add_count;
    rdl_delta_file **removes;
    size_t remove_count;
} rdl_delta_change;
RDL_MUST rdl_code rdl_delta_commit(rdl_arena *a,
                                   const rdl_delta_change *c,
                                   rdl_delta_state *s,
                                   rdl_lake_result *out,
                                   rdl_err *err);
/* After rdl_delta_commit gave rc: is it certain that no version names the new files? */
bool rdl_delta_is_void(rdl_arena *a,
                       const rdl_delta_change *c,
                       const rdl_delta_state *s,
                       rdl_code rc,
                       const rdl_lake_result *out);
void rdl_delta_put_add(rdl_buf *out, const rdl_delta_file *f, bool data_change);
void rdl_delta_put_remove(rdl_buf *out,
                          const rdl_delta_file *f,
                          int64_t time_ms,
                          bool data_change);
void rdl_delta_put_metadata(rdl_buf *out, const rdl_delta_state *s);
void rdl_delta_put_protocol(rdl_buf *out, const rdl_delta_state *s);
void rdl_delta_put_txn(rdl_buf *out, const rdl_delta_txn *t);
void rdl_delta_uuid(char out[37]);

/* schema.c */
void rdl_delta_schema_print(const rdl_schema *s, rdl_buf *out);
RDL_MUST rdl_code rdl_delta_schema_parse(rdl_arena *a,
                                         const char *text,
                                         rdl_schema *out,
                                         rdl_err *err);
/* What a file that has all of these columns is tagged with: 16 hex digits. */
void rdl_delta_columns_tag(const rdl_schema *s, char out[17]);
/* The type as it lies in Parquet: JSON is VARCHAR. */
void rdl_delta_physical_type(const rdl_type *t, rdl_buf *out);
/*
 * RDL_OK and whether columns were added; RDL_ESCHEMA naming what does not fit, or what
 * another writer put into the table that we would break: narrower types, NOT NULL,
 * invariants, and, when the schema is to be written again, any metadata of a column that we
 * do not know.
 */
RDL_MUST rdl_code rdl_delta_schema_evolve(const rdl_delta_state *s,
                                          const rdl_lake_table *t,
                                          bool *out_changed,
                                          rdl_err *err);

/* RDL_ESCHEMA when the table is append-only (delta.appendOnly). */
RDL_MUST rdl_code rdl_delta_check_removable(const rdl_delta_state *s,
                                            const char *dir,
                                            rdl_err *err);

/* partition.c */
void rdl_hive_escape(rdl_str s, rdl_buf *out);   /* one folder name's half, as Spark does */
void rdl_uri_escape(rdl_str path, rdl_buf *out); /* a path for the log */
bool rdl_uri_unescape(rdl_str s, rdl_buf *out);  /* false: a % without two digits */
void rdl_partition_sql(const rdl_column *c,
                       rdl_buf *out); /* expression: value as log text */
void rdl_partition_literal(const rdl_type *t, const char *value, rdl_buf *out);
RDL_MUST rdl_code rdl_partition_check(const rdl_schema *s,
                                      const rdl_str *columns,
                                      size_t n,
                                      rdl_err *err);
const char *rdl_partition_value(const rdl_delta_file *f, rdl_str column);
/*
 * All partition values as one text; two files lie in one partition when it is the same.
 * Times that other writers spell otherwise ("2025-07-18 01:02:03") are brought to our form.
 */
void rdl_partition_key(const rdl_delta_file *f,
                       const rdl_schema *schema,
                       const rdl_str *columns,
                       size_t n,
                       rdl_buf *out);

/* data.c */
typedef struct rdl_data_files {
    rdl_delta_file *v;
    size_t n;
    uint64_t rows, bytes;
} rdl_data_files;
/* The same of rows that come as the files have them (rdl_lake_rows_fit). */
RDL_MUST rdl_code rdl_data_write_rows(rdl_arena *a,
                                      const rdl_lake_table *t,
                                      const rdl_lake_rows *rows,
                                      const rdl_lake_commit_info *info,
                                      rdl_data_files *out,
                                      rdl_err *err);
RDL_MUST rdl_code rdl_data_write(rdl_conn *conn,
                                 rdl_arena *a,
                                 const rdl_lake_table *t,
                                 const char *select,
                                 const char *order_by,
                                 const rdl_lake_commit_info *info,
                                 bool compaction,
                                 rdl_data_files *out,
                                 rdl_err *err);
/* part.c: a name in the table for each part, behind the files that are in `files` already. */
RDL_MUST rdl_code rdl_data_adopt(rdl_arena *a,
                                 const rdl_lake_table *t,
                                 const rdl_lake_part *parts,
                                 size_t part_count,
                                 const rdl_lake_commit_info *info,
                                 rdl_data_files *files,
                                 rdl_err *err);
void rdl_data_discard(rdl_arena *a, const char *dir, const rdl_data_files *files);
void rdl_data_prefix(const char *app_id, rdl_buf *out); /* "part-<root8>-" */
#define RDL_DATA_STAGE "_raudal_stage-"

/* stats.c */
/* column_statistics of a file that COPY returned, as Delta's stats. */
void rdl_stats_put(const rdl_schema *schema,
                   const rdl_vector *statistics,
                   size_t row,
                   uint64_t rows,
                   rdl_buf *out);

/* Those of our own writer, by column of the schema. */
void rdl_stats_put_bounds(const rdl_schema *schema,
                          const rdl_parquet_bounds *bounds,
                          uint64_t rows,
                          rdl_buf *out);

/* snapshot.c */
RDL_MUST rdl_code rdl_lake_snapshot_of(rdl_arena *a,
                                       const rdl_delta_state *s,
                                       const char *app_id,
                                       rdl_lake_snapshot *out,
                                       rdl_err *err);

#endif
