/*
 * stream/damage.h - which file of a cut cannot be read.
 *
 * DuckDB's message about damaged Parquet seldom says which file it was reading.  After a query
 * over a cut failed, every data file of the tables that the cut has loaded is read alone.
 *
 * Thread: the caller's.
 */
#ifndef RDL_STREAM_DAMAGE_H
#define RDL_STREAM_DAMAGE_H

#include "stream/cut.h"

/*
 * err is a failed query's over c.  When a file of the cut cannot be read, err then names it
 * (RDL_EDATA, area STORE) with the remedy; else err stays as it is.  Gives err's code.
 */
RDL_MUST rdl_code rdl_damage_name(const rdl_cut *c, rdl_conn *conn, rdl_err *err);

/* Of a file's bytes: what its seal says of a landed snapshot and of a segment. */
RDL_MUST rdl_code rdl_sealed_hash(const char *path, rdl_hash128 *out, rdl_err *err);
/* EDATA naming the file when its bytes have another hash; one of 0 says nothing. */
RDL_MUST rdl_code rdl_sealed_check(const char *path, rdl_hash128 sealed, rdl_err *err);
/* A table's segments after an epoch are, byte for byte, those that were sealed: new and old rows, or
 * the quarantined ones.  Packed rows have checksums of their own. */
RDL_MUST rdl_code rdl_segments_check(rdl_arena *a, const rdl_root *root,
                                     const rdl_table_history *h, uint64_t after, bool quarantine,
                                     rdl_err *err);
/* The file of its newest version, in the arena, whose bytes are those that were sealed. */
RDL_MUST rdl_code rdl_snapshot_path(rdl_arena *a, const rdl_root *root,
                                    const rdl_snapshot_history *h, const char **out, rdl_err *err);

#endif
