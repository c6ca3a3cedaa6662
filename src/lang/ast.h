/*
 * lang/ast.h - what the parser reads: one struct per statement, places kept, nothing resolved.
 *
 * Texts are slices of the file's text or of the arena; both outlive the pipeline.
 *
 * Thread: one at a time, as the arena that it lies in.
 */
#ifndef RDL_LANG_AST_H
#define RDL_LANG_AST_H

#include "lang/catalog.h"

typedef struct rdl_ident {
    rdl_str text; /* without quotes */
    rdl_pos pos;
} rdl_ident;

typedef struct rdl_ref {
    rdl_str schema; /* empty: not written */
    rdl_str name;
    rdl_pos pos; /* of the whole */
} rdl_ref;

/* A piece of SQL for DuckDB: an expression or a SELECT. */
typedef struct rdl_sql {
    rdl_str text; /* as written; n = 0: none */
    rdl_pos pos;
} rdl_sql;

typedef struct rdl_idents {
    rdl_ident *v;
    size_t n;
} rdl_idents;

typedef struct rdl_ast_column {
    rdl_ident name;
    rdl_sql type;
    rdl_str field; /* empty: the name */
    rdl_sql computed;
    rdl_str comment;
    rdl_column_from from;
    rdl_pos from_pos;
} rdl_ast_column;

typedef struct rdl_ast_source {
    rdl_ast_column *columns;
    size_t column_count;
    rdl_str url;
    rdl_pos url_pos;
    bool has_format, snapshot;
    rdl_format format;
    rdl_option *options;
    size_t option_count;
    rdl_ident watermark; /* n = 0: none */
    int64_t watermark_delay_us;
    rdl_on_malformed on_malformed;
    rdl_on_repeat on_repeat;
    bool loss_continues;
    rdl_idents unique;
    rdl_on_duplicate on_duplicate;
    int64_t refresh_us;   /* 0: not written */
    rdl_pos snapshot_pos; /* of the first clause that only a snapshot has */
} rdl_ast_source;

typedef struct rdl_ast_impute {
    rdl_ident column;
    rdl_sql expr;
} rdl_ast_impute;

typedef struct rdl_ast_constraint {
    rdl_ident name;
    rdl_violation action;
    rdl_sql expr;      /* empty for UNIQUE */
    rdl_idents unique; /* n = 0 for EXPECT (..) */
    rdl_ast_impute *imputes;
    size_t impute_count;
} rdl_ast_constraint;

/* STREAM x in a body: bytes from the body's start to the first of x. */
typedef struct rdl_ast_body {
    rdl_sql sql;     /* as written */
    rdl_str blanked; /* the same with STREAM words as spaces */
    uint32_t *streams;
    size_t stream_count;
} rdl_ast_body;

typedef struct rdl_ast_argument {
    rdl_ident name;
    rdl_sql type;
} rdl_ast_argument;

typedef struct rdl_ast_table {
    rdl_ast_argument *declared; /* DECISION: columns, given when the body reads its own past */
    size_t declared_count;
    rdl_ast_constraint *constraints;
    size_t constraint_count;
    rdl_idents partition_by, dedup, primary_key;
    int64_t dedup_within_us;
    rdl_on_late on_late;
    bool allow_fanout, processing_time;
    rdl_str comment; /* COMMENT '..' */
    rdl_schedule schedule;
    rdl_ast_body body;
} rdl_ast_table;

typedef struct rdl_ast_function {
    rdl_ast_argument *arguments;
    size_t argument_count;
    rdl_sql returns;
    rdl_sql expr;
} rdl_ast_function;

/* A list of columns, or * EXCEPT (list). */
typedef struct rdl_ast_selection {
    bool given, except;
    rdl_idents columns;
} rdl_ast_selection;

typedef struct rdl_ast_flow {
    rdl_ref target, input;
    bool stream;
    rdl_idents keys;
    rdl_sql delete_when;
    rdl_ident sequence; /* n = 0: none */
    rdl_ast_selection columns, track;
    unsigned scd; /* 1 or 2 */
} rdl_ast_flow;

typedef struct rdl_ast_publish {
    rdl_str url;
    rdl_pos url_pos;
    rdl_str name;
    rdl_idents key;
    bool *descending;
    size_t partition_key_count;
    rdl_idents renamed, as; /* RENAME (renamed AS as, ..) */
    rdl_option *options;
    size_t option_count;
} rdl_ast_publish;

typedef struct rdl_ast_seed {
    rdl_ast_source source;   /* columns, FROM, FORMAT, OPTIONS */
    rdl_ast_publish publish; /* TO, AS, PRIMARY KEY, WITH */
} rdl_ast_seed;

typedef struct rdl_ast_parameter {
    rdl_ident name;
    rdl_sql type;
    rdl_sql fallback; /* DEFAULT expression; n = 0: must be given */
} rdl_ast_parameter;

/* HEADER, TEMPLATE, FOOTER: 'text' or FILE 'path'. */
typedef struct rdl_ast_template {
    bool given, file;
    rdl_str text;
    rdl_pos pos;
} rdl_ast_template;

/* PIVOT from ON on [ORDER BY on_order] USING value GROUP BY group [ORDER BY order] */
typedef struct rdl_ast_pivot {
    rdl_sql from; /* a table's name, or (SELECT ..) */
    rdl_ident on;
    rdl_sql on_order, value, order;
    rdl_idents group;
} rdl_ast_pivot;

typedef struct rdl_ast_report {
    bool has_format;
    rdl_report_format format;
    rdl_str path;
    rdl_pos path_pos;
    rdl_idents each;
    rdl_ast_parameter *parameters;
    size_t parameter_count;
    rdl_schedule schedule;
    rdl_option *options;
    size_t option_count;
    rdl_ast_template header, row, footer;
    rdl_str comment;
    bool pivots;
    rdl_ast_pivot pivot;
    rdl_ast_body body;
} rdl_ast_report;

typedef struct rdl_ast_model {
    rdl_ast_column *columns; /* MODEL TABLE */
    size_t column_count;
    rdl_idents primary_key, partition_by;
    rdl_schedule schedule;
    rdl_str comment;
    rdl_sql select;
    rdl_str command;
    rdl_pos command_pos;
    rdl_option *parameters;
    size_t parameter_count;
    int64_t timeout_us; /* 0: not written */
    bool parquet;
    rdl_str version;
    rdl_ref artifact; /* name.n 0: none */
} rdl_ast_model;

typedef enum rdl_alert_kind {
    RDL_ALERT_NONE,
    RDL_ALERT_SELECT,
    RDL_ALERT_FRESHNESS,
    RDL_ALERT_VOLUME,
    RDL_ALERT_QUALITY,
    RDL_ALERT_DURATION,
    RDL_ALERT_OVERDUE,
    RDL_ALERT_FAILURE,
} rdl_alert_kind;

typedef enum rdl_alert_period {
    RDL_PER_DAY,
    RDL_PER_HOUR,
    RDL_PER_EPOCH,
} rdl_alert_period;

typedef struct rdl_ast_alert {
    rdl_alert_kind kind;
    rdl_pos when_pos;
    rdl_sql select;    /* SELECT */
    rdl_ref of;        /* name.n 0: none */
    bool run;          /* DURATION OF RUN */
    int64_t length_us; /* FRESHNESS, DURATION: longer than; QUALITY: over */
    double threshold;  /* VOLUME, QUALITY */
    rdl_alert_period period;
    unsigned last;
    bool has_severity;
    rdl_alert_severity severity;
    rdl_schedule schedule;
    rdl_str comment, message;
    rdl_pos message_pos;
    rdl_alert_target *targets;
    size_t target_count;
    int64_t repeat_us;
} rdl_ast_alert;

typedef struct rdl_ast_grant {
    rdl_ref object; /* as in rdl_grant */
    rdl_idents roles;
} rdl_ast_grant;

typedef enum rdl_stmt_kind {
    RDL_STMT_SOURCE,
    RDL_STMT_STREAMING,
    RDL_STMT_VIEW, /* materialized */
    RDL_STMT_PLAIN_VIEW,
    RDL_STMT_FUNCTION,
    RDL_STMT_FLOW,
    RDL_STMT_PUBLISH,
    RDL_STMT_DECISION,
    RDL_STMT_REPORT,
    RDL_STMT_MODEL_TABLE,
    RDL_STMT_MODEL, /* a training step */
    RDL_STMT_SEED,
    RDL_STMT_ALERT,
    RDL_STMT_GRANT, /* no name */
} rdl_stmt_kind;

typedef struct rdl_stmt {
    rdl_stmt_kind kind;
    rdl_ref name;    /* PUBLISH: the table */
    rdl_str comment; /* the -- lines above */
    uint32_t end;    /* byte after the statement, in name.pos.file */
    union {
        rdl_ast_source source;
        rdl_ast_table table; /* STREAMING, VIEW, DECISION */
        rdl_ast_body body;   /* PLAIN_VIEW */
        rdl_ast_function function;
        rdl_ast_flow flow;
        rdl_ast_publish publish;
        rdl_ast_seed seed;
        rdl_ast_report report;
        rdl_ast_model model; /* MODEL_TABLE, MODEL */
        rdl_ast_alert alert;
        rdl_ast_grant grant;
    } u;
} rdl_stmt;

typedef struct rdl_script {
    RDL_VEC(rdl_stmt *) list;
} rdl_script;

/* Statements of one file are added to out; a bad one is reported and passed over. */
void rdl_parse(rdl_arena *a, const rdl_text_file *file, rdl_diags *diags, rdl_script *out);

#endif
