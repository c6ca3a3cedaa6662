#!/usr/bin/env bash
# run.sh - the antennas job on raudal, Spark, Flink, DuckDB and bare librdkafka, one after the other in one run.
#
#   bench/antennas/run.sh latency [--rates 20000,100000] [--triggers default,50ms] [--seconds N] [--no-write]
#   bench/antennas/run.sh growth [--cases 1000000:1000,…] [--memory 1GB] [--no-write]
#   bench/antennas/run.sh [--count 10000000] [--rounds N] [--skip spark|flink] [--only NAME] [--work DIR] [--no-write]
#
# Starts Kafka and PostgreSQL (tools/services).  Machines are noisy: only ratios within one run count.  The table goes to
# docs/benchmarks.md, between the markers of this benchmark.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
venv="$top/build/venv"

"$top/tools/deps" --test --quiet
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
case " $* " in *" --skip spark "* | *" latency "* | *" growth "*) without=pyspark ;; *) without=- ;; esac
grep -v "^$without" "$here/requirements.txt" >"$venv/bench.txt"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$venv/bench.txt"
export BUILD="${BUILD:-$top/build}"
export RAUDAL="${RAUDAL:-$BUILD/raudal}"
case "${1:-}" in
latency | growth) script=$1 && shift ;;
*) script=measure ;;
esac
exec "$venv/bin/python" "$here/$script.py" "$@"
