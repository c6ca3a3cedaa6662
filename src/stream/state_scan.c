/*
 * stream/state_scan.c - all live entries of one space in key order, for verify and tests.
 */
#include "stream/state_internal.h"
#include <stdlib.h>

static rdl_code add_layers(
    rdl_state *s, rdl_merge *m, const rdl_space_view *spaces, uint32_t index, rdl_err *err)
{
    RDL_TRY(rdl_merge_add_table(m, &s->open, spaces, index, err));
    if (s->spaces[index].clear_open)
        return RDL_OK;
    RDL_TRY(rdl_merge_add_table(m, &s->live, spaces, index, err));
    if (s->frozen != NULL)
        RDL_TRY(rdl_merge_add_table(m, s->frozen, spaces, index, err));
    for (size_t i = 0; i < s->run_count; i++)
        RDL_TRY(rdl_merge_add_run(m, s->runs[i], err));
    return RDL_OK;
}

static rdl_code visit_all(rdl_state *s,
                          rdl_merge *m,
                          uint64_t space,
                          uint32_t index,
                          rdl_state_visitor visit,
                          void *arg,
                          rdl_err *err)
{
    RDL_TRY(rdl_merge_start(m, &space, err));
    for (;;) {
        rdl_run_entry e = {0};
        bool end;
        RDL_TRY(rdl_merge_next(m, &e, &end, err));
        if (end || e.space != space)
            return RDL_OK;
        rdl_state_hit hit = {.found = true, .tombstone = e.tombstone, .epoch = e.epoch};
        if (rdl_state_visible(s, index, &hit))
            RDL_TRY(visit(arg, e.key, e.value, err));
    }
}

rdl_code rdl_state_scan(
    rdl_state *s, uint64_t space, rdl_state_visitor visit, void *arg, rdl_err *err)
{
    rdl_merge m = {0};
    rdl_space_view *spaces = NULL;
    uint32_t index = 0;
    rdl_code rc = RDL_OK;
    RDL_TRY(rdl_state_space_index(s, space, &index, err));
    RDL_TRY_OUT(rdl_state_copy_spaces(s, &spaces, err));
    RDL_TRY_OUT(add_layers(s, &m, spaces, index, err));
    RDL_TRY_OUT(visit_all(s, &m, space, index, visit, arg, err));
out:
    rdl_merge_fini(&m);
    free(spaces); /* allow: see rdl_state_copy_spaces */
    return rdl_err_area(rc, err, RDL_AREA_STORE);
}
