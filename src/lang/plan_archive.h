/*
 * lang/plan_archive.h - values of a pipeline to bytes and back, for plan_cache.c.
 *
 * One function serves both ways, so that they cannot drift apart: it writes *v, or reads into it.
 * Numbers are 8 bytes, little-endian; a text is its length + 1 and its bytes (0: no text); a table
 * is its index; a place is its file's index + 1, offset and length; a type is its kind (0: none)
 * and what the kind needs.
 *
 * What is read is in the pipeline's arena.  Bytes that mean nothing set `bad` and leave a value
 * that can be walked over.
 *
 * Thread: one at a time.
 */
#ifndef RDL_LANG_PLAN_ARCHIVE_H
#define RDL_LANG_PLAN_ARCHIVE_H

#include "lang/plan.h"

typedef struct rdl_archive {
    rdl_pipeline *p;
    bool reading, bad;
    rdl_buf out;
    rdl_str in;
    size_t at;
} rdl_archive;

void rdl_archive_number(rdl_archive *x, uint64_t *v);
/* A number below a bound; 0 when it is not. */
void rdl_archive_bounded(rdl_archive *x, uint64_t *v, uint64_t below);
void rdl_archive_whole(rdl_archive *x, int64_t *v);
/* How many follow; each takes 8 bytes at least, so a wild count is seen here. */
void rdl_archive_count(rdl_archive *x, size_t *n);
/* Whether a thing is there; for reading, the caller makes it. */
bool rdl_archive_present(rdl_archive *x, bool there);
void rdl_archive_text(rdl_archive *x, rdl_str *s);
void rdl_archive_place(rdl_archive *x, rdl_pos *pos);
void rdl_archive_hash(rdl_archive *x, rdl_hash128 *h);
/* Places in a list of `below`. */
void rdl_archive_indexes(rdl_archive *x, size_t **v, size_t *n, size_t below);
/* A table that comes before number `below` of the pipeline, and a list of them. */
void rdl_archive_reference(rdl_archive *x, rdl_table **t, size_t below);
void rdl_archive_references(rdl_archive *x, rdl_table ***v, size_t *n, size_t below);
void rdl_archive_type(rdl_archive *x, const rdl_type **t, size_t depth); /* depth 0 */
void rdl_archive_types(rdl_archive *x, const rdl_type ***v, size_t *n);
void rdl_archive_columns(rdl_archive *x, rdl_schema *s);
void rdl_archive_options(rdl_archive *x, rdl_option **v, size_t *n);

/* An enum, a bool, a small number. */
#define RDL_ARCHIVE_SMALL(x, field, below)                                                         \
    do {                                                                                           \
        uint64_t small_ = (uint64_t)(field);                                                       \
        rdl_archive_bounded((x), &small_, (below));                                                \
        (field) = (unsigned char)small_;                                                           \
    } while (0)
#define RDL_ARCHIVE_FLAG(x, field)                                                                 \
    do {                                                                                           \
        uint64_t flag_ = (field);                                                                  \
        rdl_archive_bounded((x), &flag_, 2);                                                       \
        (field) = flag_ != 0;                                                                      \
    } while (0)

#define RDL_ARCHIVE_ARRAY(x, v, n, type)                                                           \
    do {                                                                                           \
        rdl_archive_count((x), &(n));                                                              \
        if ((x)->reading)                                                                          \
            (v) = RDL_NEWN((x)->p->arena, type, (n) + 1);                                          \
    } while (0)

#endif
