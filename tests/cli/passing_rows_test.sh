#!/usr/bin/env bash
# passing_rows_test.sh RAUDAL - rows that no table holds (stream/ingest.c): an epoch that is too large to
# be held decodes a source where its only reader wants the rows.  Fates, places of rejected rows, counts
# and tables are those of a run that holds them; a body that reads none or all of them twice changes
# nothing.
set -euo pipefail
raudal=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say() { echo "$*"; exit 1; }

mkdir -p "$work/p/in" "$work/p/dim"
awk 'BEGIN {
    for (i = 0; i < 30000; i++) {
        if (i % 5000 == 4999) { print "{\"id\": " i ", \"v\": oops}"; continue }
        printf "{\"id\": %d, \"v\": %d, \"name\": \"a name of some length, number %d\"%s}\n",
            i - (i % 3000 == 2998), i % 100, i, i % 1000 ? "" : ", \"more\": [1]"
    }
}' >"$work/p/in/a.jsonl"
gzip -c "$work/p/in/a.jsonl" | head -c 100000000 >"$work/packed.gz"
printf 'v,label\n' >"$work/p/dim/none.csv"
printf 'v,label\n1,x1\n2,x2\n3,x3\n' >"$work/some.csv"
cat >"$work/p/p.sql" <<'SQL'
CREATE SOURCE s (id BIGINT, v INTEGER, name TEXT) FROM 'in/' FORMAT JSON ON MALFORMED QUARANTINE;
CREATE SOURCE d (v INTEGER, label TEXT) FROM 'dim/*.csv' FORMAT CSV SNAPSHOT OPTIONS (allow_shrink = 'true');
CREATE STREAMING TABLE b.s (CONSTRAINT small EXPECT (v < 99) ON VIOLATION QUARANTINE) DEDUPLICATE ON (id)
AS SELECT ${BODY};
SQL
run() { # NAME BODY MEMORY
    "$raudal" run "$work/p" --once --root "$work/$1" --set "BODY=$2" --memory "$3" >"$work/$1.out" 2>&1 ||
        { cat "$work/$1.out"; say "$1: the run failed"; }
    "$raudal" verify "$work/p" --root "$work/$1" --set "BODY=$2" >"$work/$1.verify" 2>&1 ||
        { cat "$work/$1.verify"; say "$1: verify found differences"; }
    sql() { "$raudal" sql "$work/p" --root "$work/$run" --set "BODY=$body" --format csv "$1" | tail -n +2; }
    local run=$1 body=$2
    {
        sql 'SELECT count(*), sum(id), sum(v), sum(length(name)) FROM b.s'
        sql 'SELECT reasons, count(*), sum(_source_offset), sum(octet_length(raw)), count(DISTINCT raw), min(raw)
             FROM quarantine.b_s GROUP BY ALL ORDER BY 1'
        grep ' read = ' "$work/$1.out" | sed 's/  *last epoch.*//'
    } >"$work/$1.is"
}
same() { diff "$work/$1.is" "$work/$2.is" || say "$2 is not as $1"; }

run held '* FROM STREAM s' 4GB
run passing '* FROM STREAM s' 64MB
same held passing
grep -q '30000 read = 29690 written + 10 duplicate + 300 quarantined' "$work/passing.is" || { cat "$work/passing.is"; say 'other fates'; }

# An inner join with an empty table need not read a row: all of them count as filtered.
none='s.* FROM STREAM s JOIN d ON d.v = s.v'
run held_none "$none" 4GB
run passing_none "$none" 64MB
same held_none passing_none
grep -q '30000 read' "$work/passing_none.is" || { cat "$work/passing_none.is"; say 'records are missing'; }

# Copies are counted by reading the source again.
mv "$work/some.csv" "$work/p/dim/none.csv"
run held_some "$none" 4GB
run passing_some "$none" 64MB
same held_some passing_some

mv "$work/packed.gz" "$work/p/in/a.jsonl"
run packed '* FROM STREAM s' 64MB
same held packed
