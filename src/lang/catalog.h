/*
 * lang/catalog.h - a pipeline as it stands after parsing and binding: what everything else
 * reads.  Made by rdl_pipeline_load; immutable afterwards; all memory is the pipeline arena's.
 *
 * Thread: any, once loaded.
 */
#ifndef RDL_LANG_CATALOG_H
#define RDL_LANG_CATALOG_H

#include "base/hash.h"
#include "base/map.h"
#include "base/type.h"
#include "duck/duck.h"
#include "lang/diag.h"

typedef struct rdl_table rdl_table;
typedef struct rdl_pipeline rdl_pipeline;

typedef enum rdl_table_kind {
    RDL_TABLE_SOURCE,    /* append-only rows from outside */
    RDL_TABLE_SNAPSHOT,  /* a source whose content is the whole state of the thing */
    RDL_TABLE_STREAMING, /* append-only lake table */
    RDL_TABLE_VIEW,      /* materialized view: a lake table kept equal to its body */
    RDL_TABLE_PLAIN,     /* CREATE VIEW: nothing is kept; in pipeline->views, never in ->tables */
} rdl_table_kind;

typedef enum rdl_violation {
    RDL_VIOLATION_KEEP,
    RDL_VIOLATION_DROP_ROW,
    RDL_VIOLATION_QUARANTINE,
    RDL_VIOLATION_FAIL,
    RDL_VIOLATION_IMPUTE,
} rdl_violation;

typedef struct rdl_impute {
    size_t column; /* of the table */
    rdl_str expr;  /* SQL over the table's columns */
} rdl_impute;

typedef struct rdl_constraint {
    rdl_str name;
    rdl_pos pos;
    rdl_violation action;
    rdl_str expr; /* SQL over the table's columns; a NULL result is no violation */
    rdl_impute *imputes;
    size_t impute_count;
    size_t *unique; /* EXPECT UNIQUE: columns; expr is empty */
    size_t unique_count;
} rdl_constraint;

typedef enum rdl_on_late {
    RDL_LATE_AMEND,
    RDL_LATE_DIVERT,
    RDL_LATE_DROP,
} rdl_on_late;

typedef enum rdl_on_malformed {
    RDL_MALFORMED_QUARANTINE,
    RDL_MALFORMED_SKIP,
    RDL_MALFORMED_FAIL,
} rdl_on_malformed;

typedef enum rdl_on_repeat {
    RDL_REPEAT_DEFAULT, /* read if every table on it deduplicates, else an error */
    RDL_REPEAT_SKIP,
    RDL_REPEAT_READ,
} rdl_on_repeat;

typedef enum rdl_on_duplicate {
    RDL_DUPLICATE_FAIL,
    RDL_DUPLICATE_FIRST, /* by file, then place in it */
    RDL_DUPLICATE_LAST,
} rdl_on_duplicate;

typedef enum rdl_format {
    RDL_FORMAT_JSON,
    RDL_FORMAT_CSV,
    RDL_FORMAT_PARQUET,
    RDL_FORMAT_TEXT, /* a message's payload as one column; also written RAW */
    RDL_FORMAT_COUNT,
} rdl_format;

/* What of a record a column of a source holds; all but the first are of messages (kafka:). */
typedef enum rdl_column_from {
    RDL_COLUMN_FIELD,
    RDL_COLUMN_KEY,
    RDL_COLUMN_TIMESTAMP,
    RDL_COLUMN_HEADERS,
    RDL_COLUMN_TOPIC,
    RDL_COLUMN_PARTITION,
    RDL_COLUMN_OFFSET,
    RDL_COLUMN_TOMBSTONE,
    RDL_COLUMN_VALUE, /* the record's bytes; over files too */
    RDL_COLUMN_FROM_COUNT,
} rdl_column_from;

typedef struct rdl_option {
    rdl_str name, value; /* names in lower case */
    rdl_pos pos;
} rdl_option;

/* A declared column of a source. */
typedef struct rdl_source_column {
    rdl_column column;
    rdl_str field;    /* name in the data; equals column.name unless FIELD says */
    rdl_str computed; /* SQL over the declared columns; empty: decoded */
    rdl_column_from from;
} rdl_source_column;

typedef struct rdl_source_def {
    rdl_str url; /* as written, variables replaced */
    rdl_format format;
    rdl_option *options;
    size_t option_count;
    rdl_source_column *columns; /* declared order, computed ones included */
    size_t column_count;
    rdl_on_malformed on_malformed;
    rdl_on_repeat on_repeat;
    bool loss_continues; /* ON DATA LOSS CONTINUE */
    size_t *unique;      /* SNAPSHOT: UNIQUE KEY, indexes in columns; none: rows may share one */
    size_t unique_count;
    int64_t refresh_us; /* SNAPSHOT: REFRESH EVERY; 0: looked at with each epoch */
    rdl_on_duplicate on_duplicate;
    int watermark_column; /* index in columns; -1: none */
    int64_t watermark_delay_us;
} rdl_source_def;

typedef struct rdl_input {
    rdl_table *table;
    bool stream; /* written STREAM x */
    rdl_pos pos;
} rdl_input;

typedef enum rdl_schedule_kind {
    RDL_SCHEDULE_NONE,
    RDL_SCHEDULE_CRON,
    RDL_SCHEDULE_EVERY,
    RDL_SCHEDULE_ON_UPDATE,
} rdl_schedule_kind;

typedef struct rdl_schedule {
    rdl_schedule_kind kind;
    rdl_str cron, zone; /* zone: IANA name; empty: UTC */
    int64_t every_us;   /* ON_UPDATE: AT MOST EVERY; 0: each update */
    int64_t promise_us; /* PROMISE: done so long after it was due, or its input came; 0: none */
    rdl_pos pos;
} rdl_schedule;

typedef struct rdl_model rdl_model;
typedef struct rdl_stream_plan rdl_stream_plan; /* lang/plan.h */
typedef struct rdl_view_plan rdl_view_plan;     /* lang/plan.h */

struct rdl_table {
    rdl_table_kind kind;
    rdl_str schema, name; /* schema is "main" for sources */
    rdl_str full;         /* "schema.name"; a source's is its name alone */
    rdl_str comment;      /* the -- lines above the statement, joined by newlines */
    rdl_pos pos;          /* of the name */
    size_t index;         /* in pipeline->tables; inputs have smaller ones */
    bool stream_fed;      /* rows of an append-only source reach it */
    /* A view that is computed whole over a stream, or reads one: not by every epoch, but on its
     * schedule, each lake_interval, and at the end of --once. */
    bool waits;
    bool internal; /* made by us (a flow's change history); shown on request only */
    /*
     * VIEW: CREATE DECISION TABLE.  Rows are only added: a key that was decided is never decided
     * again (stream/decide.c).  The last three columns are _decided_at, _decided_epoch and
     * _decided_by (rdl_table_lineage as text).  The body may read the table itself, as it was
     * before the epoch: e."all:<t>", which is no input; its now() is
     * getvariable('decided_at').
     */
    bool decision, reads_itself, reads_clock;

    rdl_schema columns;       /* visible ones, in order */
    rdl_str *column_comments; /* by column; may hold empty strings */

    rdl_source_def *source; /* SOURCE, SNAPSHOT */

    /* STREAMING, VIEW and PLAIN (empty where that reads a source, whose rows are not kept): the body, views and functions inlined, STREAM words taken out,
     * table names written "schema"."name" (sources "main"."name"). */
    rdl_str body;
    rdl_str body_text; /* as the user wrote it */
    rdl_pos body_pos;
    rdl_input *inputs;
    size_t input_count;

    rdl_constraint *constraints;
    size_t constraint_count;
    size_t *partition_by; /* column indexes */
    size_t partition_count;

    /* STREAMING */
    size_t *dedup; /* column indexes; none: no deduplication */
    size_t dedup_count;
    int64_t dedup_within_us; /* 0: for ever */
    rdl_on_late on_late;
    bool allow_fanout;
    rdl_stream_plan *stream_plan;
    /*
     * The change history of a flow (internal): set when the flow reads a whole state, a snapshot
     * or a view.  The epoch then makes e."new:<t>" itself by comparing two versions of
     * cdc_snapshot by cdc_keys (column indexes, the same in both): new and changed rows with
     * _cdc_delete false, keys that are gone with their last row and _cdc_delete true.  Such a
     * table has no stream_plan: its body only says where the columns come from.
     */
    rdl_table *cdc_snapshot;
    size_t *cdc_keys;
    size_t cdc_key_count;
    rdl_str cdc_sequence; /* column that SEQUENCE BY names; empty: the version's time */

    /* VIEW */
    size_t *primary_key; /* declared PRIMARY KEY; else what the planner proves; may be none */
    size_t primary_key_count;
    rdl_schedule schedule;
    rdl_view_plan *view_plan;
    rdl_model *model; /* a program gives the rows (MODEL TABLE); NULL: the body does */

    /* Of everything that decides the table's content: body, inputs' columns, constraints, keys. */
    rdl_hash128 fingerprint;
};

/* A program that is run over rows (stream/model.c): for a table's content, or to train. */
struct rdl_model {
    rdl_str name; /* of the table, or of the training step */
    rdl_str comment;
    rdl_pos pos;
    rdl_table *table; /* NULL: a training step, which writes an artifact */
    rdl_str select;   /* its input, bound as a body is */
    rdl_input *inputs;
    size_t input_count;
    rdl_str command;    /* for sh, in the pipeline's folder */
    rdl_str version;    /* declared; may be empty */
    rdl_str parameters; /* JSON */
    int64_t timeout_us;
    bool parquet;        /* rows in and out as Parquet files, not JSON lines */
    rdl_model *artifact; /* whose newest artifact it is given; NULL: none */
    rdl_schedule schedule;
    size_t index;
};

typedef struct rdl_publication {
    rdl_table *table;
    rdl_str url;  /* "sqlite:serving.db" */
    rdl_str name; /* in the store; default: the table's name without its schema */
    rdl_pos pos;
    size_t *key;      /* column indexes: partition key first, then clustering */
    bool *descending; /* by key */
    size_t key_count, partition_key_count;
    rdl_schema columns;  /* the table's, under the names that the store has (RENAME) */
    rdl_option *options; /* WITH (...) */
    size_t option_count;
    size_t index;
} rdl_publication;

typedef enum rdl_report_format {
    RDL_REPORT_CSV,
    RDL_REPORT_JSON,
    RDL_REPORT_TEXT,
    RDL_REPORT_HTML,
    RDL_REPORT_FORMAT_COUNT
} rdl_report_format;

typedef struct rdl_parameter_def {
    rdl_str name;
    const rdl_type *type;
    rdl_str fallback; /* SQL; p NULL: must be given */
} rdl_parameter_def;

/* Rows that the body can use have this of an input's column: files without any are left out. */
typedef enum rdl_bound_op {
    RDL_BOUND_EQUAL,
    RDL_BOUND_LEAST, /* the value or more */
    RDL_BOUND_MOST,
} rdl_bound_op;
typedef struct rdl_report_bound {
    size_t input, column;
    rdl_bound_op op;
    rdl_str value; /* SQL without columns */
} rdl_report_bound;

/* Text with {column} places. */
typedef struct rdl_template {
    bool given, file; /* file: text is a path below the pipeline's folder */
    rdl_str text;
    rdl_pos pos;
} rdl_template;

/*
 * Files for people (lang/bind_report.c).  sql reads e."all:<t>" and, for each parameter,
 * getvariable('report_<name>').  Its columns are the visible ones, then those that order needs
 * besides; order is a total one over them, FOR EACH columns first.
 *
 * A pivot's sql is long, one row per group and value of ON: the columns each.., group.., then
 * "__on" TEXT, "__value", "__first" (what ON orders by), so on_at is visible - 3.
 */
typedef struct rdl_report {
    rdl_str name, comment;
    rdl_pos pos;
    rdl_report_format format;
    rdl_str path; /* with {name} places; may be empty: on demand only */
    rdl_pos path_pos;
    size_t *each; /* FOR EACH: indexes in columns */
    size_t each_count;
    rdl_parameter_def *parameters;
    size_t parameter_count;
    rdl_schedule schedule;
    rdl_option *options;
    size_t option_count;
    rdl_template header, row, footer;
    bool pivots;
    rdl_schema columns; /* of sql */
    size_t visible;     /* of them */
    rdl_str sql, order;
    rdl_str body_text; /* as the user wrote it */
    rdl_pos body_pos;
    rdl_input *inputs;
    size_t input_count;
    rdl_report_bound *bounds;
    size_t bound_count;
    rdl_hash128 fingerprint; /* of all that decides the bytes */
} rdl_report;
/* Does it need values that nobody gave, or a place to write to? */
bool rdl_report_on_demand(const rdl_report *report);

/* ---- alerts ---- */

typedef enum rdl_alert_severity {
    RDL_ALERT_INFO,
    RDL_ALERT_WARNING,
    RDL_ALERT_CRITICAL,
} rdl_alert_severity;

/* mailto:, smtp:, http(s): or a command for sh. */
typedef struct rdl_alert_target {
    rdl_str to;  /* may hold a secret: it is written into no file (plan_cache.c) */
    rdl_pos pos; /* of its string */
} rdl_alert_target;

/*
 * A condition that somebody is told of (ops/alert.h).  sql reads the tables that a reader has and
 * raudal.*; now() in it is getvariable('alert_at').  Its rows are what was found: none, and the
 * alert is quiet.  truth: its one column is BOOLEAN, and only a true one counts.
 */
typedef struct rdl_alert {
    rdl_str name, comment;
    rdl_pos pos;
    rdl_alert_severity severity;
    rdl_schedule schedule;  /* NONE: after each epoch, and every minute */
    rdl_str sql, condition; /* condition: as the user wrote it */
    rdl_str message;        /* with {column} places; may be empty */
    bool truth;
    rdl_schema columns;
    rdl_alert_target *targets;
    size_t target_count;
    int64_t repeat_us; /* told again while it is active; 0: once */
} rdl_alert;

/* SELECT on a table (schema and name), all of a schema (name empty), or all (both empty). */
typedef struct rdl_grant {
    rdl_str schema, name, role;
    rdl_pos pos;
} rdl_grant;
bool rdl_grant_covers(const rdl_grant *g, const rdl_table *t);

typedef struct rdl_query_file {
    rdl_str name;       /* "daily_costs" for queries/daily_costs.sql and daily_costs.cql */
    rdl_str path, text; /* of the .sql; of the .cql where there is no other */
    rdl_str cql;        /* text of the .cql; n = 0: there is none */
    rdl_str comment;    /* its leading -- lines */
} rdl_query_file;

typedef struct rdl_variable {
    rdl_str name, value;
    const char *from; /* "raudal.env", "environment", "--set" */
} rdl_variable;

struct rdl_pipeline {
    rdl_arena *arena;
    const char *dir;    /* absolute */
    const char *name;   /* last part of dir */
    rdl_table **tables; /* graph order: inputs first */
    size_t table_count;
    rdl_table *
        *views; /* PLAIN: tables read them by having them put in; questions read them by name */
    size_t view_count;
    rdl_publication **publications;
    size_t publication_count;
    /* SEED: the table is a SNAPSHOT of a file, and none of `tables`. */
    rdl_publication **seeds;
    size_t seed_count;
    rdl_report **reports;
    size_t report_count;
    rdl_model **models; /* those that train first */
    size_t model_count;
    rdl_alert **alerts;
    size_t alert_count;
    rdl_grant *grants;
    size_t grant_count;
    rdl_query_file *queries;
    size_t query_count;
    rdl_variable *variables; /* every one that was replaced, and every line of raudal.env */
    size_t variable_count;
    rdl_hash128 fingerprint; /* of all tables and publications */
    rdl_str prelude_sql;     /* macros to create on a connection before bodies run */

    /* For the plan cache: the texts with their variables replaced, what they, this program, DuckDB
     * and the prelude hash to, and whether rdl_pipeline_keep writes the plan: this load made it,
     * found nothing to say, and no address in it holds a secret. */
    const rdl_text_file **files;
    size_t file_count;
    rdl_hash128 plan_key;
    bool may_keep;
};

typedef struct rdl_load_options {
    const char *const *set; /* "NAME=value" */
    size_t set_count;
    const char *plan_cache; /* file that rdl_pipeline_keep wrote (it need not be there), or NULL */
    const char *env;        /* raudal.<env>.env is read after raudal.env; NULL: none */
} rdl_load_options;

/*
 * Read, parse, bind and plan the folder.  Problems of the text go to diags and make the call
 * fail with RDL_EUSAGE (err says how many); warnings go there too.  An unreadable folder is
 * RDL_EIO.  conn is used to bind and is left as it was.
 */
RDL_MUST rdl_code rdl_pipeline_load(rdl_arena *a, rdl_conn *conn, const char *dir,
                                    const rdl_load_options *options, rdl_diags *diags,
                                    rdl_pipeline **out, rdl_err *err);
/* The same from one text, for test scripts; relative paths are relative to dir. */
RDL_MUST rdl_code rdl_pipeline_load_text(rdl_arena *a, rdl_conn *conn, const char *dir,
                                         rdl_str text, const rdl_load_options *options,
                                         rdl_diags *diags, rdl_pipeline **out, rdl_err *err);
/* Write the plan down for the next load of the same text by this program, if it is new. */
RDL_MUST rdl_code rdl_pipeline_keep(rdl_pipeline *p, const char *path, rdl_err *err);
/* Of the table's text and, all the way down, of what it reads. */
rdl_hash128 rdl_table_lineage(const rdl_table *t);
/* What people call a table: "source", "snapshot source", "streaming table", "materialized view",
 * "model table", "decision table"; and in a narrow column or a value: "snapshot", "view". */
const char *rdl_table_kind_name(const rdl_table *t);
const char *rdl_table_kind_short(const rdl_table *t);
const char *rdl_report_format_name(rdl_report_format format);               /* "csv" */
const rdl_report *rdl_pipeline_report(const rdl_pipeline *p, rdl_str name); /* NULL; without case */
/* Works out stream_fed and waits, once tables are planned. */
void rdl_pipeline_relate(rdl_pipeline *p);
rdl_table *rdl_pipeline_find(const rdl_pipeline *p, rdl_str full_name); /* without case */
/* RDL_EUSAGE, with what it reads, when the name is a plain view's (with or without schema). */
RDL_MUST rdl_code rdl_pipeline_refuse_plain(const rdl_pipeline *p, rdl_str name, rdl_err *err);
/* A setting: --set, environment, raudal.env, else fallback.  Names as RAUDAL_MAX_FILES_PER_EPOCH
 * in the environment and max_files_per_epoch in raudal.env and --set. */
rdl_str rdl_pipeline_setting(const rdl_pipeline *p, const char *name, const char *fallback);

#endif
