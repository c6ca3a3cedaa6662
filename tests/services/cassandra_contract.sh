#!/usr/bin/env bash
# The sink contract, and what is Cassandra's alone, on a real node (sink_cassandra_test.c).
set -uo pipefail
[ -n "${RAUDAL_CASSANDRA:-}" ] || { echo "no Cassandra here"; exit 77; }
rc=0
"$BUILD/tests/services/sink_cassandra_test" >out 2>&1 || rc=$?
cat out
[ "$rc" != 77 ] || exit 77
echo "$(grep -c '^\[       OK' out) passed, $(grep -c '^\[  FAILED  \] [a-z]' out) failed"
exit "$rc"
