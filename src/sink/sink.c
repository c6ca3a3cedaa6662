/*
 * sink/sink.c - which destination a URL means; what all destinations say alike.
 */
#include "sink/sink.h"

#include <stdarg.h>
#include <stdio.h>

static const rdl_sink_ops *const sinks[] = {&rdl_sink_sqlite, &rdl_sink_postgres,
                                            &rdl_sink_cassandra};

enum { SINK_COUNT = sizeof sinks / sizeof sinks[0] };

static rdl_code refuse(rdl_str scheme, rdl_err *err)
{
    rdl_buf known = {0};
    for (size_t i = 0; i < SINK_COUNT; i++)
        rdl_buf_printf(&known, "%s%s:", i != 0 ? ", " : "", sinks[i]->kind);
    rdl_err_set(err, RDL_EUSAGE, 0, "unrecognized store \"%.*s:\"; there is %s", (int)scheme.n,
                scheme.p, rdl_buf_str(&known));
    rdl_err_hint(err, "Write PUBLISH ... TO 'sqlite:serving.db', a file below the root.");
    rdl_buf_fini(&known);
    return rdl_err_area(RDL_EUSAGE, err, RDL_AREA_CONFIG);
}

rdl_code rdl_sink_find(rdl_str url, const rdl_sink_ops **out, rdl_err *err)
{
    const char *colon = url.n != 0 ? memchr(url.p, ':', url.n) : NULL;
    rdl_str scheme = {url.p, colon != NULL ? (size_t)(colon - url.p) : 0};
    if (rdl_str_eq_nocase(scheme, RDL_STR("postgresql"))) /* libpq takes both */
        scheme = RDL_STR("postgres");
    for (size_t i = 0; i < SINK_COUNT; i++) {
        if (rdl_str_eq_nocase(scheme, rdl_str_of(sinks[i]->kind))) {
            *out = sinks[i];
            return RDL_OK;
        }
    }
    return refuse(scheme, err);
}

rdl_code rdl_sink_open_to_read(rdl_arena *a, rdl_str url, const char *root_dir,
                               const char *root_uuid, rdl_sink **out, rdl_err *err)
{
    const rdl_sink_ops *ops;
    const rdl_sink_config config = {.url = rdl_arena_strndup(a, url.p, url.n),
                                    .root_dir = root_dir,
                                    .root_uuid = root_uuid,
                                    .read_only = true};
    *out = NULL;
    RDL_TRY(rdl_sink_find(url, &ops, err));
    return ops->open(&config, out, err);
}

void rdl_sink_misfit(rdl_buf *wrong, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    rdl_buf_printf(wrong, "%s%s", wrong->n > 0 ? "; " : "", text);
}

bool rdl_sink_is_key(const rdl_sink_table *t, size_t column)
{
    for (size_t i = 0; i < t->key_count; i++)
        if (t->key[i] == column)
            return true;
    return false;
}
