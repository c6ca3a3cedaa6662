#!/usr/bin/env bash
# repair_test.sh - verify --repair mends a store that somebody else wrote to.
set -euo pipefail
command -v python3 >/dev/null || { echo "skipped: python3 is not there"; exit 77; }
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
p=$room/shop
"$RAUDAL" init "$p" >/dev/null
"$RAUDAL" run "$p" --once >/dev/null 2>&1
"$RAUDAL" verify "$p" --repair >/dev/null || { echo "FAILED: a sound root differs" && exit 1; }
python3 - "$p/.raudal/serving.db" <<'PY'
import sqlite3, sys
store = sqlite3.connect(sys.argv[1])
assert store.execute("UPDATE sales_by_day SET pieces = 99 WHERE product = 'coffee'").rowcount == 1
assert store.execute("DELETE FROM sales_by_day WHERE product = 'cake'").rowcount == 1
store.commit()
PY
got=$("$RAUDAL" verify "$p" 2>&1) && { echo "FAILED: the change was not found: $got" && exit 1; }
grep -q '2 differences' <<<"$got" || { echo "FAILED: not two differences: $got" && exit 1; }
got=$("$RAUDAL" verify "$p" --repair 2>&1) || { echo "FAILED: not repaired: $got" && exit 1; }
grep -q '1 published table filled again' <<<"$got" || { echo "FAILED: nothing said: $got" && exit 1; }
"$RAUDAL" verify "$p" >/dev/null || { echo "FAILED: it differs again" && exit 1; }
echo "repair: the store holds what the lake holds"
