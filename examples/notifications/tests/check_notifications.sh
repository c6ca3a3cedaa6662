#!/bin/bash
# examples/notifications at the numbers of the texts: 5000 on the panel, 25000 cost R$ 1000,00; counts are the
# producer's; messages that are delivered again, whole and in another file, change nothing.
set -eu
top=$(cd "$(dirname "$0")/../../.." && pwd)
raudal=${1:-$top/build/raudal}
producer=${BUILD:-$(dirname "$raudal")}/examples/notifications/producer
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mkdir "$work/in"; printf 'customer_id,zone\nacme,UTC\n' >"$work/customers.csv"
at=(--root "$work/root" --set MESSAGES="$work/in/" --set CUSTOMERS="$work/customers.csv")
messages() { # from to
  awk -v a="$1" -v b="$2" 'BEGIN { for (i = a; i < b; i++)
    printf "{\"customer_id\":\"acme\",\"message_id\":\"%010X\",\"customer_name\":\"Acme\",\"channel\":\"whatsapp\",\"payload\":\"Ol\303\241 %d\",\"event_datetime\":\"2020-02-03T%02d:%02d:%02d.%03d+00:00\"}\n",
      i, i, int(i / 3600) % 24, int(i / 60) % 60, i % 60, i % 1000 }'
}
messages 0 5000 >"$work/in/a.jsonl"
rm -rf "$work/root"
"$raudal" run "$top/examples/notifications" --once "${at[@]}" >/dev/null
sed 's/^\(Última atualização: \).*+00:00$/\1…+00:00/' "$work/root/reports/panel/acme.txt" | diff - <(printf '%s\n' \
  'Painel de Notificações' 'Cliente: Acme' 'Notificações Whatsapp: 5000' 'Última atualização: …+00:00')
rm -rf "$work/root"
messages 5000 25000 >"$work/in/b.jsonl"
messages 4000 9000 | sort -R --random-source=/dev/zero >"$work/in/again.jsonl"
"$raudal" run "$top/examples/notifications" --once "${at[@]}" >/dev/null
diff "$work/root/reports/bills/acme/2020-02-03.txt" <(printf '%s\n' 'Relatório de Cobrança' 'Cliente: Acme' \
  'Notificações Whatsapp: 25000' 'Valor: R$ 1000,00' 'Data: 2020-02-03')
"$raudal" verify "$top/examples/notifications" "${at[@]}" >/dev/null

# The producer's truth: who has how many, what became of each line, and what the README says of it.
"$producer" --to "$work/p" 2>/dev/null
"$producer" --to "$work/p2" 2>/dev/null
diff -r "$work/p" "$work/p2"
sql() { "$raudal" sql "$top/examples/notifications" "$1" --format csv --root "$root" --set MESSAGES="$work/p/messages/"; }
run() { "$raudal" run "$top/examples/notifications" --once --root "$root" --set MESSAGES="$work/p/messages/" \
  --set CUSTOMERS="$work/p/customers.csv"; }
root=$work/root2
run >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
sql "SELECT customer_id, event_date AS day, count(*) AS messages FROM silver.messages GROUP BY ALL" | sort >"$work/got"
sort "$work/p/truth.csv" | diff - "$work/got"
{ sed -n '/^fate/p;/^read/p;/^written/p;/^duplicate/p' "$work/p/fates.csv"; sed '1,4d' "$work/p/fates.csv" | sort; } >"$work/want"
read=$(sql 'SELECT (SELECT count(*) FROM bronze.messages) + (SELECT count(*) FROM quarantine.bronze_messages)' | tail -1)
written=$(sql 'SELECT count(*) FROM silver.messages' | tail -1)
sql "SELECT reasons[1] AS r, count(*) FROM quarantine.silver_messages GROUP BY ALL ORDER BY ALL" | sed 1d >"$work/rejected"
printf 'fate,lines\nread,%s\nwritten,%s\nduplicate,%s\n' "$read" "$written" \
  $((read - written - $(awk -F, '{ n += $2 } END { print n }' "$work/rejected"))) | cat - "$work/rejected" | diff "$work/want" -
sed 1d "$work/p/fates.csv" | while IFS=, read -r fate lines; do
  grep -qx "| $fate | $(sed ':a;s/\([0-9]\)\([0-9]\{3\}\)\($\|,\)/\1,\2\3/;ta' <<<"$lines") |.*" "$top/examples/notifications/README.md" ||
    { echo "README.md says something else of $fate: $lines"; exit 1; }
done
sql "SELECT count(*) FROM bronze.messages WHERE message NOT LIKE '{\"customer%' OR source_offset < 0" | tail -1 | grep -qx 0
"$raudal" report "$top/examples/notifications" detail customer=C000000 from=2020-02-03T10:00:00Z to=2020-02-03T10:05:00Z \
  --root "$root" --set MESSAGES="$work/p/messages/" >"$work/detail" 2>"$work/said"
grep -q "read 1 of 2[0-9] lake files" "$work/said" || { cat "$work/said"; exit 1; }
form() { "$raudal" report "$top/examples/notifications" detail customer=C000000 from=2020-02-03T10:00:00Z to=2020-02-03T10:05:00Z \
  --format "$1" --root "$root" --set MESSAGES="$work/p/messages/" 2>/dev/null; }
rows=$(grep -c '^Mensagem ID: ' "$work/detail")
form csv | sed 1q | grep -qx 'customer_name,message_id,payload,sent' || { echo "the detailed report as CSV"; exit 1; }
[ "$(form csv | wc -l)" = $((rows + 1)) ] || { echo "the detailed report as CSV has other rows"; exit 1; }
form html >"$work/detail.html"
[ "$(grep -o '<tr>' "$work/detail.html" | wc -l)" = $((rows + 1)) ] && grep -q '<title>Relat' "$work/detail.html" &&
  grep -q 'lang="pt-BR"' "$work/detail.html" || { echo "the detailed report as a page"; exit 1; }
[ "$(sed 1,2d "$work/detail" | sed -n 's/^Data hora: //p' | sort -c 2>&1)" = "" ]

# Killed while bills are decided, sealed, published and written: each bill is there once, as without the kill.
rm "$work"/p/messages/*; "$producer" --to "$work/p" --count 2000 --customers 20 2>/dev/null
bills() { sql "SELECT customer_id, bill_day, message_day, channel, notifications, amount FROM gold.bills ORDER BY ALL"
          (cd "$root/reports/bills" && find . -type f | sort | xargs sha256sum); }
root=$work/whole; run >/dev/null 2>&1; bills >"$work/want"
for fault in epoch.before_seal:3 seal.before_sync:3 epoch.after_seal:3 sink.before_commit:2 report.renamed:30; do
  root=$work/killed-${fault%:*}
  died=0; { RDL_FAULT=$fault:kill run >/dev/null; } 2>/dev/null || died=$?
  [ "$died" = 137 ] || { echo "$fault: it did not die ($died)"; exit 1; }
  if [ -d "$root/reports" ]; then # what is there is whole
    (cd "$root/reports/bills" 2>/dev/null && find . -type f ! -name '*.tmp' | sort | xargs -r sha256sum) |
      grep -vxFf "$work/want" && { echo "$fault: half a bill"; exit 1; }
  fi
  run >/dev/null 2>&1; bills | diff "$work/want" - || { echo "$fault: other bills"; exit 1; }
done
"$raudal" verify "$top/examples/notifications" --root "$root" --set MESSAGES="$work/p/messages/" \
  --set CUSTOMERS="$work/p/customers.csv" >/dev/null
echo "ok - the texts are exact, each message is counted once, kills change no bill, one file of the lake answers for five minutes"
