/*
 * stream/history_read.c - the journal's records into a history, for the engine and for readers.
 *
 * Types that it does not know are passed over: they say nothing about rows.
 */
#include "stream/history.h"
#include "stream/journal.h"
#include "stream/seal_json.h"
#include "stream/summary.h"

static rdl_code add_seal(rdl_history *h, rdl_str payload, rdl_err *err)
{
    rdl_arena a;
    rdl_seal seal;
    rdl_arena_init(&a, 0);
    rdl_code rc = rdl_seal_parse(&a, payload, &seal, err);
    if (rc == RDL_OK)
        rdl_history_add(h, &seal);
    rdl_arena_fini(&a);
    return rc;
}

static rdl_code add_job(rdl_history *h, rdl_str payload, rdl_err *err)
{
    rdl_arena a;
    rdl_sealed_job job;
    rdl_arena_init(&a, 0);
    rdl_code rc = rdl_seal_parse_job(&a, payload, &job, err);
    if (rc == RDL_OK)
        rdl_history_add_job(h, &job);
    rdl_arena_fini(&a);
    return rc;
}

/* What an intent without an end names; a done record settles it. */
static rdl_code add_clearing(rdl_history *h, rdl_str payload, rdl_err *err)
{
    json_t *o = NULL, *one;
    size_t i;
    RDL_TRY(rdl_json_record(payload, "clear", &o, err));
    bool done = json_is_true(json_object_get(o, "done"));
    json_array_foreach(json_object_get(o, "files"), i, one)
    {
        const char *source = json_string_value(json_object_get(one, "source"));
        const char *path = json_string_value(json_object_get(one, "path"));
        if (source != NULL && path != NULL)
            rdl_history_clear(h, rdl_str_of(source), path, done ? RDL_CLEARED : RDL_CLEARING);
    }
    json_decref(o);
    return RDL_OK;
}

static rdl_code add_drop(rdl_history *h, rdl_str payload, rdl_err *err)
{
    json_t *o = NULL;
    RDL_TRY(rdl_json_record(payload, "drop", &o, err));
    const char *table = json_string_value(json_object_get(o, "table"));
    if (table != NULL)
        rdl_history_drop(h, rdl_str_of(table));
    json_decref(o);
    return RDL_OK;
}

rdl_code rdl_history_visit(rdl_history *h, rdl_buf *checkpoint, uint32_t type, rdl_str payload,
                           rdl_err *err)
{
    switch (type) {
    case RDL_RECORD_SEAL:
        return add_seal(h, payload, err);
    case RDL_RECORD_SUMMARY:
        return rdl_summary_add(h, payload, err);
    case RDL_RECORD_JOB:
        return add_job(h, payload, err);
    case RDL_RECORD_CLEAR:
        return add_clearing(h, payload, err);
    case RDL_RECORD_DROP:
        return add_drop(h, payload, err);
    case RDL_RECORD_PRUNE:
        rdl_history_prune(h, rdl_seal_parse_prune(payload));
        return RDL_OK;
    case RDL_RECORD_CHECKPOINT:
        if (checkpoint != NULL) {
            rdl_buf_clear(checkpoint);
            rdl_buf_put(checkpoint, payload.p, payload.n);
        }
        return RDL_OK;
    default:
        return RDL_OK;
    }
}
