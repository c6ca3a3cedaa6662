/*
 * stream/root.h - where everything that a run makes lies, below one root.
 *
 *   lake/<schema>/<table>/        Delta tables
 *   lake/quarantine/<schema>_<table>/
 *   state/plan.cache (lang/plan_cache.h; may be deleted at any time)
 *   state/journal, state/LOCK, state/epochs/<n>/, state/snapshots/<source>/, state/runs/, state/tmp/
 *   serving.db, catalog.db, reports/
 *   state/models/<name>/ (the last run's input and output), models/<name>/<artifact>
 *
 * Segment files of epoch n, in state/epochs/<n, 12 digits>/ (X1: written by the epoch, synced
 * before its seal, read-only from then on, removed once every store has the epoch):
 *
 *   <table>.new.parquet           rows added: visible columns, for streaming tables the identity and
 *                                 _event_ts too (a reader that was left out catches up from here)
 *   <table>.new.<k>.parquet       some of them, a partition's, as the lake wants them (stream/parts.h)
 *   <table>.new.parts.json        what is known of these
 *   <table>.old.parquet           rows taken away (views)
 *   <table>.quarantine.parquet    rows rejected (columns: RDL_QUARANTINE_COLUMNS)
 *   state.delta                   changes of keyed state
 */
#ifndef RDL_STREAM_ROOT_H
#define RDL_STREAM_ROOT_H

#include "base/arena.h"
#include "base/str.h"
#include "lang/catalog.h"

typedef struct rdl_root {
    const char *dir;   /* absolute */
    const char *state, *lake, *epochs, *snapshots, *tmp;
    const char *plan_cache; /* a file */
} rdl_root;

void rdl_root_paths(rdl_arena *a, const char *dir, rdl_root *out);
RDL_MUST rdl_code rdl_root_make(const rdl_root *r, rdl_err *err); /* the folders */

typedef enum rdl_segment {
    RDL_SEGMENT_NEW,
    RDL_SEGMENT_OLD,
    RDL_SEGMENT_QUARANTINE,
} rdl_segment;

char *rdl_root_epoch_dir(rdl_arena *a, const rdl_root *r, uint64_t epoch);
/* table is rdl_table.full; characters that do not fit in a file name are percent-encoded. */
char *rdl_root_segment(rdl_arena *a, const rdl_root *r, uint64_t epoch, rdl_str table,
                       rdl_segment kind);
/* stream/parts.h: the rows of one partition, and the list of such files. */
char *rdl_root_part(rdl_arena *a, const rdl_root *r, uint64_t epoch, rdl_str table, size_t part);
char *rdl_root_parts(rdl_arena *a, const rdl_root *r, uint64_t epoch, rdl_str table);
/* Segments of small epochs: one file of blocks (duck/packed.h), and a block's name. */
char *rdl_root_packed(rdl_arena *a, const rdl_root *r, uint64_t epoch);
char *rdl_root_packed_name(rdl_arena *a, rdl_str table, rdl_segment kind);
char *rdl_root_delta(rdl_arena *a, const rdl_root *r, uint64_t epoch);
char *rdl_root_snapshot(rdl_arena *a, const rdl_root *r, rdl_str source, uint64_t epoch);
char *rdl_root_model(rdl_arena *a, const rdl_root *r, rdl_str name);   /* a run's folder */
char *rdl_root_artifact(rdl_arena *a, const rdl_root *r, rdl_str model, rdl_str artifact);
char *rdl_root_lake_table(rdl_arena *a, const rdl_root *r, const rdl_table *t);
char *rdl_root_quarantine(rdl_arena *a, const rdl_root *r, const rdl_table *t);
/* A table that is in no pipeline, as these two functions want it: of the dots in its name, the one
 * whose folder is there parts schema and name. */
void rdl_root_table_named(rdl_arena *a, const rdl_root *r, rdl_str full, rdl_table *out);
/* "bronze_usage_events": the quarantine table's name; "source_x" for snapshot sources. */
char *rdl_root_quarantine_name(rdl_arena *a, const rdl_table *t);
void rdl_quarantine_schema(rdl_arena *a, rdl_schema *out);

#endif
