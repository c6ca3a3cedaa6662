/*
 * lang/tree.h - small helpers over DuckDB's JSON tree of a SELECT.
 *
 * DuckDB parses and prints; here trees are walked, cloned and rewritten.  A node is a
 * jansson object; every node that these functions make is owned by the rdl_tree (its pool)
 * and lives until rdl_tree_fini; embedding one in another adds a reference, so callers free
 * nothing.
 *
 * NUMBERS.  The tree may hold integers beyond int64 and decimals whose text matters.  Any
 * number that is not a plain int64 is kept as the string "\x01<digits>" and printed back as
 * the same digits, so that a tree survives the round trip bit for bit.
 *
 * Thread: one at a time.
 */
#ifndef RDL_LANG_TREE_H
#define RDL_LANG_TREE_H

#include <jansson.h>

#include "duck/duck.h"

typedef struct rdl_tree {
    rdl_arena *arena;
    rdl_conn *conn;
    json_t *pool; /* array: owns what was made */
} rdl_tree;

void rdl_tree_init(rdl_tree *tr, rdl_arena *a, rdl_conn *conn);
void rdl_tree_fini(rdl_tree *tr);
json_t *rdl_tree_keep(rdl_tree *tr, json_t *taken); /* owned by the pool from now on */

/* The query node (SELECT_NODE, SET_OPERATION_NODE, ...) of one SELECT, and its text. */
RDL_MUST rdl_code rdl_tree_parse(rdl_tree *tr, const char *select, json_t **out, rdl_err *err);
RDL_MUST rdl_code rdl_tree_print(rdl_tree *tr, json_t *query, rdl_str *out, rdl_err *err);
/* n expressions in one call; in their text a column "$1", "$2", ... is a place for bind. */
RDL_MUST rdl_code rdl_tree_exprs(rdl_tree *tr, const char *const *texts, size_t n, json_t **out,
                                 rdl_err *err);

json_t *rdl_tree_clone(rdl_tree *tr, json_t *node);
json_t *rdl_tree_column(rdl_tree *tr, const char *qualifier, const char *name); /* may be NULL */
json_t *rdl_tree_position(rdl_tree *tr, size_t i);        /* the constant i, for GROUP BY i */
json_t *rdl_tree_and(rdl_tree *tr, json_t *a, json_t *b); /* either may be null */
/* Replace columns "$1".. in expr (changed in place, or returned) by args[0].. */
json_t *rdl_tree_bind(rdl_tree *tr, json_t *expr, json_t *const *args, size_t n);
void rdl_tree_alias(json_t *expr, const char *alias);
/* SELECT <empty list> FROM from; from NULL: none.  And a reference to schema.table. */
json_t *rdl_tree_select(rdl_tree *tr, json_t *from);
json_t *rdl_tree_table(rdl_tree *tr, const char *schema, const char *table);
json_t *rdl_tree_subquery(rdl_tree *tr, json_t *query, const char *alias); /* a FROM item */
json_t *rdl_tree_call(rdl_tree *tr, const char *function, json_t *args);   /* args: an array */

/* "" when there is no such text. */
const char *rdl_tree_text(const json_t *node, const char *key);
bool rdl_tree_is(const json_t *node, const char *type);   /* by "type" */
bool rdl_tree_class(const json_t *node, const char *cls); /* by "class" */
bool rdl_tree_has(const json_t *node, const char *key);   /* present, not null, not empty */
/* The last part of a column reference, else "". */
const char *rdl_tree_column_name(const json_t *node);
/* The name that a select item gives its column: alias, or the column's own; else "". */
const char *rdl_tree_item_name(const json_t *item);
/* A call of this function (lower case). */
bool rdl_tree_calls(const json_t *node, const char *function);

/*
 * Equal expressions: places and the outermost alias are ignored, names compared without
 * case, and x equals t.x (DuckDB has refused an ambiguous x before this is asked).
 */
bool rdl_tree_equal(const json_t *a, const json_t *b);

/* Pre-order over all objects; visit returns whether to go below. */
typedef bool (*rdl_tree_visitor)(void *arg, json_t *node);
void rdl_tree_walk(json_t *node, rdl_tree_visitor visit, void *arg);
/* Pre-order; swap returns a node to put in place (not walked further), the node itself to
 * stop there, or NULL to go below. */
typedef json_t *(*rdl_tree_swapper)(void *arg, json_t *node);
json_t *rdl_tree_map(json_t *node, rdl_tree_swapper swap, void *arg);
/* First node below (or at) node of this type, subqueries included; NULL. */
json_t *rdl_tree_find_type(json_t *node, const char *type);
json_t *rdl_tree_find_call(json_t *node, const char *function);

#endif
