/*
 * duck/utc.c - dates of instants in UTC.
 */
#include "duck/utc.h"

#include <string.h>

#define DAY_US (INT64_C(86400) * 1000000)

/* DuckDB's infinities, which days have too. */
static bool is_infinite(int64_t us)
{
    return us == INT64_MAX || us == -INT64_MAX;
}

static int64_t floor_days(int64_t us)
{
    return us / DAY_US - (us % DAY_US < 0);
}

void rdl_utc_day_fn(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    size_t rows = duckdb_data_chunk_get_size(input);
    duckdb_vector from = duckdb_data_chunk_get_vector(input, 0);
    const int64_t *us = duckdb_vector_get_data(from);
    const uint64_t *valid = duckdb_vector_get_validity(from);
    int32_t *days = duckdb_vector_get_data(output);
    (void)info;
    for (size_t i = 0; i < rows; i++)
        days[i] = (int32_t)floor_days(us[i]);
    for (size_t i = 0; i < rows; i++) {
        if (is_infinite(us[i]))
            days[i] = us[i] > 0 ? INT32_MAX : -INT32_MAX;
    }
    if (valid == NULL)
        return;
    duckdb_vector_ensure_validity_writable(output);
    memcpy(duckdb_vector_get_validity(output), valid, (rows + 63) / 64 * sizeof *valid);
}
