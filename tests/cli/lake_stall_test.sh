#!/usr/bin/env bash
# lake_stall_test.sh - what is served does not wait for a commit to the lake; a kill in the middle of one loses nothing.
set -euo pipefail
room=$(mktemp -d)
run=
trap '[ -z "$run" ] || kill -9 $run 2>/dev/null || true; rm -rf "$room"' EXIT
fail() { echo "FAILED: $1"; cat "$room/run"; exit 1; }
p=$room/shop
"$RAUDAL" init "$p" >/dev/null 2>&1
sale() { printf '{"sale_id":"%s","sold_at":"2025-08-01T10:00:00Z","product":"p1","quantity":1,"price":1.25}\n' "$1"; }
served() { "$RAUDAL" query "$p" sales_served --format csv 2>/dev/null | tail -n 1; }
commits() { find "$p/.raudal/lake" -path '*/_delta_log/*.json' 2>/dev/null | wc -l; }
wait_for() { # until the store counts so many sales of p1
    for _ in $(seq 1200); do
        [ "$(served)" != "$1" ] || return 0
        sleep 0.05
    done
    fail "the store never showed $1 sales of p1: it shows $(served)"
}
rm -f "$p"/landing/sales/*
echo "SELECT CAST(coalesce(sum(sales), 0) AS INTEGER) AS sales FROM sales_by_day" >"$p/queries/sales_served.sql"
sale a >"$p/landing/sales/a.jsonl"
RDL_FAULT=lake.before_link:1:stall:600000 "$RAUDAL" run "$p" --set 'trigger_interval=20 milliseconds' \
    --set 'lake_interval=50 milliseconds' >"$room/run" 2>&1 &
run=$!
wait_for 1
for n in 2 3 4; do # the first row's commit has begun, or will in a moment
    sale "later$n" >"$room/next"
    mv "$room/next" "$p/landing/sales/n$n.jsonl"
    wait_for "$n"
done
[ ! -e "$p/.raudal/lake/gold/sales_by_day/_delta_log" ] || [ ! -e "$p/.raudal/lake/bronze/sales/_delta_log" ] || fail "nothing was held up, so nothing is shown"
kill -9 "$run"
wait "$run" 2>/dev/null || true
run=
"$RAUDAL" run "$p" --once >"$room/run" 2>&1 || fail "the run after the kill"
[ "$(served)" = 4 ] || fail "after the kill the store shows $(served)"
"$RAUDAL" verify "$p" >"$room/run" 2>&1 || fail "verify"
echo "4 sales served while the lake's first commit stood still"
