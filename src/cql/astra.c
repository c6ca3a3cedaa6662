/*
 * cql/astra.c - Astra DB: from a secure-connect bundle to a session.
 *
 * The bundle is a zip archive with config.json (host and port of the metadata service),
 * ca.crt, cert and key.  All connections are TLS with that client certificate:
 *
 *   GET https://host:port/metadata ->
 *     {"contact_info": {"type": "sni_proxy", "local_dc": "…",
 *                       "sni_proxy_address": "host:port",
 *                       "contact_points": ["<host id>", …]}}
 *
 * Each node is reached through the proxy: the server name of the TLS handshake (SNI) is
 * the node's host id, the certificate that is verified is the proxy's.  Nodes that are
 * found in system.peers are reached in the same way, by their host_id.
 *
 * This is the documented behaviour of the service; it was built and is tested against a
 * metadata service and a proxy of our own (tests/services/astra), since no account was at
 * hand.
 */
#include <jansson.h>
#include <stdio.h>

#include "base/fs.h"
#include "cql/http.h"
#include "cql/internal.h"
#include "cql/zip.h"

enum { BUNDLE_MAX = 16 << 20, METADATA_MS = 15000 };

static rdl_code document(rdl_str text, const char *what, json_t **out, rdl_err *err)
{
    json_error_t e;
    *out = json_loadb(text.p != NULL ? text.p : "", text.n, JSON_REJECT_DUPLICATES, &e);
    if (json_is_object(*out))
        return RDL_OK;
    json_decref(*out);
    *out = NULL;
    return rdl_err_set(err, RDL_EDATA, 0, "could not understand %s: it is no JSON object", what);
}

/* What the bundle says: the TLS files, and where the metadata service is. */
static rdl_code bundle_read(rdl_cql *s, rdl_tls_config *tls, const char **host, uint16_t *port,
                            rdl_err *err)
{
    rdl_arena *a = &s->arena;
    rdl_buf zip = {0};
    rdl_str config = {NULL, 0};
    json_t *j = NULL;
    rdl_code rc = RDL_OK;
    RDL_TRY(rdl_fs_read(s->config.bundle, BUNDLE_MAX, &zip, err));
    rdl_str z = {zip.p, zip.n};
    RDL_TRY_OUT(rdl_zip_get(z, "config.json", a, &config, err));
    RDL_TRY_OUT(rdl_zip_get(z, "ca.crt", a, &tls->ca_pem, err));
    RDL_TRY_OUT(rdl_zip_get(z, "cert", a, &tls->cert_pem, err));
    RDL_TRY_OUT(rdl_zip_get(z, "key", a, &tls->key_pem, err));
    RDL_TRY_OUT(document(config, "config.json of the bundle", &j, err));
    *host = rdl_arena_strdup(a, json_string_value(json_object_get(j, "host")));
    json_int_t number = json_integer_value(json_object_get(j, "port"));
    const char *keyspace = json_string_value(json_object_get(j, "keyspace"));
    if (*host == NULL || number < 1 || number > UINT16_MAX)
        rc = rdl_err_set(err, RDL_EDATA, 0, "could not use config.json: no host and port in it");
    *port = (uint16_t)number;
    if (s->config.keyspace == NULL && keyspace != NULL && keyspace[0] != '\0')
        s->config.keyspace = rdl_arena_strdup(a, keyspace);
out:
    json_decref(j);
    rdl_buf_fini(&zip);
    return rc;
}

/* "host:port" of the proxy; the host is what its certificate must bear. */
static bool proxy_parse(rdl_cql *s, const char *text, uint16_t *port)
{
    const char *colon = text != NULL ? strrchr(text, ':') : NULL;
    unsigned number = 0;
    char extra;
    if (colon == NULL || sscanf(colon, ":%u%c", &number, &extra) != 1 || number < 1 ||
        number > UINT16_MAX)
        return false;
    s->verify_name = rdl_arena_strndup(&s->arena, text, (size_t)(colon - text));
    *port = (uint16_t)number;
    return true;
}

static rdl_code connect_through(rdl_cql *s, const json_t *points, uint16_t port, rdl_err *err)
{
    rdl_address at;
    size_t n = 0;
    RDL_TRY(rdl_address_resolve(s->verify_name, port, &at, 1, &n, err));
    rdl_err_set(err, RDL_ENET, 0, "could not connect to Astra: it named no node");
    for (size_t i = 0; i < json_array_size(points); i++) {
        const char *id = json_string_value(json_array_get(points, i));
        rdl_cql_host *h = id != NULL ? rdl_cql_host_add(s, &at, id, err) : NULL;
        if (h == NULL)
            continue;
        if (rdl_cql_try_host(s, h, err) == RDL_OK)
            return RDL_OK;
        if (err->code == RDL_EREMOTE || s->topology_read)
            break;
    }
    return err->code;
}

rdl_code rdl_cql_bundle_open(rdl_cql *s, rdl_err *err)
{
    rdl_tls_config tls = {0};
    const char *host = NULL;
    uint16_t port = 0, proxy_port = 0;
    rdl_buf body = {0};
    json_t *j = NULL;
    rdl_code rc = RDL_OK;
    RDL_TRY(rdl_err_in(bundle_read(s, &tls, &host, &port, err), err, "%s", s->config.bundle));
    RDL_TRY(rdl_tls_context_new(&tls, &s->tls, err));
    RDL_TRY_OUT(rdl_err_in(rdl_https_get(s->tls, host, port, "/metadata", METADATA_MS, &body, err),
                           err, "metadata service %s:%u", host, port));
    RDL_TRY_OUT(document((rdl_str){body.p, body.n}, "the answer of the metadata service", &j, err));
    const json_t *info = json_object_get(j, "contact_info");
    const char *centre = json_string_value(json_object_get(info, "local_dc"));
    const char *type = json_string_value(json_object_get(info, "type"));
    if (type == NULL || strcmp(type, "sni_proxy") != 0 ||
        !proxy_parse(s, json_string_value(json_object_get(info, "sni_proxy_address")),
                     &proxy_port)) {
        rc = rdl_err_set(err, RDL_EDATA, 0,
                         "could not understand the answer of the metadata service: it names no "
                         "SNI proxy");
        goto out;
    }
    if (s->datacentre[0] == '\0' && centre != NULL)
        snprintf(s->datacentre, sizeof s->datacentre, "%s", centre);
    rc = connect_through(s, json_object_get(info, "contact_points"), proxy_port, err);
out:
    json_decref(j);
    rdl_buf_fini(&body);
    return rc;
}
