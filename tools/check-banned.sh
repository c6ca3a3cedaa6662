#!/usr/bin/env bash
# check-banned.sh - words that src/ does not use (see tools/check-banned.awk), and how long its
# files may be: 1,000 lines.
set -euo pipefail
cd "$(dirname "$0")/.."
bad=0
find src -name '*.[ch]' | LC_ALL=C sort | xargs awk -f tools/check-banned.awk || bad=1
while read -r lines file; do
    if [ "$lines" -gt 1000 ]; then
        echo "$file:1: $lines lines; 1000 at most"
        bad=1
    fi
done < <(find src -name '*.[ch]' -exec wc -l {} \;)
[ "$bad" = 0 ] && echo "ok - no banned word, no file too long"
exit "$bad"
