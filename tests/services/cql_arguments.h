/*
 * tests/services/cql_arguments.h - how the CQL test programs are told where the server is.
 *
 *   NAME=VALUE ...: at host:port, version 4|5, lz4 1, user, password, ca, cert, key, name (to
 *   verify), bundle, keyspace, rows, table, from, to; what a program does not know is passed over
 */
#ifndef RDL_TESTS_CQL_ARGUMENTS_H
#define RDL_TESTS_CQL_ARGUMENTS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cql/cql.h"

static int argument_count;
static char **arguments;

static inline const char *argument(const char *name, const char *otherwise)
{
    size_t n = strlen(name);
    for (int i = 1; i < argument_count; i++)
        if (strncmp(arguments[i], name, n) == 0 && arguments[i][n] == '=')
            return arguments[i] + n + 1;
    return otherwise;
}

static inline int number(const char *name, int otherwise)
{
    const char *text = argument(name, NULL);
    return text != NULL ? (int)strtol(text, NULL, 10) : otherwise;
}

static inline void configure(rdl_cql_config *c, int argc, char **argv)
{
    argument_count = argc;
    arguments = argv;
    rdl_cql_config_init(c);
    c->contact_points = argument("at", "127.0.0.1:19042");
    c->protocol_version = (uint32_t)number("version", 0);
    c->compression = number("lz4", 0) != 0 ? RDL_CQL_LZ4 : RDL_CQL_PLAIN;
    c->user = argument("user", NULL);
    c->password = argument("password", NULL);
    c->tls_config.ca_file = argument("ca", NULL);
    c->tls_config.cert_file = argument("cert", NULL);
    c->tls_config.key_file = argument("key", NULL);
    c->tls = c->tls_config.ca_file != NULL || number("tls", 0) != 0;
    c->tls_server_name = argument("name", NULL);
    c->bundle = argument("bundle", NULL);
    c->in_flight_max = (uint32_t)number("in_flight", 1024);
    c->connections_per_host = (uint32_t)number("connections", 1);
}

/* Ends the program with the failure. */
static inline void must(rdl_code rc, const rdl_err *err)
{
    if (rc == RDL_OK)
        return;
    fprintf(stderr, "%s\n", err->msg);
    if (err->path[0] != '\0')
        fprintf(stderr, "in: %s\n", err->path);
    if (err->hint[0] != '\0')
        fprintf(stderr, "hint: %s\n", err->hint);
    exit(1);
}

#endif
