#!/usr/bin/env bash
# What the journal set aside is removed after journal_retention, no younger part of it, and the root goes on.
set -euo pipefail
raudal=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "not ok: $*"; exit 1; }
mkdir "$work/in"
cat >"$work/p.sql" <<'SQL'
CREATE SOURCE s (a BIGINT) FROM 'in/' FORMAT JSON;
CREATE STREAMING TABLE b.s AS SELECT * FROM STREAM s;
SQL
past=$work/.raudal/state/journal-past
feed() { echo "{\"a\":$1}" >"$work/in/$1.jsonl"; shift; "$raudal" run "$work" --once --set journal_max_bytes=1 "$@" >"$work/out" 2>&1; }

# A file is set aside when the journal has grown by more than its summary.
for i in $(seq 1 12); do feed "$i"; done
files=$(ls "$past" | wc -l)
[ "$files" -ge 2 ] || fail "the journal set $files files aside"
oldest=$past/$(ls "$past" | head -1)
touch -d '3 days ago' "$oldest"

feed 100 --set 'journal_retention=1 minute' && fail "a retention below an hour is taken"
grep -q 'setting journal_retention is "1 minute", which is less than an hour' "$work/out" || fail "$(cat "$work/out")"

# The usual: it stays.
for i in $(seq 13 20); do feed "$i"; done
[ -e "$oldest" ] || fail "the past was removed though nobody said so"
for i in $(seq 21 32); do feed "$i" --set 'journal_retention=2 days'; done
[ ! -e "$oldest" ] || fail "the past of three days ago is there"
[ "$(ls "$past" | wc -l)" -gt "$files" ] || fail "younger parts of the past are gone"

got=$("$raudal" sql "$work" 'SELECT count(*), sum(a) FROM b.s' --format csv | tail -1)
[ "$got" = "33,628" ] || fail "33 rows were fed, got $got"
"$raudal" verify "$work" >"$work/out" 2>&1 || fail "$(cat "$work/out")"
"$raudal" doctor "$work" >"$work/out" 2>&1 || fail "$(cat "$work/out")"
