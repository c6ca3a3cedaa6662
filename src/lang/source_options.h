/*
 * lang/source_options.h - what CREATE SOURCE .. OPTIONS (..) takes: the one list, for the binder,
 * which refuses a misspelt one, and for the reference (lang/options_reference.c).
 *
 * A connector reads and checks the values by name (source/source.h); names with a dot are
 * librdkafka's and are not here.
 *
 * Thread: any; the list is constant.
 */
#ifndef RDL_LANG_SOURCE_OPTIONS_H
#define RDL_LANG_SOURCE_OPTIONS_H

#include <stddef.h>

typedef struct rdl_source_option_help {
    const char *name;
    const char *of;      /* which sources */
    const char *initial; /* what holds without it, as Markdown; "": nothing */
    const char *help;    /* Markdown, lower case, no full stop */
} rdl_source_option_help;

extern const rdl_source_option_help rdl_source_options[];
extern const size_t rdl_source_option_count;

#endif
