#!/usr/bin/env bash
# help_test.sh - `raudal help` speaks of every command within 80 columns; the manual page, the
# Markdown and the completions of three shells are well formed and name the same commands.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
failed=0
fail() { echo "FAILED: $*"; failed=1; }

# The overview is where the names come from: two words when the second one is no part of a sentence.
"$RAUDAL" help >"$room/overview"
sed -n 's/^  \([a-z]\+\( [a-z]\+\)\?\)  \+[A-Z].*/\1/p' "$room/overview" >"$room/names"
[ "$(wc -l <"$room/names")" -ge 25 ] || fail "the overview lists $(wc -l <"$room/names") commands"
while read -r name; do
    # shellcheck disable=SC2086
    "$RAUDAL" help $name >"$room/one" || fail "help $name exits $?"
    grep -q "^usage: raudal $name" "$room/one" || fail "help $name gives no usage"
    grep -q -- '^  --help ' "$room/one" || fail "help $name does not list --help"
    sed -n '/^options:/,/^examples:/p;1,/^options:/p' "$room/one" | awk 'length($0) > 80 && !/^usage/' >"$room/long"
    [ ! -s "$room/long" ] || fail "help $name is too wide: $(cat "$room/long")"
    # shellcheck disable=SC2086
    "$RAUDAL" $name --help | cmp -s - "$room/one" || fail "$name --help is not help $name"
done <"$room/names"

rc=0; "$RAUDAL" help lkae 2>"$room/said" || rc=$?
[ "$rc" = 2 ] && grep -q 'unrecognized command "lkae"' "$room/said" || fail "help of no command: $rc, $(cat "$room/said")"
rc=0; "$RAUDAL" lake 2>"$room/said" || rc=$?
[ "$rc" = 2 ] && grep -q 'It is one of: .*vacuum' "$room/said" || fail "half a command: $rc, $(cat "$room/said")"

"$RAUDAL" help --man >"$room/raudal.1"
while read -r name; do
    grep -q "^\.SS \"raudal $name" "$room/raudal.1" || fail "the manual page lacks $name"
done <"$room/names"
if command -v groff >/dev/null; then
    said=$(groff -man -Tascii -ww -z "$room/raudal.1" 2>&1) || true
    [ -z "$said" ] || fail "groff: $said"
else
    echo "skipped: the manual page's markup: groff is not there"
fi

"$RAUDAL" help --completion bash >"$room/raudal.bash"
# words LINE...: what bash would offer for the last word
words() (
    # shellcheck disable=SC1091
    source "$room/raudal.bash"
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    _raudal || true
    echo " ${COMPREPLY[*]} "
)
grep -q ' verify ' <<<"$(words raudal '')" || fail "bash does not offer verify"
[ "$(words raudal lake va)" = " vacuum " ] || fail "bash does not complete lake va: $(words raudal lake va)"
[ "$(words raudal quarantine re)" = " replay " ] || fail "bash does not complete quarantine re"
[ "$(words raudal run --onc)" = " --once " ] || fail "bash does not complete run --onc: $(words raudal run --onc)"
[ "$(words raudal lake vacuum --ret)" = " --retention " ] || fail "bash does not complete lake vacuum --ret"
for shell in zsh fish; do
    "$RAUDAL" help --completion "$shell" >"$room/raudal.$shell"
    while read -r name; do
        grep -q "${name#* }" "$room/raudal.$shell" || fail "$shell lacks $name"
    done <"$room/names"
    if command -v "$shell" >/dev/null; then
        "$shell" -n "$room/raudal.$shell" || fail "$shell cannot read its completion"
    else
        echo "skipped: $shell reads its completion: $shell is not there"
    fi
done
rc=0; "$RAUDAL" help --completion tcsh 2>"$room/said" || rc=$?
[ "$rc" = 2 ] && grep -q 'bash, zsh and fish' "$room/said" || fail "another shell: $rc"

[ "$failed" = 0 ] && echo "help: $(wc -l <"$room/names") commands in each form"
exit "$failed"
