/*
 * stream/lease.h - readers of a root say that they are there; its writer keeps sealed segments and
 * versions of snapshots for them a little longer.
 *
 * A lease is a locked file state/readers/<pid>-<n>.  It is a courtesy: a reader that may not write
 * there goes without one, and one that stays longer than LEASE_MAX is not waited for; its query
 * then fails with RDL_ERR_RETRY when what it reads is gone, and it opens again.
 *
 *   reader   takes a lease, reads the journal, reads the files that it names
 *   writer   writes PRUNE; removes files of pruned epochs when no lease is held, now or with a later
 *            pruning.  So what the journal named when it was read is there while the lease counts.
 *
 * Thread: any.
 */
#ifndef RDL_STREAM_LEASE_H
#define RDL_STREAM_LEASE_H

#include "base/fs.h"
#include "stream/root.h"

typedef struct rdl_lease rdl_lease;
rdl_lease *rdl_lease_take(rdl_arena *a, const rdl_root *root); /* NULL: none to be had */
void rdl_lease_release(rdl_lease *l);                           /* NULL is fine */
/* Does any reader count on what is there?  Removes what dead readers left. */
bool rdl_leases_held(const rdl_root *root);

#endif
