/*
 * sink/cassandra_internal.h - what the files of the Cassandra sink share:
 *
 *   cassandra.c           opening, begin, commit, abort
 *   cassandra_prepare.c   a table before its rows: whose, how far, is it still the same
 *   cassandra_url.c       the URL and its options
 *   cassandra_progress.c  who owns a table, and how far it is: lightweight transactions
 *   cassandra_table.c     keyspaces, types and tables: made, or checked
 *   cassandra_type.c      which of our types fits which of Cassandra's
 *   cassandra_rows.c      a row as its statement takes it
 *   cassandra_write.c     rows on their way: requests, answers, attempts
 *   cassandra_old.c       what a republication replaces
 *   cassandra_late.c      what went out when the claim may have been lost
 *   cassandra_value.c     values to and from the protocol
 *   cassandra_scan.c      every row read back
 *   cassandra_query.c     users' queries
 *
 * Thread: one at a time for a sink (sink.h).
 */
#ifndef RDL_SINK_CASSANDRA_INTERNAL_H
#define RDL_SINK_CASSANDRA_INTERNAL_H

#include "cql/cql.h"
#include "sink/sink.h"
#include "sink/text_value.h"

typedef struct rdl_cassandra rdl_cassandra;
typedef struct rdl_cassandra_slot rdl_cassandra_slot;

/* How the values of one of our types become those of one of Cassandra's, and back. */
typedef struct rdl_cassandra_conv rdl_cassandra_conv;
struct rdl_cassandra_conv {
    const rdl_type *from;
    const rdl_cql_type *to;
    bool live;                    /* a collection that is not frozen: empty is null */
    bool key;                     /* of the key: one spelling for each value */
    rdl_cassandra_conv *children; /* LIST: the element; MAP: key, value; STRUCT: by target field */
    size_t child_count;
    int *fields; /* STRUCT: by target field, ours; -1: we have none */
};

/* A row of raudal_progress. */
typedef struct rdl_cassandra_progress {
    bool exists;
    char root[64], holder[40];
    int64_t epoch;        /* shown whole; -1: not filled yet */
    int64_t target;       /* being written; equal to epoch when nothing is */
    int64_t write_us;     /* of the newest claim: later ones are later */
    uint8_t table_id[16]; /* of the table that this speaks of; zeros: not said */
} rdl_cassandra_progress;

/* A published table, from prepare to close. */
typedef struct rdl_cassandra_table {
    const char *name;
    const rdl_cql_table *there; /* as the server describes it */
    size_t column_count;
    const char **columns; /* the names that the server has, by our column */
    rdl_cassandra_conv *convs;
    const rdl_type **types;
    size_t *key;
    size_t key_count, partition_key_count;
    bool extra;     /* it has columns that are not ours */
    bool live_list; /* it has a list that is not frozen: see W6 */
    rdl_cql_consistency consistency;
    size_t batch_bytes;
    uint32_t in_flight;
    int64_t ttl_s;
    rdl_cassandra_progress progress;
    uint64_t schema_version; /* of the session, when `there` was read */
    int64_t quiet_us;        /* monotonic: from then on nobody else writes (O4) */
    int64_t foreign_us;      /* the latest time of a cell that is not ours and hides ours, or 0 */
    rdl_cql_statement *insert, *remove;
} rdl_cassandra_table;

typedef enum rdl_cassandra_kind {
    RDL_CASSANDRA_INSERT, /* nulls are left unset */
    RDL_CASSANDRA_UPSERT,
    RDL_CASSANDRA_REMOVE,
} rdl_cassandra_kind;

/* Rows of one request, until they are acknowledged. */
struct rdl_cassandra_slot {
    rdl_cassandra *s;
    rdl_cassandra_slot *next;
    rdl_cassandra_kind kind;
    rdl_buf rows, ends; /* encoded rows one after the other; where each ends, uint32_t */
    size_t count;
    unsigned attempts;
    int64_t later_us;    /* W8 */
    int64_t answered_us; /* monotonic; of a slot in `late` */
};

enum {
    RDL_CASSANDRA_HOLD_MS = 2000, /* how old the knowledge may be that a claim stands */
};

struct rdl_cassandra {
    rdl_sink sink; /* first */
    rdl_arena arena;
    rdl_cql_config config;
    rdl_cql *session;
    char *where; /* "host:9042/keyspace", for messages: no password */
    char *keyspace, *root_uuid;
    char holder[33]; /* of this opening */
    bool adopt, read_only;
    int64_t patience_us; /* how long nothing may be acknowledged before a batch is given up */
    RDL_VEC(rdl_cassandra_table *) tables;
    bool has_progress_table;
    rdl_cql_statement *read_progress, *claim, *finish;

    /* Of the open begin: */
    rdl_cassandra_table *table;
    bool whole, same_rows; /* same_rows: what a lost attempt wrote is what we write */
    int64_t from, to, write_us;
    int64_t held_us; /* monotonic: when the claim was last known to stand */
    bool overtaken;  /* another claim came after ours: overtaker */
    rdl_cassandra_progress overtaker;
    rdl_cassandra_slot *free, *retry; /* lists of slots */
    rdl_cassandra_slot *late;         /* answered, but when the claim may have been lost (O5) */
    size_t retry_count;
    rdl_code failed; /* the first failure that no attempt mends, or RDL_OK */
    rdl_err failure;
    rdl_buf failed_row;      /* which row that was */
    int64_t progress_us;     /* monotonic: the last acknowledgement */
    uint32_t limit;          /* requests in flight, as it is now */
    uint32_t round, trouble; /* answers since the last change of it; of them overload */
    int64_t round_latency_us;
    uint64_t rows, requests, attempts;
    int64_t seeded; /* rows of a seed so far */
    rdl_buf scratch;
};

static inline rdl_cassandra *rdl_cassandra_of(rdl_sink *s)
{
    return (rdl_cassandra *)(void *)s;
}

/* "could not <what> in Cassandra <where>: <the server's words>"; keeps code and flags, and
 * adds what to do about it. */
rdl_code rdl_cassandra_fail(const rdl_cassandra *s, rdl_code rc, rdl_err *err, const char *fmt, ...)
    RDL_PRINTF(4, 5);

/* cassandra.c: what may be asked again, and is, until the store was away for `patience`.  False:
 * err is another failure, or it was; else a pause that grows is over. */
typedef struct rdl_cassandra_wait {
    int64_t since_us; /* monotonic; 0: not waiting yet */
    unsigned turns;
} rdl_cassandra_wait;
bool rdl_cassandra_again(const rdl_cassandra *s, rdl_cassandra_wait *w, const rdl_err *err);
/* cassandra_prepare.c */
RDL_MUST rdl_code rdl_cassandra_prepare(rdl_sink *sink, const rdl_sink_table *table,
                                        int64_t *out_epoch, rdl_err *err);
RDL_MUST rdl_code rdl_cassandra_provision(rdl_sink *sink, const rdl_sink_table *table,
                                          rdl_sink_say say, void *arg, rdl_err *err);
RDL_MUST rdl_code rdl_cassandra_has_rows(rdl_cassandra *s, const rdl_cassandra_table *t, bool *out,
                                         rdl_err *err);
/* As prepare left it, or NULL. */
rdl_cassandra_table *rdl_cassandra_table_named(const rdl_cassandra *s, const char *name);
/* Of the open begin's table: RDL_ERR_RETRY when it is another one now, or gone; RDL_ESCHEMA when it
 * no longer fits.  table NULL: in the middle of a batch, where the server itself refuses such
 * rows. */
RDL_MUST rdl_code rdl_cassandra_look_again(rdl_cassandra *s, const rdl_sink_table *table,
                                           rdl_err *err);
/* cassandra_url.c: fills config, keyspace, where, patience_us. */
RDL_MUST rdl_code rdl_cassandra_read_url(rdl_cassandra *s, const char *url, const char *root_dir,
                                         rdl_err *err);

/* cassandra_progress.c */
RDL_MUST rdl_code rdl_cassandra_progress_create(rdl_cassandra *s, rdl_sink_say say, void *arg,
                                                bool apply, rdl_err *err);
RDL_MUST rdl_code rdl_cassandra_progress_read(rdl_cassandra *s, const char *table,
                                              rdl_cassandra_progress *out, rdl_err *err);
/* Ours from now on, empty as far as we know: epoch -1. */
RDL_MUST rdl_code rdl_cassandra_progress_own(rdl_cassandra *s, rdl_cassandra_table *t,
                                             rdl_err *err);
/* Before rows: the one who wins it may write (from, to] at p->write_us. */
RDL_MUST rdl_code rdl_cassandra_progress_claim(rdl_cassandra *s, rdl_cassandra_table *t, int64_t to,
                                               int64_t write_us, rdl_err *err);
/* Before more rows: RDL_ECONFLICT when another claim came after ours (O1).  Asks rarely. */
RDL_MUST rdl_code rdl_cassandra_progress_hold(rdl_cassandra *s, rdl_err *err);
/* After every row is acknowledged. */
RDL_MUST rdl_code rdl_cassandra_progress_finish(rdl_cassandra *s, rdl_cassandra_table *t,
                                                rdl_err *err);

/* cassandra_type.c */
void rdl_cassandra_put_type(rdl_buf *b, const rdl_type *t, const char *keyspace,
                            const char *udt_name);
/* False when values of t do not fit; why is a reason for people. */
bool rdl_cassandra_fit(rdl_arena *a, const rdl_type *t, const rdl_cql_type *to, bool nested,
                       rdl_cassandra_conv *out, rdl_buf *why);
/* The SQL of column's value as it comes back from the store. */
void rdl_cassandra_put_served(rdl_buf *b, const rdl_cassandra_conv *c, const char *value);

/* cassandra_table.c */
RDL_MUST rdl_code rdl_cassandra_keyspace_make(rdl_cassandra *s, const rdl_sink_table *t,
                                              rdl_sink_say say, void *arg, bool apply,
                                              bool *out_there, rdl_err *err);
/* Makes the table where it is missing; *out_there says whether it was there. */
RDL_MUST rdl_code rdl_cassandra_table_make(rdl_cassandra *s, const rdl_sink_table *t,
                                           rdl_sink_say say, void *arg, bool apply, bool *out_there,
                                           rdl_err *err);
/* Reads the table's schema and checks it; NULL in *out where there is none. */
RDL_MUST rdl_code rdl_cassandra_table_bind(rdl_cassandra *s, const rdl_sink_table *t,
                                           rdl_cassandra_table **out, rdl_err *err);
rdl_str rdl_cassandra_option(const rdl_sink_table *t, const char *name);
const char *rdl_cassandra_fold(rdl_arena *a, rdl_str name); /* lower case */
void rdl_cassandra_put_table(const rdl_cassandra *s, rdl_buf *b, const char *table);
RDL_MUST rdl_code rdl_cassandra_run(rdl_cassandra *s, const char *what, const char *cql,
                                    rdl_err *err);

/* cassandra_value.c */
RDL_MUST rdl_code rdl_cassandra_write_value(rdl_cql_writer *w, const rdl_cassandra_conv *c,
                                            const rdl_vector *v, size_t row, bool unset_null,
                                            bool top, rdl_err *err);
/* One value into a vector; slot as rdl_text_read's. */
RDL_MUST rdl_code rdl_cassandra_read_value(const rdl_cassandra_conv *c, rdl_cql_value from,
                                           rdl_vector *v, size_t row, rdl_text_slot *slot,
                                           rdl_err *err);

/* cassandra_rows.c */
/* Where the key's column is in a chunk: of a key's in its order, of whole rows' in the table's. */
size_t rdl_cassandra_column(const rdl_cassandra *s, rdl_cassandra_kind kind, size_t key);
/* The values of one row, behind what is in out. */
RDL_MUST rdl_code rdl_cassandra_encode(rdl_cassandra *s, rdl_cassandra_kind kind,
                                       const rdl_chunk *rows, size_t row, rdl_buf *out,
                                       rdl_err *err);

/* cassandra_write.c */
rdl_cql_statement *rdl_cassandra_statement(const rdl_cassandra *s, rdl_cassandra_kind kind);
RDL_MUST rdl_code rdl_cassandra_send_rows(rdl_cassandra *s, const rdl_chunk *rows,
                                          rdl_cassandra_kind kind, rdl_err *err);
/* Until every row is acknowledged. */
RDL_MUST rdl_code rdl_cassandra_settle(rdl_cassandra *s, rdl_err *err);
RDL_MUST rdl_code rdl_cassandra_make_statements(rdl_cassandra *s, rdl_err *err);
/* A row by its encoded key. */
RDL_MUST rdl_code rdl_cassandra_remove_key(rdl_cassandra *s, const rdl_str *key, rdl_err *err);
void rdl_cassandra_slots_free(rdl_cassandra *s);

rdl_cassandra_slot *rdl_cassandra_slot_take(rdl_cassandra *s, rdl_cassandra_kind kind);
void rdl_cassandra_slot_give_back(rdl_cassandra *s, rdl_cassandra_slot *slot);
rdl_str rdl_cassandra_slot_row(const rdl_cassandra_slot *slot, size_t i);
int64_t rdl_cassandra_slot_time(const rdl_cassandra_slot *slot); /* its cells' */
rdl_cql_value rdl_cassandra_row_value(rdl_str row, const rdl_cql_statement *st, uint32_t bind);
/* The slot is taken.  What may be tried again lies in s->retry then, and is no failure. */
RDL_MUST rdl_code rdl_cassandra_slot_send(rdl_cassandra *s, rdl_cassandra_slot *slot, rdl_err *err);
RDL_MUST rdl_code rdl_cassandra_pause(rdl_cassandra *s, unsigned attempts, rdl_err *err);

/* cassandra_late.c */
/* Answered now: kept if the claim may have been lost, else free. */
void rdl_cassandra_late_answer(rdl_cassandra *s, rdl_cassandra_slot *slot);
/* The claim stood at held_us. */
void rdl_cassandra_late_forget(rdl_cassandra *s);
/* After a failure, before abort: looks at the claim if it may be lost, and removes what went out
 * late.  err, or NULL: what failed, whose hint says so where rows may be left. */
void rdl_cassandra_withdraw(rdl_cassandra *s, rdl_err *err);

/* cassandra_old.c: everything of the table that is older than this write goes.  RDL_ERR_REPLAY: the
 * whole batch once more, something there is later than it. */
RDL_MUST rdl_code rdl_cassandra_remove_old(rdl_cassandra *s, rdl_err *err);

/* cassandra_scan.c, cassandra_query.c */
/* Enough to see what the table's own consistency left on some replicas alone. */
rdl_cql_consistency rdl_cassandra_read_level(const rdl_cassandra_table *t);
RDL_MUST rdl_code rdl_cassandra_scan(rdl_sink *s, const rdl_sink_table *table,
                                     rdl_code (*visit)(void *arg, const rdl_chunk *rows,
                                                       rdl_err *err),
                                     void *arg, rdl_err *err);
RDL_MUST rdl_code rdl_cassandra_served(rdl_sink *s, const rdl_sink_table *table, size_t column,
                                       const char *value, rdl_buf *sql, bool *out_expires,
                                       rdl_err *err);
RDL_MUST rdl_code rdl_cassandra_query(rdl_sink *s, const char *text, const char *const *names,
                                      const char *const *values, size_t parameter_count,
                                      rdl_code (*columns)(void *arg, size_t n,
                                                          const char *const *names, rdl_err *err),
                                      rdl_code (*row)(void *arg, size_t n, const rdl_str *values,
                                                      const bool *numeric, rdl_err *err),
                                      void *arg, rdl_err *err);

#endif
