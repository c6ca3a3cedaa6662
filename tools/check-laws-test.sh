#!/usr/bin/env bash
# check-laws-test.sh - the checks of the house find what they are for, and only that.
set -euo pipefail
cd "$(dirname "$0")/.."
tmp=$(mktemp -d "${TMPDIR:-/tmp}/laws.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
passed=0 failed=0

# expect 0|1 "what" command...: the command's exit status, as success or failure
expect() {
    local want=$1 what=$2 got=0
    shift 2
    "$@" >"$tmp/out" 2>&1 || got=1
    if [ "$got" = "$want" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "not ok - $what"
        cat "$tmp/out"
    fi
}
src() { # src PATH TEXT
    mkdir -p "$tmp/src/$(dirname "$1")"
    printf '%s\n' "$2" >"$tmp/src/$1"
}
layers() { awk -f tools/check-layers.awk tools/layers "$tmp/src/$1"; }
banned() { awk -f tools/check-banned.awk "$tmp/src/$1"; }

src lake/a.c '#include "base/err.h"'
expect 0 "a lower layer may be included" layers lake/a.c
src lake/a.c '#include "stream/engine.h"'
expect 1 "a higher layer may not" layers lake/a.c
src lake/a.c '#include <duckdb.h>'
expect 1 "duckdb.h is seen by duck/ alone" layers lake/a.c
src duck/a.c '#include <duckdb.h>'
expect 0 "duck/ sees duckdb.h" layers duck/a.c
src stream/a.c '#include <fcntl.h>'
expect 1 "files are touched in base/ alone" layers stream/a.c
src stream/a.c '#include <sqlite3.h>'
expect 1 "SQLite is seen by its sink and the catalog" layers stream/a.c
src moon/a.c '#include "base/err.h"'
expect 1 "a module that the law does not name is an error" layers moon/a.c
src lake/a.h 'int rdl_a(void);'
expect 1 "a header has a guard" layers lake/a.h

src lake/a.c 'x = strcpy(a, b);'
expect 1 "strcpy is found" banned lake/a.c
src lake/a.c 'x = my_strcpy(a, b); /* strcpy(a) */ y = "strcpy(";'
expect 0 "names, comments and texts that contain it are not" banned lake/a.c
src lake/a.c 'p = malloc(4); /* allow: lives until exit */'
expect 0 "an escape with a reason allows" banned lake/a.c
src lake/a.c 'p = arena(4); /* allow: lives until exit */'
expect 1 "an escape that allows nothing is an error" banned lake/a.c
src base/a.c 'p = malloc(4);'
expect 0 "base/ may call malloc" banned base/a.c
src lake/a.c 'goto again;'
expect 1 "goto goes to out, fail or retry" banned lake/a.c
src lake/a.c 'ops->free(x); q = a.time(1);'
expect 0 "members are not the functions" banned lake/a.c

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
