#!/usr/bin/env bash
# why_test.sh - `raudal why` finds each of a row's fates.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
p=$room/p
mkdir -p "$p/in"
cat >"$p/p.sql" <<'SQL'
CREATE SOURCE ev (id TEXT, ts TIMESTAMPTZ, kind TEXT, n INTEGER) FROM 'in/' FORMAT JSON
  WATERMARK ts DELAY OF INTERVAL 1 MINUTE;
CREATE STREAMING TABLE b.ev (CONSTRAINT positive EXPECT (n > 0) ON VIOLATION QUARANTINE)
AS SELECT id, ts, kind, n FROM STREAM ev;
CREATE STREAMING TABLE s.once (CONSTRAINT small EXPECT (n < 100) ON VIOLATION DROP ROW)
  DEDUPLICATE ON (id)
AS SELECT id, ts, n FROM STREAM b.ev WHERE kind = 'sale';
CREATE STREAMING TABLE b.first DEDUPLICATE ON (id) AS SELECT id, ts, n FROM STREAM ev;
CREATE STREAMING TABLE s.of_first AS SELECT id, n FROM STREAM b.first WHERE n < 1000;
CREATE STREAMING TABLE s.punctual ON LATE DROP AS SELECT id, ts, n FROM STREAM b.ev;
CREATE MATERIALIZED VIEW g.by_hour PRIMARY KEY (hour)
AS SELECT date_trunc('hour', ts) AS hour, count(*) AS rows, sum(n) AS n FROM STREAM s.once GROUP BY 1;
CREATE MATERIALIZED VIEW g.named PRIMARY KEY (hour) AS SELECT hour, 'hour ' || hour(hour) AS name, n FROM g.by_hour;
CREATE MATERIALIZED VIEW g.by_day PRIMARY KEY (day) AS SELECT CAST(hour AS DATE) AS day, sum(n) AS n FROM g.named GROUP BY 1;
CREATE STREAMING TABLE s.joined PROCESSING TIME
AS SELECT o.id, b.n AS hourly FROM STREAM s.punctual o LEFT JOIN g.by_hour b ON b.hour = date_trunc('hour', o.ts);
SQL
cat >"$p/in/a.jsonl" <<'JSON'
{"id":"a","ts":"2025-08-01T10:00:00Z","kind":"sale","n":1}
{"id":"a","ts":"2025-08-01T10:00:30Z","kind":"sale","n":7}
{"id":"b","ts":"2025-08-01T10:01:00Z","kind":"view","n":2}
{"id":"c","ts":"2025-08-01T11:00:00Z","kind":"sale","n":500}
{"id":"d","ts":"2025-08-01T09:00:00Z","kind":"sale","n":3}
{"id":"e","ts":"2025-08-01T11:00:01Z","kind":"sale","n":0}
not JSON, but it says zebra
JSON
"$RAUDAL" run "$p" --once >/dev/null 2>&1

# expect TABLE QUESTION TEXT...: the answer has a line that fits each text.
expect() {
    local table=$1 question=$2 got text
    shift 2
    got=$("$RAUDAL" why "$p" "$table" $question --limit 3)
    for text in "$@"; do
        grep -qE -- "$text" <<<"$got" ||
            { echo "FAILED: why $table $question does not say \"$text\":" && echo "$got" && exit 1; }
    done
}

expect b.ev id=d 'ev +read +record 4 of a.jsonl, in epoch 1' 'b.ev +held' '  s.once +held' \
    '    g.by_hour +counted' '"rows":1,"n":3' '      g.named +counted' '"name":"hour 9"' \
    '        g.by_day +counted' '"day":"2025-08-01","n":4' '      s.joined +unknown +it joins the view as it stands' '  s.punctual +dropped +behind the watermark'
expect s.once "id=a n=7" 'b.ev +held' 's.once +duplicate +the first of its key came as record 0' '"n":1'
# Over a source no table holds the duplicate: the first of its key is told.
expect b.first "id=a n=7" 'b.first +duplicate +no such row is held; the first of its key came as record 0 of a.jsonl, in epoch 1' '"id":"a".*"n":1'
expect s.of_first "id=a n=7" 'b.first +duplicate +no such row is held; the first of its key came as record 0'
expect b.first "id=nobody n=7" 'b.first +absent'
expect b.first n=7 'b.first +absent .*of a duplicate ask by its whole key'
expect s.once id=b 'b.ev +held' 's.once +filtered'
expect s.once id=c 's.once +dropped +constraint small'
expect s.once id=e 'b.ev +quarantined +positive .*record 5 of a.jsonl'
expect b.ev id=zebra 'b.ev +quarantined +malformed'
expect s.once id=nobody 's.once +absent'
expect g.by_hour "hour=2025-08-01T10:00:00Z" 'shown as of epoch 1' 'batch definition over its inputs gives now'
got=$("$RAUDAL" why "$p" b.ev idd=1 2>&1) && { echo "FAILED: a wrong column passed" && exit 1; }
grep -q 'Did you mean id' <<<"$got" || { echo "FAILED: no hint: $got" && exit 1; }
"$RAUDAL" why "$p" b.ev id=a --format jsonl | grep -Eq '"what": ?"held"' || { echo "FAILED: jsonl" && exit 1; }
# Judged again: the quarantine's step says when.
sed -i 's/n > 0/n >= 0/' "$p/p.sql"
"$RAUDAL" quarantine replay "$p" b.ev >/dev/null 2>&1
expect b.ev id=e 'b.ev +held' 'b.ev +quarantined +positive .*judged again in epoch 2'
echo "why: every fate is told"
