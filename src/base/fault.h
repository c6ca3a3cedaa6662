/*
 * base/fault.h - places where a test may make the world go wrong.
 *
 * RDL_FAULT_AT(POINT) is 0 unless the point is armed and this is the armed occurrence; then
 * it does the action: kill (SIGKILL to this process), stall, or returns the errno to
 * pretend.  Points are in every build, since we test what we ship; an unarmed point is one
 * predictable branch.  Armed by the environment alone: RDL_FAULT=<name>:<nth>:<action>, with
 * action kill, torn, stall:<ms> or an errno name (EIO, ENOSPC, ENOMEM, ...); several are
 * separated by commas.  `torn` returns RDL_FAULT_TORN: the caller writes half, then dies.
 *
 * Thread: any.
 */
#ifndef RDL_BASE_FAULT_H
#define RDL_BASE_FAULT_H

#include <stdbool.h>

#define RDL_FAULT_LIST(X)                                                                  \
    X(ALLOC, "alloc")                                                                      \
    X(FS_WRITE, "fs.write")                                                                \
    X(FS_SYNC, "fs.sync")                                                                  \
    X(FS_RENAME, "fs.rename")                                                              \
    X(KAFKA_GIVEN, "kafka.given")                                                          \
    X(KAFKA_BEFORE_COMMIT, "kafka.before_commit")                                          \
    X(PLAN_DONE, "epoch.planned")                                                          \
    X(DECODE_DONE, "epoch.decoded")                                                        \
    X(JUDGE_DONE, "epoch.judged")                                                          \
    X(SEGMENT_WRITTEN, "epoch.segment_written")                                            \
    X(STATE_MERGED, "epoch.state_merged")                                                  \
    X(BEFORE_SYNC, "epoch.before_sync")                                                    \
    X(BEFORE_SEAL, "epoch.before_seal")                                                    \
    X(SEAL_WRITE, "seal.write")                                                            \
    X(SEAL_BEFORE_SYNC, "seal.before_sync")                                                \
    X(AFTER_SEAL, "epoch.after_seal")                                                      \
    X(JOURNAL_KEPT, "journal.kept")                                                        \
    X(JOURNAL_REPLACED, "journal.replaced")                                                \
    X(SNAPSHOT_LANDED, "snapshot.landed")                                                  \
    X(RUN_BEFORE_RENAME, "state.run_before_rename")                                        \
    X(RUN_WRITTEN, "state.run_written")                                                    \
    X(CHECKPOINT_DONE, "state.checkpoint_done")                                            \
    X(DELTA_PRUNED, "state.delta_pruned")                                                  \
    X(LAKE_AFTER_DATA, "lake.after_data")                                                  \
    X(LAKE_ADOPTED, "lake.adopted")                                                        \
    X(LAKE_BEFORE_LINK, "lake.before_link")                                                \
    X(LAKE_AFTER_COMMIT, "lake.after_commit")                                              \
    X(LAKE_CHECKPOINT, "lake.checkpoint")                                                  \
    X(LAKE_COMPACT_DATA, "lake.compact_data")                                              \
    X(LAKE_VACUUM, "lake.vacuum")                                                          \
    X(LAKE_DROPPED, "lake.dropped")                                                        \
    X(SINK_BEFORE_ROWS, "sink.before_rows")                                                \
    X(SINK_BEFORE_COMMIT, "sink.before_commit")                                            \
    X(SINK_AFTER_COMMIT, "sink.after_commit")                                              \
    X(CASSANDRA_ROWS, "cassandra.rows")                                                    \
    X(CASSANDRA_OLD_ROWS, "cassandra.old_rows")                                            \
    X(REPORT_PLANNED, "report.planned")                                                    \
    X(REPORT_WRITTEN, "report.written")                                                    \
    X(REPORT_RENAMED, "report.renamed")                                                    \
    X(REPORT_REMOVED, "report.removed")                                                    \
    X(EPOCH_PRUNED, "epoch.pruned")                                                        \
    X(MODEL_INPUT, "model.input_written")                                                  \
    X(MODEL_RESULT, "model.result_written")                                                \
    X(MODEL_ARTIFACT, "model.artifact_kept")                                               \
    X(LANDING_INTENDED, "landing.intended")                                                \
    X(LANDING_TAKEN, "landing.taken")                                                      \
    X(LANDING_SYNCED, "landing.synced")                                                    \
    X(ALERT_NOTED, "alert.noted")                                                          \
    X(ALERT_TOLD, "alert.told")

typedef enum rdl_fault {
#define RDL_FAULT_ENUM(id, name) RDL_FAULT_##id,
    RDL_FAULT_LIST(RDL_FAULT_ENUM)
#undef RDL_FAULT_ENUM
        RDL_FAULT_COUNT
} rdl_fault;

enum {
    RDL_FAULT_KILL = -1,
    RDL_FAULT_TORN = -2,
};

extern bool rdl_fault_any; /* set once, before threads, when anything is armed */
int rdl_fault_hit(rdl_fault point);

/* 0, an errno, or RDL_FAULT_TORN. */
#define RDL_FAULT_AT(id)                                                                   \
    (__builtin_expect(rdl_fault_any, 0) ? rdl_fault_hit(RDL_FAULT_##id) : 0)

/* Tests: fail the nth occurrence (1-based) with an errno or RDL_FAULT_KILL. */
void rdl_fault_arm(rdl_fault point, unsigned nth, int action);
void rdl_fault_disarm(void);
bool rdl_fault_fired(void);
const char *rdl_fault_name(rdl_fault point);
/* Die here, as the action kill does; for a caller that has done its half of a torn write.
 * With the hook set, calls it and returns EINTR. */
int rdl_fault_kill(rdl_fault point);
/* Read RDL_FAULT; false with a message when it cannot be understood. */
bool rdl_fault_arm_from_env(char *msg, unsigned msg_bytes);

/* For unit tests: when set, it is called instead of SIGKILL, and the point then gives EINTR. */
extern void (*rdl_fault_kill_hook)(rdl_fault point);

#endif
