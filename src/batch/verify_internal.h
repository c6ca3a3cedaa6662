/*
 * batch/verify_internal.h - what the files of verify share.  Not for other folders.
 *
 * Thread: the reader's.
 */
#ifndef RDL_BATCH_VERIFY_INTERNAL_H
#define RDL_BATCH_VERIFY_INTERNAL_H

#include "batch/verify.h"
#include "stream/cut.h"

typedef struct rdl_verifying {
    rdl_reader *r;
    rdl_reader *own; /* r, when it was opened here; or NULL */
    rdl_arena *a;
    rdl_conn *conn;
    rdl_cut cut;
    const rdl_verify_options *options;
    bool last_look; /* no later cut is looked at: a store that still lags does so for long */
    RDL_VEC(rdl_verify_item) items;
} rdl_verifying;

RDL_MUST rdl_code rdl_verify_count(rdl_verifying *c, const char *sql, uint64_t *out, rdl_err *err);
/* v.<name> as the rows of select; as the table's content. */
RDL_MUST rdl_code rdl_verify_fill(rdl_verifying *c, const char *name, const char *select,
                                  rdl_err *err);
RDL_MUST rdl_code rdl_verify_fill_content(rdl_verifying *c, const rdl_table *t, const char *name,
                                          rdl_err *err);
/* The table's content at another cut of the same root. */
RDL_MUST rdl_code rdl_verify_fill_cut(rdl_verifying *c, rdl_cut *cut, const rdl_table *t,
                                      const char *name, rdl_err *err);
/* May somebody write to the root now? */
bool rdl_verify_is_live(rdl_verifying *c);
/* The root as it is now: r, conn and cut are others after it, and v is empty. */
RDL_MUST rdl_code rdl_verify_later_cut(rdl_verifying *c, rdl_err *err);
/* v.want with v.have. */
RDL_MUST rdl_code rdl_verify_compare(rdl_verifying *c, const rdl_table *t, const rdl_publication *p,
                                     rdl_verify_item *item, rdl_err *err);
/* Is v.have, cell by cell, what the seals added? */
RDL_MUST rdl_code rdl_verify_content(rdl_verifying *c, const rdl_table *t, rdl_verify_item *item,
                                     rdl_err *err);
/* verify_store.c.  *out_moved: the store and the cut are of different epochs, and do differ. */
RDL_MUST rdl_code rdl_verify_publication(rdl_verifying *c, const rdl_publication *p,
                                         rdl_verify_item *item, bool *out_moved, rdl_err *err);
/* verify_decision.c */
RDL_MUST rdl_code rdl_verify_decision(rdl_verifying *c, const rdl_table *t, rdl_verify_item *item,
                                      rdl_err *err);

#endif
