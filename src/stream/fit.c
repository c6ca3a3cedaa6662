/*
 * stream/fit.c - how many bytes of a source an epoch takes, so that the process stays in its memory.
 *
 * Where nobody set max_bytes_per_epoch, an epoch's input is a share of --memory to begin with.  What
 * the groups that it touches take beside it is known only when they were there, so memory is looked
 * at after each table: an epoch that went over makes the next ones smaller, down to an eighth of the
 * share; one that stayed well below lets them grow again; one that failed for memory halves them.  Answers do not depend on it: where epochs
 * are cut never changes what they give together.
 *
 * Memory is what is anonymous: pages of files that are mapped are the system's to take back.
 */
#include <inttypes.h>

#include "base/log.h"
#include "base/machine.h"
#include "stream/internal.h"

enum {
    BASE_MEMORY = 128 << 20,
    EPOCH_SHARE = 16, /* of the memory but that: an epoch's input */
    EPOCH_BYTES_MIN = 4 << 20,
    SMALLEST = 8, /* of the share: its least part */
};

void rdl_fit_begin(rdl_engine *e, bool is_set)
{
    uint64_t rest = e->memory_bytes > BASE_MEMORY ? e->memory_bytes - BASE_MEMORY : 0;
    uint64_t share = rest / EPOCH_SHARE;
    share = share > EPOCH_BYTES_MIN ? share : EPOCH_BYTES_MIN;
    if (!is_set && share < e->bytes_max)
        e->bytes_max = e->bytes_fit = share;
}

void rdl_fit_look(rdl_engine *e)
{
    uint64_t now = e->bytes_fit > 0 ? rdl_memory_anonymous() : 0;
    e->epoch_memory = now > e->epoch_memory ? now : e->epoch_memory;
}

static void set(rdl_engine *e, uint64_t bytes)
{
    uint64_t share = e->bytes_fit, least = share / SMALLEST;
    least = least > EPOCH_BYTES_MIN ? least : EPOCH_BYTES_MIN;
    e->bytes_max = bytes < least ? least : bytes > share ? share : bytes;
}

void rdl_fit_failed(rdl_engine *e, rdl_code rc)
{
    e->epoch_memory = 0;
    if (e->bytes_fit > 0 && rc == RDL_ELIMIT)
        set(e, e->bytes_max / 2);
}

void rdl_fit_epoch(rdl_engine *e)
{
    uint64_t used = e->epoch_memory, before = e->bytes_max;
    e->epoch_memory = 0;
    if (e->bytes_fit == 0 || used == 0)
        return;
    if (used > e->memory_bytes)
        set(e, before - before / 4);
    else if (used < e->memory_bytes / 5 * 4)
        set(e, before + before / 8);
    if (e->bytes_max != before)
        rdl_log(RDL_LOG_DEBUG, "epoch", "fit", "memory=%" PRIu64 " bytes=%" PRIu64, used,
                e->bytes_max);
}
