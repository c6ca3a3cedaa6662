/*
 * sink/sink.h - what every destination promises.
 *
 * Sealed epochs are applied in order:
 *
 *     open -> prepare each table
 *          -> (begin -> remove* -> insert* -> upsert* -> commit | abort)* -> close
 *
 * One begin..commit carries the net changes of one table over the epochs (from, to] together with
 * the new progress: both become visible together, or nothing does.  Progress is (root UUID, table,
 * epoch), moved by compare-and-set from the epoch that begin was told; RDL_ECONFLICT when
 * somebody else moved it.  Nothing here recomputes: rows come from sealed segments.
 *
 * Removals come first, then inserts: rows whose key the store has not, as far as the table's
 * history tells.  An upsert writes every column, nulls included; so does an insert.
 *
 * OWNERSHIP  A table belongs to one root, and what lies there under one of its keys is replaced.  A
 * store that can insert faster than it can upsert may find that somebody else wrote an inserted
 * key: insert or commit then fails with RDL_ERR_REPLAY, and the caller aborts and sends the
 * batch once more with every row by upsert.  Others treat an insert as an upsert.
 *
 * Thread: one at a time for a sink.
 */
#ifndef RDL_SINK_SINK_H
#define RDL_SINK_SINK_H

#include "duck/vector.h"

typedef struct rdl_sink rdl_sink;

/* PUBLISH ... WITH (name = 'value'), checked by lang/publish_options.h; those of other stores may
 * be among them and are passed over. */
typedef struct rdl_sink_option {
    rdl_str name, value;
} rdl_sink_option;

typedef struct rdl_sink_table {
    const char *name; /* in the store */
    rdl_schema columns;
    const size_t *key; /* column indexes, in key order */
    const bool *descending;
    size_t key_count, partition_key_count;
    const rdl_sink_option *options;
    size_t option_count;
    bool append_only; /* rows come and stay: none is updated or removed */
} rdl_sink_table;

typedef struct rdl_sink_batch {
    int64_t from_epoch, to_epoch; /* exclusive, inclusive; from -1: nothing was there */
    bool whole;                   /* every row there is removed first (a republication) */
    bool seed;                    /* reference rows: upserts alone, no progress is asked or moved */
    int64_t write_us; /* microseconds since 1970, fixed in the seal of to_epoch; grows with it */
} rdl_sink_batch;

typedef rdl_code (*rdl_sink_say)(void *arg, const char *statement, rdl_err *err);

typedef struct rdl_sink_config {
    const char *url;       /* "sqlite:serving.db" */
    const char *root_dir;  /* a relative file is below it */
    const char *root_uuid; /* text */
    bool adopt;            /* take a store that belongs to another root: its progress is dropped */
    bool read_only;        /* for status, verify, query: nothing is created or changed; prepare of a
                              table that is missing gives -1 (scan of it gives no row), begin must
                              not be called.  Where the store has snapshots, prepare takes one: scan
                              gives the rows of the epoch that it said */
} rdl_sink_config;

typedef struct rdl_sink_ops {
    const char *kind; /* the scheme of its URL, as in "sqlite" */
    rdl_code (*open)(const rdl_sink_config *config, rdl_sink **out, rdl_err *err);
    /*
     * Create the table and its key if missing; refuse one whose columns or key do not fit,
     * saying which (RDL_ESCHEMA), and one that belongs to another root (RDL_ECONFLICT, hint
     * --adopt).  out_epoch: its progress; -1 when it has none: it must be filled whole.
     */
    rdl_code (*prepare)(rdl_sink *s, const rdl_sink_table *table, int64_t *out_epoch, rdl_err *err);
    /*
     * After prepare, of a store whose batches are no transactions: true when a batch that failed
     * may have left rows there.  The next one's removals are then of every key that its epochs name
     * and leave absent, also of those that were not there before.  NULL: whole or nothing.
     */
    bool (*unfinished)(rdl_sink *s, const rdl_sink_table *table);
    rdl_code (*begin)(rdl_sink *s, const rdl_sink_table *table, const rdl_sink_batch *batch,
                      rdl_err *err);
    rdl_code (*remove)(rdl_sink *s, const rdl_chunk *keys, rdl_err *err); /* key columns only */
    rdl_code (*insert)(rdl_sink *s, const rdl_chunk *rows, rdl_err *err); /* all columns */
    rdl_code (*upsert)(rdl_sink *s, const rdl_chunk *rows, rdl_err *err); /* all columns */
    rdl_code (*commit)(rdl_sink *s, rdl_err *err);
    void (*abort)(rdl_sink *s);
    /*
     * `raudal provision`: creates what the table needs and the store lacks (the table, its key,
     * indexes, the progress table), and tells each statement; on a read-only sink it tells them
     * alone.  A table that people filled is taken as it stands; rows that share the key are a
     * failure that shows the statement which lists them.  No row is removed or changed, and
     * nobody's table becomes ours: prepare does that.
     */
    rdl_code (*provision)(rdl_sink *s, const rdl_sink_table *table, rdl_sink_say say, void *arg,
                          rdl_err *err);
    /*
     * For verify: every row of the table as a chunk of its columns, read back as their declared
     * types.  visit may be called many times.
     */
    rdl_code (*scan)(rdl_sink *s, const rdl_sink_table *table,
                     rdl_code (*visit)(void *arg, const rdl_chunk *rows, rdl_err *err), void *arg,
                     rdl_err *err);
    /*
     * For verify, after prepare: SQL of what the store gives back for value, itself SQL, of a
     * column, where it cannot hold each value as it is (a set has no order, a time has
     * milliseconds).  expires: rows may be gone by themselves.  NULL: all comes back as it went in.
     */
    rdl_code (*served)(rdl_sink *s, const rdl_sink_table *table, size_t column, const char *value,
                       rdl_buf *sql, bool *out_expires, rdl_err *err);
    /*
     * A user's query with named parameters ($name, :name or @name), for `raudal query`: calls
     * columns once, then row for each row with texts (p NULL is null).  Every parameter of the
     * text must be among names (a value NULL binds null) and the other way round, else RDL_EUSAGE
     * names it.  Runs on a read-only connection of its own, which never blocks the writer.
     */
    rdl_code (*query)(rdl_sink *s, const char *text, const char *const *names,
                      const char *const *values, size_t parameter_count,
                      rdl_code (*columns)(void *arg, size_t n, const char *const *names,
                                          rdl_err *err),
                      rdl_code (*row)(void *arg, size_t n, const rdl_str *values,
                                      const bool *numeric, rdl_err *err),
                      void *arg, rdl_err *err);
    void (*close)(rdl_sink *s); /* NULL is fine; an open begin is aborted */
} rdl_sink_ops;

/* First member of every sink. */
struct rdl_sink {
    const rdl_sink_ops *ops;
};

extern const rdl_sink_ops rdl_sink_sqlite;
extern const rdl_sink_ops rdl_sink_postgres;
extern const rdl_sink_ops rdl_sink_cassandra;
bool rdl_sink_is_key(const rdl_sink_table *t, size_t column); /* part of it */
/* One more thing in which a table that is there does not fit, after "; ". */
void rdl_sink_misfit(rdl_buf *wrong, const char *fmt, ...) RDL_PRINTF(2, 3);
/* By the URL's scheme; RDL_EUSAGE names the schemes there are. */
RDL_MUST rdl_code rdl_sink_find(rdl_str url, const rdl_sink_ops **out, rdl_err *err);
/* Find and open, read-only; the caller closes it by its ops.  root_uuid "": whoever's the store
 * is. */
RDL_MUST rdl_code rdl_sink_open_to_read(rdl_arena *a, rdl_str url, const char *root_dir,
                                        const char *root_uuid, rdl_sink **out, rdl_err *err);

#endif
