#!/usr/bin/env bash
# apart_test.sh - one failing table, source or store does not stop the others; what was put aside catches up,
# nothing is lost; --only, --from; environments.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
failed=0
fail() { echo "FAILED: $*"; failed=1; }
wants() { # WHAT GOT WANTED
    [ "$2" = "$3" ] || fail "$1: $2, wanted $3"
}
p=$room/p
mkdir -p "$p/a" "$p/b"
text() { # WHAT THE CONSTRAINT DOES
    cat >"$p/p.sql" <<SQL
CREATE SOURCE a (id TEXT, n INTEGER) FROM 'a/' FORMAT JSON;
CREATE SOURCE b (id TEXT, n INTEGER) FROM 'b/' FORMAT JSON;
CREATE STREAMING TABLE l.a (CONSTRAINT positive EXPECT (n > 0) ON VIOLATION $1) AS SELECT id, n FROM STREAM a;
CREATE STREAMING TABLE l.also_a AS SELECT id FROM STREAM a;
CREATE STREAMING TABLE l.b AS SELECT id, n FROM STREAM b;
CREATE STREAMING TABLE l.b2 AS SELECT id, n FROM STREAM l.b;
CREATE MATERIALIZED VIEW g.a PRIMARY KEY (id) AS SELECT id, sum(n) AS n FROM STREAM l.a GROUP BY id;
CREATE MATERIALIZED VIEW g.b PRIMARY KEY (id) PROMISE INTERVAL 1 HOUR AS SELECT id, sum(n) AS n FROM STREAM l.b GROUP BY id;
PUBLISH g.b TO 'sqlite:good.db' PRIMARY KEY (id);
PUBLISH g.a TO '\${THIRD:-sqlite:other.db}' PRIMARY KEY (id);
CREATE ALERT apart WHEN FAILURE OF l.a NOTIFY 'true';
SQL
}
count() { "$RAUDAL" sql "$p" --format csv "SELECT count(*) FROM $1" | tail -1; }
last() { "$RAUDAL" sql "$p" --format csv "SELECT outcome FROM raudal.runs WHERE kind = '$1' ORDER BY id DESC LIMIT 1" | tail -1; }
state() { "$RAUDAL" sql "$p" --format csv "SELECT state FROM raudal.alerts" | tail -1; }
code() { # EXPECTED command...
    local want=$1 got=0
    shift
    "$@" >"$room/out" 2>&1 || got=$?
    [ "$got" = "$want" ] || fail "$* ended with $got, wanted $want: $(cat "$room/out")"
}

# A table that must fail: its source rests, with the source's other reader; b goes on.
text 'FAIL UPDATE'
printf '{"id":"x","n":1}\n{"id":"y","n":-1}\n' >"$p/a/1.jsonl"
printf '{"id":"u","n":1}\n{"id":"v","n":2}\n' >"$p/b/1.jsonl"
"$RAUDAL" run "$p" --once >"$room/out" 2>&1 && fail "a violated FAIL UPDATE is no failure"
grep -q 'positive' "$room/out" || fail "the failure is not told: $(cat "$room/out")"
grep -q 'last epoch' "$room/out" || fail "what went on is not shown"
wants "l.a" "$(count l.a)" 0
wants "l.also_a" "$(count l.also_a)" 0
wants "g.b" "$(count g.b)" 2
wants "served" "$("$RAUDAL" sql "$p" --format csv "SELECT behind FROM raudal.publications WHERE name = 'b'" | tail -1)" 0
wants "its run" "$(last 'table l.a')" failed
wants "its alert" "$(state)" active

# The text is mended: what rested is read, once.
text QUARANTINE
code 0 "$RAUDAL" run "$p" --once
wants "l.a after" "$(count l.a)" 1
wants "l.also_a after" "$(count l.also_a)" 2
wants "g.a after" "$(count g.a)" 1
wants "its run after" "$(last 'table l.a')" done
wants "its alert after" "$(state)" quiet
code 0 "$RAUDAL" verify "$p"

# A store that is down: the others are filled, and the exit code is a store's.
printf '{"id":"w","n":5}\n' >"$p/b/2.jsonl"
printf '{"id":"z","n":5}\n' >"$p/a/2.jsonl"
code 5 "$RAUDAL" run "$p" --once --set 'THIRD=postgres://raudal@127.0.0.1:1/none?connect_timeout=1'
wants "g.b beside a lost store" "$(count g.b)" 3
wants "the store's run" "$(last 'store postgres://raudal@127.0.0.1:1/none?connect_timeout=1')" failed
wants "served beside it" "$("$RAUDAL" sql "$p" --format csv "SELECT behind FROM raudal.publications WHERE name = 'b'" | tail -1)" 0
code 0 "$RAUDAL" run "$p" --once
code 0 "$RAUDAL" verify "$p"

# --from: a table and its readers alone; upstream and beside it nothing moves.
printf '{"id":"q","n":7}\n' >"$p/b/3.jsonl"
code 0 "$RAUDAL" run "$p" --once --only 'l.*'
wants "g.b left out" "$(count g.b)" 3
code 0 "$RAUDAL" run "$p" --once --from g.b
wants "g.b from there" "$(count g.b)" 4
code 2 "$RAUDAL" run "$p" --once --from g.x
code 2 "$RAUDAL" run "$p" --once --from l.also_a # l.a reads the same source
code 0 "$RAUDAL" verify "$p"
"$RAUDAL" status "$p" >"$room/out"
grep -q ' 1h ' "$room/out" || fail "status does not show what was promised"

# Training steps have names like tables.
t=$room/t
mkdir -p "$t/in"
cat >"$t/t.sql" <<'SQL'
CREATE SOURCE s (k TEXT, n BIGINT) FROM 'in/' FORMAT JSON;
CREATE STREAMING TABLE b.t AS SELECT k, n FROM STREAM s;
CREATE MATERIALIZED VIEW g.beside AS SELECT count(*) AS n FROM STREAM b.t;
CREATE MODEL level AS TRAIN (SELECT sum(n) AS n FROM b.t) USING 'cat >"$RAUDAL_ARTIFACT"';
CREATE MODEL TABLE g.m (k TEXT) PRIMARY KEY (k) AS TRANSFORM (SELECT DISTINCT k FROM b.t ORDER BY k) USING 'cat' ARTIFACT level;
SQL
ran() { "$RAUDAL" sql "$t" --format csv "SELECT string_agg(name || ' ' || state, ', ' ORDER BY name) FROM raudal.schedules" | tail -1 | tr -d '"'; }
echo '{"k":"a","n":1}' >"$t/in/1.jsonl"
code 0 "$RAUDAL" run "$t" --once --only b.t
wants "neither" "$(ran)" "model g.m never ran, train level never ran"
code 0 "$RAUDAL" run "$t" --once --from g.beside
wants "beside" "$(ran)" "model g.m never ran, train level never ran"
code 0 "$RAUDAL" run "$t" --once --only level
wants "the training alone" "$(ran)" "model g.m never ran, train level done"
echo '{"k":"b","n":1}' >"$t/in/2.jsonl"
code 0 "$RAUDAL" run "$t" --once --only b.t
code 0 "$RAUDAL" run "$t" --once --from level
wants "what is made with it" "$(ran)" "model g.m done, train level done"
wants "its rows" "$("$RAUDAL" sql "$t" --format csv 'SELECT count(*) FROM g.m' | tail -1)" 2
code 2 "$RAUDAL" run "$t" --once --only levels

# Environments: variables and a root of their own.
mkdir "$p/prod_in"
echo '{"id":"p","n":1}' >"$p/prod_in/1.jsonl"
sed -i "s#FROM 'b/'#FROM '\${B:-b/}'#" "$p/p.sql"
echo 'B=prod_in/' >"$p/raudal.prod.env"
echo 'owner=data@example.org' >"$p/raudal.env"
code 0 "$RAUDAL" run "$p" --once --env prod
wants "b in prod" "$("$RAUDAL" sql "$p" --env prod --format csv 'SELECT count(*) FROM g.b' | tail -1)" 1
wants "b by RAUDAL_ENV" "$(RAUDAL_ENV=prod "$RAUDAL" sql "$p" --format csv 'SELECT count(*) FROM g.b' | tail -1)" 1
[ -d "$p/.raudal-prod" ] || fail "prod has no root of its own"
printf 'B=prod_in/\nroot=elsewhere\n' >"$p/raudal.prod.env"
code 0 "$RAUDAL" run "$p" --once --env prod
[ -d "$p/elsewhere/state" ] || fail "the root of the environment's file"
code 3 "$RAUDAL" check "$p" --env test
grep -q 'It has prod' "$room/out" || fail "unknown environments: $(cat "$room/out")"
exit $failed
