/*
 * stream/root.c - the names of everything below a root.
 */
#include "stream/root.h"

#include <inttypes.h>

#include "base/fs.h"

static const char *const suffixes[] = {"new", "old", "quarantine"};

void rdl_root_paths(rdl_arena *a, const char *dir, rdl_root *out)
{
    const char *full = rdl_path_absolute(a, dir);
    *out = (rdl_root){
        .dir = full,
        .state = rdl_path_join(a, full, "state"),
        .lake = rdl_path_join(a, full, "lake"),
        .epochs = rdl_path_join(a, full, "state/epochs"),
        .snapshots = rdl_path_join(a, full, "state/snapshots"),
        .tmp = rdl_path_join(a, full, "state/tmp"),
        .plan_cache = rdl_path_join(a, full, "state/plan.cache"),
    };
}

rdl_code rdl_root_make(const rdl_root *r, rdl_err *err)
{
    RDL_TRY(rdl_fs_mkdirs(r->lake, err));
    RDL_TRY(rdl_fs_mkdirs(r->epochs, err));
    RDL_TRY(rdl_fs_mkdirs(r->snapshots, err));
    return rdl_fs_mkdirs(r->tmp, err);
}

char *rdl_root_epoch_dir(rdl_arena *a, const rdl_root *r, uint64_t epoch)
{
    return rdl_arena_printf(a, "%s/%012" PRIu64, r->epochs, epoch);
}

static const char *file_name(rdl_arena *a, rdl_str name)
{
    rdl_buf b = {0};
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '_' || c == '-' || c == '.' || c == '$' || (unsigned char)c >= 0x80;
        if (plain && !(c == '.' && i == 0))
            rdl_buf_putc(&b, c);
        else
            rdl_buf_printf(&b, "%%%02X", (unsigned)(unsigned char)c);
    }
    const char *out = rdl_arena_strndup(a, rdl_buf_str(&b), b.n);
    rdl_buf_fini(&b);
    return out;
}

char *rdl_root_segment(rdl_arena *a, const rdl_root *r, uint64_t epoch, rdl_str table,
                       rdl_segment kind)
{
    return rdl_arena_printf(a, "%s/%012" PRIu64 "/%s.%s.parquet", r->epochs, epoch,
                            file_name(a, table), suffixes[kind]);
}

char *rdl_root_part(rdl_arena *a, const rdl_root *r, uint64_t epoch, rdl_str table, size_t part)
{
    return rdl_arena_printf(a, "%s/%012" PRIu64 "/%s.new.%zu.parquet", r->epochs, epoch,
                            file_name(a, table), part);
}

char *rdl_root_parts(rdl_arena *a, const rdl_root *r, uint64_t epoch, rdl_str table)
{
    return rdl_arena_printf(a, "%s/%012" PRIu64 "/%s.new.parts.json", r->epochs, epoch,
                            file_name(a, table));
}

char *rdl_root_packed(rdl_arena *a, const rdl_root *r, uint64_t epoch)
{
    return rdl_arena_printf(a, "%s/%012" PRIu64 "/rows", r->epochs, epoch);
}

char *rdl_root_packed_name(rdl_arena *a, rdl_str table, rdl_segment kind)
{
    return rdl_arena_printf(a, "%.*s.%s", (int)table.n, table.p, suffixes[kind]);
}

char *rdl_root_delta(rdl_arena *a, const rdl_root *r, uint64_t epoch)
{
    return rdl_arena_printf(a, "%s/%012" PRIu64 "/state.delta", r->epochs, epoch);
}

char *rdl_root_snapshot(rdl_arena *a, const rdl_root *r, rdl_str source, uint64_t epoch)
{
    return rdl_arena_printf(a, "%s/%s/%012" PRIu64 ".parquet", r->snapshots,
                            file_name(a, source), epoch);
}

char *rdl_root_model(rdl_arena *a, const rdl_root *r, rdl_str name)
{
    return rdl_arena_printf(a, "%s/models/%s", r->state, file_name(a, name));
}

char *rdl_root_artifact(rdl_arena *a, const rdl_root *r, rdl_str model, rdl_str artifact)
{
    return rdl_arena_printf(a, "%s/models/%s/%.*s", r->dir, file_name(a, model), (int)artifact.n,
                            artifact.p);
}

char *rdl_root_lake_table(rdl_arena *a, const rdl_root *r, const rdl_table *t)
{
    return rdl_arena_printf(a, "%s/%s/%s", r->lake, file_name(a, t->schema),
                            file_name(a, t->name));
}

char *rdl_root_quarantine_name(rdl_arena *a, const rdl_table *t)
{
    bool source = t->kind == RDL_TABLE_SOURCE || t->kind == RDL_TABLE_SNAPSHOT;
    return rdl_arena_printf(a, "%.*s_%.*s", source ? 6 : (int)t->schema.n,
                            source ? "source" : t->schema.p, (int)t->name.n, t->name.p);
}

char *rdl_root_quarantine(rdl_arena *a, const rdl_root *r, const rdl_table *t)
{
    const char *name = rdl_root_quarantine_name(a, t);
    return rdl_arena_printf(a, "%s/quarantine/%s", r->lake, file_name(a, rdl_str_of(name)));
}

void rdl_root_table_named(rdl_arena *a, const rdl_root *r, rdl_str full, rdl_table *out)
{
    bool found = false;
    *out = (rdl_table){.kind = RDL_TABLE_STREAMING, .full = full, .name = full};
    for (size_t i = 0; i < full.n && !found; i++) {
        if (full.p[i] != '.')
            continue;
        bool first = out->schema.n == 0;
        rdl_table here = *out;
        here.schema = (rdl_str){full.p, i};
        here.name = (rdl_str){full.p + i + 1, full.n - i - 1};
        found = rdl_fs_exists(rdl_root_lake_table(a, r, &here));
        if (found || first)
            *out = here;
    }
}

void rdl_quarantine_schema(rdl_arena *a, rdl_schema *out)
{
    const rdl_type *text = rdl_type_of(RDL_TYPE_TEXT), *big = rdl_type_of(RDL_TYPE_BIGINT);
    const rdl_column columns[] = {
        {RDL_STR("_epoch"), big},
        {RDL_STR("_source_partition"), rdl_type_of(RDL_TYPE_INTEGER)},
        {RDL_STR("_source_offset"), big},
        {RDL_STR("_ordinal"), big},
        {RDL_STR("source"), text},
        {RDL_STR("source_file"), text},
        {RDL_STR("reasons"), rdl_type_list(a, text)},
        {RDL_STR("detail"), text},
        {RDL_STR("raw"), rdl_type_of(RDL_TYPE_BLOB)},
        {RDL_STR("record"), rdl_type_of(RDL_TYPE_JSON)},
        {RDL_STR("ingest_ts"), rdl_type_of(RDL_TYPE_TIMESTAMPTZ)},
        {RDL_STR("pipeline"), text},
        {RDL_STR("replayed_epoch"), big},
    };
    out->n = sizeof columns / sizeof columns[0];
    out->v = RDL_NEWN(a, rdl_column, out->n);
    memcpy(out->v, columns, sizeof columns);
}
