/*
 * cli/progress.c - see the header.  Everything goes to stderr.
 */
#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cli.h"

static const double terminal_every = 0.1, line_every = 10; /* seconds */
enum { BAR_COLUMNS = 24 };

void rdl_progress_init(rdl_progress *p)
{
    *p = (rdl_progress){.terminal = isatty(STDERR_FILENO) != 0,
                        .color = rdl_cli_color(STDERR_FILENO),
                        .width = rdl_cli_width(STDERR_FILENO),
                        .began_us = rdl_monotonic_us()};
}

static void put_bar(rdl_buf *b, const rdl_progress *p, double done)
{
    unsigned full = (unsigned)(done * BAR_COLUMNS + 0.5);
    rdl_buf_puts(b, p->color ? "[\033[32m" : "[");
    for (unsigned i = 0; i < BAR_COLUMNS; i++) {
        if (i == full && p->color)
            rdl_buf_puts(b, "\033[0m");
        rdl_buf_puts(b, i < full ? "=" : " ");
    }
    rdl_buf_puts(b, p->color ? "\033[0m]" : "]");
    rdl_buf_printf(b, " %3.0f %%  ", done * 100);
}

static void put_facts(rdl_buf *b, const rdl_engine_progress *at, double seconds)
{
    rdl_buf_printf(b, "epoch %" PRIu64 "  %s  %" PRIu64 " rows  ", at->epoch, at->step,
                   at->rows_read);
    if (at->files_left != 0 || at->bytes_left != 0) {
        rdl_put_bytes(b, at->bytes_left);
        rdl_buf_printf(b, " in %" PRIu64 " file%s left  ", at->files_left,
                       at->files_left == 1 ? "" : "s");
    }
    rdl_put_seconds(b, seconds);
}

void rdl_progress_show(void *progress, const rdl_engine_progress *at)
{
    rdl_progress *p = progress;
    rdl_buf facts = {0}, line = {0};
    if (at->bytes_left > p->bytes_total)
        p->bytes_total = at->bytes_left;
    double seconds = (double)(rdl_monotonic_us() - p->began_us) / 1e6;
    bool moved = at->epoch != p->last_epoch || at->rows_read != p->last_rows;
    if (seconds - p->last_shown < (p->terminal ? terminal_every : line_every) ||
        (!p->terminal && !moved))
        return;
    p->last_shown = seconds;
    p->last_epoch = at->epoch;
    p->last_rows = at->rows_read;
    put_facts(&facts, at, seconds);
    if (!p->terminal) {
        fprintf(stderr, "%s\n", rdl_buf_str(&facts));
    } else {
        size_t room = p->width > 1 ? p->width - 1 : 79;
        rdl_buf_puts(&line, "\r\033[K");
        if (p->bytes_total != 0 && room > BAR_COLUMNS + 40) {
            put_bar(&line, p, 1 - (double)at->bytes_left / (double)p->bytes_total);
            room -= BAR_COLUMNS + 9;
        }
        rdl_put_padded(&line, (rdl_str){rdl_buf_str(&facts), facts.n},
                       facts.n > room ? room : facts.n, false);
        fwrite(line.p, 1, line.n, stderr);
        fflush(stderr);
        p->shown = true;
    }
    rdl_buf_fini(&facts);
    rdl_buf_fini(&line);
}

void rdl_progress_clear(rdl_progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
    p->shown = false;
}
