/*
 * source/decode/lines.h - counting records of JSON lines without parsing them.
 *
 * Thread: any.
 */
#ifndef RDL_SOURCE_DECODE_LINES_H
#define RDL_SOURCE_DECODE_LINES_H

#include <stdint.h>

/* Lines of [p, end), which starts at a line's start; records are those that are not blank.
 */
void rdl_count_lines(const char *p, const char *end, uint64_t *out_lines, uint64_t *out_records);

#endif
