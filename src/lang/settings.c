/*
 * lang/settings.c - every setting there is (see settings.h).
 */
#include "lang/settings.h"

#include <string.h>

const char *const rdl_settings[] = {
    "journal_max_bytes",   "journal_retention",   "lake_compact_files",
    "lake_interval",       "lake_retention",      "max_bytes_per_epoch",
    "max_files_per_epoch", "max_pending_epochs",  "max_rows_per_epoch",
    "owner",               "smtp_from",           "smtp_password",
    "smtp_url",            "smtp_user",           "trigger_interval",
};
const size_t rdl_setting_count = sizeof rdl_settings / sizeof *rdl_settings;

bool rdl_setting_is(const char *name)
{
    for (size_t i = 0; i < rdl_setting_count; i++)
        if (strcmp(name, rdl_settings[i]) == 0)
            return true;
    return false;
}
