#!/usr/bin/env bash
# discover_test.sh - what is inferred from files passes check, reads every record, and says what is doubtful;
# the page of docs is whole.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
failed=0
fail() { echo "FAILED: $*"; failed=1; }
d=$room/landing
mkdir -p "$d/events" "$d/places/day=2025-08-01" "$d/one array" "$room/p"
cat >"$d/events/1.jsonl" <<'JSON'
{"id":"a","at":"2025-08-01T10:00:00Z","value":1.5,"ok":true,"tags":["x","y"],"order":1}
{"id":"b","at":"2025-08-01T10:01:00Z","value":"2","ok":false,"extra":{"k":"v"}}
JSON
printf '{"id":"c","at":"2025-08-01T10:02:00Z","value":3}\n' | gzip >"$d/events/2.jsonl.gz"
printf 'device;zip;utc;day;n\n1;01001;1754042400;01/08/2025;5\n2;01002;1754042401;02/08/2025;\n' >"$d/places/day=2025-08-01/a.csv"
printf '[{"q": "Olá", "n": 1}, {"q": "Até já", "n": 2}]' >"$d/one array/x.json"
echo not ours >"$d/readme.txt"
"$RAUDAL" discover "$d" >"$room/p/1.sql" 2>"$room/said" || fail "discover: $(cat "$room/said")"
grep -q '1 file was of other kinds' "$room/said" || fail "what was passed over is not said: $(cat "$room/said")"
"$RAUDAL" check "$room/p" >"$room/out" 2>&1 || fail "what was inferred does not pass: $(cat "$room/out" "$room/p/1.sql")"
says() { grep -qE -- "$1" "$room/p/1.sql" || fail "no line like $1 in: $(cat "$room/p/1.sql")"; }
says '^  (")?at(")? TIMESTAMPTZ'
says '"?value"? .*doubt.*several kinds: .*number.*text'
says 'zip"? TEXT'
says 'utc"? BIGINT,.*seconds since 1970'
says 'day"? TEXT,.*another form than ISO'
says "delimiter = ';'"
says 'folders such as name=value'
says '"order"'
# Every record is read by what was inferred.
grep -oE '^CREATE SOURCE "?[a-z0-9_]+' "$room/p/1.sql" | sed 's/.* "*//' | while read -r name; do
    echo "CREATE STREAMING TABLE t.$name AS SELECT * FROM STREAM $name;"
done >"$room/p/2.sql"
"$RAUDAL" run "$room/p" --once >"$room/out" 2>&1 || fail "run: $(cat "$room/out")"
got=$("$RAUDAL" sql "$room/p" --format csv "SELECT sum(read), sum(written), sum(quarantined) FROM raudal.ledger WHERE table_name LIKE 't.%'" | tail -1)
[ "$got" = 7,7,0 ] || fail "read, written, quarantined: $got of 7,7,0; $("$RAUDAL" quarantine list "$room/p" 2>&1)"
# CSV files side by side are a source for each kind of header; one that gained a column is of the same kind.
m=$room/mixed
mkdir -p "$m" "$room/q"
printf 'customer_id,name,country\r\n1,a,AR\r\n' >"$m/customers.csv"
printf 'sku,valid_from,cents\nP1,2026-01-01,5\n' >"$m/prices_2025.csv"
printf '"sku",valid_from,cents,currency\nP1,2026-02-01,7,EUR\n' >"$m/prices_2026.csv"
printf 'sku,name,category\nP1,One,books\n' >"$m/products.csv"
"$RAUDAL" discover "$m" >"$room/q/1.sql" || fail "discover of kinds side by side"
"$RAUDAL" check "$room/q" >"$room/out" 2>&1 || fail "kinds side by side do not pass: $(cat "$room/out" "$room/q/1.sql")"
[ "$(grep -c '^CREATE SOURCE' "$room/q/1.sql")" = 3 ] || fail "three kinds are not three sources: $(cat "$room/q/1.sql")"
grep -q "mixed/prices_\*.csv'" "$room/q/1.sql" || fail "the prices have no pattern of their own: $(cat "$room/q/1.sql")"
grep -q 'does FROM name these alone' "$room/q/1.sql" || fail "the pattern is no doubt"
grep -q '^CREATE SOURCE "prices"' "$room/q/1.sql" || fail "the prices have no name of their own"
# What lies in folders as they are: an empty file, a header alone, names twice or none, names that need quotes, bytes
# that are no UTF-8, numbers beyond BIGINT, objects whose fields differ, noise.
h=$room/hostile
mkdir -p "$h" "$room/h"
: >"$h/empty.csv"
printf 'kind,size\n' >"$h/header.csv"
printf 'twice,twice,name,\n1,2,x,\n' >"$h/twice.csv"
printf 'latin,b\n1,caf\351\n' >"$h/latin.csv"
printf 'big,ratio\n18446744073709551999,0.5\n5,2\n' >"$h/big.csv"
printf '{"we\\"ird":1,"select":2,"a/b~c":"x","ção":{"q1":"a"}}\n{"ção":{"q2":"b"}}\n{"ção":{"q3":"c"}}\n' >"$h/names.jsonl"
mkdir "$h/noise"
head -c 3000 /dev/urandom >"$h/noise/noise.parquet"
"$RAUDAL" discover "$h" >"$room/h/1.sql" 2>"$room/said" || fail "hostile: $(cat "$room/said")"
"$RAUDAL" check "$room/h" >"$room/out" 2>&1 || fail "what hostile files gave does not pass: $(cat "$room/out" "$room/h/1.sql")"
for line in 'there was no record to look at' '"twice_1" BIGINT,  -- doubt: no header has this name' 'bytes that are no UTF-8' \
    '"big" DECIMAL\(38,0\),  -- doubt: whole numbers beyond BIGINT' '"we""ird" BIGINT' '"a/b~c" TEXT' \
    '"ção" MAP\(TEXT, TEXT\)  -- doubt: .*its fields differ' '1 file .*noise.* could not be read'; do
    grep -qE -- "$line" "$room/h/1.sql" || fail "no line like $line in: $(cat "$room/h/1.sql")"
done
"$RAUDAL" discover "$room/none" >/dev/null 2>&1 && fail "nothing is no failure"
"$RAUDAL" discover "$d/events/*.jsonl" | grep -q 'Inferred from 1 file' || fail "a pattern"

# docs: one page that stands alone.
cat >>"$room/p/2.sql" <<'SQL'
-- Events by hour <b>&.
-- owner: data@example.org
CREATE MATERIALIZED VIEW g.hours PRIMARY KEY (h) AS SELECT date_trunc('hour', "at") AS h, count(*) AS n FROM t.events GROUP BY ALL;
GRANT SELECT ON g.* TO ROLE analysts;
CREATE ALERT stale WHEN FRESHNESS OF g.hours > INTERVAL 1 DAY NOTIFY 'true';
SQL
"$RAUDAL" run "$room/p" --once >"$room/out" 2>&1 || fail "run: $(cat "$room/out")"
"$RAUDAL" docs "$room/p" --format html >"$room/page.html" || fail "docs"
"$RAUDAL" docs "$room/p" --json >"$room/page.json" || fail "docs --json"
if command -v python3 >/dev/null; then
    python3 - "$room" <<'PY' || fail "the page"
import html.parser, json, pathlib, sys
room = pathlib.Path(sys.argv[1])
VOID = {"meta", "input", "br", "link", "img"}
class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.ids, self.links, self.text = [], set(), set(), []
    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag not in VOID and tag not in ("rect", "path"):
            self.open.append(tag)
        assert not any(k in attrs for k in ("src", "onclick")), "the page needs something else"
        if "id" in attrs:
            assert attrs["id"] not in self.ids, attrs["id"]
            self.ids.add(attrs["id"])
        if tag == "a":
            self.links.add(attrs["href"])
    def handle_endtag(self, tag):
        if tag not in ("rect", "path"):
            assert self.open and self.open.pop() == tag, (tag, self.getpos())
    def handle_data(self, data):
        self.text.append(data)
page = Page()
page.feed((room / "page.html").read_text())
page.close()
text = "".join(page.text)
assert not page.open, page.open
assert all(l[0] == "#" and l[1:] in page.ids for l in page.links), page.links
for word in ("g.hours", "Events by hour <b>&.", "data@example.org", "analysts", "% good", "stale", "Lineage"):
    assert word in text, word
tables = {t["table"]: t for t in json.loads((room / "page.json").read_text())["tables"]}
hours = tables["g.hours"]
assert hours["owner"] == "data@example.org" and hours["granted_to"] == ["analysts"], hours
assert hours["inputs"] == ["t.events"] and hours["rows"] == 1 and hours["files"] == 1, hours
assert tables["t.events"]["quality"][0]["written"] == 3, tables["t.events"]
PY
fi
exit $failed
