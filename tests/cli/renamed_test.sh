#!/usr/bin/env bash
# A source or a table under another name doubles nothing and leaves nothing out in silence.
set -euo pipefail
raudal=$1
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
fail() { echo "FAIL: $*" >&2; cat "$room/err" >&2; exit 1; }
begin() { # begin [DEDUPLICATE ...]
    rm -rf "$room/p" && mkdir -p "$room/p/in"
    cat >"$room/p/p.sql" <<SQL
CREATE SOURCE s (id BIGINT, v BIGINT) FROM 'in/' FORMAT JSON;
CREATE STREAMING TABLE b.t $1 AS SELECT * FROM STREAM s;
PUBLISH b.t TO 'sqlite:serving.db' PRIMARY KEY (id);
SQL
    printf '{"id":1,"v":1}\n{"id":2,"v":2}\n' >"$room/p/in/1.json"
    run 0
    printf '{"id":3,"v":3}\n' >"$room/p/in/2.json"
}
change() { sed -i "$1" "$room/p/p.sql"; }
run() { # run EXIT_CODE [WORDS...]
    local code=0 expected=$1
    "$raudal" run "$room/p" --once >"$room/out" 2>"$room/err" || code=$?
    [ "$code" = "$expected" ] || fail "exit code $code, not $expected"
    shift
    for word; do grep -qF -- "$word" "$room/err" || fail "it does not say: $word"; done
}
holds() { # holds TABLE IDS
    local found
    found=$("$raudal" sql "$room/p" "SELECT string_agg(id, ' ' ORDER BY id) FROM $1" --format csv | tail -n 1)
    [ "$found" = "$2" ] || fail "$1 holds $found, not $2"
    "$raudal" verify "$room/p" >"$room/err" || fail "verify"
}

begin ''
change 's/STREAM s;/STREAM other;/; s/SOURCE s /SOURCE other /'
run 4 'would read "1.json" again' 'not every table on it deduplicates' 'hint:'
holds b.t '1 2'
change 's/STREAM other;/STREAM s;/; s/SOURCE other /SOURCE s /'
run 0
holds b.t '1 2 3'

begin 'DEDUPLICATE ON (id)'
change 's/STREAM s;/STREAM other;/; s/SOURCE s /SOURCE other /'
run 0
holds b.t '1 2 3'

begin ''
change 's/b\.t/b.u/'
run 0 'b.u is new: it begins with what comes next' 'raudal backfill'
holds b.u 3
run 0
! grep -q 'is new' "$room/err" || fail "it says so again"

# The text is wrong, not the store that it would be published to.
begin ''
change 's/v BIGINT/v DOUBLE/'
run 2 'could not change column "v"' 'backfill'
change 's/v DOUBLE/v BIGINT/'
run 0
holds b.t '1 2 3'
echo ok
