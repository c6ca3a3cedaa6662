/*
 * cli/script_run.h - one script at work; see script.h for what its lines mean.
 *
 * Thread: main.
 */
#ifndef RDL_CLI_SCRIPT_RUN_H
#define RDL_CLI_SCRIPT_RUN_H

#include <regex.h>

#include "cli/script_internal.h"

typedef struct rdl_script_edit {
    size_t at, len; /* bytes of the script's text that give way to text */
    char *text;
} rdl_script_edit;

typedef struct rdl_script_runner {
    rdl_arena arena;
    const char *shown; /* the script's path, for people */
    const char *temp;  /* in/ and root/ lie here */
    const char *in_dir;
    rdl_script_text script;
    rdl_statements statements;
    rdl_script_engine engine;
    bool accept;
    bool checked; /* the text was opened by an engine */
    bool applied; /* stores and lake show the last seal */
    rdl_buf *report;
    RDL_VEC(rdl_script_edit) edits;
} rdl_script_runner;

/* All records, until one fails; the engine is closed then. */
bool rdl_script_run(rdl_script_runner *r);
bool rdl_script_sweep(rdl_script_runner *r, const rdl_record *at); /* script_sweep.c */
/* script_results.c */
bool rdl_script_do_query(rdl_script_runner *r, const rdl_record *at);
bool rdl_script_do_verify(rdl_script_runner *r, const rdl_record *at);
bool rdl_script_do_ledger(rdl_script_runner *r, const rdl_record *at);
bool rdl_script_do_mode(rdl_script_runner *r, const rdl_record *at);
bool rdl_script_do_report(rdl_script_runner *r, const rdl_record *at);
/* "file:line: ..." into the report; false. */
bool rdl_script_fail(rdl_script_runner *r, const rdl_record *at, const char *fmt, ...)
    RDL_PRINTF(3, 4);
bool rdl_script_fail_err(rdl_script_runner *r, const rdl_record *at, const rdl_err *err);
/* An error that was expected: does its text fit? */
bool rdl_script_error_fits(rdl_script_runner *r, const rdl_record *at, const char *text);
bool rdl_script_find_fault(const char *name, rdl_fault *out);
void rdl_script_put_ledger(rdl_buf *out, const rdl_ledger *l);

#endif
