#!/usr/bin/env bash
# verify_live_test.sh - verify and sql beside a run that writes all the time find nothing wrong.
set -euo pipefail
room=$(mktemp -d)
run= feeder=
trap '[ -z "$run$feeder" ] || kill -9 $run $feeder 2>/dev/null || true; rm -rf "$room"' EXIT
fail() { echo "FAILED: $1" && exit 1; }
p=$room/shop
"$RAUDAL" init "$p" >/dev/null 2>&1
"$RAUDAL" run "$p" --set 'trigger_interval=20 milliseconds' --set 'lake_interval=100 milliseconds' \
    --set max_pending_epochs=4 >"$room/run" 2>&1 &
run=$!
feed() { # a small file every 20 ms
    local n=0
    while :; do
        n=$((n + 1))
        printf '{"sale_id":"n%d","sold_at":"2025-08-0%dT10:00:00Z","product":"p%d","quantity":%d,"price":1.25}\n' \
            $n $((n % 9 + 1)) $((n % 7)) $((n % 5 + 1)) >"$room/next"
        mv "$room/next" "$p/landing/sales/n$n.jsonl"
        sleep 0.02
    done
}
feed &
feeder=$!
for _ in $(seq 600); do [ ! -e "$p/.raudal/serving.db" ] || break; sleep 0.05; done
before=$("$RAUDAL" status "$p" --json | grep -o '"epoch": *[0-9]*' | head -n 1)
for i in $(seq 5); do
    got=$("$RAUDAL" verify "$p" 2>&1) || fail "verify $i: $got"
    got=$("$RAUDAL" sql "$p" "SELECT count(*) - (SELECT sum(sales) FROM gold.sales_by_day) AS d FROM bronze.sales" \
        --format csv 2>&1) || fail "sql $i: $got"
    [ "$(tail -n 1 <<<"$got")" = 0 ] || fail "sql $i: one cut, two answers: $got"
done
after=$("$RAUDAL" status "$p" --json | grep -o '"epoch": *[0-9]*' | head -n 1)
[ "$before" != "$after" ] || fail "no epoch was sealed meanwhile"
kill "$feeder"
feeder=
kill -TERM "$run"
wait "$run" || fail "the run ended badly: $(cat "$room/run")"
run=
"$RAUDAL" verify "$p" >/dev/null || fail "verify at the end"
echo "verify beside a run: 5 of 5 agree, ${before#*: } to ${after#*: }"
