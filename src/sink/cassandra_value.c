/*
 * sink/cassandra_value.c - values into the protocol, and back into vectors.
 *
 * What fits was decided when the table was bound (cassandra_type.c); here a single value may
 * still not fit: a null in a collection, an infinite time, a number with more digits than a
 * store's column gives back.
 */
#include "sink/cassandra_internal.h"

#include <math.h>
#include <stdio.h>

static rdl_code refuse(const rdl_cassandra_conv *c, const char *why, rdl_err *err)
{
    rdl_buf to = {0};
    rdl_cql_type_print(c->to, &to);
    rdl_err_set(err, RDL_EDATA, 0, "cannot write a value as %s: %s", rdl_buf_str(&to), why);
    rdl_buf_fini(&to);
    return RDL_EDATA;
}

/* ---- writing ---- */

static rdl_cql_int128 halves(rdl_i128 x)
{
    return (rdl_cql_int128){(int64_t)(x >> 64), (uint64_t)x};
}

static rdl_code write_decimal(rdl_cql_writer *w, const rdl_cassandra_conv *c, const rdl_vector *v,
                              size_t row)
{
    rdl_i128 d = rdl_vector_decimal(v, row);
    if (c->to->kind == RDL_CQL_DOUBLE) {
        double scale = 1;
        for (unsigned i = 0; i < v->type->scale; i++)
            scale *= 10;
        rdl_cql_put_double(w, (double)(int64_t)d / scale);
    } else if (c->to->kind == RDL_CQL_VARINT) {
        rdl_cql_put_varint(w, halves(d));
    } else {
        rdl_cql_put_decimal(w, halves(d), v->type->scale);
    }
    return RDL_OK;
}

/* To us 0 and -0 are one key, and so are all that are no number; a server tells them apart by
 * bits. */
static double spelled(const rdl_cassandra_conv *c, double x)
{
    if (!c->key || (x != 0 && !isnan(x)))
        return x;
    return x == 0 ? 0.0 : (double)NAN;
}

static int64_t floor_ms(int64_t us)
{
    return us >= 0 ? us / 1000 : -((-us + 999) / 1000);
}

static rdl_code write_time(rdl_cql_writer *w, const rdl_cassandra_conv *c, const rdl_vector *v,
                           size_t row, rdl_err *err)
{
    if (v->type->kind == RDL_TYPE_DATE) {
        int32_t days = RDL_VECTOR_AT(v, int32_t, row);
        if (days == INT32_MAX || days == -INT32_MAX)
            return refuse(c, "it is infinite", err);
        rdl_cql_put_date(w, days);
        return RDL_OK;
    }
    int64_t us = RDL_VECTOR_AT(v, int64_t, row);
    if (us == INT64_MAX || us == -INT64_MAX)
        return refuse(c, "it is infinite", err);
    if (c->to->kind == RDL_CQL_BIGINT)
        rdl_cql_put_int(w, us);
    else
        rdl_cql_put_timestamp(w, floor_ms(us));
    return RDL_OK;
}

static rdl_code write_text(rdl_cql_writer *w, const rdl_cassandra_conv *c, rdl_str s)
{
    if (c->to->kind == RDL_CQL_UUID || c->to->kind == RDL_CQL_TIMEUUID)
        rdl_cql_put_parsed(w, s);
    else if (c->to->kind == RDL_CQL_BLOB)
        rdl_cql_put_blob(w, s);
    else
        rdl_cql_put_text(w, s);
    return RDL_OK;
}

static rdl_code write_struct(rdl_cql_writer *w, const rdl_cassandra_conv *c, const rdl_vector *v,
                             size_t row, rdl_err *err)
{
    rdl_cql_put_begin(w);
    for (size_t i = 0; i < c->child_count; i++) {
        if (c->fields[i] < 0)
            rdl_cql_put_null(w);
        else
            RDL_TRY(rdl_cassandra_write_value(w, &c->children[i], &v->children[c->fields[i]], row,
                                              false, false, err));
    }
    rdl_cql_put_end(w);
    return RDL_OK;
}

static rdl_code write_list(rdl_cql_writer *w, const rdl_cassandra_conv *c, const rdl_vector *v,
                           size_t row, rdl_err *err)
{
    rdl_duck_list list = RDL_VECTOR_AT(v, rdl_duck_list, row);
    rdl_cql_put_begin(w);
    for (uint64_t i = 0; i < list.length; i++) {
        for (size_t k = 0; k < c->child_count; k++) {
            if (!rdl_vector_valid(&v->children[k], list.offset + i))
                return refuse(c, "it holds a null", err);
            RDL_TRY(rdl_cassandra_write_value(w, &c->children[k], &v->children[k], list.offset + i,
                                              false, false, err));
        }
    }
    rdl_cql_put_end(w);
    return RDL_OK;
}

static bool is_empty(const rdl_cassandra_conv *c, const rdl_vector *v, size_t row)
{
    return c->live && RDL_VECTOR_AT(v, rdl_duck_list, row).length == 0;
}

rdl_code rdl_cassandra_write_value(rdl_cql_writer *w, const rdl_cassandra_conv *c,
                                   const rdl_vector *v, size_t row, bool unset_null, bool top,
                                   rdl_err *err)
{
    if (!rdl_vector_valid(v, row) || (top && is_empty(c, v, row))) {
        if (unset_null)
            rdl_cql_put_unset(w);
        else
            rdl_cql_put_null(w);
        return RDL_OK;
    }
    switch (v->type->kind) {
    case RDL_TYPE_BOOLEAN:
        rdl_cql_put_bool(w, RDL_VECTOR_AT(v, int8_t, row) != 0);
        return RDL_OK;
    case RDL_TYPE_INTEGER:
        rdl_cql_put_int(w, RDL_VECTOR_AT(v, int32_t, row));
        return RDL_OK;
    case RDL_TYPE_BIGINT:
        rdl_cql_put_int(w, RDL_VECTOR_AT(v, int64_t, row));
        return RDL_OK;
    case RDL_TYPE_DOUBLE:
        rdl_cql_put_double(w, spelled(c, RDL_VECTOR_AT(v, double, row)));
        return RDL_OK;
    case RDL_TYPE_DECIMAL:
        return write_decimal(w, c, v, row);
    case RDL_TYPE_DATE:
    case RDL_TYPE_TIMESTAMPTZ:
        return write_time(w, c, v, row, err);
    case RDL_TYPE_STRUCT:
        return write_struct(w, c, v, row, err);
    case RDL_TYPE_LIST:
    case RDL_TYPE_MAP:
        return write_list(w, c, v, row, err);
    default: /* TEXT, JSON, BLOB */
        return write_text(w, c, rdl_vector_str(v, row));
    }
}

/* ---- reading ---- */

static rdl_code does_not_fit(const rdl_cassandra_conv *c, rdl_cql_value v, rdl_err *err)
{
    rdl_buf text = {0}, type = {0};
    rdl_err ignored;
    if (rdl_cql_print(v, &text, &ignored) != RDL_OK)
        rdl_buf_puts(&text, "?");
    rdl_type_print(c->from, &type);
    rdl_err_set(err, RDL_EDATA, 0, "value \"%.60s\" is not a %s as we write it", rdl_buf_str(&text),
                rdl_buf_str(&type));
    rdl_buf_fini(&text);
    rdl_buf_fini(&type);
    return RDL_EDATA;
}

static rdl_i128 ten_to(int n)
{
    rdl_i128 x = 1;
    while (n-- > 0)
        x *= 10;
    return x;
}

static rdl_i128 whole(rdl_cql_int128 x)
{
    return (rdl_i128)(((rdl_u128)(uint64_t)x.hi << 64) | x.lo);
}

/* Any scale that says the same number: 1.50 and 1.5 are one. */
static bool rescale(rdl_i128 x, int32_t from, const rdl_type *t, rdl_i128 *out)
{
    for (; from > (int32_t)t->scale; from--) {
        if (x % 10 != 0)
            return false;
        x /= 10;
    }
    if ((int32_t)t->scale - from > 38)
        return x == 0 ? (*out = 0, true) : false;
    for (; from < (int32_t)t->scale; from++) {
        if (x > ten_to(37) || x < -ten_to(37))
            return false;
        x *= 10;
    }
    *out = x;
    rdl_i128 limit = ten_to(t->precision == 38 ? 37 : t->precision);
    if (t->precision == 38)
        return x / 10 < limit && x / 10 > -limit;
    return x < limit && x > -limit;
}

static rdl_code read_decimal(const rdl_cassandra_conv *c, rdl_cql_value from, rdl_vector *v,
                             size_t row, rdl_err *err)
{
    rdl_cql_int128 x = {0};
    int32_t scale = 0;
    rdl_i128 d = 0;
    if (c->to->kind == RDL_CQL_DOUBLE) {
        double value = 0, factor = 1;
        RDL_TRY(rdl_cql_get_double(from, &value, err));
        for (unsigned i = 0; i < c->from->scale; i++)
            factor *= 10;
        double n = nearbyint(value * factor);
        if (!(fabs(n) < 1e15) || n / factor != value)
            return does_not_fit(c, from, err);
        rdl_vector_set_decimal(v, row, (rdl_i128)n);
        return RDL_OK;
    }
    if (c->to->kind == RDL_CQL_VARINT)
        RDL_TRY(rdl_cql_get_varint(from, &x, err));
    else
        RDL_TRY(rdl_cql_get_decimal(from, &x, &scale, err));
    if (!rescale(whole(x), scale, c->from, &d))
        return does_not_fit(c, from, err);
    rdl_vector_set_decimal(v, row, d);
    return RDL_OK;
}

static rdl_code read_int(const rdl_cassandra_conv *c, rdl_cql_value from, rdl_vector *v, size_t row,
                         rdl_err *err)
{
    int64_t x = 0;
    RDL_TRY(rdl_cql_get_int(from, &x, err));
    if (c->from->kind == RDL_TYPE_BIGINT)
        RDL_VECTOR_AT(v, int64_t, row) = x;
    else if (x >= INT32_MIN && x <= INT32_MAX)
        RDL_VECTOR_AT(v, int32_t, row) = (int32_t)x;
    else
        return does_not_fit(c, from, err);
    return RDL_OK;
}

static rdl_code read_time(const rdl_cassandra_conv *c, rdl_cql_value from, rdl_vector *v,
                          size_t row, rdl_err *err)
{
    int64_t x = 0;
    if (c->from->kind == RDL_TYPE_DATE) {
        RDL_TRY(rdl_cql_get_date(from, &x, err));
        if (x > INT32_MAX || x < INT32_MIN)
            return does_not_fit(c, from, err);
        RDL_VECTOR_AT(v, int32_t, row) = (int32_t)x;
        return RDL_OK;
    }
    if (c->to->kind == RDL_CQL_BIGINT) {
        RDL_TRY(rdl_cql_get_int(from, &x, err));
    } else {
        RDL_TRY(rdl_cql_get_timestamp(from, &x, err));
        if (x > INT64_MAX / 1000 || x < INT64_MIN / 1000)
            return does_not_fit(c, from, err);
        x *= 1000;
    }
    RDL_VECTOR_AT(v, int64_t, row) = x;
    return RDL_OK;
}

static rdl_code read_text(const rdl_cassandra_conv *c, rdl_cql_value from, rdl_vector *v,
                          size_t row, rdl_err *err)
{
    rdl_str text = {0};
    rdl_buf printed = {0};
    rdl_code rc = RDL_OK;
    if (c->to->kind == RDL_CQL_UUID || c->to->kind == RDL_CQL_TIMEUUID) {
        rc = rdl_cql_print(from, &printed, err);
        text = (rdl_str){rdl_buf_str(&printed), printed.n};
    } else {
        rc = c->to->kind == RDL_CQL_BLOB ? rdl_cql_get_blob(from, &text, err)
                                         : rdl_cql_get_text(from, &text, err);
    }
    if (rc == RDL_OK)
        rdl_vector_set_str(v, row, text.p != NULL ? text.p : "", text.n);
    rdl_buf_fini(&printed);
    return rc;
}

static rdl_code read_struct(const rdl_cassandra_conv *c, rdl_cql_value from, rdl_vector *v,
                            size_t row, rdl_text_slot *slot, rdl_err *err)
{
    rdl_cql_items items;
    rdl_cql_value one;
    RDL_TRY(rdl_cql_items_of(from, &items, err));
    for (size_t i = 0; i < v->child_count; i++)
        rdl_vector_set_null(&v->children[i], row);
    for (size_t i = 0; i < c->child_count && rdl_cql_items_next(&items, NULL, &one); i++) {
        int at = c->fields[i];
        if (at < 0 || rdl_cql_is_null(one))
            continue;
        rdl_vector *to = &v->children[at];
        if (to->validity != NULL)
            to->validity[row >> 6] |= (uint64_t)1 << (row & 63);
        RDL_TRY(rdl_cassandra_read_value(&c->children[i], one, to, row, &slot->children[at], err));
    }
    return RDL_OK;
}

static rdl_code read_list(const rdl_cassandra_conv *c, rdl_cql_value from, rdl_vector *v,
                          size_t row, rdl_text_slot *slot, rdl_err *err)
{
    rdl_cql_items items;
    rdl_cql_value key, one;
    size_t first = slot->used;
    RDL_TRY(rdl_cql_items_of(from, &items, err));
    while (rdl_cql_items_next(&items, &key, &one)) {
        if (!rdl_text_slot_reserve(v, slot, 1))
            return rdl_err_nomem(err);
        size_t at = slot->used++;
        if (c->child_count == 2)
            RDL_TRY(rdl_cassandra_read_value(&c->children[0], key, &v->children[0], at,
                                             &slot->children[0], err));
        size_t last = c->child_count - 1;
        RDL_TRY(rdl_cassandra_read_value(&c->children[last], one, &v->children[last], at,
                                         &slot->children[last], err));
    }
    RDL_VECTOR_AT(v, rdl_duck_list, row) = (rdl_duck_list){first, slot->used - first};
    return RDL_OK;
}

rdl_code rdl_cassandra_read_value(const rdl_cassandra_conv *c, rdl_cql_value from, rdl_vector *v,
                                  size_t row, rdl_text_slot *slot, rdl_err *err)
{
    bool yes = false;
    if (rdl_cql_is_null(from)) {
        rdl_vector_set_null(v, row);
        return RDL_OK;
    }
    switch (c->from->kind) {
    case RDL_TYPE_BOOLEAN:
        RDL_TRY(rdl_cql_get_bool(from, &yes, err));
        RDL_VECTOR_AT(v, int8_t, row) = yes;
        return RDL_OK;
    case RDL_TYPE_INTEGER:
    case RDL_TYPE_BIGINT:
        return read_int(c, from, v, row, err);
    case RDL_TYPE_DOUBLE:
        return rdl_cql_get_double(from, &RDL_VECTOR_AT(v, double, row), err);
    case RDL_TYPE_DECIMAL:
        return read_decimal(c, from, v, row, err);
    case RDL_TYPE_DATE:
    case RDL_TYPE_TIMESTAMPTZ:
        return read_time(c, from, v, row, err);
    case RDL_TYPE_STRUCT:
        return read_struct(c, from, v, row, slot, err);
    case RDL_TYPE_LIST:
    case RDL_TYPE_MAP:
        return read_list(c, from, v, row, slot, err);
    default:
        return read_text(c, from, v, row, err);
    }
}
