#!/usr/bin/env bash
# provision_test.sh - provision makes tables and loads seeds, twice as once; a run goes on from there.
set -uo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
p=$room/shop failed=0
fail() { echo "FAILED: $*"; sed 's/^/    /' "$room/out" "$room/err"; failed=1; }
try() { "$RAUDAL" "$@" >"$room/out" 2>"$room/err"; rc=$?; }
says() { grep -qF -- "$1" "$room/out" "$room/err" || fail "does not say: $1"; }
is() { [ "$rc" = "$1" ] || fail "exit code $rc, not $1"; }
"$RAUDAL" init "$p" >/dev/null
mkdir -p "$p/seeds" "$p/queries"
printf 'id,label,since\n1,one,2026-01-01\n2,"two, or ""2""",\n' >"$p/seeds/labels.csv"
cat >"$p/seeds.sql" <<'SQL'
SEED labels (id BIGINT, label TEXT, since DATE) FROM 'seeds/labels.csv' FORMAT CSV
  TO '${SERVING:-sqlite:serving.db}' PRIMARY KEY (id);
SQL
printf 'SELECT id, label, since FROM labels ORDER BY id\n' >"$p/queries/labels.sql"

try provision "$p" --dry-run
is 0; says 'CREATE TABLE "labels"'; says '-- 2 rows of seeds/labels.csv would be upserted into labels'
[ ! -e "$p/.raudal" ] || fail "a dry run left a root"
try provision "$p"
is 0; says 'CREATE TABLE "sales_by_day"'; says '2 rows of seeds/labels.csv upserted into labels'
try query "$p" labels --format csv
is 0; says '1,one,2026-01-01'; says '2,"two, or ""2""",'

# Rows of the same key are replaced, others stay; nothing is made twice.
printf 'id,label,since\n2,zwei,2026-02-02\n3,drei,\n' >"$p/seeds/labels.csv"
try provision "$p"
is 0; says 'nothing to make'
try query "$p" labels --format csv
says '1,one,2026-01-01'; says '2,zwei,2026-02-02'; says '3,drei,'

# A seed is loaded whole or not at all.
printf 'id,label,since\n4,vier,\nfive,fuenf,\n' >"$p/seeds/labels.csv"
try provision "$p"
is 4; says 'records have fields that fit no column'
try query "$p" labels --format csv
! grep -q vier "$room/out" || fail "half a seed was loaded"
printf 'id,label,since\n4,"vier\n' >"$p/seeds/labels.csv"
try provision "$p"
is 4; says 'malformed record'
rm "$p/seeds/labels.csv"
try provision "$p"
is 4; says 'seeds/labels.csv'
# Tables that were named: no seeds.
try provision "$p" gold.sales_by_day
is 0

# The run owns what provision made.
try run "$p" --once
is 0
try verify "$p"
is 0; says '0 differences'

# Text: where it is wrong.
wrong() { printf '%s;\n' "$1" >"$p/wrong.sql"; try check "$p"; is 2; says "$2"; rm "$p/wrong.sql"; }
wrong "SEED x (a TEXT) FROM 'x.csv' TO 'sqlite:s.db'" 'expected PRIMARY KEY'
wrong "SEED x (a TEXT) FROM 'x.csv' PRIMARY KEY (a)" 'expected TO'
wrong "SEED x (a TEXT) FROM 'x.csv' TO 'sqlite:s.db' PRIMARY KEY (b)" 'unrecognized column "b"'
wrong "SEED x (a TEXT) FROM 'kafka://h/t' TO 'sqlite:s.db' PRIMARY KEY (a)" 'a seed is read from a file'
wrong "SEED x (a TEXT, b TEXT AS (a)) FROM 'x' TO 'sqlite:s.db' PRIMARY KEY (a)" 'no computed columns'
wrong "SEED x (a TEXT) FROM 'x' FORMAT PARQUET TO 'sqlite:s.db' PRIMARY KEY (a)" 'CSV or JSON'
wrong "SEED labels (id BIGINT) FROM 'x.csv' TO 'sqlite:serving.db' PRIMARY KEY (id)" 'published twice'
[ "$failed" = 0 ] && echo "provision: made once, seeded by key"
exit "$failed"
