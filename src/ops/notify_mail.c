/*
 * ops/notify_mail.c - a mail by SMTP.
 *
 * FORMAT  RFC 5322 with CR LF: headers, an empty line, UTF-8 text as quoted-printable (RFC 2045),
 * so that no line is longer than servers bear and no byte is above 127.  A subject with other
 * characters than ASCII is an encoded word (RFC 2047).  The Message-ID is the notice's identity: a
 * mail that was sent twice says so.  libcurl doubles dots at line starts and ends the message.
 */
#include "ops/notify_internal.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/url.h"

enum { LINE_MAX_CHARACTERS = 72 };

typedef struct upload {
    const char *p;
    size_t left;
} upload;

static size_t give(char *to, size_t size, size_t n, void *arg)
{
    upload *u = arg;
    size_t take = size * n < u->left ? size * n : u->left;
    if (take == 0)
        return 0;
    memcpy(to, u->p, take);
    u->p += take;
    u->left -= take;
    return take;
}

static bool is_plain(const char *s)
{
    for (; *s != '\0'; s++)
        if ((unsigned char)*s < ' ' || (unsigned char)*s > '~')
            return false;
    return true;
}

/* A character of UTF-8 is not cut into two words. */
static void put_subject(rdl_buf *b, const char *s)
{
    rdl_buf_puts(b, "Subject: ");
    if (is_plain(s)) {
        rdl_buf_printf(b, "%s\r\n", s);
        return;
    }
    size_t used = 0;
    rdl_buf_puts(b, "=?UTF-8?Q?");
    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;
        bool starts = (c & 0xc0) != 0x80;
        if (starts && used > 48) {
            rdl_buf_puts(b, "?=\r\n =?UTF-8?Q?");
            used = 0;
        }
        bool alone = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (alone)
            rdl_buf_putc(b, (char)c);
        else
            rdl_buf_printf(b, "=%02X", c);
        used += alone ? 1 : 3;
    }
    rdl_buf_puts(b, "?=\r\n");
}

static void put_text(rdl_buf *b, const char *s)
{
    size_t used = 0;
    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '\n') {
            rdl_buf_puts(b, "\r\n");
            used = 0;
            continue;
        }
        bool end = s[1] == '\n' || s[1] == '\0';
        bool plain = c >= ' ' && c <= '~' && c != '=' && !(c == ' ' && end);
        if (used >= LINE_MAX_CHARACTERS) {
            rdl_buf_puts(b, "=\r\n");
            used = 0;
        }
        if (plain)
            rdl_buf_putc(b, (char)c);
        else
            rdl_buf_printf(b, "=%02X", c);
        used += plain ? 1 : 3;
    }
    rdl_buf_puts(b, "\r\n");
}

static void put_date(rdl_buf *b, int64_t us)
{
    static const char *const days[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    rdl_civil c;
    rdl_civil_from_us(us, &c);
    int32_t day = rdl_days_from_civil(c.year, c.month, c.day);
    rdl_buf_printf(b, "Date: %s, %02u %s %04d %02u:%02u:%02u +0000\r\n", days[((day % 7) + 7) % 7],
                   (unsigned)c.day, months[c.month - 1], (int)c.year, (unsigned)c.hour,
                   (unsigned)c.minute, (unsigned)c.second);
}

/* One line of a header: what would end it is left out. */
static void put_header(rdl_buf *b, const char *name, rdl_str value)
{
    rdl_buf_printf(b, "%s: ", name);
    for (size_t i = 0; i < value.n; i++)
        if ((unsigned char)value.p[i] >= ' ')
            rdl_buf_putc(b, value.p[i]);
    rdl_buf_puts(b, "\r\n");
}

static void put_mail(rdl_buf *b, rdl_str from, rdl_str to, const rdl_message *m)
{
    put_date(b, m->at_us);
    put_header(b, "From", from);
    put_header(b, "To", to);
    rdl_buf_printf(b, "Message-ID: <%s@raudal>\r\n", m->identity);
    put_subject(b, m->subject);
    put_header(b, "X-Raudal-Alert", rdl_str_of(m->alert));
    put_header(b, "X-Raudal-Event", rdl_str_of(m->event));
    put_header(b, "X-Raudal-Severity", rdl_str_of(m->severity));
    rdl_buf_puts(b, strcmp(m->severity, "critical") == 0 ? "X-Priority: 1\r\n" : "");
    rdl_buf_puts(b, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
                    "Content-Type: text/plain; charset=utf-8\r\n"
                    "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
    put_text(b, m->text);
}

/* a@x,b@y */
static struct curl_slist *recipients(rdl_arena *a, rdl_str to)
{
    struct curl_slist *list = NULL;
    for (size_t at = 0; at < to.n;) {
        size_t end = at;
        while (end < to.n && to.p[end] != ',')
            end++;
        while (at < end && to.p[at] == ' ')
            at++;
        if (end > at)
            list = curl_slist_append(list, rdl_arena_strndup(a, to.p + at, end - at));
        at = end + 1;
    }
    return list;
}

static void set_server(CURL *h, rdl_arena *a, const rdl_notify_config *c)
{
    curl_easy_setopt(h, CURLOPT_URL, rdl_arena_strndup(a, c->smtp_url.p, c->smtp_url.n));
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(h, CURLOPT_USE_SSL,
                     (long)(c->smtp_user.n > 0 ? CURLUSESSL_ALL : CURLUSESSL_TRY));
    if (c->smtp_user.n == 0)
        return;
    curl_easy_setopt(h, CURLOPT_USERNAME, rdl_arena_strndup(a, c->smtp_user.p, c->smtp_user.n));
    curl_easy_setopt(h, CURLOPT_PASSWORD,
                     rdl_arena_strndup(a, c->smtp_password.p, c->smtp_password.n));
}

static rdl_code send_mail(CURL *h, rdl_arena *a, const rdl_notify_config *c, rdl_str to,
                          const rdl_message *m, rdl_err *err)
{
    rdl_buf mail = {0}, what = {0};
    char more[CURL_ERROR_SIZE] = "";
    put_mail(&mail, c->smtp_from, to, m);
    upload u = {mail.p, mail.n};
    struct curl_slist *list = recipients(a, to);
    set_server(h, a, c);
    curl_easy_setopt(h, CURLOPT_MAIL_FROM, rdl_arena_strndup(a, c->smtp_from.p, c->smtp_from.n));
    curl_easy_setopt(h, CURLOPT_MAIL_RCPT, list);
    curl_easy_setopt(h, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(h, CURLOPT_READFUNCTION, give);
    curl_easy_setopt(h, CURLOPT_READDATA, &u);
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, more);
    CURLcode rc = curl_easy_perform(h);
    curl_slist_free_all(list);
    rdl_buf_printf(&what, "a mail to %.*s by ", (int)to.n, to.p);
    rdl_url_put_shown(&what, c->smtp_url);
    rdl_code out = rc == CURLE_OK ? RDL_OK : rdl_notify_failed(rc, rdl_buf_str(&what), more, err);
    if (rc == CURLE_COULDNT_CONNECT || rc == CURLE_COULDNT_RESOLVE_HOST)
        rdl_err_hint(err, "Name the mail server in raudal.env: smtp_url=smtp://host:port.");
    rdl_buf_fini(&mail);
    rdl_buf_fini(&what);
    return out;
}

rdl_code rdl_notify_mail(const rdl_notify_config *c, rdl_str to, const rdl_message *m, rdl_err *err)
{
    rdl_arena a;
    CURL *h = rdl_notify_handle(c);
    if (h == NULL)
        return rdl_err_nomem(err);
    rdl_arena_init(&a, 0);
    to.p += sizeof "mailto:" - 1;
    to.n -= sizeof "mailto:" - 1;
    rdl_code rc = send_mail(h, &a, c, to, m, err);
    rdl_arena_fini(&a);
    curl_easy_cleanup(h);
    return rc;
}
