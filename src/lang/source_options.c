/*
 * lang/source_options.c - every option of a source (see source_options.h).
 */
#include "lang/source_options.h"

const rdl_source_option_help rdl_source_options[] = {
    {"compression", "JSON, CSV", "`auto`", "`auto` (by the first bytes), `none`, `gzip`, `zstd`"},
    {"delimiter", "CSV", "`,`", "one character; `\\t` for a tab"},
    {"quote", "CSV", "`\"`", "one character"},
    {"escape", "CSV", "as quote", "one character"},
    {"header", "CSV", "`true`", "columns are found by name; `false`: by position"},
    {"null", "CSV", "", "an unquoted text that means NULL, beside the empty field"},
    {"date_format", "JSON, CSV", "ISO 8601", "as in strptime, `%d.%m.%Y`"},
    {"timestamp_format", "JSON, CSV", "ISO 8601", "likewise"},
    {"quiet_ms",
     "files that cannot be read in parts: compressed, JSON arrays, Parquet; and with `--once` a "
     "last line without a newline",
     "`1000`",
     "such a file or line is read when size and time stood still so long, or `_SUCCESS` lies "
     "beside the file"},
    {"after_commit", "append-only files", "files stay",
     "`'delete'`, or `'move:<folder>'` (beside the source's folder): what becomes of a file when "
     "its rows are in the lake; see [empty a landing folder](../howto/empty-a-landing-folder.md)"},
    {"newest", "snapshots of files", "`false`",
     "`'true'`: of a folder or pattern, the last file by path is the whole content, as where each day "
     "brings `customers/2026-01-31.csv`; earlier ones are not read"},
    {"allow_shrink", "snapshots", "`false`",
     "accept a version that is empty or drops more than half of the rows"},
    {"start", "`kafka://`", "`earliest`",
     "where the first run begins; see [Kafka](../howto/kafka.md)"},
    {"fetch_bytes", "`kafka://`", "`67108864`",
     "messages that may wait for the next epoch; then fetching pauses"},
    {"discover_interval", "`kafka://`", "`10 seconds`",
     "how often new partitions and topics are looked for"},
    {"connect_timeout", "`kafka://`", "`30 seconds`",
     "how long `--once` waits for brokers that are away"},
    {"table", "`postgres://`", "of the URL",
     "the table to read; see [PostgreSQL](../howto/postgres-source.md)"},
    {"query", "`postgres://`", "", "one SELECT instead of a table"},
};
const size_t rdl_source_option_count = sizeof rdl_source_options / sizeof *rdl_source_options;
