#!/usr/bin/env bash
# bench/cql/run.sh [ROWS] - prepared inserts into one node by our client and by the Python driver, in turn.
#   RAUDAL_CASSANDRA (tools/services env), PYTHON with cassandra-driver, BUILD (build/release), TURNS (3)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
rows=${1:-200000} build=${BUILD:-$here/../../build/release} at=${RAUDAL_CASSANDRA:?start one: tools/services start cassandra}
echo "client rows seconds rows/s cpu_seconds"
for _ in $(seq "${TURNS:-3}"); do
    "$build/bench/cql_insert" "$at" "$rows" 512
    "${PYTHON:-python3}" "$here/insert.py" "$at" "$rows" 1 200
    "${PYTHON:-python3}" "$here/insert.py" "$at" "$rows" 2 200
done
