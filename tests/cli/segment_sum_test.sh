#!/usr/bin/env bash
# segment_sum_test.sh RAUDAL - a bit that flips inside of a sealed segment goes neither into the lake nor
# into a store, wherever it is: also where Parquet would not notice.
set -euo pipefail
raudal=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say() { echo "$*"; exit 1; }

mkdir -p "$work/p/in"
awk 'BEGIN { for (i = 0; i < 20000; i++) printf "{\"id\": %d, \"v\": %d, \"w\": \"%s\"}\n", i, i * 7919 % 1000003, i % 50 ? "ok" : "x" }' \
    >"$work/p/in/a.jsonl"
cat >"$work/p/p.sql" <<'SQL'
CREATE SOURCE s (id BIGINT, v BIGINT, w TEXT) FROM 'in/' FORMAT JSON;
CREATE STREAMING TABLE b.s (CONSTRAINT known EXPECT (w = 'ok') ON VIOLATION QUARANTINE) AS SELECT * FROM STREAM s;
CREATE MATERIALIZED VIEW g.v PRIMARY KEY (id) AS SELECT id, v FROM STREAM b.s;
PUBLISH g.v TO 'sqlite:serving.db' PRIMARY KEY (id);
SQL
# A small budget holds few rows, so that segments are Parquet; the view's sorted rows lie in the epoch's one file.
run() { "$raudal" run "$work/p" --once --root "$work/root" --memory 64MB "$@"; }
status=0
RDL_FAULT=epoch.after_seal:1:kill run >"$work/out" 2>&1 || status=$?
[ "$status" = 137 ] || say "the run was not killed: status $status"
cp -a "$work/root" "$work/sealed"
segments=$(cd "$work/root" && find state/epochs -name '*.parquet' -o -name rows)
[ "$(echo "$segments" | wc -l)" -ge 3 ] || say "not the segments that were expected: $segments"

for segment in $segments; do
    bytes=$(stat -c %s "$work/sealed/$segment")
    for at in 60 $((bytes / 3)) $((bytes / 2)) $((bytes - 40)); do
        rm -rf "$work/root"
        cp -a "$work/sealed" "$work/root"
        old=$(dd if="$work/root/$segment" bs=1 skip="$at" count=1 status=none | od -An -tu1 | tr -d ' ')
        printf '%b' "\\0$(printf %o $((old ^ 16)))" |
            dd of="$work/root/$segment" bs=1 seek="$at" conv=notrunc status=none
        status=0
        run >"$work/out" 2>&1 || status=$?
        [ "$status" = 6 ] || { cat "$work/out"; say "byte $at of $segment: status $status, not 6"; }
        grep -qE 'its bytes are not those that were sealed|could not read rows' "$work/out" ||
            { cat "$work/out"; say "byte $at of $segment: another message"; }
        grep -q "${segment##*/}" "$work/out" || { cat "$work/out"; say "the file is not named"; }
    done
done

# With the bytes of before, all of it is rolled forward.
rm -rf "$work/root"
mv "$work/sealed" "$work/root"
run >"$work/out" 2>&1 || { cat "$work/out"; say 'the sealed epoch was not rolled forward'; }
got=$("$raudal" sql "$work/p" --root "$work/root" --format csv 'SELECT count(*), sum(v) FROM g.v' | tail -n 1)
want=$("$raudal" sql "$work/p" --root "$work/root" --format csv \
    'SELECT count(*), sum(i * 7919 % 1000003) FROM range(20000) t(i) WHERE i % 50 > 0' | tail -n 1)
[ "$got" = "$want" ] || say "$got, not $want"
echo ok
