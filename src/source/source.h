/*
 * source/source.h - what every source of rows promises the engine.
 *
 * A source is APPEND-ONLY (records that come once and stay: files, topics) or a SNAPSHOT (versions
 * of a whole: a folder, a table of a database).  The engine calls
 *
 *     open -> restore* -> ( next -> inputs -> [restore* -> settle | rewind] )* -> close
 *     open -> ( version -> version_inputs )* -> close                       (SNAPSHOT)
 *
 * PROMISES
 *   N1  Ranges of one partition that `next` gives follow each other without gap or overlap, from
 *       the end of the last one restored.  What is between is either a record or counted as absent.
 *   N2  A given range reads the same however often `inputs` is asked, until settle or rewind.
 *   N3  After rewind, next gives again what was given and not restored, perhaps cut otherwise.
 *   N4  Where a range begins is told by restore alone (from the journal at start, then from each
 *       seal); a source keeps no progress of its own that counts.
 *   N5  Records of a partition come in order, each with a number (_source_offset) that is its own
 *       for ever; a partition's number (_source_partition) is registered once in a seal, by its
 *       name.
 *   N6  Nothing waits longer than the engine lets it: a call that must wait returns when *stop is
 *       set.
 *   N7  No secret of an option reaches a message, a log line, a range or a name.
 *
 * Thread: the epoch thread.  A source may have threads of its own behind these calls.
 */
#ifndef RDL_SOURCE_SOURCE_H
#define RDL_SOURCE_SOURCE_H

#include <stdatomic.h>

#include "base/clock.h"
#include "base/fs.h"
#include "source/decode/decode.h"
#include "source/files.h"

typedef enum rdl_range_kind {
    RDL_RANGE_FILE,
    RDL_RANGE_KAFKA,
} rdl_range_kind;

/* Offsets of one partition of a topic. */
typedef struct rdl_kafka_range {
    const char *cluster; /* its id */
    const char *topic;
    int32_t partition;   /* the broker's number */
    uint64_t begin, end; /* offsets, half open: records + absent = end - begin */
    uint64_t absent;     /* transaction markers, aborted and compacted records */
    uint64_t lost;       /* part of absent: removed by retention before they were read */
} rdl_kafka_range;

/* What one epoch takes of one partition. */
typedef struct rdl_range {
    rdl_range_kind kind;
    int32_t number;   /* _source_partition; -1: not registered yet */
    const char *name; /* what the number is registered for */
    uint64_t bytes;   /* of input, for limits */
    uint64_t records; /* rows and malformed; of files known after decoding */
    union {
        rdl_file_range file;
        rdl_kafka_range kafka;
    } u;
} rdl_range;

typedef struct rdl_source_limits {
    uint64_t files_max, bytes_max,
        rows_max;     /* per call; 0: no bound; at least one record is given */
    double row_bytes; /* what a row takes in its input, for kinds that cannot count rows */
    bool row_bytes_guessed; /* nothing was read yet */
    bool final; /* all there is, then stop: unfinished lines too; next waits for what must come */
} rdl_source_limits;

/* What to decode, and which range each input belongs to. */
typedef struct rdl_source_inputs {
    RDL_VEC(rdl_decode_input) list;
    RDL_VEC(size_t) range; /* by input: index of its range */
} rdl_source_inputs;

/* What waits and was not given; an estimate. */
typedef struct rdl_source_lag {
    uint64_t files, bytes, rows;
    bool ready; /* an epoch's worth (by limits) is at hand */
} rdl_source_lag;

/* A version of a SNAPSHOT. */
typedef struct rdl_version {
    rdl_hash128 hash;   /* of the content: the same hash is the same version */
    size_t n;           /* parts (files); 0: there is nothing yet */
    const char **names; /* by part: what its number is registered for */
    uint64_t bytes;
    void *own; /* the source's, in the arena of the call */
} rdl_version;

typedef struct rdl_source_option {
    rdl_str name, value; /* names in lower case */
} rdl_source_option;

typedef struct rdl_source_config {
    const char *pipeline; /* its name */
    const char *name;     /* of the source */
    const char *base_dir; /* relative paths start here */
    const char *url;
    const rdl_source_option *options;
    size_t option_count;
    bool parquet; /* FORMAT PARQUET: the engine reads the files itself */
    bool snapshot;
    const rdl_decode_spec *spec; /* format, columns; borrowed while open runs */
    int repeat;                  /* RDL_FILES_REPEAT_... of files.h */
    bool may_repeat;             /* every table on it deduplicates */
    bool loss_continues;         /* ON DATA LOSS CONTINUE */
    rdl_clock *clock;
    const atomic_int *stop;
    rdl_watch *watch; /* to wake when something came; may be NULL */
} rdl_source_config;

typedef struct rdl_source_ops rdl_source_ops;
/* The head of every implementation's own struct. */
typedef struct rdl_source {
    const rdl_source_ops *ops;
} rdl_source;

struct rdl_source_ops {
    const char *kind; /* the scheme of its URL; "file" is also what has none */
    /* Does not connect: a peer that is down is met by the first next. */
    rdl_code (*open)(const rdl_source_config *config, rdl_source **out, rdl_err *err);

    /* ---- append-only; NULL when the kind has none ---- */
    void (*restore)(rdl_source *s, const rdl_range *sealed);
    /* The input of a restored range was taken away (source/landing.h): what comes under its name is
     * new, and its content again is a re-delivery.  NULL for kinds that have no such thing. */
    void (*forget)(rdl_source *s, const rdl_range *cleared);
    /* The next ranges, in arrival order of their first records; none when there is nothing new. */
    rdl_code (*next)(rdl_source *s, rdl_arena *a, const rdl_source_limits *limits, rdl_range **out,
                     size_t *out_n, rdl_err *err);
    /* From now on next gives only what is there at this moment: --once ends. */
    rdl_code (*freeze)(rdl_source *s, rdl_err *err);
    /* Inputs of given ranges, for a decode job; they live until settle or rewind. */
    rdl_code (*inputs)(rdl_source *s, rdl_arena *a, const rdl_range *ranges, size_t n,
                       rdl_source_inputs *out, rdl_err *err);
    void (*rewind)(rdl_source *s); /* forget what was given and not restored */
    /* All ranges of a seal are restored; or the version at hand is the sealed one.  May be NULL. */
    void (*settle)(rdl_source *s);
    rdl_code (*lag)(rdl_source *s, const rdl_source_limits *limits, rdl_source_lag *out,
                    rdl_err *err);
    /* Begin (or go on) to wake config.watch when input comes; called after each epoch. */
    void (*watch)(rdl_source *s);
    /* An epoch's worth is at hand: lag.ready, and cheap; NULL: ask lag. */
    bool (*ready)(rdl_source *s, const rdl_source_limits *limits);

    /* ---- SNAPSHOT; NULL when the kind has none ---- */
    /* The current version, landed nowhere yet: the engine compares the hash with the last
     * sealed. */
    rdl_code (*version)(rdl_source *s, rdl_arena *a, rdl_version *out, rdl_err *err);
    /* Its content for a decode job, one or more inputs per part (range: index of the part); what is
     * held for it goes with settle or the next version. */
    rdl_code (*version_inputs)(rdl_source *s, rdl_arena *a, const rdl_version *v,
                               rdl_source_inputs *out, rdl_err *err);

    void (*close)(rdl_source *s); /* NULL is fine */
};

extern const rdl_source_ops rdl_source_files, rdl_source_kafka, rdl_source_postgres;

/* By the URL's scheme; config.snapshot must be something that the kind has. */
RDL_MUST rdl_code rdl_source_open(const rdl_source_config *config, rdl_source **out, rdl_err *err);
/* The kind of a URL as ops.kind says it; a path is "file". */
RDL_MUST rdl_code rdl_source_find(rdl_str url, const rdl_source_ops **out, rdl_err *err);

/* Options that several kinds read. */
rdl_str rdl_source_option_text(const rdl_source_config *c, const char *name, const char *fallback);
/* "500 ms", "1 minute"; RDL_EUSAGE naming the option when it is not an interval. */
RDL_MUST rdl_code rdl_source_option_interval(const rdl_source_config *c, const char *name,
                                             const char *fallback, int64_t *out_us, rdl_err *err);

#endif
