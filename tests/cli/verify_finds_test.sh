#!/usr/bin/env bash
# verify tells one changed value wherever it lies: a table, a view, the quarantine, a store, a store's progress.
set -euo pipefail
command -v python3 >/dev/null || { echo "skipped: python3 is not there"; exit 77; }
raudal=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "not ok: $*"; exit 1; }
mkdir -p "$work/p/in"
cat >"$work/p/p.sql" <<'SQL'
CREATE SOURCE s (id TEXT, k TEXT, n BIGINT) FROM 'in/' FORMAT JSON ON MALFORMED QUARANTINE;
CREATE STREAMING TABLE b.t (CONSTRAINT pos EXPECT (n >= 0) ON VIOLATION QUARANTINE) AS SELECT * FROM STREAM s;
CREATE MATERIALIZED VIEW g.v PRIMARY KEY (k) AS SELECT k, sum(n) AS n FROM STREAM b.t GROUP BY k;
PUBLISH g.v TO 'sqlite:serving.db' PRIMARY KEY (k);
SQL
cat >"$work/p/in/a.jsonl" <<'JSON'
{"id":"first","k":"needle","n":1}
{"id":"second","k":"hay","n":2}
{"id":"third","k":"rejected","n":-2}
this is no record
JSON
"$raudal" run "$work/p" --once >"$work/out" 2>&1 || fail "$(cat "$work/out")"
"$raudal" verify "$work/p" >"$work/out" 2>&1 || fail "$(cat "$work/out")"

# Bytes of the same length in the one file that matches: no size and no shape changes.
swap() { # GLOB FROM TO
    python3 - "$1" "$2" "$3" <<'PY'
import glob, sys
(path,) = glob.glob(sys.argv[1])
data = open(path, "rb").read()
old, new = sys.argv[2].encode(), sys.argv[3].encode()
assert old in data and len(old) == len(new), path
open(path, "wb").write(data.replace(old, new))
PY
}
store() { python3 -c 'import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()' "$work/q/.raudal/serving.db" "$1"; }
told() { # WHAT TEXT
    "$raudal" verify "$work/q" >"$work/out" 2>&1 && fail "verify passes with $1 changed"
    grep -q -- "$2" "$work/out" || fail "verify says of $1: $(cat "$work/out")"
}
again() { rm -rf "$work/q"; cp -r "$work/p" "$work/q"; }

again; swap "$work/q/.raudal/lake/b/t/*.parquet" second zecond; told "a table's value" 'a value was changed'
again; swap "$work/q/.raudal/lake/g/v/*.parquet" needle noodle; told "a view's value" 'missing k=needle'
again; swap "$work/q/.raudal/lake/quarantine/b_t/*.parquet" 'this is no record' 'that is no record'
told "a rejected record" 'not the same: a value was changed'
again; store "UPDATE v SET n = 7 WHERE k = 'hay'"; told "a store's value" 'differs k=hay'
again; store "UPDATE _raudal_progress SET epoch = epoch + 5"; told "a store's progress" 'the store shows epoch 6'
