/*
 * duck/packed.c - vectors as bytes, and back.
 */
#include "duck/packed.h"

#include <stdlib.h>

#include "base/fs.h"
#include "base/hash.h"

struct rdl_packed {
    rdl_arena arena; /* schema */
    rdl_map_file file;
    rdl_str name, path;
    rdl_schema schema;
    uint64_t rows;
    rdl_str body;
    size_t at; /* of the next chunk in the body */
};

/* ---- writing ---- */

static void put_int(rdl_buf *out, uint64_t x, size_t bytes)
{
    rdl_buf_put(out, &x, bytes);
}

static void put_text(rdl_buf *out, rdl_str s)
{
    put_int(out, s.n, 2);
    rdl_buf_put(out, s.p, s.n);
}

static void put_vector(const rdl_vector *v, const size_t *rows, size_t n, rdl_buf *out);

static void put_validity(const rdl_vector *v, const size_t *rows, size_t n, rdl_buf *out)
{
    bool nulls = false;
    for (size_t i = 0; i < n && !nulls; i++)
        nulls = !rdl_vector_valid(v, rows[i]);
    rdl_buf_putc(out, nulls ? RDL_PACKED_NULLS : 0);
    for (size_t i = 0; nulls && i < n; i += 8) {
        unsigned bits = 0;
        for (size_t j = i; j < n && j < i + 8; j++)
            bits |= (unsigned)rdl_vector_valid(v, rows[j]) << (j - i);
        rdl_buf_putc(out, (char)bits);
    }
}

static void put_strings(const rdl_vector *v, const size_t *rows, size_t n, rdl_buf *out)
{
    for (size_t i = 0; i < n; i++)
        put_int(out, rdl_vector_valid(v, rows[i]) ? rdl_vector_str(v, rows[i]).n : 0, 4);
    for (size_t i = 0; i < n; i++) {
        if (!rdl_vector_valid(v, rows[i]))
            continue;
        rdl_str s = rdl_vector_str(v, rows[i]);
        rdl_buf_put(out, s.p, s.n);
    }
}

static void put_lists(const rdl_vector *v, const size_t *rows, size_t n, rdl_buf *out)
{
    rdl_arena a;
    size_t total = 0;
    rdl_arena_init(&a, 0);
    for (size_t i = 0; i < n; i++) {
        bool valid = rdl_vector_valid(v, rows[i]);
        uint64_t length = valid ? RDL_VECTOR_AT(v, rdl_duck_list, rows[i]).length : 0;
        put_int(out, length, 4);
        total += length;
    }
    size_t *elements = RDL_NEWN(&a, size_t, total + 1), at = 0;
    for (size_t i = 0; i < n; i++) {
        if (!rdl_vector_valid(v, rows[i]))
            continue;
        rdl_duck_list l = RDL_VECTOR_AT(v, rdl_duck_list, rows[i]);
        for (uint64_t j = 0; j < l.length; j++)
            elements[at++] = l.offset + j;
    }
    for (size_t i = 0; i < v->child_count; i++)
        put_vector(&v->children[i], elements, total, out);
    rdl_arena_fini(&a);
}

static void put_vector(const rdl_vector *v, const size_t *rows, size_t n, rdl_buf *out)
{
    size_t width = rdl_vector_width(v->type);
    put_validity(v, rows, n, out);
    if (width > 0) {
        rdl_buf_reserve(out, n * width);
        for (size_t i = 0; i < n; i++)
            rdl_buf_put(out, (const char *)v->data + rows[i] * width, width);
        return;
    }
    switch (v->type->kind) {
    case RDL_TYPE_LIST:
    case RDL_TYPE_MAP:
        put_lists(v, rows, n, out);
        return;
    case RDL_TYPE_STRUCT:
        for (size_t i = 0; i < v->child_count; i++)
            put_vector(&v->children[i], rows, n, out);
        return;
    default:
        put_strings(v, rows, n, out);
    }
}

void rdl_packed_put_chunk(const rdl_chunk *c, rdl_buf *out)
{
    rdl_arena a;
    rdl_arena_init(&a, 0);
    size_t *rows = RDL_NEWN(&a, size_t, c->rows + 1);
    for (size_t i = 0; i < c->rows; i++)
        rows[i] = i;
    put_int(out, c->rows, 4);
    for (size_t i = 0; i < c->n; i++) {
        size_t at = out->n;
        put_int(out, 0, 4);
        put_vector(&c->v[i], rows, c->rows, out);
        uint32_t bytes = (uint32_t)(out->n - at - 4);
        memcpy(out->p + at, &bytes, 4);
    }
    rdl_arena_fini(&a);
}

static void put_head(const char *name, const rdl_schema *schema, uint64_t rows, size_t body,
                     rdl_buf *out)
{
    rdl_buf head = {0}, type = {0};
    put_text(&head, rdl_str_of(name));
    put_int(&head, schema->n, 2);
    for (size_t i = 0; i < schema->n; i++) {
        rdl_buf_clear(&type);
        rdl_type_print(schema->v[i].type, &type);
        put_text(&head, schema->v[i].name);
        put_text(&head, (rdl_str){rdl_buf_str(&type), type.n});
    }
    put_int(&head, rows, 8);
    put_int(&head, body, 8);
    put_int(out, head.n, 4);
    rdl_buf_put(out, head.p, head.n);
    rdl_buf_fini(&head);
    rdl_buf_fini(&type);
}

void rdl_packed_put_block(const char *name, const rdl_schema *schema, uint64_t rows,
                          const rdl_buf *body, rdl_buf *out)
{
    size_t at = out->n + 4;
    put_head(name, schema, rows, body->n, out);
    rdl_buf_put(out, body->p, body->n);
    put_int(out, rdl_hash64(out->p + at, out->n - at), 8);
}

/* ---- reading ---- */

typedef struct cursor {
    const char *p;
    size_t n, at;
    bool bad; /* something ended early: sticks */
} cursor;

static const char *take(cursor *c, size_t n)
{
    if (c->bad || c->n - c->at < n) {
        c->bad = true;
        return NULL;
    }
    c->at += n;
    return c->p + c->at - n;
}

static uint64_t take_int(cursor *c, size_t bytes)
{
    uint64_t x = 0;
    const char *p = take(c, bytes);
    if (p != NULL)
        memcpy(&x, p, bytes);
    return x;
}

static rdl_str take_text(cursor *c)
{
    size_t n = take_int(c, 2);
    const char *p = take(c, n);
    return p != NULL ? (rdl_str){p, n} : (rdl_str){"", 0};
}

static rdl_code damaged(const rdl_packed *p, const char *why, rdl_err *err)
{
    return rdl_err_set(err, RDL_EDATA, 0, "could not read rows \"%.*s\" of \"%.*s\": %s",
                       (int)p->name.n, p->name.p, (int)p->path.n, p->path.p, why);
}

static bool get_vector(cursor *c, rdl_vector *v, size_t n);

static void set_nulls(cursor *c, rdl_vector *v, size_t n)
{
    const char *bits = take(c, (n + 7) / 8);
    for (size_t i = 0; bits != NULL && i < n; i++) {
        if (((unsigned char)bits[i / 8] >> (i & 7) & 1) == 0)
            rdl_vector_set_null(v, i);
    }
}

static void get_strings(cursor *c, rdl_vector *v, size_t n)
{
    const char *lengths = take(c, 4 * n);
    for (size_t i = 0; lengths != NULL && i < n; i++) {
        uint32_t length;
        memcpy(&length, lengths + 4 * i, 4);
        const char *p = take(c, length);
        if (p == NULL)
            return;
        if (rdl_vector_valid(v, i))
            rdl_vector_set_str(v, i, p, length);
    }
}

/* Each after the one before it: `text` holds that one. */
static void get_shared(cursor *c, rdl_vector *v, size_t n)
{
    const uint8_t *shared = (const uint8_t *)take(c, n), *rest = (const uint8_t *)take(c, n);
    rdl_buf text = {0};
    for (size_t i = 0; rest != NULL && i < n; i++) {
        if (!rdl_vector_valid(v, i))
            continue;
        size_t more = rest[i] < UINT8_MAX ? rest[i] : take_int(c, 4);
        const char *p = take(c, more);
        c->bad = c->bad || shared[i] > text.n;
        if (c->bad)
            break;
        text.n = shared[i];
        rdl_buf_put(&text, p, more);
        rdl_vector_set_str(v, i, rdl_buf_str(&text), text.n);
    }
    rdl_buf_fini(&text);
}

static void get_values(cursor *c, rdl_vector *v, size_t n, size_t width, bool same)
{
    const char *p = take(c, same && n > 0 ? width : n * width);
    if (p == NULL || n == 0)
        return;
    if (!same) {
        memcpy(v->data, p, n * width);
        return;
    }
    for (size_t i = 0; i < n; i++)
        memcpy((char *)v->data + i * width, p, width);
}

static void get_lists(cursor *c, rdl_vector *v, size_t n)
{
    const char *lengths = take(c, 4 * n);
    uint64_t total = 0;
    rdl_duck_list *lists = v->data;
    for (size_t i = 0; lengths != NULL && i < n; i++) {
        uint32_t length;
        memcpy(&length, lengths + 4 * i, 4);
        lists[i] = (rdl_duck_list){total, length};
        total += length;
    }
    if (lengths == NULL || total > c->n || !rdl_vector_list_reserve(v, total)) {
        c->bad = true;
        return;
    }
    for (size_t i = 0; i < v->child_count; i++)
        (void)get_vector(c, &v->children[i], total);
    rdl_vector_list_set_size(v, total);
}

static bool get_vector(cursor *c, rdl_vector *v, size_t n)
{
    size_t width = rdl_vector_width(v->type);
    unsigned flags = (unsigned)take_int(c, 1);
    if ((flags & RDL_PACKED_NULLS) != 0)
        set_nulls(c, v, n);
    if (width > 0) {
        get_values(c, v, n, width, (flags & RDL_PACKED_SAME) != 0);
    } else if (v->type->kind == RDL_TYPE_LIST || v->type->kind == RDL_TYPE_MAP) {
        get_lists(c, v, n);
    } else if (v->type->kind == RDL_TYPE_STRUCT) {
        for (size_t i = 0; i < v->child_count; i++)
            (void)get_vector(c, &v->children[i], n);
    } else if ((flags & RDL_PACKED_SHARED) != 0) {
        get_shared(c, v, n);
    } else {
        get_strings(c, v, n);
    }
    return !c->bad;
}

rdl_code rdl_packed_next(rdl_packed *p, const bool *wanted, rdl_chunk *out, rdl_err *err)
{
    cursor c = {p->body.p, p->body.n, p->at, false};
    out->rows = 0;
    if (p->at == p->body.n)
        return RDL_OK;
    size_t rows = take_int(&c, 4);
    if (rows > RDL_VECTOR_ROWS)
        return damaged(p, "a chunk has too many rows", err);
    for (size_t i = 0; i < p->schema.n && !c.bad; i++) {
        size_t bytes = take_int(&c, 4);
        const char *data = take(&c, bytes);
        cursor column = {data, bytes, 0, data == NULL};
        if (data != NULL && (wanted == NULL || wanted[i]))
            c.bad = !get_vector(&column, &out->v[i], rows);
    }
    if (c.bad)
        return damaged(p, "its bytes end early", err);
    p->at = c.at;
    out->rows = rows;
    return RDL_OK;
}

void rdl_packed_rewind(rdl_packed *p)
{
    p->at = 0;
}

static rdl_code read_head(rdl_packed *p, cursor *head, uint64_t *body, rdl_err *err)
{
    size_t n = take_int(head, 2);
    p->schema = (rdl_schema){RDL_NEWN(&p->arena, rdl_column, n + 1), n};
    for (size_t i = 0; i < n; i++) {
        rdl_str name = take_text(head), type = take_text(head);
        p->schema.v[i].name = (rdl_str){rdl_arena_strndup(&p->arena, name.p, name.n), name.n};
        if (head->bad || rdl_type_parse(&p->arena, type, &p->schema.v[i].type, err) != RDL_OK)
            return damaged(p, "its columns cannot be read", err);
    }
    p->rows = take_int(head, 8);
    *body = take_int(head, 8);
    return head->bad ? damaged(p, "its head ends early", err) : RDL_OK;
}

/* Goes from block to block to the one of this name, and checks it (D1). */
static rdl_code find_block(rdl_packed *p, rdl_err *err)
{
    cursor c = {p->file.p, p->file.n, 0, false};
    const char *magic = take(&c, strlen(RDL_PACKED_MAGIC));
    if (magic == NULL || (memcmp(magic, RDL_PACKED_MAGIC, strlen(RDL_PACKED_MAGIC)) != 0 &&
                          memcmp(magic, RDL_PACKED_MAGIC_1, strlen(RDL_PACKED_MAGIC_1)) != 0))
        return damaged(p, "it is no file of rows", err);
    while (c.at < c.n) {
        size_t bytes = take_int(&c, 4);
        const char *begin = take(&c, bytes);
        cursor head = {begin, bytes, 0, begin == NULL};
        uint64_t body = 0, sum;
        rdl_str name = take_text(&head);
        if (head.bad)
            return damaged(p, "a head ends early", err);
        bool wanted = rdl_str_eq(name, p->name);
        rdl_arena_reset(&p->arena);
        RDL_TRY(read_head(p, &head, &body, err));
        p->body = (rdl_str){take(&c, body), body};
        sum = take_int(&c, 8);
        if (c.bad)
            return damaged(p, "a block ends early", err);
        if (wanted)
            return rdl_hash64(begin, bytes + body) == sum
                       ? RDL_OK
                       : damaged(p, "its checksum does not fit", err);
    }
    return damaged(p, "there is no such block", err);
}

rdl_code rdl_packed_open(const char *path, const char *name, rdl_packed **out, rdl_err *err)
{
    rdl_packed *p = calloc(1, sizeof *p); /* allow: freed by rdl_packed_close */
    if (p == NULL)
        return rdl_err_nomem(err);
    rdl_arena_init(&p->arena, 0);
    p->name = rdl_str_of(strdup(name)); /* allow: as above */
    p->path = rdl_str_of(strdup(path)); /* allow: as above */
    rdl_code rc = p->name.p == NULL || p->path.p == NULL ? rdl_err_nomem(err)
                                                         : rdl_fs_map(path, &p->file, err);
    if (rc == RDL_OK)
        rc = find_block(p, err);
    if (rc != RDL_OK) {
        rdl_packed_close(p);
        return rc;
    }
    *out = p;
    return RDL_OK;
}

const rdl_schema *rdl_packed_schema(const rdl_packed *p)
{
    return &p->schema;
}

uint64_t rdl_packed_rows(const rdl_packed *p)
{
    return p->rows;
}

void rdl_packed_close(rdl_packed *p)
{
    if (p == NULL)
        return;
    rdl_fs_unmap(&p->file);
    rdl_arena_fini(&p->arena);
    free((char *)(uintptr_t)p->name.p); /* allow: as its strdup */
    free((char *)(uintptr_t)p->path.p); /* allow: as its strdup */
    free(p);                            /* allow: as its calloc */
}
