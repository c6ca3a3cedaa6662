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

# The producer's truth.
"$producer" --to "$work/p" --count 20000 --customers 40 --repeat 0.05 --broken 0.001 2>/dev/null
"$raudal" run "$top/examples/notifications" --once --root "$work/root2" --set MESSAGES="$work/p/messages/" \
  --set CUSTOMERS="$work/p/customers.csv" >/dev/null
"$raudal" sql "$top/examples/notifications" "SELECT customer_id, event_date AS day, count(*) AS messages FROM silver.messages GROUP BY ALL" \
  --format csv --root "$work/root2" --set MESSAGES="$work/p/messages/" | sort >"$work/got"
sort "$work/p/truth.csv" | diff - "$work/got"
"$raudal" report "$top/examples/notifications" detail customer=C000000 from=2020-02-03T10:00:00Z to=2020-02-03T10:05:00Z \
  --root "$work/root2" --set MESSAGES="$work/p/messages/" >"$work/detail" 2>"$work/said"
grep -q "read 1 of 2[0-9] lake files" "$work/said" || { cat "$work/said"; exit 1; }
[ "$(sed 1,2d "$work/detail" | sed -n 's/^Data hora: //p' | sort -c 2>&1)" = "" ]
echo "ok - the texts are exact, each message is counted once, one file of the lake answers for five minutes"
