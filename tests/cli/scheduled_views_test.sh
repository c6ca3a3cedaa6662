#!/usr/bin/env bash
# scheduled_views_test.sh - views with a schedule sit out the epochs of --once and are brought up in its last by what
# changed since; their content is the batch's, whatever came and went meanwhile; a change of the text builds them whole.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
failed=0
fail() { echo "FAILED: $*"; failed=1; }
p=$room/p
mkdir -p "$p/in"
echo 'max_files_per_epoch=1' >"$p/raudal.env"
text() { # MORE STATEMENTS
    cat >"$p/p.sql" <<SQL
CREATE SOURCE s (id BIGINT, k TEXT, d DATE, v BIGINT) FROM 'in/' FORMAT JSON;
CREATE STREAMING TABLE b.rows AS SELECT id, k, d, v FROM STREAM s;
CREATE MATERIALIZED VIEW g.sums PRIMARY KEY (k, d) AS
  SELECT k, d, sum(v) AS total, count(*) AS n FROM STREAM b.rows GROUP BY ALL;
CREATE MATERIALIZED VIEW g.positive PRIMARY KEY (k, d) SCHEDULE EVERY INTERVAL 1 HOUR AS
  SELECT k, d, total FROM g.sums WHERE total > 0 AND k IS NOT NULL;
CREATE MATERIALIZED VIEW g.by_day PRIMARY KEY (d) SCHEDULE EVERY INTERVAL 1 HOUR AS
  SELECT d, sum(total) AS total, count(*) AS keys FROM g.sums WHERE d IS NOT NULL GROUP BY d;
CREATE MATERIALIZED VIEW g.by_key PRIMARY KEY (k) SCHEDULE EVERY INTERVAL 1 HOUR AS
  SELECT k, list_sort(list(total)) AS totals, max(total) AS most FROM g.sums WHERE total <> 0 AND k IS NOT NULL GROUP BY k;
CREATE MATERIALIZED VIEW g.rows_of PRIMARY KEY (k) SCHEDULE EVERY INTERVAL 1 HOUR AS
  SELECT k, count(*) AS n, min(v) AS least FROM STREAM b.rows GROUP BY k;
CREATE MATERIALIZED VIEW g.of_positive SCHEDULE EVERY INTERVAL 1 HOUR AS
  SELECT k, count(*) AS days FROM g.positive GROUP BY k;
PUBLISH g.by_day TO 'sqlite:days.db' PRIMARY KEY (d);
PUBLISH g.positive TO 'sqlite:days.db' PRIMARY KEY (k, d);
$1
SQL
}
files=0
feed() { # HOW MANY FILES: sums go up and down through zero, and keys come and go
    for ((i = 0; i < $1; i++)); do
        files=$((files + 1))
        awk -v f=$files 'BEGIN { srand(f); for (i = 0; i < 60; i++)
            printf "{\"id\":%d,\"k\":\"k%d\",\"d\":\"2026-01-%02d\",\"v\":%d}\n", f * 100 + i, rand() * 9, 1 + rand() * 5, rand() * 7 - 3
            if (f % 3 == 0) printf "{\"id\":%d,\"k\":null,\"d\":null,\"v\":1}\n", f * 100 + 99 }' \
            >"$p/in/$(printf %04d $files).jsonl"
    done
}
once() { # HOW MANY VIEWS ARE TO BE CAUGHT UP
    "$RAUDAL" run "$p" --once --log-level debug >"$room/out" 2>"$room/log" || fail "a run: $(tail -3 "$room/log")"
    local n
    n=$(grep -c 'caught_up' "$room/log" || true)
    [ "$n" = "$1" ] || fail "$2: $n views were caught up, not $1"
    "$RAUDAL" verify "$p" >"$room/out" 2>&1 || fail "$2: $(cat "$room/out")"
    [ "$("$RAUDAL" sql "$p" --format csv "SELECT count(*) FROM b.rows" | tail -1)" = \
      "$("$RAUDAL" sql "$p" --format csv "SELECT sum(n) FROM g.rows_of" | tail -1)" ] || fail "$2: rows_of is behind"
}
text ''
feed 4
once 0 "the first run, which builds"
for round in 1 2 3; do
    feed $((round * 2))
    once 4 "round $round"
done
once 0 "a run with nothing to do"

# Killed after a seal in the middle: the next run brings them up over both.
feed 3
RDL_FAULT=epoch.after_seal:2:kill "$RAUDAL" run "$p" --once >/dev/null 2>&1 && fail "it was not killed"
feed 1
once 4 "after a kill"

# Another text: old rows may have been left out while nobody read them.
text 'CREATE MATERIALIZED VIEW g.other PRIMARY KEY (k) AS SELECT k, count(*) AS n FROM STREAM b.rows GROUP BY k;'
feed 2
once 0 "after a change of the text"
feed 2
once 4 "and then"
[ "$failed" = 0 ] && echo "1 passed, 0 failed"
exit "$failed"
