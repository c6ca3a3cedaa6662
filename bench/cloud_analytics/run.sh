#!/usr/bin/env bash
# run.sh - the cloud analytics pipeline on raudal, a DuckDB script and Spark, alternately in one run.
#
#   bench/cloud_analytics/run.sh [--landing DIR] [--rounds N] [--skip spark] [--no-write]
#   bench/cloud_analytics/run.sh growth [--scales 1,10,100,1000] [--memory 1GB] [--no-write]   # raudal alone
#
# Without --landing a landing zone of the real one's shape is generated (scale 1).  Machines are
# noisy: only ratios within one run count, and the run says how far its rounds lie apart.  The table
# goes to docs/benchmarks.md, between the markers of this benchmark.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
venv="$top/build/venv"
script=measure
if [ "${1:-}" = growth ]; then
    script=growth
    shift
    set -- --skip spark "$@"
fi

if [ ! -x "$venv/bin/python" ]; then
    python3 -m venv "$venv"
fi
case " $* " in *" --skip spark "*) without=pyspark ;; *) without=- ;; esac
grep -v "^$without" "$here/requirements.txt" >"$venv/bench.txt"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$venv/bench.txt"

export RAUDAL="${RAUDAL:-$top/build/raudal}"
export GENERATE="${GENERATE:-$top/build/examples/cloud_analytics/generate}"
exec "$venv/bin/python" "$here/$script.py" --top "$top" "$@"
