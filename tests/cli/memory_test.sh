#!/usr/bin/env bash
# memory_test.sh RAUDAL - a view whose changed rows are many times what DuckDB may hold goes to the lake with a
# small --memory: the same rows as with plenty, and a peak that is the budget and what the program
# needs without rows.  So do a million records of which none is one, and many small epochs of wide rows, which
# the lake takes in several commits then.
set -euo pipefail
raudal=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say() { echo "$*"; exit 1; }
budget_mb=128 overhead_mb=128

mkdir -p "$work/p/in"
for file in 1 2 3 4; do
    awk -v f=$file 'BEGIN {
        for (i = 0; i < 40000; i++)
            printf "{\"id\":\"%d-%d\",\"org\":\"organisation number %d\",\"service\":\"service %d\",\"n\":%d}\n", f, i, i % 8000, i % 5, i
    }' >"$work/p/in/$file.jsonl"
done
cat >"$work/p/p.sql" <<'SQL'
CREATE SOURCE s (id TEXT, org TEXT, service TEXT, n BIGINT) FROM 'in/' FORMAT JSON;
CREATE STREAMING TABLE b.s DEDUPLICATE ON (id) AS SELECT * FROM STREAM s;
CREATE MATERIALIZED VIEW g.v PRIMARY KEY (org, service, n) AS SELECT org, service, n, count(*) AS c, sum(n) AS total FROM STREAM b.s GROUP BY ALL;
SQL
run() { # NAME MEMORY
    "$raudal" run "$work/p" --once --root "$work/$1" --memory "$2" --set max_files_per_epoch=1 >"$work/$1.out" 2>&1 &
    local pid=$! now=
    peak_kb=0
    while kill -0 "$pid" 2>/dev/null; do # it is looked at, not waited for
        now=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status" 2>/dev/null) || true
        [ -z "$now" ] || peak_kb=$now
        sleep 0.05
    done
    wait "$pid" || { cat "$work/$1.out"; say "$1: the run failed"; }
    "$raudal" sql "$work/p" --root "$work/$1" --format csv \
        'SELECT count(*), sum(c), sum(total), count(DISTINCT org), min(c), max(c) FROM g.v' | tail -1 >"$work/$1.is"
    "$raudal" verify "$work/p" --root "$work/$1" >"$work/$1.verify" 2>&1 || { cat "$work/$1.verify"; say "$1: verify"; }
}
run plenty 4GB
run little ${budget_mb}MB
diff "$work/plenty.is" "$work/little.is" || say "other rows with little memory"
grep -q '^40000,160000,' "$work/little.is" || { cat "$work/little.is"; say "other rows than were written"; }
[ "$peak_kb" -gt 0 ] || say "no peak was seen"
[ "$peak_kb" -le $(((budget_mb + overhead_mb) * 1024)) ] || say "a peak of $peak_kb KB with $budget_mb MB"

budget_mb=256
mkdir -p "$work/q/in"
awk 'BEGIN { for (i = 0; i < 1000000; i++) print "y" }' >"$work/q/in/a.jsonl"
cat >"$work/q/p.sql" <<'SQL'
CREATE SOURCE s (n BIGINT) FROM 'in/' FORMAT JSON;
CREATE STREAMING TABLE b.t AS SELECT n FROM STREAM s;
SQL
"$raudal" run "$work/q" --once --memory ${budget_mb}MB --set max_rows_per_epoch=200000 >"$work/q.out" 2>&1 &
run=$!
while kill -0 $run 2>/dev/null; do # it is looked at, not waited for
    now=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$run/status" 2>/dev/null) || true
    [ -z "$now" ] || peak_kb=$now
    sleep 0.05
done
wait $run || { cat "$work/q.out"; say "the run over what is no record failed"; }
"$raudal" sql "$work/q" --format csv 'SELECT count(*), count(DISTINCT _source_offset) FROM quarantine.b_t' | grep -q '^1000000,1000000$' ||
    say "not a million rows in quarantine"
[ "$peak_kb" -le $(((budget_mb + overhead_mb) * 1024)) ] || say "a peak of $peak_kb KB with $budget_mb MB over what is no record"

mkdir -p "$work/w/in"
for file in {10..49}; do
    awk -v f=$file 'BEGIN { srand(f)
        for (i = 0; i < 5000; i++)
            printf "{\"id\":\"%s-%s-some-wide-identifier-%d\",\"day\":\"2026-01-%02d\",\"a\":\"text %d of a width that counts\",\"b\":\"another text, %d, also wide\",\"c\":\"%d a third one of them, wide\"}\n", f, i, rand() * 1e9, 1 + i % 28, rand() * 1e9, rand() * 1e9, rand() * 1e9
    }' >"$work/w/in/$file.jsonl"
done
cat >"$work/w/p.sql" <<'SQL'
CREATE SOURCE s (id TEXT, day DATE, a TEXT, b TEXT, c TEXT) FROM 'in/' FORMAT JSON;
CREATE STREAMING TABLE b.wide PARTITIONED BY (day) AS SELECT * FROM STREAM s;
SQL
"$raudal" run "$work/w" --once --memory 96MB --set max_files_per_epoch=1 --log-level info >"$work/w.out" 2>&1 ||
    { cat "$work/w.out"; say "the run over many epochs of wide rows failed"; }
"$raudal" sql "$work/w" --format csv 'SELECT count(*), count(DISTINCT id), count(DISTINCT day) FROM b.wide' | grep -q '^200000,200000,28$' ||
    say "other wide rows than were written"
grep -q 'commit_halved' "$work/w.out" || say "memory did for all at once: the test shows nothing"

# A view of which the lake has rows already grows by many epochs: its rows are merged with those, not sorted again.
mkdir -p "$work/v/in"
cat >"$work/v/p.sql" <<'SQL'
CREATE SOURCE s (id TEXT) FROM 'in/' FORMAT JSON;
CREATE STREAMING TABLE b.s DEDUPLICATE ON (id) AS SELECT * FROM STREAM s;
CREATE MATERIALIZED VIEW g.n PRIMARY KEY (id) AS SELECT id, count(*) AS n FROM b.s GROUP BY id;
SQL
file=0
for upto in 1 28 41; do
    while [ $file -lt $upto ]; do
        file=$((file + 1))
        awk -v f=$file 'BEGIN { for (i = 0; i < 12000; i++) printf "{\"id\": \"an event of file %d, number %d, whose name is long\"}\n", f, i }' >"$work/v/in/$file.jsonl"
    done
    # With 2 GB several threads read, and the rows must still come in order.
    for memory in 64MB 2GB; do
        "$raudal" run "$work/v" --once --root "$work/v-$memory" --memory $memory --set max_files_per_epoch=1 --log-level info >"$work/v.out" 2>&1 ||
            { cat "$work/v.out"; say "a view of $upto files with $memory"; }
        ! grep -E 'not_merged|commit_halved' "$work/v.out" || say "the lake's rows were not merged with $memory"
    done
done
for memory in 64MB 2GB; do
    "$raudal" sql "$work/v" --root "$work/v-$memory" --format csv 'SELECT count(*), count(DISTINCT id), sum(n)::BIGINT FROM g.n' |
        grep -q '^492000,492000,492000$' || say "other rows in the view that grew with $memory"
    "$raudal" verify "$work/v" --root "$work/v-$memory" >"$work/v.out" 2>&1 || { cat "$work/v.out"; say "verify of the view that grew"; }
done
