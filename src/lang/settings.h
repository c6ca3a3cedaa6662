/*
 * lang/settings.h - the engine's settings: the one list, for the loader, which refuses a misspelt
 * one, and for the reference (lang/options_reference.c).
 *
 * A setting is read by rdl_pipeline_setting (lang/catalog.h), where it is used and checked.
 *
 * Thread: any; the list is constant.
 */
#ifndef RDL_LANG_SETTINGS_H
#define RDL_LANG_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct rdl_setting {
    const char *name;
    const char *initial; /* what holds without it, for people; "": nothing */
    const char *help;    /* Markdown, lower case, no full stop */
} rdl_setting;

extern const rdl_setting rdl_settings[];
extern const size_t rdl_setting_count;
bool rdl_setting_is(const char *name);

#endif
