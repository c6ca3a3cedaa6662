/*
 * stream/destination.h - a publication as its store sees it.
 */
#ifndef RDL_STREAM_DESTINATION_H
#define RDL_STREAM_DESTINATION_H

#include "lang/catalog.h"
#include "sink/sink.h"

/* What is in out lives in a and in the pipeline. */
void rdl_sink_table_of(rdl_arena *a, const rdl_publication *p, rdl_sink_table *out);

#endif
