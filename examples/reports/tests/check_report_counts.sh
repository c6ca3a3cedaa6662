#!/bin/bash
# examples/reports on the default generation: what became of each row is what the generator and the README say; a
# kill while reports are written leaves whole files, and the next run brings what an undisturbed one gives.
set -eu
top=$(cd "$(dirname "$0")/../../.." && pwd)
raudal=${1:-$top/build/raudal}
generate=${BUILD:-$(dirname "$raudal")}/examples/reports/generate
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
"$generate" --to "$work/in" 2>/dev/null
"$generate" --to "$work/in2" 2>/dev/null
diff -r "$work/in" "$work/in2"
do_() { "$raudal" "$1" "$top/examples/reports" "${@:2}" --root "$work/$root" --set INVOICES="$work/in/invoices.csv" \
          --set CONVERSATIONS="$work/in/conversations/"; }
root=whole; do_ run --once >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
read=$(sed -n 's/^ *\([0-9]*\) read = .*/\1/p' "$work/log")
{ echo fate,rows; echo "read,$read"
  do_ sql "SELECT 'written', count(*) FROM bronze.conversations
    UNION ALL SELECT 'empty', (SELECT count(*) FROM bronze.conversations) - count(*) FROM silver.answers
    UNION ALL SELECT 'duplicate', $read - (SELECT count(*) FROM bronze.conversations) - count(*) FROM quarantine.bronze_conversations
    UNION ALL (SELECT reasons[1], count(*) FROM quarantine.bronze_conversations GROUP BY ALL)
    UNION ALL (SELECT reason, count(*) FROM silver.invoices_left_out GROUP BY ALL)" --format csv | sed 1d; } |
  LC_ALL=C sort >"$work/got"
LC_ALL=C sort "$work/in/fates.csv" | diff - "$work/got"
sed 1d "$work/in/fates.csv" | while IFS=, read -r fate rows; do
  grep -q "^| $fate | $rows |" "$top/examples/reports/README.md" || { echo "README.md says something else of $fate: $rows"; exit 1; }
done
for fault in report.planned:3 report.renamed:4 epoch.before_seal:2; do
  root=${fault%:*}
  died=0; { RDL_FAULT=$fault:kill do_ run --once >/dev/null; } 2>/dev/null || died=$?
  [ "$died" = 137 ] || { echo "$fault: it did not die ($died)"; exit 1; }
  if [ -d "$work/$root/reports" ]; then
    (cd "$work/$root/reports" && find . -type f ! -name '*.tmp') | while read -r f; do cmp "$work/whole/reports/$f" "$work/$root/reports/$f"; done
  fi
  do_ run --once >/dev/null 2>&1
  diff -r "$work/whole/reports" "$work/$root/reports"
done
echo "ok - counts agree, in the README too; kills leave whole files"
