#!/usr/bin/env bash
# errand_test.sh - refresh, publish and replay while a run holds the root: the run does them.
set -euo pipefail
room=$(mktemp -d)
run=
trap '[ -z "$run" ] || kill -9 "$run" 2>/dev/null || true; rm -rf "$room"' EXIT
p=$room/a-folder-whose-name-is-longer-than-what-a-socket-can-be-called-so-that-the-path-does-not-fit-into-one/shop
mkdir -p "$(dirname "$p")"
fail() { echo "FAILED: $1" && exit 1; }
said() { # said WHAT PATTERN COMMAND...: it ends well and says so
    local what=$1 pattern=$2 got
    shift 2
    got=$("$RAUDAL" "$@" 2>&1) || fail "$what: $got"
    grep -q -- "$pattern" <<<"$got" || fail "$what said: $got"
}
refused() { # refused WHAT CODE PATTERN COMMAND...
    local what=$1 code=$2 pattern=$3 got rc=0
    shift 3
    got=$("$RAUDAL" "$@" 2>&1) || rc=$?
    [ "$rc" = "$code" ] || fail "$what: exit $rc: $got"
    grep -q -- "$pattern" <<<"$got" || fail "$what said: $got"
}
begin() { # begin [VARIABLE=VALUE ...]: a run that holds the root
    env "$@" "$RAUDAL" run "$p" >"$room/run" 2>&1 &
    run=$!
    for _ in $(seq 600); do
        [ ! -S "$p/.raudal/state/control" ] || return 0
        kill -0 "$run" 2>/dev/null || fail "the run ended: $(cat "$room/run")"
        sleep 0.05
    done
    fail "the run does not listen"
}
end() {
    kill -TERM "$run"
    wait "$run" || fail "the run ended badly: $(cat "$room/run")"
    run=
}

"$RAUDAL" init "$p" >/dev/null
"$RAUDAL" run "$p" --once >/dev/null 2>&1
begin
[ "$(stat -c %a "$p/.raudal/state/control")" = 600 ] || fail "others may ask too"
said "a view" '1 table computed again' refresh "$p" gold.sales_by_day
said "a range" '2025-08-01 to before 2025-08-02' refresh "$p" gold.sales_by_day --from 2025-08-01 --to 2025-08-02
said "all views" 'all views computed again' refresh "$p"
said "a store" 'sales_by_day filled in sqlite:serving.db' publish "$p"
said "a replay" '1 replayed = 1 still quarantined' quarantine replay "$p" bronze.sales
said "a replay of nothing" 'nothing that was asked for' quarantine replay "$p" bronze.sales --where "reasons = []"
said "files merged" 'bronze.sales: [0-9]* files merged into' lake compact "$p" bronze.sales
said "what would go" 'bronze.sales: [0-9]* files* would be removed' lake vacuum "$p" bronze.sales --dry-run --retention '1 hour'
said "files removed" 'gold.sales_by_day: [0-9]* files* removed' lake vacuum "$p" gold.sales_by_day
said "repair of what is sound" '0 differences' verify "$p" --repair
refused "a name" 2 'Did you mean "gold.sales_by_day"' refresh "$p" gold.sales_by_dya
refused "a table" 2 'Did you mean "bronze.sales"' lake compact "$p" bronze.slaes
refused "a condition" 2 'rows to replay' quarantine replay "$p" bronze.sales --where 'nonsense ('
refused "another setting" 6 'leave the option out' refresh "$p" --set LANDING=/tmp
refused "a state that is lost" 6 'rebuild-state' refresh "$p" --rebuild-state
refused "a second run" 6 'held by raudal' run "$p" --once
cp -r "$p" "$room/other"
refused "another pipeline" 6 'a run of another pipeline' refresh "$room/other" --root "$p/.raudal"
# What is asked at once is done in turn.
for i in 1 2 3 4; do "$RAUDAL" refresh "$p" gold.sales_by_day >"$room/turn$i" 2>&1 & done
for i in 1 2 3 4; do
    for _ in $(seq 600); do grep -q 'computed again' "$room/turn$i" && break || sleep 0.05; done
    grep -q 'computed again' "$room/turn$i" || fail "turn $i: $(cat "$room/turn$i")"
done
kill -0 "$run" || fail "the run ended: $(cat "$room/run")"
said "what it did" refresh status "$p"
end
[ ! -e "$p/.raudal/state/control" ] || fail "the socket is left"
said "verify" ' 0 differences' verify "$p"

# Killed while it works for somebody: the caller is told, the next start is in order.
begin RDL_FAULT=epoch.before_seal:1:kill
refused "a run that dies" 6 'ended before it answered' refresh "$p" gold.sales_by_day
rc=0
wait "$run" || rc=$?
[ "$rc" = 137 ] || fail "it was not killed: $rc"
run=
[ -S "$p/.raudal/state/control" ] || fail "the killed run removed its socket"
said "with a dead socket" '1 table computed again' refresh "$p" gold.sales_by_day
said "verify again" ' 0 differences' verify "$p"
echo "errands: a run that holds the root does what others ask"
