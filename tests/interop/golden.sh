#!/usr/bin/env bash
# golden.sh [BINARY] - the real landing gives the golden figures, however it is cut and killed.
#
# RAUDAL_REAL_DATA (../shared/data beside the repository) holds cloud_provider_landing; without it the
# test is skipped, and says so (exit 77).  Three roots: ten files an epoch, all at once, and ten files killed three
# times on the way.  Gold must be the same byte for byte, bronze + quarantine + duplicates 43,200.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
RAUDAL=$(realpath "${1:-${RAUDAL:-$top/build/raudal}}")
landing=${RAUDAL_REAL_DATA:-$top/../shared/data}/cloud_provider_landing
[ -d "$landing" ] || { echo "skipped: there is no $landing (RAUDAL_REAL_DATA)"; exit 77; }
pipeline=$top/examples/cloud_analytics
room=$(mktemp -d "${TMPDIR:-/tmp}/raudal-golden-XXXXXX")
trap 'rm -rf "$room"' EXIT

at() { options=(--root "$room/$1" --set "LANDING=$landing"); }
run() { # run ROOT FILES
    at "$1"
    "$RAUDAL" run "$pipeline" --once "${options[@]}" --set "max_files_per_epoch=$2" --log-level error >"$room/out" 2>&1
}
gold() { # gold ROOT: every gold table as CSV
    local t
    at "$1"
    for t in org_daily_usage_by_service usage_by_window revenue_by_org_month cost_anomaly_mart \
        tickets_by_org_date genai_tokens_by_org_date; do
        echo "SELECT * FROM gold.$t ORDER BY ALL;"
    done | "$RAUDAL" sql "$pipeline" "${options[@]}" --format csv >"$room/$1.csv"
}

run ten 10
run all 0
for fault in epoch.before_seal:3 epoch.after_seal:4 lake.after_commit:5; do
    rc=0
    RDL_FAULT=$fault:kill run killed 10 2>/dev/null || rc=$?
    [ "$rc" = 137 ] || { cat "$room/out"; echo "FAIL $fault ended with $rc"; exit 1; }
done
run killed 10
for root in ten all killed; do gold "$root"; done
for root in all killed; do
    cmp "$room/ten.csv" "$room/$root.csv" || { echo "FAIL gold of $root differs from that of ten"; exit 1; }
done
at killed
"$RAUDAL" verify "$pipeline" "${options[@]}" >"$room/out" || { cat "$room/out"; exit 1; }
"$RAUDAL" status "$pipeline" "${options[@]}" --json >"$room/status"
python3 - "$room/status" <<'PY'
import json, sys
(l,) = [t["ledger"] for t in json.load(open(sys.argv[1]))["tables"] if t["table"] == "bronze.usage_events"]
assert l["balances"] and l["written"] + l["duplicate"] + l["quarantined"] == 43200, l
PY
python3 "$here/golden.py" "$RAUDAL" "$pipeline" "$top/tests/golden/cloud_analytics_real.json" "${options[@]}"
