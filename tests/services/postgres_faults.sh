#!/usr/bin/env bash
# PostgreSQL as a store: kills at each point of an apply, a server that stops and starts in the
# middle, a failover that lost an epoch, an older copy, an empty database; queries and verify.
set -uo pipefail
[ -n "${RAUDAL_POSTGRES:-}" ] && command -v psql >/dev/null || { echo "no PostgreSQL here"; exit 77; }
room=$(mktemp -d) failed=0 passed=0
db=raudal_faults_$$
export STORE=${RAUDAL_POSTGRES%/*}/$db
ask() { psql -qAtX "$STORE" -c "$1"; }
psql -qX "$RAUDAL_POSTGRES" -c "CREATE DATABASE $db" || exit 1
finish() {
    psql -qX "$RAUDAL_POSTGRES" -c "DROP DATABASE IF EXISTS $db WITH (FORCE)" 2>/dev/null
    rm -rf "$room"
}
trap finish EXIT
p=$room/p n=0
mkdir -p "$p/in" "$p/queries"
cat >"$p/p.sql" <<'SQL'
CREATE SOURCE s (id BIGINT, k TEXT, n BIGINT) FROM 'in/' FORMAT JSON;
CREATE STREAMING TABLE b.t AS SELECT * FROM STREAM s;
CREATE MATERIALIZED VIEW g.sums PRIMARY KEY (k) AS SELECT k, sum(n) AS total, count(*) AS c FROM STREAM b.t GROUP BY ALL HAVING sum(n) <> 0;
PUBLISH g.sums TO '${STORE}' PRIMARY KEY (k);
SQL
printf -- '-- One key.\n--   $k  its name\nSELECT total, c FROM sums WHERE k = $k\n' >"$p/queries/one.sql"
result() {
    if [ "$2" = 1 ]; then passed=$((passed + 1)); else
        failed=$((failed + 1)); echo "FAILED: $1"; tail -qn 5 "$room/out" "$room/err" | sed 's/^/    /'
    fi
}
try() { "$RAUDAL" "$@" >"$room/out" 2>"$room/err"; rc=$?; }
run() { try run "$p" --once; }
# Fresh keys, changed ones, and one that goes (its sum becomes 0).
feed() {
    n=$((n + 1))
    {
        for i in 1 2 3 4 5; do echo "{\"id\":$i,\"k\":\"k$i\",\"n\":$n}"; done
        echo "{\"id\":6,\"k\":\"new$n\",\"n\":1}"
        [ "$n" -lt 2 ] || echo "{\"id\":7,\"k\":\"new$((n - 1))\",\"n\":-1}"
    } >"$p/in/$n.jsonl"
}
lake() { "$RAUDAL" sql "$p" --format csv 'SELECT k, total, c FROM g.sums ORDER BY k' 2>/dev/null | tail -n +2 | tr -d '"'; }
whole() { # NAME: the store is what the lake says
    local got want
    got=$(ask "SELECT k || ',' || total || ',' || c FROM sums ORDER BY k COLLATE \"C\"") want=$(lake)
    [ "$rc" = 0 ] && [ -n "$want" ] && [ "$got" = "$want" ] && result "$1" 1 && return
    echo "store: $got; lake: $want; exit code $rc"; result "$1" 0
}
feed; run; whole "the first run fills the table"
for point in sink.before_rows sink.before_commit sink.after_commit; do
    feed
    RDL_FAULT=$point:1:kill try run "$p" --once
    [ "$rc" = 137 ] && result "killed at $point" 1 || result "killed at $point" 0
    run; whole "after a kill at $point"
    feed
    RDL_FAULT=$point:1:EIO try run "$p" --once
    run; whole "after a failure at $point"
done
# A failover that lost the last epoch: its rows and its progress are gone together.
pg_copy() { ask "CREATE TABLE kept AS SELECT * FROM sums; CREATE TABLE kept_progress AS SELECT * FROM _raudal_progress"; }
ask "DROP TABLE IF EXISTS kept, kept_progress" >/dev/null 2>&1
pg_copy; feed; run
ask "BEGIN; TRUNCATE sums; INSERT INTO sums SELECT * FROM kept; TRUNCATE _raudal_progress;
     INSERT INTO _raudal_progress SELECT * FROM kept_progress; COMMIT"
feed; run; whole "a failover that lost an epoch is made up for"
ask "TRUNCATE sums; INSERT INTO sums SELECT * FROM kept; UPDATE _raudal_progress SET epoch = 1"
run; whole "an older copy is brought up"
ask "UPDATE _raudal_progress SET epoch = 1000000"
feed; run
[ "$rc" = 6 ] && grep -q "but the journal ends at" "$room/err" && result "a store that is ahead is refused" 1 || result "a store that is ahead is refused" 0
ask "DROP TABLE sums, _raudal_progress"
run; whole "an empty database is filled"
ask "UPDATE sums SET total = total + 1 WHERE k = 'k1'; DELETE FROM sums WHERE k = 'k2'"
try verify "$p"
[ "$rc" = 1 ] && grep -q ' 2 differences' "$room/out" && result "verify sees what somebody changed" 1 || result "verify sees what somebody changed" 0
try publish "$p"; whole "publish fills it again"
try verify "$p"
[ "$rc" = 0 ] && result "and verify agrees" 1 || result "and verify agrees" 0
try query "$p" one k=k1 --format csv
[ "$rc" = 0 ] && grep -qx "$(ask "SELECT total || ',' || c FROM sums WHERE k = 'k1'")" "$room/out" &&
    result "a query is answered by the store" 1 || result "a query is answered by the store" 0
# A late transaction of an earlier process holds the fence: it is ended, and its rows are not there.
root=$(ask "SELECT root FROM _raudal_progress")
PGAPPNAME="raudal $root" psql -qX "$STORE" >/dev/null 2>&1 <<SQL &
BEGIN; UPDATE _raudal_progress SET epoch = epoch + 1; UPDATE sums SET total = -1; SELECT pg_sleep(60); COMMIT;
SQL
zombies() { ask "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'raudal $root' AND query LIKE '%pg_sleep%'"; }
for _ in $(seq 100); do [ "$(zombies)" = 1 ] && break; sleep 0.1; done
[ "$(zombies)" = 1 ] && result "an earlier process holds the fence" 1 || result "an earlier process holds the fence" 0
feed; run; whole "a zombie's late transaction does not commit"
wait
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
