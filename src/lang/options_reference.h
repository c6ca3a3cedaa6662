/*
 * lang/options_reference.h - settings, options of sources and of publications, as Markdown:
 * `raudal help settings`, which docs/reference/settings.md is made from.
 *
 * Thread: any.
 */
#ifndef RDL_LANG_OPTIONS_REFERENCE_H
#define RDL_LANG_OPTIONS_REFERENCE_H

#include "base/str.h"

void rdl_options_print_reference(rdl_buf *out);

#endif
