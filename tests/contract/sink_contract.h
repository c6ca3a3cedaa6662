/*
 * contract/sink_contract.h - what every destination must do, as tests that any sink runs.
 *
 * A sink's test file includes sink_contract.c, describes the sink in a sink_under_test and
 * runs SINK_CONTRACT_TESTS in a group whose state points to it.
 */
#ifndef RAUDAL_SINK_CONTRACT_H
#define RAUDAL_SINK_CONTRACT_H

#include "base/arena.h"
#include "sink/sink.h"

typedef struct sink_under_test {
    const rdl_sink_ops *ops;
    const char *url; /* a fresh store for each test: `reset` makes it so */
    void (*reset)(struct sink_under_test *t);
    const char *root_dir;
    rdl_arena arena; /* of one test */
} sink_under_test;

#endif
