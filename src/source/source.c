/*
 * source/source.c - which source a URL means, and the options that several kinds read.
 */
#include "source/source.h"

#include "pg/connection.h"

static const rdl_source_ops *const kinds[] = {&rdl_source_files, &rdl_source_kafka,
                                              &rdl_source_postgres};

enum { KIND_COUNT = sizeof kinds / sizeof kinds[0] };

static rdl_code refuse(rdl_str scheme, rdl_err *err)
{
    rdl_buf known = {0};
    for (size_t i = 0; i < KIND_COUNT; i++)
        rdl_buf_printf(&known, "%s%s:", i != 0 ? ", " : "", kinds[i]->kind);
    rdl_err_set(err, RDL_EUSAGE, 0, "unrecognized source \"%.*s:\"; there is %s", (int)scheme.n,
                scheme.p, rdl_buf_str(&known));
    rdl_err_hint(err, "Write FROM 'folder/', a file, a folder or a glob, or a URL of these kinds.");
    rdl_buf_fini(&known);
    return rdl_err_area(RDL_EUSAGE, err, RDL_AREA_CONFIG);
}

rdl_code rdl_source_find(rdl_str url, const rdl_source_ops **out, rdl_err *err)
{
    rdl_str scheme = {"file", 4};
    for (size_t i = 0; i + 2 < url.n; i++) {
        if (memcmp(url.p + i, "://", 3) == 0) {
            scheme = (rdl_str){url.p, i};
            break;
        }
    }
    if (rdl_pg_is_url(url)) /* postgresql://, postgres:service=.. */
        scheme = RDL_STR("postgres");
    for (size_t i = 0; i < KIND_COUNT; i++) {
        if (rdl_str_eq_nocase(scheme, rdl_str_of(kinds[i]->kind))) {
            *out = kinds[i];
            return RDL_OK;
        }
    }
    return refuse(scheme, err);
}

rdl_code rdl_source_open(const rdl_source_config *config, rdl_source **out, rdl_err *err)
{
    const rdl_source_ops *ops;
    RDL_TRY(rdl_source_find(rdl_str_of(config->url), &ops, err));
    if (config->snapshot ? ops->version != NULL : ops->next != NULL)
        return ops->open(config, out, err);
    rdl_err_set(err, RDL_EUSAGE, 0, "a source of the kind \"%s:\" cannot be read %s", ops->kind,
                config->snapshot ? "as a SNAPSHOT" : "as a stream");
    rdl_err_hint(err, config->snapshot ? "Leave the word SNAPSHOT out."
                                       : "Declare it SNAPSHOT: its content is a whole state.");
    return rdl_err_area(RDL_EUSAGE, err, RDL_AREA_CONFIG);
}

rdl_str rdl_source_option_text(const rdl_source_config *c, const char *name, const char *fallback)
{
    for (size_t i = 0; i < c->option_count; i++) {
        if (rdl_str_eq_nocase(c->options[i].name, rdl_str_of(name)))
            return c->options[i].value;
    }
    return rdl_str_of(fallback);
}

rdl_code rdl_source_option_interval(const rdl_source_config *c, const char *name,
                                    const char *fallback, int64_t *out_us, rdl_err *err)
{
    rdl_str s = rdl_source_option_text(c, name, fallback);
    if (rdl_interval_parse(s, out_us) && *out_us > 0)
        return RDL_OK;
    rdl_err_set(err, RDL_EUSAGE, 0,
                "option %s of source \"%s\" is \"%.*s\", which is not an interval", name, c->name,
                (int)s.n, s.p);
    rdl_err_hint(err, "Write it as '30 seconds' or '500 ms'.");
    return rdl_err_area(RDL_EUSAGE, err, RDL_AREA_CONFIG);
}
