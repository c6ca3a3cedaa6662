/*
 * lang/plan_internal.h - what the files of the planner share.
 *
 * The planner works on one table at a time:
 *
 *   plan.c            entry: parse the body, choose, relations that each text reads
 *   plan_thread.c     carries row identity through SELECT, JOIN, WHERE, UNNEST, UNION ALL
 *   plan_calls.c      which function calls fold rows
 *   plan_stream.c     streaming tables
 *   plan_view.c       materialized views: which mode, and why
 *   plan_recipe.c     what one aggregate call is made of (plan_recipe.h)
 *   plan_aggregate.c  aggregates as mergeable slots
 *   plan_exact.c      batch texts whose answers depend on no order
 *   plan_resolve.c    aliases and GROUP BY shorthands spelled out
 *   plan_fields.c     fields of structs told from columns of tables
 *   plan_chain.c      from the outermost SELECT down to the driving table
 *   plan_incremental.c partial, merge, final
 *   plan_spread.c     a fold over a list that is written out
 *   plan_groups.c     keys by which a view can be recomputed piece by piece
 *   plan_check.c      constraints as SQL
 *   plan_moving.c     joins of inputs that all change
 *   plan_fanout.c     joins that may multiply rows, and how to see whether they do
 */
#ifndef RDL_LANG_PLAN_INTERNAL_H
#define RDL_LANG_PLAN_INTERNAL_H

#include "lang/plan.h"
#include "lang/tree.h"

/* Why something cannot be done: becomes an error (streaming tables) or a reason (views). */
typedef struct rdl_plan_refusal {
    char *why;        /* NULL: none */
    const char *hint; /* may be NULL */
    char *word;       /* what to look for in the text, for the position; may be NULL */
} rdl_plan_refusal;

typedef struct rdl_known_type {
    json_t *from, *expr; /* copies */
    const char *type;    /* "" when it does not bind */
} rdl_known_type;

/* A place where the body reads a table whose changes need no rebuild (plan_moving.c). */
typedef struct rdl_place {
    rdl_table *table;
    json_int_t mark; /* of its node */
    json_int_t join; /* of the join whose left rows it affects; 0: the body is linear in it */
    bool driving;
} rdl_place;

enum { RDL_MOVING_MAX = 16, RDL_MARK_DRIVING = 1 };

typedef struct rdl_moving {
    rdl_place v[RDL_MOVING_MAX]; /* in the order in which their changes are taken */
    size_t n;                    /* 0: only the driving input's changes need no rebuild */
} rdl_moving;

typedef struct rdl_planner {
    rdl_arena *arena;
    rdl_conn *conn;
    const rdl_pipeline *pipeline;
    rdl_table *table;
    rdl_diags *diags;
    rdl_tree tree;
    json_t *body; /* the query as written; never changed */
    json_t *flat; /* CTEs put in place, schema-qualified columns shortened; never changed */
    rdl_plan_refusal refusal;
    RDL_VEC(rdl_known_type) types;
    bool marked;       /* one place of the driving table drives, and bears RDL_MARK_DRIVING */
    rdl_moving moving; /* of a view */
} rdl_planner;

/* plan.c */
void rdl_plan_refuse(rdl_planner *pl, const char *word, const char *hint, const char *fmt, ...)
    RDL_PRINTF(4, 5);
rdl_pos rdl_plan_locate(const rdl_table *t, const char *word);
/* The input that a base table names, or NULL. */
const rdl_input *rdl_plan_input_of(const rdl_planner *pl, const json_t *base);
bool rdl_plan_is_stream_input(const rdl_planner *pl, const rdl_table *t);
/* Every base table left over becomes e."all:<t>" with visible columns only; in place. */
void rdl_plan_read_all(rdl_planner *pl, json_t *node);
/* (SELECT <columns, more> FROM e."<prefix><t>") AS alias, as a table reference. */
json_t *rdl_plan_relation(rdl_planner *pl, const json_t *base, const rdl_table *t,
                          const char *prefix, json_t *more);
/* text with e."<from><full>" read as e."<to><full>". */
rdl_str rdl_plan_retarget(rdl_planner *pl, rdl_str sql, const char *from, const char *to,
                          const rdl_table *t);
/* The name under which a table reference's columns are qualified. */
const char *rdl_plan_ref_name(const json_t *ref);
/* SELECT CAST(c AS its type) AS c, ... FROM (sql): exactly the visible columns. */
rdl_str rdl_plan_cast_columns(rdl_planner *pl, rdl_str sql);
/* The same, and another column of sql as it is. */
rdl_str rdl_plan_cast_columns_and(rdl_planner *pl, rdl_str sql, const char *column);
void rdl_plan_need(rdl_planner *pl, rdl_table ***list, size_t *n, rdl_table *t);
/*
 * The types of expressions in the scope of select's FROM, as closed types where they are
 * among them, else in DuckDB's words; "" for an expression that does not bind.
 */
RDL_MUST rdl_code rdl_plan_types(rdl_planner *pl, json_t *select, json_t *const *exprs, size_t n,
                                 const char **out, rdl_err *err);

/* plan_thread.c */
typedef enum rdl_thread_identity {
    RDL_THREAD_NONE,     /* rows only */
    RDL_THREAD_IDENTITY, /* __rdl_epoch, __rdl_partition, __rdl_offset, __rdl_ordinal */
    RDL_THREAD_EVENT,    /* these and __rdl_event */
    RDL_THREAD_ROW,      /* __rdl_row: the key of all visible columns */
} rdl_thread_identity;

typedef struct rdl_thread {
    rdl_planner *pl;
    const rdl_table *driving; /* NULL: any STREAM input */
    const char *prefix;       /* "new:" or "all:" */
    rdl_thread_identity identity;
    /* Found on the way: */
    bool fans, fans_hop, filters, unions;
    size_t leaves;
} rdl_thread;

size_t rdl_thread_columns(rdl_thread_identity identity, const char *const **out_names);
/* Rewrite a table reference of a FROM; *ref is replaced.  A refusal is left in pl. */
RDL_MUST rdl_code rdl_thread_from(rdl_thread *th, json_t **ref, json_t *exclude, rdl_err *err);
/* Rewrite a query in place so that it gives the identity columns after its own. */
RDL_MUST rdl_code rdl_thread_query(rdl_thread *th, json_t *query, rdl_err *err);
bool rdl_thread_holds(const rdl_thread *th, json_t *node); /* the driving table is below */
/* Stars in select's list do not show these columns of the FROM item called holder. */
void rdl_thread_hide(json_t *select, json_t *exclude, const char *holder);
/* A row meets at most one row of this side of the join, as the text alone says. */
bool rdl_plan_joins_once(const rdl_planner *pl, json_t *join, json_t *side);

/* plan_calls.c */
bool rdl_plan_is_aggregate(const char *function);
json_t *rdl_plan_find_aggregate(json_t *expr); /* outside subqueries and windows; or NULL */
json_t *rdl_plan_find_window(json_t *expr);

/* plan_check.c: a SELECT over `from_sql` (visible columns and `more`) that adds _c0.. */
rdl_str rdl_plan_check_sql(rdl_planner *pl, const char *from_sql);
/* The visible columns of from_sql's rows that stay: DROP ROW and QUARANTINE leave. */
rdl_str rdl_plan_keep_sql(rdl_planner *pl, rdl_str sql);

/* plan_exact.c */
/*
 * Replace aggregates whose result depends on order or rounding, all over the tree, while
 * base tables still have their own names.  The identity columns are visible in `bottom`
 * alone.
 */
RDL_MUST rdl_code rdl_plan_exact(rdl_planner *pl, json_t *query, json_t *bottom,
                                 const char *const *identity, size_t identity_count, rdl_err *err);

/* plan_aggregate.c */
typedef struct rdl_decomposed {
    RDL_VEC(rdl_slot) slots;
    RDL_VEC(json_t *) slot_exprs; /* over the FROM */
    RDL_VEC(json_t *) calls;      /* the aggregate calls, distinct */
    RDL_VEC(json_t *) finals;     /* by call, over n, s0.. */
} rdl_decomposed;
/* Slots for every aggregate of exprs; a refusal is left in pl. */
RDL_MUST rdl_code rdl_plan_decompose(rdl_planner *pl, json_t *select, json_t *const *exprs,
                                     size_t n, const char *const *identity, size_t identity_count,
                                     rdl_decomposed *out, rdl_err *err);
/* plan_recipe.c: the closed type in which a DuckDB type travels, or NULL. */
const rdl_type *rdl_plan_closed_type(rdl_planner *pl, const char *duck_type);

/* plan_stream.c, plan_view.c */
RDL_MUST rdl_code rdl_plan_stream(rdl_planner *pl, rdl_err *err);
RDL_MUST rdl_code rdl_plan_view(rdl_planner *pl, rdl_err *err);

/* plan_incremental.c: for a resolved SELECT that groups; a refusal is left in pl. */
RDL_MUST rdl_code rdl_plan_incremental(rdl_planner *pl, rdl_view_plan *plan, json_t *select,
                                       rdl_thread_identity identity, rdl_err *err);
/* GROUP BY keys that are all visible columns are a key of the view. */
void rdl_plan_prove_key(rdl_planner *pl, json_t *select);
/* Whether an answer could depend on the order of rows: identity must break ties. */
bool rdl_plan_needs_order(json_t *select);
/* select with this list, a FROM and a WHERE alone, and GROUP BY its first `keys` items. */
json_t *rdl_plan_select_keys(rdl_planner *pl, json_t *select, json_t *list, size_t keys);

/*
 * plan_moving.c.  find: the places below the FROM of `bottom`, a level of query; marks them.
 * stand: a copy of query (or of a part with its FROM), in place, while one step's table changes,
 * as after that (or as before); gives the role in which the driving place is then to be threaded.
 * steps: every step's texts, made by `text`, into plan.
 */
RDL_MUST rdl_code rdl_plan_find_moving(rdl_planner *pl, json_t *query, json_t *bottom,
                                       rdl_err *err);
bool rdl_plan_moves(const rdl_planner *pl, const rdl_table *t);
size_t rdl_plan_stream_count(const rdl_planner *pl); /* inputs that the body calls STREAM */
const char *rdl_moving_stand(rdl_planner *pl, json_t *query, size_t step, bool after);
typedef rdl_code (*rdl_step_text)(void *arg, size_t step, bool after, rdl_str *out, rdl_err *err);
RDL_MUST rdl_code rdl_plan_steps(rdl_planner *pl, rdl_view_plan *plan, rdl_step_text text,
                                 void *arg, rdl_err *err);
bool rdl_plan_steps_lose(const rdl_view_plan *plan); /* some step takes rows away */
/* The node that drives bears the mark from now on. */
bool rdl_plan_drives(const json_t *base);
bool rdl_plan_mark_driving(rdl_planner *pl, json_t *query, const rdl_table *driving);

/* plan_fanout.c: the joins of the body that may give a stream's row more than once */
RDL_MUST rdl_code rdl_plan_fans(rdl_planner *pl, rdl_fan **out, size_t *out_count, rdl_err *err);

/* plan_spread.c: partial (select's, its FROM threaded) as text, a query for each element of a list
 * that it unnests.  *repeats: a key may come twice. */
RDL_MUST rdl_code rdl_plan_spread(rdl_planner *pl, json_t *select, json_t *partial, rdl_str *text,
                                  bool *repeats, rdl_err *err);

/* plan_bounds.c */
void rdl_plan_bounds(rdl_planner *pl, rdl_report *r);

/* plan_resolve.c: in place; a refusal is left in pl. */
RDL_MUST rdl_code rdl_plan_resolve(rdl_planner *pl, json_t *select, rdl_err *err);
/* select's WHERE with the aliases in it replaced, as a copy; NULL: there is none. */
RDL_MUST rdl_code rdl_plan_plain_where(rdl_planner *pl, json_t *select, json_t **out, rdl_err *err);
/*
 * Spell out GROUP BY ALL where there is a HAVING, all along the FROMs: DuckDB 1.5 groups by
 * the columns behind HAVING's names too, so that the text as written has groups twice.
 */
RDL_MUST rdl_code rdl_plan_spell_having(rdl_planner *pl, json_t *query, rdl_err *err);
bool rdl_plan_is_grouped(json_t *select);
bool rdl_plan_is_windowed(json_t *select);

/* plan_fields.c: in place */
void rdl_plan_tell_fields(rdl_planner *pl, json_t *query);

/* plan_chain.c */
enum { RDL_CHAIN_MAX = 16 };
typedef struct rdl_chain {
    json_t *level[RDL_CHAIN_MAX]; /* SELECT nodes, outermost first */
    json_t *ref[RDL_CHAIN_MAX];   /* the FROM item that holds the driving table */
    size_t n;
    int bottom; /* lowest level that folds rows; -1: none does */
} rdl_chain;
/* false: the driving table is not reached through FROM clauses alone. */
bool rdl_plan_chain(const rdl_thread *th, json_t *query, rdl_chain *out);
size_t rdl_plan_count_driving(const rdl_thread *th, json_t *query);
/* Thread the FROM of this level of query, in place. */
RDL_MUST rdl_code rdl_plan_thread_bottom(rdl_thread *th, json_t *query, int bottom, rdl_err *err);

/* plan_groups.c: texts of the GROUPS mode for a query whose levels are resolved.
 * *done false: no keys; a refusal is left in pl. */
RDL_MUST rdl_code rdl_plan_groups(rdl_planner *pl, rdl_view_plan *plan, json_t *query,
                                  rdl_thread_identity identity, bool *done, rdl_err *err);
/* select's FROM, its tables named already, where the keys are in e."touched:<v>". */
RDL_MUST rdl_code rdl_plan_restrict_from(rdl_planner *pl, json_t *select, json_t *const *keys,
                                         size_t n, rdl_err *err);

#endif
