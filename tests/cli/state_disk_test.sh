#!/usr/bin/env bash
# state_disk_test.sh RAUDAL - one run over many epochs keeps no more state on disk than it needs: merged runs and
# deltas that runs cover go while it works, though lake and stores are brought up at its end.
set -euo pipefail
raudal=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say() { echo "$*"; exit 1; }

mkdir -p "$work/p/in"
for f in $(seq 1 64); do
    awk -v f="$f" 'BEGIN { for (i = 0; i < 12000; i++) printf "{\"id\": \"an event of file %d, number %d, whose name is long\"}\n", f, i }' \
        >"$work/p/in/$(printf '%02d' "$f").jsonl"
done
cat >"$work/p/p.sql" <<'SQL'
CREATE SOURCE s (id TEXT) FROM 'in/' FORMAT JSON;
CREATE STREAMING TABLE b.s DEDUPLICATE ON (id) AS SELECT * FROM STREAM s;
CREATE MATERIALIZED VIEW g.n PRIMARY KEY (bytes) AS SELECT length(id) AS bytes, count(*) AS n FROM b.s GROUP BY 1;
SQL
run() { "$raudal" run "$work/p" --once --root "$work/root" --memory 64MB --set max_files_per_epoch=1 "$@" >"$work/out" 2>&1; }

# Killed when all is sealed, and the lake is about to have it.
if RDL_FAULT=lake.before_link:1:kill run; then say "the fault point was not reached"; fi
state=$work/root/state
epochs=$(find "$state/epochs" -mindepth 1 -maxdepth 1 -type d | wc -l)
deltas=$(find "$state/epochs" -name state.delta | wc -l)
runs=$(find "$state/runs" -name 'run-*' | wc -l)
newest=$(find "$state/runs" -name 'run-*' | sed 's/.*run-0*//' | sort -n | tail -1)
[ "$epochs" -ge 60 ] || say "$epochs epochs wait for the lake: nothing is shown"
[ "$newest" -ge 8 ] || say "$newest runs were written: nothing is shown"
[ "$deltas" -lt $((epochs / 2)) ] || say "$deltas deltas of $epochs epochs are on disk"
[ "$runs" -le 12 ] && [ "$runs" -lt "$newest" ] || say "$runs runs of $newest are on disk"

run || { cat "$work/out"; say "the run after the kill failed"; }
"$raudal" verify "$work/p" --root "$work/root" >"$work/out" 2>&1 || { cat "$work/out"; say "verify found differences"; }
"$raudal" sql "$work/p" --root "$work/root" --format csv 'SELECT sum(n)::BIGINT AS n FROM g.n' | grep -qx '768000' ||
    say "other rows"
echo "$deltas deltas of $epochs epochs, $runs runs of $newest"
