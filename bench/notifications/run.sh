#!/usr/bin/env bash
# run.sh - how many times a day's 100 million messages (1,157 a second) this machine holds with the panel fresh.
#
#   bench/notifications/run.sh [--count 4000000] [--customers 5000] [--work DIR] [--no-write]
#
# A continuous run reads a backlog from a folder into the lake and SQLite; the panel is asked for all the while.  The
# table goes to docs/benchmarks.md, between the markers of this benchmark.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
export BUILD="${BUILD:-$top/build}"
export RAUDAL="${RAUDAL:-$BUILD/raudal}"
exec python3 "$here/measure.py" "$@"
