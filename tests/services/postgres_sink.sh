#!/usr/bin/env bash
# The sink contract, and what is PostgreSQL's alone, on a real server (sink_postgres_test.c).
set -uo pipefail
[ -n "${RAUDAL_POSTGRES:-}" ] || { echo "no PostgreSQL here"; exit 77; }
rc=0
"$BUILD/tests/services/sink_postgres_test" >out 2>&1 || rc=$?
cat out
[ "$rc" != 77 ] || exit 77
echo "$(grep -c '^\[       OK' out) passed, $(grep -c '^\[  FAILED  \] [a-z]' out) failed"
exit "$rc"
