# usage: awk -f tools/check-layers.awk tools/layers $(git ls-files 'src/*.[ch]')
#
# The layer law (tools/layers), and five laws beside it:
#   1. only duck/ sees duckdb.h
#   2. libpq is seen by pg/ and the PostgreSQL source and sink alone, librdkafka by source/kafka.c
#   3. SQLite is seen by ops/catalog.c and sink/sqlite*
#   4. files, clocks, threads and processes of the operating system are touched in base/ alone
#      (cli/ may ask the terminal: unistd.h, sys/ioctl.h)
#   5. a header says what it includes by module: no include by a path with dots, no header
#      without a guard
FNR == 1 {
    file = FILENAME
    # A path may have any prefix before src/.
    rel = file; sub(/^.*src\//, "src/", rel)
    split(rel, part, "/"); from = part[2]
    if (from ~ /\.[ch]$/) from = "api"      # a file right in src/ is behind raudal.h
    if (NR != FNR && !(from in known)) { complain("module \"" from "\" is not in tools/layers"); known[from] }
    if (guarded_file != "" && !guarded) { printf "%s:1: a header needs an include guard\n", guarded_file; bad = 1 }
    guarded_file = (file ~ /\.h$/) ? file : ""; guarded = 0
}
function complain(what) { printf "%s:%d: %s\n", file, FNR, what; bad = 1 }
NR == FNR {
    if ($0 ~ /^#/ || NF == 0) next
    for (i = 2; i <= NF; i++) may[$1, $i]
    known[$1]; next
}
/^#ifndef RDL_|^#ifndef RAUDAL_/ { guarded = 1 }
/^#include "/ {
    split($0, q, "\""); split(q[2], p, "/"); to = p[1]
    if (q[2] ~ /^\.|\/\./) complain("include \"" q[2] "\" from the root of src, without dots")
    if (q[2] !~ /\// && q[2] != "raudal.h") complain("include \"" q[2] "\" with its module")
    if (to != from && (to in known) && !((from, to) in may)) complain(from " must not include " q[2])
    if (q[2] ~ /\// && !(to in known)) complain("module \"" to "\" is not in tools/layers")
}
/^#include </ {
    h = $0; sub(/^#include </, "", h); sub(/>.*/, "", h)
    if (h == "duckdb.h" && from != "duck") complain("only duck/ includes duckdb.h")
    if (h ~ /libpq|^pg_|postgres/ && rel !~ /^src\/(pg\/|(source|sink)\/postgres)/) complain("only pg/ and the PostgreSQL source and sink include " h)
    if (h ~ /rdkafka/ && rel !~ /^src\/source\/kafka/) complain("only source/kafka.c includes " h)
    if (h ~ /^curl\// && rel !~ /^src\/ops\/notify/) complain("only ops/notify* includes " h)
    if (h == "sqlite3.h" && rel !~ /^src\/(ops\/catalog|sink\/sqlite)/) complain("only ops/catalog.c and sink/sqlite*.c include sqlite3.h")
    if (h ~ /^openssl\// && rel !~ /^src\/base\/tls/) complain("only base/tls.c includes " h)
    if (h == "microhttpd.h" && from !~ /^(ops|cli)$/) complain("only ops/ and cli/ include microhttpd.h")
    if (from != "base" && h ~ /^(fcntl|unistd|dirent|pthread|threads|time|poll|sched|spawn|glob|fts|ftw|sys\/.*)\.h$/ \
        && $0 !~ /\/\* allow: .* \*\// && !(from == "cli" && h ~ /^(unistd|sys\/ioctl)\.h$/))
        complain("only base/ includes " h)
}
END {
    if (guarded_file != "" && !guarded) { printf "%s:1: a header needs an include guard\n", guarded_file; bad = 1 }
    exit bad
}
