/*
 * lang/plan_cache.h - a loaded pipeline kept for the next run of the same text by the same
 * program.
 *
 * FILE
 *   "rdl-plan 1\n"  key (16 bytes)  hash of the payload (16 bytes)  payload
 *   The key covers all that decides a plan: every text after its variables are replaced, and
 *   the build ids of this program and of its libraries, DuckDB among them.  The payload is the
 *   bound and planned pipeline, field by field, in the order of plan_cache.c.
 *
 * INVARIANTS
 *   K1  A file of another key, of another hash, cut short or too long, is as no file.
 *   K2  A load that had anything to say (a warning) is not kept: it would be silent next time.
 *   K3  What is read equals what was kept: writing it again gives the same bytes.
 *   Checked by tests/unit/plan_cache_test.c.
 *
 * Thread: the one that loads the pipeline.  What is read is in the pipeline's arena.
 */
#ifndef RDL_LANG_PLAN_CACHE_H
#define RDL_LANG_PLAN_CACHE_H

#include "lang/plan.h"

/* The key of p's texts (p->files); false when this program cannot be told from another. */
bool rdl_plan_cache_key(const rdl_pipeline *p, rdl_hash128 *out);
/* Fill p's tables and publications from the file; false: nothing was changed. */
bool rdl_plan_cache_read(rdl_pipeline *p, const char *path, rdl_hash128 key);
/* The file's bytes. */
void rdl_plan_cache_bytes(const rdl_pipeline *p, rdl_hash128 key, rdl_buf *out);

#endif
