/*
 * lang/bind.h - what the binder's files share.
 *
 * Statements become symbols; a symbol is bound when it is first needed, its inputs before it,
 * so that the pipeline's tables come out in graph order.  For DuckDB to check a body, every
 * bound table exists, empty, in a scratch database that the connection uses meanwhile.
 *
 * HIDDEN COLUMNS.  A relation has columns that `*` must not bring: the system columns of a
 * source, the identity columns of a streaming table.  Stars over tables are therefore written
 * out (bind_star.c), which holds whatever else the relation carries at run time.
 *
 * Thread: one at a time.
 */
#ifndef RDL_LANG_BIND_H
#define RDL_LANG_BIND_H

#include "lang/ast.h"
#include "lang/tree.h"

typedef enum rdl_symbol_kind {
    RDL_SYMBOL_SOURCE,
    RDL_SYMBOL_TABLE, /* STREAMING TABLE, MATERIALIZED VIEW */
    RDL_SYMBOL_MODEL, /* MODEL TABLE */
    RDL_SYMBOL_VIEW,  /* inlined */
    RDL_SYMBOL_FUNCTION,
    RDL_SYMBOL_CHANGES, /* s.t$changes of a flow */
    RDL_SYMBOL_HISTORY, /* s.t of a flow */
} rdl_symbol_kind;

typedef enum rdl_symbol_state {
    RDL_SYMBOL_NEW,
    RDL_SYMBOL_BUSY,
    RDL_SYMBOL_DONE,
    RDL_SYMBOL_FAILED,
} rdl_symbol_state;

typedef struct rdl_inputs {
    RDL_VEC(rdl_input) list;
} rdl_inputs;

typedef struct rdl_symbol rdl_symbol;
struct rdl_symbol {
    rdl_symbol_kind kind;
    rdl_symbol_state state;
    const rdl_stmt *stmt;
    rdl_str schema, name, full;
    rdl_table *table;    /* bound, for kinds that are tables */
    json_t *query;       /* VIEW */
    rdl_inputs inputs;   /* VIEW */
    json_t *expr;        /* FUNCTION: arguments are columns "$1", .. */
    rdl_table *past;     /* DECISION while it is bound, its columns declared: itself */
    rdl_symbol *changes; /* HISTORY */
};

typedef struct rdl_binder {
    rdl_arena *arena;
    rdl_conn *conn;
    rdl_pipeline *pipeline;
    rdl_diags *diags;
    rdl_tree tree;
    RDL_VEC(rdl_symbol *) symbols;
    RDL_VEC(rdl_table *) tables;
} rdl_binder;

typedef enum rdl_body_kind {
    RDL_BODY_STREAMING,
    RDL_BODY_VIEW,
    RDL_BODY_DECISION, /* as a view; now() is the time of the decision */
    RDL_BODY_ALERT,    /* a reader's question; now() is when it is asked; raudal.* may be read */
    RDL_BODY_PLAIN_VIEW,
    RDL_BODY_EXPR, /* an expression over one table */
} rdl_body_kind;

/* One text on its way from the user's words to a tree over bound tables. */
typedef struct rdl_body {
    rdl_binder *b;
    rdl_body_kind kind;
    const rdl_symbol *owner;
    rdl_pos pos;    /* of the text's first byte that the user wrote */
    uint32_t skip;  /* bytes of the text before it */
    bool synthetic; /* made by us: every place is pos */
    const uint32_t *streams;
    size_t stream_count;
    rdl_inputs inputs;
    bool failed;                    /* reported */
    unsigned lambdas;               /* that we are inside of: their names are not ours */
    rdl_str text;                   /* SQL of the query, once described */
    bool wrap;                      /* base tables become subqueries without hidden columns */
    bool reads_clock, reads_itself; /* DECISION */
} rdl_body;

/* A table in a FROM clause that has hidden columns. */
typedef struct rdl_from_item {
    json_t *node;
    rdl_table *table;
} rdl_from_item;

typedef struct rdl_scope rdl_scope;
struct rdl_scope {
    rdl_scope *parent;
    RDL_VEC(const char *) ctes;
    RDL_VEC(rdl_from_item) items;
    json_t *from;
};

/* bind.c */
rdl_symbol *rdl_bind_find(rdl_binder *b, rdl_str schema, rdl_str name, rdl_pos pos,
                          bool report); /* NULL: reported if asked to */
/* Bind it now; false when it cannot be, reported there or at `from` (a cycle). */
bool rdl_bind_symbol(rdl_binder *b, rdl_symbol *s, rdl_pos from);
void rdl_bind_error(rdl_binder *b, rdl_pos pos, const char *hint, const char *fmt, ...)
    RDL_PRINTF(4, 5);

/* bind_body.c */
bool rdl_body_parse(rdl_body *body, const char *text, json_t **out_query);
bool rdl_body_resolve(rdl_body *body, json_t *query);
void rdl_body_walk(rdl_body *body, rdl_scope *scope, json_t *node); /* expressions */
rdl_pos rdl_body_pos(const rdl_body *body, const json_t *node);
rdl_pos rdl_body_offset(const rdl_body *body, size_t at);
void rdl_body_relocate(json_t *node, json_t *place); /* all query_locations */
/* Reports it where the node stands; the body has failed. */
void rdl_body_error(rdl_body *body, const json_t *node, const char *hint, const char *fmt, ...)
    RDL_PRINTF(4, 5);

/* bind_from.c: the tables of a FROM, into scope. */
void rdl_body_walk_from(rdl_body *body, rdl_scope *scope, json_t *ref);

/* bind_clock.c: whether a name is the clock's, and whether a date's. */
bool rdl_body_is_clock(const char *name, bool *out_date);
/* What the call or column node means for this kind of body; name: as it is written. */
void rdl_body_replace_clock(rdl_body *body, rdl_scope *scope, json_t *node, const char *name,
                            bool date);

/* bind_star.c: put the columns of the star at list[i] in its place; false when it stays. */
bool rdl_body_expand_star(rdl_body *body, rdl_scope *scope, json_t *list, size_t i);
/* SELECT <visible columns> FROM node, as a query node. */
json_t *rdl_body_visible(rdl_body *body, json_t *base, const rdl_table *t);

/* bind_describe.c: the query's columns, casts put in for types outside the closed list; its
 * SQL is in body->text then. */
bool rdl_body_describe(rdl_body *body, json_t **query, rdl_schema *out);
/* Check an expression over a bound table (its scratch relation); out_text is SQL. */
bool rdl_bind_expr(rdl_binder *b, const rdl_table *t, const rdl_sql *sql, const char *wanted,
                   rdl_str *out_text);
bool rdl_bind_type(rdl_binder *b, const rdl_sql *sql, const rdl_type **out);
/* An empty relation of the table in the scratch database. */
bool rdl_bind_scratch(rdl_binder *b, const rdl_table *t);

/* bind_source.c, bind_table.c, bind_flow.c */
bool rdl_bind_source(rdl_binder *b, rdl_symbol *s);
bool rdl_bind_table(rdl_binder *b, rdl_symbol *s);
bool rdl_bind_decision(rdl_binder *b, rdl_symbol *s); /* bind_decision.c */
bool rdl_bind_view(rdl_binder *b, rdl_symbol *s);
bool rdl_bind_function(rdl_binder *b, rdl_symbol *s);
bool rdl_bind_changes(rdl_binder *b, rdl_symbol *s);
bool rdl_bind_history(rdl_binder *b, rdl_symbol *s);
/* The -- comments of columns, here or where they come from. */
void rdl_bind_comments(rdl_binder *b, rdl_table *t);
bool rdl_bind_columns(rdl_binder *b, const rdl_table *t, const rdl_idents *names,
                      const char *clause, size_t **out, size_t *out_n);
bool rdl_bind_schedule(rdl_binder *b, const rdl_schedule *s, rdl_str of); /* parse_schedule.c */
rdl_table *rdl_bind_new_table(rdl_binder *b, const rdl_symbol *s, rdl_table_kind kind);
/* Plan, fingerprint and number a table whose body and columns are set. */
bool rdl_bind_finish(rdl_binder *b, rdl_table *t);
bool rdl_bind_model_table(rdl_binder *b, rdl_symbol *s); /* bind_model.c */
void rdl_bind_training(rdl_binder *b, const rdl_stmt *stmt);
void rdl_bind_publish(rdl_binder *b, const rdl_stmt *stmt);
void rdl_bind_seed(rdl_binder *b, const rdl_stmt *stmt); /* bind_publish.c */
/* What CREATE SOURCE declares, into a table that rdl_bind_new_table made. */
bool rdl_bind_source_def(rdl_binder *b, const rdl_ast_source *ast, rdl_table *t);
void rdl_bind_report(rdl_binder *b, const rdl_stmt *stmt); /* bind_report.c */
void rdl_bind_alert(rdl_binder *b, const rdl_stmt *stmt);  /* bind_alert.c */
void rdl_bind_grant(rdl_binder *b, const rdl_stmt *stmt);
void rdl_bind_unknown_column(rdl_binder *b, rdl_pos pos, rdl_str name, const rdl_table *t);

#endif
