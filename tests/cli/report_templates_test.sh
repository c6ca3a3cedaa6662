#!/bin/bash
# A report by template files is written again when a template changes, with no new row; else its files are left alone.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
raudal=${1:-$top/build/raudal}
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"; mkdir -p p/in p/t
cat >p/p.sql <<'X'
CREATE SOURCE sales (shop TEXT, n BIGINT) FROM 'in/s.csv' FORMAT CSV SNAPSHOT;
CREATE MATERIALIZED VIEW gold.sales AS SELECT shop, n FROM sales;
CREATE REPORT by_shop FORMAT TEXT TO 'out/{shop}.txt' FOR EACH (shop) TEMPLATE FILE 't/row.txt' AS SELECT * FROM gold.sales;
X
printf 'shop,n\na,1\nb,2\n' >p/in/s.csv
printf '{shop} sold {n}\n' >p/t/row.txt
run() { "$raudal" run p --once --root root >log 2>&1 || { cat log; exit 1; }; }
run; grep -q 'report by_shop: 2 files, 2 written' log
run; if grep -q 'report by_shop' log; then echo "nothing changed, and the report ran"; exit 1; fi
printf '{n} sold by {shop}\n' >p/t/row.txt
run; grep -q 'report by_shop: 2 files, 2 written' log
[ "$(cat root/out/a.txt)" = "1 sold by a" ]
printf 'shop,n\na,1\nb,3\n' >p/in/s.csv
before=$(stat -c %i root/out/a.txt)
run; grep -q 'report by_shop: 2 files, 1 written' log
[ "$(stat -c %i root/out/a.txt)" = "$before" ]
[ "$(cat root/out/b.txt)" = "3 sold by b" ]
rm p/t/row.txt
rc=0; "$raudal" run p --once --root root >log 2>&1 || rc=$?
[ "$rc" != 0 ] && grep -q 'row.txt' log || { echo "a missing template is no error: $rc"; cat log; exit 1; }
echo "ok - templates are part of a report's text"
