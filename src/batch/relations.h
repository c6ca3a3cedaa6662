/*
 * batch/relations.h - the relations that a plan's texts read, at one sealed cut.
 *
 * Thread: the caller's.
 */
#ifndef RDL_BATCH_RELATIONS_H
#define RDL_BATCH_RELATIONS_H

#include "stream/cut.h"

/* View e."all:<t>" for every table but append-only sources (lang/plan.h says what is in it). */
RDL_MUST rdl_code rdl_batch_relations(rdl_conn *conn, rdl_cut *c, rdl_err *err);

#endif
