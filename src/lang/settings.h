/*
 * lang/settings.h - the names of the engine's settings, so that a misspelt one is refused.
 *
 * A setting is read by rdl_pipeline_setting (lang/catalog.h); docs/reference/settings.md says
 * what each means.
 *
 * Thread: any.
 */
#ifndef RDL_LANG_SETTINGS_H
#define RDL_LANG_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

extern const char *const rdl_settings[];
extern const size_t rdl_setting_count;
bool rdl_setting_is(const char *name);

#endif
