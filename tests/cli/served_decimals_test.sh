#!/usr/bin/env bash
# served_decimals_test.sh - sums of decimals compare and order as numbers in SQLite, digit by digit the lake's; a store that an
# earlier version filled with text is filled again.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
failed=0
fail() { echo "FAILED: $*"; failed=1; }
p=$room/p db=$room/p/.raudal/serving.db
mkdir -p "$p/in" "$p/queries"
cat >"$p/p.sql" <<'SQL'
CREATE SOURCE s (k TEXT, v DECIMAL(20,2), n BIGINT) FROM 'in/' FORMAT JSON;
CREATE STREAMING TABLE b.rows AS SELECT k, v, n FROM STREAM s;
CREATE MATERIALIZED VIEW g.sums PRIMARY KEY (k) AS SELECT k, sum(v) AS v, sum(n) AS n FROM STREAM b.rows GROUP BY k;
PUBLISH g.sums TO 'sqlite:serving.db' AS sums;
SQL
echo 'SELECT k, v, n FROM sums ORDER BY v DESC' >"$p/queries/top.sql"
echo 'SELECT k FROM sums WHERE v > $least AND n > 5 ORDER BY k' >"$p/queries/above.sql"
cat >"$p/in/1.jsonl" <<'ROWS'
{"k":"nine","v":9.50,"n":9}
{"k":"hundred","v":"100.10","n":10}
{"k":"debt","v":"-20.05","n":100}
{"k":"ten","v":"10","n":1}
{"k":"large","v":"99999999999999.99","n":9223372036854775807}
{"k":"larger","v":"100000000000000.01","n":9223372036854775807}
{"k":"larger","v":"0","n":1}
ROWS
"$RAUDAL" run "$p" --once >"$room/out" 2>&1 || fail "run: $(cat "$room/out")"
wanted='larger,100000000000000.01,9223372036854775808
large,99999999999999.99,9223372036854775807
hundred,100.10,10
ten,10.00,1
nine,9.50,9
debt,-20.05,100'
check() {
    got=$("$RAUDAL" query "$p" top --format csv 2>&1 | tail -n +2)
    [ "$got" = "$wanted" ] || fail "$1: by size: $got"
    got=$("$RAUDAL" query "$p" above least=9.5 --format csv 2>&1 | tail -n +2 | tr '\n' ' ')
    [ "$got" = "hundred large larger " ] || fail "$1: above 9.5: $got"
    got=$("$RAUDAL" query "$p" above least=9.50 --format csv 2>&1 | tail -n +2 | tr '\n' ' ')
    [ "$got" = "hundred large larger " ] || fail "$1: above 9.50: $got"
    "$RAUDAL" verify "$p" >"$room/out" 2>&1 || fail "$1: verify: $(cat "$room/out")"
    python3 - "$db" <<'PY' || fail "$1: an outside reader"
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
got = [k for k, in db.execute("SELECT k FROM sums WHERE v < 50 ORDER BY v")]
assert got == ["debt", "nine", "ten"], got
total, = db.execute("SELECT sum(v) FROM sums WHERE v BETWEEN -100 AND 101").fetchone()
assert abs(total - 99.55) < 1e-9, total
PY
}
check new

# As an earlier version left it: the sums are text.
python3 - "$db" <<'PY'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.executescript("""
CREATE TABLE old ("k" TEXT NOT NULL, "v" TEXT, "n" TEXT, PRIMARY KEY ("k")) WITHOUT ROWID;
INSERT INTO old SELECT k, CASE k WHEN 'larger' THEN '100000000000000.01' WHEN 'large' THEN '99999999999999.99' ELSE printf('%.2f', v) END,
  CASE k WHEN 'larger' THEN '9223372036854775808' ELSE CAST(n AS TEXT) END FROM sums;
DROP TABLE sums; ALTER TABLE old RENAME TO sums; CREATE INDEX by_v ON sums (v);""")
PY
"$RAUDAL" verify "$p" >"$room/out" 2>&1 || fail "text cannot be verified: $(cat "$room/out")"
"$RAUDAL" run "$p" --once >"$room/out" 2>&1 || fail "run over text: $(cat "$room/out")"
check remade
python3 -c 'import sqlite3, sys
assert sqlite3.connect(sys.argv[1]).execute("SELECT count(*) FROM sqlite_master WHERE name = ?", ["by_v"]).fetchone() == (1,)' "$db" ||
    fail "the index of the table is gone"
[ "$failed" = 0 ] && echo "1 passed, 0 failed"
exit "$failed"
