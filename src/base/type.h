/*
 * base/type.h - the closed list of column types, spelled as DuckDB spells them.
 *
 * A plain TIMESTAMP in the language is read as TIMESTAMPTZ: an instant in UTC.  Types are
 * immutable and live in an arena; scalar types without parameters are shared constants.
 *
 * Values in vectors and in the row codec:
 *   BOOLEAN int8 · INTEGER int32 · BIGINT int64 · DOUBLE double · DATE int32 days since 1970
 *   TIMESTAMPTZ int64 microseconds since 1970 UTC · TEXT, JSON UTF-8 · BLOB bytes
 *   DECIMAL(p,s) unscaled integer, in DuckDB vectors int16 for p<=4, int32 p<=9, int64 p<=18,
 *   else int128 · LIST child, MAP list of struct(key, value), STRUCT fields
 *
 * Thread: any; types do not change.
 */
#ifndef RDL_BASE_TYPE_H
#define RDL_BASE_TYPE_H

#include "base/arena.h"
#include "base/str.h"

typedef enum rdl_type_kind {
    RDL_TYPE_BOOLEAN = 1,
    RDL_TYPE_INTEGER,
    RDL_TYPE_BIGINT,
    RDL_TYPE_DOUBLE,
    RDL_TYPE_DECIMAL,
    RDL_TYPE_TEXT,
    RDL_TYPE_BLOB,
    RDL_TYPE_DATE,
    RDL_TYPE_TIMESTAMPTZ,
    RDL_TYPE_JSON,
    RDL_TYPE_LIST,
    RDL_TYPE_MAP,
    RDL_TYPE_STRUCT,
} rdl_type_kind;

typedef struct rdl_type rdl_type;
struct rdl_type {
    rdl_type_kind kind;
    uint8_t precision, scale;     /* DECIMAL; 1 <= precision <= 38, scale <= precision */
    const rdl_type *child;        /* LIST element, MAP key */
    const rdl_type *value;        /* MAP value */
    size_t field_count;           /* STRUCT */
    const rdl_str *field_names;   /* STRUCT */
    const rdl_type **field_types; /* STRUCT */
};

typedef struct rdl_column {
    rdl_str name;
    const rdl_type *type;
} rdl_column;

typedef struct rdl_schema {
    rdl_column *v;
    size_t n;
} rdl_schema;

/* A shared constant; not for DECIMAL, LIST, MAP, STRUCT. */
const rdl_type *rdl_type_of(rdl_type_kind kind);
const rdl_type *rdl_type_decimal(rdl_arena *a, unsigned precision, unsigned scale);
const rdl_type *rdl_type_list(rdl_arena *a, const rdl_type *element);
const rdl_type *rdl_type_map(rdl_arena *a, const rdl_type *key, const rdl_type *value);
/*
 * Read a type as users and DuckDB write it: INT, INTEGER, INT4, SMALLINT, TINYINT (as INTEGER),
 * BIGINT, HUGEINT (as DECIMAL(38,0)), FLOAT/REAL/DOUBLE (as DOUBLE), DECIMAL(p[,s]), NUMERIC,
 * TEXT, VARCHAR[(n)], STRING, BLOB, BYTEA, DATE, TIMESTAMP [WITH TIME ZONE], TIMESTAMPTZ, JSON,
 * T[], LIST<T>/ARRAY<T>, MAP(K,V), STRUCT(a T, "b c" U).  Case does not matter.
 * RDL_ESCHEMA when it is none of these, with the accepted ones in the hint.
 */
RDL_MUST rdl_code rdl_type_parse(rdl_arena *a, rdl_str text, const rdl_type **out, rdl_err *err);
/* DuckDB's spelling, which rdl_type_parse reads back: "DECIMAL(18,6)", "TIMESTAMP WITH TIME
 * ZONE". */
void rdl_type_print(const rdl_type *t, rdl_buf *out);
/* For people, as a pipeline's text has it: TEXT, TIMESTAMPTZ. */
void rdl_type_show(const rdl_type *t, rdl_buf *out);
bool rdl_type_eq(const rdl_type *a, const rdl_type *b);
bool rdl_type_is_scalar(const rdl_type *t);
/* The types inside: the element of a LIST, key and value of a MAP, the fields of a STRUCT. */
size_t rdl_type_child_count(const rdl_type *t);
const rdl_type *rdl_type_child(const rdl_type *t, size_t i);
/* Index of the column, compared without case; -1 when it is not there. */
int rdl_schema_find(const rdl_schema *s, rdl_str name);

#endif
