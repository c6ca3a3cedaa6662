#!/usr/bin/env bash
# readme_walk_test.sh - what the READMEs of three examples say to type works word for word, on a fresh root: each
# command ends with 0 and says something.  Only places and the number of messages are others here.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
raudal=${1:-${RAUDAL:-$top/build/raudal}}
build=${BUILD:-$(dirname "$raudal")}
command -v python3 >/dev/null || { echo "skipped: a model step needs python3"; exit 77; }
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
mkdir "$room/bin"
ln -s "$raudal" "$room/bin/raudal"
walk() { # EXAMPLE LEAST: the first block of its README, at least so many commands
    local example=$1 least=$2
    awk '/^```sh$/ { on = !done; next } /^```$/ { done = done || on; on = 0 } on' "$top/examples/$example/README.md" |
        sed -e '/^make /d' -e "s#/tmp/#$room/#g" -e "s#\(^\|[ ]\)build/#\1$build/#g" -e 's/--count 100000/--count 5000/' >"$room/$example.sh"
    [ "$(grep -c '^raudal ' "$room/$example.sh")" -ge "$least" ] || { echo "$example: where are the commands? $(cat "$room/$example.sh")"; exit 1; }
    (cd "$top" && PATH="$room/bin:$PATH" bash -eu "$room/$example.sh") >"$room/$example.out" 2>&1 ||
        { echo "$example:"; cat "$room/$example.out"; exit 1; }
}
shows() { # EXAMPLE PATTERN
    grep -qE -- "$2" "$room/$1.out" || { echo "$1 shows nothing like $2:"; cat "$room/$1.out"; exit 1; }
}
walk notifications 4
shows notifications '^Relatório Detalhado de Notificações$'
shows notifications ' 0 differences: stream, batch and stores agree'
shows notifications '^ customer_name +channel +notifications +last_minute +last_update'
walk reports 3
shows reports '^C[0-9]+ A[0-9]+ [0-9.]+,[0-9][0-9] '
shows reports '"session"'
walk device_locations 4
shows device_locations '^ 201901 +aaid'
shows device_locations 'correction_too_old'
shows device_locations 'model consumption.next_day .* 2h +done'
git -C "$top" status --porcelain examples 2>/dev/null | grep '^??' && { echo "the walk left files behind"; exit 1; }
echo "ok - the READMEs' commands run as they stand"
