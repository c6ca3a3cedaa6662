/*
 * lang/publish_options.h - what PUBLISH .. WITH (..) takes, store by store.
 *
 * The one table of these options: the binder checks against it, the reference is printed from
 * it (lang/options_reference.c), and a store reads the values by name, knowing that they were
 * checked.
 *
 * Thread: any; the table is constant.
 */
#ifndef RDL_LANG_PUBLISH_OPTIONS_H
#define RDL_LANG_PUBLISH_OPTIONS_H

#include "lang/catalog.h"

typedef enum rdl_publish_option_kind {
    RDL_PUBLISH_TEXT,  /* anything */
    RDL_PUBLISH_COUNT, /* a whole number from least to most */
    RDL_PUBLISH_WORD,  /* one of words, without case */
    RDL_PUBLISH_MAP,   /* {'k': 'v', ..}, as in CQL, or a word alone where the store says so */
} rdl_publish_option_kind;

typedef struct rdl_publish_option {
    const char *store; /* the scheme of the URL */
    const char *name;
    rdl_publish_option_kind kind;
    int64_t least, most; /* COUNT: both inclusive */
    const char *words;   /* WORD: separated by blanks */
    const char *initial; /* what holds without the option, for people */
    const char *help;    /* one sentence */
} rdl_publish_option;

extern const rdl_publish_option rdl_publish_options[];
extern const size_t rdl_publish_option_count;

/* The schemes that PUBLISH .. TO takes. */
extern const char *const rdl_publish_stores[];
extern const size_t rdl_publish_store_count;

/* The option of the store, or NULL. */
const rdl_publish_option *rdl_publish_option_find(rdl_str store, rdl_str name);
/* NULL when the value is one; else what is wanted instead, in words. */
const char *rdl_publish_option_wants(rdl_arena *a, const rdl_publish_option *o, rdl_str value);

#endif
