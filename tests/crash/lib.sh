# crash/lib.sh - a small landing, runs that die, and what must be true afterwards.
#
# Two deliveries: `first` holds the masters and six files of events, `second` another delivery of
# one master (the history of customers gets its second version) and eight more files.  A slot is
# a folder in which one case runs at a time: slot-N/landing, slot-N/root.  A file is known by its
# path too, so the landing of a slot never moves.
#
# The undisturbed run of both deliveries is the reference: what is read back from a root after a
# crash, a restart and the rest of the work must be the same, cell by cell.
#
# Needs $RAUDAL, the program, and $GENERATE, the example's generator; or LANDING, a landing zone of
# which the first 14 files of events are taken.  JOBS cases run at a time.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
pipeline=$top/examples/cloud_analytics
: "${RAUDAL:=$top/build/raudal}"
: "${GENERATE:=$(dirname "$RAUDAL")/examples/cloud_analytics/generate}"
: "${JOBS:=$(nproc)}"
: "${KEEP:=}"

crash_init() { # makes the room; everything below it goes at exit, unless a case failed
    command -v python3 >/dev/null || { echo "skipped: python3 is not there"; exit 77; }
    [ -x "$RAUDAL" ] || { echo "could not find the program \"$RAUDAL\"" >&2; exit 2; }
    room=$(mktemp -d "${TMPDIR:-/tmp}/raudal-crash-XXXXXX")
    export room here top pipeline RAUDAL GENERATE
    trap 'crash_fini' EXIT
    make_landing || { echo "could not make a landing zone with \"$GENERATE\"" >&2; exit 2; }
}

crash_fini() {
    if [ -n "$KEEP" ] || compgen -G "$room/failed-*" >/dev/null; then
        echo "kept: $room" >&2
    else
        rm -rf "$room"
    fi
}

# Four days of the generated sixty, so that an epoch touches few partitions; of both schemas.
make_landing() {
    local all=$room/generated n=0 file
    if [ -n "${LANDING:-}" ]; then
        mkdir -p "$all/usage_events_stream"
        cp "$LANDING"/*.csv "$all/"
        for file in "$LANDING"/usage_events_stream/*.jsonl; do
            [ "$((n += 1))" -gt 14 ] || cp "$file" "$all/usage_events_stream/"
        done
    else
        "$GENERATE" --out "$all" --scale 0.15 --files 14 --seed "${SEED:-7}" --orgs 12 \
            --malformed 60 --violations 60 --duplicates 900 >/dev/null || return 1
        for file in "$all"/usage_events_stream/*.jsonl; do
            grep -Ev '"timestamp": ?"2025-(07-(0[4-9]|1[0-79]|2|3)|08)' "$file" >"$file.part" || true
            mv "$file.part" "$file"
        done
    fi
    lines=$(cat "$all"/usage_events_stream/*.jsonl | grep -c .)
    mkdir -p "$room/first/usage_events_stream" "$room/second/usage_events_stream"
    cp "$all"/*.csv "$room/first/"
    n=0
    for file in "$all"/usage_events_stream/*.jsonl; do
        [ "$((n += 1))" -le 6 ] && cp "$file" "$room/first/usage_events_stream/" ||
            cp "$file" "$room/second/usage_events_stream/"
    done
    [ ! -d "$all/truth/next_delivery" ] || cp "$all"/truth/next_delivery/*.csv "$room/second/"
    [ "$lines" -gt 0 ] && export lines
}

# ---- one slot ----

use_slot() { # use_slot N: its folder, and a root with the first delivery in it
    slot=$room/slot-$1
    root=$slot/root
    at=(--root "$root" --set "LANDING=$slot/landing")
    [ ! -e "$slot/root-second" ] || return 0
    [ ! -d "$slot" ] || return 1
    mkdir -p "$slot"
    deliver first
    run_once || return 1
    cp -a "$root" "$slot/root-first"
    deliver second
    run_once || return 1
    read_back "$slot/reference" || return 1
    cp -a "$root" "$slot/root-second"
}

deliver() { # deliver first|second: what lies in landing; second holds the first too
    rm -rf "$slot/landing"
    mkdir -p "$slot/landing"
    cp -a "$room/first/." "$slot/landing/"
    [ "$1" = first ] || cp -a "$room/second/." "$slot/landing/"
}

# Partitions of 4 rows of an epoch are files that the lake adopts.
# run_once [files per epoch]: stores and lake are brought up after every second epoch, and at the end.
run_once() {
    "$RAUDAL" run "$pipeline" --once "${at[@]}" --set "max_files_per_epoch=${1:-2}" \
        --set "max_pending_epochs=${2:-2}" --set journal_max_bytes=1 --set lake_adopt_rows=4 --log-level error >"$slot/out" 2>"$slot/err"
}

# What a root holds, into FILE.dump (tables, each row with its identity) and FILE.store.  Fails when
# the root's own accounts do not add up, or anything is left over or missing in it.  The instants in
# a customer's list of plans are those of the deliveries, which differ from run to run: they are
# left out here, their order is seen in the history itself.
read_back() {
    "$RAUDAL" status "$pipeline" "${at[@]}" --json >"$1.status" 2>>"$slot/err" || return 1
    "$RAUDAL" verify "$pipeline" "${at[@]}" --json >"$1.verify" 2>>"$slot/err" || true
    python3 "$here/audit.py" root "$root" "$1.status" "$1.verify" "$lines" >>"$slot/err" || return 1
    python3 "$here/audit.py" dump-sql "$1.status" >"$slot/dump.sql"
    "$RAUDAL" sql "$pipeline" "${at[@]}" --format csv <"$slot/dump.sql" >"$1.dump" 2>>"$slot/err" || return 1
    python3 "$here/audit.py" store "$root/serving.db" >"$1.store" 2>>"$slot/err" || return 1
    sed -i 's/\("*since"*: *"*\)[0-9][0-9: TZ.-]*/\1/g' "$1.dump" "$1.store"
}

# same_as_reference [loose]: does the root hold what the reference holds?  If not, a few lines of the
# difference go to the slot's err.  loose: the epochs of rows may differ.
same_as_reference() {
    local what way=${1:-}
    read_back "$slot/found" || return 1
    for what in reference found; do
        [ -z "$way" ] || python3 "$here/audit.py" loose "$slot/$what.dump" >"$slot/$what.loose"
    done
    cmp -s "$slot/reference.${way:-dump}" "$slot/found.${way:-dump}" &&
        cmp -s "$slot/reference.store" "$slot/found.store" && return 0
    diff "$slot/reference.${way:-dump}" "$slot/found.${way:-dump}" | head -n 6 >>"$slot/err"
    diff "$slot/reference.store" "$slot/found.store" | head -n 6 >>"$slot/err"
    return 1
}

# A run with nothing to do changes no file.  The first ones may still finish what the last process left
# (a checkpoint, a prune); merges of state runs are begun by processes that seal epochs alone.
rests() {
    local try
    for try in 1 2 3 4 5; do
        python3 "$here/audit.py" listing "$root" >"$slot/before"
        run_once || return 1
        python3 "$here/audit.py" listing "$root" >"$slot/after"
        cmp -s "$slot/before" "$slot/after" && return 0
    done
    echo "runs with nothing to do go on changing files:" >>"$slot/err"
    diff "$slot/before" "$slot/after" | head -n 6 >>"$slot/err"
    return 1
}

# What is left of a case that failed is kept, under its name.
keep_failed() { # keep_failed NAME
    mkdir -p "$room/failed-$1"
    cp -a "$root" "$slot"/err "$slot"/out "$slot"/*.dump "$room/failed-$1/" 2>/dev/null || true
    sed 's/^/     /' "$slot/err" | head -n 14
}
