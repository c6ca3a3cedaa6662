#!/usr/bin/env bash
# script_words_test.sh - a misspelt word of a test script is a failure: it would say less than it seems to.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
fail() { echo "FAILED: $*"; exit 1; }
head_of() {
    cat <<'SLT'
statement ok
CREATE SOURCE s (k TEXT) FROM 'test:' FORMAT JSON

statement ok
CREATE STREAMING TABLE b.t AS SELECT k FROM STREAM s

SLT
}
refused() { # RECORD SAYS: a script with this record fails, and says so
    { head_of; printf '%b\n' "$1"; } >"$room/t.slt"
    rc=0
    got=$("$RAUDAL" test "$room" 2>&1) || rc=$?
    [ "$rc" = 1 ] || fail "$1: status $rc: $got"
    grep -qF -- "$2" <<<"$got" || fail "$1: $got"
}
refused 'feed s apend\n{"k":"a"}\n----' 'unrecognized word "apend"'
refused 'epoch nothin' 'unrecognized word "nothin"'
refused 'remove s fil=x' 'unrecognized word "fil=x"'
refused 'query T rowsrot\nSELECT k FROM b.t\n----' 'unrecognized order "rowsrot"'
refused 'querry T' 'querry'
{ head_of; printf 'feed s raw\n{"k":"a"}\n----\n\nrun\n\nquery T rowsort\nSELECT k FROM b.t\n----\na\n\nepoch nothing\n'; } >"$room/t.slt"
"$RAUDAL" test "$room" >"$room/out" 2>&1 || fail "$(cat "$room/out")"
