#!/usr/bin/env bash
# check_producer.sh - the producer keeps its invariants (P1: the same options give the same bytes), and the
# pipeline finds the sums that the producer says are true.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$here/../../build}
producer="$build/examples/antennas/producer"
raudal=${RAUDAL:-$build/raudal}
work=$(mktemp -d "${TMPDIR:-/tmp}/antennas-XXXXXX")
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
is() { # $1: what, $2: got, $3: wanted
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "$1: got $2, wanted $3"
    fi
}
number() { sed -n "s/^ *\"$2\": \([0-9]*\),*$/\1/p" "$work/$1/truth/truth.json"; }

shape="--count 20000 --users 300 --malformed 0.01 --duplicates 0.02 --late 0.05 --span 7200 --skew 2"
"$producer" --to "$work/a" --seed 9 $shape
"$producer" --to "$work/b" --seed 9 $shape
"$producer" --to "$work/c" --seed 10 $shape
is "same seed" "$(diff -rq "$work/a" "$work/b" | wc -l)" 0
is "another seed differs" "$(cmp -s "$work/a/users.csv" "$work/c/users.csv" && echo same || echo differs)" differs
is "lines are counted" "$(cat "$work/a"/devices/* | wc -l)" "$(number a messages)"
is "good and bad add up" "$(($(number a good) + $(number a malformed)))" "$(number a messages)"

at=(--root "$work/root" --set "DEVICES=$work/a/devices/" --set "USERS=$work/a/users.csv" --set max_rows_per_epoch=5000)
"$raudal" run "$here" --once "${at[@]}" --log-level error >"$work/run" 2>&1
is "balance" "$(grep -c "$(number a messages) read = $(number a good) written + $(number a malformed) quarantined" "$work/run")" 1
sql() { "$raudal" sql "$here" "$1" --format csv "${at[@]}" | sed 1d; }
sql "SELECT CAST(epoch(\"timestamp\") AS BIGINT), type, id, value FROM speed.bytes" | LC_ALL=C sort >"$work/got"
sed 1d "$work/a/truth/truth.csv" | LC_ALL=C sort >"$work/wanted"
is "sums of each minute" "$(diff "$work/got" "$work/wanted" | wc -l)" 0
# Hours and quotas from the truth, by awk: no line of it is the pipeline's.
awk -F, 'FNR == 1 { next }
    NR == FNR { mail[$1] = $3; quota[$3] += $4; next }
    $2 == "id_bytes_total" { hour = $1 - $1 % 3600; m = ($3 in mail) ? mail[$3] : $3; use[hour "," m] += $4 }
    END { for (k in use) { split(k, p, ","); if ((p[2] in quota) && use[k] > quota[p[2]])
          printf "%d,%s,%d,%d\n", p[1], p[2], use[k], quota[p[2]] } }' \
    "$work/a/users.csv" "$work/a/truth/truth.csv" | LC_ALL=C sort >"$work/wanted"
sql "SELECT CAST(epoch(\"timestamp\") AS BIGINT), email, usage, quota FROM batch.user_quota_limit" | LC_ALL=C sort >"$work/got"
is "accounts over quota" "$(diff "$work/got" "$work/wanted" | wc -l)" 0
is "somebody is over quota" "$([ -s "$work/wanted" ] && echo yes)" yes
is "stream, batch and store agree" "$("$raudal" verify "$here" "${at[@]}" >/dev/null 2>&1 && echo yes)" yes
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
