/*
 * cli/script_internal.h - a script in parts, and a script at work.
 *
 * Thread: main, of the runner and of its child.
 */
#ifndef RDL_CLI_SCRIPT_INTERNAL_H
#define RDL_CLI_SCRIPT_INTERNAL_H

#include "base/clock.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/process.h"
#include "cli/script.h"
#include "stream/reader.h"

/* ---- parts (script_parse.c) ---- */

typedef enum rdl_verb {
    RDL_VERB_STATEMENT,
    RDL_VERB_DROP,
    RDL_VERB_SET,
    RDL_VERB_FEED,
    RDL_VERB_REMOVE,
    RDL_VERB_CLOCK,
    RDL_VERB_EPOCH,
    RDL_VERB_RUN,
    RDL_VERB_FLUSH,
    RDL_VERB_REFRESH,
    RDL_VERB_CRASH,
    RDL_VERB_RESTART,
    RDL_VERB_SWEEP,
    RDL_VERB_QUERY,
    RDL_VERB_VERIFY,
    RDL_VERB_LEDGER,
    RDL_VERB_MODE,
    RDL_VERB_REPORT,
    RDL_VERB_COUNT
} rdl_verb;

typedef struct rdl_record {
    rdl_verb verb;
    unsigned line; /* 1-based, of its first line */
    char **words;  /* behind the verb */
    size_t word_count;
    bool error;         /* "... error [regex]" */
    const char *regex;  /* NULL: any */
    rdl_str body;       /* lines before ---- (or all) */
    rdl_str expected;   /* lines behind ---- */
    bool has_expected;  /* there was a ---- */
    size_t expected_at; /* byte where expected begins, for --accept */
    size_t body_end;    /* byte behind the body's last newline */
} rdl_record;

typedef struct rdl_script_text {
    rdl_str text;
    RDL_VEC(rdl_record) records;
} rdl_script_text;

RDL_MUST rdl_code rdl_script_parse(rdl_arena *a, rdl_str text, rdl_script_text *out, rdl_err *err);

/* ---- the pipeline's text (script_text.c) ---- */

typedef struct rdl_fed_source {
    char *name;
    const char *extension; /* "jsonl", "csv", "parquet" */
    bool snapshot;
    unsigned files; /* fed so far */
} rdl_fed_source;

typedef struct rdl_script_statement {
    char *key;     /* "source clicks", lower case */
    char *text;    /* with its semicolon */
    unsigned line; /* in the script; 0: the folder's */
} rdl_script_statement;

typedef struct rdl_statements {
    RDL_VEC(rdl_script_statement) list;
    RDL_VEC(rdl_fed_source) sources;
} rdl_statements;

/* Split text at its semicolons, and point sources (all, or those FROM 'test:') to in_dir. */
void rdl_statements_add(rdl_arena *a, rdl_statements *s, rdl_str text, unsigned line,
                        const char *in_dir, bool all_sources);
bool rdl_statements_drop(rdl_statements *s, const char *name);
char *rdl_statements_join(rdl_arena *a, const rdl_statements *s);
rdl_fed_source *rdl_statements_source(rdl_statements *s, const char *name);

/* ---- at work (script_run.c, script_engine.c) ---- */

/* How the engine's child is asked, and answers. */
typedef enum rdl_request_kind {
    RDL_REQUEST_STEP,
    RDL_REQUEST_RUN,
    RDL_REQUEST_FLUSH,
    RDL_REQUEST_REFRESH,
} rdl_request_kind;
typedef struct rdl_request {
    rdl_request_kind kind;
    int64_t clock_us;
    bool armed;
    rdl_fault point;
    unsigned nth;
    char table[200]; /* REFRESH; "": all */
} rdl_request;
typedef struct rdl_reply {
    rdl_code rc;
    bool did, fired;
    rdl_err err;
} rdl_reply;

typedef struct rdl_script_engine {
    const char *dir, *root, *text;
    const char **set;
    size_t set_count;
    int64_t clock_us;
    rdl_child *child;   /* NULL: closed */
    rdl_reader *reader; /* NULL: closed; never open while a child is started */
    rdl_arena reader_arena;
} rdl_script_engine;

/* False in *out_alive when the child died before it answered; *out_signal says of what. */
RDL_MUST rdl_code rdl_script_ask(rdl_script_engine *s, const rdl_request *q, rdl_reply *out,
                                 bool *out_alive, int *out_signal, rdl_err *err);
RDL_MUST rdl_code rdl_script_reader(rdl_script_engine *s, rdl_reader **out, rdl_err *err);
void rdl_script_engine_close(rdl_script_engine *s, bool killed);
/* Bind the text without a root; problems are printed into out, and are no failure of this. */
RDL_MUST rdl_code rdl_script_check(rdl_script_engine *s, const char *text, bool *out_ok,
                                   rdl_buf *out, rdl_err *err);
/* One line a table and store that differs; empty when all agree. */
RDL_MUST rdl_code rdl_script_verify(rdl_script_engine *s, bool stores, rdl_buf *out, rdl_err *err);
/* Every table's content as counts and order-free sums, for comparing roots. */
RDL_MUST rdl_code rdl_script_digest(rdl_script_engine *s, rdl_buf *out, rdl_err *err);

#endif
