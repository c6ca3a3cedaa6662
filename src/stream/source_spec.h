/*
 * stream/source_spec.h - what a CREATE SOURCE (or SEED) says of its records, for the decoder.
 */
#ifndef RDL_STREAM_SOURCE_SPEC_H
#define RDL_STREAM_SOURCE_SPEC_H

#include "lang/catalog.h"
#include "source/decode/decode.h"

/* Decoded columns and format; what out holds lives in a and in the pipeline. */
void rdl_source_spec(rdl_arena *a, const rdl_source_def *s, rdl_decode_spec *out);
/* Options of the source. */
rdl_str rdl_source_text(const rdl_source_def *s, const char *name, const char *fallback);
bool rdl_source_truth(const rdl_source_def *s, const char *name, bool fallback);

#endif
