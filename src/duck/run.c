/*
 * duck/run.c - a statement is run task by task.
 *
 * duckdb_query asks for tasks in a busy loop while other threads hold the last ones; on a machine
 * whose processors have other work that took an eighth of all our time.  Here the caller helps as
 * long as there are tasks, and sleeps a little when there are none.
 *
 * Whatever is not one plain statement, or does not prepare, is left to duckdb_query: its error
 * text and positions are those of the whole text.
 */
#include "base/clock.h"
#include "duck/kept.h"

enum {
    PATIENCE = 16, /* looks for a task before the first sleep: most statements are short */
    NAP_MIN_US = 20,
    NAP_MAX_US = 200,
};

static void work_off(duckdb_pending_result p)
{
    int looks = 0;
    int64_t nap = NAP_MIN_US;
    for (;;) {
        switch (duckdb_pending_execute_task(p)) {
        case DUCKDB_PENDING_RESULT_NOT_READY:
            looks = 0;
            nap = NAP_MIN_US;
            break;
        case DUCKDB_PENDING_NO_TASKS_AVAILABLE:
            if (++looks <= PATIENCE)
                break;
            rdl_sleep_us(nap);
            nap = nap * 2 < NAP_MAX_US ? nap * 2 : NAP_MAX_US;
            break;
        default: /* ready, or an error that duckdb_execute_pending gives */
            return;
        }
    }
}

static duckdb_state run_prepared(duckdb_prepared_statement s, bool stream, duckdb_result *out)
{
    duckdb_pending_result p = NULL;
    duckdb_state state =
        stream ? duckdb_pending_prepared_streaming(s, &p) : duckdb_pending_prepared(s, &p);
    if (state == DuckDBSuccess)
        work_off(p);
    /* A pending result that failed hands its error on into the result. */
    state = duckdb_execute_pending(p, out);
    duckdb_destroy_pending(&p);
    return state;
}

duckdb_state rdl_duck_run_prepared(duckdb_prepared_statement s, duckdb_result *out)
{
    return run_prepared(s, false, out);
}

duckdb_prepared_statement rdl_duck_prepare_one(duckdb_connection c, const char *sql)
{
    duckdb_extracted_statements all = NULL;
    duckdb_prepared_statement s = NULL;
    bool one = duckdb_extract_statements(c, sql, &all) == 1 &&
               duckdb_prepare_extracted_statement(c, all, 0, &s) == DuckDBSuccess;
    if (!one)
        duckdb_destroy_prepare(&s);
    duckdb_destroy_extracted(&all);
    return s;
}

duckdb_state rdl_duck_run(duckdb_connection c, const char *sql, duckdb_result *out)
{
    duckdb_prepared_statement s = rdl_duck_prepare_one(c, sql);
    if (s == NULL)
        return duckdb_query(c, sql, out);
    duckdb_state state = rdl_duck_run_prepared(s, out);
    duckdb_destroy_prepare(&s);
    return state;
}

duckdb_state rdl_duck_stream(duckdb_connection c, const char *sql, duckdb_result *out)
{
    duckdb_prepared_statement s = rdl_duck_prepare_one(c, sql);
    if (s == NULL)
        return duckdb_query(c, sql, out);
    duckdb_state state = run_prepared(s, true, out);
    duckdb_destroy_prepare(&s);
    return state;
}
