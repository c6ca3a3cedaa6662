/*
 * cql/value.c - getters: bytes of a value to what C can hold, each length checked.
 */
#include "cql/value.h"

#include "cql/type.h"

static rdl_code not_a(rdl_cql_value v, const char *what, rdl_err *err)
{
    rdl_buf type = {0};
    rdl_cql_type_print(v.type, &type);
    rdl_err_set(err, RDL_ESCHEMA, 0, "could not read a value of type %s as %s", rdl_buf_str(&type),
                what);
    rdl_buf_fini(&type);
    return err->code;
}

static rdl_code damaged(rdl_cql_value v, rdl_err *err)
{
    rdl_buf type = {0};
    rdl_cql_type_print(v.type, &type);
    rdl_err_set(err, RDL_EDATA, 0, "could not read a value: its %d bytes are no %s", v.n,
                rdl_buf_str(&type));
    rdl_buf_fini(&type);
    return err->code;
}

/* A value of one of two kinds that is not null; bytes: its length, 0 for any. */
static rdl_code check(rdl_cql_value v, rdl_cql_kind a, rdl_cql_kind b, int32_t bytes,
                      const char *what, rdl_err *err)
{
    if (v.type->kind != a && v.type->kind != b)
        return not_a(v, what, err);
    if (v.n < 0)
        return rdl_err_set(err, RDL_ESCHEMA, 0, "could not read a null as %s", what);
    if (bytes != 0 && v.n != bytes)
        return damaged(v, err);
    return RDL_OK;
}

rdl_code rdl_cql_get_bool(rdl_cql_value v, bool *out, rdl_err *err)
{
    RDL_TRY(check(v, RDL_CQL_BOOLEAN, RDL_CQL_BOOLEAN, 1, "a boolean", err));
    *out = v.p[0] != 0;
    return RDL_OK;
}

rdl_code rdl_cql_get_int(rdl_cql_value v, int64_t *out, rdl_err *err)
{
    rdl_cql_int128 wide;
    switch (v.type->kind) {
    case RDL_CQL_INT:
        RDL_TRY(check(v, RDL_CQL_INT, RDL_CQL_INT, 4, "an integer", err));
        *out = (int32_t)rdl_be32(v.p);
        return RDL_OK;
    case RDL_CQL_BIGINT:
    case RDL_CQL_COUNTER:
        RDL_TRY(check(v, RDL_CQL_BIGINT, RDL_CQL_COUNTER, 8, "an integer", err));
        *out = (int64_t)rdl_be64(v.p);
        return RDL_OK;
    case RDL_CQL_SMALLINT:
        RDL_TRY(check(v, RDL_CQL_SMALLINT, RDL_CQL_SMALLINT, 2, "an integer", err));
        *out = (int16_t)rdl_be16(v.p);
        return RDL_OK;
    case RDL_CQL_TINYINT:
        RDL_TRY(check(v, RDL_CQL_TINYINT, RDL_CQL_TINYINT, 1, "an integer", err));
        *out = (int8_t)v.p[0];
        return RDL_OK;
    case RDL_CQL_VARINT:
        RDL_TRY(rdl_cql_get_varint(v, &wide, err));
        if (wide.hi != (int64_t)wide.lo >> 63)
            return rdl_err_set(err, RDL_ELIMIT, 0,
                               "could not read a varint: it has more than 64 bits");
        *out = (int64_t)wide.lo;
        return RDL_OK;
    default:
        return not_a(v, "an integer", err);
    }
}

rdl_code rdl_cql_get_double(rdl_cql_value v, double *out, rdl_err *err)
{
    bool narrow = v.type->kind == RDL_CQL_FLOAT;
    RDL_TRY(
        check(v, RDL_CQL_FLOAT, RDL_CQL_DOUBLE, narrow ? 4 : 8, "a floating-point number", err));
    if (narrow) {
        uint32_t bits = rdl_be32(v.p);
        float f;
        memcpy(&f, &bits, sizeof f);
        *out = (double)f;
    } else {
        uint64_t bits = rdl_be64(v.p);
        memcpy(out, &bits, sizeof bits);
    }
    return RDL_OK;
}

rdl_code rdl_cql_get_text(rdl_cql_value v, rdl_str *out, rdl_err *err)
{
    RDL_TRY(check(v, RDL_CQL_TEXT, RDL_CQL_ASCII, 0, "text", err));
    *out = (rdl_str){(const char *)v.p, (size_t)v.n};
    return rdl_cql_utf8_valid(*out) ? RDL_OK : damaged(v, err);
}

rdl_code rdl_cql_get_blob(rdl_cql_value v, rdl_str *out, rdl_err *err)
{
    RDL_TRY(check(v, v.type->kind, v.type->kind, 0, "bytes", err));
    *out = (rdl_str){(const char *)v.p, (size_t)v.n};
    return RDL_OK;
}

rdl_code rdl_cql_get_date(rdl_cql_value v, int64_t *out_days, rdl_err *err)
{
    RDL_TRY(check(v, RDL_CQL_DATE, RDL_CQL_DATE, 4, "a date", err));
    *out_days = (int64_t)rdl_be32(v.p) - 0x80000000LL;
    return RDL_OK;
}

rdl_code rdl_cql_get_time(rdl_cql_value v, int64_t *out_ns, rdl_err *err)
{
    RDL_TRY(check(v, RDL_CQL_TIME, RDL_CQL_TIME, 8, "a time of day", err));
    *out_ns = (int64_t)rdl_be64(v.p);
    return *out_ns >= 0 && *out_ns < RDL_CQL_DAY_NS ? RDL_OK : damaged(v, err);
}

rdl_code rdl_cql_get_timestamp(rdl_cql_value v, int64_t *out_ms, rdl_err *err)
{
    RDL_TRY(check(v, RDL_CQL_TIMESTAMP, RDL_CQL_TIMESTAMP, 8, "a timestamp", err));
    *out_ms = (int64_t)rdl_be64(v.p);
    return RDL_OK;
}

rdl_code rdl_cql_get_uuid(rdl_cql_value v, uint8_t out[16], rdl_err *err)
{
    RDL_TRY(check(v, RDL_CQL_UUID, RDL_CQL_TIMEUUID, 16, "a uuid", err));
    memcpy(out, v.p, 16);
    return RDL_OK;
}

rdl_code rdl_cql_get_inet(rdl_cql_value v, rdl_address *out, rdl_err *err)
{
    RDL_TRY(check(v, RDL_CQL_INET, RDL_CQL_INET, 0, "an address", err));
    if (v.n != 4 && v.n != 16)
        return damaged(v, err);
    *out = (rdl_address){.n = (uint8_t)v.n};
    memcpy(out->bytes, v.p, (size_t)v.n);
    return RDL_OK;
}

static int64_t unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

rdl_code rdl_cql_get_duration(rdl_cql_value v, rdl_cql_duration *out, rdl_err *err)
{
    uint64_t part[3] = {0};
    size_t at = 0;
    RDL_TRY(check(v, RDL_CQL_DURATION, RDL_CQL_DURATION, 0, "a duration", err));
    for (int i = 0; i < 3; i++) {
        size_t used = rdl_vint_read(v.p + at, (size_t)v.n - at, &part[i]);
        if (used == 0)
            return damaged(v, err);
        at += used;
    }
    int64_t months = unzigzag(part[0]), days = unzigzag(part[1]);
    if (at != (size_t)v.n || months != (int32_t)months || days != (int32_t)days)
        return damaged(v, err);
    *out = (rdl_cql_duration){(int32_t)months, (int32_t)days, unzigzag(part[2])};
    return RDL_OK;
}

rdl_code rdl_cql_get_varint(rdl_cql_value v, rdl_cql_int128 *out, rdl_err *err)
{
    RDL_TRY(check(v, RDL_CQL_VARINT, RDL_CQL_VARINT, 0, "an integer", err));
    if (v.n == 0)
        return damaged(v, err);
    if (!rdl_varint_read(v.p, (size_t)v.n, out))
        return rdl_err_set(err, RDL_ELIMIT, 0,
                           "could not read a varint: it has more than 128 bits");
    return RDL_OK;
}

rdl_code rdl_cql_get_decimal(rdl_cql_value v, rdl_cql_int128 *out_unscaled, int32_t *out_scale,
                             rdl_err *err)
{
    RDL_TRY(check(v, RDL_CQL_DECIMAL, RDL_CQL_DECIMAL, 0, "a decimal", err));
    if (v.n < 5)
        return damaged(v, err);
    *out_scale = (int32_t)rdl_be32(v.p);
    if (!rdl_varint_read(v.p + 4, (size_t)v.n - 4, out_unscaled))
        return rdl_err_set(err, RDL_ELIMIT, 0,
                           "could not read a decimal: its digits have more than 128 bits");
    return RDL_OK;
}

/* One element at *p; false where the bytes end before it does. */
static bool element(const rdl_cql_type *of, const rdl_cql_type *t, const uint8_t **p,
                    const uint8_t *end, rdl_cql_value *out)
{
    size_t left = (size_t)(end - *p), n = 0, head = 0;
    if (of->kind == RDL_CQL_VECTOR) {
        uint64_t length = rdl_cql_fixed_bytes(t);
        if (length == 0 && (head = rdl_vint_read(*p, left, &length)) == 0)
            return false;
        if (length > left - head)
            return false;
        n = (size_t)length;
    } else {
        if ((of->kind == RDL_CQL_TUPLE || of->kind == RDL_CQL_UDT) && left == 0) {
            *out = (rdl_cql_value){t, NULL, -1}; /* a field that was added later */
            return true;
        }
        if (left < 4)
            return false;
        int32_t length = (int32_t)rdl_be32(*p);
        head = 4;
        if (length < 0) {
            *p += head;
            *out = (rdl_cql_value){t, NULL, -1};
            return true;
        }
        if ((size_t)length > left - head)
            return false;
        n = (size_t)length;
    }
    *out = (rdl_cql_value){t, *p + head, (int32_t)n};
    *p += head + n;
    return true;
}

static const rdl_cql_type *element_type(const rdl_cql_type *t, uint32_t i)
{
    return t->kind == RDL_CQL_MAP                               ? t->args[i & 1]
           : t->kind == RDL_CQL_TUPLE || t->kind == RDL_CQL_UDT ? t->args[i]
                                                                : t->args[0];
}

rdl_code rdl_cql_items_of(rdl_cql_value v, rdl_cql_items *out, rdl_err *err)
{
    rdl_cql_kind k = v.type->kind;
    bool counted = k == RDL_CQL_LIST || k == RDL_CQL_SET || k == RDL_CQL_MAP;
    if (!counted && k != RDL_CQL_TUPLE && k != RDL_CQL_UDT && k != RDL_CQL_VECTOR)
        return not_a(v, "elements", err);
    RDL_TRY(check(v, k, k, 0, "elements", err));
    *out = (rdl_cql_items){.of = v, .p = v.p};
    const uint8_t *end = v.p + v.n;
    if (counted) {
        if (v.n < 4 || (int32_t)rdl_be32(v.p) < 0)
            return damaged(v, err);
        out->count = rdl_be32(v.p);
        out->p += 4;
    } else {
        out->count = k == RDL_CQL_VECTOR ? v.type->dimension : v.type->n;
    }
    const uint8_t *p = out->p;
    uint64_t elements = (uint64_t)out->count * (k == RDL_CQL_MAP ? 2 : 1);
    for (uint64_t i = 0; i < elements; i++) {
        rdl_cql_value ignored;
        if (!element(v.type, element_type(v.type, (uint32_t)i), &p, end, &ignored))
            return damaged(v, err);
    }
    /* A UDT may have got more fields than its description knew of. */
    return p == end || k == RDL_CQL_UDT ? RDL_OK : damaged(v, err);
}

bool rdl_cql_items_next(rdl_cql_items *it, rdl_cql_value *out_key, rdl_cql_value *out)
{
    const rdl_cql_type *t = it->of.type;
    const uint8_t *end = it->of.p + it->of.n;
    rdl_cql_value key;
    if (it->at == it->count)
        return false;
    if (t->kind == RDL_CQL_MAP) {
        (void)element(t, t->args[0], &it->p, end, &key);
        (void)element(t, t->args[1], &it->p, end, out);
        if (out_key != NULL)
            *out_key = key;
    } else {
        (void)element(t, element_type(t, it->at), &it->p, end, out);
    }
    it->at++;
    return true;
}
