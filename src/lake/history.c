/*
 * lake/history.c - what was committed when.
 */
#include "lake/delta.h"

rdl_code rdl_lake_history(
    rdl_arena *a, const char *dir, rdl_lake_version **out, size_t *out_n, rdl_err *err)
{
    rdl_delta_listing list;
    *out = NULL;
    *out_n = 0;
    RDL_TRY(rdl_delta_list(a, dir, &list, err));
    rdl_lake_version *v = RDL_NEWN(a, rdl_lake_version, list.commit_count + 1);
    rdl_arena each;
    rdl_arena_init(&each, 0);
    rdl_code rc = RDL_OK;
    for (size_t i = list.commit_count; i-- > 0;) {
        rdl_delta_state s;
        rdl_delta_state_init(&s, &each);
        RDL_TRY_OUT(rdl_delta_read_commit(&s, dir, list.commits[i], err));
        v[(*out_n)++] = (rdl_lake_version){
            .version = list.commits[i],
            .timestamp_us = s.timestamp_ms * 1000,
            .operation = rdl_arena_strdup(a, s.last.operation),
            .txn_version = s.last.txn_version,
            .files_added = s.last.files_added,
            .files_removed = s.last.files_removed,
            .rows_added = s.last.rows_added,
        };
        rdl_arena_reset(&each);
    }
    *out = v;
out:
    rdl_arena_fini(&each);
    return rc;
}
