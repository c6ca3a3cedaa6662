#!/usr/bin/env bash
# whole_fill_test.sh - a store that is filled whole has all that it reads, however far the lake runs ahead meanwhile.
set -euo pipefail
room=$(mktemp -d)
run= feeder=
trap 'for p in $run $feeder; do kill -9 $p 2>/dev/null || true; done; rm -rf "$room"' EXIT
fail() { echo "FAILED: $1"; tail -n 30 "$room/run"; exit 1; }
p=$room/shop
"$RAUDAL" init "$p" >/dev/null 2>&1
sale() { printf '{"sale_id":"%s","sold_at":"2025-08-01T10:00:00Z","product":"p1","quantity":1,"price":1.25}\n' "$1"; }
deliver() { sale "$1" >"$room/next-$1" && mv "$room/next-$1" "$p/landing/sales/$1.jsonl"; }
store() { python3 -c 'import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=60); r = c.execute(sys.argv[2]).fetchone(); c.commit(); print(r[0] if r else "")' "$p/.raudal/serving.db" "$1" 2>/dev/null; }
commits() { find "$p/.raudal/lake/gold" -path '*/_delta_log/*.json' 2>/dev/null | wc -l; }
until_true() { # until_true WHAT CONDITION
    for _ in $(seq 1200); do
        ! eval "$2" || return 0
        sleep 0.05
    done
    fail "$1"
}
rm -f "$p"/landing/sales/*
deliver first
"$RAUDAL" run "$p" --once >"$room/run" 2>&1 || fail "the first run"
store 'ALTER TABLE sales_by_day RENAME COLUMN sales TO sold'
RDL_FAULT=sink.before_rows:1:stall:4000 RAUDAL_LOG=debug "$RAUDAL" run "$p" --set 'trigger_interval=20 milliseconds' \
    --set 'lake_interval=500 milliseconds' --set max_pending_epochs=16 >"$room/run" 2>&1 &
run=$!
(for n in $(seq 100000 100400); do [ ! -e "$room/enough" ] || break; deliver "$n"; sleep 0.05; done) &
feeder=$!
until_true "the table that does not fit is not told" 'grep -q "\"sales\"" "$room/run"'
before=$(commits)
until_true "the lake does not go on" '[ "$(commits)" -gt "$((before + 1))" ]'
store 'DROP TABLE sales_by_day'
until_true "the store is not made again" '[ -n "$(store "SELECT name FROM sqlite_master WHERE name = '"'sales_by_day'"'")" ]'
before=$(commits)
until_true "the store is not filled" 'n=$(store "SELECT sales FROM sales_by_day") && [ "${n:-0}" -gt 1 ]'
during=$(($(commits) - before)) # while the filling stood still
touch "$room/enough" # not killed: a file that is being moved would come after the count
wait "$feeder"
feeder=
all=$(find "$p/landing/sales" -name '*.jsonl' | wc -l)
until_true "the store never shows all" '[ "$(store "SELECT sales FROM sales_by_day")" = "$all" ]'
! grep apply_failed "$room/run" || fail "the filling failed"
kill "$run"
wait "$run" || fail "the run did not end well"
run=
"$RAUDAL" verify "$p" >"$room/run" 2>&1 || fail "verify"
[ "$during" -gt 1 ] || { echo "the lake made $during commits meanwhile, so nothing is shown"; exit 77; }
echo "$all sales, $during commits to the lake while the store was filled"
