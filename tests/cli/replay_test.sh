#!/usr/bin/env bash
# replay_test.sh - rows of a quarantine are judged again by a mended text, once, whenever it dies.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
failed=0
fail() { echo "FAILED: $*"; failed=1; }

make_pipeline() { # DIR
    mkdir -p "$1/in"
    cat >"$1/p.sql" <<'SQL'
CREATE SOURCE ev (id TEXT, ts TIMESTAMPTZ, n INTEGER) FROM 'in/' FORMAT JSON
  WATERMARK ts DELAY OF INTERVAL 1 MINUTE;
CREATE STREAMING TABLE b.ev (CONSTRAINT positive EXPECT (n > 0) ON VIOLATION QUARANTINE)
  DEDUPLICATE ON (id)
AS SELECT id, ts, n, _ingest_ts AS came FROM STREAM ev;
CREATE STREAMING TABLE s.ev (CONSTRAINT small EXPECT (n < 100) ON VIOLATION QUARANTINE) ON LATE DROP
AS SELECT id, ts, n FROM STREAM b.ev;
CREATE STREAMING TABLE s.other AS SELECT id FROM STREAM b.ev;
CREATE STREAMING TABLE s.each (CONSTRAINT odd EXPECT (k % 2 = 1) ON VIOLATION QUARANTINE) ALLOW FANOUT
AS SELECT id, unnest([1, 2]) AS k FROM STREAM b.ev;
CREATE MATERIALIZED VIEW g.v PRIMARY KEY (h)
AS SELECT date_trunc('hour', ts) AS h, count(*) AS c, sum(n) AS n FROM STREAM s.ev GROUP BY 1;
PUBLISH g.v TO 'sqlite:serving.db' PRIMARY KEY (h);
SQL
    cat >"$1/in/a.jsonl" <<'JSON'
{"id":"a","ts":"2025-08-01T10:00:00Z","n":1}
{"id":"b","ts":"2025-08-01T10:00:30Z","n":0}
{"id":"b","ts":"2025-08-01T10:00:30Z","n":0}
{"id":"c","ts":"2025-08-01T11:00:00Z","n":500}
{"id":"d","ts":"2025-08-01T12:00:00Z","n":-3}
not JSON
JSON
    "$RAUDAL" run "$1" --once >/dev/null 2>&1
    sed -i 's/n > 0/n >= 0/; s/n < 100/n < 1000/; s/k % 2 = 1/k > 0/' "$1/p.sql"
}
says() { # TEXT command...
    local text=$1 got
    shift
    got=$("$@" 2>&1) || true
    grep -qF -- "$text" <<<"$got" || fail "$* does not say \"$text\": $got"
}
content() {
    "$RAUDAL" sql "$1" --format csv 'SELECT id, n, _epoch, _source_offset, _ordinal FROM b."ev$rows" ORDER BY ALL' 2>&1
    "$RAUDAL" sql "$1" --format csv 'SELECT id, _epoch, _source_offset FROM s."ev$rows" ORDER BY ALL' 2>&1
    "$RAUDAL" sql "$1" --format csv 'FROM s.each ORDER BY ALL' 2>&1
    "$RAUDAL" sql "$1" --format csv 'FROM g.v ORDER BY ALL' 2>&1
    "$RAUDAL" quarantine list "$1" --format csv 2>&1 | cut -d, -f1-6
}
replay_all() { for t in b.ev s.ev s.each; do "$RAUDAL" quarantine replay "$1" $t || return; done; }

p=$room/p
make_pipeline "$p"
says 'b.ev: 1 replayed = 1 still quarantined' "$RAUDAL" quarantine replay "$p" b.ev --where '_source_offset = 4'
says 'could not read the condition "_ofset = 4" of "b.ev"'"'"'s quarantine' "$RAUDAL" quarantine replay "$p" b.ev --where '_ofset = 4'
"$RAUDAL" quarantine replay "$p" b.ev --where '(1' >/dev/null 2>&1 && fail "a condition that is no SQL is taken"
test $("$RAUDAL" quarantine replay "$p" b.ev --where '(1' >/dev/null 2>&1; echo $?) = 2 || fail "a wrong condition exits otherwise than 2"
says 'b.ev: 3 replayed = 1 written + 1 duplicate + 1 still quarantined' "$RAUDAL" quarantine replay "$p" b.ev
says 'b.ev: 1 replayed = 1 still quarantined' "$RAUDAL" quarantine replay "$p" b.ev
says 'b.ev,positive,ev,3,2,1,' "$RAUDAL" quarantine list "$p" --format csv # one of three waits
# What nobody mends is dismissed: it stays, waits no longer, and is counted.
d=$room/d
make_pipeline "$d"
says 'which ones is not said' "$RAUDAL" quarantine dismiss "$d" b.ev
says 'could not read the condition' "$RAUDAL" quarantine dismiss "$d" b.ev --where '_ofset = 4'
says 'b.ev: 1 row dismissed' "$RAUDAL" quarantine dismiss "$d" b.ev --where "record->>'id' = 'd'"
says 'b.ev: 0 rows dismissed; nothing' "$RAUDAL" quarantine dismiss "$d" b.ev --where "record->>'id' = 'd'"
says 'b.ev,positive,ev,3,0,2,1,' "$RAUDAL" quarantine list "$d" --format csv
says 'positive, dismissed' "$RAUDAL" why "$d" b.ev id=d
says 'b.ev: 2 replayed = 1 written + 1 duplicate' "$RAUDAL" quarantine replay "$d" b.ev
says 'b.ev,positive,ev,3,2,0,1,' "$RAUDAL" quarantine list "$d" --format csv
says '1,1,true' "$RAUDAL" sql "$d" --format csv "SELECT replayed, dropped, balances FROM raudal.ledger WHERE table_name = 'b.ev' AND dropped > 0"
says '0 differences: stream, batch and stores agree' "$RAUDAL" verify "$d"
RDL_FAULT=epoch.after_seal:1:kill "$RAUDAL" quarantine dismiss "$d" b.ev --where true >/dev/null 2>&1 && fail "it was not killed"
"$RAUDAL" run "$d" --once >/dev/null 2>&1 || fail "a run after a killed dismissal"
says 'b.ev,malformed,ev,1,0,0,1,' "$RAUDAL" quarantine list "$d" --format csv
says '0 differences: stream, batch and stores agree' "$RAUDAL" verify "$d"
says 's.ev: 1 replayed = 1 written' "$RAUDAL" quarantine replay "$p" s.ev
says 's.ev: 0 replayed; nothing' "$RAUDAL" quarantine replay "$p" s.ev
# Of two copies one was written and one rejected: only that one comes; b came with both.
says '2 replayed' "$RAUDAL" quarantine replay "$p" s.each
says '6 checks, 0 differences' "$RAUDAL" verify "$p"
[ "$("$RAUDAL" sql "$p" --format csv 'SELECT count(*), count(DISTINCT (id, k)) FROM s.each' | tail -1)" = 6,6 ] ||
    fail "copies: $("$RAUDAL" sql "$p" 'FROM s.each')"
[ "$("$RAUDAL" sql "$p" --format csv "SELECT n FROM g.v WHERE h = '2025-08-01 11:00:00Z'" | tail -1)" = 500 ] ||
    fail "the view does not count the row"
says 'no streaming table' "$RAUDAL" quarantine replay "$p" g.v
says 'rows to replay' "$RAUDAL" quarantine replay "$p" b.ev --where 'nonsense > 1'
says '0 read' "$RAUDAL" run "$p" --once
want=$(content "$p")

for fault in epoch.before_seal:1:kill seal.write:1:torn epoch.after_seal:1:kill lake.after_commit:1:kill; do
    k=$room/k
    rm -rf "$k" && make_pipeline "$k"
    "$RAUDAL" quarantine replay "$k" b.ev --where '_source_offset = 4' >/dev/null
    rc=0
    (RDL_FAULT=$fault "$RAUDAL" quarantine replay "$k" b.ev) >/dev/null 2>&1 || rc=$?
    [ $rc = 137 ] || fail "$fault ended with $rc"
    replay_all "$k" >/dev/null 2>&1 || fail "no replay after $fault"
    says '6 checks, 0 differences' "$RAUDAL" verify "$k"
    [ "$(content "$k")" = "$want" ] || fail "after $fault: $(diff <(content "$k") <(echo "$want"))"
done 2>/dev/null
[ $failed = 0 ] && echo "replay: each row once"
exit $failed
