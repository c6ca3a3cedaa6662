/*
 * ops/named_query.c - see the header.
 */
#include "ops/named_query.h"

#include <stdio.h>

#include "base/url.h"

/* ---- finding ---- */

rdl_code rdl_named_query_find(const rdl_pipeline *p, const char *name, const rdl_query_file **out,
                              rdl_err *err)
{
    rdl_arena a;
    RDL_VEC(const char *) names = {0};
    rdl_arena_init(&a, 0);
    for (size_t i = 0; i < p->query_count; i++) {
        if (rdl_str_eq(p->queries[i].name, rdl_str_of(name))) {
            *out = &p->queries[i];
            rdl_arena_fini(&a);
            return RDL_OK;
        }
        RDL_PUSH(&a, &names) = rdl_arena_strndup(&a, p->queries[i].name.p, p->queries[i].name.n);
    }
    const char *nearest = rdl_nearest(rdl_str_of(name), names.v, names.n);
    rdl_err_set(err, RDL_EUSAGE, 0, "unrecognized query \"%s\" in pipeline \"%s\"", name, p->name);
    if (nearest != NULL)
        rdl_err_hint(err, "Did you mean \"%s\"?", nearest);
    else if (p->query_count == 0)
        rdl_err_hint(err, "Write its SELECT into queries/%s.sql.", name);
    else
        rdl_err_hint(err, "`raudal query DIR` lists the queries.");
    rdl_arena_fini(&a);
    return RDL_EUSAGE;
}

void rdl_named_query_usage(rdl_buf *b, const rdl_parameter *parameters, size_t n)
{
    for (size_t i = 0; i < n; i++)
        rdl_buf_printf(b, "%s%s%s=...%s", i != 0 ? " " : "", parameters[i].optional ? "[" : "",
                       parameters[i].name, parameters[i].optional ? "]" : "");
}

/* ---- parameters ---- */

static rdl_code refuse_missing(const rdl_named_query *q, const rdl_parameter *all, size_t n,
                               size_t missing, rdl_err *err)
{
    rdl_buf usage = {0};
    rdl_named_query_usage(&usage, all, n);
    rdl_err_set(err, RDL_EUSAGE, 0, "query \"%.*s\" needs a value for \"%s\"%s%s",
                (int)q->file->name.n, q->file->name.p, all[missing].name,
                all[missing].description[0] != '\0' ? ": " : "", all[missing].description);
    rdl_err_hint(err, "Usage: raudal query %s %.*s %s", q->pipeline->name, (int)q->file->name.n,
                 q->file->name.p, rdl_buf_str(&usage));
    rdl_buf_fini(&usage);
    return RDL_EUSAGE;
}

/* "rows to give (default 5)": 5.  CQL has no coalesce, so what the comment promises is bound. */
static const char *promised(rdl_arena *a, const rdl_parameter *p)
{
    static const char word[] = "(default ";
    const char *from = strstr(p->description, word);
    size_t n = from != NULL ? strcspn(from + sizeof word - 1, " ),;") : 0;
    return n > 0 ? rdl_arena_strndup(a, from + sizeof word - 1, n) : NULL;
}

/* What was given, and for each optional parameter that was left out NULL; in CQL its default. */
static rdl_code complete(rdl_arena *a, const rdl_named_query *q, rdl_str text, bool cql,
                         rdl_named_values *out, rdl_err *err)
{
    rdl_parameter *all;
    size_t n;
    rdl_statement_parameters(a, text, &all, &n);
    *out = (rdl_named_values){.names = RDL_NEWN(a, const char *, q->values.n + n),
                              .values = RDL_NEWN(a, const char *, q->values.n + n)};
    for (size_t i = 0; i < q->values.n; i++) {
        out->names[out->n] = q->values.names[i];
        out->values[out->n++] = q->values.values[i];
    }
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < q->values.n && strcmp(out->names[k], all[i].name) != 0)
            k++;
        if (k < q->values.n)
            continue;
        if (!all[i].optional)
            return refuse_missing(q, all, n, i, err);
        out->names[out->n] = all[i].name;
        out->values[out->n++] = cql ? promised(a, &all[i]) : NULL;
    }
    return RDL_OK;
}

/* ---- which store ---- */

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool mentions(rdl_str text, rdl_str name)
{
    for (size_t at = 0; at + name.n <= text.n; at++)
        if (rdl_str_eq_nocase((rdl_str){text.p + at, name.n}, name) &&
            (at == 0 || !is_word(text.p[at - 1])) &&
            (at + name.n == text.n || !is_word(text.p[at + name.n])))
            return true;
    return false;
}

/* The one that was named, else the one store that holds the tables which the text mentions.
 */
static rdl_code choose_store(rdl_arena *a, const rdl_named_query *n, rdl_str *out, rdl_err *err)
{
    const rdl_pipeline *p = n->pipeline;
    const rdl_query_file *q = n->file;
    const char *wanted = n->store;
    *out = wanted != NULL ? rdl_str_of(wanted) : (rdl_str){0};
    if (wanted != NULL)
        return RDL_OK;
    for (size_t pass = 0; pass < 2 && out->n == 0; pass++) {
        for (size_t i = 0; i < p->publication_count; i++) {
            const rdl_publication *pub = p->publications[i];
            if ((pass == 0 && !mentions(q->text, pub->name)) ||
                (out->n != 0 && rdl_str_eq(*out, pub->url)))
                continue;
            if (out->n != 0) {
                rdl_str one = rdl_url_shown(a, *out), two = rdl_url_shown(a, pub->url);
                rdl_err_set(err, RDL_EUSAGE, 0,
                            "query \"%.*s\" could be answered by several stores: \"%.*s\", "
                            "\"%.*s\"",
                            (int)q->name.n, q->name.p, (int)one.n, one.p, (int)two.n, two.p);
                return rdl_err_hint(err, "Choose one with --store URL.");
            }
            *out = pub->url;
        }
    }
    if (out->n != 0)
        return RDL_OK;
    rdl_err_set(err, RDL_EUSAGE, 0, "pipeline \"%s\" publishes no table that could answer",
                p->name);
    return rdl_err_hint(err, "Write PUBLISH s.t TO 'sqlite:serving.db' PRIMARY KEY (...), or "
                             "ask the lake with raudal sql.");
}

/* The text in the store's language. */
static rdl_code choose_text(const rdl_query_file *q, rdl_str url, bool *cql, rdl_str *out,
                            rdl_err *err)
{
    bool only_cql = rdl_str_ends(q->path, ".cql");
    *cql = rdl_str_starts(url, "cassandra:");
    *out = *cql ? q->cql : q->text;
    if (*cql ? q->cql.n > 0 : !only_cql)
        return RDL_OK;
    rdl_err_set(err, RDL_EUSAGE, 0, "query \"%.*s\" is not written in %s, which its store takes",
                (int)q->name.n, q->name.p, *cql ? "CQL" : "SQL");
    return rdl_err_hint(err, "Write queries/%.*s.%s.", (int)q->name.n, q->name.p,
                        *cql ? "cql" : "sql");
}

/* ---- asking ---- */

rdl_code rdl_named_query_run(rdl_arena *a, const rdl_named_query *q,
                             rdl_code (*columns)(void *arg, size_t n, const char *const *names,
                                                 rdl_err *err),
                             rdl_code (*row)(void *arg, size_t n, const rdl_str *values,
                                             const bool *numeric, rdl_err *err),
                             void *arg, rdl_err *err)
{
    rdl_sink *sink;
    rdl_named_values values;
    rdl_str url, text;
    bool cql = false;
    RDL_TRY(choose_store(a, q, &url, err));
    RDL_TRY(choose_text(q->file, url, &cql, &text, err));
    RDL_TRY(complete(a, q, text, cql, &values, err));
    RDL_TRY(rdl_sink_open_to_read(a, url, q->root_dir, "", &sink, err));
    rdl_code rc = sink->ops->query(sink, rdl_arena_strndup(a, text.p, text.n), values.names,
                                   values.values, values.n, columns, row, arg, err);
    sink->ops->close(sink);
    return rdl_err_in(rc, err, "query %.*s", (int)q->file->name.n, q->file->name.p);
}
