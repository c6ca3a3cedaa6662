#!/usr/bin/env bash
# raudal provision against a real PostgreSQL: new tables, tables that people made, seeds.
set -uo pipefail
[ -n "${RAUDAL_POSTGRES:-}" ] && command -v psql >/dev/null || { echo "no PostgreSQL here"; exit 77; }
room=$(mktemp -d) failed=0 passed=0
db=raudal_provision_$$
base=${RAUDAL_POSTGRES%/*}
export STORE=$base/$db
ask() { psql -qAtX "$STORE" -c "$1"; }
psql -qX "$RAUDAL_POSTGRES" -c "CREATE DATABASE $db" || exit 1
trap 'psql -qX "$RAUDAL_POSTGRES" -c "DROP DATABASE IF EXISTS $db WITH (FORCE)" 2>/dev/null; rm -rf "$room"' EXIT
p=$room/p
mkdir -p "$p/in"
cat >"$p/p.sql" <<'SQL'
CREATE SOURCE s (ts TIMESTAMPTZ, id TEXT, v BIGINT) FROM 'in/' FORMAT JSON
  WATERMARK ts DELAY OF INTERVAL 1 HOUR;
CREATE STREAMING TABLE b.t AS SELECT * FROM STREAM s;
CREATE MATERIALIZED VIEW g.bytes PRIMARY KEY ("timestamp", type, id)
AS SELECT tumble_start(ts, INTERVAL 1 MINUTE) AS "timestamp", id, CAST(sum(v) AS BIGINT) AS value,
          'id_bytes_total' AS type
   FROM STREAM b.t GROUP BY ALL;
PUBLISH g.bytes TO '${STORE}' PRIMARY KEY ("timestamp" DESC, type, id) WITH (indexes = 'id');
SEED user_metadata (id TEXT, name TEXT, email TEXT, quota BIGINT) FROM 'users.csv' FORMAT CSV
  TO '${STORE}' PRIMARY KEY (id);
SQL
printf 'id,name,email,quota\n' >"$p/users.csv"
for i in $(seq 20); do echo "u$i,n$i,n$i@x.org,${i}000" >>"$p/users.csv"; done
try() { "$RAUDAL" "$@" >"$room/out" 2>"$room/err"; rc=$?; }
# check NAME EXPECTED_RC [FRAGMENT...]: of the last command
check() {
    local name=$1 want=$2 ok=1 f
    shift 2
    [ "$rc" = "$want" ] || { ok=0; echo "exit code $rc, not $want"; }
    for f in "$@"; do grep -qF -- "$f" "$room/out" "$room/err" || { ok=0; echo "does not say: $f"; }; done
    result "$name" "$ok"
}
result() {
    if [ "$2" = 1 ]; then passed=$((passed + 1)); else
        failed=$((failed + 1)); echo "FAILED: $1"; sed 's/^/    /' "$room/out" "$room/err"; fi
}
same() { [ "$2" = "$3" ] && result "$1" 1 || { echo "got: $2; not: $3"; result "$1" 0; }; }

try provision "$p" --dry-run
check "a dry run tells everything" 0 'CREATE TABLE _raudal_progress' 'CREATE TABLE "public"."bytes"' \
    'CREATE INDEX ON "public"."bytes" ("id")' '20 rows of users.csv would be upserted'
same "and makes nothing" "$(ask "SELECT count(*) FROM pg_class WHERE relname IN ('bytes', 'user_metadata', '_raudal_progress')")" 0
try provision "$p"
check "provision makes it" 0 '20 rows of users.csv upserted'
try provision "$p"
check "once" 0 'nothing to make'
same "users are there once" "$(ask 'SELECT count(*), sum(quota) FROM user_metadata')" "20|210000"
echo '{"ts":"2026-01-01T00:00:05Z","id":"u1","v":7}' >"$p/in/1.jsonl"
try run "$p" --once
check "a run fills what was provisioned" 0
same "with its rows" "$(ask 'SELECT id, value FROM bytes')" "u1|7"
ask "UPDATE user_metadata SET quota = 1; DROP TABLE bytes; DROP TABLE _raudal_progress" >/dev/null
ask "CREATE TABLE bytes (timestamp TIMESTAMP, id TEXT, value BIGINT, type TEXT);
     INSERT INTO bytes VALUES ('2026-01-01', 'a', 1, 'x'), ('2026-01-01', 'a', 2, 'x'), ('2026-01-02', 'a', 2, 'x')" >/dev/null
try provision "$p"
check "duplicates of a keyless table are named" 5 '1 key is there more than once' '2026-01-01 00:00:00' 'HAVING count(*) > 1'
same "the other table was made all the same" "$(ask 'SELECT sum(quota) FROM user_metadata')" 210000
ask "DELETE FROM bytes WHERE value = 1; INSERT INTO bytes VALUES (NULL, 'a', 2, 'x')" >/dev/null
try provision "$p"
check "rows without a key are named" 5 'there are rows whose key is null'
ask "DELETE FROM bytes WHERE timestamp IS NULL" >/dev/null
try provision "$p"
check "then the key is added" 0 'CREATE UNIQUE INDEX ON "public"."bytes" ("timestamp", "type", "id")'
same "its rows stay" "$(ask 'SELECT count(*) FROM bytes')" 2
try run "$p" --root "$room/other" --once
check "a table with rows is nobody's to overwrite" 5 'it holds rows that no pipeline wrote' '--adopt'
try run "$p" --root "$room/other" --once --adopt
check "unless it is adopted" 0
same "then it holds ours, in UTC" "$(ask 'SELECT timestamp, id, value FROM bytes')" "2026-01-01 00:00:00|u1|7"
ask "DROP TABLE bytes; CREATE TABLE bytes (timestamp TIMESTAMP, id INTEGER, val BIGINT, type TEXT)" >/dev/null
try provision "$p"
check "columns that do not fit are named, each" 5 'column "id" is of type integer, not text' \
    'column "value" is missing' 'column "val" is there but not in the pipeline'
ask "DROP TABLE bytes; CREATE VIEW bytes AS SELECT 1 AS id" >/dev/null
try provision "$p"
check "a view is refused" 5 'there is a view of that name'
STORE=${base/@/:s3cret@}/nowhere try provision "$p"
check "a database that is not there" 5 'nowhere'
! grep -q s3cret "$room/out" "$room/err" && result "no password is told" 1 || result "no password is told" 0
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
