/*
 * cli/errand_serve.c - the run's side: a listener thread that keeps one request at a time, and the
 * engine's thread that runs it.
 *
 * INVARIANT  request and answer are the listener's while state is FREE or ANSWERED, the engine's
 *            while it is ASKED; state is under lock.
 */
#include <stdlib.h>

#include "base/channel.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/thread.h"
#include "cli/errand.h"
#include "cli/errand_wire.h"

struct rdl_errands {
    rdl_cli *cli; /* the run's */
    rdl_engine *engine;
    const char *path;
    int fd;
    rdl_thread *thread;
    rdl_mutex lock;
    rdl_cond changed;
    enum { FREE, ASKED, ANSWERED } state;
    bool closing; /* under lock */
    rdl_buf request, answer;
};

/* ---- on the engine's thread ---- */

static rdl_code refuse(rdl_err *err, const char *what)
{
    return rdl_err_set(err, RDL_EUSAGE, 0,
                       "the run that holds the root does not understand this "
                       "command: %s",
                       what);
}

/* The words after the command's name, as the caller's parser read them. */
static rdl_code parse(rdl_errands *s, rdl_cli *out, rdl_err *err)
{
    rdl_str rest = {s->request.p, s->request.n};
    RDL_VEC(char *) words = {0};
    const char *field = rdl_wire_take(&rest), *dir = rdl_wire_take(&rest);
    if (field == NULL || dir == NULL || rdl_wire_command(field) == NULL)
        return refuse(err, field != NULL ? field : "an empty one");
    const char *own = rdl_path_absolute(&out->arena, s->cli->dir);
    if (strcmp(dir, own) != 0)
        return rdl_err_set(err, RDL_ECONFLICT, 0,
                           "the root is held by a run of another pipeline, "
                           "\"%s\"",
                           own);
    for (char *at = rdl_arena_strndup(&out->arena, field, strlen(field)); at != NULL;) {
        char *space = strchr(at, ' ');
        RDL_PUSH(&out->arena, &words) = at;
        if (space != NULL)
            *space = '\0';
        at = space != NULL ? space + 1 : NULL;
    }
    RDL_PUSH(&out->arena, &words) = rdl_arena_strndup(&out->arena, dir, strlen(dir));
    while ((field = rdl_wire_take(&rest)) != NULL)
        RDL_PUSH(&out->arena, &words) = rdl_arena_strndup(&out->arena, field, strlen(field));
    RDL_TRY(rdl_cli_parse(out, (int)words.n, words.v, err));
    out->values[RDL_CLI_ROOT] = s->cli->values[RDL_CLI_ROOT];
    return RDL_OK;
}

static rdl_code run(rdl_errands *s, rdl_engine *e, rdl_buf *said, rdl_err *err)
{
    rdl_cli cli = {0};
    rdl_engine_status before = {0};
    int64_t started = rdl_now_us(&rdl_clock_system);
    rdl_arena_init(&cli.arena, 0);
    rdl_engine_get_status(e, &before);
    rdl_code rc = parse(s, &cli, err);
    if (rc == RDL_OK) {
        rc = cli.command->on_engine(&cli, e, said, err);
        rdl_errand_record(&cli, e, before.epochs_sealed, started, rc, err);
        rdl_log(RDL_LOG_INFO, "run", "errand", "command=\"%s\" outcome=%s", cli.command->name,
                rc == RDL_OK ? "done" : rdl_code_name(rc));
    }
    rdl_arena_fini(&cli.arena);
    return rc;
}

/* state is ASKED. */
static void answer(rdl_errands *s, rdl_engine *e, const rdl_err *why)
{
    rdl_buf said = {0};
    rdl_err err = {0};
    rdl_code rc = RDL_OK;
    if (why != NULL) {
        err = *why;
        rc = err.code;
    } else {
        rc = run(s, e, &said, &err);
    }
    rdl_buf_clear(&s->answer);
    rdl_wire_put_answer(&s->answer, rc, &err, &said);
    rdl_buf_fini(&said);
    rdl_mutex_lock(&s->lock);
    s->state = ANSWERED;
    rdl_cond_broadcast(&s->changed);
    rdl_mutex_unlock(&s->lock);
}

void rdl_errands_serve(rdl_errands *s, rdl_engine *e, const rdl_err *why)
{
    rdl_mutex_lock(&s->lock);
    bool asked = s->state == ASKED;
    rdl_mutex_unlock(&s->lock);
    if (asked)
        answer(s, e, why);
}

/* ---- on the listener's thread ---- */

/* False: the run stops before it did what was asked. */
static bool wait_for_answer(rdl_errands *s)
{
    rdl_mutex_lock(&s->lock);
    if (!s->closing) {
        s->state = ASKED;
        rdl_mutex_unlock(&s->lock);
        rdl_engine_ask(s->engine);
        rdl_mutex_lock(&s->lock);
    }
    while (s->state == ASKED && !s->closing)
        rdl_cond_wait(&s->changed, &s->lock);
    bool done = s->state == ANSWERED;
    s->state = FREE;
    rdl_mutex_unlock(&s->lock);
    return done;
}

static void put_stopping(rdl_buf *b)
{
    const rdl_buf nothing = {0};
    rdl_err err = {0};
    rdl_err_set(&err, RDL_ESTOP, 0, "the run that holds the root stopped before it came to this");
    (void)rdl_err_hint(&err, "Give the command again.");
    rdl_buf_clear(b);
    rdl_wire_put_answer(b, RDL_ESTOP, &err, &nothing);
}

static void *listen_to(void *arg)
{
    rdl_errands *s = arg;
    int fd;
    while (rdl_channel_accept(s->fd, &fd)) {
        if (rdl_channel_receive(fd, &s->request)) {
            if (!wait_for_answer(s))
                put_stopping(&s->answer);
            (void)rdl_channel_send(fd, (rdl_str){s->answer.p, s->answer.n});
        }
        rdl_channel_close(fd);
    }
    return NULL;
}

/* ---- begin and end ---- */

rdl_code rdl_errands_start(rdl_cli *cli, rdl_engine *e, rdl_errands **out, rdl_err *err)
{
    rdl_errands *s = RDL_NEW(&cli->arena, rdl_errands);
    s->cli = cli;
    s->engine = e;
    s->path = rdl_wire_path(&cli->arena, rdl_cli_root(cli));
    RDL_TRY(rdl_channel_listen(s->path, &s->fd, err));
    rdl_mutex_init(&s->lock);
    rdl_cond_init(&s->changed);
    rdl_code rc = rdl_thread_start("raudal-control", listen_to, s, &s->thread, err);
    if (rc != RDL_OK)
        rdl_errands_stop(s);
    else
        *out = s;
    return rc;
}

void rdl_errands_stop(rdl_errands *s)
{
    rdl_err ignored = {0};
    if (s == NULL)
        return;
    (void)!rdl_fs_unlink(s->path, &ignored);
    rdl_mutex_lock(&s->lock);
    s->closing = true;
    rdl_cond_broadcast(&s->changed);
    rdl_mutex_unlock(&s->lock);
    rdl_channel_shut(s->fd);
    (void)rdl_thread_join(s->thread);
    rdl_channel_close(s->fd);
    rdl_buf_fini(&s->request);
    rdl_buf_fini(&s->answer);
    rdl_cond_fini(&s->changed);
    rdl_mutex_fini(&s->lock);
}
