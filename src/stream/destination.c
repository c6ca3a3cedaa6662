/*
 * stream/destination.c - see the header.
 */
#include "stream/destination.h"

void rdl_sink_table_of(rdl_arena *a, const rdl_publication *p, rdl_sink_table *out)
{
    *out = (rdl_sink_table){
        .name = rdl_arena_strndup(a, p->name.p, p->name.n),
        .columns = p->columns,
        .key = p->key,
        .descending = p->descending,
        .key_count = p->key_count,
        .partition_key_count = p->partition_key_count,
    };
}
