#!/bin/bash
# A report stands in status and raudal.schedules like a view: its last and next run, and what was promised; an alert
# tells that it is overdue or failed.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
raudal=${1:-$top/build/raudal}
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"; mkdir -p p/in
cat >p/p.sql <<'X'
CREATE SOURCE ev (id TEXT) FROM 'in/' FORMAT JSON;
CREATE STREAMING TABLE b.ev AS SELECT id FROM STREAM ev;
CREATE REPORT all_of_them FORMAT TEXT TO 'all.txt' SCHEDULE CRON '0 3 * * *' TEMPLATE FILE 'row.txt' AS SELECT id FROM b.ev;
CREATE REPORT promised FORMAT CSV TO 'promised.csv' PROMISE INTERVAL 1 MILLISECOND AS SELECT id FROM b.ev;
CREATE REPORT asked FORMAT CSV TO '{who}.csv' PARAMETERS (who TEXT) AS SELECT id FROM b.ev WHERE id = $who;
CREATE ALERT late WHEN OVERDUE OF promised NOTIFY 'true';
CREATE ALERT broken WHEN FAILURE OF all_of_them NOTIFY 'true';
X
printf '{id}\n' >p/row.txt
is() { # WHAT WANTED
  "$raudal" sql p --format csv "SELECT name, state, next_run > now(), promised_seconds FROM raudal.schedules ORDER BY name" | sed 1d | tr '\n' ' ' >got
  [ "$(cat got)" = "$2 " ] || { echo "$1: $(cat got)"; echo "wanted: $2"; exit 1; }
}
alert() { "$raudal" sql p --format csv "SELECT state FROM raudal.alerts WHERE name = '$1'" | tail -1; }

echo '{"id":"a"}' >p/in/1.jsonl
"$raudal" run p --once >log 2>&1 || { cat log; exit 1; }
is "after a run" 'report all_of_them,done,true, report promised,slow,,0.001'
"$raudal" status p >log; grep -q '^ report promised  *ON UPDATE .* 1 ms  *slow$' log && grep -q "^ report all_of_them  *CRON '0 3 \* \* \*' .* done$" log || { cat log; exit 1; }
echo '{"id":"b"}' >p/in/2.jsonl
"$raudal" run p --once --only 'b.*' >log 2>&1 || { cat log; exit 1; }
is "behind" 'report all_of_them,done,true, report promised,overdue,,0.001'
"$raudal" alerts p --check >log 2>&1 && { echo "nobody is told"; cat log; exit 1; }
[ "$(alert late)" = active ] && [ "$(alert broken)" = quiet ]
rm p/row.txt
"$raudal" run p --once >log 2>&1 && { echo "a template that is missing is no failure"; exit 1; }
is "failed" 'report all_of_them,failed,true, report promised,slow,,0.001'
"$raudal" status p --json >log; grep -q '"name": "report all_of_them".*"state": "failed"' log || { cat log; exit 1; }
[ "$(alert broken)" = active ] || { "$raudal" alerts p; exit 1; }
echo "ok - reports have a schedule, a promise and a state"
