#!/usr/bin/env bash
# verify_waits_test.sh - a view that waits, or that failed and waits, is no silent agreement: verify says that nobody compared it.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
failed=0
fail() { echo "FAILED: $*"; failed=1; }
p=$room/p
mkdir -p "$p/in"
cat >"$p/p.sql" <<'SQL'
CREATE SOURCE s (id BIGINT, k TEXT) FROM 'in/' FORMAT JSON;
CREATE SOURCE dim (k TEXT, label TEXT) FROM 'dim.csv' FORMAT CSV SNAPSHOT;
CREATE STREAMING TABLE b.rows AS SELECT id, k FROM STREAM s;
CREATE MATERIALIZED VIEW g.n SCHEDULE EVERY INTERVAL 1 HOUR AS SELECT count(*) AS n FROM STREAM b.rows;
CREATE MATERIALIZED VIEW g.named SCHEDULE EVERY INTERVAL 1 HOUR AS SELECT r.id, d.label FROM STREAM b.rows r LEFT JOIN dim d ON r.k = d.k;
SQL
printf 'k,label\na,A\n' >"$p/dim.csv"
echo '{"id":1,"k":"a"}' >"$p/in/1.jsonl"
"$RAUDAL" run "$p" --once >"$room/out" 2>&1 || fail "run: $(cat "$room/out")"
"$RAUDAL" verify "$p" >"$room/out" 2>&1 || fail "verify: $(cat "$room/out")"
grep -q '3 checks, 0 differences: stream, batch and stores agree$' "$room/out" || fail "all agree: $(cat "$room/out")"
printf 'k,label\na,A\na,A2\n' >"$p/dim.csv"
"$RAUDAL" run "$p" --once >"$room/out" 2>&1 && fail "rows that are multiplied are no failure"
"$RAUDAL" verify "$p" >"$room/out" 2>&1 || fail "verify: $(cat "$room/out")"
grep -q '2 checks, 0 differences: stream, batch and stores agree; 1 table was not compared$' "$room/out" || fail "the end: $(cat "$room/out")"
grep -q 'g.named .*1 rows, not compared: it waits for its time, and shows epoch .*; it was put aside: .*2 rows of "dim" have k = a' "$room/out" ||
    fail "what was not compared is not told: $(cat "$room/out")"
"$RAUDAL" verify "$p" --json | python3 -c 'import json, sys
v = json.load(sys.stdin)
assert v["not_compared"] == 1 and v["differing"] == 0, v
assert [i["table"] for i in v["items"] if i["not_compared"]] == ["g.named"], v' || fail "as JSON"
[ "$failed" = 0 ] && echo "1 passed, 0 failed"
exit "$failed"
