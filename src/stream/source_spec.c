/*
 * stream/source_spec.c - see the header.
 */
#include "stream/source_spec.h"

rdl_str rdl_source_text(const rdl_source_def *s, const char *name, const char *fallback)
{
    for (size_t i = 0; i < s->option_count; i++) {
        if (rdl_str_eq_nocase(s->options[i].name, rdl_str_of(name)))
            return s->options[i].value;
    }
    return rdl_str_of(fallback);
}

bool rdl_source_truth(const rdl_source_def *s, const char *name, bool fallback)
{
    static const char *const yes[] = {"true", "1", "yes", "on"};
    rdl_str given = rdl_source_text(s, name, fallback ? "true" : "false");
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        if (rdl_str_eq_nocase(given, rdl_str_of(yes[i])))
            return true;
    }
    return false;
}

_Static_assert((int)RDL_COLUMN_FROM_COUNT == (int)RDL_FROM_COUNT, "the same list in two layers");
_Static_assert((int)RDL_COLUMN_VALUE == (int)RDL_FROM_VALUE, "in the same order");

void rdl_source_spec(rdl_arena *a, const rdl_source_def *s, rdl_decode_spec *out)
{
    const bool messages = rdl_str_starts(s->url, "kafka:");
    rdl_decode_spec_init(out);
    out->format = s->format == RDL_FORMAT_CSV    ? RDL_DECODE_CSV
                     : s->format == RDL_FORMAT_TEXT ? RDL_DECODE_TEXT
                                                    : RDL_DECODE_JSON;
    rdl_decode_column *columns = RDL_NEWN(a, rdl_decode_column, s->column_count);
    size_t n = 0;
    for (size_t i = 0; i < s->column_count; i++) {
        const rdl_source_column *c = &s->columns[i];
        if (c->computed.n == 0)
            columns[n++] = (rdl_decode_column){c->column.name, c->field, c->column.type,
                                                 (rdl_decode_from)c->from};
    }
    out->columns = columns;
    out->column_count = n;
    rdl_str delimiter = rdl_source_text(s, "delimiter", ","), quote = rdl_source_text(s, "quote", "\"");
    rdl_str escape = rdl_source_text(s, "escape", "");
    out->delimiter = rdl_str_eq(delimiter, RDL_STR("\\t")) ? '\t'
                        : delimiter.n > 0                     ? delimiter.p[0]
                                                              : ',';
    out->quote = quote.n > 0 ? quote.p[0] : '"';
    out->escape = escape.n > 0 ? escape.p[0] : out->quote;
    out->header = rdl_source_truth(s, "header", !messages);
    out->null_text = rdl_source_text(s, "null", "");
    out->date_format = rdl_source_text(s, "date_format", "");
    out->timestamp_format = rdl_source_text(s, "timestamp_format", "");
}
