/*
 * cql/writer.c - values of one row, encoded at the end of a buffer as the binds' types ask.
 *
 * The writer is a stack of open containers; each knows its type, where its length stands
 * and how many elements it has.  The first failure is kept (rdl_cql_writer.failed) and
 * nothing is written after it.
 */
#include "cql/writer.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "cql/type.h"
#include "cql/value.h"
#include "cql/wire.h"

void rdl_cql_writer_start(rdl_cql_writer *w, const rdl_cql_column *columns, uint32_t n,
                          rdl_buf *out, rdl_err *err)
{
    w->out = out;
    w->columns = columns;
    w->column_count = n;
    w->column = 0;
    w->depth = 0;
    w->failed = RDL_OK;
    w->err = err;
}

/* The type of the next value; NULL where there is no room for one. */
static inline const rdl_cql_type *next_type(const rdl_cql_writer *w)
{
    if (w->depth == 0)
        return w->column < w->column_count ? w->columns[w->column].type : NULL;
    const rdl_cql_type *in = w->open[w->depth - 1].type;
    uint32_t at = w->open[w->depth - 1].count;
    switch (in->kind) {
    case RDL_CQL_MAP:
        return in->args[at & 1];
    case RDL_CQL_TUPLE:
    case RDL_CQL_UDT:
        return at < in->n ? in->args[at] : NULL;
    case RDL_CQL_VECTOR:
        return at < in->dimension ? in->args[0] : NULL;
    default:
        return in->args[0];
    }
}

const rdl_cql_type *rdl_cql_put_type(const rdl_cql_writer *w)
{
    return next_type(w);
}

static void fail(rdl_cql_writer *w, rdl_code code, const char *what)
{
    if (w->failed != RDL_OK)
        return;
    const rdl_cql_column *c = w->column < w->column_count ? &w->columns[w->column] : NULL;
    const rdl_cql_type *t = next_type(w);
    rdl_buf type = {0};
    if (t != NULL)
        rdl_cql_type_print(t, &type);
    w->failed = rdl_err_set(w->err, code, RDL_ERR_POISON, "could not write column \"%.*s\"%s%s: %s",
                            c != NULL ? (int)c->name.n : 1, c != NULL ? c->name.p : "?",
                            t != NULL ? " of type " : "", rdl_buf_str(&type), what);
    rdl_buf_fini(&type);
}

static void fail_int(rdl_cql_writer *w, int64_t v)
{
    char what[64];
    snprintf(what, sizeof what, "%" PRId64 " does not fit", v);
    fail(w, RDL_EDATA, what);
}

static void mismatch(rdl_cql_writer *w, const char *given)
{
    char what[96];
    snprintf(what, sizeof what, "the value is %s", given);
    fail(w, RDL_ESCHEMA, what);
}

/* The type of the value to write, where there is one and nothing has failed. */
static inline const rdl_cql_type *expect(rdl_cql_writer *w)
{
    if (w->failed != RDL_OK)
        return NULL;
    const rdl_cql_type *t = next_type(w);
    if (t == NULL)
        fail(w, RDL_ESCHEMA, "there are more values than places");
    return t;
}

static inline void advance(rdl_cql_writer *w)
{
    if (w->depth == 0)
        w->column++;
    else
        w->open[w->depth - 1].count++;
}

/* The length of a value of n bytes, and room for it. */
static inline uint8_t *value(rdl_cql_writer *w, size_t n)
{
    uint8_t *p;
    if (__builtin_expect(w->depth > 0, 0) && w->open[w->depth - 1].type->kind == RDL_CQL_VECTOR) {
        uint8_t vint[RDL_CQL_VINT_MAX];
        if (rdl_cql_fixed_bytes(w->open[w->depth - 1].type->args[0]) == 0)
            rdl_wire_put_raw(w->out, vint, rdl_vint_write(n, vint));
        p = rdl_wire_room(w->out, n);
    } else {
        p = rdl_wire_room(w->out, 4 + n);
        rdl_set_be32(p, (uint32_t)n);
        p += 4;
    }
    advance(w);
    return p;
}

static void value_of(rdl_cql_writer *w, const void *p, size_t n)
{
    if (n > INT32_MAX) {
        fail(w, RDL_ELIMIT, "the value has more than 2 GiB");
        return;
    }
    uint8_t *to = value(w, n);
    if (n > 0)
        memcpy(to, p, n);
}

void rdl_cql_put_null(rdl_cql_writer *w)
{
    if (expect(w) == NULL)
        return;
    if (w->depth > 0 && w->open[w->depth - 1].type->kind != RDL_CQL_TUPLE &&
        w->open[w->depth - 1].type->kind != RDL_CQL_UDT) {
        fail(w, RDL_EDATA, "a collection cannot hold null");
        return;
    }
    rdl_wire_put_int(w->out, -1);
    advance(w);
}

void rdl_cql_put_unset(rdl_cql_writer *w)
{
    if (expect(w) == NULL)
        return;
    if (w->depth > 0) {
        fail(w, RDL_ESCHEMA, "only a whole column can stay unset");
        return;
    }
    rdl_wire_put_int(w->out, RDL_CQL_UNSET);
    advance(w);
}

void rdl_cql_put_bool(rdl_cql_writer *w, bool v)
{
    const rdl_cql_type *t = expect(w);
    if (t == NULL)
        return;
    if (t->kind != RDL_CQL_BOOLEAN)
        mismatch(w, "a boolean");
    else
        *value(w, 1) = v;
}

void rdl_cql_put_int(rdl_cql_writer *w, int64_t v)
{
    const rdl_cql_type *t = expect(w);
    if (t == NULL)
        return;
    switch (t->kind) {
    case RDL_CQL_INT:
        if (v < INT32_MIN || v > INT32_MAX)
            fail_int(w, v);
        else
            rdl_set_be32(value(w, 4), (uint32_t)v);
        break;
    case RDL_CQL_BIGINT:
    case RDL_CQL_COUNTER:
        rdl_set_be64(value(w, 8), (uint64_t)v);
        break;
    case RDL_CQL_SMALLINT:
        if (v < INT16_MIN || v > INT16_MAX)
            fail_int(w, v);
        else
            rdl_set_be16(value(w, 2), (uint16_t)v);
        break;
    case RDL_CQL_TINYINT:
        if (v < INT8_MIN || v > INT8_MAX)
            fail_int(w, v);
        else
            *value(w, 1) = (uint8_t)v;
        break;
    case RDL_CQL_VARINT:
        rdl_cql_put_varint(w, (rdl_cql_int128){v < 0 ? -1 : 0, (uint64_t)v});
        break;
    case RDL_CQL_DECIMAL:
        rdl_cql_put_decimal(w, (rdl_cql_int128){v < 0 ? -1 : 0, (uint64_t)v}, 0);
        break;
    default:
        mismatch(w, "an integer");
    }
}

void rdl_cql_put_double(rdl_cql_writer *w, double v)
{
    const rdl_cql_type *t = expect(w);
    if (t == NULL)
        return;
    if (t->kind == RDL_CQL_DOUBLE) {
        uint64_t bits;
        memcpy(&bits, &v, sizeof bits);
        rdl_set_be64(value(w, 8), bits);
    } else if (t->kind == RDL_CQL_FLOAT) {
        float f = (float)v;
        uint32_t bits;
        if (isinf(f) && !isinf(v)) {
            fail(w, RDL_EDATA, "the value is beyond the largest float");
            return;
        }
        memcpy(&bits, &f, sizeof bits);
        rdl_set_be32(value(w, 4), bits);
    } else {
        mismatch(w, "a floating-point number");
    }
}

void rdl_cql_put_text(rdl_cql_writer *w, rdl_str v)
{
    const rdl_cql_type *t = expect(w);
    if (t == NULL)
        return;
    if (t->kind == RDL_CQL_ASCII) {
        for (size_t i = 0; i < v.n; i++)
            if ((uint8_t)v.p[i] > 0x7F) {
                fail(w, RDL_EDATA, "the text has bytes beyond ASCII");
                return;
            }
    } else if (t->kind != RDL_CQL_TEXT) {
        mismatch(w, "text");
        return;
    }
    value_of(w, v.p, v.n);
}

void rdl_cql_put_blob(rdl_cql_writer *w, rdl_str v)
{
    const rdl_cql_type *t = expect(w);
    if (t == NULL)
        return;
    if (t->kind != RDL_CQL_BLOB && t->kind != RDL_CQL_CUSTOM)
        mismatch(w, "a blob");
    else
        value_of(w, v.p, v.n);
}

void rdl_cql_put_date(rdl_cql_writer *w, int64_t days)
{
    const rdl_cql_type *t = expect(w);
    if (t == NULL)
        return;
    if (t->kind != RDL_CQL_DATE)
        mismatch(w, "a date");
    else if (days < INT32_MIN || days > INT32_MAX)
        fail_int(w, days);
    else
        rdl_set_be32(value(w, 4), (uint32_t)days ^ 0x80000000u);
}

void rdl_cql_put_time(rdl_cql_writer *w, int64_t ns)
{
    const rdl_cql_type *t = expect(w);
    if (t == NULL)
        return;
    if (t->kind != RDL_CQL_TIME)
        mismatch(w, "a time of day");
    else if (ns < 0 || ns >= RDL_CQL_DAY_NS)
        fail_int(w, ns);
    else
        rdl_set_be64(value(w, 8), (uint64_t)ns);
}

void rdl_cql_put_timestamp(rdl_cql_writer *w, int64_t ms)
{
    const rdl_cql_type *t = expect(w);
    if (t == NULL)
        return;
    if (t->kind != RDL_CQL_TIMESTAMP)
        mismatch(w, "a timestamp");
    else
        rdl_set_be64(value(w, 8), (uint64_t)ms);
}

void rdl_cql_put_uuid(rdl_cql_writer *w, const uint8_t v[16])
{
    const rdl_cql_type *t = expect(w);
    if (t == NULL)
        return;
    if (t->kind != RDL_CQL_UUID && t->kind != RDL_CQL_TIMEUUID)
        mismatch(w, "a uuid");
    else if (t->kind == RDL_CQL_TIMEUUID && v[6] >> 4 != 1)
        fail(w, RDL_EDATA, "a timeuuid is a uuid of version 1");
    else
        value_of(w, v, 16);
}

void rdl_cql_put_inet(rdl_cql_writer *w, const rdl_address *v)
{
    const rdl_cql_type *t = expect(w);
    if (t == NULL)
        return;
    if (t->kind != RDL_CQL_INET || (v->n != 4 && v->n != 16))
        mismatch(w, "an address");
    else
        value_of(w, v->bytes, v->n);
}

static uint64_t zigzag(int64_t v)
{
    return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}

void rdl_cql_put_duration(rdl_cql_writer *w, rdl_cql_duration v)
{
    const rdl_cql_type *t = expect(w);
    uint8_t bytes[3 * RDL_CQL_VINT_MAX];
    if (t == NULL)
        return;
    bool up = v.months > 0 || v.days > 0 || v.nanoseconds > 0;
    bool down = v.months < 0 || v.days < 0 || v.nanoseconds < 0;
    if (t->kind != RDL_CQL_DURATION) {
        mismatch(w, "a duration");
    } else if (up && down) {
        fail(w, RDL_EDATA, "months, days and nanoseconds have different signs");
    } else {
        size_t n = rdl_vint_write(zigzag(v.months), bytes);
        n += rdl_vint_write(zigzag(v.days), bytes + n);
        n += rdl_vint_write(zigzag(v.nanoseconds), bytes + n);
        value_of(w, bytes, n);
    }
}

void rdl_cql_put_varint(rdl_cql_writer *w, rdl_cql_int128 v)
{
    const rdl_cql_type *t = expect(w);
    uint8_t bytes[16];
    if (t == NULL)
        return;
    bool small = v.hi == (int64_t)v.lo >> 63;
    if (t->kind == RDL_CQL_VARINT)
        value_of(w, bytes, rdl_varint_write(v, bytes));
    else if (t->kind == RDL_CQL_DECIMAL)
        rdl_cql_put_decimal(w, v, 0);
    else if (small)
        rdl_cql_put_int(w, (int64_t)v.lo);
    else
        fail(w, RDL_EDATA, "the integer has more than 64 bits");
}

void rdl_cql_put_decimal(rdl_cql_writer *w, rdl_cql_int128 unscaled, int32_t scale)
{
    const rdl_cql_type *t = expect(w);
    uint8_t bytes[4 + 16];
    if (t == NULL)
        return;
    if (t->kind != RDL_CQL_DECIMAL) {
        mismatch(w, "a decimal");
        return;
    }
    rdl_set_be32(bytes, (uint32_t)scale);
    value_of(w, bytes, 4 + rdl_varint_write(unscaled, bytes + 4));
}

void rdl_cql_put_raw(rdl_cql_writer *w, rdl_str encoded)
{
    if (expect(w) != NULL)
        value_of(w, encoded.p, encoded.n);
}

void rdl_cql_put_begin(rdl_cql_writer *w)
{
    const rdl_cql_type *t = expect(w);
    if (t == NULL)
        return;
    if (t->n == 0 && t->kind != RDL_CQL_TUPLE && t->kind != RDL_CQL_UDT) {
        mismatch(w, "a list, set, map, tuple or UDT");
        return;
    }
    bool in_vector = w->depth > 0 && w->open[w->depth - 1].type->kind == RDL_CQL_VECTOR;
    if (w->depth == RDL_CQL_DEPTH_MAX || (in_vector && rdl_cql_fixed_bytes(t) == 0)) {
        fail(w, RDL_ELIMIT,
             in_vector ? "a vector of these cannot be written" : "the value is nested too deeply");
        return;
    }
    w->open[w->depth].type = t;
    w->open[w->depth].count = 0;
    w->open[w->depth].at = w->out->n;
    if (!in_vector)
        rdl_wire_put_int(w->out, 0); /* its length, known at the end */
    if (t->kind == RDL_CQL_LIST || t->kind == RDL_CQL_SET || t->kind == RDL_CQL_MAP)
        rdl_wire_put_int(w->out, 0); /* the number of its elements */
    w->depth++;
}

void rdl_cql_put_end(rdl_cql_writer *w)
{
    if (w->failed != RDL_OK)
        return;
    if (w->depth == 0) {
        fail(w, RDL_ESCHEMA, "nothing was begun that could end");
        return;
    }
    const rdl_cql_type *t = w->open[w->depth - 1].type;
    uint32_t count = w->open[w->depth - 1].count;
    size_t at = w->open[w->depth - 1].at, n = w->out->n - at - 4;
    if ((t->kind == RDL_CQL_MAP && count % 2 != 0) ||
        (t->kind == RDL_CQL_VECTOR && count != t->dimension)) {
        fail(w, RDL_ESCHEMA,
             t->kind == RDL_CQL_MAP ? "the last key of the map has no value"
                                    : "the vector has too few elements");
        return;
    }
    if (n > INT32_MAX) {
        fail(w, RDL_ELIMIT, "the value has more than 2 GiB");
        return;
    }
    w->depth--;
    if (w->depth == 0 || w->open[w->depth - 1].type->kind != RDL_CQL_VECTOR)
        rdl_set_be32((uint8_t *)w->out->p + at, (uint32_t)n);
    if (t->kind == RDL_CQL_LIST || t->kind == RDL_CQL_SET || t->kind == RDL_CQL_MAP)
        rdl_set_be32((uint8_t *)w->out->p + at + 4, t->kind == RDL_CQL_MAP ? count / 2 : count);
    advance(w);
}

void rdl_cql_put_refuse(rdl_cql_writer *w, rdl_str text)
{
    char what[160];
    snprintf(what, sizeof what, "\"%.*s\" is none", text.n > 100 ? 100 : (int)text.n,
             text.n > 0 ? text.p : "");
    fail(w, RDL_ESCHEMA, what);
}

rdl_code rdl_cql_row_end(rdl_cql_writer *w)
{
    if (w->failed == RDL_OK && w->depth > 0)
        fail(w, RDL_ESCHEMA, "it was begun and not ended");
    if (w->failed == RDL_OK && w->column < w->column_count)
        fail(w, RDL_ESCHEMA, "it has no value");
    return w->failed;
}
