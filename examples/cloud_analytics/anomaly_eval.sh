#!/usr/bin/env bash
# anomaly_eval.sh - how well does each anomaly method find spikes that we put there ourselves?
#
#   anomaly_eval.sh [--peer duckdb] [--check]
#
# For each case below: generate a landing zone, run the pipeline, compare its flags with the truth.
# --check exits with 1 unless "any method" finds at least 95 % of tenfold spikes with a precision of at
# least 80 % in every case.  --peer duckdb judges with bench/cloud_analytics/duckdb_job.py instead
# of raudal (the same definitions, written apart).  docs/anomalies.md explains the figures.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
raudal="${RAUDAL:-$top/build/raudal}"
generate="${GENERATE:-$top/build/examples/cloud_analytics/generate}"
python="${PYTHON:-$top/build/venv/bin/python}"
peer=raudal check=no
while [ $# -gt 0 ]; do
    case "$1" in
        --peer) peer="$2"; shift 2 ;;
        --check) check=yes; shift ;;
        *) echo "anomaly_eval.sh: unrecognized option \"$1\"" >&2; exit 2 ;;
    esac
done
work=$(mktemp -d "${TMPDIR:-/tmp}/anomaly-eval-XXXXXX")
trap 'rm -rf "$work"' EXIT

# name | generator options
cases=(
    "60 days of tenfold price|--seed 2 --event-spikes 0"
    "60 days of tenfold price, another seed|--seed 3 --event-spikes 0"
    "150 single events of tenfold price|--seed 5 --spikes 0 --event-factor 10"
    "both, events twentyfold as in the real landing|--seed 1"
    "60 days of tenfold use|--seed 6 --event-spikes 0 --spike-of use"
)

judge() { # $1: folder with landing; prints CSV
    local query
    query=$(grep -v '^--' "$here/tests/anomaly_eval.sql" | sed "s|@TRUTH@|$1/landing/truth/truth_spikes.csv|")
    if [ "$peer" = duckdb ]; then
        "$python" "$top/bench/cloud_analytics/duckdb_job.py" "$1/landing" "$1/out" > "$1/log"
        QUERY="$query" LAKE="$1/out/lake" "$python" - <<'P'
import csv, os, sys
import duckdb
db = duckdb.connect()
for schema, table in (("gold", "cost_anomaly_mart"), ("silver", "usage_event_outliers")):
    db.execute(f"CREATE SCHEMA {schema}")
    db.execute(f"CREATE VIEW {schema}.{table} AS FROM read_parquet('{os.environ['LAKE']}/{schema}/{table}/*.parquet')")
rows = db.execute(os.environ["QUERY"])
out = csv.writer(sys.stdout, lineterminator="\n")
out.writerow([c[0] for c in rows.description])
out.writerows(rows.fetchall())
P
    else
        "$raudal" run "$here" --once --root "$1/root" --set "LANDING=$1/landing" \
            --set max_files_per_epoch=120 > "$1/log" 2>&1
        "$raudal" sql "$here" --root "$1/root" --set "LANDING=$1/landing" --format csv "$query"
    fi
}

bad=0
for case in "${cases[@]}"; do
    folder="$work/case"
    rm -rf "$folder"
    mkdir "$folder"
    # shellcheck disable=SC2086 # the options are words
    "$generate" --out "$folder/landing" ${case#*|} > "$folder/generate.log"
    judge "$folder" > "$folder/result.csv"
    echo "== ${case%%|*} (generate ${case#*|})"
    column -s, -t < "$folder/result.csv" 2> /dev/null || cat "$folder/result.csv"
    awk -F, -v name="${case%%|*}" '
        NR > 1 && $1 == "day" && $2 == "any" {
            recall = $5 == "" ? $6 : $6 == "" ? $5 : ($5 < $6 ? $5 : $6)
            if (recall < 0.95 || $7 < 0.80) { print "too low: " name ": recall " recall ", precision " $7; exit 1 }
        }' "$folder/result.csv" || bad=1
done
if [ "$check" = yes ]; then
    exit $bad
fi
