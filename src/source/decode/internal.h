/*
 * source/decode/internal.h - what the parts of the decoder share.
 *
 * LIFE OF A BYTE.  A worker (one per DuckDB thread) takes a *stream* (a whole input, read
 * in windows) or a *piece* (a part of a large uncompressed JSON-lines file, cut at
 * newlines).  It reads a window of it into its own buffer, parses records in place, and
 * writes values straight into the chunk that DuckDB gave.  Strings longer than 12 bytes are
 * not copied: they point into the buffer.
 *
 * INVARIANTS
 *   D1  The buffer's bytes do not move or change while a chunk has rows (the next call of
 *       `next` on the same thread means that DuckDB is done with the chunk).
 *   D2  A window ends in a byte that no token accepts ('\n' for lines, '\0' for arrays and
 *       CSV), with RDL_DECODE_PAD readable bytes after it, so that scanning needs no bounds.
 *   D3  A record that is malformed leaves no trace in the chunk: its row is written again.
 *   D4  The number of a piece's first record is known before its first row is given: pieces
 *       are taken in order and publish their counts before they are parsed.
 *
 * D1 is checked by decode_json_test (windows of a few bytes), D2 by the sanitizers over the
 * fuzz corpora, D3 and D4 by the differential cases with pieces of 64 bytes.
 *
 * Thread: a worker belongs to one thread; rdl_decode is shared, under its lock.
 */
#ifndef RDL_SOURCE_DECODE_INTERNAL_H
#define RDL_SOURCE_DECODE_INTERNAL_H

#include <locale.h>
#include <stdatomic.h>

#include "base/fs.h"
#include "base/thread.h"
#include "source/decode/decode.h"
#include "source/decode/lines.h"

enum {
    RDL_DECODE_DEPTH_MAX = 64,
    RDL_DECODE_PAD = 64,              /* readable bytes after a window */
    RDL_DECODE_KEY_INLINE = 32,       /* quoted key compared in two vector loads */
    RDL_DECODE_WINDOW = 512 << 10,    /* bytes read at once */
    RDL_DECODE_KEPT_MAX = 64 * 1024,  /* bytes kept of a malformed record */
    RDL_DECODE_RECORD_MAX = 16 << 20, /* default of record_bytes_max */
};

/* What became of a value, or of a record. */
typedef enum rdl_put {
    RDL_PUT_OK,
    RDL_PUT_NOCAST, /* sound, but not of the column's type: null and _rescued */
    RDL_PUT_BAD,    /* the record is malformed; why and why_at say where */
    RDL_PUT_MORE,   /* the window ends inside the record */
} rdl_put;

/* A declared column as the parsers look it up. */
typedef struct rdl_field {
    char key[RDL_DECODE_KEY_INLINE]; /* "name" with its quotes, zeros behind */
    uint32_t key_bytes;              /* 0: longer than that, or not to be compared so */
    int32_t same;                    /* next column that reads the same field; -1: none */
    rdl_str name;
    const rdl_type *type;
    rdl_decode_from from;
} rdl_field;

/* A vector of the chunk being filled, with the room that its children have. */
typedef struct rdl_node rdl_node;
struct rdl_node {
    const rdl_type *type;
    rdl_vector *v;
    rdl_node *children;
    size_t child_count;
    uint64_t used, cap; /* LIST and MAP: elements */
};

typedef struct rdl_inflate rdl_inflate;

/* A large file cut in pieces; under job->lock except where said. */
typedef struct rdl_split {
    uint64_t piece_bytes;
    size_t pieces, taken, read;
    size_t known;              /* pieces 0..known know what comes before them */
    uint64_t *records, *lines; /* by piece: before it if <= known, else in the one before it */
    bool *published;           /* by piece: its own are counted */
} rdl_split;

typedef struct rdl_dinput {
    rdl_decode_input in;
    rdl_file *file;  /* while it is read */
    uint64_t end;    /* of the unpacked content; UINT64_MAX when compressed */
    uint64_t packed; /* size of the file */
    rdl_compression compression;
    bool array;
    rdl_split *split;
    struct rdl_dinput *next_split;
    _Atomic uint64_t records;
} rdl_dinput;

struct rdl_decode {
    rdl_decode *first; /* what the user holds, when this is a later reading of it; else itself */
    rdl_decode_spec spec;
    rdl_duck *duck; /* NULL: not registered */
    rdl_arena arena;
    char *name;
    rdl_scan_ops ops;
    rdl_schema schema;
    rdl_field *fields;
    size_t field_count;
    size_t value_count;           /* fields of the payload */
    bool of_messages, tombstones; /* inputs are messages; a missing payload makes a row */
    uint32_t *slots;              /* field index + 1 by hash of the key; 0 is free */
    uint32_t slot_mask;
    bool nested; /* some column is a list, map or struct */
    locale_t c_locale;
    uint64_t window_bytes, piece_bytes;

    rdl_dinput *inputs;
    size_t input_count;

    rdl_mutex lock;
    rdl_cond changed;
    size_t next_input;                /* under lock */
    size_t opening;                   /* under lock */
    rdl_dinput *splits;               /* under lock: with pieces left, in order */
    bool failed;                      /* under lock */
    bool taken;                       /* under lock: its own reading has begun */
    bool left;                        /* under lock: a worker went before it was done */
    RDL_VEC(rdl_malformed) malformed; /* under lock */
    rdl_arena malformed_arena;        /* under lock */
    bool sorted;

    _Atomic uint64_t rows, bad, rescued, bytes;
    _Atomic uint64_t busy_us; /* of the first reading: all readings' */

    rdl_inflate *raw; /* rdl_decode_raw: an open stream of raw_input, at raw_at */
    rdl_file *raw_file;
    size_t raw_input;
    uint64_t raw_at;
};

/* What comes next in a JSON array. */
typedef enum rdl_array_state {
    RDL_ARRAY_BEFORE,  /* '[' */
    RDL_ARRAY_OPEN,    /* an element or ']' */
    RDL_ARRAY_ELEMENT, /* an element */
    RDL_ARRAY_AFTER,   /* ',' or ']' */
    RDL_ARRAY_CLOSED,  /* white space */
} rdl_array_state;

/* CSV: a field of the record being parsed. */
typedef struct rdl_csv_field {
    const char *p;
    uint32_t n;
    bool quoted, escaped;
} rdl_csv_field;

typedef struct rdl_worker {
    rdl_decode *job;

    /* The chunk. */
    rdl_chunk *out;
    size_t row, run_from; /* rows run_from..row come from `in` and are not stamped yet */
    rdl_node *nodes;      /* by declared column */
    uint64_t *marks;      /* used of every list node at the start of the record */
    rdl_vector *rescued, *partition, *offset, *file, *record_at, *record_bytes; /* or NULL */
    rdl_chunk *scratch; /* takes columns that the query does not read */
    rdl_arena heap;     /* unescaped text, until the next chunk */
    char *heap_block, *heap_at, *heap_end;

    /* What is read. */
    rdl_dinput *in;
    rdl_inflate *inflate;
    bool piece;
    size_t piece_no;
    char *buf;        /* one per thread, as large as the longest record needs */
    size_t cap, tail; /* tail: end of what the chunk may point to */
    char *base;       /* the window */
    size_t n;
    uint64_t base_at;     /* place of base in the unpacked file */
    uint64_t read_at;     /* next byte to read */
    bool eof;             /* the window ends where the input ends */
    const char *p, *stop; /* records that are complete */
    size_t message;       /* of in->in.records: the next one */
    bool first;           /* nothing of the stream or piece is read yet */
    bool header_read;     /* CSV: csv_columns is set */
    bool hungry;          /* the bytes from p on are an incomplete record */
    rdl_array_state array_state;
    uint64_t record, line; /* of the next record; from 0 */
    void *retired;         /* a former buffer that rows of the chunk point into, or NULL */

    /* JSON. */
    bool multiline;    /* a newline is white space */
    bool struct_extra; /* the value holds a struct with an undeclared field */
    unsigned depth;
    uint64_t serial; /* of the record, for `seen` */
    uint64_t *seen;  /* by column */
    uint32_t *after; /* by column + 1 (0: the start): the one that came next last time */
    rdl_put status;  /* why a parse function gave NULL */
    const char *why, *why_at;
    char why_text[96]; /* why, when it is made up */
    rdl_buf rescue;    /* the record's _rescued so far */
    rdl_buf text;      /* scratch */

    /* CSV. */
    RDL_VEC(rdl_csv_field) csv;
    RDL_VEC(int32_t) csv_columns; /* header position to column; -1: undeclared */
    RDL_VEC(rdl_str) csv_names;   /* header names */
    int32_t *csv_extra;           /* by column: the next one reading the same field */
    rdl_arena csv_arena;

    uint64_t rows_done, bad_done, rescued_done, bytes_done; /* not yet added to the job's */
} rdl_worker;

/* job.c */
RDL_MUST rdl_code rdl_decode_new(const rdl_decode_spec *spec, const rdl_decode_input *inputs,
                                 size_t input_count, rdl_decode **out, rdl_err *err);
/* Bytes per window and per piece, for tests; before the first row. */
void rdl_decode_set_sizes(rdl_decode *j, uint64_t window_bytes, uint64_t piece_bytes);
RDL_MUST rdl_code rdl_worker_open(void *scan, void **out_local, rdl_err *err);
RDL_MUST rdl_code rdl_worker_next(void *scan, void *local, const bool *wanted, rdl_chunk *out,
                                  rdl_err *err);
void rdl_worker_close(void *local);
/* One malformed record: its first `kept` bytes of `total`. */
void rdl_worker_malformed(rdl_worker *w, uint64_t at, const char *p, size_t kept, uint64_t total,
                          const char *reason);

/* raw.c */
void rdl_raw_close(rdl_decode *j);

/* window.c */
typedef enum rdl_fill {
    RDL_FILL_READY,
    RDL_FILL_FLUSH, /* give the chunk first: the buffer is needed */
    RDL_FILL_DONE,
} rdl_fill;
RDL_MUST rdl_code rdl_window_next(rdl_worker *w, rdl_fill *out, rdl_err *err);
void rdl_window_finish(rdl_worker *w); /* the stream or piece is parsed */
void rdl_window_chunk(rdl_worker *w);  /* a new chunk begins: the old one's bytes are free */
/* Read up to n bytes of the unpacked content at w->read_at; *out_n 0 at the end. */
RDL_MUST rdl_code rdl_window_read(rdl_worker *w, char *to, size_t n, size_t *out_n, rdl_err *err);
/* input.c: the next stream or piece for w; *out false when there is none. */
RDL_MUST rdl_code rdl_input_take(rdl_worker *w, bool *out, rdl_err *err);
void rdl_input_close(rdl_dinput *in);
/* A piece's lines and records are counted: gives what comes before it in the file. */
RDL_MUST rdl_code rdl_split_publish(rdl_worker *w, uint64_t lines, uint64_t records, rdl_err *err);
void rdl_split_read(rdl_worker *w); /* the piece's bytes are in the buffer */
void rdl_job_fail(rdl_decode *j);   /* nobody waits any more */

/* json.c, json_skip.c: NULL: w->status says why.  A value at p into node[row]: */
const char *rdl_json_put(rdl_worker *w, rdl_node *node, size_t row, const char *p);
/* Past the value at p, checked throughout; NULL: malformed. */
const char *rdl_json_skip(rdl_worker *w, const char *p);
const char *rdl_json_space(const rdl_worker *w, const char *p);
/* Unescape the string whose opening quote is at p; gives the byte after the closing one. */
const char *rdl_json_unescape(rdl_worker *w, const char *p, rdl_str *out);
/* The object at p into the chunk's row; gives the byte after it. */
const char *rdl_json_object(rdl_worker *w, const char *p);
void rdl_worker_rescue_key(rdl_worker *w, const char *key, size_t n); /* raw key with quotes */
void rdl_fields_index(rdl_decode *j);

/* records.c: as many records as the chunk takes. */
RDL_MUST rdl_code rdl_json_lines(rdl_worker *w, rdl_err *err);
RDL_MUST rdl_code rdl_json_array(rdl_worker *w, rdl_err *err);
/* Before a row is written, and: */
void rdl_worker_mark(rdl_worker *w);
/* take the row that was written, or undo it and report; total bytes at p. */
void rdl_worker_accept(rdl_worker *w, const char *p, size_t bytes);
void rdl_worker_refuse(rdl_worker *w, const char *p, size_t bytes, const char *unit);

/* csv.c */
RDL_MUST rdl_code rdl_csv_rows(rdl_worker *w, rdl_err *err);
/* One record at p, whole; RDL_PUT_BAD: why says. */
rdl_put rdl_csv_message(rdl_worker *w, const char *p, size_t bytes);

/* messages.c: as many messages as the chunk takes. */
void rdl_message_rows(rdl_worker *w);

/* value.c: text into node[row], as CAST would read it. */
rdl_put rdl_put_text(rdl_worker *w, rdl_node *node, size_t row, rdl_str text);
void rdl_put_string(rdl_vector *v, size_t row, rdl_str s); /* not copied */
void rdl_put_null(rdl_node *node, size_t row);
void rdl_put_valid(rdl_vector *v, size_t row);
char *rdl_worker_take(rdl_worker *w, size_t n); /* from the chunk's heap */
bool rdl_node_grow(rdl_node *node, uint64_t need);

/* number.c */
rdl_put rdl_number_integer(const char *p, size_t n, int64_t min, int64_t max, int64_t *out);
rdl_put rdl_number_double(const char *p, size_t n, locale_t c_locale, double *out);
rdl_put rdl_number_decimal(const char *p, size_t n, unsigned precision, unsigned scale,
                           rdl_i128 *out);

/* timefmt.c: strptime's %Y %m %d %H %M %S %f %y %b %B %a %A %j %p %I %z %F %T %D %s %% */
bool rdl_time_scan(rdl_str format, rdl_str text, int64_t *out_us);

/* utf8.c: bytes of the longest valid prefix; n when all is. */
size_t rdl_utf8_valid(const char *p, size_t n);

/* inflate.c: gzip members and zstd frames, one after the other. */
RDL_MUST rdl_code rdl_inflate_new(rdl_compression c, rdl_file *borrowed, rdl_str memory,
                                  const char *shown, rdl_inflate **out, rdl_err *err);
/* Up to n unpacked bytes; *out_n 0 at the end. */
RDL_MUST rdl_code rdl_inflate_read(rdl_inflate *s, char *to, size_t n, size_t *out_n, rdl_err *err);
void rdl_inflate_free(rdl_inflate *s);
rdl_compression rdl_inflate_detect(const char *p, size_t n);

#endif
