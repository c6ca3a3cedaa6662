#!/usr/bin/env bash
# A table that left the text is listed, can be dropped, and leaves nothing to one that takes its name.
set -euo pipefail
raudal=$1
room=$(mktemp -d)
run=
trap '[ -z "$run" ] || kill -9 $run 2>/dev/null || true; rm -rf "$room"' EXIT
fail() { echo "FAIL: $*" >&2; cat "$room/err" >&2; exit 1; }
p=$room/p
text() { # text [STATEMENT]: the pipeline, with that in it
    cat >"$p/p.sql" <<SQL
CREATE SOURCE s (id BIGINT, k TEXT, v BIGINT) FROM 'in/' FORMAT JSON;
CREATE STREAMING TABLE b.kept DEDUPLICATE ON (id) AS SELECT * FROM STREAM s;
${1:-}
SQL
}
old='CREATE STREAMING TABLE b.gone (CONSTRAINT positive EXPECT (v > 0) ON VIOLATION QUARANTINE) DEDUPLICATE ON (id) AS SELECT * FROM STREAM s;
PUBLISH b.gone TO '\''sqlite:serving.db'\'' PRIMARY KEY (id);'
feed() { printf '{"id":%s,"k":"a","v":%s}\n' "$2" "$3" >"$p/in/$1.json"; }
once() { "$raudal" run "$p" --once >"$room/out" 2>"$room/err" || fail "run"; }
count() { "$raudal" sql "$p" "SELECT count(*) FROM $1" --format csv | tail -n 1; }
served() { "$raudal" verify "$p" >"$room/err" || fail "verify: $(cat "$room/err")"; }
listed() { "$raudal" lake tables "$p" --json | grep -q "\"table\": \"$1\".*\"in text\": \"$2\""; }
begin() {
    rm -rf "$p" && mkdir -p "$p/in"
    text "$old"
    feed 1 1 1
    feed 2 2 -1
    once
    text
    feed 3 3 1
    once
}
refused() { # refused TABLE WORDS
    local code=0
    "$raudal" lake drop "$p" "$1" >"$room/out" 2>"$room/err" || code=$?
    [ $code = 2 ] && grep -qF -- "$2" "$room/err" || fail "drop $1: exit code $code"
}

begin
listed b.kept yes && listed b.gone no || fail "the table that left is not listed"
"$raudal" status "$p" >"$room/out" && grep -q 'b.gone' "$room/out" || fail "status does not tell of it"
refused b.kept "it is in the pipeline's text"
refused b.gond 'Did you mean "b.gone"?'
"$raudal" lake drop "$p" b.gone --dry-run >"$room/out" 2>"$room/err" || fail "dry run"
[ -d "$p/.raudal/lake/b/gone" ] && listed b.gone no || fail "a dry run changed something"
"$raudal" lake drop "$p" b.gone >"$room/out" 2>"$room/err" || fail "drop"
[ ! -e "$p/.raudal/lake/b/gone" ] && [ ! -e "$p/.raudal/lake/quarantine/b_gone" ] || fail "folders are there"
! listed b.gone no || fail "it is listed still"
refused b.gone 'no table of that name'
served

# One of the same name begins anew: neither its keys nor its store remember the other.
text "$old"
feed 4 1 7
once
[ "$(count b.gone)" = 1 ] || fail "b.gone holds $(count b.gone)"
[ "$(count quarantine.b_gone)" = 0 ] || fail "the old quarantine came back"
served

# Killed when the journal has forgotten it and the folders are there.
begin
RDL_FAULT=lake.dropped:1:kill "$raudal" lake drop "$p" b.gone >/dev/null 2>&1 && fail "it was not killed"
[ -d "$p/.raudal/lake/b/gone" ] || fail "it was killed too late"
text "$old"
feed 4 1 7
once
[ "$(count b.gone)" = 1 ] || fail "after a kill b.gone holds $(count b.gone)"
served

# The journal's summary remembers it.
begin
"$raudal" lake drop "$p" b.gone >/dev/null 2>"$room/err" || fail "drop"
feed 5 5 1
"$raudal" run "$p" --once --set journal_max_bytes=1 >"$room/out" 2>"$room/err" || fail "run"
feed 6 6 1
"$raudal" run "$p" --once --set journal_max_bytes=1 >"$room/out" 2>"$room/err" || fail "run"
ls "$p/.raudal/state/journal-past/"* >/dev/null || fail "the journal did not rotate"
! listed b.gone no || fail "a summary brought it back"
text "$old"
feed 4 1 7
once
[ "$(count b.gone)" = 1 ] || fail "after a summary b.gone holds $(count b.gone)"
served

# By the run that holds the root.
begin
"$raudal" run "$p" >"$room/out" 2>"$room/err" &
run=$!
for _ in $(seq 1200); do
    [ ! -S "$p/.raudal/state/control" ] || break
    kill -0 $run || fail "the run ended"
    sleep 0.05
done
"$raudal" lake drop "$p" b.gone >"$room/out" 2>"$room/err" || fail "drop beside a run"
[ ! -e "$p/.raudal/lake/b/gone" ] || fail "the run did not drop it"
kill -TERM $run
wait $run || fail "the run ended badly"
run=
once
! listed b.gone no || fail "it came back"
echo ok
