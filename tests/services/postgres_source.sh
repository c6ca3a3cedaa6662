#!/usr/bin/env bash
# Tables and queries of a real PostgreSQL as SNAPSHOT sources: types, versions, duplicates, refusals.
set -uo pipefail
[ -n "${RAUDAL_POSTGRES:-}" ] && command -v psql >/dev/null || { echo "no PostgreSQL here"; exit 77; }
room=$(mktemp -d) failed=0 passed=0
db=raudal_source_$$ pid=
base=${RAUDAL_POSTGRES%/*}
export PG=$base/$db
ask() { psql -qAtX "$PG" -c "$1"; }
psql -qX "$RAUDAL_POSTGRES" -c "CREATE DATABASE $db" || exit 1
finish() {
    [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null
    psql -qX "$RAUDAL_POSTGRES" -c "DROP DATABASE IF EXISTS $db WITH (FORCE)" 2>/dev/null
    rm -rf "$room"
}
trap finish EXIT
p=$room/p
try() { "$RAUDAL" "$@" >"$room/out" 2>"$room/err"; rc=$?; }
result() {
    if [ "$2" = 1 ]; then passed=$((passed + 1)); else
        failed=$((failed + 1)); echo "FAILED: $1"; sed 's/^/    /' "$room/out" "$room/err"; fi
}
check() { # NAME RC [FRAGMENT...]: of the last command
    local name=$1 want=$2 ok=1 f
    shift 2
    [ "$rc" = "$want" ] || { ok=0; echo "exit code $rc, not $want"; }
    for f in "$@"; do grep -qF -- "$f" "$room/out" "$room/err" || { ok=0; echo "does not say: $f"; }; done
    result "$name" "$ok"
}
same() { [ "$2" = "$3" ] && result "$1" 1 || { echo "got: $2"; echo "not: $3"; result "$1" 0; }; }
answer() { "$RAUDAL" sql "$p" --format csv "$1" 2>&1 | tail -n +2 | paste -sd ' '; }
epochs() { "$RAUDAL" status "$p" --json | grep -o '"epoch": [0-9]*' | head -1; }
begin() { rm -rf "$p"; mkdir -p "$p/in"; cat >"$p/p.sql"; }

# ---- every type comes through as it is ----
ask "CREATE SCHEMA \"My Schema\";
CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TYPE pair AS (x int, y text);
CREATE TABLE \"My Schema\".\"All\" (id int PRIMARY KEY, b boolean, s smallint, l bigint, f double precision, n numeric(38,6),
  t text, v varchar(20), u uuid, m mood, by bytea, d date, ts timestamp, tz timestamptz, j json, jb jsonb, ia int[], ta text[], c pair, iv interval);
INSERT INTO \"My Schema\".\"All\" VALUES
 (1, true, -7, 9223372036854775807, 0.1, 12345678901234567890123456789012.000001, 'a\"b\\c' || chr(10) || 'ü', 'v',
  '00000000-0000-0000-0000-000000000001', 'ok', '\\x00ff41', '2026-02-28', '2026-01-01 12:00:00.5', '2026-01-01 12:00:00+02',
  '{\"k\":
    [1, 2]}', '{\"z\": 1}', '{1,NULL,3}', '{\"x,y\",NULL,\"\"}', ROW(5, 'five'), '1 day'),
 (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
ALTER DATABASE $db SET TimeZone = 'America/New_York'; ALTER DATABASE $db SET DateStyle = 'German';
ALTER DATABASE $db SET bytea_output = 'escape'; ALTER DATABASE $db SET extra_float_digits = 0" >/dev/null
begin <<'SQL'
CREATE SOURCE a (id INTEGER, b BOOLEAN, s INTEGER, l BIGINT, f DOUBLE, n DECIMAL(38,6), t TEXT, v TEXT, u TEXT, m TEXT,
  raw BLOB FIELD 'by', d DATE, ts TIMESTAMP, tz TIMESTAMPTZ, j JSON, jb JSON, ia INTEGER[], ta TEXT[], c STRUCT(x INTEGER, y TEXT), iv TEXT,
  twice BIGINT AS (s * 2))
FROM '${PG}' SNAPSHOT OPTIONS (table = 'My Schema.All');
CREATE MATERIALIZED VIEW b.a PRIMARY KEY (id) AS SELECT *, _rescued AS r, _source_file AS f0 FROM a;
SQL
try run "$p" --once
check "a table of every type is read" 0
same "numbers" "$(answer 'SELECT b, s, l, f, n, twice FROM b.a WHERE id = 1')" \
    "true,-7,9223372036854775807,0.1,12345678901234567890123456789012.000001,-14"
same "texts" "$(answer "SELECT encode(t)::TEXT, v, u, m, raw::TEXT, iv, f0 FROM b.a WHERE id = 1")" \
    'a\x22b\x5Cc\x0A\xC3\xBC,v,00000000-0000-0000-0000-000000000001,ok,\x00\xFFA,P1D,My Schema.All'
same "times" "$(answer 'SELECT d, ts, tz FROM b.a WHERE id = 1')" \
    "2026-02-28,2026-01-01 12:00:00.5+00,2026-01-01 10:00:00+00"
same "nested" "$(answer "SELECT j->'k'->>1, jb->>'z', ia, ta, c.x, c.y FROM b.a WHERE id = 1")" \
    '2,1,"[1,null,3]","[""x,y"",null,""""]",5,five'
same "nulls" "$(answer 'SELECT count(*) FROM b.a WHERE id = 2 AND coalesce(b::TEXT, s::TEXT, l::TEXT, f::TEXT, n::TEXT, t, v, u, m, raw::TEXT, d::TEXT, ts::TEXT, tz::TEXT, j::TEXT, jb::TEXT, ia::TEXT, ta::TEXT, c::TEXT, iv) IS NULL')" 1
same "nothing is rescued" "$(answer 'SELECT count(r) FROM b.a')" 0
try verify "$p"
check "verify agrees" 0 ' 0 differences'

# ---- versions ----
ask "CREATE TABLE users (id text, email text, quota bigint); INSERT INTO users SELECT 'u' || i, 'm' || i, i FROM generate_series(1, 20) i" >/dev/null
begin <<'SQL'
CREATE SOURCE users (id TEXT, email TEXT, quota BIGINT) FROM '${PG}?table=public.users' SNAPSHOT UNIQUE KEY (id) ON DUPLICATE ${ON_DUPLICATE:-FAIL}
  REFRESH EVERY INTERVAL ${EVERY:-1 MINUTE};
CREATE SOURCE e (id TEXT, n BIGINT) FROM 'in/' FORMAT JSON;
CREATE STREAMING TABLE b.e AS SELECT e.id, e.n, u.email FROM STREAM e LEFT JOIN users u ON u.id = e.id;
CREATE MATERIALIZED VIEW g.quota AS SELECT sum(quota) AS quota, count(*) AS users FROM users;
PUBLISH g.quota TO '${PG}' PRIMARY KEY (users);
SQL
printf '{"id":"u1","n":1}\n{"id":"u9","n":1}\n{"id":"?","n":1}\n' >"$p/in/1.jsonl"
try run "$p" --once
check "a join with a table" 0
same "each event once" "$(answer 'SELECT id, email FROM b.e ORDER BY id')" "?, u1,m1 u9,m9"
was=$(epochs)
ask "UPDATE users SET quota = quota WHERE id < 'u2'" >/dev/null
ask "VACUUM FULL users" >/dev/null
try run "$p" --once
same "the same rows in another order are no version" "$(epochs)" "$was"
ask "DELETE FROM users WHERE id = 'u20'; UPDATE users SET quota = 100 WHERE id = 'u1'" >/dev/null
try run "$p" --once
check "a changed table is a version" 0
same "with its deletions" "$(answer 'SELECT * FROM g.quota')" "289,19"
same "in the store too" "$(ask 'SELECT * FROM quota')" "289|19"
ask "INSERT INTO users VALUES ('u1', 'other', 5)" >/dev/null
try run "$p" --once
check "duplicate keys stop the run with both named" 4 'whose key ("id") another has too' '"email":"m1"' '"email":"other"'
same "what was there stays" "$(answer 'SELECT * FROM g.quota')" "289,19"
ON_DUPLICATE=FIRST try run "$p" --once
check "unless the source decides" 0 '1 row is left out'
ask "INSERT INTO users SELECT * FROM users" >/dev/null
ON_DUPLICATE=FIRST try run "$p" --once
check "loaded twice nothing changes, and it is said" 0 '21 rows are left out'
same "sums are as before" "$(ask 'SELECT * FROM quota')" "289|19"
ON_DUPLICATE=FIRST try verify "$p"
check "verify agrees with stores" 0 ' 0 differences'
ask "TRUNCATE users; INSERT INTO users VALUES ('u1', 'm1', 1), ('u1', 'other', 1)" >/dev/null
begin <<'SQL'
CREATE SOURCE users (id TEXT, email TEXT) FROM '${PG}/users' SNAPSHOT;
CREATE SOURCE e (id TEXT, n BIGINT) FROM 'in/' FORMAT JSON;
CREATE STREAMING TABLE b.e AS SELECT e.id, e.n, u.email FROM STREAM e LEFT JOIN users u ON u.id = e.id;
SQL
printf '{"id":"u1","n":1}\n' >"$p/in/1.jsonl"
try run "$p" --once
check "without a key the fan-out law stops what multiplies" 4 'made 1 rows too many' '"e" (id) with "users" (id)' '2 rows of "users" have id = u1'

# ---- continuous: a new version comes by itself, a session that is ended stops nobody ----
ask "TRUNCATE users; INSERT INTO users VALUES ('a', 'b', 1)" >/dev/null
begin <<'SQL'
CREATE SOURCE users (id TEXT, quota BIGINT) FROM '${PG}' SNAPSHOT OPTIONS (query = 'WITH x AS (SELECT * FROM users) SELECT id, quota FROM x;', allow_shrink = 'true')
  REFRESH EVERY INTERVAL 100 MILLISECONDS;
CREATE MATERIALIZED VIEW g.u AS SELECT * FROM users;
PUBLISH g.u TO '${PG}' AS served PRIMARY KEY (id);
SQL
"$RAUDAL" run "$p" --set trigger_interval=50ms >"$room/out" 2>"$room/err" &
pid=$!
until_is() { # NAME SQL VALUE: within 20 s
    local i got=
    for i in $(seq 400); do
        got=$(psql -qAtX "$PG" -c "$2" 2>/dev/null)
        [ "$got" = "$3" ] && { result "$1" 1; return; }
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    echo "got: $got, not: $3"; result "$1" 0
}
until_is "the first version is served" "SELECT id, quota FROM served" "a|1"
ask "INSERT INTO users VALUES ('c', 'd', 2)" >/dev/null
until_is "the next comes by itself" "SELECT string_agg(id, ',' ORDER BY id) FROM served" "a,c"
psql -qX "$RAUDAL_POSTGRES" -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '$db'" >/dev/null
ask "DELETE FROM users WHERE id = 'a'" >/dev/null
until_is "and after its sessions were ended" "SELECT string_agg(id, ',' ORDER BY id) FROM served" "c"
kill -TERM "$pid"; wait "$pid"; rc=$?; pid=
check "the run ends well" 0

# ---- refusals ----
refused() { # NAME RC SOURCE FRAGMENT...
    local name=$1 want=$2 source=$3
    shift 3
    rm -rf "$p"; mkdir -p "$p"
    printf '%s;\nCREATE MATERIALIZED VIEW b.v AS SELECT * FROM s;\n' "$source" >"$p/p.sql"
    try run "$p" --once
    check "$name" "$want" "$@"
}
refused "columns that do not fit are named, each" 4 \
    "CREATE SOURCE s (id INTEGER[], mail TEXT, quota BOOLEAN) FROM '$PG?table=users' SNAPSHOT" \
    'column "id" is of type text, and declared as INTEGER[]' 'column "mail" is missing' \
    'column "quota" is of type bigint' 'It has id text, email text, quota bigint'
refused "a table that is not there" 4 "CREATE SOURCE s (id TEXT) FROM '$PG?table=nobody' SNAPSHOT" 'could not find table "nobody"'
refused "a query that is none" 4 "CREATE SOURCE s (id TEXT) FROM '$PG' SNAPSHOT OPTIONS (query = 'SELEC 1')" 'could not read source "s"'
refused "a query that writes" 4 "CREATE SOURCE s (id TEXT) FROM '$PG' SNAPSHOT OPTIONS (query = 'DELETE FROM users RETURNING id')" 'could not read source "s"'
refused "no table at all" 3 "CREATE SOURCE s (id TEXT) FROM '$PG' SNAPSHOT" 'its URL names a database'
refused "two of them" 3 "CREATE SOURCE s (id TEXT) FROM '$PG?table=a' SNAPSHOT OPTIONS (query = 'SELECT 1')" 'more than once'
refused "nobody there" 4 "CREATE SOURCE s (id TEXT) FROM 'postgres://me:s3cret@127.0.0.1:1/x?table=t' SNAPSHOT" '127.0.0.1'
! grep -rq s3cret "$room/out" "$room/err" "$p/.raudal" && result "no password is told or kept" 1 || result "no password is told or kept" 0
same "none of this changed the table" "$(ask 'SELECT count(*) FROM users')" 1
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
