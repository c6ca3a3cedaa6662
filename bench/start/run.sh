#!/usr/bin/env bash
# run.sh - how long raudal takes to start, and to find that there is nothing to do, beside others.
#
#   bench/start/run.sh [--landing DIR] [--rounds N] [--no-write]
#
# Without --landing a landing zone of the real one's shape is generated.  It is read once; what is
# measured then is `raudal run --once` on the finished root, `raudal version`, and a Python that does
# nothing, and that opens DuckDB.  Only ratios within one run count; the table goes to
# docs/benchmarks.md.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
venv="$top/build/venv"

if [ ! -x "$venv/bin/python" ]; then
    python3 -m venv "$venv"
fi
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    -r <(grep duckdb "$top/bench/cloud_analytics/requirements.txt")

export RAUDAL="${RAUDAL:-$top/build/raudal}"
export GENERATE="${GENERATE:-$top/build/examples/cloud_analytics/generate}"
exec "$venv/bin/python" "$here/measure.py" --top "$top" "$@"
