/*
 * source/kafka.h - what the files of the Kafka source share.  Not for other folders.
 *
 *   kafka.c         the contract: ranges out of what was fetched, restore, settle
 *   kafka_url.c     the URL, where to start, which properties are the user's
 *   kafka_client.c  the connection: properties, topics, start positions, ends
 *   kafka_reader.c  the reader thread: fetches, copies messages into blocks, finds new partitions
 *
 * LIFE OF A MESSAGE.  librdkafka fetches it; the reader thread copies key, payload and headers into
 * the open block of its partition and lets the message go; `next` closes blocks and gives their
 * records as ranges; the decoder parses them where they lie; restore after the seal frees them.
 *
 * INVARIANTS
 *   Q1  All records of a partition from `sealed` to `position` lie in its blocks, in order; an
 *       offset between that is in no block is absent from the topic (a marker, aborted, compacted,
 *       lost).
 *   Q2  Only the reader thread appends, and only to an open block; a closed block never changes.
 *   Q3  Blocks are freed by restore alone (and by close): what was given can be given again.
 *   Q4  Not more than fetch_bytes of messages wait; then the reader stops taking, and librdkafka,
 *       at queued.max.messages.kbytes, stops fetching.
 *
 * Thread: each field says whose.
 */
#ifndef RDL_SOURCE_KAFKA_H
#define RDL_SOURCE_KAFKA_H

#include <librdkafka/rdkafka.h>
#include <regex.h>

#include "base/thread.h"
#include "source/source.h"

typedef enum rdl_kafka_start {
    RDL_KAFKA_EARLIEST,
    RDL_KAFKA_LATEST,
    RDL_KAFKA_TIMESTAMP,
    RDL_KAFKA_OFFSETS,
} rdl_kafka_start;

typedef struct rdl_kafka_offset {
    const char *topic;
    int32_t partition;
    int64_t offset; /* or RD_KAFKA_OFFSET_BEGINNING, RD_KAFKA_OFFSET_END */
} rdl_kafka_offset;

/* What URL and options say. */
typedef struct rdl_kafka_where {
    const char *brokers;
    const char **topics;
    size_t topic_count;
    const char *pattern; /* instead of topics; begins with ^ */
    rdl_kafka_start start;
    int64_t start_us;
    rdl_kafka_offset *offsets;
    size_t offset_count;
    uint64_t fetch_bytes;
    int64_t discover_us, connect_us;
} rdl_kafka_where;

RDL_MUST rdl_code rdl_kafka_where_read(rdl_arena *a, const rdl_source_config *c,
                                       rdl_kafka_where *out, rdl_err *err);

typedef struct rdl_kafka_block rdl_kafka_block;
struct rdl_kafka_block {
    rdl_kafka_block *next;
    rdl_records records; /* what the decoder sees; set when it is closed */
    char *bytes;
    size_t used, cap;
    rdl_record *v;
    size_t n, n_cap;
    bool closed; /* under lock */
};

typedef struct rdl_kafka_part {
    const char *topic;
    int32_t id;
    const char *name;              /* "topic/3" */
    int32_t number;                /* epoch thread; -1: not registered */
    bool is_sealed;                /* some seal names it */
    bool assigned;                 /* reader thread */
    bool positioned;               /* under lock: position is known */
    int64_t sealed, planned;       /* under lock: not sealed from here on; not given from here on */
    int64_t position;              /* under lock: fetched up to here */
    int64_t stop_at;               /* under lock: freeze; -1: none */
    int64_t lost_from, lost_to;    /* under lock: removed by retention before they were read */
    rdl_kafka_block *first, *last; /* under lock */
} rdl_kafka_part;

typedef struct rdl_kafka {
    rdl_source head;
    rdl_arena arena; /* epoch thread while the reader is not started; then under lock */
    rdl_source_config config;
    rdl_kafka_where where;
    const char *group;
    char cluster[64];           /* reader thread writes it before `running` */
    const char *sealed_cluster; /* NULL: nothing is sealed */
    bool any_sealed;            /* at open: start does not count any more */
    bool wants_key, wants_headers, headers_as_map;
    regex_t regex;
    bool has_regex;

    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    rd_kafka_topic_t **handles; /* keep the topics known to metadata */
    rdl_thread *thread;

    rdl_mutex lock;
    rdl_cond changed;                /* fetched, failed, running */
    rdl_cond room;                   /* for the reader */
    RDL_VEC(rdl_kafka_part *) parts; /* under lock */
    rdl_kafka_part *last_part;       /* reader thread */
    const rd_kafka_topic_t *last_topic;
    uint64_t waiting_bytes, waiting_rows; /* under lock: fetched, not given */
    uint64_t wanted_rows;                 /* under lock: an epoch's worth, by the last next */
    rdl_kafka_block *spare;               /* under lock: free blocks of full size */
    size_t spare_count;
    bool running;                                    /* under lock: connected, positions found */
    bool failed, frozen, closing, woken, told_ready; /* under lock */
    bool down;                                       /* under lock: no broker answers */
    int64_t down_us;                                 /* monotonic, since when */
    char last_error[300];                            /* under lock: of the connection */
    rdl_err failure;                                 /* under lock, if failed */
    int64_t discovered_us;                           /* reader thread */
    bool commit_failed;                              /* epoch thread: said once */
    size_t turn;                                     /* epoch thread: which partition is first */
    rd_kafka_message_t *batch[1000];                 /* reader thread */
} rdl_kafka;

/* kafka_client.c.  All but conf and ends: reader thread. */
RDL_MUST rdl_code rdl_kafka_client_new(rdl_kafka *k, rdl_err *err);
void rdl_kafka_client_free(rdl_kafka *k);
/* Topics and partitions as they are now; new ones get a part.  RDL_ENET with RETRY: ask again. */
RDL_MUST rdl_code rdl_kafka_discover(rdl_kafka *k, bool *out_new, rdl_err *err);
/* Where the part begins, if that is not known yet; checks what was sealed against the topic. */
RDL_MUST rdl_code rdl_kafka_position(rdl_kafka *k, rdl_kafka_part *p, bool grown, rdl_err *err);
RDL_MUST rdl_code rdl_kafka_assign(rdl_kafka *k, rdl_err *err);
/* First and stable end offset; any thread. */
RDL_MUST rdl_code rdl_kafka_bounds(rdl_kafka *k, const rdl_kafka_part *p, int64_t *out_low,
                                   int64_t *out_high, rdl_err *err);
/* Offsets of sealed ranges to the group, for people who watch lag; wait: until it is answered. */
void rdl_kafka_commit(rdl_kafka *k, bool wait);
RDL_MUST rdl_code rdl_kafka_lost(rdl_kafka *k, rdl_kafka_part *p, int64_t from, int64_t low,
                                 rdl_err *err);

/* kafka_reader.c */
RDL_MUST rdl_code rdl_kafka_reader_start(rdl_kafka *k, rdl_err *err);
void rdl_kafka_reader_stop(rdl_kafka *k);
/* Under the lock: */
rdl_kafka_part *rdl_kafka_part_of(rdl_kafka *k, const char *topic, int32_t id);
void rdl_kafka_block_free(rdl_kafka *k, rdl_kafka_block *b);
void rdl_kafka_fail(rdl_kafka *k, const rdl_err *why); /* takes the lock itself */

#endif
