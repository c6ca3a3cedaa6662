#!/usr/bin/env bash
# reader_spill_test.sh - a query that needs more than --memory spills below the root, and leaves nothing there.
set -euo pipefail
raudal=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$raudal" init "$work/shop" >/dev/null
"$raudal" run "$work/shop" --once >/dev/null 2>&1
sql="SELECT sum(length(t)) FROM (SELECT repeat(i::TEXT, 30) AS t, count(*) FROM range(600000) x(i) GROUP BY ALL ORDER BY 1 LIMIT 500000)"
got=$("$raudal" sql "$work/shop" --memory 60MB --threads 1 "$sql" --format csv | tail -1)
[ "$got" = 88333350 ] || { echo "expected 88333350, got $got"; exit 1; }
left=$(find "$work/shop/.raudal/state/tmp" -mindepth 1)
[ -z "$left" ] || { echo "left behind: $left"; exit 1; }
echo "ok - a reader spills and cleans up"
