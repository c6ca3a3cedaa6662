#!/usr/bin/env bash
# deploy_test.sh - the units of deploy/systemd are what systemd reads without a complaint; commands in
# them, and in the containers' descriptions, are commands that the program has.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
failed=0
fail() { echo "FAILED: $*"; failed=1; }

mkdir -p "$room/shop" "$room/units"
printf 'CREATE SOURCE s (a INT) FROM %s FORMAT JSON;\n' "'in/'" >"$room/shop/p.sql"
for unit in "$top"/deploy/systemd/*; do
    sed "s#/usr/local/bin/raudal#$RAUDAL#; s#/srv/raudal/%i#$room/shop#g; s#^User=raudal#User=root#" \
        "$unit" >"$room/units/$(basename "$unit")"
    # Every command line is understood: the options are there, and the command takes them.
    { grep '^Exec' "$unit" || true; } | while read -r line; do
        read -ra words <<<"${line#*=}"
        "$RAUDAL" "${words[1]}" --help >/dev/null 2>&1 || { echo "no command ${words[1]}" >>"$room/bad"; continue; }
        for word in "${words[@]:2}"; do
            [[ $word == --* ]] || continue
            "$RAUDAL" "${words[1]}" --help | grep -q -- "$word" ||
                echo "$(basename "$unit"): ${words[1]} does not take $word" >>"$room/bad"
        done
    done
done
[ ! -s "$room/bad" ] || fail "$(cat "$room/bad")"
sh -n "$top/deploy/object-storage/arrival.sh" || fail "arrival.sh"
if command -v systemd-analyze >/dev/null; then
    for unit in "$room"/units/*@.*; do
        instance=$(basename "$unit" | sed 's/@/@shop/')
        ln -s "$unit" "$room/units/$instance"
        said=$(SYSTEMD_UNIT_PATH="$room/units:" systemd-analyze verify --man=no "$room/units/$instance" 2>&1 |
            grep -F "$room" || true)
        [ -z "$said" ] || fail "$instance: $said"
    done
else
    echo "systemd-analyze is not there: the units are not read"
fi

# arrival.sh, with a copy for rclone: new objects are read once, the lake is given back log last.
mkdir -p "$room/bin" "$room/bucket"
cat >"$room/bin/rclone" <<'SH'
#!/bin/sh
for last; do :; done
case "$*" in
*--ignore-existing*) cp -n "$3"/* "$last"/ ;;
*--exclude*) [ ! -d "$last/_delta_log" ] || exit 1; echo data >>"$ORDER" ;;
*--include*) echo log >>"$ORDER" ;;
esac
SH
chmod +x "$room/bin/rclone"
ln -s "$RAUDAL" "$room/bin/raudal"
mkdir "$room/p"
printf 'CREATE SOURCE s (a INT) FROM %s FORMAT JSON;\nCREATE STREAMING TABLE b.s AS SELECT a FROM STREAM s;\n' \
    "'\${LANDING}/'" >"$room/p/p.sql"
for n in 1 2; do
    echo "{\"a\": $n}" >"$room/bucket/$n.jsonl"
    ORDER="$room/order" PATH="$room/bin:$PATH" PIPELINE="$room/p" WORK="$room/work" BUCKET="$room/bucket" \
        LAKE="$room/lake" sh "$top/deploy/object-storage/arrival.sh" >/dev/null 2>&1 || fail "arrival $n"
done
got=$("$RAUDAL" sql "$room/p" --root "$room/work/root" --set LANDING="$room/work/landing" --format csv 'SELECT count(*) FROM b.s' | tail -1)
[ "$got" = 2 ] || fail "two arrivals gave $got rows"
[ "$(tr '\n' ' ' <"$room/order")" = "data log data log " ] || fail "the order of the copy"
exit $failed
