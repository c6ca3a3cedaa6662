/*
 * cql/type.h - types as answers describe them, and the bounds of nesting.
 *
 * [option] in metadata: [short] id, then for custom [string] class; list, set: [option];
 * map: two; UDT: [string] keyspace, [string] name, [short] n, n times [string] [option];
 * tuple: [short] n, n [option].  A custom class that is a built-in type under its Java name
 * (vectors always, duration in version 4) is taken as that type.
 *
 * Thread: any, for what is not shared.
 */
#ifndef RDL_CQL_TYPE_H
#define RDL_CQL_TYPE_H

#include "cql/cql.h"
#include "cql/wire.h"

enum {
    RDL_CQL_TYPES_MAX = 1 << 16, /* in one description */
    RDL_CQL_DIMENSION_MAX = 1 << 16,
};

typedef struct rdl_cql_type_reader {
    rdl_arena *arena;
    rdl_wire *wire;
    uint32_t left; /* types that may still come; starts at RDL_CQL_TYPES_MAX */
} rdl_cql_type_reader;
/* NULL when it cannot be understood (the wire is then bad); names are copied. */
const rdl_cql_type *rdl_cql_type_read(rdl_cql_type_reader *r, unsigned depth);
/* "org.apache.cassandra.db.marshal.VectorType(…)"; what is not known becomes CUSTOM. */
const rdl_cql_type *rdl_cql_type_of_class(rdl_arena *a, rdl_str name);
const rdl_cql_type *rdl_cql_type_scalar(rdl_cql_kind k);
/* "int", "text", …; NULL for those that have parameters. */
const char *rdl_cql_kind_name(rdl_cql_kind k);
/* Bytes of each value of a type with one size, else 0. */
uint32_t rdl_cql_fixed_bytes(const rdl_cql_type *t);

#endif
