/*
 * pg/connection.c - opening, asking, and what a failure means.
 */
#include "pg/connection.h"

#include <stdio.h>
#include <stdlib.h>

static bool starts_nocase(rdl_str s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.n >= n && rdl_str_eq_nocase((rdl_str){s.p, n}, (rdl_str){prefix, n});
}

bool rdl_pg_is_url(rdl_str url)
{
    return starts_nocase(url, "postgres:") || starts_nocase(url, "postgresql:");
}

/* ---- what a failure means ---- */

typedef struct meaning {
    const char *state; /* SQLSTATE, or its first characters */
    rdl_code code;
    uint32_t flags;
    const char *hint;
} meaning;

static const meaning meanings[] = {
    {"28", RDL_EREMOTE, 0,
     "Give the password by PGPASSWORD or ~/.pgpass, and see pg_hba.conf of the server."},
    {"3D000", RDL_EREMOTE, 0, "Create the database first: createdb NAME."},
    {"42501", RDL_EREMOTE, 0,
     "Grant the role what it lacks: CREATE on the schema, and SELECT, INSERT, UPDATE, DELETE on "
     "the table."},
    {"53300", RDL_EREMOTE, RDL_ERR_RETRY,
     "The server has no free connection; max_connections "
     "and the role's limit say how many there are."},
    {"53", RDL_EREMOTE, RDL_ERR_RETRY,
     "The server ran out of disk or memory; nothing of this "
     "epoch was written."},
    {"55P03", RDL_EREMOTE, RDL_ERR_RETRY,
     "Another session holds the table; pg_stat_activity "
     "shows which."},
    {"57014", RDL_EREMOTE, RDL_ERR_RETRY, NULL},
    {"57P", RDL_ENET, RDL_ERR_RETRY, "The server ended the session; it is opened again."},
    {"08", RDL_ENET, RDL_ERR_RETRY, NULL},
    {"40", RDL_EREMOTE, RDL_ERR_RETRY, NULL},
    {"25006", RDL_EREMOTE, RDL_ERR_RETRY,
     "The server is a standby or read-only: name the "
     "primary, or add target_session_attrs=read-write."},
};

static const meaning *meaning_of(const char *state)
{
    for (size_t i = 0; state != NULL && i < sizeof meanings / sizeof meanings[0]; i++) {
        if (strncmp(state, meanings[i].state, strlen(meanings[i].state)) == 0)
            return &meanings[i];
    }
    return NULL;
}

/* libpq's lines as one, without the words that every one begins with. */
static void put_reason(rdl_buf *out, const char *message)
{
    static const char *const words[] = {"ERROR:  ", "FATAL:  ", "PANIC:  "};
    const char *p = message;
    for (size_t i = 0; i < 3; i++) {
        if (strncmp(p, words[i], strlen(words[i])) == 0)
            p += strlen(words[i]);
    }
    for (; *p != '\0'; p++) {
        if (*p == '\n' || *p == '\t') {
            while (p[1] == '\n' || p[1] == '\t' || p[1] == ' ')
                p++;
            rdl_buf_puts(out, p[1] != '\0' ? "; " : "");
        } else {
            rdl_buf_putc(out, *p);
        }
    }
}

rdl_code rdl_pg_fail(rdl_pg *pg, PGresult *r, rdl_err *err, const char *fmt, ...)
{
    char what[300], state[6] = "";
    rdl_buf reason = {0};
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    const char *found = r != NULL ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
    const char *primary = r != NULL ? PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    const char *detail = r != NULL ? PQresultErrorField(r, PG_DIAG_MESSAGE_DETAIL) : NULL;
    snprintf(state, sizeof state, "%s", found != NULL ? found : "");
    put_reason(&reason, primary != NULL ? primary : PQerrorMessage(pg->conn));
    if (detail != NULL)
        rdl_buf_printf(&reason, " (%s)", detail);
    if (reason.n == 0)
        rdl_buf_puts(&reason, "the connection was lost");
    const meaning *m = meaning_of(state);
    bool lost = PQstatus(pg->conn) != CONNECTION_OK;
    rdl_code code = m != NULL ? m->code : lost ? RDL_ENET : RDL_EREMOTE;
    uint32_t flags = m != NULL ? m->flags : lost ? RDL_ERR_RETRY : 0;
    rdl_err_set(err, code, flags, "could not %s in PostgreSQL %s: %s", what, pg->where,
                rdl_buf_str(&reason));
    snprintf(err->sqlstate, sizeof err->sqlstate, "%s", state);
    if (m != NULL && m->hint != NULL)
        rdl_err_hint(err, "%s", m->hint);
    pg->broken |= lost;
    rdl_buf_fini(&reason);
    PQclear(r);
    return code;
}

/* ---- opening ---- */

static rdl_code refuse_url(rdl_err *err)
{
    rdl_err_set(err, RDL_EUSAGE, 0, "cannot open a PostgreSQL server: its URL names none");
    rdl_err_hint(err, "Write 'postgres://user@host:5432/database', or 'postgres:service=NAME'.");
    return rdl_err_area(RDL_EUSAGE, err, RDL_AREA_CONFIG);
}

/* libpq's own message repeats the whole text, with the password in it. */
static rdl_code check_info(const char *info, rdl_err *err)
{
    char *ignored = NULL;
    PQconninfoOption *parsed = PQconninfoParse(info, &ignored);
    bool ok = parsed != NULL;
    PQconninfoFree(parsed);
    if (ignored != NULL)
        PQfreemem(ignored);
    if (ok)
        return RDL_OK;
    rdl_err_set(err, RDL_EUSAGE, 0,
                "could not read the URL of a PostgreSQL server: it is not one that libpq knows");
    rdl_err_hint(err, "Write 'postgres://user@host:5432/database?name=value'; characters such as "
                      "@ : / ? in a user or password are written %%40 %%3A %%2F %%3F.");
    return rdl_err_area(RDL_EUSAGE, err, RDL_AREA_CONFIG);
}

static const char *conninfo_of(const char *url)
{
    const char *colon = strchr(url, ':');
    if (colon == NULL)
        return url;
    return strncmp(colon + 1, "//", 2) == 0 ? url : colon + 1;
}

static void note_where(rdl_pg *pg)
{
    const char *db = PQdb(pg->conn), *host = PQhost(pg->conn), *port = PQport(pg->conn);
    snprintf(pg->where, sizeof pg->where, "database \"%s\" at %s%s%s", db != NULL ? db : "",
             host != NULL && host[0] != '\0' ? host : "the local server",
             host != NULL && host[0] == '/' ? " port " : ":", port != NULL ? port : "5432");
}

static rdl_code refused(rdl_pg *pg, rdl_err *err)
{
    rdl_buf reason = {0};
    put_reason(&reason, PQerrorMessage(pg->conn));
    const char *why = rdl_buf_str(&reason);
    bool said_no = strstr(why, "FATAL:") != NULL || strstr(why, "no password") != NULL;
    bool later = strstr(why, "starting up") != NULL || strstr(why, "shutting down") != NULL ||
                 strstr(why, "recovery") != NULL || strstr(why, "too many") != NULL ||
                 strstr(why, "remaining connection slots") != NULL;
    rdl_code code = said_no && !later ? RDL_EREMOTE : RDL_ENET;
    rdl_err_set(err, code, code == RDL_ENET ? RDL_ERR_RETRY : 0,
                "could not connect to PostgreSQL %s: %s", pg->where, why);
    if (code == RDL_ENET)
        rdl_err_hint(err, "See that the server runs and that host and port are right.");
    else if (strstr(why, "does not exist") != NULL)
        rdl_err_hint(err, "Create it first: createdb NAME, createuser NAME.");
    else
        rdl_err_hint(err, "%s", meanings[0].hint);
    rdl_buf_fini(&reason);
    return code;
}

static void ignore_notice(void *arg, const PGresult *r)
{
    (void)arg;
    (void)r;
}

static rdl_code set_up(rdl_pg *pg, const rdl_pg_config *config, rdl_err *err)
{
    (void)PQsetNoticeReceiver(pg->conn, ignore_notice, NULL);
    RDL_TRY(rdl_pg_run(pg,
                       "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; "
                       "SET IntervalStyle = 'iso_8601'; SET bytea_output = 'hex'; "
                       "SET extra_float_digits = 1; SET standard_conforming_strings = on; "
                       "SET statement_timeout = 0; SET lock_timeout = '5s'; "
                       "SET client_min_messages = 'error'",
                       "set up the session", err));
    if (!config->read_only)
        return RDL_OK;
    return rdl_pg_run(pg, "SET default_transaction_read_only = on", "set up the session", err);
}

rdl_code rdl_pg_open(const rdl_pg_config *config, rdl_pg **out, rdl_err *err)
{
    const char *info = conninfo_of(config->url);
    /* What stands before dbname is a default: the URL's own settings win. */
    const char *const names[] = {
        "connect_timeout",           "keepalives_idle", "keepalives_interval", "tcp_user_timeout",
        "fallback_application_name", "dbname",          "client_encoding",     NULL};
    const char *const values[] = {"10", "30",   "10", "60000", config->application,
                                  info, "UTF8", NULL};
    if (info[strspn(info, " ")] == '\0')
        return refuse_url(err);
    RDL_TRY(check_info(info, err));
    rdl_pg *pg = calloc(1, sizeof *pg); /* allow: a connection, freed by rdl_pg_close */
    if (pg == NULL)
        return rdl_err_nomem(err);
    pg->conn = PQconnectdbParams(names, values, 1);
    if (pg->conn == NULL) {
        rdl_pg_close(pg);
        return rdl_err_nomem(err);
    }
    note_where(pg);
    rdl_code rc = PQstatus(pg->conn) == CONNECTION_OK ? set_up(pg, config, err) : refused(pg, err);
    if (rc != RDL_OK) {
        rdl_pg_close(pg);
        return rc;
    }
    *out = pg;
    return RDL_OK;
}

void rdl_pg_close(rdl_pg *pg)
{
    if (pg == NULL)
        return;
    PQfinish(pg->conn);
    free(pg); /* allow: see rdl_pg_open */
}

/* ---- asking ---- */

rdl_code rdl_pg_run(rdl_pg *pg, const char *sql, const char *what, rdl_err *err)
{
    PGresult *r = PQexec(pg->conn, sql);
    ExecStatusType status = PQresultStatus(r);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        return rdl_pg_fail(pg, r, err, "%s", what);
    PQclear(r);
    return RDL_OK;
}

rdl_code rdl_pg_ask(rdl_pg *pg, const char *sql, const char *const *values, size_t n,
                    PGresult **out, const char *what, rdl_err *err)
{
    PGresult *r = PQexecParams(pg->conn, sql, (int)n, NULL, values, NULL, NULL, 0);
    ExecStatusType status = PQresultStatus(r);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        return rdl_pg_fail(pg, r, err, "%s", what);
    *out = r;
    return RDL_OK;
}

/* The results after a COPY; the first that is bad is the failure. */
static rdl_code drain(rdl_pg *pg, const char *what, rdl_code rc, rdl_err *err)
{
    PGresult *r;
    while ((r = PQgetResult(pg->conn)) != NULL) {
        bool bad = PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK;
        if (bad && rc == RDL_OK)
            rc = rdl_pg_fail(pg, r, err, "%s", what);
        else
            PQclear(r);
    }
    return rc;
}

rdl_code rdl_pg_copy_out(rdl_pg *pg, const char *sql,
                         rdl_code (*take)(void *arg, const char *p, size_t n, rdl_err *err),
                         void *arg, const char *what, rdl_err *err)
{
    PGresult *r = PQexec(pg->conn, sql);
    char *piece = NULL;
    int n = 0;
    if (PQresultStatus(r) != PGRES_COPY_OUT)
        return rdl_pg_fail(pg, r, err, "%s", what);
    PQclear(r);
    rdl_code rc = RDL_OK;
    while ((n = PQgetCopyData(pg->conn, &piece, 0)) > 0) {
        if (rc == RDL_OK) /* else read on to the end: the session is needed */
            rc = take(arg, piece, (size_t)n, err);
        PQfreemem(piece);
    }
    if (n == -2 && rc == RDL_OK)
        rc = rdl_pg_fail(pg, NULL, err, "%s", what);
    return drain(pg, what, rc, err);
}
