#!/usr/bin/env bash
# apart_live_test.sh - in a continuous run a table and a program fail for a while: what does not depend on them
# goes on, they are tried again later and later, an alert tells of it and tells when it is over, nothing is lost.
# So it is in a root that has no epoch yet.
set -euo pipefail
room=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill -9 "$pid" 2>/dev/null; rm -rf "$room"' EXIT
failed=0
fail() { echo "FAILED: $*"; failed=1; }
p=$room/p
mkdir -p "$p/a" "$p/b"
cat >"$p/p.sql" <<'SQL'
CREATE SOURCE a (id TEXT, k TEXT, n INTEGER) FROM 'a/' FORMAT JSON;
CREATE SOURCE b (id TEXT, n INTEGER) FROM 'b/' FORMAT JSON;
CREATE SOURCE factors (k TEXT, factor INTEGER) FROM 'factors.csv' FORMAT CSV SNAPSHOT OPTIONS (allow_shrink = 'true');
CREATE STREAMING TABLE l.a AS SELECT a.id, a.n * f.factor AS n FROM STREAM a JOIN factors f ON f.k = a.k;
CREATE STREAMING TABLE l.also_a AS SELECT id FROM STREAM a;
CREATE STREAMING TABLE l.b AS SELECT id, n FROM STREAM b;
CREATE MATERIALIZED VIEW g.a PRIMARY KEY (id) AS SELECT id, sum(n) AS total FROM STREAM l.a GROUP BY id;
CREATE MATERIALIZED VIEW g.b PRIMARY KEY (id) AS SELECT id, sum(n) AS total FROM STREAM l.b GROUP BY id;
CREATE MODEL TABLE g.m (id TEXT, total INTEGER) PRIMARY KEY (id)
  TRIGGER ON UPDATE AT MOST EVERY INTERVAL 100 MILLISECONDS
  AS TRANSFORM (SELECT id, CAST(total AS INTEGER) AS total FROM g.b ORDER BY id) USING 'sh model.sh';
PUBLISH g.b TO 'sqlite:good.db' PRIMARY KEY (id);
CREATE ALERT apart WHEN FAILURE OF l.a TRIGGER ON UPDATE AT MOST EVERY INTERVAL 100 MILLISECONDS
  NOTIFY 'cat >>told; echo >>told';
CREATE ALERT modelled WHEN FAILURE OF g.m TRIGGER ON UPDATE AT MOST EVERY INTERVAL 100 MILLISECONDS
  NOTIFY 'cat >>told; echo >>told';
SQL
at=(--set retry_interval=200ms --set trigger_interval=50ms --set lake_interval=200ms)
printf 'k,factor\nx,2\nx,3\n' >"$p/factors.csv" # x twice: the join would give a row twice
printf 'echo not today >&2; exit 3\n' >"$p/model.sh"
one() { "$RAUDAL" sql "$p" --format csv "$1" 2>/dev/null | tail -1; }
told() { touch "$p/told"; grep -c "\"alert\": \"$2\", \"event\": \"$1\"" "$p/told" || true; }
until_is() { # WHAT WANTED command...
    local what=$1 want=$2 got= deadline=$((SECONDS + 60))
    shift 2
    while [ $SECONDS -lt $deadline ]; do
        got=$("$@" || true)
        [ "$got" != "$want" ] || return 0
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    fail "$what: $got, wanted $want"
    cat "$room/log"
}
start() {
    "$RAUDAL" run "$p" "${at[@]}" >"$room/log" 2>&1 &
    pid=$!
}
stop() {
    local got=0
    kill "$pid"
    wait "$pid" || got=$?
    pid=
    [ "$got" = 0 ] || fail "the run ended with $got: $(cat "$room/log")"
}

# Nothing was ever sealed, and the first epoch fails: that is told all the same.
printf '{"id":"1","k":"x","n":10}\n' >"$p/a/1.jsonl"
start
until_is "told of a first epoch that fails" 1 told active apart

# The other source goes on, into its store; the failing one's rows wait, for each of its readers.
printf '{"id":"u","n":1}\n' >"$p/b/1.jsonl"
until_is "g.b" 1 one 'SELECT count(*) FROM g.b'
until_is "told of the program" 1 told active modelled
printf '{"id":"v","n":2}\n' >"$p/b/2.jsonl"
printf '{"id":"2","k":"x","n":10}\n' >"$p/a/2.jsonl"
until_is "g.b goes on" 2 one 'SELECT count(*) FROM g.b'
until_is "and is served" 0 one "SELECT behind FROM raudal.publications WHERE name = 'b'"
until_is "the program's rows" 0 one 'SELECT count(*) FROM g.m'

# Tried again, later each time; told once.
until_is "tries" true one "SELECT count(*) >= 3 FROM raudal.runs WHERE kind = 'table l.a' AND outcome = 'failed'"
gaps=$(one "SELECT bool_and(gap >= 0.19 * 2 ** (n - 2)) FROM (SELECT row_number() OVER (ORDER BY id) AS n,
    epoch(started - lag(started) OVER (ORDER BY id)) AS gap FROM raudal.runs WHERE kind = 'table l.a') WHERE n > 1")
[ "$gaps" = true ] || fail "it is tried again sooner than said: $gaps"
[ "$(told active apart)" = 1 ] || fail "told $(told active apart) times of the table"
[ "$(one 'SELECT count(*) FROM l.also_a')" = 0 ] || fail "a reader of the resting source went on alone"

# Killed while it is put aside: the next run finds it as it was, with nothing lost.
kill -9 "$pid"
wait "$pid" 2>/dev/null || true
start
printf '{"id":"w","n":3}\n' >"$p/b/3.jsonl"
until_is "g.b after the kill" 3 one 'SELECT count(*) FROM g.b'

# Mended from outside, while it runs.
printf 'k,factor\nx,2\n' >"$p/factors.new" && mv "$p/factors.new" "$p/factors.csv"
printf 'cat\n' >"$p/model.sh"
until_is "l.a mended" 40 one 'SELECT sum(total) FROM g.a'
until_is "its neighbour" 2 one 'SELECT count(*) FROM l.also_a'
until_is "told that it is over" 1 told cleared apart
until_is "the program mended" 3 one 'SELECT count(*) FROM g.m'
until_is "told that the program works" 1 told cleared modelled
[ "$(one "SELECT outcome FROM raudal.runs WHERE kind = 'table l.a' ORDER BY id DESC LIMIT 1")" = done ] ||
    fail "the last run of l.a is not noted as done"
stop
"$RAUDAL" verify "$p" >"$room/log" 2>&1 || fail "verify: $(cat "$room/log")"
exit $failed
