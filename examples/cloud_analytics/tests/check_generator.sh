#!/usr/bin/env bash
# check_generator.sh - the generator keeps its invariants: the same options give the same bytes (G2), every line
# is counted once (G3), ids are unique, and duplicates come after the event that they repeat.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
generate="${GENERATE:-$here/../../build/examples/cloud_analytics/generate}"
work=$(mktemp -d "${TMPDIR:-/tmp}/generator-XXXXXX")
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
number() { sed -n "s/^ *\"$2\": \([0-9.-]*\),*$/\1/p" "$1/truth/truth.json"; }

"$generate" --out "$work/a" --scale 0.25 --seed 9 > /dev/null
"$generate" --out "$work/b" --scale 0.25 --seed 9 > /dev/null
"$generate" --out "$work/c" --scale 0.25 --seed 10 > /dev/null
"$generate" --out "$work/t" --scale 0.25 --seed 9 --order time --late 100 --duplicates 0 > /dev/null
is "same seed" "$(diff -rq "$work/a" "$work/b" | wc -l)" 0
is "another seed differs" "$(cmp -s "$work/a/users.csv" "$work/c/users.csv" && echo same || echo differs)" differs

for d in a t; do
    cat "$work/$d"/usage_events_stream/*.jsonl > "$work/$d.all"
    sum=$(($(number "$work/$d" accepted) + $(number "$work/$d" negative_cost) + $(number "$work/$d" violations) \
        + $(number "$work/$d" duplicates) + $(number "$work/$d" malformed)))
    is "$d: lines add up" "$sum" "$(number "$work/$d" all)"
    is "$d: lines are written" "$(wc -l < "$work/$d.all")" "$(number "$work/$d" all)"
done

# First arrivals only, rules applied with grep and awk: rows and exact cost of what must be accepted.
grep -a '^{"event_id": "evt_[0-9a-z]*", "timestamp": "20.*}$' "$work/a.all" | grep -av '"schema_version": 9' |
    grep -av '}}$' | grep -a '"cost_usd_increment"' | awk -F'"cost_usd_increment": |, "schema_version"' '
    { split($1, id, "\""); cost = $2 + 0; if (cost < -0.01 || id[4] in seen) next
      seen[id[4]] = 1; n++; sum += cost * 10000 > 0 ? int(cost * 10000 + 0.5) : int(cost * 10000 - 0.5) }
    END { printf "%d %.4f\n", n, sum / 10000 }' > "$work/a.sum"
is "accepted rows and cost" "$(cat "$work/a.sum")" \
    "$(number "$work/a" accepted) $(printf '%.4f' "$(number "$work/a" cost_usd)")"

# In time order nothing but the late ones goes back by an hour or more.
is "late events" "$(grep -ao '"timestamp": "[^"]*"' "$work/t.all" | awk -F'"' '
    { t = substr($4, 1, 16); gsub(/[-T:]/, " ", t); at = mktime(t " 00")
      if (at <= top - 3600) late++; if (at > top) top = at } END { print (late + 0 >= 100 ? "enough" : late + 0) }')" enough
is "late counted" "$(number "$work/t" late)" 100
is "spikes are listed" "$(($(wc -l < "$work/a/truth/truth_spikes.csv") - 1))" \
    "$(($(number "$work/a" events_of_those_days) + $(number "$work/a" single_events)))"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
