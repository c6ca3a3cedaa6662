#!/bin/bash
# examples/reports on the real input: exactly the expected files; twice gives the same bytes; a later
# file refreshes only what it touches; a group that is gone takes its file with it.
set -eu
top=$(cd "$(dirname "$0")/../../.." && pwd)
raudal=${1:-$top/build/raudal}
data=${RAUDAL_DATA:-$top/../shared/data}/chat_and_invoices
[ -f "$data/invoices.csv" ] || { echo "skipped: no $data/invoices.csv"; exit 77; }
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mkdir "$work/in"; cp "$data"/hour=*.json "$work/in"
run() { "$raudal" "$1" "$top/examples/reports" ${2:+$2} --root "$work/$root" \
          --set INVOICES="$data/invoices.csv" --set CONVERSATIONS="$work/in/"; }
root=a; run run --once >"$work/log" || { cat "$work/log"; exit 1; }
cat >"$work/want" <<'X'
invoices.txt
C1000 A1100 56.333,33 41.416,66
C1000 A1200 50.666,66 null
C1000 A1300 null null
C2000 A2100 55.400,00 null
invoices.csv
customer,account,avg_invoices_last_3_months,avg_invoices_last_6_months
C1000,A1100,56333.333333333336,41416.666666666664
C1000,A1200,50666.666666666664,
C1000,A1300,,
C2000,A2100,55400.0,
conversations/F1000.csv
customer,flow,session,first_answer_dt,last_answer_dt,name,cpf,delivery_confirmed
C1000,F1000,S1000,2019-12-16T13:59:58,2019-12-16T14:00:01,maria,305.584.960-40,true
C1000,F1000,S2000,2019-12-16T13:59:59,2019-12-16T14:00:00,joao,733.600.420-26,false
conversations/F2000.csv
customer,flow,session,first_answer_dt,last_answer_dt,recomenda,nota
C2000,F2000,S3000,2019-12-16T13:59:59,2019-12-16T14:00:01,Simmmmmmm,9
X
show() { for f in invoices.txt invoices.csv conversations/F1000.csv conversations/F2000.csv; do
           echo $f; cat "$work/$root/reports/$f"; done; }
show >"$work/got"; diff -u "$work/want" "$work/got"
root=b; run run --once >/dev/null; show | diff -u "$work/want" -
diff -r "$work/a/reports" "$work/b/reports"
# A later hour touches one flow: the other file keeps its inode.
before=$(stat -c %i:%Y "$work/b/reports/conversations/F2000.csv")
cat >"$work/in/hour=15.json" <<'X'
[{"customer": "C1000", "flow": "F1000", "session": "S1000", "timestamp": "2019-12-16T15:00:01+00:00", "content": {"obrigado": "sim"}}]
X
run run --once | grep "report conversations: 2 files, 1 written"
grep -q "name,cpf,delivery_confirmed,obrigado" "$work/b/reports/conversations/F1000.csv"
[ "$before" = "$(stat -c %i:%Y "$work/b/reports/conversations/F2000.csv")" ]
run verify >/dev/null
echo "ok - the four files are exactly the expected ones, and only what is touched is written"
