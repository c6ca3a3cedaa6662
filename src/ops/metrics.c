/*
 * ops/metrics.c - see the header.
 *
 * The list of metrics is the table below; a metric with a label has its own printer.  The
 * server takes few connections and short requests: it is for one scraper.
 */
#include "ops/metrics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/machine.h"

enum {
    CONNECTIONS_MAX = 8,
    TIMEOUT_SECONDS = 10,
    REQUEST_BYTES_MAX = 16384,
};

struct rdl_metrics {
    struct MHD_Daemon *daemon;
    rdl_engine *engine;
};

typedef struct sample {
    const rdl_engine_status *status;
    int64_t now_us;
} sample;

typedef struct metric {
    const char *name, *type, *help;
    double (*value)(const sample *s);
    void (*print)(const sample *s, const char *name, rdl_buf *out); /* with labels */
} metric;

/* ---- values ---- */

static double epoch(const sample *s)
{
    return (double)s->status->epoch;
}
static double epochs_sealed(const sample *s)
{
    return (double)s->status->epochs_sealed;
}
static double last_epoch_seconds(const sample *s)
{
    return s->status->last_epoch_seconds;
}
static double last_seal_timestamp(const sample *s)
{
    return (double)s->status->last_seal_us / 1e6;
}
static double lag_seconds(const sample *s)
{
    bool behind = s->status->files_behind != 0 && s->status->last_seal_us != 0;
    return behind ? (double)(s->now_us - s->status->last_seal_us) / 1e6 : 0;
}
static double files_behind(const sample *s)
{
    return (double)s->status->files_behind;
}
static double bytes_behind(const sample *s)
{
    return (double)s->status->bytes_behind;
}
static double state_bytes(const sample *s)
{
    return (double)s->status->state_bytes;
}
static double memory_resident(const sample *s)
{
    (void)s;
    return (double)rdl_memory_resident();
}
static double cpu_seconds(const sample *s)
{
    (void)s;
    return rdl_cpu_seconds();
}
static double rows_in(const sample *s)
{
    const rdl_ledger *l = &s->status->total;
    return (double)(l->read + l->replayed + l->fanout);
}

static void print_fates(const sample *s, const char *name, rdl_buf *out)
{
    const rdl_ledger *l = &s->status->total;
    const struct {
        const char *fate;
        uint64_t n;
    } fates[] = {
        {"written", l->written},
        {"duplicate", l->duplicate},
        {"late_diverted", l->late_diverted},
        {"late_dropped", l->late_dropped},
        {"quarantined", l->quarantined},
        {"dropped", l->dropped},
        {"filtered", l->filtered},
    };
    for (size_t i = 0; i < sizeof fates / sizeof fates[0]; i++)
        rdl_buf_printf(out, "%s{fate=\"%s\"} %" PRIu64 "\n", name, fates[i].fate, fates[i].n);
}

static void print_tags(const sample *s, const char *name, rdl_buf *out)
{
    const rdl_ledger *l = &s->status->total;
    const struct {
        const char *tag;
        uint64_t n;
    } tags[] = {
        {"amended", l->amended},
        {"imputed", l->imputed},
        {"kept", l->kept},
        {"rescued", l->rescued},
    };
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++)
        rdl_buf_printf(out, "%s{tag=\"%s\"} %" PRIu64 "\n", name, tags[i].tag, tags[i].n);
}

static void put_label(rdl_buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            rdl_buf_putc(out, '\\');
        rdl_buf_putc(out, *text == '\n' ? ' ' : *text);
    }
}

typedef struct problems {
    rdl_buf *out;
    const char *name;
} problems;

static void print_problem(void *arg, const char *module, const char *event, uint64_t n)
{
    problems *p = arg;
    rdl_buf_printf(p->out, "%s{module=\"", p->name);
    put_label(p->out, module);
    rdl_buf_puts(p->out, "\",event=\"");
    put_label(p->out, event);
    rdl_buf_printf(p->out, "\"} %" PRIu64 "\n", n);
}

static void print_problems(const sample *s, const char *name, rdl_buf *out)
{
    problems p = {out, name};
    (void)s;
    rdl_log_counts(print_problem, &p);
}

static void print_build(const sample *s, const char *name, rdl_buf *out)
{
    (void)s;
    rdl_buf_printf(out, "%s{version=\"%s\",duckdb=\"%s\"} 1\n", name, RAUDAL_VERSION,
                   rdl_duck_version());
}

/* ---- the list ---- */

static const metric metrics[] = {
    {"raudal_build_info", "gauge", "Version of Raudal and of DuckDB; always 1.", NULL, print_build},
    {"raudal_epoch", "gauge", "Number of the last sealed epoch.", epoch, NULL},
    {"raudal_epochs_sealed_total", "counter", "Epochs sealed since the process began.",
     epochs_sealed, NULL},
    {"raudal_last_epoch_duration_seconds", "gauge", "How long the last epoch took.",
     last_epoch_seconds, NULL},
    {"raudal_last_seal_timestamp_seconds", "gauge", "When the last epoch was sealed.",
     last_seal_timestamp, NULL},
    {"raudal_lag_seconds", "gauge",
     "Time since the last seal while there is input that waits; 0 when there is none.", lag_seconds,
     NULL},
    {"raudal_lag_files", "gauge", "Files that are there and not yet read.", files_behind, NULL},
    {"raudal_lag_bytes", "gauge", "Bytes that are there and not yet read.", bytes_behind, NULL},
    {"raudal_rows_in_total", "counter",
     "Rows that came in: read, replayed and fanned out, since the process began.", rows_in, NULL},
    {"raudal_rows_total", "counter",
     "What became of the rows that came in; adds up to raudal_rows_in_total.", NULL, print_fates},
    {"raudal_rows_tagged_total", "counter", "Written rows by what was done to them.", NULL,
     print_tags},
    {"raudal_state_size_bytes", "gauge", "Size of the keyed state.", state_bytes, NULL},
    {"raudal_memory_resident_bytes", "gauge", "Resident memory of the process.", memory_resident,
     NULL},
    {"raudal_cpu_seconds_total", "counter", "Processor time of the process.", cpu_seconds, NULL},
    {"raudal_problems_total", "counter", "Warnings and errors by module and event, as in the log.",
     NULL, print_problems},
};

static void print_value(double x, rdl_buf *out)
{
    if (x == (double)(int64_t)x)
        rdl_buf_printf(out, "%" PRId64, (int64_t)x);
    else
        rdl_buf_printf(out, "%.6f", x);
}

void rdl_metrics_print(const rdl_engine_status *status, int64_t now_us, rdl_buf *out)
{
    sample s = {status, now_us};
    for (size_t i = 0; i < sizeof metrics / sizeof metrics[0]; i++) {
        const metric *m = &metrics[i];
        rdl_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name, m->type);
        if (m->print != NULL) {
            m->print(&s, m->name, out);
            continue;
        }
        rdl_buf_printf(out, "%s ", m->name);
        print_value(m->value(&s), out);
        rdl_buf_putc(out, '\n');
    }
}

void rdl_metrics_print_reference(rdl_buf *out)
{
    rdl_buf_puts(out, "# Metrics\n\n"
                      "`raudal run --metrics ADDRESS` serves `http://ADDRESS/metrics` in "
                      "Prometheus' text format while the run goes on; `:9464` means loopback. At "
                      "most 8 connections are answered at a time. This page is what `raudal help "
                      "metrics` prints.\n\n"
                      "| metric | type | meaning |\n| --- | --- | --- |\n");
    for (size_t i = 0; i < sizeof metrics / sizeof metrics[0]; i++)
        rdl_buf_printf(out, "| `%s` | %s | %s |\n", metrics[i].name, metrics[i].type,
                       metrics[i].help);
    rdl_buf_puts(out, "\n`raudal_rows_total` has the label `fate`, `raudal_rows_tagged_total` the "
                      "label `tag`; their values are those of the [ledger](ledger.md).\n\n"
                      "Worth an alert: `raudal_lag_seconds` above what readers bear; "
                      "`increase(raudal_problems_total[10m]) > 0`; a share of "
                      "`raudal_rows_total{fate=\"quarantined\"}` that is not usual; the target "
                      "down.\n\n"
                      "The log is one line an event on stderr, `time level module event key=value "
                      "…`; `--log-level error|warn|info|debug` (default warn). An event that "
                      "repeats is logged at its first, second, fourth … time, with its count.\n");
}

const char *rdl_metrics_library_version(void)
{
    return MHD_get_version();
}

/* ---- the server ---- */

static enum MHD_Result respond(struct MHD_Connection *c, unsigned code, const char *type,
                               rdl_buf *body)
{
    struct MHD_Response *r =
        MHD_create_response_from_buffer(body->n, (void *)rdl_buf_str(body), MHD_RESPMEM_MUST_COPY);
    rdl_buf_fini(body);
    if (r == NULL)
        return MHD_NO;
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    enum MHD_Result sent = MHD_queue_response(c, code, r);
    MHD_destroy_response(r);
    return sent;
}

static enum MHD_Result answer(void *arg, struct MHD_Connection *c, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **state)
{
    rdl_metrics *m = arg;
    rdl_buf body = {0};
    rdl_engine_status status = {0};
    (void)version;
    (void)upload;
    (void)upload_size;
    (void)state;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        rdl_buf_puts(&body, "only GET is answered\n");
        return respond(c, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain; charset=utf-8", &body);
    }
    if (strcmp(url, "/metrics") == 0) {
        rdl_engine_get_status(m->engine, &status);
        rdl_metrics_print(&status, rdl_now_us(&rdl_clock_system), &body);
        return respond(c, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", &body);
    }
    bool root = strcmp(url, "/") == 0;
    rdl_buf_puts(&body, root ? "raudal: metrics are at /metrics\n" : "there is only /metrics\n");
    return respond(c, root ? MHD_HTTP_OK : MHD_HTTP_NOT_FOUND, "text/plain; charset=utf-8", &body);
}

/* "127.0.0.1:9464", "[::1]:9464", ":9464" and "9464" (loopback). */
static bool parse_address(const char *text, struct sockaddr_storage *out)
{
    const char *colon = strrchr(text, ':');
    const char *port = colon != NULL ? colon + 1 : text;
    char host[64] = "127.0.0.1", *end;
    size_t n = colon != NULL ? (size_t)(colon - text) : 0;
    unsigned long number = strtoul(port, &end, 10);
    if (port[0] < '0' || port[0] > '9' || *end != '\0' || number > 65535 || n >= sizeof host)
        return false;
    if (n != 0) {
        memcpy(host, text, n);
        host[n] = '\0';
    }
    memset(out, 0, sizeof *out);
    if (host[0] == '[' && host[strlen(host) - 1] == ']') {
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)out;
        host[strlen(host) - 1] = '\0';
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((uint16_t)number);
        return inet_pton(AF_INET6, host + 1, &six->sin6_addr) == 1;
    }
    struct sockaddr_in *four = (struct sockaddr_in *)out;
    four->sin_family = AF_INET;
    four->sin_port = htons((uint16_t)number);
    if (strcmp(host, "localhost") == 0)
        snprintf(host, sizeof host, "127.0.0.1");
    return inet_pton(AF_INET, host, &four->sin_addr) == 1;
}

rdl_code rdl_metrics_start(const char *address, rdl_engine *e, rdl_metrics **out, rdl_err *err)
{
    struct sockaddr_storage at;
    if (!parse_address(address, &at)) {
        rdl_err_set(err, RDL_EUSAGE, 0, "could not read address \"%s\"", address);
        rdl_err_hint(err, "Write an IP address and a port: 127.0.0.1:9464.");
        return rdl_err_area(RDL_EUSAGE, err, RDL_AREA_CONFIG);
    }
    rdl_metrics *m = calloc(1, sizeof *m); /* allow: a server, freed by stop */
    if (m == NULL)
        return rdl_err_nomem(err);
    m->engine = e;
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO |
                     (at.ss_family == AF_INET6 ? MHD_USE_IPv6 : 0);
    m->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, answer, m, MHD_OPTION_SOCK_ADDR, &at, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_SECONDS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_BYTES_MAX, MHD_OPTION_END);
    if (m->daemon == NULL) {
        int why = errno;
        free(m); /* allow: see calloc above */
        rdl_err_set(err, RDL_ENET, 0, "could not serve metrics on \"%s\": %s", address,
                    strerror(why));
        rdl_err_hint(err, "Choose a port that is free.");
        return rdl_err_area(RDL_ENET, err, RDL_AREA_CONFIG);
    }
    *out = m;
    return RDL_OK;
}

unsigned rdl_metrics_port(const rdl_metrics *m)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(m->daemon, MHD_DAEMON_INFO_BIND_PORT);
    return info != NULL ? info->port : 0;
}

void rdl_metrics_stop(rdl_metrics *m)
{
    if (m == NULL)
        return;
    MHD_stop_daemon(m->daemon);
    free(m); /* allow: see rdl_metrics_start */
}
