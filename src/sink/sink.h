/*
 * sink/sink.h - what every destination promises.
 *
 * Sealed epochs are applied in order, on the sink's own thread:
 *
 *     open -> prepare each table -> (begin -> remove* -> upsert* -> commit | abort)* -> close
 *
 * One begin..commit carries the net changes of one table over the epochs (from, to] together with the
 * new progress: both become visible together, or nothing does.  Progress is (root UUID, table,
 * epoch), moved by compare-and-set from the epoch that begin was told; RDL_ECONFLICT when
 * somebody else moved it.  Nothing here recomputes: rows come from sealed segments.
 *
 * Removals come before upserts.  An upsert writes every column, nulls included.
 */
#ifndef RDL_SINK_SINK_H
#define RDL_SINK_SINK_H

#include "duck/vector.h"

typedef struct rdl_sink rdl_sink;

typedef struct rdl_sink_table {
    const char *name;      /* in the store */
    rdl_schema columns;
    const size_t *key;     /* column indexes, in key order */
    const bool *descending;
    size_t key_count, partition_key_count;
} rdl_sink_table;

typedef struct rdl_sink_config {
    const char *url;       /* "sqlite:serving.db" */
    const char *root_dir;  /* a relative file is below it */
    const char *root_uuid; /* text */
    bool adopt;            /* take a store that belongs to another root: its progress is dropped */
    bool read_only;        /* for status, verify, query: nothing is created or changed; prepare of a
                              table that is missing gives -1 (scan of it gives no row), begin must
                              not be called */
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
    /* whole: every row there is removed first (a republication). */
    rdl_code (*begin)(rdl_sink *s, const rdl_sink_table *table, int64_t from_epoch,
                      int64_t to_epoch, bool whole, rdl_err *err);
    rdl_code (*remove)(rdl_sink *s, const rdl_chunk *keys, rdl_err *err); /* key columns only */
    rdl_code (*upsert)(rdl_sink *s, const rdl_chunk *rows, rdl_err *err); /* all columns */
    rdl_code (*commit)(rdl_sink *s, rdl_err *err);
    void (*abort)(rdl_sink *s);
    /*
     * For verify: every row of the table as a chunk of its columns, read back as their declared
     * types.  visit may be called many times.
     */
    rdl_code (*scan)(rdl_sink *s, const rdl_sink_table *table,
                     rdl_code (*visit)(void *arg, const rdl_chunk *rows, rdl_err *err), void *arg,
                     rdl_err *err);
    /*
     * A user's query with named parameters ($name, :name or @name), for `raudal query`: calls
     * columns once, then row for each row with texts (p NULL is null).  Every parameter of the
     * text must be among names (a value NULL binds null) and the other way round, else RDL_EUSAGE
     * names it.  Runs on a read-only connection of its own, which never blocks the writer.
     */
    rdl_code (*query)(rdl_sink *s, const char *text, const char *const *names,
                      const char *const *values, size_t parameter_count,
                      rdl_code (*columns)(void *arg, size_t n, const char *const *names, rdl_err *err),
                      rdl_code (*row)(void *arg, size_t n, const rdl_str *values, const bool *numeric,
                                      rdl_err *err),
                      void *arg, rdl_err *err);
    void (*close)(rdl_sink *s); /* NULL is fine; an open begin is aborted */
} rdl_sink_ops;

/* First member of every sink. */
struct rdl_sink {
    const rdl_sink_ops *ops;
};

extern const rdl_sink_ops rdl_sink_sqlite;
/* By the URL's scheme; RDL_EUSAGE names the schemes there are. */
RDL_MUST rdl_code rdl_sink_find(rdl_str url, const rdl_sink_ops **out, rdl_err *err);

#endif
