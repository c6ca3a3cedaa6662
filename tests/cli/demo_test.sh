#!/usr/bin/env bash
# What the README says to type first: every demo runs to its end, in small.
set -euo pipefail
cd "$(dirname "$0")/../.."
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
export SCALE=0.01 COUNT=1000 DEVICES=10 FLOWS=2 ANSWERS=20
for demo in tools/demo tools/demo-*; do
    ROOM=$room/made "$demo" >"$room/out" 2>&1 || { echo "FAIL: $demo" >&2; tail -n 20 "$room/out" >&2; exit 1; }
done
