/*
 * lang/plan_archive.c - values of a pipeline to bytes and back (plan_archive.h).
 */
#include "lang/plan_archive.h"

#include <string.h>

enum { TYPE_DEPTH_MAX = 64 };

void rdl_archive_number(rdl_archive *x, uint64_t *v)
{
    unsigned char b[8] = {0};
    if (!x->reading) {
        for (size_t i = 0; i < 8; i++)
            b[i] = (unsigned char)(*v >> (8 * i));
        rdl_buf_put(&x->out, (const char *)b, 8);
        return;
    }
    *v = 0;
    if (x->bad || x->in.n - x->at < 8) {
        x->bad = true;
        return;
    }
    memcpy(b, x->in.p + x->at, 8);
    x->at += 8;
    for (size_t i = 0; i < 8; i++)
        *v |= (uint64_t)b[i] << (8 * i);
}

void rdl_archive_bounded(rdl_archive *x, uint64_t *v, uint64_t below)
{
    rdl_archive_number(x, v);
    if (*v < below)
        return;
    x->bad = true;
    *v = 0;
}

void rdl_archive_whole(rdl_archive *x, int64_t *v)
{
    uint64_t n = (uint64_t)*v;
    rdl_archive_number(x, &n);
    *v = (int64_t)n;
}

void rdl_archive_count(rdl_archive *x, size_t *n)
{
    uint64_t v = *n;
    rdl_archive_number(x, &v);
    if (x->reading && v > (x->in.n - x->at) / 8) {
        x->bad = true;
        v = 0;
    }
    *n = (size_t)v;
}

bool rdl_archive_present(rdl_archive *x, bool there)
{
    RDL_ARCHIVE_FLAG(x, there);
    return there;
}

void rdl_archive_text(rdl_archive *x, rdl_str *s)
{
    uint64_t n = s->p != NULL ? s->n + 1 : 0;
    rdl_archive_number(x, &n);
    if (!x->reading) {
        if (n > 1)
            rdl_buf_put(&x->out, s->p, s->n);
        return;
    }
    *s = (rdl_str){NULL, 0};
    if (n == 0)
        return;
    if (n - 1 > x->in.n - x->at) {
        x->bad = true;
        return;
    }
    *s = (rdl_str){rdl_arena_strndup(x->p->arena, x->in.p + x->at, (size_t)n - 1), (size_t)n - 1};
    x->at += (size_t)n - 1;
}

void rdl_archive_place(rdl_archive *x, rdl_pos *pos)
{
    uint64_t file = 0, at = pos->at, len = pos->len;
    for (size_t i = 0; !x->reading && i < x->p->file_count; i++)
        if (x->p->files[i] == pos->file)
            file = i + 1;
    x->bad = x->bad || (!x->reading && file == 0 && pos->file != NULL);
    rdl_archive_bounded(x, &file, x->p->file_count + 1);
    rdl_archive_bounded(x, &at, UINT32_MAX);
    rdl_archive_bounded(x, &len, UINT32_MAX);
    if (!x->reading)
        return;
    *pos = (rdl_pos){file > 0 ? x->p->files[file - 1] : NULL, (uint32_t)at, (uint32_t)len};
    if (file > 0 && at + len > pos->file->text.n)
        x->bad = true;
}

void rdl_archive_indexes(rdl_archive *x, size_t **v, size_t *n, size_t below)
{
    RDL_ARCHIVE_ARRAY(x, *v, *n, size_t);
    for (size_t i = 0; i < *n; i++) {
        uint64_t k = (*v)[i];
        rdl_archive_bounded(x, &k, below);
        (*v)[i] = (size_t)k;
    }
}

void rdl_archive_reference(rdl_archive *x, rdl_table **t, size_t below)
{
    uint64_t i = !x->reading ? (*t)->index : 0;
    if (below == 0) {
        x->bad = true;
        return;
    }
    rdl_archive_bounded(x, &i, below);
    *t = x->p->tables[i];
}

void rdl_archive_references(rdl_archive *x, rdl_table ***v, size_t *n, size_t below)
{
    RDL_ARCHIVE_ARRAY(x, *v, *n, rdl_table *);
    for (size_t i = 0; i < *n && !x->bad; i++)
        rdl_archive_reference(x, &(*v)[i], below);
}

void rdl_archive_hash(rdl_archive *x, rdl_hash128 *h)
{
    rdl_archive_number(x, &h->hi);
    rdl_archive_number(x, &h->lo);
}

static void fields(rdl_archive *x, rdl_type *t, size_t depth)
{
    rdl_str *names = (rdl_str *)(uintptr_t)t->field_names;
    RDL_ARCHIVE_ARRAY(x, names, t->field_count, rdl_str);
    if (x->reading) {
        t->field_names = names;
        t->field_types = RDL_NEWN(x->p->arena, const rdl_type *, t->field_count + 1);
    }
    for (size_t i = 0; i < t->field_count; i++) {
        rdl_archive_text(x, &names[i]);
        rdl_archive_type(x, &t->field_types[i], depth + 1);
    }
}

static bool has_parameters(rdl_type_kind kind)
{
    return kind == RDL_TYPE_DECIMAL || kind == RDL_TYPE_LIST || kind == RDL_TYPE_MAP ||
           kind == RDL_TYPE_STRUCT;
}

void rdl_archive_type(rdl_archive *x, const rdl_type **t, size_t depth)
{
    rdl_type own = {0};
    if (!x->reading && *t != NULL)
        own = **t;
    x->bad = x->bad || depth > TYPE_DEPTH_MAX;
    RDL_ARCHIVE_SMALL(x, own.kind, RDL_TYPE_STRUCT + 1);
    if (x->bad || (unsigned)own.kind == 0) {
        *t = x->reading ? NULL : *t;
        return;
    }
    RDL_ARCHIVE_SMALL(x, own.precision, 39);
    RDL_ARCHIVE_SMALL(x, own.scale, 39);
    if (own.kind == RDL_TYPE_LIST || own.kind == RDL_TYPE_MAP)
        rdl_archive_type(x, &own.child, depth + 1);
    if (own.kind == RDL_TYPE_MAP)
        rdl_archive_type(x, &own.value, depth + 1);
    if (own.kind == RDL_TYPE_STRUCT)
        fields(x, &own, depth);
    if (!x->reading)
        return;
    if (!has_parameters(own.kind)) {
        *t = rdl_type_of(own.kind);
        return;
    }
    rdl_type *made = RDL_NEW(x->p->arena, rdl_type);
    *made = own;
    *t = made;
}

void rdl_archive_types(rdl_archive *x, const rdl_type ***v, size_t *n)
{
    RDL_ARCHIVE_ARRAY(x, *v, *n, const rdl_type *);
    for (size_t i = 0; i < *n; i++)
        rdl_archive_type(x, &(*v)[i], 0);
}

void rdl_archive_columns(rdl_archive *x, rdl_schema *s)
{
    RDL_ARCHIVE_ARRAY(x, s->v, s->n, rdl_column);
    for (size_t i = 0; i < s->n; i++) {
        rdl_archive_text(x, &s->v[i].name);
        rdl_archive_type(x, &s->v[i].type, 0);
        x->bad = x->bad || s->v[i].type == NULL;
    }
}

void rdl_archive_options(rdl_archive *x, rdl_option **v, size_t *n)
{
    RDL_ARCHIVE_ARRAY(x, *v, *n, rdl_option);
    for (size_t i = 0; i < *n; i++) {
        rdl_archive_text(x, &(*v)[i].name);
        rdl_archive_text(x, &(*v)[i].value);
        rdl_archive_place(x, &(*v)[i].pos);
    }
}
