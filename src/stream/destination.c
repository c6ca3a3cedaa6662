/*
 * stream/destination.c - see the header.
 */
#include "stream/destination.h"

void rdl_sink_table_of(rdl_arena *a, const rdl_publication *p, rdl_sink_table *out)
{
    rdl_sink_option *options = RDL_NEWN(a, rdl_sink_option, p->option_count + 1);
    for (size_t i = 0; i < p->option_count; i++)
        options[i] = (rdl_sink_option){p->options[i].name, p->options[i].value};
    *out = (rdl_sink_table){
        .name = rdl_arena_strndup(a, p->name.p, p->name.n),
        .columns = p->columns,
        .key = p->key,
        .descending = p->descending,
        .key_count = p->key_count,
        .partition_key_count = p->partition_key_count,
        .options = options,
        .option_count = p->option_count,
        .append_only = p->table->kind == RDL_TABLE_STREAMING,
    };
}
