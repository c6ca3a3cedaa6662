#!/usr/bin/env bash
# libraudal-cql can be installed alone, and another program is compiled and run with what is installed.
set -euo pipefail
build=${BUILD:-$(dirname "$1")}
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "not ok - $*"; exit 1; }
command -v pkg-config >/dev/null || { echo "skipped: pkg-config is not to be had"; exit 77; }
grep -q '^RAUDAL_SANITIZE:STRING=$' "$build/CMakeCache.txt" || { echo "skipped: a sanitized library needs a sanitized program"; exit 77; }

cmake --install "$build" --prefix "$work/prefix" --component cql >"$work/log" 2>&1 || fail "$(cat "$work/log")"
pc=$(find "$work/prefix" -name raudal-cql.pc)
[ -n "$pc" ] || fail "there is no raudal-cql.pc: $(find "$work/prefix")"
mv "$work/prefix" "$work/moved" # the tree can be moved
pc=${pc/prefix/moved}
export PKG_CONFIG_PATH
PKG_CONFIG_PATH=$(dirname "$pc")
read -ra flags < <(pkg-config --cflags --libs raudal-cql)
cc -std=c17 -Wall -Wextra -Wpedantic -Werror "$top/examples/cql_client/readings.c" "${flags[@]}" -o "$work/readings" 2>"$work/log" ||
    fail "it does not compile with what is installed: $(cat "$work/log")"
lib=$(dirname "$(find "$work/moved" -name 'libraudal-cql.so' -o -name 'libraudal-cql.so' -type l | head -1)")
rc=0
LD_LIBRARY_PATH=$lib "$work/readings" 127.0.0.1:1 >"$work/out" 2>&1 || rc=$?
[ "$rc" = 1 ] && grep -q 'could not connect: Connection refused' "$work/out" || fail "status $rc: $(cat "$work/out")"
rc=0
LD_LIBRARY_PATH=$lib "$work/readings" 127.0.0.1:notaport >"$work/out" 2>&1 || rc=$?
[ "$rc" = 1 ] && grep -q 'is no port' "$work/out" || fail "status $rc: $(cat "$work/out")"

# Each header can be included first, and others see what the headers say and no more.
for header in "$work"/moved/include/raudal/*/*.h; do
    echo "#include \"$(basename "$(dirname "$header")")/$(basename "$header")\"" >"$work/one.c"
    cc -std=c17 -Wall -Wextra -Werror -fsyntax-only "${flags[@]}" "$work/one.c" || fail "$header cannot be included alone"
done
nm -D --defined-only "$lib/libraudal-cql.so" | awk '{print $3}' | sort >"$work/seen"
grep -q '^rdl_cql_open$' "$work/seen" || fail "rdl_cql_open cannot be called"
for hidden in rdl_cql_connection_open rdl_cql_request_take rdl_fs_mkdirs; do
    ! grep -q "^$hidden$" "$work/seen" || fail "$hidden can be seen from outside"
done
