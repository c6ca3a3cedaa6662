/*
 * cli/docs_root.c - sizes, partitions and quality for the data dictionary; see the header.
 */
#include "cli/docs_root.h"

#include "base/clock.h"
#include "stream/cut.h"

enum { DAYS_MAX = 60 };
#define DAY_US (INT64_C(86400) * 1000000)

static rdl_docs_day *day_of(rdl_docs_table *t, rdl_arena *a, int32_t day)
{
    if (t->days.n > 0 && t->days.v[t->days.n - 1].day == day)
        return &t->days.v[t->days.n - 1];
    if (t->days.n == DAYS_MAX) {
        memmove(t->days.v, t->days.v + 1, (DAYS_MAX - 1) * sizeof *t->days.v);
        t->days.n--;
    }
    RDL_PUSH(a, &t->days) = (rdl_docs_day){.day = day};
    return &t->days.v[t->days.n - 1];
}

typedef struct gathering {
    const rdl_pipeline *p;
    rdl_arena *arena;
    rdl_docs_root *out;
} gathering;

static rdl_code add_seal(void *arg, const rdl_seal *seal, rdl_err *err)
{
    gathering *g = arg;
    (void)err;
    for (size_t i = 0; i < seal->tables.n; i++) {
        const rdl_sealed_table *s = &seal->tables.v[i];
        const rdl_table *t = rdl_pipeline_find(g->p, s->table);
        const rdl_ledger *l = &s->ledger;
        uint64_t rejected = l->quarantined + l->late_diverted + l->late_dropped + l->dropped;
        if (t == NULL || t->kind != RDL_TABLE_STREAMING || l->written + rejected == 0)
            continue;
        rdl_docs_day *d =
            day_of(&g->out->tables[t->index], g->arena, (int32_t)(seal->ts_us / DAY_US));
        d->written += l->written;
        d->rejected += rejected;
    }
    return RDL_OK;
}

static char *partition_text(rdl_arena *a, const rdl_lake_snapshot *s, const rdl_lake_file *f)
{
    rdl_buf b = {0};
    for (size_t i = 0; i < s->partition_count; i++)
        rdl_buf_printf(&b, "%s%.*s=%s", i > 0 ? "/" : "", (int)s->partition_columns[i].n,
                       s->partition_columns[i].p,
                       f->partition[i] != NULL ? f->partition[i] : "null");
    char *out = rdl_arena_strdup(a, rdl_buf_str(&b));
    rdl_buf_fini(&b);
    return out;
}

/* Files are sorted by path, so those of one partition stand together. */
static rdl_code add_partitions(rdl_reader *r, rdl_arena *a, const rdl_table *t, rdl_docs_table *out,
                               rdl_err *err)
{
    const rdl_lake_snapshot *s;
    const char *before = "";
    if (t->kind < RDL_TABLE_STREAMING || t->partition_count == 0)
        return RDL_OK;
    RDL_TRY(rdl_cut_lake((rdl_cut *)(uintptr_t)rdl_reader_cut(r), t, &s, err));
    for (size_t i = 0; i < s->file_count && s->partition_count > 0; i++) {
        char *text = partition_text(a, s, &s->files[i]);
        if (strcmp(text, before) == 0)
            continue;
        before = text;
        out->partitions++;
        if (out->first == NULL || strcmp(text, out->first) < 0)
            out->first = text;
        if (out->last == NULL || strcmp(text, out->last) > 0)
            out->last = text;
    }
    return RDL_OK;
}

rdl_code rdl_docs_root_read(rdl_reader *r, rdl_arena *a, rdl_docs_root *out, rdl_err *err)
{
    const rdl_pipeline *p = rdl_reader_pipeline(r);
    rdl_root_status status;
    *out = (rdl_docs_root){.there = true,
                           .now_us = rdl_now_us(&rdl_clock_system),
                           .tables = RDL_NEWN(a, rdl_docs_table, p->table_count + 1)};
    RDL_TRY(rdl_reader_status_of(r, a, RDL_STATUS_TABLES, &status, err));
    out->epoch = status.epoch;
    for (size_t i = 0; i < status.table_count; i++) {
        out->tables[i].status = status.tables[i];
        RDL_TRY(add_partitions(r, a, p->tables[i], &out->tables[i], err));
    }
    gathering g = {p, a, out};
    return rdl_reader_seals(r, add_seal, &g, err);
}

/* Where the owner's line begins and ends; false: there is none. */
static bool owner_line(rdl_str comment, size_t *from, size_t *to)
{
    for (size_t at = 0; at < comment.n;) {
        const char *nl = memchr(comment.p + at, '\n', comment.n - at);
        size_t end = nl != NULL ? (size_t)(nl - comment.p) : comment.n;
        rdl_str word = {comment.p + at, end - at < 6 ? end - at : 6};
        if (rdl_str_eq_nocase(word, RDL_STR("owner:"))) {
            *from = at;
            *to = end;
            return true;
        }
        at = end + 1;
    }
    return false;
}

rdl_str rdl_docs_owner(const rdl_pipeline *p, rdl_str comment)
{
    size_t from, to;
    if (!owner_line(comment, &from, &to))
        return rdl_pipeline_setting(p, "owner", "");
    for (from += 6; from < to && comment.p[from] == ' '; from++)
        ;
    return (rdl_str){comment.p + from, to - from};
}

rdl_str rdl_docs_comment(rdl_arena *a, rdl_str comment)
{
    size_t from, to;
    if (!owner_line(comment, &from, &to))
        return comment;
    to += to < comment.n;
    char *out = rdl_arena_strndup(a, comment.p, comment.n);
    memmove(out + from, out + to, comment.n - to);
    size_t n = from + comment.n - to;
    while (n > 0 && out[n - 1] == '\n')
        n--;
    return (rdl_str){out, n};
}
