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

# A view in the lake and the store, both at once: computed again and filled again.
python3 - "$p/.raudal" <<'PY'
import glob, sqlite3, sys
(path,) = [f for f in glob.glob(sys.argv[1] + "/lake/gold/sales_by_day/**/*.parquet", recursive=True)]
data = open(path, "rb").read()
assert b"coffee" in data
open(path, "wb").write(data.replace(b"coffee", b"toffee"))
store = sqlite3.connect(sys.argv[1] + "/serving.db")
assert store.execute("DELETE FROM sales_by_day WHERE product = 'cake'").rowcount == 1
store.commit()
PY
got=$("$RAUDAL" verify "$p" --repair 2>&1) || { echo "FAILED: not repaired: $got" && exit 1; }
grep -q '1 view computed again, 1 published table filled again' <<<"$got" || { echo "FAILED: said $got" && exit 1; }
got=$("$RAUDAL" sql "$p" "SELECT string_agg(kind, ' ' ORDER BY id) FROM raudal.runs WHERE kind IN ('refresh', 'publish') AND outcome = 'done'" --format csv | tail -1)
[ "$got" = "publish refresh publish" ] || { echo "FAILED: the repairs on record are $got" && exit 1; }
"$RAUDAL" verify "$p" >/dev/null || { echo "FAILED: it differs after both" && exit 1; }
echo "repair: the store holds what the lake holds"
