/*
 * source/decode/decode.h - raw bytes to columns by the declared schema, strictly.
 *
 * A job is a list of inputs (byte ranges of files, or memory).  Decoding is parallel over
 * inputs and over pieces of large ones; every record keeps the place it came from.  Rows come
 * out of a scan (duck/duck.h) registered by rdl_decode_register, in no promised order, with
 * the columns of rdl_decode_schema:
 *
 *   the decoded columns (those without an expression), in declared order
 *   _rescued JSON              {"field": value, ...} of undeclared fields and of values that did
 *                              not cast; NULL when there are none
 *   _source_partition INTEGER  the input's
 *   _source_offset BIGINT      number of the record in its file from 0, header not counted;
 *                              malformed and empty-array records count, blank lines do not
 *   _source_file TEXT          the input's path as planned
 *   _record_at BIGINT, _record_bytes INTEGER   where the record's bytes lie in the (unpacked) file
 *
 * A malformed record (not JSON, wrong number of CSV fields, invalid UTF-8, number overflow in the
 * text itself, nesting over 64, record over record_bytes_max) gives no row: it goes to `malformed`
 * with its bytes (cut at 64 KiB), its place and the reason, and decoding goes on at the next record
 * (in a JSON array: at the next element where it can be found, else the rest is one malformed
 * record).  A value of another JSON type is cast if it casts (number to text keeping its spelling,
 * numeric text to number, "true"/"false" to boolean, date and time text); if not, the field is null
 * and the value lies in _rescued.  A JSON null or missing field is null.  CSV: an unquoted empty
 * field is null, a quoted one is ''; extra header columns go to _rescued; a missing declared column
 * is an error of the file (RDL_ESCHEMA naming both).
 *
 * Where the rules above leave a choice: a record of JSON lines is one line, whatever is on it; a
 * field given twice makes it malformed (as for read_json); a sound JSON number too large for its
 * column is malformed, while text (and any CSV field) that does not fit is rescued; an object
 * or list in a TEXT column is its JSON text; 0 and 1 are booleans; decimals are rounded half away
 * from zero to their scale; 1.5 is no INTEGER; a list, map or struct with an element that does
 * not cast is null as a whole and rescued as a whole; a struct with undeclared fields is kept,
 * and also rescued whole.  A CSV record whose quotes are out of order is malformed up to the end
 * of its first line.  Compressed inputs are always read whole (begin and end do not count).
 *
 * MESSAGES.  An input may be a list of records that were cut already (a topic's): one payload is
 * one record, _source_offset its offset, _record_at too.  A JSON payload is one object, a CSV
 * payload one line without a header, a TEXT payload goes whole into the only column.  A record
 * without a payload (a tombstone) is a row of nulls when some column is FROM KEY or FROM TOMBSTONE,
 * else malformed.
 *
 * Thread: a job is run by DuckDB's threads; the rest is the caller's thread.
 */
#ifndef RDL_SOURCE_DECODE_H
#define RDL_SOURCE_DECODE_H

#include "duck/duck.h"

typedef enum rdl_decode_format {
    RDL_DECODE_JSON, /* lines, or one array of objects: told by the first byte */
    RDL_DECODE_CSV,
    RDL_DECODE_TEXT, /* messages alone: the payload as it is */
} rdl_decode_format;

/* What of a message a column holds. */
typedef enum rdl_decode_from {
    RDL_FROM_FIELD, /* of the payload */
    RDL_FROM_KEY,
    RDL_FROM_TIMESTAMP,
    RDL_FROM_HEADERS, /* a list of {key, value}, or a map; by the column's type */
    RDL_FROM_TOPIC,
    RDL_FROM_PARTITION,
    RDL_FROM_OFFSET,
    RDL_FROM_TOMBSTONE, /* BOOLEAN: the message has no payload */
    RDL_FROM_VALUE,     /* the record as it came, byte by byte; TEXT or BLOB */
    RDL_FROM_COUNT,
} rdl_decode_from;

typedef enum rdl_compression {
    RDL_COMPRESSION_AUTO, /* by the first bytes: gzip, zstd or none */
    RDL_COMPRESSION_NONE,
    RDL_COMPRESSION_GZIP,
    RDL_COMPRESSION_ZSTD,
} rdl_compression;

typedef struct rdl_decode_column {
    rdl_str name, field;
    const rdl_type *type;
    rdl_decode_from from;
} rdl_decode_column;

typedef struct rdl_decode_spec {
    rdl_decode_format format;
    const rdl_decode_column *columns;
    size_t column_count;
    char delimiter, quote, escape; /* CSV; default , " " */
    bool header;                   /* CSV; default true; without it fields are by position */
    rdl_str null_text;             /* CSV; unquoted text that means null, beside the empty field */
    rdl_str date_format, timestamp_format; /* strptime; empty: ISO */
    uint64_t record_bytes_max;             /* default 16 MiB */
} rdl_decode_spec;

/* A message.  Key, payload and headers lie in its block's bytes in this order. */
typedef struct rdl_record {
    int64_t offset;
    int64_t timestamp_us;  /* INT64_MIN: none */
    uint32_t at;           /* of the payload */
    int32_t bytes;         /* of it; -1: none */
    int32_t key_bytes;     /* of the key, which ends where the payload begins; -1: none */
    uint32_t header_bytes; /* JSON text behind the NUL that ends the payload */
} rdl_record;

/* Each payload ends in a NUL, and RDL_RECORDS_PAD bytes may be read behind the last. */
typedef struct rdl_records {
    const char *bytes;
    const rdl_record *v; /* ascending offsets */
    const char *topic;
    int32_t partition; /* the broker's number */
} rdl_records;
enum { RDL_RECORDS_PAD = 64 };

/* A range of one file.  Line formats may start and end inside the file, at record starts. */
typedef struct rdl_decode_input {
    const char *path;  /* opened when its turn comes; or: */
    rdl_str bytes;     /* memory, if path is NULL; display is then `shown` */
    const char *shown; /* _source_file */
    rdl_compression compression;
    int32_t partition;          /* _source_partition */
    uint64_t begin, end;        /* bytes of the unpacked content; half open; end 0: to the end */
    uint64_t first_record;      /* number of the record at begin */
    const rdl_records *records; /* messages instead of bytes; borrowed until rdl_decode_free */
    size_t first, count;        /* of them */
} rdl_decode_input;

typedef struct rdl_malformed {
    int32_t partition;
    uint64_t offset;    /* record number */
    uint64_t record_at; /* byte position */
    const char *shown;
    rdl_str bytes; /* at most 64 KiB of them */
    uint64_t bytes_total;
    const char *reason; /* "line 14, byte 63: expected ':' after the field name" */
} rdl_malformed;

typedef struct rdl_decode_counts {
    uint64_t rows, malformed, rescued; /* rescued: rows with a non-null _rescued */
    uint64_t bytes;                    /* unpacked */
} rdl_decode_counts;

typedef struct rdl_decode rdl_decode;

/* Sets the defaults named above. */
void rdl_decode_spec_init(rdl_decode_spec *spec);
void rdl_decode_schema(rdl_arena *a, const rdl_decode_spec *spec, rdl_schema *out);
/*
 * Register the job as scan `name`.  The spec and inputs are copied.  Each reading of the scan
 * decodes anew and gives the same rows; what is asked of the job below is known from the first
 * one, when that came to its end (rdl_decode_is_read).  An input that cannot be read, or an
 * unpacking error, fails the query with RDL_AREA_SOURCE.
 */
RDL_MUST rdl_code rdl_decode_register(rdl_duck *d, const char *name, const rdl_decode_spec *spec,
                                      const rdl_decode_input *inputs, size_t input_count,
                                      rdl_decode **out, rdl_err *err);
/* All records of all inputs were seen: a query may stop early (a join with nothing). */
bool rdl_decode_is_read(rdl_decode *j);
/* Time that threads spent decoding, in all readings; processor time of each. */
uint64_t rdl_decode_busy_us(const rdl_decode *j);
void rdl_decode_result(const rdl_decode *j, rdl_decode_counts *out); /* after the query */
/* Malformed records sorted by (partition, offset); they live as long as the job. */
const rdl_malformed *rdl_decode_malformed(rdl_decode *j, size_t *out_n);
/* Records (rows and malformed) of input i: the next range starts at first_record + this. */
uint64_t rdl_decode_input_records(const rdl_decode *j, size_t i);
/* The raw bytes of a record, by what the scan said of it; appended. */
RDL_MUST rdl_code rdl_decode_raw(rdl_decode *j, int32_t partition, uint64_t record_at,
                                 uint64_t record_bytes, rdl_buf *out, rdl_err *err);
void rdl_decode_free(rdl_decode *j); /* drops the scan; NULL is fine */

#endif
