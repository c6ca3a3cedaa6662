/*
 * stream/state_cache.c - blocks of runs in memory, bounded.
 *
 * Sets of four; in a set the one that was used longest ago gives way.  A block of more than
 * BLOCK_MAX (one with a huge value) is read into a buffer of its own and not kept.
 */
#include <stdlib.h>

#include "stream/state_format.h"
#include "stream/state_run.h"

enum {
    WAYS = 4,
    BLOCK_MAX = 64 << 10,
    BLOCK_USUAL = RDL_RUN_BLOCK + 1024, /* bytes that one takes, for the bound */
};

typedef struct cached {
    uint64_t run; /* id + 1; 0: free */
    uint32_t block;
    uint64_t used; /* tick of the last use */
    rdl_buf data;
} cached;

struct rdl_block_cache {
    cached *slots; /* sets * WAYS */
    size_t sets;
    uint64_t tick;
    size_t bytes;
    rdl_buf huge;
};

rdl_code rdl_block_cache_new(size_t budget_bytes, rdl_block_cache **out, rdl_err *err)
{
    rdl_block_cache *c = calloc(1, sizeof *c); /* allow: lives as the state */
    if (c == NULL)
        return rdl_err_nomem(err);
    c->sets = budget_bytes / BLOCK_USUAL / WAYS;
    c->sets = c->sets == 0 ? 1 : c->sets;
    c->slots = calloc(c->sets * WAYS, sizeof *c->slots); /* allow: lives as the state */
    if (c->slots == NULL) {
        rdl_block_cache_free(c);
        return rdl_err_nomem(err);
    }
    *out = c;
    return RDL_OK;
}

void rdl_block_cache_free(rdl_block_cache *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; c->slots != NULL && i < c->sets * WAYS; i++)
        rdl_buf_fini(&c->slots[i].data);
    rdl_buf_fini(&c->huge);
    free(c->slots); /* allow: see new */
    free(c);        /* allow: see new */
}

size_t rdl_block_cache_bytes(const rdl_block_cache *c)
{
    return c->bytes + c->huge.cap;
}

rdl_code rdl_block_cache_get(
    rdl_block_cache *c, const rdl_run *r, uint32_t block, rdl_str *out, rdl_err *err)
{
    uint64_t name = r->info.id + 1;
    cached *set = &c->slots[rdl_state_hash16(name, name, block) % c->sets * WAYS],
           *slot = set;
    rdl_buf_fini(&c->huge);
    for (cached *s = set; s < set + WAYS; s++) {
        if (s->run == name && s->block == block) {
            s->used = ++c->tick;
            *out = (rdl_str){s->data.p, s->data.n};
            return RDL_OK;
        }
        if (s->used < slot->used)
            slot = s;
    }
    if (rdl_run_block_bytes(r, block) > BLOCK_MAX) {
        RDL_TRY(rdl_run_read_block(r, block, &c->huge, err));
        *out = (rdl_str){c->huge.p, c->huge.n};
        return RDL_OK;
    }
    /* Not this block's until it has been read and found good. */
    slot->run = 0;
    slot->used = 0;
    c->bytes -= slot->data.cap;
    rdl_code rc = rdl_run_read_block(r, block, &slot->data, err);
    c->bytes += slot->data.cap;
    RDL_TRY(rc);
    slot->run = name;
    slot->block = block;
    slot->used = ++c->tick;
    *out = (rdl_str){slot->data.p, slot->data.n};
    return RDL_OK;
}
