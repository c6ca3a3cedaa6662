#!/usr/bin/env bash
# docs_test.sh - the tutorial's blocks and the front page's commands do what the pages say, the C interface's
# program compiles and runs, and no page links to nothing.
set -euo pipefail
top=$PWD
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
mkdir "$room/bin" && ln -s "$RAUDAL" "$room/bin/raudal" && PATH=$room/bin:$PATH
cd "$room"

block() { # block LANGUAGE N: the nth block of that language
    awk -v want="\`\`\`$1" -v n="$2" '/^```/ && on { exit } on { print } $0 == want && ++k == n { on = 1 }' \
        "$top/docs/tutorial/first-pipeline.md"
}
expect() { # expect TEXT command...: some line of its output holds the text
    local text=$1 got
    shift
    got=$("$@" 2>&1) || { echo "FAILED: $*: $got" && exit 1; }
    grep -qF -- "$text" <<<"$got" || { echo "FAILED: $* does not say \"$text\": $got" && exit 1; }
}

bash -e <(block sh 1)
block sql 1 >shop/pipeline.sql
block sql 2 >shop/queries/day.sql
cp -r shop front
expect 'the pipeline "shop" is right' raudal check shop
expect '6 read = 3 written + 1 duplicate + 2 quarantined' raudal run shop --once
expect 'drinks    2026-01-01      1    2.50' raudal sql shop "FROM gold.sales_by_day ORDER BY ALL"
expect 'other         1    4.00' raudal query shop day day=2026-01-01
expect 'line 6, byte 38: the text is not closed by a quote' raudal quarantine show shop bronze.sales
expect '3 read = 2 written + 1 duplicate' bash -e <(block sh 2)
expect '3 checks, 0 differences' raudal verify shop
expect '0 read = 0 written' raudal run shop --once

# The front page shows the same pipeline, and of each command what it prints, but for the times it took.
front=$top/README.md
cmp shop/pipeline.sql <(awk '/^```sql/ { on = 1; next } /^```/ { on = 0 } on' "$front") ||
    { echo "FAILED: README.md and the tutorial show different pipelines" && exit 1; }
timeless() { sed -E 's/[0-9.]+ (ms|s)$/TIME/'; }
shown() { # COMMAND: what the front page has below it
    awk -v want="\$ $1" 'on && (/^\$ / || /^```/ || /^$/) { exit } on { print } index($0, want) == 1 { on = 1 }' "$front"
}
as_shown() { # COMMAND
    [ -n "$(shown "$1")" ] || { echo "FAILED: README.md has nothing below $1" && exit 1; }
    diff <(shown "$1" | timeless) <(bash -c "$1" 2>/dev/null | timeless) ||
        { echo "FAILED: $1 does not print what README.md shows" && exit 1; }
}
mkdir page && mv front page/shop && cd page
as_shown 'raudal run shop --once | tail -2'
as_shown 'raudal verify shop'
as_shown 'raudal sql shop "SELECT source_file AS file, _source_offset AS place, reasons, detail FROM quarantine.bronze_sales"'
killed=$(sed -n 's/^\$ \(RDL_FAULT=[^#]*[^ #]\) *#.*/\1/p' "$front")
[ -n "$killed" ] || { echo "FAILED: README.md kills nothing" && exit 1; }
rc=0
bash -c "${killed//\/tmp\/r/$room\/r}; exit \$?" >/dev/null 2>&1 || rc=$?
[ "$rc" = 137 ] || { echo "FAILED: $killed ended with $rc" && exit 1; }
raudal run shop --once --root "$room/r" >/dev/null 2>&1
expect "$(shown 'raudal run shop --once --root /tmp/r > /dev/null')" raudal verify shop --root "$room/r"
cd ..

# The program of docs/reference/api.md.
if grep -q '^RAUDAL_SANITIZE:STRING=$' "$BUILD/CMakeCache.txt"; then
    awk '/^```c$/ { on = 1; next } /^```/ { on = 0 } on' "$top/docs/reference/api.md" >api.c
    cc -std=c17 -Wall -Wextra -Wpedantic -Werror -I"$top/include" api.c -o api -L"$BUILD" -lraudal -Wl,-rpath,"$BUILD"
    expect 'drinks	2026-01-01	1	2.50' ./api
else
    echo "skipped: the C interface's program: a sanitized library needs a sanitized program"
fi

cd "$top"
bad=0 links=0
anchors() { # FILE: what its headings are called in links
    sed -n 's/^##* //p' "$1" | tr '[:upper:]' '[:lower:]' | sed 's/[^a-z0-9 _-]//g; s/ /-/g'
}
while IFS=: read -r file link; do
    target=${link%%#*}
    case $link in http*) continue ;; '#'*) target=$(basename "$file") ;; esac
    links=$((links + 1))
    target=$(dirname "$file")/$target
    [ -e "$target" ] || { echo "FAILED: $file links to $target, which is not there" && bad=1 && continue; }
    [[ $link != *'#'* ]] || grep -qxF -- "${link#*#}" <<<"$(anchors "$target")" ||
        { echo "FAILED: $file links to $link, and there is no such heading" && bad=1; }
done < <(grep -roE '\]\([^)]+\)' --include='*.md' ./*.md docs examples deploy tests bench |
    sed -E 's/:\]\(([^)]+)\)$/:\1/')
[ "$links" -gt 100 ] || { echo "FAILED: only $links links were looked at" && bad=1; }
exit $bad
