#!/usr/bin/env bash
# random_kills.sh BINARY SEED COUNT - SIGKILL at random instants, restarts, then the same answer.
#
# A round begins with an empty root and the first delivery.  Runs are killed after a random time,
# COUNT times over all rounds; every third run is the continuous loop, which applies lake and stores
# beside the epochs.  After KILLS_A_ROUND (5) kills the round is finished undisturbed and compared with
# the reference as kill_everywhere.sh does (lib.sh).  The second delivery comes in the middle of it.
#
# The instants come from SEED alone; what a kill hits depends on the machine, so the last kills are
# printed with a failure and the root is kept.
set -uo pipefail
[ $# = 3 ] || { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2; }
RAUDAL=$(realpath "$1")
KILLS_SEED=$2 COUNT=$3
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
: "${KILLS_A_ROUND:=5}"

crash_init
use_slot 0 || { echo "FAIL the undisturbed run" && keep_failed undisturbed && exit 1; }

random() { # random MAX: 0..MAX-1, by the seed (a linear congruence, the same everywhere)
    state=$(((state * 1103515245 + 12345) % 2147483648))
    drawn=$(((state / 65536) % $1))
}

# One run, killed after ms.
killed_run() { # killed_run MS [--once]
    local after ended="over before"
    after=$(($1 / 1000)).$(printf %03d $(($1 % 1000)))
    timeout --foreground --signal=KILL "$after" "$RAUDAL" run "$pipeline" ${2:-} "${at[@]}" \
        --set max_files_per_epoch=2 --set max_pending_epochs=4 --set journal_max_bytes=1 --set 'trigger_interval=50 milliseconds' \
        --set 'lake_interval=200 milliseconds' --log-level error >"$slot/out" 2>"$slot/err"
    [ $? != 137 ] || ended=killed
    story+="  $ended after $after s ${2:-(continuous)}"$'\n'
}

# How long an undisturbed first delivery takes here bounds the random times.
began=$(date +%s%N)
rm -rf "$root" && deliver first && run_once
span=$((($(date +%s%N) - began) / 1000000 + 100))

state=$KILLS_SEED kills=0 rounds=0 failed=0
while [ "$kills" -lt "$COUNT" ]; do
    rm -rf "$root"
    deliver first
    story='' rounds=$((rounds + 1))
    for ((k = 1; k <= KILLS_A_ROUND && kills < COUNT; k++)); do
        [ "$k" != $((KILLS_A_ROUND / 2 + 1)) ] || { run_once && deliver second; } || break
        kills=$((kills + 1))
        random 3
        if [ "$drawn" = 0 ]; then once=''; else once=--once; fi
        random "$span"
        killed_run "$drawn" $once
    done
    if run_once && deliver second && run_once && same_as_reference loose && rests; then
        echo "ok   round $rounds: $kills kills"
    else
        failed=$((failed + 1))
        echo "FAIL round $rounds (seed $KILLS_SEED):"
        printf '%s' "$story"
        keep_failed "round-$rounds"
    fi
done
echo "$((rounds - failed)) passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
