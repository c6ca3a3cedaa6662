/*
 * cql/prepare.c - prepared statements, and the calls that wait for their answer.
 */
#include <stdio.h>

#include "cql/internal.h"

/* ---- Waiting ---- */

typedef struct waiter {
    rdl_cql *s;
    bool finished;
    rdl_code code;
    rdl_err *err;
} waiter;

static void is_done(void *arg, const rdl_cql_answer *a)
{
    waiter *w = arg;
    w->finished = true;
    w->code = a->code;
    if (a->code == RDL_OK)
        return;
    *w->err = *a->err;
    w->s->last_error = *a->error;
}

static rdl_code wait_for(rdl_cql_request *r, rdl_cql_result **out, rdl_err *err)
{
    rdl_cql *s = r->s;
    rdl_cql_result *result = NULL;
    waiter w = {.s = s, .err = err};
    rdl_code rc = rdl_cql_may_wait(s, err);
    s->last_error = (rdl_cql_error){.code = RDL_CQL_E_SERVER};
    if (out != NULL)
        *out = NULL;
    if (rc != RDL_OK) {
        rdl_cql_abandon(r);
        return rc;
    }
    r->owned_out = &result;
    if (r->internal) {
        r->done = is_done;
        r->arg = &w;
        rdl_cql_request_enqueue(r);
    } else {
        RDL_TRY(rdl_cql_send(r, is_done, &w, err));
    }
    while (!w.finished) {
        rdl_err poll_err;
        rdl_code polled = rdl_cql_poll(s, 1000, &poll_err);
        /* The poller itself failed: nothing will come.  w must not be written to any more.
         */
        if (polled != RDL_OK && !w.finished) {
            r->done = NULL;
            r->owned_out = NULL;
            *err = poll_err;
            return polled;
        }
    }
    if (out != NULL)
        *out = result;
    else
        rdl_cql_result_free(result);
    return w.code;
}

rdl_code rdl_cql_execute(rdl_cql_request *r, rdl_cql_result **out, rdl_err *err)
{
    return wait_for(r, out, err);
}

static rdl_code room(rdl_cql *s, rdl_err *err)
{
    RDL_TRY(rdl_cql_may_wait(s, err));
    while (!rdl_cql_room(s))
        RDL_TRY(rdl_cql_poll(s, 1000, err));
    return RDL_OK;
}

rdl_code rdl_cql_query(rdl_cql *s, const char *text, const rdl_cql_options *options,
                       rdl_cql_result **out, rdl_err *err)
{
    RDL_TRY(room(s, err));
    rdl_cql_request *r = rdl_cql_request_take(s, false);
    if (options != NULL)
        r->options = *options;
    rdl_cql_message_query(r, text);
    return wait_for(r, out, err);
}

/* ---- Pages ---- */

static rdl_code next_page(rdl_cql_result *r, rdl_err *err)
{
    rdl_cql *s = r->session;
    rdl_cql_result *page = NULL;
    RDL_TRY(room(s, err));
    rdl_cql_request *q = rdl_cql_request_take(s, false);
    q->options = r->options;
    rdl_buf_put(&q->message, r->request.p, r->request.n);
    q->parameters_at = r->parameters_at;
    q->tail_at = r->request.n;
    q->statement = r->statement;
    rdl_cql_message_tail(q, r->metadata.paging_state);
    RDL_TRY(wait_for(q, &page, err));
    if (page->kind != RDL_CQL_ROWS || page->metadata.n != r->metadata.n) {
        rdl_cql_result_free(page);
        return rdl_err_set(err, RDL_ESCHEMA, 0,
                           "could not read the next page: its columns are others");
    }
    /* What r held goes with the page's shell; r becomes the page. */
    rdl_cql_result old = *r;
    *r = *page;
    *page = old;
    rdl_cql_result_free(page);
    return RDL_OK;
}

rdl_code rdl_cql_fetch(rdl_cql_result *r, bool *out_row, rdl_err *err)
{
    *out_row = rdl_cql_next(r);
    while (!*out_row && r->kind == RDL_CQL_ROWS && r->metadata.more_pages) {
        RDL_TRY(next_page(r, err)); /* a page may be empty and not the last */
        *out_row = rdl_cql_next(r);
    }
    return RDL_OK;
}

/* ---- Statements ---- */

static rdl_str keep(rdl_cql *s, rdl_str v)
{
    return (rdl_str){rdl_arena_strndup(&s->arena, v.p != NULL ? v.p : "", v.n), v.n};
}

static rdl_code prepare(rdl_cql *s, rdl_str text, rdl_cql_statement *st, rdl_err *err)
{
    rdl_cql_result *result = NULL;
    rdl_cql_prepared p;
    rdl_cql_request *r = rdl_cql_request_take(s, true);
    rdl_cql_message_prepare(r, text);
    RDL_TRY(wait_for(r, &result, err));
    rdl_wire w = result->rest;
    rdl_code rc = RDL_OK;
    if (result->kind != RDL_CQL_PREPARED || !rdl_cql_prepared_read(&w, &s->arena, s->version, &p))
        rc = rdl_err_set(err, RDL_ENET, 0,
                         "could not prepare a statement: the answer cannot be understood");
    if (rc == RDL_OK)
        *st = (rdl_cql_statement){.session = s,
                                  .next = st->next,
                                  .text = text,
                                  .id = keep(s, p.id),
                                  .result_id = keep(s, p.result_id),
                                  .binds = p.binds,
                                  .result = p.result};
    rdl_cql_result_free(result);
    return rc;
}

rdl_code rdl_cql_prepare(rdl_cql *s, const char *text, rdl_cql_statement **out, rdl_err *err)
{
    *out = NULL;
    for (rdl_cql_statement *st = s->statements; st != NULL; st = st->next)
        if (!st->stale && rdl_str_eq(st->text, rdl_str_of(text))) {
            *out = st;
            return RDL_OK;
        }
    rdl_cql_statement *st = RDL_NEW(&s->arena, rdl_cql_statement);
    RDL_TRY(rdl_err_in(prepare(s, keep(s, rdl_str_of(text)), st, err), err, "statement \"%.60s\"",
                       text));
    st->next = s->statements;
    s->statements = st;
    *out = st;
    return RDL_OK;
}

rdl_str rdl_cql_statement_text(const rdl_cql_statement *st)
{
    return st->text;
}

rdl_str rdl_cql_statement_id(const rdl_cql_statement *st)
{
    return st->id;
}

uint32_t rdl_cql_binds(const rdl_cql_statement *st)
{
    return st->binds.n;
}

const rdl_cql_column *rdl_cql_bind_at(const rdl_cql_statement *st, uint32_t i)
{
    return &st->binds.columns[i];
}

bool rdl_cql_bind_find(const rdl_cql_statement *st, const char *name, uint32_t *out)
{
    for (uint32_t i = 0; i < st->binds.n; i++)
        if (rdl_str_eq(st->binds.columns[i].name, rdl_str_of(name))) {
            *out = i;
            return true;
        }
    return false;
}

uint32_t rdl_cql_key_binds(const rdl_cql_statement *st)
{
    return st->binds.key_n;
}

uint32_t rdl_cql_key_bind_at(const rdl_cql_statement *st, uint32_t i)
{
    return st->binds.key[i];
}

uint32_t rdl_cql_statement_columns(const rdl_cql_statement *st)
{
    return st->result.n;
}

const rdl_cql_column *rdl_cql_statement_column_at(const rdl_cql_statement *st, uint32_t i)
{
    return &st->result.columns[i];
}
