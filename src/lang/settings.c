/*
 * lang/settings.c - every setting there is (see settings.h).
 */
#include "lang/settings.h"

#include <string.h>

const rdl_setting rdl_settings[] = {
    {"trigger_interval", "1 second",
     "how long a row waits at most, about, until stores show it: while there is input an epoch begins "
     "so long after the last one, less what an epoch and its way into the stores took lately; later, "
     "by a second at most, when the stores could not take it yet; sooner when an epoch's worth of rows "
     "or bytes waits; a changed folder or a message wakes an idle loop at once"},
    {"lake_interval", "30 seconds",
     "how long sealed rows may stay in segments before the lake takes them; also how often waiting "
     "views are brought up when there is nothing to read"},
    {"max_files_per_epoch", "0", "files of each source in one epoch; 0: no limit"},
    {"max_rows_per_epoch", "2000000",
     "rows of all sources together, estimated from the bytes of earlier rows; 0: no limit"},
    {"max_bytes_per_epoch", "536870912",
     "bytes of each source; 0: no limit; unless it is set, no more than a sixteenth of `--memory` less "
     "128 MiB, down to an eighth of that where the epochs turn out to need more memory than there is, "
     "and at least 4 MiB"},
    {"max_pending_epochs", "64",
     "sealed epochs that a store or the lake may lack before the loop applies them first; unless it "
     "is set, as many as two `lake_interval`s bring, up to 512"},
    {"lake_adopt_rows", "200000",
     "an epoch that brings so many rows of one partition of a streaming table writes them once, into a "
     "file that the lake takes as it is; 0: never"},
    {"lake_compact_files", "8",
     "so many small files of like size in a partition are merged into one, after the lake took "
     "rows; 0: never"},
    {"lake_retention", "30 days",
     "files and log entries of the lake that no version younger than this needs are removed once a "
     "day; at least an hour; 0: they stay"},
    {"journal_max_bytes", "1048576",
     "when so much was appended to the journal, it begins anew with a summary, and what it held "
     "goes to `state/journal-past/`, compressed"},
    {"journal_retention", "0",
     "what went to `state/journal-past/` longer ago is removed, when the journal begins anew; at "
     "least an hour; 0: it stays. `raudal why` and `verify` of decisions reach back as far as it does"},
    {"retry_interval", "1 minute",
     "pause before a table or a program that failed is tried again; it doubles with each failure in a "
     "row, to an hour"},
    {"smtp_url", "smtp://localhost",
     "the mail server of [alerts](alerts.md); `smtps://` for TLS from the start"},
    {"smtp_from", "raudal@localhost", "the sender of alerts"},
    {"smtp_user", "", "for a mail server that wants to know"},
    {"smtp_password", "", "likewise"},
    {"owner", "", "who answers for tables that name nobody, in `raudal docs`"},
};
const size_t rdl_setting_count = sizeof rdl_settings / sizeof *rdl_settings;

bool rdl_setting_is(const char *name)
{
    for (size_t i = 0; i < rdl_setting_count; i++)
        if (strcmp(name, rdl_settings[i].name) == 0)
            return true;
    return false;
}
