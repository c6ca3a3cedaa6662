/*
 * sink/cassandra_prepare.c - a published table before its rows: is it there, does it fit, whose is
 * it, how far; and whether all of that still holds when a batch begins and ends.
 *
 * Progress speaks of one making of a table, by Cassandra's own id of it.  A table that is missing,
 * or was dropped and made again, has none: it is owned anew at epoch -1 and filled whole.
 */
#include "sink/cassandra_internal.h"

rdl_code rdl_cassandra_has_rows(rdl_cassandra *s, const rdl_cassandra_table *t, bool *out,
                                rdl_err *err)
{
    rdl_cql_result *r = NULL;
    rdl_buf cql = {0};
    const rdl_cql_options options = {.consistency = t->consistency, .idempotent = true};
    rdl_buf_puts(&cql, "SELECT ");
    rdl_cql_put_ident(&cql, rdl_str_of(t->columns[t->key[0]]));
    rdl_buf_puts(&cql, " FROM ");
    rdl_cassandra_put_table(s, &cql, t->name);
    rdl_buf_puts(&cql, " LIMIT 1");
    rdl_code rc = rdl_cql_query(s->session, rdl_buf_str(&cql), &options, &r, err);
    if (rc == RDL_OK)
        *out = rdl_cql_next(r);
    else
        rc = rdl_cassandra_fail(s, rc, err, "read table \"%s\"", t->name);
    rdl_cql_result_free(r);
    rdl_buf_fini(&cql);
    return rc;
}

static bool is_ours(const rdl_cassandra *s, const rdl_cassandra_progress *p)
{
    return p->exists && strcmp(p->root, s->root_uuid) == 0;
}

/* Whose is it?  A table with rows that nobody owns was filled by somebody else. */
static rdl_code check_owner(rdl_cassandra *s, const rdl_cassandra_table *t, rdl_err *err)
{
    const rdl_cassandra_progress *p = &t->progress;
    bool rows = false;
    if (p->exists && !is_ours(s, p)) {
        rdl_err_set(err, RDL_ECONFLICT, 0,
                    "cannot publish to table \"%s\" of Cassandra %s: it belongs to another root "
                    "(%s, ours is %s)",
                    t->name, s->where, p->root, s->root_uuid);
        rdl_err_hint(err, "To replace what it holds by this pipeline's rows, run with --adopt.");
        return rdl_err_area(RDL_ECONFLICT, err, RDL_AREA_SINK);
    }
    if (p->exists)
        return RDL_OK;
    RDL_TRY(rdl_cassandra_has_rows(s, t, &rows, err));
    if (!rows)
        return RDL_OK;
    rdl_err_set(err, RDL_ECONFLICT, 0,
                "cannot publish to table \"%s\" of Cassandra %s: it holds rows that no pipeline "
                "wrote",
                t->name, s->where);
    rdl_err_hint(err, "To replace them, run with --adopt; or publish under another name.");
    return rdl_err_area(RDL_ECONFLICT, err, RDL_AREA_SINK);
}

static rdl_code check_name(rdl_cassandra *s, const rdl_sink_table *t, rdl_err *err)
{
    const char *name = rdl_cassandra_fold(&s->arena, rdl_str_of(t->name)), *why = NULL;
    if (strcmp(name, "raudal_progress") == 0)
        why = "that name is ours";
    else if (strlen(name) > 48)
        why = "a name has 48 letters at most";
    for (const char *p = name; *p != '\0' && why == NULL; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '_'))
            why = "a name is of letters, digits and _";
    if (why == NULL)
        return RDL_OK;
    rdl_err_set(err, RDL_ESCHEMA, 0, "cannot publish to table \"%s\" of Cassandra %s: %s", name,
                s->where, why);
    rdl_err_hint(err, "Publish under another name: PUBLISH ... TO '...' AS name.");
    return rdl_err_area(RDL_ESCHEMA, err, RDL_AREA_SINK);
}

static rdl_code remember(rdl_cassandra *s, rdl_cassandra_table *t)
{
    for (size_t i = 0; i < s->tables.n; i++) {
        if (strcmp(s->tables.v[i]->name, t->name) == 0) {
            s->tables.v[i] = t;
            return RDL_OK;
        }
    }
    RDL_PUSH(&s->arena, &s->tables) = t;
    return RDL_OK;
}

static rdl_code prepare_to_write(rdl_cassandra *s, const rdl_sink_table *table, int64_t *out_epoch,
                                 rdl_err *err)
{
    rdl_cassandra_table *t = NULL;
    bool keyspace = false, there = false;
    RDL_TRY(check_name(s, table, err));
    RDL_TRY(rdl_cassandra_keyspace_make(s, table, NULL, NULL, true, &keyspace, err));
    RDL_TRY(rdl_cassandra_progress_create(s, NULL, NULL, true, err));
    RDL_TRY(rdl_cassandra_table_make(s, table, NULL, NULL, true, &there, err));
    RDL_TRY(rdl_cassandra_table_bind(s, table, &t, err));
    if (t == NULL)
        return rdl_err_set(err, RDL_ENET, RDL_ERR_RETRY,
                           "could not find table \"%s\" of Cassandra %s after it was made",
                           table->name, s->where);
    RDL_TRY(rdl_cassandra_progress_read(s, t->name, &t->progress, err));
    if (!s->adopt)
        RDL_TRY(check_owner(s, t, err));
    /* Progress of another making of the table is progress of nothing. */
    if (!there || !is_ours(s, &t->progress) ||
        memcmp(t->progress.table_id, t->there->id, sizeof t->there->id) != 0)
        RDL_TRY(rdl_cassandra_progress_own(s, t, err));
    *out_epoch = t->progress.epoch;
    return remember(s, t);
}

static rdl_code prepare_to_read(rdl_cassandra *s, const rdl_sink_table *table, int64_t *out_epoch,
                                rdl_err *err)
{
    rdl_cassandra_table *t = NULL;
    rdl_arena a;
    rdl_cql_table *progress = NULL;
    *out_epoch = -1;
    RDL_TRY(rdl_cassandra_table_bind(s, table, &t, err));
    if (t == NULL)
        return RDL_OK;
    rdl_arena_init(&a, 0);
    rdl_code rc = rdl_cql_table_get(s->session, &a, rdl_str_of(s->keyspace),
                                    RDL_STR("raudal_progress"), &progress, err);
    rdl_arena_fini(&a);
    if (rc != RDL_OK)
        return rdl_cassandra_fail(s, rc, err, "read the schema");
    if (progress != NULL)
        RDL_TRY(rdl_cassandra_progress_read(s, t->name, &t->progress, err));
    RDL_TRY(check_owner(s, t, err));
    *out_epoch = t->progress.exists ? t->progress.epoch : -1;
    return remember(s, t);
}

/* Two that make the same table at the same moment: a server lists it before it serves it. */
static bool listed_not_served(const rdl_cassandra *s, const rdl_err *err)
{
    const rdl_cql_error *e = rdl_cql_last_error(s->session);
    return e != NULL && e->code == RDL_CQL_E_INVALID &&
           (strstr(err->msg, "does not exist") != NULL || strstr(err->msg, "unconfigured") != NULL);
}

rdl_code rdl_cassandra_prepare(rdl_sink *sink, const rdl_sink_table *table, int64_t *out_epoch,
                               rdl_err *err)
{
    enum { SERVED_TRIES = 7 };
    rdl_cassandra *s = rdl_cassandra_of(sink);
    rdl_cassandra_wait wait = {0};
    rdl_code rc;
    if (s->read_only)
        return rdl_err_in(prepare_to_read(s, table, out_epoch, err), err, "sink cassandra");
    while ((rc = prepare_to_write(s, table, out_epoch, err)) != RDL_OK &&
           listed_not_served(s, err)) {
        err->flags |= RDL_ERR_RETRY;
        if (wait.turns == SERVED_TRIES || !rdl_cassandra_again(s, &wait, err))
            break;
    }
    return rdl_err_in(rc, err, "sink cassandra");
}

rdl_code rdl_cassandra_provision(rdl_sink *sink, const rdl_sink_table *table, rdl_sink_say say,
                                 void *arg, rdl_err *err)
{
    rdl_cassandra *s = rdl_cassandra_of(sink);
    rdl_cassandra_table *t = NULL;
    bool apply = !s->read_only, there = false;
    rdl_code rc = check_name(s, table, err);
    if (rc == RDL_OK)
        rc = rdl_cassandra_keyspace_make(s, table, say, arg, apply, &there, err);
    if (rc == RDL_OK)
        rc = rdl_cassandra_progress_create(s, say, arg, apply, err);
    if (rc == RDL_OK)
        rc = rdl_cassandra_table_make(s, table, say, arg, apply, &there, err);
    if (rc == RDL_OK)
        rc = rdl_cassandra_table_bind(s, table, &t, err);
    if (rc == RDL_OK && t != NULL) /* for a seed */
        rc = remember(s, t);
    return rdl_err_in(rc, err, "sink cassandra");
}

/* ---- remembered ---- */

rdl_cassandra_table *rdl_cassandra_table_named(const rdl_cassandra *s, const char *name)
{
    for (size_t i = 0; i < s->tables.n; i++)
        if (rdl_str_eq_nocase(rdl_str_of(s->tables.v[i]->name), rdl_str_of(name)))
            return s->tables.v[i];
    return NULL;
}

/* ---- when the schema changes under us ---- */

static bool same_columns(const rdl_cql_table *a, const rdl_cql_table *b)
{
    for (uint32_t i = 0; i < a->n && a->n == b->n; i++) {
        const rdl_cql_table_column *x = &a->columns[i], *y = &b->columns[i];
        if (!rdl_str_eq(x->name, y->name) || x->role != y->role ||
            x->type->frozen != y->type->frozen || !rdl_cql_type_eq(x->type, y->type))
            return false;
    }
    return a->n == b->n;
}

static rdl_code refuse_dropped(const rdl_cassandra *s, bool made_again, rdl_err *err)
{
    rdl_err_set(err, RDL_ENET, RDL_ERR_RETRY,
                "could not write table \"%s\" of Cassandra %s: somebody dropped it%s",
                s->table->name, s->where, made_again ? " and made it again" : "");
    rdl_err_hint(err, "It is made where it is missing, and filled, when it is tried again.");
    return rdl_err_area(RDL_ENET, err, RDL_AREA_SINK);
}

/* With what it has now; the rest stays as it was. */
static rdl_code bind_again(rdl_cassandra *s, const rdl_sink_table *table, rdl_err *err)
{
    rdl_cassandra_table *now = NULL, *then = s->table;
    RDL_TRY(rdl_cassandra_table_bind(s, table, &now, err));
    if (now == NULL)
        return refuse_dropped(s, false, err);
    now->progress = then->progress;
    now->quiet_us = then->quiet_us;
    now->foreign_us = then->foreign_us;
    s->table = now;
    return remember(s, now);
}

/*
 * When the schema changed since the table was read: one that was dropped and made again is empty,
 * and one that was altered may no longer fit (table NULL: in the middle of a batch, where the
 * server itself refuses rows that do not).
 */
rdl_code rdl_cassandra_look_again(rdl_cassandra *s, const rdl_sink_table *table, rdl_err *err)
{
    rdl_arena a;
    rdl_cql_stats stats;
    rdl_cql_table *now = NULL;
    rdl_cassandra_table *then = s->table;
    rdl_err ignored;
    (void)!rdl_cql_poll(s->session, 0, &ignored); /* what was said while nobody listened */
    rdl_cql_stats_get(s->session, &stats);
    if (stats.schema_version == then->schema_version)
        return RDL_OK;
    rdl_arena_init(&a, 0);
    rdl_code rc =
        rdl_cql_table_get(s->session, &a, then->there->keyspace, then->there->name, &now, err);
    if (rc != RDL_OK)
        rc = rdl_cassandra_fail(s, rc, err, "read the schema");
    else if (now == NULL || memcmp(now->id, then->there->id, sizeof now->id) != 0)
        rc = refuse_dropped(s, now != NULL, err);
    else if (table != NULL && !same_columns(now, then->there))
        rc = bind_again(s, table, err);
    if (rc == RDL_OK && (table != NULL || same_columns(now, then->there)))
        s->table->schema_version = stats.schema_version;
    rdl_arena_fini(&a);
    return rc;
}
