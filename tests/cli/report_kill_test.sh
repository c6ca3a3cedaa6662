#!/bin/bash
# Reports killed at each of their steps: afterwards every file is old or new, never half, and the next
# run brings what an undisturbed one gives; files of groups that are gone are removed.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
raudal=${1:-$top/build/raudal}
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"; mkdir p; mkdir p/in
cat >p/p.sql <<'X'
CREATE SOURCE sales (shop TEXT, n BIGINT, gone BOOLEAN) FROM 'in/s.csv' FORMAT CSV SNAPSHOT;
CREATE MATERIALIZED VIEW gold.sales AS SELECT shop, n FROM sales;
CREATE REPORT by_shop FORMAT CSV TO 'out/{shop}.csv' FOR EACH (shop) AS SELECT * FROM gold.sales;
X
rows() { # factor
  echo shop,n,gone
  for i in $(seq 1 40); do echo "shop$i,$((i * $1)),false"; done
  for i in $(seq 1 $2); do echo "extra$i,$1,false"; done
}
state() { (cd "$1" && find . -type f | sort | xargs sha256sum); }
rows 1 3 >p/in/s.csv
"$raudal" run p --once --root ref >/dev/null; state ref/out >first
rows 2 1 >p/in/s.csv
"$raudal" run p --once --root ref >/dev/null; state ref/out >second
[ "$(wc -l <second)" = 41 ]
n=0
for point in report.planned report.written report.renamed report.removed fs.rename fs.sync fs.write; do
  for nth in 1 2 7 30; do
    rm -rf root; rows 1 3 >p/in/s.csv
    "$raudal" run p --once --root root >/dev/null
    rows 2 1 >p/in/s.csv
    "$raudal" run p --once --root root --only 'gold.*' >/dev/null
    rc=0; ( RDL_FAULT=$point:$nth:kill "$raudal" report p by_shop --write --root root >/dev/null 2>&1 ) 2>/dev/null || rc=$?
    [ $rc != 0 ] || continue # that point is not reached so often
    [ $rc = 137 ] || { echo "$point:$nth ended with $rc"; exit 1; }
    n=$((n + 1))
    # Every file that is there is one of the first or of the second run.
    state root/out | grep -v '\.tmp$' | while read -r line; do
      grep -qF "$line" first || grep -qF "$line" second || { echo "half a file at $point:$nth: $line"; exit 1; }
    done
    "$raudal" report p by_shop --write --root root >/dev/null 2>&1
    state root/out | diff second - || { echo "not repaired after $point:$nth"; exit 1; }
  done
done
[ $n -ge 10 ] || { echo "only $n kills"; exit 1; }
echo "ok - $n kills: old or new, nothing half, nothing left over"
