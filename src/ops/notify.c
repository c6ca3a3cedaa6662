/*
 * ops/notify.c - web hooks and programs; see the header.
 */
#include "ops/notify_internal.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/program.h"
#include "base/url.h"

enum {
    COMMAND_SECONDS = 60,
    SAID_MAX = 4096,
};

rdl_code rdl_notify_begin(rdl_err *err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return rdl_err_nomem(err);
    return RDL_OK;
}

static int is_stopped(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                      curl_off_t up)
{
    const atomic_int *stop = arg;
    (void)down_total;
    (void)down;
    (void)up_total;
    (void)up;
    return atomic_load(stop) != 0;
}

CURL *rdl_notify_handle(const rdl_notify_config *c)
{
    CURL *h = curl_easy_init();
    if (h == NULL)
        return NULL;
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)RDL_NOTIFY_CONNECT_MS);
    curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)RDL_NOTIFY_MS);
    curl_easy_setopt(h, CURLOPT_USERAGENT, "raudal");
    if (c->stop != NULL) {
        curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, is_stopped);
        curl_easy_setopt(h, CURLOPT_XFERINFODATA, (void *)(uintptr_t)c->stop);
    }
    return h;
}

rdl_code rdl_notify_failed(CURLcode why, const char *what, const char *more, rdl_err *err)
{
    bool said = more != NULL && more[0] != '\0';
    if (why == CURLE_ABORTED_BY_CALLBACK)
        return rdl_err_set(err, RDL_ESTOP, RDL_ERR_RETRY, "could not send %s: the run stops", what);
    return rdl_err_set(err, RDL_ENET, RDL_ERR_RETRY, "could not send %s: %s%s%s", what,
                       curl_easy_strerror(why), said ? ": " : "", said ? more : "");
}

/* ---- web hooks ---- */

static size_t drop_answer(char *p, size_t size, size_t n, void *arg)
{
    (void)p;
    (void)arg;
    return size * n;
}

/* scheme://host: what lies behind may be a token. */
static char *host_of(rdl_arena *a, rdl_str url)
{
    rdl_buf shown = {0};
    size_t slashes = 0, end = 0;
    for (; end < url.n; end++) {
        slashes += url.p[end] == '/';
        if (slashes == 3 || url.p[end] == '?' || url.p[end] == '#')
            break;
    }
    rdl_url_put_shown(&shown, (rdl_str){url.p, end});
    char *out = rdl_arena_strdup(a, rdl_buf_str(&shown));
    rdl_buf_fini(&shown);
    return out;
}

static rdl_code post(CURL *h, rdl_arena *a, rdl_str to, const rdl_message *m, rdl_err *err)
{
    struct curl_slist *headers = NULL;
    long status = 0;
    const char *where = host_of(a, to);
    headers = curl_slist_append(headers, "Content-Type: application/json");
    headers = curl_slist_append(headers, rdl_arena_printf(a, "Idempotency-Key: %s", m->identity));
    curl_easy_setopt(h, CURLOPT_URL, rdl_arena_strndup(a, to.p, to.n));
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(h, CURLOPT_POSTFIELDS, m->json);
    curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE, (long)strlen(m->json));
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, drop_answer);
    CURLcode rc = curl_easy_perform(h);
    curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    if (rc != CURLE_OK)
        return rdl_notify_failed(rc, rdl_arena_printf(a, "an alert to %s", where), NULL, err);
    if (status < 200 || status > 299)
        return rdl_err_set(err, RDL_EREMOTE, RDL_ERR_RETRY,
                           "could not send an alert to %s: it answered with status %ld", where,
                           status);
    return RDL_OK;
}

static rdl_code notify_web(const rdl_notify_config *c, rdl_str to, const rdl_message *m,
                           rdl_err *err)
{
    rdl_arena a;
    CURL *h = rdl_notify_handle(c);
    if (h == NULL)
        return rdl_err_nomem(err);
    rdl_arena_init(&a, 0);
    rdl_code rc = post(h, &a, to, m, err);
    rdl_arena_fini(&a);
    curl_easy_cleanup(h);
    return rc;
}

/* ---- programs ---- */

/* The last line that it wrote. */
static void put_said(const char *path, rdl_buf *out)
{
    rdl_err ignored;
    rdl_buf all = {0};
    if (rdl_fs_read(path, 0, &all, &ignored) == RDL_OK && all.n > 0) {
        size_t end = all.n;
        while (end > 0 && (all.p[end - 1] == '\n' || all.p[end - 1] == '\r'))
            end--;
        size_t from = end;
        while (from > 0 && all.p[from - 1] != '\n' && end - from < SAID_MAX)
            from--;
        rdl_buf_put(out, all.p + from, end - from);
    }
    rdl_buf_fini(&all);
}

static rdl_code run(const rdl_notify_config *c, rdl_arena *a, rdl_str to, const rdl_message *m,
                    rdl_err *err)
{
    const char *base = rdl_path_join(a, c->temp, m->identity);
    const char *in = rdl_arena_printf(a, "%s.json", base),
               *errs = rdl_arena_printf(a, "%s.log", base);
    const char *env[] = {rdl_arena_printf(a, "RAUDAL_ALERT=%s", m->alert),
                         rdl_arena_printf(a, "RAUDAL_EVENT=%s", m->event),
                         rdl_arena_printf(a, "RAUDAL_SEVERITY=%s", m->severity),
                         rdl_arena_printf(a, "RAUDAL_SUBJECT=%s", m->subject),
                         rdl_arena_printf(a, "RAUDAL_NOTICE=%s", m->identity),
                         NULL};
    const rdl_program p = {.command = rdl_arena_strndup(a, to.p, to.n),
                           .dir = c->dir,
                           .env = env,
                           .in = in,
                           .errs = errs,
                           .timeout_us = (int64_t)COMMAND_SECONDS * 1000000,
                           .stop = c->stop};
    rdl_program_end end;
    char how[100];
    rdl_buf said = {0};
    RDL_TRY(rdl_fs_mkdirs(c->temp, err));
    RDL_TRY(rdl_fs_write_durable(in, m->json, strlen(m->json), err));
    rdl_code rc = rdl_program_run(&p, &end, err);
    if (rc == RDL_OK && (end.status != 0 || end.signal != 0 || end.timed_out || end.stopped)) {
        rdl_program_print_end(&p, &end, how, sizeof how);
        put_said(errs, &said);
        rc = rdl_err_set(err, end.stopped ? RDL_ESTOP : RDL_EREMOTE, RDL_ERR_RETRY,
                         "could not tell \"%s\": %s%s%s", p.command, how, said.n > 0 ? ": " : "",
                         rdl_buf_str(&said));
        rdl_buf_fini(&said);
    }
    rdl_err ignored;
    (void)!rdl_fs_unlink(in, &ignored);
    (void)!rdl_fs_unlink(errs, &ignored);
    return rc;
}

static rdl_code notify_program(const rdl_notify_config *c, rdl_str to, const rdl_message *m,
                               rdl_err *err)
{
    rdl_arena a;
    rdl_arena_init(&a, 0);
    rdl_code rc = run(c, &a, to, m, err);
    rdl_arena_fini(&a);
    return rc;
}

/* ---- any ---- */

static bool is_web(rdl_str to)
{
    return rdl_str_starts(to, "http://") || rdl_str_starts(to, "https://");
}

char *rdl_notify_shown(rdl_arena *a, rdl_str to)
{
    return is_web(to) ? host_of(a, to) : rdl_arena_strndup(a, to.p, to.n);
}

rdl_code rdl_notify(const rdl_notify_config *c, rdl_str to, const rdl_message *m, rdl_err *err)
{
    if (rdl_str_starts(to, "mailto:"))
        return rdl_notify_mail(c, to, m, err);
    return is_web(to) ? notify_web(c, to, m, err) : notify_program(c, to, m, err);
}
