/*
 * stream/journal.h - the one file whose last good record says what is committed.
 *
 * FILE  <root>/state/journal
 *   header  "raudal-journal 1\n" and the root's 16-byte UUID and 16-byte hash seed, checksum;
 *           "raudal-journal 2\n" for a file that begins with a summary: where it goes on, too
 *   record  u32 magic · u32 type · u64 sequence (1, 2, ...) · u32 bytes · u32 check of these
 *           20 bytes · payload · u64 XXH3 of the previous checksum and all before it in the record
 *   docs/format/journal.md is the normative text.
 *
 * INVARIANTS
 *   J1  A record is durable before rdl_journal_append returns.
 *   J2  At open, an incomplete record at the very end is a torn append: it was never
 *       acknowledged; it is moved to journal.torn-<sequence> and cut off.  Any other damage
 *       is RDL_EDATA naming the byte, and nothing is changed.
 *   J3  Nothing before the last record is ever rewritten.
 *   J7  A rotation keeps every record: the file as it is goes, compressed and durable, to
 *       journal-past/<sequence before its first record>.zst; then a file that begins with a
 *       SUMMARY of all of them takes its name, durably.  So at each instant the journal says all
 *       that is committed, and past and journal together hold each record once; a past file that
 *       begins where the journal does is what a crash between the two steps left: ignored, and
 *       written again by the next rotation.
 *
 * A complete-looking last record with a wrong checksum cannot be told from a torn one by its
 * bytes; it is treated as torn only if the file's length ends inside or right after it, and the
 * engine then refuses to go on if any store or the lake is ahead of what is left.
 *
 * Thread: epoch.
 */
#ifndef RDL_STREAM_JOURNAL_H
#define RDL_STREAM_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

typedef enum rdl_record_type {
    RDL_RECORD_SEAL = 1,       /* an epoch: JSON (stream/seal.h) */
    RDL_RECORD_CHECKPOINT = 2, /* state runs and what they cover: JSON */
    RDL_RECORD_PRUNE = 3,      /* epochs whose segments are gone: JSON */
    RDL_RECORD_CLEAR = 5,      /* files of a landing folder are taken away: JSON (landing.c) */
    RDL_RECORD_JOB = 4,        /* a scheduled job ran: JSON (stream/seal.h) */
    RDL_RECORD_SUMMARY = 6,    /* what all records before say: JSON (stream/summary.h) */
    RDL_RECORD_DROP = 7,       /* a table that left the text is forgotten: JSON (drop.c) */
} rdl_record_type;

typedef struct rdl_root_identity {
    uint8_t uuid[16];
    uint8_t seed[16]; /* of keyed hashes */
} rdl_root_identity;

typedef rdl_code (*rdl_journal_visitor)(void *arg, uint32_t type, uint64_t sequence,
                                        rdl_str payload, rdl_err *err);

typedef struct rdl_journal rdl_journal;
/* Opens or creates (with new random identity); visits every good record in order. */
RDL_MUST rdl_code rdl_journal_open(const char *path, rdl_root_identity *out_identity,
                                   rdl_journal_visitor visit, void *arg, rdl_journal **out,
                                   rdl_err *err);
/* Read-only, beside a writer: visits what is durable now; a torn tail is left alone. */
RDL_MUST rdl_code rdl_journal_read(const char *path, rdl_root_identity *out_identity,
                                   rdl_journal_visitor visit, void *arg, rdl_err *err);
bool rdl_journal_was_torn(const rdl_journal *j);
/* One record, synced.  After a failure the journal takes no more (reopen it). */
RDL_MUST rdl_code rdl_journal_append(rdl_journal *j, uint32_t type, rdl_str payload, rdl_err *err);
uint64_t rdl_journal_bytes(const rdl_journal *j);
/* Of them, what the file began with: its header and the records of the last rotation. */
uint64_t rdl_journal_bytes_first(const rdl_journal *j);

typedef struct rdl_journal_record {
    uint32_t type;
    rdl_str payload;
} rdl_journal_record;
/*
 * Sets the file aside and begins a new one with these records (J7), which say all that the old one
 * said.  A failure before the new file has its name changes nothing, and the journal goes on
 * (rdl_journal_is_broken false); after a later one the journal takes
 * no more, as after a failed append.
 */
RDL_MUST rdl_code rdl_journal_rotate(rdl_journal *j, const rdl_journal_record *records, size_t n,
                                     rdl_err *err);
bool rdl_journal_is_broken(const rdl_journal *j); /* takes no more */
/*
 * Read-only: every record since the root began, in order; summaries are left out of files that go
 * on from an earlier one which is there.  A past file that was deleted is a gap: *out_first is the
 * sequence of the first record from which on all are there.
 */
RDL_MUST rdl_code rdl_journal_read_all(const char *path, rdl_journal_visitor visit, void *arg,
                                       uint64_t *out_first, rdl_err *err);
void rdl_journal_close(rdl_journal *j);
void rdl_uuid_print(const uint8_t uuid[16], char out[37]);

#endif
