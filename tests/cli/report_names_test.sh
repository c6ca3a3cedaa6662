#!/bin/bash
# Groups whose names are one for the file system, as where case or forms of letters are ignored (here: links that
# stand for it): the run fails and says which; no file holds another group's rows, none goes with one that is gone.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
raudal=${1:-$top/build/raudal}
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"; mkdir -p p/in
cat >p/p.sql <<'X'
CREATE SOURCE sales (shop TEXT, n BIGINT) FROM 'in/s.csv' FORMAT CSV SNAPSHOT;
CREATE MATERIALIZED VIEW gold.sales AS SELECT shop, n FROM sales;
CREATE REPORT by_shop FORMAT CSV TO 'out/{shop}.csv' FOR EACH (shop) AS SELECT * FROM gold.sales;
X
run() { "$raudal" run p --once --root "$root" >log 2>&1; }
fails() { # WHAT
  if run; then echo "$1: it did not fail"; cat log; exit 1; fi
  grep -q 'two groups would be written to one file: ".*/out/F1.csv" and ".*/out/f1.csv"' log || { echo "$1:"; cat log; exit 1; }
  ! grep -qs 'f1' "$root/out/F1.csv" || { echo "$1: another group's rows"; exit 1; }
}
given() { { echo shop,n; printf '%s\n' "$@"; } >p/in/s.csv; }

root=r1; given F1,1 f1,2
mkdir -p r1/out; ln -s .F1.csv.raudal.tmp r1/out/.f1.csv.raudal.tmp
fails "both are new"

root=r2; given F1,1; run
given F1,1 other,5 f1,2; ln -s F1.csv r2/out/f1.csv
fails "one is there"
[ "$(tail -1 r2/out/F1.csv)" = F1,1 ]

root=r3; given f1,2; run
given F1,1; rm r3/out/f1.csv; ln -s F1.csv r3/out/f1.csv
run || { cat log; exit 1; }
[ "$(tail -1 r3/out/f1.csv)" = F1,1 ] || { echo "the file of a group that is gone was another's"; exit 1; }

# Where names differ, so do files.
root=r4; given F1,1 f1,2; run || { cat log; exit 1; }
[ "$(tail -1 r4/out/F1.csv)" = F1,1 ] && [ "$(tail -1 r4/out/f1.csv)" = f1,2 ]
echo "ok - groups that would share a file are refused"
