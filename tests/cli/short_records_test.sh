#!/usr/bin/env bash
# Records much shorter than the engine expects are all read, though rows for which no table was made become many.
set -euo pipefail
raudal=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/in"
cat >"$work/p.sql" <<'SQL'
CREATE SOURCE s (a BIGINT) FROM 'in/' FORMAT JSON;
CREATE STREAMING TABLE b.s AS SELECT * FROM STREAM s;
SQL
seq 0 299999 | sed 's/.*/{"a":&}/' >"$work/in/a.jsonl"
"$raudal" run "$work" --once >"$work/out" 2>&1
got=$("$raudal" sql "$work" 'SELECT count(*), count(DISTINCT a), max(a) FROM b.s' --format csv | tail -1)
[ "$got" = "300000,300000,299999" ] || { echo "expected 300000,300000,299999, got $got"; cat "$work/out"; exit 1; }
