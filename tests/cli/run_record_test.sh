#!/usr/bin/env bash
# What status and the runs tell an operator: refused starts, replays, stores with nothing to catch
# up, and inputs that stop fitting.
set -euo pipefail
raudal=$1
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
p=$room/p
fail() { echo "FAIL: $*" >&2; cat "$room/out" "$room/err" >&2; exit 1; }
run() { "$raudal" run "$p" --once >"$room/out" 2>"$room/err"; }
value() { "$raudal" sql "$p" "$1" --format csv 2>"$room/err" | sed -n 2p; }
wants() { [ "$2" = "$3" ] || fail "$1: $2, not $3"; }

mkdir -p "$p/in"
cat >"$p/p.sql" <<'SQL'
CREATE SOURCE s (id BIGINT, v BIGINT) FROM 'in/' FORMAT JSON;
CREATE SOURCE days (day TEXT) FROM 'days.csv' FORMAT CSV SNAPSHOT;
CREATE STREAMING TABLE b.t (CONSTRAINT positive EXPECT (v > 0) ON VIOLATION QUARANTINE) AS SELECT * FROM STREAM s;
CREATE MATERIALIZED VIEW b.days PRIMARY KEY (day) AS SELECT day FROM days;
PUBLISH b.t TO 'sqlite:serving.db' PRIMARY KEY (id);
PUBLISH b.days TO 'sqlite:serving.db';
SQL
printf 'day\nmonday\n' >"$p/days.csv"
seq -f '{"id":%g,"v":1}' 1 20 >"$p/in/1.json"
run || fail "the first run fails"
! grep -q quarantined "$room/err" || fail "it warns of nothing"

# The store has all of a table that did not change, whatever the other tables do.
printf '{"id":21,"v":1}\n' >"$p/in/2.json"
run || fail "the second run fails"
wants "behind" "$(value "SELECT sum(behind) FROM raudal.publications")" 0
wants "shows" "$(value "SELECT epoch < (SELECT max(epoch) FROM raudal.epochs) FROM raudal.publications WHERE name = 'days'")" true
# Rows that only the lake of a run apart has are behind: the store lacks them.
printf 'day\nmonday\ntuesday\n' >"$p/days.csv"
code=0
RDL_FAULT=epoch.after_seal:1:kill "$raudal" run "$p" --once >"$room/out" 2>&1 || code=$?
[ "$code" = 137 ] || fail "the fault point did not kill it: $code"
wants "behind" "$(value "SELECT behind > 0 FROM raudal.publications WHERE name = 'days'")" true
run || fail "the run after a crash fails"
wants "behind" "$(value "SELECT behind FROM raudal.publications WHERE name = 'days'")" 0

# One row in ten is worth a word, with the rule that most broke.
seq -f '{"id":%g,"v":-1}' 30 40 >"$p/in/3.json"
run || fail "rejected rows stop a run"
grep -q 'b.t: 100 % of the rows were quarantined, most of them by positive' "$room/err" || fail "it does not warn"

# A replay is an epoch.
sed -i 's/v > 0/v <> 0/' "$p/p.sql"
"$raudal" quarantine replay "$p" b.t >"$room/out" 2>"$room/err" || fail "the replay fails"
wants "epochs of the replay" "$(value "SELECT epochs || ' ' || (last_epoch = (SELECT max(epoch) FROM raudal.epochs)) FROM raudal.runs WHERE kind = 'replay'")" "1 true"

# A store that refuses the run before it begins: the runs say so.
sed -i 's/SELECT day FROM days/SELECT day, 1 AS n FROM days/' "$p/p.sql"
code=0; run || code=$?
wants "exit code" $code 5
wants "the newest run" "$(value "SELECT outcome || ': ' || message FROM raudal.runs ORDER BY id DESC LIMIT 1" | grep -c 'failed: .*column ""n"" is missing')" 1
# Text that is wrong was never run.
before=$(value "SELECT count(*) FROM raudal.runs")
echo 'nonsense;' >>"$p/p.sql"
code=0; run || code=$?
wants "exit code" $code 2
sed -i '$d' "$p/p.sql"
wants "runs" "$(value "SELECT count(*) FROM raudal.runs")" "$before"
