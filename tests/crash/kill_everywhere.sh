#!/usr/bin/env bash
# kill_everywhere.sh - dies at every fault point, restarts, and compares with a run that nobody disturbed.
#
#   kill_everywhere.sh [BINARY] [--points GLOB] [--nth "1 2 4"] [--full] [--list]
#
# A case is `stage point:nth:action`.  Actions kill and torn: the process must die there, and the next run
# must end well.  An errno: the run must fail with exit code 4, 5 or 6 and say why, and the next one must
# end well.  Then both deliveries are in, and (lib.sh) the root holds what the undisturbed one holds: every
# cell of every table and of the store; verify finds no difference; the ledgers balance; bronze +
# duplicates + quarantine are the lines that were read; nothing is left over; a further run changes nothing.
#
#   first    an empty root, the first delivery      second   the second delivery
#   each     the second, an epoch and a lake commit per file
#   compact, vacuum   raudal lake ... on the finished root
#
# A point that no case of its first occurrence reaches is a failure: the sweep would prove nothing there.
set -uo pipefail
case "${1:-}" in -* | '') ;; *) RAUDAL=$(realpath "$1") && shift ;; esac
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

points='*' nths=1 full='' list=''
while [ $# -gt 0 ]; do
    case "$1" in
    --points) points=$2 && shift 2 ;;
    --nth) nths=$2 && shift 2 ;;
    --full) full=1 nths="1 2 4" && shift ;;
    --list) list=1 && shift ;;
    --case) break ;;
    *) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2 && exit 2 ;;
    esac
done

# ---- which cases ----

kill_cases() { # of one point
    local n stages="second"
    case "$1" in
    alloc) for n in 100 ${full:+1000 5000 20000}; do echo "second alloc:$n:kill"; done && return ;;
    lake.checkpoint) stages=each ;;
    journal.*) stages=first ;;
    lake.compact_data) stages=compact ;;
    lake.vacuum) stages=vacuum ;;
    # The pipeline has none of these: tests/services, tests/cli/report_kill_test.sh, tests/slt/models, tests/slt/landing, tests/cli/drop_test.sh.
    kafka.* | cassandra.* | report.* | model.* | landing.* | alert.* | lake.dropped) return ;;
    snapshot.landed | epoch.after_seal | lake.after_data | sink.before_commit) stages="first second" ;;
    esac
    [ -z "$full" ] || [ "$stages" != second ] || stages="first second"
    for n in $nths; do
        local s
        for s in $stages; do echo "$s $1:$n:kill"; done
    done
}

torn_cases() {
    local n
    for n in 1 ${full:+2 3}; do echo "second seal.write:$n:torn"; done
    for n in 1 5 ${full:+2 3 4 8 16 32}; do echo "second fs.write:$n:torn"; done
    [ -z "$full" ] || for n in 1 2 4 8; do echo "first fs.write:$n:torn"; done
}

errno_cases() {
    local n p
    for n in 1 6 ${full:+2 3 4 5 8 12 16 24 32}; do echo "second fs.sync:$n:EIO"; done
    for n in 1 4 ${full:+2 3 5 6 8 12 16 24 32}; do echo "second fs.write:$n:ENOSPC"; done
    for n in 1 ${full:+2 3 4 8}; do echo "second fs.rename:$n:EACCES"; done
    for p in seal.write seal.before_sync lake.before_link sink.before_commit \
        ${full:+sink.before_rows sink.after_commit lake.after_data lake.after_commit state.run_before_rename}; do
        echo "second $p:1:EIO"
        [ -z "$full" ] || echo "first $p:1:EIO"
    done
}

all_cases() {
    local p
    for p in $("$RAUDAL" doctor --faults 2>/dev/null); do kill_cases "$p"; done
    torn_cases
    errno_cases
}

# ---- one case ----

start_of() { # the root as the stage finds it
    rm -rf "$root"
    case "$1" in
    first) deliver first ;;
    second | each) deliver second && cp -a "$slot/root-first" "$root" ;;
    compact | vacuum) deliver second && cp -a "$slot/root-second" "$root" ;;
    esac
    [ "$1" != vacuum ] || "$RAUDAL" lake compact "$pipeline" "${at[@]}" >"$slot/out" 2>"$slot/err"
}

work_of() { # what the stage does; leaves the exit code of the program
    case "$1" in
    each) run_once 1 1 ;;
    compact) "$RAUDAL" lake compact "$pipeline" "${at[@]}" >"$slot/out" 2>"$slot/err" ;;
    vacuum) "$RAUDAL" lake vacuum "$pipeline" "${at[@]}" --retention '0 seconds' >"$slot/out" 2>"$slot/err" ;;
    *) run_once ;;
    esac
}

# How the disturbed run must end: 0 well, 1 badly, 2 the point was not reached.
judge_end() { # judge_end FAULT EXIT_CODE
    case "$1:$2" in
    *:0) return 2 ;;
    *:kill:137 | *:torn:137) return 0 ;;
    *:kill:* | *:torn:*) ;;
    *:4 | *:5 | *:6) grep -q 'could not\|cannot' "$slot/err" && return 0 ;;
    esac
    echo "the disturbed run ended with exit code $2" >>"$slot/err"
    return 1
}

# The restart, and what was to come after.  A lake command asks for a run first.
go_on() {
    case "$1" in
    first) run_once && deliver second && run_once ;;
    compact | vacuum) run_once && work_of "$1" ;;
    *) work_of "$1" ;;
    esac
}

run_case() { # run_case SLOT "STAGE FAULT"
    local stage=${2% *} fault=${2#* } way='' code verdict=FAIL
    use_slot "$1" || { echo "FAIL the undisturbed run" && keep_failed undisturbed && return; }
    start_of "$stage" || { echo "FAIL $2: could not begin" && return; }
    { RDL_FAULT=$fault work_of "$stage"; } 2>/dev/null
    code=$?
    judge_end "$fault" "$code"
    case $? in
    2) echo "miss $2" && return ;;
    1) echo "FAIL $2" && keep_failed "${2//[ :]/-}" && return ;;
    esac
    [ "$stage" != each ] || way=loose
    if go_on "$stage" && same_as_reference $way && rests; then
        verdict="ok  "
    fi
    echo "$verdict $2"
    [ "$verdict" = "ok  " ] || keep_failed "${2//[ :]/-}"
}

if [ "${1:-}" = --case ]; then
    run_case "$WORKER" "$2"
    exit 0
fi

# ---- all of them ----

mapfile -t cases < <(all_cases | while read -r stage fault; do
    # shellcheck disable=SC2254
    case "${fault%%:*}" in $points) echo "$stage $fault" ;; esac
done)
# What cannot name its fault points has nothing swept.
"$RAUDAL" doctor --faults 2>/dev/null | grep -qx epoch.after_seal || { echo "FAIL $RAUDAL names no fault points"; exit 1; }
[ -z "$list" ] || { printf '%s\n' "${cases[@]}" && exit 0; }
crash_init
printf '%s\n' "${cases[@]}" |
    xargs -P "$JOBS" -d '\n' -n 1 --process-slot-var=WORKER bash "$0" --case | tee "$room/log"

# A first occurrence that was not reached; later ones may well not exist.
missed=$(sed -n 's/^miss [a-z]* \(.*\):1:kill$/\1/p' "$room/log" | sort -u | while read -r p; do
    grep -q "^ok  *[a-z]* $p:" "$room/log" || echo "$p"
done)
[ -z "$missed" ] || echo "never reached:" $missed
passed=$(grep -c '^ok ' "$room/log") failed=$(grep -c '^FAIL' "$room/log")
failed=$((failed + $(wc -w <<<"$missed")))
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
