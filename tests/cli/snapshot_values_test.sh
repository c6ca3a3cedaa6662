#!/usr/bin/env bash
# snapshot_values_test.sh - a value of a snapshot that does not fit its column is told with its place, can be asked for, and a rule
# between the snapshot and its readers catches it.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
failed=0
fail() { echo "FAILED: $*"; failed=1; }
p=$room/p
mkdir -p "$p"
cat >"$p/p.sql" <<'SQL'
CREATE SOURCE orgs (id TEXT, seats INTEGER, since DATE) FROM 'orgs.csv' FORMAT CSV SNAPSHOT;
CREATE MATERIALIZED VIEW b.orgs (
  CONSTRAINT seats_read EXPECT ((_rescued->'seats') IS NULL) ON VIOLATION QUARANTINE
) PRIMARY KEY (id) AS SELECT id, seats, since, _rescued FROM orgs;
CREATE FLOW orgs_now AS AUTO CDC INTO s.orgs FROM b.orgs KEYS (id) COLUMNS * EXCEPT (_rescued) STORED AS SCD TYPE 1;
SQL
run() { "$RAUDAL" run "$p" --once >"$room/out" 2>&1 || fail "run: $(cat "$room/out")"; }
ask() { "$RAUDAL" sql "$p" --format csv "$1" 2>&1 | tail -n +2 | tr '\n' ' '; }
printf 'id,seats,since,note\na,5,2025-01-01,x\nb,many,2025-13-01,y\n' >"$p/orgs.csv"
run
grep -q '2 values do not fit the type of the column and are NULL; the first: seats = "many" in record 2 of orgs.csv' "$room/out" ||
    fail "the values are not told: $(cat "$room/out")"
[ "$(ask 'SELECT id, seats FROM orgs ORDER BY id')" = "a,5 b, " ] || fail "the snapshot: $(ask 'FROM orgs')"
[ "$(ask "SELECT id, _rescued->>'seats', _source_file FROM \"orgs\$rows\" WHERE _source_offset = 1")" = "b,many,orgs.csv " ] ||
    fail "the place: $(ask 'FROM "orgs$rows"')"
[ "$(ask 'SELECT id, seats FROM s.orgs')" = "a,5 " ] || fail "the rule let it through: $(ask 'FROM s.orgs')"
"$RAUDAL" quarantine list "$p" | grep -q 'b.orgs *seats_read' || fail "quarantine: $("$RAUDAL" quarantine list "$p")"
printf 'id,seats,since,note\na,5,2025-01-01,x\nb,7,2025-13-01,y\n' >"$p/orgs.csv"
run
grep -q '1 value does not fit the type of the column and is NULL; since = "2025-13-01" in record 2' "$room/out" || fail "what is new: $(cat "$room/out")"
[ "$(ask 'SELECT id, seats FROM s.orgs ORDER BY id')" = "a,5 b,7 " ] || fail "the mended row: $(ask 'FROM s.orgs')"
printf 'id,seats,since,note\na,5,2025-01-01,x\nb,7,2025-13-01,y\nc,8,,z\n' >"$p/orgs.csv"
run
grep -q 'fit the type' "$room/out" && fail "what was told is told again: $(cat "$room/out")"
"$RAUDAL" verify "$p" >"$room/out" 2>&1 || fail "verify: $(cat "$room/out")"
[ "$failed" = 0 ] && echo "1 passed, 0 failed"
exit "$failed"
