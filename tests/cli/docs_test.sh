#!/usr/bin/env bash
# docs_test.sh - the tutorial's blocks do what the page says, and no page links to nothing.
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
expect 'the pipeline "shop" is right' raudal check shop
expect '6 read = 3 written + 1 duplicate + 2 quarantined' raudal run shop --once
expect 'drinks    2026-01-01      1    2.50' raudal sql shop "FROM gold.sales_by_day ORDER BY ALL"
expect 'other         1  4.00' raudal query shop day day=2026-01-01
expect 'line 6, byte 38: the text is not closed by a quote' raudal quarantine show shop bronze.sales
expect '3 read = 2 written + 1 duplicate' bash -e <(block sh 2)
expect '3 checks, 0 differences' raudal verify shop
expect '0 read = 0 written' raudal run shop --once

# The front page shows the same pipeline.
cmp shop/pipeline.sql <(awk '/^```sql/ { on = 1; next } /^```/ { on = 0 } on' "$top/README.md") ||
    { echo "FAILED: README.md and the tutorial show different pipelines" && exit 1; }

cd "$top"
bad=0
while IFS=: read -r file link; do
    target=${link%%#*}
    case $target in '' | http*) continue ;; docs/benchmarks.md | ../../docs/benchmarks.md) continue ;; esac
    [ -e "$(dirname "$file")/$target" ] || { echo "FAILED: $file links to $target, which is not there" && bad=1; }
done < <(grep -roE '\]\([^)]+\)' --include='*.md' README.md ARCHITECTURE.md docs examples |
    sed -E 's/:\]\(([^)]+)\)$/:\1/')
exit $bad
