#!/usr/bin/env bash
# A continuous run whose PostgreSQL, source and store at once, is killed and started again: sealing
# goes on, what was read last stays, and in the end the store holds each row once.
set -uo pipefail
[ -n "${RAUDAL_POSTGRES:-}" ] && command -v psql >/dev/null || { echo "no PostgreSQL here"; exit 77; }
home=$(cd "$(dirname "$0")/../.." && pwd)
room=$(mktemp -d) pid= failed=0 passed=0
chmod 755 "$room"
export RAUDAL_SERVICES_DIR=$room/run RAUDAL_POSTGRES_PORT=$((20000 + RANDOM % 10000))
server() { "$home/tools/services" "$1" postgres >"$room/server" 2>&1; }
finish() {
    [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null
    server reset
    rm -rf "$room"
}
trap finish EXIT
server start || { cat "$room/server"; exit 1; }
eval "$("$home/tools/services" env postgres)"
export STORE=$RAUDAL_POSTGRES
ask() { psql -qAtX "$STORE" -c "$1" 2>/dev/null; }
result() {
    if [ "$2" = 1 ]; then passed=$((passed + 1)); else
        failed=$((failed + 1)); echo "FAILED: $1"; tail -qn 5 "$room/out" "$room/err" | sed 's/^/    /'
    fi
}
until_is() { # NAME SQL VALUE: within a minute
    local got=
    for _ in $(seq 600); do
        got=$(ask "$2")
        [ "$got" = "$3" ] && { result "$1" 1; return; }
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    echo "got: $got, not: $3"; result "$1" 0
}
p=$room/p
mkdir -p "$p/in"
cat >"$p/p.sql" <<'SQL'
CREATE SOURCE s (k TEXT, n BIGINT) FROM 'in/' FORMAT JSON;
CREATE SOURCE names (k TEXT, label TEXT) FROM '${STORE}?table=names' SNAPSHOT UNIQUE KEY (k) REFRESH EVERY INTERVAL 200 MILLISECONDS;
CREATE STREAMING TABLE b.t AS SELECT s.k, s.n, m.label FROM STREAM s LEFT JOIN names m ON m.k = s.k;
CREATE MATERIALIZED VIEW g.sums PRIMARY KEY (label) AS SELECT coalesce(label, '?') AS label, sum(n) AS total FROM STREAM b.t GROUP BY ALL;
PUBLISH g.sums TO '${STORE}' PRIMARY KEY (label);
SQL
ask "CREATE TABLE names (k text, label text); INSERT INTO names VALUES ('a', 'A'), ('b', 'B')" >/dev/null
echo '{"k":"a","n":1}' >"$p/in/1.jsonl"
"$RAUDAL" run "$p" --set trigger_interval=50ms >"$room/out" 2>"$room/err" &
pid=$!
until_is "a row is served" "SELECT label, total FROM sums" "A|1"
server kill
echo '{"k":"a","n":10}' >"$p/in/2.jsonl"
echo '{"k":"b","n":100}' >"$p/in/3.jsonl"
sealed() { "$RAUDAL" sql "$p" --format csv "SELECT sum(n) FROM b.t" 2>/dev/null | tail -1; }
for _ in $(seq 300); do [ "$(sealed)" = 111 ] && break; sleep 0.1; done
[ "$(sealed)" = 111 ] && result "rows are sealed while the server is away" 1 || result "rows are sealed while the server is away" 0
kill -0 "$pid" 2>/dev/null && result "the run goes on" 1 || result "the run goes on" 0
server start
until_is "and are served when it is back" "SELECT string_agg(label || '=' || total, ' ' ORDER BY label) FROM sums" "A=11 B=100"
ask "INSERT INTO names VALUES ('c', 'C')" >/dev/null
for _ in $(seq 300); do
    [ "$("$RAUDAL" sql "$p" --format csv 'SELECT count(*) FROM names' 2>/dev/null | tail -1)" = 3 ] && break
    sleep 0.1
done
echo '{"k":"c","n":1000}' >"$p/in/4.jsonl"
until_is "a new version is read again" "SELECT string_agg(label || '=' || total, ' ' ORDER BY label) FROM sums" "A=11 B=100 C=1000"
kill -TERM "$pid"; wait "$pid"; rc=$?; pid=
[ "$rc" = 0 ] && result "the run ends well" 1 || result "the run ends well" 0
"$RAUDAL" verify "$p" >"$room/out" 2>"$room/err" && result "verify agrees" 1 || result "verify agrees" 0
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
