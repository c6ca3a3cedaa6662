/*
 * cli/signal.c - see the header.  The handler only calls what may be called in one.
 */
#include "cli/signal.h"

#include <signal.h>

static rdl_engine *volatile engine; /* set before the handler is installed */
static rdl_conn *volatile conn;
static volatile sig_atomic_t came;

static void handle(int number)
{
    if (came++ != 0 && conn == NULL) { /* the second one: as if there were no handler */
        signal(number, SIG_DFL);
        raise(number);
        return;
    }
    if (engine != NULL)
        rdl_engine_stop(engine);
    if (conn != NULL)
        rdl_conn_interrupt(conn);
}

static void install(int number, void (*handler)(int))
{
    struct sigaction a = {.sa_handler = handler};
    sigemptyset(&a.sa_mask);
    sigaction(number, &a, NULL); /* without SA_RESTART: waits are cut short */
}

void rdl_signals_stop_engine(rdl_engine *e)
{
    engine = e;
    came = 0;
    install(SIGINT, handle);
    install(SIGTERM, handle);
}

void rdl_signals_interrupt(rdl_conn *c)
{
    conn = c;
    came = 0;
    install(SIGINT, handle);
}

void rdl_signals_note(void)
{
    came = 0;
    install(SIGINT, handle);
    install(SIGTERM, handle);
}

bool rdl_signals_came(void)
{
    return came != 0;
}

void rdl_signals_restore(void)
{
    install(SIGINT, SIG_DFL);
    install(SIGTERM, SIG_DFL);
    engine = NULL;
    conn = NULL;
}
