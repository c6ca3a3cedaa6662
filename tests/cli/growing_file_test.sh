#!/usr/bin/env bash
# A file that is written while --once reads it loses no record, and --once ends.
set -euo pipefail
raudal=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/in"
cat > "$work/p.sql" <<'SQL'
CREATE SOURCE s (id BIGINT) FROM 'in/' FORMAT JSON;
CREATE STREAMING TABLE b.s AS SELECT * FROM STREAM s;
SQL
(for i in $(seq 0 3999); do
    printf '{"id":'
    printf '%d}\n' "$i"
done > "$work/in/a.jsonl") &
writer=$!
runs=0
while kill -0 "$writer" 2> /dev/null && [ "$runs" -lt 20 ]; do
    timeout 240 "$raudal" run "$work" --once > /dev/null 2> "$work/err" || {
        cat "$work/err" >&2
        exit 1
    }
    runs=$((runs + 1))
done
wait "$writer"
"$raudal" run "$work" --once > /dev/null 2>&1
got=$("$raudal" sql "$work" 'SELECT count(*), count(DISTINCT id), max(id) FROM b.s' --format csv | tail -1)
[ "$got" = "4000,4000,3999" ] || { echo "expected 4000,4000,3999, got $got" >&2; exit 1; }
