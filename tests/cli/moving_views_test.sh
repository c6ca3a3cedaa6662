#!/usr/bin/env bash
# moving_views_test.sh - views over inputs that change at random, epoch by epoch and in larger cuts, agree with the
# batch after each run; MOVING_SEEDS and MOVING_RUNS make it as long as one likes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
raudal=${RAUDAL:-$1}
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
read -ra seeds <<<"${MOVING_SEEDS:-1 2}"
runs=${MOVING_RUNS:-4}
mkdir "$room/scripts"
for seed in "${seeds[@]}"; do
    python3 "$here/moving_views.py" "$seed" "$runs" >"$room/scripts/seed_$seed.slt"
done
"$raudal" test "$room/scripts"
