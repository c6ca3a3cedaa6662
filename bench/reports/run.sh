#!/usr/bin/env bash
# run.sh - chat answers of 10,000 flows as one CSV per flow: raudal, pandas, Polars, one after the other in one run.
#
#   bench/reports/run.sh [--flows 10000] [--answers 10000000] [--only NAME] [--work DIR] [--no-write]
#
# --only with --work runs one of raudal, pandas, polars, later (an hour more) at a time, over the same input; the table
# has all that ran.  The files are compared, cell by cell.  The table goes to docs/benchmarks.md, between the markers of this benchmark.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
venv="${VENV:-$top/build/venv}"
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
export BUILD="${BUILD:-$top/build}"
export RAUDAL="${RAUDAL:-$BUILD/raudal}"
exec "$venv/bin/python" "$here/measure.py" "$@"
