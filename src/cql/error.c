/*
 * cql/error.c - ERROR bodies, what they mean for the request, and how they are told.
 *
 *   unavailable         [short] consistency, [int] required, [int] alive
 *   write timeout       [short] consistency, [int] received, [int] required, [string] kind
 *   read timeout        [short] consistency, [int] received, [int] required, [byte] data
 *   read failure        as read timeout, with the failures before [byte] data
 *   write failure       as write timeout, with the failures before [string] kind
 *   CAS write unknown   [short] consistency, [int] received, [int] required
 *   function failure    [string] keyspace, [string] name, [string list] argument types
 *   already exists      [string] keyspace, [string] table
 *   unprepared          [short bytes] id
 *
 *   failures            [int] n; version 5: n times (address, [short] reason) behind it
 */
#include <stdio.h>

#include "cql/message.h"

static const struct {
    rdl_cql_code code;
    const char *name;
} names[] = {
    {RDL_CQL_E_SERVER, "server error"},
    {RDL_CQL_E_PROTOCOL, "protocol error"},
    {RDL_CQL_E_BAD_CREDENTIALS, "bad credentials"},
    {RDL_CQL_E_UNAVAILABLE, "unavailable"},
    {RDL_CQL_E_OVERLOADED, "overloaded"},
    {RDL_CQL_E_BOOTSTRAPPING, "bootstrapping"},
    {RDL_CQL_E_TRUNCATE, "truncate error"},
    {RDL_CQL_E_WRITE_TIMEOUT, "write timeout"},
    {RDL_CQL_E_READ_TIMEOUT, "read timeout"},
    {RDL_CQL_E_READ_FAILURE, "read failure"},
    {RDL_CQL_E_FUNCTION_FAILURE, "function failure"},
    {RDL_CQL_E_WRITE_FAILURE, "write failure"},
    {RDL_CQL_E_CDC_WRITE_FAILURE, "CDC write failure"},
    {RDL_CQL_E_CAS_WRITE_UNKNOWN, "CAS write unknown"},
    {RDL_CQL_E_SYNTAX, "syntax error"},
    {RDL_CQL_E_UNAUTHORIZED, "unauthorized"},
    {RDL_CQL_E_INVALID, "invalid request"},
    {RDL_CQL_E_CONFIG, "configuration error"},
    {RDL_CQL_E_ALREADY_EXISTS, "already exists"},
    {RDL_CQL_E_UNPREPARED, "unprepared"},
    {RDL_CQL_E_TIMEOUT, "no answer in time"},
    {RDL_CQL_E_LOST, "connection lost"},
    {RDL_CQL_E_NO_HOST, "no node connected"},
    {RDL_CQL_E_ANSWER, "answer not understood"},
    {RDL_CQL_E_CLOSED, "session closed"},
};

static const char *const consistencies[] = {"ANY",    "ONE",          "TWO",          "THREE",
                                            "QUORUM", "ALL",          "LOCAL_QUORUM", "EACH_QUORUM",
                                            "SERIAL", "LOCAL_SERIAL", "LOCAL_ONE"};

enum { CONSISTENCIES = sizeof consistencies / sizeof *consistencies };

const char *rdl_cql_code_name(rdl_cql_code c)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].code == c)
            return names[i].name;
    return "unrecognized error";
}

uint16_t rdl_cql_consistency_wire(rdl_cql_consistency c)
{
    return (uint16_t)(c & 0xFF);
}

static rdl_cql_consistency consistency_of(uint16_t wire)
{
    return wire == 0 ? RDL_CQL_ANY : (rdl_cql_consistency)wire;
}

const char *rdl_cql_consistency_name(rdl_cql_consistency c)
{
    unsigned wire = rdl_cql_consistency_wire(c);
    return wire < CONSISTENCIES && c != RDL_CQL_AS_CONFIGURED ? consistencies[wire] : "?";
}

bool rdl_cql_consistency_parse(rdl_str text, rdl_cql_consistency *out)
{
    for (uint16_t i = 0; i < CONSISTENCIES; i++)
        if (rdl_str_eq_nocase(text, rdl_str_of(consistencies[i]))) {
            *out = consistency_of(i);
            return true;
        }
    return false;
}

static void keep(rdl_str s, char *out, size_t bytes)
{
    snprintf(out, bytes, "%.*s", s.n > 4096 ? 4096 : (int)s.n, s.n > 0 ? s.p : "");
}

static void failures_read(rdl_wire *w, uint32_t version, rdl_cql_error *e)
{
    e->failures = rdl_wire_int(w);
    for (int32_t i = 0; version >= 5 && i < e->failures && !w->bad; i++) {
        (void)rdl_wire_take(w, rdl_wire_byte(w));
        (void)rdl_wire_short(w);
    }
}

static void details_read(rdl_wire *w, uint32_t version, rdl_cql_error *e)
{
    bool failed = e->code == RDL_CQL_E_READ_FAILURE || e->code == RDL_CQL_E_WRITE_FAILURE;
    bool read = e->code == RDL_CQL_E_READ_FAILURE || e->code == RDL_CQL_E_READ_TIMEOUT;
    rdl_str id;
    switch (e->code) {
    case RDL_CQL_E_UNAVAILABLE:
        e->consistency = consistency_of(rdl_wire_short(w));
        e->required = rdl_wire_int(w);
        e->alive = rdl_wire_int(w);
        break;
    case RDL_CQL_E_WRITE_TIMEOUT:
    case RDL_CQL_E_READ_TIMEOUT:
    case RDL_CQL_E_READ_FAILURE:
    case RDL_CQL_E_WRITE_FAILURE:
    case RDL_CQL_E_CAS_WRITE_UNKNOWN:
        e->consistency = consistency_of(rdl_wire_short(w));
        e->received = rdl_wire_int(w);
        e->required = rdl_wire_int(w);
        if (failed)
            failures_read(w, version, e);
        if (read)
            e->data_present = rdl_wire_byte(w) != 0;
        else if (e->code != RDL_CQL_E_CAS_WRITE_UNKNOWN)
            keep(rdl_wire_string(w), e->write_type, sizeof e->write_type);
        break;
    case RDL_CQL_E_FUNCTION_FAILURE:
    case RDL_CQL_E_ALREADY_EXISTS:
        keep(rdl_wire_string(w), e->keyspace, sizeof e->keyspace);
        keep(rdl_wire_string(w), e->table, sizeof e->table);
        break;
    case RDL_CQL_E_UNPREPARED:
        id = rdl_wire_string(w);
        if (id.n > sizeof e->statement_id)
            w->bad = true;
        if (w->bad)
            break;
        memcpy(e->statement_id, id.p, id.n);
        e->statement_id_bytes = (uint8_t)id.n;
        break;
    default:
        break;
    }
}

void rdl_cql_error_judge(rdl_cql_error *e)
{
    switch (e->code) {
    case RDL_CQL_E_UNAVAILABLE:
    case RDL_CQL_E_OVERLOADED:
    case RDL_CQL_E_BOOTSTRAPPING:
    case RDL_CQL_E_UNPREPARED:
    case RDL_CQL_E_NO_HOST:
        e->not_executed = e->transient = true;
        break;
    case RDL_CQL_E_BAD_CREDENTIALS:
    case RDL_CQL_E_SYNTAX:
    case RDL_CQL_E_UNAUTHORIZED:
    case RDL_CQL_E_INVALID:
    case RDL_CQL_E_CONFIG:
    case RDL_CQL_E_ALREADY_EXISTS:
    case RDL_CQL_E_PROTOCOL:
        e->not_executed = true;
        break;
    case RDL_CQL_E_SERVER:
    case RDL_CQL_E_TRUNCATE:
    case RDL_CQL_E_WRITE_TIMEOUT:
    case RDL_CQL_E_READ_TIMEOUT:
    case RDL_CQL_E_WRITE_FAILURE:
    case RDL_CQL_E_READ_FAILURE:
    case RDL_CQL_E_CAS_WRITE_UNKNOWN:
    case RDL_CQL_E_TIMEOUT:
    case RDL_CQL_E_LOST:
        e->transient = true;
        break;
    default:
        break;
    }
}

bool rdl_cql_error_read(const rdl_cql_envelope *e, uint32_t version, rdl_cql_error *out)
{
    rdl_wire w = {e->body, e->n, false};
    rdl_cql_prefix_read(&w, e->flags, NULL); /* a read that gives up warns first */
    *out = (rdl_cql_error){.code = (rdl_cql_code)rdl_wire_int(&w)};
    keep(rdl_wire_string(&w), out->message, sizeof out->message);
    if (w.bad)
        return false;
    details_read(&w, version, out);
    rdl_cql_error_judge(out);
    return !w.bad;
}

static const char *hint_of(rdl_cql_code code)
{
    switch (code) {
    case RDL_CQL_E_BAD_CREDENTIALS:
        return "Check the user and the password; for Astra the user is \"token\".";
    case RDL_CQL_E_UNAVAILABLE:
        return "Start the nodes that hold the data, or lower the consistency.";
    case RDL_CQL_E_OVERLOADED:
    case RDL_CQL_E_WRITE_TIMEOUT:
    case RDL_CQL_E_READ_TIMEOUT:
        return "The nodes are slow: send less at a time, or give them more time.";
    case RDL_CQL_E_UNAUTHORIZED:
        return "Grant the role the permission that is named.";
    default:
        return NULL;
    }
}

rdl_code rdl_cql_error_tell(const rdl_cql_error *e, const char *what, rdl_err *err)
{
    char detail[160] = "";
    bool ours = (unsigned)e->code >= RDL_CQL_E_TIMEOUT;
    rdl_code rc = e->code == RDL_CQL_E_CLOSED ? RDL_ESTOP : ours ? RDL_ENET : RDL_EREMOTE;
    const char *level = rdl_cql_consistency_name(e->consistency);
    if (e->code == RDL_CQL_E_UNAVAILABLE)
        snprintf(detail, sizeof detail, " (%s needs %d replicas, %d are alive)", level, e->required,
                 e->alive);
    else if (e->consistency != RDL_CQL_AS_CONFIGURED)
        snprintf(detail, sizeof detail, " (%s%s%s: %d of %d answered, %d failed)", level,
                 e->write_type[0] != '\0' ? ", " : "", e->write_type, e->received, e->required,
                 e->failures);
    rdl_err_set(err, rc, e->transient ? RDL_ERR_RETRY : 0, "could not %s: %s%s%s%s", what,
                rdl_cql_code_name(e->code), detail, e->message[0] != '\0' ? ": " : "", e->message);
    if (hint_of(e->code) != NULL)
        rdl_err_hint(err, "%s", hint_of(e->code));
    return rc;
}
