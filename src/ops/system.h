/*
 * ops/system.h - raudal.* (lang/system_tables.h), filled for one question.
 *
 * A reader has none of these tables until a text that names them is about to be asked: reading the
 * journal, counting rows and asking stores take time that other questions should not pay.  Each is
 * made anew by every call, as of the reader's cut and `now`.
 *
 * Thread: the reader's.
 */
#ifndef RDL_OPS_SYSTEM_H
#define RDL_OPS_SYSTEM_H

#include "ops/catalog.h"
#include "stream/reader.h"

/* Make those that the text names; none is fine. */
RDL_MUST rdl_code rdl_system_define(rdl_reader *r, rdl_str sql, int64_t now_us, rdl_err *err);
/* rdl_system_define, then rdl_reader_query. */
RDL_MUST rdl_code rdl_system_query(rdl_reader *r, const char *sql, int64_t now_us, rdl_result **out,
                                   rdl_err *err);

/* How something with a schedule or a promise stands, by its runs (newest first). */
typedef struct rdl_schedule_view {
    int64_t took_us;     /* its last run; 0: not known */
    int64_t waiting_us;  /* so long; INT64_MIN: nothing waits */
    const char *state;   /* as in raudal.schedules */
    const char *message; /* why it failed; may be NULL */
} rdl_schedule_view;
/* Everything that runs by itself or was promised, reports too, and how it stands. */
typedef struct rdl_schedule_line {
    rdl_schedule_status status;
    rdl_schedule_view view;
} rdl_schedule_line;
RDL_MUST rdl_code rdl_schedules_read(rdl_reader *r, rdl_arena *a, const rdl_catalog_run *runs,
                                     size_t n, int64_t now_us, rdl_schedule_line **out,
                                     size_t *out_n, rdl_err *err);
rdl_schedule_view rdl_schedule_judge(const rdl_schedule_status *s, const rdl_catalog_run *runs,
                                     size_t n, int64_t now_us);

#endif
