#!/usr/bin/env bash
# check_device_counts.sh - the default generation gives what its truth and this example's README say; so it does
# when the run is killed while the landing folder is emptied and while the model runs.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
raudal=${1:-${RAUDAL:-$here/../../build/raudal}}
generate=${BUILD:-$here/../../build}/examples/device_locations/generate
command -v python3 >/dev/null || { echo "skipped: the model step needs python3"; exit 77; }
work=$(mktemp -d "${TMPDIR:-/tmp}/devices-XXXXXX")
trap 'rm -rf "$work"' EXIT
failed=0
is() { # $1: what, $2: got, $3: wanted
    [ "$2" = "$3" ] && return
    failed=$((failed + 1))
    echo "$1: got $2, wanted $3"
}
truth() { sed -n "s/.*\"$1\": \([0-9]*\).*/\1/p" "$work/made.truth.json"; }

"$generate" --out "$work/made" >/dev/null
"$generate" --out "$work/made2" >/dev/null
is "same options, same bytes" "$(diff -rq "$work/made" "$work/made2" | wc -l)" 0
sum=0
for fate in new repeated correction_too_old position_possible position_real time_known device_known; do
    sum=$((sum + $(truth $fate)))
done
is "fates add up to the lines" "$sum" "$(truth lines)"
is "lines are written" "$(find "$work/made" -name '*.gz' -exec zcat {} + | grep -vc '^device_id,')" "$(truth lines)"

one() { "$raudal" sql "$here" "$1" --format csv --root "$root" --set "LANDING=$work/landing" | sed 1d; }
# All numbers in one query: "name value" a line.
numbers="SELECT 'lines', count(*) FROM raw.positions
 UNION ALL SELECT 'staged', count(*) FROM staging.positions
 UNION ALL SELECT 'accepted', count(*) FROM staging.accepted
 UNION ALL SELECT list_aggregate(reasons, 'string_agg', '+'), count(*) FROM quarantine.staging_accepted GROUP BY ALL
 UNION ALL SELECT month || '_' || device_type, devices FROM consumption.devices_by_month
 UNION ALL SELECT 'forecast', count(*) FROM consumption.next_day"
{
    for name in lines staged correction_too_old position_possible position_real time_known device_known \
        201901_aaid 201901_idfa 201902_aaid 201902_idfa; do
        echo "$name,$(truth $name)"
    done
    echo "accepted,$(($(truth new) + $(truth repeated)))"
    echo "forecast,2"
} | LC_ALL=C sort >"$work/wanted"
check() { # $1: after what
    one "$numbers" | tr -d '"' | LC_ALL=C sort >"$work/got"
    diff "$work/wanted" "$work/got" || is "$1: the numbers" "those on the right" "those on the left"
    is "$1: files left in landing" "$(find "$work/landing" -type f | wc -l)" 0
}

faults="none landing.intended:1 landing.taken:7 landing.synced:1 model.artifact_kept:1 model.result_written:1 epoch.before_seal:2"
for fault in $faults; do
    root=$work/root-${fault//:/-}
    rm -rf "$work/landing"
    cp -rp "$work/made" "$work/landing"
    if [ "$fault" != none ]; then
        status=0
        # A shell of its own says that it was killed; nobody needs to read that.
        { RDL_FAULT=$fault:kill "$raudal" run "$here" --once --root "$root" --set "LANDING=$work/landing" >/dev/null; } 2>/dev/null || status=$?
        is "$fault: dies" "$status" 137
    fi
    "$raudal" run "$here" --once --root "$root" --set "LANDING=$work/landing" >"$work/log" 2>&1 || { cat "$work/log"; failed=1; }
    check "$fault"
done
"$raudal" verify "$here" --root "$root" --set "LANDING=$work/landing" >"$work/log" || { cat "$work/log"; failed=1; }

for number in lines staged repeated correction_too_old position_possible position_real time_known device_known; do
    shown=$(truth $number | sed ':a;s/\([0-9]\)\([0-9]\{3\}\)\($\|,\)/\1,\2\3/;ta')
    grep -q "| $number | $shown |" "$here/README.md" || is "README.md says of $number" "another number" "$shown"
done
[ $failed = 0 ] && echo "counts agree, after every kill too"
exit $((failed > 0))
