/*
 * lang/variables.h - ${NAME} and ${NAME:-default} in a pipeline's text.
 *
 * Values come from raudal.env, the environment and --set; the later wins.  Comments are left
 * alone.  A replaced value is not searched again; a default is: ${A:-${B:-x}/y}.
 *
 * raudal.env holds NAME=value lines; spaces around both are cut, a value may stand in single or
 * double quotes, `export ` before the name and lines that start with # are allowed.
 *
 * Thread: one at a time.
 */
#ifndef RDL_LANG_VARIABLES_H
#define RDL_LANG_VARIABLES_H

#include "lang/catalog.h"

/* One replacement: bytes [new_at, new_at + new_len) of text stand for these of original. */
typedef struct rdl_text_edit {
    size_t new_at, new_len, old_at, old_len;
} rdl_text_edit;

typedef struct rdl_variables {
    rdl_arena *arena;
    const rdl_load_options *options; /* borrowed while loading */
    RDL_VEC(rdl_variable) file;      /* lines of raudal.env */
    RDL_VEC(rdl_variable) used;      /* by name, once */
} rdl_variables;

/* env may be empty: no raudal.env.  Bad lines are reported. */
void rdl_variables_init(rdl_variables *v, rdl_arena *a, const rdl_text_file *env,
                        const rdl_load_options *options, rdl_diags *diags);
/* The lines of another file, which win over those before: raudal.prod.env. */
void rdl_variables_add(rdl_variables *v, const rdl_text_file *env, rdl_diags *diags);
/* The value and where it came from; false when nobody set it. */
bool rdl_variables_get(const rdl_variables *v, rdl_str name, rdl_variable *out);
/* Fills text and edits from original. */
void rdl_variables_replace(rdl_variables *v, rdl_text_file *file, rdl_diags *diags);

/* A place in text as a place in original. */
size_t rdl_text_original(const rdl_text_file *file, size_t at);

#endif
