/*
 * tests/fuzz/codec_fuzz.c - bytes that decode are the only bytes of their value.
 *
 * The first byte chooses the type (or the state of an exact sum); what is accepted must
 * encode to the bytes that were read.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/exact_sum.h"
#include "duck/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const types[] = {
    "BOOLEAN",
    "INTEGER",
    "BIGINT",
    "DOUBLE",
    "DECIMAL(4,1)",
    "DECIMAL(9,2)",
    "DECIMAL(18,6)",
    "DECIMAL(38,10)",
    "VARCHAR",
    "BLOB",
    "DATE",
    "TIMESTAMP WITH TIME ZONE",
    "JSON",
    "VARCHAR[][]",
    "MAP(VARCHAR, INTEGER[])",
    "STRUCT(a INTEGER, b MAP(BOOLEAN, STRUCT(c DOUBLE[])))[]",
};

enum { TYPES = sizeof types / sizeof *types };

static void check_sum(const uint8_t *p, size_t n)
{
    rdl_exact_sum s;
    uint8_t bytes[RDL_EXACT_BYTES_MAX];
    rdl_exact_init(&s);
    if (rdl_exact_decode(&s, p, n)) {
        if (rdl_exact_encode(&s, bytes) != n || memcmp(bytes, p, n) != 0)
            abort();
        (void)rdl_exact_value(&s);
        (void)rdl_exact_mean(&s, 3);
    }
    rdl_exact_fini(&s);
}

static void check_value(const char *type, const uint8_t *p, size_t n)
{
    rdl_arena a;
    rdl_chunk *c = NULL;
    rdl_err err;
    rdl_buf again = {0};
    rdl_column column = {RDL_STR("v"), NULL};
    size_t at = 0;
    rdl_arena_init(&a, 0);
    if (rdl_type_parse(&a, rdl_str_of(type), &column.type, &err) != RDL_OK ||
        rdl_chunk_new(&(rdl_schema){&column, 1}, &c, &err) != RDL_OK)
        abort();
    if (rdl_codec_get((rdl_str){(const char *)p, n}, &at, &c->v[0], 0, &err) == RDL_OK) {
        rdl_codec_put(&c->v[0], 0, &again);
        if (again.n != at || memcmp(again.p, p, at) != 0)
            abort();
        rdl_buf_clear(&again);
        rdl_vector_print_json(&c->v[0], 0, &again);
    }
    rdl_buf_fini(&again);
    rdl_chunk_free(c);
    rdl_arena_fini(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t which = data[0] % (TYPES + 1);
    if (which == TYPES)
        check_sum(data + 1, size - 1);
    else
        check_value(types[which], data + 1, size - 1);
    return 0;
}
