/*
 * stream/folders.c - values of PARTITIONED BY that no folder can be named after.
 *
 * A value becomes a folder of the lake, escaped, and file systems take names of 255 bytes.  An epoch
 * with a longer one could be sealed and never be applied; so it fails before the seal, and the row's
 * table is put aside with a message that says which value.
 */
#include "stream/internal.h"

enum {
    NAME_BYTES = 255,
    PREFIX_BYTES = 8, /* of the folders that data files are staged in */
    SHOWN_CHARACTERS = 40,
};

static rdl_code too_long(const rdl_table *t, const rdl_column *c, const char *found, size_t max,
                         rdl_err *err)
{
    rdl_err_set(err, RDL_EDATA, 0,
                "could not partition \"%.*s\" by column \"%.*s\": the value that begins with \"%.200s\" "
                "is too long for the name of a folder, which takes %zu bytes when it is escaped",
                (int)t->full.n, t->full.p, (int)c->name.n, c->name.p, found, max);
    rdl_err_hint(err,
                 "Partition by something shorter, or reject such rows: CONSTRAINT short EXPECT "
                 "(coalesce(length(url_encode(%.*s)) <= %zu, true)) ON VIOLATION QUARANTINE.",
                 (int)c->name.n, c->name.p, max);
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_SOURCE);
}

static rdl_code check_column(rdl_engine *e, rdl_work *w, const rdl_table *t, const rdl_column *c,
                             rdl_err *err)
{
    rdl_buf sql = {0}, name = {0};
    char *found = NULL;
    size_t prefix = c->name.n * 3 + 1;
    prefix = prefix < PREFIX_BYTES ? PREFIX_BYTES : prefix;
    size_t max = prefix < NAME_BYTES / 2 ? NAME_BYTES - prefix : NAME_BYTES / 2;
    rdl_buf_put_sql_ident(&name, c->name);
    rdl_buf_printf(&sql, "SELECT left(%s, %d) FROM ", rdl_buf_str(&name), (int)SHOWN_CHARACTERS);
    rdl_put_relation(&sql, "e", "new:", t->full);
    rdl_buf_printf(&sql, " WHERE length(url_encode(%s)) > %zu LIMIT 1", rdl_buf_str(&name), max);
    rdl_code rc = rdl_relation_text(e, &w->arena, rdl_buf_str(&sql), &found, err);
    rdl_buf_fini(&sql);
    rdl_buf_fini(&name);
    return rc == RDL_OK && found != NULL ? too_long(t, c, found, max, err) : rc;
}

rdl_code rdl_folders_check(rdl_engine *e, rdl_work *w, const rdl_table *t, rdl_err *err)
{
    if (!w->changed[t->index] || w->rows_new[t->index] == 0)
        return RDL_OK;
    for (size_t i = 0; i < t->partition_count; i++) {
        const rdl_column *c = &t->columns.v[t->partition_by[i]];
        if (c->type->kind == RDL_TYPE_TEXT)
            RDL_TRY(check_column(e, w, t, c, err));
    }
    return RDL_OK;
}
