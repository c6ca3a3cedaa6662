/*
 * tests/fuzz/delta_fuzz.c - lines of a Delta log: any bytes give a state or an error.
 *
 * Beyond not crashing: what was accepted is printed as a checkpoint does and must be
 * accepted again, with the same files and transactions.
 */
#include <stdlib.h>

#include "lake/delta.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Up to the first line that is refused, where a load would stop. */
static bool apply_lines(rdl_delta_state *s, const char *p, size_t n)
{
    const char *end = p + n;
    while (p < end) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        const size_t line = stop != NULL ? (size_t)(stop - p) : (size_t)(end - p);
        rdl_err err = {0};
        if (line > 0 && rdl_delta_apply(s, (rdl_str){p, line}, "fuzz", &err) != RDL_OK) {
            if (err.msg[0] == '\0')
                abort();
            return false;
        }
        p += line + 1;
    }
    return true;
}

static size_t live(const rdl_map *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++)
        n += m->entries[i].value != NULL;
    return n;
}

static void print(const rdl_delta_state *s, rdl_buf *out)
{
    if (s->reader != 0)
        rdl_delta_put_protocol(out, s);
    if (s->schema_text != NULL && s->id != NULL)
        rdl_delta_put_metadata(out, s);
    for (size_t i = 0; i < s->txns.n; i++)
        rdl_delta_put_txn(out, s->txns.entries[i].value);
    for (size_t i = 0; i < s->files.n; i++)
        if (s->files.entries[i].value != NULL)
            rdl_delta_put_add(out, s->files.entries[i].value, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rdl_arena arena;
    rdl_delta_state first, second;
    rdl_buf text = {0};
    rdl_arena_init(&arena, 0);
    rdl_delta_state_init(&first, &arena);
    rdl_delta_state_init(&second, &arena);
    if (apply_lines(&first, (const char *)data, size)) {
        print(&first, &text);
        if (!apply_lines(&second, rdl_buf_str(&text), text.n) ||
            live(&first.files) != live(&second.files) || first.txns.n != second.txns.n)
            abort();
    }
    rdl_buf_fini(&text);
    rdl_arena_fini(&arena);
    return 0;
}
