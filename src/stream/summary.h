/*
 * stream/summary.h - all that the journal's records said so far, as records.
 *
 * A journal begins with it after a rotation (journal.h, J7), so that a start reads what is true now
 * instead of how it came about.  It takes as much as there are files, tables and partitions of
 * topics: epochs add nothing to it.  Of a file that grew it keeps the newest range alone, so
 * a copy of what the file was at an earlier epoch is no longer recognised as known content.
 *
 * Thread: epoch.
 */
#ifndef RDL_STREAM_SUMMARY_H
#define RDL_STREAM_SUMMARY_H

#include "stream/history.h"

typedef RDL_VEC(rdl_str) rdl_summary;

/* Payloads of SUMMARY records in the arena; several, so that none grows with the files read. */
void rdl_summary_print(const rdl_history *h, rdl_arena *a, rdl_summary *out);
/* One of them into a history; the first of them into one that is empty. */
RDL_MUST rdl_code rdl_summary_add(rdl_history *h, rdl_str payload, rdl_err *err);

#endif
