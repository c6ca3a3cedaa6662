/*
 * duck/kept.c - plans of statements that come again.
 */
#include "duck/kept.h"

#include <stdlib.h>

#include "base/hash.h"
#include "duck/held.h"

enum {
    PLACES = 1024, /* a power of two */
    NEIGHBOURS = 4,
};

struct rdl_kept {
    uint64_t hash, generation;
    char *text;
    duckdb_prepared_statement statement;
};

static void forget(rdl_kept *k)
{
    duckdb_destroy_prepare(&k->statement);
    free(k->text); /* allow: see remember */
    *k = (rdl_kept){0};
}

void rdl_kept_free(rdl_conn *c)
{
    for (size_t i = 0; c->kept != NULL && i < PLACES; i++) {
        if (c->kept[i].text != NULL)
            forget(&c->kept[i]);
    }
    free(c->kept); /* allow: see find */
    c->kept = NULL;
}

/* The place of this text, or the one it may take; NULL: no memory, so nothing is kept. */
static rdl_kept *find(rdl_conn *c, const char *sql, uint64_t hash)
{
    rdl_kept *place = NULL;
    if (c->kept == NULL)
        c->kept = calloc(PLACES, sizeof *c->kept); /* allow: as long as the connection */
    if (c->kept == NULL)
        return NULL;
    for (size_t i = 0; i < NEIGHBOURS; i++) {
        rdl_kept *k = &c->kept[(hash + i) & (PLACES - 1)];
        if (k->text != NULL && k->hash == hash && strcmp(k->text, sql) == 0)
            return k;
        if (place == NULL && k->text == NULL)
            place = k;
    }
    return place != NULL ? place : &c->kept[hash & (PLACES - 1)];
}

static void remember(rdl_kept *k, const char *sql, uint64_t hash, uint64_t generation,
                     duckdb_prepared_statement s)
{
    if (k->text != NULL)
        forget(k);
    *k = (rdl_kept){hash, generation, strdup(sql), s}; /* allow: freed by forget */
    if (k->text == NULL)
        forget(k);
}

duckdb_state rdl_duck_run_kept(rdl_conn *c, const char *sql, duckdb_result *out)
{
    uint64_t hash = rdl_hash64(sql, strlen(sql));
    rdl_kept *k = find(c, sql, hash);
    bool known = k != NULL && k->text != NULL && strcmp(k->text, sql) == 0;
    if (known && k->generation != c->duck->generation) {
        forget(k);
        known = false;
    }
    if (!known) {
        duckdb_prepared_statement s = k != NULL ? rdl_duck_prepare_one(c->handle, sql) : NULL;
        if (s == NULL)
            return rdl_duck_run(c->handle, sql, out);
        remember(k, sql, hash, c->duck->generation, s);
        if (k->text == NULL)
            return rdl_duck_run(c->handle, sql, out);
    }
    duckdb_state state = rdl_duck_run_prepared(k->statement, out);
    if (state != DuckDBSuccess)
        forget(k);
    return state;
}

rdl_code rdl_query_kept(rdl_conn *c, const char *sql, rdl_result **out, rdl_err *err)
{
    duckdb_result handle;
    rdl_conn_begin_statement(c);
    c->changed = 0;
    duckdb_state state = rdl_duck_run_kept(c, sql, &handle);
    return rdl_result_take(c, state, &handle, out, err);
}

rdl_code rdl_exec_kept(rdl_conn *c, const char *sql, rdl_err *err)
{
    rdl_result *r = NULL;
    rdl_code rc = rdl_query_kept(c, sql, &r, err);
    rdl_result_free(r);
    return rc;
}
