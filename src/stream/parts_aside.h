/*
 * stream/parts_aside.h - parts of a large streaming table, written while its views are computed.
 *
 * Once a table is judged its new rows stand still until the epoch's end.  Encoding those of a large
 * partition takes one processor, and so does much of a view's step: they go side by side.  One table
 * at a time; what cannot be had (a thread, a connection, memory for both) is done later, as ever.
 *
 * INVARIANT  P4  The thread has ended before the epoch's rows, its folder or its arena go: awaited by
 *                the segments, abandoned by an epoch that fails.
 *
 * Thread: epoch.
 */
#ifndef RDL_STREAM_PARTS_ASIDE_H
#define RDL_STREAM_PARTS_ASIDE_H

#include "stream/parts.h"

/* After t was judged. */
void rdl_parts_begin_aside(rdl_engine *e, rdl_work *w, const rdl_table *t);
/* What rdl_parts_write gives, of a table for which that was begun; false: it was not. */
bool rdl_parts_await(rdl_work *w, const rdl_table *t, rdl_sealed_table *s, rdl_parts *out,
                     rdl_buf *where, rdl_code *rc, rdl_err *err);
/* Waits; nothing of it is used any more. */
void rdl_parts_abandon(rdl_work *w);

#endif
