/*
 * sink/cassandra_url.c - where the nodes are and how to talk to them.
 *
 *   cassandra://[user[:password]@]host[:port][,host[:port]..]/keyspace[?name=value&..]
 *   cassandra:/keyspace?bundle=secure-connect.zip&token=AstraCS:..      Astra DB
 *
 *   user, password, token      token: user is "token"
 *   datacentre                 whose nodes are asked; default: the first node's
 *   tls                        true, false; ca, cert, key are PEM files, and turn it on
 *   ca, cert, key, key_password, server_name
 *   verify                     all, peer (any name in a trusted certificate), none
 *   bundle                     Astra's zip; holds addresses and certificates
 *   compression                none, lz4
 *   serial                     local_serial, serial: who agrees on the progress, see cassandra_progress.c
 *   protocol                   4, 5; default: the highest that both know
 *   connections                per node, 1 to 16
 *   timeout_ms, connect_timeout_ms
 *   patience_ms                how long a batch of rows waits for a store that does not answer
 *                              before the run is told; 60000
 *
 * Values are percent-decoded.  What is secret in them stays out of every message.
 */
#include "sink/cassandra_internal.h"

#include <stdio.h>

#include "base/fs.h"

enum {
    PATIENCE_MS = 60000,
    NUMBER_MAX = 86400000,
};

typedef struct reading {
    rdl_cassandra *s;
    const char *root_dir;
    rdl_err *err;
} reading;

static rdl_code refuse(const reading *r, const char *hint, const char *fmt, ...) RDL_PRINTF(3, 4);
static rdl_code refuse(const reading *r, const char *hint, const char *fmt, ...)
{
    char text[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    rdl_err_set(r->err, RDL_EUSAGE, 0, "cannot publish to this Cassandra store: %s", text);
    rdl_err_hint(r->err, "%s", hint);
    return rdl_err_area(RDL_EUSAGE, r->err, RDL_AREA_CONFIG);
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static char *decoded(rdl_arena *a, rdl_str s)
{
    char *out = RDL_NEWN(a, char, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '%' && i + 2 < s.n && hex(s.p[i + 1]) >= 0 && hex(s.p[i + 2]) >= 0) {
            out[n++] = (char)(hex(s.p[i + 1]) * 16 + hex(s.p[i + 2]));
            i += 2;
        } else {
            out[n++] = s.p[i];
        }
    }
    return out;
}

/* Up to the first c, which is taken away; the whole when there is none. */
static rdl_str cut(rdl_str *rest, char c, bool *found)
{
    const char *at = rest->n > 0 ? memchr(rest->p, c, rest->n) : NULL;
    rdl_str head = *rest;
    *found = at != NULL;
    if (at == NULL) {
        *rest = (rdl_str){rest->p + rest->n, 0};
        return head;
    }
    head.n = (size_t)(at - rest->p);
    *rest = (rdl_str){at + 1, rest->n - head.n - 1};
    return head;
}

static rdl_code read_number(const reading *r, const char *name, const char *value, uint32_t least,
                            uint32_t most, uint32_t *out)
{
    uint64_t x = 0;
    size_t n = strlen(value);
    bool ok = n > 0 && n < 10;
    for (size_t i = 0; i < n && ok; i++) {
        ok = value[i] >= '0' && value[i] <= '9';
        x = 10 * x + (uint64_t)(value[i] - '0');
    }
    if (!ok || x < least || x > most)
        return refuse(r, "Write a whole number.", "option %s is \"%.40s\", not from %u to %u", name,
                      value, least, most);
    *out = (uint32_t)x;
    return RDL_OK;
}

static rdl_code read_word(const reading *r, const char *name, const char *value,
                          const char *const *words, size_t n, size_t *out)
{
    for (*out = 0; *out < n; ++*out)
        if (rdl_str_eq_nocase(rdl_str_of(value), rdl_str_of(words[*out])))
            return RDL_OK;
    rdl_buf list = {0};
    for (size_t i = 0; i < n; i++)
        rdl_buf_printf(&list, "%s%s", i > 0 ? ", " : "", words[i]);
    rdl_code rc = refuse(r, "Choose one of these.", "option %s is \"%.40s\"; there is %s", name,
                         value, rdl_buf_str(&list));
    rdl_buf_fini(&list);
    return rc;
}

static const char *file_of(const reading *r, const char *value)
{
    return rdl_path_join(&r->s->arena, r->root_dir, value);
}

/* Options that are texts or files: where the value goes. */
static const char **text_of(rdl_cql_config *c, const char *name, bool *is_file)
{
    const struct {
        const char *name;
        const char **to;
        bool file;
    } texts[] = {
        {"user", &c->user, false},
        {"password", &c->password, false},
        {"datacentre", &c->datacentre, false},
        {"datacenter", &c->datacentre, false},
        {"dc", &c->datacentre, false},
        {"server_name", &c->tls_server_name, false},
        {"ca", &c->tls_config.ca_file, true},
        {"cert", &c->tls_config.cert_file, true},
        {"key", &c->tls_config.key_file, true},
        {"key_password", &c->tls_config.key_password, false},
        {"bundle", &c->bundle, true},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (strcmp(texts[i].name, name) == 0) {
            *is_file = texts[i].file;
            return texts[i].to;
        }
    }
    return NULL;
}

static rdl_code read_numbers(const reading *r, const char *name, const char *value, bool *known)
{
    rdl_cql_config *c = &r->s->config;
    uint32_t ms = 0;
    *known = true;
    if (strcmp(name, "protocol") == 0)
        return read_number(r, name, value, 4, 5, &c->protocol_version);
    if (strcmp(name, "connections") == 0)
        return read_number(r, name, value, 1, 16, &c->connections_per_host);
    if (strcmp(name, "timeout_ms") == 0)
        return read_number(r, name, value, 1, NUMBER_MAX, &c->request_timeout_ms);
    if (strcmp(name, "connect_timeout_ms") == 0)
        return read_number(r, name, value, 1, NUMBER_MAX, &c->connect_timeout_ms);
    if (strcmp(name, "patience_ms") == 0) {
        RDL_TRY(read_number(r, name, value, 1, NUMBER_MAX, &ms));
        r->s->patience_us = (int64_t)ms * 1000;
        return RDL_OK;
    }
    *known = false;
    return RDL_OK;
}

static rdl_code read_option(const reading *r, const char *name, const char *value)
{
    static const char *const booleans[] = {"false", "true"};
    static const char *const verify[] = {"all", "peer", "none"};
    static const char *const compressions[] = {"none", "lz4"};
    static const char *const serial[] = {"local_serial", "serial"};
    rdl_cql_config *c = &r->s->config;
    size_t at = 0;
    bool is_file = false, known = false;
    const char **text = text_of(c, name, &is_file);
    if (text != NULL) {
        *text = is_file ? file_of(r, value) : value;
        c->tls |= is_file;
        return RDL_OK;
    }
    if (strcmp(name, "token") == 0) {
        c->user = "token";
        c->password = value;
        return RDL_OK;
    }
    if (strcmp(name, "tls") == 0) {
        RDL_TRY(read_word(r, name, value, booleans, 2, &at));
        c->tls = at == 1;
        return RDL_OK;
    }
    if (strcmp(name, "verify") == 0) {
        RDL_TRY(read_word(r, name, value, verify, 3, &at));
        c->tls_config.no_verify_host = at >= 1;
        c->tls_config.no_verify_peer = at == 2;
        return RDL_OK;
    }
    if (strcmp(name, "compression") == 0) {
        RDL_TRY(read_word(r, name, value, compressions, 2, &at));
        c->compression = at == 1 ? RDL_CQL_LZ4 : RDL_CQL_PLAIN;
        return RDL_OK;
    }
    if (strcmp(name, "serial") == 0) {
        RDL_TRY(read_word(r, name, value, serial, 2, &at));
        c->serial_consistency = at == 1 ? RDL_CQL_SERIAL : RDL_CQL_LOCAL_SERIAL;
        return RDL_OK;
    }
    RDL_TRY(read_numbers(r, name, value, &known));
    return known
               ? RDL_OK
               : refuse(r,
                        "Options are user, password, token, datacentre, tls, ca, cert, key, "
                        "key_password, server_name, verify, bundle, compression, serial, protocol, "
                        "connections, timeout_ms, connect_timeout_ms, patience_ms.",
                        "unrecognized option \"%.60s\" in its URL", name);
}

static rdl_code read_options(const reading *r, rdl_str rest)
{
    bool found;
    while (rest.n > 0) {
        rdl_str one = cut(&rest, '&', &found);
        rdl_str name = cut(&one, '=', &found);
        if (name.n == 0)
            continue;
        RDL_TRY(read_option(r, rdl_arena_strndup(&r->s->arena, name.p, name.n),
                            decoded(&r->s->arena, one)));
    }
    return RDL_OK;
}

/* The last @ of the authority ends the user and password: a password may hold one. */
static void read_user(const reading *r, rdl_str *authority)
{
    size_t at = authority->n;
    bool found;
    while (at > 0 && authority->p[at - 1] != '@')
        at--;
    if (at == 0)
        return;
    rdl_str login = {authority->p, at - 1};
    rdl_str user = cut(&login, ':', &found);
    r->s->config.user = decoded(&r->s->arena, user);
    if (found)
        r->s->config.password = decoded(&r->s->arena, login);
    *authority = (rdl_str){authority->p + at, authority->n - at};
}

static bool is_keyspace(rdl_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_'))
            return false;
    }
    return s.n > 0 && s.n <= 48;
}

rdl_code rdl_cassandra_read_url(rdl_cassandra *s, const char *url, const char *root_dir,
                                rdl_err *err)
{
    const reading r = {s, root_dir, err};
    bool found;
    rdl_str rest = rdl_str_of(url);
    (void)cut(&rest, ':', &found);
    rdl_str place = cut(&rest, '?', &found);
    if (rdl_str_starts(place, "//"))
        place = (rdl_str){place.p + 2, place.n - 2};
    rdl_str authority = cut(&place, '/', &found);
    s->patience_us = (int64_t)PATIENCE_MS * 1000;
    read_user(&r, &authority);
    RDL_TRY(read_options(&r, rest));
    if (authority.n > 0)
        s->config.contact_points = rdl_arena_strndup(&s->arena, authority.p, authority.n);
    if (authority.n == 0 && s->config.bundle == NULL)
        return refuse(&r, "Write 'cassandra://host/keyspace'.", "its URL names no host");
    if (!is_keyspace(place))
        return refuse(&r, "Write 'cassandra://host/keyspace'; letters, digits and _, at most 48.",
                      "its URL names no keyspace (\"%.60s\")",
                      rdl_arena_strndup(&s->arena, place.p, place.n));
    s->keyspace = rdl_arena_strndup(&s->arena, place.p, place.n);
    s->where = rdl_arena_printf(&s->arena, "%s/%s",
                                authority.n > 0 ? s->config.contact_points : "bundle", s->keyspace);
    return RDL_OK;
}
