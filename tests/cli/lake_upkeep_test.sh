#!/usr/bin/env bash
# lake_upkeep_test.sh BINARY - a run merges the small files that runs leave, loses nothing when it dies there,
# and removes what no version of the retention needs.
set -euo pipefail
raudal=$(realpath "$1")
room=$(mktemp -d "${TMPDIR:-/tmp}/raudal-upkeep-XXXXXX")
trap 'rm -rf "$room"' EXIT
cd "$room"
mkdir -p p/in
cat >p/p.sql <<'SQL'
CREATE SOURCE s (id BIGINT, day DATE, v BIGINT) FROM 'in/' FORMAT JSON;
CREATE STREAMING TABLE b.t (CONSTRAINT positive EXPECT (v > 0) ON VIOLATION QUARANTINE)
  PARTITIONED BY (day) AS SELECT * FROM STREAM s;
CREATE MATERIALIZED VIEW g.v PRIMARY KEY (day) AS
  SELECT day, count(*) AS n, sum(v) AS total FROM STREAM b.t GROUP BY day;
SQL

fail() { echo "FAIL: $*" >&2; exit 1; }
files() { find "p/.raudal/lake/$1" -name 'part-*.parquet' | wc -l; }
named() { # files that the newest version of a table names
    "$raudal" lake files p "$1" --format csv | tail -n +2 | wc -l
}
deliver() { # deliver N: two days, one bad row
    printf '{"id":%d,"day":"2026-01-0%d","v":%d}\n' "$1"1 1 "$1" "$1"2 2 "$1" "$1"3 1 -1 >"p/in/$1.json"
}
run() { "$raudal" run p --once --log-level error "$@" >out 2>err; }
sums() { "$raudal" sql p 'SELECT day, n, total FROM g.v ORDER BY day' --format csv | tail -n +2 | tr '\n' ' '; }
rows() { "$raudal" sql p 'SELECT count(*), count(DISTINCT (_epoch, _source_partition, _source_offset)), sum(v) FROM b."t$rows"' --format csv | tail -n 1; }

for i in 1 2 3 4 5 6 7; do deliver $i && run; done
[ "$(named b.t)" = 14 ] || fail "seven runs left $(named b.t) files, not one for each run and day"

# The eighth has enough to merge: it dies with the merged files written, and again on the way.
deliver 8
for fault in lake.compact_data:1:kill lake.compact_data:2:kill; do
    cp -a p kept
    code=0
    { RDL_FAULT=$fault "$raudal" run p --once --log-level error >/dev/null 2>&1 || code=$?; } 2>/dev/null
    [ "$code" = 137 ] || fail "$fault ended with $code"
    run && "$raudal" verify p >/dev/null || fail "the run after $fault"
    found=$("$raudal" sql p 'SELECT count(*), sum(v) FROM b.t' --format csv | tail -n 1)
    [ "$found" = 16,72 ] || fail "after $fault the table holds $found"
    orphans=$(find p/.raudal/lake/b -name 'part-*-c*.parquet' | while read -r f; do
        grep -rqF "$(basename "$f")" p/.raudal/lake/b/t/_delta_log || echo "$f"
    done)
    [ -z "$orphans" ] || fail "$fault left $orphans"
    rm -rf p && mv kept p
done

run
[ "$(named b.t)" = 2 ] || fail "eight runs leave $(named b.t) files, not one a day"
grep -q OPTIMIZE p/.raudal/lake/quarantine/b_t/_delta_log/*.json || fail "the quarantine was not merged"
[ "$(rows)" = 16,16,72 ] || fail "merging changed rows: $(rows)"
[ "$(sums)" = "2026-01-01,8,36 2026-01-02,8,36 " ] || fail "the view says $(sums)"
"$raudal" verify p >out || fail "verify: $(cat out)"

# Nothing to do: no merge, no commit.
before=$(find p/.raudal -type f | sort | xargs md5sum | grep -v catalog)
run
[ "$before" = "$(find p/.raudal -type f | sort | xargs md5sum | grep -v catalog)" ] ||
    fail "a run with nothing to read changed files"

# 0 merges nothing.
for i in 9 10 11 12 13 14 15 16 17; do deliver $i && run --set lake_compact_files=0; done
[ "$(named b.t)" = 20 ] || fail "lake_compact_files=0 left $(named b.t) files"

# What the last day's vacuum found is removed once the day is over, no sooner; a version that is kept reads as before.
many=$(files b/t)
deliver 18 && run --set 'lake_retention=1 hour'
[ "$(files b/t)" -ge "$many" ] || fail "files went before a day was over"
now=$(date +%s)
find p/.raudal/lake/b/t -name 'part-*.parquet' -exec touch -d "@$((now - 7200))" {} +
echo $(((now - 90000) * 1000000)) >p/.raudal/state/vacuumed
deliver 19 && run --set 'lake_retention=30 days'
[ "$(files b/t)" -gt "$(named b.t)" ] || fail "the retention was not kept"
[ "$(rows)" = "38,38,380" ] || fail "the table holds $(rows)"
"$raudal" verify p >out || fail "verify after the vacuum: $(cat out)"

# A retention that readers could not live with is refused.
code=0
run --set 'lake_retention=1 minute' || code=$?
[ "$code" = 3 ] && grep -q 'less than an hour' err || fail "a minute's retention: exit code $code, $(cat err)"
echo "ok"
