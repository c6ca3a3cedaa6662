/*
 * duck/local_day.c - rdl_local_day(ts, zone): the calendar day that an instant has by a zone's
 * clock.
 *
 * ICU makes a new calendar whenever a row's zone is another than the row's before, which costs two
 * microseconds; a stream of messages of customers in several zones pays that for each.  Here a
 * zone's changes are read once, by ICU, and kept with the database.  They are known for the years
 * of zone.h: local_date of the prelude asks ICU itself for any other time.
 *
 * Thread: any; a zone that is known does not change and stays until the database is closed.
 */
#include "duck/local_day.h"

#include <stdlib.h>

#include "duck/zone.h"

#define DAY_US (INT64_C(86400) * 1000000)

struct rdl_local_zone {
    rdl_local_zone *next;
    rdl_str name;
    rdl_zone zone;
    rdl_arena arena;
};

void rdl_local_zones_free(rdl_duck *d)
{
    while (d->zones != NULL) {
        rdl_local_zone *z = d->zones;
        d->zones = z->next;
        rdl_arena_fini(&z->arena);
        free(z); /* allow: as its calloc */
    }
}

static const rdl_local_zone *find(rdl_duck *d, rdl_str name)
{
    rdl_mutex_lock(&d->lock);
    const rdl_local_zone *z = d->zones;
    while (z != NULL && !rdl_str_eq(z->name, name))
        z = z->next;
    rdl_mutex_unlock(&d->lock);
    return z;
}

/* By a connection of its own: this is called while another one's query runs. */
static rdl_code read_zone(rdl_duck *d, rdl_local_zone *z, rdl_err *err)
{
    rdl_conn *c = NULL;
    bool known = false;
    RDL_TRY(rdl_conn_open(d, &c, err));
    rdl_code rc = rdl_zone_known(c, z->name, &known, err);
    if (rc == RDL_OK && !known)
        rc = rdl_err_set(err, RDL_EDATA, 0, "there is no time zone \"%.*s\"", (int)z->name.n,
                         z->name.p);
    if (rc == RDL_OK)
        rc = rdl_zone_read(c, &z->arena, z->name, &z->zone, err);
    rdl_conn_close(c);
    return rc;
}

/* Two threads may read one zone; both are kept, and say the same. */
static rdl_code add(rdl_duck *d, rdl_str name, const rdl_local_zone **out, rdl_err *err)
{
    rdl_local_zone *z = calloc(1, sizeof *z); /* allow: freed by rdl_local_zones_free */
    if (z == NULL)
        return rdl_err_nomem(err);
    rdl_arena_init(&z->arena, 0);
    z->name = (rdl_str){rdl_arena_strndup(&z->arena, name.p, name.n), name.n};
    rdl_code rc = read_zone(d, z, err);
    if (rc != RDL_OK) {
        rdl_arena_fini(&z->arena);
        free(z); /* allow: as its calloc */
        return rc;
    }
    rdl_mutex_lock(&d->lock);
    z->next = d->zones;
    d->zones = z;
    rdl_mutex_unlock(&d->lock);
    *out = z;
    return RDL_OK;
}

static int32_t day_in(const rdl_zone *z, int64_t us)
{
    if (z->n > 0)
        us += (int64_t)z->offsets_s[rdl_zone_at(z, us)] * 1000000;
    return (int32_t)(us / DAY_US - (us % DAY_US < 0));
}

static bool is_valid(const uint64_t *validity, idx_t row)
{
    return validity == NULL || (validity[row >> 6] >> (row & 63) & 1) != 0;
}

void rdl_local_day_fn(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    rdl_duck *d = duckdb_scalar_function_get_extra_info(info);
    duckdb_vector times = duckdb_data_chunk_get_vector(input, 0),
                  names = duckdb_data_chunk_get_vector(input, 1);
    const int64_t *us = duckdb_vector_get_data(times);
    const rdl_vector zones = {.data = duckdb_vector_get_data(names)};
    const uint64_t *has_time = duckdb_vector_get_validity(times),
                   *has_zone = duckdb_vector_get_validity(names);
    int32_t *out = duckdb_vector_get_data(output);
    const rdl_local_zone *z = NULL;
    idx_t rows = duckdb_data_chunk_get_size(input);
    for (idx_t row = 0; row < rows; row++) {
        rdl_err err = {0};
        if (!is_valid(has_time, row) || !is_valid(has_zone, row)) {
            duckdb_vector_ensure_validity_writable(output);
            duckdb_validity_set_row_invalid(duckdb_vector_get_validity(output), row);
            continue;
        }
        rdl_str name = rdl_vector_str(&zones, row);
        if (z == NULL || !rdl_str_eq(z->name, name))
            z = find(d, name);
        if (z == NULL && add(d, name, &z, &err) != RDL_OK) {
            duckdb_scalar_function_set_error(info, err.msg);
            return;
        }
        out[row] = day_in(&z->zone, us[row]);
    }
}
