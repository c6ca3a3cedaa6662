/*
 * source/decode/json_nested.c - lists, maps and structs into vectors.
 *
 * A value that does not fit as a whole leaves nothing behind: the children's fill is set back.
 */
#include "source/decode/json.h"

#include <stdlib.h>

static const char *put_list(rdl_worker *w, rdl_node *node, size_t row, const char *p)
{
    rdl_node *child = &node->children[0];
    uint64_t from = node->used;
    if (*p != '[')
        return rdl_json_skip(w, p) != NULL ? rdl_json_nocast(w) : NULL;
    p = rdl_json_blank(w, p + 1);
    for (bool more = *p != ']'; more;) {
        if (!rdl_node_grow(node, node->used + 1))
            return rdl_json_bad(w, p, "out of memory");
        rdl_put_valid(child->v, node->used);
        p = rdl_json_put(w, child, node->used, p);
        if (p == NULL)
            return NULL;
        node->used++;
        if ((p = rdl_json_next(w, p, ']', &more)) == NULL)
            return NULL;
    }
    RDL_VECTOR_AT(node->v, rdl_duck_list, row) = (rdl_duck_list){from, node->used - from};
    return p + 1;
}

static int compare_strings(const void *a, const void *b)
{
    return rdl_str_cmp(*(const rdl_str *)a, *(const rdl_str *)b);
}

/* The stored bytes of a map's key, for comparing. */
static rdl_str key_bytes(rdl_worker *w, const rdl_node *key, uint64_t at)
{
    rdl_buf_clear(&w->text);
    if (key->type->kind == RDL_TYPE_TEXT)
        return rdl_vector_str(key->v, at);
    rdl_vector_print(key->v, at, &w->text);
    char *copy = rdl_worker_take(w, w->text.n + 1);
    memcpy(copy, rdl_buf_str(&w->text), w->text.n);
    return (rdl_str){copy, w->text.n};
}

/* Keys of a map must differ, as values: compared after the cast ("1" and "01" as INTEGER). */
static bool keys_differ(rdl_worker *w, const rdl_node *node, uint64_t from)
{
    size_t n = (size_t)(node->used - from);
    if (n < 2)
        return true;
    char *room = rdl_worker_take(w, (n + 1) * sizeof(rdl_str));
    rdl_str *keys = (rdl_str *)(void *)(((uintptr_t)room + 7) & ~(uintptr_t)7);
    for (size_t i = 0; i < n; i++)
        keys[i] = key_bytes(w, &node->children[0], from + i);
    qsort(keys, n, sizeof *keys, compare_strings);
    for (size_t i = 1; i < n; i++)
        if (rdl_str_eq(keys[i - 1], keys[i]))
            return false;
    return true;
}

static const char *put_map_entry(rdl_worker *w, rdl_node *node, const char *p)
{
    rdl_str name;
    p = rdl_json_name(w, p, &name);
    if (p == NULL || (p = rdl_json_colon(w, p)) == NULL)
        return NULL;
    if (!rdl_node_grow(node, node->used + 1))
        return rdl_json_bad(w, p, "out of memory");
    rdl_put_valid(node->children[0].v, node->used);
    rdl_put_valid(node->children[1].v, node->used);
    if (rdl_put_text(w, &node->children[0], node->used, name) != RDL_PUT_OK)
        return rdl_json_nocast(w);
    p = rdl_json_put(w, &node->children[1], node->used, p);
    if (p != NULL)
        node->used++;
    return p;
}

static const char *put_map(rdl_worker *w, rdl_node *node, size_t row, const char *p)
{
    uint64_t from = node->used;
    if (*p != '{')
        return rdl_json_skip(w, p) != NULL ? rdl_json_nocast(w) : NULL;
    p = rdl_json_blank(w, p + 1);
    for (bool more = *p != '}'; more;) {
        p = put_map_entry(w, node, p);
        if (p == NULL || (p = rdl_json_next(w, p, '}', &more)) == NULL)
            return NULL;
    }
    if (!keys_differ(w, node, from))
        return rdl_json_nocast(w);
    RDL_VECTOR_AT(node->v, rdl_duck_list, row) = (rdl_duck_list){from, node->used - from};
    return p + 1;
}

static rdl_node *struct_field(rdl_node *node, rdl_str name)
{
    for (size_t i = 0; i < node->child_count; i++) {
        if (rdl_str_eq(node->type->field_names[i], name))
            return &node->children[i];
    }
    return NULL;
}

static const char *put_struct_field(rdl_worker *w, rdl_node *node, size_t row, const char *p)
{
    rdl_str name;
    p = rdl_json_name(w, p, &name);
    if (p == NULL || (p = rdl_json_colon(w, p)) == NULL)
        return NULL;
    rdl_node *field = struct_field(node, name);
    if (field == NULL) {
        w->struct_extra = true;
        return rdl_json_skip(w, p);
    }
    rdl_put_valid(field->v, row);
    return rdl_json_put(w, field, row, p);
}

static const char *put_struct(rdl_worker *w, rdl_node *node, size_t row, const char *p)
{
    if (*p != '{')
        return rdl_json_skip(w, p) != NULL ? rdl_json_nocast(w) : NULL;
    for (size_t i = 0; i < node->child_count; i++)
        rdl_put_null(&node->children[i], row);
    p = rdl_json_blank(w, p + 1);
    for (bool more = *p != '}'; more;) {
        p = put_struct_field(w, node, row, p);
        if (p == NULL || (p = rdl_json_next(w, p, '}', &more)) == NULL)
            return NULL;
    }
    return p + 1;
}

const char *rdl_json_put_nested(rdl_worker *w, rdl_node *node, size_t row, const char *p)
{
    if (w->depth >= RDL_DECODE_DEPTH_MAX)
        return rdl_json_bad(w, p, "values are nested over 64 deep");
    uint64_t used = node->used;
    w->depth++;
    const char *end = node->type->kind == RDL_TYPE_LIST  ? put_list(w, node, row, p)
                      : node->type->kind == RDL_TYPE_MAP ? put_map(w, node, row, p)
                                                         : put_struct(w, node, row, p);
    w->depth--;
    if (end == NULL)
        node->used = used;
    return end;
}
